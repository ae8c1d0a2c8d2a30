/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FL_DMA_INTERNAL_H
#define FL_DMA_INTERNAL_H

#include <fl_dma_post.h>
#include <fl_residency.h>

#include <pthread.h>
#include <sys/types.h>

/* ---- iova.c: arithmetic on ranges, no lock and no area ------------------------------------ */

struct fl_span {
	uint64_t first, last;
	struct fl_area *area;
};

/** Spans that do not overlap, sorted. */
struct fl_span_set {
	struct fl_span *v;
	size_t n, cap;
};

/** Index of the first span that ends at or behind `addr`; n where there is none. */
size_t fl_span_at(const struct fl_span_set *s, uint64_t addr);
/** 0; -EEXIST where it overlaps another (then *index is that one), -ENOMEM. */
int fl_span_add(struct fl_span_set *s, struct fl_span span, size_t *index);
void fl_span_del(struct fl_span_set *s, size_t index);

struct fl_windows {
	struct fl_iova_range *v;
	unsigned n;
};

/** Whether [first, first + len) lies in one window; len > 0. */
bool fl_windows_hold(const struct fl_windows *w, uint64_t first, uint64_t len);
/** What both hold, in a new array that the caller frees; -ENOMEM. */
int fl_windows_meet(const struct fl_windows *a, const struct fl_windows *b, struct fl_windows *out);
/** Writes "[0x0-0xfff] [..]" and how many more; for messages. */
void fl_windows_text(const struct fl_windows *w, char *buf, size_t size);

/** Whether the range is in a window and overlaps no span. */
bool fl_iova_free(const struct fl_windows *w, const struct fl_span_set *used, uint64_t first,
		  uint64_t len);
/** The lowest aligned free place but 0; -ENOSPC. `align` is a power of two, len > 0. */
int fl_iova_lowest(const struct fl_windows *w, const struct fl_span_set *used, uint64_t len,
		   uint64_t align, uint64_t *first);

/* ---- pins.c: which bytes of an area are kept, and how often ------------------------------- */

struct fl_pin {
	uint64_t first, last; /* offsets, both inclusive */
	uint64_t count;
};

/** Sorted, not overlapping, no count is 0. */
struct fl_pins {
	struct fl_pin *v;
	size_t n;
};

/** One more, or (down) one less, on each byte; -EINVAL (down: some are not pinned), -ENOMEM. */
int fl_pins_change(struct fl_pins *p, uint64_t off, uint64_t len, bool down);
/** Whether some of the range is pinned, or all of it. */
bool fl_pins_any(const struct fl_pins *p, uint64_t off, uint64_t len);
bool fl_pins_all(const struct fl_pins *p, uint64_t off, uint64_t len);
uint64_t fl_pins_bytes(const struct fl_pins *p);

/* ---- the space ---------------------------------------------------------------------------- */

/** An area as the space sees it. */
struct fl_area {
	struct fl_dma_area pub; /* first: the public pointer is this one */
	unsigned flags;
	uint64_t page_size;
	/* the file behind it, dev and inode tell whether two are one */
	int fd;
	uint64_t fd_offset;
	dev_t dev;
	ino_t inode;
	/* what the log of written pages said and nobody has read; lost: all of it may be written */
	uint64_t *dirty;
	bool dirty_lost;
	/* of an area that is lazy, or was */
	struct fl_posted *posted;
	struct fl_faulted *faulted; /* a list: one for each domain that was granted something */
	struct fl_pins pins;	    /* what fl_mem_pin() keeps */
	/* its pages are being freed, without the lock: nobody maps or grants any of it meanwhile */
	unsigned discards;
	/* the process took memory from under it: until it is unmapped, -EFAULT to who wants any */
	bool dead;
	bool was_lazy;			  /* pinned now; requests of before may still come */
	struct fl_residency_stats counts; /* what counts up; what is "now" is reckoned when asked */
};

#define FL_AHEAD_MAX 64u

/** Ranges whose memory is to be brought in; a ring. */
struct fl_ahead {
	struct {
		fl_iova_t iova;
		uint64_t len;
	} v[FL_AHEAD_MAX];
	unsigned first, n;
	uint64_t step; /* bytes: who has just asked soon asks again, and then it waits for a step */
};

struct fl_dma_domain {
	struct fl_dma_domain *next;
	struct fl_dma_space *space;
	const struct fl_dma_domain_ops *ops;
	void *arg;
	struct fl_windows windows; /* copied from its limits */
	uint64_t granule;
	uint64_t entries_max, entries_avail;
	bool pins, pins_apart, physical, faults, resolves;
	/* the other side said -ENODEV: no calls until it is replayed */
	bool gone;
	uint64_t invalid_gone; /* of one that resolves: counted in mappings that are gone */
	/* of one that faults */
	uint64_t granted_bytes;
	uint64_t told_ns; /* that something failed */
	struct fl_ahead ahead;
};

