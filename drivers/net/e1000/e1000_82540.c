/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The 82540EM: PCI, one queue each way, one interrupt, legacy receive descriptors. Its emulation
 * in QEMU ignores a reset, so whatever the driver relies on is written after one.
 */
#include <linux/pci_regs.h>

#include "e1000_internal.h"

#define RESET_US 5000u /* the NVM is loaded in that time; nothing tells when it is */
#define IO_ADDR	 0u    /* in the I/O BAR: offset of a register, and its value */
#define IO_DATA	 4u
#define WITNESS	 128u /* in a register that a reset clears */

/* 0 = none */
static unsigned find_io_bar(struct fl_dev *dev)
{
	for (unsigned i = 1; i < 6; i++) {
		uint32_t v = fl_dev_cfg_read(dev, PCI_BASE_ADDRESS_0 + 4 * i, 4);

		if (v & PCI_BASE_ADDRESS_SPACE_IO && fl_bar_size(dev, i) >= IO_DATA + 4)
			return i;
	}
	return 0;
}

/*
 * The chip cannot acknowledge what bridges may make of a memory write that resets it, but an I/O
 * write. By memory where that has not worked, or there is no I/O BAR.
 */
static void request_reset(struct fl_e1000 *e)
{
	uint32_t ctrl = fl_e1000_rd(e, E1000_CTRL) | CTRL_RST;
	struct fl_dev *dev = e->port.dev;
	unsigned bar = find_io_bar(dev);

	fl_e1000_wr(e, E1000_TDLEN(0), WITNESS);
	if (bar && !fl_dev_cfg_write(dev, PCI_COMMAND, 2,
				     fl_dev_cfg_read(dev, PCI_COMMAND, 2) | PCI_COMMAND_IO)) {
		fl_bar_write32(dev, bar, IO_ADDR, E1000_CTRL);
		fl_bar_write32(dev, bar, IO_DATA, ctrl);
		fl_e1000_sleep_us(RESET_US);
	}
	if (fl_e1000_rd(e, E1000_TDLEN(0)) != WITNESS)
		return;
	fl_e1000_wr(e, E1000_CTRL, ctrl);
	fl_e1000_sleep_us(RESET_US);
}

static int reset_82540(struct fl_e1000 *e)
{
	int rc;

	if (fl_e1000_rd(e, E1000_STATUS) == UINT32_MAX)
		return fl_e1000_gone(e);
	fl_e1000_wr(e, E1000_IMC, UINT32_MAX);
	fl_e1000_silence(e);
	/* a new split takes effect with the reset, which keeps it */
	fl_e1000_wr(e, E1000_PBA, e->v->pba_rx_kib);
	request_reset(e);
	rc = fl_e1000_reset_done(e);
	if (rc)
		return rc;
	fl_e1000_wr(e, E1000_MANC, fl_e1000_rd(e, E1000_MANC) & ~MANC_ARP_EN);
	fl_e1000_wr(e, E1000_IMC, UINT32_MAX);
	(void)fl_e1000_rd(e, E1000_ICR);
	return 0;
}

static void init_82540(struct fl_e1000 *e)
{
	/* no write-back threshold: RS need not stand on every descriptor */
	fl_e1000_wr(e, E1000_TXDCTL(0), TXDCTL_GRAN);
	fl_e1000_wr(e, E1000_VET, 0x8100);
	fl_e1000_wr(e, E1000_WUC, 0);
}

static uint16_t nvm_words_82540(uint32_t eecd)
{
	return eecd & EECD_SIZE ? 256 : 64;
}

const struct fl_e1000_variant fl_e1000_82540 = {
	.chip = "82540EM",
	.rxq_max = 1,
	.txq_max = 1,
	.ring_max = 4096,
	.frame_max = 16128,
	.rar_count = 15,
	.dma_last = UINT32_MAX,
	.tx_len_min = E1000_82540_TX_MIN,
	.txd_len_max = E1000_82540_TXD_MAX,
	.tso_sentinel = 4,
	.eerd_done_bit = 4,
	.eerd_addr_shift = 8,
	.phy_id = 0x01410c20,
	.phy_id_mask = ~15u,
	.offloads = E1000_OFFLOADS,
	.features = E1000_FEATURES,
	.pba_rx_kib = 40,
	.reset = reset_82540,
	.init = init_82540,
	.nvm_words = nvm_words_82540,
};
