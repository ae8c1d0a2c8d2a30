/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transmit, context and data descriptors.
 *
 * The ring is cut into batches of rs_thresh descriptors, which are reclaimed whole. The last
 * frame that touches a batch asks for a report; DD there says that the batch is done. Every burst
 * ends with a report as well, so that a frame never waits for later ones to be known as sent.
 *
 * QEMU's 82574 silently drops frames with a buffer that lies on two pages which are no neighbours
 * in the guest's memory, as a guest with an IOMMU makes them: there no descriptor crosses a page.
 *
 * A frame in one segment that asks for nothing and that nobody else holds takes the fast path; a
 * batch of such frames out of one pool goes back to it without a look at the packets.
 */
#include <string.h>

#include "e1000_internal.h"

#define PKT_PLAIN   0x00010001u /* nb_segs 1, kind 0, refcnt 1 */
#define TX_ASKS	    0xffff0000u /* any transmit offload flag */
#define L4_CSUM_TCP 16u
#define L4_CSUM_UDP 6u
#define PAGE	    4096u
#define QEMU_FRAGS  64u /* it drops frames of more descriptors too */
#define IP_CSUM	    10u
#define POST_TRIES  4u

#define TXD_PLAIN   (TXD_DTYP_DATA | TXD_DEXT | TXD_IFCS | TXD_EOP)
#define TX_CSUMS    (FL_TX_IP_CSUM | FL_TX_TCP_CSUM | FL_TX_UDP_CSUM | FL_TX_TSO)

static inline uint32_t pkt_word(const struct fl_pkt *p)
{
	uint32_t w;

	memcpy(&w, &p->nb_segs, sizeof(w));
	return w;
}

_Static_assert(offsetof(struct fl_pkt, refcnt) == offsetof(struct fl_pkt, nb_segs) + 2 &&
		       offsetof(struct fl_pkt, kind) == offsetof(struct fl_pkt, nb_segs) + 1,
	       "pkt_word() reads these together");

/* ---- batches -------------------------------------------------------------------------- */

static void free_mixed(struct fl_pkt **sw, uint32_t n)
{
	uint32_t k = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (sw[i])
			sw[k++] = sw[i];
	}
	if (k)
		fl_pkt_free_bulk(sw, k);
}

static inline bool oldest_done(const struct fl_e1000_txq *q)
{
	return q->closed && fl_e1000_tx_done(q, q->batches[q->oldest].done);
}

/* frees what full batches are done */
static E1000_APART void reclaim(struct fl_e1000_txq *q)
{
	while (oldest_done(q)) {
		struct fl_e1000_batch *b = &q->batches[q->oldest];
		struct fl_pkt **sw = q->sw + (uint32_t)q->oldest * q->rs_thresh;

		if (fl_likely(b->pool != NULL))
			fl_pkt_free_simple(b->pool, sw, q->rs_thresh);
		else
			free_mixed(sw, q->rs_thresh);
		q->free = (uint16_t)(q->free + q->rs_thresh);
		q->oldest = (uint16_t)(q->oldest + 1 == q->nb_batches ? 0 : q->oldest + 1);
		q->closed--;
	}
}

static inline void ask_report(struct fl_e1000_txq *q, uint16_t at)
{
	q->ring[at].w[1] |= TXD_RS;
	q->last_rs = at;
}

/* the open batch is full; `done` ends the last frame that touches it */
static inline void close_batch(struct fl_e1000_txq *q, uint16_t done)
{
	struct fl_e1000_batch *b = &q->batches[q->open];

	b->done = done;
	b->pool = q->simple ? q->pool : NULL;
	q->simple = true;
	q->closed++;
	q->open++;
	q->batch_end = (uint16_t)(q->batch_end + q->rs_thresh);
	if (q->open == q->nb_batches) {
		q->open = 0;
		q->batch_end = q->rs_thresh;
	}
}

/* ---- the slow path: everything that is not one plain segment --------------------------- */

/* area that a segment's bytes lie in; NULL = not one of this device's */
static const struct fl_dma_area *seg_area(const struct fl_e1000_txq *q, const struct fl_pkt *s)
{
	const struct fl_dma_area *a = fl_pkt_area(s);

	return a && a->space == fl_ctx_space(q->q.port->ctx) ? a : NULL;
}

