/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For tests of page requests, the client's side: a server that does what each test says. It takes
 * what comes in a thread of its own and keeps it in order; what it asks the test sends by itself.
 * Programs are linked with --wrap=fl_dma_fault, so that faults can be held while they are resolved.
 */
#ifndef PAGE_RIG_H
#define PAGE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fl_residency.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vfio_internal.h"

#define TIMEOUT_MS 1200u
#define LATE_MS	   200u
#define IOVA	   0x10000000ull
#define PAGE	   4096ull
#define PAGES	   2048u
#define EVENTS	   65536u

/* ---- the server --------------------------------------------------------------------------- */

struct event {
	uint16_t cmd;
	uint32_t flags;
	bool fd;
	union {
		struct fl_vu_dma_map map;
		struct fl_vu_page_range range;
		struct fl_vu_page_response resp;
	};
};

enum reply_how { AS_USUAL, LATE, NEVER, REFUSED, TOO_LONG, OTHER_ID };

struct server {
	int fd, ask_fd; /* ask_fd: the twin's, or fd */
	int listen_fd;
	const char *caps;
	bool twin;
	enum reply_how invalidate; /* how PAGE_INVALIDATE is answered */
	void (*on_reset)(struct server *s);
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	/* held by the lock */
	struct event *log;
	unsigned n;
	bool gone;
};

/* Where cmocka's cannot be used: in another thread. */
static inline void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "the server: %s\n", what);
	abort();
}

static inline void put(int fd, const void *p, size_t len, int with_fd)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} ctl = { 0 };
	struct iovec iov = { (void *)(uintptr_t)p, len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (with_fd >= 0) {
		m.msg_control = &ctl;
		m.msg_controllen = sizeof(ctl);
		ctl.h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
					  .cmsg_level = SOL_SOCKET,
					  .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&ctl.h), &with_fd, sizeof(int));
	}
	(void)!sendmsg(fd, &m, MSG_NOSIGNAL);
}

static inline void reply(struct server *s, const struct fl_vu_hdr *h, const void *body, size_t len,
			 int with_fd)
{
	uint8_t buf[1024];
	struct fl_vu_hdr r = { h->id, h->cmd, (uint32_t)(sizeof(r) + len), FL_VU_REPLY, 0 };

	memcpy(buf, &r, sizeof(r));
	if (len)
		memcpy(buf + sizeof(r), body, len);
	put(s->fd, buf, sizeof(r) + len, with_fd);
}

static inline void reply_error(struct server *s, const struct fl_vu_hdr *h, uint32_t error)
{
	struct fl_vu_hdr r = { h->id, h->cmd, sizeof(r), FL_VU_REPLY | FL_VU_F_ERROR, error };

	put(s->fd, &r, sizeof(r), -1);
}

static inline void reply_version(struct server *s, const struct fl_vu_hdr *h)
{
	struct {
		struct fl_vu_version v;
		char json[512];
	} r = { { 0, 1 }, "" };
	int sv[2] = { -1, -1 };

	if (s->twin) {
		must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), "no socket pair");
		s->ask_fd = sv[0];
	} else {
		s->ask_fd = s->fd;
	}
	snprintf(r.json, sizeof(r.json), "{\"capabilities\":{\"max_msg_fds\":8%s%s}}", s->caps,
		 s->twin ? ",\"twin_socket\":{\"supported\":true,\"fd_index\":0}" : "");
	reply(s, h, &r, sizeof(r.v) + strlen(r.json) + 1, sv[1]);
	if (sv[1] >= 0)
		close(sv[1]);
}

static inline void reply_invalidate(struct server *s, struct fl_vu_hdr *h)
{
	static const uint8_t eight[8];

	if (s->invalidate == LATE)
		usleep(LATE_MS * 1000);
	if (s->invalidate == NEVER)
		return;
	if (s->invalidate == REFUSED) {
		reply_error(s, h, EINVAL);
		return;
	}
	h->id = (uint16_t)(h->id + (s->invalidate == OTHER_ID));
	reply(s, h, eight, s->invalidate == TOO_LONG ? sizeof(eight) : 0, -1);
}

