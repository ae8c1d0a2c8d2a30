/* SPDX-License-Identifier: BSD-3-Clause */
/* Ciphers alone; and the whole of a job, with its MAC before or after. */
#include "run.h"

#include <openssl/err.h>
#include <string.h>

static bool step_in_place(void *ctx, const uint8_t *in, uint8_t *out, uint32_t n)
{
	memmove(out, in, n);
	return fl_secm_step_evp(ctx, out, out, n);
}

/*
 * The destination may be the source at another address, where the client mapped it twice: Linux
 * does behind an IOMMU. What libcrypto has in C, SM4's, decrypts with a look back at the block
 * before, which is plaintext by then unless it knows that it works in place; assembly keeps it in
 * registers.
 */
secm_step fl_secm_cbc_step(const struct secm_job *j)
{
	return j->bd.c_alg == SECM_SM4 && j->bd.cipher != SECM_ENCRYPT ? step_in_place
								       : fl_secm_step_evp;
}

static bool run_prim(struct secm_job *j, struct secm_cache *c, enum secm_prim mode, uint32_t unit,
		     struct secm_cur in, struct secm_cur out)
{
	struct secm_key k = fl_secm_cipher_key(j);
	EVP_CIPHER_CTX *ctx = fl_secm_ctx_iv(c, mode, &k, j->bd.cipher == SECM_ENCRYPT,
					     mode == PRIM_ECB ? NULL : j->c_iv);

	return ctx && fl_secm_walk(&in, &out, j->bd.c_len, unit,
				   mode == PRIM_CBC ? fl_secm_cbc_step(j) : fl_secm_step_evp, ctx);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

bool fl_secm_ctr32(struct secm_cache *c, const struct secm_key *k, const uint8_t iv[16],
		   struct secm_cur in, struct secm_cur out, uint32_t len)
{
	uint64_t until = (0x100000000u - be32(iv + 12)) * 16;
	uint32_t n = len < until ? len : (uint32_t)until;
	EVP_CIPHER_CTX *ctx = fl_secm_ctx_iv(c, PRIM_CTR, k, true, iv);
	uint8_t again[16] = { 0 };

	if (!ctx || !fl_secm_walk(&in, &out, n, 1, fl_secm_step_evp, ctx))
		return false;
	if (n == len)
		return true;
	memcpy(again, iv, 12);
	ctx = fl_secm_ctx_iv(c, PRIM_CTR, k, true, again);
	return ctx && fl_secm_walk(&in, &out, len - n, 1, fl_secm_step_evp, ctx);
}

bool fl_secm_run_cipher(struct secm_job *j, struct secm_cache *c)
{
	struct secm_cur in = fl_secm_cur(&j->src, j->bd.c_off - j->src_at);
	struct secm_cur out = fl_secm_cur(&j->dst, 0);
	uint32_t block = j->bd.c_alg <= SECM_3DES ? 8 : 16;
	struct secm_key k = fl_secm_cipher_key(j);

	switch (j->bd.c_mode) {
	case SECM_ECB:
		return run_prim(j, c, PRIM_ECB, block, in, out);
	case SECM_CBC:
		return run_prim(j, c, PRIM_CBC, block, in, out);
	case SECM_CFB:
		return run_prim(j, c, PRIM_CFB, 1, in, out);
	case SECM_OFB:
		return run_prim(j, c, PRIM_OFB, 1, in, out);
	case SECM_CTR:
		/* mode 2 carries through all 128 bits; type 2 has no such field, and 0 in it */
		if (j->bd.ctr_mode == 2)
			return run_prim(j, c, PRIM_CTR, 1, in, out);
		return fl_secm_ctr32(c, &k, j->c_iv, in, out, j->bd.c_len);
	case SECM_XTS:
		return fl_secm_run_xts(j, c, in, out);
	default:
		return fl_secm_run_cts(j, c, in, out);
	}
}

static bool run_chain(struct secm_job *j, struct secm_cache *c)
{
	if (j->bd.seq)
		return fl_secm_run_auth(j, c, false) && fl_secm_run_cipher(j, c);
	return fl_secm_run_cipher(j, c) && fl_secm_run_auth(j, c, true);
}

static bool run(struct secm_job *j, struct secm_cache *c)
{
	switch (j->op) {
	case SECM_OP_CIPHER:
		return fl_secm_run_cipher(j, c);
	case SECM_OP_AUTH:
		return fl_secm_run_auth(j, c, false);
	case SECM_OP_CHAIN:
		return run_chain(j, c);
	case SECM_OP_CCM:
		return fl_secm_run_ccm(j, c);
	case SECM_OP_GCM:
		return fl_secm_run_gcm(j, c);
	case SECM_OP_GCM_AAD:
		return fl_secm_run_gcm_aad(j, c);
	case SECM_OP_GCM_PART:
		return fl_secm_run_gcm_part(j, c);
	case SECM_OP_NOTHING:
		break;
	}
	return true;
}

void fl_secm_job_run(struct secm_job *j, struct secm_cache *c)
{
	if (!run(j, c)) {
		ERR_clear_error();
		j->error = SECM_ENGINE;
	}
	__atomic_store_n(&j->ran, true, __ATOMIC_RELEASE);
}

bool fl_secm_job_ran(const struct secm_job *j)
{
	return __atomic_load_n(&j->ran, __ATOMIC_ACQUIRE);
}
