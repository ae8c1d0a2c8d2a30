/* SPDX-License-Identifier: BSD-3-Clause */
/* Forwarding: streams are laid out by topology, shared among workers, started and stopped. */
#include "fwd.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FLOWS	     1024u
#define YIELD_ROUNDS 1024u  /* empty rounds before what else wants the CPU may have it */
#define IDLE_ROUNDS  20480u /* with --rx-intr: and before a worker sleeps */
#define SLEEP_MS     1000
#define FLUSH_ROUNDS 64

/* ---- workers -------------------------------------------------------------------------- */

static unsigned one_round(struct tp_worker *w, uint16_t (*round)(struct tp_stream *))
{
	unsigned work = 0;

	for (unsigned i = 0; i < w->nlive; i++)
		work += round(w->streams[i]);
	return work;
}

/** Arms every queue, looks once more, then sleeps until one has packets or the worker must stop. */
static void sleep_for_packets(struct tp_worker *w)
{
	struct pollfd fds[w->nlive + 1];
	unsigned n = 0;

	for (; n < w->nlive; n++) {
		fds[n] = (struct pollfd){ fl_rxq_intr_fd(w->streams[n]->rxq), POLLIN, 0 };
		if (fds[n].fd < 0 || fl_rxq_intr_enable(w->streams[n]->rxq))
			break;
	}
	fds[n] = (struct pollfd){ w->wake_fd, POLLIN, 0 };
	if (n == w->nlive && !one_round(w, w->tp->mode->round))
		poll(fds, n + 1, SLEEP_MS);
	while (n--)
		if (fl_rxq_intr_disable(w->streams[n]->rxq))
			return; /* gone: the main thread hears of it */
}

static void *worker_main(void *arg)
{
	struct tp_worker *w = arg;
	uint16_t (*round)(struct tp_stream *) = w->tp->mode->round;
	bool may_sleep = w->tp->conf.rx_intr && w->tp->mode->rx && w->nlive;
	unsigned empty = 0;
	uint64_t last;

	for (; w->tx_first; w->tx_first--)
		one_round(w, tp_gen_round);
	last = fl_cycles();
	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		unsigned work = one_round(w, round);
		uint64_t now = fl_cycles();

		tp_count(work ? &w->busy : &w->idle, now - last);
		last = now;
		if (work) {
			if (fl_unlikely(!w->first_ns))
				w->first_ns = fl_now_ns();
			empty = 0;
		} else if (fl_unlikely(++empty % YIELD_ROUNDS == 0)) {
			/* that may be the model which the packets are to come from */
			if (!may_sleep || empty < IDLE_ROUNDS) {
				sched_yield();
			} else {
				sleep_for_packets(w);
				empty = 0;
			}
			last = fl_cycles();
		}
	}
	return NULL;
}

static void worker_pin(struct tp_worker *w, pthread_attr_t *attr)
{
	cpu_set_t set;

	if (w->cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned)w->cpu, &set);
	pthread_attr_setaffinity_np(attr, sizeof(set), &set);
}

static int worker_launch(struct tp_worker *w)
{
	pthread_attr_t attr;
	uint64_t drop;
	int ret;

	for (unsigned i = w->nlive = 0; i < w->nstreams; i++) {
		struct tp_stream *s = w->streams[i];

		if (s->dead)
			continue;
		/* live ones first; the others keep their counters behind them */
		w->streams[i] = w->streams[w->nlive];
		w->streams[w->nlive++] = s;
		s->rxq = fl_port_rxq(w->tp->ports[s->rx_port].port, s->rx_qid);
		s->txq = fl_port_txq(w->tp->ports[s->tx_port].port, s->tx_qid);
	}
	w->stop = false;
	if (!w->nlive)
		return 0; /* nothing to do until a port comes back */
	if (read(w->wake_fd, &drop, sizeof(drop)) < 0 && errno != EAGAIN)
		return -errno;
	pthread_attr_init(&attr);
	worker_pin(w, &attr);
	ret = -pthread_create(&w->thread, &attr, worker_main, w);
	pthread_attr_destroy(&attr);
	if (ret)
		fprintf(stderr, "No forwarding thread on CPU %d: %s\n", w->cpu,
			ret == -EINVAL ? "this process may not run there (--cores)"
				       : strerror(-ret));
	w->running = ret == 0;
	return ret;
}

