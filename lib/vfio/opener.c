/* SPDX-License-Identifier: BSD-3-Clause */
/* Until the opener is here: refused. */
#include "kernel_internal.h"

int fl_vk_ask_opener(struct fl_vk_dev *d, enum fl_vfio_backend backend)
{
	fl_err(d->k->log, "vfio", "%s: this build has no opener", d->pci.address);
	return -EOPNOTSUPP;
}
