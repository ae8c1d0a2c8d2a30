/* SPDX-License-Identifier: BSD-3-Clause */
/* Offloads of the driver against a model of its chip: checksums, TSO, VLAN, RSS, frame sizes. */
#include "e1000_pair.h"
#include "frames.h"

#include <stdlib.h>
#include <string.h>

#define MS 1000000ull

/* ---- checksums ------------------------------------------------------------------------- */

static void tx_csum(bool v6, bool udp, bool vlan)
{
	struct fl_pkt *pkt = frame_l4(pr.pool, v6, udp, 333), *got;

	pkt->flags = (v6 ? FL_TX_IPV6 : FL_TX_IPV4 | FL_TX_IP_CSUM) |
		     (udp ? FL_TX_UDP_CSUM : FL_TX_TCP_CSUM);
	if (vlan) {
		pkt->flags |= FL_TX_VLAN;
		pkt->vlan_tci = 0x6123;
	}
	frame_break_csums(pkt);
	got = e1000_send_one(pkt);
	assert_true(frame_csums_ok(got));
	assert_int_equal(got->pkt_len, frame_l4_len(v6, udp, 333));
	if (!v6)
		assert_true(got->flags & FL_RX_IP_CSUM_GOOD);
	assert_true(got->flags & FL_RX_L4_CSUM_GOOD);
	if (fl_port_conf(pr.b)->offloads & FL_OFF_RX_PTYPE)
		assert_int_equal(got->ptype, FL_PTYPE_ETHER | FL_PTYPE_L4 |
						     (v6 ? FL_PTYPE_IPV6 : FL_PTYPE_IPV4));
	assert_int_equal(!!(got->flags & FL_RX_VLAN_STRIPPED), vlan);
	if (vlan)
		assert_int_equal(got->vlan_tci, 0x6123);
	fl_pkt_free(got);
}

/* and packet types, where the chip knows them */
static uint64_t all_csum(void)
{
	return FL_OFF_RX_IP_CSUM | FL_OFF_RX_L4_CSUM | FL_OFF_TX_IP_CSUM | FL_OFF_TX_TCP_CSUM |
	       FL_OFF_TX_UDP_CSUM | FL_OFF_TX_MULTI_SEG | (e1000_info().offloads & FL_OFF_RX_PTYPE);
}

static void test_csum_tx(void **state)
{
	e1000_up(all_csum() | FL_OFF_TX_VLAN | FL_OFF_RX_VLAN_STRIP, 1);
	for (unsigned i = 0; i < 40; i++)
		tx_csum(i & 1, i & 2, i & 4);
}

/* both transmit queues take turns with different contexts */
static void test_csum_tx_two_queues(void **state)
{
	struct fl_pkt *pkt, *got;

	if (e1000_info().txq_max < 2)
		skip();
	e1000_up(all_csum(), 2);
	for (unsigned i = 0; i < 40; i++) {
		bool v6 = i & 2, udp = i & 4;

		pkt = frame_l4(pr.pool, v6, udp, 100);
		pkt->flags =
			(v6 ? FL_TX_IPV6 : FL_TX_IPV4) | (udp ? FL_TX_UDP_CSUM : FL_TX_TCP_CSUM);
		frame_break_l4_csum(pkt);
		assert_int_equal(fl_tx_prepare(fl_port_txq(pr.a, i & 1), &pkt, 1), 1);
		pair_send(fl_port_txq(pr.a, i & 1), &pkt, 1);
		pair_recv(fl_port_rxq(pr.b, 0), &got, 1);
		assert_true(frame_csums_ok(got));
		fl_pkt_free(got);
	}
}

