/* SPDX-License-Identifier: BSD-3-Clause */
#include "crypto_ref.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

typedef struct {
	uint8_t b[16];
} block;

/* ---- EVP ---------------------------------------------------------------------------------- */

/* Encrypts whole, without padding. cts: the variant of ciphertext stealing, or NULL. */
static int evp(const char *name, const char *cts, const uint8_t *key, const uint8_t *iv,
	       const uint8_t *in, size_t len, uint8_t *out)
{
	EVP_CIPHER *c = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	OSSL_PARAM p[] = { OSSL_PARAM_END, OSSL_PARAM_END };
	int n = 0, rest = 0, ok;

	if (cts)
		p[0] = OSSL_PARAM_construct_utf8_string(OSSL_CIPHER_PARAM_CTS_MODE, (char *)cts, 0);
	ok = c && EVP_EncryptInit_ex2(x, c, key, iv, p) == 1 &&
	     EVP_CIPHER_CTX_set_padding(x, 0) == 1 &&
	     EVP_EncryptUpdate(x, out, &n, in, (int)len) == 1 &&
	     EVP_EncryptFinal_ex(x, out + n, &rest) == 1 && (size_t)(n + rest) == len;
	EVP_CIPHER_CTX_free(x);
	EVP_CIPHER_free(c);
	return ok ? 0 : -1;
}

static int evp_aead(const char *name, bool ccm, const struct ref_in *r, uint8_t *out, uint8_t *tag)
{
	const struct fl_session_conf *k = r->conf;
	EVP_CIPHER *c = EVP_CIPHER_fetch(NULL, name, NULL);
	EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
	int n = 0, ok;

	ok = c && EVP_EncryptInit_ex2(x, c, NULL, NULL, NULL) == 1 &&
	     EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_IVLEN, k->iv_len, NULL) == 1 &&
	     (!ccm || EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, k->digest_len, NULL) == 1) &&
	     EVP_EncryptInit_ex2(x, NULL, k->key, r->iv, NULL) == 1 &&
	     (!ccm || EVP_EncryptUpdate(x, NULL, &n, NULL, (int)r->len) == 1) &&
	     (!r->aad_len || EVP_EncryptUpdate(x, NULL, &n, r->aad, (int)r->aad_len) == 1) &&
	     EVP_EncryptUpdate(x, out, &n, r->in, (int)r->len) == 1 &&
	     EVP_EncryptFinal_ex(x, out + n, &n) == 1 &&
	     EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, k->digest_len, tag) == 1;
	EVP_CIPHER_CTX_free(x);
	EVP_CIPHER_free(c);
	return ok ? 0 : -1;
}

/* A MAC over two pieces; sub is the digest or cipher it is made with. */
static int evp_mac(const char *name, const char *param, const char *sub, const struct ref_in *r,
		   const uint8_t *key, size_t key_len, const uint8_t *second, size_t second_len,
		   uint8_t out[64])
{
	EVP_MAC *m = EVP_MAC_fetch(NULL, name, NULL);
	EVP_MAC_CTX *x = m ? EVP_MAC_CTX_new(m) : NULL;
	OSSL_PARAM p[] = { OSSL_PARAM_construct_utf8_string(param, (char *)sub, 0), OSSL_PARAM_END,
			   OSSL_PARAM_END };
	size_t n;
	int ok;

	if (!strcmp(name, "GMAC"))
		p[1] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_IV, (void *)r->iv,
							 r->conf->iv_len);
	ok = x && EVP_MAC_init(x, key_len ? key : r->iv, key_len, p) == 1 &&
	     EVP_MAC_update(x, r->aad, r->aad_len) == 1 &&
	     EVP_MAC_update(x, second, second_len) == 1 && EVP_MAC_final(x, out, &n, 64) == 1;
	EVP_MAC_CTX_free(x);
	EVP_MAC_free(m);
	return ok ? 0 : -1;
}

/* ---- blocks ------------------------------------------------------------------------------- */

/* A key for single blocks: SM4, or AES of 16 to 32 bytes. */
struct ecb {
	bool sm4;
	size_t key_len;
	const uint8_t *key;
};

