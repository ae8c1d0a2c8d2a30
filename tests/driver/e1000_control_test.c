/* SPDX-License-Identifier: BSD-3-Clause */
/* What one asks of a port beside offloads: filters, link, interrupts, statistics, recovery. */
#include "e1000_pair.h"
#include "frames.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <fl_model.h>
#include <fl_net_driver.h>

#define MS 1000000ull

/* ---- what the port says of itself ------------------------------------------------------ */

static void test_info(void **state)
{
	struct fl_port_info i;
	struct fl_mac mac;
	uint8_t eeprom[128];
	char fw[32];

	fl_port_info(pr.a, &i);
	assert_string_equal(i.driver, "net_e1000");
	if (strcmp(e1000_model, "e1000")) {
		assert_string_equal(i.chip, "82574L");
		assert_int_equal(i.rxq_max, 2);
		assert_int_equal(i.mtu_max, 9212);
	} else {
		assert_string_equal(i.chip, "82540EM");
		assert_int_equal(i.rxq_max, 1);
		assert_int_equal(i.mtu_max, 16106);
	}
	assert_int_equal(fl_port_timesync(pr.a, false),
			 e1000_has(FL_FEAT_TIMESYNC) ? 0 : -EOPNOTSUPP);
	assert_int_equal(fl_port_mac(pr.a, &mac), 0);
	/* the NVM begins with the address, and its words sum up */
	assert_int_equal(fl_port_eeprom(pr.a, NULL, 0), 128);
	assert_int_equal(fl_port_eeprom(pr.a, eeprom, sizeof(eeprom)), 128);
	assert_memory_equal(eeprom, mac.b, 6);
	uint16_t sum = 0;
	for (unsigned k = 0; k < 128; k += 2)
		sum = (uint16_t)(sum + eeprom[k] + 256 * eeprom[k + 1]);
	assert_int_equal(sum, 0xbaba);
	assert_int_equal(fl_port_fw_version(pr.a, fw, sizeof(fw)), 0);
	assert_memory_equal(fw, "NVM ", 4);
	assert_int_equal(fl_port_fw_version(pr.a, fw, 3), -ENOSPC);
}

static void test_regs(void **state)
{
	int n = fl_port_regs(pr.a, NULL, 0);
	struct fl_reg *r = calloc((size_t)n, sizeof(*r));
	bool seen = false;
	uint32_t v;

	e1000_up(0, 1);
	assert_true(n > 30);
	assert_int_equal(fl_port_regs(pr.a, r, (unsigned)n), n);
	for (int i = 0; i < n; i++) {
		if (!strcmp(r[i].name, "STATUS"))
			seen = r[i].value & 2u; /* link up */
		for (int k = 0; k < i; k++) {
			assert_string_not_equal(r[i].name, r[k].name);
			assert_int_not_equal(r[i].off, r[k].off);
		}
	}
	assert_true(seen);
	free(r);
	assert_int_equal(fl_port_reg_read(pr.a, 8, &v), 0);
	assert_true(v & 2u);
	assert_int_equal(fl_port_reg_read(pr.a, 0x20000, &v), -EINVAL);
	assert_int_equal(fl_port_reg_read(pr.a, 6, &v), -EINVAL);
	assert_int_equal(fl_port_reg_write(pr.a, 0x170, 0x1234), 0);
	assert_int_equal(fl_port_reg_read(pr.a, 0x170, &v), 0);
	assert_int_equal(v, 0x1234);
}

static void test_led(void **state)
{
	uint32_t before, on, after;

	/* on a port that stands, and one that was started with its LED on */
	assert_int_equal(fl_port_reg_read(pr.a, 0xe00, &before), 0);
	assert_int_not_equal(before, 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fl_port_led(pr.a, false), 0);
		assert_int_equal(fl_port_reg_read(pr.a, 0xe00, &after), 0);
		assert_int_equal(before, after);
		assert_int_equal(fl_port_led(pr.a, true), 0);
		assert_int_equal(fl_port_reg_read(pr.a, 0xe00, &on), 0);
		assert_int_equal(on & 15u, 14);
		if (!i)
			e1000_up(0, 1);
	}
	assert_int_equal(fl_port_led(pr.a, false), 0);
}

/* ---- filters --------------------------------------------------------------------------- */

/* sends to dst, then to all, which arrives in any case and tells that the first one will not */
static bool arrives(const uint8_t dst[6])
{
	struct fl_pkt *pkts[2] = { pair_frame(&pr, 1, 60), pair_frame(&pr, 2, 60) }, *got;
	bool seen = false;
	uint32_t seq;

	memcpy(fl_pkt_data(pkts[0]), dst, 6);
	memset(fl_pkt_data(pkts[1]), 0xff, 6);
	pair_send(fl_port_txq(pr.a, 0), pkts, 2);
	do {
		pair_recv(fl_port_rxq(pr.b, 0), &got, 1);
		seq = pair_frame_seq(got);
		seen |= seq == 1;
		fl_pkt_free(got);
	} while (seq != 2);
	return seen;
}

