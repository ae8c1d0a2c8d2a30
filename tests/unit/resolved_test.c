/* SPDX-License-Identifier: BSD-3-Clause */
/* Lazy areas where the kernel resolves: what it is told, what is kept here, what is counted. */
#include "residency_fake.h"

#define R FL_DMA_READ
#define W FL_DMA_WRITE

static struct pager kernel(void)
{
	struct pager d = pager_new();

	d.limits.resolves = true;
	d.limits.pins = true;
	return d;
}

static void kernel_up(struct rig *r, uint64_t len, const struct fl_dma_opts *o)
{
	const struct fl_dma_opts lazy = { .residency = FL_LAZY };

	*r = (struct rig){ .s = new_space(), .d = kernel() };
	r->dom = pager_add(r->s, &r->d);
	assert_int_equal(fl_mem_alloc(len, NULL, &r->mem), 0);
	r->a = map(r->s, r->mem, o ? o : &lazy);
}

/* a letter a page: '-' nothing, 'r', 'w' = reachable so (w: both), capitals: kept */
static const char *pages(struct rig *r, unsigned n)
{
	static char text[64];

	for (unsigned p = 0; p < n; p++) {
		unsigned may = pager_may(&r->d, r->a, p * PAGE);

		text[p] = (may & FL_DMA_RW) == FL_DMA_RW ? 'w' : may & R ? 'r' : '-';
		if (may & PAGER_HELD)
			text[p] -= 'a' - 'A';
	}
	text[n] = 0;
	return text;
}

static void test_map(void **state)
{
	struct fl_dma_plan plan;
	const struct fl_dma_want want = { .len = MIB, .residency = FL_LAZY, .count = 3 };
	struct rig r;

	kernel_up(&r, MIB, NULL);
	assert_true(r.d.areas[0].m.lazy);
	assert_string_equal(pages(&r, 4), "----");
	assert_true(fl_dma_domain_faults(r.dom));
	/* nothing is resolved, granted or brought in from here */
	assert_int_equal(ask(r.dom, r.a, 0, W), -ENODEV);
	assert_false(fl_dma_fault_ahead(r.dom));
	assert_int_equal(r.d.grant.calls, 0);
	/* and nothing is locked: an entry each is all that they take */
	assert_int_equal(fl_dma_plan(r.s, &want, 1, &plan), 0);
	assert_int_equal(plan.lock_bytes, 0);
	assert_int_equal(plan.entries, 3);
	rig_down(&r);
}

static void test_prefault(void **state)
{
	struct rig r;

	kernel_up(&r, 8 * PAGE, NULL);
	assert_int_equal(fl_mem_prefault(r.a, 5, 1, FL_PREFAULT_READ), 0);
	assert_int_equal(r.d.last.prot, R);
	assert_int_equal(fl_mem_prefault(r.a, 2 * PAGE, PAGE + 1, FL_PREFAULT_WRITE), 0);
	assert_string_equal(pages(&r, 8), "r-ww----");
	/* which are in memory it sees itself */
	assert_int_equal(fl_mem_prefault(r.a, 0, 8 * PAGE, FL_PREFAULT_NO_FAULT), 0);
	assert_string_equal(pages(&r, 8), "r-ww----");
	assert_int_equal(r.d.prefault.calls, 3);
	assert_int_equal(r.d.last.len, 8 * PAGE);
	/* counted there */
	assert_int_equal(area_stats(r.a).prefault_pages, 3);
	assert_int_equal(space_stats(r.s).mapped_bytes, 3 * PAGE);

	r.d.prefault = (struct fault){ .at = 1, .times = 1, .rc = -EFAULT };
	assert_int_equal(fl_mem_prefault(r.a, 0, PAGE, FL_PREFAULT_WRITE), -EFAULT);
	assert_said("pager: IOVA");
	rig_down(&r);
}

