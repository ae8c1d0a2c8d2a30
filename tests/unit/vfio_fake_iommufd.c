/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel answers: iommufd, and cdevs of devices. Answers are negative errnos. */
#include "vfio_fake_internal.h"

#include <kernel_abi.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- objects --------------------------------------------------------------------------- */

static struct fake_ioas *ioas_of(uint32_t id)
{
	for (unsigned i = 0; i < FAKE_IOASES; i++)
		if (fake.ioases[i].id == id)
			return &fake.ioases[i];
	return NULL;
}

static struct fake_hwpt *hwpt_of(uint32_t id)
{
	for (unsigned i = 0; i < FAKE_HWPTS; i++)
		if (fake.hwpts[i].id == id)
			return &fake.hwpts[i];
	return NULL;
}

static struct fake_dev *dev_of(uint32_t id)
{
	for (unsigned i = 0; i < fake.ndevs; i++)
		if (id && fake.devs[i].devid == id)
			return &fake.devs[i];
	return NULL;
}

static struct fake_hwpt *new_hwpt(struct fake_ioas *a, const struct fake_dev *d)
{
	struct fake_hwpt *h = hwpt_of(0);

	assert_non_null(h);
	*h = (struct fake_hwpt){ .id = ++fake.last_id, .ioas = a, .tag = d->g->tag };
	return h;
}

static int destroy(const struct fl_abi_destroy *req)
{
	struct fake_hwpt *h = req->id ? hwpt_of(req->id) : NULL;
	struct fake_ioas *a = req->id ? ioas_of(req->id) : NULL;
	struct fake_queue *q = req->id ? fake_queue_of(req->id) : NULL;

	if ((h && h->users) || (q && q->fd >= 0))
		return -EBUSY;
	for (unsigned i = 0; q && i < FAKE_HWPTS; i++)
		if (fake.hwpts[i].fault_id == q->id)
			return -EBUSY;
	if (q)
		memset(q, 0, sizeof(*q));
	if (h)
		memset(h, 0, sizeof(*h));
	for (unsigned i = 0; a && i < FAKE_HWPTS; i++)
		if (fake.hwpts[i].ioas == a)
			return -EBUSY;
	if (a)
		memset(a, 0, sizeof(*a));
	return h || a || q ? 0 : -ENOENT;
}

/* ---- windows --------------------------------------------------------------------------- */

static bool attached(const struct fake_ioas *a, const struct fake_dev *d)
{
	return d->hwpt && d->hwpt->ioas == a;
}

static bool is_valid(const struct fake_ioas *a, uint64_t iova, uint64_t len)
{
	for (unsigned i = 0; i < fake.ndevs; i++)
		if (attached(a, &fake.devs[i]) && !fake_in_windows(fake.devs[i].g, iova, len))
			return false;
	return true;
}

/* The next window at or behind *at, [*at, *last], where all devices allow it. */
static bool next_window(const struct fake_ioas *a, uint64_t *at, uint64_t *last)
{
	for (bool moved = true; moved;) {
		moved = false;
		*last = UINT64_MAX;
		for (unsigned i = 0; i < fake.ndevs; i++) {
			const struct fake_group *g = fake.devs[i].g;
			unsigned w = 0;

			if (!attached(a, &fake.devs[i]))
				continue;
			while (w < g->nwindows && g->windows[w].last < *at)
				w++;
			if (w == g->nwindows)
				return false;
			if (g->windows[w].first > *at) {
				*at = g->windows[w].first;
				moved = true;
			}
			*last = g->windows[w].last < *last ? g->windows[w].last : *last;
		}
	}
	return true;
}

