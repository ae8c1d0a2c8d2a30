/* SPDX-License-Identifier: BSD-3-Clause */
/* Containers whose mappings fault, on a kernel made up that has our patches (vfio_fake.h). */
#include "vfio_rig.h"

#include <fl_residency.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define C     "0000:03:00.0"
#define PAGES 16u
#define ALL   ((1ull << PAGES) - 1)
#define EVERY (uint64_t)0x7e /* operation */

static const struct fl_vfio_open by_container = { FL_VFIO_CONTAINER, -1, -1, -1, -1, NULL, false };
static const struct fl_vfio_open posted = { FL_VFIO_CONTAINER, -1, -1, -1, -1, NULL, true };

static int setup(void **state)
{
	*state = rig_setup(&by_container);
	fake.fault_ops = EVERY;
	fake_add(A, 5, "vfio-pci");
	fake_group(5)->faults = true;
	return 0;
}

static int map_lazy(struct fix *x, unsigned i)
{
	struct fl_mem_opts mo = { .kind = FL_MEM_ANON, .node = -1, .log = &fake_log };
	struct fl_dma_opts o = { .residency = FL_LAZY };

	if (!x->mem[i])
		assert_int_equal(fl_mem_alloc(PAGES * PAGE, &mo, &x->mem[i]), 0);
	return fl_dma_map(x->space, x->mem[i], &o, &x->area[i]);
}

static struct fl_residency_stats stats_of(const struct fl_dma_area *a)
{
	struct fl_residency_stats st;

	fl_mem_residency_stats(a, &st);
	return st;
}

static struct fake_map *first_map(void)
{
	assert_int_equal(fake.ctnrs[0].nmaps, 1);
	return &fake.ctnrs[0].maps[0];
}

/* ---- one device ---------------------------------------------------------------------------- */

static void test_open_map(void **state)
{
	struct fix *x = *state;
	struct fl_residency_stats st;

	open_a(x);
	assert_true(x->a->faults);
	assert_int_equal(fake.ctnrs[0].iommu, FL_VFIO_TYPE1_FAULT_IOMMU);
	assert_true(fake_logged(A ": lazy memory comes as it faults, resolved by the kernel"));
	assert_int_equal(map_lazy(x, 0), 0);
	assert_int_equal(first_map()->flags, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE |
						     FL_VFIO_DMA_MAP_FLAG_FAULT);
	assert_int_equal(fake_locked(), 0);
	/* pinned areas stand beside */
	assert_int_equal(map(x, 1, MIB), 0);
	assert_int_equal(fake.ctnrs[0].maps[1].flags, 3);
	assert_int_equal(fake_locked(), MIB);

	assert_true(fake_touch(&fake.ctnrs[0], x->area[0]->iova.v + 3 * PAGE, false));
	assert_true(fake_touch(&fake.ctnrs[0], x->area[0]->iova.v + 3 * PAGE, true));
	assert_false(fake_touch(&fake.ctnrs[0], 1ull << 38, true));
	st = stats_of(x->area[0]);
	assert_int_equal(st.faults, 2);
	assert_int_equal(st.fault_pages, 1);
	assert_int_equal(st.upgrades, 1);
	assert_int_equal(st.mapped_bytes, PAGE);
	assert_int_equal(st.locked_bytes, 0);
	assert_int_equal(st.latency[3], 2);
	assert_int_equal(st.latency_ns, 20000);
	fl_dma_residency_stats(x->space, &st);
	assert_int_equal(st.faults, 2);
	assert_int_equal(st.invalid, 1);
	assert_int_equal(st.owned_bytes, PAGES * PAGE);
	assert_int_equal(unmap(x, 0), 0);
	fl_dma_residency_stats(x->space, &st);
	assert_int_equal(st.faults, 2);
	assert_int_equal(st.invalid, 1);
	assert_int_equal(st.mapped_bytes, 0);
}