static unsigned header_len(const struct fl_pkt *p)
{
	return p->l2_len + p->l3_len + (p->flags & FL_TX_TSO ? p->l4_len : 0u);
}

/*
 * Erratum of some: with TSO the first buffer must hold more than the headers. Moves some bytes of
 * the next segment behind them; false where that cannot be.
 */
static bool tso_extend(struct fl_pkt *p, uint8_t extra)
{
	struct fl_pkt *s = p->next;
	unsigned hdr = header_len(p);

	if (!extra || !(p->flags & FL_TX_TSO) || p->data_len > hdr || p->data_len == p->pkt_len)
		return true;
	if (!s || s->data_len < extra || fl_pkt_tailroom(p) < extra || p->kind ||
	    __atomic_load_n(&p->refcnt, __ATOMIC_RELAXED) > 1 || s->kind ||
	    __atomic_load_n(&s->refcnt, __ATOMIC_RELAXED) > 1)
		return false;
	memcpy((uint8_t *)fl_pkt_data(p) + p->data_len, fl_pkt_data(s), extra);
	p->data_len += extra;
	s->data_off += extra;
	s->data_len -= extra;
	return true;
}

/* offload fields that would make the chip read or write outside the frame, or stall it */
static bool offload_ok(const struct fl_pkt *p, uint32_t frame_max)
{
	unsigned hdr = header_len(p);

	if (!(p->flags & TX_CSUMS))
		return p->pkt_len <= frame_max;
	/* offsets are 8 bits wide, and so is the length of TSO headers */
	if (p->l2_len + p->l3_len + L4_CSUM_TCP > 255 || hdr > 255 || hdr > p->data_len ||
	    !p->l2_len || !p->l3_len)
		return false;
	if (p->flags & FL_TX_TSO)
		return p->tso_mss && p->l4_len && p->pkt_len > hdr &&
		       p->pkt_len - hdr <= UINT16_MAX && p->tso_mss + hdr <= frame_max;
	return p->pkt_len <= frame_max;
}

/* bytes of one descriptor of the frame; PCI chips take up to four segments at a time into FIFO */
static uint32_t desc_max(const struct fl_e1000_variant *v, const struct fl_pkt *p)
{
	uint32_t four = 4u * p->tso_mss;

	return !v->pcie && p->flags & FL_TX_TSO && four < v->txd_len_max ? four : v->txd_len_max;
}

/*
 * Erratum of the 82540: the last descriptor of a TSO frame is reported done before its bytes are
 * read, and so is the next frame if it has only one. Bytes of a segment, the frame's last, that get
 * a descriptor for themselves therefore.
 */
static uint32_t sentinel(const struct fl_e1000_txq *q, const struct fl_pkt *p,
			 const struct fl_pkt *last)
{
	uint32_t n = q->v->tso_sentinel;

	if (!n || last->next || last->data_len <= 2 * n)
		return 0;
	return p->flags & FL_TX_TSO || (q->after_tso && p == last) ? n : 0;
}

/* descriptors of a segment, at most; pages are less than what one descriptor takes */
static uint32_t seg_slots(const struct fl_e1000_txq *q, const struct fl_pkt *s, uint32_t max)
{
	if (q->paged && s->data_len)
		return (uint32_t)(((fl_pkt_iova(s).v & (PAGE - 1)) + s->data_len + PAGE - 1) /
				  PAGE);
	return (s->data_len + max - 1) / max;
}

/* slots the frame may need, 0 = it cannot be sent; *pad = zero bytes to add */
static uint32_t slots_needed(struct fl_e1000_txq *q, struct fl_pkt *p, uint32_t *pad)
{
	uint32_t n = 0, len = 0, segs = 0, max;

	if (!tso_extend(p, q->v->tso_extra) || !offload_ok(p, q->v->frame_max - E1000_FCS_LEN))
		return 0;
	max = desc_max(q->v, p);
	for (const struct fl_pkt *s = p; s; s = s->next) {
		if (++segs > p->nb_segs || !seg_area(q, s))
			return 0;
		n += seg_slots(q, s, max) + (sentinel(q, p, s) ? 1 : 0);
		len += s->data_len;
	}
	if (!n || len != p->pkt_len || segs != p->nb_segs)
		return 0;
	*pad = len < q->v->tx_len_min ? q->v->tx_len_min - len : 0;
	n += *pad ? 1 : 0;
	if (q->paged && n > QEMU_FRAGS)
		return 0;
	n += p->flags & TX_CSUMS ? 1 : 0;
	/* more than that and a full ring might never get room enough */
	return n <= (uint32_t)(q->nb_desc - 1 - q->rs_thresh) ? n : 0;
}

