/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Crypto devices: open, configure, queue pairs, sessions, operations in bursts.
 *
 * Life: fl_cryptodev_open -> configure -> qp set-up -> start -> sessions and bursts -> stop ->
 * close.
 *
 * Threads: control calls are one thread at a time a device; bursts go on during those that do not
 * say otherwise. A queue pair is used by one thread at a time, different ones by different threads.
 * A session can be named by ops on all queue pairs of its device at once, from all their threads,
 * with no lock: it holds keys made ready, is only read once it is created, and has nothing of a
 * request. Creating and destroying sessions are control calls, allowed from open to close, running
 * or not; bursts that name others go on.
 *
 * The burst contract is that of packets: the count returned is the prefix that was taken, the rest
 * stays the caller's; a burst never waits; an error belongs to the op (its status), not to the
 * burst. Ops of a queue pair come back in the order in which they were given.
 */
#ifndef FL_CRYPTO_H
#define FL_CRYPTO_H

#include <fl_dev.h>
#include <fl_ring.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fl_cryptodev;
struct fl_session;
struct fl_op_pool;

/* ---- algorithms ------------------------------------------------------------------------ */

enum fl_algo {
	FL_ALGO_NONE,
	/* ciphers */
	FL_AES_ECB,
	FL_AES_CBC,
	FL_AES_CTR,
	FL_AES_CFB,
	FL_AES_OFB,
	FL_AES_XTS,
	FL_AES_CBC_CS1,
	FL_AES_CBC_CS2,
	FL_AES_CBC_CS3,
	FL_SM4_ECB,
	FL_SM4_CBC,
	FL_SM4_CTR,
	FL_SM4_CFB,
	FL_SM4_OFB,
	FL_SM4_XTS,
	FL_SM4_XTS_GB,
	FL_SM4_CBC_CS1,
	FL_SM4_CBC_CS2,
	FL_SM4_CBC_CS3,
	FL_DES_ECB,
	FL_DES_CBC,
	FL_3DES_ECB,
	FL_3DES_CBC,
	/* digests */
	FL_MD5,
	FL_SHA1,
	FL_SHA224,
	FL_SHA256,
	FL_SHA384,
	FL_SHA512,
	FL_SHA512_224,
	FL_SHA512_256,
	FL_SM3,
	/* keyed digests, in the digests' order */
	FL_HMAC_MD5,
	FL_HMAC_SHA1,
	FL_HMAC_SHA224,
	FL_HMAC_SHA256,
	FL_HMAC_SHA384,
	FL_HMAC_SHA512,
	FL_HMAC_SHA512_224,
	FL_HMAC_SHA512_256,
	FL_HMAC_SM3,
	FL_AES_CMAC,
	FL_AES_XCBC_MAC_96,
	FL_AES_XCBC_PRF_128,
	FL_AES_GMAC,
	/* both at once */
	FL_AES_GCM,
	FL_AES_CCM,
	FL_SM4_GCM,
	FL_SM4_CCM,
	FL_ALGO_MAX
};

enum fl_algo_kind { FL_KIND_NONE, FL_KIND_CIPHER, FL_KIND_DIGEST, FL_KIND_MAC, FL_KIND_AEAD };

/** min, min + inc, ... max; inc 0 = min and max only. */
struct fl_sizes {
	uint16_t min, max, inc;
};
FL_API bool fl_sizes_have(const struct fl_sizes *s, unsigned v);

