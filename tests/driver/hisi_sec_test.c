/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SEC driver on its model: what goes wrong in the hardware costs requests at most, each of them
 * comes back once and in its turn, nothing around them is written, and service resumes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <unistd.h>
#include <cmocka.h>

#include <openssl/evp.h>

#include <fl_model.h>

#include "../../drivers/crypto/hisi_qm/hisi_qm_internal.h"
#include "../../drivers/crypto/hisi_sec/sec_internal.h"

#define LEN	  64u
#define PLACE	  128u /* of a request's bytes: as much again around them */
#define OPS	  64u
#define IN_FLIGHT 20u /* of 31: completions that come twice must not fill the queue */
#define GUARD	  0xa5
#define TIME_MAX  20000000000ull /* since the last request came back */

static const uint8_t key[16] = "sixteen bytes it";

struct sec {
	struct fl_ctx *ctx;
	struct fl_cryptodev *d;
	struct fl_qp *qp;
	struct fl_session *s;
	struct fl_op_pool *pool;
	struct fl_mem *mem;
	struct fl_dma_area *area;
	struct fl_op *ops[OPS];
	struct fl_seg segs[OPS];
	uint8_t want[OPS][LEN + 16];
	enum fl_algo algo;
	unsigned errors, removed;
	unsigned given, taken, good, bad, aborted, resets;
};

static void on_event(struct fl_cryptodev *d, enum fl_crypto_event ev, void *arg)
{
	struct sec *t = arg;

	t->errors += ev == FL_CRYPTO_ERROR;
	t->removed += ev == FL_CRYPTO_REMOVED;
}

/* ---- what is right ------------------------------------------------------------------------ */

static uint8_t *place(const struct sec *t, unsigned i)
{
	return t->area->va + i * PLACE;
}

/* plaintext, IV and what shall come of them, others each time */
static void prepare(struct sec *t, unsigned n)
{
	unsigned i = n % OPS;
	uint8_t *p = place(t, i) + 32;
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int len;

	memset(place(t, i), GUARD, PLACE);
	for (unsigned k = 0; k < LEN; k++)
		p[k] = (uint8_t)(n * 7 + k);
	memset(t->ops[i]->iv, (int)n, FL_IV_MAX);
	memset(t->ops[i]->digest, 0, FL_DIGEST_MAX);
	assert_non_null(c);
	assert_int_equal(
		EVP_EncryptInit_ex(c, t->algo == FL_AES_GCM ? EVP_aes_128_gcm() : EVP_aes_128_cbc(),
				   NULL, key, t->ops[i]->iv),
		1);
	EVP_CIPHER_CTX_set_padding(c, 0);
	assert_int_equal(EVP_EncryptUpdate(c, t->want[i], &len, p, LEN), 1);
	assert_int_equal(EVP_EncryptFinal_ex(c, t->want[i] + len, &len), 1);
	if (t->algo == FL_AES_GCM)
		EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, t->want[i] + LEN);
	EVP_CIPHER_CTX_free(c);
}

static void check(struct sec *t, struct fl_op *op)
{
	unsigned i = t->taken % OPS;
	const uint8_t *p = place(t, i);

	/* in its turn, and so each once */
	assert_ptr_equal(op, t->ops[i]);
	t->taken++;
	for (unsigned k = 0; k < 32; k++)
		assert_true(p[k] == GUARD && p[32 + LEN + k] == GUARD);
	switch ((enum fl_op_status)op->status) {
	case FL_OP_OK:
		t->good++;
		assert_memory_equal(p + 32, t->want[i], LEN);
		if (t->algo == FL_AES_GCM)
			assert_memory_equal(op->digest, t->want[i] + LEN, 16);
		break;
	case FL_OP_ABORTED:
		t->aborted++;
		break;
	case FL_OP_ERROR:
	case FL_OP_AUTH_FAILED:
		t->bad++;
		break;
	default:
		fail_msg("status %s", fl_op_status_name(op->status));
	}
}

/* ---- life --------------------------------------------------------------------------------- */

static void make_ops(struct sec *t)
{
	assert_int_equal(fl_op_pool_create(t->ctx, OPS, &t->pool), 0);
	assert_int_equal(fl_mem_alloc(OPS * PLACE, NULL, &t->mem), 0);
	assert_int_equal(fl_dma_map(fl_ctx_space(t->ctx), t->mem, NULL, &t->area), 0);
	assert_int_equal(fl_op_alloc(t->pool, t->ops, OPS), OPS);
	for (unsigned i = 0; i < OPS; i++) {
		t->segs[i] = (struct fl_seg){ place(t, i) + 32, t->area, LEN };
		t->ops[i]->session = t->s;
		t->ops[i]->src = &t->segs[i];
		t->ops[i]->nsrc = 1;
		t->ops[i]->cipher_len = LEN;
	}
}

