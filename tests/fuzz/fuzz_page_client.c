/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page requests that a client takes, in any bytes. The link is one that was negotiated well and
 * has a lazy area. An input is a list of steps, each a byte of what to do (bits 0-2) and with what
 * (the others), then what that takes:
 *   0  a request: u8 page, u8 pages, u8 group, u8 permission and flags
 *   1  a request's message with a body of any 24 bytes
 *   2  u8 length, that many bytes as they are
 *   3  the client dispatches
 *   4  the client grants pages unasked: u8 page, u8 pages
 *   5  it takes pages back: u8 page, u8 pages; bit 3: the reply is an error, bit 4: too long
 *   6  it turns the area, or (bit 3) unmaps it and maps it again
 *   7  it resets the device, and what was sent so far is found in the midst of that
 * All that the client sends is looked at: answers to what was asked alone, grants in the area
 * alone.
 */
#include "vfio_internal.h"

#include <fl_residency.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define IOVA  0x10000000ull
#define PAGES 64u

static const struct fl_log silent;
static struct fl_dma_space *space;
static struct fl_mem *memory;
static struct fl_dma_area *area;

struct run {
	const uint8_t *p;
	size_t left;
	struct fl_vfio_dev *d;
	int fd, ask; /* the server's ends */
	bool closed[256], granted[PAGES];
	bool any; /* what was asked cannot be told */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static uint8_t byte(struct run *r)
{
	if (!r->left)
		return 0;
	r->left--;
	return *r->p++;
}

static void bytes(struct run *r, void *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)to)[i] = byte(r);
}

static void prepare(void)
{
	const struct fl_mem_opts mo = { .kind = FL_MEM_MEMFD, .node = -1 };

	must(!fl_dma_space_create(&silent, &space) &&
	     !fl_mem_alloc((uint64_t)PAGES * FL_VU_PAGE, &mo, &memory));
}

static void map_area(void)
{
	const struct fl_dma_opts o = { .residency = FL_LAZY, .iova = { IOVA } };

	must(!fl_dma_map(space, memory, &o, &area));
}

/* ---- the server --------------------------------------------------------------------------- */

/* A reply that the client will find when it has sent its command. */
static void reply(struct run *r, uint16_t id, uint16_t cmd, const void *body, size_t len)
{
	uint8_t buf[512];
	struct fl_vu_hdr h = { id, cmd, (uint32_t)(sizeof(h) + len), FL_VU_REPLY, 0 };

	memcpy(buf, &h, sizeof(h));
	if (len)
		memcpy(buf + sizeof(h), body, len);
	must(send(r->fd, buf, h.size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)h.size);
}

static uint16_t next_id(const struct run *r)
{
	return ((const struct fl_vu *)r->d)->next_id;
}

static void reply_version(struct run *r)
{
	static const char json[] =
		"{\"capabilities\":{\"twin_socket\":{\"supported\":true,\"fd_index\":0},"
		"\"x_page_requests\":{\"max\":8}}}";
	struct {
		struct fl_vu_hdr h;
		struct fl_vu_version v;
		char json[sizeof(json)];
	} m = { { 0, FL_VU_VERSION, sizeof(m), FL_VU_REPLY, 0 }, { 0, 1 }, "" };
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} ctl = { 0 };
	struct iovec iov = { &m, sizeof(m) };
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof(ctl)
	};
	int sv[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	memcpy(m.json, json, sizeof(json));
	m.h.size = offsetof(typeof(m), json) + sizeof(json);
	iov.iov_len = m.h.size;
	ctl.h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(&ctl.h), &sv[1], sizeof(int));
	must(sendmsg(r->fd, &mh, MSG_NOSIGNAL) == (ssize_t)m.h.size);
	close(sv[1]);
	r->ask = sv[0];
}

/* What the client sent: it must be what a good one sends. */
static void look_at(struct run *r, const struct fl_vu_hdr *h, const uint8_t *body)
{
	struct fl_vu_page_response resp;
	struct fl_vu_page_range g;

	if (h->cmd == FL_VU_PAGE_RESPONSE) {
		memcpy(&resp, body, sizeof(resp));
		must(h->size == sizeof(*h) + sizeof(resp) && h->flags == FL_VU_F_NO_REPLY &&
		     resp.code <= FL_VU_PAGE_FAILURE);
		must(r->any || (resp.group < 256 && r->closed[resp.group]));
		if (resp.group < 256)
			r->closed[resp.group] = false;
	} else if (h->cmd == FL_VU_PAGE_GRANT) {
		memcpy(&g, body, sizeof(g));
		must(h->size == sizeof(*h) + sizeof(g) && h->flags == FL_VU_F_NO_REPLY);
		must(g.len && !((g.iova | g.len) % FL_VU_PAGE) && g.iova >= IOVA &&
		     g.iova - IOVA + g.len <= PAGES * FL_VU_PAGE && g.prot && g.prot <= FL_DMA_RW);
		for (uint64_t i = 0; i < g.len / FL_VU_PAGE; i++)
			r->granted[(g.iova - IOVA) / FL_VU_PAGE + i] = true;
	}
}

