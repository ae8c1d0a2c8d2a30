/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the chip may still touch of lazy areas, for fl_dma_post.h: asked from any thread while the
 * queue's own is at work.
 *
 * The rings say it, not the packets behind them, so that nothing is followed that may be gone: a
 * descriptor that was handed over and is not taken back holds the address that we wrote, until the
 * chip writes over it, which it does when it is done with the buffer. A chip that lies takes the
 * buffer from nobody but itself.
 *
 * Such a descriptor lies in [back, end) at each moment from when `end` is read to when `back` is
 * read, in this order: then both are of one lap around it, whatever was handed over or taken back
 * meanwhile. Where none lies there the two may be of different laps, and what is found then is some
 * descriptor of the ring: a "yes" too many. So these reads race, and do not mind: they are kept
 * from the thread sanitizer.
 */
#include "e1000_internal.h"

#define UNSEEN	     __attribute__((no_sanitize("thread")))

#define TXD_LEN_MASK 0xfffffu

static inline bool rx_done(const struct fl_e1000_rxq *q, uint16_t at)
{
	uint64_t w = __atomic_load_n(&q->ring[at].w[1], __ATOMIC_ACQUIRE);

	return (q->legacy ? w >> RXL_STATUS_SHIFT : w) & RXD_DD;
}

static inline bool meets(uint64_t addr, uint32_t len, fl_iova_t first, fl_iova_t last)
{
	return len && addr <= last.v && addr + (len - 1) >= first.v;
}

static UNSEEN bool rx_holds(void *arg, fl_iova_t first, fl_iova_t last, uint64_t mark)
{
	const struct fl_e1000_rxq *q = arg;
	uint16_t end = __atomic_load_n(&q->fill, __ATOMIC_ACQUIRE);
	uint16_t at = __atomic_load_n(&q->next, __ATOMIC_ACQUIRE);

	for (; at != end; at = (uint16_t)(at + 1 == q->nb_desc ? 0 : at + 1)) {
		/* not done yet, or just now: then what follows may find another address, and may */
		if (!rx_done(q, at) && meets(__atomic_load_n(&q->ring[at].w[0], __ATOMIC_RELAXED),
					     q->buf_room, first, last))
			return true;
	}
	return false;
}

/* A report says that all before it is done too. */
static UNSEEN bool tx_holds(void *arg, fl_iova_t first, fl_iova_t last, uint64_t mark)
{
	const struct fl_e1000_txq *q = arg;
	uint16_t end = __atomic_load_n(&q->tail, __ATOMIC_ACQUIRE);
	uint32_t at = (uint32_t)__atomic_load_n(&q->oldest, __ATOMIC_ACQUIRE) * q->rs_thresh;
	bool found = false;

	/* the ring's end is where it begins, between two stores of the burst */
	end = end == q->nb_desc ? 0 : end;
	for (; at != end; at = at + 1 == q->nb_desc ? 0 : at + 1) {
		uint64_t addr = __atomic_load_n(&q->ring[at].w[0], __ATOMIC_RELAXED);
		uint64_t w1 = __atomic_load_n(&q->ring[at].w[1], __ATOMIC_RELAXED);

		if (w1 & TXD_DD)
			found = false;
		else if (w1 & TXD_DTYP_DATA)
			found |= meets(addr, (uint32_t)w1 & TXD_LEN_MASK, first, last);
	}
	return found;
}

const struct fl_dma_queue_ops fl_e1000_rx_posted = { .holds = rx_holds };
const struct fl_dma_queue_ops fl_e1000_tx_posted = { .holds = tx_holds };
