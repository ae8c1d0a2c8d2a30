/* SPDX-License-Identifier: BSD-3-Clause */
#include "conformance.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000ull
/* a burst never waits: this much is only ever reached by a descheduled process */
#define BURST_MAX_NS (2000 * NS_PER_MS)
/* without a packet for so long, none will come: time since the last one, since a loaded machine
 * under a sanitizer may be slow without being stuck */
#define STALL_NS (20000 * NS_PER_MS)

static struct fl_txq *txq(const struct pair *p, const struct fl_port *port)
{
	return fl_port_txq(port, p->queues - 1);
}

static int up(void **state)
{
	struct pair *p = *state;
	const struct fl_port_conf c = { .nb_rxq = p->queues, .nb_txq = p->queues };

	assert_int_equal(fl_port_promisc(p->a, true), 0);
	assert_int_equal(fl_port_promisc(p->b, true), 0);
	pair_up(p, &c);
	return 0;
}

static int down(void **state)
{
	pair_down(*state);
	return 0;
}

static void test_nothing(void **state)
{
	struct pair *p = *state;
	struct fl_pkt *pkts[8] = { 0 };
	uint64_t t = fl_now_ns();

	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(fl_rx_burst(fl_port_rxq(p->a, 0), pkts, 8), 0);
		assert_int_equal(fl_rx_burst(fl_port_rxq(p->a, 0), pkts, 0), 0);
		assert_int_equal(fl_tx_burst(txq(p, p->a), pkts, 0), 0);
	}
	assert_true(fl_now_ns() - t < BURST_MAX_NS);
	assert_null(pkts[0]);
}

/* every length, every burst size up to 33, both ways: all arrive, in order, untouched */
static void both_ways_in_order(struct pair *p, struct fl_port *from, struct fl_port *to)
{
	uint32_t sent = 0, seen = 0;
	struct fl_pkt *pkts[33];

	for (uint16_t n = 1; n <= 33; n++) {
		for (uint16_t i = 0; i < n; i++, sent++)
			pkts[i] = pair_frame(p, sent, (uint16_t)(60 + sent * 7 % 1455));
		pair_send(txq(p, from), pkts, n);
		pair_recv(fl_port_rxq(to, 0), pkts, n);
		for (uint16_t i = 0; i < n; i++, seen++) {
			const char *why = "";

			assert_int_equal(pair_frame_seq(pkts[i]), seen);
			assert_int_equal(pkts[i]->data_len, 60 + seen * 7 % 1455);
			if (fl_pkt_check(pkts[i], &why))
				fail_msg("packet %u: %s", seen, why);
		}
		fl_pkt_free_bulk(pkts, n);
	}
}

static void test_order(void **state)
{
	struct pair *p = *state;

	both_ways_in_order(p, p->a, p->b);
	both_ways_in_order(p, p->b, p->a);
}

/* more than the ring holds in one call: a prefix is taken, at once; the rest is still ours */
static void test_prefix(void **state)
{
	enum { N = 4 * PAIR_RING };
	struct pair *p = *state;
	struct fl_pkt *pkts[N], *got[N];
	uint16_t taken;
	uint64_t t;

	for (unsigned i = 0; i < N; i++)
		pkts[i] = pair_frame(p, i, 64);
	t = fl_now_ns();
	taken = fl_tx_burst(txq(p, p->a), pkts, N);
	assert_true(fl_now_ns() - t < BURST_MAX_NS);
	/* nobody could have reported any of them yet but those already rung for */
	assert_in_range(taken, 1, N - 1);
	for (unsigned i = taken; i < N; i++) {
		assert_int_equal(pkts[i]->refcnt, 1);
		assert_int_equal(pair_frame_seq(pkts[i]), i);
	}
	fl_pkt_free_bulk(pkts + taken, N - taken);
	pair_recv(fl_port_rxq(p->b, 0), got, taken);
	for (unsigned i = 0; i < taken; i++)
		assert_int_equal(pair_frame_seq(got[i]), i);
	fl_pkt_free_bulk(got, taken);
}

