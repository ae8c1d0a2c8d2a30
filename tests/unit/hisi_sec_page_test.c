/* SPDX-License-Identifier: BSD-3-Clause */
/* SEC2 model: memory that is not there yet. The test is the client that is asked for pages. */
#include "hisi_sec_qm_rig.h"

#include <cmocka.h>
#include <openssl/evp.h>

#include "../../models/hisi_sec/bd.h"

#define DEPTH  8u
#define LAZY   (RIG_IOVA + (64u << 20)) /* what can be asked for, and after that only read */
#define PAGES  64u
#define PAGE   4096u
#define RO     (LAZY + PAGES * PAGE)
#define HOLE   (RO + PAGES * PAGE)
#define OUTPUT 0x20000u	 /* of a destination in LAZY */
#define FAR    0x200000u /* rings of many queues */

static struct rig r;
static struct fun f;
static uint8_t *lazy; /* LAZY and RO */
static int lazy_fd;
static unsigned type;

/* ---- the client ---------------------------------------------------------------------------- */

/* requests made since the last look */
static unsigned asked(struct fl_vu_page_request *out)
{
	unsigned n = f.m->pages.nout;

	for (unsigned i = 0; i < n && out; i++)
		out[i] = f.m->pages.out[i].req;
	f.m->pages.nout = 0;
	return n;
}

static void answer(const struct fl_vu_page_request *q, enum fl_model_pr_state state)
{
	assert_true(fl_pages_answer(f.m, q->group, state));
	rig_run(&r);
}

static void grant(const struct fl_vu_page_request *q)
{
	assert_int_equal(fl_model_grant(f.m, q->iova, PAGE, q->prot), 0);
	answer(q, FL_PR_SUCCESS);
}

static unsigned grant_all(void)
{
	struct fl_vu_page_request q[64];
	unsigned n, all = 0;

	while ((n = asked(q))) {
		for (unsigned i = 0; i < n; i++)
			grant(&q[i]);
		all += n;
	}
	return all;
}

/* ---- the device ---------------------------------------------------------------------------- */

static int setup(void **state)
{
	rig_open(&r);
	text(&r);
	lazy_fd = memfd_create("lazy", MFD_CLOEXEC);
	assert_int_equal(ftruncate(lazy_fd, 2 * PAGES * PAGE), 0);
	lazy = mmap(NULL, 2 * PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, lazy_fd, 0);
	assert_ptr_not_equal(lazy, MAP_FAILED);
	memcpy(lazy, r.mem + RIG_SRC, 64);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&r);
	munmap(lazy, 2 * PAGES * PAGE);
	close(lazy_fd);
	return 0;
}

static uint32_t sq_of(unsigned qn)
{
	return qn ? FAR + qn * 0x1000 : RIG_SQ;
}

static uint32_t cq_of(unsigned qn)
{
	return qn ? FAR + qn * 0x1000 + 0x800 : RIG_CQ;
}

static void queue(unsigned qn)
{
	const struct queue_opts o = {
		.sq = sq_of(qn), .cq = cq_of(qn), .sq_depth = DEPTH, .cq_depth = DEPTH, .dw6 = 1
	};

	assert_int_equal(queue_up(&f, qn, &o), 0);
}

static void up(const char *args, unsigned max)
{
	fun_open(&r, &f, &fl_hisi_sec_model_ops, args);
	type = fl_secm_v3(f.s) ? 3 : 2;
	pf_init(&f, 256);
	tables(&f);
	queue(0);
	assert_int_equal(
		fl_model_map(f.m, LAZY, PAGES * PAGE, FL_DMA_RW | FL_IOMMU_LAZY, lazy_fd, 0), 0);
	assert_int_equal(fl_model_map(f.m, RO, PAGES * PAGE, FL_DMA_READ | FL_IOMMU_LAZY, lazy_fd,
				      PAGES * PAGE),
			 0);
	assert_int_equal(fl_pages_open(f.m, max), 0);
}

struct where {
	uint64_t src, dst, key, iv;
	uint32_t len;
	bool prefetch;
};

