/* SPDX-License-Identifier: BSD-3-Clause */
/* Page requests of a model against a client that the test plays, message by message. */
#include "model_page_rig.h"

#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>

#define LAZY FL_VU_DMA_F_LAZY

/* A job on that page, which has asked for it and waits. */
static struct fl_vu_page_request parked(struct rig *r, unsigned n, uint64_t page, unsigned prot)
{
	struct fl_vu_page_request q;

	job(r, n, AREA + page * PG, 100, prot);
	turn(r);
	assert_int_equal(r->d->job[n].state, JOB_PARKED);
	q = request(r);
	assert_int_equal(q.iova, AREA + page * PG);
	assert_int_equal(q.len, PG);
	assert_int_equal(q.prot, prot);
	return q;
}

/* ---- as it should go -------------------------------------------------------------------- */

static void test_grant_then_access(void **state)
{
	struct rig *r = *state;
	struct job *j = job(r, 0, AREA + 3 * PG, 2 * PG, FL_DMA_READ);
	struct job *other = job(r, 1, PINNED + 5 * PG, 1, FL_DMA_READ);
	struct fl_vu_page_request q;

	turn(r);
	assert_int_equal(j->state, JOB_PARKED);
	assert_int_equal(other->state, JOB_DONE); /* not held up */
	assert_int_equal(other->value, 0x85);
	q = request(r);
	assert_int_equal(q.iova, AREA + 3 * PG);
	assert_int_equal(q.len, 2 * PG);
	assert_int_equal(q.prot, FL_DMA_READ);
	turn(r);
	assert_int_equal(j->state, JOB_PARKED);
	/* one page of the two: the rest is asked for then, and nothing else */
	grant(r, q.iova, PG, FL_DMA_READ);
	respond(r, q.group, FL_VU_PAGE_SUCCESS);
	turn(r);
	assert_int_equal(j->state, JOB_PARKED);
	q = request(r);
	assert_int_equal(q.iova, AREA + 4 * PG);
	assert_int_equal(q.len, PG);
	grant(r, q.iova, PG, FL_DMA_READ);
	respond(r, q.group, FL_VU_PAGE_SUCCESS);
	turn(r);
	assert_int_equal(j->state, JOB_DONE);
	assert_int_equal(j->value, 0x83);
	assert_false(asked(r));
	assert_int_equal(r->st.pr_sent, 2);
	assert_int_equal(r->st.pr_success, 2);
	assert_int_equal(r->st.dma_faults, 0);
	assert_int_equal(r->d->quiesced, 0);
}

static void test_read_only_grant_and_a_write(void **state)
{
	struct rig *r = *state;
	struct fl_vu_page_request q = parked(r, 0, 0, FL_DMA_READ);

	grant(r, q.iova, PG, FL_DMA_READ);
	respond(r, q.group, FL_VU_PAGE_SUCCESS);
	turn(r);
	assert_int_equal(r->d->job[0].state, JOB_DONE);
	q = parked(r, 1, 0, FL_DMA_WRITE);
	assert_int_equal(r->mem[0], 0x80); /* nothing was written yet */
	grant(r, q.iova, PG, FL_DMA_RW);
	respond(r, q.group, FL_VU_PAGE_SUCCESS);
	turn(r);
	assert_int_equal(r->d->job[1].state, JOB_DONE);
	assert_int_equal(r->mem[0], 2);
	/* reading goes on as it did */
	job(r, 2, AREA, 1, FL_DMA_READ);
	turn(r);
	assert_int_equal(r->d->job[2].value, 2);
	assert_false(asked(r));
}

/* A client that grants and rings at once: the doorbell overtakes no grant. */
static void test_grant_before_the_doorbell(void **state)
{
	struct rig *r = *state;

	grant(r, AREA, AREA_LEN, FL_DMA_RW);
	job(r, 0, AREA + 7 * PG, PG, FL_DMA_READ);
	fl_engine_round(r->e, ++r->now); /* no look at the socket before */
	fl_engine_round(r->e, ++r->now);
	assert_int_equal(r->d->job[0].state, JOB_DONE);
	assert_int_equal(r->d->job[0].value, 0x87);
	turn(r);
	assert_int_equal(r->st.pr_sent, 0);
}

/* A command that stands before the grant is not overtaken either, and is answered. */
static void test_grant_behind_a_command(void **state)
{
	struct rig *r = *state;
	struct fl_vu_page_range a = { AREA, PG, 0, 0 };
	struct fl_vu_hdr h;

	grant(r, AREA, PG, FL_DMA_READ);
	turn(r);
	send_cmd(r, FL_VU_PAGE_INVALIDATE, 0, &a, sizeof(a), -1);
	grant(r, AREA, PG, FL_DMA_WRITE);
	job(r, 0, AREA, 1, FL_DMA_WRITE);
	fl_engine_round(r->e, ++r->now);
	turn(r);
	assert_true(asked(r)); /* as nothing was granted yet */
	turn(r);
	assert_int_equal(recv(r->fd, &h, sizeof(h), MSG_DONTWAIT), sizeof(h));
	assert_int_equal(h.cmd, FL_VU_PAGE_INVALIDATE);
	job(r, 0, AREA, 1, FL_DMA_WRITE);
	turn(r);
	assert_int_equal(r->d->job[0].state, JOB_DONE);
	job(r, 1, AREA, 1, FL_DMA_READ); /* what was granted before it is gone */
	turn(r);
	assert_int_equal(r->d->job[1].state, JOB_PARKED);
}

