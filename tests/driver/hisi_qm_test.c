/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queue manager on the SEC2 model, below an engine that is none: its descriptors carry the
 * "invalid" bit, so that the model completes them and computes nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <fl_model.h>

#include "../../drivers/crypto/hisi_qm/hisi_qm_internal.h"

#define DEPTH	    16u
#define BD_BYTES    (FL_QM_SQE_SIZE)
#define SEC_CONTROL 0x301200u
#define SEC_START   0x301100u
#define SEC_DONE    0x301104u
#define SEC_STATUS  0x301008u

/* ---- an engine ---------------------------------------------------------------------------- */

static int toy_init(struct fl_qm *qm, void *arg)
{
	struct fl_dev *d = fl_qm_dev(qm);

	/* the clock gate is open while memory is initialised */
	fl_bar_write32(d, FL_QM_BAR, SEC_CONTROL, fl_bar_read32(d, FL_QM_BAR, SEC_CONTROL) & ~8u);
	fl_bar_write32(d, FL_QM_BAR, SEC_START, 1);
	return fl_qm_wait(qm, SEC_DONE, 1, 1);
}

static void toy_errors(struct fl_qm *qm, void *arg, bool on)
{
}

static uint32_t toy_status(struct fl_qm *qm, void *arg, uint32_t *fatal)
{
	*fatal = 0;
	return fl_bar_read32(fl_qm_dev(qm), FL_QM_BAR, SEC_STATUS);
}

static const struct fl_qm_engine toy = {
	.name = "toy",
	.shaper_types = 2,
	.err = { { .nfe = 0x1c77, .ce = 8, .reset = 0xc77 },
		 { .nfe = 0x7c77, .ce = 8, .reset = 0x6c77 } },
	.init = toy_init,
	.errors = toy_errors,
	.status = toy_status,
};

/* ---- functions ---------------------------------------------------------------------------- */

struct fun {
	struct fl_dev *dev;
	struct fl_qm *qm;
	unsigned errors, qp_errors;
};

static void on_event(struct fl_qm *qm, enum fl_qm_event ev, unsigned qp, void *arg)
{
	struct fun *f = arg;

	if (ev == FL_QM_ERROR)
		f->errors++;
	else
		f->qp_errors++;
}

static struct fl_ctx *new_ctx(void)
{
	struct fl_ctx *ctx;

	assert_int_equal(fl_ctx_create(NULL, &ctx), 0);
	assert_int_equal(fl_model_enable(ctx, NULL), 0);
	return ctx;
}

static int try_open(struct fl_ctx *ctx, const char *uri, struct fun *f)
{
	int rc;

	memset(f, 0, sizeof(*f));
	assert_int_equal(fl_dev_open(ctx, uri, &f->dev), 0);
	rc = fl_qm_open(f->dev, &toy, f, &f->qm);
	if (rc) {
		fl_dev_close(f->dev);
		return rc;
	}
	fl_qm_on_event(f->qm, on_event, f);
	f->qm->drain_us = 500000;
	return 0;
}

static void open_fun(struct fl_ctx *ctx, const char *uri, struct fun *f)
{
	assert_int_equal(try_open(ctx, uri, f), 0);
}

static void close_fun(struct fun *f)
{
	fl_qm_close(f->qm);
	fl_dev_close(f->dev);
}

static struct fl_qm_qp *queue(struct fun *f, uint16_t id, bool intr)
{
	struct fl_qm_qp *q;

	assert_int_equal(fl_qm_qp_create(f->qm, id, DEPTH, -1, intr, &q), 0);
	return q;
}

/* ---- work --------------------------------------------------------------------------------- */

static void submit(struct fl_qm_qp *q, unsigned n)
{
	while (n--) {
		uint8_t *bd = q->sq + (size_t)q->sq_tail * BD_BYTES;

		memset(bd, 0, BD_BYTES);
		bd[0] = 2;
		bd[7] = 0x80;
		q->sq_tail = (q->sq_tail + 1) & q->mask;
	}
	fl_qm_ring_sq(q);
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 50000 }, NULL);
}

