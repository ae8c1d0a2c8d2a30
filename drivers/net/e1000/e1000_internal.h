/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef E1000_INTERNAL_H
#define E1000_INTERNAL_H

#include <fl_dma_post.h>
#include <fl_net_driver.h>

#include "e1000_regs.h"

#define E1000_STATS 64u

/* kept out of the bursts, whose registers it would take from the common case */
#define E1000_APART	    __attribute__((noinline))

#define E1000_RXQ_CHAIN_MAX 64u	   /* segments of a received frame: 16 KiB in the least buffers */
#define E1000_RX_FRAME_HW   16384u /* no chip of the family receives longer frames */

/* of every chip */
#define E1000_OFFLOADS                                                                          \
	(FL_OFF_RX_IP_CSUM | FL_OFF_RX_L4_CSUM | FL_OFF_RX_VLAN_STRIP | FL_OFF_RX_VLAN_FILTER | \
	 FL_OFF_RX_KEEP_CRC | FL_OFF_RX_SCATTER | FL_OFF_TX_IP_CSUM | FL_OFF_TX_TCP_CSUM |      \
	 FL_OFF_TX_UDP_CSUM | FL_OFF_TX_TSO | FL_OFF_TX_VLAN | FL_OFF_TX_MULTI_SEG)
#define E1000_FEATURES                                                                          \
	(FL_FEAT_LINK_STATUS | FL_FEAT_LINK_EVENT | FL_FEAT_LINK_SET | FL_FEAT_RX_INTERRUPT |   \
	 FL_FEAT_MTU | FL_FEAT_PROMISC | FL_FEAT_ALLMULTI | FL_FEAT_MAC_FILTER |                \
	 FL_FEAT_MCAST_FILTER | FL_FEAT_VLAN_FILTER | FL_FEAT_FLOW_CTRL | FL_FEAT_DESC_STATUS | \
	 FL_FEAT_STATS | FL_FEAT_XSTATS | FL_FEAT_QUEUE_STATS | FL_FEAT_REGS_DUMP |             \
	 FL_FEAT_EEPROM_DUMP | FL_FEAT_TX_DONE_CLEANUP | FL_FEAT_LED | FL_FEAT_RESET |          \
	 FL_FEAT_REMOVAL | FL_FEAT_FW_VERSION | FL_FEAT_LINK_SPEED)

/* what the transmit bursts have built in, of the variants */
#define E1000_82574_FRAME_MAX 9234u
#define E1000_82574_TX_MIN    17u
#define E1000_82540_TXD_MAX   4096u
#define E1000_82540_TX_MIN    60u
#define E1000_FCS_LEN	      4u

struct fl_e1000;

/**
 * What tells one chip of the family from another: data, and a few functions. A burst function is
 * made for each format of descriptors; which one runs is chosen at start.
 */
struct fl_e1000_variant {
	const char *chip;
	/** PCI Express: extended receive descriptors, MSI-X, RSS, registers of its own; else PCI */
	bool pcie;
	uint16_t rxq_max, txq_max, ring_max;
	uint16_t frame_max; /* longest frame, FCS and one VLAN tag included */
	uint16_t rar_count;
	uint64_t dma_last;    /* the highest address that the chip may be given */
	uint16_t tx_len_min;  /* shorter frames are lengthened by the driver */
	uint16_t txd_len_max; /* bytes of one transmit descriptor */
	/** errata of TSO: so many bytes must follow the headers in the first buffer, or have the
	 *  last descriptor for themselves; 0 = none */
	uint8_t tso_extra, tso_sentinel;
	uint8_t eerd_done_bit, eerd_addr_shift;
	uint32_t phy_id, phy_id_mask;
	uint64_t offloads, features;
	uint32_t rss_types;
	uint8_t pba_rx_kib;
	/** brings the MAC to its reset state, DMA stopped; bounded */
	int (*reset)(struct fl_e1000 *e);
	/** chip-specific settings and errata after a reset */
	void (*init)(struct fl_e1000 *e);
	uint16_t (*nvm_words)(uint32_t eecd);
};

