/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fl_ring.h>

#define BIG 100

typedef uint32_t (*put_fn)(struct fl_ring *, void *const *, uint32_t);
typedef uint32_t (*get_fn)(struct fl_ring *, void **, uint32_t);

/* every way in and out; the last row is the one that looks at the kind */
static const struct kind {
	unsigned flags;
	put_fn put_bulk, put_burst;
	get_fn get_bulk, get_burst;
} kinds[] = {
	{ FL_RING_SP | FL_RING_SC, fl_ring_sp_enqueue_bulk, fl_ring_sp_enqueue_burst,
	  fl_ring_sc_dequeue_bulk, fl_ring_sc_dequeue_burst },
	{ 0, fl_ring_mp_enqueue_bulk, fl_ring_mp_enqueue_burst, fl_ring_mc_dequeue_bulk,
	  fl_ring_mc_dequeue_burst },
	{ FL_RING_SP, fl_ring_sp_enqueue_bulk, fl_ring_sp_enqueue_burst, fl_ring_mc_dequeue_bulk,
	  fl_ring_mc_dequeue_burst },
	{ FL_RING_SC, fl_ring_mp_enqueue_bulk, fl_ring_mp_enqueue_burst, fl_ring_sc_dequeue_bulk,
	  fl_ring_sc_dequeue_burst },
	{ FL_RING_SP | FL_RING_SC, fl_ring_enqueue_bulk, fl_ring_enqueue_burst,
	  fl_ring_dequeue_bulk, fl_ring_dequeue_burst },
	{ 0, fl_ring_enqueue_bulk, fl_ring_enqueue_burst, fl_ring_dequeue_bulk,
	  fl_ring_dequeue_burst },
};

static void numbers(void **objs, uintptr_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		objs[i] = (void *)(first + i);
}

static void assert_numbers(void *const *objs, uintptr_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal((uintptr_t)objs[i], first + i);
}

static struct fl_ring *make(uint32_t size, unsigned flags)
{
	struct fl_ring *r = NULL;

	assert_int_equal(fl_ring_create(size, flags, -1, &r), 0);
	assert_int_equal(fl_ring_capacity(r), size);
	assert_int_equal(fl_ring_count(r), 0);
	return r;
}

static void test_full_and_empty(void **state)
{
	void *in[BIG], *out[BIG];

	numbers(in, 1, BIG);
	for (size_t k = 0; k < FL_ARRAY_SIZE(kinds); k++) {
		const struct kind *kind = &kinds[k];
		struct fl_ring *r = make(37, kind->flags);

		assert_int_equal(kind->get_burst(r, out, 1), 0);
		assert_int_equal(kind->get_bulk(r, out, 1), 0);
		assert_int_equal(kind->put_bulk(r, in, 0), 0);
		assert_int_equal(kind->put_burst(r, in, 0), 0);
		assert_int_equal(kind->put_bulk(r, in, 38), 0);
		assert_int_equal(fl_ring_count(r), 0);
		assert_int_equal(kind->put_burst(r, in, 50), 37);
		assert_int_equal(fl_ring_count(r), 37);
		assert_int_equal(kind->put_burst(r, in, 1), 0);
		assert_int_equal(kind->put_bulk(r, in, 1), 0);
		assert_int_equal(kind->get_bulk(r, out, 38), 0);
		assert_int_equal(kind->get_bulk(r, out, 0), 0);
		assert_int_equal(kind->get_bulk(r, out, 30), 30);
		assert_int_equal(kind->get_burst(r, out + 30, BIG), 7);
		assert_numbers(out, 1, 37);
		fl_ring_free(r);
	}
}

/* every burst length at every position of the ring, against a plain counter */
static void test_wrap(void **state)
{
	void *in[BIG], *out[BIG];

	for (size_t k = 0; k < FL_ARRAY_SIZE(kinds); k++) {
		const struct kind *kind = &kinds[k];
		struct fl_ring *r = make(64, kind->flags);
		uintptr_t put = 1, got = 1;

		for (uint32_t n = 1; n <= 64; n++) {
			for (uint32_t i = 0; i < 64; i++) {
				uint32_t keep = (uint32_t)(put - got), m;

				numbers(in, put, n);
				m = kind->put_burst(r, in, n);
				assert_int_equal(m, n < 64 - keep ? n : 64 - keep);
				put += m;
				memset(out, 0, sizeof(out));
				m = kind->get_burst(r, out, (n + i) % 65);
				assert_true(m <= (n + i) % 65);
				assert_numbers(out, got, m);
				assert_null(out[m]);
				got += m;
			}
		}
		assert_int_equal(fl_ring_count(r), put - got);
		fl_ring_free(r);
	}
}

static void test_one_slot(void **state)
{
	void *o;

	for (size_t k = 0; k < FL_ARRAY_SIZE(kinds); k++) {
		struct fl_ring *r = make(1, kinds[k].flags);

		for (uintptr_t i = 1; i < 10; i++) {
			o = (void *)i;
			assert_int_equal(kinds[k].put_bulk(r, &o, 1), 1);
			assert_int_equal(kinds[k].put_bulk(r, &o, 1), 0);
			o = NULL;
			assert_int_equal(kinds[k].get_bulk(r, &o, 1), 1);
			assert_int_equal((uintptr_t)o, i);
		}
		fl_ring_free(r);
	}
}

/* NULL is an object like any other */
static void test_null_object(void **state)
{
	struct fl_ring *r = make(4, 0);
	void *o[2] = { NULL, NULL }, *out[2] = { &o, &o };

	assert_int_equal(fl_ring_enqueue_bulk(r, o, 2), 2);
	assert_int_equal(fl_ring_dequeue_bulk(r, out, 2), 2);
	assert_null(out[0]);
	assert_null(out[1]);
	fl_ring_free(r);
}

static void test_create(void **state)
{
	struct fl_ring *r = NULL;

	assert_int_equal(fl_ring_create(0, 0, -1, &r), -EINVAL);
	assert_int_equal(fl_ring_create((1u << 30) + 1, 0, -1, &r), -EINVAL);
	assert_int_equal(fl_ring_create(4, 4, -1, &r), -EINVAL);
	assert_int_equal(fl_ring_create(4, 0, -2, &r), -EINVAL);
	assert_int_equal(fl_ring_create(4, 0, 1 << 20, &r), -EINVAL);
	assert_null(r);
	assert_int_equal(fl_ring_create(4, 0, 0, &r), 0);
	fl_ring_free(r);
	fl_ring_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_and_empty), cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_one_slot),       cmocka_unit_test(test_null_object),
		cmocka_unit_test(test_create),
	};

	return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
