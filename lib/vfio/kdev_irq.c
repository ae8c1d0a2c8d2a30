/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts of a device of the kernel's. */
#include "kernel_internal.h"

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>

/* What PCI allows; the kernel's numbers are bounded by it. */
static const uint32_t count_max[VFIO_PCI_NUM_IRQS] = {
	[FL_VFIO_IRQ_INTX] = 1, [FL_VFIO_IRQ_MSI] = 32, [FL_VFIO_IRQ_MSIX] = 2048,
	[FL_VFIO_IRQ_ERR] = 1,	[FL_VFIO_IRQ_REQ] = 1,
};

int fl_vk_irqs_init(struct fl_vk_dev *d)
{
	memset(d->irqs, 0, sizeof(d->irqs));
	for (unsigned i = 0; i < d->dev.nirqs; i++) {
		struct vfio_irq_info info = { .argsz = sizeof(info), .index = i };
		int err = fl_vk_ioctl(d->fd, VFIO_DEVICE_GET_IRQ_INFO, &info);

		if (err == -EINVAL)
			continue; /* it has no such interrupt */
		if (err >= 0 && info.count > count_max[i])
			err = -EPROTO;
		if (err < 0) {
			fl_err(d->dev.log, "vfio",
			       "%s: the kernel's answer on interrupt index %u (%u vectors): %s",
			       d->pci.address, i, info.count, strerror(-err));
			return err;
		}
		d->irqs[i] = (struct fl_vfio_irq){ info.count, info.flags };
	}
	return 0;
}

int fl_vk_irq_info(struct fl_vfio_dev *dev, unsigned index, struct fl_vfio_irq *out)
{
	struct fl_vk_dev *d = (struct fl_vk_dev *)dev;

	*out = index < VFIO_PCI_NUM_IRQS ? d->irqs[index] : (struct fl_vfio_irq){ 0 };
	return 0;
}

static int set(struct fl_vk_dev *d, uint32_t flags, unsigned index, unsigned start, unsigned count,
	       const int *fds)
{
	size_t data = fds ? count * sizeof(int32_t) : 0;
	struct vfio_irq_set *s = malloc(sizeof(*s) + data);
	int err;

	if (!s)
		return -ENOMEM;
	*s = (struct vfio_irq_set){
		.argsz = (uint32_t)(sizeof(*s) + data),
		.flags = flags | (fds ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE),
		.index = index,
		.start = start,
		.count = count,
	};
	if (data)
		memcpy(s->data, fds, data);
	err = fl_vk_ioctl(d->fd, VFIO_DEVICE_SET_IRQS, s);
	free(s);
	if (err <= 0)
		return err == -ENOTTY ? -EOPNOTSUPP : err;
	/* then it had fewer messages than asked for, and gave none */
	fl_info(d->dev.log, "vfio", "%s: the kernel has %d of %u interrupt vectors", d->pci.address,
		err, count);
	return -ENOSPC;
}

int fl_vk_irq_set(struct fl_vfio_dev *dev, unsigned index, unsigned start, unsigned count,
		  enum fl_vfio_irq_action action, const int *fds)
{
	static const uint32_t actions[] = { VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_IRQ_SET_ACTION_MASK,
					    VFIO_IRQ_SET_ACTION_UNMASK };
	struct fl_vk_dev *d = (struct fl_vk_dev *)dev;
	int err;

	if (index >= VFIO_PCI_NUM_IRQS || (unsigned)action >= FL_ARRAY_SIZE(actions))
		return -EINVAL;
	if (!fl_vk_hold(d))
		return -ENODEV;
	if (count > d->irqs[index].count || start > d->irqs[index].count - count ||
	    (action == FL_VFIO_IRQ_TRIGGER ? count && !fds : !count))
		err = -EINVAL;
	else
		err = set(d, actions[action], index, start, count, count ? fds : NULL);
	fl_vk_let(d);
	return err;
}
