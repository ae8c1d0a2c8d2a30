/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page requests: what a model asks of its client, and what waits for the answer.
 *
 * Each request is a group of its own. Those of one round go to the client in one write; two for
 * the same page are one. A request that nobody answers in time has failed for the model, but its
 * place stays taken until the client answers, so that the client never holds more than it said
 * it would; that answer is a stray. Where all places are such, the client is not answering, and
 * what is asked now has failed already.
 */
#include "engine_internal.h"

#include <stdlib.h>

/* A look at the socket this often though there is other work. */
#define BUSY_LOOK 5000u

/* No request has this number: its state is a failure. */
#define NEVER	 UINT32_MAX

#define SLOT(id) ((id) % FL_MODEL_PAGE_REQS)

int fl_pages_open(struct fl_model *m, unsigned max)
{
	struct fl_pages *p = &m->pages;

	p->req = calloc(max, sizeof(*p->req));
	p->free = calloc(max, sizeof(*p->free));
	p->out = calloc(max, sizeof(*p->out));
	if (!p->req || !p->free || !p->out) {
		fl_pages_close(m);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < max; i++)
		p->free[i] = (uint16_t)(max - 1 - i);
	p->max = p->nfree = max;
	return 0;
}

void fl_pages_close(struct fl_model *m)
{
	struct fl_pages *p = &m->pages;

	free(p->req);
	free(p->free);
	free(p->out);
	*p = (struct fl_pages){ .seq = p->seq, .now = p->now, .timeout_ns = p->timeout_ns };
}

static struct fl_page_req *find(struct fl_pages *p, uint32_t id)
{
	struct fl_page_req *r = SLOT(id) < p->max ? &p->req[SLOT(id)] : NULL;

	return r && id && r->id == id ? r : NULL;
}

static void release(struct fl_pages *p, struct fl_page_req *r)
{
	r->id = 0;
	p->free[p->nfree++] = (uint16_t)(r - p->req);
}

static void unref(struct fl_pages *p, struct fl_page_req *r)
{
	if (!--r->refs && !r->owed)
		release(p, r);
}

bool fl_pages_answer(struct fl_model *m, uint32_t group, enum fl_model_pr_state state)
{
	struct fl_pages *p = &m->pages;
	struct fl_page_req *r = find(p, group);
	bool waited = r && r->owed && r->state == FL_PR_WAITING;

	if (waited) {
		fl_stat_add(state == FL_PR_SUCCESS   ? &m->stats.pr_success
			    : state == FL_PR_INVALID ? &m->stats.pr_invalid
						     : &m->stats.pr_failure,
			    1);
		r->state = state;
		p->waiting--;
	} else {
		fl_stat_add(&m->stats.pr_stray, 1);
	}
	if (r && r->owed) {
		r->owed = false;
		p->lost -= !waited;
		if (!r->refs)
			release(p, r);
	}
	return waited;
}

void fl_pages_drop(struct fl_model *m)
{
	struct fl_pages *p = &m->pages;

	for (unsigned i = 0; i < p->max; i++) {
		if (p->req[i].id && p->req[i].refs) {
			p->req[i].refs = 1;
			unref(p, &p->req[i]);
		}
	}
}

static void find_lost(struct fl_model *m)
{
	struct fl_pages *p = &m->pages;

	p->overdue = UINT64_MAX;
	for (unsigned i = 0; i < p->max; i++) {
		struct fl_page_req *r = &p->req[i];

		if (!r->id || r->state != FL_PR_WAITING)
			continue;
		if (p->now >= r->deadline) {
			fl_stat_add(&m->stats.pr_lost, 1);
			r->state = FL_PR_FAILURE;
			p->waiting--;
			p->lost++;
		} else if (r->deadline < p->overdue) {
			p->overdue = r->deadline;
		}
	}
}

unsigned fl_pages_round(struct fl_model *m, unsigned work)
{
	struct fl_pages *p = &m->pages;
	bool any = false;

	if (p->fresh && m->srv)
		fl_server_send_pages(m->srv);
	p->fresh = false;
	/* what waits is why the model has nothing to do: no time is lost on other sockets */
	if (m->srv && (!work || p->now >= p->next_look)) {
		any = fl_server_take_grants(m->srv);
		p->next_look = p->now + BUSY_LOOK;
	}
	if (p->now >= p->overdue)
		find_lost(m);
	return work + any;
}

/* ---- what a model calls --------------------------------------------------------------- */

/* The first page of [iova, last] that is not granted, and the bytes from there in its area. */
static int find_missing(const struct fl_model *m, uint64_t iova, uint64_t last, unsigned prot,
			struct fl_vu_page_request *out)
{
	for (;;) {
		const struct fl_iommu_map *e = fl_iommu_find(&m->mmu, iova);
		uint64_t end, page;

		if (!e || (e->prot & prot) != prot)
			return -EFAULT;
		end = last < e->last ? last : e->last;
		if (e->granted[0]) {
			uint64_t to = (end - e->first) / FL_MODEL_PAGE;

			page = fl_iotlb_missing(e, (iova - e->first) / FL_MODEL_PAGE, to, prot);
			if (page <= to) {
				out->iova = e->first + page * FL_MODEL_PAGE;
				out->len = (to - page + 1) * FL_MODEL_PAGE;
				return 0;
			}
		}
		if (end == last)
			return -EFAULT;
		iova = end + 1;
	}
}

