/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Lazy areas in an IOAS whose devices fault: what is granted is mapped, what is revoked unmapped.
 * The kernel takes out a mapping only as it was made, so three bits a page tell what it has: is
 * the page mapped, for writing, and does a mapping begin with it. Where a part is to go, or to
 * change, the mappings that it touches go as a whole and their rest is mapped again. Meanwhile a
 * device that asks waits for the space's lock, which all this runs under.
 */
#include "iommufd_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fl_vk_lazy {
	struct fl_vk_lazy *next;
	uint64_t iova, len;
	uint8_t *va;
	unsigned prot, shift;
	uint64_t pages;
	/* a bit a page each; dirty: written to, or was to be, and unmapped since the log was read
	 */
	uint64_t *has, *write, *begin, *dirty;
};

/* ---- bits ------------------------------------------------------------------------------- */

/* The bits of word `w` that stand for pages of [from, end), of which it holds at least one. */
static uint64_t mask(uint64_t w, uint64_t from, uint64_t end)
{
	const uint64_t low = from > w * 64 ? ~0ull << (from - w * 64) : ~0ull;

	return end - w * 64 < 64 ? low & ((1ull << (end - w * 64)) - 1) : low;
}

static bool bit(const uint64_t *v, uint64_t n)
{
	return v[n / 64] >> (n & 63) & 1;
}

static void set_bits(uint64_t *v, uint64_t from, uint64_t end, bool on)
{
	for (uint64_t w = from / 64; w * 64 < end; w++)
		v[w] = on ? v[w] | mask(w, from, end) : v[w] & ~mask(w, from, end);
}

/* The first bit in [from, end) that is on (or off), else end. */
static uint64_t find_bit(const uint64_t *v, uint64_t from, uint64_t end, bool on)
{
	for (uint64_t w = from / 64; from < end && w * 64 < end; w++) {
		const uint64_t found = (on ? v[w] : ~v[w]) & mask(w, from, end);

		if (found)
			return w * 64 + (unsigned)__builtin_ctzll(found);
	}
	return end;
}

static uint64_t count_bits(const uint64_t *v, uint64_t from, uint64_t end)
{
	uint64_t n = 0;

	for (uint64_t w = from / 64; w * 64 < end; w++)
		n += (unsigned)__builtin_popcountll(v[w] & mask(w, from, end));
	return n;
}

/* Where the mapping that holds the page begins. */
static uint64_t begin_of(const struct fl_vk_lazy *l, uint64_t page)
{
	uint64_t w = page / 64, found = l->begin[w] & mask(w, w * 64, page + 1);

	while (!found)
		found = l->begin[--w];
	return w * 64 + 63 - (unsigned)__builtin_clzll(found);
}

/* Where the mapping ends that holds the page before. */
static uint64_t end_of(const struct fl_vk_lazy *l, uint64_t page)
{
	const uint64_t hole = find_bit(l->has, page, l->pages, false);

	return find_bit(l->begin, page, hole, true);
}

/* ---- mappings --------------------------------------------------------------------------- */

static uint64_t iova_of(const struct fl_vk_lazy *l, uint64_t page)
{
	return l->iova + (page << l->shift);
}

/* Nothing of [from, end) is mapped. What the kernel has there all the same is not ours to keep. */
static int map_pages(struct fl_vk_ioas *a, struct fl_vk_lazy *l, uint64_t from, uint64_t end,
		     unsigned prot)
{
	const struct fl_dma_mapping m = { .iova = { iova_of(l, from) },
					  .len = (end - from) << l->shift,
					  .va = l->va + (from << l->shift),
					  .prot = prot };
	uint64_t done;
	int rc = fl_vk_ioas_map(a, &m);

	if (rc == -EEXIST && !fl_vk_ioas_unmap(a, m.iova, m.len, &done))
		rc = fl_vk_ioas_map(a, &m);
	if (rc)
		return rc;
	set_bits(l->has, from, end, true);
	set_bits(l->begin, from, from + 1, true);
	set_bits(l->write, from, end, prot & FL_DMA_WRITE);
	return 0;
}

/* What a device could write to, and nobody can ask any more, counts as written. */
static void keep_dirty(struct fl_vk_lazy *l, uint64_t from, uint64_t end)
{
	for (uint64_t w = from / 64; w * 64 < end; w++)
		l->dirty[w] |= l->write[w] & mask(w, from, end);
}

