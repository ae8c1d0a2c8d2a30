/* SPDX-License-Identifier: BSD-3-Clause */
#include "model_toy.h"

#include <linux/vfio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

struct fixture {
	struct fl_engine *e;
	struct toy *t;
	struct fl_model *m;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->e = toy_engine(false);
	f->t = toy_add(f->e, "wire=none");
	f->m = f->t->m;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fl_engine_destroy(f->e);
	free(f);
	return 0;
}

static uint32_t cfg_read(struct fl_model *m, unsigned off, unsigned size)
{
	uint32_t v = 0;

	assert_int_equal(fl_model_region(m, FL_VFIO_REGION_CONFIG, off, &v, size, false), 0);
	return v;
}

static void cfg_write(struct fl_model *m, unsigned off, unsigned size, uint32_t v)
{
	assert_int_equal(fl_model_region(m, FL_VFIO_REGION_CONFIG, off, &v, size, true), 0);
}

static void bus_master(struct fl_model *m)
{
	cfg_write(m, 4, 2, 6);
}

static void bar_write(struct fl_model *m, unsigned bar, uint64_t off, uint32_t v)
{
	assert_int_equal(fl_model_region(m, bar, off, &v, 4, true), 0);
}

static uint32_t bar_read(struct fl_model *m, unsigned bar, uint64_t off)
{
	uint32_t v = 0;

	assert_int_equal(fl_model_region(m, bar, off, &v, 4, false), 0);
	return v;
}

/* ---- arguments ------------------------------------------------------------------------ */

static void test_args(void **state)
{
	struct fl_args a;
	uint64_t v;
	bool b;

	assert_int_equal(fl_args_parse(&toy_log, "rate=10k,on=yes,off=0,flag,x=0x20,big=3G", &a),
			 0);
	assert_int_equal(fl_args_u64(&a, "rate", 1, &v), 0);
	assert_int_equal(v, 10000);
	assert_int_equal(fl_args_u64(&a, "absent", 7, &v), 0);
	assert_int_equal(v, 7);
	assert_int_equal(fl_args_u64(&a, "x", 0, &v), 0);
	assert_int_equal(v, 32);
	assert_int_equal(fl_args_u64(&a, "big", 0, &v), 0);
	assert_int_equal(v, 3000000000u);
	assert_int_equal(fl_args_bool(&a, "on", false, &b), 0);
	assert_true(b);
	assert_int_equal(fl_args_bool(&a, "off", true, &b), 0);
	assert_false(b);
	assert_int_equal(fl_args_check_used(&a), -EINVAL);
	assert_non_null(strstr(toy_said, "flag"));
	assert_int_equal(fl_args_bool(&a, "flag", false, &b), 0);
	assert_true(b);
	assert_int_equal(fl_args_check_used(&a), 0);
	assert_int_equal(fl_args_u64(&a, "on", 0, &v), -EINVAL);
	assert_int_equal(fl_args_bool(&a, "rate", 0, &b), -EINVAL);
	fl_args_free(&a);
	assert_int_equal(fl_args_parse(&toy_log, "a=1,a=2", &a), -EINVAL);
	assert_int_equal(fl_args_parse(&toy_log, "a=1,,b=2", &a), -EINVAL);
	assert_int_equal(fl_args_parse(&toy_log, NULL, &a), 0);
	for (const char *const *s =
		     (const char *const[]){ "-1", "1x", "", "1kk", "k", "99999999999999999999",
					    "99999999999G", NULL };
	     *s; s++)
		assert_int_equal(fl_parse_u64(*s, &v), -EINVAL);
}

static void test_create_refuses(void **state)
{
	struct fixture *f = *state;
	struct fl_model *m;

	assert_int_equal(fl_engine_add_ops(f->e, &toy_ops, "wire=none,colour=red", NULL, -1, 0, &m),
			 -EINVAL);
	assert_int_equal(fl_engine_add(f->e, "no-such", NULL, 5000, &m), -ENOENT);
	assert_int_equal(fl_engine_add(f->e, "no-such", NULL, -1, &m), -EINVAL);
	assert_null(fl_model_at(1000));
}

/* ---- config space --------------------------------------------------------------------- */

