/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A SEC2 without a model behind it: a VFIO transport that runs the mailbox and keeps what is
 * written. The test, or the bench, plays the engine: it reads descriptors and writes completions,
 * whichever it likes.
 */
#ifndef FAKE_SEC_H
#define FAKE_SEC_H

#include <fl_dev.h>

#include "fake_dma.h"

#define FAKE_SEC_QPS 4u

struct fake_sec_q {
	uint64_t sq, cq; /* IOVAs; 0 = the device does not know it */
	uint32_t depth;
	uint16_t tail, taken; /* rung (V2); up to where fake_sec_run() has done it */
	uint16_t cq_tail, cq_head;
	uint16_t phase;
	bool armed;
};

struct fake_sec {
	struct fl_vfio_dev d; /* first */
	bool v3, vf;
	uint8_t cfg[256];
	uint32_t *regs;
	int memfd, efd;
	uint8_t *pages; /* V3: doorbells, a page a queue */
	struct fake_sec_q q[FAKE_SEC_QPS];
	bool gone;
	bool mb_hang; /* mailboxes have no end */
	unsigned msi; /* vectors that it has */
	unsigned resets, doorbells;

	struct fl_dma_domain *domain;
	struct fake_dma dma;
};

/** 0 or -errno. Registers may be changed before it is opened. */
int fake_sec_init(struct fake_sec *f, bool v3, bool vf);
void fake_sec_fini(struct fake_sec *f);
/** Adds the scheme "fake:" to a context; it opens this device. */
int fake_sec_scheme(struct fl_ctx *ctx, struct fake_sec *f);

/** The tail that was rung last. */
uint16_t fake_sec_tail(const struct fake_sec *f, unsigned q);
/** A descriptor: 32 words. */
uint32_t *fake_sec_bd(const struct fake_sec *f, unsigned q, uint16_t slot);
/** Writes a completion for that slot, at the CQ's end and with the right phase. */
void fake_sec_cqe(struct fake_sec *f, unsigned q, uint16_t slot);
/** The status word of a descriptor that went well. */
uint32_t fake_sec_good(const struct fake_sec *f, const uint32_t *bd);
/** Does nothing for at most n requests, and says that all went well; how many. */
unsigned fake_sec_run(struct fake_sec *f, unsigned q, unsigned n);
/** The device vanishes; the driver's side hears of it at the next dispatch. And comes back. */
void fake_sec_unplug(struct fake_sec *f);
void fake_sec_replug(struct fake_sec *f);

static inline uint32_t *fake_sec_reg(struct fake_sec *f, uint32_t off)
{
	return &f->regs[off / 4];
}

#endif
