/* SPDX-License-Identifier: BSD-3-Clause */
/* The variants: reset, NVM, register access; memory for rings. Every wait is bounded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "e1000_internal.h"

#define MASTER_POLLS   800u /* 100 us each: a device that is alive goes quiet within 80 ms */
#define MASTER_POLL_US 100u
#define QUIET_US       10000u /* transfers under way end */
#define RESET_POLLS    20u    /* 1 ms each: NVM auto-load after a reset */
#define RESET_POLL_US  1000u
#define PHY_SETTLE_NS  25000000ull /* the PHY is configured from the NVM after a reset */
#define EERD_POLLS     2000u
#define EERD_POLL_US   5u
#define NVM_TRIES      2u

void fl_e1000_sleep_us(unsigned us)
{
	struct timespec t = { .tv_sec = us / 1000000u, .tv_nsec = (long)(us % 1000000u) * 1000 };

	nanosleep(&t, NULL);
}

/* ---- reset ---------------------------------------------------------------------------- */

/* waits until (reg & mask) == want */
static int wait_reg(struct fl_e1000 *e, uint32_t reg, uint32_t mask, uint32_t want, unsigned polls,
		    unsigned us)
{
	for (unsigned i = 0; i < polls; i++) {
		uint32_t v = fl_e1000_rd(e, reg);

		/* a device that is gone, or about to be, reads as all ones */
		if (v == UINT32_MAX && fl_e1000_rd(e, E1000_STATUS) == UINT32_MAX)
			return -ENODEV;
		if ((v & mask) == want)
			return 0;
		fl_e1000_sleep_us(us);
	}
	return -ETIMEDOUT;
}

static int gone(struct fl_e1000 *e)
{
	e1000_err(e,
		  "%s: registers read as all ones: the device is gone or does not decode its BAR",
		  fl_dev_uri(e->port.dev));
	return -ENODEV;
}

static int reset_82574(struct fl_e1000 *e)
{
	uint32_t ctrl, busy;
	int rc;

	if (fl_e1000_rd(e, E1000_STATUS) == UINT32_MAX)
		return gone(e);
	fl_e1000_wr(e, E1000_IMC, UINT32_MAX);
	busy = (fl_e1000_rd(e, E1000_RCTL) & RCTL_EN) | (fl_e1000_rd(e, E1000_TCTL) & TCTL_EN);
	ctrl = fl_e1000_rd(e, E1000_CTRL);
	fl_e1000_wr(e, E1000_CTRL, ctrl | CTRL_GIO_MASTER_DISABLE);
	rc = wait_reg(e, E1000_STATUS, STATUS_GIO_MASTER_ENABLE, 0, MASTER_POLLS, MASTER_POLL_US);
	if (rc == -ENODEV)
		return gone(e);
	if (rc)
		e1000_warn(e, "%s: bus requests still pending after %u ms; resetting all the same",
			   fl_dev_uri(e->port.dev), MASTER_POLLS * MASTER_POLL_US / 1000);
	fl_e1000_wr(e, E1000_RCTL, 0);
	fl_e1000_wr(e, E1000_TCTL, TCTL_PSP);
	(void)fl_e1000_rd(e, E1000_STATUS);
	if (busy)
		fl_e1000_sleep_us(QUIET_US);

	/* firmware must not use the MDIO bus during the reset; it never holds it for long */
	fl_e1000_wr(e, E1000_EXTCNF, fl_e1000_rd(e, E1000_EXTCNF) | EXTCNF_MDIO_SW);
	rc = wait_reg(e, E1000_EXTCNF, EXTCNF_MDIO_SW, EXTCNF_MDIO_SW, 10, 2000);
	if (rc)
		e1000_warn(e, "%s: firmware keeps the MDIO bus; resetting all the same",
			   fl_dev_uri(e->port.dev));
	fl_e1000_wr(e, E1000_CTRL, ctrl | CTRL_RST);
	fl_e1000_sleep_us(RESET_POLL_US);
	e->phy_ready_ns = fl_now_ns() + PHY_SETTLE_NS;
	rc = wait_reg(e, E1000_CTRL, CTRL_RST, 0, RESET_POLLS, RESET_POLL_US);
	if (rc == -ENODEV)
		return gone(e);
	if (rc) {
		e1000_err(
			e,
			"%s: CTRL.RST still set after %u ms (CTRL 0x%08x): power-cycle the device",
			fl_dev_uri(e->port.dev), RESET_POLLS, fl_e1000_rd(e, E1000_CTRL));
		return rc;
	}
	fl_e1000_wr(e, E1000_EXTCNF, fl_e1000_rd(e, E1000_EXTCNF) & ~EXTCNF_MDIO_SW);
	rc = wait_reg(e, E1000_EECD, EECD_AUTO_RD, EECD_AUTO_RD, RESET_POLLS, RESET_POLL_US);
	if (rc) {
		e1000_err(e, "%s: the NVM was not loaded within %u ms of a reset (EECD 0x%08x)",
			  fl_dev_uri(e->port.dev), RESET_POLLS, fl_e1000_rd(e, E1000_EECD));
		return rc;
	}
	fl_e1000_wr(e, E1000_IMC, UINT32_MAX);
	(void)fl_e1000_rd(e, E1000_ICR);
	ctrl = fl_e1000_rd(e, E1000_CTRL);
	if (ctrl & CTRL_GIO_MASTER_DISABLE)
		fl_e1000_wr(e, E1000_CTRL, ctrl & ~CTRL_GIO_MASTER_DISABLE);
	return 0;
}

