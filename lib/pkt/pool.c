/* SPDX-License-Identifier: BSD-3-Clause */
#include "pkt_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_COUNT	(1u << 28)
#define MIN_DATA_ROOM	64u
#define MAX_BUF		65535u
#define MAX_CACHE	1024u
#define DEFAULT_CACHE	256u
#define BYTES_EACH_META (sizeof(struct fl_pkt) + sizeof(struct fl_pkt *))

void fl_pool_opts_init(struct fl_pool_opts *o)
{
	*o = (struct fl_pool_opts){
		.cache = ~0u,
		.mem_opts = { .kind = FL_MEM_MEMFD, .node = -1 },
		.dma_opts = { .residency = FL_AUTO, .iova = { FL_IOVA_BAD_V } },
	};
}

static uint32_t room_of(const struct fl_pool_opts *o)
{
	return o->data_room ? o->data_room : FL_PKT_DATA_ROOM;
}

struct fl_pool_layout fl_pool_layout_at(uint32_t data_room, uint64_t start)
{
	struct fl_pool_layout l;

	l.stride = (uint32_t)fl_align_up(FL_PKT_HEADROOM + data_room, FL_CACHE_LINE);
	l.per_window = (uint32_t)(FL_POOL_WINDOW / l.stride);
	l.skew = (uint32_t)(start & (FL_POOL_WINDOW - 1));
	l.first = (l.skew + l.stride - 1) / l.stride;
	if (l.first > l.per_window)
		l.first = l.per_window;
	return l;
}

static uint64_t layout_len(const struct fl_pool_layout *l, uint32_t count)
{
	return fl_pool_offset(l, count - 1) + l->stride;
}

/* Enough wherever the memory begins: at worst one buffer's room is lost at its start, and the
 * end of one more window. */
uint64_t fl_pool_mem_size(const struct fl_pool_opts *o)
{
	struct fl_pool_layout l = fl_pool_layout_at(room_of(o), 0);
	uint64_t waste = FL_POOL_WINDOW - (uint64_t)l.per_window * l.stride;

	if (o->count == 0)
		return 0;
	return fl_align_up(layout_len(&l, o->count) + l.stride + waste, 4096);
}

static int check_opts(const struct fl_pool_opts *o, const struct fl_log *log)
{
	if (o->count == 0 || o->count > MAX_COUNT) {
		fl_err(log, "pkt", "pool of %u packets: 1 to %u are possible", o->count, MAX_COUNT);
		return -EINVAL;
	}
	if (room_of(o) < MIN_DATA_ROOM || room_of(o) > MAX_BUF - FL_PKT_HEADROOM) {
		fl_err(log, "pkt", "data room of %u bytes: %u to %u are possible", o->data_room,
		       MIN_DATA_ROOM, MAX_BUF - FL_PKT_HEADROOM);
		return -EINVAL;
	}
	if (o->cache > MAX_CACHE && o->cache != ~0u) {
		fl_err(log, "pkt", "cache of %u packets: at most %u, ~0u for the default", o->cache,
		       MAX_CACHE);
		return -EINVAL;
	}
	if (!o->mem && o->mem_opts.kind == FL_MEM_EXTERNAL) {
		fl_err(log, "pkt", "memory of the application comes by `mem`, not by mem_opts");
		return -EINVAL;
	}
	return 0;
}

static uint32_t cache_of(const struct fl_pool_opts *o)
{
	if (o->cache != ~0u)
		return o->cache;
	/* a thread must not be able to hold back most of a small pool */
	return o->count / 4 < DEFAULT_CACHE ? o->count / 4 : DEFAULT_CACHE;
}

static int add_meta(struct fl_pool *pool, const struct fl_pool_opts *o)
{
	struct fl_mem_opts mo = { .kind = FL_MEM_ANON,
				  .node = o->mem_opts.node,
				  .log = &pool->log };
	struct fl_mem_info info;
	int rc;

	rc = fl_mem_alloc(o->count * (uint64_t)BYTES_EACH_META, &mo, &pool->meta_mem);
	if (rc)
		return rc;
	fl_mem_info(pool->meta_mem, &info);
	pool->pkts = info.va;
	pool->origin = (struct fl_pkt **)(pool->pkts + o->count);
	/* who asks for large pages for buffers wants them here; a hint, so it may fail */
	if (o->mem_opts.kind == FL_MEM_HUGETLB)
		madvise(info.va, info.len, MADV_HUGEPAGE);
	rc = fl_ring_create(o->count, 0, o->mem_opts.node, &pool->store);
	if (rc)
		fl_err(&pool->log, "pkt", "pool %s: no memory for its store of %u packets",
		       pool->name, o->count);
	return rc;
}

