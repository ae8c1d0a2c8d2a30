/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts: vectors, handlers, growth, the level-triggered line. */
#include "dev_fake.h"

struct hits {
	struct fix *x;
	unsigned n, vec;
	unsigned unmasks;
	enum { STAY, CLOSE, CHANGE } then;
};

static void on_irq(struct fl_dev *dev, unsigned vec, void *arg)
{
	struct hits *h = arg;

	h->n++;
	h->vec = vec;
	h->unmasks = h->x->f.unmasks;
	if (h->then == CLOSE) {
		fl_dev_close(dev);
		h->x->dev = NULL;
	} else if (h->then == CHANGE) {
		assert_int_equal(fl_dev_irq_setup(dev, FL_IRQ_NONE, 0), 0);
	}
}

static void test_msix(void **state)
{
	struct fix *x = *state;
	struct hits h = { .x = x };
	int fd;

	assert_int_equal(fl_dev_irq_count(x->dev, FL_IRQ_MSIX), NMSIX);
	assert_int_equal(fl_dev_irq_count(x->dev, FL_IRQ_NONE), 0);
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSIX, NMSIX + 1), -ENOSPC);
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSIX, 0), -EINVAL);
	assert_int_equal(fl_dev_irq_fd(x->dev, 0), -1);
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSIX, 3), 0);
	assert_int_equal(fl_dev_irq_kind(x->dev), FL_IRQ_MSIX);
	assert_int_equal(fl_dev_irq_fd(x->dev, 3), -1);
	fd = fl_dev_irq_fd(x->dev, 2);
	assert_int_equal(x->f.irq_fd[FL_VFIO_IRQ_MSIX][2], fd);
	assert_int_equal(fl_dev_cfg_read(x->dev, 0xa2, 2), PCI_MSIX_FLAGS_ENABLE | (NMSIX - 1));

	/* without a handler nobody but the owner looks at it */
	eventfd_write(fd, 1);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 0);
	fl_dev_irq_ack(x->dev, 2);
	assert_int_equal(poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 0), 0);
	/* empty by now, and blocking: the device has the same file */
	if (!getenv("FL_EMULATED")) {
		assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
		fl_dev_irq_ack(x->dev, 2);
		assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	}

	assert_int_equal(fl_dev_irq_handler(x->dev, 3, on_irq, &h), -EINVAL);
	assert_int_equal(fl_dev_irq_handler(x->dev, 2, on_irq, &h), 0);
	eventfd_write(fd, 1);
	assert_int_equal(poll(&(struct pollfd){ fl_ctx_fd(x->ctx), POLLIN, 0 }, 1, 0), 1);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 100), 1);
	assert_int_equal(h.n, 1);
	assert_int_equal(h.vec, 2);
	assert_int_equal(x->f.unmasks, 0);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 0);
	assert_int_equal(fl_dev_irq_handler(x->dev, 2, NULL, NULL), 0);
	eventfd_write(fd, 1);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 0);

	/* a set-up that fails leaves the one before, if that can be had again */
	x->f.irq_err_msi = -ENOSPC;
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSI, 1), -ENOSPC);
	assert_int_equal(fl_dev_irq_kind(x->dev), FL_IRQ_MSIX);
	assert_int_equal(fl_dev_irq_fd(x->dev, 2), fd);
	assert_int_equal(x->f.irq_fd[FL_VFIO_IRQ_MSIX][2], fd);
	x->f.irq_err = -EIO;
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSI, 1), -EIO);
	assert_int_equal(fl_dev_irq_kind(x->dev), FL_IRQ_NONE);
	x->f.irq_err = x->f.irq_err_msi = 0;
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSIX, 2), 0);
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSI, 1), 0);
	assert_int_equal(x->f.irq_fd[FL_VFIO_IRQ_MSIX][0], -1);
	assert_int_equal(fl_dev_cfg_read(x->dev, 0xa2, 2), NMSIX - 1);
	assert_int_equal(fl_dev_cfg_read(x->dev, 0xd2, 2), PCI_MSI_FLAGS_ENABLE);
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_NONE, 0), 0);
	assert_int_equal(x->f.irq_fd[FL_VFIO_IRQ_MSI][0], -1);
	assert_int_equal(fl_dev_cfg_read(x->dev, 0xd2, 2), 0);
}