/* one receive call that asks for more than the ring has */
static void test_rx_more_than_ring(void **state)
{
	enum { N = 8 * PAIR_RING };
	struct pair *p = *state;
	struct fl_pkt *pkts[PAIR_RING / 2], *got[N];
	unsigned sum = 0;
	uint64_t end;

	for (unsigned i = 0; i < PAIR_RING / 2; i++)
		pkts[i] = pair_frame(p, i, 100);
	pair_send(txq(p, p->a), pkts, PAIR_RING / 2);
	end = fl_now_ns() + STALL_NS;
	while (sum < PAIR_RING / 2 && fl_now_ns() < end) {
		uint16_t n = fl_rx_burst(fl_port_rxq(p->b, 0), got, N);

		assert_in_range(n, 0, PAIR_RING);
		for (unsigned i = 0; i < n; i++)
			assert_int_equal(pair_frame_seq(got[i]), sum + i);
		sum += n;
		if (n)
			fl_pkt_free_bulk(got, n);
		else
			sched_yield();
	}
	assert_int_equal(sum, PAIR_RING / 2);
}

/* many times round both rings, bursts of every size, nothing lost or doubled */
static void test_wrap(void **state)
{
	enum { TOTAL = 40 * PAIR_RING, WINDOW = PAIR_RING / 2 };
	struct pair *p = *state;
	struct fl_pkt *pkts[64];
	uint32_t sent = 0, seen = 0;
	uint64_t end = fl_now_ns() + STALL_NS;
	unsigned seed = 1;

	while (seen < TOTAL) {
		uint16_t n = (uint16_t)(1 + rand_r(&seed) % 40), k = 0;

		if (fl_now_ns() > end)
			fail_msg("nothing came for %llu s: %u sent, %u seen",
				 STALL_NS / (1000 * NS_PER_MS), sent, seen);
		while (k < n && sent + k < TOTAL && sent + k - seen < WINDOW) {
			pkts[k] = pair_frame(p, sent + k, 60);
			k++;
		}
		n = fl_tx_burst(txq(p, p->a), pkts, k);
		if (n < k)
			fl_pkt_free_bulk(pkts + n, k - n);
		sent += n;
		n = fl_rx_burst(fl_port_rxq(p->b, 0), pkts, (uint16_t)(1 + rand_r(&seed) % 64));
		for (uint16_t i = 0; i < n; i++)
			assert_int_equal(pair_frame_seq(pkts[i]), seen++);
		if (n) {
			fl_pkt_free_bulk(pkts, n);
			end = fl_now_ns() + STALL_NS;
		} else {
			sched_yield(); /* the two models may wait for this very CPU */
		}
	}
	pair_recv_none(fl_port_rxq(p->b, 0), 20);
}

static void test_stopped(void **state)
{
	struct pair *p = *state;
	struct fl_pkt *pkt = pair_frame(p, 0, 60), *got;

	assert_int_equal(fl_port_stop(p->a), 0);
	assert_int_equal(fl_port_stop(p->a), 0);
	assert_false(fl_port_started(p->a));
	assert_int_equal(fl_tx_burst(txq(p, p->a), &pkt, 1), 0);
	assert_int_equal(fl_rx_burst(fl_port_rxq(p->a, 0), &got, 1), 0);
	assert_int_equal(pkt->refcnt, 1);
	/* and it runs again, many times */
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(fl_port_start(p->a), 0);
		assert_int_equal(fl_port_link_wait(p->a, 3000), 0);
		assert_int_equal(fl_port_link_wait(p->b, 3000), 0);
		pair_send(txq(p, p->a), &pkt, 1);
		pair_recv(fl_port_rxq(p->b, 0), &pkt, 1);
		assert_int_equal(pair_frame_seq(pkt), 0);
		pair_send(txq(p, p->b), &pkt, 1);
		pair_recv(fl_port_rxq(p->a, 0), &pkt, 1);
		assert_int_equal(fl_port_stop(p->a), 0);
	}
	fl_pkt_free(pkt);
}