static void test_pins(void **state)
{
	struct rig r;

	kernel_up(&r, 8 * PAGE, NULL);
	assert_int_equal(fl_mem_pin(r.a, PAGE, 4 * PAGE), 0);
	assert_int_equal(fl_mem_pin(r.a, 3 * PAGE, 3 * PAGE), 0);
	assert_string_equal(pages(&r, 8), "-WWWWW--");
	assert_int_equal(area_stats(r.a).locked_bytes, 5 * PAGE);
	assert_int_equal(area_stats(r.a).pinned_bytes, 5 * PAGE);
	/* what is kept once more stays; the other comes and goes, and is there for now */
	assert_int_equal(fl_mem_unpin(r.a, PAGE, 4 * PAGE), 0);
	assert_string_equal(pages(&r, 8), "-wwWWW--");
	assert_int_equal(fl_mem_revoke(r.a, 0, 4 * PAGE), -EBUSY);
	assert_int_equal(fl_mem_revoke(r.a, 0, 3 * PAGE), 0);
	assert_string_equal(pages(&r, 8), "---WWW--");
	assert_int_equal(fl_mem_unpin(r.a, 3 * PAGE, 3 * PAGE), 0);
	assert_string_equal(pages(&r, 8), "---www--");
	assert_int_equal(fl_mem_unpin(r.a, 3 * PAGE, PAGE), -EINVAL);
	rig_down(&r);
}

static void test_pin_refused(void **state)
{
	struct rig r;

	kernel_up(&r, 8 * PAGE, NULL);
	assert_int_equal(fl_mem_pin(r.a, 2 * PAGE, PAGE), 0);
	r.d.hold = (struct fault){ .at = 1, .times = 1, .rc = -ENOMEM };
	assert_int_equal(fl_mem_pin(r.a, 0, 8 * PAGE), -ENOMEM);
	assert_said("cannot be pinned");
	/* what was pinned before is so still, and nothing more */
	assert_string_equal(pages(&r, 4), "--W-");
	assert_int_equal(area_stats(r.a).pinned_bytes, PAGE);
	assert_int_equal(fl_mem_unpin(r.a, 2 * PAGE, PAGE), 0);
	/* a pin that the kernel does not give up is no pin of ours: said, and over */
	assert_int_equal(fl_mem_pin(r.a, 0, PAGE), 0);
	r.d.hold = (struct fault){ .at = 1, .times = 1, .rc = -EIO };
	assert_int_equal(fl_mem_unpin(r.a, 0, PAGE), -EIO);
	assert_said("cannot be let go: Input/output error; it stays pinned there");
	assert_int_equal(area_stats(r.a).pinned_bytes, 0);
	rig_down(&r);
}

/* The log blames neither the caller nor a limit for what is another's doing. */
static void test_unpin_refused(void **state)
{
	static const struct {
		int rc;
		const char *said;
	} t[] = { { -EINVAL, "Invalid argument; it stays pinned there until" },
		  { -ENOMEM, "Cannot allocate memory; it stays pinned there until" },
		  { -EOPNOTSUPP, "is unmapped, as a device there takes no recoverable faults" } };
	struct rig r;

	kernel_up(&r, 8 * PAGE, NULL);
	for (size_t i = 0; i < FL_ARRAY_SIZE(t); i++) {
		assert_int_equal(fl_mem_pin(r.a, 0, PAGE), 0);
		r.d.hold = (struct fault){ .at = 1, .times = 1, .rc = t[i].rc };
		all_msgs[0] = 0;
		assert_int_equal(fl_mem_unpin(r.a, 0, PAGE), t[i].rc);
		assert_null(strstr(all_msgs, "is not pinned"));
		assert_null(strstr(all_msgs, "locked"));
		assert_said(t[i].said);
	}
	assert_int_equal(fl_mem_unpin(r.a, 0, PAGE), -EINVAL);
	assert_said("is not pinned");
	/* nor is bringing in what locks memory */
	r.d.prefault = (struct fault){ .at = 1, .times = 1, .rc = -ENOMEM };
	assert_int_equal(fl_mem_prefault(r.a, 0, PAGE, FL_PREFAULT_WRITE), -ENOMEM);
	assert_null(strstr(all_msgs, "locked"));
	assert_said("cannot be brought in: Cannot allocate memory");
	rig_down(&r);
}

