/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Digests whose state can be taken out and put back: between the parts of a stream it stands in the
 * op, so that parts may go to different queue pairs and no stream holds memory of the device's.
 * EVP has no such way in OpenSSL 3, so these are libcrypto's low-level digests, and an SM3 of ours.
 */
#ifndef SOFT_HASH_H
#define SOFT_HASH_H

#ifndef OPENSSL_SUPPRESS_DEPRECATED
#define OPENSSL_SUPPRESS_DEPRECATED
#endif

#include <openssl/md5.h>
#include <openssl/sha.h>

#include <fl_crypto.h>

struct soft_sm3 {
	uint32_t h[8];
	uint64_t total;
	uint8_t part[64];
};

/* each begins with its chaining words */
union soft_hash_state {
	MD5_CTX md5;
	SHA_CTX sha1;
	SHA256_CTX sha256;
	SHA512_CTX sha512;
	struct soft_sm3 sm3;
};

struct soft_hash {
	uint8_t digest, block, chain; /* bytes */
	void (*init)(union soft_hash_state *st);
	void (*update)(union soft_hash_state *st, const void *in, size_t n);
	/** up to 64 bytes, of which `digest` count */
	void (*final)(union soft_hash_state *st, uint8_t *out);
	void (*set_total)(union soft_hash_state *st, uint64_t bytes);
};

/** The digest of an algorithm, or that of which it is the HMAC; NULL where there is none. */
const struct soft_hash *fl_soft_hash(enum fl_algo a);

/** The two states that an HMAC key makes. */
void fl_soft_hmac_key(const struct soft_hash *h, const uint8_t *key, size_t len,
		      union soft_hash_state *inner, union soft_hash_state *outer);

/** The state after `total` bytes, whole blocks, as `chain` bytes; and back. */
void fl_soft_hash_save(const struct soft_hash *h, const union soft_hash_state *st, uint8_t *to);
void fl_soft_hash_load(const struct soft_hash *h, union soft_hash_state *st, const uint8_t *from,
		       uint64_t total);

void fl_soft_sm3_init(struct soft_sm3 *s);
void fl_soft_sm3_update(struct soft_sm3 *s, const uint8_t *in, size_t n);
void fl_soft_sm3_final(struct soft_sm3 *s, uint8_t out[32]);

#endif
