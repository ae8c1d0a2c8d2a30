/* SPDX-License-Identifier: BSD-3-Clause */
/* One case on one device: lanes are made, run, watched by the main thread, and summed up. */
#include "perf.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define TICK_MS 100

const char *const cp_end_names[] = { "ops", "time", "signal", "no answer", "device gone" };

/* ---- set-up --------------------------------------------------------------------------- */

/** A random order of the sizes, each as often as its weight says. */
static int make_imix(struct cp_run *run)
{
	const struct cp_conf *c = &run->cp->conf;
	uint64_t sum = 0;
	uint8_t rnd[2 * 1024];

	for (unsigned i = 0; i < c->imix.n; i++)
		sum += c->imix.v[i];
	if (!c->imix.n)
		return 0;
	run->imix_n = sizeof(rnd) / 2;
	run->imix = calloc(run->imix_n, sizeof(*run->imix));
	if (!run->imix)
		return -ENOMEM;
	cp_random(rnd, sizeof(rnd), 4);
	for (unsigned i = 0; i < run->imix_n; i++) {
		uint64_t at = (rnd[2 * i] | rnd[2 * i + 1] << 8) * sum >> 16;
		unsigned k = 0;

		while (at >= c->imix.v[k])
			at -= c->imix.v[k++];
		run->imix[i] = c->buffer_sz.v[k];
	}
	return 0;
}

/** Ops with buffers that a lane needs: those in flight, and a burst in hand. */
static unsigned pool_size(const struct cp_run *run)
{
	const struct cp_conf *c = &run->cp->conf;

	if (c->pool_sz != CP_UNSET)
		return (unsigned)c->pool_sz;
	/* latency never has more in flight; verify works on batches */
	return c->test == CP_LATENCY || c->test == CP_VERIFY ? run->c.burst
							     : run->dev->desc + run->c.burst;
}

/** Where a tag is checked it has to be right: the device made it. */
static int seed_tags(struct cp_lane *l)
{
	struct cp *cp = l->run->cp;
	const struct cp_job *j = &cp->job;
	struct fl_session_conf forth = j->conf;
	uint32_t size = l->run->c.size, aad = j->aad_len;
	uint8_t digest[FL_DIGEST_MAX], *buf = calloc(1, (size_t)aad + size + 1);
	int ret = -ENOMEM;

	forth.encrypt = true;
	if (buf)
		ret = fl_crypto_once(l->run->dev->d, (uint16_t)l->id, &forth, j->iv, buf, aad,
				     buf + aad, size, buf + aad, digest, (int)cp->conf.timeout_ms);
	for (unsigned i = 0; !ret && i < l->slots.n; i++) {
		cp_slots_write(&l->slots, i, false, 0, buf, aad + size);
		memcpy(l->slots.ops[i]->digest, digest, sizeof(digest));
	}
	if (ret)
		fprintf(stderr, "%s: no tag to check could be made: %s\n", l->run->dev->uri,
			strerror(-ret));
	free(buf);
	return ret;
}

