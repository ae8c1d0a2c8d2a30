/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the function is and has. V2 has no capability registers, and V3 may leave them out; then
 * the constants of the generation hold. All of it is the device's word, and bounded here.
 */
#include <string.h>

#include "hisi_qm_internal.h"

#define IRQS_MAX  32u /* of MSI */
#define EQ_MIN	  64u
#define EQ_MAX	  32768u
#define DEPTH_MIN 8u

static int nonsense(const struct fl_qm *qm, uint32_t reg, uint32_t v)
{
	qm_err(qm, "capability register 0x%x reads 0x%x, which no queue manager of this kind has",
	       reg, v);
	return -ENODEV;
}

static void constants(struct fl_qm *qm)
{
	const struct fl_qm_engine *e = qm->e;
	bool v3 = fl_qm_v3(qm);

	qm->features = v3 ? QM_CAP_V3 : 0;
	qm->nfe = e->err[v3].nfe;
	qm->ce = e->err[v3].ce;
	qm->fatal = e->err[v3].reset;
	qm->qp_total = QM_QPS_MAX;
	qm->eq.depth = 2048;
	qm->aeq.depth = 1024;
	qm->caps.qp_max = QM_QPS_MAX;
	qm->caps.depth_max = 1024;
	qm->caps.irqs = v3 || !qm->caps.vf ? 4 : 2;
	qm->vec_eq = 0;
	qm->vec_aeq = 1;
	qm->vec_msg = v3 ? 2 : QM_NO_VECTOR;
	qm->vec_err = qm->caps.vf ? QM_NO_VECTOR : 3;
}

static int read_depths(struct fl_qm *qm)
{
	uint32_t eq = fl_qm_rd(qm, QM_CAP_EQ_DEPTH), sq = fl_qm_rd(qm, QM_CAP_SQ_DEPTH);
	uint32_t depth = (sq & 0xffff) < sq >> 16 ? sq & 0xffff : sq >> 16;

	qm->eq.depth = eq & 0xffff;
	qm->aeq.depth = eq >> 16;
	if (qm->eq.depth < EQ_MIN || qm->eq.depth > EQ_MAX || qm->aeq.depth < EQ_MIN ||
	    qm->aeq.depth > EQ_MAX)
		return nonsense(qm, QM_CAP_EQ_DEPTH, eq);
	if (depth < DEPTH_MIN)
		return nonsense(qm, QM_CAP_SQ_DEPTH, sq);
	if (depth > QM_DEPTH_MAX)
		depth = QM_DEPTH_MAX;
	/* a power of two, as the data plane masks */
	qm->caps.depth_max = (uint16_t)(fl_pow2_up(depth + 1) / 2);
	return 0;
}

static int read_vector(struct fl_qm *qm, uint32_t reg, uint8_t *vec)
{
	uint32_t v = fl_qm_rd(qm, reg);

	*vec = QM_NO_VECTOR;
	if (!(v >> 16 & 0xff))
		return 0;
	if ((v & 0xffff) >= qm->caps.irqs)
		return nonsense(qm, reg, v);
	*vec = (uint8_t)v;
	return 0;
}

static int read_irqs(struct fl_qm *qm)
{
	uint32_t v = fl_qm_rd(qm, QM_CAP_IRQS), n = qm->caps.vf ? v & 0xffff : v >> 16;
	int rc;

	if (!n || n > IRQS_MAX)
		return nonsense(qm, QM_CAP_IRQS, v);
	qm->caps.irqs = (uint8_t)fl_pow2_up(n);
	rc = read_vector(qm, QM_CAP_EQ_IRQ, &qm->vec_eq);
	/* a queue would wait for ever */
	if (!rc && qm->vec_eq == QM_NO_VECTOR)
		rc = nonsense(qm, QM_CAP_EQ_IRQ, 0);
	if (!rc)
		rc = read_vector(qm, QM_CAP_AEQ_IRQ, &qm->vec_aeq);
	if (!rc)
		rc = read_vector(qm, QM_CAP_IFC_IRQ, &qm->vec_msg);
	if (!rc && !qm->caps.vf)
		rc = read_vector(qm, QM_CAP_ABNORMAL_IRQ, &qm->vec_err);
	return rc;
}

