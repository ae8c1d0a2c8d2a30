/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_sec.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	PF_SIZE = 0x400000,
	VF_SIZE = 0x10000,
	PAGE = 0x10000, /* of doorbells */

	IFC_SOURCE_V = 0x20,
	ISOLATION = 0x30,
	WRITE_BACK = 0x204,
	WRITE_BACK_DONE = 0x208,
	MAILBOX = 0x300,
	DB = 0x1000,
	MEM_START = 0x100040,
	MEM_DONE = 0x100044,
	VFT_GO = 0x100054,
	VFT_READY = 0x10006c,
	IFC_SOURCE_P = 0x100138,
	TOTALS = 0x100158,
	ENGINE_START = 0x301100,
	ENGINE_DONE = 0x301104,

	MB_SQC = 0,
	MB_CQC = 1,
	MB_VFT = 6,
	MB_STOP_QP = 8,
	MB_FLUSH = 9,
};

static void power_on(struct fake_sec *f)
{
	memset(f->regs, 0, PF_SIZE);
	memset(f->q, 0, sizeof(f->q));
	*fake_sec_reg(f, ISOLATION) = f->v3;
	*fake_sec_reg(f, VFT_READY) = 1;
	*fake_sec_reg(f, TOTALS) = FAKE_SEC_QPS << 11 | FAKE_SEC_QPS;
}

/* ---- mailbox, doorbells, registers -------------------------------------------------------- */

static void configure(struct fake_sec *f, unsigned cmd, unsigned q, uint64_t at)
{
	const uint32_t *ctx = fake_dma_at(&f->dma, at, 32);
	struct fake_sec_q *k = &f->q[q];
	uint64_t base;

	if (!ctx || q >= FAKE_SEC_QPS)
		return;
	base = ctx[1] | (uint64_t)ctx[2] << 32;
	if (cmd == MB_SQC)
		*k = (struct fake_sec_q){ .sq = base, .depth = (ctx[3] & 0xfff) + 1, .phase = 1 };
	else
		k->cq = base;
}

/* V2 drains by dumps: both tails are the same, as we are done with what we are done with */
static void dump(struct fake_sec *f, uint64_t at)
{
	uint32_t *ctx = fake_dma_at(&f->dma, at, 32);

	if (ctx)
		memset(ctx, 0, 32);
}

static void mailbox(struct fake_sec *f, const uint64_t in[2])
{
	uint64_t data = in[0] >> 32 | in[1] << 32;
	uint32_t w = (uint32_t)in[0];
	unsigned cmd = w & 0xff, q = w >> 16;

	memcpy(fake_sec_reg(f, MAILBOX), in, 16);
	if (f->mb_hang)
		return;
	if (cmd <= MB_CQC && w & 1u << 14)
		dump(f, data);
	else if (cmd <= MB_CQC)
		configure(f, cmd, q, data);
	if (cmd == MB_VFT)
		data = 1ull << 44 | (FAKE_SEC_QPS - 1ull) << 45;
	*fake_sec_reg(f, MAILBOX) = w & ~(1u << 13);
	*fake_sec_reg(f, MAILBOX + 4) = (uint32_t)data;
	*fake_sec_reg(f, MAILBOX + 8) = (uint32_t)(data >> 32);
}

static void doorbell(struct fake_sec *f, uint64_t v)
{
	unsigned q = v & 0xfff, type = v >> 12 & 15;

	f->doorbells++;
	if (q >= FAKE_SEC_QPS)
		return;
	if (!type) {
		f->q[q].tail = (uint16_t)(v >> 32);
	} else {
		f->q[q].cq_head = (uint16_t)(v >> 32);
		f->q[q].armed = v >> 48;
	}
}

static void reg_write(struct fake_sec *f, uint32_t off, uint32_t v)
{
	/* messages: none ever came, and writing acknowledges */
	if (off == IFC_SOURCE_V || off == IFC_SOURCE_P || off == IFC_SOURCE_P + 4)
		return;
	*fake_sec_reg(f, off) = v;
	if (off == MEM_START)
		*fake_sec_reg(f, MEM_DONE) = 1;
	else if (off == ENGINE_START)
		*fake_sec_reg(f, ENGINE_DONE) = 1;
	else if (off == VFT_GO)
		*fake_sec_reg(f, VFT_READY) = 1;
	else if (off == WRITE_BACK)
		*fake_sec_reg(f, WRITE_BACK_DONE) = 1;
}

/* ---- transport ---------------------------------------------------------------------------- */

static struct fake_sec *of(struct fl_vfio_dev *d)
{
	return (struct fake_sec *)d;
}

