/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory that the process gives up behind the space's back, seen by userfaultfd.
 *
 * Each watched area has a userfaultfd of its own, since what went can only be read by letting
 * madvise() go on: when there is something to read, devices lose the whole area first. It is
 * registered for write protection, which is never used, and so costs no fault.
 */
#include "dma_internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* newer than the headers that this builds with */
#define WP_HUGETLBFS_SHMEM (1ull << 12) /* Linux 5.19 */
#define WP_ASYNC	   (1ull << 15) /* Linux 6.7: files of every kind */

#define EVENTS		   (UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP | UFFD_FEATURE_EVENT_REMAP)
#define RETRY_MS	   1 /* until what was in flight is asked for again; twice as long each time */
#define RETRY_MAX	   128
#define SETTLE_US	   100 /* in which madvise(), let go on, frees its pages */
#define BATCH		   8

struct fl_watch {
	struct fl_watch *next;
	struct fl_area *area;
	int fd;
	bool settles; /* devices get none of it while pages may be on their way out */
	bool busy;    /* some of it was in flight and is to go still */
};

struct fl_watcher {
	struct fl_dma_space *space;
	pthread_t thread;
	int epoll, stop;
	struct fl_watch *watches;
};

/* ---- userfaultfd -------------------------------------------------------------------------- */

static int uffd_open(uint64_t features, uint64_t *has)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	int rc = fd < 0 ? -errno : 0;

	if (!rc && ioctl(fd, UFFDIO_API, &api)) {
		rc = -errno;
		close(fd);
	}
	if (rc)
		return rc;
	*has = api.features;
	return fd;
}

/* What is asked for is told by a handshake that asks for nothing. */
static int uffd_new(const struct fl_log *log)
{
	uint64_t has = 0;
	int fd = uffd_open(0, &has);

	if (fd >= 0 && (has & EVENTS) == EVENTS) {
		close(fd);
		fd = uffd_open(EVENTS | (has & (WP_HUGETLBFS_SHMEM | WP_ASYNC)), &has);
	} else if (fd >= 0) {
		close(fd);
		fd = -ENOSYS;
	}
	if (fd == -EMFILE || fd == -ENFILE)
		fl_err(log, "dma", "no file descriptor to watch an area: %s; raise ulimit -n",
		       strerror(-fd));
	else if (fd < 0)
		fl_err(log, "dma",
		       "memory cannot be watched, no userfaultfd: %s; it takes Linux 5.11 with CONFIG_USERFAULTFD, and a policy of the container (seccomp) that allows it",
		       strerror(-fd));
	if (fd < 0 && fd != -EMFILE && fd != -ENFILE && fd != -ENOMEM)
		fd = -EOPNOTSUPP;
	return fd;
}

static int uffd_register(int fd, const struct fl_dma_area *a)
{
	struct uffdio_register r = { .range = { (uintptr_t)a->va, a->len },
				     .mode = UFFDIO_REGISTER_MODE_WP };
	int rc = ioctl(fd, UFFDIO_REGISTER, &r) ? -errno : 0;

	if (rc == -EBUSY)
		fl_err(a->space->log, "dma",
		       "area %p cannot be watched: a userfaultfd of the application has its memory",
		       (void *)a->va);
	else if (rc)
		fl_err(a->space->log, "dma",
		       "area %p cannot be watched: %s; this kernel does so for %s", (void *)a->va,
		       strerror(-rc),
		       "anonymous memory, from Linux 5.19 for memfd and hugetlbfs, from 6.7 for files");
	return rc == -EINVAL ? -EOPNOTSUPP : rc;
}

static void uffd_release(int fd, uint64_t va, uint64_t len)
{
	struct uffdio_range r = { va, len };

	(void)ioctl(fd, UFFDIO_UNREGISTER, &r); /* what is not there needs no release */
}

