/* SPDX-License-Identifier: BSD-3-Clause */
/* Posting: windows of lazy areas and domains that come and go; what is evicted, and when. */
#include "dma_fake.h"

#include <post_internal.h>

#include <unistd.h>

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

/* ---- eviction, case by case --------------------------------------------------------------- */

struct rig {
	struct fl_dma_space *s;
	struct fake d;
	struct fl_dma_domain *dom;
	struct fl_mem m;
	struct fl_dma_area *a;
	struct queue q, other;
};

/* 64 windows, of which the budget has room for `windows`. */
static void rig_open(struct rig *r, unsigned windows)
{
	struct fl_residency_opts o = { .budget = windows * WINDOW };

	*r = (struct rig){ .s = new_space(), .d = fake_with(0, UINT64_MAX) };
	r->dom = add(r->s, &r->d);
	r->m = mem_at(VA, 64 * WINDOW);
	r->a = map(r->s, &r->m, &lazy); /* before the budget makes windows small */
	assert_int_equal(r->a->window_shift, 21);
	assert_int_equal(fl_dma_residency_set(r->s, &o), 0);
	queue_add(r->s, &r->q, 0);
	queue_add(r->s, &r->other, 0);
}

static void rig_close(struct rig *r)
{
	fl_dma_queue_del(&r->q.q);
	fl_dma_queue_del(&r->other.q);
	unmap(r->a);
	assert_int_equal(r->d.n, 0);
	fl_dma_domain_remove(r->dom, false);
	end(r->s);
}

static int post_window(struct rig *r, unsigned i)
{
	return post(&r->q, r->a, i * WINDOW, 2048);
}

static bool is_mapped(const struct rig *r, unsigned i)
{
	return fake_at(&r->d, VA + i * WINDOW);
}

static void hold(struct rig *r, struct queue *q, unsigned i)
{
	q->at = fl_iova_add(r->a->iova, i * WINDOW);
	q->len = 2048;
}

static void test_budget_holds(void **state)
{
	struct rig r;

	rig_open(&r, 8);
	for (unsigned n = 0; n < 1000; n++) {
		assert_int_equal(post_window(&r, n * 37 % 64), 0);
		assert_true(r.d.n <= 8);
	}
	assert_int_equal(counts(r.a)->refused, 0);
	assert_true(counts(r.a)->evictions > 500);
	rig_close(&r);
}

/* What is used stays, what is not goes: CLOCK, with no store on a hit. */
static void test_used_ones_stay(void **state)
{
	unsigned cold = 0;
	struct rig r;

	rig_open(&r, 16);
	for (unsigned n = 0; n < 400; n++) {
		assert_int_equal(post_window(&r, 8 + n % 56), 0);
		for (unsigned i = 0; i < 4; i++) {
			cold += !is_mapped(&r, i);
			if (!resident(r.a, i * WINDOW, 1))
				assert_int_equal(post_window(&r, i), 0);
		}
	}
	assert_true(cold < 4 * 400 / 20);
	assert_true(counts(r.a)->rewarmed > 0);
	rig_close(&r);
}

/* Demoted inside of a section that began before: it may have hit, so nothing goes while it lasts.
 */
static void test_section_open_while_demoted(void **state)
{
	struct rig r;

	rig_open(&r, 1);
	assert_int_equal(post_window(&r, 0), 0);
	fl_dma_enter(&r.other.q);
	assert_true(resident(r.a, 0, 2048));
	for (unsigned i = 1; i < 6; i++) {
		assert_int_equal(post_window(&r, i), 0);
		assert_true(is_mapped(&r, 0));
	}
	/* it publishes what it hit */
	hold(&r, &r.other, 0);
	fl_dma_leave(&r.other.q);
	for (unsigned i = 6; i < 12; i++) {
		assert_int_equal(post_window(&r, i), 0);
		assert_true(is_mapped(&r, 0));
		assert_true(r.d.n <= 6);
	}
	r.other.len = 0;
	for (unsigned i = 12; i < 20; i++)
		assert_int_equal(post_window(&r, i), 0);
	assert_false(is_mapped(&r, 0));
	assert_int_equal(r.d.n, 1);
	rig_close(&r);
}

/* A section that begins after the demotion cannot hit, so it keeps nothing. */
static void test_later_section_keeps_nothing(void **state)
{
	struct rig r;

	rig_open(&r, 1);
	assert_int_equal(post_window(&r, 0), 0);
	fl_dma_enter(&r.other.q);
	assert_int_equal(post_window(&r, 1), 0); /* demotes 0, which stays for that section */
	fl_dma_leave(&r.other.q);
	fl_dma_enter(&r.other.q);
	assert_false(resident(r.a, 0, 2048));
	assert_int_equal(post_window(&r, 2), 0);
	assert_false(is_mapped(&r, 0));
	fl_dma_leave(&r.other.q);
	rig_close(&r);
}

