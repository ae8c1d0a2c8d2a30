/* SPDX-License-Identifier: BSD-3-Clause */
/* A domain that faults: it knows for each page what it was granted, and checks what it is told. */
#ifndef RESIDENCY_FAKE_H
#define RESIDENCY_FAKE_H

#include "dma_fake.h"

#define PAGE	    4096ull
#define PAGER_AREAS 8
#define PAGER_HELD  4u /* of one that resolves: beside what may be done with a page */

/* An area as it was announced, and what of it may be reached. */
struct pager_area {
	struct fl_dma_mapping m;
	uint8_t *may; /* FL_DMA_* a page; NULL = no area here */
	struct fl_residency_stats counted;
};

struct pager {
	struct fl_dma_limits limits;
	struct fl_iova_range range;
	struct pager_area areas[PAGER_AREAS];
	struct fault map, unmap, grant, revoke, convert, prefault, hold, around, counts;
	/* the last grant */
	struct fl_dma_mapping last;
	uint64_t pages; /* reachable now, in lazy areas */
	uint64_t pages_max;
	/* of one that resolves */
	struct fl_residency_stats counted;
	uint32_t pages_around;
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
			*a = (struct pager_area){ .m = *m, .may = calloc(m->len / PAGE, 1) };
			if (!m->lazy)
				memset(a->may,
				       (int)(m->prot | (d->limits.resolves ? PAGER_HELD : 0)),
				       m->len / PAGE);
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
	for (uint64_t p = 0; a->m.lazy && !d->limits.resolves && p < len / PAGE; p++)
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

		if (*may & PAGER_HELD && d->limits.resolves)
			continue;
		d->pages -= *may != 0 && !d->limits.resolves;
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

/* ---- one that resolves: pages come by pager_touch(), as a device's faults bring them ----------
 */

static struct pager_area *pager_range(struct pager *d, fl_iova_t iova, uint64_t len)
{
	struct pager_area *a = pager_at(d, iova.v, len);

	assert_true(d->limits.resolves);
	return !a || !len || (iova.v | len) % PAGE ? NULL : a;
}

/* Returns how many pages are new. */
static uint64_t pager_set(struct pager_area *a, uint64_t iova, uint64_t len, unsigned may)
{
	uint64_t fresh = 0;

	for (uint64_t p = 0; p < len / PAGE; p++) {
		uint8_t *at = &a->may[(iova - a->m.iova.v) / PAGE + p];

		fresh += !(*at & FL_DMA_RW);
		*at |= (uint8_t)may;
	}
	return fresh;
}

static int pager_prefault(void *arg, const struct fl_dma_mapping *m, bool resident)
{
	struct pager *d = arg;
	struct pager_area *a = pager_range(d, m->iova, m->len);

	if (!a || !a->m.lazy || !m->prot || (m->prot & ~a->m.prot))
		return -EPROTO;
	if (fault_hits(&d->prefault))
		return d->prefault.rc;
	d->last = *m;
	if (!resident)
		a->counted.prefault_pages += pager_set(a, m->iova.v, m->len, m->prot);
	return 0;
}

static int pager_hold(void *arg, fl_iova_t iova, uint64_t len, bool on)
{
	struct pager *d = arg;
	struct pager_area *a = pager_range(d, iova, len);

	if (!a)
		return -EPROTO;
	if (fault_hits(&d->hold))
		return d->hold.rc;
	if (on)
		(void)pager_set(a, iova.v, len, a->m.prot | PAGER_HELD);
	for (uint64_t p = 0; !on && p < len / PAGE; p++)
		a->may[(iova.v - a->m.iova.v) / PAGE + p] &= (uint8_t)~PAGER_HELD;
	a->m.lazy |= !on;
	return 0;
}

static int pager_around(void *arg, uint32_t pages)
{
	struct pager *d = arg;

	if (fault_hits(&d->around))
		return d->around.rc;
	d->pages_around = pages;
	return 0;
}

static int pager_counts(void *arg, fl_iova_t iova, uint64_t len, struct fl_residency_stats *out)
{
	struct pager *d = arg;
	const struct pager_area *a = len ? pager_at(d, iova.v, len) : NULL;

	if (fault_hits(&d->counts))
		return d->counts.rc;
	if (len && !a)
		return -ENOENT;
	*out = len ? a->counted : d->counted;
	for (uint64_t p = 0; a && p < len / PAGE; p++) {
		out->mapped_bytes += a->may[p] & FL_DMA_RW ? PAGE : 0;
		out->locked_bytes += a->may[p] & PAGER_HELD ? PAGE : 0;
	}
	return 0;
}

/* A device touches a page of an area, or what is in none. */
static inline void pager_touch(struct pager *d, uint64_t iova, unsigned prot)
{
	struct pager_area *a = pager_at(d, iova, 1);

	if (!a) {
		d->counted.invalid++;
		return;
	}
	a->counted.faults++;
	a->counted.latency[1]++;
	a->counted.fault_pages += pager_set(a, fl_align_down(iova, PAGE), PAGE, prot);
	d->counted.faults++;
}

static const struct fl_dma_domain_ops pager_ops = {
	.name = "pager",
	.limits = pager_limits,
	.map = pager_map,
	.unmap = pager_unmap,
	.grant = pager_grant,
	.revoke = pager_revoke,
	.convert = pager_convert,
	.prefault = pager_prefault,
	.hold = pager_hold,
	.around = pager_around,
	.counts = pager_counts,
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
