/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Statistics. The chip's counters are 32 bits wide and clear when they are read: each reading is
 * added to a 64-bit one. (Of QEMU's 82540 two do not clear: see fresh().) Packets and bytes of the
 * port are counted by the queues, so that they are what the user was given, and survive a reset or
 * a removal.
 */
#include <stdio.h>
#include <string.h>

#include "e1000_internal.h"

static const struct {
	const char *name;
	uint32_t off;
	bool wide;  /* a second register above holds bits 63:32; reading that one clears both */
	bool stays; /* somewhere reading does not clear it */
	bool pcie;  /* on those chips only */
} counters[] = {
	{ "rx_good_packets", E1000_GPRC },
	{ "tx_good_packets", E1000_GPTC },
	{ "rx_good_bytes", E1000_GORCL, true },
	{ "tx_good_bytes", E1000_GOTCL, true },
	{ "rx_missed_packets", E1000_MPC, .stays = true },
	{ "rx_no_buffer", E1000_RNBC, .stays = true },
	{ "rx_crc_errors", E1000_CRCERRS },
	{ "rx_align_errors", E1000_ALGNERRC },
	{ "rx_symbol_errors", E1000_SYMERRS },
	{ "rx_errors", E1000_RXERRC },
	{ "rx_length_errors", E1000_RLEC },
	{ "rx_undersize_errors", E1000_RUC },
	{ "rx_oversize_errors", E1000_ROC },
	{ "rx_fragment_errors", E1000_RFC },
	{ "rx_jabber_errors", E1000_RJC },
	{ "rx_sequence_errors", E1000_SEC },
	{ "rx_carrier_ext_errors", E1000_CEXTERR },
	{ "tx_single_collisions", E1000_SCC },
	{ "tx_multiple_collisions", E1000_MCC },
	{ "tx_excess_collisions", E1000_ECOL },
	{ "tx_late_collisions", E1000_LATECOL },
	{ "tx_collisions", E1000_COLC },
	{ "tx_deferred", E1000_DC },
	{ "tx_no_carrier", E1000_TNCRS },
	{ "rx_xon_packets", E1000_XONRXC },
	{ "tx_xon_packets", E1000_XONTXC },
	{ "rx_xoff_packets", E1000_XOFFRXC },
	{ "tx_xoff_packets", E1000_XOFFTXC },
	{ "rx_flow_control_unsupported", E1000_FCRUC },
	{ "rx_size_64_packets", E1000_PRC64 },
	{ "rx_size_65_to_127_packets", E1000_PRC127 },
	{ "rx_size_128_to_255_packets", E1000_PRC255 },
	{ "rx_size_256_to_511_packets", E1000_PRC511 },
	{ "rx_size_512_to_1023_packets", E1000_PRC1023 },
	{ "rx_size_1024_to_max_packets", E1000_PRC1522 },
	{ "rx_broadcast_packets", E1000_BPRC },
	{ "rx_multicast_packets", E1000_MPRC },
	{ "rx_management_packets", E1000_MGTPRC },
	{ "rx_management_dropped", E1000_MGTPDC },
	{ "tx_management_packets", E1000_MGTPTC },
	{ "rx_total_bytes", E1000_TORL, true },
	{ "tx_total_bytes", E1000_TOTL, true },
	{ "rx_total_packets", E1000_TPR },
	{ "tx_total_packets", E1000_TPT },
	{ "tx_size_64_packets", E1000_PTC64 },
	{ "tx_size_65_to_127_packets", E1000_PTC127 },
	{ "tx_size_128_to_255_packets", E1000_PTC255 },
	{ "tx_size_256_to_511_packets", E1000_PTC511 },
	{ "tx_size_512_to_1023_packets", E1000_PTC1023 },
	{ "tx_size_1024_to_max_packets", E1000_PTC1522 },
	{ "tx_multicast_packets", E1000_MPTC },
	{ "tx_broadcast_packets", E1000_BPTC },
	{ "tx_tso_packets", E1000_TSCTC },
	{ "tx_tso_errors", E1000_TSCTFC },
	{ "interrupts_asserted", E1000_IAC, .pcie = true },
	{ "rx_overrun_interrupts", E1000_ICRXOC, .pcie = true },
};

_Static_assert(FL_ARRAY_SIZE(counters) <= E1000_STATS, "room for all accumulators");

static bool has(const struct fl_e1000 *e, unsigned i)
{
	return e->v->pcie || !counters[i].pcie;
}

/* what a counter has counted since it was read last, read twice: was it cleared by the first? */
static uint32_t fresh(uint32_t *raw, uint32_t v, uint32_t again)
{
	uint32_t was = again < *raw ? 0 : *raw;

	*raw = again;
	if (again >= v)
		return again - was;
	*raw = 0;
	return v + again;
}

static void harvest_one(struct fl_e1000 *e, unsigned i)
{
	uint64_t v = fl_e1000_rd(e, counters[i].off);

	if (counters[i].wide)
		v |= (uint64_t)fl_e1000_rd(e, counters[i].off + 4) << 32;
	if (counters[i].stays) {
		uint32_t again = fl_e1000_rd(e, counters[i].off);

		v = again == UINT32_MAX ? again : fresh(&e->stats.raw[i], (uint32_t)v, again);
	}
	/* all ones is what a device that is gone reads as, and no count that can be reached */
	if ((uint32_t)v != UINT32_MAX)
		e->stats.value[i] += v;
}

/* before a reset clears the counters, or to answer a user */
void fl_e1000_stats_harvest(struct fl_e1000 *e)
{
	if (fl_dev_removed(e->port.dev))
		return;
	for (unsigned i = 0; i < FL_ARRAY_SIZE(counters); i++) {
		if (has(e, i))
			harvest_one(e, i);
	}
}

/* what stood in the counters before the port was started is not ours */
void fl_e1000_stats_clear_hw(struct fl_e1000 *e)
{
	for (unsigned i = 0; i < FL_ARRAY_SIZE(counters); i++) {
		uint64_t value = e->stats.value[i];

		if (has(e, i))
			harvest_one(e, i);
		e->stats.value[i] = value;
	}
}

/* reads just the counters of one port statistic; returns their sum since the last reset */
static uint64_t sum_of(struct fl_e1000 *e, const uint32_t *offs, unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < FL_ARRAY_SIZE(counters); i++) {
		for (unsigned k = 0; k < n; k++) {
			if (counters[i].off != offs[k])
				continue;
			if (!fl_dev_removed(e->port.dev))
				harvest_one(e, i);
			sum += e->stats.value[i] - e->stats.base[i];
		}
	}
	return sum;
}

