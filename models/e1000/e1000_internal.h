/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The 82574L and 82540EM model inside. Everything runs in the engine's thread, except that the
 * client may write the two tail pages, descriptors and buffers at any time: those words are
 * accessed with
 * __atomic, read once, and never trusted.
 */
#ifndef E1000_INTERNAL_H
#define E1000_INTERNAL_H

#include <stdlib.h>
#include <string.h>

#include <fl_model.h>
#include <fl_wire.h>

#include "e1000_hw.h"

#define E1000_QUEUES	 2u
#define E1000_VECTORS	 5u
#define E1000_NVM_WORDS	 64u
#define E1000_SHARED_OFF 0x2000u
#define E1000_SHARED_LEN 0x2000u
#define E1000_MAX_FRAME	 16380u /* longest that RCTL.LPE lets in, FCS not counted */
#define E1000_BATCH	 32u
#define E1000_TX_BUDGET	 64u /* descriptors or segments a queue a poll */
#define E1000_TX_BUF	 (65536u + 512u)
#define E1000_RX_DESCS	 128u /* most units of 16 bytes that one frame may take */
#define E1000_SEGS	 16u

struct e1000;

/** A run of registers. Those in no table read 0 and drop what is written. */
struct e1000_reg {
	uint16_t off, n; /* first, how many words */
	uint32_t reset, mask;
	uint32_t (*rd)(struct e1000 *e, uint32_t off);
	void (*wr)(struct e1000 *e, uint32_t off, uint32_t v); /* after the store under the mask */
	bool keep;					       /* CTRL.RST leaves it alone */
};

/** In what the chips differ; where a few bits or numbers do not tell it, by functions. */
struct e1000_variant {
	const char *name;
	/** Registers that the other chip has not, or has otherwise; they go before the common ones.
	 */
	const struct e1000_reg *regs;
	unsigned nregs;
	uint32_t (*alias)(uint32_t off); /* a second place of a register; may be NULL */
	/** Identity, capabilities, and the BARs besides those of registers and I/O. */
	void (*pci)(struct fl_model *m, const uint8_t mac[6]);
	unsigned io_bar;
	uint32_t io_size;

	unsigned queues;
	bool queue_enable;   /* a transmit queue runs only while its TARC says so */
	bool tso_context;    /* segmentation has a context of its own */
	uint32_t tx_report;  /* command bits of a descriptor that ask for DD */
	uint32_t fifo_kib;   /* packet buffer, which PBA divides */
	uint32_t causes;     /* bits of ICR, IMS */
	uint32_t icr_assert; /* the one that follows the others, if there is one */
	uint32_t status;     /* fixed bits */
	uint32_t rfctl;	     /* bits that are as if set */

	const uint16_t *nvm; /* address and checksum still to be put in */
	struct {
		uint16_t id2, ctrl1000, control, status, ext_control;
		bool paged;
	} phy;
};

/** A ring as poll() found it in the registers. */
struct e1000_ring {
	uint32_t reg; /* offset of its base register */
	uint32_t n, head, tail;
	uint64_t base;
	uint64_t *d; /* all of it, or NULL when it cannot be reached directly */
	struct fl_model_tlb tlb, buf;
};

struct e1000_txctx {
	uint8_t ipcss, ipcso, tucss, tucso, hdrlen, cmd;
	uint16_t ipcse, tucse, mss;
	uint32_t paylen;
};

/** What is left to send of a frame whose descriptors have been read. */
struct e1000_txq {
	struct e1000_ring r;
	struct e1000_txctx ctx[2]; /* the second for segmentation, if that is kept apart */
	/* frame whose descriptors are being read; the first one says what is asked for */
	bool open, bad, tse;
	uint32_t popts; /* dword 3 */
	uint32_t len;	/* bytes gathered */
	uint8_t *buf;	/* starts after room for a tag */
	/* frame that is complete and (in part) still to be sent, out of buf */
	bool pending;
	bool vlan;
	uint16_t tag;
	uint32_t off, end; /* what is left, payload only when segmented */
	uint32_t seg;
	struct e1000_txctx pctx;
};

