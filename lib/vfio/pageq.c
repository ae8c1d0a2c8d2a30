/* SPDX-License-Identifier: BSD-3-Clause */
#include "pageq.h"

#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>

/* Resolved in one go, before others have their turn. */
#define RESOLVE_MAX 64u
/*
 * What a request takes of the time in which it could have done no harm: one that is refused, and
 * one for what was granted before, which many queues may well make at once. STORM_NS are free.
 */
#define REFUSED_NS  1000000u
#define SPURIOUS_NS 20000u
#define STORM_NS    (64u * REFUSED_NS)
/* The first pause before a request is tried again; each is twice as long as the one before. */
#define RETRY_NS 1000000ull

/* ---- room ------------------------------------------------------------------------------- */

int fl_pageq_reserve(struct fl_pageq *p, unsigned groups, unsigned requests)
{
	void *v = p->groups;

	if (groups > p->groups_cap) {
		v = reallocarray(p->groups, groups, sizeof(*p->groups));
		if (!v)
			return -ENOMEM;
		p->groups = v;
		p->groups_cap = groups;
	}
	if (requests > p->queue_cap) {
		v = reallocarray(p->queue, requests, sizeof(*p->queue));
		if (!v)
			return -ENOMEM;
		p->queue = v;
		p->queue_cap = requests;
	}
	return 0;
}

void fl_pageq_free(struct fl_pageq *p)
{
	free(p->groups);
	free(p->queue);
}

void fl_pageq_reset(struct fl_pageq *p)
{
	for (unsigned i = 0; i < p->ngroups; i++)
		*p->groups[i].source = (struct fl_page_source){ 0 };
	p->session++;
	p->head = p->n = p->delayed = p->ngroups = p->nlate = 0;
	p->ahead = false;
}

/* ---- what comes --------------------------------------------------------------------------- */

struct fl_page_group *fl_pageq_find(struct fl_pageq *p, uint32_t number)
{
	for (unsigned i = 0; i < p->ngroups; i++)
		if (p->groups[i].number == number)
			return &p->groups[i];
	return NULL;
}

struct fl_page_group *fl_pages_open_group(struct fl_pageq *p, uint32_t number,
					  struct fl_page_source *source)
{
	struct fl_page_group *g = &p->groups[p->ngroups++];

	*g = (struct fl_page_group){ .number = number, .source = source };
	return g;
}

static void push(struct fl_pageq *p, const struct fl_page_request *r)
{
	if (p->head + p->n == p->queue_cap) {
		memmove(p->queue, p->queue + p->head, p->n * sizeof(*p->queue));
		p->head = 0;
	}
	p->queue[p->head + p->n++] = *r;
	p->delayed += r->not_before != 0;
}

static struct fl_page_request pop(struct fl_pageq *p)
{
	const struct fl_page_request r = p->queue[p->head];

	p->head = --p->n ? p->head + 1 : 0;
	p->delayed -= r.not_before != 0;
	return r;
}

void fl_pageq_push(struct fl_pageq *p, struct fl_page_group *g, const struct fl_page_request *r)
{
	g->requests++;
	g->waiting++;
	push(p, r);
}

static void forget(struct fl_pageq *p, struct fl_page_group *g)
{
	p->nlate -= g->due != 0;
	g->source->held -= g->due != 0;
	*g = p->groups[--p->ngroups];
}

void fl_pageq_drop(struct fl_pageq *p, struct fl_page_group *g)
{
	const uint32_t number = g->number;

	for (unsigned i = p->n; i; i--) {
		const struct fl_page_request r = pop(p);

		if (r.group != number)
			push(p, &r);
		else
			g->source->held -= r.not_before != 0;
	}
	forget(p, g);
}

/* ---- what is answered --------------------------------------------------------------------- */

static void answer(struct fl_pageq *p, struct fl_page_group *g)
{
	const struct fl_page_group was = *g;

	forget(p, g);
	p->ops->answer(p, &was);
}

/* Those whose time has come. */
static void answer_late(struct fl_pageq *p)
{
	const uint64_t now = p->nlate ? fl_now_ns() : 0;

	for (unsigned i = 0; p->nlate && i < p->ngroups;)
		if (p->groups[i].due && p->groups[i].due <= now)
			answer(p, &p->groups[i]);
		else
			i++;
}

static bool is_final(int err)
{
	return err == -EFAULT || err == -EACCES || err == -ENODEV;
}

/* What leads nowhere has its price, but not where it came with what led somewhere. */
static void charge(const struct fl_pageq *p, struct fl_page_group *g, int err, uint64_t now)
{
	struct fl_page_source *s = g->source;

	if (!err && (p->granted || g->lead)) {
		g->lead = true;
		return;
	}
	if (s->busy_until + STORM_NS < now)
		s->busy_until = now - STORM_NS;
	s->busy_until += err ? REFUSED_NS : SPURIOUS_NS;
	*(err ? &g->refused : &g->spurious) = true;
}

