/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA: I/O address spaces, the areas mapped in them, and how an area meets a device.
 *
 * A space owns IOVAs. Its domains are translation contexts (a VFIO container, an iommufd IOAS, a
 * vfio-user link) with valid IOVA ranges, page sizes and an entry limit of their own; every area
 * stands at the same IOVA in all of them. A domain that joins late gets every area replayed, all
 * or nothing. Where no domain is left, areas go where the last one allowed, as its device may come
 * back. IOVA = VA where that fits every domain, else the lowest fitting place aligned to
 * the largest page size in use.
 *
 * Control-plane calls take the space's lock: any thread, at any time. The look-ups on an area are
 * data plane: no lock. What a driver does for lazy areas is in fl_dma_post.h, what a user can say
 * about them in fl_residency.h.
 */
#ifndef FL_DMA_H
#define FL_DMA_H

#include <fl_log.h>
#include <fl_mem.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fl_dma_space;
struct fl_dma_domain;
struct fl_residency_stats;

#define FL_DMA_READ  1u /* the device may read */
#define FL_DMA_WRITE 2u /* the device may write */
#define FL_DMA_RW    3u

enum fl_residency {
	/** mapped for every domain from the start, until unmapped */
	FL_PINNED,
	/** mapped for a device when it faults or is posted to, and unmapped again; see
	   fl_residency.h */
	FL_LAZY,
	/** in fl_dma_opts: lazy where every device of the space can have it so, else pinned */
	FL_AUTO,
};

/** [first, last], both inclusive, so that the whole 64-bit space can be said. */
struct fl_iova_range {
	uint64_t first, last;
};

/** Joined with neighbours of like kind into one kernel entry; see fl_dma_map(). */
#define FL_DMA_JOIN 1u

struct fl_dma_opts {
	enum fl_residency residency;
	unsigned prot;	/* FL_DMA_READ | FL_DMA_WRITE; 0 = both */
	unsigned flags; /* FL_DMA_JOIN */
	/** place it here; 0 or FL_IOVA_BAD_V = let the space choose (0 is never given out) */
	fl_iova_t iova;
};

/** A window of a lazy area is mapped for every device that cannot fault, and may be posted to. */
#define FL_WINDOW_HOT 1u

/**
 * An area: memory that stands in a space. The fields are fixed while it is mapped and may be
 * read without a lock, but for `residency` and `windows`, which fl_mem_convert() changes; they are
 * public for the data plane's sake, not to be written.
 */
struct fl_dma_area {
	uint8_t *va;
	uint64_t len;
	fl_iova_t iova;
	enum fl_residency residency; /* FL_PINNED or FL_LAZY */
	unsigned prot;
	/** a byte for each window of 2^window_shift bytes from the start, FL_WINDOW_HOT set or not;
	 * NULL = pinned, all of it is mapped. See fl_dma_resident(). */
	uint8_t *windows;
	uint8_t window_shift;
	struct fl_dma_space *space;
	struct fl_mem *mem;
};

FL_API FL_MUST int fl_dma_space_create(const struct fl_log *log, struct fl_dma_space **out);
/** All areas must be unmapped and all domains removed: else -EBUSY and nothing happens. */
FL_API FL_MUST int fl_dma_space_destroy(struct fl_dma_space *s);

/**
 * From now on no IOVA above `last` is given out or accepted: for a device that cannot reach
 * further, whose driver asks at probe. Only ever lowers it, for the life of the space.
 * -EBUSY: an area stands above already; -ENOSPC: nothing below suits the devices in the space.
 */
FL_API FL_MUST int fl_dma_space_limit(struct fl_dma_space *s, uint64_t last);

/**
 * Maps memory into the space and every domain of it, all or nothing.
 * opts NULL = pinned, read and write, IOVA chosen.
 * FL_DMA_JOIN: the caller promises that no device uses this area or one that it touches (in VA
 * and IOVA) while it is mapped or unmapped; then neighbours with the flag, of one prot and
 * residency and one backing, take a single entry of the kernel's limit. A join or a split
 * remaps the run.
 * Errors: -EEXIST (overlaps an area in VA or IOVA: no map error is ever taken for success),
 * -EINVAL (alignment, or an IOVA that no domain allows; the message lists the valid windows),
 * -ENOSPC (no window is large enough, or the entry limit), -ENOMEM (RLIMIT_MEMLOCK; like the
 * entry limit, the message has needed, limit and remedy), -EOPNOTSUPP (lazy where a device without
 * IOMMU is in the space), or what the domain said. A lazy area takes no entry for FL_DMA_JOIN to
 * spare.
 */
