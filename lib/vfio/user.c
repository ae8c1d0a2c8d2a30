/* SPDX-License-Identifier: BSD-3-Clause */
/* vfio-user: the transport's operations, opening, coming back. */
#include "vfio_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

static struct fl_vu *to_vu(struct fl_vfio_dev *d)
{
	return (struct fl_vu *)d;
}

/* ---- regions -------------------------------------------------------------------------- */

static int vu_region_info(struct fl_vfio_dev *d, unsigned index, struct fl_vfio_region *out)
{
	struct fl_vu *u = to_vu(d);

	*out = (struct fl_vfio_region){ 0 };
	if (index >= FL_VU_REGIONS)
		return 0;
	pthread_mutex_lock(&u->lock);
	*out = u->regions[index].info;
	pthread_mutex_unlock(&u->lock);
	return 0;
}

/* One message; the access either way. */
static int access_chunk(struct fl_vu *u, bool write, struct fl_vu_region_access req, void *buf)
{
	struct fl_vu_region_access rep = { 0 };
	struct fl_vu_call c = { .cmd = write ? FL_VU_REGION_WRITE : FL_VU_REGION_READ,
				.head = &req,
				.head_len = sizeof(req),
				.reply = &rep,
				.reply_len = sizeof(rep),
				.reply_min = sizeof(rep) };
	int err;

	if (write) {
		c.data = buf;
		c.data_len = req.count;
	} else {
		c.reply_data = buf;
		c.reply_data_len = req.count;
	}
	err = fl_vu_call_locked(u, &c);
	if (err)
		return err;
	if (rep.region != req.region || rep.offset != req.offset || rep.count > req.count ||
	    (!write && rep.count != c.got - sizeof(rep)))
		return fl_vu_kill(u, -EPROTO, "a region access is answered for another one");
	return rep.count == req.count ? 0 : -EIO;
}

static int access_region(struct fl_vfio_dev *d, bool write, unsigned index, uint64_t off,
			 uint8_t *buf, size_t len)
{
	struct fl_vu *u = to_vu(d);
	const struct fl_vfio_region *r;
	uint64_t max;
	int err = 0;

	if (index >= FL_VU_REGIONS)
		return -EINVAL;
	pthread_mutex_lock(&u->lock);
	r = &u->regions[index].info;
	if (!u->up)
		err = -ENODEV;
	else if (len > r->size || off > r->size - len)
		err = -EINVAL;
	else if (!(r->flags & (write ? FL_VFIO_REGION_F_WRITE : FL_VFIO_REGION_F_READ)))
		err = -EACCES;
	max = u->peer.max_data_xfer_size;
	max = max < FL_VU_REGION_CHUNK ? max : FL_VU_REGION_CHUNK;
	while (len && !err) {
		uint32_t n = (uint32_t)(len < max ? len : max);
		struct fl_vu_region_access req = { .offset = off, .region = index, .count = n };

		err = access_chunk(u, write, req, buf);
		off += n;
		buf += n;
		len -= n;
	}
	/* who polls may be waiting for the device here, which may wait for a page */
	if (u->polls)
		fl_pageq_resolve(&u->pages.q);
	pthread_mutex_unlock(&u->lock);
	return err;
}

static int vu_region_read(struct fl_vfio_dev *d, unsigned index, uint64_t off, void *buf,
			  size_t len)
{
	return access_region(d, false, index, off, buf, len);
}

static int vu_region_write(struct fl_vfio_dev *d, unsigned index, uint64_t off, const void *buf,
			   size_t len)
{
	return access_region(d, true, index, off, (uint8_t *)(uintptr_t)buf, len);
}

