/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of a function: bring-up, start, stop, reset, close. */
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hisi_qm_internal.h"

const struct fl_qm_caps *fl_qm_caps(const struct fl_qm *qm)
{
	return &qm->caps;
}

struct fl_dev *fl_qm_dev(const struct fl_qm *qm)
{
	return qm->dev;
}

/* ---- memory ----------------------------------------------------------------------------- */

static uint64_t take(uint64_t *at, uint64_t len)
{
	uint64_t off = *at;

	*at += fl_align_up(len, 4096);
	return off;
}

static int alloc_mem(struct fl_qm *qm)
{
	struct fl_dma_space *s = fl_ctx_space(fl_dev_ctx(qm->dev));
	struct fl_mem_opts mo = { .node = fl_dev_node(qm->dev), .log = qm->log };
	uint64_t len = 0, table = qm->caps.qp_max * sizeof(struct qm_ctx);
	uint64_t sqc = take(&len, table), cqc = take(&len, table);
	uint64_t eq = take(&len, qm->eq.depth * 4ull), aeq = take(&len, qm->aeq.depth * 4ull);
	uint64_t ctx = take(&len, sizeof(struct qm_ctx));
	int rc;

	fl_dma_mem_opts(s, len, &mo);
	rc = fl_mem_alloc(len, &mo, &qm->mem);
	if (rc)
		return rc;
	rc = fl_dma_map(s, qm->mem, NULL, &qm->area);
	if (rc) {
		fl_mem_free(qm->mem);
		return rc;
	}
	qm->sqc = (struct qm_ctx *)(qm->area->va + sqc);
	qm->cqc = (struct qm_ctx *)(qm->area->va + cqc);
	qm->eq.e = (uint32_t *)(qm->area->va + eq);
	qm->aeq.e = (uint32_t *)(qm->area->va + aeq);
	qm->ctx = (struct qm_ctx *)(qm->area->va + ctx);
	qm->eq.iova = fl_dma_iova(qm->area, qm->eq.e).v;
	qm->aeq.iova = fl_dma_iova(qm->area, qm->aeq.e).v;
	return 0;
}

static void free_mem(struct fl_qm *qm)
{
	if (fl_dma_unmap(qm->area))
		qm_warn(qm, "the queue manager's memory was not unmapped cleanly");
	fl_mem_free(qm->mem);
}

static void bus_master_off(struct fl_qm *qm)
{
	if (fl_dev_enable(qm->dev, false) && !fl_dev_removed(qm->dev))
		qm_err(qm, "bus mastering stays on, so that the device may still write to memory "
			   "that is freed: unbind it");
}

/* ---- bring-up --------------------------------------------------------------------------- */

static int init_memory(struct fl_qm *qm)
{
	fl_qm_wr(qm, QM_MEM_START_INIT, 1);
	return fl_qm_wait(qm, QM_MEM_INIT_DONE, 1, 1);
}

static void user_domain(struct fl_qm *qm)
{
	static const struct {
		uint32_t reg, v;
	} words[] = {
		{ QM_ARUSER, 0x40001070 },
		{ QM_ARUSER_ENABLE, 0xfffffffe },
		{ QM_AWUSER, 0x40001070 },
		{ QM_AWUSER_ENABLE, 0xfffffffe },
		{ QM_WUSER_ENABLE, 0xffffffff },
		{ QM_AXI_CFG, 0xffff },
		{ QM_AXI_CFG_ENABLE, 0xffffffff },
		{ QM_PEH_AXUSER, 0x401001 },
		{ QM_PEH_AXUSER_ENABLE, 0xffffffff },
		{ QM_CACHE_CTL, 0x1833 },
	};

	for (unsigned i = 0; i < FL_ARRAY_SIZE(words); i++)
		fl_qm_wr(qm, words[i].reg, words[i].v);
}

