/* SPDX-License-Identifier: BSD-3-Clause */
/* A domain that faults: it knows for each page what it was granted, and checks what it is told. */
#ifndef RESIDENCY_FAKE_H
#define RESIDENCY_FAKE_H

#include "dma_fake.h"

#define PAGE	    4096ull
#define PAGER_AREAS 8

/* An area as it was announced, and what of it may be reached. */
struct pager_area {
	struct fl_dma_mapping m;
	uint8_t *may; /* FL_DMA_* a page; NULL = no area here */
};

struct pager {
	struct fl_dma_limits limits;
	struct fl_iova_range range;
	struct pager_area areas[PAGER_AREAS];
	struct fault map, unmap, grant, revoke, convert;
	/* the last grant */
	struct fl_dma_mapping last;
	uint64_t pages; /* reachable now, in lazy areas */
	uint64_t pages_max;
};

static struct pager_area *pager_at(struct pager *d, uint64_t iova, uint64_t len)
{
	for (struct pager_area *a = d->areas; a < d->areas + PAGER_AREAS; a++)
		if (a->may && iova - a->m.iova.v < a->m.len &&
		    len <= a->m.len - (iova - a->m.iova.v))
			return a;
	return NULL;
}

static int pager_limits(void *arg, struct fl_dma_limits *out)
{
	struct pager *d = arg;

	*out = d->limits;
	out->ranges = &d->range;
	out->nranges = 1;
	return 0;
}

static int pager_map(void *arg, const struct fl_dma_mapping *m)
{
	struct pager *d = arg;

	if (fault_hits(&d->map))
		return d->map.rc;
	for (struct pager_area *a = d->areas; a < d->areas + PAGER_AREAS; a++)
		if (!a->may) {
			a->m = *m;
			a->may = calloc(m->len / PAGE, 1);
			if (!m->lazy)
				memset(a->may, (int)m->prot, m->len / PAGE);
			return 0;
		}
	return -ENOSPC;
}

static int pager_unmap(void *arg, fl_iova_t iova, uint64_t len, uint64_t *unmapped)
{
	struct pager *d = arg;
	struct pager_area *a = pager_at(d, iova.v, len);

	if (fault_hits(&d->unmap))
		return d->unmap.rc;
	if (!a || a->m.iova.v != iova.v || a->m.len != len)
		return -EINVAL;
	for (uint64_t p = 0; a->m.lazy && p < len / PAGE; p++)
		d->pages -= a->may[p] != 0;
	free(a->may);
	a->may = NULL;
	*unmapped = len;
	return 0;
}

static int pager_grant(void *arg, const struct fl_dma_mapping *m)
{
	struct pager *d = arg;
	struct pager_area *a = pager_at(d, m->iova.v, m->len);

	if (!a || !a->m.lazy || !m->len || (m->iova.v | m->len) % PAGE || !m->prot ||
	    (m->prot & ~a->m.prot) || m->va != (uint8_t *)a->m.va + (m->iova.v - a->m.iova.v) ||
	    m->fd != a->m.fd || m->fd_offset - a->m.fd_offset != m->iova.v - a->m.iova.v)
		return -EPROTO;
	if (fault_hits(&d->grant))
		return d->grant.rc;
	d->last = *m;
	for (uint64_t p = 0; p < m->len / PAGE; p++) {
		uint8_t *may = &a->may[(m->iova.v - a->m.iova.v) / PAGE + p];

		if ((*may & m->prot) == m->prot)
			return -EPROTO; /* it need not have been said, or takes something away */
		d->pages += !*may;
		*may = (uint8_t)m->prot;
	}
	d->pages_max = d->pages > d->pages_max ? d->pages : d->pages_max;
	return 0;
}

static int pager_revoke(void *arg, fl_iova_t iova, uint64_t len)
{
	struct pager *d = arg;
	struct pager_area *a = pager_at(d, iova.v, len);

	if (!a || !a->m.lazy || !len || (iova.v | len) % PAGE)
		return -EPROTO;
	if (fault_hits(&d->revoke))
		return d->revoke.rc;
	for (uint64_t p = 0; p < len / PAGE; p++) {
		uint8_t *may = &a->may[(iova.v - a->m.iova.v) / PAGE + p];

		d->pages -= *may != 0;
		*may = 0;
	}
	return 0;
}

