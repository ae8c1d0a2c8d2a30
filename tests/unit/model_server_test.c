/* SPDX-License-Identifier: BSD-3-Clause */
/* The vfio-user server against a client of raw messages, and against our own client. */
#include "model_toy.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <server_internal.h>

struct fixture {
	struct fl_engine *e;
	struct fl_model *m;
	int fd;
	uint16_t id;
};

static char path[64];

/* ---- a client of raw bytes -------------------------------------------------------------- */

static bool send_raw(int fd, const void *p, size_t len, const int *fds, unsigned nfds)
{
	struct iovec iov = { (void *)(uintptr_t)p, len };
	char space[CMSG_SPACE(64 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nfds) {
		struct cmsghdr *c = (struct cmsghdr *)space;

		mh.msg_control = space;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	return sendmsg(fd, &mh, MSG_NOSIGNAL) == (ssize_t)len;
}

static void send_msg(struct fixture *f, unsigned cmd, uint32_t flags, const void *data,
		     uint32_t len, const int *fds, unsigned nfds)
{
	static uint8_t buf[FL_VU_MSG_MAX];
	struct fl_vu_hdr h = { .id = ++f->id,
			       .cmd = (uint16_t)cmd,
			       .size = (uint32_t)sizeof(h) + len,
			       .flags = flags };

	memcpy(buf, &h, sizeof(h));
	if (len)
		memcpy(buf + sizeof(h), data, len);
	assert_true(send_raw(f->fd, buf, h.size, fds, nfds));
}

static bool recv_all(int fd, void *p, size_t len, int *got_fd)
{
	uint8_t *at = p;

	while (len) {
		struct iovec iov = { at, len };
		char space[CMSG_SPACE(4 * sizeof(int))] __attribute__((aligned(8)));
		struct msghdr mh = { .msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = space,
				     .msg_controllen = sizeof(space) };
		struct cmsghdr *c;
		ssize_t n = recvmsg(fd, &mh, 0);

		if (n <= 0)
			return false;
		c = CMSG_FIRSTHDR(&mh);
		if (c && c->cmsg_type == SCM_RIGHTS && got_fd)
			memcpy(got_fd, CMSG_DATA(c), sizeof(int));
		at += n;
		len -= (size_t)n;
	}
	return true;
}

/* Length of the reply's payload, or the negative errno in it. */
static int recv_reply(struct fixture *f, unsigned cmd, void *out, uint32_t most, int *fd)
{
	struct fl_vu_hdr h;
	uint32_t len;

	assert_true(recv_all(f->fd, &h, sizeof(h), fd));
	assert_int_equal(h.id, f->id);
	assert_int_equal(h.cmd, cmd);
	assert_int_equal(h.flags & FL_VU_F_TYPE, FL_VU_REPLY);
	len = h.size - (uint32_t)sizeof(h);
	if (h.flags & FL_VU_F_ERROR) {
		assert_int_equal(len, 0);
		return fl_vu_error(&h);
	}
	assert_true(len <= most);
	assert_true(!len || recv_all(f->fd, out, len, fd));
	return (int)len;
}

static int ask(struct fixture *f, unsigned cmd, const void *data, uint32_t len, void *out,
	       uint32_t most)
{
	send_msg(f, cmd, 0, data, len, NULL, 0);
	return recv_reply(f, cmd, out, most, NULL);
}

/* The server closed the connection, within a second. */
static bool hung_up(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char b[256];

	while (poll(&p, 1, 1000) == 1) {
		if (read(fd, b, sizeof(b)) <= 0)
			return true;
	}
	return false;
}

static int connect_raw(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static int version(struct fixture *f, const char *json, char *out, uint32_t most)
{
	uint8_t buf[1024] = { 0, 0, 0xff, 0 }; /* 0.255 */

	memcpy(buf + 4, json, strlen(json) + 1);
	return ask(f, FL_VU_VERSION, buf, 4 + (*json ? (uint32_t)strlen(json) + 1 : 0), out, most);
}

static void handshake(struct fixture *f)
{
	char out[512];

	assert_true(version(f, "{\"capabilities\":{\"max_msg_fds\":8,\"write_multiple\":true}}",
			    out, sizeof(out)) > 4);
	assert_int_equal(out[0] | out[1], 0);
	assert_int_equal(out[2], FL_VU_MINOR);
	assert_non_null(strstr(out + 4, "\"write_multiple\":true"));
	assert_non_null(strstr(out + 4, "\"max_msg_fds\":16"));
	assert_null(strstr(out + 4, "\"supported\":true"));
}

static void reconnect(struct fixture *f)
{
	close(f->fd);
	f->fd = connect_raw();
	handshake(f);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(path, sizeof(path), "/tmp/fl-server-%d.sock", (int)getpid());
	f->e = toy_engine(true);
	assert_int_equal(fl_engine_add_ops(f->e, &toy_ops, NULL, path, -1, 0, &f->m), 0);
	f->fd = connect_raw();
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fl_engine_destroy(f->e);
	assert_int_equal(access(path, F_OK), -1);
	close(f->fd);
	free(f);
	return 0;
}

static int map(struct fixture *f, uint64_t iova, uint64_t size, uint64_t off, int fd)
{
	struct fl_vu_dma_map a = { sizeof(a), 3, off, iova, size };

	send_msg(f, FL_VU_DMA_MAP, 0, &a, sizeof(a), &fd, fd >= 0);
	return recv_reply(f, FL_VU_DMA_MAP, NULL, 0, NULL);
}

static int unmap(struct fixture *f, uint64_t iova, uint64_t size, uint32_t flags)
{
	struct fl_vu_dma_unmap a = { sizeof(a), flags, iova, size }, b;
	int r = ask(f, FL_VU_DMA_UNMAP, &a, sizeof(a), &b, sizeof(b));

	if (r < 0)
		return r;
	assert_int_equal(r, sizeof(b));
	assert_int_equal(b.iova, iova);
	assert_int_equal(b.size, size);
	return 0;
}

static int write_reg(struct fixture *f, unsigned region, uint64_t off, uint32_t v)
{
	struct {
		struct fl_vu_region_access a;
		uint32_t v;
	} w = { { off, region, 4 }, v };
	struct fl_vu_region_access b;

	return ask(f, FL_VU_REGION_WRITE, &w, sizeof(w.a) + 4, &b, sizeof(b));
}

static uint32_t read_reg(struct fixture *f, unsigned region, uint64_t off)
{
	struct fl_vu_region_access a = { off, region, 4 };
	uint8_t b[sizeof(a) + 4];
	uint32_t v;

	assert_int_equal(ask(f, FL_VU_REGION_READ, &a, sizeof(a), b, sizeof(b)), sizeof(b));
	assert_memory_equal(b, &a, sizeof(a));
	memcpy(&v, b + sizeof(a), 4);
	return v;
}

/* ---- every message ---------------------------------------------------------------------- */

static void test_device_info(void **state)
{
	struct fixture *f = *state;
	struct fl_vu_device_info a = { .argsz = sizeof(a) };

	handshake(f);
	assert_int_equal(ask(f, FL_VU_DEVICE_GET_INFO, &a, sizeof(a), &a, sizeof(a)), sizeof(a));
	assert_int_equal(a.flags, FL_VU_DEVICE_F_PCI | FL_VU_DEVICE_F_RESET);
	assert_int_equal(a.num_regions, 9);
	assert_int_equal(a.num_irqs, 5);
	a.argsz = 8;
	assert_int_equal(ask(f, FL_VU_DEVICE_GET_INFO, &a, sizeof(a), &a, sizeof(a)), -EINVAL);
	assert_int_equal(ask(f, FL_VU_DEVICE_GET_INFO, &a, 8, &a, sizeof(a)), -EINVAL);
}

static void test_region_info(void **state)
{
	struct fixture *f = *state;
	struct fl_vu_region_info q = { .argsz = sizeof(q) };
	struct {
		struct fl_vu_region_info i;
		struct fl_vu_cap cap;
		uint32_t nr_areas, reserved;
		struct fl_vu_area area;
	} r;
	int fd = -1;
	uint32_t *p;

	handshake(f);
	/* cut: says how much it takes, and brings neither capabilities nor an fd */
	send_msg(f, FL_VU_DEVICE_GET_REGION_INFO, 0, &q, sizeof(q), NULL, 0);
	assert_int_equal(recv_reply(f, FL_VU_DEVICE_GET_REGION_INFO, &r, sizeof(r), &fd),
			 sizeof(q));
	assert_int_equal(r.i.argsz, sizeof(r));
	assert_int_equal(r.i.flags, 7);
	assert_int_equal(fd, -1);
	q.argsz = r.i.argsz;
	send_msg(f, FL_VU_DEVICE_GET_REGION_INFO, 0, &q, sizeof(q), NULL, 0);
	assert_int_equal(recv_reply(f, FL_VU_DEVICE_GET_REGION_INFO, &r, sizeof(r), &fd),
			 sizeof(r));
	assert_int_equal(r.i.flags, 15);
	assert_int_equal(r.i.size, TOY_BAR_SIZE);
	assert_int_equal(r.i.cap_offset, sizeof(q));
	assert_int_equal(r.nr_areas, 1);
	assert_int_equal(r.area.offset, TOY_SHARED);
	assert_int_equal(r.area.size, 0x1000);
	assert_true(fd >= 0);
	/* a doorbell through the mapping, and the answer through a message */
	p = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 (off_t)(r.i.offset + TOY_SHARED));
	assert_ptr_not_equal(p, MAP_FAILED);
	__atomic_store_n(p, 0x1234, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < 1000 && __atomic_load_n(&p[1], __ATOMIC_ACQUIRE) != 0x1234; i++)
		usleep(1000);
	assert_int_equal(read_reg(f, 0, TOY_SHARED + 4), 0x1234);
	munmap(p, 0x1000);
	close(fd);
	for (q.index = 1; q.index < 9; q.index++) {
		static const uint64_t size[9] = { [2] = 32, [4] = 0x4000, [7] = 4096 };

		assert_int_equal(ask(f, FL_VU_DEVICE_GET_REGION_INFO, &q, sizeof(q), &r, sizeof(r)),
				 sizeof(q));
		assert_int_equal(r.i.size, size[q.index]);
		assert_int_equal(r.i.flags, size[q.index] ? 3 : 0);
	}
	assert_int_equal(ask(f, FL_VU_DEVICE_GET_REGION_INFO, &q, sizeof(q), &r, sizeof(r)),
			 -EINVAL);
}

static void test_irqs(void **state)
{
	struct fixture *f = *state;
	static const unsigned count[] = { 1, 1, 5, 1, 1 };
	struct fl_vu_irq_info a = { .argsz = sizeof(a) };
	struct fl_vu_irq_set s = { sizeof(s), FL_VU_IRQ_DATA_EVENTFD | FL_VU_IRQ_ACTION_TRIGGER, 2,
				   1, 2 };
	struct pollfd p;
	int ev[2];

	handshake(f);
	for (unsigned i = 0; i < 5; i++) {
		a.index = i;
		assert_int_equal(ask(f, FL_VU_DEVICE_GET_IRQ_INFO, &a, sizeof(a), &a, sizeof(a)),
				 sizeof(a));
		assert_int_equal(a.count, count[i]);
	}
	a.index = 5;
	assert_int_equal(ask(f, FL_VU_DEVICE_GET_IRQ_INFO, &a, sizeof(a), &a, sizeof(a)), -EINVAL);
	ev[0] = eventfd(0, EFD_NONBLOCK);
	ev[1] = eventfd(0, EFD_NONBLOCK);
	send_msg(f, FL_VU_DEVICE_SET_IRQS, 0, &s, sizeof(s), ev, 2);
	assert_int_equal(recv_reply(f, FL_VU_DEVICE_SET_IRQS, NULL, 0, NULL), 0);
	assert_true(write_reg(f, 0, 0x10, 2) >= 0);
	p = (struct pollfd){ .fd = ev[1], .events = POLLIN };
	assert_int_equal(poll(&p, 1, 1000), 1);
	p.fd = ev[0];
	assert_int_equal(poll(&p, 1, 0), 0);
	/* none: taken away */
	send_msg(f, FL_VU_DEVICE_SET_IRQS, 0, &s, sizeof(s), NULL, 0);
	assert_int_equal(recv_reply(f, FL_VU_DEVICE_SET_IRQS, NULL, 0, NULL), 0);
	/* an fd where none belongs, too few of them, booleans that are not there */
	s.count = 3;
	send_msg(f, FL_VU_DEVICE_SET_IRQS, 0, &s, sizeof(s), ev, 2);
	assert_int_equal(recv_reply(f, FL_VU_DEVICE_SET_IRQS, NULL, 0, NULL), -EINVAL);
	send_msg(f, FL_VU_DEVICE_RESET, 0, NULL, 0, ev, 1);
	assert_int_equal(recv_reply(f, FL_VU_DEVICE_RESET, NULL, 0, NULL), -EINVAL);
	s.flags = FL_VU_IRQ_DATA_BOOL | FL_VU_IRQ_ACTION_TRIGGER;
	assert_int_equal(ask(f, FL_VU_DEVICE_SET_IRQS, &s, sizeof(s), NULL, 0), -EINVAL);
	close(ev[0]);
	close(ev[1]);
}

static void test_access(void **state)
{
	struct fixture *f = *state;
	struct {
		uint64_t n;
		struct {
			uint64_t off;
			uint32_t region, count;
			uint64_t v;
		} w[3];
	} multi = { 3, { { 0, 0, 4, 11 }, { 4, 7, 2, 6 }, { 0x38, 0, 8, 1ull << 40 } } };
	struct fl_vu_region_access a = { 0, 0, 0x1000 };
	static uint8_t big[0x1000 + sizeof(a)];
	uint64_t done;

	handshake(f);
	assert_int_equal(write_reg(f, 0, 0, 0xcafe), sizeof(a));
	assert_int_equal(read_reg(f, 0, 0), 0xcafe);
	assert_int_equal(read_reg(f, 7, 0), 0x10d38086);
	assert_int_equal(ask(f, FL_VU_REGION_READ, &a, sizeof(a), big, sizeof(big)), sizeof(big));
	assert_int_equal(ask(f, FL_VU_REGION_WRITE_MULTI, &multi, sizeof(multi), &done, 8), 8);
	assert_int_equal(done, 3);
	assert_int_equal(read_reg(f, 0, 0), 11);
	assert_int_equal(read_reg(f, 7, 4) & 0xffff, 6);
	assert_int_equal(read_reg(f, 0, 0x3c), 256);
	multi.w[1].count = 9;
	assert_int_equal(ask(f, FL_VU_REGION_WRITE_MULTI, &multi, sizeof(multi), &done, 8), 8);
	assert_int_equal(done, 1);
	multi.n = 1ull << 61;
	assert_int_equal(ask(f, FL_VU_REGION_WRITE_MULTI, &multi, sizeof(multi), &done, 8),
			 -EINVAL);
	/* out of bounds, counts that lie */
	assert_int_equal(write_reg(f, 0, TOY_BAR_SIZE, 0), -EINVAL);
	assert_int_equal(write_reg(f, 3, 0, 0), -EINVAL);
	assert_int_equal(write_reg(f, 77, 0, 0), -EINVAL);
	a.count = UINT32_MAX;
	assert_int_equal(ask(f, FL_VU_REGION_READ, &a, sizeof(a), big, sizeof(big)), -EINVAL);
	a.count = 5;
	memcpy(big, &a, sizeof(a));
	assert_int_equal(ask(f, FL_VU_REGION_WRITE, big, sizeof(a) + 4, big, sizeof(big)), -EINVAL);
	/* reset */
	assert_int_equal(ask(f, FL_VU_DEVICE_RESET, NULL, 0, NULL, 0), 0);
	assert_int_equal(read_reg(f, 0, 0), 0);
	assert_int_equal(read_reg(f, 7, 4) & 0xffff, 0);
}

static void test_no_reply(void **state)
{
	struct fixture *f = *state;
	struct {
		struct fl_vu_region_access a;
		uint32_t v;
	} w = { { 0, 0, 4 }, 99 };

	handshake(f);
	send_msg(f, FL_VU_REGION_WRITE, FL_VU_F_NO_REPLY, &w, 20, NULL, 0);
	w.a.region = 99;
	send_msg(f, FL_VU_REGION_WRITE, FL_VU_F_NO_REPLY, &w, 20, NULL, 0);
	assert_int_equal(read_reg(f, 0, 0), 99);
}

static void test_refused_commands(void **state)
{
	struct fixture *f = *state;
	static const unsigned none[] = { 0, 14, 19, 0xffff, FL_VU_DMA_READ, FL_VU_DMA_WRITE };
	static const unsigned not_ours[] = { FL_VU_DEVICE_GET_REGION_IO_FDS, FL_VU_DEVICE_FEATURE,
					     FL_VU_MIG_DATA_READ, FL_VU_MIG_DATA_WRITE };
	uint8_t b[64] = { 0 };

	handshake(f);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(none); i++)
		assert_int_equal(ask(f, none[i], b, sizeof(b), b, sizeof(b)), -EINVAL);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(not_ours); i++)
		assert_int_equal(ask(f, not_ours[i], b, sizeof(b), b, sizeof(b)), -ENOTSUP);
	/* a reply that nobody waits for is dropped */
	send_msg(f, FL_VU_DMA_READ, FL_VU_REPLY, b, sizeof(b), NULL, 0);
	assert_int_equal(read_reg(f, 7, 0), 0x10d38086);
}

