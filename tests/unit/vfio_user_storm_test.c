/* SPDX-License-Identifier: BSD-3-Clause */
/* Page requests, the client's side: when something goes wrong, or too fast, or away meanwhile. */
#include "page_rig.h"

/* ---- storms ------------------------------------------------------------------------------- */

struct storm {
	struct link *l;
	uint64_t iova;
	pthread_t thread;
	bool stop;
	unsigned answers;
};

/* Every answer is followed by the next request at once, with as many under way as there may be. */
static void *storm_main(void *arg)
{
	struct storm *s = arg;
	struct ask a[32];

	for (unsigned i = 0; i < 32; i++)
		a[i] = ask_for(s->iova, PAGE, i, FL_DMA_READ, FL_VU_PAGE_F_LAST);
	send_ask(s->l->s, a, 32);
	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		struct event e = next_within(s->l, 20);

		if (e.cmd != FL_VU_PAGE_RESPONSE)
			continue;
		__atomic_add_fetch(&s->answers, 1, __ATOMIC_RELAXED);
		send_ask(s->l->s, &a[e.resp.group], 1);
	}
	return NULL;
}

static void storm_start(struct storm *s, struct link *l, uint64_t iova)
{
	*s = (struct storm){ .l = l, .iova = iova };
	assert_int_equal(pthread_create(&s->thread, NULL, storm_main, s), 0);
}

static unsigned storm_end(struct storm *s)
{
	__atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
	pthread_join(s->thread, NULL);
	return s->answers;
}

static void open_second(struct fix *f)
{
	f->b.s = server_new();
	assert_int_equal(open_link(f, &f->b), 0);
	skip_to(&f->a, FL_VU_DMA_MAP);
	skip_to(&f->b, FL_VU_DMA_MAP);
}

/* Others are served as ever: faults of the other link, and calls that take the space's lock. */
static void others_go_on(struct fix *f)
{
	struct fl_mem_opts mo = { .kind = FL_MEM_MEMFD, .node = -1 };
	struct fl_dma_area *area;
	struct fl_mem *mem;

	assert_int_equal(fl_mem_alloc(PAGE, &mo, &mem), 0);
	for (unsigned i = 0; i < 50; i++) {
		struct event e;

		ask_page(&f->b, 2 * i, i, FL_DMA_READ);
		do
			e = next_within(&f->b, 500);
		while (e.cmd && e.cmd != FL_VU_PAGE_RESPONSE);
		assert_response(e, i, FL_VU_PAGE_SUCCESS);
		assert_int_equal(fl_dma_map(f->space, mem, NULL, &area), 0);
		assert_int_equal(fl_dma_unmap(area), 0);
	}
	fl_mem_free(mem);
}

/* Returns whether it came to a storm: a machine may be too slow for one. */
static bool storm(struct fix *f, uint64_t iova, unsigned most_a_ms, unsigned burst)
{
	struct storm s;
	uint64_t since;
	unsigned ms, n;

	start(f);
	open_second(f);
	since = fl_now_ns();
	storm_start(&s, &f->a, iova);
	others_go_on(f);
	do {
		usleep(1000);
		ms = (unsigned)((fl_now_ns() - since) / 1000000 + 1);
	} while (ms < 300 || (ms < 3000 && !stats(f).throttled));
	n = storm_end(&s);
	ms = (unsigned)((fl_now_ns() - since) / 1000000 + 1);
	assert_in_range(n, 1, burst + ms * most_a_ms + 32);
	assert_false(f->a.d->removed);
	assert_false(f->b.d->removed);
	return stats(f).throttled > 0 && n >= burst;
}

/* 64 answers are free, then one a millisecond. */
static void test_storm_of_invalid_requests(void **state)
{
	assert_true(storm(*state, IOVA + PAGES * PAGE, 1, 64));
	assert_true(stats(*state).invalid >= 64);
}

/* Of what could do no harm there may be fifty times as many. */
static void test_storm_of_spurious_requests(void **state)
{
	if (!storm(*state, IOVA, 50, 3200)) {
		print_message("this machine does not make 50 requests a millisecond\n");
		skip();
	}
	assert_true(stats(*state).spurious >= 3200);
}