/** What holds of an algorithm whatever computes it. */
struct fl_algo_info {
	const char *name; /* "aes-cbc", "sha2-256-hmac": as dpdk-test-crypto-perf writes them */
	enum fl_algo_kind kind;
	uint8_t block;	    /* bytes that the input length must be a multiple of; 1 = any length */
	uint8_t least;	    /* bytes of input at least; less is FL_OP_INVALID (but see `empty`) */
	uint8_t iv;	    /* usual bytes of IV, 0 = none */
	uint8_t digest;	    /* full bytes of digest or tag, 0 = none */
	uint8_t hash_block; /* streamed digests: parts but the last are multiples of it; 0 = no */
	struct fl_sizes keys, ivs, digests; /* that there are; a device may have fewer */
};
/** NULL for FL_ALGO_NONE and what is no algorithm. */
FL_API const struct fl_algo_info *fl_algo_info(enum fl_algo a);
/** By name, FL_ALGO_NONE where there is none. */
FL_API enum fl_algo fl_algo_find(const char *name);

/** One algorithm as a device can do it. */
struct fl_crypto_cap {
	enum fl_algo algo;
	struct fl_sizes key, iv, digest;
	uint32_t aad_max; /* of AEAD; of a MAC: in chains */
	uint32_t len_max; /* bytes of one op, AAD included */
	bool empty;	  /* takes 0 bytes, of payload and AAD too; a chain: if both of it do */
	bool stream;	  /* digest in parts */
};

/* features of a device */
#define FL_CRYPTO_SGL_IN_PLACE (1ull << 0)
#define FL_CRYPTO_SGL_OUT      (1ull << 1) /* segmented input or output, out of place */
#define FL_CRYPTO_CHAIN_EA     (1ull << 2) /* cipher, then MAC of the ciphertext, and back */
#define FL_CRYPTO_CHAIN_AE     (1ull << 3) /* MAC of the plaintext, then cipher, and back */
#define FL_CRYPTO_INTERRUPT    (1ull << 4) /* a queue pair can wait for completions */
#define FL_CRYPTO_HW	       (1ull << 5)
#define FL_CRYPTO_FAULTS       (1ull << 6) /* data may fault in */
FL_API const char *fl_crypto_feature_name(unsigned bit);

struct fl_cryptodev_info {
	const char *driver; /* "crypto_hisi_sec" */
	const char *chip;   /* "SEC2 V3 PF", "OpenSSL 3.0.17", ... */
	uint64_t features;
	uint16_t qp_max;
	uint16_t desc_min, desc_max;	  /* ops that a queue pair holds; powers of two */
	uint16_t segs_max;		  /* segments of one side of an op */
	const struct fl_crypto_cap *caps; /* ends with FL_ALGO_NONE */
};

/* ---- devices --------------------------------------------------------------------------- */

/**
 * Opens by URI: pci:, vfio-user:, model: as in fl_dev.h, or soft:[openssl|ipsec-mb] for the
 * software device (best there is when nothing is named).
 * Errors: those of fl_dev_open(); -ENOTSUP when no driver knows the id.
 */
FL_API FL_MUST int fl_cryptodev_open(struct fl_ctx *ctx, const char *uri,
				     struct fl_cryptodev **out);
/** Stops where needed: ops in flight are dropped, never touched again. Sessions must be destroyed
 *  before. No burst may run meanwhile. */
FL_API void fl_cryptodev_close(struct fl_cryptodev *d);
/** The i-th open crypto device of a context, NULL past the last. */
static inline struct fl_cryptodev *fl_cryptodev_at(const struct fl_ctx *ctx, unsigned i)
{
	return (struct fl_cryptodev *)fl_ctx_item(ctx, FL_ITEM_CRYPTODEV, i);
}
FL_API const char *fl_cryptodev_uri(const struct fl_cryptodev *d);
FL_API void fl_cryptodev_info(const struct fl_cryptodev *d, struct fl_cryptodev_info *out);
/** The capability for an algorithm, or NULL. */
FL_API const struct fl_crypto_cap *fl_cryptodev_cap(const struct fl_cryptodev *d, enum fl_algo a);
/** The PCI device, NULL behind the software device. */
FL_API struct fl_dev *fl_cryptodev_dev(const struct fl_cryptodev *d);
FL_API struct fl_ctx *fl_cryptodev_ctx(const struct fl_cryptodev *d);

