/* SPDX-License-Identifier: BSD-3-Clause */
/* Regions, interrupts and resets of a device of the kernel's, on one made up (vfio_fake.h). */
#include "fork_rig.h"
#include "vfio_fake.h"

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <fl_dev.h>
#include <kernel_internal.h>

#define A      "0000:01:00.0"
#define BAR    0x20000u
#define CONFIG FAKE_REGION(VFIO_PCI_CONFIG_REGION_INDEX)

struct fix {
	struct fl_ctx *ctx;
	struct fl_vfio_kernel *k;
	struct fake_dev *f;
	struct fl_vfio_dev *d; /* opened by open_it() */
	struct fl_dev *dev;    /* or by open_dev() */
};

/* what a hook answers with, and what it saw */
static struct {
	int rc;
	/* GET_REGION_INFO of BAR 0 */
	uint64_t size, offset;
	uint32_t need; /* bytes of the whole answer */
	uint8_t answer[4096];
	/* SET_IRQS */
	struct {
		uint32_t argsz, flags, index, start, count; /* struct vfio_irq_set without data[] */
	} set;
	int fds[8];
	unsigned sets;
	/* hot reset */
	uint32_t count, says;
	unsigned asked, busy;
	struct vfio_pci_dependent_device functions[300];
	uint32_t nfds;
	int group_fds[8];
} hook;

static int open_scheme(struct fl_ctx *ctx, const char *rest, void *arg, struct fl_vfio_dev **out)
{
	static const struct fl_vfio_open how = { FL_VFIO_CONTAINER, -1, -1, -1, -1, NULL, false };

	return fl_vfio_kernel_open(arg, rest, &how, out);
}

static int setup(void **state)
{
	struct fix *x = calloc(1, sizeof(*x));
	struct fl_ctx_opts o = { .log = &fake_log };
	struct fl_scheme s = { .name = "k", .open = open_scheme };

	memset(&hook, 0, sizeof(hook));
	fake_setup();
	x->f = fake_add(A, 5, "vfio-pci");
	assert_int_equal(fl_ctx_create(&o, &x->ctx), 0);
	assert_int_equal(
		fl_vfio_kernel_create(fl_ctx_space(x->ctx), false, &fake_log, &fake.roots, &x->k),
		0);
	s.arg = x->k;
	assert_int_equal(fl_ctx_add_scheme(x->ctx, &s), 0);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fix *x = *state;

	if (x->d)
		x->d->ops->close(x->d);
	if (x->dev)
		fl_dev_close(x->dev);
	fl_vfio_kernel_destroy(x->k);
	assert_int_equal(fl_ctx_destroy(x->ctx), 0);
	fake_teardown();
	free(x);
	return 0;
}

static int try_open(struct fix *x)
{
	return open_scheme(x->ctx, A, x->k, &x->d);
}

static void open_it(struct fix *x)
{
	assert_int_equal(try_open(x), 0);
}

/* The hook's answer to one question is refused, and nothing is left open; then it is mended. */
static void refused(struct fix *x, int err, const char *says)
{
	assert_int_equal(try_open(x), err);
	assert_null(x->d);
	assert_true(fake_logged(says));
}

static void config(struct fix *x, unsigned off, const void *data, size_t len)
{
	assert_int_equal(pwrite(x->f->memfd, data, len, CONFIG + off), len);
}

static void config16(struct fix *x, unsigned off, uint16_t v)
{
	config(x, off, &v, sizeof(v));
}

static void config32(struct fix *x, unsigned off, uint32_t v)
{
	config(x, off, &v, sizeof(v));
}

/* ---- capabilities of an answer ---------------------------------------------------------- */

static void put_cap(uint8_t *p, uint32_t off, uint16_t id, uint32_t next)
{
	struct vfio_info_cap_header h = { .id = id, .version = 1, .next = next };

	memcpy(p + off, &h, sizeof(h));
}

static void test_caps(void **state)
{
	uint8_t p[128] = { 0 };
	size_t len = 0;

	put_cap(p, 32, 1, 44); /* 44 is no multiple of 8: kernels before 6.6 */
	put_cap(p, 44, 2, 64);
	put_cap(p, 64, 3, 120);
	put_cap(p, 120, 4, 0);
	assert_ptr_equal(fl_vk_cap(p, 128, 32, 1, 8, NULL), p + 32);
	assert_ptr_equal(fl_vk_cap(p, 128, 32, 2, 8, &len), p + 44);
	assert_int_equal(len, 84);
	assert_ptr_equal(fl_vk_cap(p, 128, 32, 4, 8, NULL), p + 120);
	assert_null(fl_vk_cap(p, 128, 32, 5, 8, NULL));
	assert_null(fl_vk_cap(p, 128, 0, 1, 8, NULL));
	assert_null(fl_vk_cap(p, 128, 32, 4, 9, NULL)); /* cut */
	assert_null(fl_vk_cap(p, 127, 32, 4, 8, NULL));
	assert_null(fl_vk_cap(p, 128, 33, 2, 8, NULL));
	assert_null(fl_vk_cap(p, 128, 128, 0, 0, NULL));
	assert_null(fl_vk_cap(p, 128, UINT32_MAX - 3, 1, 8, NULL));
	put_cap(p, 64, 3, 32); /* circles */
	assert_null(fl_vk_cap(p, 128, 32, 4, 8, NULL));
	put_cap(p, 64, 3, 64);
	assert_null(fl_vk_cap(p, 128, 32, 4, 8, NULL));
	put_cap(p, 64, 3, UINT32_MAX - 3);
	assert_null(fl_vk_cap(p, 128, 32, 4, 8, NULL));
}