/** A run of write-backs for consecutive descriptors, put into the ring together. */
struct e1000_rxq {
	struct e1000_ring r;
	unsigned nwb;
	uint64_t wb[E1000_RX_DESCS + E1000_BATCH][2];
};

struct e1000_phy {
	uint16_t bmcr, anar, annp, ctrl1000, page;
	uint16_t neg, neg_1000; /* anar and ctrl1000 as last negotiated with */
	uint16_t p0[32];	/* page 0, registers above 15 */
	uint16_t p2_16, p2_18, p2_21, p3[4];
	bool an_done, link, link_latch;
};

struct e1000_fifo {
	uint32_t used, cap, head, tail, size; /* bytes; head = next to read */
	bool xoff;
	uint8_t *mem;
};

/** The EEPROM's serial side: bits since the start bit, and what they said. */
struct e1000_microwire {
	uint32_t nbits, cmd;
	bool writable;
};

enum e1000_timer {
	T_ITR,
	T_EITR,
	T_RDTR = T_EITR + E1000_VECTORS,
	T_RADV,
	T_RAID,
	T_TIDV,
	T_TADV,
	T_AN,
	T_PAUSE,
	T_COUNT
};

struct e1000 {
	const struct e1000_variant *v;
	struct fl_model *m;
	const struct fl_model_iommu *mmu;
	struct fl_wire *wire;
	uint32_t *sh; /* pages 0x2000 and 0x3000, perhaps mapped by the client */
	uint64_t now;
	/* receive, as the registers stand */
	bool rx_stamp, rx_on, rx_ext, rx_split, rx_strip_fcs, rx_rss, rx_vme, rx_quick;
	uint32_t rx_bsize, rx_maxlen, rctl, rxcsum, rfctl;
	uint32_t ps_size[4];
	uint16_t vet;
	unsigned nrar; /* entries of RAL/RAH up to the last valid one */
	uint64_t sta;  /* station address, 48 bits, ~0 when not valid */
	/* transmit */
	bool tx_on, tx_vme, tx_held, loopback, fc_rx, fc_tx;

	struct e1000_txq tx[E1000_QUEUES];
	struct e1000_rxq rx[E1000_QUEUES];
	struct e1000_fifo fifo;

	uint64_t due[T_COUNT], next_due;
	bool itr_pending, intx;
	uint32_t eitr_pending, tx_delayed;
	uint64_t stat[(R_STATS_END - R_STATS) / 4];
	struct e1000_phy phy;
	bool carrier;
	uint16_t nvm[E1000_NVM_WORDS];
	struct e1000_microwire mw;
	uint64_t an_ns;
	uint64_t tim_latch;
	uint64_t tim_base, tim_start; /* the clock was tim_base when fl_now_ns() was tim_start */
	uint32_t tim_inc;
	uint32_t ioaddr;
	uint32_t rss_tab[80][16]; /* Toeplitz: contribution of each nibble of the input */
	uint32_t *own_sh;	  /* where those pages are when nobody may map them */
	uint8_t *scratch;
	uint8_t regmap[R_END / 4]; /* row of each register, from 1; the variant's first */
	uint32_t r[R_END / 4];
};

/* ---- registers ------------------------------------------------------------------------ */

static inline uint32_t *fl_e1000m_reg(struct e1000 *e, uint32_t off)
{
	if (off - E1000_SHARED_OFF < E1000_SHARED_LEN)
		return &e->sh[(off - E1000_SHARED_OFF) / 4];
	return &e->r[off / 4];
}

static inline uint32_t fl_e1000m_rd(struct e1000 *e, uint32_t off)
{
	return __atomic_load_n(fl_e1000m_reg(e, off), __ATOMIC_RELAXED);
}

static inline void fl_e1000m_wr(struct e1000 *e, uint32_t off, uint32_t v)
{
	__atomic_store_n(fl_e1000m_reg(e, off), v, __ATOMIC_RELAXED);
}

