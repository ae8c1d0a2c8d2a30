/* SPDX-License-Identifier: BSD-3-Clause */
/* The vfio-user client against a scripted peer at the other end of a socket pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fork_rig.h"
#include "vfio_internal.h"

#define TIMEOUT_MS 400u
#define BAR_SIZE   0x4000u
#define SHARED_OFF 0x1000u
#define FILE_OFF   0x2000u /* of the BAR in its file */
#define NVEC	   40u

/* ---- the peer --------------------------------------------------------------------------- */

struct msg {
	struct fl_vu_hdr h;
	uint8_t body[70000];
	size_t len;
	int fds[64];
	unsigned nfds;
};

struct mapping {
	struct fl_vu_dma_map m;
	int fd;
};

struct peer {
	int fd, twin, listen_fd;
	pthread_t thread;
	/* true: it answered by itself */
	bool (*hook)(struct peer *p, struct msg *m);
	const void *hook_arg;
	const char *caps; /* NULL = no version data at all */
	uint16_t minor;
	int bar_file;
	uint8_t cfg[256], bar[BAR_SIZE];
	unsigned reads, writes, resets, max_count, nmaps, ncmds[32];
	struct mapping maps[64];
	int vec[NVEC];
	unsigned irq_msgs, irq_fds_max;
	uint32_t irq_flags;
	bool done;
	struct msg in;
};

static bool read_full(int fd, void *to, size_t len)
{
	for (size_t n = 0; n < len;) {
		ssize_t got = read(fd, (uint8_t *)to + n, len - n);

		if (got <= 0)
			return false;
		n += (size_t)got;
	}
	return true;
}

static bool peer_recv(int fd, struct msg *m)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(64 * sizeof(int))];
	} ctl;
	struct iovec iov = { &m->h, sizeof(m->h) };
	struct msghdr mh = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &ctl, .msg_controllen = sizeof(ctl)
	};
	struct cmsghdr *c;

	m->nfds = 0;
	if (recvmsg(fd, &mh, MSG_CMSG_CLOEXEC | MSG_WAITALL) != sizeof(m->h))
		return false;
	c = CMSG_FIRSTHDR(&mh);
	if (c) {
		m->nfds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(m->fds, CMSG_DATA(c), m->nfds * sizeof(int));
	}
	m->len = m->h.size - sizeof(m->h);
	return m->len <= sizeof(m->body) && read_full(fd, m->body, m->len);
}

static void peer_send(int fd, const struct fl_vu_hdr *h, const void *body, size_t len,
		      const int *fds, unsigned nfds)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(64 * sizeof(int))];
	} ctl;
	struct iovec iov[2] = { { (void *)(uintptr_t)h, sizeof(*h) },
				{ (void *)(uintptr_t)body, len } };
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2 };

	if (nfds) {
		memset(&ctl, 0, sizeof(ctl));
		mh.msg_control = &ctl;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		ctl.h.cmsg_level = SOL_SOCKET;
		ctl.h.cmsg_type = SCM_RIGHTS;
		ctl.h.cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(&ctl.h), fds, nfds * sizeof(int));
	}
	(void)!sendmsg(fd, &mh, MSG_NOSIGNAL);
}

static void reply_fds(struct peer *p, const struct msg *m, const void *body, size_t len,
		      const int *fds, unsigned nfds)
{
	struct fl_vu_hdr h = { m->h.id, m->h.cmd, (uint32_t)(sizeof(h) + len), FL_VU_REPLY, 0 };

	peer_send(p->fd, &h, body, len, fds, nfds);
}

static void reply(struct peer *p, const struct msg *m, const void *body, size_t len)
{
	reply_fds(p, m, body, len, NULL, 0);
}

static void reply_error(struct peer *p, const struct msg *m, uint32_t error)
{
	struct fl_vu_hdr h = { m->h.id, m->h.cmd, sizeof(h), FL_VU_REPLY | FL_VU_F_ERROR, error };

	peer_send(p->fd, &h, NULL, 0, NULL, 0);
}

static void serve_version(struct peer *p, struct msg *m)
{
	struct {
		struct fl_vu_version v;
		char json[512];
	} r = { { 0, p->minor }, "" };

	if (!p->caps) {
		reply(p, m, &r, sizeof(r.v));
		return;
	}
	snprintf(r.json, sizeof(r.json), "%s", p->caps);
	reply_fds(p, m, &r, sizeof(r.v) + strlen(r.json) + 1, &p->twin, p->twin >= 0);
}

struct sparse_reply {
	struct fl_vu_region_info info;
	struct fl_vu_cap other;
	struct fl_vu_cap sparse;
	uint32_t nr, reserved;
	struct fl_vu_area areas[2];
};

/* BAR 0: mapped from 0x1000 on; the chain begins with a capability that nobody knows. */
static struct sparse_reply bar0_info(void)
{
	return (struct sparse_reply){
		.info = { .argsz = sizeof(struct sparse_reply),
			  .flags = FL_VU_REGION_F_READ | FL_VU_REGION_F_WRITE |
				   FL_VU_REGION_F_MMAP | FL_VU_REGION_F_CAPS,
			  .index = 0,
			  .cap_offset = sizeof(struct fl_vu_region_info),
			  .size = BAR_SIZE,
			  .offset = FILE_OFF },
		.other = { .id = 77, .version = 1, .next = offsetof(struct sparse_reply, sparse) },
		.sparse = { .id = FL_VU_CAP_SPARSE_MMAP, .version = 1 },
		.nr = 2,
		.areas = { { SHARED_OFF, 0x1000 }, { 0x3000, 0x1000 } },
	};
}

static void serve_region_info(struct peer *p, struct msg *m)
{
	struct fl_vu_region_info in, out = { .argsz = sizeof(out) };
	struct sparse_reply bar0 = bar0_info();

	memcpy(&in, m->body, sizeof(in));
	out.index = in.index;
	if (in.index == 0) {
		reply_fds(p, m, &bar0, sizeof(bar0), &p->bar_file, 1);
		return;
	}
	if (in.index == 8) { /* as some do who have no VGA */
		reply_error(p, m, EINVAL);
		return;
	}
	if (in.index == 2 || in.index == FL_VFIO_REGION_CONFIG) {
		out.size = in.index == 2 ? 64 : sizeof(p->cfg);
		out.flags = FL_VU_REGION_F_READ | (in.index == 2 ? 0 : FL_VU_REGION_F_WRITE);
	}
	reply(p, m, &out, sizeof(out));
}

static void serve_irq_info(struct peer *p, struct msg *m)
{
	struct fl_vu_irq_info i;

	memcpy(&i, m->body, sizeof(i));
	i.argsz = sizeof(i);
	i.count = i.index == FL_VFIO_IRQ_MSIX ? NVEC : i.index == FL_VFIO_IRQ_INTX;
	i.flags =
		FL_VFIO_IRQ_F_EVENTFD | (i.index == FL_VFIO_IRQ_INTX ? FL_VFIO_IRQ_F_MASKABLE : 0);
	reply(p, m, &i, sizeof(i));
}

static void serve_irqs(struct peer *p, struct msg *m)
{
	struct fl_vu_irq_set s;

	memcpy(&s, m->body, sizeof(s));
	p->irq_msgs++;
	p->irq_flags = s.flags;
	if (m->nfds > p->irq_fds_max)
		p->irq_fds_max = m->nfds;
	if (s.start + s.count > NVEC || (m->nfds && m->nfds != s.count)) {
		reply_error(p, m, EINVAL);
		return;
	}
	for (unsigned i = 0; s.flags & FL_VU_IRQ_DATA_EVENTFD && i < s.count; i++) {
		if (p->vec[s.start + i] >= 0)
			close(p->vec[s.start + i]);
		p->vec[s.start + i] = m->nfds ? m->fds[i] : -1;
	}
	if (s.flags & FL_VU_IRQ_DATA_EVENTFD)
		m->nfds = 0;
	reply(p, m, NULL, 0);
}

static void serve_access(struct peer *p, struct msg *m)
{
	struct fl_vu_region_access a;
	uint8_t out[70000], *mem;

	memcpy(&a, m->body, sizeof(a));
	mem = a.region == 0 ? p->bar : p->cfg;
	if (a.count > p->max_count)
		p->max_count = a.count;
	memcpy(out, &a, sizeof(a));
	if (m->h.cmd == FL_VU_REGION_WRITE) {
		p->writes++;
		memcpy(mem + a.offset, m->body + sizeof(a), a.count);
		reply(p, m, out, sizeof(a));
	} else {
		p->reads++;
		memcpy(out + sizeof(a), mem + a.offset, a.count);
		reply(p, m, out, sizeof(a) + a.count);
	}
}

