/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data plane of fl_ring.h. Names that end in an underscore are not for callers.
 *
 * Indexes are 64 bits wide and never wrap, so that neither a stale copy nor a compare-and-swap
 * can be fooled by a ring that went round meanwhile. Each side publishes `tail` with release
 * once its slots are filled (or read), and the other side reads it with acquire: that alone
 * orders the slots. A side with many threads claims [head, head + n) by compare-and-swap first,
 * and publishes in the order of the claims.
 */
#ifndef FL_RING_H
#include <fl_ring.h> /* which comes back here */
#elif !defined(FL_RING_INLINE_H)
#define FL_RING_INLINE_H

/* two lines a side: cores fetch lines in pairs */
struct fl_ring_side {
	uint64_t tail; /* published */
	uint64_t head; /* claimed; only where many threads work this side */
	uint64_t seen; /* a past tail of the other side; only where one thread works this side */
} __attribute__((aligned(2 * FL_CACHE_LINE)));

struct fl_ring {
	uint32_t mask, capacity;
	unsigned flags;
	size_t map_len;
	struct fl_ring_side prod, cons;
	void *slots[] __attribute__((aligned(2 * FL_CACHE_LINE)));
};

#define FL_RING_HOT FL_INLINE __attribute__((always_inline))

FL_API void fl_ring_wait_turn_(const uint64_t *tail, uint64_t turn);

/*
 * Copies n >= 1 pointers. The last piece overlaps the one before it where n is no multiple of
 * the piece, which costs less than a loop over the rest. Written as assignments, not memcpy():
 * the compiler turns them into vectors all the same, and knows that only pointers are written,
 * so that what callers hold in registers stays there.
 */
FL_RING_HOT void fl_ptrs_copy8_(void **__restrict dst, void *const *__restrict src)
{
	for (unsigned i = 0; i < 8; i++)
		dst[i] = src[i];
}

FL_RING_HOT void fl_ptrs_copy_(void **__restrict dst, void *const *__restrict src, uint32_t n)
{
	uint32_t i;

	if (n == 1) {
		dst[0] = src[0];
	} else if (n >= 8) {
		for (i = 0; i + 8 <= n; i += 8)
			fl_ptrs_copy8_(dst + i, src + i);
		if (i != n)
			fl_ptrs_copy8_(dst + n - 8, src + n - 8);
	} else if (n < 4) {
		dst[0] = src[0];
		dst[1] = src[1];
		dst[n - 1] = src[n - 1];
	} else {
		for (i = 0; i < 4; i++)
			dst[i] = src[i];
		for (i = 0; i < 4; i++)
			dst[n - 4 + i] = src[n - 4 + i];
	}
}

FL_RING_HOT void fl_ring_fill_(struct fl_ring *r, uint64_t at, void *const *objs, uint32_t n)
{
	uint32_t i = (uint32_t)at & r->mask, room = r->mask + 1 - i;

	if (fl_likely(n <= room)) {
		fl_ptrs_copy_(r->slots + i, objs, n);
	} else {
		fl_ptrs_copy_(r->slots + i, objs, room);
		fl_ptrs_copy_(r->slots, objs + room, n - room);
	}
}

FL_RING_HOT void fl_ring_drain_(struct fl_ring *r, uint64_t at, void **objs, uint32_t n)
{
	uint32_t i = (uint32_t)at & r->mask, room = r->mask + 1 - i;

	if (fl_likely(n <= room)) {
		fl_ptrs_copy_(objs, r->slots + i, n);
	} else {
		fl_ptrs_copy_(objs, r->slots + i, room);
		fl_ptrs_copy_(objs + room, r->slots, n - room);
	}
}

/*
 * Claims room for n on side `own`: [*at, *at + result). `span` is what the other side's tail is
 * ahead by: the capacity for producers, 0 for consumers.
 */
FL_RING_HOT uint32_t fl_ring_claim_one_(struct fl_ring_side *own, const struct fl_ring_side *other,
					uint32_t span, uint32_t n, bool all, uint64_t *at)
{
	uint64_t avail, seen;

	*at = own->tail;
	avail = own->seen + span - *at;
	if (avail < n) {
		seen = __atomic_load_n(&other->tail, __ATOMIC_ACQUIRE);
		avail = seen + span - *at;
		if (avail < n) {
			n = all ? 0 : (uint32_t)avail;
			if (n == 0)
				return 0; /* a poll in vain writes nothing */
		}
		own->seen = seen;
	}
	return n;
}

/*
 * The head is read, and claimed, with the ordering that makes the other side's tail at least as
 * new as the one that the head's claimer saw: so the difference is never negative. It may be too
 * large where the head is stale, and then the claim fails.
 */
FL_RING_HOT uint32_t fl_ring_claim_many_(struct fl_ring_side *own, const struct fl_ring_side *other,
					 uint32_t span, uint32_t n, bool all, uint64_t *at)
{
	uint32_t want = n;
	uint64_t avail;

	*at = __atomic_load_n(&own->head, __ATOMIC_ACQUIRE);
	do {
		n = want;
		avail = __atomic_load_n(&other->tail, __ATOMIC_ACQUIRE) + span - *at;
		if (fl_unlikely(avail < n)) {
			n = all ? 0 : (uint32_t)avail;
			if (n == 0)
				return 0;
		}
	} while (fl_unlikely(!__atomic_compare_exchange_n(&own->head, at, *at + n, true,
							  __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)));
	return n;
}

