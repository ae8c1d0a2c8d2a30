/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices by their cdev on an iommufd, on a kernel made up (vfio_fake.h). */
#include "vfio_rig.h"

#include <iommufd_internal.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct fl_vfio_open by_iommufd = { FL_VFIO_IOMMUFD, -1, -1, -1, -1, NULL, false };

static struct fl_vk_dev *vk(struct fl_vfio_dev *d)
{
	return (struct fl_vk_dev *)d;
}

static struct fake_dev *add(const char *address, int group, unsigned cdev)
{
	struct fake_dev *d = fake_add(address, group, "vfio-pci");

	fake_iommufd(d, cdev);
	return d;
}

static int setup(void **state)
{
	*state = rig_setup(&by_iommufd);
	add(A, 5, 0);
	return 0;
}

/* ---- what works ------------------------------------------------------------------------ */

static void test_open_map_close(void **state)
{
	struct fix *x = *state;
	const struct fake_map *m = fake.ioases[0].maps;
	struct fl_iova_range w[4];

	open_a(x);
	assert_string_equal(x->a->ops->name, "iommufd");
	assert_int_equal(fake_containers(), 0);
	assert_non_null(fake.devs[0].hwpt);
	assert_true(fake.devs[0].hwpt->automatic);
	assert_int_equal(fl_dma_windows(x->space, w, 4), 2);
	assert_int_equal(w[0].last, 0xfedfffff);
	assert_int_equal(w[1].last, (1ull << 39) - 1);

	assert_int_equal(map(x, 0, MIB), 0);
	assert_int_equal(fake_maps(), 1);
	assert_int_equal(m->va, (uintptr_t)x->area[0]->va);
	assert_int_equal(m->iova, x->area[0]->iova.v);
	assert_int_equal(m->len, MIB);
	assert_int_equal(m->flags, FL_IOMMU_MAP_FIXED | FL_IOMMU_MAP_READ | FL_IOMMU_MAP_WRITE);
	assert_int_equal(unmap(x, 0), 0);
	assert_int_equal(fake_maps(), 0);
	close_dev(&x->a);
	assert_int_equal(fake_objects(), 0);
	assert_int_equal(fake.devs[0].devid, 0);
}

static void test_read_only_area(void **state)
{
	struct fix *x = *state;
	struct fl_dma_opts o = { .prot = FL_DMA_READ };

	open_a(x);
	assert_int_equal(fl_mem_alloc(PAGE, NULL, &x->mem[0]), 0);
	assert_int_equal(fl_dma_map(x->space, x->mem[0], &o, &x->area[0]), 0);
	assert_int_equal(fake.ioases[0].maps[0].flags, FL_IOMMU_MAP_FIXED | FL_IOMMU_MAP_READ);
}

static void test_region_access(void **state)
{
	struct fix *x = *state;
	uint32_t id = 0;

	open_a(x);
	assert_int_equal(x->a->ops->region_read(x->a, FL_VFIO_REGION_CONFIG, 0, &id, 4), 0);
	assert_int_equal(id, 0x10d38086);
}

static void test_chosen_by_itself(void **state)
{
	struct fix *x = *state;

	assert_int_equal(fl_vfio_kernel_open(x->k, A, NULL, &x->a), 0);
	assert_string_equal(x->a->ops->name, "iommufd");
	fake_add(B, 6, "vfio-pci"); /* without a cdev */
	assert_int_equal(fl_vfio_kernel_open(x->k, B, NULL, &x->b), 0);
	assert_string_equal(x->b->ops->name, "container");
	assert_int_equal(map(x, 0, MIB), 0);
	assert_int_equal(fake_maps(), 2); /* the IOAS and the container */
}