static void serve_map(struct peer *p, struct msg *m)
{
	struct mapping *e = &p->maps[p->nmaps++];

	memcpy(&e->m, m->body, sizeof(e->m));
	e->fd = m->nfds ? m->fds[0] : -1;
	m->nfds = 0;
	reply(p, m, NULL, 0);
}

static void serve_unmap(struct peer *p, struct msg *m)
{
	struct fl_vu_dma_unmap un;

	memcpy(&un, m->body, sizeof(un));
	for (unsigned i = 0; i < p->nmaps; i++)
		if (p->maps[i].m.iova == un.iova && p->maps[i].m.size == un.size) {
			if (p->maps[i].fd >= 0)
				close(p->maps[i].fd);
			p->maps[i] = p->maps[--p->nmaps];
			reply(p, m, &un, sizeof(un));
			return;
		}
	reply_error(p, m, ENOENT);
}

static void serve(struct peer *p, struct msg *m)
{
	struct fl_vu_device_info info = { sizeof(info), FL_VU_DEVICE_F_PCI | FL_VU_DEVICE_F_RESET,
					  9, 5 };

	if (m->h.cmd < 32)
		p->ncmds[m->h.cmd]++;
	if (p->hook && p->hook(p, m))
		return;
	switch (m->h.cmd) {
	case FL_VU_VERSION:
		serve_version(p, m);
		break;
	case FL_VU_DEVICE_GET_INFO:
		reply(p, m, &info, sizeof(info));
		break;
	case FL_VU_DEVICE_GET_REGION_INFO:
		serve_region_info(p, m);
		break;
	case FL_VU_DEVICE_GET_IRQ_INFO:
		serve_irq_info(p, m);
		break;
	case FL_VU_DEVICE_SET_IRQS:
		serve_irqs(p, m);
		break;
	case FL_VU_REGION_READ:
	case FL_VU_REGION_WRITE:
		serve_access(p, m);
		break;
	case FL_VU_DMA_MAP:
		serve_map(p, m);
		break;
	case FL_VU_DMA_UNMAP:
		serve_unmap(p, m);
		break;
	case FL_VU_DEVICE_RESET:
		p->resets++;
		reply(p, m, NULL, 0);
		break;
	default:
		reply_error(p, m, ENOSYS);
	}
}

/* What one thread has looked at, the other may change after the hang-up. */
static unsigned hung_up;

static void peer_forget(struct peer *p)
{
	__atomic_fetch_add(&hung_up, 1, __ATOMIC_ACQUIRE);
	for (unsigned i = 0; i < p->nmaps; i++)
		if (p->maps[i].fd >= 0)
			close(p->maps[i].fd);
	p->nmaps = 0;
	for (unsigned i = 0; i < NVEC; i++) {
		if (p->vec[i] >= 0)
			close(p->vec[i]);
		p->vec[i] = -1;
	}
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}

static void *peer_main(void *arg)
{
	struct peer *p = arg;

	do {
		if (p->listen_fd >= 0)
			p->fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC);
		while (p->fd >= 0 && peer_recv(p->fd, &p->in)) {
			serve(p, &p->in);
			for (unsigned i = 0; i < p->in.nfds; i++)
				close(p->in.fds[i]);
		}
		if (p->fd < 0)
			break;
		peer_forget(p);
	} while (p->listen_fd >= 0);
	return NULL;
}

#define CAPS "{\"capabilities\":{\"max_msg_fds\":8,\"max_dma_maps\":7,\"pgsizes\":2101248}}"

static struct peer *peer_new(void)
{
	struct peer *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->fd = p->twin = p->listen_fd = -1;
	p->caps = CAPS;
	p->minor = 1;
	for (unsigned i = 0; i < NVEC; i++)
		p->vec[i] = -1;
	for (unsigned i = 0; i < sizeof(p->cfg); i++)
		p->cfg[i] = (uint8_t)i;
	p->bar_file = memfd_create("bar", MFD_CLOEXEC);
	assert_int_equal(ftruncate(p->bar_file, FILE_OFF + BAR_SIZE), 0);
	return p;
}

/* The thread ends when the client has hung up. */
static void peer_end(struct peer *p)
{
	if (p->listen_fd >= 0)
		shutdown(p->listen_fd, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	peer_forget(p);
	if (p->listen_fd >= 0)
		close(p->listen_fd);
	close(p->bar_file);
	free(p);
}

/* ---- the fixture -------------------------------------------------------------------------- */

struct fix {
	struct peer *p;
	struct fl_dma_space *space;
	struct fl_vfio_dev *d;
	unsigned fds_before;
	char text[4096]; /* what was logged */
	struct fl_log log;
};

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void keep(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
	struct fix *f = arg;
	size_t n = strlen(f->text);

	snprintf(f->text + n, sizeof(f->text) - n, "%s\n", msg);
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));

	f->fds_before = count_fds();
	f->log = (struct fl_log){ keep, f, FL_LOG_WARN };
	f->p = peer_new();
	if (fl_dma_space_create(&f->log, &f->space))
		return -1;
	*state = f;
	return 0;
}

static int open_link(struct fix *f)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	f->p->fd = sv[1];
	assert_int_equal(pthread_create(&f->p->thread, NULL, peer_main, f->p), 0);
	return fl_vu_open(f->space, NULL, sv[0], false, &f->log, TIMEOUT_MS, &f->d);
}

static int teardown(void **state)
{
	struct fix *f = *state;

	__atomic_fetch_add(&hung_up, 1, __ATOMIC_RELEASE);
	if (f->d)
		f->d->ops->close(f->d);
	peer_end(f->p);
	assert_int_equal(fl_dma_space_destroy(f->space), 0);
	if (!getenv("FL_EMULATED"))
		assert_int_equal(count_fds(), f->fds_before);
	free(f);
	return 0;
}

static struct fl_mem *get_mem(enum fl_mem_kind kind, uint64_t len)
{
	struct fl_mem_opts o = { .kind = kind, .node = -1 };
	struct fl_mem *m;

	assert_int_equal(fl_mem_alloc(len, &o, &m), 0);
	return m;
}

/* ---- JSON --------------------------------------------------------------------------------- */

static int parse(const char *s, struct fl_vu_caps *c)
{
	const char *why = NULL;
	int err;

	*c = fl_vu_caps_default();
	err = fl_vu_caps_parse(s, strlen(s) + 1, c, &why);
	assert_true(err ? why != NULL : why == NULL);
	return err;
}

