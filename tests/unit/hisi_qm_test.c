/* SPDX-License-Identifier: BSD-3-Clause */
/* HiSilicon's queue manager, with a toy engine, against registers that obey or do not. */
#include "qm_fake.h"

#include <linux/pci_regs.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>

struct fix {
	struct fq f;
};

static int set_up(void **state)
{
	*state = calloc(1, sizeof(struct fix));
	return *state ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fix *x = *state;

	if (x->f.regs)
		fq_fini(&x->f);
	free(x);
	return 0;
}

static struct fq *up(void **state, unsigned version, bool vf)
{
	struct fq *f = &((struct fix *)*state)->f;

	fq_init(f, version, vf);
	assert_int_equal(fq_open(f), 0);
	return f;
}

/* V3 with doorbells in BAR 4 */
static struct fq *up_isolated(void **state, bool map)
{
	struct fq *f = &((struct fix *)*state)->f;

	fq_init(f, FL_QM_V3, false);
	f->iso = true;
	f->bar4 = FQ_PAGES * 0x10000;
	f->map_db = map;
	assert_int_equal(fq_open(f), 0);
	return f;
}

static struct fl_qm_qp *queue(struct fq *f, uint16_t id, uint16_t depth, bool intr)
{
	struct fl_qm_qp *q;

	assert_int_equal(fl_qm_qp_create(f->qm, id, depth, -1, intr, &q), 0);
	return q;
}

static bool signalled(int fd)
{
	eventfd_t v;

	return !eventfd_read(fd, &v);
}

static int in_order(const struct fq *f, int from, uint32_t off, uint64_t v)
{
	int i = fq_find(f, (unsigned)from, off, v);

	if (i < 0)
		fail_msg("0x%x = 0x%llx is not written after place %d", off, (unsigned long long)v,
			 from);
	return i;
}

/* ---- open --------------------------------------------------------------------------------- */

static void test_open_v2(void **state)
{
	struct fq *f = up(state, FL_QM_V2, false);
	const struct fl_qm_caps *c = fl_qm_caps(f->qm);
	int at;

	assert_int_equal(c->version, FL_QM_V2);
	assert_false(c->vf || c->isolated);
	assert_int_equal(c->qp_base, 0);
	assert_int_equal(c->qp_max, 1024);
	assert_int_equal(c->depth_max, 1024);
	assert_int_equal(c->irqs, 4);
	assert_ptr_equal(fl_qm_dev(f->qm), f->dev);
	assert_int_equal(f->inits, 1);
	at = in_order(f, 0, QM_DB_TIMEOUT, 0x1fffff);
	at = in_order(f, at, QM_MEM_START_INIT, 1);
	at = in_order(f, at, QM_ARUSER, 0x40001070);
	at = in_order(f, at, QM_ARUSER_ENABLE, 0xfffffffe);
	at = in_order(f, at, QM_AWUSER_ENABLE, 0xfffffffe);
	at = in_order(f, at, QM_AXI_CFG, 0xffff);
	at = in_order(f, at, QM_PEH_AXUSER, 0x401001);
	at = in_order(f, at, QM_CACHE_CTL, 0x1833);
	at = in_order(f, at, TOY_START, 1);
	at = in_order(f, at, QM_ABNORMAL_SOURCE, 0x1c7f);
	at = in_order(f, at, QM_RAS_NFE_ENABLE, 0x1c77);
	at = in_order(f, at, QM_ABNORMAL_MASK, 0x7fff & ~0x1c7f);
	(void)in_order(f, at, TOY_ENABLE, 1);
	/* what V2 does not have is not touched */
	assert_int_equal(fq_count(f, QM_PM_CTRL) + fq_count(f, QM_OOO_SHUTDOWN), 0);
	assert_int_equal(fq_count(f, QM_IFC_INT_SOURCE_P), 0);
	fl_qm_close(f->qm);
	f->qm = NULL;
	assert_int_equal(*fq_reg(f, TOY_ENABLE), 0);
	assert_int_equal(*fq_reg(f, QM_ABNORMAL_MASK), QM_ABNORMAL_ALL);
	assert_false(f->cfg[PCI_COMMAND] & PCI_COMMAND_MASTER);
	assert_int_equal(f->dma.n, 0);
}

static void test_open_v3(void **state)
{
	struct fq *f = up_isolated(state, true);
	const struct fl_qm_caps *c = fl_qm_caps(f->qm);
	int at;

	assert_int_equal(c->version, FL_QM_V3);
	assert_true(c->isolated);
	assert_int_equal(c->qp_max, FQ_PAGES); /* as many as there are doorbells */
	at = in_order(f, 0, QM_PM_CTRL, 1u << 9);
	at = in_order(f, at, QM_IFC_INT_SOURCE_P, UINT64_MAX);
	at = in_order(f, at, QM_IFC_INT_MASK, 0);
	at = in_order(f, at, QM_ABNORMAL_SOURCE, 0x7c7f);
	(void)in_order(f, at, QM_OOO_SHUTDOWN, 0x6c77);
}

static void test_open_vf(void **state)
{
	struct fq *f = up(state, FL_QM_V3, true);
	const struct fl_qm_caps *c = fl_qm_caps(f->qm);

	assert_true(c->vf);
	assert_int_equal(c->qp_base, 256);
	assert_int_equal(c->qp_max, 12);
	assert_int_equal(f->inits, 0);
	for (unsigned i = 0; i < f->nw; i++)
		assert_in_range(f->w[i].off, 0, FQ_VF_SIZE / 2 - 1);
	fq_close(f);
	f->vf_range = 0;
	assert_int_equal(fq_open(f), -ENODEV);
	assert_non_null(strstr(f->text, "no queues"));
	/* more than there are */
	f->vf_range = UINT64_MAX;
	assert_int_equal(fq_open(f), 0);
	assert_int_equal(fl_qm_caps(f->qm)->qp_max, 1024);
	fq_close(f);
	f->cfg[PCI_REVISION_ID] = FL_QM_V2;
	assert_int_equal(fq_open(f), 0);
	assert_int_equal(fl_qm_caps(f->qm)->irqs, 2);
}

