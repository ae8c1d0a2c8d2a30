/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The queue manager half of the SEC2 model. A chip is what all functions share: the table of queue
 * ranges (VFT), error bits, messages; it goes with its last function. Everything runs in the model
 * engine's thread.
 */
#ifndef HISI_QM_INTERNAL_H
#define HISI_QM_INTERNAL_H

#include <stdlib.h>
#include <string.h>

#include "hisi_sec_internal.h"
#include "qm_regs.h"

#define SECM_QPS     1024u /* the pool, and the most that a function gets */
#define SECM_FUNS    64u
#define SECM_DB_PAGE 0x10000u
#define SECM_SLOTS   256u	/* descriptors that a function works on at a time */
#define SECM_BATCH   32u	/* descriptors taken of a queue at a time */
#define SECM_NO_DB   UINT64_MAX /* no doorbell has this value */

/* ---- fault injection ----------------------------------------------------------------------- */

enum secm_fault {
	F_LOST,	   /* no CQE */
	F_DUP,	   /* two */
	F_TAG,	   /* another tag in the BD */
	F_PHASE,   /* a CQE of the wrong phase */
	F_SQ_HEAD, /* a CQE that names a slot beyond the ring */
	F_BD,	   /* error_type in a BD */
	F_ICV,	   /* MAC mismatch */
	F_QSTOP,   /* that queue moves no more */
	F_STALL,   /* nor does anything else: no doorbell is looked at */
	F_MB_BUSY, /* a mailbox that never ends */
	F_MB_FAIL, /* a mailbox that fails */
	F_RESET,   /* memory initialisation that never ends */
	F_ONES,	   /* all registers read as ones, from the nth read on */
	F_PR_LOST, /* the answer to what was asked for is lost: that BD ends with a fault */
	F_COUNT
};

struct secm_inject {
	uint32_t every, at, count;
};

/* ---- queues -------------------------------------------------------------------------------- */

struct secm_slot {
	struct secm_slot *next;
	struct secm_job *job;
	uint16_t idx;	/* in the SQ */
	bool completed; /* nothing to run */
	uint8_t bd[SECM_BD_SIZE];
};

/** Where a ring stands: an index and the signature that flips when it wraps. */
struct secm_pos {
	uint16_t idx;
	bool sig;
};

struct secm_qp {
	uint64_t seen; /* doorbell word that was last taken, where doorbells are memory */
	uint32_t sq_depth, cq_depth;
	uint64_t sq_base, cq_base;
	struct secm_pos sq_head, sq_tail; /* next to take; doorbell */
	struct secm_pos cq_head, cq_tail; /* doorbell; next to write */
	uint32_t cq_used;		  /* CQEs that are not known to be consumed */
	uint16_t sq_random, cq_random;
	bool sq_ok, cq_ok; /* a context is cached */
	bool active;	   /* in the function's list */
	bool closed;	   /* doorbells are discarded */
	bool stuck;	   /* an error or F_QSTOP: until it is configured again */
	bool full;	   /* CQ overflow is reported */
	bool c_flag;
	uint32_t inflight;
	struct secm_slot *parked; /* at sq_head, which waits for pages before it is taken */
	struct secm_slot *first, **last;
	struct fl_model_tlb sq_tlb, cq_tlb;
	uint32_t sqc[8], cqc[8]; /* as software wrote them */
	uint32_t nsqe, ncqe;
};

struct secm_eq {
	uint32_t raw[7];
	uint64_t base;
	uint32_t depth;
	struct secm_pos head, tail;
	bool on;
	bool source, fired;
	unsigned vec;
	uint32_t mask_reg;
};

/* ---- functions and chips ------------------------------------------------------------------- */

struct secm_chip {
	unsigned refs;
	struct secm *fn[SECM_FUNS]; /* [0] = PF; NULL = not there */
	bool own_pf;		    /* a VF alone: what its PF did is taken as done */
	bool mem_ok, sec_ok;	    /* memories were initialised: a function reset leaves them so */
	bool master_off;
	uint32_t err, err_told, sec_err, sec_err_told, inf00, inf01;
	uint64_t vft[SECM_FUNS][2], shaper[128];
	uint64_t to_vf[SECM_FUNS], to_pf[SECM_FUNS]; /* messages */
	uint64_t not_acked, from_vf;		     /* bit n: VF n */
	uint32_t qps;
};

