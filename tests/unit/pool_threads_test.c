/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools under threads that come and go: no packet is ever in two hands, and none is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include <pkt_internal.h>

#define COUNT	600u
#define BURST	32u
#define THREADS 3
#define RUN_NS	250000000ull

struct shared {
	struct fl_pool *pool;
	struct fl_ring *between;
	uint64_t end;
	/* taken[i]: packet i is in somebody's hands */
	uint8_t taken[COUNT];
	unsigned errors, rounds;
};

static struct fl_pool *make(uint32_t count, uint32_t cache)
{
	struct fl_pool_opts o;
	struct fl_pool *pool = NULL;

	fl_pool_opts_init(&o);
	o.count = count;
	o.data_room = 64;
	o.cache = cache;
	assert_int_equal(fl_pool_create(&o, NULL, &pool), 0);
	return pool;
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 16;
}

static void mark(struct shared *sh, struct fl_pkt *const *pkts, uint32_t n, uint8_t taken)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *t = &sh->taken[pkts[i] - sh->pool->pkts];

		if (__atomic_exchange_n(t, taken, __ATOMIC_RELAXED) == taken)
			__atomic_fetch_add(&sh->errors, 1, __ATOMIC_RELAXED);
	}
}

/* a short life: takes packets, hands some to the others, frees what the others handed over */
static void *short_life(void *arg)
{
	struct shared *sh = arg;
	struct fl_pkt *pkts[BURST];
	uint32_t seed = __atomic_fetch_add(&sh->rounds, 1, __ATOMIC_RELAXED), n, m;

	for (int i = 0; i < 200; i++) {
		n = fl_pkt_alloc_bulk(sh->pool, pkts, 1 + next_random(&seed) % BURST);
		mark(sh, pkts, n, 1);
		for (uint32_t k = 0; k < n; k++)
			pkts[k]->hash = seed; /* a plain write: a second owner would be a race */
		m = fl_ring_enqueue_burst(sh->between, (void *const *)pkts, n / 2);
		mark(sh, pkts + m, n - m, 0);
		fl_pkt_free_bulk(pkts + m, n - m);
		n = fl_ring_dequeue_burst(sh->between, (void **)pkts,
					  1 + next_random(&seed) % BURST);
		mark(sh, pkts, n, 0);
		i & 1 ? fl_pkt_free_bulk(pkts, n) : fl_pkt_free_simple(sh->pool, pkts, n);
	}
	return NULL;
}

/* one generation of threads after the other */
static void *generations(void *arg)
{
	struct shared *sh = arg;
	struct fl_pool_stats st;
	pthread_t t;

	/* for a while, and some generations at least where a thread is slow to come */
	while (fl_now_ns() < sh->end ||
	       __atomic_load_n(&sh->rounds, __ATOMIC_RELAXED) < 3 * THREADS) {
		if (pthread_create(&t, NULL, short_life, sh)) {
			__atomic_fetch_add(&sh->errors, 1, __ATOMIC_RELAXED);
			break;
		}
		fl_pool_stats(sh->pool, &st); /* while all are at work */
		if (st.cached > COUNT || st.in_use > COUNT)
			__atomic_fetch_add(&sh->errors, 1, __ATOMIC_RELAXED);
		pthread_join(t, NULL);
	}
	return NULL;
}

static void come_and_go(uint32_t cache)
{
	struct shared *sh = calloc(1, sizeof(*sh));
	struct fl_pkt *pkts[COUNT];
	struct fl_pool_stats st;
	pthread_t t[THREADS];
	uint32_t n;

	assert_non_null(sh);
	sh->pool = make(COUNT, cache);
	sh->end = fl_now_ns() + RUN_NS;
	assert_int_equal(fl_ring_create(64, 0, -1, &sh->between), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, generations, sh), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	n = fl_ring_dequeue_burst(sh->between, (void **)pkts, COUNT);
	mark(sh, pkts, n, 0);
	fl_pkt_free_bulk(pkts, n);
	assert_int_equal(sh->errors, 0);
	assert_true(sh->rounds > THREADS);
	fl_pool_stats(sh->pool, &st);
	assert_int_equal(st.in_use, 0);
	/* all of them can be had, from the caches of dead threads too */
	for (n = 0; n < COUNT; n++)
		if (!fl_pkt_alloc_bulk(sh->pool, pkts + n, 1))
			break;
	assert_int_equal(n, COUNT);
	mark(sh, pkts, n, 1);
	assert_int_equal(sh->errors, 0);
	fl_pkt_free_bulk(pkts, n);
	assert_int_equal(fl_pool_destroy(sh->pool), 0);
	fl_ring_free(sh->between);
	free(sh);
}

static void test_come_and_go(void **state)
{
	come_and_go(64);
}

static void test_come_and_go_without_cache(void **state)
{
	come_and_go(0);
}

/* a thread that ended holding back nearly all must not starve the others */
static void *hoard(void *arg)
{
	struct fl_pool *pool = arg;
	struct fl_pkt *pkts[COUNT];

	if (fl_pkt_alloc_bulk(pool, pkts, COUNT) != COUNT)
		return pool;
	for (uint32_t i = 0; i < COUNT; i += BURST)
		fl_pkt_free_bulk(pkts + i, COUNT - i < BURST ? COUNT - i : BURST);
	return NULL;
}