/* in order, each once, done */
static void collect(struct fl_qm_qp *q, unsigned n)
{
	uint64_t end = fl_now_ns() + 5000000000;
	unsigned want = q->cq_head;

	while (n) {
		int slot = fl_qm_cq_peek(q);

		if (slot < 0) {
			assert_true(fl_now_ns() < end);
			nap();
			continue;
		}
		assert_int_equal(slot, want & q->mask);
		assert_int_equal(q->sq[slot * BD_BYTES + 112] & 1, 1);
		fl_qm_cq_next(q);
		want++;
		n--;
	}
	fl_qm_ring_cq(q);
}

static void work(struct fl_qm_qp *q, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		unsigned n = 1 + i % (DEPTH - 1);

		submit(q, n);
		collect(q, n);
	}
	assert_int_equal(fl_qm_cq_peek(q), -1);
}

static bool readable(int fd, int ms)
{
	struct pollfd p = { fd, POLLIN, 0 };
	uint64_t v;

	return poll(&p, 1, ms) == 1 && read(fd, &v, sizeof(v)) == sizeof(v);
}

static bool event_comes(struct fl_ctx *ctx, struct fl_qm_qp *q)
{
	uint64_t end = fl_now_ns() + 5000000000;

	while (fl_now_ns() < end) {
		if (readable(q->fd, 0))
			return true;
		(void)fl_ctx_dispatch(ctx, 20);
	}
	return false;
}

/* ---- one function ------------------------------------------------------------------------- */

static void life(const char *uri)
{
	struct fl_ctx *ctx = new_ctx();
	struct fl_qm_qp *q, *q1;
	struct fun f;

	open_fun(ctx, uri, &f);
	q = queue(&f, 0, true);
	q1 = queue(&f, 3, false);
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(fl_qm_start(f.qm, 4, true), 0);
		assert_int_equal(fl_qm_qp_start(q), 0);
		assert_int_equal(fl_qm_qp_start(q1), 0);
		work(q, 40);
		work(q1, 40);
		/* nobody asked */
		assert_int_equal(fl_ctx_dispatch(ctx, 0), 0);
		assert_false(readable(q->fd, 0));
		for (unsigned i = 0; i < 20; i++) {
			assert_int_equal(fl_qm_qp_arm(q), 0);
			submit(q, 3); /* rings the same word at once */
			assert_true(event_comes(ctx, q));
			collect(q, 3);
			while (readable(q->fd, 0))
				;
		}
		/* armed when it is there already */
		submit(q, 1);
		while (fl_qm_cq_peek(q) < 0)
			nap();
		assert_int_equal(fl_qm_qp_arm(q), 0);
		assert_true(event_comes(ctx, q));
		collect(q, 1);
		/* one stops and starts while the other goes on */
		submit(q, 5);
		assert_int_equal(fl_qm_qp_stop(q1), 0);
		assert_int_equal(fl_qm_qp_start(q1), 0);
		work(q1, 20);
		collect(q, 5);
		/* what was rung for is done when it has stopped */
		submit(q, DEPTH - 1);
		fl_qm_stop(f.qm);
		assert_false(q->known || q1->known);
		for (unsigned i = 0; i < DEPTH - 1; i++, fl_qm_cq_next(q))
			assert_true(fl_qm_cq_peek(q) >= 0);
		assert_int_equal(f.errors + f.qp_errors, 0);
		assert_int_equal(fl_qm_reset(f.qm), 0);
	}
	fl_qm_qp_destroy(q);
	fl_qm_qp_destroy(q1);
	close_fun(&f);
	assert_int_equal(fl_ctx_destroy(ctx), 0);
}

static void test_v2(void **state)
{
	life("model:hisi_sec,version=2,workers=0");
}

static void test_v3(void **state)
{
	life("model:hisi_sec,version=3,workers=0,qps=16");
}

