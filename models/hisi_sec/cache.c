/* SPDX-License-Identifier: BSD-3-Clause */
#include "cache.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define SETS	   64u /* a power of two */
#define WAYS	   4u

#define NO_ENTRY   0u /* what: nothing */
#define ENTRY_HMAC 0x80u

struct entry {
	uint8_t what, len; /* which cipher, mode and direction, or which hash */
	uint8_t key[128];
	EVP_CIPHER_CTX *ctx; /* kept when another key comes */
	struct secm_hmac_key hmac;
};

enum { AES128, AES192, AES256, SM4, DES3, BLOCKS };

struct secm_cache {
	EVP_CIPHER *cipher[BLOCKS][PRIM_MODES]; /* fetched when first used */
	uint8_t victim[SETS];
	struct entry *last; /* in use still: not to be replaced */
	struct entry set[SETS][WAYS];
};

struct secm_cache *fl_secm_cache_new(void)
{
	return calloc(1, sizeof(struct secm_cache));
}

void fl_secm_cache_free(struct secm_cache *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < SETS * WAYS; i++)
		EVP_CIPHER_CTX_free(c->set[i / WAYS][i % WAYS].ctx);
	for (unsigned i = 0; i < BLOCKS * PRIM_MODES; i++)
		EVP_CIPHER_free(c->cipher[i / PRIM_MODES][i % PRIM_MODES]);
	OPENSSL_cleanse(c, sizeof(*c));
	free(c);
}

static const EVP_CIPHER *cipher(struct secm_cache *c, unsigned block, unsigned mode)
{
	static const char *const names[BLOCKS][PRIM_MODES] = {
		{ "AES-128-ECB", "AES-128-CBC", "AES-128-CFB", "AES-128-OFB", "AES-128-CTR",
		  "AES-128-GCM" },
		{ "AES-192-ECB", "AES-192-CBC", "AES-192-CFB", "AES-192-OFB", "AES-192-CTR",
		  "AES-192-GCM" },
		{ "AES-256-ECB", "AES-256-CBC", "AES-256-CFB", "AES-256-OFB", "AES-256-CTR",
		  "AES-256-GCM" },
		{ "SM4-ECB", "SM4-CBC", "SM4-CFB", "SM4-OFB", "SM4-CTR" },
		{ "DES-EDE3-ECB", "DES-EDE3-CBC" },
	};

	if (!c->cipher[block][mode] && names[block][mode])
		c->cipher[block][mode] = EVP_CIPHER_fetch(NULL, names[block][mode], NULL);
	return c->cipher[block][mode];
}

/* Mixes all of the key: keys may differ in a few bytes anywhere. */
static unsigned which_set(uint8_t what, const uint8_t *key, unsigned len)
{
	uint64_t h = what, v;

	for (; len >= 8; key += 8, len -= 8) {
		memcpy(&v, key, 8);
		h = (h ^ v) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	for (; len; key++, len--)
		h = (h ^ *key) * 0x9e3779b97f4a7c15u;
	return (unsigned)(h >> 40) & (SETS - 1);
}

/* the entry, or one to be filled (*hit false) */
static struct entry *look_up(struct secm_cache *c, uint8_t what, const uint8_t *key, uint8_t len,
			     bool *hit)
{
	unsigned s = which_set(what, key, len);
	struct entry *e;

	for (unsigned i = 0; i < WAYS; i++) {
		e = &c->set[s][i];
		if (e->what == what && e->len == len && !memcmp(e->key, key, len)) {
			*hit = true;
			return c->last = e;
		}
	}
	do {
		e = &c->set[s][c->victim[s]++ % WAYS];
	} while (e == c->last);
	e->what = NO_ENTRY;
	*hit = false;
	return c->last = e;
}

static void fill(struct entry *e, uint8_t what, const uint8_t *key, uint8_t len)
{
	memcpy(e->key, key, len);
	e->len = len;
	e->what = what;
}

EVP_CIPHER_CTX *fl_secm_ctx_iv(struct secm_cache *c, enum secm_prim mode, const struct secm_key *k,
			       bool encrypt, const uint8_t *iv)
{
	unsigned block = k->alg == SECM_AES   ? AES128 + (k->len - 16u) / 8
			 : k->alg == SECM_SM4 ? SM4
					      : DES3;
	uint8_t what = (uint8_t)(1 + 2 * (block * PRIM_MODES + mode) + encrypt);
	const EVP_CIPHER *new = NULL;
	struct entry *e;
	bool hit;

	e = look_up(c, what, k->key, k->len, &hit);
	if (hit && !iv)
		return e->ctx;
	if (!hit) {
		new = cipher(c, block, mode);
		if (!e->ctx)
			e->ctx = EVP_CIPHER_CTX_new();
		if (!new || !e->ctx)
			return NULL;
	}
	if (EVP_CipherInit_ex(e->ctx, new, NULL, hit ? NULL : k->key, iv, encrypt) != 1) {
		e->what = NO_ENTRY;
		ERR_clear_error();
		return NULL;
	}
	if (!hit)
		fill(e, what, k->key, k->len);
	return e->ctx;
}

EVP_CIPHER_CTX *fl_secm_ctx(struct secm_cache *c, enum secm_prim mode, const struct secm_key *k,
			    bool encrypt)
{
	return fl_secm_ctx_iv(c, mode, k, encrypt, NULL);
}

static void key_block(const struct secm_hash *h, const uint8_t *key, uint8_t len, uint8_t pad,
		      uint8_t *state)
{
	union secm_hash_ctx ctx;
	uint8_t block[128];

	memset(block, pad, h->block);
	for (unsigned i = 0; i < len; i++)
		block[i] ^= key[i];
	h->init(&ctx);
	h->update(&ctx, block, h->block);
	h->get(&ctx, state);
	OPENSSL_cleanse(block, sizeof(block));
}

const struct secm_hmac_key *fl_secm_hmac_key(struct secm_cache *c, const struct secm_hash *h,
					     const uint8_t *key, uint8_t len)
{
	uint8_t what = (uint8_t)(ENTRY_HMAC + (h - fl_secm_hash(0)));
	struct entry *e;
	bool hit;

	e = look_up(c, what, key, len, &hit);
	if (!hit) {
		key_block(h, key, len, 0x36, e->hmac.inner);
		key_block(h, key, len, 0x5c, e->hmac.outer);
		fill(e, what, key, len);
	}
	return &e->hmac;
}

bool fl_secm_step_evp(void *ctx, const uint8_t *in, uint8_t *out, uint32_t n)
{
	return EVP_Cipher(ctx, out, in, n) == (int)n;
}