static void refused(struct fq *f, int err, const char *why)
{
	f->text[0] = '\0';
	assert_int_equal(fq_open(f), err);
	if (!strstr(f->text, why))
		fail_msg("\"%s\" is not in \"%s\"", why, f->text);
}

static void test_open_refused(void **state)
{
	struct fq *f = &((struct fix *)*state)->f;

	fq_init(f, 0x20, false);
	refused(f, -ENOTSUP, "revision 0x20");
	f->cfg[PCI_REVISION_ID] = FL_QM_V2;
	f->bar2 = 0x2000;
	refused(f, -ENODEV, "8192 bytes");
	f->bar2 = FQ_PF_SIZE;
	f->no_mem_init = true;
	refused(f, -ETIMEDOUT, "0x100044");
	f->no_mem_init = false;
	f->no_toy = true;
	refused(f, -ETIMEDOUT, "0x301104");
	f->no_toy = false;
	f->toy_rc = -EPROTO;
	refused(f, -EPROTO, "");
	f->toy_rc = 0;
	f->cfg[PCI_REVISION_ID] = FL_QM_V3;
	f->iso = true;
	refused(f, -ENODEV, "BAR 4");
	f->ones = true;
	refused(f, -ENODEV, "0xffffffff");
}

/* a layout version says that the registers are to be read: a device may say anything there */
static void cap_values(struct fq *f)
{
	*fq_reg(f, QM_CAP_FUNC) = QM_CAP_MESSAGES | 1;
	*fq_reg(f, QM_CAP_EQ_DEPTH) = 0x00800100;
	*fq_reg(f, QM_CAP_SQ_DEPTH) = 0x03000200;
	*fq_reg(f, QM_CAP_EQ_IRQ) = 0x10000;
	*fq_reg(f, QM_CAP_AEQ_IRQ) = 0x10001;
	*fq_reg(f, QM_CAP_IFC_IRQ) = 0x10002;
	*fq_reg(f, QM_CAP_ABNORMAL_IRQ) = 0x10003;
	*fq_reg(f, QM_CAP_IRQS) = 0x00030003;
	*fq_reg(f, QM_CAP_NFE) = 0xffffffff;
	*fq_reg(f, QM_QP_TOTALS) = 64;
}

static const struct {
	uint32_t reg, v;
} odd_caps[] = {
	{ QM_CAP_FUNC, UINT32_MAX },
	{ QM_CAP_EQ_DEPTH, 0 },
	{ QM_CAP_EQ_DEPTH, 0x0400ffff },
	{ QM_CAP_EQ_DEPTH, 0x00100800 },
	{ QM_CAP_SQ_DEPTH, 0x04000001 },
	{ QM_CAP_IRQS, 0 },
	{ QM_CAP_IRQS, 0xffff0003 },
	{ QM_CAP_AEQ_IRQ, 0x10004 },
	{ QM_CAP_EQ_IRQ, 0x1ffff },
	{ QM_CAP_EQ_IRQ, 0 },
	{ QM_QP_TOTALS, 0 },
	{ QM_QP_TOTALS, 0x7ff },
};
static unsigned odd_cap;

static void odd_values(struct fq *f)
{
	cap_values(f);
	*fq_reg(f, odd_caps[odd_cap].reg) = odd_caps[odd_cap].v;
}

static void test_caps(void **state)
{
	struct fq *f = &((struct fix *)*state)->f;
	const struct fl_qm_caps *c;

	fq_init(f, FL_QM_V3 + 1, false); /* later ones as V3 */
	f->on_power = cap_values;
	assert_int_equal(fq_open(f), 0);
	c = fl_qm_caps(f->qm);
	assert_int_equal(c->version, FL_QM_V3);
	assert_int_equal(c->depth_max, 512); /* the lesser, a power of two */
	assert_int_equal(c->irqs, 4);
	assert_int_equal(c->qp_max, 64);
	assert_int_equal(fl_qm_start(f->qm, 64, false), 0);
	assert_int_equal(f->eqc.dw6, 0x100ff);
	assert_int_equal(f->aeqc.dw6, 0x1007f);
	assert_int_equal(fq_count(f, QM_SHAPER_CFG), 0); /* no QoS */
	assert_int_equal(*fq_reg(f, QM_RAS_NFE_ENABLE), 0x7fff);
	fq_close(f);
	f->on_power = odd_values;
	for (odd_cap = 0; odd_cap < FL_ARRAY_SIZE(odd_caps); odd_cap++)
		refused(f, -ENODEV, "register 0x");
}

/* ---- start and stop ----------------------------------------------------------------------- */

