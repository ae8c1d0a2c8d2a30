/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Queues at work. poll() looks at the doorbells of active queues, finishes what has been computed,
 * in order, and takes new descriptors, a few of each queue in turn. What it took is given to the
 * workers, or computed here when there is nothing else to do.
 *
 * A descriptor whose memory is not there yet is parked: the next of its queue, in a slot of its
 * own, looked at again each time until its pages have come. Its queue waits for it, others do not.
 *
 * A descriptor is taken only while its completion has room in the CQ: a CQ that is full holds its
 * queue up and loses nothing.
 */
#include <sched.h>

#include "qm_internal.h"

#define PARKED_MOST (SECM_SLOTS / 4 * 3)

#define HELP	    4u	/* jobs to run here before looking around again, */
#define LOOKS	    16u /* and one more for so many queues: a look at each costs some 10 ns */

/* ---- the list of queues to look at ----------------------------------------------------------- */

void fl_secm_activate(struct secm *f, unsigned qn)
{
	struct secm_qp *q = &f->qp[qn];

	if (q->active)
		return;
	q->active = true;
	f->active[f->nactive++] = (uint16_t)qn;
}

void fl_secm_deactivate(struct secm *f, unsigned qn)
{
	fl_secm_settle(f, qn);
	for (unsigned i = 0; i < f->nactive; i++) {
		if (f->active[i] == qn) {
			f->active[i] = f->active[--f->nactive];
			f->qp[qn].active = false;
			return;
		}
	}
}

/* ---- finishing ------------------------------------------------------------------------------- */

static void *reach(struct secm *f, struct fl_model_tlb *tlb, uint64_t iova, uint32_t len,
		   unsigned prot)
{
	return fl_model_dma(f->m, f->env.mmu, tlb, fl_iova(iova), len, prot);
}

/* Phase last: whoever sees it sees the rest, and the BD that was written before. */
static bool put_cqe(struct secm *f, struct secm_qp *q, const uint16_t cqe[8])
{
	uint64_t at = q->cq_base + (uint64_t)q->cq_tail.idx * CQE_SIZE;
	uint16_t *p = reach(f, &q->cq_tlb, at, CQE_SIZE, FL_DMA_WRITE);

	if (fl_unlikely(!p))
		return !fl_model_dma_write(f->m, fl_iova(at), cqe, CQE_SIZE);
	memcpy(p, cqe, CQE_SIZE - 2);
	__atomic_store_n(&p[7], cqe[7], __ATOMIC_RELEASE);
	return true;
}

static void complete(struct secm *f, struct secm_qp *q, uint16_t slot)
{
	unsigned qn = (unsigned)(q - f->qp);
	uint16_t cqe[8] = {
		[4] = slot, [5] = (uint16_t)qn, [7] = (q->cqc[6] & CQC_PHASE) ^ q->cq_tail.sig
	};

	if (fl_secm_hit(f, F_SQ_HEAD))
		cqe[4] = (uint16_t)(q->sq_depth + slot);
	if (fl_secm_hit(f, F_PHASE))
		cqe[7] ^= 1;
	if (!put_cqe(f, q, cqe)) {
		q->stuck = true;
		fl_secm_dma_error(f, true, DB_CQ, qn);
		fl_secm_aeqe(f, qn, AEQE_CQE_ERROR);
		return;
	}
	fl_secm_advance(&q->cq_tail, q->cq_depth);
	q->cq_used++;
	q->ncqe++;
	f->stat[3]++;
	if (q->c_flag)
		fl_secm_event(f, qn);
}

static void spoil(struct secm *f, uint8_t *bd)
{
	if (fl_secm_hit(f, F_TAG))
		bd[(bd[0] & 0xf) == 3 ? 8 : 40] ^= 0x5a;
	if (fl_secm_hit(f, F_ICV))
		bd[112] = (uint8_t)((bd[112] & ~0xe) | 2 << 1);
	if (fl_secm_hit(f, F_BD)) {
		bd[114] = 1;
		fl_secm_sec_error(f, SE_BD);
	}
}

static bool put_bd(struct secm *f, struct secm_qp *q, const struct secm_slot *s)
{
	uint64_t at = q->sq_base + (uint64_t)s->idx * SECM_BD_SIZE;
	uint8_t *p = reach(f, &q->sq_tlb, at, SECM_BD_SIZE, FL_DMA_WRITE);

	if (fl_unlikely(!p))
		return !fl_model_dma_write(f->m, fl_iova(at), s->bd, SECM_BD_SIZE);
	memcpy(p, s->bd, SECM_BD_SIZE);
	return true;
}

static struct secm_slot *get_slot(struct secm *f)
{
	struct secm_slot *s = f->free;

	f->free = s->next;
	return s;
}

