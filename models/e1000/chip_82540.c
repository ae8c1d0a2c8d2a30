/* SPDX-License-Identifier: BSD-3-Clause */
/* What the 82540EM has to itself: conventional PCI, one queue, registers, EEPROM image. */
#include "e1000_internal.h"

#define ALL 0xffffffffu

static void wr_ctrl_ext(struct e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000m_link_update(e);
}

static const struct e1000_reg regs[] = {
	{ R_CTRL, 1, 0x00140240, 0, NULL, fl_e1000m_wr_ctrl },
	{ R_EECD, 1, EECD_PRES | EECD_DO, 0, fl_e1000m_rd_eecd, fl_e1000m_wr_eecd_82540 },
	{ R_EERD, 1, 0, 0, NULL, fl_e1000m_wr_eerd_82540 },
	/* neither automatic masks nor what clears itself */
	{ R_CTRL_EXT, 1, 0, 0x00ffcfff, NULL, wr_ctrl_ext },
	/* as the drivers' self-test has it: no packet split, no buffers in KiB */
	{ R_RCTL, 1, 0, 0x06dfb3fe, NULL, fl_e1000m_wr_update },
	{ R_TIPG, 1, 0x00602008, 0x3fffffff },
	{ R_LEDCTL, 1, 0x00000602, ALL },
	{ R_PBA, 1, 0x00100030, 0, NULL, fl_e1000m_wr_pba, true },
	{ R_RXDCTL, 1, 0, ALL },
	{ R_TDFH, 1, 0, 0x1fff },
	{ R_TDFH + 8, 1, 0, 0x1fff },
	{ R_TDFH + 16, 1, 0, 0x1fff },
	{ R_TDFH + 24, 1, 0, 0x1fff },
	{ R_TSPMT, 1, 0, ALL },
	{ R_RXCSUM, 1, 0, 0x7ff, NULL, fl_e1000m_wr_update },
	/* neither TCP ACKs nor extended descriptors */
	{ R_RFCTL, 1, 0, 0x00000fff, NULL, fl_e1000m_wr_update },
	{ R_MANC, 1, 0x00222300, ALL },
	{ R_WUPM, 32, 0, ALL },
	{ R_SWSM, 1, 0, ALL },
	{ R_FFLT, 12, 0, ALL },
	{ R_FFMT, 256, 0, ALL },
	{ R_FFVT, 256, 0, ALL },
};

/* no capabilities, as the emulation in QEMU has none; what the silicon has is not settled */
static void pci(struct fl_model *m, const uint8_t mac[6])
{
	static const struct fl_pci_id id = { .vendor = 0x8086,
					     .device = 0x100e,
					     .subvendor = 0x8086,
					     .subdevice = 0x100e,
					     .revision = 3,
					     .class_code = 0x020000 };

	fl_model_set_id(m, &id, 1);
}

static const uint16_t nvm[E1000_NVM_WORDS] = {
	0,	0,	0,	0x0000, 0xffff, 0x0000, 0x0000, 0x0000, /* MAC first */
	0x3000, 0x1000, 0x6403, 0x100e, 0x8086, 0x100e, 0x8086, 0x3040, 0x0008, 0x2000,
	0x7e14, 0x0048, 0x1000, 0x00d8, 0x0000, 0x2700, 0x6cc9, 0x3150, 0x0722, 0x040b,
	0x0984, 0x0000, 0xc000, 0x0706, 0x1008, 0x0000, 0x0f04, 0x7fff, 0x4d01, 0xffff,
	0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff,
	0x0100, 0x4000, 0x121c, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff,
	0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0,
};

const struct e1000_variant fl_e1000m_82540 = {
	.name = "e1000",
	.regs = regs,
	.nregs = FL_ARRAY_SIZE(regs),
	.pci = pci,
	.io_bar = 1,
	.io_size = 64,
	.queues = 1,
	.tso_context = true,
	.tx_report = TXD_RS | TXD_RPS,
	.fifo_kib = 64,
	/* those without a cause can be asked for by ICS, as on the other chip */
	.causes = 0x0001ffff,
	.status = STATUS_MTXCKOK,
	.rfctl = RFCTL_ACK_DIS,
	.nvm = nvm,
	.phy = { .id2 = 0x0c20, .ctrl1000 = 0x0e00, .control = 0x0360, .ext_control = 0x0d60 },
};
