/* SPDX-License-Identifier: BSD-3-Clause */
/* The burst contract, life and threads. */
#include "crypto_conformance.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* a burst never waits: this much is only ever reached by a descheduled process */
#define BURST_MAX_NS (2000 * NS_PER_MS)
#define SMALL	     64u

static struct fl_qp *qp_of(const struct rig *r, unsigned i)
{
	return fl_cryptodev_qp(r->d, (uint16_t)(i % r->qps));
}

int crypto_up(void **state)
{
	struct rig *r = *state;
	uint16_t desc = CRYPTO_DESC < r->info.desc_max ? CRYPTO_DESC : r->info.desc_max;

	rig_up(r, desc > r->info.desc_min ? desc : r->info.desc_min, false);
	return 0;
}

int crypto_down(void **state)
{
	rig_down(*state);
	return 0;
}

/* ---- small requests: 64 bytes in place, numbered ------------------------------------------ */

static struct fl_seg segs[RIG_OPS];

static void make_small(struct rig *r, const struct rig_keys *k, struct fl_op **ops, unsigned n)
{
	bool auth = k->conf.type == FL_CRYPTO_AUTH;

	assert_int_equal(fl_op_alloc(r->pool, ops, n), n);
	for (unsigned i = 0; i < n; i++) {
		struct fl_op *op = ops[i];

		segs[i] = (struct fl_seg){ r->area->va + (size_t)i * SMALL, r->area, SMALL };
		op->session = k->enc;
		op->src = &segs[i];
		op->nsrc = 1;
		op->dst = NULL;
		op->ndst = 0;
		op->cipher_off = op->auth_off = 0;
		op->cipher_len = auth ? 0 : SMALL;
		op->auth_len = auth ? SMALL : 0;
		op->aad = (struct fl_seg){ 0 };
		op->user = i;
		memset(op->iv, (int)i, sizeof(op->iv));
	}
}

static bool some_keys(struct rig *r, struct rig_keys *k)
{
	return rig_some_keys(r, FL_KIND_CIPHER, k) || rig_some_keys(r, FL_KIND_DIGEST, k) ||
	       rig_some_keys(r, FL_KIND_MAC, k);
}

static void check_run(struct fl_op *const *ops, unsigned n, uint64_t first)
{
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(ops[i]->user, first + i);
		assert_int_equal(ops[i]->status, FL_OP_OK);
	}
}

/* ---- bursts ------------------------------------------------------------------------------- */

static void test_nothing(void **state)
{
	struct rig *r = *state;
	struct fl_op *ops[8] = { 0 };
	uint64_t t = fl_now_ns();

	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(fl_op_dequeue(qp_of(r, i), ops, 8), 0);
		assert_int_equal(fl_op_dequeue(qp_of(r, i), ops, 0), 0);
		assert_int_equal(fl_op_enqueue(qp_of(r, i), ops, 0), 0);
	}
	assert_true(fl_now_ns() - t < BURST_MAX_NS);
	assert_null(ops[0]);
}

