/* SPDX-License-Identifier: BSD-3-Clause */
/* The device, and one op at a time of it. */
#include "crypt.h"

#include <errno.h>
#include <fl_model.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SPINS  2000u
#define NAP_NS 20000l

static int make_session(struct cr *c)
{
	const struct cr_conf *k = &c->conf;
	bool cipher = k->info->kind == FL_KIND_CIPHER;
	struct fl_session_conf sc = { .type = cipher ? FL_CRYPTO_CIPHER : FL_CRYPTO_AUTH,
				      .encrypt = k->verb != CR_DEC,
				      .iv_len = k->iv_len };

	*(cipher ? &sc.cipher : &sc.auth) = k->algo;
	*(cipher ? &sc.key : &sc.auth_key) = k->key_len ? k->key : NULL;
	*(cipher ? &sc.key_len : &sc.auth_key_len) = k->key_len;
	return fl_session_create(c->dev, &sc, &c->session);
}

/** A byte more than a chunk is read, and padding may follow a chunk. */
static int make_memory(struct cr *c)
{
	uint64_t room = c->chunk + 64u, len = CR_DEPTH * room;
	struct fl_mem_opts mo = { .node = -1 };
	struct fl_dma_opts how = { .residency = c->conf.residency.how };
	struct fl_dma_space *space = fl_ctx_space(c->ctx);
	struct fl_op *ops[CR_DEPTH];
	int ret;

	fl_dma_mem_opts(space, len, &mo);
	ret = fl_mem_alloc(len, &mo, &c->mem);
	if (!ret)
		ret = fl_dma_map(space, c->mem, &how, &c->area);
	if (!ret)
		ret = fl_op_pool_create(c->ctx, CR_DEPTH, &c->pool);
	if (!ret && !fl_op_alloc(c->pool, ops, CR_DEPTH))
		ret = -ENOMEM;
	for (unsigned i = 0; !ret && i < CR_DEPTH; i++) {
		struct cr_slot *s = &c->slots[i];

		s->op = ops[i];
		s->seg = (struct fl_seg){ c->area->va + i * room, c->area, 0 };
		s->op->session = c->session;
		s->op->src = &s->seg;
		s->op->nsrc = 1;
		s->op->dst = NULL;
		s->op->ndst = 0;
		s->op->cipher_off = s->op->auth_off = 0;
		s->op->aad = (struct fl_seg){ s->seg.va, c->area, 0 };
	}
	return ret;
}

static int start_device(struct cr *c)
{
	int ret = fl_cryptodev_configure(c->dev, 1);

	if (!ret)
		ret = fl_qp_setup(c->dev, 0, NULL);
	if (!ret)
		ret = fl_cryptodev_start(c->dev);
	c->qp = fl_cryptodev_qp(c->dev, 0);
	return ret;
}

static int list_algos(struct cr *c)
{
	struct fl_cryptodev_info info;

	fl_cryptodev_info(c->dev, &info);
	fprintf(stderr, "%s (%s) has no %s. It has:", c->conf.uri, info.chip, c->conf.info->name);
	for (const struct fl_crypto_cap *cap = info.caps; cap->algo != FL_ALGO_NONE; cap++)
		if (fl_algo_info(cap->algo)->kind != FL_KIND_AEAD)
			fprintf(stderr, " %s", fl_algo_info(cap->algo)->name);
	fputc('\n', stderr);
	return -EOPNOTSUPP;
}

int cr_open(struct cr *c)
{
	const struct fl_crypto_cap *cap;
	int ret = fl_ctx_create(NULL, &c->ctx);

	if (!ret)
		ret = fl_model_enable(c->ctx, NULL);
	if (!ret)
		ret = app_residency_apply(&c->conf.residency, fl_ctx_space(c->ctx));
	if (!ret)
		ret = fl_cryptodev_open(c->ctx, c->conf.uri, &c->dev);
	if (ret) {
		fprintf(stderr, "Cannot open %s: %s\n", c->conf.uri, strerror(-ret));
		return ret;
	}
	cap = fl_cryptodev_cap(c->dev, c->conf.algo);
	if (!cap)
		return list_algos(c);
	c->chunk = cap->len_max < CR_CHUNK ? cap->len_max / 128 * 128 : CR_CHUNK;
	/* the last chunk may be longer by its padding */
	c->chunk -= c->chunk == cap->len_max ? 128 : 0;
	ret = start_device(c);
	if (!ret)
		ret = make_session(c);
	if (!ret)
		ret = make_memory(c);
	if (ret)
		fprintf(stderr, "Cannot use %s: %s\n", c->conf.uri, strerror(-ret));
	return ret;
}

void cr_close(struct cr *c)
{
	/* first, so that nothing is in flight when its memory goes */
	if (c->dev && fl_cryptodev_stop(c->dev))
		fprintf(stderr, "%s: cannot be stopped\n", c->conf.uri);
	for (unsigned i = 0; i < CR_DEPTH; i++)
		if (c->slots[i].op)
			fl_op_free(&c->slots[i].op, 1);
	fl_session_destroy(c->session);
	if (!fl_op_pool_destroy(c->pool) && (!c->area || !fl_dma_unmap(c->area)))
		fl_mem_free(c->mem);
	fl_cryptodev_close(c->dev);
	if (c->ctx && fl_ctx_destroy(c->ctx))
		fprintf(stderr, "the context is still in use\n");
}

int cr_start(struct cr *c, struct cr_slot *s)
{
	s->seg.len = s->op->cipher_len = s->op->auth_len = s->len;
	if (fl_op_enqueue(c->qp, &s->op, 1) == 1)
		return 0;
	fprintf(stderr, "%s takes no op\n", c->conf.uri);
	return -EIO;
}

int cr_wait(struct cr *c, struct cr_slot *s)
{
	uint64_t end = fl_now_ns() + c->conf.timeout_ms * 1000000ull;
	const struct timespec nap = { .tv_nsec = NAP_NS };
	struct fl_op *op = NULL;

	for (unsigned i = 1; !fl_op_dequeue(c->qp, &op, 1); i++) {
		if (i % SPINS) {
			fl_pause();
			continue;
		}
		nanosleep(&nap, NULL);
		if (fl_now_ns() > end) {
			fprintf(stderr, "%s: no answer within %u ms\n", c->conf.uri,
				c->conf.timeout_ms);
			return -ETIMEDOUT;
		}
	}
	if (op == s->op && op->status == FL_OP_OK)
		return 0;
	fprintf(stderr, "%s: an op came back %s\n", c->conf.uri,
		op != s->op ? "out of turn" : fl_op_status_name((enum fl_op_status)op->status));
	return -EIO;
}
