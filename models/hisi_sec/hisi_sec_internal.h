/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HiSilicon SEC2 model inside: two halves and what they say to each other.
 *
 * The queue manager half (registers, mailbox, contexts, doorbells, completion and event queues)
 * and all DMA translation run in the model engine's thread. The engine half turns a descriptor (BD)
 * into a job: which host memory, which keys, what to do; jobs are computed by worker threads, or by
 * the model engine's thread when it has nothing else to do, and see host pointers only. A queue's
 * jobs are finished in the order in which they were begun, in the model engine's thread: bounced
 * memory, BD write-back, then the CQE.
 *
 * Data, keys, IVs, MACs and SGLs may be in memory that is not there yet. Then the job asks for
 * pages and is parked, the oldest of its queue, and begins again from its BD; other queues go on.
 * Rings and contexts never wait: memory that is missing there is an error.
 *
 * Host pointers live from fl_secm_job_begin() to the end of fl_secm_job_run(): before a client's
 * mapping goes, lib/model asks the model to let its jobs end (fl_model_ops.quiesce).
 */
#ifndef HISI_SEC_INTERNAL_H
#define HISI_SEC_INTERNAL_H

#include <fl_model.h>

#define SECM_BD_SIZE 128u

struct secm; /* a function; the queue manager half's */
struct secm_job;
struct secm_cache;
struct secm_workers;

/* ---- engine half: bd.c, sgl.c, run*.c ---------------------------------------------------- */

/** What the engine half needs of a function. */
struct secm_env {
	struct fl_model *m;
	const struct fl_model_iommu *mmu;
	uint8_t version;   /* 0x21, 0x30 */
	uint32_t *counter; /* BDs finished: goes into each BD; NULL = leave that field alone */
	size_t lent;	   /* bytes of large allocations that jobs hold: theirs, 0 at first */
};

enum secm_begin {
	SECM_RUN,	/* give it to a worker, or run it */
	SECM_COMPLETED, /* nothing to compute: finish it at once (invalid bit, bad BD, bad address)
			 */
	SECM_BUSY,	/* no memory for it now: try again later */
	SECM_PARKED,	/* pages were asked for: go on with fl_secm_job_resume() */
};

enum secm_finish {
	SECM_DONE,
	SECM_FAILED,  /* BD error: sets SEC error bit 7 */
	SECM_NOT_YET, /* pages were asked for, that its results go to: try again later */
};

/** A job to be used again and again, by one thread at a time; NULL = no memory. */
struct secm_job *fl_secm_job_new(void);
void fl_secm_job_free(struct secm_job *j);

/** Model engine's thread: reads the BD (a copy of ours), its keys, IV and SGLs; finds the memory.
 */
enum secm_begin fl_secm_job_begin(struct secm_env *env, struct secm_job *j,
				  const uint8_t bd[SECM_BD_SIZE]);
/** For one that is parked: the same, once what it asked for was answered. */
enum secm_begin fl_secm_job_resume(struct secm_env *env, struct secm_job *j);
/** Ciphers with their keys ready, a thread's own; NULL = no memory. */
struct secm_cache *fl_secm_cache_new(void);
void fl_secm_cache_free(struct secm_cache *c);
/** Any thread: computes, with that thread's cache. No DMA, no model calls. */
void fl_secm_job_run(struct secm_job *j, struct secm_cache *c);
/**
 * Model engine's thread: brings results that could not be written directly to the client's memory
 * and writes done, icv, flag, error_type and so on into bd.
 */
enum secm_finish fl_secm_job_finish(struct secm_env *env, struct secm_job *j,
				    uint8_t bd[SECM_BD_SIZE]);
/** It ends with a fault, and does not wait for what it asked for. */
void fl_secm_job_fault(struct secm_env *env, struct secm_job *j);

/**
 * For a job that was begun and will not be finished: gives up its page requests, gives back what it
 * holds beyond a little. All jobs of a function together hold 64 MiB of that; one that needs more
 * is busy meanwhile.
 */
void fl_secm_job_drop(struct secm_env *env, struct secm_job *j);

/* ---- workers.c ---------------------------------------------------------------------------- */

/** Threads where nobody says how many: by the processors there are. */
unsigned fl_secm_workers_default(void);
/**
 * n threads (0 = none). Who gives jobs helps (fl_secm_workers_help()) until they have been run,
 * whatever n is: small jobs do not wake a sleeping thread. 0 or -errno.
 */
int fl_secm_workers_create(unsigned n, struct secm_workers **out);
/** Ends the threads; jobs that were given have been run. */
void fl_secm_workers_destroy(struct secm_workers *w);
/** Gives jobs; how many were taken (a prefix). */
unsigned fl_secm_workers_give(struct secm_workers *w, struct secm_job **jobs, unsigned n);
/** Runs at most n waiting jobs in this thread; how many. */
unsigned fl_secm_workers_help(struct secm_workers *w, unsigned n);
/** True once the job was run: what it wrote is seen. */
bool fl_secm_job_ran(const struct secm_job *j);

#endif
