/* SPDX-License-Identifier: BSD-3-Clause */
#include "conformance.h"
#include "pool_whole.h"

#include <sched.h>
#include <string.h>

/* since the last packet: a loaded machine under a sanitizer may be slow without being stuck */
#define STALL_NS 20000000000ull
#define PATTERN	 18u /* first byte of the pattern; 14..17 hold seq */
#define LINK_MS	 3000

void pair_up_port(struct pair *p, struct fl_port *port, const struct fl_port_conf *conf,
		  uint16_t ring)
{
	static const struct fl_port_conf one = { .nb_rxq = 1, .nb_txq = 1 };
	struct fl_rxq_conf rc = { .nb_desc = ring, .pool = p->pool };
	struct fl_txq_conf tc = { .nb_desc = ring };

	if (!conf) {
		conf = &one;
		assert_int_equal(fl_port_promisc(port, true), 0);
	}
	assert_int_equal(fl_port_configure(port, conf), 0);
	for (uint16_t i = 0; i < conf->nb_rxq; i++)
		assert_int_equal(fl_rxq_setup(port, i, &rc), 0);
	for (uint16_t i = 0; i < conf->nb_txq; i++)
		assert_int_equal(fl_txq_setup(port, i, &tc), 0);
	assert_int_equal(fl_port_start(port), 0);
}

void pair_up(struct pair *p, const struct fl_port_conf *conf)
{
	pair_up_port(p, p->a, conf, PAIR_RING);
	pair_up_port(p, p->b, conf, PAIR_RING);
	assert_int_equal(fl_port_link_wait(p->a, LINK_MS), 0);
	assert_int_equal(fl_port_link_wait(p->b, LINK_MS), 0);
}

void pair_check_pool(struct pair *p)
{
	struct fl_pool_stats s;

	fl_pool_stats(p->pool, &s);
	assert_int_equal(s.in_use, 0);
}

void pair_down(struct pair *p)
{
	if (p->a)
		assert_int_equal(fl_port_stop(p->a), 0);
	if (p->b)
		assert_int_equal(fl_port_stop(p->b), 0);
	pair_check_pool(p);
}

void pair_free(struct pair *p)
{
	fl_port_close(p->a);
	fl_port_close(p->b);
	p->a = NULL;
	p->b = NULL;
	pool_whole(p->pool);
	assert_int_equal(fl_pool_destroy(p->pool), 0);
	assert_int_equal(fl_ctx_destroy(p->ctx), 0);
}

static uint8_t pattern(uint32_t seq, uint32_t i)
{
	return (uint8_t)(seq * 31u + i);
}

struct fl_pkt *pair_frame(struct pair *p, uint32_t seq, uint16_t len)
{
	static const uint8_t head[14] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5 };
	struct fl_pkt *pkt = fl_pkt_alloc(p->pool);
	uint8_t *d;

	assert_non_null(pkt);
	d = fl_pkt_append(pkt, len);
	assert_non_null(d);
	memcpy(d, head, sizeof(head));
	if (len >= PATTERN)
		memcpy(d + 14, &seq, sizeof(seq));
	for (uint32_t i = PATTERN; i < len; i++)
		d[i] = pattern(seq, i);
	return pkt;
}

uint32_t pair_frame_seq(const struct fl_pkt *pkt)
{
	uint32_t seq, at = 0, total = 0, segs = 0;

	memcpy(&seq, (uint8_t *)fl_pkt_data(pkt) + 14, sizeof(seq));
	for (const struct fl_pkt *s = pkt; s; s = s->next) {
		const uint8_t *d = fl_pkt_data(s);

		for (uint32_t i = 0; i < s->data_len; i++, at++) {
			if (at >= PATTERN && d[i] != pattern(seq, at))
				fail_msg("packet %u: byte %u is %02x, not %02x", seq, at, d[i],
					 pattern(seq, at));
		}
		total += s->data_len;
		segs++;
	}
	assert_int_equal(total, pkt->pkt_len);
	assert_int_equal(segs, pkt->nb_segs);
	return seq;
}

void pair_send(struct fl_txq *q, struct fl_pkt **pkts, uint16_t n)
{
	uint64_t end = fl_now_ns() + STALL_NS;
	uint16_t sent = 0;

	while (sent < n) {
		uint16_t k = fl_tx_burst(q, pkts + sent, n - sent);

		sent += k;
		if (k) {
			end = fl_now_ns() + STALL_NS;
		} else {
			assert_true(fl_now_ns() < end);
			sched_yield();
		}
	}
}

void pair_recv(struct fl_rxq *q, struct fl_pkt **pkts, uint16_t n)
{
	uint64_t end = fl_now_ns() + STALL_NS;
	uint16_t got = 0;

	while (got < n) {
		uint16_t k = fl_rx_burst(q, pkts + got, n - got);

		got += k;
		if (k) {
			end = fl_now_ns() + STALL_NS;
		} else {
			if (fl_now_ns() > end)
				fail_msg("%u of %u packets arrived", got, n);
			sched_yield();
		}
	}
}

unsigned pair_flush(struct fl_rxq *q, unsigned ms)
{
	uint64_t last = fl_now_ns();
	struct fl_pkt *pkts[32];
	unsigned sum = 0;

	while (fl_now_ns() - last < ms * 1000000ull) {
		uint16_t n = fl_rx_burst(q, pkts, 32);

		if (n) {
			fl_pkt_free_bulk(pkts, n);
			last = fl_now_ns();
			sum += n;
		} else {
			sched_yield();
		}
	}
	return sum;
}

void pair_recv_none(struct fl_rxq *q, unsigned ms)
{
	assert_int_equal(pair_flush(q, ms), 0);
}
