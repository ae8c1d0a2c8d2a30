/* SPDX-License-Identifier: BSD-3-Clause */
/* Domains: errors and undoing, joined runs, joining late, going and coming back. */
#include "dma_fake.h"

#include <sys/mman.h>

#define VA 0x7f1234560000ull

static const struct fl_dma_opts join = { .flags = FL_DMA_JOIN };

/* ---- errors ------------------------------------------------------------------------------- */

static void test_map_is_all_or_nothing(void **state)
{
	static const int errors[] = { -EEXIST, -EINVAL, -ENOMEM, -EFAULT };

	for (unsigned i = 0; i < FL_ARRAY_SIZE(errors); i++) {
		struct fl_dma_space *s = new_space();
		struct fake one = fake_with(0, UINT64_MAX), two = one, three = one;
		struct fl_dma_domain *d[3] = { add(s, &one), add(s, &two), add(s, &three) };
		struct fl_mem m = mem_at(VA, 4096);
		struct fl_dma_area *a;

		two.map = (struct fault){ .at = 1, .times = 1, .rc = errors[i] };
		assert_int_equal(fl_dma_map(s, &m, NULL, &a), errors[i]);
		assert_said(strerror(-errors[i]));
		assert_int_equal(one.map.calls + two.map.calls, 2);
		assert_int_equal(three.map.calls, 0);
		assert_int_equal(one.n + two.n, 0);
		assert_int_equal(two.unmap.calls, 0);
		assert_int_equal(stats(s).areas + stats(s).owned_bytes, 0);
		assert_int_equal(stats(s).map_errors, 1);
		assert_int_equal(stats(s).unmaps, 1);
		unmap(map(s, &m, NULL));
		for (int k = 0; k < 3; k++)
			fl_dma_domain_remove(d[k], false);
		end(s);
	}
}

/* Something else stands there already: it must stay, and the area must not come to be. */
static void test_eexist_is_no_success(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, UINT64_MAX);
	struct fl_dma_domain *dom = add(s, &d);
	struct fl_mem m = mem_at(VA, 4096);
	struct fl_dma_area *a;

	d.maps[d.n++] = (struct fl_dma_mapping){ .iova = { VA }, .len = 4096 };
	assert_int_equal(fl_dma_map(s, &m, NULL, &a), -EEXIST);
	assert_int_equal(d.n, 1);
	assert_int_equal(stats(s).areas, 0);
	fl_dma_domain_remove(dom, false);
	end(s);
}

static void test_unmap_errors(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake one = fake_with(0, UINT64_MAX), two = one;
	struct fl_dma_domain *d1 = add(s, &one), *d2 = add(s, &two);
	struct fl_mem m = mem_at(VA, 64 * KIB);
	struct fl_dma_area *a = map(s, &m, NULL);

	one.short_at = 1;
	one.short_by = 4096;
	assert_int_equal(fl_dma_unmap(a), -EIO);
	assert_said("took out 0xf000 bytes");
	assert_int_equal(one.n + two.n, 0);
	assert_int_equal(stats(s).areas, 0);
	assert_int_equal(stats(s).unmap_errors, 1);

	/* more than asked is no better */
	a = map(s, &m, NULL);
	one.short_at = 2;
	one.short_by = -4096ull;
	assert_int_equal(fl_dma_unmap(a), -EIO);
	/* a refusal: the other domain is asked all the same, and the first error counts */
	a = map(s, &m, NULL);
	one.unmap = (struct fault){ .at = 1, .times = 1, .rc = -EFAULT };
	two.unmap = (struct fault){ .at = 1, .times = 1, .rc = -EINVAL };
	assert_int_equal(fl_dma_unmap(a), -EFAULT);
	assert_int_equal(stats(s).unmap_errors, 4);
	assert_int_equal(stats(s).areas, 0);
	fl_dma_domain_remove(d1, false);
	fl_dma_domain_remove(d2, false);
	end(s);
}

/* ---- joined runs -------------------------------------------------------------------------- */

