/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vm-fault: what a process does to its memory while a device is at work there.
 *
 * A deed is done to ranges of a buffer, again and again, with traffic over all of the buffer
 * meanwhile. After each a request over that very range has to see the memory as the process does:
 * first where the range is read, then where it is written to.
 */
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define NODES 2

struct deed {
	enum kind kind;
	uint64_t len, unit; /* of the buffer; what ranges are multiples of, 0 = a page */
	unsigned rounds;
	bool lost;   /* the data is */
	bool zeros;  /* and reads as such */
	bool to_end; /* of the buffer goes the range */
	void (*prepare)(struct rig *r, struct buf *b);
	void (*act)(struct rig *r, struct buf *b, uint64_t off, uint64_t len);
	/** then a device cannot read (or write) the range, until this is done */
	void (*undo)(struct rig *r, struct buf *b, uint64_t off, uint64_t len);
	bool write_only; /* only writing is forbidden */
	/** after the request */
	void (*end)(struct rig *r, struct buf *b, uint64_t off, uint64_t len);
	/** /proc/vmstat says that it happened, where the kernel resolves */
	const char *counter;
};

static void sys(const char *what, bool ok)
{
	if (!ok)
		fail("%s: %s", what, strerror(errno));
}

/* ---- deeds ----------------------------------------------------------------------------------- */

/* a source, which no device writes to meanwhile */
static void is_zero(const struct buf *b, uint64_t off, uint64_t len)
{
	for (uint64_t o = off; o < off + len; o += PAGE)
		if (b->va[o])
			fail("byte 0x%" PRIx64 " is 0x%x after it was given up", o, b->va[o]);
}

