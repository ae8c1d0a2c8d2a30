/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive. [next, fill) of the ring belong to the chip; one place at least stays empty, since a
 * tail equal to the head reads as "nothing there". Everything here thinks in extended descriptors:
 * legacy ones, which hold less and nothing else, are turned into those where they are read.
 *
 * A whole frame in one buffer without any error bit takes the fast path, four at a time where
 * they came together. All else goes through rx_one_slow(), the only place that sees a chain. What
 * the chip writes is input: the length is bounded by the buffer, a chain by its segments and
 * bytes, before anything is believed.
 */
#include <stdlib.h>
#include <string.h>

#include "e1000_internal.h"

#define RX_FREE_THRESH 32u
#define PREFETCH_AHEAD 4u

#define w1_len(w)      ((uint32_t)((w) >> RXD_LEN_SHIFT) & 0xffffu)
#define LEN_ONE	       (1ull << RXD_LEN_SHIFT)

_Static_assert(offsetof(struct fl_pkt, data_len) == offsetof(struct fl_pkt, data_off) + 2 &&
		       offsetof(struct fl_pkt, pkt_len) == offsetof(struct fl_pkt, data_off) + 4 &&
		       offsetof(struct fl_pkt, ptype) == offsetof(struct fl_pkt, flags) + 4 &&
		       offsetof(struct fl_pkt, tso_mss) == offsetof(struct fl_pkt, flags) + 6 &&
		       offsetof(struct fl_pkt, vlan_tci) == offsetof(struct fl_pkt, hash) + 4 &&
		       offsetof(struct fl_pkt, port) == offsetof(struct fl_pkt, hash) + 6,
	       "put_meta() writes these in three words");

static inline uint64_t desc_w1(const struct fl_e1000_desc *d, bool legacy)
{
	uint64_t w = __atomic_load_n(&d->w[1], __ATOMIC_RELAXED);

	if (!legacy)
		return w;
	return (w >> RXL_STATUS_SHIFT & 0xff) | (w >> RXL_ERRORS_SHIFT & 0xff) << RXD_ERR_SHIFT |
	       (w & 0xffff) << RXD_LEN_SHIFT | w >> RXD_VLAN_SHIFT << RXD_VLAN_SHIFT;
}

/* a legacy one has its buffer's address there */
static inline uint64_t desc_w0(const struct fl_e1000_desc *d, bool legacy)
{
	return legacy ? 0 : d->w[0];
}

static inline void put_word(struct fl_pkt *p, size_t off, uint64_t v)
{
	memcpy((uint8_t *)p + off, &v, sizeof(v));
}

/* metadata of a packet of one segment */
static inline void put_meta(const struct fl_e1000_rxq *q, struct fl_pkt *p, uint64_t w0,
			    uint64_t w1, uint64_t port, bool translate)
{
	uint64_t len = w1_len(w1), bits = 0, hash = port;

	if (translate) {
		bits = q->status_bits[(w1 >> 2) & 31] | q->type_bits[RXD_PTYPE(w1)] |
		       q->rss_bits[w0 & 15];
		hash |= w0 >> 32 | (w1 >> RXD_VLAN_SHIFT) << 32;
	}
	put_word(p, offsetof(struct fl_pkt, data_off), len * 0x100010000ull + FL_PKT_HEADROOM);
	put_word(p, offsetof(struct fl_pkt, flags), bits);
	put_word(p, offsetof(struct fl_pkt, hash), hash);
}

/* ---- refill --------------------------------------------------------------------------- */

static inline uint16_t rx_outstanding(const struct fl_e1000_rxq *q)
{
	return q->fill >= q->next ? q->fill - q->next : (uint16_t)(q->fill + q->nb_desc - q->next);
}

/* outside of a section: what was missed can be handed over in the next one */
static E1000_APART bool rx_post(struct fl_e1000_rxq *q, const struct fl_pkt *p)
{
	return !fl_dma_post(&q->posted, q->area, fl_iova_add(p->iova, FL_PKT_HEADROOM),
			    q->buf_room);
}

