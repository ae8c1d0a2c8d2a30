/* SPDX-License-Identifier: BSD-3-Clause */
/* What every forward mode does with its stream: receive, send, count. No system calls here. */
#ifndef TESTPMD_FWD_H
#define TESTPMD_FWD_H

#include "testpmd.h"

/** Adds to a counter of this thread that others read. */
static inline void tp_count(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, *c + n, __ATOMIC_RELAXED);
}

static inline uint16_t tp_rx(struct tp_stream *s, struct fl_pkt **pkts)
{
	uint16_t n = fl_rx_burst(s->rxq, pkts, s->burst);

	if (s->rx_hist)
		tp_count(&s->rx_hist[n], 1);
	if (!n)
		return 0;
	tp_count(&s->rx, n);
	if (fl_unlikely(s->verbose & 1))
		tp_dump_pkts(s, pkts, n, true);
	return n;
}

/** Sends what the device takes and frees the rest, which counts as dropped. */
static inline void tp_tx(struct tp_stream *s, struct fl_pkt **pkts, uint16_t n)
{
	uint16_t sent;

	if (fl_unlikely(s->tx_vlan_on)) {
		for (uint16_t i = 0; i < n; i++) {
			pkts[i]->flags |= FL_TX_VLAN;
			pkts[i]->vlan_tci = s->tx_vlan;
		}
	}
	if (fl_unlikely(s->verbose & 2))
		tp_dump_pkts(s, pkts, n, false);
	sent = fl_tx_burst(s->txq, pkts, n);
	if (s->tx_hist)
		tp_count(&s->tx_hist[sent], 1);
	tp_count(&s->tx, sent);
	if (fl_unlikely(sent < n)) {
		fl_pkt_free_bulk(pkts + sent, (uint16_t)(n - sent));
		tp_count(&s->dropped, (uint64_t)(n - sent));
	}
}

uint16_t tp_round_csum(struct tp_stream *s);
uint16_t tp_round_icmpecho(struct tp_stream *s);

#endif