static const char *aes_name(char *buf, size_t n, size_t key_len, const char *mode)
{
	snprintf(buf, n, "AES-%zu-%s", key_len * 8, mode);
	return buf;
}

static int ecb(const struct ecb *k, const uint8_t *in, size_t len, uint8_t *out)
{
	char name[32];

	return evp(k->sm4 ? "SM4-ECB" : aes_name(name, sizeof(name), k->key_len, "ECB"), NULL,
		   k->key, NULL, in, len, out);
}

static void xor16(uint8_t *to, const uint8_t *with)
{
	for (unsigned i = 0; i < 16; i++)
		to[i] ^= with[i];
}

/* XORs a key stream that counts up from ctr, in its last `width` bytes */
static int ctr_mode(const struct ecb *k, block ctr, unsigned width, const uint8_t *in, size_t len,
		    uint8_t *out)
{
	for (size_t at = 0; at < len; at += 16) {
		uint8_t ks[16];

		if (ecb(k, ctr.b, 16, ks))
			return -1;
		for (size_t i = 0; i < 16 && at + i < len; i++)
			out[at + i] = in[at + i] ^ ks[i];
		for (unsigned i = 15; i >= 16 - width && ++ctr.b[i] == 0; i--)
			;
	}
	return 0;
}

/* CBC-MAC of n bytes, a multiple of 16, from st on */
static int cbc_mac(const struct ecb *k, const uint8_t *in, size_t n, uint8_t st[16])
{
	for (size_t at = 0; at < n; at += 16) {
		xor16(st, in + at);
		if (ecb(k, st, 16, st))
			return -1;
	}
	return 0;
}

/* ---- XTS: IEEE 1619, and GB/T 17964 whose field elements stand the other way round -------- */

static void xts_next(uint8_t t[16], bool gb)
{
	uint8_t out;

	if (gb) {
		out = t[15] & 1;
		for (unsigned i = 15; i; i--)
			t[i] = (uint8_t)(t[i] >> 1 | t[i - 1] << 7);
		t[0] = (uint8_t)(t[0] >> 1 ^ (out ? 0xe1 : 0));
		return;
	}
	out = t[15] >> 7;
	for (unsigned i = 15; i; i--)
		t[i] = (uint8_t)(t[i] << 1 | t[i - 1] >> 7);
	t[0] = (uint8_t)(t[0] << 1 ^ (out ? 0x87 : 0));
}

static int xts_block(const struct ecb *k, const uint8_t t[16], const uint8_t *in, uint8_t *out)
{
	uint8_t b[16];

	memcpy(b, in, 16);
	xor16(b, t);
	if (ecb(k, b, 16, b))
		return -1;
	xor16(b, t);
	memcpy(out, b, 16);
	return 0;
}

static int xts(const struct ecb *whole, bool gb, const uint8_t iv[16], const uint8_t *in,
	       size_t len, uint8_t *out)
{
	size_t half = whole->key_len / 2, at, rest = len % 16;
	const struct ecb data = { whole->sm4, half, whole->key },
			 tweak = { whole->sm4, half, whole->key + half };
	uint8_t t[16], last[16];

	if (len < 16 || ecb(&tweak, iv, 16, t))
		return -1;
	for (at = 0; at + 16 <= len; at += 16, xts_next(t, gb))
		if (xts_block(&data, t, in + at, out + at))
			return -1;
	if (!rest)
		return 0;
	/* the last whole block's ciphertext lends its end to the short one */
	memcpy(last, out + at - 16, 16);
	memcpy(out + at, last, rest);
	memcpy(last, in + at, rest);
	return xts_block(&data, t, last, out + at - 16);
}

/* ---- CBC with ciphertext stealing: addendum to SP 800-38A --------------------------------- */

