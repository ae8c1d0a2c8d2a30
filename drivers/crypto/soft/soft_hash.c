/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of digests; HMAC keys; states in and out. */
#include "soft_hash.h"

#include <stddef.h>
#include <string.h>

#include <openssl/crypto.h>

_Static_assert(!offsetof(MD5_CTX, A) && !offsetof(SHA_CTX, h0) && !offsetof(SHA256_CTX, h) &&
		       !offsetof(SHA512_CTX, h) && !offsetof(struct soft_sm3, h),
	       "chaining words come first");

/* ---- families ------------------------------------------------------------------------- */

static void md5_init(union soft_hash_state *st)
{
	MD5_Init(&st->md5);
}

static void md5_update(union soft_hash_state *st, const void *in, size_t n)
{
	MD5_Update(&st->md5, in, n);
}

static void md5_final(union soft_hash_state *st, uint8_t *out)
{
	MD5_Final(out, &st->md5);
}

static void md5_set_total(union soft_hash_state *st, uint64_t bytes)
{
	st->md5.Nl = (uint32_t)(bytes << 3);
	st->md5.Nh = (uint32_t)(bytes >> 29);
}

static void sha1_init(union soft_hash_state *st)
{
	SHA1_Init(&st->sha1);
}

static void sha1_update(union soft_hash_state *st, const void *in, size_t n)
{
	SHA1_Update(&st->sha1, in, n);
}

static void sha1_final(union soft_hash_state *st, uint8_t *out)
{
	SHA1_Final(out, &st->sha1);
}

static void sha1_set_total(union soft_hash_state *st, uint64_t bytes)
{
	st->sha1.Nl = (uint32_t)(bytes << 3);
	st->sha1.Nh = (uint32_t)(bytes >> 29);
}

static void sha224_init(union soft_hash_state *st)
{
	SHA224_Init(&st->sha256);
}

static void sha256_init(union soft_hash_state *st)
{
	SHA256_Init(&st->sha256);
}

static void sha256_update(union soft_hash_state *st, const void *in, size_t n)
{
	SHA256_Update(&st->sha256, in, n);
}

static void sha256_final(union soft_hash_state *st, uint8_t *out)
{
	SHA256_Final(out, &st->sha256);
}

static void sha256_set_total(union soft_hash_state *st, uint64_t bytes)
{
	st->sha256.Nl = (uint32_t)(bytes << 3);
	st->sha256.Nh = (uint32_t)(bytes >> 29);
}

static void sha384_init(union soft_hash_state *st)
{
	SHA384_Init(&st->sha512);
}

static void sha512_init(union soft_hash_state *st)
{
	SHA512_Init(&st->sha512);
}

/* SHA-512 with other first words: FIPS 180-4, 5.3.6 */
static void sha512_224_init(union soft_hash_state *st)
{
	static const SHA_LONG64 h[8] = { 0x8c3d37c819544da2, 0x73e1996689dcd4d6, 0x1dfab7ae32ff9c82,
					 0x679dd514582f9fcf, 0x0f6d2b697bd44da8, 0x77e36f7304c48942,
					 0x3f9d85a86a1d36c8, 0x1112e6ad91d692a1 };

	SHA512_Init(&st->sha512);
	memcpy(st->sha512.h, h, sizeof(h));
}

static void sha512_256_init(union soft_hash_state *st)
{
	static const SHA_LONG64 h[8] = { 0x22312194fc2bf72c, 0x9f555fa3c84c64c2, 0x2393b86b6f53b151,
					 0x963877195940eabd, 0x96283ee2a88effe3, 0xbe5e1e2553863992,
					 0x2b0199fc2c85b8aa, 0x0eb72ddc81c52ca2 };

	SHA512_Init(&st->sha512);
	memcpy(st->sha512.h, h, sizeof(h));
}

static void sha512_update(union soft_hash_state *st, const void *in, size_t n)
{
	SHA512_Update(&st->sha512, in, n);
}