/* stop and reset in the midst of traffic: every packet is somewhere, and comes back */
static void test_conserved(void **state)
{
	struct pair *p = *state;
	struct fl_pkt *pkts[64];

	for (unsigned round = 0; round < 4; round++) {
		uint16_t n, m;

		for (unsigned i = 0; i < 64; i++)
			pkts[i] = pair_frame(p, i, (uint16_t)(60 + i));
		n = fl_tx_burst(txq(p, p->a), pkts, 64);
		fl_pkt_free_bulk(pkts + n, 64 - n);
		m = fl_rx_burst(fl_port_rxq(p->b, 0), pkts, (uint16_t)round);
		if (round & 1) {
			assert_int_equal(fl_port_reset(p->a), 0);
			assert_int_equal(fl_port_reset(p->b), 0);
			assert_true(fl_port_started(p->a));
			assert_int_equal(fl_port_stop(p->a), 0);
			assert_int_equal(fl_port_stop(p->b), 0);
		} else {
			assert_int_equal(fl_port_stop(p->b), 0);
			assert_int_equal(fl_port_stop(p->a), 0);
		}
		fl_pkt_free_bulk(pkts, m);
		pair_check_pool(p);
		assert_int_equal(fl_port_start(p->a), 0);
		assert_int_equal(fl_port_start(p->b), 0);
		assert_int_equal(fl_port_link_wait(p->a, 3000), 0);
		assert_int_equal(fl_port_link_wait(p->b, 3000), 0);
	}
	pkts[0] = pair_frame(p, 7, 60);
	pair_send(txq(p, p->a), pkts, 1);
	pair_recv(fl_port_rxq(p->b, 0), pkts, 1);
	assert_int_equal(pair_frame_seq(pkts[0]), 7);
	fl_pkt_free(pkts[0]);
}

/* what cannot be sent costs itself, not its neighbours */
static void test_error_is_the_packets(void **state)
{
	struct pair *p = *state;
	struct fl_port_stats s0, s1;
	struct fl_pkt *pkts[6];

	assert_int_equal(fl_port_stats(p->a, &s0), 0);
	for (unsigned i = 0; i < 6; i++)
		pkts[i] = pair_frame(p, i, 60);
	assert_int_equal(fl_pkt_trim(pkts[1], 60), 0); /* empty */
	pkts[3]->nb_segs = 2;			       /* but there is no second */
	pair_send(txq(p, p->a), pkts, 6);
	/* the driver gave it up as it was */
	pair_recv(fl_port_rxq(p->b, 0), pkts, 4);
	assert_int_equal(pair_frame_seq(pkts[0]), 0);
	assert_int_equal(pair_frame_seq(pkts[1]), 2);
	assert_int_equal(pair_frame_seq(pkts[2]), 4);
	assert_int_equal(pair_frame_seq(pkts[3]), 5);
	fl_pkt_free_bulk(pkts, 4);
	assert_int_equal(fl_port_stats(p->a, &s1), 0);
	assert_int_equal(s1.tx_errors - s0.tx_errors, 2);
	assert_int_equal(s1.tx_packets - s0.tx_packets, 4);
}

