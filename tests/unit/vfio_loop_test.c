/* SPDX-License-Identifier: BSD-3-Clause */
/* The vfio-user client, through lib/dev, against our own server with a toy device behind it. */
#include "model_toy.h"

#include <poll.h>
#include <unistd.h>

#define DEADLINE_MS 2000

struct fix {
	struct fl_engine *e;
	struct toy *t;
	struct fl_ctx *ctx;
	struct fl_dev *dev;
	char path[64], uri[80];
};

static struct toy *serve(struct fix *x)
{
	struct fl_model *m = NULL;

	assert_int_equal(fl_engine_add_ops(x->e, &toy_ops, "wire=none", x->path, -1, 0, &m), 0);
	return m->state;
}

static int setup(void **state)
{
	static const struct fl_log silent; /* removals are meant here */
	struct fl_ctx_opts o = { .log = &silent };
	struct fix *x = calloc(1, sizeof(*x));

	snprintf(x->path, sizeof(x->path), "/tmp/fl-loop-%d.sock", (int)getpid());
	snprintf(x->uri, sizeof(x->uri), "vfio-user:%s", x->path);
	x->e = toy_engine(true);
	x->t = serve(x);
	assert_int_equal(fl_ctx_create(&o, &x->ctx), 0);
	assert_int_equal(fl_dev_open(x->ctx, x->uri, &x->dev), 0);
	assert_int_equal(fl_dev_enable(x->dev, true), 0);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fix *x = *state;

	fl_dev_close(x->dev);
	assert_int_equal(fl_ctx_destroy(x->ctx), 0);
	fl_engine_destroy(x->e);
	assert_int_equal(access(x->path, F_OK), -1);
	free(x);
	return 0;
}

static void write64(struct fix *x, uint64_t off, uint64_t v)
{
	fl_bar_write32(x->dev, 0, off, (uint32_t)v);
	fl_bar_write32(x->dev, 0, off + 4, (uint32_t)(v >> 32));
}

static void test_device(void **state)
{
	struct fix *x = *state;
	struct fl_doorbell db;

	assert_int_equal(fl_dev_id(x->dev)->device, 0x10d3);
	assert_int_equal(fl_bar_size(x->dev, 0), TOY_BAR_SIZE);
	assert_int_equal(fl_bar_size(x->dev, 1), 0);
	assert_int_equal(fl_dev_find_cap(x->dev, 0x05), 0xd0);
	assert_int_equal(fl_dev_find_ext_cap(x->dev, 3), 0x140);
	fl_bar_write32(x->dev, 0, 0, 0xcafe);
	assert_int_equal(fl_bar_read32(x->dev, 0, 0), 0xcafe);
	assert_int_equal(fl_dev_reset(x->dev), 0);
	assert_int_equal(fl_bar_read32(x->dev, 0, 0), 0);

	fl_doorbell_init(&db, x->dev, 0, TOY_SHARED);
	assert_non_null(db.ptr);
	assert_null(fl_bar_ptr(x->dev, 0, 0, 4));
	fl_doorbell_ring(&db, 41);
	for (int i = 0; i < DEADLINE_MS && fl_bar_read32(x->dev, 0, TOY_SHARED + 4) != 41; i++)
		usleep(1000);
	assert_int_equal(fl_bar_read32(x->dev, 0, TOY_SHARED + 4), 41);
}

/* ---- DMA ---------------------------------------------------------------------------------- */

static struct fl_dma_area *map(struct fix *x, enum fl_mem_kind kind, unsigned prot)
{
	struct fl_mem_opts mo = { .kind = kind, .node = -1 };
	struct fl_dma_opts o = { .prot = prot, .iova = { FL_IOVA_BAD_V } };
	struct fl_dma_area *a;
	struct fl_mem *mem;

	assert_int_equal(fl_mem_alloc(0x4000, &mo, &mem), 0);
	assert_int_equal(fl_dma_map(fl_ctx_space(x->ctx), mem, &o, &a), 0);
	return a;
}

