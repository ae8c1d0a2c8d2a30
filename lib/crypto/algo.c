/* SPDX-License-Identifier: BSD-3-Clause */
/* What holds of an algorithm whoever computes it. */
#include <string.h>

#include "crypto_internal.h"

#define CIPHER(n, b, i)                                                \
	{                                                              \
		.name = n, .kind = FL_KIND_CIPHER, .block = b, .iv = i \
	}
#define DIGEST(n, d, h)                                                                     \
	{                                                                                   \
		.name = n, .kind = FL_KIND_DIGEST, .block = 1, .digest = d, .hash_block = h \
	}
#define HMAC(n, d, h)                                                                    \
	{                                                                                \
		.name = n, .kind = FL_KIND_MAC, .block = 1, .digest = d, .hash_block = h \
	}
#define MAC(n, d, i)                                                             \
	{                                                                        \
		.name = n, .kind = FL_KIND_MAC, .block = 1, .digest = d, .iv = i \
	}
#define AEAD(n, i)                                                                 \
	{                                                                          \
		.name = n, .kind = FL_KIND_AEAD, .block = 1, .digest = 16, .iv = i \
	}

static const struct fl_algo_info algos[FL_ALGO_MAX] = {
	[FL_AES_ECB] = CIPHER("aes-ecb", 16, 0),
	[FL_AES_CBC] = CIPHER("aes-cbc", 16, 16),
	[FL_AES_CTR] = CIPHER("aes-ctr", 1, 16),
	[FL_AES_CFB] = CIPHER("aes-cfb", 1, 16),
	[FL_AES_OFB] = CIPHER("aes-ofb", 1, 16),
	[FL_AES_XTS] = CIPHER("aes-xts", 1, 16),
	[FL_AES_CBC_CS1] = CIPHER("aes-cbc-cs1", 1, 16),
	[FL_AES_CBC_CS2] = CIPHER("aes-cbc-cs2", 1, 16),
	[FL_AES_CBC_CS3] = CIPHER("aes-cbc-cs3", 1, 16),
	[FL_SM4_ECB] = CIPHER("sm4-ecb", 16, 0),
	[FL_SM4_CBC] = CIPHER("sm4-cbc", 16, 16),
	[FL_SM4_CTR] = CIPHER("sm4-ctr", 1, 16),
	[FL_SM4_CFB] = CIPHER("sm4-cfb", 1, 16),
	[FL_SM4_OFB] = CIPHER("sm4-ofb", 1, 16),
	[FL_SM4_XTS] = CIPHER("sm4-xts", 1, 16),
	[FL_SM4_XTS_GB] = CIPHER("sm4-xts-gb", 1, 16),
	[FL_SM4_CBC_CS1] = CIPHER("sm4-cbc-cs1", 1, 16),
	[FL_SM4_CBC_CS2] = CIPHER("sm4-cbc-cs2", 1, 16),
	[FL_SM4_CBC_CS3] = CIPHER("sm4-cbc-cs3", 1, 16),
	[FL_DES_ECB] = CIPHER("des-ecb", 8, 0),
	[FL_DES_CBC] = CIPHER("des-cbc", 8, 8),
	[FL_3DES_ECB] = CIPHER("3des-ecb", 8, 0),
	[FL_3DES_CBC] = CIPHER("3des-cbc", 8, 8),

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
	[FL_AES_CMAC] = MAC("aes-cmac", 16, 0),
	[FL_AES_XCBC_MAC_96] = MAC("aes-xcbc-mac", 12, 0),
	[FL_AES_XCBC_PRF_128] = MAC("aes-xcbc-prf-128", 16, 0),
	[FL_AES_GMAC] = MAC("aes-gmac", 16, 12),

	[FL_AES_GCM] = AEAD("aes-gcm", 12),
	[FL_AES_CCM] = AEAD("aes-ccm", 12),
	[FL_SM4_GCM] = AEAD("sm4-gcm", 12),
	[FL_SM4_CCM] = AEAD("sm4-ccm", 12),
};

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
