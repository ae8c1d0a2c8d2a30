/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What was granted: a bitmap of pages for reading and one for writing, for each lazy area and each
 * domain that faults. It is what the domain was told, nothing else: a page whose bit is not set can
 * not be reached. Under the space's lock.
 *
 * A domain that pins what it is granted (and every one where the user set a budget) is bounded: the
 * windows are a clock, whose hand takes those that had no fault since it last came by. Pages that
 * were taken wrongly fault again; that is their only access bit.
 */
#include "dma_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW	     (2ull << 20) /* less where the budget is small, */
#define WINDOWS	     16u	  /* so that there are as many in it */
#define WINDOW_USED  0x8000u	  /* a fault was granted here since the hand came by */
#define WINDOW_COUNT 0x7fffu
#define TELL_NS	     1000000000ull

/* ---- bits ------------------------------------------------------------------------------- */

/* The bits of word `w` that stand for pages of [from, end), of which it holds at least one. */
static uint64_t mask(uint64_t w, uint64_t from, uint64_t end)
{
	uint64_t m = ~0ull;

	if (from > w * 64)
		m <<= from - w * 64;
	if (end - w * 64 < 64)
		m &= (1ull << (end - w * 64)) - 1;
	return m;
}

/* Those of word `w` that can be reached with all of `prot`. */
static uint64_t reachable(const struct fl_faulted *f, uint64_t w, unsigned prot)
{
	return (prot & FL_DMA_READ ? f->read[w] : ~0ull) &
	       (prot & FL_DMA_WRITE ? f->write[w] : ~0ull);
}

uint64_t fl_granted_next(const struct fl_faulted *f, uint64_t from, uint64_t end, unsigned prot,
			 bool can)
{
	for (uint64_t w = from / 64; from < end && w * 64 < end; w++) {
		uint64_t found = reachable(f, w, prot);

		found = (can ? found : ~found) & mask(w, from, end);
		if (found)
			return w * 64 + (unsigned)__builtin_ctzll(found);
	}
	return end;
}

uint64_t fl_granted_lacks(const struct fl_faulted *f, uint64_t from, uint64_t end)
{
	uint64_t n = 0;

	for (uint64_t w = from / 64; w * 64 < end; w++)
		n += (unsigned)__builtin_popcountll(mask(w, from, end) &
						    ~(f->read[w] | f->write[w]));
	return n << f->shift;
}

static void count_pages(struct fl_faulted *f, uint64_t w, int64_t n)
{
	f->windows[w * 64 / f->window_pages] += (uint16_t)n;
	f->reach += (uint64_t)n;
	f->domain->granted_bytes += (uint64_t)n << f->shift;
}

/* Returns how many could not be reached before. */
static uint64_t mark(struct fl_faulted *f, uint64_t from, uint64_t end, unsigned prot)
{
	uint64_t fresh = 0;

	for (uint64_t w = from / 64; w * 64 < end; w++) {
		const uint64_t m = mask(w, from, end), had = f->read[w] | f->write[w];
		const int n = __builtin_popcountll(m & ~had);

		if (prot & FL_DMA_WRITE)
			f->area->counts.upgrades +=
				(unsigned)__builtin_popcountll(m & f->read[w] & ~f->write[w]);
		f->read[w] |= prot & FL_DMA_READ ? m : 0;
		f->write[w] |= prot & FL_DMA_WRITE ? m : 0;
		count_pages(f, w, n);
		f->windows[w * 64 / f->window_pages] |= WINDOW_USED;
		fresh += (unsigned)n;
	}
	return fresh;
}

static void unmark(struct fl_faulted *f, uint64_t from, uint64_t end)
{
	for (uint64_t w = from / 64; from < end && w * 64 < end; w++) {
		const uint64_t m = mask(w, from, end);

		count_pages(f, w, -__builtin_popcountll(m & (f->read[w] | f->write[w])));
		f->read[w] &= ~m;
		f->write[w] &= ~m;
	}
}

/* Narrows [*from, *end) to what begins and ends with a page that can be reached; false: none. */
static bool trim(const struct fl_faulted *f, uint64_t *from, uint64_t *end)
{
	uint64_t first = *end, last = 0;

	for (uint64_t w = *from / 64; f->reach && *from < *end && w * 64 < *end; w++) {
		const uint64_t found = mask(w, *from, *end) & (f->read[w] | f->write[w]);

		if (found && first == *end)
			first = w * 64 + (unsigned)__builtin_ctzll(found);
		if (found)
			last = w * 64 + 63 - (unsigned)__builtin_clzll(found);
	}
	if (first == *end)
		return false;
	*from = first;
	*end = last + 1;
	return true;
}

/* ---- one domain and one area ------------------------------------------------------------ */