FL_API FL_MUST int fl_dma_map(struct fl_dma_space *s, struct fl_mem *mem,
			      const struct fl_dma_opts *opts, struct fl_dma_area **out);

/**
 * Takes an area out of every domain and frees it; the memory stays the caller's. No device may
 * use it any more. A domain that unmaps more or less than asked is an error (-EIO), counted, and
 * the area is gone all the same, as after every error but one: -EAGAIN says that the rest of a
 * joined run could not be mapped again, all was put back and the area still stands.
 */
FL_API FL_MUST int fl_dma_unmap(struct fl_dma_area *a);

/** IOVA of a byte of an area; the caller knows that it lies inside. Data plane. */
static inline fl_iova_t fl_dma_iova(const struct fl_dma_area *a, const void *p)
{
	return fl_iova_add(a->iova, (uint64_t)((const uint8_t *)p - a->va));
}

/** The area that holds [va, va+len), or NULL. Control plane. */
FL_API struct fl_dma_area *fl_dma_find(struct fl_dma_space *s, const void *va, uint64_t len);

/* ---- domains: for transports ---------------------------------------------------------- */

/** What one map call brings; `fd` is -1 where no file stands behind the memory. */
struct fl_dma_mapping {
	fl_iova_t iova;
	uint64_t len;
	void *va;
	int fd;
	uint64_t fd_offset;
	unsigned prot;
	/** to a domain that faults: the area as a whole, of which nothing can be reached until
	 * granted */
	bool lazy;
};

struct fl_dma_limits {
	/** valid windows, sorted, not touching; never NULL with n = 0 */
	const struct fl_iova_range *ranges;
	unsigned nranges;
	/** bit n set: pages of 2^n bytes; the lowest is the map granularity */
	uint64_t page_sizes;
	/** mappings that may exist, and may still be made (0 entries_max = no limit) */
	uint64_t entries_max, entries_avail;
	/**
	 * Mapping pins pages and is charged against RLIMIT_MEMLOCK: on top of what the process has
	 * locked (VmLck: type1), or `pins_apart` from that (VmPin: iommufd).
	 */
	bool pins, pins_apart;
	/**
	 * Every device of the domain takes recoverable faults, and somebody resolves them. Asked
	 * when the domain is added and replayed only. Then lazy areas are announced by map() with
	 * `lazy` set; else the domain gets their windows, one map() each, as they are posted.
	 */
	bool faults;
	/** with `faults`: who resolves is behind the domain (the kernel); it calls no
	 * fl_dma_fault() */
	bool resolves;
	/**
	 * No IOMMU: an IOVA is a physical address, which locate() tells. An area must be physically
	 * contiguous, so its memory comes from hugepages and lies in one of them.
	 */
	bool physical;
};

/**
 * Called under the space's lock: they (and log sinks) must not call back into the space. limits()
 * is asked again before each map, since what it tells may change. -ENODEV = the other side is
 * gone: the domain gets no more calls, and changes go on without it, until
 * fl_dma_domain_replay().
 */
struct fl_dma_domain_ops {
	const char *name; /* "container", "iommufd", "vfio-user" */
	int (*limits)(void *arg, struct fl_dma_limits *out);
	/** -EEXIST and every other error is returned, never swallowed */
	int (*map)(void *arg, const struct fl_dma_mapping *m);
	/** sets *unmapped to the bytes really unmapped */
	int (*unmap)(void *arg, fl_iova_t iova, uint64_t len, uint64_t *unmapped);

	/* of a domain that faults; where it `resolves`, of these revoke() alone */

	/** [m->iova, m->iova + m->len) of a lazy area can be reached with m->prot from now on; a
	 * part of it may be already, with less */
	int (*grant)(void *arg, const struct fl_dma_mapping *m);
	/** no device reaches it any more when this returns; parts of it may not have been granted
	 */
	int (*revoke)(void *arg, fl_iova_t iova, uint64_t len);
	/**
	 * A whole area that stands becomes lazy (nothing granted) or pinned (all granted), as
	 * m->lazy says, with devices at work: what they do meanwhile waits or faults and is not
	 * lost.
	 */
	int (*convert)(void *arg, const struct fl_dma_mapping *m);

	/* of one that `resolves`: a range is whole pages of one area */

