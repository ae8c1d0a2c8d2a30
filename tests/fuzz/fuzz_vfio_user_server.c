/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user server fed with a client's bytes. An input is a list of messages, each one byte
 * of what comes with it, then the message as on the wire (its own size field says where it ends):
 *   bits 0-2  file descriptors that go along (eventfd, memory, pipe, in turn)
 *   bit 3     a pause in the middle of it
 *   bit 4     the bytes are sent as they are, not behind a handshake (only in the first)
 *   bit 5     time passes, and requests that were not answered are lost
 *   bit 6     the model tries its last access again before the server looks at it
 * A copy engine in the model makes DMA of what the client maps, by message too, and requests for
 * pages of lazy areas.
 */
#include "../../lib/model/server_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGES_MAX 32u
#define MEMORY	     0x10000u
#define PARKED	     4u

struct device {
	struct fl_model *m;
	struct fl_model_tlb tlb;
	uint64_t reg[4];
	fl_model_pr_t parked[PARKED];
};

static int create(struct fl_model *m, struct fl_args *args, void **state)
{
	const struct fl_pci_id id = { .vendor = 0x8086, .device = 0x10d3 };
	const struct fl_model_bar bar = { .size = 0x4000,
					  .nshared = 1,
					  .shared = { { 0x1000, 0x1000 } } };
	const struct fl_model_bar msix = { .size = 0x4000 };
	struct device *d = calloc(1, sizeof(*d));

	fl_model_set_id(m, &id, 1);
	fl_model_set_bar(m, 0, &bar);
	fl_model_set_bar(m, 3, &msix);
	fl_model_add_pm(m, 0xc8);
	fl_model_add_msi(m, 0x50, 1, true, true);
	fl_model_add_pcie(m, 0xe0, 1, true);
	fl_model_add_msix(m, 0xa0, 5, 3, 0, 0x2000);
	d->m = m;
	*state = d;
	return 0;
}

static void reset(void *state)
{
	struct device *d = state;

	memset(d->reg, 0, sizeof(d->reg));
	memset(d->parked, 0, sizeof(d->parked));
}

static uint64_t bar_read(void *state, unsigned bar, uint64_t off, unsigned size)
{
	return ((struct device *)state)->reg[off / 8 % 4];
}

/* Work that finds no room gives up: the oldest that waits, or this. */
static void park(struct device *d, uint64_t iova, uint32_t len, unsigned prot)
{
	unsigned i = (unsigned)iova / 4096 % PARKED;

	if (d->parked[i])
		fl_model_page_forget(d->m, d->parked[i]);
	if (fl_model_page_request(d->m, fl_iova(iova), len, prot, &d->parked[i]))
		d->parked[i] = 0;
}

static void bar_write(void *state, unsigned bar, uint64_t off, unsigned size, uint64_t v)
{
	struct device *d = state;
	uint8_t buf[256] = { 0 };
	uint32_t len = (uint32_t)v % sizeof(buf) + 1;
	uint8_t *p;

	d->reg[off / 8 % 4] = v;
	fl_model_intx(d->m, v & 1);
	fl_model_msix(d->m, (unsigned)v & 7);
	fl_model_msi(d->m, 0);
	if (off == 8 && !fl_model_dma_read(d->m, fl_iova(d->reg[0]), buf, len))
		fl_model_dma_write(d->m, fl_iova(d->reg[0]), buf, len);
	p = fl_model_dma(d->m, fl_model_iommu(d->m), &d->tlb, fl_iova(d->reg[0]), len, FL_DMA_RW);
	if (p)
		memset(p, 1, len);
	else
		park(d, d->reg[0], len << (v & 8), v & 16 ? FL_DMA_READ : FL_DMA_RW);
}

static unsigned model_poll(void *state, uint64_t now)
{
	struct device *d = state;

	for (unsigned i = 0; i < PARKED; i++) {
		if (d->parked[i] && fl_model_page_state(d->m, d->parked[i]) != FL_PR_WAITING)
			d->parked[i] = 0;
	}
	return 0;
}

