/* SPDX-License-Identifier: BSD-3-Clause */
/* `set verbose`: one line a packet. For people, so it may be slow. */
#include "testpmd.h"

#include "proto.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>

static void print_mac(const char *name, const uint8_t *m)
{
	printf("%s=%02X:%02X:%02X:%02X:%02X:%02X - ", name, m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void dump_one(const struct fl_pkt *p)
{
	struct eth_hdr buf;
	const struct eth_hdr *eth = fl_pkt_read(p, 0, sizeof(buf), &buf);

	printf("  ");
	if (eth) {
		print_mac("src", eth->src);
		print_mac("dst", eth->dst);
		printf("type=0x%04x - ", ntohs(eth->type));
	}
	printf("length=%" PRIu32 " - nb_segs=%u", p->pkt_len, p->nb_segs);
	if (p->flags & FL_RX_RSS_HASH)
		printf(" - RSS hash=0x%" PRIx32, p->hash);
	if (p->flags & (FL_RX_VLAN_STRIPPED | FL_TX_VLAN))
		printf(" - VLAN tci=0x%x", p->vlan_tci);
	printf(" - ptype=0x%x - flags=0x%" PRIx32 "\n", p->ptype, p->flags);
}

void tp_dump_pkts(const struct tp_stream *s, struct fl_pkt *const *pkts, unsigned n, bool rx)
{
	flockfile(stdout);
	printf("port %u/queue %u: %s %u packets\n", rx ? s->rx_port : s->tx_port,
	       rx ? s->rx_qid : s->tx_qid, rx ? "received" : "sent", n);
	for (unsigned i = 0; i < n; i++)
		dump_one(pkts[i]);
	funlockfile(stdout);
}