/* ---- what the kernel says of regions ---------------------------------------------------- */

static bool bar0(struct fake_dev *d, unsigned long request, void *arg, int *rc)
{
	struct vfio_region_info *r = arg, info = { .index = 0 };

	if (request != VFIO_DEVICE_GET_REGION_INFO || r->index != 0)
		return false;
	*rc = hook.rc;
	if (hook.rc)
		return true;
	memcpy(&info, hook.answer, sizeof(info));
	info.argsz = hook.need;
	info.size = hook.size;
	info.offset = hook.offset;
	info.flags |= 7;
	if (r->argsz < hook.need)
		info.cap_offset = 0;
	else if (hook.need <= sizeof(hook.answer))
		memcpy((uint8_t *)arg + sizeof(info), hook.answer + sizeof(info),
		       hook.need - sizeof(info));
	memcpy(arg, &info, sizeof(info));
	return true;
}

/* An answer with a sparse list of n areas, of which the i-th is put by put_area(). */
static void sparse_answer(uint32_t n)
{
	struct vfio_region_info info = { .flags = VFIO_REGION_INFO_FLAG_CAPS, .cap_offset = 48 };
	uint32_t head[2] = { n, 0 };

	hook.size = BAR;
	hook.need = 72 + (n < 100 ? n : 0) * 16;
	memcpy(hook.answer, &info, sizeof(info));
	put_cap(hook.answer, 48, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 56);
	put_cap(hook.answer, 56, VFIO_REGION_INFO_CAP_SPARSE_MMAP, 0);
	memcpy(hook.answer + 64, head, sizeof(head));
	fake.dev_ioctl = bar0;
}

static void put_area(unsigned i, uint64_t off, uint64_t size)
{
	uint64_t area[2] = { off, size };

	memcpy(hook.answer + 72 + i * 16, area, sizeof(area));
}

static void region_is(struct fix *x, unsigned n, const uint64_t at[][2])
{
	struct fl_vfio_region r;

	assert_int_equal(x->d->ops->region_info(x->d, 0, &r), 0);
	assert_int_equal(r.nsparse, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(r.sparse[i].offset, at[i][0]);
		assert_int_equal(r.sparse[i].size, at[i][1]);
	}
}

static void test_sparse(void **state)
{
	struct fix *x = *state;

	sparse_answer(3);
	put_area(0, 0, 0x1000);
	put_area(1, 0x8000, 0); /* an empty one */
	put_area(2, 0x1f000, 0x1000);
	open_it(x);
	region_is(x, 2, (const uint64_t[][2]){ { 0, 0x1000 }, { 0x1f000, 0x1000 } });
}

static void test_sparse_many(void **state)
{
	struct fix *x = *state;
	struct fl_vfio_region r;

	sparse_answer(31);
	for (unsigned i = 0; i < 31; i++)
		put_area(i, i * 0x1000, 0x800);
	open_it(x);
	assert_int_equal(x->d->ops->region_info(x->d, 0, &r), 0);
	assert_int_equal(r.nsparse, FL_VFIO_MAX_SPARSE);
	assert_int_equal(r.sparse[15].offset, 0xf000);
}

static void test_sparse_none(void **state)
{
	struct fix *x = *state;
	struct fl_vfio_region r;

	for (unsigned n = 0; n < 2; n++) {
		sparse_answer(n);
		put_area(0, 0x1000, 0); /* an empty one is none */
		open_it(x);
		assert_int_equal(x->d->ops->region_info(x->d, 0, &r), 0);
		assert_false(r.flags & FL_VFIO_REGION_F_MMAP);
		assert_true(r.flags & FL_VFIO_REGION_F_READ);
		x->d->ops->close(x->d);
		x->d = NULL;
	}
}