static void test_second_shares(void **state)
{
	struct fix *x = *state;
	struct fl_dma_stats st;
	struct fl_iova_range w[4];

	add(B, 6, 1);
	fake_group(6)->windows[1].last = (1ull << 36) - 1;
	open_a(x);
	assert_int_equal(map_at(x, 0, MIB, 1ull << 32, 0), 0);
	assert_int_equal(open_dev(x, B, &x->b), 0);
	assert_ptr_equal(fake.devs[0].hwpt, fake.devs[1].hwpt);
	assert_int_equal(fake_maps(), 1);
	fl_dma_stats(x->space, &st);
	assert_int_equal(st.domains, 1);
	/* its windows count before anything more is mapped, and go with it */
	assert_int_equal(fl_dma_windows(x->space, w, 4), 2);
	assert_int_equal(w[1].last, (1ull << 36) - 1);
	close_dev(&x->b);
	assert_int_equal(fl_dma_windows(x->space, w, 4), 2);
	assert_int_equal(w[1].last, (1ull << 39) - 1);
	close_dev(&x->a);
	assert_int_equal(fake_maps(), 0);
}

static void test_other_iommu_same_space(void **state)
{
	struct fix *x = *state;

	add(B, 6, 1);
	fake_group(6)->tag = 1;
	open_a(x);
	assert_int_equal(open_dev(x, B, &x->b), 0);
	/* the kernel has a page table for each below the one address space */
	assert_ptr_not_equal(fake.devs[0].hwpt, fake.devs[1].hwpt);
	assert_int_equal(fake_objects(), 3);
	assert_int_equal(map(x, 0, MIB), 0);
	assert_int_equal(fake_maps(), 1);
}

static void test_many_windows(void **state)
{
	struct fix *x = *state;

	fake.more_windows = 100;
	open_a(x);
	assert_int_equal(fl_dma_windows(x->space, NULL, 0), 102);
	fake.more_windows = 0;
	assert_int_equal(map(x, 0, MIB), 0);
	assert_int_equal(fl_dma_windows(x->space, NULL, 0), 2);
}

static void test_release_reattach(void **state)
{
	struct fix *x = *state;

	open_a(x);
	assert_int_equal(map_at(x, 0, MIB, 64 * MIB, 0), 0);
	x->a->ops->release(x->a);
	assert_true(x->a->removed);
	assert_int_equal(fake_objects(), 0);
	assert_int_equal(fake.devs[0].devid, 0);
	assert_int_equal(map_at(x, 1, PAGE, 128 * MIB, 0), 0);
	assert_int_equal(x->a->ops->reattach(x->a), 0);
	assert_false(x->a->removed);
	assert_int_equal(fake_maps(), 2);
	assert_int_equal(fake.devs[0].opens, 2);
}

/* ---- what is handed in ----------------------------------------------------------------- */

static int open_node(const char *name)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", fake.dev, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void test_fds_handed_in(void **state)
{
	struct fix *x = *state;
	struct fl_vfio_open how = FL_VFIO_OPEN_DEFAULT;

	add(B, 6, 1);
	how.cdev_fd = open_node("vfio/devices/vfio0");
	how.iommu_fd = open_node("iommu");
	fake_remove("dev/iommu");
	fake_remove("dev/vfio/devices/vfio0");
	assert_int_equal(fl_vfio_kernel_open(x->k, A, &how, &x->a), 0);
	assert_string_equal(x->a->ops->name, "iommufd");
	assert_int_equal(vk(x->a)->fd, how.cdev_fd);
	assert_int_equal(x->k->iommu->fd, how.iommu_fd);

	/* the second goes along; the iommufd that comes with it is closed */
	fake_file("dev/iommu", "");
	how.cdev_fd = open_node("vfio/devices/vfio1");
	how.iommu_fd = open_node("iommu");
	assert_int_equal(fl_vfio_kernel_open(x->k, B, &how, &x->b), 0);
	assert_int_not_equal(x->k->iommu->fd, how.iommu_fd);
	assert_int_equal(fcntl(how.iommu_fd, F_GETFD), -1);

	/* what came as a file cannot be opened again by path */
	x->a->ops->release(x->a);
	assert_int_equal(x->a->ops->reattach(x->a), -ENOENT);
}

