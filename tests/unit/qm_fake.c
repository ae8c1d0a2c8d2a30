/* SPDX-License-Identifier: BSD-3-Clause */
#include "qm_fake.h"

#include <linux/pci_regs.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- the device --------------------------------------------------------------------------- */

static void power_on(struct fq *f)
{
	memset(f->regs, 0, FQ_PF_SIZE);
	memset(f->vft, 0, sizeof(f->vft));
	*fq_reg(f, QM_EQ_INT_MASK) = *fq_reg(f, QM_AEQ_INT_MASK) = 1;
	*fq_reg(f, QM_QUE_ISO_CFG) = f->iso;
	if (!f->vf) {
		*fq_reg(f, QM_VFT_RDY) = 1;
		*fq_reg(f, QM_ABNORMAL_MASK) = QM_ABNORMAL_ALL;
		*fq_reg(f, QM_QP_TOTALS) = FQ_QPS << 11 | FQ_QPS;
		*fq_reg(f, QM_ABNORMAL_STATUS) = f->lasting;
	}
	if (f->on_power)
		f->on_power(f);
}

/* a dump: not empty as long as the test says */
static void dump(struct fq *f, struct qm_ctx *c, const struct qm_ctx *of, bool cq)
{
	*c = *of;
	if (cq && f->undrained) {
		f->undrained--;
		c->tail ^= 1;
	}
}

static unsigned context(struct fq *f, uint32_t w, uint64_t base)
{
	unsigned cmd = w & 0xff, q = w >> 16;
	struct qm_ctx *own = cmd == QM_MB_EQC ? &f->eqc : &f->aeqc,
		      *c = fake_dma_at(&f->dma, base, 32);

	if (cmd == QM_MB_SQC)
		own = &f->sqc[q];
	if (cmd == QM_MB_CQC)
		own = &f->cqc[q];
	if (!c || base % 32 || q >= FQ_QPS)
		return 1;
	if (w & QM_MB_READ)
		dump(f, c, own, cmd == QM_MB_CQC);
	else
		*own = *c;
	return 0;
}

static unsigned command(struct fq *f, uint32_t w, uint64_t *data)
{
	switch (w & 0xff) {
	case QM_MB_SQC:
	case QM_MB_CQC:
	case QM_MB_EQC:
	case QM_MB_AEQC:
		return context(f, w, *data);
	case QM_MB_SQC_BT:
		f->sqc_bt = *data;
		return 0;
	case QM_MB_CQC_BT:
		f->cqc_bt = *data;
		return 0;
	case QM_MB_SQC_VFT:
		*data = f->vf_range;
		return 0;
	case QM_MB_STOP_QP:
	case QM_MB_FLUSH_QM:
		return 0;
	case QM_MB_SRC:
		f->heard[f->nheard++ % 16] = *data;
		return 0;
	case QM_MB_DST:
		*data = f->to_us;
		return 0;
	}
	return 3;
}

static void mailbox(struct fq *f, const uint64_t in[2])
{
	uint64_t data = in[0] >> 32 | in[1] << 32;
	uint32_t w = (uint32_t)in[0];
	unsigned st;

	assert_true(w & QM_MB_BUSY);
	f->mbs++;
	f->mb[w & 31]++;
	memcpy(fq_reg(f, QM_MAILBOX), in, 16);
	if (f->mb_hang)
		return;
	st = f->mb_fail_at && !--f->mb_fail_at ? 5 : command(f, w, &data);
	*fq_reg(f, QM_MAILBOX) = (w & ~QM_MB_BUSY) | st << 9;
	*fq_reg(f, QM_MAILBOX + 4) = (uint32_t)data;
	*fq_reg(f, QM_MAILBOX + 8) = (uint32_t)(data >> 32);
}

static void vft(struct fq *f)
{
	unsigned type = *fq_reg(f, QM_VFT_TYPE), fn = *fq_reg(f, QM_VFT_CFG);

	assert_int_equal(*fq_reg(f, QM_VFT_OP_WR), 0);
	assert_in_range(type, 0, 2);
	assert_in_range(fn, 0, 255);
	if (f->no_vft)
		return;
	f->vft[type][fn] = *fq_reg(f, QM_VFT_DATA_L) | (uint64_t)*fq_reg(f, QM_VFT_DATA_H) << 32;
	*fq_reg(f, QM_VFT_RDY) = 1;
}