static void test_json(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"[]",
		"{",
		"{}x",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{\"a",
		"{\"a\\",
		"{\"capabilities\":3}",
		"{\"capabilities\":{\"max_msg_fds\":-1}}",
		"{\"capabilities\":{\"max_msg_fds\":1.5}}",
		"{\"capabilities\":{\"max_msg_fds\":\"8\"}}",
		"{\"capabilities\":{\"pgsizes\":18446744073709551616}}",
		"{\"capabilities\":{\"twin_socket\":true}}",
		"{\"capabilities\":{\"twin_socket\":{\"supported\":1}}}",
		"{\"capabilities\":{\"twin_socket\":{\"fd_index\":4294967296}}}",
		"{\"capabilities\":{\"x_page_requests\":8}}",
		"{\"capabilities\":{\"x_page_requests\":{}}}",
		"{\"capabilities\":{\"x_page_requests\":{\"max\":0}}}",
		"{\"capabilities\":{\"x_page_requests\":{\"max\":-1}}}",
		"{\"capabilities\":{\"x_page_requests\":{\"max\":\"8\"}}}",
		"{\"a\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}",
		"{\"a\":[1,2}",
		"{\"a\":\"\n\"}",
	};
	struct fl_vu_caps c, d;
	const char *why;
	char buf[512];
	int n;

	for (size_t i = 0; i < FL_ARRAY_SIZE(bad); i++)
		assert_int_equal(parse(bad[i], &c), -EINVAL);
	assert_int_equal(parse("{}", &c), 0);
	assert_int_equal(c.max_msg_fds, 1);
	assert_int_equal(c.max_data_xfer_size, 1048576);
	assert_int_equal(c.max_dma_maps, 65535);
	assert_int_equal(c.pgsizes, 4096);
	assert_false(c.twin_socket || c.write_multiple);
	assert_int_equal(c.page_requests, 0);

	assert_int_equal(
		parse(" { \"x\\\"y\" : [ 1, -2.5e3, {\"capabilities\":0}, null ], \"capabilities\" : {"
		      "\"migration\":{\"pgsize\":4096,\"max_bitmap_size\":1},\"max_msg_fds\":32,"
		      "\"max_data_xfer_size\" : 4096, \"write_multiple\":true,\"pgsizes\":"
		      "18446744073709551615,\"x_page_requests\":{\"more\":[1],\"max\":99},\"twin_socket\":{\"supported\":true,\"fd_index\":3}}}\n",
		      &c),
		0);
	assert_int_equal(c.max_msg_fds, 32);
	assert_int_equal(c.max_data_xfer_size, 4096);
	assert_int_equal(c.pgsizes, UINT64_MAX);
	assert_int_equal(c.twin_fd_index, 3);
	assert_int_equal(c.page_requests, 99);
	assert_true(c.twin_socket && c.write_multiple);

	n = fl_vu_caps_format(&c, buf, sizeof(buf));
	assert_int_equal(n, strlen(buf) + 1);
	d = fl_vu_caps_default();
	assert_int_equal(fl_vu_caps_parse(buf, (size_t)n, &d, &why), 0);
	assert_true(c.max_msg_fds == d.max_msg_fds && c.pgsizes == d.pgsizes &&
		    c.max_data_xfer_size == d.max_data_xfer_size &&
		    c.max_dma_maps == d.max_dma_maps && c.twin_fd_index == d.twin_fd_index &&
		    c.twin_socket == d.twin_socket && c.write_multiple == d.write_multiple &&
		    c.page_requests == d.page_requests);
	assert_int_equal(fl_vu_caps_parse(buf, (size_t)n - 1, &d, &why), -EINVAL); /* no NUL */
	assert_int_equal(fl_vu_caps_format(&c, buf, (size_t)n - 1), -ENOSPC);
}

/* ---- a well-behaved peer ------------------------------------------------------------------ */

static void test_info(void **state)
{
	struct fix *f = *state;
	struct fl_vfio_region r;
	struct fl_vfio_irq q;

	assert_int_equal(open_link(f), 0);
	assert_string_equal(f->d->ops->name, "vfio-user");
	assert_int_equal(f->d->nregions, 9);
	assert_int_equal(f->d->nirqs, 5);
	assert_true(f->d->resettable);
	assert_int_equal(f->d->ops->region_info(f->d, 0, &r), 0);
	assert_int_equal(r.size, BAR_SIZE);
	assert_int_equal(r.flags, 7);
	assert_int_equal(r.nsparse, 2);
	assert_int_equal(r.sparse[1].offset, 0x3000);
	assert_int_equal(f->d->ops->region_info(f->d, 8, &r), 0);
	assert_int_equal(r.size, 0);
	assert_int_equal(f->d->ops->region_info(f->d, 99, &r), 0);
	assert_int_equal(r.size, 0);
	assert_int_equal(f->d->ops->irq_info(f->d, FL_VFIO_IRQ_MSIX, &q), 0);
	assert_int_equal(q.count, NVEC);
	assert_int_equal(f->d->ops->reset(f->d), 0);
	assert_int_equal(f->p->resets, 1);
	assert_int_equal(f->d->ops->reattach(f->d), -EOPNOTSUPP); /* came as an fd */
}

static void test_no_caps(void **state)
{
	struct fix *f = *state;

	f->p->caps = NULL;
	f->p->minor = 0;
	assert_int_equal(open_link(f), 0);
}

static void test_access(void **state)
{
	struct fix *f = *state;
	uint8_t buf[64], want[64];

	f->p->caps = "{\"capabilities\":{\"max_data_xfer_size\":16}}";
	assert_int_equal(open_link(f), 0);
	assert_int_equal(f->d->ops->region_read(f->d, 7, 4, buf, 60), 0);
	assert_memory_equal(buf, f->p->cfg + 4, 60);
	assert_int_equal(f->p->reads, 4);
	assert_int_equal(f->p->max_count, 16);
	memset(want, 0x5a, sizeof(want));
	assert_int_equal(f->d->ops->region_write(f->d, 0, 0x20, want, 17), 0);
	assert_memory_equal(f->p->bar + 0x20, want, 17);
	assert_int_equal(f->p->bar[0x20 + 17], 0);
	assert_int_equal(f->p->writes, 2);

	assert_int_equal(f->d->ops->region_read(f->d, 7, 250, buf, 8), -EINVAL);
	assert_int_equal(f->d->ops->region_read(f->d, 7, UINT64_MAX, buf, 8), -EINVAL);
	assert_int_equal(f->d->ops->region_read(f->d, 1, 0, buf, 1), -EINVAL);
	assert_int_equal(f->d->ops->region_read(f->d, 70, 0, buf, 1), -EINVAL);
	assert_int_equal(f->d->ops->region_write(f->d, 2, 0, buf, 1), -EACCES);
	assert_false(f->d->removed);
}

static void test_mmap(void **state)
{
	struct fix *f = *state;
	uint32_t v = 0x12345678;
	void *p;

	assert_int_equal(open_link(f), 0);
	assert_int_equal(pwrite(f->p->bar_file, &v, 4, FILE_OFF + SHARED_OFF + 8), 4);
	assert_int_equal(f->d->ops->region_mmap(f->d, 0, SHARED_OFF, 0x1000, &p), 0);
	assert_int_equal(*(uint32_t *)((char *)p + 8), v);
	assert_false(child_has(p));
	munmap(p, 0x1000);
	assert_int_equal(f->d->ops->region_mmap(f->d, 2, 0, 64, &p), -EOPNOTSUPP);
	assert_int_equal(f->d->ops->region_mmap(f->d, 0, 0, BAR_SIZE + 1, &p), -EINVAL);
	assert_int_equal(f->d->ops->region_mmap(f->d, 0, UINT64_MAX, 2, &p), -EINVAL);
	assert_int_equal(f->d->ops->region_mmap(f->d, 0, 0, 0, &p), -EINVAL);
	assert_false(f->d->removed);
}

static void test_short_file(void **state)
{
	struct fix *f = *state;
	void *p;

	assert_int_equal(open_link(f), 0);
	assert_int_equal(ftruncate(f->p->bar_file, FILE_OFF + 0x3800), 0);
	assert_int_equal(f->d->ops->region_mmap(f->d, 0, SHARED_OFF, 0x1000, &p), 0);
	munmap(p, 0x1000);
	assert_int_equal(f->d->ops->region_mmap(f->d, 0, 0x3000, 0x1000, &p), -EPROTO);
	assert_true(f->d->removed);
	assert_non_null(strstr(f->text, "too short"));
}

