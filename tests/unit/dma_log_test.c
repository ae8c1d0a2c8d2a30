/* SPDX-License-Identifier: BSD-3-Clause */
/* The log of written pages, and domains whose IOVAs are physical addresses. */
#include "dma_fake.h"

#define VA   0x7f1234560000ull
#define PAGE 4096ull

/* ---- a domain that logs ------------------------------------------------------------------- */

struct logger {
	struct fake f; /* first: fake_ops get it */
	bool on;
	unsigned starts, stops, reads;
	int start_rc, stop_rc, read_rc;
	/* pages written to: IOVAs */
	uint64_t written[64];
	unsigned nwritten;
};

static int log_switch(void *arg, bool on)
{
	struct logger *l = arg;

	l->starts += on;
	l->stops += !on;
	if (on ? l->start_rc : l->stop_rc)
		return on ? l->start_rc : l->stop_rc;
	l->on = on;
	return 0;
}

/* Like type1: a range that is not a whole mapping, or another page size, is refused. */
static int log_read(void *arg, fl_iova_t iova, uint64_t len, uint64_t page, uint64_t *bitmap)
{
	struct logger *l = arg;
	const struct fl_dma_mapping *m = fake_at(&l->f, iova.v);

	l->reads++;
	if (l->read_rc)
		return l->read_rc;
	if (!l->on || !m || m->len != len ||
	    page != (l->f.limits.page_sizes & -l->f.limits.page_sizes))
		return -EINVAL;
	for (unsigned i = 0; i < l->nwritten;) {
		uint64_t off = l->written[i] - iova.v;

		if (off >= len) {
			i++;
			continue;
		}
		bitmap[off / page / 64] |= 1ull << off / page % 64;
		l->written[i] = l->written[--l->nwritten];
	}
	return 0;
}

static const struct fl_dma_domain_ops log_ops = {
	.name = "logger",
	.limits = fake_limits,
	.map = fake_map,
	.unmap = fake_unmap,
	.dirty_log = log_switch,
	.dirty_read = log_read,
};

static struct fl_dma_domain *add_logger(struct fl_dma_space *s, struct logger *l)
{
	struct fl_dma_domain *d;

	assert_int_equal(fl_dma_domain_add(s, &log_ops, l, &d), 0);
	return d;
}

static void wrote(struct logger *l, uint64_t iova)
{
	l->written[l->nwritten++] = iova;
}

static uint64_t bits(struct fl_dma_area *a, uint64_t off, uint64_t len, uint64_t page)
{
	uint64_t map = ~0ull;

	assert_true(len / page <= 64);
	assert_int_equal(fl_dma_dirty_read(a, off, len, page, &map), 0);
	return map;
}

static void test_log_of_two_domains(void **state)
{
	struct fl_dma_space *s = new_space();
	struct logger one = { .f = fake_with(0, UINT64_MAX) }, two = one;
	struct fl_dma_domain *d1 = add_logger(s, &one), *d2 = add_logger(s, &two);
	struct fl_mem m = mem_at(VA, 64 * PAGE);
	struct fl_dma_area *a = map(s, &m, NULL);
	uint64_t map2[2] = { ~0ull, ~0ull };

	assert_int_equal(fl_dma_dirty_read(a, 0, PAGE, PAGE, map2), -EINVAL);
	assert_int_equal(fl_dma_dirty_stop(s), -EALREADY);
	assert_int_equal(fl_dma_dirty_start(s), 0);
	assert_int_equal(fl_dma_dirty_start(s), -EALREADY);
	assert_int_equal(bits(a, 0, 64 * PAGE, PAGE), 0);
	wrote(&one, VA);
	wrote(&two, VA + 63 * PAGE);
	wrote(&two, VA);
	assert_int_equal(bits(a, 0, 64 * PAGE, PAGE), 1ull << 63 | 1);
	assert_int_equal(bits(a, 0, 64 * PAGE, PAGE), 0);

	/* a part: what is not asked for is kept */
	wrote(&one, VA + 3 * PAGE);
	wrote(&two, VA + 8 * PAGE);
	assert_int_equal(bits(a, 8 * PAGE, 8 * PAGE, PAGE), 1);
	assert_int_equal(bits(a, 0, 8 * PAGE, PAGE), 1 << 3);
	/* larger pages */
	wrote(&one, VA + 17 * PAGE);
	assert_int_equal(bits(a, 0, 64 * PAGE, 16 * PAGE), 2);

	for (uint64_t i = 0; i < 5; i++) {
		static const uint64_t bad[5][3] = { { 1, PAGE, PAGE },
						    { 0, PAGE + 1, PAGE },
						    { 0, 0, PAGE },
						    { 0, 65 * PAGE, PAGE },
						    { 0, PAGE, 2048 } };

		assert_int_equal(fl_dma_dirty_read(a, bad[i][0], bad[i][1], bad[i][2], map2),
				 -EINVAL);
	}
	assert_int_equal(fl_dma_dirty_stop(s), 0);
	assert_false(one.on || two.on);
	unmap(a);
	fl_dma_domain_remove(d1, false);
	fl_dma_domain_remove(d2, false);
	end(s);
}

