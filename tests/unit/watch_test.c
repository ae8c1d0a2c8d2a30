/* SPDX-License-Identifier: BSD-3-Clause */
/* What the process gives up without saying so: devices lose it first, or as soon as it is seen. */
#include "residency_fake.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define W   FL_DMA_WRITE
#define LEN (4 * MIB)

static void watch_on(struct fl_dma_space *s)
{
	struct fl_residency_opts o = { .watch = true };
	int rc = fl_dma_residency_set(s, &o);

	if (rc == -EOPNOTSUPP) {
		end(s);
		print_message("skipped: %s\n", last_msg);
		skip();
	}
	assert_int_equal(rc, 0);
}

static void up(struct rig *r, enum fl_mem_kind kind)
{
	struct fl_dma_opts o = { .residency = FL_LAZY };
	struct fl_mem_opts mo = { .kind = kind, .node = -1 };

	*r = (struct rig){ .s = new_space(), .d = pager_new() };
	watch_on(r->s);
	r->dom = pager_add(r->s, &r->d);
	if (fl_mem_alloc(LEN, &mo, &r->mem)) {
		fl_dma_domain_remove(r->dom, false);
		end(r->s);
		print_message("skipped: no such memory: %s\n", last_msg);
		skip();
	}
	r->a = map(r->s, r->mem, &o);
}

static void grant_some(struct rig *r)
{
	for (uint64_t off = 0; off < LEN; off += MIB)
		assert_int_equal(ask(r->dom, r->a, off, W), 0);
	assert_int_not_equal(area_stats(r->a).mapped_bytes, 0);
}

/* Reads what is shared with the watching thread under the lock. */
static bool is_dead(const struct rig *r)
{
	bool dead;

	pthread_mutex_lock(&r->s->lock);
	dead = ((struct fl_area *)r->a)->dead;
	pthread_mutex_unlock(&r->s->lock);
	return dead;
}

/* madvise() returned, so all was done: no waiting. */
static void madvise_of(enum fl_mem_kind kind, int advice)
{
	struct rig r;

	up(&r, kind);
	memset(r.a->va, 0x5a, LEN);
	grant_some(&r);
	assert_int_equal(madvise(r.a->va + 3 * PAGE, PAGE, advice), 0);
	assert_int_equal(area_stats(r.a).mapped_bytes, 0);
	assert_int_equal(area_stats(r.a).invalidations, 1);
	assert_int_equal(r.a->va[3 * PAGE],
			 kind == FL_MEM_MEMFD && advice == MADV_DONTNEED ? 0x5a : 0);
	assert_int_equal(r.a->va[4 * PAGE], 0x5a);
	/* and again, as if nothing had been */
	assert_false(is_dead(&r));
	grant_some(&r);
	rig_down(&r);
}

static void test_dontneed_anon(void **state)
{
	madvise_of(FL_MEM_ANON, MADV_DONTNEED);
}

static void test_dontneed_memfd(void **state)
{
	madvise_of(FL_MEM_MEMFD, MADV_DONTNEED);
}

static void test_remove_memfd(void **state)
{
	madvise_of(FL_MEM_MEMFD, MADV_REMOVE);
}

static void test_dontneed_hugetlb(void **state)
{
	struct rig r;

	up(&r, FL_MEM_HUGETLB);
	grant_some(&r);
	assert_int_equal(madvise(r.a->va, 2 * MIB, MADV_REMOVE), 0);
	assert_int_equal(area_stats(r.a).mapped_bytes, 0);
	rig_down(&r);
}