static int lane_init(struct cp_lane *l, struct cp_run *run, unsigned id)
{
	struct cp *cp = run->cp;
	const struct cp_conf *c = &cp->conf;
	unsigned n = pool_size(run);
	int ret;

	l->run = run;
	l->id = id;
	l->cpu = id < c->nlcores ? (int)c->lcores[id] : -1;
	l->qp = fl_cryptodev_qp(run->dev->d, (uint16_t)id);
	l->imix = run->imix;
	l->total = c->total_ops / c->qps + (id < c->total_ops % c->qps);
	l->total = l->total ? l->total : 1;
	ret = c->sessionless ? 0
			     : cp_slots_create(&l->slots, run->dev, &cp->job, n, run->c.size,
					       (uint32_t)c->segment_sz, cp->job.out_of_place);
	if (!ret && c->test == CP_VERIFY && !run->vector) {
		l->ref_qp = fl_cryptodev_qp(run->dev->ref->d, (uint16_t)id);
		ret = cp_slots_create(&l->ref_slots, run->dev->ref, &cp->job, n, run->c.size, 0,
				      false);
	}
	if (!ret && cp->job.check && c->test != CP_VERIFY && !c->sessionless)
		ret = seed_tags(l);
	/* a dequeue may be given a whole burst of room, whatever is in flight */
	l->stack = calloc(n + run->c.burst, sizeof(struct fl_op *));
	if (c->test == CP_LATENCY && l->total > CP_MAX_SAMPLES)
		l->total = CP_MAX_SAMPLES;
	if (c->test == CP_LATENCY)
		l->samples = malloc(l->total * sizeof(*l->samples));
	if (!l->stack || (c->test == CP_LATENCY && !l->samples))
		return -ENOMEM;
	if (l->samples) /* so that its page faults are none of the run's */
		memset(l->samples, 0xff, l->total * sizeof(*l->samples));
	for (l->top = 0; !ret && l->top < l->slots.n; l->top++)
		l->stack[l->top] = l->slots.ops[l->top];
	return ret;
}

static int launch(struct cp_lane *l)
{
	pthread_attr_t attr;
	cpu_set_t set;
	int ret;

	pthread_attr_init(&attr);
	if (l->cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET((unsigned)l->cpu, &set);
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	}
	ret = -pthread_create(&l->thread, &attr, cp_lane_main, l);
	pthread_attr_destroy(&attr);
	if (ret)
		fprintf(stderr, "No thread on CPU %d: %s\n", l->cpu,
			ret == -EINVAL ? "this process may not run there (--lcores)"
				       : strerror(-ret));
	return ret;
}

/* ---- the main thread meanwhile -------------------------------------------------------- */

static unsigned at(const unsigned *counter)
{
	return __atomic_load_n(counter, __ATOMIC_ACQUIRE);
}

static void end_phases(struct cp_run *run, unsigned phase)
{
	if (at(&run->over) < phase)
		__atomic_store_n(&run->over, phase, __ATOMIC_RELEASE);
}

/** All lanes are warm: they begin together. */
static void open_gate(struct cp_run *run)
{
	pthread_mutex_lock(&run->lock);
	run->open = true;
	pthread_cond_broadcast(&run->opened);
	pthread_mutex_unlock(&run->lock);
}

