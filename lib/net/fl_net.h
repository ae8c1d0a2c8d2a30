/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Network ports: open, configure, queues, start, burst; link, statistics, filters.
 *
 * Life of a port: fl_port_open -> configure -> rxq/txq set-up for every queue -> start -> bursts
 * -> stop -> (configure again) -> close. Control calls are one thread at a time a port; each queue
 * is used by one thread at a time; different queues by different threads.
 *
 * The burst contract, one for every driver: the count returned is the prefix that was taken, the
 * rest stays the caller's; a burst never waits; an error belongs to the packet, not to the burst.
 * On a stopped or removed port a burst takes nothing.
 */
#ifndef FL_NET_H
#define FL_NET_H

#include <fl_dev.h>
#include <fl_pkt.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fl_port;

struct fl_mac {
	uint8_t b[6];
};

/* ---- capabilities --------------------------------------------------------------------- */

/* Offloads, per port; receive and transmit in one word. */
#define FL_OFF_RX_IP_CSUM     (1ull << 0)
#define FL_OFF_RX_L4_CSUM     (1ull << 1)
#define FL_OFF_RX_VLAN_STRIP  (1ull << 2)
#define FL_OFF_RX_VLAN_FILTER (1ull << 3)
#define FL_OFF_RX_KEEP_CRC    (1ull << 4)
#define FL_OFF_RX_SCATTER     (1ull << 5)
#define FL_OFF_RX_RSS_HASH    (1ull << 6)
#define FL_OFF_RX_PTYPE	      (1ull << 7)
#define FL_OFF_TX_IP_CSUM     (1ull << 16)
#define FL_OFF_TX_TCP_CSUM    (1ull << 17)
#define FL_OFF_TX_UDP_CSUM    (1ull << 18)
#define FL_OFF_TX_TSO	      (1ull << 19)
#define FL_OFF_TX_VLAN	      (1ull << 20)
#define FL_OFF_TX_MULTI_SEG   (1ull << 21)
/** Name of one offload bit as users type it ("rx_vlan_strip"), "" where a bit has no meaning, NULL
 *  past the last. */
FL_API const char *fl_offload_name(unsigned bit);

/* Features beyond offloads, for the capability report and the generated tables. */
#define FL_FEAT_LINK_STATUS	(1ull << 0)
#define FL_FEAT_LINK_EVENT	(1ull << 1)
#define FL_FEAT_LINK_SET	(1ull << 2)
#define FL_FEAT_RX_INTERRUPT	(1ull << 3)
#define FL_FEAT_MTU		(1ull << 4)
#define FL_FEAT_PROMISC		(1ull << 5)
#define FL_FEAT_ALLMULTI	(1ull << 6)
#define FL_FEAT_MAC_FILTER	(1ull << 7)
#define FL_FEAT_MCAST_FILTER	(1ull << 8)
#define FL_FEAT_VLAN_FILTER	(1ull << 9)
#define FL_FEAT_RSS		(1ull << 10)
#define FL_FEAT_RSS_KEY		(1ull << 11)
#define FL_FEAT_RSS_RETA	(1ull << 12)
#define FL_FEAT_FLOW_CTRL	(1ull << 13)
#define FL_FEAT_DESC_STATUS	(1ull << 14)
#define FL_FEAT_STATS		(1ull << 15)
#define FL_FEAT_XSTATS		(1ull << 16)
#define FL_FEAT_QUEUE_STATS	(1ull << 17)
#define FL_FEAT_REGS_DUMP	(1ull << 18)
#define FL_FEAT_EEPROM_DUMP	(1ull << 19)
#define FL_FEAT_TX_DONE_CLEANUP (1ull << 20)
#define FL_FEAT_LED		(1ull << 21)
#define FL_FEAT_RESET		(1ull << 22)
#define FL_FEAT_REMOVAL		(1ull << 23)
#define FL_FEAT_FW_VERSION	(1ull << 24)
#define FL_FEAT_TIMESYNC	(1ull << 25)
#define FL_FEAT_LINK_SPEED	(1ull << 26)
FL_API const char *fl_feature_name(unsigned bit);

/* RSS hash types */
#define FL_RSS_IPV4	(1u << 0)
#define FL_RSS_TCP_IPV4 (1u << 1)
#define FL_RSS_IPV6	(1u << 2)
#define FL_RSS_TCP_IPV6 (1u << 3)
#define FL_RSS_UDP_IPV4 (1u << 4)
#define FL_RSS_UDP_IPV6 (1u << 5)