static void test_hostile_regions(void **state)
{
	struct fix *x = *state;

	fake.dev_ioctl = bar0;
	hook.need = sizeof(struct vfio_region_info);
	hook.size = UINT64_MAX;
	refused(x, -EPROTO, "region 0");
	hook.size = (uint64_t)INT64_MAX + 1;
	refused(x, -EPROTO, "beyond");
	hook.size = BAR;
	hook.offset = UINT64_MAX - 10;
	refused(x, -EPROTO, "beyond");
	hook.offset = INT64_MAX - BAR + 1;
	refused(x, -EPROTO, "beyond");
	hook.offset = 0;
	hook.need = 70000; /* that nothing is */
	refused(x, -EPROTO, "Protocol error");
	hook.rc = -EIO;
	refused(x, -EPROTO, "Input/output");
	hook.rc = 0;

	sparse_answer(UINT32_MAX);
	refused(x, -EPROTO, "more areas");
	sparse_answer(1);
	put_area(0, BAR, 1);
	refused(x, -EPROTO, "outside the region");
	put_area(0, 0x1000, UINT64_MAX);
	refused(x, -EPROTO, "outside the region");
	put_area(0, UINT64_MAX - 0xfff, 0x2000);
	refused(x, -EPROTO, "outside the region");
	/* a chain that does not end has what was found in it */
	put_area(0, 0, BAR);
	put_cap(hook.answer, 48, VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 48);
	open_it(x);
	region_is(x, 0, NULL);
}

static bool growing(struct fake_dev *d, unsigned long request, void *arg, int *rc)
{
	struct vfio_region_info *r = arg;

	if (request != VFIO_DEVICE_GET_REGION_INFO || r->index != 0)
		return false;
	r->argsz += 16;
	r->flags = VFIO_REGION_INFO_FLAG_CAPS;
	*rc = 0;
	return true;
}

static void test_growing_answer(void **state)
{
	fake.dev_ioctl = growing;
	refused(*state, -EPROTO, "region 0");
}

/* ---- the pages of the MSI-X table --------------------------------------------------------- */

static void msix_cap(struct fix *x, uint32_t table, uint32_t pba)
{
	config16(x, PCI_STATUS, PCI_STATUS_CAP_LIST);
	config16(x, PCI_CAPABILITY_LIST, 0x43); /* the low bits are reserved */
	config16(x, 0x40, 0x5000 | PCI_CAP_ID_PM);
	config16(x, 0x50, PCI_CAP_ID_MSIX);
	config16(x, 0x52, 4);
	config32(x, 0x54, table);
	config32(x, 0x58, pba);
}

static void cut_to(struct fix *x, uint32_t table, uint32_t pba, unsigned n, const uint64_t at[][2])
{
	msix_cap(x, table, pba);
	open_it(x);
	region_is(x, n, at);
	x->d->ops->close(x->d);
	x->d = NULL;
}

static void test_msix_pages(void **state)
{
	struct fix *x = *state;
	struct fl_vfio_region r;

	cut_to(x, 0x3000, 0x5800, 3,
	       (const uint64_t[][2]){ { 0, 0x3000 }, { 0x4000, 0x1000 }, { 0x6000, 0x1a000 } });
	/* over the end of a page; and table and pending bits in one */
	cut_to(x, 0x3fe0, 0x4800, 2, (const uint64_t[][2]){ { 0, 0x3000 }, { 0x5000, 0x1b000 } });
	cut_to(x, 0, 0x1f000, 1, (const uint64_t[][2]){ { 0x1000, 0x1e000 } });
	/* outside the BAR; in one that is not there, or does not exist */
	cut_to(x, 0x40000, 0xfffffff8, 1, (const uint64_t[][2]){ { 0, BAR } });
	cut_to(x, 3, 0x1000 | 7, 0, NULL);
	/* with the kernel's own list */
	sparse_answer(2);
	put_area(0, 0, 0x4000);
	put_area(1, 0x8000, 0x8000);
	cut_to(x, 0x1000, 0xa000, 4,
	       (const uint64_t[][2]){
		       { 0, 0x1000 }, { 0x2000, 0x2000 }, { 0x8000, 0x2000 }, { 0xb000, 0x5000 } });
	fake.dev_ioctl = NULL;
	/* nothing is left of a BAR that holds nothing else */
	x->f->region_size[0] = 0x1000;
	msix_cap(x, 0, 0x800);
	open_it(x);
	assert_int_equal(x->d->ops->region_info(x->d, 0, &r), 0);
	assert_int_equal(r.size, 0x1000);
	assert_int_equal(r.flags, FL_VFIO_REGION_F_READ | FL_VFIO_REGION_F_WRITE);
}

