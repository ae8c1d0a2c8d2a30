/* SPDX-License-Identifier: BSD-3-Clause */
/* Event queues, error bits, interrupts. What stands in a queue is the device's word: bounded. */
#include <stdlib.h>
#include <string.h>

#include "hisi_qm_internal.h"

/* ---- telling ---------------------------------------------------------------------------- */

void fl_qm_on_event(struct fl_qm *qm,
		    void (*fn)(struct fl_qm *qm, enum fl_qm_event ev, unsigned qp, void *arg),
		    void *arg)
{
	qm->event = fn;
	qm->event_arg = arg;
}

/* the last that a caller does: who hears of it may stop, reset or close the function */
void fl_qm_tell(struct fl_qm *qm, enum fl_qm_event ev, unsigned qp)
{
	if (ev == FL_QM_ERROR)
		qm->error_told = true;
	if (qm->event)
		qm->event(qm, ev, qp, qm->event_arg);
}

/* ---- error bits ------------------------------------------------------------------------- */

static uint32_t reported(const struct fl_qm *qm)
{
	return qm->nfe | qm->ce;
}

void fl_qm_errors_on(struct fl_qm *qm)
{
	uint32_t e = reported(qm);

	fl_qm_wr(qm, QM_ABNORMAL_SOURCE, e);
	fl_qm_wr(qm, QM_RAS_CE_ENABLE, qm->ce);
	fl_qm_wr(qm, QM_RAS_CE_THRESHOLD, 1);
	fl_qm_wr(qm, QM_RAS_NFE_ENABLE, qm->nfe);
	fl_qm_wr(qm, QM_RAS_FE_ENABLE, 0);
	if (fl_qm_v3(qm))
		fl_qm_wr(qm, QM_OOO_SHUTDOWN, qm->fatal);
	fl_qm_wr(qm, QM_ABNORMAL_MASK, fl_qm_rd(qm, QM_ABNORMAL_MASK) & ~e);
	qm->e->errors(qm, qm->arg, true);
}

void fl_qm_errors_off(struct fl_qm *qm)
{
	qm->e->errors(qm, qm->arg, false);
	fl_qm_wr(qm, QM_ABNORMAL_MASK, QM_ABNORMAL_ALL);
	if (fl_qm_v3(qm))
		fl_qm_wr(qm, QM_OOO_SHUTDOWN, 0);
	fl_qm_wr(qm, QM_RAS_CE_ENABLE, 0);
	fl_qm_wr(qm, QM_RAS_NFE_ENABLE, 0);
}

static void say_errors(struct fl_qm *qm, uint32_t st)
{
	static const char *const names[] = {
		"AXI read response",
		"AXI write response",
		"multi-bit ECC",
		"single-bit ECC",
		"get-task time-out",
		"do-task time-out",
		"write-back time-out",
		"bad SQ and CQ VF",
		"bad CQ VF",
		"bad SQ VF",
		"doorbell time-out",
		"queue overflow",
		"doorbell random data",
		"mailbox time-out",
		"FLR time-out",
	};

	for (unsigned i = 0; i < FL_ARRAY_SIZE(names); i++)
		if (st & 1u << i)
			qm_warn(qm, "queue manager error %u: %s", i, names[i]);
	if (st & QM_ERR_FIFO)
		qm_warn(qm, "queue overflow: detail 0x%x", fl_qm_rd(qm, QM_ABNORMAL_INF00));
	if (st & QM_ERR_DB_TIMEOUT)
		qm_warn(qm, "doorbell time-out: detail 0x%x", fl_qm_rd(qm, QM_ABNORMAL_INF01));
}

uint32_t fl_qm_fatal(struct fl_qm *qm)
{
	uint32_t engine = 0, st = fl_qm_rd(qm, QM_ABNORMAL_STATUS);

	(void)qm->e->status(qm, qm->arg, &engine);
	return (st & qm->fatal) | engine;
}

static bool look_at_errors(struct fl_qm *qm)
{
	uint32_t engine_fatal = 0, st;

	if (qm->caps.vf || qm->error_told)
		return false;
	st = fl_qm_rd(qm, QM_ABNORMAL_STATUS) & reported(qm);
	(void)qm->e->status(qm, qm->arg, &engine_fatal);
	/* all ones were no error bits */
	if (fl_dev_removed(qm->dev))
		return false;
	say_errors(qm, st);
	if (!fl_qm_v3(qm) && st & QM_ERR_ECC)
		qm->ecc = true;
	if (st & qm->fatal) {
		/* it stands until the reset, and would go on interrupting */
		fl_qm_wr(qm, QM_RAS_NFE_ENABLE, qm->nfe & ~st);
	} else if (st) {
		fl_qm_wr(qm, QM_ABNORMAL_SOURCE, st);
		fl_qm_wr(qm, QM_RAS_NFE_ENABLE, qm->nfe);
		fl_qm_wr(qm, QM_RAS_CE_ENABLE, qm->ce);
	}
	if (!(st & qm->fatal) && !engine_fatal)
		return false;
	fl_qm_tell(qm, FL_QM_ERROR, 0);
	return true;
}

/* ---- event queues ----------------------------------------------------------------------- */

static bool next(struct qm_ring *r, uint32_t *e)
{
	*e = __atomic_load_n(&r->e[r->head], __ATOMIC_ACQUIRE);
	if ((*e >> QM_EQE_PHASE & 1) != r->phase)
		return false;
	if (++r->head == r->depth) {
		r->head = 0;
		r->phase ^= 1;
	}
	return true;
}

