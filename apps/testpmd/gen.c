/* SPDX-License-Identifier: BSD-3-Clause */
/* Generated packets: txonly, flowgen and tx_first. UDP from 198.18.0.1 on (RFC 2544's range). */
#include "fwd.h"
#include "proto.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define SRC_ADDR 0xc6120001u /* 198.18.0.1 */
#define DST_ADDR 0xc6130001u /* 198.19.0.1 */
#define UDP_PORT 9	     /* discard */
#define HDR_LEN	 (sizeof(struct eth_hdr) + sizeof(struct ip4_hdr) + sizeof(struct udp_hdr))

void tp_gen_init(struct tp_stream *s)
{
	struct eth_hdr *eth = (void *)s->tmpl;
	struct ip4_hdr *ip = (void *)(eth + 1);
	struct udp_hdr *udp = (void *)(ip + 1);
	unsigned len = 0;

	for (unsigned i = 0; i < s->ntx_segs; i++)
		len += s->tx_segs[i];
	memset(s->tmpl, 0, sizeof(s->tmpl));
	memcpy(eth->dst, s->dst.b, sizeof(eth->dst));
	memcpy(eth->src, s->src.b, sizeof(eth->src));
	eth->type = htons(0x0800);
	*ip = (struct ip4_hdr){
		.ver_ihl = 0x45,
		.len = htons((uint16_t)(len - sizeof(*eth))),
		.ttl = 64,
		.proto = IPPROTO_UDP,
		.dst = htonl(DST_ADDR),
	};
	/* no UDP checksum: legal for IPv4, and the payload need not be read */
	*udp = (struct udp_hdr){ htons(UDP_PORT), htons(UDP_PORT),
				 htons((uint16_t)(len - sizeof(*eth) - sizeof(*ip))), 0 };
	s->tmpl_sum = fl_csum_add(0, ip, sizeof(*ip));
}

static void fill_header(struct tp_stream *s, uint8_t *data)
{
	struct ip4_hdr *ip = (void *)(data + sizeof(struct eth_hdr));
	uint32_t src = htonl(SRC_ADDR + s->flow);

	memcpy(data, s->tmpl, HDR_LEN);
	ip->src = src;
	ip->csum = (uint16_t)~fl_csum_fold(fl_csum_add(s->tmpl_sum, &src, sizeof(src)));
	if (++s->flow >= s->nflows)
		s->flow = 0;
}

static void fill_segment(struct fl_pkt *p, uint16_t len)
{
	p->data_off = FL_PKT_HEADROOM;
	p->data_len = len;
	p->pkt_len = len;
	p->flags = 0;
	p->ptype = 0;
	p->l2_len = p->l4_len = 0;
	p->l3_len = 0;
}

/** The segments behind the first; false when the pool has none left. */
static bool add_segments(struct tp_stream *s, struct fl_pkt *head)
{
	struct fl_pkt *segs[TP_MAX_SEGS], *tail = head;
	uint16_t n = (uint16_t)(s->ntx_segs - 1);

	if (fl_pkt_alloc_bulk(s->pool, segs, n) != n)
		return false;
	for (uint16_t i = 0; i < n; i++) {
		fill_segment(segs[i], s->tx_segs[i + 1]);
		head->pkt_len += segs[i]->data_len;
		tail->next = segs[i];
		tail = segs[i];
	}
	head->nb_segs = (uint8_t)s->ntx_segs;
	return true;
}

uint16_t tp_gen_round(struct tp_stream *s)
{
	struct fl_pkt *pkts[TP_MAX_BURST];
	uint16_t n = s->burst, made = 0;

	if (fl_pkt_alloc_bulk(s->pool, pkts, n) != n)
		return 0;
	for (; made < n; made++) {
		fill_segment(pkts[made], s->tx_segs[0]);
		fill_header(s, fl_pkt_data(pkts[made]));
		if (s->ntx_segs > 1 && !add_segments(s, pkts[made]))
			break;
	}
	if (fl_unlikely(made < n))
		fl_pkt_free_bulk(pkts + made, (uint16_t)(n - made));
	tp_tx(s, pkts, made);
	return made;
}
