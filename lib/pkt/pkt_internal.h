/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef FL_PKT_INTERNAL_H
#define FL_PKT_INTERNAL_H

#include <fl_pkt.h>

#include <pthread.h>

/*
 * Where a buffer stands. None straddles a window, so that a window can come and go by itself:
 * each window holds per_window buffers; the first one may lack some at its start.
 */
#define FL_POOL_WINDOW (2ull << 20)

struct fl_pool_layout {
	uint32_t stride, per_window;
	/** place of the first buffer in the window that the memory begins in */
	uint32_t first;
	/** from that window's start to the memory's */
	uint32_t skew;
};

struct fl_pool {
	struct fl_pkt *pkts;
	/** the packet whose data a clone shares; not in buffer memory, which devices may write */
	struct fl_pkt **origin;
	struct fl_ring *store;
	uint32_t count, data_room, cache_cap;
	struct fl_pool_layout layout;
	uint8_t *va;
	fl_iova_t iova;
	uint64_t mem_bytes;
	struct fl_dma_area *area;
	struct fl_mem *meta_mem;
	struct fl_mem *own_mem; /* NULL where the memory is the application's */
	struct fl_log log;
	char name[32];

	pthread_mutex_t lock; /* of the list of caches */
	struct fl_pool_cache *caches;

	/** packets [0, fresh) have been handed out at least once; beside alloc_failed */
	uint32_t fresh FL_CACHE_ALIGNED;
	uint64_t alloc_failed;
};

/** @start  address, as the device has it, of the first byte */
struct fl_pool_layout fl_pool_layout_at(uint32_t data_room, uint64_t start);
/** Lets go of all caches; nothing of the pool may be in use. */
void fl_pool_drop_caches(struct fl_pool *pool);
/** Packets in caches now. */
uint32_t fl_pool_cached(struct fl_pool *pool);

static inline uint64_t fl_pool_offset(const struct fl_pool_layout *l, uint32_t index)
{
	uint64_t place = (uint64_t)index + l->first;

	return place / l->per_window * FL_POOL_WINDOW + place % l->per_window * l->stride - l->skew;
}

/** Gives a packet its own buffer: at its first hand-out, and when a clone ends. */
static inline void fl_pool_set_buf(struct fl_pool *pool, struct fl_pkt *p)
{
	uint64_t off = fl_pool_offset(&pool->layout, (uint32_t)(p - pool->pkts));

	p->buf = pool->va + off;
	p->iova = pool->area ? fl_iova_add(pool->iova, off) : fl_iova(FL_IOVA_BAD_V);
}

static inline uint16_t fl_pkt_refs(const struct fl_pkt *p)
{
	return __atomic_load_n(&p->refcnt, __ATOMIC_ACQUIRE);
}

#endif
