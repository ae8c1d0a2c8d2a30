/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A message is sent so many times, one at a time, from a fresh buffer into a fresh buffer: the
 * first is full, as the application has just written it, the second has never been touched. Runs of
 * all columns take turns, round after round, and each is held against the pinned one of its round.
 *
 * All of it is one thread: where a dequeue finds nothing, fl_ctx_dispatch() answers page requests.
 */
#include "iopf.h"

#include <errno.h>
#include <fl_residency.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define PAGE	    4096u
#define LOOK_MAX_NS 20000000u
#define LOOKS	    64u /* empty polls, some 30 us, between looks at the clock */

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

const struct cp_iopf_column cp_iopf_columns[CP_IOPF_COLUMNS] = {
	{ "pinned", "none", FL_PINNED, 0, false }, { "lazy", "1", FL_LAZY, 1, false },
	{ "lazy", "512", FL_LAZY, 512, false },	   { "lazy", "adaptive", FL_LAZY, 0, false },
	{ "lazy", "prefetch", FL_LAZY, 0, true },
};

struct buffer {
	struct fl_mem *mem;
	struct fl_dma_area *area;
};

struct iopf {
	struct cp *cp;
	struct cp_dev *dev;
	struct fl_dma_space *space;
	struct fl_op_pool *pool;
	struct fl_op *op;
	uint8_t *message, *answer; /* what goes in, and what came out of the first run */
	bool answered;
	uint32_t size, times;
	double done, todo; /* bytes of all runs */
	char what[96];	   /* the run in hand */
};

struct sample {
	double v[CP_IOPF_VALUES];
	uint64_t latency[FL_FAULT_BUCKETS], latency_ns;
};

/* ---- buffers -------------------------------------------------------------------------- */

static int make(struct iopf *f, struct buffer *b, const struct cp_iopf_column *c)
{
	struct fl_mem_opts mo = { .node = -1, .log = fl_ctx_log(f->dev->ctx) };
	struct fl_dma_opts o = { .residency = c->how };
	int ret;

	fl_dma_mem_opts(f->space, f->size, &mo);
	ret = fl_mem_alloc(f->size, &mo, &b->mem);
	return ret ? ret : fl_dma_map(f->space, b->mem, &o, &b->area);
}

static int drop(struct buffer *b)
{
	int ret = b->area ? fl_dma_unmap(b->area) : 0;

	fl_mem_free(b->mem);
	*b = (struct buffer){ 0 };
	return ret;
}

/** As the kernel does when it pins memory: page by page, and nothing else. */
static void bring_in(void *va, uint64_t len)
{
	if (madvise(va, len, MADV_POPULATE_WRITE))
		memset(va, 0, len);
}

/** What has to stand before the clock starts: the message, and all that a pinned buffer has. */
static int make_ready(struct iopf *f, struct buffer b[2], const struct cp_iopf_column *c,
		      double *us)
{
	uint64_t t;
	int ret = 0;

	memcpy(b[0].area->va, f->message, f->size);
	if (c->how == FL_PINNED)
		bring_in(b[1].area->va, b[1].area->len);
	t = fl_now_ns();
	if (c->prefetch)
		ret = fl_mem_prefault(b[0].area, 0, f->size, FL_PREFAULT_READ);
	if (!ret && c->prefetch)
		ret = fl_mem_prefault(b[1].area, 0, f->size, FL_PREFAULT_WRITE);
	*us = (double)(fl_now_ns() - t) / 1e3;
	return ret;
}

/* ---- a run ---------------------------------------------------------------------------- */

