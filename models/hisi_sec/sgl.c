/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a job's bytes are: flat, or by a chain of SGLs, each in pieces as the client mapped them.
 * What cannot be reached directly is copied: read here, written when the job is finished.
 *
 * SGLs are read once, into copies, and bounded by counts: a client may change them meanwhile.
 */
#include "bd.h"

#include <fl_io.h>

#include <stdlib.h>
#include <string.h>

#define SGL_HEAD    64u
#define SGE_SIZE    32u
#define SGE_COUNT   255u /* of one SGL */
#define SGL_CHAIN   256u
#define SGE_AT_ONCE 16u

/* What spans mappings, or can be reached by message alone, is copied. */
uint8_t fl_secm_read(const struct secm_env *env, struct secm_job *j, enum secm_tlb t, uint64_t iova,
		     void *buf, uint32_t len)
{
	const void *p = fl_model_dma(env->m, env->mmu, &j->tlb[t], fl_iova(iova), len, FL_DMA_READ);
	uint8_t r;

	if (!p) {
		r = fl_secm_miss(env, j, iova, len, FL_DMA_READ);
		if (r != SECM_FAULT)
			return r;
		return fl_model_dma_read(env->m, fl_iova(iova), buf, len) ? SECM_FAULT : SECM_OK;
	}
	memcpy(buf, p, len);
	fl_compiler_barrier(); /* what is looked at is the copy, whatever the client writes now */
	return SECM_OK;
}

uint8_t fl_secm_write(const struct secm_env *env, struct secm_job *j, enum secm_tlb t,
		      uint64_t iova, const void *buf, uint32_t len)
{
	void *p = fl_model_dma(env->m, env->mmu, &j->tlb[t], fl_iova(iova), len, FL_DMA_WRITE);
	uint8_t r;

	if (!p) {
		r = fl_secm_miss(env, j, iova, len, FL_DMA_WRITE);
		if (r != SECM_FAULT)
			return r;
		return fl_model_dma_write(env->m, fl_iova(iova), buf, len) ? SECM_FAULT : SECM_OK;
	}
	memcpy(p, buf, len);
	return SECM_OK;
}

/* what one side of a job is made of, while it is made */
struct walk {
	struct secm_env *env;
	struct secm_job *j;
	struct secm_vec *vec;
	struct fl_model_tlb *tlb;
	unsigned prot;
	uint32_t skip, want; /* bytes still to leave out, still to find */
};

/* ---- room ------------------------------------------------------------------------------- */

#define KEEP (64u << 10) /* what a job keeps for the next one */
#define LEND (64u << 20) /* what all jobs hold beyond that */

static bool lend(struct secm_env *env, struct secm_job *j, size_t bytes)
{
	if (bytes <= KEEP)
		return true;
	/* one job alone gets what it needs: a BD's length is bounded */
	if (env->lent > j->lent && env->lent + bytes > LEND)
		return false;
	env->lent += bytes;
	j->lent += bytes;
	return true;
}

static void shrink(struct secm_vec *v)
{
	if (v->cap * sizeof(v->seg[0]) <= KEEP)
		return;
	free(v->seg);
	v->seg = v->few;
	v->cap = FL_ARRAY_SIZE(v->few);
}

void fl_secm_job_shrink(struct secm_env *env, struct secm_job *j)
{
	shrink(&j->src);
	shrink(&j->dst);
	if (j->bounce_size > KEEP) {
		free(j->bounce);
		j->bounce = NULL;
		j->bounce_size = 0;
	}
	env->lent -= j->lent;
	j->lent = 0;
}

static bool grow(struct walk *w)
{
	struct secm_vec *v = w->vec;
	size_t size = 2 * v->cap * sizeof(v->seg[0]);
	struct secm_seg *t;

	if (!lend(w->env, w->j, size))
		return false;
	t = realloc(v->seg == v->few ? NULL : v->seg, size);
	if (!t)
		return false;
	if (v->seg == v->few)
		memcpy(t, v->few, sizeof(v->few));
	v->seg = t;
	v->cap *= 2;
	return true;
}

static bool add(struct walk *w, const struct secm_seg *s)
{
	struct secm_seg *last = w->vec->n ? &w->vec->seg[w->vec->n - 1] : NULL;

	/* runs of pages that came one after the other */
	if (last && last->p + last->len == s->p && !last->bounced && !s->bounced) {
		last->len += s->len;
		return true;
	}
	if (w->vec->n == w->vec->cap && !grow(w))
		return false;
	w->vec->seg[w->vec->n++] = *s;
	return true;
}