/* ---- DMA -------------------------------------------------------------------------------- */

static void test_dma_map_messages(void **state)
{
	struct fixture *f = *state;
	int fd = memfd_create("dma", MFD_CLOEXEC), dir = open("/", O_RDONLY);
	uint8_t *p;

	assert_int_equal(ftruncate(fd, 0x10000), 0);
	p = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	handshake(f);
	write_reg(f, 7, 4, 6);
	assert_int_equal(map(f, 0x10000, 0x8000, 0x8000, fd), 0);
	assert_int_equal(map(f, 0x10000, 0x8000, 0x8000, fd), -EEXIST);
	assert_int_equal(map(f, 0x20000, 0x8000, 0xc000, fd), -EINVAL);
	assert_int_equal(map(f, 0x20000, 1ull << 50, 0, fd), -EINVAL);
	assert_int_equal(map(f, 0x20000, 0x1000, 0, dir), -EINVAL);
	p[0x8004] = 0x77;
	write_reg(f, 0, 0x20, 0x10000);
	write_reg(f, 0, 0x28, 16);
	assert_int_equal(read_reg(f, 0, 0x38), 0);
	write_reg(f, 0, 0x20, 0x10100);
	write_reg(f, 0, 0x30, 16);
	assert_int_equal(p[0x8104], 0x77);
	assert_int_equal(unmap(f, 0x10000, 0x4000, 0), -EINVAL);
	assert_int_equal(unmap(f, 0x90000, 0x4000, 0), -ENOENT);
	assert_int_equal(unmap(f, 0x10000, 0x8000, FL_VU_DMA_UNMAP_F_DIRTY), -ENOTSUP);
	assert_int_equal(unmap(f, 0x10000, 0x8000, 0), 0);
	write_reg(f, 0, 0x30, 16);
	assert_int_equal((int)read_reg(f, 0, 0x38), -EFAULT);
	for (unsigned i = 0; i < 2000; i++)
		assert_int_equal(map(f, i * 0x2000ull, 0x1000, 0, fd), 0);
	assert_int_equal(unmap(f, 0x1000, 0, FL_VU_DMA_UNMAP_F_ALL), -EINVAL);
	assert_int_equal(unmap(f, 0, 0, FL_VU_DMA_UNMAP_F_ALL), 0);
	assert_int_equal(unmap(f, 0, 0x1000, 0), -ENOENT);
	munmap(p, 0x10000);
	close(fd);
	close(dir);
}