/* n buffers at `fill`, not past the ring's end; returns how many went in */
static inline __attribute__((always_inline)) uint32_t refill_run(struct fl_e1000_rxq *q, uint32_t n)
{
	const struct fl_dma_area *area = q->area;
	struct fl_pkt **sw = q->sw + q->fill;
	struct fl_e1000_desc *d = q->ring + q->fill;
	uint16_t fill = q->fill;
	uint32_t i = 0, tries = 0;

	if (fl_unlikely(!fl_pkt_alloc_bulk(q->pool, sw, n)))
		return 0;
	do {
		struct fl_dma_spot spot = FL_DMA_NOWHERE;

		fl_dma_enter(&q->posted);
		for (; i < n; i++) {
			fl_iova_t a = fl_iova_add(sw[i]->iova, FL_PKT_HEADROOM);

			if (fl_unlikely(!fl_dma_in_spot(spot, a))) {
				spot = fl_dma_look(area, a, q->buf_room, q->buf_room);
				if (fl_unlikely(!fl_dma_in_spot(spot, a)))
					break;
			}
			d[i].w[0] = a.v;
			d[i].w[1] = 0;
		}
		q->fill = (uint16_t)(fill + i == q->nb_desc ? 0 : fill + i);
		fl_dma_leave(&q->posted);
	} while (fl_unlikely(i < n) && tries++ < n && rx_post(q, sw[i]));
	if (fl_unlikely(i < n))
		fl_pkt_free_bulk(sw + i, n - i);
	return i;
}

/* gives the chip buffers again in steps of free_thresh; what fails is tried at the next burst */
static inline __attribute__((always_inline)) void refill(struct fl_e1000_rxq *q, uint32_t empty,
							 bool legacy)
{
	uint16_t fill = q->fill;

	while (empty >= q->free_thresh) {
		uint32_t want = q->free_thresh, got = 0;

		if (want > (uint32_t)(q->nb_desc - q->fill))
			want = q->nb_desc - q->fill;
		/* a pool that runs low still has some for the last few */
		for (uint32_t n = want; n && !got; n /= 2)
			got = refill_run(q, n);
		empty -= got;
		if (fl_unlikely(got < want)) {
			fl_stat_add(&q->stats.nombuf, 1);
			break;
		}
	}
	if (fill != q->fill) {
		fl_doorbell_ring(&q->tail, q->fill);
		if (legacy)
			q->rung = true;
	}
}

/*
 * Under KVM, QEMU's 82540 sees a write to its tail when the guest next does something that cannot
 * wait; a guest that only receives, and ran out of buffers, would wait for that for ever.
 */
static E1000_APART void flush_tail(struct fl_e1000_rxq *q)
{
	if (q->tail.ptr)
		(void)fl_mmio_read32(q->tail.ptr);
	q->rung = false;
}

/* ---- the slow path: chains and errors -------------------------------------------------- */

static void drop_chain(struct fl_e1000_rxq *q)
{
	if (q->head) {
		q->head->nb_segs = (uint8_t)q->chain_segs;
		fl_pkt_free(q->head);
	}
	q->head = NULL;
	q->chain_len = 0;
	q->chain_segs = 0;
}

/* counts a frame once, and throws away what belongs to it */
static void drop_frame(struct fl_e1000_rxq *q, struct fl_pkt *seg, bool eop, uint64_t *counter)
{
	fl_pkt_free(seg);
	drop_chain(q);
	if (!q->chain_drop)
		fl_stat_add(counter, 1);
	q->chain_drop = !eop;
}

static void add_segment(struct fl_e1000_rxq *q, struct fl_pkt *seg, uint32_t len)
{
	seg->data_off = FL_PKT_HEADROOM;
	seg->data_len = (uint16_t)len;
	seg->pkt_len = len;
	seg->flags = 0;
	if (q->head)
		q->last->next = seg;
	else
		q->head = seg;
	q->last = seg;
	q->chain_len += len;
	q->chain_segs++;
}