static void test_filters(void **state)
{
	static const struct fl_mac own = { { 2, 0, 0, 0, 0, 0x55 } },
				   more = { { 2, 0, 0, 0, 1, 7 } };
	static const struct fl_mac mc = { { 1, 0, 0x5e, 0, 0, 0xfb } },
				   mc2 = { { 1, 0, 0x5e, 1, 2, 3 } };
	static const uint8_t bc[6] = { 255, 255, 255, 255, 255, 255 };
	struct fl_port_conf c = { .nb_rxq = 1, .nb_txq = 1 };
	struct fl_port_info info;
	struct fl_mac m = own;

	pair_up(&pr, &c);
	assert_int_equal(fl_port_mac_set(pr.b, &own), 0);
	assert_true(arrives(own.b));
	assert_true(arrives(bc));
	assert_false(arrives(more.b));
	assert_int_equal(fl_port_mac_add(pr.b, &more), 0);
	assert_int_equal(fl_port_mac_add(pr.b, &more), -EEXIST);
	assert_true(arrives(more.b));
	assert_int_equal(fl_port_mac_remove(pr.b, &more), 0);
	assert_int_equal(fl_port_mac_remove(pr.b, &more), -ENOENT);
	assert_false(arrives(more.b));
	assert_int_equal(fl_port_mac_remove(pr.b, &own), -EINVAL);
	assert_int_equal(fl_port_mac_add(pr.b, &mc), -EINVAL);

	/* every filter works, and there is an end to them */
	fl_port_info(pr.b, &info);
	for (unsigned i = 0; i < info.mac_max; i++) {
		m.b[4] = (uint8_t)(100 + i);
		assert_int_equal(fl_port_mac_add(pr.b, &m), 0);
		assert_true(arrives(m.b));
	}
	m.b[4] = 99;
	assert_int_equal(fl_port_mac_add(pr.b, &m), -ENOSPC);
	for (unsigned i = 0; i < info.mac_max; i++) {
		m.b[4] = (uint8_t)(100 + i);
		assert_int_equal(fl_port_mac_remove(pr.b, &m), 0);
	}

	assert_false(arrives(mc.b));
	assert_int_equal(fl_port_mcast_set(pr.b, &mc, 1), 0);
	assert_true(arrives(mc.b));
	assert_false(arrives(mc2.b));
	assert_int_equal(fl_port_mcast_set(pr.b, &mc2, 1), 0);
	assert_false(arrives(mc.b));
	assert_true(arrives(mc2.b));
	assert_int_equal(fl_port_allmulti(pr.b, true), 0);
	assert_true(arrives(mc.b));
	assert_int_equal(fl_port_allmulti(pr.b, false), 0);
	assert_false(arrives(mc.b));
	assert_int_equal(fl_port_promisc(pr.b, true), 0);
	assert_true(arrives(more.b));
	assert_int_equal(fl_port_promisc(pr.b, false), 0);
	assert_false(arrives(more.b));
	assert_int_equal(fl_port_mcast_set(pr.b, &own, 1), -EINVAL);
}

/* all of that holds after a reset, one of the whole function too, and after stop and start */
static void test_filters_survive_reset(void **state)
{
	static const struct fl_mac own = { { 2, 0, 0, 0, 0, 0x55 } },
				   more = { { 2, 0, 0, 0, 1, 7 } };
	static const struct fl_mac mc = { { 1, 0, 0x5e, 0, 0, 0xfb } };
	struct fl_port_conf c = { .nb_rxq = 1, .nb_txq = 1 };

	pair_up(&pr, &c);
	assert_int_equal(fl_port_mac_set(pr.b, &own), 0);
	assert_int_equal(fl_port_mac_add(pr.b, &more), 0);
	assert_int_equal(fl_port_mcast_set(pr.b, &mc, 1), 0);
	for (unsigned i = 0; i < 3; i++) {
		pr.b->failed = i == 2;
		if (i == 1) {
			assert_int_equal(fl_port_stop(pr.b), 0);
			assert_int_equal(fl_port_start(pr.b), 0);
		} else {
			assert_int_equal(fl_port_reset(pr.b), 0);
		}
		assert_int_equal(fl_port_link_wait(pr.a, 3000), 0);
		assert_int_equal(fl_port_link_wait(pr.b, 3000), 0);
		assert_true(arrives(own.b));
		assert_true(arrives(more.b));
		assert_true(arrives(mc.b));
		assert_false(arrives((const uint8_t[]){ 2, 9, 9, 9, 9, 9 }));
	}
	assert_int_equal(fl_port_mac_remove(pr.b, &more), 0);
}

/* ---- link, interrupts ------------------------------------------------------------------ */

static void count_links(struct fl_port *p, enum fl_port_event ev, void *arg)
{
	if (ev == FL_PORT_LINK)
		++*(unsigned *)arg;
}

static bool wait_link(struct fl_port *p, bool want)
{
	uint64_t end = fl_now_ns() + 3000 * MS;
	struct fl_link l;

	do {
		fl_ctx_dispatch(pr.ctx, 5);
		assert_int_equal(fl_port_link(p, &l), 0);
	} while (l.up != want && fl_now_ns() < end);
	return l.up == want;
}