static void test_hostile_caps(void **state)
{
	struct fix *x = *state;

	msix_cap(x, 0x3000, 0x3000);
	config16(x, 0x40, 0x4000 | PCI_CAP_ID_PM); /* circles */
	open_it(x);
	region_is(x, 0, NULL);
	x->d->ops->close(x->d);
	config16(x, 0x40, 0x3000 | PCI_CAP_ID_PM); /* into the header */
	open_it(x);
	region_is(x, 0, NULL);
	x->d->ops->close(x->d);
	config16(x, 0x40, 0xfc00 | PCI_CAP_ID_PM); /* at the end of what there is */
	config16(x, 0xfc, PCI_CAP_ID_MSIX);
	x->f->region_size[VFIO_PCI_CONFIG_REGION_INDEX] = 256;
	open_it(x);
	region_is(x, 0, NULL);
	x->d->ops->close(x->d);
	x->f->region_size[VFIO_PCI_CONFIG_REGION_INDEX] = 0;
	open_it(x);
	region_is(x, 0, NULL);
}

/* ---- access ------------------------------------------------------------------------------- */

static void test_access(void **state)
{
	struct fix *x = *state;
	const struct fl_vfio_ops *ops;
	uint32_t v = 0x12345678, w = 0;
	struct fl_vfio_region r;
	void *va;

	x->f->region_size[1] = 8; /* I/O ports: read and written, not mapped */
	x->f->region_flags[1] = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	x->f->region_size[2] = 0x2000; /* read only */
	x->f->region_flags[2] = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_MMAP;
	open_it(x);
	ops = x->d->ops;
	assert_int_equal(ops->region_write(x->d, 1, 4, &v, 4), 0);
	assert_int_equal(pread(x->f->memfd, &w, 4, FAKE_REGION(1) + 4), 4);
	assert_int_equal(w, v);
	w = 0;
	assert_int_equal(ops->region_read(x->d, 1, 4, &w, 2), 0);
	assert_int_equal(w, 0x5678);
	assert_int_equal(ops->region_read(x->d, 1, 5, &w, 4), -EINVAL);
	assert_int_equal(ops->region_read(x->d, 1, UINT64_MAX, &w, 4), -EINVAL);
	assert_int_equal(ops->region_read(x->d, 3, 0, &w, 1), -EINVAL);
	assert_int_equal(ops->region_read(x->d, 9, 0, &w, 1), -EINVAL);
	assert_int_equal(ops->region_read(x->d, UINT32_MAX, 0, &w, 1), -EINVAL);
	assert_int_equal(ops->region_write(x->d, 2, 0, &v, 4), -EACCES);
	assert_int_equal(ops->region_read(x->d, 2, 0, &w, 4), 0);
	assert_int_equal(ops->region_info(x->d, 77, &r), 0);
	assert_int_equal(r.size, 0);

	assert_int_equal(ops->region_mmap(x->d, 1, 0, 8, &va), -EOPNOTSUPP);
	assert_int_equal(ops->region_mmap(x->d, 3, 0, 4096, &va), -EOPNOTSUPP);
	assert_int_equal(ops->region_mmap(x->d, 99, 0, 4096, &va), -EINVAL);
	assert_int_equal(ops->region_mmap(x->d, 0, BAR, 4096, &va), -EINVAL);
	assert_int_equal(ops->region_mmap(x->d, 0, 4096, UINT64_MAX - 4095, &va), -EINVAL);
	assert_int_equal(ops->region_mmap(x->d, 0, 0x1000, 0x1000, &va), 0);
	*(volatile uint32_t *)va = v;
	assert_int_equal(ops->region_read(x->d, 0, 0x1000, &w, 4), 0);
	assert_int_equal(w, v);
	assert_false(child_has(va));
	assert_int_equal(munmap(va, 0x1000), 0);

	/* less than asked for is an error, wherever it ends */
	assert_int_equal(ftruncate(x->f->memfd, FAKE_REGION(1) + 6), 0);
	assert_int_equal(ops->region_read(x->d, 1, 4, &w, 4), -EIO);
	assert_int_equal(ops->region_read(x->d, 2, 0, &w, 4), -EIO);
}

static void test_mmap_fails(void **state)
{
	struct fix *x = *state;
	struct fl_vk_dev *d;
	uint32_t v;
	void *va;
	int other;

	open_it(x);
	d = (struct fl_vk_dev *)x->d;
	other = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(dup2(other, d->fd), d->fd); /* what cannot be mapped and has no places */
	assert_int_equal(x->d->ops->region_mmap(x->d, 0, 0x3000, 0x1000, &va), -ENODEV);
	assert_true(fake_logged("0x1000 bytes at 0x3000 of BAR 0"));
	assert_int_equal(x->d->ops->region_read(x->d, 0, 0, &v, 4), -ESPIPE);
	close(other);
}

static void test_there(void **state)
{
	struct fix *x = *state;
	const uint8_t ones = 0xff;

	open_it(x);
	assert_int_equal(x->d->ops->event_fd(x->d), -1);
	assert_int_equal(x->d->ops->dispatch(x->d), 0);
	config(x, PCI_HEADER_TYPE, &ones, 1);
	assert_int_equal(x->d->ops->dispatch(x->d), -ENODEV);
	assert_true(x->d->removed);
}