static struct fl_e1000_desc make_context(const struct fl_pkt *p)
{
	uint64_t ip = p->l2_len, l4 = ip + p->l3_len, flags = p->flags;
	bool tcp = flags & (FL_TX_TCP_CSUM | FL_TX_TSO);
	struct fl_e1000_desc c;

	c.w[0] = ip | (ip + IP_CSUM) << 8 | (l4 - 1) << 16 | l4 << TXC_TUCSS_SHIFT |
		 (l4 + (tcp ? L4_CSUM_TCP : L4_CSUM_UDP)) << (TXC_TUCSS_SHIFT + 8);
	c.w[1] = TXD_DEXT | (tcp ? TXC_TCP : 0) | (flags & FL_TX_IPV6 ? 0 : TXC_IP);
	if (flags & FL_TX_TSO) {
		unsigned hdr = header_len(p);

		c.w[1] |= TXD_TSE | (p->pkt_len - hdr) | (uint64_t)hdr << TXC_HDRLEN_SHIFT |
			  (uint64_t)p->tso_mss << TXC_MSS_SHIFT;
	}
	return c;
}

/* command, options and tag of the frame's data descriptors */
static uint64_t data_command(const struct fl_e1000_variant *v, const struct fl_pkt *p)
{
	uint64_t cmd = TXD_DTYP_DATA | TXD_DEXT | TXD_IFCS;

	if (p->flags & FL_TX_VLAN)
		cmd |= TXD_VLE | (uint64_t)p->vlan_tci << TXD_VLAN_SHIFT;
	if (p->flags & (FL_TX_TCP_CSUM | FL_TX_UDP_CSUM | FL_TX_TSO))
		cmd |= TXD_POPTS_TXSM;
	if (p->flags & FL_TX_IP_CSUM || (p->flags & FL_TX_TSO && !(p->flags & FL_TX_IPV6)))
		cmd |= TXD_POPTS_IXSM;
	if (p->flags & FL_TX_TSO)
		cmd |= TXD_TSE;
	if (p->flags & FL_TX_TIMESTAMP && v->features & FL_FEAT_TIMESYNC)
		cmd |= TXD_TS;
	return cmd;
}

/* where the frame's next descriptor goes; counts the batches that it passes the end of */
struct tx_cursor {
	uint16_t at, last, end, crossed;
};

static void put_desc(struct fl_e1000_txq *q, struct tx_cursor *c, uint64_t w0, uint64_t w1)
{
	q->ring[c->at].w[0] = w0;
	q->ring[c->at].w[1] = w1;
	q->sw[c->at] = NULL;
	c->last = c->at++;
	if (c->at == c->end) {
		c->crossed++;
		if (c->at == q->nb_desc)
			c->at = 0;
		c->end = (uint16_t)(c->at + q->rs_thresh);
	}
}

/* all but the last `apart` bytes in descriptors of at most `max`, those in one of their own */
static void put_segment(struct fl_e1000_txq *q, struct tx_cursor *c, const struct fl_pkt *s,
			uint64_t cmd, uint32_t max, uint32_t apart)
{
	uint64_t iova = fl_pkt_iova(s).v;

	for (uint32_t left = s->data_len - apart; left;) {
		uint32_t len = left < max ? left : max;

		if (q->paged && len > PAGE - (iova & (PAGE - 1)))
			len = (uint32_t)(PAGE - (iova & (PAGE - 1)));
		put_desc(q, c, iova, cmd | len);
		iova += len;
		left -= len;
	}
	if (apart)
		put_desc(q, c, iova, cmd | apart);
}

