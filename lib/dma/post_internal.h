/* SPDX-License-Identifier: BSD-3-Clause */
/* Between post.c (tables of windows) and evict.c (which of them go, and when they may). */
#ifndef FL_POST_INTERNAL_H
#define FL_POST_INTERNAL_H

#include "dma_internal.h"

/* what a byte of a table says beside FL_WINDOW_HOT, which none has without MAPPED */
#define FL_WINDOW_MAPPED  2u
#define FL_WINDOW_RECEIVE 4u /* mapped for a queue that has a floor */

/** The table of an area that is lazy, or was. */
struct fl_posted {
	struct fl_area *area;
	struct fl_posted *next;
	uint8_t *windows;
	uint64_t n;
	uint64_t mapped; /* bytes, whatever the residency */
	bool linked;
	/** all of it stands as one mapping, which can only go as such */
	bool whole;
};

/** Windows that are one mapping, or would be. */
struct fl_unit {
	struct fl_posted *p;
	uint64_t first, n;
};

#define FL_COLD_MAX 32u

struct fl_poster {
	struct fl_dma_queue *queues;
	struct fl_posted *areas;
	/* bytes of windows that could go, and how many mappings they are; bytes in all, and of
	 * these with RECEIVE */
	uint64_t charged, units, mapped, receive;
	uint64_t floors; /* of the queues */
	uint64_t budget; /* where the user has set none */
	/* so much could be mapped in all as far as is known; see fl_may_map() */
	uint64_t ceiling;
	uint64_t told_ns;
	uint64_t patient_ns; /* from then on marks are waited for again: last it was in vain */
	/* the hand of the clock */
	struct fl_posted *hand;
	uint64_t hand_at;
	/* windows that were demoted together, and that no mark is younger than */
	struct fl_unit cold[FL_COLD_MAX];
	unsigned ncold;
};

/* ---- post.c ------------------------------------------------------------------------------- */

struct fl_unit fl_unit_of(struct fl_posted *p, uint64_t window);
struct fl_dma_mapping fl_unit_mapping(struct fl_unit u);
/** Takes it out of the domains, for good; an error: it stands as before. */
int fl_unit_unmap(struct fl_unit u);
/** The user keeps some of it. */
bool fl_unit_pinned(struct fl_unit u);
/** Sets or clears FL_WINDOW_HOT of what is mapped. */
void fl_unit_heat(struct fl_unit u, bool hot);

static inline uint8_t fl_unit_state(struct fl_unit u)
{
	return __atomic_load_n(&u.p->windows[u.first], __ATOMIC_RELAXED);
}

static inline bool fl_units_meet(struct fl_unit a, struct fl_unit b)
{
	return a.p == b.p && a.first < b.first + b.n && b.first < a.first + a.n;
}

/* ---- evict.c ------------------------------------------------------------------------------ */

/** What would be over the budget with another `len` bytes; what the user keeps is not counted. */
uint64_t fl_over_budget(const struct fl_dma_space *s, uint64_t len);
/** Unmaps so many bytes of what may go, but nothing of `guard`; whether it came that far. */
bool fl_evict(struct fl_dma_space *s, uint64_t bytes, struct fl_unit guard);
/** The same until `bytes` more fit under the budget, of windows or of what was granted. */
bool fl_make_room(struct fl_dma_space *s, uint64_t bytes, struct fl_unit guard);
/** Demotes some windows where the budget is nearly used, so that they have time to show their use.
 */
void fl_evict_ahead(struct fl_dma_space *s, struct fl_unit guard);
/** Forgets windows of an area that goes. */
void fl_evict_forget(struct fl_posted *p);
/** Keeps windows that a queue has posted until its next section is over. */
void fl_evict_keep(struct fl_dma_queue *q, struct fl_unit u);
/** Demotes windows and waits for open sections, a moment: -EBUSY where one of them is in use. */
int fl_evict_quiesce(struct fl_dma_space *s, struct fl_unit range);

#endif