	/**
	 * Makes a range reachable with m->prot before a fault asks for it; resident: pages that are
	 * in memory now, no other
	 */
	int (*prefault)(void *arg, const struct fl_dma_mapping *m, bool resident);
	/** keeps a range reachable (pinned), whatever it was; or lets it come and go, if it did not
	 */
	int (*hold)(void *arg, fl_iova_t iova, uint64_t len, bool on);
	/** pages that one fault may bring, as fl_residency_opts.fault_around */
	int (*around)(void *arg, uint32_t pages);
	/**
	 * Fills what it knows: of the area there, or (len 0) of the domain since it began; mapped,
	 * locked, and what counts up
	 */
	int (*counts)(void *arg, fl_iova_t iova, uint64_t len, struct fl_residency_stats *out);

	/* the rest may be NULL: the domain cannot */

	/** physical domains: where the memory stands; m->iova is not looked at */
	int (*locate)(void *arg, const struct fl_dma_mapping *m, fl_iova_t *iova);
	/** the log of pages that devices wrote to, see fl_dma_dirty_start() */
	int (*dirty_log)(void *arg, bool on);
	/**
	 * Sets a bit a page in the zeroed bitmap and clears the log. The range is a whole mapping,
	 * `page` the lowest of the domain's page_sizes.
	 */
	int (*dirty_read)(void *arg, fl_iova_t iova, uint64_t len, uint64_t page, uint64_t *bitmap);
};

/**
 * Adds a domain and replays every area onto it, all or nothing. `arg` goes to the ops.
 * Errors: -EINVAL (an area stands where this domain does not allow; the message names it),
 * -ENOSPC (no IOVA suits all domains; entry limit), -ENOMEM (RLIMIT_MEMLOCK), -EPROTO (limits
 * that make no sense), or what the domain said.
 */
FL_API FL_MUST int fl_dma_domain_add(struct fl_dma_space *s, const struct fl_dma_domain_ops *ops,
				     void *arg, struct fl_dma_domain **out);
/**
 * Unmaps all from the domain and forgets it. dead = true: the other side is gone, make no calls.
 */
FL_API void fl_dma_domain_remove(struct fl_dma_domain *d, bool dead);
/**
 * After the other side of a domain came back empty: replays every area, all or nothing. On an
 * error, those of fl_dma_domain_add(), the domain counts as gone still.
 */
FL_API FL_MUST int fl_dma_domain_replay(struct fl_dma_domain *d);
/**
 * After a domain's limits changed, because a device joined or left it: reads them again.
 * -EINVAL: an area stands outside them now; the message names it and the windows. -ENOSPC: no IOVA
 * is valid for this and the other domains.
 */
FL_API FL_MUST int fl_dma_domain_check(struct fl_dma_domain *d);

/* ---- page requests: for transports whose devices fault --------------------------------- */

/** What a device asks for. */
struct fl_dma_fault {
	fl_iova_t iova; /* any byte */
	/** bytes that it is going to need from there on, >= 1: a hint beyond the first page */
	uint64_t len;
	unsigned prot;	     /* FL_DMA_* */
	uint64_t arrived_ns; /* fl_now_ns(), for the latency; 0 = now */
};

/**
 * Resolves a page request: finds the area, chooses the range (fault-around), makes room under the
 * budget, grants it by the domain's ops. Takes the space's lock, so call it with none held that the
 * domain's ops take. 0: the first page can be reached (again: the device tries again); -EFAULT
 * outside every lazy area, -EACCES against the permission: the access is wrong; -ENOMEM and others:
 * it may be right, and cannot be had now.
 */
FL_API FL_MUST int fl_dma_fault(struct fl_dma_domain *d, const struct fl_dma_fault *f);
/**
 * Brings in, a step of some 10 us at a time, memory that was granted for writing and is not there
 * yet, so that the device does not wait for it: for who resolves, when no request waits. Where
 * granting pins, that has brought it in; then room is made for the next request. True: there is
 * more to do.
 */
FL_API bool fl_dma_fault_ahead(struct fl_dma_domain *d);
/**
 * From within an operation of the domain: devices have lost a range that was granted, beside what
 * the operation is about. They ask for it again.
 */
FL_API void fl_dma_domain_lost(struct fl_dma_domain *d, fl_iova_t iova, uint64_t len);
/** Counts a request that the transport refused or put off by itself (a storm). */
FL_API void fl_dma_fault_throttled(struct fl_dma_domain *d);
/** Whether lazy areas are granted on fault here, as opposed to posted. */
FL_API bool fl_dma_domain_faults(const struct fl_dma_domain *d);

/* ---- the dirty-page log ---------------------------------------------------------------- */