static void test_csum_rx_bad(void **state)
{
	struct fl_pkt *got;

	e1000_up(all_csum(), 1);
	for (unsigned i = 0; i < 4; i++) {
		struct fl_pkt *pkt = frame_l4(pr.pool, false, i & 1, 50);

		if (i & 2)
			frame_break_csums(pkt);
		else
			frame_break_l4_csum(pkt);
		got = e1000_send_one(pkt);
		assert_int_equal(got->flags & (FL_RX_IP_CSUM_GOOD | FL_RX_IP_CSUM_BAD),
				 i & 2 ? FL_RX_IP_CSUM_BAD : FL_RX_IP_CSUM_GOOD);
		assert_int_equal(got->flags & (FL_RX_L4_CSUM_GOOD | FL_RX_L4_CSUM_BAD),
				 FL_RX_L4_CSUM_BAD);
		fl_pkt_free(got);
	}
	/* nothing is known of what is not IP */
	got = e1000_send_one(pair_frame(&pr, 1, 60));
	assert_int_equal(got->flags, 0);
	if (fl_port_conf(pr.b)->offloads & FL_OFF_RX_PTYPE)
		assert_int_equal(got->ptype, FL_PTYPE_ETHER);
	fl_pkt_free(got);
}

static void test_tso(void **state)
{
	const uint16_t mss = 1000, payload = 12345;

	for (unsigned i = 0; i < 2; i++) {
		bool v6 = i & 1;
		struct fl_pkt *pkt, *got[16];
		unsigned segs = (payload + mss - 1) / mss;
		uint32_t at = 0;

		e1000_up(all_csum() | FL_OFF_TX_TSO, 1);
		pkt = frame_tcp_chain(pr.pool, v6, payload);
		pkt->flags = FL_TX_TSO | (v6 ? FL_TX_IPV6 : FL_TX_IPV4 | FL_TX_IP_CSUM);
		pkt->tso_mss = mss;
		assert_int_equal(fl_tx_prepare(fl_port_txq(pr.a, 0), &pkt, 1), 1);
		pair_send(fl_port_txq(pr.a, 0), &pkt, 1);
		pair_recv(fl_port_rxq(pr.b, 0), got, (uint16_t)segs);
		for (unsigned k = 0; k < segs; k++) {
			assert_true(frame_csums_ok(got[k]));
			assert_int_equal(frame_tcp_seq(got[k]), FRAME_TCP_SEQ + at);
			at += frame_check_payload(got[k], at);
		}
		assert_int_equal(at, payload);
		fl_pkt_free_bulk(got, segs);
		pair_recv_none(fl_port_rxq(pr.b, 0), 10);
		pair_down(&pr);
	}
}

/* lengths of the ring's data descriptors from `at` on, and where each frame ends */
static void check_descs(uint16_t at, const uint16_t *len, const bool *eop, unsigned n)
{
	uint64_t d[2];

	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(fl_txq_desc_read(fl_port_txq(pr.a, 0), (uint16_t)(at + i), d), 0);
		assert_int_equal(d[1] & 0x1fffffu, 1u << 20 | len[i]);
		assert_int_equal(d[1] >> 24 & 1, eop[i]);
	}
}

/* errata of the 82540: the end of a TSO frame, and of the next, in a descriptor of their own */
static void test_tso_descriptors(void **state)
{
	const uint16_t pci[] = { 400, 400, 250, 4, 96, 4, 100 }, pcie[] = { 1054, 100, 100 };
	const bool pci_eop[] = { 0, 0, 0, 1, 0, 1, 1 }, pcie_eop[] = { 1, 1, 1 };
	struct fl_pkt *pkt, *got[10];

	e1000_up(all_csum() | FL_OFF_TX_TSO, 1);
	pkt = frame_l4(pr.pool, false, false, 1000);
	pkt->flags = FL_TX_TSO | FL_TX_IPV4 | FL_TX_IP_CSUM;
	pkt->tso_mss = 100;
	assert_int_equal(fl_tx_prepare(fl_port_txq(pr.a, 0), &pkt, 1), 1);
	pair_send(fl_port_txq(pr.a, 0), &pkt, 1);
	pair_recv(fl_port_rxq(pr.b, 0), got, 10);
	for (unsigned i = 0; i < 10; i++)
		assert_true(frame_csums_ok(got[i]));
	fl_pkt_free_bulk(got, 10);
	for (unsigned i = 0; i < 2; i++) {
		got[0] = e1000_send_one(pair_frame(&pr, i, 100));
		assert_int_equal(pair_frame_seq(got[0]), i);
		fl_pkt_free(got[0]);
	}
	if (e1000_has(FL_FEAT_TIMESYNC))
		check_descs(1, pcie, pcie_eop, 3);
	else
		check_descs(1, pci, pci_eop, 7);
}