/*
 * Who asks what the queue holds sees the descriptors before this: with those of the lap before it
 * would take a report of then for one that all before it is done.
 */
static inline void set_tail(struct fl_e1000_txq *q, uint32_t tail)
{
	__atomic_store_n(&q->tail, (uint16_t)tail, __ATOMIC_RELEASE);
}

/* after a TSO frame, one in a single buffer is no plain one where the erratum is */
static void note_tso(struct fl_e1000_txq *q, const struct fl_pkt *p)
{
	if (!q->v->tso_sentinel)
		return;
	q->after_tso = p->flags & FL_TX_TSO || (q->after_tso && p->next);
	if (q->after_tso)
		q->pool = NULL;
}

/* of areas of this device's, see slots_needed() */
static bool all_resident(const struct fl_pkt *p)
{
	for (const struct fl_pkt *s = p; s; s = s->next)
		if (s->data_len && !fl_dma_resident(fl_pkt_area(s), fl_pkt_iova(s), s->data_len))
			return false;
	return true;
}

/*
 * All of a frame can be handed over in this section, or in a new one when this returns. Segments
 * are posted together, so that none of them goes for another's sake.
 */
static int post_frame(struct fl_e1000_txq *q, const struct fl_pkt *p)
{
	int rc = 0;

	for (unsigned tries = 0; !rc && !all_resident(p); tries++) {
		fl_dma_leave(&q->posted);
		for (const struct fl_pkt *s = p; s && !rc; s = s->next)
			rc = fl_dma_post(&q->posted, fl_pkt_area(s), fl_pkt_iova(s), s->data_len);
		fl_dma_enter(&q->posted);
		if (tries == POST_TRIES)
			rc = -EAGAIN;
	}
	return rc;
}

/*
 * One frame of any kind; false = no room now. What cannot be sent is counted and freed. Called in a
 * section, and returns in one, which may be another.
 */
static E1000_APART bool tx_one_slow(struct fl_e1000_txq *q, struct fl_pkt *p)
{
	struct tx_cursor c = { .at = q->tail, .end = q->batch_end };
	uint32_t pad, need = slots_needed(q, p, &pad);
	uint64_t cmd = data_command(q->v, p);
	struct fl_mem_info mem;
	int rc = 0;

	if (need && need > q->free) {
		reclaim(q);
		if (need > q->free)
			return false;
	}
	if (need)
		rc = post_frame(q, p);
	if (rc == -EAGAIN)
		return false;
	if (!need || rc) {
		fl_stat_add(&q->stats.errors, 1);
		fl_pkt_free(p);
		return true;
	}
	/* later packets of this pool may take the fast path */
	if (p->pool != q->pool && fl_pool_area(p->pool) &&
	    fl_pool_area(p->pool)->space == fl_ctx_space(q->q.port->ctx)) {
		q->pool = p->pool;
		q->area = fl_pool_area(p->pool);
		fl_mem_info(q->area->mem, &mem);
		/* a large page that the IOVA is not aligned to has its ends elsewhere */
		q->page_mask =
			(q->area->iova.v & (mem.page_size - 1) ? PAGE : (uint32_t)mem.page_size) -
			1;
	}
	if (p->flags & TX_CSUMS) {
		struct fl_e1000_desc ctx = make_context(p);

		if (!q->ctx_valid || memcmp(&ctx, &q->ctx, sizeof(ctx)) != 0)
			put_desc(q, &c, ctx.w[0], ctx.w[1]);
		/* the chip keeps one context for both queues: with two at work none is reliable */
		q->ctx = ctx;
		q->ctx_valid = !fl_e1000_of(q->q.port)->shared_tx_context;
	}
	for (const struct fl_pkt *s = p; s; s = s->next)
		put_segment(q, &c, s, cmd, desc_max(q->v, p), sentinel(q, p, s));
	if (pad)
		put_desc(q, &c, q->pad.v, cmd | pad);
	q->ring[c.last].w[1] |= TXD_EOP;
	q->sw[c.last] = p;

	need = (uint32_t)(c.at >= q->tail ? c.at - q->tail : c.at + q->nb_desc - q->tail);
	q->free = (uint16_t)(q->free - need);
	set_tail(q, c.at);
	if (c.crossed)
		ask_report(q, c.last);
	note_tso(q, p);
	/* every batch that the frame has a part in is mixed, the one it ends in too */
	q->simple = false;
	for (; c.crossed; c.crossed--) {
		close_batch(q, c.last);
		q->simple = c.crossed == 1 && q->tail + q->rs_thresh == q->batch_end;
	}
	fl_stat_add(&q->stats.packets, 1);
	fl_stat_add(&q->stats.bytes, p->pkt_len);
	return true;
}

