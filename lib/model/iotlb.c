/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the client granted of a lazy area: one bitmap of pages that may be read, one of those that
 * may be written. 4 GiB take 256 KiB, of which only what was granted is ever touched.
 */
#include "model_internal.h"

#include <stdlib.h>

/* So far a direct access looks around its page: 16 MiB to either side. */
#define AROUND 4096u

static uint64_t npages(const struct fl_iommu_map *e)
{
	return (e->last - e->first) / FL_MODEL_PAGE + 1;
}

int fl_iotlb_init(struct fl_iommu_map *e)
{
	uint64_t words = fl_align_up(npages(e), 64) / 64;

	e->granted[0] = calloc(2 * words, sizeof(uint64_t));
	if (!e->granted[0])
		return -ENOMEM;
	e->granted[1] = e->granted[0] + words;
	e->count[0] = e->count[1] = 0;
	return 0;
}

void fl_iotlb_free(struct fl_iommu_map *e)
{
	free(e->granted[0]);
	e->granted[0] = e->granted[1] = NULL;
}

/* bits of word w that stand for pages of [first, last] */
static uint64_t span(uint64_t w, uint64_t first, uint64_t last)
{
	uint64_t bits = UINT64_MAX;

	if (w == first / 64)
		bits &= UINT64_MAX << first % 64;
	if (w == last / 64)
		bits &= UINT64_MAX >> (63 - last % 64);
	return bits;
}

/* pages of word w that may not be accessed so */
static uint64_t absent(const struct fl_iommu_map *e, uint64_t w, unsigned prot)
{
	return (prot & FL_DMA_READ ? ~e->granted[0][w] : 0) |
	       (prot & FL_DMA_WRITE ? ~e->granted[1][w] : 0);
}

/* every page has what the area allows at most: the usual end, after which nothing is looked at */
static bool whole(const struct fl_iommu_map *e, unsigned prot)
{
	return (!(prot & FL_DMA_READ) || e->count[0] == npages(e)) &&
	       (!(prot & FL_DMA_WRITE) || e->count[1] == npages(e));
}

void fl_iotlb_grant(struct fl_iommu_map *e, uint64_t first, uint64_t last, unsigned prot)
{
	if (whole(e, prot))
		return;
	for (unsigned i = 0; i < 2; i++) {
		for (uint64_t w = first / 64; prot & 1u << i && w <= last / 64; w++) {
			uint64_t add = span(w, first, last) & ~e->granted[i][w];

			e->granted[i][w] |= add;
			e->count[i] += (unsigned)__builtin_popcountll(add);
		}
	}
}

bool fl_iotlb_any(const struct fl_iommu_map *e, uint64_t first, uint64_t last)
{
	if (!e->count[0] && !e->count[1])
		return false;
	for (uint64_t w = first / 64; w <= last / 64; w++) {
		if (span(w, first, last) & (e->granted[0][w] | e->granted[1][w]))
			return true;
	}
	return false;
}

void fl_iotlb_revoke(struct fl_iommu_map *e, uint64_t first, uint64_t last)
{
	for (unsigned i = 0; i < 2; i++) {
		for (uint64_t w = first / 64; e->count[i] && w <= last / 64; w++) {
			uint64_t gone = span(w, first, last) & e->granted[i][w];

			if (!gone)
				continue;
			e->granted[i][w] &= ~gone;
			e->count[i] -= (unsigned)__builtin_popcountll(gone);
		}
	}
}

uint64_t fl_iotlb_missing(const struct fl_iommu_map *e, uint64_t first, uint64_t last,
			  unsigned prot)
{
	if (whole(e, prot))
		return last + 1;
	for (uint64_t w = first / 64; w <= last / 64; w++) {
		uint64_t no = absent(e, w, prot) & span(w, first, last);

		if (no)
			return w * 64 + (unsigned)__builtin_ctzll(no);
	}
	return last + 1;
}

/* lowest page, no lower than `least`, from which on all up to `page` can be accessed so */
static uint64_t run_start(const struct fl_iommu_map *e, uint64_t page, uint64_t least,
			  unsigned prot)
{
	for (uint64_t w = page / 64;; w--) {
		uint64_t no = absent(e, w, prot) & span(w, least, page);

		if (no)
			return w * 64 + 64 - (unsigned)__builtin_clzll(no);
		if (w == least / 64)
			return least;
	}
}

bool fl_iotlb_run(const struct fl_iommu_map *e, uint64_t *first, uint64_t *last, unsigned *prot)
{
	uint64_t page = *first, need = *last, most = npages(e) - 1, end;
	unsigned all = (e->granted[0][page / 64] >> page % 64 & 1 ? FL_DMA_READ : 0) |
		       (e->granted[1][page / 64] >> page % 64 & 1 ? FL_DMA_WRITE : 0);

	if (all && whole(e, all) && (all & *prot) == *prot) {
		*first = 0;
		*last = most;
		*prot = all;
		return true;
	}
	end = need > page + AROUND ? need : page + AROUND;
	end = end < most ? end : most;
	/* what serves reads and writes alike is better than a longer run for this access alone */
	if ((all & *prot) != *prot)
		return false;
	*last = fl_iotlb_missing(e, page, end, all) - 1;
	if (*last < need) {
		all = *prot;
		*last = fl_iotlb_missing(e, page, end, all) - 1;
	}
	if (*last < need)
		return false;
	*first = run_start(e, page, page > AROUND ? page - AROUND : 0, all);
	*prot = all;
	return true;
}
