/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive: frames from the wire through filters into descriptors or the packet buffer. Bytes are
 * copied as frames come; descriptors are shown to the client in one run a batch, so that
 * their cache lines travel once.
 */
#include "e1000_internal.h"

#define AHEAD 6u /* buffers to fetch before their frame's turn */

/* what a batch adds up before it is counted */
struct batch {
	uint32_t all, good, missed, cls[6];
	uint64_t all_bytes, good_bytes;
	uint32_t got[E1000_QUEUES], free_before[E1000_QUEUES], rsrpd;
	bool ack[E1000_QUEUES], small[E1000_QUEUES];
};

static uint32_t ring_free(const struct e1000_ring *r)
{
	return r->tail >= r->head ? r->tail - r->head : r->tail + r->n - r->head;
}

static void begin(struct e1000 *e, struct batch *b)
{
	memset(b, 0, sizeof(*b));
	b->rsrpd = fl_e1000m_rd(e, R_RSRPD) & 0xfff;
	for (unsigned q = 0; q < (e->rx_rss ? E1000_QUEUES : 1u); q++) {
		fl_e1000m_ring_load(e, &e->rx[q].r);
		b->free_before[q] = ring_free(&e->rx[q].r);
	}
}

static void end(struct e1000 *e, struct batch *b)
{
	fl_e1000m_count(e, S_TPR, b->all);
	fl_e1000m_count(e, S_TOR, b->all_bytes);
	fl_e1000m_count(e, S_GPRC, b->good);
	fl_e1000m_count(e, S_GORC, b->good_bytes);
	for (unsigned c = 0; c < 6; c++)
		e->stat[S_PRC64 / 4 + c] += b->cls[c];
	for (unsigned q = 0; q < E1000_QUEUES; q++) {
		struct e1000_rxq *rq = &e->rx[q];
		uint32_t low, causes = b->small[q] ? ICR_SRPD : 0;

		if (!b->got[q])
			continue;
		fl_e1000m_rx_flush(e, rq);
		low = rq->r.n >> (RCTL_RDMTS(e->rctl) + 1);
		if (b->free_before[q] > low && ring_free(&rq->r) <= low) {
			causes |= ICR_RXDMT0;
			fl_e1000m_count(e, S_ICRXDMTC, 1);
		}
		fl_e1000m_rx_cause(e, q, b->ack[q], causes);
	}
	if (b->missed) {
		fl_e1000m_count(e, S_MPC, b->missed);
		fl_e1000m_count(e, S_ICRXOC, 1);
		fl_e1000m_raise(e, ICR_RXO);
	}
}

static bool deliver(struct e1000 *e, struct batch *b, const uint8_t *p, uint32_t len, bool inexact)
{
	struct e1000_rxinfo i;
	struct e1000_rxq *rq;

	fl_e1000m_classify(e, p, len, inexact, &i);
	rq = &e->rx[i.queue];
	if (rq->nwb >= E1000_BATCH)
		fl_e1000m_rx_flush(e, rq);
	if (!fl_e1000m_place(e, p, len, &i))
		return false;
	b->got[i.queue]++;
	b->ack[i.queue] |= i.ack;
	b->small[i.queue] |= len <= b->rsrpd;
	return true;
}

static unsigned drain(struct e1000 *e, struct batch *b, unsigned budget)
{
	unsigned done = 0;
	const uint8_t *p;
	uint32_t len;
	bool inexact;

	while (done < budget && (p = fl_e1000m_fifo_peek(e, &len, &inexact))) {
		if (!deliver(e, b, p, len, inexact))
			break;
		fl_e1000m_fifo_pop(e);
		done++;
	}
	return done;
}

unsigned fl_e1000m_fifo_drain(struct e1000 *e, unsigned budget)
{
	struct batch b;
	unsigned n;

	if (!e->fifo.used || !e->rx_on)
		return 0;
	begin(e, &b);
	n = drain(e, &b, budget);
	end(e, &b);
	return n;
}

/* in one piece and not shorter than Ethernet allows */
static const uint8_t *gather(struct e1000 *e, const struct fl_frame *f, uint32_t *len)
{
	uint8_t *s = e->scratch;

	*len = f->len;
	if (f->nsegs == 1 && f->len >= 60)
		return f->seg[0].p;
	memcpy(s, f->seg[0].p, f->seg[0].len);
	if (f->nsegs == 2)
		memcpy(s + f->seg[0].len, f->seg[1].p, f->seg[1].len);
	if (f->len < 60) {
		memset(s + f->len, 0, 60 - f->len);
		*len = 60;
	}
	return s;
}

