/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages between the physical function and the virtual ones (V3): before it resets, the PF has
 * them stop, and afterwards start. A VF's user hears of it as of an error; its fl_qm_stop(),
 * fl_qm_reset() and fl_qm_start() then answer.
 */
#include "hisi_qm_internal.h"

#define PF_ACK_US   100000u /* until the other side has taken a message */
#define VF_ACK_US   400000u
#define DONE_US	    60000000u
#define QOS_DEFAULT 1000u /* 100 Gbit/s, in units of 100 Mbit/s */

void fl_qm_msg_enable(struct fl_qm *qm, bool on)
{
	if (!fl_qm_messages(qm))
		return;
	if (on) {
		if (!qm->caps.vf)
			fl_bar_write64(qm->dev, FL_QM_BAR, QM_IFC_INT_SOURCE_P, UINT64_MAX);
		fl_qm_wr(qm, QM_IFC_INT_SOURCE_V, fl_qm_rd(qm, QM_IFC_INT_SOURCE_V) | 1);
		fl_qm_wr(qm, QM_IFC_INT_MASK, fl_qm_rd(qm, QM_IFC_INT_MASK) & ~1u);
	} else {
		fl_qm_wr(qm, QM_IFC_INT_MASK, fl_qm_rd(qm, QM_IFC_INT_MASK) | 1);
	}
}

/* has the other side taken what was sent last? */
static bool taken(struct fl_qm *qm, unsigned fn)
{
	if (qm->caps.vf)
		return !(fl_qm_rd(qm, QM_IFC_INT_SET_V) & 1);
	return !(fl_bar_read64(qm->dev, FL_QM_BAR, QM_IFC_READY_STATUS) >> fn & 1);
}

static int post(struct fl_qm *qm, unsigned fn, uint64_t msg)
{
	int rc = fl_qm_mb(qm, QM_MB_SRC, false, (uint16_t)fn, &msg);

	if (rc)
		return rc;
	if (qm->caps.vf) {
		fl_qm_wr(qm, QM_IFC_INT_SET_V, fl_qm_rd(qm, QM_IFC_INT_SET_V) | 1);
	} else {
		fl_qm_wr(qm, QM_IFC_INT_CFG, fn);
		fl_qm_wr(qm, QM_IFC_INT_SET_P, fl_qm_rd(qm, QM_IFC_INT_SET_P) | 1);
	}
	return 0;
}

static int send(struct fl_qm *qm, unsigned fn, uint64_t msg)
{
	unsigned nap = 0;
	uint64_t end;
	int rc = post(qm, fn, msg);

	if (rc)
		return rc;
	end = fl_now_ns() + (qm->caps.vf ? VF_ACK_US : PF_ACK_US) * 1000ull;
	while (!taken(qm, fn)) {
		if (fl_dev_removed(qm->dev))
			return -ENODEV;
		if (fl_now_ns() > end)
			return -ETIMEDOUT;
		fl_qm_nap(qm, &nap);
	}
	return 0;
}

/* ---- physical function ------------------------------------------------------------------ */

/* whoever has the VF may send what and as often as it likes: no warning that it could repeat */
static void from_vf(struct fl_qm *qm, unsigned fn)
{
	bool expected = qm->vf[fn].asked && !qm->vf[fn].answered;
	uint64_t msg = 0;
	int rc = fl_qm_mb(qm, QM_MB_DST, true, (uint16_t)fn, &msg);

	fl_bar_write64(qm->dev, FL_QM_BAR, QM_IFC_INT_SOURCE_P, 1ull << fn);
	if (rc)
		return;
	switch ((uint32_t)msg) {
	case QM_MSG_PREPARE_FAILED:
	case QM_MSG_START_FAILED:
		if (expected)
			qm_warn(qm, "function %u could not %s", fn,
				(uint32_t)msg == QM_MSG_START_FAILED ? "start again" : "stop");
		/* fall through */
	case QM_MSG_PREPARED:
	case QM_MSG_STARTED:
		qm->vf[fn].answered = true;
		break;
	case QM_MSG_GET_QOS:
		/* not waited for, as it may ask again at once */
		(void)!post(qm, fn, (uint64_t)QOS_DEFAULT << 32 | QM_MSG_SET_QOS);
		break;
	default:
		qm_info(qm, "function %u sent message 0x%llx, which means nothing", fn,
			(unsigned long long)msg);
	}
}

static void poll_vfs(struct fl_qm *qm)
{
	uint64_t from = fl_bar_read64(qm->dev, FL_QM_BAR, QM_IFC_INT_SOURCE_P);

	if (fl_dev_removed(qm->dev))
		return;
	for (unsigned fn = 1; fn <= QM_VFS_MAX; fn++)
		if (from >> fn & 1)
			from_vf(qm, fn);
}