static bool stopped(struct cp *cp)
{
	struct signalfd_siginfo si;

	if (read(cp->sig_fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		cp->quit = true;
	return cp->quit;
}

static int silence(const struct iopf *f)
{
	if (__atomic_load_n(&f->dev->down, __ATOMIC_RELAXED))
		return -ENODEV; /* said already */
	fprintf(stderr, "%s: no answer within %llu ms (--timeout)\n", f->dev->uri,
		(unsigned long long)f->cp->conf.timeout_ms);
	return -ETIMEDOUT;
}

/**
 * A page request is a sign of life too. Time in which this thread did not run says nothing about
 * the device, so no more of it counts than a look takes on a busy machine.
 */
static int wait_for(struct iopf *f, struct fl_qp *qp)
{
	uint64_t last = fl_now_ns(), silent = 0, now;
	struct fl_op *op;

	for (unsigned i = 1; !fl_op_dequeue(qp, &op, 1); i++) {
		if (fl_ctx_dispatch(f->dev->ctx, 0) > 0)
			silent = 0;
		if (i % LOOKS)
			continue;
		sched_yield();
		now = fl_now_ns();
		silent += now - last < LOOK_MAX_NS ? now - last : LOOK_MAX_NS;
		last = now;
		if (stopped(f->cp))
			return -EINTR;
		if (silent > f->cp->conf.timeout_ms * 1000000ull ||
		    __atomic_load_n(&f->dev->down, __ATOMIC_RELAXED))
			return silence(f);
	}
	if (op->status == FL_OP_OK)
		return 0;
	fprintf(stderr, "%s: an op came back: %s\n", f->dev->uri,
		fl_op_status_name((enum fl_op_status)op->status));
	return -EIO;
}

static int send_all(struct iopf *f, struct fl_seg seg[2])
{
	struct fl_qp *qp = fl_cryptodev_qp(f->dev->d, 0);
	int ret = 0;

	f->op->src = &seg[0];
	f->op->dst = &seg[1];
	f->op->nsrc = f->op->ndst = 1;
	for (unsigned i = 0; !ret && i < f->times; i++) {
		cp_op_fill(f->op, f->dev->session, &f->cp->job, f->size);
		ret = fl_op_enqueue(qp, &f->op, 1) == 1 ? wait_for(f, qp) : -EIO;
	}
	return ret;
}

/** The first run says what is right; it is a pinned one. */
static int check(struct iopf *f, const uint8_t *out)
{
	if (!f->answered)
		memcpy(f->answer, out, f->size);
	f->answered = true;
	if (!memcmp(f->answer, out, f->size))
		return 0;
	fprintf(stderr, "%s: wrong bytes came out\n", f->dev->uri);
	return -EIO;
}

static void count(const struct buffer b[2], struct sample *s)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct fl_dma_area *a = b[i].area;
		struct fl_residency_stats n = { .mapped_bytes = a->len };

		if (a->residency == FL_LAZY)
			fl_mem_residency_stats(a, &n);
		s->v[CP_IOPF_PAGES] += (double)(n.mapped_bytes / PAGE);
		s->v[CP_IOPF_FAULTS] += (double)n.faults;
		s->v[CP_IOPF_MISSES] += (double)n.misses;
		s->latency_ns += n.latency_ns;
		for (unsigned k = 0; k < FL_FAULT_BUCKETS; k++)
			s->latency[k] += n.latency[k];
	}
}

static int timed(struct iopf *f, struct buffer b[2], struct sample *s)
{
	struct fl_seg seg[2] = { { b[0].area->va, b[0].area, f->size },
				 { b[1].area->va, b[1].area, f->size } };
	uint64_t t = fl_now_ns();
	int ret = send_all(f, seg);

	s->v[CP_IOPF_US] = (double)(fl_now_ns() - t) / 1e3;
	if (!ret) {
		count(b, s);
		return check(f, b[1].area->va);
	}
	/* what has not come back must not come back into memory that is gone */
	if (fl_cryptodev_stop(f->dev->d))
		fprintf(stderr, "%s: cannot be stopped\n", f->dev->uri);
	return ret;
}

static int run(struct iopf *f, const struct cp_iopf_column *c, struct sample *s)
{
	const struct fl_residency_opts around = { .fault_around = c->pages,
						  .budget = f->cp->conf.residency.budget };
	struct buffer b[2] = { 0 };
	int ret = fl_dma_residency_set(f->space, &around), dropped;

	*s = (struct sample){ 0 };
	for (unsigned i = 0; !ret && i < 2; i++)
		ret = make(f, &b[i], c);
	if (!ret)
		ret = make_ready(f, b, c, &s->v[CP_IOPF_PREFETCH_US]);
	if (!ret)
		ret = timed(f, b, s);
	for (unsigned i = 0; i < 2; i++) {
		dropped = drop(&b[i]);
		ret = ret ? ret : dropped;
	}
	return ret;
}

