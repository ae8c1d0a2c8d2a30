/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's rings and packet pools, and its start. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "bench.h"
#include "peer.h"

static struct rte_ring *sp_ring, *mp_ring;
struct rte_mempool *peer_pool;

static int start_eal(const struct bench_opts *o)
{
	char cpu[32];
	char *argv[20];
	int argc = 0;

	snprintf(cpu, sizeof(cpu), "0@%d", sched_getcpu());
	argv[argc++] = (char *)o->argv0;
	argv[argc++] = "--lcores";
	argv[argc++] = cpu;
	argv[argc++] = "--no-telemetry";
	argv[argc++] = "--log-level=lib.eal:error";
	argv[argc++] = o->port ? "--iova-mode=pa" : "--no-pci";
	if (o->huge && !o->huge_dir) {
		argv[argc++] = "--in-memory";
	} else {
		argv[argc++] = "--no-shconf";
		argv[argc++] = "-m";
		argv[argc++] = "128";
		if (!o->huge)
			argv[argc++] = "--no-huge";
	}
	if (o->huge && o->huge_dir) {
		/* no address space is reserved beyond what is used: valgrind has little */
		argv[argc++] = "--legacy-mem";
		argv[argc++] = "--huge-unlink";
		argv[argc++] = "--huge-dir";
		argv[argc++] = (char *)o->huge_dir;
	}
	argv[argc] = NULL;
	return rte_eal_init(argc, argv) < 0 ? -rte_errno : 0;
}

static int init(const struct bench_opts *o)
{
	int err = o->port ? peer_bus_create() : 0;

	if (!err)
		err = start_eal(o);
	if (o->port)
		peer_bus_remove();
	if (err) {
		bench_note("DPDK does not start with %s pages: %s", o->huge ? "huge" : "small",
			   strerror(-err));
		return err;
	}
	sp_ring = rte_ring_create("sp", 1024, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	mp_ring = rte_ring_create("mp", 1024, SOCKET_ID_ANY, 0);
	peer_pool = rte_pktmbuf_pool_create("pool", POOL_COUNT, POOL_CACHE, 0,
					    RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	if (!sp_ring || !mp_ring || !peer_pool) {
		bench_note("DPDK has no memory for rings and pool: %s", rte_strerror(rte_errno));
		return -ENOMEM;
	}
	return 0;
}

static uint64_t peer_ring(bool multi, unsigned burst, unsigned rounds)
{
	void *objs[64] = { NULL };
	uint64_t t = bench_ticks();

	if (multi) {
		for (unsigned i = 0; i < rounds; i++) {
			rte_ring_mp_enqueue_bulk(mp_ring, objs, burst, NULL);
			rte_ring_mc_dequeue_bulk(mp_ring, objs, burst, NULL);
		}
	} else {
		for (unsigned i = 0; i < rounds; i++) {
			rte_ring_sp_enqueue_bulk(sp_ring, objs, burst, NULL);
			rte_ring_sc_dequeue_bulk(sp_ring, objs, burst, NULL);
		}
	}
	return bench_ticks() - t;
}

static uint64_t pool_raw(unsigned burst, unsigned rounds)
{
	void *objs[64];
	uint64_t t = bench_ticks();

	for (unsigned i = 0; i < rounds; i++) {
		if (rte_mempool_get_bulk(peer_pool, objs, burst))
			return 0;
		rte_mempool_put_bulk(peer_pool, objs, burst);
	}
	return bench_ticks() - t;
}

static uint64_t pool_pkt(unsigned burst, unsigned rounds)
{
	struct rte_mbuf *m[64];
	uint64_t t = bench_ticks();

	for (unsigned i = 0; i < rounds; i++) {
		if (rte_pktmbuf_alloc_bulk(peer_pool, m, burst))
			return 0;
		rte_pktmbuf_free_bulk(m, burst);
	}
	return bench_ticks() - t;
}

static uint64_t pool_held(unsigned burst, unsigned rounds)
{
	struct rte_mbuf *m[HELD];
	uint64_t t;

	if (rte_pktmbuf_alloc_bulk(peer_pool, m, HELD))
		return 0;
	t = bench_ticks();
	for (unsigned i = 0, at = 0; i < rounds; i++) {
		rte_pktmbuf_free_bulk(m + at, burst);
		if (rte_pktmbuf_alloc_bulk(peer_pool, m + at, burst))
			return 0;
		at = (at + burst) % HELD;
	}
	t = bench_ticks() - t;
	rte_pktmbuf_free_bulk(m, HELD);
	return t;
}

static uint64_t peer_pools(enum pool_work work, unsigned burst, unsigned rounds)
{
	return work == POOL_RAW	  ? pool_raw(burst, rounds)
	       : work == POOL_PKT ? pool_pkt(burst, rounds)
				  : pool_held(burst, rounds);
}

const struct bench_side bench_peer = {
	.name = "peer",
	.init = init,
	.ring = peer_ring,
	.pool = peer_pools,
	.port_open = peer_port_open,
	.rx = peer_rx,
	.tx = peer_tx,
	.forward = peer_forward,
	.alloc = peer_alloc,
	.free = peer_free,
	.port_close = peer_port_close,
};