/* ---- burst ---------------------------------------------------------------------------- */

/* plain packets at the tail, up to `n` of them in the open batch; returns how many */
static inline __attribute__((always_inline)) uint32_t tx_plain(
	struct fl_e1000_txq *q, struct fl_pkt **pkts, uint32_t n, uint64_t *bytes,
	const uint32_t least, const uint32_t most, const bool paged)
{
	const uint32_t page_mask = q->page_mask;
	const struct fl_dma_area *area = q->area;
	struct fl_e1000_desc *d = q->ring + q->tail;
	struct fl_pkt **sw = q->sw + q->tail, **at = pkts, **end = pkts + n;
	struct fl_dma_spot spot = FL_DMA_NOWHERE;
	struct fl_pool *pool = q->pool;
	uint64_t sum = 0;

	/* three pointers and no index: as many registers as there are */
	for (; at != end; at++, sw++, d++) {
		struct fl_pkt *p = *at;
		uint64_t len = p->data_len;
		fl_iova_t iova = fl_pkt_iova(p);

		if (fl_unlikely(p->pool != pool ||
				((pkt_word(p) ^ PKT_PLAIN) | (p->flags & TX_ASKS)) ||
				len - least > most - least))
			break;
		if (paged && fl_unlikely((iova.v & page_mask) + len > page_mask + 1ull))
			break;
		if (fl_unlikely(!fl_dma_in_spot(spot, iova))) {
			spot = fl_dma_look(area, iova, (uint32_t)len, most);
			if (fl_unlikely(!fl_dma_in_spot(spot, iova)))
				break;
		}
		d->w[0] = iova.v;
		d->w[1] = TXD_PLAIN | len;
		*sw = p;
		sum += len;
	}
	*bytes += sum;
	return (uint32_t)(at - pkts);
}

/* plain are packets of `least` to `most` bytes, which the chip takes in one descriptor as they are
 */
static inline __attribute__((always_inline)) uint16_t tx_burst(struct fl_e1000_txq *q,
							       struct fl_pkt **pkts, uint16_t n,
							       const uint32_t least,
							       const uint32_t most,
							       const bool paged)
{
	uint64_t bytes = 0;
	uint32_t sent = 0, slow = 0;
	bool wrote = false;

	if (q->free < q->free_thresh && oldest_done(q))
		reclaim(q);
	fl_dma_enter(&q->posted);
	while (sent < n) {
		uint32_t room = q->batch_end - q->tail, k;

		room = room < q->free ? room : q->free;
		room = room < n - sent ? room : n - sent;
		k = tx_plain(q, pkts + sent, room, &bytes, least, most, paged);
		sent += k;
		q->free = (uint16_t)(q->free - k);
		set_tail(q, q->tail + k);
		if (q->tail == q->batch_end) {
			uint16_t last = (uint16_t)(q->tail - 1);

			if (q->tail == q->nb_desc)
				q->tail = 0;
			ask_report(q, last);
			close_batch(q, last);
		}
		if (k < room) {
			uint16_t tail = q->tail;

			if (!tx_one_slow(q, pkts[sent]))
				break;
			sent++;
			slow++;
			wrote |= q->tail != tail;
		} else if (!q->free) {
			reclaim(q);
			if (!q->free)
				break;
		}
	}
	fl_dma_leave(&q->posted);
	if (wrote || sent > slow) {
		uint16_t last = (uint16_t)((q->tail ? q->tail : q->nb_desc) - 1);

		fl_stat_add(&q->stats.packets, sent - slow);
		fl_stat_add(&q->stats.bytes, bytes);
		if (q->last_rs != last)
			ask_report(q, last);
		fl_doorbell_ring(&q->db, q->tail);
	}
	return (uint16_t)sent;
}