/* An idle receive ring keeps its windows for ever; the others come and go. */
static void test_idle_ring(void **state)
{
	struct rig r;

	rig_open(&r, 2);
	assert_int_equal(post_window(&r, 0), 0);
	hold(&r, &r.other, 0);
	for (unsigned n = 0; n < 200; n++) {
		assert_int_equal(post_window(&r, 1 + n % 63), 0);
		assert_true(is_mapped(&r, 0));
		assert_true(r.d.n <= 3);
	}
	assert_true(counts(r.a)->evict_busy > 0);
	rig_close(&r);
}

/* A queue that only knows what came after what, and whose mark lies in an open section. */
struct counter {
	struct fl_dma_queue q;
	uint64_t put, done;
};

static bool counter_holds(void *arg, fl_iova_t first, fl_iova_t last, uint64_t mark)
{
	return ((struct counter *)arg)->done < mark;
}

static uint64_t counter_mark(void *arg)
{
	return ((struct counter *)arg)->put;
}

static const struct fl_dma_queue_ops counter_ops = { .holds = counter_holds, .mark = counter_mark };

static void test_marks(void **state)
{
	struct counter c = { 0 };
	struct rig r;

	rig_open(&r, 1);
	assert_int_equal(fl_dma_queue_add(r.s, &c.q, &counter_ops, &c, 0), 0);
	assert_int_equal(post_window(&r, 0), 0);
	fl_dma_enter(&c.q);
	assert_true(resident(r.a, 0, 1));
	assert_int_equal(post_window(&r, 1), 0);
	c.put = 5; /* handed over after the mark was taken, hit before */
	fl_dma_leave(&c.q);
	assert_int_equal(post_window(&r, 2), 0);
	assert_true(is_mapped(&r, 0));
	/* always busy, and passes the mark all the same */
	c.done = 4;
	c.put = 9;
	assert_int_equal(post_window(&r, 3), 0);
	assert_true(is_mapped(&r, 0));
	c.done = 5;
	assert_int_equal(post_window(&r, 4), 0);
	assert_false(is_mapped(&r, 0));
	c.done = c.put;
	fl_dma_queue_del(&c.q);
	rig_close(&r);
}

/* All segments of a frame at once, however small the budget. */
static void test_frame_of_many(void **state)
{
	struct rig r;

	rig_open(&r, 1);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(
			fl_dma_post(&r.q.q, r.a, fl_iova_add(r.a->iova, (i + 1) * WINDOW - 8), 16),
			0);
	/* another queue that wants room */
	assert_int_equal(post(&r.other, r.a, 50 * WINDOW, 1), 0);
	assert_int_equal(post(&r.other, r.a, 52 * WINDOW, 1), 0);
	fl_dma_enter(&r.q.q);
	for (unsigned i = 0; i < 40; i++)
		assert_true(resident(r.a, (i + 1) * WINDOW - 8, 16));
	fl_dma_leave(&r.q.q);
	assert_int_equal(post(&r.other, r.a, 60 * WINDOW, 1), 0);
	assert_int_equal(r.d.n, 1);
	rig_close(&r);
}

/* All is in flight: over the budget as far as the kernel goes, and then -EAGAIN. */
static void test_everything_in_flight(void **state)
{
	struct rig r;

	rig_open(&r, 2);
	r.other.at = r.a->iova;
	r.other.len = UINT32_MAX;
	r.d.limits.entries_max = 10;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(post_window(&r, i), 0);
	assert_int_equal(post_window(&r, 10), -EAGAIN);
	assert_int_equal(r.d.n, 10);
	r.other.len = 0;
	assert_int_equal(post_window(&r, 10), 0);
	r.d.limits.entries_max = 0;
	rig_close(&r);
}