static void sha512_final(union soft_hash_state *st, uint8_t *out)
{
	SHA512_Final(out, &st->sha512);
}

static void sha512_set_total(union soft_hash_state *st, uint64_t bytes)
{
	st->sha512.Nl = bytes << 3;
	st->sha512.Nh = bytes >> 61;
}

static void sm3_init(union soft_hash_state *st)
{
	fl_soft_sm3_init(&st->sm3);
}

static void sm3_update(union soft_hash_state *st, const void *in, size_t n)
{
	fl_soft_sm3_update(&st->sm3, in, n);
}

static void sm3_final(union soft_hash_state *st, uint8_t *out)
{
	fl_soft_sm3_final(&st->sm3, out);
}

static void sm3_set_total(union soft_hash_state *st, uint64_t bytes)
{
	st->sm3.total = bytes;
}

/* in the order of enum fl_algo, from FL_MD5 and from FL_HMAC_MD5 */
static const struct soft_hash hashes[] = {
	{ 16, 64, 16, md5_init, md5_update, md5_final, md5_set_total },
	{ 20, 64, 20, sha1_init, sha1_update, sha1_final, sha1_set_total },
	{ 28, 64, 32, sha224_init, sha256_update, sha256_final, sha256_set_total },
	{ 32, 64, 32, sha256_init, sha256_update, sha256_final, sha256_set_total },
	{ 48, 128, 64, sha384_init, sha512_update, sha512_final, sha512_set_total },
	{ 64, 128, 64, sha512_init, sha512_update, sha512_final, sha512_set_total },
	{ 28, 128, 64, sha512_224_init, sha512_update, sha512_final, sha512_set_total },
	{ 32, 128, 64, sha512_256_init, sha512_update, sha512_final, sha512_set_total },
	{ 32, 64, 32, sm3_init, sm3_update, sm3_final, sm3_set_total },
};

const struct soft_hash *fl_soft_hash(enum fl_algo a)
{
	if (a >= FL_MD5 && a <= FL_SM3)
		return &hashes[a - FL_MD5];
	if (a >= FL_HMAC_MD5 && a <= FL_HMAC_SM3)
		return &hashes[a - FL_HMAC_MD5];
	return NULL;
}

/* ---- HMAC and streams ----------------------------------------------------------------- */

static void start_keyed(const struct soft_hash *h, const uint8_t key[SHA512_CBLOCK], uint8_t pad,
			union soft_hash_state *st)
{
	uint8_t block[SHA512_CBLOCK];

	for (unsigned i = 0; i < h->block; i++)
		block[i] = key[i] ^ pad;
	h->init(st);
	h->update(st, block, h->block);
	OPENSSL_cleanse(block, sizeof(block));
}

void fl_soft_hmac_key(const struct soft_hash *h, const uint8_t *key, size_t len,
		      union soft_hash_state *inner, union soft_hash_state *outer)
{
	uint8_t k[SHA512_CBLOCK] = { 0 };

	if (len > h->block) {
		uint8_t digest[SHA512_DIGEST_LENGTH];

		h->init(inner);
		h->update(inner, key, len);
		h->final(inner, digest);
		memcpy(k, digest, h->digest);
		OPENSSL_cleanse(digest, sizeof(digest));
	} else if (len) {
		memcpy(k, key, len);
	}
	start_keyed(h, k, 0x36, inner);
	start_keyed(h, k, 0x5c, outer);
	OPENSSL_cleanse(k, sizeof(k));
}

void fl_soft_hash_save(const struct soft_hash *h, const union soft_hash_state *st, uint8_t *to)
{
	memcpy(to, st, h->chain);
}

void fl_soft_hash_load(const struct soft_hash *h, union soft_hash_state *st, const uint8_t *from,
		       uint64_t total)
{
	h->init(st);
	memcpy(st, from, h->chain);
	h->set_total(st, total);
}
