/* SPDX-License-Identifier: BSD-3-Clause */
/* What a user says and asks about residency: settings, ranges, turning, counters. */
#include "dma_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- settings ----------------------------------------------------------------------------- */

static uint64_t small_page(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t default_budget(void)
{
	const uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * small_page();
	struct fl_mem_usage u;
	uint64_t left;

	if (fl_mem_usage(&u) || u.memlock_exempt || u.memlock_limit == UINT64_MAX)
		return machine / 4;
	left = u.memlock_limit > u.vm_lck ? u.memlock_limit - u.vm_lck : 0;
	left = left / 2 < machine / 4 ? left / 2 : machine / 4;
	return left > small_page() ? left : small_page();
}

void fl_residency_init(struct fl_dma_space *s)
{
	s->residency = (struct fl_residency_opts){ .budget = default_budget() };
	s->budget_set = false;
}

static int check_opts(const struct fl_dma_space *s, const struct fl_residency_opts *o)
{
	if (o->fault_around > 512) {
		fl_err(s->log, "dma", "fault-around of %u pages: at most 512 (0 = adaptive)",
		       o->fault_around);
		return -EINVAL;
	}
	return o->watch ? fl_watch_possible(s->log) : 0;
}

int fl_dma_residency_set(struct fl_dma_space *s, const struct fl_residency_opts *opts)
{
	static const struct fl_residency_opts defaults;
	const struct fl_residency_opts *o = opts ? opts : &defaults;
	int rc;

	pthread_mutex_lock(&s->lock);
	rc = check_opts(s, o);
	if (!rc) {
		s->residency = *o;
		s->budget_set = o->budget != 0;
		if (!o->budget)
			s->residency.budget = default_budget();
		for (struct fl_dma_domain *d = s->domains; d; d = d->next)
			fl_resolved_around(d);
		(void)fl_budget_room(s, 0); /* what is pinned stays over it */
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

void fl_dma_residency_get(struct fl_dma_space *s, struct fl_residency_opts *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->residency;
	pthread_mutex_unlock(&s->lock);
}

/* ---- ranges --------------------------------------------------------------------------------- */

/* The lock is taken when this returns, and no discard is under way. */
static struct fl_area *enter(struct fl_dma_area *pub)
{
	struct fl_area *a = (struct fl_area *)pub;

	pthread_mutex_lock(&pub->space->lock);
	while (a->discards)
		pthread_cond_wait(&pub->space->discarded, &pub->space->lock);
	return a;
}

static int leave(const struct fl_area *a, int rc)
{
	pthread_mutex_unlock(&a->pub.space->lock);
	return rc;
}

struct fl_area *fl_residency_settled(struct fl_dma_space *s, fl_iova_t iova)
{
	struct fl_area *a = fl_area_at(s, iova);

	while (a && a->discards) {
		pthread_cond_wait(&s->discarded, &s->lock);
		a = fl_area_at(s, iova);
	}
	return a;
}

/* A page of the memory and of every device. */
static uint64_t page_of(const struct fl_area *a)
{
	const uint64_t granule = a->pub.space->granule;

	return granule > a->page_size ? granule : a->page_size;
}

static int check_inside(const struct fl_area *a, uint64_t off, uint64_t len)
{
	if (len && len <= a->pub.len && off <= a->pub.len - len)
		return 0;
	fl_err(a->pub.space->log, "dma",
	       "range 0x%" PRIx64 " + 0x%" PRIx64 " is not in the area %p + 0x%" PRIx64, off, len,
	       (void *)a->pub.va, a->pub.len);
	return -EINVAL;
}

static int check_whole(const struct fl_area *a, uint64_t off, uint64_t len)
{
	int rc = check_inside(a, off, len);

	if (rc || !((off | len) & (page_of(a) - 1)))
		return rc;
	fl_err(a->pub.space->log, "dma",
	       "range 0x%" PRIx64 " + 0x%" PRIx64 " of the area %p is not whole pages of %" PRIu64,
	       off, len, (void *)a->pub.va, page_of(a));
	return -EINVAL;
}

/* Widens it to whole pages; the area ends with one. */
static void widen(const struct fl_area *a, uint64_t *off, uint64_t *len)
{
	const uint64_t end = fl_align_up(*off + *len, page_of(a));

	*off = fl_align_down(*off, page_of(a));
	*len = end - *off;
}

/* ---- making reachable ------------------------------------------------------------------------ */

/* keep: and a pin will see that it stays so */
static int make_reachable(struct fl_area *a, uint64_t off, uint64_t len, enum fl_prefault how,
			  bool keep, uint64_t *pages)
{
	int rc = a->posted ? fl_post_range(a, off, len) : 0;

	if (rc == -EAGAIN)
		rc = -ENOMEM;
	if (!rc)
		rc = fl_fault_range(a, off, len, how, pages);
	if (rc)
		return rc;
	return keep ? fl_resolved_hold(a, off, len) : fl_resolved_prefault(a, off, len, how);
}

/* Whole windows of a run of pages that are in memory, for devices that are posted to. */
static int reach_resident(struct fl_area *a, uint64_t off, uint64_t end)
{
	const uint64_t window = 1ull << a->pub.window_shift;
	const uint64_t from = fl_align_up(off, window);
	const uint64_t to = end == a->pub.len ? end : fl_align_down(end, window);
	int rc = a->posted && from < to ? fl_post_range(a, from, to - from) : 0;

	if (rc == -EAGAIN)
		rc = -ENOMEM;
	return rc ? rc
		  : fl_fault_range(a, off, end - off, FL_PREFAULT_NO_FAULT,
				   &a->counts.prefault_pages);
}

/* What of [off, end) is in memory, at most 2 MiB, aligned. */
static int reach_chunk(struct fl_area *a, uint64_t off, uint64_t end)
{
	uint64_t page = small_page(), run = off;
	unsigned char in[512];
	int rc;

	rc = fl_backing_incore(a->pub.va + off, end - off, in);
	for (uint64_t at = off; !rc && at <= end; at += page) {
		if (at < end && (in[(at - off) / page] & 1))
			continue;
		rc = at > run ? reach_resident(a, run, at) : 0;
		run = at + page;
	}
	return rc;
}

static int reach_incore(struct fl_area *a, uint64_t off, uint64_t len)
{
	const uint64_t step = 512 * small_page(), end = off + len;
	int rc = fl_resolved_prefault(a, off, len, FL_PREFAULT_NO_FAULT);

	if (fl_resolved_only(a->pub.space))
		return rc;
	for (uint64_t at = off; at < end && !rc;) {
		uint64_t to = fl_align_down(at, step) + step;

		to = to < end ? to : end;
		rc = reach_chunk(a, at, to);
		at = to;
	}
	return rc;
}

static int check_prefault(const struct fl_area *a, enum fl_prefault how)
{
	const unsigned need[] = {
		[FL_PREFAULT_READ] = FL_DMA_READ, [FL_PREFAULT_WRITE] = FL_DMA_WRITE
	};

	if ((unsigned)how > FL_PREFAULT_NO_FAULT) {
		fl_err(a->pub.space->log, "dma", "unknown strength %d of a prefault", (int)how);
		return -EINVAL;
	}
	if (how == FL_PREFAULT_NO_FAULT || (a->pub.prot & need[how]))
		return 0;
	fl_err(a->pub.space->log, "dma", "devices may not %s the area %p",
	       how == FL_PREFAULT_READ ? "read" : "write to", (void *)a->pub.va);
	return -EACCES;
}

int fl_mem_prefault(struct fl_dma_area *pub, uint64_t off, uint64_t len, enum fl_prefault how)
{
	struct fl_area *a = enter(pub);
	int rc = check_inside(a, off, len);

	if (rc || a->pub.residency == FL_PINNED)
		return leave(a, rc);
	rc = check_prefault(a, how);
	if (rc)
		return leave(a, rc);
	widen(a, &off, &len);
	if (how == FL_PREFAULT_NO_FAULT)
		return leave(a, reach_incore(a, off, len));
	/* without the lock, as it may wait for a disk; the area is the caller's and stands */
	(void)leave(a, 0);
	rc = fl_backing_populate(pub->va + off, len, how == FL_PREFAULT_WRITE, pub->space->log);
	if (rc)
		return rc;
	a = enter(pub);
	rc = a->pub.residency == FL_LAZY
		     ? make_reachable(a, off, len, how, false, &a->counts.prefault_pages)
		     : 0;
	return leave(a, rc);
}

int fl_residency_keep(struct fl_area *a)
{
	uint64_t pages = 0;
	int rc = 0;

	for (size_t i = 0; a->pub.residency == FL_LAZY && i < a->pins.n && !rc; i++) {
		const struct fl_pin *p = &a->pins.v[i];

		rc = make_reachable(a, p->first, p->last - p->first + 1, FL_PREFAULT_WRITE, true,
				    &pages);
	}
	return rc;
}

int fl_residency_keep_all(struct fl_dma_space *s)
{
	int rc = 0;

	for (size_t i = 0; s->kept_bytes && i < s->by_iova.n && !rc; i++)
		rc = fl_residency_keep(s->by_iova.v[i].area);
	return rc;
}

/* ---- pins ----------------------------------------------------------------------------------- */

static int change_pins(struct fl_area *a, uint64_t off, uint64_t len, bool down)
{
	const uint64_t before = fl_pins_bytes(&a->pins);
	int rc = fl_pins_change(&a->pins, off, len, down);

	if (a->pub.residency == FL_LAZY)
		a->pub.space->kept_bytes += fl_pins_bytes(&a->pins) - before;
	return rc;
}

static int drop_pin(struct fl_area *a, uint64_t off, uint64_t len)
{
	int rc = change_pins(a, off, len, true);

	return rc || a->pub.residency == FL_PINNED ? rc : fl_resolved_let_go(a, off, len);
}

int fl_mem_pin(struct fl_dma_area *pub, uint64_t off, uint64_t len)
{
	const bool write = pub->prot & FL_DMA_WRITE;
	struct fl_area *a = enter(pub);
	int rc = check_inside(a, off, len);

	if (!rc) {
		widen(a, &off, &len);
		/* first of all, so that no part goes while the rest comes */
		rc = change_pins(a, off, len, false);
	}
	(void)leave(a, 0);
	if (rc)
		return rc;
	rc = fl_backing_populate(pub->va + off, len, write, pub->space->log);
	a = enter(pub);
	if (!rc && a->pub.residency == FL_LAZY)
		rc = make_reachable(a, off, len, write ? FL_PREFAULT_WRITE : FL_PREFAULT_READ, true,
				    &a->counts.prefault_pages);
	if (rc && drop_pin(a, off, len))
		fl_err(pub->space->log, "dma", "area %p keeps a pin", (void *)pub->va);
	return leave(a, rc);
}

int fl_mem_unpin(struct fl_dma_area *pub, uint64_t off, uint64_t len)
{
	struct fl_area *a = enter(pub);
	int rc = check_whole(a, off, len);

	if (rc)
		return leave(a, rc);
	if (!fl_pins_all(&a->pins, off, len)) {
		fl_err(pub->space->log, "dma",
		       "range 0x%" PRIx64 " + 0x%" PRIx64 " of the area %p is not pinned", off, len,
		       (void *)pub->va);
		return leave(a, -EINVAL);
	}
	return leave(a, drop_pin(a, off, len));
}

/* ---- taking back ---------------------------------------------------------------------------- */

/* Devices that hold a buffer say so before any other loses anything. */
static int take_back(struct fl_area *a, uint64_t off, uint64_t len)
{
	int rc = check_whole(a, off, len);

	if (rc)
		return rc;
	if (a->pub.residency == FL_PINNED) {
		fl_err(a->pub.space->log, "dma",
		       "area %p is pinned: nothing of it can be given up; make it lazy first",
		       (void *)a->pub.va);
		return -EOPNOTSUPP;
	}
	if (fl_pins_any(&a->pins, off, len))
		return -EBUSY;
	rc = a->posted ? fl_post_revoke(a, off, len) : 0;
	if (!rc)
		rc = fl_fault_revoke(a, off, len);
	a->counts.invalidations += !rc;
	return rc;
}

int fl_mem_revoke(struct fl_dma_area *pub, uint64_t off, uint64_t len)
{
	struct fl_area *a = enter(pub);
	int rc = take_back(a, off, len);

	return leave(a, rc ? rc : fl_resolved_revoke(a, off, len));
}

/*
 * The pages are freed without the lock: who watches the process's memory (userfaultfd) wants it
 * before madvise() can go on. What devices ask for meanwhile waits, so that none gets a page that
 * is about to be freed. Where the kernel resolves faults nothing is taken beforehand: it does that
 * itself before each page is freed (the notifier of the mapping), and a fault that comes in between
 * finds the page that was or the one that will be, never a freed one.
 */
int fl_mem_discard(struct fl_dma_area *pub, uint64_t off, uint64_t len)
{
	struct fl_area *a = (struct fl_area *)pub;
	struct fl_dma_space *s = pub->space;
	int rc, advice;

	rc = check_inside(a, off, len);
	if (!rc)
		rc = fl_backing_advice(pub->mem, &advice, s->log);
	if (rc)
		return rc;
	pthread_mutex_lock(&s->lock);
	/* what stands there now may be somebody else's */
	rc = a->dead ? -EFAULT : take_back(a, off, len);
	if (rc)
		return leave(a, rc);
	a->discards++;
	(void)leave(a, 0);

	rc = fl_backing_free(pub->va + off, len, advice, s->log);

	pthread_mutex_lock(&s->lock);
	a->discards--;
	a->counts.discards += !rc;
	pthread_cond_broadcast(&s->discarded);
	return leave(a, rc);
}

/* ---- turning -------------------------------------------------------------------------------- */

static int check_turn(const struct fl_area *a, enum fl_residency to)
{
	const struct fl_dma_space *s = a->pub.space;
	const struct fl_run r = fl_run_of(s, fl_span_at(&s->by_iova, a->pub.iova.v));

	if (to != FL_PINNED && to != FL_LAZY) {
		fl_err(s->log, "dma", "an area is pinned or lazy, not %d", (int)to);
		return -EINVAL;
	}
	if (to == FL_LAZY && fl_domains_page(s)) {
		fl_err(s->log, "dma", "no lazy area: a device without IOMMU is here");
		return -EOPNOTSUPP;
	}
	if (r.first == r.last)
		return 0;
	fl_err(s->log, "dma",
	       "area %p shares an entry with its neighbours: map it without FL_DMA_JOIN to turn it",
	       (void *)a->pub.va);
	return -EOPNOTSUPP;
}

static int turn(struct fl_area *a, enum fl_residency to)
{
	const enum fl_residency from = a->pub.residency;
	struct fl_dma_space *s = a->pub.space;
	int rc;

	/* it has a table from now on, even where it is put back: no entry is shared with it */
	a->flags &= ~FL_DMA_JOIN;
	rc = fl_post_convert(a, to);
	if (rc)
		return rc;
	rc = fl_fault_convert(a, to);
	if (rc) {
		if (fl_post_convert(a, from))
			fl_err(s->log, "dma", "area %p could not be put back", (void *)a->pub.va);
		(void)fl_residency_keep(a); /* domains that were put back have lost it */
		return rc;
	}
	__atomic_store_n(&a->pub.residency, to, __ATOMIC_RELAXED);
	a->was_lazy = true;
	s->lazy_bytes += to == FL_LAZY ? a->pub.len : -a->pub.len;
	s->kept_bytes += (to == FL_LAZY ? 1 : -1ull) * fl_pins_bytes(&a->pins);
	/* where that fails, as was said there, a fault or a post brings it */
	(void)fl_residency_keep(a);
	return 0;
}

/* What is lazy is watched, what is pinned cannot be taken from devices. */
static int turn_watched(struct fl_area *a, enum fl_residency to)
{
	int rc = a->dead ? -EFAULT : 0;

	if (!rc && to == FL_LAZY && a->pub.space->residency.watch)
		rc = fl_watch_add(a);
	if (rc)
		return rc;
	rc = turn(a, to);
	if (a->pub.residency == FL_PINNED)
		fl_watch_del(a);
	return rc;
}

int fl_mem_convert(struct fl_dma_area *pub, enum fl_residency to)
{
	struct fl_area *a = enter(pub);
	int rc = 0;

	if (to != a->pub.residency)
		rc = check_turn(a, to);
	if (!rc && to != a->pub.residency)
		rc = turn_watched(a, to);
	return leave(a, rc);
}

/* ---- by what ------------------------------------------------------------------------------- */

void fl_dma_residency_by(struct fl_dma_space *s, char *buf, size_t size)
{
	static const char *const names[] = { "kernel", "ours", "model", "post" };
	unsigned by = 0;
	size_t at = 0;

	pthread_mutex_lock(&s->lock);
	for (const struct fl_dma_domain *d = s->domains; d; d = d->next)
		if (!d->gone)
			by |= 1u << (!d->faults ? 3 : d->resolves ? 0 : d->pins ? 1 : 2);
	pthread_mutex_unlock(&s->lock);
	if (size)
		*buf = 0;
	for (unsigned i = 0; i < FL_ARRAY_SIZE(names) && at < size; i++) {
		const bool first = !(by & ((1u << i) - 1));

		if (!(by >> i & 1))
			continue;
		at += (size_t)snprintf(buf + at, size - at, "%s%s",
				       i == 3  ? first ? "" : "; "
				       : first ? "fault: "
					       : ", ",
				       names[i]);
	}
}

/* ---- counters ------------------------------------------------------------------------------- */

void fl_counts_add(struct fl_residency_stats *to, const struct fl_residency_stats *from)
{
	const uint64_t *f = (const uint64_t *)from;
	uint64_t *t = (uint64_t *)to;

	static_assert(sizeof(*to) % sizeof(*t) == 0, "all counters are alike");
	for (size_t i = 0; i < sizeof(*to) / sizeof(*t); i++)
		t[i] += f[i];
}

void fl_residency_gone(struct fl_dma_space *s, const struct fl_area *a)
{
	fl_counts_add(&s->counts, &a->counts);
	if (a->pub.residency == FL_LAZY)
		s->kept_bytes -= fl_pins_bytes(&a->pins);
}

/* What of an area that is or was lazy can be reached now, and what of it is pinned by that. */
static void mapped_of(const struct fl_area *a, uint64_t *mapped, uint64_t *locked)
{
	const bool lazy = a->pub.residency == FL_LAZY;
	bool posted[2] = { 0 }, faulted[2] = { 0 }; /* by any, by one that pins */
	uint64_t bytes[2];

	for (const struct fl_dma_domain *d = a->pub.space->domains; d; d = d->next)
		for (int pins = 0; !d->gone && pins <= d->pins; pins++)
			*(d->faults ? &faulted[pins] : &posted[pins]) = true;
	for (int pins = 0; pins < 2; pins++) {
		const uint8_t *windows = posted[pins] ? a->pub.windows : NULL;

		bytes[pins] = posted[pins] && a->posted ? fl_post_mapped(a) : 0;
		if (lazy)
			bytes[pins] += faulted[pins] ? fl_fault_mapped(a, pins, windows) : 0;
		else if (posted[pins] || faulted[pins])
			bytes[pins] = a->pub.len;
	}
	*mapped = bytes[0];
	*locked = bytes[1];
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

struct fl_residency_stats fl_residency_of(const struct fl_area *a)
{
	struct fl_residency_stats st;
	uint64_t mapped, locked;

	fl_resolved_counts(a, &st);
	mapped_of(a, &mapped, &locked);
	mapped = most(mapped, st.mapped_bytes);
	locked = most(locked, st.locked_bytes);
	fl_counts_add(&st, &a->counts);
	st.owned_bytes = a->pub.len;
	st.pinned_bytes = fl_pins_bytes(&a->pins);
	st.mapped_bytes = mapped;
	st.locked_bytes = locked;
	return st;
}

void fl_mem_residency_stats(const struct fl_dma_area *pub, struct fl_residency_stats *out)
{
	pthread_mutex_lock(&pub->space->lock);
	*out = fl_residency_of((const struct fl_area *)pub);
	pthread_mutex_unlock(&pub->space->lock);
}

void fl_dma_residency_stats(struct fl_dma_space *s, struct fl_residency_stats *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->counts;
	for (size_t i = 0; i < s->by_iova.n; i++) {
		const struct fl_area *a = s->by_iova.v[i].area;
		struct fl_residency_stats one = fl_residency_of(a);

		if (a->pub.residency == FL_PINNED)
			one.owned_bytes = one.mapped_bytes = one.pinned_bytes = one.locked_bytes =
				0;
		fl_counts_add(out, &one);
	}
	for (const struct fl_dma_domain *d = s->domains; d; d = d->next)
		out->invalid += fl_resolved_outside(d);
	pthread_mutex_unlock(&s->lock);
}

int fl_dma_residency_each(struct fl_dma_space *s,
			  int (*fn)(const struct fl_dma_area *a,
				    const struct fl_residency_stats *st, void *arg),
			  void *arg)
{
	int ret = 0;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; !ret && i < s->by_iova.n; i++) {
		const struct fl_residency_stats st = fl_residency_of(s->by_iova.v[i].area);

		ret = fn(&s->by_iova.v[i].area->pub, &st, arg);
	}
	pthread_mutex_unlock(&s->lock);
	return ret;
}
