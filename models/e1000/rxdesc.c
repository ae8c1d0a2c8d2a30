/* SPDX-License-Identifier: BSD-3-Clause */
/* Receive write-back: what a frame is, and its bytes and fields into descriptors of any kind. */
#include "e1000_internal.h"

/* the frame as it goes to memory: up to three pieces (a tag cut out, an FCS put on) */
struct pieces {
	struct {
		const uint8_t *p;
		uint32_t len;
	} v[3];
	unsigned i; /* the one under way */
	uint32_t left;
};

/* raw sum from PCSS on, as the legacy and (without PCSD) extended descriptors show it */
uint16_t fl_e1000m_packet_sum(const struct e1000 *e, const uint8_t *p, uint32_t len)
{
	uint32_t start = RXCSUM_PCSS(e->rxcsum);

	if (start >= len)
		return 0xffff;
	return __builtin_bswap16(
		(uint16_t)~fl_e1000m_fold(fl_e1000m_sum(0, p + start, len - start)));
}

/* parsed frame: type, checksum verdicts, hash, queue */
static void classify_ip(struct e1000 *e, const uint8_t *p, uint32_t len, struct e1000_rxinfo *i)
{
	struct e1000_headers *h = &i->h;
	bool l4, pcsd = e->rxcsum & RXCSUM_PCSD;
	uint32_t type = 0, hash = 0, id = 0;

	fl_e1000m_parse(e, p, len, h);
	l4 = h->tcp || h->udp;
	if (h->ip4)
		i->status |= (l4 ? 2u : 1u) << RXD_PTYPE_SHIFT;
	else if (h->ip6)
		i->status |= (l4 ? 6u : 5u) << RXD_PTYPE_SHIFT;
	i->status |= fl_e1000m_l4_status(e, p, h);
	if (h->tcp && h->tcp_flags & 0x10 && !(e->rfctl & RFCTL_ACK_DIS) &&
	    !(e->rfctl & RFCTL_ACKD_DIS && h->l5 < h->end)) {
		i->status |= RXD_ACK;
		i->ack = true;
	}
	if (e->rx_rss) {
		hash = fl_e1000m_rss(e, p, h, &type);
		if (type)
			i->queue = fl_e1000m_rss_queue(e, hash);
	} else if (!pcsd) {
		if (h->ip4) {
			i->status |= RXD_IPIDV;
			id = h->ip_id;
		}
		hash = id | (uint32_t)i->csum << 16;
	}
	i->q0 = (uint64_t)hash << 32 | i->queue << 8 | type;
}

void fl_e1000m_classify(struct e1000 *e, const uint8_t *p, uint32_t len, bool inexact,
			struct e1000_rxinfo *i)
{
	memset(i, 0, sizeof(*i));
	i->status = RXD_DD | RXD_EOP | (inexact ? RXD_PIF : 0);
	if (!(e->rxcsum & (RXCSUM_IPOFL | RXCSUM_TUOFL)))
		i->status |= RXD_IXSM;
	if (!(e->rxcsum & RXCSUM_PCSD))
		i->csum = fl_e1000m_packet_sum(e, p, len);
	classify_ip(e, p, len, i);
	if (e->rx_vme && (p[12] << 8 | p[13]) == e->vet) {
		i->strip = true;
		i->vlan = (uint16_t)(p[14] << 8 | p[15]);
		i->status |= RXD_VP;
	}
}

static uint32_t cut(struct pieces *pc, const uint8_t **p, uint32_t max)
{
	uint32_t n;

	while (!pc->v[pc->i].len)
		pc->i++;
	n = pc->v[pc->i].len < max ? pc->v[pc->i].len : max;
	*p = pc->v[pc->i].p;
	pc->v[pc->i].p += n;
	pc->v[pc->i].len -= n;
	pc->left -= n;
	return n;
}

/* the next `len` bytes into a buffer; bytes for memory that refuses them are lost */
static void put(struct e1000 *e, struct e1000_ring *r, struct pieces *pc, uint64_t iova,
		uint32_t len)
{
	uint8_t *dst = fl_model_dma(e->m, e->mmu, &r->buf, fl_iova(iova), len, FL_DMA_WRITE);

	while (len) {
		const uint8_t *p;
		uint32_t n = cut(pc, &p, len);

		if (dst) {
			memcpy(dst, p, n);
			dst += n;
		} else if (fl_model_dma_write(e->m, fl_iova(iova), p, n)) {
			/* counted by the IOMMU; the descriptor is completed all the same */
		}
		iova += n;
		len -= n;
	}
}

/* fields of one write-back; only the last of a frame carries more than DD and a length */
static void fill(const struct e1000 *e, uint64_t wb[2], const struct e1000_rxinfo *i, bool last,
		 uint32_t len)
{
	uint32_t st = last ? i->status : RXD_DD;
	uint64_t vlan = last ? i->vlan : 0;

	if (e->rx_ext) {
		wb[0] = last ? i->q0 : 0;
		wb[1] = st | (uint64_t)len << 32 | vlan << 48;
	} else {
		wb[1] = len | (uint64_t)(last ? i->csum : 0) << 16 | (uint64_t)(st & 0xff) << 32 |
			(uint64_t)(st >> 24) << 40 | vlan << 48;
	}
}

/* header bytes that a split descriptor puts into its first buffer, 0 = do not split */
static uint32_t split_at(const struct e1000 *e, const struct e1000_headers *h)
{
	uint32_t at;

	if (!(h->ip4 || h->ip6) || (h->frag && e->rfctl & RFCTL_IPFRSP_DIS))
		return 0;
	at = h->tcp || h->udp ? h->l5 : h->l4;
	return at <= e->ps_size[0] ? at : 0;
}