FL_RING_HOT void fl_ring_publish_many_(struct fl_ring_side *own, uint64_t at, uint32_t n)
{
	/* acquire: what earlier claimers did must be seen by whoever sees our tail */
	if (fl_unlikely(__atomic_load_n(&own->tail, __ATOMIC_ACQUIRE) != at))
		fl_ring_wait_turn_(&own->tail, at);
	__atomic_store_n(&own->tail, at + n, __ATOMIC_RELEASE);
}

FL_RING_HOT uint32_t fl_ring_sp_enqueue_(struct fl_ring *r, void *const *objs, uint32_t n, bool all)
{
	uint64_t at;

	n = fl_ring_claim_one_(&r->prod, &r->cons, r->capacity, n, all, &at);
	if (fl_likely(n)) {
		fl_ring_fill_(r, at, objs, n);
		__atomic_store_n(&r->prod.tail, at + n, __ATOMIC_RELEASE);
	}
	return n;
}

FL_RING_HOT uint32_t fl_ring_mp_enqueue_(struct fl_ring *r, void *const *objs, uint32_t n, bool all)
{
	uint64_t at;

	n = n ? fl_ring_claim_many_(&r->prod, &r->cons, r->capacity, n, all, &at) : 0;
	if (fl_likely(n)) {
		fl_ring_fill_(r, at, objs, n);
		fl_ring_publish_many_(&r->prod, at, n);
	}
	return n;
}

FL_RING_HOT uint32_t fl_ring_sc_dequeue_(struct fl_ring *r, void **objs, uint32_t n, bool all)
{
	uint64_t at;

	n = fl_ring_claim_one_(&r->cons, &r->prod, 0, n, all, &at);
	if (fl_likely(n)) {
		fl_ring_drain_(r, at, objs, n);
		__atomic_store_n(&r->cons.tail, at + n, __ATOMIC_RELEASE);
	}
	return n;
}

FL_RING_HOT uint32_t fl_ring_mc_dequeue_(struct fl_ring *r, void **objs, uint32_t n, bool all)
{
	uint64_t at;

	n = n ? fl_ring_claim_many_(&r->cons, &r->prod, 0, n, all, &at) : 0;
	if (fl_likely(n)) {
		fl_ring_drain_(r, at, objs, n);
		fl_ring_publish_many_(&r->cons, at, n);
	}
	return n;
}

/* ---- what callers use ----------------------------------------------------------------- */

/** One producer: n or 0. */
FL_INLINE uint32_t fl_ring_sp_enqueue_bulk(struct fl_ring *r, void *const *objs, uint32_t n)
{
	return fl_ring_sp_enqueue_(r, objs, n, true);
}

/** One producer: as many as fit. */
FL_INLINE uint32_t fl_ring_sp_enqueue_burst(struct fl_ring *r, void *const *objs, uint32_t n)
{
	return fl_ring_sp_enqueue_(r, objs, n, false);
}

/** Many producers: n or 0. */
FL_INLINE uint32_t fl_ring_mp_enqueue_bulk(struct fl_ring *r, void *const *objs, uint32_t n)
{
	return fl_ring_mp_enqueue_(r, objs, n, true);
}

/** Many producers: as many as fit. */
FL_INLINE uint32_t fl_ring_mp_enqueue_burst(struct fl_ring *r, void *const *objs, uint32_t n)
{
	return fl_ring_mp_enqueue_(r, objs, n, false);
}

/** One consumer: n or 0. */
FL_INLINE uint32_t fl_ring_sc_dequeue_bulk(struct fl_ring *r, void **objs, uint32_t n)
{
	return fl_ring_sc_dequeue_(r, objs, n, true);
}

/** One consumer: as many as there are. */
FL_INLINE uint32_t fl_ring_sc_dequeue_burst(struct fl_ring *r, void **objs, uint32_t n)
{
	return fl_ring_sc_dequeue_(r, objs, n, false);
}

/** Many consumers: n or 0. */
FL_INLINE uint32_t fl_ring_mc_dequeue_bulk(struct fl_ring *r, void **objs, uint32_t n)
{
	return fl_ring_mc_dequeue_(r, objs, n, true);
}

/** Many consumers: as many as there are. */
FL_INLINE uint32_t fl_ring_mc_dequeue_burst(struct fl_ring *r, void **objs, uint32_t n)
{
	return fl_ring_mc_dequeue_(r, objs, n, false);
}

/** The forms that look at the ring's kind. */
FL_INLINE uint32_t fl_ring_enqueue_bulk(struct fl_ring *r, void *const *objs, uint32_t n)
{
	return r->flags & FL_RING_SP ? fl_ring_sp_enqueue_bulk(r, objs, n)
				     : fl_ring_mp_enqueue_bulk(r, objs, n);
}

FL_INLINE uint32_t fl_ring_enqueue_burst(struct fl_ring *r, void *const *objs, uint32_t n)
{
	return r->flags & FL_RING_SP ? fl_ring_sp_enqueue_burst(r, objs, n)
				     : fl_ring_mp_enqueue_burst(r, objs, n);
}

FL_INLINE uint32_t fl_ring_dequeue_bulk(struct fl_ring *r, void **objs, uint32_t n)
{
	return r->flags & FL_RING_SC ? fl_ring_sc_dequeue_bulk(r, objs, n)
				     : fl_ring_mc_dequeue_bulk(r, objs, n);
}

FL_INLINE uint32_t fl_ring_dequeue_burst(struct fl_ring *r, void **objs, uint32_t n)
{
	return r->flags & FL_RING_SC ? fl_ring_sc_dequeue_burst(r, objs, n)
				     : fl_ring_mc_dequeue_burst(r, objs, n);
}

#endif
