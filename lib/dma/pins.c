/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranges that are kept, with a count each: as many spans as the user's ranges cut, however long. */
#include "dma_internal.h"

#include <stdlib.h>

/* Appends a piece; one that goes on the last with the same count makes it longer. */
static void emit(struct fl_pins *p, uint64_t first, uint64_t last, uint64_t count)
{
	struct fl_pin *top = p->n ? &p->v[p->n - 1] : NULL;

	if (first > last || !count)
		return;
	if (top && top->count == count && top->last + 1 == first)
		top->last = last;
	else
		p->v[p->n++] = (struct fl_pin){ first, last, count };
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

int fl_pins_change(struct fl_pins *p, uint64_t off, uint64_t len, bool down)
{
	const uint64_t last = off + (len - 1);
	uint64_t at = off; /* what of the range is done */
	struct fl_pins out = { 0 };

	if (down && !fl_pins_all(p, off, len))
		return -EINVAL;
	/* each span gives at most three pieces and a gap before it */
	out.v = calloc(4 * p->n + 1, sizeof(*out.v));
	if (!out.v)
		return -ENOMEM;
	for (size_t i = 0; i < p->n; i++) {
		const struct fl_pin *e = &p->v[i];

		if (e->first > at && at <= last) { /* a gap: the count was 0 */
			emit(&out, at, least(e->first - 1, last), 1);
			at = least(e->first, last + 1);
		}
		if (e->last < off || e->first > last) {
			emit(&out, e->first, e->last, e->count);
			continue;
		}
		if (e->first < off)
			emit(&out, e->first, off - 1, e->count);
		emit(&out, most(e->first, off), least(e->last, last),
		     e->count + (down ? -1ull : 1));
		at = least(e->last, last) + 1;
		emit(&out, last + 1, e->last, e->count);
	}
	if (at <= last)
		emit(&out, at, last, 1);
	free(p->v);
	*p = out;
	return 0;
}

bool fl_pins_all(const struct fl_pins *p, uint64_t off, uint64_t len)
{
	const uint64_t last = off + (len - 1);

	for (size_t i = 0; i < p->n && p->v[i].first <= off; i++) {
		if (p->v[i].last < off)
			continue;
		if (p->v[i].last >= last)
			return true;
		off = p->v[i].last + 1;
	}
	return false;
}

bool fl_pins_any(const struct fl_pins *p, uint64_t off, uint64_t len)
{
	for (size_t i = 0; i < p->n && p->v[i].first <= off + (len - 1); i++)
		if (p->v[i].last >= off)
			return true;
	return false;
}

uint64_t fl_pins_bytes(const struct fl_pins *p)
{
	uint64_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += p->v[i].last - p->v[i].first + 1;
	return n;
}