/* more than fits in one call: a prefix is taken, at once; the rest is still the caller's */
static void test_full(void **state)
{
	struct rig *r = *state;
	struct fl_qp *qp = qp_of(r, 0);
	struct fl_op *ops[RIG_OPS], *got[RIG_OPS];
	struct fl_qp_stats s0, s1;
	struct rig_keys k;
	unsigned n = r->desc * 2u < RIG_OPS ? r->desc * 2u : RIG_OPS, taken, more;
	uint64_t t;

	assert_true(some_keys(r, &k));
	make_small(r, &k, ops, n);
	for (unsigned i = 0; i < n; i++)
		ops[i]->status = 0xee;
	assert_int_equal(fl_qp_stats(qp, &s0), 0);
	t = fl_now_ns();
	taken = fl_op_enqueue(qp, ops, (uint16_t)n);
	assert_true(fl_now_ns() - t < BURST_MAX_NS);
	assert_in_range(taken, 1, r->desc);
	assert_int_equal(fl_qp_stats(qp, &s1), 0);
	assert_int_equal(s1.enqueued - s0.enqueued, taken);
	assert_int_equal(s1.full - s0.full, n - taken);
	for (unsigned i = taken; i < n; i++)
		assert_int_equal(ops[i]->status, 0xee);
	/* what nobody took back takes room */
	for (unsigned i = 0; i < 20; i++) {
		const struct timespec nap = { .tv_nsec = 500000 };

		more = fl_op_enqueue(qp, ops + taken, (uint16_t)(n - taken));
		taken += more;
		nanosleep(&nap, NULL);
	}
	assert_in_range(taken, r->desc - 1u, r->desc);
	/* asked for more than there is, and bit by bit */
	rig_recv(qp, got, 3);
	rig_recv(qp, got + 3, 1);
	for (unsigned at = 4; at < taken;) {
		unsigned m = fl_op_dequeue(qp, got + at, RIG_OPS - (uint16_t)at);

		assert_in_range(m, 0, taken - at);
		at += m;
	}
	check_run(got, taken, 0);
	rig_recv_none(qp, 2);
	rig_run(qp, ops + taken, got, n - taken);
	check_run(got, n - taken, taken);
	fl_op_free(ops, n);
	rig_keys_free(&k);
}

/* many times round, bursts of every size, on all queue pairs: nothing lost, doubled or out of turn
 */
static void test_wrap(void **state)
{
	enum { TOTAL = 5000 };
	struct rig *r = *state;
	uint64_t end = fl_now_ns() + RIG_STALL_NS;
	unsigned sent[4] = { 0 }, seen[4] = { 0 }, all = 0;
	struct fl_op *ops[4][SMALL], *got[SMALL], *mine[4 * SMALL];
	struct rig_keys k;

	assert_true(some_keys(r, &k));
	make_small(r, &k, mine, r->qps * SMALL);
	for (unsigned i = 0; i < r->qps * SMALL; i++)
		ops[i / SMALL][i % SMALL] = mine[i];
	while (all < TOTAL) {
		unsigned q = rig_rand(r, r->qps), at = sent[q] % SMALL, n, m;

		assert_true(fl_now_ns() < end);
		n = 1 + rig_rand(r, SMALL - at);
		n = n < SMALL - (sent[q] - seen[q]) ? n : SMALL - (sent[q] - seen[q]);
		for (unsigned i = 0; i < n; i++)
			ops[q][at + i]->user = sent[q] + i;
		sent[q] += fl_op_enqueue(qp_of(r, q), ops[q] + at, (uint16_t)n);
		m = fl_op_dequeue(qp_of(r, q), got, (uint16_t)(1 + rig_rand(r, SMALL)));
		if (m)
			end = fl_now_ns() + RIG_STALL_NS;
		check_run(got, m, seen[q]);
		for (unsigned i = 0; i < m; i++)
			assert_ptr_equal(got[i], ops[q][(seen[q] + i) % SMALL]);
		seen[q] += m;
		all += m;
	}
	for (unsigned q = 0; q < r->qps; q++) {
		rig_recv(qp_of(r, q), got, sent[q] - seen[q]);
		check_run(got, sent[q] - seen[q], seen[q]);
		rig_recv_none(qp_of(r, q), 1);
	}
	fl_op_free(mine, r->qps * SMALL);
	rig_keys_free(&k);
}

static void test_stats(void **state)
{
	struct rig *r = *state;
	struct fl_qp_stats s0, s1;
	struct fl_op *ops[10], *got[10];
	struct rig_keys k;

	assert_true(some_keys(r, &k));
	make_small(r, &k, ops, 10);
	ops[3]->cipher_off = ops[3]->auth_off = 1; /* one byte beyond its segment */
	assert_int_equal(fl_qp_stats(qp_of(r, 0), &s0), 0);
	rig_send(qp_of(r, 0), ops, 10);
	rig_recv(qp_of(r, 0), got, 10);
	assert_int_equal(fl_qp_stats(qp_of(r, 0), &s1), 0);
	assert_int_equal(s1.enqueued - s0.enqueued, 10);
	assert_int_equal(s1.dequeued - s0.dequeued, 10);
	assert_int_equal(s1.errors - s0.errors, 1);
	assert_int_equal(s1.bad_completions, s0.bad_completions);
	fl_op_free(ops, 10);
	rig_keys_free(&k);
}

