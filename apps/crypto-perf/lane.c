/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The loops that are measured. A lane's free ops lie on a stack, and bursts are taken from and
 * given back to its top, in place: what a burst leaves is next, still in the cache.
 */
#include "perf.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SPINS	1024u /* empty polls, some microseconds, before the CPU is offered to others */
#define POLL_MS 20

/* ---- bursts --------------------------------------------------------------------------- */

unsigned cp_lane_enqueue(struct cp_lane *l, unsigned want)
{
	struct fl_op **ops = &l->stack[l->top - want];
	unsigned took = fl_op_enqueue(l->qp, ops, (uint16_t)want);

	if (fl_unlikely(took < want)) {
		l->n.failed_enq++;
		memmove(ops, ops + took, (want - took) * sizeof(struct fl_op *));
	}
	l->top -= took;
	l->inflight += took;
	l->n.enqueued += took;
	return took;
}

/** Counts what came back. */
static void look_at(struct cp_lane *l, struct fl_op *const *ops, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned s = ops[i]->status;

		if (fl_unlikely(l->imix != NULL))
			l->n.bytes += ops[i]->cipher_len;
		if (fl_likely(s == FL_OP_OK))
			continue;
		l->n.failed_ops++;
		l->n.by_status[s < FL_OP_PENDING ? s : FL_OP_PENDING]++;
	}
}

unsigned cp_lane_dequeue(struct cp_lane *l, unsigned burst)
{
	struct fl_op **ops = &l->stack[l->top];
	unsigned got = fl_op_dequeue(l->qp, ops, (uint16_t)burst);

	if (!got) {
		l->n.failed_deq++;
		return 0;
	}
	l->top += got;
	l->inflight -= got;
	l->n.dequeued += got;
	return got;
}

static uint32_t next_size(struct cp_lane *l)
{
	if (fl_likely(!l->imix))
		return l->run->c.size;
	return l->imix[l->imix_next++ % l->run->imix_n];
}

/** Fills the `want` ops on top of the stack. */
static void fill(struct cp_lane *l, unsigned want)
{
	struct fl_session *s = l->run->dev->session;
	const struct cp_job *j = &l->run->cp->job;

	for (unsigned i = l->top - want; i < l->top; i++)
		cp_op_fill(l->stack[i], s, j, next_size(l));
}

/** How many ops may be enqueued now: none once the phase is over. */
static unsigned room(const struct cp_lane *l, unsigned most)
{
	uint64_t left = l->total - l->n.enqueued;
	unsigned n = most < l->top ? most : l->top;

	if (cp_lane_over(l))
		return 0;
	return n < left ? n : (unsigned)left;
}

static bool done(const struct cp_lane *l)
{
	return !l->inflight && (l->n.dequeued >= l->total || cp_lane_over(l));
}

/* ---- waiting -------------------------------------------------------------------------- */

static void sleep_for_ops(struct cp_lane *l)
{
	struct pollfd p = { fl_qp_wait_fd(l->qp), POLLIN, 0 };
	uint64_t n;

	if (l->inflight && !fl_qp_arm(l->qp) && poll(&p, 1, POLL_MS) == 1 &&
	    read(p.fd, &n, sizeof(n)) < 0)
		fl_pause(); /* the driver was quicker to drain it */
}

bool cp_lane_idle(struct cp_lane *l)
{
	const struct cp_conf *c = &l->run->cp->conf;
	uint64_t now;

	if (!l->idle++)
		l->idle_since = fl_now_ns();
	if (c->interrupt)
		sleep_for_ops(l);
	else if (l->idle % SPINS)
		fl_pause();
	else
		sched_yield();
	if (!c->interrupt && l->idle % SPINS)
		return true;
	now = fl_now_ns();
	if (now - l->idle_since > c->timeout_ms * 1000000ull)
		l->silent = true;
	return !l->silent && !__atomic_load_n(&l->run->give_up, __ATOMIC_RELAXED);
}

/* ---- the tests ------------------------------------------------------------------------ */

