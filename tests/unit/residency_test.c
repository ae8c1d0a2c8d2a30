/* SPDX-License-Identifier: BSD-3-Clause */
/* Page requests of domains that fault: what is granted, how far around, what is counted. */
#include "residency_fake.h"

#include <sys/mman.h>

#define R  FL_DMA_READ
#define W  FL_DMA_WRITE
#define RW FL_DMA_RW

static void set(struct rig *r, uint64_t budget, uint32_t around)
{
	struct fl_residency_opts o = { .budget = budget, .fault_around = around };

	assert_int_equal(fl_dma_residency_set(r->s, &o), 0);
}

static int hint(struct rig *r, uint64_t page, uint64_t len)
{
	struct fl_dma_fault f = { .iova = fl_iova_add(r->a->iova, page * PAGE + 100),
				  .len = len,
				  .prot = W };

	return fl_dma_fault(r->dom, &f);
}

/* A fault at a page brought [page, end), alone. */
static void assert_brings(struct rig *r, uint64_t page, uint64_t end)
{
	const unsigned before = r->d.grant.calls;

	assert_int_equal(ask(r->dom, r->a, page * PAGE, W), 0);
	assert_int_equal(r->d.grant.calls, before + 1);
	assert_int_equal((r->d.last.iova.v - r->a->iova.v) / PAGE, page);
	assert_int_equal(r->d.last.len / PAGE, end - page);
}

static void test_nothing_until_asked(void **state)
{
	struct rig r;

	rig_up(&r, 16 * MIB);
	assert_int_equal(r.a->residency, FL_LAZY);
	assert_true(r.d.areas[0].m.lazy);
	assert_true(fl_dma_domain_faults(r.dom));
	assert_int_equal(stats(r.s).mapped_bytes, 0);
	assert_int_equal(area_stats(r.a).owned_bytes, 16 * MIB);
	assert_int_equal(area_stats(r.a).mapped_bytes, 0);
	assert_int_equal(ask(r.dom, r.a, 5 * PAGE + 17, W), 0);
	assert_int_equal(pager_may(&r.d, r.a, 5 * PAGE), RW);
	assert_int_equal(r.d.pages, 1);
	assert_int_equal(area_stats(r.a).mapped_bytes, PAGE);
	assert_int_equal(stats(r.s).mapped_bytes, PAGE);
	assert_int_equal(stats(r.s).pinned_bytes, 0);
	rig_down(&r);
}

/* ---- fault-around ------------------------------------------------------------------------- */

/* Granted: 1, up to the next 8, to the next 64, to the next 512, then 2 MiB at a time. */
static void test_grows(void **state)
{
	static const uint64_t ends[] = { 0, 1, 8, 64, 512, 1024, 1536, 2048, 2049 };
	struct rig r;

	rig_up(&r, 2049 * PAGE);
	for (int i = 1; i < 9; i++)
		assert_brings(&r, ends[i - 1], ends[i]);
	assert_int_equal(area_stats(r.a).faults, 8);
	assert_int_equal(area_stats(r.a).fault_pages, 2049);
	assert_int_equal(area_stats(r.a).spurious, 0);
	rig_down(&r);
}

/* Blocks are natural ones, so a stream from anywhere is in step after a few faults. */
static void test_grows_from_anywhere(void **state)
{
	static const uint64_t ends[] = { 61, 62, 64, 128, 512, 1024 };
	struct rig r;

	rig_up(&r, 4 * MIB);
	for (int i = 1; i < 6; i++)
		assert_brings(&r, ends[i - 1], ends[i]);
	rig_down(&r);
}

static void test_random_stays_small(void **state)
{
	struct rig r;

	rig_up(&r, 64 * MIB);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(ask(r.dom, r.a, i * 5557 % 16384 * PAGE, W), 0);
	assert_int_equal(r.d.pages, 1000);
	rig_down(&r);
}

/* Eight streams grow side by side; a ninth takes the place of the one that was idle longest. */
static void test_streams(void **state)
{
	struct rig r;

	rig_up(&r, 32 * MIB);
	for (uint64_t i = 0; i < 8; i++)
		assert_brings(&r, i * 512, i * 512 + 1);
	for (uint64_t i = 0; i < 8; i++)
		assert_brings(&r, i * 512 + 1, i * 512 + 8);
	assert_brings(&r, 512 + 8, 512 + 64);
	assert_brings(&r, 8 * 512, 8 * 512 + 1);
	assert_brings(&r, 8, 9); /* it began anew, in the place of the third */
	assert_brings(&r, 3 * 512 + 8, 3 * 512 + 64);
	assert_brings(&r, 2 * 512 + 8, 2 * 512 + 9);
	rig_down(&r);
}

