/* SPDX-License-Identifier: BSD-3-Clause */
#include "model_internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

const struct fl_model_ops *fl_model_at(unsigned i)
{
	for (unsigned k = 0; k < i; k++) {
		if (!fl_builtin_models[k])
			return NULL;
	}
	return fl_builtin_models[i];
}

const struct fl_log *fl_model_log(const struct fl_model *m)
{
	return m->log;
}

unsigned fl_model_ordinal(const struct fl_model *m)
{
	return m->ordinal;
}

void *fl_model_peer(const struct fl_model *m, const struct fl_model_ops *ops, unsigned ordinal)
{
	const struct fl_model *p = m->engine ? fl_engine_find(m->engine, ordinal) : NULL;

	return p && p->ops == ops ? p->state : NULL;
}

const char *fl_model_name(const struct fl_model *m)
{
	return m->ops->name;
}

void *fl_model_bar_mem(struct fl_model *m, unsigned bar, uint64_t off)
{
	return bar < FL_MODEL_BARS && m->bar_mem[bar] && off < m->bar[bar].size
		       ? m->bar_mem[bar] + off
		       : NULL;
}

/*
 * Fresh memory behind the shared pages of a BAR, at the same address. A client that is gone may
 * still have the old file mapped: the next one must not share it.
 */
static int share_bar(struct fl_model *m, unsigned bar)
{
	uint64_t size = fl_align_up(m->bar[bar].size, FL_MODEL_PAGE);
	int fd = memfd_create("fl-bar", MFD_CLOEXEC | MFD_ALLOW_SEALING), r;
	void *p;

	if (fd < 0 || ftruncate(fd, (off_t)size) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		goto fail;
	p = mmap(m->bar_mem[bar], size, PROT_READ | PROT_WRITE,
		 MAP_SHARED | (m->bar_mem[bar] ? MAP_FIXED : 0), fd, 0);
	if (p == MAP_FAILED)
		goto fail;
	if (m->bar_fd[bar] >= 0)
		close(m->bar_fd[bar]);
	m->bar_mem[bar] = p;
	m->bar_fd[bar] = fd;
	return 0;
fail:
	r = -errno;
	fl_err(m->log, "model", "%s: memory for BAR %u: %s", m->ops->name, bar, strerror(-r));
	if (fd >= 0)
		close(fd);
	return r;
}

static int share_bars(struct fl_model *m)
{
	for (unsigned b = 0; b < FL_MODEL_BARS; b++) {
		int r = m->bar[b].nshared ? share_bar(m, b) : 0;

		if (r)
			return r;
	}
	return 0;
}

static int create(struct fl_model *m, const char *text)
{
	struct fl_args args;
	int r = fl_args_parse(m->log, text, &args);

	if (r)
		return r;
	r = m->ops->create(m, &args, &m->state);
	if (r) {
		fl_args_free(&args);
		m->state = NULL;
		return r;
	}
	m->ready = true;
	r = m->set_up_error ? m->set_up_error : fl_args_check_used(&args);
	fl_args_free(&args);
	if (!r)
		r = share_bars(m);
	if (!r)
		r = fl_irqs_init(m);
	return r;
}

int fl_model_new(struct fl_engine *e, const struct fl_model_ops *ops, const char *args,
		 struct fl_model **out)
{
	struct fl_model *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->ops = ops;
	m->engine = e;
	m->ordinal = e ? fl_engine_free_ordinal(e) : 0;
	m->log = fl_engine_log(e);
	m->mmu.pub.gen = 1; /* a zeroed TLB entry is void */
	m->pages.timeout_ns = FL_MODEL_PAGE_TIMEOUT;
	m->irq.unmask_fd = -1;
	for (unsigned b = 0; b < FL_MODEL_BARS; b++)
		m->bar_fd[b] = -1;
	fl_pci_init(m);
	r = create(m, args);
	if (r) {
		fl_err(m->log, "model", "%s: cannot be made: %s", ops->name, strerror(-r));
		fl_model_free(m);
		return r;
	}
	memcpy(m->pci.reset, m->pci.now, sizeof(m->pci.now));
	fl_model_reset(m);
	*out = m;
	return 0;
}

void fl_model_free(struct fl_model *m)
{
	if (m->ready)
		m->ops->destroy(m->state);
	fl_iommu_clear(&m->mmu);
	fl_pages_close(m);
	fl_irqs_free(m);
	for (unsigned b = 0; b < FL_MODEL_BARS; b++) {
		if (m->bar_mem[b])
			munmap(m->bar_mem[b], fl_align_up(m->bar[b].size, FL_MODEL_PAGE));
		if (m->bar_fd[b] >= 0)
			close(m->bar_fd[b]);
	}
	free(m);
}

void fl_model_quiesce(struct fl_model *m)
{
	if (m->ops->quiesce)
		m->ops->quiesce(m->state);
}

/* A hole reads as zeros: pages of a big BAR that nobody touched stay untouched. */
static void zero_shared(struct fl_model *m, unsigned bar, const struct fl_vfio_sparse *s)
{
	if (fallocate(m->bar_fd[bar], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)s->offset,
		      (off_t)s->size))
		memset(m->bar_mem[bar] + s->offset, 0, s->size);
}

void fl_model_reset(struct fl_model *m)
{
	fl_model_quiesce(m);
	fl_pci_reset(m);
	fl_irqs_reset(m);
	for (unsigned b = 0; b < FL_MODEL_BARS; b++) {
		for (unsigned i = 0; i < m->bar[b].nshared; i++)
			zero_shared(m, b, &m->bar[b].shared[i]);
	}
	m->ops->reset(m->state);
	fl_pages_drop(m);
}