struct fl_qp_conf {
	uint16_t desc; /* ops it can hold, 0 = the device's default */
	int node;      /* NUMA node of its rings, -1 = the device's */
	bool intr;     /* fl_qp_wait_fd() shall work */
	/** ask for translations of data early, where a device that shares our address space can */
	bool prefetch;
};

/** Stopped devices only; queue pairs of before are void, and ops that they hold still are dropped.
 */
FL_API FL_MUST int fl_cryptodev_configure(struct fl_cryptodev *d, uint16_t nb_qps);
FL_API FL_MUST int fl_qp_setup(struct fl_cryptodev *d, uint16_t id, const struct fl_qp_conf *conf);
FL_API FL_MUST int fl_cryptodev_start(struct fl_cryptodev *d);
/**
 * Ops in flight are completed (FL_OP_ABORTED where the device did not) and can be dequeued, also
 * after a next start, until their queue pair is configured or set up anew. No burst may run
 * meanwhile.
 */
FL_API FL_MUST int fl_cryptodev_stop(struct fl_cryptodev *d);
FL_API bool fl_cryptodev_started(const struct fl_cryptodev *d);
/**
 * Stops where needed and gives the device back, for others to use or to pull it out; it stays as
 * FL_CRYPTO_REMOVED leaves it, until fl_cryptodev_reset(). No burst may run meanwhile.
 * -EOPNOTSUPP: a software device.
 */
FL_API FL_MUST int fl_cryptodev_release(struct fl_cryptodev *d);
/**
 * Resets the device and brings it back as it was, sessions included. Every op in flight comes back
 * from its queue pair exactly once: done, or FL_OP_ABORTED. Also after FL_CRYPTO_REMOVED, once the
 * device is there again (-ENODEV while it is not; the ops come back even so). No burst may run
 * meanwhile.
 */
FL_API FL_MUST int fl_cryptodev_reset(struct fl_cryptodev *d);

/*
 * After each of them bursts take nothing; ops in flight come back with the next stop or reset. Told
 * by fl_ctx_dispatch(); that a device stopped answering is told by the dequeue which found it out,
 * in its thread, so do no more there than to remember it.
 */
enum fl_crypto_event {
	FL_CRYPTO_REMOVED, /* the device or its server is gone */
	/** the kernel wants the device back: release or close it now; if the kernel has to ask
	 * again (after some 10 s), FL_CRYPTO_REMOVED follows */
	FL_CRYPTO_REQUEST,
	FL_CRYPTO_ERROR, /* the device reported an error or stopped answering: reset it */
};
FL_API void fl_cryptodev_on_event(struct fl_cryptodev *d,
				  void (*fn)(struct fl_cryptodev *d, enum fl_crypto_event ev,
					     void *arg),
				  void *arg);

/* ---- sessions -------------------------------------------------------------------------- */

enum fl_crypto_type {
	FL_CRYPTO_CIPHER,      /* conf.cipher */
	FL_CRYPTO_AUTH,	       /* conf.auth: digest or MAC */
	FL_CRYPTO_AEAD,	       /* conf.cipher is an AEAD algorithm */
	FL_CRYPTO_CIPHER_AUTH, /* encrypt, then MAC of AAD and ciphertext; decrypt: check, decrypt
				*/
	FL_CRYPTO_AUTH_CIPHER, /* MAC of AAD and plaintext, encrypt the payload; decrypt: reverse */
};

/** What the type does not use is not looked at. */
struct fl_session_conf {
	enum fl_crypto_type type;
	/** encrypt and generate the digest, or decrypt and verify it */
	bool encrypt;
	enum fl_algo cipher, auth;
	const uint8_t *key, *auth_key; /* copied */
	uint16_t key_len, auth_key_len;
	uint16_t iv_len;     /* 0 = the algorithm's usual */
	uint16_t digest_len; /* 0 = full */
};