static void test_link(void **state)
{
	unsigned events = 0;
	struct fl_link l;

	e1000_up(0, 1);
	fl_port_on_event(pr.b, count_links, &events);
	assert_int_equal(fl_port_link(pr.b, &l), 0);
	assert_true(l.up);
	assert_int_equal(l.speed, 1000);
	assert_true(l.full_duplex);
	while (fl_ctx_dispatch(pr.ctx, 0) > 0)
		;
	events = 0;
	assert_int_equal(fl_port_link_set(pr.a, false), 0);
	assert_true(wait_link(pr.a, false));
	assert_true(wait_link(pr.b, false));
	assert_int_equal(fl_port_link_wait(pr.b, 10), -ETIMEDOUT);
	assert_int_equal(events, 1);
	assert_int_equal(fl_port_link_set(pr.a, true), 0);
	assert_true(wait_link(pr.a, true));
	assert_true(wait_link(pr.b, true));
	for (unsigned i = 0; i < 20 && events < 2; i++)
		fl_ctx_dispatch(pr.ctx, 10);
	assert_int_equal(events, 2);
	fl_port_on_event(pr.b, NULL, NULL);
	struct fl_pkt *got = e1000_send_one(pair_frame(&pr, 1, 60));
	fl_pkt_free(got);
}

/* waits for a link of port a at this speed; autoneg as asked */
static void expect_link(uint32_t mbps, bool full, bool autoneg)
{
	struct fl_link l;
	uint32_t st;

	assert_int_equal(fl_port_link_wait(pr.a, 3000), 0);
	assert_int_equal(fl_port_link_wait(pr.b, 3000), 0);
	assert_int_equal(fl_port_link(pr.a, &l), 0);
	assert_int_equal(l.speed, mbps);
	assert_int_equal(l.full_duplex, full);
	assert_int_equal(l.autoneg, autoneg);
	/* PHY 17, through MDIC: what the PHY itself has resolved */
	assert_int_equal(fl_port_reg_write(pr.a, 0x20, 1u << 27 | 17u << 16 | 1u << 21), 0);
	assert_int_equal(fl_port_reg_read(pr.a, 0x20, &st), 0);
	assert_int_equal((st >> 14) & 3, mbps == 1000 ? 2 : mbps == 100);
	assert_int_equal((st >> 13) & 1, full);
}

static void test_speeds(void **state)
{
	static const struct {
		uint32_t speeds, mbps;
		bool full;
	} t[] = {
		{ FL_SPEED_10, 10, true },
		{ FL_SPEED_100, 100, true },
		{ FL_SPEED_1000, 1000, true },
		{ FL_SPEED_10 | FL_SPEED_100, 100, true },
		{ FL_SPEED_10 | FL_SPEED_1000, 1000, true },
		{ FL_SPEED_10 | FL_SPEED_HALF, 10, false },
		{ FL_SPEED_100 | FL_SPEED_HALF, 100, false },
		{ FL_SPEED_HALF, 100, false },
		{ FL_SPEED_FULL, 1000, true },
		{ FL_SPEED_FIXED | FL_SPEED_10, 10, true },
		{ FL_SPEED_FIXED | FL_SPEED_10 | FL_SPEED_HALF, 10, false },
		{ FL_SPEED_FIXED | FL_SPEED_100, 100, true },
		{ FL_SPEED_FIXED | FL_SPEED_100 | FL_SPEED_HALF, 100, false },
		{ 0, 1000, true },
	};
	struct fl_flow_ctrl fc;

	e1000_up(0, 1);
	expect_link(1000, true, true);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(t); i++) {
		bool autoneg = !(t[i].speeds & FL_SPEED_FIXED);

		assert_int_equal(fl_port_speed_set(pr.a, t[i].speeds), 0);
		expect_link(t[i].mbps, t[i].full, autoneg);
		/* pause frames are agreed on by autonegotiation */
		while (fl_ctx_dispatch(pr.ctx, 0) > 0)
			;
		assert_int_equal(fl_port_flow_ctrl_get(pr.a, &fc), 0);
		assert_int_equal(fc.mode, autoneg ? FL_FC_FULL : FL_FC_NONE);
		fl_pkt_free(e1000_send_one(pair_frame(&pr, i, 60)));
		assert_int_equal(fl_port_reset(pr.a), 0);
		expect_link(t[i].mbps, t[i].full, autoneg);
	}
	/* changed while the link is unwanted, it holds once it is wanted */
	assert_int_equal(fl_port_link_set(pr.a, false), 0);
	assert_int_equal(fl_port_speed_set(pr.a, FL_SPEED_10), 0);
	assert_int_equal(fl_port_link_wait(pr.a, 200), -ETIMEDOUT);
	assert_int_equal(fl_port_link_set(pr.a, true), 0);
	expect_link(10, true, true);
	/* other pause modes are no reason to negotiate a forced link */
	assert_int_equal(fl_port_speed_set(pr.a, FL_SPEED_FIXED | FL_SPEED_100), 0);
	fc = (struct fl_flow_ctrl){ .mode = FL_FC_RX, .autoneg = true };
	assert_int_equal(fl_port_flow_ctrl_set(pr.a, &fc), 0);
	expect_link(100, true, false);
	fc.mode = FL_FC_FULL;
	assert_int_equal(fl_port_flow_ctrl_set(pr.a, &fc), 0);
}

/* a PHY that was made to offer nothing finds no partner, until the driver programs it */
static void test_no_common_speed(void **state)
{
	static const uint32_t phy[] = { 4u << 16 | 0x0c01, 9u << 16 | 0x0c00, 0u << 16 | 0x1200 };

	e1000_up(0, 1);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(phy); i++)
		assert_int_equal(fl_port_reg_write(pr.a, 0x20, 1u << 26 | 1u << 21 | phy[i]), 0);
	assert_int_equal(fl_port_link_wait(pr.a, 300), -ETIMEDOUT);
	assert_int_equal(fl_port_speed_set(pr.a, 0), 0);
	expect_link(1000, true, true);
}

