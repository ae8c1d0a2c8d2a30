/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fl-testpmd: forwards packets between ports and shows what a port can do.
 *
 * The main thread is the control plane: options, commands, events, statistics. It sleeps in
 * tp_wait(). Forwarding threads ("workers", fwd.c) run streams: a receive queue joined to a
 * transmit queue. Whatever would disturb a queue in use happens between tp_fwd_pause() and
 * tp_fwd_resume(), while no worker exists.
 */
#ifndef TESTPMD_H
#define TESTPMD_H

#include "../common/residency.h"
#include "../common/telemetry.h"

#include <fl_net.h>

#include <pthread.h>

#define TP_MAX_PORTS 32u
#define TP_MAX_CORES 64u
#define TP_MAX_BURST 512u
#define TP_MAX_SEGS  16u
#define TP_MAX_MCAST 256u

enum tp_topology { TP_PAIRED, TP_CHAINED, TP_LOOP };
enum tp_mp_alloc { TP_MP_NATIVE, TP_MP_ANON, TP_MP_XMEM, TP_MP_XMEMHUGE };

/** What the command line and the `set` and `port config all` commands say. */
struct tp_conf {
	const char *uris[TP_MAX_PORTS];
	unsigned nuris;
	struct fl_mac peers[TP_MAX_PORTS]; /* --eth-peer; 02:00:00:00:00:N by default */
	unsigned cores[TP_MAX_CORES];	   /* CPUs of the workers */
	unsigned ncores;
	uint64_t portmask;
	uint16_t tx_segs[TP_MAX_SEGS];
	unsigned ntx_segs;
	uint64_t offloads; /* --rx-offloads, --tx-offloads and their short forms */

	const char *mode;
	uint64_t nb_cores, rxq, txq, rxd, txd, burst;
	uint64_t mbuf_size, mbufs, mbcache, max_pkt_len;
	uint64_t tx_first, stats_period, duration_ns;
	uint64_t verbose;
	int model_cpu;
	enum tp_topology topology;
	enum tp_mp_alloc mp_alloc;
	struct app_residency residency;
	struct app_telemetry telemetry;
	enum fl_log_level log_level;
	enum fl_irq_kind irq;
	bool interactive, auto_start, multi_flow, no_flush_rx, no_lsc, hot_plug, rx_intr;
	bool record_cycles, record_bursts, no_start;
	const char *xstats; /* comma list of names */
	const char *cmdline_file, *json;
};

struct tp_port {
	struct fl_port *port; /* NULL = free slot */
	char *uri;
	struct fl_port_info info;
	struct fl_mac mac;
	uint64_t offloads;
	uint16_t rxq, txq, rxd, txd, mtu;
	bool conf_due; /* configure before the next start */
	bool removed;
	bool plug_tried;  /* why it is not back was said */
	unsigned events;  /* bits 1 << enum fl_port_event, set by the handler */
	unsigned csum_hw; /* FL_TX_*_CSUM: left to the device in csum mode */
	uint16_t tso;	  /* bytes of TCP in a piece that the device cuts, 0 = none */
	bool tx_vlan_on;
	uint16_t tx_vlan;
	bool rss_set;
	uint32_t speeds; /* FL_SPEED_*, 0 = all */
	struct fl_rss_conf rss;
	struct fl_mac mcast[TP_MAX_MCAST];
	unsigned nmcast;
	/* counters: as last read, when forwarding began, and when last shown */
	struct fl_port_stats last, begun, shown;
	uint64_t shown_ns;
};

struct tp;
struct tp_stream;

/** A forward mode. round() runs once a loop of a worker; returns how many packets it moved. */
struct tp_mode {
	const char *name, *help;
	uint16_t (*round)(struct tp_stream *s);
	bool rx, tx;
	bool echo; /* answers on the port that it hears */
};
extern const struct tp_mode tp_modes[]; /* ends with name NULL */
const struct tp_mode *tp_mode_find(const char *name);

/** Counters have one writer (the worker); the main thread reads them at any time. */
struct tp_stream {
	struct fl_rxq *rxq;
	struct fl_txq *txq;
	struct fl_pool *pool;
	uint16_t burst;
	uint16_t rx_port, rx_qid, tx_port, tx_qid;
	bool tx_vlan_on;
	uint16_t tx_vlan;
	unsigned verbose, csum_hw;
	uint16_t tso;
	struct fl_mac src, dst;	 /* of what a mode makes: port's own, peer's */
	const uint16_t *tx_segs; /* lengths, from tp_conf */
	unsigned ntx_segs, nflows, flow;
	uint8_t tmpl[64];  /* headers of generated packets */
	uint32_t tmpl_sum; /* their IPv4 sum without the source address */

	uint64_t rx FL_CACHE_ALIGNED; /* what the worker writes begins a line of its own */
	uint64_t tx, dropped, bad_ip, bad_l4;
	uint64_t *rx_hist, *tx_hist; /* [burst + 1] with --record-burst-stats */
	bool dead;		     /* one of its ports has gone */
} FL_CACHE_ALIGNED;

struct tp_worker {
	pthread_t thread;
	struct tp *tp;
	int cpu; /* -1 = any */
	int wake_fd;
	uint64_t tx_first;
	struct tp_stream **streams;
	unsigned nstreams, nlive;
	bool running;
	uint64_t busy FL_CACHE_ALIGNED; /* cycles */
	uint64_t idle, first_ns;	/* cycles, CLOCK_MONOTONIC */
	bool stop FL_CACHE_ALIGNED;
} FL_CACHE_ALIGNED;

