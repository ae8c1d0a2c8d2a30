/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies between a model and its client's memory, mapping by mapping. */
#include "engine_internal.h"

static bool granted(const struct fl_iommu_map *e, uint64_t iova, uint32_t len, unsigned prot)
{
	uint64_t first = (iova - e->first) / FL_MODEL_PAGE;
	uint64_t last = (iova - e->first + (len - 1)) / FL_MODEL_PAGE;

	return fl_iotlb_missing(e, first, last, prot) > last;
}

static int copy(struct fl_model *m, uint64_t iova, uint8_t *buf, uint32_t len, bool write)
{
	unsigned prot = write ? FL_DMA_WRITE : FL_DMA_READ;

	if (m->host)
		return fl_host_copy(m, iova, buf, len, write);
	while (len) {
		const struct fl_iommu_map *e = fl_iommu_find(&m->mmu, iova);
		uint32_t n;
		int r;

		if (!e || !(e->prot & prot))
			return -EFAULT;
		n = len - 1 <= e->last - iova ? len : (uint32_t)(e->last - iova + 1);
		if (e->granted[0] && !granted(e, iova, n, prot))
			return -EAGAIN;
		if (!e->base) {
			r = m->srv ? fl_server_dma(m->srv, iova, buf, n, write) : -EFAULT;
			if (r)
				return r;
		} else if (write) {
			memcpy(e->base + (iova - e->first), buf, n);
		} else {
			memcpy(buf, e->base + (iova - e->first), n);
		}
		iova += n;
		buf += n;
		len -= n;
	}
	return 0;
}

static int checked_copy(struct fl_model *m, uint64_t iova, void *buf, uint32_t len, bool write)
{
	int r = fl_model_bus_master(m) ? copy(m, iova, buf, len, write) : -EFAULT;

	if (r == -EFAULT)
		fl_stat_add(&m->stats.dma_faults, 1);
	return r;
}

int fl_model_dma_read(struct fl_model *m, fl_iova_t iova, void *buf, uint32_t len)
{
	return checked_copy(m, iova.v, buf, len, false);
}

int fl_model_dma_write(struct fl_model *m, fl_iova_t iova, const void *buf, uint32_t len)
{
	return checked_copy(m, iova.v, (void *)(uintptr_t)buf, len, true);
}
