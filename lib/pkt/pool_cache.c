/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Slow paths of the pool: between a thread's cache and the common store.
 *
 * A cache belongs to its thread and to its pool, each holding a reference: whichever ends first
 * marks it, and the other finds the mark when it next comes by. So neither a thread that ends nor
 * a pool that is destroyed reaches into the other's memory.
 */
#include "pkt_internal.h"

#include <stdlib.h>

/* the real symbols of the inline functions */
extern bool fl_pkt_is_simple_(const struct fl_pkt *);
extern unsigned fl_pool_slot_(const struct fl_pool *);
extern struct fl_pool_cache *fl_pool_cache_(const struct fl_pool *);
extern bool fl_pool_cache_is_(const struct fl_pool_cache *, const struct fl_pool *);
extern uint32_t fl_pkt_alloc_bulk(struct fl_pool *, struct fl_pkt **, uint32_t);
extern struct fl_pkt *fl_pkt_alloc(struct fl_pool *);
extern void fl_pkt_free_simple(struct fl_pool *, struct fl_pkt *const *, uint32_t);
extern void fl_pkt_free_bulk(struct fl_pkt *const *, uint32_t);
extern void fl_pkt_free(struct fl_pkt *);

/* glibc runs these when a thread ends; unlike keys of pthreads they cost no global variable */
extern int __cxa_thread_atexit_impl(void (*fn)(void *), void *arg, void *dso);
extern void *__dso_handle __attribute__((visibility("hidden")));

/* what an empty slot points to: the cache of no pool */
static const struct fl_pool_cache no_cache;
#define NO_CACHE ((struct fl_pool_cache *)&no_cache)

__thread struct fl_pool_tls fl_pool_tls = {
	.slots = { [0 ...(1u << FL_POOL_TLS_BITS) - 1] = NO_CACHE },
};

