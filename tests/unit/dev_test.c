/* SPDX-License-Identifier: BSD-3-Clause */
/* Contexts and devices over a transport that is nothing but memory. */
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
	int irq_fd[5][NMSIX];
	unsigned irq_count[5], irq_sets, unmasks;
	int irq_err, irq_err_msi; /* for all kinds, for MSI alone */
	unsigned resets, reattaches;
	int reattach_err;
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

	if (d->removed)
		return -ENODEV;
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

	if (d->removed)
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
	out->flags =
		FL_VFIO_IRQ_F_EVENTFD |
		(index == FL_VFIO_IRQ_INTX ? FL_VFIO_IRQ_F_MASKABLE | FL_VFIO_IRQ_F_AUTOMASKED : 0);
	return 0;
}

static int f_irq_set(struct fl_vfio_dev *d, unsigned index, unsigned start, unsigned count,
		     enum fl_vfio_irq_action action, const int *fds)
{
	struct fake *f = fake(d);

	if (action == FL_VFIO_IRQ_UNMASK) {
		f->unmasks++;
		return 0;
	}
	f->irq_sets++;
	if (count && f->irq_err)
		return f->irq_err;
	if (count && index == FL_VFIO_IRQ_MSI && f->irq_err_msi)
		return f->irq_err_msi;
	for (unsigned i = 0; i < NMSIX; i++)
		f->irq_fd[index][i] = i < count ? fds[i] : -1;
	return 0;
}

static int f_reset(struct fl_vfio_dev *d)
{
	fake(d)->resets++;
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
	d->removed = true;
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
	.hot_reset = f_reset,
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

static void put(struct fake *f, unsigned off, unsigned size, uint32_t v)
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
		.ops = &fake_ops, .nregions = 9, .nirqs = 5, .resettable = true
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
	f->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	memset(f->irq_fd, -1, sizeof(f->irq_fd));
	f->irq_count[FL_VFIO_IRQ_INTX] = f->irq_count[FL_VFIO_IRQ_MSI] = 1;
	f->irq_count[FL_VFIO_IRQ_MSIX] = NMSIX;
	assert_int_equal(fl_ctx_create(&o, &x->ctx), 0);
	assert_int_equal(fl_ctx_add_scheme(x->ctx, &s), 0);
	*state = x;
	return 0;
}

static int setup_open(void **state)
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

/* ---- contexts and URIs -------------------------------------------------------------------- */

static void test_uri(void **state)
{
	struct fix *x = *state;
	struct fl_scheme again = { "fake", fake_open, NULL, NULL };
	struct fl_scheme taken = { "pci", fake_open, NULL, NULL };
	struct fl_scheme odd = { "a:b", fake_open, NULL, NULL };
	struct fl_dev *d;

	assert_int_equal(fl_ctx_add_scheme(x->ctx, &again), -EEXIST);
	assert_int_equal(fl_ctx_add_scheme(x->ctx, &taken), -EEXIST);
	assert_int_equal(fl_ctx_add_scheme(x->ctx, &odd), -EINVAL);
	assert_int_equal(fl_dev_open(x->ctx, "nothing", &d), -EINVAL);
	assert_int_equal(fl_dev_open(x->ctx, ":x", &d), -EINVAL);
	assert_int_equal(fl_dev_open(x->ctx, "", &d), -EINVAL);
	assert_int_equal(fl_dev_open(x->ctx, "model:e1000e", &d), -EOPNOTSUPP);
	assert_int_equal(fl_dev_open(x->ctx, "fak:one", &d), -EOPNOTSUPP);
	assert_int_equal(fl_dev_open(x->ctx, "pci:ffff:ff:1f.7", &d), -ENODEV);
	assert_non_null(strstr(x->f.text, "ffff:ff:1f.7: no such PCI device"));
	assert_int_equal(fl_dev_open(x->ctx, "fake:two", &d), -ENOENT);
	assert_int_equal(fl_dev_open(x->ctx, "vfio-user:", &d), -EINVAL);
	assert_int_equal(fl_dev_open(x->ctx, "vfio-user:fd=", &d), -EINVAL);
	assert_int_equal(fl_dev_open(x->ctx, "vfio-user:fd=1x", &d), -EINVAL);
	assert_int_equal(fl_dev_open(x->ctx, "vfio-user:fd=-1", &d), -EINVAL);
	assert_int_equal(fl_dev_open(x->ctx, "vfio-user:fd=4294967296", &d), -EINVAL);
	assert_int_equal(fl_dev_open(x->ctx, "vfio-user:/nowhere/s", &d), -ENOENT);
}

