/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queue manager (QM) that HiSilicon's accelerators share: SEC2, and by the same registers ZIP
 * and HPRE. It brings a function up, gives out queue pairs, and tells the engine's driver what
 * stands in a completion queue; what a submission queue entry means is the engine's business.
 *
 * V2 (revision 0x21) and V3 (0x30); physical and virtual functions. Rings, contexts and tables are
 * pinned memory of the device's space. Control calls: one thread at a time a device, and
 * fl_ctx_dispatch() is one. A queue pair is used by one thread at a time.
 *
 * Offsets, formats and time limits: SEC2 datasheet, section 2.
 */
#ifndef HISI_QM_H
#define HISI_QM_H

#include <fl_dev.h>
#include <fl_io.h>

#define FL_QM_V2       0x21u
#define FL_QM_V3       0x30u
#define FL_QM_SQE_SIZE 128u
#define FL_QM_BAR      2u /* the registers' */

struct fl_qm;

/** What the engine's driver does at its places in the QM's sequences. */
struct fl_qm_engine {
	const char *name; /* "SEC2" */
	/** alg types that the function QoS table knows (V3) */
	unsigned shaper_types;
	/** the QM's error masks, V2 and V3 (non-fatal, correctable, needing reset) */
	struct {
		uint32_t nfe, ce, reset;
	} err[2];
	/** PF: engine registers, after those of the QM's user domain and before errors are on */
	int (*init)(struct fl_qm *qm, void *arg);
	/** PF: error reporting of the engine on or off */
	void (*errors)(struct fl_qm *qm, void *arg, bool on);
	/** PF: error bits that stand, *fatal = those that need a reset; clears the correctable */
	uint32_t (*status)(struct fl_qm *qm, void *arg, uint32_t *fatal);
};

struct fl_qm_caps {
	uint8_t version; /* FL_QM_V2, FL_QM_V3 */
	bool vf;
	bool isolated; /* each queue has a doorbell page of its own in BAR4 */
	uint16_t qp_base, qp_max;
	uint16_t depth_max;
	uint8_t irqs; /* MSI vectors it wants */
};

/**
 * Identifies the function, enables it, brings a PF up (QM and engine), finds a VF's queues.
 * dev stays the caller's. Errors: -ENOTSUP (revision), -ETIMEDOUT (which register), -ENODEV.
 */
FL_MUST int fl_qm_open(struct fl_dev *dev, const struct fl_qm_engine *e, void *arg,
		       struct fl_qm **out);
void fl_qm_close(struct fl_qm *qm);
const struct fl_qm_caps *fl_qm_caps(const struct fl_qm *qm);
struct fl_dev *fl_qm_dev(const struct fl_qm *qm);
/** Waits, at most 10 ms, until (register & mask) == want. -ETIMEDOUT and -ENODEV, with a message.
 */
FL_MUST int fl_qm_wait(struct fl_qm *qm, uint32_t reg, uint32_t mask, uint32_t want);

/**
 * Starts the function with nqps queue pairs: VFT (PF), context tables, and with intr the event
 * queues and MSI. Undone as a whole when a part of it fails. -EBUSY: an error was told or the last
 * stop was not clean, so reset it first; or a VF has some of the queues. -ENOSPC: not so many
 * vectors; all but the interrupts can be had.
 */
FL_MUST int fl_qm_start(struct fl_qm *qm, uint16_t nqps, bool intr);
/** Drains and stops the queues, writes contexts back, takes the function's queues away. Works on a
 *  removed device too: then it only forgets. */
void fl_qm_stop(struct fl_qm *qm);
/**
 * Resets the function (FLR, or for a PF its registers anew) and brings it up as fl_qm_open() did;
 * start it and its queue pairs again then. For a device that was reattached as well. A PF has its
 * VFs stop before and start after it (V3). A VF that was told of such a reset waits for its end, at
 * most 60 s. -EIO: errors stand that only a reset of the whole controller clears, or
 * a VF that cannot be reset has a queue that did not end.
 */
FL_MUST int fl_qm_reset(struct fl_qm *qm);

/** PF: gives queues [base, base + n) to virtual function vf (1 ...); n 0 takes them away. */
FL_MUST int fl_qm_vf_queues(struct fl_qm *qm, unsigned vf, uint16_t base, uint16_t n);

enum fl_qm_event {
	FL_QM_ERROR,	/* bits that need a reset, of the QM or the engine */
	FL_QM_QP_ERROR, /* AEQ: that queue pair has to be stopped */
};
/** Told by fl_ctx_dispatch() (interrupts), or by fl_qm_check(). qp: of FL_QM_QP_ERROR. */
void fl_qm_on_event(struct fl_qm *qm,
		    void (*fn)(struct fl_qm *qm, enum fl_qm_event ev, unsigned qp, void *arg),
		    void *arg);
