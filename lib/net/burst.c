/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands beside the bursts: preparing packets, descriptor state, queue interrupts. */
#include <poll.h>
#include <string.h>

#include "net_internal.h"

#define NS_PER_MS     1000000ull
#define WAIT_SLICE_MS 50
#define IP4_CSUM_OFF  10u
#define IP4_HDR_MIN   20u
#define IP6_HDR_LEN   40u
#define TCP_CSUM_OFF  16u
#define UDP_CSUM_OFF  6u
#define TCP_HDR_MIN   20u
#define UDP_HDR_LEN   8u
#define PROTO_TCP     6u
#define PROTO_UDP     17u

#define TX_L4	      (FL_TX_TCP_CSUM | FL_TX_UDP_CSUM | FL_TX_TSO)
#define TX_FLAGS      (FL_TX_VLAN | FL_TX_IP_CSUM | TX_L4)

uint16_t fl_net_rx_none(struct fl_rxq *q, struct fl_pkt **pkts, uint16_t n)
{
	return 0;
}

uint16_t fl_net_tx_none(struct fl_txq *q, struct fl_pkt **pkts, uint16_t n)
{
	return 0;
}

/* ---- prepare -------------------------------------------------------------------------- */

/* offload bits that a packet's requests need the port to have on */
static uint64_t needed_offloads(const struct fl_pkt *p)
{
	uint64_t need = 0;

	need |= p->flags & FL_TX_VLAN ? FL_OFF_TX_VLAN : 0;
	need |= p->flags & FL_TX_IP_CSUM ? FL_OFF_TX_IP_CSUM : 0;
	need |= p->flags & FL_TX_TCP_CSUM ? FL_OFF_TX_TCP_CSUM : 0;
	need |= p->flags & FL_TX_UDP_CSUM ? FL_OFF_TX_UDP_CSUM : 0;
	need |= p->flags & FL_TX_TSO ? FL_OFF_TX_TSO : 0;
	need |= p->nb_segs > 1 ? FL_OFF_TX_MULTI_SEG : 0;
	return need;
}

/* nb_segs, next and the lengths agree with each other */
static bool chain_ok(const struct fl_pkt *p)
{
	uint32_t sum = 0;
	unsigned n = 0;

	for (const struct fl_pkt *s = p; s; s = s->next) {
		if (++n > p->nb_segs)
			return false;
		sum += s->data_len;
	}
	return n == p->nb_segs && sum == p->pkt_len;
}

/* the headers that offloads name lie in the first segment and make sense */
static bool headers_ok(const struct fl_pkt *p, const struct fl_port_info *info, uint32_t frame_max)
{
	unsigned hdr = p->l2_len + p->l3_len;
	bool v4 = p->flags & FL_TX_IPV4, v6 = p->flags & FL_TX_IPV6;

	if (!(p->flags & FL_TX_TSO) && p->pkt_len > frame_max)
		return false;
	if (!(p->flags & (FL_TX_IP_CSUM | TX_L4)))
		return true;
	if (v4 == v6 || p->l2_len < FL_ETHER_HDR_LEN ||
	    p->l3_len < (v4 ? IP4_HDR_MIN : IP6_HDR_LEN) || (v6 && p->flags & FL_TX_IP_CSUM))
		return false;
	if (p->flags & FL_TX_TSO) {
		if (!p->tso_mss || p->l4_len < TCP_HDR_MIN || p->flags & FL_TX_UDP_CSUM ||
		    p->pkt_len > info->tso_max ||
		    p->l3_len + p->l4_len + (uint32_t)p->tso_mss > frame_max - p->l2_len)
			return false;
		hdr += p->l4_len;
	} else if (p->flags & FL_TX_TCP_CSUM) {
		if (p->flags & FL_TX_UDP_CSUM)
			return false;
		hdr += TCP_HDR_MIN;
	} else if (p->flags & FL_TX_UDP_CSUM) {
		hdr += UDP_HDR_LEN;
	}
	return hdr <= p->data_len;
}

/* writes a 16-bit field unless it holds the value; false where data is shared */
static bool put16(const struct fl_pkt *p, uint8_t *at, uint16_t v)
{
	if (memcmp(at, &v, sizeof(v)) == 0)
		return true;
	if (p->kind || __atomic_load_n(&p->refcnt, __ATOMIC_RELAXED) > 1)
		return false;
	memcpy(at, &v, sizeof(v));
	return true;
}