static void test_log_all_or_nothing(void **state)
{
	struct fl_dma_space *s = new_space();
	struct logger one = { .f = fake_with(0, UINT64_MAX) }, two = one;
	struct fake deaf = fake_with(0, UINT64_MAX);
	struct fl_dma_domain *d1 = add_logger(s, &one), *d2 = add_logger(s, &two), *d3;

	two.start_rc = -EIO;
	assert_int_equal(fl_dma_dirty_start(s), -EIO);
	assert_false(one.on);
	assert_int_equal(two.stops, 0);
	two.start_rc = 0;
	d3 = add(s, &deaf);
	assert_int_equal(fl_dma_dirty_start(s), -EOPNOTSUPP);
	assert_said("fake: the log of written pages cannot be started");
	assert_false(one.on || two.on);
	fl_dma_domain_remove(d3, false);

	/* who joins later must log too */
	assert_int_equal(fl_dma_dirty_start(s), 0);
	assert_int_equal(fl_dma_domain_add(s, &fake_ops, &deaf, &d3), -EOPNOTSUPP);
	assert_int_equal(deaf.n, 0);
	fl_dma_domain_remove(d2, false);
	two = (struct logger){ .f = fake_with(0, UINT64_MAX) };
	d2 = add_logger(s, &two);
	assert_true(two.on);

	/* stopping goes on after an error, and is over */
	one.stop_rc = -EIO;
	assert_int_equal(fl_dma_dirty_stop(s), -EIO);
	assert_false(two.on);
	assert_int_equal(fl_dma_dirty_stop(s), -EALREADY);
	fl_dma_domain_remove(d1, false);
	fl_dma_domain_remove(d2, false);
	end(s);
}

