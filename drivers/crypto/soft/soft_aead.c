/* SPDX-License-Identifier: BSD-3-Clause */
/* GCM by EVP or over a block cipher, CCM out of CTR and CBC-MAC, GMAC. */
#include "soft.h"

#include <endian.h>

#include <openssl/crypto.h>

#define BLOCK	16u
#define CTR_RUN 32u /* counter blocks that go to ECB at once */

void fl_soft_wipe(const struct fl_op *op)
{
	struct soft_cursor c = fl_span(op, op->cipher_off).dst;

	for (uint32_t n = op->cipher_len, run; n; n -= run) {
		uint8_t *at = fl_cursor_at(&c, &run);

		run = fl_soft_min(run, n);
		memset(at, 0, run);
		c.off += run;
	}
}

/* ---- GCM by EVP ------------------------------------------------------------------------- */

static bool gcm_aad(void *ctx, const uint8_t *in, uint32_t n)
{
	int done;

	return EVP_CipherUpdate(ctx, NULL, &done, in, (int)n) == 1;
}

static enum fl_op_status gcm_evp(EVP_CIPHER_CTX *ctx, struct fl_op *op)
{
	const struct fl_session_conf *c = &op->session->conf;
	struct soft_span sp = fl_span(op, op->cipher_off);
	uint8_t none[BLOCK];
	int done;

	if (!fl_soft_restart(ctx, op->iv) ||
	    (op->aad.len && !gcm_aad(ctx, op->aad.va, op->aad.len)) ||
	    !fl_span_walk(&sp, op->cipher_len, 1, fl_soft_update, ctx))
		return FL_OP_ERROR;
	if (c->encrypt)
		return EVP_CipherFinal_ex(ctx, none, &done) == 1 &&
				       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG,
							   c->digest_len, op->digest) == 1
			       ? FL_OP_OK
			       : FL_OP_ERROR;
	if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, c->digest_len, op->digest) != 1)
		return FL_OP_ERROR;
	return EVP_CipherFinal_ex(ctx, none, &done) == 1 ? FL_OP_OK : FL_OP_AUTH_FAILED;
}

bool fl_soft_gmac(EVP_CIPHER_CTX *ctx, const struct fl_op *op, uint8_t out[BLOCK])
{
	struct soft_cursor c = fl_cursor(op->src, op->auth_off);
	int done;

	return fl_soft_restart(ctx, op->iv) && fl_cursor_feed(&c, op->auth_len, gcm_aad, ctx) &&
	       EVP_CipherFinal_ex(ctx, out, &done) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, BLOCK, out) == 1;
}

/* ---- GCM over a block cipher -------------------------------------------------------------- */

/* ECB of whole blocks cannot fail, and these could not say so. */
static void ecb_block(const unsigned char *in, unsigned char *out, const void *ecb)
{
	fl_soft_update((void *)ecb, in, out, BLOCK);
}

GCM128_CONTEXT *fl_soft_gcm_new(EVP_CIPHER_CTX *ecb)
{
	return CRYPTO_gcm128_new(ecb, ecb_block);
}

/* the counter is the last word alone */
static void ecb_ctr32(const unsigned char *in, unsigned char *out, size_t blocks, const void *ecb,
		      const unsigned char iv[BLOCK])
{
	uint8_t stream[CTR_RUN * BLOCK];
	uint32_t counter;

	memcpy(&counter, iv + 12, sizeof(counter));
	counter = be32toh(counter);
	while (blocks) {
		unsigned run = blocks < CTR_RUN ? (unsigned)blocks : CTR_RUN;

		for (unsigned i = 0; i < run; i++) {
			uint32_t be = htobe32(counter++);

			memcpy(stream + i * BLOCK, iv, 12);
			memcpy(stream + i * BLOCK + 12, &be, sizeof(be));
		}
		fl_soft_update((void *)ecb, stream, stream, run * BLOCK);
		for (unsigned i = 0; i < run * BLOCK; i++)
			out[i] = in[i] ^ stream[i];
		in += run * BLOCK;
		out += run * BLOCK;
		blocks -= run;
	}
}

static bool gcm_encrypt(void *gcm, const uint8_t *in, uint8_t *out, uint32_t n)
{
	return !CRYPTO_gcm128_encrypt_ctr32(gcm, in, out, n, ecb_ctr32);
}

static bool gcm_decrypt(void *gcm, const uint8_t *in, uint8_t *out, uint32_t n)
{
	return !CRYPTO_gcm128_decrypt_ctr32(gcm, in, out, n, ecb_ctr32);
}

static enum fl_op_status gcm_over(GCM128_CONTEXT *gcm, struct fl_op *op)
{
	const struct fl_session_conf *c = &op->session->conf;
	struct soft_span sp = fl_span(op, op->cipher_off);