static void run_throughput(struct cp_lane *l)
{
	unsigned burst = l->run->c.burst;

	while (!done(l)) {
		unsigned want = room(l, burst), took = 0, got;

		if (fl_likely(want)) {
			fill(l, want);
			took = cp_lane_enqueue(l, want);
		}
		got = cp_lane_dequeue(l, burst);
		look_at(l, &l->stack[l->top - got], got);
		if (fl_likely(took | got))
			l->idle = 0;
		else if (!cp_lane_idle(l))
			return;
	}
}

/** Keeps `burst` ops in flight; each says how long it took from its enqueue to its dequeue. */
static void run_latency(struct cp_lane *l)
{
	unsigned depth = l->run->c.burst;

	while (!done(l)) {
		unsigned want = room(l, depth - l->inflight), took = 0, got;
		uint64_t now;

		if (want) {
			fill(l, want);
			now = fl_cycles();
			for (unsigned i = l->top - want; i < l->top; i++)
				l->stack[i]->user = now;
			took = cp_lane_enqueue(l, want);
		}
		got = cp_lane_dequeue(l, depth);
		now = fl_cycles();
		for (unsigned i = l->top - got; i < l->top; i++) {
			uint64_t dt = now - l->stack[i]->user;

			l->samples[l->nsamples++] = dt < UINT32_MAX ? (uint32_t)dt : UINT32_MAX;
		}
		look_at(l, &l->stack[l->top - got], got);
		if (took | got)
			l->idle = 0;
		else if (!cp_lane_idle(l))
			return;
	}
}

/** Enqueues until the queue pair is full, counting only the calls. */
static void fill_queue(struct cp_lane *l)
{
	unsigned burst = l->run->c.burst, want = room(l, l->run->dev->desc);

	fill(l, want); /* by whole bursts from the top, so each is filled before it is taken */
	while ((want = room(l, burst))) {
		uint64_t t = fl_cycles();
		unsigned took = cp_lane_enqueue(l, want);

		if (took)
			l->n.enq_cycles += fl_cycles() - t;
		if (took < want)
			break;
	}
}

static bool empty_queue(struct cp_lane *l)
{
	unsigned burst = l->run->c.burst;

	while (l->inflight) {
		uint64_t t = fl_cycles();
		unsigned got = cp_lane_dequeue(l, burst);

		if (got) {
			l->n.deq_cycles += fl_cycles() - t;
			look_at(l, &l->stack[l->top - got], got);
			l->idle = 0;
		} else if (!cp_lane_idle(l)) {
			return false;
		}
	}
	return true;
}

static void settle(const struct cp_lane *l)
{
	uint64_t end = fl_now_ns() + l->settle_ns;

	while (l->settle_ns && fl_now_ns() < end && !cp_lane_over(l)) {
		struct timespec nap = { .tv_nsec = 50000 };

		nanosleep(&nap, NULL);
	}
}

/**
 * The queue pair is filled, left alone while the device works, and emptied: so that the calls cost
 * what the driver costs. How long it is left alone is found out by the warm-up.
 */
static void run_cyclecount(struct cp_lane *l)
{
	const struct cp_conf *c = &l->run->cp->conf;

	if (c->delay_ms != CP_UNSET)
		l->settle_ns = c->delay_ms * 1000000;
	while (!done(l)) {
		uint64_t t = fl_now_ns();

		fill_queue(l);
		settle(l);
		if (!empty_queue(l))
			return;
		t = 2 * (fl_now_ns() - t);
		if (l->phase == 1 && c->delay_ms == CP_UNSET && t > l->settle_ns &&
		    (l->run->dev->info.features & FL_CRYPTO_HW)) {
			l->settle_ns = t;
			break; /* once is enough to know */
		}
	}
}