static void test_identity_and_bars(void **state)
{
	struct fl_model *m = ((struct fixture *)*state)->m;

	assert_int_equal(cfg_read(m, 0, 4), 0x10d38086);
	assert_int_equal(cfg_read(m, 8, 4), 0x02000000);
	assert_int_equal(cfg_read(m, 0x2c, 4), 0xa01f8086);
	cfg_write(m, 0, 4, 0);
	assert_int_equal(cfg_read(m, 0, 4), 0x10d38086);
	for (unsigned b = 0; b < 6; b++)
		cfg_write(m, 0x10 + b * 4, 4, ~0u);
	assert_int_equal(cfg_read(m, 0x10, 4), 0xffff0000);
	assert_int_equal(cfg_read(m, 0x14, 4), 0);
	assert_int_equal(cfg_read(m, 0x18, 4), 0xffffffe1);
	assert_int_equal(cfg_read(m, 0x20, 4), 0xffffc00c);
	assert_int_equal(cfg_read(m, 0x24, 4), 0xffffffff);
	assert_int_equal(cfg_read(m, 0x30, 4), 0);
	/* in bytes too */
	cfg_write(m, 0x12, 1, 0x12);
	cfg_write(m, 0x13, 1, 0xfe);
	assert_int_equal(cfg_read(m, 0x10, 4), 0xfe120000);
}

static void test_write_masks(void **state)
{
	struct fl_model *m = ((struct fixture *)*state)->m;

	cfg_write(m, 4, 2, 0xffff);
	assert_int_equal(cfg_read(m, 4, 2), 0x0547);
	fl_model_cfg_set(m, 6, 2, 0xf910);
	cfg_write(m, 6, 2, 0x8000);
	assert_int_equal(cfg_read(m, 6, 2), 0x7910);
	cfg_write(m, 4, 4, 0x70000000);
	assert_int_equal(cfg_read(m, 6, 2), 0x0910);
	cfg_write(m, 0x3c, 4, 0xffffffff);
	assert_int_equal(cfg_read(m, 0x3c, 4), 0x000001ff);
	cfg_write(m, 0xc8 + 4, 2, 0xffff);
	assert_int_equal(cfg_read(m, 0xc8 + 4, 2), 0x0103);
	cfg_write(m, 0xd0 + 2, 2, 0xffff);
	assert_int_equal(cfg_read(m, 0xd0 + 2, 2), 0x00f1);
	cfg_write(m, 0xa0 + 2, 2, 0xffff);
	assert_int_equal(cfg_read(m, 0xa0 + 2, 2), 0xc004);
}

static void test_capability_lists(void **state)
{
	struct fl_model *m = ((struct fixture *)*state)->m;
	static const uint8_t ids[] = { 0x01, 0x05, 0x10, 0x11 };
	unsigned off = cfg_read(m, 0x34, 1), n = 0;

	assert_true(cfg_read(m, 6, 2) & 0x10);
	for (; off; off = cfg_read(m, off + 1, 1))
		assert_int_equal(cfg_read(m, off, 1), ids[n++]);
	assert_int_equal(n, 4);
	assert_int_equal(cfg_read(m, 0x100, 4), 0x14010001);
	assert_int_equal(cfg_read(m, 0x140, 4), 0x00010003);
	assert_int_equal(fl_model_region_size(m, FL_VFIO_REGION_CONFIG), 4096);
}

static int create_overlapping(struct fl_model *m, struct fl_args *args, void **state)
{
	fl_model_add_pm(m, 0xc8);
	fl_model_add_msi(m, 0xcc, 1, true, false);
	return 0;
}

static int create_bad_bar(struct fl_model *m, struct fl_args *args, void **state)
{
	const struct fl_model_bar b = { .size = 0x3000 };

	fl_model_set_bar(m, 0, &b);
	return 0;
}

static int create_bad_ext(struct fl_model *m, struct fl_args *args, void **state)
{
	fl_model_add_ext_cap(m, 1, 1, 0x140, 0x40);
	return 0;
}

static void nothing(void *state)
{
}

static void test_impossible_models(void **state)
{
	struct fixture *f = *state;
	int (*create[])(struct fl_model *, struct fl_args *,
			void **) = { create_overlapping, create_bad_bar, create_bad_ext };
	struct fl_model_ops ops = { .name = "bad", .destroy = nothing, .reset = nothing };
	struct fl_model *m;

	for (unsigned i = 0; i < FL_ARRAY_SIZE(create); i++) {
		ops.create = create[i];
		assert_int_equal(fl_engine_add_ops(f->e, &ops, NULL, NULL, -1, 0, &m), -EINVAL);
	}
}