static int read_caps(struct fl_qm *qm)
{
	uint32_t func = fl_qm_rd(qm, QM_CAP_FUNC);
	int rc;

	if (func == UINT32_MAX)
		return nonsense(qm, QM_CAP_FUNC, func);
	if (!(func & QM_CAP_VERSION))
		return 0;
	qm->features = func;
	qm->nfe = fl_qm_rd(qm, QM_CAP_NFE) & QM_ABNORMAL_ALL;
	qm->fatal = fl_qm_rd(qm, QM_CAP_RESET) & QM_ABNORMAL_ALL;
	qm->ce = fl_qm_rd(qm, QM_CAP_CE) & QM_ABNORMAL_ALL;
	rc = read_depths(qm);
	return rc ? rc : read_irqs(qm);
}

/* queues of the device and at most of one function; as many as there are doorbells for */
static int read_queues(struct fl_qm *qm)
{
	uint32_t v, max = QM_QPS_MAX;

	if (!qm->caps.vf) {
		v = fl_qm_rd(qm, QM_QP_TOTALS);
		qm->qp_total = v & 0x7ff;
		if (!qm->qp_total || qm->qp_total > QM_QPS_MAX)
			return nonsense(qm, QM_QP_TOTALS, v);
		max = qm->caps.isolated ? v >> 11 & 0x7ff : qm->qp_total;
		if (!max || max > qm->qp_total)
			return nonsense(qm, QM_QP_TOTALS, v);
	}
	if (qm->caps.isolated && max > fl_bar_size(qm->dev, 4) / QM_DB_PAGE)
		max = (uint32_t)(fl_bar_size(qm->dev, 4) / QM_DB_PAGE);
	if (!max) {
		qm_err(qm, "each queue has its doorbell in BAR 4, which has %llu bytes and so none",
		       (unsigned long long)fl_bar_size(qm->dev, 4));
		return -ENODEV;
	}
	qm->caps.qp_max = (uint16_t)max;
	return 0;
}

int fl_qm_identify(struct fl_qm *qm)
{
	uint8_t rev = fl_dev_id(qm->dev)->revision;
	uint64_t size = fl_bar_size(qm->dev, FL_QM_BAR);
	uint32_t iso;
	int rc;

	if (rev != FL_QM_V2 && rev < FL_QM_V3) {
		qm_err(qm, "revision 0x%x of %s; this driver knows 0x%x (Kunpeng 920) and 0x%x on",
		       rev, qm->e->name, FL_QM_V2, FL_QM_V3);
		return -ENOTSUP;
	}
	if (size < QM_BAR_VF_SIZE) {
		qm_err(qm, "BAR %u has %llu bytes, a queue manager needs 0x%x", FL_QM_BAR,
		       (unsigned long long)size, QM_BAR_VF_SIZE);
		return -ENODEV;
	}
	if (!fl_bar_ptr(qm->dev, FL_QM_BAR, QM_MAILBOX, 16) &&
	    strcmp(fl_dev_transport(qm->dev), "vfio-user") != 0)
		qm_warn(qm,
			"BAR %u is not mapped, so that the kernel cuts the mailbox's 16 bytes "
			"in pieces, which the chip may not take: bind plain vfio-pci, and "
			"look whether the BAR has whole pages",
			FL_QM_BAR);
	qm->caps.version = rev < FL_QM_V3 ? FL_QM_V2 : FL_QM_V3;
	qm->caps.vf = size < QM_BAR_PF_SIZE;
	constants(qm);
	if (!fl_qm_v3(qm))
		return 0;
	iso = fl_qm_rd(qm, QM_QUE_ISO_CFG);
	if (iso == UINT32_MAX)
		return nonsense(qm, QM_QUE_ISO_CFG, iso);
	qm->caps.isolated = iso & 1;
	rc = read_caps(qm);
	return rc ? rc : read_queues(qm);
}

int fl_qm_vf_range(struct fl_qm *qm)
{
	uint64_t v = 0;
	uint32_t n;
	int rc = fl_qm_mb(qm, QM_MB_SQC_VFT, true, 0, &v);

	if (rc)
		return rc;
	n = (uint32_t)(v >> 45 & 0x3ff) + 1;
	if (!v) {
		qm_err(qm, "the physical function has given this one no queues: its driver has to "
			   "run, and give it some, first");
		return -ENODEV;
	}
	qm->caps.qp_base = (uint16_t)(v >> 28);
	if (n < qm->caps.qp_max)
		qm->caps.qp_max = (uint16_t)n;
	return 0;
}
