/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Posting under everything at once, against a bus that knows what is mapped:
 * devices, threads of their own, touch each buffer from when it is published
 * until they give it back, and any touch of a window that is not mapped is a
 * failure.
 */
#include "dma_fake.h"

#include <pthread.h>
#include <sched.h>

#include <fl_residency.h>

#define WINDOW	4096ull
#define AREAS	2u
#define PAGES	512u /* of each */
#define QUEUES	3u
#define RING	64u
#define BUDGET	(16 * WINDOW)
#define TIME_NS 800000000ull

/* ---- the bus: a byte a page of every area, counted in one
 * ----------------------------------- */

struct bus {
	uint64_t base[AREAS];
	uint8_t mapped[AREAS][PAGES];
	uint64_t wrong;
};

static uint8_t *page_at(struct bus *b, uint64_t iova)
{
	for (unsigned i = 0; i < AREAS; i++)
		if (iova - b->base[i] < PAGES * WINDOW)
			return &b->mapped[i][(iova - b->base[i]) / WINDOW];
	return NULL;
}

static void wrong_if(struct bus *b, bool wrong)
{
	if (wrong)
		__atomic_fetch_add(&b->wrong, 1, __ATOMIC_RELAXED);
}

/* Sets all pages of a range, each of which was the other way. */
static void flip(struct bus *b, uint64_t iova, uint64_t len, uint8_t to)
{
	for (uint64_t off = 0; off < len; off += WINDOW) {
		uint8_t *p = page_at(b, iova + off);

		wrong_if(b, !p || __atomic_exchange_n(p, to, __ATOMIC_ACQ_REL) == to);
	}
}

static int bus_limits(void *arg, struct fl_dma_limits *out)
{
	static const struct fl_iova_range all = { 0, UINT64_MAX };

	*out = (struct fl_dma_limits){ .ranges = &all, .nranges = 1, .page_sizes = -WINDOW };
	return 0;
}

static int bus_map(void *arg, const struct fl_dma_mapping *m)
{
	flip(arg, m->iova.v, m->len, 1);
	return 0;
}

static int bus_unmap(void *arg, fl_iova_t iova, uint64_t len, uint64_t *unmapped)
{
	flip(arg, iova.v, len, 0);
	*unmapped = len;
	return 0;
}

static const struct fl_dma_domain_ops bus_ops = {
	.name = "bus", .limits = bus_limits, .map = bus_map, .unmap = bus_unmap
};

static void assert_idle(const struct bus *b)
{
	assert_int_equal(__atomic_load_n(&b->wrong, __ATOMIC_RELAXED), 0);
	for (unsigned i = 0; i < AREAS * PAGES; i++)
		assert_int_equal(b->mapped[i / PAGES][i % PAGES], 0);
}

/* ---- queues and their devices
 * --------------------------------------------------------------- */

struct slot {
	uint64_t iova, len;
};

struct queue {
	struct fl_dma_queue q;
	struct world *w;
	struct slot ring[RING];
	/* running numbers: handed over, done by the device, taken back */
	uint64_t put, done, back;
	uint64_t refused, posted;
	unsigned seed;
};

struct world {
	struct fl_dma_space *s;
	struct bus bus, late; /* one that comes and goes */
	struct fl_mem *mem[AREAS];
	struct fl_dma_area *a[AREAS];
	struct queue q[QUEUES];
	bool stop, halt; /* who posts, then the devices */
};

