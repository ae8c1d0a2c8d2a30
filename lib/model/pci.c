/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Config space: bytes with a write mask and a write-one-to-clear mask each, so that BAR sizing
 * and capabilities need no code of their own; and the MSI-X table.
 */
#include "model_internal.h"

#include <linux/pci_regs.h>

#define FLR_BIT	       PCI_EXP_DEVCTL_BCR_FLR
#define MSIX_ENTRY     16u
#define MSIX_CTRL_MASK 1u

static uint32_t get(const uint8_t *p, unsigned size)
{
	uint32_t v = 0;

	memcpy(&v, p, size);
	return v;
}

static void bad(struct fl_model *m, const char *what, unsigned off)
{
	fl_err(m->log, "model", "%s: %s at %#x", m->ops->name, what, off);
	m->set_up_error = -EINVAL;
}

static bool in_cfg(unsigned off, unsigned size)
{
	return (size == 1 || size == 2 || size == 4) && off % size == 0 &&
	       off <= FL_MODEL_CFG - size;
}

void fl_model_cfg_set(struct fl_model *m, unsigned off, unsigned size, uint32_t v)
{
	if (!in_cfg(off, size))
		bad(m, "no such config register", off);
	else
		memcpy(&m->pci.now[off], &v, size);
}

void fl_model_cfg_mask(struct fl_model *m, unsigned off, unsigned size, uint32_t write_mask,
		       uint32_t w1c_mask)
{
	if (!in_cfg(off, size)) {
		bad(m, "no such config register", off);
		return;
	}
	memcpy(&m->pci.wmask[off], &write_mask, size);
	memcpy(&m->pci.w1c[off], &w1c_mask, size);
}

uint32_t fl_model_cfg_get(const struct fl_model *m, unsigned off, unsigned size)
{
	return in_cfg(off, size) ? get(&m->pci.now[off], size) : 0;
}

static void reg(struct fl_model *m, unsigned off, unsigned size, uint32_t v, uint32_t wmask,
		uint32_t w1c)
{
	fl_model_cfg_set(m, off, size, v);
	fl_model_cfg_mask(m, off, size, wmask, w1c);
}

void fl_pci_init(struct fl_model *m)
{
	memset(m->pci.owned, 1, PCI_STD_HEADER_SIZEOF);
	fl_model_cfg_mask(m, PCI_COMMAND, 2,
			  PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
				  PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE,
			  0);
	fl_model_cfg_mask(m, PCI_STATUS, 2, 0,
			  PCI_STATUS_PARITY | PCI_STATUS_SIG_TARGET_ABORT |
				  PCI_STATUS_REC_TARGET_ABORT | PCI_STATUS_REC_MASTER_ABORT |
				  PCI_STATUS_SIG_SYSTEM_ERROR | PCI_STATUS_DETECTED_PARITY);
	fl_model_cfg_mask(m, PCI_CACHE_LINE_SIZE, 1, 0xff, 0);
	fl_model_cfg_mask(m, PCI_INTERRUPT_LINE, 1, 0xff, 0);
}

void fl_model_set_id(struct fl_model *m, const struct fl_pci_id *id, uint8_t pin)
{
	fl_model_cfg_set(m, PCI_VENDOR_ID, 2, id->vendor);
	fl_model_cfg_set(m, PCI_DEVICE_ID, 2, id->device);
	fl_model_cfg_set(m, PCI_CLASS_REVISION, 4, id->class_code << 8 | id->revision);
	fl_model_cfg_set(m, PCI_SUBSYSTEM_VENDOR_ID, 2, id->subvendor);
	fl_model_cfg_set(m, PCI_SUBSYSTEM_ID, 2, id->subdevice);
	fl_model_cfg_set(m, PCI_INTERRUPT_PIN, 1, pin);
}

