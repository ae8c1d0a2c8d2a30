/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel answers: fault queues of an iommufd, and devices that ask for pages. */
#include "vfio_fake_internal.h"

#include <kernel_abi.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

/* calls into the kernel, which hold it, come here too */
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

void fake_lock(void)
{
	pthread_mutex_lock(&lock);
}

void fake_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

struct fake_queue *fake_queue_of(uint32_t id)
{
	for (unsigned i = 0; i < FAKE_QUEUES; i++)
		if (fake.queues[i].id == id)
			return &fake.queues[i];
	return NULL;
}

int fake_queue_alloc(struct fl_abi_fault_alloc *req)
{
	struct fake_queue *q = fake_queue_of(0);

	assert_non_null(q);
	assert_int_equal(req->size, sizeof(*req));
	assert_int_equal(req->flags, 0);
	q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(q->fd >= 0);
	q->id = req->out_fault_id = ++fake.last_id;
	req->out_fault_fd = (uint32_t)q->fd;
	fake_fd_add(q->fd, FAKE_QUEUE, q, "[iommufd-pgfault]");
	return 0;
}

void fake_queue_closed(struct fake_queue *q)
{
	q->fd = -1;
}

/* The file is readable while something is to be handed over. */
static void signal_queue(const struct fake_queue *q)
{
	uint64_t n = 1;
	bool any = false;

	for (unsigned i = 0; i < FAKE_PENDING; i++)
		any |= q->pending[i].d && q->pending[i].order;
	if (q->fd < 0)
		return;
	if (any)
		assert_int_equal(__real_write(q->fd, &n, sizeof(n)), sizeof(n));
	else
		(void)!__real_read(q->fd, &n, sizeof(n));
}

/* ---- devices ---------------------------------------------------------------------------- */

void fake_ask(struct fake_dev *d, const uint64_t *iova, const uint32_t *perm, unsigned n)
{
	struct fake_queue *q = fake_queue_of(d->hwpt->fault_id);
	struct fake_requests *r;

	fake_lock();
	assert_true(d->hwpt->fault_id && n <= FAKE_GROUPED);
	for (r = q->pending; r->d; r++)
		assert_true(r < q->pending + FAKE_PENDING - 1);
	r->d = d;
	r->n = n;
	r->order = ++fake.nrequests;
	for (unsigned i = 0; i < n; i++) {
		r->v[i].iova = iova[i];
		r->v[i].perm = perm[i] & 0xff;
		r->v[i].pasid = perm[i] >> 8;
	}
	signal_queue(q);
	fake_unlock();
}

void fake_ask_one(struct fake_dev *d, uint64_t iova, uint32_t perm)
{
	fake_ask(d, &iova, &perm, 1);
}

static void answer(struct fake_requests *r, uint32_t code, bool by_kernel)
{
	struct fake_answer *a = &fake.answers[fake.nanswers++];

	if (fake.nanswers == FL_ARRAY_SIZE(fake.answers))
		abort();
	*a = (struct fake_answer){ r->d, r->v[0].iova, code, by_kernel };
	r->d = NULL;
}

bool fake_answered(unsigned n)
{
	for (unsigned i = 0; i < 5000; i++) {
		fake_lock();
		if (fake.nanswers >= n)
			i = 5000;
		fake_unlock();
		if (i < 5000)
			usleep(1000);
	}
	fake_lock();
	n -= fake.nanswers < n ? fake.nanswers : n;
	fake_unlock();
	return !n;
}

void fake_queue_leave(const struct fake_dev *d)
{
	struct fake_queue *q =
		d->hwpt && d->hwpt->fault_id ? fake_queue_of(d->hwpt->fault_id) : NULL;

	fake_lock();
	for (unsigned i = 0; q && i < FAKE_PENDING; i++)
		if (q->pending[i].d == d)
			answer(&q->pending[i], FL_IOMMU_PAGE_INVALID, true);
	if (q)
		signal_queue(q);
	fake_unlock();
}

uint32_t fake_reaches(const struct fake_dev *d, uint64_t iova)
{
	const struct fake_ioas *a = d->hwpt->ioas;

	for (unsigned i = 0; i < a->nmaps; i++)
		if (iova - a->maps[i].iova < a->maps[i].len)
			return a->maps[i].flags;
	return 0;
}

/* ---- the file --------------------------------------------------------------------------- */

static struct fake_requests *oldest(struct fake_queue *q)
{
	struct fake_requests *found = NULL;

	for (struct fake_requests *r = q->pending; r < q->pending + FAKE_PENDING; r++)
		if (r->d && r->order && (!found || r->order < found->order))
			found = r;
	return found;
}

static struct fake_requests *by_cookie(struct fake_queue *q, uint32_t cookie)
{
	for (struct fake_requests *r = q->pending; r < q->pending + FAKE_PENDING; r++)
		if (r->d && !r->order && r->cookie == cookie)
			return r;
	return NULL;
}

static void hand_over(struct fake_queue *q, struct fake_requests *r, struct fl_abi_pgfault *out)
{
	uint32_t cookie = 1;

	while (by_cookie(q, cookie))
		cookie++; /* the lowest that is free, which somebody may have had just now */
	r->cookie = cookie;
	r->order = 0;
	for (unsigned i = 0; i < r->n; i++)
		out[i] = (struct fl_abi_pgfault){ .flags = (r->v[i].pasid ? 1 : 0) | 4 |
							   (i == r->n - 1 ? 2 : 0),
						  .dev_id = r->d->devid,
						  .pasid = r->v[i].pasid,
						  .grpid = 7,
						  .perm = r->v[i].perm,
						  .addr = r->v[i].iova,
						  .cookie = r->cookie };
}

static ssize_t queue_read(struct fake_queue *q, struct fl_abi_pgfault *out, size_t n)
{
	const size_t room = n / sizeof(*out);
	struct fake_requests *r;
	size_t done = 0;

	fake.reads++;
	if (fake.read_errno || n % sizeof(*out)) {
		errno = fake.read_errno ? fake.read_errno : ESPIPE;
		fake.read_errno = 0;
		return -1;
	}
	while ((r = oldest(q)) && r->n <= room - done) {
		hand_over(q, r, out + done);
		done += r->n;
	}
	signal_queue(q);
	if (done || !r)
		return (ssize_t)(done * sizeof(*out));
	errno = EINVAL;
	return -1;
}

static ssize_t queue_write(struct fake_queue *q, const struct fl_abi_page_response *v, size_t n)
{
	size_t i;

	for (i = 0; i < n / sizeof(*v); i++) {
		struct fake_requests *r = by_cookie(q, v[i].cookie);

		if (!r || v[i].code > 1) {
			fake.refused_answers++;
			break;
		}
		answer(r, v[i].code, false);
	}
	if (i)
		return (ssize_t)(i * sizeof(*v));
	errno = EINVAL;
	return -1;
}

ssize_t __wrap_read(int fd, void *buf, size_t n)
{
	const struct fake_fd *f = fake_fd_of(fd);
	ssize_t rc;

	if (!f || f->kind != FAKE_QUEUE)
		return __real_read(fd, buf, n);
	fake_lock();
	rc = queue_read(f->obj, buf, n);
	fake_unlock();
	return rc;
}

ssize_t __wrap_write(int fd, const void *buf, size_t n)
{
	const struct fake_fd *f = fake_fd_of(fd);
	ssize_t rc;

	if (!f || f->kind != FAKE_QUEUE)
		return __real_write(fd, buf, n);
	fake_lock();
	rc = queue_write(f->obj, buf, n);
	fake_unlock();
	return rc;
}