static int cts(const struct ecb *k, unsigned variant, const uint8_t *iv, const uint8_t *in,
	       size_t len, uint8_t *out)
{
	size_t blocks = (len + 15) / 16, tail = len - (blocks - 1) * 16;
	uint8_t *c = calloc(blocks, 16), st[16];
	int rc = len < 16 ? -1 : 0;

	memcpy(st, iv, 16);
	memcpy(c, in, len); /* and zeroes */
	for (size_t i = 0; i < blocks && !rc; i++) {
		rc = cbc_mac(k, c + i * 16, 16, st);
		memcpy(c + i * 16, st, 16);
	}
	memcpy(out, c, len);
	/* CS1 leaves the short block before the last; CS3 swaps always, CS2 where it is short */
	if (!rc && blocks > 1) {
		uint8_t *end = out + (blocks - 2) * 16, *last = c + (blocks - 1) * 16,
			*short_ = last - 16;

		if (variant == 1 || (variant == 2 && tail == 16)) {
			memcpy(end, short_, tail);
			memcpy(end + tail, last, 16);
		} else {
			memcpy(end, last, 16);
			memcpy(end + 16, short_, tail);
		}
	}
	free(c);
	return rc;
}

/* ---- GCM and CCM: SP 800-38D, 800-38C ----------------------------------------------------- */

static void ghash_mul(uint8_t y[16], const uint8_t h[16])
{
	uint8_t z[16] = { 0 }, v[16];

	memcpy(v, h, 16);
	for (unsigned i = 0; i < 128; i++) {
		if (y[i / 8] >> (7 - i % 8) & 1)
			xor16(z, v);
		xts_next(v, true); /* the same field */
	}
	memcpy(y, z, 16);
}

static void ghash(const uint8_t h[16], const uint8_t *in, size_t len, uint8_t y[16])
{
	for (size_t at = 0; at < len; at += 16) {
		for (size_t i = 0; i < 16 && at + i < len; i++)
			y[i] ^= in[at + i];
		ghash_mul(y, h);
	}
}

static void ghash_lengths(const uint8_t h[16], uint64_t a, uint64_t c, uint8_t y[16])
{
	uint8_t b[16];

	for (unsigned i = 0; i < 8; i++) {
		b[i] = (uint8_t)(a * 8 >> (56 - 8 * i));
		b[8 + i] = (uint8_t)(c * 8 >> (56 - 8 * i));
	}
	ghash(h, b, 16, y);
}

static int gcm(const struct ecb *k, const struct ref_in *r, uint8_t *out, uint8_t *tag)
{
	uint8_t h[16] = { 0 }, y[16] = { 0 }, e[16];
	block j0 = { 0 }, j1;

	if (ecb(k, h, 16, h))
		return -1;
	if (r->conf->iv_len == 12) {
		memcpy(j0.b, r->iv, 12);
		j0.b[15] = 1;
	} else {
		ghash(h, r->iv, r->conf->iv_len, j0.b);
		ghash_lengths(h, 0, r->conf->iv_len, j0.b);
	}
	j1 = j0;
	for (unsigned i = 15; i >= 12 && ++j1.b[i] == 0; i--)
		;
	if (ctr_mode(k, j1, 4, r->in, r->len, out) || ecb(k, j0.b, 16, e))
		return -1;
	ghash(h, r->aad, r->aad_len, y);
	ghash(h, out, r->len, y);
	ghash_lengths(h, r->aad_len, r->len, y);
	xor16(y, e);
	memcpy(tag, y, r->conf->digest_len);
	return 0;
}

