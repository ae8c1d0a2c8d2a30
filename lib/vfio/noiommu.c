/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A container without IOMMU as a DMA domain: there is nothing to map, an IOVA is where the memory
 * stands. Only hugepages of hugetlbfs come here (lib/dma sees to it), which the kernel neither
 * swaps nor, short of memory being unplugged, moves.
 */
#include "container_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_PFN	((1ull << 55) - 1)
/* Physical addresses of every machine about. */
#define LAST_PHYSICAL ((1ull << 52) - 1)
#define HUGE_2M	      (1ull << 21)
#define HUGE_1G	      (1ull << 30)

static int no_limits(void *arg, struct fl_dma_limits *out)
{
	static const struct fl_iova_range all = { 0, LAST_PHYSICAL };

	*out = (struct fl_dma_limits){
		.ranges = &all, .nranges = 1, .page_sizes = HUGE_2M | HUGE_1G, .physical = true
	};
	return 0;
}

static int no_map(void *arg, const struct fl_dma_mapping *m)
{
	return 0;
}

static int no_unmap(void *arg, fl_iova_t iova, uint64_t len, uint64_t *unmapped)
{
	*unmapped = len;
	return 0;
}

/* Where the page at va stands; 0 = the kernel does not tell. */
static int page_at(int pagemap, uintptr_t va, uint64_t *at)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), e;
	ssize_t n = pread(pagemap, &e, sizeof(e), (off_t)(va / page * sizeof(e)));

	if (n != sizeof(e))
		return n < 0 ? -errno : -EIO;
	*at = e & PAGEMAP_PRESENT ? (e & PAGEMAP_PFN) * page : 0;
	return 0;
}

static int locate_all(const struct fl_vk_ctnr *c, int pagemap, const struct fl_dma_mapping *m,
		      fl_iova_t *iova)
{
	uintptr_t va = (uintptr_t)m->va;
	uint64_t first = 0, at = 0;

	for (uint64_t off = 0; off < m->len; off += HUGE_2M) {
		int rc;

		/* it is there: where sanitizers run, mlock() does nothing */
		(void)*(volatile const uint8_t *)(va + off);
		rc = page_at(pagemap, va + off, &at);
		if (rc)
			return rc;
		if (!at) {
			fl_err(c->k->log, "vfio",
			       "no IOMMU: the kernel does not say where memory stands: CAP_SYS_ADMIN (or root) reads it in /proc/self/pagemap");
			return -EPERM;
		}
		first = off ? first : at;
		if (at == first + off)
			continue;
		fl_err(c->k->log, "vfio",
		       "no IOMMU: memory %p + 0x%" PRIx64
		       " is not contiguous: it begins at 0x%" PRIx64 " and byte 0x%" PRIx64
		       " is at 0x%" PRIx64 ", not 0x%" PRIx64
		       ": use areas of one hugepage, of 1 GiB where 2 MiB are too small",
		       m->va, m->len, first, off, at, first + off);
		return -EINVAL;
	}
	*iova = fl_iova(first);
	return 0;
}

static int no_locate(void *arg, const struct fl_dma_mapping *m, fl_iova_t *iova)
{
	const struct fl_vk_ctnr *c = arg;
	int rc = 0, fd;

	/* faults hugepages in; there is nothing more that it does to them, or that is to be undone
	 */
	if (mlock(m->va, m->len)) {
		rc = -errno;
		fl_err(c->k->log, "vfio",
		       "no IOMMU: memory %p + 0x%" PRIx64 " cannot be locked: %s", m->va, m->len,
		       strerror(-rc));
		return rc;
	}
	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		rc = -errno;
		fl_err(c->k->log, "vfio", "/proc/self/pagemap: %s", strerror(-rc));
		return rc;
	}
	rc = locate_all(c, fd, m, iova);
	close(fd);
	return rc;
}

const struct fl_dma_domain_ops fl_vk_noiommu_ops = {
	.name = "noiommu",
	.limits = no_limits,
	.map = no_map,
	.unmap = no_unmap,
	.locate = no_locate,
};
