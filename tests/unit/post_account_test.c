/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Accounts of what is posted: after each of many random calls, with domains that refuse and come
 * and go, the tables say what the domains have, and the sums what the tables say.
 */
#include "dma_fake.h"

#include <post_internal.h>

#include <limits.h>
#include <sys/mman.h>

#define AREAS  3u
#define LEN    (13 * MIB + 4 * KIB)
#define STEPS  10000u
#define BUDGET (8 * MIB)

struct queue {
	struct fl_dma_queue q;
	fl_iova_t at;
	uint32_t len; /* 0 = nothing */
};

struct world {
	struct fl_dma_space *s;
	struct fake d[2];
	struct fl_dma_domain *dom[2]; /* NULL = not here */
	struct fl_mem mem[AREAS];
	struct fl_dma_area *a[AREAS]; /* NULL = not mapped */
	unsigned pins[AREAS];
	struct queue q[2];
	uint64_t seed;
};

static bool holds(void *arg, fl_iova_t first, fl_iova_t last, uint64_t mark)
{
	const struct queue *q = arg;

	return q->len && q->at.v <= last.v && q->at.v + (q->len - 1) >= first.v;
}

static const struct fl_dma_queue_ops ops = { .holds = holds };

static uint64_t draw(struct world *w, uint64_t n)
{
	w->seed = w->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (w->seed >> 33) % n;
}

/* ---- what must hold ----------------------------------------------------------------------- */

/* All of it, in as many mappings as may be. */
static bool stands(const struct fake *d, uint64_t iova, uint64_t len)
{
	const uint64_t end = iova + len;

	for (unsigned i = 0; i < d->n && iova < end; i++)
		if (iova - d->maps[i].iova.v < d->maps[i].len) {
			iova = d->maps[i].iova.v + d->maps[i].len;
			i = UINT_MAX;
		}
	return iova >= end;
}

static bool none_stands(const struct fake *d, uint64_t iova, uint64_t len)
{
	for (unsigned i = 0; i < d->n; i++)
		if (d->maps[i].iova.v <= iova + (len - 1) &&
		    iova <= d->maps[i].iova.v + (d->maps[i].len - 1))
			return false;
	return true;
}

static void check_domains(const struct world *w, uint64_t iova, uint64_t len, bool is)
{
	for (int k = 0; k < 2; k++)
		if (w->dom[k])
			assert_true(is ? stands(&w->d[k], iova, len)
				       : none_stands(&w->d[k], iova, len));
}

static void check_area(const struct world *w, const struct fl_area *a, struct fl_poster *sum)
{
	const struct fl_posted *p = a->posted;
	uint64_t size = 1ull << a->pub.window_shift, mapped = 0;

	if (a->pub.residency == FL_PINNED) {
		check_domains(w, a->pub.iova.v, a->pub.len, true);
		assert_null(a->pub.windows);
	}
	for (uint64_t i = 0; p && i < p->n; i++) {
		uint64_t off = i * size, len = a->pub.len - off < size ? a->pub.len - off : size;
		bool is = p->windows[i] & FL_WINDOW_MAPPED;

		check_domains(w, a->pub.iova.v + off, len, is);
		assert_true(is || !p->windows[i]);
		mapped += is ? len : 0;
		sum->receive += p->windows[i] & FL_WINDOW_RECEIVE ? len : 0;
		sum->units += is && !(p->whole && i);
	}
	if (!p)
		return;
	assert_int_equal(p->mapped, mapped);
	sum->mapped += mapped;
	sum->charged += a->pub.windows ? mapped : 0;
}

static void check(const struct world *w)
{
	const struct fl_poster *ps = w->s->poster;
	struct fl_poster sum = { 0 };

	for (unsigned i = 0; i < AREAS; i++)
		if (w->a[i])
			check_area(w, (const struct fl_area *)w->a[i], &sum);
	assert_int_equal(ps->mapped, sum.mapped);
	assert_int_equal(ps->charged, sum.charged);
	assert_int_equal(ps->units, sum.units);
	assert_int_equal(ps->receive, sum.receive);
	for (unsigned i = 0; i < 2; i++)
		if (w->q[i].len)
			check_domains(w, w->q[i].at.v, w->q[i].len, true);
}

/* ---- what is done ------------------------------------------------------------------------- */

static bool in_flight(const struct world *w, const struct fl_dma_area *a)
{
	for (unsigned i = 0; i < 2; i++)
		if (w->q[i].len && w->q[i].at.v - a->iova.v < a->len)
			return true;
	return false;
}

static void hand_over(struct world *w, struct queue *q, const struct fl_dma_area *a)
{
	uint32_t len = 1 + (uint32_t)draw(w, 3 * MIB);
	fl_iova_t at = fl_iova_add(a->iova, draw(w, LEN - len));

	q->len = 0;
	if (fl_dma_post(&q->q, a, at, len))
		return;
	fl_dma_enter(&q->q);
	if ((w->dom[0] || w->dom[1]) && fl_dma_resident(a, at, len)) {
		q->at = at;
		q->len = len;
	}
	fl_dma_leave(&q->q);
}

