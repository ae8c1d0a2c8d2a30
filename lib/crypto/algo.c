/* SPDX-License-Identifier: BSD-3-Clause */
/* What holds of an algorithm whoever computes it. */
#include <string.h>

#include "crypto_internal.h"

/* clang-format off */
#define ANY(max)    { 1, max, 1 }
#define ONE(n)	    { n, n, 0 }
#define AES_KEY	    { 16, 32, 8 }
#define AES_XTS_KEY { 32, 64, 0 }
#define TDES_KEY    { 16, 24, 8 }

#define CIPHER(n, k, b, i) \
	{ .name = n, .kind = FL_KIND_CIPHER, .block = b, .least = b, .iv = i, \
	  .keys = k, .ivs = ONE(i) }
/* ciphertext stealing: any length from one block on */
#define STEAL(n, k) \
	{ .name = n, .kind = FL_KIND_CIPHER, .block = 1, .least = 16, .iv = 16, \
	  .keys = k, .ivs = ONE(16) }
#define DIGEST(n, d, h) \
	{ .name = n, .kind = FL_KIND_DIGEST, .block = 1, .digest = d, .hash_block = h, \
	  .digests = ANY(d) }
#define HMAC(n, d, h) \
	{ .name = n, .kind = FL_KIND_MAC, .block = 1, .digest = d, .hash_block = h, \
	  .keys = { 0, UINT16_MAX, 1 }, .digests = ANY(d) }
#define MAC(n, k, d) \
	{ .name = n, .kind = FL_KIND_MAC, .block = 1, .digest = d, .keys = k, .digests = ANY(d) }
#define GCM(n, t, k) \
	{ .name = n, .kind = t, .block = 1, .iv = 12, .digest = 16, \
	  .keys = k, .ivs = ANY(FL_IV_MAX), .digests = { 4, 16, 1 } }
#define CCM(n, k) \
	{ .name = n, .kind = FL_KIND_AEAD, .block = 1, .iv = 12, .digest = 16, \
	  .keys = k, .ivs = { 7, 13, 1 }, .digests = { 4, 16, 2 } }
/* clang-format on */