static void workers_stop(struct tp *tp)
{
	for (unsigned i = 0; i < tp->nworkers; i++) {
		__atomic_store_n(&tp->workers[i].stop, true, __ATOMIC_RELAXED);
		eventfd_write(tp->workers[i].wake_fd, 1);
	}
	for (unsigned i = 0; i < tp->nworkers; i++) {
		if (tp->workers[i].running)
			pthread_join(tp->workers[i].thread, NULL);
		tp->workers[i].running = false;
	}
}

void tp_fwd_pause(struct tp *tp)
{
	if (tp->forwarding)
		workers_stop(tp);
}

int tp_fwd_resume(struct tp *tp)
{
	int ret = 0;

	for (unsigned i = 0; tp->forwarding && !ret && i < tp->nworkers; i++)
		ret = worker_launch(&tp->workers[i]);
	return ret;
}

/* ---- layout --------------------------------------------------------------------------- */

void tp_fwd_ports(struct tp *tp, uint64_t mask)
{
	tp->nfwd_ports = 0;
	tp_for_each_port(tp, i)
		if (mask & 1ull << i)
			tp->fwd_ports[tp->nfwd_ports++] = i;
}

static bool usable(const struct tp_port *p)
{
	return p->port && !p->removed && fl_port_started(p->port);
}

void tp_fwd_mark(struct tp *tp)
{
	for (unsigned i = 0; i < tp->nstreams; i++) {
		struct tp_stream *s = &tp->streams[i];

		s->dead = !usable(&tp->ports[s->rx_port]) || !usable(&tp->ports[s->tx_port]);
	}
}

bool tp_port_forwards(const struct tp *tp, unsigned id)
{
	for (unsigned i = 0; tp->forwarding && i < tp->nstreams; i++)
		if (!tp->streams[i].dead &&
		    (tp->streams[i].rx_port == id || tp->streams[i].tx_port == id))
			return true;
	return false;
}

/** Position, among the forwarding ports, of the one that position i sends to. */
static unsigned peer_of(const struct tp *tp, const struct tp_mode *mode, unsigned i)
{
	if (mode->echo || tp->conf.topology == TP_LOOP)
		return i;
	if (tp->conf.topology == TP_CHAINED)
		return (i + 1) % tp->nfwd_ports;
	return (i ^ 1) < tp->nfwd_ports ? i ^ 1 : i;
}

static int stream_init(struct tp *tp, struct tp_stream *s, unsigned rx, unsigned tx, uint16_t q)
{
	const struct tp_port *out = &tp->ports[tx];

	s->rx_port = (uint16_t)rx;
	s->tx_port = (uint16_t)tx;
	s->rx_qid = q;
	s->tx_qid = (uint16_t)(q % out->txq);
	s->pool = tp->pool;
	s->burst = (uint16_t)tp->conf.burst;
	s->verbose = (unsigned)tp->conf.verbose;
	s->tx_vlan_on = out->tx_vlan_on;
	s->tx_vlan = out->tx_vlan;
	s->csum_hw = out->csum_hw;
	s->tso = out->tso;
	s->src = out->mac;
	s->dst = tp->conf.peers[tx];
	s->tx_segs = tp->conf.tx_segs;
	s->ntx_segs = tp->conf.ntx_segs;
	s->nflows = tp->conf.multi_flow || !strcmp(tp->mode->name, "flowgen") ? FLOWS : 1;
	tp_gen_init(s);
	if (!tp->conf.record_bursts)
		return 0;
	s->rx_hist = calloc(s->burst + 1u, sizeof(*s->rx_hist));
	s->tx_hist = calloc(s->burst + 1u, sizeof(*s->tx_hist));
	return s->rx_hist && s->tx_hist ? 0 : -ENOMEM;
}

void tp_fwd_free(struct tp *tp)
{
	for (unsigned i = 0; i < tp->nstreams; i++) {
		free(tp->streams[i].rx_hist);
		free(tp->streams[i].tx_hist);
	}
	for (unsigned i = 0; i < tp->nworkers; i++)
		close(tp->workers[i].wake_fd);
	free(tp->streams);
	free(tp->order);
	free(tp->workers);
	tp->streams = NULL;
	tp->order = NULL;
	tp->workers = NULL;
	tp->nstreams = tp->nworkers = 0;
}

