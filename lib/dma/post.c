/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Posting: windows of lazy areas, for domains that cannot fault.
 *
 * One table of bytes an area serves all such domains: a window is mapped in each of them or in
 * none. Bytes are written under the space's lock and read without it, by fl_dma_resident(). An area
 * that was pinned and turned lazy stands as one mapping until that goes; each mapping is taken out
 * exactly as it was made.
 */
#include "post_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SHIFT_MAX   21u
#define SHIFT_LEAST 12u
#define BUDGET_PART 32u /* windows that the budget has room for at least, where pages allow */
#define REFUSALS    8u	/* of the kernel, after each of which something else is given up */
#define TELL_NS	    1000000000ull

int fl_poster_create(struct fl_dma_space *s)
{
	s->poster = calloc(1, sizeof(*s->poster));
	if (!s->poster)
		return -ENOMEM;
	s->poster->ceiling = UINT64_MAX;
	return 0;
}

void fl_poster_destroy(struct fl_dma_space *s)
{
	free(s->poster);
}

/* ---- units ------------------------------------------------------------------------------ */

static struct fl_dma_space *space_of(const struct fl_posted *p)
{
	return p->area->pub.space;
}

static struct fl_poster *poster_of(const struct fl_posted *p)
{
	return space_of(p)->poster;
}

static bool posts(const struct fl_dma_space *s)
{
	const struct fl_dma_domain *d = s->domains;

	while (d && d->faults)
		d = d->next;
	return d;
}

struct fl_unit fl_unit_of(struct fl_posted *p, uint64_t window)
{
	return p->whole ? (struct fl_unit){ p, 0, p->n } : (struct fl_unit){ p, window, 1 };
}

/* The windows that a range touches; len > 0. */
static struct fl_unit windows_of(struct fl_posted *p, uint64_t off, uint64_t len)
{
	unsigned shift = p->area->pub.window_shift;
	uint64_t first = off >> shift;

	return (struct fl_unit){ p, first, ((off + (len - 1)) >> shift) - first + 1 };
}

struct fl_dma_mapping fl_unit_mapping(struct fl_unit u)
{
	const struct fl_area *a = u.p->area;
	uint64_t off = u.first << a->pub.window_shift, len = u.n << a->pub.window_shift;

	return (struct fl_dma_mapping){
		.iova = fl_iova_add(a->pub.iova, off),
		.len = len < a->pub.len - off ? len : a->pub.len - off,
		.va = a->pub.va + off,
		.fd = a->fd,
		.fd_offset = a->fd_offset + off,
		.prot = a->pub.prot,
	};
}

static uint64_t bytes_of(struct fl_unit u)
{
	return fl_unit_mapping(u).len;
}

static uint64_t charge_of(const struct fl_posted *p)
{
	return p->area->pub.windows ? p->mapped : 0;
}

static void set_state(struct fl_unit u, uint8_t state)
{
	for (uint64_t i = u.first; i < u.first + u.n; i++)
		__atomic_store_n(&u.p->windows[i], state, __ATOMIC_RELAXED);
}

void fl_unit_heat(struct fl_unit u, bool hot)
{
	for (uint64_t i = u.first; i < u.first + u.n; i++) {
		uint8_t w = u.p->windows[i];

		if (w & FL_WINDOW_MAPPED)
			__atomic_store_n(&u.p->windows[i],
					 hot ? w | FL_WINDOW_HOT : w & ~FL_WINDOW_HOT,
					 __ATOMIC_RELAXED);
	}
}

static void note_mapped(struct fl_unit u, uint8_t state)
{
	struct fl_poster *ps = poster_of(u.p);
	uint64_t len = bytes_of(u), before = charge_of(u.p);

	set_state(u, state);
	u.p->mapped += len;
	ps->mapped += len;
	ps->receive += state & FL_WINDOW_RECEIVE ? len : 0;
	ps->units++;
	ps->charged += charge_of(u.p) - before;
}