static void test_two_that_want_one_page_ask_once(void **state)
{
	struct rig *r = *state;
	struct fl_vu_page_request q;

	job(r, 0, AREA, 10, FL_DMA_WRITE);
	job(r, 1, AREA + 100, 10, FL_DMA_WRITE);
	job(r, 2, AREA + 200, 10, FL_DMA_READ); /* not what is asked for */
	turn(r);
	q = request(r);
	assert_true(asked(r));
	assert_false(asked(r));
	assert_int_equal(r->st.pr_sent, 2);
	/* one of the two gives up, the other does not */
	fl_model_page_forget(r->m, r->d->job[0].pr);
	r->d->job[0].state = JOB_NONE;
	grant(r, q.iova, PG, FL_DMA_RW);
	respond(r, q.group, FL_VU_PAGE_SUCCESS);
	turn(r);
	assert_int_equal(r->d->job[1].state, JOB_DONE);
	assert_int_equal(r->mem[100], 2);
}

static void test_copies_honour_grants(void **state)
{
	struct rig *r = *state;
	struct job *j = job(r, 0, AREA + PG - 50, 100, FL_DMA_WRITE);
	struct fl_vu_page_request q;

	j->copies = true;
	turn(r);
	q = request(r);
	assert_int_equal(q.len, 2 * PG);
	grant(r, AREA, PG, FL_DMA_RW);
	grant(r, AREA + PG, PG, FL_DMA_READ); /* half of it may not be written */
	respond(r, q.group, FL_VU_PAGE_SUCCESS);
	turn(r);
	q = request(r);
	assert_int_equal(q.iova, AREA + PG);
	assert_int_equal(r->mem[PG], 0x81);
	grant(r, AREA + PG, PG, FL_DMA_WRITE);
	respond(r, q.group, FL_VU_PAGE_SUCCESS);
	turn(r);
	assert_int_equal(j->state, JOB_DONE);
	assert_int_equal(r->mem[PG - 1], 1);
	assert_int_equal(r->mem[PG], 1);
	assert_int_equal(r->st.dma_faults, 0);
}

/* Without a file the memory is reached by message, and by none before it is granted. */
static void test_lazy_area_without_a_file(void **state)
{
	struct rig *r = *state;
	struct fl_vu_page_request q;
	struct fl_vu_hdr h;

	assert_int_equal(map(r, 0x4000000, PG, FL_DMA_RW | LAZY, -1), 0);
	r->m->srv->dma_timeout_ns = 1;
	job(r, 0, 0x4000000, 8, FL_DMA_READ);
	turn(r);
	assert_int_equal(r->st.dma_messages, 0);
	q = request(r);
	grant(r, q.iova, PG, FL_DMA_READ);
	respond(r, q.group, FL_VU_PAGE_SUCCESS);
	turn(r);
	assert_int_equal(r->st.dma_messages, 1);
	assert_int_equal(recv(r->fd, &h, sizeof(h), MSG_DONTWAIT), sizeof(h));
	assert_int_equal(h.cmd, FL_VU_DMA_READ);
	assert_int_equal(r->d->job[0].state, JOB_FAULT); /* nobody answered that */
}

static void test_access_outside_every_area(void **state)
{
	struct rig *r = *state;

	job(r, 0, AREA - PG, 1, FL_DMA_READ);
	job(r, 1, UINT64_MAX - 3, 100, FL_DMA_READ);
	job(r, 2, AREA + AREA_LEN - 10, 20, FL_DMA_READ); /* sticks out: asked for what there is */
	turn(r);
	assert_int_equal(r->d->job[0].state, JOB_FAULT);
	assert_int_equal(r->d->job[1].state, JOB_FAULT);
	assert_int_equal(r->st.dma_faults, 2);
	assert_int_equal(r->d->job[2].state, JOB_PARKED);
	grant(r, AREA + AREA_LEN - PG, PG, FL_DMA_READ);
	respond(r, request(r).group, FL_VU_PAGE_SUCCESS);
	turn(r);
	assert_int_equal(r->d->job[2].state, JOB_FAULT);
	assert_int_equal(r->st.dma_faults, 3);
}

/* ---- answers that go wrong -------------------------------------------------------------- */

static void test_response_lost(void **state)
{
	struct rig *r = *state;
	struct fl_vu_page_request q = parked(r, 0, 0, FL_DMA_READ), q2;

	r->now += FL_MODEL_PAGE_TIMEOUT / 2;
	q2 = parked(r, 1, 1, FL_DMA_READ);
	r->now += FL_MODEL_PAGE_TIMEOUT / 2;
	turn(r);
	turn(r);
	assert_int_equal(r->d->job[0].state, JOB_FAILED);
	assert_int_equal(r->d->job[1].state, JOB_PARKED); /* has half of its time left */
	assert_int_equal(r->st.pr_lost, 1);
	grant(r, q2.iova, PG, FL_DMA_READ);
	respond(r, q2.group, FL_VU_PAGE_SUCCESS);
	turn(r);
	assert_int_equal(r->d->job[1].state, JOB_DONE);
	/* and anew */
	q2 = parked(r, 0, 0, FL_DMA_READ);
	assert_int_not_equal(q2.group, q.group);
	r->now += FL_MODEL_PAGE_TIMEOUT;
	turn(r);
	turn(r);
	assert_int_equal(r->st.pr_lost, 2);
	assert_int_equal(r->m->pages.nfree, 62); /* the client may be about to answer */
}