static void test_wrong_fds_handed_in(void **state)
{
	struct fix *x = *state;
	struct fl_vfio_open how = by_iommufd;

	how.cdev_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(fl_vfio_kernel_open(x->k, A, &how, &x->a), -EINVAL);
	assert_true(fake_logged("the file handed in is no cdev of its own (vfio0)"));
	/* another device's */
	add(B, 6, 1);
	how.cdev_fd = open_node("vfio/devices/vfio1");
	assert_int_equal(fl_vfio_kernel_open(x->k, A, &how, &x->a), -EINVAL);
	assert_int_equal(fake_log_lines("is no cdev of its own (vfio0)"), 2);
	assert_int_equal(fake.devs[1].opens, 0);
	how.cdev_fd = open_node("vfio/devices/vfio0");
	fake.devs[0].devid = 77;
	assert_int_equal(fl_vfio_kernel_open(x->k, A, &how, &x->a), -EBUSY);
	assert_true(fake_logged("was bound before it was handed in"));
	fake.devs[0].devid = 0;
	how = by_iommufd;
	how.iommu_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(fl_vfio_kernel_open(x->k, A, &how, &x->a), -EBADFD);
	assert_true(fake_logged("the file handed in as iommu-fd is no iommufd"));
	assert_null(x->k->iommu);
}

/* ---- refusals -------------------------------------------------------------------------- */

static void refused(struct fix *x, int rc, const char *cause, const char *remedy)
{
	assert_int_equal(open_dev(x, A, &x->a), rc);
	assert_true(fake_logged(cause));
	assert_true(fake_logged(remedy));
	assert_int_equal(fake_log_lines("error "), 1);
	assert_null(x->k->iommu);
}

static void test_no_iommufd(void **state)
{
	fake_remove("dev/iommu");
	refused(*state, -ENOENT, "dev/iommu, which is not there", "modprobe iommufd");
}

static void test_no_cdev(void **state)
{
	fake_remove("sys/bus/pci/devices/" A "/vfio-dev");
	refused(*state, -EOPNOTSUPP, "no node of its own for iommufd", "CONFIG_VFIO_DEVICE_CDEV");
}

static void no_permission(struct fix *x, const char *node)
{
	bool root = geteuid() == 0;
	char path[96];

	snprintf(path, sizeof(path), "%s/%s", fake.dev, node);
	assert_int_equal(chmod(path, 0), 0);
	snprintf(path, sizeof(path), "%s/..", fake.dev);
	assert_int_equal(chmod(path, 0755), 0);
	for (const char *other = "vfio/devices/vfio0"; other;
	     other = strcmp(other, "iommu") ? "iommu" : NULL) {
		snprintf(path, sizeof(path), "%s/%s", fake.dev, other);
		if (strcmp(other, node))
			assert_int_equal(chmod(path, 0666), 0);
	}
	if (root)
		assert_int_equal(seteuid(65534), 0);
	refused(x, -EACCES, "Permission denied", "udev");
	if (root)
		assert_int_equal(seteuid(0), 0);
}

static void test_no_permission_iommu(void **state)
{
	no_permission(*state, "iommu");
}

static void test_no_permission_cdev(void **state)
{
	no_permission(*state, "vfio/devices/vfio0");
}

static void test_interrupts_refused(void **state)
{
	fake.no_irq_remapping = true;
	refused(*state, -EPERM, "no interrupt remapping",
		"/sys/module/iommufd/parameters/allow_unsafe_interrupts");
}

static void test_group_open_other_way(void **state)
{
	int fd = open_node("vfio/5");

	refused(*state, -EBUSY, "dev/vfio/5 (close that", "iommu=container");
	close(fd);
}

static void test_group_not_viable(void **state)
{
	fake_add("0000:01:00.1", 5, "ahci");
	fake_group(5)->viable = false;
	refused(*state, -EBUSY, "shares IOMMU group 5 with", "0000:01:00.1 (ahci)");
}