/** What the kernel takes to give a process so much memory that it has not had before, in us. */
static int fresh_pages(uint32_t size, double *us)
{
	struct fl_mem_opts mo = { .node = -1 };
	struct fl_mem_info info;
	struct fl_mem *mem;
	uint64_t t;
	int ret = fl_mem_alloc(size, &mo, &mem);

	if (ret)
		return ret;
	fl_mem_info(mem, &info);
	t = fl_now_ns();
	bring_in(info.va, info.len);
	*us = (double)(fl_now_ns() - t) / 1e3;
	fl_mem_free(mem);
	return 0;
}

/* ---- rounds --------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/** From a histogram: within a bucket all are taken to be spread evenly. */
static double percentile(const uint64_t h[FL_FAULT_BUCKETS], uint64_t sum, double p)
{
	double left = p * (double)sum;

	for (unsigned k = 0; sum && k < FL_FAULT_BUCKETS; k++) {
		double from = k ? (double)(1u << k) : 0, to = (double)(2u << k);

		if (left <= (double)h[k])
			return from + (to - from) * left / (double)h[k];
		left -= (double)h[k];
	}
	return 0;
}

static void sum_up(const struct iopf *f, const struct sample *s, unsigned n,
		   struct cp_iopf_row *row)
{
	uint64_t latency[FL_FAULT_BUCKETS] = { 0 }, answers = 0, ns = 0;
	double v[CP_IOPF_ROUNDS];

	for (unsigned k = 0; k < CP_IOPF_VALUES; k++) {
		for (unsigned i = 0; i < n; i++)
			v[i] = s[i * CP_IOPF_COLUMNS].v[k];
		qsort(v, n, sizeof(*v), by_value);
		row->v[k] = v[n / 2];
	}
	for (unsigned i = 0; i < n; i++) {
		ns += s[i * CP_IOPF_COLUMNS].latency_ns;
		for (unsigned k = 0; k < FL_FAULT_BUCKETS; k++) {
			latency[k] += s[i * CP_IOPF_COLUMNS].latency[k];
			answers += s[i * CP_IOPF_COLUMNS].latency[k];
		}
	}
	row->size = f->size;
	row->times = f->times;
	row->rounds = n;
	row->gbit_per_s = (double)f->size * f->times * 8 / row->v[CP_IOPF_US] / 1e3;
	row->p50_us = percentile(latency, answers, 0.50);
	row->p99_us = percentile(latency, answers, 0.99);
	row->mean_us = answers ? (double)ns / 1e3 / (double)answers : 0;
}

/** Which run this is; for the progress bar and for messages. */
static void name_run(struct iopf *f, unsigned round, const struct cp_iopf_column *c)
{
	snprintf(f->what, sizeof(f->what), "%u bytes %u times, %s%s%s, run %u of %u", f->size,
		 f->times, c->residency, c->how == FL_PINNED ? "" : " ",
		 c->how == FL_PINNED ? "" : c->around, round + 1, (unsigned)f->cp->conf.rounds);
}

/** A run of each column, beginning with another one each time. */
static int round_of(struct iopf *f, unsigned round, struct sample s[CP_IOPF_COLUMNS])
{
	double fresh, pinned;
	int ret = fresh_pages(f->size, &fresh);

	for (unsigned i = 0; !ret && i < CP_IOPF_COLUMNS; i++) {
		unsigned k = (round + i) % CP_IOPF_COLUMNS;

		name_run(f, round, &cp_iopf_columns[k]);
		cp_progress_bar(f->cp, f->done / f->todo, f->what);
		ret = run(f, &cp_iopf_columns[k], &s[k]);
		f->done += (double)f->size * f->times;
	}
	pinned = s[0].v[CP_IOPF_US];
	for (unsigned k = 0; !ret && k < CP_IOPF_COLUMNS; k++) {
		const struct cp_iopf_column *c = &cp_iopf_columns[k];

		s[k].v[CP_IOPF_LOSS] = 1 - pinned / s[k].v[CP_IOPF_US];
		if (c->how == FL_PINNED || c->prefetch)
			continue;
		s[k].v[CP_IOPF_FRESH_US] = fresh;
		s[k].v[CP_IOPF_FRESH] = fresh / (fresh + pinned);
	}
	return ret;
}