static void make_session(struct sec *t)
{
	const struct fl_session_conf c = { .type = t->algo == FL_AES_GCM ? FL_CRYPTO_AEAD
									 : FL_CRYPTO_CIPHER,
					   .encrypt = true,
					   .cipher = t->algo,
					   .key = key,
					   .key_len = sizeof(key) };

	assert_int_equal(fl_session_create(t->d, &c, &t->s), 0);
}

static void set_up(struct sec *t, const struct fl_qp_conf *c)
{
	fl_cryptodev_on_event(t->d, on_event, t);
	fl_sec_of(t->d)->watch_ticks = fl_cycles_hz() / 4;
	fl_sec_of(t->d)->qm->drain_us = 500000;
	assert_int_equal(fl_cryptodev_configure(t->d, 1), 0);
	assert_int_equal(fl_qp_setup(t->d, 0, c), 0);
	make_session(t);
	make_ops(t);
	t->qp = fl_cryptodev_qp(t->d, 0);
}

static void open_sec(struct sec *t, const char *model, enum fl_algo algo)
{
	char uri[128];

	memset(t, 0, sizeof(*t));
	t->algo = algo;
	snprintf(uri, sizeof(uri), "model:%s", model);
	assert_int_equal(fl_ctx_create(NULL, &t->ctx), 0);
	assert_int_equal(fl_model_enable(t->ctx, NULL), 0);
	assert_int_equal(fl_cryptodev_open(t->ctx, uri, &t->d), 0);
	set_up(t, &(struct fl_qp_conf){ .desc = 32, .node = -1 });
}

static void close_sec(struct sec *t)
{
	fl_session_destroy(t->s);
	fl_cryptodev_close(t->d);
	fl_op_free(t->ops, OPS);
	assert_int_equal(fl_op_pool_destroy(t->pool), 0);
	assert_int_equal(fl_dma_unmap(t->area), 0);
	fl_mem_free(t->mem);
	assert_int_equal(fl_ctx_destroy(t->ctx), 0);
}

/* ---- traffic ------------------------------------------------------------------------------ */

static void give(struct sec *t, unsigned upto)
{
	while (t->given < upto && t->given - t->taken < IN_FLIGHT) {
		struct fl_op *op = t->ops[t->given % OPS];

		prepare(t, t->given);
		if (!fl_op_enqueue(t->qp, &op, 1))
			return;
		t->given++;
	}
}

static unsigned take(struct sec *t)
{
	struct fl_op *got[16];
	uint16_t n = fl_op_dequeue(t->qp, got, 16);

	for (uint16_t i = 0; i < n; i++)
		check(t, got[i]);
	return n;
}

/* until `upto` requests were given and came back; resets where the device asks for it */
static void run(struct sec *t, unsigned upto)
{
	uint64_t end = fl_now_ns() + TIME_MAX;

	while (t->taken < upto) {
		give(t, upto);
		if (take(t))
			end = fl_now_ns() + TIME_MAX;
		fl_ctx_dispatch(t->ctx, 0);
		if (t->errors > t->resets) {
			assert_int_equal(fl_cryptodev_reset(t->d), 0);
			t->resets++;
		}
		assert_true(fl_now_ns() < end);
	}
	assert_int_equal(t->given, t->taken);
	assert_int_equal(take(t), 0);
}

/* ---- faults ------------------------------------------------------------------------------- */

struct fault {
	const char *inject;
	unsigned bad, resets; /* at most; resets exactly */
	enum fl_algo algo;
	bool slow; /* V2 drains by dumps, which wait for what never comes: a few of those will do */
};

/* one fault, at the 40th request or so, of 400; or some each few */
static const struct fault faults[] = {
	{ "none", 0, 0, FL_AES_CBC, false },	 { "lost@40", 0, 0, FL_AES_CBC, false },
	{ "dup@40", 0, 0, FL_AES_CBC, true },	 { "tag@40", 1, 0, FL_AES_CBC, false },
	{ "phase@40", 0, 1, FL_AES_CBC, false }, { "sqhead@40", 0, 0, FL_AES_CBC, false },
	{ "bd@40", 1, 0, FL_AES_CBC, false },	 { "icv@40", 1, 0, FL_AES_GCM, false },
	{ "qstop@40", 0, 1, FL_AES_CBC, false }, { "stall@40", 0, 1, FL_AES_CBC, true },
	{ "lost:7", 0, 0, FL_AES_CBC, true },	 { "dup:7+tag:11+bd:13", 100, 0, FL_AES_CBC, true },
	{ "lost@400", 0, 1, FL_AES_CBC, true },
};

