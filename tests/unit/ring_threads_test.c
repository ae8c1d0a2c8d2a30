/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Producers send numbered objects; consumers check that each producer's numbers arrive rising,
 * and at the end that every number arrived exactly once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include <fl_ring.h>

#define PRODUCERS_MAX 3
#define RUN_NS	      250000000ull
#define PER_PRODUCER  (1u << 20)
#define BURST	      32

struct shared {
	struct fl_ring *ring;
	uint64_t end;
	unsigned producers_left;
	bool bulk;
	/* seen[p][i]: how often number i of producer p arrived */
	uint8_t *seen[PRODUCERS_MAX];
	unsigned errors;
};

struct worker {
	struct shared *sh;
	uintptr_t id;
	uint32_t count;
	pthread_t thread;
};

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 16;
}

static void *produce(void *arg)
{
	struct worker *w = arg;
	struct shared *sh = w->sh;
	uint32_t seed = (uint32_t)w->id;
	void *objs[BURST];

	while (w->count < PER_PRODUCER - BURST && fl_now_ns() < sh->end) {
		uint32_t n = 1 + next_random(&seed) % BURST, m;

		for (uint32_t i = 0; i < n; i++)
			objs[i] = (void *)(w->id << 32 | (w->count + i));
		m = sh->bulk ? fl_ring_enqueue_bulk(sh->ring, objs, n)
			     : fl_ring_enqueue_burst(sh->ring, objs, n);
		w->count += m;
		if (m == 0)
			sched_yield();
	}
	__atomic_fetch_sub(&sh->producers_left, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void *consume(void *arg)
{
	struct worker *w = arg;
	struct shared *sh = w->sh;
	uint32_t seed = 77u + (uint32_t)w->id, next[PRODUCERS_MAX] = { 0 };
	void *objs[BURST];

	for (;;) {
		bool done = __atomic_load_n(&sh->producers_left, __ATOMIC_ACQUIRE) == 0;
		uint32_t n = 1 + next_random(&seed) % BURST, m;

		m = sh->bulk && !done ? fl_ring_dequeue_bulk(sh->ring, objs, n)
				      : fl_ring_dequeue_burst(sh->ring, objs, n);
		for (uint32_t i = 0; i < m; i++) {
			uintptr_t p = (uintptr_t)objs[i] >> 32;
			uint32_t k = (uint32_t)(uintptr_t)objs[i];

			if (p >= PRODUCERS_MAX || k >= PER_PRODUCER || k < next[p]) {
				__atomic_fetch_add(&sh->errors, 1, __ATOMIC_RELAXED);
				continue;
			}
			next[p] = k + 1;
			__atomic_fetch_add(&sh->seen[p][k], 1, __ATOMIC_RELAXED);
		}
		w->count += m;
		if (m == 0 && done)
			return NULL;
		if (m == 0)
			sched_yield();
	}
}

static void run(unsigned producers, unsigned consumers, unsigned flags, uint32_t size, bool bulk)
{
	struct shared sh = { .end = fl_now_ns() + RUN_NS,
			     .producers_left = producers,
			     .bulk = bulk };
	struct worker p[PRODUCERS_MAX], c[PRODUCERS_MAX];
	uint64_t sent = 0, got = 0;

	assert_int_equal(fl_ring_create(size, flags, -1, &sh.ring), 0);
	for (unsigned i = 0; i < producers; i++) {
		sh.seen[i] = calloc(PER_PRODUCER, 1);
		assert_non_null(sh.seen[i]);
		p[i] = (struct worker){ .sh = &sh, .id = i };
		assert_int_equal(pthread_create(&p[i].thread, NULL, produce, &p[i]), 0);
	}
	for (unsigned i = 0; i < consumers; i++) {
		c[i] = (struct worker){ .sh = &sh, .id = i };
		assert_int_equal(pthread_create(&c[i].thread, NULL, consume, &c[i]), 0);
	}
	for (unsigned i = 0; i < producers; i++)
		pthread_join(p[i].thread, NULL);
	for (unsigned i = 0; i < consumers; i++) {
		pthread_join(c[i].thread, NULL);
		got += c[i].count;
	}
	for (unsigned i = 0; i < producers; i++) {
		sent += p[i].count;
		for (uint32_t k = 0; k < PER_PRODUCER; k++)
			if (sh.seen[i][k] != (k < p[i].count))
				sh.errors++;
		free(sh.seen[i]);
	}
	assert_int_equal(sh.errors, 0);
	assert_int_equal(got, sent);
	assert_true(sent > 0);
	assert_int_equal(fl_ring_count(sh.ring), 0);
	fl_ring_free(sh.ring);
}

static void test_spsc(void **state)
{
	run(1, 1, FL_RING_SP | FL_RING_SC, 100, false);
}

static void test_mpmc_burst(void **state)
{
	run(3, 3, 0, 100, false);
}

static void test_mpmc_bulk(void **state)
{
	run(2, 2, 0, 1024, true);
}

static void test_mpsc(void **state)
{
	run(3, 1, FL_RING_SC, 33, false);
}

static void test_spmc(void **state)
{
	run(1, 3, FL_RING_SP, 33, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spsc),	  cmocka_unit_test(test_mpmc_burst),
		cmocka_unit_test(test_mpmc_bulk), cmocka_unit_test(test_mpsc),
		cmocka_unit_test(test_spmc),
	};

	return cmocka_run_group_tests_name("ring-threads", tests, NULL, NULL);
}
