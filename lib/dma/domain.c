/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Domains: what each allows, changes to all of them at once, joining late, leaving.
 * Everything here runs under the space's lock.
 */
#include "dma_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOWS_MAX 4096
#define ENTRY_REMEDY                                                                               \
	"use fewer and larger areas or FL_DMA_JOIN, or raise it before the device is opened, for " \
	"a container in /sys/module/vfio_iommu_type1/parameters/dma_entry_limit"

/* ---- one call to one domain --------------------------------------------------------------- */

int fl_domain_said(struct fl_dma_domain *d, int rc)
{
	if (rc == -ENODEV && !d->gone) {
		d->gone = true;
		fl_dirty_lost_all(d->space);
		fl_warn(d->space->log, "dma",
			"%s: the other side is gone; no calls until it is replayed", d->ops->name);
	}
	return rc;
}

/* Why a map failed, where more than the errno is known. */
static void map_why(const struct fl_dma_domain *d, const struct fl_dma_mapping *m, int rc,
		    char *buf, size_t size)
{
	struct fl_mem_usage u;

	*buf = 0;
	if (rc == -ENOMEM && d->pins && !fl_mem_usage(&u))
		fl_lock_text(buf, size, m->len, fl_lock_used(&u, d->pins_apart), u.memlock_limit);
	else if (rc == -ENOSPC)
		snprintf(buf, size, "its entry limit of %" PRIu64 " is reached: " ENTRY_REMEDY,
			 d->entries_max);
	else if (rc == -EEXIST)
		snprintf(buf, size,
			 "something is mapped there already that this space knows nothing of");
	else if (rc == -EFAULT)
		snprintf(
			buf, size,
			"part of it is no memory of this process, or not for %s (a file cut short?)",
			m->prot & FL_DMA_WRITE ? "writing" : "reading");
}

/* An area that may be lazy stands in windows where devices are posted to, else as a whole. */
static bool passes_over(const struct fl_dma_domain *d, const struct fl_dma_mapping *m, bool window)
{
	const struct fl_area *a;

	if (d->gone || window || d->faults)
		return d->gone || (window && d->faults);
	a = fl_area_at(d->space, m->iova);
	return a && a->posted;
}

static int call_map(struct fl_dma_domain *d, const struct fl_dma_mapping *m, bool window,
		    bool quiet)
{
	struct fl_dma_space *s = d->space;
	char why[256];
	int rc;

	if (passes_over(d, m, window))
		return 0;
	rc = d->ops->map(d->arg, m);
	if (rc >= 0) {
		s->maps++;
		return 0;
	}
	s->map_errors++;
	if (quiet)
		return fl_domain_said(d, rc);
	map_why(d, m, rc, why, sizeof(why));
	fl_err(s->log, "dma", "%s: map of IOVA 0x%" PRIx64 " + 0x%" PRIx64 " at %p: %s%s%s",
	       d->ops->name, m->iova.v, m->len, m->va, strerror(-rc), *why ? "; " : "", why);
	return fl_domain_said(d, rc);
}

/* *changed: the domain is no longer as it was */
static int call_unmap(struct fl_dma_domain *d, const struct fl_dma_mapping *m, bool window,
		      bool *changed)
{
	struct fl_dma_space *s = d->space;
	struct fl_residency_stats last;
	struct fl_area *a;
	uint64_t done = 0;
	int rc;

	*changed = false;
	if (passes_over(d, m, window))
		return 0;
	a = fl_area_at(s, m->iova);
	if (m->lazy)
		fl_fault_forget(d, a);
	fl_resolved_last(d, a, &last);
	rc = d->ops->unmap(d->arg, m->iova, m->len, &done);
	*changed = done != 0;
	if (a && done) {
		fl_counts_add(&a->counts, &last);
		d->invalid_gone += last.invalid;
	}
	if (rc >= 0 && done == m->len) {
		s->unmaps++;
		return 0;
	}
	s->unmap_errors++;
	if (rc < 0) {
		fl_err(s->log, "dma", "%s: unmap of IOVA 0x%" PRIx64 " + 0x%" PRIx64 ": %s",
		       d->ops->name, m->iova.v, m->len, strerror(-rc));
		return fl_domain_said(d, rc);
	}
	fl_err(s->log, "dma",
	       "%s: unmap of IOVA 0x%" PRIx64 " + 0x%" PRIx64 " took out 0x%" PRIx64 " bytes",
	       d->ops->name, m->iova.v, m->len, done);
	return -EIO;
}