/* one descriptor that came back, whatever it says; returns a packet when it ends one */
static E1000_APART struct fl_pkt *rx_one_slow(struct fl_e1000_rxq *q, struct fl_pkt *seg,
					      uint64_t w0, uint64_t w1, uint64_t port)
{
	uint32_t len = w1_len(w1), st = (uint32_t)w1;
	bool eop = st & RXD_EOP;
	struct fl_pkt *p;

	if (q->chain_drop || len == 0 || len > q->buf_len || q->chain_segs >= E1000_RXQ_CHAIN_MAX ||
	    q->chain_len + len > E1000_RX_FRAME_HW) {
		drop_frame(q, seg, eop, &q->stats.bad_desc);
		return NULL;
	}
	/* the chip lets longer frames pass than the MTU says */
	if (!eop && !q->scatter) {
		drop_frame(q, seg, eop, &q->stats.errors);
		return NULL;
	}
	add_segment(q, seg, len);
	if (!eop)
		return NULL;
	if (st & RXD_ERR_FRAME || q->chain_len > __atomic_load_n(&q->frame_max, __ATOMIC_RELAXED)) {
		fl_stat_add(&q->stats.errors, 1);
		drop_chain(q);
		return NULL;
	}
	p = q->head;
	len = p->data_len;
	put_meta(q, p, w0, w1, port, true);
	if (st & RXD_IPE && p->flags & FL_RX_IP_CSUM_GOOD)
		p->flags ^= FL_RX_IP_CSUM_GOOD | FL_RX_IP_CSUM_BAD;
	if (st & RXD_TCPE && p->flags & FL_RX_L4_CSUM_GOOD)
		p->flags ^= FL_RX_L4_CSUM_GOOD | FL_RX_L4_CSUM_BAD;
	if (st & RXD_TST)
		p->flags |= FL_RX_TIMESTAMP;
	p->data_len = (uint16_t)len;
	p->pkt_len = q->chain_len;
	p->nb_segs = (uint8_t)q->chain_segs;
	q->head = NULL;
	q->chain_len = 0;
	q->chain_segs = 0;
	return p;
}

/* ---- burst ---------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) uint16_t rx_burst(struct fl_e1000_rxq *q,
							       struct fl_pkt **pkts, uint16_t n,
							       const bool translate,
							       const bool legacy)
{
	const uint64_t id = __atomic_load_n(&q->q.port->id, __ATOMIC_RELAXED);
	const uint64_t port = id << 48, slow_mask = q->slow_mask;
	uint32_t avail = rx_outstanding(q), next = q->next, got = 0;
	uint64_t bytes = 0;

	while (got < n && avail) {
		const struct fl_e1000_desc *d = q->ring + next;
		struct fl_pkt **sw = q->sw + next;
		uint32_t run = q->nb_desc - next, i = 0;
		bool empty = false;

		run = run < avail ? run : avail;
		run = run < n - got ? run : n - got;
		while (i + 4 <= run && !q->chain_segs && !q->chain_drop) {
			uint64_t a = desc_w1(d + i, legacy), b = desc_w1(d + i + 1, legacy);
			uint64_t c = desc_w1(d + i + 2, legacy), e = desc_w1(d + i + 3, legacy);
			uint64_t odd = ((a - LEN_ONE) ^ (RXD_DD | RXD_EOP)) |
				       ((b - LEN_ONE) ^ (RXD_DD | RXD_EOP)) |
				       ((c - LEN_ONE) ^ (RXD_DD | RXD_EOP)) |
				       ((e - LEN_ONE) ^ (RXD_DD | RXD_EOP));

			if (odd & slow_mask)
				break;
			fl_dma_rmb();
			for (unsigned j = 0; j < 4; j++)
				__builtin_prefetch(sw[i + 4 + j], 1);
			put_meta(q, sw[i], desc_w0(d + i, legacy), a, port, translate);
			put_meta(q, sw[i + 1], desc_w0(d + i + 1, legacy), b, port, translate);
			put_meta(q, sw[i + 2], desc_w0(d + i + 2, legacy), c, port, translate);
			put_meta(q, sw[i + 3], desc_w0(d + i + 3, legacy), e, port, translate);
			memcpy(pkts + got, sw + i, 4 * sizeof(*sw));
			bytes += w1_len(a) + w1_len(b) + w1_len(c) + w1_len(e);
			got += 4;
			i += 4;
		}
		if (i < run) {
			uint64_t w1 = desc_w1(d + i, legacy);

			if (!(w1 & RXD_DD)) {
				empty = true;
			} else {
				struct fl_pkt *p = sw[i];

				fl_dma_rmb();
				if ((((w1 - LEN_ONE) ^ (RXD_DD | RXD_EOP)) & slow_mask) ||
				    q->chain_segs || q->chain_drop)
					p = rx_one_slow(q, p, desc_w0(d + i, legacy), w1, port);
				else
					put_meta(q, p, desc_w0(d + i, legacy), w1, port, translate);
				i++;
				if (p) {
					pkts[got++] = p;
					bytes += p->pkt_len;
				}
			}
		}
		avail -= i;
		next = next + i == q->nb_desc ? 0 : next + i;
		if (empty)
			break;
	}
	q->next = (uint16_t)next;
	if (got) {
		fl_stat_add(&q->stats.packets, got);
		fl_stat_add(&q->stats.bytes, bytes);
	} else if (legacy && q->rung) {
		flush_tail(q);
	}
	if (q->nb_desc - 1u - avail >= q->free_thresh)
		refill(q, q->nb_desc - 1u - avail, legacy);
	return (uint16_t)got;
}

static uint16_t rx_burst_plain(struct fl_rxq *q, struct fl_pkt **pkts, uint16_t n)
{
	return rx_burst((struct fl_e1000_rxq *)q, pkts, n, false, false);
}

static uint16_t rx_burst_translate(struct fl_rxq *q, struct fl_pkt **pkts, uint16_t n)
{
	return rx_burst((struct fl_e1000_rxq *)q, pkts, n, true, false);
}

static uint16_t rx_burst_legacy_plain(struct fl_rxq *q, struct fl_pkt **pkts, uint16_t n)
{
	return rx_burst((struct fl_e1000_rxq *)q, pkts, n, false, true);
}

static uint16_t rx_burst_legacy_translate(struct fl_rxq *q, struct fl_pkt **pkts, uint16_t n)
{
	return rx_burst((struct fl_e1000_rxq *)q, pkts, n, true, true);
}

/* ---- control -------------------------------------------------------------------------- */