static int layout_streams(struct tp *tp)
{
	unsigned n = 0;

	for (unsigned i = 0; i < tp->nfwd_ports; i++)
		n += tp->ports[tp->fwd_ports[i]].rxq;
	tp->streams = aligned_alloc(FL_CACHE_LINE, n * sizeof(*tp->streams));
	tp->order = calloc(n, sizeof(*tp->order));
	if (!tp->streams || !tp->order)
		return -ENOMEM;
	memset(tp->streams, 0, n * sizeof(*tp->streams));
	for (unsigned i = 0; i < tp->nfwd_ports; i++) {
		unsigned rx = tp->fwd_ports[i], tx = tp->fwd_ports[peer_of(tp, tp->mode, i)];

		for (uint16_t q = 0; q < tp->ports[rx].rxq; q++) {
			struct tp_stream *s = &tp->streams[tp->nstreams];

			tp->order[tp->nstreams++] = s;
			if (stream_init(tp, s, rx, tx, q))
				return -ENOMEM;
		}
	}
	return 0;
}

/** A transmit queue has one user: where streams have to share one, a single worker runs them. */
static unsigned core_count(const struct tp *tp, const struct tp_mode *mode, unsigned nstreams)
{
	const unsigned *fwd = tp->fwd_ports;

	for (unsigned i = 0; i < tp->nfwd_ports; i++)
		if (tp->ports[fwd[i]].rxq > tp->ports[fwd[peer_of(tp, mode, i)]].txq)
			return 1;
	return tp->conf.nb_cores < nstreams ? (unsigned)tp->conf.nb_cores : nstreams;
}

static int layout_workers(struct tp *tp, uint64_t tx_first)
{
	unsigned want = core_count(tp, tp->mode, tp->nstreams), given = 0;

	tp->workers = aligned_alloc(FL_CACHE_LINE, want * sizeof(*tp->workers));
	if (!tp->workers)
		return -ENOMEM;
	memset(tp->workers, 0, want * sizeof(*tp->workers));
	for (unsigned i = 0; i < want; i++) {
		struct tp_worker *w = &tp->workers[tp->nworkers++];

		w->tp = tp;
		w->cpu = i < tp->conf.ncores ? (int)tp->conf.cores[i] : -1;
		w->tx_first = tx_first;
		w->streams = tp->order + given;
		w->nstreams = (tp->nstreams - given) / (want - i);
		given += w->nstreams;
		w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (w->wake_fd < 0)
			return -errno;
	}
	return 0;
}

static void describe_streams(const struct tp *tp, unsigned rx, unsigned tx)
{
	const struct tp_port *in = &tp->ports[rx], *out = &tp->ports[tx];
	const uint8_t *m = tp->conf.peers[tx].b;

	for (unsigned q = 0; q < in->rxq; q++)
		printf("  RX P=%u/Q=%u%s -> TX P=%u/Q=%u%s peer=%02X:%02X:%02X:%02X:%02X:%02X\n",
		       rx, q, in->removed ? " (removed)" : "", tx, q % out->txq,
		       out->removed ? " (removed)" : "", m[0], m[1], m[2], m[3], m[4], m[5]);
}

void tp_fwd_describe(const struct tp *tp)
{
	const struct tp_mode *mode = tp->forwarding ? tp->mode : tp_mode_find(tp->conf.mode);
	unsigned nstreams = 0, cores;

	for (unsigned i = 0; i < tp->nfwd_ports; i++)
		nstreams += tp->ports[tp->fwd_ports[i]].rxq;
	cores = core_count(tp, mode, nstreams);
	printf("%s packet forwarding - ports=%u - cores=%u - streams=%u - MP allocation mode: %s\n",
	       mode->name, tp->nfwd_ports, cores, nstreams, tp_mp_alloc_names[tp->conf.mp_alloc]);
	for (unsigned i = 0; i < cores && i < tp->conf.ncores; i++)
		printf("Logical Core %u forwards packets on %u streams\n", tp->conf.cores[i],
		       nstreams / cores + (cores - i <= nstreams % cores));
	for (unsigned i = 0; i < tp->nfwd_ports; i++)
		describe_streams(tp, tp->fwd_ports[i], tp->fwd_ports[peer_of(tp, mode, i)]);
	printf("\n");
}