extern const struct fl_e1000_variant fl_e1000_82540, fl_e1000_82574;
extern const struct fl_driver fl_e1000_driver;

/* 64-bit accumulators behind the chip's counters; index = that of the table in e1000_stats.c */
struct fl_e1000_stats {
	uint64_t value[E1000_STATS], base[E1000_STATS];
	uint32_t raw[E1000_STATS]; /* of those that reading may not clear: as last read */
};

struct fl_e1000 {
	struct fl_port port;
	const struct fl_e1000_variant *v;
	uint64_t phy_ready_ns;	/* the PHY must not be touched earlier */
	bool clean;		/* reset and not used since */
	bool shared_tx_context; /* both transmit queues run: see e1000_tx.c */
	bool vfta_loaded;	/* the chip has the table, since the filter is or was on */
	bool link_up;		/* as last told to the user */
	bool rx_irq_shared;	/* one vector: it is the receive queue's, not the link's */
	bool tx_paged;		/* no transmit descriptor may cross a page: see e1000_tx.c */
	bool tx_hang_told;
	uint64_t tx_looked_ns;
	uint32_t rx_buf; /* bytes the chip writes into a receive buffer at most */
	uint32_t ledctl; /* as the NVM has it */
	uint16_t nvm_words;
	struct fl_e1000_stats stats;
	struct fl_port_stats retired; /* counts of queues that are no more */
	struct fl_port_stats sw_base; /* software counters at the last reset of statistics */
};

struct fl_e1000_ring {
	struct fl_mem *mem;
	struct fl_dma_area *area;
	struct fl_e1000_desc *desc;
	fl_iova_t iova;
};

/* What a queue counts; written by the thread that polls, read by any. */
struct fl_e1000_qstats {
	uint64_t packets, bytes, errors, nombuf, bad_desc;
};

struct fl_e1000_rxq {
	struct fl_rxq q;
	struct fl_e1000_desc *ring;
	struct fl_pkt **sw; /* the packet behind each descriptor; [next, fill) hold one */
	uint64_t slow_mask; /* bits of w[1] - 1 length that a packet for the fast path has clear */
	uint16_t nb_desc, free_thresh;
	uint16_t next; /* first descriptor that may come back */
	uint16_t fill; /* where the next buffer goes = tail register */
	struct fl_pool *pool;
	const struct fl_dma_area *area;
	struct fl_doorbell tail;

	/* a frame of which not all descriptors have come */
	struct fl_pkt *head, *last;
	uint32_t chain_len;
	uint16_t chain_segs;
	bool chain_drop; /* given up: the rest is thrown away up to EOP */

	bool rung; /* the tail, since a burst last came back empty */
	uint32_t frame_max;
	uint32_t buf_len; /* bytes of a buffer that the chip was told of */
	bool scatter, legacy;
	uint16_t buf_room; /* bytes behind the headroom */
	struct fl_e1000_qstats stats, base;
	struct fl_e1000_ring mem;
	struct fl_dma_queue posted;

	/* what the enabled offloads make of status bits: flags 31:0, ptype 47:32 */
	uint64_t status_bits[32]; /* by IXSM, VP, UDPCS, TCPCS, IPCS */
	uint64_t type_bits[16];	  /* by packet type */
	uint64_t rss_bits[16];	  /* by RSS type */
};

/* rs_thresh descriptors that are reclaimed together */
struct fl_e1000_batch {
	struct fl_pool *pool; /* of all its packets, which are simple; NULL = look at each */
	uint16_t done;	      /* descriptor whose DD says that the batch is done */
};

/* what the control side saw of a transmit queue when it last moved */
struct fl_e1000_watch {
	uint64_t packets, since_ns; /* 0 = not seen yet */
	uint32_t head;
};

