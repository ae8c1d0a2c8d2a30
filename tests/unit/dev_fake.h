/* SPDX-License-Identifier: BSD-3-Clause */
/* A transport that is nothing but memory, and a device on it. */
#ifndef DEV_FAKE_H
#define DEV_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fl_dev.h>

#define BAR0_SIZE 0x10000u
#define NMSIX	  5u

/* ---- the transport ------------------------------------------------------------------------ */

struct fake {
	struct fl_vfio_dev vd; /* first */
	bool open;
	uint8_t cfg[4096];
	uint32_t cfg_size;
	uint16_t stuck; /* command bits that do not take */
	struct fl_vfio_region bar0;
	int bar0_file;
	uint32_t trapped[BAR0_SIZE / 4];
	unsigned maps, reads, writes;
	int mmap_err;
	int event;
	int irq_fd[5][NMSIX], unmask_fd;
	unsigned irq_count[5], irq_sets, unmasks;
	uint32_t irq_flags;	  /* of MSI and MSI-X */
	int irq_err, irq_err_msi; /* for all kinds, for MSI alone */
	unsigned irq_err_from;	  /* only for vectors from this on */
	unsigned resets, hot_resets, releases, reattaches;
	int reattach_err;
	bool unplugged; /* config space and what is not mapped read all ones */
	unsigned looks; /* reads of the header type */
	char text[4096];
};

static struct fake *fake(struct fl_vfio_dev *d)
{
	return (struct fake *)d;
}

static int f_region_info(struct fl_vfio_dev *d, unsigned index, struct fl_vfio_region *out)
{
	struct fake *f = fake(d);

	*out = (struct fl_vfio_region){ 0 };
	if (index == FL_VFIO_REGION_CONFIG)
		out->size = f->cfg_size;
	else if (index == 0)
		*out = f->bar0;
	else if (index == 2)
		*out = (struct fl_vfio_region){ .size = 64, .flags = 3 };
	return 0;
}

static int f_region_read(struct fl_vfio_dev *d, unsigned index, uint64_t off, void *buf, size_t len)
{
	struct fake *f = fake(d);

	if (__atomic_load_n(&d->removed, __ATOMIC_RELAXED))
		return -ENODEV;
	f->looks += index == FL_VFIO_REGION_CONFIG && off == PCI_HEADER_TYPE;
	if (f->unplugged) {
		memset(buf, 0xff, len);
		return 0;
	}
	if (index == FL_VFIO_REGION_CONFIG) {
		memcpy(buf, f->cfg + off, len);
		return 0;
	}
	f->reads++;
	memcpy(buf, (uint8_t *)f->trapped + off, len);
	return 0;
}

static int f_region_write(struct fl_vfio_dev *d, unsigned index, uint64_t off, const void *buf,
			  size_t len)
{
	struct fake *f = fake(d);

	if (__atomic_load_n(&d->removed, __ATOMIC_RELAXED))
		return -ENODEV;
	if (index == FL_VFIO_REGION_CONFIG) {
		memcpy(f->cfg + off, buf, len);
		f->cfg[PCI_COMMAND] &= (uint8_t)~f->stuck;
		return 0;
	}
	f->writes++;
	memcpy((uint8_t *)f->trapped + off, buf, len);
	return 0;
}

static int f_region_mmap(struct fl_vfio_dev *d, unsigned index, uint64_t off, uint64_t len,
			 void **out)
{
	struct fake *f = fake(d);

	if (f->mmap_err)
		return f->mmap_err;
	assert_int_equal(index, 0);
	assert_int_equal(off % 4096, 0);
	assert_int_equal(len % 4096, 0);
	*out = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, f->bar0_file, (off_t)off);
	f->maps++;
	return *out == MAP_FAILED ? -errno : 0;
}

static int f_irq_info(struct fl_vfio_dev *d, unsigned index, struct fl_vfio_irq *out)
{
	out->count = fake(d)->irq_count[index];
	out->flags = FL_VFIO_IRQ_F_EVENTFD;
	if (index == FL_VFIO_IRQ_INTX)
		out->flags |= FL_VFIO_IRQ_F_MASKABLE | FL_VFIO_IRQ_F_AUTOMASKED;
	else
		out->flags |= fake(d)->irq_flags;
	return 0;
}

static int f_irq_set(struct fl_vfio_dev *d, unsigned index, unsigned start, unsigned count,
		     enum fl_vfio_irq_action action, const int *fds)
{
	struct fake *f = fake(d);

	if (__atomic_load_n(&d->removed, __ATOMIC_RELAXED))
		return -ENODEV;
	if (action == FL_VFIO_IRQ_UNMASK && fds) {
		f->unmask_fd = *fds;
		return 0;
	}
	if (action == FL_VFIO_IRQ_UNMASK) {
		f->unmasks++;
		return 0;
	}
	f->irq_sets++;
	if (count && f->irq_err && start + count > f->irq_err_from)
		return f->irq_err;
	if (count && index == FL_VFIO_IRQ_MSI && f->irq_err_msi)
		return f->irq_err_msi;
	for (unsigned i = 0; i < NMSIX; i++)
		if (!count || (i >= start && i < start + count))
			f->irq_fd[index][i] = count ? fds[i - start] : -1;
	return 0;
}

static int f_reset(struct fl_vfio_dev *d)
{
	fake(d)->resets++;
	return 0;
}

static int f_hot_reset(struct fl_vfio_dev *d)
{
	fake(d)->hot_resets++;
	return 0;
}

