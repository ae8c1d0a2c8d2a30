/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts as VFIO shows them: five indexes, an eventfd for each vector.
 *
 * INTx is a level: it is signalled when it rises and masks itself then; an unmask signals again
 * while it is still high. MSI and MSI-X are edges; a masked vector remembers one.
 */
#include "model_internal.h"

#include <linux/vfio.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#define CMD_INTX_OFF (1u << 10)
#define STATUS_INTX  (1u << 3)

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int fl_irqs_init(struct fl_model *m)
{
	const unsigned count[FL_MODEL_IRQS] = {
		[FL_VFIO_IRQ_INTX] = m->pci.now[0x3d] ? 1 : 0,
		[FL_VFIO_IRQ_MSI] = m->pci.msi_vectors,
		[FL_VFIO_IRQ_MSIX] = m->pci.msix_vectors,
		[FL_VFIO_IRQ_ERR] = 1,
		[FL_VFIO_IRQ_REQ] = 1,
	};

	for (unsigned i = 0; i < FL_MODEL_IRQS; i++) {
		struct fl_irq_index *x = &m->irq.index[i];

		if (!count[i])
			continue;
		x->vec = calloc(count[i], sizeof(*x->vec));
		if (!x->vec)
			return -ENOMEM;
		x->count = count[i];
		for (unsigned v = 0; v < count[i]; v++)
			x->vec[v].fd = -1;
	}
	return 0;
}

void fl_irqs_release(struct fl_model *m)
{
	for (unsigned i = 0; i < FL_MODEL_IRQS; i++) {
		struct fl_irq_index *x = &m->irq.index[i];

		for (unsigned v = 0; v < x->count; v++) {
			close_fd(&x->vec[v].fd);
			x->vec[v].masked = x->vec[v].pending = false;
		}
	}
	close_fd(&m->irq.unmask_fd);
}

void fl_irqs_free(struct fl_model *m)
{
	fl_irqs_release(m);
	for (unsigned i = 0; i < FL_MODEL_IRQS; i++)
		free(m->irq.index[i].vec);
}

void fl_irqs_reset(struct fl_model *m)
{
	for (unsigned i = 0; i < FL_MODEL_IRQS; i++) {
		for (unsigned v = 0; v < m->irq.index[i].count; v++)
			m->irq.index[i].vec[v].pending = false;
	}
	m->irq.level = false;
}

/*
 * A client may have filled its own counter: a write would then wait for it. What is already
 * signalled need not be signalled again.
 */
static void signal_fd(struct fl_model *m, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	const uint64_t one = 1;

	if (fd < 0)
		return;
	if (poll(&p, 1, 0) == 1 && p.revents & POLLOUT && write(fd, &one, sizeof(one)) < 0)
		fl_debug(m->log, "model", "%s: eventfd: %m", m->ops->name);
	fl_stat_add(&m->stats.irqs, 1);
}

static bool index_on(const struct fl_model *m, unsigned index)
{
	const struct fl_irq_index *x = &m->irq.index[index];

	for (unsigned v = 0; v < x->count; v++) {
		if (x->vec[v].fd >= 0)
			return true;
	}
	return false;
}

bool fl_model_msix_enabled(const struct fl_model *m)
{
	return m->irq.msg_on[FL_VFIO_IRQ_MSIX];
}

bool fl_model_msi_enabled(const struct fl_model *m)
{
	return m->irq.msg_on[FL_VFIO_IRQ_MSI];
}

static void fire(struct fl_model *m, unsigned index, unsigned vec)
{
	struct fl_irq_index *x = &m->irq.index[index];

	if (m->host && vec < x->count) {
		fl_stat_add(&m->stats.irqs, 1);
		m->host->interrupt(m->host_arg, index, vec);
		return;
	}
	if (vec >= x->count || x->vec[vec].fd < 0)
		return;
	if (x->vec[vec].masked)
		x->vec[vec].pending = true;
	else
		signal_fd(m, x->vec[vec].fd);
}

void fl_model_msi(struct fl_model *m, unsigned vec)
{
	fire(m, FL_VFIO_IRQ_MSI, vec);
}

void fl_model_msix(struct fl_model *m, unsigned vec)
{
	fire(m, FL_VFIO_IRQ_MSIX, vec);
}

void fl_irq_intx_update(struct fl_model *m)
{
	struct fl_irq_vec *v = m->irq.index[FL_VFIO_IRQ_INTX].vec;
	unsigned cmd = fl_model_cfg_get(m, 4, 2);

	m->pci.now[6] =
		(uint8_t)((m->pci.now[6] & ~STATUS_INTX) | (m->irq.level ? STATUS_INTX : 0));
	if (!v || v->fd < 0 || v->masked || !m->irq.level || cmd & CMD_INTX_OFF ||
	    fl_model_msi_enabled(m) || fl_model_msix_enabled(m))
		return;
	v->masked = true;
	signal_fd(m, v->fd);
}

void fl_model_intx(struct fl_model *m, bool level)
{
	if (m->irq.level == level)
		return;
	m->irq.level = level;
	fl_irq_intx_update(m);
}

uint64_t fl_irq_pba(const struct fl_model *m, unsigned qword)
{
	const struct fl_irq_index *x = &m->irq.index[FL_VFIO_IRQ_MSIX];
	uint64_t bits = 0;

	for (unsigned b = 0; b < 64 && qword * 64 + b < x->count; b++)
		bits |= (uint64_t)x->vec[qword * 64 + b].pending << b;
	return bits;
}

