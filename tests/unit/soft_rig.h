/* SPDX-License-Identifier: BSD-3-Clause */
/* A software device with queue pairs, and data in segments of any shape: for its tests. */
#ifndef SOFT_RIG_H
#define SOFT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fl_crypto.h>

#define RIG_QPS 2u

struct rig {
	struct fl_ctx *ctx;
	struct fl_cryptodev *dev;
	struct fl_op_pool *pool;
	struct fl_op *op;
};

static inline void rig_up(struct rig *r, const char *uri)
{
	assert_int_equal(fl_ctx_create(NULL, &r->ctx), 0);
	assert_int_equal(fl_cryptodev_open(r->ctx, uri, &r->dev), 0);
	assert_int_equal(fl_cryptodev_configure(r->dev, RIG_QPS), 0);
	for (uint16_t i = 0; i < RIG_QPS; i++)
		assert_int_equal(fl_qp_setup(r->dev, i, NULL), 0);
	assert_int_equal(fl_cryptodev_start(r->dev), 0);
	assert_int_equal(fl_op_pool_create(r->ctx, 256, &r->pool), 0);
	assert_int_equal(fl_op_alloc(r->pool, &r->op, 1), 1);
}

static inline void rig_down(struct rig *r)
{
	fl_op_free(&r->op, 1);
	assert_int_equal(fl_op_pool_destroy(r->pool), 0);
	fl_cryptodev_close(r->dev);
	assert_int_equal(fl_ctx_destroy(r->ctx), 0);
}

/* one op through a queue pair */
static inline enum fl_op_status rig_run(struct rig *r, uint16_t qp, struct fl_op *op)
{
	struct fl_qp *q = fl_cryptodev_qp(r->dev, qp);
	struct fl_op *back = NULL;

	assert_int_equal(fl_op_enqueue(q, &op, 1), 1);
	assert_int_equal(op->status, FL_OP_PENDING);
	assert_int_equal(fl_op_dequeue(q, &back, 1), 1);
	assert_ptr_equal(back, op);
	return op->status;
}

/* ---- data ------------------------------------------------------------------------------ */

static inline size_t hex(const char *text, uint8_t *out)
{
	size_t n = text ? strlen(text) / 2 : 0;
	unsigned byte;

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(sscanf(text + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
	return n;
}

static inline void noise(uint8_t *to, size_t n, uint64_t seed)
{
	seed = seed * 2654435761u + 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < n; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		to[i] = (uint8_t)(seed >> 32);
	}
}

/* Software only asks whether bytes lie in the area that is named: here all of memory is one. */
static const struct fl_dma_area everywhere = { .va = NULL, .len = UINT64_MAX };

/* Bytes cut into segments, each in memory of its own so that a sanitizer sees a step outside. */
#define SHAPE_SEGS 640u
struct shape {
	struct fl_seg seg[SHAPE_SEGS];
	uint16_t n;
	uint32_t len;
};

enum cut { CUT_FLAT, CUT_ONE, CUT_ODD, CUT_EMPTY, CUT_BLOCKS, CUTS };

static inline uint32_t cut_len(enum cut cut, unsigned i, uint32_t left)
{
	static const uint32_t odd[] = { 1, 15, 17, 3, 32, 5, 16, 100, 64 };
	uint32_t want = left;

	if (cut == CUT_ONE && i < SHAPE_SEGS - 1)
		want = 1;
	else if (cut == CUT_ODD)
		want = odd[i % 9];
	else if (cut == CUT_EMPTY)
		want = i % 2 ? 13 : 0;
	else if (cut == CUT_BLOCKS)
		want = 16;
	return i == SHAPE_SEGS - 1 || want > left ? left : want;
}

static inline void shape_make(struct shape *s, enum cut cut, const uint8_t *from, uint32_t len)
{
	s->n = 0;
	s->len = len;
	for (uint32_t at = 0; at < len || !s->n;) {
		struct fl_seg *g = &s->seg[s->n];

		g->len = cut_len(cut, s->n++, len - at);
		g->area = &everywhere;
		g->va = malloc(g->len ? g->len : 1);
		assert_non_null(g->va);
		if (g->len)
			memcpy(g->va, from + at, g->len);
		at += g->len;
	}
}

static inline void shape_free(struct shape *s)
{
	for (unsigned i = 0; i < s->n; i++)
		free(s->seg[i].va);
}

static inline void shape_read(const struct shape *s, uint8_t *to)
{
	for (unsigned i = 0; i < s->n; to += s->seg[i++].len)
		if (s->seg[i].len)
			memcpy(to, s->seg[i].va, s->seg[i].len);
}

#endif