/* All domains look at an area in the same ones. */
static uint64_t window_of(const struct fl_area *a, uint64_t page)
{
	uint64_t window = a->faulted ? a->faulted->window : WINDOW;

	while (!a->faulted && window > a->pub.space->residency.budget / WINDOWS)
		window /= 2;
	return window > 64 * page ? window : 64 * page;
}

static struct fl_faulted *make(struct fl_dma_domain *d, struct fl_area *a)
{
	const uint64_t small = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t page = d->granule > small ? d->granule : small;
	const uint64_t pages = (a->pub.len + (page - 1)) / page, words = (pages + 63) / 64;
	const uint64_t window = window_of(a, page), window_pages = window / page;
	const uint64_t windows = (pages + window_pages - 1) / window_pages;
	/* as much of it as is never looked at stays unmapped */
	struct fl_faulted *f = calloc(1, sizeof(*f) + words * 16 + windows * sizeof(*f->windows));

	if (!f)
		return NULL;
	f->next = a->faulted;
	f->area = a;
	f->domain = d;
	f->shift = (unsigned)__builtin_ctzll(page);
	f->pages = pages;
	f->read = (uint64_t *)(f + 1);
	f->write = f->read + words;
	f->windows = (uint16_t *)(f->write + words);
	f->window = window;
	f->window_pages = window_pages;
	a->faulted = f;
	return f;
}

struct fl_faulted *fl_granted_find(const struct fl_dma_domain *d, const struct fl_area *a)
{
	struct fl_faulted *f = a->faulted;

	while (f && f->domain != d)
		f = f->next;
	return f;
}

struct fl_faulted *fl_granted_of(struct fl_dma_domain *d, struct fl_area *a)
{
	struct fl_faulted *f = fl_granted_find(d, a);

	return f ? f : make(d, a);
}

/* Pages [from, end) as the domain's ops take them. */
static struct fl_dma_mapping mapping(const struct fl_faulted *f, uint64_t from, uint64_t end,
				     unsigned prot)
{
	const struct fl_area *a = f->area;
	const uint64_t off = from << f->shift;

	return (struct fl_dma_mapping){
		.iova = fl_iova_add(a->pub.iova, off),
		.len = (end << f->shift) - off,
		.va = a->pub.va + off,
		.fd = a->fd,
		.fd_offset = a->fd_offset + off,
		.prot = prot,
	};
}

/* A device can make this fail as often as it likes: once a second is enough. */
static bool may_tell(struct fl_dma_domain *d)
{
	const uint64_t now = fl_now_ns();

	if (d->told_ns && now - d->told_ns < TELL_NS)
		return false;
	d->told_ns = now;
	return true;
}

int fl_granted_give(struct fl_faulted *f, uint64_t from, uint64_t end, unsigned prot,
		    uint64_t *fresh)
{
	const struct fl_dma_mapping m = mapping(f, from, end, prot);
	struct fl_dma_domain *d = f->domain;
	int rc = f->area->dead ? -EFAULT : d->ops->grant(d->arg, &m);

	if (rc < 0 && may_tell(d))
		fl_warn(d->space->log, "dma",
			"%s: IOVA 0x%" PRIx64 " + 0x%" PRIx64 " cannot be granted: %s",
			d->ops->name, m.iova.v, m.len, strerror(-rc));
	if (rc < 0)
		return fl_domain_said(d, rc);
	*fresh += mark(f, from, end, prot);
	return 0;
}

/* What of [from, end) was granted is taken back. A domain that is gone has lost it. */
static int take(struct fl_faulted *f, uint64_t from, uint64_t end)
{
	struct fl_dma_domain *d = f->domain;
	struct fl_dma_mapping m;
	int rc;

	if (!trim(f, &from, &end))
		return 0;
	m = mapping(f, from, end, 0);
	rc = d->gone ? 0 : fl_domain_said(d, d->ops->revoke(d->arg, m.iova, m.len));
	if (rc < 0 && rc != -ENODEV) {
		if (may_tell(d))
			fl_err(d->space->log, "dma",
			       "%s: IOVA 0x%" PRIx64 " + 0x%" PRIx64 " cannot be taken back: %s",
			       d->ops->name, m.iova.v, m.len, strerror(-rc));
		return rc;
	}
	unmark(f, from, end);
	return 0;
}

void fl_dma_domain_lost(struct fl_dma_domain *d, fl_iova_t iova, uint64_t len)
{
	struct fl_area *a = fl_area_at(d->space, iova);
	struct fl_faulted *f = a ? fl_granted_find(d, a) : NULL;
	uint64_t off = f ? iova.v - a->pub.iova.v : 0;

	if (f)
		unmark(f, off >> f->shift, (off + len) >> f->shift);
}

