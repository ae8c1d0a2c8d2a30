/* SPDX-License-Identifier: BSD-3-Clause */
/* Spaces and their areas: map, unmap, look up. */
#include "dma_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- runs --------------------------------------------------------------------------------- */

static bool joins(const struct fl_area *a, const struct fl_area *b)
{
	if (!(a->flags & b->flags & FL_DMA_JOIN) || a->pub.residency != FL_PINNED ||
	    a->pub.va + a->pub.len != b->pub.va || a->pub.iova.v + a->pub.len != b->pub.iova.v ||
	    a->pub.prot != b->pub.prot || a->pub.residency != b->pub.residency)
		return false;
	if (a->fd < 0 || b->fd < 0)
		return a->fd < 0 && b->fd < 0;
	return a->dev == b->dev && a->inode == b->inode &&
	       a->fd_offset + a->pub.len == b->fd_offset;
}

struct fl_run fl_run_of(const struct fl_dma_space *s, size_t index)
{
	const struct fl_span *v = s->by_iova.v;
	struct fl_run r = { index, index };

	while (r.first > 0 && joins(v[r.first - 1].area, v[r.first].area))
		r.first--;
	while (r.last + 1 < s->by_iova.n && joins(v[r.last].area, v[r.last + 1].area))
		r.last++;
	return r;
}

size_t fl_run_count(const struct fl_dma_space *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->by_iova.n; i = fl_run_of(s, i).last + 1)
		n++;
	return n;
}

struct fl_dma_mapping fl_run_mapping(const struct fl_dma_space *s, struct fl_run r)
{
	const struct fl_area *a = s->by_iova.v[r.first].area;

	return (struct fl_dma_mapping){
		.iova = a->pub.iova,
		.len = s->by_iova.v[r.last].last - a->pub.iova.v + 1,
		.va = a->pub.va,
		.fd = a->fd,
		.fd_offset = a->fd_offset,
		.prot = a->pub.prot,
		.lazy = a->pub.residency == FL_LAZY,
	};
}

struct fl_area *fl_area_at(const struct fl_dma_space *s, fl_iova_t iova)
{
	size_t i = fl_span_at(&s->by_iova, iova.v);

	return i < s->by_iova.n && s->by_iova.v[i].first <= iova.v ? s->by_iova.v[i].area : NULL;
}

/* ---- spaces ------------------------------------------------------------------------------- */

int fl_dma_space_create(const struct fl_log *log, struct fl_dma_space **out)
{
	struct fl_dma_space *s = calloc(1, sizeof(*s));
	struct fl_iova_range *user = malloc(sizeof(*user));

	if (!s || !user)
		goto no_memory;
	/* before there is a domain: where user addresses of every machine lie */
	*user = (struct fl_iova_range){ 0, (1ull << 48) - 1 };
	s->left = (struct fl_dma_domain){ .windows = { user, 1 }, .granule = 1 };
	s->log = log;
	s->limit = UINT64_MAX;
	fl_residency_init(s);
	if (fl_domains_refresh(s) || fl_poster_create(s))
		goto no_memory;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->discarded, NULL);
	*out = s;
	return 0;

no_memory:
	if (s)
		free(s->windows.v);
	free(user);
	free(s);
	return -ENOMEM;
}

int fl_dma_space_destroy(struct fl_dma_space *s)
{
	if (!s)
		return 0;
	if (s->by_iova.n || s->domains) {
		fl_err(s->log, "dma", "space is in use: %zu areas mapped%s", s->by_iova.n,
		       s->domains ? ", devices open" : "");
		return -EBUSY;
	}
	pthread_cond_destroy(&s->discarded);
	fl_watch_stop(s);
	pthread_mutex_destroy(&s->lock);
	fl_poster_destroy(s);
	free(s->by_iova.v);
	free(s->by_va.v);
	free(s->windows.v);
	free(s->left.windows.v);
	free(s);
	return 0;
}