/* A request from the server, on the given socket. */
static void expect_dma(int fd, unsigned cmd, struct fl_vu_hdr *h, struct fl_vu_dma_access *a,
		       uint8_t *data)
{
	assert_true(recv_all(fd, h, sizeof(*h), NULL));
	assert_int_equal(h->cmd, cmd);
	assert_int_equal(h->flags, 0);
	assert_true(recv_all(fd, a, sizeof(*a), NULL));
	if (cmd == FL_VU_DMA_WRITE)
		assert_true(recv_all(fd, data, a->count, NULL));
}

static void answer_dma(int fd, struct fl_vu_hdr h, const struct fl_vu_dma_access *a,
		       const uint8_t *data)
{
	uint8_t buf[256];
	uint32_t n = data ? (uint32_t)a->count : 0;

	h.flags = FL_VU_REPLY;
	h.size = (uint32_t)(sizeof(h) + sizeof(*a)) + n;
	memcpy(buf, &h, sizeof(h));
	memcpy(buf + 16, a, sizeof(*a));
	if (n)
		memcpy(buf + 32, data, n);
	assert_true(send_raw(fd, buf, h.size, NULL, 0));
}

static void go(struct fixture *f, uint64_t reg, uint32_t len)
{
	struct {
		struct fl_vu_region_access a;
		uint32_t v;
	} w = { { reg, 0, 4 }, len };

	send_msg(f, FL_VU_REGION_WRITE, 0, &w, 20, NULL, 0);
}

