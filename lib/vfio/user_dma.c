/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfio-user: the link as a DMA domain, and memory that the server reaches by message.
 *
 * A link that is down accepts maps and unmaps and does nothing: reattach() replays what the space
 * holds then, and the other devices of the space must not suffer from one that is gone. Of pages it
 * says that it is gone.
 */
#include "vfio_internal.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Mappings that one access may span. */
#define SPAN_MAX 8u

/*
 * The protocol has no word for valid addresses. 48 bits are what every IOMMU and every user
 * address has, and no server's `address + size` wraps.
 */
static const struct fl_iova_range window = { 0, (1ull << 48) - 1 };

/* Index of the first mapping that ends after iova. */
static unsigned find_map(const struct fl_vu *u, uint64_t iova)
{
	unsigned lo = 0, hi = u->nmaps;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;

		if (u->maps[mid].iova + (u->maps[mid].len - 1) < iova)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int add_map(struct fl_vu *u, const struct fl_dma_mapping *m)
{
	unsigned i = find_map(u, m->iova.v);

	if (i < u->nmaps && u->maps[i].iova <= m->iova.v + (m->len - 1))
		return -EEXIST;
	if (u->nmaps == u->maps_cap) {
		unsigned cap = u->maps_cap ? 2 * u->maps_cap : 16;
		struct fl_vu_map *maps = realloc(u->maps, cap * sizeof(*maps));

		if (!maps)
			return -ENOMEM;
		u->maps = maps;
		u->maps_cap = cap;
	}
	memmove(&u->maps[i + 1], &u->maps[i], (u->nmaps - i) * sizeof(*u->maps));
	u->maps[i] = (struct fl_vu_map){ m->iova.v, m->len, m->va, m->prot };
	u->nmaps++;
	return 0;
}

static void drop_maps(struct fl_vu *u, uint64_t iova, uint64_t len)
{
	unsigned i = find_map(u, iova), n = 0;

	while (i + n < u->nmaps && u->maps[i + n].iova <= iova + (len - 1))
		n++;
	if (n)
		memmove(&u->maps[i], &u->maps[i + n], (u->nmaps - i - n) * sizeof(*u->maps));
	u->nmaps -= n;
}

static void *service_main(void *arg)
{
	struct fl_vu *u = arg;
	struct pollfd p[] = { { .fd = u->epfd, .events = POLLIN },
			      { .fd = u->stop_fd, .events = POLLIN } };

	while (poll(p, FL_ARRAY_SIZE(p), -1) >= 0 || errno == EINTR)
		if (p[1].revents || fl_vu_dispatch(&u->dev))
			break;
	return NULL;
}

/* No signal of the application may land in our thread. */
static int start_service(struct fl_vu *u)
{
	sigset_t all, old;
	int err;

	if (u->serving || u->polls)
		return 0;
	u->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (u->stop_fd < 0)
		return -errno;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(&u->service, NULL, service_main, u);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		close(u->stop_fd);
	u->serving = !err;
	return err;
}

void fl_vu_stop_service(struct fl_vu *u)
{
	if (!u->serving)
		return;
	(void)eventfd_write(u->stop_fd, 1);
	pthread_join(u->service, NULL);
	close(u->stop_fd);
	u->serving = false;
}

static int domain_limits(void *arg, struct fl_dma_limits *out)
{
	struct fl_vu *u = arg;

	pthread_mutex_lock(&u->lock);
	*out = (struct fl_dma_limits){
		.ranges = &window,
		.nranges = 1,
		.page_sizes = u->peer.pgsizes,
		.faults = u->pages.max,
		.entries_max = u->peer.max_dma_maps,
		.entries_avail =
			u->peer.max_dma_maps > u->nmaps ? u->peer.max_dma_maps - u->nmaps : 0,
	};
	pthread_mutex_unlock(&u->lock);
	return 0;
}

static int map_locked(struct fl_vu *u, const struct fl_dma_mapping *m)
{
	bool shared = m->fd >= 0 && u->peer.max_msg_fds;
	struct fl_vu_dma_map req = { .argsz = sizeof(req),
				     .flags = m->prot & (FL_VU_DMA_F_READ | FL_VU_DMA_F_WRITE),
				     .offset = shared ? m->fd_offset : 0,
				     .iova = m->iova.v,
				     .size = m->len };
	struct fl_vu_call c = { .cmd = FL_VU_DMA_MAP,
				.head = &req,
				.head_len = sizeof(req),
				.fds = &m->fd,
				.nfds = shared };
	int err = shared && !m->lazy ? 0 : start_service(u);

	if (err) {
		fl_err(u->dev.log, "vfio-user",
		       "no thread to serve memory without an fd and page requests: %s",
		       strerror(-err));
		return err;
	}
	req.flags |= m->lazy ? FL_VU_DMA_F_LAZY : 0;
	/* before it is asked for: the server may use it before we have seen the reply */
	err = add_map(u, m);
	if (err)
		return err;
	err = fl_vu_call_locked(u, &c);
	if (err)
		drop_maps(u, m->iova.v, m->len);
	return u->up ? err : 0;
}

static int domain_map(void *arg, const struct fl_dma_mapping *m)
{
	struct fl_vu *u = arg;
	int err;

	pthread_mutex_lock(&u->lock);
	err = u->up ? map_locked(u, m) : 0;
	pthread_mutex_unlock(&u->lock);
	return err;
}

static int domain_unmap(void *arg, fl_iova_t iova, uint64_t len, uint64_t *unmapped)
{
	struct fl_vu_dma_unmap req = { .argsz = sizeof(req), .iova = iova.v, .size = len };
	struct fl_vu_dma_unmap done = req;
	struct fl_vu_call c = { .cmd = FL_VU_DMA_UNMAP,
				.head = &req,
				.head_len = sizeof(req),
				.reply = &done,
				.reply_len = sizeof(done) };
	struct fl_vu *u = arg;
	int err;

	*unmapped = len;
	pthread_mutex_lock(&u->lock);
	err = fl_vu_call_locked(u, &c);
	/* whatever the server says, the memory is no longer ours to show */
	drop_maps(u, iova.v, len);
	if (!u->up)
		err = 0;
	else if (err)
		*unmapped = 0;
	else if (c.got == sizeof(done)) /* not every server repeats the request */
		*unmapped = done.size;
	pthread_mutex_unlock(&u->lock);
	return err;
}

/* ---- lazy areas --------------------------------------------------------------------------- */

static struct fl_vu_page_range page_range(const struct fl_dma_mapping *m)
{
	return (struct fl_vu_page_range){ .iova = m->iova.v,
					  .len = m->len,
					  .prot = m->prot,
					  .flags = m->lazy ? FL_VU_DMA_F_LAZY : 0 };
}

/* With what is granted for a request its answer goes; what was not asked for leaves at once. */
static int domain_grant(void *arg, const struct fl_dma_mapping *m)
{
	struct fl_vu *u = arg;
	const struct fl_vu_page_range r = page_range(m);
	unsigned i;
	int err = -ENODEV;

	pthread_mutex_lock(&u->lock);
	/* a link that has just come back does not know the area yet */
	i = find_map(u, r.iova);
	if (i < u->nmaps && u->maps[i].iova <= r.iova)
		err = fl_vu_post(u, FL_VU_PAGE_GRANT, &r, sizeof(r));
	if (!fl_pageq_granted(&u->pages.q) && !err)
		err = fl_vu_flush(u);
	pthread_mutex_unlock(&u->lock);
	return err;
}

static int send_range(struct fl_vu *u, enum fl_vu_cmd cmd, const struct fl_vu_page_range *r)
{
	struct fl_vu_call c = { .cmd = cmd, .head = r, .head_len = sizeof(*r) };

	return fl_vu_call_locked(u, &c);
}

/* What a server does not let go of it may write to at any time: then it is not served on. */
static int domain_revoke(void *arg, fl_iova_t iova, uint64_t len)
{
	const struct fl_vu_page_range r = { .iova = iova.v, .len = len };
	struct fl_vu *u = arg;
	int err;

	pthread_mutex_lock(&u->lock);
	err = send_range(u, FL_VU_PAGE_INVALIDATE, &r);
	if (err)
		fl_vu_kill(u, -EPROTO, "pages are not given up: %s", strerror(-err));
	pthread_mutex_unlock(&u->lock);
	return err ? -ENODEV : 0;
}

static int domain_convert(void *arg, const struct fl_dma_mapping *m)
{
	const struct fl_vu_page_range r = page_range(m);
	struct fl_vu *u = arg;
	int err;

	pthread_mutex_lock(&u->lock);
	err = m->lazy && u->up ? start_service(u) : 0;
	if (!err)
		err = send_range(u, FL_VU_AREA_CONVERT, &r);
	err = u->up ? err : -ENODEV;
	pthread_mutex_unlock(&u->lock);
	return err;
}

const struct fl_dma_domain_ops fl_vu_domain_ops = {
	.name = "vfio-user",
	.limits = domain_limits,
	.map = domain_map,
	.unmap = domain_unmap,
	.grant = domain_grant,
	.revoke = domain_revoke,
	.convert = domain_convert,
};

/* The memory behind [iova, iova+len) as pieces; their number, or -EFAULT or -EACCES. */
static int find_span(const struct fl_vu *u, uint64_t iova, uint64_t len, unsigned prot,
		     struct iovec iov[SPAN_MAX])
{
	unsigned n = 0;

	if (len && iova + (len - 1) < iova)
		return -EFAULT;
	for (unsigned i = find_map(u, iova); len; i++) {
		const struct fl_vu_map *m;
		uint64_t off, take;

		if (i == u->nmaps || n == SPAN_MAX || iova < u->maps[i].iova)
			return -EFAULT;
		m = &u->maps[i];
		if (!(m->prot & prot))
			return -EACCES;
		off = iova - m->iova;
		take = len < m->len - off ? len : m->len - off;
		iov[n++] = (struct iovec){ m->va + off, take };
		iova += take;
		len -= take;
	}
	return (int)n;
}

int fl_vu_serve_dma(struct fl_vu *u, struct fl_vu_chan *c, uint64_t deadline)
{
	bool read = c->hdr.cmd == FL_VU_DMA_READ;
	struct fl_vu_hdr h = { .id = c->hdr.id, .cmd = c->hdr.cmd, .flags = FL_VU_REPLY };
	struct fl_vu_dma_access acc;
	struct iovec iov[SPAN_MAX + 2];
	size_t len = fl_vu_body_len(c);
	const uint8_t *from = c->body + sizeof(acc);
	int n;

	if (len < sizeof(acc))
		return fl_vu_kill(u, -EPROTO, "a DMA command of %zu bytes", len);
	memcpy(&acc, c->body, sizeof(acc));
	if (acc.count > FL_VU_DEFAULT_XFER || len != sizeof(acc) + (read ? 0 : acc.count))
		return fl_vu_kill(u, -EPROTO, "a DMA command for %llu bytes with %zu bytes",
				  (unsigned long long)acc.count, len);
	n = find_span(u, acc.iova, acc.count, read ? FL_DMA_READ : FL_DMA_WRITE, &iov[2]);
	if (n < 0) {
		fl_debug(u->dev.log, "vfio-user", "server refused %llu bytes at 0x%llx: %s",
			 (unsigned long long)acc.count, (unsigned long long)acc.iova, strerror(-n));
		return n;
	}
	for (int i = 0; i < n && !read; i++) {
		memcpy(iov[2 + i].iov_base, from, iov[2 + i].iov_len);
		from += iov[2 + i].iov_len;
	}
	if (c->hdr.flags & FL_VU_F_NO_REPLY)
		return 0;
	h.size = (uint32_t)(sizeof(h) + sizeof(acc) + (read ? acc.count : 0));
	iov[0] = (struct iovec){ &h, sizeof(h) };
	iov[1] = (struct iovec){ &acc, sizeof(acc) };
	return fl_vu_send(c, iov, read ? (unsigned)n + 2 : 2, NULL, 0, deadline);
}