#define SECM_REGS_FN 0x10000u
#define SECM_REGS_P  0x5000u /* from P_BASE */
#define SECM_REGS_A  0x3000u /* from A_BASE */
#define SECM_REGS    (SECM_REGS_FN + SECM_REGS_P + SECM_REGS_A)

struct secm {
	struct fl_model *m;
	struct secm_env env;
	struct secm_chip *chip;
	struct secm_workers *workers;
	unsigned nworkers, fn;
	bool isolation, db_poll, paused, stalled, ones, caps;
	unsigned pages;	    /* doorbell pages of BAR4 */
	uint8_t *db_mem;    /* their memory; NULL: they trap */
	uint32_t nq;	    /* queues that the VFT gives */
	uint32_t *regs;	    /* SECM_REGS bytes */
	struct secm_qp *qp; /* SECM_QPS */
	uint16_t *active;   /* queues to look at */
	unsigned nactive, turn;
	unsigned running; /* jobs that were given and not finished */
	unsigned nparked;
	struct secm_slot *slots, *free;
	uint64_t sqc_bt, cqc_bt;
	bool sqc_bt_ok, cqc_bt_ok;
	struct secm_eq eq, aeq;
	/* a mailbox that waits for queues to drain: STOP_QP, FLUSH_QP, FLUSH_QM, CLOSE_QM */
	bool mb_wait;
	bool ifc; /* VF: a message waits */
	uint32_t nmb, ndb, counter;
	uint32_t stat[P_STAT_N];
	struct secm_inject inject[F_COUNT];
};

/** Storage of a register that exists. */
static inline uint32_t *fl_secm_reg(struct secm *f, uint32_t off)
{
	if (off < SECM_REGS_FN)
		return &f->regs[off / 4];
	if (off < A_BASE)
		return &f->regs[(SECM_REGS_FN + (off - P_BASE)) / 4];
	return &f->regs[(SECM_REGS_FN + SECM_REGS_P + (off - A_BASE)) / 4];
}

static inline bool fl_secm_v3(const struct secm *f)
{
	return f->env.version >= 0x30;
}

/* ---- regs.c -------------------------------------------------------------------------------- */

void fl_secm_regs_reset(struct secm *f);
uint64_t fl_secm_bar2_read(struct secm *f, uint64_t off, unsigned size);
void fl_secm_bar2_write(struct secm *f, uint64_t off, unsigned size, uint64_t v);

/* ---- vft.c --------------------------------------------------------------------------------- */

/** The access that the PF's registers describe. */
void fl_secm_vft_go(struct secm *pf);
/** What the table says of that function, for it to hold to. */
void fl_secm_vft_apply(struct secm_chip *c, unsigned fn);
void fl_secm_vft_clear(struct secm_chip *c);
/** Memory initialisation: tables, contexts, mailboxes of all functions. */
void fl_secm_mem_init(struct secm_chip *c);

/* ---- mailbox.c ----------------------------------------------------------------------------- */

void fl_secm_mailbox(struct secm *f);
/** Goes on with one that waits; true when it ended. */
bool fl_secm_mailbox_poll(struct secm *f);

/* ---- ctx.c: 0, or a mailbox status --------------------------------------------------------- */

enum secm_mb_status { ST_OK, ST_COMMAND, ST_QUEUE, ST_CONTEXT, ST_DMA };

unsigned fl_secm_ctx_set(struct secm *f, bool cq, unsigned qn, uint64_t iova);
unsigned fl_secm_ctx_dump(struct secm *f, bool cq, unsigned qn, uint64_t iova);
/** Both contexts are cached when this returns true: from the tables if need be. */
bool fl_secm_ctx_load(struct secm *f, unsigned qn);
/** Writes all back into the tables and forgets them. */
void fl_secm_ctx_write_back(struct secm *f);
unsigned fl_secm_eqc_set(struct secm *f, struct secm_eq *q, uint64_t iova);
unsigned fl_secm_eqc_dump(struct secm *f, struct secm_eq *q, uint64_t iova);
uint32_t fl_secm_eqc_word(const struct secm_eq *q, unsigned i);
void fl_secm_eqc_write_word(struct secm_eq *q, unsigned i, uint32_t v);

