/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a queue pair, and what is asked of one. */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "sec_internal.h"

#define DESC_DEFAULT 512u

static uint16_t chunks_of(uint16_t desc)
{
	return (uint16_t)(desc / 4 + SEC_CHUNKS_AN_OP);
}

static int alloc_side(struct fl_sec *s, struct fl_sec_qp *q, uint16_t desc, int node)
{
	uint64_t side = (uint64_t)desc << SEC_SIDE_SHIFT, chunks = chunks_of(desc);
	int rc = fl_sec_mem_alloc(s, side + chunks * SEC_CHUNK, node, &q->mem);

	if (rc)
		return rc;
	q->side = q->mem.area->va;
	q->side_iova = q->mem.area->iova;
	q->chunk_va = q->side + side;
	q->chunk_iova = fl_iova_add(q->side_iova, side);
	for (unsigned i = 0; i < chunks; i++)
		q->chunk_next[i] = (uint16_t)(i + 1 < chunks ? i + 1 : SEC_CHUNK_NONE);
	q->chunk_free = 0;
	return 0;
}

static void free_qp(struct fl_sec_qp *q)
{
	free(q->slots);
	free(q->odd);
	free(q->chunk_next);
	free(q->parked);
	free(q);
}

int fl_sec_qp_setup(struct fl_cryptodev *d, uint16_t id, const struct fl_qp_conf *c,
		    struct fl_qp **out)
{
	struct fl_sec *s = fl_sec_of(d);
	uint16_t most = fl_qm_caps(s->qm)->depth_max;
	uint16_t desc = c->desc ? c->desc : (uint16_t)(most < DESC_DEFAULT ? most : DESC_DEFAULT);
	struct fl_sec_qp *q;
	int rc = -ENOMEM;

	q = aligned_alloc(FL_CACHE_LINE, fl_align_up(sizeof(*q), FL_CACHE_LINE));
	if (!q)
		return rc;
	memset(q, 0, sizeof(*q));
	q->slots = calloc(desc, sizeof(*q->slots));
	q->odd = calloc(desc, sizeof(*q->odd));
	q->chunk_next = calloc(chunks_of(desc), sizeof(*q->chunk_next));
	q->parked = calloc(desc, sizeof(struct fl_op *));
	if (!q->slots || !q->odd || !q->chunk_next || !q->parked)
		goto err;
	rc = alloc_side(s, q, desc, c->node);
	if (rc)
		goto err;
	rc = fl_qm_qp_create(s->qm, id, desc, c->node, c->intr, &q->hw);
	if (rc)
		goto no_hw;
	q->space = fl_ctx_space(d->ctx);
	q->v3 = s->v3;
	q->mask = (uint16_t)(desc - 1);
	q->prefetch = c->prefetch && s->prefetch;
	rc = fl_dma_queue_add(fl_ctx_space(d->ctx), &q->posting, &fl_sec_posted, q, 0);
	if (rc)
		goto no_queue;
	*out = &q->qp;
	return 0;

no_queue:
	fl_qm_qp_destroy(q->hw);
no_hw:
	fl_sec_mem_free(s, &q->mem);
err:
	free_qp(q);
	return rc;
}

void fl_sec_qp_release(struct fl_qp *qp)
{
	struct fl_sec_qp *q = fl_sec_qp_of(qp);

	fl_dma_queue_del(&q->posting);
	fl_qm_qp_destroy(q->hw);
	fl_sec_mem_free(fl_sec_of(qp->dev), &q->mem);
	free_qp(q);
}

int fl_sec_qp_start(struct fl_sec_qp *q)
{
	q->head = q->tail = q->put = 0;
	q->unrung = q->done_too = 0;
	q->watching = false;
	/* what came back after a reset may be another kind */
	q->posted = fl_dev_faults(q->qp.dev->dev) ? 0 : FL_LAZY;
	/* what is parked still counts: all that is out has a place */
	q->cap = (uint16_t)(q->mask - (q->nparked - q->parked_at));
	return fl_qm_qp_start(q->hw);
}

void fl_sec_qp_run(struct fl_sec_qp *q)
{
	uint16_t (*enqueue)(struct fl_qp *, struct fl_op **, uint16_t) =
		!q->v3	      ? fl_sec_enqueue_v2
		: q->prefetch ? fl_sec_enqueue_v3_prefetch
			      : fl_sec_enqueue_v3;

	q->running = true;
	q->qp.dequeue = q->nparked > q->parked_at ? fl_sec_dequeue_parked : fl_sec_dequeue_of(q);
	__atomic_store_n(&q->qp.enqueue, enqueue, __ATOMIC_RELEASE);
}

void fl_sec_qp_park(struct fl_sec_qp *q)
{
	uint16_t left = (uint16_t)(q->nparked - q->parked_at);

	memmove(q->parked, q->parked + q->parked_at, left * sizeof(q->parked[0]));
	for (; q->head != q->tail; q->head++) {
		fl_sec_settle(q, q->head, FL_OP_ABORTED);
		q->parked[left++] = q->slots[q->head & q->mask].op;
	}
	q->nparked = left;
	q->parked_at = 0;
	q->running = false;
	q->qp.dequeue = fl_sec_dequeue_parked;
}

int fl_sec_qp_wait_fd(struct fl_qp *qp)
{
	return fl_sec_qp_of(qp)->hw->fd;
}

int fl_sec_qp_arm(struct fl_qp *qp)
{
	struct fl_sec_qp *q = fl_sec_qp_of(qp);
	eventfd_t told;
	int rc;

	if (q->hw->fd < 0)
		return -EOPNOTSUPP;
	(void)eventfd_read(q->hw->fd, &told);
	/* these wait already, and the device knows nothing of them */
	if (q->done_too || q->nparked > q->parked_at)
		return eventfd_write(q->hw->fd, 1) ? -errno : 0;
	rc = fl_qm_qp_arm(q->hw);
	/* it said the head too */
	if (!rc)
		q->unrung = 0;
	return rc;
}

int fl_sec_qp_stats(struct fl_qp *qp, struct fl_qp_stats *out)
{
	fl_stats_read(out, &fl_sec_qp_of(qp)->stats, sizeof(*out));
	return 0;
}