/* one that has no driver does not take the message, and is not waited for */
static void tell_vfs(struct fl_qm *qm, unsigned code, unsigned ms)
{
	uint64_t end = fl_now_ns() + ms * 1000000ull;
	unsigned nap = 0, waiting = 0;

	for (unsigned fn = 1; fn <= QM_VFS_MAX; fn++) {
		struct qm_vf *vf = &qm->vf[fn];

		if (!vf->n || (code == QM_MSG_RESET_DONE && !vf->asked))
			continue;
		vf->answered = false;
		vf->asked = !send(qm, fn, code);
		if (!vf->asked)
			qm_info(qm, "function %u took no message", fn);
	}
	do {
		poll_vfs(qm);
		waiting = 0;
		for (unsigned fn = 1; fn <= QM_VFS_MAX; fn++)
			if (qm->vf[fn].n && qm->vf[fn].asked && !qm->vf[fn].answered)
				waiting = fn;
		if (waiting)
			fl_qm_nap(qm, &nap);
	} while (waiting && fl_now_ns() < end && !fl_dev_removed(qm->dev));
	if (waiting)
		qm_warn(qm, "function %u has not answered in %u ms: going on without", waiting, ms);
}

void fl_qm_msg_vfs_stop(struct fl_qm *qm, unsigned ms)
{
	if (!qm->caps.vf && fl_qm_messages(qm) && !fl_dev_removed(qm->dev))
		tell_vfs(qm, QM_MSG_FLR_PREPARE, ms);
}

void fl_qm_msg_vfs_start(struct fl_qm *qm)
{
	if (qm->caps.vf || !fl_qm_messages(qm))
		return;
	tell_vfs(qm, QM_MSG_RESET_DONE, QM_ANSWER_MS);
	for (unsigned fn = 1; fn <= QM_VFS_MAX; fn++)
		qm->vf[fn].asked = false;
}

/* ---- virtual function ------------------------------------------------------------------- */

static void answer(struct fl_qm *qm, unsigned code)
{
	int rc = send(qm, 0, code);

	if (rc)
		qm_warn(qm, "the physical function took no answer (%d): it will go on without", rc);
}

/* the message's code, 0 = none */
static unsigned from_pf(struct fl_qm *qm)
{
	uint64_t msg = 0;
	int rc;

	if (!(fl_qm_rd(qm, QM_IFC_INT_SOURCE_V) & 1) || fl_dev_removed(qm->dev))
		return 0;
	rc = fl_qm_mb(qm, QM_MB_DST, true, 0, &msg);
	fl_qm_wr(qm, QM_IFC_INT_SOURCE_V, 1);
	return rc ? 0 : (uint32_t)msg;
}

static bool poll_pf(struct fl_qm *qm)
{
	unsigned code = from_pf(qm);

	switch (code) {
	case 0:
	case QM_MSG_SET_QOS:
		return false;
	case QM_MSG_FLR_PREPARE:
	case QM_MSG_RESET_PREPARE:
		qm_warn(qm, "the physical function is about to be reset: stop, reset, start");
		qm->pf_resets = true;
		qm->owe_stop = true;
		if (!qm->started) {
			fl_qm_msg_stopped(qm, true);
			return false;
		}
		fl_qm_tell(qm, FL_QM_ERROR, 0);
		return true;
	case QM_MSG_RESET_DONE:
		qm->pf_resets = false;
		qm->owe_start = true;
		/* nothing had to be stopped */
		if (!qm->error_told)
			fl_qm_msg_started(qm, true);
		return false;
	default:
		qm_warn(qm, "the physical function sent message %u, which means nothing", code);
		return false;
	}
}

void fl_qm_msg_stopped(struct fl_qm *qm, bool drained)
{
	if (!qm->owe_stop)
		return;
	qm->owe_stop = false;
	answer(qm, drained ? QM_MSG_PREPARED : QM_MSG_PREPARE_FAILED);
}

void fl_qm_msg_started(struct fl_qm *qm, bool ok)
{
	if (!qm->owe_start)
		return;
	qm->owe_start = false;
	answer(qm, ok ? QM_MSG_STARTED : QM_MSG_START_FAILED);
}

int fl_qm_msg_wait_done(struct fl_qm *qm)
{
	uint64_t end = fl_now_ns() + DONE_US * 1000ull;
	unsigned nap = 0;

	while (qm->pf_resets) {
		(void)poll_pf(qm);
		if (!qm->pf_resets)
			break;
		if (fl_dev_removed(qm->dev))
			return -ENODEV;
		if (fl_now_ns() > end) {
			qm_err(qm,
			       "the physical function has not said within %u s that its reset is "
			       "done: see to its driver, then reset again",
			       DONE_US / 1000000);
			/* then it will be on its own */
			qm->pf_resets = false;
			return -ETIMEDOUT;
		}
		fl_qm_nap(qm, &nap);
	}
	return 0;
}

bool fl_qm_msg_poll(struct fl_qm *qm)
{
	if (!fl_qm_messages(qm) || fl_dev_removed(qm->dev))
		return false;
	if (qm->caps.vf)
		return poll_pf(qm);
	poll_vfs(qm);
	return false;
}