/* One request of a group is resolved; whether its answer is put off. */
static bool finish(struct fl_pageq *p, const struct fl_page_request *r, int err)
{
	struct fl_page_group *g = fl_pageq_find(p, r->group);
	const uint64_t now = fl_now_ns();

	charge(p, g, err, now);
	/* what is final outdoes a failure that could be tried again */
	if (err && g->err != -EFAULT)
		g->err = is_final(err) ? -EFAULT : err;
	if (--g->waiting || !g->closed)
		return false;
	if (!(g->refused || (g->spurious && !g->lead)) || g->source->busy_until <= now ||
	    g->source->held >= p->held_max) {
		answer(p, g);
		return false;
	}
	g->due = g->source->busy_until;
	g->source->held++;
	p->nlate++;
	return true;
}

/* One that failed for now goes to the end; false: it has had its tries. */
static bool put_off(struct fl_pageq *p, struct fl_page_request *r, int err)
{
	struct fl_page_source *s = fl_pageq_find(p, r->group)->source;

	if (!err || is_final(err) || r->tries == p->retries || s->held >= p->held_max)
		return false;
	s->held++;
	r->not_before = fl_now_ns() + (RETRY_NS << r->tries++);
	push(p, r);
	return true;
}

/* ---- resolving ---------------------------------------------------------------------------- */

/* The next request whose time has come. */
static bool next(struct fl_pageq *p, struct fl_page_request *r)
{
	const uint64_t now = p->delayed ? fl_now_ns() : 0;

	for (unsigned i = p->n; i; i--) {
		*r = pop(p);
		if (r->not_before <= now) {
			fl_pageq_find(p, r->group)->source->held -= r->not_before != 0;
			r->not_before = 0;
			return true;
		}
		push(p, r);
	}
	return false;
}

static bool resolve_one(struct fl_pageq *p)
{
	const unsigned session = p->session;
	struct fl_dma_domain *d = p->domain;
	struct fl_page_request r;
	struct fl_dma_fault f;
	bool late;
	int err;

	if (!next(p, &r))
		return false;
	f = (struct fl_dma_fault){ { r.iova }, r.len, r.prot, r.arrived_ns };
	p->granted = false;
	pthread_mutex_unlock(p->lock);
	err = fl_dma_fault(d, &f);
	pthread_mutex_lock(p->lock);
	/* what asked may be gone meanwhile, and another there */
	if (p->session != session)
		return true;
	late = put_off(p, &r, err) || finish(p, &r, err);
	if (late) {
		pthread_mutex_unlock(p->lock);
		fl_dma_fault_throttled(d);
		pthread_mutex_lock(p->lock);
	}
	return true;
}

/* While no request waits, and the device is busy with what it got. */
static void go_ahead(struct fl_pageq *p)
{
	struct fl_dma_domain *d = p->domain;
	bool more;

	pthread_mutex_unlock(p->lock);
	more = fl_dma_fault_ahead(d);
	pthread_mutex_lock(p->lock);
	p->ahead = more;
}

bool fl_pageq_granted(struct fl_pageq *p)
{
	const bool asked = p->resolving && pthread_equal(p->resolver, pthread_self());

	p->granted |= asked;
	return asked;
}

void fl_pageq_resolve(struct fl_pageq *p)
{
	const bool ahead = p->n || p->ahead;

	if (p->resolving || !p->domain || !(p->n || p->ahead || p->nlate))
		return;
	p->resolving = true;
	p->resolver = pthread_self();
	answer_late(p);
	for (unsigned i = 0; i < RESOLVE_MAX && p->domain && resolve_one(p); i++)
		p->ops->flush(p, p->n == p->delayed);
	p->ops->flush(p, true);
	if (ahead && p->n == p->delayed && p->domain)
		go_ahead(p);
	p->resolving = false;
}

uint64_t fl_pageq_alarm(const struct fl_pageq *p)
{
	uint64_t at = 0;

	if (p->domain && !p->resolving && (p->n > p->delayed || p->ahead))
		return FL_PAGEQ_NOW;
	for (unsigned i = 0; p->nlate && i < p->ngroups; i++)
		if (p->groups[i].due && (!at || p->groups[i].due < at))
			at = p->groups[i].due;
	for (unsigned i = p->head; p->delayed && i < p->head + p->n; i++)
		if (p->queue[i].not_before && (!at || p->queue[i].not_before < at))
			at = p->queue[i].not_before;
	return at;
}

void fl_pageq_arm(int timer_fd, uint64_t *set, uint64_t at)
{
	struct itimerspec t = { .it_value = { (time_t)(at / 1000000000u),
					      (long)(at % 1000000000u) } };

	if (at == *set)
		return;
	*set = at;
	(void)timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}
