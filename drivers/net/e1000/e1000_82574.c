/* SPDX-License-Identifier: BSD-3-Clause */
/* The 82574L: PCI Express, two queues each way, MSI-X, extended receive descriptors. */
#include "e1000_internal.h"

#define MASTER_POLLS   800u /* 100 us each: a device that is alive goes quiet within 80 ms */
#define MASTER_POLL_US 100u
#define NVM_POLLS      20u /* 1 ms each: NVM auto-load after a reset */
#define POLL_US	       1000u
#define PHY_SETTLE_NS  25000000ull /* the PHY is configured from the NVM after a reset */
#define NVM_WORDS_MAX  16384u

static int reset_82574(struct fl_e1000 *e)
{
	uint32_t ctrl;
	int rc;

	if (fl_e1000_rd(e, E1000_STATUS) == UINT32_MAX)
		return fl_e1000_gone(e);
	fl_e1000_wr(e, E1000_IMC, UINT32_MAX);
	ctrl = fl_e1000_rd(e, E1000_CTRL);
	fl_e1000_wr(e, E1000_CTRL, ctrl | CTRL_GIO_MASTER_DISABLE);
	rc = fl_e1000_wait(e, E1000_STATUS, STATUS_GIO_MASTER_ENABLE, 0, MASTER_POLLS,
			   MASTER_POLL_US);
	if (rc == -ENODEV)
		return fl_e1000_gone(e);
	if (rc)
		e1000_warn(e, "%s: bus requests still pending after %u ms; resetting all the same",
			   fl_dev_uri(e->port.dev), MASTER_POLLS * MASTER_POLL_US / 1000);
	fl_e1000_silence(e);
	/* firmware must not use the MDIO bus during the reset; it never holds it for long */
	fl_e1000_wr(e, E1000_EXTCNF, fl_e1000_rd(e, E1000_EXTCNF) | EXTCNF_MDIO_SW);
	rc = fl_e1000_wait(e, E1000_EXTCNF, EXTCNF_MDIO_SW, EXTCNF_MDIO_SW, 10, 2000);
	if (rc)
		e1000_warn(e, "%s: firmware keeps the MDIO bus; resetting all the same",
			   fl_dev_uri(e->port.dev));
	fl_e1000_wr(e, E1000_CTRL, ctrl | CTRL_RST);
	fl_e1000_sleep_us(POLL_US);
	e->phy_ready_ns = fl_now_ns() + PHY_SETTLE_NS;
	rc = fl_e1000_reset_done(e);
	if (rc)
		return rc;
	fl_e1000_wr(e, E1000_EXTCNF, fl_e1000_rd(e, E1000_EXTCNF) & ~EXTCNF_MDIO_SW);
	rc = fl_e1000_wait(e, E1000_EECD, EECD_AUTO_RD, EECD_AUTO_RD, NVM_POLLS, POLL_US);
	if (rc) {
		e1000_err(e, "%s: the NVM was not loaded within %u ms of a reset (EECD 0x%08x)",
			  fl_dev_uri(e->port.dev), NVM_POLLS, fl_e1000_rd(e, E1000_EECD));
		return rc;
	}
	fl_e1000_wr(e, E1000_IMC, UINT32_MAX);
	(void)fl_e1000_rd(e, E1000_ICR);
	ctrl = fl_e1000_rd(e, E1000_CTRL);
	if (ctrl & CTRL_GIO_MASTER_DISABLE)
		fl_e1000_wr(e, E1000_CTRL, ctrl & ~CTRL_GIO_MASTER_DISABLE);
	return 0;
}

static void init_82574(struct fl_e1000 *e)
{
	/* without head-only write-back thresholds RS need not stand on every descriptor; the two
	 * queues' registers must be alike even when one of them is idle */
	uint32_t txdctl = TXDCTL_GRAN | TXDCTL_COUNT_DESC, v;

	fl_e1000_wr(e, E1000_TXDCTL(0), txdctl);
	fl_e1000_wr(e, E1000_TXDCTL(1), txdctl);
	v = fl_e1000_rd(e, E1000_TARC(0));
	fl_e1000_wr(e, E1000_TARC(0), (v & ~TARC0_TUNE) | TARC0_BIT26);
	v = fl_e1000_rd(e, E1000_CTRL_EXT);
	fl_e1000_wr(e, E1000_CTRL_EXT, (v & ~CTRL_EXT_BIT23) | CTRL_EXT_BIT22 | CTRL_EXT_DRV_LOAD);
	v = fl_e1000_rd(e, E1000_GCR);
	fl_e1000_wr(e, E1000_GCR, v | GCR_BIT22 | GCR_BIT27);
	v = fl_e1000_rd(e, E1000_GCR2);
	fl_e1000_wr(e, E1000_GCR2, v | GCR2_BIT0);
	fl_e1000_wr(e, E1000_PBA, e->v->pba_rx_kib);
	fl_e1000_wr(e, E1000_VET, 0x8100);
	fl_e1000_wr(e, E1000_WUC, 0);
}

static uint16_t nvm_words_82574(uint32_t eecd)
{
	uint32_t words = 1u << (6 + EECD_SIZE_EX(eecd));

	return (uint16_t)(words < NVM_WORDS_MAX ? words : NVM_WORDS_MAX);
}

const struct fl_e1000_variant fl_e1000_82574 = {
	.chip = "82574L",
	.pcie = true,
	.rxq_max = 2,
	.txq_max = 2,
	.ring_max = 4096,
	.frame_max = E1000_82574_FRAME_MAX,
	.rar_count = 15,
	.dma_last = UINT64_MAX,
	.tx_len_min = E1000_82574_TX_MIN,
	.txd_len_max = 16384,
	.tso_extra = 4,
	.eerd_done_bit = 1,
	.eerd_addr_shift = 2,
	.phy_id = 0x01410cb1,
	.phy_id_mask = UINT32_MAX,
	.offloads = E1000_OFFLOADS | FL_OFF_RX_RSS_HASH | FL_OFF_RX_PTYPE,
	.features = E1000_FEATURES | FL_FEAT_RSS | FL_FEAT_RSS_KEY | FL_FEAT_RSS_RETA |
		    FL_FEAT_TIMESYNC,
	.rss_types = FL_RSS_IPV4 | FL_RSS_TCP_IPV4 | FL_RSS_IPV6 | FL_RSS_TCP_IPV6,
	.pba_rx_kib = 20,
	.reset = reset_82574,
	.init = init_82574,
	.nvm_words = nvm_words_82574,
};
