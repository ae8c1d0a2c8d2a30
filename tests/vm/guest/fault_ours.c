/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vm-fault: where the library resolves, and the kernel keeps what a device holds: memory that goes
 * without a word is seen (watch), or stays the device's until it is told, and nobody else's.
 */
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MB (1ul << 20)

static void open_two(struct rig *r, struct buf *src, struct buf *dst, bool watch, enum kind kind)
{
	struct fl_residency_opts o;

	rig_open(r);
	if (r->kernel)
		fail("the kernel resolves here");
	fl_dma_residency_get(r->space, &o);
	o.watch = watch;
	must("watch", fl_dma_residency_set(r->space, &o), 0);
	buf_open(r, src, MB, kind);
	buf_open(r, dst, MB, kind);
	fill(src, 0, MB, 1);
	works(&r->lane[0], src, dst, 0, MB);
}

static void close_two(struct rig *r, struct buf *src, struct buf *dst)
{
	buf_close(src);
	buf_close(dst);
	rig_close(r);
}

/* requests over the whole of it end as refused, and change nothing */
static void is_dead(struct rig *r, const struct buf *src, const struct buf *dst)
{
	must("refused requests", lane_run(&r->lane[0], src, dst, 0, MB), MB / CHUNK);
}

static void anew(struct rig *r, struct buf *b, uint8_t gen)
{
	buf_close(b);
	buf_open(r, b, MB, OWN);
	fill(b, 0, MB, gen);
}

/* madvise, munmap, mremap, of which the library hears by itself */
static void watched(struct rig *r, const struct args *a)
{
	struct buf src, dst, kept;
	uint8_t *room = mmap(NULL, MB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *moved;

	open_two(r, &src, &dst, true, OWN);
	for (unsigned i = 0; i < 20; i++) {
		uint64_t off = i * 10 * PAGE;

		must("madvise", madvise(src.va + off, 8 * PAGE, MADV_DONTNEED), 0);
		usleep(2000); /* the kernel does not say when it is done */
		must("refused", lane_run(&r->lane[0], &src, &dst, off, 8 * PAGE), 0);
		check_zeros(&dst, off, 8 * PAGE);
		fill(&src, off, 8 * PAGE, 2);
		works(&r->lane[0], &src, &dst, 0, MB);
	}
	/* its pages are dst's no more; what is left of it is given up, too */
	must("munmap", munmap(dst.va + MB / 2, MB / 4), 0);
	is_dead(r, &src, &dst);
	anew(r, &dst, 0);
	works(&r->lane[0], &src, &dst, 0, MB);
	moved = mremap(src.va, MB, MB, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	if (moved == MAP_FAILED)
		fail("mremap: %s", strerror(errno));
	memset(dst.va, 0, MB);
	is_dead(r, &src, &dst);
	is_dead(r, &dst, &src);
	kept = src;
	if (!is_filled(&kept, moved, 0, 8 * PAGE))
		fail("what was moved has changed");
	munmap(moved, MB);
	anew(r, &src, 3);
	works(&r->lane[0], &src, &dst, 0, MB);
	close_two(r, &src, &dst);
}

/* a file that is cut: the device keeps the pages that it has, which are the file's no more */
static void cut(struct rig *r, const struct args *a)
{
	struct buf src, dst;

	open_two(r, &src, &dst, false, FILED);
	must("ftruncate", ftruncate(dst.fd, 0), 0);
	must("refused", lane_run(&r->lane[0], &src, &dst, 0, CHUNK), 0);
	must("ftruncate", ftruncate(dst.fd, MB), 0);
	for (uint64_t o = 0; o < CHUNK; o++)
		if (dst.va[o])
			fail("the file has what was written after it was cut");
	/* told of it, it asks; and there is nothing */
	must("revoke", fl_mem_revoke(dst.area, 0, MB), 0);
	must("ftruncate", ftruncate(dst.fd, MB / 2), 0);
	must("refused", lane_run(&r->lane[0], &src, &dst, MB / 2, MB / 2), MB / 2 / CHUNK);
	works(&r->lane[0], &src, &dst, 0, MB / 2);
	must("ftruncate", ftruncate(dst.fd, MB), 0);
	works(&r->lane[0], &src, &dst, 0, MB);
	close_two(r, &src, &dst);
}

/* what is forbidden to the process is not given to a device that does not have it */
static void forbidden(struct rig *r, const struct args *a)
{
	struct buf src, dst;

	open_two(r, &src, &dst, false, OWN);
	must("revoke", fl_mem_revoke(src.area, 0, MB), 0);
	must("mprotect", mprotect(src.va + MB / 2, MB / 2, PROT_NONE), 0);
	must("refused", lane_run(&r->lane[0], &src, &dst, MB / 2, MB / 2), MB / 2 / CHUNK);
	works(&r->lane[0], &src, &dst, 0, MB / 2);
	must("mprotect", mprotect(src.va + MB / 2, MB / 2, PROT_READ | PROT_WRITE), 0);
	works(&r->lane[0], &src, &dst, 0, MB);
	close_two(r, &src, &dst);
}

/* more than the budget goes round and round, in an order that suits nobody */
static void budget(struct rig *r, const struct args *a)
{
	const uint64_t len = 8 * BUDGET;
	struct fl_residency_stats s;
	struct buf src, dst;
	unsigned seed = 9;

	rig_open(r);
	must("budget",
	     fl_dma_residency_set(r->space, &(struct fl_residency_opts){ .budget = BUDGET }), 0);
	buf_open(r, &src, len, OWN);
	buf_open(r, &dst, len, OWN);
	fill(&src, 0, len, 1);
	for (unsigned i = 0; i < 200; i++) {
		uint64_t off = (unsigned)rand_r(&seed) % (len / CHUNK - 4) * CHUNK;

		works(&r->lane[0], &src, &dst, off, i % 4 * CHUNK + PAGE);
		fl_dma_residency_stats(r->space, &s);
		between("reachable", s.mapped_bytes, PAGE, BUDGET);
	}
	printf("%" PRIu64 " faults, %" PRIu64 " evictions\n", s.faults, s.evictions);
	between("evictions", s.evictions, 10, UINT64_MAX);
	close_two(r, &src, &dst);
}

const struct named_case our_cases[] = {
	{ "watched", watched }, { "cut", cut }, { "forbidden", forbidden },
	{ "budget", budget },	{ NULL, NULL },
};
