/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a transmit queue, and what is asked of one. */
#include <stdlib.h>
#include <string.h>

#include "e1000_internal.h"

#define TX_RS_THRESH 32u
#define TX_PAD_ROOM  64u

int fl_e1000_txq_setup(struct fl_port *p, uint16_t qid, const struct fl_txq_conf *c,
		       struct fl_txq **out)
{
	struct fl_e1000 *e = fl_e1000_of(p);
	size_t ring = c->nb_desc * sizeof(struct fl_e1000_desc);
	struct fl_e1000_txq *q;
	int rc = -ENOMEM;

	q = aligned_alloc(FL_CACHE_LINE, fl_align_up(sizeof(*q), FL_CACHE_LINE));
	if (!q)
		return rc;
	memset(q, 0, sizeof(*q));
	q->v = e->v;
	q->paged = e->tx_paged;
	q->nb_desc = c->nb_desc;
	q->rs_thresh = c->rs_thresh;
	if (!q->rs_thresh) {
		/* the largest power of two that divides the ring, a quarter of it at most */
		for (q->rs_thresh = TX_RS_THRESH;
		     c->nb_desc % q->rs_thresh || q->rs_thresh > c->nb_desc / 4;)
			q->rs_thresh /= 2;
	}
	q->nb_batches = q->nb_desc / q->rs_thresh;
	/* early, so that packets come back to the pool's cache while they are warm */
	q->free_thresh =
		c->free_thresh ? c->free_thresh : (uint16_t)(q->nb_desc - 2 * q->rs_thresh);
	q->sw = calloc(q->nb_desc, sizeof(*q->sw));
	q->batches = calloc(q->nb_batches, sizeof(*q->batches));
	if (!q->sw || !q->batches)
		goto err;
	rc = fl_e1000_ring_alloc(e, ring + TX_PAD_ROOM, &q->mem);
	if (rc)
		goto err;
	q->ring = q->mem.desc;
	q->pad = fl_iova_add(q->mem.iova, ring);
	rc = fl_dma_queue_add(fl_ctx_space(p->ctx), &q->posted, &fl_e1000_tx_posted, q, 0);
	if (rc)
		goto no_queue;
	*out = &q->q;
	return 0;
no_queue:
	fl_e1000_ring_free(e, &q->mem);
err:
	free(q->batches);
	free(q->sw);
	free(q);
	return rc;
}

void fl_e1000_txq_release(struct fl_txq *fq)
{
	struct fl_e1000_txq *q = (struct fl_e1000_txq *)fq;

	fl_dma_queue_del(&q->posted);
	fl_e1000_stats_retire_tx(fq);
	fl_e1000_ring_free(fl_e1000_of(fq->port), &q->mem);
	free(q->batches);
	free(q->sw);
	free(q);
}

/* frees every packet that the queue holds; the chip is off */
void fl_e1000_tx_drain(struct fl_txq *fq)
{
	struct fl_e1000_txq *q = (struct fl_e1000_txq *)fq;

	for (uint16_t at = (uint16_t)(q->oldest * q->rs_thresh); at != q->tail;) {
		if (q->sw[at])
			fl_pkt_free(q->sw[at]);
		at = (uint16_t)(at + 1 == q->nb_desc ? 0 : at + 1);
	}
	q->tail = 0;
	q->open = 0;
	q->oldest = 0;
	q->closed = 0;
}

void fl_e1000_tx_start(struct fl_e1000 *e)
{
	e->shared_tx_context = e->port.conf.nb_txq > 1;
	e->tx_hang_told = false;
	fl_e1000_wr(e, E1000_TIDV, 0);
	fl_e1000_wr(e, E1000_TADV, 0);
	fl_e1000_wr(e, E1000_TIPG, TIPG_COPPER);
	for (unsigned i = 0; i < e->port.conf.nb_txq; i++) {
		struct fl_e1000_txq *q = (struct fl_e1000_txq *)e->port.txq[i];

		q->tail = 0;
		q->open = 0;
		q->oldest = 0;
		q->closed = 0;
		q->batch_end = q->rs_thresh;
		q->free = (uint16_t)(q->nb_desc - 1);
		q->simple = true;
		q->ctx_valid = false;
		q->after_tso = false;
		q->pool = NULL;
		q->area = NULL;
		q->last_rs = UINT16_MAX;
		q->watch.since_ns = 0;
		fl_e1000_wr(e, E1000_TDBAL(i), (uint32_t)q->mem.iova.v);
		fl_e1000_wr(e, E1000_TDBAH(i), (uint32_t)(q->mem.iova.v >> 32));
		fl_e1000_wr(e, E1000_TDLEN(i), q->nb_desc * (uint32_t)sizeof(struct fl_e1000_desc));
		fl_e1000_wr(e, E1000_TDH(i), 0);
		fl_e1000_wr(e, E1000_TDT(i), 0);
		fl_doorbell_init(&q->db, e->port.dev, 0, E1000_TDT(i));
	}
}

int fl_e1000_txq_desc_status(struct fl_txq *fq, uint16_t off)
{
	struct fl_e1000_txq *q = (struct fl_e1000_txq *)fq;
	uint32_t used = (uint32_t)(q->nb_desc - 1 - q->free);
	uint32_t pos = (uint32_t)q->tail + off, i, k;

	if (off >= q->nb_desc)
		return -EINVAL;
	pos = pos >= q->nb_desc ? pos - q->nb_desc : pos;
	/* in flight are [oldest, tail): those before a report that has come are done */
	i = (uint32_t)q->oldest * q->rs_thresh;
	k = pos >= i ? pos - i : pos + q->nb_desc - i;
	if (k >= used)
		return FL_DESC_DONE;
	for (i = pos; k < used; k++) {
		if (fl_e1000_tx_done(q, (uint16_t)i))
			return FL_DESC_DONE;
		i = i + 1 == q->nb_desc ? 0 : i + 1;
	}
	return FL_DESC_AVAIL;
}

int fl_e1000_txq_desc_read(struct fl_txq *fq, uint16_t pos, uint64_t out[2])
{
	struct fl_e1000_txq *q = (struct fl_e1000_txq *)fq;

	if (pos >= q->nb_desc)
		return -EINVAL;
	out[0] = __atomic_load_n(&q->ring[pos].w[0], __ATOMIC_RELAXED);
	out[1] = __atomic_load_n(&q->ring[pos].w[1], __ATOMIC_RELAXED);
	return 0;
}

int fl_e1000_txq_info(struct fl_txq *fq, struct fl_txq_info *out)
{
	struct fl_e1000_txq *q = (struct fl_e1000_txq *)fq;

	out->nb_desc = q->nb_desc;
	out->free_thresh = q->free_thresh;
	out->rs_thresh = q->rs_thresh;
	return 0;
}