static int map_region(struct fl_vu *u, const struct fl_vu_region *r, uint64_t off, uint64_t len,
		      void **out)
{
	int prot = (r->info.flags & FL_VFIO_REGION_F_READ ? PROT_READ : 0) |
		   (r->info.flags & FL_VFIO_REGION_F_WRITE ? PROT_WRITE : 0);
	struct stat st;
	void *va;

	if (!u->up)
		return -ENODEV;
	if (!(r->info.flags & FL_VFIO_REGION_F_MMAP))
		return -EOPNOTSUPP;
	if (!len || len > r->info.size || off > r->info.size - len)
		return -EINVAL;
	/*
	 * Past the end of its file a mapping is SIGBUS, not an error. What the server does to the
	 * file from now on is out of our hands: who maps its memory trusts it that far.
	 */
	if (fstat(r->fd, &st) || !S_ISREG(st.st_mode) || r->base + off + len > (uint64_t)st.st_size)
		return fl_vu_kill(u, -EPROTO,
				  "a region's fd is no file or too short: 0x%llx bytes at 0x%llx",
				  (unsigned long long)len, (unsigned long long)(r->base + off));
	va = mmap(NULL, len, prot, MAP_SHARED, r->fd, (off_t)(r->base + off));
	if (va == MAP_FAILED) {
		int err = -errno;

		fl_err(u->dev.log, "vfio-user", "mmap of a region's fd: %s", strerror(-err));
		return err == -ENODEV ? -EPROTO : err;
	}
	/* by it a child of fork() would keep the device's memory */
	(void)madvise(va, len, MADV_DONTFORK);
	*out = va;
	return 0;
}

static int vu_region_mmap(struct fl_vfio_dev *d, unsigned index, uint64_t off, uint64_t len,
			  void **out)
{
	struct fl_vu *u = to_vu(d);
	int err;

	if (index >= FL_VU_REGIONS)
		return -EINVAL;
	pthread_mutex_lock(&u->lock);
	err = map_region(u, &u->regions[index], off, len, out);
	pthread_mutex_unlock(&u->lock);
	return err;
}

/* ---- interrupts ----------------------------------------------------------------------- */

static int vu_irq_info(struct fl_vfio_dev *d, unsigned index, struct fl_vfio_irq *out)
{
	struct fl_vu *u = to_vu(d);

	*out = (struct fl_vfio_irq){ 0 };
	if (index >= FL_VU_IRQS)
		return 0;
	pthread_mutex_lock(&u->lock);
	*out = u->irqs[index];
	pthread_mutex_unlock(&u->lock);
	return 0;
}

static int send_irqs(struct fl_vu *u, unsigned index, uint32_t flags, unsigned start,
		     unsigned count, const int *fds)
{
	struct fl_vu_irq_set req = {
		.argsz = sizeof(req), .flags = flags, .index = index, .start = start, .count = count
	};
	struct fl_vu_call c = { .cmd = FL_VU_DEVICE_SET_IRQS,
				.head = &req,
				.head_len = sizeof(req),
				.fds = fds,
				.nfds = fds ? count : 0 };

	return fl_vu_call_locked(u, &c);
}

/* A message carries a run of fds, as many as the peer takes, or takes a run of them away. */
static int send_eventfds(struct fl_vu *u, unsigned index, uint32_t action, unsigned start,
			 unsigned count, const int *fds)
{
	unsigned max =
		u->peer.max_msg_fds < FL_VU_FDS_MAX ? (unsigned)u->peer.max_msg_fds : FL_VU_FDS_MAX;
	unsigned i = 0, n;

	if (!max)
		return -EOPNOTSUPP;
	for (; i < count; i += n) {
		bool have = fds[i] >= 0;
		int err;

		for (n = 1; i + n < count && (fds[i + n] >= 0) == have && (!have || n < max); n++)
			;
		err = send_irqs(u, index, FL_VU_IRQ_DATA_EVENTFD | action, start + i, n,
				have ? fds + i : NULL);
		if (!err)
			continue;
		if (i) /* half done: take back what was given */
			(void)send_irqs(u, index, FL_VU_IRQ_DATA_EVENTFD | action, start, i, NULL);
		return err;
	}
	return 0;
}

static int vu_irq_set(struct fl_vfio_dev *d, unsigned index, unsigned start, unsigned count,
		      enum fl_vfio_irq_action action, const int *fds)
{
	static const uint32_t actions[] = { FL_VU_IRQ_ACTION_TRIGGER, FL_VU_IRQ_ACTION_MASK,
					    FL_VU_IRQ_ACTION_UNMASK };
	struct fl_vu *u = to_vu(d);
	int err;

