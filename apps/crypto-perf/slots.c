/* SPDX-License-Identifier: BSD-3-Clause */
/* Ops, their segments, and the memory that they name. */
#include "perf.h"

#include <stdlib.h>
#include <string.h>

/* Between segments, so that no device can take two of them for one. */
#define GAP FL_CACHE_LINE

/** Bytes that segment k of a side holds: AAD and payload begin in the first. */
static uint32_t seg_len(const struct cp_slots *s, uint32_t segment, unsigned k)
{
	uint32_t left = s->size - k * segment;

	return (k ? 0 : s->aad_len) + (left < segment ? left : segment);
}

static uint64_t side_bytes(const struct cp_slots *s, uint32_t segment)
{
	uint64_t bytes = 0;

	for (unsigned k = 0; k < s->nseg; k++)
		bytes += fl_align_up(seg_len(s, segment, k), FL_CACHE_LINE) + GAP;
	return bytes;
}

static uint8_t *lay_side(const struct cp_slots *s, struct fl_seg *seg, uint8_t *at,
			 uint32_t segment)
{
	for (unsigned k = 0; k < s->nseg; k++) {
		uint32_t len = seg_len(s, segment, k);

		seg[k] = (struct fl_seg){ at, s->area, len };
		at += fl_align_up(len, FL_CACHE_LINE) + GAP;
	}
	return at;
}

static void lay(struct cp_slots *s, uint32_t segment)
{
	unsigned sides = s->out_of_place ? 2 : 1;
	uint8_t *at = s->area->va;

	for (unsigned i = 0; i < s->n; i++) {
		struct fl_seg *seg = &s->segs[(size_t)i * s->nseg * sides];
		struct fl_op *op = s->ops[i];

		at = lay_side(s, seg, at, segment);
		op->src = seg;
		op->nsrc = (uint16_t)s->nseg;
		op->dst = NULL;
		op->ndst = 0;
		op->aad = (struct fl_seg){ seg->va, s->area, s->aad_len };
		if (s->out_of_place) {
			at = lay_side(s, seg + s->nseg, at, segment);
			op->dst = seg + s->nseg;
			op->ndst = (uint16_t)s->nseg;
		}
	}
}

static int make_memory(struct cp_slots *s, const struct cp_dev *dev, uint64_t len)
{
	struct fl_dev *pci = fl_cryptodev_dev(dev->d);
	struct fl_mem_opts mo = { .node = pci ? fl_dev_node(pci) : -1,
				  .log = fl_ctx_log(dev->ctx) };
	struct fl_dma_opts opts = { .residency = dev->cp->conf.residency.how };
	struct fl_dma_space *space = fl_ctx_space(dev->ctx);
	int ret;

	fl_dma_mem_opts(space, len, &mo);
	ret = fl_mem_alloc(len, &mo, &s->mem);
	if (!ret)
		ret = fl_dma_map(space, s->mem, &opts, &s->area);
	if (!ret)
		ret = fl_op_pool_create(dev->ctx, s->n, &s->pool);
	return ret;
}

int cp_slots_create(struct cp_slots *s, const struct cp_dev *dev, const struct cp_job *j,
		    unsigned n, uint32_t size, uint32_t segment, bool out_of_place)
{
	unsigned sides = out_of_place ? 2 : 1;
	int ret;

	segment = segment && segment < size ? segment : size;
	*s = (struct cp_slots){ .n = n,
				.nseg = size ? (size + segment - 1) / segment : 1,
				.size = size,
				.aad_len = j->aad_len,
				.out_of_place = out_of_place };
	s->ops = calloc(n, sizeof(struct fl_op *));
	s->segs = calloc((size_t)n * s->nseg * sides, sizeof(*s->segs));
	ret = s->ops && s->segs ? make_memory(s, dev, n * sides * side_bytes(s, segment)) : -ENOMEM;
	if (!ret && !fl_op_alloc(s->pool, s->ops, n))
		ret = -ENOMEM;
	if (ret) {
		cp_slots_destroy(s);
		return ret;
	}
	lay(s, segment);
	return 0;
}

void cp_slots_destroy(struct cp_slots *s)
{
	if (s->pool && s->ops && s->ops[0])
		fl_op_free(s->ops, s->n);
	if (fl_op_pool_destroy(s->pool))
		return;
	if (s->area && fl_dma_unmap(s->area))
		return;
	fl_mem_free(s->mem);
	free(s->segs);
	free(s->ops);
	*s = (struct cp_slots){ 0 };
}

static void copy(const struct cp_slots *s, unsigned i, bool out, uint32_t off, uint8_t *to,
		 const uint8_t *from, uint32_t len)
{
	const struct fl_seg *seg = out && s->out_of_place ? s->ops[i]->dst : s->ops[i]->src;

	for (; len; off = 0, seg++) {
		uint32_t part;

		for (; off >= seg->len; seg++)
			off -= seg->len;
		part = seg->len - off < len ? seg->len - off : len;
		if (from) {
			memcpy(seg->va + off, from, part);
			from += part;
		} else {
			memcpy(to, seg->va + off, part);
			to += part;
		}
		len -= part;
	}
}

void cp_slots_write(const struct cp_slots *s, unsigned i, bool out, uint32_t off, const void *from,
		    uint32_t len)
{
	copy(s, i, out, off, NULL, from, len);
}

void cp_slots_read(const struct cp_slots *s, unsigned i, bool out, uint32_t off, void *to,
		   uint32_t len)
{
	copy(s, i, out, off, to, NULL, len);
}
