/* SPDX-License-Identifier: BSD-3-Clause */
/* Page requests: which pages a request brings, and what is done when no request waits. */
#include "dma_internal.h"

#include <errno.h>
#include <sys/mman.h>

#define TRIES	    8u /* to map a page: before each after the first a window goes */
#define AROUND_MAX  (2ull << 20)
#define SHARES	    16u		  /* of the budget: what a fault brings is one at most */
#define AROUND_UNIT 4096ull	  /* of fl_residency_opts.fault_around */
#define AHEAD_FIRST (16ull << 10) /* a step; each is twice as long as the one before, */
#define AHEAD_MOST  (64ull << 10) /* up to this */

/* ---- fault-around ------------------------------------------------------------------------- */

/*
 * The stream that a fault belongs to, with the pages that it gets now. Who asks for what follows
 * directly gets eight times as much; who has left some out, an eighth; all others start anew, in
 * the place of the stream that was longest without a fault.
 */
static struct fl_stream *stream_of(struct fl_faulted *f, uint64_t page, uint32_t max)
{
	struct fl_stream *oldest = &f->streams[0];

	f->clock++;
	for (struct fl_stream *t = f->streams; t < f->streams + FL_STREAMS; t++) {
		if (t->pages && page - t->next <= t->pages) {
			t->pages = page == t->next ? t->pages * 8 : t->pages / 8;
			t->pages = t->pages > max ? max : t->pages;
			t->pages = t->pages ? t->pages : 1;
			t->used = f->clock;
			return t;
		}
		if (f->clock - t->used > f->clock - oldest->used)
			oldest = t;
	}
	*oldest = (struct fl_stream){ .pages = 1, .used = f->clock };
	return oldest;
}

struct range {
	uint64_t from, end;
};

/* All of a block of so many pages around the request that it cannot reach and that hangs together.
 */
static struct range fixed_range(const struct fl_faulted *f, uint64_t page, uint64_t n,
				unsigned prot)
{
	struct range r = { page - page % n, 0 };

	r.end = r.from + n < f->pages ? r.from + n : f->pages;
	for (uint64_t p = page; p > r.from; p--)
		if (fl_granted_next(f, p - 1, p, prot, true) == p - 1)
			r.from = p;
	r.end = fl_granted_next(f, page, r.end, prot, true);
	return r;
}

/* From the page to the end of a block of the stream's size, or as far as the device asks. */
static struct range adaptive_range(struct fl_faulted *f, const struct fl_dma_fault *q,
				   uint64_t page, uint64_t max, unsigned prot)
{
	struct fl_stream *t = stream_of(f, page, (uint32_t)max);
	const uint64_t off = q->iova.v - f->area->pub.iova.v;
	const uint64_t rest = f->area->pub.len - off, len = q->len < rest ? q->len : rest;
	const uint64_t asked = len ? ((off + (len - 1)) >> f->shift) + 1 : page + 1;
	struct range r = { page, (page / t->pages + 1) * t->pages };

	r.end = asked > r.end ? asked : r.end;
	r.end = r.end - page > max ? page + max : r.end;
	r.end = r.end < f->pages ? r.end : f->pages;
	r.end = fl_granted_next(f, page, r.end, prot, true);
	/* what can be reached already will not be asked for */
	t->next = fl_granted_next(f, r.end, r.end + max < f->pages ? r.end + max : f->pages, prot,
				  false);
	return r;
}

static struct range choose(struct fl_faulted *f, const struct fl_dma_fault *q, uint64_t page,
			   unsigned prot)
{
	const struct fl_residency_opts *o = &f->area->pub.space->residency;
	uint64_t n = (o->fault_around * AROUND_UNIT) >> f->shift, max = AROUND_MAX >> f->shift;

	/* so that what one fault brings does not push out what the others brought */
	if (fl_granted_bounded(f->domain) && max > (o->budget >> f->shift) / SHARES)
		max = (o->budget >> f->shift) / SHARES;
	max = max ? max : 1;
	if (!o->fault_around)
		return adaptive_range(f, q, page, max, prot);
	n = n > max ? max : n;
	return fixed_range(f, page, n ? n : 1, prot);
}

/* ---- memory that is not there yet --------------------------------------------------------- */

/* One that does not fit is left out: then the device waits for its memory, as without this. */
static void ahead_add(struct fl_ahead *q, fl_iova_t iova, uint64_t len)
{
	unsigned at = (q->first + q->n) % FL_AHEAD_MAX;
	unsigned last = (at + FL_AHEAD_MAX - 1) % FL_AHEAD_MAX;

	q->step = AHEAD_FIRST;
	if (q->n && q->v[last].iova.v + q->v[last].len == iova.v) {
		q->v[last].len += len;
	} else if (q->n < FL_AHEAD_MAX) {
		q->v[at].iova = iova;
		q->v[at].len = len;
		q->n++;
	}
}

static void ahead_drop(struct fl_ahead *q)
{
	q->first = (q->first + 1) % FL_AHEAD_MAX;
	q->n--;
}

