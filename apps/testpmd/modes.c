/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of forward modes, and those that only touch addresses. */
#include "fwd.h"
#include "proto.h"

#include <arpa/inet.h>
#include <string.h>

static uint16_t round_io(struct tp_stream *s)
{
	struct fl_pkt *pkts[TP_MAX_BURST];
	uint16_t n = tp_rx(s, pkts);

	if (n)
		tp_tx(s, pkts, n);
	return n;
}

static uint16_t round_rxonly(struct tp_stream *s)
{
	struct fl_pkt *pkts[TP_MAX_BURST];
	uint16_t n = tp_rx(s, pkts);

	if (n)
		fl_pkt_free_bulk(pkts, n);
	return n;
}

static uint16_t round_mac(struct tp_stream *s)
{
	struct fl_pkt *pkts[TP_MAX_BURST];
	uint16_t n = tp_rx(s, pkts);

	for (uint16_t i = 0; i < n; i++) {
		struct eth_hdr *eth = fl_pkt_data(pkts[i]);

		if (fl_unlikely(pkts[i]->data_len < sizeof(*eth)))
			continue;
		memcpy(eth->dst, s->dst.b, sizeof(eth->dst));
		memcpy(eth->src, s->src.b, sizeof(eth->src));
	}
	if (n)
		tp_tx(s, pkts, n);
	return n;
}

static void swap(void *a, void *b, size_t len)
{
	uint8_t keep[16];

	memcpy(keep, a, len);
	memcpy(a, b, len);
	memcpy(b, keep, len);
}

static uint16_t round_macswap(struct tp_stream *s)
{
	struct fl_pkt *pkts[TP_MAX_BURST];
	uint16_t n = tp_rx(s, pkts);

	for (uint16_t i = 0; i < n; i++) {
		struct eth_hdr *eth = fl_pkt_data(pkts[i]);

		if (fl_likely(pkts[i]->data_len >= sizeof(*eth)))
			swap(eth->dst, eth->src, sizeof(eth->dst));
	}
	if (n)
		tp_tx(s, pkts, n);
	return n;
}

/* Addresses and ports change places, so every checksum stays right. */
static void swap_5tuple(struct fl_pkt *p)
{
	uint8_t *data = fl_pkt_data(p);
	uint16_t type = fl_pkt_parse(p);
	uint8_t *l3 = data + p->l2_len, *l4 = l3 + p->l3_len;

	if (p->data_len >= sizeof(struct eth_hdr))
		swap(data, data + 6, 6);
	if ((type & FL_PTYPE_L3_MASK) == FL_PTYPE_IPV4)
		swap(l3 + offsetof(struct ip4_hdr, src), l3 + offsetof(struct ip4_hdr, dst), 4);
	else if ((type & FL_PTYPE_L3_MASK) == FL_PTYPE_IPV6)
		swap(l3 + offsetof(struct ip6_hdr, src), l3 + offsetof(struct ip6_hdr, dst), 16);
	if (p->l4_len && (type & FL_PTYPE_L4_MASK))
		swap(l4, l4 + 2, 2);
}

static uint16_t round_5tswap(struct tp_stream *s)
{
	struct fl_pkt *pkts[TP_MAX_BURST];
	uint16_t n = tp_rx(s, pkts);

	for (uint16_t i = 0; i < n; i++)
		swap_5tuple(pkts[i]);
	if (n)
		tp_tx(s, pkts, n);
	return n;
}

static uint16_t round_flowgen(struct tp_stream *s)
{
	return (uint16_t)(round_rxonly(s) + tp_gen_round(s));
}

const struct tp_mode tp_modes[] = {
	{ "io", "pass on as it is", round_io, true, true },
	{ "mac", "source = the sending port, destination = its peer", round_mac, true, true },
	{ "macswap", "source and destination change places", round_macswap, true, true },
	{ "flowgen", "send many UDP flows, drop what comes", round_flowgen, true, true },
	{ "rxonly", "drop what comes", round_rxonly, true, false },
	{ "txonly", "send UDP packets", tp_gen_round, false, true },
	{ "csum", "as mac, with IPv4, TCP and UDP checksums made new", tp_round_csum, true, true },
	{ "icmpecho", "answer ARP requests and pings", tp_round_icmpecho, true, true, true },
	{ "5tswap", "addresses and ports change places", round_5tswap, true, true },
	{ NULL },
};

const struct tp_mode *tp_mode_find(const char *name)
{
	for (const struct tp_mode *m = tp_modes; m->name; m++)
		if (!strcmp(m->name, name))
			return m;
	return NULL;
}