static void test_irqs(void **state)
{
	struct fix *f = *state;
	int fds[NVEC];
	eventfd_t v;

	assert_int_equal(open_link(f), 0);
	for (unsigned i = 0; i < NVEC; i++)
		fds[i] = i == 3 || i == 4 ? -1 : eventfd(0, EFD_NONBLOCK);
	assert_int_equal(
		f->d->ops->irq_set(f->d, FL_VFIO_IRQ_MSIX, 0, NVEC, FL_VFIO_IRQ_TRIGGER, fds), 0);
	/* 3 fds, 2 holes, 35 fds by eights */
	assert_int_equal(f->p->irq_msgs, 1 + 1 + 5);
	assert_int_equal(f->p->irq_fds_max, 8);
	for (unsigned i = 0; i < NVEC; i++) {
		assert_int_equal(f->p->vec[i] >= 0, fds[i] >= 0);
		if (fds[i] < 0)
			continue;
		assert_int_equal(eventfd_write(f->p->vec[i], i + 1), 0);
		assert_int_equal(eventfd_read(fds[i], &v), 0);
		assert_int_equal(v, i + 1);
	}
	assert_int_equal(
		f->d->ops->irq_set(f->d, FL_VFIO_IRQ_MSIX, 39, 2, FL_VFIO_IRQ_TRIGGER, fds),
		-EINVAL);
	assert_int_equal(
		f->d->ops->irq_set(f->d, FL_VFIO_IRQ_MSIX, 0, 2, FL_VFIO_IRQ_TRIGGER, NULL),
		-EINVAL);
	assert_int_equal(f->d->ops->irq_set(f->d, 9, 0, 1, FL_VFIO_IRQ_TRIGGER, fds), -EINVAL);
	assert_int_equal(f->d->ops->irq_set(f->d, 0, 0, 1, FL_VFIO_IRQ_UNMASK, NULL), 0);
	assert_int_equal(f->p->irq_flags, FL_VU_IRQ_DATA_NONE | FL_VU_IRQ_ACTION_UNMASK);
	assert_int_equal(f->d->ops->irq_set(f->d, 0, 0, 1, FL_VFIO_IRQ_MASK, NULL), 0);
	assert_int_equal(f->p->irq_flags, FL_VU_IRQ_DATA_NONE | FL_VU_IRQ_ACTION_MASK);
	assert_int_equal(f->d->ops->irq_set(f->d, 0, 0, 1, FL_VFIO_IRQ_UNMASK, fds), 0);
	assert_int_equal(f->p->irq_flags, FL_VU_IRQ_DATA_EVENTFD | FL_VU_IRQ_ACTION_UNMASK);
	assert_int_equal(
		f->d->ops->irq_set(f->d, FL_VFIO_IRQ_MSIX, 0, 0, FL_VFIO_IRQ_TRIGGER, NULL), 0);
	assert_int_equal(f->p->irq_flags, FL_VU_IRQ_DATA_NONE | FL_VU_IRQ_ACTION_TRIGGER);
	for (unsigned i = 0; i < NVEC; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* The third message is refused: the first two are taken back. */
static bool refuse_third_irq(struct peer *p, struct msg *m)
{
	if (m->h.cmd != FL_VU_DEVICE_SET_IRQS || p->ncmds[m->h.cmd] != 3)
		return false;
	reply_error(p, m, ENOSPC);
	return true;
}

static void test_irqs_undone(void **state)
{
	struct fix *f = *state;
	int fds[24];

	f->p->hook = refuse_third_irq;
	assert_int_equal(open_link(f), 0);
	for (unsigned i = 0; i < 24; i++)
		fds[i] = eventfd(0, 0);
	assert_int_equal(
		f->d->ops->irq_set(f->d, FL_VFIO_IRQ_MSIX, 0, 24, FL_VFIO_IRQ_TRIGGER, fds),
		-ENOSPC);
	for (unsigned i = 0; i < 24; i++) {
		assert_int_equal(f->p->vec[i], -1);
		close(fds[i]);
	}
	assert_false(f->d->removed);
}

static void test_dma_fd(void **state)
{
	struct fix *f = *state;
	struct fl_mem *mem = get_mem(FL_MEM_MEMFD, 0x4000);
	struct fl_dma_opts o = { .prot = FL_DMA_READ, .iova = { 0x200000 } };
	struct fl_iova_range w;
	struct fl_dma_area *a;
	struct fl_dma_limits l;
	char *p;

	assert_int_equal(open_link(f), 0);
	assert_int_equal(fl_vu_domain_ops.limits(f->d, &l), 0);
	assert_int_equal(l.entries_max, 7);
	assert_int_equal(l.page_sizes, 0x201000);
	assert_false(l.pins || l.faults);
	assert_int_equal(fl_dma_windows(f->space, &w, 1), 1);
	assert_int_equal(w.first, 0);
	assert_int_equal(w.last, (1ull << 48) - 1);

	assert_int_equal(fl_dma_map(f->space, mem, &o, &a), 0);
	assert_int_equal(f->p->nmaps, 1);
	assert_int_equal(f->p->maps[0].m.iova, 0x200000);
	assert_int_equal(f->p->maps[0].m.size, 0x4000);
	assert_int_equal(f->p->maps[0].m.flags, FL_VU_DMA_F_READ);
	assert_int_equal(f->p->maps[0].m.argsz, 32);
	snprintf((char *)a->va, 32, "seen by the server");
	p = mmap(NULL, 0x4000, PROT_READ, MAP_SHARED, f->p->maps[0].fd,
		 (off_t)f->p->maps[0].m.offset);
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_string_equal(p, "seen by the server");
	munmap(p, 0x4000);
	assert_false(((struct fl_vu *)f->d)->serving);
	assert_int_equal(fl_dma_unmap(a), 0);
	assert_int_equal(f->p->nmaps, 0);
	/* what is still mapped is unmapped when the link closes */
	assert_int_equal(fl_dma_map(f->space, mem, NULL, &a), 0);
	f->d->ops->close(f->d);
	f->d = NULL;
	assert_int_equal(f->p->ncmds[FL_VU_DMA_UNMAP], 2);
	assert_int_equal(fl_dma_unmap(a), 0);
	fl_mem_free(mem);
}

static bool refuse_map(struct peer *p, struct msg *m)
{
	if (m->h.cmd != FL_VU_DMA_MAP)
		return false;
	reply_error(p, m, EEXIST);
	return true;
}

static void test_dma_refused(void **state)
{
	struct fix *f = *state;
	struct fl_mem *mem = get_mem(FL_MEM_MEMFD, 0x1000);
	struct fl_dma_area *a;

	f->p->hook = refuse_map;
	assert_int_equal(open_link(f), 0);
	assert_int_equal(fl_dma_map(f->space, mem, NULL, &a), -EEXIST);
	assert_int_equal(((struct fl_vu *)f->d)->nmaps, 0);
	assert_false(f->d->removed);
	fl_mem_free(mem);
}

/* ---- DMA by message ----------------------------------------------------------------------- */

struct dma_try {
	uint16_t cmd;
	uint64_t iova, count;
	uint32_t error;
};

/* In the peer's thread, where cmocka's own cannot be used. */
static void must(bool ok, uint64_t iova)
{
	if (ok)
		return;
	fprintf(stderr, "wrong answer to the DMA command at 0x%llx\n", (unsigned long long)iova);
	abort();
}

static void ask_dma(int fd, const struct dma_try *t, uint8_t fill, uint8_t *got)
{
	struct {
		struct fl_vu_dma_access a;
		uint8_t data[0x3000];
	} b = { .a = { t->iova, t->count } };
	size_t len = sizeof(b.a) + (t->cmd == FL_VU_DMA_WRITE ? t->count : 0);
	struct fl_vu_hdr h = { 0x7000, t->cmd, (uint32_t)(sizeof(h) + len), 0, 0 };
	struct msg *m = malloc(sizeof(*m));

	memset(b.data, fill, sizeof(b.data));
	peer_send(fd, &h, &b, len, NULL, 0);
	must(peer_recv(fd, m), t->iova);
	must(m->h.id == (0x7000), t->iova);
	must(m->h.cmd == (t->cmd), t->iova);
	if (t->error) {
		must(m->h.flags == (FL_VU_REPLY | FL_VU_F_ERROR), t->iova);
		must(m->h.error == (t->error), t->iova);
		must(m->len == (0), t->iova);
	} else {
		must(m->h.flags == (FL_VU_REPLY), t->iova);
		must(!memcmp(m->body, &b.a, sizeof(b.a)), t->iova);
		must(m->len == (sizeof(b.a) + (t->cmd == FL_VU_DMA_READ ? t->count : 0)), t->iova);
		if (got)
			memcpy(got, m->body + sizeof(b.a), m->len - sizeof(b.a));
	}
	free(m);
}

/* Areas: A rw at 0x100000 + 0x2000, B read-only right behind, C at 0x200000 write-only. */
static const struct dma_try tries[] = {
	{ FL_VU_DMA_READ, 0x100000, 0x10, 0 },
	{ FL_VU_DMA_WRITE, 0x101fff, 1, 0 },
	{ FL_VU_DMA_READ, 0x101000, 0x1800, 0 }, /* over the seam */
	{ FL_VU_DMA_WRITE, 0x101000, 0x1800, EACCES },
	{ FL_VU_DMA_WRITE, 0x102000, 1, EACCES },
	{ FL_VU_DMA_READ, 0x200000, 8, EACCES },
	{ FL_VU_DMA_WRITE, 0x200000, 0x1000, 0 },
	{ FL_VU_DMA_WRITE, 0x200001, 0x1000, EFAULT },
	{ FL_VU_DMA_READ, 0x0fffff, 2, EFAULT },
	{ FL_VU_DMA_READ, 0x102fff, 2, EFAULT },
	{ FL_VU_DMA_READ, 0, 1, EFAULT },
	{ FL_VU_DMA_READ, UINT64_MAX, 2, EFAULT },
	{ FL_VU_DMA_READ, 0x100000, 0, 0 },
	{ FL_VU_DMA_READ, 0x900000, 0x2000, EFAULT },
	{ FL_VU_REGION_READ, 0x100000, 1, ENOSYS }, /* not a server's to ask */
};

static bool dma_inside_read(struct peer *p, struct msg *m)
{
	if (m->h.cmd != FL_VU_REGION_READ)
		return false;
	for (size_t i = 0; i < FL_ARRAY_SIZE(tries); i++)
		ask_dma(p->fd, &tries[i], 0x40, NULL);
	return false;
}

struct areas {
	struct fl_mem *mem[3];
	struct fl_dma_area *a[3];
};

static void map_areas(struct fix *f, struct areas *as)
{
	static const struct {
		uint64_t iova, len;
		unsigned prot;
	} def[3] = { { 0x100000, 0x2000, FL_DMA_RW },
		     { 0x102000, 0x1000, FL_DMA_READ },
		     { 0x200000, 0x1000, FL_DMA_WRITE } };

	for (int i = 0; i < 3; i++) {
		struct fl_dma_opts o = { .prot = def[i].prot, .iova = { def[i].iova } };

		as->mem[i] = get_mem(FL_MEM_ANON, def[i].len);
		assert_int_equal(fl_dma_map(f->space, as->mem[i], &o, &as->a[i]), 0);
	}
}

static void unmap_areas(struct areas *as)
{
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fl_dma_unmap(as->a[i]), 0);
		fl_mem_free(as->mem[i]);
	}
}