#define FL_RSS_KEY_MAX	64u
#define FL_RSS_RETA_MAX 512u

struct fl_port_info {
	const char *driver; /* "net_e1000" */
	const char *chip;   /* "82574L" */
	uint16_t rxq_max, txq_max;
	/** ring sizes: smallest, largest, multiple of, and what we advise */
	uint16_t rxd_min, rxd_max, rxd_align, rxd_default;
	uint16_t txd_min, txd_max, txd_align, txd_default;
	uint16_t mtu_min, mtu_max;
	/** unicast addresses beside the default one; multicast by hash is unlimited */
	uint16_t mac_max;
	uint16_t seg_max; /* segments of a transmitted packet */
	uint32_t tso_max; /* bytes of a TSO packet */
	uint16_t reta_size, rss_key_size;
	uint32_t rss_types;
	uint64_t offloads, features;
	uint32_t speeds; /* FL_SPEED_10, _100, _1000 */
};

#define FL_SPEED_10   (1u << 0)
#define FL_SPEED_100  (1u << 1)
#define FL_SPEED_1000 (1u << 2)
/* How a port is to use them. No duplex bit = both; 1000 Mbit/s is full duplex only. */
#define FL_SPEED_HALF  (1u << 3)
#define FL_SPEED_FULL  (1u << 4)
#define FL_SPEED_FIXED (1u << 5) /* no autonegotiation: one of 10, 100; full duplex unless HALF */

struct fl_link {
	uint32_t speed; /* Mbit/s, 0 = down */
	bool up, full_duplex, autoneg;
};

enum fl_fc_mode { FL_FC_NONE, FL_FC_RX, FL_FC_TX, FL_FC_FULL };
struct fl_flow_ctrl {
	enum fl_fc_mode mode;
	uint32_t high_water, low_water; /* bytes of the receive FIFO; 0 = driver's choice */
	uint16_t pause_time;		/* 512 bit times; 0 = driver's choice */
	bool autoneg;
};

struct fl_rss_conf {
	uint32_t types; /* FL_RSS_*, 0 = off */
	/** key_len 0 = keep, else rss_key_size bytes */
	uint8_t key[FL_RSS_KEY_MAX];
	uint8_t key_len;
};

struct fl_port_conf {
	uint16_t nb_rxq, nb_txq;
	uint16_t mtu; /* 0 = 1500 */
	uint64_t offloads;
	struct fl_rss_conf rss;
	bool rx_intr;	 /* make queue interrupts possible */
	uint32_t speeds; /* FL_SPEED_* to offer the partner; no speed bit = all */
	/** take this kind of interrupt or fail to start; FL_IRQ_NONE = the best that can be had */
	enum fl_irq_kind irq;
};

struct fl_rxq_conf {
	uint16_t nb_desc;     /* 0 = default */
	uint16_t free_thresh; /* refill in steps of this many, 0 = default */
	struct fl_pool *pool;
};

struct fl_txq_conf {
	uint16_t nb_desc;     /* 0 = default */
	uint16_t free_thresh; /* reclaim when fewer are free, 0 = default */
	uint16_t rs_thresh;   /* ask for a report every so many descriptors, 0 = default */
};

struct fl_port_stats {
	uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes;
	/** missed: no buffer or FIFO full (in the chip); errors: bad frames; nombuf: pool empty */
	uint64_t rx_missed, rx_errors, tx_errors, rx_nombuf;
	/** frames that a hostile or broken device described impossibly, dropped by the driver */
	uint64_t rx_bad_desc;
};

struct fl_queue_stats {
	uint64_t packets, bytes, errors, nombuf;
};

struct fl_xstat {
	char name[48];
	uint64_t value;
};

enum fl_port_event {
	FL_PORT_LINK,	 /* link changed */
	FL_PORT_REMOVED, /* device or its server is gone; bursts take nothing from now on */
	/** the kernel wants the device back; bursts take nothing from now on. Release or close the
	 *  port now: if the kernel has to ask again (after some 10 s), FL_PORT_REMOVED follows */
	FL_PORT_REQUEST,
	/** the device reported an error, and bursts take nothing from now on; or it has transmitted
	 *  nothing for seconds though it had work and a link; the port should be reset */
	FL_PORT_ERROR,
};

/* ---- life ----------------------------------------------------------------------------- */

