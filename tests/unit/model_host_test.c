/* SPDX-License-Identifier: BSD-3-Clause */
/* A model whose client is the program around it, which the test plays: its memory, its answers. */
#include "model_page_rig.h"

#define PAGES 64u
#define ASKS  8u

enum { GONE, ABSENT, READABLE, WRITABLE, BY_COPY };

struct host {
	struct fl_engine *e;
	struct fl_model *m;
	struct dev *d;
	struct fl_model_stats st;
	uint64_t now;
	uint8_t mem[PAGES * PG];
	uint8_t page[PAGES]; /* of the IOVAs from AREA on */
	unsigned run;	     /* pages that one translation tells of */
	unsigned translated, copied, asked, raised, vec;
	struct {
		uint32_t id;
		uint64_t page;
		unsigned prot;
	} ask[64];
	int refuse; /* what page_request() says */
};

static unsigned page_of(uint64_t iova)
{
	return iova < AREA || iova >= AREA + PAGES * PG ? PAGES : (unsigned)((iova - AREA) / PG);
}

static int translate(void *arg, uint64_t iova, unsigned prot, struct fl_model_run *run)
{
	struct host *h = arg;
	unsigned i = page_of(iova), n;

	h->translated++;
	if (i == PAGES || h->page[i] == GONE)
		return -EFAULT;
	if (h->page[i] == BY_COPY)
		return -ENOTSUP;
	if (h->page[i] == ABSENT || (prot & FL_DMA_WRITE && h->page[i] == READABLE))
		return -EAGAIN;
	for (n = 1; n < h->run && i + n < PAGES && h->page[i + n] == h->page[i]; n++)
		;
	*run = (struct fl_model_run){ AREA + i * PG, AREA + (i + n) * PG - 1, h->mem + i * PG,
				      h->page[i] == READABLE ? FL_DMA_READ : FL_DMA_RW };
	return 0;
}

static int copy(void *arg, uint64_t iova, void *buf, uint32_t len, bool write)
{
	struct host *h = arg;

	h->copied++;
	if (page_of(iova) == PAGES || page_of(iova + len - 1) == PAGES)
		return -EFAULT;
	if (write)
		memcpy(h->mem + (iova - AREA), buf, len);
	else
		memcpy(buf, h->mem + (iova - AREA), len);
	return 0;
}

static int page_request(void *arg, uint32_t id, uint64_t iova, unsigned prot)
{
	struct host *h = arg;

	if (h->refuse)
		return h->refuse;
	assert_int_equal(iova % PG, 0);
	h->ask[h->asked].id = id;
	h->ask[h->asked].page = page_of(iova);
	h->ask[h->asked++].prot = prot;
	return 0;
}

static void interrupt(void *arg, unsigned index, unsigned vec)
{
	struct host *h = arg;

	assert_int_equal(index, FL_VFIO_IRQ_MSI);
	h->raised++;
	h->vec = vec;
}

static const struct fl_model_host_ops host_ops = { translate, copy, page_request, interrupt };

static void round_of(struct host *h)
{
	fl_engine_round(h->e, h->now += 1000);
	fl_model_stats(h->m, &h->st);
}

static struct job *work(struct host *h, unsigned n, unsigned page, uint32_t len, unsigned prot)
{
	struct job *j = &h->d->job[n];

	*j = (struct job){ JOB_NEW, AREA + page * PG, len, prot, .value = (uint8_t)(n + 1) };
	return j;
}

static void answer(struct host *h, unsigned ask, unsigned state, enum fl_model_pr_state code)
{
	h->page[h->ask[ask].page] = (uint8_t)state;
	assert_true(fl_model_host_answered(h->m, h->ask[ask].id, code));
	round_of(h);
}

/* Pages go as a host has them go: first out of the device, then out of memory. */
static void take_away(struct host *h, unsigned page, unsigned n)
{
	fl_model_host_invalidate(h->m, AREA + page * PG, AREA + (page + n) * PG - 1);
	memset(h->page + page, ABSENT, n);
}

static int setup(void **state)
{
	static const struct fl_log log = { .write = keep_log, .level = FL_LOG_INFO };
	const struct fl_engine_opts o = { .log = &log, .cpu = -1 };
	struct host *h = calloc(1, sizeof(*h));

	h->run = 1;
	memset(h->page, ABSENT, sizeof(h->page));
	for (unsigned i = 0; i < PAGES; i++)
		h->mem[i * PG] = (uint8_t)(0x80 + i);
	assert_int_equal(fl_engine_new(&o, false, &h->e), 0);
	assert_int_equal(fl_engine_add_ops(h->e, &dev_ops, NULL, NULL, -1, 0, &h->m), 0);
	assert_int_equal(fl_host_adopt(h->m, &host_ops, h, ASKS), 0);
	h->d = h->m->state;
	fl_model_host_master(h->m, true);
	h->d->quiesced = 0;
	*state = h;
	return 0;
}

