/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for registers, and the mailbox: 16 bytes, written and read as one access. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "hisi_qm_internal.h"

void fl_qm_say(const struct fl_qm *qm, enum fl_log_level level, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fl_log_msg(qm->log, level, "hisi_qm", "%s: %s", fl_dev_uri(qm->dev), text);
}

/* the silicon answers in microseconds; a model's thread may want this core */
void fl_qm_nap(struct fl_qm *qm, unsigned *us)
{
	struct timespec ts;

	fl_dev_serve(qm->dev);
	*us = !*us ? 10 : *us < 500 ? *us * 2 : 1000;
	ts = (struct timespec){ .tv_nsec = *us * 1000 };
	nanosleep(&ts, NULL);
}

int fl_qm_wait(struct fl_qm *qm, uint32_t reg, uint32_t mask, uint32_t want)
{
	uint64_t end = fl_now_ns() + QM_WAIT_US * 1000ull;
	unsigned nap = 0;
	uint32_t v;

	for (;;) {
		/* looked at once more after the last nap, however long that was */
		bool late = fl_now_ns() > end;

		v = fl_qm_rd(qm, reg);
		if (v != UINT32_MAX && (v & mask) == want)
			return 0;
		if (fl_dev_removed(qm->dev))
			return -ENODEV;
		if (late)
			break;
		fl_qm_nap(qm, &nap);
	}
	qm_err(qm,
	       "register 0x%x reads 0x%x, and in %u ms has not shown 0x%x in 0x%x: reset the "
	       "device; where that does not help, power-cycle it",
	       reg, v, QM_WAIT_US / 1000, want, mask);
	return -ETIMEDOUT;
}

/* ---- mailbox ---------------------------------------------------------------------------- */

/* r: what it reads when it is idle */
static int wait_idle(struct fl_qm *qm, unsigned us, uint64_t r[2])
{
	uint64_t end = fl_now_ns() + us * 1000ull;
	unsigned nap = 0;

	for (;;) {
		bool late = fl_now_ns() > end;

		fl_bar_read128(qm->dev, FL_QM_BAR, QM_MAILBOX, r);
		if (!(r[0] & QM_MB_BUSY))
			return 0;
		if (fl_dev_removed(qm->dev))
			return -ENODEV;
		if (late)
			return -ETIMEDOUT;
		fl_qm_nap(qm, &nap);
	}
}

/* PF: with the AXI master shut down the device cannot reach a context */
static int check_master(struct fl_qm *qm, unsigned cmd)
{
	uint32_t shut = fl_qm_v3(qm) ? qm->fatal : QM_ERR_ECC;
	uint32_t st, engine = 0;

	if (qm->caps.vf || cmd > QM_MB_CQC_BT)
		return 0;
	st = fl_qm_rd(qm, QM_ABNORMAL_STATUS) & shut;
	/* of V3, what is fatal in the engine shuts it down as well */
	if (fl_qm_v3(qm))
		(void)qm->e->status(qm, qm->arg, &engine);
	if (fl_dev_removed(qm->dev))
		return -ENODEV;
	if (!(st | engine))
		return 0;
	qm_err(qm,
	       "mailbox command %u is not sent: errors 0x%x, and 0x%x of the engine, stand and "
	       "have shut the device's bus master down; reset the device",
	       cmd, st, engine);
	return -EIO;
}

static int run(struct fl_qm *qm, unsigned cmd, bool read, uint16_t queue, uint64_t *data,
	       struct qm_ctx *ctx)
{
	unsigned us = cmd == QM_MB_STOP_QP || cmd == QM_MB_FLUSH_QM ? qm->drain_us : QM_MB_US;
	uint64_t w[2], r[2], base = data ? *data : 0;
	int rc = check_master(qm, cmd);

	if (rc)
		return rc;
	/* who did not end in a second is asked shortly: the caller may have a thousand queues */
	rc = wait_idle(qm, qm->mb_stuck ? QM_WAIT_US : QM_MB_US, r);
	if (rc)
		goto stuck;
	qm->mb_stuck = false;
	/* idle: the device is done with the buffer */
	if (ctx) {
		base = fl_dma_iova(qm->area, qm->ctx).v;
		if (read)
			memset(qm->ctx, 0, sizeof(*qm->ctx));
		else
			*qm->ctx = *ctx;
	}
	w[0] = cmd | QM_MB_BUSY | (read ? QM_MB_READ : 0) | (uint32_t)queue << 16 | base << 32;
	w[1] = base >> 32;
	fl_bar_write128(qm->dev, FL_QM_BAR, QM_MAILBOX, w);
	rc = wait_idle(qm, us, r);
	if (rc)
		goto stuck;
	if (qm_mb_status(r[0])) {
		qm_err(qm,
		       "mailbox command %u for queue %u: the device refuses it (status %u); reset "
		       "the device",
		       cmd, queue, qm_mb_status(r[0]));
		return -EIO;
	}
	fl_dma_rmb();
	if (ctx && read)
		*ctx = *qm->ctx;
	if (data)
		*data = r[0] >> 32 | r[1] << 32;
	return 0;
stuck:
	if (rc != -ETIMEDOUT)
		return rc;
	if (!qm->mb_stuck)
		qm_err(qm,
		       "mailbox command %u for queue %u: no answer within %u ms; reset the "
		       "device",
		       cmd, queue, us / 1000);
	qm->mb_stuck = true;
	return rc;
}

int fl_qm_mb(struct fl_qm *qm, unsigned cmd, bool read, uint16_t queue, uint64_t *data)
{
	return run(qm, cmd, read, queue, data, NULL);
}

int fl_qm_mb_ctx(struct fl_qm *qm, unsigned cmd, bool read, uint16_t queue, struct qm_ctx *ctx)
{
	return run(qm, cmd, read, queue, NULL, ctx);
}
