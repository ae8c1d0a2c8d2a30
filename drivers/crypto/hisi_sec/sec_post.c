/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lazy areas on a device that does not fault. Ops are the application's again once they are
 * dequeued, so none is looked at to tell what is in flight: requests come back in order, and what
 * was handed over up to some number is the application's when the head is past it.
 */
#include "sec_internal.h"

static uint64_t sec_mark(void *arg)
{
	const struct fl_sec_qp *q = arg;

	return __atomic_load_n(&q->put, __ATOMIC_ACQUIRE);
}

/*
 * [head, put) in flight, both running numbers of 16 bits. What is in flight stays so while this
 * looks, or need not count: so it lies behind any head and before any put that can be read, the
 * head first. A mark that is not between them was passed long ago.
 */
__attribute__((no_sanitize("thread"))) static bool sec_holds(void *arg, fl_iova_t first,
							     fl_iova_t last, uint64_t mark)
{
	const struct fl_sec_qp *q = arg;
	uint16_t head = __atomic_load_n(&q->head, __ATOMIC_ACQUIRE);
	uint16_t put = __atomic_load_n(&q->put, __ATOMIC_ACQUIRE);
	uint16_t before = (uint16_t)(mark - head);

	return q->posted && before && before <= (uint16_t)(put - head);
}

const struct fl_dma_queue_ops fl_sec_posted = { .holds = sec_holds, .mark = sec_mark };

static int post_segs(struct fl_sec_qp *q, const struct fl_seg *segs, unsigned n)
{
	int rc = 0;

	for (unsigned i = 0; segs && i < n && !rc; i++) {
		const struct fl_seg *s = &segs[i];

		/* what is wrong with it is found where it is mapped */
		if (s->area && s->area->space == q->space && s->va >= s->area->va)
			rc = fl_dma_post(&q->posting, s->area, fl_dma_iova(s->area, s->va), s->len);
	}
	return rc;
}

SEC_APART int fl_sec_post(struct fl_sec_qp *q, const struct fl_op *op, uint16_t number)
{
	int rc;

	__atomic_store_n(&q->put, number, __ATOMIC_RELAXED);
	fl_dma_leave(&q->posting);
	rc = post_segs(q, op->src, op->nsrc);
	if (!rc)
		rc = post_segs(q, op->dst, op->ndst);
	if (!rc)
		rc = post_segs(q, &op->aad, 1);
	fl_dma_enter(&q->posting);
	return rc;
}
