/* SPDX-License-Identifier: BSD-3-Clause */
/* Page requests, the client's side: what is agreed, asked and answered, and by whom. */
#include "page_rig.h"

/* ---- what is agreed ----------------------------------------------------------------------- */

static bool faults(struct link *l)
{
	struct fl_dma_limits lim;

	assert_int_equal(fl_vu_domain_ops.limits(l->d, &lim), 0);
	assert_int_equal(lim.faults, l->d->faults);
	assert_false(lim.resolves);
	return lim.faults;
}

static void test_negotiated(void **state)
{
	struct fix *f = *state;

	assert_int_equal(open_link(f, &f->a), 0);
	assert_true(faults(&f->a));
	assert_int_equal(((struct fl_vu *)f->a.d)->pages.max, 64);
}

static void test_negotiation_absent(void **state)
{
	struct fix *f = *state;
	struct ask a = ask_for(IOVA, PAGE, 1, FL_DMA_READ, FL_VU_PAGE_F_LAST);

	f->a.s->caps = "";
	assert_int_equal(open_link(f, &f->a), 0);
	assert_false(faults(&f->a));
	/* who asks all the same is not heard, and told so where it wants to know */
	a.h.flags = 0;
	send_ask(f->a.s, &a, 1);
	assert_int_equal(f->a.d->ops->dispatch(f->a.d), 0);
	a.h = (struct fl_vu_hdr){ 0 };
	get_asked(f->a.s, &a.h, sizeof(a.h));
	assert_int_equal(a.h.flags, FL_VU_REPLY | FL_VU_F_ERROR);
	assert_int_equal(a.h.error, ENOSYS);
}

static void test_negotiation_more_than_ours(void **state)
{
	struct fix *f = *state;

	f->a.s->caps = PAGE_REQUESTS("18446744073709551615");
	assert_int_equal(open_link(f, &f->a), 0);
	assert_int_equal(((struct fl_vu *)f->a.d)->pages.max, FL_VU_GROUPS);
}

static void test_negotiation_odd(void **state)
{
	static const char *const odd[] = { PAGE_REQUESTS("0"), PAGE_REQUESTS("-1"),
					   PAGE_REQUESTS("true"), ",\"x_page_requests\":{}",
					   ",\"x_page_requests\":4" };
	struct fix *f = *state;

	for (unsigned i = 0; i < FL_ARRAY_SIZE(odd); i++) {
		f->a.s->caps = odd[i];
		assert_int_equal(open_link(f, &f->a), -EPROTO);
		f->a.d = NULL;
		server_end(f->a.s);
		f->a.s = server_new();
	}
	assert_int_equal(open_link(f, &f->a), 0);
}

static void test_negotiation_other_pages(void **state)
{
	struct fix *f = *state;

	f->a.s->caps = PAGE_REQUESTS("8") ",\"pgsizes\":65536";
	assert_int_equal(open_link(f, &f->a), 0);
	assert_false(faults(&f->a));
}

/* ---- asking and answering ----------------------------------------------------------------- */

static void test_announce(void **state)
{
	struct fix *f = *state;
	struct event e;

	assert_int_equal(open_link(f, &f->a), 0);
	assert_false(((struct fl_vu *)f->a.d)->serving);
	map_lazy(f, FL_MEM_MEMFD, FL_DMA_READ);
	do
		e = next(&f->a);
	while (e.cmd && e.cmd != FL_VU_DMA_MAP);
	assert_int_equal(e.map.flags, FL_VU_DMA_F_LAZY | FL_VU_DMA_F_READ);
	assert_int_equal(e.map.iova, IOVA);
	assert_int_equal(e.map.size, PAGES * PAGE);
	assert_true(e.fd);
	assert_true(((struct fl_vu *)f->a.d)->serving);
	assert_quiet(&f->a);
}

static void grant_and_answer(struct fix *f)
{
	start(f);
	skip_to(&f->a, FL_VU_DMA_MAP);
	ask_page(&f->a, 5, 77, FL_DMA_READ);
	assert_range(next(&f->a), FL_VU_PAGE_GRANT, 5, 1, FL_DMA_READ);
	assert_response(next(&f->a), 77, FL_VU_PAGE_SUCCESS);
	/* the number is free again; the page is written to now */
	ask_page(&f->a, 5, 77, FL_DMA_WRITE);
	assert_range(next(&f->a), FL_VU_PAGE_GRANT, 5, 1, FL_DMA_RW);
	assert_response(next(&f->a), 77, FL_VU_PAGE_SUCCESS);
	/* and now it is there */
	ask_page(&f->a, 5, 78, FL_DMA_RW);
	assert_response(next(&f->a), 78, FL_VU_PAGE_SUCCESS);
	assert_int_equal(stats(f).spurious, 1);
	assert_int_equal(stats(f).upgrades, 1);
	assert_int_equal(stats(f).invalid + stats(f).throttled, 0);
	assert_false(f->a.d->removed);
}