static void test_shrinks(void **state)
{
	struct rig r;

	rig_up(&r, 16 * MIB);
	assert_brings(&r, 0, 1);
	assert_brings(&r, 1, 8);
	assert_brings(&r, 8, 64);
	assert_brings(&r, 100, 104); /* some were left out: an eighth of 64 */
	assert_brings(&r, 105, 106);
	assert_brings(&r, 106, 112); /* and from there on again */
	assert_brings(&r, 112, 128);
	rig_down(&r);
}

static void test_hint_widens(void **state)
{
	struct rig r;

	rig_up(&r, 8 * MIB);
	assert_int_equal(hint(&r, 3, MIB), 0); /* its first and its last page in part */
	assert_int_equal(r.d.last.iova.v, r.a->iova.v + 3 * PAGE);
	assert_int_equal(r.d.last.len, 257 * PAGE);
	assert_int_equal(hint(&r, 300, PAGE - 100), 0);
	assert_int_equal(r.d.last.len, PAGE);
	assert_int_equal(hint(&r, 1024, UINT64_MAX), 0); /* 2 MiB at most */
	assert_int_equal(r.d.last.len, 512 * PAGE);
	assert_int_equal(hint(&r, 2046, UINT64_MAX), 0); /* nor beyond the area */
	assert_int_equal(r.d.last.len, 2 * PAGE);
	assert_int_equal(hint(&r, 700, 0), 0); /* senseless: the page that it asked for */
	assert_int_equal(r.d.last.len, PAGE);
	assert_int_equal(hint(&r, 698, 10 * PAGE), 0); /* up to what is there */
	assert_int_equal(r.d.last.len, 2 * PAGE);
	assert_int_equal(hint(&r, 701, 1), 0); /* which the stream has stepped over */
	assert_int_equal(r.d.last.len, 3 * PAGE);
	rig_down(&r);
}

/* The block of so many pages that holds the request, whatever the device hints at. */
static void test_fixed(void **state)
{
	struct fl_residency_opts o = { .fault_around = 513 };
	struct rig r;

	rig_up(&r, 2 * MIB + 3 * PAGE);
	set(&r, 0, 1);
	assert_int_equal(hint(&r, 0, MIB), 0);
	assert_int_equal(r.d.pages, 1);
	set(&r, 0, 16);
	assert_int_equal(ask(r.dom, r.a, 5 * PAGE, R), 0);
	assert_int_equal(r.d.last.iova.v, r.a->iova.v + PAGE);
	assert_int_equal(r.d.last.len, 15 * PAGE);
	set(&r, 0, 512);
	assert_int_equal(ask(r.dom, r.a, 514 * PAGE, R), 0);
	assert_int_equal(r.d.last.iova.v, r.a->iova.v + 2 * MIB);
	assert_int_equal(r.d.last.len, 3 * PAGE);
	assert_int_equal(ask(r.dom, r.a, 40 * PAGE, R), 0);
	assert_int_equal(r.d.last.len, (512 - 16) * PAGE);
	assert_int_equal(fl_dma_residency_set(r.s, &o), -EINVAL);
	assert_said("at most 512");
	fl_dma_residency_get(r.s, &o);
	assert_int_equal(o.fault_around, 512);
	assert_int_equal(fl_dma_residency_set(r.s, NULL), 0);
	fl_dma_residency_get(r.s, &o);
	assert_int_equal(o.fault_around, 0);
	assert_true(o.budget > 0);
	rig_down(&r);
}

/* Pages of 64 KiB: whole ones, and fault-around counts bytes as before. */
static void test_large_pages(void **state)
{
	struct fl_dma_opts o = { .residency = FL_LAZY };
	struct rig r = { .s = new_space(), .d = pager_new() };
	struct fl_mem_opts mo = { .node = -1, .align = 64 * KIB };

	r.d.limits.page_sizes = -65536ull;
	r.dom = pager_add(r.s, &r.d);
	assert_int_equal(fl_mem_alloc(16 * MIB, &mo, &r.mem), 0);
	r.a = map(r.s, r.mem, &o);
	assert_int_equal(ask(r.dom, r.a, 65 * KIB, W), 0);
	assert_int_equal(r.d.last.iova.v, r.a->iova.v + 64 * KIB);
	assert_int_equal(r.d.last.len, 64 * KIB);
	assert_int_equal(ask(r.dom, r.a, 128 * KIB, W), 0);
	assert_int_equal(r.d.last.len, 6 * 64 * KIB);
	assert_int_equal(hint(&r, 1024, 16 * MIB), 0);
	assert_int_equal(r.d.last.len, 2 * MIB);
	set(&r, 0, 17);
	assert_int_equal(hint(&r, 3000, 16 * MIB), 0);
	assert_int_equal(r.d.last.len, 64 * KIB);
	set(&r, 0, 512);
	assert_int_equal(ask(r.dom, r.a, 15 * MIB, W), 0);
	assert_int_equal(r.d.last.len, 2 * MIB);
	assert_int_equal(fl_mem_revoke(r.a, PAGE, 64 * KIB), -EINVAL);
	assert_said("whole pages of 65536");
	rig_down(&r);
}

