/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The fault queue of an IOAS, and who serves it. The kernel hands over groups of page requests
 * with a cookie each and wants one answer a group; until then it waits without limit. What a
 * device asked for that is detached the kernel has answered itself, and reuses its cookie.
 */
#include "iommufd_internal.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define PAGE	    4096u /* of a page request */
#define RECORDS	    64u	  /* read at a time; more where the kernel has a longer group */
#define RECORDS_MAX 65536u
#define ANSWERS	    64u
#define SOURCES	    16u
#define HELD_MAX    64u /* more than the kernel lets a device have outstanding */
#define PAUSE_MS    10
#define RETRIES	    8u /* a quarter of a second */

struct fl_vk_faults {
	struct fl_vk_iommu *iommu;
	uint32_t id;
	int fd, alarm_fd;

	pthread_mutex_t lock;
	/* held by the lock */
	struct fl_pageq pages;
	struct fl_page_source sources[SOURCES]; /* by device id; two may share one */
	uint64_t alarm;
	struct fl_abi_pgfault *records;
	unsigned room;
	struct fl_abi_page_response out[ANSWERS];
	unsigned nout;
	bool told;
	/* the thread, which a map makes */
	bool serving;
	int stop_fd;
	pthread_t thread;
};

static struct fl_vk_faults *faults_of(struct fl_pageq *p)
{
	return (struct fl_vk_faults *)((char *)p - offsetof(struct fl_vk_faults, pages));
}

static const struct fl_log *log_of(const struct fl_vk_faults *f)
{
	return f->iommu->k->log;
}

/* ---- what is answered --------------------------------------------------------------------- */

/* The kernel stops at an answer that nobody waits for: its device has left. */
static void write_out(struct fl_vk_faults *f)
{
	for (unsigned i = 0; i < f->nout;) {
		ssize_t n = write(f->fd, &f->out[i], (f->nout - i) * sizeof(f->out[0]));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < (ssize_t)sizeof(f->out[0]))
			fl_debug(log_of(f), "vfio", "iommufd: nobody waits for the answer %u",
				 f->out[i].cookie);
		i += n < (ssize_t)sizeof(f->out[0]) ? 1 : (unsigned)n / sizeof(f->out[0]);
	}
	f->nout = 0;
}

/* The kernel has no word for what failed for now: that was tried again already. */
static void answer(struct fl_pageq *p, const struct fl_page_group *g)
{
	struct fl_vk_faults *f = faults_of(p);

	f->out[f->nout++] =
		(struct fl_abi_page_response){ g->number, g->err ? FL_IOMMU_PAGE_INVALID
								 : FL_IOMMU_PAGE_SUCCESS };
	if (f->nout == ANSWERS)
		write_out(f);
}

/* Whose memory had to be mapped has waited long enough. */
static void flush(struct fl_pageq *p, bool last)
{
	if (last || p->granted)
		write_out(faults_of(p));
}

static const struct fl_pageq_ops pages_ops = { .answer = answer, .flush = flush };

/* ---- what comes --------------------------------------------------------------------------- */

/* Only what is asked for the device as such, to read or to write, can be granted. */
static unsigned prot_of(const struct fl_abi_pgfault *r)
{
	if (r->pasid || r->perm & FL_IOMMU_PERM_EXEC)
		return 0;
	return (r->perm & FL_IOMMU_PERM_READ ? FL_DMA_READ : 0) |
	       (r->perm & FL_IOMMU_PERM_WRITE ? FL_DMA_WRITE : 0);
}

/* Each record gets the length of what is asked for from there on, in the same group. */
static void measure(struct fl_abi_pgfault *v, unsigned n)
{
	for (unsigned i = n; i--;) {
		const struct fl_abi_pgfault *next = i + 1 < n ? &v[i + 1] : NULL;

		v[i].length = PAGE;
		if (next && next->cookie == v[i].cookie && next->perm == v[i].perm &&
		    next->addr == v[i].addr + PAGE)
			v[i].length += next->length;
	}
}