static uint16_t tx_burst_82574(struct fl_txq *q, struct fl_pkt **pkts, uint16_t n)
{
	return tx_burst((struct fl_e1000_txq *)q, pkts, n, E1000_82574_TX_MIN,
			E1000_82574_FRAME_MAX - E1000_FCS_LEN, false);
}

static uint16_t tx_burst_82574_paged(struct fl_txq *q, struct fl_pkt **pkts, uint16_t n)
{
	return tx_burst((struct fl_e1000_txq *)q, pkts, n, E1000_82574_TX_MIN,
			E1000_82574_FRAME_MAX - E1000_FCS_LEN, true);
}

static uint16_t tx_burst_82540(struct fl_txq *q, struct fl_pkt **pkts, uint16_t n)
{
	return tx_burst((struct fl_e1000_txq *)q, pkts, n, E1000_82540_TX_MIN, E1000_82540_TXD_MAX,
			false);
}

void fl_e1000_tx_run(struct fl_e1000 *e)
{
	uint16_t (*burst)(struct fl_txq *, struct fl_pkt **, uint16_t) =
		!e->v->pcie   ? tx_burst_82540
		: e->tx_paged ? tx_burst_82574_paged
			      : tx_burst_82574;

	if (!e->port.conf.nb_txq)
		return;
	fl_e1000_wr(e, E1000_TCTL,
		    TCTL_EN | TCTL_PSP | TCTL_CT(15u) | TCTL_COLD(0x3fu) | TCTL_RTLC);
	for (unsigned i = 0; i < e->port.conf.nb_txq; i++)
		__atomic_store_n(&e->port.txq[i]->burst, burst, __ATOMIC_RELEASE);
}

/* ---- what stands beside the burst ------------------------------------------------------ */

/* the chip writes each segment's length into the IP header, and wants to find 0 there */
static bool tso_zero_length(struct fl_pkt *p)
{
	uint8_t *at = (uint8_t *)fl_pkt_data(p) + p->l2_len + (p->flags & FL_TX_IPV6 ? 4 : 2);

	if (!(p->flags & FL_TX_TSO) || !(at[0] | at[1]))
		return true;
	if (p->kind || __atomic_load_n(&p->refcnt, __ATOMIC_RELAXED) > 1)
		return false;
	at[0] = 0;
	at[1] = 0;
	return true;
}

uint16_t fl_e1000_tx_prepare(struct fl_txq *fq, struct fl_pkt **pkts, uint16_t n)
{
	struct fl_e1000_txq *q = (struct fl_e1000_txq *)fq;
	uint32_t pad;
	uint16_t i;

	for (i = 0; i < n; i++) {
		if (!slots_needed(q, pkts[i], &pad) || !tso_zero_length(pkts[i]))
			break;
	}
	return i;
}

int fl_e1000_tx_done_cleanup(struct fl_txq *fq, uint32_t n)
{
	struct fl_e1000_txq *q = (struct fl_e1000_txq *)fq;
	uint16_t at = (uint16_t)(q->oldest * q->rs_thresh);
	uint16_t end = at;
	uint32_t freed = 0;
	const uint32_t left = (uint32_t)(q->nb_desc - 1 - q->free);

	/* up to the last report that has come */
	for (uint16_t i = at, k = 0; k < left; k++) {
		uint16_t next = (uint16_t)(i + 1 == q->nb_desc ? 0 : i + 1);

		if (fl_e1000_tx_done(q, i))
			end = next;
		i = next;
	}
	for (; at != end && (!n || freed < n); at = (uint16_t)(at + 1 == q->nb_desc ? 0 : at + 1)) {
		uint16_t b = (uint16_t)(at / q->rs_thresh);

		if (!q->sw[at])
			continue;
		fl_pkt_free(q->sw[at]);
		q->sw[at] = NULL;
		freed++;
		/* the batch has holes now; its slots come back as ever, when it is done as a whole
		 */
		q->batches[b].pool = NULL;
		if (b == q->open)
			q->simple = false;
	}
	reclaim(q);
	return (int)freed;
}
