/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The software device: OpenSSL's libcrypto for everything, Intel's ipsec-mb on top where it is
 * installed and faster.
 *
 * Enqueue only takes ops; dequeue does the work, for it then sees all that waits and can fill the
 * lanes of multi-buffer code. What it hands out is done, so ops stay in order, and nothing is left
 * in a library's queue.
 *
 * A session has one set of OpenSSL contexts for each queue pair, since a context is changed by a
 * request; they are made when the session or the queue pairs are, never by a burst.
 */
#ifndef SOFT_H
#define SOFT_H

/* The low-level digests are deprecated for EVP's, whose state cannot be exported: streams need it.
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/evp.h>
#include <openssl/modes.h>

#include <fl_crypto_driver.h>

#include "soft_data.h"
#include "soft_hash.h"

struct soft_qp;
struct soft_session;

/* ---- algorithms ------------------------------------------------------------------------ */

/* Ciphers of OpenSSL: what is fetched, once a device. */
enum soft_family { SOFT_AES, SOFT_SM4, SOFT_DES };
enum soft_mode { SOFT_ECB, SOFT_CBC, SOFT_CTR, SOFT_CFB, SOFT_OFB, SOFT_XTS, SOFT_GCM, SOFT_MODES };
#define SOFT_BASES 5u /* AES of three key sizes, SM4, 3DES */

/* How an algorithm is made of them. */
enum soft_way {
	SOFT_EVP,     /* OpenSSL's own mode, of a stream of blocks or bytes */
	SOFT_CTS,     /* CBC, the last two blocks ours */
	SOFT_TWEAKED, /* XTS: OpenSSL's where it has it and the data is flat, else ours on ECB */
	SOFT_AEAD_GCM,
	SOFT_AEAD_CCM, /* CTR and CBC-MAC */
	SOFT_DIGEST,
	SOFT_HMAC,
	SOFT_CMAC, /* and XCBC */
	SOFT_GMAC,
};

struct soft_algo {
	enum soft_way way;
	enum soft_family family;
	enum soft_mode mode; /* of SOFT_EVP */
};
extern const struct soft_algo fl_soft_algos[FL_ALGO_MAX];

/** Which of the SOFT_BASES a key goes with. */
static inline unsigned fl_soft_base(const struct soft_algo *a, unsigned key_len)
{
	return a->family == SOFT_AES ? key_len / 8 - 2 : a->family == SOFT_SM4 ? 3 : 4;
}

/** All that the libcrypto found can do, from the ciphers that were fetched. */
void fl_soft_caps(EVP_CIPHER *const evp[SOFT_BASES][SOFT_MODES],
		  struct fl_crypto_cap caps[FL_ALGO_MAX]);

/* ---- device, queue pair, session ------------------------------------------------------- */

struct soft_mb; /* ipsec-mb, loaded */

struct soft_dev {
	struct fl_cryptodev d;
	EVP_CIPHER *evp[SOFT_BASES][SOFT_MODES];
	struct fl_crypto_cap caps[FL_ALGO_MAX];
	struct soft_mb *mb; /* NULL: OpenSSL alone */
	char chip[96];
};

/* Contexts of a session for one queue pair. */
enum soft_slot {
	SOFT_DATA,  /* the cipher */
	SOFT_TWEAK, /* XTS: the tweak's cipher; CCM: the CBC-MAC's */
	SOFT_FLAT,  /* XTS: OpenSSL's own */
	SOFT_MAC,   /* CMAC, XCBC, GMAC */
	SOFT_SLOTS
};
struct soft_ctx {
	EVP_CIPHER_CTX *evp[SOFT_SLOTS];
	GCM128_CONTEXT *gcm; /* SM4-GCM, which OpenSSL has no EVP cipher for */
};

struct soft_session {
	struct fl_session s;
	const struct soft_algo *cipher, *auth;
	struct soft_ctx *ctx; /* of queue pair i */
	uint16_t nctx;
	uint8_t key[64], auth_key[32]; /* for contexts to come; HMAC's is in inner and outer */
	const struct soft_hash *hash;
	union soft_hash_state inner, outer; /* a digest's start; HMAC's two */
	uint8_t whole[16], part[16];	    /* CMAC, XCBC: what the last block is mixed with */
	struct soft_mb_keys *mb;	    /* NULL: OpenSSL does it */
};

#define SOFT_SCRATCH  2048u
#define SOFT_SEGS_MAX 1024u
#define SOFT_LEN_MAX  (1u << 30)

struct soft_qp {
	struct fl_qp qp;
	uint32_t head, done, tail; /* handed out, worked, taken: free-running */
	uint32_t mask;
	struct fl_op **ops;
	struct soft_mb_qp *mb;
	int fd;
	bool armed;
	struct fl_qp_stats stats;
	uint8_t scratch[SOFT_SCRATCH]; /* what a CBC-MAC encrypts, to be thrown away */
};