static uint64_t load(const uint64_t *v)
{
	return __atomic_load_n(v, __ATOMIC_RELAXED);
}

static void add_rx(struct fl_port_stats *s, const struct fl_rxq *fq)
{
	const struct fl_e1000_qstats *q = &((const struct fl_e1000_rxq *)fq)->stats;

	s->rx_packets += load(&q->packets);
	s->rx_bytes += load(&q->bytes);
	s->rx_errors += load(&q->errors);
	s->rx_nombuf += load(&q->nombuf);
	s->rx_bad_desc += load(&q->bad_desc);
}

static void add_tx(struct fl_port_stats *s, const struct fl_txq *fq)
{
	const struct fl_e1000_qstats *q = &((const struct fl_e1000_txq *)fq)->stats;

	s->tx_packets += load(&q->packets);
	s->tx_bytes += load(&q->bytes);
	s->tx_errors += load(&q->errors);
}

/* a queue goes, what it counted stays in the port's sums */
void fl_e1000_stats_retire_rx(struct fl_rxq *q)
{
	add_rx(&fl_e1000_of(q->port)->retired, q);
}

void fl_e1000_stats_retire_tx(struct fl_txq *q)
{
	add_tx(&fl_e1000_of(q->port)->retired, q);
}

static void sum_queues(struct fl_e1000 *e, struct fl_port_stats *s)
{
	*s = e->retired;
	for (unsigned i = 0; e->port.rxq && i < e->port.conf.nb_rxq; i++) {
		if (e->port.rxq[i])
			add_rx(s, e->port.rxq[i]);
	}
	for (unsigned i = 0; e->port.txq && i < e->port.conf.nb_txq; i++) {
		if (e->port.txq[i])
			add_tx(s, e->port.txq[i]);
	}
}

