/* SPDX-License-Identifier: BSD-3-Clause */
/* Page requests: pages of lazy areas, for domains that fault. */
#include "dma_internal.h"

void fl_fault_forget(struct fl_dma_domain *d, struct fl_area *a)
{
}

bool fl_dma_domain_faults(const struct fl_dma_domain *d)
{
	return d->faults;
}