int fl_domain_map(struct fl_dma_domain *d, const struct fl_dma_mapping *m)
{
	return call_map(d, m, false, false);
}

int fl_domain_map_window(struct fl_dma_domain *d, const struct fl_dma_mapping *m)
{
	return call_map(d, m, true, false);
}

void fl_domain_unmap_window(struct fl_dma_domain *d, const struct fl_dma_mapping *m)
{
	bool changed;

	(void)call_unmap(d, m, true, &changed); /* counted and logged there */
}

/* ---- a change, in one domain and in all --------------------------------------------------- */

/* Puts mappings back after a change that failed. Where that fails too, it can only be said. */
static void restore(struct fl_dma_domain *d, const struct fl_change *c, unsigned n)
{
	const struct fl_dma_mapping *m = c->from;

	while (n--)
		if (call_map(d, &m[n], c->windows, false))
			fl_err(d->space->log, "dma",
			       "%s: IOVA 0x%" PRIx64 " + 0x%" PRIx64
			       " could not be put back: devices of this domain cannot reach it",
			       d->ops->name, m[n].iova.v, m[n].len);
}

static void take_back(struct fl_dma_domain *d, const struct fl_change *c, unsigned n)
{
	bool changed;

	while (n--)
		(void)call_unmap(d, &c->to[n], c->windows, &changed); /* counted and logged there */
}

/* An unmap goes on where the other side is gone, or took out another size than asked. */
static bool pass_over(const struct fl_dma_domain *d, const struct fl_change *c, bool changed,
		      int rc, int *noted)
{
	if (!rc || !c->unmaps || !(changed || d->gone))
		return false;
	*noted = *noted ? *noted : rc;
	return true;
}

static int change_one(struct fl_dma_domain *d, const struct fl_change *c, int *noted)
{
	bool changed = false;

	for (unsigned i = 0; i < c->nfrom; i++) {
		int rc = call_unmap(d, &c->from[i], c->windows, &changed);

		if (rc && !pass_over(d, c, changed, rc, noted)) {
			restore(d, c, i + changed);
			return rc;
		}
	}
	for (unsigned i = 0; i < c->nto; i++) {
		int rc = call_map(d, &c->to[i], c->windows, c->quiet);

		if (rc && !pass_over(d, c, false, rc, noted)) {
			take_back(d, c, i);
			restore(d, c, c->nfrom);
			return rc;
		}
	}
	return 0;
}

int fl_domains_change(struct fl_dma_space *s, const struct fl_change *c, int *noted)
{
	struct fl_dma_domain *d, *failed;
	int rc = 0;

	*noted = 0;
	for (d = s->domains; d && !rc; d = rc ? d : d->next)
		rc = change_one(d, c, noted);
	if (!rc)
		return 0;
	failed = d;
	for (d = s->domains; d != failed; d = d->next) {
		take_back(d, c, c->nto);
		restore(d, c, c->nfrom);
	}
	return rc;
}

static int unmap_all(struct fl_dma_space *s, const struct fl_dma_mapping *m, bool window)
{
	bool changed;
	int rc = 0;

	for (struct fl_dma_domain *d = s->domains; d; d = d->next) {
		int one = call_unmap(d, m, window, &changed);

		rc = rc ? rc : one;
	}
	return rc;
}

int fl_domains_unmap(struct fl_dma_space *s, const struct fl_dma_mapping *m)
{
	return unmap_all(s, m, false);
}

int fl_domains_unmap_window(struct fl_dma_space *s, const struct fl_dma_mapping *m)
{
	return unmap_all(s, m, true);
}

/* ---- limits ------------------------------------------------------------------------------- */

static int check_limits(const struct fl_dma_domain *d, const struct fl_dma_limits *l)
{
	const char *wrong = NULL;

	if (!l->ranges || !l->nranges || l->nranges > WINDOWS_MAX)
		wrong = "the number of IOVA ranges";
	else if (!l->page_sizes)
		wrong = "no page size";
	else if (l->physical && !d->ops->locate)
		wrong = "physical addresses, and it cannot tell any";
	else if (l->faults && !l->resolves && (!d->ops->grant || !d->ops->revoke))
		wrong = "page faults, and nothing can be granted";
	else if (l->faults && l->resolves &&
		 (!d->ops->prefault || !d->ops->hold || !d->ops->revoke || !d->ops->around ||
		  !d->ops->counts))
		wrong = "page faults resolved elsewhere, and nothing can be said of them";
	for (unsigned i = 0; !wrong && i < l->nranges; i++)
		if (l->ranges[i].first > l->ranges[i].last ||
		    (i && l->ranges[i].first <= l->ranges[i - 1].last))
			wrong = "IOVA ranges that overlap or are not sorted";
	if (!wrong)
		return 0;
	fl_err(d->space->log, "dma", "%s: limits make no sense: %s", d->ops->name, wrong);
	return -EPROTO;
}