/* ---- map ---------------------------------------------------------------------------------- */

static int check_opts(const struct fl_dma_space *s, const struct fl_dma_opts *o)
{
	if ((unsigned)o->residency > FL_AUTO || (o->prot & ~FL_DMA_RW) ||
	    (o->flags & ~FL_DMA_JOIN)) {
		fl_err(s->log, "dma", "unknown residency %d, prot 0x%x or flags 0x%x",
		       (int)o->residency, o->prot, o->flags);
		return -EINVAL;
	}
	return 0;
}

/* A device without IOMMU reaches all there is: nothing can come and go. */
static int choose_residency(struct fl_dma_space *s, struct fl_area *a, const struct fl_dma_opts *o)
{
	bool physical = fl_domains_page(s) != 0;

	a->pub.residency = FL_PINNED;
	if (o->residency == FL_PINNED || (o->residency == FL_AUTO && physical))
		return 0;
	if (physical) {
		fl_err(s->log, "dma",
		       "no lazy area: a device without IOMMU finds memory where it is and must find it there: use pinned or auto");
		return -EOPNOTSUPP;
	}
	a->pub.residency = FL_LAZY;
	return fl_post_add(a, false);
}

static int area_new(struct fl_dma_space *s, struct fl_mem *mem, const struct fl_dma_opts *o,
		    struct fl_area **out)
{
	struct fl_mem_info i;
	struct fl_area *a;
	struct stat st;

	fl_mem_info(mem, &i);
	if (i.fd >= 0 && fstat(i.fd, &st)) {
		int rc = -errno;

		fl_err(s->log, "dma", "file of the memory at %p: %s", i.va, strerror(-rc));
		return rc;
	}
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->pub = (struct fl_dma_area){ .va = i.va,
				       .len = i.len,
				       .residency = FL_PINNED,
				       .prot = o->prot ? o->prot : FL_DMA_RW,
				       .space = s,
				       .mem = mem };
	a->flags = o->flags;
	a->page_size = i.page_size;
	a->fd = i.fd;
	if (i.fd >= 0) {
		a->fd_offset = i.fd_offset;
		a->dev = st.st_dev;
		a->inode = st.st_ino;
	}
	*out = a;
	return 0;
}

/* The caller's own choice: taken as it is or refused. */
static int check_iova(const struct fl_dma_space *s, const struct fl_area *a, uint64_t iova)
{
	char windows[512];

	if (iova & (s->granule - 1)) {
		fl_err(s->log, "dma",
		       "IOVA 0x%" PRIx64 " is not a multiple of %" PRIu64
		       ", the smallest page of every device",
		       iova, s->granule);
		return -EINVAL;
	}
	if (!fl_windows_hold(&s->windows, iova, a->pub.len)) {
		fl_windows_text(&s->windows, windows, sizeof(windows));
		fl_err(s->log, "dma",
		       "IOVA 0x%" PRIx64 " + 0x%" PRIx64 " is not allowed; valid windows: %s", iova,
		       a->pub.len, windows);
		return -EINVAL;
	}
	if (!fl_iova_free(&s->windows, &s->by_iova, iova, a->pub.len)) {
		fl_err(s->log, "dma", "IOVA 0x%" PRIx64 " + 0x%" PRIx64 " overlaps another area",
		       iova, a->pub.len);
		return -EEXIST;
	}
	return 0;
}

static bool fits(const struct fl_dma_space *s, const struct fl_area *a, uint64_t iova)
{
	return iova && !(iova & (s->granule - 1)) &&
	       fl_iova_free(&s->windows, &s->by_iova, iova, a->pub.len);
}

