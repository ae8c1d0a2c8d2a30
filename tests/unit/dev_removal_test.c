/* SPDX-License-Identifier: BSD-3-Clause */
/* How a device goes and comes back, and that nobody who polls it meanwhile is hurt. */
#include "dev_fake.h"

#include <pthread.h>

struct events {
	unsigned n;
	enum fl_dev_event last;
};

static void on_event(struct fl_dev *dev, enum fl_dev_event ev, void *arg)
{
	struct events *e = arg;

	e->n++;
	e->last = ev;
}

static void test_err_req(void **state)
{
	struct fix *x = *state;
	struct events e = { 0 };

	x->f.irq_count[FL_VFIO_IRQ_ERR] = x->f.irq_count[FL_VFIO_IRQ_REQ] = 1;
	assert_int_equal(fl_dev_open(x->ctx, "fake:one", &x->dev), 0);
	fl_dev_on_event(x->dev, on_event, &e);
	eventfd_write(x->f.irq_fd[FL_VFIO_IRQ_ERR][0], 1);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 1);
	assert_int_equal(e.last, FL_DEV_ERROR);
	eventfd_write(x->f.irq_fd[FL_VFIO_IRQ_REQ][0], 1);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 1);
	assert_int_equal(e.last, FL_DEV_REQUEST);
	assert_int_equal(e.n, 2);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 0);
}

static void test_removal(void **state)
{
	struct fix *x = *state;
	struct events e = { 0 };
	struct fl_doorbell db;
	int fd;

	assert_int_equal(fl_dev_enable(x->dev, true), 0);
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSIX, 2), 0);
	fd = fl_dev_irq_fd(x->dev, 1);
	fl_doorbell_init(&db, x->dev, 0, 0x2000);
	fl_dev_on_event(x->dev, on_event, &e);
	eventfd_write(x->f.event, 1); /* something to do, but alive */
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 1);
	assert_int_equal(e.n, 0);
	assert_int_equal(fl_dev_reattach(x->dev), -EALREADY);

	x->f.vd.removed = true;
	eventfd_write(x->f.event, 1);
	assert_true(fl_dev_removed(x->dev));
	assert_int_equal(fl_ctx_dispatch(x->ctx, 100), 1);
	assert_int_equal(e.n, 1);
	assert_int_equal(e.last, FL_DEV_REMOVED);
	eventfd_write(x->f.event, 1);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 0);
	assert_int_equal(e.n, 1);

	fl_doorbell_ring(&db, 9); /* lands in memory, hurts nobody */
	assert_int_equal(fl_bar_read32(x->dev, 0, 0x2000), UINT32_MAX);
	assert_int_equal(fl_dev_cfg_read(x->dev, 0, 2), 0xffff);
	assert_int_equal(fl_dev_cfg_write(x->dev, 0x3c, 1, 1), -ENODEV);
	assert_int_equal(fl_dev_enable(x->dev, true), -ENODEV);
	assert_int_equal(fl_dev_reset(x->dev), -ENODEV);
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSI, 1), -ENODEV);
	assert_int_equal(fl_dev_irq_count(x->dev, FL_IRQ_MSIX), 0);

	/* it does not come back; then another comes; then its BAR or its vectors fail */
	x->f.reattach_err = -ECONNREFUSED;
	assert_int_equal(fl_dev_reattach(x->dev), -ECONNREFUSED);
	x->f.reattach_err = 0;
	put(&x->f, PCI_DEVICE_ID, 2, 0x100e);
	assert_int_equal(fl_dev_reattach(x->dev), -ENODEV);
	put(&x->f, PCI_DEVICE_ID, 2, 0x10d3);
	x->f.mmap_err = -ENOMEM;
	assert_int_equal(fl_dev_reattach(x->dev), -ENOMEM);
	x->f.mmap_err = 0;
	x->f.irq_err = -ENOSPC;
	assert_int_equal(fl_dev_reattach(x->dev), -ENOSPC);
	x->f.irq_err = 0;
	assert_true(fl_dev_removed(x->dev));
	assert_int_equal(fl_dev_cfg_read(x->dev, 0, 2), 0xffff);
	fl_doorbell_ring(&db, 10); /* still memory */

	put(&x->f, 0xa2, 2, NMSIX - 1);
	memset(x->f.irq_fd, -1, sizeof(x->f.irq_fd));
	assert_int_equal(fl_dev_reattach(x->dev), 0);
	assert_false(fl_dev_removed(x->dev));
	assert_int_equal(x->f.irq_fd[FL_VFIO_IRQ_MSIX][1], fd);
	assert_int_equal(fl_dev_cfg_read(x->dev, 0xa2, 2), PCI_MSIX_FLAGS_ENABLE | (NMSIX - 1));
	assert_int_equal(fl_dev_cfg_read(x->dev, PCI_COMMAND, 2), PCI_COMMAND_IO);
	fl_doorbell_init(&db, x->dev, 0, 0x2000);
	fl_doorbell_ring(&db, 11);
	assert_int_equal(fl_bar_read32(x->dev, 0, 0x2000), 11);

	/* and it can be removed again */
	x->f.vd.removed = true;
	eventfd_write(x->f.event, 1);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 100), 1);
	assert_int_equal(e.n, 2);
}