/** Looks at the error registers now (PF) and at the AEQ: for polling users. True: it told. */
bool fl_qm_check(struct fl_qm *qm);

/* ---- queue pairs ------------------------------------------------------------------------ */

struct fl_qm_cqe {
	uint32_t reserved0;
	uint16_t cmd_id, reserved1;
	uint16_t sq_head, sq_num, reserved2;
	uint16_t w7; /* bit 0 phase, [15:1] status */
};

struct fl_qm_qp {
	/* data plane */
	uint8_t *sq; /* depth entries of FL_QM_SQE_SIZE */
	const struct fl_qm_cqe *cq;
	volatile uint64_t *db; /* NULL: no mapping, by the transport */
	uint64_t db_sq, db_cq; /* constant bits of its doorbells */
	uint16_t mask;	       /* depth - 1 */
	uint16_t sq_tail;      /* next slot to fill */
	uint16_t cq_head;      /* next completion to look at */
	uint16_t phase;	       /* that it has when it is there */
	/* control */
	uint16_t id;
	struct fl_qm *qm;
	struct fl_mem *mem;
	struct fl_dma_area *area;
	int fd;	    /* eventfd that says "armed completions came", -1 */
	bool known; /* the device has its contexts, and may use its memory */
	struct fl_qm_qp *next;
};

/**
 * Memory of a queue pair of depth entries (power of two), on a NUMA node (-1 = the device's).
 * Others of that id may stand beside it, as long as only one is started.
 */
FL_MUST int fl_qm_qp_create(struct fl_qm *qm, uint16_t id, uint16_t depth, int node, bool intr,
			    struct fl_qm_qp **out);
/** The device does not know it any more: function or queue pair stopped. */
void fl_qm_qp_destroy(struct fl_qm_qp *q);
/** Contexts to the device; rings are empty, indexes 0, phase 1. The function runs. */
FL_MUST int fl_qm_qp_start(struct fl_qm_qp *q);
/** Drains it (V2: dumps until head and tail meet; V3: by mailbox) within a bounded time. */
FL_MUST int fl_qm_qp_stop(struct fl_qm_qp *q);
/** Event at the next completion, or at once where one waits: not lost to other doorbells. */
FL_MUST int fl_qm_qp_arm(struct fl_qm_qp *q);

/** Slow path of the two below: no mapping of the doorbell. */
void fl_qm_db_write(struct fl_qm_qp *q, uint64_t v);

/** Entries up to sq_tail are the device's. Everything stored before is seen first. Data plane. */
static inline void fl_qm_ring_sq(struct fl_qm_qp *q)
{
	uint64_t v = q->db_sq | (uint64_t)q->sq_tail << 32;

	if (fl_likely(q->db != NULL)) {
		fl_dma_wmb();
		__atomic_store_n(q->db, v, __ATOMIC_RELEASE);
	} else {
		fl_qm_db_write(q, v);
	}
}

/**
 * Completions up to cq_head are taken. What is in flight and what is taken but not yet rung must
 * together stay below the depth: a device that finds no room in the CQ reports an overflow, and the
 * queue is lost. Both doorbells share an address, and a model that polls it
 * sees the last one only: so the tail is rung again after it, which a device takes for no news.
 * Call it seldom (a quarter of the ring). Data plane.
 */
static inline void fl_qm_ring_cq(struct fl_qm_qp *q)
{
	uint64_t v = q->db_cq | (uint64_t)q->cq_head << 32;

	if (fl_likely(q->db != NULL)) {
		__atomic_store_n(q->db, v, __ATOMIC_RELEASE);
		fl_qm_ring_sq(q);
	} else {
		fl_qm_db_write(q, v);
	}
}

/** The next completion's slot of the SQ, or -1 = none; then fl_qm_cq_next(). Not checked against
 *  what is in flight: the device wrote it. Data plane. */
static inline int fl_qm_cq_peek(const struct fl_qm_qp *q)
{
	const struct fl_qm_cqe *e = &q->cq[q->cq_head];

	if ((__atomic_load_n(&e->w7, __ATOMIC_ACQUIRE) & 1) != q->phase)
		return -1;
	fl_dma_rmb();
	return e->sq_head;
}

static inline void fl_qm_cq_next(struct fl_qm_qp *q)
{
	q->cq_head = (q->cq_head + 1) & q->mask;
	if (!q->cq_head)
		q->phase ^= 1;
}

#endif