	if (index >= FL_VU_IRQS || (unsigned)action >= FL_ARRAY_SIZE(actions))
		return -EINVAL;
	pthread_mutex_lock(&u->lock);
	if (count > u->irqs[index].count || start > u->irqs[index].count - count ||
	    (action == FL_VFIO_IRQ_TRIGGER ? count && !fds : !count))
		err = -EINVAL;
	else if (fds && count)
		err = send_eventfds(u, index, actions[action], start, count, fds);
	else
		err = send_irqs(u, index, FL_VU_IRQ_DATA_NONE | actions[action], start, count,
				NULL);
	pthread_mutex_unlock(&u->lock);
	return err;
}

static int vu_reset(struct fl_vfio_dev *d)
{
	struct fl_vu_call c = { .cmd = FL_VU_DEVICE_RESET };

	return d->resettable ? fl_vu_call(to_vu(d), &c) : -EOPNOTSUPP;
}

static int vu_hot_reset(struct fl_vfio_dev *d)
{
	return -EOPNOTSUPP;
}

static int vu_event_fd(struct fl_vfio_dev *d)
{
	return to_vu(d)->epfd;
}

/* ---- the link ------------------------------------------------------------------------- */

static int watch(struct fl_vu *u, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return fd >= 0 && epoll_ctl(u->epfd, EPOLL_CTL_ADD, fd, &ev) ? -errno : 0;
}

/* With the lock held. The sockets may be open elsewhere too, so epoll is told. */
static void drop_link(struct fl_vu *u)
{
	u->up = false;
	if (u->main.fd >= 0)
		epoll_ctl(u->epfd, EPOLL_CTL_DEL, u->main.fd, NULL);
	if (u->twin.fd >= 0)
		epoll_ctl(u->epfd, EPOLL_CTL_DEL, u->twin.fd, NULL);
	fl_vu_chan_close(&u->main);
	fl_vu_chan_close(&u->twin);
	fl_vu_pages_stop(u);
	for (unsigned i = 0; i < FL_VU_REGIONS; i++) {
		if (u->regions[i].fd >= 0)
			close(u->regions[i].fd);
		u->regions[i] = (struct fl_vu_region){ .fd = -1 };
	}
	memset(u->irqs, 0, sizeof(u->irqs));
	u->nmaps = 0;
}

/* With the lock held; on error the link is dropped. */
static int bring_up(struct fl_vu *u, int fd)
{
	int err;

	u->main.fd = fd;
	u->up = true;
	err = fl_vu_negotiate(u);
	if (!err)
		err = watch(u, u->main.fd);
	if (!err)
		err = watch(u, u->twin.fd);
	if (err) {
		fl_err(u->dev.log, "vfio-user", "%s: the link does not come up: %s",
		       u->path ? u->path : "fd", strerror(-err));
		drop_link(u);
	}
	return err;
}

static void vu_release(struct fl_vfio_dev *d)
{
	struct fl_vu *u = to_vu(d);

	pthread_mutex_lock(&u->lock);
	__atomic_store_n(&d->removed, true, __ATOMIC_RELAXED);
	drop_link(u);
	pthread_mutex_unlock(&u->lock);
	fl_vu_stop_service(u);
}

static int vu_reattach(struct fl_vfio_dev *d)
{
	struct fl_vu *u = to_vu(d);
	int err, fd;

	if (!u->path) {
		fl_err(d->log, "vfio-user",
		       "a link that came as an fd cannot connect again: close "
		       "the device and open it with a new fd");
		return -EOPNOTSUPP;
	}
	vu_release(d);

	fd = fl_vu_connect(u->path, u->timeout_ms, d->log);
	if (fd < 0)
		return fd;
	pthread_mutex_lock(&u->lock);
	err = bring_up(u, fd);
	pthread_mutex_unlock(&u->lock);
	if (err)
		return err;
	err = fl_dma_domain_replay(u->pages.q.domain);
	pthread_mutex_lock(&u->lock);
	if (!err && !u->up)
		err = -ENODEV;
	if (err)
		drop_link(u);
	else
		__atomic_store_n(&d->removed, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&u->lock);
	return err;
}

static void free_vu(struct fl_vu *u)
{
	fl_vu_stop_service(u);
	drop_link(u);
	fl_pageq_free(&u->pages.q);
	if (u->epfd >= 0)
		close(u->epfd);
	if (u->alarm_fd >= 0)
		close(u->alarm_fd);
	pthread_mutex_destroy(&u->lock);
	free(u->maps);
	free(u->path);
	free(u);
}

