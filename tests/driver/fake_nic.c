/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_nic.h"

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../drivers/net/e1000/e1000_regs.h"

/* ---- registers ------------------------------------------------------------------------ */

static void power_on(struct fake_nic *n)
{
	memset(n->regs, 0, FAKE_BAR_SIZE);
	*fake_reg(n, E1000_STATUS) = 0x00080283;
	*fake_reg(n, E1000_CTRL) = 0x00140241;
	*fake_reg(n, E1000_EECD) = EECD_PRES | (n->pci ? 0 : EECD_AUTO_RD);
	*fake_reg(n, E1000_PBA) = 0x00140014;
	*fake_reg(n, E1000_TARC(0)) = 0x403;
	*fake_reg(n, E1000_TARC(1)) = 0x403;
	memcpy(fake_reg(n, E1000_RAL(0)), n->nvm, 6);
	*fake_reg(n, E1000_RAH(0)) |= RAH_AV;
}

static void mdic(struct fake_nic *n, uint32_t v)
{
	unsigned reg = (v >> MDIC_REG_SHIFT) & 31u;

	if (v & MDIC_OP_WRITE)
		n->phy[reg] = (uint16_t)v & (uint16_t) ~(reg == PHY_BMCR ? BMCR_AN_RESTART : 0);
	*fake_reg(n, E1000_MDIC) = (v & 0xffff0000u) | n->phy[reg] | MDIC_READY;
}

static void reg_write(struct fake_nic *n, uint32_t off, uint32_t v)
{
	switch (off) {
	case E1000_CTRL:
		if (v & CTRL_RST) {
			if (!n->no_reset)
				power_on(n);
			return;
		}
		*fake_reg(n, E1000_STATUS) &= ~STATUS_GIO_MASTER_ENABLE;
		if (!(v & CTRL_GIO_MASTER_DISABLE))
			*fake_reg(n, E1000_STATUS) |= STATUS_GIO_MASTER_ENABLE;
		break;
	case E1000_EERD:
		v = (v & 0xffffu) | (uint32_t)n->nvm[v >> (n->pci ? 8 : 2) & 63u] << 16 |
		    (n->pci ? 16u : 2u);
		break;
	case E1000_MDIC:
		mdic(n, v);
		return;
	case E1000_ICR:
		v = *fake_reg(n, E1000_ICR) & ~v;
		break;
	case E1000_IMS:
		v |= *fake_reg(n, E1000_IMS);
		break;
	case E1000_IMC:
		*fake_reg(n, E1000_IMS) &= ~v;
		return;
	case E1000_STATUS:
		return;
	default:
		break;
	}
	*fake_reg(n, off) = v;
}

static uint32_t reg_read(struct fake_nic *n, uint32_t off)
{
	uint32_t v = *fake_reg(n, off);

	/* cleared by reading: causes and statistics */
	if (off == E1000_ICR || (off >= 0x4000 && off < 0x4200))
		*fake_reg(n, off) = 0;
	return v;
}

/* ---- transport ------------------------------------------------------------------------ */

static struct fake_nic *of(struct fl_vfio_dev *d)
{
	return (struct fake_nic *)d;
}

static int region_info(struct fl_vfio_dev *d, unsigned index, struct fl_vfio_region *out)
{
	memset(out, 0, sizeof(*out));
	if (of(d)->gone)
		return -ENODEV;
	if (index == FL_VFIO_REGION_CONFIG)
		out->size = sizeof(of(d)->cfg);
	if (index == FL_VFIO_REGION_BAR0 + 1 && of(d)->pci)
		out->size = FAKE_IO_SIZE;
	if (index == FL_VFIO_REGION_BAR0) {
		out->size = FAKE_BAR_SIZE;
		if (of(d)->map_tails) {
			out->flags = FL_VFIO_REGION_F_MMAP;
			out->nsparse = 1;
			out->sparse[0] = (struct fl_vfio_sparse){ 0x2000, 0x2000 };
		}
	}
	out->flags |= FL_VFIO_REGION_F_READ | FL_VFIO_REGION_F_WRITE;
	return 0;
}

static int region_read(struct fl_vfio_dev *d, unsigned index, uint64_t off, void *buf, size_t len)
{
	struct fake_nic *n = of(d);
	uint32_t v;

	if (n->gone)
		return -ENODEV;
	if (index == FL_VFIO_REGION_CONFIG && off + len <= sizeof(n->cfg)) {
		memcpy(buf, n->cfg + off, len);
		return 0;
	}
	if (index != FL_VFIO_REGION_BAR0 || len != 4 || off + len > FAKE_BAR_SIZE)
		return -EINVAL;
	n->reads++;
	v = reg_read(n, (uint32_t)off);
	if (n->on_read)
		v = n->on_read(n, (uint32_t)off, v);
	memcpy(buf, &v, 4);
	return 0;
}