static void test_flow_ctrl(void **state)
{
	struct fl_flow_ctrl fc = { .mode = FL_FC_NONE, .autoneg = false }, got;
	uint32_t fifo;

	e1000_up(FL_OFF_RX_SCATTER, 1);
	assert_int_equal(fl_port_reg_read(pr.b, 0x1000, &fifo), 0);
	fifo = (fifo & 0xffff) * 1024;
	assert_in_range(fifo, 20480, 49152);
	assert_int_equal(fl_port_flow_ctrl_get(pr.b, &got), 0);
	assert_int_equal(got.mode, FL_FC_FULL);
	assert_true(got.high_water > got.low_water);
	/* one longest frame has room above the mark, whatever the MTU becomes */
	assert_in_range(got.high_water, fifo * 4 / 5, fifo - 1518);
	assert_int_equal(fl_port_mtu_set(pr.b, 9000), 0);
	assert_int_equal(fl_port_flow_ctrl_get(pr.b, &got), 0);
	assert_in_range(got.high_water, fifo * 2 / 5, fifo - 9018);
	assert_int_equal(fl_port_flow_ctrl_set(pr.b, &fc), 0);
	assert_int_equal(fl_port_flow_ctrl_get(pr.b, &got), 0);
	assert_int_equal(got.mode, FL_FC_NONE);
	fc = (struct fl_flow_ctrl){
		.mode = FL_FC_TX, .high_water = 16000, .low_water = 8000, .pause_time = 99
	};
	assert_int_equal(fl_port_flow_ctrl_set(pr.b, &fc), 0);
	assert_int_equal(fl_port_flow_ctrl_get(pr.b, &got), 0);
	assert_int_equal(got.mode, FL_FC_TX);
	assert_int_equal(got.high_water, 16000);
	assert_int_equal(got.low_water, 8000);
	assert_int_equal(got.pause_time, 99);
	fc.low_water = 16000;
	assert_int_equal(fl_port_flow_ctrl_set(pr.b, &fc), -EINVAL);
	fc.high_water = 1u << 20;
	assert_int_equal(fl_port_flow_ctrl_set(pr.b, &fc), -EINVAL);
	/* a failed change leaves the old one */
	assert_int_equal(fl_port_flow_ctrl_get(pr.b, &got), 0);
	assert_int_equal(got.mode, FL_FC_TX);
	fc = (struct fl_flow_ctrl){ .mode = FL_FC_FULL, .autoneg = true };
	assert_int_equal(fl_port_flow_ctrl_set(pr.b, &fc), 0);
}

static void all_to(uint16_t q)
{
	struct fl_rss_conf rss = { .types = FL_RSS_IPV4 };
	uint16_t reta[128];

	for (unsigned i = 0; i < 128; i++)
		reta[i] = q;
	assert_int_equal(fl_port_rss_set(pr.b, &rss), 0);
	assert_int_equal(fl_port_reta_set(pr.b, reta, 128), 0);
}

static void test_rx_interrupt(void **state)
{
	const uint16_t queues = e1000_info().rxq_max;
	struct fl_port_conf c = { .nb_rxq = queues, .nb_txq = 1, .rx_intr = true };
	struct fl_pkt *pkt, *got[4];

	assert_int_equal(fl_port_promisc(pr.b, true), 0);
	pair_up(&pr, &c);
	for (uint16_t q = 0; q < queues; q++) {
		struct fl_rxq *rxq = fl_port_rxq(pr.b, q);
		struct pollfd pfd = { .fd = fl_rxq_intr_fd(rxq), .events = POLLIN };

		if (queues > 1)
			all_to(q);
		assert_true(pfd.fd >= 0);
		for (unsigned i = 0; i < 5; i++) {
			/* what was polled before leaves nothing behind that wakes */
			pkt = frame_flow(pr.pool, false, 1, 2, 3, 4);
			pair_send(fl_port_txq(pr.a, 0), &pkt, 1);
			pair_recv(rxq, got, 1);
			fl_pkt_free(got[0]);
			assert_int_equal(fl_rxq_intr_enable(rxq), 0);
			assert_int_equal(fl_rx_burst(rxq, got, 4), 0);
			assert_int_equal(poll(&pfd, 1, 20), 0);
			pkt = frame_flow(pr.pool, false, 1, 2, 3, 4);
			pair_send(fl_port_txq(pr.a, 0), &pkt, 1);
			assert_int_equal(poll(&pfd, 1, 2000), 1);
			pair_recv(rxq, got, 1);
			fl_pkt_free(got[0]);
			assert_int_equal(fl_rxq_intr_disable(rxq), 0);
			assert_int_equal(poll(&pfd, 1, 0), 0);
		}
	}
	/* link events come beside, where there is a vector for them */
	unsigned events = 0;
	if (queues == 1)
		return;
	fl_port_on_event(pr.b, count_links, &events);
	assert_int_equal(fl_port_link_set(pr.a, false), 0);
	assert_true(wait_link(pr.b, false));
	assert_int_equal(fl_port_link_set(pr.a, true), 0);
	assert_true(wait_link(pr.b, true));
	fl_port_on_event(pr.b, NULL, NULL);
	assert_true(events >= 1);
}