static void vu_close(struct fl_vfio_dev *d)
{
	struct fl_vu *u = to_vu(d);
	struct fl_dma_domain *domain;
	bool dead;

	pthread_mutex_lock(&u->lock);
	dead = !u->up;
	domain = u->pages.q.domain;
	u->pages.q.domain = NULL;
	pthread_mutex_unlock(&u->lock);
	/* it may be in the domain still; one that a map starts meanwhile finds none */
	fl_vu_stop_service(u);
	fl_dma_domain_remove(domain, dead);
	free_vu(u);
}

static const struct fl_vfio_ops vu_ops = {
	.name = "vfio-user",
	.region_info = vu_region_info,
	.region_read = vu_region_read,
	.region_write = vu_region_write,
	.region_mmap = vu_region_mmap,
	.irq_info = vu_irq_info,
	.irq_set = vu_irq_set,
	.reset = vu_reset,
	.hot_reset = vu_hot_reset,
	.event_fd = vu_event_fd,
	.dispatch = fl_vu_dispatch,
	.release = vu_release,
	.reattach = vu_reattach,
	.close = vu_close,
};

static struct fl_vu *new_vu(struct fl_dma_space *space, const char *path, bool polls,
			    const struct fl_log *log, unsigned timeout_ms)
{
	struct fl_vu *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->dev = (struct fl_vfio_dev){ .ops = &vu_ops, .space = space, .log = log, .node = -1 };
	fl_vu_pages_init(u);
	u->polls = polls;
	u->timeout_ms = timeout_ms;
	u->main.fd = u->twin.fd = -1;
	for (unsigned i = 0; i < FL_VU_REGIONS; i++)
		u->regions[i].fd = -1;
	pthread_mutex_init(&u->lock, NULL);
	u->path = path ? strdup(path) : NULL;
	u->epfd = epoll_create1(EPOLL_CLOEXEC);
	u->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (u->epfd < 0 || u->alarm_fd < 0 || watch(u, u->alarm_fd) || (path && !u->path)) {
		free_vu(u);
		return NULL;
	}
	return u;
}

static int is_stream_socket(int fd)
{
	socklen_t len = sizeof(int);
	int type;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len))
		return -errno;
	return type == SOCK_STREAM ? 0 : -EPROTOTYPE;
}

int fl_vu_open(struct fl_dma_space *space, const char *path, int fd, bool polls,
	       const struct fl_log *log, unsigned timeout_ms, struct fl_vfio_dev **out)
{
	struct fl_dma_domain *domain;
	struct fl_vu *u;
	int err;

	if (path)
		fd = fl_vu_connect(path, timeout_ms, log);
	if (fd < 0)
		return path ? fd : -EBADF;
	err = is_stream_socket(fd);
	u = err ? NULL : new_vu(space, path, polls, log, timeout_ms);
	if (!u) {
		err = err ? err : -ENOMEM;
		fl_err(log, "vfio-user", "%s: %s", path ? path : "fd", strerror(-err));
		close(fd);
		return err;
	}
	pthread_mutex_lock(&u->lock);
	err = bring_up(u, fd);
	pthread_mutex_unlock(&u->lock);
	if (err)
		goto free_vu;
	err = fl_dma_domain_add(space, &fl_vu_domain_ops, u, &domain);
	if (err)
		goto free_vu;
	if (__atomic_load_n(&u->dev.removed, __ATOMIC_RELAXED)) {
		fl_dma_domain_remove(domain, true);
		err = -ENODEV;
		goto free_vu;
	}
	pthread_mutex_lock(&u->lock);
	u->pages.q.domain = domain;
	fl_vu_rearm(u); /* for what was asked already */
	pthread_mutex_unlock(&u->lock);
	*out = &u->dev;
	return 0;

free_vu:
	free_vu(u);
	return err;
}

int fl_vfio_user_open(struct fl_dma_space *space, const char *path, int fd, bool polls,
		      const struct fl_log *log, struct fl_vfio_dev **out)
{
	return fl_vu_open(space, path, fd, polls, log, FL_VU_TIMEOUT_MS, out);
}