static void test_grant_and_answer(void **state)
{
	grant_and_answer(*state);
}

static void test_grant_and_answer_one_socket(void **state)
{
	struct fix *f = *state;

	f->a.s->twin = false;
	grant_and_answer(f);
}

/* Memory without a file is announced as well, and then reached by message. */
static void test_area_without_fd(void **state)
{
	struct {
		struct fl_vu_hdr h;
		struct fl_vu_dma_access a;
		uint64_t data;
	} rd = { { 9, FL_VU_DMA_READ, 32, 0, 0 }, { IOVA + 5 * PAGE, 8 }, 0 };
	struct fix *f = *state;
	struct event e;

	assert_int_equal(open_link(f, &f->a), 0);
	map_lazy(f, FL_MEM_ANON, FL_DMA_RW);
	do
		e = next(&f->a);
	while (e.cmd && e.cmd != FL_VU_DMA_MAP);
	assert_int_equal(e.map.flags, FL_VU_DMA_F_LAZY | FL_DMA_RW);
	assert_false(e.fd);
	memcpy(f->area->va + 5 * PAGE, "a secret", 8);
	/* takes the link's lock, as the service does: orders our stores for the sanitizer too */
	assert_int_equal(f->a.d->ops->dispatch(f->a.d), 0);
	ask_page(&f->a, 5, 1, FL_DMA_READ);
	assert_int_equal(next(&f->a).cmd, FL_VU_PAGE_GRANT);
	assert_response(next(&f->a), 1, FL_VU_PAGE_SUCCESS);
	put_asked(f->a.s, &rd, 32);
	get_asked(f->a.s, &rd, sizeof(rd));
	assert_memory_equal(&rd.data, "a secret", 8);
}

static void test_group(void **state)
{
	struct fix *f = *state;
	struct ask a[4] = {
		ask_for(IOVA, PAGE, 9, FL_DMA_READ, 0),
		ask_for(IOVA + 1024 * PAGE, PAGE, 9, FL_DMA_WRITE, 0),
		ask_for(IOVA + 2047 * PAGE, 8 * PAGE, 9, FL_DMA_READ, FL_VU_PAGE_F_LAST),
		ask_for(IOVA + 512 * PAGE, PAGE, 10, FL_DMA_READ, FL_VU_PAGE_F_LAST),
	};

	start(f);
	skip_to(&f->a, FL_VU_DMA_MAP);
	send_ask(f->a.s, a, 2);
	assert_range(next(&f->a), FL_VU_PAGE_GRANT, 0, 1, FL_DMA_READ);
	assert_range(next(&f->a), FL_VU_PAGE_GRANT, 1024, 1, FL_DMA_RW);
	assert_quiet(&f->a);
	/* another one overtakes it */
	send_ask(f->a.s, &a[3], 1);
	assert_range(next(&f->a), FL_VU_PAGE_GRANT, 512, 1, FL_DMA_READ);
	assert_response(next(&f->a), 10, FL_VU_PAGE_SUCCESS);
	send_ask(f->a.s, &a[2], 1);
	assert_range(next(&f->a), FL_VU_PAGE_GRANT, 2047, 1, FL_DMA_READ);
	assert_response(next(&f->a), 9, FL_VU_PAGE_SUCCESS);
}

static void test_worst_code(void **state)
{
	struct fix *f = *state;
	struct ask a[3] = {
		ask_for(IOVA, PAGE, 9, FL_DMA_READ, 0),
		ask_for(IOVA - PAGE, PAGE, 9, FL_DMA_READ, 0),
		ask_for(IOVA + 5 * PAGE, PAGE, 9, FL_DMA_READ, FL_VU_PAGE_F_LAST),
	};

	start(f);
	skip_to(&f->a, FL_VU_DMA_MAP);
	send_ask(f->a.s, a, 3);
	assert_range(next(&f->a), FL_VU_PAGE_GRANT, 0, 1, FL_DMA_READ);
	assert_range(next(&f->a), FL_VU_PAGE_GRANT, 5, 1, FL_DMA_READ);
	assert_response(next(&f->a), 9, FL_VU_PAGE_INVALID);
}