static void test_join_and_split(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_x86((1ull << 39) - 1);
	struct fl_dma_domain *dom = add(s, &d);
	struct fl_dma_area *a[5];
	struct fl_mem m[5];
	uint64_t base;

	/* VA does not fit in 39 bits: neighbours must still come to stand side by side */
	for (uint64_t i = 0; i < 5; i++)
		m[i] = mem_at(VA + i * 0x4000, 0x4000);
	a[1] = map(s, &m[1], &join);
	base = a[1]->iova.v - 0x4000;
	a[3] = map(s, &m[3], &join);
	/* not yet neighbours, so the lowest place: where the one between them would go */
	assert_int_equal(a[3]->iova.v, a[1]->iova.v + 0x4000);
	assert_int_equal(d.n, 2);
	unmap(a[3]);
	a[2] = map(s, &m[2], &join);
	assert_int_equal(a[2]->iova.v, base + 0x8000);
	a[3] = map(s, &m[3], &join);
	a[4] = map(s, &m[4], &join);
	assert_int_equal(d.n, 1);
	assert_maps(&d, base + 0x4000, 0x10000);
	assert_ptr_equal(d.maps[0].va, a[1]->va);

	unmap(a[2]); /* a split */
	assert_int_equal(d.n, 2);
	assert_maps(&d, base + 0x4000, 0x4000);
	assert_maps(&d, base + 0xc000, 0x8000);
	assert_int_equal(stats(s).entries, 2);
	a[2] = map(s, &m[2], &join); /* joins on both sides */
	assert_int_equal(d.n, 1);
	unmap(a[1]); /* off the left end */
	assert_maps(&d, base + 0x8000, 0xc000);
	unmap(a[4]); /* off the right end */
	assert_maps(&d, base + 0x8000, 0x8000);
	a[1] = map(s, &m[1], &join); /* on the left end: before its right neighbour */
	assert_int_equal(a[1]->iova.v, base + 0x4000);
	assert_int_equal(d.n, 1);
	for (int i = 1; i < 4; i++)
		unmap(a[i]);
	assert_int_equal(d.n, 0);
	fl_dma_domain_remove(dom, false);
	end(s);
}

/* Where VA is no guide, a neighbour in VA is: on either side, but never at IOVA 0. */
static void test_place_beside_neighbour(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, (1ull << 39) - 1);
	struct fl_dma_domain *dom = add(s, &d);
	struct fl_mem m[4];
	struct fl_dma_area *a[4];
	struct fl_dma_opts own = { .flags = FL_DMA_JOIN, .iova = { 0x2000 } };

	for (uint64_t i = 0; i < 4; i++)
		m[i] = mem_at(VA + i * 0x1000, 0x1000);
	a[2] = map(s, &m[2], &own);
	a[1] = map(s, &m[1], &join);
	assert_int_equal(a[1]->iova.v, 0x1000);
	a[0] = map(s, &m[0], &join);
	assert_int_equal(a[0]->iova.v, 0x3000);
	/* its left neighbour's other side is taken now: the lowest place */
	a[3] = map(s, &m[3], &join);
	assert_int_equal(a[3]->iova.v, 0x4000);
	assert_int_equal(d.n, 3);
	for (int i = 0; i < 4; i++)
		unmap(a[i]);
	own.iova = fl_iova(0x100000);
	a[1] = map(s, &m[1], &own);
	a[2] = map(s, &m[2], &join);
	assert_int_equal(a[2]->iova.v, 0x101000);
	a[0] = map(s, &m[0], &join);
	assert_int_equal(a[0]->iova.v, 0xff000);
	assert_int_equal(d.n, 1);
	for (int i = 0; i < 3; i++)
		unmap(a[i]);
	fl_dma_domain_remove(dom, false);
	end(s);
}

static unsigned entries_of(struct fl_mem *x, const struct fl_dma_opts *ox, struct fl_mem *y,
			   const struct fl_dma_opts *oy)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, UINT64_MAX);
	struct fl_dma_domain *dom = add(s, &d);
	struct fl_dma_area *a = map(s, x, ox), *b = map(s, y, oy);
	unsigned n = d.n;

	assert_int_equal(stats(s).entries, n);
	unmap(a);
	unmap(b);
	fl_dma_domain_remove(dom, false);
	end(s);
	return n;
}