/* A client that is stopped, and then goes on: it never has more to hold than it said. */
static void test_client_that_stops_and_goes_on(void **state)
{
	struct rig *r = *state;
	uint32_t group[64];
	struct fl_vu_page_request q;
	unsigned n = 0;

	for (unsigned k = 0; k < 3; k++) {
		for (unsigned i = 0; i < 100; i++)
			job(r, i, AREA + i % 64 * PG, 1, i < 64 ? FL_DMA_READ : FL_DMA_WRITE);
		turn(r);
		r->now += FL_MODEL_PAGE_TIMEOUT;
		/* the last have not even been asked for, and end with the others */
		for (unsigned i = 0; i < 3; i++)
			turn(r);
		for (unsigned i = 0; i < 100; i++)
			assert_int_equal(r->d->job[i].state, JOB_FAILED);
	}
	while (next_request(r, &q)) {
		assert_true(n < 64);
		group[n++] = q.group;
	}
	assert_int_equal(n, 64);
	assert_int_equal(r->st.pr_lost, 64);
	for (unsigned i = 0; i < n; i++)
		respond(r, group[i], FL_VU_PAGE_SUCCESS);
	/* a look at the socket takes in what its short time allows */
	for (unsigned i = 0; i < 64 && r->st.pr_stray < 64; i++)
		turn(r);
	assert_int_equal(r->st.pr_stray, 64);
	assert_int_equal(r->m->pages.nfree, 64);
	q = parked(r, 0, 0, FL_DMA_READ);
	grant(r, q.iova, PG, FL_DMA_READ);
	respond(r, q.group, FL_VU_PAGE_SUCCESS);
	turn(r);
	assert_int_equal(r->d->job[0].state, JOB_DONE);
}

static void test_response_late_after_giving_up(void **state)
{
	struct rig *r = *state;
	struct fl_vu_page_request q, q2;

	fl_model_page_timeout(r->m, SECOND);
	q = parked(r, 0, 0, FL_DMA_READ);
	r->now += SECOND;
	turn(r);
	turn(r);
	assert_int_equal(r->d->job[0].state, JOB_FAILED);
	q2 = parked(r, 1, 0, FL_DMA_READ);
	/* the answer to the first is not one to the second */
	assert_int_equal(r->m->pages.nfree, 62);
	respond(r, q.group, FL_VU_PAGE_INVALID);
	turn(r);
	assert_int_equal(r->m->pages.nfree, 63);
	assert_int_equal(r->st.pr_stray, 1);
	assert_int_equal(r->st.pr_invalid, 0);
	assert_int_equal(r->d->job[1].state, JOB_PARKED);
	grant(r, q2.iova, PG, FL_DMA_READ);
	respond(r, q2.group, FL_VU_PAGE_SUCCESS);
	turn(r);
	assert_int_equal(r->d->job[1].state, JOB_DONE);
}

static void test_response_twice(void **state)
{
	struct rig *r = *state;
	struct fl_vu_page_request q = parked(r, 0, 0, FL_DMA_READ), q2;

	/* both before the device looks, and a third that comes when the place is used again */
	grant(r, q.iova, PG, FL_DMA_READ);
	respond(r, q.group, FL_VU_PAGE_SUCCESS);
	respond(r, q.group, FL_VU_PAGE_FAILURE);
	turn(r);
	assert_int_equal(r->d->job[0].state, JOB_DONE);
	assert_int_equal(r->st.pr_stray, 1);
	assert_int_equal(r->st.pr_failure, 0);
	for (unsigned i = 1; i < 70; i++) {
		q2 = parked(r, i, 2, FL_DMA_READ);
		respond(r, q.group, FL_VU_PAGE_FAILURE);
		respond(r, q2.group, FL_VU_PAGE_INVALID);
		turn(r);
		assert_int_equal(r->d->job[i].state, JOB_FAULT);
		assert_int_equal(r->st.pr_stray, 1 + i);
	}
	respond(r, 0, FL_VU_PAGE_SUCCESS);
	respond(r, UINT32_MAX, FL_VU_PAGE_SUCCESS);
	turn(r);
	assert_int_equal(r->st.pr_stray, 72);
}

static void test_response_invalid_and_failure(void **state)
{
	struct rig *r = *state;

	respond(r, parked(r, 0, 0, FL_DMA_READ).group, FL_VU_PAGE_INVALID);
	respond(r, parked(r, 1, 1, FL_DMA_READ).group, FL_VU_PAGE_FAILURE);
	turn(r);
	assert_int_equal(r->d->job[0].state, JOB_FAULT);
	assert_int_equal(r->d->job[1].state, JOB_FAILED);
	assert_int_equal(r->st.pr_invalid, 1);
	assert_int_equal(r->st.pr_failure, 1);
	assert_int_equal(r->m->pages.nfree, 64);
}