/* Whoever had the cookie has been answered by the kernel. */
static struct fl_page_group *open_group(struct fl_vk_faults *f, const struct fl_abi_pgfault *r)
{
	struct fl_page_group *g = fl_pageq_find(&f->pages, r->cookie);

	if (g)
		fl_pageq_drop(&f->pages, g);
	g = fl_pages_open_group(&f->pages, r->cookie, &f->sources[r->dev_id % SOURCES]);
	g->closed = true; /* the kernel hands over whole groups */
	return g;
}

static void queue(struct fl_vk_faults *f, unsigned n)
{
	const uint64_t now = fl_now_ns();
	struct fl_page_group *g = NULL;

	measure(f->records, n);
	for (unsigned i = 0; i < n; i++) {
		const struct fl_abi_pgfault *r = &f->records[i];

		if (!g || r->cookie != g->number)
			g = open_group(f, r);
		fl_pageq_push(&f->pages, g,
			      &(struct fl_page_request){ .iova = r->addr,
							 .len = r->length,
							 .arrived_ns = now,
							 .group = r->cookie,
							 .prot = prot_of(r) });
	}
}

/* Room for as many records more, and for what they bring. */
static int make_room(struct fl_vk_faults *f, unsigned room)
{
	struct fl_abi_pgfault *v = f->records;

	if (room > f->room) {
		v = reallocarray(v, room, sizeof(*v));
		if (!v)
			return -ENOMEM;
		f->records = v;
		f->room = room;
	}
	return fl_pageq_reserve(&f->pages, f->pages.ngroups + f->room, f->pages.n + f->room);
}

static void tell(struct fl_vk_faults *f, int err)
{
	if (!f->told)
		fl_err(log_of(f), "vfio",
		       "iommufd: page requests cannot be read (%s): devices wait for their memory",
		       strerror(-err));
	f->told = true;
}

/* How many came; what came before is resolved first. */
static unsigned take(struct fl_vk_faults *f)
{
	unsigned room = f->room;
	ssize_t n;
	int rc;

	if (f->pages.n > f->pages.delayed)
		return 0;
	for (;;) {
		rc = make_room(f, room);
		n = rc ? 0 : read(f->fd, f->records, f->room * sizeof(*f->records));
		rc = n < 0 ? -errno : rc;
		if (rc != -EINVAL || room >= RECORDS_MAX)
			break;
		room *= 2; /* a group is longer */
	}
	if (rc && rc != -EINTR && rc != -EAGAIN)
		tell(f, rc);
	if (rc)
		return 0;
	queue(f, (unsigned)n / sizeof(*f->records));
	return (unsigned)n / sizeof(*f->records);
}

bool fl_vk_faults_serve(struct fl_vk_faults *f)
{
	bool any;

	pthread_mutex_lock(&f->lock);
	any = !f->pages.resolving && (take(f) || f->pages.ngroups);
	fl_pageq_resolve(&f->pages);
	fl_pageq_arm(f->alarm_fd, &f->alarm, fl_pageq_alarm(&f->pages));
	pthread_mutex_unlock(&f->lock);
	return any;
}

void fl_vk_faults_granted(struct fl_vk_faults *f)
{
	pthread_mutex_lock(&f->lock);
	(void)fl_pageq_granted(&f->pages);
	pthread_mutex_unlock(&f->lock);
}

/* ---- the thread --------------------------------------------------------------------------- */

static void *service_main(void *arg)
{
	struct fl_vk_faults *f = arg;
	struct pollfd p[] = { { .fd = f->fd, .events = POLLIN },
			      { .fd = f->alarm_fd, .events = POLLIN },
			      { .fd = f->stop_fd, .events = POLLIN } };

	while (poll(p, FL_ARRAY_SIZE(p), -1) >= 0 || errno == EINTR) {
		if (p[2].revents)
			break;
		/* what cannot be read stays: no reason to look without a pause */
		if (!fl_vk_faults_serve(f) && p[0].revents)
			(void)poll(&p[2], 1, PAUSE_MS);
	}
	return NULL;
}