/** Drops what arrived since the last stop, a bounded amount of it. */
static void flush_rx(struct tp *tp)
{
	struct fl_pkt *pkts[TP_MAX_BURST];

	for (unsigned i = 0; i < tp->nfwd_ports; i++) {
		const struct tp_port *p = &tp->ports[tp->fwd_ports[i]];

		for (uint16_t q = 0; !p->removed && q < p->rxq; q++) {
			struct fl_rxq *rxq = fl_port_rxq(p->port, q);
			uint16_t n;

			for (int r = 0; r < FLUSH_ROUNDS; r++) {
				n = fl_rx_burst(rxq, pkts, TP_MAX_BURST);
				if (!n)
					break;
				fl_pkt_free_bulk(pkts, n);
			}
		}
	}
}

/* ---- start and stop ------------------------------------------------------------------- */

static int ready(struct tp *tp)
{
	if (tp->forwarding) {
		fprintf(stderr, "Packet forwarding already started\n");
		return -EBUSY;
	}
	if (!tp->nfwd_ports) {
		fprintf(stderr, "No port to forward between (-a URI, or: port attach URI)\n");
		return -ENODEV;
	}
	for (unsigned i = 0; i < tp->conf.ntx_segs; i++) {
		if (tp->conf.tx_segs[i] > fl_pool_data_room(tp->pool)) {
			fprintf(stderr, "txpkts: a segment of %u bytes needs --mbuf-size=%u\n",
				tp->conf.tx_segs[i], tp->conf.tx_segs[i] + FL_PKT_HEADROOM);
			return -EINVAL;
		}
	}
	for (unsigned i = 0; i < tp->nfwd_ports; i++) {
		const struct tp_port *p = &tp->ports[tp->fwd_ports[i]];

		if (!p->removed && !fl_port_started(p->port)) {
			fprintf(stderr, "Port %u is stopped (port start %u)\n", tp->fwd_ports[i],
				tp->fwd_ports[i]);
			return -ENETDOWN;
		}
	}
	return 0;
}

int tp_fwd_start(struct tp *tp, uint64_t tx_first)
{
	int ret = ready(tp);

	if (ret)
		return ret;
	tp->mode = tp_mode_find(tp->conf.mode);
	tp_fwd_free(tp);
	ret = layout_streams(tp);
	if (!ret)
		ret = layout_workers(tp, tx_first);
	if (ret) {
		fprintf(stderr, "Cannot lay out streams: %s\n", strerror(-ret));
		tp_fwd_free(tp);
		return ret;
	}
	if (tp->ran && !tp->conf.no_flush_rx)
		flush_rx(tp);
	tp_fwd_mark(tp);
	tp_fwd_describe(tp);
	fflush(stdout);
	tp_for_each_port(tp, i) {
		tp_stats_update(&tp->ports[i]);
		tp->ports[i].begun = tp->ports[i].last;
	}
	tp->begun_ns = fl_now_ns();
	tp->live_rx = 0;
	tp->live_ns = tp->begun_ns;
	tp->forwarding = tp->ran = true;
	ret = tp_fwd_resume(tp);
	if (ret) {
		workers_stop(tp);
		tp->forwarding = false;
	}
	return ret;
}

int tp_fwd_stop(struct tp *tp)
{
	if (!tp->forwarding) {
		fprintf(stderr, "Packet forwarding not started\n");
		return -EALREADY;
	}
	tp_end_live(tp);
	printf("Telling cores to stop...\n");
	printf("Waiting for lcores to finish...\n");
	workers_stop(tp);
	tp->ended_ns = fl_now_ns();
	tp_for_each_port(tp, i)
		tp_stats_update(&tp->ports[i]);
	tp->forwarding = false;
	tp_show_fwd_stats(tp);
	printf("Done.\n");
	fflush(stdout);
	return 0;
}
