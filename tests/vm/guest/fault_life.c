/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vm-fault: devices that stop, are reset, go away or lose their program while page requests of
 * theirs wait.
 *
 * Where the library resolves, requests wait because nobody dispatches. Where the kernel does, they
 * wait in turn: so many are under way, a page a fault, that there are some all the time.
 */
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MB   (1ul << 20)
#define AREA (16 * MB)
#define SLOW 20000000000ull /* ns that something which must end may take */

struct pending {
	struct buf src, dst;
	uint64_t at; /* nobody was before */
};

static void pending_open(struct rig *r, struct pending *p)
{
	r->polls = true;
	rig_open(r);
	around(r, 1);
	buf_open(r, &p->src, AREA, OWN);
	buf_open(r, &p->dst, AREA, OWN);
	p->at = 0;
}

static void pending_close(struct rig *r, struct pending *p)
{
	buf_close(&p->src);
	buf_close(&p->dst);
	rig_close(r);
}

static uint64_t faults(const struct pending *p)
{
	return stats(&p->src).faults + stats(&p->dst).faults;
}

/* the device has asked for pages; there are requests on both queue pairs */
static void make_pending(struct rig *r, struct pending *p)
{
	struct pollfd fd = { .fd = fl_ctx_fd(r->ctx), .events = POLLIN };
	uint64_t before = r->kernel ? faults(p) : 0;

	for (unsigned i = 0; i < DEPTH; i++)
		lane_give(&r->lane[i & 1],
			  lane_op(&r->lane[i & 1], i, &p->src, &p->dst, p->at + i * CHUNK, CHUNK));
	p->at = (p->at + DEPTH * CHUNK) % AREA;
	if (!r->kernel)
		must("page requests that wait", poll(&fd, 1, 10000), 1);
	for (unsigned i = 0; r->kernel && faults(p) == before; i++) {
		between("ms without a fault", i, 0, 10000);
		usleep(1000);
	}
}

/* every request comes back, once; how many of them were not done */
static unsigned all_back(struct rig *r)
{
	unsigned undone = 0;
	struct fl_op *op;

	for (unsigned i = 0; i < DEPTH; i++) {
		must("requests that came back", fl_op_dequeue(fl_cryptodev_qp(r->d, i & 1), &op, 1),
		     1);
		if (op->status != FL_OP_OK && op->status != FL_OP_FAULT &&
		    op->status != FL_OP_ABORTED)
			fail("a request came back as %s", fl_op_status_name(op->status));
		undone += op->status != FL_OP_OK;
	}
	return undone;
}

static void still_works(struct rig *r, struct pending *p)
{
	drop(r, &p->src, 0, AREA);
	drop(r, &p->dst, 0, AREA);
	fill(&p->src, MB, MB, 1);
	works(&r->lane[0], &p->src, &p->dst, MB, MB);
	drop(r, &p->src, 0, AREA);
	drop(r, &p->dst, 0, AREA);
}

/* the device is given back, in order, and opened anew */
static void closing(struct rig *r, const struct args *a)
{
	struct pending p;

	pending_open(r, &p);
	for (unsigned i = 0; i < 4; i++) {
		make_pending(r, &p);
		dev_close(r);
		dev_open(r);
		must("takes faults", fl_dev_faults(fl_cryptodev_dev(r->d)), true);
		still_works(r, &p);
	}
	pending_close(r, &p);
}

static void resetting(struct rig *r, const struct args *a)
{
	unsigned undone = 0;
	struct pending p;

	pending_open(r, &p);
	for (unsigned i = 0; i < 4; i++) {
		make_pending(r, &p);
		/* the driver would let queues run empty: so first behind its back */
		if (i & 1)
			must("FLR", fl_dev_reset(fl_cryptodev_dev(r->d)), 0);
		must("reset", fl_cryptodev_reset(r->d), 0);
		undone += all_back(r);
		still_works(r, &p);
	}
	between("requests that a reset ended", undone, 1, 4 * DEPTH);
	pending_close(r, &p);
}

static void stopping(struct rig *r, const struct args *a)
{
	struct pending p;

	pending_open(r, &p);
	for (unsigned i = 0; i < 3; i++) {
		make_pending(r, &p);
		must("stop", fl_cryptodev_stop(r->d), 0);
		(void)all_back(r);
		must("start", fl_cryptodev_start(r->d), 0);
		still_works(r, &p);
	}
	pending_close(r, &p);
}

/* the area that a device waits for is unmapped: those requests end as refused */
static void unmapping(struct rig *r, const struct args *a)
{
	struct pending p;
	uint64_t undone = 0;

	pending_open(r, &p);
	for (unsigned i = 0; i < 4; i++) {
		make_pending(r, &p);
		must("unmap", fl_dma_unmap(p.src.area), 0);
		r->lane[0].refused = r->lane[1].refused = 0;
		for (unsigned n = 0; n < DEPTH; n++)
			(void)lane_take(&r->lane[n & 1]);
		undone += r->lane[0].refused + r->lane[1].refused;
		must("map",
		     fl_dma_map(r->space, p.src.mem, &(struct fl_dma_opts){ .residency = FL_LAZY },
				&p.src.area),
		     0);
		still_works(r, &p);
	}
	between("requests that the unmap ended", undone, 1, 4 * DEPTH);
	pending_close(r, &p);
}

/* ---- for who kills it, or pulls the device out -------------------------------------------------
 */