static void test_out_of_area(void **state)
{
	struct fix *f = *state;

	start(f);
	skip_to(&f->a, FL_VU_DMA_MAP);
	ask_page(&f->a, PAGES, 1, FL_DMA_READ);
	assert_response(next(&f->a), 1, FL_VU_PAGE_INVALID);
	ask_page(&f->a, (uint64_t)-1, 2, FL_DMA_WRITE);
	assert_response(next(&f->a), 2, FL_VU_PAGE_INVALID);
	assert_int_equal(stats(f).invalid, 2);
	ask_page(&f->a, 0, 3, FL_DMA_READ);
	assert_int_equal(next(&f->a).cmd, FL_VU_PAGE_GRANT);
	assert_response(next(&f->a), 3, FL_VU_PAGE_SUCCESS);
}

static void test_permission_violation(void **state)
{
	struct fix *f = *state;

	assert_int_equal(open_link(f, &f->a), 0);
	map_lazy(f, FL_MEM_MEMFD, FL_DMA_READ);
	skip_to(&f->a, FL_VU_DMA_MAP);
	ask_page(&f->a, 0, 1, FL_DMA_WRITE);
	assert_response(next(&f->a), 1, FL_VU_PAGE_INVALID);
	ask_page(&f->a, 0, 2, FL_DMA_RW);
	assert_response(next(&f->a), 2, FL_VU_PAGE_INVALID);
	assert_int_equal(stats(f).denied, 2);
	assert_int_equal(stats(f).mapped_bytes, 0);
}

static void test_prefault(void **state)
{
	struct fix *f = *state;

	start(f);
	skip_to(&f->a, FL_VU_DMA_MAP);
	assert_int_equal(fl_mem_prefault(f->area, 8 * PAGE, 16 * PAGE, FL_PREFAULT_WRITE), 0);
	assert_range(next(&f->a), FL_VU_PAGE_GRANT, 8, 16, FL_DMA_RW);
	ask_page(&f->a, 9, 1, FL_DMA_WRITE);
	assert_response(next(&f->a), 1, FL_VU_PAGE_SUCCESS);
	assert_int_equal(stats(f).spurious, 1);
}

static void test_convert(void **state)
{
	struct fix *f = *state;
	struct event e;

	start(f);
	skip_to(&f->a, FL_VU_DMA_MAP);
	assert_int_equal(fl_mem_convert(f->area, FL_PINNED), 0);
	e = next(&f->a);
	assert_range(e, FL_VU_AREA_CONVERT, 0, PAGES, FL_DMA_RW);
	assert_int_equal(e.range.flags, 0);
	/* what was asked before, and comes only now */
	ask_page(&f->a, 3, 1, FL_DMA_WRITE);
	assert_response(next(&f->a), 1, FL_VU_PAGE_SUCCESS);
	assert_int_equal(fl_mem_convert(f->area, FL_LAZY), 0);
	e = next(&f->a);
	assert_range(e, FL_VU_AREA_CONVERT, 0, PAGES, FL_DMA_RW);
	assert_int_equal(e.range.flags, FL_VU_DMA_F_LAZY);
	ask_page(&f->a, 3, 1, FL_DMA_WRITE);
	assert_range(next(&f->a), FL_VU_PAGE_GRANT, 3, 1, FL_DMA_RW);
	assert_response(next(&f->a), 1, FL_VU_PAGE_SUCCESS);
}

/* As many as there may be, in one write, and then byte by byte. */
static void test_many_at_once(void **state)
{
	struct fix *f = *state;
	struct ask a[FL_VU_GROUPS];
	uint8_t seen[FL_VU_GROUPS] = { 0 };

	f->a.s->caps = PAGE_REQUESTS("256");
	start(f);
	skip_to(&f->a, FL_VU_DMA_MAP);
	for (unsigned i = 0; i < FL_VU_GROUPS; i++)
		a[i] = ask_for(IOVA + 2 * i * PAGE, PAGE, i, FL_DMA_READ, FL_VU_PAGE_F_LAST);
	send_ask(f->a.s, a, FL_VU_GROUPS);
	for (unsigned grants = 0, answers = 0; answers < FL_VU_GROUPS;) {
		struct event e = next(&f->a);

		if (e.cmd == FL_VU_PAGE_GRANT) {
			grants++;
			continue;
		}
		assert_int_equal(e.cmd, FL_VU_PAGE_RESPONSE);
		assert_true(++answers <= grants);
		assert_int_equal(e.resp.code, FL_VU_PAGE_SUCCESS);
		assert_int_equal(seen[e.resp.group]++, 0);
	}
	a[0] = ask_for(IOVA + PAGE, PAGE, 0, FL_DMA_READ, FL_VU_PAGE_F_LAST);
	for (unsigned i = 0; i < sizeof(a[0]); i++) {
		put_asked(f->a.s, (uint8_t *)a + i, 1);
		usleep(i % 3 ? 0 : 500);
	}
	assert_range(next(&f->a), FL_VU_PAGE_GRANT, 1, 1, FL_DMA_READ);
	assert_response(next(&f->a), 0, FL_VU_PAGE_SUCCESS);
}