static void test_start(void **state)
{
	struct fq *f = up(state, FL_QM_V2, false);
	int at = (int)f->nw;

	assert_int_equal(fl_qm_start(f->qm, 0, false), -EINVAL);
	assert_int_equal(fl_qm_start(f->qm, 1025, false), -EINVAL);
	assert_int_equal(f->nw, at);
	assert_int_equal(fl_qm_start(f->qm, 256, false), 0);
	assert_int_equal(fl_qm_start(f->qm, 256, false), -EBUSY);
	assert_true(f->vft[0][0] == 0x001ff00000000000);
	assert_true(f->vft[1][0] == 0x10000000);
	assert_int_equal(f->eqc.dw3, 0);
	assert_int_equal(f->eqc.dw6, 0x107ff);
	assert_int_equal(f->aeqc.dw6, 0x103ff);
	assert_non_null(fake_dma_at(&f->dma, f->sqc_bt, 256 * 32));
	assert_non_null(fake_dma_at(&f->dma, f->cqc_bt, 256 * 32));
	assert_non_null(fq_eqe(f, 2047));
	assert_non_null(fq_aeqe(f, 1023));
	at = in_order(f, at, QM_DB_EQ_AEQ, 0x3000);
	(void)in_order(f, at, QM_DB_EQ_AEQ, 0x2000);
	/* nobody to interrupt */
	assert_int_equal(*fq_reg(f, QM_EQ_INT_MASK), 1);
	assert_int_equal(*fq_reg(f, QM_AEQ_INT_MASK), 1);
	fl_qm_stop(f->qm);
	assert_true(f->vft[0][0] == 0 && f->vft[1][0] == 0);
	assert_int_equal(*fq_reg(f, QM_CACHE_WB_START), 1);
	/* were it to look there */
	assert_int_equal(((struct qm_ctx *)fake_dma_at(&f->dma, f->sqc_bt, 32))[255].w8, 0xaaaa);
	assert_int_equal(((struct qm_ctx *)fake_dma_at(&f->dma, f->sqc_bt, 32))[255].w13, 0x40);
	assert_int_equal(fl_qm_start(f->qm, 2, true), 0);
	assert_int_equal(((struct qm_ctx *)fake_dma_at(&f->dma, f->sqc_bt, 32))[255].w8, 0);
	assert_int_equal(*fq_reg(f, QM_EQ_INT_MASK), 0);
	assert_int_equal(*fq_reg(f, QM_AEQ_INT_MASK), 0);
	assert_true(f->irq_fd[3] >= 0);
	fl_qm_stop(f->qm);
	assert_int_equal(*fq_reg(f, QM_EQ_INT_MASK), 1);
	assert_true(f->irq_fd[0] < 0);
	assert_null(strstr(f->text, "not stopped"));
}

static void test_start_v3(void **state)
{
	struct fq *f = up(state, FL_QM_V3, false);

	assert_int_equal(fl_qm_start(f->qm, 1024, false), 0);
	assert_true(f->vft[0][0] == 0x007ff00000000000);
	for (unsigned t = 0; t < 3; t++)
		assert_int_equal(f->vft[2][t << 6], 0x988696);
	assert_int_equal(f->vft[2][3 << 6], 0);
	assert_int_equal(*fq_reg(f, QM_SHAPER_CFG), 0x40000190);
	assert_int_equal(fq_count(f, QM_PAGE_SIZE), 1);
	assert_int_equal(fq_count(f, QM_VF_STATE), 0);
	fl_qm_stop(f->qm);
	assert_int_equal(f->mb[QM_MB_FLUSH_QM], 1);
}

/* each step fails in turn: what came before is undone, and the next start works */
static void test_start_fails(void **state)
{
	struct fq *f = up(state, FL_QM_V2, false);

	for (unsigned i = 1; i <= 4; i++) {
		f->mb_fail_at = i;
		assert_int_equal(fl_qm_start(f->qm, 8, false), -EIO);
		assert_true(f->vft[0][0] == 0 && f->vft[1][0] == 0);
	}
	assert_non_null(strstr(f->text, "status 5"));
	f->msi = 2;
	assert_int_equal(fl_qm_start(f->qm, 8, true), -ENOSPC);
	assert_non_null(strstr(f->text, "(it has 2)"));
	assert_true(f->vft[0][0] == 0);
	f->no_vft = true;
	assert_int_equal(fl_qm_start(f->qm, 8, false), -ETIMEDOUT);
	assert_non_null(strstr(f->text, "0x10006c"));
	f->no_vft = false;
	*fq_reg(f, QM_VFT_RDY) = 1;
	/* what cannot be undone has to be reset */
	f->no_write_back = true;
	assert_int_equal(fl_qm_start(f->qm, 8, false), 0);
	fl_qm_stop(f->qm);
	assert_int_equal(fl_qm_start(f->qm, 8, false), -EBUSY);
	f->no_write_back = false;
	assert_int_equal(fl_qm_reset(f->qm), 0);
	/* errors that have shut the bus master down */
	*fq_reg(f, QM_ABNORMAL_STATUS) = QM_ERR_ECC;
	assert_int_equal(fl_qm_start(f->qm, 8, false), -EIO);
	*fq_reg(f, QM_ABNORMAL_STATUS) = 0;
	assert_int_equal(fl_qm_start(f->qm, 8, false), 0);
}

/* V3: the engine's errors shut the bus master down too, and no context is asked for */
static void test_start_behind_error(void **state)
{
	struct fq *f = up(state, FL_QM_V3, false);

	*fq_reg(f, TOY_ERRORS) = 1;
	assert_int_equal(fl_qm_start(f->qm, 8, false), -EIO);
	assert_non_null(strstr(f->text, "is not sent"));
	assert_int_equal(f->mbs, 0);
	*fq_reg(f, TOY_ERRORS) = 0;
	assert_int_equal(fl_qm_start(f->qm, 8, false), 0);
}

