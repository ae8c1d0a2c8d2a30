/* SPDX-License-Identifier: BSD-3-Clause */
/* Residency from many threads at once: for the thread sanitizer, and for what must hold after. */
#include "residency_fake.h"

#include <pthread.h>
#include <unistd.h>

#define LEN (8 * MIB)

static struct {
	struct rig r;
	struct fl_mem *other; /* mapped and unmapped again and again, at one IOVA */
	fl_iova_t other_at;
	bool stop;
	uint64_t wrong;
} t;

static bool going(void)
{
	return !__atomic_load_n(&t.stop, __ATOMIC_RELAXED);
}

static void expect(bool right)
{
	if (!right)
		__atomic_fetch_add(&t.wrong, 1, __ATOMIC_RELAXED);
}

static uint64_t next(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void *faults(void *arg)
{
	uint64_t x = (uintptr_t)arg;

	while (going()) {
		struct fl_dma_fault f = { .len = next(&x) % (64 * KIB), .prot = 1 + next(&x) % 2 };
		int rc;

		f.iova = fl_iova_add(t.r.a->iova, next(&x) % LEN);
		rc = fl_dma_fault(t.r.dom, &f);
		expect(!rc);
		f.iova = fl_iova_add(t.other_at, next(&x) % MIB);
		rc = fl_dma_fault(t.r.dom, &f);
		expect(!rc || rc == -EFAULT);
	}
	return NULL;
}

static void *fetches(void *arg)
{
	while (going())
		(void)fl_dma_fault_ahead(t.r.dom);
	return NULL;
}

static void *discards(void *arg)
{
	uint64_t x = 77;

	while (going()) {
		uint64_t page = next(&x) % (LEN / PAGE - 16);
		int rc = fl_mem_discard(t.r.a, page * PAGE, PAGE * (1 + next(&x) % 16));

		expect(!rc || rc == -EBUSY || rc == -EOPNOTSUPP);
	}
	return NULL;
}

static void *keeps(void *arg)
{
	uint64_t x = 99;

	while (going()) {
		uint64_t off = next(&x) % (LEN / PAGE - 8) * PAGE;
		struct fl_residency_stats st;

		expect(!fl_mem_pin(t.r.a, off, 8 * PAGE));
		expect(!fl_mem_prefault(t.r.a, off, 8 * PAGE, (enum fl_prefault)(next(&x) % 3)));
		fl_mem_residency_stats(t.r.a, &st);
		expect(st.pinned_bytes == 8 * PAGE);
		expect(!fl_mem_unpin(t.r.a, off, 8 * PAGE));
		fl_dma_residency_stats(t.r.s, &st);
	}
	return NULL;
}

static void *turns(void *arg)
{
	struct fl_residency_opts o = { 0 };

	for (unsigned n = 0; going(); n++) {
		expect(!fl_mem_convert(t.r.a, n & 1 ? FL_LAZY : FL_PINNED));
		o.budget = n & 2 ? MIB : 0;
		o.fault_around = n & 4 ? 16 : 0;
		expect(!fl_dma_residency_set(t.r.s, &o));
		fl_dma_residency_get(t.r.s, &o);
		usleep(100);
	}
	return NULL;
}

static void *maps(void *arg)
{
	struct fl_dma_opts o = { .residency = FL_LAZY, .iova = t.other_at };

	while (going()) {
		struct fl_dma_area *a;

		expect(!fl_dma_map(t.r.s, t.other, &o, &a));
		expect(!fl_mem_prefault(a, 0, 64 * KIB, FL_PREFAULT_WRITE));
		expect(!fl_mem_discard(a, 0, 32 * KIB));
		expect(!fl_dma_unmap(a));
	}
	return NULL;
}

static void *joins(void *arg)
{
	while (going()) {
		struct pager d = pager_new();
		struct fl_dma_domain *dom = pager_add(t.r.s, &d);

		(void)ask(dom, t.r.a, 5 * PAGE, FL_DMA_READ);
		usleep(50);
		fl_dma_domain_remove(dom, false);
	}
	return NULL;
}

static void test_all_at_once(void **state)
{
	void *(*const work[])(void *) = { faults, faults, fetches, discards,
					  keeps,  turns,  maps,	   joins };
	pthread_t threads[FL_ARRAY_SIZE(work)];
	struct fl_residency_stats st;
	uint64_t sum = 0;

	rig_up(&t.r, LEN);
	assert_int_equal(fl_mem_alloc(MIB, NULL, &t.other), 0);
	t.other_at = fl_iova(1ull << 46);
	for (uintptr_t i = 0; i < FL_ARRAY_SIZE(work); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work[i], (void *)(i + 1)), 0);
	usleep(700 * 1000);
	__atomic_store_n(&t.stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < FL_ARRAY_SIZE(work); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(t.wrong, 0);

	assert_int_equal(fl_mem_convert(t.r.a, FL_LAZY), 0);
	st = space_stats(t.r.s);
	assert_int_equal(st.mapped_bytes, t.r.d.pages * PAGE);
	assert_int_equal(st.pinned_bytes, 0);
	assert_int_equal(st.failed + st.denied, 0);
	for (unsigned n = 0; n < FL_FAULT_BUCKETS; n++)
		sum += st.latency[n];
	assert_int_equal(sum, st.faults);
	assert_true(st.faults && st.discards && st.prefault_pages);
	rig_down(&t.r);
	fl_mem_free(t.other);
}

/* ---- one waits for another ------------------------------------------------------------------- */

static bool answered;

static void *asks(void *arg)
{
	struct rig *r = arg;
	int rc = ask(r->dom, r->a, 0, FL_DMA_WRITE);

	__atomic_store_n(&answered, true, __ATOMIC_RELEASE);
	return (void *)(intptr_t)rc;
}

/* While pages are being freed, who asks for one waits, and gets one that is not. */
static void test_waits_for_discard(void **state)
{
	struct fl_area *a;
	pthread_t thread;
	struct rig r;
	void *rc;

	rig_up(&r, MIB);
	a = (struct fl_area *)r.a;
	pthread_mutex_lock(&r.s->lock);
	a->discards++;
	pthread_mutex_unlock(&r.s->lock);
	assert_int_equal(pthread_create(&thread, NULL, asks, &r), 0);
	usleep(20 * 1000);
	assert_false(__atomic_load_n(&answered, __ATOMIC_ACQUIRE));
	pthread_mutex_lock(&r.s->lock);
	assert_int_equal(r.d.pages, 0);
	a->discards--;
	pthread_cond_broadcast(&r.s->discarded);
	pthread_mutex_unlock(&r.s->lock);
	pthread_join(thread, &rc);
	assert_null(rc);
	assert_int_equal(r.d.pages, 1);
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_waits_for_discard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