static int teardown(void **state)
{
	struct host *h = *state;

	fl_engine_remove(h->e, h->m);
	fl_engine_destroy(h->e);
	free(h);
	return 0;
}

/* ---- as it should go -------------------------------------------------------------------- */

static void test_asks_waits_and_goes_on(void **state)
{
	struct host *h = *state;
	struct job *j = work(h, 0, 3, 2 * PG, FL_DMA_READ), *other = work(h, 1, 9, 1, FL_DMA_READ);

	h->page[9] = READABLE;
	round_of(h);
	assert_int_equal(j->state, JOB_PARKED);
	assert_int_equal(other->state, JOB_DONE); /* not held up */
	assert_int_equal(other->value, 0x89);
	assert_int_equal(h->asked, 1);
	assert_int_equal(h->ask[0].page, 3);
	assert_int_equal(h->ask[0].prot, FL_DMA_READ);
	round_of(h);
	assert_int_equal(h->asked, 1);
	answer(h, 0, READABLE, FL_PR_SUCCESS);
	assert_int_equal(h->asked, 2); /* one page of the two */
	assert_int_equal(h->ask[1].page, 4);
	answer(h, 1, READABLE, FL_PR_SUCCESS);
	assert_int_equal(j->state, JOB_DONE);
	assert_int_equal(j->value, 0x83);
	assert_int_equal(h->st.pr_sent, 2);
	assert_int_equal(h->st.pr_success, 2);
	assert_int_equal(h->st.dma_faults, 0);
}

static void test_translates_once(void **state)
{
	struct host *h = *state;

	memset(h->page, WRITABLE, PAGES);
	h->run = 16;
	for (unsigned i = 0; i < 16; i++)
		work(h, i, i, PG, FL_DMA_READ);
	round_of(h);
	assert_int_equal(h->translated, 1);
	/* an access across two translations, of memory that is in one piece */
	work(h, 0, 15, 2 * PG, FL_DMA_WRITE);
	round_of(h);
	assert_int_equal(h->d->job[0].state, JOB_DONE);
	assert_int_equal(h->mem[15 * PG], 1);
	assert_int_equal(h->mem[17 * PG - 1], 1);
	assert_int_equal(h->translated, 2);
}

static void test_reading_says_nothing_of_writing(void **state)
{
	struct host *h = *state;

	h->page[0] = READABLE;
	work(h, 0, 0, 1, FL_DMA_READ);
	work(h, 1, 0, 1, FL_DMA_WRITE);
	round_of(h);
	assert_int_equal(h->d->job[0].state, JOB_DONE);
	assert_int_equal(h->d->job[1].state, JOB_PARKED);
	assert_int_equal(h->ask[0].prot, FL_DMA_WRITE);
	assert_int_equal(h->mem[0], 0x80);
	answer(h, 0, WRITABLE, FL_PR_SUCCESS);
	assert_int_equal(h->d->job[1].state, JOB_DONE);
	assert_int_equal(h->mem[0], 2);
	work(h, 2, 0, 1, FL_DMA_READ);
	round_of(h);
	assert_int_equal(h->d->job[2].value, 2);
	assert_int_equal(h->asked, 1);
}

static void test_two_want_the_same_page(void **state)
{
	struct host *h = *state;

	work(h, 0, 5, 1, FL_DMA_READ);
	work(h, 1, 5, 7, FL_DMA_READ);
	round_of(h);
	assert_int_equal(h->asked, 1);
	answer(h, 0, READABLE, FL_PR_SUCCESS);
	assert_int_equal(h->d->job[0].state, JOB_DONE);
	assert_int_equal(h->d->job[1].state, JOB_DONE);
}

static void test_what_is_to_be_copied(void **state)
{
	struct host *h = *state;

	memset(h->page, BY_COPY, PAGES);
	work(h, 0, 2, 2 * PG, FL_DMA_WRITE);
	work(h, 1, 7, 1, FL_DMA_READ);
	round_of(h);
	assert_int_equal(h->d->job[0].state, JOB_DONE);
	assert_int_equal(h->mem[4 * PG - 1], 1);
	assert_int_equal(h->d->job[1].value, 0x87);
	assert_int_equal(h->copied, 2);
	assert_int_equal(h->asked, 0);
	assert_int_equal(h->m->mmu.n, 0); /* nothing that an invalidation would have to end */
	work(h, 2, PAGES - 1, 2 * PG, FL_DMA_READ);
	round_of(h);
	assert_int_equal(h->d->job[2].state, JOB_FAULT);
	assert_int_equal(h->st.dma_faults, 1);
}

