/* SPDX-License-Identifier: BSD-3-Clause */
/* A model whose client is the program around it: translations, page requests, interrupts. */
#include "model_internal.h"

#include <linux/pci_regs.h>

#define KEEP 1024u

int fl_host_adopt(struct fl_model *m, const struct fl_model_host_ops *ops, void *arg, unsigned asks)
{
	int r = 0;

	asks = asks < FL_MODEL_HOST_ASKS ? asks : FL_MODEL_HOST_ASKS;
	if (m->irq.index[FL_VFIO_IRQ_INTX].count)
		r = -ENOTSUP;
	if (!r && asks && m->ops->page_requests && !m->no_page_requests)
		r = fl_pages_open(m, asks);
	if (r) {
		fl_err(m->log, "model", "%s: cannot be a host's: %s", m->ops->name, strerror(-r));
		fl_engine_remove(m->engine, m);
		return r;
	}
	/* the host drops what its guest has not enabled */
	m->irq.msg_on[FL_VFIO_IRQ_MSI] = m->irq.index[FL_VFIO_IRQ_MSI].count;
	m->irq.msg_on[FL_VFIO_IRQ_MSIX] = m->irq.index[FL_VFIO_IRQ_MSIX].count;
	m->host = ops;
	m->host_arg = arg;
	m->mmu.most = KEEP;
	if (m->ops->client)
		m->ops->client(m->state, true);
	return 0;
}

int fl_model_host_add(struct fl_engine *e, const char *spec, const struct fl_model_host_ops *ops,
		      void *arg, unsigned asks, struct fl_model **out)
{
	struct fl_model *m;
	int r = fl_engine_add_spec(e, spec, NULL, -1, 0, &m);

	if (!r)
		r = fl_host_adopt(m, ops, arg, asks);
	if (!r)
		*out = m;
	return r;
}

void fl_model_host_keep(struct fl_model *m, unsigned entries)
{
	fl_model_host_invalidate(m, 0, UINT64_MAX);
	m->mmu.most = entries ? entries : 1;
}

bool fl_model_host_answered(struct fl_model *m, uint32_t id, enum fl_model_pr_state state)
{
	return fl_pages_answer(m, id, state);
}

void fl_model_host_invalidate(struct fl_model *m, uint64_t first, uint64_t last)
{
	fl_stat_add(&m->stats.pr_invalidated, 1);
	/* what gave its place to others may be in use yet */
	if (!fl_iommu_overlaps(&m->mmu, first, last) && !m->mmu.evicted)
		return;
	fl_model_quiesce(m);
	fl_iommu_forget(&m->mmu, first, last);
}

void fl_model_host_master(struct fl_model *m, bool on)
{
	uint16_t cmd = on ? PCI_COMMAND_MASTER : 0;

	if (on != fl_model_bus_master(m))
		(void)fl_model_region(m, FL_VFIO_REGION_CONFIG, PCI_COMMAND, &cmd, sizeof(cmd),
				      true);
}

void fl_model_host_reset(struct fl_model *m)
{
	fl_model_reset(m);
	fl_iommu_forget(&m->mmu, 0, UINT64_MAX);
	for (unsigned i = 0; i < m->pages.max; i++) {
		if (m->pages.req[i].id)
			fl_pages_answer(m, m->pages.req[i].id, FL_PR_FAILURE);
	}
}

uint64_t fl_model_host_timer(const struct fl_model *m)
{
	uint64_t own = m->ops->next_timer ? m->ops->next_timer(m->state) : UINT64_MAX;

	return m->pages.waiting && m->pages.overdue < own ? m->pages.overdue : own;
}

/* ---- what a model does ---------------------------------------------------------------- */

int fl_host_reach(struct fl_model *m, uint64_t iova, unsigned prot, const struct fl_iommu_map **e)
{
	struct fl_model_run run = { 0 };
	int r;

	*e = fl_iommu_find(&m->mmu, iova);
	if (*e && ((*e)->prot & prot) == prot)
		return 0;
	r = m->host->translate(m->host_arg, iova, prot, &run);
	if (r)
		return r;
	*e = fl_iommu_fill(&m->mmu, &run);
	return *e ? 0 : -ENOTSUP;
}

int fl_host_copy(struct fl_model *m, uint64_t iova, uint8_t *buf, uint32_t len, bool write)
{
	while (len) {
		const struct fl_iommu_map *e;
		int r = fl_host_reach(m, iova, write ? FL_DMA_WRITE : FL_DMA_READ, &e);
		uint32_t n;

		if (r == -ENOTSUP) {
			fl_stat_add(&m->stats.dma_messages, 1);
			return m->host->copy(m->host_arg, iova, buf, len, write);
		}
		if (r)
			return r;
		n = len - 1 <= e->last - iova ? len : (uint32_t)(e->last - iova + 1);
		if (write)
			memcpy(e->base + (iova - e->first), buf, n);
		else
			memcpy(buf, e->base + (iova - e->first), n);
		iova += n;
		buf += n;
		len -= n;
	}
	return 0;
}

int fl_host_missing(struct fl_model *m, uint64_t iova, uint64_t last, unsigned prot,
		    uint64_t *missing)
{
	for (;;) {
		const struct fl_iommu_map *e;
		int r = fl_host_reach(m, iova, prot, &e);

		if (r == -EAGAIN) {
			*missing = iova & ~(uint64_t)(FL_MODEL_PAGE - 1);
			return 0;
		}
		if (r || e->last >= last)
			return -EFAULT;
		iova = e->last + 1;
	}
}
