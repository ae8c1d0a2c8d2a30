/* SPDX-License-Identifier: BSD-3-Clause */
/* The hashes of a_alg, each as a table of what can be done with it. */
#include "hash.h"

#include <string.h>

static void put_be32(uint8_t *p, const uint32_t *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t v = __builtin_bswap32(w[i]);

		memcpy(p + 4 * i, &v, 4);
	}
}

static void get_be32(const uint8_t *p, uint32_t *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		memcpy(&w[i], p + 4 * i, 4);
		w[i] = __builtin_bswap32(w[i]);
	}
}

/* ---- MD5 --------------------------------------------------------------------------------- */

static void md5_init(union secm_hash_ctx *c)
{
	MD5_Init(&c->md5);
}

static void md5_update(union secm_hash_ctx *c, const uint8_t *p, size_t n)
{
	MD5_Update(&c->md5, p, n);
}

static void md5_final(union secm_hash_ctx *c, uint8_t *out)
{
	MD5_Final(out, &c->md5);
}

static void md5_get(const union secm_hash_ctx *c, uint8_t *state)
{
	const uint32_t w[4] = { c->md5.A, c->md5.B, c->md5.C, c->md5.D };

	for (unsigned i = 0; i < 16; i++)
		state[i] = (uint8_t)(w[i / 4] >> 8 * (i % 4));
}

static void md5_put(union secm_hash_ctx *c, const uint8_t *state, uint64_t before)
{
	uint32_t w[4] = { 0 };

	for (unsigned i = 0; i < 16; i++)
		w[i / 4] |= (uint32_t)state[i] << 8 * (i % 4);
	MD5_Init(&c->md5);
	c->md5.A = w[0];
	c->md5.B = w[1];
	c->md5.C = w[2];
	c->md5.D = w[3];
	c->md5.Nl = (MD5_LONG)(before << 3);
	c->md5.Nh = (MD5_LONG)(before >> 29);
}

/* ---- SHA-1 ------------------------------------------------------------------------------- */

static void sha1_init(union secm_hash_ctx *c)
{
	SHA1_Init(&c->sha1);
}

static void sha1_update(union secm_hash_ctx *c, const uint8_t *p, size_t n)
{
	SHA1_Update(&c->sha1, p, n);
}

static void sha1_final(union secm_hash_ctx *c, uint8_t *out)
{
	SHA1_Final(out, &c->sha1);
}

static void sha1_get(const union secm_hash_ctx *c, uint8_t *state)
{
	const uint32_t w[5] = { c->sha1.h0, c->sha1.h1, c->sha1.h2, c->sha1.h3, c->sha1.h4 };

	put_be32(state, w, 5);
}

static void sha1_put(union secm_hash_ctx *c, const uint8_t *state, uint64_t before)
{
	uint32_t w[5];

	get_be32(state, w, 5);
	SHA1_Init(&c->sha1);
	c->sha1.h0 = w[0];
	c->sha1.h1 = w[1];
	c->sha1.h2 = w[2];
	c->sha1.h3 = w[3];
	c->sha1.h4 = w[4];
	c->sha1.Nl = (SHA_LONG)(before << 3);
	c->sha1.Nh = (SHA_LONG)(before >> 29);
}

/* ---- SHA-224, SHA-256 -------------------------------------------------------------------- */

static void sha224_init(union secm_hash_ctx *c)
{
	SHA224_Init(&c->sha256);
}

static void sha256_init(union secm_hash_ctx *c)
{
	SHA256_Init(&c->sha256);
}

static void sha256_update(union secm_hash_ctx *c, const uint8_t *p, size_t n)
{
	SHA256_Update(&c->sha256, p, n);
}

static void sha256_final(union secm_hash_ctx *c, uint8_t *out)
{
	SHA256_Final(out, &c->sha256); /* md_len bytes, which init set */
}

static void sha256_get(const union secm_hash_ctx *c, uint8_t *state)
{
	put_be32(state, c->sha256.h, 8);
}

static void sha256_resume(union secm_hash_ctx *c, const uint8_t *state, uint64_t before)
{
	get_be32(state, c->sha256.h, 8);
	c->sha256.Nl = (SHA_LONG)(before << 3);
	c->sha256.Nh = (SHA_LONG)(before >> 29);
}

static void sha224_put(union secm_hash_ctx *c, const uint8_t *state, uint64_t before)
{
	SHA224_Init(&c->sha256);
	sha256_resume(c, state, before);
}

static void sha256_put(union secm_hash_ctx *c, const uint8_t *state, uint64_t before)
{
	SHA256_Init(&c->sha256);
	sha256_resume(c, state, before);
}

/* ---- SHA-384, SHA-512, SHA-512/224, SHA-512/256 ------------------------------------------ */

/* FIPS 180-4, 5.3.6: libcrypto keeps the start values of SHA-512/t to itself */
static const uint64_t sha512_224_start[8] = {
	0x8c3d37c819544da2, 0x73e1996689dcd4d6, 0x1dfab7ae32ff9c82, 0x679dd514582f9fcf,
	0x0f6d2b697bd44da8, 0x77e36f7304c48942, 0x3f9d85a86a1d36c8, 0x1112e6ad91d692a1,
};
static const uint64_t sha512_256_start[8] = {
	0x22312194fc2bf72c, 0x9f555fa3c84c64c2, 0x2393b86b6f53b151, 0x963877195940eabd,
	0x96283ee2a88effe3, 0xbe5e1e2553863992, 0x2b0199fc2c85b8aa, 0x0eb72ddc81c52ca2,
};

