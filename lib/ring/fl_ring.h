/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bounded lock-free FIFO of pointers, for one or for many producers and consumers.
 *
 * bulk = all or nothing (returns n or 0); burst = as many as fit (returns the prefix taken).
 * The kind is fixed at creation; the plain fl_ring_enqueue_*()/dequeue_*() look at it, the
 * sp/sc/mp/mc forms are for callers who know.
 *
 * Threads that share a side finish in the order in which they began: one that is preempted in
 * mid-copy holds up the others of its side, who yield the core after a while. So they should not
 * be real-time threads of different priorities on one core.
 */
#ifndef FL_RING_H
#define FL_RING_H

#include <fl_base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fl_ring;

/** Single producer / single consumer; else many. */
#define FL_RING_SP 1u
#define FL_RING_SC 2u

/**
 * Makes a ring that holds `size` pointers (1 .. 2^30; rounded up to a power of two inside, the
 * usable capacity is exactly `size`).
 * @node  NUMA node for its memory, -1 for any
 * Returns 0, -EINVAL or -ENOMEM. Free with fl_ring_free(); the objects in it are the caller's.
 */
FL_API FL_MUST int fl_ring_create(uint32_t size, unsigned flags, int node, struct fl_ring **out);
FL_API void fl_ring_free(struct fl_ring *r);

/** Objects in the ring now; a snapshot where others are at work. */
FL_API uint32_t fl_ring_count(const struct fl_ring *r);
FL_API uint32_t fl_ring_capacity(const struct fl_ring *r);

#include "fl_ring_inline.h"

#ifdef __cplusplus
}
#endif
#endif
