/* SPDX-License-Identifier: BSD-3-Clause */
/* Page requests by an iommufd's fault queue, on a kernel made up (vfio_fake.h). */
#include "vfio_rig.h"

#include <iommufd_internal.h>
#include "vfio_fake_internal.h"

#include <fl_residency.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define IOVA	 0x10000000ull
#define PAGES	 2048u
#define C	 "0000:03:00.0"
#define READ	 FL_IOMMU_PERM_READ
#define WRITE	 (FL_IOMMU_PERM_READ | FL_IOMMU_PERM_WRITE)
#define FIXED_RO (FL_IOMMU_MAP_FIXED | FL_IOMMU_MAP_READ)
#define FIXED_RW (FIXED_RO | FL_IOMMU_MAP_WRITE)
#define SUCCESS	 FL_IOMMU_PAGE_SUCCESS
#define INVALID	 FL_IOMMU_PAGE_INVALID

static const struct fl_vfio_open by_iommufd = { FL_VFIO_IOMMUFD, -1, -1, -1, -1, NULL, false };

static struct fake_dev *add(const char *address, int group, unsigned cdev, bool can_fault)
{
	struct fake_dev *d = fake_add(address, group, "vfio-pci");

	fake_iommufd(d, cdev);
	d->can_fault = can_fault;
	return d;
}

static int setup_as(void **state, bool polls)
{
	*state = rig_setup_as(&by_iommufd, polls);
	fake.has_queues = true;
	add(A, 5, 0, true);
	return 0;
}

static int setup(void **state)
{
	return setup_as(state, true);
}

static int setup_thread(void **state)
{
	return setup_as(state, false);
}

static int map_lazy_at(struct fix *x, unsigned i, uint64_t iova, uint64_t len, unsigned prot)
{
	struct fl_mem_opts mo = { .kind = FL_MEM_ANON, .node = -1, .log = &fake_log };
	struct fl_dma_opts o = { .residency = FL_LAZY, .iova = { iova }, .prot = prot };

	assert_int_equal(fl_mem_alloc(len, &mo, &x->mem[i]), 0);
	return fl_dma_map(x->space, x->mem[i], &o, &x->area[i]);
}

/* A, with an area of PAGES pages at IOVA; around 0: adaptive */
static void start(struct fix *x, uint32_t around)
{
	const struct fl_residency_opts o = { .fault_around = around };

	assert_int_equal(fl_dma_residency_set(x->space, &o), 0);
	open_a(x);
	assert_true(x->a->faults);
	assert_int_equal(map_lazy_at(x, 0, IOVA, PAGES * PAGE, 0), 0);
	assert_int_equal(fake_maps(), 0);
}

static uint64_t page(unsigned n)
{
	return IOVA + (uint64_t)n * PAGE;
}

