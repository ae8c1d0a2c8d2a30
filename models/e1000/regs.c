/* SPDX-License-Identifier: BSD-3-Clause */
/* Register table: reset values, write masks, and what reading or writing does. */
#include "e1000_internal.h"

struct reg {
	uint16_t off, n; /* first, how many words */
	uint32_t reset, mask;
	uint32_t (*rd)(struct e1000 *e, uint32_t off);
	void (*wr)(struct e1000 *e, uint32_t off, uint32_t v); /* after the store under the mask */
	bool keep;					       /* CTRL.RST leaves it alone */
};

#define ALL 0xffffffffu

static uint32_t rd_zero(struct e1000 *e, uint32_t off)
{
	return 0;
}

static void wr_update(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_update(e);
}

static void wr_ctrl(struct e1000 *e, uint32_t off, uint32_t v)
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

/* the one bit that can be written: PHYRA, to 0 */
static void wr_status(struct e1000 *e, uint32_t off, uint32_t v)
{
	if (!(v & STATUS_PHYRA))
		e->r[R_STATUS / 4] &= ~STATUS_PHYRA;
}

static uint32_t rd_eecd(struct e1000 *e, uint32_t off)
{
	uint32_t v = e->r[R_EECD / 4];

	return v & EECD_REQ ? v | EECD_GNT : v & ~EECD_GNT;
}

static void wr_eerd(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_eerd(e, v);
}

static void wr_eewr(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_eewr(e, v);
}

/* bits 12 (ASDCHK) and 13 (EE_RST) clear themselves */
static void wr_ctrl_ext(struct e1000 *e, uint32_t off, uint32_t v)
{
	if (v & 1u << 13)
		e->r[R_EECD / 4] |= EECD_AUTO_RD;
	fl_e1000m_link_update(e);
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
	fl_e1000m_raise(e, v & IMS_VALID);
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
	for (unsigned q = 0; q < E1000_QUEUES; q++)
		fl_e1000m_tx(e, q);
}

/* the transmit part is what the receive part leaves of the buffer */
static void wr_pba(struct e1000 *e, uint32_t off, uint32_t v)
{
	uint32_t rx = v & 0x3f;

	if (rx > E1000_FIFO_KIB)
		rx = E1000_FIFO_KIB;
	e->r[R_PBA / 4] = (E1000_FIFO_KIB - rx) << 16 | rx;
	e->fifo.cap = rx * 1024;
}

static void wr_psrctl(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_update(e);
}

static void wr_rdt(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_fifo_drain(e, E1000_BATCH);
}

static void wr_tdt(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_tx(e, off >= R_TDT + R_QUEUE_STRIDE);
}