static inline struct soft_dev *fl_soft_dev(const struct fl_cryptodev *d)
{
	return (struct soft_dev *)d;
}

/* ---- soft_session.c -------------------------------------------------------------------- */

int fl_soft_session_create(struct fl_cryptodev *d, const struct fl_session_conf *conf,
			   struct fl_session **out);
void fl_soft_session_destroy(struct fl_session *s);
/** Contexts for n queue pairs. */
int fl_soft_session_grow(struct soft_session *s, const struct soft_dev *sd, uint16_t n);

/* ---- soft_op.c ------------------------------------------------------------------------- */

/** FL_OP_OK, or what is wrong with its sizes and segments. */
enum fl_op_status fl_soft_op_check(const struct soft_qp *qp, const struct fl_op *op);
/** Does a checked op by OpenSSL. */
enum fl_op_status fl_soft_run(struct soft_qp *qp, struct fl_op *op);

/* ---- soft_modes.c: modes of ours on ciphers of OpenSSL; false = OpenSSL failed ----------- */

/** Whole blocks of ECB and CBC, any length of the others: as many bytes come out. */
bool fl_soft_update(void *ctx, const uint8_t *in, uint8_t *out, uint32_t n);
bool fl_soft_restart(EVP_CIPHER_CTX *ctx, const uint8_t *iv);

bool fl_soft_cts(struct soft_ctx *x, const struct fl_op *op);
bool fl_soft_xts(struct soft_ctx *x, const struct fl_op *op);

/** CBC-MAC of data that comes in pieces of any length; the last block is held back. */
struct soft_cbcmac {
	EVP_CIPHER_CTX *cbc;
	uint8_t *scratch;
	unsigned fill;
	bool ok;
	uint8_t last[16];
};
void fl_soft_mac_start(struct soft_cbcmac *m, EVP_CIPHER_CTX *cbc, uint8_t *scratch);
bool fl_soft_mac_feed(void *mac, const uint8_t *in, uint32_t n);
/** Pads what came so far with zeros to whole blocks. */
void fl_soft_mac_pad(struct soft_cbcmac *m);
bool fl_soft_mac_end(struct soft_cbcmac *m, uint8_t out[16]);
/** CMAC and XCBC: `whole` or `part` is mixed into the last block. */
bool fl_soft_cmac_end(struct soft_cbcmac *m, const uint8_t whole[16], const uint8_t part[16],
		      uint8_t out[16]);
/** What is mixed in, of CMAC; XCBC makes its key anew as well. cbc has the key of the user. */
bool fl_soft_cmac_keys(EVP_CIPHER_CTX *cbc, uint8_t whole[16], uint8_t part[16]);
bool fl_soft_xcbc_keys(EVP_CIPHER_CTX *cbc, uint8_t key[16], uint8_t whole[16], uint8_t part[16]);

/* ---- soft_aead.c ------------------------------------------------------------------------ */

enum fl_op_status fl_soft_gcm(struct soft_ctx *x, struct fl_op *op);
enum fl_op_status fl_soft_ccm(struct soft_ctx *x, struct fl_op *op, uint8_t *scratch);
bool fl_soft_gmac(EVP_CIPHER_CTX *ctx, const struct fl_op *op, uint8_t out[16]);
/** A GCM context over an ECB one. */
GCM128_CONTEXT *fl_soft_gcm_new(EVP_CIPHER_CTX *ecb);
/** Zeros where the payload was to go. */
void fl_soft_wipe(const struct fl_op *op);

/* ---- soft_mb.c, or soft_nomb.c where it cannot be built ----------------------------------- */

/** -ENOTSUP where it is not there or of no use; `wanted` makes that an error in the log. */
int fl_soft_mb_open(const struct fl_log *log, bool wanted, struct soft_mb **out);
void fl_soft_mb_close(struct soft_mb *mb);
const char *fl_soft_mb_version(const struct soft_mb *mb);
struct soft_mb_qp *fl_soft_mb_qp(const struct soft_mb *mb);
void fl_soft_mb_qp_free(const struct soft_mb *mb, struct soft_mb_qp *q);
/** Sets s->mb where the library can do what the session is for. */
int fl_soft_mb_keys(struct soft_mb *mb, struct soft_session *s);
void fl_soft_mb_forget(struct soft_session *s);
/** Does ops from qp->done on: a batch of them, so that lanes fill. */
void fl_soft_mb_work(struct soft_qp *qp);

static inline struct soft_session *fl_soft_session(const struct fl_op *op)
{
	return (struct soft_session *)op->session;
}

#endif
