/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Headers of a received frame: packet type, checksum verdicts, RSS input. The bytes may be the
 * client's and may change under us: every field is read once, every offset is checked.
 */
#include "e1000_internal.h"

#define IPP_HOPOPTS  0
#define IPP_TCP	     6
#define IPP_UDP	     17
#define IPP_ROUTING  43
#define IPP_FRAGMENT 44
#define IPP_DSTOPTS  60

static uint32_t be16(const uint8_t *p)
{
	return (uint32_t)(p[0] << 8 | p[1]);
}

static void parse_l4(const uint8_t *p, struct e1000_headers *h, uint8_t proto)
{
	uint32_t room = h->end - h->l4;

	h->l5 = h->l4;
	if (h->frag)
		return;
	if (proto == IPP_TCP && room >= 20) {
		uint32_t hl = (p[h->l4 + 12] >> 4) * 4u;

		if (hl < 20 || hl > room)
			return;
		h->tcp = true;
		h->tcp_flags = p[h->l4 + 13];
		h->l5 = h->l4 + hl;
	} else if (proto == IPP_UDP && room >= 8) {
		h->udp = true;
		h->l5 = h->l4 + 8;
	} else {
		return;
	}
	h->l4_pseudo += (uint32_t)__builtin_bswap16(proto) + __builtin_bswap16((uint16_t)room);
}

static void parse_ip4(const uint8_t *p, uint32_t len, struct e1000_headers *h)
{
	const uint8_t *ip = p + h->l3;
	uint32_t hl, total;

	if (len - h->l3 < 20)
		return;
	hl = (ip[0] & 15) * 4u;
	total = be16(ip + 2);
	if (ip[0] >> 4 != 4 || hl < 20 || total < hl || total > len - h->l3)
		return;
	h->ip4 = true;
	h->ip_id = (uint16_t)be16(ip + 4);
	h->frag = be16(ip + 6) & 0x3fff;
	h->ip_bad = fl_e1000m_fold(fl_e1000m_sum(0, ip, hl)) != 0xffff;
	h->l4 = h->l3 + hl;
	h->end = h->l3 + total;
	memcpy(h->src, ip + 12, 4);
	memcpy(h->dst, ip + 16, 4);
	h->l4_pseudo = fl_e1000m_sum(fl_e1000m_sum(0, h->src, 4), h->dst, 4);
	parse_l4(p, h, ip[9]);
}

static void parse_ip6(const struct e1000 *e, const uint8_t *p, uint32_t len,
		      struct e1000_headers *h)
{
	const uint8_t *ip = p + h->l3;
	uint32_t total;
	uint8_t next;

	if (len - h->l3 < 40 || ip[0] >> 4 != 6)
		return;
	total = 40 + be16(ip + 4);
	if (total > len - h->l3)
		return;
	h->ip6 = true;
	h->l4 = h->l3 + 40;
	h->end = h->l3 + total;
	next = ip[6];
	memcpy(h->src, ip + 8, 16);
	memcpy(h->dst, ip + 24, 16);
	h->l4_pseudo = fl_e1000m_sum(fl_e1000m_sum(0, h->src, 16), h->dst, 16);
	for (;;) {
		uint32_t hl, room = h->end - h->l4;

		if (next != IPP_HOPOPTS && next != IPP_ROUTING && next != IPP_DSTOPTS &&
		    next != IPP_FRAGMENT)
			break;
		if (room < 8 || e->rfctl & RFCTL_IPV6_EX_DIS)
			return;
		hl = next == IPP_FRAGMENT ? 8 : (p[h->l4 + 1] + 1u) * 8u;
		if (hl > room)
			return;
		h->ext = true;
		if (next == IPP_FRAGMENT)
			h->frag = true;
		next = p[h->l4];
		h->l4 += hl;
		if (h->frag)
			break;
	}
	parse_l4(p, h, next);
}

void fl_e1000m_parse(const struct e1000 *e, const uint8_t *p, uint32_t len, struct e1000_headers *h)
{
	uint32_t type;

	memset(h, 0, sizeof(*h));
	if (len < 14)
		return;
	h->l3 = 14;
	type = be16(p + 12);
	if (type == e->vet && len >= 18) {
		h->l3 = 18;
		type = be16(p + 16);
	}
	h->l4 = h->l5 = h->end = h->l3;
	if (type == 0x0800)
		parse_ip4(p, len, h);
	else if (type == 0x86dd && !(e->rfctl & RFCTL_IPV6_DIS))
		parse_ip6(e, p, len, h);
}

/* IPCS, TCPCS, UDPCS and the errors, as RXCSUM asks */
uint32_t fl_e1000m_l4_status(const struct e1000 *e, const uint8_t *p, const struct e1000_headers *h)
{
	uint32_t st = 0;

	if (h->ip4 && e->rxcsum & RXCSUM_IPOFL)
		st |= RXD_IPCS | (h->ip_bad ? RXD_IPE : 0);
	if (!(h->tcp || h->udp) || !(e->rxcsum & RXCSUM_TUOFL) ||
	    (h->ip6 && e->rfctl & RFCTL_IPV6_XSUM_DIS))
		return st;
	/* a UDP sender may leave the checksum out: nothing to say then */
	if (h->udp && !be16(p + h->l4 + 6))
		return st;
	st |= RXD_TCPCS | (h->udp ? RXD_UDPCS : 0);
	if (fl_e1000m_fold(fl_e1000m_sum(h->l4_pseudo, p + h->l4, h->end - h->l4)) != 0xffff)
		st |= RXD_TCPE;
	return st;
}

uint32_t fl_e1000m_rss(const struct e1000 *e, const uint8_t *p, const struct e1000_headers *h,
		       uint32_t *type)
{
	uint32_t mrqc = e->r[R_MRQC / 4], n;
	uint8_t in[36];

	*type = 0;
	if (h->ip4) {
		n = 8;
		*type = h->tcp && mrqc & 1u << 16 ? 1 : mrqc & 1u << 17 ? 2 : 0;
		memcpy(in, h->src, 4);
		memcpy(in + 4, h->dst, 4);
	} else if (h->ip6) {
		n = 32;
		if (h->tcp && mrqc & 1u << 18)
			*type = 3;
		else if (mrqc & 1u << 19)
			*type = 4;
		else if (mrqc & 1u << 20)
			*type = 5;
		memcpy(in, h->src, 16);
		memcpy(in + 16, h->dst, 16);
	}
	if (!*type)
		return 0;
	if (*type == 1 || *type == 3) {
		memcpy(in + n, p + h->l4, 4);
		n += 4;
	}
	return fl_e1000m_toeplitz(e, in, n);
}
