/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Registers. What is not named here is memory: it reads as it was written. Reading has no effect
 * except on the counters, and on those only while the PF says so.
 */
#include "qm_internal.h"

struct range {
	uint32_t from, to;
};

/* software cannot write these */
static const struct range read_only[] = {
	{ Q_AEQ_SOURCE, 4 }, { Q_EQ_SOURCE, 4 },
	{ Q_IFC_STATUS, 4 }, { Q_ISOLATION, 4 },
	{ Q_ACTIVE, 4 },     { Q_WB_DONE, 4 },
	{ 0x0340, 8 },	     { Q_DB, 8 },
	{ Q_DB_EVENT, 8 },   { Q_CAPS, Q_CAPS_END - Q_CAPS },
	{ P_ERR_STATUS, 4 }, { P_ERR_INF00, 12 },
	{ P_MEM_DONE, 4 },   { P_REVISION, 4 },
	{ P_DFX_INFO0, 8 },  { P_IFC_READY, 8 },
	{ P_QPS, 4 },	     { P_STAT, P_STAT_MB_SEL - P_STAT },
	{ P_STAT_MB, 4 },    { P_STAT_DB, 4 },
	{ P_STAT_SQE, 4 },   { P_STAT_CQE, P_OOO_SEL - P_STAT_CQE },
	{ 0x104100, 0x88 },  { A_PORT_STATE, 4 },
	{ A_RETURNED, 12 },  { A_ALARM, 8 },
	{ S_INT_STATUS, 4 }, { S_MEM_DONE, 4 },
	{ S_STAT, 0x114 },   { S_ECC, S_ECC_END - S_ECC },
};

static bool is_read_only(uint32_t off)
{
	for (unsigned i = 0; i < FL_ARRAY_SIZE(read_only); i++) {
		if (off - read_only[i].from < read_only[i].to)
			return true;
	}
	return false;
}

/* writing ones clears: nothing of it is kept */
static bool clears(uint32_t off)
{
	return off == Q_IFC_SOURCE_V || off == P_ERR_SOURCE || off == S_INT_SOURCE ||
	       off == P_IFC_SOURCE || off == P_IFC_SOURCE + 4;
}

static bool exists(uint32_t off)
{
	return off < SECM_REGS_FN || (off >= P_BASE && off < P_BASE + SECM_REGS_P) ||
	       (off >= A_BASE && off < A_BASE + SECM_REGS_A);
}

/* ---- reset values ---------------------------------------------------------------------------- */

static void caps(struct secm *f)
{
	static const uint32_t v3[] = {
		0x00006f00, 0x04000800, 0x04000400, 0x00010000, 0x00010001, 0x00010003,
		0x00010002, 0x00040003, 0,	    0x00007c77, 0x00006c77, 0x00000008,
		0x00060177, 0x00000177, 0x0000c088, 0x00110404, 0x0000000f, 0x018670cf,
		0x0000395c, 0xffffffff, 0x00003fff, 0xffffffff, 0x00003fff, 0xffffffff,
		0x00003fff, 0xffffffff, 0x00003fff, 0xffffffff, 0x00003fff,
	};

	for (unsigned i = 0; i < FL_ARRAY_SIZE(v3); i++)
		*fl_secm_reg(f, Q_CAPS + 4 * i) = v3[i];
	*fl_secm_reg(f, Q_CAPS) |= f->caps;
	*fl_secm_reg(f, Q_ISOLATION) = f->isolation;
}

