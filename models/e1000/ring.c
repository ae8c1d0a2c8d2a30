/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptor rings: their registers lie in memory that the client writes while we look. */
#include "e1000_internal.h"

void fl_e1000m_ring_reset(struct e1000_ring *r, uint32_t reg)
{
	memset(r, 0, sizeof(*r));
	r->reg = reg;
}

bool fl_e1000m_ring_load(struct e1000 *e, struct e1000_ring *r)
{
	/* the doorbell first: what the client wrote before it is then seen */
	uint32_t tail = __atomic_load_n(fl_e1000m_reg(e, r->reg + 0x18), __ATOMIC_ACQUIRE);
	uint32_t head = fl_e1000m_rd(e, r->reg + 0x10) & 0xffff;
	uint32_t n = fl_e1000m_masked(e, r->reg + 8, 0xfff80) / 16;

	tail &= 0xffff;
	r->head = head;
	r->tail = tail;
	r->n = n;
	/* a head or tail outside the ring: nothing there is the device's */
	if (fl_unlikely(head >= n || tail >= n)) {
		r->n = r->head = r->tail = 0;
		r->d = NULL;
		return false;
	}
	r->base = (uint64_t)fl_e1000m_rd(e, r->reg + 4) << 32 | fl_e1000m_masked(e, r->reg, ~0xfu);
	r->d = fl_model_dma(e->m, e->mmu, &r->tlb, fl_iova(r->base), (uint64_t)n * 16, FL_DMA_RW);
	if (fl_unlikely((uintptr_t)r->d & 15))
		r->d = NULL;
	return head != tail;
}

bool fl_e1000m_desc_read_slow(struct e1000 *e, struct e1000_ring *r, uint32_t i, uint64_t q[2])
{
	return !fl_model_dma_read(e->m, fl_iova(r->base + 16ull * i), q, 16);
}

void fl_e1000m_desc_write_slow(struct e1000 *e, struct e1000_ring *r, uint32_t i,
			       const uint64_t q[2])
{
	/* a refused write is lost, as on the bus; the IOMMU counts it */
	if (fl_model_dma_write(e->m, fl_iova(r->base + 16ull * i), &q[0], 8) ||
	    fl_model_dma_write(e->m, fl_iova(r->base + 16ull * i + 8), &q[1], 8))
		return;
}