/* What the same device asks for in earnest is not put off. */
static void test_storm_leaves_others_of_the_link(void **state)
{
	struct fix *f = *state;
	struct ask a[200];
	unsigned late = 0;

	f->a.s->caps = PAGE_REQUESTS("256");
	start(f);
	skip_to(&f->a, FL_VU_DMA_MAP);
	for (unsigned i = 0; i < 200; i++)
		a[i] = ask_for(IOVA - PAGE, PAGE, i, FL_DMA_READ, FL_VU_PAGE_F_LAST);
	send_ask(f->a.s, a, 200);
	ask_page(&f->a, 1, 1000, FL_DMA_READ);
	for (;; late++) {
		struct event e = next(&f->a);

		if (e.cmd == FL_VU_PAGE_GRANT) {
			assert_response(next(&f->a), 1000, FL_VU_PAGE_SUCCESS);
			break;
		}
		assert_int_equal(e.resp.code, FL_VU_PAGE_INVALID);
	}
	assert_in_range(late, 64, 190);
	/* and none is forgotten */
	for (; late < 200; late++)
		assert_int_equal(next(&f->a).resp.code, FL_VU_PAGE_INVALID);
	assert_quiet(&f->a);
}

/* ---- taking back -------------------------------------------------------------------------- */

static void grant_some(struct fix *f)
{
	start(f);
	assert_int_equal(fl_mem_prefault(f->area, 0, 16 * PAGE, FL_PREFAULT_WRITE), 0);
	skip_to(&f->a, FL_VU_PAGE_GRANT);
}

static void test_invalidation(void **state)
{
	struct fix *f = *state;

	needs_madvise();
	grant_some(f);
	assert_int_equal(fl_mem_revoke(f->area, 4 * PAGE, 2 * PAGE), 0);
	assert_range(next(&f->a), FL_VU_PAGE_INVALIDATE, 4, 2, 0);
	ask_page(&f->a, 5, 1, FL_DMA_WRITE);
	assert_range(next(&f->a), FL_VU_PAGE_GRANT, 5, 1, FL_DMA_RW);
	assert_response(next(&f->a), 1, FL_VU_PAGE_SUCCESS);
	memset(f->area->va, 1, 16 * PAGE);
	assert_int_equal(fl_mem_discard(f->area, 4 * PAGE, 2 * PAGE), 0);
	assert_range(next(&f->a), FL_VU_PAGE_INVALIDATE, 5, 1, 0);
	assert_int_equal(f->area->va[4 * PAGE], 0);
	assert_int_equal(f->area->va[6 * PAGE], 1);
}

/* It is the reply that counts, however long it takes. */
static void test_invalidation_late(void **state)
{
	struct fix *f = *state;
	uint64_t since;

	grant_some(f);
	f->a.s->invalidate = LATE;
	since = fl_now_ns();
	assert_int_equal(fl_mem_discard(f->area, 0, PAGE), 0);
	assert_true(fl_now_ns() - since > LATE_MS * 1000000ull);
	assert_false(f->a.d->removed);
}

/* Who does not say that it let go is no longer talked to; the memory is the process's again. */
static void not_given_up(struct fix *f, enum reply_how how, const char *why)
{
	needs_madvise();
	grant_some(f);
	f->a.s->invalidate = how;
	memset(f->area->va, 1, PAGE);
	assert_int_equal(fl_mem_discard(f->area, 0, PAGE), 0);
	assert_true(f->a.d->removed);
	assert_true(said(f, why));
	assert_int_equal(f->area->va[0], 0);
	assert_int_equal(stats(f).mapped_bytes, 0);
}

static void test_invalidation_missing(void **state)
{
	not_given_up(*state, NEVER, "no reply to command");
}

static void test_invalidation_refused(void **state)
{
	not_given_up(*state, REFUSED, "pages are not given up");
}

static void test_invalidation_of_wrong_size(void **state)
{
	not_given_up(*state, TOO_LONG, "a reply of 8 bytes");
}

static void test_invalidation_of_another(void **state)
{
	not_given_up(*state, OTHER_ID, "reply ");
}

