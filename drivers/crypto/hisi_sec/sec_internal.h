/* SPDX-License-Identifier: BSD-3-Clause */
/* HiSilicon SEC2: the device, its sessions, its queue pairs. */
#ifndef SEC_INTERNAL_H
#define SEC_INTERNAL_H

#include <fl_crypto_driver.h>
#include <fl_dma_post.h>

#include "../hisi_qm/hisi_qm.h"
#include "sec_bd.h"

#define sec_err(s, ...)	 fl_err((s)->dev.log, "hisi_sec", __VA_ARGS__)
#define sec_warn(s, ...) fl_warn((s)->dev.log, "hisi_sec", __VA_ARGS__)
#define sec_info(s, ...) fl_info((s)->dev.log, "hisi_sec", __VA_ARGS__)

/* kept out of the bursts, whose registers it would take from the common case */
#define SEC_APART    __attribute__((noinline))

#define SEC_SEGS_MAX 255u

extern const struct fl_qm_engine fl_sec_engine;
bool fl_sec_can_prefetch(struct fl_qm *qm);
extern const struct fl_driver fl_sec_driver;

/** Pinned memory of the device's space. */
struct fl_sec_mem {
	struct fl_mem *mem;
	struct fl_dma_area *area;
};

struct fl_sec {
	struct fl_cryptodev dev; /* first */
	struct fl_qm *qm;
	bool v3;
	bool intr;     /* it has the MSI vectors for events */
	bool prefetch; /* V3: a BD may ask for translations early */
	bool stuck;    /* queues did not stop: a reset is due before the next start */
	bool told;     /* FL_CRYPTO_ERROR, since the last start */
	uint64_t watch_ticks;
	uint64_t alg_bits; /* what the device says that it has */
	char chip[24];
	struct fl_crypto_cap caps[FL_ALGO_MAX]; /* ends with FL_ALGO_NONE, which is no algorithm */
	struct fl_sec_keys *keys;
};

static inline struct fl_sec *fl_sec_of(const struct fl_cryptodev *d)
{
	return (struct fl_sec *)d;
}

FL_MUST int fl_sec_mem_alloc(struct fl_sec *s, uint64_t len, int node, struct fl_sec_mem *m);
void fl_sec_mem_free(struct fl_sec *s, struct fl_sec_mem *m);

/** FL_CRYPTO_ERROR, once a start; enqueue takes nothing until the reset. Any thread. */
void fl_sec_failed(struct fl_sec *s);

/* ---- sec_caps.c: algorithms ------------------------------------------------------------- */

struct fl_sec_algo {
	struct fl_crypto_cap cap; /* as V3 has it */
	uint8_t c_alg, c_mode, c_width, ctr_or_xts, a_alg;
	uint8_t state;	 /* digests: words of mac_len in parts of a stream; HMAC always full */
	uint8_t len_min; /* ciphers: of the payload */
	uint8_t bit;	 /* of the device's algorithm bitmap, SEC_NO_BIT = it says nothing of it */
	bool v2;	 /* BD2 can say it */
};
const struct fl_sec_algo *fl_sec_algo(enum fl_algo a);
/** Fills s->caps with what this function can do. */
void fl_sec_caps_init(struct fl_sec *s);
/** Cipher, then MAC: the pairs that there are. */
bool fl_sec_chain_ok(const struct fl_sec *s, const struct fl_session_conf *c);

/* ---- sec_keys.c: keys in pinned memory ---------------------------------------------------- */

#define SEC_KEY_C 64u /* bytes of a slot for the cipher's key, and for the MAC's */
#define SEC_KEY_A 128u

struct fl_sec_key {
	struct fl_sec_keys *slab;
	uint8_t *va; /* the cipher's, then the MAC's */
	fl_iova_t iova;
};
FL_MUST int fl_sec_key_get(struct fl_sec *s, struct fl_sec_key *k);
/** Wipes it. */
void fl_sec_key_put(struct fl_sec_key *k);
void fl_sec_keys_free(struct fl_sec *s);
/** The key as the device takes it, at most a hash block; *len in and out. */
FL_MUST int fl_sec_hmac_key(enum fl_algo hmac, unsigned block, const uint8_t *key, unsigned *len,
			    uint8_t out[SEC_KEY_A]);

/* ---- sec_session.c ------------------------------------------------------------------------ */

enum fl_sec_path { SEC_PATH_CIPHER, SEC_PATH_AUTH, SEC_PATH_GCM, SEC_PATH_CCM, SEC_PATH_CHAIN };

