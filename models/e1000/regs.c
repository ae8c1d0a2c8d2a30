/* SPDX-License-Identifier: BSD-3-Clause */
/* Registers that all chips have: reset values, write masks, what reading or writing does. */
#include "e1000_internal.h"

#define ALL 0xffffffffu

static uint32_t rd_zero(struct e1000 *e, uint32_t off)
{
	return 0;
}

void fl_e1000m_wr_update(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_update(e);
}

void fl_e1000m_wr_ctrl(struct e1000 *e, uint32_t off, uint32_t v)
{
	if (v & CTRL_RST) {
		fl_e1000m_reset(e, true);
		return;
	}
	e->r[R_CTRL / 4] = v;
	if (v & CTRL_PHY_RST) {
		e->r[R_CTRL / 4] &= ~CTRL_PHY_RST;
		e->r[R_STATUS / 4] |= STATUS_PHYRA;
		fl_e1000m_phy_reset(e, false);
	}
	fl_e1000m_update(e);
	fl_e1000m_link_update(e);
}

static uint32_t rd_ctrl(struct e1000 *e, uint32_t off)
{
	return e->r[R_CTRL / 4];
}

static uint32_t rd_status(struct e1000 *e, uint32_t off)
{
	return fl_e1000m_status(e);
}

/* the one bit that can be written: PHYRA, to 0 (an 82540 always shows its place as 1) */
static void wr_status(struct e1000 *e, uint32_t off, uint32_t v)
{
	if (!(v & STATUS_PHYRA))
		e->r[R_STATUS / 4] &= ~STATUS_PHYRA;
}

uint32_t fl_e1000m_rd_eecd(struct e1000 *e, uint32_t off)
{
	uint32_t v = e->r[R_EECD / 4];

	return v & EECD_REQ ? v | EECD_GNT : v & ~EECD_GNT;
}

static void wr_mdic(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_mdic(e, v);
}

static uint32_t rd_icr(struct e1000 *e, uint32_t off)
{
	return fl_e1000m_icr_read(e);
}

static void wr_icr(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_icr_write(e, v);
}

static uint32_t rd_ics(struct e1000 *e, uint32_t off)
{
	return e->r[R_ICR / 4];
}

static void wr_ics(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_raise(e, v & e->v->causes);
}

static void wr_ims(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_ims_set(e, v);
}

static void wr_imc(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_imc(e, v);
}

static void wr_tctl(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_update(e);
	for (unsigned q = 0; q < e->v->queues; q++)
		fl_e1000m_tx(e, q);
}

/* the transmit part is what the receive part leaves of the buffer */
void fl_e1000m_wr_pba(struct e1000 *e, uint32_t off, uint32_t v)
{
	uint32_t rx = v & 0x3f;

	if (rx > e->v->fifo_kib)
		rx = e->v->fifo_kib;
	e->r[R_PBA / 4] = (e->v->fifo_kib - rx) << 16 | rx;
	e->fifo.cap = rx * 1024;
}

void fl_e1000m_wr_rdt(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_fifo_drain(e, E1000_BATCH);
}

void fl_e1000m_wr_tdt(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_tx(e, off >= R_TDT + R_QUEUE_STRIDE);
}

static void wr_rdtr(struct e1000 *e, uint32_t off, uint32_t v)
{
	if (v & DELAY_FPD)
		fl_e1000m_flush_rx_delay(e);
}

static void wr_tidv(struct e1000 *e, uint32_t off, uint32_t v)
{
	if (v & DELAY_FPD)
		fl_e1000m_flush_tx_delay(e);
}

/* the high half of an address has 16 bits of it, two of selection, and "valid" */
static void wr_ra(struct e1000 *e, uint32_t off, uint32_t v)
{
	if (off & 4)
		e->r[off / 4] &= 0x8003ffff;
	fl_e1000m_update(e);
}