static void test_success_without_a_grant(void **state)
{
	struct rig *r = *state;
	unsigned n = 0;

	job(r, 0, AREA, 1, FL_DMA_READ);
	for (unsigned i = 0; i < 100; i++) {
		struct fl_vu_page_request q;

		turn(r);
		if (!next_request(r, &q))
			break;
		respond(r, q.group, FL_VU_PAGE_SUCCESS);
		n++;
	}
	/* asked again as often as the device likes, and nothing was reached */
	assert_int_equal(n, TRIES_MAX);
	assert_int_equal(r->d->job[0].state, JOB_FAILED);
	assert_int_equal(r->st.pr_success, n);
}

static void test_queue_full(void **state)
{
	struct rig *r = *state;
	struct fl_vu_page_request q, last = { 0 };
	unsigned n = 0;

	/* two pieces of work more than the client takes groups */
	for (unsigned i = 0; i < 64; i++)
		job(r, i, AREA + i * PG, 1, FL_DMA_READ);
	job(r, 64, AREA, 1, FL_DMA_WRITE);
	job(r, 65, AREA + PG, 1, FL_DMA_WRITE);
	turn(r);
	for (; next_request(r, &q); n++)
		last = q;
	assert_int_equal(n, 64);
	assert_int_equal(r->st.pr_full, 2);
	assert_int_equal(r->d->job[64].state, JOB_NEW);
	/* one place is free: one of the two goes */
	respond(r, last.group, FL_VU_PAGE_FAILURE);
	turn(r);
	turn(r);
	assert_int_equal(r->d->job[63].state, JOB_FAILED);
	assert_int_equal(r->d->job[64].state, JOB_PARKED);
	assert_int_equal(r->d->job[65].state, JOB_NEW);
	assert_true(asked(r));
	assert_false(asked(r));
}

/* All answered, and nobody has looked: there is no place, but no failure either. */
static void test_queue_full_of_answers(void **state)
{
	struct rig *r = *state;
	struct fl_vu_page_request q;
	fl_model_pr_t pr;

	for (unsigned i = 0; i < 64; i++)
		job(r, i, AREA + i * PG, 1, FL_DMA_READ);
	turn(r);
	while (next_request(r, &q))
		respond(r, q.group, FL_VU_PAGE_FAILURE);
	fl_engine_sockets(r->e, 0);
	assert_int_equal(fl_model_page_request(r->m, fl_iova(AREA), 1, FL_DMA_WRITE, &pr), -EAGAIN);
	turn(r);
	assert_int_equal(fl_model_page_request(r->m, fl_iova(AREA), 1, FL_DMA_WRITE, &pr), 0);
}

/* ---- what is taken away ----------------------------------------------------------------- */

static void test_invalidate(void **state)
{
	struct rig *r = *state;
	struct fl_vu_page_request q;

	grant(r, AREA, 8 * PG, FL_DMA_RW);
	job(r, 0, AREA, 8 * PG, FL_DMA_READ);
	r->d->job[0].len = PG;
	turn(r);
	assert_int_equal(r->d->job[0].state, JOB_DONE);
	/* nothing of it granted: the device is not stopped */
	assert_int_equal(invalidate(r, AREA + 8 * PG, 56 * PG), 0);
	assert_int_equal(r->d->quiesced, 0);
	assert_int_equal(invalidate(r, AREA + 3 * PG, 61 * PG), 0);
	assert_int_equal(r->d->quiesced, 1);
	turn(r);
	assert_int_equal(r->st.pr_invalidated, 2);
	/* the entry that was cached is void, what was left is not */
	q = parked(r, 1, 3, FL_DMA_READ);
	job(r, 2, AREA, 3 * PG, FL_DMA_WRITE);
	turn(r);
	assert_int_equal(r->d->job[2].state, JOB_DONE);
	/* taken again while somebody waits for it: who waits goes on waiting */
	assert_int_equal(invalidate(r, q.iova, PG), 0);
	turn(r);
	assert_int_equal(r->d->job[1].state, JOB_PARKED);
	/* granted and taken before the device looked: asks again */
	grant(r, q.iova, PG, FL_DMA_READ);
	assert_int_equal(invalidate(r, q.iova, PG), 0);
	respond(r, q.group, FL_VU_PAGE_SUCCESS);
	turn(r);
	assert_int_equal(r->d->job[1].state, JOB_PARKED);
	q = request(r);
	grant(r, q.iova, PG, FL_DMA_READ);
	respond(r, q.group, FL_VU_PAGE_SUCCESS);
	turn(r);
	assert_int_equal(r->d->job[1].state, JOB_DONE);
}

struct writer {
	pthread_mutex_t lock;
	uint8_t *p; /* what the device is in the midst of, NULL = nothing */
	bool over;
	uint64_t writes;
};

static void *write_on(void *arg)
{
	struct writer *w = arg;
	bool over = false;

	while (!over) {
		pthread_mutex_lock(&w->lock);
		if (w->p) {
			memset(w->p, 0xff, PG);
			w->writes++;
		}
		over = w->over;
		pthread_mutex_unlock(&w->lock);
	}
	return NULL;
}

static void stop_writing(void *arg)
{
	struct writer *w = arg;

	pthread_mutex_lock(&w->lock);
	w->p = NULL;
	pthread_mutex_unlock(&w->lock);
}

