/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics, in the words that scripts look for. */
#include "fwd.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RULE "----------------------------------------------------------------------------"
#define PLUS "++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++"
#define HASH "############################################################################"

static uint64_t peek(const uint64_t *c)
{
	return __atomic_load_n(c, __ATOMIC_RELAXED);
}

void tp_stats_update(struct tp_port *p)
{
	struct fl_port_stats now;

	if (!fl_dev_removed(fl_port_dev(p->port)) && !fl_port_stats(p->port, &now))
		p->last = now;
}

void tp_stats_fwd(struct tp *tp, unsigned id, struct tp_totals *out)
{
	const struct fl_port_stats *l = &tp->ports[id].last, *b = &tp->ports[id].begun;

	*out = (struct tp_totals){
		.rx = l->rx_packets - b->rx_packets,
		.rx_missed = l->rx_missed - b->rx_missed,
		.rx_errors = l->rx_errors - b->rx_errors + l->rx_bad_desc - b->rx_bad_desc,
		.rx_nombuf = l->rx_nombuf - b->rx_nombuf,
		.tx = l->tx_packets - b->tx_packets,
		.tx_errors = l->tx_errors - b->tx_errors,
	};
	for (unsigned i = 0; i < tp->nstreams; i++) {
		const struct tp_stream *s = &tp->streams[i];

		if (s->tx_port == id)
			out->tx_dropped += peek(&s->dropped);
		if (s->rx_port == id) {
			out->bad_ip += peek(&s->bad_ip);
			out->bad_l4 += peek(&s->bad_l4);
		}
	}
}

void tp_stats_sum(struct tp *tp, struct tp_totals *sum)
{
	*sum = (struct tp_totals){ 0 };
	for (unsigned i = 0; i < tp->nfwd_ports; i++) {
		struct tp_totals t;

		tp_stats_fwd(tp, tp->fwd_ports[i], &t);
		sum->rx += t.rx;
		sum->rx_missed += t.rx_missed;
		sum->rx_errors += t.rx_errors;
		sum->rx_nombuf += t.rx_nombuf;
		sum->tx += t.tx;
		sum->tx_errors += t.tx_errors;
		sum->tx_dropped += t.tx_dropped;
	}
}

/** Millions of packets a second that were received, or sent where the mode receives none. */
double tp_stats_mpps(struct tp *tp, const struct tp_totals *t)
{
	uint64_t end = tp->forwarding ? fl_now_ns() : tp->ended_ns;
	uint64_t n = tp->mode && !tp->mode->rx ? t->tx : t->rx;

	return end > tp->begun_ns ? (double)n * 1e3 / (double)(end - tp->begun_ns) : 0;
}

/** Cycles of the rounds that moved something, by packet. */
double tp_stats_cycles(struct tp *tp)
{
	uint64_t busy = 0, n = 0;

	for (unsigned i = 0; i < tp->nworkers; i++)
		busy += peek(&tp->workers[i].busy);
	for (unsigned i = 0; i < tp->nstreams; i++) {
		uint64_t rx = peek(&tp->streams[i].rx), tx = peek(&tp->streams[i].tx);

		n += rx > tx ? rx : tx;
	}
	return n ? (double)busy / (double)n : 0;
}

static void show_totals(const struct tp_totals *t)
{
	printf("  RX-packets: %-14" PRIu64 " RX-dropped: %-13" PRIu64 " RX-total: %-" PRIu64 "\n",
	       t->rx, t->rx_missed, t->rx + t->rx_missed);
	if (t->rx_errors || t->rx_nombuf)
		printf("  RX-error: %-16" PRIu64 " RX-nombufs: %-13" PRIu64 "\n", t->rx_errors,
		       t->rx_nombuf);
	printf("  TX-packets: %-14" PRIu64 " TX-dropped: %-13" PRIu64 " TX-total: %-" PRIu64 "\n",
	       t->tx, t->tx_dropped, t->tx + t->tx_dropped);
}

static void show_bursts(const char *what, const uint64_t *hist, unsigned burst)
{
	uint64_t total = 0;

	for (unsigned i = 0; i <= burst; i++)
		total += peek(&hist[i]);
	printf("  %s-bursts : %" PRIu64, what, total);
	for (unsigned i = 0; total && i <= burst; i++) {
		uint64_t n = peek(&hist[i]);

		if (n * 100 >= total) /* what is rarer than 1 % says nothing */
			printf(" [%" PRIu64 "%% of %u pkts]", n * 100 / total, i);
	}
	printf("\n");
}

static void show_port_fwd(struct tp *tp, unsigned id)
{
	struct tp_totals t;

	tp_stats_fwd(tp, id, &t);
	printf("\n  ---------------------- Forward statistics for port %-2u ----------------------\n",
	       id);
	show_totals(&t);
	if (tp->mode && !strcmp(tp->mode->name, "csum"))
		printf("  Bad-ipcsum: %-14" PRIu64 " Bad-l4csum: %-14" PRIu64 "\n", t.bad_ip,
		       t.bad_l4);
	for (unsigned i = 0; i < tp->nstreams; i++) {
		const struct tp_stream *s = &tp->streams[i];

		if (s->rx_port == id && s->rx_hist)
			show_bursts("RX", s->rx_hist, s->burst);
		if (s->tx_port == id && s->tx_hist)
			show_bursts("TX", s->tx_hist, s->burst);
	}
	printf("  " RULE "\n");
}