struct fl_dma_space {
	pthread_mutex_t lock;
	const struct fl_log *log;
	struct fl_dma_domain *domains;
	/* where there are none: what the last one allowed, which may come back */
	struct fl_dma_domain left;
	/* the same areas twice: sorted by IOVA and by VA */
	struct fl_span_set by_iova, by_va;
	/* what every domain allows, and the least size that all of them can map */
	struct fl_windows windows;
	uint64_t granule;
	/* the last IOVA of all windows, whatever the domains allow */
	uint64_t limit;
	uint64_t owned_bytes, lazy_bytes;
	uint64_t maps, unmaps, map_errors, unmap_errors, replays;
	/* the page of the log of written pages, 0 = off */
	uint64_t dirty_page;
	struct fl_residency_opts residency; /* as set, the budget computed */
	uint64_t kept_bytes;		    /* pinned, in areas that are lazy */
	bool budget_set;		    /* by the user: it bounds what pins nothing too */
	uint64_t hand;			    /* where the next window to revoke is looked for */
	pthread_cond_t discarded;	    /* a discard is over */
	struct fl_residency_stats counts;   /* of areas that are gone, and what concerns no area */
	struct fl_poster *poster;	    /* queues and cold windows; see post.c */
	struct fl_watcher *watcher;	    /* see watch.c; NULL = nothing was watched yet */
};

/**
 * A run: neighbours by_iova[first..last] that share one entry. Runs are not stored; whether two
 * neighbours share an entry follows from the areas alone, so it cannot get out of step.
 */
struct fl_run {
	size_t first, last;
};

struct fl_run fl_run_of(const struct fl_dma_space *s, size_t index);
size_t fl_run_count(const struct fl_dma_space *s);
struct fl_dma_mapping fl_run_mapping(const struct fl_dma_space *s, struct fl_run r);

/** The area that an IOVA lies in, or NULL. */
struct fl_area *fl_area_at(const struct fl_dma_space *s, fl_iova_t iova);

/* ---- domain.c ----------------------------------------------------------------------------- */

/** Mappings to be taken out, then mappings to be made: a map, join, split or unmap. */
struct fl_change {
	struct fl_dma_mapping from[2], to[2];
	unsigned nfrom, nto;
	/** the bytes of `from` that are not in `to` go for good: a wrong size is noted, not undone
	 */
	bool unmaps;
	/** windows of a lazy area: for the domains that are posted to */
	bool windows;
	/** a map that is refused needs no message */
	bool quiet;
};

/** Reads every domain's limits again and what follows from them. */
int fl_domains_refresh(struct fl_dma_space *s);
/**
 * Whether each domain can take so many more entries and bytes: -ENOSPC or -ENOMEM with a
 * message. Does not refuse what only might fail.
 */
int fl_domains_admit(struct fl_dma_space *s, int64_t entries, uint64_t bytes);
/**
 * Does the change in every domain or in none.
 * @noted  first error that was passed over (see `unmaps`), else 0
 */
int fl_domains_change(struct fl_dma_space *s, const struct fl_change *c, int *noted);
/**
 * One call to one domain, counted, with a message where it fails. An area as a whole, which is
 * passed over where it stands in windows.
 */
int fl_domain_map(struct fl_dma_domain *d, const struct fl_dma_mapping *m);
/** What a domain's op said: -ENODEV = the other side is gone from now on. Returns it. */
int fl_domain_said(struct fl_dma_domain *d, int rc);
/** Takes a whole run out of every domain, whatever they say; the first error. */
int fl_domains_unmap(struct fl_dma_space *s, const struct fl_dma_mapping *m);
/** The same of a window; and the calls to one domain that is posted to. */
int fl_domains_unmap_window(struct fl_dma_space *s, const struct fl_dma_mapping *m);
int fl_domain_map_window(struct fl_dma_domain *d, const struct fl_dma_mapping *m);
void fl_domain_unmap_window(struct fl_dma_domain *d, const struct fl_dma_mapping *m);

/* ---- physical.c --------------------------------------------------------------------------- */

/** See fl_dma_page_size(). */
uint64_t fl_domains_page(const struct fl_dma_space *s);
/** Where the memory of an area stands for a physical domain; says what is wrong. */
int fl_domain_locate(const struct fl_dma_domain *d, const struct fl_area *a, fl_iova_t *iova);
/** The same, where the space has such a domain. */
int fl_domains_locate(const struct fl_dma_space *s, const struct fl_area *a, fl_iova_t *iova);

/* ---- post.c, evict.c: lazy areas and the domains that cannot fault -------------------------- */

/*
 * All under the space's lock. Windows are mapped in every such domain, or in none. A window that
 * has a byte in the area's `pins` is not evicted. None is mapped while the area has `discards`:
 * -EAGAIN.
 */