/* ---- permissions -------------------------------------------------------------------------- */

static void test_read_then_write(void **state)
{
	struct rig r;

	rig_up(&r, MIB);
	assert_int_equal(ask(r.dom, r.a, 0, R), 0);
	assert_int_equal(ask(r.dom, r.a, PAGE, R), 0);
	assert_int_equal(pager_may(&r.d, r.a, 0), R);
	assert_int_equal(r.d.pages, 8);
	assert_int_equal(ask(r.dom, r.a, 3 * PAGE, W), 0);
	assert_int_equal(pager_may(&r.d, r.a, 3 * PAGE), RW);
	assert_int_equal(pager_may(&r.d, r.a, 2 * PAGE), R);
	assert_int_equal(ask(r.dom, r.a, 4 * PAGE, RW), 0);
	assert_int_equal(pager_may(&r.d, r.a, 4 * PAGE), RW);
	assert_int_equal(area_stats(r.a).upgrades, 1 + 4);
	assert_int_equal(area_stats(r.a).fault_pages, 8);
	assert_int_equal(area_stats(r.a).faults, 4);
	/* what may be written to is not made read-only by one who reads */
	assert_int_equal(ask(r.dom, r.a, 5 * PAGE, R), 0);
	assert_int_equal(area_stats(r.a).spurious, 1);
	assert_int_equal(pager_may(&r.d, r.a, 5 * PAGE), RW);
	rig_down(&r);
}

static void test_denied(void **state)
{
	static const struct {
		unsigned area, ask;
		int rc;
		unsigned may;
	} t[] = {
		{ R, W, -EACCES, 0 },  { R, RW, -EACCES, 0 }, { R, R, 0, R },
		{ W, R, -EACCES, 0 },  { W, RW, -EACCES, 0 }, { W, W, 0, W },
		{ RW, 0, -EACCES, 0 }, { RW, 4, -EACCES, 0 }, { RW, R | 4, -EACCES, 0 },
		{ RW, W, 0, RW },
	};

	for (size_t i = 0; i < FL_ARRAY_SIZE(t); i++) {
		struct rig r;

		rig_up_with(&r, MIB, t[i].area, FL_MEM_MEMFD);
		assert_int_equal(ask(r.dom, r.a, 7 * PAGE, t[i].ask), t[i].rc);
		assert_int_equal(pager_may(&r.d, r.a, 7 * PAGE), t[i].may);
		assert_int_equal(area_stats(r.a).denied, t[i].rc != 0);
		assert_int_equal(area_stats(r.a).faults, t[i].rc == 0);
		rig_down(&r);
	}
}

static void test_outside(void **state)
{
	struct fl_dma_fault f = { .len = 1, .prot = R };
	struct fl_mem pinned = mem_at(1ull << 40, MIB);
	struct fl_dma_area *b;
	struct rig r;

	rig_up(&r, MIB);
	b = map(r.s, &pinned, NULL);
	f.iova = fl_iova(r.a->iova.v - 1);
	assert_int_equal(fl_dma_fault(r.dom, &f), -EFAULT);
	f.iova = fl_iova(r.a->iova.v + MIB);
	assert_int_equal(fl_dma_fault(r.dom, &f), -EFAULT);
	f.iova = fl_iova(UINT64_MAX);
	assert_int_equal(fl_dma_fault(r.dom, &f), -EFAULT);
	assert_int_equal(ask(r.dom, b, 0, R), -EFAULT); /* never lazy: it is all there */
	assert_int_equal(space_stats(r.s).invalid, 4);
	assert_int_equal(area_stats(r.a).invalid, 0);
	assert_int_equal(r.d.grant.calls, 0);
	unmap(b);
	rig_down(&r);
}