static bool readable(const struct fix *x)
{
	struct pollfd p = { .fd = x->a->ops->event_fd(x->a), .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

/* Dispatches for as long as there is something to do, or 2 s. */
static void serve(struct fix *x, unsigned answers)
{
	for (unsigned i = 0; i < 2000 && fake.nanswers < answers; i++) {
		struct pollfd p = { .fd = x->a->ops->event_fd(x->a), .events = POLLIN };

		if (poll(&p, 1, 1) == 1)
			assert_int_equal(x->a->ops->dispatch(x->a), 0);
	}
	assert_int_equal(fake.nanswers, answers);
}

static uint32_t ask(struct fix *x, uint64_t iova, uint32_t perm)
{
	const unsigned n = fake.nanswers;

	fake_ask_one(&fake.devs[0], iova, perm);
	serve(x, n + 1);
	assert_int_equal(fake.answers[n].iova, iova);
	return fake.answers[n].code;
}

static struct fl_residency_stats stats(const struct fix *x)
{
	struct fl_residency_stats st;

	fl_dma_residency_stats(x->space, &st);
	return st;
}

/* ---- who faults ------------------------------------------------------------------------ */

static void test_kinds_apart(void **state)
{
	struct fix *x = *state;
	struct fl_vfio_dev *c;

	add(B, 6, 1, false);
	add(C, 7, 2, true);
	open_a(x);
	assert_int_equal(open_dev(x, B, &x->b), 0);
	assert_int_equal(open_dev(x, C, &c), 0);
	assert_true(x->a->faults && !x->b->faults && c->faults);
	assert_ptr_equal(fake.devs[0].hwpt, fake.devs[2].hwpt);
	assert_ptr_not_equal(fake.devs[0].hwpt->ioas, fake.devs[1].hwpt->ioas);
	assert_true(fake.devs[0].hwpt->flags & FL_IOMMU_HWPT_FAULT_ID);
	assert_true(fake.devs[1].hwpt->automatic);
	assert_int_equal(fake_objects(), 5); /* two spaces, two tables, a queue */
	assert_true(fake_logged(A ": lazy memory comes as it faults, resolved by this process"));
	assert_true(fake_logged(B ": lazy memory is posted: it takes no recoverable faults"));
	/* pinned memory is in both, at one address; lazy memory in none */
	assert_int_equal(map(x, 0, MIB), 0);
	assert_int_equal(fake_maps(), 2);
	assert_int_equal(map_lazy_at(x, 1, IOVA, MIB, 0), 0);
	assert_int_equal(fake_maps(), 2);
	close_dev(&c);
	/* who cannot fault is the space's other domain and stays when the last one that can goes */
	close_dev(&x->a);
	assert_int_equal(fake_maps(), 1);
	assert_int_equal(fake_objects(), 2);
}

static void falls_back(struct fix *x, const char *why)
{
	unsigned before = fake_fds();

	open_a(x);
	assert_false(x->a->faults);
	assert_true(fake_logged(A ": lazy memory is posted: "));
	assert_true(fake_logged(why));
	assert_int_equal(fake_log_lines("error "), 0);
	assert_int_equal(fake_log_lines("warning "), 0);
	assert_int_equal(fake_objects(), 2);
	assert_true(fake.devs[0].hwpt->automatic);
	assert_int_equal(x->a->ops->event_fd(x->a), -1);
	close_dev(&x->a);
	assert_int_equal(fake_objects(), 0);
	assert_int_equal(fake_fds(), before);
}

static void test_no_queues(void **state)
{
	fake.has_queues = false;
	falls_back(*state, "no fault queues (Linux 6.11)");
}

static void test_no_user_faults(void **state)
{
	fake.no_user_faults = true;
	falls_back(*state, "faults of memory that the process maps (VT-d: Linux 6.13)");
}

static void test_device_cannot(void **state)
{
	fake.devs[0].can_fault = false;
	falls_back(*state, "takes no recoverable faults");
}

static void test_late_faults(void **state)
{
	struct fix *x = *state;

	fake.late_faults = true;
	start(x, 0);
	assert_true(fake.devs[0].hwpt->fault_id);
	assert_int_equal(fake_objects(), 3); /* the kernel's own table is gone */
	assert_int_equal(ask(x, page(0), READ), SUCCESS);
}

static void test_asked_not_to(void **state)
{
	struct fix *x = *state;
	struct fl_vfio_open how = by_iommufd;

	how.no_faults = true;
	x->how = &how;
	open_a(x);
	assert_false(x->a->faults);
	assert_true(fake_logged("lazy memory is posted: asked for (faults=off)"));
	close_dev(&x->a);
}

static void test_reattach_may_lose_it(void **state)
{
	struct fix *x = *state;

	start(x, 0);
	x->a->ops->release(x->a);
	assert_int_equal(fake_objects(), 0);
	fake.devs[0].can_fault = false;
	assert_int_equal(x->a->ops->reattach(x->a), 0);
	assert_false(x->a->faults);
	fake.devs[0].can_fault = true;
	assert_int_equal(x->a->ops->reattach(x->a), 0);
	assert_true(x->a->faults);
	assert_int_equal(ask(x, page(3), READ), SUCCESS);
}

/* ---- what is mapped --------------------------------------------------------------------- */

static void test_read_then_write(void **state)
{
	struct fix *x = *state;
	const struct fake_map *m = fake.ioases[0].maps;

	start(x, 1);
	assert_false(readable(x));
	assert_int_equal(ask(x, page(5) + 123, READ), SUCCESS);
	assert_int_equal(fake_maps(), 1);
	assert_int_equal(m->iova, page(5));
	assert_int_equal(m->len, PAGE);
	assert_int_equal(m->va, (uintptr_t)x->area[0]->va + 5 * PAGE);
	assert_int_equal(m->flags, FIXED_RO);
	assert_int_equal(ask(x, page(5), WRITE), SUCCESS);
	assert_int_equal(fake_maps(), 1);
	assert_int_equal(m->flags, FIXED_RW);
	assert_int_equal(stats(x).upgrades, 1);
	/* two asked at once: it is there */
	assert_int_equal(ask(x, page(5), WRITE), SUCCESS);
	assert_int_equal(stats(x).spurious, 1);
	assert_int_equal(stats(x).locked_bytes, PAGE);
	assert_false(readable(x));
}

static void test_adaptive(void **state)
{
	struct fix *x = *state;
	unsigned asked = 0;

	start(x, 0);
	for (unsigned n = 0; n < PAGES; n++)
		if (!fake_reaches(&fake.devs[0], page(n))) {
			assert_int_equal(ask(x, page(n), WRITE), SUCCESS);
			asked++;
		}
	assert_in_range(asked, 4, 12);
	assert_int_equal(stats(x).fault_pages, PAGES);
	assert_int_equal(unmap(x, 0), 0);
	assert_int_equal(fake_maps(), 0);
}

static void test_group(void **state)
{
	const uint64_t iova[] = { page(9), page(10), page(11), page(700), page(12) };
	const uint32_t perm[] = { READ, READ, READ, WRITE, READ };
	struct fix *x = *state;

	start(x, 0);
	fake_ask(&fake.devs[0], iova, perm, 5);
	serve(x, 1);
	assert_int_equal(fake.answers[0].code, SUCCESS);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(fake_reaches(&fake.devs[0], iova[i]),
				 perm[i] == READ ? FIXED_RO : FIXED_RW);
	/* the length of what hangs together is a hint */
	assert_in_range(fake_maps(), 2, 3);
	assert_int_equal(fake.refused_answers, 0);
}

static void test_invalid_in_group(void **state)
{
	const uint64_t iova[] = { page(9), page(PAGES), page(11) };
	const uint32_t perm[] = { READ, READ, READ };
	struct fix *x = *state;

	start(x, 0);
	fake_ask(&fake.devs[0], iova, perm, 3);
	serve(x, 1);
	assert_int_equal(fake.answers[0].code, INVALID);
}

static void test_invalid(void **state)
{
	struct fix *x = *state;

	start(x, 0);
	assert_int_equal(map_lazy_at(x, 1, 64 * MIB, MIB, FL_DMA_READ), 0);
	assert_int_equal(ask(x, page(PAGES), READ), INVALID);
	assert_int_equal(ask(x, page(0) - 1, READ), INVALID);
	assert_int_equal(ask(x, UINT64_MAX, READ), INVALID);
	assert_int_equal(stats(x).invalid, 3);
	assert_int_equal(ask(x, 64 * MIB, WRITE), INVALID);
	assert_int_equal(ask(x, page(0), READ | FL_IOMMU_PERM_EXEC), INVALID);
	assert_int_equal(ask(x, page(0), 0), INVALID);
	assert_int_equal(ask(x, page(0), READ | 1 << 8), INVALID); /* another address space */
	assert_int_equal(fake_maps(), 0);
	assert_int_equal(ask(x, 64 * MIB, READ), SUCCESS);
	assert_int_equal(fake.ioases[0].maps[0].flags, FIXED_RO);
}

/* A group longer than what is read at a time, behind another. */
static void test_long_group(void **state)
{
	uint64_t iova[FAKE_GROUPED];
	uint32_t perm[FAKE_GROUPED];
	struct fix *x = *state;

	start(x, 0);
	for (unsigned i = 0; i < FAKE_GROUPED; i++) {
		iova[i] = page(i);
		perm[i] = WRITE;
	}
	fake_ask_one(&fake.devs[0], page(1999), READ);
	fake_ask(&fake.devs[0], iova, perm, FAKE_GROUPED);
	serve(x, 2);
	assert_int_equal(fake.answers[0].code, SUCCESS);
	assert_int_equal(fake.answers[1].code, SUCCESS);
	for (unsigned i = 0; i < FAKE_GROUPED; i++)
		assert_int_equal(fake_reaches(&fake.devs[0], iova[i]), FIXED_RW);
	assert_in_range(fake_maps(), 2, 16);
}

static void test_many_groups(void **state)
{
	struct fix *x = *state;

	start(x, 1);
	for (unsigned i = 0; i < 200; i++)
		fake_ask_one(&fake.devs[0], page(2 * i), READ);
	serve(x, 200);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(fake.answers[i].code, SUCCESS);
	assert_int_equal(fake_maps(), 200);
	assert_int_equal(fake.refused_answers, 0);
}

static void test_read_fails(void **state)
{
	struct fix *x = *state;

	start(x, 0);
	fake.read_errno = EINTR;
	assert_int_equal(ask(x, page(0), READ), SUCCESS);
	fake.read_errno = EIO;
	assert_int_equal(ask(x, page(100), READ), SUCCESS);
	assert_true(fake_logged("page requests cannot be read (Input/output error)"));
}

/* ---- parts of mappings ------------------------------------------------------------------ */

/* The device reaches [from, end) with these flags, and in `maps` mappings. */
static void assert_reaches(unsigned from, unsigned end, uint32_t flags)
{
	for (unsigned n = from; n < end; n++)
		assert_int_equal(fake_reaches(&fake.devs[0], page(n)), flags);
}

static void test_upgrade_in_the_middle(void **state)
{
	struct fix *x = *state;

	start(x, 1);
	assert_int_equal(fl_mem_prefault(x->area[0], 0, 512 * PAGE, FL_PREFAULT_READ), 0);
	assert_int_equal(fake_maps(), 1);
	assert_reaches(0, 512, FIXED_RO);
	assert_int_equal(ask(x, page(100), WRITE), SUCCESS);
	assert_int_equal(fake_maps(), 3);
	assert_reaches(0, 100, FIXED_RO);
	assert_reaches(100, 101, FIXED_RW);
	assert_reaches(101, 512, FIXED_RO);
	/* over the bounds of several */
	assert_int_equal(fl_mem_prefault(x->area[0], 99 * PAGE, 3 * PAGE, FL_PREFAULT_WRITE), 0);
	assert_reaches(0, 99, FIXED_RO);
	assert_reaches(99, 102, FIXED_RW);
	assert_reaches(102, 512, FIXED_RO);
	assert_int_equal(stats(x).mapped_bytes, 512 * PAGE);
	for (unsigned i = 0; i < fake.ioases[0].nmaps; i++)
		assert_int_equal(fake.ioases[0].maps[i].va - (uintptr_t)x->area[0]->va,
				 fake.ioases[0].maps[i].iova - IOVA);
}

static void test_revoke_a_part(void **state)
{
	struct fix *x = *state;

	start(x, 1);
	assert_int_equal(fl_mem_prefault(x->area[0], 0, 512 * PAGE, FL_PREFAULT_WRITE), 0);
	assert_int_equal(ask(x, page(600), READ), SUCCESS);
	assert_int_equal(fl_mem_revoke(x->area[0], 10 * PAGE, 5 * PAGE), 0);
	assert_reaches(0, 10, FIXED_RW);
	assert_reaches(10, 15, 0);
	assert_reaches(15, 512, FIXED_RW);
	assert_int_equal(ask(x, page(12), READ), SUCCESS);
	assert_reaches(12, 13, FIXED_RO);
	/* from within one to within another, over holes */
	assert_int_equal(fl_mem_revoke(x->area[0], 11 * PAGE, 700 * PAGE), 0);
	assert_reaches(0, 10, FIXED_RW);
	assert_reaches(10, PAGES, 0);
	assert_int_equal(stats(x).mapped_bytes, 10 * PAGE);
	assert_int_equal(fl_mem_revoke(x->area[0], 0, PAGES * PAGE), 0);
	assert_int_equal(fake_maps(), 0);
}

/* What could not be mapped again is asked for again. */
static void test_revoke_loses_more(void **state)
{
	struct fix *x = *state;

	start(x, 1);
	assert_int_equal(fl_mem_prefault(x->area[0], 0, 64 * PAGE, FL_PREFAULT_WRITE), 0);
	fake.memlock = 31 * PAGE;
	assert_int_equal(fl_mem_revoke(x->area[0], 20 * PAGE, PAGE), 0);
	assert_reaches(0, 20, FIXED_RW);
	assert_reaches(20, 64, 0);
	assert_int_equal(stats(x).mapped_bytes, 20 * PAGE);
	assert_int_equal(ask(x, page(40), READ), SUCCESS);
	assert_reaches(40, 41, FIXED_RO);
}

static void test_something_is_there(void **state)
{
	struct fix *x = *state;

	start(x, 1);
	/* as nobody but us maps there, it cannot be right */
	fake.ioases[0].maps[fake.ioases[0].nmaps++] =
		(struct fake_map){ page(7), PAGE, 0xdead000, FIXED_RO, 0 };
	assert_int_equal(ask(x, page(7), READ), SUCCESS);
	assert_int_equal(fake_maps(), 1);
	assert_int_equal(fake.ioases[0].maps[0].va, (uintptr_t)x->area[0]->va + 7 * PAGE);
}

static void test_short_unmap(void **state)
{
	struct fix *x = *state;

	start(x, 1);
	assert_int_equal(fl_mem_prefault(x->area[0], 0, 2 * PAGE, FL_PREFAULT_WRITE), 0);
	fake.short_unmap = true;
	assert_int_equal(fl_mem_revoke(x->area[0], 0, 2 * PAGE), -EIO);
	assert_true(fake_logged("took out 0x1000 bytes and not 0x2000"));
	fake.short_unmap = false;
	assert_int_equal(ask(x, page(1), WRITE), SUCCESS);
	assert_reaches(1, 2, FIXED_RW);
}

static void test_convert(void **state)
{
	struct fix *x = *state;
	const struct fake_map *m = fake.ioases[0].maps;

	start(x, 1);
	assert_int_equal(ask(x, page(3), READ), SUCCESS);
	assert_int_equal(fl_mem_convert(x->area[0], FL_PINNED), 0);
	assert_int_equal(fake_maps(), 1);
	assert_int_equal(m->len, PAGES * PAGE);
	assert_int_equal(m->flags, FIXED_RW);
	/* one that was on its way */
	assert_int_equal(ask(x, page(9), WRITE), SUCCESS);
	assert_int_equal(fl_mem_convert(x->area[0], FL_LAZY), 0);
	assert_int_equal(fake_maps(), 0);
	assert_int_equal(ask(x, page(4), WRITE), SUCCESS);
	/* it stays lazy where there is no room; what was there comes again */
	fake.memlock = 64 * PAGE;
	assert_int_equal(fl_mem_convert(x->area[0], FL_PINNED), -ENOMEM);
	assert_int_equal(x->area[0]->residency, FL_LAZY);
	assert_int_equal(ask(x, page(4), WRITE), SUCCESS);
	assert_reaches(4, 5, FIXED_RW);
	fake.memlock = 0;
	assert_int_equal(fl_mem_convert(x->area[0], FL_PINNED), 0);
	assert_int_equal(unmap(x, 0), 0);
	assert_int_equal(fake_maps(), 0);
}

/* ---- budget and RLIMIT_MEMLOCK ---------------------------------------------------------- */

static void test_budget(void **state)
{
	const struct fl_residency_opts o = { .budget = 2 * MIB };
	struct fix *x = *state;

	start(x, 0);
	assert_int_equal(fl_dma_residency_set(x->space, &o), 0);
	for (unsigned round = 0; round < 3; round++)
		for (unsigned n = 0; n < PAGES; n += 1 + round * 7)
			if (!fake_reaches(&fake.devs[0], page(n)))
				assert_int_equal(ask(x, page(n), WRITE), SUCCESS);
	assert_in_range(fake.most_locked, MIB, o.budget);
	assert_true(stats(x).evictions > 3);
	assert_int_equal(fake_locked(), stats(x).locked_bytes);
}

/* Others of the user have what the budget counts on. */
static void test_less_than_the_budget(void **state)
{
	struct fix *x = *state;

	start(x, 512);
	fake.memlock = MIB;
	for (unsigned n = 0; n < PAGES; n += 300)
		assert_int_equal(ask(x, page(n), WRITE), SUCCESS);
	for (unsigned n = 0; n < PAGES; n += 3)
		assert_int_equal(ask(x, page(n), READ), SUCCESS);
	assert_in_range(fake.most_locked, 1, MIB);
	assert_true(stats(x).evictions > 0);
	assert_int_equal(stats(x).failed, 0);
}

/* There is none at all: it is tried for a while, and told as invalid then. */
static void test_no_memory(void **state)
{
	struct fix *x = *state;
	uint64_t since;

	start(x, 1);
	assert_int_equal(map(x, 1, MIB), 0);
	fake.memlock = MIB;
	since = fl_now_ns();
	assert_int_equal(ask(x, page(0), READ), INVALID);
	assert_in_range((fl_now_ns() - since) / 1000000, 200, 1900);
	assert_in_range(stats(x).failed, 5, 20);
	/* and others are served meanwhile */
	fake_ask_one(&fake.devs[0], page(1), READ);
	assert_int_equal(x->a->ops->dispatch(x->a), 0);
	assert_int_equal(ask(x, page(PAGES), READ), INVALID);
	fake.memlock = 0;
	serve(x, 3);
	assert_int_equal(fake.answers[2].iova, page(1));
	assert_int_equal(fake.answers[2].code, SUCCESS);
}

/* ---- devices that ask for nonsense, and that go ----------------------------------------- */

static void test_storm(void **state)
{
	struct fix *x = *state;
	uint64_t since = fl_now_ns();
	unsigned ms;

	start(x, 1);
	add(B, 6, 1, true);
	assert_int_equal(open_dev(x, B, &x->b), 0);
	for (unsigned i = 0; i < 32; i++)
		fake_ask_one(&fake.devs[0], page(PAGES), READ);
	for (unsigned seen = 0, tries = 0; fake.nanswers < 300 && tries < 3000; tries++) {
		struct pollfd p = { .fd = x->a->ops->event_fd(x->a), .events = POLLIN };

		if (poll(&p, 1, 1) == 1)
			assert_int_equal(x->a->ops->dispatch(x->a), 0);
		for (; seen < fake.nanswers; seen++)
			if (fake.answers[seen].d == &fake.devs[0])
				fake_ask_one(&fake.devs[0], page(PAGES), READ);
	}
	ms = (unsigned)((fl_now_ns() - since) / 1000000);
	assert_in_range(ms, 300 - 64 - 32 - 1, 60000);
	assert_true(stats(x).throttled > 100);
	/* others are not put off */
	fake_ask_one(&fake.devs[1], page(5), READ);
	assert_int_equal(x->b->ops->dispatch(x->b), 0);
	fake_lock();
	assert_reaches(5, 6, FIXED_RO);
	fake_unlock();
}

/* What a group's first request brings for all of it is no storm. */
static void test_groups_are_no_storm(void **state)
{
	struct fix *x = *state;
	uint64_t iova[16];
	uint32_t perm[16];

	start(x, 16);
	for (unsigned round = 0; round < 6; round++) {
		for (unsigned n = 0; n < PAGES; n += 16) {
			for (unsigned i = 0; i < 16; i++) {
				iova[i] = page(n + i);
				perm[i] = READ;
			}
			fake_ask(&fake.devs[0], iova, perm, 16);
			serve(x, round * (PAGES / 16) + n / 16 + 1);
		}
		assert_int_equal(fl_mem_revoke(x->area[0], 0, PAGES * PAGE), 0);
	}
	assert_int_equal(ask(x, page(PAGES), READ), INVALID);
	assert_int_equal(stats(x).throttled, 0);
}

static unsigned answers_of(const struct fake_dev *d, uint32_t code, bool by_kernel)
{
	unsigned n = 0;

	for (unsigned i = 0; i < fake.nanswers; i++)
		n += fake.answers[i].d == d && fake.answers[i].code == code &&
		     fake.answers[i].by_kernel == by_kernel;
	return n;
}

/* What it asked for is answered by the kernel; its cookies are another's at once. */
static void test_leaves_with_requests(void **state)
{
	struct fix *x = *state;

	start(x, 1);
	add(B, 6, 1, true);
	assert_int_equal(open_dev(x, B, &x->b), 0);
	assert_int_equal(map(x, 1, MIB), 0);
	fake.memlock = MIB;
	for (unsigned i = 0; i < 5; i++)
		fake_ask_one(&fake.devs[1], page(i), READ);
	assert_int_equal(x->b->ops->dispatch(x->b), 0); /* put off */
	for (unsigned i = 0; i < 3; i++)
		fake_ask_one(&fake.devs[1], page(i), READ);
	assert_int_equal(fake.nanswers, 0);
	close_dev(&x->b);
	assert_int_equal(answers_of(&fake.devs[1], INVALID, true), 8);
	fake.memlock = 0;
	assert_int_equal(ask(x, page(7), READ), SUCCESS);
	assert_int_equal(ask(x, page(8), WRITE), SUCCESS);
	/* what was put off comes to its end, and nobody else gets its answer */
	for (unsigned i = 0; i < 600 && readable(x); i++)
		(void)x->a->ops->dispatch(x->a);
	usleep(20000);
	assert_int_equal(ask(x, page(9), WRITE), SUCCESS);
	assert_int_equal(fake.nanswers, 11);
	assert_int_equal(answers_of(&fake.devs[0], SUCCESS, false), 3);
}

static void test_closed_with_requests(void **state)
{
	struct fix *x = *state;

	start(x, 1);
	for (unsigned i = 0; i < 100; i++)
		fake_ask_one(&fake.devs[0], page(i), READ);
	assert_int_equal(x->a->ops->dispatch(x->a), 0); /* some */
	close_dev(&x->a);
	assert_int_equal(fake.nanswers, 100);
	assert_true(answers_of(&fake.devs[0], INVALID, true) > 0);
	assert_int_equal(fake_objects(), 0);
	/* and once more from the start */
	open_a(x);
	assert_int_equal(fake_maps(), 0);
	fake_ask_one(&fake.devs[0], page(1), READ);
	serve(x, 101);
	assert_int_equal(fake.answers[100].code, SUCCESS);
}

/* ---- the dirty log ---------------------------------------------------------------------- */

static void test_dirty_log(void **state)
{
	struct fix *x = *state;
	struct fake_ioas *a = &fake.ioases[0];
	uint64_t bits[PAGES / 64];

	fake.devs[0].can_log = true;
	start(x, 1);
	assert_int_equal(fake.devs[0].hwpt->flags, FL_IOMMU_HWPT_FAULT_ID | FL_IOMMU_HWPT_DIRTY);
	assert_int_equal(ask(x, page(70), WRITE), SUCCESS);
	assert_int_equal(fl_dma_dirty_start(x->space), 0);
	assert_int_equal(ask(x, page(71), WRITE), SUCCESS);
	assert_int_equal(ask(x, page(73), READ), SUCCESS);
	assert_int_equal(ask(x, page(2000), WRITE), SUCCESS);
	for (unsigned i = 0; i < a->nmaps; i++)
		a->maps[i].dirty = a->maps[i].iova == page(71);
	/* of what goes nobody can ask later */
	assert_int_equal(fl_mem_revoke(x->area[0], 2000 * PAGE, PAGE), 0);
	assert_int_equal(fl_dma_dirty_read(x->area[0], 0, PAGES * PAGE, PAGE, bits), 0);
	for (unsigned n = 0; n < PAGES; n++)
		assert_int_equal(bits[n / 64] >> (n & 63) & 1, n == 71 || n == 2000);
	assert_int_equal(fl_dma_dirty_read(x->area[0], 0, PAGES * PAGE, PAGE, bits), 0);
	for (unsigned n = 0; n < PAGES / 64; n++)
		assert_int_equal(bits[n], 0);
	assert_int_equal(fl_dma_dirty_stop(x->space), 0);
}

/* what was mapped goes, and its log with it */
static void test_dirty_log_of_what_turns(void **state)
{
	struct fix *x = *state;
	uint64_t bits[PAGES / 64];

	fake.devs[0].can_log = true;
	start(x, 1);
	assert_int_equal(fl_dma_dirty_start(x->space), 0);
	assert_int_equal(ask(x, page(71), WRITE), SUCCESS);
	for (enum fl_residency to = FL_PINNED; to <= FL_LAZY; to++) {
		assert_int_equal(fl_mem_convert(x->area[0], to), 0);
		assert_int_equal(fl_dma_dirty_read(x->area[0], 0, PAGES * PAGE, PAGE, bits), 0);
		assert_true(bits[71 / 64] >> (71 & 63) & 1);
		assert_int_equal(fl_dma_dirty_read(x->area[0], 0, PAGES * PAGE, PAGE, bits), 0);
		assert_int_equal(bits[71 / 64], 0);
	}
	assert_int_equal(fl_dma_dirty_stop(x->space), 0);
}

static void test_no_dirty_log_with_faults(void **state)
{
	struct fix *x = *state;

	fake.devs[0].can_log = true;
	fake.no_logged_faults = true;
	start(x, 1);
	assert_int_equal(fake.devs[0].hwpt->flags, FL_IOMMU_HWPT_FAULT_ID);
	assert_true(fake_logged("no dirty log: kernel or IOMMU have none for a page table that "
				"faults"));
	assert_int_equal(fl_dma_dirty_start(x->space), -EOPNOTSUPP);
}

/* ---- the thread ------------------------------------------------------------------------- */

static void test_thread(void **state)
{
	struct fix *x = *state;

	start(x, 0);
	assert_int_equal(x->a->ops->event_fd(x->a), -1);
	for (unsigned i = 0; i < 100; i++) {
		fake_ask_one(&fake.devs[0], page(i), WRITE);
		assert_true(fake_answered(i + 1));
	}
	assert_int_equal(answers_of(&fake.devs[0], SUCCESS, false), 100);
	/* what has to be tried again comes by itself */
	assert_int_equal(fl_mem_revoke(x->area[0], 0, PAGES * PAGE), 0);
	fake.memlock = PAGE / 2;
	fake_ask_one(&fake.devs[0], page(0), WRITE);
	assert_true(fake_answered(101));
	assert_int_equal(fake.answers[100].code, INVALID);
	fake.memlock = 0;
}

/* Devices ask, memory goes and comes, and all of it ends in the middle of that. */
static void test_thread_under_everything(void **state)
{
	struct fix *x = *state;

	start(x, 0);
	for (unsigned round = 0; round < 8; round++) {
		for (unsigned i = 0; i < 100; i++)
			fake_ask_one(&fake.devs[0], page((i * 37 + round) % PAGES),
				     i & 1 ? READ : WRITE);
		for (unsigned i = 0; i < 20; i++)
			assert_int_equal(fl_mem_revoke(x->area[0], i * 32 * PAGE, 16 * PAGE), 0);
		if (round & 1) {
			x->a->ops->release(x->a);
			fake_lock();
			assert_int_equal(fake.nanswers, 100 * (round + 1));
			fake_unlock();
			assert_int_equal(x->a->ops->reattach(x->a), 0);
		} else {
			assert_true(fake_answered(100 * (round + 1)));
		}
	}
}

/* An area that is mapped while the last device leaves makes one more. */
static void test_thread_after_the_stop(void **state)
{
	struct fix *x = *state;
	struct fl_vk_faults *f;
	unsigned n;

	open_a(x);
	n = fake_objects();
	assert_int_equal(fl_vk_faults_open(x->k->iommu, &f), 0);
	for (unsigned i = 0; i < 2; i++) {
		fl_vk_faults_stop(f);
		assert_int_equal(fl_vk_faults_thread(f), 0);
	}
	fl_vk_faults_close(f);
	assert_int_equal(fake_objects(), n);
}

/* ---- undo ------------------------------------------------------------------------------- */

static int whole_life(struct fix *x)
{
	int rc = open_dev(x, A, &x->a);

	if (!rc)
		rc = open_dev(x, B, &x->b);
	if (!rc)
		x->a->ops->release(x->a);
	if (!rc)
		rc = x->a->ops->reattach(x->a);
	return rc;
}

static void end_life(struct fix *x)
{
	close_dev(&x->a);
	close_dev(&x->b);
}

/* Whatever fails while a device is taken: it is not taken, or posted to, and nothing is left. */
static void test_undo_everywhere(void **state)
{
	struct fix *x = *state;

	add(B, 6, 1, true);
	assert_int_equal(map_at(x, 0, PAGE, 64 * MIB, 0), 0);
	assert_int_equal(map_lazy_at(x, 1, IOVA, MIB, 0), 0);
	rig_fail_each(x, whole_life, end_life, ENOMEM);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_kinds_apart),
		T(test_no_queues),
		T(test_no_user_faults),
		T(test_device_cannot),
		T(test_late_faults),
		T(test_asked_not_to),
		T(test_reattach_may_lose_it),
		T(test_read_then_write),
		T(test_adaptive),
		T(test_group),
		T(test_invalid_in_group),
		T(test_invalid),
		T(test_long_group),
		T(test_many_groups),
		T(test_read_fails),
		T(test_upgrade_in_the_middle),
		T(test_revoke_a_part),
		T(test_revoke_loses_more),
		T(test_something_is_there),
		T(test_short_unmap),
		T(test_convert),
		T(test_budget),
		T(test_less_than_the_budget),
		T(test_no_memory),
		T(test_storm),
		T(test_groups_are_no_storm),
		T(test_leaves_with_requests),
		T(test_closed_with_requests),
		T(test_dirty_log),
		T(test_dirty_log_of_what_turns),
		T(test_no_dirty_log_with_faults),
		T(test_undo_everywhere),
		cmocka_unit_test_setup_teardown(test_thread, setup_thread, teardown),
		cmocka_unit_test_setup_teardown(test_thread_after_the_stop, setup_thread, teardown),
		cmocka_unit_test_setup_teardown(test_thread_under_everything, setup_thread,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
