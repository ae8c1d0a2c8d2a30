/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Event queues, errors, interrupts. An event queue's interrupt source rises with an entry and falls
 * with the doorbell, which raises it again while entries are left: each rise that is not masked is
 * one message, and so is the end of a mask.
 */
#include "qm_internal.h"

void fl_secm_event_reset(struct secm *f)
{
	f->eq = (struct secm_eq){ .vec = VEC_EQ, .mask_reg = Q_EQ_MASK };
	f->aeq = (struct secm_eq){ .vec = VEC_AEQ, .mask_reg = Q_AEQ_MASK };
}

void fl_secm_eq_irq(struct secm *f, struct secm_eq *q)
{
	if (!q->source || q->fired || *fl_secm_reg(f, q->mask_reg) & 1)
		return;
	q->fired = true;
	fl_model_msi(f->m, q->vec);
}

void fl_secm_eq_doorbell(struct secm *f, struct secm_eq *q, uint32_t head)
{
	if (!q->on || head >= q->depth)
		return;
	q->head.idx = (uint16_t)head;
	q->fired = false;
	q->source = q->head.idx != q->tail.idx;
	fl_secm_eq_irq(f, q);
}

static bool is_full(const struct secm_eq *q)
{
	return ((uint32_t)q->tail.idx + 1) % q->depth == q->head.idx;
}

/* An entry: v has all but the phase. */
static void put(struct secm *f, struct secm_eq *q, uint32_t v)
{
	uint64_t at = q->base + 4ull * q->tail.idx;
	struct fl_model_tlb tlb = { 0 };
	uint32_t *p = fl_model_dma(f->m, f->env.mmu, &tlb, fl_iova(at), 4, FL_DMA_WRITE);

	v |= (q->raw[6] & 1u << 16) ^ (uint32_t)q->tail.sig << 16;
	if (p) {
		__atomic_store_n(p, v, __ATOMIC_RELEASE);
	} else if (fl_model_dma_write(f->m, fl_iova(at), &v, 4)) {
		fl_secm_dma_error(f, true, q == &f->eq ? DB_EQ : DB_AEQ, 0);
		return;
	}
	fl_secm_advance(&q->tail, q->depth);
	f->stat[q == &f->eq ? 4 : 5]++;
	q->source = true;
	fl_secm_eq_irq(f, q);
}

static void overflow(struct secm *f, unsigned type, unsigned qn)
{
	f->chip->inf00 = qn << 16 | type << 6 | f->fn;
	fl_secm_qm_error(f, E_OVERFLOW);
}

void fl_secm_aeqe(struct secm *f, unsigned qn, unsigned type)
{
	if (!f->aeq.on)
		return;
	if (is_full(&f->aeq))
		overflow(f, 2, qn);
	else
		put(f, &f->aeq, qn | type << 17);
}

void fl_secm_event(struct secm *f, unsigned qn)
{
	if (!f->eq.on)
		return;
	if (is_full(&f->eq)) {
		overflow(f, 1, qn);
		fl_secm_aeqe(f, qn, AEQE_EQ_OVERFLOW);
		return;
	}
	f->qp[qn].c_flag = false;
	put(f, &f->eq, qn);
}

/* ---- errors
 * --------------------------------------------------------------------------------------- */

void fl_secm_abnormal(struct secm_chip *c)
{
	struct secm *pf = c->fn[0];
	uint32_t qm, sec;

	if (!pf)
		return;
	qm = c->err & ~*fl_secm_reg(pf, P_ERR_MASK);
	sec = c->sec_err & *fl_secm_reg(pf, S_INT_ENABLE);
	if (qm & ~c->err_told || sec & ~c->sec_err_told)
		fl_model_msi(pf->m, VEC_ABNORMAL);
	c->err_told = qm;
	c->sec_err_told = sec;
}

void fl_secm_qm_error(struct secm *f, uint32_t bits)
{
	f->chip->err |= bits;
	fl_secm_abnormal(f->chip);
}

void fl_secm_sec_error(struct secm *f, uint32_t bits)
{
	f->chip->sec_err |= bits & SE_ALL;
	fl_secm_abnormal(f->chip);
}

void fl_secm_dma_error(struct secm *f, bool write, unsigned type, unsigned qn)
{
	f->chip->inf01 = qn << 16 | type << 6 | f->fn;
	fl_secm_qm_error(f, write ? E_AXI_WRITE : E_AXI_READ | E_DB_TIMEOUT);
}