/* What receive queues are promised is not for who transmits. */
static void test_floors(void **state)
{
	struct queue rx;
	struct rig r;

	rig_open(&r, 32);
	queue_add(r.s, &rx, 4 * WINDOW);
	r.d.limits.entries_max = 8;
	/* as far as the limit, so that it is known, then all of it goes */
	r.other.at = r.a->iova;
	r.other.len = UINT32_MAX;
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(post_window(&r, i), 0);
	assert_int_equal(post(&rx, r.a, 20 * WINDOW, 1), -EAGAIN);
	r.other.len = 0;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(post(&rx, r.a, (20 + i) * WINDOW, 1), 0);
	/* it has what it was promised */
	r.other.at = fl_iova_add(r.a->iova, 20 * WINDOW);
	r.other.len = 4 * WINDOW;
	for (unsigned i = 0; i < 32; i++)
		assert_int_equal(post_window(&r, i % 16), 0);
	assert_true(is_mapped(&r, 20) && is_mapped(&r, 21) && is_mapped(&r, 22) &&
		    is_mapped(&r, 23));
	r.d.limits.entries_max = 0;
	fl_dma_queue_del(&rx.q);
	rig_close(&r);
}

static void test_user_keeps(void **state)
{
	struct rig r;

	rig_open(&r, 2);
	assert_int_equal(fl_pins_change(&((struct fl_area *)r.a)->pins, 0, 4 * WINDOW, false), 0);
	assert_int_equal(fl_post_range((struct fl_area *)r.a, 0, 4 * WINDOW), 0);
	for (unsigned i = 4; i < 64; i++) {
		assert_int_equal(post_window(&r, i), 0);
		assert_true(r.d.n <= 6);
	}
	assert_true(is_mapped(&r, 0) && is_mapped(&r, 3));
	assert_int_equal(fl_post_revoke((struct fl_area *)r.a, 3 * WINDOW, WINDOW), -EBUSY);
	assert_int_equal(fl_mem_unpin(r.a, 0, 4 * WINDOW), 0);
	assert_int_equal(fl_mem_revoke(r.a, 0, 4 * WINDOW), 0);
	assert_false(is_mapped(&r, 0));
	/* more than the budget is not brought in beforehand */
	assert_int_equal(fl_post_range((struct fl_area *)r.a, 0, 8 * WINDOW), -ENOMEM);
	assert_true(r.d.n <= 2);
	rig_close(&r);
}

static void test_revoke(void **state)
{
	struct rig r;

	rig_open(&r, 8);
	assert_int_equal(post_window(&r, 0), 0);
	assert_int_equal(post_window(&r, 1), 0);
	hold(&r, &r.other, 1);
	assert_int_equal(fl_mem_revoke(r.a, 0, 2 * WINDOW), -EBUSY);
	assert_true(resident(r.a, 0, 1) && resident(r.a, WINDOW, 1));
	assert_int_equal(fl_mem_revoke(r.a, 4096, 4096), 0);
	assert_false(is_mapped(&r, 0));
	r.other.len = 0;
	fl_dma_enter(&r.other.q); /* longer than anybody waits */
	assert_int_equal(fl_mem_revoke(r.a, WINDOW, WINDOW), -EBUSY);
	fl_dma_leave(&r.other.q);
	assert_int_equal(fl_mem_revoke(r.a, WINDOW, WINDOW), 0);
	assert_int_equal(r.d.n, 0);
	rig_close(&r);
}

/* A domain that does not let go: the window stands as before, everywhere. */
static void test_unmap_refused(void **state)
{
	struct fake e = fake_with(0, UINT64_MAX);
	struct fl_dma_domain *ed;
	struct rig r;

	rig_open(&r, 1);
	ed = add(r.s, &e);
	assert_int_equal(post_window(&r, 0), 0);
	e.unmap = (struct fault){ .at = 1, .times = 1000, .rc = -EIO };
	assert_int_equal(post_window(&r, 1), 0);
	assert_true(is_mapped(&r, 0));
	assert_non_null(fake_at(&e, VA));
	e.unmap.at = 0;
	/* one that takes out something else is believed, as far as it goes */
	e.short_at = e.unmap.calls + 1;
	e.short_by = 4096;
	for (unsigned i = 2; i < 6; i++)
		assert_int_equal(post_window(&r, i), 0);
	assert_int_equal(r.d.n, e.n);
	assert_int_equal(r.d.n, 1);
	fl_dma_domain_remove(ed, false);
	rig_close(&r);
}

