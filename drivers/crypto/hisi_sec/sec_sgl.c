/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a request's bytes are: one address where they lie together, else a chain of SGLs, the
 * first in the slot's own memory, further ones from the queue pair's pool.
 */
#include <string.h>

#include "sec_internal.h"

#define SGE_MAX (8u << 20) /* bytes of an entry */

struct sgl_head {
	uint64_t next;
	uint16_t sum_in_chain, sum_in_sgl, capacity;
};

/* the SGL being filled */
struct writer {
	struct fl_sec_qp *q;
	uint8_t *first, *at;
	uint16_t n, capacity, total; /* entries: here, room here, room in the chain */
	uint16_t *chunks;
};

void fl_sec_chunks_free(struct fl_sec_qp *q, uint16_t *chunks)
{
	while (*chunks != SEC_CHUNK_NONE) {
		uint16_t c = *chunks;

		*chunks = q->chunk_next[c];
		q->chunk_next[c] = q->chunk_free;
		q->chunk_free = c;
	}
}

static void head(uint8_t *sgl, uint16_t capacity)
{
	struct sgl_head h = { .capacity = capacity };

	memset(sgl, 0, SEC_SGL_HEAD);
	memcpy(sgl, &h, sizeof(h));
}

static void set_count(struct writer *w)
{
	memcpy(w->at + offsetof(struct sgl_head, sum_in_sgl), &w->n, sizeof(w->n));
}

static bool chain(struct writer *w)
{
	uint16_t c = w->q->chunk_free;
	uint64_t next;

	if (c == SEC_CHUNK_NONE)
		return false;
	w->q->chunk_free = w->q->chunk_next[c];
	w->q->chunk_next[c] = *w->chunks;
	*w->chunks = c;
	set_count(w);
	next = w->q->chunk_iova.v + (uint64_t)c * SEC_CHUNK;
	memcpy(w->at, &next, sizeof(next));
	w->at = w->q->chunk_va + (size_t)c * SEC_CHUNK;
	w->n = 0;
	w->capacity = SEC_CHUNK_SGES;
	w->total = (uint16_t)(w->total + SEC_CHUNK_SGES);
	head(w->at, SEC_CHUNK_SGES);
	return true;
}

static bool add(struct writer *w, uint64_t iova, uint32_t len)
{
	while (len) {
		uint32_t k = len < SGE_MAX ? len : SGE_MAX;
		uint64_t e[SEC_SGE / 8] = { iova, 0, k };

		if (w->n == w->capacity && !chain(w))
			return false;
		memcpy(w->at + SEC_SGL_HEAD + w->n * SEC_SGE, e, sizeof(e));
		w->n++;
		iova += k;
		len -= k;
	}
	return true;
}

/* the segment's bytes from off on; an IOVA of them, or why not */
static int seg_iova(const struct fl_sec_qp *q, const struct fl_seg *s, unsigned prot, uint32_t off,
		    uint32_t len, uint64_t *iova)
{
	const struct fl_dma_area *a = s->area;
	uint64_t at, end;

	if (!a || a->space != q->space || (a->prot & prot) != prot)
		return -EFAULT;
	at = (uint64_t)(s->va - a->va) + off;
	if (s->va < a->va || __builtin_add_overflow(at, len, &end) || end > a->len)
		return -EFAULT;
	*iova = a->iova.v + at;
	if (!q->posted)
		return 0; /* the device faults */
	return fl_dma_resident(a, fl_iova(*iova), len + !len) ? 0 : -EAGAIN;
}

static bool directly_before(const struct fl_seg *aad, const struct fl_seg *s, uint32_t off)
{
	return aad->area == s->area && aad->va + aad->len == s->va + off;
}

/* i-th segment and the offset in it where the span begins */
static bool find(const struct fl_sec_span *sp, unsigned *i, uint32_t *off)
{
	uint64_t left = 0;

	*off = sp->off;
	for (*i = 0; *i < sp->nsegs && *off >= sp->segs[*i].len; (*i)++)
		*off -= sp->segs[*i].len;
	for (unsigned k = *i; k < sp->nsegs; k++)
		left += sp->segs[k].len;
	return left >= (uint64_t)*off + sp->len;
}

static int fill_sgl(struct writer *w, const struct fl_sec_span *sp, const struct fl_seg *aad,
		    unsigned i, uint32_t off)
{
	uint32_t left = sp->len;
	uint64_t iova;
	int rc;

	if (aad && aad->len) {
		rc = seg_iova(w->q, aad, sp->prot, 0, aad->len, &iova);
		if (rc)
			return rc;
		if (!add(w, iova, aad->len))
			return -EAGAIN;
	}
	for (; left; i++, off = 0) {
		uint32_t k = sp->segs[i].len - off;

		k = k < left ? k : left;
		if (!k)
			continue;
		rc = seg_iova(w->q, &sp->segs[i], sp->prot, off, k, &iova);
		if (rc)
			return rc;
		if (!add(w, iova, k))
			return -EAGAIN;
		left -= k;
	}
	return 0;
}

int fl_sec_map(struct fl_sec_qp *q, uint16_t slot, unsigned which, const struct fl_sec_span *sp,
	       const struct fl_seg *aad, bool aad_before, uint16_t *chunks, uint64_t *addr,
	       bool *sgl)
{
	uint32_t before = aad ? aad->len : 0, off;
	uint32_t at = ((uint32_t)slot << SEC_SIDE_SHIFT) + SEC_SIDE_SGL + which * SEC_SGL_BYTES;
	struct writer w = { .q = q, .chunks = chunks };
	unsigned i;
	int rc;

	*sgl = false;
	if (!find(sp, &i, &off))
		return -EINVAL;
	if (!sp->len)
		return before ? seg_iova(q, aad, sp->prot, 0, before, addr) : 0;
	if (sp->segs[i].len - off >= sp->len) {
		const struct fl_seg *s = &sp->segs[i];

		if (!before)
			return seg_iova(q, s, sp->prot, off, sp->len, addr);
		if (aad_before ? off >= before : directly_before(aad, s, off)) {
			if (aad_before)
				return seg_iova(q, s, sp->prot, off - before, sp->len + before,
						addr);
			rc = seg_iova(q, s, sp->prot, off, sp->len, addr);
			return rc ? rc : seg_iova(q, aad, sp->prot, 0, before, addr);
		}
	}
	*sgl = true;
	*addr = q->side_iova.v + at;
	w.first = w.at = q->side + at;
	w.capacity = w.total = SEC_SGL_INLINE;
	head(w.at, SEC_SGL_INLINE);
	rc = fill_sgl(&w, sp, aad, i, off);
	set_count(&w);
	memcpy(w.first + offsetof(struct sgl_head, sum_in_chain), &w.total, sizeof(w.total));
	return rc;
}