static void forget(struct fl_faulted **at)
{
	struct fl_faulted *f = *at;

	*at = f->next;
	f->domain->granted_bytes -= f->reach << f->shift;
	free(f);
}

void fl_fault_forget(struct fl_dma_domain *d, struct fl_area *a)
{
	const struct fl_span_set *set = &d->space->by_iova;

	for (size_t i = 0; !a && i < set->n; i++)
		fl_fault_forget(d, set->v[i].area);
	for (struct fl_faulted **f = a ? &a->faulted : NULL; f && *f;)
		if ((*f)->domain == d)
			forget(f);
		else
			f = &(*f)->next;
}

void fl_fault_free(struct fl_area *a)
{
	while (a->faulted)
		forget(&a->faulted);
}

/* ---- the budget --------------------------------------------------------------------------- */

bool fl_granted_bounded(const struct fl_dma_domain *d)
{
	return d->pins || d->space->budget_set;
}

/* What is pinned comes on top of the budget; each such domain has it. */
uint64_t fl_granted_bytes(const struct fl_dma_space *s)
{
	uint64_t n = 0;

	for (const struct fl_dma_domain *d = s->domains; d; d = d->next)
		if (!d->gone && fl_granted_bounded(d) && d->granted_bytes > s->kept_bytes)
			n += d->granted_bytes - s->kept_bytes;
	return n;
}

/* Takes what is not pinned of a window; whether that was anything. */
static bool take_unpinned(struct fl_faulted *f, uint64_t from, uint64_t end)
{
	const struct fl_pins *pins = &f->area->pins;
	const uint64_t before = f->reach;
	int rc = 0;

	/* pins are of whole pages */
	for (size_t i = 0; i < pins->n && from < end && !rc; i++) {
		const uint64_t first = pins->v[i].first >> f->shift;
		const uint64_t last = pins->v[i].last >> f->shift;

		if (last < from)
			continue;
		rc = take(f, from, first < end ? first : end);
		from = last + 1;
	}
	if (from < end && !rc)
		(void)take(f, from, end);
	return f->reach < before;
}

/* Looks at the window at byte `off`: gives it a second chance, or takes it (true). */
static bool evict_window(struct fl_faulted *f, uint64_t off)
{
	const uint64_t w = (off >> f->shift) / f->window_pages, from = w * f->window_pages;
	const uint64_t end = from + f->window_pages < f->pages ? from + f->window_pages : f->pages;
	const bool used = f->windows[w] & WINDOW_USED;

	f->windows[w] &= WINDOW_COUNT;
	if (used || !f->windows[w] || !fl_granted_bounded(f->domain) || f->domain->gone ||
	    !take_unpinned(f, from, end))
		return false;
	f->area->counts.evictions++;
	return true;
}

/* From *off on in an area; true: at *off one was. */
static bool evict_in(const struct fl_area *a, uint64_t *off)
{
	bool any = false;

	for (const struct fl_faulted *f = a->faulted; f; f = f->next)
		any |= f->reach != 0;
	for (; any && *off < a->pub.len; *off += a->faulted->window)
		for (struct fl_faulted *f = a->faulted; f; f = f->next)
			if (evict_window(f, *off))
				return true;
	return false;
}

/* One window goes; two turns of the hand find one, if there is any. */
static bool evict(struct fl_dma_space *s)
{
	const struct fl_span *v = s->by_iova.v;
	const size_t n = s->by_iova.n;
	size_t i = fl_span_at(&s->by_iova, s->hand);

	for (size_t k = 0; n && k < 2 * n + 2; k++, i++) {
		uint64_t off = 0;

		if (i >= n)
			s->hand = i = 0;
		if (s->hand > v[i].first)
			off = s->hand - v[i].first;
		s->hand = v[i].first;
		if (evict_in(v[i].area, &off)) {
			s->hand = v[i].first + off;
			return true;
		}
	}
	return false;
}

bool fl_granted_evict(struct fl_dma_space *s, uint64_t bytes)
{
	const uint64_t before = fl_granted_bytes(s);

	while (before - fl_granted_bytes(s) < bytes)
		if (!evict(s))
			return false;
	return true;
}

/* ---- ranges, in every domain ---------------------------------------------------------------- */

static bool grants(const struct fl_dma_domain *d)
{
	return d->faults && !d->resolves && !d->gone;
}

static uint64_t page_up(const struct fl_faulted *f, uint64_t bytes)
{
	return (bytes + ((1ull << f->shift) - 1)) >> f->shift;
}