/* Pinned to lazy: one mapping, which goes as a whole or not at all; and back. */
static void test_turns(void **state)
{
	struct fl_residency_opts o = { .budget = 2 * WINDOW };
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, UINT64_MAX), e = fake_with(0, UINT64_MAX);
	struct fl_dma_domain *dom = add(s, &d), *ed;
	struct fl_mem m = mem_at(VA, 8 * WINDOW), m2 = mem_at(2 * VA, 64 * WINDOW);
	struct fl_dma_area *a = map(s, &m, NULL), *b = map(s, &m2, &lazy);
	struct queue q, idle;

	queue_add(s, &q, 0);
	queue_add(s, &idle, 0);
	assert_maps(&d, VA, 8 * WINDOW);
	assert_int_equal(fl_mem_convert(a, FL_LAZY), 0);
	assert_true(resident(a, 0, 8 * WINDOW));
	idle.at = fl_iova_add(a->iova, 5 * WINDOW);
	idle.len = 1;
	assert_int_equal(fl_dma_residency_set(s, &o), 0);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(post(&q, b, i * WINDOW, 1), 0);
	assert_maps(&d, VA, 8 * WINDOW);
	ed = add(s, &e); /* who joins gets it so, too */
	assert_maps(&e, VA, 8 * WINDOW);
	fl_dma_domain_remove(ed, false);
	idle.len = 0;
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(post(&q, b, i * WINDOW, 1), 0);
	assert_null(fake_at(&d, VA));
	assert_int_equal(post(&q, a, 3 * WINDOW, 1), 0);
	assert_maps(&d, VA + 3 * WINDOW, WINDOW);
	/* back: what is missing comes, and nobody looks any more */
	d.map = (struct fault){ .calls = 0, .at = 5, .times = 100, .rc = -ENOMEM };
	assert_int_equal(fl_mem_convert(a, FL_PINNED), -ENOMEM);
	assert_int_equal(a->residency, FL_LAZY);
	assert_true(resident(a, 3 * WINDOW, 1));
	d.map.at = 0;
	assert_int_equal(fl_mem_convert(a, FL_PINNED), 0);
	assert_null(a->windows);
	assert_int_equal(mapped(a), 8 * WINDOW);
	for (unsigned i = 0; i < 80; i++)
		assert_int_equal(post(&q, b, i % 64 * WINDOW, 1), 0);
	assert_maps(&d, VA + 7 * WINDOW, WINDOW);
	fl_dma_queue_del(&q.q);
	fl_dma_queue_del(&idle.q);
	unmap(a);
	unmap(b);
	assert_int_equal(d.n, 0);
	fl_dma_domain_remove(dom, false);
	end(s);
}

/* Two areas share the budget and the clock; one that goes leaves no trace. */
static void test_two_areas(void **state)
{
	struct fl_mem m2 = mem_at(2 * VA, 64 * WINDOW);
	struct fl_dma_area *b;
	struct rig r;

	rig_open(&r, 4);
	b = map(r.s, &m2, &lazy);
	/* a small budget: small windows */
	assert_int_equal(b->window_shift, 18);
	for (unsigned n = 0; n < 300; n++) {
		assert_int_equal(post_window(&r, n * 7 % 64), 0);
		assert_int_equal(post(&r.q, b, n % 64 * WINDOW, 1), 0);
		assert_true(mapped(r.a) + mapped(b) <= 4 * WINDOW);
	}
	unmap(b);
	for (unsigned n = 0; n < 20; n++)
		assert_int_equal(post_window(&r, n), 0);
	assert_true(r.d.n <= 4);
	rig_close(&r);
}

/* Less than one window: one at a time, and work goes on. */
static void test_budget_of_nothing(void **state)
{
	struct fl_residency_opts o = { .budget = 4096 };
	struct rig r;

	rig_open(&r, 8);
	assert_int_equal(fl_dma_residency_set(r.s, &o), 0);
	for (unsigned n = 0; n < 100; n++) {
		assert_int_equal(post(&r.q, r.a, (n % 63 + 1) * WINDOW - 8, 16), 0);
		assert_true(r.d.n <= 3);
	}
	rig_close(&r);
}

/* The kernel refuses once: no room is made of the area itself, though some was about to go. */
static void test_turns_pinned_in_little_room(void **state)
{
	const struct fl_residency_opts budget = { .budget = 64 * MIB };
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, UINT64_MAX);
	struct fl_mem m = mem_at(VA, 128 * MIB);
	struct fl_dma_domain *dd = add(s, &d);
	struct fl_dma_area *a;
	struct queue q;
	unsigned n = 0;

	assert_int_equal(fl_dma_residency_set(s, &budget), 0);
	a = map(s, &m, &lazy);
	queue_add(s, &q, 0);
	while (!s->poster->ncold)
		assert_int_equal(post(&q, a, n++ * WINDOW, 1), 0);
	assert_int_equal(d.n, n);
	assert_false(resident(a, s->poster->cold[0].first * WINDOW, 1));
	d.map = (struct fault){ .at = 1, .times = 1, .rc = -ENOMEM };
	assert_int_equal(fl_mem_convert(a, FL_PINNED), 0);
	assert_int_equal(d.n, 64);
	assert_int_equal(mapped(a), 128 * MIB);
	fl_dma_queue_del(&q.q);
	unmap(a);
	assert_int_equal(d.n, 0);
	fl_dma_domain_remove(dd, false);
	end(s);
}