static inline void handle(struct server *s, struct fl_vu_hdr *h, const uint8_t *body)
{
	struct fl_vu_device_info info = { sizeof(info), FL_VU_DEVICE_F_PCI | FL_VU_DEVICE_F_RESET,
					  0, 0 };

	switch (h->cmd) {
	case FL_VU_VERSION:
		reply_version(s, h);
		break;
	case FL_VU_DEVICE_GET_INFO:
		reply(s, h, &info, sizeof(info), -1);
		break;
	case FL_VU_DMA_UNMAP:
		reply(s, h, body, sizeof(struct fl_vu_dma_unmap), -1);
		break;
	case FL_VU_PAGE_INVALIDATE:
		reply_invalidate(s, h);
		break;
	case FL_VU_DEVICE_RESET:
		if (s->on_reset)
			s->on_reset(s);
		reply(s, h, NULL, 0, -1);
		break;
	case FL_VU_DMA_MAP:
	case FL_VU_AREA_CONVERT:
		reply(s, h, NULL, 0, -1);
		break;
	default:
		must(h->flags & FL_VU_F_NO_REPLY, "a command that was not expected");
	}
}

static inline void keep_event(struct server *s, const struct fl_vu_hdr *h, const uint8_t *body,
			      bool fd)
{
	struct event e = { .cmd = h->cmd, .flags = h->flags, .fd = fd };

	memcpy(&e.map, body, sizeof(e.map));
	pthread_mutex_lock(&s->lock);
	must(s->n < EVENTS, "too many messages");
	s->log[s->n++] = e;
	pthread_cond_broadcast(&s->more);
	pthread_mutex_unlock(&s->lock);
}

/* One message; what comes with it is closed. */
static inline bool take(struct server *s)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} ctl;
	struct fl_vu_hdr h;
	struct iovec iov = { &h, sizeof(h) };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof(ctl)
	};
	uint8_t body[1024] = { 0 };
	struct cmsghdr *c;
	int fd = -1;

	if (recvmsg(s->fd, &m, MSG_CMSG_CLOEXEC | MSG_WAITALL) != sizeof(h))
		return false;
	c = CMSG_FIRSTHDR(&m);
	if (c)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	must(h.size - sizeof(h) <= sizeof(body), "a long message");
	if (h.size > sizeof(h) &&
	    recv(s->fd, body, h.size - sizeof(h), MSG_WAITALL) != (ssize_t)(h.size - sizeof(h)))
		return false;
	if (fd >= 0)
		close(fd);
	keep_event(s, &h, body, fd >= 0);
	handle(s, &h, body);
	return true;
}

static inline void close_link(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	if (s->ask_fd >= 0 && s->ask_fd != s->fd)
		close(s->ask_fd);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = s->ask_fd = -1;
	s->gone = true;
	pthread_cond_broadcast(&s->more);
	pthread_mutex_unlock(&s->lock);
}

static inline void *server_main(void *arg)
{
	struct server *s = arg;

	do {
		if (s->listen_fd >= 0)
			s->fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (s->fd < 0)
			break;
		pthread_mutex_lock(&s->lock);
		s->gone = false;
		pthread_mutex_unlock(&s->lock);
		while (take(s))
			;
		close_link(s);
	} while (s->listen_fd >= 0);
	return NULL;
}

#define PAGE_REQUESTS(max) ",\"x_page_requests\":{\"max\":" max "}"

static inline struct server *server_new(void)
{
	struct server *s = calloc(1, sizeof(*s));

	s->log = calloc(EVENTS, sizeof(*s->log));
	assert_non_null(s->log);
	s->fd = s->ask_fd = s->listen_fd = -1;
	s->caps = PAGE_REQUESTS("64");
	s->twin = true;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->more, NULL);
	return s;
}

/* The client has hung up, or does when this says so. */
static inline void server_end(struct server *s)
{
	if (s->listen_fd >= 0)
		shutdown(s->listen_fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close_link(s);
	if (s->listen_fd >= 0)
		close(s->listen_fd);
	free(s->log);
	free(s);
}

/* ---- the fixture -------------------------------------------------------------------------- */

struct link {
	struct server *s;
	struct fl_vfio_dev *d;
	unsigned seen; /* of the server's log */
};

struct fix {
	struct fl_dma_space *space;
	struct link a, b;
	struct fl_mem *mem;
	struct fl_dma_area *area;
	bool polls;
	pthread_mutex_t text_lock;
	char text[4096];
	struct fl_log log;
};

static inline void keep_text(void *arg, enum fl_log_level level, const char *component,
			     const char *msg)
{
	struct fix *f = arg;
	size_t n;

	pthread_mutex_lock(&f->text_lock);
	n = strlen(f->text);
	snprintf(f->text + n, sizeof(f->text) - n, "%s\n", msg);
	pthread_mutex_unlock(&f->text_lock);
}

static inline bool said(struct fix *f, const char *words)
{
	bool ok;

	pthread_mutex_lock(&f->text_lock);
	ok = strstr(f->text, words);
	if (!ok)
		print_message("nobody said \"%s\", but: %s\n", words, f->text);
	pthread_mutex_unlock(&f->text_lock);
	return ok;
}

static inline int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	pthread_mutex_init(&f->text_lock, NULL);
	f->log = (struct fl_log){ keep_text, f, FL_LOG_WARN };
	f->a.s = server_new();
	*state = f;
	return fl_dma_space_create(&f->log, &f->space);
}