/* address and data of a register, where the command register lets I/O through */
static int io_write(struct fake_nic *n, uint64_t off, uint32_t v)
{
	if (!n->pci || n->io_dead || !(n->cfg[PCI_COMMAND] & PCI_COMMAND_IO))
		return 0;
	if (off == 0)
		n->io_addr = v;
	if (off == 4 && n->io_addr < FAKE_BAR_SIZE) {
		n->io_resets += n->io_addr == E1000_CTRL && v & CTRL_RST;
		reg_write(n, n->io_addr, v);
	}
	return 0;
}

static int region_write(struct fl_vfio_dev *d, unsigned index, uint64_t off, const void *buf,
			size_t len)
{
	struct fake_nic *n = of(d);
	uint32_t v;

	if (n->gone)
		return -ENODEV;
	if (index == FL_VFIO_REGION_CONFIG && off + len <= sizeof(n->cfg)) {
		if (off == PCI_COMMAND)
			memcpy(n->cfg + off, buf, len);
		return 0;
	}
	memcpy(&v, buf, len < 4 ? len : 4);
	if (index == FL_VFIO_REGION_BAR0 + 1 && len == 4)
		return io_write(n, off, v);
	if (index != FL_VFIO_REGION_BAR0 || len != 4 || off + len > FAKE_BAR_SIZE)
		return -EINVAL;
	n->writes++;
	reg_write(n, (uint32_t)off, v);
	if (n->on_write)
		n->on_write(n, (uint32_t)off, v);
	return 0;
}

static int region_mmap(struct fl_vfio_dev *d, unsigned index, uint64_t off, uint64_t len,
		       void **out)
{
	void *va = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, of(d)->memfd, (off_t)off);

	if (va == MAP_FAILED)
		return -errno;
	*out = va;
	return 0;
}

static int irq_info(struct fl_vfio_dev *d, unsigned index, struct fl_vfio_irq *out)
{
	const unsigned counts[] = { 1, of(d)->msi, of(d)->msix, !of(d)->pci, 1 };

	memset(out, 0, sizeof(*out));
	if (index < FL_ARRAY_SIZE(counts)) {
		out->count = counts[index];
		out->flags = FL_VFIO_IRQ_F_EVENTFD |
			     (index ? FL_VFIO_IRQ_F_NORESIZE
				    : FL_VFIO_IRQ_F_MASKABLE | FL_VFIO_IRQ_F_AUTOMASKED);
	}
	return 0;
}

static int irq_set(struct fl_vfio_dev *d, unsigned index, unsigned start, unsigned count,
		   enum fl_vfio_irq_action action, const int *fds)
{
	struct fake_nic *n = of(d);

	if (n->gone)
		return -ENODEV;
	if (index > FL_VFIO_IRQ_REQ || start + count > FAKE_VECTORS)
		return -EINVAL;
	if (action != FL_VFIO_IRQ_TRIGGER)
		return 0;
	if (!count)
		memset(n->irq_fd[index], 0xff, sizeof(n->irq_fd[index]));
	for (unsigned i = 0; i < count; i++)
		n->irq_fd[index][start + i] = fds[i];
	return 0;
}

static int reset(struct fl_vfio_dev *d)
{
	of(d)->resets++;
	power_on(of(d));
	return 0;
}

static int no_reset(struct fl_vfio_dev *d)
{
	return -EOPNOTSUPP;
}

static int event_fd(struct fl_vfio_dev *d)
{
	return of(d)->efd;
}

static int dispatch(struct fl_vfio_dev *d)
{
	eventfd_t v;

	(void)eventfd_read(of(d)->efd, &v);
	if (!of(d)->gone)
		return 0;
	__atomic_store_n(&d->removed, true, __ATOMIC_RELAXED);
	return -ENODEV;
}

static int reattach(struct fl_vfio_dev *d)
{
	struct fake_nic *n = of(d);
	int rc;

	if (n->gone)
		return -ECONNREFUSED;
	n->dma.n = 0;
	rc = fl_dma_domain_replay(n->domain);
	if (!rc)
		__atomic_store_n(&d->removed, false, __ATOMIC_RELAXED);
	return rc;
}

static void release(struct fl_vfio_dev *d)
{
	of(d)->releases++;
	__atomic_store_n(&d->removed, true, __ATOMIC_RELAXED);
}

static void close_dev(struct fl_vfio_dev *d)
{
	fl_dma_domain_remove(of(d)->domain, of(d)->gone);
	of(d)->dma.n = 0;
}