static void test_file_on_disk(void **state)
{
	struct fl_dma_opts o = { .residency = FL_LAZY };
	struct rig r = { .s = new_space(), .d = pager_new() };
	char path[] = "watch-XXXXXX";
	int fd = mkstemp(path);
	uint8_t *va;

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, LEN), 0);
	va = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(va, MAP_FAILED);
	assert_int_equal(fl_mem_wrap(va, LEN, fd, 0, &sink, &r.mem), 0);
	close(fd);
	watch_on(r.s);
	r.dom = pager_add(r.s, &r.d);
	if (fl_dma_map(r.s, r.mem, &o, &r.a) == -EOPNOTSUPP) {
		print_message("skipped: %s\n", last_msg); /* before Linux 6.7 */
		fl_dma_domain_remove(r.dom, false);
		end(r.s);
		skip();
	}
	grant_some(&r);
	assert_int_equal(madvise(va, PAGE, MADV_DONTNEED), 0);
	assert_int_equal(area_stats(r.a).mapped_bytes, 0);
	rig_down(&r);
	munmap(va, LEN);
}

static void dead_until_unmapped(struct rig *r)
{
	assert_true(is_dead(r));
	assert_int_equal(area_stats(r->a).mapped_bytes, 0);
	assert_int_equal(ask(r->dom, r->a, 0, W), -EFAULT);
	assert_int_equal(ask(r->dom, r->a, LEN - 1, W), -EFAULT);
	assert_int_equal(fl_mem_prefault(r->a, 2 * MIB, PAGE, FL_PREFAULT_WRITE), -EFAULT);
	assert_int_equal(fl_mem_convert(r->a, FL_PINNED), -EFAULT);
	assert_int_equal(fl_mem_discard(r->a, 0, LEN), -EFAULT);
	assert_int_equal(r->d.pages, 0);
	unmap(r->a);
}

static void gone(struct rig *r)
{
	fl_dma_domain_remove(r->dom, false);
	end(r->s);
	fl_mem_free(r->mem);
}

static void test_munmap(void **state)
{
	struct fl_dma_opts o = { .residency = FL_LAZY };
	struct fl_mem_info i;
	struct rig r;

	up(&r, FL_MEM_MEMFD);
	grant_some(&r);
	assert_int_equal(munmap(r.a->va + PAGE, PAGE), 0);
	dead_until_unmapped(&r);
	assert_said("munmap took 0x");
	/* whole again, it is an area like any other */
	fl_mem_info(r.mem, &i);
	assert_ptr_equal(mmap((uint8_t *)i.va + PAGE, PAGE, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_FIXED, i.fd, (off_t)(i.fd_offset + PAGE)),
			 (uint8_t *)i.va + PAGE);
	r.a = map(r.s, r.mem, &o);
	grant_some(&r);
	unmap(r.a);
	gone(&r);
}

static void test_mremap(void **state)
{
	struct rig r;
	void *to;

	up(&r, FL_MEM_ANON);
	grant_some(&r);
	to = mremap(r.a->va + MIB, MIB, 2 * MIB, MREMAP_MAYMOVE);
	assert_ptr_not_equal(to, MAP_FAILED);
	dead_until_unmapped(&r);
	assert_said("mremap took 0x");
	/* what moved is not watched: nobody waits for a watcher that is gone */
	gone(&r);
	assert_int_equal(madvise(to, MIB, MADV_DONTNEED), 0);
	munmap(to, 2 * MIB);
}