static void check_message_dma(struct fixture *f, int dma)
{
	struct fl_vu_region_access b, q = { 0, 7, 4 };
	uint8_t data[64], got[64], rd[sizeof(q) + 4];
	struct fl_vu_dma_access a;
	struct fl_vu_hdr h;
	uint16_t first;

	assert_int_equal(map(f, 0x10000, 0x1000, 0, -1), 0);
	write_reg(f, 7, 4, 6);
	write_reg(f, 0, 0x20, 0x10010);
	for (unsigned i = 0; i < 64; i++)
		data[i] = (uint8_t)(i * 3);
	/* what is asked while the model waits comes after */
	go(f, 0x28, 64);
	first = f->id;
	send_msg(f, FL_VU_REGION_READ, 0, &q, sizeof(q), NULL, 0);
	expect_dma(dma, FL_VU_DMA_READ, &h, &a, NULL);
	assert_int_equal(a.iova, 0x10010);
	assert_int_equal(a.count, 64);
	answer_dma(dma, h, &a, data);
	f->id = first;
	assert_int_equal(recv_reply(f, FL_VU_REGION_WRITE, &b, sizeof(b), NULL), sizeof(b));
	f->id++;
	assert_int_equal(recv_reply(f, FL_VU_REGION_READ, rd, sizeof(rd), NULL), sizeof(rd));
	assert_int_equal(read_reg(f, 0, 0x38), 0);
	go(f, 0x30, 64);
	expect_dma(dma, FL_VU_DMA_WRITE, &h, &a, got);
	assert_memory_equal(got, data, 64);
	answer_dma(dma, h, &a, NULL);
	assert_int_equal(recv_reply(f, FL_VU_REGION_WRITE, &b, sizeof(b), NULL), sizeof(b));
	assert_int_equal(read_reg(f, 0, 0x38), 0);
	/* a reply that lies about its length, and an error */
	for (unsigned i = 0; i < 2; i++) {
		go(f, 0x28, 64);
		expect_dma(dma, FL_VU_DMA_READ, &h, &a, NULL);
		if (i)
			h = (struct fl_vu_hdr){ h.id, h.cmd, 16, FL_VU_REPLY | FL_VU_F_ERROR,
						EPERM };
		else
			a.count = 63;
		if (i)
			assert_true(send_raw(dma, &h, 16, NULL, 0));
		else
			answer_dma(dma, h, &a, data);
		assert_int_equal(recv_reply(f, FL_VU_REGION_WRITE, &b, sizeof(b), NULL), sizeof(b));
		assert_int_equal((int)read_reg(f, 0, 0x38), -EFAULT);
	}
}