int fl_e1000_rxq_setup(struct fl_port *p, uint16_t qid, const struct fl_rxq_conf *c,
		       struct fl_rxq **out)
{
	/* prefetch looks a few entries past the end */
	size_t sw = (c->nb_desc + 2 * PREFETCH_AHEAD) * sizeof(struct fl_pkt *);
	uint32_t room = fl_pool_data_room(c->pool);
	struct fl_e1000 *e = fl_e1000_of(p);
	struct fl_e1000_rxq *q;
	int rc;

	if (room < 256) {
		e1000_err(e, "%s: the pool's buffers have %u bytes of room, the chip needs 256",
			  fl_dev_uri(p->dev), room);
		return -EINVAL;
	}
	q = aligned_alloc(FL_CACHE_LINE, fl_align_up(sizeof(*q), FL_CACHE_LINE));
	if (!q)
		return -ENOMEM;
	memset(q, 0, sizeof(*q));
	q->sw = calloc(1, sw);
	if (!q->sw) {
		rc = -ENOMEM;
		goto err;
	}
	rc = fl_e1000_ring_alloc(e, c->nb_desc * sizeof(struct fl_e1000_desc), &q->mem);
	if (rc)
		goto err;
	q->ring = q->mem.desc;
	q->nb_desc = c->nb_desc;
	q->free_thresh = c->free_thresh ? c->free_thresh : RX_FREE_THRESH;
	if (q->free_thresh > c->nb_desc / 2)
		q->free_thresh = c->nb_desc / 2;
	q->pool = c->pool;
	q->legacy = !e->v->pcie;
	q->area = fl_pool_area(c->pool);
	q->buf_room = (uint16_t)(room > UINT16_MAX ? UINT16_MAX : room);
	rc = fl_dma_queue_add(fl_ctx_space(p->ctx), &q->posted, &fl_e1000_rx_posted, q,
			      (uint64_t)q->nb_desc * (FL_PKT_HEADROOM + room));
	if (rc)
		goto no_queue;
	*out = &q->q;
	return 0;
no_queue:
	fl_e1000_ring_free(e, &q->mem);
err:
	free(q->sw);
	free(q);
	return rc;
}

void fl_e1000_rxq_release(struct fl_rxq *fq)
{
	struct fl_e1000_rxq *q = (struct fl_e1000_rxq *)fq;

	fl_dma_queue_del(&q->posted);
	fl_e1000_stats_retire_rx(fq);
	fl_e1000_ring_free(fl_e1000_of(fq->port), &q->mem);
	free(q->sw);
	free(q);
}