int fl_watch_possible(const struct fl_log *log)
{
	int fd = uffd_new(log);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* ---- taking from devices ------------------------------------------------------------------ */

/* All that can go; whether some is left, in flight. */
static bool revoke_all(struct fl_area *a)
{
	const uint64_t step = a->posted ? (uint64_t)1 << a->pub.window_shift : a->pub.len;
	bool busy = false;

	if (fl_fault_revoke(a, 0, a->pub.len))
		fl_warn(a->pub.space->log, "dma", "area %p: a device may not have lost it",
			(void *)a->pub.va);
	if (!a->posted || !fl_post_revoke(a, 0, a->pub.len))
		return false;
	for (uint64_t off = 0; off < a->pub.len; off += step) {
		const uint64_t left = a->pub.len - off;

		busy |= fl_post_revoke(a, off, left < step ? left : step) != 0;
	}
	return busy;
}

static void lost(struct fl_area *a, const char *by, uint64_t from, uint64_t end)
{
	if (!a->dead)
		fl_err(a->pub.space->log, "dma",
		       "area %p + 0x%" PRIx64 ": %s took 0x%" PRIx64 "-0x%" PRIx64
		       " from under it; no device gets any of it any more: unmap the area first",
		       (void *)a->pub.va, a->pub.len, by, from, end - 1);
	a->dead = true;
}

static void happened(struct fl_watch *w, const struct uffd_msg *m)
{
	struct fl_area *a = w->area;

	if (m->event == UFFD_EVENT_REMOVE) {
		w->settles = true;
	} else if (m->event == UFFD_EVENT_UNMAP) {
		lost(a, "munmap", m->arg.remove.start, m->arg.remove.end);
	} else if (m->event == UFFD_EVENT_REMAP) {
		lost(a, "mremap", m->arg.remap.from, m->arg.remap.from + m->arg.remap.len);
		uffd_release(w->fd, m->arg.remap.to, m->arg.remap.len);
	}
	a->counts.invalidations++;
}

static void look(struct fl_watch *w)
{
	struct fl_area *a = w->area;
	struct uffd_msg m;

	if (revoke_all(a) && !w->busy) {
		w->busy = true;
		a->counts.evict_busy++;
		fl_warn(a->pub.space->log, "dma",
			"area %p gave up memory while a device holds buffers in it; these stay until it is done",
			(void *)a->pub.va);
	}
	while (read(w->fd, &m, sizeof(m)) == sizeof(m))
		happened(w, &m);
}

/* ---- the thread --------------------------------------------------------------------------- */

/* NULL: its area went while the event was on its way. */
static struct fl_watch *find(struct fl_watcher *w, const void *p)
{
	struct fl_watch *at = w->watches;

	while (at && at != p)
		at = at->next;
	return at;
}

/*
 * madvise() frees its pages some time after the event was read, and says nothing when it has. What
 * were mapped for a device before that would be a page that the process no longer has.
 */
static void settle(struct fl_watcher *w)
{
	struct fl_dma_space *s = w->space;
	bool any = false;

	for (struct fl_watch *at = w->watches; at; at = at->next) {
		at->area->discards += at->settles;
		any |= at->settles;
	}
	if (!any)
		return;
	pthread_mutex_unlock(&s->lock);
	usleep(SETTLE_US);
	pthread_mutex_lock(&s->lock);
	for (struct fl_watch *at = w->watches; at; at = at->next) {
		at->area->discards -= at->settles;
		at->settles = false;
	}
	pthread_cond_broadcast(&s->discarded);
}

/* Whether some is in flight still. */
static bool retry(struct fl_watcher *w)
{
	bool busy = false;

	for (struct fl_watch *at = w->watches; at; at = at->next) {
		at->busy = at->busy && revoke_all(at->area);
		busy |= at->busy;
	}
	return busy;
}

static void *watch(void *arg)
{
	struct fl_watcher *w = arg;
	struct epoll_event e[BATCH];
	bool busy = false, stop = false;
	int wait = RETRY_MS;

	while (!stop) {
		int n = epoll_wait(w->epoll, e, BATCH, busy ? wait : -1);

		wait = n ? RETRY_MS : wait < RETRY_MAX ? wait * 2 : wait;
		pthread_mutex_lock(&w->space->lock);
		for (int i = 0; i < n; i++) {
			struct fl_watch *at = find(w, e[i].data.ptr);

			stop |= !e[i].data.ptr;
			if (at)
				look(at);
		}
		settle(w);
		busy = retry(w);
		pthread_mutex_unlock(&w->space->lock);
	}
	return NULL;
}

static int thread_start(struct fl_watcher *w)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = -pthread_create(&w->thread, NULL, watch, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static int epoll_add(int epoll, int fd, void *what)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = what };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

/* Started with the first area that is watched. */
static int watcher_new(struct fl_dma_space *s)
{
	struct fl_watcher *w = calloc(1, sizeof(*w));
	int rc = 0;

	if (!w)
		return -ENOMEM;
	w->space = s;
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->epoll < 0 || w->stop < 0)
		rc = -errno;
	if (!rc)
		rc = epoll_add(w->epoll, w->stop, NULL);
	if (!rc)
		rc = thread_start(w);
	if (!rc) {
		s->watcher = w;
		return 0;
	}
	fl_err(s->log, "dma", "no thread to watch memory: %s", strerror(-rc));
	if (w->epoll >= 0)
		close(w->epoll);
	if (w->stop >= 0)
		close(w->stop);
	free(w);
	return rc;
}

void fl_watch_stop(struct fl_dma_space *s)
{
	struct fl_watcher *w = s->watcher;

	if (!w)
		return;
	(void)eventfd_write(w->stop, 1);
	pthread_join(w->thread, NULL);
	close(w->epoll);
	close(w->stop);
	free(w);
	s->watcher = NULL;
}

/* ---- areas -------------------------------------------------------------------------------- */

int fl_watch_add(struct fl_area *a)
{
	struct fl_dma_space *s = a->pub.space;
	struct fl_watch *at;
	int rc = s->watcher ? 0 : watcher_new(s);

	if (rc)
		return rc;
	at = calloc(1, sizeof(*at));
	if (!at)
		return -ENOMEM;
	at->area = a;
	at->fd = rc = uffd_new(s->log);
	if (rc < 0)
		goto free;
	rc = uffd_register(at->fd, &a->pub);
	if (!rc)
		rc = epoll_add(s->watcher->epoll, at->fd, at);
	if (rc)
		goto close;
	at->next = s->watcher->watches;
	s->watcher->watches = at;
	return 0;

close:
	close(at->fd);
free:
	free(at);
	return rc;
}

void fl_watch_del(struct fl_area *a)
{
	struct fl_watcher *w = a->pub.space->watcher;
	struct fl_watch **at = w ? &w->watches : NULL, *old;

	while (at && *at && (*at)->area != a)
		at = &(*at)->next;
	if (!at || !*at)
		return;
	old = *at;
	*at = old->next;
	/* a child of fork() may have the file, so that closing it ends nothing */
	uffd_release(old->fd, (uintptr_t)a->pub.va, a->pub.len);
	(void)epoll_ctl(w->epoll, EPOLL_CTL_DEL, old->fd, NULL);
	close(old->fd);
	free(old);
}