/**
 * Opens a device by URI and binds the driver that knows it.
 * Errors: those of fl_dev_open(); -ENOTSUP when no driver knows the id (the message has it).
 */
FL_API FL_MUST int fl_port_open(struct fl_ctx *ctx, const char *uri, struct fl_port **out);
/** Stops where needed, frees every packet it holds, closes the device. */
FL_API void fl_port_close(struct fl_port *p);

/** The i-th open port of a context, NULL past the last. */
static inline struct fl_port *fl_port_at(const struct fl_ctx *ctx, unsigned i)
{
	return (struct fl_port *)fl_ctx_item(ctx, FL_ITEM_PORT, i);
}
FL_API struct fl_dev *fl_port_dev(const struct fl_port *p);
/** Number that received packets carry in .port; the caller's choice, 0 after open. */
FL_API void fl_port_set_id(struct fl_port *p, uint16_t id);
FL_API uint16_t fl_port_id(const struct fl_port *p);
FL_API void fl_port_info(const struct fl_port *p, struct fl_port_info *out);

/** Stopped ports only (-EBUSY). Queue set-ups of before are void. -EINVAL / -EOPNOTSUPP say which
 *  value is out of bounds. */
FL_API FL_MUST int fl_port_configure(struct fl_port *p, const struct fl_port_conf *conf);
FL_API const struct fl_port_conf *fl_port_conf(const struct fl_port *p);
/** Takes or replaces a queue's rings; the pool must outlive the port's last stop. */
FL_API FL_MUST int fl_rxq_setup(struct fl_port *p, uint16_t qid, const struct fl_rxq_conf *conf);
FL_API FL_MUST int fl_txq_setup(struct fl_port *p, uint16_t qid, const struct fl_txq_conf *conf);
FL_API FL_MUST int fl_port_start(struct fl_port *p);
/** Every packet that the queues hold is freed. Idempotent. */
FL_API FL_MUST int fl_port_stop(struct fl_port *p);
FL_API bool fl_port_started(const struct fl_port *p);
/**
 * Stops where needed and gives the device back, for others to use or to pull it out; the port stays
 * as FL_PORT_REMOVED leaves it, until fl_port_reset(). No burst may run meanwhile.
 */
FL_API void fl_port_release(struct fl_port *p);
/**
 * Resets the device and brings the port back as it was: configuration, queues, filters,
 * promiscuity, link. Also the way back after FL_PORT_REMOVED and fl_port_release(), once the device
 * or server is there again (it is reattached first; -ENODEV while it is not). In-flight packets are
 * freed. No burst may run meanwhile.
 */
FL_API FL_MUST int fl_port_reset(struct fl_port *p);

/**
 * One handler a port, called by fl_ctx_dispatch() in its thread. A transmitter that hangs is
 * noticed by fl_port_stats() and fl_port_link() and told as the last thing they do. The handler
 * may reset the port, and from fl_ctx_dispatch() close it.
 */
FL_API void fl_port_on_event(struct fl_port *p,
			     void (*fn)(struct fl_port *p, enum fl_port_event ev, void *arg),
			     void *arg);

/* ---- bursts --------------------------------------------------------------------------- */

/** Every driver's queue begins with this. The control thread swaps `burst` while another polls. */
struct fl_rxq {
	uint16_t (*burst)(struct fl_rxq *q, struct fl_pkt **pkts, uint16_t n);
	struct fl_port *port;
	uint16_t qid;
};
struct fl_txq {
	uint16_t (*burst)(struct fl_txq *q, struct fl_pkt **pkts, uint16_t n);
	struct fl_port *port;
	uint16_t qid;
};

/** Queue handles, valid from set-up until the next configure or close. NULL = not set up. */
FL_API struct fl_rxq *fl_port_rxq(const struct fl_port *p, uint16_t qid);
FL_API struct fl_txq *fl_port_txq(const struct fl_port *p, uint16_t qid);

/** Up to n received packets, now the caller's. Returns how many. */
static inline uint16_t fl_rx_burst(struct fl_rxq *q, struct fl_pkt **pkts, uint16_t n)
{
	return __atomic_load_n(&q->burst, __ATOMIC_RELAXED)(q, pkts, n);
}

/**
 * Hands over up to n packets. The first `return` of them are the driver's, the rest the caller's.
 * A pool that packets came from must outlive the port's next stop.
 */
static inline uint16_t fl_tx_burst(struct fl_txq *q, struct fl_pkt **pkts, uint16_t n)
{
	return __atomic_load_n(&q->burst, __ATOMIC_RELAXED)(q, pkts, n);
}

