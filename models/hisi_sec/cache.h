/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keys made ready: setting up a cipher or an HMAC costs more than a small request does, so a
 * thread keeps those it used last.
 */
#ifndef HISI_SEC_CACHE_H
#define HISI_SEC_CACHE_H

#include "bd.h"
#include "hash.h" /* before any other header of OpenSSL */

#include <openssl/evp.h>

/** What libcrypto does itself: everything else is built of these. */
enum secm_prim {
	PRIM_ECB,
	PRIM_CBC,
	PRIM_CFB,
	PRIM_OFB,
	PRIM_CTR,
	PRIM_GCM, /* AES only */
	PRIM_MODES,
};

/** Block cipher of a key: AES or SM4 of that size, or 3DES (which DES is, too). */
struct secm_key {
	uint8_t alg; /* enum secm_alg */
	uint8_t len;
	const uint8_t *key;
};

/** Ready for more data with the key; NULL = libcrypto refused. Valid for this call and the next. */
EVP_CIPHER_CTX *fl_secm_ctx(struct secm_cache *c, enum secm_prim mode, const struct secm_key *k,
			    bool encrypt);
/** The same, from an IV on. */
EVP_CIPHER_CTX *fl_secm_ctx_iv(struct secm_cache *c, enum secm_prim mode, const struct secm_key *k,
			       bool encrypt, const uint8_t *iv);

/** States after the inner and the outer key block. */
struct secm_hmac_key {
	uint8_t inner[SECM_STATE_MAX], outer[SECM_STATE_MAX];
};
const struct secm_hmac_key *fl_secm_hmac_key(struct secm_cache *c, const struct secm_hash *h,
					     const uint8_t *key, uint8_t len);

/** secm_step with an EVP_CIPHER_CTX as arg: blocks, or the bytes of a stream. */
bool fl_secm_step_evp(void *ctx, const uint8_t *in, uint8_t *out, uint32_t n);

#endif
