/* SPDX-License-Identifier: BSD-3-Clause */
/* Which frames are received, and by which queue: addresses, VLANs, RSS, MTU. */
#include "e1000_internal.h"

#define MTA_WORDS   128u
#define VFTA_WORDS  128u
#define RETA_WORDS  32u
#define RSSRK_WORDS 10u
#define L2_OVERHEAD 18u /* header and one VLAN tag, no FCS */
#define MTU_STD	    1500u

/* longest frame that may arrive, as it stands in the buffers */
uint32_t fl_e1000_frame_max(const struct fl_port *p)
{
	return p->conf.mtu + L2_OVERHEAD + (p->conf.offloads & FL_OFF_RX_KEEP_CRC ? 4u : 0);
}

uint32_t fl_e1000_rctl(const struct fl_e1000 *e)
{
	static const struct {
		uint32_t size, bits;
	} sizes[] = {
		{ 16384, RCTL_BSEX | RCTL_BSIZE(1u) },
		{ 8192, RCTL_BSEX | RCTL_BSIZE(2u) },
		{ 4096, RCTL_BSEX | RCTL_BSIZE(3u) },
		{ 2048, RCTL_BSIZE(0u) },
		{ 1024, RCTL_BSIZE(1u) },
		{ 512, RCTL_BSIZE(2u) },
		{ 256, RCTL_BSIZE(3u) },
	};
	const struct fl_port *p = &e->port;
	uint32_t rctl = RCTL_BAM;

	if (p->conf.nb_rxq)
		rctl |= RCTL_EN;
	if (p->promisc)
		rctl |= RCTL_UPE | RCTL_MPE;
	else if (p->conf.offloads & FL_OFF_RX_VLAN_FILTER)
		rctl |= RCTL_VFE;
	if (p->allmulti)
		rctl |= RCTL_MPE;
	if (p->conf.mtu > MTU_STD)
		rctl |= RCTL_LPE;
	if (!(p->conf.offloads & FL_OFF_RX_KEEP_CRC))
		rctl |= RCTL_SECRC;
	for (unsigned i = 0; i < FL_ARRAY_SIZE(sizes); i++) {
		if (sizes[i].size == e->rx_buf)
			rctl |= sizes[i].bits;
	}
	return rctl;
}

/* a write to a filter; bridges of the PCI kind may merge two that nothing reads between */
static void filter_write(struct fl_e1000 *e, uint32_t off, uint32_t v)
{
	fl_e1000_wr(e, off, v);
	if (!e->v->pcie)
		(void)fl_e1000_rd(e, E1000_STATUS);
}

/* one switch for both directions: the chip inserts tags only where it also strips them */
static void apply_vme(struct fl_e1000 *e)
{
	uint32_t ctrl = fl_e1000_rd(e, E1000_CTRL) & ~CTRL_VME;

	if (e->port.conf.offloads & (FL_OFF_RX_VLAN_STRIP | FL_OFF_TX_VLAN))
		ctrl |= CTRL_VME;
	fl_e1000_wr(e, E1000_CTRL, ctrl);
}

/* the table is only looked at while the filter is on, and writing it costs as much as all else */
static void load_vfta(struct fl_e1000 *e)
{
	if (e->vfta_loaded || !(e->port.conf.offloads & FL_OFF_RX_VLAN_FILTER))
		return;
	for (unsigned i = 0; i < VFTA_WORDS; i++)
		filter_write(e, E1000_VFTA(i), e->port.vfta[i]);
	e->vfta_loaded = true;
}

int fl_e1000_rx_mode_apply(struct fl_port *p)
{
	struct fl_e1000 *e = fl_e1000_of(p);
	uint32_t rctl = fl_e1000_rctl(e);
	int rc = fl_e1000_fc_registers(e);

	if (rc)
		return rc;
	load_vfta(e);
	/* before the chip changes, so that no frame is longer, or tagged, unexpectedly */
	fl_e1000_rx_select(e);
	apply_vme(e);
	/* QEMU's 82540 receives nothing for a second after any write to it */
	if (fl_e1000_rd(e, E1000_RCTL) != rctl)
		fl_e1000_wr(e, E1000_RCTL, rctl);
	return 0;
}

