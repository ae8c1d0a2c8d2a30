/* SPDX-License-Identifier: BSD-3-Clause */
/* The physical function gives every function its queues: the VFT, and with V3 the shaper's rates.
 */
#include "hisi_qm_internal.h"

#define SHAPER_ON	  0x40000190u
#define SHAPER_RATE	  0x988696u /* 100 Gbit/s, the most there is */
#define SHAPER_TYPE_SHIFT 6

static int write_entry(struct fl_qm *qm, unsigned type, unsigned fn, uint64_t v)
{
	int rc = fl_qm_wait(qm, QM_VFT_RDY, 1, 1);

	if (rc)
		return rc;
	fl_qm_wr(qm, QM_VFT_OP_WR, 0);
	fl_qm_wr(qm, QM_VFT_TYPE, type);
	fl_qm_wr(qm, QM_VFT_CFG, fn);
	fl_qm_wr(qm, QM_VFT_DATA_L, (uint32_t)v);
	fl_qm_wr(qm, QM_VFT_DATA_H, (uint32_t)(v >> 32));
	fl_qm_wr(qm, QM_VFT_RDY, 0);
	fl_qm_wr(qm, QM_VFT_OP_ENABLE, 1);
	return fl_qm_wait(qm, QM_VFT_RDY, 1, 1);
}

static int shaper(struct fl_qm *qm, unsigned fn)
{
	int rc = 0;

	if (!(qm->features & QM_CAP_QOS))
		return 0;
	fl_qm_wr(qm, QM_SHAPER_CFG, SHAPER_ON);
	for (unsigned t = 0; t < qm->e->shaper_types && !rc; t++)
		rc = write_entry(qm, QM_VFT_SHAPER, fn | t << SHAPER_TYPE_SHIFT, SHAPER_RATE);
	return rc;
}

int fl_qm_vft_set(struct fl_qm *qm, unsigned fn, uint16_t base, uint16_t n)
{
	uint64_t sqc = n ? (uint64_t)base << 28 | 1ull << 44 | (uint64_t)(n - 1u) << 45 : 0;
	uint64_t cqc = n ? 1ull << 28 : 0;
	int rc = write_entry(qm, QM_VFT_SQC, fn, sqc), undo;

	if (!rc)
		rc = write_entry(qm, QM_VFT_CQC, fn, cqc);
	if (!rc && n)
		rc = shaper(qm, fn);
	if (!rc || !n)
		return rc;
	undo = write_entry(qm, QM_VFT_SQC, fn, 0);
	if (!undo)
		undo = write_entry(qm, QM_VFT_CQC, fn, 0);
	if (undo)
		qm_err(qm, "function %u may have kept a part of queues %u to %u: reset the device",
		       fn, base, base + n - 1u);
	return rc;
}

int fl_qm_vft_restore(struct fl_qm *qm)
{
	int rc = 0;

	for (unsigned i = 1; i <= QM_VFS_MAX && !rc; i++)
		if (qm->vf[i].n)
			rc = fl_qm_vft_set(qm, i, qm->vf[i].base, qm->vf[i].n);
	return rc;
}

static bool overlap(unsigned a, unsigned na, unsigned b, unsigned nb)
{
	return na && nb && a < b + nb && b < a + na;
}

static int refuse(const struct fl_qm *qm, unsigned vf, unsigned base, unsigned n, unsigned other)
{
	qm_err(qm, "queues %u to %u cannot go to function %u: function %u has some of them", base,
	       base + n - 1, vf, other);
	return -EBUSY;
}

int fl_qm_vf_queues(struct fl_qm *qm, unsigned vf, uint16_t base, uint16_t n)
{
	int rc;

	if (qm->caps.vf || !vf || vf > QM_VFS_MAX || (unsigned)base + n > qm->qp_total ||
	    n > qm->caps.qp_max) {
		qm_err(qm,
		       "%u queues from %u on for function %u: functions are 1 to %u, the device "
		       "has %u queues and gives at most %u to one%s",
		       n, base, vf, QM_VFS_MAX, qm->qp_total, qm->caps.qp_max,
		       qm->caps.vf ? "; and this is no physical function" : "");
		return -EINVAL;
	}
	if (qm->started && overlap(base, n, 0, qm->nqps))
		return refuse(qm, vf, base, n, 0);
	for (unsigned i = 1; i <= QM_VFS_MAX; i++)
		if (i != vf && overlap(base, n, qm->vf[i].base, qm->vf[i].n))
			return refuse(qm, vf, base, n, i);
	rc = fl_qm_vft_set(qm, vf, base, n);
	if (!rc || n)
		qm->vf[vf] = (struct qm_vf){ .base = base, .n = rc ? 0 : n };
	return rc;
}