/* many frames with and without TSO in any order: all batches are reclaimed, none is lost */
static void test_tso_mixed(void **state)
{
	struct fl_pkt *pkts[8], *got[16];
	unsigned seed = 5, tso;

	e1000_up(all_csum() | FL_OFF_TX_TSO, 1);
	for (unsigned i = 0; i < 300; i++) {
		uint16_t n = (uint16_t)(1 + rand_r(&seed) % 8), frames = 0;

		for (unsigned k = 0; k < n; k++) {
			tso = rand_r(&seed) % 3 == 0;
			pkts[k] = tso ? frame_l4(pr.pool, false, false, 200)
				      : pair_frame(&pr, k, (uint16_t)(14 + rand_r(&seed) % 200));
			if (tso) {
				pkts[k]->flags = FL_TX_TSO | FL_TX_IPV4 | FL_TX_IP_CSUM;
				pkts[k]->tso_mss = 100;
			}
			frames += tso ? 2 : 1;
		}
		assert_int_equal(fl_tx_prepare(fl_port_txq(pr.a, 0), pkts, n), n);
		pair_send(fl_port_txq(pr.a, 0), pkts, n);
		pair_recv(fl_port_rxq(pr.b, 0), got, frames);
		fl_pkt_free_bulk(got, frames);
	}
	pair_recv_none(fl_port_rxq(pr.b, 0), 10);
}

/* ---- VLAN ------------------------------------------------------------------------------ */

static void test_vlan(void **state)
{
	struct fl_pkt *got, *pkt;

	e1000_up(FL_OFF_TX_VLAN | FL_OFF_RX_VLAN_STRIP | FL_OFF_RX_VLAN_FILTER, 1);
	pkt = pair_frame(&pr, 1, 100);
	pkt->flags = FL_TX_VLAN;
	pkt->vlan_tci = 0xe005;
	got = e1000_send_one(pkt);
	assert_int_equal(got->flags, FL_RX_VLAN_STRIPPED);
	assert_int_equal(got->vlan_tci, 0xe005);
	assert_int_equal(pair_frame_seq(got), 1);

	/* without stripping the tag stands in the frame */
	assert_int_equal(fl_port_vlan_offload(pr.b, FL_OFF_RX_VLAN_FILTER), 0);
	got->flags = FL_TX_VLAN;
	if (fl_port_conf(pr.b)->offloads & FL_OFF_TX_VLAN) {
		/* one switch for both directions on this chip: tags still come off, and are told */
		got = e1000_send_one(got);
		assert_int_equal(got->flags, FL_RX_VLAN_STRIPPED);
	}
	fl_pkt_free(got);

	/* the filter counts once promiscuous mode is off */
	assert_int_equal(fl_port_mac_set(pr.b, &(struct fl_mac){ { 2, 0, 0, 0, 0, 1 } }), 0);
	assert_int_equal(fl_port_promisc(pr.b, false), 0);
	for (uint16_t vid = 5; vid < 8; vid++) {
		assert_int_equal(fl_port_vlan_filter(pr.b, vid, vid != 6), 0);
		pkt = pair_frame(&pr, vid, 100);
		pkt->flags = FL_TX_VLAN;
		pkt->vlan_tci = vid;
		if (vid != 6) {
			fl_pkt_free(e1000_send_one(pkt));
			continue;
		}
		pair_send(fl_port_txq(pr.a, 0), &pkt, 1);
		pair_recv_none(fl_port_rxq(pr.b, 0), 30);
	}
	assert_int_equal(fl_port_vlan_filter(pr.b, 4096, true), -EINVAL);
	assert_int_equal(fl_port_vlan_filter(pr.b, 5, false), 0);
	assert_int_equal(fl_port_vlan_filter(pr.b, 7, false), 0);
}