static void burst_wait(enum fl_irq_kind kind)
{
	struct fl_port_conf c = { .nb_rxq = 1, .nb_txq = 1, .rx_intr = true, .irq = kind };
	struct fl_pkt *pkt, *got[4];
	uint64_t t;

	assert_int_equal(fl_port_promisc(pr.b, true), 0);
	pair_up(&pr, &c);
	t = fl_now_ns();
	assert_int_equal(fl_rx_burst_wait(fl_port_rxq(pr.b, 0), got, 4, 1000, 50), 0);
	assert_true(fl_now_ns() - t >= 45 * MS);
	for (unsigned i = 0; i < 20; i++) {
		pkt = pair_frame(&pr, i, 60);
		pair_send(fl_port_txq(pr.a, 0), &pkt, 1);
		assert_int_equal(fl_rx_burst_wait(fl_port_rxq(pr.b, 0), got, 4, 1000, 2000), 1);
		assert_int_equal(pair_frame_seq(got[0]), i);
		fl_pkt_free(got[0]);
	}
	if (!kind)
		kind = fl_dev_irq_count(fl_port_dev(pr.b), FL_IRQ_MSIX) ? FL_IRQ_MSIX : FL_IRQ_INTX;
	assert_int_equal(fl_dev_irq_kind(fl_port_dev(pr.b)), kind);
	pair_down(&pr);
}

static void test_burst_wait(void **state)
{
	for (enum fl_irq_kind kind = FL_IRQ_NONE; kind <= FL_IRQ_MSIX; kind++)
		if (!kind || fl_dev_irq_count(fl_port_dev(pr.b), kind))
			burst_wait(kind);
}

/* ---- statistics, descriptors ----------------------------------------------------------- */

static uint64_t xstat(struct fl_port *p, const char *name)
{
	struct fl_xstat x[128];
	int n = fl_port_xstats(p, x, 128);

	assert_in_range(n, 40, 127);
	for (int i = 0; i < n; i++) {
		if (!strcmp(x[i].name, name))
			return x[i].value;
	}
	fail_msg("no xstat %s", name);
	return 0;
}

/*
 * Offers `n` frames to a while nobody receives at b; returns how many went until b's end had told
 * the other to stop and no more did. A model that gets no CPU for a while has not stopped.
 */
static unsigned send_unheard(unsigned n, uint32_t seq)
{
	uint64_t last = fl_now_ns();
	unsigned sent = 0;

	while (sent < n) {
		struct fl_pkt *pkt = pair_frame(&pr, seq + sent, 1000);
		uint64_t quiet = fl_now_ns() - last;

		if (fl_tx_burst(fl_port_txq(pr.a, 0), &pkt, 1)) {
			last = fl_now_ns();
			sent++;
			continue;
		}
		fl_pkt_free(pkt);
		if (quiet > 5000 * MS || (quiet > 50 * MS && xstat(pr.b, "tx_xoff_packets")))
			break;
		sched_yield();
	}
	return sent;
}

/* With flow control the wire loses nothing; without, each frame lost is counted. */
static void test_full_receiver(void **state)
{
	const struct fl_flow_ctrl none = { .mode = FL_FC_NONE },
				  full = { .mode = FL_FC_FULL, .autoneg = true };
	struct fl_port_stats b;
	struct fl_pkt *pkt;
	unsigned sent, got;

	e1000_up(0, 1);
	assert_int_equal(fl_port_flow_ctrl_set(pr.a, &full), 0);
	assert_int_equal(fl_port_flow_ctrl_set(pr.b, &full), 0);
	assert_true(wait_link(pr.a, true) && wait_link(pr.b, true));
	assert_int_equal(fl_port_xstats_reset(pr.b), 0);
	assert_int_equal(fl_port_stats_reset(pr.b), 0);
	/* b's ring and FIFO, a's ring: then it stops */
	sent = send_unheard(1000, 0);
	assert_in_range(sent, PAIR_RING, 900);
	for (unsigned i = 0; i < sent; i++) {
		pair_recv(fl_port_rxq(pr.b, 0), &pkt, 1);
		assert_int_equal(pair_frame_seq(pkt), i);
		fl_pkt_free(pkt);
	}
	assert_int_equal(fl_port_stats(pr.b, &b), 0);
	assert_int_equal(b.rx_missed, 0);
	assert_int_equal(b.rx_packets, sent);
	assert_true(xstat(pr.b, "rx_no_buffer") > 0);
	assert_true(xstat(pr.b, "tx_xoff_packets") > 0);

	assert_int_equal(fl_port_flow_ctrl_set(pr.a, &none), 0);
	assert_int_equal(fl_port_flow_ctrl_set(pr.b, &none), 0);
	assert_true(wait_link(pr.a, true) && wait_link(pr.b, true));
	assert_int_equal(fl_port_xstats_reset(pr.b), 0);
	assert_int_equal(fl_port_stats_reset(pr.b), 0);
	assert_int_equal(send_unheard(1000, 0), 1000);
	got = pair_flush(fl_port_rxq(pr.b, 0), 50);
	assert_int_equal(fl_port_stats(pr.b, &b), 0);
	assert_true(b.rx_missed > 0);
	assert_int_equal(got + b.rx_missed, 1000);
	assert_true(xstat(pr.b, "rx_no_buffer") >= b.rx_missed);
	if (e1000_info().rxq_max > 1)
		assert_true(xstat(pr.b, "rx_overrun_interrupts") > 0);
	assert_int_equal(fl_port_flow_ctrl_set(pr.a, &full), 0);
	assert_int_equal(fl_port_flow_ctrl_set(pr.b, &full), 0);
}

