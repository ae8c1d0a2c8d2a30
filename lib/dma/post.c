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

/* Until windows are there, lazy areas are for devices that fault. */
static int refuse_posted(const struct fl_dma_space *s)
{
	for (const struct fl_dma_domain *d = s->domains; d; d = d->next)
		if (!d->faults) {
			fl_err(s->log, "dma",
			       "lazy residency does not exist for a %s yet: use FL_PINNED",
			       d->ops->name);
			return -EOPNOTSUPP;
		}
	return 0;
}

int fl_post_add(struct fl_area *a, bool mapped)
{
	return refuse_posted(a->pub.space);
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
	return d->space->lazy_bytes ? refuse_posted(d->space) : 0;
}

void fl_post_leave(struct fl_dma_domain *d)
{
}

int fl_post_range(struct fl_area *a, uint64_t off, uint64_t len)
{
	return 0;
}

int fl_post_revoke(struct fl_area *a, uint64_t off, uint64_t len)
{
	return 0;
}

int fl_post_convert(struct fl_area *a, enum fl_residency to)
{
	return refuse_posted(a->pub.space);
}

uint64_t fl_post_mapped(const struct fl_area *a)
{
	return 0;
}