static void test_dead_hoarder(void **state)
{
	struct fl_pool *pool = make(COUNT, 1024);
	struct fl_pkt *pkts[COUNT];
	struct fl_pool_stats st;
	void *failed;
	pthread_t t;

	for (int i = 0; i < 3; i++) {
		/* the second time by a thread that knows the pool already */
		assert_int_equal(pthread_create(&t, NULL, hoard, pool), 0);
		pthread_join(t, &failed);
		assert_null(failed);
		fl_pool_stats(pool, &st);
		assert_int_equal(st.cached, COUNT);
		assert_int_equal(fl_pkt_alloc_bulk(pool, pkts, COUNT), COUNT);
		fl_pkt_free_bulk(pkts, COUNT / 2);
		fl_pkt_free_bulk(pkts + COUNT / 2, COUNT / 2);
		assert_int_equal(fl_pkt_alloc_bulk(pool, pkts, COUNT), COUNT);
		fl_pkt_free_simple(pool, pkts, COUNT);
		/* leave this thread's cache empty for the next one */
		assert_int_equal(fl_pkt_alloc_bulk(pool, pkts, COUNT), COUNT);
		for (uint32_t k = 0; k < COUNT; k++)
			assert_int_equal(
				fl_ring_enqueue_bulk(pool->store, (void *[]){ pkts[k] }, 1), 1);
	}
	assert_int_equal(fl_pool_destroy(pool), 0);
}

/* ---- references shared between threads -------------------------------------------------- */

struct sharing {
	struct fl_pool *pool, *clones;
	struct fl_ring *to_other;
	unsigned errors;
	bool done;
};

static void *drop_clones(void *arg)
{
	struct sharing *s = arg;
	struct fl_pkt *p;
	const char *why;

	for (;;) {
		bool done = __atomic_load_n(&s->done, __ATOMIC_ACQUIRE);

		if (fl_ring_dequeue_bulk(s->to_other, (void **)&p, 1)) {
			uint8_t *b = fl_pkt_data(p);

			if (fl_pkt_check(p, &why) || b[0] != b[9])
				__atomic_fetch_add(&s->errors, 1, __ATOMIC_RELAXED);
			fl_pkt_free(p);
		} else if (done) {
			return NULL;
		} else {
			sched_yield();
		}
	}
}

/* the two owners free in either order; the buffer must not come back while one still reads */
static void test_shared_references(void **state)
{
	struct sharing s = { .pool = make(32, 8), .clones = make(32, 8) };
	uint64_t end = fl_now_ns() + RUN_NS;
	struct fl_pkt *p, *c;
	uint32_t rounds = 0;
	uint8_t *b;
	pthread_t t;

	assert_int_equal(fl_ring_create(16, FL_RING_SP | FL_RING_SC, -1, &s.to_other), 0);
	assert_int_equal(pthread_create(&t, NULL, drop_clones, &s), 0);
	for (; fl_now_ns() < end; rounds++) {
		p = fl_pkt_alloc(s.pool);
		if (!p) {
			sched_yield();
			continue;
		}
		b = fl_pkt_append(p, 10);
		for (int i = 0; i < 10; i++)
			b[i] = (uint8_t)rounds;
		c = rounds & 1 ? fl_pkt_clone(p, s.clones) : p;
		if (c == p)
			fl_pkt_ref(p);
		if (c && !fl_ring_enqueue_bulk(s.to_other, (void **)&c, 1))
			fl_pkt_free(c);
		fl_pkt_free(p);
	}
	__atomic_store_n(&s.done, true, __ATOMIC_RELEASE);
	pthread_join(t, NULL);
	assert_int_equal(s.errors, 0);
	assert_true(rounds > 100);
	assert_int_equal(fl_pool_destroy(s.pool), 0);
	assert_int_equal(fl_pool_destroy(s.clones), 0);
	fl_ring_free(s.to_other);
}

/* ---- pools that go before the threads that used them ------------------------------------- */

struct outliving {
	pthread_barrier_t barrier;
	struct fl_pool *pool;
	unsigned errors;
};

static void *outlive(void *arg)
{
	struct outliving *o = arg;
	struct fl_pkt *p;

	for (int i = 0; i < 100; i++) {
		pthread_barrier_wait(&o->barrier); /* a new pool, often where the last one was */
		p = fl_pkt_alloc(o->pool);
		if (!p || p->pool != o->pool)
			o->errors++;
		fl_pkt_free(p);
		pthread_barrier_wait(&o->barrier);
	}
	return NULL;
}

static void test_pool_goes_first(void **state)
{
	struct outliving o = { .errors = 0 };
	pthread_t t;

	assert_int_equal(pthread_barrier_init(&o.barrier, NULL, 2), 0);
	assert_int_equal(pthread_create(&t, NULL, outlive, &o), 0);
	for (int i = 0; i < 100; i++) {
		o.pool = make(16, 4);
		pthread_barrier_wait(&o.barrier);
		pthread_barrier_wait(&o.barrier);
		assert_int_equal(fl_pool_destroy(o.pool), 0);
	}
	pthread_join(t, NULL);
	assert_int_equal(o.errors, 0);
	pthread_barrier_destroy(&o.barrier);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_come_and_go),
		cmocka_unit_test(test_come_and_go_without_cache),
		cmocka_unit_test(test_dead_hoarder),
		cmocka_unit_test(test_shared_references),
		cmocka_unit_test(test_pool_goes_first),
	};

	return cmocka_run_group_tests_name("pool-threads", tests, NULL, NULL);
}
