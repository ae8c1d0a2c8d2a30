/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfio-user: page requests. Whoever reads the socket queues them, with the link's lock held;
 * whoever dispatches resolves them, with the lock let go, as resolving takes the space's lock,
 * which comes before it. One thread at a time resolves. What it grants is kept back and leaves
 * together with the answer.
 *
 * All that a server can make us hold is bounded by the groups that were agreed on. Requests that
 * lead nowhere are answered later and later once they come faster than any fault would, so that a
 * device which makes nothing else soon has all its groups waiting and no more to ask with.
 */
#include "vfio_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>

/* Resolved in one go, before others have their turn. */
#define RESOLVE_MAX 64u
/* Answers that wait for another one are sent all the same from this many bytes on. */
#define FLUSH_AT 512u
/*
 * What a request takes of the time in which it could have done no harm: one that is refused, and
 * one for what was granted before, which many queues may well make at once. STORM_NS are free.
 */
#define REFUSED_NS  1000000u
#define SPURIOUS_NS 20000u
#define STORM_NS    (64u * REFUSED_NS)

#define ALARM_NOW   1u

int fl_vu_pages_start(struct fl_vu *u)
{
	struct fl_vu_pages *p = &u->pages;

	p->max = 0;
	u->dev.faults = false;
	/* requests are for pages of 4 KiB; of another size we could not grant what is asked for */
	if (!u->peer.page_requests || !(u->peer.pgsizes & FL_VU_PAGE))
		return 0;
	if (!p->groups)
		p->groups = calloc(FL_VU_GROUPS, sizeof(*p->groups));
	if (!p->queue)
		p->queue = calloc(FL_VU_GROUPS * FL_VU_GROUP_REQUESTS, sizeof(*p->queue));
	if (!p->groups || !p->queue)
		return -ENOMEM;
	p->max = u->peer.page_requests < FL_VU_GROUPS ? (unsigned)u->peer.page_requests
						      : FL_VU_GROUPS;
	u->dev.faults = true;
	return 0;
}

void fl_vu_pages_stop(struct fl_vu *u)
{
	struct fl_vu_pages *p = &u->pages;

	p->session++;
	p->head = p->n = p->ngroups = p->nlate = 0;
	p->out_len = 0;
	p->busy_until = 0;
	p->ahead = false;
	fl_vu_rearm(u);
}

void fl_vu_pages_free(struct fl_vu *u)
{
	free(u->pages.groups);
	free(u->pages.queue);
}