static void count_group(struct e1000 *e, const uint8_t *p)
{
	if (p[0] & 1)
		fl_e1000m_count(e, memcmp(p, "\xff\xff\xff\xff\xff\xff", 6) ? S_MPRC : S_BPRC, 1);
}

/* false: not taken, offer it again */
static bool frame(struct e1000 *e, struct batch *b, const struct fl_frame *f)
{
	enum e1000_match match;
	const uint8_t *p;
	uint32_t len;

	if (f->len < 14 || f->len > E1000_MAX_FRAME) {
		fl_e1000m_count(e, f->len < 14 ? S_RUC : S_ROC, 1);
		goto drop;
	}
	if (f->len > e->rx_maxlen && !(e->rctl & RCTL_SBP)) {
		fl_e1000m_count(e, S_ROC, 1);
		goto drop;
	}
	p = gather(e, f, &len);
	if (f->len < 60)
		fl_e1000m_count(e, S_RUC, 1);
	if (fl_e1000m_pause(e, p, len))
		goto drop;
	match = fl_e1000m_filter(e, p, len);
	if (match == MATCH_NO)
		goto drop;
	if (fl_unlikely(e->fifo.used) || !deliver(e, b, p, len, match == MATCH_INEXACT)) {
		if (e->fifo.xoff)
			return false;
		fl_e1000m_count(e, S_RNBC, 1);
		if (!fl_e1000m_fifo_put(e, p, len, match == MATCH_INEXACT)) {
			b->missed++;
			goto drop;
		}
	}
	count_group(e, p);
	b->good++;
	b->good_bytes += len + 4;
	b->cls[fl_e1000m_size_class(len)]++;
drop:
	b->all++;
	b->all_bytes += f->len + 4;
	return true;
}

/* ---- the quick way: one descriptor, nothing to cut, hash or wait for ------------------- */

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

/* verdicts of an unfragmented IPv4 frame without options that carries TCP or UDP; 0 = parse it */
static inline uint32_t quick_status(const struct e1000 *e, const uint8_t *p, uint32_t len,
				    uint32_t *id)
{
	const uint64_t low = 0xffffffff;
	uint64_t a = load64(p + 14), b = load64(p + 22), addr = load64(p + 26), s;
	uint32_t total = (uint32_t)__builtin_bswap16((uint16_t)(a >> 16)), st;
	uint8_t proto = (uint8_t)(b >> 8);
	uint32_t room = total - 20;

	/* version 4, header of 20, neither offset nor more-fragments */
	if ((a & 0xff) != 0x45 || (a >> 48 & 0xff3f) || total < 40 || total > len - 14 ||
	    (proto != 17 && proto != 6))
		return 0;
	st = 2u << RXD_PTYPE_SHIFT;
	*id = __builtin_bswap16((uint16_t)(a >> 32));
	if (e->rxcsum & RXCSUM_IPOFL) {
		s = (a & low) + (a >> 32) + (b & 0xffffffff) + (addr & low) + (addr >> 32);
		s = (s & low) + (s >> 32);
		st |= RXD_IPCS;
		if (fl_e1000m_fold((uint32_t)((s & 0xffff) + (s >> 16))) != 0xffff)
			st |= RXD_IPE;
	}
	if (proto == 6) {
		uint8_t off = p[46];

		if (off >> 4 < 5 || (off >> 4) * 4u > room || !(e->rfctl & RFCTL_ACK_DIS))
			return 0;
	} else if (!(p[40] | p[41])) {
		return st;
	}
	if (e->rxcsum & RXCSUM_TUOFL) {
		s = (addr & low) + (addr >> 32) + ((uint32_t)proto << 8) +
		    __builtin_bswap16((uint16_t)room);
		s = (s & low) + (s >> 32);
		s = (s & 0xffff) + (s >> 16);
		st |= RXD_TCPCS | (proto == 17 ? RXD_UDPCS : 0);
		if (fl_e1000m_fold(fl_e1000m_sum((uint32_t)s, p + 34, room)) != 0xffff)
			st |= RXD_TCPE;
	}
	return st;
}

static inline void copy(uint8_t *d, const uint8_t *s, uint32_t n)
{
	if (n <= 64) { /* 60..64: moves that overlap */
		memcpy(d, s, 32);
		memcpy(d + 32, s + 32, 16);
		memcpy(d + n - 16, s + n - 16, 16);
	} else {
		memcpy(d, s, n);
	}
}

static inline void *buffer(struct e1000 *e, struct e1000_ring *r, uint64_t iova, uint32_t len)
{
	return fl_model_dma(e->m, e->mmu, &r->buf, fl_iova(iova), len, FL_DMA_WRITE);
}