/* The first piece of memory that needs it brings room for all that the job can need. */
static uint8_t *bounce(struct walk *w, uint32_t len)
{
	struct secm_job *j = w->j;
	size_t all = (size_t)j->bd.a_len + j->bd.a_off + 2 * (size_t)j->bd.c_len + j->bd.c_off;
	uint8_t *p;

	if (!j->bounce_used && j->bounce_size < all) {
		free(j->bounce);
		j->bounce = lend(w->env, j, all) ? malloc(all) : NULL;
		j->bounce_size = j->bounce ? all : 0;
	}
	if (len > j->bounce_size - j->bounce_used)
		return NULL;
	p = j->bounce + j->bounce_used;
	j->bounce_used += len;
	return p;
}

/* ---- pieces ----------------------------------------------------------------------------- */

static uint8_t add_bounced(struct walk *w, uint64_t iova, uint32_t len)
{
	struct secm_seg s = { .p = bounce(w, len), .len = len, .bounced = true, .iova = iova };

	if (!s.p || !add(w, &s))
		return SECM_NO_MEMORY;
	if (w->prot == FL_DMA_READ && fl_model_dma_read(w->env->m, fl_iova(iova), s.p, len))
		return fl_secm_miss(w->env, w->j, iova, len, w->prot);
	return SECM_OK;
}

/* [iova, iova + len), mapping by mapping */
static uint8_t add_range(struct walk *w, uint64_t iova, uint32_t len)
{
	if (len && iova + (len - 1) < iova)
		return SECM_FAULT;
	while (len) {
		struct secm_seg s = { .p = fl_model_dma(w->env->m, w->env->mmu, w->tlb,
							fl_iova(iova), 1, w->prot) };
		uint64_t left;

		if (!s.p) {
			uint8_t r = fl_secm_miss(w->env, w->j, iova, w->j->bd.prefetch ? len : 1,
						 w->prot);

			return r == SECM_FAULT ? add_bounced(w, iova, len) : r;
		}
		left = w->tlb->last - iova;
		s.len = len - 1 <= left ? len : (uint32_t)left + 1;
		if (!add(w, &s))
			return SECM_NO_MEMORY;
		iova += s.len;
		len -= s.len;
	}
	return SECM_OK;
}

static uint8_t add_entry(struct walk *w, const uint8_t *sge)
{
	uint64_t iova = fl_secm_le64(sge);
	uint32_t len = fl_secm_le32(sge + 16), n;

	if (len > SECM_SGE_MAX)
		return SECM_BAD_SGL;
	n = len < w->skip ? len : w->skip;
	w->skip -= n;
	len -= n;
	if (!len)
		return SECM_OK;
	if (len > w->want)
		len = w->want;
	w->want -= len;
	return add_range(w, iova + n, len);
}

static uint8_t add_entries(struct walk *w, uint64_t iova, unsigned n)
{
	uint8_t sge[SGE_AT_ONCE * SGE_SIZE];

	while (n && w->want) {
		unsigned k = n < SGE_AT_ONCE ? n : SGE_AT_ONCE;
		uint8_t r = fl_secm_read(w->env, w->j, TLB_SGL, iova, sge, k * SGE_SIZE);

		for (unsigned i = 0; !r && i < k && w->want; i++)
			r = add_entry(w, sge + i * SGE_SIZE);
		if (r)
			return r;
		iova += k * SGE_SIZE;
		n -= k;
	}
	return SECM_OK;
}

static uint8_t add_sgls(struct walk *w, uint64_t iova)
{
	for (unsigned i = 0; i < SGL_CHAIN && w->want; i++) {
		uint8_t head[16], r;
		unsigned n, room;

		if (iova % SGL_HEAD)
			return SECM_BAD_SGL;
		r = fl_secm_read(w->env, w->j, TLB_SGL, iova, head, sizeof(head));
		if (r)
			return r;
		n = fl_secm_le16(head + 10);
		room = fl_secm_le16(head + 12);
		if (n > SGE_COUNT || n > room)
			return SECM_BAD_SGL;
		r = add_entries(w, iova + SGL_HEAD, n);
		if (r)
			return r;
		iova = fl_secm_le64(head);
		if (!iova)
			break;
	}
	return w->want ? SECM_BAD_SGL : SECM_OK;
}

uint8_t fl_secm_map(struct secm_env *env, struct secm_job *j, bool dst, uint32_t off, uint32_t len)
{
	const struct secm_bd *b = &j->bd;
	bool apart = dst && b->de;
	uint64_t iova = apart ? b->dst : b->src;
	struct walk w = { .env = env,
			  .j = j,
			  .vec = dst ? &j->dst : &j->src,
			  .tlb = &j->tlb[dst ? TLB_DST : TLB_SRC],
			  .prot = dst ? FL_DMA_WRITE : FL_DMA_READ,
			  .skip = off,
			  .want = len };

	if (!len)
		return SECM_OK;
	if (apart ? b->dst_type : b->src_type)
		return add_sgls(&w, iova);
	return iova + off < iova ? SECM_FAULT : add_range(&w, iova + off, len);
}
