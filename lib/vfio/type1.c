/* SPDX-License-Identifier: BSD-3-Clause */
/* The type1 IOMMU of a container as a DMA domain. All under the space's lock. */
#include "container_internal.h"
#include "kernel_abi.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Type1's own default, which kernels without the DMA_AVAIL capability (before 5.10) keep too. */
#define ENTRIES_DEFAULT 65535u

#define OPS_NEEDED                                                                            \
	(1u << FL_VFIO_FAULT_PREFAULT | 1u << FL_VFIO_FAULT_PIN | 1u << FL_VFIO_FAULT_UNPIN | \
	 1u << FL_VFIO_FAULT_REVOKE | 1u << FL_VFIO_FAULT_AROUND | 1u << FL_VFIO_FAULT_STATS)

/*
 * What a kernel that names no ranges (before 5.4) is taken to allow: the least address width of
 * IOMMUs that are about, without the window in which a write is an interrupt.
 */
static const struct fl_iova_range assumed[] = { { 0, 0xfedfffff },
						{ 0xfef00000, (1ull << 39) - 1 } };

/* An answer of VFIO_IOMMU_GET_INFO, most of which are no longer than this. */
struct info {
	struct vfio_iommu_type1_info head;
	uint8_t room[512 - sizeof(struct vfio_iommu_type1_info)];
};

struct answer {
	void *p;
	size_t len;
	uint32_t first; /* capability */
};

/* ---- what the kernel says ------------------------------------------------------------- */

static int no_sense(struct fl_vk_ctnr *c, const char *what)
{
	fl_err(c->k->log, "vfio", "container: the kernel's information makes no sense: %s", what);
	return -EPROTO;
}

static int set_ranges(struct fl_vk_ctnr *c, const void *v, size_t n)
{
	if (n > c->ranges_cap) {
		struct fl_iova_range *p = reallocarray(c->ranges, n, sizeof(*p));

		if (!p)
			return -ENOMEM;
		c->ranges = p;
		c->ranges_cap = (unsigned)n;
	}
	if (n)
		memcpy(c->ranges, v, n * sizeof(*c->ranges));
	c->nranges = (unsigned)n;
	return 0;
}

/* Copies a capability, which may stand on an odd multiple of 4. */
static bool copy_cap(const struct answer *a, uint16_t id, void *out, size_t size)
{
	const void *cap = fl_vk_cap(a->p, a->len, a->first, id, size, NULL);

	if (cap)
		memcpy(out, cap, size);
	return cap != NULL;
}

static int read_ranges(struct fl_vk_ctnr *c, const struct answer *a)
{
	struct vfio_iommu_type1_info_cap_iova_range head;
	const uint8_t *cap;
	size_t len;

	_Static_assert(sizeof(struct vfio_iova_range) == sizeof(struct fl_iova_range),
		       "one layout");
	cap = fl_vk_cap(a->p, a->len, a->first, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, sizeof(head),
			&len);
	if (cap) {
		memcpy(&head, cap, sizeof(head));
		if (head.nr_iovas > (len - sizeof(head)) / sizeof(struct vfio_iova_range))
			return no_sense(c, "more IOVA ranges than it brings");
		return set_ranges(c, cap + sizeof(head), head.nr_iovas);
	}
	if (!c->told)
		fl_warn(c->k->log, "vfio",
			"container: this kernel does not say which IOVAs are valid; assuming 0x%" PRIx64
			"-0x%" PRIx64 " and 0x%" PRIx64 "-0x%" PRIx64,
			assumed[0].first, assumed[0].last, assumed[1].first, assumed[1].last);
	c->told = true;
	return set_ranges(c, assumed, FL_ARRAY_SIZE(assumed));
}

static uint64_t entry_limit(const struct fl_vk_ctnr *c)
{
	uint64_t limit = ENTRIES_DEFAULT;
	char *path;
	FILE *f;

	if (asprintf(&path, "%s/module/vfio_iommu_type1/parameters/dma_entry_limit", c->k->sys) < 0)
		return limit;
	f = fopen(path, "re");
	if (f && fscanf(f, "%" SCNu64, &limit) != 1)
		limit = ENTRIES_DEFAULT;
	if (f)
		fclose(f);
	free(path);
	return limit;
}

static void read_entries(struct fl_vk_ctnr *c, const struct answer *a)
{
	struct vfio_iommu_type1_info_dma_avail cap;

	if (copy_cap(a, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, &cap, sizeof(cap))) {
		c->entries_avail = cap.avail;
		c->entries_max = c->entries + cap.avail;
		return;
	}
	if (!c->entries_max)
		c->entries_max = entry_limit(c);
	c->entries_avail = c->entries_max > c->entries ? c->entries_max - c->entries : 0;
}

int fl_vk_type1_info(struct fl_vk_ctnr *c)
{
	struct vfio_iommu_type1_info_cap_migration mig = { 0 };
	const struct vfio_iommu_type1_info *info;
	const struct info question = { 0 };
	struct answer a = { 0 };
	int rc = fl_vk_ask(c->fd, VFIO_IOMMU_GET_INFO, &question, sizeof(question), &a.p, &a.len);

	if (rc)
		return rc == -EPROTO ? no_sense(c, "its size") : rc;
	info = a.p;
	a.first = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0;
	c->page_sizes = info->flags & VFIO_IOMMU_INFO_PGSIZES ? info->iova_pgsizes
							      : (uint64_t)sysconf(_SC_PAGESIZE);
	read_entries(c, &a);
	(void)copy_cap(&a, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, &mig, sizeof(mig));
	c->dirty_logs = mig.pgsize_bitmap != 0;
	c->dirty_bitmap_max = mig.max_dirty_bitmap_size;
	rc = read_ranges(c, &a);
	free(a.p);
	return rc;
}