static void put_slot(struct secm *f, struct secm_slot *s)
{
	s->next = f->free;
	f->free = s;
}

static void release(struct secm *f, struct secm_qp *q, struct secm_slot *s)
{
	q->first = s->next;
	if (!q->first)
		q->last = &q->first;
	q->inflight--;
	f->running--;
	put_slot(f, s);
}

/* false: it waits for pages that its results go to */
static bool finish(struct secm *f, struct secm_qp *q, struct secm_slot *s)
{
	unsigned qn = (unsigned)(q - f->qp);
	enum secm_finish r = fl_secm_job_finish(&f->env, s->job, s->bd);

	if (r == SECM_NOT_YET)
		return false;
	if (r == SECM_FAILED)
		fl_secm_sec_error(f, SE_BD);
	f->stat[2]++;
	spoil(f, s->bd);
	if (!put_bd(f, q, s)) {
		q->stuck = true;
		fl_secm_dma_error(f, true, DB_SQ, qn);
	} else if (!q->stuck) {
		f->stat[1]++;
		if (!fl_secm_hit(f, F_LOST))
			complete(f, q, s->idx);
		if (q->cq_used < q->cq_depth && fl_secm_hit(f, F_DUP))
			complete(f, q, s->idx);
	}
	release(f, q, s);
	return true;
}

static unsigned finish_ready(struct secm *f, struct secm_qp *q)
{
	unsigned n = 0;

	while (q->first && (q->first->completed || fl_secm_job_ran(q->first->job)) &&
	       finish(f, q, q->first))
		n++;
	return n;
}

/* ---- taking ---------------------------------------------------------------------------------- */

static bool get_bd(struct secm *f, struct secm_qp *q, uint8_t *bd)
{
	uint64_t at = q->sq_base + (uint64_t)q->sq_head.idx * SECM_BD_SIZE;
	const uint8_t *p = reach(f, &q->sq_tlb, at, SECM_BD_SIZE, FL_DMA_READ);

	if (fl_likely(p)) {
		memcpy(bd, p, SECM_BD_SIZE);
		return true;
	}
	return !fl_model_dma_read(f->m, fl_iova(at), bd, SECM_BD_SIZE);
}

static bool may_take(struct secm *f, struct secm_qp *q, unsigned qn)
{
	if ((!f->free && !q->parked) || q->stuck || !q->sq_ok || !q->cq_ok ||
	    q->sq_head.idx == q->sq_tail.idx)
		return false;
	if (fl_likely(q->cq_used + q->inflight < q->cq_depth))
		return true;
	if (!q->full && q->cq_used >= q->cq_depth) {
		q->full = true;
		fl_secm_aeqe(f, qn, AEQE_CQ_OVERFLOW);
	}
	return false;
}

static void append(struct secm *f, struct secm_qp *q, struct secm_slot *s)
{
	s->next = NULL;
	*q->last = s;
	q->last = &s->next;
	q->inflight++;
	f->running++;
}

static void unpark(struct secm *f, struct secm_qp *q)
{
	if (!q->parked)
		return;
	fl_secm_job_drop(&f->env, q->parked->job);
	put_slot(f, q->parked);
	q->parked = NULL;
	f->nparked--;
}

static void park(struct secm *f, struct secm_qp *q, struct secm_slot *s)
{
	q->parked = s;
	f->nparked++;
}

/* fetches the next descriptor and begins it; NULL: the queue cannot go on */
static struct secm_slot *fetch(struct secm *f, struct secm_qp *q, enum secm_begin *b)
{
	struct secm_slot *s;

	if (fl_secm_hit(f, F_STALL))
		f->stalled = true;
	if (fl_secm_hit(f, F_QSTOP))
		q->stuck = true;
	if (f->stalled || q->stuck)
		return NULL;
	s = get_slot(f);
	if (!get_bd(f, q, s->bd)) {
		put_slot(f, s);
		q->stuck = true;
		fl_secm_dma_error(f, false, DB_SQ, (unsigned)(q - f->qp));
		return NULL;
	}
	*b = fl_secm_job_begin(&f->env, s->job, s->bd);
	if (*b == SECM_PARKED && fl_secm_hit(f, F_PR_LOST)) {
		fl_secm_job_fault(&f->env, s->job);
		*b = SECM_COMPLETED;
	}
	return s;
}

static struct secm_slot *next(struct secm *f, struct secm_qp *q, enum secm_begin *b)
{
	struct secm_slot *s = q->parked;

	if (fl_likely(!s))
		return fetch(f, q, b);
	q->parked = NULL;
	f->nparked--;
	*b = fl_secm_job_resume(&f->env, s->job);
	return s;
}