static int rows_of(struct iopf *f)
{
	struct cp *cp = f->cp;
	unsigned rounds = (unsigned)cp->conf.rounds;
	struct sample *s = calloc((size_t)rounds * CP_IOPF_COLUMNS, sizeof(*s));
	int ret = s ? 0 : -ENOMEM;

	for (unsigned i = 0; !ret && i < rounds; i++)
		ret = round_of(f, i, &s[i * CP_IOPF_COLUMNS]);
	cp_progress_end(cp);
	for (unsigned k = 0; !ret && k < CP_IOPF_COLUMNS; k++) {
		struct cp_iopf_row *row = &cp->iopf[cp->niopf];

		row->column = &cp_iopf_columns[k];
		sum_up(f, &s[k], rounds, row);
		cp->niopf++;
		cp_iopf_report(cp, row);
	}
	free(s);
	return ret;
}

/* ---- CPUs ----------------------------------------------------------------------------- */

static int cpu_but(const cpu_set_t *allowed, int other)
{
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET((unsigned)i, allowed) && i != other)
			return i;
	return -1;
}

int cp_iopf_place(struct cp_conf *c)
{
	cpu_set_t set;
	int own;

	/* more CPUs than a set holds, or one: nothing to choose */
	if (!c->nlcores && (sched_getaffinity(0, sizeof(set), &set) || CPU_COUNT(&set) < 2))
		return 0;
	own = c->nlcores ? (int)c->lcores[0] : cpu_but(&set, c->model_cpu);
	if (c->model_cpu < 0 && !c->nlcores)
		c->model_cpu = cpu_but(&set, own);
	CPU_ZERO(&set);
	CPU_SET((unsigned)own, &set);
	if (!sched_setaffinity(0, sizeof(set), &set))
		return 0;
	fprintf(stderr, "--lcores=%d: this process may not run there: %s\n", own, strerror(errno));
	return -EINVAL;
}

/* ---- all of it ------------------------------------------------------------------------ */

static int prepare(struct iopf *f)
{
	const struct cp_conf *c = &f->cp->conf;
	uint32_t largest = 0;
	int ret;

	for (unsigned i = 0; i < c->buffer_sz.n; i++) {
		uint32_t size = c->buffer_sz.v[i];

		largest = size > largest ? size : largest;
		for (unsigned k = 0; k < c->times.n; k++)
			f->todo +=
				(double)size * c->times.v[k] * (double)c->rounds * CP_IOPF_COLUMNS;
	}
	f->cp->iopf =
		calloc((size_t)c->buffer_sz.n * c->times.n * CP_IOPF_COLUMNS, sizeof(*f->cp->iopf));
	f->message = malloc(largest);
	f->answer = malloc(largest);
	if (!f->cp->iopf || !f->message || !f->answer)
		return -ENOMEM;
	cp_random(f->message, largest, 7);
	ret = fl_op_pool_create(f->dev->ctx, 1, &f->pool);
	return ret || fl_op_alloc(f->pool, &f->op, 1) ? ret : -ENOMEM;
}

int cp_iopf(struct cp *cp)
{
	const struct cp_conf *c = &cp->conf;
	struct iopf f = { .cp = cp, .dev = &cp->devs[0] };
	int ret;

	if (cp->job.type != CP_CIPHER) {
		fprintf(stderr, "--ptest=iopf: with --optype=cipher-only\n");
		return -EINVAL;
	}
	f.space = fl_ctx_space(f.dev->ctx);
	ret = prepare(&f);
	if (!ret)
		cp_iopf_head(cp);
	for (unsigned i = 0; !ret && i < c->buffer_sz.n; i++) {
		f.size = c->buffer_sz.v[i];
		f.answered = false;
		for (unsigned k = 0; !ret && k < c->times.n; k++) {
			f.times = c->times.v[k];
			ret = rows_of(&f);
		}
	}
	if (f.op)
		fl_op_free(&f.op, 1);
	if (fl_op_pool_destroy(f.pool))
		fprintf(stderr, "%s: an op is out still\n", f.dev->uri);
	free(f.message);
	free(f.answer);
	if (ret == -EINTR)
		return 0; /* the rows so far are the report */
	if (ret)
		fprintf(stderr, "%s: cannot measure %s: %s\n", f.dev->uri, f.what, strerror(-ret));
	return ret;
}