static void test_open_elsewhere(void **state)
{
	fake.devs[0].devid = 77;
	refused(*state, -EBUSY, "it is open elsewhere", "dev/vfio/devices/vfio0` names by whom");
	fake.devs[0].devid = 0;
}

static void test_no_page_table(void **state)
{
	fake_group(5)->tag = -1;
	refused(*state, -EINVAL, "its IOMMU takes no page table", "first-stage");
}

static void test_memlock_too_small(void **state)
{
	struct fix *x = *state;
	char who[64];

	open_a(x);
	fake.memlock = 2 * MIB;
	assert_int_equal(map(x, 0, MIB), 0);
	assert_int_equal(map(x, 1, 2 * MIB), -ENOMEM);
	assert_true(fake_logged("needs 2 MiB locked"));
	assert_true(fake_logged("ulimit -l"));
	snprintf(who, sizeof(who), "0x200000 bytes to user %u: all its processes", getuid());
	assert_true(fake_logged(who));
	assert_int_equal(fake_log_lines("error "), 1);
	assert_int_equal(fake_maps(), 1);
	fake.by_process = true;
	assert_int_equal(map(x, 1, 2 * MIB), -ENOMEM);
	assert_int_equal(fake_log_lines("all its processes"), 1);
}

static void test_no_window_large_enough(void **state)
{
	struct fix *x = *state;

	fake_group(5)->windows[0] = (struct fl_iova_range){ 0, MIB - 1 };
	fake_group(5)->nwindows = 1;
	open_a(x);
	assert_int_equal(map(x, 0, 2 * MIB), -ENOSPC);
	assert_true(
		fake_logged("no IOVA is free for 0x200000 bytes; valid windows: [0x0-0xfffff]"));
	assert_int_equal(fake_log_lines("error "), 1);
}

static void test_mapping_exists(void **state)
{
	struct fix *x = *state;
	struct fake_ioas *a = &fake.ioases[0];

	open_a(x);
	a->maps[a->nmaps++] = (struct fake_map){ .iova = MIB, .len = MIB };
	assert_int_equal(map_at(x, 0, PAGE, MIB, 0), -EEXIST);
	assert_true(fake_logged("IOVA 0x100000 + 0x1000"));
	assert_true(fake_logged("mapped there already"));
	assert_int_equal(fake_log_lines("error "), 1);
	a->nmaps = 0;
}

static void test_short_unmap(void **state)
{
	struct fix *x = *state;

	open_a(x);
	assert_int_equal(map(x, 0, MIB), 0);
	assert_int_equal(map(x, 1, MIB), 0);
	fake.short_unmap = true;
	assert_int_equal(unmap(x, 0), -EIO);
	assert_true(fake_logged("took out 0x80000 bytes"));
	fake.short_unmap = false;
	fake.ioases[0].nmaps = 0; /* gone behind our back */
	assert_int_equal(unmap(x, 1), -ENOENT);
}

static void test_area_in_reserved_window(void **state)
{
	struct fix *x = *state;
	struct fl_iova_range w[4];

	add(B, 6, 1);
	fake_group(6)->windows[1] = (struct fl_iova_range){ 0xfef00000, (1ull << 32) - 1 };
	open_a(x);
	assert_int_equal(map_at(x, 0, PAGE, 1ull << 33, 0), 0);
	assert_int_equal(open_dev(x, B, &x->b), -EINVAL);
	assert_true(fake_logged("memory is mapped where its IOMMU reserves addresses"));
	assert_true(fake_logged("at IOVA 0x200000000 is outside what it allows"));
	assert_int_equal(fake_log_lines("error "), 1);
	assert_int_equal(fake_objects(), 2);
	assert_int_equal(fake_maps(), 1);
	/* a kernel that lets it in, and reports less */
	fake.lax_windows = true;
	assert_int_equal(open_dev(x, B, &x->b), -EINVAL);
	assert_int_equal(fake_log_lines("is outside what it allows"), 2);
	assert_int_equal(fake_objects(), 2);
	/* what it does not reach the others do still */
	assert_int_equal(fl_dma_windows(x->space, w, 4), 2);
	assert_int_equal(w[1].last, (1ull << 39) - 1);
}