/** A register of a shared page under its mask; what the mask drops is dropped in the page too. */
static inline uint32_t fl_e1000m_masked(struct e1000 *e, uint32_t off, uint32_t mask)
{
	uint32_t v = fl_e1000m_rd(e, off);

	/* the client may just have written another value: that one must stay */
	if (fl_unlikely(v & ~mask))
		__atomic_compare_exchange_n(fl_e1000m_reg(e, off), &v, v & mask, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return v & mask;
}

uint32_t fl_e1000m_reg_read(struct e1000 *e, uint32_t off);
void fl_e1000m_reg_write(struct e1000 *e, uint32_t off, uint32_t v);
void fl_e1000m_regs_init(struct e1000 *e);
/** Every register to its reset value; a software reset keeps what CTRL.RST keeps. */
void fl_e1000m_regs_reset(struct e1000 *e, bool soft);
/** CTRL.RST and the outside resets. */
void fl_e1000m_reset(struct e1000 *e, bool soft);
/** Recomputes what receive and transmit take from the registers. */
void fl_e1000m_update(struct e1000 *e);

/* what several tables name */
uint32_t fl_e1000m_rd_eecd(struct e1000 *e, uint32_t off);
void fl_e1000m_wr_ctrl(struct e1000 *e, uint32_t off, uint32_t v);
void fl_e1000m_wr_update(struct e1000 *e, uint32_t off, uint32_t v);
void fl_e1000m_wr_pba(struct e1000 *e, uint32_t off, uint32_t v);
void fl_e1000m_wr_rdt(struct e1000 *e, uint32_t off, uint32_t v);
void fl_e1000m_wr_tdt(struct e1000 *e, uint32_t off, uint32_t v);

/* ---- ring ----------------------------------------------------------------------------- */

/** Reads base, length, head and tail; false when the ring has nothing for the device. */
bool fl_e1000m_ring_load(struct e1000 *e, struct e1000_ring *r);
void fl_e1000m_ring_reset(struct e1000_ring *r, uint32_t reg);
bool fl_e1000m_desc_read_slow(struct e1000 *e, struct e1000_ring *r, uint32_t i, uint64_t q[2]);
void fl_e1000m_desc_write_slow(struct e1000 *e, struct e1000_ring *r, uint32_t i,
			       const uint64_t q[2]);

static inline bool fl_e1000m_desc_read(struct e1000 *e, struct e1000_ring *r, uint32_t i,
				       uint64_t q[2])
{
	if (fl_unlikely(!r->d))
		return fl_e1000m_desc_read_slow(e, r, i, q);
	q[0] = __atomic_load_n(&r->d[2 * i], __ATOMIC_RELAXED);
	q[1] = __atomic_load_n(&r->d[2 * i + 1], __ATOMIC_RELAXED);
	return true;
}

/** The qword with DD goes last. */
static inline void fl_e1000m_desc_write(struct e1000 *e, struct e1000_ring *r, uint32_t i,
					const uint64_t q[2])
{
	if (fl_unlikely(!r->d)) {
		fl_e1000m_desc_write_slow(e, r, i, q);
		return;
	}
	__atomic_store_n(&r->d[2 * i], q[0], __ATOMIC_RELAXED);
	__atomic_store_n(&r->d[2 * i + 1], q[1], __ATOMIC_RELEASE);
}

/* ---- the other ideas, a file each ----------------------------------------------------- */

/* irq.c */
void fl_e1000m_raise(struct e1000 *e, uint32_t causes);
void fl_e1000m_rx_cause(struct e1000 *e, unsigned q, bool ack, uint32_t now_causes);
void fl_e1000m_tx_cause(struct e1000 *e, unsigned q, bool written_back, bool delay, bool empty);
uint32_t fl_e1000m_icr_read(struct e1000 *e);
void fl_e1000m_icr_write(struct e1000 *e, uint32_t v);
void fl_e1000m_ims_set(struct e1000 *e, uint32_t v);
void fl_e1000m_imc(struct e1000 *e, uint32_t v);
void fl_e1000m_flush_rx_delay(struct e1000 *e);
void fl_e1000m_flush_tx_delay(struct e1000 *e);
void fl_e1000m_irq_timer(struct e1000 *e, unsigned t);
void fl_e1000m_irq_reset(struct e1000 *e);

/* e1000_model.c */
void fl_e1000m_arm(struct e1000 *e, unsigned timer, uint64_t delta_ns);

/* nvm.c */
void fl_e1000m_nvm_init(struct e1000 *e, const uint8_t mac[6]);
/** One access by a word address: START and the address in, DONE and the data out. */
void fl_e1000m_wr_eerd(struct e1000 *e, uint32_t off, uint32_t v);
void fl_e1000m_wr_eerd_82540(struct e1000 *e, uint32_t off, uint32_t v);
void fl_e1000m_wr_eewr(struct e1000 *e, uint32_t off, uint32_t v);

/* microwire.c */
void fl_e1000m_wr_eecd_82540(struct e1000 *e, uint32_t off, uint32_t v);

/* phy.c */
void fl_e1000m_mdic(struct e1000 *e, uint32_t v);
void fl_e1000m_phy_reset(struct e1000 *e, bool power_on);
/* whether there is a speed that both ends can */
bool fl_e1000m_phy_common(const struct e1000 *e);
uint16_t fl_e1000m_phy_speed(const struct e1000 *e, bool *full); /* 0, 1, 2 = 10, 100, 1000 */
void fl_e1000m_an_start(struct e1000 *e);

/* link.c */
void fl_e1000m_link_update(struct e1000 *e);
void fl_e1000m_carrier(void *arg, bool up);
uint32_t fl_e1000m_status(struct e1000 *e);
/** A MAC control frame came: obeys it; true when it stops here. */
bool fl_e1000m_pause(struct e1000 *e, const uint8_t *p, uint32_t len);

/* stats.c */
uint32_t fl_e1000m_stat_read(struct e1000 *e, uint32_t off);
void fl_e1000m_stat_tx(struct e1000 *e, const uint8_t *dst, uint32_t len);

static inline void fl_e1000m_count(struct e1000 *e, enum e1000_stat s, uint64_t n)
{
	e->stat[s / 4] += n;
}

/* which of the six size classes a frame of len bytes (FCS not counted) belongs to */
static inline unsigned fl_e1000m_size_class(uint32_t len)
{
	uint32_t l = len + 4;

	return l <= 64 ? 0 : l < 128 ? 1 : l < 256 ? 2 : l < 512 ? 3 : l < 1024 ? 4 : 5;
}

/* csum.c: sums are of little-endian 16-bit words, so the folded sum is stored as it is */
static inline uint32_t fl_e1000m_sum(uint32_t sum, const uint8_t *p, uint32_t len)
{
	uint64_t s = sum, t = 0, w[2];

	/* carries go round: ones' complement does not care in which place */
	for (; len >= 16; len -= 16, p += 16) {
		memcpy(w, p, 16);
		s += w[0];
		s += s < w[0];
		t += w[1];
		t += t < w[1];
	}
	if (len) {
		uint64_t tail[2] = { 0 };
		uint32_t d;
		uint16_t h;

		/* what is missing counts as zero */
		if (len & 8) {
			memcpy(&tail[0], p, 8);
			p += 8;
		}
		if (len & 4) {
			memcpy(&d, p, 4);
			tail[1] = d;
			p += 4;
		}
		if (len & 2) {
			memcpy(&h, p, 2);
			tail[1] += h;
			p += 2;
		}
		if (len & 1)
			tail[1] += *p;
		s += tail[0];
		s += s < tail[0];
		t += tail[1];
		t += t < tail[1];
	}
	s += t;
	s += s < t;
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffff) + (s >> 16);
	return (uint32_t)((s & 0xffff) + (s >> 16));
}