/* ---- life --------------------------------------------------------------------------------- */

static void works(struct rig *r, const struct rig_keys *k)
{
	struct fl_op *ops[8], *got[8];

	for (uint16_t q = 0; q < r->qps; q++) {
		make_small(r, k, ops, 8);
		rig_run(qp_of(r, q), ops, got, 8);
		check_run(got, 8, 0);
		fl_op_free(ops, 8);
	}
}

static void test_stopped(void **state)
{
	struct rig *r = *state;
	struct fl_op *op, *got;
	struct rig_keys k;

	assert_true(some_keys(r, &k));
	make_small(r, &k, &op, 1);
	assert_int_equal(fl_cryptodev_stop(r->d), 0);
	assert_int_equal(fl_cryptodev_stop(r->d), 0);
	assert_int_equal(fl_op_enqueue(qp_of(r, 0), &op, 1), 0);
	assert_int_equal(fl_op_dequeue(qp_of(r, 0), &got, 1), 0);
	fl_op_free(&op, 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(fl_cryptodev_start(r->d), 0);
		works(r, &k);
		assert_int_equal(fl_cryptodev_stop(r->d), 0);
	}
	rig_keys_free(&k);
}

/* What was in flight comes back, each op once, in its turn, done or given up; then, once it runs,
 * what was given after it. */
static void check_landed(struct rig *r, struct fl_op **ops, unsigned each, unsigned before)
{
	for (uint16_t q = 0; q < r->qps; q++) {
		struct fl_op *got[CRYPTO_DESC];
		unsigned n = each - (q ? 0 : before);

		rig_recv(qp_of(r, q), got, n);
		for (unsigned i = 0; i < n; i++) {
			assert_ptr_equal(got[i], ops[q * each + each - n + i]);
			assert_true(got[i]->status == FL_OP_OK || got[i]->status == FL_OP_ABORTED);
		}
		rig_recv_none(qp_of(r, q), 1);
	}
}

enum ending { STOP, STOP_START, RESET, ENDINGS };

static void test_in_flight(void **state)
{
	struct rig *r = *state;
	unsigned each = r->desc / 2u < 32 ? r->desc / 2u : 32;
	struct fl_op *ops[3 * 32], *got[32];
	struct rig_keys k;

	assert_true(some_keys(r, &k));
	for (unsigned round = 0; round < 4 * ENDINGS; round++) {
		enum ending e = round % ENDINGS;
		unsigned before;

		make_small(r, &k, ops, each * r->qps);
		for (uint16_t q = 0; q < r->qps; q++)
			rig_send(qp_of(r, q), ops + q * each, each);
		before = fl_op_dequeue(qp_of(r, 0), got, (uint16_t)(round % each));
		check_run(got, before, 0);
		if (e == RESET) {
			assert_int_equal(fl_cryptodev_reset(r->d), 0);
			assert_true(fl_cryptodev_started(r->d));
		} else {
			assert_int_equal(fl_cryptodev_stop(r->d), 0);
		}
		if (e == STOP_START)
			assert_int_equal(fl_cryptodev_start(r->d), 0);
		check_landed(r, ops, each, before);
		fl_op_free(ops, each * r->qps);
		if (e == STOP)
			assert_int_equal(fl_cryptodev_start(r->d), 0);
		works(r, &k);
	}
	rig_keys_free(&k);
}

