/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine: one thread that turns its models.
 *
 * While there is work it polls them without pause and looks at sockets ever more rarely (each
 * look is a system call), down to once in BUSY_LOOK_MAX; a message found brings it back to
 * BUSY_LOOK_MIN, and messages get no more of its time than the polling does. Without work for a
 * while it lets others have its CPU between two looks, who may well be the ones to bring some.
 * After spin_ns without work it sleeps on the sockets, for a sixteenth of the time that nothing
 * happened, and never long while a client is there, since a doorbell in shared memory wakes nobody.
 */
#include "engine_internal.h"
#include "wire_internal.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SPIN_DEFAULT  2000000ull
#define BUSY_LOOK_MIN 1000ull
#define BUSY_LOOK_MAX 50000ull
#define YIELD_AFTER   10000ull
#define NAP_MIN	      20000ull
#define NAP_MAX	      2000000ull
#define NAP_ALONE     100000000ull

struct call {
	void (*fn)(void *arg);
	void *arg;
	bool done;
	struct call *next;
};

struct fl_engine {
	struct fl_log log;
	const struct fl_log *logp;
	uint64_t spin_ns;
	int cpu;
	struct fl_model *models;
	struct fl_wire *wires;
	struct pollfd *pfd;
	unsigned pfd_cap;
	/* calls from other threads */
	bool threaded;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct call *calls;
	bool pending, stop; /* atomics: the engine looks without the lock */
	int wake;
};

const struct fl_log *fl_engine_log(const struct fl_engine *e)
{
	return e->logp;
}

struct fl_model *fl_engine_find(const struct fl_engine *e, unsigned ordinal)
{
	struct fl_model *m = e->models;

	while (m && m->ordinal != ordinal)
		m = m->next;
	return m;
}

unsigned fl_engine_free_ordinal(const struct fl_engine *e)
{
	unsigned n = 0;

	while (fl_engine_find(e, n))
		n++;
	return n;
}

struct fl_wire **fl_engine_wires(struct fl_engine *e)
{
	return &e->wires;
}

unsigned fl_engine_round(struct fl_engine *e, uint64_t now_ns)
{
	unsigned work = 0;

	for (struct fl_model *m = e->models; m; m = m->next) {
		unsigned did;

		m->pages.now = now_ns;
		did = m->ops->poll(m->state, now_ns);
		work += fl_unlikely(m->pages.waiting) ? fl_pages_round(m, did) : did;
	}
	return work;
}

/* ---- sockets -------------------------------------------------------------------------- */

static struct pollfd *pfd_room(struct fl_engine *e, unsigned n)
{
	struct pollfd *p;

	if (n <= e->pfd_cap)
		return e->pfd;
	p = realloc(e->pfd, n * 2 * sizeof(*p));
	if (!p)
		return NULL;
	e->pfd = p;
	e->pfd_cap = n * 2;
	return p;
}

/* The fds to wait for; those of wires stand from *wires on. */
static unsigned gather_fds(struct fl_engine *e, unsigned *wires)
{
	unsigned n = 0;

	if (!pfd_room(e, 8))
		return 0;
	if (e->wake >= 0)
		e->pfd[n++] = (struct pollfd){ .fd = e->wake, .events = POLLIN };
	for (struct fl_model *m = e->models; m; m = m->next) {
		if (m->srv && pfd_room(e, n + FL_SERVER_FDS))
			n += fl_server_pollfds(m->srv, &e->pfd[n]);
	}
	*wires = n;
	for (struct fl_wire *w = e->wires; w; w = w->next) {
		if (w->fd >= 0 && w->drained && pfd_room(e, n + 1))
			e->pfd[n++] = (struct pollfd){ .fd = w->fd, .events = POLLIN };
	}
	return n;
}

/* A frame waits: no need to wake for it again until its port has read the wire empty. */
static void wires_ready(struct fl_engine *e, unsigned from, unsigned n)
{
	for (struct fl_wire *w = e->wires; w; w = w->next) {
		for (unsigned i = from; i < n; i++) {
			if (e->pfd[i].fd == w->fd && e->pfd[i].revents)
				w->drained = false;
		}
	}
}

static void reap(struct fl_engine *e)
{
	for (struct fl_model **pp = &e->models, *m; (m = *pp);) {
		if (!m->auto_remove || !m->srv || !fl_server_over(m->srv)) {
			pp = &m->next;
			continue;
		}
		*pp = m->next;
		fl_server_free(m->srv);
		fl_model_free(m);
	}
}

bool fl_engine_sockets(struct fl_engine *e, uint64_t timeout_ns)
{
	struct timespec ts = { .tv_sec = (time_t)(timeout_ns / 1000000000u),
			       .tv_nsec = (long)(timeout_ns % 1000000000u) };
	unsigned wires = 0, n = gather_fds(e, &wires);
	bool ready = ppoll(e->pfd, n, &ts, NULL) > 0, any = false;

	if (ready)
		wires_ready(e, wires, n);
	for (struct fl_model *m = e->models; m; m = m->next) {
		if (m->srv && (ready || fl_server_due(m->srv)))
			any |= fl_server_work(m->srv);
	}
	if (any)
		reap(e);
	return any;
}