/* ---- interrupts --------------------------------------------------------------------------- */

static bool irqs(struct fake_dev *d, unsigned long request, void *arg, int *rc)
{
	const struct vfio_irq_set *s = arg;

	if (request != VFIO_DEVICE_SET_IRQS)
		return false;
	memcpy(&hook.set, s, sizeof(hook.set));
	hook.sets++;
	if (s->flags & VFIO_IRQ_SET_DATA_EVENTFD)
		memcpy(hook.fds, s->data, s->count * sizeof(int));
	*rc = hook.rc;
	return true;
}

static void set_is(uint32_t flags, unsigned index, unsigned start, unsigned count, size_t data)
{
	assert_int_equal(hook.set.flags, flags);
	assert_int_equal(hook.set.index, index);
	assert_int_equal(hook.set.start, start);
	assert_int_equal(hook.set.count, count);
	assert_int_equal(hook.set.argsz, sizeof(struct vfio_irq_set) + data);
}

static void test_irq_set(void **state)
{
	struct fix *x = *state;
	const struct fl_vfio_ops *ops;
	const int fds[5] = { 10, -1, 12, 13, -1 };

	open_it(x);
	ops = x->d->ops;
	fake.dev_ioctl = irqs;
	assert_int_equal(ops->irq_set(x->d, FL_VFIO_IRQ_MSIX, 0, 5, FL_VFIO_IRQ_TRIGGER, fds), 0);
	set_is(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 2, 0, 5, sizeof(fds));
	assert_memory_equal(hook.fds, fds, sizeof(fds));
	assert_int_equal(ops->irq_set(x->d, FL_VFIO_IRQ_MSIX, 4, 1, FL_VFIO_IRQ_TRIGGER, fds), 0);
	set_is(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 2, 4, 1, 4);
	assert_int_equal(ops->irq_set(x->d, FL_VFIO_IRQ_MSIX, 0, 0, FL_VFIO_IRQ_TRIGGER, NULL), 0);
	set_is(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 2, 0, 0, 0);
	assert_int_equal(ops->irq_set(x->d, FL_VFIO_IRQ_INTX, 0, 1, FL_VFIO_IRQ_MASK, NULL), 0);
	set_is(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK, 0, 0, 1, 0);
	assert_int_equal(ops->irq_set(x->d, FL_VFIO_IRQ_INTX, 0, 1, FL_VFIO_IRQ_UNMASK, NULL), 0);
	set_is(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, 0, 0, 1, 0);
	assert_int_equal(ops->irq_set(x->d, FL_VFIO_IRQ_INTX, 0, 1, FL_VFIO_IRQ_UNMASK, fds), 0);
	set_is(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, 0, 0, 1, 4);

	/* none of these comes to the kernel */
	hook.sets = 0;
	assert_int_equal(ops->irq_set(x->d, 2, 0, 6, FL_VFIO_IRQ_TRIGGER, fds), -EINVAL);
	assert_int_equal(ops->irq_set(x->d, 2, 5, 1, FL_VFIO_IRQ_TRIGGER, fds), -EINVAL);
	assert_int_equal(ops->irq_set(x->d, 2, UINT32_MAX, 1, FL_VFIO_IRQ_TRIGGER, fds), -EINVAL);
	assert_int_equal(ops->irq_set(x->d, 2, 1, UINT32_MAX, FL_VFIO_IRQ_TRIGGER, fds), -EINVAL);
	assert_int_equal(ops->irq_set(x->d, 2, 0, 1, FL_VFIO_IRQ_TRIGGER, NULL), -EINVAL);
	assert_int_equal(ops->irq_set(x->d, 0, 0, 0, FL_VFIO_IRQ_MASK, NULL), -EINVAL);
	assert_int_equal(ops->irq_set(x->d, 5, 0, 0, FL_VFIO_IRQ_TRIGGER, NULL), -EINVAL);
	assert_int_equal(ops->irq_set(x->d, 0, 0, 1, (enum fl_vfio_irq_action)3, NULL), -EINVAL);
	assert_int_equal(hook.sets, 0);

	/* it cannot; it could give three of the five */
	hook.rc = -ENOTTY;
	assert_int_equal(ops->irq_set(x->d, 1, 0, 1, FL_VFIO_IRQ_MASK, NULL), -EOPNOTSUPP);
	hook.rc = 3;
	assert_int_equal(ops->irq_set(x->d, 2, 0, 5, FL_VFIO_IRQ_TRIGGER, fds), -ENOSPC);
	assert_true(fake_logged("3 of 5"));
	fake.dev_ioctl = NULL;
}