static void unmap(struct fl_dma_area *a)
{
	struct fl_mem *mem = a->mem;

	assert_int_equal(fl_dma_unmap(a), 0);
	fl_mem_free(mem);
}

/* The device copies from one place to another; what it says of it. */
static uint32_t device_copy(struct fix *x, uint64_t from, uint64_t to, uint32_t len)
{
	uint32_t r;

	write64(x, 0x20, from);
	fl_bar_write32(x->dev, 0, 0x28, len);
	r = fl_bar_read32(x->dev, 0, 0x38);
	if (r)
		return r;
	write64(x, 0x20, to);
	fl_bar_write32(x->dev, 0, 0x30, len);
	return fl_bar_read32(x->dev, 0, 0x38);
}

static void copy_in(struct fix *x, enum fl_mem_kind kind)
{
	struct fl_dma_area *a = map(x, kind, FL_DMA_RW), *ro = map(x, kind, FL_DMA_READ);

	for (unsigned i = 0; i < 5000; i++)
		a->va[i] = (uint8_t)(i * 7);
	assert_int_equal(device_copy(x, a->iova.v, a->iova.v + 0x2100, 5000), 0);
	assert_memory_equal(a->va, a->va + 0x2100, 5000);
	assert_int_equal(device_copy(x, ro->iova.v, a->iova.v, 64), 0);
	assert_int_equal(a->va[1], 0);
	assert_int_equal((int32_t)device_copy(x, a->iova.v, ro->iova.v, 64), -EFAULT);
	assert_int_equal((int32_t)device_copy(x, a->iova.v + 0x4000 - 8, a->iova.v, 16), -EFAULT);
	unmap(ro);
	unmap(a);
}

static void test_dma_shared(void **state)
{
	struct fix *x = *state;
	struct fl_model_stats st;

	copy_in(x, FL_MEM_MEMFD);
	fl_model_stats(x->t->m, &st);
	assert_int_equal(st.dma_messages, 0);
	assert_int_equal(st.dma_faults, 2);
}

static void test_dma_message(void **state)
{
	struct fix *x = *state;
	struct fl_model_stats st;

	copy_in(x, FL_MEM_ANON);
	fl_model_stats(x->t->m, &st);
	assert_true(st.dma_messages >= 4);
}

struct unasked {
	struct toy *t;
	fl_iova_t iova;
	uint8_t data[6000], back[6000];
	int r;
};

static void dma_unasked(void *arg)
{
	struct unasked *u = arg;

	u->r = fl_model_dma_write(u->t->m, u->iova, u->data, sizeof(u->data));
	if (!u->r)
		u->r = fl_model_dma_read(u->t->m, u->iova, u->back, sizeof(u->back));
}

/* The model wants memory by itself, and no caller of ours waits for anything. */
static void test_dma_unasked(void **state)
{
	struct fix *x = *state;
	struct fl_dma_area *a = map(x, FL_MEM_ANON, FL_DMA_RW);
	struct unasked *u = calloc(1, sizeof(*u));

	u->t = x->t;
	u->iova = fl_iova_add(a->iova, 1000);
	memset(u->data, 0x77, sizeof(u->data));
	fl_engine_call(x->e, dma_unasked, u);
	assert_int_equal(u->r, 0);
	assert_memory_equal(u->back, u->data, sizeof(u->data));
	assert_memory_equal(a->va + 1000, u->data, sizeof(u->data));
	assert_int_equal(a->va[999], 0);
	u->iova = fl_iova_add(a->iova, 0x4000 - 16);
	fl_engine_call(x->e, dma_unasked, u);
	assert_int_equal(u->r, -EFAULT);
	free(u);
	unmap(a);
}

/* ---- interrupts --------------------------------------------------------------------------- */

static void on_irq(struct fl_dev *dev, unsigned vec, void *arg)
{
	unsigned *hits = arg;

	hits[vec]++;
	if (fl_dev_irq_kind(dev) == FL_IRQ_INTX && hits[vec] == 2)
		fl_bar_write32(dev, 0, 0x08, 0); /* silences the device */
}