static void test_interrupts(void **state)
{
	struct host *h = *state;

	fl_model_msi(h->m, 0); /* this device has none */
	assert_int_equal(h->raised, 0);
	h->m->irq.index[FL_VFIO_IRQ_MSI].count = 4;
	fl_model_msi(h->m, 3);
	fl_model_msi(h->m, 4);
	assert_int_equal(h->raised, 1);
	assert_int_equal(h->vec, 3);
	h->m->irq.index[FL_VFIO_IRQ_MSI].count = 0;
}

/* ---- what goes ---------------------------------------------------------------------------- */

static void in_use(void *arg)
{
	struct host *h = arg;

	/* still there while the device lets go */
	assert_int_equal(h->page[6], WRITABLE);
}

static void test_invalidation(void **state)
{
	struct host *h = *state;
	struct job *j = work(h, 0, 6, 2 * PG, FL_DMA_WRITE);

	h->d->in_quiesce = in_use;
	h->d->arg = h;
	h->page[6] = WRITABLE;
	round_of(h);
	assert_int_equal(j->state, JOB_PARKED); /* it has the first page, and waits for the other */
	take_away(h, 6, 1);
	assert_int_equal(h->d->quiesced, 1);
	answer(h, 0, WRITABLE, FL_PR_SUCCESS);
	assert_int_equal(j->state, JOB_PARKED); /* the first was taken meanwhile */
	assert_int_equal(h->ask[1].page, 6);
	h->mem[6 * PG] = 0x86; /* what was copied of it went with it */
	answer(h, 1, WRITABLE, FL_PR_SUCCESS);
	assert_int_equal(j->state, JOB_DONE);
	assert_int_equal(h->mem[6 * PG], 1);
	/* what the device has never had costs nothing */
	take_away(h, 20, 8);
	assert_int_equal(h->d->quiesced, 1);
	fl_model_host_invalidate(h->m, 0, UINT64_MAX);
	assert_int_equal(h->d->quiesced, 2);
	assert_int_equal(h->m->mmu.n, 0);
}

static void test_invalidation_of_a_part(void **state)
{
	struct host *h = *state;

	memset(h->page, WRITABLE, PAGES);
	h->run = PAGES;
	work(h, 0, 0, 1, FL_DMA_READ);
	round_of(h);
	assert_int_equal(h->m->mmu.n, 1);
	take_away(h, 10, 1);
	h->run = 4;
	work(h, 0, 0, 1, FL_DMA_READ);
	work(h, 1, 10, 1, FL_DMA_READ);
	round_of(h);
	assert_int_equal(h->d->job[0].state, JOB_DONE);
	assert_int_equal(h->d->job[1].state, JOB_PARKED);
}

/* A small cache: what gave its place away is reached no more once it is invalidated. */
static void test_eviction(void **state)
{
	struct host *h = *state;

	fl_model_host_keep(h->m, 4);
	memset(h->page, WRITABLE, PAGES);
	for (unsigned i = 0; i < PAGES; i++)
		work(h, i, i * 7 % PAGES, 1, FL_DMA_READ);
	round_of(h);
	for (unsigned i = 0; i < PAGES; i++) {
		assert_int_equal(h->d->job[i].state, JOB_DONE);
		assert_int_equal(h->d->job[i].value, 0x80 + i * 7 % PAGES);
	}
	assert_int_equal(h->m->mmu.n, 4);
	h->d->quiesced = 0;
	for (unsigned i = 0; i < PAGES; i++)
		take_away(h, i, 1);
	assert_true(h->d->quiesced > 0);
	assert_int_equal(h->m->mmu.n, 0);
	for (unsigned i = 0; i < PAGES; i++)
		work(h, i, i, 1, FL_DMA_WRITE);
	round_of(h);
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_not_equal(h->d->job[i].state, JOB_DONE);
	/* one entry serves as well */
	fl_model_host_keep(h->m, 0);
	memset(h->page, WRITABLE, PAGES);
	work(h, 0, 30, 2 * PG, FL_DMA_WRITE);
	round_of(h);
	assert_int_equal(h->mem[32 * PG - 1], 1);
}