struct tp {
	struct tp_conf conf;
	struct fl_log log;
	struct fl_ctx *ctx;
	struct fl_pool *pool;
	void *xmem; /* application memory behind the pool (--mp-alloc xmem) */
	struct fl_mem *xmem_area;
	uint64_t xmem_len;
	struct tp_port ports[TP_MAX_PORTS];
	unsigned fwd_ports[TP_MAX_PORTS]; /* order of forwarding */
	unsigned nfwd_ports;

	/* forwarding */
	const struct tp_mode *mode;
	bool forwarding, ran;
	struct tp_stream *streams;
	unsigned nstreams;
	struct tp_stream **order; /* streams by worker */
	struct tp_worker *workers;
	unsigned nworkers;
	uint64_t begun_ns, ended_ns, cycles_hz;

	/* main loop */
	int sig_fd;
	bool quit, failed;
	unsigned script_depth;
	uint64_t born_ns; /* exec, CLOCK_MONOTONIC; see tp_born_ns() */
	uint64_t next_period_ns, next_live_ns, next_plug_ns, live_ns;
	uint64_t live_rx;
	bool live_shown;
};

/* options.c */
int tp_options(struct tp_conf *c, int argc, char **argv);
int tp_parse_list(const char *text, unsigned *out, unsigned max, unsigned limit);
int tp_parse_segs(struct tp_conf *c, const char *text);
int tp_parse_mac(const char *text, struct fl_mac *out);
int tp_offload_bit(const char *name, bool rx, bool tx);
extern const char *const tp_mp_alloc_names[];
int tp_parse_level(const char *text, enum fl_log_level *out);

/* main.c */
enum tp_woken { TP_FD, TP_TIME, TP_QUIT };
/** Sleeps until fd (-1 = none) is readable, timeout_ms passes (-1 = never) or a signal says quit;
 *  meanwhile events of devices and the periodic displays are served. */
enum tp_woken tp_wait(struct tp *tp, int fd, int timeout_ms);

/* ports.c */
int tp_port_attach(struct tp *tp, const char *uri, unsigned *id);
void tp_port_close(struct tp *tp, unsigned id);
int tp_port_start(struct tp *tp, unsigned id);
int tp_port_stop(struct tp *tp, unsigned id);
/** Takes changed settings over: stops and starts the port where it runs. */
int tp_port_reconf(struct tp *tp, unsigned id);
int tp_port_reset(struct tp *tp, unsigned id);
/** Acts on what the event handlers noted. */
void tp_port_events(struct tp *tp);
/** Waits for links, for a while, and says which are down. */
void tp_ports_link_wait(struct tp *tp);
int tp_pool_create(struct tp *tp);
int tp_pool_destroy(struct tp *tp);
/** Next port in use at or after id, or TP_MAX_PORTS. */
unsigned tp_port_next(const struct tp *tp, unsigned id);

#define tp_for_each_port(tp, i) \
	for (unsigned i = tp_port_next(tp, 0); i < TP_MAX_PORTS; i = tp_port_next(tp, i + 1))

/* fwd.c */
int tp_fwd_start(struct tp *tp, uint64_t tx_first);
int tp_fwd_stop(struct tp *tp);
void tp_fwd_pause(struct tp *tp);
int tp_fwd_resume(struct tp *tp);
/** What `start` and `show config fwd` say: streams, and who runs them. */
void tp_fwd_describe(const struct tp *tp);
bool tp_port_forwards(const struct tp *tp, unsigned id);
/** Streams of ports that are gone, closed or stopped are dead; called while no worker runs. */
void tp_fwd_mark(struct tp *tp);
void tp_fwd_free(struct tp *tp);
/** Which ports forward: all those in use whose bit is set. */
void tp_fwd_ports(struct tp *tp, uint64_t mask);

/* fwd_gen.c: one burst of generated packets; also what tx_first sends */
void tp_gen_init(struct tp_stream *s);
uint16_t tp_gen_round(struct tp_stream *s);

/* stats.c */
struct tp_totals {
	uint64_t rx, rx_missed, rx_errors, rx_nombuf, tx, tx_errors, tx_dropped;
	uint64_t bad_ip, bad_l4;
};
/** Reads the counters of a port; of one that is gone the last known stay. */
void tp_stats_update(struct tp_port *p);
void tp_stats_fwd(struct tp *tp, unsigned id, struct tp_totals *out);
void tp_stats_sum(struct tp *tp, struct tp_totals *out);
double tp_stats_mpps(struct tp *tp, const struct tp_totals *t);
double tp_stats_cycles(struct tp *tp);
void tp_show_fwd_stats(struct tp *tp);
/** Every name of --display-xstats is known to a port, or -EINVAL. */
int tp_xstats_check(struct tp *tp);
void tp_show_nic_stats(struct tp *tp, unsigned id);
void tp_show_live(struct tp *tp);
void tp_end_live(struct tp *tp);

/* residency.c */
struct tp_residency {
	const char *name; /* of the pool's area: "pinned" or "lazy" */
	struct fl_mem_usage mem;
	struct fl_dma_stats dma;
	struct fl_residency_stats lazy;
	struct fl_residency_opts opts;
	char by[64]; /* fault: kernel; post */
};
int tp_residency_read(struct tp *tp, struct tp_residency *r);
/** One line: what is locked, mapped and resident now, and the misses so far. */
void tp_show_residency_line(struct tp *tp);
void tp_show_residency(struct tp *tp);

/* report.c */
int tp_report(struct tp *tp);
uint64_t tp_born_ns(void);

/* dump.c: `set verbose` */
void tp_dump_pkts(const struct tp_stream *s, struct fl_pkt *const *pkts, unsigned n, bool rx);

/* cmd.c */
int tp_cmd_run(struct tp *tp, const char *line);
int tp_cmd_file(struct tp *tp, const char *path);
/** Reads and runs commands until quit or end of input. */
int tp_cmd_loop(struct tp *tp);

#endif