static const struct fl_vfio_ops ops = {
	.name = "fake",
	.region_info = region_info,
	.region_read = region_read,
	.region_write = region_write,
	.region_mmap = region_mmap,
	.irq_info = irq_info,
	.irq_set = irq_set,
	.reset = reset,
	.hot_reset = no_reset,
	.event_fd = event_fd,
	.dispatch = dispatch,
	.release = release,
	.reattach = reattach,
	.close = close_dev,
};

/* ---- for tests ------------------------------------------------------------------------ */

static int open_fake(struct fl_ctx *ctx, const char *rest, void *arg, struct fl_vfio_dev **out)
{
	struct fake_nic *n = arg;
	int rc;

	n->d = (struct fl_vfio_dev){
		.ops = &ops,
		.space = fl_ctx_space(ctx),
		.log = fl_ctx_log(ctx),
		.nregions = FL_VFIO_REGION_CONFIG + 1,
		.nirqs = FL_VFIO_IRQ_REQ + 1,
		.node = -1,
		.resettable = !n->pci,
	};
	rc = fl_dma_domain_add(n->d.space, &fake_dma_ops, &n->dma, &n->domain);
	if (rc)
		return rc;
	n->opens++;
	*out = &n->d;
	return 0;
}

int fake_nic_scheme(struct fl_ctx *ctx, struct fake_nic *n)
{
	const struct fl_scheme s = { .name = "fake", .open = open_fake, .arg = n };

	return fl_ctx_add_scheme(ctx, &s);
}

void fake_nic_nvm_seal(struct fake_nic *n)
{
	uint16_t sum = 0;

	for (unsigned i = 0; i < 63; i++)
		sum = (uint16_t)(sum + n->nvm[i]);
	n->nvm[63] = (uint16_t)(NVM_SUM - sum);
	power_on(n);
}

void fake_nic_init(struct fake_nic *n)
{
	static const uint8_t mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };
	static const uint8_t id[] = { 0x86, 0x80, 0xd3, 0x10 };

	memset(n, 0, sizeof(*n));
	memset(n->irq_fd, 0xff, sizeof(n->irq_fd));
	n->msix = FAKE_VECTORS;
	n->msi = 1;
	n->memfd = memfd_create("fake_nic", MFD_CLOEXEC);
	n->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (n->memfd < 0 || n->efd < 0 || ftruncate(n->memfd, FAKE_BAR_SIZE))
		abort();
	n->regs = mmap(NULL, FAKE_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, n->memfd, 0);
	if (n->regs == MAP_FAILED)
		abort();
	memcpy(n->cfg, id, sizeof(id));
	n->cfg[PCI_CLASS_DEVICE + 1] = 0x02;
	n->cfg[PCI_INTERRUPT_PIN] = 1;
	memcpy(n->nvm, mac, sizeof(mac));
	n->nvm[NVM_VERSION] = 0x2010;
	n->phy[PHY_BMCR] = 0x1140;
	n->phy[PHY_BMSR] = 0x796d;
	n->phy[PHY_ID1] = 0x0141;
	n->phy[PHY_ID2] = 0x0cb1;
	n->phy[PHY_ANAR] = 0x0de1;
	n->phy[PHY_ANLPAR] = 0x07e0;
	fake_nic_nvm_seal(n);
}

void fake_nic_pci(struct fake_nic *n)
{
	n->pci = true;
	n->msix = 0;
	n->msi = 0;
	n->cfg[PCI_DEVICE_ID] = 0x0e;
	n->cfg[PCI_BASE_ADDRESS_1] = PCI_BASE_ADDRESS_SPACE_IO;
	n->phy[PHY_ID2] = 0x0c20;
	n->phy[PHY_M88_CTRL] = 0x0360;
	n->phy[PHY_M88_EXT] = 0x0d60;
	fake_nic_nvm_seal(n);
}

void fake_nic_fini(struct fake_nic *n)
{
	munmap(n->regs, FAKE_BAR_SIZE);
	close(n->memfd);
	close(n->efd);
}

void fake_nic_irq(struct fake_nic *n, unsigned index, unsigned vec)
{
	if (index <= FL_VFIO_IRQ_REQ && vec < FAKE_VECTORS && n->irq_fd[index][vec] >= 0)
		(void)eventfd_write(n->irq_fd[index][vec], 1);
}

void fake_nic_unplug(struct fake_nic *n)
{
	n->gone = true;
	(void)eventfd_write(n->efd, 1);
}

void fake_nic_replug(struct fake_nic *n)
{
	n->gone = false;
	power_on(n);
}