void tp_show_fwd_stats(struct tp *tp)
{
	struct tp_totals sum;

	for (unsigned i = 0; i < tp->nfwd_ports; i++)
		show_port_fwd(tp, tp->fwd_ports[i]);
	tp_stats_sum(tp, &sum);
	printf("\n  +++++++++++++++ Accumulated forward statistics for all ports+++++++++++++++\n");
	show_totals(&sum);
	printf("  " PLUS "\n");
	if (tp->conf.record_cycles)
		printf("\n  CPU cycles/packet=%.2f (busy rounds only) - %.3f Mpps\n",
		       tp_stats_cycles(tp), tp_stats_mpps(tp, &sum));
	tp_show_residency_line(tp);
	printf("\n");
}

static void show_named_xstats(struct tp *tp, struct tp_port *p)
{
	int n = fl_port_xstats(p->port, NULL, 0), got;
	struct fl_xstat *x = n > 0 ? calloc((size_t)n, sizeof(*x)) : NULL;

	got = x ? fl_port_xstats(p->port, x, (unsigned)n) : 0;
	for (int i = 0; i < got && i < n; i++) {
		const char *at = strstr(tp->conf.xstats, x[i].name);
		size_t len = strlen(x[i].name);

		if (at && (at == tp->conf.xstats || at[-1] == ',') && (!at[len] || at[len] == ','))
			printf("  %-32s %" PRIu64 "\n", x[i].name, x[i].value);
	}
	free(x);
}

static bool has_xstat(struct fl_port *port, const char *name, size_t len)
{
	int n = fl_port_xstats(port, NULL, 0);
	struct fl_xstat *x = n > 0 ? calloc((size_t)n, sizeof(*x)) : NULL;
	bool found = false;

	n = x ? fl_port_xstats(port, x, (unsigned)n) : 0;
	for (int i = 0; i < n; i++)
		found |= strlen(x[i].name) == len && !memcmp(x[i].name, name, len);
	free(x);
	return found;
}

int tp_xstats_check(struct tp *tp)
{
	for (const char *at = tp->conf.xstats; at; at = *at ? at + 1 : NULL) {
		size_t len = strcspn(at, ",");
		bool found = false;

		tp_for_each_port(tp, i)
			found |= has_xstat(tp->ports[i].port, at, len);
		if (!found) {
			fprintf(stderr, "--display-xstats: no port has '%.*s' (show port xstats)\n",
				(int)len, at);
			return -EINVAL;
		}
		at += len;
	}
	return 0;
}

static uint64_t rate(uint64_t now, uint64_t before, uint64_t ns)
{
	return ns && now > before ? (uint64_t)((double)(now - before) * 1e9 / (double)ns) : 0;
}

void tp_show_nic_stats(struct tp *tp, unsigned id)
{
	struct tp_port *p = &tp->ports[id];
	uint64_t now = fl_now_ns(), ns = p->shown_ns ? now - p->shown_ns : 0;
	const struct fl_port_stats *s = &p->last, *o = &p->shown;

	tp_stats_update(p);
	printf("\n  ######################## NIC statistics for port %-2u ########################\n",
	       id);
	printf("  RX-packets: %-10" PRIu64 " RX-missed: %-10" PRIu64 " RX-bytes:  %-" PRIu64 "\n",
	       s->rx_packets, s->rx_missed, s->rx_bytes);
	printf("  RX-errors: %-" PRIu64 "\n", s->rx_errors + s->rx_bad_desc);
	printf("  RX-nombuf:  %-10" PRIu64 "\n", s->rx_nombuf);
	printf("  TX-packets: %-10" PRIu64 " TX-errors: %-10" PRIu64 " TX-bytes:  %-" PRIu64 "\n",
	       s->tx_packets, s->tx_errors, s->tx_bytes);
	printf("\n  Throughput (since last show)\n");
	printf("  Rx-pps: %12" PRIu64 "          Rx-bps: %12" PRIu64 "\n",
	       rate(s->rx_packets, o->rx_packets, ns), rate(s->rx_bytes, o->rx_bytes, ns) * 8);
	printf("  Tx-pps: %12" PRIu64 "          Tx-bps: %12" PRIu64 "\n",
	       rate(s->tx_packets, o->tx_packets, ns), rate(s->tx_bytes, o->tx_bytes, ns) * 8);
	if (tp->conf.xstats)
		show_named_xstats(tp, p);
	printf("  " HASH "\n");
	p->shown = *s;
	p->shown_ns = now;
}

/* ---- one live line on a terminal ------------------------------------------------------ */

void tp_show_live(struct tp *tp)
{
	uint64_t now = fl_now_ns(), rx = 0, dropped = 0;
	struct tp_residency r;

	for (unsigned i = 0; i < tp->nstreams; i++) {
		uint64_t in = peek(&tp->streams[i].rx), out = peek(&tp->streams[i].tx);

		rx += tp->mode->rx ? in : out;
		dropped += peek(&tp->streams[i].dropped);
	}
	if (tp_residency_read(tp, &r))
		return;
	printf("\r%6.1f s  %8.3f Mpps  %" PRIu64 " packets  %" PRIu64 " dropped  %s: %" PRIu64
	       " KiB locked, %" PRIu64 " mapped, %" PRIu64 " misses\033[K",
	       (double)(now - tp->begun_ns) / 1e9,
	       (double)(rx - tp->live_rx) * 1e3 / (double)(now - tp->live_ns), rx, dropped, r.name,
	       (r.mem.vm_lck + r.mem.vm_pin) >> 10, r.dma.mapped_bytes >> 10, r.lazy.misses);
	fflush(stdout);
	tp->live_rx = rx;
	tp->live_ns = now;
	tp->live_shown = true;
}

void tp_end_live(struct tp *tp)
{
	if (tp->live_shown)
		printf("\n");
	tp->live_shown = false;
}
