/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CBC with ciphertext stealing. CS1 leaves the last two blocks in order, CS3 swaps them always,
 * CS2 swaps them where the last one is short.
 */
#include "run.h"

#include <string.h>

static bool swaps(unsigned width, uint32_t r)
{
	return width == 3 || (width == 2 && r < 16);
}

/* b: 16 + r bytes of plaintext, 1 <= r <= 16, r zeros short of two blocks */
static bool encrypt_tail(EVP_CIPHER_CTX *cbc, uint8_t b[32], uint32_t r, bool swap)
{
	uint8_t e[32];

	if (!fl_secm_step_evp(cbc, b, e, 32))
		return false;
	memcpy(b, swap ? e + 16 : e, swap ? 16 : r);
	memcpy(b + (swap ? 16 : r), swap ? e : e + 16, swap ? r : 16);
	return true;
}

static bool decrypt_tail(EVP_CIPHER_CTX *cbc, EVP_CIPHER_CTX *ecb, uint8_t b[32], uint32_t r,
			 bool swap)
{
	uint8_t whole[16], cut[16], x[16];

	memcpy(whole, swap ? b : b + r, 16);
	memcpy(cut, swap ? b + 16 : b, r);
	/* x: the last plaintext, zeros behind it, under the whole of the block that was cut */
	if (!fl_secm_step_evp(ecb, whole, x, 16))
		return false;
	memcpy(cut + r, x + r, 16 - r);
	if (!fl_secm_step_evp(cbc, cut, b, 16))
		return false;
	for (uint32_t i = 0; i < r; i++)
		b[16 + i] = x[i] ^ cut[i];
	return true;
}

bool fl_secm_run_cts(struct secm_job *j, struct secm_cache *c, struct secm_cur in,
		     struct secm_cur out)
{
	struct secm_key k = fl_secm_cipher_key(j);
	bool encrypt = j->bd.cipher == SECM_ENCRYPT, ok;
	uint32_t r = (j->bd.c_len - 1) % 16 + 1;
	bool swap = swaps(j->bd.c_width, r);
	EVP_CIPHER_CTX *cbc = fl_secm_ctx_iv(c, PRIM_CBC, &k, encrypt, j->c_iv);
	EVP_CIPHER_CTX *ecb = fl_secm_ctx(c, PRIM_ECB, &k, false);
	uint8_t tail[32] = { 0 };

	if (!cbc || !ecb ||
	    !fl_secm_walk(&in, &out, j->bd.c_len - 16 - r, 16, fl_secm_cbc_step(j), cbc))
		return false;
	fl_secm_gather(&in, tail, 16 + r);
	ok = encrypt ? encrypt_tail(cbc, tail, r, swap) : decrypt_tail(cbc, ecb, tail, r, swap);
	fl_secm_scatter(&out, tail, 16 + r);
	return ok;
}