static void test_two_ask_at_once(void **state)
{
	struct rig r;

	rig_up(&r, MIB);
	assert_int_equal(ask(r.dom, r.a, 0, R), 0);
	assert_int_equal(ask(r.dom, r.a, 5, R), 0);
	assert_int_equal(r.d.grant.calls, 1);
	assert_int_equal(area_stats(r.a).spurious, 1);
	assert_int_equal(area_stats(r.a).faults, 2);
	fl_dma_fault_throttled(r.dom);
	assert_int_equal(space_stats(r.s).throttled, 1);
	rig_down(&r);
}

/* ---- domains -------------------------------------------------------------------------------- */

static void test_refused_grants(void **state)
{
	struct rig r;

	rig_up(&r, MIB);
	/* a wide one that cannot be had: the page alone */
	r.d.grant = (struct fault){ .at = 1, .times = 1, .rc = -ENOMEM };
	assert_int_equal(hint(&r, 3, 64 * KIB), 0);
	assert_int_equal(r.d.pages, 1);
	assert_int_equal(area_stats(r.a).failed, 0);
	r.d.grant = (struct fault){ .at = 1, .times = 2, .rc = -ENOMEM };
	assert_int_equal(hint(&r, 30, 64 * KIB), -ENOMEM);
	r.d.grant = (struct fault){ .at = 1, .times = 1, .rc = -EIO };
	assert_int_equal(hint(&r, 30, 64 * KIB), -EIO);
	assert_said("cannot be granted");
	assert_int_equal(r.d.grant.calls, 1);
	/* a device cannot fill the log */
	for (int i = 0; i < 50; i++) {
		r.d.grant = (struct fault){ .at = 1, .times = 1, .rc = -EIO };
		assert_int_equal(hint(&r, 30, 64 * KIB), -EIO);
	}
	assert_true(strlen(all_msgs) < 500);
	assert_int_equal(area_stats(r.a).failed, 52);
	assert_int_equal(area_stats(r.a).faults, 1);
	assert_int_equal(area_stats(r.a).mapped_bytes, PAGE);
	assert_int_equal(hint(&r, 30, 64 * KIB), 0);
	rig_down(&r);
}

static void test_gone_and_back(void **state)
{
	struct rig r;

	rig_up(&r, MIB);
	assert_int_equal(hint(&r, 0, 10 * PAGE), 0);
	r.d.grant = (struct fault){ .at = 1, .times = 1, .rc = -ENODEV };
	assert_int_equal(ask(r.dom, r.a, MIB / 2, W), -ENODEV);
	assert_int_equal(ask(r.dom, r.a, MIB / 2, W), -ENODEV);
	assert_int_equal(r.d.grant.calls, 1); /* it is not called any more */
	assert_int_equal(area_stats(r.a).mapped_bytes, 0);
	/* nor when something is taken: that is done */
	assert_int_equal(fl_mem_revoke(r.a, 0, PAGE), 0);
	assert_int_equal(r.d.revoke.calls, 0);
	assert_int_equal(fl_mem_prefault(r.a, 0, MIB, FL_PREFAULT_READ), 0);

	/* it comes back empty */
	free(r.d.areas[0].may);
	r.d.areas[0].may = NULL;
	r.d.pages = 0;
	assert_int_equal(fl_dma_domain_replay(r.dom), 0);
	assert_true(r.d.areas[0].m.lazy);
	assert_int_equal(area_stats(r.a).mapped_bytes, 0);
	assert_int_equal(ask(r.dom, r.a, 0, W), 0);
	assert_int_equal(area_stats(r.a).mapped_bytes, PAGE);
	rig_down(&r);
}

/* It joins, is granted what is pinned, fails at that and is gone: no area remembers it. */
static void test_gone_while_it_joins(void **state)
{
	struct pager late = pager_new();
	struct fl_mem_opts mo = { .kind = FL_MEM_MEMFD, .node = -1 };
	struct fl_dma_opts o = { .residency = FL_LAZY };
	struct fl_dma_domain *dom;
	struct fl_dma_area *b;
	struct fl_mem *mem;
	struct rig r;

	rig_up(&r, MIB);
	assert_int_equal(fl_mem_alloc(MIB, &mo, &mem), 0);
	b = map(r.s, mem, &o);
	assert_int_equal(fl_mem_pin(r.a, 0, PAGE), 0);
	assert_int_equal(fl_mem_pin(b, 0, PAGE), 0);
	late.grant = (struct fault){ .at = 2, .times = 1, .rc = -EIO };
	late.unmap = (struct fault){ .at = 1, .times = 1, .rc = -ENODEV };
	assert_int_equal(fl_dma_domain_add(r.s, &pager_ops, &late, &dom), -EIO);
	assert_null(((struct fl_area *)r.a)->faulted->next);
	assert_null(((struct fl_area *)b)->faulted->next);
	for (int i = 0; i < PAGER_AREAS; i++)
		free(late.areas[i].may);
	unmap(b);
	fl_mem_free(mem);
	rig_down(&r);
}

