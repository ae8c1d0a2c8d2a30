/* SPDX-License-Identifier: BSD-3-Clause */
/* Page requests of domains that fault: what is granted, how far around, what is counted. */
#include "residency_fake.h"

#define R FL_DMA_READ
#define W FL_DMA_WRITE

static void around(struct rig *r, uint32_t pages)
{
	struct fl_residency_opts o = { .fault_around = pages };

	assert_int_equal(fl_dma_residency_set(r->s, &o), 0);
}

static void test_nothing_until_asked(void **state)
{
	struct rig r;

	rig_up(&r, 16 * MIB);
	assert_int_equal(r.a->residency, FL_LAZY);
	assert_true(r.d.areas[0].m.lazy);
	assert_true(fl_dma_domain_faults(r.dom));
	assert_int_equal(stats(r.s).mapped_bytes, 0);
	assert_int_equal(area_stats(r.a).owned_bytes, 16 * MIB);
	assert_int_equal(area_stats(r.a).mapped_bytes, 0);
	assert_int_equal(ask(r.dom, r.a, 5 * PAGE + 17, W), 0);
	assert_int_equal(pager_may(&r.d, r.a, 5 * PAGE), FL_DMA_RW);
	assert_int_equal(r.d.pages, 1);
	assert_int_equal(area_stats(r.a).mapped_bytes, PAGE);
	assert_int_equal(stats(r.s).mapped_bytes, PAGE);
	assert_int_equal(stats(r.s).pinned_bytes, 0);
	rig_down(&r);
}

/* Granted: 1, up to the next 8, to the next 64, to the next 512, then 2 MiB at a time. */
static void test_adaptive_grows(void **state)
{
	static const uint64_t ends[] = { 1, 8, 64, 512, 1024, 1536, 2048, 2049 };
	struct rig r;

	rig_up(&r, 2049 * PAGE);
	for (uint64_t i = 0, at = 0; i < 8; at = ends[i++]) {
		assert_int_equal(ask(r.dom, r.a, at * PAGE, W), 0);
		assert_int_equal(r.d.last.iova.v, r.a->iova.v + at * PAGE);
		assert_int_equal(r.d.last.len, (ends[i] - at) * PAGE);
	}
	assert_int_equal(area_stats(r.a).faults, 8);
	assert_int_equal(area_stats(r.a).fault_pages, 2049);
	rig_down(&r);
}

/* The block of so many pages that holds the request, whatever the device hints at. */
static void test_fixed(void **state)
{
	struct fl_dma_fault f = { .len = MIB, .prot = R };
	struct rig r;

	rig_up(&r, 2 * MIB + 3 * PAGE);
	around(&r, 1);
	f.iova = r.a->iova;
	assert_int_equal(fl_dma_fault(r.dom, &f), 0);
	assert_int_equal(r.d.pages, 1);
	around(&r, 16);
	assert_int_equal(ask(r.dom, r.a, 5 * PAGE, R), 0);
	assert_int_equal(r.d.last.iova.v, r.a->iova.v + PAGE);
	assert_int_equal(r.d.last.len, 15 * PAGE);
	around(&r, 512);
	assert_int_equal(ask(r.dom, r.a, 514 * PAGE, R), 0);
	assert_int_equal(r.d.last.iova.v, r.a->iova.v + 2 * MIB);
	assert_int_equal(r.d.last.len, 3 * PAGE);
	assert_int_equal(ask(r.dom, r.a, 40 * PAGE, R), 0);
	assert_int_equal(r.d.last.len, (512 - 16) * PAGE);
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_until_asked),
		cmocka_unit_test(test_adaptive_grows),
		cmocka_unit_test(test_fixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