void fl_secm_regs_reset(struct secm *f)
{
	memset(f->regs, 0, SECM_REGS);
	*fl_secm_reg(f, Q_AEQ_MASK) = *fl_secm_reg(f, Q_EQ_MASK) = 1;
	if (fl_secm_v3(f)) {
		caps(f);
		*fl_secm_reg(f, Q_VF_STATE) = f->fn != 0;
	}
	if (f->fn)
		return;
	*fl_secm_reg(f, P_ERR_MASK) = E_ALL;
	*fl_secm_reg(f, P_VFT_RDY) = 1;
	*fl_secm_reg(f, P_VENDOR) = 0x19e5;
	*fl_secm_reg(f, P_REVISION) = f->env.version;
	*fl_secm_reg(f, P_QPS) = f->chip->qps << 11 | f->chip->qps;
	*fl_secm_reg(f, S_CONTROL) = CONTROL_GATE;
	*fl_secm_reg(f, S_CORES) = fl_secm_v3(f) ? 0xf : 0x17f;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool idle(const struct secm_chip *c)
{
	for (unsigned i = 0; i < SECM_FUNS; i++) {
		if (c->fn[i] && c->fn[i]->running)
			return false;
	}
	return true;
}

static uint32_t take_count(struct secm *pf, uint32_t *n)
{
	uint32_t v = *n;

	if (*fl_secm_reg(pf, P_CNT_CLR) & 1)
		*n = 0;
	return v;
}

static struct secm *chosen(struct secm *pf, uint32_t sel)
{
	return pf->chip->fn[*fl_secm_reg(pf, sel) % SECM_FUNS];
}

static uint32_t counter(struct secm *pf, uint32_t off)
{
	uint32_t sel = off - 8, qn = *fl_secm_reg(pf, sel) >> 16;
	struct secm *f = chosen(pf, sel);

	if (!f)
		return 0;
	if (off == P_STAT_MB)
		return take_count(pf, &f->nmb);
	if (off == P_STAT_DB)
		return take_count(pf, &f->ndb);
	if (qn >= SECM_QPS)
		return 0;
	return take_count(pf, off == P_STAT_SQE ? &f->qp[qn].nsqe : &f->qp[qn].ncqe);
}

static uint32_t total(struct secm *pf, unsigned i)
{
	uint32_t sum = 0;

	for (unsigned n = 0; n < SECM_FUNS; n++) {
		if (pf->chip->fn[n])
			sum += take_count(pf, &pf->chip->fn[n]->stat[i]);
	}
	return sum;
}

static uint32_t read_pf(struct secm *f, uint32_t off)
{
	struct secm_chip *c = f->chip;

	switch (off) {
	case P_ERR_SOURCE:
		return c->err;
	case P_ERR_STATUS:
		return c->err & ~*fl_secm_reg(f, P_ERR_MASK);
	case P_ERR_INF00:
		return c->inf00;
	case P_ERR_INF01:
		return c->inf01;
	case P_IFC_READY:
	case P_IFC_READY + 4:
		return (uint32_t)(c->not_acked >> 8 * (off - P_IFC_READY));
	case P_IFC_SOURCE:
	case P_IFC_SOURCE + 4:
		return (uint32_t)(c->from_vf >> 8 * (off - P_IFC_SOURCE));
	case P_STAT_MB:
	case P_STAT_DB:
	case P_STAT_SQE:
	case P_STAT_CQE:
		return counter(f, off);
	case P_STAT_SENT:
	case P_STAT_WB:
	case P_STAT_TASKS:
		return total(f, (off - P_STAT_SENT) / 8);
	case P_STAT_CQES:
	case P_STAT_EQES:
	case P_STAT_AEQES:
		return total(f, 3 + (off - P_STAT_CQES) / 4);
	case P_IDLE:
		return idle(c);
	case A_RETURNED:
		return idle(c) ? 3 : 0;
	case S_INT_SOURCE:
		return c->sec_err;
	case S_INT_STATUS:
		return c->sec_err & *fl_secm_reg(f, S_INT_ENABLE);
	}
	return *fl_secm_reg(f, off);
}

static bool has_images(const struct secm *f)
{
	return f->fn && fl_secm_v3(f);
}

static uint32_t read32(struct secm *f, uint32_t off)
{
	if (!exists(off))
		return 0;
	if (off >= P_BASE)
		return read_pf(f, off);
	if (has_images(f) && off - Q_EQC < EQC_SIZE)
		return fl_secm_eqc_word(&f->eq, (off - Q_EQC) / 4);
	if (has_images(f) && off - Q_AEQC < EQC_SIZE)
		return fl_secm_eqc_word(&f->aeq, (off - Q_AEQC) / 4);
	switch (off) {
	case Q_AEQ_SOURCE:
		return f->aeq.source;
	case Q_EQ_SOURCE:
		return f->eq.source;
	case Q_IFC_SOURCE_V:
		return fl_secm_msg_pending(f);
	case Q_IFC_STATUS:
		return fl_secm_msg_pending(f) && !(*fl_secm_reg(f, Q_IFC_MASK) & 1);
	case Q_IFC_SET_V:
		return f->fn && f->chip->from_vf >> f->fn & 1;
	case Q_ACTIVE:
		return f->running != 0;
	}
	return *fl_secm_reg(f, off);
}

uint64_t fl_secm_bar2_read(struct secm *f, uint64_t off, unsigned size)
{
	uint32_t at = (uint32_t)off & ~3u;
	uint64_t v;

	if (fl_secm_hit(f, F_ONES))
		f->ones = true;
	if (f->ones)
		return UINT64_MAX;
	v = read32(f, at);
	if (size == 8)
		return v | (uint64_t)read32(f, at + 4) << 32;
	return v >> 8 * (off & 3) & (UINT32_MAX >> (32 - 8 * size));
}

/* ---- writing --------------------------------------------------------------------------------- */

static void ack_pf(struct secm *f, unsigned half, uint32_t v)
{
	fl_secm_msg_ack_pf(f, (uint64_t)v << 32 * half);
}

static void sec_mem_init(struct secm *f)
{
	/* Kunpeng 920: not while the clock gate is on */
	if (!fl_secm_v3(f) && *fl_secm_reg(f, S_CONTROL) & CONTROL_GATE)
		return;
	if (fl_secm_hit(f, F_RESET))
		return;
	f->chip->sec_ok = true;
	*fl_secm_reg(f, S_MEM_DONE) = 1;
}

static void mem_init(struct secm *f)
{
	*fl_secm_reg(f, P_MEM_DONE) = 0;
	if (fl_secm_hit(f, F_RESET))
		return;
	fl_secm_mem_init(f->chip);
	*fl_secm_reg(f, P_MEM_DONE) = 1;
}

static void shut_master(struct secm_chip *c)
{
	for (unsigned i = 0; i < SECM_FUNS; i++) {
		if (c->fn[i])
			fl_secm_settle_all(c->fn[i]);
	}
	c->master_off = true;
}

static void write_pf(struct secm *f, uint32_t off, uint32_t old, uint32_t v)
{
	struct secm_chip *c = f->chip;

	switch (off) {
	case P_ERR_SOURCE:
		c->err &= ~v;
		fl_secm_abnormal(c);
		return;
	case P_ERR_SET:
		fl_secm_qm_error(f, v & E_ALL);
		return;
	case P_ERR_MASK:
	case S_INT_ENABLE:
		fl_secm_abnormal(c);
		return;
	case P_MEM_START:
		if (v & 1)
			mem_init(f);
		return;
	case P_VFT_GO:
		if (v & 1)
			fl_secm_vft_go(f);
		return;
	case P_IFC_SET:
		if (v & 1 && fl_secm_v3(f))
			fl_secm_msg_ring_vfs(f);
		return;
	case P_IFC_SOURCE:
	case P_IFC_SOURCE + 4:
		ack_pf(f, off != P_IFC_SOURCE, v);
		return;
	case A_GLOBAL:
		if (v & 1)
			shut_master(c);
		else
			c->master_off = false;
		return;
	case A_ROB_ECC:
		*fl_secm_reg(f, off) = old & ~v;
		return;
	case S_INT_SOURCE:
		c->sec_err &= ~v;
		fl_secm_abnormal(c);
		return;
	case S_MEM_START:
		if (v & 1)
			sec_mem_init(f);
		return;
	case S_CONTROL:
		/* the way out of a shut master */
		if (v & ~old & CONTROL_AXI)
			c->master_off = false;
		return;
	}
}

static void write_mask_reg(struct secm *f, struct secm_eq *q, uint32_t v)
{
	if (v & 1)
		q->fired = false;
	fl_secm_eq_irq(f, q);
}

static void write_fn(struct secm *f, uint32_t off, uint32_t v)
{
	switch (off) {
	case Q_AEQ_MASK:
		write_mask_reg(f, &f->aeq, v);
		return;
	case Q_EQ_MASK:
		write_mask_reg(f, &f->eq, v);
		return;
	case Q_IFC_SOURCE_V:
		if (v & 1 && f->fn)
			fl_secm_msg_ack_vf(f);
		return;
	case Q_IFC_MASK:
		fl_secm_msg_irq(f);
		return;
	case Q_IFC_SET_V:
		if (v & 1 && f->fn && fl_secm_v3(f))
			fl_secm_msg_ring_pf(f);
		return;
	case Q_WB_START:
		*fl_secm_reg(f, Q_WB_DONE) = 0;
		if (!(v & 1))
			return;
		fl_secm_ctx_write_back(f);
		*fl_secm_reg(f, Q_WB_DONE) = 1;
		return;
	case Q_MB + 12:
		fl_secm_mailbox(f);
		return;
	}
}

static void write32(struct secm *f, uint32_t off, uint32_t v)
{
	uint32_t old;

	if (!exists(off) || is_read_only(off))
		return;
	if (has_images(f) && off - Q_EQC < EQC_SIZE) {
		fl_secm_eqc_write_word(&f->eq, (off - Q_EQC) / 4, v);
		return;
	}
	if (has_images(f) && off - Q_AEQC < EQC_SIZE) {
		fl_secm_eqc_write_word(&f->aeq, (off - Q_AEQC) / 4, v);
		return;
	}
	/* what it waits for is not to be changed */
	if (f->mb_wait && off - Q_MB < 16)
		return;
	old = *fl_secm_reg(f, off);
	if (!clears(off))
		*fl_secm_reg(f, off) = v;
	if (off >= P_BASE)
		write_pf(f, off, old, v);
	else
		write_fn(f, off, v);
}

void fl_secm_bar2_write(struct secm *f, uint64_t off, unsigned size, uint64_t v)
{
	uint32_t at = (uint32_t)off & ~3u, mask = UINT32_MAX, old;

	if (f->ones)
		return;
	if (size == 8) {
		if (off == Q_DB && !f->isolation)
			fl_secm_doorbell(f, -1, v);
		else if (off == Q_DB_EVENT)
			fl_secm_doorbell_event(f, v);
		write32(f, at, (uint32_t)v);
		write32(f, at + 4, (uint32_t)(v >> 32));
		return;
	}
	if (size < 4) {
		mask = UINT32_MAX >> (32 - 8 * size) << 8 * (off & 3);
		old = exists(at) ? *fl_secm_reg(f, at) : 0;
		v = (old & ~mask) | ((uint32_t)v << 8 * (off & 3) & mask);
	}
	write32(f, at, (uint32_t)v);
}
