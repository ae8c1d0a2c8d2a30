/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IEEE 1588: a clock that goes by the chip's 25 MHz, and one stamp each of received and sent
 * frames, kept until it is read.
 */
#include "e1000_internal.h"

#define TICK_NS	   40u
#define PTP_LEN	   34u /* common header */
#define PTP_SOURCE 22u
#define PTP_SEQ	   30u

enum { TYPE_L2_V2, TYPE_L4_V1, TYPE_L2_L4_V2, TYPE_ALL = 4, TYPE_EVENT_V2 };

uint64_t fl_e1000m_clock(struct e1000 *e)
{
	uint64_t adj = (uint64_t)e->r[R_TIMADJH / 4] << 32 | e->r[R_TIMADJL / 4];
	uint32_t period = e->tim_inc >> 24;
	uint64_t ticks = (fl_now_ns() - e->tim_start) / (TICK_NS * (period ? period : 1u));

	return e->tim_base + adj + ticks * (e->tim_inc & 0xffffff);
}

void fl_e1000m_clock_set(struct e1000 *e, uint64_t v)
{
	e->tim_base = v - ((uint64_t)e->r[R_TIMADJH / 4] << 32 | e->r[R_TIMADJL / 4]);
	e->tim_start = fl_now_ns();
}

void fl_e1000m_clock_rate(struct e1000 *e, uint32_t timinca)
{
	fl_e1000m_clock_set(e, fl_e1000m_clock(e));
	e->tim_inc = timinca;
}

/* where the PTP header is, 0 = nowhere */
static uint32_t ptp_at(struct e1000 *e, const uint8_t *p, uint32_t len,
		       const struct e1000_headers *h, bool *l4)
{
	uint16_t type, port;

	*l4 = h->udp;
	if (h->udp) {
		memcpy(&port, p + h->l4 + 2, 2);
		return port == (uint16_t)e->r[R_RXUDP / 4] && h->end - h->l5 >= PTP_LEN ? h->l5 : 0;
	}
	if (h->ip4 || h->ip6 || h->l3 < 14 || len < h->l3 + PTP_LEN)
		return 0;
	memcpy(&type, p + h->l3 - 2, 2);
	return __builtin_bswap16(type) == (uint16_t)e->r[R_RXCFGL / 4] ? h->l3 : 0;
}

bool fl_e1000m_stamp_wants(struct e1000 *e, const uint8_t *p, uint32_t len,
			   const struct e1000_headers *h)
{
	uint32_t ctl = e->r[R_TSYNCRXCTL / 4], cfg = e->r[R_RXCFGL / 4], at;
	const uint8_t *m;
	bool l4;

	if (ctl & TSYNC_VALID)
		return false;
	at = ptp_at(e, p, len, h, &l4);
	m = p + at;
	switch (ctl >> 1 & 7) {
	case TYPE_ALL:
		return true;
	case TYPE_L4_V1:
		return at && l4 && m[1] == 1 && m[32] == (cfg >> 16 & 0xff);
	case TYPE_L2_V2:
		return at && !l4 && (m[1] & 15) == 2 && (m[0] & 15) == (cfg >> 24 & 15);
	case TYPE_L2_L4_V2:
		return at && (m[1] & 15) == 2 && (m[0] & 15) == (cfg >> 24 & 15);
	case TYPE_EVENT_V2:
		return at && (m[1] & 15) == 2 && (m[0] & 15) < 4;
	default:
		return false;
	}
}

void fl_e1000m_stamp_rx(struct e1000 *e, const uint8_t *p, uint32_t len,
			const struct e1000_headers *h)
{
	uint64_t now = fl_e1000m_clock(e);
	bool l4;
	uint32_t at = ptp_at(e, p, len, h, &l4);
	uint16_t source;

	e->r[R_RXSATRL / 4] = e->r[R_RXSATRH / 4] = 0;
	if (at) {
		memcpy(&e->r[R_RXSATRL / 4], p + at + PTP_SOURCE, 4);
		memcpy(&source, p + at + PTP_SOURCE + 4, 2);
		e->r[R_RXSATRH / 4] =
			(uint32_t)(p[at + PTP_SEQ] << 8 | p[at + PTP_SEQ + 1]) << 16 | source;
	}

	e->r[R_RXSTMPL / 4] = (uint32_t)now;
	e->r[R_RXSTMPH / 4] = now >> 32;
	e->r[R_TSYNCRXCTL / 4] |= TSYNC_VALID;
}

void fl_e1000m_stamp_tx(struct e1000 *e)
{
	uint64_t now = fl_e1000m_clock(e);

	if ((e->r[R_TSYNCTXCTL / 4] & (TSYNC_ENABLED | TSYNC_VALID)) != TSYNC_ENABLED)
		return;
	e->r[R_TXSTMPL / 4] = (uint32_t)now;
	e->r[R_TXSTMPH / 4] = now >> 32;
	e->r[R_TSYNCTXCTL / 4] |= TSYNC_VALID;
}