/* One descriptor; false when the queue cannot go on now. */
static bool take(struct secm *f, struct secm_qp *q, struct secm_job **jobs, unsigned *n)
{
	enum secm_begin b = SECM_BUSY;
	struct secm_slot *s = next(f, q, &b);

	if (!s)
		return false;
	if (b == SECM_BUSY || b == SECM_PARKED) {
		park(f, q, s);
		/* slots are left for queues that can go on; what was asked for comes all the same
		 */
		if (b == SECM_BUSY || f->nparked > PARKED_MOST)
			unpark(f, q);
		return false;
	}
	s->idx = q->sq_head.idx;
	s->completed = b == SECM_COMPLETED;
	if (!s->completed)
		jobs[(*n)++] = s->job;
	append(f, q, s);
	fl_secm_advance(&q->sq_head, q->sq_depth);
	q->nsqe++;
	f->stat[0]++;
	return true;
}

static void give(struct secm *f, struct secm_job **jobs, unsigned n)
{
	for (unsigned given = 0; given < n;) {
		given += fl_secm_workers_give(f->workers, jobs + given, n - given);
		if (given < n)
			(void)fl_secm_workers_help(f->workers, HELP);
	}
}

static unsigned take_batch(struct secm *f, struct secm_qp *q, unsigned qn)
{
	struct secm_job *jobs[SECM_BATCH];
	unsigned n = 0, taken = 0;

	while (taken < SECM_BATCH && may_take(f, q, qn) && take(f, q, jobs, &n))
		taken++;
	if (n)
		give(f, jobs, n);
	return taken;
}

static bool may_work(const struct secm *f)
{
	return !f->stalled && !f->ones && f->chip->sec_ok && !f->chip->master_off &&
	       fl_model_bus_master(f->m);
}

/* Each time another queue comes first: what has become free is not for one alone. */
static unsigned take_in_turn(struct secm *f)
{
	unsigned taken = 0, n = f->nactive, at = f->turn++;

	for (unsigned i = 0; i < n && (f->free || f->nparked); i++) {
		unsigned qn = f->active[(at + i) % n];

		taken += take_batch(f, &f->qp[qn], qn);
	}
	return taken;
}

unsigned fl_secm_poll(struct secm *f)
{
	unsigned work = 0;

	if (!may_work(f))
		return 0;
	for (unsigned i = 0; i < f->nactive; i++) {
		work += fl_secm_look(f, f->active[i]);
		work += finish_ready(f, &f->qp[f->active[i]]);
	}
	if (!f->paused)
		work += take_in_turn(f);
	if (f->mb_wait)
		work += fl_secm_mailbox_poll(f);
	if (f->running)
		work += fl_secm_workers_help(f->workers, HELP + f->nactive / LOOKS);
	/* only workers have work, or who brings pages, and one of them may need this CPU */
	if ((f->running || f->nparked) && !work)
		sched_yield();
	return work;
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void wait_for(struct secm *f, const struct secm_slot *s)
{
	while (!s->completed && !fl_secm_job_ran(s->job)) {
		if (!fl_secm_workers_help(f->workers, 1))
			sched_yield();
	}
}

void fl_secm_settle(struct secm *f, unsigned qn)
{
	struct secm_qp *q = &f->qp[qn];

	unpark(f, q);
	while (q->first) {
		struct secm_slot *s = q->first;

		wait_for(f, s);
		if (!finish(f, q, s)) {
			fl_secm_job_fault(&f->env, s->job);
			(void)finish(f, q, s);
		}
	}
}

void fl_secm_settle_all(struct secm *f)
{
	for (unsigned i = 0; i < f->nactive; i++)
		fl_secm_settle(f, f->active[i]);
}

void fl_secm_quiesce(struct secm *f)
{
	for (unsigned i = 0; f->running && i < f->nactive; i++) {
		for (const struct secm_slot *s = f->qp[f->active[i]].first; s; s = s->next)
			wait_for(f, s);
	}
}

static void forget(struct secm *f, struct secm_qp *q)
{
	unpark(f, q);
	while (q->first) {
		fl_secm_job_drop(&f->env, q->first->job);
		release(f, q, q->first);
	}
	memset(q, 0, sizeof(*q));
	q->last = &q->first;
}

void fl_secm_drop_all(struct secm *f)
{
	for (unsigned qn = 0; qn < SECM_QPS; qn++)
		forget(f, &f->qp[qn]);
	f->nactive = 0;
	f->paused = false;
}

bool fl_secm_drained(struct secm *f, unsigned qn)
{
	struct secm_qp *q = &f->qp[qn];

	fl_secm_look(f, qn);
	/* one that was written back may have something left, if its table still has it */
	if (!q->active || !fl_secm_ctx_load(f, qn))
		return true;
	return !q->inflight && q->sq_head.idx == q->sq_tail.idx;
}