/* Nothing of it is pinned. */
static void note_unmapped(struct fl_unit u)
{
	struct fl_poster *ps = poster_of(u.p);
	uint64_t len = bytes_of(u), before = charge_of(u.p);

	ps->receive -= fl_unit_state(u) & FL_WINDOW_RECEIVE ? len : 0;
	set_state(u, 0);
	u.p->mapped -= len;
	ps->mapped -= len;
	ps->units--;
	u.p->whole = false;
	ps->charged += charge_of(u.p) - before;
}

static int unit_map(struct fl_unit u, uint8_t state, bool quiet)
{
	struct fl_change c = { .to = { fl_unit_mapping(u) },
			       .nto = 1,
			       .unmaps = true,
			       .windows = true,
			       .quiet = quiet };
	int noted, rc = fl_domains_change(space_of(u.p), &c, &noted);

	if (!rc)
		note_mapped(u, state);
	return rc;
}

int fl_unit_unmap(struct fl_unit u)
{
	struct fl_change c = {
		.from = { fl_unit_mapping(u) }, .nfrom = 1, .unmaps = true, .windows = true
	};
	int noted, rc = fl_domains_change(space_of(u.p), &c, &noted);

	if (!rc)
		note_unmapped(u);
	return rc;
}

bool fl_unit_pinned(struct fl_unit u)
{
	return fl_pins_any(&u.p->area->pins, u.first << u.p->area->pub.window_shift, bytes_of(u));
}

/* ---- tables ----------------------------------------------------------------------------- */

static unsigned choose_shift(struct fl_dma_space *s)
{
	uint64_t least = s->granule > 1u << SHIFT_LEAST ? s->granule : 1u << SHIFT_LEAST;
	uint64_t most = s->residency.budget / BUDGET_PART;
	unsigned shift = SHIFT_MAX;

	while (1ull << shift > most && 1ull << shift > least)
		shift--;
	while (1ull << shift < least)
		shift++;
	return shift;
}

static int table_new(struct fl_area *a)
{
	struct fl_posted *p = calloc(1, sizeof(*p));
	unsigned shift;

	if (!p)
		return -ENOMEM;
	shift = choose_shift(a->pub.space);
	p->area = a;
	p->n = ((a->pub.len - 1) >> shift) + 1;
	p->windows = calloc(1, p->n);
	if (!p->windows) {
		free(p);
		return -ENOMEM;
	}
	a->pub.window_shift = (uint8_t)shift;
	a->posted = p;
	return 0;
}

/* From now on, or no longer, who hands over buffers must look at the table. */
static void publish(struct fl_posted *p, bool lazy)
{
	uint64_t before = charge_of(p);

	__atomic_store_n(&p->area->pub.windows, lazy ? p->windows : NULL, __ATOMIC_RELEASE);
	poster_of(p)->charged += charge_of(p) - before;
}

int fl_post_add(struct fl_area *a, bool mapped)
{
	struct fl_dma_space *s = a->pub.space;
	struct fl_posted *p;
	int rc = table_new(a);

	if (rc)
		return rc;
	p = a->posted;
	p->next = s->poster->areas;
	s->poster->areas = p;
	p->linked = true;
	if (mapped && posts(s)) {
		p->whole = true;
		note_mapped(fl_unit_of(p, 0), FL_WINDOW_MAPPED | FL_WINDOW_HOT);
	}
	publish(p, true);
	return 0;
}

static void unlink_table(struct fl_posted *p)
{
	struct fl_poster *ps = poster_of(p);
	struct fl_posted **at = &ps->areas;

	if (!p->linked)
		return;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	p->linked = false;
	fl_evict_forget(p);
}

/* The next unit from *at on that stands; moves on behind it. */
static bool next_mapped(struct fl_posted *p, uint64_t *at, struct fl_unit *u)
{
	while (*at < p->n && !(p->windows[*at] & FL_WINDOW_MAPPED))
		++*at;
	if (*at >= p->n)
		return false;
	*u = fl_unit_of(p, *at);
	*at = u->first + u->n;
	return true;
}