static void set64(uint8_t *p, uint64_t v)
{
	if (v)
		memcpy(p, &v, 8);
}

static uint8_t *slot(unsigned qn, uint32_t idx)
{
	return r.mem + sq_of(qn) + idx % DEPTH * SECM_BD_SIZE;
}

static void put_bd(unsigned qn, uint32_t idx, const struct where *w)
{
	uint8_t *p = slot(qn, idx);

	make_bd(p, type, (uint16_t)idx);
	set64(p + (type == 2 ? 96 : 16), w->src);
	set64(p + (type == 2 ? 104 : 76), w->dst);
	set64(p + (type == 2 ? 88 : 48), w->key);
	set64(p + (type == 2 ? 80 : 92), w->iv);
	if (w->len)
		memcpy(p + (type == 2 ? 20 : 72), &w->len, 3);
	if (w->prefetch)
		p[59] |= 8;
}

static void submit(unsigned qn, uint32_t idx, const struct where *w)
{
	put_bd(qn, idx, w);
	ring(&f, qn, DB_SQ, (idx + 1) % DEPTH, 0);
	rig_run(&r);
}

/* whether that completion is there, in the first round of the ring */
static bool done(unsigned qn, uint32_t idx)
{
	return get16(&r, cq_of(qn) + idx * CQE_SIZE + 14) & 1;
}

static unsigned error(unsigned qn, uint32_t idx)
{
	return slot(qn, idx)[114];
}

static void check(const uint8_t *out)
{
	static const uint8_t begins[4] = { 0x76, 0x49, 0xab, 0xac },
			     ends[4] = { 0x75, 0x86, 0xe1, 0xa7 };

	assert_memory_equal(out, begins, 4);
	assert_memory_equal(out + 60, ends, 4);
}

static const char *const devices[] = { "version=2", "version=3", "version=3,workers=2" };

/* ---- tests --------------------------------------------------------------------------------- */

static void test_both_sides_in_one_go(void **state)
{
	const struct where w = { .src = LAZY, .dst = LAZY + OUTPUT };
	struct fl_vu_page_request q[4];

	for (unsigned i = 0; i < FL_ARRAY_SIZE(devices); i++) {
		memset(lazy + OUTPUT, 0, 64);
		up(devices[i], 8);
		submit(0, 0, &w);
		assert_int_equal(asked(q), 2);
		assert_true(q[0].iova == LAZY && q[0].prot == FL_DMA_READ && q[0].len == PAGE);
		assert_true(q[1].iova == LAZY + OUTPUT && q[1].prot == FL_DMA_WRITE);
		assert_false(done(0, 0));
		grant(&q[1]);
		assert_false(done(0, 0));
		grant(&q[0]);
		for (unsigned n = 0; n < 1000 && !done(0, 0); n++)
			usleep(100), rig_run(&r);
		assert_true(done(0, 0));
		assert_int_equal(error(0, 0), 0);
		check(lazy + OUTPUT);
		/* it is there now */
		submit(0, 1, &w);
		assert_int_equal(asked(q), 0);
		fun_close(&f);
	}
}

static void test_key_and_iv_too(void **state)
{
	const struct where w = { LAZY, LAZY + OUTPUT, LAZY + PAGE, LAZY + 3 * PAGE - 8, 0, false };

	up("version=3", 8);
	memcpy(lazy + PAGE, r.mem + RIG_KEY, 16);
	memcpy(lazy + 3 * PAGE - 8, r.mem + RIG_IV, 16);
	submit(0, 0, &w);
	/* the IV lies on two pages */
	assert_int_equal(f.m->pages.nout, 4);
	assert_int_equal(grant_all(), 5);
	assert_true(done(0, 0));
	check(lazy + OUTPUT);
}

static void refused(enum fl_model_pr_state state)
{
	const struct where bad = { .src = LAZY }, good = { .dst = 0 };
	struct fl_vu_page_request q;

	up("version=3", 8);
	submit(0, 0, &bad);
	assert_int_equal(asked(&q), 1);
	answer(&q, state);
	assert_true(done(0, 0));
	assert_int_equal(error(0, 0), SECM_FAULT);
	assert_int_equal(slot(0, 0)[121], SECM_SVA_FAULT);
	submit(0, 1, &good);
	assert_true(done(0, 1));
	assert_int_equal(error(0, 1), 0);
	fun_close(&f);
}

