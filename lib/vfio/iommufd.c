/* SPDX-License-Identifier: BSD-3-Clause */
/* Until the iommufd backend is here: refused. */
#include "kernel_internal.h"

static int refuse(struct fl_vk_dev *d)
{
	fl_err(d->k->log, "vfio", "%s: this build has no iommufd: use iommu=container",
	       d->pci.address);
	return -EOPNOTSUPP;
}

const struct fl_vk_backend fl_vk_iommufd = { .name = "iommufd", .attach = refuse };