static void sha384_init(union secm_hash_ctx *c)
{
	SHA384_Init(&c->sha512);
}

static void sha512_init(union secm_hash_ctx *c)
{
	SHA512_Init(&c->sha512);
}

static void sha512_t_init(union secm_hash_ctx *c, const uint64_t *start, unsigned len)
{
	SHA512_Init(&c->sha512);
	for (unsigned i = 0; i < 8; i++)
		c->sha512.h[i] = start[i];
	c->sha512.md_len = len;
}

static void sha512_224_init(union secm_hash_ctx *c)
{
	sha512_t_init(c, sha512_224_start, 28);
}

static void sha512_256_init(union secm_hash_ctx *c)
{
	sha512_t_init(c, sha512_256_start, 32);
}

static void sha512_update(union secm_hash_ctx *c, const uint8_t *p, size_t n)
{
	SHA512_Update(&c->sha512, p, n);
}

static void sha512_final(union secm_hash_ctx *c, uint8_t *out)
{
	SHA512_Final(out, &c->sha512);
}

static void sha512_get(const union secm_hash_ctx *c, uint8_t *state)
{
	for (unsigned i = 0; i < 8; i++) {
		uint64_t v = __builtin_bswap64(c->sha512.h[i]);

		memcpy(state + 8 * i, &v, 8);
	}
}

static void sha512_resume(union secm_hash_ctx *c, const uint8_t *state, uint64_t before)
{
	for (unsigned i = 0; i < 8; i++) {
		uint64_t v;

		memcpy(&v, state + 8 * i, 8);
		c->sha512.h[i] = __builtin_bswap64(v);
	}
	c->sha512.Nl = before << 3;
	c->sha512.Nh = before >> 61;
}

static void sha384_put(union secm_hash_ctx *c, const uint8_t *state, uint64_t before)
{
	SHA384_Init(&c->sha512);
	sha512_resume(c, state, before);
}

static void sha512_put(union secm_hash_ctx *c, const uint8_t *state, uint64_t before)
{
	SHA512_Init(&c->sha512);
	sha512_resume(c, state, before);
}

static void sha512_224_put(union secm_hash_ctx *c, const uint8_t *state, uint64_t before)
{
	sha512_224_init(c);
	sha512_resume(c, state, before);
}

static void sha512_256_put(union secm_hash_ctx *c, const uint8_t *state, uint64_t before)
{
	sha512_256_init(c);
	sha512_resume(c, state, before);
}

/* ---- SM3 --------------------------------------------------------------------------------- */

static void sm3_init(union secm_hash_ctx *c)
{
	fl_secm_sm3_init(&c->sm3);
}

static void sm3_update(union secm_hash_ctx *c, const uint8_t *p, size_t n)
{
	fl_secm_sm3_update(&c->sm3, p, n);
}

static void sm3_final(union secm_hash_ctx *c, uint8_t *out)
{
	fl_secm_sm3_final(&c->sm3, out);
}

static void sm3_get(const union secm_hash_ctx *c, uint8_t *state)
{
	put_be32(state, c->sm3.v, 8);
}

static void sm3_put(union secm_hash_ctx *c, const uint8_t *state, uint64_t before)
{
	get_be32(state, c->sm3.v, 8);
	c->sm3.len = before;
}

/* ---- the table --------------------------------------------------------------------------- */

/* in the order of their codes, SM3 last */
static const struct secm_hash hashes[] = {
	{ 20, 64, 20, sha1_init, sha1_update, sha1_final, sha1_get, sha1_put },
	{ 32, 64, 32, sha256_init, sha256_update, sha256_final, sha256_get, sha256_put },
	{ 16, 64, 16, md5_init, md5_update, md5_final, md5_get, md5_put },
	{ 28, 64, 32, sha224_init, sha256_update, sha256_final, sha256_get, sha224_put },
	{ 48, 128, 64, sha384_init, sha512_update, sha512_final, sha512_get, sha384_put },
	{ 64, 128, 64, sha512_init, sha512_update, sha512_final, sha512_get, sha512_put },
	{ 28, 128, 64, sha512_224_init, sha512_update, sha512_final, sha512_get, sha512_224_put },
	{ 32, 128, 64, sha512_256_init, sha512_update, sha512_final, sha512_get, sha512_256_put },
	{ 32, 64, 32, sm3_init, sm3_update, sm3_final, sm3_get, sm3_put },
};

const struct secm_hash *fl_secm_hash(unsigned a_alg)
{
	if (a_alg == 0x25 || a_alg == 0x26)
		return &hashes[8];
	return a_alg < 8 || (a_alg >= 0x10 && a_alg < 0x18) ? &hashes[a_alg & 7] : NULL;
}

bool fl_secm_is_hmac(unsigned a_alg)
{
	return (a_alg >= 0x10 && a_alg < 0x18) || a_alg == 0x26;
}