struct fl_e1000_txq {
	struct fl_txq q;
	struct fl_e1000_desc *ring;
	struct fl_pkt **sw; /* packet to free when a descriptor is done, or NULL */
	struct fl_e1000_batch *batches;
	struct fl_pool *pool; /* packets of this one may take the fast path */
	const struct fl_dma_area *area;
	uint16_t nb_desc, free_thresh, rs_thresh, nb_batches;
	/* tail and free change together: side by side the compiler would make a vector of them,
	 * whose latency a burst of one packet waits for */
	uint16_t tail, batch_end, free;
	uint16_t open, oldest, closed; /* batch being filled; oldest not reclaimed; full ones */
	uint16_t last_rs;
	bool simple; /* the open batch so far */
	bool ctx_valid;
	bool after_tso; /* the last frame was one, see sentinel() in e1000_tx.c */
	bool paged;
	uint32_t page_mask; /* of the pages that `pool` stands in */
	const struct fl_e1000_variant *v;
	struct fl_doorbell db;
	struct fl_e1000_desc ctx; /* context the chip has, where it may be relied on */
	fl_iova_t pad;		  /* zeros that make a frame long enough */
	struct fl_e1000_watch watch;
	struct fl_e1000_qstats stats, base;
	struct fl_e1000_ring mem;
	struct fl_dma_queue posted;
};

static inline bool fl_e1000_tx_done(const struct fl_e1000_txq *q, uint16_t at)
{
	return __atomic_load_n(&q->ring[at].w[1], __ATOMIC_RELAXED) & TXD_DD;
}

static inline struct fl_e1000 *fl_e1000_of(const struct fl_port *p)
{
	return (struct fl_e1000 *)p;
}

static inline uint32_t fl_e1000_rd(struct fl_e1000 *e, uint32_t off)
{
	return fl_bar_read32(e->port.dev, 0, off);
}

static inline void fl_e1000_wr(struct fl_e1000 *e, uint32_t off, uint32_t v)
{
	fl_bar_write32(e->port.dev, 0, off, v);
}

#define e1000_err(e, ...)  fl_err((e)->port.log, "e1000", __VA_ARGS__)
#define e1000_warn(e, ...) fl_warn((e)->port.log, "e1000", __VA_ARGS__)

/* e1000_hw.c */
void fl_e1000_sleep_us(unsigned us);
/** Waits until (reg & mask) == want: 0, -ETIMEDOUT, -ENODEV. */
int fl_e1000_wait(struct fl_e1000 *e, uint32_t reg, uint32_t mask, uint32_t want, unsigned polls,
		  unsigned us);
/** Says that the device reads as all ones; -ENODEV. */
int fl_e1000_gone(struct fl_e1000 *e);
/** Receiver and transmitter off, transfers under way ended. */
void fl_e1000_silence(struct fl_e1000 *e);
/** Waits for CTRL.RST to clear itself. */
int fl_e1000_reset_done(struct fl_e1000 *e);
int fl_e1000_reset(struct fl_e1000 *e);
int fl_e1000_nvm_read(struct fl_e1000 *e, uint16_t word, uint16_t *out);
int fl_e1000_nvm_check(struct fl_e1000 *e);
int fl_e1000_eeprom(struct fl_port *p, void *buf, size_t len);
int fl_e1000_fw_version(struct fl_port *p, char *buf, size_t len);
int fl_e1000_mac_read(struct fl_e1000 *e, struct fl_mac *out);
int fl_e1000_regs(struct fl_port *p, struct fl_reg *out, unsigned max);
int fl_e1000_reg_read(struct fl_port *p, uint32_t off, uint32_t *v);
int fl_e1000_reg_write(struct fl_port *p, uint32_t off, uint32_t v);
int fl_e1000_ring_alloc(struct fl_e1000 *e, size_t len, struct fl_e1000_ring *r);
void fl_e1000_ring_free(struct fl_e1000 *e, struct fl_e1000_ring *r);

/* e1000_link.c */
int fl_e1000_link_start(struct fl_e1000 *e);
void fl_e1000_link_changed(struct fl_e1000 *e);
int fl_e1000_link_get(struct fl_port *p, struct fl_link *out);
int fl_e1000_link_set(struct fl_port *p, bool up);
int fl_e1000_fc_registers(struct fl_e1000 *e);
int fl_e1000_fc_apply(struct fl_port *p);
int fl_e1000_fc_get(struct fl_port *p, struct fl_flow_ctrl *out);
int fl_e1000_led(struct fl_port *p, bool on);
int fl_e1000_tx_hangs(struct fl_port *p);