int fl_poster_create(struct fl_dma_space *s);
void fl_poster_destroy(struct fl_dma_space *s);
/** Gives an area its table of windows: nothing mapped, or (a pinned one that turns) all, as one. */
int fl_post_add(struct fl_area *a, bool mapped);
/** Unmaps what is mapped of it, for good; the first error. The table stays until fl_post_free(). */
int fl_post_drop(struct fl_area *a);
void fl_post_free(struct fl_area *a);
/** A domain that is posted to joins or comes back empty: all windows that are mapped, or none. */
int fl_post_join(struct fl_dma_domain *d);
/** ... leaves: its windows are unmapped (not where it is gone), the others keep theirs. */
void fl_post_leave(struct fl_dma_domain *d);
/** Maps the windows of a range. */
int fl_post_range(struct fl_area *a, uint64_t off, uint64_t len);
/** Unmaps all windows that touch the range; -EBUSY and nothing done where one is held. */
int fl_post_revoke(struct fl_area *a, uint64_t off, uint64_t len);
/**
 * The area turns, and a->pub.residency is what it was still. Pinned: all windows are mapped, and
 * stay; an error: as before. Lazy: they may go from now on (one that never was lazy: all, as one).
 */
int fl_post_convert(struct fl_area *a, enum fl_residency to);
/** Bytes mapped of an area. */
uint64_t fl_post_mapped(const struct fl_area *a);
/**
 * Unmaps and revokes what was not used lately and is not pinned until so many bytes fit under the
 * budget, which is one for windows and for what was granted; -ENOMEM.
 */
int fl_budget_room(struct fl_dma_space *s, uint64_t bytes);

/* ---- granted.c: what each domain that faults was granted of each lazy area ------------------ */

/** A run of faults that go upwards. */
struct fl_stream {
	uint64_t next; /* the page that would be next */
	uint32_t pages, used;
};

#define FL_STREAMS 8u

struct fl_faulted {
	struct fl_faulted *next; /* of the area */
	struct fl_area *area;
	struct fl_dma_domain *domain;
	unsigned shift; /* of a page */
	uint64_t pages; /* in the area */
	uint64_t reach; /* of them may be reached */
	/* a bit a page each; untouched memory where nothing was granted */
	uint64_t *read, *write;
	/* pages granted in each window, and whether there was a fault in it lately */
	uint16_t *windows;
	uint64_t window, window_pages; /* bytes; pages */
	struct fl_stream streams[FL_STREAMS];
	uint32_t clock;
};

/** What a domain was granted of an area, NULL = nothing. */
struct fl_faulted *fl_granted_find(const struct fl_dma_domain *d, const struct fl_area *a);
/** The same, made where there is none yet: NULL = no memory. */
struct fl_faulted *fl_granted_of(struct fl_dma_domain *d, struct fl_area *a);
/** The first page in [from, end) that can (or cannot) be reached with all of `prot`, else end. */
uint64_t fl_granted_next(const struct fl_faulted *f, uint64_t from, uint64_t end, unsigned prot,
			 bool can);
/** Bytes of the pages in [from, end) that cannot be reached at all. */
uint64_t fl_granted_lacks(const struct fl_faulted *f, uint64_t from, uint64_t end);
/**
 * Grants [from, end), of which no page can be reached with all of `prot`. Counts pages that are
 * new, and upgrades.
 */
int fl_granted_give(struct fl_faulted *f, uint64_t from, uint64_t end, unsigned prot,
		    uint64_t *fresh);
/** Whether what it was granted is bound by the budget. */
bool fl_granted_bounded(const struct fl_dma_domain *d);
/** Bytes that are, but for what is pinned. */
uint64_t fl_granted_bytes(const struct fl_dma_space *s);
/** Revokes so many bytes of what was not used lately and is not pinned; whether it came that far.
 */
bool fl_granted_evict(struct fl_dma_space *s, uint64_t bytes);

/** Forgets what a domain was granted of an area (NULL = of every area): it is gone there. */
void fl_fault_forget(struct fl_dma_domain *d, struct fl_area *a);
/** Forgets what all were granted of an area. */
void fl_fault_free(struct fl_area *a);
/** Grants pages of a range to every such domain, as fl_mem_prefault() says; *pages: new ones. */
int fl_fault_range(struct fl_area *a, uint64_t off, uint64_t len, enum fl_prefault how,
		   uint64_t *pages);
/** Takes them from every such domain, whoever pinned them; the first error, but all are asked. */
int fl_fault_revoke(struct fl_area *a, uint64_t off, uint64_t len);
/** The area turns in every such domain, or in none. */
int fl_fault_convert(struct fl_area *a, enum fl_residency to);
/**
 * Bytes that can be reached in at least one such domain (pins: in one that pins), but for those in
 * windows that are not 0 here (NULL = none).
 */