/* While a caller waits for its reply. */
static void test_dma_in_call(void **state)
{
	struct fix *f = *state;
	struct areas as;
	uint32_t v;

	f->p->hook = dma_inside_read;
	assert_int_equal(open_link(f), 0);
	map_areas(f, &as);
	assert_int_equal(f->p->maps[0].fd, -1);
	assert_int_equal(f->d->ops->region_read(f->d, 7, 0, &v, 4), 0);
	assert_int_equal(v, 0x03020100);
	assert_int_equal(as.a[0]->va[0x1fff], 0x40);
	assert_int_equal(as.a[0]->va[0x1ffe], 0);
	assert_int_equal(as.a[1]->va[0], 0);
	assert_int_equal(as.a[2]->va[0xfff], 0x40);
	unmap_areas(&as);
}

/* When nobody waits: the service thread answers. The same over a twin socket. */
static void dma_alone(struct fix *f, int fd)
{
	struct areas as;
	uint8_t got[0x3000];

	map_areas(f, &as);
	assert_true(((struct fl_vu *)f->d)->serving);
	memset(as.a[0]->va, 0x11, 0x2000);
	/* takes the link's lock, as the service does: orders our stores for the sanitizer too */
	assert_int_equal(f->d->ops->dispatch(f->d), 0);
	for (size_t i = 0; i < FL_ARRAY_SIZE(tries); i++)
		ask_dma(fd, &tries[i], 0x22, got);
	ask_dma(fd, &tries[2], 0, got);
	assert_int_equal(got[0xffe], 0x11);
	assert_int_equal(got[0xfff], 0x22);
	assert_int_equal(got[0x1000], 0);
	unmap_areas(&as);
}

/* The test's thread plays the server; nothing else reads that end meanwhile. */
static void test_dma_service(void **state)
{
	struct fix *f = *state;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	f->p->twin = sv[1];
	f->p->caps = "{\"capabilities\":{\"twin_socket\":{\"supported\":true,\"fd_index\":0}}}";
	assert_int_equal(open_link(f), 0);
	close(sv[1]);
	dma_alone(f, sv[0]);
	close(sv[0]);
}

static bool dma_after_map(struct peer *p, struct msg *m)
{
	if (m->h.cmd != FL_VU_DEVICE_RESET)
		return false;
	reply(p, m, NULL, 0);
	/* the client has its reply: what follows nobody waits for */
	for (size_t i = 0; i < FL_ARRAY_SIZE(tries); i++)
		ask_dma(p->fd, &tries[i], 0x33, NULL);
	__atomic_store_n(&p->done, true, __ATOMIC_RELEASE);
	return true;
}

static void test_dma_service_one_socket(void **state)
{
	struct fix *f = *state;
	struct areas as;
	uint32_t v;

	f->p->hook = dma_after_map;
	assert_int_equal(open_link(f), 0);
	map_areas(f, &as);
	assert_int_equal(f->d->ops->reset(f->d), 0);
	for (int i = 0; i < 2000 && !__atomic_load_n(&f->p->done, __ATOMIC_ACQUIRE); i++)
		usleep(1000);
	assert_true(f->p->done);
	assert_int_equal(f->d->ops->region_read(f->d, 7, 0, &v, 4), 0);
	assert_int_equal(as.a[2]->va[0xfff], 0x33);
	unmap_areas(&as);
	assert_string_equal(f->text, "");
}

/* Memory with an fd brings no thread: dispatch() serves. And a write that wants no answer. */
static void test_dma_dispatch(void **state)
{
	struct fix *f = *state;
	struct fl_dma_opts o = { .prot = FL_DMA_RW, .iova = { 0x100000 } };
	struct fl_mem *mem = get_mem(FL_MEM_MEMFD, 0x1000);
	struct {
		struct fl_vu_dma_access a;
		uint64_t data;
	} b = { { 0x100008, 8 }, 0x1122334455667788 };
	struct fl_vu_hdr h = { 1, FL_VU_DMA_WRITE, sizeof(h) + sizeof(b), FL_VU_F_NO_REPLY, 0 };
	struct fl_dma_area *a;
	struct pollfd pfd;
	uint32_t v;

	assert_int_equal(open_link(f), 0);
	assert_int_equal(fl_dma_map(f->space, mem, &o, &a), 0);
	assert_int_equal(f->d->ops->dispatch(f->d), 0);
	peer_send(f->p->fd, &h, &b, sizeof(b), NULL, 0);
	pfd = (struct pollfd){ f->d->ops->event_fd(f->d), POLLIN, 0 };
	assert_int_equal(poll(&pfd, 1, 1000), 1);
	assert_int_equal(f->d->ops->dispatch(f->d), 0);
	assert_int_equal(*(uint64_t *)(a->va + 8), b.data);
	assert_int_equal(f->d->ops->region_read(f->d, 7, 0, &v, 4), 0);
	assert_int_equal(fl_dma_unmap(a), 0);
	fl_mem_free(mem);
}

static void *reader(void *arg)
{
	struct fl_vfio_dev *d = arg;

	for (unsigned i = 0; i < 200; i++) {
		uint32_t v = 0, off = i * 4 % 256;

		if (d->ops->region_read(d, 7, off, &v, 4) || (v & 0xff) != off)
			return "wrong";
	}
	return NULL;
}

/* Calls of several threads, while the server asks for memory in the midst of each. */
static bool dma_sometimes(struct peer *p, struct msg *m)
{
	static const struct dma_try t = { FL_VU_DMA_READ, 0x100000, 64, 0 };

	if (m->h.cmd == FL_VU_REGION_READ && m->body[0] & 4)
		ask_dma(p->fd, &t, 0, NULL);
	return false;
}

static void test_threads(void **state)
{
	struct fix *f = *state;
	pthread_t t[4];
	struct areas as;
	void *res;

	f->p->hook = dma_sometimes;
	assert_int_equal(open_link(f), 0);
	map_areas(f, &as);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, reader, f->d), 0);
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(t[i], &res);
		assert_null(res);
	}
	assert_int_equal(f->p->reads, 800);
	unmap_areas(&as);
}

/* ---- a hostile peer ----------------------------------------------------------------------- */

struct evil {
	const char *name;
	uint16_t cmd; /* the reply to its first one is spoilt */
	int err;      /* what the caller gets */
	bool dead;    /* and whether the link ends */
	void (*spoil)(struct peer *p, struct msg *m);
};

static void raw(struct peer *p, uint16_t id, uint16_t cmd, uint32_t size, uint32_t flags)
{
	struct fl_vu_hdr h = { id, cmd, size, flags, 0 };

	peer_send(p->fd, &h, NULL, 0, NULL, 0);
}

static void short_header(struct peer *p, struct msg *m)
{
	raw(p, m->h.id, m->h.cmd, 15, FL_VU_REPLY);
}

static void giant(struct peer *p, struct msg *m)
{
	raw(p, m->h.id, m->h.cmd, UINT32_MAX, FL_VU_REPLY);
}

static void bare(struct peer *p, struct msg *m)
{
	reply(p, m, NULL, 0);
}

static void large(struct peer *p, struct msg *m)
{
	static const uint8_t zero[9000];

	reply(p, m, zero, sizeof(zero));
}