bool fl_vk_type1_ready(int fd)
{
	struct fl_abi_info_cap_fault cap = { 0 };
	const struct vfio_iommu_type1_info *info;
	const struct info question = { 0 };
	struct answer a = { 0 };

	if (fl_vk_ask(fd, VFIO_IOMMU_GET_INFO, &question, sizeof(question), &a.p, &a.len))
		return false;
	info = a.p;
	a.first = info->flags & VFIO_IOMMU_INFO_CAPS ? info->cap_offset : 0;
	(void)copy_cap(&a, FL_VFIO_INFO_CAP_FAULT, &cap, sizeof(cap));
	free(a.p);
	return cap.flags & FL_VFIO_FAULT_READY && (cap.ops & OPS_NEEDED) == OPS_NEEDED;
}

static int t1_limits(void *arg, struct fl_dma_limits *out)
{
	struct fl_vk_ctnr *c = arg;
	int rc = fl_vk_type1_info(c);

	if (rc)
		return rc;
	*out = (struct fl_dma_limits){
		.ranges = c->ranges,
		.nranges = c->nranges,
		.page_sizes = c->page_sizes,
		.entries_max = c->entries_max,
		.entries_avail = c->entries_avail,
		.pins = true,
		.faults = c->faults,
		.resolves = c->faults,
	};
	return 0;
}

/* ---- map and unmap -------------------------------------------------------------------- */

/* To lib/dma -ENODEV means that all of the container is gone, which the kernel never says. */
static int plain(int rc)
{
	return rc == -ENODEV ? -EIO : rc;
}

static int t1_map(void *arg, const struct fl_dma_mapping *m)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map), .vaddr = (uintptr_t)m->va, .iova = m->iova.v, .size = m->len
	};
	struct fl_vk_ctnr *c = arg;
	int rc;

	if (m->prot & FL_DMA_READ)
		map.flags |= VFIO_DMA_MAP_FLAG_READ;
	if (m->prot & FL_DMA_WRITE)
		map.flags |= VFIO_DMA_MAP_FLAG_WRITE;
	if (m->lazy)
		map.flags |= FL_VFIO_DMA_MAP_FLAG_FAULT;
	rc = fl_vk_ioctl(c->fd, VFIO_IOMMU_MAP_DMA, &map);
	if (rc < 0)
		return plain(rc);
	c->entries++;
	return 0;
}

/*
 * The kernel takes a group whose last device goes (an unbind, a removal) out of its container as
 * soon as that is closed. With the last group all mappings go, and then each call answers -EINVAL.
 * In between they are gone and calls still succeed; asking for an extension waits that out.
 */
static bool taken_back(const struct fl_vk_ctnr *c)
{
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };

	(void)fl_vk_ioctl(c->fd, VFIO_CHECK_EXTENSION, (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU);
	return fl_vk_ioctl(c->fd, VFIO_IOMMU_GET_INFO, &info) == -EINVAL;
}

static int t1_unmap(void *arg, fl_iova_t iova, uint64_t len, uint64_t *unmapped)
{
	struct vfio_iommu_type1_dma_unmap un = { .argsz = sizeof(un), .iova = iova.v, .size = len };
	struct fl_vk_ctnr *c = arg;
	int rc = fl_vk_ioctl(c->fd, VFIO_IOMMU_UNMAP_DMA, &un);

	if ((rc == -EINVAL || (rc >= 0 && !un.size)) && taken_back(c))
		un.size = len;
	else if (rc < 0)
		return plain(rc);
	*unmapped = un.size;
	if (un.size && c->entries)
		c->entries--;
	return 0;
}

/* ---- the log of written pages --------------------------------------------------------- */

static int t1_dirty_log(void *arg, bool start)
{
	struct fl_vk_ctnr *c = arg;
	struct vfio_iommu_type1_dirty_bitmap d = {
		.argsz = sizeof(d),
		.flags = start ? VFIO_IOMMU_DIRTY_PAGES_FLAG_START
			       : VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP,
	};

	if (!c->dirty_logs)
		return -EOPNOTSUPP;
	return plain(fl_vk_ioctl(c->fd, VFIO_IOMMU_DIRTY_PAGES, &d));
}

static int t1_dirty_read(void *arg, fl_iova_t iova, uint64_t len, uint64_t page, uint64_t *bitmap)
{
	struct fl_vk_ctnr *c = arg;
	struct {
		/* struct vfio_iommu_type1_dirty_bitmap, whose data[] follows */
		uint32_t argsz, flags;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} req = {
		.argsz = sizeof(req),
		.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
		.get = { .iova = iova.v,
			 .size = len,
			 .bitmap = { .pgsize = page,
				     .size = fl_align_up(len / page, 64) / 8,
				     .data = (__u64 *)bitmap } },
	};

	if (req.get.bitmap.size > c->dirty_bitmap_max)
		return -E2BIG; /* 8 TiB in pages of 4 KiB, for which the kernel starts no log either
				*/
	return plain(fl_vk_ioctl(c->fd, VFIO_IOMMU_DIRTY_PAGES, &req));
}

const struct fl_dma_domain_ops fl_vk_type1_ops = {
	.name = "container",
	.limits = t1_limits,
	.map = t1_map,
	.unmap = t1_unmap,
	.revoke = fl_vk_type1_revoke,
	.prefault = fl_vk_type1_prefault,
	.hold = fl_vk_type1_hold,
	.around = fl_vk_type1_around,
	.counts = fl_vk_type1_counts,
	.dirty_log = t1_dirty_log,
	.dirty_read = t1_dirty_read,
};