static int pager_convert(void *arg, const struct fl_dma_mapping *m)
{
	struct pager *d = arg;
	struct pager_area *a = pager_at(d, m->iova.v, m->len);

	if (!a || m->iova.v != a->m.iova.v || m->len != a->m.len || m->lazy == a->m.lazy)
		return -EPROTO;
	if (fault_hits(&d->convert))
		return d->convert.rc;
	for (uint64_t p = 0; p < m->len / PAGE; p++) {
		d->pages -= m->lazy ? 0 : a->may[p] != 0;
		a->may[p] = m->lazy ? 0 : (uint8_t)m->prot;
	}
	a->m.lazy = m->lazy;
	return 0;
}

static const struct fl_dma_domain_ops pager_ops = {
	.name = "pager",
	.limits = pager_limits,
	.map = pager_map,
	.unmap = pager_unmap,
	.grant = pager_grant,
	.revoke = pager_revoke,
	.convert = pager_convert,
};

static inline struct pager pager_new(void)
{
	return (struct pager){ .limits = { .page_sizes = -4096ull, .faults = true },
			       .range = { 0, (1ull << 48) - 1 } };
}

static inline struct fl_dma_domain *pager_add(struct fl_dma_space *s, struct pager *d)
{
	struct fl_dma_domain *dom;

	assert_int_equal(fl_dma_domain_add(s, &pager_ops, d, &dom), 0);
	return dom;
}

/* What the device may do at a byte of an area. */
static inline unsigned pager_may(struct pager *d, const struct fl_dma_area *a, uint64_t off)
{
	struct pager_area *p = pager_at(d, a->iova.v + off, 1);

	assert_non_null(p);
	return p->may[off / PAGE];
}

static inline int ask(struct fl_dma_domain *dom, const struct fl_dma_area *a, uint64_t off,
		      unsigned prot)
{
	struct fl_dma_fault f = { .iova = fl_iova_add(a->iova, off), .len = 1, .prot = prot };

	return fl_dma_fault(dom, &f);
}

static inline struct fl_residency_stats area_stats(const struct fl_dma_area *a)
{
	struct fl_residency_stats st;

	fl_mem_residency_stats(a, &st);
	return st;
}

static inline struct fl_residency_stats space_stats(struct fl_dma_space *s)
{
	struct fl_residency_stats st;

	fl_dma_residency_stats(s, &st);
	return st;
}

/* A space with one such domain and one lazy area of real memory. */
struct rig {
	struct fl_dma_space *s;
	struct pager d;
	struct fl_dma_domain *dom;
	struct fl_mem *mem;
	struct fl_dma_area *a;
};

static inline void rig_up_with(struct rig *r, uint64_t len, unsigned prot, enum fl_mem_kind kind)
{
	struct fl_dma_opts o = { .residency = FL_LAZY, .prot = prot };
	struct fl_mem_opts mo = { .kind = kind, .node = -1 };

	*r = (struct rig){ .s = new_space(), .d = pager_new() };
	r->dom = pager_add(r->s, &r->d);
	assert_int_equal(fl_mem_alloc(len, &mo, &r->mem), 0);
	r->a = map(r->s, r->mem, &o);
}

static inline void rig_up(struct rig *r, uint64_t len)
{
	rig_up_with(r, len, 0, FL_MEM_MEMFD);
}

static inline void rig_down(struct rig *r)
{
	unmap(r->a);
	fl_dma_domain_remove(r->dom, false);
	for (int i = 0; i < PAGER_AREAS; i++)
		assert_null(r->d.areas[i].may);
	assert_int_equal(r->d.pages, 0);
	end(r->s);
	fl_mem_free(r->mem);
}

/* Where the kernel is qemu-user's, madvise() says yes and does nothing. */
static inline void needs_madvise(void)
{
	if (getenv("FL_EMULATED"))
		skip();
}

#endif