static int add_buffers(struct fl_pool *pool, const struct fl_pool_opts *o)
{
	uint64_t need = fl_pool_mem_size(o);
	struct fl_mem_opts mo = o->mem_opts;
	struct fl_mem *mem = o->mem;
	struct fl_mem_info info;
	int rc;

	if (!mem) {
		if (!mo.log)
			mo.log = &pool->log;
		if (!mo.align && need >= FL_POOL_WINDOW)
			mo.align = FL_POOL_WINDOW;
		if (o->space)
			fl_dma_mem_opts(o->space, need, &mo);
		rc = fl_mem_alloc(need, &mo, &pool->own_mem);
		if (rc)
			return rc;
		mem = pool->own_mem;
	}
	fl_mem_info(mem, &info);
	pool->va = info.va;
	pool->mem_bytes = info.len;
	pool->iova = fl_iova((uintptr_t)info.va);
	if (o->space) {
		rc = fl_dma_map(o->space, mem, &o->dma_opts, &pool->area);
		if (rc)
			return rc;
		pool->iova = pool->area->iova;
	}
	pool->layout = fl_pool_layout_at(pool->data_room, pool->iova.v);
	if (layout_len(&pool->layout, o->count) > info.len) {
		fl_err(&pool->log, "pkt",
		       "pool %s: %u packets need %" PRIu64 " bytes, the memory given has %" PRIu64,
		       pool->name, o->count, need, info.len);
		return -EINVAL;
	}
	return 0;
}

static int pool_free(struct fl_pool *pool)
{
	int rc = 0;

	if (pool->area)
		rc = fl_dma_unmap(pool->area);
	fl_mem_free(pool->own_mem);
	fl_ring_free(pool->store);
	fl_mem_free(pool->meta_mem);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
	return rc;
}

int fl_pool_create(const struct fl_pool_opts *o, const struct fl_log *log, struct fl_pool **out)
{
	struct fl_pool *pool;
	int rc;

	rc = check_opts(o, log);
	if (rc)
		return rc;
	pool = aligned_alloc(FL_CACHE_LINE, sizeof(*pool));
	if (!pool) {
		fl_err(log, "pkt", "no memory for a pool");
		return -ENOMEM;
	}
	*pool = (struct fl_pool){
		.count = o->count,
		.data_room = room_of(o),
		.cache_cap = cache_of(o),
		.log = log ? *log : *fl_log_default(),
	};
	snprintf(pool->name, sizeof(pool->name), "%s", o->name ? o->name : "(no name)");
	pthread_mutex_init(&pool->lock, NULL);
	rc = add_meta(pool, o);
	if (!rc)
		rc = add_buffers(pool, o);
	if (rc) {
		(void)!pool_free(pool);
		return rc;
	}
	*out = pool;
	return 0;
}

int fl_pool_destroy(struct fl_pool *pool)
{
	struct fl_pool_stats st;
	uint32_t home;

	if (!pool)
		return 0;
	fl_pool_stats(pool, &st);
	if (st.in_use) {
		fl_err(&pool->log, "pkt",
		       "pool %s: %u packets are still out; stop its ports and free what they hold",
		       pool->name, st.in_use);
		return -EBUSY;
	}
	/* nobody is at work now, so the numbers are exact */
	home = st.cached + fl_ring_count(pool->store);
	if (home > st.count - st.fresh)
		fl_err(&pool->log, "pkt",
		       "pool %s: %u packets more came back than were handed out: some packet was "
		       "freed twice",
		       pool->name, home - (st.count - st.fresh));
	fl_pool_drop_caches(pool);
	return pool_free(pool);
}

void fl_pool_stats(struct fl_pool *pool, struct fl_pool_stats *out)
{
	uint32_t touched = __atomic_load_n(&pool->fresh, __ATOMIC_RELAXED);
	uint32_t cached = fl_pool_cached(pool), home = cached + fl_ring_count(pool->store);

	*out = (struct fl_pool_stats){
		.count = pool->count,
		.data_room = pool->data_room,
		/* packets that moved meanwhile may be seen twice */
		.in_use = touched > home ? touched - home : 0,
		.fresh = pool->count - touched,
		.cached = cached,
		.mem_bytes = pool->mem_bytes,
		.alloc_failed = __atomic_load_n(&pool->alloc_failed, __ATOMIC_RELAXED),
	};
}

uint32_t fl_pool_data_room(const struct fl_pool *pool)
{
	return pool->data_room;
}

const struct fl_dma_area *fl_pool_area(const struct fl_pool *pool)
{
	return pool->area;
}

const char *fl_pool_name(const struct fl_pool *pool)
{
	return pool->name;
}