/* An IOVA next to a neighbour in VA that it would join, so that they can share an entry. */
static bool beside_neighbour(const struct fl_dma_space *s, struct fl_area *a)
{
	const struct fl_span_set *set = &s->by_va;
	size_t i = fl_span_at(set, (uintptr_t)a->pub.va);

	if (i > 0) {
		const struct fl_area *left = set->v[i - 1].area;

		a->pub.iova = fl_iova_add(left->pub.iova, left->pub.len);
		if (joins(left, a) && fits(s, a, a->pub.iova.v))
			return true;
	}
	if (i < set->n) {
		const struct fl_area *right = set->v[i].area;

		a->pub.iova = fl_iova(right->pub.iova.v - a->pub.len);
		if (joins(a, right) && fits(s, a, a->pub.iova.v))
			return true;
	}
	return false;
}

static int choose_iova(const struct fl_dma_space *s, struct fl_area *a)
{
	const uint64_t best = a->page_size > s->granule ? a->page_size : s->granule;
	char windows[512];
	int rc;

	if (beside_neighbour(s, a))
		return 0;
	a->pub.iova = fl_iova((uintptr_t)a->pub.va);
	if (fits(s, a, a->pub.iova.v))
		return 0;
	rc = fl_iova_lowest(&s->windows, &s->by_iova, a->pub.len, best, &a->pub.iova.v);
	/* a worse alignment costs the IOMMU some entries, no place at all costs the caller more */
	if (rc && best > s->granule)
		rc = fl_iova_lowest(&s->windows, &s->by_iova, a->pub.len, s->granule,
				    &a->pub.iova.v);
	if (rc) {
		fl_windows_text(&s->windows, windows, sizeof(windows));
		fl_err(s->log, "dma", "no IOVA is free for 0x%" PRIx64 " bytes; valid windows: %s",
		       a->pub.len, windows);
	}
	return rc;
}

static int check_va(const struct fl_dma_space *s, const struct fl_area *a)
{
	uint64_t first = (uintptr_t)a->pub.va;
	size_t i = fl_span_at(&s->by_va, first);

	if ((first | a->pub.len) & (s->granule - 1)) {
		fl_err(s->log, "dma",
		       "memory %p + 0x%" PRIx64 " does not begin and end on pages of %" PRIu64
		       " bytes, as a device here needs",
		       (void *)a->pub.va, a->pub.len, s->granule);
		return -EINVAL;
	}
	if (i < s->by_va.n && s->by_va.v[i].first <= first + (a->pub.len - 1)) {
		const struct fl_dma_area *b = &s->by_va.v[i].area->pub;

		fl_err(s->log, "dma", "memory %p + 0x%" PRIx64 " overlaps the area %p + 0x%" PRIx64,
		       (void *)a->pub.va, a->pub.len, (void *)b->va, b->len);
		return -EEXIST;
	}
	return 0;
}

static bool is_chosen(fl_iova_t iova)
{
	return iova.v != 0 && iova.v != FL_IOVA_BAD_V;
}

/* Without IOMMU: where the memory is, and nowhere else. */
static int place_physical(struct fl_dma_space *s, struct fl_area *a, fl_iova_t wanted)
{
	int rc = fl_domains_locate(s, a, &a->pub.iova);

	if (!rc)
		rc = check_va(s, a);
	if (rc)
		return rc;
	if (!is_chosen(wanted) || wanted.v == a->pub.iova.v)
		return check_iova(s, a, a->pub.iova.v);
	fl_err(s->log, "dma",
	       "IOVA 0x%" PRIx64
	       " cannot be had: a device without IOMMU finds memory where it is, at 0x%" PRIx64,
	       wanted.v, a->pub.iova.v);
	return -EINVAL;
}

static int place(struct fl_dma_space *s, struct fl_area *a, const struct fl_dma_opts *o)
{
	int rc;

	if (fl_domains_page(s))
		return place_physical(s, a, o->iova);
	rc = check_va(s, a);
	if (rc)
		return rc;
	if (!is_chosen(o->iova))
		return choose_iova(s, a);
	a->pub.iova = o->iova;
	return check_iova(s, a, o->iova.v);
}

static void free_area(struct fl_area *a)
{
	fl_post_free(a);
	fl_fault_free(a);
	free(a->pins.v);
	free(a->dirty);
	free(a);
}