static void fresh(void *va, uint64_t len)
{
	sys("mmap", mmap(va, len, PROT_READ | PROT_WRITE,
			 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == va);
}

static void do_map_over(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	fresh(b->va + off, len);
}

static void do_munmap(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	sys("munmap", !munmap(b->va + off, len));
}

static void undo_munmap(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	fresh(b->va + off, len);
}

static uint8_t *elsewhere;

static void some_place(struct rig *r, struct buf *b)
{
	if (elsewhere)
		return;
	elsewhere =
		mmap(NULL, b->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	sys("mmap", elsewhere != MAP_FAILED);
}

static void move(uint8_t *from, uint8_t *to, uint64_t len)
{
	sys("mremap", mremap(from, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
}

/* it stands elsewhere then, and can only be moved back */
static void do_mremap(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	move(b->va + off, elsewhere + off, len);
}

static void undo_mremap(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	move(elsewhere + off, b->va + off, len);
}

/* the data goes, the mapping stays, empty */
static void do_dontunmap(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	sys("mremap without unmap",
	    mremap(b->va + off, len, len, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		   elsewhere + off) == elsewhere + off);
}

static void protect(struct buf *b, uint64_t off, uint64_t len, int prot)
{
	sys("mprotect", !mprotect(b->va + off, len, prot));
}

static void do_forbid(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	protect(b, off, len, PROT_NONE);
}

static void do_read_only(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	protect(b, off, len, PROT_READ);
}

static void undo_protect(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	protect(b, off, len, PROT_READ | PROT_WRITE);
}

static void may_be_huge(struct rig *r, struct buf *b)
{
	sys("MADV_HUGEPAGE", !madvise(b->va, b->len, MADV_HUGEPAGE));
}

/* small pages become a huge one, and the next but one is broken up again by what is done to a part
 */
static void do_collapse(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	static unsigned turn;
	uint64_t from = fl_align_down(off, HUGE);

	if (turn++ % 3 == 2) {
		protect(b, off, len, PROT_READ);
		protect(b, off, len, PROT_READ | PROT_WRITE);
	} else if (madvise(b->va + from, HUGE, MADV_COLLAPSE) && errno != EAGAIN &&
		   errno != EBUSY && errno != EINVAL) {
		fail("MADV_COLLAPSE: %s", strerror(errno));
	}
}

/* of a huge page, some small ones go and come back */
static void do_split(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	(void)madvise(b->va + fl_align_down(off, HUGE), HUGE, MADV_COLLAPSE);
	drop(r, b, off, len);
}

static void do_pageout(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	/* what a device holds stays */
	if (madvise(b->va + off, len, MADV_PAGEOUT) && r->kernel)
		fail("MADV_PAGEOUT: %s", strerror(errno));
}

static void tell(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY);

	sys(path, fd >= 0 && write(fd, what, strlen(what)) > 0);
	close(fd);
}

static void do_compact(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	/* something to compact: every second page of what was just taken is given back */
	uint8_t *p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	sys("mmap", p != MAP_FAILED);
	for (uint64_t o = 0; o < HUGE; o += 2 * PAGE)
		madvise(p + o, PAGE, MADV_DONTNEED);
	tell("/proc/sys/vm/compact_memory", "1");
	munmap(p, HUGE);
}

static void do_drop_caches(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	tell("/proc/sys/vm/drop_caches", "3");
}

/* to the other of two nodes, and back the next time */
static void do_move_pages(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	static unsigned turn;
	void *page[64];
	int node[64], status[64];
	unsigned n = 0;

	turn++;
	for (uint64_t o = off; o < off + len && n < 64; o += PAGE, n++) {
		page[n] = b->va + o;
		node[n] = (int)(turn % NODES);
	}
	sys("move_pages",
	    syscall(SYS_move_pages, 0, (unsigned long)n, page, node, status, 2 /* MOVE */) >= 0);
	for (unsigned i = 0; i < n && r->kernel; i++)
		/* it was never there, or something looked at it meanwhile */
		if (status[i] != node[i] && status[i] != -ENOENT && status[i] != -EBUSY &&
		    status[i] != -EAGAIN && status[i] != -EFAULT)
			fail("page of node %d: %d", node[i], status[i]);
}

static void do_punch(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	sys("fallocate",
	    !fallocate(b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len));
}

static void do_truncate(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	sys("ftruncate", !ftruncate(b->fd, (off_t)off));
}

static void undo_truncate(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	sys("ftruncate", !ftruncate(b->fd, (off_t)b->len));
}

/* the file has what the mapping has */
static void end_file(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	uint8_t page[PAGE];

	for (uint64_t o = off; o < off + len; o += PAGE) {
		sys("pread", pread(b->fd, page, PAGE, (off_t)o) == (ssize_t)PAGE);
		if (memcmp(page, b->va + o, PAGE))
			fail("the file has something else at 0x%" PRIx64, o);
	}
}

/* ---- fork ------------------------------------------------------------------------------------ */

static struct {
	pid_t pid;
	int ask;
} child;

static uint64_t sum_of(const struct buf *b)
{
	uint64_t sum = 0, v;

	for (uint64_t o = 0; o < b->len; o += sizeof(v)) {
		memcpy(&v, b->va + o, sizeof(v));
		sum = (sum ^ v) * 0x100000001b3ull;
	}
	return sum;
}

/* what the child got in its copy stays as it was, whatever the device writes afterwards */
static _Noreturn void be_child(const struct buf *b, int told)
{
	uint64_t sum = sum_of(b);
	char c;

	_exit(read(told, &c, 1) >= 0 && sum_of(b) == sum ? 0 : 1);
}

static void do_fork(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	int p[2];

	sys("pipe", !pipe(p));
	fflush(stdout);
	child.pid = fork();
	sys("fork", child.pid >= 0);
	if (!child.pid) {
		close(p[1]);
		be_child(b, p[0]);
	}
	close(p[0]);
	child.ask = p[1];
}

static void end_fork(struct rig *r, struct buf *b, uint64_t off, uint64_t len)
{
	int status = -1;

	close(child.ask);
	sys("waitpid", waitpid(child.pid, &status, 0) == child.pid);
	must("the child's copy has changed", status, 0);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

struct round {
	struct rig *r;
	const struct deed *d;
	struct buf src, dst, other;
	unsigned seed, gen;
};

static void choose(struct round *x, const struct buf *b, uint64_t *off, uint64_t *len)
{
	uint64_t unit = x->d->unit ? x->d->unit : PAGE;
	uint64_t units = b->len / unit, most = CHUNK / unit;
	uint64_t first = (unsigned)rand_r(&x->seed) % units;
	uint64_t n = most > 1 ? (unsigned)rand_r(&x->seed) % most + 1 : 1;

	if (x->d->to_end) {
		first = units - 1 - first % (units / 4);
		n = units;
	}
	n = n < units - first ? n : units - first;
	*off = first * unit;
	*len = n * unit;
}

/* nothing of the range can be reached: each request over it is refused, and no memory is touched */
static void refused(struct round *x, const struct buf *dst, uint64_t off, uint64_t len)
{
	uint64_t chunks = (off + len - 1) / CHUNK - off / CHUNK + 1;

	must("refused requests of those into nothing",
	     lane_run(&x->r->lane[0], &x->src, dst, off, len), (int64_t)chunks);
}

static void round_of_reading(struct round *x)
{
	const struct deed *d = x->d;
	uint64_t off, len;

	choose(x, &x->src, &off, &len);
	d->act(x->r, &x->src, off, len);
	if (d->zeros)
		is_zero(&x->src, off, len);
	if (d->undo && d->write_only)
		works(&x->r->lane[0], &x->src, &x->other, off, len);
	if (d->undo) {
		if (!d->write_only)
			refused(x, &x->other, off, len);
		d->undo(x->r, &x->src, off, len);
	}
	if (!d->lost)
		works(&x->r->lane[0], &x->src, &x->other, off, len);
	fill(&x->src, off, len, (uint8_t)++x->gen);
	works(&x->r->lane[0], &x->src, &x->other, off, len);
	if (d->end)
		d->end(x->r, &x->src, off, len);
}

static void round_of_writing(struct round *x)
{
	const struct deed *d = x->d;
	uint64_t off, len;

	choose(x, &x->dst, &off, &len);
	memset(x->dst.va + off, 0xa5, len);
	d->act(x->r, &x->dst, off, len);
	if (d->undo) {
		refused(x, &x->dst, off, len);
		d->undo(x->r, &x->dst, off, len);
	}
	works(&x->r->lane[0], &x->src, &x->dst, off, len);
	if (d->end)
		d->end(x->r, &x->dst, off, len);
}

static void half(struct round *x, void (*fn)(struct round *x))
{
	struct traffic t;

	traffic_start(&t, &x->r->lane[1], &x->src, &x->dst, false);
	for (unsigned i = 0; i < x->d->rounds; i++)
		fn(x);
	traffic_stop(&t, x->d->undo != NULL);
}

static void open_round(struct round *x)
{
	struct buf *all[] = { &x->src, &x->dst, &x->other };

	for (unsigned i = 0; i < 3; i++) {
		buf_open(x->r, all[i], x->d->len, x->d->kind);
		if (x->d->prepare)
			x->d->prepare(x->r, all[i]);
	}
	fill(&x->src, 0, x->d->len, 0);
}

static void run_deed(struct rig *r, const struct args *a, const struct deed *d)
{
	struct round x = { .r = r, .d = d, .seed = 3 };
	struct fl_residency_stats before, s;
	int64_t count;

	rig_open(r);
	open_round(&x);
	count = d->counter ? vmstat(d->counter) : 0;
	before = stats(&x.src);
	half(&x, round_of_reading);
	check_loosely(&x.src, &x.dst, 0, d->len);
	half(&x, round_of_writing);
	works(&r->lane[0], &x.src, &x.dst, 0, d->len);
	s = stats(&x.src);
	printf("%u deeds, then %" PRIu64 " faults in the source, %" PRIu64 " invalidations\n",
	       2 * d->rounds, s.faults - before.faults, s.invalidations - before.invalidations);
	if (d->counter && count >= 0) {
		count = vmstat(d->counter) - count;
		printf("%s: %" PRId64 "\n", d->counter, count);
		if (r->kernel)
			between(d->counter, (uint64_t)count, 1, INT64_MAX);
	}
	buf_close(&x.src);
	buf_close(&x.dst);
	buf_close(&x.other);
	rig_close(r);
}

/* ---- the cases ------------------------------------------------------------------------------- */

#define MB	    (1ul << 20)
#define DEED(fn)    static void fn(struct rig *r, const struct args *a)
#define RUN(...)    run_deed(r, a, &(const struct deed){ __VA_ARGS__ })
#define SMALL(k, n) .kind = k, .len = MB, .rounds = n

/* clang-format off */
DEED(dontneed) { RUN(SMALL(OWN, 60), .lost = true, .zeros = true, .act = drop); }
DEED(map_over) { RUN(SMALL(OWN, 40), .lost = true, .act = do_map_over); }
DEED(unmap) { RUN(SMALL(OWN, 30), .lost = true, .act = do_munmap, .undo = undo_munmap); }
DEED(remap) { RUN(SMALL(OWN, 30), .prepare = some_place, .act = do_mremap, .undo = undo_mremap); }
DEED(remap_stays) { RUN(SMALL(OWN, 30), .lost = true, .prepare = some_place, .act = do_dontunmap); }
DEED(fork_and_write) { RUN(SMALL(OWN, 12), .act = do_fork, .end = end_fork); }
DEED(forbid) { RUN(SMALL(OWN, 30), .act = do_forbid, .undo = undo_protect); }
DEED(read_only) { RUN(SMALL(OWN, 30), .act = do_read_only, .undo = undo_protect, .write_only = true); }
DEED(collapse) { RUN(.kind = OWN, .len = 2 * HUGE, .rounds = 12, .prepare = may_be_huge, .act = do_collapse); }
DEED(split) { RUN(.kind = OWN, .len = 2 * HUGE, .rounds = 8, .lost = true, .prepare = may_be_huge, .act = do_split); }
DEED(pageout) { RUN(SMALL(OWN, 20), .act = do_pageout, .counter = "pswpout"); }
DEED(compact) { RUN(SMALL(OWN, 4), .act = do_compact, .counter = "pgmigrate_success"); }
DEED(migrate) { RUN(SMALL(OWN, 30), .act = do_move_pages, .counter = "pgmigrate_success"); }
DEED(drop_caches) { RUN(SMALL(FILED, 4), .act = do_drop_caches, .end = end_file); }
DEED(hugetlb) { RUN(.kind = HUGETLB, .len = 2 * HUGE, .unit = HUGE, .rounds = 4, .lost = true, .zeros = true, .act = drop); }
DEED(file_hole) { RUN(SMALL(FILED, 30), .lost = true, .act = do_punch, .end = end_file); }
DEED(file_cut) { RUN(SMALL(FILED, 16), .lost = true, .to_end = true, .act = do_truncate, .undo = undo_truncate, .end = end_file); }
/* clang-format on */

const struct named_case memory_cases[] = {
	{ "dontneed", dontneed },    { "map-over", map_over },	      { "munmap", unmap },
	{ "mremap", remap },	     { "mremap-stays", remap_stays }, { "fork", fork_and_write },
	{ "mprotect-none", forbid }, { "mprotect-read", read_only },  { "collapse", collapse },
	{ "split", split },	     { "pageout", pageout },	      { "compact", compact },
	{ "migrate", migrate },	     { "drop-caches", drop_caches },  { "hugetlb", hugetlb },
	{ "file-hole", file_hole },  { "file-cut", file_cut },	      { NULL, NULL },
};
