/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a device goes and comes back. It goes when its transport says so, when registers read all
 * ones and config space too, when the kernel wants it back and had to say so twice, or when the
 * application releases it; always in the same way.
 */
#include "dev_internal.h"

#include <linux/pci_regs.h>
#include <string.h>
#include <sys/eventfd.h>

#define LOOK_NS 1000000u

/*
 * All ones are no header type, and what nobody answers. Vendor and device id would not do: the
 * kernel has a copy of them.
 */
static bool answers(struct fl_dev *dev)
{
	uint32_t type;

	return !fl_pci_read(dev, PCI_HEADER_TYPE, 1, &type) && type != 0xff;
}

void fl_dev_look(struct fl_dev *dev)
{
	uint64_t now = fl_now_ns();

	/* some registers are all ones for good */
	if (now - __atomic_load_n(&dev->looked_ns, __ATOMIC_RELAXED) < LOOK_NS)
		return;
	__atomic_store_n(&dev->looked_ns, now, __ATOMIC_RELAXED);
	if (answers(dev))
		return;
	__atomic_store_n(&dev->gone, true, __ATOMIC_RELAXED);
	(void)eventfd_write(dev->wake.fd, 1);
}

void fl_dev_release(struct fl_dev *dev)
{
	if (dev->released)
		return;
	if (!fl_dev_removed(dev))
		(void)fl_pci_command(dev, PCI_COMMAND_MASTER, false);
	fl_irq_quiet(dev);
	fl_dev_unwatch(dev);
	/* from here on control calls do nothing; then what the data plane has becomes memory */
	__atomic_store_n(&dev->gone, true, __ATOMIC_RELAXED);
	fl_bars_replace(dev);
	dev->vd->ops->release(dev->vd);
	dev->released = true;
}

/* New BARs are mapped beside the memory in place of the old ones, which goes when all has worked.
 */
int fl_dev_reattach(struct fl_dev *dev)
{
	struct fl_bar bars[FL_BARS];
	int err;

	if (!fl_dev_removed(dev))
		return -EALREADY;
	__atomic_store_n(&dev->gone, true, __ATOMIC_RELAXED);
	fl_dev_release(dev);
	err = dev->vd->ops->reattach(dev->vd);
	if (err)
		return err;
	err = fl_dev_bring_up(dev, bars);
	if (err)
		goto release;
	err = fl_irq_replay(dev);
	if (err)
		goto unmap;
	fl_bars_unmap(dev->bars);
	memcpy(dev->bars, bars, sizeof(bars));
	fl_irq_drain(dev->wake.fd);
	dev->released = dev->requested = dev->failed = false;
	__atomic_store_n(&dev->gone, false, __ATOMIC_RELAXED);
	return 0;

unmap:
	fl_dev_unwatch(dev);
	fl_bars_unmap(bars);
release:
	dev->vd->ops->release(dev->vd);
	return err;
}

/* ---- events --------------------------------------------------------------------------- */

static void tell(struct fl_dev *dev, enum fl_dev_event ev)
{
	if (dev->event)
		dev->event(dev, ev, dev->event_arg);
}

/* The handler may close the device, so it is called last. */
static void tell_once(struct fl_dev *dev, bool *told, enum fl_dev_event ev)
{
	if (*told)
		return;
	*told = true;
	tell(dev, ev);
}

static void gone(struct fl_dev *dev, const char *why)
{
	fl_warn(fl_dev_log(dev), "dev", "%s: the device is gone: %s", dev->uri, why);
	fl_dev_release(dev);
	tell(dev, FL_DEV_REMOVED);
}

void fl_dev_event(struct fl_dev *dev, const struct fl_watch *w)
{
	int err;

	if (w->kind == FL_WATCH_TRANSPORT) {
		err = dev->vd->ops->dispatch(dev->vd);
		if (err < 0) {
			__atomic_store_n(&dev->gone, true, __ATOMIC_RELAXED);
			gone(dev, strerror(-err));
		}
		return;
	}
	fl_irq_drain(w->fd);
	/* a device that was pulled out may still have said so */
	if (!answers(dev))
		__atomic_store_n(&dev->gone, true, __ATOMIC_RELAXED);
	if (fl_dev_removed(dev)) {
		if (!dev->released)
			gone(dev, "it does not answer");
	} else if (w->kind == FL_WATCH_ERR) {
		tell_once(dev, &dev->failed, FL_DEV_ERROR);
	} else if (w->kind == FL_WATCH_REQ && dev->requested) {
		gone(dev, "it was wanted back twice, so it is given back");
	} else if (w->kind == FL_WATCH_REQ) {
		tell_once(dev, &dev->requested, FL_DEV_REQUEST);
	}
}
