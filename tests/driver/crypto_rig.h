/* SPDX-License-Identifier: BSD-3-Clause */
/* A crypto device with memory and ops, and requests laid out in every way and checked by byte. */
#ifndef CRYPTO_RIG_H
#define CRYPTO_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fl_crypto.h>

#include "crypto_ref.h"

#define RIG_OPS	  1024u /* in the pool */
#define RIG_JOBS  32u	/* requests at a time */
#define RIG_SLOT  (16u * 1024u)
#define RIG_DATA  (10u * 1024u) /* most bytes of a request, with what stands before */
#define RIG_AAD	  1024u
#define RIG_SEGS  8u
#define RIG_KEYS  256u
#define NS_PER_MS 1000000ull
/* without an op for so long, none will come: time since the last one, since a loaded machine under a
 * sanitizer may be slow without being stuck */
#define RIG_STALL_NS (20000 * NS_PER_MS)

struct rig {
	struct fl_ctx *ctx;
	struct fl_cryptodev *d;
	struct fl_cryptodev_info info;
	struct fl_op_pool *pool;
	struct fl_mem *mem;
	struct fl_dma_area *area; /* RIG_JOBS times source, destination and AAD */
	uint16_t qps, desc;
	unsigned seed;
};

/** Set before rig_open(): its area is lazy, and taken from the device before each set of jobs. */
extern bool rig_lazy;

int rig_open(struct rig *r, struct fl_ctx *ctx, const char *uri);
/** Every op is back, every session gone: fails where one leaked. */
void rig_close(struct rig *r);
/** Configures all queue pairs and starts. */
void rig_up(struct rig *r, uint16_t desc, bool intr);
/** Stops and takes out of the queue pairs what is in them. */
void rig_down(struct rig *r);

unsigned rig_rand(struct rig *r, unsigned n);
void rig_fill(struct rig *r, void *p, size_t n);

/** Enqueues all, in as many bursts as it takes (bounded in time). */
void rig_send(struct fl_qp *qp, struct fl_op **ops, unsigned n);
/** Dequeues exactly n within the time limit; fewer is a failure. */
void rig_recv(struct fl_qp *qp, struct fl_op **ops, unsigned n);
/** Both at once, for queue pairs that hold fewer. */
void rig_run(struct fl_qp *qp, struct fl_op **ops, struct fl_op **got, unsigned n);
/** Nothing comes for ms. */
void rig_recv_none(struct fl_qp *qp, unsigned ms);

/* ---- requests ------------------------------------------------------------------------------ */

/** A session both ways, with its keys. */
struct rig_keys {
	struct fl_session_conf conf; /* of enc; key and auth_key set */
	struct fl_session *enc, *dec;
	uint8_t key[64], auth_key[RIG_KEYS];
};

/**
 * Random keys of the conf's lengths; 0 or the error of fl_session_create(). dec is made where the
 * algorithm has a way back.
 */
int rig_keys(struct rig *r, const struct fl_session_conf *conf, struct rig_keys *k);
void rig_keys_free(struct rig_keys *k);
/** The first capability of a kind, and a session of its least key; false = none. */
bool rig_some_keys(struct rig *r, enum fl_algo_kind kind, struct rig_keys *k);

enum rig_layout { RIG_IN_PLACE, RIG_FLAT, RIG_SGL_IN_PLACE, RIG_SGL_IN, RIG_SGL_OUT, RIG_SGL_BOTH };
#define RIG_LAYOUTS 6u
/** Whether the device says that it can. */
bool rig_layout_ok(const struct rig *r, enum rig_layout l);

struct rig_want {
	struct rig_keys *keys;
	bool decrypt;
	uint32_t len, aad_len;
	uint32_t before; /* bytes before the payload, in source and destination */
	bool aad_apart;	 /* not directly before the payload */
	enum rig_layout layout;
};

struct job {
	struct rig_want want;
	struct fl_op *op, copy;
	struct fl_seg src[RIG_SEGS], dst[RIG_SEGS];
	uint8_t *slot;		      /* source, destination, AAD */
	uint8_t shadow[2 * RIG_SLOT]; /* what source and destination must be in the end */
	uint8_t aad[RIG_AAD], digest[FL_DIGEST_MAX];
};

/** Lays out request i (below RIG_JOBS) with random data; op is taken from the pool. */
void job_make(struct rig *r, struct job *j, unsigned i, const struct rig_want *w);
/** Fails unless it came back with this status; of FL_OP_OK every byte is checked. */
void job_check(struct job *j, enum fl_op_status want);
/** Checks that what must never change has not: memory around, the op's own fields. */
void job_check_around(struct job *j);
/** Makes, sends, receives and checks n of them on queue pair 0. */
void jobs_run(struct rig *r, const struct rig_want *w, unsigned n);

#endif
