/* SPDX-License-Identifier: BSD-3-Clause */
/* Kernel VFIO: which way a device is taken, and its life from open to close. */
#include "kernel_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the object ----------------------------------------------------------------------- */

int fl_vfio_kernel_create(struct fl_dma_space *space, bool polls, const struct fl_log *log,
			  const struct fl_vfio_roots *roots, struct fl_vfio_kernel **out)
{
	struct fl_vfio_kernel *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->space = space;
	k->polls = polls;
	k->log = log;
	k->sys = strdup(roots ? roots->sys : "/sys");
	k->dev = strdup(roots ? roots->dev : "/dev");
	if (!k->sys || !k->dev) {
		fl_vfio_kernel_destroy(k);
		return -ENOMEM;
	}
	*out = k;
	return 0;
}

void fl_vfio_kernel_destroy(struct fl_vfio_kernel *k)
{
	if (!k)
		return;
	free(k->sys);
	free(k->dev);
	free(k);
}

static struct fl_vfio_roots roots_of(const struct fl_vfio_kernel *k)
{
	return (struct fl_vfio_roots){ .sys = k->sys, .dev = k->dev };
}

/* ---- which way ------------------------------------------------------------------------ */

static bool usable(const struct fl_vfio_kernel *k, const char *name)
{
	char *path;
	bool ok;

	if (asprintf(&path, "%s/%s", k->dev, name) < 0)
		return false;
	ok = !faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS);
	free(path);
	return ok;
}

/* Why not through iommufd, or NULL. */
static const char *not_iommufd(const struct fl_vk_dev *d)
{
	const struct fl_vfio_open *how = &d->how;
	char cdev[64];

	if (how->cdev_fd >= 0)
		return NULL;
	if (how->group_fd >= 0 || how->container_fd >= 0)
		return "a group or container was handed in";
	if (d->pci.noiommu)
		return "no IOMMU stands before the device";
	if (fl_vk_group_fd(d->k, d->pci.group) >= 0)
		return "its group is open already";
	if (!*d->pci.cdev)
		return "the kernel shows no device cdev (Linux 6.6 with CONFIG_VFIO_DEVICE_CDEV)";
	if (how->opener)
		return NULL;
	if (how->iommu_fd < 0 && !d->k->iommu && !usable(d->k, "iommu"))
		return "/dev/iommu is absent or not ours to use";
	snprintf(cdev, sizeof(cdev), "vfio/devices/%s", d->pci.cdev);
	return usable(d->k, cdev) ? NULL : "the device's cdev is not ours to use";
}

static void choose_backend(struct fl_vk_dev *d)
{
	const char *why = "asked for";

	switch (d->how.backend) {
	case FL_VFIO_IOMMUFD:
		d->backend = &fl_vk_iommufd;
		break;
	case FL_VFIO_CONTAINER:
	case FL_VFIO_NOIOMMU:
		d->backend = &fl_vk_container;
		break;
	case FL_VFIO_AUTO:
		why = not_iommufd(d);
		/* a cdev or iommufd that was handed in is what it goes through */
		if (!why && d->how.cdev_fd < 0 && d->how.iommu_fd < 0 &&
		    fl_vk_container_would_fault(d))
			why = "the kernel resolves its faults there";
		d->backend = why ? &fl_vk_container : &fl_vk_iommufd;
		why = why ? why : "iommufd and the device's cdev are there";
		break;
	}
	d->dev.ops = d->backend == &fl_vk_iommufd ? &fl_vk_iommufd_ops : &fl_vk_container_ops;
	fl_info(d->k->log, "vfio", "%s: through %s: %s", d->pci.address, d->backend->name, why);
}

/* `what` may be NULL where the obstacle says all. */
void fl_vk_refused(const struct fl_vk_dev *d, const char *what, int rc)
{
	struct fl_vfio_roots roots = roots_of(d->k);
	char why[1024];

	if (!fl_vfio_pci_obstacle(&roots, &d->pci, d->how.backend, why, sizeof(why)))
		fl_err(d->k->log, "vfio", "%s: %s: %s", d->pci.address,
		       what ? what : "cannot be taken", strerror(-rc));
	else if (what && !strstr(why, what)) /* which may name the file that could not be opened */
		fl_err(d->k->log, "vfio", "%s (%s: %s)", why, what, strerror(-rc));
	else
		fl_err(d->k->log, "vfio", "%s", why);
}