/* ---- addresses ------------------------------------------------------------------------ */

int fl_e1000_mac_apply(struct fl_port *p)
{
	struct fl_e1000 *e = fl_e1000_of(p);

	for (unsigned i = 0; i < e->v->rar_count; i++) {
		uint32_t lo = 0, hi = 0;

		if (i < p->nmacs) {
			const uint8_t *b = p->macs[i].b;

			lo = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
			     (uint32_t)b[3] << 24;
			hi = b[4] | (uint32_t)b[5] << 8 | RAH_AV;
		}
		/* never a valid entry with half an old address */
		filter_write(e, E1000_RAH(i), 0);
		filter_write(e, E1000_RAL(i), lo);
		if (hi)
			filter_write(e, E1000_RAH(i), hi);
	}
	return 0;
}

int fl_e1000_mcast_apply(struct fl_port *p)
{
	struct fl_e1000 *e = fl_e1000_of(p);
	uint32_t mta[MTA_WORDS] = { 0 };

	for (unsigned i = 0; i < p->nmcast; i++) {
		const uint8_t *b = p->mcast[i].b;
		/* RCTL.MO = 0: bits 47:36 of the address */
		uint32_t h = ((uint32_t)(b[4] | b[5] << 8) >> 4) & 0xfffu;

		mta[h >> 5] |= 1u << (h & 31);
	}
	for (unsigned i = 0; i < MTA_WORDS; i++)
		filter_write(e, E1000_MTA(i), mta[i]);
	return 0;
}

int fl_e1000_vlan_apply(struct fl_port *p, uint16_t vid)
{
	filter_write(fl_e1000_of(p), E1000_VFTA(vid >> 5), p->vfta[vid >> 5]);
	return 0;
}

/* ---- RSS ------------------------------------------------------------------------------ */

static uint32_t mrqc(uint32_t types)
{
	uint32_t v = 0;

	if (types & FL_RSS_IPV4)
		v |= MRQC_IPV4;
	if (types & FL_RSS_TCP_IPV4)
		v |= MRQC_TCP_IPV4;
	if (types & FL_RSS_IPV6)
		v |= MRQC_IPV6 | MRQC_IPV6_EX;
	if (types & FL_RSS_TCP_IPV6)
		v |= MRQC_TCP_IPV6 | MRQC_TCP_IPV6_EX;
	return v ? v | MRQC_RSS : 0;
}

int fl_e1000_rss_apply(struct fl_port *p)
{
	struct fl_e1000 *e = fl_e1000_of(p);
	const uint8_t *k = p->conf.rss.key;

	if (!p->conf.rss.types) {
		fl_e1000_wr(e, E1000_MRQC, 0);
		return 0;
	}
	for (unsigned i = 0; i < RSSRK_WORDS; i++, k += 4)
		fl_e1000_wr(e, E1000_RSSRK(i),
			    k[0] | (uint32_t)k[1] << 8 | (uint32_t)k[2] << 16 |
				    (uint32_t)k[3] << 24);
	for (unsigned i = 0; i < RETA_WORDS; i++) {
		uint32_t v = 0;

		for (unsigned j = 0; j < 4; j++)
			v |= (uint32_t)(p->reta[4 * i + j] & 1u) << (8 * j + 7);
		fl_e1000_wr(e, E1000_RETA(i), v);
	}
	fl_e1000_wr(e, E1000_MRQC, mrqc(p->conf.rss.types));
	return 0;
}

/* everything of this file after a reset, when all of it reads 0 but the address in entry 0 */
void fl_e1000_filters_start(struct fl_e1000 *e)
{
	uint32_t rxcsum = RXCSUM_IPOFL | RXCSUM_TUOFL;
	struct fl_port *p = &e->port;

	apply_vme(e);
	fl_e1000_mac_apply(p);
	fl_e1000_mcast_apply(p);
	e->vfta_loaded = false;
	load_vfta(e);
	if (e->v->rss_types) {
		/* the hash stands where the raw checksum would, which nothing else uses */
		rxcsum |= RXCSUM_PCSD;
		fl_e1000_rss_apply(p);
	}
	fl_e1000_wr(e, E1000_RXCSUM, rxcsum);
}