static void test_two_domains(void **state)
{
	struct pager late = pager_new();
	struct fl_dma_domain *dom;
	struct rig r;

	rig_up(&r, MIB);
	assert_int_equal(hint(&r, 0, 10 * PAGE - 100), 0);
	dom = pager_add(r.s, &late);
	assert_true(late.areas[0].m.lazy);
	assert_int_equal(late.pages, 0); /* each asks for itself */
	assert_int_equal(ask(dom, r.a, 9 * PAGE, R), 0);
	assert_int_equal(ask(dom, r.a, 20 * PAGE, R), 0);
	assert_int_equal(late.pages, 2);
	assert_int_equal(area_stats(r.a).mapped_bytes, 11 * PAGE);
	assert_int_equal(area_stats(r.a).locked_bytes, 0);
	late.limits.pins = true;
	assert_int_equal(fl_dma_domain_check(dom), 0);
	assert_int_equal(area_stats(r.a).locked_bytes, 2 * PAGE);
	assert_int_equal(stats(r.s).pinned_bytes, 2 * PAGE);
	assert_int_equal(fl_mem_revoke(r.a, 0, MIB), 0);
	assert_int_equal(late.pages + r.d.pages, 0);
	assert_int_equal(ask(dom, r.a, 0, W), 0);
	fl_dma_domain_remove(dom, true);
	free(late.areas[0].may);
	assert_int_equal(area_stats(r.a).mapped_bytes, 0);
	rig_down(&r);
}

static void test_area_goes(void **state)
{
	struct fl_dma_opts o = { .residency = FL_LAZY };
	struct rig r;
	fl_iova_t at;

	rig_up(&r, MIB);
	at = r.a->iova;
	o.iova = at;
	assert_int_equal(ask(r.dom, r.a, 0, W), 0);
	assert_int_equal(fl_mem_pin(r.a, 0, PAGE), 0);
	unmap(r.a);
	assert_int_equal(fl_dma_fault(r.dom, &(struct fl_dma_fault){ at, 1, W, 0 }), -EFAULT);
	assert_int_equal(space_stats(r.s).faults, 1);
	assert_int_equal(space_stats(r.s).owned_bytes, 0);
	assert_int_equal(space_stats(r.s).pinned_bytes, 0);
	r.a = map(r.s, r.mem, &o); /* nothing of the one before is left */
	assert_int_equal(area_stats(r.a).faults, 0);
	assert_int_equal(pager_may(&r.d, r.a, 0), 0);
	assert_int_equal(ask(r.dom, r.a, 0, W), 0);
	assert_int_equal(space_stats(r.s).faults, 2);
	rig_down(&r);
}

static uint64_t posted_bytes(const struct fake *d)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < d->n; i++)
		n += d->maps[i].len;
	return n;
}

/* Windows and what was granted share it, and each gets its part. */
static void test_one_budget(void **state)
{
	struct fl_residency_opts o = { .budget = 8 * MIB };
	struct rig r = { .s = new_space(), .d = pager_new() };
	struct fake posted = fake_with(0, (1ull << 48) - 1);
	const struct fl_dma_opts lazy = { .residency = FL_LAZY };
	uint64_t both = 0, least = UINT64_MAX;
	struct fl_dma_domain *dom;

	assert_int_equal(fl_dma_residency_set(r.s, &o), 0);
	r.d.limits.pins = posted.limits.pins = true;
	r.dom = pager_add(r.s, &r.d);
	dom = add(r.s, &posted);
	assert_int_equal(fl_mem_alloc(64 * MIB, NULL, &r.mem), 0);
	r.a = map(r.s, r.mem, &lazy);
	/* alone a kind may have all of it */
	for (uint64_t off = 0; off < 32 * MIB; off += PAGE)
		assert_int_equal(ask(r.dom, r.a, off, R), 0);
	assert_in_range(r.d.pages * PAGE, 7 * MIB, 8 * MIB);
	for (uint64_t off = 0; off < 64 * MIB; off += MIB) {
		assert_int_equal(fl_mem_prefault(r.a, off, MIB, FL_PREFAULT_WRITE), 0);
		both = r.d.pages * PAGE + posted_bytes(&posted);
		assert_true(both <= o.budget);
	}
	for (uint64_t off = 0; off < 32 * MIB; off += PAGE) {
		assert_int_equal(ask(r.dom, r.a, off, R), 0);
		least = r.d.pages * PAGE < least && off > 16 * MIB ? r.d.pages * PAGE : least;
		assert_true(r.d.pages * PAGE + posted_bytes(&posted) <= o.budget);
	}
	assert_true(least >= MIB); /* not one page at a time beside windows that stay */
	o.budget = 2 * MIB;
	assert_int_equal(fl_dma_residency_set(r.s, &o), 0);
	assert_true(r.d.pages * PAGE + posted_bytes(&posted) <= o.budget);
	fl_dma_domain_remove(dom, false);
	rig_down(&r);
}

