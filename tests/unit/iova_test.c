/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* the check against a bitmap is the fuzz target's: here it runs on bytes of a fixed seed */
#include "../fuzz/fuzz_iova.c"

static uint64_t xorshift(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* A list of windows that is neither empty nor everything: runs of 1 to `longest` until all is full.
 */
static size_t random_windows(uint64_t *seed, uint8_t *out, unsigned longest)
{
	size_t n = 0;

	for (unsigned at = 0; at < UNITS; at += out[n++])
		out[n] = (uint8_t)(xorshift(seed) % longest + 1);
	return n;
}

static void test_against_bitmap(void **state)
{
	static const unsigned longest[] = { 2, 16, 100, 255 };
	uint64_t seed = 0x5eed5eed5eed5eed;
	uint8_t buf[4096];

	for (unsigned round = 0; round < 1000; round++) {
		size_t n = 0;

		buf[n++] = (uint8_t)round;
		n += random_windows(&seed, buf + n, longest[round % 4]);
		n += random_windows(&seed, buf + n, longest[round / 4 % 4]);
		for (unsigned i = 0; i < 900; i++)
			buf[n++] = (uint8_t)(xorshift(&seed) >> 20);
		LLVMFuzzerTestOneInput(buf, n);
	}
}

static void test_top_of_the_space(void **state)
{
	struct fl_iova_range all = { 0, UINT64_MAX }, low = { 0x1000, 0x1fff };
	struct fl_windows w = { &all, 1 }, small = { &low, 1 };
	struct fl_span_set used = { 0 };
	struct fl_span span = { 0x1000, UINT64_MAX, NULL };
	uint64_t at;
	size_t index;

	assert_true(fl_windows_hold(&w, UINT64_MAX, 1));
	assert_false(fl_windows_hold(&w, UINT64_MAX, 2));
	assert_true(fl_windows_hold(&w, 0, UINT64_MAX));
	assert_int_equal(fl_span_add(&used, span, &index), 0);
	assert_int_equal(fl_iova_lowest(&w, &used, 0x1000, 0x1000, &at), -ENOSPC);
	assert_int_equal(fl_iova_lowest(&w, &used, 0x1000, 1ull << 63, &at), -ENOSPC);
	assert_int_equal(fl_iova_lowest(&w, &used, 0x800, 0x800, &at), 0);
	assert_int_equal(at, 0x800);
	fl_span_del(&used, 0);
	assert_int_equal(fl_iova_lowest(&w, &used, 1ull << 63, 1ull << 63, &at), 0);
	assert_int_equal(at, 1ull << 63);
	/* an alignment that leaves the window behind, one that leaves the space */
	assert_int_equal(fl_iova_lowest(&small, &used, 0x1000, 0x200000, &at), -ENOSPC);
	low = (struct fl_iova_range){ UINT64_MAX - 0xfff, UINT64_MAX };
	assert_int_equal(fl_iova_lowest(&small, &used, 0x1000, 0x200000, &at), -ENOSPC);
	assert_int_equal(fl_iova_lowest(&small, &used, 0x1000, 0x1000, &at), 0);
	assert_int_equal(at, UINT64_MAX - 0xfff);
	free(used.v);
}

static void test_text(void **state)
{
	struct fl_iova_range v[12];
	struct fl_windows w = { v, 0 };
	char buf[512], tiny[10];

	fl_windows_text(&w, buf, sizeof(buf));
	assert_string_equal(buf, "none");
	for (unsigned i = 0; i < 12; i++)
		v[i] = (struct fl_iova_range){ 16 * i, 16 * i + 7 };
	w.n = 2;
	fl_windows_text(&w, buf, sizeof(buf));
	assert_string_equal(buf, "[0x0-0x7] [0x10-0x17]");
	w.n = 12;
	fl_windows_text(&w, buf, sizeof(buf));
	assert_non_null(strstr(buf, "[0x70-0x77] and 4 more"));
	fl_windows_text(&w, tiny, sizeof(tiny));
	assert_string_equal(tiny, "[0x0-0x7]");
}

/* tens of thousands of areas, as with small pages, in bounded time */
static void test_many(void **state)
{
	struct fl_iova_range all = { 0, UINT64_MAX };
	struct fl_windows w = { &all, 1 };
	struct fl_span_set used = { 0 };
	const uint64_t n = 50000;
	size_t index;

	for (uint64_t i = 0; i < n; i++) {
		/* 7919 is prime to n: every place once, in a scattered order */
		uint64_t first = (i * 7919 % n + 1) * 0x2000;

		assert_int_equal(
			fl_span_add(&used, (struct fl_span){ first, first + 0xfff, NULL }, &index),
			0);
	}
	assert_int_equal(used.n, n);
	for (uint64_t i = 0; i < n; i++) {
		uint64_t first = (i + 1) * 0x2000;

		assert_true(used.v[i].first == first);
		assert_false(fl_iova_free(&w, &used, first, 1));
		assert_true(fl_iova_free(&w, &used, first + 0x1000, 0x1000));
	}
	free(used.v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_bitmap),
		cmocka_unit_test(test_top_of_the_space),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("iova", tests, NULL, NULL);
}