static void test_refusals_end_that_op(void **state)
{
	refused(FL_PR_INVALID);
	refused(FL_PR_FAILURE);
}

/* one of two is refused while the other one waits: nobody waits any more */
static void test_refusal_of_one_side(void **state)
{
	const struct where w = { .src = LAZY, .dst = LAZY + OUTPUT };
	struct fl_vu_page_request q[2];

	up("version=2", 8);
	submit(0, 0, &w);
	assert_int_equal(asked(q), 2);
	answer(&q[1], FL_PR_INVALID);
	assert_true(done(0, 0));
	assert_int_equal(error(0, 0), SECM_FAULT);
	/* an answer that comes all the same is the library's to drop */
	assert_true(fl_pages_answer(f.m, q[0].group, FL_PR_SUCCESS));
	assert_int_equal(f.m->pages.nfree, 8);
}

static void test_lost_answers(void **state)
{
	const struct where w = { .src = LAZY };
	struct fl_vu_page_request q;

	up("version=3", 8);
	submit(0, 0, &w);
	assert_int_equal(asked(&q), 1);
	r.now += 3100000000ull;
	rig_run(&r);
	rig_run(&r);
	assert_true(done(0, 0));
	assert_int_equal(error(0, 0), SECM_FAULT);
	assert_false(fl_pages_answer(f.m, q.group, FL_PR_SUCCESS));
	submit(0, 1, &w);
	assert_int_equal(grant_all(), 1);
	assert_int_equal(error(0, 1), 0);
}

/* "it is there", and it never is */
static void test_answers_without_pages(void **state)
{
	const struct where w = { .src = LAZY };
	struct fl_vu_page_request q;
	unsigned rounds = 0;

	up("version=3", 8);
	submit(0, 0, &w);
	while (asked(&q) && rounds < 1000) {
		answer(&q, FL_PR_SUCCESS);
		rounds++;
	}
	assert_in_range(rounds, 2, 100);
	assert_true(done(0, 0));
	assert_int_equal(error(0, 0), SECM_FAULT);
}

static void test_outside_is_not_asked_for(void **state)
{
	const struct where bad[] = { { .src = HOLE }, { .dst = HOLE }, { .dst = RO } };
	struct fl_model_stats s;

	up("version=3", 8);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		submit(0, i, &bad[i]);
		assert_int_equal(asked(NULL), 0);
		assert_true(done(0, i));
		assert_int_equal(error(0, i), SECM_FAULT);
	}
	fl_model_stats(f.m, &s);
	assert_int_equal(s.dma_faults, 3);
}

static void test_others_go_on(void **state)
{
	const struct where waits = { .src = LAZY }, goes = { .dst = RIG_IOVA + RIG_DST };

	for (unsigned k = 0; k < 2; k++) {
		up(devices[k], 8);
		queue(1);
		submit(0, 0, &waits);
		submit(0, 1, &goes);
		for (unsigned i = 0; i < DEPTH - 1; i++) {
			submit(1, i, &goes);
			assert_true(done(1, i));
		}
		assert_false(done(0, 0));
		assert_false(done(0, 1));
		assert_int_equal(grant_all(), 1);
		assert_true(done(0, 0));
		assert_true(done(0, 1));
		fun_close(&f);
	}
}

/* more of them than the client takes requests, and more than there are slots */
static void test_many_wait(void **state)
{
	const struct where goes = { .dst = RIG_IOVA + RIG_DST };
	unsigned n = 250;

	up("version=3", 4);
	for (unsigned q = 1; q <= n; q++) {
		const struct where w = { .src = LAZY + q % 32 * PAGE,
					 .dst = LAZY + OUTPUT + q % 32 * PAGE };

		queue(q);
		submit(q, 0, &w);
	}
	assert_in_range(f.s->nparked, 1, SECM_SLOTS / 4 * 3);
	assert_int_equal(f.m->pages.nout, 4);
	for (uint32_t i = 0; i < DEPTH - 1; i++) {
		submit(0, i, &goes);
		assert_true(done(0, i));
	}
	assert_int_equal(grant_all(), 64);
	for (unsigned q = 1; q <= n; q++) {
		assert_true(done(q, 0));
		assert_int_equal(error(q, 0), 0);
	}
	assert_int_equal(f.s->nparked, 0);
}

