/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Completions. The device answers in the order of the ring, so the oldest request's slot is what a
 * completion must name. Nothing that it writes is believed further than that:
 *  - a completion for another slot counts only if that slot is in flight and its BD was written
 *    back with our tag: then those before it are done too, and each is judged by its own BD;
 *  - every other one is nonsense, counted and dropped;
 *  - a BD that was written back with another type or tag, or any odd status, fails its request.
 */
#include <string.h>

#include "sec_internal.h"

/* of a BD that was written back as the one we gave */
static enum fl_op_status judge(const struct fl_sec_qp *q, const struct fl_sec_bd *bd, uint32_t st,
			       uint32_t mask, uint32_t ok)
{
	if ((st & mask & ~SEC_ST_ICV) != ok)
		return q->v3 && (bd->w[SEC3_W_SVA] & SEC3_SVA_STATUS) ? FL_OP_FAULT : FL_OP_ERROR;
	/* values of icv other than "mismatch" are not known to mean a failure */
	return (ok & SEC_ST_FLAG) == SEC_FLAG_AEAD << SEC_ST_FLAG_SHIFT &&
			       (st & SEC_ST_ICV) == SEC_ST_ICV_BAD
		       ? FL_OP_AUTH_FAILED
		       : FL_OP_OK;
}

/* takes as long whatever differs */
static bool same(const uint8_t *a, const uint8_t *b, unsigned n)
{
	uint8_t diff = 0;

	for (unsigned i = 0; i < n; i++)
		diff |= a[i] ^ b[i];
	return !diff;
}

static enum fl_op_status judge_odd(const struct fl_sec_qp *q, const struct fl_sec_bd *bd,
				   uint16_t at, uint32_t st)
{
	const uint8_t *mac = q->side + ((size_t)at << SEC_SIDE_SHIFT) + SEC_SIDE_MAC;
	const struct fl_sec_odd *odd = &q->odd[at];
	enum fl_op_status s = judge(q, bd, st, odd->mask, odd->ok);

	if (s == FL_OP_OK && !same(q->slots[at].op->digest, mac, odd->verify))
		s = FL_OP_AUTH_FAILED;
	return s;
}

SEC_APART void fl_sec_settle(struct fl_sec_qp *q, uint16_t number, enum fl_op_status gone)
{
	const uint16_t at = number & q->mask;
	const struct fl_sec_slot *slot = &q->slots[at];
	const struct fl_sec_bd *bd = fl_sec_bd_at(q, at);
	struct fl_sec_odd *odd = slot->mask ? NULL : &q->odd[at];
	uint32_t st = fl_sec_bd_status(bd);
	enum fl_op_status s;

	if (odd)
		fl_sec_chunks_free(q, &odd->chunks);
	if (odd && odd->status != FL_OP_PENDING)
		s = odd->status;
	else if (!st)
		s = gone;
	else if (!fl_sec_bd_is(bd, q->v3, number))
		s = FL_OP_ERROR;
	else
		s = odd ? judge_odd(q, bd, at, st) : judge(q, bd, st, slot->mask, slot->ok);
	slot->op->status = (uint8_t)s;
	if (s != FL_OP_OK)
		fl_stat_add(&q->stats.errors, 1);
}

/* ---- completions that are not the plain next one ---------------------------------------- */

/* how many requests from head on are done by a completion for that slot; 0 = it is nonsense */
static uint16_t done_by(const struct fl_sec_qp *q, uint16_t slot)
{
	uint16_t ahead = (uint16_t)(slot - q->head) & q->mask;
	const struct fl_sec_bd *bd;

	if (slot > q->mask || ahead >= (uint16_t)(q->tail - q->head))
		return 0;
	bd = fl_sec_bd_at(q, slot);
	if (!fl_sec_bd_status(bd) ||
	    (ahead && !fl_sec_bd_is(bd, q->v3, (uint16_t)(q->head + ahead))))
		return 0;
	return (uint16_t)(ahead + 1);
}

/* Takes one such completion, or goes on with what it told; returns how many requests came back. */
static SEC_APART uint16_t take_odd(struct fl_sec_qp *q, struct fl_op **ops, uint16_t n)
{
	uint16_t i;

	if (!q->done_too) {
		q->done_too = done_by(q, (uint16_t)fl_qm_cq_peek(q->hw));
		if (q->done_too != 1)
			fl_stat_add(&q->stats.bad_completions, 1);
		fl_qm_cq_next(q->hw);
		q->unrung++;
	}
	for (i = 0; i < n && q->done_too; i++, q->done_too--) {
		fl_sec_settle(q, q->head, FL_OP_ERROR);
		ops[i] = q->slots[q->head++ & q->mask].op;
	}
	return i;
}

