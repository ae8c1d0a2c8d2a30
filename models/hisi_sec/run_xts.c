/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * XTS over ECB. libcrypto's own takes AES alone, refuses two equal halves of a key, which the
 * chip does not, and wants all of the data in one piece.
 */
#include "run.h"

#include <endian.h>
#include <string.h>

#define BATCH 32u /* blocks for one call into libcrypto */

struct xts {
	EVP_CIPHER_CTX *ecb;
	uint64_t t[2]; /* the tweak of the next block, as it is in memory */
	bool gb;
};

/* Times x: IEEE 1619 counts bits from the first byte's low end, GB/T 17964 from its high end. */
static void doubled(struct xts *x)
{
	uint64_t a, b, carry;

	if (x->gb) {
		a = be64toh(x->t[0]);
		b = be64toh(x->t[1]);
		carry = -(b & 1) & 0xe1ull << 56;
		x->t[1] = htobe64(b >> 1 | a << 63);
		x->t[0] = htobe64(a >> 1 ^ carry);
	} else {
		a = le64toh(x->t[0]);
		b = le64toh(x->t[1]);
		carry = -(b >> 63) & 0x87;
		x->t[1] = htole64(b << 1 | a >> 63);
		x->t[0] = htole64(a << 1 ^ carry);
	}
}

static void xor
	(uint8_t * out, const uint8_t *in, const uint64_t *mask, uint32_t n) {
		for (uint32_t i = 0; i < n / 8; i++) {
			uint64_t v;

			memcpy(&v, in + 8 * i, 8);
			v ^= mask[i];
			memcpy(out + 8 * i, &v, 8);
		}
	}

	static bool step(void *arg, const uint8_t *in, uint8_t *out, uint32_t len)
{
	struct xts *x = arg, now = *x; /* in registers */
	uint64_t mask[2 * BATCH];
	uint8_t buf[16 * BATCH];

	while (len) {
		uint32_t n = len < sizeof(buf) ? len : sizeof(buf);

		for (uint32_t i = 0; i < n / 8; i += 2) {
			mask[i] = now.t[0];
			mask[i + 1] = now.t[1];
			doubled(&now);
		}
		xor(buf, in, mask, n);
		if (!fl_secm_step_evp(x->ecb, buf, buf, n))
			return false;
		xor(out, buf, mask, n);
		in += n;
		out += n;
		len -= n;
	}
	*x = now;
	return true;
}

/* The last whole block and the r bytes after it: the short block borrows the other's end. */
static bool steal(struct xts *x, uint8_t *b, uint32_t r, bool encrypt)
{
	struct xts second = *x;
	uint8_t swapped[16];

	doubled(&second);
	/* decryption undoes the second step first */
	if (!step(encrypt ? x : &second, b, b, 16))
		return false;
	memcpy(swapped, b + 16, r);
	memcpy(swapped + r, b + r, 16 - r);
	memcpy(b + 16, b, r);
	return step(encrypt ? &second : x, swapped, b, 16);
}

bool fl_secm_run_xts(struct secm_job *j, struct secm_cache *c, struct secm_cur in,
		     struct secm_cur out)
{
	bool encrypt = j->bd.cipher == SECM_ENCRYPT;
	uint8_t half = j->c_key_len / 2, tail[32];
	const struct secm_key data = { j->bd.c_alg, half, j->c_key };
	const struct secm_key tweak = { j->bd.c_alg, half, j->c_key + half };
	struct xts x = { .gb = j->bd.c_alg == SECM_SM4 && j->bd.ctr_mode == 1 };
	uint32_t r = j->bd.c_len % 16, whole = j->bd.c_len - r - (r ? 16 : 0);
	EVP_CIPHER_CTX *ecb = fl_secm_ctx(c, PRIM_ECB, &tweak, true);

	if (!ecb || !fl_secm_step_evp(ecb, j->c_iv, (uint8_t *)x.t, 16))
		return false;
	x.ecb = fl_secm_ctx(c, PRIM_ECB, &data, encrypt);
	if (!x.ecb || !fl_secm_walk(&in, &out, whole, 16, step, &x))
		return false;
	if (!r)
		return true;
	fl_secm_gather(&in, tail, 16 + r);
	if (!steal(&x, tail, r, encrypt))
		return false;
	fl_secm_scatter(&out, tail, 16 + r);
	return true;
}
