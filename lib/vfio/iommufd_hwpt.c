/* SPDX-License-Identifier: BSD-3-Clause */
/* Hardware page tables, and devices on them. */
#include "iommufd_internal.h"

#include <stdlib.h>
#include <string.h>

void fl_vk_destroy_object(const struct fl_vk_iommu *i, uint32_t id)
{
	struct fl_abi_destroy req = { .size = sizeof(req), .id = id };
	int rc = fl_vk_ioctl(i->fd, FL_IOMMU_DESTROY, &req);

	if (rc < 0)
		fl_warn(i->k->log, "vfio", "iommufd: object %u stays until the iommufd closes: %s",
			id, strerror(-rc));
}

int fl_vk_hwpt_log(const struct fl_vk_hwpt *h, bool on)
{
	struct fl_abi_set_dirty req = { .size = sizeof(req), .flags = on, .hwpt_id = h->id };
	int rc;

	if (!(h->flags & FL_IOMMU_HWPT_DIRTY))
		return -EOPNOTSUPP;
	rc = fl_vk_ioctl(h->ioas->iommu->fd, FL_IOMMU_SET_DIRTY, &req);
	return rc < 0 ? rc : 0;
}

int fl_vk_hwpt_alloc(struct fl_vk_dev *d, struct fl_vk_ioas *a, uint32_t flags, uint32_t fault_id,
		     struct fl_vk_hwpt **out)
{
	struct fl_abi_hwpt_alloc req = { .size = sizeof(req),
					 .flags = flags,
					 .dev_id = d->devid,
					 .pt_id = a->id,
					 .fault_id = fault_id };
	struct fl_vk_hwpt *h = calloc(1, sizeof(*h));
	int rc;

	if (!h)
		return -ENOMEM;
	rc = fl_vk_ioctl(a->iommu->fd, FL_IOMMU_HWPT_ALLOC, &req);
	if (rc < 0) {
		free(h);
		return rc;
	}
	h->ioas = a;
	h->id = req.out_hwpt_id;
	h->flags = flags;
	h->fault_id = fault_id;
	pthread_mutex_lock(&a->lock);
	rc = a->logging ? fl_vk_hwpt_log(h, true) : 0;
	if (!rc) {
		h->next = a->hwpts;
		a->hwpts = h;
	}
	pthread_mutex_unlock(&a->lock);
	if (rc) {
		fl_vk_destroy_object(a->iommu, h->id);
		free(h);
		return rc;
	}
	*out = h;
	return 0;
}

void fl_vk_hwpt_free(struct fl_vk_hwpt *h)
{
	struct fl_vk_hwpt **p = &h->ioas->hwpts;

	pthread_mutex_lock(&h->ioas->lock);
	while (*p != h)
		p = &(*p)->next;
	*p = h->next;
	pthread_mutex_unlock(&h->ioas->lock);
	fl_vk_destroy_object(h->ioas->iommu, h->id);
	free(h);
}

/* d leaves what it is counted in; nothing is said to the kernel. */
static void uncount(struct fl_vk_dev *d)
{
	struct fl_vk_ioas *a = d->ioas;
	struct fl_vk_hwpt *h = d->hwpt;

	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	if (h)
		h->users--;
	else
		a->nplain--;
	pthread_mutex_unlock(&a->lock);
	d->hwpt = NULL;
	d->ioas = NULL;
	if (!h || h->users)
		return;
	if (a->domain)
		fl_dma_dirty_save(d->k->space); /* its log goes with it */
	fl_vk_hwpt_free(h);
}

void fl_vk_pt_detach(struct fl_vk_dev *d)
{
	struct fl_abi_detach_pt req = { .argsz = sizeof(req) };
	int rc = fl_vk_ioctl(d->fd, FL_VFIO_DETACH_PT, &req);

	if (rc < 0) /* closing it does the same */
		fl_debug(d->k->log, "vfio", "%s: detach: %s", d->pci.address, strerror(-rc));
	uncount(d);
}