uint32_t fl_irq_flags(unsigned index)
{
	if (index == FL_VFIO_IRQ_INTX)
		return FL_VFIO_IRQ_F_EVENTFD | FL_VFIO_IRQ_F_MASKABLE | FL_VFIO_IRQ_F_AUTOMASKED;
	if (index == FL_VFIO_IRQ_MSI || index == FL_VFIO_IRQ_MSIX)
		return FL_VFIO_IRQ_F_EVENTFD | FL_VFIO_IRQ_F_MASKABLE;
	return FL_VFIO_IRQ_F_EVENTFD;
}

static void unmask(struct fl_model *m, unsigned index, unsigned vec)
{
	struct fl_irq_vec *v = &m->irq.index[index].vec[vec];

	v->masked = false;
	if (index == FL_VFIO_IRQ_INTX) {
		fl_irq_intx_update(m);
	} else if (v->pending) {
		v->pending = false;
		signal_fd(m, v->fd);
	}
}

void fl_irq_unmask_event(struct fl_model *m)
{
	struct pollfd p = { .fd = m->irq.unmask_fd, .events = POLLIN };
	uint64_t n;
	struct iovec iov = { &n, sizeof(n) };
	ssize_t r;

	if (p.fd < 0 || poll(&p, 1, 0) != 1 || !(p.revents & POLLIN))
		return;
	/* the client may have read it meanwhile: a plain read() could wait for it */
	r = preadv2(p.fd, &iov, 1, -1, RWF_NOWAIT);
	if (r < 0 && errno == EOPNOTSUPP) /* before Linux 5.8 */
		r = read(p.fd, &n, sizeof(n));
	if (r == sizeof(n))
		unmask(m, FL_VFIO_IRQ_INTX, 0);
}

/* Anything else could make the engine wait in write() or read(). */
static bool is_eventfd(int fd)
{
	char path[40], to[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, to, sizeof(to) - 1);
	if (n < 0)
		return false;
	to[n] = '\0';
	return !strcmp(to, "anon_inode:[eventfd]");
}

static int set_trigger(struct fl_model *m, unsigned index, unsigned start, unsigned count, int *fds,
		       unsigned nfds)
{
	struct fl_irq_index *x = &m->irq.index[index];

	for (unsigned i = 0; i < count; i++) {
		struct fl_irq_vec *v = &x->vec[start + i];

		close_fd(&v->fd);
		v->masked = v->pending = false;
		if (nfds) {
			v->fd = fds[i];
			fds[i] = -1;
		}
	}
	if (index == FL_VFIO_IRQ_INTX && !nfds)
		close_fd(&m->irq.unmask_fd);
	m->irq.msg_on[index] = index_on(m, index);
	fl_irq_intx_update(m);
	return 0;
}

static int set_eventfds(struct fl_model *m, unsigned index, unsigned start, unsigned count,
			uint32_t action, int *fds, unsigned nfds)
{
	if (nfds && nfds != count)
		return -EINVAL;
	for (unsigned i = 0; i < nfds; i++) {
		if (!is_eventfd(fds[i])) {
			fl_warn(m->log, "model", "%s: interrupt %u: not an eventfd", m->ops->name,
				index);
			return -EINVAL;
		}
	}
	if (action == VFIO_IRQ_SET_ACTION_TRIGGER)
		return set_trigger(m, index, start, count, fds, nfds);
	if (action != VFIO_IRQ_SET_ACTION_UNMASK || index != FL_VFIO_IRQ_INTX)
		return -ENOTSUP;
	close_fd(&m->irq.unmask_fd);
	if (nfds) {
		m->irq.unmask_fd = fds[0];
		fds[0] = -1;
	}
	return 0;
}

static void act(struct fl_model *m, unsigned index, unsigned vec, uint32_t action)
{
	struct fl_irq_vec *v = &m->irq.index[index].vec[vec];

	if (action == VFIO_IRQ_SET_ACTION_MASK)
		v->masked = true;
	else if (action == VFIO_IRQ_SET_ACTION_UNMASK)
		unmask(m, index, vec);
	else
		signal_fd(m, v->fd); /* the client tests its own eventfd */
}

int fl_model_irq_set(struct fl_model *m, unsigned index, unsigned start, unsigned count,
		     uint32_t flags, const uint8_t *bools, int *fds, unsigned nfds)
{
	uint32_t data = flags & VFIO_IRQ_SET_DATA_TYPE_MASK;
	uint32_t action = flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;
	unsigned have = index < FL_MODEL_IRQS ? m->irq.index[index].count : 0;

	if (__builtin_popcount(data) != 1 || __builtin_popcount(action) != 1 ||
	    flags != (data | action) || index >= FL_MODEL_IRQS)
		return -EINVAL;
	if (!count) {
		if (start || data != VFIO_IRQ_SET_DATA_NONE ||
		    action != VFIO_IRQ_SET_ACTION_TRIGGER)
			return -EINVAL;
		return set_trigger(m, index, 0, have, NULL, 0);
	}
	if (start >= have || count > have - start)
		return -EINVAL;
	if (data == VFIO_IRQ_SET_DATA_EVENTFD)
		return set_eventfds(m, index, start, count, action, fds, nfds);
	if (action != VFIO_IRQ_SET_ACTION_TRIGGER &&
	    !(fl_irq_flags(index) & FL_VFIO_IRQ_F_MASKABLE))
		return -EINVAL;
	for (unsigned i = 0; i < count; i++) {
		if (data == VFIO_IRQ_SET_DATA_NONE || bools[i])
			act(m, index, start + i, action);
	}
	return 0;
}
