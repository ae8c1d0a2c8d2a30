/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices: open, close, enable, removal and coming back. */
#include "dev_internal.h"

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND_BITS (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

static int read_config_size(struct fl_dev *dev)
{
	struct fl_vfio_region r = { 0 };
	int err = 0;

	if (dev->vd->nregions > FL_VFIO_REGION_CONFIG)
		err = dev->vd->ops->region_info(dev->vd, FL_VFIO_REGION_CONFIG, &r);
	if (!err && r.size < PCI_STD_HEADER_SIZEOF) {
		fl_err(fl_dev_log(dev), "dev", "%s: no PCI config space: not a PCI device",
		       dev->uri);
		err = -ENODEV;
	}
	dev->cfg_size = r.size < PCI_CFG_SPACE_EXP_SIZE ? (uint32_t)r.size : PCI_CFG_SPACE_EXP_SIZE;
	return err;
}

static int watch_transport(struct fl_dev *dev)
{
	dev->transport.fd = dev->vd->ops->event_fd(dev->vd);
	return dev->transport.fd < 0 ? 0 : fl_ctx_watch(dev->ctx, &dev->transport);
}

static void unwatch_transport(struct fl_dev *dev)
{
	if (dev->transport.fd >= 0)
		fl_ctx_unwatch(dev->ctx, &dev->transport);
	dev->transport.fd = -1;
}

static int bring_up(struct fl_dev *dev)
{
	int err = read_config_size(dev);

	if (!err)
		err = fl_pci_identify(dev, &dev->id);
	if (!err)
		err = fl_pci_command(dev, COMMAND_BITS, false);
	if (!err)
		err = fl_bars_map(dev, dev->bars);
	if (err)
		return err;
	err = watch_transport(dev);
	if (err) {
		fl_bars_unmap(dev->bars);
		return err;
	}
	fl_irq_watch(dev, FL_VFIO_IRQ_ERR, &dev->err);
	fl_irq_watch(dev, FL_VFIO_IRQ_REQ, &dev->req);
	return 0;
}

int fl_dev_open(struct fl_ctx *ctx, const char *uri, struct fl_dev **out)
{
	struct fl_dev *dev = calloc(1, sizeof(*dev));
	int err;

	if (!dev)
		return -ENOMEM;
	dev->ctx = ctx;
	dev->transport = (struct fl_watch){ FL_WATCH_TRANSPORT, dev, -1 };
	dev->err = (struct fl_watch){ FL_WATCH_ERR, dev, -1 };
	dev->req = (struct fl_watch){ FL_WATCH_REQ, dev, -1 };
	dev->uri = strdup(uri);
	err = dev->uri ? fl_ctx_open(ctx, uri, &dev->vd) : -ENOMEM;
	if (err)
		goto free_dev;
	err = bring_up(dev);
	if (err)
		goto close_transport;
	ctx->ndevs++;
	*out = dev;
	return 0;

close_transport:
	dev->vd->ops->close(dev->vd);
free_dev:
	free(dev->uri);
	free(dev);
	return err;
}

void fl_dev_close(struct fl_dev *dev)
{
	struct fl_ctx *ctx = dev->ctx;

	if (!fl_dev_removed(dev))
		(void)fl_pci_command(dev, COMMAND_BITS, false);
	fl_irq_teardown(dev);
	fl_irq_unwatch(dev, &dev->err);
	fl_irq_unwatch(dev, &dev->req);
	unwatch_transport(dev);
	fl_bars_unmap(dev->bars);
	dev->vd->ops->close(dev->vd);
	fl_ctx_forget(dev);
	ctx->ndevs--;
	free(dev->uri);
	free(dev);
}

const char *fl_dev_uri(const struct fl_dev *dev)
{
	return dev->uri;
}

const char *fl_dev_transport(const struct fl_dev *dev)
{
	return dev->vd->ops->name;
}

struct fl_ctx *fl_dev_ctx(const struct fl_dev *dev)
{
	return dev->ctx;
}

const struct fl_pci_id *fl_dev_id(const struct fl_dev *dev)
{
	return &dev->id;
}

/* No transport of this build knows where its device sits: a socket's peer is anywhere. */
int fl_dev_node(const struct fl_dev *dev)
{
	return -1;
}

int fl_dev_enable(struct fl_dev *dev, bool on)
{
	return fl_dev_removed(dev) ? -ENODEV : fl_pci_command(dev, COMMAND_BITS, on);
}

int fl_dev_reset(struct fl_dev *dev)
{
	if (fl_dev_removed(dev))
		return -ENODEV;
	return dev->vd->resettable ? dev->vd->ops->reset(dev->vd) : -EOPNOTSUPP;
}

bool fl_dev_removed(const struct fl_dev *dev)
{
	return __atomic_load_n(&dev->gone, __ATOMIC_RELAXED) ||
	       __atomic_load_n(&dev->vd->removed, __ATOMIC_RELAXED);
}

void fl_dev_on_event(struct fl_dev *dev,
		     void (*fn)(struct fl_dev *dev, enum fl_dev_event ev, void *arg), void *arg)
{
	dev->event = fn;
	dev->event_arg = arg;
}

static void tell(struct fl_dev *dev, enum fl_dev_event ev)
{
	if (dev->event)
		dev->event(dev, ev, dev->event_arg);
}

void fl_dev_event(struct fl_dev *dev, const struct fl_watch *w)
{
	int err;

	if (w->kind != FL_WATCH_TRANSPORT) {
		fl_irq_drain(w->fd);
		tell(dev, w->kind == FL_WATCH_ERR ? FL_DEV_ERROR : FL_DEV_REQUEST);
		return;
	}
	err = dev->vd->ops->dispatch(dev->vd);
	if (err >= 0)
		return;
	/* its fd is no longer looked at, so this happens once */
	unwatch_transport(dev);
	__atomic_store_n(&dev->gone, true, __ATOMIC_RELAXED);
	fl_warn(fl_dev_log(dev), "dev", "%s: the device is gone (%s)", dev->uri, strerror(-err));
	tell(dev, FL_DEV_REMOVED);
}

static int same_device(struct fl_dev *dev)
{
	struct fl_pci_id id;
	int err = read_config_size(dev);

	if (!err)
		err = fl_pci_identify(dev, &id);
	if (!err && (id.vendor != dev->id.vendor || id.device != dev->id.device)) {
		fl_err(fl_dev_log(dev), "dev",
		       "%s: device %04x:%04x answers where %04x:%04x was; close it and open anew",
		       dev->uri, id.vendor, id.device, dev->id.vendor, dev->id.device);
		err = -ENODEV;
	}
	return err;
}

/*
 * New BARs are mapped beside the old ones, which are given up only when all has worked: a data
 * plane that still rings an old doorbell meets memory at any time. `gone` holds until then.
 */
int fl_dev_reattach(struct fl_dev *dev)
{
	struct fl_bar bars[FL_BARS];
	int err;

	if (!fl_dev_removed(dev))
		return -EALREADY;
	__atomic_store_n(&dev->gone, true, __ATOMIC_RELAXED);
	unwatch_transport(dev);
	err = dev->vd->ops->reattach(dev->vd);
	if (!err)
		err = same_device(dev);
	if (!err)
		err = fl_pci_command(dev, COMMAND_BITS, false);
	if (!err)
		err = fl_bars_map(dev, bars);
	if (err)
		return err;
	err = watch_transport(dev);
	if (!err)
		err = fl_irq_replay(dev);
	if (err) {
		unwatch_transport(dev);
		fl_bars_unmap(bars);
		return err;
	}
	fl_irq_watch(dev, FL_VFIO_IRQ_ERR, &dev->err);
	fl_irq_watch(dev, FL_VFIO_IRQ_REQ, &dev->req);
	fl_bars_unmap(dev->bars);
	memcpy(dev->bars, bars, sizeof(bars));
	__atomic_store_n(&dev->gone, false, __ATOMIC_RELAXED);
	return 0;
}