static uint64_t size_of(const struct fake_sec *f, unsigned index)
{
	switch (index) {
	case FL_VFIO_REGION_CONFIG:
		return sizeof(f->cfg);
	case 2:
		return f->vf ? VF_SIZE : PF_SIZE;
	case 4:
		return f->v3 ? FAKE_SEC_QPS * PAGE : 0;
	}
	return 0;
}

static int region_info(struct fl_vfio_dev *d, unsigned index, struct fl_vfio_region *out)
{
	*out = (struct fl_vfio_region){ .size = size_of(of(d), index),
					.flags = FL_VFIO_REGION_F_READ | FL_VFIO_REGION_F_WRITE |
						 (index == 4 ? FL_VFIO_REGION_F_MMAP : 0) };
	return 0;
}

static int region_read(struct fl_vfio_dev *d, unsigned index, uint64_t off, void *buf, size_t len)
{
	struct fake_sec *f = of(d);

	if (f->gone)
		return -ENODEV;
	memset(buf, 0xff, len);
	if (off + len > size_of(f, index))
		return 0;
	if (index == FL_VFIO_REGION_CONFIG)
		memcpy(buf, f->cfg + off, len);
	else if (index == 2)
		memcpy(buf, (uint8_t *)f->regs + off, len);
	return 0;
}

static int region_write(struct fl_vfio_dev *d, unsigned index, uint64_t off, const void *buf,
			size_t len)
{
	struct fake_sec *f = of(d);
	uint64_t v[2] = { 0 };

	if (f->gone)
		return -ENODEV;
	if (len > sizeof(v) || off + len > size_of(f, index))
		return -EINVAL;
	memcpy(v, buf, len);
	if (index == FL_VFIO_REGION_CONFIG)
		memcpy(f->cfg + off, buf, off == PCI_COMMAND ? len : 0);
	else if (index == 2 && off == MAILBOX)
		mailbox(f, v);
	else if (index == 4 || off == DB)
		doorbell(f, v[0]);
	else
		for (size_t i = 0; i < len; i += 4)
			reg_write(f, (uint32_t)(off + i), (uint32_t)(v[0] >> 8 * i));
	return 0;
}

static int region_mmap(struct fl_vfio_dev *d, unsigned index, uint64_t off, uint64_t len,
		       void **out)
{
	*out = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, of(d)->memfd, (off_t)off);
	return *out == MAP_FAILED ? -errno : 0;
}

static int irq_info(struct fl_vfio_dev *d, unsigned index, struct fl_vfio_irq *out)
{
	memset(out, 0, sizeof(*out));
	if (index == FL_VFIO_IRQ_MSI)
		*out = (struct fl_vfio_irq){ of(d)->msi, FL_VFIO_IRQ_F_EVENTFD };
	return 0;
}

/* the machine has none left for them */
static int irq_set(struct fl_vfio_dev *d, unsigned index, unsigned start, unsigned count,
		   enum fl_vfio_irq_action action, const int *fds)
{
	return index == FL_VFIO_IRQ_MSI && count ? -ENOSPC : 0;
}

static int reset(struct fl_vfio_dev *d)
{
	of(d)->resets++;
	power_on(of(d));
	of(d)->cfg[PCI_COMMAND] = 0;
	return 0;
}

static int hot_reset(struct fl_vfio_dev *d)
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
	struct fake_sec *f = of(d);
	int rc;

	if (f->gone)
		return -ENODEV;
	f->dma.n = 0;
	rc = fl_dma_domain_replay(f->domain);
	if (!rc)
		__atomic_store_n(&d->removed, false, __ATOMIC_RELAXED);
	return rc;
}

static void release(struct fl_vfio_dev *d)
{
	__atomic_store_n(&d->removed, true, __ATOMIC_RELAXED);
}

static void close_dev(struct fl_vfio_dev *d)
{
	fl_dma_domain_remove(of(d)->domain, of(d)->gone);
	of(d)->dma.n = 0;
}

static const struct fl_vfio_ops ops = {
	.name = "vfio-user",
	.region_info = region_info,
	.region_read = region_read,
	.region_write = region_write,
	.region_mmap = region_mmap,
	.irq_info = irq_info,
	.irq_set = irq_set,
	.reset = reset,
	.hot_reset = hot_reset,
	.event_fd = event_fd,
	.dispatch = dispatch,
	.release = release,
	.reattach = reattach,
	.close = close_dev,
};

/* ---- the engine's side -------------------------------------------------------------------- */

uint16_t fake_sec_tail(const struct fake_sec *f, unsigned q)
{
	const uint64_t *db = (const uint64_t *)(f->pages + (size_t)q * PAGE + DB);

	return f->v3 ? (uint16_t)(__atomic_load_n(db, __ATOMIC_ACQUIRE) >> 32) : f->q[q].tail;
}