int fl_e1000_stats(struct fl_port *p, struct fl_port_stats *out)
{
	static const uint32_t missed[] = { E1000_MPC };
	/* RLEC may be wrong on the 82574: length errors are RUC + ROC */
	static const uint32_t rx_bad[] = { E1000_CRCERRS, E1000_RXERRC, E1000_ALGNERRC,
					   E1000_CEXTERR, E1000_RUC,	E1000_ROC };
	static const uint32_t tx_bad[] = { E1000_ECOL, E1000_LATECOL };
	struct fl_e1000 *e = fl_e1000_of(p);
	const struct fl_port_stats *b = &e->sw_base;

	sum_queues(e, out);
	out->rx_packets -= b->rx_packets;
	out->rx_bytes -= b->rx_bytes;
	out->rx_errors -= b->rx_errors;
	out->rx_nombuf -= b->rx_nombuf;
	out->rx_bad_desc -= b->rx_bad_desc;
	out->tx_packets -= b->tx_packets;
	out->tx_bytes -= b->tx_bytes;
	out->tx_errors -= b->tx_errors;
	out->rx_missed = sum_of(e, missed, FL_ARRAY_SIZE(missed));
	out->rx_errors += sum_of(e, rx_bad, FL_ARRAY_SIZE(rx_bad));
	out->tx_errors += sum_of(e, tx_bad, FL_ARRAY_SIZE(tx_bad));
	return 0;
}

int fl_e1000_stats_reset(struct fl_port *p)
{
	struct fl_e1000 *e = fl_e1000_of(p);

	sum_queues(e, &e->sw_base);
	for (unsigned i = 0; p->rxq && i < p->conf.nb_rxq; i++) {
		struct fl_e1000_rxq *q = (struct fl_e1000_rxq *)p->rxq[i];

		if (q)
			fl_stats_read(&q->base, &q->stats, sizeof(q->base));
	}
	for (unsigned i = 0; p->txq && i < p->conf.nb_txq; i++) {
		struct fl_e1000_txq *q = (struct fl_e1000_txq *)p->txq[i];

		if (q)
			fl_stats_read(&q->base, &q->stats, sizeof(q->base));
	}
	return fl_e1000_xstats_reset(p);
}

int fl_e1000_xstats(struct fl_port *p, struct fl_xstat *out, unsigned max)
{
	struct fl_e1000 *e = fl_e1000_of(p);
	unsigned n = 0;

	if (max)
		fl_e1000_stats_harvest(e);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(counters); i++) {
		if (!has(e, i))
			continue;
		if (n < max) {
			snprintf(out[n].name, sizeof(out[n].name), "%s", counters[i].name);
			out[n].value = e->stats.value[i] - e->stats.base[i];
		}
		n++;
	}
	return (int)n;
}

int fl_e1000_xstats_reset(struct fl_port *p)
{
	struct fl_e1000 *e = fl_e1000_of(p);

	fl_e1000_stats_harvest(e);
	memcpy(e->stats.base, e->stats.value, sizeof(e->stats.base));
	return 0;
}

static void queue_stats(const struct fl_e1000_qstats *s, const struct fl_e1000_qstats *b,
			struct fl_queue_stats *out)
{
	out->packets = load(&s->packets) - b->packets;
	out->bytes = load(&s->bytes) - b->bytes;
	out->errors = load(&s->errors) + load(&s->bad_desc) - b->errors - b->bad_desc;
	out->nombuf = load(&s->nombuf) - b->nombuf;
}

int fl_e1000_rxq_stats(struct fl_rxq *fq, struct fl_queue_stats *out)
{
	const struct fl_e1000_rxq *q = (struct fl_e1000_rxq *)fq;

	queue_stats(&q->stats, &q->base, out);
	return 0;
}

int fl_e1000_txq_stats(struct fl_txq *fq, struct fl_queue_stats *out)
{
	const struct fl_e1000_txq *q = (struct fl_e1000_txq *)fq;

	queue_stats(&q->stats, &q->base, out);
	return 0;
}
