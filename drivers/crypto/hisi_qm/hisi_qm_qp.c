/* SPDX-License-Identifier: BSD-3-Clause */
/* Queue pairs: their rings, their contexts, how they end. */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hisi_qm_internal.h"

#define LOG2_SQE 7u
#define LOG2_CQE 4u

_Static_assert(1u << LOG2_SQE == FL_QM_SQE_SIZE, "");
_Static_assert(1u << LOG2_CQE == sizeof(struct fl_qm_cqe), "");
_Static_assert(sizeof(struct qm_ctx) == 32, "");

/* ---- doorbells -------------------------------------------------------------------------- */

static unsigned db_bar(const struct fl_qm_qp *q)
{
	return q->qm->caps.isolated ? 4 : FL_QM_BAR;
}

static uint64_t db_off(const struct fl_qm_qp *q)
{
	return (q->qm->caps.isolated ? (uint64_t)q->id * QM_DB_PAGE : 0) + QM_DB_SQ_CQ;
}

void fl_qm_db_write(struct fl_qm_qp *q, uint64_t v)
{
	fl_bar_write64(q->qm->dev, db_bar(q), db_off(q), v);
}

int fl_qm_qp_arm(struct fl_qm_qp *q)
{
	uint64_t v = q->db_cq | (uint64_t)q->cq_head << 32 | QM_DB_EVENT;

	/* nobody would take the event away */
	if (q->fd < 0 || !q->qm->intr)
		return -EOPNOTSUPP;
	if (fl_dev_removed(q->qm->dev))
		return -ENODEV;
	fl_bar_send64(q->qm->dev, db_bar(q), db_off(q), v);
	/* one that came before it may have brought no event */
	if (fl_qm_cq_peek(q) >= 0)
		(void)eventfd_write(q->fd, 1);
	return 0;
}

void fl_qm_signal(struct fl_qm *qm, unsigned cqn)
{
	if (cqn < qm->nqps && qm->qps[cqn] && qm->qps[cqn]->fd >= 0)
		(void)eventfd_write(qm->qps[cqn]->fd, 1);
}

/* ---- memory ----------------------------------------------------------------------------- */

static uint64_t sq_bytes(const struct fl_qm_qp *q)
{
	return (q->mask + 1ull) << LOG2_SQE;
}

static int alloc_rings(struct fl_qm_qp *q, int node)
{
	uint64_t len = sq_bytes(q) + ((q->mask + 1ull) << LOG2_CQE);
	struct fl_dma_space *s = fl_ctx_space(fl_dev_ctx(q->qm->dev));
	struct fl_mem_opts mo = { .node = node, .log = q->qm->log };
	struct fl_mem_info info;
	int rc;

	if (node < 0)
		mo.node = fl_dev_node(q->qm->dev);
	fl_dma_mem_opts(s, len, &mo);
	rc = fl_mem_alloc(len, &mo, &q->mem);
	if (rc)
		return rc;
	rc = fl_dma_map(s, q->mem, NULL, &q->area);
	if (rc) {
		fl_mem_free(q->mem);
		return rc;
	}
	fl_mem_info(q->mem, &info);
	q->sq = info.va;
	q->cq = (const struct fl_qm_cqe *)(q->sq + sq_bytes(q));
	return 0;
}

static void free_qp(struct fl_qm_qp *q)
{
	if (fl_dma_unmap(q->area))
		qm_warn(q->qm, "the memory of queue %u was not unmapped cleanly", q->id);
	fl_mem_free(q->mem);
	if (q->fd >= 0)
		close(q->fd);
	free(q);
}

static int check_new(const struct fl_qm *qm, uint16_t id, uint16_t depth)
{
	if (id >= qm->caps.qp_max || !fl_is_pow2(depth) || depth < 2 ||
	    depth > qm->caps.depth_max) {
		qm_err(qm,
		       "queue %u of %u entries: the function has queues 0 to %u, of 2 to %u "
		       "entries, a power of two",
		       id, depth, qm->caps.qp_max - 1u, qm->caps.depth_max);
		return -EINVAL;
	}
	return 0;
}

int fl_qm_qp_create(struct fl_qm *qm, uint16_t id, uint16_t depth, int node, bool intr,
		    struct fl_qm_qp **out)
{
	struct fl_qm_qp *q;
	int rc = check_new(qm, id, depth);

	if (rc)
		return rc;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->qm = qm;
	q->id = id;
	q->mask = (uint16_t)(depth - 1);
	q->phase = 1;
	q->db_sq = id | (uint64_t)QM_DB_SQ << 12;
	q->db_cq = id | (uint64_t)QM_DB_CQ << 12;
	q->fd = -1;
	rc = alloc_rings(q, node);
	if (rc)
		goto free;
	if (intr) {
		q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (q->fd < 0) {
			rc = -errno;
			qm_err(qm, "eventfd of queue %u: %s; see `ulimit -n`", id, strerror(-rc));
			goto rings;
		}
	}
	*out = q;
	return 0;

rings:
	if (fl_dma_unmap(q->area))
		qm_warn(qm, "the memory of queue %u was not unmapped cleanly", id);
	fl_mem_free(q->mem);
free:
	free(q);
	return rc;
}

void fl_qm_qp_destroy(struct fl_qm_qp *q)
{
	struct fl_qm *qm = q->qm;

	if (qm->qps[q->id] == q)
		qm->qps[q->id] = NULL;
	if (!q->known || fl_dev_removed(qm->dev)) {
		free_qp(q);
		return;
	}
	qm_warn(qm, "queue %u was not drained: its memory is kept until the device is reset",
		q->id);
	q->next = qm->limbo;
	qm->limbo = q;
}

