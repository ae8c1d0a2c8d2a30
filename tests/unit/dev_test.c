/* SPDX-License-Identifier: BSD-3-Clause */
/* Contexts and devices, their config space and BARs. */
#include "dev_fake.h"

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
	assert_int_equal(fl_dev_enable(x->dev, false), 0); /* of memory, who polls may be in it */
	assert_int_equal(fl_dev_cfg_read(x->dev, PCI_COMMAND, 2),
			 PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	x->f.vd.node = 1;
	assert_int_equal(fl_dev_node(x->dev), 1);
}

static void on_fd(void *arg)
{
	uint64_t n;

	assert_int_equal(read(*(int *)arg, &n, sizeof(n)), sizeof(n));
}

/** What is open can be listed; an fd of the application's is served with the devices' own. */
static void test_items_and_fds(void **state)
{
	struct fix *x = *state;
	struct fl_item a, b;
	uint64_t one = 1;
	int fd = eventfd(0, EFD_CLOEXEC);

	assert_null(fl_dev_at(x->ctx, 0));
	fl_ctx_enlist(x->ctx, &a, FL_ITEM_PORT, &a);
	assert_int_equal(fl_dev_open(x->ctx, "fake:one", &x->dev), 0);
	fl_ctx_enlist(x->ctx, &b, FL_ITEM_PORT, &b);
	assert_ptr_equal(fl_dev_at(x->ctx, 0), x->dev);
	assert_null(fl_dev_at(x->ctx, 1));
	assert_ptr_equal(fl_ctx_item(x->ctx, FL_ITEM_PORT, 1), &b);
	fl_ctx_delist(x->ctx, &a);
	fl_ctx_delist(x->ctx, &a); /* once more does no harm */
	assert_ptr_equal(fl_ctx_item(x->ctx, FL_ITEM_PORT, 0), &b);
	fl_ctx_delist(x->ctx, &b);
	fl_dev_close(x->dev);
	x->dev = NULL;
	assert_null(fl_dev_at(x->ctx, 0));

	assert_int_equal(fl_ctx_add_fd(x->ctx, fd, on_fd, &fd), 0);
	assert_int_equal(fl_ctx_add_fd(x->ctx, fd, on_fd, &fd), -EEXIST);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 0);
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 1);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 0);
	fl_ctx_del_fd(x->ctx, fd);
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	assert_int_equal(fl_ctx_dispatch(x->ctx, 0), 0);
	close(fd);
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

static void test_reset(void **state)
{
	struct fix *x = *state;

	assert_int_equal(fl_dev_reset(x->dev), 0);
	assert_int_equal(x->f.resets, 1);
	assert_int_equal(x->f.hot_resets, 0);
	/* a function that has none of its own */
	x->f.vd.resettable = false;
	assert_int_equal(fl_dev_reset(x->dev), 0);
	assert_int_equal(fl_dev_hot_reset(x->dev), 0);
	assert_int_equal(x->f.resets, 1);
	assert_int_equal(x->f.hot_resets, 2);
	fl_dev_release(x->dev);
	assert_int_equal(fl_dev_reset(x->dev), -ENODEV);
	assert_int_equal(fl_dev_hot_reset(x->dev), -ENODEV);
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

static void test_bar_wide(void **state)
{
	struct fix *x = *state;
	uint64_t v[2] = { 0x1111222233334444, 0x5555666677778888 }, r[2];

	/* mapped */
	fl_bar_write64(x->dev, 0, 0x2ff8, v[0]);
	assert_int_equal(pread(x->f.bar0_file, r, 8, 0x2ff8), 8);
	assert_int_equal(r[0], v[0]);
	assert_int_equal(fl_bar_read64(x->dev, 0, 0x2ff8), v[0]);
	fl_bar_write128(x->dev, 0, 0x2fe0, v);
	assert_int_equal(pread(x->f.bar0_file, r, 16, 0x2fe0), 16);
	assert_memory_equal(r, v, 16);
	memset(r, 0, 16);
	fl_bar_read128(x->dev, 0, 0x2fe0, r);
	assert_memory_equal(r, v, 16);
	fl_bar_send64(x->dev, 0, 0x2fe8, 1); /* not a transport of messages */
	assert_int_equal(fl_bar_read64(x->dev, 0, 0x2fe8), 1);
	assert_int_equal(x->f.reads + x->f.writes, 0);
	/* trapped: one access each */
	fl_bar_write64(x->dev, 0, 0x3000, v[0]);
	assert_int_equal(x->f.trapped[0x3000 / 4], 0x33334444);
	assert_int_equal(x->f.trapped[0x3004 / 4], 0x11112222);
	fl_bar_write128(x->dev, 0, 0x3010, v);
	assert_int_equal(x->f.writes, 2);
	fl_bar_read128(x->dev, 0, 0x3010, r);
	assert_memory_equal(r, v, 16);
	assert_int_equal(fl_bar_read64(x->dev, 0, 0x3000), v[0]);
	assert_int_equal(x->f.reads, 2);
	/* bounds and alignment */
	fl_bar_write64(x->dev, 2, 60, 5);
	fl_bar_write64(x->dev, 2, 4, 5);
	fl_bar_write128(x->dev, 2, 56, v);
	fl_bar_write128(x->dev, 2, 8, v);
	fl_bar_send64(x->dev, 2, 64, 5);
	assert_int_equal(x->f.writes, 2);
	assert_true(fl_bar_read64(x->dev, 2, 60) == UINT64_MAX);
	fl_bar_read128(x->dev, 2, 8, r);
	assert_true((r[0] & r[1]) == UINT64_MAX);
}

static void test_bar_sent(void **state)
{
	struct fix *x = *state;
	struct fl_vfio_ops ops = *x->f.vd.ops;

	ops.name = "vfio-user";
	x->f.vd.ops = &ops;
	fl_bar_send64(x->dev, 0, 0x2fe8, 1);
	assert_int_equal(x->f.writes, 1);
	assert_int_equal(x->f.trapped[0x2fe8 / 4], 1);
	assert_int_equal(fl_bar_read64(x->dev, 0, 0x2fe8), 0);
	fl_dev_close(x->dev);
	x->dev = NULL;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_uri),
		T(test_open),
		T(test_items_and_fds),
		T(test_open_fails),
		TOPEN(test_enable_stuck),
		TOPEN(test_reset),
		TOPEN(test_cfg),
		TOPEN(test_caps),
		T(test_small_cfg),
		TOPEN(test_bar),
		TOPEN(test_bar_wide),
		TOPEN(test_bar_sent),
		T(test_bar_whole),
		T(test_bar_not_mappable),
		cmocka_unit_test(test_drivers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