static void test_what_joins(void **state)
{
	struct fl_dma_opts ro = { .flags = FL_DMA_JOIN, .prot = FL_DMA_READ };
	struct fl_dma_opts apart = { .flags = FL_DMA_JOIN, .iova = { 0x100000 } };
	struct fl_mem x = mem_at(VA, 4096), y = mem_at(VA + 4096, 4096);
	struct fl_mem gap = mem_at(VA + 8192, 4096);
	int fd = memfd_create("a", 0), other = memfd_create("b", 0), same = dup(fd);

	assert_int_equal(entries_of(&x, &join, &y, &join), 1);
	assert_int_equal(entries_of(&y, &join, &x, &join), 1);
	assert_int_equal(entries_of(&x, &ro, &y, &ro), 1);
	assert_int_equal(entries_of(&x, &join, &y, NULL), 2);
	assert_int_equal(entries_of(&x, NULL, &y, &join), 2);
	assert_int_equal(entries_of(&x, &join, &y, &ro), 2);
	assert_int_equal(entries_of(&x, &join, &gap, &join), 2);
	assert_int_equal(entries_of(&x, &join, &y, &apart), 2);

	x.info.fd = fd;
	assert_int_equal(entries_of(&x, &join, &y, &join), 2); /* only one has a file */
	y.info.fd = same;				       /* two descriptors, one file */
	y.info.fd_offset = 4096;
	assert_int_equal(entries_of(&x, &join, &y, &join), 1);
	y.info.fd_offset = 8192;
	assert_int_equal(entries_of(&x, &join, &y, &join), 2);
	y.info.fd_offset = 4096;
	y.info.fd = other;
	assert_int_equal(entries_of(&x, &join, &y, &join), 2);
	close(fd);
	close(same);
	close(other);
}

/* ---- undoing a join and a split, whichever call fails ------------------------------------- */

static int by_place(const void *x, const void *y)
{
	const struct fl_dma_mapping *a = x, *b = y;

	return (a->iova.v > b->iova.v) - (a->iova.v < b->iova.v);
}

static void assert_same_maps(struct fake *a, struct fake *b)
{
	assert_int_equal(a->n, b->n);
	qsort(a->maps, a->n, sizeof(a->maps[0]), by_place);
	qsort(b->maps, b->n, sizeof(b->maps[0]), by_place);
	for (unsigned i = 0; i < a->n; i++) {
		assert_int_equal(a->maps[i].iova.v, b->maps[i].iova.v);
		assert_int_equal(a->maps[i].len, b->maps[i].len);
		assert_ptr_equal(a->maps[i].va, b->maps[i].va);
	}
}

/*
 * Two domains hold [0] and [2]; [1] joins them, and leaves them again. Call number `at` of the
 * given kind fails in domain `which`. Returns false when that call was never made.
 */