static uint64_t get(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void set(uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static bool scan_holds(void *arg, fl_iova_t first, fl_iova_t last, uint64_t mark)
{
	const struct queue *q = arg;
	uint64_t end = get(&q->put);

	for (uint64_t i = get(&q->back); i < end; i++) {
		uint64_t iova = get(&q->ring[i % RING].iova), len = get(&q->ring[i % RING].len);

		if (iova <= last.v && iova + (len - 1) >= first.v)
			return true;
	}
	return false;
}

static bool count_holds(void *arg, fl_iova_t first, fl_iova_t last, uint64_t mark)
{
	return get(&((struct queue *)arg)->back) < mark;
}

static uint64_t count_mark(void *arg)
{
	return get(&((struct queue *)arg)->put);
}

static const struct fl_dma_queue_ops scans = { .holds = scan_holds };
static const struct fl_dma_queue_ops counts = { .holds = count_holds, .mark = count_mark };

static unsigned draw(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 8;
}

static void touch(struct bus *b, const struct slot *s)
{
	uint64_t iova = get(&s->iova), end = iova + get(&s->len);

	for (uint64_t at = iova & -WINDOW; at < end; at += WINDOW) {
		uint8_t *p = page_at(b, at);

		wrong_if(b, !p || !__atomic_load_n(p, __ATOMIC_ACQUIRE));
	}
}

static void *device(void *arg)
{
	struct queue *q = arg;
	unsigned seed = (unsigned)(q - q->w->q) + 77;

	while (!__atomic_load_n(&q->w->halt, __ATOMIC_ACQUIRE)) {
		uint64_t end = get(&q->put), done = get(&q->done);

		for (uint64_t i = done; i < end; i++)
			touch(&q->w->bus, &q->ring[i % RING]);
		/* some time it does nothing, with a ring full of buffers */
		if (done < end && draw(&seed) % 4)
			set(&q->done, done + 1 + draw(&seed) % (end - done));
		sched_yield();
	}
	return NULL;
}

/* A burst: as a driver does it. */
static void burst(struct queue *q)
{
	unsigned n = 1 + draw(&q->seed) % 8;

	set(&q->back, get(&q->done));
	fl_dma_enter(&q->q);
	for (uint64_t put = q->put; n && put - q->back < RING; n--) {
		const struct fl_dma_area *a = q->w->a[draw(&q->seed) % AREAS];
		uint32_t len = 1 + draw(&q->seed) % (3 * WINDOW);
		/* mostly where others are too, so that some hit */
		uint64_t pages = draw(&q->seed) % 8 ? 24 : PAGES;
		fl_iova_t at = fl_iova_add(a->iova, draw(&q->seed) % (pages * WINDOW - len));

		for (unsigned tries = 0; !fl_dma_resident(a, at, len); tries++) {
			int rc = -EAGAIN;

			fl_dma_leave(&q->q);
			if (tries < 3)
				rc = fl_dma_post(&q->q, a, at, len);
			fl_dma_enter(&q->q);
			if (rc) {
				q->refused++;
				goto out;
			}
		}
		set(&q->ring[put % RING].iova, at.v);
		set(&q->ring[put % RING].len, len);
		set(&q->put, ++put);
		q->posted++;
	}
out:
	fl_dma_leave(&q->q);
}

static void *poller(void *arg)
{
	struct queue *q = arg;

	while (!__atomic_load_n(&q->w->stop, __ATOMIC_ACQUIRE)) {
		burst(q);
		if (draw(&q->seed) % 16 == 0)
			sched_yield();
	}
	return NULL;
}

/* ---- what users do meanwhile
 * ------------------------------------------------------------------
 */

static void churn(struct world *w, unsigned *seed)
{
	struct fl_dma_area *a = w->a[draw(seed) % AREAS];
	uint64_t off = draw(seed) % (PAGES - 8) * WINDOW, len = (1 + draw(seed) % 8) * WINDOW;
	struct fl_residency_opts o = { .budget = (1 + draw(seed) % 32) * WINDOW };
	struct fl_dma_domain *d;
	int rc = 0;

	switch (draw(seed) % 16) {
	case 0:
		assert_int_equal(fl_dma_residency_set(w->s, &o), 0);
		break;
	case 1:
		rc = fl_mem_pin(a, off, len);
		assert_true(!rc || rc == -ENOMEM);
		if (!rc)
			assert_int_equal(fl_mem_unpin(a, off, len), 0);
		break;
	case 2:
		rc = fl_mem_convert(a, FL_PINNED);
		assert_true(!rc || rc == -ENOMEM);
		sched_yield();
		assert_int_equal(fl_mem_convert(a, FL_LAZY), 0);
		break;
	case 3:
		assert_int_equal(fl_dma_domain_add(w->s, &bus_ops, &w->late, &d), 0);
		sched_yield();
		fl_dma_domain_remove(d, false);
		assert_idle(&w->late);
		break;
	case 4:
		rc = fl_mem_discard(a, off, len);
		assert_true(!rc || rc == -EBUSY);
		break;
	default:
		rc = fl_mem_revoke(a, off, len);
		assert_true(!rc || rc == -EBUSY);
	}
}

static void world_open(struct world *w, bool fence, bool counter)
{
	const struct fl_residency_opts o = { .budget = BUDGET };
	const struct fl_dma_opts lazy = { .residency = FL_LAZY };
	const struct fl_mem_opts m = { .kind = FL_MEM_MEMFD, .node = -1 };

	w->s = new_space();
	assert_int_equal(fl_dma_residency_set(w->s, &o), 0);
	for (unsigned i = 0; i < AREAS; i++) {
		assert_int_equal(fl_mem_alloc(PAGES * WINDOW, &m, &w->mem[i]), 0);
		assert_int_equal(fl_dma_map(w->s, w->mem[i], &lazy, &w->a[i]), 0);
		assert_int_equal(w->a[i]->window_shift, 12);
		w->bus.base[i] = w->late.base[i] = w->a[i]->iova.v;
	}
	for (unsigned i = 0; i < QUEUES; i++) {
		struct queue *q = &w->q[i];

		q->w = w;
		q->seed = i + 1;
		assert_int_equal(fl_dma_queue_add(w->s, &q->q, i || !counter ? &scans : &counts, q,
						  i == 1 ? RING * WINDOW : 0),
				 0);
		q->q.fence |= fence;
	}
}

/* counter: one of the queues only knows what came after what */
static void run(bool fence, bool counter)
{
	struct world *w = calloc(1, sizeof(*w));
	struct fl_residency_stats st;
	pthread_t t[2 * QUEUES];
	struct fl_dma_domain *d;
	unsigned seed = 99;
	uint64_t until;

	assert_non_null(w);
	world_open(w, fence, counter);
	assert_int_equal(fl_dma_domain_add(w->s, &bus_ops, &w->bus, &d), 0);
	for (unsigned i = 0; i < QUEUES; i++) {
		assert_int_equal(pthread_create(&t[i], NULL, poller, &w->q[i]), 0);
		assert_int_equal(pthread_create(&t[QUEUES + i], NULL, device, &w->q[i]), 0);
	}
	for (until = fl_now_ns() + TIME_NS; fl_now_ns() < until; sched_yield())
		churn(w, &seed);
	__atomic_store_n(&w->stop, true, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < QUEUES; i++)
		pthread_join(t[i], NULL);
	__atomic_store_n(&w->halt, true, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < QUEUES; i++)
		pthread_join(t[QUEUES + i], NULL);

	assert_int_equal(w->bus.wrong, 0);
	fl_dma_residency_stats(w->s, &st);
	assert_true(st.misses > 100 && st.evictions > 100);
	for (unsigned i = 0; i < QUEUES; i++) {
		assert_true(w->q[i].posted > 10);
		fl_dma_queue_del(&w->q[i].q);
	}
	for (unsigned i = 0; i < AREAS; i++) {
		unmap(w->a[i]);
		fl_mem_free(w->mem[i]);
	}
	assert_idle(&w->bus);
	fl_dma_domain_remove(d, false);
	end(w->s);
	free(w);
}

static void test_membarrier(void **state)
{
	run(false, false);
}

static void test_fences(void **state)
{
	run(true, false);
}

static void test_counter(void **state)
{
	run(false, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_membarrier),
		cmocka_unit_test(test_fences),
		cmocka_unit_test(test_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
