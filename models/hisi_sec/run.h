/* SPDX-License-Identifier: BSD-3-Clause */
/* What a job's thread computes; each false where libcrypto refused. */
#ifndef HISI_SEC_RUN_H
#define HISI_SEC_RUN_H

#include "cache.h"
#include "vec.h"

/** The cipher of a job, over [c_off, c_off + c_len). */
bool fl_secm_run_cipher(struct secm_job *j, struct secm_cache *c);
/** IEEE 1619, or GB/T 17964 with its other doubling of the tweak. */
bool fl_secm_run_xts(struct secm_job *j, struct secm_cache *c, struct secm_cur in,
		     struct secm_cur out);
/** CBC with ciphertext stealing, SP 800-38A addendum. */
bool fl_secm_run_cts(struct secm_job *j, struct secm_cache *c, struct secm_cur in,
		     struct secm_cur out);
/** Digest or MAC into mac, of [a_off, a_off + a_len), from the source alone or, where a cipher ran
 *  before, with its output in its place. */
bool fl_secm_run_auth(struct secm_job *j, struct secm_cache *c, bool after_cipher);
bool fl_secm_run_ccm(struct secm_job *j, struct secm_cache *c);
bool fl_secm_run_gcm(struct secm_job *j, struct secm_cache *c);
bool fl_secm_run_gcm_aad(struct secm_job *j, struct secm_cache *c);
bool fl_secm_run_gcm_part(struct secm_job *j, struct secm_cache *c);
bool fl_secm_run_gmac(struct secm_job *j, struct secm_cache *c);
/** Where a MAC is to be checked, does so. */
void fl_secm_verify(struct secm_job *j);

static inline struct secm_key fl_secm_cipher_key(const struct secm_job *j)
{
	return (struct secm_key){ .alg = j->bd.c_alg, .len = j->c_key_len, .key = j->c_key };
}

static inline struct secm_key fl_secm_auth_key(const struct secm_job *j)
{
	return (struct secm_key){ .alg = SECM_AES, .len = j->a_key_len, .key = j->a_key };
}

/** How to walk with CBC: a secm_step with its EVP_CIPHER_CTX as arg. */
secm_step fl_secm_cbc_step(const struct secm_job *j);
/** Counter mode whose counter is the last 32 bits of the block alone. */
bool fl_secm_ctr32(struct secm_cache *c, const struct secm_key *k, const uint8_t iv[16],
		   struct secm_cur in, struct secm_cur out, uint32_t len);

/* ---- MACs of block ciphers: CBC over whole blocks, the last one kept back ------------------ */

struct secm_cbcmac {
	EVP_CIPHER_CTX *ctx; /* CBC encryption, IV 0 */
	uint8_t buf[16];     /* not yet in */
	uint8_t x[16];	     /* last output */
	unsigned fill;
};

bool fl_secm_cbcmac_start(struct secm_cbcmac *m, struct secm_cache *c, const struct secm_key *k);
/** secm_step with a struct secm_cbcmac as arg; out is not looked at. */
bool fl_secm_cbcmac_step(void *m, const uint8_t *in, uint8_t *out, uint32_t n);
/** Fills up the last block with zeros, if there is a part of one. */
bool fl_secm_cbcmac_pad(struct secm_cbcmac *m);

/* ---- GHASH --------------------------------------------------------------------------------- */

struct secm_ghash {
	uint64_t hi[16], lo[16]; /* multiples of H */
	uint8_t y[16];
	unsigned fill; /* bytes of the last block that are in y already */
};

void fl_secm_ghash_start(struct secm_ghash *g, const uint8_t h[16], const uint8_t y[16]);
/** secm_step with a struct secm_ghash as arg; out is not looked at. */
bool fl_secm_ghash_step(void *g, const uint8_t *in, uint8_t *out, uint32_t n);
void fl_secm_ghash_pad(struct secm_ghash *g);

#endif