static void test_open(void **state)
{
	struct fix *x = *state;
	const struct fl_pci_id *id;

	assert_int_equal(fl_dev_open(x->ctx, "fake:one", &x->dev), 0);
	id = fl_dev_id(x->dev);
	assert_int_equal(id->vendor, 0x8086);
	assert_int_equal(id->device, 0x10d3);
	assert_int_equal(id->subdevice, 0xa01f);
	assert_int_equal(id->revision, 7);
	assert_int_equal(id->class_code, 0x020000);
	assert_string_equal(fl_dev_uri(x->dev), "fake:one");
	assert_string_equal(fl_dev_transport(x->dev), "fake");
	assert_ptr_equal(fl_dev_ctx(x->dev), x->ctx);
	assert_int_equal(fl_dev_node(x->dev), -1);
	/* decoding and mastering are off, the rest is left alone */
	assert_int_equal(fl_dev_cfg_read(x->dev, PCI_COMMAND, 2), PCI_COMMAND_IO);
	assert_int_equal(fl_dev_enable(x->dev, true), 0);
	assert_int_equal(fl_dev_cfg_read(x->dev, PCI_COMMAND, 2), 7);
	assert_int_equal(fl_dev_reset(x->dev), 0);
	assert_int_equal(x->f.resets, 1);
	x->f.vd.resettable = false;
	assert_int_equal(fl_dev_reset(x->dev), -EOPNOTSUPP);
}

static void test_open_fails(void **state)
{
	struct fix *x = *state;
	struct fl_dev *d;

	put(&x->f, PCI_VENDOR_ID, 4, 0xffffffff);
	assert_int_equal(fl_dev_open(x->ctx, "fake:one", &d), -ENODEV);
	assert_false(x->f.open);
	put(&x->f, PCI_VENDOR_ID, 4, 0x10d38086);
	put(&x->f, PCI_HEADER_TYPE, 1, PCI_HEADER_TYPE_BRIDGE);
	assert_int_equal(fl_dev_open(x->ctx, "fake:one", &d), -ENODEV);
	put(&x->f, PCI_HEADER_TYPE, 1, 0x80);
	x->f.cfg_size = 0;
	assert_int_equal(fl_dev_open(x->ctx, "fake:one", &d), -ENODEV);
	x->f.cfg_size = 256;
	x->f.mmap_err = -ENOMEM;
	assert_int_equal(fl_dev_open(x->ctx, "fake:one", &d), -ENOMEM);
	assert_false(x->f.open);
	x->f.mmap_err = 0;
	x->f.bar0.sparse[1].offset = BAR0_SIZE;
	assert_int_equal(fl_dev_open(x->ctx, "fake:one", &d), -ERANGE);
	assert_false(x->f.open);
}

static void test_enable_stuck(void **state)
{
	struct fix *x = *state;

	x->f.stuck = PCI_COMMAND_MASTER;
	assert_int_equal(fl_dev_enable(x->dev, true), -EIO);
	assert_int_equal(fl_dev_enable(x->dev, false), 0);
}

/* ---- config space ------------------------------------------------------------------------- */

static void test_cfg(void **state)
{
	struct fix *x = *state;

	assert_int_equal(fl_dev_cfg_read(x->dev, 0, 1), 0x86);
	assert_int_equal(fl_dev_cfg_read(x->dev, 2, 2), 0x10d3);
	assert_int_equal(fl_dev_cfg_read(x->dev, 0, 4), 0x10d38086);
	assert_int_equal(fl_dev_cfg_read(x->dev, 0, 3), 0xffffff);
	assert_int_equal(fl_dev_cfg_read(x->dev, 1, 2), 0xffff);
	assert_int_equal(fl_dev_cfg_read(x->dev, 4096, 1), 0xff);
	assert_int_equal(fl_dev_cfg_read(x->dev, UINT32_MAX, 1), 0xff);
	assert_int_equal(fl_dev_cfg_write(x->dev, 4096, 4, 0), -EINVAL);
	assert_int_equal(fl_dev_cfg_write(x->dev, 0x3c, 1, 0x1234), 0);
	assert_int_equal(x->f.cfg[0x3c], 0x34);
	assert_int_equal(x->f.cfg[0x3d], 0);
}