uint32_t *fake_sec_bd(const struct fake_sec *f, unsigned q, uint16_t slot)
{
	return fake_dma_at(&f->dma, f->q[q].sq + slot * 128ull, 128);
}

void fake_sec_cqe(struct fake_sec *f, unsigned q, uint16_t slot)
{
	struct fake_sec_q *k = &f->q[q];
	uint16_t *e = fake_dma_at(&f->dma, k->cq + k->cq_tail * 16ull, 16);

	e[4] = slot;
	__atomic_store_n(&e[7], k->phase, __ATOMIC_RELEASE);
	if (++k->cq_tail == k->depth) {
		k->cq_tail = 0;
		k->phase ^= 1;
	}
}

uint32_t fake_sec_good(const struct fake_sec *f, const uint32_t *bd)
{
	uint32_t cipher = f->v3 ? bd[1] & 3 : bd[0] >> 4 & 3;
	uint32_t auth = f->v3 ? bd[14] & 3 : bd[0] >> 6 & 3;
	uint32_t mode = f->v3 ? bd[1] >> 16 & 15 : bd[3] >> 12 & 15;
	uint32_t flag = !cipher ? 1 : auth || mode == 5 || mode == 6 ? 3 : 2;

	return flag << 7 | 1;
}

unsigned fake_sec_run(struct fake_sec *f, unsigned q, unsigned n)
{
	struct fake_sec_q *k = &f->q[q];
	uint16_t tail = fake_sec_tail(f, q);
	unsigned i;

	for (i = 0; i < n && k->taken != tail; i++) {
		uint32_t *bd = fake_sec_bd(f, q, k->taken);

		bd[28] = fake_sec_good(f, bd);
		fake_sec_cqe(f, q, k->taken);
		k->taken = (uint16_t)(k->taken + 1u == k->depth ? 0 : k->taken + 1);
	}
	return i;
}

void fake_sec_unplug(struct fake_sec *f)
{
	f->gone = true;
	(void)eventfd_write(f->efd, 1);
}

void fake_sec_replug(struct fake_sec *f)
{
	f->gone = false;
	power_on(f);
}

/* ---- life --------------------------------------------------------------------------------- */

static int open_fake(struct fl_ctx *ctx, const char *rest, void *arg, struct fl_vfio_dev **out)
{
	struct fake_sec *f = arg;
	int rc;

	f->d = (struct fl_vfio_dev){
		.ops = &ops,
		.space = fl_ctx_space(ctx),
		.log = fl_ctx_log(ctx),
		.nregions = FL_VFIO_REGION_CONFIG + 1,
		.nirqs = FL_VFIO_IRQ_REQ + 1,
		.node = -1,
		.resettable = true,
		.faults = f->dma.faults,
	};
	rc = fl_dma_domain_add(f->d.space, &fake_dma_ops, &f->dma, &f->domain);
	if (!rc)
		*out = &f->d;
	return rc;
}

int fake_sec_scheme(struct fl_ctx *ctx, struct fake_sec *f)
{
	const struct fl_scheme s = { .name = "fake", .open = open_fake, .arg = f };

	return fl_ctx_add_scheme(ctx, &s);
}

int fake_sec_init(struct fake_sec *f, bool v3, bool vf)
{
	memset(f, 0, sizeof(*f));
	f->v3 = v3;
	f->vf = vf;
	f->cfg[PCI_VENDOR_ID] = 0xe5;
	f->cfg[PCI_VENDOR_ID + 1] = 0x19;
	f->cfg[PCI_DEVICE_ID] = vf ? 0x56 : 0x55;
	f->cfg[PCI_DEVICE_ID + 1] = 0xa2;
	f->cfg[PCI_REVISION_ID] = v3 ? 0x30 : 0x21;
	f->cfg[PCI_CLASS_DEVICE + 1] = 0x10;
	f->regs = calloc(1, PF_SIZE);
	f->memfd = memfd_create("fake_sec", MFD_CLOEXEC);
	f->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!f->regs || f->memfd < 0 || f->efd < 0 || ftruncate(f->memfd, FAKE_SEC_QPS * PAGE))
		return -ENOMEM;
	f->pages = mmap(NULL, FAKE_SEC_QPS * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f->memfd, 0);
	if (f->pages == MAP_FAILED)
		return -errno;
	power_on(f);
	return 0;
}

void fake_sec_fini(struct fake_sec *f)
{
	munmap(f->pages, FAKE_SEC_QPS * PAGE);
	close(f->memfd);
	close(f->efd);
	free(f->regs);
}
