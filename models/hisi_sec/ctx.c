/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Contexts. The copy that counts is here, from the mailbox that set it until a write-back brings
 * it into the function's table and forgets it; the next doorbell then takes it from there, with
 * whatever software has made of it meanwhile.
 */
#include "qm_internal.h"

static uint64_t base_of(const uint32_t *w)
{
	return w[1] | (uint64_t)w[2] << 32;
}

/* An SQE has 2^7 bytes and a CQE 2^4: nothing else is a queue. */
static bool usable(const uint32_t *w, bool cq)
{
	unsigned log2 = cq ? 4 : 7;

	return (w[3] >> 12 & 0xf) == log2 && base_of(w) % (1u << log2) == 0;
}

static struct secm_pos head_of(const uint32_t *w)
{
	return (struct secm_pos){ (uint16_t)w[0], w[5] >> 16 & W11_HEAD_SIG };
}

static struct secm_pos tail_of(const uint32_t *w)
{
	return (struct secm_pos){ (uint16_t)(w[0] >> 16), w[5] >> 16 & W11_TAIL_SIG };
}

static void parse_sqc(struct secm_qp *q)
{
	const uint32_t *w = q->sqc;

	q->sq_base = base_of(w);
	q->sq_depth = (w[3] & 0xfff) + 1;
	q->sq_random = (uint16_t)w[4];
	q->closed = w[6] >> 16 & SQC_CLOSED;
	q->sq_head = head_of(w);
	q->sq_tail = tail_of(w);
	q->sq_tlb.gen = 0;
}

static void parse_cqc(struct secm_qp *q)
{
	const uint32_t *w = q->cqc;

	q->cq_base = base_of(w);
	q->cq_depth = (w[3] & 0xfff) + 1;
	q->cq_random = (uint16_t)w[4];
	q->c_flag = w[6] & CQC_C_FLAG;
	q->cq_head = head_of(w);
	q->cq_tail = tail_of(w);
	q->cq_used = ((uint32_t)q->cq_tail.idx + q->cq_depth - q->cq_head.idx) % q->cq_depth;
	q->cq_tlb.gen = 0;
}

static bool positions_fit(const struct secm_qp *q, bool cq)
{
	return cq ? q->cq_head.idx < q->cq_depth && q->cq_tail.idx < q->cq_depth
		  : q->sq_head.idx < q->sq_depth && q->sq_tail.idx < q->sq_depth;
}

static void compose(uint32_t out[8], const struct secm_qp *q, bool cq)
{
	const struct secm_pos *h = cq ? &q->cq_head : &q->sq_head;
	const struct secm_pos *t = cq ? &q->cq_tail : &q->sq_tail;

	memcpy(out, cq ? q->cqc : q->sqc, CTX_SIZE);
	out[0] = h->idx | (uint32_t)t->idx << 16;
	out[5] = (out[5] & ~((W11_HEAD_SIG | W11_TAIL_SIG) << 16)) |
		 (h->sig ? W11_HEAD_SIG << 16 : 0) | (t->sig ? W11_TAIL_SIG << 16 : 0);
	if (cq)
		out[6] = (out[6] & ~CQC_C_FLAG) | (q->c_flag ? CQC_C_FLAG : 0);
	else
		out[6] |= q->closed ? SQC_CLOSED << 16 : 0;
}

static void settled(struct secm_qp *q, bool cq)
{
	q->stuck = q->full = false;
	if (cq)
		q->cq_ok = true;
	else
		q->sq_ok = true;
}

/* ---- by mailbox ------------------------------------------------------------------------------ */

unsigned fl_secm_ctx_set(struct secm *f, bool cq, unsigned qn, uint64_t iova)
{
	struct secm_qp *q = &f->qp[qn];
	uint32_t w[8];

	if (fl_model_dma_read(f->m, fl_iova(iova), w, sizeof(w))) {
		fl_secm_dma_error(f, false, cq ? DB_CQ : DB_SQ, qn);
		return ST_DMA;
	}
	fl_secm_settle(f, qn);
	if (!usable(w, cq))
		return ST_CONTEXT;
	/* the device counts; a queue begins at its beginning */
	w[0] = 0;
	w[5] &= ~((W11_HEAD_SIG | W11_TAIL_SIG) << 16);
	memcpy(cq ? q->cqc : q->sqc, w, sizeof(w));
	if (cq) {
		parse_cqc(q);
	} else {
		parse_sqc(q);
		fl_secm_forget_doorbell(f, qn);
	}
	settled(q, cq);
	if (q->sq_ok && q->cq_ok)
		fl_secm_activate(f, qn);
	return ST_OK;
}

