/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics: clear on read, sticking at all ones; 64-bit pairs clear with their high half. */
#include "e1000_internal.h"

uint32_t fl_e1000m_stat_read(struct e1000 *e, uint32_t off)
{
	uint32_t s = off - R_STATS;
	uint64_t v;

	switch (s) {
	case S_GORC:
	case S_GOTC:
	case S_TOR:
	case S_TOT:
		return (uint32_t)e->stat[s / 4];
	case S_GORC + 4:
	case S_GOTC + 4:
	case S_TOR + 4:
	case S_TOT + 4:
		v = e->stat[s / 4 - 1];
		e->stat[s / 4 - 1] = 0;
		return v >> 32;
	}
	v = e->stat[s / 4];
	e->stat[s / 4] = 0;
	return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

void fl_e1000m_stat_tx(struct e1000 *e, const uint8_t *dst, uint32_t len)
{
	fl_e1000m_count(e, S_GPTC, 1);
	fl_e1000m_count(e, S_TPT, 1);
	fl_e1000m_count(e, S_GOTC, len + 4);
	fl_e1000m_count(e, S_TOT, len + 4);
	e->stat[S_PTC64 / 4 + fl_e1000m_size_class(len)]++;
	if (dst[0] & 1)
		fl_e1000m_count(e, memcmp(dst, "\xff\xff\xff\xff\xff\xff", 6) ? S_MPTC : S_BPTC, 1);
}