/* e1000_filter.c */
uint32_t fl_e1000_frame_max(const struct fl_port *p);
void fl_e1000_filters_start(struct fl_e1000 *e);
uint32_t fl_e1000_rctl(const struct fl_e1000 *e);
int fl_e1000_rx_mode_apply(struct fl_port *p);
int fl_e1000_mac_apply(struct fl_port *p);
int fl_e1000_mcast_apply(struct fl_port *p);
int fl_e1000_vlan_apply(struct fl_port *p, uint16_t vid);
int fl_e1000_rss_apply(struct fl_port *p);

/* e1000_rx.c */
int fl_e1000_rxq_setup(struct fl_port *p, uint16_t qid, const struct fl_rxq_conf *c,
		       struct fl_rxq **out);
void fl_e1000_rxq_release(struct fl_rxq *q);
void fl_e1000_rx_start(struct fl_e1000 *e);
void fl_e1000_rx_run(struct fl_e1000 *e);
void fl_e1000_rx_select(struct fl_e1000 *e);
void fl_e1000_rx_drain(struct fl_rxq *q);
int fl_e1000_rxq_desc_status(struct fl_rxq *q, uint16_t off);
int fl_e1000_rxq_desc_read(struct fl_rxq *q, uint16_t pos, uint64_t out[2]);
int fl_e1000_rxq_info(struct fl_rxq *q, struct fl_rxq_info *out);

/* e1000_txq.c */
int fl_e1000_txq_setup(struct fl_port *p, uint16_t qid, const struct fl_txq_conf *c,
		       struct fl_txq **out);
void fl_e1000_txq_release(struct fl_txq *q);
void fl_e1000_tx_start(struct fl_e1000 *e);
void fl_e1000_tx_drain(struct fl_txq *q);
int fl_e1000_txq_desc_status(struct fl_txq *q, uint16_t off);
int fl_e1000_txq_desc_read(struct fl_txq *q, uint16_t pos, uint64_t out[2]);
int fl_e1000_txq_info(struct fl_txq *q, struct fl_txq_info *out);

/* e1000_tx.c */
void fl_e1000_tx_run(struct fl_e1000 *e);
uint16_t fl_e1000_tx_prepare(struct fl_txq *q, struct fl_pkt **pkts, uint16_t n);
int fl_e1000_tx_done_cleanup(struct fl_txq *q, uint32_t n);

/* e1000_post.c */
extern const struct fl_dma_queue_ops fl_e1000_rx_posted, fl_e1000_tx_posted;

/* e1000_timesync.c */
int fl_e1000_timesync_apply(struct fl_port *p);
int fl_e1000_timesync_clock(struct fl_port *p, uint64_t *ns);
int fl_e1000_timesync_rx(struct fl_port *p, uint64_t *ns);
int fl_e1000_timesync_tx(struct fl_port *p, uint64_t *ns);

/* e1000_stats.c */
void fl_e1000_stats_harvest(struct fl_e1000 *e);
void fl_e1000_stats_clear_hw(struct fl_e1000 *e);
void fl_e1000_stats_retire_rx(struct fl_rxq *q);
void fl_e1000_stats_retire_tx(struct fl_txq *q);
int fl_e1000_stats(struct fl_port *p, struct fl_port_stats *out);
int fl_e1000_stats_reset(struct fl_port *p);
int fl_e1000_xstats(struct fl_port *p, struct fl_xstat *out, unsigned max);
int fl_e1000_xstats_reset(struct fl_port *p);
int fl_e1000_rxq_stats(struct fl_rxq *q, struct fl_queue_stats *out);
int fl_e1000_txq_stats(struct fl_txq *q, struct fl_queue_stats *out);

/* e1000_intr.c */
int fl_e1000_intr_start(struct fl_e1000 *e);
void fl_e1000_intr_stop(struct fl_e1000 *e);
int fl_e1000_rxq_intr_fd(struct fl_rxq *q);
int fl_e1000_rxq_intr_enable(struct fl_rxq *q);
int fl_e1000_rxq_intr_disable(struct fl_rxq *q);

#endif