static void test_replay_refused(void **state)
{
	struct fix *x = *state;

	assert_int_equal(map_at(x, 0, PAGE, 0xfee00000, 0), 0);
	refused(x, -EINVAL, "at IOVA 0xfee00000 is outside what it allows",
		"open this device before mapping");
	assert_int_equal(fake_objects(), 0);
}

/* ---- promises -------------------------------------------------------------------------- */

static void test_promised_ranges(void **state)
{
	const struct fl_iova_range promise = { 1ull << 33, (1ull << 34) - 1 };
	const struct fl_iova_range never = { 0xfee00000, 0xfee00fff };
	struct fix *x = *state;
	struct fl_dma_stats st;

	add(B, 6, 1);
	fake_group(6)->windows[1] = (struct fl_iova_range){ 0xfef00000, (1ull << 32) - 1 };
	open_a(x);
	assert_int_equal(fl_vk_ioas_allow(vk(x->a)->ioas, &never, 1), -EADDRINUSE);
	assert_int_equal(fl_vk_ioas_allow(vk(x->a)->ioas, &promise, 1), 0);
	assert_int_equal(map_at(x, 0, PAGE, MIB, 0), 0);
	/* the promise keeps it out of that address space, but all areas suit it: one of its own */
	assert_int_equal(open_dev(x, B, &x->b), 0);
	fl_dma_stats(x->space, &st);
	assert_int_equal(st.domains, 2);
	assert_int_equal(fake_maps(), 2);
	close_dev(&x->b);
	assert_int_equal(fake_maps(), 1);
	assert_int_equal(fl_vk_ioas_allow(vk(x->a)->ioas, NULL, 0), 0);
	assert_int_equal(open_dev(x, B, &x->b), 0);
	assert_int_equal(fake_maps(), 1);
}

/* ---- resets ---------------------------------------------------------------------------- */

static uint32_t reset_flags, sibling;
static unsigned reset_count;

static bool hot_resets(struct fake_dev *d, unsigned long request, void *arg, int *rc)
{
	struct vfio_pci_hot_reset_info *info = arg;
	const struct vfio_pci_hot_reset *r = arg;

	*rc = 0;
	if (request == VFIO_DEVICE_PCI_HOT_RESET) {
		assert_int_equal(r->count, 0); /* no groups */
		reset_count++;
		return true;
	}
	if (request != VFIO_DEVICE_GET_PCI_HOT_RESET_INFO)
		return false;
	info->flags = reset_flags;
	info->count = 2;
	info->devices[0] =
		(struct vfio_pci_dependent_device){ .group_id = d->devid, .bus = 1, .devfn = 0 };
	info->devices[1] =
		(struct vfio_pci_dependent_device){ .group_id = sibling, .bus = 1, .devfn = 1 };
	return true;
}

static void test_hot_reset(void **state)
{
	struct fix *x = *state;

	open_a(x);
	fake.dev_ioctl = hot_resets;
	reset_count = 0;
	/* ids that are none: a kernel that says groups */
	reset_flags = 0;
	sibling = 5;
	assert_int_equal(x->a->ops->hot_reset(x->a), -EBUSY);
	reset_flags = FL_VFIO_HOT_RESET_DEV_ID;
	sibling = FL_VFIO_HOT_RESET_NOT_OURS;
	assert_int_equal(x->a->ops->hot_reset(x->a), -EBUSY);
	assert_true(fake_logged("would also reset 0000:01:00.1, which others may have"));
	assert_int_equal(reset_count, 0);
	sibling = 0; /* of a group that the iommufd holds */
	assert_int_equal(x->a->ops->hot_reset(x->a), 0);
	assert_int_equal(reset_count, 1);
}

/* ---- page tables ----------------------------------------------------------------------- */