static void test_log_of_a_run(void **state)
{
	static const struct fl_dma_opts join = { .flags = FL_DMA_JOIN };
	struct fl_dma_space *s = new_space();
	struct logger l = { .f = fake_with(0, UINT64_MAX) };
	struct fl_dma_domain *d = add_logger(s, &l);
	struct fl_dma_area *a[3];
	struct fl_mem m[3];

	for (uint64_t i = 0; i < 3; i++)
		m[i] = mem_at(VA + i * 4 * PAGE, 4 * PAGE);
	a[0] = map(s, &m[0], &join);
	a[1] = map(s, &m[1], &join);
	assert_int_equal(l.f.n, 1);
	assert_int_equal(fl_dma_dirty_start(s), 0);
	wrote(&l, VA + PAGE);
	wrote(&l, VA + 6 * PAGE);
	assert_int_equal(bits(a[1], 0, 4 * PAGE, PAGE), 1 << 2);
	assert_int_equal(bits(a[0], 0, 4 * PAGE, PAGE), 1 << 1);
	assert_int_equal(bits(a[0], 0, 4 * PAGE, PAGE), 0);

	/* a join remaps: nobody knows what was written before, so all may be */
	a[2] = map(s, &m[2], &join);
	assert_int_equal(l.f.n, 1);
	assert_int_equal(bits(a[0], 0, 4 * PAGE, PAGE), 0xf);
	assert_int_equal(bits(a[0], 0, 4 * PAGE, PAGE), 0);
	unmap(a[2]);
	assert_int_equal(bits(a[0], 0, 4 * PAGE, PAGE), 0xf);
	assert_int_equal(bits(a[1], 0, 4 * PAGE, PAGE), 0xf);
	assert_int_equal(bits(a[1], 0, 4 * PAGE, PAGE), 0);

	/* a read that fails loses nothing */
	wrote(&l, VA);
	l.read_rc = -EIO;
	assert_int_equal(fl_dma_dirty_read(a[0], 0, 4 * PAGE, PAGE, (uint64_t[1]){ 0 }), -EIO);
	l.read_rc = 0;
	assert_int_equal(bits(a[0], 0, 4 * PAGE, PAGE), 1);
	/* stopping forgets */
	wrote(&l, VA);
	assert_int_equal(bits(a[1], 0, 4 * PAGE, PAGE), 0);
	assert_int_equal(fl_dma_dirty_stop(s), 0);
	assert_int_equal(fl_dma_dirty_start(s), 0);
	assert_int_equal(bits(a[0], 0, 4 * PAGE, PAGE), 0);
	unmap(a[0]);
	unmap(a[1]);
	fl_dma_domain_remove(d, false);
	end(s);
}

/* Granules of their own, and a domain that goes with its log. */
static void test_log_granules_and_leaving(void **state)
{
	struct fl_dma_space *s = new_space();
	struct logger fine = { .f = fake_with(0, UINT64_MAX) }, coarse = fine;
	struct fl_dma_domain *d1, *d2;
	struct fl_mem m = mem_at(VA, 64 * PAGE);
	struct fl_dma_area *a;

	coarse.f.limits.page_sizes = -16 * PAGE;
	d1 = add_logger(s, &fine);
	a = map(s, &m, NULL);
	assert_int_equal(fl_dma_dirty_start(s), 0);
	d2 = add_logger(s, &coarse);
	assert_true(coarse.on);
	wrote(&fine, VA + PAGE);
	wrote(&coarse, VA + 16 * PAGE);
	assert_int_equal(bits(a, 0, 64 * PAGE, PAGE), 0xffff0002);
	fl_dma_domain_remove(d2, false);
	assert_int_equal(bits(a, 0, 64 * PAGE, PAGE), ~0ull);
	assert_int_equal(bits(a, 0, 64 * PAGE, PAGE), 0);

	/* gone and back: it starts its log again */
	fine.f.map = (struct fault){ .at = 1, .times = 1, .rc = -ENODEV };
	{
		struct fl_mem n = mem_at(VA + MIB, PAGE);
		struct fl_dma_area *b;

		assert_int_equal(fl_dma_map(s, &n, NULL, &b), -ENODEV);
	}
	fine.f.n = 0;
	fine.on = false;
	assert_int_equal(fl_dma_domain_replay(d1), 0);
	assert_true(fine.on);
	assert_int_equal(bits(a, 0, 64 * PAGE, PAGE), ~0ull);
	unmap(a);
	fl_dma_domain_remove(d1, false);
	end(s);
}

/* ---- physical domains --------------------------------------------------------------------- */

struct phys {
	struct fake f;
	uint64_t at; /* where memory is, 0 = cannot be told */
	unsigned asked;
};

static int phys_locate(void *arg, const struct fl_dma_mapping *m, fl_iova_t *iova)
{
	struct phys *p = arg;

	p->asked++;
	if (!p->at)
		return -EPERM;
	*iova = fl_iova(p->at + ((uintptr_t)m->va - VA));
	return 0;
}

static const struct fl_dma_domain_ops phys_ops = {
	.name = "phys",
	.limits = fake_limits,
	.map = fake_map,
	.unmap = fake_unmap,
	.locate = phys_locate,
};

#define HVA (VA & ~(2 * MIB - 1))