/* those that wait since a reset go first */
static void test_in_flight_then_more(void **state)
{
	struct rig *r = *state;
	unsigned n = r->desc / 4u < 16 ? r->desc / 4u : 16;
	struct fl_op *ops[32], *got[32];
	struct rig_keys k;

	assert_true(some_keys(r, &k));
	make_small(r, &k, ops, 2 * n);
	rig_send(qp_of(r, 0), ops, n);
	assert_int_equal(fl_cryptodev_reset(r->d), 0);
	rig_send(qp_of(r, 0), ops + n, n);
	rig_recv(qp_of(r, 0), got, 2 * n);
	for (unsigned i = 0; i < 2 * n; i++) {
		assert_ptr_equal(got[i], ops[i]);
		assert_true(got[i]->status == FL_OP_OK ||
			    (i < n && got[i]->status == FL_OP_ABORTED));
	}
	fl_op_free(ops, 2 * n);
	rig_keys_free(&k);
}

static void test_configure_again(void **state)
{
	const uint16_t desc[] = { ((struct rig *)*state)->info.desc_min, 0,
				  ((struct rig *)*state)->info.desc_max };
	struct rig *r = *state;
	struct rig_keys k;

	/* a session outlives them all */
	assert_true(some_keys(r, &k));
	assert_int_equal(fl_cryptodev_configure(r->d, 1), -EBUSY);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(desc); i++) {
		rig_down(r);
		rig_up(r, desc[i], false);
		works(r, &k);
		works(r, &k);
	}
	rig_down(r);
	assert_int_equal(fl_cryptodev_configure(r->d, 1), 0);
	assert_int_equal(fl_qp_setup(r->d, 0, NULL), 0);
	assert_int_equal(fl_qp_setup(r->d, 0, NULL), 0);
	r->qps = 1;
	assert_int_equal(fl_cryptodev_start(r->d), 0);
	works(r, &k);
	rig_keys_free(&k);
}

/* what is in a queue pair that is configured away is dropped: the ops are whose they were */
static void test_configure_drops(void **state)
{
	struct rig *r = *state;
	struct fl_op *ops[8], *none;
	struct rig_keys k;

	assert_true(some_keys(r, &k));
	make_small(r, &k, ops, 8);
	rig_send(qp_of(r, 0), ops, 8);
	assert_int_equal(fl_cryptodev_stop(r->d), 0);
	rig_up(r, 0, false);
	assert_int_equal(fl_op_dequeue(qp_of(r, 0), &none, 1), 0);
	fl_op_free(ops, 8);
	works(r, &k);
	rig_keys_free(&k);
}

/* ---- threads ------------------------------------------------------------------------------ */

enum { EACH = 8, ROUNDS = 100 };

struct worker {
	struct fl_qp *qp;
	struct fl_op *ops[EACH];
	bool failed;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t end = fl_now_ns() + RIG_STALL_NS;

	for (unsigned round = 0; round < ROUNDS && !w->failed; round++) {
		unsigned sent = 0, seen = 0;
		struct fl_op *got[EACH];

		while (seen < EACH && !w->failed) {
			unsigned n = 1 + round % EACH, m;

			n = n < EACH - sent ? n : EACH - sent;
			sent += fl_op_enqueue(w->qp, w->ops + sent, (uint16_t)n);
			m = fl_op_dequeue(w->qp, got, EACH);
			if (m)
				end = fl_now_ns() + RIG_STALL_NS;
			else
				sched_yield();
			for (unsigned i = 0; i < m; i++, seen++)
				w->failed |= got[i] != w->ops[seen] || got[i]->status != FL_OP_OK;
			w->failed |= fl_now_ns() > end;
		}
	}
	return NULL;
}