static void lost(const struct fl_vk_ioas *a, const struct fl_vk_lazy *l, uint64_t from,
		 uint64_t end)
{
	if (a->domain)
		fl_dma_domain_lost(a->domain, (fl_iova_t){ iova_of(l, from) },
				   (end - from) << l->shift);
}

/* [from, end) holds whole mappings only. */
static int unmap_pages(struct fl_vk_ioas *a, struct fl_vk_lazy *l, uint64_t from, uint64_t end)
{
	const uint64_t n = count_bits(l->has, from, end);
	uint64_t done = 0;
	int rc;

	if (!n)
		return 0;
	rc = fl_vk_ioas_unmap(a, (fl_iova_t){ iova_of(l, from) }, (end - from) << l->shift, &done);
	if (rc)
		return rc;
	if (a->logging)
		keep_dirty(l, from, end);
	set_bits(l->has, from, end, false);
	set_bits(l->begin, from, end, false);
	set_bits(l->write, from, end, false);
	if (done == n << l->shift)
		return 0;
	/* which pages are there still, nobody knows: each that is asked for is mapped anew */
	lost(a, l, from, end);
	fl_err(a->iommu->k->log, "vfio",
	       "iommufd: unmap of IOVA 0x%" PRIx64 " took out 0x%" PRIx64
	       " bytes and not 0x%" PRIx64,
	       iova_of(l, from), done, n << l->shift);
	return -EIO;
}

/* A part of what was unmapped; if it cannot be had, devices ask for it again. */
static void put_back(struct fl_vk_ioas *a, struct fl_vk_lazy *l, uint64_t from, uint64_t end,
		     bool write)
{
	if (from < end && map_pages(a, l, from, end, write ? l->prot : FL_DMA_READ))
		lost(a, l, from, end);
}

/* [from, end) can be reached with `prot` afterwards, or not at all (0). */
static int change(struct fl_vk_ioas *a, struct fl_vk_lazy *l, uint64_t from, uint64_t end,
		  unsigned prot)
{
	const uint64_t lo = bit(l->has, from) ? begin_of(l, from) : from;
	const uint64_t hi = bit(l->has, end - 1) ? end_of(l, end) : end;
	const bool before = bit(l->write, lo), after = bit(l->write, hi - 1);
	int rc = unmap_pages(a, l, lo, hi);

	if (rc)
		return rc;
	put_back(a, l, lo, from, before);
	put_back(a, l, end, hi, after);
	rc = prot ? map_pages(a, l, from, end, prot) : 0;
	if (rc)
		lost(a, l, from, end);
	return rc;
}

/* ---- areas ------------------------------------------------------------------------------ */

/* The one found last is found first. */
static struct fl_vk_lazy *find(struct fl_vk_ioas *a, uint64_t iova)
{
	for (struct fl_vk_lazy **p = &a->lazy, *l; (l = *p); p = &l->next) {
		if (iova - l->iova >= l->len)
			continue;
		*p = l->next;
		l->next = a->lazy;
		a->lazy = l;
		return l;
	}
	return NULL;
}

/* It is at the head of the list. */
static void forget(struct fl_vk_ioas *a, struct fl_vk_lazy *l)
{
	a->lazy = l->next;
	free(l);
}

bool fl_vk_lazy_is(struct fl_vk_ioas *a, fl_iova_t iova)
{
	return find(a, iova.v);
}

int fl_vk_lazy_add(struct fl_vk_ioas *a, const struct fl_dma_mapping *m)
{
	const unsigned shift = (unsigned)__builtin_ctzll((uint64_t)sysconf(_SC_PAGESIZE));
	const uint64_t words = ((m->len >> shift) + 63) / 64;
	/* as much of it as is never looked at stays unmapped */
	struct fl_vk_lazy *l = calloc(1, sizeof(*l) + 4 * words * sizeof(*l->has));
	int rc = l ? fl_vk_faults_thread(a->faults) : -ENOMEM;

	if (rc) {
		fl_err(a->iommu->k->log, "vfio", "iommufd: nobody to serve page requests: %s",
		       strerror(-rc));
		free(l);
		return rc;
	}
	*l = (struct fl_vk_lazy){ .next = a->lazy,
				  .iova = m->iova.v,
				  .len = m->len,
				  .va = m->va,
				  .prot = m->prot,
				  .shift = shift,
				  .pages = m->len >> shift,
				  .has = (uint64_t *)(l + 1) };
	l->write = l->has + words;
	l->begin = l->write + words;
	l->dirty = l->begin + words;
	a->lazy = l;
	return 0;
}