static int iova_ranges(struct fl_abi_iova_ranges *req)
{
	struct fl_iova_range *out = (void *)(uintptr_t)req->allowed_iovas;
	const struct fake_ioas *a = ioas_of(req->ioas_id);
	uint32_t room = req->num_iovas, n = 0;
	uint64_t at = 0, last;

	if (!a)
		return -ENOENT;
	req->out_iova_alignment = 1;
	for (unsigned i = 0; i < fake.ndevs; i++)
		if (attached(a, &fake.devs[i]))
			req->out_iova_alignment = 4096;
	for (bool more = true; more && next_window(a, &at, &last); at = last + 1) {
		while (n < fake.more_windows) { /* cut off the first */
			if (n < room)
				out[n] = (struct fl_iova_range){ at, at + 0xfff };
			at += 0x2000;
			n++;
		}
		if (n < room)
			out[n] = (struct fl_iova_range){ at, last };
		n++;
		more = last != UINT64_MAX;
	}
	req->num_iovas = n;
	if (fake.edit_ranges)
		fake.edit_ranges(req);
	return req->num_iovas > room ? -EMSGSIZE : 0;
}

static int allow(const struct fl_abi_allow_iovas *req)
{
	const struct fl_iova_range *v = (void *)(uintptr_t)req->allowed_iovas;
	struct fake_ioas *a = ioas_of(req->ioas_id);

	if (!a)
		return -ENOENT;
	for (unsigned i = 0; i < req->num_iovas; i++)
		if (!is_valid(a, v[i].first, v[i].last - v[i].first + 1))
			return -EADDRINUSE;
	assert_true(req->num_iovas <= FAKE_WINDOWS);
	if (req->num_iovas)
		memcpy(a->allowed, v, req->num_iovas * sizeof(*v));
	a->nallowed = req->num_iovas;
	return 0;
}

/* ---- mappings -------------------------------------------------------------------------- */

static int map(const struct fl_abi_ioas_map *req)
{
	struct fake_ioas *a = ioas_of(req->ioas_id);

	if (!a)
		return -ENOENT;
	if (!(req->flags & FL_IOMMU_MAP_FIXED) || req->flags > 7 || req->reserved)
		return -EOPNOTSUPP;
	if (!(req->flags & 6) || !req->length || (req->iova | req->length | req->user_va) & 4095 ||
	    !is_valid(a, req->iova, req->length))
		return -EINVAL;
	for (unsigned i = 0; i < a->nmaps; i++)
		if (req->iova < a->maps[i].iova + a->maps[i].len &&
		    a->maps[i].iova < req->iova + req->length)
			return -EEXIST;
	if (fake.memlock && fake_locked() + req->length > fake.memlock)
		return -ENOMEM;
	assert_true(a->nmaps < FAKE_MAPS);
	a->maps[a->nmaps++] =
		(struct fake_map){ req->iova, req->length, req->user_va, req->flags, 0 };
	if (fake_locked() > fake.most_locked)
		fake.most_locked = fake_locked();
	return 0;
}

static int unmap(struct fl_abi_ioas_unmap *req)
{
	struct fake_ioas *a = ioas_of(req->ioas_id);
	uint64_t done = 0;

	if (!a || !req->length)
		return a ? -EINVAL : -ENOENT;
	for (unsigned i = 0; i < a->nmaps;) {
		const struct fake_map *m = &a->maps[i];

		if (m->iova + m->len <= req->iova || m->iova >= req->iova + req->length) {
			i++;
			continue;
		}
		if (m->iova < req->iova || m->iova + m->len > req->iova + req->length)
			return -ENOENT; /* none is ever cut */
		done += m->len;
		a->maps[i] = a->maps[--a->nmaps];
	}
	if (!done)
		return -ENOENT;
	req->length = fake.short_unmap ? done / 2 : done;
	return 0;
}

/* ---- page tables ----------------------------------------------------------------------- */

static int hwpt_alloc(struct fl_abi_hwpt_alloc *req)
{
	struct fake_ioas *a = req->pt_id ? ioas_of(req->pt_id) : NULL;
	struct fake_dev *d = dev_of(req->dev_id);
	struct fake_hwpt *h;

	if (!a || !d)
		return -ENOENT;
	if (req->flags & FL_IOMMU_HWPT_DIRTY && !d->can_log)
		return -EOPNOTSUPP;
	if (req->flags & FL_IOMMU_HWPT_FAULT_ID) {
		if (fake.no_user_faults ||
		    (fake.no_logged_faults && req->flags & FL_IOMMU_HWPT_DIRTY))
			return -EOPNOTSUPP;
		if (!req->fault_id || !fake_queue_of(req->fault_id))
			return -ENOENT;
	}
	h = new_hwpt(a, d);
	h->flags = req->flags;
	h->fault_id = req->fault_id;
	req->out_hwpt_id = h->id;
	return 0;
}