/** --sessionless: a call makes the session, runs the op alone and waits for it. */
static int once(struct cp_lane *l, const struct fl_session_conf *conf, const uint8_t *in,
		uint8_t *out, uint8_t *digest)
{
	struct cp *cp = l->run->cp;
	const struct cp_job *j = &cp->job;

	return fl_crypto_once(l->run->dev->d, 0, conf, j->iv, in, j->aad_len, in + j->aad_len,
			      l->run->c.size, out + j->aad_len, digest, (int)cp->conf.timeout_ms);
}

static void once_counted(struct cp_lane *l, const uint8_t *in, uint8_t *out, uint8_t *digest)
{
	uint64_t t = fl_cycles();
	int ret = once(l, &l->run->cp->job.conf, in, out, digest);

	t = fl_cycles() - t;
	if (l->samples)
		l->samples[l->nsamples++] = t < UINT32_MAX ? (uint32_t)t : UINT32_MAX;
	l->n.enqueued++;
	l->n.dequeued += ret != -ETIMEDOUT;
	l->n.failed_ops += ret != 0;
	if (ret)
		l->n.by_status[ret == -EBADMSG ? FL_OP_AUTH_FAILED : FL_OP_ERROR]++;
	l->silent = ret == -ETIMEDOUT;
}

static void run_once(struct cp_lane *l)
{
	const struct cp_job *j = &l->run->cp->job;
	size_t len = (size_t)l->run->c.size + j->aad_len + 1;
	uint8_t *in = calloc(2, len), digest[FL_DIGEST_MAX] = { 0 };
	struct fl_session_conf forth = j->conf;

	forth.encrypt = true;
	if (in && j->check && once(l, &forth, in, in, digest))
		l->silent = true;
	while (in && !l->silent && l->n.dequeued < l->total && !cp_lane_over(l))
		once_counted(l, in, in + len, digest);
	free(in);
}

/* ---- the thread ----------------------------------------------------------------------- */

static void run_phase(struct cp_lane *l, unsigned phase)
{
	static void (*const tests[])(struct cp_lane *) = { [CP_THROUGHPUT] = run_throughput,
							   [CP_LATENCY] = run_latency,
							   [CP_VERIFY] = cp_run_verify,
							   [CP_CYCLECOUNT] = run_cyclecount };
	const struct cp_conf *c = &l->run->cp->conf;
	struct cp_counts warm = l->n;

	/* what failed has failed, counted or not */
	l->n = (struct cp_counts){ .failed_ops = warm.failed_ops };
	memcpy(l->n.by_status, warm.by_status, sizeof(warm.by_status));
	l->nsamples = 0;
	l->idle = 0;
	l->phase = phase;
	l->n.begin_ns = fl_now_ns();
	l->n.cycles = fl_cycles();
	(c->sessionless ? run_once : tests[c->test])(l);
	l->n.cycles = fl_cycles() - l->n.cycles;
	l->n.end_ns = fl_now_ns();
}

static long page_faults(void)
{
	struct rusage u;

	return getrusage(RUSAGE_SELF, &u) ? 0 : u.ru_minflt + u.ru_majflt;
}

static void tell(struct cp_lane *l, unsigned *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELEASE);
	eventfd_write(l->run->wake, 1);
}

static void wait_gate(struct cp_run *run)
{
	pthread_mutex_lock(&run->lock);
	while (!run->open)
		pthread_cond_wait(&run->opened, &run->lock);
	pthread_mutex_unlock(&run->lock);
}

void *cp_lane_main(void *arg)
{
	struct cp_lane *l = arg;
	const struct cp_conf *c = &l->run->cp->conf;
	uint64_t total = l->total;

	/* latency keeps a sample an op, and warms up with no more than fit */
	l->total = c->warmup < total ? c->warmup : total;
	if (l->total && c->test != CP_VERIFY)
		run_phase(l, 1);
	tell(l, &l->run->warm);
	wait_gate(l->run);
	l->total = total;
	if (!l->silent && !l->inflight) {
		l->faults = page_faults();
		run_phase(l, 2);
		l->faults = page_faults() - l->faults;
	}
	tell(l, &l->run->ended);
	return NULL;
}