/* What was received into stands as one after the devices went and came, and goes as one. */
static void test_accounts_of_a_turn(void **state)
{
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, UINT64_MAX);
	struct fl_mem m = mem_at(VA, 8 * MIB);
	struct fl_dma_domain *dd = add(s, &d);
	struct fl_dma_area *a = map(s, &m, &lazy);
	struct queue q;

	queue_add(s, &q, WINDOW);
	assert_int_equal(post(&q, a, 0, 1), 0);
	assert_int_equal(s->poster->receive, WINDOW);
	assert_int_equal(fl_mem_convert(a, FL_PINNED), 0);
	assert_int_equal(d.n, 4);
	fl_dma_domain_remove(dd, false);
	dd = add(s, &d);
	assert_int_equal(d.n, 1);
	assert_int_equal(fl_mem_convert(a, FL_LAZY), 0);
	assert_int_equal(fl_mem_revoke(a, 0, WINDOW), 0);
	assert_int_equal(d.n, 0);
	assert_int_equal(s->poster->mapped, 0);
	assert_int_equal(s->poster->charged, 0);
	assert_int_equal(s->poster->units, 0);
	assert_int_equal(s->poster->receive, 0);
	fl_dma_queue_del(&q.q);
	unmap(a);
	fl_dma_domain_remove(dd, false);
	end(s);
}

/* A queue that goes on without end, and only knows what came after what: 2 are in flight. */
static uint64_t asked;
static unsigned calls;
static bool stuck;

static uint64_t endless_mark(void *arg)
{
	return asked + 2;
}

static bool endless_holds(void *arg, fl_iova_t first, fl_iova_t last, uint64_t mark)
{
	calls++;
	return stuck || mark > asked++;
}

static void test_revoke_from_an_endless_queue(void **state)
{
	const struct fl_dma_queue_ops endless = { .holds = endless_holds, .mark = endless_mark };
	struct fl_dma_space *s = new_space();
	struct fake d = fake_with(0, UINT64_MAX);
	struct fl_mem m = mem_at(VA, 8 * MIB);
	struct fl_dma_domain *dd = add(s, &d);
	struct fl_dma_area *a = map(s, &m, &lazy);
	struct queue q = { 0 };
	int tries = 0;

	assert_int_equal(fl_dma_queue_add(s, &q.q, &endless, &q, 0), 0);
	assert_int_equal(post(&q, a, 0, 1), 0);
	/* each is given 2 ms, all of which a busy machine may take */
	while (fl_mem_revoke(a, 0, WINDOW)) {
		assert_true(tries++ < 20);
		usleep(10000);
	}
	assert_int_equal(d.n, 0);
	/* one that stands still is waited for once, and not at each window */
	assert_int_equal(post(&q, a, 0, 1), 0);
	stuck = true;
	assert_int_equal(fl_mem_revoke(a, 0, WINDOW), -EBUSY);
	for (tries = 0; tries < 10 && calls != 1; tries++) {
		calls = 0;
		assert_int_equal(fl_mem_revoke(a, 0, WINDOW), -EBUSY);
	}
	assert_int_equal(calls, 1);
	stuck = false;
	fl_dma_queue_del(&q.q);
	unmap(a);
	fl_dma_domain_remove(dd, false);
	end(s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_windows),
	cmocka_unit_test(test_refused),
	cmocka_unit_test(test_domains_come_and_go),
	cmocka_unit_test(test_turns_pinned_in_little_room),
	cmocka_unit_test(test_accounts_of_a_turn),
	cmocka_unit_test(test_revoke_from_an_endless_queue),
	cmocka_unit_test(test_budget_holds),
	cmocka_unit_test(test_used_ones_stay),
	cmocka_unit_test(test_section_open_while_demoted),
	cmocka_unit_test(test_later_section_keeps_nothing),
	cmocka_unit_test(test_idle_ring),
	cmocka_unit_test(test_marks),
	cmocka_unit_test(test_frame_of_many),
	cmocka_unit_test(test_everything_in_flight),
	cmocka_unit_test(test_floors),
	cmocka_unit_test(test_user_keeps),
	cmocka_unit_test(test_revoke),
	cmocka_unit_test(test_unmap_refused),
	cmocka_unit_test(test_turns),
	cmocka_unit_test(test_two_areas),
	cmocka_unit_test(test_budget_of_nothing),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