void fl_vu_rearm(struct fl_vu *u)
{
	struct fl_vu_pages *p = &u->pages;
	bool left = (u->domain && !p->resolving && (p->n || p->ahead)) || fl_vu_ahead(&u->twin);
	uint64_t at = !u->up ? 0 : left ? ALARM_NOW : p->nlate ? p->due : 0;
	struct itimerspec t = { .it_value = { (time_t)(at / 1000000000u),
					      (long)(at % 1000000000u) } };

	if (at == p->alarm)
		return;
	p->alarm = at;
	(void)timerfd_settime(u->alarm_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

/* ---- what comes --------------------------------------------------------------------------- */

static struct fl_vu_group *find_group(struct fl_vu_pages *p, uint32_t number)
{
	for (unsigned i = 0; i < p->ngroups; i++)
		if (p->groups[i].number == number)
			return &p->groups[i];
	return NULL;
}

static const char *odd_request(const struct fl_vu_page_request *r)
{
	if (!r->len || (r->iova | r->len) % FL_VU_PAGE)
		return "not whole pages";
	if (r->iova + (r->len - 1) < r->iova)
		return "a range that wraps";
	if (!r->prot || r->prot & ~(FL_VU_DMA_F_READ | FL_VU_DMA_F_WRITE))
		return "an unknown permission";
	return r->flags & ~FL_VU_PAGE_F_LAST ? "unknown flags" : NULL;
}

static struct fl_vu_group *take_group(struct fl_vu *u, uint32_t number)
{
	struct fl_vu_pages *p = &u->pages;
	struct fl_vu_group *g = find_group(p, number);

	if (g && g->closed)
		fl_vu_kill(u, -EPROTO, "a page request of group %u, which is not answered yet",
			   number);
	else if (g && g->requests == FL_VU_GROUP_REQUESTS)
		fl_vu_kill(u, -EPROTO, "page request group %u has more than %u requests", number,
			   FL_VU_GROUP_REQUESTS);
	else if (!g && p->ngroups == p->max)
		fl_vu_kill(u, -EPROTO, "more than the %u groups of page requests agreed on",
			   p->max);
	if (!u->up)
		return NULL;
	if (!g) {
		g = &p->groups[p->ngroups++];
		*g = (struct fl_vu_group){ .number = number };
	}
	return g;
}

int fl_vu_take_page_request(struct fl_vu *u, const struct fl_vu_chan *c)
{
	struct fl_vu_pages *p = &u->pages;
	struct fl_vu_page_request r;
	struct fl_vu_group *g;
	const char *odd;

	if (fl_vu_body_len(c) != sizeof(r) || !(c->hdr.flags & FL_VU_F_NO_REPLY))
		return fl_vu_kill(u, -EPROTO, "a page request of %zu bytes, flags 0x%x",
				  fl_vu_body_len(c), c->hdr.flags);
	memcpy(&r, c->body, sizeof(r));
	odd = odd_request(&r);
	if (odd)
		return fl_vu_kill(u, -EPROTO, "a page request for 0x%llx + 0x%llx: %s",
				  (unsigned long long)r.iova, (unsigned long long)r.len, odd);
	g = take_group(u, r.group);
	if (!g)
		return -EPROTO;
	g->requests++;
	g->waiting++;
	g->closed = r.flags & FL_VU_PAGE_F_LAST;
	if (!p->n)
		p->head = 0;
	/* there is room: of each group no more wait than it may have */
	p->queue[(p->head + p->n++) % (FL_VU_GROUPS * FL_VU_GROUP_REQUESTS)] =
		(struct fl_vu_request){ r.iova, r.len, fl_now_ns(), r.group, r.prot };
	return 0;
}

/* ---- what is answered --------------------------------------------------------------------- */

static void answer(struct fl_vu *u, struct fl_vu_group *g)
{
	const struct fl_vu_page_response r = { g->number, g->code };

	*g = u->pages.groups[--u->pages.ngroups];
	(void)fl_vu_post(u, FL_VU_PAGE_RESPONSE, &r, sizeof(r));
}

/* Those whose time has come. */
static void answer_late(struct fl_vu *u)
{
	struct fl_vu_pages *p = &u->pages;
	uint64_t now = p->nlate ? fl_now_ns() : 0;

	if (!p->nlate || p->due > now)
		return;
	p->due = UINT64_MAX;
	for (unsigned i = 0; i < p->ngroups;) {
		struct fl_vu_group *g = &p->groups[i];

		if (g->due && g->due <= now) {
			p->nlate--;
			answer(u, g);
			continue;
		}
		if (g->due && g->due < p->due)
			p->due = g->due;
		i++;
	}
}

/* INVALID is final, so it outdoes a failure that could be tried again. */
static uint32_t worse(uint32_t code, int err)
{
	if (err == -EFAULT || err == -EACCES || code == FL_VU_PAGE_INVALID)
		return FL_VU_PAGE_INVALID;
	return err ? FL_VU_PAGE_FAILURE : code;
}

/* One request of a group is resolved; whether its answer is put off. */
static bool finish(struct fl_vu *u, const struct fl_vu_request *r, int err)
{
	struct fl_vu_pages *p = &u->pages;
	struct fl_vu_group *g = find_group(p, r->group);
	uint64_t now = fl_now_ns();

	if (err || !p->granted) {
		if (p->busy_until + STORM_NS < now)
			p->busy_until = now - STORM_NS;
		p->busy_until += err ? REFUSED_NS : SPURIOUS_NS;
		g->vain = true;
	}
	g->code = worse(g->code, err);
	if (--g->waiting || !g->closed)
		return false;
	if (!g->vain || p->busy_until <= now) {
		answer(u, g);
		return false;
	}
	g->due = p->busy_until;
	if (!p->nlate++ || g->due < p->due)
		p->due = g->due;
	return true;
}

static void resolve_one(struct fl_vu *u)
{
	struct fl_vu_pages *p = &u->pages;
	struct fl_vu_request r = p->queue[p->head];
	const struct fl_dma_fault f = {
		.iova = { r.iova }, .len = r.len, .prot = r.prot, .arrived_ns = r.arrived_ns
	};
	struct fl_dma_domain *d = u->domain;
	unsigned session = p->session;
	bool late;
	int err;

	p->head = (p->head + 1) % (FL_VU_GROUPS * FL_VU_GROUP_REQUESTS);
	p->n--;
	p->granted = false;
	pthread_mutex_unlock(&u->lock);
	err = fl_dma_fault(d, &f);
	pthread_mutex_lock(&u->lock);
	/* the link may have ended meanwhile, and another begun */
	late = u->up && p->session == session && finish(u, &r, err);
	if (!late)
		return;
	pthread_mutex_unlock(&u->lock);
	fl_dma_fault_throttled(d);
	pthread_mutex_lock(&u->lock);
}

/* While no request waits, and the device is busy with what it got. */
static void go_ahead(struct fl_vu *u)
{
	struct fl_dma_domain *d = u->domain;
	bool more;

	pthread_mutex_unlock(&u->lock);
	more = fl_dma_fault_ahead(d);
	pthread_mutex_lock(&u->lock);
	u->pages.ahead = more;
}

void fl_vu_resolve(struct fl_vu *u)
{
	struct fl_vu_pages *p = &u->pages;
	bool ahead = p->n || p->ahead;

	if (p->resolving || !u->domain || !(p->n || p->ahead || p->nlate))
		return;
	p->resolving = true;
	p->resolver = pthread_self();
	answer_late(u);
	for (unsigned i = 0; i < RESOLVE_MAX && p->n && u->up && u->domain; i++) {
		resolve_one(u);
		if (!p->n || p->out_len >= FLUSH_AT)
			(void)fl_vu_flush(u);
	}
	(void)fl_vu_flush(u);
	if (ahead && !p->n && u->up && u->domain)
		go_ahead(u);
	p->resolving = false;
}
