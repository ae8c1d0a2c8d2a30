/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Contexts, and questions that only the thread which dispatches one may answer. Such a question is
 * put down in t->job and the context woken by an eventfd of its own; fl_ctx_dispatch() runs it
 * while the telemetry thread waits. From ASKED it may be taken back, from RUNS it is waited for,
 * which takes what a few control calls take.
 */
#include "telemetry_internal.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SECOND 1000000000ull

struct fl_tele_ctx *fl_tele_ctx_at(struct fl_telemetry *t, unsigned i)
{
	struct fl_tele_ctx *c = t->ctxs;

	while (c && i--)
		c = c->next;
	return c;
}

/** In fl_ctx_dispatch(). */
static void on_wake(void *arg)
{
	struct fl_tele_ctx *c = arg;
	struct fl_telemetry *t = c->t;
	struct fl_tele_job *job = &t->job;
	eventfd_t n;

	(void)eventfd_read(c->fd, &n);
	pthread_mutex_lock(&t->lock);
	c->deaf = false;
	if (job->state == FL_JOB_ASKED && job->ctx == c) {
		job->state = FL_JOB_RUNS;
		pthread_mutex_unlock(&t->lock);
		job->fn(c->ctx, job->q, job->j);
		pthread_mutex_lock(&t->lock);
		job->state = FL_JOB_DONE;
		pthread_cond_broadcast(&t->changed);
	}
	pthread_mutex_unlock(&t->lock);
}

static struct timespec deadline(uint64_t ns)
{
	uint64_t at = fl_now_ns() + ns;

	return (struct timespec){ .tv_sec = (time_t)(at / SECOND), .tv_nsec = (long)(at % SECOND) };
}

int fl_tele_call(struct fl_telemetry *t, struct fl_tele_ctx *c, fl_tele_fn *fn,
		 struct fl_tele_req *q, struct fl_json *j)
{
	struct timespec end = deadline(t->dispatch_ns);
	struct fl_tele_job *job = &t->job;
	int err = 0;

	if (c->deaf)
		return -ETIMEDOUT;
	*job = (struct fl_tele_job){ FL_JOB_ASKED, c, fn, q, j };
	(void)eventfd_write(c->fd, 1);
	while (job->state == FL_JOB_ASKED && !t->stop && err != ETIMEDOUT)
		err = pthread_cond_timedwait(&t->changed, &t->lock, &end);
	while (job->state == FL_JOB_RUNS)
		pthread_cond_wait(&t->changed, &t->lock);
	err = job->state == FL_JOB_DONE ? 0 : job->state == FL_JOB_GONE ? -ENODEV : -ETIMEDOUT;
	if (job->state == FL_JOB_ASKED)
		c->deaf = true;
	job->state = FL_JOB_NONE;
	return err;
}

int fl_telemetry_add(struct fl_telemetry *t, struct fl_ctx *ctx)
{
	struct fl_tele_ctx *c = calloc(1, sizeof(*c)), **at;
	int err = 0;

	if (!c)
		return -ENOMEM;
	*c = (struct fl_tele_ctx){ .t = t, .ctx = ctx };
	c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->fd < 0)
		err = -errno;
	pthread_mutex_lock(&t->lock);
	for (at = &t->ctxs; *at; at = &(*at)->next)
		if ((*at)->ctx == ctx)
			err = -EEXIST;
	if (!err)
		err = fl_ctx_add_fd(ctx, c->fd, on_wake, c);
	if (!err)
		*at = c;
	pthread_mutex_unlock(&t->lock);
	if (err) {
		if (c->fd >= 0)
			close(c->fd);
		free(c);
	}
	return err;
}

void fl_telemetry_remove(struct fl_telemetry *t, struct fl_ctx *ctx)
{
	struct fl_tele_ctx **at, *c;

	pthread_mutex_lock(&t->lock);
	for (at = &t->ctxs; *at && (*at)->ctx != ctx; at = &(*at)->next)
		;
	c = *at;
	if (c) {
		*at = c->next;
		while (t->job.ctx == c && t->job.state == FL_JOB_RUNS)
			pthread_cond_wait(&t->changed, &t->lock);
		if (t->job.ctx == c && t->job.state == FL_JOB_ASKED) {
			t->job.state = FL_JOB_GONE;
			pthread_cond_broadcast(&t->changed);
		}
		fl_ctx_del_fd(ctx, c->fd);
		close(c->fd);
	}
	pthread_mutex_unlock(&t->lock);
	free(c);
}
