/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that makes page requests, and its client at the other end of a socket pair, both turned
 * by hand. The device does jobs (read or write a range); one that meets a page that is not granted
 * asks for it and is parked, the others go on.
 */
#ifndef MODEL_PAGE_RIG_H
#define MODEL_PAGE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <server_internal.h>

#define PG	  4096ull
#define JOBS	  400u
#define TRIES_MAX 8u
#define AREA	  0x100000ull /* where the client's file is mapped, lazily */
#define AREA_LEN  (64 * PG)
#define PINNED	  0x800000ull
#define SECOND	  1000000000ull

enum job_state { JOB_NONE, JOB_NEW, JOB_PARKED, JOB_DONE, JOB_FAULT, JOB_FAILED };

struct job {
	enum job_state state;
	uint64_t iova;
	uint32_t len;
	unsigned prot, tries;
	bool copies;   /* does it by copies alone */
	uint8_t value; /* written, or found in the first byte that was read */
	fl_model_pr_t pr;
};

struct dev {
	struct fl_model *m;
	struct fl_model_tlb tlb;
	struct job job[JOBS];
	unsigned resets, quiesced;
	/* what the client takes away while the device has it in hand */
	void (*in_quiesce)(void *arg);
	void *arg;
};

static inline int dev_create(struct fl_model *m, struct fl_args *args, void **state)
{
	const struct fl_pci_id id = { .vendor = 0x1234, .device = 1, .class_code = 0x020000 };
	struct dev *d = calloc(1, sizeof(*d));

	fl_model_set_id(m, &id, 0);
	d->m = m;
	*state = d;
	return 0;
}

static inline void dev_reset(void *state)
{
	struct dev *d = state;

	for (unsigned i = 0; i < JOBS; i++) {
		if (d->job[i].state == JOB_PARKED)
			fl_model_page_forget(d->m, d->job[i].pr);
	}
	memset(d->job, 0, sizeof(d->job));
	d->resets++;
}

static inline uint64_t dev_read(void *state, unsigned bar, uint64_t off, unsigned size)
{
	return 0;
}

static inline void dev_write(void *state, unsigned bar, uint64_t off, unsigned size, uint64_t v)
{
}

/* 0, -EAGAIN (a page is missing) or -EFAULT */
static inline int dev_access(struct dev *d, struct job *j)
{
	uint8_t buf[4 * PG];
	uint8_t *p = NULL;
	int r;

	if (!j->copies)
		p = fl_model_dma(d->m, fl_model_iommu(d->m), &d->tlb, fl_iova(j->iova), j->len,
				 j->prot);
	if (p && j->prot & FL_DMA_WRITE)
		memset(p, j->value, j->len);
	else if (p)
		j->value = *p;
	if (p)
		return 0;
	memset(buf, j->value, sizeof(buf));
	assert_true(j->len <= sizeof(buf));
	if (j->prot & FL_DMA_WRITE)
		return fl_model_dma_write(d->m, fl_iova(j->iova), buf, j->len);
	r = fl_model_dma_read(d->m, fl_iova(j->iova), buf, j->len);
	if (!r)
		j->value = buf[0];
	return r;
}

static inline void dev_try(struct dev *d, struct job *j)
{
	int r = dev_access(d, j);

	if (r == -EAGAIN && ++j->tries > TRIES_MAX)
		r = -EIO;
	if (r == -EAGAIN)
		r = fl_model_page_request(d->m, fl_iova(j->iova), j->len, j->prot, &j->pr);
	if (r == -EAGAIN)
		j->tries--; /* not even asked */
	else if (r == -EIO)
		j->state = JOB_FAILED;
	else if (r)
		j->state = JOB_FAULT;
	else
		j->state = j->pr ? JOB_PARKED : JOB_DONE;
}

static inline unsigned dev_poll(void *state, uint64_t now)
{
	struct dev *d = state;

	for (unsigned i = 0; i < JOBS; i++) {
		struct job *j = &d->job[i];

		if (j->state == JOB_PARKED) {
			enum fl_model_pr_state s = fl_model_page_state(d->m, j->pr);

			if (s == FL_PR_WAITING)
				continue;
			j->pr = 0;
			j->state = s == FL_PR_SUCCESS	? JOB_NEW
				   : s == FL_PR_INVALID ? JOB_FAULT
							: JOB_FAILED;
		}
		if (j->state == JOB_NEW)
			dev_try(d, j);
	}
	return 0;
}

