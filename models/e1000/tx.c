/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transmit: descriptors are read in order. A frame of one descriptor that asks for nothing is
 * sent out of the client's buffer as it lies (the quick way, many at a time); any other is
 * gathered first, and goes out by txoff.c.
 */
#include "e1000_internal.h"

static const uint8_t *tx_buffer(struct e1000 *e, struct e1000_ring *r, uint64_t iova, uint32_t len)
{
	return fl_model_dma(e->m, e->mmu, &r->buf, fl_iova(iova), len, FL_DMA_READ);
}

unsigned fl_e1000m_tx_send(struct e1000 *e, const struct fl_frame *f, unsigned n)
{
	unsigned k;

	if (e->loopback)
		return fl_e1000m_rx_frames(e, f, n);
	k = fl_wire_send(e->wire, f, n, e->fc_rx);
	if (fl_unlikely(k > n))
		k = n;
	/* a far end that holds us back has, in effect, sent XOFF */
	if (fl_unlikely((k < n) != e->tx_held)) {
		e->tx_held = k < n;
		fl_e1000m_count(e, e->tx_held ? S_XOFFRXC : S_XONRXC, 1);
	}
	return k;
}

/* one frame in one plain descriptor? its length, else 0 */
static inline uint32_t quick_len(uint64_t q1)
{
	uint32_t dw2 = (uint32_t)q1, len;

	if (dw2 & TXD_DEXT) {
		if ((dw2 & (0xf00000u | TXD_EOP | TXD_IFCS | TXD_TSE | TXD_VLE)) !=
			    (0x100000u | TXD_EOP | TXD_IFCS) ||
		    q1 >> 32 & (TXD_TS | TXD_IXSM | TXD_TXSM))
			return 0;
		len = dw2 & 0xfffff;
	} else {
		if ((dw2 & (TXD_EOP | TXD_IFCS | TXD_IC | TXD_VLE)) != (TXD_EOP | TXD_IFCS))
			return 0;
		len = dw2 & 0xffff;
	}
	return len >= 60 && len <= E1000_MAX_FRAME ? len : 0;
}

static inline void write_dd(struct e1000 *e, struct e1000_ring *r, uint32_t i, uint64_t q0,
			    uint64_t q1)
{
	uint64_t q[2] = { q0, q1 | (uint64_t)TXD_DD << 32 };

	if (fl_likely(r->d))
		__atomic_store_n(&r->d[2 * i + 1], q[1], __ATOMIC_RELEASE);
	else
		fl_e1000m_desc_write_slow(e, r, i, q);
}

/* what poll() must tell once the batch is done */
struct done {
	bool written, late;
	bool refused; /* the far end holds us back */
};

static bool reports_all(const struct e1000 *e)
{
	return e->r[R_IVAR / 4] >> 31;
}

/* up to a batch of plain frames from the head on; returns how many descriptors went */
static unsigned quick_batch(struct e1000 *e, struct e1000_txq *t, unsigned max, struct done *d)
{
	struct e1000_ring *r = &t->r;
	uint32_t avail = r->tail >= r->head ? r->tail - r->head : r->n - r->head;
	struct fl_frame f[E1000_BATCH];
	uint64_t q1[E1000_BATCH], bytes = 0, *cls = NULL;
	/* any of these bits asks for DD; EOP is in all that come here */
	const uint32_t report = reports_all(e) ? TXD_EOP : e->v->tx_report;
	unsigned n, sent, last = 0;

	if (max > E1000_BATCH)
		max = E1000_BATCH;
	if (max > avail)
		max = avail; /* up to the end of the ring: the next batch starts over */
	for (n = 0; n < max; n++) {
		const uint64_t *q = &r->d[2 * (r->head + n)];
		uint32_t len;

		__builtin_prefetch(q + 2 * 16, 1);
		q1[n] = __atomic_load_n(&q[1], __ATOMIC_RELAXED);
		len = quick_len(q1[n]);
		if (fl_unlikely(!len))
			break;
		f[n].seg[0].p = tx_buffer(e, r, __atomic_load_n(&q[0], __ATOMIC_RELAXED), len);
		if (fl_unlikely(!f[n].seg[0].p))
			break;
		__builtin_prefetch(f[n].seg[0].p);
		f[n].seg[0].len = f[n].len = len;
		f[n].nsegs = 1;
	}
	if (!n)
		return 0;
	sent = fl_e1000m_tx_send(e, f, n);
	d->refused = sent < n;
	for (unsigned k = 0; k < sent; k++) {
		uint32_t len = f[k].len;

		if (q1[k] & report) {
			write_dd(e, r, r->head + k, 0, q1[k]);
			d->written = true;
			d->late = q1[k] & TXD_IDE;
		}
		bytes += len + 4;
		if (fl_unlikely(len != last)) {
			last = len;
			cls = &e->stat[S_PTC64 / 4 + fl_e1000m_size_class(len)];
		}
		++*cls;
		if (fl_unlikely(f[k].seg[0].p[0] & 1))
			fl_e1000m_count(e,
					memcmp(f[k].seg[0].p, "\xff\xff\xff\xff\xff\xff", 6)
						? S_MPTC
						: S_BPTC,
					1);
	}
	fl_e1000m_count(e, S_GPTC, sent);
	fl_e1000m_count(e, S_TPT, sent);
	fl_e1000m_count(e, S_GOTC, bytes);
	fl_e1000m_count(e, S_TOT, bytes);
	r->head = r->head + sent == r->n ? 0 : r->head + sent;
	return sent;
}