static void wrong_id(struct peer *p, struct msg *m)
{
	raw(p, m->h.id + 1, m->h.cmd, 16, FL_VU_REPLY);
}

static void wrong_cmd(struct peer *p, struct msg *m)
{
	raw(p, m->h.id, m->h.cmd + 1, 16, FL_VU_REPLY);
}

static void wrong_type(struct peer *p, struct msg *m)
{
	raw(p, m->h.id, m->h.cmd, 16, 0xf);
}

static void error_zero(struct peer *p, struct msg *m)
{
	reply_error(p, m, 0);
}

static void error_huge(struct peer *p, struct msg *m)
{
	reply_error(p, m, 0x80000000u);
}

static void error_plain(struct peer *p, struct msg *m)
{
	reply_error(p, m, ENOTTY);
}

static void error_gone(struct peer *p, struct msg *m)
{
	reply_error(p, m, ENODEV);
}

static void hang_up(struct peer *p, struct msg *m)
{
	shutdown(p->fd, SHUT_RDWR);
}

static void half_then_hang_up(struct peer *p, struct msg *m)
{
	raw(p, m->h.id, m->h.cmd, 64, FL_VU_REPLY);
	shutdown(p->fd, SHUT_RDWR);
}

static void half_then_stall(struct peer *p, struct msg *m)
{
	raw(p, m->h.id, m->h.cmd, 64, FL_VU_REPLY);
}

static void say_nothing(struct peer *p, struct msg *m)
{
}

static void many_fds(struct peer *p, struct msg *m)
{
	int fds[FL_VU_FDS_MAX + 4];

	for (size_t i = 0; i < FL_ARRAY_SIZE(fds); i++)
		fds[i] = p->bar_file;
	reply_fds(p, m, NULL, 0, fds, FL_ARRAY_SIZE(fds));
}

static void dma_short(struct peer *p, struct msg *m)
{
	raw(p, 9, FL_VU_DMA_READ, 20, 0);
	peer_send(p->fd, &m->h, NULL, 0, NULL, 0);
}

static void dma_lies(struct peer *p, struct msg *m)
{
	struct fl_vu_dma_access a = { 0, 1ull << 40 };
	struct fl_vu_hdr h = { 9, FL_VU_DMA_WRITE, sizeof(h) + sizeof(a), 0, 0 };

	peer_send(p->fd, &h, &a, sizeof(a), NULL, 0);
}

/* A server that asks and never lets go is not waited for longer than any other. */
static void asks_for_ever(struct peer *p, struct msg *m)
{
	static const struct dma_try t = { FL_VU_DMA_READ, 0, 1, EFAULT };
	struct fl_vu_dma_access a = { t.iova, t.count };
	struct fl_vu_hdr h = { 9, t.cmd, sizeof(h) + sizeof(a), 0, 0 };
	struct msg *r = malloc(sizeof(*r));

	do
		peer_send(p->fd, &h, &a, sizeof(a), NULL, 0);
	while (peer_recv(p->fd, r));
	free(r);
}

static void version_json(struct peer *p, struct msg *m, uint16_t major, uint16_t minor,
			 const char *json, size_t len)
{
	struct {
		struct fl_vu_version v;
		char json[256];
	} r = { { major, minor }, "" };

	memcpy(r.json, json, len);
	reply(p, m, &r, sizeof(r.v) + len);
}

static void version_major(struct peer *p, struct msg *m)
{
	version_json(p, m, 1, 0, "{}", 3);
}

static void version_minor(struct peer *p, struct msg *m)
{
	version_json(p, m, 0, 9, "{}", 3);
}

static void version_no_nul(struct peer *p, struct msg *m)
{
	version_json(p, m, 0, 1, "{}", 2);
}

static void version_bad_json(struct peer *p, struct msg *m)
{
	version_json(p, m, 0, 1, "{]", 3);
}

static void version_zero_xfer(struct peer *p, struct msg *m)
{
	static const char j[] = "{\"capabilities\":{\"max_data_xfer_size\":0}}";

	version_json(p, m, 0, 1, j, sizeof(j));
}

static void version_zero_pages(struct peer *p, struct msg *m)
{
	static const char j[] = "{\"capabilities\":{\"pgsizes\":0}}";

	version_json(p, m, 0, 1, j, sizeof(j));
}

static void version_twin_lost(struct peer *p, struct msg *m)
{
	static const char j[] =
		"{\"capabilities\":{\"twin_socket\":{\"supported\":true,\"fd_index\":0}}}";

	version_json(p, m, 0, 1, j, sizeof(j));
}

static void version_twin_file(struct peer *p, struct msg *m)
{
	p->twin = p->bar_file;
	p->caps = "{\"capabilities\":{\"twin_socket\":{\"supported\":true,\"fd_index\":0}}}";
	serve_version(p, m);
}

static void not_pci(struct peer *p, struct msg *m)
{
	struct fl_vu_device_info i = { sizeof(i), 0, 9, 5 };

	reply(p, m, &i, sizeof(i));
}

static void spoil_bar0(struct peer *p, struct msg *m, struct sparse_reply *r)
{
	reply_fds(p, m, r, sizeof(*r), &p->bar_file, 1);
}

static void region_other(struct peer *p, struct msg *m)
{
	struct sparse_reply r = bar0_info();

	r.info.index = 1;
	spoil_bar0(p, m, &r);
}

static void region_wraps(struct peer *p, struct msg *m)
{
	struct sparse_reply r = bar0_info();

	r.info.offset = UINT64_MAX - 0xfff;
	spoil_bar0(p, m, &r);
}

static void cap_in_front(struct peer *p, struct msg *m)
{
	struct sparse_reply r = bar0_info();

	r.info.cap_offset = 8;
	spoil_bar0(p, m, &r);
}

static void cap_behind(struct peer *p, struct msg *m)
{
	struct sparse_reply r = bar0_info();

	r.other.next = sizeof(r) - 4;
	spoil_bar0(p, m, &r);
}

static void cap_far(struct peer *p, struct msg *m)
{
	struct sparse_reply r = bar0_info();

	r.other.next = 0xfffffff8u;
	spoil_bar0(p, m, &r);
}

static void cap_circle(struct peer *p, struct msg *m)
{
	struct sparse_reply r = bar0_info();

	r.other.next = r.info.cap_offset;
	spoil_bar0(p, m, &r);
}

static void sparse_many(struct peer *p, struct msg *m)
{
	struct sparse_reply r = bar0_info();

	r.nr = 3;
	spoil_bar0(p, m, &r);
}

static void sparse_billions(struct peer *p, struct msg *m)
{
	struct sparse_reply r = bar0_info();

	r.nr = UINT32_MAX;
	spoil_bar0(p, m, &r);
}

static void sparse_outside(struct peer *p, struct msg *m)
{
	struct sparse_reply r = bar0_info();

	r.areas[1].size = 0x1001;
	spoil_bar0(p, m, &r);
}

static void sparse_wraps(struct peer *p, struct msg *m)
{
	struct sparse_reply r = bar0_info();

	r.areas[1] = (struct fl_vu_area){ 0x1000, UINT64_MAX };
	spoil_bar0(p, m, &r);
}

static void argsz_giant(struct peer *p, struct msg *m)
{
	struct sparse_reply r = bar0_info();

	r.info.argsz = UINT32_MAX;
	spoil_bar0(p, m, &r);
}

static void irq_other(struct peer *p, struct msg *m)
{
	struct fl_vu_irq_info i = { sizeof(i), 0, 4, 1 };

	reply(p, m, &i, sizeof(i));
}

static void read_answer(struct peer *p, struct msg *m, uint32_t count, uint32_t region, size_t len)
{
	struct {
		struct fl_vu_region_access a;
		uint8_t data[64];
	} r = { .a = { 0, region, count } };

	reply(p, m, &r, sizeof(r.a) + len);
}

static void read_short(struct peer *p, struct msg *m)
{
	read_answer(p, m, 2, 7, 2);
}

static void read_long(struct peer *p, struct msg *m)
{
	read_answer(p, m, 8, 7, 8);
}

static void read_lies(struct peer *p, struct msg *m)
{
	read_answer(p, m, 4, 7, 2);
}

static void read_other(struct peer *p, struct msg *m)
{
	read_answer(p, m, 4, 6, 4);
}