/* ---- asked for -------------------------------------------------------------------------- */

static void ring(struct fix *x, unsigned index)
{
	eventfd_write(x->f.irq_fd[index][0], 1);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 1);
}

static struct fix *open_with_events(void **state, struct events *e)
{
	struct fix *x = *state;

	x->f.irq_count[FL_VFIO_IRQ_ERR] = x->f.irq_count[FL_VFIO_IRQ_REQ] = 1;
	assert_int_equal(fl_dev_open(x->ctx, "fake:one", &x->dev), 0);
	fl_dev_on_event(x->dev, on_event, e);
	return x;
}

static void test_request_twice(void **state)
{
	struct events e = { 0 };
	struct fix *x = open_with_events(state, &e);

	assert_int_equal(fl_dev_enable(x->dev, true), 0);
	ring(x, FL_VFIO_IRQ_REQ);
	assert_int_equal(e.n, 1);
	assert_int_equal(e.last, FL_DEV_REQUEST);
	assert_false(fl_dev_removed(x->dev));
	assert_int_equal(x->f.releases, 0);
	/* the handler did nothing, and the kernel asks again */
	ring(x, FL_VFIO_IRQ_REQ);
	assert_int_equal(e.n, 2);
	assert_int_equal(e.last, FL_DEV_REMOVED);
	assert_true(fl_dev_removed(x->dev));
	assert_int_equal(x->f.releases, 1);
	assert_false(x->f.cfg[PCI_COMMAND] & PCI_COMMAND_MASTER);
	assert_non_null(strstr(x->f.text, "wanted back twice"));
	/* and anew, once it was given to us again */
	assert_int_equal(fl_dev_reattach(x->dev), 0);
	ring(x, FL_VFIO_IRQ_REQ);
	assert_int_equal(e.last, FL_DEV_REQUEST);
	assert_false(fl_dev_removed(x->dev));
}

static void release_in_event(struct fl_dev *dev, enum fl_dev_event ev, void *arg)
{
	((struct events *)arg)->n++;
	fl_dev_release(dev);
}

static void test_request_obeyed(void **state)
{
	struct events e = { 0 };
	struct fix *x = open_with_events(state, &e);

	fl_dev_on_event(x->dev, release_in_event, &e);
	ring(x, FL_VFIO_IRQ_REQ);
	assert_int_equal(e.n, 1);
	assert_int_equal(x->f.releases, 1);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 0);
	fl_dev_release(x->dev);
	assert_int_equal(x->f.releases, 1);
}

static void test_error_once(void **state)
{
	struct events e = { 0 };
	struct fix *x = open_with_events(state, &e);
	uint64_t told;

	ring(x, FL_VFIO_IRQ_ERR);
	ring(x, FL_VFIO_IRQ_ERR);
	assert_int_equal(e.n, 1);
	assert_int_equal(e.last, FL_DEV_ERROR);
	/* whoever told of it may be about to reset the link: that must not come after ours */
	told = fl_now_ns();
	assert_int_equal(fl_dev_reset(x->dev), 0);
	assert_true(fl_now_ns() - told >= 100000000);
	ring(x, FL_VFIO_IRQ_ERR);
	assert_int_equal(e.n, 2);
	assert_int_equal(fl_dev_hot_reset(x->dev), 0);
	ring(x, FL_VFIO_IRQ_ERR);
	assert_int_equal(e.n, 3);
	/* an error of a device that has gone is a removal */
	x->f.unplugged = true;
	ring(x, FL_VFIO_IRQ_ERR);
	assert_int_equal(e.last, FL_DEV_REMOVED);
}