static const struct e1000_reg common[] = {
	{ R_CTRL_DUP, 1, 0, 0, rd_ctrl, fl_e1000m_wr_ctrl },
	{ R_STATUS, 1, 0, 0, rd_status, wr_status },
	{ R_FLA, 1, 0, ALL, .keep = true },
	{ R_MDIC, 1, 0, 0, NULL, wr_mdic },
	{ R_FCAL, 1, 0, ALL },
	{ R_FCAH, 1, 0, 0xffff },
	{ R_FCT, 1, 0, 0xffff },
	{ R_VET, 1, 0x8100, 0xffff, NULL, fl_e1000m_wr_update },
	{ R_ICR, 1, 0, 0, rd_icr, wr_icr },
	{ R_ITR, 1, 0, 0xffff },
	{ R_ICS, 1, 0, 0, rd_ics, wr_ics },
	{ R_IMS, 1, 0, 0, NULL, wr_ims },
	{ R_IMC, 1, 0, 0, rd_zero, wr_imc },
	{ R_FCTTV, 1, 0, 0xffff },
	{ R_TXCW, 1, 0, 0xc000ffff },
	{ R_TCTL, 1, 0, ALL, NULL, wr_tctl },
	{ R_AIT, 1, 0, 0xffff },
	{ R_FCRTL, 1, 0, 0x8000fff8 },
	{ R_FCRTH, 1, 0, 0xfff8 },
	{ R_RDFH, 1, 0, 0x1fff },
	{ R_RDFH + 8, 1, 0, 0x1fff },
	{ R_RDFH + 16, 1, 0, 0x1fff },
	{ R_RDFH + 24, 1, 0, 0x1fff },
	{ R_RDFH + 32, 1, 0, ALL },
	{ R_RDBAL, 1, 0, ~0xfu },
	{ R_RDBAH, 1, 0, ALL },
	{ R_RDLEN, 1, 0, 0xfff80 },
	{ R_RDH, 1, 0, 0xffff },
	{ R_RDT, 1, 0, 0xffff, NULL, fl_e1000m_wr_rdt },
	{ R_RDTR, 1, 0, 0xffff, NULL, wr_rdtr },
	{ R_RADV, 1, 0, 0xffff },
	{ R_RSRPD, 1, 0, 0xfff },
	{ R_TDFH + 32, 1, 0, ALL },
	{ R_TDBAL, 1, 0, ~0xfu },
	{ R_TDBAH, 1, 0, ALL },
	{ R_TDLEN, 1, 0, 0xfff80 },
	{ R_TDH, 1, 0, 0xffff },
	{ R_TDT, 1, 0, 0xffff, NULL, fl_e1000m_wr_tdt },
	{ R_TIDV, 1, 0, 0xffff, NULL, wr_tidv },
	{ R_TXDCTL, 1, 0, ALL },
	{ R_TADV, 1, 0, 0xffff },
	{ R_STATS, (S_IAC - S_CRCERRS) / 4, 0, 0, fl_e1000m_stat_read },
	{ R_MTA, 128, 0, ALL },
	{ R_RAL, 32, 0, ALL, NULL, wr_ra },
	{ R_VFTA, 128, 0, ALL },
	{ R_WUC, 1, 0, ALL },
	{ R_WUFC, 1, 0, ALL },
	{ R_WUS, 1, 0, ALL },
	{ R_IPAV, 1, 0, ALL },
	{ R_IP4AT, 8, 0, ALL },
	{ R_IP6AT, 4, 0, ALL },
};

static const struct e1000_reg *row(const struct e1000 *e, unsigned i)
{
	return i < e->v->nregs ? &e->v->regs[i] : &common[i - e->v->nregs];
}

static unsigned rows(const struct e1000 *e)
{
	return e->v->nregs + (unsigned)FL_ARRAY_SIZE(common);
}

void fl_e1000m_regs_init(struct e1000 *e)
{
	for (unsigned i = 0; i < rows(e); i++) {
		const struct e1000_reg *g = row(e, i);

		memset(&e->regmap[g->off / 4], (int)i + 1, g->n);
	}
}

static const struct e1000_reg *find(const struct e1000 *e, uint32_t off)
{
	unsigned i = off < R_END ? e->regmap[off / 4] : 0;

	return i ? row(e, i - 1) : NULL;
}

static uint32_t place(const struct e1000 *e, uint32_t off)
{
	return e->v->alias ? e->v->alias(off & ~3u) : off & ~3u;
}

uint32_t fl_e1000m_reg_read(struct e1000 *e, uint32_t off)
{
	const struct e1000_reg *g;

	off = place(e, off);
	g = find(e, off);
	if (!g)
		return 0;
	return g->rd ? g->rd(e, off) : fl_e1000m_rd(e, off);
}

void fl_e1000m_reg_write(struct e1000 *e, uint32_t off, uint32_t v)
{
	const struct e1000_reg *g;

	off = place(e, off);
	g = find(e, off);
	if (!g)
		return;
	if (g->mask)
		fl_e1000m_wr(e, off, (fl_e1000m_rd(e, off) & ~g->mask) | (v & g->mask));
	if (g->wr)
		g->wr(e, off, v);
}

void fl_e1000m_regs_reset(struct e1000 *e, bool soft)
{
	for (unsigned i = 0; i < rows(e); i++) {
		const struct e1000_reg *g = row(e, i);

		/* counters are kept elsewhere */
		if ((soft && g->keep) || g->rd == fl_e1000m_stat_read)
			continue;
		for (unsigned k = 0; k < g->n; k++)
			fl_e1000m_wr(e, g->off + 4 * k, g->reset);
	}
}