static bool fail_once(unsigned which, bool in_map, bool splitting, unsigned at)
{
	struct fl_dma_space *s = new_space();
	struct fake d[2] = { fake_with(0, UINT64_MAX), fake_with(0, UINT64_MAX) }, before;
	struct fl_dma_domain *dom[2] = { add(s, &d[0]), add(s, &d[1]) };
	struct fault fault = { .at = at, .times = 1, .rc = -ENOMEM }, *f;
	struct fl_dma_area *a[3];
	struct fl_mem m[3];
	bool hit;
	int rc;

	for (uint64_t i = 0; i < 3; i++)
		m[i] = mem_at(VA + i * 0x1000, 0x1000);
	a[0] = map(s, &m[0], &join);
	a[2] = map(s, &m[2], &join);
	if (splitting)
		a[1] = map(s, &m[1], &join);
	before = d[0];
	f = in_map ? &d[which].map : &d[which].unmap;
	*f = fault;
	rc = splitting ? fl_dma_unmap(a[1]) : fl_dma_map(s, &m[1], &join, &a[1]);
	hit = f->calls >= at;
	*f = (struct fault){ 0 };
	if (hit) {
		assert_int_equal(rc, splitting ? -EAGAIN : -ENOMEM);
		assert_same_maps(&d[0], &before);
		assert_same_maps(&d[1], &before);
		assert_int_equal(stats(s).areas, splitting ? 3 : 2);
		assert_int_equal(stats(s).map_errors + stats(s).unmap_errors, 1);
		assert_non_null(fl_dma_find(s, a[0]->va, 0x1000));
		/* and it works once the trouble is over */
		rc = splitting ? fl_dma_unmap(a[1]) : fl_dma_map(s, &m[1], &join, &a[1]);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(d[0].n, splitting ? 2 : 1);
	assert_same_maps(&d[0], &d[1]);
	if (!splitting)
		unmap(a[1]);
	unmap(a[0]);
	unmap(a[2]);
	assert_int_equal(d[0].n + d[1].n, 0);
	fl_dma_domain_remove(dom[0], false);
	fl_dma_domain_remove(dom[1], false);
	end(s);
	return hit;
}

static void test_every_failure_is_undone(void **state)
{
	/* a join takes two out and puts one in; a split the other way round */
	static const unsigned calls[2][2] = { { 2, 1 }, { 1, 2 } };

	for (unsigned k = 0; k < 8; k++) {
		bool splitting = k & 1, in_map = k & 2;
		unsigned n = calls[splitting][in_map];

		for (unsigned at = 1; at <= n; at++)
			assert_true(fail_once(k >> 2, in_map, splitting, at));
		assert_false(fail_once(k >> 2, in_map, splitting, n + 1));
	}
}

static void test_undoing_fails_too(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake one = fake_with(0, UINT64_MAX), two = one;
	struct fl_dma_domain *d1 = add(s, &one), *d2 = add(s, &two);
	struct fl_mem x = mem_at(VA, 4096), y = mem_at(VA + 4096, 4096);
	struct fl_dma_area *a = map(s, &x, &join), *b;

	two.map = (struct fault){ .at = 1, .times = 2, .rc = -ENOMEM };
	assert_int_equal(fl_dma_map(s, &y, &join, &b), -ENOMEM);
	assert_said("could not be put back");
	assert_int_equal(stats(s).map_errors, 2);
	assert_int_equal(one.n, 1);
	assert_int_equal(two.n, 0);
	/* what is missing is an error of the unmap, and the area goes */
	assert_int_equal(fl_dma_unmap(a), -EIO);
	fl_dma_domain_remove(d1, false);
	fl_dma_domain_remove(d2, false);
	end(s);
}

/* A wrong size in a join undoes it; in a split, the area goes and the rest stands. */
static void test_wrong_size_in_a_run(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, UINT64_MAX);
	struct fl_dma_domain *dom = add(s, &d);
	struct fl_mem m[3] = { mem_at(VA, 4096), mem_at(VA + 4096, 4096), mem_at(VA + 8192, 4096) };
	struct fl_dma_area *a[3];

	a[0] = map(s, &m[0], &join);
	d.short_at = 1;
	d.short_by = 8;
	assert_int_equal(fl_dma_map(s, &m[1], &join, &a[1]), -EIO);
	assert_int_equal(d.n, 1);
	assert_maps(&d, VA, 4096);
	a[1] = map(s, &m[1], &join);
	a[2] = map(s, &m[2], &join);
	d.short_at = d.unmap.calls + 1;
	assert_int_equal(fl_dma_unmap(a[1]), -EIO);
	assert_int_equal(stats(s).areas, 2);
	assert_maps(&d, VA, 4096);
	assert_maps(&d, VA + 8192, 4096);
	assert_int_equal(stats(s).unmap_errors, 2);
	unmap(a[0]);
	unmap(a[2]);
	fl_dma_domain_remove(dom, false);
	end(s);
}

/* ---- joining late ------------------------------------------------------------------------- */

struct three {
	struct fl_dma_space *s;
	struct fl_mem m[3];
	struct fl_dma_area *a[3];
};

/* [0] and [1] one run, [2] apart. */
static struct three three_areas(void)
{
	struct three t = { .s = new_space() };

	t.m[0] = mem_at(VA, 0x1000);
	t.m[1] = mem_at(VA + 0x1000, 0x2000);
	t.m[2] = mem_at(VA + 0x10000, 0x1000);
	for (int i = 0; i < 3; i++)
		t.a[i] = map(t.s, &t.m[i], &join);
	return t;
}

static void end_three(struct three *t)
{
	for (int i = 0; i < 3; i++)
		unmap(t->a[i]);
	end(t->s);
}

