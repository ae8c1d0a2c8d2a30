/* SPDX-License-Identifier: BSD-3-Clause */
/* Mappings of a container that fault, as the patched kernel has them. */
#include "vfio_fake_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>
#include <cmocka.h>

bool fake_ready(const struct fake_ctnr *c)
{
	bool ready = c->ngroups != 0;

	for (unsigned i = 0; i < FAKE_GROUPS; i++)
		ready &= fake.groups[i].c != c || fake.groups[i].faults;
	return ready;
}

/* ---- what the tables have ------------------------------------------------------------------ */

/* Bits of the pages of [iova, iova + size) in a mapping. */
static uint64_t bits_of(const struct fake_map *m, uint64_t iova, uint64_t size)
{
	const uint64_t first = iova > m->iova ? (iova - m->iova) / 4096 : 0;
	const uint64_t end = (iova + size - m->iova) / 4096;
	const uint64_t below = end < 64 ? (1ull << end) - 1 : ~0ull;

	assert_true(!m->faults || m->len <= 64 * 4096);
	return first < 64 ? below & ~0ull << first : 0;
}

static uint64_t all_of(const struct fake_map *m)
{
	return bits_of(m, m->iova, m->len);
}

/* One that was mapped as a whole is a range of pinned pages from now on. */
static void make_range(struct fake_map *m)
{
	if (m->faults)
		return;
	m->faults = true;
	m->held = m->reach = all_of(m);
	m->write = m->flags & VFIO_DMA_MAP_FLAG_WRITE ? m->held : 0;
}

static uint64_t count(uint64_t bits)
{
	return (uint64_t)__builtin_popcountll(bits);
}

static uint64_t reach(struct fake_map *m, uint64_t bits, bool write)
{
	const uint64_t fresh = count(bits & ~m->reach);

	m->reach |= bits;
	m->write |= write ? bits : 0;
	return fresh;
}

static uint64_t zap(struct fake_map *m, uint64_t bits)
{
	const uint64_t gone = m->reach & bits & ~m->held;

	m->reach &= ~gone;
	m->write &= ~gone;
	return gone;
}

static void add_stats(struct fl_abi_fault_stats *to, const struct fl_abi_fault_stats *from)
{
	const uint64_t *f = &from->faults;
	uint64_t *t = &to->faults;
	const size_t n = (sizeof(*to) - offsetof(struct fl_abi_fault_stats, faults)) / sizeof(*t);

	for (size_t i = 0; i < n; i++)
		t[i] += f[i];
}

void fake_fault_gone(struct fake_ctnr *c, const struct fake_map *m)
{
	add_stats(&c->gone, &m->st);
}

/* ---- what happens to them ------------------------------------------------------------------ */

static struct fake_map *map_at(struct fake_ctnr *c, uint64_t iova)
{
	for (unsigned i = 0; i < c->nmaps; i++)
		if (iova - c->maps[i].iova < c->maps[i].len)
			return &c->maps[i];
	return NULL;
}

/* A request's answer, whatever it is. */
static void took(struct fake_map *m)
{
	m->st.latency[3]++;
	m->st.latency_ns += 10000;
}

bool fake_touch(struct fake_ctnr *c, uint64_t iova, bool write)
{
	struct fake_map *m = map_at(c, iova);
	uint64_t bit;

	if (!m || !m->faults) {
		c->gone.faults += !m;
		c->gone.invalid += !m;
		return m;
	}
	if (write && !(m->flags & VFIO_DMA_MAP_FLAG_WRITE)) {
		m->st.faults++;
		m->st.denied++;
		took(m);
		return false;
	}
	bit = 1ull << (iova - m->iova) / 4096;
	if ((write ? m->write : m->reach) & bit)
		return true;
	m->st.faults++;
	m->st.upgrades += write && m->reach & bit && !(m->write & bit);
	m->st.pages += reach(m, bit, write);
	m->dirty |= c->dirty_on && write ? bit : 0;
	took(m);
	return true;
}

void fake_notify(const void *va, uint64_t len)
{
	for (unsigned i = 0; i < FAKE_CTNRS; i++)
		for (unsigned n = 0; n < fake.ctnrs[i].nmaps; n++) {
			struct fake_map *m = &fake.ctnrs[i].maps[n];
			const uint64_t at = (uintptr_t)va - m->va;

			if (m->faults && at < m->len && zap(m, bits_of(m, m->iova + at, len)))
				m->st.invalidations++;
		}
}

/* ---- the call ------------------------------------------------------------------------------ */