/**
 * Checks offload requests of packets before a burst (lengths, flags that the port cannot do, too
 * many segments) and seeds the pseudo-header checksums. Returns the prefix that is fit to send.
 */
FL_API uint16_t fl_tx_prepare(struct fl_txq *q, struct fl_pkt **pkts, uint16_t n);

/** Frees transmitted packets now: up to n, 0 = all that are done. Returns how many. */
FL_API int fl_tx_done_cleanup(struct fl_txq *q, uint32_t n);

enum fl_desc_status { FL_DESC_AVAIL, FL_DESC_DONE, FL_DESC_UNAVAIL };
/** State of the descriptor `off` places after the next one. rx: AVAIL = the device has it; DONE =
 *  filled. tx: AVAIL = in flight ("full"), DONE = sent. -EINVAL past the ring. */
FL_API int fl_rxq_desc_status(struct fl_rxq *q, uint16_t off);
FL_API int fl_txq_desc_status(struct fl_txq *q, uint16_t off);
/** Raw 16-byte descriptor of a ring position, for dumps. */
FL_API FL_MUST int fl_rxq_desc_read(struct fl_rxq *q, uint16_t pos, uint64_t out[2]);
FL_API FL_MUST int fl_txq_desc_read(struct fl_txq *q, uint16_t pos, uint64_t out[2]);

struct fl_rxq_info {
	uint16_t nb_desc, free_thresh, buf_size;
	bool scattered;
	struct fl_pool *pool;
};
struct fl_txq_info {
	uint16_t nb_desc, free_thresh, rs_thresh;
};
FL_API FL_MUST int fl_rxq_info(struct fl_rxq *q, struct fl_rxq_info *out);
FL_API FL_MUST int fl_txq_info(struct fl_txq *q, struct fl_txq_info *out);

/* ---- queue interrupts ----------------------------------------------------------------- */

/** An fd that becomes readable when packets arrived after fl_rxq_intr_enable(); -errno if none. */
FL_API int fl_rxq_intr_fd(struct fl_rxq *q);
/** Arms (call, then burst once more before sleeping) and disarms (also drains the fd). */
FL_API FL_MUST int fl_rxq_intr_enable(struct fl_rxq *q);
FL_API FL_MUST int fl_rxq_intr_disable(struct fl_rxq *q);
/**
 * Adaptive sleep: a burst that finds nothing for a while waits for the queue's interrupt, at most
 * timeout_ms. The one receive call that may sleep; spin_ns = how long to poll before it does. A
 * queue without an interrupt is polled for spin_ns and no more.
 */
FL_API uint16_t fl_rx_burst_wait(struct fl_rxq *q, struct fl_pkt **pkts, uint16_t n,
				 uint64_t spin_ns, int timeout_ms);

/* ---- control -------------------------------------------------------------------------- */

FL_API FL_MUST int fl_port_link(struct fl_port *p, struct fl_link *out);
/** Waits up to timeout_ms for the link to come up; 0 or -ETIMEDOUT. */
FL_API FL_MUST int fl_port_link_wait(struct fl_port *p, int timeout_ms);
FL_API FL_MUST int fl_port_link_set(struct fl_port *p, bool up);
/** fl_port_conf.speeds of a configured port, started or not; the link of a running one goes down
 *  and comes back where that changes anything. -EINVAL, -EOPNOTSUPP as fl_port_configure(). */