static int read_limits(struct fl_dma_domain *d, bool first)
{
	struct fl_dma_limits l = { 0 };
	struct fl_iova_range *v;
	int rc;

	rc = d->ops->limits(d->arg, &l);
	if (rc < 0) {
		fl_err(d->space->log, "dma", "%s: cannot read its limits: %s", d->ops->name,
		       strerror(-rc));
		return fl_domain_said(d, rc);
	}
	rc = check_limits(d, &l);
	if (rc)
		return rc;
	v = reallocarray(d->windows.v, l.nranges, sizeof(*v));
	if (!v)
		return -ENOMEM;
	memcpy(v, l.ranges, l.nranges * sizeof(*v));
	d->windows = (struct fl_windows){ .v = v, .n = l.nranges };
	d->granule = l.page_sizes & -l.page_sizes;
	d->entries_max = l.entries_max;
	d->entries_avail = l.entries_avail;
	d->pins = l.pins;
	d->pins_apart = l.pins_apart;
	d->physical = l.physical;
	/* areas stand there by what it said first */
	if (first) {
		d->faults = l.faults;
		d->resolves = l.faults && l.resolves;
	}
	return 0;
}

/* The intersection over all domains. */
static int meet_all(struct fl_dma_space *s)
{
	const struct fl_dma_domain *d = s->domains ? s->domains : &s->left;
	struct fl_windows w = { .v = malloc(sizeof(*w.v)), .n = 1 };
	uint64_t granule = 1;

	if (!w.v)
		return -ENOMEM;
	w.v[0] = (struct fl_iova_range){ 0, s->limit };
	for (; d; d = d->next) {
		struct fl_windows both;
		int rc = fl_windows_meet(&w, &d->windows, &both);

		free(w.v);
		if (rc)
			return rc;
		w = both;
		granule = d->granule > granule ? d->granule : granule;
	}
	free(s->windows.v);
	s->windows = w;
	s->granule = granule;
	return 0;
}

int fl_domains_refresh(struct fl_dma_space *s)
{
	for (struct fl_dma_domain *d = s->domains; d; d = d->next) {
		int rc = d->gone ? 0 : read_limits(d, false);

		if (rc)
			return rc;
	}
	return meet_all(s);
}

/* Lowers the limit; the highest area, if any, ends below it. */
static int cut_windows(struct fl_dma_space *s, uint64_t last)
{
	uint64_t before = s->limit;
	int rc;

	s->limit = last;
	rc = meet_all(s);
	if (!rc && s->windows.n)
		return 0;
	s->limit = before;
	if (rc)
		return rc;
	fl_err(s->log, "dma",
	       "no IOVA up to 0x%" PRIx64
	       " is valid for the devices that are open: give the one that needs it a context of its own",
	       last);
	return meet_all(s) ? -ENOMEM : -ENOSPC;
}