static void fault(const struct fault *f, const char *version)
{
	struct sec t;
	char model[96];

	print_message("inject=%s, %s\n", f->inject, version);
	snprintf(model, sizeof(model), "hisi_sec,%s,inject=%s", version, f->inject);
	open_sec(&t, model, f->algo);
	assert_int_equal(fl_cryptodev_start(t.d), 0);
	run(&t, 400);
	assert_in_range(t.bad, f->bad ? 1 : 0, f->bad);
	assert_int_equal(t.resets, f->resets);
	assert_in_range(t.aborted, 0, f->resets * IN_FLIGHT);
	assert_int_equal(t.good + t.bad + t.aborted, 400);
	close_sec(&t);
}

static void faults_v3(void **state)
{
	for (unsigned i = 0; i < FL_ARRAY_SIZE(faults); i++)
		fault(&faults[i], "version=3");
}

static void faults_v2(void **state)
{
	for (unsigned i = 0; i < FL_ARRAY_SIZE(faults); i++)
		if (!faults[i].slow)
			fault(&faults[i], "version=2");
}

/* control does not work: refused, in bounded time, and well again once it does */
static void control_faults(void **state)
{
	struct sec t;
	struct fl_ctx *ctx;
	struct fl_cryptodev *d;

	open_sec(&t, "hisi_sec,inject=mbfail@3", FL_AES_CBC);
	assert_int_not_equal(fl_cryptodev_start(t.d), 0);
	assert_int_equal(fl_op_enqueue(t.qp, t.ops, 1), 0);
	assert_int_equal(fl_cryptodev_reset(t.d), 0);
	assert_int_equal(fl_cryptodev_start(t.d), 0);
	run(&t, 100);
	close_sec(&t);

	open_sec(&t, "hisi_sec,inject=mbbusy@5", FL_AES_CBC);
	assert_int_not_equal(fl_cryptodev_start(t.d), 0);
	assert_int_equal(fl_cryptodev_reset(t.d), 0);
	assert_int_equal(fl_cryptodev_start(t.d), 0);
	run(&t, 100);
	close_sec(&t);

	assert_int_equal(fl_ctx_create(NULL, &ctx), 0);
	assert_int_equal(fl_model_enable(ctx, NULL), 0);
	assert_int_not_equal(fl_cryptodev_open(ctx, "model:hisi_sec,inject=noreset", &d), 0);
	assert_int_not_equal(fl_cryptodev_open(ctx, "model:hisi_sec,inject=ones", &d), 0);
	assert_int_equal(fl_ctx_destroy(ctx), 0);
}

/* a burst takes what there is room for, and never waits */
static void stalled_model_holds_nobody(void **state)
{
	struct sec t;
	uint64_t worst = 0, at, all;
	struct fl_op *op;

	open_sec(&t, "hisi_sec,inject=stall@1", FL_AES_CBC);
	assert_int_equal(fl_cryptodev_start(t.d), 0);
	all = fl_now_ns();
	for (unsigned i = 0; i < 2000 && !t.errors; i++) {
		struct fl_op *got;

		op = t.ops[t.given % OPS];
		at = fl_cycles();
		t.given += fl_op_enqueue(t.qp, &op, 1);
		assert_int_equal(fl_op_dequeue(t.qp, &got, 1), 0);
		at = fl_cycles() - at;
		worst = at > worst ? at : worst;
	}
	all = fl_now_ns() - all;
	assert_int_equal(t.given, 31);
	print_message(
		"2000 bursts of each kind on a stalled device: %llu us, the longest %llu ticks\n",
		(unsigned long long)(all / 1000), (unsigned long long)worst);
	assert_int_equal(fl_cryptodev_reset(t.d), 0);
	t.taken = 0;
	for (unsigned i = 0; i < OPS; i++)
		memset(place(&t, i), GUARD, PLACE);
	run(&t, 100);
	assert_in_range(t.aborted, 31, 31);
	close_sec(&t);
}

/* ---- interrupts --------------------------------------------------------------------------- */

