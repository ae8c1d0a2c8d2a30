/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GCM and GMAC: libcrypto's where it has them, which is AES in one piece; SM4, and GCM in several
 * BDs, over counter mode and a GHASH of ours.
 */
#include "run.h"

#include <string.h>

static const uint8_t zero[16];

static bool evp_aad(void *ctx, const uint8_t *in, uint8_t *out, uint32_t n)
{
	int done;

	return EVP_CipherUpdate(ctx, NULL, &done, in, (int)n) == 1;
}

static bool evp_data(void *ctx, const uint8_t *in, uint8_t *out, uint32_t n)
{
	int done;

	return EVP_CipherUpdate(ctx, out, &done, in, (int)n) == 1 && done == (int)n;
}

static bool walk_aad(struct secm_job *j, secm_step step, void *arg)
{
	struct secm_cur in = fl_secm_cur(&j->src, j->bd.a_off - j->src_at);

	return fl_secm_walk(&in, NULL, j->bd.a_len, 1, step, arg);
}

static bool evp_tag(EVP_CIPHER_CTX *ctx, uint8_t tag[16])
{
	uint8_t none[16];
	int n;

	return EVP_CipherFinal_ex(ctx, none, &n) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1;
}

static bool run_evp(struct secm_job *j, struct secm_cache *c)
{
	bool encrypt = j->bd.cipher == SECM_ENCRYPT;
	struct secm_key k = fl_secm_cipher_key(j);
	EVP_CIPHER_CTX *ctx = fl_secm_ctx_iv(c, PRIM_GCM, &k, encrypt, j->c_iv);
	struct secm_cur in = fl_secm_cur(&j->src, j->bd.c_off - j->src_at);
	struct secm_cur out = fl_secm_cur(&j->dst, 0);
	uint8_t none[16];
	int n;

	if (!ctx || !walk_aad(j, evp_aad, ctx) ||
	    !fl_secm_walk(&in, &out, j->bd.c_len, 1, evp_data, ctx))
		return false;
	if (encrypt)
		return evp_tag(ctx, j->mac);
	if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, j->mac_len, j->want) != 1)
		return false;
	j->icv = EVP_CipherFinal_ex(ctx, none, &n) == 1 ? 0 : 2;
	return true;
}

bool fl_secm_run_gmac(struct secm_job *j, struct secm_cache *c)
{
	struct secm_key k = fl_secm_auth_key(j);
	EVP_CIPHER_CTX *ctx = fl_secm_ctx_iv(c, PRIM_GCM, &k, true, j->a_iv);

	return ctx && walk_aad(j, evp_aad, ctx) && evp_tag(ctx, j->mac);
}

/* ---- in parts ---------------------------------------------------------------------------- */

static bool start_ghash(struct secm_ghash *g, struct secm_cache *c, const struct secm_key *k,
			const uint8_t y[16])
{
	EVP_CIPHER_CTX *ecb = fl_secm_ctx(c, PRIM_ECB, k, true);
	uint8_t h[16];

	if (!ecb || !fl_secm_step_evp(ecb, zero, h, 16))
		return false;
	fl_secm_ghash_start(g, h, y);
	return true;
}

/* Counter mode from the block after j0, and GHASH of the ciphertext. */
static bool payload(struct secm_job *j, struct secm_cache *c, struct secm_ghash *g,
		    const uint8_t j0[16])
{
	struct secm_key k = fl_secm_cipher_key(j);
	struct secm_cur in = fl_secm_cur(&j->src, j->bd.c_off - j->src_at), text = in;
	struct secm_cur out = fl_secm_cur(&j->dst, 0);
	uint32_t len = j->bd.c_len;
	uint8_t first[16];

	memcpy(first, j0, 16);
	for (unsigned i = 15; i >= 12 && !++first[i]; i--)
		;
	if (j->bd.cipher == SECM_DECRYPT)
		return fl_secm_walk(&text, NULL, len, 1, fl_secm_ghash_step, g) &&
		       fl_secm_ctr32(c, &k, first, in, out, len);
	return fl_secm_ctr32(c, &k, first, in, out, len) &&
	       fl_secm_walk(&out, NULL, len, 1, fl_secm_ghash_step, g);
}

static void put_bits(uint8_t *p, uint64_t bytes)
{
	for (unsigned i = 0; i < 8; i++)
		p[i] = (uint8_t)(bytes * 8 >> (56 - 8 * i));
}

static bool run_own(struct secm_job *j, struct secm_cache *c)
{
	struct secm_key k = fl_secm_cipher_key(j);
	uint8_t j0[16], mask[16], lengths[16];
	EVP_CIPHER_CTX *ecb = fl_secm_ctx(c, PRIM_ECB, &k, true);
	struct secm_ghash g;

	memcpy(j0, j->c_iv, 12);
	memcpy(j0 + 12, "\0\0\0\1", 4);
	if (!ecb || !fl_secm_step_evp(ecb, j0, mask, 16) || !start_ghash(&g, c, &k, zero) ||
	    !walk_aad(j, fl_secm_ghash_step, &g))
		return false;
	fl_secm_ghash_pad(&g);
	if (!payload(j, c, &g, j0))
		return false;
	fl_secm_ghash_pad(&g);
	put_bits(lengths, j->bd.a_len);
	put_bits(lengths + 8, j->bd.c_len);
	fl_secm_ghash_step(&g, lengths, NULL, 16);
	for (unsigned i = 0; i < 16; i++)
		j->mac[i] = g.y[i] ^ mask[i];
	fl_secm_verify(j);
	return true;
}

bool fl_secm_run_gcm(struct secm_job *j, struct secm_cache *c)
{
	return j->bd.c_alg == SECM_AES ? run_evp(j, c) : run_own(j, c);
}

bool fl_secm_run_gcm_aad(struct secm_job *j, struct secm_cache *c)
{
	struct secm_key k = fl_secm_auth_key(j);
	struct secm_ghash g;

	if (!start_ghash(&g, c, &k, zero) || !walk_aad(j, fl_secm_ghash_step, &g))
		return false;
	fl_secm_ghash_pad(&g);
	memcpy(j->mac, g.y, 16);
	return true;
}

bool fl_secm_run_gcm_part(struct secm_job *j, struct secm_cache *c)
{
	struct secm_key k = fl_secm_cipher_key(j);
	struct secm_ghash g;

	if (!start_ghash(&g, c, &k, j->a_iv) || !payload(j, c, &g, j->c_iv))
		return false;
	memcpy(j->mac, g.y, 16);
	return true;
}