static size_t index_of(const struct fl_dma_space *s, const struct fl_area *a)
{
	return fl_span_at(&s->by_iova, a->pub.iova.v);
}

static void forget(struct fl_dma_space *s, struct fl_area *a)
{
	fl_span_del(&s->by_iova, index_of(s, a));
	fl_span_del(&s->by_va, fl_span_at(&s->by_va, (uintptr_t)a->pub.va));
	s->owned_bytes -= a->pub.len;
	s->lazy_bytes -= a->pub.residency == FL_LAZY ? a->pub.len : 0;
}

static int remember(struct fl_dma_space *s, struct fl_area *a, size_t *index)
{
	uint64_t va = (uintptr_t)a->pub.va, len = a->pub.len;
	struct fl_span by_iova = { a->pub.iova.v, a->pub.iova.v + (len - 1), a };
	struct fl_span by_va = { va, va + (len - 1), a };
	size_t unused;
	int rc;

	rc = fl_span_add(&s->by_iova, by_iova, index);
	if (rc)
		return rc;
	rc = fl_span_add(&s->by_va, by_va, &unused);
	if (rc) {
		fl_span_del(&s->by_iova, *index);
		return rc;
	}
	s->owned_bytes += len;
	s->lazy_bytes += a->pub.residency == FL_LAZY ? len : 0;
	return 0;
}

/* What stands beside the area at `index` in its run; with the run itself, a join or a split. */
static unsigned sides_of(const struct fl_dma_space *s, size_t index, struct fl_run r,
			 struct fl_dma_mapping sides[2])
{
	unsigned n = 0;

	if (r.first < index)
		sides[n++] = fl_run_mapping(s, (struct fl_run){ r.first, index - 1 });
	if (r.last > index)
		sides[n++] = fl_run_mapping(s, (struct fl_run){ index + 1, r.last });
	return n;
}

static int map_area(struct fl_dma_space *s, struct fl_area *a, const struct fl_dma_opts *o)
{
	struct fl_change c = { .nto = 1 };
	struct fl_run r;
	size_t index;
	int rc, noted;

	rc = fl_domains_refresh(s);
	if (!rc)
		rc = choose_residency(s, a, o);
	if (!rc)
		rc = place(s, a, o);
	if (!rc)
		rc = remember(s, a, &index);
	if (rc)
		return rc;
	r = fl_run_of(s, index);
	c.nfrom = sides_of(s, index, r, c.from);
	c.to[0] = fl_run_mapping(s, r);
	rc = fl_domains_admit(s, 1 - (int64_t)c.nfrom, c.to[0].lazy ? 0 : a->pub.len);
	if (!rc && c.nfrom)
		fl_dirty_lost(s, r);
	if (!rc && s->residency.watch && a->pub.residency == FL_LAZY)
		rc = fl_watch_add(a);
	if (!rc)
		rc = fl_domains_change(s, &c, &noted);
	if (rc) {
		fl_watch_del(a);
		forget(s, a);
	}
	return rc;
}

int fl_dma_map(struct fl_dma_space *s, struct fl_mem *mem, const struct fl_dma_opts *opts,
	       struct fl_dma_area **out)
{
	static const struct fl_dma_opts defaults;
	const struct fl_dma_opts *o = opts ? opts : &defaults;
	struct fl_area *a = NULL;
	int rc;

