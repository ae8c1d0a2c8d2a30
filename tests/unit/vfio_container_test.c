/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices through groups and containers, on a kernel made up (vfio_fake.h). */
#include "vfio_rig.h"

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

static const struct fl_vfio_open by_container = { FL_VFIO_CONTAINER, -1, -1, -1, -1, NULL, false };

static int setup(void **state)
{
	*state = rig_setup(&by_container);
	fake_add(A, 5, "vfio-pci");
	return 0;
}

/* ---- what works ----------------------------------------------------------------------- */

static void test_open_map_close(void **state)
{
	struct fix *x = *state;
	const struct fake_map *m = fake.ctnrs[0].maps;
	struct fl_iova_range w[4];

	open_a(x);
	assert_string_equal(x->a->ops->name, "container");
	assert_int_equal(fake.groups[0].c == &fake.ctnrs[0], 1);
	assert_int_equal(fake.ctnrs[0].iommu, VFIO_TYPE1v2_IOMMU);
	assert_int_equal(fl_dma_windows(x->space, w, 4), 2);
	assert_int_equal(w[1].last, (1ull << 39) - 1);

	assert_int_equal(map(x, 0, MIB), 0);
	assert_int_equal(fake_maps(), 1);
	assert_int_equal(m->va, (uintptr_t)x->area[0]->va);
	assert_int_equal(m->iova, x->area[0]->iova.v);
	assert_int_equal(m->len, MIB);
	assert_int_equal(m->flags, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE);
	assert_int_equal(unmap(x, 0), 0);
	assert_int_equal(fake_maps(), 0);
	assert_true(fake_logged("info vfio: " A ": through container"));
}

static void test_read_only_area(void **state)
{
	struct fix *x = *state;
	struct fl_dma_opts o = { .prot = FL_DMA_READ };

	open_a(x);
	assert_int_equal(fl_mem_alloc(PAGE, NULL, &x->mem[0]), 0);
	assert_int_equal(fl_dma_map(x->space, x->mem[0], &o, &x->area[0]), 0);
	assert_int_equal(fake.ctnrs[0].maps[0].flags, VFIO_DMA_MAP_FLAG_READ);
}

static void test_region_access(void **state)
{
	struct fix *x = *state;
	uint32_t id = 0, *bar;

	open_a(x);
	assert_int_equal(x->a->ops->region_read(x->a, FL_VFIO_REGION_CONFIG, 0, &id, 4), 0);
	assert_int_equal(id, 0x10d38086);
	assert_int_equal(x->a->ops->region_mmap(x->a, 0, 0, PAGE, (void **)&bar), 0);
	bar[1] = 42;
	assert_int_equal(pread(fake.devs[0].memfd, &id, 4, FAKE_REGION(0) + 4), 4);
	assert_int_equal(id, 42);
	assert_int_equal(munmap(bar, PAGE), 0);
}

static void test_devices_share_group(void **state)
{
	struct fix *x = *state;

	fake_add("0000:01:00.1", 5, "vfio-pci");
	open_a(x);
	assert_int_equal(open_dev(x, "0000:01:00.1", &x->b), 0);
	assert_int_equal(fake.groups[0].users, 2);
	assert_int_equal(fake_containers(), 1);
	assert_int_equal(map(x, 0, MIB), 0);
	close_dev(&x->a);
	assert_int_equal(fake_maps(), 1);
	close_dev(&x->b);
	assert_int_equal(fake_maps(), 0);
	assert_int_equal(fake.groups[0].fd, 0);
}

static void test_second_group_same_container(void **state)
{
	struct fix *x = *state;
	struct fl_dma_stats st;
	struct fl_iova_range w[4];

	fake_add(B, 6, "vfio-pci");
	fake_group(6)->windows[1].last = (1ull << 36) - 1;
	open_a(x);
	assert_int_equal(map_at(x, 0, MIB, 1ull << 32, 0), 0);
	assert_int_equal(open_dev(x, B, &x->b), 0);
	assert_int_equal(fake_containers(), 1);
	assert_int_equal(fake.ctnrs[0].ngroups, 2);
	fl_dma_stats(x->space, &st);
	assert_int_equal(st.domains, 1);
	/* its windows are known before anything more is mapped, and forgotten when it goes */
	assert_int_equal(fl_dma_windows(x->space, w, 4), 2);
	assert_int_equal(w[1].last, (1ull << 36) - 1);
	close_dev(&x->b);
	assert_int_equal(fl_dma_windows(x->space, w, 4), 2);
	assert_int_equal(w[1].last, (1ull << 39) - 1);
	assert_int_equal(fake_maps(), 1);
}

