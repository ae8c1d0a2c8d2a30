/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel answers: groups, containers, type1, devices (iommufd: vfio_fake_iommufd.c).
 * Answers are negative errnos. */
#include "vfio_fake_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

/* ---- groups --------------------------------------------------------------------------- */

bool fake_in_windows(const struct fake_group *g, uint64_t iova, uint64_t len)
{
	for (unsigned i = 0; i < g->nwindows; i++)
		if (iova >= g->windows[i].first && iova + (len - 1) <= g->windows[i].last)
			return true;
	return g->noiommu;
}

static bool maps_suit(const struct fake_ctnr *c, const struct fake_group *g)
{
	for (unsigned i = 0; i < c->nmaps && !fake.lax_windows; i++)
		if (!fake_in_windows(g, c->maps[i].iova, c->maps[i].len))
			return false;
	return true;
}

static int set_container(struct fake_group *g, int fd)
{
	struct fake_fd *f = fake_fd_of(fd);
	struct fake_ctnr *c = f ? f->obj : NULL;

	if (g->c || !f || f->kind != FAKE_CTNR)
		return -EINVAL;
	for (unsigned i = 0; i < FAKE_GROUPS; i++) {
		const struct fake_group *o = &fake.groups[i];

		if (o->c != c)
			continue;
		if (o->noiommu != g->noiommu)
			return -EPERM;
		if (o->tag != g->tag)
			return -EINVAL;
	}
	if (c->iommu && !g->noiommu && fake.no_irq_remapping)
		return -EPERM;
	if (c->iommu && !maps_suit(c, g))
		return -EINVAL;
	for (unsigned i = 0; i < c->nmaps && !g->faults; i++)
		if (c->maps[i].faults)
			return -EBUSY;
	fake.spoiled += !g->faults && c->iommu == FL_VFIO_TYPE1_FAULT_IOMMU && fake_ready(c);
	g->c = c;
	c->ngroups++;
	return 0;
}

int fake_unset_container(struct fake_group *g)
{
	if (!g->c)
		return -EINVAL;
	if (g->users)
		return -EBUSY;
	if (!--g->c->ngroups) { /* its IOMMU goes, and all mappings */
		g->c->iommu = 0;
		g->c->nmaps = 0;
		g->c->avail = fake.entry_limit;
		g->c->dirty_on = false;
		g->c->around = 0;
		memset(&g->c->gone, 0, sizeof(g->c->gone));
		if (g->c->fd < 0)
			memset(g->c, 0, sizeof(*g->c));
	}
	g->c = NULL;
	return 0;
}

void fake_group_closed(struct fake_group *g)
{
	assert_int_equal(g->users, 0);
	(void)fake_unset_container(g);
	g->fd = 0;
}

static int get_device_fd(struct fake_group *g, const char *name)
{
	if (!g->c || !g->c->iommu)
		return -EINVAL;
	for (unsigned i = 0; i < fake.ndevs; i++) {
		struct fake_dev *d = &fake.devs[i];
		int fd;

		if (d->g != g || strcmp(d->address, name))
			continue;
		fd = fcntl(d->memfd, F_DUPFD_CLOEXEC, 0);
		assert_true(fd >= 0);
		fake_fd_add(fd, FAKE_DEV, d, name);
		g->users++;
		d->opens++;
		return fd;
	}
	return -ENODEV;
}

static int group_ioctl(struct fake_group *g, unsigned long request, void *arg)
{
	struct vfio_group_status *st = arg;

	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		if (st->argsz < sizeof(*st))
			return -EINVAL;
		st->flags = (g->viable ? VFIO_GROUP_FLAGS_VIABLE : 0) |
			    (g->c ? VFIO_GROUP_FLAGS_CONTAINER_SET : 0);
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		return set_container(g, *(int *)arg);
	case VFIO_GROUP_UNSET_CONTAINER:
		return fake_unset_container(g);
	case VFIO_GROUP_GET_DEVICE_FD:
		return get_device_fd(g, arg);
	}
	return -ENOTTY;
}

/* ---- containers ----------------------------------------------------------------------- */