static void test_prefetch_asks_for_all(void **state)
{
	const struct where w = { .src = LAZY + 100, .len = 0x5000, .prefetch = true };
	const struct where page = { .src = LAZY + 10 * PAGE + 100, .len = 0x5000 };
	struct fl_vu_page_request q;

	up("version=3", 8);
	submit(0, 0, &w);
	assert_int_equal(asked(&q), 1);
	assert_int_equal(q.len, 6 * PAGE);
	assert_int_equal(fl_model_grant(f.m, q.iova, q.len, q.prot), 0);
	answer(&q, FL_PR_SUCCESS);
	assert_int_equal(asked(NULL), 0);
	assert_true(done(0, 0));
	submit(0, 1, &page);
	assert_int_equal(grant_all(), 6);
	assert_true(done(0, 1));
}

/* ---- results that find their memory gone ------------------------------------------------------
 */

/* SHA-256 of 64 bytes, into a MAC that is not there */
static void put_hash(uint32_t idx, uint64_t mac)
{
	uint8_t *p = slot(0, idx);
	uint64_t src = RIG_IOVA + RIG_SRC;
	uint32_t w = 1 | 8 << 4 | 1 << 15;

	memset(p, 0, SECM_BD_SIZE);
	p[0] = 3;
	p[8] = (uint8_t)idx;
	memcpy(p + 16, &src, 8);
	memcpy(p + 56, &w, 4);
	p[68] = 64;
	memcpy(p + 84, &mac, 8);
	ring(&f, 0, DB_SQ, (idx + 1) % DEPTH, 0);
	rig_run(&r);
}

static void test_a_mac_waits_for_its_page(void **state)
{
	uint8_t want[32];

	up("version=3,workers=0", 8);
	assert_int_equal(EVP_Digest(r.mem + RIG_SRC, 64, want, NULL, EVP_sha256(), NULL), 1);
	put_hash(0, LAZY + 2 * PAGE - 4);
	put_hash(1, LAZY + 8 * PAGE);
	assert_false(done(0, 0));
	assert_int_equal(grant_all(), 3);
	assert_true(done(0, 0));
	assert_true(done(0, 1));
	assert_memory_equal(lazy + 2 * PAGE - 4, want, 32);
	assert_memory_equal(lazy + 8 * PAGE, want, 32);
	assert_int_equal(error(0, 0) | error(0, 1), 0);
}

/* there is no time to wait: contexts go back to their tables */
static void test_a_mac_that_cannot_wait(void **state)
{
	struct fl_vu_page_request q;

	up("version=3,workers=0", 8);
	put_hash(0, LAZY);
	assert_int_equal(asked(&q), 1);
	wr(&f, Q_WB_START, 1);
	assert_int_equal(rd(&f, Q_WB_DONE), 1);
	assert_true(done(0, 0));
	assert_int_equal(error(0, 0), SECM_FAULT);
	assert_true(fl_pages_answer(f.m, q.group, FL_PR_SUCCESS));
	assert_int_equal(f.m->pages.nfree, 8);
}

/* ---- ends ---------------------------------------------------------------------------------- */

static void test_invalidated_while_it_waits(void **state)
{
	const struct where w = { .src = LAZY, .dst = LAZY + OUTPUT };
	struct fl_vu_page_request q[2];

	up("version=3", 8);
	submit(0, 0, &w);
	assert_int_equal(asked(q), 2);
	grant(&q[0]);
	assert_int_equal(fl_model_invalidate(f.m, LAZY, PAGES * PAGE), 0);
	grant(&q[1]);
	assert_false(done(0, 0));
	assert_int_equal(asked(q), 1);
	assert_true(q[0].iova == LAZY);
	grant(&q[0]);
	assert_true(done(0, 0));
	check(lazy + OUTPUT);
	/* the area goes */
	submit(0, 1, &(struct where){ .src = RO });
	assert_int_equal(asked(q), 1);
	assert_int_equal(fl_model_unmap(f.m, RO, PAGES * PAGE), 0);
	answer(&q[0], FL_PR_INVALID);
	assert_true(done(0, 1));
	assert_int_equal(error(0, 1), SECM_FAULT);
}