static void test_stats(void **state)
{
	struct fl_pkt *pkts[10];
	struct fl_port_stats a, b;
	struct fl_queue_stats q;

	e1000_up(0, 1);
	assert_int_equal(fl_port_stats_reset(pr.a), 0);
	assert_int_equal(fl_port_stats_reset(pr.b), 0);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 10; i++)
			pkts[i] = pair_frame(&pr, i, 100);
		pair_send(fl_port_txq(pr.a, 0), pkts, 10);
		pair_recv(fl_port_rxq(pr.b, 0), pkts, 10);
		fl_pkt_free_bulk(pkts, 10);
		/* reading clears the chip's, not ours */
		assert_int_equal(fl_port_stats(pr.a, &a), 0);
		assert_int_equal(fl_port_stats(pr.b, &b), 0);
		assert_int_equal(a.tx_packets, 10 * (round + 1));
		assert_int_equal(a.tx_bytes, 1000 * (round + 1));
		assert_int_equal(b.rx_packets, 10 * (round + 1));
		assert_int_equal(b.rx_bytes, 1000 * (round + 1));
		assert_int_equal(xstat(pr.a, "tx_good_packets"), 10 * (round + 1));
		assert_int_equal(xstat(pr.b, "rx_good_packets"), 10 * (round + 1));
		assert_int_equal(xstat(pr.b, "rx_good_bytes"), 1040 * (round + 1));
		assert_int_equal(xstat(pr.a, "tx_size_65_to_127_packets"), 10 * (round + 1));
	}
	assert_int_equal(fl_rxq_stats(fl_port_rxq(pr.b, 0), &q), 0);
	assert_int_equal(q.packets, 30);
	assert_int_equal(q.bytes, 3000);
	assert_int_equal(fl_txq_stats(fl_port_txq(pr.a, 0), &q), 0);
	assert_int_equal(q.packets, 30);
	assert_int_equal(b.rx_errors + b.rx_bad_desc + b.rx_nombuf + a.tx_errors, 0);
	/* they survive a stop, and end with a reset of the statistics */
	assert_int_equal(fl_port_stop(pr.b), 0);
	assert_int_equal(fl_port_start(pr.b), 0);
	assert_int_equal(xstat(pr.b, "rx_good_packets"), 30);
	assert_int_equal(fl_port_stats_reset(pr.b), 0);
	assert_int_equal(fl_port_stats(pr.b, &b), 0);
	assert_int_equal(b.rx_packets + b.rx_bytes, 0);
	assert_int_equal(xstat(pr.b, "rx_good_packets"), 0);
	/* new queues count on from there, for the port */
	assert_int_equal(fl_port_stop(pr.a), 0);
	pair_up_port(&pr, pr.a, NULL, PAIR_RING);
	assert_int_equal(fl_port_stats(pr.a, &a), 0);
	assert_int_equal(a.tx_packets, 30);
	assert_int_equal(a.tx_bytes, 3000);
	assert_int_equal(fl_txq_stats(fl_port_txq(pr.a, 0), &q), 0);
	assert_int_equal(q.packets, 0);
}

/* a reset of the port loses no count, one of the extended statistics no other */
static void test_stats_after_reset(void **state)
{
	struct fl_port_stats s;
	struct fl_queue_stats q;

	const uint16_t queues = e1000_info().txq_max;

	e1000_up(0, queues);
	assert_int_equal(fl_port_stats_reset(pr.a), 0);
	for (uint16_t i = 0; i < queues; i++) {
		struct fl_pkt *pkt = pair_frame(&pr, i, 100);

		pair_send(fl_port_txq(pr.a, i), &pkt, 1);
		pair_recv(fl_port_rxq(pr.b, 0), &pkt, 1);
		fl_pkt_free(pkt);
	}
	assert_int_equal(fl_port_reset(pr.a), 0);
	assert_int_equal(fl_port_stats(pr.a, &s), 0);
	assert_int_equal(s.tx_packets, queues);
	assert_int_equal(s.tx_bytes, 100 * queues);
	assert_int_equal(fl_txq_stats(fl_port_txq(pr.a, queues - 1), &q), 0);
	assert_int_equal(q.packets, 1);
	assert_int_equal(xstat(pr.a, "tx_good_packets"), queues);
	assert_int_equal(fl_port_xstats_reset(pr.a), 0);
	assert_int_equal(xstat(pr.a, "tx_good_packets"), 0);
	assert_int_equal(fl_port_stats(pr.a, &s), 0);
	assert_int_equal(s.tx_packets, queues);
}