/* The kernel's notifier takes pages from devices before they are freed; nobody does it twice. */
static void test_discard(void **state)
{
	struct rig r;

	needs_madvise();
	kernel_up(&r, 8 * PAGE, NULL);
	memset(r.a->va, 1, 8 * PAGE);
	pager_touch(&r.d, r.a->iova.v, R);
	assert_int_equal(fl_mem_discard(r.a, 0, 4 * PAGE), 0);
	assert_int_equal(r.d.revoke.calls, 0);
	assert_int_equal(r.a->va[0], 0);
	assert_int_equal(r.a->va[4 * PAGE], 1);
	assert_int_equal(fl_mem_pin(r.a, 0, PAGE), 0);
	assert_int_equal(fl_mem_discard(r.a, 0, PAGE), -EBUSY);
	assert_int_equal(fl_mem_unpin(r.a, 0, PAGE), 0);
	r.d.revoke = (struct fault){ .at = 1, .times = 1, .rc = -EIO };
	assert_int_equal(fl_mem_revoke(r.a, 0, PAGE), -EIO);
	assert_said("cannot be taken back");
	assert_int_equal(fl_mem_revoke(r.a, PAGE / 2, PAGE), -EINVAL);
	assert_int_equal(r.d.revoke.calls, 1);
	rig_down(&r);
}

static void test_convert(void **state)
{
	struct rig r;

	kernel_up(&r, 8 * PAGE, NULL);
	assert_int_equal(fl_mem_pin(r.a, PAGE, PAGE), 0);
	assert_int_equal(fl_mem_pin(r.a, 6 * PAGE, 2 * PAGE), 0);
	assert_int_equal(fl_mem_convert(r.a, FL_PINNED), 0);
	assert_string_equal(pages(&r, 8), "WWWWWWWW");
	/* what a user keeps of it is never let go on the way back */
	r.d.hold.calls = 0;
	assert_int_equal(fl_mem_convert(r.a, FL_LAZY), 0);
	assert_string_equal(pages(&r, 8), "wWwwwwWW");
	/* a range at a time: [0], [2, 5], and the pins once more */
	assert_int_equal(r.d.hold.calls, 4);
	assert_int_equal(r.d.convert.calls, 0);

	/* it stays lazy where the whole cannot be pinned */
	r.d.hold = (struct fault){ .at = 1, .times = 1, .rc = -ENOMEM };
	assert_int_equal(fl_mem_convert(r.a, FL_PINNED), -ENOMEM);
	assert_int_equal(r.a->residency, FL_LAZY);
	assert_string_equal(pages(&r, 8), "wWwwwwWW");
	assert_int_equal(fl_mem_convert(r.a, FL_PINNED), 0);
	/* and pinned where some of it cannot be let go */
	r.d.hold = (struct fault){ .at = 2, .times = 1, .rc = -EIO };
	assert_int_equal(fl_mem_convert(r.a, FL_LAZY), -EIO);
	assert_int_equal(r.a->residency, FL_PINNED);
	assert_string_equal(pages(&r, 8), "WWWWWWWW");
	assert_int_equal(fl_mem_convert(r.a, FL_LAZY), 0);
	rig_down(&r);
}

/* One that was never lazy can turn, too. */
static void test_convert_pinned(void **state)
{
	const struct fl_dma_opts o = { .residency = FL_PINNED };
	struct rig r;

	kernel_up(&r, 4 * PAGE, &o);
	assert_false(r.d.areas[0].m.lazy);
	assert_int_equal(fl_mem_pin(r.a, 0, PAGE), 0);
	assert_int_equal(r.d.hold.calls, 0);
	assert_int_equal(fl_mem_convert(r.a, FL_LAZY), 0);
	assert_string_equal(pages(&r, 4), "Wwww");
	assert_int_equal(fl_mem_revoke(r.a, PAGE, 3 * PAGE), 0);
	assert_string_equal(pages(&r, 4), "W---");
	rig_down(&r);
}