static void look(struct run *r)
{
	static uint8_t buf[1 << 16];
	struct fl_vu_hdr h;
	ssize_t n;

	/* one read ends where a file descriptor came along */
	while ((n = recv(r->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		for (ssize_t at = 0; at < n; at += h.size) {
			must(n - at >= (ssize_t)sizeof(h));
			memcpy(&h, buf + at, sizeof(h));
			must(h.size >= sizeof(h) && h.size <= (size_t)(n - at));
			look_at(r, &h, buf + at + sizeof(h));
		}
	}
}

static void ask(struct run *r, bool raw)
{
	struct {
		struct fl_vu_hdr h;
		struct fl_vu_page_request q;
	} m = { { 0, FL_VU_PAGE_REQUEST, sizeof(m), FL_VU_F_NO_REPLY, 0 }, { 0 } };
	uint8_t how;

	if (raw) {
		bytes(r, &m.q, sizeof(m.q));
		r->any = true;
	} else {
		m.q.iova = IOVA + (byte(r) % (PAGES + 2) - 1) * FL_VU_PAGE;
		m.q.len = byte(r) % (PAGES + 1) * FL_VU_PAGE;
		m.q.group = byte(r);
		how = byte(r);
		m.q.prot = how & FL_DMA_RW;
		m.q.flags = how >> 2 & 3;
		if (m.q.flags & FL_VU_PAGE_F_LAST)
			r->closed[m.q.group] = true;
	}
	(void)!send(r->ask, &m, sizeof(m), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void raw(struct run *r)
{
	uint8_t buf[256];
	size_t len = byte(r);

	bytes(r, buf, len);
	r->any = true;
	(void)!send(r->ask, buf, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* ---- the client --------------------------------------------------------------------------- */

/* The reply to a command that is not sent would be a rule broken: nothing to take, nothing sent. */
static void take_back(struct run *r, unsigned how, uint64_t first, uint64_t n)
{
	static const uint8_t some[8];
	struct fl_vu_hdr h = { next_id(r), FL_VU_PAGE_INVALIDATE, sizeof(h),
			       FL_VU_REPLY | FL_VU_F_ERROR, EINVAL };
	bool any = false;

	for (uint64_t i = first; i < first + n; i++) {
		any |= r->granted[i];
		r->granted[i] = false;
	}
	if (any && how & 1)
		(void)!send(r->fd, &h, sizeof(h), MSG_NOSIGNAL);
	else if (any)
		reply(r, next_id(r), FL_VU_PAGE_INVALIDATE, some, how & 2 ? sizeof(some) : 0);
	must(!fl_mem_revoke(area, first * FL_VU_PAGE, n * FL_VU_PAGE));
	must(r->d->removed == (any && how & 3));
}

static void turn(struct run *r, bool unmap)
{
	struct fl_vu_dma_unmap un = { sizeof(un), 0, IOVA, PAGES * FL_VU_PAGE };
	bool lazy = area->residency == FL_LAZY;

	memset(r->granted, 0, sizeof(r->granted));
	if (!unmap) {
		reply(r, next_id(r), FL_VU_AREA_CONVERT, NULL, 0);
		must(!fl_mem_convert(area, lazy ? FL_PINNED : FL_LAZY));
		return;
	}
	reply(r, next_id(r), FL_VU_DMA_UNMAP, &un, sizeof(un));
	must(!fl_dma_unmap(area));
	reply(r, next_id(r), FL_VU_DMA_MAP, NULL, 0);
	map_area();
}

static void step(struct run *r)
{
	uint8_t what = byte(r);
	uint64_t first, n;

	switch (what & 7) {
	case 0:
	case 1:
		ask(r, what & 1);
		break;
	case 2:
		raw(r);
		break;
	case 3:
		(void)r->d->ops->dispatch(r->d);
		break;
	case 4:
	case 5:
		first = byte(r) % PAGES;
		n = byte(r) % (PAGES - first) + 1;
		if (area->residency == FL_PINNED)
			break;
		if (what & 1)
			take_back(r, what >> 3, first, n);
		else
			must(!fl_mem_prefault(area, first * FL_VU_PAGE, n * FL_VU_PAGE,
					      what & 8 ? FL_PREFAULT_WRITE : FL_PREFAULT_READ));
		break;
	case 6:
		turn(r, what & 8);
		break;
	case 7:
		reply(r, next_id(r), FL_VU_DEVICE_RESET, NULL, 0);
		(void)r->d->ops->reset(r->d);
	}
	look(r);
}

/* What the space thinks that the device can reach is what the device was told. */
static void compare(const struct run *r)
{
	struct fl_residency_stats st;
	uint64_t n = 0;

	for (unsigned i = 0; i < PAGES; i++)
		n += r->granted[i];
	fl_mem_residency_stats(area, &st);
	must(area->residency == FL_PINNED || st.mapped_bytes == n * FL_VU_PAGE);
}

static bool open_link(struct run *r)
{
	struct fl_vu_device_info info = { sizeof(info), FL_VU_DEVICE_F_PCI | FL_VU_DEVICE_F_RESET,
					  0, 0 };
	int sv[2];

	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv));
	r->fd = sv[1];
	reply_version(r);
	reply(r, 1, FL_VU_DEVICE_GET_INFO, &info, sizeof(info));
	reply(r, 2, FL_VU_DMA_MAP, NULL, 0);
	return !fl_vfio_user_open(space, NULL, sv[0], true, &silent, &r->d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run r = { .p = data, .left = size };

	if (!space)
		prepare();
	map_area();
	must(open_link(&r));
	must(r.d->faults);
	for (unsigned i = 0; i < 64 && r.left && !r.d->removed; i++) {
		step(&r);
		if (!r.d->removed)
			compare(&r);
	}
	for (unsigned i = 0; i < 8; i++)
		(void)r.d->ops->dispatch(r.d);
	look(&r);
	/* all that was asked for in good order has its answer */
	for (unsigned i = 0; i < 256 && !r.any && !r.d->removed; i++)
		must(!r.closed[i]);
	/* the hang-up comes before it waits for a reply that nobody sends */
	close(r.fd);
	close(r.ask);
	r.d->ops->close(r.d);
	must(!fl_dma_unmap(area));
	return 0;
}
