/* SPDX-License-Identifier: BSD-3-Clause */
/* What the 82574L has to itself: PCI Express, MSI-X, two queues, registers, EEPROM image. */
#include "e1000_internal.h"

#define ALL	     0xffffffffu
#define BAR_FLASH    0x20000u
#define BAR_MSIX     0x4000u
#define BAR_MSIX_PBA 0x2000u

/* bits 12 (ASDCHK) and 13 (EE_RST) clear themselves */
static void wr_ctrl_ext(struct e1000 *e, uint32_t off, uint32_t v)
{
	if (v & 1u << 13)
		e->r[R_EECD / 4] |= EECD_AUTO_RD;
	fl_e1000m_link_update(e);
}

/* a write to the first queue's sets both */
static void wr_rxdctl(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_wr(e, R_RXDCTL + R_QUEUE_STRIDE, v);
}

/* reading takes the semaphore */
static uint32_t rd_swsm(struct e1000 *e, uint32_t off)
{
	uint32_t v = e->r[off / 4];

	e->r[off / 4] |= 1;
	return v;
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

static const struct e1000_reg regs[] = {
	{ R_CTRL, 1, 0x00140241, 0, NULL, fl_e1000m_wr_ctrl },
	{ R_EECD, 1, 0x00000300, ~0x00007b80u, fl_e1000m_rd_eecd },
	{ R_EERD, 1, 2, 0, NULL, fl_e1000m_wr_eerd },
	{ R_CTRL_EXT, 1, 0, ~0x3000u, NULL, wr_ctrl_ext },
	{ R_EIAC, 1, 0, 0x01f00000 },
	{ R_IAM, 1, 0, ALL },
	{ R_IVAR, 1, 0, ALL },
	{ R_EITR, E1000_VECTORS, 0, 0xffff },
	{ R_RCTL, 1, 0, ALL, NULL, fl_e1000m_wr_update },
	{ R_TIPG, 1, 0x00602008, ALL },
	{ R_LEDCTL, 1, 0x00068302, ALL },
	{ R_EXTCNF_CTRL, 1, 0x8, ALL },
	{ R_EXTCNF_SIZE, 1, 0, ALL },
	{ R_POEMB, 1, 0x30d, ALL },
	{ R_PBA, 1, 0x00140014, 0, NULL, fl_e1000m_wr_pba, true },
	{ R_PBS, 1, 0x28, 0x3f, .keep = true },
	{ R_EEMNGCTL, 1, 0x80000000, ALL },
	{ R_FLASHT, 1, 2, ALL },
	{ R_EEWR, 1, 2, 0, NULL, fl_e1000m_wr_eewr },
	{ R_FLSWCTL, 1, 0xc0000000, ALL },
	{ R_FLSWDATA, 1, 0, ALL },
	{ R_FLSWCNT, 1, 0, ALL },
	{ R_FLOP, 1, 0, ALL },
	{ R_FLOL, 1, 1, ALL },
	{ R_PSRCTL, 1, 0x00040402, ALL, NULL, fl_e1000m_wr_update },
	{ R_RXDCTL, 1, 0x00010000, ALL, NULL, wr_rxdctl },
	{ R_RDBAL + R_QUEUE_STRIDE, 1, 0, ~0xfu },
	{ R_RDBAH + R_QUEUE_STRIDE, 1, 0, ALL },
	{ R_RDLEN + R_QUEUE_STRIDE, 1, 0, 0xfff80 },
	{ R_RDH + R_QUEUE_STRIDE, 1, 0, 0xffff },
	{ R_RDT + R_QUEUE_STRIDE, 1, 0, 0xffff, NULL, fl_e1000m_wr_rdt },
	{ R_RXDCTL + R_QUEUE_STRIDE, 1, 0x00010000, ALL },
	{ R_RAID, 1, 0, 0xffff },
	{ R_TDFH, 1, 0x600, 0x1fff },
	{ R_TDFH + 8, 1, 0x600, 0x1fff },
	{ R_TDFH + 16, 1, 0x600, 0x1fff },
	{ R_TDFH + 24, 1, 0x600, 0x1fff },
	{ R_TARC, 1, 0x403, ALL },
	{ R_TDBAL + R_QUEUE_STRIDE, 1, 0, ~0xfu },
	{ R_TDBAH + R_QUEUE_STRIDE, 1, 0, ALL },
	{ R_TDLEN + R_QUEUE_STRIDE, 1, 0, 0xfff80 },
	{ R_TDH + R_QUEUE_STRIDE, 1, 0, 0xffff },
	{ R_TDT + R_QUEUE_STRIDE, 1, 0, 0xffff, NULL, fl_e1000m_wr_tdt },
	{ R_TXDCTL + R_QUEUE_STRIDE, 1, 0, ALL },
	{ R_TARC + R_QUEUE_STRIDE, 1, 0x403, ALL },
	{ R_STATS + S_IAC, (R_STATS_END - R_STATS - S_IAC) / 4, 0, 0, fl_e1000m_stat_read },
	{ R_RXCSUM, 1, 0x300, ALL, NULL, fl_e1000m_wr_update },
	{ R_RFCTL, 1, 0, ALL, NULL, fl_e1000m_wr_update },
	{ R_MRQC, 1, 0, ALL, NULL, fl_e1000m_wr_update },
	{ R_MANC, 1, 0x10000000, ALL },
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
	{ R_TSYNCRXCTL, 1, 0, 0x1e, NULL, fl_e1000m_wr_update },
	{ R_RXSTMPL, 1, 0, 0 },
	{ R_RXSTMPH, 1, 0, 0, rd_stamp },
	{ R_RXSATRL, 2, 0, 0 },
	{ R_RXCFGL, 1, 0x88f7, ALL },
	{ R_RXUDP, 1, 0x319, ALL },
};

/* places of the first chips of the family that this one still answers at */
static uint32_t alias(uint32_t off)
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

static void pci(struct fl_model *m, const uint8_t mac[6])
{
	static const struct fl_pci_id id = {
		.vendor = 0x8086, .device = 0x10d3, .subvendor = 0x8086, .class_code = 0x020000
	};
	const struct fl_model_bar flash = { .size = BAR_FLASH }, msix = { .size = BAR_MSIX };

	fl_model_set_bar(m, 1, &flash);
	fl_model_set_bar(m, 3, &msix);
	fl_model_set_id(m, &id, 1);
	fl_model_add_msix(m, 0xa0, E1000_VECTORS, 3, 0, BAR_MSIX_PBA);
	fl_model_add_pm(m, 0xc8);
	fl_model_add_msi(m, 0xd0, 1, true, false);
	fl_model_add_pcie(m, 0xe0, 1, false);
	fl_model_add_ext_cap(m, 0x0001, 1, 0x100, 0x40);
	fl_model_add_ext_cap(m, 0x0003, 1, 0x140, 12);
	/* EUI-64 of the address, its first byte on top */
	fl_model_cfg_set(m, 0x144, 4, 0xff000000u | mac[5] | mac[4] << 8 | mac[3] << 16);
	fl_model_cfg_set(m, 0x148, 4, 0xffu | mac[2] << 8 | mac[1] << 16 | (uint32_t)mac[0] << 24);
}

static const uint16_t nvm[E1000_NVM_WORDS] = {
	0,	0,	0,	0x0420, 0xf746, 0x2010, 0xffff, 0xffff, /* MAC first */
	0x0000, 0x0000, 0x026b, 0x10d3, 0x8086, 0x10d3, 0x0000, 0x8058, 0x0000, 0x2001,
	0x7e7c, 0xffff, 0x1000, 0x00c8, 0x0000, 0x2704, 0x6cc9, 0x3150, 0x070e, 0x460b,
	0x2d84, 0x0100, 0xf000, 0x0706, 0x6000, 0x0080, 0x0f04, 0x7fff, 0x4f01, 0xc600,
	0x0000, 0x20ff, 0x0028, 0x0003, 0x0000, 0x0000, 0x0000, 0x0003, 0x0000, 0xffff,
	0x0100, 0xc000, 0x121c, 0xc007, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff,
	0xffff, 0xffff, 0x0000, 0x0120, 0xffff, 0,
};

const struct e1000_variant fl_e1000m_82574 = {
	.name = "e1000e",
	.regs = regs,
	.nregs = FL_ARRAY_SIZE(regs),
	.alias = alias,
	.pci = pci,
	.io_bar = 2,
	.io_size = 32,
	.queues = 2,
	.queue_enable = true,
	.tx_report = TXD_RS,
	.fifo_kib = 40,
	/* 3, 5 and 8 have no cause of their own: a driver's self-test asks for them by ICS */
	.causes = 0x01f783ff,
	.icr_assert = ICR_ASSERT,
	.status = STATUS_GIO_MASTER,
	.nvm = nvm,
	.phy = { .id2 = 0x0cb1,
		 .ctrl1000 = 0x0f00,
		 .control = 0x3360,
		 .status = 0x0008,
		 .paged = true },
};