static void test_vlan_no_strip(void **state)
{
	struct fl_port_conf ca = { .nb_rxq = 1, .nb_txq = 1, .offloads = FL_OFF_TX_VLAN };
	struct fl_port_conf cb = { .nb_rxq = 1, .nb_txq = 1 };
	struct fl_pkt *pkt, *got;
	uint8_t *d;

	assert_int_equal(fl_port_promisc(pr.b, true), 0);
	pair_up_port(&pr, pr.a, &ca, PAIR_RING);
	pair_up_port(&pr, pr.b, &cb, PAIR_RING);
	assert_int_equal(fl_port_link_wait(pr.a, 3000), 0);
	assert_int_equal(fl_port_link_wait(pr.b, 3000), 0);
	pkt = pair_frame(&pr, 1, 100);
	pkt->flags = FL_TX_VLAN;
	pkt->vlan_tci = 0x1234;
	got = e1000_send_one(pkt);
	assert_int_equal(got->flags, 0);
	assert_int_equal(got->pkt_len, 104);
	d = fl_pkt_data(got);
	assert_memory_equal(d + 12, "\x81\x00\x12\x34\x88\xb5", 6);
	fl_pkt_free(got);
	/* stripping turned on while it runs */
	assert_int_equal(fl_port_vlan_offload(pr.b, FL_OFF_RX_VLAN_STRIP), 0);
	pkt = pair_frame(&pr, 1, 100);
	pkt->flags = FL_TX_VLAN;
	pkt->vlan_tci = 0x1234;
	got = e1000_send_one(pkt);
	assert_int_equal(got->flags, FL_RX_VLAN_STRIPPED);
	assert_int_equal(got->vlan_tci, 0x1234);
	fl_pkt_free(got);
}

/* ---- RSS ------------------------------------------------------------------------------- */

static void test_rss(void **state)
{
	struct fl_port_conf c = {
		.nb_rxq = 2,
		.nb_txq = 2,
		.offloads = FL_OFF_RX_RSS_HASH,
		.rss.types = FL_RSS_IPV4 | FL_RSS_TCP_IPV4 | FL_RSS_IPV6 | FL_RSS_TCP_IPV6,
	};
	unsigned hits[2] = { 0 };
	uint16_t reta[128];
	struct fl_pkt *pkt;

	if (!e1000_has(FL_FEAT_RSS))
		skip();
	assert_int_equal(fl_port_promisc(pr.b, true), 0);
	pair_up(&pr, &c);
	/* the vector everybody checks with: 66.9.149.187:2794 to 161.142.100.80:1766 */
	for (unsigned i = 0; i < 3; i++) {
		static const uint32_t want[] = { 0x51ccc178, 0x323e8fc2, 0x323e8fc2 };
		struct fl_rss_conf r = { .types = i == 1 ? FL_RSS_IPV4
							 : FL_RSS_IPV4 | FL_RSS_TCP_IPV4 };
		uint16_t q;

		assert_int_equal(fl_port_rss_set(pr.b, &r), 0);
		pkt = frame_flow(pr.pool, i == 2, 0x420995bb, 0xa18e6450, 2794, 1766);
		pair_send(fl_port_txq(pr.a, 0), &pkt, 1);
		q = (want[i] & 127u) & 1;
		pair_recv(fl_port_rxq(pr.b, q), &pkt, 1);
		assert_int_equal(pkt->flags & FL_RX_RSS_HASH, FL_RX_RSS_HASH);
		assert_int_equal(pkt->hash, want[i]);
		fl_pkt_free(pkt);
	}
	/* flows spread; a table of ones sends all to queue 1 */
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 64; i++) {
			uint64_t end = fl_now_ns() + 3000 * MS;
			unsigned q = 0;

			pkt = frame_flow(pr.pool, false, 0x0a000001 + i, 0x0a000002, 1000,
					 (uint16_t)(2000 + i));
			pair_send(fl_port_txq(pr.a, i & 1), &pkt, 1);
			while (!fl_rx_burst(fl_port_rxq(pr.b, (uint16_t)q), &pkt, 1)) {
				assert_true(fl_now_ns() < end);
				q = !q;
			}
			hits[q]++;
			fl_pkt_free(pkt);
		}
		if (round == 0) {
			assert_in_range(hits[0], 16, 48);
			for (unsigned i = 0; i < 128; i++)
				reta[i] = 1;
			assert_int_equal(fl_port_reta_set(pr.b, reta, 128), 0);
			memset(reta, 0, sizeof(reta));
			assert_int_equal(fl_port_reta_get(pr.b, reta, 128), 0);
			assert_int_equal(reta[127], 1);
			memset(hits, 0, sizeof(hits));
		}
	}
	assert_int_equal(hits[1], 64);
	reta[3] = 2;
	assert_int_equal(fl_port_reta_set(pr.b, reta, 128), -EINVAL);
	assert_int_equal(fl_port_reta_set(pr.b, reta, 64), -EINVAL);
}

