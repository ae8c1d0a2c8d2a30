/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices by their cdev on an iommufd: opened, bound, put into an IOAS, given back. */
#include "iommufd_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* ---- files ----------------------------------------------------------------------------- */

static int open_node(const struct fl_vk_dev *d, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	fd = -errno;
	fl_vk_refused(d, path, fd);
	return fd;
}

/* *given is taken over. */
static int take_file(const struct fl_vk_dev *d, int *given, const char *name)
{
	char *path;
	int fd = *given;

	*given = -1;
	if (fd >= 0)
		return fd;
	if (asprintf(&path, "%s/%s", d->k->dev, name) < 0)
		return -ENOMEM;
	fd = open_node(d, path);
	free(path);
	return fd;
}

static int open_cdev(struct fl_vk_dev *d)
{
	char name[64];

	/* the kernel would bind another's as well */
	if (d->how.cdev_fd >= 0 && !fl_vk_is_cdev(d->k, &d->pci, d->how.cdev_fd)) {
		fl_err(d->k->log, "vfio", "%s: the file handed in is no cdev of its own (%s)",
		       d->pci.address, *d->pci.cdev ? d->pci.cdev : "the kernel shows none");
		return -EINVAL;
	}
	if (d->how.cdev_fd < 0 && !*d->pci.cdev) {
		fl_vk_refused(d, "its cdev for iommufd", -EOPNOTSUPP);
		return -EOPNOTSUPP;
	}
	snprintf(name, sizeof(name), "vfio/devices/%s", d->pci.cdev);
	return take_file(d, &d->how.cdev_fd, name);
}

/* ---- the iommufd and its IOASes -------------------------------------------------------- */

static int open_iommu(struct fl_vk_dev *d)
{
	struct fl_vfio_kernel *k = d->k;
	struct fl_vk_iommu *i;
	int fd;

	if (k->iommu)
		return 0;
	fd = take_file(d, &d->how.iommu_fd, "iommu");
	if (fd < 0)
		return fd;
	i = calloc(1, sizeof(*i));
	if (!i) {
		close(fd);
		return -ENOMEM;
	}
	i->k = k;
	i->fd = fd;
	k->iommu = i;
	return 0;
}

static void close_iommu(struct fl_vfio_kernel *k)
{
	if (!k->iommu || k->iommu->ioases)
		return;
	close(k->iommu->fd);
	free(k->iommu);
	k->iommu = NULL;
}

static int new_ioas(const struct fl_vk_dev *d, struct fl_vk_ioas **out)
{
	struct fl_abi_ioas_alloc req = { .size = sizeof(req) };
	struct fl_vk_iommu *i = d->k->iommu;
	struct fl_vk_ioas *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return -ENOMEM;
	rc = fl_vk_ioctl(i->fd, FL_IOMMU_IOAS_ALLOC, &req);
	if (rc < 0) {
		fl_err(d->k->log, "vfio", "%s: no I/O address space: %s%s", d->pci.address,
		       strerror(-rc), rc == -ENOTTY ? "; the file handed in is no iommufd" : "");
		free(a);
		return rc;
	}
	a->iommu = i;
	a->id = req.out_ioas_id;
	pthread_mutex_init(&a->lock, NULL);
	a->next = i->ioases;
	i->ioases = a;
	*out = a;
	return 0;
}

/*
 * No device is in it. Who serves page requests ends before the domain does, and uses it no more;
 * what was asked and is not answered the kernel has answered when the device left.
 */
static void free_ioas(struct fl_vk_ioas *a)
{
	struct fl_vk_ioas **p = &a->iommu->ioases;

	while (*p != a)
		p = &(*p)->next;
	*p = a->next;
	if (a->faults)
		fl_vk_faults_stop(a->faults);
	if (a->domain)
		fl_dma_domain_remove(a->domain, false);
	if (a->faults)
		fl_vk_faults_close(a->faults);
	fl_vk_lazy_free(a);
	fl_vk_destroy_object(a->iommu, a->id);
	pthread_mutex_destroy(&a->lock);
	free(a->ranges);
	free(a);
}

int fl_vk_ioas_allow(struct fl_vk_ioas *a, const struct fl_iova_range *v, uint32_t n)
{
	struct fl_abi_allow_iovas req = {
		.size = sizeof(req), .ioas_id = a->id, .num_iovas = n, .allowed_iovas = (uintptr_t)v
	};
	int rc = fl_vk_ioctl(a->iommu->fd, FL_IOMMU_ALLOW_IOVAS, &req);

	return rc < 0 ? rc : 0;
}

/* ---- binding --------------------------------------------------------------------------- */