void fake_ctnr_closed(struct fake_ctnr *c)
{
	/* it goes with its groups, but ours takes them out first, where that is not made to fail */
	assert_true(!c->ngroups || fake.fail_at);
	c->fd = -1;
	if (!c->ngroups)
		memset(c, 0, sizeof(*c));
}

static unsigned windows_of(const struct fake_ctnr *c, struct vfio_iova_range *out)
{
	unsigned n = 0;

	/* starts may be met at starts only, ends at ends: all pairs of two groups at most */
	for (unsigned i = 0; i < FAKE_GROUPS; i++) {
		const struct fake_group *g = &fake.groups[i];
		struct vfio_iova_range both[2 * FAKE_WINDOWS];
		unsigned m = 0;

		if (g->c != c)
			continue;
		for (unsigned a = 0; a < (n ? n : 1); a++) {
			for (unsigned b = 0; b < g->nwindows; b++) {
				uint64_t s = g->windows[b].first, e = g->windows[b].last;

				if (n && out[a].start > s)
					s = out[a].start;
				if (n && out[a].end < e)
					e = out[a].end;
				if (s <= e)
					both[m++] = (struct vfio_iova_range){ s, e };
			}
		}
		memcpy(out, both, m * sizeof(*both));
		n = m;
	}
	return n;
}

struct chain {
	uint8_t bytes[1024];
	size_t len;
	struct vfio_info_cap_header *last;
};

/* Like the kernel up to 6.5: the next one stands right behind, on any multiple of 4. */
static void *add_cap(struct chain *ch, uint16_t id, size_t size)
{
	struct vfio_info_cap_header h = { .id = id, .version = 1 };
	size_t at = ch->len;

	if (ch->last) {
		uint32_t next = (uint32_t)at;

		memcpy(&ch->last->next, &next, sizeof(next));
	}
	memcpy(ch->bytes + at, &h, sizeof(h));
	ch->last = (void *)(ch->bytes + at);
	ch->len += size;
	assert_true(ch->len <= sizeof(ch->bytes));
	return ch->bytes + at;
}

static size_t build_info(const struct fake_ctnr *c, struct chain *ch)
{
	struct vfio_iommu_type1_info info = { .flags = VFIO_IOMMU_INFO_PGSIZES,
					      .iova_pgsizes = fake.page_sizes };
	struct vfio_iova_range ranges[2 * FAKE_WINDOWS];
	unsigned n = windows_of(c, ranges);

	*ch = (struct chain){ .len = sizeof(info) };
	if (!fake.no_migration_cap) {
		struct vfio_iommu_type1_info_cap_migration m = { .pgsize_bitmap = 4096,
								 .max_dirty_bitmap_size =
									 fake.dirty_bitmap_max };
		uint8_t *p = add_cap(ch, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, sizeof(m));

		memcpy(p + sizeof(m.header), (uint8_t *)&m + sizeof(m.header),
		       sizeof(m) - sizeof(m.header));
	}
	if (!fake.no_avail_cap) {
		uint8_t *p = add_cap(ch, VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL,
				     sizeof(struct vfio_iommu_type1_info_dma_avail));

		memcpy(p + sizeof(struct vfio_info_cap_header), &c->avail, sizeof(c->avail));
	}
	if (!fake.no_iova_cap) {
		struct vfio_iommu_type1_info_cap_iova_range r;
		uint8_t *p = add_cap(ch, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
				     sizeof(r) + n * sizeof(ranges[0]));

		memcpy(p + sizeof(r.header), &n, sizeof(n));
		memcpy(p + sizeof(r), ranges, n * sizeof(ranges[0]));
	}
	if (c->iommu == FL_VFIO_TYPE1_FAULT_IOMMU) {
		struct fl_abi_info_cap_fault f = { .flags = fake_ready(c) ? FL_VFIO_FAULT_READY : 0,
						   .around = c->around,
						   .around_max = 512,
						   .ops = fake.fault_ops };
		uint8_t *p = add_cap(ch, FL_VFIO_INFO_CAP_FAULT, sizeof(f));

		memcpy(p + sizeof(f.header), (uint8_t *)&f + sizeof(f.header),
		       sizeof(f) - sizeof(f.header));
	}
	if (ch->last) {
		info.flags |= VFIO_IOMMU_INFO_CAPS;
		info.cap_offset = sizeof(info);
	}
	memcpy(ch->bytes, &info, sizeof(info));
	return ch->len;
}

