/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of either way into the kernel begin with: a space on the kernel of vfio_fake.h. */
#ifndef VFIO_RIG_H
#define VFIO_RIG_H

#include "vfio_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define A     "0000:01:00.0"
#define B     "0000:02:00.0"
#define PAGE  4096u
#define MIB   (1u << 20)
#define AREAS 8

struct fix {
	const struct fl_vfio_open *how;
	struct fl_dma_space *space;
	struct fl_vfio_kernel *k;
	struct fl_mem *mem[AREAS];
	struct fl_dma_area *area[AREAS];
	struct fl_vfio_dev *a, *b;
};

static inline struct fix *rig_setup_as(const struct fl_vfio_open *how, bool polls)
{
	struct fix *x = calloc(1, sizeof(*x));

	fake_setup();
	x->how = how;
	assert_int_equal(fl_dma_space_create(&fake_log, &x->space), 0);
	assert_int_equal(fl_vfio_kernel_create(x->space, polls, &fake_log, &fake.roots, &x->k), 0);
	return x;
}

static inline struct fix *rig_setup(const struct fl_vfio_open *how)
{
	return rig_setup_as(how, false);
}

static inline void close_dev(struct fl_vfio_dev **d)
{
	if (*d)
		(*d)->ops->close(*d);
	*d = NULL;
}

static inline int unmap(struct fix *x, unsigned i)
{
	int rc = fl_dma_unmap(x->area[i]);

	x->area[i] = NULL;
	return rc;
}

static inline int teardown(void **state)
{
	struct fix *x = *state;

	fake.fail_at = 0;
	for (unsigned i = 0; i < AREAS; i++)
		if (x->area[i])
			(void)unmap(x, i);
	close_dev(&x->b);
	close_dev(&x->a);
	for (unsigned i = 0; i < AREAS; i++)
		fl_mem_free(x->mem[i]);
	fl_vfio_kernel_destroy(x->k);
	assert_int_equal(fl_dma_space_destroy(x->space), 0);
	fake_teardown();
	free(x);
	return 0;
}

static inline int open_dev(struct fix *x, const char *address, struct fl_vfio_dev **d)
{
	return fl_vfio_kernel_open(x->k, address, x->how, d);
}

static inline void open_a(struct fix *x)
{
	assert_int_equal(open_dev(x, A, &x->a), 0);
}

static inline int map_at(struct fix *x, unsigned i, uint64_t len, uint64_t iova, unsigned flags)
{
	/* without a file behind it */
	struct fl_mem_opts mo = { .kind = FL_MEM_ANON, .node = -1, .log = &fake_log };
	struct fl_dma_opts o = { .iova = { iova }, .flags = flags };

	if (!x->mem[i])
		assert_int_equal(fl_mem_alloc(len, &mo, &x->mem[i]), 0);
	return fl_dma_map(x->space, x->mem[i], &o, &x->area[i]);
}

static inline int map(struct fix *x, unsigned i, uint64_t len)
{
	return map_at(x, i, len, 0, 0);
}

/* ---- undo ----------------------------------------------------------------------------- */

/* Two devices, A and B, an area between and behind, a release. */
static inline int rig_live(struct fix *x)
{
	int rc = open_dev(x, A, &x->a);

	if (!rc)
		rc = map(x, 1, PAGE);
	if (!rc)
		rc = open_dev(x, B, &x->b);
	if (!rc)
		rc = map(x, 2, PAGE);
	if (!rc)
		x->a->ops->release(x->a);
	if (!rc)
		rc = x->a->ops->reattach(x->a);
	return rc;
}

static inline void rig_end(struct fix *x)
{
	for (unsigned i = 1; i < 3; i++)
		if (x->area[i])
			assert_int_equal(unmap(x, i), 0);
	close_dev(&x->a);
	close_dev(&x->b);
}

/* A life goes well, and then once for each of its calls, which fails: nothing is ever left. */
static inline void rig_fail_each(struct fix *x, int (*live)(struct fix *),
				 void (*end)(struct fix *), int err)
{
	unsigned before, calls, passed = 0;

	fake.calls = 0;
	assert_int_equal(live(x), 0);
	calls = fake.calls;
	end(x);
	before = fake_fds();
	for (unsigned n = 1; n <= calls; n++) {
		fake.calls = 0;
		fake.fail_at = n;
		fake.fail_errno = err;
		/* what is said only, as that a group does not leave its container, is no error */
		passed += live(x) == 0;
		fake.fail_at = 0;
		end(x);
		assert_int_equal(fake_maps(), 0);
		assert_int_equal(fake_containers(), 0);
		assert_int_equal(fake_objects(), 0);
		assert_int_equal(fake_locked(), 0);
		assert_int_equal(fake_fds(), before);
		for (unsigned g = 0; g < FAKE_GROUPS; g++)
			assert_int_equal(fake.groups[g].fd, 0);
		for (unsigned i = 0; i < fake.ndevs; i++)
			assert_int_equal(fake.devs[i].devid, 0);
		fake.log[0] = 0;
	}
	print_message("%u calls, %u of them may fail without an error\n", calls, passed);
	assert_true(calls > 40 && passed < calls / 3);
}

#endif