static int set_dirty(const struct fl_abi_set_dirty *req)
{
	struct fake_hwpt *h = req->hwpt_id ? hwpt_of(req->hwpt_id) : NULL;

	if (!h || !(h->flags & FL_IOMMU_HWPT_DIRTY))
		return h ? -EOPNOTSUPP : -ENOENT;
	h->dirty_on = req->flags & 1;
	for (unsigned i = 0; h->dirty_on && i < h->ioas->nmaps; i++)
		h->ioas->maps[i].dirty = 0;
	return 0;
}

static int get_dirty(const struct fl_abi_get_dirty *req)
{
	struct fake_hwpt *h = req->hwpt_id ? hwpt_of(req->hwpt_id) : NULL;
	uint64_t *bits = (void *)(uintptr_t)req->data;

	if (!h || !(h->flags & FL_IOMMU_HWPT_DIRTY))
		return h ? -EOPNOTSUPP : -ENOENT;
	if (!req->length || !req->page_size || (req->iova | req->length) & (req->page_size - 1))
		return -EINVAL;
	for (unsigned i = 0; i < h->ioas->nmaps; i++) {
		struct fake_map *m = &h->ioas->maps[i];

		if (m->iova < req->iova || m->iova + m->len > req->iova + req->length ||
		    (m->dirty_hwpt && m->dirty_hwpt != h->id))
			continue;
		for (unsigned n = 0; n < 64; n++) {
			uint64_t at = (m->iova + n * 4096 - req->iova) / req->page_size;

			if (m->dirty >> n & 1)
				bits[at / 64] |= 1ull << at % 64;
		}
		m->dirty = 0;
	}
	return 0;
}

static int hw_info(struct fl_abi_hw_info *req)
{
	const struct fake_dev *d = dev_of(req->dev_id);

	if (!d)
		return -ENOENT;
	req->out_capabilities = d->can_log ? FL_IOMMU_HW_CAP_DIRTY : 0;
	return 0;
}

static int option(struct fl_abi_option *req)
{
	if (req->option_id != FL_IOMMU_OPTION_RLIMIT || req->op != FL_IOMMU_OPTION_GET)
		return -EOPNOTSUPP;
	req->val64 = fake.by_process;
	return 0;
}

int fake_iommu_ioctl(unsigned long request, void *arg)
{
	struct fl_abi_ioas_alloc *alloc = arg;
	struct fake_ioas *a;

	switch (request) {
	case FL_IOMMU_IOAS_ALLOC:
		a = ioas_of(0);
		assert_non_null(a);
		a->id = alloc->out_ioas_id = ++fake.last_id;
		return 0;
	case FL_IOMMU_FAULT_QUEUE_ALLOC:
		return fake.has_queues ? fake_queue_alloc(arg) : -ENOTTY;
	case FL_IOMMU_DESTROY:
		return destroy(arg);
	case FL_IOMMU_IOVA_RANGES:
		return iova_ranges(arg);
	case FL_IOMMU_ALLOW_IOVAS:
		return allow(arg);
	case FL_IOMMU_IOAS_MAP:
		return map(arg);
	case FL_IOMMU_IOAS_UNMAP:
		return unmap(arg);
	case FL_IOMMU_HWPT_ALLOC:
		return hwpt_alloc(arg);
	case FL_IOMMU_SET_DIRTY:
		return set_dirty(arg);
	case FL_IOMMU_GET_DIRTY:
		return get_dirty(arg);
	case FL_IOMMU_GET_HW_INFO:
		return hw_info(arg);
	case FL_IOMMU_OPTION:
		return option(arg);
	}
	return -ENOTTY;
}

/* ---- cdevs ----------------------------------------------------------------------------- */