int fl_e1000_reset(struct fl_e1000 *e)
{
	int rc;

	rc = fl_dev_enable(e->port.dev, true);
	if (rc)
		return rc;
	rc = e->v->reset(e);
	e->clean = rc == 0;
	if (!rc)
		e->ledctl = fl_e1000_rd(e, E1000_LEDCTL);
	return rc;
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

const struct fl_e1000_variant fl_e1000_82574 = {
	.chip = "82574L",
	.rxq_max = 2,
	.txq_max = 2,
	.ring_max = 4096,
	.frame_max = 9234,
	.rar_count = 15,
	.nvm_words_max = 16384,
	.eerd_done_bit = 1,
	.eerd_addr_shift = 2,
	.phy_id = 0x01410cb1,
	.offloads = FL_OFF_RX_IP_CSUM | FL_OFF_RX_L4_CSUM | FL_OFF_RX_VLAN_STRIP |
		    FL_OFF_RX_VLAN_FILTER | FL_OFF_RX_KEEP_CRC | FL_OFF_RX_SCATTER |
		    FL_OFF_RX_RSS_HASH | FL_OFF_RX_PTYPE | FL_OFF_TX_IP_CSUM | FL_OFF_TX_TCP_CSUM |
		    FL_OFF_TX_UDP_CSUM | FL_OFF_TX_TSO | FL_OFF_TX_VLAN | FL_OFF_TX_MULTI_SEG,
	.features = FL_FEAT_LINK_STATUS | FL_FEAT_LINK_EVENT | FL_FEAT_LINK_SET |
		    FL_FEAT_RX_INTERRUPT | FL_FEAT_MTU | FL_FEAT_PROMISC | FL_FEAT_ALLMULTI |
		    FL_FEAT_MAC_FILTER | FL_FEAT_MCAST_FILTER | FL_FEAT_VLAN_FILTER | FL_FEAT_RSS |
		    FL_FEAT_RSS_KEY | FL_FEAT_RSS_RETA | FL_FEAT_FLOW_CTRL | FL_FEAT_DESC_STATUS |
		    FL_FEAT_STATS | FL_FEAT_XSTATS | FL_FEAT_QUEUE_STATS | FL_FEAT_REGS_DUMP |
		    FL_FEAT_EEPROM_DUMP | FL_FEAT_TX_DONE_CLEANUP | FL_FEAT_LED | FL_FEAT_RESET |
		    FL_FEAT_REMOVAL | FL_FEAT_FW_VERSION | FL_FEAT_TIMESYNC | FL_FEAT_LINK_SPEED,
	.rss_types = FL_RSS_IPV4 | FL_RSS_TCP_IPV4 | FL_RSS_IPV6 | FL_RSS_TCP_IPV6,
	.pba_rx_kib = 20,
	.reset = reset_82574,
	.init = init_82574,
};

/* ---- NVM ------------------------------------------------------------------------------ */

int fl_e1000_nvm_read(struct fl_e1000 *e, uint16_t word, uint16_t *out)
{
	uint32_t done = 1u << e->v->eerd_done_bit;

	fl_e1000_wr(e, E1000_EERD, (uint32_t)word << e->v->eerd_addr_shift | EERD_START);
	for (unsigned i = 0; i < EERD_POLLS; i++) {
		uint32_t v = fl_e1000_rd(e, E1000_EERD);

		if (v == UINT32_MAX && fl_e1000_rd(e, E1000_STATUS) == UINT32_MAX)
			return -ENODEV;
		if (v & done) {
			*out = (uint16_t)(v >> 16);
			return 0;
		}
		fl_e1000_sleep_us(EERD_POLL_US);
	}
	e1000_err(e, "%s: NVM word 0x%x: no answer", fl_dev_uri(e->port.dev), word);
	return -EIO;
}

int fl_e1000_nvm_check(struct fl_e1000 *e)
{
	uint32_t eecd = fl_e1000_rd(e, E1000_EECD);
	uint32_t words = 1u << (6 + EECD_SIZE_EX(eecd));
	uint16_t sum = 0, w;

	if (!(eecd & EECD_PRES)) {
		e1000_err(e, "%s: no NVM (EECD 0x%08x)", fl_dev_uri(e->port.dev), eecd);
		return -EIO;
	}
	e->nvm_words = (uint16_t)(words < e->v->nvm_words_max ? words : e->v->nvm_words_max);
	for (unsigned try = 0; try < NVM_TRIES; try++) {
		sum = 0;
		for (uint16_t i = 0; i < NVM_SUM_WORDS; i++) {
			int rc = fl_e1000_nvm_read(e, i, &w);

			if (rc)
				return rc;
			sum = (uint16_t)(sum + w);
		}
		if (sum == NVM_SUM)
			return 0;
	}
	e1000_err(e, "%s: the NVM's words sum to 0x%04x, not 0x%04x: its contents are damaged",
		  fl_dev_uri(e->port.dev), sum, NVM_SUM);
	return -EIO;
}

int fl_e1000_eeprom(struct fl_port *p, void *buf, size_t len)
{
	struct fl_e1000 *e = fl_e1000_of(p);
	uint8_t *out = buf;

	for (uint16_t i = 0; i < e->nvm_words && 2u * i < len; i++) {
		uint16_t w;
		int rc = fl_e1000_nvm_read(e, i, &w);

		if (rc)
			return rc;
		out[2 * i] = (uint8_t)w;
		if (2u * i + 1 < len)
			out[2 * i + 1] = (uint8_t)(w >> 8);
	}
	return e->nvm_words * 2;
}

int fl_e1000_fw_version(struct fl_port *p, char *buf, size_t len)
{
	uint16_t w;
	int rc = fl_e1000_nvm_read(fl_e1000_of(p), NVM_VERSION, &w);

	if (rc)
		return rc;
	if (snprintf(buf, len, "NVM %u.%u.%u", w >> 12, (w >> 4) & 0xffu, w & 15u) >= (int)len)
		return -ENOSPC;
	return 0;
}

int fl_e1000_mac_read(struct fl_e1000 *e, struct fl_mac *out)
{
	uint32_t lo = fl_e1000_rd(e, E1000_RAL(0)), hi = fl_e1000_rd(e, E1000_RAH(0));
	uint8_t *b = out->b, any = 0;

	for (unsigned i = 0; i < 4; i++)
		b[i] = (uint8_t)(lo >> 8 * i);
	b[4] = (uint8_t)hi;
	b[5] = (uint8_t)(hi >> 8);
	for (unsigned i = 0; i < 6; i++)
		any |= b[i];
	if (any && !(b[0] & 1))
		return 0;
	e1000_err(e, "%s: the NVM holds %02x:%02x:%02x:%02x:%02x:%02x, which is no unicast address",
		  fl_dev_uri(e->port.dev), b[0], b[1], b[2], b[3], b[4], b[5]);
	return -EIO;
}

/* ---- registers ------------------------------------------------------------------------ */

/* none of these does anything when it is read */
static const struct {
	const char *name;
	uint32_t off;
} reg_table[] = {
	{ "CTRL", E1000_CTRL },		{ "STATUS", E1000_STATUS },
	{ "EECD", E1000_EECD },		{ "CTRL_EXT", E1000_CTRL_EXT },
	{ "MDIC", E1000_MDIC },		{ "FCAL", E1000_FCAL },
	{ "FCAH", E1000_FCAH },		{ "FCT", E1000_FCT },
	{ "VET", E1000_VET },		{ "FCTTV", E1000_FCTTV },
	{ "LEDCTL", E1000_LEDCTL },	{ "EXTCNF_CTRL", E1000_EXTCNF },
	{ "PBA", E1000_PBA },		{ "FCRTL", E1000_FCRTL },
	{ "FCRTH", E1000_FCRTH },	{ "WUC", E1000_WUC },
	{ "MANC", E1000_MANC },		{ "GCR", E1000_GCR },
	{ "GCR2", E1000_GCR2 },		{ "FACTPS", E1000_FACTPS },
	{ "ITR", E1000_ITR },		{ "IMS", E1000_IMS },
	{ "EIAC", E1000_EIAC },		{ "IAM", E1000_IAM },
	{ "IVAR", E1000_IVAR },		{ "EITR0", E1000_EITR(0) },
	{ "EITR1", E1000_EITR(1) },	{ "EITR2", E1000_EITR(2) },
	{ "RCTL", E1000_RCTL },		{ "RDBAL0", E1000_RDBAL(0) },
	{ "RDBAH0", E1000_RDBAH(0) },	{ "RDLEN0", E1000_RDLEN(0) },
	{ "RDH0", E1000_RDH(0) },	{ "RDT0", E1000_RDT(0) },
	{ "RDTR", E1000_RDTR },		{ "RADV", E1000_RADV },
	{ "RXDCTL0", E1000_RXDCTL(0) }, { "RDBAL1", E1000_RDBAL(1) },
	{ "RDBAH1", E1000_RDBAH(1) },	{ "RDLEN1", E1000_RDLEN(1) },
	{ "RDH1", E1000_RDH(1) },	{ "RDT1", E1000_RDT(1) },
	{ "RXDCTL1", E1000_RXDCTL(1) }, { "RXCSUM", E1000_RXCSUM },
	{ "RFCTL", E1000_RFCTL },	{ "RAL0", E1000_RAL(0) },
	{ "RAH0", E1000_RAH(0) },	{ "MRQC", E1000_MRQC },
	{ "TCTL", E1000_TCTL },		{ "TIPG", E1000_TIPG },
	{ "TDBAL0", E1000_TDBAL(0) },	{ "TDBAH0", E1000_TDBAH(0) },
	{ "TDLEN0", E1000_TDLEN(0) },	{ "TDH0", E1000_TDH(0) },
	{ "TDT0", E1000_TDT(0) },	{ "TIDV", E1000_TIDV },
	{ "TADV", E1000_TADV },		{ "TXDCTL0", E1000_TXDCTL(0) },
	{ "TARC0", E1000_TARC(0) },	{ "TDBAL1", E1000_TDBAL(1) },
	{ "TDBAH1", E1000_TDBAH(1) },	{ "TDLEN1", E1000_TDLEN(1) },
	{ "TDH1", E1000_TDH(1) },	{ "TDT1", E1000_TDT(1) },
	{ "TXDCTL1", E1000_TXDCTL(1) }, { "TARC1", E1000_TARC(1) },
};

int fl_e1000_regs(struct fl_port *p, struct fl_reg *out, unsigned max)
{
	for (unsigned i = 0; i < FL_ARRAY_SIZE(reg_table) && i < max; i++) {
		snprintf(out[i].name, sizeof(out[i].name), "%s", reg_table[i].name);
		out[i].off = reg_table[i].off;
		out[i].value = fl_e1000_rd(fl_e1000_of(p), reg_table[i].off);
	}
	return (int)FL_ARRAY_SIZE(reg_table);
}

int fl_e1000_reg_read(struct fl_port *p, uint32_t off, uint32_t *v)
{
	*v = fl_e1000_rd(fl_e1000_of(p), off);
	return 0;
}

int fl_e1000_reg_write(struct fl_port *p, uint32_t off, uint32_t v)
{
	fl_e1000_wr(fl_e1000_of(p), off, v);
	return 0;
}

/* ---- ring memory ---------------------------------------------------------------------- */

int fl_e1000_ring_alloc(struct fl_e1000 *e, size_t len, struct fl_e1000_ring *r)
{
	struct fl_mem_opts mo = { .node = fl_dev_node(e->port.dev), .log = e->port.log };
	struct fl_mem_info info;
	int rc;

	rc = fl_mem_alloc(len, &mo, &r->mem);
	if (rc)
		return rc;
	rc = fl_dma_map(fl_ctx_space(e->port.ctx), r->mem, NULL, &r->area);
	if (rc) {
		fl_mem_free(r->mem);
		return rc;
	}
	fl_mem_info(r->mem, &info);
	r->desc = info.va;
	r->iova = r->area->iova;
	return 0;
}

void fl_e1000_ring_free(struct fl_e1000 *e, struct fl_e1000_ring *r)
{
	if (fl_dma_unmap(r->area))
		e1000_warn(e, "%s: a ring's memory was not unmapped cleanly",
			   fl_dev_uri(e->port.dev));
	fl_mem_free(r->mem);
}
