/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Doorbells: written registers, or, with queues apart, a word of memory each that poll() looks at.
 *
 * SQ and CQ of a queue share that word, so a value may be overwritten before it is seen. A driver
 * that rings the SQ again after each CQ doorbell loses no work; a CQ head that was lost is made
 * good here: since no more than depth - 1 entries of an SQ are ever outstanding, a new SQ tail
 * tells how many completions must have been consumed. Arming a CQ has to be an access (a message),
 * which works on a page that is mapped as well.
 */
#include "qm_internal.h"

struct db {
	unsigned qn, type, idx, prio;
	uint16_t random;
};

static struct db decode(uint64_t v)
{
	return (struct db){ .qn = v & 0xfff,
			    .type = v >> 12 & 0xf,
			    .random = (uint16_t)(v >> 16),
			    .idx = v >> 32 & 0xffff,
			    .prio = (unsigned)(v >> 48) };
}

static void consumed(struct secm_qp *q, uint32_t n)
{
	n = n < q->cq_used ? n : q->cq_used;
	q->cq_used -= n;
	if (q->cq_head.idx + n >= q->cq_depth)
		q->cq_head.sig = !q->cq_head.sig;
	q->cq_head.idx = (uint16_t)((q->cq_head.idx + n) % q->cq_depth);
	q->full &= !n;
}

static void ring_sq(struct secm *f, struct secm_qp *q, const struct db *d)
{
	uint32_t out;

	/* after a migration: only to be loaded, and to go on */
	if (d->prio) {
		f->paused = false;
		return;
	}
	if (d->idx >= q->sq_depth)
		return;
	if (d->idx < q->sq_tail.idx)
		q->sq_tail.sig = !q->sq_tail.sig;
	q->sq_tail.idx = (uint16_t)d->idx;
	out = fl_secm_waiting(q) + q->inflight + q->cq_used;
	if (f->db_poll && out >= q->sq_depth)
		consumed(q, out - (q->sq_depth - 1));
}

static void ring_cq(struct secm *f, struct secm_qp *q, const struct db *d)
{
	uint32_t n;

	if (d->idx >= q->cq_depth)
		return;
	n = ((uint32_t)d->idx + q->cq_depth - q->cq_head.idx) % q->cq_depth;
	/* no head beyond what was written */
	if (n <= q->cq_used)
		consumed(q, n);
	if (d->prio != 1)
		return;
	q->c_flag = true;
	if (q->cq_used)
		fl_secm_event(f, d->qn);
}

void fl_secm_doorbell(struct secm *f, int page, uint64_t v)
{
	struct db d = decode(v);
	struct secm_qp *q;

	f->ndb++;
	if (d.type > DB_CQ)
		return;
	if (d.qn >= f->nq || (page >= 0 && d.qn != (unsigned)page)) {
		fl_secm_qm_error(f, d.type == DB_SQ ? E_BAD_SQ : E_BAD_CQ);
		return;
	}
	q = &f->qp[d.qn];
	if (q->sq_ok && q->closed)
		return;
	if (!fl_secm_ctx_load(f, d.qn)) {
		fl_secm_qm_error(f, d.type == DB_SQ ? E_BAD_SQ : E_BAD_CQ);
		return;
	}
	if (d.random != (d.type == DB_SQ ? q->sq_random : q->cq_random)) {
		fl_secm_qm_error(f, E_RANDOM);
		return;
	}
	if (q->closed)
		return;
	if (d.type == DB_SQ)
		ring_sq(f, q, &d);
	else
		ring_cq(f, q, &d);
}

void fl_secm_doorbell_event(struct secm *f, uint64_t v)
{
	struct db d = decode(v);

	f->ndb++;
	if (d.type == DB_EQ)
		fl_secm_eq_doorbell(f, &f->eq, d.idx);
	else if (d.type == DB_AEQ)
		fl_secm_eq_doorbell(f, &f->aeq, d.idx);
}

/* ---- doorbells that are memory --------------------------------------------------------------- */

static uint64_t *word(struct secm *f, unsigned qn)
{
	return f->db_mem && qn < f->pages
		       ? (uint64_t *)(f->db_mem + (uint64_t)qn * SECM_DB_PAGE + Q_DB)
		       : NULL;
}

bool fl_secm_look(struct secm *f, unsigned qn)
{
	uint64_t *w = word(f, qn), v;

	if (!w)
		return false;
	v = __atomic_load_n(w, __ATOMIC_ACQUIRE);
	if (fl_likely(v == f->qp[qn].seen))
		return false;
	f->qp[qn].seen = v;
	fl_secm_doorbell(f, (int)qn, v);
	return true;
}

/* The same value may be rung again in a new life of the queue. */
void fl_secm_forget_doorbell(struct secm *f, unsigned qn)
{
	uint64_t *w = word(f, qn);

	f->qp[qn].seen = SECM_NO_DB;
	if (w)
		__atomic_store_n(w, SECM_NO_DB, __ATOMIC_RELAXED);
}