static int f_event_fd(struct fl_vfio_dev *d)
{
	return fake(d)->event;
}

static int f_dispatch(struct fl_vfio_dev *d)
{
	eventfd_t v;

	eventfd_read(fake(d)->event, &v);
	return d->removed ? -ENODEV : 0;
}

static int f_reattach(struct fl_vfio_dev *d)
{
	struct fake *f = fake(d);

	f->reattaches++;
	if (f->reattach_err)
		return f->reattach_err;
	d->removed = false;
	return 0;
}

static void f_release(struct fl_vfio_dev *d)
{
	fake(d)->releases++;
	__atomic_store_n(&d->removed, true, __ATOMIC_RELAXED);
}

static void f_close(struct fl_vfio_dev *d)
{
	fake(d)->open = false;
}

static const struct fl_vfio_ops fake_ops = {
	.name = "fake",
	.region_info = f_region_info,
	.region_read = f_region_read,
	.region_write = f_region_write,
	.region_mmap = f_region_mmap,
	.irq_info = f_irq_info,
	.irq_set = f_irq_set,
	.reset = f_reset,
	.hot_reset = f_hot_reset,
	.event_fd = f_event_fd,
	.dispatch = f_dispatch,
	.release = f_release,
	.reattach = f_reattach,
	.close = f_close,
};

static int fake_open(struct fl_ctx *ctx, const char *rest, void *arg, struct fl_vfio_dev **out)
{
	struct fake *f = arg;

	if (strcmp(rest, "one"))
		return -ENOENT;
	f->vd.space = fl_ctx_space(ctx);
	f->open = true;
	*out = &f->vd;
	return 0;
}

static inline void put(struct fake *f, unsigned off, unsigned size, uint32_t v)
{
	memcpy(f->cfg + off, &v, size);
}

static unsigned dones;

static void count_done(void *arg)
{
	dones++;
}

struct fix {
	struct fake f;
	struct fl_ctx *ctx;
	struct fl_dev *dev;
};

static void keep(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
	struct fake *f = arg;
	size_t n = strlen(f->text);

	snprintf(f->text + n, sizeof(f->text) - n, "%s\n", msg);
}

static int setup(void **state)
{
	struct fix *x = calloc(1, sizeof(*x));
	struct fake *f = &x->f;
	struct fl_log log = { keep, f, FL_LOG_WARN };
	struct fl_ctx_opts o = { .log = &log };
	struct fl_scheme s = { "fake", fake_open, count_done, f };

	f->vd = (struct fl_vfio_dev){
		.ops = &fake_ops, .nregions = 9, .nirqs = 5, .resettable = true, .node = -1
	};
	f->cfg_size = sizeof(f->cfg);
	put(f, PCI_VENDOR_ID, 4, 0x10d38086);
	put(f, PCI_COMMAND, 2, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	put(f, PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
	put(f, PCI_CLASS_REVISION, 4, 0x02000007);
	put(f, PCI_SUBSYSTEM_VENDOR_ID, 4, 0xa01f8086);
	put(f, PCI_CAPABILITY_LIST, 1, 0xc8);
	put(f, 0xc8, 2, 0xd000 | PCI_CAP_ID_PM);
	put(f, 0xd0, 2, 0xe000 | PCI_CAP_ID_MSI);
	put(f, 0xe0, 2, 0xa000 | PCI_CAP_ID_EXP);
	put(f, 0xa0, 2, 0x0000 | PCI_CAP_ID_MSIX);
	put(f, 0xa2, 2, NMSIX - 1);
	put(f, 0x100, 4, 0x14010001);
	put(f, 0x140, 4, 0x00010003);
	f->bar0 = (struct fl_vfio_region){ .size = BAR0_SIZE,
					   .flags = 7,
					   .nsparse = 3,
					   .sparse = { { 0x2000, 0x1000 },
						       { 0x4800, 0x1000 }, /* no whole page */
						       { 0x7f00, 0x2200 } } };
	f->bar0_file = memfd_create("bar0", MFD_CLOEXEC);
	assert_int_equal(ftruncate(f->bar0_file, BAR0_SIZE), 0);
	f->unmask_fd = -1;
	f->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	memset(f->irq_fd, -1, sizeof(f->irq_fd));
	f->irq_count[FL_VFIO_IRQ_INTX] = f->irq_count[FL_VFIO_IRQ_MSI] = 1;
	f->irq_count[FL_VFIO_IRQ_MSIX] = NMSIX;
	assert_int_equal(fl_ctx_create(&o, &x->ctx), 0);
	assert_int_equal(fl_ctx_add_scheme(x->ctx, &s), 0);
	*state = x;
	return 0;
}

static inline int setup_open(void **state)
{
	struct fix *x;

	setup(state);
	x = *state;
	assert_int_equal(fl_dev_open(x->ctx, "fake:one", &x->dev), 0);
	return 0;
}

static int teardown(void **state)
{
	struct fix *x = *state;
	unsigned before = dones;

	if (x->dev) {
		assert_int_equal(fl_ctx_destroy(x->ctx), -EBUSY);
		fl_dev_close(x->dev);
		assert_false(x->f.open);
	}
	assert_int_equal(fl_ctx_destroy(x->ctx), 0);
	assert_int_equal(dones, before + 1);
	close(x->f.bar0_file);
	close(x->f.event);
	free(x);
	return 0;
}

#define T(name)	    cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TOPEN(name) cmocka_unit_test_setup_teardown(name, setup_open, teardown)

#endif