/* Grants what of a range cannot be reached yet; room is made a window at a time. */
static int give_range(struct fl_dma_domain *d, struct fl_area *a, uint64_t off, uint64_t len,
		      unsigned prot, uint64_t *fresh)
{
	const bool bounded = fl_granted_bounded(d) && !fl_pins_all(&a->pins, off, len);
	struct fl_faulted *f = fl_granted_of(d, a);
	uint64_t end, step, at;
	int rc = 0;

	/* else its end would push out its beginning */
	if (!f || (bounded && len > d->space->residency.budget))
		return -ENOMEM;
	end = page_up(f, off + len);
	step = bounded ? f->window_pages : f->pages;
	at = fl_granted_next(f, off >> f->shift, end, prot, false);
	while (!rc && at < end) {
		uint64_t last = end - at > step ? at + step : end;

		last = fl_granted_next(f, at, last, prot, true);
		if (bounded)
			rc = fl_budget_room(d->space, fl_granted_lacks(f, at, last));
		rc = rc ? rc : fl_granted_give(f, at, last, prot, fresh);
		at = fl_granted_next(f, last, end, prot, false);
	}
	return rc;
}

int fl_fault_range(struct fl_area *a, uint64_t off, uint64_t len, enum fl_prefault how,
		   uint64_t *pages)
{
	const unsigned prot = how == FL_PREFAULT_READ ? FL_DMA_READ : a->pub.prot;
	int rc = 0;

	for (struct fl_dma_domain *d = a->pub.space->domains; d && !rc; d = d->next)
		if (grants(d)) {
			rc = give_range(d, a, off, len, prot, pages);
			rc = d->gone ? 0 : rc;
		}
	return rc;
}

int fl_fault_revoke(struct fl_area *a, uint64_t off, uint64_t len)
{
	int rc = 0;

	for (struct fl_faulted *f = a->faulted; f; f = f->next) {
		int one = take(f, off >> f->shift, page_up(f, off + len));

		rc = rc ? rc : one;
	}
	return rc;
}

/* ---- turning ------------------------------------------------------------------------------ */

static int convert_one(struct fl_dma_domain *d, struct fl_area *a, enum fl_residency to)
{
	const struct fl_dma_mapping m = {
		.iova = a->pub.iova,
		.len = a->pub.len,
		.va = a->pub.va,
		.fd = a->fd,
		.fd_offset = a->fd_offset,
		.prot = a->pub.prot,
		.lazy = to == FL_LAZY,
	};
	int rc;

	if (!d->faults || d->gone)
		return 0;
	if (d->resolves)
		return fl_resolved_convert(d, a, to);
	/* with what was mapped the log of it goes */
	a->dirty_lost |= d->space->dirty_page != 0;
	rc = d->ops->convert ? d->ops->convert(d->arg, &m) : -EOPNOTSUPP;
	if (rc < 0) {
		fl_err(d->space->log, "dma", "%s: area %p cannot turn %s: %s", d->ops->name, m.va,
		       m.lazy ? "lazy" : "pinned", strerror(-rc));
		/* one that is gone is none that refuses */
		return fl_domain_said(d, rc) == -ENODEV ? 0 : rc;
	}
	fl_fault_forget(d, a);
	return 0;
}

int fl_fault_convert(struct fl_area *a, enum fl_residency to)
{
	const enum fl_residency from = to == FL_LAZY ? FL_PINNED : FL_LAZY;
	struct fl_dma_domain *d = a->pub.space->domains, *failed;
	int rc = 0;

	for (; d && !rc; d = rc ? d : d->next)
		rc = convert_one(d, a, to);
	failed = d;
	for (d = a->pub.space->domains; rc && d != failed; d = d->next)
		(void)convert_one(d, a, from); /* said there */
	return rc;
}

/* ---- asking ------------------------------------------------------------------------------- */

/* Whether a byte can be reached in a domain that faults (pins: in one that pins). */
static bool reached(const struct fl_area *a, uint64_t off, bool pins)
{
	for (const struct fl_faulted *f = a->faulted; f; f = f->next) {
		const uint64_t p = off >> f->shift;

		if (!f->domain->gone && (f->domain->pins || !pins) &&
		    ((f->read[p / 64] | f->write[p / 64]) >> (p & 63) & 1))
			return true;
	}
	return false;
}

uint64_t fl_fault_mapped(const struct fl_area *a, bool pins, const uint8_t *windows)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const struct fl_faulted *only = NULL;
	uint64_t bytes = 0;
	unsigned n = 0;

	for (const struct fl_faulted *f = a->faulted; f; f = f->next)
		if (f->reach && !f->domain->gone && (f->domain->pins || !pins)) {
			only = f;
			n++;
		}
	if (!n || (n == 1 && !windows))
		return n ? only->reach << only->shift : 0;
	for (uint64_t off = 0; off < a->pub.len; off += page)
		if (!(windows && windows[off >> a->pub.window_shift]) && reached(a, off, pins))
			bytes += page;
	return bytes;
}
