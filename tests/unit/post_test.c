/* SPDX-License-Identifier: BSD-3-Clause */
/* Posting: windows of lazy areas and domains that come and go; what is evicted, and when. */
#include "dma_fake.h"

#include <post_internal.h>

#define VA     (16 * GIB)
#define WINDOW (2 * MIB)

static const struct fl_dma_opts lazy = { .residency = FL_LAZY };

/* A queue whose device holds one buffer. */
struct queue {
	struct fl_dma_queue q;
	fl_iova_t at;
	uint32_t len; /* 0 = nothing */
};

static bool holds(void *arg, fl_iova_t first, fl_iova_t last, uint64_t mark)
{
	const struct queue *q = arg;

	return q->len && q->at.v <= last.v && q->at.v + (q->len - 1) >= first.v;
}

static const struct fl_dma_queue_ops ops = { .holds = holds };

static void queue_add(struct fl_dma_space *s, struct queue *q, uint64_t floor)
{
	*q = (struct queue){ 0 };
	assert_int_equal(fl_dma_queue_add(s, &q->q, &ops, q, floor), 0);
}

/* Posts and hands over nothing: the section that keeps what was posted is over. */
static int post(struct queue *q, const struct fl_dma_area *a, uint64_t off, uint32_t len)
{
	int rc = fl_dma_post(&q->q, a, fl_iova_add(a->iova, off), len);

	fl_dma_enter(&q->q);
	if (!rc && len)
		assert_true(fl_dma_resident(a, fl_iova_add(a->iova, off), len));
	fl_dma_leave(&q->q);
	return rc;
}

static bool resident(const struct fl_dma_area *a, uint64_t off, uint32_t len)
{
	return fl_dma_resident(a, fl_iova_add(a->iova, off), len);
}

static struct fl_residency_stats *counts(struct fl_dma_area *a)
{
	return &((struct fl_area *)a)->counts;
}

static uint64_t mapped(const struct fl_dma_area *a)
{
	return fl_post_mapped((const struct fl_area *)a);
}

static void test_windows(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, UINT64_MAX), e = fake_with(0, UINT64_MAX);
	struct fl_mem m = mem_at(VA, 7 * MIB);
	struct fl_dma_domain *dd = add(s, &d), *ed = add(s, &e);
	struct fl_dma_area *a = map(s, &m, &lazy);
	struct queue q;

	assert_int_equal(a->residency, FL_LAZY);
	assert_int_equal(a->window_shift, 21);
	assert_int_equal(d.n, 0);
	queue_add(s, &q, 0);
	assert_false(resident(a, 0, 1));
	assert_int_equal(post(&q, a, 5, 0), 0);
	assert_int_equal(d.n, 0);
	assert_int_equal(post(&q, a, 5, 100), 0);
	assert_maps(&d, VA, WINDOW);
	assert_maps(&e, VA, WINDOW);
	/* over the edge of two; the last one is short */
	assert_false(resident(a, WINDOW - 1, 2));
	assert_int_equal(post(&q, a, 3 * WINDOW - 1, 2), 0);
	assert_maps(&d, VA + 2 * WINDOW, WINDOW);
	assert_maps(&d, VA + 3 * WINDOW, MIB);
	assert_int_equal(mapped(a), 5 * MIB);
	/* more than two */
	assert_false(resident(a, 0, 7 * MIB));
	assert_int_equal(post(&q, a, 0, 7 * MIB), 0);
	assert_true(resident(a, 0, 7 * MIB));
	assert_int_equal(d.n, 4);
	assert_int_equal(counts(a)->misses, 3);
	assert_int_equal(post(&q, a, 7 * MIB, 0), 0);
	assert_int_equal(fl_dma_post(&q.q, a, fl_iova_add(a->iova, 7 * MIB), 1), -EFAULT);
	assert_int_equal(fl_dma_post(&q.q, a, fl_iova(a->iova.v - 1), 1), -EFAULT);
	fl_dma_queue_del(&q.q);
	unmap(a);
	assert_int_equal(d.n + e.n, 0);
	fl_dma_domain_remove(dd, false);
	fl_dma_domain_remove(ed, false);
	end(s);
}