static void come_or_go(struct world *w, unsigned k)
{
	if (!w->dom[k]) {
		if (fl_dma_domain_add(w->s, &fake_ops, &w->d[k], &w->dom[k])) {
			w->dom[k] = NULL;
			assert_int_equal(w->d[k].n, 0);
		}
		return;
	}
	/* the last one goes with what is in flight */
	fl_dma_domain_remove(w->dom[k], false);
	w->dom[k] = NULL;
	assert_int_equal(w->d[k].n, 0);
	if (!w->dom[!k])
		w->q[0].len = w->q[1].len = 0;
}

static void map_or_unmap(struct world *w, unsigned i)
{
	const struct fl_dma_opts o = { .residency = draw(w, 3) ? FL_LAZY : FL_PINNED };

	if (!w->a[i]) {
		if (fl_dma_map(w->s, &w->mem[i], &o, &w->a[i]))
			w->a[i] = NULL;
	} else if (!in_flight(w, w->a[i])) {
		assert_int_equal(fl_dma_unmap(w->a[i]), 0);
		w->a[i] = NULL;
		w->pins[i] = 0;
	}
}

static void pin_or_unpin(struct world *w, unsigned i)
{
	/* always the same range of an area, so that it can be told what is pinned */
	if (draw(w, 2) && w->pins[i])
		w->pins[i] -= !fl_mem_unpin(w->a[i], i * MIB, 3 * MIB);
	else if (w->pins[i] < 3)
		w->pins[i] += !fl_mem_pin(w->a[i], i * MIB, 3 * MIB);
}

static void step(struct world *w)
{
	unsigned i = (unsigned)draw(w, AREAS), k = (unsigned)draw(w, 2);
	uint64_t off = draw(w, LEN / (4 * KIB)) * 4 * KIB;
	uint64_t len = (1 + draw(w, (LEN - off) / (4 * KIB))) * 4 * KIB;
	unsigned what = (unsigned)draw(w, 100);
	int rc = 0;

	w->d[k].map = (struct fault){ .at = 1 + (unsigned)draw(w, 12),
				      .times = (unsigned)draw(w, 3),
				      .rc = draw(w, 2) ? -ENOMEM : -ENOSPC };
	/* where taking back fails too, nothing can be right */
	if (what >= 6 && !w->d[k].map.times)
		w->d[k].unmap = (struct fault){ .at = 1 + (unsigned)draw(w, 6),
						.times = (unsigned)draw(w, 2),
						.rc = -EIO };
	if (what < 2)
		come_or_go(w, k);
	else if (what < 6)
		map_or_unmap(w, i);
	else if (!w->a[i])
		rc = -ENOENT;
	else if (what < 60)
		hand_over(w, &w->q[k], w->a[i]);
	else if (what < 70)
		w->q[k].len = 0;
	else if (what < 78)
		pin_or_unpin(w, i);
	else if (what < 85)
		rc = fl_mem_convert(w->a[i], draw(w, 2) ? FL_LAZY : FL_PINNED);
	else if (what < 95)
		rc = fl_mem_revoke(w->a[i], off, len);
	else
		rc = fl_mem_prefault(w->a[i], off, len, FL_PREFAULT_READ);
	(void)rc; /* refused or not, the accounts are right */
	w->d[k].map.times = 0;
	w->d[k].unmap.times = 0;
	all_msgs[0] = 0;
}

static void walk(uint64_t seed)
{
	const struct fl_residency_opts budget = { .budget = BUDGET };
	struct world w = { .s = new_space(), .seed = seed };

	assert_int_equal(fl_dma_residency_set(w.s, &budget), 0);
	for (unsigned i = 0; i < 2; i++) {
		w.d[i] = fake_with(0, UINT64_MAX);
		assert_int_equal(fl_dma_queue_add(w.s, &w.q[i].q, &ops, &w.q[i], i * MIB), 0);
	}
	for (unsigned i = 0; i < AREAS; i++) {
		void *va = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		assert_ptr_not_equal(va, MAP_FAILED);
		w.mem[i] = mem_at((uintptr_t)va, LEN);
	}
	for (unsigned n = 0; n < STEPS; n++) {
		step(&w);
		check(&w);
	}
	for (unsigned i = 0; i < 2; i++)
		fl_dma_queue_del(&w.q[i].q);
	for (unsigned i = 0; i < AREAS; i++)
		if (w.a[i])
			unmap(w.a[i]);
	for (unsigned i = 0; i < 2; i++)
		fl_dma_domain_remove(w.dom[i], false);
	end(w.s);
	for (unsigned i = 0; i < AREAS; i++)
		munmap(w.mem[i].info.va, LEN);
}

static void test_accounts(void **state)
{
	for (uint64_t seed = 1; seed <= 6; seed++)
		walk(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