static inline int open_link(struct fix *f, struct link *l)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	l->s->fd = sv[1];
	assert_int_equal(pthread_create(&l->s->thread, NULL, server_main, l->s), 0);
	return fl_vu_open(f->space, NULL, sv[0], f->polls, &f->log, TIMEOUT_MS, &l->d);
}

static inline void hang_up(struct link *l)
{
	pthread_mutex_lock(&l->s->lock);
	if (l->s->fd >= 0)
		shutdown(l->s->fd, SHUT_RDWR);
	pthread_mutex_unlock(&l->s->lock);
}

static inline void close_client(struct link *l)
{
	if (l->d)
		l->d->ops->close(l->d);
	l->d = NULL;
}

static inline int teardown(void **state)
{
	struct fix *f = *state;
	struct link *links[] = { &f->a, &f->b };

	for (unsigned i = 0; i < 2; i++) {
		close_client(links[i]);
		if (links[i]->s)
			server_end(links[i]->s);
	}
	if (f->area)
		assert_int_equal(fl_dma_unmap(f->area), 0);
	if (f->mem)
		fl_mem_free(f->mem);
	assert_int_equal(fl_dma_space_destroy(f->space), 0);
	free(f);
	return 0;
}

static inline void map_lazy(struct fix *f, enum fl_mem_kind kind, unsigned prot)
{
	struct fl_mem_opts mo = { .kind = kind, .node = -1 };
	struct fl_dma_opts o = { .residency = FL_LAZY, .prot = prot, .iova = { IOVA } };

	assert_int_equal(fl_mem_alloc(PAGES * PAGE, &mo, &f->mem), 0);
	assert_int_equal(fl_dma_map(f->space, f->mem, &o, &f->area), 0);
}

/* A link, a lazy area, and one page for each fault. */
static inline void start(struct fix *f)
{
	const struct fl_residency_opts r = { .fault_around = 1 };

	assert_int_equal(fl_dma_residency_set(f->space, &r), 0);
	assert_int_equal(open_link(f, &f->a), 0);
	map_lazy(f, FL_MEM_MEMFD, FL_DMA_RW);
}

static inline struct fl_residency_stats stats(struct fix *f)
{
	struct fl_residency_stats st;

	fl_dma_residency_stats(f->space, &st);
	return st;
}

/* The next that the client sent; cmd 0: nothing for that long, or it is gone. */
static inline struct event next_within(struct link *l, unsigned ms)
{
	struct event e = { 0 };
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += (t.tv_nsec / 1000000 + ms) / 1000;
	t.tv_nsec = (t.tv_nsec + ms % 1000 * 1000000) % 1000000000;
	pthread_mutex_lock(&l->s->lock);
	while (l->seen == l->s->n && !l->s->gone)
		if (pthread_cond_timedwait(&l->s->more, &l->s->lock, &t))
			break;
	if (l->seen < l->s->n)
		e = l->s->log[l->seen++];
	pthread_mutex_unlock(&l->s->lock);
	return e;
}

static inline struct event next(struct link *l)
{
	return next_within(l, 3000);
}

/* Passes over what opened the link and mapped the memory. */
static inline void skip_to(struct link *l, uint16_t cmd)
{
	struct event e;

	do
		e = next(l);
	while (e.cmd && e.cmd != cmd);
	assert_int_equal(e.cmd, cmd);
}

static inline void assert_quiet(struct link *l)
{
	assert_int_equal(next_within(l, 30).cmd, 0);
}

struct ask {
	struct fl_vu_hdr h;
	struct fl_vu_page_request r;
};