/* A thread of the device writes a page all the time; once the reply is here it does not. */
static void test_invalidate_during_access(void **state)
{
	struct rig *r = *state;
	struct writer w = { .lock = PTHREAD_MUTEX_INITIALIZER };
	uint8_t zeros[PG] = { 0 };
	pthread_t t;

	r->d->in_quiesce = stop_writing;
	r->d->arg = &w;
	assert_int_equal(pthread_create(&t, NULL, write_on, &w), 0);
	for (unsigned i = 0; i < 50; i++) {
		uint64_t before = w.writes;
		uint8_t *p;

		grant(r, AREA, PG, FL_DMA_WRITE);
		turn(r);
		p = fl_model_dma(r->m, fl_model_iommu(r->m), &r->d->tlb, fl_iova(AREA), PG,
				 FL_DMA_WRITE);
		assert_non_null(p);
		pthread_mutex_lock(&w.lock);
		w.p = p;
		before = w.writes;
		pthread_mutex_unlock(&w.lock);
		for (bool any = false; !any;) {
			pthread_mutex_lock(&w.lock);
			any = w.writes != before;
			pthread_mutex_unlock(&w.lock);
			sched_yield();
		}
		assert_int_equal(invalidate(r, AREA, PG), 0);
		assert_int_equal(
			fallocate(r->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PG), 0);
		usleep(200);
		assert_memory_equal(r->mem, zeros, PG);
		assert_null(fl_model_dma(r->m, fl_model_iommu(r->m), &r->d->tlb, fl_iova(AREA), 1,
					 FL_DMA_WRITE));
	}
	pthread_mutex_lock(&w.lock);
	w.over = true;
	pthread_mutex_unlock(&w.lock);
	pthread_join(t, NULL);
	r->d->in_quiesce = NULL;
}

static void test_convert_both_ways(void **state)
{
	struct rig *r = *state;
	struct fl_vu_page_request q;

	/* under traffic: each round has a job, before and after */
	for (unsigned i = 0; i < 20; i++) {
		unsigned before = r->d->quiesced;

		assert_int_equal(range_cmd(r, FL_VU_AREA_CONVERT, AREA, AREA_LEN, FL_DMA_RW, 0), 0);
		assert_int_equal(r->d->quiesced, before);
		job(r, 0, AREA + i * PG, 2 * PG, FL_DMA_WRITE);
		turn(r);
		assert_int_equal(r->d->job[0].state, JOB_DONE);
		assert_int_equal(range_cmd(r, FL_VU_AREA_CONVERT, AREA, AREA_LEN, FL_DMA_RW, LAZY),
				 0);
		assert_int_equal(r->d->quiesced, before + 1);
		q = parked(r, 0, i, FL_DMA_WRITE);
		/* one that waits while the area becomes an ordinary one is answered all the same */
		assert_int_equal(range_cmd(r, FL_VU_AREA_CONVERT, AREA, AREA_LEN, FL_DMA_RW, 0), 0);
		respond(r, q.group, FL_VU_PAGE_SUCCESS);
		turn(r);
		assert_int_equal(r->d->job[0].state, JOB_DONE);
	}
	assert_int_equal(r->m->mmu.lazy_bytes, 0);
	/* to what it is already; and what cannot be */
	assert_int_equal(range_cmd(r, FL_VU_AREA_CONVERT, AREA, AREA_LEN, FL_DMA_RW, 0), 0);
	assert_int_equal(range_cmd(r, FL_VU_AREA_CONVERT, AREA, PG, FL_DMA_RW, LAZY), -EINVAL);
	assert_int_equal(range_cmd(r, FL_VU_AREA_CONVERT, AREA + PG, PG, FL_DMA_RW, LAZY), -EINVAL);
	assert_int_equal(range_cmd(r, FL_VU_AREA_CONVERT, AREA, AREA_LEN, FL_DMA_READ, LAZY),
			 -EINVAL);
	assert_int_equal(range_cmd(r, FL_VU_AREA_CONVERT, AREA, AREA_LEN, FL_DMA_RW, 1), -EINVAL);
	assert_int_equal(range_cmd(r, FL_VU_AREA_CONVERT, AREA, AREA_LEN, FL_DMA_RW | LAZY, 0),
			 -EINVAL);
	assert_int_equal(range_cmd(r, FL_VU_AREA_CONVERT, 0, AREA_LEN, FL_DMA_RW, LAZY), -EINVAL);
}

static void test_reset_with_requests_pending(void **state)
{
	struct rig *r = *state;
	struct fl_vu_page_request q = parked(r, 0, 0, FL_DMA_READ), q2;
	fl_model_pr_t pr = r->d->job[0].pr;
	uint32_t master = 4;

	job(r, 1, AREA + PG, 1, FL_DMA_READ);
	job(r, 2, AREA + PG, 1, FL_DMA_READ);
	turn(r);
	q2 = request(r);
	assert_int_equal(ask(r, FL_VU_DEVICE_RESET, NULL, 0, -1), 0);
	assert_int_equal(r->d->resets, 2);
	assert_int_equal(fl_model_page_state(r->m, pr), FL_PR_FAILURE);
	assert_int_equal(r->m->pages.nfree, 62); /* the client has yet to answer */
	assert_int_equal(fl_model_region(r->m, 7, 4, &master, 4, true), 0);
	/* new work for a page that the old asked for need not ask again */
	job(r, 3, AREA + PG, 1, FL_DMA_READ);
	turn(r);
	assert_false(asked(r));
	respond(r, q.group, FL_VU_PAGE_SUCCESS);
	grant(r, q2.iova, PG, FL_DMA_READ);
	respond(r, q2.group, FL_VU_PAGE_SUCCESS);
	turn(r);
	assert_int_equal(r->d->job[3].state, JOB_DONE);
	assert_int_equal(r->m->pages.nfree, 64);
	assert_int_equal(r->st.pr_stray, 0);
}