static void ring(struct fl_qm *qm, unsigned type, const struct qm_ring *r)
{
	fl_bar_write64(qm->dev, FL_QM_BAR, QM_DB_EQ_AEQ,
		       (uint64_t)type << 12 | (uint64_t)r->head << 32);
}

void fl_qm_rings_ring(struct fl_qm *qm)
{
	ring(qm, QM_DB_AEQ, &qm->aeq);
	ring(qm, QM_DB_EQ, &qm->eq);
}

static void on_eq(struct fl_dev *dev, unsigned vec, void *arg)
{
	struct fl_qm *qm = arg;
	uint32_t e;

	/* not more than there is room for, or a device that never ends would keep us here */
	for (unsigned i = 1; i <= qm->eq.depth && next(&qm->eq, &e); i++) {
		fl_qm_signal(qm, e & 0xffff);
		if (i % (qm->eq.depth / 2 - 1) == 0)
			ring(qm, QM_DB_EQ, &qm->eq);
	}
	ring(qm, QM_DB_EQ, &qm->eq);
}

/* which queue pairs it names; true: the function has to be reset */
static bool read_aeq(struct fl_qm *qm, uint64_t bad[QM_QPS_MAX / 64])
{
	bool over = false, any = false;
	uint32_t e, qp;

	for (unsigned i = 0; i < qm->aeq.depth && next(&qm->aeq, &e); i++) {
		any = true;
		qp = e & 0xffff;
		switch (qm_aeqe_type(e)) {
		case QM_AEQE_EQ_OVERFLOW:
			qm_err(qm, "the event queue has overflowed: the function has to be reset");
			over = true;
			break;
		case QM_AEQE_CQ_OVERFLOW:
		case QM_AEQE_CQE_ERROR:
			if (qp >= qm->nqps) {
				qm_warn(qm, "an event of queue %u, of %u", qp, qm->nqps);
				break;
			}
			qm_err(qm, "queue %u: %s; it has to be stopped", qp,
			       qm_aeqe_type(e) == QM_AEQE_CQE_ERROR
				       ? "error in a completion"
				       : "its completion queue has overflowed");
			bad[qp / 64] |= 1ull << qp % 64;
			break;
		default:
			qm_warn(qm, "an event of unknown type %u", qm_aeqe_type(e));
		}
	}
	if (any)
		ring(qm, QM_DB_AEQ, &qm->aeq);
	return over;
}

static bool look_at_aeq(struct fl_qm *qm)
{
	uint64_t bad[QM_QPS_MAX / 64] = { 0 };
	unsigned life = qm->life;
	bool told = false, reset;

	if (!qm->started)
		return false;
	reset = read_aeq(qm, bad);
	if (reset && !qm->error_told) {
		fl_qm_tell(qm, FL_QM_ERROR, 0);
		return true;
	}
	/* who hears of one may stop the function, or close it: then the others are no more */
	qm->telling = true;
	for (unsigned i = 0; i < QM_QPS_MAX && qm->life == life; i++) {
		if (bad[i / 64] >> i % 64 & 1) {
			told = true;
			fl_qm_tell(qm, FL_QM_QP_ERROR, i);
		}
	}
	qm->telling = false;
	if (qm->closed)
		free(qm);
	return told;
}

static void on_aeq(struct fl_dev *dev, unsigned vec, void *arg)
{
	struct fl_qm *qm = arg;

	/* also where there was nothing: it takes the interrupt's source away */
	ring(qm, QM_DB_AEQ, &qm->aeq);
	(void)look_at_aeq(qm);
}

static void on_error(struct fl_dev *dev, unsigned vec, void *arg)
{
	(void)look_at_errors(arg);
}

static void on_message(struct fl_dev *dev, unsigned vec, void *arg)
{
	(void)fl_qm_msg_poll(arg);
}

bool fl_qm_check(struct fl_qm *qm)
{
	/* who was told may have closed it: the rest is seen next time */
	return !fl_dev_removed(qm->dev) &&
	       (look_at_errors(qm) || look_at_aeq(qm) || fl_qm_msg_poll(qm));
}

/* ---- interrupts ------------------------------------------------------------------------- */

struct vector {
	unsigned vec;
	void (*fn)(struct fl_dev *dev, unsigned vec, void *arg);
};

int fl_qm_intr_start(struct fl_qm *qm)
{
	const struct vector vectors[] = { { qm->vec_eq, on_eq },
					  { qm->vec_aeq, on_aeq },
					  { qm->vec_err, on_error },
					  { qm->vec_msg, on_message } };
	int rc = fl_dev_irq_setup(qm->dev, FL_IRQ_MSI, qm->caps.irqs);

	if (rc) {
		qm_err(qm,
		       "%u vectors of MSI, which it wants for its events, cannot be had (it has "
		       "%u): %s; queue pairs that poll need none",
		       qm->caps.irqs, fl_dev_irq_count(qm->dev, FL_IRQ_MSI), strerror(-rc));
		return rc;
	}
	for (unsigned i = 0; i < FL_ARRAY_SIZE(vectors) && !rc; i++)
		if (vectors[i].vec != QM_NO_VECTOR)
			rc = fl_dev_irq_handler(qm->dev, vectors[i].vec, vectors[i].fn, qm);
	if (rc)
		fl_qm_intr_stop(qm);
	return rc;
}

void fl_qm_intr_stop(struct fl_qm *qm)
{
	if (fl_dev_irq_setup(qm->dev, FL_IRQ_NONE, 0) && !fl_dev_removed(qm->dev))
		qm_warn(qm, "interrupts were not taken down cleanly");
}
