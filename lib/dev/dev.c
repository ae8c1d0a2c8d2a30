/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices: open, close, enable, reset. */
#include "dev_internal.h"

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#define RECOVERY_NS  100000000l
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

/* Who the device is; one that comes back has to be the one that was. */
static int identify(struct fl_dev *dev)
{
	struct fl_pci_id id;
	int err = read_config_size(dev);

	if (!err)
		err = fl_pci_identify(dev, &id);
	if (err)
		return err;
	if (dev->id.vendor && (id.vendor != dev->id.vendor || id.device != dev->id.device)) {
		fl_err(fl_dev_log(dev), "dev",
		       "%s: device %04x:%04x answers where %04x:%04x was; close it and open anew",
		       dev->uri, id.vendor, id.device, dev->id.vendor, dev->id.device);
		return -ENODEV;
	}
	dev->id = id;
	return 0;
}

static void free_dev(struct fl_dev *dev)
{
	fl_irq_unwatch(dev, &dev->wake);
	free(dev->uri);
	free(dev);
}

static int watch(struct fl_dev *dev)
{
	int fd = dev->vd->ops->event_fd(dev->vd);

	if (fd >= 0) {
		int err;

		dev->transport.fd = fd;
		err = fl_ctx_watch(dev->ctx, &dev->transport);
		if (err) {
			dev->transport.fd = -1;
			return err;
		}
	}
	fl_irq_watch(dev, FL_VFIO_IRQ_ERR, &dev->err);
	fl_irq_watch(dev, FL_VFIO_IRQ_REQ, &dev->req);
	return 0;
}

void fl_dev_unwatch(struct fl_dev *dev)
{
	fl_irq_unwatch(dev, &dev->err);
	fl_irq_unwatch(dev, &dev->req);
	if (dev->transport.fd >= 0)
		fl_ctx_unwatch(dev->ctx, &dev->transport);
	dev->transport.fd = -1;
}

int fl_dev_bring_up(struct fl_dev *dev, struct fl_bar bars[FL_BARS])
{
	int err = identify(dev);

	if (!err)
		err = fl_pci_command(dev, COMMAND_BITS, false);
	if (!err)
		err = fl_bars_map(dev, bars);
	if (err)
		return err;
	err = watch(dev);
	if (err)
		fl_bars_unmap(bars);
	return err;
}

/* Without a transport. */
static int new_dev(struct fl_ctx *ctx, const char *uri, struct fl_dev **out)
{
	struct fl_dev *dev = calloc(1, sizeof(*dev));
	int err = 0;

	if (!dev)
		return -ENOMEM;
	dev->ctx = ctx;
	dev->transport = (struct fl_watch){ FL_WATCH_TRANSPORT, dev, -1 };
	dev->err = (struct fl_watch){ FL_WATCH_ERR, dev, -1 };
	dev->req = (struct fl_watch){ FL_WATCH_REQ, dev, -1 };
	dev->wake = (struct fl_watch){ FL_WATCH_WAKE, dev, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	dev->unmask_fd = -1;
	dev->uri = strdup(uri);
	if (dev->wake.fd < 0 || fl_ctx_watch(ctx, &dev->wake))
		err = -errno;
	else if (!dev->uri)
		err = -ENOMEM;
	if (err) {
		fl_err(fl_ctx_log(ctx), "dev", "%s: no eventfd: %s; see `ulimit -n`", uri,
		       strerror(-err));
		free_dev(dev);
		return err;
	}
	*out = dev;
	return 0;
}

int fl_dev_open(struct fl_ctx *ctx, const char *uri, struct fl_dev **out)
{
	struct fl_dev *dev;
	int err = new_dev(ctx, uri, &dev);

	if (err)
		return err;
	err = fl_ctx_open(ctx, uri, &dev->vd);
	if (err)
		goto free_dev;
	err = fl_dev_bring_up(dev, dev->bars);
	if (err)
		goto close_transport;
	ctx->ndevs++;
	fl_ctx_enlist(ctx, &dev->item, FL_ITEM_DEV, dev);
	*out = dev;
	return 0;

close_transport:
	dev->vd->ops->close(dev->vd);
free_dev:
	free_dev(dev);
	return err;
}

void fl_dev_close(struct fl_dev *dev)
{
	if (!fl_dev_removed(dev))
		(void)fl_pci_command(dev, COMMAND_BITS, false);
	fl_irq_teardown(dev);
	fl_dev_unwatch(dev);
	fl_bars_unmap(dev->bars);
	dev->vd->ops->close(dev->vd);
	fl_ctx_forget(dev);
	dev->ctx->ndevs--;
	fl_ctx_delist(dev->ctx, &dev->item);
	free_dev(dev);
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

int fl_dev_node(const struct fl_dev *dev)
{
	return dev->vd->node;
}

int fl_dev_enable(struct fl_dev *dev, bool on)
{
	/*
	 * Memory space stays on: where the kernel has the device, a thread that still polls a
	 * mapped BAR would get SIGBUS.
	 */
	return fl_dev_removed(dev)
		       ? -ENODEV
		       : fl_pci_command(dev, on ? COMMAND_BITS : PCI_COMMAND_MASTER, on);
}

/*
 * After a fatal error the kernel resets the link by itself, soon after we were told, and would undo
 * what is done before. It does not say when that is over, but answers no config access meanwhile.
 */
static void let_recover(struct fl_dev *dev)
{
	uint32_t type;

	if (!dev->failed)
		return;
	nanosleep(&(struct timespec){ .tv_nsec = RECOVERY_NS }, NULL);
	(void)fl_pci_read(dev, PCI_HEADER_TYPE, 1, &type);
	dev->failed = false;
}

int fl_dev_reset(struct fl_dev *dev)
{
	int err = -EOPNOTSUPP;

	if (fl_dev_removed(dev))
		return -ENODEV;
	let_recover(dev);
	if (dev->vd->resettable)
		err = dev->vd->ops->reset(dev->vd);
	return err == -EOPNOTSUPP ? fl_dev_hot_reset(dev) : err;
}

int fl_dev_hot_reset(struct fl_dev *dev)
{
	if (fl_dev_removed(dev))
		return -ENODEV;
	let_recover(dev);
	return dev->vd->ops->hot_reset(dev->vd);
}

bool fl_dev_faults(const struct fl_dev *dev)
{
	return dev->vd->faults;
}

void fl_dev_serve(struct fl_dev *dev)
{
	if (dev->ctx->polls && dev->vd->faults)
		(void)dev->vd->ops->dispatch(dev->vd);
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