void fl_model_set_bar(struct fl_model *m, unsigned bar, const struct fl_model_bar *b)
{
	unsigned off = PCI_BASE_ADDRESS_0 + bar * 4;
	uint64_t mask = ~(b->size - 1);
	bool bad_share = b->nshared > FL_ARRAY_SIZE(b->shared) || (b->io && b->nshared);

	if (bar >= FL_MODEL_BARS || !fl_is_pow2(b->size) || b->size < 16 ||
	    (b->mem64 && bar == FL_MODEL_BARS - 1) || (!b->mem64 && b->size > UINT32_MAX)) {
		bad(m, "impossible BAR", bar);
		return;
	}
	for (unsigned i = 0; i < b->nshared && !bad_share; i++)
		bad_share = (b->shared[i].offset | b->shared[i].size) % FL_MODEL_PAGE ||
			    b->shared[i].offset > b->size ||
			    b->shared[i].size > b->size - b->shared[i].offset;
	if (bad_share) {
		bad(m, "shared range that is not of whole pages inside the BAR", bar);
		return;
	}
	m->bar[bar] = *b;
	if (b->io) {
		reg(m, off, 4, PCI_BASE_ADDRESS_SPACE_IO, (uint32_t)mask & ~3u, 0);
		return;
	}
	reg(m, off, 4,
	    (b->mem64 ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0) |
		    (b->prefetch ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0),
	    (uint32_t)mask & ~0xfu, 0);
	if (b->mem64)
		reg(m, off + 4, 4, 0, (uint32_t)(mask >> 32), 0);
}

/* ---- capabilities --------------------------------------------------------------------- */

static bool claim(struct fl_model *m, unsigned off, unsigned len, unsigned from, unsigned to)
{
	if (off % 4 || off < from || off > to || len > to - off || len < 2 ||
	    memchr(&m->pci.owned[off], 1, len)) {
		bad(m, "capability that is misplaced or overlaps", off);
		return false;
	}
	memset(&m->pci.owned[off], 1, len);
	return true;
}