	rc = check_opts(s, o);
	if (!rc)
		rc = area_new(s, mem, o, &a);
	if (rc)
		return rc;
	pthread_mutex_lock(&s->lock);
	rc = map_area(s, a, o);
	if (rc)
		free_area(a);
	else
		*out = &a->pub;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* ---- unmap -------------------------------------------------------------------------------- */

static int unmap_area(struct fl_dma_space *s, struct fl_area *a)
{
	struct fl_change c = { .nfrom = 1, .unmaps = true };
	size_t index = index_of(s, a);
	struct fl_run r = fl_run_of(s, index);
	int rc = 0, noted, windows;

	c.from[0] = fl_run_mapping(s, r);
	c.nto = sides_of(s, index, r, c.to);
	fl_dirty_lost(s, r);
	if (!c.nto) {
		windows = a->posted ? fl_post_drop(a) : 0;
		noted = fl_domains_unmap(s, &c.from[0]);
		noted = noted ? noted : windows;
	} else if (fl_domains_change(s, &c, &noted)) {
		fl_err(s->log, "dma", "area %p stays mapped: its run could not be split",
		       (void *)a->pub.va);
		rc = -EAGAIN;
	}
	if (rc)
		return rc;
	fl_watch_del(a);
	forget(s, a);
	fl_residency_gone(s, a);
	free_area(a);
	return noted;
}

int fl_dma_unmap(struct fl_dma_area *pub)
{
	struct fl_dma_space *s;
	int rc;

	if (!pub)
		return 0;
	s = pub->space;
	pthread_mutex_lock(&s->lock);
	while (((struct fl_area *)pub)->discards)
		pthread_cond_wait(&s->discarded, &s->lock);
	rc = unmap_area(s, (struct fl_area *)pub);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* ---- look-ups ----------------------------------------------------------------------------- */

struct fl_dma_area *fl_dma_find(struct fl_dma_space *s, const void *va, uint64_t len)
{
	uint64_t first = (uintptr_t)va;
	struct fl_dma_area *found = NULL;
	size_t i;

	if (!len)
		return NULL;
	pthread_mutex_lock(&s->lock);
	i = fl_span_at(&s->by_va, first);
	if (i < s->by_va.n && s->by_va.v[i].first <= first && len - 1 <= s->by_va.v[i].last - first)
		found = &s->by_va.v[i].area->pub;
	pthread_mutex_unlock(&s->lock);
	return found;
}

int fl_dma_for_each(struct fl_dma_space *s, int (*fn)(const struct fl_dma_area *a, void *arg),
		    void *arg)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->by_iova.n && !rc; i++)
		rc = fn(&s->by_iova.v[i].area->pub, arg);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

unsigned fl_dma_windows(struct fl_dma_space *s, struct fl_iova_range *out, unsigned max)
{
	unsigned n;

	pthread_mutex_lock(&s->lock);
	n = s->windows.n;
	for (unsigned i = 0; i < n && i < max; i++)
		out[i] = s->windows.v[i];
	pthread_mutex_unlock(&s->lock);
	return n;
}

void fl_dma_stats(struct fl_dma_space *s, struct fl_dma_stats *out)
{
	struct fl_residency_stats st;
	uint64_t pinned;
	bool live = false, pins = false;

	pthread_mutex_lock(&s->lock);
	pinned = s->owned_bytes - s->lazy_bytes;
	*out = (struct fl_dma_stats){
		.areas = s->by_iova.n,
		.owned_bytes = s->owned_bytes,
		.maps = s->maps,
		.unmaps = s->unmaps,
		.map_errors = s->map_errors,
		.unmap_errors = s->unmap_errors,
		.replays = s->replays,
	};
	for (const struct fl_dma_domain *d = s->domains; d; d = d->next) {
		out->domains++;
		live |= !d->gone;
		pins |= !d->gone && d->pins;
	}
	if (live) {
		out->mapped_bytes = pinned;
		out->entries = fl_run_count(s);
	}
	if (pins)
		out->pinned_bytes = pinned;
	for (size_t i = 0; s->lazy_bytes && i < s->by_iova.n; i++) {
		if (s->by_iova.v[i].area->pub.residency != FL_LAZY)
			continue;
		st = fl_residency_of(s->by_iova.v[i].area);
		out->mapped_bytes += st.mapped_bytes;
		out->pinned_bytes += st.locked_bytes;
	}
	pthread_mutex_unlock(&s->lock);
}
