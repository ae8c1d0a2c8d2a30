/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages between PF and VFs: 64 bits in the mailbox, then a ring, until the other side
 * acknowledges. A VF alone talks to a PF that takes everything at once and tells its QoS.
 */
#include "qm_internal.h"

#define ALL_VFS	    0xffffu
#define ALL_VFS_CFG 0x7fu
#define MSG_SET_QOS 8u
#define MSG_GET_QOS 9u
#define QOS_MOST    1000u

static bool vf_there(const struct secm_chip *c, unsigned fn)
{
	return fn > 0 && fn < SECM_FUNS && c->fn[fn];
}

unsigned fl_secm_msg_send(struct secm *f, unsigned to, uint64_t msg)
{
	struct secm_chip *c = f->chip;

	if (f->fn) {
		if (to)
			return ST_QUEUE;
		c->to_pf[f->fn] = msg;
		return ST_OK;
	}
	if (to != ALL_VFS && (!to || to >= SECM_FUNS))
		return ST_QUEUE;
	for (unsigned i = 1; i < SECM_FUNS; i++) {
		if (to == ALL_VFS || to == i)
			c->to_vf[i] = msg;
	}
	return ST_OK;
}

unsigned fl_secm_msg_read(struct secm *f, unsigned from, uint64_t *msg)
{
	if (f->fn ? from != 0 : !from || from >= SECM_FUNS)
		return ST_QUEUE;
	*msg = f->fn ? f->chip->to_vf[f->fn] : f->chip->to_pf[from];
	return ST_OK;
}

bool fl_secm_msg_pending(const struct secm *f)
{
	return f->fn ? f->ifc : f->chip->from_vf != 0;
}

void fl_secm_msg_irq(struct secm *f)
{
	if (fl_secm_msg_pending(f) && !(*fl_secm_reg(f, Q_IFC_MASK) & 1))
		fl_model_msi(f->m, VEC_IFC);
}

void fl_secm_msg_ring_vfs(struct secm *pf)
{
	struct secm_chip *c = pf->chip;
	uint32_t to = *fl_secm_reg(pf, P_IFC_CFG) & 0x7f;

	for (unsigned i = 1; i < SECM_FUNS; i++) {
		if ((to != ALL_VFS_CFG && to != i) || !vf_there(c, i))
			continue;
		c->not_acked |= 1ull << i;
		c->fn[i]->ifc = true;
		fl_secm_msg_irq(c->fn[i]);
	}
}

static void own_pf(struct secm *vf)
{
	struct secm_chip *c = vf->chip;

	if ((uint32_t)c->to_pf[vf->fn] != MSG_GET_QOS)
		return;
	c->to_vf[vf->fn] = MSG_SET_QOS | (uint64_t)QOS_MOST << 32;
	vf->ifc = true;
	fl_secm_msg_irq(vf);
}

void fl_secm_msg_ring_pf(struct secm *vf)
{
	struct secm_chip *c = vf->chip;

	if (c->own_pf) {
		own_pf(vf);
		return;
	}
	c->from_vf |= 1ull << vf->fn;
	if (c->fn[0])
		fl_secm_msg_irq(c->fn[0]);
}

void fl_secm_msg_ack_vf(struct secm *vf)
{
	vf->ifc = false;
	vf->chip->not_acked &= ~(1ull << vf->fn);
}

void fl_secm_msg_ack_pf(struct secm *pf, uint64_t bits)
{
	pf->chip->from_vf &= ~bits;
}