/* ---- who answers -------------------------------------------------------------------------- */

static void test_polled(void **state)
{
	struct fix *f = *state;
	struct pollfd pfd;

	f->polls = true;
	start(f);
	skip_to(&f->a, FL_VU_DMA_MAP);
	assert_false(((struct fl_vu *)f->a.d)->serving);
	pfd = (struct pollfd){ f->a.d->ops->event_fd(f->a.d), POLLIN, 0 };
	assert_int_equal(poll(&pfd, 1, 0), 0);
	ask_page(&f->a, 3, 1, FL_DMA_WRITE);
	assert_quiet(&f->a);
	assert_int_equal(poll(&pfd, 1, 1000), 1);
	assert_int_equal(f->a.d->ops->dispatch(f->a.d), 0);
	assert_range(next(&f->a), FL_VU_PAGE_GRANT, 3, 1, FL_DMA_RW);
	assert_response(next(&f->a), 1, FL_VU_PAGE_SUCCESS);
	for (unsigned i = 0; i < 100 && poll(&pfd, 1, 0); i++)
		assert_int_equal(f->a.d->ops->dispatch(f->a.d), 0);
	/* nothing is left to do, so nobody is woken for it */
	assert_int_equal(poll(&pfd, 1, 0), 0);
}

/* Who waits for a reply holds the link: he queues what is asked, and another one is woken for it.
 */
static void test_request_during_a_call(void **state)
{
	struct fix *f = *state;

	f->a.s->on_reset = ask_in_reset;
	start(f);
	assert_int_equal(f->a.d->ops->reset(f->a.d), 0);
	skip_to(&f->a, FL_VU_DEVICE_RESET);
	assert_range(next(&f->a), FL_VU_PAGE_GRANT, 7, 1, FL_DMA_READ);
	assert_response(next(&f->a), 3, FL_VU_PAGE_SUCCESS);
}

static void test_request_during_a_call_polled(void **state)
{
	struct fix *f = *state;
	struct pollfd pfd;

	f->polls = true;
	f->a.s->on_reset = ask_in_reset;
	start(f);
	assert_int_equal(f->a.d->ops->reset(f->a.d), 0);
	skip_to(&f->a, FL_VU_DEVICE_RESET);
	assert_quiet(&f->a);
	/* the socket is empty, and yet there is something to do */
	pfd = (struct pollfd){ f->a.d->ops->event_fd(f->a.d), POLLIN, 0 };
	assert_int_equal(poll(&pfd, 1, 1000), 1);
	assert_int_equal(f->a.d->ops->dispatch(f->a.d), 0);
	assert_range(next(&f->a), FL_VU_PAGE_GRANT, 7, 1, FL_DMA_READ);
	assert_response(next(&f->a), 3, FL_VU_PAGE_SUCCESS);
}

/* Memory that a device is going to write to is brought in behind the answer. */
static void test_ahead_when_idle(void **state)
{
	const struct fl_residency_opts r = { .fault_around = 512 };
	unsigned char there[PAGES];
	struct fix *f = *state;
	unsigned n = 0;

	needs_madvise();
	assert_int_equal(open_link(f, &f->a), 0);
	map_lazy(f, FL_MEM_MEMFD, FL_DMA_RW);
	assert_int_equal(fl_dma_residency_set(f->space, &r), 0);
	skip_to(&f->a, FL_VU_DMA_MAP);
	ask_page(&f->a, 100, 1, FL_DMA_WRITE);
	assert_range(next(&f->a), FL_VU_PAGE_GRANT, 0, 512, FL_DMA_RW);
	assert_response(next(&f->a), 1, FL_VU_PAGE_SUCCESS);
	for (unsigned i = 0; i < 2000 && n < 512; i++) {
		usleep(1000);
		assert_int_equal(mincore(f->area->va, PAGES * PAGE, there), 0);
		for (n = 0; n < PAGES && there[n] & 1; n++)
			;
	}
	assert_int_equal(n, 512);
}

/* ---- a server that breaks the rules ------------------------------------------------------- */

static void cut_off(struct fix *f, const struct ask *a, unsigned n, const char *why)
{
	send_ask(f->a.s, a, n);
	wait_down(&f->a);
	assert_true(said(f, why));
}