/* one split descriptor: two ring units; false when it cannot be read */
static bool place_split(struct e1000 *e, struct e1000_rxq *rq, struct pieces *pc, uint32_t pos,
			uint32_t header, bool first, uint64_t *wb, const struct e1000_rxinfo *i)
{
	uint64_t a[4];
	uint32_t got[4] = { 0 };

	if (!fl_e1000m_desc_read(e, &rq->r, pos, &a[0]) ||
	    !fl_e1000m_desc_read(e, &rq->r, pos + 1, &a[2]))
		return false;
	if (first && header) {
		got[0] = header;
		put(e, &rq->r, pc, a[0], header);
	}
	/* without a split the first buffer of the first descriptor takes data as well */
	for (unsigned b = first && !header ? 0 : 1; b < 4 && pc->left; b++) {
		got[b] = pc->left < e->ps_size[b] ? pc->left : e->ps_size[b];
		if (got[b])
			put(e, &rq->r, pc, a[b], got[b]);
	}
	fill(e, wb, i, !pc->left, got[0]);
	wb[2] = (first && header ? header | 0x8000 : 0) | (uint64_t)got[1] << 16 |
		(uint64_t)got[2] << 32 | (uint64_t)got[3] << 48;
	wb[3] = 0;
	return true;
}

static bool place_plain(struct e1000 *e, struct e1000_rxq *rq, struct pieces *pc, uint32_t pos,
			uint64_t *wb, const struct e1000_rxinfo *i)
{
	uint32_t n = 0;

	if (!fl_e1000m_desc_read(e, &rq->r, pos, wb))
		return false;
	if (wb[0]) { /* a descriptor without a buffer is completed empty */
		n = pc->left < e->rx_bsize ? pc->left : e->rx_bsize;
		put(e, &rq->r, pc, wb[0], n);
	}
	fill(e, wb, i, !pc->left, n);
	return true;
}

bool fl_e1000m_place(struct e1000 *e, const uint8_t *p, uint32_t len, struct e1000_rxinfo *i)
{
	struct e1000_rxq *rq = &e->rx[i->queue];
	struct e1000_ring *r = &rq->r;
	unsigned step = e->rx_split ? 2 : 1, used = 0;
	uint32_t fcs, header = 0, unit = e->rx_bsize, avail, pos;
	struct pieces pc = { .v = { { p, len } }, .left = len };

	if (i->strip) {
		pc.v[0].len = 12;
		pc.v[1].p = p + 16;
		pc.v[1].len = len - 16;
		pc.left -= 4;
	}
	if (!e->rx_strip_fcs) {
		fcs = fl_e1000m_crc32(p, len);
		pc.v[2].p = (const uint8_t *)&fcs;
		pc.v[2].len = 4;
		pc.left += 4;
	}
	if (e->rx_split) {
		header = split_at(e, &i->h);
		if (i->strip && header)
			header -= 4;
		unit = e->ps_size[1] + e->ps_size[2] + e->ps_size[3];
	}
	if (!r->n)
		return false;
	/* it could wait for ever: missed */
	if (!unit || pc.left / unit + 1 > (r->n - 1) / step ||
	    pc.left / unit + 2 > E1000_RX_DESCS / step) {
		fl_e1000m_count(e, S_MPC, 1);
		return true;
	}
	pos = r->head + rq->nwb;
	if (pos >= r->n)
		pos -= r->n;
	avail = r->tail >= pos ? r->tail - pos : r->tail + r->n - pos;
	while (pc.left) {
		uint64_t *wb = rq->wb[rq->nwb + used];

		if (used + step > avail)
			return false; /* nothing of it was shown yet */
		if (used + step > E1000_RX_DESCS || pos + step > r->n ||
		    !(e->rx_split ? place_split(e, rq, &pc, pos, header, !used, wb, i)
				  : place_plain(e, rq, &pc, pos, wb, i)))
			return true; /* lost */
		used += step;
		pos += step;
		if (pos == r->n)
			pos = 0;
	}
	rq->nwb += used;
	return true;
}

void fl_e1000m_rx_flush(struct e1000 *e, struct e1000_rxq *rq)
{
	struct e1000_ring *r = &rq->r;
	unsigned step = e->rx_split ? 2 : 1;
	uint32_t pos = r->head;

	if (!rq->nwb)
		return;
	if (fl_likely(step == 1 && r->d && pos + rq->nwb < r->n)) {
		uint64_t *d = &r->d[2 * pos];

		for (unsigned k = 0; k < rq->nwb; k++) {
			__atomic_store_n(&d[2 * k], rq->wb[k][0], __ATOMIC_RELAXED);
			__atomic_store_n(&d[2 * k + 1], rq->wb[k][1], __ATOMIC_RELEASE);
		}
		r->head = pos + rq->nwb;
		fl_e1000m_wr(e, r->reg + 0x10, r->head);
		rq->nwb = 0;
		return;
	}
	for (unsigned k = 0; k < rq->nwb; k += step) {
		/* the second half of a split descriptor has no DD: it goes first */
		if (step == 2)
			fl_e1000m_desc_write(e, r, pos + 1, rq->wb[k + 1]);
		fl_e1000m_desc_write(e, r, pos, rq->wb[k]);
		pos += step;
		if (pos >= r->n)
			pos = 0;
	}
	r->head = pos;
	fl_e1000m_wr(e, r->reg + 0x10, pos);
	rq->nwb = 0;
}