static void test_unmap_with_a_request_pending(void **state)
{
	struct rig *r = *state;
	struct fl_vu_page_request q = parked(r, 0, 0, FL_DMA_READ);

	parked(r, 1, 1, FL_DMA_READ);
	assert_int_equal(unmap(r, AREA, AREA_LEN), 0);
	turn(r);
	assert_int_equal(r->d->job[0].state, JOB_PARKED);
	respond(r, q.group, FL_VU_PAGE_INVALID);
	turn(r);
	assert_int_equal(r->d->job[0].state, JOB_FAULT);
	/* one that nobody answers ends too, and one that begins now is refused at once */
	r->now += FL_MODEL_PAGE_TIMEOUT;
	turn(r);
	turn(r);
	assert_int_equal(r->d->job[1].state, JOB_FAILED);
	job(r, 2, AREA, 1, FL_DMA_READ);
	turn(r);
	assert_int_equal(r->d->job[2].state, JOB_FAULT);
	assert_int_equal(r->m->mmu.lazy_bytes, 0);
}

static void test_client_gone_with_requests_pending(void **state)
{
	struct rig *r = *state;
	fl_model_pr_t pr;

	parked(r, 0, 0, FL_DMA_READ);
	pr = r->d->job[0].pr;
	close(r->fd);
	r->fd = -1;
	turn(r);
	assert_int_equal(r->d->resets, 2);
	assert_int_equal(r->m->pages.max, 0);
	assert_int_equal(r->m->mmu.lazy_bytes, 0);
	assert_int_equal(fl_model_page_state(r->m, pr), FL_PR_FAILURE);
	fl_model_page_forget(r->m, pr);
	assert_int_equal(fl_model_page_request(r->m, fl_iova(AREA), 1, FL_DMA_READ, &pr), -EFAULT);
}

/* ---- clients that mean ill -------------------------------------------------------------- */

static void test_hostile_grants(void **state)
{
	struct rig *r = *state;
	static const struct fl_vu_page_range bad[] = {
		{ AREA - PG, PG, FL_DMA_READ, 0 },		/* outside every area */
		{ AREA - PG, 2 * PG, FL_DMA_READ, 0 },		/* begins outside */
		{ AREA, AREA_LEN + PG, FL_DMA_READ, 0 },	/* beyond the end */
		{ AREA + PG, 0 - (AREA + PG), FL_DMA_READ, 0 }, /* to the end of all */
		{ AREA + PG, 0 - AREA, FL_DMA_READ, 0 },	/* wraps */
		{ AREA, 0, FL_DMA_READ, 0 },			/* nothing */
		{ AREA + 1, PG, FL_DMA_READ, 0 },		/* no page's start */
		{ AREA, PG + 1, FL_DMA_READ, 0 },		/* no whole pages */
		{ AREA, PG, 0, 0 },				/* no permission */
		{ AREA, PG, FL_DMA_RW | 4, 0 },			/* unheard-of permission */
		{ AREA, PG, FL_DMA_RW | LAZY, 0 },		/* the same, ours elsewhere */
		{ AREA, PG, FL_DMA_READ, 1 },			/* flags */
		{ PINNED, PG, FL_DMA_READ, 0 },			/* an ordinary area */
		{ 0x4000000, PG, FL_DMA_WRITE, 0 },		/* more than the area allows */
		{ 0x4000000 + PG, 2 * PG, FL_DMA_READ, 0 },	/* across two areas */
	};

	for (unsigned i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		if (i) {
			close(r->fd);
			rig_connect(r, WITH_PAGES);
			assert_int_equal(map(r, AREA, AREA_LEN, FL_DMA_RW | LAZY, r->file), 0);
			assert_int_equal(map(r, PINNED, AREA_LEN, FL_DMA_RW, r->file), 0);
		}
		assert_int_equal(map(r, 0x4000000, 2 * PG, FL_DMA_READ | LAZY, r->file), 0);
		assert_int_equal(map(r, 0x4000000 + 2 * PG, PG, FL_DMA_RW | LAZY, r->file), 0);
		said[0] = 0;
		send_cmd(r, FL_VU_PAGE_GRANT, FL_VU_F_NO_REPLY, &bad[i], sizeof(bad[i]), -1);
		job(r, 0, AREA, 1, FL_DMA_READ);
		assert_cut_off(r, "granted pages of no lazy area");
	}
}