static int bind(struct fake_dev *d, struct fl_abi_bind_iommufd *req)
{
	const struct fake_fd *f = fake_fd_of(req->iommufd);

	if (req->argsz < sizeof(*req) || req->flags)
		return -EINVAL;
	if (d->g->fd)
		return -EBUSY;
	if (!f || f->kind != FAKE_IOMMU)
		return -EBADFD;
	if (d->devid)
		return -EINVAL;
	if (fake.no_irq_remapping)
		return -EPERM;
	if (!d->g->viable)
		return -EBUSY;
	d->devid = req->out_devid = ++fake.last_id;
	d->opens++;
	return 0;
}

static void leave(struct fake_dev *d)
{
	struct fake_hwpt *h = d->hwpt;

	fake_queue_leave(d);
	d->hwpt = NULL;
	if (h && !--h->users && h->automatic)
		memset(h, 0, sizeof(*h));
}

static bool maps_suit(const struct fake_ioas *a, const struct fake_group *g)
{
	for (unsigned i = 0; i < a->nmaps && !fake.lax_windows; i++)
		if (!fake_in_windows(g, a->maps[i].iova, a->maps[i].len))
			return false;
	for (unsigned i = 0; i < a->nallowed; i++)
		if (!fake_in_windows(g, a->allowed[i].first,
				     a->allowed[i].last - a->allowed[i].first + 1))
			return false;
	return true;
}

static struct fake_hwpt *pick(struct fake_ioas *a, const struct fake_dev *d)
{
	struct fake_hwpt *h;

	for (unsigned i = 0; i < FAKE_HWPTS; i++) {
		h = &fake.hwpts[i];
		if (h->id && h->ioas == a && h->automatic && h->tag == d->g->tag)
			return h;
	}
	h = new_hwpt(a, d);
	h->automatic = true;
	return h;
}

/* Tags below zero are IOMMUs that no page table of this kernel suits. */
static int attach(struct fake_dev *d, struct fl_abi_attach_pt *req)
{
	struct fake_ioas *a = req->pt_id ? ioas_of(req->pt_id) : NULL;
	struct fake_hwpt *h = req->pt_id ? hwpt_of(req->pt_id) : NULL;

	if (!a && !h)
		return -ENOENT;
	if (d->g->tag < 0 || (h && h->tag != d->g->tag))
		return -EINVAL;
	if (h && h->fault_id && (!d->can_fault || (fake.late_faults && !d->hwpt)))
		return -ENODEV;
	if (!maps_suit(a ? a : h->ioas, d->g))
		return -EADDRINUSE;
	if (a && fake.on_attach)
		fake.on_attach(fake.on_attach_arg);
	h = h ? h : pick(a, d);
	for (unsigned i = 0; i < fake.ndevs; i++)
		if (&fake.devs[i] != d && fake.devs[i].g == d->g && fake.devs[i].hwpt &&
		    fake.devs[i].hwpt != h) {
			if (!h->users && h->automatic)
				memset(h, 0, sizeof(*h));
			return -EINVAL;
		}
	h->users++;
	leave(d);
	d->hwpt = h;
	req->pt_id = h->id;
	return 0;
}

int fake_cdev_ioctl(struct fake_dev *d, unsigned long request, void *arg)
{
	if (request == FL_VFIO_BIND_IOMMUFD)
		return bind(d, arg);
	if (!d->devid)
		return -EINVAL;
	switch (request) {
	case FL_VFIO_ATTACH_PT:
		return attach(d, arg);
	case FL_VFIO_DETACH_PT:
		leave(d);
		return 0;
	}
	return fake_dev_ioctl(d, request, arg);
}

void fake_cdev_closed(struct fake_dev *d)
{
	for (unsigned i = 0; i < VFIO_PCI_NUM_IRQS; i++)
		fake_irqs_off(d, i);
	leave(d);
	d->devid = 0;
}

/* The kernel would cope with objects that are left, but ours lets them go first. */
void fake_iommu_closed(void)
{
	for (int fd = 0; fd < FAKE_FDS; fd++)
		if (fake_fd_of(fd) && fake_fd_of(fd)->kind == FAKE_IOMMU)
			return;
	assert_int_equal(fake_objects(), 0);
}