static void test_desc_status(void **state)
{
	struct fl_rxq *rq;
	struct fl_txq *tq;
	struct fl_pkt *pkts[3];
	uint64_t d[2], end = fl_now_ns() + 2000 * MS;
	struct fl_rxq_info ri;
	struct fl_txq_info ti;

	e1000_up(0, 1);
	rq = fl_port_rxq(pr.b, 0);
	tq = fl_port_txq(pr.a, 0);
	assert_int_equal(fl_rxq_desc_status(rq, 0), FL_DESC_AVAIL);
	assert_int_equal(fl_rxq_desc_status(rq, PAIR_RING - 1), FL_DESC_UNAVAIL);
	assert_int_equal(fl_rxq_desc_status(rq, PAIR_RING), -EINVAL);
	assert_int_equal(fl_txq_desc_status(tq, 0), FL_DESC_DONE);
	assert_int_equal(fl_txq_desc_status(tq, PAIR_RING), -EINVAL);
	for (unsigned i = 0; i < 3; i++)
		pkts[i] = pair_frame(&pr, i, 60);
	pair_send(tq, pkts, 3);
	while (fl_rxq_desc_status(rq, 2) != FL_DESC_DONE)
		assert_true(fl_now_ns() < end);
	assert_int_equal(fl_rxq_desc_status(rq, 3), FL_DESC_AVAIL);
	assert_int_equal(fl_rxq_desc_read(rq, 2, d), 0);
	/* of an extended descriptor status and length; of a legacy one the other way round */
	assert_int_equal(d[1] >> (e1000_info().rxq_max > 1 ? 0 : 32) & 3u, 3);
	assert_int_equal(d[1] >> (e1000_info().rxq_max > 1 ? 32 : 0) & 0xffffu, 60);
	assert_int_equal(fl_rxq_desc_read(rq, PAIR_RING, d), -EINVAL);
	for (uint16_t i = 0; i < 3; i++) {
		while (fl_txq_desc_status(tq, (uint16_t)(PAIR_RING - 3 + i)) != FL_DESC_DONE)
			assert_true(fl_now_ns() < end);
	}
	assert_int_equal(fl_txq_desc_read(tq, 2, d), 0);
	assert_int_equal(d[1] & 0xffffu, 60);
	pair_recv(rq, pkts, 3);
	fl_pkt_free_bulk(pkts, 3);
	assert_int_equal(fl_rxq_info(rq, &ri), 0);
	assert_int_equal(ri.nb_desc, PAIR_RING);
	assert_int_equal(ri.buf_size, 2048);
	assert_ptr_equal(ri.pool, pr.pool);
	assert_int_equal(fl_txq_info(tq, &ti), 0);
	assert_int_equal(ti.nb_desc, PAIR_RING);
	assert_int_equal(PAIR_RING % ti.rs_thresh, 0);
}

/* ---- a pool that runs dry, and a foreign one -------------------------------------------- */

static void test_pool_dry(void **state)
{
	struct fl_port_conf c = { .nb_rxq = 1, .nb_txq = 1 };
	struct fl_pkt **all = calloc(8192, sizeof(*all)), *pkt, *got;
	struct fl_port_stats s;
	unsigned n = 0;

	assert_int_equal(fl_port_promisc(pr.b, true), 0);
	pair_up(&pr, &c);
	pkt = pair_frame(&pr, 9, 60);
	while (n < 8192 && (all[n] = fl_pkt_alloc(pr.pool)))
		n++;
	assert_in_range(n, 1, 8191);
	/* the ring is all that is left; one packet goes round until the ring is nearly used up */
	for (unsigned i = 0; i < PAIR_RING / 2; i++) {
		pair_send(fl_port_txq(pr.a, 0), &pkt, 1);
		pair_recv(fl_port_rxq(pr.b, 0), &got, 1);
		pkt = got;
		(void)fl_tx_done_cleanup(fl_port_txq(pr.a, 0), 0);
	}
	fl_pkt_free_bulk(all, n);
	free(all);
	for (unsigned i = 0; i < 2 * PAIR_RING; i++) {
		pair_send(fl_port_txq(pr.a, 0), &pkt, 1);
		pair_recv(fl_port_rxq(pr.b, 0), &got, 1);
		pkt = got;
	}
	assert_int_equal(pair_frame_seq(pkt), 9);
	fl_pkt_free(pkt);
	assert_int_equal(fl_port_stats(pr.b, &s), 0);
	assert_int_equal(s.rx_bad_desc, 0);
}

static void test_foreign_pool(void **state)
{
	struct fl_rxq_conf rc = { 0 };
	struct fl_port_conf c = { .nb_rxq = 1, .nb_txq = 1 };
	struct fl_port_stats s0, s1;
	struct fl_pool_opts o;
	struct fl_pool *foreign;
	struct fl_pkt *pkt;

	fl_pool_opts_init(&o);
	o.count = 64;
	assert_int_equal(fl_pool_create(&o, NULL, &foreign), 0);
	pair_up(&pr, &c);
	/* the device cannot reach such a packet: it is dropped and counted, never sent */
	pkt = fl_pkt_alloc(foreign);
	memset(fl_pkt_append(pkt, 60), 0, 60);
	assert_int_equal(fl_port_stats(pr.a, &s0), 0);
	assert_int_equal(fl_tx_prepare(fl_port_txq(pr.a, 0), &pkt, 1), 0);
	pair_send(fl_port_txq(pr.a, 0), &pkt, 1);
	assert_int_equal(fl_port_stats(pr.a, &s1), 0);
	assert_int_equal(s1.tx_errors - s0.tx_errors, 1);
	pair_recv_none(fl_port_rxq(pr.b, 0), 10);
	assert_int_equal(fl_port_stop(pr.b), 0);
	assert_int_equal(fl_port_configure(pr.b, &c), 0);
	rc.pool = foreign;
	assert_int_equal(fl_rxq_setup(pr.b, 0, &rc), -EINVAL);
	assert_int_equal(fl_pool_destroy(foreign), 0);
}