static void test_hostile_irqs(void **state)
{
	struct fix *x = *state;
	struct fl_vfio_irq i;

	x->f->irq_count[FL_VFIO_IRQ_MSIX] = UINT32_MAX;
	refused(x, -EPROTO, "4294967295 vectors");
	x->f->irq_count[FL_VFIO_IRQ_MSIX] = 2049;
	refused(x, -EPROTO, "2049 vectors");
	x->f->irq_count[FL_VFIO_IRQ_MSIX] = 2048;
	open_it(x);
	assert_int_equal(x->d->ops->irq_info(x->d, FL_VFIO_IRQ_MSIX, &i), 0);
	assert_int_equal(i.count, 2048);
	assert_int_equal(x->d->ops->irq_info(x->d, 1000, &i), 0);
	assert_int_equal(i.count, 0);
}

static bool absent(struct fake_dev *d, unsigned long request, void *arg, int *rc)
{
	const struct vfio_irq_info *i = arg;
	struct vfio_device_info *info = arg;

	if (request == VFIO_DEVICE_GET_INFO) {
		info->flags = hook.says;
		info->num_regions = info->num_irqs = UINT32_MAX;
		*rc = 0;
		return true;
	}
	*rc = -EINVAL;
	return request == VFIO_DEVICE_GET_IRQ_INFO && i->index == FL_VFIO_IRQ_ERR;
}

static void test_device_info(void **state)
{
	struct fix *x = *state;
	struct fl_vfio_irq i;

	fake.dev_ioctl = absent;
	hook.says = VFIO_DEVICE_FLAGS_PLATFORM;
	refused(x, -ENODEV, "not a PCI device");
	hook.says = VFIO_DEVICE_FLAGS_PCI; /* it may have more of both than we know */
	open_it(x);
	assert_int_equal(x->d->nregions, VFIO_PCI_NUM_REGIONS);
	assert_int_equal(x->d->nirqs, VFIO_PCI_NUM_IRQS);
	assert_false(x->d->resettable);
	assert_int_equal(x->d->ops->irq_info(x->d, FL_VFIO_IRQ_ERR, &i), 0);
	assert_int_equal(i.count, 0);
	assert_int_equal(x->d->ops->irq_info(x->d, FL_VFIO_IRQ_REQ, &i), 0);
	assert_int_equal(i.count, 1);
}

/* ---- resets ------------------------------------------------------------------------------- */

static bool resets(struct fake_dev *d, unsigned long request, void *arg, int *rc)
{
	struct vfio_pci_hot_reset_info *info = arg;
	const struct vfio_pci_hot_reset *r = arg;

	*rc = hook.rc;
	if (hook.busy && request != VFIO_DEVICE_GET_PCI_HOT_RESET_INFO) {
		hook.busy--;
		*rc = -EAGAIN;
		return true;
	}
	if (request == VFIO_DEVICE_RESET)
		return true;
	if (request == VFIO_DEVICE_PCI_HOT_RESET) {
		assert_int_equal(r->argsz, sizeof(*r) + r->count * sizeof(int));
		hook.nfds = r->count;
		memcpy(hook.group_fds, r->group_fds, r->count * sizeof(int));
		return true;
	}
	if (request != VFIO_DEVICE_GET_PCI_HOT_RESET_INFO)
		return false;
	hook.asked++;
	info->count = hook.says ? hook.says : hook.count;
	if (info->argsz < sizeof(*info) + hook.count * sizeof(hook.functions[0]))
		*rc = -ENOSPC;
	else
		memcpy(info->devices, hook.functions, hook.count * sizeof(hook.functions[0]));
	return true;
}

static void function(uint32_t group, uint16_t segment, uint8_t bus, uint8_t dev, uint8_t fn)
{
	hook.functions[hook.count++] = (struct vfio_pci_dependent_device){
		.group_id = group, .segment = segment, .bus = bus, .devfn = (uint8_t)(dev << 3 | fn)
	};
}

static void test_reset(void **state)
{
	struct fix *x = *state;

	open_it(x);
	assert_int_equal(x->d->ops->reset(x->d), 0);
	assert_int_equal(x->f->resets, 1);
	fake.dev_ioctl = resets;
	/* the kernel has it locked for a moment, as when it recovers from an error */
	hook.busy = 3;
	assert_int_equal(x->d->ops->reset(x->d), 0);
	assert_int_equal(hook.busy, 0);
	assert_false(fake_logged("under way"));
	hook.rc = -EAGAIN;
	assert_int_equal(x->d->ops->reset(x->d), -EAGAIN);
	assert_true(fake_logged("under way"));
	x->d->resettable = false;
	assert_int_equal(x->d->ops->reset(x->d), -EOPNOTSUPP);
}

