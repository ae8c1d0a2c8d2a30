/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hashes whose running state can be taken out and put back, which a long hash in several BDs
 * needs. EVP keeps that state to itself, so OpenSSL's plain functions are used, and an SM3 of our
 * own, which libcrypto does not export.
 */
#ifndef HISI_SEC_HASH_H
#define HISI_SEC_HASH_H

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct secm_sm3 {
	uint32_t v[8];
	uint64_t len;
	uint8_t buf[64];
};
void fl_secm_sm3_init(struct secm_sm3 *s);
void fl_secm_sm3_update(struct secm_sm3 *s, const uint8_t *p, size_t n);
void fl_secm_sm3_final(struct secm_sm3 *s, uint8_t out[32]);

union secm_hash_ctx {
	MD5_CTX md5;
	SHA_CTX sha1;
	SHA256_CTX sha256;
	SHA512_CTX sha512;
	struct secm_sm3 sm3;
};

struct secm_hash {
	uint8_t digest, block, state; /* bytes */
	void (*init)(union secm_hash_ctx *c);
	void (*update)(union secm_hash_ctx *c, const uint8_t *p, size_t n);
	/** writes digest bytes */
	void (*final)(union secm_hash_ctx *c, uint8_t *out);
	/** the state after whole blocks, in the byte order of the digest */
	void (*get)(const union secm_hash_ctx *c, uint8_t *state);
	/** goes on after `before` bytes, a multiple of the block, with that state */
	void (*put)(union secm_hash_ctx *c, const uint8_t *state, uint64_t before);
};

/** Hash of an a_alg code, a plain one or that of its HMAC; NULL = no hash. */
const struct secm_hash *fl_secm_hash(unsigned a_alg);
bool fl_secm_is_hmac(unsigned a_alg);

#endif