static void works_again(void)
{
	const struct where w = { .src = LAZY, .dst = LAZY + OUTPUT };

	memset(lazy + OUTPUT, 0, 64);
	submit(0, 0, &w);
	(void)grant_all();
	assert_true(done(0, 0));
	assert_int_equal(error(0, 0), 0);
	check(lazy + OUTPUT);
}

static void test_function_reset(void **state)
{
	const struct where w = { .src = LAZY };
	struct fl_vu_page_request q;

	for (unsigned i = 0; i < FL_ARRAY_SIZE(devices); i++) {
		up(devices[i], 8);
		submit(0, 0, &w);
		assert_int_equal(asked(&q), 1);
		cfg_wr(&f, CAP_DEVCTL, 2, 1u << 15);
		assert_int_equal(f.s->nparked, 0);
		(void)fl_pages_answer(f.m, q.group, FL_PR_SUCCESS);
		assert_int_equal(f.m->pages.nfree, 8);
		cfg_wr(&f, 4, 2, 6);
		pf_init(&f, 256);
		tables(&f);
		queue(0);
		works_again();
		fun_close(&f);
	}
}

/* its queues are taken away, all memory is initialised, the queue is configured again */
static void test_queue_goes(void **state)
{
	const struct where w = { .src = LAZY };
	struct fl_vu_page_request q;

	up("version=2", 8);
	for (unsigned how = 0; how < 3; how++) {
		submit(0, 0, &w);
		assert_int_equal(asked(&q), 1);
		assert_int_equal(f.s->nparked, 1);
		if (how == 0)
			give_queues(&f, 0, 0, 0);
		else if (how == 1)
			wr(&f, P_MEM_START, 1);
		else
			queue(0);
		assert_int_equal(f.s->nparked, 0);
		answer(&q, FL_PR_FAILURE);
		assert_false(done(0, 0));
		assert_int_equal(f.m->pages.nfree, 8);
		if (how < 2) {
			pf_init(&f, 256);
			tables(&f);
			queue(0);
		}
	}
	works_again();
}

static void test_stop_waits(void **state)
{
	const struct where w = { .src = LAZY };

	up("version=3", 8);
	submit(0, 0, &w);
	assert_int_equal(mb(&f, MB_STOP_QP, 0, 0), 0x10);
	assert_int_equal(grant_all(), 1);
	rig_run(&r);
	assert_false(rd(&f, Q_MB) & MB_BUSY);
	assert_true(done(0, 0));
}

static void test_injected_loss(void **state)
{
	const struct where w = { .src = LAZY };
	struct fl_vu_page_request q;

	up("version=3,inject=prlost@1", 8);
	submit(0, 0, &w);
	assert_true(done(0, 0));
	assert_int_equal(error(0, 0), SECM_FAULT);
	assert_int_equal(asked(&q), 1);
	grant(&q);
	submit(0, 1, &w);
	assert_int_equal(error(0, 1), 0);
	assert_true(done(0, 1));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_both_sides_in_one_go),
		T(test_key_and_iv_too),
		T(test_refusals_end_that_op),
		T(test_refusal_of_one_side),
		T(test_lost_answers),
		T(test_answers_without_pages),
		T(test_outside_is_not_asked_for),
		T(test_others_go_on),
		T(test_many_wait),
		T(test_prefetch_asks_for_all),
		T(test_a_mac_waits_for_its_page),
		T(test_a_mac_that_cannot_wait),
		T(test_invalidated_while_it_waits),
		T(test_function_reset),
		T(test_queue_goes),
		T(test_stop_waits),
		T(test_injected_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