struct fl_sec_session {
	struct fl_session s; /* first; the core's */

	/* data plane: nothing in it changes */
	uint32_t len_min FL_CACHE_ALIGNED;
	uint32_t len_span, len_mask; /* payload: len - min <= span, no bit of the mask */
	uint32_t ok_mask, ok;	     /* status word of a BD that went well */
	uint32_t aad_max;
	uint8_t path;	/* enum fl_sec_path */
	bool empty;	/* ciphers: no bytes are no work; chains: but for the MAC of the AAD */
	bool one_block; /* ciphertext stealing: a single block is CBC's, and has a BD of its own */
	uint8_t iv_len, digest_len;
	bool verify; /* SEC_PATH_AUTH: compared by us */
	bool stream;
	uint16_t hash_block;
	struct fl_sec_bd bd[4]; /* by stage; those of parts only where stream */
#define SEC_BD_ONE_BLOCK 1u	/* where one_block */
#define SEC_BD_AAD_MAC	 1u	/* chains */

	/* control */
	struct fl_sec_key key;
};

int fl_sec_session_create(struct fl_cryptodev *d, const struct fl_session_conf *c,
			  struct fl_session **out);
void fl_sec_session_destroy(struct fl_session *s);

/* ---- sec_qp.c, sec_enqueue.c, sec_dequeue.c, sec_sgl.c ------------------------------------- */

/* what a request needs beside its BD, in pinned memory: a slot of the ring has one */
#define SEC_SIDE_SHIFT 9u
#define SEC_SIDE_IV    0u   /* GCM, GMAC: IV and zeros; CCM: first counter block */
#define SEC_SIDE_B0    16u  /* CCM: block B0 */
#define SEC_SIDE_MAC   64u  /* verified digests: what the device computed, 64 bytes */
#define SEC_SIDE_SGL   128u /* two SGLs */
#define SEC_SGL_HEAD   64u
#define SEC_SGE	       32u
#define SEC_SGL_INLINE 4u /* entries of those */
#define SEC_SGL_BYTES  (SEC_SGL_HEAD + SEC_SGL_INLINE * SEC_SGE)
_Static_assert(SEC_SIDE_SGL + 2 * SEC_SGL_BYTES <= 1u << SEC_SIDE_SHIFT, "a slot's");
_Static_assert(SEC_SGL_BYTES % 64 == 0, "alignment of the second");
#define SEC_CHUNK	 1024u /* further SGLs of a chain */
#define SEC_CHUNK_SGES	 ((SEC_CHUNK - SEC_SGL_HEAD) / SEC_SGE)
#define SEC_CHUNK_NONE	 UINT16_MAX
#define SEC_CHUNKS_AN_OP 20u /* two sides of 255 segments, AAD, and cuts at 8 MiB */

/** What stands in a slot of the SQ. mask 0 and ok 1: no answer is a plain "went well". */
struct fl_sec_slot {
	struct fl_op *op;
	uint32_t mask, ok;
};
/** Of requests with mask 0. */
struct fl_sec_odd {
	uint32_t mask, ok;
	uint16_t chunks; /* first of its chain in the pool of SGLs */
	uint8_t status;	 /* FL_OP_PENDING; else it was decided at enqueue */
	uint8_t verify;	 /* bytes of digest that we compare */
};

struct fl_sec_qp {
	struct fl_qp qp; /* first */
	struct fl_qm_qp *hw;
	struct fl_sec_slot *slots;
	const struct fl_dma_space *space;
	/* bits of an area's residency that the device cannot have unannounced: FL_LAZY, or none
	 * where it faults */
	uint32_t posted;
	uint16_t tail, head; /* running numbers: slot = number & mask; [head, tail) in flight */
	uint16_t mask, cap;  /* cap: how many may be in flight */
	uint16_t unrung;     /* completions taken since the CQ doorbell */
	uint16_t done_too;   /* from head on: told by a completion, not handed out yet */
	bool v3, prefetch, running;
	uint16_t put; /* requests up to here stand in the ring, be they rung or not */

	/* pinned memory beside the ring */
	uint8_t *side;
	fl_iova_t side_iova;
	struct fl_sec_odd *odd;
	uint8_t *chunk_va;
	fl_iova_t chunk_iova;
	uint16_t *chunk_next; /* list of free ones, lists of requests */
	uint16_t chunk_free;

	/* is the device at work? See watch() */
	bool watching;
	uint64_t watch_done, watch_last, watch_idle;

	/* in flight when the device was stopped, not dequeued yet; statuses are set */
	struct fl_op **parked;
	uint16_t nparked, parked_at;

