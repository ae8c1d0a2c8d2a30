/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The telemetry thread: it accepts, reads lines, answers. It never waits for a client: each has a
 * line and an answer of bounded size, a time to finish either, and a place among a few, which the
 * one that has been idle longest gives up to who comes.
 */
#include "telemetry_internal.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct client {
	int fd;		   /* -1 = free */
	uint64_t since_ns; /* a line, an answer or idleness began */
	bool ended;	   /* sends no more */
	size_t in_len;
	char in[FL_TELE_LINE_MAX];
	char *out; /* an answer; no line is read until it is out */
	size_t out_len, out_at;
};

struct server {
	struct fl_telemetry *t;
	struct client clients[FL_TELE_CLIENTS];
};

static void drop(struct client *c)
{
	close(c->fd);
	free(c->out);
	c->fd = -1;
	c->out = NULL;
}

static bool busy(const struct client *c)
{
	return c->out || c->in_len;
}

/* ---- in and out ------------------------------------------------------------------------ */

static void send_some(struct client *c)
{
	ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		drop(c);
		return;
	}
	c->out_at += n > 0 ? (size_t)n : 0;
	if (c->out_at < c->out_len)
		return;
	free(c->out);
	c->out = NULL;
	c->since_ns = fl_now_ns();
}

static void answer(struct fl_telemetry *t, struct client *c, char *line)
{
	c->out = fl_tele_answer(t, line, &c->out_len);
	if (!c->out) {
		drop(c);
		return;
	}
	c->out_at = 0;
	c->since_ns = fl_now_ns();
	send_some(c);
}

/** Answers the first line that is there; one that the sender's end cuts short is one too. */
static void take_line(struct fl_telemetry *t, struct client *c)
{
	char line[FL_TELE_LINE_MAX + 1];
	char *end = memchr(c->in, '\n', c->in_len);
	size_t len = end ? (size_t)(end - c->in) : c->in_len, used = len + (end != NULL);

	if (!end && c->in_len < sizeof(c->in) && !c->ended)
		return;
	if (!end && !c->ended) { /* no end of it to be seen: what follows is no line of its own */
		c->ended = true;
		len = used = c->in_len;
		c->in[0] = 0;
	}
	memcpy(line, c->in, len);
	line[len] = 0;
	c->in_len -= used;
	memmove(c->in, c->in + used, c->in_len);
	answer(t, c, line);
}

static void receive(struct fl_telemetry *t, struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			drop(c);
		return;
	}
	if (!c->in_len)
		c->since_ns = fl_now_ns();
	c->in_len += (size_t)n;
	c->ended |= n == 0;
}

/** One step of a client: at most one command, so that each gets its turn. */
static void serve_client(struct fl_telemetry *t, struct client *c, short events)
{
	if (events & (POLLERR | POLLNVAL)) {
		drop(c);
		return;
	}
	if (c->out && (events & (POLLOUT | POLLHUP)))
		send_some(c);
	else if (!c->out && (events & (POLLIN | POLLHUP)) && !c->ended)
		receive(t, c);
	if (c->fd >= 0 && !c->out && c->in_len)
		take_line(t, c);
	if (c->fd >= 0 && !c->out && !c->in_len && c->ended)
		drop(c);
}

/* ---- who comes ------------------------------------------------------------------------- */

/** A free place, or that of the one that has asked nothing for longest; NULL: all take answers. */
static struct client *place(struct server *s)
{
	struct client *found = NULL;

	for (unsigned i = 0; i < FL_TELE_CLIENTS; i++) {
		struct client *c = &s->clients[i];

		if (c->fd < 0)
			return c;
		if (!c->out && (!found || c->since_ns < found->since_ns))
			found = c;
	}
	if (found)
		drop(found);
	return found;
}

static void greet(struct server *s)
{
	int fd = accept4(s->t->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred who = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(who);
	struct client *c;

	if (fd < 0) {
		/* no descriptor, no memory: it still waits, so that poll() would not */
		if (errno != EAGAIN && errno != ECONNABORTED)
			poll(NULL, 0, 50);
		return;
	}
	c = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) || (who.uid && who.uid != geteuid())
		    ? NULL
		    : place(s);
	if (!c) {
		close(fd);
		return;
	}
	c->fd = fd;
	c->in_len = 0;
	c->ended = false;
	c->since_ns = fl_now_ns();
}

/** Drops who was too slow; ms until the next may be, -1 = nobody. */
static int expire(struct server *s)
{
	uint64_t now = fl_now_ns(), next = UINT64_MAX;

	for (unsigned i = 0; i < FL_TELE_CLIENTS; i++) {
		struct client *c = &s->clients[i];
		uint64_t end = c->since_ns + s->t->client_ns;

		if (c->fd < 0 || !busy(c))
			continue;
		if (end <= now)
			drop(c);
		else if (end - now < next)
			next = end - now;
	}
	return next == UINT64_MAX ? -1 : (int)(next / 1000000 + 1);
}

