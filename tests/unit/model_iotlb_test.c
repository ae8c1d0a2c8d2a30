/* SPDX-License-Identifier: BSD-3-Clause */
/* Granted pages as bitmaps against the same as an array of permissions, at random. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <model_internal.h>

#define PG     4096ull
#define FIRST  0x7000000ull
#define PAGES  9001u /* not whole words; wider than one looks around */
#define ROUNDS 60000u

struct fixture {
	struct fl_model m;
	struct fl_model_tlb tlb;
	uint8_t prot[PAGES];
	uint32_t seed;
};

static uint32_t rnd(struct fixture *f, uint32_t n)
{
	f->seed = f->seed * 1664525u + 1013904223u;
	return (uint32_t)((uint64_t)(f->seed >> 8) * n >> 24);
}

/* mostly few pages, at times all */
static void range(struct fixture *f, uint32_t *first, uint32_t *n)
{
	static const uint32_t most[] = { 2, 9, 130, 700, PAGES };
	uint32_t m = most[rnd(f, 5)];

	*first = rnd(f, 4) ? rnd(f, PAGES) : 0;
	*n = 1 + rnd(f, m);
	if (m == PAGES && rnd(f, 2))
		*n = PAGES;
	if (*n > PAGES - *first)
		*n = PAGES - *first;
}

static bool all(const struct fixture *f, uint32_t first, uint32_t n, unsigned prot)
{
	for (uint32_t i = 0; i < n; i++) {
		if ((f->prot[first + i] & prot) != prot)
			return false;
	}
	return true;
}

static void check_access(struct fixture *f, uint32_t first, uint32_t n, unsigned prot)
{
	const struct fl_iommu_map *e = fl_iommu_find(&f->m.mmu, FIRST);
	bool may = all(f, first, n, prot);
	uint32_t i = first;
	uint8_t *p;

	while (i < first + n && (f->prot[i] & prot) == prot)
		i++;
	assert_int_equal(fl_iotlb_missing(e, first, first + n - 1, prot), i);
	p = fl_model_dma(&f->m, &f->m.mmu.pub, &f->tlb, fl_iova(FIRST + first * PG + 7), n * PG - 9,
			 prot);
	assert_ptr_equal(p, may ? e->base + first * PG + 7 : NULL);
	if (!may)
		return;
	/* what is cached is granted, whole pages, and as much as it says */
	assert_true(f->tlb.first % PG == 0 && (f->tlb.last + 1) % PG == 0);
	assert_true(f->tlb.first >= FIRST && f->tlb.last < FIRST + PAGES * PG);
	assert_true(all(f, (uint32_t)((f->tlb.first - FIRST) / PG),
			(uint32_t)((f->tlb.last + 1 - f->tlb.first) / PG), f->tlb.prot));
}

static void test_bitmaps_are_what_was_granted(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct fl_iommu *u = &f->m.mmu;
	uint32_t first, n, full = 0, held = 0;

	f->seed = 5;
	f->m.pci.now[4] = 4; /* bus master */
	u->pub.gen = 1;
	assert_int_equal(fl_iommu_map(u, NULL, FIRST, PAGES * PG, FL_DMA_RW | FL_IOMMU_LAZY, -1, 0),
			 0);
	u->map[0].base = (uint8_t *)0x10000; /* never touched */
	for (unsigned k = 0; k < ROUNDS; k++) {
		unsigned prot = 1 + rnd(f, 3), what = rnd(f, 8);

		range(f, &first, &n);
		if (what < 2) {
			assert_int_equal(fl_iommu_grant(u, FIRST + first * PG, n * PG, prot), 0);
			for (uint32_t i = 0; i < n; i++)
				f->prot[first + i] |= (uint8_t)prot;
		} else if (what == 2) {
			bool any = false;

			for (uint32_t i = 0; i < n; i++)
				any |= f->prot[first + i] != 0;
			assert_int_equal(fl_iommu_granted(u, FIRST + first * PG, n * PG), any);
			fl_iommu_revoke(u, FIRST + first * PG, n * PG);
			memset(f->prot + first, 0, n);
		} else {
			check_access(f, first, n, prot);
			held += f->tlb.gen == u->pub.gen;
			full += u->map[0].count[0] == PAGES;
		}
	}
	/* the walk has been everywhere */
	assert_true(full > ROUNDS / 100 && held > ROUNDS / 10);
	u->map[0].base = NULL;
	fl_iommu_clear(u);
	assert_int_equal(u->lazy_bytes, 0);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_bitmaps_are_what_was_granted) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