	struct fl_qp_stats stats; /* written by the thread that polls, read by any */
	struct fl_sec_mem mem;
	struct fl_dma_queue posting;
};

static inline struct fl_sec_qp *fl_sec_qp_of(struct fl_qp *qp)
{
	return (struct fl_sec_qp *)qp;
}

static inline struct fl_sec_bd *fl_sec_bd_at(const struct fl_sec_qp *q, uint16_t slot)
{
	return (struct fl_sec_bd *)q->hw->sq + slot;
}

/** All completions that were taken: their room is the device's. Data plane. */
static inline void fl_sec_ring_cq(struct fl_sec_qp *q)
{
	q->unrung = 0;
	fl_qm_ring_cq(q->hw);
	fl_stat_add(&q->stats.doorbells, 1);
}

int fl_sec_qp_setup(struct fl_cryptodev *d, uint16_t id, const struct fl_qp_conf *c,
		    struct fl_qp **out);
void fl_sec_qp_release(struct fl_qp *qp);
/** Rings are empty, contexts the device's; fl_sec_qp_run() then lets bursts in. */
FL_MUST int fl_sec_qp_start(struct fl_sec_qp *q);
void fl_sec_qp_run(struct fl_sec_qp *q);
/** The device does nothing more: what was in flight is parked, done or aborted. */
void fl_sec_qp_park(struct fl_sec_qp *q);
int fl_sec_qp_wait_fd(struct fl_qp *qp);
int fl_sec_qp_arm(struct fl_qp *qp);
int fl_sec_qp_stats(struct fl_qp *qp, struct fl_qp_stats *out);

uint16_t fl_sec_enqueue_v2(struct fl_qp *qp, struct fl_op **ops, uint16_t n);
uint16_t fl_sec_enqueue_v3(struct fl_qp *qp, struct fl_op **ops, uint16_t n);
uint16_t fl_sec_enqueue_v3_prefetch(struct fl_qp *qp, struct fl_op **ops, uint16_t n);
uint16_t fl_sec_dequeue_v2(struct fl_qp *qp, struct fl_op **ops, uint16_t n);
uint16_t fl_sec_dequeue_v3(struct fl_qp *qp, struct fl_op **ops, uint16_t n);
/** Hands out what was parked, and then becomes one of the others. */
uint16_t fl_sec_dequeue_parked(struct fl_qp *qp, struct fl_op **ops, uint16_t n);
/** What the queue pair dequeues with when nothing is parked. */
static inline uint16_t (*fl_sec_dequeue_of(const struct fl_sec_qp *q))(struct fl_qp *qp,
								       struct fl_op **ops,
								       uint16_t n)
{
	return q->v3 ? fl_sec_dequeue_v3 : fl_sec_dequeue_v2;
}
/** Sets the op's status by what stands in its BD; frees its SGLs. `gone` where nothing stands. */
void fl_sec_settle(struct fl_sec_qp *q, uint16_t number, enum fl_op_status gone);

/** One side of a request: where its bytes are. */
struct fl_sec_span {
	const struct fl_seg *segs;
	uint16_t nsegs;
	unsigned prot; /* that its areas must have */
	uint32_t off, len;
};
/**
 * Finds the bytes of the span, behind those of aad (NULL or empty: nothing before them): *sgl says
 * whether *addr is an SGL's. aad_before: where the span is flat and aad itself is not directly
 * before it, the same bytes before it stand for the AAD.
 * *addr stays as it is where there are no bytes at all.
 * @which   of the slot's two SGLs
 * @chunks  list that further SGLs are added to
 * 0, -EINVAL (the segments have no such bytes), -EFAULT (an area has no such segment), -EAGAIN (no
 * room now, or not resident).
 */
FL_MUST int fl_sec_map(struct fl_sec_qp *q, uint16_t slot, unsigned which,
		       const struct fl_sec_span *sp, const struct fl_seg *aad, bool aad_before,
		       uint16_t *chunks, uint64_t *addr, bool *sgl);
/** Says which lazy memory may not go, see sec_post.c. */
extern const struct fl_dma_queue_ops fl_sec_posted;
/**
 * Posts all segments of an op, so that fl_sec_map() finds them resident; requests up to `number`
 * stand in the ring. In a section, and in another when it returns. As fl_dma_post().
 */
FL_MUST int fl_sec_post(struct fl_sec_qp *q, const struct fl_op *op, uint16_t number);
void fl_sec_chunks_free(struct fl_sec_qp *q, uint16_t *chunks);

#endif