/* A translation that came from somewhere else by now voids what was known by the old one. */
static void test_another_translation(void **state)
{
	struct host *h = *state;

	h->page[0] = READABLE;
	work(h, 0, 0, 1, FL_DMA_READ);
	round_of(h);
	h->page[0] = WRITABLE;
	work(h, 0, 0, 1, FL_DMA_WRITE);
	round_of(h);
	assert_int_equal(h->d->job[0].state, JOB_DONE);
	assert_int_equal(h->m->mmu.n, 1);
	h->d->quiesced = 0;
	take_away(h, 40, 1); /* the old one may be in use */
	assert_int_equal(h->d->quiesced, 1);
}

/* ---- answers ------------------------------------------------------------------------------ */

static void test_refused(void **state)
{
	struct host *h = *state;

	work(h, 0, 1, 1, FL_DMA_READ);
	work(h, 1, 2, 1, FL_DMA_READ);
	round_of(h);
	answer(h, 0, ABSENT, FL_PR_INVALID);
	assert_int_equal(h->d->job[0].state, JOB_FAULT);
	answer(h, 1, ABSENT, FL_PR_FAILURE);
	assert_int_equal(h->d->job[1].state, JOB_FAILED);
	assert_int_equal(h->st.pr_invalid, 1);
	assert_int_equal(h->st.pr_failure, 1);
}

static void test_answers_that_nobody_waits_for(void **state)
{
	struct host *h = *state;

	work(h, 0, 1, 1, FL_DMA_READ);
	round_of(h);
	assert_false(fl_model_host_answered(h->m, 0, FL_PR_SUCCESS));
	assert_false(fl_model_host_answered(h->m, h->ask[0].id + 1, FL_PR_SUCCESS));
	assert_false(fl_model_host_answered(h->m, h->ask[0].id + 256, FL_PR_SUCCESS));
	assert_false(fl_model_host_answered(h->m, UINT32_MAX, FL_PR_INVALID));
	round_of(h);
	assert_int_equal(h->d->job[0].state, JOB_PARKED);
	answer(h, 0, READABLE, FL_PR_SUCCESS);
	assert_false(fl_model_host_answered(h->m, h->ask[0].id, FL_PR_SUCCESS));
	assert_int_equal(h->st.pr_stray, 4);
	assert_int_equal(h->d->job[0].state, JOB_DONE);
}

/* It says that the page is there, and it is not: an end, and no hang. */
static void test_success_without_the_page(void **state)
{
	struct host *h = *state;

	work(h, 0, 1, 1, FL_DMA_READ);
	round_of(h);
	for (unsigned i = 0; h->d->job[0].state == JOB_PARKED; i++)
		answer(h, i, ABSENT, FL_PR_SUCCESS);
	assert_int_equal(h->d->job[0].state, JOB_FAILED);
	assert_int_equal(h->asked, TRIES_MAX);
}

static void test_late(void **state)
{
	struct host *h = *state;

	fl_model_page_timeout(h->m, 1000000);
	work(h, 0, 1, 1, FL_DMA_READ);
	round_of(h);
	assert_int_equal(fl_model_host_timer(h->m), h->now + 1000000);
	h->now += 2000000;
	round_of(h);
	round_of(h);
	assert_int_equal(h->d->job[0].state, JOB_FAILED);
	assert_int_equal(h->st.pr_lost, 1);
	assert_int_equal(fl_model_host_timer(h->m), UINT64_MAX);
	assert_false(fl_model_host_answered(h->m, h->ask[0].id, FL_PR_SUCCESS));
}

static void test_queue_full(void **state)
{
	struct host *h = *state;

	h->refuse = -EAGAIN;
	for (unsigned i = 0; i < 2 * ASKS; i++)
		work(h, i, i, 1, FL_DMA_READ);
	round_of(h);
	assert_int_equal(h->d->job[0].state, JOB_NEW);
	assert_int_equal(h->st.pr_sent, 0);
	h->refuse = 0;
	round_of(h);
	assert_int_equal(h->asked, ASKS);
	assert_int_equal(h->d->job[ASKS - 1].state, JOB_PARKED);
	assert_int_equal(h->d->job[ASKS].state, JOB_NEW);
	for (unsigned i = 0; i < 2 * ASKS; i++)
		answer(h, i, READABLE, FL_PR_SUCCESS);
	for (unsigned i = 0; i < 2 * ASKS; i++)
		assert_int_equal(h->d->job[i].value, 0x80 + i);
	h->refuse = -EPERM;
	work(h, 0, 40, 1, FL_DMA_READ);
	round_of(h);
	assert_int_equal(h->d->job[0].state, JOB_FAULT);
}