static void cache_unref(struct fl_pool_cache *c)
{
	if (__atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(c);
}

static void thread_ends(void *arg)
{
	struct fl_pool_tls *tls = arg;
	struct fl_pool_cache *c, *next;

	/* destructors that run after this one may still free packets: they start anew */
	for (unsigned i = 0; i < FL_ARRAY_SIZE(tls->slots); i++)
		tls->slots[i] = NO_CACHE;
	for (c = tls->caches; c; c = next) {
		next = c->next_of_thread;
		__atomic_store_n(&c->dead, true, __ATOMIC_RELEASE);
		cache_unref(c);
	}
	tls->caches = NULL;
	tls->watched = false;
}

/* ---- common store --------------------------------------------------------------------- */

static void store_put(struct fl_pool *pool, struct fl_pkt *const *pkts, uint32_t n)
{
	if (n && fl_ring_mp_enqueue_bulk(pool->store, (void *const *)pkts, n) != n)
		fl_err(&pool->log, "pkt",
		       "pool %s: more packets freed than it has: some packet was freed twice",
		       pool->name);
}

/* Packets that were never handed out, made ready. */
static uint32_t take_fresh(struct fl_pool *pool, struct fl_pkt **pkts, uint32_t n)
{
	uint32_t first = __atomic_load_n(&pool->fresh, __ATOMIC_RELAXED);

	do {
		if (n > pool->count - first)
			n = pool->count - first;
		if (n == 0)
			return 0;
	} while (!__atomic_compare_exchange_n(&pool->fresh, &first, first + n, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	for (uint32_t i = 0; i < n; i++) {
		struct fl_pkt *p = &pool->pkts[first + i];

		fl_pool_set_buf(pool, p);
		p->pool = pool;
		p->nb_segs = 1;
		p->refcnt = 1;
		pkts[i] = p;
	}
	return n;
}

/* Brings home the packets of threads that have ended. Under the pool's lock. */
static void reclaim_dead(struct fl_pool *pool)
{
	struct fl_pool_cache **pc = &pool->caches, *c;

	while ((c = *pc)) {
		if (!__atomic_load_n(&c->dead, __ATOMIC_ACQUIRE)) {
			pc = &c->next_of_pool;
			continue;
		}
		*pc = c->next_of_pool;
		store_put(pool, c->pkts, c->n);
		cache_unref(c);
	}
}

static uint32_t store_take(struct fl_pool *pool, struct fl_pkt **pkts, uint32_t n)
{
	uint32_t got = fl_ring_mc_dequeue_burst(pool->store, (void **)pkts, n);

	if (got < n)
		got += take_fresh(pool, pkts + got, n - got);
	return got;
}

/* The same, and never waits: somebody else who holds the lock is looking already. */
static uint32_t store_take_dry(struct fl_pool *pool, struct fl_pkt **pkts, uint32_t n)
{
	if (pthread_mutex_trylock(&pool->lock))
		return 0;
	reclaim_dead(pool);
	pthread_mutex_unlock(&pool->lock);
	return fl_ring_mc_dequeue_burst(pool->store, (void **)pkts, n);
}

/* ---- this thread's cache --------------------------------------------------------------- */

static struct fl_pool_cache *find_cache(const struct fl_pool *pool)
{
	struct fl_pool_cache **pc = &fl_pool_tls.caches, *c;

	while ((c = *pc)) {
		const struct fl_pool *of = __atomic_load_n(&c->pool, __ATOMIC_ACQUIRE);

		if (of == pool)
			return c;
		if (of) {
			pc = &c->next_of_thread;
			continue;
		}
		*pc = c->next_of_thread;
		if (fl_pool_tls.slots[c->slot] == c)
			fl_pool_tls.slots[c->slot] = NO_CACHE;
		cache_unref(c);
	}
	return NULL;
}

static struct fl_pool_cache *make_cache(struct fl_pool *pool)
{
	size_t len = sizeof(struct fl_pool_cache) + pool->cache_cap * sizeof(struct fl_pkt *);
	struct fl_pool_cache *c;

	if (!fl_pool_tls.watched &&
	    __cxa_thread_atexit_impl(thread_ends, &fl_pool_tls, &__dso_handle))
		return NULL;
	fl_pool_tls.watched = true;
	c = aligned_alloc(FL_CACHE_LINE, fl_align_up(len, FL_CACHE_LINE));
	if (!c)
		return NULL;
	*c = (struct fl_pool_cache){
		.pool = pool,
		.cap = pool->cache_cap,
		.refs = 2,
		.slot = fl_pool_slot_(pool),
		.next_of_thread = fl_pool_tls.caches,
	};
	fl_pool_tls.caches = c;
	pthread_mutex_lock(&pool->lock);
	reclaim_dead(pool); /* so that threads that come and go leave nothing behind */
	c->next_of_pool = pool->caches;
	pool->caches = c;
	pthread_mutex_unlock(&pool->lock);
	return c;
}

/* NULL: this pool has no caches, or memory is short; the common store serves as well */
static struct fl_pool_cache *own_cache(struct fl_pool *pool)
{
	struct fl_pool_cache *c = fl_pool_cache_(pool);

	if (fl_pool_cache_is_(c, pool))
		return c;
	if (pool->cache_cap == 0)
		return NULL;
	c = find_cache(pool);
	if (!c)
		c = make_cache(pool);
	if (c)
		fl_pool_tls.slots[c->slot] = c;
	return c;
}

void fl_pool_drop_caches(struct fl_pool *pool)
{
	struct fl_pool_cache *c, *next;

	for (c = pool->caches; c; c = next) {
		next = c->next_of_pool;
		__atomic_store_n(&c->pool, NULL, __ATOMIC_RELEASE);
		cache_unref(c);
	}
	pool->caches = NULL;
}

/*
 * Looks at what owners write without an atomic: an atomic store would have to reach memory before
 * the next load, which costs a thread that allocates and frees by ones a third of its speed.
 */
__attribute__((no_sanitize("thread"))) uint32_t fl_pool_cached(struct fl_pool *pool)
{
	uint32_t n = 0;

	pthread_mutex_lock(&pool->lock);
	for (struct fl_pool_cache *c = pool->caches; c; c = c->next_of_pool)
		n += *(const volatile uint32_t *)&c->n;
	pthread_mutex_unlock(&pool->lock);
	return n;
}

/* ---- slow paths ------------------------------------------------------------------------ */

static uint32_t alloc_failed(struct fl_pool *pool)
{
	__atomic_fetch_add(&pool->alloc_failed, 1, __ATOMIC_RELAXED);
	return 0;
}

/* Refills the cache to half full, or to the n that are wanted now. */
static bool refill(struct fl_pool *pool, struct fl_pool_cache *c, uint32_t n)
{
	uint32_t want = n > c->cap / 2 ? n : c->cap / 2;

	c->n += store_take(pool, c->pkts + c->n, want - c->n);
	if (c->n < n)
		c->n += store_take_dry(pool, c->pkts + c->n, want - c->n);
	return c->n >= n;
}

uint32_t fl_pkt_alloc_slow_(struct fl_pool *pool, struct fl_pkt **pkts, uint32_t n)
{
	struct fl_pool_cache *c = own_cache(pool);
	uint32_t got = 0;

	if (n == 0)
		return 0;
	if (c && n <= c->cap) {
		if (c->n < n && !refill(pool, c, n))
			return alloc_failed(pool);
		c->n -= n;
		fl_ptrs_copy_((void **)pkts, (void *const *)(c->pkts + c->n), n);
		return n;
	}
	if (c && c->n) {
		got = c->n;
		fl_ptrs_copy_((void **)pkts, (void *const *)c->pkts, got);
		c->n = 0;
	}
	got += store_take(pool, pkts + got, n - got);
	if (got < n)
		got += store_take_dry(pool, pkts + got, n - got);
	if (got == n)
		return n;
	store_put(pool, pkts, got);
	return alloc_failed(pool);
}

void fl_pkt_free_simple_slow_(struct fl_pool *pool, struct fl_pkt *const *pkts, uint32_t n)
{
	struct fl_pool_cache *c = own_cache(pool);
	uint32_t keep;

	if (!c || n > c->cap) {
		store_put(pool, pkts, n);
		return;
	}
	if (n == 0)
		return;
	if (n > c->cap - c->n) {
		/* what was used last goes: another thread finds it warm, and nothing moves here */
		keep = c->cap / 2 < c->cap - n ? c->cap / 2 : c->cap - n;
		if (keep > c->n)
			keep = c->n;
		store_put(pool, c->pkts + keep, c->n - keep);
		c->n = keep;
	}
	fl_ptrs_copy_((void **)(c->pkts + c->n), (void *const *)pkts, n);
	c->n += n;
}

/*
 * Gives up one reference to one segment. True: it is free now and meets the invariant. *origin is
 * the packet whose reference a clone held, or NULL.
 */
static bool drop_ref(struct fl_pkt *p, struct fl_pkt **origin)
{
	*origin = NULL;
	if (fl_pkt_refs(p) != 1) {
		if (__atomic_sub_fetch(&p->refcnt, 1, __ATOMIC_ACQ_REL) != 0)
			return false;
		p->refcnt = 1;
	}
	if (p->kind & FL_PKT_CLONE) {
		*origin = p->pool->origin[p - p->pool->pkts];
		fl_pool_set_buf(p->pool, p);
	}
	p->next = NULL;
	p->nb_segs = 1;
	p->kind = 0;
	return true;
}

/* Packets on their way home, of one pool. */
struct homing {
	struct fl_pool *pool;
	uint32_t n;
	struct fl_pkt *pkts[64];
};

static void send_home(struct homing *h, struct fl_pkt *p)
{
	if (h->n && (h->n == FL_ARRAY_SIZE(h->pkts) || h->pool != p->pool)) {
		fl_pkt_free_simple(h->pool, h->pkts, h->n);
		h->n = 0;
	}
	h->pool = p->pool;
	h->pkts[h->n++] = p;
}

void fl_pkt_free_slow_(struct fl_pkt *const *pkts, uint32_t n)
{
	struct homing h = { .n = 0 };
	struct fl_pkt *p, *next, *origin, *none;

	for (uint32_t i = 0; i < n; i++) {
		for (p = pkts[i]; p; p = next) {
			next = p->next; /* not ours to read once the reference is gone */
			if (!drop_ref(p, &origin))
				continue;
			send_home(&h, p);
			/* an origin is never itself a clone */
			if (origin && drop_ref(origin, &none))
				send_home(&h, origin);
		}
	}
	if (h.n)
		fl_pkt_free_simple(h.pool, h.pkts, h.n);
}