/* In every domain or in none. */
static void test_refused(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, UINT64_MAX), e = fake_with(0, UINT64_MAX);
	struct fl_mem m = mem_at(VA, 8 * MIB);
	struct fl_dma_domain *dd = add(s, &d), *ed = add(s, &e);
	struct fl_dma_area *a = map(s, &m, &lazy);
	struct queue q;

	queue_add(s, &q, 0);
	e.map = (struct fault){ .at = 1, .times = 20, .rc = -ENOMEM };
	assert_int_equal(post(&q, a, 0, 1), -EAGAIN);
	assert_said("Cannot allocate memory");
	assert_int_equal(d.n + e.n, 0);
	/* nobody is told again and again */
	assert_int_equal(post(&q, a, 0, 1), -EAGAIN);
	assert_string_equal(all_msgs, "");
	assert_int_equal(counts(a)->refused, 2);
	e.map.at = 0;
	assert_int_equal(post(&q, a, 0, 1), 0);
	assert_int_equal(d.n, 1);
	assert_int_equal(e.n, 1);
	/* no memory behind it: not to be tried again */
	e.map = (struct fault){ .at = 1, .times = 20, .rc = -EFAULT };
	assert_int_equal(post(&q, a, WINDOW, 1), -EFAULT);
	assert_int_equal(d.n, 1);
	/* one that is gone is passed over */
	e.map = (struct fault){ .at = 1, .times = 1, .rc = -ENODEV };
	assert_int_equal(post(&q, a, WINDOW, 1), 0);
	assert_int_equal(d.n, 2);
	assert_int_equal(e.n, 1);
	e.n = 0;
	assert_int_equal(fl_dma_domain_replay(ed), 0);
	assert_int_equal(e.n, 2);
	fl_dma_queue_del(&q.q);
	unmap(a);
	assert_int_equal(d.n + e.n, 0);
	fl_dma_domain_remove(dd, false);
	fl_dma_domain_remove(ed, false);
	end(s);
}

static void test_domains_come_and_go(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, UINT64_MAX), e = fake_with(0, UINT64_MAX);
	struct fl_mem m = mem_at(VA, 8 * MIB);
	struct fl_dma_domain *dd = add(s, &d), *ed;
	struct fl_dma_area *a = map(s, &m, &lazy);
	struct queue q;

	queue_add(s, &q, 0);
	assert_int_equal(post(&q, a, 0, 1), 0);
	assert_int_equal(post(&q, a, 3 * WINDOW, 1), 0);
	e.map = (struct fault){ .at = 2, .times = 1, .rc = -ENOMEM };
	assert_int_equal(fl_dma_domain_add(s, &fake_ops, &e, &ed), -ENOMEM);
	assert_int_equal(e.n, 0);
	e.map.at = 0;
	ed = add(s, &e);
	assert_int_equal(e.n, 2);
	fl_dma_domain_remove(dd, false);
	assert_int_equal(d.n, 0);
	assert_int_equal(e.n, 2);
	assert_true(resident(a, 0, 1));
	/* nothing stays for a next one */
	fl_dma_domain_remove(ed, false);
	assert_false(resident(a, 0, 1));
	dd = add(s, &d);
	assert_int_equal(d.n, 0);
	fl_dma_domain_remove(dd, false);
	/* pages that windows cannot be made of */
	d.limits.page_sizes = -(4 * MIB);
	assert_int_equal(fl_dma_domain_add(s, &fake_ops, &d, &dd), -EINVAL);
	assert_said("open this device before");
	fl_dma_queue_del(&q.q);
	unmap(a);
	end(s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_windows),
	cmocka_unit_test(test_refused),
	cmocka_unit_test(test_domains_come_and_go),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