/* ---- doorbell.c ---------------------------------------------------------------------------- */

/** page: of BAR4, or -1. */
void fl_secm_doorbell(struct secm *f, int page, uint64_t v);
void fl_secm_doorbell_event(struct secm *f, uint64_t v);
/** Takes the doorbell word of a queue whose doorbells are memory; whether it was new. */
bool fl_secm_look(struct secm *f, unsigned qn);
/** What is in the word now counts no more. */
void fl_secm_forget_doorbell(struct secm *f, unsigned qn);

/* ---- queue.c ------------------------------------------------------------------------------- */

unsigned fl_secm_poll(struct secm *f);
void fl_secm_activate(struct secm *f, unsigned qn);
void fl_secm_deactivate(struct secm *f, unsigned qn);
/** Runs and finishes what was taken of a queue; nothing waits for pages any more. */
void fl_secm_settle(struct secm *f, unsigned qn);
void fl_secm_settle_all(struct secm *f);
/** Every job has run when this returns: none uses the client's memory. */
void fl_secm_quiesce(struct secm *f);
/** Gives all up; the jobs have run. */
void fl_secm_drop_all(struct secm *f);
/** True when nothing that was rung for is left. */
bool fl_secm_drained(struct secm *f, unsigned qn);
static inline uint32_t fl_secm_waiting(const struct secm_qp *q)
{
	return q->sq_tail.idx >= q->sq_head.idx ? (uint32_t)q->sq_tail.idx - q->sq_head.idx
						: q->sq_depth - q->sq_head.idx + q->sq_tail.idx;
}
static inline void fl_secm_advance(struct secm_pos *p, uint32_t depth)
{
	/* an EQ of 65536 wraps too */
	if (p->idx + 1u < depth) {
		p->idx++;
	} else {
		p->idx = 0;
		p->sig = !p->sig;
	}
}

/* ---- event.c ------------------------------------------------------------------------------- */

void fl_secm_event_reset(struct secm *f);
/** The queue's CQ has something and is armed. */
void fl_secm_event(struct secm *f, unsigned qn);
void fl_secm_aeqe(struct secm *f, unsigned qn, unsigned type);
void fl_secm_eq_doorbell(struct secm *f, struct secm_eq *q, uint32_t head);
/** Mask or source changed. */
void fl_secm_eq_irq(struct secm *f, struct secm_eq *q);
void fl_secm_qm_error(struct secm *f, uint32_t bits);
/** A ring or context at fault: AXI error bits and which doorbell hangs. */
void fl_secm_dma_error(struct secm *f, bool write, unsigned type, unsigned qn);
void fl_secm_sec_error(struct secm *f, uint32_t bits);
void fl_secm_abnormal(struct secm_chip *c);

/* ---- message.c ----------------------------------------------------------------------------- */

unsigned fl_secm_msg_send(struct secm *f, unsigned to, uint64_t msg);
unsigned fl_secm_msg_read(struct secm *f, unsigned from, uint64_t *msg);
void fl_secm_msg_ring_vfs(struct secm *pf);
void fl_secm_msg_ring_pf(struct secm *vf);
/** The VF has taken its message; the PF those of the VFs in `bits`. */
void fl_secm_msg_ack_vf(struct secm *vf);
void fl_secm_msg_ack_pf(struct secm *pf, uint64_t bits);
bool fl_secm_msg_pending(const struct secm *f);
void fl_secm_msg_irq(struct secm *f);

/* ---- inject.c ------------------------------------------------------------------------------ */

extern const char fl_secm_inject_help[];
/**
 * Faults from now on: "KIND", "KIND:N" (each nth), "KIND@N" (once, the nth), joined by '+'; "none"
 * ends them. -EINVAL with a message. In the model engine's thread (fl_engine_call()).
 */
int fl_secm_inject(struct secm *f, const char *list);
bool fl_secm_inject_hit(struct secm *f, enum secm_fault kind);
static inline bool fl_secm_hit(struct secm *f, enum secm_fault kind)
{
	return fl_unlikely(f->inject[kind].every | f->inject[kind].at) &&
	       fl_secm_inject_hit(f, kind);
}

#endif