/**
 * Makes keys ready, for any queue pair of the device.
 * Errors: -EOPNOTSUPP (the device has no such algorithm or chain), -EINVAL (an algorithm of another
 * kind, or a size; the message has what the device takes; XTS keys whose halves are the same),
 * -ENOMEM.
 */
FL_API FL_MUST int fl_session_create(struct fl_cryptodev *d, const struct fl_session_conf *conf,
				     struct fl_session **out);
/** No op that names it is in flight. Keys are wiped. */
FL_API void fl_session_destroy(struct fl_session *s);
FL_API const struct fl_session_conf *fl_session_conf(const struct fl_session *s); /* keys NULL */

/* ---- operations ------------------------------------------------------------------------ */

/** Bytes of an area, or none; the app's own memory can be one (fl_dma_map()). */
struct fl_seg {
	uint8_t *va;
	const struct fl_dma_area *area;
	uint32_t len;
};

enum fl_op_status {
	FL_OP_OK,
	FL_OP_AUTH_FAILED, /* the digest or tag is another; output is not to be used */
	FL_OP_INVALID,	   /* sizes or segments that the session or device does not allow */
	FL_OP_ERROR,	   /* the device could not do it */
	FL_OP_FAULT,	   /* it named memory that no area holds */
	FL_OP_ABORTED,	   /* the device was reset, stopped or went away */
	FL_OP_PENDING,	   /* given to a queue pair and not back yet */
};
FL_API const char *fl_op_status_name(enum fl_op_status s);

/**
 * Parts of a streamed digest: same op, one part in flight at a time, on any queue pair. Parts but
 * the last are of hash_block bytes or a multiple; the last may be empty. Streams make digests: a
 * part in a session that verifies is FL_OP_INVALID.
 */
enum fl_op_stage { FL_OP_WHOLE, FL_OP_FIRST, FL_OP_MIDDLE, FL_OP_LAST };

#define FL_IV_MAX     16u
#define FL_DIGEST_MAX 64u

/**
 * A request. Comes from a pool, whose memory devices reach: IV and digest stand in the op. The
 * caller fills what the session's type needs; the driver writes status, digest (its first
 * digest_len bytes hold it) and total, nothing else. The segment arrays must stay until the op is
 * back.
 *
 * Offsets and lengths are bytes of the source, over all its segments; output goes to the same
 * offsets of the destination (dst NULL = in place).
 *   cipher, AEAD, chains   payload [cipher_off, +cipher_len)
 *   auth                   [auth_off, +auth_len), in no dst
 *   AEAD, chains           AAD = aad, anywhere (aad.len 0 = none). It costs least directly before
 *                          the payload. A device may write the AAD's own bytes back where they
 *                          stand, or to the same place before the payload in the destination.
 * A range that its segments do not hold is FL_OP_INVALID, and so is one segment more than segs_max;
 * bytes that are not of the area which a segment names, or names none, are FL_OP_FAULT.
 */
struct fl_op {
	struct fl_session *session;
	const struct fl_seg *src, *dst;
	uint16_t nsrc, ndst;
	uint8_t status; /* enum fl_op_status */
	uint8_t stage;	/* enum fl_op_stage */
	uint16_t reserved;
	uint32_t cipher_off, cipher_len;
	uint32_t auth_off, auth_len;
	uint64_t user;	/* the caller's */
	fl_iova_t iova; /* of this op; its pool's */

	struct fl_seg aad;
	uint64_t total; /* bytes of the stream's parts so far; the driver's */
	struct fl_op_pool *pool;
	uint8_t iv[FL_IV_MAX] __attribute__((aligned(FL_IV_MAX)));
	/** a cache line of its own, as devices write it. out: digest or tag; verify: what it must
	 * be. Between parts of a stream: its state. */
	uint8_t digest[FL_DIGEST_MAX];
} FL_CACHE_ALIGNED;