static void test_rss_key(void **state)
{
	struct fl_rss_conf r = { .types = FL_RSS_IPV4, .key_len = 40 }, got;
	struct fl_port_conf c = {
		.nb_rxq = 1, .nb_txq = 1, .offloads = FL_OFF_RX_RSS_HASH, .rss.types = FL_RSS_IPV4
	};
	struct fl_pkt *pkt;

	if (!e1000_has(FL_FEAT_RSS_KEY)) {
		assert_int_equal(fl_port_rss_set(pr.b, &r), -EOPNOTSUPP);
		assert_int_equal(fl_port_rss_get(pr.b, &r), -EOPNOTSUPP);
		assert_int_equal(fl_port_configure(pr.b, &c), -EOPNOTSUPP);
		return;
	}
	assert_int_equal(fl_port_promisc(pr.b, true), 0);
	pair_up(&pr, &c);
	assert_int_equal(fl_port_rss_get(pr.b, &got), 0);
	assert_int_equal(got.key_len, 40);
	/* a key of zeros makes every hash zero */
	assert_int_equal(fl_port_rss_set(pr.b, &r), 0);
	pkt = frame_flow(pr.pool, false, 1, 2, 3, 4);
	pkt = e1000_send_one(pkt);
	assert_true(pkt->flags & FL_RX_RSS_HASH);
	assert_int_equal(pkt->hash, 0);
	fl_pkt_free(pkt);
	got.types = FL_RSS_IPV4;
	assert_int_equal(fl_port_rss_set(pr.b, &got), 0);
	r.key_len = 39;
	assert_int_equal(fl_port_rss_set(pr.b, &r), -EINVAL);
	r.types = FL_RSS_UDP_IPV4;
	assert_int_equal(fl_port_rss_set(pr.b, &r), -EOPNOTSUPP);
}

/* ---- frame sizes ----------------------------------------------------------------------- */

static struct fl_pkt *long_frame(uint32_t seq, uint32_t len)
{
	struct fl_pkt *head = NULL;
	uint8_t *all = malloc(len), head14[14] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5 };

	memcpy(all, head14, 14);
	memcpy(all + 14, &seq, 4);
	for (uint32_t i = 18; i < len; i++)
		all[i] = (uint8_t)(seq * 31u + i);
	for (uint32_t at = 0; at < len;) {
		uint16_t n = (uint16_t)(len - at < 1900 ? len - at : 1900);
		struct fl_pkt *s = fl_pkt_alloc(pr.pool);

		assert_non_null(s);
		memcpy(fl_pkt_append(s, n), all + at, n);
		at += n;
		if (!head)
			head = s;
		else
			assert_int_equal(fl_pkt_chain(head, s), 0);
	}
	free(all);
	return head;
}

static void test_jumbo(void **state)
{
	struct fl_port_conf c = { .nb_rxq = 1,
				  .nb_txq = 1,
				  .mtu = e1000_info().mtu_max,
				  .offloads = FL_OFF_RX_SCATTER | FL_OFF_TX_MULTI_SEG };
	const char *why = "";

	assert_int_equal(fl_port_promisc(pr.b, true), 0);
	pair_up(&pr, &c);
	for (uint32_t len = 1500; len <= e1000_longest(); len += 97) {
		struct fl_pkt *got = e1000_send_one(long_frame(len, len));

		assert_int_equal(got->pkt_len, len);
		assert_int_equal(pair_frame_seq(got), len);
		assert_int_equal(got->nb_segs, (len + 2047) / 2048);
		if (fl_pkt_check(got, &why))
			fail_msg("%s", why);
		fl_pkt_free(got);
	}
}