static inline void dev_quiesce(void *state)
{
	struct dev *d = state;

	d->quiesced++;
	if (d->in_quiesce)
		d->in_quiesce(d->arg);
}

static const struct fl_model_ops dev_ops = {
	.name = "pages",
	.create = dev_create,
	.destroy = free,
	.reset = dev_reset,
	.bar_read = dev_read,
	.bar_write = dev_write,
	.poll = dev_poll,
	.quiesce = dev_quiesce,
	.page_requests = true,
};

/* ---- the client ------------------------------------------------------------------------- */

static char said[1024];

static inline void keep_log(void *arg, enum fl_log_level level, const char *component,
			    const char *msg)
{
	if (level <= FL_LOG_WARN)
		snprintf(said, sizeof(said), "%s", msg);
}

struct rig {
	struct fl_engine *e;
	struct fl_model *m;
	struct dev *d;
	struct fl_model_stats st;
	int fd, file;
	uint8_t *mem; /* the file, as the client sees it */
	uint64_t now;
	uint16_t id;
};

/* The server looks at its socket so often, until all that was sent is taken in; the device has its
 * turn. A look is bounded in time, and on a busy machine may take in nothing but a message. */
static inline void turn_after(struct rig *r, unsigned looks)
{
	int unread = 1;

	for (; looks && unread; looks--) {
		fl_engine_sockets(r->e, 0);
		if (ioctl(r->fd, SIOCOUTQ, &unread))
			unread = 0;
	}
	r->now += 1000;
	fl_engine_round(r->e, r->now);
	if (r->m)
		fl_model_stats(r->m, &r->st);
}

static inline void turn(struct rig *r)
{
	turn_after(r, 200);
}

