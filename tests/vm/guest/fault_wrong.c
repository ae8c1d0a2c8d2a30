/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vm-fault: who resolves does it wrong. With iommufd the process answers page requests, so here it
 * takes them from the library's fault queue and says what is not so: that pages came which did
 * not, answers that nobody waits for, answers from before a reset, or none. A device survives
 * that, and so does the kernel.
 */
#include "fault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <kernel_abi.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEN	(4 * CHUNK)
#define ENDS	20000000000ull
#define ASKED	200u /* times, before a device gives up a page that is said to be there */
#define COOKIES 64u

struct wrong {
	struct buf src, dst;
	int fd; /* the fault queue */
	unsigned seen, answered;
	uint32_t cookie[COOKIES], n; /* asked for and not answered */
};

static int fault_queue(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	int fd = -1;

	while (d && fd < 0 && (e = readdir(d))) {
		char to[64];
		ssize_t n = readlinkat(dirfd(d), e->d_name, to, sizeof(to) - 1);

		to[n > 0 ? n : 0] = '\0';
		if (!strncmp(to, "anon_inode:[iommufd-", 20) && strstr(to, "fault"))
			fd = atoi(e->d_name);
	}
	if (fd < 0)
		fail("no fault queue of an iommufd");
	closedir(d);
	return fd;
}

static void wrong_open(struct rig *r, struct wrong *w)
{
	*w = (struct wrong){ 0 };
	r->polls = true; /* nobody else serves the queue */
	rig_open(r);
	buf_open(r, &w->src, LEN, OWN);
	buf_open(r, &w->dst, LEN, OWN);
	fill(&w->src, 0, LEN, 1);
	w->fd = fault_queue();
}

/* the library resolves again, and all is as it should be */
static void wrong_close(struct rig *r, struct wrong *w)
{
	works(&r->lane[0], &w->src, &w->dst, 0, LEN);
	works(&r->lane[1], &w->src, &w->dst, 0, LEN);
	buf_close(&w->src);
	buf_close(&w->dst);
	rig_close(r);
}

/* takes what is asked for now */
static void take(struct wrong *w)
{
	struct fl_abi_pgfault rec[COOKIES];
	struct pollfd p = { .fd = w->fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, 1) <= 0)
		return;
	n = read(w->fd, rec, sizeof(rec));
	if (n < 0 && errno != EAGAIN)
		fail("fault queue: %s", strerror(errno));
	for (ssize_t i = 0; i < n / (ssize_t)sizeof(rec[0]) && w->n < COOKIES; i++) {
		w->cookie[w->n++] = rec[i].cookie;
		w->seen++;
	}
}

/* whether the kernel took it */
static bool say(struct wrong *w, uint32_t cookie, uint32_t code)
{
	struct fl_abi_page_response a = { cookie, code };

	return write(w->fd, &a, sizeof(a)) == sizeof(a);
}

static void say_all(struct wrong *w, uint32_t code)
{
	for (unsigned i = 0; i < w->n; i++)
		w->answered += say(w, w->cookie[i], code);
	w->n = 0;
}

/* answers all so until the request ends; its status */
static enum fl_op_status answer(struct rig *r, struct wrong *w, uint32_t code)
{
	uint64_t end = fl_now_ns() + ENDS;
	struct fl_op *op;

	lane_give(&r->lane[0], lane_op(&r->lane[0], 0, &w->src, &w->dst, 0, PAGE));
	while (!fl_op_dequeue(r->lane[0].qp, &op, 1)) {
		take(w);
		say_all(w, code);
		if (fl_now_ns() > end)
			fail("the request does not end; %u were asked for", w->seen);
	}
	return op->status;
}

/* what is said to have come, again and again: an end, and no hang */
static void lies(struct rig *r, const struct args *a)
{
	struct wrong w;

	wrong_open(r, &w);
	must("status", answer(r, &w, FL_IOMMU_PAGE_SUCCESS), FL_OP_FAULT);
	printf("%u asked for, %u answered\n", w.seen, w.answered);
	between("page requests", w.seen, 3, ASKED);
	must("answers taken", w.answered, w.seen);
	wrong_close(r, &w);
}

static void refuses(struct rig *r, const struct args *a)
{
	struct wrong w;

	wrong_open(r, &w);
	must("status", answer(r, &w, FL_IOMMU_PAGE_INVALID), FL_OP_FAULT);
	between("page requests", w.seen, 1, 4);
	wrong_close(r, &w);
}

/* numbers that were never given out, and codes that there are not; then what is right */
static void makes_up(struct rig *r, const struct args *a)
{
	uint64_t end = fl_now_ns() + ENDS;
	struct wrong w;

	wrong_open(r, &w);
	lane_give(&r->lane[0], lane_op(&r->lane[0], 0, &w.src, &w.dst, 0, PAGE));
	while (!w.n && fl_now_ns() < end)
		take(&w);
	between("page requests", w.n, 1, 4);
	for (uint32_t c = 1000; c < 1100; c++)
		must("an answer with a number of nobody's", say(&w, c, FL_IOMMU_PAGE_SUCCESS), 0);
	must("an answer with a code of nobody's", say(&w, w.cookie[0], 77), 0);
	must("an answer", say(&w, w.cookie[0], FL_IOMMU_PAGE_INVALID), 1);
	must("the same again", say(&w, w.cookie[0], FL_IOMMU_PAGE_SUCCESS), 0);
	for (unsigned i = 1; i < w.n; i++)
		must("an answer", say(&w, w.cookie[i], FL_IOMMU_PAGE_INVALID), 1);
	must("status", lane_take(&r->lane[0])->status, FL_OP_FAULT);
	wrong_close(r, &w);
}

/* Held until the device was reset by its end: the kernel answers then, and what comes from here is
 * nobody's, whatever the device that came after has asked for. */
static void too_late(struct rig *r, const struct args *a)
{
	uint64_t end = fl_now_ns() + ENDS;
	struct wrong w;

	wrong_open(r, &w);
	for (unsigned i = 0; i < DEPTH; i++)
		lane_give(&r->lane[i & 1],
			  lane_op(&r->lane[i & 1], i, &w.src, &w.dst, i % 4 * CHUNK, PAGE));
	while (w.n < 4 && fl_now_ns() < end)
		take(&w);
	between("page requests", w.n, 2, COOKIES);
	printf("%u held\n", w.n);
	dev_close(r);
	w.answered = 0;
	say_all(&w, FL_IOMMU_PAGE_SUCCESS);
	must("answers taken after the end", w.answered, 0);
	dev_open(r);
	w.fd = fault_queue();
	wrong_close(r, &w);
}

const struct named_case wrong_cases[] = {
	{ "lies", lies },	  { "refuses", refuses }, { "makes-up", makes_up },
	{ "too-late", too_late }, { NULL, NULL },
};