uint64_t fl_fault_mapped(const struct fl_area *a, bool pins, const uint8_t *windows);

/* ---- resolved.c: domains whose faults the kernel resolves ----------------------------------- */

/** There is such a domain, and none of another kind. */
bool fl_resolved_only(const struct fl_dma_space *s);
/** A range of a lazy area, in each of them; the first error. */
int fl_resolved_prefault(struct fl_area *a, uint64_t off, uint64_t len, enum fl_prefault how);
int fl_resolved_revoke(struct fl_area *a, uint64_t off, uint64_t len);
/** Keeps the range; and lets go what of it is in no pin (any more). */
int fl_resolved_hold(struct fl_area *a, uint64_t off, uint64_t len);
int fl_resolved_let_go(struct fl_area *a, uint64_t off, uint64_t len);
/** The area turns in this one; an error: as before. */
int fl_resolved_convert(struct fl_dma_domain *d, struct fl_area *a, enum fl_residency to);
/** Tells it the space's fault-around. */
void fl_resolved_around(struct fl_dma_domain *d);
/** What they counted in an area, and what of it is there now. */
void fl_resolved_counts(const struct fl_area *a, struct fl_residency_stats *out);
/** What one of them counted in an area (NULL = none) that it is about to lose. */
void fl_resolved_last(const struct fl_dma_domain *d, const struct fl_area *a,
		      struct fl_residency_stats *out);
/** Requests that it refused outside every area. */
uint64_t fl_resolved_outside(const struct fl_dma_domain *d);

/* ---- backing.c: the memory behind an area; no lock, as it may wait ------------------------- */

/** Brings pages in, to be read or written; -EFAULT: no memory behind it, -ENOMEM. */
int fl_backing_populate(void *va, uint64_t len, bool write, const struct fl_log *log);
/** Bit 0 of a byte a small page: it is in memory. */
int fl_backing_incore(void *va, uint64_t len, unsigned char *in);
/** How pages of this memory are freed; -EOPNOTSUPP with a message. */
int fl_backing_advice(const struct fl_mem *m, int *advice, const struct fl_log *log);
int fl_backing_free(void *va, uint64_t len, int advice, const struct fl_log *log);

/* ---- residency.c ---------------------------------------------------------------------------- */

/** Settings as of a new space. */
void fl_residency_init(struct fl_dma_space *s);
/** What fl_mem_pin() keeps is made reachable where it is not, for one area or all. */
int fl_residency_keep(struct fl_area *a);
int fl_residency_keep_all(struct fl_dma_space *s);
/** The area goes: its counters stay with the space. */
void fl_residency_gone(struct fl_dma_space *s, const struct fl_area *a);
/** Waits until the area at an IOVA has no discards; it may be another one then, or NULL. */
struct fl_area *fl_residency_settled(struct fl_dma_space *s, fl_iova_t iova);
/** All that is known of an area now. */
struct fl_residency_stats fl_residency_of(const struct fl_area *a);
void fl_counts_add(struct fl_residency_stats *to, const struct fl_residency_stats *from);

/* ---- watch.c: memory that the process gives up unsaid; under the space's lock --------------- */

/** Whether the kernel lets areas be watched; -EOPNOTSUPP with a message. */
int fl_watch_possible(const struct fl_log *log);
/**
 * From now on a lazy area loses its devices when memory goes from under it. The first one starts
 * the thread, which takes the space's lock. -EOPNOTSUPP (this kind of memory), -EBUSY, -EMFILE,
 * -ENOMEM.
 */
int fl_watch_add(struct fl_area *a);
/** Does nothing where it is not watched. */
void fl_watch_del(struct fl_area *a);
/** Ends the thread; without the lock, and no area is left. */
void fl_watch_stop(struct fl_dma_space *s);

/* ---- dirty.c ------------------------------------------------------------------------------ */

/** The log of these areas is lost, as their mapping goes or changes: all counts as written. */
void fl_dirty_lost(struct fl_dma_space *s, struct fl_run r);
void fl_dirty_lost_all(struct fl_dma_space *s);
/** A domain that joins starts its log where the others run theirs. */
int fl_dirty_join(struct fl_dma_domain *d);

/* ---- plan.c ------------------------------------------------------------------------------- */

/** What the process has of RLIMIT_MEMLOCK already; apart: see struct fl_dma_limits. */
static inline uint64_t fl_lock_used(const struct fl_mem_usage *u, bool apart)
{
	return apart ? u->vm_pin : u->vm_lck;
}

/** "needs 5 MiB locked, ..." with the remedy; for plans and for messages. */
void fl_lock_text(char *buf, size_t size, uint64_t need, uint64_t used, uint64_t limit);

#endif