/** Ops in an area of the context's space, free ones in a ring: any thread takes and gives. */
FL_API FL_MUST int fl_op_pool_create(struct fl_ctx *ctx, unsigned n, struct fl_op_pool **out);
/** -EBUSY while ops are out. */
FL_API FL_MUST int fl_op_pool_destroy(struct fl_op_pool *p);
/** All or none: n or 0. Ops are as they were given back; status FL_OP_OK, stage FL_OP_WHOLE. */
FL_API unsigned fl_op_alloc(struct fl_op_pool *p, struct fl_op **ops, unsigned n);
FL_API void fl_op_free(struct fl_op **ops, unsigned n);

/** Every driver's queue pair begins with this. */
struct fl_qp {
	uint16_t (*enqueue)(struct fl_qp *qp, struct fl_op **ops, uint16_t n);
	uint16_t (*dequeue)(struct fl_qp *qp, struct fl_op **ops, uint16_t n);
	struct fl_cryptodev *dev;
	uint16_t id;
};
FL_API struct fl_qp *fl_cryptodev_qp(const struct fl_cryptodev *d, uint16_t id);

/** Takes a prefix of the ops: they are the device's until dequeued. An op that cannot be done is
 *  taken too and comes back with its error in its turn. Data plane. */
static inline uint16_t fl_op_enqueue(struct fl_qp *qp, struct fl_op **ops, uint16_t n)
{
	return __atomic_load_n(&qp->enqueue, __ATOMIC_RELAXED)(qp, ops, n);
}
/** Ops that are done, oldest first. Data plane. */
static inline uint16_t fl_op_dequeue(struct fl_qp *qp, struct fl_op **ops, uint16_t n)
{
	return __atomic_load_n(&qp->dequeue, __ATOMIC_RELAXED)(qp, ops, n);
}

/**
 * eventfd that is readable when armed completions have come, -1 = none (conf.intr). What a device
 * interrupts is the context: so a thread has to run fl_ctx_dispatch() where fl_ctx_fd() is
 * readable, or the one that waits here waits for both.
 */
FL_API int fl_qp_wait_fd(struct fl_qp *qp);
/** Empties the fd, and asks for an interrupt at the next completion, or at once where ops that are
 *  done wait already: so dequeue all, arm, wait. */
FL_API FL_MUST int fl_qp_arm(struct fl_qp *qp);

struct fl_qp_stats {
	uint64_t enqueued, dequeued, errors; /* errors: ops that came back other than FL_OP_OK */
	uint64_t full;			     /* ops refused for want of room */
	uint64_t bad_completions;	     /* nonsense the device wrote; dropped */
	uint64_t doorbells;
};
FL_API FL_MUST int fl_qp_stats(struct fl_qp *qp, struct fl_qp_stats *out);

/**
 * For tools: one request without a session of the caller's, on queue pair `id`, which nobody else
 * uses meanwhile and which holds no ops; waited for (timeout_ms). in and out may be any memory:
 * they are copied. AAD is for AEAD and chains.
 * @iv      iv_len bytes of the conf (or the algorithm's usual), NULL where it has none
 * @out     `len` bytes, NULL where only the digest is wanted
 * @digest  in or out as in struct fl_op, digest_len of the conf
 * Errors: those of fl_session_create(), -ETIMEDOUT, -EBADMSG (verification), -EINVAL, -EFAULT,
 * -ECANCELED (stopped or reset), -EIO. After -ETIMEDOUT the memory of the request is kept until the
 * answer has come or the queue pairs are configured anew; who dequeues that op must drop it.
 */
FL_API FL_MUST int fl_crypto_once(struct fl_cryptodev *d, uint16_t id,
				  const struct fl_session_conf *conf, const uint8_t *iv,
				  const void *aad, uint32_t aad_len, const void *in, uint32_t len,
				  void *out, uint8_t *digest, int timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