static int bring_up_pf(struct fl_qm *qm)
{
	int rc;

	fl_qm_wr(qm, QM_DB_TIMEOUT, 0x1fffff);
	/* a gated clock makes the shaper wrong */
	if (fl_qm_v3(qm))
		fl_qm_wr(qm, QM_PM_CTRL, fl_qm_rd(qm, QM_PM_CTRL) | 1u << 9);
	rc = init_memory(qm);
	if (rc)
		return rc;
	fl_qm_msg_enable(qm, true);
	user_domain(qm);
	rc = qm->e->init(qm, qm->arg);
	if (rc)
		return rc;
	/* multi-bit ECC has closed a port of the AXI master */
	if (qm->ecc) {
		fl_qm_wr(qm, QM_AM_PORT_WRITE, fl_qm_rd(qm, QM_AM_PORT_WRITE) & ~1u);
		fl_qm_wr(qm, QM_ABNORMAL_SOURCE, QM_ERR_ECC);
		fl_qm_wr(qm, QM_AM_ROB_ECC, 2);
	}
	fl_qm_errors_on(qm);
	if (qm->ecc)
		fl_qm_wr(qm, QM_AM_PORT_WRITE, fl_qm_rd(qm, QM_AM_PORT_WRITE) | 1);
	qm->ecc = false;
	return 0;
}

/* events and queues are off until the start */
static int bring_up(struct fl_qm *qm)
{
	int rc = fl_dev_enable(qm->dev, true);

	if (rc)
		return rc;
	qm->mb_stuck = false;
	fl_qm_wr(qm, QM_EQ_INT_MASK, 1);
	fl_qm_wr(qm, QM_AEQ_INT_MASK, 1);
	if (!qm->caps.vf)
		rc = bring_up_pf(qm);
	else
		fl_qm_msg_enable(qm, true);
	if (!rc && fl_dev_removed(qm->dev))
		rc = -ENODEV;
	if (!rc)
		qm->error_told = qm->unclean = false;
	return rc;
}

int fl_qm_open(struct fl_dev *dev, const struct fl_qm_engine *e, void *arg, struct fl_qm **out)
{
	struct fl_qm *qm = calloc(1, sizeof(*qm));
	int rc;

	if (!qm)
		return -ENOMEM;
	qm->dev = dev;
	qm->log = fl_ctx_log(fl_dev_ctx(dev));
	qm->e = e;
	qm->arg = arg;
	qm->drain_us = QM_DRAIN_US;
	rc = fl_dev_enable(dev, true);
	if (rc)
		goto free;
	rc = fl_qm_identify(qm);
	if (!rc && qm->caps.vf)
		rc = fl_qm_vf_range(qm);
	if (rc)
		goto disable;
	qm->qps = calloc(qm->caps.qp_max, sizeof(struct fl_qm_qp *));
	if (!qm->qps) {
		rc = -ENOMEM;
		goto disable;
	}
	rc = alloc_mem(qm);
	if (rc)
		goto disable;
	rc = bring_up(qm);
	if (rc)
		goto disable;
	*out = qm;
	return 0;

disable:
	bus_master_off(qm);
	if (qm->area)
		free_mem(qm);
free:
	free(qm->qps);
	free(qm);
	return rc;
}

/* ---- start ------------------------------------------------------------------------------ */

static int set_event_queue(struct fl_qm *qm, unsigned cmd, struct qm_ring *r)
{
	struct qm_ctx c = { .base_l = (uint32_t)r->iova,
			    .base_h = (uint32_t)(r->iova >> 32),
			    .dw6 = (r->depth - 1) | QM_EQC_PHASE };

	memset(r->e, 0, r->depth * 4ull);
	r->head = 0;
	r->phase = 1;
	return fl_qm_mb_ctx(qm, cmd, false, 0, &c);
}

static int set_table(struct fl_qm *qm, unsigned cmd, struct qm_ctx *table)
{
	uint64_t iova = fl_dma_iova(qm->area, table).v;

	memset(table, 0, qm->caps.qp_max * sizeof(*table));
	return fl_qm_mb(qm, cmd, false, 0, &iova);
}

static int set_contexts(struct fl_qm *qm)
{
	int rc = set_event_queue(qm, QM_MB_EQC, &qm->eq);

	if (!rc)
		rc = set_event_queue(qm, QM_MB_AEQC, &qm->aeq);
	if (!rc)
		rc = set_table(qm, QM_MB_SQC_BT, qm->sqc);
	if (!rc)
		rc = set_table(qm, QM_MB_CQC_BT, qm->cqc);
	return rc;
}