static void test_vf_queues(void **state)
{
	struct fq *f = up(state, FL_QM_V3, false);

	assert_int_equal(fl_qm_start(f->qm, 256, false), 0);
	assert_int_equal(fl_qm_vf_queues(f->qm, 0, 256, 12), -EINVAL);
	assert_int_equal(fl_qm_vf_queues(f->qm, 64, 256, 12), -EINVAL);
	assert_int_equal(fl_qm_vf_queues(f->qm, 1, 1020, 12), -EINVAL);
	assert_int_equal(fl_qm_vf_queues(f->qm, 1, 255, 12), -EBUSY);
	assert_int_equal(fl_qm_vf_queues(f->qm, 1, 256, 12), 0);
	assert_true(f->vft[0][1] == 0x0001701000000000);
	assert_true(f->vft[1][1] == 0x10000000);
	assert_int_equal(f->vft[2][1 | 1 << 6], 0x988696);
	assert_int_equal(fl_qm_vf_queues(f->qm, 2, 267, 1), -EBUSY);
	assert_non_null(strstr(f->text, "function 1 has"));
	assert_int_equal(fl_qm_vf_queues(f->qm, 1, 256, 14), 0); /* its own are no obstacle */
	fl_qm_stop(f->qm);
	assert_int_equal(fl_qm_start(f->qm, 257, false), -EBUSY);
	assert_int_equal(fl_qm_vf_queues(f->qm, 1, 0, 0), 0);
	assert_true(f->vft[0][1] == 0 && f->vft[1][1] == 0);
	assert_int_equal(fl_qm_start(f->qm, 257, false), 0);
}

/* ---- queue pairs -------------------------------------------------------------------------- */

static void test_qp(void **state)
{
	struct fq *f = up(state, FL_QM_V2, false);
	struct fl_qm_qp *q, *other;
	struct fl_qm_cqe *cq;
	struct qm_ctx *c;

	assert_int_equal(fl_qm_qp_create(f->qm, 1024, 16, -1, false, &q), -EINVAL);
	assert_int_equal(fl_qm_qp_create(f->qm, 3, 24, -1, false, &q), -EINVAL);
	assert_int_equal(fl_qm_qp_create(f->qm, 3, 2048, -1, false, &q), -EINVAL);
	q = queue(f, 3, 16, false);
	other = queue(f, 3, 32, false);
	assert_int_equal(fl_qm_qp_start(q), -EINVAL);
	assert_int_equal(fl_qm_start(f->qm, 3, false), 0);
	assert_int_equal(fl_qm_qp_start(q), -EINVAL);
	fl_qm_stop(f->qm);
	assert_int_equal(fl_qm_start(f->qm, 4, false), 0);
	assert_int_equal(fl_qm_qp_start(q), 0);
	assert_int_equal(fl_qm_qp_start(q), -EINVAL);
	assert_int_equal(fl_qm_qp_start(other), -EINVAL);
	fl_qm_qp_destroy(other);

	c = &f->sqc[3];
	assert_int_equal(c->dw3, 0x700f);
	assert_int_equal(c->cq_num, 3);
	assert_int_equal(c->w13, 0x10);
	assert_int_equal(c->w8 | c->w11 | c->pasid, 0);
	assert_ptr_equal(fake_dma_at(&f->dma, c->base_l | (uint64_t)c->base_h << 32, 16 * 128),
			 q->sq);
	assert_int_equal(((uintptr_t)q->sq | c->base_l) & 127, 0);
	c = &f->cqc[3];
	assert_int_equal(c->dw3, 0x400f);
	assert_int_equal(c->dw6, 1);
	cq = fake_dma_at(&f->dma, c->base_l | (uint64_t)c->base_h << 32, 16 * 16);
	assert_ptr_equal(cq, q->cq);

	/* doorbells; not mapped, so each is one access of 8 bytes */
	assert_null((const void *)q->db);
	q->sq_tail = 5;
	fl_qm_ring_sq(q);
	assert_true(fq_find(f, 0, QM_DB_SQ_CQ, 5ull << 32 | 3) >= 0);
	q->cq_head = 4;
	fl_qm_ring_cq(q);
	assert_true(fq_find(f, 0, QM_DB_SQ_CQ, 4ull << 32 | 0x1003) >= 0);
	q->cq_head = 0;

	/* two rounds: the phase turns */
	for (unsigned i = 0; i < 32; i++) {
		assert_int_equal(fl_qm_cq_peek(q), -1);
		cq[i % 16].sq_head = (uint16_t)(i % 16);
		cq[i % 16].w7 = i < 16;
		assert_int_equal(fl_qm_cq_peek(q), i % 16);
		fl_qm_cq_next(q);
	}
	assert_int_equal(fl_qm_cq_peek(q), -1);
	assert_int_equal(fl_qm_qp_arm(q), -EOPNOTSUPP);
	/* started anew: empty */
	assert_int_equal(fl_qm_qp_stop(q), 0);
	cq[0].w7 = 1;
	assert_int_equal(fl_qm_qp_start(q), 0);
	assert_int_equal(fl_qm_cq_peek(q), -1);
	assert_int_equal(q->sq_tail + q->cq_head, 0);
	assert_int_equal(fl_qm_qp_stop(q), 0);
	fl_qm_qp_destroy(q);
	fl_qm_stop(f->qm);
}

static void test_qp_refused(void **state)
{
	struct fq *f = up(state, FL_QM_V2, false);
	struct fl_qm_qp *q = queue(f, 0, 16, false);
	unsigned maps = f->dma.n;

	assert_int_equal(fl_qm_start(f->qm, 1, false), 0);
	for (unsigned i = 1; i <= 2; i++) {
		f->mb_fail_at = i;
		assert_int_equal(fl_qm_qp_start(q), -EIO);
	}
	assert_int_equal(fl_qm_qp_start(q), 0);
	assert_int_equal(fl_qm_qp_stop(q), 0);
	fl_qm_qp_destroy(q);
	assert_int_equal(f->dma.n, maps - 1);
}