static inline struct ask ask_for(uint64_t iova, uint64_t len, uint32_t group, unsigned prot,
				 unsigned flags)
{
	return (struct ask){
		{ 0, FL_VU_PAGE_REQUEST, sizeof(struct ask), FL_VU_F_NO_REPLY, 0 },
		{ iova, len, group, (uint16_t)prot, (uint16_t)flags },
	};
}

/* Under the lock, since the other thread closes the socket. */
static inline void put_asked(struct server *s, const void *p, size_t len)
{
	pthread_mutex_lock(&s->lock);
	put(s->ask_fd, p, len, -1);
	pthread_mutex_unlock(&s->lock);
}

static inline void get_asked(struct server *s, void *p, size_t len)
{
	pthread_mutex_lock(&s->lock);
	assert_int_equal(recv(s->ask_fd, p, len, MSG_WAITALL), len);
	pthread_mutex_unlock(&s->lock);
}

static inline void send_ask(struct server *s, const struct ask *a, unsigned n)
{
	put_asked(s, a, n * sizeof(*a));
}

static inline void ask_page(struct link *l, uint64_t page, uint32_t group, unsigned prot)
{
	struct ask a = ask_for(IOVA + page * PAGE, PAGE, group, prot, FL_VU_PAGE_F_LAST);

	send_ask(l->s, &a, 1);
}

static inline void ask_in_reset(struct server *s)
{
	struct ask a = ask_for(IOVA + 7 * PAGE, PAGE, 3, FL_DMA_READ, FL_VU_PAGE_F_LAST);

	send_ask(s, &a, 1);
	usleep(20000);
}

static inline void assert_response(struct event e, uint32_t group, uint32_t code)
{
	assert_int_equal(e.cmd, FL_VU_PAGE_RESPONSE);
	assert_int_equal(e.flags, FL_VU_COMMAND | FL_VU_F_NO_REPLY);
	assert_int_equal(e.resp.group, group);
	assert_int_equal(e.resp.code, code);
}

static inline void assert_range(struct event e, uint16_t cmd, uint64_t page, uint64_t n,
				unsigned prot)
{
	assert_int_equal(e.cmd, cmd);
	assert_int_equal(e.range.iova, IOVA + page * PAGE);
	assert_int_equal(e.range.len, n * PAGE);
	assert_int_equal(e.range.prot, prot);
}

static inline void wait_down(struct link *l)
{
	for (unsigned i = 0; i < 3000 && !__atomic_load_n(&l->d->removed, __ATOMIC_RELAXED); i++)
		usleep(1000);
	assert_true(__atomic_load_n(&l->d->removed, __ATOMIC_RELAXED));
}

/* ---- holding a fault ---------------------------------------------------------------------- */

int __real_fl_dma_fault(struct fl_dma_domain *d, const struct fl_dma_fault *f);
int __wrap_fl_dma_fault(struct fl_dma_domain *d, const struct fl_dma_fault *f);

static pthread_mutex_t hold_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t hold_cond = PTHREAD_COND_INITIALIZER;
static bool hold;     /* faults wait in the resolver */
static unsigned held; /* so many do, or did */

int __wrap_fl_dma_fault(struct fl_dma_domain *d, const struct fl_dma_fault *f)
{
	pthread_mutex_lock(&hold_lock);
	held++;
	pthread_cond_broadcast(&hold_cond);
	while (hold)
		pthread_cond_wait(&hold_cond, &hold_lock);
	pthread_mutex_unlock(&hold_lock);
	return __real_fl_dma_fault(d, f);
}

static inline void hold_faults(bool on)
{
	pthread_mutex_lock(&hold_lock);
	hold = on;
	held = 0;
	pthread_cond_broadcast(&hold_cond);
	pthread_mutex_unlock(&hold_lock);
}

static inline void wait_held(void)
{
	pthread_mutex_lock(&hold_lock);
	while (!held)
		pthread_cond_wait(&hold_cond, &hold_lock);
	pthread_mutex_unlock(&hold_lock);
}

static inline void *let_go_soon(void *arg)
{
	usleep(30000);
	hold_faults(false);
	return NULL;
}

/* Where the kernel is qemu-user's, madvise() says yes and does nothing. */
static inline void needs_madvise(void)
{
	if (getenv("FL_EMULATED"))
		skip();
}

#endif