void fl_qm_qps_forget(struct fl_qm *qm)
{
	for (unsigned i = 0; i < qm->caps.qp_max; i++)
		if (qm->qps[i])
			qm->qps[i]->known = false;
	while (qm->limbo) {
		struct fl_qm_qp *q = qm->limbo;

		qm->limbo = q->next;
		free_qp(q);
	}
}

bool fl_qm_qps_known(const struct fl_qm *qm)
{
	for (unsigned i = 0; i < qm->caps.qp_max; i++)
		if (qm->qps[i] && qm->qps[i]->known)
			return true;
	return qm->limbo;
}

/* ---- start ------------------------------------------------------------------------------ */

static void set_base(struct qm_ctx *c, uint64_t iova)
{
	c->base_l = (uint32_t)iova;
	c->base_h = (uint32_t)(iova >> 32);
}

/* the device has it, or another of its id */
static bool in_use(const struct fl_qm_qp *q)
{
	const struct fl_qm_qp *now = q->qm->qps[q->id];

	return q->known || (now && now->known);
}

int fl_qm_qp_start(struct fl_qm_qp *q)
{
	struct fl_qm *qm = q->qm;
	uint64_t iova = q->area->iova.v;
	struct qm_ctx sqc = { .dw3 = qm_ctx_depth(q->mask + 1u, LOG2_SQE),
			      .cq_num = q->id,
			      .w13 = QM_SQC_ORDER };
	/* no event before one is asked for */
	struct qm_ctx cqc = { .dw3 = qm_ctx_depth(q->mask + 1u, LOG2_CQE), .dw6 = QM_CQC_PHASE };
	int rc;

	if (!qm->started || q->id >= qm->nqps || in_use(q)) {
		qm_err(qm, "queue %u cannot start: %s", q->id,
		       in_use(q)     ? "it runs, or has not stopped; reset the device"
		       : qm->started ? "the function was started with fewer"
				     : "the function is not started");
		return -EINVAL;
	}
	memset(q->sq, 0, (size_t)(sq_bytes(q) + ((q->mask + 1ull) << LOG2_CQE)));
	q->sq_tail = q->cq_head = 0;
	q->phase = 1;
	/* anew each time: a device that came back has its BARs elsewhere */
	q->db = fl_bar_ptr(qm->dev, db_bar(q), db_off(q), sizeof(*q->db));
	set_base(&sqc, iova);
	set_base(&cqc, iova + sq_bytes(q));
	qm->qps[q->id] = q;
	q->known = true;
	rc = fl_qm_mb_ctx(qm, QM_MB_SQC, false, q->id, &sqc);
	if (!rc)
		rc = fl_qm_mb_ctx(qm, QM_MB_CQC, false, q->id, &cqc);
	/* refused is not known; without an answer it may be */
	if (rc && rc != -ETIMEDOUT)
		q->known = false;
	return rc;
}

/* ---- stop ------------------------------------------------------------------------------- */

/* V2 has no command for it: the queue is empty when both tails meet, in the same round */
static int drain_by_dumps(struct fl_qm_qp *q, uint64_t end)
{
	struct qm_ctx sqc, cqc;
	unsigned nap = 0;
	int rc;

	for (;;) {
		rc = fl_qm_mb_ctx(q->qm, QM_MB_SQC, true, q->id, &sqc);
		if (!rc)
			rc = fl_qm_mb_ctx(q->qm, QM_MB_CQC, true, q->id, &cqc);
		if (rc)
			return rc;
		if (sqc.tail == cqc.tail && !((sqc.w11 ^ cqc.w11) & QM_CTX_TAIL_SIG))
			return 0;
		if (fl_now_ns() > end)
			break;
		fl_qm_nap(q->qm, &nap);
	}
	qm_err(q->qm,
	       "queue %u is not empty after %u ms (entries to slot %u, completions to %u): "
	       "reset the device",
	       q->id, q->qm->drain_us / 1000, sqc.tail, cqc.tail);
	return -ETIMEDOUT;
}

static int drain(struct fl_qm_qp *q)
{
	uint64_t none = 0;

	if (q->qm->features & QM_CAP_STOP_QP)
		return fl_qm_mb(q->qm, QM_MB_STOP_QP, false, q->id, &none);
	return drain_by_dumps(q, fl_now_ns() + q->qm->drain_us * 1000ull);
}

int fl_qm_qp_stop(struct fl_qm_qp *q)
{
	int rc = 0;

	if (q->known)
		rc = fl_dev_removed(q->qm->dev) ? -ENODEV : drain(q);
	if (!rc || rc == -ENODEV)
		q->known = false;
	return rc;
}

int fl_qm_qps_stop(struct fl_qm *qm)
{
	uint64_t none = 0;
	int rc = 0;

	if (qm->features & QM_CAP_FLUSH)
		rc = fl_qm_mb(qm, QM_MB_FLUSH_QM, false, 0, &none);
	/* the first that does not drain is waited for, not all of them */
	for (unsigned i = 0; i < qm->nqps && !rc; i++) {
		if (!qm->qps[i])
			continue;
		if (qm->features & QM_CAP_FLUSH)
			qm->qps[i]->known = false;
		else
			rc = fl_qm_qp_stop(qm->qps[i]);
	}
	return rc;
}
