/* SPDX-License-Identifier: BSD-3-Clause */
/* Ranges are [first, last], both inclusive: nothing here may add 1 to a last without a look. */
#include "dma_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t fl_span_at(const struct fl_span_set *s, uint64_t addr)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->v[mid].last < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int fl_span_add(struct fl_span_set *s, struct fl_span span, size_t *index)
{
	size_t i = fl_span_at(s, span.first);

	*index = i;
	if (i < s->n && s->v[i].first <= span.last)
		return -EEXIST;
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 16;
		struct fl_span *v = reallocarray(s->v, cap, sizeof(*v));

		if (!v)
			return -ENOMEM;
		s->v = v;
		s->cap = cap;
	}
	memmove(&s->v[i + 1], &s->v[i], (s->n - i) * sizeof(*s->v));
	s->v[i] = span;
	s->n++;
	return 0;
}

void fl_span_del(struct fl_span_set *s, size_t i)
{
	s->n--;
	memmove(&s->v[i], &s->v[i + 1], (s->n - i) * sizeof(*s->v));
}

bool fl_windows_hold(const struct fl_windows *w, uint64_t first, uint64_t len)
{
	for (unsigned i = 0; i < w->n; i++)
		if (first >= w->v[i].first && first <= w->v[i].last)
			return len - 1 <= w->v[i].last - first;
	return false;
}

int fl_windows_meet(const struct fl_windows *a, const struct fl_windows *b, struct fl_windows *out)
{
	unsigned i = 0, j = 0;

	/* each step ends a window of a or of b, so there are no more than that */
	out->n = 0;
	out->v = calloc((size_t)a->n + b->n + 1, sizeof(*out->v));
	if (!out->v)
		return -ENOMEM;
	while (i < a->n && j < b->n) {
		const struct fl_iova_range *x = &a->v[i], *y = &b->v[j];
		struct fl_iova_range both = {
			.first = x->first > y->first ? x->first : y->first,
			.last = x->last < y->last ? x->last : y->last,
		};

		if (both.first <= both.last)
			out->v[out->n++] = both;
		if (x->last < y->last)
			i++;
		else
			j++;
	}
	return 0;
}

void fl_windows_text(const struct fl_windows *w, char *buf, size_t size)
{
	const unsigned shown = w->n < 8 ? w->n : 8;
	size_t at = 0;

	snprintf(buf, size, "none");
	for (unsigned i = 0; i < shown && at < size; i++)
		at += (size_t)snprintf(buf + at, size - at, "%s[0x%" PRIx64 "-0x%" PRIx64 "]",
				       i ? " " : "", w->v[i].first, w->v[i].last);
	if (w->n > shown && at < size)
		snprintf(buf + at, size - at, " and %u more", w->n - shown);
}

bool fl_iova_free(const struct fl_windows *w, const struct fl_span_set *used, uint64_t first,
		  uint64_t len)
{
	size_t i;

	if (!fl_windows_hold(w, first, len))
		return false;
	i = fl_span_at(used, first);
	return i == used->n || used->v[i].first > first + (len - 1);
}

/* Rounds up; false where that leaves the 64-bit space. */
static bool align_up(uint64_t v, uint64_t align, uint64_t *out)
{
	*out = fl_align_up(v, align);
	return *out >= v;
}

static bool lowest_in(const struct fl_iova_range *w, const struct fl_span_set *used, uint64_t len,
		      uint64_t align, uint64_t *first)
{
	/* 0 is what a zeroed descriptor holds: never given out unasked */
	uint64_t at = w->first ? w->first : 1;

	for (size_t i = fl_span_at(used, at);; i++) {
		if (!align_up(at, align, &at) || at > w->last || len - 1 > w->last - at)
			return false;
		while (i < used->n && used->v[i].last < at)
			i++;
		if (i == used->n || used->v[i].first > at + (len - 1))
			break;
		if (used->v[i].last == UINT64_MAX)
			return false;
		at = used->v[i].last + 1;
	}
	*first = at;
	return true;
}

int fl_iova_lowest(const struct fl_windows *w, const struct fl_span_set *used, uint64_t len,
		   uint64_t align, uint64_t *first)
{
	for (unsigned i = 0; i < w->n; i++)
		if (lowest_in(&w->v[i], used, len, align, first))
			return 0;
	return -ENOSPC;
}
