/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that devices may later be given: where it comes from, page size, NUMA node.
 * Nothing here maps anything for a device (that is fl_dma.h), and nothing is pinned or touched.
 */
#ifndef FL_MEM_H
#define FL_MEM_H

#include <fl_log.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fl_mem;

enum fl_mem_kind {
	/** memfd: small pages, shareable with a vfio-user peer. The default. */
	FL_MEM_MEMFD,
	/** private anonymous pages: no fd to share, so a vfio-user peer copies by message */
	FL_MEM_ANON,
	/** hugetlbfs pages of `page_size` (2 MiB or 1 GiB), by memfd_create(MFD_HUGETLB) */
	FL_MEM_HUGETLB,
	/** memory that the application owns (fl_mem_wrap() only) */
	FL_MEM_EXTERNAL,
};

struct fl_mem_opts {
	enum fl_mem_kind kind;
	/** FL_MEM_HUGETLB only: 2 MiB or 1 GiB; 0 = 2 MiB */
	uint64_t page_size;
	/** NUMA node that pages should come from (mbind preferred), -1 = wherever touched */
	int node;
	/** alignment of the start in bytes, power of two, 0 = the page size */
	uint64_t align;
	/** sink for messages, NULL = process default */
	const struct fl_log *log;
};

/** What can be asked about a piece of memory; all values fixed for its life. */
struct fl_mem_info {
	void *va;
	/** bytes, a multiple of page_size */
	uint64_t len;
	uint64_t page_size;
	enum fl_mem_kind kind;
	/** file behind it or -1, and where in the file it begins */
	int fd;
	uint64_t fd_offset;
	int node;
};

/**
 * Reserves `len` bytes (rounded up to the page size); zeroed, not touched: 4 GiB cost a system
 * call or two, not time. opts NULL = memfd, any node.
 * Errors: -EINVAL (options), -ENOMEM (address space, hugepages short: the message says how many
 * are free and how to get more), -EOPNOTSUPP (the kernel has no such page size).
 */
FL_API FL_MUST int fl_mem_alloc(uint64_t len, const struct fl_mem_opts *opts, struct fl_mem **out);

/**
 * Describes memory that the application owns; va and len page-aligned. It must outlive the
 * fl_mem. `fd`/`fd_offset` name the file that it maps MAP_SHARED, or fd = -1 (duplicated; the
 * caller keeps its own). page_size is read from the kernel; a range that begins or ends inside a
 * hugepage counts as small pages.
 * Errors: -EINVAL (alignment; not that file), -EFAULT (part of it is not mapped).
 */
FL_API FL_MUST int fl_mem_wrap(void *va, uint64_t len, int fd, uint64_t fd_offset,
			       const struct fl_log *log, struct fl_mem **out);

/** Gives memory back (unmaps it unless external). It must not be mapped in any DMA space. */
FL_API void fl_mem_free(struct fl_mem *m);

FL_API void fl_mem_info(const struct fl_mem *m, struct fl_mem_info *info);

/** Resident bytes of the range now (mincore). */
FL_API FL_MUST int fl_mem_resident(const struct fl_mem *m, uint64_t *bytes);

/** What the process holds, from /proc/self; all in bytes. */
struct fl_mem_usage {
	uint64_t rss;
	/** VmLck and VmPin, and RLIMIT_MEMLOCK (UINT64_MAX = unlimited) */
	uint64_t vm_lck, vm_pin, memlock_limit;
	/** CAP_IPC_LOCK is held: VFIO type1 does not look at the limit then */
	bool memlock_exempt;
};
FL_API FL_MUST int fl_mem_usage(struct fl_mem_usage *u);

/**
 * Hugepages of one size: how many the kernel holds, and how many of them are neither used nor
 * promised to somebody. -EOPNOTSUPP: the kernel has no such size.
 */
FL_API FL_MUST int fl_mem_hugepages(uint64_t page_size, uint64_t *total, uint64_t *avail);

/** Number of NUMA nodes (at least 1), and the node of the calling thread. */
FL_API int fl_numa_nodes(void);
FL_API int fl_numa_here(void);

#ifdef __cplusplus
}
#endif
#endif