int fl_post_drop(struct fl_area *a)
{
	struct fl_posted *p = a->posted;
	struct fl_unit u;
	int rc = 0;

	if (!p || !p->linked)
		return 0;
	poster_of(p)->charged -= charge_of(p);
	for (uint64_t at = 0; next_mapped(p, &at, &u);) {
		struct fl_dma_mapping m = fl_unit_mapping(u);
		int one = fl_domains_unmap_window(space_of(p), &m);

		rc = rc ? rc : one;
		poster_of(p)->receive -= fl_unit_state(u) & FL_WINDOW_RECEIVE ? m.len : 0;
		poster_of(p)->mapped -= m.len;
		poster_of(p)->units--;
		set_state(u, 0);
	}
	p->mapped = 0;
	p->whole = false;
	unlink_table(p);
	return rc;
}

void fl_post_free(struct fl_area *a)
{
	if (!a->posted)
		return;
	unlink_table(a->posted);
	free(a->posted->windows);
	free(a->posted);
	a->posted = NULL;
}

uint64_t fl_post_mapped(const struct fl_area *a)
{
	return a->posted && posts(a->pub.space) ? a->posted->mapped : 0;
}

/* ---- domains come and go ---------------------------------------------------------------- */

static void leave_area(struct fl_dma_domain *d, struct fl_posted *p, uint64_t end)
{
	struct fl_unit u;

	for (uint64_t at = 0; next_mapped(p, &at, &u) && u.first < end;) {
		struct fl_dma_mapping m = fl_unit_mapping(u);

		fl_domain_unmap_window(d, &m); /* counted and logged there */
	}
}

static int join_area(struct fl_dma_domain *d, struct fl_posted *p)
{
	uint64_t size = (uint64_t)1 << p->area->pub.window_shift;
	struct fl_unit u;

	if (size < d->granule) {
		fl_err(d->space->log, "dma",
		       "%s: lazy area %p comes in windows of %" PRIu64
		       " bytes, its pages have %" PRIu64 ": open this device before mapping",
		       d->ops->name, (void *)p->area->pub.va, size, d->granule);
		return -EINVAL;
	}
	for (uint64_t at = 0; next_mapped(p, &at, &u);) {
		struct fl_dma_mapping m = fl_unit_mapping(u);
		int rc = fl_domain_map_window(d, &m);

		if (rc && !d->gone) {
			leave_area(d, p, u.first);
			return rc;
		}
	}
	return 0;
}

int fl_post_join(struct fl_dma_domain *d)
{
	struct fl_poster *ps = d->space->poster;
	int rc = 0;

	for (struct fl_posted *p = ps->areas; p && !rc; p = p->next) {
		rc = join_area(d, p);
		for (struct fl_posted *b = ps->areas; rc && b != p; b = b->next)
			leave_area(d, b, b->n);
	}
	return rc;
}

/* No device is posted to any more: only what the user keeps stands, for the next one. */
static void forget_windows(struct fl_posted *p)
{
	struct fl_unit u;

	/* an area that is pinned stands nowhere now, so it can stand as one, which nobody receives
	 * into */
	if (!p->area->pub.windows && !p->whole) {
		fl_evict_forget(p);
		for (uint64_t at = 0; next_mapped(p, &at, &u);)
			note_unmapped(u);
		p->whole = true;
		note_mapped(fl_unit_of(p, 0), FL_WINDOW_MAPPED | FL_WINDOW_HOT);
	}
	for (uint64_t at = 0; p->area->pub.windows && next_mapped(p, &at, &u);)
		if (!fl_unit_pinned(u))
			note_unmapped(u);
}

void fl_post_leave(struct fl_dma_domain *d)
{
	struct fl_dma_domain *other = d->space->domains;

	if (d->faults)
		return;
	while (other && (other == d || other->faults))
		other = other->next;
	for (struct fl_posted *p = d->space->poster->areas; p; p = p->next) {
		leave_area(d, p, p->n);
		if (!other)
			forget_windows(p);
	}
}