static int get_info(const struct fake_ctnr *c, struct vfio_iommu_type1_info *info)
{
	uint32_t room = info->argsz;
	struct chain ch;
	size_t need = build_info(c, &ch);

	if (room < offsetof(struct vfio_iommu_type1_info, cap_offset))
		return -EINVAL;
	memcpy(info, ch.bytes, room < need ? sizeof(*info) : need);
	info->argsz = room;
	if (room < need) {
		info->argsz = (uint32_t)need;
		info->cap_offset = 0;
	}
	if (fake.edit_info)
		fake.edit_info(info, room);
	return 0;
}

uint64_t fake_locked(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < FAKE_CTNRS; i++)
		for (unsigned m = 0; m < fake.ctnrs[i].nmaps; m++) {
			const struct fake_map *x = &fake.ctnrs[i].maps[m];

			n += x->faults ? (uint64_t)__builtin_popcountll(x->held) * 4096 : x->len;
		}
	for (unsigned i = 0; i < FAKE_IOASES; i++)
		for (unsigned m = 0; m < fake.ioases[i].nmaps; m++)
			n += fake.ioases[i].maps[m].len;
	return n;
}

static int map_dma(struct fake_ctnr *c, const struct vfio_iommu_type1_dma_map *m)
{
	const bool faults =
		c->iommu == FL_VFIO_TYPE1_FAULT_IOMMU && m->flags & FL_VFIO_DMA_MAP_FLAG_FAULT;

	if (m->argsz < sizeof(*m) || !(m->flags & 3) ||
	    m->flags & ~(3u | (faults ? FL_VFIO_DMA_MAP_FLAG_FAULT : 0)) || !m->size ||
	    (m->iova | m->vaddr | m->size) & 4095 || m->iova + (m->size - 1) < m->iova)
		return -EINVAL;
	for (unsigned i = 0; i < c->nmaps; i++)
		if (m->iova < c->maps[i].iova + c->maps[i].len &&
		    c->maps[i].iova < m->iova + m->size)
			return -EEXIST;
	if (!c->avail)
		return -ENOSPC;
	for (unsigned i = 0; i < FAKE_GROUPS; i++)
		if (fake.groups[i].c == c && !fake_in_windows(&fake.groups[i], m->iova, m->size))
			return -EINVAL;
	if (faults && !fake_ready(c))
		return -EOPNOTSUPP;
	if (!faults && fake.memlock && fake_locked() + m->size > fake.memlock)
		return -ENOMEM;
	assert_true(c->nmaps < FAKE_MAPS);
	c->maps[c->nmaps++] = (struct fake_map){
		.iova = m->iova, .len = m->size, .va = m->vaddr, .flags = m->flags, .faults = faults
	};
	c->avail--;
	return 0;
}

/* v2: no mapping is ever cut in two. */
static int unmap_dma(struct fake_ctnr *c, struct vfio_iommu_type1_dma_unmap *u)
{
	uint64_t done = 0;

	if (u->argsz < sizeof(*u) || u->flags || !u->size || (u->iova | u->size) & 4095)
		return -EINVAL;
	for (unsigned i = 0; i < c->nmaps; i++) {
		const struct fake_map *m = &c->maps[i];
		bool begins = m->iova >= u->iova && m->iova < u->iova + u->size;
		bool ends = m->iova + m->len > u->iova && m->iova + m->len <= u->iova + u->size;

		if (begins != ends || (m->iova < u->iova && m->iova + m->len > u->iova + u->size))
			return -EINVAL;
	}
	for (unsigned i = 0; i < c->nmaps;) {
		if (c->maps[i].iova < u->iova || c->maps[i].iova >= u->iova + u->size) {
			i++;
			continue;
		}
		done += c->maps[i].len;
		fake_fault_gone(c, &c->maps[i]);
		c->maps[i] = c->maps[--c->nmaps];
		c->avail++;
	}
	u->size = fake.short_unmap ? done / 2 : done;
	return 0;
}

