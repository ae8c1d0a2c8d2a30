/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads that run jobs from one ring. The thread that gives jobs runs them too when it has
 * nothing else to do (fl_secm_workers_help()), so a sleeping worker is woken only for more than
 * that thread will soon have done: a wake-up costs as much as several small jobs.
 */
#include "bd.h"

#include <fl_ring.h>

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RING_SIZE  4096u
#define AT_ONCE	   8u
#define JOB_WORTH  256u	  /* bytes that a job's fixed cost is worth */
#define WAKE_BYTES 16384u /* waiting work from which on a wake-up pays */
#define SPINS	   64u	  /* looks at an empty ring before sleeping */

struct worker {
	struct secm_workers *w;
	struct secm_cache *cache;
	pthread_t thread;
};

struct secm_workers {
	struct fl_ring *ring;
	struct secm_cache *helper; /* of the thread that gives */
	unsigned n, started;
	bool stop;
	uint32_t seq; /* changes with each wake-up */
	uint32_t sleepers;
	struct worker worker[];
};

static unsigned run_some(struct secm_workers *w, struct secm_cache *c, unsigned most)
{
	unsigned share = fl_ring_count(w->ring) / (w->n + 1) + 1, n;
	void *jobs[AT_ONCE];

	most = most < AT_ONCE ? most : AT_ONCE;
	n = fl_ring_dequeue_burst(w->ring, jobs, share < most ? share : most);
	for (unsigned i = 0; i < n; i++)
		fl_secm_job_run(jobs[i], c);
	return n;
}

static bool stopping(const struct secm_workers *w)
{
	return __atomic_load_n(&w->stop, __ATOMIC_ACQUIRE);
}

static void wait_for_work(struct secm_workers *w)
{
	uint32_t seq = __atomic_load_n(&w->seq, __ATOMIC_ACQUIRE);

	__atomic_fetch_add(&w->sleepers, 1, __ATOMIC_SEQ_CST);
	if (!fl_ring_count(w->ring) && !stopping(w))
		syscall(SYS_futex, &w->seq, FUTEX_WAIT_PRIVATE, seq, NULL, NULL, 0);
	__atomic_fetch_sub(&w->sleepers, 1, __ATOMIC_SEQ_CST);
}

static void *work(void *arg)
{
	struct worker *self = arg;
	unsigned idle = 0;

	while (!stopping(self->w)) {
		if (run_some(self->w, self->cache, AT_ONCE)) {
			idle = 0;
		} else if (++idle < SPINS) {
			fl_pause();
		} else {
			wait_for_work(self->w);
			idle = 0;
		}
	}
	return NULL;
}

static void wake(struct secm_workers *w, int n)
{
	__atomic_fetch_add(&w->seq, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &w->seq, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

static uint32_t worth(const struct secm_job *j)
{
	return JOB_WORTH + (j->bd.c_len > j->bd.a_len ? j->bd.c_len : j->bd.a_len);
}

unsigned fl_secm_workers_give(struct secm_workers *w, struct secm_job **jobs, unsigned n)
{
	uint64_t bytes = 0;
	unsigned taken, waiting;

	for (unsigned i = 0; i < n; i++)
		bytes += worth(jobs[i]);
	taken = fl_ring_enqueue_burst(w->ring, (void *const *)jobs, n);
	/* a full barrier: either a worker about to sleep sees the jobs, or we see the worker */
	if (!taken || !__atomic_fetch_add(&w->sleepers, 0, __ATOMIC_SEQ_CST))
		return taken;
	waiting = fl_ring_count(w->ring);
	if (waiting > 1 && bytes / n * waiting >= WAKE_BYTES)
		wake(w, (int)waiting - 1);
	return taken;
}

unsigned fl_secm_workers_help(struct secm_workers *w, unsigned n)
{
	unsigned done = 0, k;

	while (done < n) {
		k = run_some(w, w->helper, n - done);
		if (!k)
			break;
		done += k;
	}
	return done;
}

unsigned fl_secm_workers_default(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus <= 2 ? 1 : cpus > 5 ? 4 : (unsigned)cpus - 1;
}

/* Signals are the application's: none is handled here. */
static int start(struct worker *t)
{
	sigset_t all, old;
	int r;

	t->cache = fl_secm_cache_new();
	if (!t->cache)
		return -ENOMEM;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&t->thread, NULL, work, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		fl_secm_cache_free(t->cache);
	else
		pthread_setname_np(t->thread, "fl-sec-worker");
	return r;
}

int fl_secm_workers_create(unsigned n, struct secm_workers **out)
{
	struct secm_workers *w;
	int r = -ENOMEM;

	if (n > 256)
		return -EINVAL;
	w = calloc(1, sizeof(*w) + n * sizeof(w->worker[0]));
	if (!w)
		return r;
	w->n = n;
	w->helper = fl_secm_cache_new();
	if (w->helper)
		r = fl_ring_create(RING_SIZE, FL_RING_SP, -1, &w->ring);
	for (unsigned i = 0; !r && i < n; i++) {
		w->worker[i].w = w;
		r = start(&w->worker[i]);
		if (!r)
			w->started++;
	}
	if (r) {
		fl_secm_workers_destroy(w);
		return r;
	}
	*out = w;
	return 0;
}

void fl_secm_workers_destroy(struct secm_workers *w)
{
	if (!w)
		return;
	__atomic_store_n(&w->stop, true, __ATOMIC_SEQ_CST);
	wake(w, INT_MAX);
	for (unsigned i = 0; i < w->started; i++) {
		pthread_join(w->worker[i].thread, NULL);
		fl_secm_cache_free(w->worker[i].cache);
	}
	if (w->ring) {
		fl_secm_workers_help(w, UINT_MAX);
		fl_ring_free(w->ring);
	}
	fl_secm_cache_free(w->helper);
	free(w);
}