static void test_intx(void **state)
{
	struct fix *x = *state;
	struct hits h = { .x = x };

	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_INTX, 1), 0);
	fl_dev_irq_ack(x->dev, 0);
	assert_int_equal(x->f.unmasks, 1);
	assert_int_equal(fl_dev_irq_handler(x->dev, 0, on_irq, &h), 0);
	eventfd_write(fl_dev_irq_fd(x->dev, 0), 1);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 1);
	assert_int_equal(h.unmasks, 1); /* the handler came before the unmask */
	assert_int_equal(x->f.unmasks, 2);
	/* a handler that takes the vectors down, or the device */
	h.then = CHANGE;
	eventfd_write(fl_dev_irq_fd(x->dev, 0), 1);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 1);
	assert_int_equal(x->f.unmasks, 2);
	h.then = CLOSE;
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_INTX, 1), 0);
	assert_int_equal(fl_dev_irq_handler(x->dev, 0, on_irq, &h), 0);
	eventfd_write(fl_dev_irq_fd(x->dev, 0), 1);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 1);
	assert_null(x->dev);
	assert_false(x->f.open);
}

/* An interrupt that fires again in its handler does not keep the dispatcher. */
static void on_storm(struct fl_dev *dev, unsigned vec, void *arg)
{
	(*(unsigned *)arg)++;
	eventfd_write(fl_dev_irq_fd(dev, vec), 1);
}

static void test_storm(void **state)
{
	struct fix *x = *state;
	unsigned n[2] = { 0, 0 };

	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSIX, 2), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fl_dev_irq_handler(x->dev, i, on_storm, &n[i]), 0);
		eventfd_write(fl_dev_irq_fd(x->dev, i), 1);
	}
	assert_in_range(fl_ctx_dispatch(x->ctx, 0), 2, 1000);
	assert_true(n[0] > 1 && n[1] > 1); /* and none starves */
}

/* ---- growth --------------------------------------------------------------------------- */

static void fire(struct fix *x, unsigned vec)
{
	eventfd_write(x->f.irq_fd[FL_VFIO_IRQ_MSIX][vec], 1);
}

static void grow(struct fix *x, uint32_t flags)
{
	struct hits h[2] = { { .x = x }, { .x = x } };
	unsigned sets;
	int fd[2];

	x->f.irq_flags = flags;
	assert_int_equal(fl_dev_irq_grow(x->dev, 1), -EINVAL); /* nothing is set up */
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSIX, 2), 0);
	for (unsigned i = 0; i < 2; i++) {
		fd[i] = fl_dev_irq_fd(x->dev, i);
		assert_int_equal(fl_dev_irq_handler(x->dev, i, on_irq, &h[i]), 0);
	}
	assert_int_equal(fl_dev_irq_grow(x->dev, 1), -EINVAL);
	assert_int_equal(fl_dev_irq_grow(x->dev, NMSIX + 1), -ENOSPC);
	sets = x->f.irq_sets;
	assert_int_equal(fl_dev_irq_grow(x->dev, 2), 0);
	assert_int_equal(x->f.irq_sets, sets);

	fire(x, 0); /* and not yet dispatched when it grows */
	assert_int_equal(fl_dev_irq_grow(x->dev, NMSIX), 0);
	/* those that stand are not told anew, where that can be had: they could lose an interrupt
	 */
	assert_int_equal(x->f.irq_sets, sets + (flags ? 2 : 1));
	for (unsigned i = 0; i < NMSIX; i++)
		assert_int_equal(x->f.irq_fd[FL_VFIO_IRQ_MSIX][i], fl_dev_irq_fd(x->dev, i));
	assert_int_equal(fl_dev_irq_fd(x->dev, 0), fd[0]);
	assert_int_equal(fl_dev_irq_fd(x->dev, 1), fd[1]);
	fire(x, 1);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 2);
	assert_int_equal(h[0].n, 1);
	assert_int_equal(h[1].n, 1);
	assert_int_equal(h[1].vec, 1);
	assert_int_equal(fl_dev_irq_handler(x->dev, NMSIX - 1, on_irq, &h[0]), 0);
	fire(x, NMSIX - 1);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 1);
	assert_int_equal(h[0].vec, NMSIX - 1);
}