/* ---- pulled out ------------------------------------------------------------------------- */

static void test_all_ones(void **state)
{
	struct events e = { 0 };
	struct fix *x = open_with_events(state, &e);
	unsigned looks;

	/* a register that is so for good: one look, and nobody is told */
	x->f.trapped[0] = UINT32_MAX;
	looks = x->f.looks;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(fl_bar_read32(x->dev, 0, 0), UINT32_MAX);
	assert_in_range(x->f.looks, looks + 1, looks + 100);
	assert_false(fl_dev_removed(x->dev));
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 0);
	looks = x->f.looks;
	assert_int_equal(fl_bar_read32(x->dev, 0, 4), 0);
	assert_int_equal(x->f.looks, looks);

	x->f.unplugged = true;
	usleep(2000);
	assert_int_equal(fl_bar_read32(x->dev, 0, 4), UINT32_MAX);
	assert_true(fl_dev_removed(x->dev));
	assert_int_equal(poll(&(struct pollfd){ fl_ctx_fd(x->ctx), POLLIN, 0 }, 1, 0), 1);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 1);
	assert_int_equal(e.n, 1);
	assert_int_equal(e.last, FL_DEV_REMOVED);
	assert_int_equal(x->f.releases, 1);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 0);
	assert_int_equal(fl_dev_reattach(x->dev), -ENODEV); /* still all ones */
	assert_int_equal(x->f.releases, 2);
	x->f.unplugged = false;
	assert_int_equal(fl_dev_reattach(x->dev), 0);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 0);
	assert_int_equal(e.n, 1);
}

/* ---- released while others work ----------------------------------------------------------- */

struct hammer {
	struct fl_dev *dev;
	struct fl_doorbell mapped, trapped;
	const volatile uint32_t *reg;
	bool stop;
	unsigned long odd;
	uint32_t rounds;
};

/* A data plane: reads what is the device's 5 or all ones, and rings without asking. */
static void *hammer(void *arg)
{
	struct hammer *h = arg;

	while (!__atomic_load_n(&h->stop, __ATOMIC_RELAXED)) {
		uint32_t v = fl_mmio_read32(h->reg);

		h->odd += v != 5 && v != UINT32_MAX;
		v = fl_bar_read32(h->dev, 0, 0x2004);
		h->odd += v != 5 && v != UINT32_MAX;
		fl_doorbell_ring(&h->mapped, 1);
		fl_doorbell_ring(&h->trapped, 1);
		__atomic_fetch_add(&h->rounds, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void some_rounds(struct hammer *h)
{
	uint32_t start = __atomic_load_n(&h->rounds, __ATOMIC_RELAXED);

	while (__atomic_load_n(&h->rounds, __ATOMIC_RELAXED) - start < 1000)
		sched_yield();
}

static void test_release_under_fire(void **state)
{
	struct fix *x = *state;
	struct hammer h = { .dev = x->dev };
	pthread_t t;
	uint32_t v;

	for (unsigned i = 0; i < 20; i++) {
		h = (struct hammer){ .dev = x->dev, .reg = fl_bar_ptr(x->dev, 0, 0x2004, 4) };
		fl_bar_write32(x->dev, 0, 0x2004, 5);
		fl_doorbell_init(&h.mapped, x->dev, 0, 0x2010);
		fl_doorbell_init(&h.trapped, x->dev, 0, 0x3010);
		assert_int_equal(pthread_create(&t, NULL, hammer, &h), 0);
		some_rounds(&h);
		fl_dev_release(x->dev);
		v = 0;
		assert_int_equal(pwrite(x->f.bar0_file, &v, 4, 0x2010), 4);
		some_rounds(&h);
		assert_int_equal(*h.reg, UINT32_MAX);
		__atomic_store_n(&h.stop, true, __ATOMIC_RELAXED);
		pthread_join(t, NULL);
		assert_int_equal(h.odd, 0);
		/* nothing of it reached the device any more */
		assert_int_equal(pread(x->f.bar0_file, &v, 4, 0x2010), 4);
		assert_int_equal(v, 0);
		assert_int_equal(fl_dev_reattach(x->dev), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_err_req),
		TOPEN(test_removal),
		T(test_request_twice),
		T(test_request_obeyed),
		T(test_error_once),
		T(test_all_ones),
		TOPEN(test_release_under_fire),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