/* ---- a device that does not answer ------------------------------------------------------ */

#define FAULT_PATIENCE 4u

/*
 * Nothing came though something is in flight. Only the time that we really looked counts, so that a
 * process which was asleep does not blame the device.
 */
static SEC_APART void watch(struct fl_sec_qp *q)
{
	struct fl_sec *s = fl_sec_of(q->qp.dev);
	uint64_t now = fl_cycles(), step = now - q->watch_last, most = s->watch_ticks / 8;
	/* a device may wait for a page as long as somebody might bring it, and give up by itself */
	uint64_t patience = q->posted ? s->watch_ticks : FAULT_PATIENCE * s->watch_ticks;

	q->watch_last = now;
	if (!q->watching || q->watch_done != q->stats.dequeued) {
		q->watching = true;
		q->watch_done = q->stats.dequeued;
		q->watch_idle = 0;
		return;
	}
	q->watch_idle += step < most ? step : most;
	if (q->watch_idle > patience) {
		q->watch_idle = 0;
		fl_sec_failed(s);
	}
}

/* ---- burst ------------------------------------------------------------------------------ */

/* completions that are the next ones and say what is expected, or an error in their turn */
static inline __attribute__((always_inline)) uint16_t take(struct fl_sec_qp *q, struct fl_op **ops,
							   uint16_t n, const bool v3)
{
	const uint16_t in_flight = (uint16_t)(q->tail - q->head);
	const uint16_t most = n < in_flight ? n : in_flight, mask = q->mask;
	struct fl_qm_qp *hw = q->hw;
	uint16_t head = q->head, i;

	for (i = 0; i < most; i++, head++) {
		const uint16_t at = head & mask;
		const struct fl_sec_slot *slot = &q->slots[at];
		const struct fl_sec_bd *bd = fl_sec_bd_at(q, at);
		uint32_t st;

		if (fl_qm_cq_peek(hw) != at)
			break;
		st = fl_sec_bd_status(bd);
		if (fl_likely((st & slot->mask) == slot->ok && fl_sec_bd_is(bd, v3, head))) {
			slot->op->status = FL_OP_OK;
		} else {
			if (!st)
				break;
			fl_sec_settle(q, head, FL_OP_ERROR);
		}
		ops[i] = slot->op;
		fl_qm_cq_next(hw);
	}
	q->head = head;
	q->unrung = (uint16_t)(q->unrung + i);
	return i;
}

static inline __attribute__((always_inline)) uint16_t dequeue(struct fl_qp *qp, struct fl_op **ops,
							      uint16_t n, const bool v3)
{
	struct fl_sec_qp *q = fl_sec_qp_of(qp);
	uint16_t i = 0, odd = 0;

	if (q->head == q->tail)
		return 0;
	if (fl_likely(!q->done_too))
		i = take(q, ops, n, v3);
	/* a device may write nonsense as fast as we read it: a ring of it is enough for a burst */
	while (i < n && odd++ <= q->mask && (q->done_too || fl_qm_cq_peek(q->hw) >= 0)) {
		i = (uint16_t)(i + take_odd(q, ops + i, (uint16_t)(n - i)));
		if (!q->done_too)
			i = (uint16_t)(i + take(q, ops + i, (uint16_t)(n - i), v3));
	}
	if (q->unrung > q->mask / 4)
		fl_sec_ring_cq(q);
	if (i)
		fl_stat_add(&q->stats.dequeued, i);
	else
		watch(q);
	return i;
}

uint16_t fl_sec_dequeue_v2(struct fl_qp *qp, struct fl_op **ops, uint16_t n)
{
	return dequeue(qp, ops, n, false);
}

uint16_t fl_sec_dequeue_v3(struct fl_qp *qp, struct fl_op **ops, uint16_t n)
{
	return dequeue(qp, ops, n, true);
}

uint16_t fl_sec_dequeue_parked(struct fl_qp *qp, struct fl_op **ops, uint16_t n)
{
	struct fl_sec_qp *q = fl_sec_qp_of(qp);
	uint16_t left = (uint16_t)(q->nparked - q->parked_at), k = n < left ? n : left;

	memcpy(ops, q->parked + q->parked_at, k * sizeof(ops[0]));
	q->parked_at = (uint16_t)(q->parked_at + k);
	fl_stat_add(&q->stats.dequeued, k);
	if (q->parked_at == q->nparked && q->running) {
		q->cap = q->mask;
		qp->dequeue = fl_sec_dequeue_of(q);
	}
	return k;
}