FL_API FL_MUST int fl_port_speed_set(struct fl_port *p, uint32_t speeds);
FL_API FL_MUST int fl_port_promisc(struct fl_port *p, bool on);
FL_API FL_MUST int fl_port_allmulti(struct fl_port *p, bool on);
FL_API bool fl_port_is_promisc(const struct fl_port *p);
FL_API bool fl_port_is_allmulti(const struct fl_port *p);
FL_API FL_MUST int fl_port_mac(const struct fl_port *p, struct fl_mac *out);
FL_API FL_MUST int fl_port_mac_set(struct fl_port *p, const struct fl_mac *mac);
/** -EEXIST, -ENOENT, -ENOSPC (no filter left) */
FL_API FL_MUST int fl_port_mac_add(struct fl_port *p, const struct fl_mac *mac);
FL_API FL_MUST int fl_port_mac_remove(struct fl_port *p, const struct fl_mac *mac);
/** Replaces the list of multicast addresses. */
FL_API FL_MUST int fl_port_mcast_set(struct fl_port *p, const struct fl_mac *list, unsigned n);
/** vid 0..4095; needs FL_OFF_RX_VLAN_FILTER to have an effect. */
FL_API FL_MUST int fl_port_vlan_filter(struct fl_port *p, uint16_t vid, bool on);
/** Turns offloads that can change at run time (VLAN strip and filter) on or off. */
FL_API FL_MUST int fl_port_vlan_offload(struct fl_port *p, uint64_t offloads);
/** Started or not. -EINVAL when buffers are too small and scatter is off. */
FL_API FL_MUST int fl_port_mtu_set(struct fl_port *p, uint16_t mtu);
FL_API FL_MUST int fl_port_flow_ctrl_get(struct fl_port *p, struct fl_flow_ctrl *out);
FL_API FL_MUST int fl_port_flow_ctrl_set(struct fl_port *p, const struct fl_flow_ctrl *fc);
FL_API FL_MUST int fl_port_rss_set(struct fl_port *p, const struct fl_rss_conf *rss);
FL_API FL_MUST int fl_port_rss_get(struct fl_port *p, struct fl_rss_conf *out);
/** reta[reta_size] of queue numbers */
FL_API FL_MUST int fl_port_reta_set(struct fl_port *p, const uint16_t *reta, unsigned n);
FL_API FL_MUST int fl_port_reta_get(struct fl_port *p, uint16_t *reta, unsigned n);

FL_API FL_MUST int fl_port_stats(struct fl_port *p, struct fl_port_stats *out);
FL_API FL_MUST int fl_port_stats_reset(struct fl_port *p);
FL_API FL_MUST int fl_rxq_stats(struct fl_rxq *q, struct fl_queue_stats *out);
FL_API FL_MUST int fl_txq_stats(struct fl_txq *q, struct fl_queue_stats *out);
/** Returns how many there are; fills at most max. */
FL_API int fl_port_xstats(struct fl_port *p, struct fl_xstat *out, unsigned max);
FL_API FL_MUST int fl_port_xstats_reset(struct fl_port *p);

FL_API FL_MUST int fl_port_led(struct fl_port *p, bool on);
/** Returns the bytes needed; fills at most len. EEPROM: words as bytes, low first. */
FL_API int fl_port_eeprom(struct fl_port *p, void *buf, size_t len);
/** One named register of the dump. */
struct fl_reg {
	char name[16];
	uint32_t off, value;
};
/** Registers without read side effects. Returns how many there are; fills at most max. */
FL_API int fl_port_regs(struct fl_port *p, struct fl_reg *out, unsigned max);
FL_API FL_MUST int fl_port_reg_read(struct fl_port *p, uint32_t off, uint32_t *v);
FL_API FL_MUST int fl_port_reg_write(struct fl_port *p, uint32_t off, uint32_t v);
FL_API FL_MUST int fl_port_fw_version(struct fl_port *p, char *buf, size_t len);

/* ---- IEEE 1588 ------------------------------------------------------------------------- */

/**
 * Time stamps of PTP version 2 event messages, over Ethernet or UDP. Turning it on starts the
 * port's clock at 0; a stop and start or a reset keeps clock and stamping (across them the clock
 * goes by the host's). Received: the device keeps one stamp, and takes the next only when that
 * one has been read; its packet carries FL_RX_TIMESTAMP. Sent: likewise, of packets that carry
 * FL_TX_TIMESTAMP, which is ignored while this is off.
 * PTP's multicast addresses pass the receive filters only when they are asked for.
 */
FL_API FL_MUST int fl_port_timesync(struct fl_port *p, bool on);
/*
 * The calls below need a started port with the above on, else -EINVAL. All times are nanoseconds
 * of the port's clock.
 */
/** Takes the stamp of a packet received or sent; -EAGAIN while there is none. */
FL_API FL_MUST int fl_port_timesync_rx(struct fl_port *p, uint64_t *ns);
FL_API FL_MUST int fl_port_timesync_tx(struct fl_port *p, uint64_t *ns);
FL_API FL_MUST int fl_port_time(struct fl_port *p, uint64_t *ns);
FL_API FL_MUST int fl_port_time_set(struct fl_port *p, uint64_t ns);
/** Moves the clock by delta_ns, back where that is negative. */
FL_API FL_MUST int fl_port_time_adjust(struct fl_port *p, int64_t delta_ns);

#ifdef __cplusplus
}
#endif
#endif
