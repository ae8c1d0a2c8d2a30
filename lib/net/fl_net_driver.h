/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a network driver fills in. Applications include fl_net.h only.
 *
 * The core (net.c) keeps everything the user asked of a port in struct fl_port and validates it
 * against fl_port_info; a driver never validates again and keeps no second copy. `start` programs
 * the chip from that state, so a reset is stop + hw_reset + start and nothing is lost.
 */
#ifndef FL_NET_DRIVER_H
#define FL_NET_DRIVER_H

#include <fl_net.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FL_MAC_MAX   128u
#define FL_MCAST_MAX 256u

/**
 * Every entry is set: fl_net_port_init() points what a driver left NULL to one that answers
 * -EOPNOTSUPP. "apply" ops program the chip from the port's state and are called on a started
 * port only; start() must do the same for all of them.
 */
struct fl_net_ops {
	void (*info)(const struct fl_port *p, struct fl_port_info *out);

	/* queues; called on a stopped port. *q is the driver's queue, beginning with fl_rxq/fl_txq
	 */
	int (*rxq_setup)(struct fl_port *p, uint16_t qid, const struct fl_rxq_conf *c,
			 struct fl_rxq **q);
	int (*txq_setup)(struct fl_port *p, uint16_t qid, const struct fl_txq_conf *c,
			 struct fl_txq **q);
	void (*rxq_release)(struct fl_rxq *q);
	void (*txq_release)(struct fl_txq *q);

	/** all queues are set up; sets burst of each queue as the last step */
	int (*start)(struct fl_port *p);
	/** stops DMA first, then frees every packet; must work on a removed device too */
	void (*stop)(struct fl_port *p);
	/** brings the chip to the state that probe left it in; after a reattach as well */
	int (*hw_reset)(struct fl_port *p);
	/** undoes probe and frees the port; port is stopped, queues are released */
	void (*close)(struct fl_port *p);

	int (*link_get)(struct fl_port *p, struct fl_link *out);
	/** also programs conf.speeds */
	int (*link_set)(struct fl_port *p, bool up);
	int (*rx_mode_apply)(struct fl_port *p); /* promisc, allmulti, mtu, vlan strip/filter */
	int (*mac_apply)(struct fl_port *p);	 /* macs[0..nmacs) */
	int (*mcast_apply)(struct fl_port *p);	 /* mcast[0..nmcast) */
	int (*vlan_apply)(struct fl_port *p, uint16_t vid); /* that bit of vfta */
	int (*rss_apply)(struct fl_port *p);		    /* rss, reta */
	int (*fc_apply)(struct fl_port *p);
	int (*fc_get)(struct fl_port *p, struct fl_flow_ctrl *out);
	/** 1 = the device has stopped transmitting, told once a start; asked now and then on a
	 *  started port, so it limits by itself how often it looks */
	int (*tx_hangs)(struct fl_port *p);

	int (*stats)(struct fl_port *p, struct fl_port_stats *out); /* since last reset */
	int (*stats_reset)(struct fl_port *p);
	int (*xstats)(struct fl_port *p, struct fl_xstat *out, unsigned max);
	int (*xstats_reset)(struct fl_port *p);
	int (*rxq_stats)(struct fl_rxq *q, struct fl_queue_stats *out);
	int (*txq_stats)(struct fl_txq *q, struct fl_queue_stats *out);

	uint16_t (*tx_prepare)(struct fl_txq *q, struct fl_pkt **pkts, uint16_t n);
	int (*tx_done_cleanup)(struct fl_txq *q, uint32_t n);
	int (*rxq_desc_status)(struct fl_rxq *q, uint16_t off);
	int (*txq_desc_status)(struct fl_txq *q, uint16_t off);
	int (*rxq_desc_read)(struct fl_rxq *q, uint16_t pos, uint64_t out[2]);
	int (*txq_desc_read)(struct fl_txq *q, uint16_t pos, uint64_t out[2]);
	int (*rxq_info)(struct fl_rxq *q, struct fl_rxq_info *out);
	int (*txq_info)(struct fl_txq *q, struct fl_txq_info *out);
	int (*rxq_intr_fd)(struct fl_rxq *q);
	int (*rxq_intr_enable)(struct fl_rxq *q);
	int (*rxq_intr_disable)(struct fl_rxq *q);

	int (*timesync_apply)(struct fl_port *p); /* timesync; the device's clock may start anew */
	/** ns of the device's own clock: now, and when a packet passed (-EAGAIN: none did) */
	int (*timesync_clock)(struct fl_port *p, uint64_t *ns);
	int (*timesync_rx)(struct fl_port *p, uint64_t *ns);
	int (*timesync_tx)(struct fl_port *p, uint64_t *ns);

	int (*led)(struct fl_port *p, bool on);
	int (*eeprom)(struct fl_port *p, void *buf, size_t len);
	int (*regs)(struct fl_port *p, struct fl_reg *out, unsigned max);
	int (*reg_read)(struct fl_port *p, uint32_t off, uint32_t *v);
	int (*reg_write)(struct fl_port *p, uint32_t off, uint32_t v);
	int (*fw_version)(struct fl_port *p, char *buf, size_t len);
};

/** The port: a driver's own struct begins with it. Fields are the core's unless it says so. */
struct fl_port {
	struct fl_net_ops ops;
	struct fl_dev *dev;
	struct fl_ctx *ctx;
	struct fl_item item;
	const struct fl_log *log;
	uint16_t id;
	bool configured, started;

	/* what the user asked for */
	struct fl_port_conf conf;
	struct fl_rxq **rxq;
	struct fl_txq **txq;
	struct fl_mac macs[FL_MAC_MAX]; /* [0] is the port's own; the driver's probe sets it */
	unsigned nmacs;
	struct fl_mac mcast[FL_MCAST_MAX];
	unsigned nmcast;
	uint32_t vfta[128]; /* bit (vid & 31) of word vid >> 5 */
	uint16_t reta[FL_RSS_RETA_MAX];
	struct fl_flow_ctrl fc;
	bool promisc, allmulti, timesync;
	bool link_wanted; /* false after fl_port_link_set(down) */
	bool resume;	  /* a reset has to start the port again: one failed, or it was released */
	bool failed;	  /* the device told of an error: a reset begins with the function */
	/* the port's clock less the device's; the port's and the host's when last compared */
	uint64_t clock_off, clock_mark, host_mark;

	void (*event)(struct fl_port *p, enum fl_port_event ev, void *arg);
	void *event_arg;
};

/** For a driver's probe: fills the core's part; then set macs[0], nmacs = 1. */
FL_API void fl_net_port_init(struct fl_port *p, struct fl_dev *dev, const struct fl_net_ops *ops);
/** For a driver's interrupt handler: tells the user. */
FL_API void fl_net_port_event(struct fl_port *p, enum fl_port_event ev);

/** Burst functions of queues that do not run: they take nothing. */
FL_API uint16_t fl_net_rx_none(struct fl_rxq *q, struct fl_pkt **pkts, uint16_t n);
FL_API uint16_t fl_net_tx_none(struct fl_txq *q, struct fl_pkt **pkts, uint16_t n);

#ifdef __cplusplus
}
#endif
#endif