static void test_drain(void **state)
{
	struct fq *f = up(state, FL_QM_V2, false);
	struct fl_qm_qp *q = queue(f, 0, 16, false), *q1 = queue(f, 1, 16, false);

	assert_int_equal(fl_qm_start(f->qm, 2, false), 0);
	assert_int_equal(fl_qm_qp_start(q), 0);
	assert_int_equal(fl_qm_qp_start(q1), 0);
	f->undrained = 3;
	f->mb[QM_MB_CQC] = 0;
	assert_int_equal(fl_qm_qp_stop(q), 0);
	assert_int_equal(f->mb[QM_MB_CQC], 4);
	assert_int_equal(fl_qm_qp_start(q), 0);
	/* equal tails, a round apart */
	f->cqc[0].w11 = QM_CTX_TAIL_SIG;
	f->undrained = 0;
	f->sqc[0].w11 = QM_CTX_TAIL_SIG;
	assert_int_equal(fl_qm_qp_stop(q), 0);
	assert_int_equal(fl_qm_qp_stop(q), 0);
	assert_int_equal(f->mb[QM_MB_STOP_QP], 0);
	fl_qm_stop(f->qm);
	fl_qm_qp_destroy(q);
	fl_qm_qp_destroy(q1);
}

/* one that never empties: its memory is not given back before the device is reset */
static void test_never_drains(void **state)
{
	struct fq *f = up(state, FL_QM_V2, false);
	struct fl_qm_qp *q = queue(f, 0, 16, false), *q1 = queue(f, 1, 16, false);
	uint64_t t = fl_now_ns();
	unsigned maps = f->dma.n;

	assert_int_equal(fl_qm_start(f->qm, 2, false), 0);
	assert_int_equal(fl_qm_qp_start(q), 0);
	assert_int_equal(fl_qm_qp_start(q1), 0);
	f->undrained = UINT32_MAX;
	fl_qm_stop(f->qm);
	assert_in_range(fl_now_ns() - t, 4900000000, 8000000000); /* not once a queue */
	assert_non_null(strstr(f->text, "not empty after 5000 ms"));
	assert_true(f->vft[0][0] == 0);
	fl_qm_qp_destroy(q);
	fl_qm_qp_destroy(q1);
	assert_int_equal(f->dma.n, maps);
	q = queue(f, 0, 16, false);
	assert_int_equal(fl_qm_start(f->qm, 2, false), -EBUSY);
	assert_int_equal(fl_qm_reset(f->qm), 0);
	assert_int_equal(f->dma.n, maps - 1);
	f->undrained = 0;
	assert_int_equal(fl_qm_start(f->qm, 2, false), 0);
	assert_int_equal(fl_qm_qp_start(q), 0);
	fl_qm_stop(f->qm);
	fl_qm_qp_destroy(q);
	assert_int_equal(f->dma.n, maps - 2);
}

static void test_isolated(void **state)
{
	struct fq *f = up_isolated(state, true);
	struct fl_qm_qp *q = queue(f, 2, 64, true);
	volatile uint64_t *page = f->pages + (2 * 0x10000 + 0x1000) / 8;
	unsigned nw;

	assert_int_equal(fl_qm_start(f->qm, 4, true), 0);
	assert_int_equal(fl_qm_qp_start(q), 0);
	assert_non_null((const void *)q->db);
	nw = f->nw;
	q->sq_tail = 7;
	fl_qm_ring_sq(q);
	assert_true(*page == (7ull << 32 | 2));
	q->cq_head = 3;
	fl_qm_ring_cq(q);
	assert_true(*page == (7ull << 32 | 2));
	assert_int_equal(f->nw, nw);
	/* what must not be overwritten is no store to the page */
	assert_int_equal(fl_qm_qp_arm(q), 0);
	assert_true(*page == (7ull << 32 | 2));
	assert_int_equal(fq_find(f, nw, 1u << 31 | 0x21000, 1ull << 48 | 3ull << 32 | 0x1002), nw);
	assert_int_equal(fl_qm_qp_stop(q), 0);
	assert_int_equal(f->mb[QM_MB_STOP_QP], 1);
	fl_qm_qp_destroy(q);
}

/* ---- mailbox ------------------------------------------------------------------------------ */

static void test_mailbox_hangs(void **state)
{
	struct fq *f = up(state, FL_QM_V3, false);
	struct fl_qm_qp *q = queue(f, 0, 16, false);
	unsigned maps = f->dma.n;
	uint64_t t = fl_now_ns();

	assert_int_equal(fl_qm_start(f->qm, 2, false), 0);
	f->mb_hang = true;
	assert_int_equal(fl_qm_qp_start(q), -ETIMEDOUT);
	assert_in_range(fl_now_ns() - t, 950000000, 2000000000);
	assert_non_null(strstr(f->text, "no answer within 1000 ms"));
	/* the next does not wait as long */
	t = fl_now_ns();
	fl_qm_stop(f->qm);
	assert_in_range(fl_now_ns() - t, 0, 500000000);
	fl_qm_qp_destroy(q);
	assert_int_equal(f->dma.n, maps);
	f->mb_hang = false;
	assert_int_equal(fl_qm_reset(f->qm), 0);
	assert_int_equal(f->dma.n, maps - 1);
	assert_int_equal(fl_qm_start(f->qm, 2, false), 0);
}

/* ---- events ------------------------------------------------------------------------------- */

static unsigned dispatch(struct fq *f)
{
	return (unsigned)fl_ctx_dispatch(f->ctx, 100);
}

