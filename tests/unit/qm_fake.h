/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A queue manager's registers without a device behind them: a VFIO transport that keeps what is
 * written, runs the mailbox and the VFT, and misbehaves where a test says so. Its engine is a toy.
 */
#ifndef QM_FAKE_H
#define QM_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <fl_dev.h>

#include "../../drivers/crypto/hisi_qm/hisi_qm.h"
#include "../../drivers/crypto/hisi_qm/hisi_qm_regs.h"
#include "../driver/fake_dma.h"

#define FQ_PF_SIZE 0x400000u
#define FQ_VF_SIZE 0x10000u
#define FQ_PAGES   16u /* of BAR 4 */
#define FQ_QPS	   1024u
#define FQ_WRITES  4096u
#define FQ_VECTORS 4u

/* registers of the toy engine */
#define TOY_START  0x301100u
#define TOY_DONE   0x301104u
#define TOY_ERRORS 0x301008u
#define TOY_ENABLE 0x301000u

struct fq_write {
	uint32_t off;
	uint64_t v;
};

struct fq {
	struct fl_vfio_dev d; /* first */
	bool vf, iso, map_db;
	uint8_t cfg[4096];
	uint32_t *regs;
	uint64_t bar2, bar4;
	int memfd; /* BAR 4 */
	uint64_t *pages;

	/* what was written to BAR 2 and, not mapped, BAR 4 (offset with bit 31) */
	struct fq_write w[FQ_WRITES];
	unsigned nw;

	/* what the driver has told it */
	uint64_t vft[3][256];
	struct qm_ctx eqc, aeqc, sqc[FQ_QPS], cqc[FQ_QPS];
	uint64_t sqc_bt, cqc_bt;
	unsigned mbs, mb[32]; /* in all, and of each command */
	unsigned resets;
	bool quiet_init; /* its memory was initialised with bus mastering off */
	int irq_fd[FQ_VECTORS];
	unsigned msi; /* vectors it has */
	int efd;

	/* misbehaviour */
	unsigned mb_fail_at; /* the n-th mailbox from now on, from 1: is refused */
	bool mb_hang;
	bool no_mem_init, no_vft, no_write_back, no_toy, no_reset, gone, ones;
	uint32_t lasting;   /* error bits that stand whatever is written */
	unsigned undrained; /* dumps until a queue is empty */
	uint64_t vf_range;
	/** after power-on: other registers */
	void (*on_power)(struct fq *f);

	/* messages: what the other side sends, and what it heard */
	uint64_t to_us, heard[16];
	unsigned nheard, from;
	bool deaf;
	/** the other side hears a message */
	void (*on_message)(struct fq *f, unsigned fn, uint64_t msg);

	struct fl_dma_domain *domain;
	struct fake_dma dma;
	char text[8192];

	/* the device at the other end */
	struct fl_ctx *ctx;
	struct fl_dev *dev;
	struct fl_qm *qm;
	unsigned inits, toy_errors, error_calls;
	int toy_rc;
	unsigned told[2], told_qp;
	void (*on_told)(struct fq *f);
};

extern const struct fl_qm_engine fq_toy;

/** A V2 or V3 function; fields may be changed before it is opened. */
void fq_init(struct fq *f, unsigned version, bool vf);
/** fl_dev_open() and fl_qm_open() with the toy engine; what the latter said. */
int fq_open(struct fq *f);
void fq_close(struct fq *f);
void fq_fini(struct fq *f);

void fq_irq(struct fq *f, unsigned vec);
/** Entry i of the event queue or the asynchronous one. */
uint32_t *fq_eqe(struct fq *f, unsigned i);
uint32_t *fq_aeqe(struct fq *f, unsigned i);
/** The other side sends: fn is the sender, as the PF sees it. */
void fq_message(struct fq *f, unsigned fn, uint64_t msg);
/** The i-th write to a register from place `from` on, or -1. */
int fq_find(const struct fq *f, unsigned from, uint32_t off, uint64_t v);
unsigned fq_count(const struct fq *f, uint32_t off);

static inline uint32_t *fq_reg(struct fq *f, uint32_t off)
{
	return &f->regs[off / 4];
}

#endif