static void test_ranges(void **state)
{
	struct fix *x = *state;
	struct fake_map *m;

	open_a(x);
	assert_int_equal(map_lazy(x, 0), 0);
	m = first_map();
	assert_int_equal(fl_mem_prefault(x->area[0], 0, PAGE, FL_PREFAULT_READ), 0);
	assert_int_equal(m->reach, 1);
	assert_int_equal(m->write, 0);
	assert_int_equal(fl_mem_prefault(x->area[0], PAGE, PAGE, FL_PREFAULT_WRITE), 0);
	assert_int_equal(m->reach, 3);
	assert_int_equal(m->write, 2);
	/* what is in memory, by what the kernel sees, as far as it may be written to and read */
	assert_int_equal(fl_mem_prefault(x->area[0], 0, 6 * PAGE, FL_PREFAULT_NO_FAULT), 0);
	assert_int_equal(m->reach, 0x17);
	assert_int_equal(m->write, 0x17);
	assert_int_equal(stats_of(x->area[0]).prefault_pages, 4);

	assert_int_equal(fl_mem_pin(x->area[0], 2 * PAGE, 4 * PAGE), 0);
	assert_int_equal(m->held, 0x3c);
	assert_int_equal(stats_of(x->area[0]).locked_bytes, 4 * PAGE);
	assert_int_equal(fl_mem_revoke(x->area[0], 0, 4 * PAGE), -EBUSY);
	assert_int_equal(fl_mem_revoke(x->area[0], 0, 2 * PAGE), 0);
	assert_int_equal(m->reach, 0x3c);
	assert_int_equal(fl_mem_unpin(x->area[0], 2 * PAGE, PAGE), 0);
	assert_int_equal(m->held, 0x38);
	assert_int_equal(fl_mem_convert(x->area[0], FL_PINNED), 0);
	assert_int_equal(m->held, ALL);
	assert_int_equal(fake_locked(), PAGES * PAGE);
	assert_int_equal(fl_mem_convert(x->area[0], FL_LAZY), 0);
	assert_int_equal(m->held, 0x38);
}

static void test_turn_one_that_was_pinned(void **state)
{
	struct fix *x = *state;

	open_a(x);
	assert_int_equal(map(x, 0, PAGES * PAGE), 0);
	assert_int_equal(fl_mem_convert(x->area[0], FL_LAZY), 0);
	assert_true(first_map()->faults);
	assert_int_equal(fake_locked(), 0);
	assert_true(fake_touch(&fake.ctnrs[0], x->area[0]->iova.v, true));
	assert_int_equal(stats_of(x->area[0]).mapped_bytes, PAGE);
}

static void test_limits_of_memory(void **state)
{
	struct fix *x = *state;

	open_a(x);
	assert_int_equal(map_lazy(x, 0), 0);
	fake.memlock = 4 * PAGE;
	assert_int_equal(fl_mem_pin(x->area[0], 0, 4 * PAGE), 0);
	assert_int_equal(fl_mem_pin(x->area[0], 3 * PAGE, 2 * PAGE), -ENOMEM);
	assert_true(fake_logged("cannot be pinned: Cannot allocate memory; needs 8 KiB locked"));
	assert_int_equal(first_map()->held, 0xf);
	assert_int_equal(fl_mem_convert(x->area[0], FL_PINNED), -ENOMEM);
	assert_int_equal(first_map()->held, 0xf);
	assert_int_equal(fl_mem_unpin(x->area[0], 0, 4 * PAGE), 0);
	assert_int_equal(first_map()->held, 0);
}

static void test_discard(void **state)
{
	struct fix *x = *state;

	open_a(x);
	assert_int_equal(map_lazy(x, 0), 0);
	memset(x->area[0]->va, 1, PAGES * PAGE);
	assert_int_equal(fl_mem_prefault(x->area[0], 0, 8 * PAGE, FL_PREFAULT_WRITE), 0);
	/* the kernel's notifier is who takes it from devices: no call */
	fake.fault_op = FL_VFIO_FAULT_REVOKE;
	fake.fault_errno = EIO;
	assert_int_equal(fl_mem_discard(x->area[0], 0, 4 * PAGE), 0);
	fake_notify(x->area[0]->va, 4 * PAGE);
	assert_int_equal(first_map()->reach, 0xf0);
	assert_int_equal(stats_of(x->area[0]).discards, 1);
	/* counted by both, each what it did */
	assert_int_equal(stats_of(x->area[0]).invalidations, 2);
	assert_int_equal(fl_mem_revoke(x->area[0], 0, PAGE), -EIO);
}