static struct phys phys_at(uint64_t at)
{
	struct phys p = { .f = fake_with(0, (1ull << 52) - 1), .at = at };

	p.f.limits.page_sizes = 2 * MIB;
	p.f.limits.physical = true;
	return p;
}

static struct fl_mem huge_at(uint64_t va, uint64_t len)
{
	struct fl_mem m = mem_at(va, len);

	m.info.page_size = 2 * MIB;
	return m;
}

static void test_physical(void **state)
{
	struct fl_dma_space *s = new_space();
	struct phys p = phys_at(3 * GIB + (VA - HVA));
	struct fake iommu = fake_with(0, (1ull << 39) - 1);
	struct fl_mem small = mem_at(HVA, 2 * MIB), m = huge_at(HVA, 2 * MIB),
		      n = huge_at(HVA + 2 * MIB, 2 * MIB);
	struct fl_dma_opts o = { .iova = { 5 * GIB } };
	struct fl_mem_opts mo = { .node = -1 };
	struct fl_dma_domain *d, *d2;
	struct fl_dma_area *a, *b;

	assert_int_equal(fl_dma_page_size(s), 0);
	fl_dma_mem_opts(s, PAGE, &mo);
	assert_int_equal(mo.kind, FL_MEM_MEMFD);
	assert_int_equal(fl_dma_domain_add(s, &phys_ops, &p, &d), 0);
	d2 = add(s, &iommu);
	assert_int_equal(fl_dma_page_size(s), 2 * MIB);
	fl_dma_mem_opts(s, PAGE, &mo);
	assert_int_equal(mo.kind, FL_MEM_HUGETLB);
	assert_int_equal(mo.page_size, 2 * MIB);
	assert_int_equal(fl_dma_map(s, &small, NULL, &a), -EINVAL);
	assert_said("needs hugepages of 2097152");
	assert_int_equal(p.asked, 0);

	a = map(s, &m, NULL);
	assert_int_equal(a->iova.v, 3 * GIB);
	assert_maps(&iommu, 3 * GIB, 2 * MIB);
	assert_int_equal(fl_dma_map(s, &n, &o, &b), -EINVAL);
	assert_said("0x140000000 cannot be had");
	o.iova.v = 3 * GIB + 2 * MIB;
	b = map(s, &n, &o);
	unmap(b);
	/* what stands there already, and what another device does not reach */
	p.at -= 2 * MIB;
	assert_int_equal(fl_dma_map(s, &n, NULL, &b), -EEXIST);
	p.at = 1ull << 40;
	assert_int_equal(fl_dma_map(s, &n, NULL, &b), -EINVAL);
	p.at = 0;
	assert_int_equal(fl_dma_map(s, &n, NULL, &b), -EPERM);
	assert_int_equal(iommu.n, 1);
	unmap(a);
	fl_dma_domain_remove(d, false);
	assert_int_equal(fl_dma_page_size(s), 0);
	fl_dma_domain_remove(d2, false);
	end(s);
}

static void test_physical_joins_late(void **state)
{
	struct fl_dma_space *s = new_space();
	struct phys p = phys_at(3 * GIB + (VA - HVA));
	struct fl_mem m = huge_at(HVA, 2 * MIB);
	struct fl_dma_opts o = { .iova = { 3 * GIB } };
	struct fl_dma_domain *d;
	struct fl_dma_area *a = map(s, &m, NULL);

	assert_int_equal(fl_dma_domain_add(s, &phys_ops, &p, &d), -EINVAL);
	assert_said("open this device before mapping");
	unmap(a);
	a = map(s, &m, &o);
	assert_int_equal(fl_dma_domain_add(s, &phys_ops, &p, &d), 0);
	fl_dma_domain_remove(d, false);
	unmap(a);
	end(s);
}

static void test_physical_without_locate(void **state)
{
	struct fl_dma_space *s = new_space();
	struct phys p = phys_at(GIB);
	struct fl_dma_domain *d;

	assert_int_equal(fl_dma_domain_add(s, &fake_ops, &p, &d), -EPROTO);
	end(s);
}

/* ---- limits that change ------------------------------------------------------------------- */