int fl_vk_lazy_unmap(struct fl_vk_ioas *a, fl_iova_t iova, uint64_t len, uint64_t *unmapped)
{
	struct fl_vk_lazy *l = find(a, iova.v);
	int rc = unmap_pages(a, l, 0, l->pages);

	*unmapped = rc ? 0 : len;
	forget(a, l);
	return rc;
}

void fl_vk_lazy_free(struct fl_vk_ioas *a)
{
	while (a->lazy)
		forget(a, a->lazy);
}

int fl_vk_lazy_grant(void *arg, const struct fl_dma_mapping *m)
{
	struct fl_vk_ioas *a = arg;
	struct fl_vk_lazy *l = find(a, m->iova.v);
	uint64_t from, end;
	int rc;

	if (!l)
		return -EFAULT;
	from = (m->iova.v - l->iova) >> l->shift;
	end = from + (m->len >> l->shift);
	rc = change(a, l, from, end, m->prot);
	if (!rc)
		fl_vk_faults_granted(a->faults);
	return rc;
}

int fl_vk_lazy_revoke(void *arg, fl_iova_t iova, uint64_t len)
{
	struct fl_vk_ioas *a = arg;
	struct fl_vk_lazy *l = find(a, iova.v);
	const uint64_t from = l ? (iova.v - l->iova) >> l->shift : 0;

	return l ? change(a, l, from, from + (len >> l->shift), 0) : 0;
}

static int turn_pinned(struct fl_vk_ioas *a, const struct fl_dma_mapping *m)
{
	struct fl_vk_lazy *l = find(a, m->iova.v);
	int rc = unmap_pages(a, l, 0, l->pages);

	if (rc)
		return rc;
	rc = fl_vk_ioas_map(a, m);
	if (rc)
		lost(a, l, 0, l->pages);
	else
		forget(a, l);
	return rc;
}

static int turn_lazy(struct fl_vk_ioas *a, const struct fl_dma_mapping *m)
{
	uint64_t done;
	int rc = fl_vk_lazy_add(a, m);

	if (rc)
		return rc;
	rc = fl_vk_ioas_unmap(a, m->iova, m->len, &done);
	if (rc || done != m->len)
		forget(a, find(a, m->iova.v));
	return !rc && done != m->len ? -EIO : rc;
}

int fl_vk_lazy_convert(void *arg, const struct fl_dma_mapping *m)
{
	return m->lazy ? turn_lazy(arg, m) : turn_pinned(arg, m);
}

/* ---- the dirty log ---------------------------------------------------------------------- */

void fl_vk_lazy_clean(struct fl_vk_ioas *a)
{
	for (struct fl_vk_lazy *l = a->lazy; l; l = l->next)
		set_bits(l->dirty, 0, l->pages, false);
}

/* The kernel reads no range with a hole in it. */
int fl_vk_lazy_dirty(struct fl_vk_ioas *a, fl_iova_t iova, uint64_t page, uint64_t *bitmap)
{
	struct fl_vk_lazy *l = find(a, iova.v);
	const unsigned shift = (unsigned)__builtin_ctzll(page);
	int rc = 0;

	for (uint64_t p, end = 0; !rc && (p = find_bit(l->has, end, l->pages, true)) < l->pages;) {
		uint64_t map[8] = { 0 };

		end = p + 512 < l->pages ? p + 512 : l->pages;
		end = find_bit(l->has, p, end, false);
		rc = fl_vk_ioas_read_log(a, (fl_iova_t){ iova_of(l, p) }, (end - p) << l->shift,
					 1ull << l->shift, map);
		for (uint64_t n = 0; n < end - p; n++)
			l->dirty[(p + n) / 64] |= (uint64_t)bit(map, n) << ((p + n) & 63);
	}
	for (uint64_t p = 0; !rc && (p = find_bit(l->dirty, p, l->pages, true)) < l->pages; p++) {
		const uint64_t n = (p << l->shift) >> shift;

		bitmap[n / 64] |= 1ull << (n & 63);
	}
	if (!rc)
		set_bits(l->dirty, 0, l->pages, false);
	return rc;
}
