/* SPDX-License-Identifier: BSD-3-Clause */
/* Link: what carrier, PHY and CTRL make of it; received pause frames. */
#include "e1000_internal.h"

#define BMCR_DOWN 0x0800
#define BMCR_AN	  0x1000

void fl_e1000m_link_update(struct e1000 *e)
{
	struct e1000_phy *p = &e->phy;
	bool up = e->carrier && !(p->bmcr & BMCR_DOWN) && e->due[T_AN] == UINT64_MAX &&
		  fl_e1000m_phy_common(e) && e->r[R_CTRL / 4] & CTRL_SLU;

	if (e->wire)
		fl_wire_set_link(e->wire, !(p->bmcr & BMCR_DOWN));
	if (up == p->link)
		return;
	p->link = up;
	if (!up) {
		p->link_latch = false;
		p->an_done = false;
		e->due[T_PAUSE] = UINT64_MAX;
	}
	fl_e1000m_update(e);
	fl_e1000m_raise(e, ICR_LSC);
}

void fl_e1000m_carrier(void *arg, bool up)
{
	struct e1000 *e = arg;

	if (e->carrier == up)
		return;
	e->carrier = up;
	/* a partner that appears is negotiated with; one that goes takes the link at once */
	fl_e1000m_an_start(e);
}

uint32_t fl_e1000m_status(struct e1000 *e)
{
	uint32_t ctrl = e->r[R_CTRL / 4], v = e->r[R_STATUS / 4] & STATUS_PHYRA;
	bool full;
	uint32_t speed = fl_e1000m_phy_speed(e, &full);

	v |= speed << 8;
	if (ctrl & CTRL_FRCSPD || e->r[R_CTRL_EXT / 4] & CTRL_EXT_SPD_BYPS)
		speed = CTRL_SPD(ctrl);
	if (ctrl & CTRL_FRCDPX)
		full = ctrl & CTRL_FD;
	v |= speed << 6;
	if (full)
		v |= STATUS_FD;
	if (e->phy.link)
		v |= STATUS_LU;
	if (e->tx_held || e->due[T_PAUSE] != UINT64_MAX)
		v |= STATUS_TXOFF;
	v |= e->v->status;
	return ctrl & CTRL_GIO_DISABLE ? v & ~STATUS_GIO_MASTER : v;
}

bool fl_e1000m_pause(struct e1000 *e, const uint8_t *p, uint32_t len)
{
	static const uint8_t group[6] = { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x01 };
	uint32_t type = e->r[R_FCT / 4];
	uint64_t own;

	if (len < 18 || (uint32_t)(p[12] << 8 | p[13]) != type || !type)
		return false;
	own = (uint64_t)e->r[R_FCAH / 4] << 32 | e->r[R_FCAL / 4];
	for (unsigned i = 0; i < 6; i++)
		if (p[i] != group[i] && p[i] != (uint8_t)(own >> 8 * i))
			return false;
	if (p[14] || p[15] != 1)
		return false;
	if (e->fc_rx) {
		uint32_t quanta = (uint32_t)(p[16] << 8 | p[17]);

		fl_e1000m_count(e, quanta ? S_XOFFRXC : S_XONRXC, 1);
		/* 512 bit times at 1 Gbit/s each */
		e->due[T_PAUSE] = UINT64_MAX;
		if (quanta)
			fl_e1000m_arm(e, T_PAUSE, quanta * 512ull);
	}
	return !(e->rctl & RCTL_PMCF);
}