static void test_no_such_limits(void **state)
{
	struct fl_dma_domain_ops lame = pager_ops;
	struct fl_dma_space *s = new_space();
	struct pager d = pager_new();
	struct fl_dma_domain *dom;

	lame.grant = NULL;
	assert_int_equal(fl_dma_domain_add(s, &lame, &d, &dom), -EPROTO);
	assert_said("nothing can be granted");
	end(s);
}

/* ---- what is counted --------------------------------------------------------------------------
 */

static void test_latency(void **state)
{
	static const uint64_t us[] = { 0, 1, 2, 3, 4, 1000, 40000, 1000000000 };
	static const unsigned bucket[] = { 0, 0, 1, 1, 2, 9, 15, 15 };
	struct fl_residency_stats st;
	uint64_t sum = 0;
	struct rig r;

	rig_up(&r, MIB);
	for (size_t i = 2; i < FL_ARRAY_SIZE(us); i++) {
		struct fl_dma_fault f = { .iova = r.a->iova, .len = 1, .prot = R };
		struct fl_residency_stats before = area_stats(r.a);

		f.arrived_ns = fl_now_ns() > us[i] * 1000 ? fl_now_ns() - us[i] * 1000 : 1;
		assert_int_equal(fl_dma_fault(r.dom, &f), 0);
		st = area_stats(r.a);
		assert_true(st.latency_ns - before.latency_ns >= us[i] * 1000 || us[i] > 1000000);
		/* a busy machine may make it more */
		for (unsigned n = 0; n < bucket[i] && us[i] < 1000000; n++)
			assert_int_equal(st.latency[n], before.latency[n]);
	}
	/* one that comes from the future took no time */
	assert_int_equal(fl_dma_fault(r.dom, &(struct fl_dma_fault){ r.a->iova, 1, R, UINT64_MAX }),
			 0);
	assert_true(area_stats(r.a).latency[0] >= 1);
	st = space_stats(r.s);
	for (unsigned n = 0; n < FL_FAULT_BUCKETS; n++)
		sum += st.latency[n];
	assert_int_equal(sum, st.faults);
	rig_down(&r);
}

/* ---- the budget ---------------------------------------------------------------------------------
 */

static void test_budget(void **state)
{
	struct rig r;

	rig_up(&r, 64 * MIB);
	set(&r, 8 * MIB, 512);
	for (uint64_t w = 0; w < 16; w++)
		assert_int_equal(ask(r.dom, r.a, w * 2 * MIB, W), 0);
	/* windows as of what one fault may bring: a part of the budget */
	assert_true(r.d.last.len <= 8 * MIB / 16);
	assert_true(r.d.pages_max <= 8 * MIB / PAGE);
	assert_true(area_stats(r.a).evictions == 0);
	for (uint64_t p = 0; p < 64 * MIB / PAGE; p++)
		assert_int_equal(ask(r.dom, r.a, p * PAGE, W), 0);
	assert_true(r.d.pages_max <= 8 * MIB / PAGE);
	assert_true(area_stats(r.a).evictions > 10);
	assert_true(area_stats(r.a).mapped_bytes <= 8 * MIB);
	set(&r, MIB, 1);
	assert_true(r.d.pages <= MIB / PAGE);
	set(&r, FL_BUDGET_NONE, 512);
	for (uint64_t w = 0; w < 16; w++)
		assert_int_equal(ask(r.dom, r.a, w * 2 * MIB, W), 0);
	for (uint64_t w = 0; w < 16; w++)
		assert_int_equal(ask(r.dom, r.a, w * 2 * MIB + MIB, W), 0);
	assert_true(r.d.pages > 31 * MIB / PAGE);
	rig_down(&r);
}