/* says "pending" and waits for its end */
static void holding(struct rig *r, const struct args *a)
{
	struct pending p;

	pending_open(r, &p);
	make_pending(r, &p);
	puts("pending");
	for (;;) {
		/* where the kernel resolves them, there are always some */
		for (unsigned i = 0; i < DEPTH && r->kernel; i++) {
			struct lane *l = &r->lane[i & 1];

			(void)lane_take(l);
			if (i < 2)
				drop(r, &p.src, 0, AREA);
			lane_give(l, lane_op(l, i, &p.src, &p.dst, (i + DEPTH) * CHUNK, CHUNK));
		}
		if (!r->kernel)
			pause();
	}
}

/* gives the device back when the kernel asks for it, with requests under way */
static void leaving(struct rig *r, const struct args *a)
{
	uint64_t end = fl_now_ns() + 3 * SLOW;
	struct pending p;

	pending_open(r, &p);
	make_pending(r, &p);
	puts("pending");
	/* who polls resolves when it dispatches: so only when the kernel has something to say, or a
	 * second passed */
	while (!r->requests && !r->removed) {
		if (r->kernel) {
			struct lane *l = &r->lane[0];
			uint16_t n;
			struct fl_op *op;

			for (n = 0; fl_op_dequeue(l->qp, &op, 1); n++)
				lane_give(l, op);
			if (n)
				drop(r, &p.src, 0, AREA);
		}
		usleep(r->kernel ? 1000 : 500000);
		fl_ctx_dispatch(r->ctx, 0);
		if (!r->kernel && !r->requests && !r->removed) {
			struct fl_op *op;
			unsigned n = 0;

			for (unsigned q = 0; q < 2; q++)
				for (; fl_op_dequeue(r->lane[q].qp, &op, 1); n++)
					lane_give(&r->lane[q], op);
			if (n)
				drop(r, &p.src, 0, AREA);
		}
		if (fl_now_ns() > end)
			fail("nobody asked for the device");
	}
	printf("asked for: %u, gone: %u\n", r->requests, r->removed);
	r->errors = 0;
	pending_close(r, &p);
}

/* ---- memory that somebody holds back -----------------------------------------------------------
 */

/* A child has the descriptor, and answers nothing: what waits there waits for it. */
static pid_t hold_back(struct buf *b, uint64_t off, uint64_t len)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)b->va + off, len },
				       .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, 0), up[2];
	pid_t pid;
	char c;

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg) ||
	    pipe2(up, O_CLOEXEC))
		fail("userfaultfd: %s", strerror(errno));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		/* so that it has nothing else of ours, least of all mapped registers */
		execlp("sleep", "sleep", "100", NULL);
		_exit(1);
	}
	close(up[1]);
	if (pid < 0 || read(up[0], &c, 1))
		fail("fork: %s", strerror(errno));
	close(up[0]);
	close(fd);
	return pid;
}

static void let_go(pid_t pid)
{
	kill(pid, SIGKILL);
	must("waitpid", waitpid(pid, NULL, 0), pid);
}

/* Pages that never come: those requests end as refused, and nothing has to wait for them. */
static void held_back(struct rig *r, const struct args *a)
{
	struct buf src, dst;
	uint64_t t;
	pid_t pid;

	rig_open(r);
	buf_open(r, &src, AREA, OWN);
	buf_open(r, &dst, AREA, OWN);
	fill(&src, 0, MB, 1);
	for (unsigned i = 0; i < 2; i++) {
		t = fl_now_ns();
		pid = hold_back(&src, 8 * MB, MB);
		lane_give(&r->lane[1], lane_op(&r->lane[1], 0, &src, &dst, 8 * MB, CHUNK));
		usleep(100000);
		works(&r->lane[0], &src, &dst, 0, MB);
		must("status", lane_take(&r->lane[1])->status, FL_OP_FAULT);
		/* once more, and this time the device goes first */
		lane_give(&r->lane[1], lane_op(&r->lane[1], 0, &src, &dst, 8 * MB + CHUNK, CHUNK));
		usleep(100000);
		dev_close(r);
		between("ns that it took", fl_now_ns() - t, 0, SLOW);
		let_go(pid);
		dev_open(r);
		works(&r->lane[0], &src, &dst, 0, MB);
		drop(r, &src, 8 * MB, MB);
		fill(&src, 8 * MB, CHUNK, 2);
		works(&r->lane[1], &src, &dst, 8 * MB, CHUNK);
		drop(r, &src, 8 * MB, MB);
	}
	buf_close(&src);
	buf_close(&dst);
	rig_close(r);
}

/* The same for who kills it: says which process has to be killed later. */
static void held_back_for_ever(struct rig *r, const struct args *a)
{
	struct buf src, dst;
	pid_t pid;

	rig_open(r);
	buf_open(r, &src, AREA, OWN);
	buf_open(r, &dst, AREA, OWN);
	pid = hold_back(&src, 0, AREA);
	for (unsigned i = 0; i < DEPTH; i++)
		lane_give(&r->lane[i & 1],
			  lane_op(&r->lane[i & 1], i, &src, &dst, i * CHUNK, CHUNK));
	usleep(100000);
	printf("pending %d\n", (int)pid);
	for (;;)
		pause();
}

const struct named_case life_cases[] = {
	{ "close", closing },
	{ "reset", resetting },
	{ "stop", stopping },
	{ "unmap", unmapping },
	{ "hold", holding },
	{ "leave", leaving },
	{ "held-back", held_back },
	{ "held-back-for-ever", held_back_for_ever },
	{ NULL, NULL },
};