/* A step of the first range; false: it is over, as what stands there may not be written to. */
static bool ahead_step(struct fl_dma_domain *d, fl_iova_t *iova, uint64_t *len)
{
	struct fl_area *a = fl_area_at(d->space, *iova);
	const struct fl_faulted *f = a && !a->discards ? fl_granted_find(d, a) : NULL;
	uint64_t off, page, end, step;

	if (!f)
		return false;
	off = iova->v - a->pub.iova.v;
	page = off >> f->shift;
	step = a->page_size > d->ahead.step ? a->page_size : d->ahead.step;
	step = step < *len ? step : *len;
	step = step < a->pub.len - off ? step : a->pub.len - off;
	/* no page that was taken back meanwhile */
	end = page + ((step - 1) >> f->shift) + 1;
	if (fl_granted_next(f, page, end, FL_DMA_WRITE, true) != page)
		return false;
	end = (fl_granted_next(f, page, end, FL_DMA_WRITE, false) << f->shift) - off;
	step = step < end ? step : end;
	if (madvise(a->pub.va + off, step, MADV_POPULATE_WRITE))
		return false;
	*iova = fl_iova_add(*iova, step);
	*len -= step;
	if (d->ahead.step < AHEAD_MOST)
		d->ahead.step *= 2;
	return *len != 0;
}

bool fl_dma_fault_ahead(struct fl_dma_domain *d)
{
	struct fl_ahead *q = &d->ahead;
	bool more;

	pthread_mutex_lock(&d->space->lock);
	if (q->n && !ahead_step(d, &q->v[q->first].iova, &q->v[q->first].len))
		ahead_drop(q);
	more = q->n != 0;
	/* what is pinned was brought in by that: there the next fault finds room */
	if (d->pins && d->faults && d->granted_bytes)
		(void)fl_budget_room(d->space, d->space->residency.budget / SHARES);
	pthread_mutex_unlock(&d->space->lock);
	return more;
}

/* ---- requests ----------------------------------------------------------------------------- */

static int grant(struct fl_faulted *f, const struct fl_dma_fault *q, uint64_t page)
{
	/* who reads gets no more, so that the process's pages stay clean; who writes reads too */
	const unsigned prot = q->prot & FL_DMA_WRITE ? f->area->pub.prot : FL_DMA_READ;
	const struct range one = { page, page + 1 };
	struct range r = choose(f, q, page, prot);
	uint64_t fresh = 0;
	int rc;

	/* who waits gets what it waits for, over the budget if it must be */
	if (fl_granted_bounded(f->domain) &&
	    fl_budget_room(f->domain->space, fl_granted_lacks(f, r.from, r.end)))
		r = one;
	rc = fl_granted_give(f, r.from, r.end, prot, &fresh);
	/* others may have what the budget counts on */
	for (unsigned i = 0; rc == -ENOMEM && i < TRIES; i++) {
		const bool room = f->domain->pins && fl_granted_evict(f->domain->space, 1);

		if (!room && r.end - r.from == 1)
			break;
		r = room && !i ? r : one;
		rc = fl_granted_give(f, r.from, r.end, prot, &fresh);
	}
	if (rc)
		return rc;
	f->area->counts.fault_pages += fresh;
	/* what is pinned is there */
	if (prot & FL_DMA_WRITE && !f->domain->pins)
		ahead_add(&f->domain->ahead, fl_iova_add(f->area->pub.iova, r.from << f->shift),
			  (r.end - r.from) << f->shift);
	return 0;
}

static int resolve_in(struct fl_dma_domain *d, struct fl_area *a, const struct fl_dma_fault *q)
{
	struct fl_faulted *f;
	uint64_t page;
	int rc;

	if (!q->prot || (q->prot & ~a->pub.prot)) {
		a->counts.denied++;
		return -EACCES;
	}
	if (a->pub.residency == FL_PINNED) { /* it turned while the request was on its way */
		a->counts.spurious++;
		return 0;
	}
	f = fl_granted_of(d, a);
	if (!f) {
		a->counts.failed++;
		return -ENOMEM;
	}
	page = (q->iova.v - a->pub.iova.v) >> f->shift;
	if (fl_granted_next(f, page, page + 1, q->prot, true) == page) {
		a->counts.spurious++;
		return 0;
	}
	rc = grant(f, q, page);
	a->counts.failed += rc != 0;
	return rc;
}

static void count_latency(struct fl_residency_stats *c, uint64_t since)
{
	const uint64_t now = fl_now_ns(), ns = now > since ? now - since : 0, us = ns / 1000;
	const unsigned n = us ? 63 - (unsigned)__builtin_clzll(us) : 0;

	c->faults++;
	c->latency[n < FL_FAULT_BUCKETS ? n : FL_FAULT_BUCKETS - 1]++;
	c->latency_ns += ns;
}

static int resolve(struct fl_dma_domain *d, const struct fl_dma_fault *q, uint64_t since)
{
	struct fl_area *a = fl_residency_settled(d->space, q->iova);
	int rc;

	if (!d->faults || d->resolves || d->gone)
		return -ENODEV;
	if (!a || a->dead || (a->pub.residency == FL_PINNED && !a->was_lazy)) {
		d->space->counts.invalid++;
		return -EFAULT;
	}
	rc = resolve_in(d, a, q);
	if (!rc)
		count_latency(&a->counts, since);
	return rc;
}

int fl_dma_fault(struct fl_dma_domain *d, const struct fl_dma_fault *q)
{
	const uint64_t since = q->arrived_ns ? q->arrived_ns : fl_now_ns();
	int rc;

	pthread_mutex_lock(&d->space->lock);
	rc = resolve(d, q, since);
	pthread_mutex_unlock(&d->space->lock);
	return rc;
}

void fl_dma_fault_throttled(struct fl_dma_domain *d)
{
	pthread_mutex_lock(&d->space->lock);
	d->space->counts.throttled++;
	pthread_mutex_unlock(&d->space->lock);
}

bool fl_dma_domain_faults(const struct fl_dma_domain *d)
{
	return d->faults;
}