static void test_mapped_over(void **state)
{
	struct rig r;

	up(&r, FL_MEM_MEMFD);
	grant_some(&r);
	assert_ptr_equal(
		mmap(r.a->va, LEN, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		r.a->va);
	dead_until_unmapped(&r);
	gone(&r);
}

/* The library's own way goes through the same event. */
static void test_own_discard(void **state)
{
	struct rig r;

	up(&r, FL_MEM_ANON);
	memset(r.a->va, 1, LEN);
	grant_some(&r);
	assert_int_equal(fl_mem_discard(r.a, MIB, MIB), 0);
	assert_int_equal(r.a->va[MIB], 0);
	assert_int_equal(r.a->va[0], 1);
	assert_int_equal(area_stats(r.a).discards, 1);
	assert_false(is_dead(&r));
	rig_down(&r);
}

static void test_unmapped_is_not_watched(void **state)
{
	struct fl_mem_info i;
	struct rig r;

	up(&r, FL_MEM_MEMFD);
	fl_mem_info(r.mem, &i);
	unmap(r.a);
	assert_int_equal(madvise(i.va, LEN, MADV_DONTNEED), 0);
	gone(&r);
}

/* Pinned: no watch. Turned lazy: watched, and no more when it is turned back. */
static void test_follows_turns(void **state)
{
	struct rig r;

	up(&r, FL_MEM_MEMFD);
	assert_int_equal(fl_mem_convert(r.a, FL_PINNED), 0);
	assert_int_equal(madvise(r.a->va, PAGE, MADV_DONTNEED), 0);
	assert_int_equal(area_stats(r.a).invalidations, 0);
	assert_int_equal(fl_mem_convert(r.a, FL_LAZY), 0);
	grant_some(&r);
	assert_int_equal(madvise(r.a->va, PAGE, MADV_DONTNEED), 0);
	assert_int_equal(area_stats(r.a).invalidations, 1);
	assert_int_equal(area_stats(r.a).mapped_bytes, 0);
	rig_down(&r);
}

/* A child has the memory, not the watch: it gives up its own copy unhindered. */
static void test_fork(void **state)
{
	struct rig r;
	int status;
	pid_t pid;

	up(&r, FL_MEM_ANON);
	grant_some(&r);
	pid = fork();
	if (!pid) {
		alarm(10);
		_exit(madvise(r.a->va, LEN, MADV_DONTNEED) || munmap(r.a->va, LEN) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(area_stats(r.a).invalidations, 0);
	assert_false(is_dead(&r));
	rig_down(&r);
}

static void test_child_keeps_the_file(void **state)
{
	struct rig r;
	int wake[2], status;
	char c = 0;
	pid_t pid;

	up(&r, FL_MEM_MEMFD);
	assert_int_equal(pipe(wake), 0);
	pid = fork();
	if (!pid) { /* with a copy of the userfaultfd, and nobody who reads it */
		alarm(20);
		_exit(read(wake[0], &c, 1) == 1 ? 0 : 1);
	}
	rig_down(&r);
	assert_int_equal(write(wake[1], &c, 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(wake[0]);
	close(wake[1]);
}

/* Threads give up memory, one asks for it, one maps and unmaps: for TSan, and for deadlocks. */
struct crowd {
	struct rig *r;
	unsigned rounds;
};

static void *gives_up(void *arg)
{
	struct crowd *c = arg;

	for (unsigned i = 0; i < c->rounds; i++)
		if (madvise(c->r->a->va + i % 64 * PAGE, 4 * PAGE,
			    i & 1 ? MADV_DONTNEED : MADV_REMOVE))
			return (void *)1;
	return NULL;
}

static void *maps_and_unmaps(void *arg)
{
	struct fl_dma_opts o = { .residency = FL_LAZY };
	struct crowd *c = arg;

	for (unsigned i = 0; i < c->rounds / 4; i++) {
		struct fl_dma_area *a;
		struct fl_mem *m;

		if (fl_mem_alloc(MIB, NULL, &m))
			return (void *)1;
		if (fl_dma_map(c->r->s, m, &o, &a))
			return (void *)2;
		if (madvise(a->va, MIB, MADV_DONTNEED) || fl_dma_unmap(a))
			return (void *)3;
		fl_mem_free(m);
	}
	return NULL;
}

static void test_crowd(void **state)
{
	void *(*const what[])(void *) = { gives_up, gives_up, maps_and_unmaps };
	struct rig r;
	struct crowd c = { &r, 200 };
	pthread_t t[3];
	void *result;

	up(&r, FL_MEM_MEMFD);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, what[i], &c), 0);
	for (unsigned i = 0; i < 2000; i++)
		assert_int_equal(ask(r.dom, r.a, (i * 7 % 1024) * PAGE, W), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(t[i], &result), 0);
		assert_null(result);
	}
	/* all that was given up after the last request is gone */
	assert_int_equal(madvise(r.a->va, PAGE, MADV_DONTNEED), 0);
	assert_int_equal(area_stats(r.a).mapped_bytes, 0);
	rig_down(&r);
}

/* The device still holds a buffer: that window stays until it does no more, and no longer. */
static bool holding;

static bool holds(void *arg, fl_iova_t first, fl_iova_t last, uint64_t mark)
{
	const fl_iova_t *at = arg;

	return __atomic_load_n(&holding, __ATOMIC_RELAXED) && first.v <= at->v && at->v <= last.v;
}

static void test_in_flight(void **state)
{
	static const struct fl_dma_queue_ops ops = { .holds = holds };
	struct fl_dma_opts o = { .residency = FL_LAZY };
	struct fl_residency_opts ro = { .watch = true, .budget = 64 * MIB };
	struct fake d = fake_with(0, (1ull << 48) - 1);
	struct fl_dma_space *s = new_space();
	struct fl_dma_queue q = { 0 };
	struct fl_dma_domain *dom;
	struct fl_dma_area *a;
	struct fl_mem *mem;
	struct rig at = { .s = s };
	fl_iova_t held;

	watch_on(s);
	assert_int_equal(fl_dma_residency_set(s, &ro), 0);
	dom = add(s, &d);
	assert_int_equal(fl_mem_alloc(LEN, NULL, &mem), 0);
	at.a = a = map(s, mem, &o);
	held = fl_iova_add(a->iova, 5);
	assert_int_equal(fl_dma_queue_add(s, &q, &ops, &held, 0), 0);
	assert_int_equal(fl_dma_post(&q, a, held, 64), 0);
	assert_int_equal(fl_dma_post(&q, a, fl_iova_add(a->iova, LEN - 1), 1), 0);
	assert_int_equal(d.n, 2);
	fl_dma_enter(&q); /* what was posted is handed over */
	fl_dma_leave(&q);
	__atomic_store_n(&holding, true, __ATOMIC_RELAXED);

	assert_int_equal(madvise(a->va, LEN, MADV_DONTNEED), 0);
	assert_int_equal(area_stats(a).evict_busy >= 1, true);
	assert_said("while a device holds buffers in it");
	pthread_mutex_lock(&s->lock);
	assert_int_equal(d.n, 1);
	pthread_mutex_unlock(&s->lock);
	assert_int_equal(munmap(a->va + LEN - PAGE, PAGE), 0);
	assert_true(is_dead(&at));
	assert_int_equal(fl_dma_post(&q, a, fl_iova_add(a->iova, LEN - 1), 1), -EFAULT);

	__atomic_store_n(&holding, false, __ATOMIC_RELAXED);
	for (int i = 0; i < 2000 && area_stats(a).mapped_bytes; i++)
		usleep(1000);
	assert_int_equal(area_stats(a).mapped_bytes, 0);
	assert_int_equal(d.n, 0);
	fl_dma_queue_del(&q);
	unmap(a);
	fl_dma_domain_remove(dom, false);
	end(s);
	fl_mem_free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dontneed_anon),
		cmocka_unit_test(test_dontneed_memfd),
		cmocka_unit_test(test_remove_memfd),
		cmocka_unit_test(test_dontneed_hugetlb),
		cmocka_unit_test(test_file_on_disk),
		cmocka_unit_test(test_munmap),
		cmocka_unit_test(test_mremap),
		cmocka_unit_test(test_mapped_over),
		cmocka_unit_test(test_own_discard),
		cmocka_unit_test(test_unmapped_is_not_watched),
		cmocka_unit_test(test_follows_turns),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_child_keeps_the_file),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_in_flight),
	};

	alarm(100); /* who waits for an event that nobody reads waits for ever */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