/* ---- the server of the device dies, stalls, and comes back ------------------------------- */

struct server {
	struct fl_engine *engine;
	struct fl_model *model;
	char path[64];
};

static void serve(struct server *s)
{
	char spec[32];

	snprintf(spec, sizeof(spec), "%s,wire=loop", e1000_model);
	assert_int_equal(fl_engine_add(s->engine, spec, s->path, -1, &s->model), 0);
}

static void on_removed(struct fl_port *p, enum fl_port_event ev, void *arg)
{
	if (ev == FL_PORT_REMOVED)
		++*(unsigned *)arg;
}

static void sleep_300ms(void *arg)
{
	struct timespec t = { .tv_nsec = 300000000 };

	nanosleep(&t, NULL);
}

static void *stall(void *arg)
{
	fl_engine_call(arg, sleep_300ms, NULL);
	return NULL;
}

static void loop_once(struct fl_port *port, uint32_t seq)
{
	struct fl_pkt *pkt = pair_frame(&pr, seq, 200);

	pair_send(fl_port_txq(port, 0), &pkt, 1);
	pair_recv(fl_port_rxq(port, 0), &pkt, 1);
	assert_int_equal(pair_frame_seq(pkt), seq);
	fl_pkt_free(pkt);
}

static void test_server_dies(void **state)
{
	struct server s = { 0 };
	struct fl_pkt *pkts[32];
	char uri[96];
	struct fl_port *port;
	unsigned removed = 0;
	pthread_t thread;
	uint64_t t;
	uint16_t n;

	snprintf(s.path, sizeof(s.path), "/tmp/fl-test-%d.sock", (int)getpid());
	snprintf(uri, sizeof(uri), "vfio-user:%s", s.path);
	assert_int_equal(fl_engine_create(NULL, &s.engine), 0);
	serve(&s);
	assert_int_equal(fl_port_open(pr.ctx, uri, &port), 0);
	fl_port_on_event(port, on_removed, &removed);
	pair_up_port(&pr, port, NULL, PAIR_RING);
	assert_int_equal(fl_port_link_wait(port, 3000), 0);
	loop_once(port, 1);

	/* a device that stalls holds nobody up: its ring just fills */
	assert_int_equal(pthread_create(&thread, NULL, stall, s.engine), 0);
	t = fl_now_ns();
	for (unsigned i = 0; i < 8; i++) {
		for (unsigned k = 0; k < 32; k++)
			pkts[k] = pair_frame(&pr, k, 60);
		n = fl_tx_burst(fl_port_txq(port, 0), pkts, 32);
		fl_pkt_free_bulk(pkts + n, 32 - n);
	}
	assert_true(fl_now_ns() - t < 200 * MS);
	pthread_join(thread, NULL);
	pair_flush(fl_port_rxq(port, 0), 20);

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned k = 0; k < 32; k++)
			pkts[k] = pair_frame(&pr, k, 60);
		n = fl_tx_burst(fl_port_txq(port, 0), pkts, 32);
		assert_int_equal(n, 32);
		removed = 0;
		t = fl_now_ns();
		fl_engine_remove(s.engine, s.model);
		while (!removed && fl_now_ns() - t < 1000 * MS)
			fl_ctx_dispatch(pr.ctx, 10);
		assert_int_equal(removed, 1);
		assert_true(fl_now_ns() - t < 100 * MS);
		assert_int_equal(fl_rx_burst(fl_port_rxq(port, 0), pkts, 32), 0);
		assert_int_equal(fl_port_reset(port), -ENODEV);
		pair_check_pool(&pr);
		serve(&s);
		assert_int_equal(fl_port_reset(port), 0);
		assert_true(fl_port_started(port));
		assert_int_equal(fl_port_link_wait(port, 3000), 0);
		loop_once(port, round);
	}
	/* given up by us, and taken again */
	for (unsigned k = 0; k < 32; k++)
		pkts[k] = pair_frame(&pr, k, 60);
	assert_int_equal(fl_tx_burst(fl_port_txq(port, 0), pkts, 32), 32);
	fl_port_release(port);
	pair_check_pool(&pr);
	assert_true(fl_dev_removed(fl_port_dev(port)));
	assert_int_equal(fl_port_reset(port), 0);
	assert_int_equal(fl_port_link_wait(port, 3000), 0);
	loop_once(port, 77);
	fl_port_close(port);
	fl_engine_destroy(s.engine);
}

#define T(f) cmocka_unit_test_teardown(f, e1000_down)
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_info),
		T(test_regs),
		T(test_led),
		T(test_filters),
		T(test_filters_survive_reset),
		T(test_link),
		T(test_speeds),
		T(test_no_common_speed),
		T(test_flow_ctrl),
		T(test_rx_interrupt),
		T(test_burst_wait),
		T(test_full_receiver),
		T(test_stats),
		T(test_stats_after_reset),
		T(test_desc_status),
		T(test_pool_dry),
		T(test_foreign_pool),
		T(test_server_dies),
	};

	e1000_args(argc, argv);
	return cmocka_run_group_tests(tests, e1000_group_setup, e1000_group_teardown);
}