static void test_dma_by_message(void **state)
{
	struct fixture *f = *state;

	handshake(f);
	check_message_dma(f, f->fd);
}

static void test_dma_on_a_second_socket(void **state)
{
	static const char v[] = "\0\0\1\0{\"capabilities\":{\"twin_socket\":{\"supported\":true}}}";
	struct fixture *f = *state;
	char out[512];
	int fd = -1;

	send_msg(f, FL_VU_VERSION, 0, v, sizeof(v), NULL, 0);
	assert_true(recv_reply(f, FL_VU_VERSION, out, sizeof(out), &fd) > 4);
	assert_non_null(strstr(out + 4, "\"fd_index\":0"));
	assert_true(fd >= 0);
	check_message_dma(f, fd);
	close(fd);
	/* the end of the second is the end */
	assert_true(hung_up(f->fd));
}

static void set_timeout(void *arg)
{
	((struct fl_model *)arg)->srv->dma_timeout_ns = 20000000;
}

static void test_dma_time_out(void **state)
{
	struct fixture *f = *state;
	struct fl_vu_region_access b;
	struct fl_vu_dma_access a;
	struct fl_model_stats st;
	uint8_t data[64] = { 0 };
	struct fl_vu_hdr h;

	fl_engine_call(f->e, set_timeout, f->m);
	handshake(f);
	assert_int_equal(map(f, 0x10000, 0x1000, 0, -1), 0);
	write_reg(f, 7, 4, 6);
	write_reg(f, 0, 0x20, 0x10000);
	for (unsigned i = 0; i < 2; i++) {
		go(f, 0x28, 64);
		expect_dma(f->fd, FL_VU_DMA_READ, &h, &a, NULL);
		assert_int_equal(recv_reply(f, FL_VU_REGION_WRITE, &b, sizeof(b), NULL), sizeof(b));
		assert_int_equal((int)read_reg(f, 0, 0x38), -EFAULT);
		/* too late: dropped */
		answer_dma(f->fd, h, &a, data);
	}
	fl_model_stats(f->m, &st);
	assert_int_equal(st.dma_faults, 2);
	assert_int_equal(st.dma_messages, 2);
	go(f, 0x28, 64);
	assert_true(hung_up(f->fd));
	reconnect(f);
}

/* Each answer comes in time, and yet the engine does little but wait for them. */
static void test_slow_answers(void **state)
{
	struct {
		struct fl_vu_hdr h;
		struct fl_vu_region_access a;
		uint32_t len;
	} __attribute__((packed)) w = { { 1, FL_VU_REGION_WRITE, 36, 0, 0 }, { 0x28, 0, 4 }, 64 };
	struct fixture *f = *state;
	struct fl_vu_region_access b;
	struct fl_vu_dma_access a;
	uint8_t data[64] = { 0 };
	struct fl_vu_hdr h;
	unsigned served = 0;

	fl_engine_call(f->e, set_timeout, f->m);
	handshake(f);
	assert_int_equal(map(f, 0x10000, 0x1000, 0, -1), 0);
	write_reg(f, 7, 4, 6);
	write_reg(f, 0, 0x20, 0x10000);
	while (served < 20 && send_raw(f->fd, &w, sizeof(w), NULL, 0) &&
	       recv_all(f->fd, &h, sizeof(h), NULL) && recv_all(f->fd, &a, sizeof(a), NULL)) {
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
		answer_dma(f->fd, h, &a, data);
		served++;
		if (!recv_all(f->fd, &h, sizeof(h), NULL) || !recv_all(f->fd, &b, sizeof(b), NULL))
			break;
	}
	assert_in_range(served, 3, 10);
	assert_true(hung_up(f->fd));
	reconnect(f);
}