static int find_first(struct fl_model *m, uint64_t iova, uint64_t last, unsigned prot,
		      struct fl_vu_page_request *out)
{
	return m->host ? fl_host_missing(m, iova, last, prot, &out->iova)
		       : find_missing(m, iova, last, prot, out);
}

static struct fl_page_req *same_page(struct fl_pages *p, uint64_t iova, unsigned prot)
{
	for (unsigned i = 0; p->waiting && i < p->max; i++) {
		struct fl_page_req *r = &p->req[i];

		if (r->id && r->state == FL_PR_WAITING && r->iova == iova &&
		    (r->prot & prot) == prot)
			return r;
	}
	return NULL;
}

static struct fl_page_req *make(struct fl_pages *p, const struct fl_vu_page_request *want)
{
	unsigned slot = p->free[--p->nfree];
	struct fl_page_req *r = &p->req[slot];

	/* 0 is no request's number */
	if (++p->seq == UINT32_MAX / FL_MODEL_PAGE_REQS)
		p->seq = 1;
	*r = (struct fl_page_req){ .iova = want->iova,
				   .deadline = p->now + p->timeout_ns,
				   .id = p->seq * FL_MODEL_PAGE_REQS + slot,
				   .prot = want->prot,
				   .owed = true,
				   .state = FL_PR_WAITING };
	if (!p->waiting++ || r->deadline < p->overdue)
		p->overdue = r->deadline;
	return r;
}

static void put_message(struct fl_pages *p, const struct fl_page_req *r,
			const struct fl_vu_page_request *want)
{
	struct fl_page_msg *msg = &p->out[p->nout++];

	*msg = (struct fl_page_msg){
		.hdr = { .id = (uint16_t)r->id,
			 .cmd = FL_VU_PAGE_REQUEST,
			 .size = sizeof(*msg),
			 .flags = FL_VU_COMMAND | FL_VU_F_NO_REPLY },
		.req = *want,
	};
	msg->req.group = r->id;
	p->fresh = true;
}

/* To the client, or onto the list of what goes to it in one write. */
static int send_request(struct fl_model *m, struct fl_page_req *r,
			const struct fl_vu_page_request *want)
{
	int e = 0;

	if (m->host)
		e = m->host->page_request(m->host_arg, r->id, want->iova, want->prot);
	else
		put_message(&m->pages, r, want);
	if (!e) {
		fl_stat_add(&m->stats.pr_sent, 1);
		return 0;
	}
	m->pages.waiting--;
	release(&m->pages, r);
	if (e == -EAGAIN)
		fl_stat_add(&m->stats.pr_full, 1);
	return e == -EAGAIN ? e : -EFAULT;
}

int fl_model_page_request(struct fl_model *m, fl_iova_t iova, uint64_t len, unsigned prot,
			  fl_model_pr_t *pr)
{
	struct fl_vu_page_request want = { .prot = (uint16_t)prot, .flags = FL_VU_PAGE_F_LAST };
	uint64_t last = iova.v + (len - 1);
	struct fl_pages *p = &m->pages;
	struct fl_page_req *r;
	int e;

	*pr = 0;
	if (!p->max || !len || last < iova.v || !prot || !fl_model_bus_master(m) ||
	    find_first(m, iova.v, last, prot, &want))
		return -EFAULT;
	/* what the client granted before it rang a doorbell has come by now */
	if (m->srv && fl_server_take_grants(m->srv) && find_missing(m, iova.v, last, prot, &want))
		return -EAGAIN;
	r = same_page(p, want.iova, prot);
	if (!r) {
		if (!p->nfree || p->nout == p->max) {
			fl_stat_add(&m->stats.pr_full, 1);
			if (p->lost < p->max)
				return -EAGAIN;
			*pr = NEVER;
			return 0;
		}
		r = make(p, &want);
		e = send_request(m, r, &want);
		if (e)
			return e;
	}
	r->refs++;
	*pr = r->id;
	return 0;
}

fl_iova_t fl_model_page_iova(struct fl_model *m, fl_model_pr_t pr)
{
	const struct fl_page_req *r = find(&m->pages, pr);

	return fl_iova(r ? r->iova : 0);
}

enum fl_model_pr_state fl_model_page_state(struct fl_model *m, fl_model_pr_t pr)
{
	struct fl_page_req *r = find(&m->pages, pr);
	enum fl_model_pr_state state;

	if (!r || !r->refs)
		return FL_PR_FAILURE;
	state = r->state;
	if (state != FL_PR_WAITING)
		unref(&m->pages, r);
	return state;
}

void fl_model_page_forget(struct fl_model *m, fl_model_pr_t pr)
{
	struct fl_page_req *r = find(&m->pages, pr);

	if (r && r->refs)
		unref(&m->pages, r);
}

void fl_model_page_timeout(struct fl_model *m, uint64_t ns)
{
	m->pages.timeout_ns = ns;
}

void fl_model_no_page_requests(struct fl_model *m)
{
	m->no_page_requests = true;
}
