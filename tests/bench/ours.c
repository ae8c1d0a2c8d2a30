/* SPDX-License-Identifier: BSD-3-Clause */
/* Faultline's rings and packet pools. */
#include <string.h>

#include <fl_ring.h>

#include "ours.h"

static struct fl_ring *sp_ring, *mp_ring;
static struct fl_pool *pool;

int ours_pool_create(struct fl_dma_space *space, unsigned how, struct fl_pool **out)
{
	struct fl_pool_opts o;

	fl_pool_opts_init(&o);
	o.count = POOL_COUNT;
	o.cache = POOL_CACHE;
	o.space = space;
	o.dma_opts.residency = how & PORT_LAZY ? FL_LAZY : FL_PINNED;
	if (how & PORT_HUGE)
		o.mem_opts.kind = FL_MEM_HUGETLB;
	return fl_pool_create(&o, NULL, out);
}

static int init(const struct bench_opts *o)
{
	int err = fl_ring_create(1024, FL_RING_SP | FL_RING_SC, -1, &sp_ring);

	if (!err)
		err = fl_ring_create(1024, 0, -1, &mp_ring);
	if (!err)
		err = ours_pool_create(NULL, o->huge ? PORT_HUGE : 0, &pool);
	if (err)
		bench_note("Faultline has no memory for rings and pool: %s", strerror(-err));
	return err;
}

static uint64_t ours_ring(bool multi, unsigned burst, unsigned rounds)
{
	void *objs[64] = { NULL };
	uint64_t t = bench_ticks();

	if (multi) {
		for (unsigned i = 0; i < rounds; i++) {
			fl_ring_mp_enqueue_bulk(mp_ring, objs, burst);
			fl_ring_mc_dequeue_bulk(mp_ring, objs, burst);
		}
	} else {
		for (unsigned i = 0; i < rounds; i++) {
			fl_ring_sp_enqueue_bulk(sp_ring, objs, burst);
			fl_ring_sc_dequeue_bulk(sp_ring, objs, burst);
		}
	}
	return bench_ticks() - t;
}

static uint64_t pool_raw(unsigned burst, unsigned rounds)
{
	struct fl_pkt *p[64];
	uint64_t t = bench_ticks();

	for (unsigned i = 0; i < rounds; i++) {
		if (!fl_pkt_alloc_bulk(pool, p, burst))
			return 0;
		fl_pkt_free_simple(pool, p, burst);
	}
	return bench_ticks() - t;
}

/** What rte_pktmbuf_alloc_bulk() leaves its caller with: empty packets, ready for use. */
static inline unsigned alloc_ready(struct fl_pkt **p, unsigned n)
{
	n = fl_pkt_alloc_bulk(pool, p, n);
	for (unsigned i = 0; i < n; i++) {
		p[i]->data_off = FL_PKT_HEADROOM;
		p[i]->data_len = 0;
		p[i]->pkt_len = 0;
		p[i]->flags = 0;
		p[i]->ptype = 0;
		p[i]->vlan_tci = 0;
		p[i]->port = 0;
	}
	return n;
}

static uint64_t pool_pkt(unsigned burst, unsigned rounds)
{
	struct fl_pkt *p[64];
	uint64_t t = bench_ticks();

	for (unsigned i = 0; i < rounds; i++) {
		if (!alloc_ready(p, burst))
			return 0;
		fl_pkt_free_bulk(p, burst);
	}
	return bench_ticks() - t;
}

static uint64_t pool_held(unsigned burst, unsigned rounds)
{
	struct fl_pkt *p[HELD];
	uint64_t t;

	if (!alloc_ready(p, HELD))
		return 0;
	t = bench_ticks();
	for (unsigned i = 0, at = 0; i < rounds; i++) {
		fl_pkt_free_bulk(p + at, burst);
		if (!alloc_ready(p + at, burst))
			return 0;
		at = (at + burst) % HELD;
	}
	t = bench_ticks() - t;
	fl_pkt_free_bulk(p, HELD);
	return t;
}

static uint64_t ours_pools(enum pool_work work, unsigned burst, unsigned rounds)
{
	return work == POOL_RAW	  ? pool_raw(burst, rounds)
	       : work == POOL_PKT ? pool_pkt(burst, rounds)
				  : pool_held(burst, rounds);
}

const struct bench_side bench_ours = {
	.name = "ours",
	.init = init,
	.ring = ours_ring,
	.pool = ours_pools,
	.port_open = ours_port_open,
	.rx = ours_rx,
	.tx = ours_tx,
	.forward = ours_forward,
	.alloc = ours_alloc,
	.free = ours_free,
	.port_close = ours_port_close,
};
