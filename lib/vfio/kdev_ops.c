/* SPDX-License-Identifier: BSD-3-Clause */
/* The operations of a device of the kernel's. */
#include "iommufd_internal.h"

#include <linux/pci_regs.h>

/* The kernel has no fd that tells of a device that vanished: the request interrupt does. */
static int event_fd(struct fl_vfio_dev *d)
{
	return ((struct fl_vk_dev *)d)->event_fd;
}

/* Page requests, of this device or of those it shares them with. */
static bool serve(struct fl_vk_dev *d)
{
	bool any;

	if (!d->dev.faults || !fl_vk_hold(d))
		return false;
	any = d->ioas && fl_vk_faults_serve(d->ioas->faults);
	fl_vk_let(d);
	return any;
}

/*
 * Whether the device is still there. Vendor and device id would not tell: the kernel answers
 * those from a copy. All ones are no header type.
 */
static int dispatch(struct fl_vfio_dev *d)
{
	uint8_t type;

	if (serve((struct fl_vk_dev *)d))
		return 0;
	if (!fl_vk_region_read(d, FL_VFIO_REGION_CONFIG, PCI_HEADER_TYPE, &type, 1) && type != 0xff)
		return 0;
	__atomic_store_n(&d->removed, true, __ATOMIC_RELAXED);
	return -ENODEV;
}

static void release(struct fl_vfio_dev *dev)
{
	struct fl_vk_dev *d = (struct fl_vk_dev *)dev;

	__atomic_store_n(&dev->removed, true, __ATOMIC_RELAXED);
	pthread_rwlock_wrlock(&d->lock);
	fl_vk_release(dev);
	pthread_rwlock_unlock(&d->lock);
}

static int reattach(struct fl_vfio_dev *dev)
{
	struct fl_vk_dev *d = (struct fl_vk_dev *)dev;
	int err;

	pthread_rwlock_wrlock(&d->lock);
	err = fl_vk_reattach(dev);
	pthread_rwlock_unlock(&d->lock);
	return err;
}

/* a table is as the other but for its name */
#define VK_OPS(name_)                                                                              \
	{                                                                                          \
		.name = name_, .region_info = fl_vk_region_info, .region_read = fl_vk_region_read, \
		.region_write = fl_vk_region_write, .region_mmap = fl_vk_region_mmap,              \
		.irq_info = fl_vk_irq_info, .irq_set = fl_vk_irq_set, .reset = fl_vk_reset,        \
		.hot_reset = fl_vk_hot_reset, .event_fd = event_fd, .dispatch = dispatch,          \
		.release = release, .reattach = reattach, .close = fl_vk_close,                    \
	}

const struct fl_vfio_ops fl_vk_container_ops = VK_OPS("container");
const struct fl_vfio_ops fl_vk_iommufd_ops = VK_OPS("iommufd");