static void test_late_domain(void **state)
{
	struct three t = three_areas();
	struct fake d = fake_with(0, UINT64_MAX), again = d;
	struct fl_dma_domain *dom = add(t.s, &d), *second;

	assert_int_equal(d.n, 2);
	assert_maps(&d, VA, 0x3000);
	assert_maps(&d, VA + 0x10000, 0x1000);
	assert_int_equal(stats(t.s).replays, 1);
	assert_int_equal(stats(t.s).mapped_bytes, 0x4000);
	second = add(t.s, &again);
	assert_same_maps(&d, &again);
	fl_dma_domain_remove(second, false);
	assert_int_equal(again.n, 0);
	fl_dma_domain_remove(dom, true); /* dead: no calls */
	assert_int_equal(d.unmap.calls, 0);
	assert_int_equal(stats(t.s).mapped_bytes, 0);
	assert_int_equal(stats(t.s).areas, 3);
	end_three(&t);
}

static void refuse(struct three *t, struct fake *d, int rc, const char *words)
{
	struct fl_dma_domain *dom;
	struct fl_iova_range w[2], now[2];
	unsigned n = fl_dma_windows(t->s, w, 2);

	assert_int_equal(fl_dma_domain_add(t->s, &fake_ops, d, &dom), rc);
	assert_said(words);
	assert_int_equal(d->n, 0);
	assert_int_equal(stats(t->s).areas, 3);
	assert_int_equal(fl_dma_windows(t->s, now, 2), n); /* as if it had never come */
	assert_memory_equal(w, now, n * sizeof(w[0]));
}

static void test_late_domain_is_refused(void **state)
{
	struct three t = three_areas();
	struct fake narrow = fake_with(0, (1ull << 39) - 1), coarse = fake_with(0, UINT64_MAX);
	struct fake few = coarse, breaks = coarse, first = coarse, hole = coarse, dead = coarse;
	struct fl_dma_domain *dom = add(t.s, &first);
	uint64_t unmaps;

	refuse(&t, &narrow, -EINVAL,
	       "IOVA 0x7f1234560000 is outside what it allows: [0x0-0x7fffffffff]");
	hole.limits.nranges = 2;
	hole.ranges[0].last = VA + 0x1fff;
	hole.ranges[1] = (struct fl_iova_range){ VA + 0x2800, UINT64_MAX };
	refuse(&t, &hole, -EINVAL, "is outside");
	coarse.limits.page_sizes = -65536ull;
	refuse(&t, &coarse, -EINVAL, "pages of 65536 bytes");
	few.limits.entries_max = 1;
	refuse(&t, &few, -ENOSPC, "2 more entries needed, 1 of 1 free");
	assert_int_equal(narrow.map.calls + coarse.map.calls + few.map.calls, 0);
	unmaps = stats(t.s).unmaps;
	breaks.map = (struct fault){ .at = 2, .times = 1, .rc = -EFAULT };
	refuse(&t, &breaks, -EFAULT, strerror(EFAULT));
	assert_int_equal(breaks.unmap.calls, 1);
	assert_int_equal(stats(t.s).unmaps, unmaps + 1);
	dead.limits_rc = -ENODEV;
	refuse(&t, &dead, -ENODEV, "cannot read its limits");
	assert_int_equal(stats(t.s).domains, 1);
	assert_int_equal(first.n, 2);
	fl_dma_domain_remove(dom, false);
	end_three(&t);
}

static void test_limits_without_sense(void **state)
{
	struct three t = three_areas();
	struct fake none = fake_with(0, UINT64_MAX), turned = fake_with(5, 4), no_page = none;
	struct fake mixed = none, low = fake_with(0, 0xffff),
		    high = fake_with(1ull << 46, UINT64_MAX);
	struct fl_dma_domain *dom, *other;

	none.limits.nranges = 0;
	refuse(&t, &none, -EPROTO, "number of IOVA ranges");
	refuse(&t, &turned, -EPROTO, "not sorted");
	no_page.limits.page_sizes = 0;
	refuse(&t, &no_page, -EPROTO, "no page size");
	mixed.limits.nranges = 2;
	mixed.ranges[1] = (struct fl_iova_range){ 0x1000, 0x2000 };
	refuse(&t, &mixed, -EPROTO, "overlap");
	for (int i = 0; i < 3; i++)
		unmap(t.a[i]);
	dom = add(t.s, &low);
	assert_int_equal(fl_dma_domain_add(t.s, &fake_ops, &high, &other), -ENOSPC);
	assert_said("no IOVA is valid for it");
	fl_dma_domain_remove(dom, false);
	end(t.s);
}