static void test_duplicate_group(void **state)
{
	struct fix *f = *state;
	struct ask a[2] = {
		ask_for(IOVA, PAGE, 4, FL_DMA_READ, FL_VU_PAGE_F_LAST),
		ask_for(IOVA + PAGE, PAGE, 4, FL_DMA_READ, FL_VU_PAGE_F_LAST),
	};

	start(f);
	cut_off(f, a, 2, "group 4, which is not answered yet");
}

static void test_group_never_closed(void **state)
{
	struct fix *f = *state;
	struct ask a[65];

	start(f);
	for (unsigned i = 0; i < 65; i++)
		a[i] = ask_for(IOVA + i * PAGE, PAGE, 1000 + i, FL_DMA_READ, 0);
	send_ask(f->a.s, a, 64);
	skip_to(&f->a, FL_VU_DMA_MAP);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(next(&f->a).cmd, FL_VU_PAGE_GRANT);
	assert_quiet(&f->a);
	cut_off(f, &a[64], 1, "more than the 64 groups");
}

static void test_group_too_long(void **state)
{
	struct fix *f = *state;
	struct ask a[FL_VU_GROUP_REQUESTS + 1];

	start(f);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(a); i++)
		a[i] = ask_for(IOVA, PAGE, 1, FL_DMA_READ, 0);
	cut_off(f, a, FL_ARRAY_SIZE(a), "more than 16 requests");
}

static void test_queue_full(void **state)
{
	struct fix *f = *state;
	struct ask a[65];

	start(f);
	hold_faults(true);
	for (unsigned i = 0; i < 65; i++)
		a[i] = ask_for(IOVA + i * PAGE, PAGE, i, FL_DMA_READ, FL_VU_PAGE_F_LAST);
	/* one is being resolved, the others wait */
	send_ask(f->a.s, a, 1);
	wait_held();
	send_ask(f->a.s, &a[1], 63);
	usleep(10000);
	assert_int_equal(f->a.d->ops->dispatch(f->a.d), 0);
	assert_false(f->a.d->removed);
	send_ask(f->a.s, &a[64], 1);
	usleep(10000);
	assert_int_equal(f->a.d->ops->dispatch(f->a.d), -ENODEV);
	hold_faults(false);
	assert_true(said(f, "more than the 64 groups"));
}

static void test_nonsense(void **state)
{
	struct fix *f = *state;
	struct ask good = ask_for(IOVA, PAGE, 1, FL_DMA_READ, FL_VU_PAGE_F_LAST), bad[10];
	unsigned n = 0;

	bad[n] = good, bad[n++].r.len = 0;
	bad[n] = good, bad[n++].r.len = PAGE - 1;
	bad[n] = good, bad[n++].r.iova++;
	bad[n] = good, bad[n].r.iova = -PAGE, bad[n++].r.len = 2 * PAGE;
	bad[n] = good, bad[n++].r.prot = 0;
	bad[n] = good, bad[n++].r.prot = 4;
	bad[n] = good, bad[n++].r.flags = 2;
	bad[n] = good, bad[n++].h.size--;
	bad[n] = good, bad[n++].h.flags = FL_VU_COMMAND;
	bad[n] = good, bad[n++].h.flags = FL_VU_REPLY;
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(open_link(f, &f->a), 0);
		send_ask(f->a.s, &good, 1);
		send_ask(f->a.s, &bad[i], 1);
		for (unsigned k = 0; k < 1000 && !f->a.d->ops->dispatch(f->a.d); k++)
			usleep(100);
		assert_true(f->a.d->removed);
		close_client(&f->a);
		server_end(f->a.s);
		f->a = (struct link){ .s = server_new() };
	}
	assert_int_equal(open_link(f, &f->a), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_negotiated),
		T(test_negotiation_absent),
		T(test_negotiation_more_than_ours),
		T(test_negotiation_odd),
		T(test_negotiation_other_pages),
		T(test_announce),
		T(test_grant_and_answer),
		T(test_grant_and_answer_one_socket),
		T(test_area_without_fd),
		T(test_group),
		T(test_worst_code),
		T(test_out_of_area),
		T(test_permission_violation),
		T(test_prefault),
		T(test_convert),
		T(test_many_at_once),
		T(test_polled),
		T(test_request_during_a_call),
		T(test_request_during_a_call_polled),
		T(test_ahead_when_idle),
		T(test_duplicate_group),
		T(test_group_never_closed),
		T(test_group_too_long),
		T(test_queue_full),
		T(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