static void await(struct fix *x, const unsigned *what, unsigned n)
{
	uint64_t end = fl_now_ns() + DEADLINE_MS * 1000000ull;

	while (*what < n && fl_now_ns() < end)
		fl_ctx_dispatch(x->ctx, 10);
	assert_int_equal(*what, n);
}

static void test_irqs(void **state)
{
	static const enum fl_irq_kind kinds[] = { FL_IRQ_MSIX, FL_IRQ_MSI };
	struct fix *x = *state;
	unsigned hits[5] = { 0 };

	assert_int_equal(fl_dev_irq_count(x->dev, FL_IRQ_MSIX), 5);
	for (unsigned k = 0; k < 2; k++) {
		unsigned vec = kinds[k] == FL_IRQ_MSIX ? 3 : 0;

		assert_int_equal(fl_dev_irq_setup(x->dev, kinds[k], vec + 1), 0);
		assert_int_equal(fl_dev_irq_handler(x->dev, vec, on_irq, hits), 0);
		fl_bar_write32(x->dev, 0, vec ? 0x10 : 0x18, vec);
		await(x, &hits[vec], 1);
	}
	/* level: while the line is high it comes again after each unmask */
	hits[0] = 0;
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_INTX, 1), 0);
	assert_int_equal(fl_dev_irq_handler(x->dev, 0, on_irq, hits), 0);
	fl_bar_write32(x->dev, 0, 0x08, 1);
	await(x, &hits[0], 2);
	for (int i = 0; i < 5; i++)
		fl_ctx_dispatch(x->ctx, 2);
	assert_int_equal(hits[0], 2);
}

/* ---- leaving and coming back -------------------------------------------------------------- */

static void on_event(struct fl_dev *dev, enum fl_dev_event ev, void *arg)
{
	if (ev == FL_DEV_REMOVED)
		++*(unsigned *)arg;
}

static void test_coming_back(void **state)
{
	struct fix *x = *state;
	struct fl_dma_area *a = map(x, FL_MEM_ANON, FL_DMA_RW),
			   *b = map(x, FL_MEM_MEMFD, FL_DMA_RW);
	struct fl_dma_area *late;
	unsigned gone = 0, hits[5] = { 0 };
	struct fl_doorbell db;
	uint64_t t0;

	fl_doorbell_init(&db, x->dev, 0, TOY_SHARED);
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSIX, 2), 0);
	assert_int_equal(fl_dev_irq_handler(x->dev, 1, on_irq, hits), 0);
	fl_dev_on_event(x->dev, on_event, &gone);
	for (unsigned round = 0; round < 3; round++) {
		fl_engine_remove(x->e, x->t->m);
		t0 = fl_now_ns();
		await(x, &gone, round + 1);
		assert_true(fl_now_ns() - t0 < 100000000u);
		assert_true(fl_dev_removed(x->dev));
		fl_doorbell_ring(&db, 1);
		assert_int_equal(fl_dev_reattach(x->dev), -ENOENT);
		late = map(x, FL_MEM_MEMFD, FL_DMA_RW);

		x->t = serve(x);
		assert_int_equal(fl_dev_reattach(x->dev), 0);
		assert_int_equal(fl_dev_enable(x->dev, true), 0);
		memset(a->va, 0x30 + (int)round, 100);
		assert_int_equal(device_copy(x, a->iova.v, b->iova.v, 100), 0);
		assert_int_equal(device_copy(x, b->iova.v, late->iova.v, 100), 0);
		assert_memory_equal(a->va, late->va, 100);
		fl_bar_write32(x->dev, 0, 0x10, 1);
		await(x, &hits[1], round + 1);
		fl_doorbell_init(&db, x->dev, 0, TOY_SHARED);
		assert_non_null(db.ptr);
		unmap(late);
	}
	unmap(a);
	unmap(b);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_device),	     T(test_dma_shared), T(test_dma_message),
		T(test_dma_unasked), T(test_irqs),	 T(test_coming_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