static void test_around(void **state)
{
	static const struct {
		uint32_t asked, told;
	} t[] = { { 1, 1 }, { 2, 2 }, { 3, 2 }, { 100, 64 }, { 512, 512 }, { 0, 0 } };
	struct fl_residency_opts o = { 0 };
	struct fix *x = *state;

	open_a(x);
	for (size_t i = 0; i < FL_ARRAY_SIZE(t); i++) {
		o.fault_around = t[i].asked;
		assert_int_equal(fl_dma_residency_set(x->space, &o), 0);
		assert_int_equal(fake.ctnrs[0].around, t[i].told);
	}
}

static void test_dirty_log(void **state)
{
	struct fix *x = *state;
	uint64_t bits;

	open_a(x);
	assert_int_equal(map_lazy(x, 0), 0);
	assert_true(fake_touch(&fake.ctnrs[0], x->area[0]->iova.v, true));
	assert_int_equal(fl_dma_dirty_start(x->space), 0);
	assert_true(fake_touch(&fake.ctnrs[0], x->area[0]->iova.v + 3 * PAGE, true));
	assert_true(fake_touch(&fake.ctnrs[0], x->area[0]->iova.v + 5 * PAGE, false));
	assert_int_equal(fl_dma_dirty_read(x->area[0], 0, PAGES * PAGE, PAGE, &bits), 0);
	assert_int_equal(bits, 1 << 3);
	assert_int_equal(fl_dma_dirty_read(x->area[0], 0, PAGES * PAGE, PAGE, &bits), 0);
	assert_int_equal(bits, 0);
	assert_true(fake_touch(&fake.ctnrs[0], x->area[0]->iova.v + 3 * PAGE, true));
	/* what is pinned may be written to at any time, and before it was let go */
	assert_int_equal(fl_mem_pin(x->area[0], 8 * PAGE, PAGE), 0);
	assert_int_equal(fl_dma_dirty_read(x->area[0], 0, PAGES * PAGE, PAGE, &bits), 0);
	assert_int_equal(bits, 1 << 3 | 1 << 8);
	assert_int_equal(fl_mem_unpin(x->area[0], 8 * PAGE, PAGE), 0);
	assert_int_equal(fl_dma_dirty_read(x->area[0], 0, PAGES * PAGE, PAGE, &bits), 0);
	assert_int_equal(bits, 1 << 8);
	assert_int_equal(fl_dma_dirty_stop(x->space), 0);
}

/* mappings, or the container too, are gone before we let go of them */
static void test_release_for_an_unbind(void **state)
{
	struct fix *x = *state;
	struct fl_residency_stats st;

	open_a(x);
	assert_int_equal(map_lazy(x, 0), 0);
	assert_int_equal(fl_mem_pin(x->area[0], 0, PAGE), 0);
	assert_true(fake_touch(&fake.ctnrs[0], x->area[0]->iova.v + PAGE, true));
	for (int slowly = 0; slowly < 2; slowly++) {
		fake.unbinding = true;
		fake.slowly = slowly;
		x->a->ops->release(x->a);
		assert_int_equal(fake_containers(), 0);
		assert_int_equal(fake_log_lines("error ") + fake_log_lines("warning "), 0);
		fake.unbinding = false;
		assert_int_equal(x->a->ops->reattach(x->a), 0);
		assert_true(x->a->faults);
		assert_int_equal(first_map()->held, 1);
	}
	fl_dma_residency_stats(x->space, &st);
	assert_int_equal(st.mapped_bytes, PAGE);
	/* what the kernel counted is not gone with it */
	assert_int_equal(st.faults, 1);
}

/* ---- kernels and devices that cannot ------------------------------------------------------- */

/* as if the kernel had nothing of it */
static void expect_posted(struct fix *x, const char *why)
{
	char text[256];

	assert_false(x->a->faults);
	assert_int_equal(fake.ctnrs[0].iommu, VFIO_TYPE1v2_IOMMU);
	snprintf(text, sizeof(text), A ": lazy memory is posted: %s", why);
	assert_true(fake_logged(text));
	assert_int_equal(map_lazy(x, 0), 0);
	assert_int_equal(fake_maps(), 0);
	assert_int_equal(fl_mem_prefault(x->area[0], 0, PAGE, FL_PREFAULT_WRITE), 0);
	assert_int_equal(first_map()->flags, 3);
	assert_int_equal(first_map()->len, PAGES * PAGE);
}

