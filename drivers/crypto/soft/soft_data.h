/* SPDX-License-Identifier: BSD-3-Clause */
/* Walking over segments. Ranges were held against the segments before: a cursor does not ask. */
#ifndef SOFT_DATA_H
#define SOFT_DATA_H

#include <string.h>

#include <fl_crypto.h>

struct soft_cursor {
	const struct fl_seg *seg;
	uint32_t off;
};

/** Where input is read and output written. In place both stand at the same bytes. */
struct soft_span {
	struct soft_cursor src, dst;
};

static inline uint32_t fl_soft_min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline void fl_cursor_skip(struct soft_cursor *c, uint32_t n)
{
	while (n > c->seg->len - c->off) {
		n -= c->seg->len - c->off;
		c->seg++;
		c->off = 0;
	}
	c->off += n;
}

static inline struct soft_cursor fl_cursor(const struct fl_seg *segs, uint32_t off)
{
	struct soft_cursor c = { segs, 0 };

	if (off)
		fl_cursor_skip(&c, off);
	return c;
}

/** Where it stands, of at least one byte that is left, and how far that goes. */
static inline uint8_t *fl_cursor_at(struct soft_cursor *c, uint32_t *run)
{
	while (c->off == c->seg->len) {
		c->seg++;
		c->off = 0;
	}
	*run = c->seg->len - c->off;
	return c->seg->va + c->off;
}

void fl_cursor_read(struct soft_cursor *c, uint8_t *to, uint32_t n);
void fl_cursor_write(struct soft_cursor *c, const uint8_t *from, uint32_t n);

/** Payload at `off` of an op: in place, or to dst. */
static inline struct soft_span fl_span(const struct fl_op *op, uint32_t off)
{
	struct soft_span sp = { .src = fl_cursor(op->src, off) };

	sp.dst = op->dst ? fl_cursor(op->dst, off) : sp.src;
	return sp;
}

/** The `len` bytes at the cursor in flat pieces. */
bool fl_cursor_feed(struct soft_cursor *c, uint32_t len,
		    bool (*fn)(void *arg, const uint8_t *in, uint32_t n), void *arg);

/**
 * The `len` bytes of a span, a multiple of `unit` (at most SOFT_UNIT_MAX), in pieces that are
 * multiples of it and flat on both sides: a unit across segments is copied, no more.
 */
#define SOFT_UNIT_MAX 16u
bool fl_span_walk(struct soft_span *sp, uint32_t len, uint32_t unit,
		  bool (*fn)(void *arg, const uint8_t *in, uint8_t *out, uint32_t n), void *arg);

#endif