/* fetches the line of a descriptor to come and the buffer of a nearer one */
static inline void prefetch(struct e1000 *e, struct e1000_ring *r, uint32_t pos)
{
	uint32_t near = pos + AHEAD, far = pos + 2 * AHEAD;
	uint64_t iova;

	if (fl_unlikely(far >= r->n))
		return;
	__builtin_prefetch(&r->d[2 * far], 1);
	iova = __atomic_load_n(&r->d[2 * near], __ATOMIC_RELAXED);
	/* only where the next buffer's mapping is the one at hand: a fetch may not cost a look-up
	 */
	if (iova >= r->buf.first && iova < r->buf.last && r->buf.gen == e->mmu->gen)
		__builtin_prefetch(r->buf.base + (iova - r->buf.first), 1);
}

/* false: this frame is not for the quick way */
static inline bool quick(struct e1000 *e, struct batch *b, struct e1000_rxq *rq, uint32_t pos,
			 const struct fl_frame *f)
{
	struct e1000_ring *r = &rq->r;
	const uint8_t *p = f->seg[0].p;
	uint32_t len = f->len, st, id = 0, csum = 0, low;
	uint64_t *wb = rq->wb[rq->nwb], iova, dst_mac;
	uint16_t type;
	uint8_t *dst;

	if (f->nsegs != 1 || len < 60 || len > 1518 || len > e->rx_bsize)
		return false;
	dst_mac = load64(p) & 0xffffffffffff;
	st = RXD_DD | RXD_EOP;
	if (dst_mac != e->sta) {
		if (dst_mac & 1 || !(e->rctl & RCTL_UPE))
			return false;
		if (e->nrar < 2 || fl_e1000m_filter(e, p, len) == MATCH_INEXACT)
			st |= RXD_PIF;
	}
	memcpy(&type, p + 12, 2);
	if (fl_unlikely(type == 0x0888)) /* MAC control */
		return false;
	if (type == 0x0008) {
		low = quick_status(e, p, len, &id);
		if (!low)
			return false;
		st |= low;
		if (!(e->rxcsum & RXCSUM_PCSD))
			st |= RXD_IPIDV;
	} else if (type == 0xdd86 || __builtin_bswap16(type) == e->vet) {
		return false;
	}
	if (!(e->rxcsum & (RXCSUM_IPOFL | RXCSUM_TUOFL)))
		st |= RXD_IXSM;
	iova = __atomic_load_n(&r->d[2 * pos], __ATOMIC_RELAXED);
	dst = iova ? buffer(e, r, iova, len) : NULL;
	if (!dst)
		return false;
	copy(dst, p, len);
	if (!(e->rxcsum & RXCSUM_PCSD))
		csum = fl_e1000m_packet_sum(e, p, len);
	if (e->rx_ext) {
		wb[0] = e->rxcsum & RXCSUM_PCSD ? 0 : (uint64_t)(id | csum << 16) << 32;
		wb[1] = st | (uint64_t)len << 32;
	} else {
		wb[0] = iova;
		wb[1] = len | csum << 16 | (uint64_t)(st & 0xff) << 32 | (uint64_t)(st >> 24) << 40;
	}
	rq->nwb++;
	b->all++;
	b->good++;
	b->all_bytes += len + 4;
	b->good_bytes += len + 4;
	b->cls[fl_e1000m_size_class(len)]++;
	b->got[0]++;
	b->small[0] |= len <= b->rsrpd;
	return true;
}

unsigned fl_e1000m_rx_frames(struct e1000 *e, const struct fl_frame *f, unsigned n)
{
	struct e1000_rxq *rq = &e->rx[0];
	struct batch b;
	unsigned i;

	if (!e->rx_on || !fl_model_bus_master(e->m))
		return n;
	begin(e, &b);
	if (e->fifo.used)
		drain(e, &b, E1000_BATCH);
	for (i = 0; i < n; i++) {
		uint32_t pos = rq->r.head + rq->nwb;

		if (rq->nwb >= E1000_BATCH) {
			fl_e1000m_rx_flush(e, rq);
			pos = rq->r.head;
		}
		if (pos >= rq->r.n)
			pos -= rq->r.n;
		if (fl_likely(e->rx_quick && rq->r.d && !e->fifo.used && pos != rq->r.tail)) {
			prefetch(e, &rq->r, pos);
			if (quick(e, &b, rq, pos, &f[i]))
				continue;
		}
		if (!frame(e, &b, &f[i]))
			break;
	}
	end(e, &b);
	return i;
}

unsigned fl_e1000m_receive(void *arg, const struct fl_frame *f, unsigned n)
{
	struct e1000 *e = arg;

	/* without link, or looped back, the cable's frames end here */
	if (!e->phy.link || e->loopback)
		return n;
	if (e->fifo.xoff)
		return 0;
	return fl_e1000m_rx_frames(e, f, n);
}
