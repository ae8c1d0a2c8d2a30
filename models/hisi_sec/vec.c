/* SPDX-License-Identifier: BSD-3-Clause */
#include "vec.h"

#include <string.h>

#define BUF  256u /* a multiple of every unit */
#define STEP (64u << 10)

struct secm_cur fl_secm_cur(const struct secm_vec *v, uint32_t off)
{
	struct secm_cur c = { .seg = v->seg };

	if (!v->n)
		return c;
	while (off >= c.seg->len && c.seg < v->seg + v->n - 1)
		off -= c.seg++->len;
	c.off = off;
	return c;
}

/* bytes in one piece here; no piece is empty */
static uint32_t run(struct secm_cur *c)
{
	if (c->off == c->seg->len) {
		c->seg++;
		c->off = 0;
	}
	return c->seg->len - c->off;
}

void fl_secm_gather(struct secm_cur *from, uint8_t *to, uint32_t n)
{
	while (n) {
		uint32_t k = run(from);

		k = k < n ? k : n;
		memcpy(to, from->seg->p + from->off, k);
		from->off += k;
		to += k;
		n -= k;
	}
}

void fl_secm_scatter(struct secm_cur *to, const uint8_t *from, uint32_t n)
{
	while (n) {
		uint32_t k = run(to);

		k = k < n ? k : n;
		memcpy(to->seg->p + to->off, from, k);
		to->off += k;
		from += k;
		n -= k;
	}
}

static bool through_buffer(struct secm_cur *in, struct secm_cur *out, uint32_t n, secm_step step,
			   void *arg)
{
	uint8_t buf[BUF];

	fl_secm_gather(in, buf, n);
	if (!step(arg, buf, out ? buf : NULL, n))
		return false;
	if (out)
		fl_secm_scatter(out, buf, n);
	return true;
}

/*
 * Pages that are not in this process's tables yet: read first, each comes with its neighbours
 * (Linux maps 64 KiB around a read fault); written first, each comes alone.
 */
static uint8_t *place(const struct secm_cur *out, uint32_t n)
{
	volatile const uint8_t *to = out->seg->p + out->off;

	(void)to[0];
	(void)to[n - 1];
	return out->seg->p + out->off;
}

bool fl_secm_walk(struct secm_cur *in, struct secm_cur *out, uint32_t len, uint32_t unit,
		  secm_step step, void *arg)
{
	while (len) {
		uint32_t n = run(in), room = out ? run(out) : n;
		uint8_t *to;

		n = n < room ? n : room;
		n = n < len ? n : len;
		n = n < STEP ? n : STEP;
		n -= n % unit;
		if (!n) {
			n = len < BUF ? len : BUF;
			if (!through_buffer(in, out, n, step, arg))
				return false;
			len -= n;
			continue;
		}
		to = out ? place(out, n) : NULL;
		if (!step(arg, in->seg->p + in->off, to, n))
			return false;
		in->off += n;
		if (out)
			out->off += n;
		len -= n;
	}
	return true;
}