static void test_none_to_ask(void **state)
{
	struct host *h = *state;

	fl_pages_close(h->m);
	work(h, 0, 1, 1, FL_DMA_READ);
	work(h, 1, PAGES, 1, FL_DMA_READ);
	round_of(h);
	assert_int_equal(h->d->job[0].state, JOB_FAULT);
	assert_int_equal(h->d->job[1].state, JOB_FAULT);
}

/* ---- resets ------------------------------------------------------------------------------- */

static void test_reset_with_requests_under_way(void **state)
{
	struct host *h = *state;

	h->page[30] = WRITABLE;
	work(h, ASKS, 30, 1, FL_DMA_READ);
	for (unsigned i = 0; i < ASKS; i++)
		work(h, i, i, 1, FL_DMA_READ);
	round_of(h);
	assert_int_equal(h->asked, ASKS);
	fl_model_host_reset(h->m);
	assert_int_equal(h->d->resets, 2);
	assert_int_equal(h->m->mmu.n, 0);
	assert_false(fl_model_bus_master(h->m));
	/* answers from before are nobody's, and no place is held for them */
	for (unsigned i = 0; i < ASKS; i++)
		assert_false(fl_model_host_answered(h->m, h->ask[i].id, FL_PR_SUCCESS));
	work(h, 0, 1, 1, FL_DMA_READ);
	round_of(h);
	assert_int_equal(h->d->job[0].state, JOB_FAULT); /* bus mastering went too */
	fl_model_host_master(h->m, true);
	for (unsigned i = 0; i < ASKS; i++)
		work(h, i, i, 1, FL_DMA_READ);
	round_of(h);
	assert_int_equal(h->asked, 2 * ASKS);
	for (unsigned i = 0; i < ASKS; i++)
		answer(h, ASKS + i, READABLE, FL_PR_SUCCESS);
	for (unsigned i = 0; i < ASKS; i++)
		assert_int_equal(h->d->job[i].state, JOB_DONE);
}

static void test_bus_master(void **state)
{
	struct host *h = *state;

	h->page[0] = WRITABLE;
	work(h, 0, 0, 1, FL_DMA_READ);
	round_of(h);
	h->d->quiesced = 0;
	fl_model_host_master(h->m, false);
	assert_int_equal(h->d->quiesced, 1);
	work(h, 0, 0, 1, FL_DMA_WRITE);
	round_of(h);
	assert_int_equal(h->d->job[0].state, JOB_FAULT);
	assert_int_equal(h->mem[0], 0x80);
	fl_model_host_master(h->m, true);
	work(h, 0, 0, 1, FL_DMA_WRITE);
	round_of(h);
	assert_int_equal(h->mem[0], 1);
}

static void test_removed_with_requests_under_way(void **state)
{
	struct host *h = *state;
	struct fl_model *m;

	work(h, 0, 0, 1, FL_DMA_READ);
	round_of(h);
	assert_int_equal(h->asked, 1);
	fl_engine_remove(h->e, h->m);
	assert_int_equal(fl_engine_round(h->e, h->now), 0);
	assert_int_equal(fl_engine_add_ops(h->e, &dev_ops, NULL, NULL, -1, 0, &m), 0);
	h->m = m;
}

static void test_built_models(void **state)
{
	struct host *h = *state;
	struct fl_model *m = NULL;

	assert_int_equal(fl_model_host_add(h->e, "hisi_sec,workers=0", &host_ops, h, 0, &m), 0);
	assert_int_equal(m->pages.max, 0);
	fl_engine_remove(h->e, m);
	assert_int_equal(fl_model_host_add(h->e, "hisi_sec,workers=0", &host_ops, h, 9999, &m), 0);
	assert_int_equal(m->pages.max, FL_MODEL_HOST_ASKS);
	fl_engine_remove(h->e, m);
	assert_int_equal(fl_model_host_add(h->e, "e1000e", &host_ops, h, 0, &m), -ENOTSUP);
	assert_int_equal(fl_model_host_add(h->e, "none", &host_ops, h, 0, &m), -ENOENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(test_##f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(asks_waits_and_goes_on),
		TEST(translates_once),
		TEST(reading_says_nothing_of_writing),
		TEST(two_want_the_same_page),
		TEST(what_is_to_be_copied),
		TEST(interrupts),
		TEST(invalidation),
		TEST(invalidation_of_a_part),
		TEST(eviction),
		TEST(another_translation),
		TEST(refused),
		TEST(answers_that_nobody_waits_for),
		TEST(success_without_the_page),
		TEST(late),
		TEST(queue_full),
		TEST(none_to_ask),
		TEST(reset_with_requests_under_way),
		TEST(bus_master),
		TEST(removed_with_requests_under_way),
		TEST(built_models),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