static const struct fl_model_ops ops = { .name = "fuzzed",
					 .create = create,
					 .destroy = free,
					 .reset = reset,
					 .bar_read = bar_read,
					 .bar_write = bar_write,
					 .poll = model_poll,
					 .page_requests = true };

static void quiet(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
}

static struct fl_engine *engine;
static struct fl_model *model;
static uint64_t now_ns = 1;
static int spare[3]; /* what a client can send along */

static void prepare(void)
{
	static const struct fl_log log = { .write = quiet, .level = FL_LOG_DEBUG };
	const struct fl_engine_opts o = { .log = &log, .cpu = -1 };
	int p[2];

	if (fl_engine_new(&o, false, &engine) || pipe(p) ||
	    fl_engine_add_ops(engine, &ops, NULL, NULL, -1, 0, &model))
		abort();
	spare[0] = eventfd(0, EFD_NONBLOCK);
	spare[1] = memfd_create("fuzz", MFD_CLOEXEC);
	spare[2] = p[1];
	if (ftruncate(spare[1], MEMORY))
		abort();
}

static bool put(int fd, const uint8_t *p, size_t len, unsigned nfds)
{
	struct iovec iov = { (void *)(uintptr_t)p, len };
	char space[CMSG_SPACE(8 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c = (struct cmsghdr *)space;

	if (nfds) {
		mh.msg_control = space;
		mh.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		for (unsigned i = 0; i < nfds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &spare[(nfds + i) % 3], sizeof(int));
	}
	return sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

static void drain(int fd)
{
	uint8_t buf[4096];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
}

static void handshake(int fd)
{
	static const char caps[] = "{\"capabilities\":{\"x_page_requests\":{\"max\":3}}}";
	struct {
		struct fl_vu_hdr hdr;
		struct fl_vu_version version;
		char caps[sizeof(caps)];
	} v = { .hdr = { .id = 1, .cmd = FL_VU_VERSION, .size = sizeof(v) } };

	memcpy(v.caps, caps, sizeof(caps));
	v.hdr.size = (uint32_t)(offsetof(typeof(v), caps) + sizeof(caps));
	put(fd, (uint8_t *)&v, v.hdr.size, 0);
	fl_engine_sockets(engine, 0);
	drain(fd);
}

/* One message of the input; bytes used. */
static size_t one(int fd, const uint8_t *p, size_t len)
{
	unsigned how = *p;
	size_t n = len - 1, half;
	uint32_t size;

	if (n >= sizeof(struct fl_vu_hdr)) {
		memcpy(&size, p + 5, sizeof(size));
		if (size >= sizeof(struct fl_vu_hdr) && size < n)
			n = size;
	}
	half = how & 8 ? n / 2 : 0;
	if (half) {
		put(fd, p + 1, half, how & 7);
		fl_engine_sockets(engine, 0);
	}
	put(fd, p + 1 + half, n - half, half ? 0 : how & 7);
	if (how & 64)
		bar_write(model->state, 0, 8, 8, ((struct device *)model->state)->reg[1]);
	fl_engine_sockets(engine, 0);
	now_ns += how & 32 ? FL_MODEL_PAGE_TIMEOUT : 1;
	fl_engine_round(engine, now_ns);
	drain(fd);
	return n + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int sv[2];

	if (!engine)
		prepare();
	if (!size || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return 0;
	if (fl_server_new(model, NULL, sv[0], &model->srv))
		abort();
	/* a client that does not answer must not make the fuzzer wait */
	model->srv->dma_timeout_ns = 1;
	model->pages.seq = 0; /* an input means the same each time */
	if (!(*data & 16))
		handshake(sv[1]);
	for (unsigned i = 0; size && i < MESSAGES_MAX; i++) {
		size_t n = one(sv[1], data, size);

		data += n;
		size -= n;
	}
	close(sv[1]);
	fl_engine_sockets(engine, 0);
	fl_server_free(model->srv);
	model->srv = NULL;
	return 0;
}