/* a write to the first queue's sets both */
static void wr_rxdctl(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_wr(e, R_RXDCTL + R_QUEUE_STRIDE, v);
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

/* reading takes the semaphore */
static uint32_t rd_swsm(struct e1000 *e, uint32_t off)
{
	uint32_t v = e->r[off / 4];

	e->r[off / 4] |= 1;
	return v;
}

/* the high half of an address has 16 bits of it, two of selection, and "valid" */
static void wr_ra(struct e1000 *e, uint32_t off, uint32_t v)
{
	if (off & 4)
		e->r[off / 4] &= 0x8003ffff;
	fl_e1000m_update(e);
}

static void wr_rssrk(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_rss_key(e);
}

/* reading the low half latches the counter */
static uint32_t rd_systiml(struct e1000 *e, uint32_t off)
{
	e->tim_latch = fl_e1000m_clock(e);
	return (uint32_t)e->tim_latch;
}

static uint32_t rd_systimh(struct e1000 *e, uint32_t off)
{
	return e->tim_latch >> 32;
}

/* writing the high half takes over both */
static void wr_systimh(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_clock_set(e, (uint64_t)v << 32 | e->r[R_SYSTIML / 4]);
}

static void wr_timinca(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_clock_rate(e, e->r[R_TIMINCA / 4]);
}

/* reading a stamp's upper half makes room for the next */
static uint32_t rd_stamp(struct e1000 *e, uint32_t off)
{
	e->r[(off == R_RXSTMPH ? R_TSYNCRXCTL : R_TSYNCTXCTL) / 4] &= ~TSYNC_VALID;
	return e->r[off / 4];
}

/* Sorted by offset. Registers not here read 0 and drop what is written. */
static const struct reg table[] = {
	{ R_CTRL, 1, 0x00140241, 0, NULL, wr_ctrl },
	{ R_CTRL_DUP, 1, 0, 0, rd_ctrl, wr_ctrl },
	{ R_STATUS, 1, 0, 0, rd_status, wr_status },
	{ R_EECD, 1, 0x00000300, ~0x00007b80u, rd_eecd },
	{ R_EERD, 1, 2, 0, NULL, wr_eerd },
	{ R_CTRL_EXT, 1, 0, ~0x3000u, NULL, wr_ctrl_ext },
	{ R_FLA, 1, 0, ALL, .keep = true },
	{ R_MDIC, 1, 0, 0, NULL, wr_mdic },
	{ R_FCAL, 1, 0, ALL },
	{ R_FCAH, 1, 0, 0xffff },
	{ R_FCT, 1, 0, 0xffff },
	{ R_VET, 1, 0x8100, 0xffff, NULL, wr_update },
	{ R_ICR, 1, 0, 0, rd_icr, wr_icr },
	{ R_ITR, 1, 0, 0xffff },
	{ R_ICS, 1, 0, 0, rd_ics, wr_ics },
	{ R_IMS, 1, 0, 0, NULL, wr_ims },
	{ R_IMC, 1, 0, 0, rd_zero, wr_imc },
	{ R_EIAC, 1, 0, 0x01f00000 },
	{ R_IAM, 1, 0, ALL },
	{ R_IVAR, 1, 0, ALL },
	{ R_EITR, E1000_VECTORS, 0, 0xffff },
	{ R_RCTL, 1, 0, ALL, NULL, wr_update },
	{ R_FCTTV, 1, 0, 0xffff },
	{ R_TXCW, 1, 0, 0xc000ffff },
	{ R_TCTL, 1, 0, ALL, NULL, wr_tctl },
	{ R_TIPG, 1, 0x00602008, ALL },
	{ R_AIT, 1, 0, 0xffff },
	{ R_LEDCTL, 1, 0x00068302, ALL },
	{ R_EXTCNF_CTRL, 1, 0x8, ALL },
	{ R_EXTCNF_SIZE, 1, 0, ALL },
	{ R_POEMB, 1, 0x30d, ALL },
	{ R_PBA, 1, 0x00140014, 0, NULL, wr_pba, true },
	{ R_PBS, 1, 0x28, 0x3f, .keep = true },
	{ R_EEMNGCTL, 1, 0x80000000, ALL },
	{ R_FLASHT, 1, 2, ALL },
	{ R_EEWR, 1, 2, 0, NULL, wr_eewr },
	{ R_FLSWCTL, 1, 0xc0000000, ALL },
	{ R_FLSWDATA, 1, 0, ALL },
	{ R_FLSWCNT, 1, 0, ALL },
	{ R_FLOP, 1, 0, ALL },
	{ R_FLOL, 1, 1, ALL },
	{ R_FCRTL, 1, 0, 0x8000fff8 },
	{ R_FCRTH, 1, 0, 0xfff8 },
	{ R_PSRCTL, 1, 0x00040402, ALL, NULL, wr_psrctl },
	{ 0x2410, 1, 0, 0x1fff },
	{ 0x2418, 1, 0, 0x1fff },
	{ 0x2420, 1, 0, 0x1fff },
	{ 0x2428, 1, 0, 0x1fff },
	{ 0x2430, 1, 0, ALL },
	{ R_RDBAL, 1, 0, ~0xfu },
	{ R_RDBAH, 1, 0, ALL },
	{ R_RDLEN, 1, 0, 0xfff80 },
	{ R_RDH, 1, 0, 0xffff },
	{ R_RDT, 1, 0, 0xffff, NULL, wr_rdt },
	{ R_RDTR, 1, 0, 0xffff, NULL, wr_rdtr },
	{ R_RXDCTL, 1, 0x00010000, ALL, NULL, wr_rxdctl },
	{ R_RADV, 1, 0, 0xffff },
	{ R_RDBAL + R_QUEUE_STRIDE, 1, 0, ~0xfu },
	{ R_RDBAH + R_QUEUE_STRIDE, 1, 0, ALL },
	{ R_RDLEN + R_QUEUE_STRIDE, 1, 0, 0xfff80 },
	{ R_RDH + R_QUEUE_STRIDE, 1, 0, 0xffff },
	{ R_RDT + R_QUEUE_STRIDE, 1, 0, 0xffff, NULL, wr_rdt },
	{ R_RXDCTL + R_QUEUE_STRIDE, 1, 0x00010000, ALL },
	{ R_RSRPD, 1, 0, 0xfff },
	{ R_RAID, 1, 0, 0xffff },
	{ R_TDFH, 1, 0x600, 0x1fff },
	{ R_TDFH + 8, 1, 0x600, 0x1fff },
	{ R_TDFH + 16, 1, 0x600, 0x1fff },
	{ R_TDFH + 24, 1, 0x600, 0x1fff },
	{ R_TDFH + 32, 1, 0, ALL },
	{ R_TDBAL, 1, 0, ~0xfu },
	{ R_TDBAH, 1, 0, ALL },
	{ R_TDLEN, 1, 0, 0xfff80 },
	{ R_TDH, 1, 0, 0xffff },
	{ R_TDT, 1, 0, 0xffff, NULL, wr_tdt },
	{ R_TIDV, 1, 0, 0xffff, NULL, wr_tidv },
	{ R_TXDCTL, 1, 0, ALL },
	{ R_TADV, 1, 0, 0xffff },
	{ R_TARC, 1, 0x403, ALL },
	{ R_TDBAL + R_QUEUE_STRIDE, 1, 0, ~0xfu },
	{ R_TDBAH + R_QUEUE_STRIDE, 1, 0, ALL },
	{ R_TDLEN + R_QUEUE_STRIDE, 1, 0, 0xfff80 },
	{ R_TDH + R_QUEUE_STRIDE, 1, 0, 0xffff },
	{ R_TDT + R_QUEUE_STRIDE, 1, 0, 0xffff, NULL, wr_tdt },
	{ R_TXDCTL + R_QUEUE_STRIDE, 1, 0, ALL },
	{ R_TARC + R_QUEUE_STRIDE, 1, 0x403, ALL },
	{ R_STATS, (R_STATS_END - R_STATS) / 4, 0, 0, fl_e1000m_stat_read },
	{ R_RXCSUM, 1, 0x300, ALL, NULL, wr_update },
	{ R_RFCTL, 1, 0, ALL, NULL, wr_update },
	{ R_MTA, 128, 0, ALL },
	{ R_RAL, 32, 0, ALL, NULL, wr_ra },
	{ R_VFTA, 128, 0, ALL },
	{ R_WUC, 1, 0, ALL },
	{ R_WUFC, 1, 0, ALL },
	{ R_WUS, 1, 0, ALL },
	{ R_MRQC, 1, 0, ALL, NULL, wr_update },
	{ R_MANC, 1, 0x10000000, ALL },
	{ 0x5838, 1, 0, ALL },
	{ 0x5840, 8, 0, ALL },
	{ 0x5880, 4, 0, ALL },
	{ R_GCR, 1, 0x06800200, ~0x06800000u },
	{ R_FACTPS, 1, 0x20000004, ALL },
	{ R_SWSM, 1, 1, ALL, rd_swsm },
	{ R_GCR2, 1, 0, ALL },
	{ R_PBACLR, 1, 0, 0x1f },
	{ R_RETA, 32, 0, ALL },
	{ R_RSSRK, 10, 0, ALL, NULL, wr_rssrk },
	{ R_FCRTV, 1, 0, 0xffff },
	{ R_SYSTIML, 1, 0, ALL, rd_systiml },
	{ R_SYSTIMH, 1, 0, 0, rd_systimh, wr_systimh },
	{ R_TIMINCA, 1, 0, ALL, NULL, wr_timinca },
	{ R_TIMADJL, 1, 0, ALL },
	{ R_TIMADJH, 1, 0, ALL },
	{ R_TSYNCTXCTL, 1, 0, 0x10 },
	{ R_TXSTMPL, 1, 0, 0 },
	{ R_TXSTMPH, 1, 0, 0, rd_stamp },
	{ R_TSYNCRXCTL, 1, 0, 0x1e, NULL, wr_update },
	{ R_RXSTMPL, 1, 0, 0 },
	{ R_RXSTMPH, 1, 0, 0, rd_stamp },
	{ R_RXSATRL, 2, 0, 0 },
	{ R_RXCFGL, 1, 0x88f7, ALL },
	{ R_RXUDP, 1, 0x319, ALL },
};

/* places of the 8254x that the 82574 still answers at */
static uint32_t unalias(uint32_t off)
{
	static const uint16_t map[][2] = {
		{ 0x108, R_RDTR },  { 0x110, R_RDBAL }, { 0x114, R_RDBAH }, { 0x118, R_RDLEN },
		{ 0x120, R_RDH },   { 0x128, R_RDT },	{ 0x160, R_FCRTH }, { 0x168, R_FCRTL },
		{ 0x420, R_TDBAL }, { 0x424, R_TDBAH }, { 0x428, R_TDLEN }, { 0x430, R_TDH },
		{ 0x438, R_TDT },   { 0x440, R_TIDV },
	};

	if (off >= 0x40 && off < 0xc0)
		return off - 0x40 + R_RAL;
	if (off >= 0x600 && off < 0x800)
		return off - 0x600 + R_VFTA;
	for (unsigned i = 0; i < FL_ARRAY_SIZE(map); i++)
		if (off == map[i][0])
			return map[i][1];
	return off;
}

static const struct reg *find(uint32_t off)
{
	unsigned lo = 0, hi = FL_ARRAY_SIZE(table);

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (off < table[mid].off)
			hi = mid;
		else if (off >= table[mid].off + 4u * table[mid].n)
			lo = mid + 1;
		else
			return &table[mid];
	}
	return NULL;
}

uint32_t fl_e1000m_reg_read(struct e1000 *e, uint32_t off)
{
	const struct reg *g;

	off = unalias(off & ~3u);
	g = find(off);
	if (!g)
		return 0;
	return g->rd ? g->rd(e, off) : fl_e1000m_rd(e, off);
}

void fl_e1000m_reg_write(struct e1000 *e, uint32_t off, uint32_t v)
{
	const struct reg *g;

	off = unalias(off & ~3u);
	g = find(off);
	if (!g)
		return;
	if (g->mask)
		fl_e1000m_wr(e, off, (fl_e1000m_rd(e, off) & ~g->mask) | (v & g->mask));
	if (g->wr)
		g->wr(e, off, v);
}

void fl_e1000m_regs_reset(struct e1000 *e, bool soft)
{
	for (unsigned i = 0; i < FL_ARRAY_SIZE(table); i++) {
		const struct reg *g = &table[i];

		if ((soft && g->keep) || g->off == R_STATS)
			continue;
		for (unsigned k = 0; k < g->n; k++)
			fl_e1000m_wr(e, g->off + 4 * k, g->reset);
	}
}