static void test_eq(void **state)
{
	struct fq *f = up(state, FL_QM_V2, false);
	struct fl_qm_qp *q0 = queue(f, 0, 16, true), *q1 = queue(f, 1, 16, true);
	struct fl_qm_qp *q2 = queue(f, 2, 16, false);
	struct fl_qm_cqe *cq;

	assert_int_equal(fl_qm_start(f->qm, 3, true), 0);
	assert_int_equal(fl_qm_qp_start(q0), 0);
	assert_int_equal(fl_qm_qp_start(q1), 0);
	assert_int_equal(fl_qm_qp_start(q2), 0);
	*fq_eqe(f, 0) = 1 << 16 | 1;
	*fq_eqe(f, 1) = 1 << 16 | 2; /* has no fd */
	*fq_eqe(f, 2) = 1 << 16 | 3; /* there is no such queue */
	*fq_eqe(f, 3) = 1 << 16 | 0xffff;
	fq_irq(f, 0);
	assert_int_equal(dispatch(f), 1);
	assert_true(signalled(q1->fd));
	assert_false(signalled(q0->fd));
	assert_true(fq_find(f, 0, QM_DB_EQ_AEQ, 4ull << 32 | 0x2000) >= 0);
	/* spurious: the doorbell takes its source away */
	f->nw = 0;
	fq_irq(f, 0);
	assert_int_equal(dispatch(f), 1);
	assert_true(fq_find(f, 0, QM_DB_EQ_AEQ, 4ull << 32 | 0x2000) >= 0);
	/* all full, with the phase of the next round as well: it ends */
	for (unsigned i = 0; i < 2048; i++)
		*fq_eqe(f, i) = 1 << 16;
	for (unsigned i = 0; i < 4; i++)
		*fq_eqe(f, i) = 0;
	f->nw = 0;
	fq_irq(f, 0);
	assert_int_equal(dispatch(f), 1);
	assert_true(signalled(q0->fd));
	assert_int_equal(f->w[f->nw - 1].v, 4ull << 32 | 0x2000);
	/* at most half of it between two doorbells */
	assert_int_equal(f->nw, 3);

	/* armed after it came */
	assert_int_equal(fl_qm_qp_arm(q0), 0);
	assert_false(signalled(q0->fd));
	cq = fake_dma_at(&f->dma, f->cqc[0].base_l | (uint64_t)f->cqc[0].base_h << 32, 16);
	cq->w7 = 1;
	assert_int_equal(fl_qm_qp_arm(q0), 0);
	assert_true(signalled(q0->fd));
	fl_qm_stop(f->qm);
	fl_qm_qp_destroy(q0);
	fl_qm_qp_destroy(q1);
	fl_qm_qp_destroy(q2);
}

static void close_it(struct fq *f)
{
	fl_qm_close(f->qm);
	f->qm = NULL;
}

static void test_aeq(void **state)
{
	struct fq *f = up(state, FL_QM_V2, false);

	assert_int_equal(fl_qm_start(f->qm, 3, false), 0);
	assert_false(fl_qm_check(f->qm));
	*fq_aeqe(f, 0) = 1 << 16 | 2;
	*fq_aeqe(f, 1) = 1 << 16 | 3;		/* no such queue */
	*fq_aeqe(f, 2) = 1 << 16 | 7 << 17 | 1; /* no such type */
	f->nw = 0;
	assert_true(fl_qm_check(f->qm));
	assert_int_equal(f->told[FL_QM_QP_ERROR], 1);
	assert_int_equal(f->told_qp, 2);
	assert_true(fq_find(f, 0, QM_DB_EQ_AEQ, 3ull << 32 | 0x3000) >= 0);
	assert_false(fl_qm_check(f->qm));
	*fq_aeqe(f, 3) = 1 << 16 | 1 << 17;
	assert_true(fl_qm_check(f->qm));
	assert_int_equal(f->told[FL_QM_ERROR], 1);
	*fq_aeqe(f, 4) = 1 << 16 | 1 << 17;
	assert_false(fl_qm_check(f->qm)); /* once until a reset */
	fl_qm_stop(f->qm);
	assert_int_equal(fl_qm_start(f->qm, 3, true), -EBUSY);
	assert_int_equal(fl_qm_reset(f->qm), 0);
	assert_int_equal(f->inits, 2);
	assert_int_equal(fl_qm_start(f->qm, 3, true), 0);
	*fq_aeqe(f, 0) = 1 << 16 | 2 << 17 | 1;
	*fq_aeqe(f, 1) = 1 << 16 | 2 << 17 | 2;
	fq_irq(f, 1);
	f->on_told = close_it; /* at the first of the two */
	assert_int_equal(dispatch(f), 1);
	assert_int_equal(f->told[FL_QM_QP_ERROR], 2);
	assert_int_equal(f->told_qp, 1);
}

static void test_errors(void **state)
{
	struct fq *f = up(state, FL_QM_V2, false);

	assert_int_equal(fl_qm_start(f->qm, 3, true), 0);
	/* one that needs no reset */
	*fq_reg(f, QM_ABNORMAL_STATUS) = 1u << 12;
	fq_irq(f, 3);
	assert_int_equal(dispatch(f), 1);
	assert_int_equal(f->told[FL_QM_ERROR], 0);
	assert_int_equal(*fq_reg(f, QM_ABNORMAL_STATUS), 0);
	assert_non_null(strstr(f->text, "doorbell random data"));
	/* one of the engine's */
	*fq_reg(f, TOY_ERRORS) = 2;
	assert_false(fl_qm_check(f->qm));
	*fq_reg(f, TOY_ERRORS) = 1;
	assert_true(fl_qm_check(f->qm));
	assert_false(fl_qm_check(f->qm));
	*fq_reg(f, TOY_ERRORS) = 0;
	assert_int_equal(fl_qm_reset(f->qm), 0);
	/* one of ours: cannot go on interrupting */
	*fq_reg(f, QM_ABNORMAL_STATUS) = QM_ERR_ECC;
	assert_true(fl_qm_check(f->qm));
	assert_int_equal(*fq_reg(f, QM_RAS_NFE_ENABLE), 0x1c73);
	f->nw = 0;
	assert_int_equal(fl_qm_reset(f->qm), 0);
	assert_true(fq_find(f, 0, QM_AM_ROB_ECC, 2) >= 0);
	assert_int_equal(*fq_reg(f, QM_AM_PORT_WRITE), 1);
	/* one that a function's reset does not cure */
	f->lasting = 1;
	assert_int_equal(fl_qm_reset(f->qm), -EIO);
	assert_non_null(strstr(f->text, "SRST"));
	assert_int_equal(fl_qm_start(f->qm, 3, false), -EBUSY);
}

