/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests to the SEC2 model's engine, each in every layout that its data can have. */
#ifndef HISI_SEC_RUNS_H
#define HISI_SEC_RUNS_H

#include "hisi_sec_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct rig rig;

static inline unsigned unhex(const char *s, uint8_t *out)
{
	unsigned n = 0, v;

	for (; s && s[0]; s += 2, n++) {
		assert_int_equal(sscanf(s, "%2x", &v), 1);
		out[n] = (uint8_t)v;
	}
	return n;
}

static inline int runs_open(void **state)
{
	return rig_open(&rig, 0x30);
}

static inline int runs_close(void **state)
{
	rig_close(&rig);
	return 0;
}

/* ---- every layout ------------------------------------------------------------------------ */

struct layout {
	uint32_t src_piece, dst_piece;
	bool apart, src_far, dst_far;
	bool edge; /* data crosses from one mapping into the next */
};

static const struct layout layouts[] = {
	{ .apart = true },
	{ .apart = false },
	{ .apart = true, .src_piece = 1, .dst_piece = 1 },
	{ .apart = true, .src_piece = 16, .dst_piece = 7 },
	{ .apart = true, .src_piece = 5 },
	{ .apart = true, .dst_piece = 31 },
	{ .apart = false, .src_piece = 13 },
	{ .apart = true, .src_far = true, .dst_far = true },
	{ .apart = true, .src_far = true, .dst_far = true, .src_piece = 9, .dst_piece = 20 },
	{ .apart = true, .dst_far = true, .src_piece = 40 },
	{ .apart = false, .src_far = true },
	{ .apart = false, .src_far = true, .src_piece = 17 },
	{ .apart = true, .edge = true },
	{ .apart = false, .edge = true, .src_piece = 11 },
};

struct run {
	struct req q;
	unsigned type;
	uint8_t in[8192], out[8192]; /* all of the source; what stands in the destination after */
	uint32_t len;
	uint8_t key[64], akey[128], iv[16], aiv[64], mac[64];
	uint8_t bd[128];
};

static inline void place(struct run *x, const struct layout *l, struct lie *src, struct lie *dst)
{
	struct req *q = &x->q;

	*src = (struct lie){ l->src_piece, AT_SRC, x->len };
	*dst = (struct lie){ l->dst_piece, AT_DST, x->len };
	if (l->edge)
		src->base = RIG_DIRECT / 2 - (x->len ? x->len / 2 : 1);
	if (l->src_far)
		src->base = RIG_DIRECT + 0x1001;
	if (l->dst_far)
		dst->base = RIG_DIRECT + 0x200005;
	rig_addresses(q);
	q->de = l->apart;
	q->src = RIG_IOVA + src->base;
	q->dst = RIG_IOVA + dst->base;
	q->src_type = l->src_piece != 0;
	q->dst_type = l->dst_piece != 0;
	if (l->src_piece) {
		lie_sgl(&rig, src, AT_SGL);
		q->src = RIG_IOVA + AT_SGL;
	}
	if (l->dst_piece) {
		lie_sgl(&rig, dst, AT_SGL + SPREAD);
		q->dst = RIG_IOVA + AT_SGL + SPREAD;
	}
}

/* Does the request in that layout: BD and output end up in x, the MAC in x->mac. */
static inline bool do_run(struct run *x, const struct layout *l)
{
	uint8_t before[128], fill[8192];
	struct lie src, dst;
	bool error;

	place(x, l, &src, &dst);
	memset(fill, 0xa5, sizeof(fill));
	lie_copy(&rig, &dst, fill, true);
	lie_copy(&rig, &src, x->in, true);
	memcpy(rig.mem + AT_KEY, x->key, sizeof(x->key));
	memcpy(rig.mem + AT_AKEY, x->akey, sizeof(x->akey));
	memcpy(rig.mem + AT_IV, x->iv, sizeof(x->iv));
	memcpy(rig.mem + AT_AIV, x->aiv, sizeof(x->aiv));
	memcpy(rig.mem + AT_MAC, x->mac, sizeof(x->mac));
	rig_bd(x->type, &x->q, x->bd);
	memcpy(before, x->bd, sizeof(before));
	error = rig_do(&rig, x->bd);
	lie_copy(&rig, l->apart ? &dst : &src, x->out, false);
	memcpy(x->mac, rig.mem + AT_MAC, sizeof(x->mac));
	/* nothing but status, error, translation status and counter is another */
	assert_int_equal(x->bd[112] & 1, 1);
	assert_int_equal(error, x->bd[114] != 0);
	memcpy(before + 112, x->bd + 112, 3);
	memcpy(before + 124, x->bd + 124, 4);
	if (x->type == 3)
		before[121] = x->bd[121];
	assert_memory_equal(before, x->bd, 128);
	return error;
}

static inline unsigned status(const struct run *x)
{
	return x->bd[112] | (unsigned)x->bd[113] << 8;
}

static inline void expect_ok(const struct run *x, unsigned flag)
{
	assert_int_equal(x->bd[114], 0);
	assert_int_equal(status(x), 1 | flag << 7);
}

#endif