static bool any_client(const struct fl_engine *e)
{
	for (const struct fl_model *m = e->models; m; m = m->next) {
		if (m->srv && fl_server_connected(m->srv))
			return true;
	}
	return false;
}

static uint64_t nap_bound(struct fl_engine *e, uint64_t now, uint64_t nap)
{
	for (struct fl_model *m = e->models; m; m = m->next) {
		uint64_t t = m->ops->next_timer ? m->ops->next_timer(m->state) : UINT64_MAX;

		/* due, and yet poll() did nothing: something else holds it up */
		if (t <= now)
			t = now + NAP_MIN;
		if (t - now < nap)
			nap = t - now;
	}
	return nap;
}

/* ---- calls ---------------------------------------------------------------------------- */

static void run_calls(struct fl_engine *e)
{
	uint64_t n;

	if (!__atomic_load_n(&e->pending, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&e->lock);
	/* under the lock, which the caller holds until it is written: or it would stay readable */
	if (read(e->wake, &n, sizeof(n)) < 0 && errno != EAGAIN)
		fl_warn(e->logp, "engine", "wake-up eventfd: %m");
	while (e->calls) {
		struct call *c = e->calls;

		e->calls = c->next;
		pthread_mutex_unlock(&e->lock);
		c->fn(c->arg);
		pthread_mutex_lock(&e->lock);
		c->done = true;
		pthread_cond_broadcast(&e->cond);
	}
	__atomic_store_n(&e->pending, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&e->lock);
}

static void wake(struct fl_engine *e)
{
	const uint64_t one = 1;

	if (write(e->wake, &one, sizeof(one)) < 0 && errno != EAGAIN)
		fl_warn(e->logp, "engine", "wake-up eventfd: %m");
}

void fl_engine_call(struct fl_engine *e, void (*fn)(void *arg), void *arg)
{
	struct call c = { .fn = fn, .arg = arg }, **pp;

	if (!e->threaded || pthread_equal(pthread_self(), e->thread)) {
		fn(arg);
		return;
	}
	pthread_mutex_lock(&e->lock);
	for (pp = &e->calls; *pp; pp = &(*pp)->next)
		;
	*pp = &c;
	__atomic_store_n(&e->pending, true, __ATOMIC_RELEASE);
	wake(e);
	while (!c.done)
		pthread_cond_wait(&e->cond, &e->lock);
	pthread_mutex_unlock(&e->lock);
}

/* ---- the thread ----------------------------------------------------------------------- */

struct pace {
	uint64_t last_work, next_look, look;
};

static void after_idle(struct fl_engine *e, struct pace *p, uint64_t now)
{
	uint64_t most = any_client(e) ? NAP_MAX : NAP_ALONE, nap = (now - p->last_work) / 16;

	nap = nap < NAP_MIN ? NAP_MIN : nap < most ? nap : most;
	if (fl_engine_sockets(e, nap_bound(e, now, nap)))
		p->last_work = fl_now_ns();
}

static void turn(struct fl_engine *e, struct pace *p)
{
	uint64_t now = fl_now_ns(), end, pause = BUSY_LOOK_MIN;
	unsigned work = fl_engine_round(e, now);

	if (work) {
		p->last_work = now;
	} else if (now - p->last_work >= e->spin_ns) {
		after_idle(e, p, now);
		return;
	} else if (now - p->last_work < YIELD_AFTER) {
		fl_pause();
	} else {
		sched_yield();
	}
	if (now < p->next_look)
		return;
	if (fl_engine_sockets(e, 0)) {
		p->last_work = now;
		p->look = BUSY_LOOK_MIN;
	} else if (p->look < BUSY_LOOK_MAX) {
		p->look *= 2;
	}
	end = fl_now_ns();
	/* without work there is nothing to hold up: a message is then answered at once */
	if (work)
		pause = p->look > end - now ? p->look : end - now;
	p->next_look = end + pause;
}

static void *run(void *arg)
{
	struct fl_engine *e = arg;
	struct pace p = { .last_work = fl_now_ns(), .look = BUSY_LOOK_MIN };

	while (!__atomic_load_n(&e->stop, __ATOMIC_ACQUIRE)) {
		run_calls(e);
		turn(e, &p);
	}
	return NULL;
}

/* Signals belong to the application's threads. */
static int start_thread(struct fl_engine *e)
{
	pthread_attr_t attr;
	sigset_t all, old;
	cpu_set_t set;
	int r;

	pthread_attr_init(&attr);
	if (e->cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET((unsigned)e->cpu, &set);
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	/* under the lock: the new thread must not be asked before e->thread is known */
	pthread_mutex_lock(&e->lock);
	e->threaded = true;
	r = pthread_create(&e->thread, &attr, run, e);
	pthread_mutex_unlock(&e->lock);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (!r)
		pthread_setname_np(e->thread, "fl-engine");
	else
		e->threaded = false;
	if (r == EINVAL && e->cpu >= 0)
		fl_err(e->logp, "engine", "this process may not run on CPU %d: name another",
		       e->cpu);
	return -r;
}

int fl_engine_new(const struct fl_engine_opts *o, bool thread, struct fl_engine **out)
{
	struct fl_engine *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	e->cpu = o ? o->cpu : -1;
	e->spin_ns = o && o->spin_ns ? o->spin_ns : SPIN_DEFAULT;
	if (o && o->log) {
		e->log = *o->log;
		e->logp = &e->log;
	}
	if (e->cpu >= CPU_SETSIZE) {
		free(e);
		return -EINVAL;
	}
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->cond, NULL);
	e->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = e->wake < 0 ? -errno : thread ? start_thread(e) : 0;
	if (r) {
		fl_err(e->logp, "engine", "cannot start: %s", strerror(-r));
		fl_engine_destroy(e);
		return r;
	}
	*out = e;
	return 0;
}

int fl_engine_create(const struct fl_engine_opts *o, struct fl_engine **out)
{
	return fl_engine_new(o, true, out);
}

static void free_models(struct fl_engine *e)
{
	while (e->models) {
		struct fl_model *m = e->models;

		e->models = m->next;
		if (m->srv)
			fl_server_free(m->srv);
		fl_model_free(m);
	}
}

void fl_engine_destroy(struct fl_engine *e)
{
	if (e->threaded) {
		__atomic_store_n(&e->stop, true, __ATOMIC_RELEASE);
		wake(e);
		pthread_join(e->thread, NULL);
		e->threaded = false;
	}
	free_models(e);
	if (e->wake >= 0)
		close(e->wake);
	pthread_cond_destroy(&e->cond);
	pthread_mutex_destroy(&e->lock);
	free(e->pfd);
	free(e);
}

/* ---- models come and go --------------------------------------------------------------- */

struct add {
	struct fl_engine *e;
	const struct fl_model_ops *ops;
	const char *args, *path;
	int fd, result;
	unsigned flags;
	struct fl_model *m;
};

static void do_add(void *arg)
{
	struct add *a = arg;
	struct fl_model **pp;

	/* a model whose client has gone by now gives its wire's name back */
	fl_engine_sockets(a->e, 0);
	a->result = fl_model_new(a->e, a->ops, a->args, &a->m);
	if (a->result) {
		if (a->fd >= 0)
			close(a->fd);
		return;
	}
	if (a->path || a->fd >= 0)
		a->result = fl_server_new(a->m, a->path, a->fd, &a->m->srv);
	if (a->result) {
		fl_model_free(a->m);
		return;
	}
	a->m->auto_remove = a->flags & FL_ADD_AUTO_REMOVE;
	for (pp = &a->e->models; *pp; pp = &(*pp)->next)
		;
	*pp = a->m;
}

int fl_engine_add_ops(struct fl_engine *e, const struct fl_model_ops *ops, const char *args,
		      const char *path, int fd, unsigned flags, struct fl_model **out)
{
	struct add a = { .e = e, .ops = ops, .args = args, .path = path, .fd = fd, .flags = flags };

	fl_engine_call(e, do_add, &a);
	if (!a.result && out)
		*out = a.m;
	return a.result;
}

int fl_engine_add_spec(struct fl_engine *e, const char *spec, const char *path, int fd,
		       unsigned flags, struct fl_model **out)
{
	size_t len = strcspn(spec, ",");
	const struct fl_model_ops *o;

	for (unsigned i = 0; (o = fl_model_at(i)); i++) {
		if (strlen(o->name) == len && !strncmp(o->name, spec, len))
			return fl_engine_add_ops(e, o, spec[len] ? spec + len + 1 : NULL, path, fd,
						 flags, out);
	}
	fl_err(e->logp, "engine", "no model is named '%.*s'; fl-model --help lists them", (int)len,
	       spec);
	if (fd >= 0)
		close(fd);
	return -ENOENT;
}

int fl_engine_add(struct fl_engine *e, const char *spec, const char *path, int fd,
		  struct fl_model **out)
{
	if ((path != NULL) == (fd >= 0))
		return -EINVAL;
	return fl_engine_add_spec(e, spec, path, fd, 0, out);
}

static void do_remove(void *arg)
{
	struct fl_model *m = arg, **pp = &m->engine->models;

	while (*pp != m)
		pp = &(*pp)->next;
	*pp = m->next;
	if (m->srv)
		fl_server_free(m->srv);
	fl_model_free(m);
}

void fl_engine_remove(struct fl_engine *e, struct fl_model *m)
{
	fl_engine_call(e, do_remove, m);
}