static void test_hwpt_by_hand(void **state)
{
	struct fix *x = *state;
	struct fl_vk_hwpt *h, *unused;
	struct fl_vk_dev *d;

	open_a(x);
	d = vk(x->a);
	assert_int_equal(fl_vk_hwpt_alloc(d, d->ioas, FL_IOMMU_HWPT_DIRTY, 0, &h), -EOPNOTSUPP);
	assert_int_equal(fl_vk_hwpt_alloc(d, d->ioas, FL_IOMMU_HWPT_FAULT_ID, 99, &h), -ENOENT);
	assert_int_equal(fl_vk_hwpt_alloc(d, d->ioas, 0, 0, &h), 0);
	assert_int_equal(fl_vk_hwpt_alloc(d, d->ioas, 0, 0, &unused), 0);
	assert_int_equal(fake_objects(), 4);
	/* moved over, the kernel's own goes */
	assert_int_equal(fl_vk_hwpt_attach(d, h), 0);
	assert_int_equal(fake.devs[0].hwpt->id, h->id);
	assert_int_equal(fake_objects(), 3);
	assert_int_equal(d->ioas->nplain, 0);
	assert_int_equal(h->users, 1);
	fl_vk_hwpt_free(unused);
	assert_int_equal(fake_objects(), 2);
	/* a device that it does not suit stays where it is */
	add(B, 6, 1);
	fake_group(6)->tag = 1;
	assert_int_equal(open_dev(x, B, &x->b), 0);
	assert_int_equal(fl_vk_hwpt_attach(vk(x->b), h), -EINVAL);
	assert_null(vk(x->b)->hwpt);
	assert_non_null(fake.devs[1].hwpt);
	close_dev(&x->a);
	assert_int_equal(fake_objects(), 2); /* the IOAS, and B's */
}

/* ---- the dirty log --------------------------------------------------------------------- */

static int dirty_log(struct fl_vfio_dev *d, bool on)
{
	return fl_vk_ioas_ops.dirty_log(vk(d)->ioas, on);
}

static uint64_t dirty_read(struct fl_vfio_dev *d, const struct fl_dma_area *a, uint64_t page)
{
	uint64_t bits = 0;

	assert_int_equal(fl_vk_ioas_ops.dirty_read(vk(d)->ioas, a->iova, a->len, page, &bits), 0);
	return bits;
}

static void test_dirty_log(void **state)
{
	struct fix *x = *state;

	fake.devs[0].can_log = add(B, 6, 1)->can_log = true;
	open_a(x);
	assert_false(fake.devs[0].hwpt->automatic);
	assert_int_equal(map_at(x, 0, 16 * PAGE, MIB, 0), 0);
	assert_int_equal(open_dev(x, B, &x->b), 0);
	assert_ptr_equal(fake.devs[0].hwpt, fake.devs[1].hwpt);
	fake.ioases[0].maps[0].dirty = 2;
	assert_int_equal(dirty_log(x->a, true), 0);
	assert_true(fake.devs[0].hwpt->dirty_on);
	assert_int_equal(dirty_read(x->a, x->area[0], PAGE), 0);
	fake.ioases[0].maps[0].dirty = 0x8005;
	assert_int_equal(dirty_read(x->a, x->area[0], PAGE), 0x8005);
	assert_int_equal(dirty_read(x->a, x->area[0], PAGE), 0);
	fake.ioases[0].maps[0].dirty = 0x8005;
	assert_int_equal(dirty_read(x->a, x->area[0], 8 * PAGE), 3);
	assert_int_equal(dirty_log(x->a, false), 0);
	assert_false(fake.devs[0].hwpt->dirty_on);
}

/* Another thread starts the log between the question whether the device can be logged and its
 * coming. */
static void start_log(void *arg)
{
	struct fix *x = arg;

	fake.on_attach = NULL;
	assert_int_equal(dirty_log(x->a, true), 0);
}

