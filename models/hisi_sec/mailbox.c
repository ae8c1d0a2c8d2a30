/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mailbox: sixteen bytes, and what they ask for is done when the last four are written. A
 * command that waits for queues to drain stays busy meanwhile.
 */
#include "qm_internal.h"

struct mb {
	unsigned cmd, queue;
	bool read;
	uint64_t data;
};

static struct mb decode(struct secm *f)
{
	const uint32_t *r = fl_secm_reg(f, Q_MB);

	return (struct mb){ .cmd = r[0] & 0xff,
			    .queue = r[0] >> 16,
			    .read = r[0] & MB_READ,
			    .data = r[1] | (uint64_t)r[2] << 32 };
}

static void end(struct secm *f, unsigned status)
{
	uint32_t *r = fl_secm_reg(f, Q_MB);

	r[0] = (r[0] & ~(MB_BUSY | 0xfu << MB_STATUS)) | status << MB_STATUS;
	f->mb_wait = false;
}

static unsigned answer(struct secm *f, uint64_t v)
{
	uint32_t *r = fl_secm_reg(f, Q_MB);

	r[1] = (uint32_t)v;
	r[2] = (uint32_t)(v >> 32);
	return ST_OK;
}

static unsigned queue_context(struct secm *f, const struct mb *mb)
{
	bool cq = mb->cmd == MB_CQC;

	if (mb->queue >= f->nq) {
		fl_secm_qm_error(f, cq ? E_BAD_CQ : E_BAD_SQ);
		return ST_QUEUE;
	}
	return mb->read ? fl_secm_ctx_dump(f, cq, mb->queue, mb->data)
			: fl_secm_ctx_set(f, cq, mb->queue, mb->data);
}

static unsigned event_context(struct secm *f, const struct mb *mb)
{
	struct secm_eq *q = mb->cmd == MB_EQC ? &f->eq : &f->aeq;

	return mb->read ? fl_secm_eqc_dump(f, q, mb->data) : fl_secm_eqc_set(f, q, mb->data);
}

static unsigned table(struct secm *f, const struct mb *mb)
{
	bool cq = mb->cmd == MB_CQC_BT;

	if (mb->read)
		return answer(f, cq ? f->cqc_bt : f->sqc_bt);
	if (mb->data % CTX_SIZE)
		return ST_CONTEXT;
	if (cq) {
		f->cqc_bt = mb->data;
		f->cqc_bt_ok = true;
	} else {
		f->sqc_bt = mb->data;
		f->sqc_bt_ok = true;
	}
	return ST_OK;
}

/* ---- those that wait ------------------------------------------------------------------------- */

static bool one_queue(unsigned cmd)
{
	return cmd == MB_STOP_QP || cmd == MB_FLUSH_QP;
}

static bool drained(struct secm *f, const struct mb *mb)
{
	if (one_queue(mb->cmd))
		return fl_secm_drained(f, mb->queue);
	for (unsigned i = 0; i < f->nactive; i++) {
		if (!fl_secm_drained(f, f->active[i]))
			return false;
	}
	return true;
}

static void stop(struct secm *f, const struct mb *mb)
{
	if (mb->cmd == MB_STOP_QP) {
		f->qp[mb->queue].closed = true;
		fl_secm_deactivate(f, mb->queue);
	}
	while (mb->cmd == MB_CLOSE_QM && f->nactive) {
		f->qp[f->active[0]].closed = true;
		fl_secm_deactivate(f, f->active[0]);
	}
}

bool fl_secm_mailbox_poll(struct secm *f)
{
	struct mb mb = decode(f);

	/* the table may have shrunk meanwhile */
	if (one_queue(mb.cmd) && mb.queue >= f->nq) {
		end(f, ST_QUEUE);
		return true;
	}
	if (!drained(f, &mb))
		return false;
	stop(f, &mb);
	end(f, ST_OK);
	return true;
}

static void drain(struct secm *f, const struct mb *mb)
{
	if (one_queue(mb->cmd) && mb->queue >= f->nq) {
		fl_secm_qm_error(f, E_BAD_SQ);
		end(f, ST_QUEUE);
		return;
	}
	f->mb_wait = true;
	(void)fl_secm_mailbox_poll(f);
}

/* ---- dispatch
 * ------------------------------------------------------------------------------------ */

static unsigned message(struct secm *f, const struct mb *mb)
{
	uint64_t msg = 0;
	unsigned r;

	if (mb->cmd == MB_SRC)
		return fl_secm_msg_send(f, mb->queue, mb->data);
	r = fl_secm_msg_read(f, mb->queue, &msg);
	return r ? r : answer(f, msg);
}

static unsigned run(struct secm *f, const struct mb *mb)
{
	if (mb->cmd <= MB_CQC_BT && !f->chip->mem_ok)
		return ST_COMMAND;
	if (mb->cmd <= MB_AEQC && f->chip->master_off)
		return ST_DMA;
	switch (mb->cmd) {
	case MB_SQC:
	case MB_CQC:
		return queue_context(f, mb);
	case MB_EQC:
	case MB_AEQC:
		return event_context(f, mb);
	case MB_SQC_BT:
	case MB_CQC_BT:
		return table(f, mb);
	case MB_SQC_VFT:
		return mb->read ? answer(f, f->chip->vft[f->fn][0]) : ST_COMMAND;
	case MB_SRC:
	case MB_DST:
		return fl_secm_v3(f) ? message(f, mb) : ST_COMMAND;
	case MB_PAUSE_QM:
		if (!fl_secm_v3(f))
			return ST_COMMAND;
		fl_secm_settle_all(f);
		f->paused = true;
		return ST_OK;
	}
	return ST_COMMAND;
}

static bool waits(const struct mb *mb)
{
	return mb->cmd >= MB_CLOSE_QM && mb->cmd <= MB_FLUSH_QP;
}

void fl_secm_mailbox(struct secm *f)
{
	struct mb mb = decode(f);

	if (!(*fl_secm_reg(f, Q_MB) & MB_BUSY))
		return;
	f->nmb++;
	if (fl_secm_hit(f, F_MB_BUSY))
		return;
	if (fl_secm_hit(f, F_MB_FAIL))
		end(f, 0xf);
	else if (waits(&mb) && fl_secm_v3(f))
		drain(f, &mb);
	else
		end(f, run(f, &mb));
}