static void test_second_group_new_container(void **state)
{
	struct fix *x = *state;
	struct fl_dma_stats st;

	fake_add(B, 6, "vfio-pci");
	fake_group(6)->tag = 1;
	open_a(x);
	assert_int_equal(map(x, 0, MIB), 0);
	assert_int_equal(map(x, 1, PAGE), 0);
	assert_int_equal(open_dev(x, B, &x->b), 0);
	assert_int_equal(fake_containers(), 2);
	assert_int_equal(fake.ctnrs[1].nmaps, 2);
	fl_dma_stats(x->space, &st);
	assert_int_equal(st.domains, 2);
	assert_int_equal(map(x, 2, PAGE), 0);
	assert_int_equal(fake_maps(), 6);
	close_dev(&x->a);
	assert_int_equal(fake_containers(), 1);
	assert_int_equal(fake_maps(), 3);
}

static void test_release_reattach(void **state)
{
	struct fix *x = *state;

	open_a(x);
	assert_int_equal(map(x, 0, MIB), 0);
	x->a->ops->release(x->a);
	assert_true(x->a->removed);
	assert_int_equal(fake_containers(), 0);
	assert_int_equal(fake.groups[0].fd, 0);
	/* without a domain any IOVA would do, and not suit the device */
	assert_int_equal(map_at(x, 1, PAGE, 64 * MIB, 0), 0);

	fake_bind(&fake.devs[0], "");
	assert_int_equal(x->a->ops->reattach(x->a), -ENODEV);
	assert_true(x->a->removed);
	fake_bind(&fake.devs[0], "vfio-pci");
	assert_int_equal(x->a->ops->reattach(x->a), 0);
	assert_false(x->a->removed);
	assert_int_equal(fake_maps(), 2);
	assert_int_equal(fake.devs[0].opens, 2);
}

/* the kernel was quicker: mappings, or container too, are gone before we let go of them */
static void release_for_an_unbind(struct fix *x, bool slowly)
{
	fake.unbinding = true;
	fake.slowly = slowly;
	x->a->ops->release(x->a);
	assert_int_equal(fake_containers(), 0);
	assert_int_equal(fake_log_lines("error ") + fake_log_lines("warning "), 0);
	fake.unbinding = false;
	assert_int_equal(x->a->ops->reattach(x->a), 0);
	assert_int_equal(fake_maps(), 1);
}

static void test_release_for_an_unbind(void **state)
{
	struct fix *x = *state;

	open_a(x);
	assert_int_equal(map(x, 0, MIB), 0);
	release_for_an_unbind(x, false);
	release_for_an_unbind(x, true);
}

/* ---- what is handed in ---------------------------------------------------------------- */

static int open_node(const char *name)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/vfio/%s", fake.dev, name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void test_fds_handed_in(void **state)
{
	struct fix *x = *state;
	struct fl_vfio_open how = FL_VFIO_OPEN_DEFAULT;

	fake_add(B, 6, "vfio-pci");
	how.container_fd = open_node("vfio");
	how.group_fd = open_node("5");
	fake_remove("dev/vfio/vfio");
	fake_remove("dev/vfio/5");
	assert_int_equal(fl_vfio_kernel_open(x->k, A, &how, &x->a), 0);
	assert_int_equal(fake.ctnrs[0].fd, how.container_fd);
	assert_true(fake_logged("through container: a group or container was handed in"));

	/* the second group joins; the container that comes with it is closed */
	fake_file("dev/vfio/vfio", "");
	how.container_fd = open_node("vfio");
	how.group_fd = open_node("6");
	assert_int_equal(fl_vfio_kernel_open(x->k, B, &how, &x->b), 0);
	assert_int_equal(fake_containers(), 1);

	/* what came as a file cannot be opened again by path */
	x->a->ops->release(x->a);
	assert_int_equal(x->a->ops->reattach(x->a), -ENOENT);
}

