/* SPDX-License-Identifier: BSD-3-Clause */
/* Posting: windows of lazy areas, for domains that cannot fault. */
#include "dma_internal.h"

int fl_poster_create(struct fl_dma_space *s)
{
	return 0;
}

void fl_poster_destroy(struct fl_dma_space *s)
{
}

int fl_post_add(struct fl_area *a, bool mapped)
{
	fl_err(a->pub.space->log, "dma", "lazy residency does not exist yet: use FL_PINNED");
	return -EOPNOTSUPP;
}

int fl_post_drop(struct fl_area *a)
{
	return 0;
}

void fl_post_free(struct fl_area *a)
{
}

int fl_post_join(struct fl_dma_domain *d)
{
	return 0;
}

void fl_post_leave(struct fl_dma_domain *d)
{
}