static int ccm(const struct ecb *k, const struct ref_in *r, uint8_t *out, uint8_t *tag)
{
	unsigned width = 15u - r->conf->iv_len, m = r->conf->digest_len;
	size_t alen = r->aad_len + (r->aad_len ? 2 : 0), n = 16 + (alen + 15) / 16 * 16;
	uint8_t *b = calloc(1, n + (r->len + 15) / 16 * 16), st[16] = { 0 }, s0[16];
	block ctr = { 0 };
	int rc = r->aad_len >= 0xff00 ? -1 : 0;

	b[0] = (uint8_t)((alen ? 64 : 0) | (m - 2) / 2 << 3 | (width - 1));
	memcpy(b + 1, r->iv, r->conf->iv_len);
	for (unsigned i = 0; i < width && i < 8; i++)
		b[15 - i] = (uint8_t)(r->len >> 8 * i);
	if (alen && !rc) {
		b[16] = (uint8_t)(r->aad_len >> 8);
		b[17] = (uint8_t)r->aad_len;
		memcpy(b + 18, r->aad, r->aad_len);
	}
	if (r->len)
		memcpy(b + n, r->in, r->len);
	ctr.b[0] = (uint8_t)(width - 1);
	memcpy(ctr.b + 1, r->iv, r->conf->iv_len);
	rc = rc || cbc_mac(k, b, n + (r->len + 15) / 16 * 16, st) || ecb(k, ctr.b, 16, s0);
	ctr.b[15] = 1;
	rc = rc || ctr_mode(k, ctr, width, r->in, r->len, out);
	xor16(st, s0);
	memcpy(tag, st, m);
	free(b);
	return rc ? -1 : 0;
}

/* ---- XCBC-MAC: RFC 3566 ------------------------------------------------------------------- */

static int xcbc(const uint8_t *key, const uint8_t *in, size_t len, uint8_t st[16])
{
	const struct ecb k = { false, 16, key };
	size_t whole = len ? (len - 1) / 16 * 16 : 0, rest = len - whole;
	uint8_t k1[16], kx[16], last[16] = { 0 };
	const struct ecb mac = { false, 16, k1 };

	memset(k1, 1, 16);
	memset(kx, rest == 16 ? 2 : 3, 16);
	memset(st, 0, 16);
	if (rest)
		memcpy(last, in + whole, rest);
	if (rest < 16)
		last[rest] = 0x80;
	if (ecb(&k, k1, 16, k1) || ecb(&k, kx, 16, kx) || cbc_mac(&mac, in, whole, st))
		return -1;
	xor16(last, kx);
	return cbc_mac(&mac, last, 16, st);
}

/* ---- by algorithm ------------------------------------------------------------------------- */

static int cipher(const struct fl_session_conf *c, const uint8_t *iv, const uint8_t *in, size_t len,
		  uint8_t *out)
{
	static const char *const modes[] = { "ECB", "CBC", "CTR", "CFB", "OFB", "XTS" };
	const struct ecb k = { true, c->key_len, c->key };
	uint8_t key3[24];
	char name[32], mode[16];

	if (!len)
		return 0;
	switch (c->cipher) {
	case FL_AES_ECB ... FL_AES_XTS:
		snprintf(name, sizeof(name), "AES-%u-%s",
			 c->key_len * 8 / (c->cipher == FL_AES_XTS ? 2 : 1),
			 modes[c->cipher - FL_AES_ECB]);
		return evp(name, NULL, c->key, iv, in, len, out);
	case FL_AES_CBC_CS1 ... FL_AES_CBC_CS3:
		snprintf(mode, sizeof(mode), "CS%u", c->cipher - FL_AES_CBC_CS1 + 1);
		return evp(aes_name(name, sizeof(name), c->key_len, "CBC-CTS"), mode, c->key, iv,
			   in, len, out);
	case FL_SM4_ECB ... FL_SM4_OFB:
		snprintf(name, sizeof(name), "SM4-%s", modes[c->cipher - FL_SM4_ECB]);
		return evp(name, NULL, c->key, iv, in, len, out);
	case FL_SM4_XTS:
	case FL_SM4_XTS_GB:
		return xts(&k, c->cipher == FL_SM4_XTS_GB, iv, in, len, out);
	case FL_SM4_CBC_CS1 ... FL_SM4_CBC_CS3:
		return cts(&k, c->cipher - FL_SM4_CBC_CS1 + 1, iv, in, len, out);
	case FL_DES_ECB ... FL_3DES_CBC:
		/* one key thrice is DES, the first again for the third is two-key 3DES */
		for (unsigned i = 0; i < 24; i++)
			key3[i] = c->key[i % c->key_len];
		snprintf(name, sizeof(name), "DES-EDE3-%s", modes[(c->cipher - FL_DES_ECB) % 2]);
		return evp(name, NULL, key3, iv, in, len, out);
	default:
		return -1;
	}
}

