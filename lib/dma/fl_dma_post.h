/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Posting: what a driver does whose device cannot fault, so that lazy areas work for it too.
 *
 * A driver registers each hardware queue (struct fl_dma_queue, one poller) and brackets each burst
 *that hands buffers to the device:
 *
 *	fl_dma_enter(q);
 *	for each buffer:
 *		if (!fl_dma_resident(area, iova, len))	// a load and a test
 *			break;				// the rest goes the slow way
 *		write the descriptor;
 *	publish what was written (ring indices);
 *	fl_dma_leave(q);
 *
 *	slow way, for the buffer that missed, outside of a section:
 *	if (fl_dma_post(q, area, iova, len)) ...	// maps its window; -EAGAIN: later
 *	and then begin again with a section: what was resident before may have been evicted
 *meanwhile.
 *
 * Why a window that a device may touch is never unmapped: who evicts (1) marks the window so that
 * fl_dma_resident() fails, (2) makes all threads see that (membarrier), (3) leaves the window alone
 * while a section that was open in (2) is still open, (4) asks each queue whether what it has
 *handed over may lie there. A section that begins after (2) cannot hit the window; one that began
 *before has published what it hit once it is over. See doc/memory.md.
 */
#ifndef FL_DMA_POST_H
#define FL_DMA_POST_H

#include <fl_dma.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fl_dma_queue_ops {
	/**
	 * Whether a buffer that the device may still touch has a byte in [first, last]. Under the
	 * space's lock, from any thread, while the queue's poller may be at work: it must be right
	 * about what was handed over before `mark` was taken and not taken back; about the rest it
	 * may say anything, better yes than no. It must not wait.
	 */
	bool (*holds)(void *arg, fl_iova_t first, fl_iova_t last, uint64_t mark);
	/** How much was handed over so far, for holds(); NULL = mark is 0. */
	uint64_t (*mark)(void *arg);
};

/** A queue whose buffers are posted. Part of the driver's queue; the fields are lib/dma's. */
struct fl_dma_queue {
	uint32_t seq; /* odd inside of a section */
	bool fence;   /* no membarrier here: sections order themselves */
	bool registered;
	struct fl_dma_space *space;
	const struct fl_dma_queue_ops *ops;
	void *arg;
	uint64_t floor;
	struct fl_dma_queue *next;
	struct fl_dma_kept *kept; /* posted, for the section that begins next */
	/* as the windows that are about to go were marked */
	uint64_t mark;
	uint32_t mark_seq;
};

/**
 * Registers a queue before its first post. `floor`: bytes that stay set aside for it in the budget,
 * for a receive ring, whose refill cannot wait (0 = none). Control plane.
 */
FL_API FL_MUST int fl_dma_queue_add(struct fl_dma_space *s, struct fl_dma_queue *q,
				    const struct fl_dma_queue_ops *ops, void *arg, uint64_t floor);
/** The device holds no buffer of it any more. Does nothing where it is not registered. */
FL_API void fl_dma_queue_del(struct fl_dma_queue *q);

static inline void fl_dma_enter(struct fl_dma_queue *q)
{
	__atomic_store_n(&q->seq, q->seq + 1, __ATOMIC_RELAXED);
	if (fl_unlikely(q->fence))
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	else
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void fl_dma_leave(struct fl_dma_queue *q)
{
	__atomic_store_n(&q->seq, q->seq + 1, __ATOMIC_RELEASE);
}

/** The same as below, for what lies in more than two windows. */
FL_API bool fl_dma_resident_long(const struct fl_dma_area *a, fl_iova_t iova, uint32_t len);

/**
 * Whether [iova, iova + len), inside the area, len > 0, can be handed over now. Data plane, inside
 * of a section.
 */
static inline bool fl_dma_resident(const struct fl_dma_area *a, fl_iova_t iova, uint32_t len)
{
	const uint8_t *w = __atomic_load_n(&a->windows, __ATOMIC_ACQUIRE);
	uint64_t at = iova.v - a->iova.v;
	uint64_t first = at >> a->window_shift, last = (at + (len - 1)) >> a->window_shift;

	if (fl_likely(!w))
		return true; /* pinned */
	if (fl_unlikely(last - first > 1))
		return fl_dma_resident_long(a, iova, len);
	return __atomic_load_n(&w[first], __ATOMIC_RELAXED) &
	       __atomic_load_n(&w[last], __ATOMIC_RELAXED) & FL_WINDOW_HOT;
}

/** Where buffers of up to some length are known to be resident, inside of one section. */
struct fl_dma_spot {
	uint64_t first, room;
};

/** Where nothing is. */
#define FL_DMA_NOWHERE ((struct fl_dma_spot){ UINT64_MAX, 0 })

static inline bool fl_dma_in_spot(struct fl_dma_spot s, fl_iova_t iova)
{
	return iova.v - s.first <= s.room;
}

/**
 * For loops: a spot around [iova, iova + len), if that is resident, where others of the area of at
 * most `most` bytes are, `most` >= len; else one that it is not in. Data plane, inside of a
 * section.
 */
FL_API struct fl_dma_spot fl_dma_look(const struct fl_dma_area *a, fl_iova_t iova, uint32_t len,
				      uint32_t most);

/**
 * Maps the windows of [iova, iova + len), inside the area, if they are not. May make system calls,
 * and unmap what is cold: outside of a section. `iova` may be anything the area holds; len may be
 * 0. What was posted stays until the queue's next section is over, so that all segments of a frame
 * are resident there at once, if all of them are posted before it, those that were resident too.
 * 0; -EAGAIN (cannot be mapped now: RLIMIT_MEMLOCK, or what receive queues are promised of it);
 * -EFAULT outside of the area; what a domain said, where its memory cannot be mapped at all.
 */
FL_API FL_MUST int fl_dma_post(struct fl_dma_queue *q, const struct fl_dma_area *a, fl_iova_t iova,
			       uint32_t len);

#ifdef __cplusplus
}
#endif
#endif