static int check_start(const struct fl_qm *qm, uint16_t nqps)
{
	if (qm->started || qm->pf_resets || qm->error_told || qm->unclean) {
		qm_err(qm, "the function cannot start: %s",
		       qm->started ? "it is started" : "it has to be reset before");
		return -EBUSY;
	}
	if (!nqps || nqps > qm->caps.qp_max) {
		qm_err(qm, "%u queue pairs asked for, the function has %u", nqps, qm->caps.qp_max);
		return -EINVAL;
	}
	for (unsigned i = 1; i <= QM_VFS_MAX && !qm->caps.vf; i++) {
		if (qm->vf[i].n && qm->vf[i].base < nqps) {
			qm_err(qm, "%u queue pairs asked for, but function %u has those from %u on",
			       nqps, i, qm->vf[i].base);
			return -EBUSY;
		}
	}
	return 0;
}

static void run(struct fl_qm *qm)
{
	long page = sysconf(_SC_PAGESIZE);

	if (qm->features & QM_CAP_PREFETCH)
		fl_qm_wr(qm, QM_PAGE_SIZE, page == 65536 ? 2 : page == 16384 ? 1 : 0);
	fl_qm_rings_ring(qm);
	if (qm->intr) {
		fl_qm_wr(qm, QM_EQ_INT_MASK, 0);
		fl_qm_wr(qm, QM_AEQ_INT_MASK, 0);
	}
	if (fl_qm_v3(qm) && qm->caps.vf)
		fl_qm_wr(qm, QM_VF_STATE, 0);
}

int fl_qm_start(struct fl_qm *qm, uint16_t nqps, bool intr)
{
	int rc = check_start(qm, nqps);

	if (rc)
		return rc;
	if (!qm->caps.vf) {
		rc = fl_qm_vft_set(qm, 0, 0, nqps);
		if (rc)
			goto err;
	}
	rc = set_contexts(qm);
	if (rc)
		goto vft;
	if (intr) {
		rc = fl_qm_intr_start(qm);
		if (rc)
			goto vft;
	}
	qm->nqps = nqps;
	qm->intr = intr;
	qm->started = true;
	run(qm);
	fl_qm_msg_started(qm, true);
	return 0;

vft:
	if (!qm->caps.vf && fl_qm_vft_set(qm, 0, 0, 0)) {
		qm_warn(qm, "the function keeps its queues: it has to be reset");
		qm->unclean = true;
	}
err:
	fl_qm_msg_started(qm, false);
	return rc;
}

/* ---- stop ------------------------------------------------------------------------------- */

/* the device has them no more; were it to read them, no doorbell would fit */
static void invalidate(struct fl_qm *qm)
{
	for (unsigned i = 0; i < qm->nqps; i++) {
		qm->sqc[i].w8 = 0xaaaa;
		qm->sqc[i].w13 = QM_SQC_CLOSED;
		qm->cqc[i].w8 = 0xaaaa;
	}
}

static int write_back(struct fl_qm *qm)
{
	fl_qm_wr(qm, QM_CACHE_WB_START, 1);
	return fl_qm_wait(qm, QM_CACHE_WB_DONE, 1, 1);
}

static int take_down(struct fl_qm *qm)
{
	int rc = fl_qm_qps_stop(qm), err;

	fl_qm_wr(qm, QM_EQ_INT_MASK, 1);
	fl_qm_wr(qm, QM_AEQ_INT_MASK, 1);
	if (fl_qm_v3(qm) && qm->caps.vf)
		fl_qm_wr(qm, QM_VF_STATE, 1);
	if (!qm->caps.vf) {
		err = fl_qm_vft_set(qm, 0, 0, 0);
		rc = rc ? rc : err;
	}
	err = write_back(qm);
	return rc ? rc : err;
}

void fl_qm_stop(struct fl_qm *qm)
{
	int rc = 0;

	qm->life++;
	if (!qm->started)
		return;
	if (!fl_dev_removed(qm->dev))
		rc = take_down(qm);
	if (qm->intr)
		fl_qm_intr_stop(qm);
	qm->unclean = rc && !fl_dev_removed(qm->dev);
	if (fl_dev_removed(qm->dev))
		fl_qm_qps_forget(qm);
	if (qm->unclean)
		qm_warn(qm, "the function has not stopped cleanly (%d): it has to be reset", rc);
	invalidate(qm);
	qm->started = qm->intr = false;
	fl_qm_msg_stopped(qm, !rc);
}