static void test_grow(void **state)
{
	grow(*state, 0);
}

static void test_grow_noresize(void **state)
{
	grow(*state, FL_VFIO_IRQ_F_NORESIZE);
}

static void test_grow_fails(void **state)
{
	struct fix *x = *state;
	int fd;

	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSIX, 2), 0);
	fd = fl_dev_irq_fd(x->dev, 1);
	x->f.irq_err = -ENOSPC;
	x->f.irq_err_from = 2;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fl_dev_irq_grow(x->dev, 3), -ENOSPC);
		assert_int_equal(fl_dev_irq_fd(x->dev, 2), -1);
		assert_int_equal(fl_dev_irq_fd(x->dev, 1), fd);
		assert_int_equal(x->f.irq_fd[FL_VFIO_IRQ_MSIX][1], fd);
		x->f.irq_flags = FL_VFIO_IRQ_F_NORESIZE;
	}
	assert_non_null(strstr(x->f.text, "ask for fewer"));
	/* and where not even the old ones are had again, there are none */
	x->f.irq_err_from = 0;
	assert_int_equal(fl_dev_irq_grow(x->dev, 3), -ENOSPC);
	assert_int_equal(fl_dev_irq_kind(x->dev), FL_IRQ_NONE);
	assert_int_equal(fl_dev_irq_fd(x->dev, 0), -1);
}

static void test_hostile_count(void **state)
{
	struct fix *x = *state;

	x->f.irq_count[FL_VFIO_IRQ_MSIX] = UINT32_MAX;
	assert_int_equal(fl_dev_irq_count(x->dev, FL_IRQ_MSIX), 2048);
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSIX, 2049), -ENOSPC);
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSIX, NMSIX), 0);
	assert_int_equal(fl_dev_irq_grow(x->dev, 2049), -ENOSPC);
	assert_int_equal(fl_dev_irq_grow(x->dev, UINT32_MAX), -ENOSPC);
}

/* ---- the line ------------------------------------------------------------------------- */

static void test_unmask_fd(void **state)
{
	struct fix *x = *state;

	assert_int_equal(fl_dev_irq_unmask_fd(x->dev, 7), -EINVAL);
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_MSIX, 1), 0);
	assert_int_equal(fl_dev_irq_unmask_fd(x->dev, 7), -EINVAL);
	assert_int_equal(fl_dev_irq_setup(x->dev, FL_IRQ_INTX, 1), 0);
	assert_int_equal(fl_dev_irq_unmask_fd(x->dev, 7), 0);
	assert_int_equal(x->f.unmask_fd, 7);
	/* a device that comes back has it still */
	fl_dev_release(x->dev);
	assert_int_equal(fl_dev_irq_unmask_fd(x->dev, 8), -ENODEV);
	x->f.unmask_fd = -1;
	assert_int_equal(fl_dev_reattach(x->dev), 0);
	assert_int_equal(x->f.unmask_fd, 7);
	assert_int_equal(fl_dev_irq_unmask_fd(x->dev, -5), 0);
	assert_int_equal(x->f.unmask_fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOPEN(test_msix),	   TOPEN(test_intx),	      TOPEN(test_storm),
		TOPEN(test_grow),	   TOPEN(test_grow_noresize), TOPEN(test_grow_fails),
		TOPEN(test_hostile_count), TOPEN(test_unmask_fd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
