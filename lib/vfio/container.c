/* SPDX-License-Identifier: BSD-3-Clause */
/* Containers: made, checked, tied to the space. */
#include "container_internal.h"
#include "kernel_abi.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int check_api(const struct fl_vk_dev *d, int fd, int iommu)
{
	int rc = fl_vk_ioctl(fd, VFIO_GET_API_VERSION, NULL);

	if (rc != VFIO_API_VERSION) {
		fl_err(d->k->log, "vfio",
		       "%s: the VFIO container answers with version %d, and not %d: %s",
		       d->pci.address, rc, VFIO_API_VERSION,
		       rc == -ENOTTY ? "the file handed in is no container"
				     : "another kernel is needed");
		return rc < 0 ? rc : -EPROTO;
	}
	rc = fl_vk_ioctl(fd, VFIO_CHECK_EXTENSION, (void *)(uintptr_t)iommu);
	if (rc > 0)
		return 0;
	if (iommu == VFIO_NOIOMMU_IOMMU)
		fl_err(d->k->log, "vfio",
		       "%s: this kernel has no mode noiommu: it takes CONFIG_VFIO_NOIOMMU and vfio.enable_unsafe_noiommu_mode=1",
		       d->pci.address);
	else
		fl_err(d->k->log, "vfio",
		       "%s: this kernel has no type1 v2 IOMMU for VFIO: `modprobe vfio_iommu_type1`",
		       d->pci.address);
	return rc < 0 ? rc : -EOPNOTSUPP;
}

void fl_vk_ctnr_refused(const struct fl_vk_dev *d, const char *what, int rc)
{
	if (rc == -EPERM && d->pci.noiommu)
		fl_err(d->k->log, "vfio", "%s: %s: mode noiommu takes CAP_SYS_RAWIO (or root)",
		       d->pci.address, what);
	else if (rc == -EPERM)
		fl_err(d->k->log, "vfio",
		       "%s: %s: the kernel cannot keep the device's interrupts apart, as there is no interrupt remapping: switch it on in the firmware (VT-d, AMD-Vi) and see that the kernel runs without intremap=off; or allow what is unsafe, any device then can raise any interrupt of the host: echo Y > /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
		       d->pci.address, what);
	else
		fl_err(d->k->log, "vfio", "%s: %s: %s; group %d, other members: %s", d->pci.address,
		       what, strerror(-rc), d->pci.group,
		       *d->pci.members ? d->pci.members : "none");
}

/* The group is the container's first. */
static int start_iommu(const struct fl_vk_dev *d, int fd, int group_fd, int iommu)
{
	const char *what = "putting its group into a container";
	int rc = fl_vk_ioctl(group_fd, VFIO_GROUP_SET_CONTAINER, &fd);

	if (rc >= 0) {
		what = "starting the container's IOMMU";
		rc = fl_vk_ioctl(fd, VFIO_SET_IOMMU, (void *)(uintptr_t)iommu);
		if (rc < 0)
			(void)fl_vk_ioctl(group_fd, VFIO_GROUP_UNSET_CONTAINER, NULL);
	}
	if (rc < 0)
		fl_vk_ctnr_refused(d, what, rc);
	return rc < 0 ? rc : 0;
}

bool fl_vk_ctnr_knows_faults(const struct fl_vk_dev *d, int fd)
{
	return !d->pci.noiommu && !d->how.no_faults &&
	       fl_vk_ioctl(fd, VFIO_CHECK_EXTENSION, (void *)FL_VFIO_TYPE1_FAULT_IOMMU) > 0;
}

bool fl_vk_ctnr_would_fault(const struct fl_vk_dev *d, int fd, int group_fd)
{
	bool ready;

	if (!fl_vk_ctnr_knows_faults(d, fd) ||
	    fl_vk_ioctl(group_fd, VFIO_GROUP_SET_CONTAINER, &fd) < 0)
		return false;
	ready = fl_vk_ioctl(fd, VFIO_SET_IOMMU, (void *)FL_VFIO_TYPE1_FAULT_IOMMU) >= 0 &&
		fl_vk_type1_ready(fd);
	(void)fl_vk_ioctl(group_fd, VFIO_GROUP_UNSET_CONTAINER, NULL);
	return ready;
}

static int start_with(struct fl_vk_ctnr *c, const struct fl_vk_dev *d, int group_fd, int iommu)
{
	int rc = check_api(d, c->fd, iommu);

	c->faults = iommu == FL_VFIO_TYPE1_FAULT_IOMMU;
	return rc ? rc : start_iommu(d, c->fd, group_fd, iommu);
}

/* The best there is. Where nothing faults, mappings that might would only be slower: small pages.
 */
static int start(struct fl_vk_ctnr *c, const struct fl_vk_dev *d, int group_fd)
{
	int rc;

	if (c->noiommu)
		return start_with(c, d, group_fd, VFIO_NOIOMMU_IOMMU);
	if (fl_vk_ctnr_knows_faults(d, c->fd)) {
		rc = start_with(c, d, group_fd, FL_VFIO_TYPE1_FAULT_IOMMU);
		if (rc || fl_vk_type1_ready(c->fd))
			return rc;
		c->faults = false;
		if (fl_vk_ioctl(group_fd, VFIO_GROUP_UNSET_CONTAINER, NULL) < 0)
			return 0; /* it does as it is */
	}
	return start_with(c, d, group_fd, VFIO_TYPE1v2_IOMMU);
}

static int join_space(struct fl_vk_ctnr *c)
{
	if (c->noiommu)
		fl_warn(c->k->log, "vfio",
			"no IOMMU: the device can read and write all memory of this machine, and nothing stops a wrong descriptor; the kernel is tainted");
	return fl_dma_domain_add(c->k->space, c->noiommu ? &fl_vk_noiommu_ops : &fl_vk_type1_ops, c,
				 &c->domain);
}

int fl_vk_ctnr_create(struct fl_vk_dev *d, int fd, int group_fd, struct fl_vk_ctnr **out)
{
	struct fl_vk_ctnr *c = calloc(1, sizeof(*c));
	int rc;

	if (!c) {
		close(fd);
		return -ENOMEM;
	}
	c->k = d->k;
	c->fd = fd;
	c->noiommu = d->pci.noiommu;
	rc = start(c, d, group_fd);
	if (rc)
		goto destroy;
	rc = join_space(c);
	if (rc)
		goto unset;
	*out = c;
	return 0;

unset:
	(void)fl_vk_ioctl(group_fd, VFIO_GROUP_UNSET_CONTAINER, NULL);
destroy:
	fl_vk_ctnr_destroy(c);
	return rc;
}

void fl_vk_ctnr_leave_space(struct fl_vk_ctnr *c)
{
	fl_dma_domain_remove(c->domain, false);
	c->domain = NULL;
}

void fl_vk_ctnr_destroy(struct fl_vk_ctnr *c)
{
	close(c->fd);
	free(c->ranges);
	free(c);
}