static void interrupts(void **state, const char *model)
{
	struct sec t;
	char uri[64];

	memset(&t, 0, sizeof(t));
	t.algo = FL_AES_CBC;
	snprintf(uri, sizeof(uri), "model:%s", model);
	assert_int_equal(fl_ctx_create(NULL, &t.ctx), 0);
	assert_int_equal(fl_model_enable(t.ctx, NULL), 0);
	assert_int_equal(fl_cryptodev_open(t.ctx, uri, &t.d), 0);
	set_up(&t, &(struct fl_qp_conf){ .desc = 32, .node = -1, .intr = true });
	assert_int_equal(fl_cryptodev_start(t.d), 0);
	for (unsigned i = 0; i < 200; i++) {
		struct pollfd p[2] = { { .fd = fl_qp_wait_fd(t.qp), .events = POLLIN },
				       { .fd = fl_ctx_fd(t.ctx), .events = POLLIN } };
		uint64_t v, end = fl_now_ns() + TIME_MAX;

		/* armed before and after the request is given */
		if (i & 1)
			assert_int_equal(fl_qp_arm(t.qp), 0);
		give(&t, t.given + 1 + i % 8);
		if (!(i & 1))
			assert_int_equal(fl_qp_arm(t.qp), 0);
		while (!(p[0].revents & POLLIN)) {
			assert_true(poll(p, 2, 1000) > 0);
			fl_ctx_dispatch(t.ctx, 0);
			assert_true(fl_now_ns() < end);
		}
		assert_int_equal(read(p[0].fd, &v, sizeof(v)), sizeof(v));
		while (t.taken < t.given) {
			take(&t);
			assert_true(fl_now_ns() < end);
		}
	}
	assert_int_equal(t.good, t.given);
	/* what a stop left behind says so too */
	give(&t, t.given + 3);
	assert_int_equal(fl_cryptodev_stop(t.d), 0);
	assert_int_equal(fl_qp_arm(t.qp), 0);
	assert_int_equal(
		poll(&(struct pollfd){ .fd = fl_qp_wait_fd(t.qp), .events = POLLIN }, 1, 0), 1);
	take(&t);
	assert_int_equal(t.given, t.taken);
	close_sec(&t);
}

static void interrupts_v3(void **state)
{
	interrupts(state, "hisi_sec");
}

static void interrupts_v2(void **state)
{
	interrupts(state, "hisi_sec,version=2");
}

/* ---- a model that is killed ---------------------------------------------------------------- */

struct server {
	struct fl_engine *engine;
	struct fl_model *model;
	char path[64];
};

static void serve(struct server *s)
{
	unlink(s->path);
	assert_int_equal(fl_engine_add(s->engine, "hisi_sec", s->path, -1, &s->model), 0);
}

static void killed_and_back(void **state)
{
	struct server s = { 0 };
	struct sec t;
	char uri[96];
	uint64_t end;

	memset(&t, 0, sizeof(t));
	t.algo = FL_AES_CBC;
	snprintf(s.path, sizeof(s.path), "/tmp/hisi_sec_test.%d", getpid());
	snprintf(uri, sizeof(uri), "vfio-user:%s", s.path);
	assert_int_equal(fl_engine_create(NULL, &s.engine), 0);
	serve(&s);
	assert_int_equal(fl_ctx_create(NULL, &t.ctx), 0);
	assert_int_equal(fl_cryptodev_open(t.ctx, uri, &t.d), 0);
	set_up(&t, &(struct fl_qp_conf){ .desc = 32, .node = -1 });
	assert_int_equal(fl_cryptodev_start(t.d), 0);
	run(&t, 100);
	for (unsigned round = 1; round <= 3; round++) {
		give(&t, t.given + 20);
		fl_engine_remove(s.engine, s.model);
		for (end = fl_now_ns() + TIME_MAX; t.removed < round;) {
			fl_ctx_dispatch(t.ctx, 10);
			take(&t);
			assert_true(fl_now_ns() < end);
		}
		assert_int_equal(fl_cryptodev_reset(t.d), -ENODEV);
		take(&t);
		take(&t);
		assert_int_equal(t.given, t.taken);
		serve(&s);
		assert_int_equal(fl_cryptodev_reset(t.d), 0);
		run(&t, t.taken + 100);
	}
	assert_int_equal(t.bad, 0);
	close_sec(&t);
	fl_engine_remove(s.engine, s.model);
	fl_engine_destroy(s.engine);
	unlink(s.path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_v3),	   cmocka_unit_test(faults_v2),
		cmocka_unit_test(control_faults),  cmocka_unit_test(stalled_model_holds_nobody),
		cmocka_unit_test(interrupts_v3),   cmocka_unit_test(interrupts_v2),
		cmocka_unit_test(killed_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