void fl_e1000m_txctx_set(struct e1000_txctx *c, uint64_t q0, uint64_t q1)
{
	c->ipcss = (uint8_t)q0;
	c->ipcso = (uint8_t)(q0 >> 8);
	c->ipcse = (uint16_t)(q0 >> 16);
	c->tucss = (uint8_t)(q0 >> 32);
	c->tucso = (uint8_t)(q0 >> 40);
	c->tucse = (uint16_t)(q0 >> 48);
	c->paylen = q1 & 0xfffff;
	c->cmd = (uint8_t)(q1 >> 24);
	c->hdrlen = (uint8_t)(q1 >> 40);
	c->mss = (uint16_t)(q1 >> 48);
}

/* bytes of a data descriptor onto the frame; what cannot be read makes the frame void */
static void append(struct e1000 *e, struct e1000_txq *t, uint64_t iova, uint32_t len)
{
	const uint8_t *p;

	if (!len || t->bad)
		return;
	if (len > E1000_TX_BUF - t->len) {
		t->bad = true;
		return;
	}
	p = tx_buffer(e, &t->r, iova, len);
	if (p)
		memcpy(t->buf + t->len, p, len);
	else if (fl_model_dma_read(e->m, fl_iova(iova), t->buf + t->len, len))
		t->bad = true;
	t->len += len;
}

/* one descriptor of any kind; false when it cannot be read */
static bool step(struct e1000 *e, struct e1000_txq *t, struct done *d)
{
	struct e1000_ring *r = &t->r;
	uint64_t q[2];
	uint32_t dw2;

	if (!fl_e1000m_desc_read(e, r, r->head, q))
		return false;
	dw2 = (uint32_t)q[1];
	if (dw2 & TXD_DEXT && !TXD_DTYP(dw2)) {
		fl_e1000m_txctx_set(&t->ctx[e->v->tso_context && dw2 & TXD_TSE], q[0], q[1]);
	} else {
		bool dext = dw2 & TXD_DEXT;

		if (!t->open) {
			t->open = true;
			t->bad = false;
			t->len = 0;
			t->tse = dext && dw2 & TXD_TSE;
			t->popts =
				dext ? (uint32_t)(q[1] >> 32) & (TXD_TS | TXD_IXSM | TXD_TXSM) : 0;
		}
		append(e, t, q[0], dw2 & (dext ? 0xfffff : 0xffff));
		if (dw2 & TXD_EOP) {
			t->open = false;
			if (!t->bad)
				fl_e1000m_tx_finish(e, t, dw2, (uint32_t)(q[1] >> 32));
			else if (t->tse)
				fl_e1000m_count(e, S_TSCTFC, 1);
		}
	}
	if (q[1] & e->v->tx_report || reports_all(e)) {
		write_dd(e, r, r->head, q[0], q[1]);
		d->written = true;
		d->late = q[1] & TXD_IDE;
	}
	if (++r->head == r->n)
		r->head = 0;
	return true;
}

unsigned fl_e1000m_tx(struct e1000 *e, unsigned q)
{
	struct e1000_txq *t = &e->tx[q];
	struct e1000_ring *r = &t->r;
	struct done d = { 0 };
	unsigned work = 0;
	uint32_t head, low;

	if (!e->tx_on || e->due[T_PAUSE] != UINT64_MAX || !fl_model_bus_master(e->m) ||
	    (e->v->queue_enable && !(fl_e1000m_rd(e, R_TARC + q * R_QUEUE_STRIDE) & TARC_EN)))
		return 0;
	if (t->pending)
		work = fl_e1000m_tx_pending(e, t);
	if (!fl_e1000m_ring_load(e, r))
		return work;
	head = r->head;
	while (!t->pending && r->head != r->tail && work < E1000_TX_BUDGET) {
		unsigned n = 0;

		if (r->d && !t->open)
			n = quick_batch(e, t, E1000_TX_BUDGET - work, &d);
		work += n;
		if (d.refused)
			break;
		if (n)
			continue;
		if (!step(e, t, &d))
			break;
		work++;
		if (t->pending)
			work += fl_e1000m_tx_pending(e, t);
	}
	if (r->head == head)
		return work;
	fl_e1000m_wr(e, r->reg + 0x10, r->head);
	low = (fl_e1000m_rd(e, r->reg + 0x28) >> 25) * 8;
	if (low) {
		uint32_t was = r->tail >= head ? r->tail - head : r->tail + r->n - head;
		uint32_t left = r->tail >= r->head ? r->tail - r->head : r->tail + r->n - r->head;

		if (was >= low && left < low)
			fl_e1000m_raise(e, ICR_TXD_LOW);
	}
	fl_e1000m_tx_cause(e, q, d.written, d.late, r->head == r->tail);
	return work;
}
