/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts: an eventfd a vector; INTx is level and masked by whoever fires it. */
#include "dev_internal.h"

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#define VECTORS_MAX (PCI_MSIX_FLAGS_QSIZE + 1u)

static unsigned irq_index(enum fl_irq_kind kind)
{
	return kind == FL_IRQ_MSIX  ? FL_VFIO_IRQ_MSIX
	       : kind == FL_IRQ_MSI ? FL_VFIO_IRQ_MSI
				    : FL_VFIO_IRQ_INTX;
}

static const char *irq_name(enum fl_irq_kind kind)
{
	static const char *const names[] = { "no interrupt", "INTx", "MSI", "MSI-X" };

	return names[kind];
}

/* A count is what the other side says: not more than PCI allows. */
static int irq_info(struct fl_dev *dev, unsigned index, struct fl_vfio_irq *info)
{
	int err = 0;

	memset(info, 0, sizeof(*info));
	if (index < dev->vd->nirqs)
		err = dev->vd->ops->irq_info(dev->vd, index, info);
	if (info->count > VECTORS_MAX)
		info->count = VECTORS_MAX;
	return err;
}

unsigned fl_dev_irq_count(struct fl_dev *dev, enum fl_irq_kind kind)
{
	struct fl_vfio_irq info;

	if (kind <= FL_IRQ_NONE || kind > FL_IRQ_MSIX || fl_dev_removed(dev) ||
	    irq_info(dev, irq_index(kind), &info) || !(info.flags & FL_VFIO_IRQ_F_EVENTFD))
		return 0;
	return info.count;
}

enum fl_irq_kind fl_dev_irq_kind(const struct fl_dev *dev)
{
	return dev->irq_kind;
}

/* Those who wait for a vector of theirs may ask while others are added. */
static unsigned nvecs(const struct fl_dev *dev)
{
	return __atomic_load_n(&dev->nvecs, __ATOMIC_ACQUIRE);
}

int fl_dev_irq_fd(const struct fl_dev *dev, unsigned vec)
{
	return vec < nvecs(dev) ? dev->vecs[vec].watch.fd : -1;
}

void fl_irq_drain(int fd)
{
	uint64_t v;
	struct iovec iov = { &v, sizeof(v) };

	/*
	 * Empty is fine. The other side has the same file, may read it first, and may have made it
	 * blocking: the file's own flag is not to be relied on (it is all there is before
	 * Linux 5.8).
	 */
	if (preadv2(fd, &iov, 1, -1, RWF_NOWAIT) < 0 && errno == EOPNOTSUPP)
		(void)eventfd_read(fd, &v);
}

static void free_vecs(struct fl_dev *dev, struct fl_vec *vecs, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		if (vecs[i].fn)
			fl_ctx_unwatch(dev->ctx, &vecs[i].watch);
		close(vecs[i].watch.fd);
	}
}

static int make_vecs(struct fl_dev *dev, struct fl_vec *vecs, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		if (fd < 0) {
			int err = -errno;

			fl_err(fl_dev_log(dev), "dev", "%s: eventfd %u of %u: %s; see `ulimit -n`",
			       dev->uri, i, to, strerror(-err));
			free_vecs(dev, vecs, from, i);
			return err;
		}
		vecs[i] = (struct fl_vec){ .watch = { FL_WATCH_VECTOR, dev, fd } };
	}
	return 0;
}

/*
 * The enable bit of the capability. The kernel sets it by itself; a vfio-user server may go by
 * what its config space says.
 */