static void read_client(void *arg)
{
	uint8_t data[64];

	assert_int_equal(fl_model_dma_read(arg, fl_iova(0x10000), data, sizeof(data)), 0);
}

static void *dma_in_the_engine(void *arg)
{
	struct fixture *f = arg;

	fl_engine_call(f->e, read_client, f->m);
	return NULL;
}

/* The client asks something while the model waits in poll(), and then nothing more. */
static void test_asked_while_polling_waits(void **state)
{
	struct fixture *f = *state;
	struct fl_vu_region_access q = { 0, 7, 4 };
	struct fl_vu_dma_access a;
	uint8_t rd[sizeof(q) + 4], data[64] = { 0 };
	struct fl_vu_hdr h;
	pthread_t t;

	handshake(f);
	assert_int_equal(map(f, 0x10000, 0x1000, 0, -1), 0);
	write_reg(f, 7, 4, 6);
	assert_int_equal(pthread_create(&t, NULL, dma_in_the_engine, f), 0);
	expect_dma(f->fd, FL_VU_DMA_READ, &h, &a, NULL);
	send_msg(f, FL_VU_REGION_READ, 0, &q, sizeof(q), NULL, 0);
	answer_dma(f->fd, h, &a, data);
	pthread_join(t, NULL);
	assert_int_equal(poll(&(struct pollfd){ .fd = f->fd, .events = POLLIN }, 1, 1000), 1);
	assert_int_equal(recv_reply(f, FL_VU_REGION_READ, rd, sizeof(rd), NULL), sizeof(rd));
}

static void test_flood_instead_of_a_reply(void **state)
{
	struct fixture *f = *state;
	struct fl_vu_region_access q = { 0, 7, 4 };

	handshake(f);
	assert_int_equal(map(f, 0x10000, 0x1000, 0, -1), 0);
	write_reg(f, 7, 4, 6);
	write_reg(f, 0, 0x20, 0x10000);
	go(f, 0x28, 64);
	for (unsigned i = 0; i < 70; i++) {
		struct fl_vu_hdr h = { 1, FL_VU_REGION_READ, 32, 0, 0 };
		uint8_t b[32];

		memcpy(b, &h, 16);
		memcpy(b + 16, &q, 16);
		if (!send_raw(f->fd, b, sizeof(b), NULL, 0))
			break;
	}
	assert_true(hung_up(f->fd));
	reconnect(f);
}

/* ---- malformed, hostile, gone ------------------------------------------------------------- */

static void expect_thrown_out(struct fixture *f, const void *p, size_t len)
{
	assert_true(send_raw(f->fd, p, len, NULL, 0));
	assert_true(hung_up(f->fd));
	close(f->fd);
	f->fd = connect_raw();
}

static void test_malformed(void **state)
{
	struct fixture *f = *state;
	const struct fl_vu_hdr bad[] = {
		{ 1, FL_VU_DEVICE_RESET, 16, 0, 0 }, /* before the handshake */
		{ 1, FL_VU_VERSION, 15, 0, 0 },	     /* shorter than a header */
		{ 1, FL_VU_VERSION, 0, 0, 0 },
		{ 1, FL_VU_VERSION, FL_VU_VERSION_MAX + 1, 0, 0 },
		{ 1, FL_VU_VERSION, UINT32_MAX, 0, 0 },
		{ 1, FL_VU_VERSION, 20, 7, 0 }, /* neither command nor reply */
	};
	static const char major[] = "\1\0\0\0\0\0\0\0\24\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0";
	struct fl_vu_hdr v = { 1, FL_VU_VERSION, 0, 0, 0 };
	static const char *const json[] = { "{", "[]", "{\"capabilities\":7}",
					    "{\"capabilities\":{\"max_msg_fds\":\"x\"}}" };
	uint8_t b[128];

	for (unsigned i = 0; i < FL_ARRAY_SIZE(bad); i++)
		expect_thrown_out(f, &bad[i], sizeof(bad[i]));
	memcpy(b, major, sizeof(major));
	v.size = 20;
	memcpy(b, &v, 16);
	memcpy(b + 16, "\7\0\0\0", 4);
	expect_thrown_out(f, b, 20);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(json); i++) {
		v.size = 20 + (uint32_t)strlen(json[i]) + 1;
		memcpy(b, &v, 16);
		memset(b + 16, 0, 4);
		memcpy(b + 20, json[i], strlen(json[i]) + 1);
		expect_thrown_out(f, b, v.size);
	}
	/* capabilities without their NUL */
	v.size = 22;
	memcpy(b, &v, 16);
	memcpy(b + 20, "{}", 2);
	expect_thrown_out(f, b, 22);
	handshake(f);
	v = (struct fl_vu_hdr){ 1, FL_VU_REGION_WRITE, FL_VU_MSG_MAX + 1, 0, 0 };
	expect_thrown_out(f, &v, 16);
	/* twice */
	handshake(f);
	v = (struct fl_vu_hdr){ 1, FL_VU_VERSION, 20, 0, 0 };
	memcpy(b, &v, 16);
	expect_thrown_out(f, b, 20);
	handshake(f);
}

