/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One side of every measurement: Faultline (ours.c, ours_port.c) and DPDK (peer.c, peer_port.c).
 * The loops that are timed stand in each side's own file, so that both pay for the same calls.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

struct membar;

/** Packets handed over in one timed section of the driver suite; both sides' queues and caches. */
enum {
	SECTION = 256,
	NB_DESC = 512,
	POOL_COUNT = 4095,
	POOL_CACHE = 512,
	HELD = 1024,
	FRAME_LEN = 60
};

/** Buffers of a port on hugepages; lazy and not pinned (ours only). */
enum { PORT_HUGE = 1, PORT_LAZY = 2 };

enum pool_work {
	POOL_RAW,  /* take buffers from the pool and put them back, nothing written */
	POOL_PKT,  /* packets made ready for use, then freed */
	POOL_HELD, /* the same with HELD packets out, oldest freed first */
};

struct bench_opts {
	const char *argv0;
	bool huge, port; /* memory on hugepages; a port will be opened */
	/** hugetlbfs to take hugepages from at the start; NULL = none needed, taken one by one */
	const char *huge_dir;
};

struct bench_side {
	const char *name;
	/** 0, or a negative errno with the reason printed as a note */
	int (*init)(const struct bench_opts *o);
	/** All of these: `rounds` times; the ticks that went by. */
	uint64_t (*ring)(bool multi, unsigned burst, unsigned rounds);
	uint64_t (*pool)(enum pool_work work, unsigned burst, unsigned rounds);

	/** A started port, and the device under it; how: PORT_*; NULL = the reason is noted */
	void *(*port_open)(unsigned how, struct membar **bar);
	void (*port_close)(void *port, struct membar *bar);
	/** Ticks for SECTION packets; *n = how many were really taken. */
	uint64_t (*rx)(void *port, void **pkts, unsigned burst, unsigned *n);
	uint64_t (*tx)(void *port, void **pkts, unsigned burst, unsigned *n);
	uint64_t (*forward)(void *port, unsigned burst, unsigned *n);
	/** Not timed: SECTION packets of FRAME_LEN bytes; and their end: how many still had that.
	 */
	int (*alloc)(void *port, void **pkts);
	unsigned (*free)(void **pkts);
};

extern const struct bench_side bench_ours, bench_peer;

/** A line for the reader, also kept in the report: why a figure is missing. */
void bench_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static inline uint64_t bench_ticks(void)
{
#if defined(__x86_64__)
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi)::"memory");
	return ((uint64_t)hi << 32) | lo;
#else
	uint64_t v;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(v)::"memory");
	return v;
#endif
}

#endif