void fl_model_release(struct fl_model *m)
{
	fl_model_unmap_all(m);
	fl_pages_close(m);
	fl_irqs_release(m);
	/* on failure the old memory stays: it works, if less apart from the old client */
	(void)share_bars(m);
	fl_model_reset(m);
}

int fl_model_map(struct fl_model *m, uint64_t iova, uint64_t size, unsigned prot, int fd,
		 uint64_t off)
{
	return fl_iommu_map(&m->mmu, m->log, iova, size, prot, fd, off);
}

int fl_model_unmap(struct fl_model *m, uint64_t iova, uint64_t size)
{
	fl_model_quiesce(m);
	return fl_iommu_unmap(&m->mmu, iova, size);
}

void fl_model_unmap_all(struct fl_model *m)
{
	fl_model_quiesce(m);
	fl_iommu_clear(&m->mmu);
}

int fl_model_grant(struct fl_model *m, uint64_t iova, uint64_t len, unsigned prot)
{
	return fl_iommu_grant(&m->mmu, iova, len, prot);
}

int fl_model_invalidate(struct fl_model *m, uint64_t iova, uint64_t len)
{
	int any = fl_iommu_granted(&m->mmu, iova, len);

	if (any < 0)
		return any;
	fl_stat_add(&m->stats.pr_invalidated, 1);
	/* nothing that the device could be in the midst of */
	if (!any)
		return 0;
	fl_model_quiesce(m);
	fl_iommu_revoke(&m->mmu, iova, len);
	return 0;
}

int fl_model_convert(struct fl_model *m, uint64_t iova, uint64_t len, unsigned prot)
{
	if (prot & FL_IOMMU_LAZY)
		fl_model_quiesce(m);
	return fl_iommu_convert(&m->mmu, m->log, iova, len, prot);
}

void fl_model_stats(const struct fl_model *m, struct fl_model_stats *out)
{
	fl_stats_read(out, &m->stats, sizeof(*out));
}

/* ---- region access -------------------------------------------------------------------- */

uint64_t fl_model_region_size(const struct fl_model *m, unsigned index)
{
	if (index < FL_MODEL_BARS)
		return m->bar[index].size;
	return index == FL_VFIO_REGION_CONFIG ? fl_pci_cfg_size(m) : 0;
}

static bool in_shared(const struct fl_model_bar *b, uint64_t off)
{
	for (unsigned i = 0; i < b->nshared; i++) {
		if (off - b->shared[i].offset < b->shared[i].size)
			return true;
	}
	return false;
}

/* One store or load of that size, as the client's own mapping would do. */
static void shared_access(uint8_t *p, unsigned size, uint64_t *v, bool write)
{
	switch (size) {
	case 1:
		write ? __atomic_store_n(p, (uint8_t)*v, __ATOMIC_RELEASE)
		      : (void)(*v = __atomic_load_n(p, __ATOMIC_ACQUIRE));
		break;
	case 2:
		write ? __atomic_store_n((uint16_t *)p, (uint16_t)*v, __ATOMIC_RELEASE)
		      : (void)(*v = __atomic_load_n((uint16_t *)p, __ATOMIC_ACQUIRE));
		break;
	case 4:
		write ? __atomic_store_n((uint32_t *)p, (uint32_t)*v, __ATOMIC_RELEASE)
		      : (void)(*v = __atomic_load_n((uint32_t *)p, __ATOMIC_ACQUIRE));
		break;
	default:
		write ? __atomic_store_n((uint64_t *)p, *v, __ATOMIC_RELEASE)
		      : (void)(*v = __atomic_load_n((uint64_t *)p, __ATOMIC_ACQUIRE));
	}
}

static void bar_access(struct fl_model *m, unsigned bar, uint64_t off, unsigned size, uint64_t *v,
		       bool write)
{
	if (!m->bar[bar].trap_messages && in_shared(&m->bar[bar], off))
		shared_access(m->bar_mem[bar] + off, size, v, write);
	else if (fl_pci_msix_access(m, bar, off, size, v, write))
		return;
	else if (write)
		m->ops->bar_write(m->state, bar, off, size, *v);
	else
		*v = m->ops->bar_read(m->state, bar, off, size);
}

static void cfg_access(struct fl_model *m, unsigned off, unsigned size, uint64_t *v, bool write)
{
	if (write)
		fl_mpci_write(m, off, size, (uint32_t)*v);
	else
		*v = fl_model_cfg_get(m, off, size);
}

int fl_model_region(struct fl_model *m, unsigned index, uint64_t off, void *buf, uint32_t len,
		    bool write)
{
	uint64_t size = fl_model_region_size(m, index);
	unsigned widest = index < FL_MODEL_BARS && len == 8 ? 8 : 4;
	uint8_t *p = buf;

	if (off > size || len > size - off)
		return -EINVAL;
	while (len) {
		unsigned n = widest;
		uint64_t v = 0;

		while (n > len || off % n)
			n /= 2;
		if (write)
			memcpy(&v, p, n);
		if (index < FL_MODEL_BARS)
			bar_access(m, index, off, n, &v, write);
		else
			cfg_access(m, (unsigned)off, n, &v, write);
		if (!write)
			memcpy(p, &v, n);
		off += n;
		p += n;
		len -= n;
	}
	return 0;
}