void fl_qm_close(struct fl_qm *qm)
{
	fl_qm_stop(qm);
	if (!fl_dev_removed(qm->dev)) {
		/* nobody starts them again, so this is no more than a courtesy */
		fl_qm_msg_vfs_stop(qm, 1000);
		for (unsigned i = 1; i <= QM_VFS_MAX; i++)
			if (qm->vf[i].n && fl_qm_vft_set(qm, i, 0, 0))
				break;
		fl_qm_msg_enable(qm, false);
		if (!qm->caps.vf)
			fl_qm_errors_off(qm);
		bus_master_off(qm);
	}
	/* without it the device reaches nothing */
	fl_qm_qps_forget(qm);
	free_mem(qm);
	free(qm->qps);
	qm->closed = true;
	if (!qm->telling)
		free(qm);
}

/* ---- reset ------------------------------------------------------------------------------ */

/*
 * What the datasheet asks for before a reset: doorbells, mailboxes and MSI have left. We go on in
 * any case, as there is nothing better to be had.
 */
static void quiesce(struct fl_qm *qm)
{
	fl_qm_errors_off(qm);
	fl_qm_msg_vfs_stop(qm, QM_ANSWER_MS);
	if (!fl_qm_v3(qm)) {
		fl_qm_wr(qm, QM_PEH_VENDOR_ID, 0x5a5a);
		(void)!fl_qm_wait(qm, QM_PEH_VENDOR_ID, UINT32_MAX, 0x5a5a);
		fl_qm_wr(qm, QM_PEH_VENDOR_ID, 0x19e5);
		(void)!fl_qm_wait(qm, QM_PEH_VENDOR_ID, UINT32_MAX, 0x19e5);
		(void)!fl_qm_wait(qm, QM_PEH_DFX_INFO0, UINT32_MAX, 0);
	} else {
		(void)!fl_qm_wait(qm, QM_PEH_DFX_INFO0, 5, 0);
		(void)!fl_qm_wait(qm, QM_PEH_DFX_INFO1, 0xf0000, 0);
	}
}

/*
 * Memory space is off after a reattach, and may be after a reset: then nothing is left that could
 * do DMA, and a register, through the kernel, would be SIGBUS.
 */
static int reach_registers(struct fl_qm *qm)
{
	bool on = fl_dev_cfg_read(qm->dev, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY;

	return on ? 0 : fl_dev_enable(qm->dev, true);
}

/*
 * Queues that did not end are to be forgotten while bus mastering is off still, as it may be for
 * their sake: what they would write to may be somebody else's by now.
 */
static int reset_by_registers(struct fl_qm *qm)
{
	qm_info(qm, "there is no function reset: its registers are set anew");
	if (!qm->caps.vf)
		return init_memory(qm);
	if (!fl_qm_qps_known(qm))
		return 0;
	qm_err(qm, "a queue did not end, and this virtual function has no reset: close the "
		   "device, and take the function away and give it anew (sriov_numvfs)");
	return -EIO;
}

static int reset_function(struct fl_qm *qm)
{
	int rc;

	if (!qm->caps.vf)
		quiesce(qm);
	/* with its PF a VF has been reset as well */
	rc = qm->owe_start ? 0 : fl_dev_reset(qm->dev);
	return rc == -EOPNOTSUPP ? reset_by_registers(qm) : rc;
}

int fl_qm_reset(struct fl_qm *qm)
{
	uint32_t fatal;
	int rc;

	fl_qm_stop(qm);
	if (fl_dev_removed(qm->dev))
		return -ENODEV;
	/* one that fails leaves nothing that could start */
	qm->unclean = true;
	rc = reach_registers(qm);
	if (!rc)
		rc = fl_qm_msg_wait_done(qm);
	if (!rc)
		rc = reset_function(qm);
	if (!rc)
		rc = bring_up(qm);
	if (rc)
		return rc;
	fl_qm_qps_forget(qm);
	if (qm->caps.vf)
		return 0;
	fatal = fl_qm_fatal(qm);
	if (fatal) {
		qm->error_told = true;
		qm_err(qm,
		       "errors 0x%x stand after the function's reset. The whole controller's is "
		       "the platform's (ACPI method SRST), which VFIO cannot call: give the "
		       "device to the host's own driver for it, or restart the machine",
		       fatal);
		return -EIO;
	}
	rc = fl_qm_vft_restore(qm);
	if (!rc)
		fl_qm_msg_vfs_start(qm);
	return rc;
}