static void test_hot_reset(void **state)
{
	static const struct fl_vfio_open how = { FL_VFIO_CONTAINER, -1, -1, -1, -1, NULL, false };
	struct fix *x = *state;
	struct fl_vfio_dev *c;

	fake_add("0000:01:00.1", 5, "vfio-pci");
	fake_add("0000:01:00.2", 6, "vfio-pci");
	open_it(x);
	fake.dev_ioctl = resets;
	function(5, 0, 1, 0, 0);
	function(5, 0, 1, 0, 1);
	function(6, 0, 1, 0, 2);
	function(UINT32_MAX, 0, 1, 0, 3);
	assert_int_equal(x->d->ops->hot_reset(x->d), -EBUSY);
	assert_true(fake_logged("would also reset 0000:01:00.2 0000:01:00.3, which"));
	hook.count--;
	assert_int_equal(fl_vfio_kernel_open(x->k, "0000:01:00.2", &how, &c), 0);
	hook.busy = 1;
	assert_int_equal(x->d->ops->hot_reset(x->d), 0);
	/* each group once; with it goes what of it is not open, which nobody else can have */
	assert_int_equal(hook.nfds, 2);
	assert_int_equal(hook.group_fds[0], fake_group(5)->fd);
	assert_int_equal(hook.group_fds[1], fake_group(6)->fd);
	/* one that was released is not ours to reset */
	c->ops->release(c);
	assert_int_equal(x->d->ops->hot_reset(x->d), -EBUSY);
	assert_int_equal(c->ops->hot_reset(c), -ENODEV);
	c->ops->close(c);
	/* a bus that cannot be reset */
	hook.rc = -ENODEV;
	assert_int_equal(x->d->ops->hot_reset(x->d), -EOPNOTSUPP);
}

static void test_hot_reset_many(void **state)
{
	struct fix *x = *state;

	open_it(x);
	fake.dev_ioctl = resets;
	for (unsigned i = 0; i < 300; i++)
		function(7, 1, (uint8_t)(i >> 8), (uint8_t)(i >> 3 & 31), i & 7);
	assert_int_equal(x->d->ops->hot_reset(x->d), -EBUSY);
	assert_int_equal(hook.asked, 2);
	assert_true(fake_logged("0001:00:00.0 0001:00:00.1"));
	assert_true(fake_logged(" ..., which"));
	/* lies */
	hook.says = 10;
	assert_int_equal(x->d->ops->hot_reset(x->d), -EPROTO);
	hook.says = UINT32_MAX;
	assert_int_equal(x->d->ops->hot_reset(x->d), -EPROTO);
	hook.count = 1;
	hook.says = 257;
	assert_int_equal(x->d->ops->hot_reset(x->d), -EPROTO);
}

/* ---- as a device of the library ------------------------------------------------------------- */

static unsigned events[3];

static void on_event(struct fl_dev *dev, enum fl_dev_event ev, void *arg)
{
	events[ev]++;
}

static void open_dev(struct fix *x)
{
	memset(events, 0, sizeof(events));
	assert_int_equal(fl_dev_open(x->ctx, "k:" A, &x->dev), 0);
	fl_dev_on_event(x->dev, on_event, NULL);
}

static void ring(struct fix *x, unsigned index)
{
	assert_int_equal(eventfd_write(x->f->vec_fd[index][0], 1), 0);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 1);
}

static void test_wanted_back(void **state)
{
	struct fix *x = *state;
	struct fl_doorbell db;
	unsigned fds = fake_fds();

	open_dev(x);
	assert_string_equal(fl_dev_transport(x->dev), "container");
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSIX, 2), 0);
	fl_doorbell_init(&db, x->dev, 0, 0x3000);
	assert_non_null(db.ptr);
	ring(x, FL_VFIO_IRQ_REQ);
	assert_int_equal(events[FL_DEV_REQUEST], 1);
	assert_int_not_equal(fake_group(5)->users, 0);
	ring(x, FL_VFIO_IRQ_REQ);
	assert_int_equal(events[FL_DEV_REMOVED], 1);
	/* nothing of it is open any more: what the kernel waits for */
	assert_int_equal(fake_group(5)->users, 0);
	assert_int_equal(fake_group(5)->fd, 0);
	assert_int_equal(fake_containers(), 0);
	assert_int_equal(fake_fds(), fds + 3); /* two vectors' and ours to wake */
	fl_doorbell_ring(&db, 7);

	/* bound to another driver it does not come, and back on vfio-pci it does */
	fake_bind(x->f, "e1000e");
	assert_int_equal(fl_dev_reattach(x->dev), -ENODEV);
	assert_true(fake_logged("e1000e"));
	fake_bind(x->f, "vfio-pci");
	assert_int_equal(fl_dev_reattach(x->dev), 0);
	assert_int_equal(x->f->nvecs[FL_VFIO_IRQ_MSIX], 2);
	assert_true(x->f->vec_fd[FL_VFIO_IRQ_REQ][0] >= 0);
}

