/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log of written pages. A domain reads it for a mapping as a whole and forgets it then (type1
 * does not cut one in two), while users ask area by area. So what was read stands with each area,
 * in pages of the granule that the space had when the log was started, until the user has read it.
 *
 * Under the space's lock, but for the four calls of fl_dma.h.
 */
#include "dma_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_LEAST 4096u

/* ---- bits ------------------------------------------------------------------------------ */

static size_t words_for(uint64_t bytes, uint64_t page)
{
	return ((bytes - 1) / page + 64) / 64;
}

static void set_bits(uint64_t *map, uint64_t first, uint64_t last)
{
	for (uint64_t n = first; n <= last; n++) {
		if (!(n & 63) && last - n >= 63) {
			map[n / 64] = ~0ull;
			n += 63;
		} else {
			map[n / 64] |= 1ull << (n & 63);
		}
	}
}

/* Whether one is set; all are cleared. */
static bool take_bits(uint64_t *map, uint64_t first, uint64_t count)
{
	uint64_t found = 0;

	for (uint64_t n = first; n < first + count; n++) {
		found |= map[n / 64] & 1ull << (n & 63);
		map[n / 64] &= ~(1ull << (n & 63));
	}
	return found;
}

/* ---- what stands with the areas -------------------------------------------------------- */

static int prepare_area(const struct fl_dma_space *s, struct fl_area *a)
{
	if (!a->dirty) {
		a->dirty = calloc(words_for(a->pub.len, s->dirty_page), sizeof(*a->dirty));
		if (!a->dirty)
			return -ENOMEM;
	}
	if (a->dirty_lost)
		set_bits(a->dirty, 0, (a->pub.len - 1) / s->dirty_page);
	a->dirty_lost = false;
	return 0;
}

void fl_dirty_lost(struct fl_dma_space *s, struct fl_run r)
{
	for (size_t i = r.first; s->dirty_page && i <= r.last && i < s->by_iova.n; i++)
		s->by_iova.v[i].area->dirty_lost = true;
}

void fl_dirty_lost_all(struct fl_dma_space *s)
{
	fl_dirty_lost(s, (struct fl_run){ 0, SIZE_MAX });
}

/* [iova, iova + len) was written to; what of it lies in the run's areas from *at on. */
static void mark(const struct fl_dma_space *s, struct fl_run r, size_t *at, uint64_t iova,
		 uint64_t len)
{
	const struct fl_span *v = s->by_iova.v;
	uint64_t last = iova + (len - 1);

	while (*at < r.last && v[*at].last < iova)
		++*at;
	for (size_t i = *at; i <= r.last && v[i].first <= last; i++) {
		uint64_t from = iova > v[i].first ? iova : v[i].first;
		uint64_t to = last < v[i].last ? last : v[i].last;

		if (from <= to)
			set_bits(v[i].area->dirty, (from - v[i].first) / s->dirty_page,
				 (to - v[i].first) / s->dirty_page);
	}
}

/* ---- one domain ------------------------------------------------------------------------ */

static int switch_log(struct fl_dma_domain *d, bool start)
{
	int rc;

	if (d->gone)
		return 0;
	rc = d->ops->dirty_log ? d->ops->dirty_log(d->arg, start) : -EOPNOTSUPP;
	if (rc < 0)
		fl_err(d->space->log, "dma", "%s: the log of written pages cannot be %s: %s",
		       d->ops->name, start ? "started" : "stopped",
		       rc == -EOPNOTSUPP ? "its IOMMU or kernel has none" : strerror(-rc));
	return rc < 0 ? rc : 0;
}

int fl_dirty_join(struct fl_dma_domain *d)
{
	return d->space->dirty_page ? switch_log(d, true) : 0;
}

static int collect_one(struct fl_dma_domain *d, struct fl_run r)
{
	struct fl_dma_mapping m = fl_run_mapping(d->space, r);
	size_t words = words_for(m.len, d->granule), at = r.first;
	uint64_t *map;
	int rc;

	/* where an area stands in windows, these come and go, and so do their logs */
	if (d->gone || (!d->faults && d->space->by_iova.v[r.first].area->posted))
		return 0;
	map = calloc(words, sizeof(*map));
	if (!map)
		return -ENOMEM;
	rc = d->ops->dirty_read(d->arg, m.iova, m.len, d->granule, map);
	for (size_t w = 0; rc >= 0 && w < words; w++) {
		for (uint64_t bits = map[w]; bits; bits &= bits - 1) {
			uint64_t off = (w * 64 + (unsigned)__builtin_ctzll(bits)) * d->granule;

			if (off < m.len)
				mark(d->space, r, &at, m.iova.v + off, d->granule);
		}
	}
	free(map);
	if (rc < 0)
		fl_err(d->space->log, "dma",
		       "%s: log of written pages, IOVA 0x%" PRIx64 " + 0x%" PRIx64 ": %s",
		       d->ops->name, m.iova.v, m.len, strerror(-rc));
	return rc < 0 ? rc : 0;
}