/* a packet that others hold too is sent, and theirs stays as it is */
static void test_shared(void **state)
{
	struct pair *p = *state;
	struct fl_pkt *one = pair_frame(p, 42, 200), *pkts[5], *got[5];
	struct fl_pool_opts o;
	struct fl_pool *bare;

	/* the metadata of a clone may come from a pool that no device reaches */
	fl_pool_opts_init(&o);
	o.count = 4;
	assert_int_equal(fl_pool_create(&o, NULL, &bare), 0);
	fl_pkt_ref(one);
	pkts[0] = one;
	pkts[1] = fl_pkt_clone(one, p->pool);
	pkts[2] = fl_pkt_clone(one, bare);
	assert_non_null(pkts[2]);
	pkts[3] = fl_pkt_clone(pkts[2], bare);
	pkts[4] = pair_frame(p, 43, 60);
	for (unsigned i = 0; i < 5; i++)
		assert_non_null(pkts[i]);
	pair_send(txq(p, p->a), pkts, 5);
	pair_recv(fl_port_rxq(p->b, 0), got, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(pair_frame_seq(got[i]), i == 4 ? 43 : 42);
	assert_int_equal(pair_frame_seq(one), 42);
	fl_pkt_free_bulk(got, 5);
	fl_pkt_free(one);
	assert_int_equal(fl_port_stop(p->a), 0);
	assert_int_equal(fl_pool_destroy(bare), 0);
}

static void test_chained(void **state)
{
	struct pair *p = *state;
	struct fl_pkt *head = pair_frame(p, 5, 300), *tails[3], *got;
	struct fl_port_info info;

	fl_port_info(p->a, &info);
	if (!(info.offloads & FL_OFF_TX_MULTI_SEG)) {
		fl_pkt_free(head);
		skip();
	}
	/* 300 bytes as 100 + 0 + 1 + 199 */
	for (unsigned i = 0; i < 3; i++) {
		static const uint16_t at[] = { 100, 100, 101 }, len[] = { 0, 1, 199 };

		tails[i] = fl_pkt_alloc(p->pool);
		assert_non_null(tails[i]);
		memcpy(fl_pkt_append(tails[i], len[i]), (uint8_t *)fl_pkt_data(head) + at[i],
		       len[i]);
	}
	assert_int_equal(fl_pkt_trim(head, 200), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fl_pkt_chain(head, tails[i]), 0);
	assert_int_equal(head->nb_segs, 4);
	pair_send(txq(p, p->a), &head, 1);
	pair_recv(fl_port_rxq(p->b, 0), &got, 1);
	assert_int_equal(got->pkt_len, 300);
	assert_int_equal(pair_frame_seq(got), 5);
	fl_pkt_free(got);
}

/* transmitted packets can be had back without sending more */
static void test_done_cleanup(void **state)
{
	struct pair *p = *state;
	struct fl_pkt *pkts[5], *got[5];
	struct fl_pool_stats s0, s1;
	uint64_t end = fl_now_ns() + STALL_NS;
	int freed = 0;

	fl_pool_stats(p->pool, &s0);
	for (unsigned i = 0; i < 5; i++)
		pkts[i] = pair_frame(p, i, 60);
	pair_send(txq(p, p->a), pkts, 5);
	pair_recv(fl_port_rxq(p->b, 0), got, 5);
	fl_pkt_free_bulk(got, 5);
	while (freed < 5 && fl_now_ns() < end) {
		int rc = fl_tx_done_cleanup(txq(p, p->a), 2);

		if (rc == -EOPNOTSUPP)
			skip();
		assert_in_range(rc, 0, 2);
		freed += rc;
	}
	assert_int_equal(freed, 5);
	fl_pool_stats(p->pool, &s1);
	assert_true(s1.in_use <= s0.in_use + 5);
	/* the slots work on */
	for (unsigned round = 0; round < 2 * PAIR_RING / 5; round++) {
		for (unsigned i = 0; i < 5; i++)
			pkts[i] = pair_frame(p, i, 60);
		pair_send(txq(p, p->a), pkts, 5);
		pair_recv(fl_port_rxq(p->b, 0), got, 5);
		fl_pkt_free_bulk(got, 5);
	}
}

/* each queue has a thread of its own */
struct sender {
	struct pair *p;
	struct fl_txq *q;
	uint32_t first, seen;
	bool failed;
};

enum { SENT_EACH = 2000 };

static void *send_on_one(void *arg)
{
	struct sender *s = arg;
	uint64_t end = fl_now_ns() + STALL_NS;
	struct fl_pkt *pkts[8];
	uint32_t sent = 0;

	while (sent < SENT_EACH && !s->failed) {
		uint32_t ahead = sent - __atomic_load_n(&s->seen, __ATOMIC_RELAXED);
		uint16_t n = ahead + 8 > PAIR_RING / 4 ? 0 : 8, k;

		for (uint16_t i = 0; i < n; i++)
			pkts[i] = pair_frame(s->p, s->first + sent + i, 60);
		k = fl_tx_burst(s->q, pkts, n);
		if (k < n)
			fl_pkt_free_bulk(pkts + k, n - k);
		sent += k;
		if (k)
			end = fl_now_ns() + STALL_NS;
		else
			sched_yield();
		s->failed = fl_now_ns() > end;
	}
	return NULL;
}

static void test_queues_at_once(void **state)
{
	struct pair *p = *state;
	struct sender s[2] = { { p, fl_port_txq(p->a, 0), 0, 0, false },
			       { p, fl_port_txq(p->a, 1), 1u << 24, 0, false } };
	uint64_t end = fl_now_ns() + STALL_NS;
	struct fl_pkt *pkts[32];
	pthread_t t[2];

	if (p->queues < 2)
		skip();
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, send_on_one, &s[i]), 0);
	while (s[0].seen + s[1].seen < 2 * SENT_EACH && fl_now_ns() < end) {
		uint16_t n = fl_rx_burst(fl_port_rxq(p->b, 0), pkts, 32);

		for (uint16_t i = 0; i < n; i++) {
			uint32_t seq = pair_frame_seq(pkts[i]);
			struct sender *from = &s[seq >> 24];

			assert_int_equal(seq, from->first + from->seen);
			__atomic_store_n(&from->seen, from->seen + 1, __ATOMIC_RELAXED);
		}
		if (n) {
			fl_pkt_free_bulk(pkts, n);
			end = fl_now_ns() + STALL_NS;
		}
		/* no hashing is on: all is the first queue's */
		assert_int_equal(fl_rx_burst(fl_port_rxq(p->b, 1), pkts, 1), 0);
	}
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(t[i], NULL), 0);
		assert_false(s[i].failed);
		assert_int_equal(s[i].seen, SENT_EACH);
	}
}