static void test_pulled_out(void **state)
{
	struct fix *x = *state;
	uint8_t ones[64];

	open_dev(x);
	memset(ones, 0xff, sizeof(ones));
	/* only what the kernel has no copy of */
	config(x, PCI_CACHE_LINE_SIZE, ones, 4);
	assert_int_equal(pwrite(x->f->memfd, ones, 4, FAKE_REGION(0) + 8), 4);
	usleep(2000);
	assert_int_equal(fl_bar_read32(x->dev, 0, 8), UINT32_MAX);
	assert_true(fl_dev_removed(x->dev));
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 1);
	assert_int_equal(events[FL_DEV_REMOVED], 1);
	assert_int_equal(fake_group(5)->fd, 0);
}

static void test_grow(void **state)
{
	struct fix *x = *state;

	x->f->irq_flags[FL_VFIO_IRQ_MSIX] = VFIO_IRQ_INFO_EVENTFD;
	open_dev(x);
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSIX, 2), 0);
	fake.dev_ioctl = irqs;
	assert_int_equal(fl_dev_irq_grow(x->dev, 5), 0);
	assert_int_equal(hook.sets, 1);
	set_is(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 2, 2, 3, 12);
	fake.dev_ioctl = NULL;
}

struct hammer {
	struct fl_dev *dev;
	struct fl_doorbell mapped, trapped;
	bool stop;
	uint32_t rounds, odd;
};

static void *hammer(void *arg)
{
	struct hammer *h = arg;

	while (!__atomic_load_n(&h->stop, __ATOMIC_RELAXED)) {
		uint32_t v = fl_bar_read32(h->dev, 0, 0x5000);

		__atomic_fetch_add(&h->odd, v != 5 && v != UINT32_MAX, __ATOMIC_RELAXED);
		v = fl_bar_read32(h->dev, 1, 4);
		__atomic_fetch_add(&h->odd, v != 6 && v != UINT32_MAX, __ATOMIC_RELAXED);
		fl_doorbell_ring(&h->mapped, 1);
		fl_doorbell_ring(&h->trapped, 1);
		__atomic_fetch_add(&h->rounds, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void some_rounds(struct hammer *h)
{
	uint32_t start = __atomic_load_n(&h->rounds, __ATOMIC_RELAXED);

	while (__atomic_load_n(&h->rounds, __ATOMIC_RELAXED) - start < 200)
		sched_yield();
}

/* Its descriptor is closed, and may be another file's by then: no access may meet that. */
static void test_release_under_fire(void **state)
{
	const uint32_t five = 5, six = 6;
	struct fix *x = *state;
	struct hammer h;
	pthread_t t[2];
	char name[32];
	uint32_t v[4];
	int fd;

	x->f->region_size[1] = 8;
	x->f->region_flags[1] = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	assert_int_equal(pwrite(x->f->memfd, &five, 4, FAKE_REGION(0) + 0x5000), 4);
	assert_int_equal(pwrite(x->f->memfd, &six, 4, FAKE_REGION(1) + 4), 4);
	open_dev(x);
	for (unsigned i = 0; i < 10; i++) {
		int old = ((struct fl_vk_dev *)x->k->devs)->fd;

		h = (struct hammer){ .dev = x->dev };
		fl_doorbell_init(&h.mapped, x->dev, 0, 0x3000);
		fl_doorbell_init(&h.trapped, x->dev, 1, 0);
		for (unsigned k = 0; k < 2; k++)
			assert_int_equal(pthread_create(&t[k], NULL, hammer, &h), 0);
		some_rounds(&h);
		fl_dev_release(x->dev);
		snprintf(name, sizeof(name), "other-%u", i);
		fd = memfd_create(name, MFD_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(dup2(fd, old), old);
		some_rounds(&h);
		__atomic_store_n(&h.stop, true, __ATOMIC_RELAXED);
		for (unsigned k = 0; k < 2; k++)
			pthread_join(t[k], NULL);
		assert_int_equal(h.odd, 0);
		assert_int_equal(pread(fd, v, sizeof(v), FAKE_REGION(1)), 0);
		close(fd);
		close(old);
		assert_int_equal(fl_dev_reattach(x->dev), 0);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_caps),
		T(test_sparse),
		T(test_sparse_many),
		T(test_sparse_none),
		T(test_hostile_regions),
		T(test_growing_answer),
		T(test_msix_pages),
		T(test_hostile_caps),
		T(test_access),
		T(test_mmap_fails),
		T(test_there),
		T(test_irq_set),
		T(test_hostile_irqs),
		T(test_device_info),
		T(test_reset),
		T(test_hot_reset),
		T(test_hot_reset_many),
		T(test_wanted_back),
		T(test_pulled_out),
		T(test_grow),
		T(test_release_under_fire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