/* one session in all threads at once, while others are made and destroyed */
static void shared_session(struct rig *r, struct rig_keys *k)
{
	static struct job jobs[3 * EACH];
	struct worker w[3] = { 0 };
	pthread_t t[3];

	for (unsigned i = 0; i < r->qps * (unsigned)EACH; i++) {
		const struct rig_want want = { .keys = k,
					       .decrypt = i & 1,
					       .len = 16 * (1 + rig_rand(r, 100)),
					       .layout = k->conf.type == FL_CRYPTO_AUTH
								 ? RIG_IN_PLACE
								 : RIG_FLAT };

		job_make(r, &jobs[i], i, &want);
		w[i / EACH].ops[i % EACH] = jobs[i].op;
	}
	for (unsigned i = 0; i < r->qps; i++) {
		w[i].qp = qp_of(r, i);
		assert_int_equal(pthread_create(&t[i], NULL, work, &w[i]), 0);
	}
	for (unsigned i = 0; i < 50; i++) {
		struct rig_keys other;

		assert_true(some_keys(r, &other));
		rig_keys_free(&other);
	}
	for (unsigned i = 0; i < r->qps; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	for (unsigned i = 0; i < r->qps * (unsigned)EACH; i++)
		if (w[i / EACH].failed)
			job_check(&jobs[i], FL_OP_OK);
	for (unsigned i = 0; i < r->qps; i++)
		assert_false(w[i].failed);
	for (unsigned i = 0; i < r->qps * (unsigned)EACH; i++) {
		job_check(&jobs[i], FL_OP_OK);
		fl_op_free(&jobs[i].op, 1);
	}
}

static void test_shared_session(void **state)
{
	struct rig *r = *state;

	for (enum fl_algo_kind kind = FL_KIND_CIPHER; kind <= FL_KIND_AEAD; kind++) {
		struct rig_keys k;

		if (!rig_some_keys(r, kind, &k))
			continue;
		shared_session(r, &k);
		rig_keys_free(&k);
	}
}

/* ---- interrupts --------------------------------------------------------------------------- */

/* Waits for the queue pair's fd, and serves the context's. */
static bool readable(struct rig *r, int fd, int ms)
{
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
			       { .fd = fl_ctx_fd(r->ctx), .events = POLLIN } };
	uint64_t end = fl_now_ns() + (unsigned)ms * NS_PER_MS;

	do {
		if (poll(p, 2, ms) < 1)
			return false;
		if (p[1].revents)
			(void)fl_ctx_dispatch(r->ctx, 0);
		if (p[0].revents)
			return true;
	} while (fl_now_ns() < end);
	return false;
}

static void test_interrupt(void **state)
{
	struct rig *r = *state;
	const struct timespec nap = { .tv_nsec = 20 * (long)NS_PER_MS };
	struct fl_op *ops[8], *got[8];
	struct rig_keys k;
	struct fl_qp *qp;
	int fd;

	if (!(r->info.features & FL_CRYPTO_INTERRUPT))
		skip();
	rig_down(r);
	rig_up(r, r->desc, true);
	qp = qp_of(r, r->qps - 1u);
	fd = fl_qp_wait_fd(qp);
	assert_true(fd >= 0);
	assert_true(some_keys(r, &k));
	make_small(r, &k, ops, 8);
	/* none without completions */
	assert_int_equal(fl_qp_arm(qp), 0);
	assert_false(readable(r, fd, 20));
	rig_send(qp, ops, 1);
	assert_true(readable(r, fd, 5000));
	rig_recv(qp, got, 1);
	/* at once where it waits already */
	rig_send(qp, ops, 1);
	nanosleep(&nap, NULL);
	assert_int_equal(fl_qp_arm(qp), 0);
	assert_true(readable(r, fd, 5000));
	rig_recv(qp, got, 1);
	/* arming empties the fd */
	assert_int_equal(fl_qp_arm(qp), 0);
	assert_false(readable(r, fd, 20));
	/* none is lost: dequeue all, arm, wait */
	for (unsigned i = 0; i < 500; i++) {
		unsigned n = 1 + i % 8, seen = 0;

		rig_send(qp, ops, n);
		while ((seen += fl_op_dequeue(qp, got, 8)) < n) {
			assert_int_equal(fl_qp_arm(qp), 0);
			if (!readable(r, fd, 5000))
				fail_msg("round %u: %u of %u ops, and no interrupt", i, seen, n);
		}
	}
	fl_op_free(ops, 8);
	rig_keys_free(&k);
}

static void test_no_interrupt(void **state)
{
	struct rig *r = *state;
	struct rig_keys k;

	assert_true(some_keys(r, &k));
	/* none was asked for; who asks all the same, many times round, does no harm */
	assert_int_equal(fl_qp_wait_fd(qp_of(r, 0)), -1);
	for (unsigned i = 0; i < CRYPTO_DESC; i++) {
		assert_int_equal(fl_qp_arm(qp_of(r, 0)), -EOPNOTSUPP);
		works(r, &k);
	}
	rig_keys_free(&k);
}