	CRYPTO_gcm128_setiv(gcm, op->iv, c->iv_len);
	if ((op->aad.len && CRYPTO_gcm128_aad(gcm, op->aad.va, op->aad.len)) ||
	    !fl_span_walk(&sp, op->cipher_len, 1, c->encrypt ? gcm_encrypt : gcm_decrypt, gcm))
		return FL_OP_ERROR;
	if (!c->encrypt)
		return CRYPTO_gcm128_finish(gcm, op->digest, c->digest_len) ? FL_OP_AUTH_FAILED
									    : FL_OP_OK;
	CRYPTO_gcm128_tag(gcm, op->digest, c->digest_len);
	return FL_OP_OK;
}

enum fl_op_status fl_soft_gcm(struct soft_ctx *x, struct fl_op *op)
{
	enum fl_op_status st = x->gcm ? gcm_over(x->gcm, op) : gcm_evp(x->evp[SOFT_DATA], op);

	if (st == FL_OP_AUTH_FAILED)
		fl_soft_wipe(op);
	return st;
}

/* ---- CCM: RFC 3610 ------------------------------------------------------------------------ */

struct ccm {
	EVP_CIPHER_CTX *ctr;
	struct soft_cbcmac mac;
	bool encrypt;
};

/* The first block, and how long the AAD is. */
static void ccm_start(struct soft_cbcmac *m, const struct fl_op *op)
{
	const struct fl_session_conf *c = &op->session->conf;
	uint32_t len = htobe32(op->cipher_len), aad = htobe32(op->aad.len);
	unsigned width = 15u - c->iv_len;
	uint8_t b[BLOCK] = { 0 };

	b[0] = (uint8_t)((op->aad.len ? 0x40 : 0) | (c->digest_len - 2) / 2 << 3 | (width - 1));
	if (width < sizeof(len))
		memcpy(b + BLOCK - width, (const uint8_t *)&len + sizeof(len) - width, width);
	else
		memcpy(b + BLOCK - sizeof(len), &len, sizeof(len));
	memcpy(b + 1, op->iv, c->iv_len);
	fl_soft_mac_feed(m, b, BLOCK);
	if (!op->aad.len)
		return;
	if (op->aad.len < 0xff00)
		fl_soft_mac_feed(m, (const uint8_t *)&aad + 2, 2);
	else {
		fl_soft_mac_feed(m, (const uint8_t[]){ 0xff, 0xfe }, 2);
		fl_soft_mac_feed(m, (const uint8_t *)&aad, sizeof(aad));
	}
	fl_soft_mac_feed(m, op->aad.va, op->aad.len);
	fl_soft_mac_pad(m);
}

static bool ccm_piece(void *arg, const uint8_t *in, uint8_t *out, uint32_t n)
{
	struct ccm *ccm = arg;

	if (ccm->encrypt)
		fl_soft_mac_feed(&ccm->mac, in, n);
	if (!fl_soft_update(ccm->ctr, in, out, n))
		return false;
	if (!ccm->encrypt)
		fl_soft_mac_feed(&ccm->mac, out, n);
	return true;
}

enum fl_op_status fl_soft_ccm(struct soft_ctx *x, struct fl_op *op, uint8_t *scratch)
{
	const struct fl_session_conf *c = &op->session->conf;
	struct ccm ccm = { .ctr = x->evp[SOFT_DATA], .encrypt = c->encrypt };
	struct soft_span sp = fl_span(op, op->cipher_off);
	uint8_t counter[BLOCK] = { (uint8_t)(14 - c->iv_len) }, mask[BLOCK] = { 0 }, tag[BLOCK];

	fl_soft_mac_start(&ccm.mac, x->evp[SOFT_TWEAK], scratch);
	ccm_start(&ccm.mac, op);
	memcpy(counter + 1, op->iv, c->iv_len);
	if (!fl_soft_restart(ccm.ctr, counter) || !fl_soft_update(ccm.ctr, mask, mask, BLOCK) ||
	    !fl_span_walk(&sp, op->cipher_len, 1, ccm_piece, &ccm))
		return FL_OP_ERROR;
	fl_soft_mac_pad(&ccm.mac);
	if (!fl_soft_mac_end(&ccm.mac, tag))
		return FL_OP_ERROR;
	for (unsigned i = 0; i < BLOCK; i++)
		tag[i] ^= mask[i];
	if (c->encrypt) {
		memcpy(op->digest, tag, c->digest_len);
		return FL_OP_OK;
	}
	if (!CRYPTO_memcmp(op->digest, tag, c->digest_len))
		return FL_OP_OK;
	fl_soft_wipe(op);
	return FL_OP_AUTH_FAILED;
}