static void test_kernel_as_shipped(void **state)
{
	struct fix *x = *state;

	fake.fault_ops = 0;
	open_a(x);
	expect_posted(x, "this kernel's type1 maps nothing on faults");
}

static void test_device_cannot(void **state)
{
	struct fix *x = *state;

	fake_group(5)->faults = false;
	open_a(x);
	expect_posted(x, "device and IOMMU take no recoverable faults");
}

static void test_asked_for(void **state)
{
	struct fix *x = *state;

	x->how = &posted;
	open_a(x);
	expect_posted(x, "asked for (faults=off)");
}

/* A kernel that lacks an operation which we need is none of ours. */
static void test_operations_missing(void **state)
{
	struct fix *x = *state;

	fake.fault_ops = EVERY & ~(1ull << FL_VFIO_FAULT_UNPIN);
	open_a(x);
	expect_posted(x, "device and IOMMU take no recoverable faults");
}

/* moved to where not all of it is in the answer */
static void cut_capability(void *info, size_t size)
{
	struct vfio_iommu_type1_info *i = info;
	const uint32_t end = (uint32_t)size - sizeof(struct fl_abi_info_cap_fault) + 4;
	struct vfio_info_cap_header h;

	for (uint32_t at = i->cap_offset; size == 512 && at; at = h.next) {
		memcpy(&h, (uint8_t *)info + at, sizeof(h));
		if (h.id != FL_VFIO_INFO_CAP_FAULT)
			continue;
		memmove((uint8_t *)info + end, (uint8_t *)info + at, size - end);
		h.id++;
		h.next = end;
		memcpy((uint8_t *)info + at, &h, sizeof(h));
		break;
	}
}

static void test_capability_cut_short(void **state)
{
	struct fix *x = *state;

	fake.edit_info = cut_capability;
	open_a(x);
	assert_false(x->a->faults);
}

/* What is refused within an area is no fault that was resolved, and took its time. */
static void test_latency_of_answers(void **state)
{
	struct fl_mem_opts mo = { .kind = FL_MEM_ANON, .node = -1, .log = &fake_log };
	struct fl_dma_opts o = { .residency = FL_LAZY, .prot = FL_DMA_READ };
	struct fix *x = *state;
	struct fl_residency_stats st;

	open_a(x);
	assert_int_equal(fl_mem_alloc(PAGES * PAGE, &mo, &x->mem[0]), 0);
	assert_int_equal(fl_dma_map(x->space, x->mem[0], &o, &x->area[0]), 0);
	assert_true(fake_touch(&fake.ctnrs[0], x->area[0]->iova.v, false));
	assert_false(fake_touch(&fake.ctnrs[0], x->area[0]->iova.v, true));
	assert_false(fake_touch(&fake.ctnrs[0], 1ull << 38, true)); /* in no area: not counted */
	fl_dma_residency_stats(x->space, &st);
	assert_int_equal(st.faults, 1);
	assert_int_equal(st.denied, 1);
	assert_int_equal(st.invalid, 1);
	assert_int_equal(st.latency[3], 2);
	assert_int_equal(st.latency_ns, 20000);
}

static void test_stats_cut_short(void **state)
{
	struct fix *x = *state;

	open_a(x);
	assert_int_equal(map_lazy(x, 0), 0);
	assert_true(fake_touch(&fake.ctnrs[0], x->area[0]->iova.v, true));
	fake.short_stats = 8;
	assert_int_equal(stats_of(x->area[0]).faults, 0);
	fake.short_stats = 0;
	assert_int_equal(stats_of(x->area[0]).faults, 1);
}

/* ---- two and more devices ------------------------------------------------------------------ */

static void add(const char *address, int group, bool faults)
{
	fake_add(address, group, "vfio-pci");
	fake_group(group)->faults = faults;
}

static struct fake_ctnr *of_group(int group)
{
	return fake_group(group)->c;
}

