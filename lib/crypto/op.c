/* SPDX-License-Identifier: BSD-3-Clause */
/* Pools of operations. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crypto_internal.h"

struct fl_op_pool {
	struct fl_ctx *ctx;
	struct fl_mem *mem;
	struct fl_dma_area *area;
	struct fl_ring *free;
};

static int fill(struct fl_op_pool *p, unsigned n)
{
	struct fl_op *ops = (struct fl_op *)p->area->va;

	for (unsigned i = 0; i < n; i++) {
		void *op = &ops[i];

		ops[i].pool = p;
		ops[i].iova = fl_dma_iova(p->area, &ops[i]);
		if (!fl_ring_enqueue_burst(p->free, &op, 1))
			return -ENOSPC;
	}
	return 0;
}

static void destroy(struct fl_op_pool *p)
{
	if (p->area && fl_dma_unmap(p->area))
		fl_warn(fl_ctx_log(p->ctx), "crypto",
			"ops: their area was not unmapped as it should");
	fl_mem_free(p->mem);
	fl_ring_free(p->free);
	free(p);
}

int fl_op_pool_create(struct fl_ctx *ctx, unsigned n, struct fl_op_pool **out)
{
	struct fl_mem_opts mo = { .node = -1, .log = fl_ctx_log(ctx) };
	struct fl_op_pool *p = calloc(1, sizeof(*p));
	int rc;

	if (!p)
		return -ENOMEM;
	p->ctx = ctx;
	rc = fl_ring_create(n, 0, -1, &p->free);
	if (rc)
		goto free_pool;
	fl_dma_mem_opts(fl_ctx_space(ctx), (uint64_t)n * sizeof(struct fl_op), &mo);
	rc = fl_mem_alloc((uint64_t)n * sizeof(struct fl_op), &mo, &p->mem);
	if (!rc)
		rc = fl_dma_map(fl_ctx_space(ctx), p->mem, NULL, &p->area);
	if (!rc)
		rc = fill(p, n);
	if (rc)
		goto free_pool;
	*out = p;
	return 0;

free_pool:
	destroy(p);
	return rc;
}

int fl_op_pool_destroy(struct fl_op_pool *p)
{
	uint32_t out;

	if (!p)
		return 0;
	out = fl_ring_capacity(p->free) - fl_ring_count(p->free);
	if (out) {
		fl_err(fl_ctx_log(p->ctx), "crypto", "%u ops of the pool are out: free them first",
		       out);
		return -EBUSY;
	}
	destroy(p);
	return 0;
}

unsigned fl_op_alloc(struct fl_op_pool *p, struct fl_op **ops, unsigned n)
{
	if (!fl_ring_dequeue_bulk(p->free, (void **)ops, n))
		return 0;
	for (unsigned i = 0; i < n; i++) {
		ops[i]->status = FL_OP_OK;
		ops[i]->stage = FL_OP_WHOLE;
	}
	return n;
}

void fl_op_free(struct fl_op **ops, unsigned n)
{
	/* runs of one pool; its ring has room for all its ops */
	for (unsigned i = 0, k; i < n; i += k) {
		for (k = 1; i + k < n && ops[i + k]->pool == ops[i]->pool; k++)
			;
		(void)fl_ring_enqueue_bulk(ops[i]->pool->free, (void **)&ops[i], k);
	}
}