/* frees every packet that the queue holds; the chip is off */
void fl_e1000_rx_drain(struct fl_rxq *fq)
{
	struct fl_e1000_rxq *q = (struct fl_e1000_rxq *)fq;

	drop_chain(q);
	q->chain_drop = false;
	while (q->next != q->fill) {
		fl_pkt_free(q->sw[q->next]);
		q->next = (uint16_t)(q->next + 1 == q->nb_desc ? 0 : q->next + 1);
	}
	q->next = 0;
	q->fill = 0;
}

static void fill_tables(struct fl_e1000_rxq *q, uint64_t off)
{
	static const uint32_t types[16] = {
		[0] = FL_PTYPE_ETHER,
		[1] = FL_PTYPE_ETHER | FL_PTYPE_IPV4,
		[2] = FL_PTYPE_ETHER | FL_PTYPE_IPV4 | FL_PTYPE_L4,
		[5] = FL_PTYPE_ETHER | FL_PTYPE_IPV6,
		[6] = FL_PTYPE_ETHER | FL_PTYPE_IPV6 | FL_PTYPE_L4,
	};

	for (uint32_t i = 0; i < 32; i++) {
		uint32_t st = i << 2, flags = 0;

		/* tags are gone from the frame whenever VP says so, asked for or not */
		if (st & RXD_VP)
			flags |= FL_RX_VLAN_STRIPPED;
		if (!(st & RXD_IXSM)) {
			if (st & RXD_IPCS && off & FL_OFF_RX_IP_CSUM)
				flags |= FL_RX_IP_CSUM_GOOD;
			if (st & (RXD_TCPCS | RXD_UDPCS) && off & FL_OFF_RX_L4_CSUM)
				flags |= FL_RX_L4_CSUM_GOOD;
		}
		q->status_bits[i] = flags;
	}
	for (unsigned i = 0; i < 16; i++) {
		q->type_bits[i] = off & FL_OFF_RX_PTYPE ? (uint64_t)types[i] << 32 : 0;
		q->rss_bits[i] = i && off & FL_OFF_RX_RSS_HASH ? FL_RX_RSS_HASH : 0;
	}
}

/* Chooses the burst function for what is on now. Other threads may be polling. */
void fl_e1000_rx_select(struct fl_e1000 *e)
{
	const uint64_t wants = FL_OFF_RX_IP_CSUM | FL_OFF_RX_L4_CSUM | FL_OFF_RX_VLAN_STRIP |
			       FL_OFF_TX_VLAN | FL_OFF_RX_RSS_HASH | FL_OFF_RX_PTYPE;
	static uint16_t (*const bursts[2][2])(struct fl_rxq *, struct fl_pkt **, uint16_t) = {
		{ rx_burst_plain, rx_burst_translate },
		{ rx_burst_legacy_plain, rx_burst_legacy_translate },
	};
	bool translate = e->port.conf.offloads & wants;

	for (unsigned i = 0; i < e->port.conf.nb_rxq; i++) {
		struct fl_e1000_rxq *q = (struct fl_e1000_rxq *)e->port.rxq[i];

		__atomic_store_n(&q->frame_max, fl_e1000_frame_max(&e->port), __ATOMIC_RELAXED);
		if (!fl_dev_removed(e->port.dev))
			__atomic_store_n(&q->q.burst, bursts[!e->v->pcie][translate],
					 __ATOMIC_RELEASE);
	}
}

/* the largest size the chip knows that fits the smallest buffer of any queue */
static uint32_t choose_buf(const struct fl_e1000 *e)
{
	uint32_t room = UINT16_MAX, size = 16384;

	for (unsigned i = 0; i < e->port.conf.nb_rxq; i++) {
		const struct fl_e1000_rxq *q = (const struct fl_e1000_rxq *)e->port.rxq[i];

		room = q->buf_room < room ? q->buf_room : room;
	}
	while (size > room)
		size /= 2;
	return size;
}

static void program_ring(struct fl_e1000 *e, struct fl_e1000_rxq *q)
{
	unsigned i = q->q.qid;

	fl_e1000_wr(e, E1000_RDBAL(i), (uint32_t)q->mem.iova.v);
	fl_e1000_wr(e, E1000_RDBAH(i), (uint32_t)(q->mem.iova.v >> 32));
	fl_e1000_wr(e, E1000_RDLEN(i), q->nb_desc * (uint32_t)sizeof(struct fl_e1000_desc));
	fl_e1000_wr(e, E1000_RDH(i), 0);
	fl_e1000_wr(e, E1000_RDT(i), 0);
	fl_e1000_wr(e, E1000_RXDCTL(i), RXDCTL_GRAN | RXDCTL_WTHRESH(1u));
	fl_doorbell_init(&q->tail, e->port.dev, 0, E1000_RDT(i));
}