static void test_check_after_change(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, UINT64_MAX);
	struct fl_dma_domain *dom = add(s, &d);
	struct fl_mem m = mem_at(VA, PAGE);
	struct fl_dma_area *a = map(s, &m, NULL);
	struct fl_iova_range w;

	d.ranges[0].last = 1ull << 47;
	assert_int_equal(fl_dma_domain_check(dom), 0);
	assert_int_equal(fl_dma_windows(s, &w, 1), 1);
	assert_int_equal(w.last, 1ull << 47);
	d.ranges[0].last = GIB;
	assert_int_equal(fl_dma_domain_check(dom), -EINVAL);
	assert_said("is outside what it allows");
	d.limits_rc = -EIO;
	assert_int_equal(fl_dma_domain_check(dom), -EIO);
	d.limits_rc = 0;
	d.ranges[0].last = UINT64_MAX;
	assert_int_equal(fl_dma_domain_check(dom), 0);
	unmap(a);
	fl_dma_domain_remove(dom, false);
	end(s);
}

/* Without a domain there is nothing to tell, and it costs a bit a page all the same. */
static void test_log_of_nobody(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fl_mem m = mem_at(VA, 2 * PAGE);
	struct fl_dma_area *a = map(s, &m, NULL);
	uint64_t bits[PAGE];

	assert_int_equal(fl_dma_dirty_start(s), 0);
	assert_int_equal(fl_dma_dirty_read(a, 0, PAGE, 1, bits), -EINVAL);
	bits[0] = ~0ull;
	assert_int_equal(fl_dma_dirty_read(a, 0, 2 * PAGE, PAGE, bits), 0);
	assert_int_equal(bits[0], 0);
	assert_int_equal(fl_dma_dirty_stop(s), 0);
	unmap(a);
	end(s);
}

/* A device that was released and comes back finds what was mapped meanwhile where it reaches. */
static void test_windows_of_who_left(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake narrow = fake_x86((1ull << 32) - 1), none = fake_with(0, GIB);
	struct fl_dma_domain *dom = add(s, &narrow);
	struct fl_mem m = mem_at(1ull << 46, PAGE), odd = mem_at(VA + 1, PAGE);
	struct fl_iova_range w[3];
	struct fl_dma_area *a, *b;

	fl_dma_domain_remove(dom, false);
	assert_int_equal(fl_dma_windows(s, w, 3), 2);
	a = map(s, &m, NULL);
	assert_true(a->iova.v < 1ull << 32);
	assert_int_equal(fl_dma_map(s, &odd, NULL, &b), -EINVAL);
	/* one that is refused leaves nothing */
	none.limits_rc = -EIO;
	assert_int_equal(fl_dma_domain_add(s, &fake_ops, &none, &dom), -EIO);
	none.limits_rc = 0;
	none.ranges[0].first = none.ranges[0].last = GIB;
	assert_int_equal(fl_dma_domain_add(s, &fake_ops, &none, &dom), -EINVAL);
	assert_int_equal(fl_dma_windows(s, w, 3), 2);
	dom = add(s, &narrow);
	assert_int_equal(narrow.n, 1);
	unmap(a);
	fl_dma_domain_remove(dom, false);
	/* the next one's count, wide as they may be */
	none.ranges[0] = (struct fl_iova_range){ 0, UINT64_MAX };
	dom = add(s, &none);
	a = map(s, &m, NULL);
	assert_int_equal(a->iova.v, 1ull << 46);
	unmap(a);
	fl_dma_domain_remove(dom, false);
	end(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_of_two_domains),
		cmocka_unit_test(test_log_all_or_nothing),
		cmocka_unit_test(test_log_of_a_run),
		cmocka_unit_test(test_log_granules_and_leaving),
		cmocka_unit_test(test_physical),
		cmocka_unit_test(test_physical_joins_late),
		cmocka_unit_test(test_physical_without_locate),
		cmocka_unit_test(test_check_after_change),
		cmocka_unit_test(test_windows_of_who_left),
		cmocka_unit_test(test_log_of_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