/* the longest frames there are, each in many of the least buffers that the chip knows */
static void test_jumbo_in_small_buffers(void **state)
{
	const struct fl_port_conf c = { .nb_rxq = 1,
					.nb_txq = 1,
					.mtu = e1000_info().mtu_max,
					.offloads = FL_OFF_RX_SCATTER | FL_OFF_TX_MULTI_SEG |
						    FL_OFF_RX_KEEP_CRC | FL_OFF_TX_VLAN };
	struct fl_rxq_conf rc = { .nb_desc = 512 };
	const struct fl_txq_conf tc = { 0 };
	struct fl_pool_opts o;

	fl_pool_opts_init(&o);
	o.count = 1024;
	o.data_room = 300;
	o.space = fl_ctx_space(pr.ctx);
	assert_int_equal(fl_pool_create(&o, NULL, &rc.pool), 0);
	assert_int_equal(fl_port_promisc(pr.b, true), 0);
	assert_int_equal(fl_port_configure(pr.b, &c), 0);
	assert_int_equal(fl_rxq_setup(pr.b, 0, &rc), 0);
	assert_int_equal(fl_txq_setup(pr.b, 0, &tc), 0);
	assert_int_equal(fl_port_start(pr.b), 0);
	pair_up_port(&pr, pr.a, &c, PAIR_RING);
	assert_int_equal(fl_port_link_wait(pr.a, 3000), 0);
	for (uint32_t i = 0; i < 30; i++) {
		struct fl_pkt *got, *pkt = long_frame(i, e1000_longest());

		pkt->flags = FL_TX_VLAN;
		pkt->vlan_tci = 5;
		got = e1000_send_one(pkt);
		/* b strips the tag, since it may insert one, and keeps the FCS */
		assert_int_equal(got->flags, FL_RX_VLAN_STRIPPED);
		assert_int_equal(got->pkt_len, e1000_longest() + 4);
		assert_int_equal(got->nb_segs, (e1000_longest() + 4 + 255) / 256);
		fl_pkt_free(got);
	}
	pair_down(&pr);
	assert_int_equal(fl_port_configure(pr.b, &c), 0);
	assert_int_equal(fl_pool_destroy(rc.pool), 0);
}

/* at every MTU the longest frame passes with a tag too, and one byte more does not */
static void test_longest_with_vlan(void **state)
{
	const uint16_t mtus[] = { 1500, e1000_info().mtu_max };

	for (unsigned i = 0; i < 2 * FL_ARRAY_SIZE(mtus); i++) {
		uint16_t mtu = mtus[i / 2];
		struct fl_port_conf ca = { .nb_rxq = 1,
					   .nb_txq = 1,
					   .mtu = mtus[1],
					   .offloads = FL_OFF_TX_VLAN | FL_OFF_TX_MULTI_SEG |
						       FL_OFF_RX_SCATTER };
		struct fl_port_conf cb = { .nb_rxq = 1,
					   .nb_txq = 1,
					   .mtu = mtu,
					   .offloads = FL_OFF_RX_SCATTER |
						       (i & 1 ? FL_OFF_RX_VLAN_STRIP : 0) };
		struct fl_pkt *pkt = long_frame(7, mtu + 14u), *got;

		assert_int_equal(fl_port_promisc(pr.b, true), 0);
		pair_up_port(&pr, pr.a, &ca, PAIR_RING);
		pair_up_port(&pr, pr.b, &cb, PAIR_RING);
		assert_int_equal(fl_port_link_wait(pr.a, 3000), 0);
		assert_int_equal(fl_port_link_wait(pr.b, 3000), 0);
		pkt->flags = FL_TX_VLAN;
		pkt->vlan_tci = 5;
		got = e1000_send_one(pkt);
		assert_int_equal(got->pkt_len, mtu + (i & 1 ? 14u : 18u));
		fl_pkt_free(got);
		if (mtu == 1500) {
			pkt = long_frame(7, mtu + 15u);
			pkt->flags = FL_TX_VLAN;
			pair_send(fl_port_txq(pr.a, 0), &pkt, 1);
			pair_recv_none(fl_port_rxq(pr.b, 0), 20);
		}
		pair_down(&pr);
	}
}