static void test_two_that_fault(void **state)
{
	struct fix *x = *state;

	add(B, 6, true);
	open_a(x);
	assert_int_equal(map_lazy(x, 0), 0);
	assert_int_equal(open_dev(x, B, &x->b), 0);
	assert_true(x->b->faults);
	assert_ptr_equal(of_group(5), of_group(6));
}

static void one_that_cannot_joins(struct fix *x)
{
	assert_int_equal(open_dev(x, B, &x->b), 0);
	assert_true(x->a->faults);
	assert_false(x->b->faults);
	assert_int_equal(fake_containers(), 2);
	assert_ptr_not_equal(of_group(5), of_group(6));
	if (!x->area[0])
		assert_int_equal(map_lazy(x, 0), 0);
	/* each by its own way */
	assert_int_equal(fl_mem_prefault(x->area[0], 0, PAGE, FL_PREFAULT_WRITE), 0);
	assert_int_equal(of_group(5)->maps[0].flags, 3 | FL_VFIO_DMA_MAP_FLAG_FAULT);
	assert_int_equal(of_group(5)->maps[0].reach, 1);
	assert_int_equal(of_group(6)->maps[0].flags, 3);
	assert_int_equal(fake_log_lines("error ") + fake_log_lines("warning "), 0);
}

static void test_one_that_cannot(void **state)
{
	struct fix *x = *state;

	add(B, 6, false);
	open_a(x);
	assert_int_equal(map_lazy(x, 0), 0);
	one_that_cannot_joins(x);
}

/* Nobody who maps lazy memory at that moment is refused: it is tried elsewhere. */
static void test_one_that_cannot_spoils_none(void **state)
{
	struct fix *x = *state;

	add(B, 6, false);
	open_a(x);
	one_that_cannot_joins(x);
	assert_int_equal(fake.spoiled, 0);
}

/* Where no other can be had it is tried in the one there is, and put out. */
static void tried_without_another(struct fix *x, unsigned spoiled)
{
	struct fl_vfio_dev *c;

	add(B, 6, false);
	add(C, 7, false);
	open_a(x);
	if (!spoiled)
		assert_int_equal(map_lazy(x, 0), 0); /* which the kernel keeps it out for */
	assert_int_equal(open_dev(x, C, &c), 0);
	fake_remove("dev/vfio/vfio");
	one_that_cannot_joins(x);
	assert_int_equal(fake.spoiled, spoiled);
	assert_ptr_equal(of_group(6), of_group(7));
	close_dev(&c);
}

static void test_tried_and_refused(void **state)
{
	tried_without_another(*state, 0);
}

static void test_tried_and_put_out(void **state)
{
	tried_without_another(*state, 1);
}

static void test_one_that_can_comes_later(void **state)
{
	struct fix *x = *state;
	struct fl_vfio_dev *c;

	fake_group(5)->faults = false;
	add(B, 6, true);
	add(C, 7, false);
	open_a(x);
	assert_int_equal(map_lazy(x, 0), 0);
	assert_int_equal(open_dev(x, B, &x->b), 0);
	assert_true(x->b->faults);
	assert_int_equal(fake_containers(), 2);
	/* those that cannot share one all the same */
	assert_int_equal(open_dev(x, C, &c), 0);
	assert_ptr_equal(of_group(5), of_group(7));
	assert_int_equal(fake_containers(), 2);
	close_dev(&c);
}

/* One that could, but is told not to, goes with those that cannot, or by itself. */
static void test_told_not_to(void **state)
{
	struct fix *x = *state;
	struct fl_vfio_dev *c;

	add(B, 6, true);
	add(C, 7, true);
	open_a(x);
	x->how = &posted;
	assert_int_equal(open_dev(x, B, &x->b), 0);
	assert_false(x->b->faults);
	assert_int_equal(of_group(6)->iommu, VFIO_TYPE1v2_IOMMU);
	assert_int_equal(open_dev(x, C, &c), 0);
	assert_ptr_equal(of_group(6), of_group(7));
	close_dev(&c);
}

/* ---- which way ----------------------------------------------------------------------------- */

static const struct fl_vfio_open automatic = { FL_VFIO_AUTO, -1, -1, -1, -1, NULL, false };