static const struct fl_algo_info algos[FL_ALGO_MAX] = {
	[FL_AES_ECB] = CIPHER("aes-ecb", AES_KEY, 16, 0),
	[FL_AES_CBC] = CIPHER("aes-cbc", AES_KEY, 16, 16),
	[FL_AES_CTR] = CIPHER("aes-ctr", AES_KEY, 1, 16),
	[FL_AES_CFB] = CIPHER("aes-cfb", AES_KEY, 1, 16),
	[FL_AES_OFB] = CIPHER("aes-ofb", AES_KEY, 1, 16),
	[FL_AES_XTS] = STEAL("aes-xts", AES_XTS_KEY),
	[FL_AES_CBC_CS1] = STEAL("aes-cbc-cs1", AES_KEY),
	[FL_AES_CBC_CS2] = STEAL("aes-cbc-cs2", AES_KEY),
	[FL_AES_CBC_CS3] = STEAL("aes-cbc-cs3", AES_KEY),
	[FL_SM4_ECB] = CIPHER("sm4-ecb", ONE(16), 16, 0),
	[FL_SM4_CBC] = CIPHER("sm4-cbc", ONE(16), 16, 16),
	[FL_SM4_CTR] = CIPHER("sm4-ctr", ONE(16), 1, 16),
	[FL_SM4_CFB] = CIPHER("sm4-cfb", ONE(16), 1, 16),
	[FL_SM4_OFB] = CIPHER("sm4-ofb", ONE(16), 1, 16),
	[FL_SM4_XTS] = STEAL("sm4-xts", ONE(32)),
	[FL_SM4_XTS_GB] = STEAL("sm4-xts-gb", ONE(32)),
	[FL_SM4_CBC_CS1] = STEAL("sm4-cbc-cs1", ONE(16)),
	[FL_SM4_CBC_CS2] = STEAL("sm4-cbc-cs2", ONE(16)),
	[FL_SM4_CBC_CS3] = STEAL("sm4-cbc-cs3", ONE(16)),
	[FL_DES_ECB] = CIPHER("des-ecb", ONE(8), 8, 0),
	[FL_DES_CBC] = CIPHER("des-cbc", ONE(8), 8, 8),
	[FL_3DES_ECB] = CIPHER("3des-ecb", TDES_KEY, 8, 0),
	[FL_3DES_CBC] = CIPHER("3des-cbc", TDES_KEY, 8, 8),

	[FL_MD5] = DIGEST("md5", 16, 64),
	[FL_SHA1] = DIGEST("sha1", 20, 64),
	[FL_SHA224] = DIGEST("sha2-224", 28, 64),
	[FL_SHA256] = DIGEST("sha2-256", 32, 64),
	[FL_SHA384] = DIGEST("sha2-384", 48, 128),
	[FL_SHA512] = DIGEST("sha2-512", 64, 128),
	[FL_SHA512_224] = DIGEST("sha2-512-224", 28, 128),
	[FL_SHA512_256] = DIGEST("sha2-512-256", 32, 128),
	[FL_SM3] = DIGEST("sm3", 32, 64),

	[FL_HMAC_MD5] = HMAC("md5-hmac", 16, 64),
	[FL_HMAC_SHA1] = HMAC("sha1-hmac", 20, 64),
	[FL_HMAC_SHA224] = HMAC("sha2-224-hmac", 28, 64),
	[FL_HMAC_SHA256] = HMAC("sha2-256-hmac", 32, 64),
	[FL_HMAC_SHA384] = HMAC("sha2-384-hmac", 48, 128),
	[FL_HMAC_SHA512] = HMAC("sha2-512-hmac", 64, 128),
	[FL_HMAC_SHA512_224] = HMAC("sha2-512-224-hmac", 28, 128),
	[FL_HMAC_SHA512_256] = HMAC("sha2-512-256-hmac", 32, 128),
	[FL_HMAC_SM3] = HMAC("sm3-hmac", 32, 64),
	[FL_AES_CMAC] = MAC("aes-cmac", AES_KEY, 16),
	[FL_AES_XCBC_MAC_96] = MAC("aes-xcbc-mac", ONE(16), 12),
	[FL_AES_XCBC_PRF_128] = MAC("aes-xcbc-prf-128", ONE(16), 16),
	[FL_AES_GMAC] = GCM("aes-gmac", FL_KIND_MAC, AES_KEY),

	[FL_AES_GCM] = GCM("aes-gcm", FL_KIND_AEAD, AES_KEY),
	[FL_AES_CCM] = CCM("aes-ccm", AES_KEY),
	[FL_SM4_GCM] = GCM("sm4-gcm", FL_KIND_AEAD, ONE(16)),
	[FL_SM4_CCM] = CCM("sm4-ccm", ONE(16)),
};

bool fl_sizes_have(const struct fl_sizes *s, unsigned v)
{
	return v >= s->min && v <= s->max &&
	       (s->inc ? (v - s->min) % s->inc == 0 : v == s->min || v == s->max);
}

const struct fl_algo_info *fl_algo_info(enum fl_algo a)
{
	return (unsigned)a < FL_ALGO_MAX && algos[a].name ? &algos[a] : NULL;
}

enum fl_algo fl_algo_find(const char *name)
{
	for (unsigned i = 0; i < FL_ALGO_MAX; i++)
		if (algos[i].name && !strcmp(algos[i].name, name))
			return (enum fl_algo)i;
	return FL_ALGO_NONE;
}

const char *fl_crypto_feature_name(unsigned bit)
{
	static const char *const names[] = {
		"sgl_in_place", "sgl_out", "cipher_then_auth", "auth_then_cipher", "interrupt",
		"hw",		"faults"
	};

	return bit < FL_ARRAY_SIZE(names) ? names[bit] : NULL;
}

const char *fl_op_status_name(enum fl_op_status s)
{
	static const char *const names[] = {
		"ok", "authentication failed", "invalid", "error", "fault", "aborted", "pending"
	};

	return (unsigned)s < FL_ARRAY_SIZE(names) ? names[s] : "unknown";
}