/* ---- mapping windows --------------------------------------------------------------------- */

/* Maps it whatever the budget says; gives up others where the kernel has no more. */
static int bring(struct fl_unit u, struct fl_unit guard, uint8_t state)
{
	struct fl_dma_space *s = space_of(u.p);
	struct fl_poster *ps = s->poster;
	uint64_t now, before;
	int rc = -EAGAIN;

	if (u.p->area->dead)
		return -EFAULT;
	if (u.p->area->discards)
		return rc;
	state |= FL_WINDOW_MAPPED | FL_WINDOW_HOT;
	for (unsigned refusals = 0; refusals < REFUSALS; refusals++) {
		rc = unit_map(u, state, true);
		if (rc != -ENOMEM && rc != -ENOSPC)
			break;
		ps->ceiling = ps->mapped < ps->ceiling ? ps->mapped : ps->ceiling;
		before = ps->mapped;
		(void)fl_evict(s, bytes_of(u), guard);
		if (ps->mapped == before)
			break;
	}
	now = rc ? fl_now_ns() : 0;
	/* once more, for the message, now and then */
	if (rc && (!ps->told_ns || now - ps->told_ns > TELL_NS)) {
		ps->told_ns = now;
		rc = unit_map(u, state, false);
	}
	ps->ceiling = ps->mapped > ps->ceiling ? ps->mapped : ps->ceiling;
	return rc;
}

/* Whether another `len` bytes leave receive queues what is set aside for them. */
static bool leaves_floors(const struct fl_poster *ps, uint64_t len)
{
	uint64_t reserve = ps->floors > ps->receive ? ps->floors - ps->receive : 0;

	return !reserve || (len <= ps->ceiling && ps->mapped <= ps->ceiling - len &&
			    reserve <= ps->ceiling - len - ps->mapped);
}

static int post_unit(const struct fl_dma_queue *q, struct fl_unit u, struct fl_unit guard)
{
	uint64_t len = bytes_of(u);
	int rc;

	/* what is in flight comes on top of the budget */
	(void)fl_make_room(q->space, len, guard);
	if (!q->floor && !leaves_floors(q->space->poster, len)) {
		(void)fl_evict(q->space, len, guard);
		if (!leaves_floors(q->space->poster, len))
			return -EAGAIN;
	}
	rc = bring(u, guard, q->floor ? FL_WINDOW_RECEIVE : 0);
	if (!rc)
		fl_evict_ahead(q->space, guard);
	return rc == -ENOMEM || rc == -ENOSPC ? -EAGAIN : rc;
}

/* ---- posting ----------------------------------------------------------------------------- */

static int post_windows(struct fl_dma_queue *q, struct fl_unit all)
{
	struct fl_residency_stats *counts = &all.p->area->counts;
	bool miss = false;
	int rc = 0;

	for (uint64_t i = all.first; i < all.first + all.n && !rc; i++) {
		struct fl_unit u = fl_unit_of(all.p, i);
		uint8_t w = fl_unit_state(u);

		if (w & FL_WINDOW_HOT)
			continue;
		if (w & FL_WINDOW_MAPPED) {
			fl_unit_heat(u, true);
			counts->rewarmed++;
			continue;
		}
		miss = true;
		rc = post_unit(q, u, all);
	}
	counts->misses += miss;
	counts->refused += rc == -EAGAIN;
	fl_evict_keep(q, all);
	return rc;
}

int fl_dma_post(struct fl_dma_queue *q, const struct fl_dma_area *pub, fl_iova_t iova, uint32_t len)
{
	const struct fl_area *a = (const struct fl_area *)pub;
	uint64_t off = iova.v - pub->iova.v;
	int rc = 0;

	if (pub->space != q->space || off > pub->len || len > pub->len - off)
		return -EFAULT;
	if (!len)
		return 0;
	pthread_mutex_lock(&q->space->lock);
	if (a->dead)
		rc = -EFAULT;
	else if (pub->windows)
		rc = post_windows(q, windows_of(a->posted, off, len));
	pthread_mutex_unlock(&q->space->lock);
	return rc;
}

