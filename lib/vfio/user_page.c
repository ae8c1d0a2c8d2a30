/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfio-user: page requests (pageq.h). Whoever reads the socket queues them, whoever dispatches
 * resolves them. What is granted then is kept back and leaves together with the answer. All that a
 * server can make us hold is bounded by the groups that were agreed on.
 */
#include "vfio_internal.h"

#include <limits.h>
#include <string.h>

/* Answers that wait for another one are sent all the same from this many bytes on. */
#define FLUSH_AT 512u

static void answer(struct fl_pageq *q, const struct fl_page_group *g)
{
	const struct fl_vu_page_response r = { g->number, !g->err ? FL_VU_PAGE_SUCCESS
							  : g->err == -EFAULT
								  ? FL_VU_PAGE_INVALID
								  : FL_VU_PAGE_FAILURE };

	(void)fl_vu_post(fl_vu_of_pageq(q), FL_VU_PAGE_RESPONSE, &r, sizeof(r));
}

static void flush(struct fl_pageq *q, bool last)
{
	struct fl_vu *u = fl_vu_of_pageq(q);

	if (last || u->pages.out_len >= FLUSH_AT)
		(void)fl_vu_flush(u);
}

static const struct fl_pageq_ops pages_ops = { .answer = answer, .flush = flush };

void fl_vu_pages_init(struct fl_vu *u)
{
	u->pages.q = (struct fl_pageq){ .ops = &pages_ops, .lock = &u->lock, .held_max = UINT_MAX };
}

int fl_vu_pages_start(struct fl_vu *u)
{
	struct fl_vu_pages *p = &u->pages;

	p->max = 0;
	u->dev.faults = false;
	/* requests are for pages of 4 KiB; of another size we could not grant what is asked for */
	if (!u->peer.page_requests || !(u->peer.pgsizes & FL_VU_PAGE))
		return 0;
	if (fl_pageq_reserve(&p->q, FL_VU_GROUPS, FL_VU_GROUPS * FL_VU_GROUP_REQUESTS))
		return -ENOMEM;
	p->max = u->peer.page_requests < FL_VU_GROUPS ? (unsigned)u->peer.page_requests
						      : FL_VU_GROUPS;
	u->dev.faults = true;
	return 0;
}

void fl_vu_pages_stop(struct fl_vu *u)
{
	fl_pageq_reset(&u->pages.q);
	u->pages.out_len = 0;
	u->pages.source = (struct fl_page_source){ 0 };
	fl_vu_rearm(u);
}

void fl_vu_rearm(struct fl_vu *u)
{
	const bool ahead = fl_vu_ahead(&u->twin);
	const uint64_t at = ahead ? FL_PAGEQ_NOW : fl_pageq_alarm(&u->pages.q);

	fl_pageq_arm(u->alarm_fd, &u->pages.alarm, u->up ? at : 0);
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

static struct fl_page_group *take_group(struct fl_vu *u, uint32_t number)
{
	struct fl_vu_pages *p = &u->pages;
	struct fl_page_group *g = fl_pageq_find(&p->q, number);

	if (g && g->closed)
		fl_vu_kill(u, -EPROTO, "a page request of group %u, which is not answered yet",
			   number);
	else if (g && g->requests == FL_VU_GROUP_REQUESTS)
		fl_vu_kill(u, -EPROTO, "page request group %u has more than %u requests", number,
			   FL_VU_GROUP_REQUESTS);
	else if (!g && p->q.ngroups == p->max)
		fl_vu_kill(u, -EPROTO, "more than the %u groups of page requests agreed on",
			   p->max);
	if (!u->up)
		return NULL;
	return g ? g : fl_pages_open_group(&p->q, number, &p->source);
}

int fl_vu_take_page_request(struct fl_vu *u, const struct fl_vu_chan *c)
{
	struct fl_vu_page_request r;
	struct fl_page_group *g;
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
	g->closed = r.flags & FL_VU_PAGE_F_LAST;
	/* there is room: of each group no more wait than it may have */
	fl_pageq_push(&u->pages.q, g,
		      &(struct fl_page_request){ .iova = r.iova,
						 .len = r.len,
						 .arrived_ns = fl_now_ns(),
						 .group = r.group,
						 .prot = r.prot });
	return 0;
}