/* A window that faulted since the hand came by is left alone once. */
static void test_second_chance(void **state)
{
	struct rig r;

	rig_up(&r, 64 * MIB);
	set(&r, 3 * PAGE, 1);
	assert_int_equal(ask(r.dom, r.a, 0, W), 0);
	assert_int_equal(ask(r.dom, r.a, 2 * MIB, R), 0);
	assert_int_equal(ask(r.dom, r.a, 4 * MIB, W), 0);
	assert_int_equal(ask(r.dom, r.a, 6 * MIB, W), 0); /* all were new: the first goes */
	assert_int_equal(pager_may(&r.d, r.a, 0), 0);
	assert_int_equal(ask(r.dom, r.a, 2 * MIB, W), 0); /* takes no room */
	assert_int_equal(area_stats(r.a).evictions, 1);
	assert_int_equal(ask(r.dom, r.a, 8 * MIB, W), 0);
	assert_int_equal(pager_may(&r.d, r.a, 2 * MIB), RW);
	assert_int_equal(pager_may(&r.d, r.a, 4 * MIB), 0);
	assert_int_equal(pager_may(&r.d, r.a, 6 * MIB), RW);
	rig_down(&r);
}

/* Without a word of the user, what pins nothing is not bounded; what pins is. */
static void test_default_budget(void **state)
{
	struct fl_residency_opts o;
	struct rig r;

	rig_up(&r, 4 * MIB);
	fl_dma_residency_get(r.s, &o);
	assert_int_not_equal(o.budget, 0);
	set(&r, 3 * PAGE, 1);
	r.d.limits.pins = true;
	assert_int_equal(fl_dma_domain_check(r.dom), 0);
	for (uint64_t p = 0; p < 10; p++)
		assert_int_equal(ask(r.dom, r.a, p * PAGE, W), 0);
	assert_true(r.d.pages <= 3);
	assert_int_equal(area_stats(r.a).locked_bytes, r.d.pages * PAGE);
	rig_down(&r);
}

/* Pinned pages come on top; who waits for a page gets it, if nothing else can go. */
static void test_budget_and_pins(void **state)
{
	struct rig r;

	rig_up(&r, 16 * MIB);
	set(&r, 4 * PAGE, 1);
	assert_int_equal(fl_mem_pin(r.a, 0, 2 * MIB), 0);
	assert_int_equal(r.d.pages, 512);
	for (uint64_t p = 0; p < 100; p++)
		assert_int_equal(ask(r.dom, r.a, 4 * MIB + p * PAGE, W), 0);
	assert_true(r.d.pages <= 512 + 4);
	for (uint64_t p = 0; p < 512; p++)
		assert_int_equal(pager_may(&r.d, r.a, p * PAGE), RW);
	/* nothing can be taken back: it goes over the budget, and comes down later */
	r.d.revoke = (struct fault){ .at = 1, .times = 1000000, .rc = -EIO };
	for (uint64_t p = 200; p < 210; p++)
		assert_int_equal(ask(r.dom, r.a, 4 * MIB + p * PAGE, W), 0);
	assert_said("cannot be taken back");
	r.d.revoke = (struct fault){ 0 };
	set(&r, 4 * PAGE, 1);
	assert_true(r.d.pages <= 512 + 4);
	assert_int_equal(fl_mem_unpin(r.a, 0, 2 * MIB), 0);
	set(&r, 4 * PAGE, 1);
	assert_true(r.d.pages <= 4);
	rig_down(&r);
}

/* ---- memory that is fetched ahead
 * ---------------------------------------------------------------- */

static uint64_t resident(const struct rig *r)
{
	uint64_t bytes;

	assert_int_equal(fl_mem_resident(r->mem, &bytes), 0);
	return bytes;
}

static void test_ahead(void **state)
{
	unsigned steps = 1;
	struct rig r;

	needs_madvise();
	rig_up(&r, 8 * MIB);
	assert_false(fl_dma_fault_ahead(r.dom));
	assert_int_equal(ask(r.dom, r.a, 0, R), 0);
	assert_false(fl_dma_fault_ahead(r.dom)); /* what is only read is zeros anyway */
	assert_int_equal(hint(&r, 1, MIB - PAGE - 100), 0);
	assert_int_equal(resident(&r), 0);
	while (fl_dma_fault_ahead(r.dom)) {
		steps++;
		assert_true(resident(&r) <= steps * 64 * KIB);
	}
	assert_int_equal(resident(&r), MIB - PAGE);
	assert_true(steps >= 16);

	/* what is taken back meanwhile does not come */
	assert_int_equal(hint(&r, 512, MIB - 100), 0);
	assert_true(fl_dma_fault_ahead(r.dom));
	assert_int_equal(fl_mem_discard(r.a, 2 * MIB, MIB), 0);
	assert_false(fl_dma_fault_ahead(r.dom));
	assert_int_equal(resident(&r), MIB - PAGE);
	assert_int_equal(hint(&r, 768, 256 * KIB - 100), 0);
	assert_int_equal(fl_mem_discard(r.a, 3 * MIB + PAGE, 256 * KIB - PAGE), 0);
	while (fl_dma_fault_ahead(r.dom))
		;
	assert_int_equal(resident(&r), MIB);

	/* more ranges than are kept: some are left out, none harms */
	set(&r, 0, 1);
	for (uint64_t i = 0; i < 200; i++)
		assert_int_equal(ask(r.dom, r.a, 4 * MIB + 2 * i * PAGE, W), 0);
	while (fl_dma_fault_ahead(r.dom))
		;
	assert_true(resident(&r) >= MIB + 40 * PAGE);

	/* the area goes while some is left */
	assert_int_equal(ask(r.dom, r.a, MIB, W), 0);
	unmap(r.a);
	assert_false(fl_dma_fault_ahead(r.dom));
	r.a = map(r.s, r.mem, &(struct fl_dma_opts){ .residency = FL_LAZY });
	rig_down(&r);
}