static void explain_bind(const struct fl_vk_dev *d, int rc)
{
	char why[384] = "";

	if (!d->pci.viable) {
		/* whatever the kernel found first */
		fl_vk_refused(d, "its group is not viable", rc);
		return;
	}
	if (rc == -EPERM)
		snprintf(
			why, sizeof(why),
			"the kernel cannot keep its interrupts apart, as there is no interrupt remapping: switch it on in the firmware (VT-d, AMD-Vi) and see that the kernel runs without intremap=off; or allow what is unsafe, any device then can raise any interrupt of the host: echo Y > /sys/module/iommufd/parameters/allow_unsafe_interrupts");
	else if (rc == -EBUSY)
		snprintf(
			why, sizeof(why),
			"its group is open as %s/vfio/%d (close that, or use iommu=container), on another iommufd, or held by a driver of the host; other members: %.100s",
			d->k->dev, d->pci.group, *d->pci.members ? d->pci.members : "none");
	else if (rc == -EINVAL)
		snprintf(
			why, sizeof(why),
			"it is open elsewhere or was bound before it was handed in (`fuser -v %s/vfio/devices/%s` names by whom), or its IOMMU does not keep caches coherent",
			d->k->dev, d->pci.cdev);
	else if (rc == -EBADFD)
		snprintf(why, sizeof(why), "the file handed in as iommu-fd is no iommufd");
	fl_err(d->k->log, "vfio", "%s: binding to the iommufd: %s%s%s", d->pci.address,
	       strerror(-rc), *why ? "; " : "", why);
}

static int bind(struct fl_vk_dev *d)
{
	struct fl_abi_bind_iommufd req = { .argsz = sizeof(req), .iommufd = d->k->iommu->fd };
	int rc = fl_vk_ioctl(d->fd, FL_VFIO_BIND_IOMMUFD, &req);

	if (rc < 0) {
		explain_bind(d, rc);
		return rc == -EINVAL ? -EBUSY : rc;
	}
	d->devid = req.out_devid;
	return 0;
}

/* A device has left: the others reach more now. */
static void check_again(const struct fl_vk_ioas *a)
{
	if (fl_dma_domain_check(a->domain))
		fl_warn(a->iommu->k->log, "vfio", "iommufd: its windows could not be read again");
}

/* ---- joining --------------------------------------------------------------------------- */

static int explain_attach(const struct fl_vk_dev *d, int rc)
{
	fl_err(d->k->log, "vfio", "%s: its IOMMU takes no page table: %s%s", d->pci.address,
	       strerror(-rc),
	       rc == -EINVAL
		       ? "; use iommu=container where it is a VT-d with first-stage translation only, which Linux 6.12 drives no other way; functions of one group must go through one context"
	       : rc == -EOPNOTSUPP
		       ? "; a dirty log runs, and this IOMMU logs no writes: stop that first"
		       : "");
	return rc;
}

/* d is in it, the first one. */
static int add_domain(struct fl_vk_dev *d, struct fl_vk_ioas *a)
{
	int rc = fl_dma_domain_add(d->k->space, &fl_vk_ioas_ops, a, &a->domain);

	if (rc) {
		fl_vk_pt_detach(d);
		free_ioas(a);
	}
	return rc;
}

static int join_new(struct fl_vk_dev *d)
{
	struct fl_vk_ioas *a;
	int rc = new_ioas(d, &a);

	if (rc)
		return rc;
	rc = fl_vk_pt_attach(d, a);
	if (rc) {
		explain_attach(d, rc);
		free_ioas(a);
		return rc;
	}
	return add_domain(d, a);
}

/* What all devices of an IOAS reach is less now than what the others did. */
static int settle(struct fl_vk_dev *d, struct fl_vk_ioas *a)
{
	int rc = fl_dma_domain_check(a->domain);

	if (rc) {
		fl_vk_pt_detach(d);
		check_again(a);
	}
	return rc;
}

/* ---- devices that fault ---------------------------------------------------------------- */

static const char memory_in_the_way[] = "the memory that is mapped cannot be mapped for it";

static const char *no_queue(int rc)
{
	return rc == -ENOTTY || rc == -EOPNOTSUPP
		       ? "this kernel's iommufd has no fault queues (Linux 6.11)"
		       : "no fault queue could be made";
}

static const char *no_faults(int rc)
{
	if (rc == -EOPNOTSUPP)
		return "this kernel or IOMMU hands over no faults of memory that the process maps (VT-d: Linux 6.13)";
	if (rc == -ENODEV)
		return "it takes no recoverable faults, or its IOMMU does not (PCIe: ATS and PRI, and VT-d in scalable mode; Arm: SMMU with stall)";
	if (rc == -EINVAL)
		return "the kernel lets no virtual function fault, and the functions of a group only together";
	return "the kernel takes no page table with a fault queue for it";
}