static void test_wrong_fds_handed_in(void **state)
{
	struct fix *x = *state;
	struct fl_vfio_open how = FL_VFIO_OPEN_DEFAULT;
	int unknown = getenv("FL_EMULATED") ? -ENOSYS : -ENOTTY; /* qemu-user's answer */

	how.group_fd = open_node("vfio");
	assert_int_equal(fl_vfio_kernel_open(x->k, A, &how, &x->a), -EINVAL);
	how.group_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(fl_vfio_kernel_open(x->k, A, &how, &x->a), unknown);
	assert_true(unknown != -ENOTTY || fake_logged("the file handed in is no VFIO group"));
	how = FL_VFIO_OPEN_DEFAULT;
	how.container_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(fl_vfio_kernel_open(x->k, A, &how, &x->a), unknown);
	assert_true(unknown != -ENOTTY || fake_logged("the file handed in is no container"));
}

/* ---- refusals ------------------------------------------------------------------------- */

static void refused(struct fix *x, int rc, const char *cause, const char *remedy)
{
	assert_int_equal(open_dev(x, A, &x->a), rc);
	assert_true(fake_logged(cause));
	assert_true(fake_logged(remedy));
	assert_int_equal(fake_log_lines("error "), 1);
}

static void test_no_dev_vfio(void **state)
{
	fake_remove("dev/vfio");
	refused(*state, -ENOENT, "which is not there", "modprobe");
}

static void test_no_such_device(void **state)
{
	struct fix *x = *state;

	assert_int_equal(open_dev(x, "0000:09:00.0", &x->a), -ENODEV);
	assert_int_equal(open_dev(x, "eth0", &x->a), -EINVAL);
	assert_true(fake_logged("0000:09:00.0: no such PCI device"));
	assert_true(fake_logged("eth0: no PCI address"));
}

static void test_wrong_driver(void **state)
{
	fake_bind(&fake.devs[0], "e1000e");
	refused(*state, -ENODEV, "e1000e", "driverctl set-override " A " vfio-pci");
	/* what is named after it is not it */
	fake_bind(&fake.devs[0], "xvfiox");
	fake.log[0] = 0;
	refused(*state, -ENODEV, "is bound to xvfiox", "driverctl set-override " A " vfio-pci");
}

static void test_no_driver(void **state)
{
	fake_bind(&fake.devs[0], "");
	refused(*state, -ENODEV, "no driver", "driverctl set-override " A " vfio-pci");
}

static void test_group_not_viable(void **state)
{
	fake_add("0000:01:00.1", 5, "ahci");
	fake_group(5)->viable = false;
	refused(*state, -EBUSY, "0000:01:00.1 (ahci)",
		"driverctl set-override 0000:01:00.1 vfio-pci");
}

static void test_group_in_use(void **state)
{
	int fd = open_node("5");

	refused(*state, -EBUSY, "dev/vfio/5 is in use", "fuser");
	close(fd);
}