static inline void send_cmd(struct rig *r, unsigned cmd, uint32_t flags, const void *data,
			    uint32_t len, int fd)
{
	struct fl_vu_hdr h = { ++r->id, (uint16_t)cmd, (uint32_t)sizeof(h) + len, flags, 0 };
	struct iovec iov[] = { { &h, sizeof(h) }, { (void *)(uintptr_t)data, len } };
	char space[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };

	if (fd >= 0) {
		struct cmsghdr *c = (struct cmsghdr *)space;

		mh.msg_control = space;
		mh.msg_controllen = sizeof(space);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	assert_int_equal(sendmsg(r->fd, &mh, MSG_NOSIGNAL), h.size);
}

/* Sends a command and has it served; the errno of its reply, or 0. */
static inline int ask(struct rig *r, unsigned cmd, const void *data, uint32_t len, int fd)
{
	struct fl_vu_hdr h;
	uint8_t rest[1024];

	send_cmd(r, cmd, 0, data, len, fd);
	fl_engine_sockets(r->e, 0);
	assert_int_equal(recv(r->fd, &h, sizeof(h), MSG_DONTWAIT), sizeof(h));
	assert_int_equal(h.id, r->id);
	assert_int_equal(h.cmd, cmd);
	assert_true(h.size - sizeof(h) <= sizeof(rest));
	if (h.size > sizeof(h))
		assert_int_equal(recv(r->fd, rest, h.size - sizeof(h), MSG_DONTWAIT),
				 h.size - sizeof(h));
	return h.flags & FL_VU_F_ERROR ? fl_vu_error(&h) : 0;
}

static inline int range_cmd(struct rig *r, unsigned cmd, uint64_t iova, uint64_t len, unsigned prot,
			    uint32_t flags)
{
	struct fl_vu_page_range a = { iova, len, prot, flags };

	return ask(r, cmd, &a, sizeof(a), -1);
}

static inline int map(struct rig *r, uint64_t iova, uint64_t len, uint32_t flags, int fd)
{
	struct fl_vu_dma_map a = { sizeof(a), flags, 0, iova, len };

	return ask(r, FL_VU_DMA_MAP, &a, sizeof(a), fd);
}

static inline int unmap(struct rig *r, uint64_t iova, uint64_t len)
{
	struct fl_vu_dma_unmap a = { sizeof(a), 0, iova, len };

	return ask(r, FL_VU_DMA_UNMAP, &a, sizeof(a), -1);
}

static inline int invalidate(struct rig *r, uint64_t iova, uint64_t len)
{
	return range_cmd(r, FL_VU_PAGE_INVALIDATE, iova, len, 0, 0);
}

static inline void grant(struct rig *r, uint64_t iova, uint64_t len, unsigned prot)
{
	struct fl_vu_page_range a = { iova, len, prot, 0 };

	send_cmd(r, FL_VU_PAGE_GRANT, FL_VU_F_NO_REPLY, &a, sizeof(a), -1);
}

static inline void respond(struct rig *r, uint32_t group, uint32_t code)
{
	struct fl_vu_page_response a = { group, code };

	send_cmd(r, FL_VU_PAGE_RESPONSE, FL_VU_F_NO_REPLY, &a, sizeof(a), -1);
}

/* A request that has come; false = none. */
static inline bool next_request(struct rig *r, struct fl_vu_page_request *out)
{
	struct fl_page_msg msg;
	ssize_t n = recv(r->fd, &msg, sizeof(msg), MSG_DONTWAIT);

	if (n <= 0)
		return false;
	assert_int_equal(n, sizeof(msg));
	assert_int_equal(msg.hdr.cmd, FL_VU_PAGE_REQUEST);
	assert_int_equal(msg.hdr.flags, FL_VU_COMMAND | FL_VU_F_NO_REPLY);
	assert_int_equal(msg.req.flags, FL_VU_PAGE_F_LAST);
	assert_int_not_equal(msg.req.group, 0);
	*out = msg.req;
	return true;
}

static inline struct fl_vu_page_request request(struct rig *r)
{
	struct fl_vu_page_request q = { 0 };

	assert_true(next_request(r, &q));
	return q;
}

static inline bool asked(struct rig *r)
{
	struct fl_vu_page_request q;

	return next_request(r, &q);
}

/* The server ended the connection, for that reason. */
static inline void assert_cut_off(struct rig *r, const char *why)
{
	char b;

	turn(r);
	fl_engine_sockets(r->e, 0);
	assert_int_equal(recv(r->fd, &b, 1, MSG_DONTWAIT), 0);
	assert_non_null(strstr(said, why));
}

static inline struct job *job(struct rig *r, unsigned n, uint64_t iova, uint32_t len, unsigned prot)
{
	struct job *j = &r->d->job[n];

	*j = (struct job){ JOB_NEW, iova, len, prot, .value = (uint8_t)(n + 1) };
	return j;
}

static inline int handshake(struct rig *r, const char *json)
{
	uint8_t buf[256] = { 0, 0, FL_VU_MINOR, 0 };

	snprintf((char *)buf + 4, sizeof(buf) - 4, "%s", json);
	return ask(r, FL_VU_VERSION, buf, 4 + (uint32_t)strlen(json) + 1, -1);
}

static inline void rig_connect(struct rig *r, const char *json)
{
	const uint32_t master = 4;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(fl_engine_add_ops(r->e, &dev_ops, NULL, NULL, sv[0], 0, &r->m), 0);
	r->fd = sv[1];
	r->d = r->m->state;
	assert_int_equal(fl_model_region(r->m, 7, 4, (void *)(uintptr_t)&master, 4, true), 0);
	turn(r);
	assert_int_equal(handshake(r, json), 0);
	r->d->quiesced = 0;
}

#define WITH_PAGES "{\"capabilities\":{\"x_page_requests\":{\"max\":64}}}"

/* One lazy area and one pinned, of one file. */
static inline int rig_setup(void **state)
{
	static const struct fl_log log = { .write = keep_log, .level = FL_LOG_INFO };
	const struct fl_engine_opts o = { .log = &log, .cpu = -1 };
	struct rig *r = calloc(1, sizeof(*r));

	r->now = fl_now_ns();
	r->file = memfd_create("pages", MFD_CLOEXEC);
	assert_int_equal(ftruncate(r->file, (off_t)AREA_LEN), 0);
	r->mem = mmap(NULL, AREA_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, r->file, 0);
	assert_ptr_not_equal(r->mem, MAP_FAILED);
	for (unsigned i = 0; i < AREA_LEN / PG; i++)
		r->mem[i * PG] = (uint8_t)(0x80 + i);
	assert_int_equal(fl_engine_new(&o, false, &r->e), 0);
	rig_connect(r, WITH_PAGES);
	assert_int_equal(map(r, AREA, AREA_LEN, FL_DMA_RW | FL_VU_DMA_F_LAZY, r->file), 0);
	assert_int_equal(map(r, PINNED, AREA_LEN, FL_DMA_RW, r->file), 0);
	*state = r;
	return 0;
}

static inline int rig_teardown(void **state)
{
	struct rig *r = *state;

	fl_engine_destroy(r->e);
	munmap(r->mem, AREA_LEN);
	close(r->file);
	close(r->fd);
	free(r);
	return 0;
}

#endif
