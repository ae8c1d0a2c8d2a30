/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faultline's SEC driver alone: the device is made of memory (tests/driver/fake_sec.c), and
 * completes descriptors between the timed sections. One operation is AES-128-CBC of 64 bytes in
 * place.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <fl_crypto.h>

#include "../driver/fake_sec.h"
#include "ours.h"

#define PAYLOAD 64u

enum { IDLE, WORK, LEAVE };

struct bench_crypto {
	struct fake_sec dev;
	struct fl_ctx *ctx;
	struct fl_cryptodev *cdev;
	struct fl_qp *qp;
	struct fl_session *session;
	struct fl_op_pool *pool;
	struct fl_mem *mem;
	struct fl_dma_area *area;
	struct fl_op *ops[SECTION];
	struct fl_seg segs[SECTION];

	/* the thread that completes on another core */
	pthread_t completer;
	bool remote;
	int want; /* IDLE, WORK, LEAVE */
	unsigned done;
};

static int make_session(struct bench_crypto *b)
{
	static const uint8_t key[16] = { 1 };
	const struct fl_session_conf conf = { .type = FL_CRYPTO_CIPHER,
					      .encrypt = true,
					      .cipher = FL_AES_CBC,
					      .key = key,
					      .key_len = sizeof(key) };

	return fl_session_create(b->cdev, &conf, &b->session);
}

static int make_ops(struct bench_crypto *b)
{
	struct fl_dma_space *space = fl_ctx_space(b->ctx);
	int err = fl_op_pool_create(b->ctx, SECTION, &b->pool);

	if (!err)
		err = fl_mem_alloc(SECTION * PAYLOAD, NULL, &b->mem);
	if (!err)
		err = fl_dma_map(space, b->mem, NULL, &b->area);
	if (!err && !fl_op_alloc(b->pool, b->ops, SECTION))
		err = -ENOMEM;
	for (unsigned i = 0; i < SECTION && !err; i++) {
		b->segs[i] = (struct fl_seg){ b->area->va + i * PAYLOAD, b->area, PAYLOAD };
		b->ops[i]->session = b->session;
		b->ops[i]->src = &b->segs[i];
		b->ops[i]->nsrc = 1;
		b->ops[i]->cipher_len = PAYLOAD;
	}
	return err;
}

static int start(struct bench_crypto *b, bool v3)
{
	struct fl_qp_conf conf = { .desc = 2 * SECTION, .node = -1 };
	int err = fake_sec_init(&b->dev, v3, false);

	if (!err)
		err = fl_ctx_create(NULL, &b->ctx);
	if (!err)
		err = fake_sec_scheme(b->ctx, &b->dev);
	if (!err)
		err = fl_cryptodev_open(b->ctx, "fake:", &b->cdev);
	if (!err)
		err = fl_cryptodev_configure(b->cdev, 1);
	if (!err)
		err = fl_qp_setup(b->cdev, 0, &conf);
	if (!err)
		err = fl_cryptodev_start(b->cdev);
	if (!err)
		err = make_session(b);
	if (!err)
		err = make_ops(b);
	if (!err)
		b->qp = fl_cryptodev_qp(b->cdev, 0);
	return err;
}

struct bench_crypto *ours_crypto_open(bool v3)
{
	struct bench_crypto *b = aligned_alloc(64, fl_align_up(sizeof(*b), 64));
	int err = -ENOMEM;

	if (b) {
		memset(b, 0, sizeof(*b));
		err = start(b, v3);
	}
	if (err) {
		bench_note("crypto_hisi_sec does not start: %s", strerror(-err));
		exit(1);
	}
	return b;
}

void ours_crypto_close(struct bench_crypto *b)
{
	int err;

	fl_op_free(b->ops, SECTION);
	err = fl_op_pool_destroy(b->pool);
	fl_session_destroy(b->session);
	fl_cryptodev_close(b->cdev);
	if (!err)
		err = fl_dma_unmap(b->area);
	fl_mem_free(b->mem);
	if (!err)
		err = fl_ctx_destroy(b->ctx);
	if (err)
		bench_note("the crypto device leaves something behind: %s", strerror(-err));
	fake_sec_fini(&b->dev);
	free(b);
}

uint64_t ours_crypto_enqueue(struct bench_crypto *b, unsigned burst, unsigned *n)
{
	unsigned put = 0;
	uint64_t t = bench_ticks();

	for (unsigned i = 0; i < SECTION; i += burst)
		put += fl_op_enqueue(b->qp, b->ops + put, (uint16_t)burst);
	t = bench_ticks() - t;
	*n = put;
	return t;
}

static void *complete(void *arg)
{
	struct bench_crypto *b = arg;

	for (;;) {
		int want = __atomic_load_n(&b->want, __ATOMIC_ACQUIRE);

		if (want == LEAVE)
			return NULL;
		if (want == WORK) {
			b->done = fake_sec_run(&b->dev, 0, SECTION);
			__atomic_store_n(&b->want, IDLE, __ATOMIC_RELEASE);
		}
		fl_pause();
	}
}

int ours_crypto_remote(struct bench_crypto *b, int cpu)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int err;

	if (b->remote) {
		__atomic_store_n(&b->want, LEAVE, __ATOMIC_RELEASE);
		pthread_join(b->completer, NULL);
		b->want = IDLE;
		b->remote = false;
	}
	if (cpu < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_attr_init(&attr);
	err = pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	if (!err)
		err = pthread_create(&b->completer, &attr, complete, b);
	pthread_attr_destroy(&attr);
	b->remote = !err;
	return -err;
}

unsigned ours_crypto_device(struct bench_crypto *b)
{
	if (!b->remote)
		return fake_sec_run(&b->dev, 0, SECTION);
	__atomic_store_n(&b->want, WORK, __ATOMIC_RELEASE);
	while (__atomic_load_n(&b->want, __ATOMIC_ACQUIRE) == WORK)
		fl_pause();
	return b->done;
}

uint64_t ours_crypto_dequeue(struct bench_crypto *b, unsigned burst, unsigned *n)
{
	unsigned got = 0;
	uint64_t t = bench_ticks();

	for (unsigned i = 0; i < SECTION; i += burst)
		got += fl_op_dequeue(b->qp, b->ops + got, (uint16_t)burst);
	t = bench_ticks() - t;
	*n = got;
	for (unsigned i = 0; i < got; i++)
		*n -= b->ops[i]->status != FL_OP_OK;
	return t;
}