/* ---- going and coming back ---------------------------------------------------------------- */

static void test_peer_gone_and_back(void **state)
{
	struct three t = three_areas();
	struct fake d = fake_with(0, UINT64_MAX), stays = d;
	struct fl_dma_domain *dom = add(t.s, &d), *other = add(t.s, &stays);
	struct fl_mem more = mem_at(VA + 0x3000, 0x1000), last = mem_at(VA + 0x20000, 0x1000);
	struct fl_dma_area *a, *b;

	d.limits.pins = true;
	a = map(t.s, &more, &join);
	assert_int_equal(stats(t.s).pinned_bytes, 0x5000);
	/* found out by a map: that one fails everywhere */
	d.map = (struct fault){ .at = 1, .times = 1000, .rc = -ENODEV };
	assert_int_equal(fl_dma_map(t.s, &last, NULL, &b), -ENODEV);
	assert_said("the other side is gone");
	assert_int_equal(stats(t.s).areas, 4);
	assert_int_equal(stats(t.s).pinned_bytes, 0);
	assert_int_equal(stats(t.s).mapped_bytes, 0x5000);
	/* then life goes on without it: map, split and join, with no call made */
	d.unmap = (struct fault){ .at = 1, .times = 1000, .rc = -ENODEV };
	d.map.calls = 0;
	b = map(t.s, &last, NULL);
	unmap(t.a[1]);
	t.a[1] = map(t.s, &t.m[1], &join);
	assert_int_equal(d.map.calls + d.unmap.calls, 0);
	assert_int_equal(stays.n, 3);

	/* it comes back empty, fails once on the way, and at last holds what the other holds */
	d.n = 0;
	d.map = (struct fault){ .at = 2, .times = 1, .rc = -ENOMEM };
	d.unmap = (struct fault){ 0 };
	assert_int_equal(fl_dma_domain_replay(dom), -ENOMEM);
	assert_int_equal(d.n, 0);
	unmap(b);
	assert_int_equal(d.unmap.calls, 1); /* the one of the undoing */
	assert_int_equal(fl_dma_domain_replay(dom), 0);
	assert_same_maps(&d, &stays);
	assert_int_equal(stats(t.s).pinned_bytes, 0x5000);

	/* found out by an unmap that splits: the area goes all the same */
	d.unmap = (struct fault){ .at = 1, .times = 1, .rc = -ENODEV };
	assert_int_equal(fl_dma_unmap(t.a[1]), -ENODEV);
	assert_int_equal(stats(t.s).areas, 3);
	assert_int_equal(stays.n, 3);
	t.a[1] = map(t.s, &t.m[1], &join);
	/* and by the map of what is left of a run */
	d.n = 0;
	d.unmap = d.map = (struct fault){ 0 };
	assert_int_equal(fl_dma_domain_replay(dom), 0);
	d.map = (struct fault){ .at = 1, .times = 1, .rc = -ENODEV };
	d.unmap.calls = 0;
	assert_int_equal(fl_dma_unmap(t.a[1]), -ENODEV);
	assert_int_equal(stats(t.s).areas, 3);
	assert_int_equal(stays.n, 3);
	t.a[1] = map(t.s, &t.m[1], &join);
	d.n = 0;
	/* its windows changed while it was away */
	d.ranges[0].last = VA;
	assert_int_equal(fl_dma_domain_replay(dom), -EINVAL);
	d.ranges[0].last = UINT64_MAX;
	fl_dma_domain_remove(dom, false); /* gone: nothing to take out */
	assert_int_equal(d.unmap.calls, 1);
	unmap(a);
	fl_dma_domain_remove(other, false);
	end_three(&t);
}

/* ---- many random steps, with failures, against what the areas say -------------------------- */

#define SLOTS 24u

struct slot {
	struct fl_mem m;
	struct fl_dma_area *a;
	unsigned kind; /* 0 and 1 join with their like, 2 never joins */
};