/**
 * Starts to log which pages devices write to, in every domain or in none.
 * Errors: -EOPNOTSUPP (a domain has no such log: its IOMMU or kernel cannot), -EALREADY. A domain
 * that joins while the log runs must have one too. Where a mapping changes or a domain leaves, its
 * log is lost, and all pages of the areas concerned count as written.
 */
FL_API FL_MUST int fl_dma_dirty_start(struct fl_dma_space *s);
/** -EALREADY: it was not started. After any other error too, the log is over. */
FL_API FL_MUST int fl_dma_dirty_stop(struct fl_dma_space *s);
/**
 * Reads the log of a part of an area and clears it: bit n of `bitmap` is page n of the part, which
 * any device wrote to since the last read (or since the start). A log may be coarser than asked,
 * never finer: type1 says of all pinned pages that they are dirty.
 * @off, @len  bytes, multiples of `page`
 * @page       power of two, at least 4096 and the lowest page size of every domain
 * @bitmap     len / page bits, in words of 64; written whole
 * Errors: -EINVAL (sizes; the log was not started), what a domain said.
 */
FL_API FL_MUST int fl_dma_dirty_read(struct fl_dma_area *a, uint64_t off, uint64_t len,
				     uint64_t page, uint64_t *bitmap);

/**
 * For transports, with none of their locks held: a part of a domain that keeps a log of its own (an
 * IOMMU's page table) is about to go, and no device writes through it any more. What it has is kept
 * for who reads the log next. Nothing to do where no log runs.
 */
FL_API void fl_dma_dirty_save(struct fl_dma_space *s);

/* ---- asking --------------------------------------------------------------------------- */

/**
 * The page size that memory for this space must come in: 0 = any. Another value where a device
 * without IOMMU is in it; then drivers and pools take hugepages of this size.
 */
FL_API uint64_t fl_dma_page_size(struct fl_dma_space *s);
/** Makes the options for `len` bytes suit it: hugepages, of 1 GiB where one is needed and free. */
FL_API void fl_dma_mem_opts(struct fl_dma_space *s, uint64_t len, struct fl_mem_opts *opts);

struct fl_dma_stats {
	uint64_t areas, domains;
	/** bytes in areas; bytes mapped in at least one domain (of lazy areas what is mapped now);
	 * bytes that mapping has pinned (each once; RLIMIT_MEMLOCK is charged by each domain that
	 * pins) */
	uint64_t owned_bytes, mapped_bytes, pinned_bytes;
	uint64_t maps, unmaps, map_errors, unmap_errors, replays;
	/** entries in use, most in any domain */
	uint64_t entries;
};
FL_API void fl_dma_stats(struct fl_dma_space *s, struct fl_dma_stats *out);

/** Calls fn for each area in IOVA order, under the space's lock, until it returns non-zero. */
FL_API int fl_dma_for_each(struct fl_dma_space *s,
			   int (*fn)(const struct fl_dma_area *a, void *arg), void *arg);

/** The windows that every domain of the space allows; returns the count, fills at most max. */
FL_API unsigned fl_dma_windows(struct fl_dma_space *s, struct fl_iova_range *out, unsigned max);

/** One thing that a configuration will want to map. */
struct fl_dma_want {
	uint64_t len;
	uint64_t page_size; /* 0 = small pages */
	enum fl_residency residency;
	unsigned count; /* that many separate areas of this kind */
};

struct fl_dma_plan {
	/** what the wanted areas add, over what the space holds already */
	uint64_t lock_bytes, map_bytes, entries, fds;
	/** today's limits and use */
	uint64_t memlock_limit, memlock_used, entries_avail, nofile_limit, nofile_used;
	uint64_t huge_pages_needed, huge_pages_free;
	/** 0 where all fits, else the first short limit: -ENOMEM (memlock, hugepages), -ENOSPC
	 *  (entries, IOVA), -EMFILE (files). A lazy want locks nothing but the budget, once */
	int verdict;
	/** one line: what is short, by how much, and the remedy; empty where all fits */
	char text[256];
};

/**
 * Says, before anything is done, what a configuration will lock, map and open. Ask when the
 * devices are open: a space without a domain is judged as if it had one that pins.
 * -EINVAL: a want of no bytes, or more than 2^64 of them.
 */
FL_API FL_MUST int fl_dma_plan(struct fl_dma_space *s, const struct fl_dma_want *want, unsigned n,
			       struct fl_dma_plan *out);

#ifdef __cplusplus
}
#endif
#endif