static void test_dirty_log_starts_meanwhile(void **state)
{
	struct fix *x = *state;

	fake.devs[0].can_log = true;
	add(B, 6, 1);
	open_a(x);
	fake.on_attach = start_log;
	fake.on_attach_arg = x;
	assert_int_equal(open_dev(x, B, &x->b), -EOPNOTSUPP);
	assert_true(fake.devs[0].hwpt->dirty_on);
	assert_null(fake.devs[1].hwpt);
	assert_int_equal(vk(x->a)->ioas->nplain, 0);
	assert_true(fake_logged("this IOMMU logs no writes"));
}

static void test_dirty_log_of_two(void **state)
{
	struct fix *x = *state;

	fake.devs[0].can_log = add(B, 6, 1)->can_log = true;
	fake_group(6)->tag = 1;
	open_a(x);
	assert_int_equal(open_dev(x, B, &x->b), 0);
	assert_ptr_not_equal(fake.devs[0].hwpt, fake.devs[1].hwpt);
	/* all or none */
	fake.calls = 0;
	fake.fail_at = 2;
	fake.fail_errno = EIO;
	assert_int_equal(dirty_log(x->a, true), -EIO);
	assert_false(fake.devs[0].hwpt->dirty_on || fake.devs[1].hwpt->dirty_on);
	fake.fail_at = 0;
	assert_int_equal(dirty_log(x->a, true), 0);
	assert_true(fake.devs[0].hwpt->dirty_on && fake.devs[1].hwpt->dirty_on);
	/* one that joins meanwhile is logged at once */
	close_dev(&x->b);
	assert_int_equal(open_dev(x, B, &x->b), 0);
	assert_true(fake.devs[1].hwpt->dirty_on);
	/* one that cannot be does not join */
	close_dev(&x->b);
	fake.devs[1].can_log = false;
	assert_int_equal(open_dev(x, B, &x->b), -EOPNOTSUPP);
	assert_true(fake_logged("a dirty log runs, and this IOMMU logs no writes"));
	assert_int_equal(fake_log_lines("error "), 1);
	fake.devs[1].can_log = true;
	/* one that can be, but not in this address space, gets its own */
	fake_group(6)->windows[1].last = (1ull << 33) - 1;
	assert_int_equal(map_at(x, 0, PAGE, 1ull << 34, 0), 0);
	assert_int_equal(open_dev(x, B, &x->b), -EINVAL);
	assert_true(fake_logged("memory is mapped where its IOMMU reserves addresses"));
	assert_true(fake_logged("at IOVA 0x400000000 is outside what it allows"));
	fake_group(6)->windows[1].last = (1ull << 39) - 1;
	/* off goes through all of them */
	assert_int_equal(open_dev(x, B, &x->b), 0);
	fake.calls = 0;
	fake.fail_at = 1;
	assert_int_equal(dirty_log(x->a, false), -EIO);
	assert_int_equal(fake.devs[0].hwpt->dirty_on + fake.devs[1].hwpt->dirty_on, 1);
}

/* The last device of a page table leaves: what it wrote is read later all the same. */
static void test_dirty_log_of_who_leaves(void **state)
{
	struct fix *x = *state;
	uint64_t bits[2];

	fake.devs[0].can_log = add(B, 6, 1)->can_log = true;
	fake_group(6)->tag = 1;
	open_a(x);
	assert_int_equal(open_dev(x, B, &x->b), 0);
	assert_int_equal(map_at(x, 0, 16 * PAGE, MIB, 0), 0);
	assert_int_equal(map_at(x, 1, 16 * PAGE, 2 * MIB, 0), 0);
	assert_int_equal(fl_dma_dirty_start(x->space), 0);
	for (unsigned i = 0; i < 2; i++) {
		fake.ioases[0].maps[i].dirty = 0x8005;
		fake.ioases[0].maps[i].dirty_hwpt = fake.devs[1].hwpt->id;
	}
	/* one of them cannot be read: all of that may have been written to */
	fake.fail_errno = EIO;
	fake.fail_at = fake.calls + 4; /* after DETACH, and two that read the first */
	close_dev(&x->b);
	fake.fail_at = 0;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(fl_dma_dirty_read(x->area[i], 0, 16 * PAGE, PAGE, &bits[i]), 0);
	assert_int_equal(bits[0], 0x8005);
	assert_int_equal(bits[1], 0xffff);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(fl_dma_dirty_read(x->area[i], 0, 16 * PAGE, PAGE, &bits[i]), 0);
	assert_int_equal(bits[0] | bits[1], 0);
	assert_int_equal(fl_dma_dirty_stop(x->space), 0);
}