static void sleep_a_tick(struct cp_run *run, uint64_t ns)
{
	struct pollfd fds[] = { { run->wake, POLLIN, 0 },
				{ run->cp->sig_fd, POLLIN, 0 },
				{ fl_ctx_fd(run->dev->ctx), POLLIN, 0 } };
	struct signalfd_siginfo si;
	eventfd_t n;

	poll(fds, FL_ARRAY_SIZE(fds),
	     ns < TICK_MS * 1000000ull ? (int)(ns / 1000000) + 1 : TICK_MS);
	if (fds[0].revents)
		eventfd_read(run->wake, &n);
	if (fds[1].revents && read(run->cp->sig_fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		run->cp->quit = true;
	if (fds[2].revents)
		fl_ctx_dispatch(run->dev->ctx, 0);
}

/** Until every lane has ended; what made them. */
static enum cp_end watch(struct cp_run *run)
{
	struct cp *cp = run->cp;
	uint64_t limit = cp->conf.duration_ns, end = fl_now_ns() + limit, now;
	enum cp_end why = CP_END_OPS;
	bool measured = false;

	while (at(&run->ended) < run->nlanes) {
		now = fl_now_ns();
		if (!measured && at(&run->warm) == run->nlanes) {
			measured = true;
			end = now + limit;
			open_gate(run);
		}
		if (now >= end) {
			end_phases(run, measured ? 2 : 1);
			why = measured && why == CP_END_OPS ? CP_END_TIME : why;
		}
		if (cp->quit) {
			end_phases(run, 2);
			why = CP_END_SIGNAL;
		}
		if (__atomic_load_n(&run->dev->down, __ATOMIC_RELAXED)) {
			end_phases(run, 2);
			__atomic_store_n(&run->give_up, true, __ATOMIC_RELAXED);
			why = CP_END_GONE;
		}
		if (measured)
			cp_progress(cp, run,
				    1.0 - (double)(end > now ? end - now : 0) / (double)limit);
		sleep_a_tick(run, end > now ? end - now : TICK_MS * 1000000ull);
	}
	return why;
}

/* ---- what came of it ------------------------------------------------------------------ */

/** Ops that never came back are failed ones; the device lets go of them when it is stopped. */
static void recover(struct cp_run *run, enum cp_end *why)
{
	bool lost = false;

	for (unsigned i = 0; i < run->nlanes; i++) {
		struct cp_lane *l = &run->lanes[i];

		l->n.failed_ops += l->inflight;
		l->n.by_status[FL_OP_PENDING] += l->inflight;
		if (l->ref_failed)
			fprintf(stderr, "%s: the reference %s failed; nothing can be said\n",
				run->dev->uri, run->dev->ref->uri);
		else if (l->silent)
			fprintf(stderr,
				"%s, queue pair %u: no op came back for %llu ms with %u in flight, "
				"after %llu; given up (--timeout)\n",
				run->dev->uri, l->id, (unsigned long long)run->cp->conf.timeout_ms,
				l->inflight, (unsigned long long)l->n.dequeued);
		lost |= l->silent || l->inflight || l->ref_failed;
		*why = l->silent && *why != CP_END_GONE ? CP_END_SILENT : *why;
	}
	if (!lost && *why != CP_END_GONE)
		return;
	run->dev->dead = true;
	if (fl_cryptodev_stop(run->dev->d))
		fprintf(stderr, "%s: cannot be stopped\n", run->dev->uri);
	if (run->dev->ref && fl_cryptodev_stop(run->dev->ref->d))
		fprintf(stderr, "%s: cannot be stopped\n", run->dev->ref->uri);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/** All lanes' samples, in order of size. */
static void latencies(const struct cp_run *run, struct cp_result *r)
{
	uint64_t n = 0, k = 0;
	double us = 1e6 / run->cp->hz, sum = 0;
	uint32_t *all;

	for (unsigned i = 0; i < run->nlanes; i++)
		n += run->lanes[i].nsamples;
	all = n ? malloc(n * sizeof(*all)) : NULL;
	if (!all)
		return;
	for (unsigned i = 0; i < run->nlanes; i++)
		for (uint64_t s = 0; s < run->lanes[i].nsamples; s++)
			sum += all[k++] = run->lanes[i].samples[s];
	qsort(all, n, sizeof(*all), by_value);
	r->avg_us = sum / (double)n * us;
	r->min_us = all[0] * us;
	r->max_us = all[n - 1] * us;
	r->p50_us = all[(n - 1) / 2] * us;
	r->p99_us = all[(uint64_t)((double)(n - 1) * 0.99)] * us;
	r->p999_us = all[(uint64_t)((double)(n - 1) * 0.999)] * us;
	free(all);
}

static void add_counts(struct cp_counts *sum, const struct cp_counts *n)
{
	sum->enqueued += n->enqueued;
	sum->dequeued += n->dequeued;
	sum->failed_enq += n->failed_enq;
	sum->failed_deq += n->failed_deq;
	sum->failed_ops += n->failed_ops;
	sum->wrong += n->wrong;
	sum->enq_cycles += n->enq_cycles;
	sum->deq_cycles += n->deq_cycles;
	sum->cycles += n->cycles;
	sum->bytes += n->bytes;
	for (unsigned s = 0; s < FL_ARRAY_SIZE(n->by_status); s++)
		sum->by_status[s] += n->by_status[s];
	if (!sum->begin_ns || n->begin_ns < sum->begin_ns)
		sum->begin_ns = n->begin_ns;
	if (n->end_ns > sum->end_ns)
		sum->end_ns = n->end_ns;
}

static void sum_up(const struct cp_run *run, struct cp_result *r)
{
	struct fl_mem_usage u = { 0 };
	struct fl_dma_stats d;
	double bytes;

	r->sum = (struct cp_counts){ 0 };
	for (unsigned i = 0; i < run->nlanes; i++) {
		r->lanes[i] = run->lanes[i].n;
		r->cpus[i] = run->lanes[i].cpu;
		add_counts(&r->sum, &r->lanes[i]);
	}
	bytes = run->imix ? (double)r->sum.bytes : (double)r->c.size * (double)r->sum.dequeued;
	r->seconds = (double)(r->sum.end_ns - r->sum.begin_ns) / 1e9;
	if (r->seconds > 0) {
		r->ops_per_s = (double)r->sum.dequeued / r->seconds;
		r->gbit_per_s = bytes * 8 / r->seconds / 1e9;
	}
	if (r->sum.dequeued) {
		uint64_t calls = r->sum.enq_cycles + r->sum.deq_cycles;

		r->cycles_per_op =
			(double)(calls ? calls : r->sum.cycles) / (double)r->sum.dequeued;
		if (run->imix)
			r->c.size = (uint32_t)(bytes / (double)r->sum.dequeued);
	}
	fl_dma_stats(fl_ctx_space(run->dev->ctx), &d);
	r->owned = d.owned_bytes;
	r->mapped = d.mapped_bytes;
	r->pinned = d.pinned_bytes;
	if (!fl_mem_usage(&u)) {
		r->locked = u.vm_lck + u.vm_pin;
		r->rss = u.rss;
	}
	r->faults = run->lanes[0].faults;
	latencies(run, r);
}

static int go(struct cp_run *run, struct cp_result *r)
{
	unsigned n = 0;
	int ret = 0;

	for (; !ret && n < run->nlanes; n += !ret)
		ret = launch(&run->lanes[n]);
	if (ret) {
		end_phases(run, 2);
		open_gate(run);
	} else {
		r->end = watch(run);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(run->lanes[i].thread, NULL);
	return ret;
}

static void release(struct cp_run *run)
{
	for (unsigned i = 0; run->lanes && i < run->nlanes; i++) {
		cp_slots_destroy(&run->lanes[i].slots);
		cp_slots_destroy(&run->lanes[i].ref_slots);
		free(run->lanes[i].samples);
		free(run->lanes[i].stack);
	}
	free(run->lanes);
	free(run->imix);
	if (run->wake >= 0)
		close(run->wake);
	pthread_cond_destroy(&run->opened);
	pthread_mutex_destroy(&run->lock);
}

int cp_measure(struct cp *cp, struct cp_dev *dev, const struct cp_case *c,
	       const struct cp_vector *v, struct cp_result *r)
{
	struct cp_run run = { .cp = cp,
			      .dev = dev,
			      .c = *c,
			      .vector = v,
			      .nlanes = (unsigned)cp->conf.qps,
			      .lock = PTHREAD_MUTEX_INITIALIZER,
			      .opened = PTHREAD_COND_INITIALIZER };
	int ret;

	*r = (struct cp_result){
		.dev = dev, .c = *c, .vector = v ? v->name : NULL, .nlanes = run.nlanes
	};
	run.lanes = aligned_alloc(FL_CACHE_LINE, run.nlanes * sizeof(*run.lanes));
	run.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = run.lanes && run.wake >= 0 ? make_imix(&run) : -ENOMEM;
	if (run.lanes)
		memset(run.lanes, 0, run.nlanes * sizeof(*run.lanes));
	for (unsigned i = 0; !ret && i < run.nlanes; i++)
		ret = lane_init(&run.lanes[i], &run, i);
	if (!ret)
		ret = go(&run, r);
	if (!ret) {
		recover(&run, &r->end);
		sum_up(&run, r);
	} else {
		fprintf(stderr, "%s: cannot measure: %s\n", dev->uri, strerror(-ret));
	}
	release(&run);
	return ret;
}