static void test_hostile_responses_and_sizes(void **state)
{
	struct rig *r = *state;
	uint8_t junk[64] = { 0 };

	respond(r, parked(r, 0, 0, FL_DMA_READ).group, 3);
	assert_cut_off(r, "answered a page request with a code");
	for (unsigned i = 0; i < 4; i++) {
		static const unsigned cmd[] = { FL_VU_PAGE_GRANT, FL_VU_PAGE_RESPONSE };

		close(r->fd);
		rig_connect(r, WITH_PAGES);
		send_cmd(r, cmd[i % 2], FL_VU_F_NO_REPLY, junk, i < 2 ? 7 : 32, -1);
		assert_cut_off(r, "a page grant or response that cannot be");
	}
	/* a file that comes along */
	close(r->fd);
	rig_connect(r, WITH_PAGES);
	send_cmd(r, FL_VU_PAGE_RESPONSE, FL_VU_F_NO_REPLY, junk, 8, r->file);
	assert_cut_off(r, "a page grant or response that cannot be");
	/* what is replied to is refused */
	close(r->fd);
	rig_connect(r, WITH_PAGES);
	assert_int_equal(map(r, AREA, PG, FL_DMA_RW | LAZY, r->file), 0);
	assert_int_equal(map(r, PINNED, PG, FL_DMA_RW, r->file), 0);
	assert_int_equal(invalidate(r, AREA, 0), -EINVAL);
	assert_int_equal(invalidate(r, AREA + 1, PG), -EINVAL);
	assert_int_equal(invalidate(r, AREA, UINT64_MAX - PG + 1), -EINVAL);
	assert_int_equal(invalidate(r, PINNED, PG), -EINVAL);
	assert_int_equal(range_cmd(r, FL_VU_PAGE_INVALIDATE, AREA, PG, 0, 1), -EINVAL);
	assert_int_equal(invalidate(r, 0, AREA), 0); /* nothing there, nothing to take */
	assert_int_equal(ask(r, FL_VU_PAGE_REQUEST, junk, 24, -1), -EINVAL);
	assert_int_equal(ask(r, FL_VU_PAGE_INVALIDATE, junk, 8, -1), -EINVAL);
	assert_int_equal(ask(r, FL_VU_AREA_CONVERT + 1, junk, 24, -1), -EINVAL);
	assert_int_equal(ask(r, FL_VU_PAGE_REQUEST - 1, junk, 24, -1), -EINVAL);
}

static void test_client_without_page_requests(void **state)
{
	struct rig *r = *state;
	fl_model_pr_t pr;

	close(r->fd);
	rig_connect(r, "{\"capabilities\":{}}");
	assert_int_equal(map(r, AREA, AREA_LEN, FL_DMA_RW | LAZY, r->file), -EINVAL);
	assert_int_equal(map(r, AREA, AREA_LEN, FL_DMA_RW, r->file), 0);
	assert_int_equal(invalidate(r, AREA, PG), -EINVAL);
	assert_int_equal(range_cmd(r, FL_VU_AREA_CONVERT, AREA, AREA_LEN, FL_DMA_RW, LAZY),
			 -EINVAL);
	assert_int_equal(fl_model_page_request(r->m, fl_iova(AREA), 1, FL_DMA_READ, &pr), -EFAULT);
	grant(r, AREA, PG, FL_DMA_READ);
	assert_cut_off(r, "a page grant or response that cannot be");
}

/* So many pages that their bitmaps would be all of our memory. */
static void test_lazy_areas_are_bounded(void **state)
{
	struct rig *r = *state;

	assert_int_equal(map(r, 1ull << 44, 1ull << 62, FL_DMA_RW | LAZY, -1), -ENOSPC);
	assert_int_equal(map(r, 1ull << 44, 1ull << 40, FL_DMA_RW | LAZY, -1), -ENOSPC);
	assert_int_equal(map(r, 1ull << 44, 1ull << 39, FL_DMA_RW | LAZY, -1), 0);
	assert_int_equal(map(r, 1ull << 45, 1ull << 39, FL_DMA_RW | LAZY, -1), -ENOSPC);
	assert_int_equal(map(r, 1ull << 45, 1ull << 39, FL_DMA_RW, -1), 0);
	assert_int_equal(range_cmd(r, FL_VU_AREA_CONVERT, 1ull << 45, 1ull << 39, FL_DMA_RW, LAZY),
			 -ENOSPC);
	assert_int_equal(unmap(r, 1ull << 44, 1ull << 39), 0);
	assert_int_equal(range_cmd(r, FL_VU_AREA_CONVERT, 1ull << 45, 1ull << 39, FL_DMA_RW, LAZY),
			 0);
}

/* A device that asks for all there is, at full speed: bounded, and the rest of it goes on. */
static void test_storm_of_requests(void **state)
{
	struct rig *r = *state;
	struct fl_vu_page_request q;
	unsigned n = 0, served = 0;

	for (unsigned i = 0; i < JOBS; i++)
		job(r, i, AREA + i % 64 * PG + i / 64, 1, i / 64 % 2 ? FL_DMA_READ : FL_DMA_WRITE);
	for (unsigned k = 0; k < 100; k++) {
		turn(r);
		assert_true(r->m->pages.waiting <= 64);
		/* slow: one answer a round */
		if (next_request(r, &q)) {
			respond(r, q.group, FL_VU_PAGE_FAILURE);
			served++;
		}
		if (k == 50)
			job(r, 0, PINNED, 1, FL_DMA_READ);
	}
	assert_int_equal(r->d->job[0].state, JOB_DONE);
	assert_int_equal(served, 100);
	assert_true(r->st.pr_sent <= 64 + served);
	assert_true(r->st.pr_full > 1000);
	while (next_request(r, &q))
		n++;
	assert_true(n <= 64);
}