static inline uint16_t fl_e1000m_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

uint32_t fl_e1000m_crc32(const uint8_t *p, uint32_t len);
void fl_e1000m_rss_key(struct e1000 *e);
uint32_t fl_e1000m_toeplitz(const struct e1000 *e, const uint8_t *in, uint32_t len);

static inline uint32_t fl_e1000m_rss_queue(const struct e1000 *e, uint32_t hash)
{
	return e->r[R_RETA / 4 + (hash & 127) / 4] >> (8 * (hash & 3) + 7) & 1;
}

/* parse.c */
struct e1000_headers {
	bool ip4, ip6, frag, tcp, udp, ip_bad, ext;
	uint8_t tcp_flags;
	uint16_t ip_id;
	uint32_t l3, l4, l5, end; /* offsets; l5 = payload, end = of the IP packet */
	uint8_t src[16], dst[16];
	uint32_t l4_pseudo; /* sum of the pseudo header */
};
void fl_e1000m_parse(const struct e1000 *e, const uint8_t *p, uint32_t len,
		     struct e1000_headers *h);
uint32_t fl_e1000m_l4_status(const struct e1000 *e, const uint8_t *p,
			     const struct e1000_headers *h);
uint32_t fl_e1000m_rss(const struct e1000 *e, const uint8_t *p, const struct e1000_headers *h,
		       uint32_t *type);