/* many long frames, so that chains cross the end of the ring and bursts */
static void test_jumbo_stream(void **state)
{
	struct fl_port_conf c = { .nb_rxq = 1,
				  .nb_txq = 1,
				  .mtu = 9000,
				  .offloads = FL_OFF_RX_SCATTER | FL_OFF_TX_MULTI_SEG };
	struct fl_pkt *pkts[8];

	assert_int_equal(fl_port_promisc(pr.b, true), 0);
	pair_up(&pr, &c);
	for (unsigned i = 0; i < 100; i++) {
		for (unsigned k = 0; k < 8; k++)
			pkts[k] = long_frame(8 * i + k, 60 + (8 * i + k) * 11 % 8900);
		pair_send(fl_port_txq(pr.a, 0), pkts, 8);
		pair_recv(fl_port_rxq(pr.b, 0), pkts, 8);
		for (unsigned k = 0; k < 8; k++)
			assert_int_equal(pair_frame_seq(pkts[k]), 8 * i + k);
		fl_pkt_free_bulk(pkts, 8);
	}
}

static void test_mtu(void **state)
{
	struct fl_port_conf c = { .nb_rxq = 1,
				  .nb_txq = 1,
				  .offloads = FL_OFF_RX_SCATTER | FL_OFF_TX_MULTI_SEG };
	struct fl_pkt *pkt;

	assert_int_equal(fl_port_promisc(pr.b, true), 0);
	pair_up(&pr, &c);
	pkt = long_frame(1, 4014);
	pair_send(fl_port_txq(pr.a, 0), &pkt, 1);
	pair_recv_none(fl_port_rxq(pr.b, 0), 30);
	assert_int_equal(fl_port_mtu_set(pr.b, 4000), 0);
	pkt = e1000_send_one(long_frame(2, 4014));
	assert_int_equal(pair_frame_seq(pkt), 2);
	fl_pkt_free(pkt);
	assert_int_equal(fl_port_mtu_set(pr.b, e1000_info().mtu_max + 1), -EINVAL);
	assert_int_equal(fl_port_mtu_set(pr.b, 67), -EINVAL);
	pair_down(&pr);

	/* no scatter: what does not fit one buffer is refused */
	e1000_up(0, 1);
	assert_int_equal(fl_port_mtu_set(pr.b, 2030), 0);
	assert_int_equal(fl_port_mtu_set(pr.b, 2031), -EINVAL);
	assert_int_equal(fl_port_conf(pr.b)->mtu, 2030);
}

static void test_keep_crc(void **state)
{
	struct fl_pkt *got;

	e1000_up(FL_OFF_RX_KEEP_CRC, 1);
	got = e1000_send_one(pair_frame(&pr, 1, 100));
	assert_int_equal(got->pkt_len, 104);
	fl_pkt_free(got);
}

static void test_short_tx(void **state)
{
	struct fl_pkt *got;

	e1000_up(0, 1);
	/* 14 bytes become the least frame there is, with zeros behind */
	got = e1000_send_one(pair_frame(&pr, 0, 14));
	assert_int_equal(got->pkt_len, 60);
	for (unsigned i = 14; i < 60; i++)
		assert_int_equal(((uint8_t *)fl_pkt_data(got))[i], 0);
	fl_pkt_free(got);
}

#define T(f) cmocka_unit_test_teardown(f, e1000_down)
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_csum_tx),
		T(test_csum_tx_two_queues),
		T(test_csum_rx_bad),
		T(test_tso),
		T(test_tso_descriptors),
		T(test_tso_mixed),
		T(test_vlan),
		T(test_vlan_no_strip),
		T(test_rss),
		T(test_rss_key),
		T(test_jumbo),
		T(test_jumbo_stream),
		T(test_mtu),
		T(test_keep_crc),
		T(test_short_tx),
		T(test_jumbo_in_small_buffers),
		T(test_longest_with_vlan),
	};

	e1000_args(argc, argv);
	return cmocka_run_group_tests(tests, e1000_group_setup, e1000_group_teardown);
}
