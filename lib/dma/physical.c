/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices without IOMMU: an IOVA is where the memory stands. Under the space's lock. */
#include "dma_internal.h"

#include <inttypes.h>

#define GIB (1ull << 30)

uint64_t fl_domains_page(const struct fl_dma_space *s)
{
	uint64_t page = 0;

	for (const struct fl_dma_domain *d = s->domains; d; d = d->next)
		if (d->physical && !d->gone && d->granule > page)
			page = d->granule;
	return page;
}

uint64_t fl_dma_page_size(struct fl_dma_space *s)
{
	uint64_t page;

	pthread_mutex_lock(&s->lock);
	page = fl_domains_page(s);
	pthread_mutex_unlock(&s->lock);
	return page;
}

void fl_dma_mem_opts(struct fl_dma_space *s, uint64_t len, struct fl_mem_opts *opts)
{
	uint64_t page = fl_dma_page_size(s), total, avail;

	if (page && len > page && !fl_mem_hugepages(GIB, &total, &avail) && avail)
		page = GIB;
	if (!page || (opts->kind == FL_MEM_HUGETLB && opts->page_size >= page))
		return;
	opts->kind = FL_MEM_HUGETLB;
	opts->page_size = page;
}

int fl_domain_locate(const struct fl_dma_domain *d, const struct fl_area *a, fl_iova_t *iova)
{
	struct fl_dma_mapping m = { .len = a->pub.len,
				    .va = a->pub.va,
				    .fd = a->fd,
				    .fd_offset = a->fd_offset,
				    .prot = a->pub.prot };
	int rc;

	if (a->page_size < d->granule) {
		fl_err(d->space->log, "dma",
		       "%s: memory %p has pages of %" PRIu64
		       " bytes, which the kernel moves about: a device without IOMMU needs hugepages of %" PRIu64
		       " or more (FL_MEM_HUGETLB)",
		       d->ops->name, (void *)a->pub.va, a->page_size, d->granule);
		return -EINVAL;
	}
	rc = d->ops->locate(d->arg, &m, iova);
	return rc < 0 ? rc : 0;
}

int fl_domains_locate(const struct fl_dma_space *s, const struct fl_area *a, fl_iova_t *iova)
{
	const struct fl_dma_domain *d = s->domains;

	/* two of them see the same memory at the same place */
	while (d && (!d->physical || d->gone))
		d = d->next;
	return d ? fl_domain_locate(d, a, iova) : -ENODEV;
}