/* filter.c */
enum e1000_match { MATCH_NO, MATCH_EXACT, MATCH_INEXACT };
enum e1000_match fl_e1000m_filter(struct e1000 *e, const uint8_t *p, uint32_t len);

/* tx.c, txoff.c */
unsigned fl_e1000m_tx(struct e1000 *e, unsigned q);
unsigned fl_e1000m_tx_send(struct e1000 *e, const struct fl_frame *f, unsigned n);
/** All of a frame is gathered: offloads by the fields of its last descriptor and the context. */
void fl_e1000m_tx_finish(struct e1000 *e, struct e1000_txq *t, uint32_t dw2, uint32_t dw3);
/** Sends what a finished frame has left to send, counts the frames; bounded. */
unsigned fl_e1000m_tx_pending(struct e1000 *e, struct e1000_txq *t);
void fl_e1000m_txctx_set(struct e1000_txctx *c, uint64_t q0, uint64_t q1);

/* rxdesc.c */
struct e1000_rxinfo {
	uint32_t status, queue;
	uint64_t q0; /* first qword of an extended write-back */
	uint16_t csum, vlan;
	bool strip, ack;
	struct e1000_headers h;
};
void fl_e1000m_classify(struct e1000 *e, const uint8_t *p, uint32_t len, bool inexact,
			struct e1000_rxinfo *i);
uint16_t fl_e1000m_packet_sum(const struct e1000 *e, const uint8_t *p, uint32_t len);
/** Frame into descriptors, not yet shown to the client; false when too few are free. */
bool fl_e1000m_place(struct e1000 *e, const uint8_t *p, uint32_t len, struct e1000_rxinfo *i);
/** Shows what was placed: descriptors, then the head. */
void fl_e1000m_rx_flush(struct e1000 *e, struct e1000_rxq *rq);

/* rx.c */
unsigned fl_e1000m_receive(void *arg, const struct fl_frame *f, unsigned n);
/** Same, for frames of our own that loop back. */
unsigned fl_e1000m_rx_frames(struct e1000 *e, const struct fl_frame *f, unsigned n);
unsigned fl_e1000m_fifo_drain(struct e1000 *e, unsigned budget);

/* tsync.c */
uint64_t fl_e1000m_clock(struct e1000 *e);
void fl_e1000m_clock_set(struct e1000 *e, uint64_t v);
void fl_e1000m_clock_rate(struct e1000 *e, uint32_t timinca);
/** Is this received frame one to stamp, and is there room for its stamp? */
bool fl_e1000m_stamp_wants(struct e1000 *e, const uint8_t *p, uint32_t len,
			   const struct e1000_headers *h);
void fl_e1000m_stamp_rx(struct e1000 *e, const uint8_t *p, uint32_t len,
			const struct e1000_headers *h);
void fl_e1000m_stamp_tx(struct e1000 *e);

/* fifo.c */
int fl_e1000m_fifo_alloc(struct e1000 *e);
void fl_e1000m_fifo_reset(struct e1000 *e);
/** Takes a frame for later; false when there is no room. */
bool fl_e1000m_fifo_put(struct e1000 *e, const uint8_t *p, uint32_t len, bool inexact);
const uint8_t *fl_e1000m_fifo_peek(struct e1000 *e, uint32_t *len, bool *inexact);
void fl_e1000m_fifo_pop(struct e1000 *e);

extern const struct e1000_variant fl_e1000m_82540, fl_e1000m_82574;
extern const struct fl_model_ops fl_e1000_model_ops, fl_e1000e_model_ops;

#endif