/* pt: of the page table, or the IOAS and h = NULL */
static int attach(struct fl_vk_dev *d, struct fl_vk_ioas *a, struct fl_vk_hwpt *h, uint32_t pt)
{
	struct fl_abi_attach_pt req = { .argsz = sizeof(req), .pt_id = pt };
	int rc = fl_vk_ioctl(d->fd, FL_VFIO_ATTACH_PT, &req);
	bool unlogged;

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&a->lock);
	if (h)
		h->users++;
	else
		a->nplain++;
	/* from here on no log starts that this device is not in, but one may have */
	unlogged = a->logging && !h;
	pthread_mutex_unlock(&a->lock);
	uncount(d);
	d->ioas = a;
	d->hwpt = h;
	if (!unlogged)
		return 0;
	fl_vk_pt_detach(d);
	return -EOPNOTSUPP;
}

int fl_vk_hwpt_attach(struct fl_vk_dev *d, struct fl_vk_hwpt *h)
{
	return attach(d, h->ioas, h, h->id);
}

static bool can_log(const struct fl_vk_dev *d, const struct fl_vk_iommu *i)
{
	struct fl_abi_hw_info req = { .size = sizeof(req), .dev_id = d->devid };

	return fl_vk_ioctl(i->fd, FL_IOMMU_GET_HW_INFO, &req) >= 0 &&
	       req.out_capabilities & FL_IOMMU_HW_CAP_DIRTY;
}

/*
 * Before Linux 6.16 the IOMMU takes faults of a device only while it translates for it, so that
 * one without a page table gets a plain one first.
 */
static int attach_either(struct fl_vk_dev *d, struct fl_vk_hwpt *h)
{
	int rc = fl_vk_hwpt_attach(d, h);

	if (rc != -ENODEV || !h->fault_id || d->ioas || attach(d, h->ioas, NULL, h->ioas->id))
		return rc;
	rc = fl_vk_hwpt_attach(d, h);
	if (rc)
		fl_vk_pt_detach(d);
	return rc;
}

/* A page table that can do that, of another device of the IOMMU or a new one. */
static int attach_with(struct fl_vk_dev *d, struct fl_vk_ioas *a, uint32_t flags, uint32_t fault_id)
{
	struct fl_vk_hwpt *h;
	int rc;

	for (h = a->hwpts; h; h = h->next) {
		if (h->flags != flags)
			continue;
		rc = attach_either(d, h);
		if (rc != -EINVAL)
			return rc;
	}
	rc = fl_vk_hwpt_alloc(d, a, flags, fault_id, &h);
	if (rc)
		return rc;
	rc = attach_either(d, h);
	if (rc)
		fl_vk_hwpt_free(h);
	return rc;
}

static int attach_faulting(struct fl_vk_dev *d, struct fl_vk_ioas *a, bool log)
{
	const uint32_t id = fl_vk_faults_id(a->faults);
	int rc = -EOPNOTSUPP;

	if (log)
		rc = attach_with(d, a, FL_IOMMU_HWPT_FAULT_ID | FL_IOMMU_HWPT_DIRTY, id);
	if (rc != -EOPNOTSUPP)
		return rc;
	rc = attach_with(d, a, FL_IOMMU_HWPT_FAULT_ID, id);
	if (!rc && log)
		fl_info(d->k->log, "vfio",
			"%s: no dirty log: kernel or IOMMU have none for a page table that faults",
			d->pci.address);
	return rc;
}

/*
 * The kernel's own choice of a page table serves best where nothing is asked of it: it knows IOMMU
 * drivers that can fill a table only when a device is on it.
 */
int fl_vk_pt_attach(struct fl_vk_dev *d, struct fl_vk_ioas *a)
{
	const bool log = can_log(d, a->iommu);

	if (a->faults)
		return attach_faulting(d, a, log);
	return log && !attach_with(d, a, FL_IOMMU_HWPT_DIRTY, 0) ? 0 : attach(d, a, NULL, a->id);
}