/* A client that grants without end gets no more of the engine than a look. */
static void test_storm_of_grants(void **state)
{
	struct rig *r = *state;
	struct fl_page_msg *msg = calloc(200, sizeof(*msg));
	int left = 0;

	for (unsigned i = 0; i < 200; i++) {
		struct fl_vu_page_range a = { AREA, AREA_LEN, FL_DMA_RW, 0 };

		msg[i].hdr = (struct fl_vu_hdr){ (uint16_t)i, FL_VU_PAGE_GRANT, sizeof(*msg),
						 FL_VU_F_NO_REPLY, 0 };
		memcpy(&msg[i].req, &a, sizeof(a));
	}
	assert_int_equal(write(r->fd, msg, 200 * sizeof(*msg)), 200 * sizeof(*msg));
	job(r, 0, PINNED, 1, FL_DMA_READ);
	turn_after(r, 1);
	assert_int_equal(r->d->job[0].state, JOB_DONE);
	assert_int_equal(ioctl(r->m->srv->fd, FIONREAD, &left), 0);
	assert_true(left >= (int)((200 - 64) * sizeof(*msg)));
	free(msg);
}

/* ---- the way out ------------------------------------------------------------------------ */

/* A client that reads nothing: what is asked waits here, and comes whole and in order. */
static void test_client_that_does_not_read(void **state)
{
	struct rig *r = *state;
	struct fl_vu_page_request q;
	int small = 1;
	unsigned n = 0;

	assert_int_equal(setsockopt(r->m->srv->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)),
			 0);
	for (unsigned i = 0; i < 64; i++) {
		job(r, i, AREA + i * PG, 1, FL_DMA_READ);
		turn(r);
	}
	assert_true(r->m->pages.nout > 0);
	for (unsigned k = 0; k < 1000 && n < 64; k++) {
		while (next_request(r, &q))
			assert_int_equal(q.iova, AREA + n++ * PG);
		turn(r);
	}
	assert_int_equal(n, 64);
	assert_int_equal(r->m->pages.nout, 0);
	/* replies come between them, whole too */
	assert_int_equal(invalidate(r, AREA, PG), 0);
}

static void test_second_socket(void **state)
{
	static const char json[] = "{\"capabilities\":{\"x_page_requests\":{\"max\":2},"
				   "\"twin_socket\":{\"supported\":true}}}";
	struct rig *r = *state;
	char space[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	uint8_t buf[1024] = { 0, 0, FL_VU_MINOR, 0 };
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr mh = { .msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = space,
			     .msg_controllen = sizeof(space) };
	struct fl_vu_page_request q;
	int sv[2], first, second;

	close(r->fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	assert_int_equal(fl_engine_add_ops(r->e, &dev_ops, NULL, NULL, sv[0], 0, &r->m), 0);
	first = r->fd = sv[1];
	r->d = r->m->state;
	memcpy(buf + 4, json, sizeof(json));
	send_cmd(r, FL_VU_VERSION, 0, buf, 4 + sizeof(json), -1);
	turn(r);
	assert_true(recvmsg(r->fd, &mh, MSG_DONTWAIT) > 0);
	assert_non_null(strstr((char *)buf + 20, "\"x_page_requests\":{\"max\":2}"));
	memcpy(&second, CMSG_DATA(CMSG_FIRSTHDR(&mh)), sizeof(int));
	r->fd = second;
	assert_int_equal(fl_model_region(r->m, 7, 4, (uint8_t[]){ 4, 0, 0, 0 }, 4, true), 0);
	assert_int_equal(fl_model_map(r->m, AREA, AREA_LEN, FL_DMA_RW | FL_IOMMU_LAZY, r->file, 0),
			 0);
	for (unsigned i = 0; i < 3; i++)
		job(r, i, AREA + i * PG, 1, FL_DMA_READ);
	turn(r);
	for (unsigned i = 0; i < 2; i++) {
		q = request(r);
		assert_int_equal(q.iova, AREA + i * PG);
	}
	assert_false(asked(r));
	r->fd = first;
	respond(r, q.group, FL_VU_PAGE_FAILURE);
	turn(r);
	assert_int_equal(r->d->job[1].state, JOB_FAILED);
	close(second);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
	const struct CMUnitTest tests[] = {
		T(test_grant_then_access),
		T(test_read_only_grant_and_a_write),
		T(test_grant_before_the_doorbell),
		T(test_grant_behind_a_command),
		T(test_two_that_want_one_page_ask_once),
		T(test_copies_honour_grants),
		T(test_lazy_area_without_a_file),
		T(test_access_outside_every_area),
		T(test_response_lost),
		T(test_client_that_stops_and_goes_on),
		T(test_response_late_after_giving_up),
		T(test_response_twice),
		T(test_response_invalid_and_failure),
		T(test_success_without_a_grant),
		T(test_queue_full),
		T(test_queue_full_of_answers),
		T(test_invalidate),
		T(test_invalidate_during_access),
		T(test_convert_both_ways),
		T(test_reset_with_requests_pending),
		T(test_unmap_with_a_request_pending),
		T(test_client_gone_with_requests_pending),
		T(test_hostile_grants),
		T(test_hostile_responses_and_sizes),
		T(test_client_without_page_requests),
		T(test_lazy_areas_are_bounded),
		T(test_storm_of_requests),
		T(test_storm_of_grants),
		T(test_client_that_does_not_read),
		T(test_second_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