static void test_no_permission(void **state)
{
	char path[96];
	bool root = geteuid() == 0;

	snprintf(path, sizeof(path), "%s/vfio/5", fake.dev);
	assert_int_equal(chmod(path, 0), 0);
	snprintf(path, sizeof(path), "%s/..", fake.dev);
	assert_int_equal(chmod(path, 0755), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	refused(*state, -EACCES, "Permission denied", "udev");
	if (root)
		assert_int_equal(seteuid(0), 0);
}

static void test_interrupts_refused(void **state)
{
	struct fix *x = *state;

	fake.no_irq_remapping = true;
	refused(x, -EPERM, "no interrupt remapping", "parameters/allow_unsafe_interrupts");
}

static void test_interrupts_refused_second(void **state)
{
	struct fix *x = *state;

	fake_add(B, 6, "vfio-pci");
	open_a(x);
	fake.no_irq_remapping = true;
	assert_int_equal(open_dev(x, B, &x->b), -EPERM);
	assert_true(fake_logged("allow_unsafe_interrupts"));
	assert_int_equal(fake_log_lines("error "), 1);
	assert_int_equal(fake_containers(), 1);
}

static void test_no_type1(void **state)
{
	fake.no_type1 = true;
	refused(*state, -EOPNOTSUPP, "no type1 v2 IOMMU", "modprobe vfio_iommu_type1");
}

static void test_other_api(void **state)
{
	fake.api_version = 1;
	refused(*state, -EPROTO, "version 1, and not 0", "another kernel");
}

static void test_memlock_too_small(void **state)
{
	struct fix *x = *state;

	open_a(x);
	fake.memlock = 2 * MIB;
	assert_int_equal(map(x, 0, MIB), 0);
	assert_int_equal(map(x, 1, 2 * MIB), -ENOMEM);
	assert_true(fake_logged("needs 2 MiB locked"));
	assert_true(fake_logged("ulimit -l"));
	assert_int_equal(fake_log_lines("error "), 1);
	assert_int_equal(fake_maps(), 1);
}

static void test_entry_limit(void **state)
{
	struct fix *x = *state;

	fake.entry_limit = 2;
	open_a(x);
	assert_int_equal(map(x, 0, PAGE), 0);
	assert_int_equal(map(x, 1, PAGE), 0);
	assert_int_equal(map(x, 2, PAGE), -ENOSPC);
	assert_true(fake_logged("0 of 2 free"));
	assert_true(fake_logged("dma_entry_limit"));
	assert_int_equal(fake_log_lines("error "), 1);
	/* what somebody else takes meanwhile, the kernel refuses */
	assert_int_equal(unmap(x, 1), 0);
	assert_int_equal(map(x, 2, PAGE), 0);
}

static void test_entry_limit_old_kernel(void **state)
{
	struct fix *x = *state;

	fake.no_avail_cap = true;
	fake_file("sys/module/vfio_iommu_type1/parameters/dma_entry_limit", "1\n");
	open_a(x);
	assert_int_equal(map(x, 0, PAGE), 0);
	assert_int_equal(map(x, 1, PAGE), -ENOSPC);
	assert_true(fake_logged("0 of 1 free"));
	assert_int_equal(unmap(x, 0), 0);
	assert_int_equal(map(x, 0, PAGE), 0);
	/* the parameter may say more than the container was made with */
	fake.ctnrs[0].avail = 0;
	fake_file("sys/module/vfio_iommu_type1/parameters/dma_entry_limit", "7\n");
	assert_int_equal(unmap(x, 0), 0);
	fake.ctnrs[0].avail = 0;
	assert_int_equal(map(x, 0, PAGE), -ENOSPC);
	assert_true(fake_logged("entry limit"));
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

	open_a(x);
	fake.ctnrs[0].maps[fake.ctnrs[0].nmaps++] = (struct fake_map){ .iova = MIB, .len = MIB };
	assert_int_equal(map_at(x, 0, PAGE, MIB, 0), -EEXIST);
	assert_true(fake_logged("IOVA 0x100000 + 0x1000"));
	assert_true(fake_logged("mapped there already"));
	assert_int_equal(fake_log_lines("error "), 1);
	fake.ctnrs[0].nmaps = 0;
}

static void test_short_unmap(void **state)
{
	struct fix *x = *state;
	struct fl_dma_stats st;

	open_a(x);
	assert_int_equal(map(x, 0, MIB), 0);
	fake.short_unmap = true;
	assert_int_equal(unmap(x, 0), -EIO);
	assert_true(fake_logged("took out 0x80000 bytes"));
	fl_dma_stats(x->space, &st);
	assert_int_equal(st.unmap_errors, 1);
	fake.short_unmap = false;
}

static void test_area_outside_windows_of_second(void **state)
{
	struct fix *x = *state;
	struct fl_iova_range w[4];

	fake_add(B, 6, "vfio-pci");
	fake_group(6)->windows[1] = (struct fl_iova_range){ 0xfef00000, (1ull << 32) - 1 };
	open_a(x);
	assert_int_equal(map_at(x, 0, PAGE, 1ull << 33, 0), 0);
	/* the kernel lets it into neither container, or lets it and reports less */
	assert_int_equal(open_dev(x, B, &x->b), -EINVAL);
	assert_true(fake_logged("at IOVA 0x200000000 is outside what it allows: [0x0-0xfedfffff]"));
	assert_int_equal(fake_log_lines("error "), 1);
	fake.lax_windows = true;
	assert_int_equal(open_dev(x, B, &x->b), -EINVAL);
	assert_int_equal(fake_log_lines("is outside what it allows"), 2);
	assert_int_equal(fake.ctnrs[0].ngroups, 1);
	assert_int_equal(fl_dma_windows(x->space, w, 4), 2);
	assert_int_equal(w[1].last, (1ull << 39) - 1);
	assert_int_equal(fake_maps(), 1);
}

static void test_replay_refused(void **state)
{
	struct fix *x = *state;

	assert_int_equal(map_at(x, 0, PAGE, 0xfee00000, 0), 0);
	refused(x, -EINVAL, "at IOVA 0xfee00000 is outside what it allows",
		"open this device before mapping");
}

static void test_without_iova_cap(void **state)
{
	struct fix *x = *state;
	struct fl_iova_range w[4];

	fake.no_iova_cap = fake.no_avail_cap = fake.no_migration_cap = true;
	open_a(x);
	assert_int_equal(fl_dma_windows(x->space, w, 4), 2);
	assert_int_equal(w[0].last, 0xfedfffff);
	assert_int_equal(w[1].last, (1ull << 39) - 1);
	assert_int_equal(map(x, 0, PAGE), 0);
	assert_true(fake_logged("does not say which IOVAs are valid"));
	assert_int_equal(fake_log_lines("does not say which IOVAs are valid"), 1);
}

/* ---- hostile information -------------------------------------------------------------- */

static void grow_for_ever(void *info, size_t size)
{
	*(uint32_t *)info = (uint32_t)size + 64;
}

static void huge(void *info, size_t size)
{
	*(uint32_t *)info = UINT32_MAX;
}

static void many_ranges(void *info, size_t size)
{
	struct vfio_iommu_type1_info *i = info;
	struct vfio_info_cap_header h;

	for (uint32_t at = i->cap_offset; at; at = h.next) {
		uint32_t n = 1u << 30;

		memcpy(&h, (uint8_t *)info + at, sizeof(h));
		if (h.id == VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE)
			memcpy((uint8_t *)info + at + sizeof(h), &n, sizeof(n));
	}
}

static void no_pages(void *info, size_t size)
{
	((struct vfio_iommu_type1_info *)info)->iova_pgsizes = 0;
}

static void test_hostile_info(void **state)
{
	static void (*const edits[])(void *, size_t) = { grow_for_ever, huge, many_ranges,
							 no_pages };
	struct fix *x = *state;

	for (size_t i = 0; i < FL_ARRAY_SIZE(edits); i++) {
		fake.edit_info = edits[i];
		assert_int_equal(open_dev(x, A, &x->a), -EPROTO);
		assert_int_equal(fake_containers(), 0);
	}
	assert_int_equal(fake_log_lines("make no sense") + fake_log_lines("makes no sense"),
			 FL_ARRAY_SIZE(edits));
}

/* ---- the log of written pages --------------------------------------------------------- */

static void test_dirty_log(void **state)
{
	struct fix *x = *state;
	struct fake_map *m = fake.ctnrs[0].maps;
	uint64_t bits[2];

	open_a(x);
	assert_int_equal(map(x, 0, 128 * PAGE), 0);
	assert_int_equal(fl_dma_dirty_start(x->space), 0);
	assert_true(fake.ctnrs[0].dirty_on);
	m->dirty = 1ull << 63 | 1ull << 2;
	assert_int_equal(fl_dma_dirty_read(x->area[0], 0, 128 * PAGE, PAGE, bits), 0);
	assert_int_equal(bits[0], 1ull << 63 | 1ull << 2);
	assert_int_equal(bits[1], 0);
	m->dirty = 1ull << 9;
	assert_int_equal(fl_dma_dirty_read(x->area[0], 8 * PAGE, 8 * PAGE, PAGE, bits), 0);
	assert_int_equal(bits[0], 2);

	/* the kernel says at each look how much it takes in one go */
	fake.dirty_bitmap_max = 8;
	assert_int_equal(map(x, 1, PAGE), 0);
	assert_int_equal(fl_dma_dirty_read(x->area[0], 0, PAGE, PAGE, bits), -E2BIG);
	assert_int_equal(fl_dma_dirty_read(x->area[1], 0, PAGE, PAGE, bits), 0);
	assert_int_equal(fl_dma_dirty_stop(x->space), 0);
	assert_false(fake.ctnrs[0].dirty_on);
}

static void test_dirty_log_absent(void **state)
{
	struct fix *x = *state;

	fake.no_migration_cap = true;
	open_a(x);
	assert_int_equal(fl_dma_dirty_start(x->space), -EOPNOTSUPP);
	assert_true(fake_logged("its IOMMU or kernel has none"));
}

/* ---- without IOMMU -------------------------------------------------------------------- */

static int open_noiommu(struct fix *x)
{
	struct fl_vfio_open how = { FL_VFIO_NOIOMMU, -1, -1, -1, -1, NULL, false };

	return fl_vfio_kernel_open(x->k, A, &how, &x->a);
}

static void test_noiommu_only_by_name(void **state)
{
	struct fix *x = *state;

	fake_noiommu(5);
	assert_int_equal(open_dev(x, A, &x->a), -EOPNOTSUPP);
	assert_true(fake_logged("iommu=noiommu"));
	assert_int_equal(fl_vfio_kernel_open(x->k, A, NULL, &x->a), -EOPNOTSUPP);
	assert_int_equal(fake.calls, 0);
	assert_int_equal(open_noiommu(x), 0);
	assert_true(
		fake_logged("warning vfio: no IOMMU: the device can read and write all memory"));
	assert_int_equal(fake.ctnrs[0].iommu, VFIO_NOIOMMU_IOMMU);
	assert_int_equal(fl_dma_page_size(x->space), 2 * MIB);
}

static void test_noiommu_where_one_is(void **state)
{
	struct fix *x = *state;

	assert_int_equal(open_noiommu(x), -EOPNOTSUPP);
	assert_true(fake_logged("stands behind an IOMMU"));
}

static void test_noiommu_memory(void **state)
{
	struct fix *x = *state;
	struct fl_mem_opts mo = { .kind = FL_MEM_HUGETLB, .node = -1, .log = &fake_log };
	uint64_t total, avail;

	fake_noiommu(5);
	/* who may open the file needs the capability all the same */
	fake.fail_at = fake.calls + 1;
	fake.fail_errno = EPERM;
	assert_int_equal(open_noiommu(x), -EPERM);
	assert_true(fake_logged("noiommu-5: mode noiommu takes CAP_SYS_RAWIO"));
	assert_int_equal(open_noiommu(x), 0);
	assert_int_equal(map(x, 0, 2 * MIB), -EINVAL);
	assert_true(fake_logged("FL_MEM_HUGETLB"));
	if (geteuid() || fl_mem_hugepages(2 * MIB, &total, &avail) || !avail) {
		print_message("no hugepage free, or not root: physical addresses not looked at\n");
		return;
	}
	if (fl_mem_alloc(2 * MIB, &mo, &x->mem[1])) {
		print_message("the hugepage went to somebody else meanwhile\n");
		return;
	}
	assert_int_equal(fl_dma_map(x->space, x->mem[1], NULL, &x->area[1]), 0);
	assert_int_equal(x->area[1]->iova.v % (2 * MIB), 0);
	assert_int_not_equal(x->area[1]->iova.v, 0);
	assert_int_equal(fake_maps(), 0);
	assert_int_equal(unmap(x, 1), 0);
	/* an ordinary user is not told where memory is */
	assert_int_equal(seteuid(65534), 0);
	assert_int_not_equal(fl_dma_map(x->space, x->mem[1], NULL, &x->area[1]), 0);
	assert_int_equal(seteuid(0), 0);
}

/* ---- undo ----------------------------------------------------------------------------- */

/* They cannot share a container, and an area is there before them. */
static void test_undo_everywhere(void **state)
{
	struct fix *x = *state;

	fake_add(B, 6, "vfio-pci");
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
		T(test_devices_share_group),
		T(test_second_group_same_container),
		T(test_second_group_new_container),
		T(test_release_reattach),
		T(test_release_for_an_unbind),
		T(test_fds_handed_in),
		T(test_wrong_fds_handed_in),
		T(test_no_dev_vfio),
		T(test_no_such_device),
		T(test_wrong_driver),
		T(test_no_driver),
		T(test_group_not_viable),
		T(test_group_in_use),
		T(test_no_permission),
		T(test_interrupts_refused),
		T(test_interrupts_refused_second),
		T(test_no_type1),
		T(test_other_api),
		T(test_memlock_too_small),
		T(test_entry_limit),
		T(test_entry_limit_old_kernel),
		T(test_no_window_large_enough),
		T(test_mapping_exists),
		T(test_short_unmap),
		T(test_area_outside_windows_of_second),
		T(test_replay_refused),
		T(test_without_iova_cap),
		T(test_hostile_info),
		T(test_dirty_log),
		T(test_dirty_log_absent),
		T(test_noiommu_only_by_name),
		T(test_noiommu_where_one_is),
		T(test_noiommu_memory),
		T(test_undo_everywhere),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