static void test_flr_and_reset(void **state)
{
	struct fixture *f = *state;
	unsigned resets = f->t->resets;

	bar_write(f->m, 0, 0, 77);
	bar_write(f->m, 0, TOY_SHARED + 8, 78);
	cfg_write(f->m, 0x10, 4, 0xfeb00000);
	bus_master(f->m);
	assert_int_equal(cfg_read(f->m, 0xe0 + 4, 4) >> 28, 1);
	cfg_write(f->m, 0xe0 + 8, 2, 0x8000);
	assert_int_equal(f->t->resets, resets + 1);
	assert_int_equal(bar_read(f->m, 0, 0), 0);
	assert_int_equal(bar_read(f->m, 0, TOY_SHARED + 8), 0);
	assert_int_equal(cfg_read(f->m, 0x10, 4), 0);
	assert_int_equal(cfg_read(f->m, 0xe0 + 8, 2), 0x2810);
	assert_false(fl_model_bus_master(f->m));
	/* a plain write of the register is no reset */
	cfg_write(f->m, 0xe0 + 8, 2, 0x0010);
	assert_int_equal(f->t->resets, resets + 1);
	assert_true(f->t->cfg_writes > 0);
}

/* ---- regions -------------------------------------------------------------------------- */

static void test_region_bounds(void **state)
{
	struct fl_model *m = ((struct fixture *)*state)->m;
	uint8_t b[16] = { 0 };

	assert_int_equal(fl_model_region(m, 0, TOY_BAR_SIZE - 4, b, 4, false), 0);
	assert_int_equal(fl_model_region(m, 0, TOY_BAR_SIZE - 3, b, 4, false), -EINVAL);
	assert_int_equal(fl_model_region(m, 0, UINT64_MAX - 1, b, 4, false), -EINVAL);
	assert_int_equal(fl_model_region(m, 1, 0, b, 4, false), -EINVAL);
	assert_int_equal(fl_model_region(m, 6, 0, b, 1, true), -EINVAL);
	assert_int_equal(fl_model_region(m, 8, 0, b, 1, true), -EINVAL);
	assert_int_equal(fl_model_region(m, 4000000000u, 0, b, 1, true), -EINVAL);
	assert_int_equal(fl_model_region(m, FL_VFIO_REGION_CONFIG, 4094, b, 4, true), -EINVAL);
}

static void test_odd_pieces(void **state)
{
	struct fl_model *m = ((struct fixture *)*state)->m;
	uint8_t in[13], out[13] = { 0 };

	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i + 1);
	assert_int_equal(fl_model_region(m, 0, TOY_SHARED + 3, in, sizeof(in), true), 0);
	assert_int_equal(fl_model_region(m, 0, TOY_SHARED + 3, out, sizeof(out), false), 0);
	assert_memory_equal(in, out, sizeof(in));
	assert_memory_equal((uint8_t *)fl_model_bar_mem(m, 0, TOY_SHARED) + 3, in, sizeof(in));
}

static void test_msix_table(void **state)
{
	struct fl_model *m = ((struct fixture *)*state)->m;

	assert_int_equal(bar_read(m, 4, 12), 1);
	bar_write(m, 4, 0, 0xfee00000);
	bar_write(m, 4, 4 * 16 + 12, 0);
	assert_int_equal(bar_read(m, 4, 0), 0xfee00000);
	assert_int_equal(bar_read(m, 4, 4 * 16 + 12), 0);
	assert_int_equal(bar_read(m, 4, 5 * 16), 0);
	fl_model_reset(m);
	assert_int_equal(bar_read(m, 4, 0), 0);
	assert_int_equal(bar_read(m, 4, 4 * 16 + 12), 1);
}

/* ---- interrupts ----------------------------------------------------------------------- */

#define EVENTFD_TRIGGER (VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER)
#define NONE_UNMASK	(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK)
#define NONE_MASK	(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK)
#define NONE_TRIGGER	(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER)