static void sent(struct fq *f, unsigned fn)
{
	if (!f->deaf && f->on_message)
		f->on_message(f, fn, f->heard[(f->nheard - 1) % 16]);
}

static void reg_write(struct fq *f, uint32_t off, uint32_t v)
{
	uint32_t old = *fq_reg(f, off);

	*fq_reg(f, off) = v;
	switch (off) {
	case QM_MEM_START_INIT:
		*fq_reg(f, QM_MEM_INIT_DONE) = !f->no_mem_init;
		f->quiet_init |= !(f->cfg[PCI_COMMAND] & PCI_COMMAND_MASTER);
		break;
	case QM_VFT_OP_ENABLE:
		vft(f);
		break;
	case QM_CACHE_WB_START:
		*fq_reg(f, QM_CACHE_WB_DONE) = !f->no_write_back;
		break;
	case QM_ABNORMAL_SOURCE:
		*fq_reg(f, QM_ABNORMAL_STATUS) &= ~v | f->lasting;
		break;
	case TOY_START:
		*fq_reg(f, TOY_DONE) = !f->no_toy;
		break;
	case QM_IFC_INT_SOURCE_V:
	case QM_IFC_INT_SOURCE_P:
	case QM_IFC_INT_SOURCE_P + 4:
		*fq_reg(f, off) = old & ~v;
		break;
	case QM_IFC_INT_SET_P:
		if (f->deaf)
			*fq_reg(f, QM_IFC_READY_STATUS) |= 1u << *fq_reg(f, QM_IFC_INT_CFG);
		sent(f, *fq_reg(f, QM_IFC_INT_CFG));
		*fq_reg(f, off) = 0;
		break;
	case QM_IFC_INT_SET_V:
		*fq_reg(f, off) = f->deaf;
		sent(f, 0);
		break;
	}
}

/* ---- transport ---------------------------------------------------------------------------- */

static struct fq *of(struct fl_vfio_dev *d)
{
	return (struct fq *)d;
}

static int region_info(struct fl_vfio_dev *d, unsigned index, struct fl_vfio_region *out)
{
	struct fq *f = of(d);

	memset(out, 0, sizeof(*out));
	out->flags = FL_VFIO_REGION_F_READ | FL_VFIO_REGION_F_WRITE;
	if (index == FL_VFIO_REGION_CONFIG)
		out->size = sizeof(f->cfg);
	if (index == 2)
		out->size = f->bar2;
	if (index == 4) {
		out->size = f->bar4;
		out->flags |= f->map_db ? FL_VFIO_REGION_F_MMAP : 0;
	}
	return 0;
}

/* through the kernel a BAR is SIGBUS before memory space is on */
static void expect_memory_space(const struct fq *f, unsigned index)
{
	if (index != FL_VFIO_REGION_CONFIG)
		assert_true(f->cfg[PCI_COMMAND] & PCI_COMMAND_MEMORY);
}

static int region_read(struct fl_vfio_dev *d, unsigned index, uint64_t off, void *buf, size_t len)
{
	struct fq *f = of(d);

	if (f->gone)
		return -ENODEV;
	expect_memory_space(f, index);
	memset(buf, 0xff, len);
	if (index == FL_VFIO_REGION_CONFIG && off + len <= sizeof(f->cfg))
		memcpy(buf, f->cfg + off, len);
	else if (index == 2 && off + len <= f->bar2 && !f->ones)
		memcpy(buf, (uint8_t *)f->regs + off, len);
	return 0;
}

