/* SPDX-License-Identifier: BSD-3-Clause */
/* Worker threads and caches of keys of the SEC2 model: the same results, whoever computes. */
#include "hisi_sec_runs.h"

#include <sched.h>

#define JOBS 400u
#define ROOM 4096u /* of each job's data */

static struct secm_job *jobs[JOBS];
static uint8_t bds[JOBS][128], want[JOBS][ROOM], want_mac[JOBS][64];

static uint32_t data_at(unsigned i)
{
	return 0x40000 + i * ROOM;
}

static uint32_t mac_at(unsigned i)
{
	return 0x8000 + i * 64;
}

/* in place, each by a key of 50: ciphers, digests, both, GCM, CCM and XTS */
static void make(unsigned i)
{
	static const uint8_t modes[] = { SECM_CBC, SECM_CTR, SECM_GCM, SECM_CCM, SECM_XTS };
	uint32_t len = 16 * (1 + i * 37 % 200);
	struct req q = { .c_alg = SECM_AES, .c_len = len, .ctr_mode = 2, .scene = 0 };

	rig_addresses(&q);
	q.src = RIG_IOVA + data_at(i);
	q.key = q.akey = RIG_IOVA + AT_KEY + 64 * (i % 50);
	q.iv = q.aiv = RIG_IOVA + AT_KEY + 16 * (i % 50);
	q.mac = RIG_IOVA + mac_at(i);
	q.c_mode = modes[i % 5];
	q.c_icv_len = 16;
	if (i % 7) {
		q.cipher = 1;
	} else {
		q.c_mode = SECM_ECB;
		q.c_len = 0;
	}
	if (i % 7 == 0 || i % 11 == 0) {
		q.auth = 1;
		q.a_alg = i & 1 ? 0x11 : SECM_HMAC_SM3;
		q.a_key_len = q.mac_len = 32;
		q.a_len = len;
	}
	if (q.auth && q.cipher)
		q.c_mode = SECM_CBC;
	rig_bd3(&q, bds[i]);
}

static void set_up(void)
{
	/* the first byte of an IV is a CCM IV's too */
	for (uint32_t i = 0; i < 64 * 52; i++)
		rig.mem[AT_KEY + i] = (uint8_t)(i % 16 ? i * 73 >> 3 : 1 + i / 16 % 7);
	for (uint32_t i = 0; i < JOBS * ROOM; i++)
		rig.mem[data_at(0) + i] = (uint8_t)(i * 2654435761u >> 13);
	for (unsigned i = 0; i < JOBS; i++) {
		make(i);
		assert_int_equal(fl_secm_job_begin(&rig.env, jobs[i], bds[i]), SECM_RUN);
	}
}

static void look(bool keep)
{
	for (unsigned i = 0; i < JOBS; i++) {
		assert_true(fl_secm_job_ran(jobs[i]));
		assert_false(fl_secm_job_finish(&rig.env, jobs[i], bds[i]));
		if (keep) {
			memcpy(want[i], rig.mem + data_at(i), ROOM);
			memcpy(want_mac[i], rig.mem + mac_at(i), 64);
		}
		assert_memory_equal(rig.mem + data_at(i), want[i], ROOM);
		assert_memory_equal(rig.mem + mac_at(i), want_mac[i], 64);
	}
}

static int by_hand(void **state)
{
	for (unsigned i = 0; i < JOBS; i++)
		jobs[i] = fl_secm_job_new();
	set_up();
	for (unsigned i = 0; i < JOBS; i++) {
		struct secm_cache *c = fl_secm_cache_new();

		fl_secm_job_run(jobs[i], c);
		fl_secm_cache_free(c);
	}
	look(true);
	return 0;
}

static void give_all(struct secm_workers *w)
{
	unsigned given = 0;

	while (given < JOBS) {
		unsigned n = 1 + given % 40;

		n = n < JOBS - given ? n : JOBS - given;
		given += fl_secm_workers_give(w, jobs + given, n);
		if (given % 3 == 0)
			fl_secm_workers_help(w, 2);
	}
}