static int look(struct fl_vk_dev *d, const char *address)
{
	struct fl_vfio_roots roots = roots_of(d->k);
	int rc = fl_vfio_pci_look(&roots, address, &d->pci);

	if (rc == -EINVAL)
		fl_err(d->k->log, "vfio", "%s: no PCI address: write it like 0000:01:00.0",
		       address);
	else if (rc)
		fl_err(d->k->log, "vfio",
		       "%s: no such PCI device: `lspci -D` lists those there are", address);
	if (rc)
		return rc;
	if (fl_vk_is_vfio(d->pci.driver))
		return 0;
	fl_vk_refused(d, NULL, -ENODEV);
	return -ENODEV;
}

/* ---- taking a device ------------------------------------------------------------------ */

/* How lazy memory meets it: the best that device, IOMMU and kernel have together. */
static void say_residency(const struct fl_vk_dev *d)
{
	if (d->dev.faults)
		fl_info(d->k->log, "vfio", "%s: lazy memory comes as it faults, resolved by %s",
			d->pci.address, d->backend->resolver);
	else
		fl_info(d->k->log, "vfio", "%s: lazy memory is posted: %s", d->pci.address,
			d->posted_because);
}

/* With pci and backend set. */
static int take(struct fl_vk_dev *d)
{
	int rc;

	d->dev.faults = false;
	d->posted_because = d->how.no_faults ? "asked for (faults=off)"
					     : "its way into the kernel knows no faults";
	rc = d->backend->attach(d);
	if (rc)
		return rc;
	rc = fl_vk_dev_init(d);
	if (rc)
		d->backend->detach(d);
	else
		say_residency(d);
	return rc;
}

static void close_how(struct fl_vfio_open *how)
{
	int *fds[] = { &how->container_fd, &how->group_fd, &how->iommu_fd, &how->cdev_fd };

	for (size_t i = 0; i < FL_ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

static void free_dev(struct fl_vk_dev *d)
{
	close_how(&d->how);
	free((char *)d->how.opener);
	pthread_rwlock_destroy(&d->lock);
	free(d);
}

/* Takes the descriptors of `how` over, when it fails too. */
static struct fl_vk_dev *new_dev(struct fl_vfio_kernel *k, struct fl_vfio_open how)
{
	struct fl_vk_dev *d = calloc(1, sizeof(*d));
	const char *opener = how.opener;

	if (!d) {
		close_how(&how);
		return NULL;
	}
	d->dev = (struct fl_vfio_dev){ .space = k->space, .log = k->log, .node = -1 };
	d->k = k;
	d->how = how;
	d->fd = d->event_fd = -1;
	pthread_rwlock_init(&d->lock, NULL);
	d->how.opener = opener ? strdup(opener) : NULL;
	if (opener && !d->how.opener) {
		free_dev(d);
		return NULL;
	}
	return d;
}

int fl_vfio_kernel_open(struct fl_vfio_kernel *k, const char *address,
			const struct fl_vfio_open *how, struct fl_vfio_dev **out)
{
	struct fl_vk_dev *d = new_dev(k, how ? *how : FL_VFIO_OPEN_DEFAULT);
	int rc;

	if (!d)
		return -ENOMEM;
	rc = look(d, address);
	if (!rc) {
		choose_backend(d);
		rc = take(d);
	}
	if (rc) {
		free_dev(d);
		return rc;
	}
	close_how(&d->how); /* what was not needed */
	d->next = k->devs;
	k->devs = d;
	*out = &d->dev;
	return 0;
}

/* ---- its other ends ------------------------------------------------------------------- */

void fl_vk_release(struct fl_vfio_dev *dev)
{
	struct fl_vk_dev *d = (struct fl_vk_dev *)dev;

	__atomic_store_n(&dev->removed, true, __ATOMIC_RELAXED);
	if (d->fd >= 0)
		d->backend->detach(d);
}

int fl_vk_reattach(struct fl_vfio_dev *dev)
{
	struct fl_vk_dev *d = (struct fl_vk_dev *)dev;
	char address[sizeof(d->pci.address)];
	int rc;

	fl_vk_release(dev);
	/* its group and cdev may have other numbers now; of one that is not there the address stays
	 */
	memcpy(address, d->pci.address, sizeof(address));
	rc = look(d, address);
	if (!rc)
		rc = take(d);
	close_how(&d->how);
	if (!rc)
		__atomic_store_n(&dev->removed, false, __ATOMIC_RELAXED);
	return rc;
}

void fl_vk_close(struct fl_vfio_dev *dev)
{
	struct fl_vk_dev *d = (struct fl_vk_dev *)dev, **p = &d->k->devs;

	fl_vk_release(dev);
	while (*p != d)
		p = &(*p)->next;
	*p = d->next;
	free_dev(d);
}
