/* SPDX-License-Identifier: BSD-3-Clause */
/* Which frames come in: VLAN table, promiscuous modes, addresses, multicast hash. */
#include "e1000_internal.h"

static bool vlan_ok(struct e1000 *e, const uint8_t *p, uint32_t len)
{
	uint32_t tci, vid;

	if (!(e->rctl & RCTL_VFE) || len < 16 || (p[12] << 8 | p[13]) != e->vet)
		return true;
	tci = (uint32_t)(p[14] << 8 | p[15]);
	vid = tci & 0xfff;
	if (e->rctl & RCTL_CFIEN && !(tci & 0x1000) != !(e->rctl & RCTL_CFI))
		return false;
	return e->r[R_VFTA / 4 + (vid >> 5)] >> (vid & 31) & 1;
}

static bool hash_match(struct e1000 *e, const uint8_t *d)
{
	static const uint8_t shift[4] = { 4, 3, 2, 0 };
	uint32_t h = ((uint32_t)(d[4] | d[5] << 8) >> shift[RCTL_MO(e->rctl)]) & 0xfff;

	return e->r[R_MTA / 4 + (h >> 5)] >> (h & 31) & 1;
}

static bool address_match(struct e1000 *e, const uint8_t *d)
{
	const uint32_t *ra = &e->r[R_RAL / 4];
	uint32_t lo, hi;

	lo = (uint32_t)d[0] | (uint32_t)d[1] << 8 | (uint32_t)d[2] << 16 | (uint32_t)d[3] << 24;
	hi = (uint32_t)d[4] | (uint32_t)d[5] << 8 | 1u << 31;
	for (unsigned i = 0; i < e->nrar; i++)
		if (ra[2 * i] == lo && (ra[2 * i + 1] & 0x8000ffff) == hi)
			return true;
	return false;
}

enum e1000_match fl_e1000m_filter(struct e1000 *e, const uint8_t *p, uint32_t len)
{
	bool group = p[0] & 1, broadcast;

	if (!vlan_ok(e, p, len))
		return MATCH_NO;
	broadcast = group && !memcmp(p, "\xff\xff\xff\xff\xff\xff", 6);
	if (broadcast && e->rctl & RCTL_BAM)
		return MATCH_EXACT;
	if (address_match(e, p))
		return MATCH_EXACT;
	if (e->rctl & (group ? RCTL_MPE : RCTL_UPE) || hash_match(e, p))
		return MATCH_INEXACT;
	return MATCH_NO;
}