static void set_enable(struct fl_dev *dev, enum fl_irq_kind kind, unsigned n, bool on)
{
	uint32_t flags, log2_n = (uint32_t)__builtin_ctzll(fl_pow2_up(n));
	unsigned cap;

	if (kind != FL_IRQ_MSI && kind != FL_IRQ_MSIX)
		return;
	cap = fl_dev_find_cap(dev, kind == FL_IRQ_MSI ? PCI_CAP_ID_MSI : PCI_CAP_ID_MSIX);
	if (!cap || fl_pci_read(dev, cap + 2, 2, &flags))
		return;
	if (kind == FL_IRQ_MSI) {
		flags &= ~(uint32_t)(PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE);
		if (on)
			flags |= PCI_MSI_FLAGS_ENABLE | log2_n << 4;
	} else {
		flags &= ~(uint32_t)(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
		if (on)
			flags |= PCI_MSIX_FLAGS_ENABLE;
	}
	/* what it does not take it does not need: the eventfds are what was asked for */
	(void)fl_pci_write(dev, cap + 2, 2, flags);
}

static int set_unmask_fd(struct fl_dev *dev, int fd)
{
	return dev->vd->ops->irq_set(dev->vd, FL_VFIO_IRQ_INTX, 0, 1, FL_VFIO_IRQ_UNMASK, &fd);
}

static void forget_vecs(struct fl_dev *dev)
{
	free_vecs(dev, dev->vecs, 0, dev->nvecs);
	free(dev->vecs);
	dev->vecs = NULL;
	dev->nvecs = 0;
	dev->irq_kind = FL_IRQ_NONE;
	dev->unmask_fd = -1;
	fl_ctx_forget(dev);
}

static const char *enable_hint(int err)
{
	switch (err) {
	case -EBUSY:
		return "; a driver that does not share the line has it (see /proc/interrupts): use MSI";
	case -ENOSPC:
		return "; the machine has not so many left: ask for fewer";
	default:
		return "";
	}
}

/* Vectors [from, to), where those before are enabled already. */
static int enable(struct fl_dev *dev, enum fl_irq_kind kind, const struct fl_vec *vecs,
		  unsigned from, unsigned to)
{
	int *fds, err;

	if (kind == FL_IRQ_NONE)
		return 0;
	fds = calloc(to - from, sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	for (unsigned i = from; i < to; i++)
		fds[i - from] = vecs[i].watch.fd;
	err = dev->vd->ops->irq_set(dev->vd, irq_index(kind), from, to - from, FL_VFIO_IRQ_TRIGGER,
				    fds);
	free(fds);
	if (err)
		fl_err(fl_dev_log(dev), "dev", "%s: %u vectors of %s: %s%s", dev->uri, to,
		       irq_name(kind), strerror(-err), enable_hint(err));
	else
		set_enable(dev, kind, to, true);
	return err;
}

/* Whether the device has n vectors of a kind. */
static int check_count(struct fl_dev *dev, enum fl_irq_kind kind, unsigned n,
		       struct fl_vfio_irq *info)
{
	unsigned have;
	int err = fl_dev_removed(dev) ? -ENODEV : irq_info(dev, irq_index(kind), info);

	if (err)
		return err;
	have = info->flags & FL_VFIO_IRQ_F_EVENTFD ? info->count : 0;
	if (n <= have)
		return 0;
	fl_info(fl_dev_log(dev), "dev", "%s: %u vectors of %s asked for, the device has %u",
		dev->uri, n, irq_name(kind), have);
	return -ENOSPC;
}

int fl_dev_irq_setup(struct fl_dev *dev, enum fl_irq_kind kind, unsigned n)
{
	struct fl_vfio_irq info = { 0 };
	struct fl_vec *vecs;
	int err;

	if (kind < FL_IRQ_NONE || kind > FL_IRQ_MSIX || (kind != FL_IRQ_NONE && !n))
		return -EINVAL;
	if (kind == FL_IRQ_NONE) {
		fl_irq_teardown(dev);
		return 0;
	}
	err = check_count(dev, kind, n, &info);
	if (err)
		return err;
	vecs = calloc(info.count, sizeof(*vecs));
	if (!vecs)
		return -ENOMEM;
	err = make_vecs(dev, vecs, 0, n);
	if (err)
		goto free_vecs;
	fl_irq_quiet(dev);
	err = enable(dev, kind, vecs, 0, n);
	if (err) {
		free_vecs(dev, vecs, 0, n);
		if (fl_irq_replay(dev))
			fl_irq_teardown(dev);
		goto free_vecs;
	}
	forget_vecs(dev);
	dev->vecs = vecs;
	dev->vecs_room = info.count;
	dev->nvecs = n;
	dev->irq_kind = kind;
	dev->irq_automasked = info.flags & FL_VFIO_IRQ_F_AUTOMASKED;
	return 0;

free_vecs:
	free(vecs);
	return err;
}

int fl_dev_irq_grow(struct fl_dev *dev, unsigned n)
{
	struct fl_vfio_irq info = { 0 };
	unsigned old = dev->nvecs;
	bool anew;
	int err;

	if (dev->irq_kind == FL_IRQ_NONE || n < old)
		return -EINVAL;
	err = check_count(dev, dev->irq_kind, n, &info);
	if (!err && n > dev->vecs_room)
		err = -ENOSPC; /* it came back with more than it had */
	if (err || n == old)
		return err;
	err = make_vecs(dev, dev->vecs, old, n);
	if (err)
		return err;
	anew = info.flags & FL_VFIO_IRQ_F_NORESIZE;
	if (anew)
		fl_irq_quiet(dev);
	err = enable(dev, dev->irq_kind, dev->vecs, anew ? 0 : old, n);
	if (!err) {
		__atomic_store_n(&dev->nvecs, n, __ATOMIC_RELEASE);
		return 0;
	}
	free_vecs(dev, dev->vecs, old, n);
	if (anew && fl_irq_replay(dev))
		fl_irq_teardown(dev);
	return err;
}

int fl_irq_replay(struct fl_dev *dev)
{
	int err = enable(dev, dev->irq_kind, dev->vecs, 0, dev->nvecs);

	return err || dev->unmask_fd < 0 ? err : set_unmask_fd(dev, dev->unmask_fd);
}

void fl_irq_quiet(struct fl_dev *dev)
{
	if (dev->irq_kind == FL_IRQ_NONE || fl_dev_removed(dev))
		return;
	set_enable(dev, dev->irq_kind, 0, false);
	(void)dev->vd->ops->irq_set(dev->vd, irq_index(dev->irq_kind), 0, 0, FL_VFIO_IRQ_TRIGGER,
				    NULL);
}

void fl_irq_teardown(struct fl_dev *dev)
{
	fl_irq_quiet(dev);
	forget_vecs(dev);
}

static void unmask(struct fl_dev *dev)
{
	if (dev->irq_kind == FL_IRQ_INTX && dev->irq_automasked && !fl_dev_removed(dev))
		(void)dev->vd->ops->irq_set(dev->vd, FL_VFIO_IRQ_INTX, 0, 1, FL_VFIO_IRQ_UNMASK,
					    NULL);
}

int fl_dev_irq_unmask_fd(struct fl_dev *dev, int fd)
{
	int err = fl_dev_removed(dev) ? -ENODEV : 0;

	if (dev->irq_kind != FL_IRQ_INTX)
		return -EINVAL;
	if (!err)
		err = set_unmask_fd(dev, fd < 0 ? -1 : fd);
	if (!err)
		dev->unmask_fd = fd < 0 ? -1 : fd;
	return err;
}

void fl_dev_irq_ack(struct fl_dev *dev, unsigned vec)
{
	if (vec >= nvecs(dev))
		return;
	fl_irq_drain(dev->vecs[vec].watch.fd);
	unmask(dev);
}

int fl_dev_irq_handler(struct fl_dev *dev, unsigned vec,
		       void (*fn)(struct fl_dev *dev, unsigned vec, void *arg), void *arg)
{
	struct fl_vec *v;
	int err = 0;

	if (vec >= dev->nvecs)
		return -EINVAL;
	v = &dev->vecs[vec];
	if (fn && !v->fn)
		err = fl_ctx_watch(dev->ctx, &v->watch);
	else if (!fn && v->fn)
		fl_ctx_unwatch(dev->ctx, &v->watch);
	if (err)
		return err;
	v->fn = fn;
	v->arg = arg;
	return 0;
}

/* The handler may close the device or change its vectors: `current` tells. */
void fl_irq_event(struct fl_dev *dev, struct fl_vec *vec)
{
	struct fl_ctx *ctx = dev->ctx;

	fl_irq_drain(vec->watch.fd);
	/* from before it went */
	if (fl_dev_removed(dev))
		return;
	ctx->current = dev;
	vec->fn(dev, (unsigned)(vec - dev->vecs), vec->arg);
	if (ctx->current == dev)
		unmask(dev);
	ctx->current = NULL;
}

void fl_irq_watch(struct fl_dev *dev, unsigned index, struct fl_watch *w)
{
	struct fl_vfio_irq info;

	if (irq_info(dev, index, &info) || !info.count || !(info.flags & FL_VFIO_IRQ_F_EVENTFD))
		return;
	if (w->fd < 0) {
		w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (w->fd >= 0 && fl_ctx_watch(dev->ctx, w)) {
			close(w->fd);
			w->fd = -1;
		}
	}
	if (w->fd < 0 || dev->vd->ops->irq_set(dev->vd, index, 0, 1, FL_VFIO_IRQ_TRIGGER, &w->fd))
		fl_warn(fl_dev_log(dev), "dev", "%s: the %s interrupt cannot be had: %s", dev->uri,
			index == FL_VFIO_IRQ_ERR ? "error" : "request",
			w->fd < 0 ? "no eventfd, see `ulimit -n`" : "the device refuses it");
}

void fl_irq_unwatch(struct fl_dev *dev, struct fl_watch *w)
{
	if (w->fd < 0)
		return;
	fl_ctx_unwatch(dev->ctx, w);
	close(w->fd);
	w->fd = -1;
}