/* rings and their registers; reception itself starts with fl_e1000_rx_run() */
void fl_e1000_rx_start(struct fl_e1000 *e)
{
	e->rx_buf = choose_buf(e);
	fl_e1000_wr(e, E1000_RDTR, 0);
	fl_e1000_wr(e, E1000_RADV, 0);
	if (e->v->pcie)
		fl_e1000_wr(e, E1000_RFCTL, RFCTL_EXTEN | RFCTL_ACK_DIS);
	for (unsigned i = 0; i < e->port.conf.nb_rxq; i++) {
		struct fl_e1000_rxq *q = (struct fl_e1000_rxq *)e->port.rxq[i];

		q->slow_mask = RXD_ERR_ANY | RXD_DD | RXD_EOP | RXD_TST |
			       (uint64_t)(~(e->rx_buf - 1) & 0xffffu) << RXD_LEN_SHIFT;
		q->buf_len = e->rx_buf;
		q->scatter = e->port.conf.offloads & FL_OFF_RX_SCATTER;
		fill_tables(q, e->port.conf.offloads);
		program_ring(e, q);
	}
}

/* turns the receiver on, then gives it buffers */
void fl_e1000_rx_run(struct fl_e1000 *e)
{
	fl_e1000_wr(e, E1000_RCTL, fl_e1000_rctl(e));
	for (unsigned i = 0; i < e->port.conf.nb_rxq; i++) {
		struct fl_e1000_rxq *q = (struct fl_e1000_rxq *)e->port.rxq[i];
		uint32_t want = q->nb_desc - 1u;

		while (want) {
			uint32_t n = want < q->free_thresh ? want : q->free_thresh;
			uint32_t got = refill_run(q, n);

			want -= got;
			if (got < n) {
				e1000_warn(e,
					   "%s: receive queue %u starts with %u of %u buffers: "
					   "the pool has no more, or they cannot be mapped",
					   fl_dev_uri(e->port.dev), i, q->fill, q->nb_desc - 1u);
				break;
			}
		}
		fl_doorbell_ring(&q->tail, q->fill);
		q->rung = true;
	}
	fl_e1000_rx_select(e);
}

int fl_e1000_rxq_desc_status(struct fl_rxq *fq, uint16_t off)
{
	struct fl_e1000_rxq *q = (struct fl_e1000_rxq *)fq;
	uint32_t pos = q->next + off;

	if (off >= q->nb_desc)
		return -EINVAL;
	if (off >= rx_outstanding(q))
		return FL_DESC_UNAVAIL;
	pos = pos >= q->nb_desc ? pos - q->nb_desc : pos;
	return desc_w1(&q->ring[pos], !fl_e1000_of(fq->port)->v->pcie) & RXD_DD ? FL_DESC_DONE
										: FL_DESC_AVAIL;
}

int fl_e1000_rxq_desc_read(struct fl_rxq *fq, uint16_t pos, uint64_t out[2])
{
	struct fl_e1000_rxq *q = (struct fl_e1000_rxq *)fq;

	if (pos >= q->nb_desc)
		return -EINVAL;
	out[0] = __atomic_load_n(&q->ring[pos].w[0], __ATOMIC_RELAXED);
	out[1] = __atomic_load_n(&q->ring[pos].w[1], __ATOMIC_RELAXED);
	return 0;
}

int fl_e1000_rxq_info(struct fl_rxq *fq, struct fl_rxq_info *out)
{
	struct fl_e1000_rxq *q = (struct fl_e1000_rxq *)fq;

	out->nb_desc = q->nb_desc;
	out->free_thresh = q->free_thresh;
	out->scattered = fq->port->conf.offloads & FL_OFF_RX_SCATTER;
	out->pool = q->pool;
	/* a power of two, since the chip knows no other sizes */
	for (out->buf_size = 256; 2u * out->buf_size <= q->buf_room && out->buf_size < 16384;)
		out->buf_size = (uint16_t)(2 * out->buf_size);
	return 0;
}