static const char *digest_name(enum fl_algo a)
{
	static const char *const names[] = { "MD5",	     "SHA1",	     "SHA2-224",
					     "SHA2-256",     "SHA2-384",     "SHA2-512",
					     "SHA2-512/224", "SHA2-512/256", "SM3" };

	return names[a - (a >= FL_HMAC_MD5 ? FL_HMAC_MD5 : FL_MD5)];
}

/* Digest or MAC of AAD and `in`. */
static int mac(const struct ref_in *r, const uint8_t *in, size_t len, uint8_t *digest)
{
	const struct fl_session_conf *c = r->conf;
	uint8_t full[64];
	char name[32];
	int rc = -1;

	switch (c->auth) {
	case FL_MD5 ... FL_SM3:
		rc = EVP_Q_digest(NULL, digest_name(c->auth), NULL, in, len, full, NULL) - 1;
		break;
	case FL_HMAC_MD5 ... FL_HMAC_SM3:
		rc = evp_mac("HMAC", OSSL_MAC_PARAM_DIGEST, digest_name(c->auth), r, c->auth_key,
			     c->auth_key_len, in, len, full);
		break;
	case FL_AES_CMAC:
		aes_name(name, sizeof(name), c->auth_key_len, "CBC");
		rc = evp_mac("CMAC", OSSL_MAC_PARAM_CIPHER, name, r, c->auth_key, c->auth_key_len,
			     in, len, full);
		break;
	case FL_AES_GMAC:
		aes_name(name, sizeof(name), c->auth_key_len, "GCM");
		rc = evp_mac("GMAC", OSSL_MAC_PARAM_CIPHER, name, r, c->auth_key, c->auth_key_len,
			     in, len, full);
		break;
	case FL_AES_XCBC_MAC_96:
	case FL_AES_XCBC_PRF_128:
		rc = r->aad_len ? -1 : xcbc(c->auth_key, in, len, full);
		break;
	default:
		break;
	}
	if (!rc)
		memcpy(digest, full, c->digest_len);
	return rc;
}

static int aead(const struct ref_in *r, uint8_t *out, uint8_t *tag)
{
	const struct ecb sm4 = { true, 16, r->conf->key };
	char name[32];

	switch (r->conf->cipher) {
	case FL_AES_GCM:
		return evp_aead(aes_name(name, sizeof(name), r->conf->key_len, "GCM"), false, r,
				out, tag);
	case FL_AES_CCM:
		return evp_aead(aes_name(name, sizeof(name), r->conf->key_len, "CCM"), true, r, out,
				tag);
	case FL_SM4_GCM:
		return gcm(&sm4, r, out, tag);
	case FL_SM4_CCM:
		return ccm(&sm4, r, out, tag);
	default:
		return -1;
	}
}

int ref_encrypt(const struct ref_in *r, uint8_t *out, uint8_t *digest)
{
	switch (r->conf->type) {
	case FL_CRYPTO_CIPHER:
		return cipher(r->conf, r->iv, r->in, r->len, out);
	case FL_CRYPTO_AUTH:
		return mac(r, r->in, r->len, digest);
	case FL_CRYPTO_AEAD:
		return aead(r, out, digest);
	case FL_CRYPTO_CIPHER_AUTH:
		return cipher(r->conf, r->iv, r->in, r->len, out) || mac(r, out, r->len, digest)
			       ? -1
			       : 0;
	case FL_CRYPTO_AUTH_CIPHER:
		return mac(r, r->in, r->len, digest) || cipher(r->conf, r->iv, r->in, r->len, out)
			       ? -1
			       : 0;
	}
	return -1;
}

/* ---- is it right itself ------------------------------------------------------------------- */