/* ---- reset -------------------------------------------------------------------------------- */

static void test_reset(void **state)
{
	struct fq *f = up(state, FL_QM_V2, false);
	struct fl_qm_qp *q = queue(f, 0, 16, true);

	assert_int_equal(fl_qm_vf_queues(f->qm, 1, 512, 8), 0);
	assert_int_equal(fl_qm_start(f->qm, 3, true), 0);
	assert_int_equal(fl_qm_qp_start(q), 0);
	f->nw = 0;
	assert_int_equal(fl_qm_reset(f->qm), 0);
	assert_int_equal(f->resets, 1);
	assert_int_equal(f->inits, 2);
	assert_true(f->cfg[PCI_COMMAND] & PCI_COMMAND_MASTER);
	(void)in_order(f, in_order(f, 0, QM_PEH_VENDOR_ID, 0x5a5a), QM_PEH_VENDOR_ID, 0x19e5);
	assert_true(f->vft[0][1] != 0);
	assert_int_equal(fl_qm_start(f->qm, 3, true), 0);
	assert_int_equal(fl_qm_qp_start(q), 0);
	/* without one: its registers anew */
	f->no_reset = true;
	assert_int_equal(fl_qm_reset(f->qm), 0);
	assert_int_equal(f->resets, 1);
	assert_int_equal(f->inits, 3);
	/* one that never ends; then it does */
	f->no_mem_init = true;
	assert_int_equal(fl_qm_reset(f->qm), -ETIMEDOUT);
	f->no_mem_init = false;
	assert_int_equal(fl_qm_start(f->qm, 3, true), -EBUSY);
	assert_int_equal(fl_qm_reset(f->qm), 0);
	fl_qm_qp_destroy(q);
}

/* What did not end is the device's until that has forgotten it, whatever it can be reset by. */
static void test_no_function_reset(void **state)
{
	struct fq *f = &((struct fix *)*state)->f;
	struct fl_qm_qp *q;

	for (unsigned vf = 0; vf < 2; vf++) {
		if (vf)
			fq_fini(f);
		fq_init(f, FL_QM_V2, vf);
		f->no_reset = true;
		assert_int_equal(fq_open(f), 0);
		q = queue(f, 0, 16, false);
		assert_int_equal(fl_qm_start(f->qm, 1, false), 0);
		assert_int_equal(fl_qm_qp_start(q), 0);
		f->mb_fail_at = 1;
		fl_qm_stop(f->qm);
		assert_true(q->known);
		assert_int_equal(fl_dev_enable(f->dev, false), 0);
		assert_false(f->quiet_init);
		assert_int_equal(fl_qm_reset(f->qm), vf ? -EIO : 0);
		assert_int_equal(q->known, vf);
		assert_int_equal(f->quiet_init, !vf);
		assert_int_equal(!(f->cfg[PCI_COMMAND] & PCI_COMMAND_MASTER), vf);
		assert_int_equal(fl_qm_start(f->qm, 1, false), vf ? -EBUSY : 0);
		fl_qm_stop(f->qm);
		fl_qm_qp_destroy(q);
	}
	f->no_reset = false;
	assert_int_equal(fl_qm_reset(f->qm), 0);
	assert_int_equal(fl_qm_start(f->qm, 1, false), 0);
}

static void test_removed(void **state)
{
	struct fq *f = up_isolated(state, true);
	struct fl_qm_qp *q = queue(f, 0, 16, true), *q1 = queue(f, 1, 16, true);
	uint64_t t;

	assert_int_equal(fl_qm_start(f->qm, 3, true), 0);
	assert_int_equal(fl_qm_qp_start(q), 0);
	assert_int_equal(fl_qm_qp_start(q1), 0);
	f->gone = true;
	assert_int_equal(eventfd_write(f->efd, 1), 0);
	(void)dispatch(f);
	assert_true(fl_dev_removed(f->dev));
	t = fl_now_ns();
	assert_false(fl_qm_check(f->qm));
	assert_int_equal(fl_qm_qp_arm(q), -ENODEV);
	assert_int_equal(fl_qm_qp_stop(q), -ENODEV);
	fl_qm_stop(f->qm);
	assert_int_equal(fl_qm_reset(f->qm), -ENODEV);
	assert_in_range(fl_now_ns() - t, 0, 200000000);
	fl_qm_qp_destroy(q1);
	/* it comes back, empty */
	f->gone = false;
	f->cfg[PCI_COMMAND] = 0;
	assert_int_equal(fl_dev_reattach(f->dev), 0);
	assert_int_equal(fl_qm_reset(f->qm), 0);
	assert_int_equal(fl_qm_start(f->qm, 3, true), 0);
	assert_int_equal(fl_qm_qp_start(q), 0);
	q->sq_tail = 9;
	fl_qm_ring_sq(q);
	assert_true(f->pages[0x1000 / 8] == 9ull << 32);
	fl_qm_stop(f->qm);
	fl_qm_qp_destroy(q);
}

