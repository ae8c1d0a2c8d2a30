/* SPDX-License-Identifier: BSD-3-Clause */
/* The DMA domain of a device that is made up: it keeps what was mapped, so that tests find it. */
#ifndef FAKE_DMA_H
#define FAKE_DMA_H

#include <errno.h>

#include <fl_dma.h>

#define FAKE_DMA_MAPS 64u

struct fake_dma {
	struct fl_dma_mapping maps[FAKE_DMA_MAPS];
	unsigned n;
	bool faults;
	unsigned granted, bad_grants; /* calls; of them for what was not announced */
};

static inline int fake_dma_limits(void *arg, struct fl_dma_limits *out)
{
	static const struct fl_iova_range all = { 0, UINT64_MAX };
	const struct fake_dma *d = arg;

	*out = (struct fl_dma_limits){
		.ranges = &all,
		.nranges = 1,
		.page_sizes = 1ull << 12 | 1ull << 21 | 1ull << 30,
		.faults = d->faults,
	};
	return 0;
}

static inline int fake_dma_map(void *arg, const struct fl_dma_mapping *m)
{
	struct fake_dma *d = arg;

	if (d->n == FAKE_DMA_MAPS)
		return -ENOSPC;
	d->maps[d->n++] = *m;
	return 0;
}

static inline int fake_dma_unmap(void *arg, fl_iova_t iova, uint64_t len, uint64_t *unmapped)
{
	struct fake_dma *d = arg;

	*unmapped = 0;
	for (unsigned i = 0; i < d->n;) {
		struct fl_dma_mapping *m = &d->maps[i];

		if (m->iova.v < iova.v || m->iova.v - iova.v >= len) {
			i++;
			continue;
		}
		*unmapped += m->len;
		*m = d->maps[--d->n];
	}
	return 0;
}

static inline int fake_dma_grant(void *arg, const struct fl_dma_mapping *m)
{
	struct fake_dma *d = arg;
	bool known = false;

	for (unsigned i = 0; i < d->n; i++) {
		const struct fl_dma_mapping *k = &d->maps[i];

		known |= k->lazy && m->iova.v >= k->iova.v && m->len <= k->len &&
			 m->iova.v - k->iova.v <= k->len - m->len && !(m->prot & ~k->prot);
	}
	d->granted++;
	d->bad_grants += !known;
	return 0;
}

static inline int fake_dma_revoke(void *arg, fl_iova_t iova, uint64_t len)
{
	return 0;
}

static inline int fake_dma_convert(void *arg, const struct fl_dma_mapping *m)
{
	return -EOPNOTSUPP;
}

static const struct fl_dma_domain_ops fake_dma_ops = {
	.name = "fake",
	.limits = fake_dma_limits,
	.map = fake_dma_map,
	.unmap = fake_dma_unmap,
	.grant = fake_dma_grant,
	.revoke = fake_dma_revoke,
	.convert = fake_dma_convert,
};

/** Memory behind [iova, iova + len), NULL where that was not mapped as a whole. */
static inline void *fake_dma_at(const struct fake_dma *d, uint64_t iova, uint64_t len)
{
	for (unsigned i = 0; i < d->n; i++) {
		const struct fl_dma_mapping *m = &d->maps[i];

		if (iova >= m->iova.v && len <= m->len && iova - m->iova.v <= m->len - len)
			return (uint8_t *)m->va + (iova - m->iova.v);
	}
	return NULL;
}

#endif