/* GB/T 17964-2021: XTS with stealing */
static int gb_vector(void)
{
	static const uint8_t key[32] = { 0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
					 0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c,
					 0,    1,    2,	   3,	 4,    5,    6,	   7,
					 8,    9,    10,   11,	 12,   13,   14,   15 };
	static const uint8_t in[] = { 0x6b, 0xc1, 0xbe, 0xe2, 0x2e, 0x40, 0x9f, 0x96, 0xe9, 0x3d,
				      0x7e, 0x11, 0x73, 0x93, 0x17, 0x2a, 0xae, 0x2d, 0x8a, 0x57,
				      0x1e, 0x03, 0xac, 0x9c, 0x9e, 0xb7, 0x6f, 0xac, 0x45, 0xaf,
				      0x8e, 0x51, 0x30, 0xc8, 0x1c, 0x46, 0xa3, 0x5c, 0xe4, 0x11,
				      0xe5, 0xfb, 0xc1, 0x19, 0x1a, 0x0a, 0x52, 0xef, 0xf6, 0x9f,
				      0x24, 0x45, 0xdf, 0x4f, 0x9b, 0x17 };
	static const uint8_t want[] = { 0xe9, 0x53, 0x82, 0x51, 0xc7, 0x1d, 0x7b, 0x80, 0xbb, 0xe4,
					0x48, 0x3f, 0xef, 0x49, 0x7b, 0xd1, 0x2c, 0x5c, 0x58, 0x1b,
					0xd6, 0x24, 0x2f, 0xc5, 0x1e, 0x08, 0x96, 0x4f, 0xb4, 0xf6,
					0x0f, 0xdb, 0x0b, 0xa4, 0x2f, 0x63, 0x49, 0x92, 0x79, 0x21,
					0x3d, 0x31, 0x8d, 0x2c, 0x11, 0xf6, 0x88, 0x6e, 0x90, 0x3b,
					0xe7, 0xf9, 0x3a, 0x1b, 0x34, 0x79 };
	const struct ecb k = { true, sizeof(key), key };
	uint8_t iv[16], out[sizeof(in)];

	for (unsigned i = 0; i < 16; i++)
		iv[i] = (uint8_t)(0xf0 + i);
	return xts(&k, true, iv, in, sizeof(in), out) || memcmp(out, want, sizeof(in));
}

int ref_self_test(void)
{
	/* RFC 3566, test case 4: 20 bytes */
	static const uint8_t want[12] = { 0x47, 0xf5, 0x1b, 0x45, 0x64, 0x96,
					  0x62, 0x15, 0xb8, 0x98, 0x5c, 0x63 };
	uint8_t buf[200], a[200], b[200], ta[16], tb[16];
	struct fl_session_conf c = { .key = buf, .key_len = 16, .digest_len = 16 };
	struct ref_in r = { .conf = &c, .iv = buf + 50, .aad = buf + 70, .in = buf + 100 };
	struct ecb k = { false, 32, buf };

	if (gb_vector())
		return -1;
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)i;
	if (xcbc(buf, buf, 20, a) || memcmp(a, want, 12))
		return -1;
	for (size_t len = 16; len <= 100; len++) {
		if (evp("AES-128-XTS", NULL, buf, buf + 50, buf + 100, len, a) ||
		    xts(&k, false, buf + 50, buf + 100, len, b) || memcmp(a, b, len))
			return -1;
		for (unsigned v = 1; v <= 3; v++) {
			const char *const name[] = { "CS1", "CS2", "CS3" };

			if (evp("AES-256-CBC-CTS", name[v - 1], buf, buf + 50, buf + 100, len, a) ||
			    cts(&k, v, buf + 50, buf + 100, len, b) || memcmp(a, b, len))
				return -1;
		}
	}
	k.key_len = 16;
	for (r.len = 0; r.len <= 40; r.len++) {
		r.aad_len = r.len * 7 % 31;
		c.cipher = FL_AES_GCM;
		c.iv_len = (uint16_t)(1 + r.len % 16);
		if (aead(&r, a, ta) || gcm(&k, &r, b, tb) || memcmp(a, b, r.len) ||
		    memcmp(ta, tb, 16))
			return -1;
		c.cipher = FL_AES_CCM;
		c.iv_len = (uint16_t)(7 + r.len % 7);
		if (aead(&r, a, ta) || ccm(&k, &r, b, tb) || memcmp(a, b, r.len) ||
		    memcmp(ta, tb, 16))
			return -1;
	}
	return 0;
}