/* The range covers mappings whole; a bitmap of more than its maximum is refused. */
static int get_dirty(struct fake_ctnr *c, const struct vfio_iommu_type1_dirty_bitmap_get *get)
{
	uint64_t pages = get->size / 4096;

	if (!c->dirty_on || get->bitmap.pgsize != 4096 || !get->size ||
	    (get->iova | get->size) & 4095 || get->bitmap.size > fake.dirty_bitmap_max ||
	    get->bitmap.size < (pages + 63) / 64 * 8)
		return -EINVAL;
	for (unsigned i = 0; i < c->nmaps; i++) {
		struct fake_map *m = &c->maps[i];
		uint64_t at = (m->iova - get->iova) / 4096;

		if (m->iova >= get->iova + get->size || m->iova + m->len <= get->iova)
			continue;
		if (m->iova < get->iova || m->iova + m->len > get->iova + get->size)
			return -EINVAL;
		m->dirty |= m->held & m->write;
		for (unsigned n = 0; n < 64; n++)
			if (m->dirty >> n & 1)
				get->bitmap.data[(at + n) / 64] |= 1ull << (at + n) % 64;
		m->dirty = 0;
		m->write &= m->held; /* and the next write is seen again */
	}
	return 0;
}

static int dirty_pages(struct fake_ctnr *c, struct vfio_iommu_type1_dirty_bitmap *d)
{
	if (fake.no_migration_cap)
		return -ENOTTY;
	switch (d->flags) {
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_START:
		c->dirty_on = true;
		for (unsigned i = 0; i < c->nmaps; i++)
			c->maps[i].write &= c->maps[i].held;
		return 0;
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP:
		c->dirty_on = false;
		return 0;
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP:
		return d->argsz < sizeof(*d) + sizeof(struct vfio_iommu_type1_dirty_bitmap_get)
			       ? -EINVAL
			       : get_dirty(c, (void *)d->data);
	}
	return -EINVAL;
}

static int set_iommu(struct fake_ctnr *c, int type)
{
	const struct fake_group *g = NULL;

	for (unsigned i = 0; i < FAKE_GROUPS; i++)
		if (fake.groups[i].c == c)
			g = &fake.groups[i];
	if (!g || c->iommu || g->noiommu != (type == VFIO_NOIOMMU_IOMMU) ||
	    (type != VFIO_TYPE1v2_IOMMU && type != VFIO_NOIOMMU_IOMMU &&
	     !(type == FL_VFIO_TYPE1_FAULT_IOMMU && fake.fault_ops)))
		return -EINVAL;
	if (!g->noiommu && fake.no_irq_remapping)
		return -EPERM;
	c->iommu = type;
	return 0;
}