static void test_caps(void **state)
{
	struct fix *x = *state;

	assert_int_equal(fl_dev_find_cap(x->dev, PCI_CAP_ID_PM), 0xc8);
	assert_int_equal(fl_dev_find_cap(x->dev, PCI_CAP_ID_MSIX), 0xa0);
	assert_int_equal(fl_dev_find_cap(x->dev, PCI_CAP_ID_VPD), 0);
	assert_int_equal(fl_dev_find_ext_cap(x->dev, PCI_EXT_CAP_ID_ERR), 0x100);
	assert_int_equal(fl_dev_find_ext_cap(x->dev, PCI_EXT_CAP_ID_DSN), 0x140);
	assert_int_equal(fl_dev_find_ext_cap(x->dev, PCI_EXT_CAP_ID_VC), 0);

	put(&x->f, 0xa0, 2, 0xd000 | PCI_CAP_ID_MSIX); /* circles */
	put(&x->f, 0x140, 4, 0x10010003);
	assert_int_equal(fl_dev_find_cap(x->dev, PCI_CAP_ID_VPD), 0);
	assert_int_equal(fl_dev_find_ext_cap(x->dev, PCI_EXT_CAP_ID_VC), 0);
	put(&x->f, 0xa0, 2, 0x2000 | PCI_CAP_ID_MSIX); /* into the header */
	assert_int_equal(fl_dev_find_cap(x->dev, PCI_CAP_ID_VPD), 0);
	put(&x->f, 0x140, 4, 0xffc10003); /* the last place there is */
	assert_int_equal(fl_dev_find_ext_cap(x->dev, PCI_EXT_CAP_ID_VC), 0);
	put(&x->f, PCI_STATUS, 2, 0);
	assert_int_equal(fl_dev_find_cap(x->dev, PCI_CAP_ID_PM), 0);
	memset(x->f.cfg + 0x40, 0xff, sizeof(x->f.cfg) - 0x40);
	put(&x->f, PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
	assert_int_equal(fl_dev_find_cap(x->dev, PCI_CAP_ID_PM), 0);
	assert_int_equal(fl_dev_find_ext_cap(x->dev, PCI_EXT_CAP_ID_ERR), 0);
}

static void test_small_cfg(void **state)
{
	struct fix *x = *state;

	x->f.cfg_size = 256;
	assert_int_equal(fl_dev_open(x->ctx, "fake:one", &x->dev), 0);
	assert_int_equal(fl_dev_find_ext_cap(x->dev, PCI_EXT_CAP_ID_ERR), 0);
	assert_int_equal(fl_dev_cfg_read(x->dev, 256, 4), UINT32_MAX);
}

/* ---- BARs --------------------------------------------------------------------------------- */

static void test_bar(void **state)
{
	struct fix *x = *state;
	struct fl_doorbell db;
	uint32_t v;

	assert_int_equal(x->f.maps, 2); /* the middle area holds no whole page */
	assert_int_equal(fl_bar_size(x->dev, 0), BAR0_SIZE);
	assert_int_equal(fl_bar_size(x->dev, 1), 0);
	assert_int_equal(fl_bar_size(x->dev, 6), 0);
	assert_non_null(fl_bar_ptr(x->dev, 0, 0x2000, 0x1000));
	assert_null(fl_bar_ptr(x->dev, 0, 0x2000, 0x1001));
	assert_null(fl_bar_ptr(x->dev, 0, 0x2000, 0));
	assert_null(fl_bar_ptr(x->dev, 0, 0x1ffc, 8));
	assert_null(fl_bar_ptr(x->dev, 0, 0x4800, 4));
	assert_null(fl_bar_ptr(x->dev, 0, 0x7f00, 4)); /* before the first whole page */
	assert_non_null(fl_bar_ptr(x->dev, 0, 0x8000, 0x2000));
	assert_null(fl_bar_ptr(x->dev, 0, 0xa000, 4)); /* behind the last */
	assert_null(fl_bar_ptr(x->dev, 0, UINT64_MAX, 4));
	assert_null(fl_bar_ptr(x->dev, 9, 0, 4));

	fl_bar_write32(x->dev, 0, 0x2ffc, 0xabcd);
	assert_int_equal(pread(x->f.bar0_file, &v, 4, 0x2ffc), 4);
	assert_int_equal(v, 0xabcd);
	assert_int_equal(fl_bar_read32(x->dev, 0, 0x2ffc), 0xabcd);
	assert_int_equal(x->f.reads + x->f.writes, 0);
	fl_bar_write32(x->dev, 0, 0x3000, 0x1234);
	assert_int_equal(fl_bar_read32(x->dev, 0, 0x3000), 0x1234);
	assert_int_equal(x->f.reads, 1);
	assert_int_equal(x->f.writes, 1);
	fl_bar_write32(x->dev, 2, 60, 5);
	assert_int_equal(x->f.writes, 2);
	fl_bar_write32(x->dev, 2, 64, 5);
	fl_bar_write32(x->dev, 2, 2, 5);
	fl_bar_write32(x->dev, 0, UINT64_MAX - 3, 5);
	assert_int_equal(x->f.writes, 2);
	assert_int_equal(fl_bar_read32(x->dev, 2, 64), UINT32_MAX);
	assert_int_equal(fl_bar_read32(x->dev, 2, 61), UINT32_MAX);
	assert_int_equal(fl_bar_read32(x->dev, 5, 0), UINT32_MAX);

	fl_doorbell_init(&db, x->dev, 0, 0x2018);
	assert_non_null(db.ptr);
	fl_doorbell_ring(&db, 77);
	assert_int_equal(fl_bar_read32(x->dev, 0, 0x2018), 77);
	fl_doorbell_init(&db, x->dev, 0, 0x3018);
	assert_null(db.ptr);
	fl_doorbell_ring(&db, 78);
	assert_int_equal(x->f.trapped[0x3018 / 4], 78);
}

static void test_bar_whole(void **state)
{
	struct fix *x = *state;

	x->f.bar0.nsparse = 0;
	assert_int_equal(fl_dev_open(x->ctx, "fake:one", &x->dev), 0);
	assert_non_null(fl_bar_ptr(x->dev, 0, 0, BAR0_SIZE));
}

static void test_bar_not_mappable(void **state)
{
	struct fix *x = *state;

	x->f.mmap_err = -EOPNOTSUPP;
	assert_int_equal(fl_dev_open(x->ctx, "fake:one", &x->dev), 0);
	assert_null(fl_bar_ptr(x->dev, 0, 0x2000, 4));
	fl_bar_write32(x->dev, 0, 0x2000, 1);
	assert_int_equal(x->f.writes, 1);
}

/* ---- interrupts --------------------------------------------------------------------------- */

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

/* ---- events ------------------------------------------------------------------------------- */

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

/* ---- drivers ------------------------------------------------------------------------------ */

static int no_probe(struct fl_dev *dev, const struct fl_driver_id *id, void **priv)
{
	return -EOPNOTSUPP;
}

static void no_remove(void *priv)
{
}

static void test_drivers(void **state)
{
	static const struct fl_driver_id ids[] = { { 0xfa01, 1, "one" },
						   { 0xfa01, 2, "two" },
						   { 0 } };
	static const struct fl_driver mine = { "mine", FL_CLASS_CRYPTO, ids, no_probe, no_remove };
	static const struct fl_driver bad = { "bad", FL_CLASS_NET, ids, NULL, no_remove };
	const struct fl_pci_id id = { .vendor = 0xfa01, .device = 2 };
	const struct fl_driver_id *match = NULL;
	unsigned n;

	assert_null(fl_driver_match(FL_CLASS_CRYPTO, &id, &match));
	assert_int_equal(fl_driver_register(&bad), -EINVAL);
	assert_int_equal(fl_driver_register(&mine), 0);
	assert_int_equal(fl_driver_register(&mine), -EEXIST);
	assert_ptr_equal(fl_driver_at(0), &mine);
	assert_ptr_equal(fl_driver_match(FL_CLASS_CRYPTO, &id, &match), &mine);
	assert_string_equal(match->data, "two");
	assert_null(fl_driver_match(FL_CLASS_NET, &id, &match));
	for (n = 0; fl_driver_at(n); n++)
		assert_non_null(fl_driver_at(n)->name);
	assert_null(fl_driver_at(n));
	assert_null(fl_driver_at(n + 100));
}

#define T(name)	    cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TOPEN(name) cmocka_unit_test_setup_teardown(name, setup_open, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_uri),	     T(test_open),
		T(test_open_fails),  TOPEN(test_enable_stuck),
		TOPEN(test_cfg),     TOPEN(test_caps),
		T(test_small_cfg),   TOPEN(test_bar),
		T(test_bar_whole),   T(test_bar_not_mappable),
		TOPEN(test_msix),    TOPEN(test_intx),
		TOPEN(test_storm),   T(test_err_req),
		TOPEN(test_removal), cmocka_unit_test(test_drivers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