/* ---- single requests ---------------------------------------------------------------------- */

static void test_once(void **state)
{
	struct rig *r = *state;
	uint8_t iv[FL_IV_MAX], in[160], out[160], back[160], want[160], digest[FL_DIGEST_MAX],
		tag[FL_DIGEST_MAX];
	struct rig_keys k;
	struct ref_in ref = { .conf = &k.conf, .iv = iv, .aad = in, .in = in + 16, .len = 96 };

	if (!rig_some_keys(r, FL_KIND_AEAD, &k))
		skip();
	rig_fill(r, iv, sizeof(iv));
	rig_fill(r, in, sizeof(in));
	ref.aad_len = 13;
	assert_int_equal(ref_encrypt(&ref, want, tag), 0);
	k.conf.encrypt = true;
	assert_int_equal(
		fl_crypto_once(r->d, 0, &k.conf, iv, in, 13, in + 16, 96, out, digest, 10000), 0);
	assert_memory_equal(out, want, 96);
	assert_memory_equal(digest, tag, k.conf.digest_len);
	k.conf.encrypt = false;
	assert_int_equal(fl_crypto_once(r->d, 0, &k.conf, iv, in, 13, out, 96, back, digest, 10000),
			 0);
	assert_memory_equal(back, in + 16, 96);
	digest[0] ^= 1;
	assert_int_equal(fl_crypto_once(r->d, 0, &k.conf, iv, in, 13, out, 96, back, digest, 10000),
			 -EBADMSG);
	rig_keys_free(&k);
}

const struct CMUnitTest crypto_burst_tests[] = {
	CRYPTO_TEST(test_nothing),
	CRYPTO_TEST(test_full),
	CRYPTO_TEST(test_wrap),
	CRYPTO_TEST(test_stats),
	CRYPTO_TEST(test_stopped),
	CRYPTO_TEST(test_in_flight),
	CRYPTO_TEST(test_in_flight_then_more),
	CRYPTO_TEST(test_configure_again),
	CRYPTO_TEST(test_configure_drops),
	CRYPTO_TEST(test_shared_session),
	CRYPTO_TEST(test_interrupt),
	CRYPTO_TEST(test_no_interrupt),
	CRYPTO_TEST(test_once),
};
const size_t crypto_burst_count = FL_ARRAY_SIZE(crypto_burst_tests);

/* ---- the suite ---------------------------------------------------------------------------- */

static void drop(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
}

int crypto_ctx(struct fl_ctx **out)
{
	static const struct fl_log quiet = { .write = drop };
	const struct fl_ctx_opts o = { .log = getenv("FL_TEST_LOG") ? NULL : &quiet };

	return fl_ctx_create(&o, out);
}

int crypto_conformance_run(const char *name, struct fl_ctx *ctx, const char *uri)
{
	const struct {
		const struct CMUnitTest *tests;
		size_t n;
	} parts[] = { { crypto_burst_tests, crypto_burst_count },
		      { crypto_refusal_tests, crypto_refusal_count },
		      { crypto_limit_tests, crypto_limit_count },
		      { crypto_algo_tests, crypto_algo_count } };
	struct CMUnitTest all[64];
	struct rig r;
	size_t n = 0;
	int failed;

	if (ref_self_test()) {
		print_error("%s: the reference contradicts itself\n", name);
		return 1;
	}
	if (rig_open(&r, ctx, uri))
		return 1;
	for (unsigned i = 0; i < FL_ARRAY_SIZE(parts); i++) {
		for (size_t k = 0; k < parts[i].n; k++, n++) {
			all[n] = parts[i].tests[k];
			all[n].initial_state = &r;
		}
	}
	/* cmocka's macro counts an array; this one is not full */
	failed = _cmocka_run_group_tests(name, all, n, NULL, NULL);
	rig_close(&r);
	return failed;
}
