/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive: frames from the wire through filters into descriptors or the packet buffer. Bytes are
 * copied as frames come; descriptors are shown to the client in one run a batch, so that
 * their cache lines travel once.
 */
#include "e1000_internal.h"

#define QUICK_MAX                                                                       \
	1518u /* longest frame of the quick way; e->rx_quick wants buffers that hold it \
	       */

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
	bool stamp;

	fl_e1000m_classify(e, p, len, inexact, &i);
	stamp = e->rx_stamp && fl_e1000m_stamp_wants(e, p, len, &i.h);
	i.status |= stamp ? RXD_TST : 0;
	rq = &e->rx[i.queue];
	if (rq->nwb >= E1000_BATCH)
		fl_e1000m_rx_flush(e, rq);
	if (!fl_e1000m_place(e, p, len, &i))
		return false;
	if (stamp)
		fl_e1000m_stamp_rx(e, p, len, &i.h);
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

/* ---- the quick way: one descriptor, nothing to cut or wait for ------------------------- */

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return v;
}

/* verdicts of an unfragmented IPv4 frame without options that carries TCP or UDP; 0 = parse it */
static inline uint32_t quick_status(const struct e1000 *e, const uint8_t *p, uint32_t len,
				    uint32_t rxcsum, uint32_t *id)
{
	const uint64_t low = 0xffffffff;
	uint64_t a = load64(p + 14), b = load64(p + 22), addr = load64(p + 26), s;
	uint32_t total = (uint32_t)__builtin_bswap16((uint16_t)(a >> 16)), st;
	uint8_t proto = (uint8_t)(b >> 8);
	uint32_t room = total - 20;

	/* version 4, header of 20, neither offset nor more-fragments */
	if ((a & 0xff3f0000000000ff) != 0x45 || total < 40 || total > len - 14 ||
	    (proto != 17 && proto != 6))
		return 0;
	st = 2u << RXD_PTYPE_SHIFT;
	*id = __builtin_bswap16((uint16_t)(a >> 32));
	if (rxcsum & RXCSUM_IPOFL) {
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
	if (rxcsum & RXCSUM_TUOFL) {
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

/* where the next n descriptors, unbroken, have their buffers; fetches them all */
static unsigned look_ahead(struct e1000 *e, struct e1000_ring *r, const uint64_t *d, unsigned n,
			   uint64_t iova[], uint8_t *dst[])
{
	for (unsigned i = 0; i < n; i++) {
		iova[i] = __atomic_load_n(&d[2 * i], __ATOMIC_RELAXED);
		dst[i] = iova[i] ? fl_model_dma(e->m, e->mmu, &r->buf, fl_iova(iova[i]), QUICK_MAX,
						FL_DMA_WRITE)
				 : NULL;
		if (fl_unlikely(!dst[i]))
			return i;
		__builtin_prefetch(dst[i], 1);
	}
	return n;
}

/* status of a frame that the quick way can take; 0 = it cannot */
static inline uint32_t quick_frame(struct e1000 *e, const uint8_t *p, uint32_t len, uint32_t rxcsum,
				   uint32_t *id)
{
	uint64_t dst = load64(p) & 0xffffffffffff;
	uint32_t st = RXD_DD | RXD_EOP, more;
	uint16_t type;

	if (dst != e->sta) {
		if (dst & 1 || !(e->rctl & RCTL_UPE))
			return 0;
		if (e->nrar < 2 || fl_e1000m_filter(e, p, len) == MATCH_INEXACT)
			st |= RXD_PIF;
	}
	if (!(rxcsum & (RXCSUM_IPOFL | RXCSUM_TUOFL)))
		st |= RXD_IXSM;
	memcpy(&type, p + 12, 2);
	if (fl_likely(type == 0x0008)) {
		more = quick_status(e, p, len, rxcsum, id);
		if (!more)
			return 0;
		st |= more | (rxcsum & RXCSUM_PCSD ? 0 : RXD_IPIDV);
	} else if (type == 0xdd86 || type == 0x0888 || __builtin_bswap16(type) == e->vet) {
		return 0; /* IPv6, MAC control, tagged */
	}
	return st;
}

/*
 * Hash, queue and type of a frame that the quick way can take, as an extended write-back has them;
 * for others it does not matter.
 */
static uint64_t quick_rss(const struct e1000 *e, const struct fl_frame *f)
{
	const uint8_t *p = f->seg[0].p;
	uint32_t mrqc = e->r[R_MRQC / 4], hash, type;

	if (f->nsegs != 1 || f->len < 60 || p[12] != 0x08 || p[13])
		return 0;
	type = p[23] == 6 && mrqc & 1u << 16 ? 1 : mrqc & 1u << 17 ? 2 : 0;
	if (!type)
		return 0;
	hash = fl_e1000m_toeplitz(e, p + 26, type == 1 ? 12 : 8);
	return (uint64_t)hash << 32 | fl_e1000m_rss_queue(e, hash) << 8 | type;
}

static unsigned rss_queue_of(uint64_t rss)
{
	return rss >> 8 & 1;
}

/*
 * As many frames as go the quick way, up to the end of the ring or of the batch; all to queue q.
 * rss NULL: nothing is hashed.
 */
static unsigned quick_run(struct e1000 *e, struct batch *b, unsigned q, uint32_t pos,
			  const struct fl_frame *f, unsigned n, const uint64_t *rss)
{
	struct e1000_rxq *rq = &e->rx[q];
	struct e1000_ring *r = &rq->r;
	const uint32_t rxcsum = e->rxcsum;
	const bool ext = e->rx_ext, pcsd = rxcsum & RXCSUM_PCSD;
	uint32_t room = r->tail >= pos ? r->tail - pos : r->n - pos, last = 0,
		 shortest = UINT32_MAX;
	uint64_t(*wb)[2] = &rq->wb[rq->nwb], bytes = 0, iova[E1000_BATCH];
	uint8_t *dst[E1000_BATCH];
	unsigned i, cls = 0;

	n = n < room ? n : room;
	n = n < E1000_BATCH - rq->nwb ? n : E1000_BATCH - rq->nwb;
	n = look_ahead(e, r, &r->d[2 * pos], n, iova, dst);
	for (i = 0; i < n; i++) {
		const uint8_t *p = f[i].seg[0].p;
		uint32_t len = f[i].len, id = 0, csum = 0, st;

		if (fl_unlikely(f[i].nsegs != 1 || len < 60 || len > QUICK_MAX))
			break;
		st = quick_frame(e, p, len, rxcsum, &id);
		if (fl_unlikely(!st))
			break;
		copy(dst[i], p, len);
		if (!pcsd)
			csum = fl_e1000m_packet_sum(e, p, len);
		if (ext) {
			wb[i][0] = rss ? rss[i] : pcsd ? 0 : (uint64_t)(id | csum << 16) << 32;
			wb[i][1] = st | (uint64_t)len << 32;
		} else {
			wb[i][0] = iova[i];
			wb[i][1] = len | csum << 16 | (uint64_t)(st & 0xff) << 32 |
				   (uint64_t)(st >> 24) << 40;
		}
		bytes += len + 4;
		if (fl_unlikely(len != last)) {
			last = len;
			cls = fl_e1000m_size_class(len);
			shortest = len < shortest ? len : shortest;
		}
		b->cls[cls]++;
	}
	/* the client is about to refill what comes next: have it here by then */
	for (unsigned k = 0; k < i; k += 4)
		__builtin_prefetch(&r->d[2 * (pos + i + k < r->n ? pos + i + k : k)], 1);
	rq->nwb += i;
	b->all += i;
	b->good += i;
	b->all_bytes += bytes;
	b->good_bytes += bytes;
	b->got[q] += i;
	b->small[q] |= shortest <= b->rsrpd;
	return i;
}

/* how many of the frames went the quick way; 0 = the first cannot */
static unsigned quick(struct e1000 *e, struct batch *b, const struct fl_frame *f, unsigned n,
		      const uint64_t *rss)
{
	unsigned q = rss ? rss_queue_of(rss[0]) : 0, run;
	struct e1000_rxq *rq = &e->rx[q];
	uint32_t pos;

	if (rss) {
		for (run = 1; run < n && rss_queue_of(rss[run]) == q; run++)
			;
		n = run;
	}
	if (rq->nwb >= E1000_BATCH)
		fl_e1000m_rx_flush(e, rq);
	pos = rq->r.head + rq->nwb;
	if (pos >= rq->r.n)
		pos -= rq->r.n;
	if (fl_unlikely(!rq->r.d || pos == rq->r.tail))
		return 0;
	return quick_run(e, b, q, pos, f, n, rss);
}

/* up to E1000_BATCH of them; how many went */
static unsigned rx_some(struct e1000 *e, struct batch *b, const struct fl_frame *f, unsigned n)
{
	uint64_t rss[E1000_BATCH];
	unsigned i = 0;

	for (unsigned k = 0; e->rx_quick && e->rx_rss && k < n; k++)
		rss[k] = quick_rss(e, &f[k]);
	while (i < n) {
		unsigned k = 0;

		if (fl_likely(e->rx_quick && !e->fifo.used))
			k = quick(e, b, f + i, n - i, e->rx_rss ? rss + i : NULL);
		if (!k) {
			if (!frame(e, b, &f[i]))
				break;
			k = 1;
		}
		i += k;
	}
	return i;
}

unsigned fl_e1000m_rx_frames(struct e1000 *e, const struct fl_frame *f, unsigned n)
{
	unsigned done = 0, most, k;
	struct batch b;

	if (!e->rx_on || !fl_model_bus_master(e->m))
		return n;
	begin(e, &b);
	if (e->fifo.used)
		drain(e, &b, E1000_BATCH);
	do {
		most = n - done < E1000_BATCH ? n - done : E1000_BATCH;
		k = rx_some(e, &b, f + done, most);
		done += k;
	} while (k == most && done < n);
	end(e, &b);
	return done;
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