unsigned fl_secm_ctx_dump(struct secm *f, bool cq, unsigned qn, uint64_t iova)
{
	struct secm_qp *q = &f->qp[qn];
	uint32_t w[8];

	fl_secm_look(f, qn);
	if (!(cq ? q->cq_ok : q->sq_ok))
		(void)fl_secm_ctx_load(f, qn);
	compose(w, q, cq);
	if (!fl_model_dma_write(f->m, fl_iova(iova), w, sizeof(w)))
		return ST_OK;
	fl_secm_dma_error(f, true, cq ? DB_CQ : DB_SQ, qn);
	return ST_DMA;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static bool load(struct secm *f, unsigned qn, bool cq)
{
	struct secm_qp *q = &f->qp[qn];
	uint64_t at = (cq ? f->cqc_bt : f->sqc_bt) + (uint64_t)qn * CTX_SIZE;
	uint32_t *w = cq ? q->cqc : q->sqc;

	if (!(cq ? f->cqc_bt_ok : f->sqc_bt_ok))
		return false;
	if (fl_model_dma_read(f->m, fl_iova(at), w, CTX_SIZE)) {
		memset(w, 0, CTX_SIZE);
		fl_secm_dma_error(f, false, cq ? DB_CQ : DB_SQ, qn);
		return false;
	}
	if (cq)
		parse_cqc(q);
	else
		parse_sqc(q);
	if (!usable(w, cq) || !positions_fit(q, cq))
		return false;
	settled(q, cq);
	return true;
}

bool fl_secm_ctx_load(struct secm *f, unsigned qn)
{
	struct secm_qp *q = &f->qp[qn];

	if ((!q->sq_ok && !load(f, qn, false)) || (!q->cq_ok && !load(f, qn, true)))
		return false;
	fl_secm_activate(f, qn);
	return true;
}

static void write_back(struct secm *f, unsigned qn, bool cq)
{
	struct secm_qp *q = &f->qp[qn];
	uint64_t at = (cq ? f->cqc_bt : f->sqc_bt) + (uint64_t)qn * CTX_SIZE;
	uint32_t w[8];

	if (!(cq ? f->cqc_bt_ok && q->cq_ok : f->sqc_bt_ok && q->sq_ok))
		return;
	compose(w, q, cq);
	if (fl_model_dma_write(f->m, fl_iova(at), w, sizeof(w)))
		fl_secm_dma_error(f, true, cq ? DB_CQ : DB_SQ, qn);
	if (cq)
		q->cq_ok = false;
	else
		q->sq_ok = false;
}

void fl_secm_ctx_write_back(struct secm *f)
{
	fl_secm_settle_all(f);
	/* those too that the VFT has taken away since */
	for (unsigned qn = 0; qn < SECM_QPS; qn++) {
		write_back(f, qn, false);
		write_back(f, qn, true);
	}
}

/* ---- EQ and AEQ ------------------------------------------------------------------------------ */

static void parse_eqc(struct secm_eq *q)
{
	q->base = base_of(q->raw);
	q->depth = (q->raw[6] & 0xffff) + 1;
	q->head.idx = (uint16_t)q->raw[0];
	q->tail.idx = (uint16_t)(q->raw[0] >> 16);
	q->on = q->base % 4 == 0 && q->head.idx < q->depth && q->tail.idx < q->depth;
}

unsigned fl_secm_eqc_set(struct secm *f, struct secm_eq *q, uint64_t iova)
{
	if (fl_model_dma_read(f->m, fl_iova(iova), q->raw, EQC_SIZE)) {
		fl_secm_dma_error(f, false, q == &f->eq ? DB_EQ : DB_AEQ, 0);
		return ST_DMA;
	}
	q->raw[0] = 0;
	parse_eqc(q);
	q->head.sig = q->tail.sig = false;
	q->source = q->fired = false;
	return q->on ? ST_OK : ST_CONTEXT;
}

uint32_t fl_secm_eqc_word(const struct secm_eq *q, unsigned i)
{
	if (i == 0)
		return q->head.idx | (uint32_t)q->tail.idx << 16;
	/* the phase that the next entry gets */
	return i == 6 ? q->raw[6] ^ (uint32_t)q->tail.sig << 16 : q->raw[i];
}

void fl_secm_eqc_write_word(struct secm_eq *q, unsigned i, uint32_t v)
{
	q->raw[0] = fl_secm_eqc_word(q, 0);
	q->raw[i] = v;
	if (i == 6)
		q->tail.sig = false;
	parse_eqc(q);
}

unsigned fl_secm_eqc_dump(struct secm *f, struct secm_eq *q, uint64_t iova)
{
	uint32_t w[7];

	for (unsigned i = 0; i < FL_ARRAY_SIZE(w); i++)
		w[i] = fl_secm_eqc_word(q, i);
	if (!fl_model_dma_write(f->m, fl_iova(iova), w, sizeof(w)))
		return ST_OK;
	fl_secm_dma_error(f, true, q == &f->eq ? DB_EQ : DB_AEQ, 0);
	return ST_DMA;
}