static void test_join_keeps_pins(void **state)
{
	struct pager late = kernel();
	struct fl_dma_domain *dom;
	struct rig r;

	kernel_up(&r, 4 * PAGE, NULL);
	assert_int_equal(fl_mem_pin(r.a, PAGE, PAGE), 0);
	dom = pager_add(r.s, &late);
	assert_int_equal(pager_may(&late, r.a, PAGE), FL_DMA_RW | PAGER_HELD);
	assert_int_equal(pager_may(&late, r.a, 0), 0);
	/* each is told */
	assert_int_equal(fl_mem_prefault(r.a, 0, PAGE, FL_PREFAULT_WRITE), 0);
	assert_int_equal(late.prefault.calls, 1);
	assert_int_equal(r.d.prefault.calls, 1);
	/* the pages of the one that has most, the counts of both */
	assert_int_equal(area_stats(r.a).mapped_bytes, 2 * PAGE);
	pager_touch(&late, r.a->iova.v, R);
	pager_touch(&r.d, r.a->iova.v + 2 * PAGE, R);
	assert_int_equal(area_stats(r.a).faults, 2);
	assert_int_equal(area_stats(r.a).mapped_bytes, 3 * PAGE);
	fl_dma_domain_remove(dom, false);
	/* one that cannot keep it does not join */
	late = kernel();
	late.hold = (struct fault){ .at = 1, .times = 1, .rc = -ENOMEM };
	assert_int_equal(fl_dma_domain_add(r.s, &pager_ops, &late, &dom), -ENOMEM);
	assert_null(late.areas[0].may);
	rig_down(&r);
}

static void test_around(void **state)
{
	struct fl_residency_opts o = { .fault_around = 16 };
	struct pager late = kernel();
	struct fl_dma_domain *dom;
	struct rig r;

	kernel_up(&r, PAGE, NULL);
	assert_int_equal(r.d.around.calls, 1);
	assert_int_equal(fl_dma_residency_set(r.s, &o), 0);
	assert_int_equal(r.d.pages_around, 16);
	dom = pager_add(r.s, &late);
	assert_int_equal(late.pages_around, 16);
	late.around = (struct fault){ .at = 1, .times = 1, .rc = -EINVAL };
	assert_int_equal(fl_dma_residency_set(r.s, NULL), 0);
	assert_said("fault-around cannot be set to 0 pages");
	assert_int_equal(r.d.pages_around, 0);
	fl_dma_domain_remove(dom, false);
	rig_down(&r);
}

static void test_counts(void **state)
{
	struct rig r;

	kernel_up(&r, 4 * PAGE, NULL);
	pager_touch(&r.d, r.a->iova.v, R);
	pager_touch(&r.d, r.a->iova.v + PAGE, FL_DMA_RW);
	pager_touch(&r.d, r.a->iova.v + 64 * MIB, R);
	assert_int_equal(area_stats(r.a).faults, 2);
	assert_int_equal(area_stats(r.a).fault_pages, 2);
	assert_int_equal(area_stats(r.a).latency[1], 2);
	assert_int_equal(area_stats(r.a).invalid, 0);
	assert_int_equal(area_stats(r.a).mapped_bytes, 2 * PAGE);
	assert_int_equal(area_stats(r.a).locked_bytes, 0);
	assert_int_equal(space_stats(r.s).faults, 2);
	assert_int_equal(space_stats(r.s).invalid, 1);
	assert_int_equal(stats(r.s).mapped_bytes, 2 * PAGE);
	assert_int_equal(stats(r.s).pinned_bytes, 0);
	/* pinned, its faults of before are known still */
	assert_int_equal(fl_mem_convert(r.a, FL_PINNED), 0);
	assert_int_equal(space_stats(r.s).faults, 2);
	assert_int_equal(space_stats(r.s).owned_bytes, 0);
	assert_int_equal(fl_mem_convert(r.a, FL_LAZY), 0);
	/* one that does not answer counts nothing */
	r.d.counts = (struct fault){ .at = 1, .times = 1, .rc = -EPROTO };
	assert_int_equal(area_stats(r.a).faults, 0);
	/* of what is gone, counts stay: an area, and a domain */
	unmap(r.a);
	assert_int_equal(space_stats(r.s).faults, 2);
	assert_int_equal(space_stats(r.s).mapped_bytes, 0);
	assert_int_equal(space_stats(r.s).invalid, 1);
	r.a = map(r.s, r.mem, &(struct fl_dma_opts){ .residency = FL_LAZY });
	pager_touch(&r.d, r.a->iova.v, R);
	fl_dma_domain_remove(r.dom, false);
	assert_int_equal(area_stats(r.a).faults, 1);
	assert_int_equal(area_stats(r.a).mapped_bytes, 0);
	assert_int_equal(space_stats(r.s).faults, 3);
	assert_int_equal(space_stats(r.s).invalid, 1);
	r.d = kernel();
	r.dom = pager_add(r.s, &r.d);
	pager_touch(&r.d, r.a->iova.v, R);
	assert_int_equal(area_stats(r.a).faults, 2);
	rig_down(&r);
}