/* puts what the chip expects to find where it will put checksums: 0, and the pseudo-header's sum */
static bool seed_csums(struct fl_pkt *p)
{
	uint8_t *l3 = (uint8_t *)fl_pkt_data(p) + p->l2_len, *l4 = l3 + p->l3_len;
	bool v4 = p->flags & FL_TX_IPV4, udp = p->flags & FL_TX_UDP_CSUM;
	uint32_t sum, len = p->pkt_len - p->l2_len - p->l3_len;
	uint8_t tail[8] = { 0 };

	/* the headers of TSO segments are all made by the chip */
	if ((p->flags & FL_TX_IP_CSUM || (p->flags & FL_TX_TSO && v4)) &&
	    !put16(p, l3 + IP4_CSUM_OFF, 0))
		return false;
	if (!(p->flags & TX_L4))
		return true;
	/* each segment of a TSO packet has a length of its own: the chip adds it */
	if (p->flags & FL_TX_TSO)
		len = 0;
	tail[0] = (uint8_t)(len >> 24);
	tail[1] = (uint8_t)(len >> 16);
	tail[2] = (uint8_t)(len >> 8);
	tail[3] = (uint8_t)len;
	tail[7] = udp ? PROTO_UDP : PROTO_TCP;
	sum = fl_csum_add(0, l3 + (v4 ? 12 : 8), v4 ? 8 : 32);
	sum = fl_csum_add(sum, tail, sizeof(tail));
	return put16(p, l4 + (udp ? UDP_CSUM_OFF : TCP_CSUM_OFF), fl_csum_fold(sum));
}

uint16_t fl_tx_prepare(struct fl_txq *q, struct fl_pkt **pkts, uint16_t n)
{
	const struct fl_port *port = q->port;
	uint32_t frame_max;
	struct fl_port_info info;
	uint16_t k;

	fl_port_info(port, &info);
	frame_max = info.mtu_max + FL_ETHER_HDR_LEN + FL_ETHER_VLAN_LEN;
	for (k = 0; k < n; k++) {
		struct fl_pkt *p = pkts[k];

		if (needed_offloads(p) & ~port->conf.offloads || p->nb_segs > info.seg_max ||
		    !chain_ok(p) || !headers_ok(p, &info, frame_max))
			break;
		if (p->flags & TX_FLAGS && !seed_csums(p))
			break;
	}
	return port->ops.tx_prepare(q, pkts, k);
}

/* ---- queue state ---------------------------------------------------------------------- */

int fl_tx_done_cleanup(struct fl_txq *q, uint32_t n)
{
	return q->port->ops.tx_done_cleanup(q, n);
}

int fl_rxq_desc_status(struct fl_rxq *q, uint16_t off)
{
	return q->port->ops.rxq_desc_status(q, off);
}

int fl_txq_desc_status(struct fl_txq *q, uint16_t off)
{
	return q->port->ops.txq_desc_status(q, off);
}

int fl_rxq_desc_read(struct fl_rxq *q, uint16_t pos, uint64_t out[2])
{
	return q->port->ops.rxq_desc_read(q, pos, out);
}

int fl_txq_desc_read(struct fl_txq *q, uint16_t pos, uint64_t out[2])
{
	return q->port->ops.txq_desc_read(q, pos, out);
}

int fl_rxq_info(struct fl_rxq *q, struct fl_rxq_info *out)
{
	memset(out, 0, sizeof(*out));
	return q->port->ops.rxq_info(q, out);
}

int fl_txq_info(struct fl_txq *q, struct fl_txq_info *out)
{
	memset(out, 0, sizeof(*out));
	return q->port->ops.txq_info(q, out);
}

/* ---- queue interrupts ----------------------------------------------------------------- */

int fl_rxq_intr_fd(struct fl_rxq *q)
{
	return q->port->ops.rxq_intr_fd(q);
}

int fl_rxq_intr_enable(struct fl_rxq *q)
{
	return q->port->ops.rxq_intr_enable(q);
}

int fl_rxq_intr_disable(struct fl_rxq *q)
{
	return q->port->ops.rxq_intr_disable(q);
}

/* sleeps on the fd until `end`; in slices, so that a device that goes away does not keep it */
static void sleep_on(struct fl_rxq *q, int fd, uint64_t end)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	while (!fl_dev_removed(q->port->dev)) {
		uint64_t now = fl_now_ns();
		uint64_t left = now < end ? (end - now + NS_PER_MS - 1) / NS_PER_MS : 0;
		int rc;

		if (!left)
			return;
		rc = poll(&pfd, 1, left < WAIT_SLICE_MS ? (int)left : WAIT_SLICE_MS);
		if (rc > 0 || (rc < 0 && errno != EINTR))
			return;
	}
}

uint16_t fl_rx_burst_wait(struct fl_rxq *q, struct fl_pkt **pkts, uint16_t n, uint64_t spin_ns,
			  int timeout_ms)
{
	uint64_t start = fl_now_ns(), end = UINT64_MAX;
	uint16_t got;
	int fd;

	do {
		got = fl_rx_burst(q, pkts, n);
		if (got || !n)
			return got;
		fl_pause();
	} while (fl_now_ns() - start < spin_ns);

	fd = fl_rxq_intr_fd(q);
	if (fd < 0 || timeout_ms == 0 || fl_rxq_intr_enable(q))
		return 0;
	if (timeout_ms > 0)
		end = fl_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
	/* what came before it was armed makes no interrupt */
	got = fl_rx_burst(q, pkts, n);
	if (!got)
		sleep_on(q, fd, end);
	if (fl_rxq_intr_disable(q) == 0 && !got)
		got = fl_rx_burst(q, pkts, n);
	return got;
}