static void test_auto(void **state)
{
	struct fix *x = *state;

	fake_iommufd(&fake.devs[0], 0);
	x->how = &automatic;
	open_a(x);
	assert_string_equal(x->a->ops->name, "container");
	assert_true(fake_logged("through container: the kernel resolves its faults there"));
	assert_int_equal(fake_containers(), 1);
}

static void auto_takes_iommufd(struct fix *x)
{
	fake_iommufd(&fake.devs[0], 0);
	open_a(x);
	assert_string_equal(x->a->ops->name, "iommufd");
	assert_int_equal(fake_containers(), 0);
	assert_int_equal(fake.groups[0].fd, 0);
	assert_int_equal(fake_log_lines("error ") + fake_log_lines("warning "), 0);
}

static void test_auto_without_patches(void **state)
{
	struct fix *x = *state;

	fake.fault_ops = 0;
	x->how = &automatic;
	auto_takes_iommufd(x);
}

static void test_auto_device_cannot(void **state)
{
	struct fix *x = *state;

	fake_group(5)->faults = false;
	x->how = &automatic;
	auto_takes_iommufd(x);
}

/* whose file was handed in goes by that */
static void test_auto_cdev_handed_in(void **state)
{
	struct fl_vfio_open how = automatic;
	struct fix *x = *state;
	char path[256];

	fake_iommufd(&fake.devs[0], 0);
	snprintf(path, sizeof(path), "%s/vfio/devices/vfio0", fake.roots.dev);
	how.cdev_fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(how.cdev_fd >= 0);
	assert_int_equal(fl_vfio_kernel_open(x->k, A, &how, &x->a), 0);
	assert_string_equal(x->a->ops->name, "iommufd");
}

static void test_auto_no_group_node(void **state)
{
	struct fix *x = *state;

	fake_remove("dev/vfio/5");
	x->how = &automatic;
	auto_takes_iommufd(x);
}

/* ---- every call that can fail does --------------------------------------------------------- */

static int whole_life(struct fix *x)
{
	int rc = open_dev(x, A, &x->a);

	rc = rc ? rc : open_dev(x, B, &x->b);
	rc = rc ? rc : map_lazy(x, 0);
	rc = rc ? rc : map(x, 1, PAGE);
	rc = rc ? rc : fl_mem_pin(x->area[0], 0, 2 * PAGE);
	rc = rc ? rc : fl_mem_prefault(x->area[0], 4 * PAGE, PAGE, FL_PREFAULT_NO_FAULT);
	rc = rc ? rc : fl_mem_convert(x->area[0], FL_PINNED);
	rc = rc ? rc : fl_mem_convert(x->area[0], FL_LAZY);
	rc = rc ? rc : fl_mem_unpin(x->area[0], 0, 2 * PAGE);
	return rc ? rc : fl_mem_revoke(x->area[0], 2 * PAGE, 2 * PAGE);
}

static void end_life(struct fix *x)
{
	for (unsigned i = 0; i < 2; i++)
		if (x->area[i])
			(void)unmap(x, i);
	close_dev(&x->b);
	close_dev(&x->a);
}

static void test_each_call_fails(void **state)
{
	add(B, 6, false);
	rig_fail_each(*state, whole_life, end_life, EIO);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_open_map),
		T(test_ranges),
		T(test_turn_one_that_was_pinned),
		T(test_limits_of_memory),
		T(test_discard),
		T(test_around),
		T(test_dirty_log),
		T(test_release_for_an_unbind),
		T(test_kernel_as_shipped),
		T(test_device_cannot),
		T(test_asked_for),
		T(test_operations_missing),
		T(test_capability_cut_short),
		T(test_stats_cut_short),
		T(test_latency_of_answers),
		T(test_two_that_fault),
		T(test_one_that_cannot),
		T(test_one_that_cannot_spoils_none),
		T(test_tried_and_refused),
		T(test_tried_and_put_out),
		T(test_one_that_can_comes_later),
		T(test_told_not_to),
		T(test_auto),
		T(test_auto_without_patches),
		T(test_auto_device_cannot),
		T(test_auto_cdev_handed_in),
		T(test_auto_no_group_node),
		T(test_each_call_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