static int new_faulting(struct fl_vk_dev *d, const char **why)
{
	struct fl_vk_faults *f;
	struct fl_vk_ioas *a;
	int rc = fl_vk_faults_open(d->k->iommu, &f);

	*why = no_queue(rc);
	d->k->iommu->no_queues = rc == -ENOTTY;
	if (rc)
		return rc;
	rc = new_ioas(d, &a);
	if (rc) {
		fl_vk_faults_close(f);
		return rc;
	}
	a->faults = f;
	rc = fl_vk_pt_attach(d, a);
	*why = no_faults(rc);
	if (rc) {
		free_ioas(a);
		return rc;
	}
	rc = add_domain(d, a);
	*why = memory_in_the_way;
	if (!rc)
		fl_vk_faults_start(a->faults, a->domain);
	return rc;
}

/* Sets *why where it cannot be. One that has memory mapped may keep a device out. */
static int join_faulting(struct fl_vk_dev *d, const char **why)
{
	int rc;

	if (d->k->iommu->no_queues) {
		*why = no_queue(-ENOTTY);
		return -ENOTTY;
	}
	for (struct fl_vk_ioas *a = d->k->iommu->ioases; a; a = a->next) {
		if (!a->faults)
			continue;
		rc = fl_vk_pt_attach(d, a);
		*why = rc ? no_faults(rc) : memory_in_the_way;
		if (!rc)
			return settle(d, a);
		if (rc != -EADDRINUSE)
			return rc;
	}
	return new_faulting(d, why);
}

/* ---- and the others -------------------------------------------------------------------- */

/*
 * What is mapped in an IOAS, or promised, keeps out a device with reserved windows there
 * (-EADDRINUSE). In an IOAS of its own it meets the areas of the space alone, and the space says
 * which of them is in the way.
 */
static int join_plain(struct fl_vk_dev *d)
{
	for (struct fl_vk_ioas *a = d->k->iommu->ioases; a; a = a->next) {
		int rc = a->faults ? -EAGAIN : fl_vk_pt_attach(d, a);

		if (!rc)
			return settle(d, a);
		if (rc == -EAGAIN)
			continue;
		if (rc != -EADDRINUSE && rc != -EINVAL)
			return explain_attach(d, rc);
		fl_info(d->k->log, "vfio", "%s: does not fit an I/O address space that is open: %s",
			d->pci.address,
			rc == -EINVAL ? "its IOMMU is of another kind"
				      : "memory is mapped where its IOMMU reserves addresses");
	}
	return join_new(d);
}

static int join(struct fl_vk_dev *d)
{
	if (!d->how.no_faults && !join_faulting(d, &d->posted_because))
		return 0;
	return join_plain(d);
}

static int watch(struct fl_vk_dev *d)
{
	d->dev.faults = d->ioas->faults;
	if (!d->dev.faults || !d->k->polls)
		return 0;
	d->event_fd = epoll_create1(EPOLL_CLOEXEC);
	return d->event_fd < 0 ? -errno : fl_vk_faults_watch(d->ioas->faults, d->event_fd);
}

/* ---- the backend ----------------------------------------------------------------------- */

static void iommufd_detach(struct fl_vk_dev *d)
{
	struct fl_vk_ioas *a = d->ioas;

	if (d->event_fd >= 0)
		close(d->event_fd);
	d->event_fd = -1;
	fl_vk_pt_detach(d);
	close(d->fd);
	d->fd = -1;
	if (!--a->ndevs)
		free_ioas(a);
	else
		check_again(a);
	close_iommu(d->k);
}

static int iommufd_attach(struct fl_vk_dev *d)
{
	int rc = 0;

	if (d->how.opener && d->how.cdev_fd < 0)
		rc = fl_vk_ask_opener(d, FL_VFIO_IOMMUFD);
	if (rc)
		return rc;
	d->fd = open_cdev(d);
	if (d->fd < 0) {
		rc = d->fd;
		d->fd = -1;
		return rc;
	}
	rc = open_iommu(d);
	if (!rc)
		rc = bind(d);
	if (!rc)
		rc = join(d);
	if (rc) {
		close(d->fd);
		d->fd = -1;
		close_iommu(d->k);
		return rc;
	}
	d->ioas->ndevs++;
	rc = watch(d);
	if (rc)
		iommufd_detach(d);
	return rc;
}

const struct fl_vk_backend fl_vk_iommufd = {
	.name = "iommufd",
	.resolver =
		"this process, from the iommufd's fault queue: what is mapped is pinned, within the budget (a kernel with our patches would resolve it in a container, and pin nothing)",
	.attach = iommufd_attach,
	.detach = iommufd_detach,
};