/* No signal of the application may land in our thread. */
static int make_thread(struct fl_vk_faults *f)
{
	sigset_t all, old;
	int rc;

	f->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->stop_fd < 0)
		return -errno;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = -pthread_create(&f->thread, NULL, service_main, f);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		close(f->stop_fd);
	f->serving = !rc;
	return rc;
}

int fl_vk_faults_thread(struct fl_vk_faults *f)
{
	int rc;

	/* before it resolves anything, who stops it knows of it */
	pthread_mutex_lock(&f->lock);
	rc = f->serving || f->iommu->k->polls ? 0 : make_thread(f);
	pthread_mutex_unlock(&f->lock);
	return rc;
}

/* ---- from open to close ------------------------------------------------------------------- */

int fl_vk_faults_open(struct fl_vk_iommu *i, struct fl_vk_faults **out)
{
	struct fl_abi_fault_alloc req = { .size = sizeof(req) };
	struct fl_vk_faults *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return -ENOMEM;
	rc = fl_vk_ioctl(i->fd, FL_IOMMU_FAULT_QUEUE_ALLOC, &req);
	if (rc < 0) {
		free(f);
		return rc;
	}
	f->iommu = i;
	f->id = req.out_fault_id;
	f->fd = (int)req.out_fault_fd;
	f->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	rc = f->alarm_fd < 0 ? -errno : 0;
	pthread_mutex_init(&f->lock, NULL);
	f->pages = (struct fl_pageq){
		.ops = &pages_ops, .lock = &f->lock, .retries = RETRIES, .held_max = HELD_MAX
	};
	rc = rc ? rc : make_room(f, RECORDS);
	if (rc)
		fl_vk_faults_close(f);
	else
		*out = f;
	return rc;
}

void fl_vk_faults_start(struct fl_vk_faults *f, struct fl_dma_domain *d)
{
	pthread_mutex_lock(&f->lock);
	f->pages.domain = d;
	/* for what was asked already */
	fl_pageq_arm(f->alarm_fd, &f->alarm, fl_pageq_alarm(&f->pages));
	pthread_mutex_unlock(&f->lock);
}

void fl_vk_faults_stop(struct fl_vk_faults *f)
{
	bool serving;

	pthread_mutex_lock(&f->lock);
	f->pages.domain = NULL;
	serving = f->serving;
	pthread_mutex_unlock(&f->lock);
	if (!serving)
		return;
	(void)eventfd_write(f->stop_fd, 1);
	pthread_join(f->thread, NULL);
	close(f->stop_fd);
	pthread_mutex_lock(&f->lock);
	f->serving = false;
	pthread_mutex_unlock(&f->lock);
}

void fl_vk_faults_close(struct fl_vk_faults *f)
{
	/* a lazy area that was mapped after the stop has made another thread */
	fl_vk_faults_stop(f);
	/* the file first: it holds the object */
	close(f->fd);
	fl_vk_destroy_object(f->iommu, f->id);
	if (f->alarm_fd >= 0)
		close(f->alarm_fd);
	fl_pageq_free(&f->pages);
	pthread_mutex_destroy(&f->lock);
	free(f->records);
	free(f);
}

uint32_t fl_vk_faults_id(const struct fl_vk_faults *f)
{
	return f->id;
}

int fl_vk_faults_watch(const struct fl_vk_faults *f, int epfd)
{
	struct epoll_event ev = { .events = EPOLLIN };

	return epoll_ctl(epfd, EPOLL_CTL_ADD, f->fd, &ev) ||
			       epoll_ctl(epfd, EPOLL_CTL_ADD, f->alarm_fd, &ev)
		       ? -errno
		       : 0;
}
