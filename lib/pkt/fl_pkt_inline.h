/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data plane of fl_pkt.h. Names that end in an underscore are not for callers.
 *
 * Each thread finds its own cache of a pool in a small table of its own, so the common case
 * shares nothing with any other thread. A cache outlives its pool until its thread has let go of
 * it (its `pool` is NULL then), so that a table entry may be followed at any time.
 */
#ifndef FL_PKT_H
#include <fl_pkt.h> /* which comes back here */
#elif !defined(FL_PKT_INLINE_H)
#define FL_PKT_INLINE_H

#define FL_POOL_TLS_BITS 4

struct fl_pool_cache {
	struct fl_pool *pool; /* NULL once that is gone */
	uint32_t n, cap;      /* n is written by the owner alone, and may be read by all */
	/* for pool_cache.c */
	struct fl_pool_cache *next_of_thread, *next_of_pool;
	unsigned refs; /* thread and pool */
	unsigned slot;
	bool dead; /* the thread has ended */
	struct fl_pkt *pkts[] FL_CACHE_ALIGNED;
};

struct fl_pool_tls {
	struct fl_pool_cache *slots[1u << FL_POOL_TLS_BITS]; /* never NULL */
	struct fl_pool_cache *caches;
	bool watched; /* the end of this thread will be noticed */
};

extern FL_API __thread struct fl_pool_tls fl_pool_tls __attribute__((tls_model("initial-exec")));

FL_API uint32_t fl_pkt_alloc_slow_(struct fl_pool *pool, struct fl_pkt **pkts, uint32_t n);
FL_API void fl_pkt_free_simple_slow_(struct fl_pool *pool, struct fl_pkt *const *pkts, uint32_t n);
FL_API void fl_pkt_free_slow_(struct fl_pkt *const *pkts, uint32_t n);

#define FL_PKT_HOT	 FL_INLINE __attribute__((always_inline))

/** nb_segs, kind and refcnt of a free packet as one little-endian word. */
#define FL_PKT_FREE_WORD 0x00010001u

typedef uint32_t __attribute__((may_alias)) fl_pkt_word_t;

#if defined(__SANITIZE_THREAD__)
#define FL_PKT_TSAN_
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FL_PKT_TSAN_
#endif
#endif

/*
 * One segment, no clone, and ours alone. Acquire: the last owner may write what others read
 * before they gave up their references. The thread sanitizer does not see that order where the
 * load is wider than the atomic operation that it reads from; the hardware keeps it.
 */
FL_PKT_HOT bool fl_pkt_is_simple_(const struct fl_pkt *p)
{
#ifdef FL_PKT_TSAN_
	return __atomic_load_n(&p->refcnt, __ATOMIC_ACQUIRE) == 1 && p->kind == 0 &&
	       p->nb_segs == 1;
#else
	return __atomic_load_n((const fl_pkt_word_t *)&p->nb_segs, __ATOMIC_ACQUIRE) ==
	       FL_PKT_FREE_WORD;
#endif
}

FL_PKT_HOT unsigned fl_pool_slot_(const struct fl_pool *pool)
{
	return (unsigned)((uintptr_t)pool * 0x9e3779b97f4a7c15ull >> (64 - FL_POOL_TLS_BITS));
}

/** This thread's cache of the pool, if it is `c->pool == pool`. */
FL_PKT_HOT struct fl_pool_cache *fl_pool_cache_(const struct fl_pool *pool)
{
	return fl_pool_tls.slots[fl_pool_slot_(pool)];
}

FL_PKT_HOT bool fl_pool_cache_is_(const struct fl_pool_cache *c, const struct fl_pool *pool)
{
	return fl_likely(__atomic_load_n(&c->pool, __ATOMIC_RELAXED) == pool);
}

FL_INLINE uint32_t fl_pkt_alloc_bulk(struct fl_pool *pool, struct fl_pkt **pkts, uint32_t n)
{
	struct fl_pool_cache *c = fl_pool_cache_(pool);

	/* n - 1 < x: 1 <= n <= x */
	if (fl_pool_cache_is_(c, pool) && fl_likely(n - 1 < c->n)) {
		uint32_t left = c->n - n;

		c->n = left;
		fl_ptrs_copy_((void **)pkts, (void *const *)(c->pkts + left), n);
		return n;
	}
	return fl_pkt_alloc_slow_(pool, pkts, n);
}

FL_INLINE struct fl_pkt *fl_pkt_alloc(struct fl_pool *pool)
{
	struct fl_pkt *p;

	if (fl_unlikely(fl_pkt_alloc_bulk(pool, &p, 1) == 0))
		return NULL;
	p->data_off = FL_PKT_HEADROOM;
	p->data_len = 0;
	p->pkt_len = 0;
	p->flags = 0;
	p->ptype = 0;
	p->tso_mss = 0;
	p->hash = 0;
	p->vlan_tci = 0;
	p->port = 0;
	p->l3_len = 0;
	p->l2_len = 0;
	p->l4_len = 0;
	return p;
}

FL_INLINE void fl_pkt_free_simple(struct fl_pool *pool, struct fl_pkt *const *pkts, uint32_t n)
{
	struct fl_pool_cache *c = fl_pool_cache_(pool);

	if (fl_pool_cache_is_(c, pool) && fl_likely(n - 1 < c->cap - c->n)) {
		fl_ptrs_copy_((void **)(c->pkts + c->n), (void *const *)pkts, n);
		c->n += n;
	} else {
		fl_pkt_free_simple_slow_(pool, pkts, n);
	}
}

FL_INLINE void fl_pkt_free_bulk(struct fl_pkt *const *pkts, uint32_t n)
{
	struct fl_pool *pool;

	if (fl_unlikely(n == 0))
		return;
	pool = pkts[0]->pool;
	for (uint32_t i = 0; i < n; i++) {
		if (fl_unlikely(pkts[i]->pool != pool || !fl_pkt_is_simple_(pkts[i]))) {
			fl_pkt_free_slow_(pkts, n);
			return;
		}
	}
	fl_pkt_free_simple(pool, pkts, n);
}

FL_INLINE void fl_pkt_free(struct fl_pkt *p)
{
	if (p)
		fl_pkt_free_bulk(&p, 1);
}

#endif