static void set_silence(void *arg)
{
	((struct fl_model *)arg)->srv->silence_ns = 20000000;
}

/* It connects and says nothing, or half a message; another waits in line. */
static void test_silent_client(void **state)
{
	struct fixture *f = *state;
	struct fl_vu_hdr half = { 1, FL_VU_VERSION, 20, 0, 0 };
	int next;

	fl_engine_call(f->e, set_silence, f->m);
	next = connect_raw();
	assert_true(hung_up(f->fd));
	close(f->fd);
	f->fd = next;
	assert_true(send_raw(f->fd, &half, sizeof(half), NULL, 0));
	assert_true(hung_up(f->fd));
	reconnect(f);
	/* who has negotiated may be silent */
	nanosleep(&(struct timespec){ .tv_nsec = 60000000 }, NULL);
	assert_int_equal(read_reg(f, 7, 0) & 0xffff, fl_model_cfg_get(f->m, 0, 2));
}

static void test_too_many_fds(void **state)
{
	struct fixture *f = *state;
	struct fl_vu_irq_set s = { sizeof(s), FL_VU_IRQ_DATA_EVENTFD | FL_VU_IRQ_ACTION_TRIGGER, 2,
				   0, 5 };
	int fds[40];

	handshake(f);
	for (unsigned i = 0; i < 40; i++)
		fds[i] = eventfd(0, 0);
	send_msg(f, FL_VU_DEVICE_SET_IRQS, 0, &s, sizeof(s), fds, 16);
	assert_int_equal(recv_reply(f, FL_VU_DEVICE_SET_IRQS, NULL, 0, NULL), -EINVAL);
	send_msg(f, FL_VU_DEVICE_SET_IRQS, 0, &s, sizeof(s), fds, 40);
	assert_true(hung_up(f->fd));
	for (unsigned i = 0; i < 40; i++)
		close(fds[i]);
	reconnect(f);
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Byte by byte; and half of one, while another model of the engine goes on. */
static void test_pieces(void **state)
{
	struct fixture *f = *state;
	struct fl_vu_hdr h = { 5, FL_VU_REGION_READ, 32, 0, 0 };
	struct fl_vu_region_access a = { 0, 7, 4 };
	struct fixture other = *f;
	uint8_t b[32];
	int sv[2];
	struct fl_model *m;

	handshake(f);
	memcpy(b, &h, 16);
	memcpy(b + 16, &a, 16);
	for (unsigned i = 0; i < 32; i++) {
		assert_true(send_raw(f->fd, b + i, 1, NULL, 0));
		usleep(200);
	}
	f->id = 5;
	assert_int_equal(recv_reply(f, FL_VU_REGION_READ, b, sizeof(b), NULL), 20);
	assert_true(send_raw(f->fd, &h, 7, NULL, 0));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(fl_engine_add_ops(f->e, &toy_ops, NULL, NULL, sv[0], 0, &m), 0);
	other.fd = sv[1];
	handshake(&other);
	assert_int_equal(read_reg(&other, 7, 0), 0x10d38086);
	close(sv[1]);
	reconnect(f);
}

/* Never reads: it is no longer read either, and holds up nobody. */
static void test_client_that_does_not_read(void **state)
{
	struct fixture *f = *state;
	struct fl_vu_hdr h = { 5, FL_VU_REGION_READ, 32, 0, 0 };
	struct fl_vu_region_access a = { 0, 0, TOY_BAR_SIZE };
	struct fl_model_stats st;
	unsigned sent = 0;
	uint8_t b[32];

	handshake(f);
	memcpy(b, &h, 16);
	memcpy(b + 16, &a, 16);
	for (unsigned i = 0; i < 20000 && send(f->fd, b, 32, MSG_DONTWAIT | MSG_NOSIGNAL) == 32;
	     i++)
		sent++;
	usleep(20000);
	fl_model_stats(f->m, &st);
	assert_true(st.region_reads < sent);
	reconnect(f);
	assert_int_equal(read_reg(f, 7, 0), 0x10d38086);
}

static void look(void *arg)
{
}

static void test_come_and_go(void **state)
{
	struct fixture *f = *state;
	struct toy *t = f->m->state;
	struct fl_model_stats st;
	unsigned fds;
	struct stat sb;

	assert_int_equal(stat(path, &sb), 0);
	assert_int_equal(sb.st_mode & 0777, 0600);
	handshake(f);
	write_reg(f, 0, 0, 5);
	fds = open_fds();
	for (unsigned i = 0; i < 20; i++) {
		int fd = memfd_create("x", MFD_CLOEXEC);

		reconnect(f);
		assert_int_equal(read_reg(f, 0, 0), 0);
		assert_int_equal(ftruncate(fd, 4096), 0);
		assert_int_equal(map(f, 0, 4096, 0, fd), 0);
		write_reg(f, 0, 0, 5);
		close(fd);
	}
	assert_int_equal(open_fds(), fds);
	fl_model_stats(f->m, &st);
	assert_int_equal(st.clients, 21);
	fl_engine_call(f->e, look, NULL);
	assert_int_equal(t->gone, 20);
}

static void test_paths(void **state)
{
	struct fixture *f = *state;
	char longer[200], stale[80];
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct fl_model *m;
	int fd, sv[2];

	assert_int_equal(fl_engine_add_ops(f->e, &toy_ops, NULL, path, -1, 0, &m), -EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(fl_engine_add_ops(f->e, &toy_ops, NULL, longer, -1, 0, &m), -ENAMETOOLONG);
	assert_true(fl_engine_add_ops(f->e, &toy_ops, NULL, "/nowhere/s", -1, 0, &m) < 0);
	/* left from a process that died */
	snprintf(stale, sizeof(stale), "%s.stale", path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(a.sun_path, stale, strlen(stale) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	assert_int_equal(fl_engine_add_ops(f->e, &toy_ops, NULL, stale, -1, 0, &m), 0);
	fl_engine_remove(f->e, m);
	assert_int_equal(access(stale, F_OK), -1);
	/* goes with its client, and gives the wire's name back */
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
		assert_int_equal(fl_engine_add_ops(f->e, &toy_ops, "wire=again", NULL, sv[0],
						   FL_ADD_AUTO_REMOVE, NULL),
				 0);
		close(sv[1]);
	}
}

static void no_room(void *arg)
{
	((struct toy *)((struct fl_model *)arg)->state)->room = 0;
}

/* A generator that cannot get rid of its frames is always due: the client is heard all the same. */
static void test_held_wire_holds_nothing_up(void **state)
{
	struct fixture *f = *state, other = *f;
	struct fl_model *m;
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(fl_engine_add_ops(f->e, &toy_ops, "wire=gen", NULL, sv[0], 0, &m), 0);
	fl_engine_call(f->e, no_room, m);
	usleep(20000);
	other.fd = sv[1];
	handshake(&other);
	assert_int_equal(read_reg(&other, 7, 0), 0x10d38086);
	handshake(f);
	close(sv[1]);
}

/* ---- our own client ----------------------------------------------------------------------- */

static void test_with_our_client(void **state)
{
	struct fixture *f = *state;
	struct fl_ctx *ctx;
	struct fl_vfio_dev *d;
	struct fl_vfio_region r;
	uint32_t v;
	void *p;
	int sv[2], ev = eventfd(0, EFD_NONBLOCK);
	struct pollfd pf = { .fd = ev, .events = POLLIN };
	struct fl_model *m;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	assert_int_equal(fl_engine_add_ops(f->e, &toy_ops, NULL, NULL, sv[0], 0, &m), 0);
	assert_int_equal(fl_ctx_create(NULL, &ctx), 0);
	assert_int_equal(fl_vfio_user_open(fl_ctx_space(ctx), NULL, sv[1], false, NULL, &d), 0);
	assert_int_equal(d->nregions, 9);
	assert_int_equal(d->nirqs, 5);
	assert_int_equal(d->ops->region_info(d, 0, &r), 0);
	assert_int_equal(r.nsparse, 1);
	assert_int_equal(d->ops->region_mmap(d, 0, TOY_SHARED, 0x1000, &p), 0);
	__atomic_store_n((uint32_t *)p, 7, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < 1000 && __atomic_load_n((uint32_t *)p + 1, __ATOMIC_ACQUIRE) != 7;
	     i++)
		usleep(1000);
	assert_int_equal(d->ops->region_read(d, 0, TOY_SHARED + 4, &v, 4), 0);
	assert_int_equal(v, 7);
	assert_int_equal(d->ops->irq_set(d, 2, 3, 1, FL_VFIO_IRQ_TRIGGER, &ev), 0);
	v = 3;
	assert_int_equal(d->ops->region_write(d, 0, 0x10, &v, 4), 0);
	assert_int_equal(poll(&pf, 1, 1000), 1);
	assert_int_equal(d->ops->reset(d), 0);
	munmap(p, 0x1000);
	d->ops->close(d);
	assert_int_equal(fl_ctx_destroy(ctx), 0);
	close(ev);
}

/* Devices by URI: both ends of a wire, given back when they are closed. */
static void test_scheme(void **state)
{
	const struct fl_engine_opts o = { .log = &toy_log, .cpu = -1 };
	const char *uri = "model:e1000e,wire=x";
	struct fl_dev *a, *b, *c;
	struct fl_ctx *ctx;

	if (!fl_model_at(0))
		skip();
	assert_int_equal(fl_ctx_create(&(struct fl_ctx_opts){ .log = &toy_log }, &ctx), 0);
	assert_int_equal(fl_model_enable(ctx, &o), 0);
	assert_int_equal(fl_model_enable(ctx, &o), -EEXIST);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(fl_dev_open(ctx, uri, &a), 0);
		assert_int_equal(fl_dev_open(ctx, uri, &b), 0);
		assert_int_equal(fl_dev_open(ctx, uri, &c), -EBUSY);
		assert_int_equal(fl_dev_id(a)->vendor, 0x8086);
		fl_dev_close(a);
		fl_dev_close(b);
	}
	assert_int_equal(fl_dev_open(ctx, "model:no-such", &a), -ENOENT);
	assert_int_equal(fl_dev_open(ctx, "model:e1000e,colour=red", &a), -EINVAL);
	assert_int_equal(fl_ctx_destroy(ctx), 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_device_info),
		T(test_region_info),
		T(test_irqs),
		T(test_access),
		T(test_no_reply),
		T(test_refused_commands),
		T(test_dma_map_messages),
		T(test_dma_by_message),
		T(test_dma_on_a_second_socket),
		T(test_dma_time_out),
		T(test_slow_answers),
		T(test_asked_while_polling_waits),
		T(test_flood_instead_of_a_reply),
		T(test_malformed),
		T(test_silent_client),
		T(test_too_many_fds),
		T(test_pieces),
		T(test_client_that_does_not_read),
		T(test_come_and_go),
		T(test_paths),
		T(test_held_wire_holds_nothing_up),
		T(test_with_our_client),
		cmocka_unit_test(test_scheme),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