static int get_stats(struct fake_ctnr *c, const struct fl_abi_fault *f)
{
	struct fl_abi_fault_stats *out = (void *)(uintptr_t)f->data, st = { 0 };
	const struct fake_map *one = f->size ? map_at(c, f->iova) : NULL;

	if (f->size && (!one || one->iova != f->iova || one->len != f->size))
		return -ENOENT;
	if (!f->size)
		st = c->gone;
	for (unsigned i = 0; i < c->nmaps; i++) {
		const struct fake_map *m = &c->maps[i];

		if (one && m != one)
			continue;
		add_stats(&st, &m->st);
		st.mapped_bytes += count(m->reach & ~m->held) * 4096;
		st.pinned_bytes += m->faults ? count(m->held) * 4096 : m->len;
	}
	st.argsz = out->argsz - fake.short_stats;
	memcpy(out, &st, st.argsz);
	return 0;
}

static int prefault(const struct fl_abi_fault *f, struct fake_map *m, uint64_t *fresh)
{
	const uint32_t rw = f->flags & (FL_VFIO_FAULT_READ | FL_VFIO_FAULT_WRITE);
	uint64_t bits = bits_of(m, f->iova, f->size), n;

	if ((rw != FL_VFIO_FAULT_READ && rw != FL_VFIO_FAULT_WRITE) || f->flags & ~7u)
		return -EINVAL;
	if (!(m->flags & rw))
		return -EPERM;
	if (f->flags & FL_VFIO_FAULT_NO_FAULT) /* every other page is there */
		bits &= 0x5555555555555555;
	n = m->faults ? reach(m, bits, rw == FL_VFIO_FAULT_WRITE) : 0;
	m->st.prefaulted += n;
	*fresh += n;
	return 0;
}

static int pin(const struct fl_abi_fault *f, struct fake_map *m)
{
	const uint64_t bits = bits_of(m, f->iova, f->size);

	if (!m->faults)
		return 0;
	if (fake.memlock && fake_locked() + count(bits & ~m->held) * 4096 > fake.memlock)
		return -ENOMEM;
	(void)reach(m, bits, m->flags & VFIO_DMA_MAP_FLAG_WRITE);
	m->held |= bits;
	return 0;
}

/* Of the part of a range that lies in a mapping. */
static int change(struct fake_ctnr *c, struct fl_abi_fault *f, struct fake_map *m)
{
	const uint64_t bits = bits_of(m, f->iova, f->size);

	switch (f->op) {
	case FL_VFIO_FAULT_PREFAULT:
		return prefault(f, m, &f->data);
	case FL_VFIO_FAULT_PIN:
		return pin(f, m);
	case FL_VFIO_FAULT_UNPIN:
		if (!fake_ready(c))
			return -EOPNOTSUPP;
		make_range(m);
		m->dirty |= c->dirty_on ? m->held & bits : 0;
		m->held &= ~bits;
		(void)zap(m, bits);
		return 0;
	case FL_VFIO_FAULT_REVOKE:
		(void)zap(m, m->faults ? bits : 0);
		return 0;
	}
	return -EINVAL;
}

static bool op_fails(const struct fl_abi_fault *f)
{
	return f->op == fake.fault_op && fake.fault_errno && !fake.fault_skip--;
}

int fake_fault_ioctl(struct fake_ctnr *c, void *arg)
{
	struct fl_abi_fault *f = arg;
	int rc = 0;

	if (f->argsz < sizeof(*f) || !(fake.fault_ops >> f->op & 1))
		return -EINVAL;
	if (op_fails(f))
		return -fake.fault_errno;
	if (f->op == FL_VFIO_FAULT_STATS)
		return get_stats(c, f);
	if (f->op == FL_VFIO_FAULT_AROUND) {
		if (f->value > 512 || f->value & (f->value - 1) || f->iova || f->size || f->data)
			return -EINVAL;
		c->around = f->value;
		return 0;
	}
	if (!f->size || (f->iova | f->size) % 4096 || f->value || f->data ||
	    (f->op != FL_VFIO_FAULT_PREFAULT && f->flags))
		return -EINVAL;
	for (uint64_t at = f->iova; at < f->iova + f->size;) {
		const struct fake_map *m = map_at(c, at);

		if (!m)
			return -ENOENT;
		at = m->iova + m->len;
	}
	for (unsigned i = 0; i < c->nmaps && !rc; i++)
		if (c->maps[i].iova < f->iova + f->size &&
		    f->iova < c->maps[i].iova + c->maps[i].len)
			rc = change(c, f, &c->maps[i]);
	return rc;
}