bool fl_dma_resident_long(const struct fl_dma_area *a, fl_iova_t iova, uint32_t len)
{
	const uint8_t *w = __atomic_load_n(&a->windows, __ATOMIC_ACQUIRE);
	uint64_t at = iova.v - a->iova.v, i = at >> a->window_shift;
	uint8_t all = FL_WINDOW_HOT;

	if (!w)
		return true;
	for (; i <= (at + (len - 1)) >> a->window_shift; i++)
		all &= __atomic_load_n(&w[i], __ATOMIC_RELAXED);
	return all;
}

struct fl_dma_spot fl_dma_look(const struct fl_dma_area *a, fl_iova_t iova, uint32_t len,
			       uint32_t most)
{
	const uint8_t *w = __atomic_load_n(&a->windows, __ATOMIC_ACQUIRE);
	uint64_t at = iova.v - a->iova.v, size = (uint64_t)1 << a->window_shift;

	if (!w)
		return (struct fl_dma_spot){ 0, UINT64_MAX };
	if (!fl_dma_resident(a, iova, len))
		return FL_DMA_NOWHERE;
	if (most > size || (at & (size - 1)) > size - most)
		return (struct fl_dma_spot){ iova.v, 0 };
	return (struct fl_dma_spot){ iova.v - (at & (size - 1)), size - most };
}

/* ---- what the user asks for --------------------------------------------------------------- */

int fl_post_range(struct fl_area *a, uint64_t off, uint64_t len)
{
	struct fl_unit all, u;
	int rc = 0;

	if (!a->pub.windows || !posts(a->pub.space))
		return 0;
	all = windows_of(a->posted, off, len);
	for (uint64_t i = all.first; i < all.first + all.n && !rc; i++) {
		u = fl_unit_of(all.p, i);
		if (fl_unit_state(u) & FL_WINDOW_MAPPED)
			fl_unit_heat(u, true);
		else
			rc = fl_unit_pinned(u) || fl_make_room(a->pub.space, bytes_of(u), all)
				     ? bring(u, all, 0)
				     : -ENOMEM;
	}
	return rc;
}

int fl_post_revoke(struct fl_area *a, uint64_t off, uint64_t len)
{
	struct fl_posted *p = a->posted;
	struct fl_unit all, u;
	int rc;

	if (!p->mapped)
		return 0;
	all = p->whole ? fl_unit_of(p, 0) : windows_of(p, off, len);
	if (!a->pub.windows || fl_unit_pinned(all))
		return -EBUSY;
	rc = fl_evict_quiesce(a->pub.space, all);
	for (uint64_t at = all.first;
	     !rc && next_mapped(p, &at, &u) && u.first < all.first + all.n;)
		rc = fl_unit_unmap(u);
	if (rc)
		fl_unit_heat(all, !a->dead);
	return rc;
}

/* All of it is mapped, as one where nothing is yet, and nobody looks at the table any more. */
static int settle(struct fl_posted *p)
{
	struct fl_unit all = { p, 0, p->n }, u;
	int rc = 0;

	p->whole |= !p->mapped;
	for (uint64_t i = 0; i < p->n && !rc; i++) {
		u = fl_unit_of(p, i);
		/* hot, or it might go to make room for the next one */
		if (fl_unit_state(u) & FL_WINDOW_MAPPED)
			fl_unit_heat(u, true);
		else
			rc = bring(u, all, 0);
	}
	p->whole &= p->mapped != 0;
	if (rc)
		return rc == -EAGAIN ? -ENOMEM : rc;
	publish(p, false);
	return 0;
}

int fl_post_convert(struct fl_area *a, enum fl_residency to)
{
	if (to == FL_PINNED)
		return a->posted ? settle(a->posted) : 0;
	if (!a->posted)
		return fl_post_add(a, true);
	publish(a->posted, true);
	return 0;
}