/* What was granted and still waits to be sent comes before what takes it back. */
static void test_order_of_grant_and_invalidation(void **state)
{
	bool can[PAGES] = { false };
	struct fix *f = *state;
	unsigned answered = 0;

	start(f);
	skip_to(&f->a, FL_VU_DMA_MAP);
	for (unsigned i = 0; i < 300; i++) {
		ask_page(&f->a, i % 8, i, FL_DMA_WRITE);
		assert_int_equal(fl_mem_revoke(f->area, i % 8 * PAGE, PAGE), 0);
		while (answered <= i) {
			struct event e = next(&f->a);

			assert_int_not_equal(e.cmd, 0);
			if (e.cmd == FL_VU_PAGE_GRANT)
				can[(e.range.iova - IOVA) / PAGE] = true;
			else if (e.cmd == FL_VU_PAGE_INVALIDATE)
				can[(e.range.iova - IOVA) / PAGE] = false;
			else
				answered++;
		}
	}
	assert_int_equal(fl_mem_revoke(f->area, 0, PAGES * PAGE), 0);
	assert_false(f->a.d->removed);
	for (struct event e = next_within(&f->a, 30); e.cmd; e = next_within(&f->a, 30))
		for (uint64_t p = 0; p < e.range.len / PAGE; p++)
			can[(e.range.iova - IOVA) / PAGE + p] = e.cmd == FL_VU_PAGE_GRANT;
	for (unsigned i = 0; i < PAGES; i++)
		assert_false(can[i]);
}

/* ---- going away with faults pending ------------------------------------------------------- */

static void ask_three(struct fix *f)
{
	start(f);
	skip_to(&f->a, FL_VU_DMA_MAP);
	hold_faults(true);
	for (unsigned i = 0; i < 3; i++)
		ask_page(&f->a, i, i, FL_DMA_READ);
	wait_held();
}

static void test_server_dies(void **state)
{
	struct fix *f = *state;

	ask_three(f);
	hang_up(&f->a);
	while (!f->a.d->ops->dispatch(f->a.d))
		usleep(1000);
	hold_faults(false);
	assert_true(f->a.d->removed);
	close_client(&f->a);
	/* the space goes on: nothing is granted there any more */
	assert_int_equal(stats(f).mapped_bytes, 0);
	assert_int_equal(fl_mem_prefault(f->area, 0, PAGE, FL_PREFAULT_READ), 0);
}

static void test_area_unmapped(void **state)
{
	struct fix *f = *state;

	ask_three(f);
	assert_int_equal(fl_dma_unmap(f->area), 0);
	f->area = NULL;
	hold_faults(false);
	assert_int_equal(next(&f->a).cmd, FL_VU_DMA_UNMAP);
	for (unsigned i = 0; i < 3; i++)
		assert_response(next(&f->a), i, FL_VU_PAGE_INVALID);
	assert_int_equal(stats(f).invalid, 3);
	assert_false(f->a.d->removed);
}

static void test_service_stopped(void **state)
{
	struct fix *f = *state;
	pthread_t t;

	ask_three(f);
	assert_int_equal(pthread_create(&t, NULL, let_go_soon, NULL), 0);
	close_client(&f->a);
	pthread_join(t, NULL);
	/* the first may have been answered, the others were left */
	assert_int_equal(stats(f).mapped_bytes, 0);
}

static void test_released(void **state)
{
	struct fix *f = *state;
	pthread_t t;

	ask_three(f);
	assert_int_equal(pthread_create(&t, NULL, let_go_soon, NULL), 0);
	f->a.d->ops->release(f->a.d);
	pthread_join(t, NULL);
	assert_true(f->a.d->removed);
	assert_false(((struct fl_vu *)f->a.d)->serving);
	assert_int_equal(f->a.d->ops->dispatch(f->a.d), -ENODEV);
}