int fl_dma_space_limit(struct fl_dma_space *s, uint64_t last)
{
	const struct fl_span *top;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	top = s->by_iova.n ? &s->by_iova.v[s->by_iova.n - 1] : NULL;
	if (top && top->last > last) {
		fl_err(s->log, "dma",
		       "a device reaches no IOVA above 0x%" PRIx64
		       ", and an area stands at 0x%" PRIx64 " + 0x%" PRIx64
		       ": open this device before pools are made and memory is mapped",
		       last, top->first, top->last - top->first + 1);
		rc = -EBUSY;
	} else if (last < s->limit) {
		rc = cut_windows(s, last);
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/*
 * Refuses what is certain to fail. What counts apart has an account of which we do not see all
 * (iommufd's is the user's) and see too much (VmPin has what others pin): nothing is sure to be
 * used there. A failure that this does not foresee is explained by fl_domain_map().
 */
static int admit_lock(struct fl_dma_space *s, uint64_t bytes, bool apart)
{
	struct fl_mem_usage u;
	uint64_t sure;
	char why[256];

	if (!bytes || fl_mem_usage(&u) || u.memlock_exempt || u.memlock_limit == UINT64_MAX)
		return 0;
	sure = apart ? 0 : u.vm_lck;
	if (sure <= u.memlock_limit && bytes <= u.memlock_limit - sure)
		return 0;
	fl_lock_text(why, sizeof(why), bytes, fl_lock_used(&u, apart), u.memlock_limit);
	fl_err(s->log, "dma", "%s", why);
	return -ENOMEM;
}

static int admit_entries(const struct fl_dma_domain *d, int64_t entries)
{
	if (entries <= 0 || !d->entries_max || d->entries_avail >= (uint64_t)entries)
		return 0;
	fl_err(d->space->log, "dma",
	       "%s: %" PRId64 " more entries needed, %" PRIu64 " of %" PRIu64
	       " free: " ENTRY_REMEDY,
	       d->ops->name, entries, d->entries_avail, d->entries_max);
	return -ENOSPC;
}

int fl_domains_admit(struct fl_dma_space *s, int64_t entries, uint64_t bytes)
{
	uint64_t lock[2] = { 0 }; /* with what is locked, and apart */
	int rc;

	for (struct fl_dma_domain *d = s->domains; d; d = d->next) {
		rc = d->gone ? 0 : admit_entries(d, entries);
		if (rc)
			return rc;
		/* each charges anew */
		lock[d->pins_apart] += !d->gone && d->pins ? bytes : 0;
	}
	rc = admit_lock(s, lock[false], false);
	return rc ? rc : admit_lock(s, lock[true], true);
}

/* ---- joining and leaving ------------------------------------------------------------------ */

static int check_areas(struct fl_dma_domain *d)
{
	const struct fl_span_set *set = &d->space->by_iova;
	char windows[512];

	for (size_t i = 0; i < set->n; i++) {
		const struct fl_dma_area *a = &set->v[i].area->pub;
		fl_iova_t at = a->iova;
		int rc = d->physical ? fl_domain_locate(d, set->v[i].area, &at) : 0;

		if (rc)
			return rc;
		if (at.v != a->iova.v) {
			fl_err(d->space->log, "dma",
			       "%s: area %p is at IOVA 0x%" PRIx64 ", and its memory at 0x%" PRIx64
			       ", where a device without IOMMU looks: open this device before mapping",
			       d->ops->name, (void *)a->va, a->iova.v, at.v);
			return -EINVAL;
		}
		if (((uintptr_t)a->va | a->len | a->iova.v) & (d->granule - 1)) {
			fl_err(d->space->log, "dma",
			       "%s: area %p + 0x%" PRIx64 " at IOVA 0x%" PRIx64
			       " does not suit its pages of %" PRIu64
			       " bytes: map it after this device",
			       d->ops->name, (void *)a->va, a->len, a->iova.v, d->granule);
			return -EINVAL;
		}
		if (!fl_windows_hold(&d->windows, a->iova.v, a->len)) {
			fl_windows_text(&d->windows, windows, sizeof(windows));
			fl_err(d->space->log, "dma",
			       "%s: area %p + 0x%" PRIx64 " at IOVA 0x%" PRIx64
			       " is outside what it allows: %s; open this device before mapping",
			       d->ops->name, (void *)a->va, a->len, a->iova.v, windows);
			return -EINVAL;
		}
	}
	return 0;
}

/* The run that begins at *index; moves on to the next. */
static struct fl_dma_mapping next_run(const struct fl_dma_space *s, size_t *index)
{
	struct fl_run r = fl_run_of(s, *index);

	*index = r.last + 1;
	return fl_run_mapping(s, r);
}

/* Takes out the runs before area `end`, which begins one. */
static void take_back_runs(struct fl_dma_domain *d, size_t end)
{
	for (size_t i = 0; !d->gone && i < end;) {
		struct fl_dma_mapping m = next_run(d->space, &i);
		bool changed;

		(void)call_unmap(d, &m, false, &changed); /* counted and logged there */
	}
}

static int replay_runs(struct fl_dma_domain *d)
{
	struct fl_dma_space *s = d->space;
	int rc;

	for (size_t i = 0, begin = 0; i < s->by_iova.n; begin = i) {
		struct fl_dma_mapping m = next_run(s, &i);

		rc = fl_domain_map(d, &m);
		if (rc) {
			take_back_runs(d, begin);
			return rc;
		}
	}
	return 0;
}

/* `d` is not gone, empty, and its limits are read. */
static int replay(struct fl_dma_domain *d)
{
	struct fl_dma_space *s = d->space;
	int rc;

	rc = check_areas(d);
	if (!rc)
		rc = admit_entries(d, (int64_t)fl_run_count(s));
	if (!rc && d->pins)
		rc = admit_lock(s, s->owned_bytes - s->lazy_bytes, d->pins_apart);
	if (!rc)
		rc = replay_runs(d);
	if (rc)
		return rc;
	fl_resolved_around(d);
	rc = d->faults ? 0 : fl_post_join(d);
	if (!rc) {
		rc = fl_residency_keep_all(s);
		rc = rc ? rc : fl_dirty_join(d);
		if (rc)
			fl_post_leave(d);
	}
	if (rc)
		take_back_runs(d, s->by_iova.n);
	else
		s->replays++;
	return rc;
}

/* Where memory has an address of its own, others' areas have no use for its windows. */
static void leave_windows(struct fl_dma_space *s, struct fl_dma_domain *d)
{
	struct fl_windows old = s->left.windows;

	if (s->domains != d || d->next || d->physical)
		return;
	s->left.windows = d->windows;
	s->left.granule = d->granule;
	d->windows = old;
}

static void unlink_domain(struct fl_dma_domain *d)
{
	struct fl_dma_domain **p = &d->space->domains;

	while (*p != d)
		p = &(*p)->next;
	*p = d->next;
	if (meet_all(d->space))
		fl_err(d->space->log, "dma", "out of memory: windows stay narrower than need be");
}

static int refuse_empty_windows(const struct fl_dma_domain *d)
{
	char windows[512];

	if (d->space->windows.n)
		return 0;
	fl_windows_text(&d->windows, windows, sizeof(windows));
	fl_err(d->space->log, "dma",
	       "%s: no IOVA is valid for it (%s) and for the devices before it", d->ops->name,
	       windows);
	return -ENOSPC;
}

static int join(struct fl_dma_domain *d)
{
	struct fl_dma_domain **last;
	int rc;

	rc = read_limits(d, true);
	if (rc)
		return rc;
	for (last = &d->space->domains; *last; last = &(*last)->next)
		;
	*last = d;
	rc = meet_all(d->space);
	if (!rc)
		rc = refuse_empty_windows(d);
	if (!rc)
		rc = replay(d);
	if (rc) {
		fl_fault_forget(d, NULL);
		unlink_domain(d);
	}
	return rc;
}

static void free_domain(struct fl_dma_domain *d)
{
	free(d->windows.v);
	free(d);
}

int fl_dma_domain_add(struct fl_dma_space *s, const struct fl_dma_domain_ops *ops, void *arg,
		      struct fl_dma_domain **out)
{
	struct fl_dma_domain *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return -ENOMEM;
	d->space = s;
	d->ops = ops;
	d->arg = arg;
	pthread_mutex_lock(&s->lock);
	rc = join(d);
	pthread_mutex_unlock(&s->lock);
	if (rc)
		free_domain(d);
	else
		*out = d;
	return rc;
}

void fl_dma_domain_remove(struct fl_dma_domain *d, bool dead)
{
	struct fl_dma_space *s;

	if (!d)
		return;
	s = d->space;
	pthread_mutex_lock(&s->lock);
	d->gone |= dead;
	fl_dirty_lost_all(s);
	fl_post_leave(d);
	fl_fault_forget(d, NULL);
	take_back_runs(d, s->by_iova.n);
	s->counts.invalid += fl_resolved_outside(d);
	leave_windows(s, d);
	unlink_domain(d);
	pthread_mutex_unlock(&s->lock);
	free_domain(d);
}

int fl_dma_domain_replay(struct fl_dma_domain *d)
{
	int rc;

	pthread_mutex_lock(&d->space->lock);
	d->gone = false;
	fl_fault_forget(d, NULL);
	rc = read_limits(d, true);
	if (!rc)
		rc = meet_all(d->space);
	if (!rc)
		rc = replay(d);
	/* not all stands there, so nothing does: as if it had not come back */
	if (rc)
		d->gone = true;
	pthread_mutex_unlock(&d->space->lock);
	return rc;
}

int fl_dma_domain_check(struct fl_dma_domain *d)
{
	int rc;

	pthread_mutex_lock(&d->space->lock);
	rc = d->gone ? 0 : read_limits(d, false);
	if (!rc)
		rc = meet_all(d->space);
	if (!rc)
		rc = refuse_empty_windows(d);
	if (!rc && !d->gone)
		rc = check_areas(d);
	pthread_mutex_unlock(&d->space->lock);
	return rc;
}
