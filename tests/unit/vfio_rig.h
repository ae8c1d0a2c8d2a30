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

#endif