static bool stopping(struct fl_telemetry *t)
{
	bool stop;

	pthread_mutex_lock(&t->lock);
	stop = t->stop;
	pthread_mutex_unlock(&t->lock);
	return stop;
}

static void loop(struct server *s)
{
	struct pollfd fds[2 + FL_TELE_CLIENTS];

	while (!stopping(s->t)) {
		int wait = expire(s);

		fds[0] = (struct pollfd){ s->t->wake_fd, POLLIN, 0 };
		fds[1] = (struct pollfd){ s->t->listen_fd, POLLIN, 0 };
		for (unsigned i = 0; i < FL_TELE_CLIENTS; i++) {
			struct client *c = &s->clients[i];

			fds[2 + i] = (struct pollfd){ c->fd, c->out ? POLLOUT : POLLIN, 0 };
			if (c->fd >= 0 && !c->out && c->in_len &&
			    (c->ended || memchr(c->in, '\n', c->in_len)))
				wait = 0; /* more lines came at once */
		}
		if (poll(fds, FL_ARRAY_SIZE(fds), wait) < 0 && errno != EINTR)
			return;
		for (unsigned i = 0; i < FL_TELE_CLIENTS; i++)
			if (fds[2 + i].fd >= 0)
				serve_client(s->t, &s->clients[i], fds[2 + i].revents);
		if (fds[1].revents)
			greet(s);
	}
}

static void *serve(void *arg)
{
	struct server *s = arg;

	for (unsigned i = 0; i < FL_TELE_CLIENTS; i++)
		s->clients[i].fd = -1;
	loop(s);
	for (unsigned i = 0; i < FL_TELE_CLIENTS; i++)
		if (s->clients[i].fd >= 0)
			drop(&s->clients[i]);
	free(s);
	return NULL;
}

/* ---- life ------------------------------------------------------------------------------ */

static int start_thread(struct fl_telemetry *t)
{
	struct server *s = calloc(1, sizeof(*s));
	sigset_t all, before;
	int err;

	if (!s)
		return -ENOMEM;
	s->t = t;
	/* signals are the application's, and for its threads */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&t->thread, NULL, serve, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err) {
		fl_err(&t->log, "telemetry", "no thread: %s", strerror(-err));
		free(s);
		return err;
	}
	pthread_setname_np(t->thread, "fl-telemetry");
	return 0;
}

static void free_telemetry(struct fl_telemetry *t)
{
	if (t->listen_fd >= 0)
		close(t->listen_fd);
	if (t->wake_fd >= 0)
		close(t->wake_fd);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static struct fl_telemetry *new_telemetry(const struct fl_telemetry_opts *o)
{
	struct fl_telemetry *t = calloc(1, sizeof(*t));
	pthread_condattr_t attr;

	if (!t)
		return NULL;
	*t = (struct fl_telemetry){
		.log = o->log ? *o->log : *fl_log_default(),
		.dispatch_ns = (o->dispatch_ms ? o->dispatch_ms : 1000) * 1000000ull,
		.client_ns = (o->client_ms ? o->client_ms : 5000) * 1000000ull,
		.begun_ns = fl_now_ns(),
		.listen_fd = -1,
		.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	snprintf(t->name, sizeof(t->name), "%s", o->name ? o->name : "");
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->changed, &attr);
	pthread_condattr_destroy(&attr);
	return t;
}

int fl_telemetry_start(const struct fl_telemetry_opts *opts, struct fl_telemetry **out)
{
	static const struct fl_telemetry_opts none;
	const struct fl_telemetry_opts *o = opts ? opts : &none;
	struct fl_telemetry *t = new_telemetry(o);
	int err = 0;

	if (!t)
		return -ENOMEM;
	if (t->wake_fd < 0)
		err = -EMFILE;
	else if (!o->path)
		err = fl_tele_default_path(&t->log, t->path, sizeof(t->path));
	else if (!*o->path || strlen(o->path) >= sizeof(t->path))
		err = *o->path ? -ENAMETOOLONG : -EINVAL;
	else
		memcpy(t->path, o->path, strlen(o->path) + 1);
	if (err == -ENAMETOOLONG || err == -EINVAL || err == -EMFILE)
		fl_err(&t->log, "telemetry", "%s: %s; a socket's path has up to %zu bytes",
		       o->path ? o->path : "no socket", strerror(-err), sizeof(t->path) - 1);
	if (!err)
		err = fl_tele_listen(t);
	if (!err) {
		err = start_thread(t);
		if (err)
			fl_tele_unlink(t);
	}
	if (err)
		free_telemetry(t);
	else
		*out = t;
	return err;
}

void fl_telemetry_stop(struct fl_telemetry *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	(void)eventfd_write(t->wake_fd, 1);
	fl_tele_unlink(t);
	pthread_join(t->thread, NULL);
	while (t->ctxs)
		fl_telemetry_remove(t, t->ctxs->ctx);
	free_telemetry(t);
}

const char *fl_telemetry_path(const struct fl_telemetry *t)
{
	return t->path;
}