static void test_configure_again(void **state)
{
	struct pair *p = *state;
	const struct fl_port_conf c = *fl_port_conf(p->a);
	struct fl_pkt *pkt = pair_frame(p, 1, 60);
	struct fl_port_info info;

	assert_int_equal(fl_port_configure(p->a, fl_port_conf(p->a)), -EBUSY);
	assert_int_equal(fl_port_stop(p->a), 0);
	/* another ring size, the least that the driver has */
	fl_port_info(p->a, &info);
	pair_up_port(p, p->a, &c, info.rxd_min > info.txd_min ? info.rxd_min : info.txd_min);
	assert_int_equal(fl_port_link_wait(p->a, 3000), 0);
	assert_int_equal(fl_port_link_wait(p->b, 3000), 0);
	for (unsigned i = 0; i < 3 * PAIR_RING; i++) {
		pair_send(txq(p, p->a), &pkt, 1);
		pair_recv(fl_port_rxq(p->b, 0), &pkt, 1);
		pair_send(txq(p, p->b), &pkt, 1);
		pair_recv(fl_port_rxq(p->a, 0), &pkt, 1);
		assert_int_equal(pair_frame_seq(pkt), 1);
	}
	fl_pkt_free(pkt);
}

#define T(f)                       \
	{                          \
#f, f, up, down, p \
	}
int conformance_run(const char *name, struct pair *p)
{
	const struct CMUnitTest tests[] = {
		T(test_nothing),
		T(test_order),
		T(test_prefix),
		T(test_rx_more_than_ring),
		T(test_wrap),
		T(test_stopped),
		T(test_conserved),
		T(test_error_is_the_packets),
		T(test_shared),
		T(test_chained),
		T(test_done_cleanup),
		T(test_queues_at_once),
		T(test_configure_again),
	};

	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
