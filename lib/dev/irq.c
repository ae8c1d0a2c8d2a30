/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts: an eventfd a vector; INTx is level and masked by whoever fires it. */
#include "dev_internal.h"

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

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

static int irq_info(struct fl_dev *dev, unsigned index, struct fl_vfio_irq *info)
{
	memset(info, 0, sizeof(*info));
	return index < dev->vd->nirqs ? dev->vd->ops->irq_info(dev->vd, index, info) : 0;
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

int fl_dev_irq_fd(const struct fl_dev *dev, unsigned vec)
{
	return vec < dev->nvecs ? dev->vecs[vec].watch.fd : -1;
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

static void free_vecs(struct fl_dev *dev, struct fl_vec *vecs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (vecs[i].fn)
			fl_ctx_unwatch(dev->ctx, &vecs[i].watch);
		close(vecs[i].watch.fd);
	}
	free(vecs);
}

static int make_vecs(struct fl_dev *dev, unsigned n, struct fl_vec **out)
{
	struct fl_vec *vecs = calloc(n, sizeof(*vecs));

	if (!vecs)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		if (fd < 0) {
			int err = -errno;

			fl_err(fl_dev_log(dev), "dev", "%s: eventfd %u of %u: %s; see `ulimit -n`",
			       dev->uri, i, n, strerror(-err));
			free_vecs(dev, vecs, i);
			return err;
		}
		vecs[i].watch = (struct fl_watch){ FL_WATCH_VECTOR, dev, fd };
	}
	*out = vecs;
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

static void disable(struct fl_dev *dev, enum fl_irq_kind kind)
{
	if (kind == FL_IRQ_NONE || fl_dev_removed(dev))
		return;
	set_enable(dev, kind, 0, false);
	(void)dev->vd->ops->irq_set(dev->vd, irq_index(kind), 0, 0, FL_VFIO_IRQ_TRIGGER, NULL);
}

static int enable(struct fl_dev *dev, enum fl_irq_kind kind, const struct fl_vec *vecs, unsigned n)
{
	int *fds, err;

	if (kind == FL_IRQ_NONE)
		return 0;
	fds = calloc(n, sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		fds[i] = vecs[i].watch.fd;
	err = dev->vd->ops->irq_set(dev->vd, irq_index(kind), 0, n, FL_VFIO_IRQ_TRIGGER, fds);
	free(fds);
	if (err)
		fl_err(fl_dev_log(dev), "dev", "%s: %u vectors of %s: %s", dev->uri, n,
		       irq_name(kind), strerror(-err));
	else
		set_enable(dev, kind, n, true);
	return err;
}

int fl_dev_irq_setup(struct fl_dev *dev, enum fl_irq_kind kind, unsigned n)
{
	struct fl_vfio_irq info = { 0 };
	struct fl_vec *vecs = NULL;
	int err = 0;

	if (kind < FL_IRQ_NONE || kind > FL_IRQ_MSIX || (kind != FL_IRQ_NONE && !n))
		return -EINVAL;
	if (kind == FL_IRQ_NONE) {
		fl_irq_teardown(dev);
		return 0;
	}
	if (fl_dev_removed(dev))
		return -ENODEV;
	err = irq_info(dev, irq_index(kind), &info);
	if (err)
		return err;
	if (!(info.flags & FL_VFIO_IRQ_F_EVENTFD) || n > info.count) {
		fl_info(fl_dev_log(dev), "dev", "%s: %u vectors of %s asked for, the device has %u",
			dev->uri, n, irq_name(kind),
			info.flags & FL_VFIO_IRQ_F_EVENTFD ? info.count : 0);
		return -ENOSPC;
	}
	err = make_vecs(dev, n, &vecs);
	if (err)
		return err;
	disable(dev, dev->irq_kind);
	err = enable(dev, kind, vecs, n);
	if (err) {
		free_vecs(dev, vecs, n);
		if (fl_irq_replay(dev))
			fl_irq_teardown(dev);
		return err;
	}
	free_vecs(dev, dev->vecs, dev->nvecs);
	dev->vecs = vecs;
	dev->nvecs = n;
	dev->irq_kind = kind;
	dev->irq_automasked = info.flags & FL_VFIO_IRQ_F_AUTOMASKED;
	fl_ctx_forget(dev);
	return 0;
}

int fl_irq_replay(struct fl_dev *dev)
{
	return enable(dev, dev->irq_kind, dev->vecs, dev->nvecs);
}

void fl_irq_teardown(struct fl_dev *dev)
{
	disable(dev, dev->irq_kind);
	free_vecs(dev, dev->vecs, dev->nvecs);
	dev->vecs = NULL;
	dev->nvecs = 0;
	dev->irq_kind = FL_IRQ_NONE;
	fl_ctx_forget(dev);
}

static void unmask(struct fl_dev *dev)
{
	if (dev->irq_kind == FL_IRQ_INTX && dev->irq_automasked && !fl_dev_removed(dev))
		(void)dev->vd->ops->irq_set(dev->vd, FL_VFIO_IRQ_INTX, 0, 1, FL_VFIO_IRQ_UNMASK,
					    NULL);
}

void fl_dev_irq_ack(struct fl_dev *dev, unsigned vec)
{
	if (vec >= dev->nvecs)
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