/* Beside a device that is posted to: windows there, and the kernel's pages here. */
static void test_beside_posted(void **state)
{
	struct fake posted = fake_with(0, (1ull << 48) - 1);
	struct pager ours = pager_new(), model = pager_new();
	struct fl_dma_domain *dom, *others[2];
	char by[64];
	struct rig r;

	kernel_up(&r, 8 * PAGE, NULL);
	fl_dma_residency_by(r.s, by, sizeof(by));
	assert_string_equal(by, "fault: kernel");
	dom = add(r.s, &posted);
	fl_dma_residency_by(r.s, by, sizeof(by));
	assert_string_equal(by, "fault: kernel; post");
	ours.limits.pins = true;
	others[0] = pager_add(r.s, &ours);
	others[1] = pager_add(r.s, &model);
	fl_dma_residency_by(r.s, by, sizeof(by));
	assert_string_equal(by, "fault: kernel, ours, model; post");
	fl_dma_residency_by(r.s, by, 10);
	assert_string_equal(by, "fault: ke");
	for (int i = 0; i < 2; i++)
		fl_dma_domain_remove(others[i], false);
	assert_int_equal(posted.n, 0);
	assert_int_equal(fl_mem_prefault(r.a, 0, PAGE, FL_PREFAULT_WRITE), 0);
	assert_int_equal(posted.n, 1);
	assert_string_equal(pages(&r, 2), "w-");
	assert_int_equal(area_stats(r.a).mapped_bytes, posted.maps[0].len);
	assert_int_equal(fl_mem_revoke(r.a, 0, 8 * PAGE), 0);
	assert_int_equal(posted.n, 0);
	assert_string_equal(pages(&r, 2), "--");
	fl_dma_domain_remove(r.dom, false);
	fl_dma_residency_by(r.s, by, sizeof(by));
	assert_string_equal(by, "post");
	fl_dma_domain_remove(dom, false);
	fl_dma_residency_by(r.s, by, sizeof(by));
	assert_string_equal(by, "");
	r.dom = pager_add(r.s, &r.d);
	rig_down(&r);
}

/* It said -ENODEV once: no calls any more, and nobody is refused for it. */
static void test_gone(void **state)
{
	struct rig r;

	kernel_up(&r, 4 * PAGE, NULL);
	r.d.hold = (struct fault){ .at = 1, .times = 1, .rc = -ENODEV };
	assert_int_equal(fl_mem_pin(r.a, 0, PAGE), 0);
	assert_said("the other side is gone");
	assert_int_equal(fl_mem_prefault(r.a, 0, PAGE, FL_PREFAULT_READ), 0);
	assert_int_equal(fl_mem_convert(r.a, FL_PINNED), 0);
	assert_int_equal(fl_mem_convert(r.a, FL_LAZY), 0);
	assert_int_equal(fl_mem_unpin(r.a, 0, PAGE), 0);
	assert_int_equal(area_stats(r.a).mapped_bytes, 0);
	assert_int_equal(r.d.hold.calls, 1);
	assert_int_equal(r.d.prefault.calls, 0);
	unmap(r.a);
	fl_dma_domain_remove(r.dom, false);
	end(r.s);
	free(r.d.areas[0].may);
	fl_mem_free(r.mem);
}

static void test_no_such_limits(void **state)
{
	struct fl_dma_domain_ops lame = pager_ops;
	struct fl_dma_space *s = new_space();
	struct pager d = kernel();
	struct fl_dma_domain *dom;

	lame.hold = NULL;
	assert_int_equal(fl_dma_domain_add(s, &lame, &d, &dom), -EPROTO);
	assert_said("nothing can be said of them");
	end(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_prefault),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_pin_refused),
		cmocka_unit_test(test_unpin_refused),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_convert),
		cmocka_unit_test(test_convert_pinned),
		cmocka_unit_test(test_join_keeps_pins),
		cmocka_unit_test(test_around),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_beside_posted),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_no_such_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