static void test_workers(void **state)
{
	for (unsigned n = 0; n < 4; n++) {
		struct secm_workers *w;

		assert_int_equal(fl_secm_workers_create(n, &w), 0);
		for (unsigned round = 0; round < 5; round++) {
			set_up();
			give_all(w);
			for (unsigned i = 0; i < JOBS; i++)
				while (!fl_secm_job_ran(jobs[i]))
					if (!fl_secm_workers_help(w, 1))
						sched_yield();
			look(false);
			usleep(round * 500); /* now and then they sleep */
		}
		fl_secm_workers_destroy(w);
	}
}

/* Much work wakes the threads, and they do it all without help. */
static void test_threads_alone(void **state)
{
	struct secm_workers *w;

	assert_int_equal(fl_secm_workers_create(2, &w), 0);
	usleep(2000);
	set_up();
	assert_int_equal(fl_secm_workers_give(w, jobs, JOBS), JOBS);
	for (unsigned ms = 0; ms < 20000; ms++) {
		unsigned ran = 0;

		while (ran < JOBS && fl_secm_job_ran(jobs[ran]))
			ran++;
		if (ran == JOBS)
			break;
		usleep(1000);
	}
	look(false);
	fl_secm_workers_destroy(w);
}

static void test_destroyed_at_work(void **state)
{
	for (unsigned n = 0; n < 3; n++) {
		struct secm_workers *w;

		assert_int_equal(fl_secm_workers_create(n, &w), 0);
		set_up();
		assert_int_equal(fl_secm_workers_give(w, jobs, JOBS), JOBS);
		fl_secm_workers_destroy(w);
		look(false);
	}
}

static void test_refused_counts(void **state)
{
	struct secm_workers *w;

	assert_int_equal(fl_secm_workers_create(100000, &w), -EINVAL);
	fl_secm_workers_destroy(NULL);
	assert_true(fl_secm_workers_default() >= 1);
}

/* More keys than a cache holds, in changing order, some of them two to a job. */
static void test_many_keys(void **state)
{
	static const struct layout in_place = { .apart = false };
	static const uint8_t modes[] = { SECM_XTS, SECM_CBC_CS, SECM_CCM, SECM_ECB };
	static struct run x, fresh;
	struct secm_cache *old = rig.cache;

	for (unsigned i = 0; i < 3000; i++) {
		unsigned key = i * 7919 % 700;

		memset(&x, 0, sizeof(x));
		x.type = 3;
		x.len = 48;
		x.q = (struct req){ .cipher = 1 + i % 2,
				    .c_alg = i % 3 ? SECM_AES : SECM_SM4,
				    .c_mode = modes[i % 4],
				    .c_width = 3,
				    .c_len = 48,
				    .c_icv_len = 16 };
		for (unsigned k = 0; k < 64; k++)
			x.key[k] = (uint8_t)(key >> 8 * (k & 1));
		x.iv[0] = 1;
		fresh = x;
		assert_false(do_run(&x, &in_place));
		if (i % 50 && i < 2900)
			continue;
		rig.cache = fl_secm_cache_new();
		assert_false(do_run(&fresh, &in_place));
		fl_secm_cache_free(rig.cache);
		rig.cache = old;
		assert_memory_equal(x.out, fresh.out, 48);
		assert_memory_equal(x.bd + 112, fresh.bd + 112, 3);
	}
}

static int clean_up(void **state)
{
	for (unsigned i = 0; i < JOBS; i++)
		fl_secm_job_free(jobs[i]);
	rig_close(&rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_workers),		  cmocka_unit_test(test_threads_alone),
		cmocka_unit_test(test_destroyed_at_work), cmocka_unit_test(test_refused_counts),
		cmocka_unit_test(test_many_keys),
	};

	if (rig_open(&rig, 0x30))
		return 1;
	return cmocka_run_group_tests(tests, by_hand, clean_up);
}