static void listen_at(struct server *s, const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	unlink(path);
	s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listen_fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(s->listen_fd, 1), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

/* What was granted is not any more, and what was asked is not answered to the one who comes next.
 */
static void test_reattach(void **state)
{
	const struct fl_residency_opts r = { .fault_around = 1 };
	struct fix *f = *state;
	char path[64];

	snprintf(path, sizeof(path), "/tmp/fl-page-%d.sock", (int)getpid());
	listen_at(f->a.s, path);
	assert_int_equal(fl_dma_residency_set(f->space, &r), 0);
	assert_int_equal(fl_vu_open(f->space, path, -1, true, &f->log, TIMEOUT_MS, &f->a.d), 0);
	map_lazy(f, FL_MEM_MEMFD, FL_DMA_RW);
	skip_to(&f->a, FL_VU_DMA_MAP);
	assert_int_equal(fl_mem_prefault(f->area, 0, PAGE, FL_PREFAULT_WRITE), 0);
	assert_int_equal(next(&f->a).cmd, FL_VU_PAGE_GRANT);
	assert_int_equal(stats(f).mapped_bytes, PAGE);
	f->a.s->on_reset = ask_in_reset;
	/* queued, in the midst of a call, and not resolved before the link is gone */
	assert_int_equal(f->a.d->ops->reset(f->a.d), 0);
	assert_int_equal(((struct fl_vu *)f->a.d)->pages.q.n, 1);
	assert_int_equal(f->a.d->ops->reattach(f->a.d), 0);
	assert_int_equal(stats(f).mapped_bytes, 0);
	skip_to(&f->a, FL_VU_DMA_MAP);
	assert_int_equal(f->a.d->ops->dispatch(f->a.d), 0);
	assert_quiet(&f->a);
	ask_page(&f->a, 0, 2, FL_DMA_WRITE);
	usleep(1000);
	assert_int_equal(f->a.d->ops->dispatch(f->a.d), 0);
	assert_range(next(&f->a), FL_VU_PAGE_GRANT, 0, 1, FL_DMA_RW);
	assert_response(next(&f->a), 2, FL_VU_PAGE_SUCCESS);
	unlink(path);
}

/* ---- all at once -------------------------------------------------------------------------- */

static void *turn_main(void *arg)
{
	struct storm *s = arg;
	struct fix *f = (void *)((char *)s->l - offsetof(struct fix, a));

	for (unsigned i = 0; !__atomic_load_n(&s->stop, __ATOMIC_RELAXED); i++) {
		uint64_t page = i * 37 % PAGES;

		must(!fl_mem_revoke(f->area, page * PAGE, PAGE), "a page cannot be revoked");
		must(!fl_mem_prefault(f->area, page * PAGE, PAGE, FL_PREFAULT_READ),
		     "a page cannot be granted");
		must(!f->a.d->ops->reset(f->a.d), "no reset");
		must(!f->a.d->ops->dispatch(f->a.d), "no dispatch");
	}
	return NULL;
}

/* The service, calls of the application and its dispatch at once; each request has its answer. */
static void test_threads(void **state)
{
	struct fix *f = *state;
	struct storm s = { .l = &f->a };
	uint64_t until;
	uint32_t i = 0;

	start(f);
	skip_to(&f->a, FL_VU_DMA_MAP);
	assert_int_equal(pthread_create(&s.thread, NULL, turn_main, &s), 0);
	for (until = fl_now_ns() + 400000000u; fl_now_ns() < until; i++) {
		struct event e;

		ask_page(&f->a, i % PAGES, i, i & 1 ? FL_DMA_READ : FL_DMA_WRITE);
		do
			e = next(&f->a);
		while (e.cmd && e.cmd != FL_VU_PAGE_RESPONSE);
		assert_response(e, i, FL_VU_PAGE_SUCCESS);
	}
	storm_end(&s);
	assert_false(f->a.d->removed);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_storm_of_invalid_requests),
		T(test_storm_of_spurious_requests),
		T(test_storm_leaves_others_of_the_link),
		T(test_invalidation),
		T(test_invalidation_late),
		T(test_invalidation_missing),
		T(test_invalidation_refused),
		T(test_invalidation_of_wrong_size),
		T(test_invalidation_of_another),
		T(test_order_of_grant_and_invalidation),
		T(test_server_dies),
		T(test_area_unmapped),
		T(test_service_stopped),
		T(test_released),
		T(test_reattach),
		T(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