static void test_v3_variants(void **state)
{
	life("model:hisi_sec,version=3,workers=0,isolation=off");
	life("model:hisi_sec,version=3,workers=0,doorbells=trap,caps=on");
}

static void test_vf(void **state)
{
	life("model:hisi_sec_vf,version=2,workers=0,qps=8");
	life("model:hisi_sec_vf,version=3,workers=0,qps=8");
}

/* ---- physical and virtual ----------------------------------------------------------------- */

struct vf_user {
	struct fun *f;
	bool end;
	unsigned restarts;
	int rc;
};

/* as an application does that polls: told of an error, it stops, resets and starts */
static void *vf_thread(void *arg)
{
	struct vf_user *u = arg;

	while (!__atomic_load_n(&u->end, __ATOMIC_ACQUIRE) && !u->rc) {
		if (fl_qm_check(u->f->qm)) {
			fl_qm_stop(u->f->qm);
			u->rc = fl_qm_reset(u->f->qm);
			if (!u->rc)
				u->rc = fl_qm_start(u->f->qm, 2, false);
			u->restarts++;
		}
		nap();
	}
	return NULL;
}

static void test_pf_and_vf(void **state)
{
	struct fl_ctx *ctx = new_ctx();
	struct fl_qm_qp *pq, *vq;
	struct vf_user u = { 0 };
	struct fun pf, vf;
	pthread_t t;

	open_fun(ctx, "model:hisi_sec,version=3,workers=0,qps=64", &pf);
	/* before it was given some, it has none */
	assert_int_equal(try_open(ctx, "model:hisi_sec_vf,pf=0,workers=0", &vf), -ENODEV);
	assert_int_equal(fl_qm_vf_queues(pf.qm, 1, 32, 8), 0);
	open_fun(ctx, "model:hisi_sec_vf,pf=0,workers=0", &vf);
	assert_int_equal(fl_qm_caps(vf.qm)->qp_base, 32);
	assert_int_equal(fl_qm_caps(vf.qm)->qp_max, 8);
	pq = queue(&pf, 0, false);
	vq = queue(&vf, 1, false);
	assert_int_equal(fl_qm_start(pf.qm, 4, false), 0);
	assert_int_equal(fl_qm_start(vf.qm, 2, false), 0);
	assert_int_equal(fl_qm_qp_start(pq), 0);
	assert_int_equal(fl_qm_qp_start(vq), 0);
	work(pq, 20);
	work(vq, 20);

	u.f = &vf;
	assert_int_equal(pthread_create(&t, NULL, vf_thread, &u), 0);
	assert_int_equal(fl_qm_reset(pf.qm), 0);
	__atomic_store_n(&u.end, true, __ATOMIC_RELEASE);
	pthread_join(t, NULL);
	assert_int_equal(u.rc, 0);
	assert_int_equal(u.restarts, 1);
	assert_int_equal(vf.errors, 1);
	assert_int_equal(fl_qm_start(pf.qm, 4, false), 0);
	assert_int_equal(fl_qm_qp_start(pq), 0);
	assert_int_equal(fl_qm_qp_start(vq), 0);
	work(pq, 20);
	work(vq, 20);

	fl_qm_stop(vf.qm);
	fl_qm_stop(pf.qm);
	fl_qm_qp_destroy(vq);
	fl_qm_qp_destroy(pq);
	close_fun(&vf);
	close_fun(&pf);
	assert_int_equal(fl_ctx_destroy(ctx), 0);
}

/* ---- faults ------------------------------------------------------------------------------- */