static uint64_t xorshift(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* Slots are neighbours in VA and IOVA = VA: the entries follow from which are in use. */
static void check_entries(const struct slot *slot, const struct fake *d)
{
	unsigned n = 0;

	for (unsigned i = 0, last; i < SLOTS; i = last + 1) {
		last = i;
		if (!slot[i].a)
			continue;
		while (last + 1 < SLOTS && slot[i].kind < 2 && slot[last + 1].a &&
		       slot[last + 1].kind == slot[i].kind)
			last++;
		assert_maps(d, VA + i * 4096ull, (last - i + 1) * 4096ull);
		n++;
	}
	assert_int_equal(d->n, n);
}

static void random_step(struct fl_dma_space *s, struct slot *slot, struct fake *victim,
			uint64_t *seed)
{
	struct slot *t = &slot[xorshift(seed) % SLOTS];
	struct fl_dma_opts o = { .flags = FL_DMA_JOIN };
	unsigned luck = xorshift(seed) % 16;

	victim->map = victim->unmap = (struct fault){ .times = 1, .rc = -EFAULT };
	if (luck < 3)
		victim->map.at = luck + 1;
	else if (luck < 6)
		victim->unmap.at = luck - 2;
	if (t->a) {
		bool refused = victim->unmap.at == 1;
		int rc = fl_dma_unmap(t->a);

		/* refused outright and alone in its run: gone here, but not in that domain */
		if (rc == -EFAULT && refused)
			for (unsigned i = 0; i < victim->n; i++)
				if (victim->maps[i].iova.v == (uintptr_t)t->m.info.va)
					victim->maps[i] = victim->maps[--victim->n];
		if (rc != -EAGAIN)
			t->a = NULL;
		return;
	}
	t->kind = xorshift(seed) % 5 / 2;
	o.flags = t->kind < 2 ? FL_DMA_JOIN : 0;
	o.prot = t->kind ? FL_DMA_RW : FL_DMA_READ;
	if (fl_dma_map(s, &t->m, &o, &t->a))
		t->a = NULL;
}

static void test_random_steps(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d[2] = { fake_with(0, UINT64_MAX), fake_with(0, UINT64_MAX) };
	struct fl_dma_domain *dom[2] = { add(s, &d[0]), add(s, &d[1]) };
	struct slot slot[SLOTS] = { 0 };
	uint64_t seed = 0xfa171175eed;

	for (unsigned i = 0; i < SLOTS; i++)
		slot[i].m = mem_at(VA + i * 4096ull, 4096);
	for (unsigned step = 0; step < 20000; step++) {
		all_msgs[0] = 0;
		random_step(s, slot, &d[step & 1], &seed);
		d[step & 1].map = d[step & 1].unmap = (struct fault){ 0 };
		check_entries(slot, &d[0]);
		check_entries(slot, &d[1]);
		assert_int_equal(stats(s).entries, d[0].n);
	}
	for (unsigned i = 0; i < SLOTS; i++)
		unmap(slot[i].a);
	assert_true(stats(s).maps > 20000 && stats(s).map_errors > 500 &&
		    stats(s).unmap_errors > 500);
	assert_int_equal(d[0].n + d[1].n, 0);
	fl_dma_domain_remove(dom[0], false);
	fl_dma_domain_remove(dom[1], false);
	end(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map_is_all_or_nothing),
		cmocka_unit_test(test_eexist_is_no_success),
		cmocka_unit_test(test_unmap_errors),
		cmocka_unit_test(test_join_and_split),
		cmocka_unit_test(test_place_beside_neighbour),
		cmocka_unit_test(test_what_joins),
		cmocka_unit_test(test_every_failure_is_undone),
		cmocka_unit_test(test_undoing_fails_too),
		cmocka_unit_test(test_wrong_size_in_a_run),
		cmocka_unit_test(test_late_domain),
		cmocka_unit_test(test_late_domain_is_refused),
		cmocka_unit_test(test_limits_without_sense),
		cmocka_unit_test(test_peer_gone_and_back),
		cmocka_unit_test(test_random_steps),
	};

	return cmocka_run_group_tests_name("dma_domain", tests, NULL, NULL);
}