/* the device goes in the midst of things: nothing waits its whole time */
static void test_all_ones(void **state)
{
	struct fq *f = up(state, FL_QM_V2, false);
	struct fl_qm_qp *q = queue(f, 0, 16, false);
	uint64_t t;

	assert_int_equal(fl_qm_start(f->qm, 1, false), 0);
	assert_int_equal(fl_qm_qp_start(q), 0);
	f->ones = true;
	memset(f->cfg, 0xff, sizeof(f->cfg));
	t = fl_now_ns();
	assert_false(fl_qm_check(f->qm));
	fl_qm_stop(f->qm);
	assert_true(fl_dev_removed(f->dev));
	assert_in_range(fl_now_ns() - t, 0, 500000000);
	assert_int_equal(f->told[FL_QM_ERROR], 0);
	fl_qm_qp_destroy(q);
}

/* ---- messages ----------------------------------------------------------------------------- */

static void good_vf(struct fq *f, unsigned fn, uint64_t msg)
{
	fq_message(f, fn, msg == QM_MSG_RESET_DONE ? QM_MSG_STARTED : QM_MSG_PREPARED);
}

static void bad_vf(struct fq *f, unsigned fn, uint64_t msg)
{
	fq_message(f, fn, msg == QM_MSG_RESET_DONE ? QM_MSG_STARTED : QM_MSG_PREPARE_FAILED);
}

static void test_pf_messages(void **state)
{
	struct fq *f = up(state, FL_QM_V3, false);
	uint64_t t;

	f->on_message = good_vf;
	assert_int_equal(fl_qm_vf_queues(f->qm, 5, 512, 8), 0);
	assert_int_equal(fl_qm_reset(f->qm), 0);
	assert_int_equal(f->nheard, 2);
	assert_int_equal(f->heard[0], QM_MSG_FLR_PREPARE);
	assert_int_equal(f->heard[1], QM_MSG_RESET_DONE);
	assert_true(f->vft[0][5] != 0);
	/* asked for its rate; and what nobody knows */
	fq_message(f, 5, QM_MSG_GET_QOS);
	assert_false(fl_qm_check(f->qm));
	assert_true(f->heard[2] == (1000ull << 32 | QM_MSG_SET_QOS));
	fq_message(f, 5, 0xdead);
	assert_false(fl_qm_check(f->qm));
	assert_non_null(strstr(f->text, "0xdead"));
	/* one that cannot stop is said, where it was asked */
	fq_message(f, 5, QM_MSG_PREPARE_FAILED);
	assert_false(fl_qm_check(f->qm));
	assert_null(strstr(f->text, "could not stop"));
	f->on_message = bad_vf;
	assert_int_equal(fl_qm_reset(f->qm), 0);
	assert_non_null(strstr(f->text, "function 5 could not stop"));
	f->on_message = good_vf;
	/* one without a driver holds nothing up, and is told nothing afterwards */
	f->deaf = true;
	f->nheard = 0;
	t = fl_now_ns();
	assert_int_equal(fl_qm_reset(f->qm), 0);
	assert_in_range(fl_now_ns() - t, 0, 1000000000);
	assert_int_equal(f->nheard, 1);
	assert_int_equal(fl_qm_vf_queues(f->qm, 5, 0, 0), 0);
}

static void pf_done(struct fq *f, unsigned fn, uint64_t msg)
{
	if (msg == QM_MSG_PREPARED)
		fq_message(f, 0, QM_MSG_RESET_DONE);
}

static void test_vf_messages(void **state)
{
	struct fq *f = up(state, FL_QM_V3, true);

	assert_int_equal(fl_qm_start(f->qm, 4, true), 0);
	assert_int_equal(*fq_reg(f, QM_VF_STATE), 0);
	f->on_message = pf_done;
	fq_message(f, 0, QM_MSG_RESET_PREPARE);
	fq_irq(f, 2);
	assert_int_equal(dispatch(f), 1);
	assert_int_equal(f->told[FL_QM_ERROR], 1);
	assert_int_equal(f->nheard, 0);
	fl_qm_stop(f->qm);
	assert_int_equal(f->heard[0], QM_MSG_PREPARED);
	assert_int_equal(*fq_reg(f, QM_VF_STATE), 1);
	assert_int_equal(fl_qm_start(f->qm, 4, true), -EBUSY);
	assert_int_equal(fl_qm_reset(f->qm), 0);
	assert_int_equal(f->resets, 0); /* the PF did it */
	f->mb_fail_at = 1;
	assert_int_equal(fl_qm_start(f->qm, 4, true), -EIO);
	assert_int_equal(f->heard[1], QM_MSG_START_FAILED);
	/* one that is not started has nothing to stop */
	f->on_message = NULL;
	fq_message(f, 0, QM_MSG_FLR_PREPARE);
	assert_false(fl_qm_check(f->qm));
	assert_int_equal(f->heard[2], QM_MSG_PREPARED);
	assert_int_equal(fl_qm_start(f->qm, 4, true), -EBUSY);
	fq_message(f, 0, QM_MSG_RESET_DONE);
	assert_false(fl_qm_check(f->qm));
	assert_int_equal(f->heard[3], QM_MSG_STARTED);
	assert_int_equal(fl_qm_start(f->qm, 4, true), 0);
	assert_int_equal(f->nheard, 4);
	/* its own reset is a function reset */
	assert_int_equal(fl_qm_reset(f->qm), 0);
	assert_int_equal(f->resets, 1);
}

#define T(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_open_v2),       T(test_open_v3),	     T(test_open_vf),
		T(test_open_refused),  T(test_caps),	     T(test_start),
		T(test_start_v3),      T(test_start_fails),  T(test_start_behind_error),
		T(test_vf_queues),     T(test_qp),	     T(test_qp_refused),
		T(test_drain),	       T(test_never_drains), T(test_isolated),
		T(test_mailbox_hangs), T(test_eq),	     T(test_aeq),
		T(test_errors),	       T(test_reset),	     T(test_no_function_reset),
		T(test_removed),       T(test_all_ones),     T(test_pf_messages),
		T(test_vf_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
