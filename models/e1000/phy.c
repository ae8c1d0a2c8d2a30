/* SPDX-License-Identifier: BSD-3-Clause */
/* PHY: MDIC, pages of those that have them, autonegotiation. */
#include "e1000_internal.h"

#define MDIC_REG(v)  (((v) >> 16) & 31u)
#define MDIC_PHY(v)  (((v) >> 21) & 31u)
#define MDIC_WRITE   (1u << 26)
#define MDIC_READ    (1u << 27)
#define MDIC_READY   (1u << 28)
#define MDIC_INT     (1u << 29)
#define MDIC_ERROR   (1u << 30)

#define BMCR_RESET   0x8000
#define BMCR_LOOP    0x4000
#define BMCR_100     0x2000
#define BMCR_AN	     0x1000
#define BMCR_DOWN    0x0800
#define BMCR_RESTART 0x0200
#define BMCR_FD	     0x0100
#define BMCR_1000    0x0040
#define BMSR_LINK    0x0004
#define BMSR_AN_DONE 0x0020
#define OEM_RESTART  0x0400

void fl_e1000m_phy_reset(struct e1000 *e, bool power_on)
{
	struct e1000_phy *p = &e->phy;

	if (!power_on) {
		p->bmcr = 0x1140;
		fl_e1000m_an_start(e);
		return;
	}
	*p = (struct e1000_phy){ .bmcr = 0x1140,
				 .anar = 0x0de1,
				 .annp = 0x2001,
				 .ctrl1000 = e->v->phy.ctrl1000,
				 .neg = 0x0de1,
				 .neg_1000 = e->v->phy.ctrl1000,
				 .p2_16 = 0x0088,
				 .p2_21 = 0x1046,
				 .p3 = { 0, 0, 0x4005, 0 },
				 .link_latch = true };
	p->p0[16] = e->v->phy.control;
	p->p0[20] = e->v->phy.ext_control;
}

bool fl_e1000m_phy_common(const struct e1000 *e)
{
	const struct e1000_phy *p = &e->phy;

	return !(p->bmcr & BMCR_AN) || p->neg_1000 & 0x0300 || p->neg & 0x01e0;
}

/* the partner offers all speeds */
uint16_t fl_e1000m_phy_speed(const struct e1000 *e, bool *full)
{
	const struct e1000_phy *p = &e->phy;

	if (!(p->bmcr & BMCR_AN)) {
		*full = p->bmcr & BMCR_FD;
		return (p->bmcr & BMCR_1000 ? 2 : 0) | (p->bmcr & BMCR_100 ? 1 : 0);
	}
	if (p->neg_1000 & 0x0300) {
		*full = p->neg_1000 & 0x0200;
		return 2;
	}
	if (p->neg & 0x0180) {
		*full = p->neg & 0x0100;
		return 1;
	}
	*full = p->neg & 0x0040;
	return 0;
}

void fl_e1000m_an_start(struct e1000 *e)
{
	e->phy.an_done = false;
	e->phy.neg = e->phy.anar;
	e->phy.neg_1000 = e->phy.ctrl1000;
	e->due[T_AN] = UINT64_MAX;
	if (e->carrier && !(e->phy.bmcr & BMCR_DOWN))
		fl_e1000m_arm(e, T_AN, e->an_ns);
	fl_e1000m_link_update(e);
}

static void bmcr_write(struct e1000 *e, uint16_t v)
{
	struct e1000_phy *p = &e->phy;
	uint16_t was = p->bmcr;

	uint16_t relink = BMCR_DOWN | BMCR_AN;

	/* a Marvell PHY keeps speed, duplex and autonegotiation through a reset by this bit */
	p->bmcr = v & ~(BMCR_RESET | BMCR_RESTART | 0x3f);
	if (!(v & BMCR_AN))
		relink |= BMCR_100 | BMCR_1000 | BMCR_FD;
	if (v & BMCR_RESET || (v & BMCR_AN && v & BMCR_RESTART) || (was ^ v) & relink)
		fl_e1000m_an_start(e);
	fl_e1000m_update(e);
	fl_e1000m_link_update(e);
}

static uint16_t status17(const struct e1000 *e)
{
	uint16_t v = e->v->phy.status;
	bool full;

	v |= fl_e1000m_phy_speed(e, &full) << 14;
	if (full)
		v |= 1 << 13;
	if (e->phy.link)
		v |= 1 << 11 | 1 << 10;
	return v;
}