/* ---- all of them ----------------------------------------------------------------------- */

static void forget_all(struct fl_dma_space *s)
{
	for (size_t i = 0; i < s->by_iova.n; i++) {
		struct fl_area *a = s->by_iova.v[i].area;

		free(a->dirty);
		a->dirty = NULL;
		a->dirty_lost = false;
	}
	s->dirty_page = 0;
}

static int start(struct fl_dma_space *s)
{
	struct fl_dma_domain *d, *failed;
	int rc = 0;

	if (s->dirty_page)
		return -EALREADY;
	for (d = s->domains; d && !rc; d = rc ? d : d->next)
		rc = switch_log(d, true);
	failed = d;
	for (d = s->domains; rc && d != failed; d = d->next)
		(void)switch_log(d, false); /* said there */
	/* before there is a domain a byte would be a page */
	if (!rc)
		s->dirty_page = s->granule > PAGE_LEAST ? s->granule : PAGE_LEAST;
	return rc;
}

int fl_dma_dirty_start(struct fl_dma_space *s)
{
	int rc;

	pthread_mutex_lock(&s->lock);
	rc = start(s);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

int fl_dma_dirty_stop(struct fl_dma_space *s)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (!s->dirty_page)
		rc = -EALREADY;
	for (struct fl_dma_domain *d = s->domains; d && s->dirty_page; d = d->next) {
		int one = switch_log(d, false);

		rc = rc ? rc : one;
	}
	forget_all(s);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static bool is_posted_to(const struct fl_dma_space *s)
{
	const struct fl_dma_domain *d = s->domains;

	while (d && (d->gone || d->faults))
		d = d->next;
	return d;
}

/* Brings what the domains know of the area's run to its areas. */
static int collect(struct fl_dma_space *s, struct fl_area *a)
{
	struct fl_run r = fl_run_of(s, fl_span_at(&s->by_iova, a->pub.iova.v));
	int rc = 0;

	/* where it stands in windows, logs go with these */
	a->dirty_lost |= a->posted && is_posted_to(s);
	for (size_t i = r.first; i <= r.last && !rc; i++)
		rc = prepare_area(s, s->by_iova.v[i].area);
	for (struct fl_dma_domain *d = s->domains; d && !rc; d = d->next)
		rc = collect_one(d, r);
	return rc;
}

void fl_dma_dirty_save(struct fl_dma_space *s)
{
	struct fl_run r;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; s->dirty_page && i < s->by_iova.n; i = r.last + 1) {
		r = fl_run_of(s, i);
		if (collect(s, s->by_iova.v[i].area))
			fl_dirty_lost(s, r);
	}
	pthread_mutex_unlock(&s->lock);
}

static int read_part(struct fl_dma_space *s, struct fl_area *a, uint64_t off, uint64_t len,
		     uint64_t page, uint64_t *bitmap)
{
	uint64_t each;
	int rc;

	if (!s->dirty_page || !fl_is_pow2(page) || page < s->dirty_page || !len ||
	    (off | len) & (page - 1) || len > a->pub.len || off > a->pub.len - len) {
		fl_err(s->log, "dma",
		       "log of written pages: 0x%" PRIx64 " + 0x%" PRIx64 " in pages of %" PRIu64
		       ": %s",
		       off, len, page,
		       s->dirty_page ? "not whole pages of this area" : "it was not started");
		return -EINVAL;
	}
	rc = collect(s, a);
	if (rc)
		return rc;
	each = page / s->dirty_page;
	memset(bitmap, 0, words_for(len, page) * sizeof(*bitmap));
	for (uint64_t n = 0; n < len / page; n++)
		if (take_bits(a->dirty, off / s->dirty_page + n * each, each))
			bitmap[n / 64] |= 1ull << (n & 63);
	return 0;
}

int fl_dma_dirty_read(struct fl_dma_area *a, uint64_t off, uint64_t len, uint64_t page,
		      uint64_t *bitmap)
{
	int rc;

	pthread_mutex_lock(&a->space->lock);
	rc = read_part(a->space, (struct fl_area *)a, off, len, page, bitmap);
	pthread_mutex_unlock(&a->space->lock);
	return rc;
}
