/* SPDX-License-Identifier: BSD-3-Clause */
/* Resets: of the function, and of the bus or slot that it is on. */
#include "kernel_abi.h"
#include "kernel_internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The kernel resets a link in some 100 ms, a device that then starts up slowly takes longer. */
#define BUSY_TRIES 100u
#define BUSY_NS	   10000000l

/* Room for a bus full of functions; more are asked for anew. */
#define FUNCTIONS     256u
#define FUNCTIONS_MAX 65536u

static int explain(struct fl_vk_dev *d, const char *what, int err)
{
	if (err >= 0)
		return 0;
	if (err == -ENOTTY || err == -EINVAL)
		err = -EOPNOTSUPP;
	fl_err(d->dev.log, "vfio", "%s: %s: %s%s", d->pci.address, what, strerror(-err),
	       err == -EAGAIN ? "; an unbind, removal or power change of the device is under way"
			      : "");
	return err;
}

/* Somebody who tells us of an error is likely to have the device locked, for a reset of his own. */
static int when_free(struct fl_vk_dev *d, unsigned long request, void *arg)
{
	int err = fl_vk_ioctl(d->fd, request, arg);

	for (unsigned i = 0; err == -EAGAIN && i < BUSY_TRIES; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = BUSY_NS }, NULL);
		err = fl_vk_ioctl(d->fd, request, arg);
	}
	return err;
}

int fl_vk_reset(struct fl_vfio_dev *dev)
{
	struct fl_vk_dev *d = (struct fl_vk_dev *)dev;
	int err;

	if (!dev->resettable)
		return -EOPNOTSUPP;
	if (!fl_vk_hold(d))
		return -ENODEV;
	err = when_free(d, VFIO_DEVICE_RESET, NULL);
	fl_vk_let(d);
	return explain(d, "reset", err);
}

/* ---- hot reset ------------------------------------------------------------------------ */

/* What a hot reset takes in; free(). */
static int affected(struct fl_vk_dev *d, struct vfio_pci_hot_reset_info **out)
{
	uint32_t room = FUNCTIONS;
	int err;

	do {
		size_t size = sizeof(**out) + room * sizeof((*out)->devices[0]);
		struct vfio_pci_hot_reset_info *info = calloc(1, size);

		if (!info)
			return -ENOMEM;
		info->argsz = (uint32_t)size;
		err = fl_vk_ioctl(d->fd, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
		if (err >= 0 && info->count <= room) {
			*out = info;
			return 0;
		}
		if (err >= 0 ||
		    (err == -ENOSPC && (info->count <= room || info->count > FUNCTIONS_MAX)))
			err = -EPROTO;
		room = info->count;
		free(info);
	} while (err == -ENOSPC);
	return err == -ENODEV ? -EOPNOTSUPP : err;
}

static void address_of(const struct vfio_pci_dependent_device *f, char buf[16])
{
	snprintf(buf, 16, "%04x:%02x:%02x.%x", f->segment, f->bus, f->devfn >> 3, f->devfn & 7u);
}

/*
 * Whether nobody else can have a function open: its group is held here, or for a cdev the kernel
 * says that its iommufd holds it.
 */
static bool is_ours(const struct fl_vk_dev *d, const struct vfio_pci_hot_reset_info *info,
		    uint32_t i)
{
	uint32_t id = info->devices[i].group_id;

	if (d->backend == &fl_vk_container)
		return id <= INT_MAX && fl_vk_group_fd(d->k, (int)id) >= 0;
	return info->flags & FL_VFIO_HOT_RESET_DEV_ID && id != FL_VFIO_HOT_RESET_NOT_OURS;
}

/* -EBUSY, with a message that lists the functions that are not ours. */
static int all_ours(const struct fl_vk_dev *d, const struct vfio_pci_hot_reset_info *info)
{
	char list[256] = "";
	size_t len = 0;

	for (uint32_t i = 0; i < info->count; i++) {
		char address[16];

		if (is_ours(d, info, i))
			continue;
		address_of(&info->devices[i], address);
		if (len < sizeof(list))
			len += (size_t)snprintf(list + len, sizeof(list) - len, " %s", address);
	}
	if (!len)
		return 0;
	fl_err(d->dev.log, "vfio",
	       "%s: a reset of its bus would also reset%s%s, which others may have: open them in the "
	       "same context, or do without the reset",
	       d->pci.address, list, len < sizeof(list) ? "" : " ...");
	return -EBUSY;
}

/* The kernel wants the group of each function shown, once; of a cdev it knows. */
static int reset_all(struct fl_vk_dev *d, const struct vfio_pci_hot_reset_info *info)
{
	struct vfio_pci_hot_reset *r = calloc(1, sizeof(*r) + info->count * sizeof(int32_t));
	int err;

	if (!r)
		return -ENOMEM;
	for (uint32_t i = 0; d->backend == &fl_vk_container && i < info->count; i++) {
		int fd = fl_vk_group_fd(d->k, (int)info->devices[i].group_id);
		bool known = false;

		for (uint32_t k = 0; k < r->count && !known; k++)
			known = r->group_fds[k] == fd;
		if (!known)
			r->group_fds[r->count++] = fd;
	}
	r->argsz = (uint32_t)(sizeof(*r) + r->count * sizeof(int32_t));
	err = when_free(d, VFIO_DEVICE_PCI_HOT_RESET, r);
	free(r);
	return explain(d, "reset of its bus", err);
}

int fl_vk_hot_reset(struct fl_vfio_dev *dev)
{
	struct fl_vk_dev *d = (struct fl_vk_dev *)dev;
	struct vfio_pci_hot_reset_info *info;
	int err;

	if (!fl_vk_hold(d))
		return -ENODEV;
	err = affected(d, &info);
	if (!err) {
		err = all_ours(d, info);
		if (!err)
			err = reset_all(d, info);
		free(info);
	}
	fl_vk_let(d);
	return err;
}
