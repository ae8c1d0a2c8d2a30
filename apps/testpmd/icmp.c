/* SPDX-License-Identifier: BSD-3-Clause */
/* icmpecho: answers ARP requests and pings for every address, drops the rest. */
#include "fwd.h"
#include "proto.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define ARP_REQUEST	  1
#define ARP_REPLY	  2
#define ICMP_ECHO_REQUEST 8
#define ICMP_ECHO_REPLY	  0
#define VLAN_TAG	  4u

static bool answer_arp(const struct tp_stream *s, struct eth_hdr *eth, struct arp_hdr *arp)
{
	uint32_t asked = arp->tpa;

	if (ntohs(arp->htype) != 1 || ntohs(arp->ptype) != 0x0800 || arp->hlen != 6 ||
	    arp->plen != 4 || ntohs(arp->op) != ARP_REQUEST)
		return false;
	arp->op = htons(ARP_REPLY);
	memcpy(arp->tha, arp->sha, sizeof(arp->tha));
	memcpy(arp->sha, s->src.b, sizeof(arp->sha));
	arp->tpa = arp->spa;
	arp->spa = asked;
	memcpy(eth->dst, arp->tha, sizeof(eth->dst));
	memcpy(eth->src, s->src.b, sizeof(eth->src));
	return true;
}

/* The IPv4 header's checksum does not change with its addresses swapped. */
static bool answer_ping(const struct tp_stream *s, struct eth_hdr *eth, struct ip4_hdr *ip,
			uint32_t room)
{
	uint32_t hlen = (ip->ver_ihl & 15u) * 4, addr = ip->dst, sum;
	struct icmp_hdr *icmp = (void *)((uint8_t *)ip + hlen);

	if (ip->ver_ihl >> 4 != 4 || hlen < sizeof(*ip) || hlen + sizeof(*icmp) > room ||
	    hlen + sizeof(*icmp) > ntohs(ip->len) || /* no header made of padding */
	    ip->proto != IPPROTO_ICMP || (ntohs(ip->frag) & 0x1fff) ||
	    icmp->type != ICMP_ECHO_REQUEST || icmp->code != 0)
		return false;
	if ((ntohl(addr) >> 28) == 0xe || addr == INADDR_BROADCAST)
		return false; /* no address to answer from */
	ip->dst = ip->src;
	ip->src = addr;
	memcpy(eth->dst, eth->src, sizeof(eth->dst));
	memcpy(eth->src, s->src.b, sizeof(eth->src));
	icmp->type = ICMP_ECHO_REPLY;
	/* RFC 1624: new sum = ~(~old + ~m + m'), of the one word that changed (8 << 8 to 0) */
	sum = (uint16_t)~icmp->csum + (uint32_t)(uint16_t)~htons(ICMP_ECHO_REQUEST << 8);
	icmp->csum = (uint16_t)~fl_csum_fold(sum);
	return true;
}

static bool answer(const struct tp_stream *s, struct fl_pkt *p)
{
	struct eth_hdr *eth = fl_pkt_data(p);
	uint8_t *l3 = (uint8_t *)(eth + 1);
	uint32_t room = p->data_len;
	uint16_t type;

	if (room < sizeof(*eth) + VLAN_TAG)
		return false;
	type = ntohs(eth->type);
	room -= (uint32_t)sizeof(*eth);
	if (type == 0x8100) {
		type = (uint16_t)(l3[2] << 8 | l3[3]);
		l3 += VLAN_TAG;
		room -= VLAN_TAG;
	}
	if (p->flags & FL_RX_VLAN_STRIPPED)
		p->flags |= FL_TX_VLAN; /* vlan_tci still holds the tag it came with */
	if (type == 0x0806 && room >= sizeof(struct arp_hdr))
		return answer_arp(s, eth, (void *)l3);
	if (type == 0x0800 && room >= sizeof(struct ip4_hdr))
		return answer_ping(s, eth, (void *)l3, room);
	return false;
}

uint16_t tp_round_icmpecho(struct tp_stream *s)
{
	struct fl_pkt *pkts[TP_MAX_BURST], *drop[TP_MAX_BURST];
	uint16_t n = tp_rx(s, pkts), out = 0, ndrop = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (answer(s, pkts[i]))
			pkts[out++] = pkts[i];
		else
			drop[ndrop++] = pkts[i];
	}
	if (ndrop)
		fl_pkt_free_bulk(drop, ndrop);
	if (out)
		tp_tx(s, pkts, out);
	return n;
}