static const struct evil evils[] = {
	{ "short header", FL_VU_VERSION, -EPROTO, true, short_header },
	{ "giant message", FL_VU_VERSION, -EPROTO, true, giant },
	{ "no version", FL_VU_VERSION, -EPROTO, true, bare },
	{ "version too long", FL_VU_VERSION, -EPROTO, true, large },
	{ "refused", FL_VU_VERSION, -ENOTTY, true, error_plain },
	{ "hang-up", FL_VU_VERSION, -ENODEV, true, hang_up },
	{ "silence", FL_VU_VERSION, -ETIMEDOUT, true, say_nothing },
	{ "major", FL_VU_VERSION, -EPROTO, true, version_major },
	{ "minor", FL_VU_VERSION, -EPROTO, true, version_minor },
	{ "no NUL", FL_VU_VERSION, -EPROTO, true, version_no_nul },
	{ "bad JSON", FL_VU_VERSION, -EPROTO, true, version_bad_json },
	{ "no transfer", FL_VU_VERSION, -EPROTO, true, version_zero_xfer },
	{ "no pages", FL_VU_VERSION, -EPROTO, true, version_zero_pages },
	{ "twin lost", FL_VU_VERSION, -EPROTO, true, version_twin_lost },
	{ "twin is a file", FL_VU_VERSION, -EPROTO, true, version_twin_file },
	{ "too many fds", FL_VU_VERSION, -EPROTO, true, many_fds },
	{ "info cut", FL_VU_DEVICE_GET_INFO, -EPROTO, true, bare },
	{ "info long", FL_VU_DEVICE_GET_INFO, -EPROTO, true, large },
	{ "not PCI", FL_VU_DEVICE_GET_INFO, -EPROTO, true, not_pci },
	{ "region cut", FL_VU_DEVICE_GET_REGION_INFO, -EPROTO, true, bare },
	{ "region other", FL_VU_DEVICE_GET_REGION_INFO, -EPROTO, true, region_other },
	{ "region wraps", FL_VU_DEVICE_GET_REGION_INFO, -EPROTO, true, region_wraps },
	{ "cap in front", FL_VU_DEVICE_GET_REGION_INFO, -EPROTO, true, cap_in_front },
	{ "cap behind", FL_VU_DEVICE_GET_REGION_INFO, -EPROTO, true, cap_behind },
	{ "cap far", FL_VU_DEVICE_GET_REGION_INFO, -EPROTO, true, cap_far },
	{ "cap circle", FL_VU_DEVICE_GET_REGION_INFO, -EPROTO, true, cap_circle },
	{ "sparse many", FL_VU_DEVICE_GET_REGION_INFO, -EPROTO, true, sparse_many },
	{ "sparse billions", FL_VU_DEVICE_GET_REGION_INFO, -EPROTO, true, sparse_billions },
	{ "sparse outside", FL_VU_DEVICE_GET_REGION_INFO, -EPROTO, true, sparse_outside },
	{ "sparse wraps", FL_VU_DEVICE_GET_REGION_INFO, -EPROTO, true, sparse_wraps },
	{ "argsz giant", FL_VU_DEVICE_GET_REGION_INFO, -EPROTO, true, argsz_giant },
	{ "irq other", FL_VU_DEVICE_GET_IRQ_INFO, -EPROTO, true, irq_other },
	{ "irq cut", FL_VU_DEVICE_GET_IRQ_INFO, -EPROTO, true, bare },
	{ "read refused", FL_VU_REGION_READ, -ENOTTY, false, error_plain },
	{ "says it is gone", FL_VU_REGION_READ, -EIO, false, error_gone },
	{ "errno 0", FL_VU_REGION_READ, -EIO, false, error_zero },
	{ "errno huge", FL_VU_REGION_READ, -EIO, false, error_huge },
	{ "read empty", FL_VU_REGION_READ, -EPROTO, true, bare },
	{ "read short", FL_VU_REGION_READ, -EIO, false, read_short },
	{ "read long", FL_VU_REGION_READ, -EPROTO, true, read_long },
	{ "read lies", FL_VU_REGION_READ, -EPROTO, true, read_lies },
	{ "read other", FL_VU_REGION_READ, -EPROTO, true, read_other },
	{ "wrong id", FL_VU_REGION_READ, -EPROTO, true, wrong_id },
	{ "wrong command", FL_VU_REGION_READ, -EPROTO, true, wrong_cmd },
	{ "wrong type", FL_VU_REGION_READ, -EPROTO, true, wrong_type },
	{ "hang-up in read", FL_VU_REGION_READ, -ENODEV, true, hang_up },
	{ "half a reply", FL_VU_REGION_READ, -ENODEV, true, half_then_hang_up },
	{ "half, then silence", FL_VU_REGION_READ, -ETIMEDOUT, true, half_then_stall },
	{ "fds in read", FL_VU_REGION_READ, -EPROTO, true, many_fds },
	{ "DMA cut", FL_VU_REGION_READ, -EPROTO, true, dma_short },
	{ "DMA lies", FL_VU_REGION_READ, -EPROTO, true, dma_lies },
	{ "asks for ever", FL_VU_REGION_READ, -ETIMEDOUT, true, asks_for_ever },
};

static bool spoil_first(struct peer *p, struct msg *m)
{
	const struct evil *e = p->hook_arg;

	if (m->h.cmd != e->cmd || p->ncmds[e->cmd] > 1)
		return false;
	e->spoil(p, m);
	return true;
}

static void one_evil(const struct evil *e)
{
	uint64_t t0 = fl_now_ns();
	uint32_t v;
	struct fix *f;
	void *state;
	int err;

	assert_int_equal(setup(&state), 0);
	f = state;
	f->p->hook = spoil_first;
	f->p->hook_arg = e;
	err = open_link(f);
	if (!err) {
		err = f->d->ops->region_read(f->d, 7, 0, &v, 4);
		assert_int_equal(f->d->removed, e->dead);
		assert_int_equal(f->d->ops->dispatch(f->d), e->dead ? -ENODEV : 0);
		assert_int_equal(f->d->ops->region_read(f->d, 7, 0, &v, 4), e->dead ? -ENODEV : 0);
	}
	if (err != e->err)
		fail_msg("%s: %d, wanted %d", e->name, err, e->err);
	if (e->dead && !f->text[0])
		fail_msg("%s: no word of it", e->name);
	assert_true(fl_now_ns() - t0 < 3 * TIMEOUT_MS * 1000000ull);
	teardown(&state);
}

static void test_hostile(void **state)
{
	for (size_t i = 0; i < FL_ARRAY_SIZE(evils); i++)
		one_evil(&evils[i]);
}

/* A reply that nobody waits for. */
static void test_unsolicited(void **state)
{
	struct fix *f = *state;

	assert_int_equal(open_link(f), 0);
	raw(f->p, 1, FL_VU_REGION_READ, 16, FL_VU_REPLY);
	assert_int_equal(f->d->ops->dispatch(f->d), -ENODEV);
	assert_true(f->d->removed);
	assert_non_null(strstr(f->text, "did not send"));
}

/* ---- servers that differ ------------------------------------------------------------------ */

/* Says first that its answer is longer than what was asked for. */
static bool long_info(struct peer *p, struct msg *m)
{
	struct fl_vu_region_info in;
	struct {
		struct sparse_reply r;
		uint8_t pad[3000];
	} big = { .r = bar0_info() };

	if (m->h.cmd != FL_VU_DEVICE_GET_REGION_INFO)
		return false;
	memcpy(&in, m->body, sizeof(in));
	if (in.index)
		return false;
	big.r.info.argsz = sizeof(big);
	if (in.argsz < sizeof(big)) {
		big.r.info.flags &= ~FL_VU_REGION_F_CAPS;
		reply_fds(p, m, &big.r.info, sizeof(big.r.info), &p->bar_file, 1);
	} else {
		reply_fds(p, m, &big, sizeof(big), (int[]){ p->bar_file, p->bar_file }, 2);
	}
	return true;
}

static void test_long_info(void **state)
{
	struct fix *f = *state;
	struct fl_vfio_region r;

	f->p->hook = long_info;
	assert_int_equal(open_link(f), 0);
	assert_int_equal(f->d->ops->region_info(f->d, 0, &r), 0);
	assert_int_equal(r.nsparse, 2);
	assert_int_equal(f->p->ncmds[FL_VU_DEVICE_GET_REGION_INFO], 10);
}

/* F_MMAP, but no fd: reached by messages. */
static bool no_fd(struct peer *p, struct msg *m)
{
	struct sparse_reply r = bar0_info();

	if (m->h.cmd != FL_VU_DEVICE_GET_REGION_INFO || p->ncmds[m->h.cmd] != 1)
		return false;
	reply(p, m, &r, sizeof(r));
	return true;
}