void fl_model_add_cap(struct fl_model *m, uint8_t id, unsigned off, unsigned len)
{
	unsigned link = m->pci.last_cap ? m->pci.last_cap + 1 : PCI_CAPABILITY_LIST;

	if (!claim(m, off, len, PCI_STD_HEADER_SIZEOF, PCI_CFG_SPACE_SIZE))
		return;
	m->pci.now[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	m->pci.now[link] = (uint8_t)off;
	m->pci.now[off] = id;
	m->pci.now[off + 1] = 0;
	m->pci.last_cap = off;
}

void fl_model_add_ext_cap(struct fl_model *m, uint16_t id, uint8_t version, unsigned off,
			  unsigned len)
{
	unsigned prev = m->pci.last_ext;

	if (!prev && off != PCI_CFG_SPACE_SIZE) {
		bad(m, "the first extended capability belongs at 0x100, not", off);
		return;
	}
	if (!claim(m, off, len, PCI_CFG_SPACE_SIZE, PCI_CFG_SPACE_EXP_SIZE))
		return;
	fl_model_cfg_set(m, off, 4, id | (uint32_t)(version & 0xf) << 16);
	if (prev)
		fl_model_cfg_set(m, prev, 4,
				 (fl_model_cfg_get(m, prev, 4) & 0xfffff) | (uint32_t)off << 20);
	m->pci.last_ext = off;
}

void fl_model_add_msi(struct fl_model *m, unsigned off, unsigned vectors, bool addr64,
		      bool maskable)
{
	unsigned data = off + (addr64 ? PCI_MSI_DATA_64 : PCI_MSI_DATA_32);

	fl_model_add_cap(m, PCI_CAP_ID_MSI, off, (addr64 ? 14 : 10) + (maskable ? 10 : 0));
	if (!fl_is_pow2(vectors) || vectors > FL_MODEL_MAX_MSI)
		bad(m, "MSI vectors that are no power of two up to 32", off);
	if (m->set_up_error)
		return;
	reg(m, off + PCI_MSI_FLAGS, 2,
	    (uint32_t)__builtin_ctz(vectors) << 1 | (addr64 ? PCI_MSI_FLAGS_64BIT : 0) |
		    (maskable ? PCI_MSI_FLAGS_MASKBIT : 0),
	    PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE, 0);
	fl_model_cfg_mask(m, off + PCI_MSI_ADDRESS_LO, 4, ~3u, 0);
	if (addr64)
		fl_model_cfg_mask(m, off + PCI_MSI_ADDRESS_HI, 4, ~0u, 0);
	fl_model_cfg_mask(m, data, 2, 0xffff, 0);
	if (maskable)
		fl_model_cfg_mask(m, data + 4, 4, UINT32_MAX >> (32 - vectors), 0);
	m->pci.msi = off;
	m->pci.msi_vectors = vectors;
}

void fl_model_add_msix(struct fl_model *m, unsigned off, unsigned vectors, unsigned bar,
		       uint64_t table, uint64_t pba)
{
	fl_model_add_cap(m, PCI_CAP_ID_MSIX, off, PCI_CAP_MSIX_SIZEOF);
	if (!vectors || vectors > FL_MODEL_MAX_MSIX || bar >= FL_MODEL_BARS || table % 8 ||
	    pba % 8 || table > UINT32_MAX || pba > UINT32_MAX)
		bad(m, "impossible MSI-X capability", off);
	if (m->set_up_error)
		return;
	reg(m, off + PCI_MSIX_FLAGS, 2, vectors - 1, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL,
	    0);
	fl_model_cfg_set(m, off + PCI_MSIX_TABLE, 4, (uint32_t)table | bar);
	fl_model_cfg_set(m, off + PCI_MSIX_PBA, 4, (uint32_t)pba | bar);
	m->pci.msix = off;
	m->pci.msix_vectors = vectors;
	m->pci.msix_bar = bar;
	m->pci.msix_table = table;
	m->pci.msix_pba = pba;
}

void fl_model_add_pm(struct fl_model *m, unsigned off)
{
	fl_model_add_cap(m, PCI_CAP_ID_PM, off, PCI_PM_SIZEOF);
	if (m->set_up_error)
		return;
	/* version 2, PME from D0 and D3hot */
	fl_model_cfg_set(m, off + PCI_PM_PMC, 2, 2 | PCI_PM_CAP_PME_D0 | PCI_PM_CAP_PME_D3hot);
	reg(m, off + PCI_PM_CTRL, 2, 0, PCI_PM_CTRL_STATE_MASK | PCI_PM_CTRL_PME_ENABLE,
	    PCI_PM_CTRL_PME_STATUS);
}

void fl_model_add_pcie(struct fl_model *m, unsigned off, unsigned version, bool flr)
{
	unsigned len =
		version >= 2 ? PCI_CAP_EXP_ENDPOINT_SIZEOF_V2 : PCI_CAP_EXP_ENDPOINT_SIZEOF_V1;

	fl_model_add_cap(m, PCI_CAP_ID_EXP, off, len);
	if (m->set_up_error)
		return;
	/* an endpoint on a 2.5 GT/s link of one lane, payloads up to 256 bytes */
	fl_model_cfg_set(m, off + PCI_EXP_FLAGS, 2, version);
	fl_model_cfg_set(m, off + PCI_EXP_DEVCAP, 4,
			 1 | PCI_EXP_DEVCAP_RBER | (flr ? PCI_EXP_DEVCAP_FLR : 0));
	reg(m, off + PCI_EXP_DEVCTL, 2,
	    PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN | PCI_EXP_DEVCTL_READRQ_512B,
	    0x7fff, 0);
	reg(m, off + PCI_EXP_DEVSTA, 2, 0, 0,
	    PCI_EXP_DEVSTA_CED | PCI_EXP_DEVSTA_NFED | PCI_EXP_DEVSTA_FED | PCI_EXP_DEVSTA_URD);
	fl_model_cfg_set(m, off + PCI_EXP_LNKCAP, 4, PCI_EXP_LNKCAP_SLS_2_5GB | 1u << 4);
	reg(m, off + PCI_EXP_LNKCTL, 2, 0,
	    PCI_EXP_LNKCTL_ASPMC | PCI_EXP_LNKCTL_RCB | PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES |
		    PCI_EXP_LNKCTL_CLKREQ_EN,
	    0);
	fl_model_cfg_set(m, off + PCI_EXP_LNKSTA, 2,
			 PCI_EXP_LNKSTA_CLS_2_5GB | PCI_EXP_LNKSTA_NLW_X1);
	if (version >= 2) {
		fl_model_cfg_mask(m, off + PCI_EXP_DEVCTL2, 2, 0x1f, 0);
		reg(m, off + PCI_EXP_LNKCTL2, 2, 1, 0x1fff, 0);
	}
	m->pci.pcie = off;
}

/* ---- at work -------------------------------------------------------------------------- */

unsigned fl_pci_cfg_size(const struct fl_model *m)
{
	return m->pci.pcie ? PCI_CFG_SPACE_EXP_SIZE : PCI_CFG_SPACE_SIZE;
}

bool fl_model_bus_master(const struct fl_model *m)
{
	return m->pci.now[PCI_COMMAND] & PCI_COMMAND_MASTER;
}

void fl_pci_reset(struct fl_model *m)
{
	memcpy(m->pci.now, m->pci.reset, sizeof(m->pci.now));
	memset(m->pci.msix_mem, 0, sizeof(m->pci.msix_mem));
	for (unsigned v = 0; v < m->pci.msix_vectors; v++)
		m->pci.msix_mem[v * 4 + 3] = MSIX_CTRL_MASK;
	/* bus mastering is off: no cached translation may serve */
	m->mmu.pub.gen++;
}

void fl_mpci_write(struct fl_model *m, unsigned off, unsigned size, uint32_t v)
{
	struct fl_pci_cfg *p = &m->pci;
	bool flr = p->pcie && off <= p->pcie + PCI_EXP_DEVCTL + 1 &&
		   off + size > p->pcie + PCI_EXP_DEVCTL + 1 &&
		   fl_model_cfg_get(m, p->pcie + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR &&
		   (v >> (p->pcie + PCI_EXP_DEVCTL + 1 - off) * 8) & (FLR_BIT >> 8);
	bool master = fl_model_bus_master(m);

	if (master && off <= PCI_COMMAND && off + size > PCI_COMMAND &&
	    !(v >> (PCI_COMMAND - off) * 8 & PCI_COMMAND_MASTER))
		fl_model_quiesce(m);
	for (unsigned i = 0; i < size; i++, v >>= 8) {
		uint8_t old = p->now[off + i], w = p->wmask[off + i], b = (uint8_t)v;

		p->now[off + i] = (uint8_t)(((old & ~w) | (b & w)) & ~(b & p->w1c[off + i]));
	}
	if (flr) {
		fl_model_reset(m);
		return;
	}
	if (master != fl_model_bus_master(m))
		m->mmu.pub.gen++;
	if (off < PCI_STATUS && off + size > PCI_COMMAND)
		fl_irq_intx_update(m);
	if (m->ops->cfg_written)
		m->ops->cfg_written(m->state, off, size);
}

/*
 * The client's VFIO decides about masks by SET_IRQS; the table is here for drivers that read
 * back what they wrote.
 */
bool fl_pci_msix_access(struct fl_model *m, unsigned bar, uint64_t off, unsigned size, uint64_t *v,
			bool write)
{
	struct fl_pci_cfg *p = &m->pci;
	uint8_t *mem = (uint8_t *)p->msix_mem;
	uint64_t pba;

	if (!p->msix || bar != p->msix_bar)
		return false;
	if (off >= p->msix_table && off < p->msix_table + p->msix_vectors * MSIX_ENTRY) {
		if (write)
			memcpy(mem + (off - p->msix_table), v, size);
		else
			memcpy(v, mem + (off - p->msix_table), size);
		return true;
	}
	if (off < p->msix_pba || off >= p->msix_pba + fl_align_up(p->msix_vectors, 64) / 8)
		return false;
	if (!write) {
		off -= p->msix_pba;
		pba = fl_irq_pba(m, (unsigned)(off / 8)) >> off % 8 * 8;
		memcpy(v, &pba, size);
	}
	return true;
}
