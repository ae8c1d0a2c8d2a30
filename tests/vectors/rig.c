/* SPDX-License-Identifier: BSD-3-Clause */
/* Crypto devices in a context with memory to work on; pieces of that memory cut at random. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fl_model.h>

#include "rig.h"

uint32_t rig_rnd(struct rig *r, uint32_t below)
{
	r->seed = r->seed * 6364136223846793005ull + 1442695040888963407ull;
	return below ? (uint32_t)((r->seed >> 33) % below) : 0;
}

static int open_device(struct rig *r, const char *uri)
{
	struct rig_dev *d = &r->dev[r->ndev];
	int rc = fl_cryptodev_open(r->ctx, uri, &d->dev);

	d->uri = uri;
	if (rc)
		return rc;
	r->ndev++;
	rc = fl_cryptodev_configure(d->dev, 1);
	if (!rc)
		rc = fl_qp_setup(d->dev, 0, NULL);
	if (!rc)
		rc = fl_cryptodev_start(d->dev);
	if (rc)
		return rc;
	fl_cryptodev_info(d->dev, &d->info);
	d->qp = fl_cryptodev_qp(d->dev, 0);
	return 0;
}

static int make_memory(struct rig *r, unsigned nops, uint64_t bytes)
{
	struct fl_mem_opts mo = { .node = -1 };
	int rc;

	fl_dma_mem_opts(fl_ctx_space(r->ctx), bytes, &mo);
	rc = fl_mem_alloc(bytes, &mo, &r->mem);
	if (!rc)
		rc = fl_dma_map(fl_ctx_space(r->ctx), r->mem, NULL, &r->area);
	if (!rc)
		rc = fl_op_pool_create(r->ctx, nops, &r->pool);
	if (rc)
		return rc;
	r->nops = nops;
	r->ops = calloc(nops, sizeof(struct fl_op *));
	return r->ops && fl_op_alloc(r->pool, r->ops, nops) == nops ? 0 : -ENOMEM;
}

int rig_open(struct rig *r, char **uris, unsigned n, unsigned nops, uint64_t bytes)
{
	int rc;

	*r = (struct rig){ .seed = 1 };
	rc = fl_ctx_create(NULL, &r->ctx);
	if (!rc)
		rc = fl_model_enable(r->ctx, NULL);
	for (unsigned i = 0; !rc && i < n; i++) {
		rc = open_device(r, uris[i]);
		if (rc)
			fprintf(stderr, "%s: %s\n", uris[i], strerror(-rc));
	}
	if (!rc)
		rc = make_memory(r, nops, bytes);
	if (rc)
		rig_close(r);
	return rc;
}

void rig_close(struct rig *r)
{
	for (unsigned i = 0; i < r->ndev; i++)
		if (fl_cryptodev_stop(r->dev[i].dev))
			abort();
	if (r->ops)
		fl_op_free(r->ops, r->nops);
	free(r->ops);
	if (fl_op_pool_destroy(r->pool) || (r->area && fl_dma_unmap(r->area)))
		abort();
	fl_mem_free(r->mem);
	while (r->ndev)
		fl_cryptodev_close(r->dev[--r->ndev].dev);
	if (r->ctx && fl_ctx_destroy(r->ctx))
		abort();
}

uint8_t *rig_cut(struct rig *r, uint8_t *at, uint32_t n, struct fl_seg *seg, uint16_t *count)
{
	uint16_t k = 0;

	do {
		uint32_t len = k == RIG_SEGS - 1 ? n : 1 + rig_rnd(r, n / 3 + 1);

		len = len < n ? len : n;
		seg[k++] = (struct fl_seg){ at, r->area, len };
		at += len + 1 + rig_rnd(r, 37);
		n -= len;
	} while (n);
	*count = k;
	return at;
}