static int region_write(struct fl_vfio_dev *d, unsigned index, uint64_t off, const void *buf,
			size_t len)
{
	struct fq *f = of(d);
	uint64_t v[2] = { 0 };

	if (f->gone)
		return -ENODEV;
	expect_memory_space(f, index);
	assert_in_range(len, 1, 16);
	memcpy(v, buf, len);
	if (index == FL_VFIO_REGION_CONFIG) {
		if (off == PCI_COMMAND)
			memcpy(f->cfg + off, buf, len);
		return 0;
	}
	assert_true(index == 2 || index == 4);
	assert_true(off + len <= (index == 2 ? f->bar2 : f->bar4));
	if (f->nw < FQ_WRITES)
		f->w[f->nw++] =
			(struct fq_write){ (uint32_t)off | (index == 4 ? 1u << 31 : 0), v[0] };
	if (index == 4 || off == QM_DB_SQ_CQ || off == QM_DB_EQ_AEQ) {
		assert_int_equal(len, 8);
		return 0;
	}
	if (off == QM_MAILBOX) {
		assert_int_equal(len, 16);
		mailbox(f, v);
		return 0;
	}
	reg_write(f, (uint32_t)off, (uint32_t)v[0]);
	if (len == 8)
		reg_write(f, (uint32_t)off + 4, (uint32_t)(v[0] >> 32));
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

static int irq_set(struct fl_vfio_dev *d, unsigned index, unsigned start, unsigned count,
		   enum fl_vfio_irq_action action, const int *fds)
{
	struct fq *f = of(d);

	if (action != FL_VFIO_IRQ_TRIGGER || index != FL_VFIO_IRQ_MSI)
		return 0;
	if (!count)
		memset(f->irq_fd, 0xff, sizeof(f->irq_fd));
	for (unsigned i = 0; i < count && start + i < FQ_VECTORS; i++)
		f->irq_fd[start + i] = fds[i];
	return 0;
}

static int reset(struct fl_vfio_dev *d)
{
	if (of(d)->no_reset)
		return -EOPNOTSUPP;
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
	struct fq *f = of(d);
	int rc;

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

static uint32_t *entry(struct fq *f, const struct qm_ctx *c, unsigned i)
{
	uint32_t *e = fake_dma_at(&f->dma, (c->base_l | (uint64_t)c->base_h << 32) + 4ull * i, 4);

	assert_non_null(e);
	return e;
}

uint32_t *fq_eqe(struct fq *f, unsigned i)
{
	return entry(f, &f->eqc, i);
}

uint32_t *fq_aeqe(struct fq *f, unsigned i)
{
	return entry(f, &f->aeqc, i);
}

void fq_irq(struct fq *f, unsigned vec)
{
	assert_true(f->irq_fd[vec] >= 0);
	assert_int_equal(eventfd_write(f->irq_fd[vec], 1), 0);
}

void fq_message(struct fq *f, unsigned fn, uint64_t msg)
{
	f->to_us = msg;
	if (f->vf)
		*fq_reg(f, QM_IFC_INT_SOURCE_V) = 1;
	else
		*fq_reg(f, QM_IFC_INT_SOURCE_P) |= 1u << fn;
}

int fq_find(const struct fq *f, unsigned from, uint32_t off, uint64_t v)
{
	for (unsigned i = from; i < f->nw; i++)
		if (f->w[i].off == off && f->w[i].v == v)
			return (int)i;
	return -1;
}

unsigned fq_count(const struct fq *f, uint32_t off)
{
	unsigned n = 0;

	for (unsigned i = 0; i < f->nw; i++)
		n += f->w[i].off == off;
	return n;
}

/* ---- the toy engine ----------------------------------------------------------------------- */

static int toy_init(struct fl_qm *qm, void *arg)
{
	struct fq *f = arg;

	f->inits++;
	if (f->toy_rc)
		return f->toy_rc;
	fl_bar_write32(fl_qm_dev(qm), FL_QM_BAR, TOY_START, 1);
	return fl_qm_wait(qm, TOY_DONE, 1, 1);
}

static void toy_errors(struct fl_qm *qm, void *arg, bool on)
{
	fl_bar_write32(fl_qm_dev(qm), FL_QM_BAR, TOY_ENABLE, on);
}

static uint32_t toy_status(struct fl_qm *qm, void *arg, uint32_t *fatal)
{
	uint32_t v = fl_bar_read32(fl_qm_dev(qm), FL_QM_BAR, TOY_ERRORS);

	*fatal = v & 1;
	return v;
}

const struct fl_qm_engine fq_toy = {
	.name = "TOY1",
	.shaper_types = 3,
	.err = { { .nfe = 0x1c77, .ce = 8, .reset = 0xc77 },
		 { .nfe = 0x7c77, .ce = 8, .reset = 0x6c77 } },
	.init = toy_init,
	.errors = toy_errors,
	.status = toy_status,
};

/* ---- for tests ---------------------------------------------------------------------------- */

static int open_fake(struct fl_ctx *ctx, const char *rest, void *arg, struct fl_vfio_dev **out)
{
	struct fq *f = arg;
	int rc;

	f->d = (struct fl_vfio_dev){
		.ops = &ops,
		.space = fl_ctx_space(ctx),
		.log = fl_ctx_log(ctx),
		.nregions = FL_VFIO_REGION_CONFIG + 1,
		.nirqs = FL_VFIO_IRQ_REQ + 1,
		.node = -1,
		.resettable = true,
	};
	rc = fl_dma_domain_add(f->d.space, &fake_dma_ops, &f->dma, &f->domain);
	if (!rc)
		*out = &f->d;
	return rc;
}

static void log_write(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
	struct fq *f = arg;
	size_t n = strlen(f->text);

	snprintf(f->text + n, sizeof(f->text) - n, "%s\n", msg);
}

static void told(struct fl_qm *qm, enum fl_qm_event ev, unsigned qp, void *arg)
{
	struct fq *f = arg;

	f->told[ev]++;
	f->told_qp = qp;
	if (f->on_told)
		f->on_told(f);
}

void fq_init(struct fq *f, unsigned version, bool vf)
{
	static const uint8_t id[] = { 0xe5, 0x19, 0x55, 0xa2 };

	memset(f, 0, sizeof(*f));
	memcpy(f->cfg, id, sizeof(id));
	f->cfg[PCI_DEVICE_ID] = vf ? 0x56 : 0x55;
	f->cfg[PCI_REVISION_ID] = (uint8_t)version;
	f->cfg[PCI_CLASS_DEVICE + 1] = 0x10;
	f->vf = vf;
	f->bar2 = vf ? FQ_VF_SIZE : FQ_PF_SIZE;
	f->vf_range = 256ull << 28 | 1ull << 44 | 11ull << 45;
	f->msi = 4;
	memset(f->irq_fd, 0xff, sizeof(f->irq_fd));
	f->regs = calloc(1, FQ_PF_SIZE);
	f->memfd = memfd_create("qm_fake", MFD_CLOEXEC);
	f->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!f->regs || f->efd < 0 || ftruncate(f->memfd, FQ_PAGES * 0x10000))
		abort();
	f->pages = mmap(NULL, FQ_PAGES * 0x10000, PROT_READ | PROT_WRITE, MAP_SHARED, f->memfd, 0);
	if (f->pages == MAP_FAILED)
		abort();
}

int fq_open(struct fq *f)
{
	const struct fl_log log = { log_write, f, FL_LOG_DEBUG };
	const struct fl_ctx_opts opts = { .log = &log };
	const struct fl_scheme s = { .name = "fake", .open = open_fake, .arg = f };
	int rc;

	power_on(f);
	if (!f->ctx) {
		assert_int_equal(fl_ctx_create(&opts, &f->ctx), 0);
		assert_int_equal(fl_ctx_add_scheme(f->ctx, &s), 0);
	}
	assert_int_equal(fl_dev_open(f->ctx, "fake:", &f->dev), 0);
	rc = fl_qm_open(f->dev, &fq_toy, f, &f->qm);
	if (!rc) {
		fl_qm_on_event(f->qm, told, f);
		return 0;
	}
	/* nothing is left behind */
	f->qm = NULL;
	assert_int_equal(f->dma.n, 0);
	assert_false(f->cfg[PCI_COMMAND] & PCI_COMMAND_MASTER);
	fl_dev_close(f->dev);
	f->dev = NULL;
	return rc;
}

void fq_close(struct fq *f)
{
	if (f->qm)
		fl_qm_close(f->qm);
	f->qm = NULL;
	assert_int_equal(f->dma.n, 0);
	if (f->dev)
		fl_dev_close(f->dev);
	f->dev = NULL;
}

void fq_fini(struct fq *f)
{
	fq_close(f);
	if (f->ctx)
		assert_int_equal(fl_ctx_destroy(f->ctx), 0);
	munmap(f->pages, FQ_PAGES * 0x10000);
	close(f->memfd);
	close(f->efd);
	free(f->regs);
}