/* the n-th mailbox fails, each in turn; what came before is undone, so a second try works */
static void test_mailbox_fails(void **state)
{
	for (unsigned n = 1; n <= 6; n++) {
		struct fl_ctx *ctx = new_ctx();
		struct fl_qm_qp *q;
		struct fun f;
		char uri[80];
		int rc;

		snprintf(uri, sizeof(uri), "model:hisi_sec,version=2,workers=0,inject=mbfail@%u",
			 n);
		open_fun(ctx, uri, &f);
		q = queue(&f, 0, false);
		rc = fl_qm_start(f.qm, 4, false);
		assert_int_equal(rc, n <= 4 ? -EIO : 0);
		if (rc)
			assert_int_equal(fl_qm_start(f.qm, 4, false), 0);
		rc = fl_qm_qp_start(q);
		assert_int_equal(rc, n > 4 ? -EIO : 0);
		if (rc)
			assert_int_equal(fl_qm_qp_start(q), 0);
		work(q, 4);
		fl_qm_stop(f.qm);
		fl_qm_qp_destroy(q);
		close_fun(&f);
		assert_int_equal(fl_ctx_destroy(ctx), 0);
	}
}

/* a fault that only a reset ends: bounded in time, and all goes on after it */
static void recovers(const char *uri, int start_rc, bool clean, unsigned ms)
{
	struct fl_ctx *ctx = new_ctx();
	uint64_t t = fl_now_ns();
	struct fl_qm_qp *q;
	struct fun f;
	int rc;

	open_fun(ctx, uri, &f);
	q = queue(&f, 0, false);
	rc = fl_qm_start(f.qm, 4, false);
	if (!rc)
		rc = fl_qm_qp_start(q);
	assert_int_equal(rc, start_rc);
	if (!rc)
		submit(q, DEPTH - 1);
	fl_qm_stop(f.qm);
	assert_int_equal(q->known, !clean);
	assert_in_range((fl_now_ns() - t) / 1000000, 0, ms);
	assert_int_equal(fl_qm_reset(f.qm), 0);
	assert_false(q->known);
	assert_int_equal(fl_qm_start(f.qm, 4, false), 0);
	assert_int_equal(fl_qm_qp_start(q), 0);
	work(q, 20);
	fl_qm_stop(f.qm);
	fl_qm_qp_destroy(q);
	close_fun(&f);
	assert_int_equal(fl_ctx_destroy(ctx), 0);
}

static void test_mailbox_hangs(void **state)
{
	recovers("model:hisi_sec,version=3,workers=0,inject=mbbusy@2", -ETIMEDOUT, true, 4000);
	recovers("model:hisi_sec,version=2,workers=0,inject=mbbusy@5", -ETIMEDOUT, false, 4000);
}

static void test_queue_stops(void **state)
{
	recovers("model:hisi_sec,version=2,workers=0,inject=qstop@3", 0, false, 8000);
	recovers("model:hisi_sec,version=3,workers=0,inject=qstop@3", 0, false, 8000);
}

static void test_never_there(void **state)
{
	struct fl_ctx *ctx = new_ctx();
	uint64_t t = fl_now_ns();
	char uri[80];
	struct fun f;

	assert_int_equal(try_open(ctx, "model:hisi_sec,version=2,workers=0,inject=noreset", &f),
			 -ETIMEDOUT);
	/* all ones, from some register on */
	for (unsigned n = 1; n < 12; n++) {
		snprintf(uri, sizeof(uri), "model:hisi_sec,version=3,workers=0,inject=ones@%u", n);
		if (!try_open(ctx, uri, &f)) {
			if (!fl_qm_start(f.qm, 2, false))
				fl_qm_stop(f.qm);
			close_fun(&f);
		}
	}
	assert_in_range((fl_now_ns() - t) / 1000000, 0, 30000);
	assert_int_equal(fl_ctx_destroy(ctx), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v2),
		cmocka_unit_test(test_v3),
		cmocka_unit_test(test_v3_variants),
		cmocka_unit_test(test_vf),
		cmocka_unit_test(test_pf_and_vf),
		cmocka_unit_test(test_mailbox_fails),
		cmocka_unit_test(test_mailbox_hangs),
		cmocka_unit_test(test_queue_stops),
		cmocka_unit_test(test_never_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