static int ctnr_ioctl(struct fake_ctnr *c, unsigned long request, void *arg)
{
	int number = (int)(uintptr_t)arg;

	switch (request) {
	case VFIO_GET_API_VERSION:
		return fake.api_version;
	case VFIO_CHECK_EXTENSION:
		if (c->leaving)
			(void)fake_unset_container(c->leaving);
		c->leaving = NULL;
		return (number == VFIO_TYPE1v2_IOMMU && !fake.no_type1) ||
		       number == VFIO_NOIOMMU_IOMMU ||
		       (number == FL_VFIO_TYPE1_FAULT_IOMMU && fake.fault_ops);
	case VFIO_SET_IOMMU:
		return set_iommu(c, number);
	}
	if (c->iommu != VFIO_TYPE1v2_IOMMU && c->iommu != FL_VFIO_TYPE1_FAULT_IOMMU)
		return -EINVAL;
	switch (request) {
	case VFIO_IOMMU_GET_INFO:
		return get_info(c, arg);
	case VFIO_IOMMU_MAP_DMA:
		return map_dma(c, arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return unmap_dma(c, arg);
	case VFIO_IOMMU_DIRTY_PAGES:
		return dirty_pages(c, arg);
	case FL_VFIO_IOMMU_FAULT:
		return c->iommu == FL_VFIO_TYPE1_FAULT_IOMMU ? fake_fault_ioctl(c, arg) : -ENOTTY;
	}
	return -ENOTTY;
}

/* ---- devices -------------------------------------------------------------------------- */

static int region_info(const struct fake_dev *d, struct vfio_region_info *r)
{
	if (r->argsz < sizeof(*r) || r->index >= VFIO_PCI_NUM_REGIONS)
		return -EINVAL;
	r->flags = d->region_flags[r->index];
	r->size = d->region_size[r->index];
	r->offset = (uint64_t)FAKE_REGION(r->index);
	r->cap_offset = 0;
	return 0;
}

void fake_irqs_off(struct fake_dev *d, unsigned index)
{
	for (unsigned v = 0; v < FAKE_VECS; v++) {
		if (d->vec_fd[index][v] >= 0)
			__real_close(d->vec_fd[index][v]);
		d->vec_fd[index][v] = -1;
	}
	d->nvecs[index] = 0;
}

/* The kernel holds the file, so here it is one more descriptor. */
static int set_irqs(struct fake_dev *d, const struct vfio_irq_set *s)
{
	uint32_t action = s->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK;

	if (s->index >= VFIO_PCI_NUM_IRQS || s->start + s->count > d->irq_count[s->index] ||
	    s->start + s->count > FAKE_VECS)
		return -EINVAL;
	if (action != VFIO_IRQ_SET_ACTION_TRIGGER)
		return 0;
	if (s->flags & VFIO_IRQ_SET_DATA_NONE) {
		if (!s->count)
			fake_irqs_off(d, s->index);
		return 0;
	}
	if (!(s->flags & VFIO_IRQ_SET_DATA_EVENTFD) ||
	    s->argsz < sizeof(*s) + s->count * sizeof(int))
		return -EINVAL;
	for (unsigned i = 0; i < s->count; i++) {
		int *mine = &d->vec_fd[s->index][s->start + i], fd;

		memcpy(&fd, s->data + i * sizeof(fd), sizeof(fd));
		if (*mine >= 0)
			__real_close(*mine);
		*mine = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (s->start + i >= d->nvecs[s->index])
			d->nvecs[s->index] = s->start + i + 1;
	}
	return 0;
}

int fake_dev_ioctl(struct fake_dev *d, unsigned long request, void *arg)
{
	struct vfio_device_info *info = arg;
	struct vfio_irq_info *irq = arg;
	int rc;

	if (fake.dev_ioctl && fake.dev_ioctl(d, request, arg, &rc))
		return rc;

	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		info->flags = VFIO_DEVICE_FLAGS_PCI | (d->resettable ? VFIO_DEVICE_FLAGS_RESET : 0);
		info->num_regions = VFIO_PCI_NUM_REGIONS;
		info->num_irqs = VFIO_PCI_NUM_IRQS;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info(d, arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		if (irq->index >= VFIO_PCI_NUM_IRQS)
			return -EINVAL;
		irq->count = d->irq_count[irq->index];
		irq->flags = d->irq_flags[irq->index];
		return 0;
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs(d, arg);
	case VFIO_DEVICE_RESET:
		d->resets++;
		return d->resettable ? 0 : -EINVAL;
	}
	return -ENOTTY;
}

/* ---- the call ------------------------------------------------------------------------- */

static int answer(int fd, const struct fake_fd *f, unsigned long request, void *arg)
{
	switch (f->kind) {
	case FAKE_CTNR:
		return ctnr_ioctl(f->obj, request, arg);
	case FAKE_GROUP:
		return group_ioctl(f->obj, request, arg);
	case FAKE_DEV:
		return fake_dev_ioctl(f->obj, request, arg);
	case FAKE_CDEV:
		return fake_cdev_ioctl(f->obj, request, arg);
	case FAKE_IOMMU:
		return fake_iommu_ioctl(request, arg);
	default:
		return fake.other_ioctl ? fake.other_ioctl(fd, f->name, request, arg) : -ENOTTY;
	}
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	const struct fake_fd *f = fake_fd_of(fd);
	va_list ap;
	void *arg;
	int rc;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (!f)
		return __real_ioctl(fd, request, arg);
	fake_lock();
	rc = fake_fails() ? -errno : answer(fd, f, request, arg);
	fake_unlock();
	if (rc >= 0)
		return rc;
	errno = -rc;
	return -1;
}