/* Memory that the process has unmapped under the area. */
static void test_ahead_of_nothing(void **state)
{
	struct rig r;
	uint8_t *va;

	needs_madvise();
	rig_up(&r, MIB);
	va = r.a->va;
	assert_int_equal(ask(r.dom, r.a, 0, W), 0);
	assert_int_equal(munmap(va, MIB), 0);
	assert_false(fl_dma_fault_ahead(r.dom));
	assert_int_equal(fl_mem_prefault(r.a, 0, MIB, FL_PREFAULT_WRITE), -EFAULT);
	assert_int_equal(fl_mem_pin(r.a, 0, MIB), -EFAULT);
	assert_int_equal(area_stats(r.a).pinned_bytes, 0);
	assert_ptr_equal(mmap(va, MIB, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
			 va);
	rig_down(&r);
}

/* ---- plans -------------------------------------------------------------------------------------
 */

static void test_plan(void **state)
{
	struct fl_dma_want w = { .len = 64 * MIB, .residency = FL_LAZY, .count = 2 };
	struct fl_dma_plan p;
	struct rig r;

	rig_up(&r, 4 * MIB);
	set(&r, 16 * MIB, 0);
	assert_int_equal(fl_dma_plan(r.s, &w, 1, &p), 0);
	assert_int_equal(p.lock_bytes, 0); /* this device pins nothing */
	assert_int_equal(p.map_bytes, 0);
	assert_int_equal(p.fds, 2);
	r.d.limits.pins = true;
	assert_int_equal(fl_dma_plan(r.s, &w, 1, &p), 0);
	assert_int_equal(p.lock_bytes, 12 * MIB); /* the rest of the budget */
	assert_int_equal(p.entries, 6);
	w.residency = FL_AUTO;
	w.len = MIB;
	assert_int_equal(fl_dma_plan(r.s, &w, 1, &p), 0);
	assert_int_equal(p.lock_bytes, 2 * MIB);
	w = (struct fl_dma_want){ .len = 1ull << 62, .residency = FL_LAZY, .count = 4 };
	assert_int_equal(fl_dma_plan(r.s, &w, 1, &p), -EINVAL);
	w.count = 1;
	assert_int_equal(fl_dma_plan(r.s, &w, 1, &p), 0);
	assert_int_equal(p.verdict, -ENOSPC); /* of IOVA */
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_until_asked),
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_grows_from_anywhere),
		cmocka_unit_test(test_random_stays_small),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_shrinks),
		cmocka_unit_test(test_hint_widens),
		cmocka_unit_test(test_fixed),
		cmocka_unit_test(test_large_pages),
		cmocka_unit_test(test_read_then_write),
		cmocka_unit_test(test_denied),
		cmocka_unit_test(test_outside),
		cmocka_unit_test(test_two_ask_at_once),
		cmocka_unit_test(test_refused_grants),
		cmocka_unit_test(test_gone_and_back),
		cmocka_unit_test(test_gone_while_it_joins),
		cmocka_unit_test(test_two_domains),
		cmocka_unit_test(test_area_goes),
		cmocka_unit_test(test_one_budget),
		cmocka_unit_test(test_no_such_limits),
		cmocka_unit_test(test_latency),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_second_chance),
		cmocka_unit_test(test_default_budget),
		cmocka_unit_test(test_budget_and_pins),
		cmocka_unit_test(test_ahead),
		cmocka_unit_test(test_ahead_of_nothing),
		cmocka_unit_test(test_plan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