static void test_no_dirty_log(void **state)
{
	struct fix *x = *state;

	add(B, 6, 1)->can_log = true;
	open_a(x);
	assert_int_equal(dirty_log(x->a, true), -EOPNOTSUPP);
	assert_true(fake_logged("no dirty log: it takes Linux 6.7 and an IOMMU with dirty bits"));
	/* one of two that can is not enough */
	assert_int_equal(open_dev(x, B, &x->b), 0);
	assert_int_equal(dirty_log(x->a, true), -EOPNOTSUPP);
	assert_false(fake.devs[1].hwpt->dirty_on);
}

/* ---- hostile information --------------------------------------------------------------- */

static void too_many(void *answer)
{
	((struct fl_abi_iova_ranges *)answer)->num_iovas = 1u << 30;
}

static void odd_alignment(void *answer)
{
	((struct fl_abi_iova_ranges *)answer)->out_iova_alignment = 12345;
}

static void no_alignment(void *answer)
{
	((struct fl_abi_iova_ranges *)answer)->out_iova_alignment = 0;
}

static void none(void *answer)
{
	((struct fl_abi_iova_ranges *)answer)->num_iovas = 0;
}

static void ever_more(void *answer)
{
	((struct fl_abi_iova_ranges *)answer)->num_iovas = 100 + fake.calls;
}

static void test_hostile_ranges(void **state)
{
	static void (*const edits[])(void *) = { too_many, odd_alignment, no_alignment, none,
						 ever_more };
	struct fix *x = *state;

	for (size_t i = 0; i < FL_ARRAY_SIZE(edits); i++) {
		fake.edit_ranges = edits[i];
		assert_int_equal(open_dev(x, A, &x->a), -EPROTO);
		assert_int_equal(fake_objects(), 0);
	}
}

/* ---- undo ------------------------------------------------------------------------------ */

/* Each has a page table of its own, and an area is there before them. */
static void test_undo_everywhere(void **state)
{
	struct fix *x = *state;

	add(B, 6, 1)->can_log = true;
	fake_group(6)->tag = 1;
	assert_int_equal(map_at(x, 0, PAGE, 64 * MIB, 0), 0);
	rig_fail_each(x, rig_live, rig_end, EIO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_open_map_close),
		T(test_read_only_area),
		T(test_region_access),
		T(test_chosen_by_itself),
		T(test_second_shares),
		T(test_other_iommu_same_space),
		T(test_many_windows),
		T(test_release_reattach),
		T(test_fds_handed_in),
		T(test_wrong_fds_handed_in),
		T(test_no_iommufd),
		T(test_no_cdev),
		T(test_no_permission_iommu),
		T(test_no_permission_cdev),
		T(test_interrupts_refused),
		T(test_group_open_other_way),
		T(test_group_not_viable),
		T(test_open_elsewhere),
		T(test_no_page_table),
		T(test_memlock_too_small),
		T(test_no_window_large_enough),
		T(test_mapping_exists),
		T(test_short_unmap),
		T(test_area_in_reserved_window),
		T(test_replay_refused),
		T(test_hot_reset),
		T(test_promised_ranges),
		T(test_hwpt_by_hand),
		T(test_dirty_log),
		T(test_dirty_log_starts_meanwhile),
		T(test_dirty_log_of_two),
		T(test_dirty_log_of_who_leaves),
		T(test_no_dirty_log),
		T(test_hostile_ranges),
		T(test_undo_everywhere),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
