/* SPDX-License-Identifier: BSD-3-Clause */
/* csum: IPv4, TCP and UDP checksums made anew, by the device or here, as each port is set. */
#include "fwd.h"
#include "proto.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define IP4_FRAGMENT 0x3fff /* more fragments, or an offset */

/** Sum over [off, off + len) of a packet, across its segments; the caller knows it is there. */
static uint32_t sum_range(const struct fl_pkt *p, uint32_t off, uint32_t len)
{
	uint32_t sum = 0, done = 0;

	for (; p && done < len; p = p->next) {
		uint32_t n = p->data_len;
		uint16_t part;

		if (off >= n) {
			off -= n;
			continue;
		}
		n = n - off < len - done ? n - off : len - done;
		part = fl_csum_fold(fl_csum_add(0, (uint8_t *)fl_pkt_data(p) + off, n));
		/* a piece that begins at an odd byte has its bytes in the other halves */
		sum += done & 1 ? __builtin_bswap16(part) : part;
		done += n;
		off = 0;
	}
	return sum;
}

static uint32_t pseudo_sum(const uint8_t *addrs, size_t len, uint8_t proto, uint32_t l4_len)
{
	uint16_t rest[3] = { htons((uint16_t)(l4_len >> 16)), htons((uint16_t)l4_len),
			     htons(proto) };

	return fl_csum_add(fl_csum_add(0, addrs, len), rest, sizeof(rest));
}

struct l4 {
	uint32_t off, len;
	uint32_t pseudo;
	uint8_t proto;
};

static void set_l4(struct tp_stream *s, struct fl_pkt *p, const struct l4 *l4, uint32_t ip_flag)
{
	uint8_t *hdr = (uint8_t *)fl_pkt_data(p) + l4->off;
	bool tcp = l4->proto == IPPROTO_TCP;
	uint32_t flag = tcp ? FL_TX_TCP_CSUM : FL_TX_UDP_CSUM;
	uint16_t csum = 0;
	uint8_t *field =
		hdr + (tcp ? offsetof(struct tcp_hdr, csum) : offsetof(struct udp_hdr, csum));

	if (!tcp && ip_flag == FL_TX_IPV4 && !field[0] && !field[1])
		return; /* the sender chose to have none */
	if (tcp && s->tso && l4->len - p->l4_len > s->tso) {
		p->flags |= FL_TX_TSO | FL_TX_TCP_CSUM | ip_flag;
		p->tso_mss = s->tso;
		return;
	}
	if (s->csum_hw & flag) {
		p->flags |= flag | ip_flag;
		return; /* fl_tx_prepare() seeds the field */
	}
	memset(field, 0, sizeof(csum));
	csum = (uint16_t)~fl_csum_fold(fl_csum_fold(l4->pseudo) + sum_range(p, l4->off, l4->len));
	if (!tcp && !csum)
		csum = 0xffff; /* 0 would say "none" */
	memcpy(field, &csum, sizeof(csum));
}

static void set_ip4(struct tp_stream *s, struct fl_pkt *p)
{
	uint8_t *l3 = (uint8_t *)fl_pkt_data(p) + p->l2_len;
	struct ip4_hdr *ip = (void *)l3;
	struct l4 l4 = { (uint32_t)p->l2_len + p->l3_len, 0, 0, ip->proto };
	uint32_t total = ntohs(ip->len);

	ip->csum = 0;
	if (s->csum_hw & FL_TX_IP_CSUM)
		p->flags |= FL_TX_IP_CSUM | FL_TX_IPV4;
	else
		ip->csum = (uint16_t)~fl_csum_fold(fl_csum_add(0, l3, p->l3_len));
	if (!p->l4_len || (ntohs(ip->frag) & IP4_FRAGMENT) ||
	    total < (uint32_t)p->l3_len + p->l4_len || p->l2_len + total > p->pkt_len)
		return;
	l4.len = total - p->l3_len;
	l4.pseudo = pseudo_sum(l3 + offsetof(struct ip4_hdr, src), 8, ip->proto, l4.len);
	set_l4(s, p, &l4, FL_TX_IPV4);
}

static void set_ip6(struct tp_stream *s, struct fl_pkt *p, bool tcp)
{
	uint8_t *l3 = (uint8_t *)fl_pkt_data(p) + p->l2_len;
	const struct ip6_hdr *ip = (void *)l3;
	struct l4 l4 = { (uint32_t)p->l2_len + p->l3_len, 0, 0, tcp ? IPPROTO_TCP : IPPROTO_UDP };
	uint32_t total = (uint32_t)sizeof(*ip) + ntohs(ip->len);

	if (!p->l4_len || total < (uint32_t)p->l3_len + p->l4_len || p->l2_len + total > p->pkt_len)
		return;
	l4.len = total - p->l3_len;
	l4.pseudo = pseudo_sum(ip->src, 32, l4.proto, l4.len);
	set_l4(s, p, &l4, FL_TX_IPV6);
}

static void csum_pkt(struct tp_stream *s, struct fl_pkt *p)
{
	struct eth_hdr *eth = fl_pkt_data(p);
	uint16_t type, l4;

	if (fl_unlikely(p->flags & (FL_RX_IP_CSUM_BAD | FL_RX_L4_CSUM_BAD))) {
		tp_count(&s->bad_ip, !!(p->flags & FL_RX_IP_CSUM_BAD));
		tp_count(&s->bad_l4, !!(p->flags & FL_RX_L4_CSUM_BAD));
	}
	if (p->data_len < sizeof(*eth))
		return;
	memcpy(eth->dst, s->dst.b, sizeof(eth->dst));
	memcpy(eth->src, s->src.b, sizeof(eth->src));
	type = fl_pkt_parse(p);
	l4 = type & FL_PTYPE_L4_MASK;
	if ((type & FL_PTYPE_L3_MASK) == FL_PTYPE_IPV4)
		set_ip4(s, p);
	else if ((type & FL_PTYPE_L3_MASK) == FL_PTYPE_IPV6 &&
		 (l4 == FL_PTYPE_TCP || l4 == FL_PTYPE_UDP))
		set_ip6(s, p, l4 == FL_PTYPE_TCP);
}

uint16_t tp_round_csum(struct tp_stream *s)
{
	struct fl_pkt *pkts[TP_MAX_BURST];
	uint16_t n = tp_rx(s, pkts), fit;

	if (!n)
		return 0;
	for (uint16_t i = 0; i < n; i++)
		csum_pkt(s, pkts[i]);
	fit = fl_tx_prepare(s->txq, pkts, n);
	if (fl_unlikely(fit < n)) {
		fl_pkt_free_bulk(pkts + fit, (uint16_t)(n - fit));
		tp_count(&s->dropped, (uint64_t)(n - fit));
	}
	tp_tx(s, pkts, fit);
	return n;
}
