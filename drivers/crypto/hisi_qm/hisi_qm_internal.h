/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef HISI_QM_INTERNAL_H
#define HISI_QM_INTERNAL_H

#include "hisi_qm.h"
#include "hisi_qm_regs.h"

#define QM_QPS_MAX   1024u
#define QM_DEPTH_MAX 4096u /* 12 bits in a context */
#define QM_VFS_MAX   63u

#define QM_WAIT_US   10000u
#define QM_MB_US     1000000u
#define QM_DRAIN_US  5000000u
#define QM_ANSWER_MS 6000u /* of a VF, which may drain */

/* where an interrupt is not implemented */
#define QM_NO_VECTOR 0xffu

struct qm_ring {
	uint32_t *e;
	uint64_t iova;
	uint32_t depth, head, phase;
};

struct qm_vf {
	uint16_t base, n;
	bool asked;    /* to stop, as the physical function resets */
	bool answered; /* to the last thing that it was told */
};

struct fl_qm {
	struct fl_dev *dev;
	const struct fl_log *log;
	const struct fl_qm_engine *e;
	void *arg;
	struct fl_qm_caps caps;
	uint32_t features; /* QM_CAP_* */
	uint32_t nfe, ce, fatal;
	uint16_t qp_total;
	uint8_t vec_eq, vec_aeq, vec_err, vec_msg;

	/* one piece of pinned memory from open to close, so that it outlives what timed out */
	struct fl_mem *mem;
	struct fl_dma_area *area;
	struct qm_ring eq, aeq;
	struct qm_ctx *sqc, *cqc; /* the device's tables */
	struct qm_ctx *ctx;	  /* what mailboxes bring and take */

	unsigned drain_us;	/* for a queue to become empty: QM_DRAIN_US, less in tests */
	bool mb_stuck;		/* the last mailbox did not end */
	struct fl_qm_qp **qps;	/* of caps.qp_max */
	struct fl_qm_qp *limbo; /* destroyed, but the device may still use their memory */

	uint16_t nqps;
	bool started, intr;
	bool error_told; /* once until a reset */
	bool unclean;	 /* it has not stopped: not before a reset */
	bool ecc;	 /* V2: the AXI master's ports want a cure after the reset */
	void (*event)(struct fl_qm *qm, enum fl_qm_event ev, unsigned qp, void *arg);
	void *event_arg;
	unsigned life; /* counts stops */
	bool telling;  /* of several events; one who closes meanwhile leaves the last step to us */
	bool closed;

	struct qm_vf vf[QM_VFS_MAX + 1]; /* PF: from 1 on */
	bool pf_resets;			 /* VF: told so, not told yet that it is done */
	bool owe_stop, owe_start;	 /* VF: answers to the PF */
};

static inline uint32_t fl_qm_rd(struct fl_qm *qm, uint32_t off)
{
	return fl_bar_read32(qm->dev, FL_QM_BAR, off);
}

static inline void fl_qm_wr(struct fl_qm *qm, uint32_t off, uint32_t v)
{
	fl_bar_write32(qm->dev, FL_QM_BAR, off, v);
}

static inline bool fl_qm_v3(const struct fl_qm *qm)
{
	return qm->caps.version >= FL_QM_V3;
}

static inline bool fl_qm_messages(const struct fl_qm *qm)
{
	return qm->features & QM_CAP_MESSAGES;
}

/* hisi_qm_mb.c */
void fl_qm_say(const struct fl_qm *qm, enum fl_log_level level, const char *fmt, ...)
	FL_PRINTF(3, 4);
#define qm_err(qm, ...)	 fl_qm_say(qm, FL_LOG_ERR, __VA_ARGS__)
#define qm_warn(qm, ...) fl_qm_say(qm, FL_LOG_WARN, __VA_ARGS__)
#define qm_info(qm, ...) fl_qm_say(qm, FL_LOG_INFO, __VA_ARGS__)
/** Serves page requests and sleeps a little, longer from call to call: us begins at 0. */
void fl_qm_nap(struct fl_qm *qm, unsigned *us);
/** A command without a context. data: what it takes, then what it answers; NULL = nothing. */
int fl_qm_mb(struct fl_qm *qm, unsigned cmd, bool read, uint16_t queue, uint64_t *data);
/** SQC, CQC, EQC, AEQC: writes the context, or reads it. */
int fl_qm_mb_ctx(struct fl_qm *qm, unsigned cmd, bool read, uint16_t queue, struct qm_ctx *ctx);

/* hisi_qm_caps.c */
int fl_qm_identify(struct fl_qm *qm);
int fl_qm_vf_range(struct fl_qm *qm);

/* hisi_qm_vft.c */
int fl_qm_vft_set(struct fl_qm *qm, unsigned fn, uint16_t base, uint16_t n);
/** After a reset: the VFs' queues as they were. */
int fl_qm_vft_restore(struct fl_qm *qm);

/* hisi_qm_qp.c */
/** The function's queue pairs are drained, or given up on; 0 or the first error. */
int fl_qm_qps_stop(struct fl_qm *qm);
/** The device knows none of them any more: it was reset, or does no DMA. */
void fl_qm_qps_forget(struct fl_qm *qm);
/** Some of them are the device's still. */
bool fl_qm_qps_known(const struct fl_qm *qm);
void fl_qm_signal(struct fl_qm *qm, unsigned cqn);

/* hisi_qm_event.c */
void fl_qm_errors_on(struct fl_qm *qm);
void fl_qm_errors_off(struct fl_qm *qm);
/** Error bits that stand and need a reset. */
uint32_t fl_qm_fatal(struct fl_qm *qm);
int fl_qm_intr_start(struct fl_qm *qm);
void fl_qm_intr_stop(struct fl_qm *qm);
void fl_qm_rings_ring(struct fl_qm *qm);
void fl_qm_tell(struct fl_qm *qm, enum fl_qm_event ev, unsigned qp);

/* hisi_qm_msg.c */
void fl_qm_msg_enable(struct fl_qm *qm, bool on);
/** Reads what has come; true: somebody was told of it. */
bool fl_qm_msg_poll(struct fl_qm *qm);
/** PF: has the VFs stop before a reset, and start after it; waits so long for their answers. */
void fl_qm_msg_vfs_stop(struct fl_qm *qm, unsigned ms);
void fl_qm_msg_vfs_start(struct fl_qm *qm);
/** VF: the answers that it owes. */
void fl_qm_msg_stopped(struct fl_qm *qm, bool drained);
void fl_qm_msg_started(struct fl_qm *qm, bool ok);
/** VF: waits until the PF says that its reset is done. */
int fl_qm_msg_wait_done(struct fl_qm *qm);

#endif
