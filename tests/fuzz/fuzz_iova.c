/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The IOVA allocator against a bitmap. A universe of 256 units stands at the bottom of the 64-bit
 * space, across 4 GiB, or at its very top; a unit is a byte or a page. Input: one byte that picks
 * both and whether windows begin there, two lists of windows (lengths of runs, by turns outside
 * and inside, ended by 0), then operations of three bytes. tests/unit/iova_test.c feeds it random
 * bytes.
 */
#include <dma_internal.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNITS 256u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p;
	size_t left;
};

struct model {
	uint64_t base, unit;
	bool valid[UNITS];
	uint8_t owner[UNITS]; /* 0 = free */
	struct fl_windows windows;
	struct fl_span_set used;
};

static void demand(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "iova: %s\n", what);
	abort();
}

static unsigned next_byte(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

static uint64_t addr(const struct model *m, unsigned unit)
{
	return m->base + unit * m->unit;
}

static void read_bitmap(struct input *in, bool inside, bool *valid)
{
	unsigned at = 0, run;

	memset(valid, 0, UNITS * sizeof(*valid));
	while (at < UNITS && (run = next_byte(in))) {
		for (; run && at < UNITS; run--)
			valid[at++] = inside;
		inside = !inside;
	}
}

static struct fl_windows windows_of(const struct model *m, const bool *valid)
{
	struct fl_windows w = { .v = calloc(UNITS, sizeof(*w.v)) };

	demand(w.v != NULL, "out of memory");
	for (unsigned i = 0; i < UNITS; i++) {
		if (!valid[i])
			continue;
		if (!i || !valid[i - 1])
			w.v[w.n++].first = addr(m, i);
		w.v[w.n - 1].last = addr(m, i) + (m->unit - 1);
	}
	return w;
}

static void set_up(struct input *in, struct model *m)
{
	const unsigned how = next_byte(in);
	bool a[UNITS], b[UNITS];
	struct fl_windows wa, wb, both;

	m->unit = how & 1 ? 1 : 4096;
	m->base =
		how & 2 ? (how & 4 ? 0 - UNITS * m->unit : (1ull << 32) - UNITS / 2 * m->unit) : 0;
	read_bitmap(in, how & 8, a);
	read_bitmap(in, how & 8, b);
	for (unsigned i = 0; i < UNITS; i++)
		m->valid[i] = a[i] && b[i];
	wa = windows_of(m, a);
	wb = windows_of(m, b);
	both = windows_of(m, m->valid);
	demand(!fl_windows_meet(&wa, &wb, &m->windows), "meet fails");
	demand(m->windows.n == both.n && !memcmp(m->windows.v, both.v, both.n * sizeof(*both.v)),
	       "meet is not the intersection");
	free(wa.v);
	free(wb.v);
	free(both.v);
}

static bool range_is(const struct model *m, unsigned at, unsigned n, bool want_free)
{
	if (at + n > UNITS)
		return false;
	for (unsigned i = at; i < at + n; i++)
		if (!m->valid[i] || (want_free && m->owner[i]))
			return false;
	return true;
}

static void check_lowest(const struct model *m, unsigned n, unsigned shift)
{
	uint64_t align = m->unit << shift, got = 0;
	unsigned at = 0;
	int rc = fl_iova_lowest(&m->windows, &m->used, n * m->unit, align, &got);

	while (at < UNITS &&
	       (!addr(m, at) || addr(m, at) & (align - 1) || !range_is(m, at, n, true)))
		at++;
	if (at == UNITS)
		demand(rc == -ENOSPC, "a place where there is none");
	else
		demand(!rc && got == addr(m, at), "not the lowest place");
}

static void check_add(struct model *m, unsigned at, unsigned n, uint8_t owner)
{
	struct fl_span span = { addr(m, at), addr(m, at + n - 1) + (m->unit - 1), NULL };
	bool overlaps = false;
	size_t index;
	int rc;

	for (unsigned i = at; i < at + n; i++)
		overlaps |= m->owner[i] != 0;
	rc = fl_span_add(&m->used, span, &index);
	demand(rc == (overlaps ? -EEXIST : 0), "add and overlap do not agree");
	if (!rc) {
		demand(m->used.v[index].first == span.first, "add tells another index");
		memset(&m->owner[at], owner, n);
	}
}

static void check_del(struct model *m, unsigned at)
{
	size_t i = fl_span_at(&m->used, addr(m, at));

	if (!m->owner[at]) {
		demand(i == m->used.n || m->used.v[i].first > addr(m, at), "a span where none is");
		return;
	}
	demand(i < m->used.n && m->used.v[i].first <= addr(m, at), "a span is not found");
	for (unsigned u = 0; u < UNITS; u++)
		if (addr(m, u) >= m->used.v[i].first && addr(m, u) <= m->used.v[i].last)
			m->owner[u] = 0;
	fl_span_del(&m->used, i);
}

static void check_sorted(const struct model *m)
{
	for (size_t i = 1; i < m->used.n; i++)
		demand(m->used.v[i - 1].last < m->used.v[i].first,
		       "spans overlap or are not sorted");
}

static void step(struct input *in, struct model *m)
{
	const unsigned op = next_byte(in), at = next_byte(in);
	unsigned n = next_byte(in) % 64 + 1;

	switch (op % 4) {
	case 0:
		check_lowest(m, n, at % 8);
		break;
	case 1:
		n = at + n > UNITS ? UNITS - at : n;
		check_add(m, at, n, (uint8_t)(op | 1));
		check_sorted(m);
		break;
	case 2:
		check_del(m, at);
		break;
	case 3:
		/* may reach beyond the universe, and beyond the 64-bit space */
		demand(fl_windows_hold(&m->windows, addr(m, at), n * m->unit) ==
			       range_is(m, at, n, false),
		       "hold");
		demand(fl_iova_free(&m->windows, &m->used, addr(m, at), n * m->unit) ==
			       range_is(m, at, n, true),
		       "free");
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct model m = { 0 };
	char text[64];

	set_up(&in, &m);
	fl_windows_text(&m.windows, text, sizeof(text));
	demand(strlen(text) < sizeof(text), "text");
	while (in.left)
		step(&in, &m);
	free(m.windows.v);
	free(m.used.v);
	return 0;
}
