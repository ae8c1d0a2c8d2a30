/* SPDX-License-Identifier: BSD-3-Clause */
/* Which function has which queues: the table that the PF writes. */
#include "qm_internal.h"

static uint32_t count_of(const struct secm_chip *c, unsigned fn)
{
	uint64_t e = c->vft[fn][0];
	uint32_t base = e >> 28 & 0xffff, n = (uint32_t)(e >> 45 & 0x3ff) + 1;

	if (!(e & VFT_SQC_VALID) || !(c->vft[fn][1] & VFT_CQC_VALID))
		return 0;
	return base + n <= c->qps || c->own_pf ? n : 0;
}

void fl_secm_vft_apply(struct secm_chip *c, unsigned fn)
{
	struct secm *f = c->fn[fn];

	if (!f)
		return;
	f->nq = count_of(c, fn);
	for (unsigned i = f->nactive; i-- > 0;) {
		if (f->active[i] >= f->nq)
			fl_secm_deactivate(f, f->active[i]);
	}
}

void fl_secm_vft_go(struct secm *pf)
{
	struct secm_chip *c = pf->chip;
	uint32_t type = *fl_secm_reg(pf, P_VFT_TYPE), addr = *fl_secm_reg(pf, P_VFT_ADDR);
	uint32_t *lo = fl_secm_reg(pf, P_VFT_DATA_L), *hi = fl_secm_reg(pf, P_VFT_DATA_H);
	uint64_t *e = NULL;

	if (type < 2 && addr < SECM_FUNS)
		e = &c->vft[addr][type];
	else if (type == 2 && addr < FL_ARRAY_SIZE(c->shaper))
		e = &c->shaper[addr];
	if (e && *fl_secm_reg(pf, P_VFT_WR) & 1) {
		*lo = (uint32_t)*e;
		*hi = (uint32_t)(*e >> 32);
	} else if (e) {
		*e = *lo | (uint64_t)*hi << 32;
		if (type < 2)
			fl_secm_vft_apply(c, addr);
	}
	*fl_secm_reg(pf, P_VFT_RDY) = 1;
}

void fl_secm_vft_clear(struct secm_chip *c)
{
	memset(c->vft, 0, sizeof(c->vft));
	memset(c->shaper, 0, sizeof(c->shaper));
	for (unsigned i = 0; i < SECM_FUNS; i++)
		fl_secm_vft_apply(c, i);
}

void fl_secm_mem_init(struct secm_chip *c)
{
	for (unsigned i = 0; i < SECM_FUNS; i++) {
		struct secm *f = c->fn[i];

		if (!f)
			continue;
		fl_secm_quiesce(f);
		fl_secm_drop_all(f);
		fl_secm_event_reset(f);
		f->sqc_bt_ok = f->cqc_bt_ok = f->mb_wait = false;
		memset(fl_secm_reg(f, Q_MB), 0, 16);
	}
	fl_secm_vft_clear(c);
	c->mem_ok = true;
}