/* where a register of a page lives; *w = may be written */
static uint16_t *plain_reg(struct e1000 *e, unsigned reg, bool *w)
{
	struct e1000_phy *p = &e->phy;

	*w = true;
	if (!e->v->phy.paged && reg >= 22)
		return NULL;
	switch (p->page << 8 | reg) {
	case 0x010:
	case 0x012:
	case 0x014:
	case 0x019:
	case 0x01a:
	case 0x01d:
	case 0x01e:
		return &p->p0[reg];
	case 0x013:
	case 0x015:
		*w = false;
		return &p->p0[reg];
	case 0x210:
		return &p->p2_16;
	case 0x212:
		return &p->p2_18;
	case 0x215:
		return &p->p2_21;
	case 0x310:
	case 0x311:
	case 0x312:
	case 0x313:
		return &p->p3[reg - 16];
	case 0x213:
	case 0x514:
	case 0x515:
	case 0x611:
		*w = false;
		return &p->p0[31]; /* reads 0 */
	}
	return NULL;
}

static bool phy_read(struct e1000 *e, unsigned reg, uint16_t *v)
{
	struct e1000_phy *p = &e->phy;
	bool w;
	uint16_t *r;

	switch (reg) {
	case 0:
		*v = p->bmcr;
		return true;
	case 1: /* link is latched low until read */
		*v = 0x7949 | (p->link && p->link_latch ? BMSR_LINK : 0) |
		     (p->an_done ? BMSR_AN_DONE : 0);
		p->link_latch = p->link;
		return true;
	case 2:
		*v = 0x0141;
		return true;
	case 3:
		*v = e->v->phy.id2;
		return true;
	case 4:
		*v = p->anar;
		return true;
	case 5:
		*v = p->bmcr & BMCR_AN ? 0x07e0 | (p->an_done ? 0x4000 : 0) : 0;
		return true;
	case 6:
		*v = 0x0005;
		return true;
	case 7:
		*v = p->annp;
		return true;
	case 8:
		*v = 0;
		return true;
	case 9:
		*v = p->ctrl1000;
		return true;
	case 10:
		*v = p->bmcr & BMCR_AN ? 0x3c00 : 0;
		return true;
	case 15:
		*v = 0x3000;
		return true;
	case 22:
		*v = p->page;
		return e->v->phy.paged;
	case 17:
		if (!p->page) {
			*v = status17(e);
			return true;
		}
	}
	r = plain_reg(e, reg, &w);
	if (!r)
		return false;
	*v = *r;
	return true;
}

static bool phy_write(struct e1000 *e, unsigned reg, uint16_t v)
{
	struct e1000_phy *p = &e->phy;
	bool w;
	uint16_t *r;

	switch (reg) {
	case 0:
		bmcr_write(e, v);
		return true;
	case 4:
		p->anar = v;
		return true;
	case 7:
		p->annp = v;
		return true;
	case 9:
		p->ctrl1000 = v;
		return true;
	case 22:
		if (e->v->phy.paged)
			p->page = v & 0x7f;
		return e->v->phy.paged;
	}
	r = plain_reg(e, reg, &w);
	if (!r || !w)
		return false;
	*r = v;
	if (!p->page && reg == 25 && v & OEM_RESTART) {
		*r &= ~OEM_RESTART;
		fl_e1000m_an_start(e);
	}
	return true;
}

void fl_e1000m_mdic(struct e1000 *e, uint32_t v)
{
	uint32_t *mdic = &e->r[R_MDIC / 4];
	unsigned reg = MDIC_REG(v);
	uint16_t data = (uint16_t)v;
	bool ok = true;

	if (MDIC_PHY(v) != 1) {
		*mdic |= MDIC_READY | MDIC_ERROR;
	} else {
		if (v & MDIC_READ)
			ok = phy_read(e, reg, &data);
		else if (v & MDIC_WRITE)
			ok = phy_write(e, reg, data);
		*mdic = (v & ~(0xffffu | MDIC_ERROR)) | (ok ? data : (v & 0xffff)) | MDIC_READY |
			(ok ? 0 : MDIC_ERROR);
	}
	if (v & MDIC_INT)
		fl_e1000m_raise(e, ICR_MDAC);
}