static uint64_t fired(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static int event(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void give(struct fl_model *m, unsigned index, unsigned vec, int fd)
{
	int fds[1] = { dup(fd) };

	assert_int_equal(fl_model_irq_set(m, index, vec, 1, EVENTFD_TRIGGER, NULL, fds, 1), 0);
	assert_int_equal(fds[0], -1);
}

static void test_intx_is_a_level(void **state)
{
	struct fl_model *m = ((struct fixture *)*state)->m;
	int fd = event(), un[1] = { event() }, mine = dup(un[0]);
	const uint64_t one = 1;

	give(m, FL_VFIO_IRQ_INTX, 0, fd);
	fl_model_intx(m, true);
	assert_int_equal(fired(fd), 1);
	assert_true(cfg_read(m, 6, 2) & 8);
	/* masked by itself: no second signal until the unmask, which finds it high */
	fl_model_intx(m, false);
	fl_model_intx(m, true);
	assert_int_equal(fired(fd), 0);
	assert_int_equal(fl_model_irq_set(m, 0, 0, 1, NONE_UNMASK, NULL, NULL, 0), 0);
	assert_int_equal(fired(fd), 1);
	fl_model_intx(m, false);
	assert_int_equal(fl_model_irq_set(m, 0, 0, 1, NONE_UNMASK, NULL, NULL, 0), 0);
	assert_int_equal(fired(fd), 0);
	assert_int_equal(fl_model_irq_set(m, 0, 0, 1, NONE_MASK, NULL, NULL, 0), 0);
	fl_model_intx(m, true);
	assert_int_equal(fired(fd), 0);
	/* an eventfd unmasks too */
	assert_int_equal(fl_model_irq_set(m, 0, 0, 1,
					  VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK,
					  NULL, un, 1),
			 0);
	fl_irq_unmask_event(m);
	assert_int_equal(fired(fd), 0);
	assert_int_equal(write(mine, &one, sizeof(one)), sizeof(one));
	fl_irq_unmask_event(m);
	assert_int_equal(fired(fd), 1);
	/* the command register's own mask */
	fl_model_intx(m, false);
	assert_int_equal(fl_model_irq_set(m, 0, 0, 1, NONE_UNMASK, NULL, NULL, 0), 0);
	cfg_write(m, 4, 2, 0x400);
	fl_model_intx(m, true);
	assert_int_equal(fired(fd), 0);
	cfg_write(m, 4, 2, 0);
	assert_int_equal(fired(fd), 1);
	close(mine);
	close(fd);
}

static void test_msix_vectors(void **state)
{
	struct fl_model *m = ((struct fixture *)*state)->m;
	int a = event(), b = event();

	assert_false(fl_model_msix_enabled(m));
	fl_model_msix(m, 0);
	give(m, FL_VFIO_IRQ_MSIX, 0, a);
	give(m, FL_VFIO_IRQ_MSIX, 4, b);
	assert_true(fl_model_msix_enabled(m));
	assert_false(fl_model_msi_enabled(m));
	assert_int_equal(fired(a), 0);
	fl_model_msix(m, 4);
	fl_model_msix(m, 4);
	fl_model_msix(m, 5);
	assert_int_equal(fired(b), 2);
	assert_int_equal(fired(a), 0);
	/* masked: pending, seen in the PBA, delivered once */
	assert_int_equal(fl_model_irq_set(m, 2, 4, 1, NONE_MASK, NULL, NULL, 0), 0);
	fl_model_msix(m, 4);
	fl_model_msix(m, 4);
	assert_int_equal(fired(b), 0);
	assert_int_equal(bar_read(m, 4, 0x2000), 1u << 4);
	assert_int_equal(fl_model_irq_set(m, 2, 4, 1, NONE_UNMASK, NULL, NULL, 0), 0);
	assert_int_equal(fired(b), 1);
	assert_int_equal(bar_read(m, 4, 0x2000), 0);
	/* INTx is quiet while messages are on */
	give(m, FL_VFIO_IRQ_INTX, 0, a);
	fl_model_intx(m, true);
	assert_int_equal(fired(a), 0);
	/* the client tests its own */
	assert_int_equal(fl_model_irq_set(m, 2, 4, 1, NONE_TRIGGER, NULL, NULL, 0), 0);
	assert_int_equal(fired(b), 1);
	assert_int_equal(fl_model_irq_set(m, 2, 0, 5,
					  VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER,
					  (const uint8_t[]){ 0, 1, 0, 0, 1 }, NULL, 0),
			 0);
	assert_int_equal(fired(b), 1);
	/* disabling the index lets INTx through */
	assert_int_equal(fl_model_irq_set(m, 2, 0, 0, NONE_TRIGGER, NULL, NULL, 0), 0);
	assert_false(fl_model_msix_enabled(m));
	assert_int_equal(fired(a), 1);
	fl_model_msix(m, 4);
	assert_int_equal(fired(b), 0);
	close(a);
	close(b);
}

static void test_irq_rubbish(void **state)
{
	struct fl_model *m = ((struct fixture *)*state)->m;
	int p[2], fds[2];

	assert_int_equal(fl_model_irq_set(m, 5, 0, 1, NONE_MASK, NULL, NULL, 0), -EINVAL);
	assert_int_equal(fl_model_irq_set(m, 2, 5, 1, NONE_MASK, NULL, NULL, 0), -EINVAL);
	assert_int_equal(fl_model_irq_set(m, 2, 4, UINT32_MAX, NONE_MASK, NULL, NULL, 0), -EINVAL);
	assert_int_equal(fl_model_irq_set(m, 2, 0, 1, 0x3f, NULL, NULL, 0), -EINVAL);
	assert_int_equal(fl_model_irq_set(m, 2, 0, 1, 0, NULL, NULL, 0), -EINVAL);
	assert_int_equal(fl_model_irq_set(m, 2, 0, 1, NONE_MASK | 0x100, NULL, NULL, 0), -EINVAL);
	assert_int_equal(fl_model_irq_set(m, 3, 0, 1, NONE_MASK, NULL, NULL, 0), -EINVAL);
	/* fewer fds than vectors; and what is not an eventfd */
	assert_int_equal(pipe(p), 0);
	fds[0] = p[0];
	fds[1] = p[1];
	assert_int_equal(fl_model_irq_set(m, 2, 0, 3, EVENTFD_TRIGGER, NULL, fds, 2), -EINVAL);
	assert_int_equal(fl_model_irq_set(m, 2, 0, 2, EVENTFD_TRIGGER, NULL, fds, 2), -EINVAL);
	assert_int_equal(fds[1], p[1]);
	close(p[0]);
	close(p[1]);
}

/* A counter that is full must not make the engine wait. */
static void test_full_eventfd(void **state)
{
	struct fl_model *m = ((struct fixture *)*state)->m;
	const uint64_t full = UINT64_MAX - 1;
	int fd = eventfd(0, 0);

	give(m, FL_VFIO_IRQ_MSIX, 0, fd);
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	fl_model_msix(m, 0);
	assert_int_equal(fired(fd), full);
	close(fd);
}

/* ---- DMA ------------------------------------------------------------------------------ */

static int memory(size_t len, uint8_t **p)
{
	int fd = memfd_create("dma", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	*p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(*p, MAP_FAILED);
	return fd;
}

static void test_dma_maps(void **state)
{
	struct fl_model *m = ((struct fixture *)*state)->m;
	uint8_t *mem, buf[8192];
	int fd = memory(0x10000, &mem);
	struct fl_model_stats st;

	bus_master(m);
	assert_int_equal(fl_model_map(m, 0x100000, 0x4000, FL_DMA_RW, fd, 0), 0);
	assert_int_equal(fl_model_map(m, 0x104000, 0x4000, FL_DMA_READ, fd, 0x8000), 0);
	for (unsigned i = 0; i < 0x10000; i++)
		mem[i] = (uint8_t)(i >> 6);
	/* across two mappings that touch in IOVA and not in the file */
	assert_int_equal(fl_model_dma_read(m, fl_iova(0x103000), buf, 0x2000), 0);
	assert_memory_equal(buf, mem + 0x3000, 0x1000);
	assert_memory_equal(buf + 0x1000, mem + 0x8000, 0x1000);
	/* holes, permissions, ends */
	assert_int_equal(fl_model_dma_read(m, fl_iova(0xfffff), buf, 2), -EFAULT);
	assert_int_equal(fl_model_dma_read(m, fl_iova(0x107fff), buf, 2), -EFAULT);
	assert_int_equal(fl_model_dma_write(m, fl_iova(0x104000), buf, 1), -EFAULT);
	assert_int_equal(fl_model_dma_read(m, fl_iova(UINT64_MAX), buf, 2), -EFAULT);
	fl_model_stats(m, &st);
	assert_int_equal(st.dma_faults, 4);
	memset(buf, 0xa5, sizeof(buf));
	assert_int_equal(fl_model_dma_write(m, fl_iova(0x100010), buf, 100), 0);
	assert_int_equal(mem[0x10], 0xa5);
	assert_int_equal(mem[0x73], 0xa5);
	assert_int_equal(mem[0x74], 1);
	/* refused maps */
	assert_int_equal(fl_model_map(m, 0x102000, 0x1000, FL_DMA_RW, fd, 0), -EEXIST);
	assert_int_equal(fl_model_map(m, 0xff000, 0x2000, FL_DMA_RW, fd, 0), -EEXIST);
	assert_int_equal(fl_model_map(m, 0x200000, 0, FL_DMA_RW, fd, 0), -EINVAL);
	assert_int_equal(fl_model_map(m, 0x200800, 0x1000, FL_DMA_RW, fd, 0), -EINVAL);
	assert_int_equal(fl_model_map(m, 0x200000, 0x1000, 0, fd, 0), -EINVAL);
	assert_int_equal(fl_model_map(m, 0x200000, 0x1000, 4, fd, 0), -EINVAL);
	assert_int_equal(fl_model_map(m, UINT64_MAX - 0xfff, 0x2000, FL_DMA_RW, fd, 0), -EINVAL);
	assert_int_equal(fl_model_map(m, 0x200000, 0x1000, FL_DMA_RW, fd, 0x10000), -EINVAL);
	assert_int_equal(fl_model_map(m, 0x200000, 0x20000, FL_DMA_RW, fd, 0), -EINVAL);
	assert_int_equal(fl_model_map(m, 0x200000, 0x1000, FL_DMA_RW, fd, UINT64_MAX - 0xfff),
			 -EINVAL);
	assert_int_equal(fl_model_map(m, 0x200000, 0x1000, FL_DMA_RW, fd, 0x801), -EINVAL);
	/* the very last page */
	assert_int_equal(fl_model_map(m, UINT64_MAX - 0xfff, 0x1000, FL_DMA_RW, fd, 0), 0);
	assert_int_equal(fl_model_dma_read(m, fl_iova(UINT64_MAX), buf, 1), 0);
	assert_int_equal(fl_model_dma_read(m, fl_iova(UINT64_MAX), buf, 2), -EFAULT);
	assert_int_equal(fl_iommu_unmap(&m->mmu, 0x101000, 0x1000), -EINVAL);
	assert_int_equal(fl_iommu_unmap(&m->mmu, 0x300000, 0x1000), -ENOENT);
	assert_int_equal(fl_iommu_unmap(&m->mmu, 0x100000, 0x8000), 0);
	assert_int_equal(fl_model_dma_read(m, fl_iova(0x100000), buf, 1), -EFAULT);
	munmap(mem, 0x10000);
	close(fd);
}

static void test_tlb_generations(void **state)
{
	struct fl_model *m = ((struct fixture *)*state)->m;
	const struct fl_model_iommu *mmu = fl_model_iommu(m);
	struct fl_model_tlb t = { 0 };
	uint8_t *mem;
	int fd = memory(0x4000, &mem);

	assert_int_equal(fl_model_map(m, 0x1000, 0x2000, FL_DMA_RW, fd, 0x1000), 0);
	assert_null(fl_model_dma(m, mmu, &t, fl_iova(0x1000), 4, FL_DMA_READ));
	bus_master(m);
	mem[0x1abc] = 42;
	assert_int_equal(*(uint8_t *)fl_model_dma(m, mmu, &t, fl_iova(0x1abc), 1, FL_DMA_READ), 42);
	assert_int_equal(t.gen, mmu->gen);
	assert_non_null(fl_model_dma(m, mmu, &t, fl_iova(0x2fff), 1, FL_DMA_RW));
	assert_null(fl_model_dma(m, mmu, &t, fl_iova(0x2fff), 2, FL_DMA_RW));
	assert_null(fl_model_dma(m, mmu, &t, fl_iova(0x1000), 0, FL_DMA_RW));
	assert_null(fl_model_dma(m, mmu, &t, fl_iova(0x1000), UINT64_MAX, FL_DMA_RW));
	/* each change voids what is cached */
	assert_int_equal(fl_model_map(m, 0x8000, 0x1000, FL_DMA_RW, -1, 0), 0);
	assert_int_not_equal(t.gen, mmu->gen);
	assert_non_null(fl_model_dma(m, mmu, &t, fl_iova(0x1000), 4, FL_DMA_RW));
	assert_null(fl_model_dma(m, mmu, &t, fl_iova(0x8000), 4, FL_DMA_RW));
	assert_int_equal(fl_iommu_unmap(&m->mmu, 0x1000, 0x2000), 0);
	assert_null(fl_model_dma(m, mmu, &t, fl_iova(0x1000), 4, FL_DMA_RW));
	assert_int_equal(fl_model_map(m, 0x1000, 0x2000, FL_DMA_RW, fd, 0), 0);
	assert_non_null(fl_model_dma(m, mmu, &t, fl_iova(0x1000), 4, FL_DMA_RW));
	cfg_write(m, 4, 2, 2);
	assert_null(fl_model_dma(m, mmu, &t, fl_iova(0x1000), 4, FL_DMA_RW));
	munmap(mem, 0x4000);
	close(fd);
}

/** Small maps beside each other can be reached as one, in whatever order they came and went. */
static void test_neighbours(void **state)
{
	struct fl_model *m = ((struct fixture *)*state)->m;
	const struct fl_model_iommu *mmu = fl_model_iommu(m);
	static const unsigned order[] = { 2, 0, 3, 1, 4 };
	struct fl_model_tlb t = { 0 };
	uint8_t *mem, *p;
	int fd = memory(0x5000, &mem);

	bus_master(m);
	for (unsigned i = 0; i < 5; i++) {
		unsigned k = order[i];

		mem[k * 0x1000] = (uint8_t)(k + 1);
		assert_int_equal(fl_model_map(m, 0x7f0000000000 + k * 0x1000, 0x1000,
					      k < 4 ? FL_DMA_RW : FL_DMA_READ, fd, k * 0x1000ull),
				 0);
	}
	p = fl_model_dma(m, mmu, &t, fl_iova(0x7f0000000000), 0x4000, FL_DMA_RW);
	assert_non_null(p);
	for (unsigned k = 0; k < 4; k++)
		assert_int_equal(p[k * 0x1000], k + 1);
	/* not where the permission is another, nor behind the last */
	assert_null(fl_model_dma(m, mmu, &t, fl_iova(0x7f0000003fff), 2, FL_DMA_READ));
	assert_non_null(fl_model_dma(m, mmu, &t, fl_iova(0x7f0000004000), 0x1000, FL_DMA_READ));
	assert_null(fl_model_dma(m, mmu, &t, fl_iova(0x7f0000004000), 0x1001, FL_DMA_READ));
	/* one that goes is no longer there, and leaves the others */
	assert_int_equal(fl_iommu_unmap(&m->mmu, 0x7f0000001000, 0x1000), 0);
	assert_null(fl_model_dma(m, mmu, &t, fl_iova(0x7f0000000fff), 2, FL_DMA_RW));
	assert_null(fl_model_dma(m, mmu, &t, fl_iova(0x7f0000001000), 1, FL_DMA_RW));
	p = fl_model_dma(m, mmu, &t, fl_iova(0x7f0000002000), 0x2000, FL_DMA_RW);
	assert_true(p && p[0] == 3 && p[0x1000] == 4);
	/* and another comes in its place */
	assert_int_equal(fl_model_map(m, 0x7f0000001000, 0x1000, FL_DMA_RW, fd, 0), 0);
	p = fl_model_dma(m, mmu, &t, fl_iova(0x7f0000000000), 0x4000, FL_DMA_RW);
	assert_true(p && p[0] == 1 && p[0x1000] == 1 && p[0x2000] == 3);
	/* far from the first: somewhere else, and right */
	assert_int_equal(fl_model_map(m, 0x1000, 0x1000, FL_DMA_RW, fd, 0x2000), 0);
	p = fl_model_dma(m, mmu, &t, fl_iova(0x1000), 0x1000, FL_DMA_RW);
	assert_true(p && p[0] == 3);
	munmap(mem, 0x5000);
	close(fd);
}

static void test_many_maps(void **state)
{
	struct fl_model *m = ((struct fixture *)*state)->m;
	uint8_t *mem, b;
	int fd = memory(0x1000, &mem);
	enum { N = 4096 };

	bus_master(m);
	mem[0] = 9;
	/* in an order that is not the table's */
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(fl_model_map(m, (i * 2654435761u % N) * 0x2000ull, 0x1000,
					      FL_DMA_RW, fd, 0),
				 0);
	for (unsigned i = 0; i < N; i++) {
		assert_int_equal(fl_model_dma_read(m, fl_iova(i * 0x2000ull), &b, 1), 0);
		assert_int_equal(fl_model_dma_read(m, fl_iova(i * 0x2000ull + 0x1000), &b, 1),
				 -EFAULT);
	}
	for (unsigned i = 0; i < N; i += 2)
		assert_int_equal(fl_iommu_unmap(&m->mmu, i * 0x2000ull, 0x1000), 0);
	assert_int_equal(fl_model_dma_read(m, fl_iova(0), &b, 1), -EFAULT);
	assert_int_equal(fl_model_dma_read(m, fl_iova(0x2000), &b, 1), 0);
	munmap(mem, 0x1000);
	close(fd);
}

/* A client that is gone must not reach the next one through the pages it still has. */
static void test_release_parts_memory(void **state)
{
	struct fixture *f = *state;
	int old = dup(f->m->bar_fd[0]);
	uint32_t *p = mmap(NULL, 0x1000, PROT_READ | PROT_WRITE, MAP_SHARED, old, TOY_SHARED);
	void *before = fl_model_bar_mem(f->m, 0, TOY_SHARED);

	*p = 1;
	assert_int_equal(*(uint32_t *)before, 1);
	fl_model_release(f->m);
	assert_ptr_equal(fl_model_bar_mem(f->m, 0, TOY_SHARED), before);
	assert_int_equal(*(uint32_t *)before, 0);
	*p = 2;
	assert_int_equal(*(uint32_t *)before, 0);
	assert_int_not_equal(ftruncate(f->m->bar_fd[0], 0), 0);
	munmap(p, 0x1000);
	close(old);
}

/* What a model's threads hold of the client's memory ends before the memory goes. */
static void test_quiesce_comes_first(void **state)
{
	struct fixture *f = *state;
	uint8_t *mem, b;
	int fd = memory(0x1000, &mem);

	f->t->quiesced = 0;
	for (unsigned i = 1; i <= 5; i++) {
		bus_master(f->m);
		(void)fl_model_map(f->m, 0x1000, 0x1000, FL_DMA_RW, fd, 0);
		assert_int_equal(fl_model_dma_read(f->m, fl_iova(0x1000), &b, 1), 0);
		bus_master(f->m); /* still on */
		assert_int_equal(f->t->quiesced, i - 1);
		if (i == 1)
			assert_int_equal(fl_model_unmap(f->m, 0x1000, 0x1000), 0);
		else if (i == 2)
			cfg_write(f->m, 4, 1, 2);
		else if (i == 3)
			fl_model_reset(f->m);
		else if (i == 4)
			cfg_write(f->m, 0xe0 + 8, 2, 0x8000);
		else
			fl_model_release(f->m);
		assert_int_equal(f->t->quiesced, i);
	}
	munmap(mem, 0x1000);
	close(fd);
}

static void test_messages_may_trap(void **state)
{
	struct fixture *f = *state;

	bar_write(f->m, 0, TOY_SHARED, 1);
	assert_int_equal(*(uint32_t *)fl_model_bar_mem(f->m, 0, TOY_SHARED), 1);
	f->m->bar[0].trap_messages = true;
	bar_write(f->m, 0, TOY_SHARED, 2);
	assert_int_equal(*(uint32_t *)fl_model_bar_mem(f->m, 0, TOY_SHARED), 1);
	assert_int_equal(bar_read(f->m, 0, TOY_SHARED), 0); /* what toy_read() says */
}

static void test_peers(void **state)
{
	struct fixture *f = *state;
	struct toy *other = toy_add(f->e, "wire=none");
	struct fl_model_ops ops = toy_ops;

	assert_ptr_equal(fl_model_peer(f->m, &toy_ops, 1), other);
	assert_ptr_equal(fl_model_peer(other->m, &toy_ops, 0), f->t);
	assert_null(fl_model_peer(f->m, &toy_ops, 2));
	assert_null(fl_model_peer(f->m, &ops, 1));
}

static int create_eight_msi(struct fl_model *m, struct fl_args *args, void **state)
{
	fl_model_add_msi(m, 0x50, 8, true, true);
	return 0;
}

static int create_six_msi(struct fl_model *m, struct fl_args *args, void **state)
{
	fl_model_add_msi(m, 0x50, 6, true, true);
	return 0;
}

static void test_msi_vectors(void **state)
{
	struct fixture *f = *state;
	struct fl_model_ops ops = {
		.name = "msi", .create = create_six_msi, .destroy = nothing, .reset = nothing
	};
	struct fl_model *m;

	assert_int_equal(fl_engine_add_ops(f->e, &ops, NULL, NULL, -1, 0, &m), -EINVAL);
	ops.create = create_eight_msi;
	assert_int_equal(fl_engine_add_ops(f->e, &ops, NULL, NULL, -1, 0, &m), 0);
	assert_int_equal(cfg_read(m, 0x52, 2), 0x0186); /* 64-bit, maskable, 8 */
	cfg_write(m, 0x60, 4, UINT32_MAX);
	assert_int_equal(cfg_read(m, 0x60, 4), 0xff);
	assert_int_equal(m->irq.index[FL_VFIO_IRQ_MSI].count, 8);
	fl_engine_remove(f->e, m);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_args),
		T(test_create_refuses),
		T(test_identity_and_bars),
		T(test_write_masks),
		T(test_capability_lists),
		T(test_impossible_models),
		T(test_flr_and_reset),
		T(test_region_bounds),
		T(test_odd_pieces),
		T(test_msix_table),
		T(test_intx_is_a_level),
		T(test_msix_vectors),
		T(test_irq_rubbish),
		T(test_full_eventfd),
		T(test_dma_maps),
		T(test_tlb_generations),
		T(test_neighbours),
		T(test_many_maps),
		T(test_release_parts_memory),
		T(test_quiesce_comes_first),
		T(test_messages_may_trap),
		T(test_peers),
		T(test_msi_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
