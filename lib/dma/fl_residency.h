/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Residency: how a lazy area meets its devices, and what a user can say about it.
 *
 * A lazy area is the process's own pageable memory. No device can reach any of it until it is
 * touched; how it is touched depends on the device:
 *
 *   fault  device and IOMMU take recoverable faults: the device asks for a page (a page request)
 * and waits; a resolver makes a range around it reachable and answers. Nothing is pinned where the
 * resolver need not pin (the model's link, the kernel patches). post   the device cannot wait: its
 * driver says which buffers it is about to hand over, and the windows that hold them are mapped
 * first (see fl_dma_post.h). What is neither in flight nor used lately is unmapped again to stay
 * under the budget.
 *
 * Both may serve one area at once, for two devices. Counters are the same whoever resolves.
 *
 * All calls here are control plane: they take the space's lock, any thread may make them at any
 * time, and devices may be at work meanwhile. Ranges are [off, off + len) of an area in bytes; they
 * are widened to whole pages where that gives more (prefault, pin) and must be whole pages where it
 * would take (discard, unpin): else -EINVAL. -EINVAL too beyond the area.
 */
#ifndef FL_RESIDENCY_H
#define FL_RESIDENCY_H

#include <fl_dma.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a space's settings --------------------------------------------------------------- */

#define FL_BUDGET_NONE UINT64_MAX

struct fl_residency_opts {
	/**
	 * Bytes that may stay mapped for devices though nothing in flight needs them, where mapping
	 * pins memory or a device is posted to; a budget that is set holds for every device whose
	 * faults are resolved here (the kernel takes pages back by itself). What fl_mem_pin() keeps
	 * comes on top, and a device that waits for a page gets it anyway.
	 * 0 = default: half of what RLIMIT_MEMLOCK leaves to this process, or where there is no
	 * limit a quarter of the machine's memory. FL_BUDGET_NONE = no bound.
	 */
	uint64_t budget;
	/** pages made reachable by one fault: 0 = adaptive (1 page to 2 MiB), else that many, at
	 * most 512 of 4 KiB; for comparison and for memory that is used at random */
	uint32_t fault_around;
	/**
	 * Watch for memory that the process gives up without fl_mem_discard(): munmap, mremap,
	 * madvise; by userfaultfd and a thread. Devices lose the area before madvise() goes on, and
	 * as soon as it is seen after munmap() and mremap(). -EOPNOTSUPP where the kernel (or its
	 * policy) allows no userfaultfd.
	 */
	bool watch;
};

/**
 * Sets them; opts NULL = defaults. A budget that shrinks takes effect as windows become free. May
 * be called at any time; watch must be on before the areas are mapped.
 */
FL_API FL_MUST int fl_dma_residency_set(struct fl_dma_space *s,
					const struct fl_residency_opts *opts);
/** As they are, the budget as it was computed. */
FL_API void fl_dma_residency_get(struct fl_dma_space *s, struct fl_residency_opts *out);

/* ---- ranges of an area ---------------------------------------------------------------- */

enum fl_prefault {
	/** the device will read: pages come in, read-only where the device faults */
	FL_PREFAULT_READ,
	/** the device will write: pages come in and may be written */
	FL_PREFAULT_WRITE,
	/** pages that are in memory now, with all that devices may do there; no other page is
	 * brought in (nothing waits for a disk) */
	FL_PREFAULT_NO_FAULT,
};

/**
 * Makes a range reachable for every device before it is used, so that no fault or miss happens
 * there; it may be evicted again, later. On a pinned area: nothing to do.
 * Errors: -EACCES (devices may not do that with the area), -ENOMEM (RLIMIT_MEMLOCK; no room
 * under the budget), -EFAULT (no memory behind it any more), what a domain said. What was done
 * stays.
 */
FL_API FL_MUST int fl_mem_prefault(struct fl_dma_area *a, uint64_t off, uint64_t len,
				   enum fl_prefault how);
/**
 * Gives a range back to the system: first no device reaches it any more, then its pages are freed
 * and read as zeros (memory that is a private mapping of a file: as the file). Lazy areas only.
 * Errors: -EBUSY (a device that cannot fault holds a buffer there, or it is pinned: nothing was
 * done), -EOPNOTSUPP (a pinned area; memory whose pages cannot be freed: files of others), -EFAULT
 * (the process took the memory away, as `watch` saw), what a domain said.
 */
FL_API FL_MUST int fl_mem_discard(struct fl_dma_area *a, uint64_t off, uint64_t len);
/** The first half of fl_mem_discard(): devices lose the range, its pages stay as they are. */
FL_API FL_MUST int fl_mem_revoke(struct fl_dma_area *a, uint64_t off, uint64_t len);
/**
 * Makes a range resident and keeps it: no eviction, and -EBUSY to who would discard it. Nests: as
 * many unpins as pins. The memory itself is not locked but where a domain pins what it maps.
 * Errors of the latter: -EINVAL (not all of it is pinned), or what a domain said: the pin is gone
 * here, and that domain keeps the range until the area is unmapped.
 */
FL_API FL_MUST int fl_mem_pin(struct fl_dma_area *a, uint64_t off, uint64_t len);
FL_API FL_MUST int fl_mem_unpin(struct fl_dma_area *a, uint64_t off, uint64_t len);
/**
 * Turns a whole mapped area into a pinned or a lazy one, under traffic; what fl_mem_pin() keeps
 * stays. -ENOMEM, -EOPNOTSUPP (lazy: it shares an entry with others by FL_DMA_JOIN, or a device
 * has no IOMMU), or what a domain said: it stays as it was.
 */
FL_API FL_MUST int fl_mem_convert(struct fl_dma_area *a, enum fl_residency to);

/* ---- counters ------------------------------------------------------------------------- */

/** Bucket n: latencies of 2^n us to less than 2^(n+1) us; the first from 0, the last without end.
 */
#define FL_FAULT_BUCKETS 16u

/**
 * By what lazy areas of the space meet its devices now: "fault: kernel", "fault: ours" (iommufd),
 * "fault: model", "post", or of two kinds of devices "fault: kernel; post". Empty: no device.
 */
FL_API void fl_dma_residency_by(struct fl_dma_space *s, char *buf, size_t size);

/** Of an area, or the sum over a space's lazy areas (those that are gone included for counts). */
struct fl_residency_stats {
	/** bytes now: in lazy areas; reachable for at least one device; of these kept by
	 * fl_mem_pin(); charged against RLIMIT_MEMLOCK by at least one domain */
	uint64_t owned_bytes, mapped_bytes, pinned_bytes, locked_bytes;
	/** page requests that were resolved, and pages that they made reachable */
	uint64_t faults, fault_pages;
	/** pages that requests found reachable already (two asked at once); read-only pages that
	 * became writable; requests refused: outside every area (counted for the space only),
	 * against the permission; failed: no memory; put off for coming too fast */
	uint64_t spurious, upgrades, invalid, denied, failed, throttled;
	/** buffers that were posted into a window that was not mapped, and of these refused
	 * (-EAGAIN) */
	uint64_t misses, refused;
	/** hits that went the slow way once, since their window was about to be evicted */
	uint64_t rewarmed;
	/** windows unmapped for the budget; looked at for that and found in flight */
	uint64_t evictions, evict_busy;
	/** ranges taken from devices because the process gave them up or asked for it */
	uint64_t invalidations, discards;
	/** pages by fl_mem_prefault() */
	uint64_t prefault_pages;
	/**
	 * What answers took, and all of that in ns. An answer is a request's, or where the kernel
	 * resolves that of a group which a device wants answered at once, and there of what was
	 * refused within an area too. So the mean is latency_ns by the sum of latency[], which need
	 * not be `faults`.
	 */
	uint64_t latency[FL_FAULT_BUCKETS], latency_ns;
};

FL_API void fl_dma_residency_stats(struct fl_dma_space *s, struct fl_residency_stats *out);
FL_API void fl_mem_residency_stats(const struct fl_dma_area *a, struct fl_residency_stats *out);
/**
 * Calls fn for each area in IOVA order, pinned ones too, with its counters, under the space's lock,
 * until it returns non-zero.
 */
FL_API int fl_dma_residency_each(struct fl_dma_space *s,
				 int (*fn)(const struct fl_dma_area *a,
					   const struct fl_residency_stats *st, void *arg),
				 void *arg);

#ifdef __cplusplus
}
#endif
#endif