/* What can be mapped is a list of areas without a byte. */
static bool empty_areas(struct peer *p, struct msg *m)
{
	struct sparse_reply r = bar0_info();

	if (m->h.cmd != FL_VU_DEVICE_GET_REGION_INFO || p->ncmds[m->h.cmd] != 1)
		return false;
	r.areas[0].size = r.areas[1].size = 0;
	spoil_bar0(p, m, &r);
	return true;
}

static void not_mapped(struct fix *f, bool (*hook)(struct peer *p, struct msg *m))
{
	struct fl_vfio_region r;
	void *p;

	f->p->hook = hook;
	assert_int_equal(open_link(f), 0);
	assert_int_equal(f->d->ops->region_info(f->d, 0, &r), 0);
	assert_int_equal(r.flags, FL_VFIO_REGION_F_READ | FL_VFIO_REGION_F_WRITE);
	assert_int_equal(f->d->ops->region_mmap(f->d, 0, 0, 0x1000, &p), -EOPNOTSUPP);
}

static void test_region_without_fd(void **state)
{
	not_mapped(*state, no_fd);
}

static void test_region_of_empty_areas(void **state)
{
	not_mapped(*state, empty_areas);
}

static bool unmap_bare(struct peer *p, struct msg *m)
{
	if (m->h.cmd != FL_VU_DMA_UNMAP)
		return false;
	reply(p, m, NULL, 0);
	return true;
}

static void test_unmap_bare(void **state)
{
	struct fix *f = *state;
	struct fl_mem *mem = get_mem(FL_MEM_MEMFD, 0x1000);
	struct fl_dma_area *a;

	f->p->hook = unmap_bare;
	assert_int_equal(open_link(f), 0);
	assert_int_equal(fl_dma_map(f->space, mem, NULL, &a), 0);
	assert_int_equal(fl_dma_unmap(a), 0);
	fl_mem_free(mem);
}

static void drop_client(struct peer *p)
{
	int fd = p->fd;

	__atomic_fetch_add(&hung_up, 1, __ATOMIC_RELEASE);
	shutdown(fd, SHUT_RDWR);
}

/* ---- leaving and coming back -------------------------------------------------------------- */

static void test_removal(void **state)
{
	struct fix *f = *state;
	struct fl_mem *mem = get_mem(FL_MEM_ANON, 0x1000);
	struct pollfd pfd;
	struct fl_dma_area *a;
	uint32_t v;

	assert_int_equal(open_link(f), 0);
	pfd = (struct pollfd){ f->d->ops->event_fd(f->d), POLLIN, 0 };
	assert_int_equal(poll(&pfd, 1, 0), 0);
	drop_client(f->p);
	assert_int_equal(poll(&pfd, 1, 1000), 1);
	assert_int_equal(f->d->ops->dispatch(f->d), -ENODEV);
	assert_true(f->d->removed);
	assert_int_equal(f->d->ops->region_read(f->d, 7, 0, &v, 4), -ENODEV);
	assert_int_equal(f->d->ops->reset(f->d), -ENODEV);
	/* the space goes on without it */
	assert_int_equal(fl_dma_map(f->space, mem, NULL, &a), 0);
	assert_int_equal(fl_dma_unmap(a), 0);
	fl_mem_free(mem);
}

static void listen_at(struct peer *p, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	unlink(path);
	p->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(p->listen_fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(p->listen_fd, 1), 0);
	assert_int_equal(pthread_create(&p->thread, NULL, peer_main, p), 0);
}

static bool refuse_second_map(struct peer *p, struct msg *m)
{
	if (m->h.cmd != FL_VU_DMA_MAP || p->ncmds[m->h.cmd] != 3)
		return false;
	reply_error(p, m, ENOSPC);
	return true;
}

static void test_reattach(void **state)
{
	struct fix *f = *state;
	struct fl_mem *mem[2] = { get_mem(FL_MEM_ANON, 0x1000), get_mem(FL_MEM_MEMFD, 0x1000) };
	struct fl_dma_area *a[2];
	char path[64];
	uint32_t v;

	snprintf(path, sizeof(path), "/tmp/fl-vu-%d.sock", (int)getpid());
	f->p->hook = refuse_second_map;
	listen_at(f->p, path);
	assert_int_equal(fl_vu_open(f->space, path, -1, false, &f->log, TIMEOUT_MS, &f->d), 0);
	assert_int_equal(fl_dma_map(f->space, mem[0], NULL, &a[0]), 0);
	assert_int_equal(f->p->nmaps, 1);

	drop_client(f->p);
	while (f->d->ops->region_read(f->d, 7, 0, &v, 4) == 0)
		;
	assert_true(f->d->removed);
	/* mapped while the server is away */
	assert_int_equal(fl_dma_map(f->space, mem[1], NULL, &a[1]), 0);
	/* it comes back, but refuses the second of the replayed areas: all or nothing */
	assert_int_equal(f->d->ops->reattach(f->d), -ENOSPC);
	assert_true(f->d->removed);
	assert_int_equal(f->d->ops->region_read(f->d, 7, 0, &v, 4), -ENODEV);

	assert_int_equal(f->d->ops->reattach(f->d), 0);
	assert_false(f->d->removed);
	assert_int_equal(f->p->nmaps, 2);
	assert_int_equal(f->d->ops->region_read(f->d, 7, 0, &v, 4), 0);
	assert_int_equal(v, 0x03020100);
	assert_true(((struct fl_vu *)f->d)->serving);

	/* and the server is away for good */
	shutdown(f->p->listen_fd, SHUT_RDWR);
	drop_client(f->p);
	assert_int_equal(f->d->ops->reattach(f->d), -ECONNREFUSED);
	unlink(path);
	assert_int_equal(f->d->ops->reattach(f->d), -ENOENT);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fl_dma_unmap(a[i]), 0);
		fl_mem_free(mem[i]);
	}
}

static void test_bad_open(void **state)
{
	struct fix *f = *state;
	struct fl_vfio_dev *d;
	char path[200];
	int sv[2];

	memset(path, 'x', sizeof(path));
	path[sizeof(path) - 1] = 0;
	assert_int_equal(fl_vfio_user_open(f->space, path, -1, false, &f->log, &d), -ENAMETOOLONG);
	assert_int_equal(fl_vfio_user_open(f->space, "/nowhere/at/all", -1, false, &f->log, &d),
			 -ENOENT);
	assert_int_equal(fl_vfio_user_open(f->space, NULL, -1, false, &f->log, &d), -EBADF);
	assert_int_equal(fl_vfio_user_open(f->space, NULL, dup(f->p->bar_file), false, &f->log, &d),
			 -ENOTSOCK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, sv), 0);
	assert_int_equal(fl_vfio_user_open(f->space, NULL, sv[0], false, &f->log, &d), -EPROTOTYPE);
	close(sv[1]);
	assert_int_equal(open_link(f), 0); /* for the teardown */
}

/* A server that takes nothing: our send ends too. */
static void test_send_timeout(void **state)
{
	struct fix *f = *state;
	struct fl_vu_chan c = { .fd = -1 };
	static uint8_t big[4 << 20];
	struct iovec iov = { big, sizeof(big) };
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	c.fd = sv[0];
	assert_int_equal(fl_vu_send(&c, &iov, 1, NULL, 0, fl_now_ns() + 50000000), -ETIMEDOUT);
	close(sv[1]);
	iov = (struct iovec){ big, 16 };
	assert_int_equal(fl_vu_send(&c, &iov, 1, NULL, 0, fl_now_ns() + 50000000), -ENODEV);
	fl_vu_chan_close(&c);
	assert_int_equal(open_link(f), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		T(test_info),
		T(test_no_caps),
		T(test_access),
		T(test_mmap),
		T(test_short_file),
		T(test_irqs),
		T(test_irqs_undone),
		T(test_dma_fd),
		T(test_dma_refused),
		T(test_dma_in_call),
		T(test_dma_service),
		T(test_dma_service_one_socket),
		T(test_dma_dispatch),
		T(test_threads),
		cmocka_unit_test(test_hostile),
		T(test_unsolicited),
		T(test_long_info),
		T(test_region_without_fd),
		T(test_region_of_empty_areas),
		T(test_unmap_bare),
		T(test_removal),
		T(test_reattach),
		T(test_bad_open),
		T(test_send_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
