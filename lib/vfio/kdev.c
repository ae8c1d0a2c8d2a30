/* SPDX-License-Identifier: BSD-3-Clause */
/* A device of the kernel's VFIO: what is asked when it is taken, and who may use its fd. */
#include "kernel_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

/* A longer answer is nonsense. */
#define ANSWER_MAX 65536u

int fl_vk_ioctl(int fd, unsigned long request, void *arg)
{
	int rc = ioctl(fd, request, arg);

	return rc < 0 ? -errno : rc;
}

int fl_vk_ask(int fd, unsigned long request, const void *head, size_t size, void **answer,
	      size_t *len)
{
	uint32_t room = (uint32_t)size, need;

	/* the first answer says how long it would be, the second is whole */
	for (unsigned i = 0; i < 2; i++) {
		uint8_t *p = calloc(1, room);
		int err;

		if (!p)
			return -ENOMEM;
		memcpy(p, head, size);
		memcpy(p, &room, sizeof(room));
		err = fl_vk_ioctl(fd, request, p);
		memcpy(&need, p, sizeof(need));
		if (err >= 0 && need <= room) {
			*answer = p;
			*len = room;
			return 0;
		}
		free(p);
		if (err < 0)
			return err;
		if (need > ANSWER_MAX)
			break;
		room = need;
	}
	return -EPROTO;
}

const void *fl_vk_cap(const void *info, size_t size, uint32_t first, uint16_t id, size_t min,
		      size_t *len)
{
	/* each has a header, so a longer chain goes in circles */
	size_t left = size / sizeof(struct vfio_info_cap_header);
	struct vfio_info_cap_header cap;

	for (uint32_t off = first; off && left--; off = cap.next) {
		if (off % 4 || off > size || size - off < sizeof(cap))
			break;
		memcpy(&cap, (const uint8_t *)info + off, sizeof(cap));
		if (cap.id != id)
			continue;
		if (size - off < min)
			break;
		if (len)
			*len = size - off;
		return (const uint8_t *)info + off;
	}
	return NULL;
}

int fl_vk_dev_init(struct fl_vk_dev *d)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int err = fl_vk_ioctl(d->fd, VFIO_DEVICE_GET_INFO, &info);

	if (err >= 0 && !(info.flags & VFIO_DEVICE_FLAGS_PCI))
		err = -ENODEV;
	if (err < 0) {
		fl_err(d->dev.log, "vfio", "%s: not a PCI device to the kernel: %s", d->pci.address,
		       strerror(-err));
		return err;
	}
	d->dev.resettable = info.flags & VFIO_DEVICE_FLAGS_RESET;
	d->dev.node = d->pci.node;
	d->dev.nregions =
		info.num_regions < VFIO_PCI_NUM_REGIONS ? info.num_regions : VFIO_PCI_NUM_REGIONS;
	d->dev.nirqs = info.num_irqs < VFIO_PCI_NUM_IRQS ? info.num_irqs : VFIO_PCI_NUM_IRQS;
	err = fl_vk_regions_init(d);
	return err ? err : fl_vk_irqs_init(d);
}

bool fl_vk_hold(struct fl_vk_dev *d)
{
	/* not one reader more once a release waits for those that are there */
	if (__atomic_load_n(&d->dev.removed, __ATOMIC_RELAXED))
		return false;
	pthread_rwlock_rdlock(&d->lock);
	if (d->fd >= 0)
		return true;
	pthread_rwlock_unlock(&d->lock);
	return false;
}

void fl_vk_let(struct fl_vk_dev *d)
{
	pthread_rwlock_unlock(&d->lock);
}
