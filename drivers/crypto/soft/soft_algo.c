/* SPDX-License-Identifier: BSD-3-Clause */
/* Every algorithm: how it is made of OpenSSL's. */
#include "soft.h"

const struct soft_algo fl_soft_algos[FL_ALGO_MAX] = {
	[FL_AES_ECB] = { SOFT_EVP, SOFT_AES, SOFT_ECB },
	[FL_AES_CBC] = { SOFT_EVP, SOFT_AES, SOFT_CBC },
	[FL_AES_CTR] = { SOFT_EVP, SOFT_AES, SOFT_CTR },
	[FL_AES_CFB] = { SOFT_EVP, SOFT_AES, SOFT_CFB },
	[FL_AES_OFB] = { SOFT_EVP, SOFT_AES, SOFT_OFB },
	[FL_AES_XTS] = { SOFT_TWEAKED, SOFT_AES, SOFT_ECB },
	[FL_AES_CBC_CS1] = { SOFT_CTS, SOFT_AES, SOFT_CBC },
	[FL_AES_CBC_CS2] = { SOFT_CTS, SOFT_AES, SOFT_CBC },
	[FL_AES_CBC_CS3] = { SOFT_CTS, SOFT_AES, SOFT_CBC },
	[FL_SM4_ECB] = { SOFT_EVP, SOFT_SM4, SOFT_ECB },
	[FL_SM4_CBC] = { SOFT_EVP, SOFT_SM4, SOFT_CBC },
	[FL_SM4_CTR] = { SOFT_EVP, SOFT_SM4, SOFT_CTR },
	[FL_SM4_CFB] = { SOFT_EVP, SOFT_SM4, SOFT_CFB },
	[FL_SM4_OFB] = { SOFT_EVP, SOFT_SM4, SOFT_OFB },
	[FL_SM4_XTS] = { SOFT_TWEAKED, SOFT_SM4, SOFT_ECB },
	[FL_SM4_XTS_GB] = { SOFT_TWEAKED, SOFT_SM4, SOFT_ECB },
	[FL_SM4_CBC_CS1] = { SOFT_CTS, SOFT_SM4, SOFT_CBC },
	[FL_SM4_CBC_CS2] = { SOFT_CTS, SOFT_SM4, SOFT_CBC },
	[FL_SM4_CBC_CS3] = { SOFT_CTS, SOFT_SM4, SOFT_CBC },
	/* single DES is OpenSSL's legacy; triple DES of one key is the same */
	[FL_DES_ECB] = { SOFT_EVP, SOFT_DES, SOFT_ECB },
	[FL_DES_CBC] = { SOFT_EVP, SOFT_DES, SOFT_CBC },
	[FL_3DES_ECB] = { SOFT_EVP, SOFT_DES, SOFT_ECB },
	[FL_3DES_CBC] = { SOFT_EVP, SOFT_DES, SOFT_CBC },

	[FL_MD5] = { SOFT_DIGEST },
	[FL_SHA1] = { SOFT_DIGEST },
	[FL_SHA224] = { SOFT_DIGEST },
	[FL_SHA256] = { SOFT_DIGEST },
	[FL_SHA384] = { SOFT_DIGEST },
	[FL_SHA512] = { SOFT_DIGEST },
	[FL_SHA512_224] = { SOFT_DIGEST },
	[FL_SHA512_256] = { SOFT_DIGEST },
	[FL_SM3] = { SOFT_DIGEST },

	[FL_HMAC_MD5] = { SOFT_HMAC },
	[FL_HMAC_SHA1] = { SOFT_HMAC },
	[FL_HMAC_SHA224] = { SOFT_HMAC },
	[FL_HMAC_SHA256] = { SOFT_HMAC },
	[FL_HMAC_SHA384] = { SOFT_HMAC },
	[FL_HMAC_SHA512] = { SOFT_HMAC },
	[FL_HMAC_SHA512_224] = { SOFT_HMAC },
	[FL_HMAC_SHA512_256] = { SOFT_HMAC },
	[FL_HMAC_SM3] = { SOFT_HMAC },
	[FL_AES_CMAC] = { SOFT_CMAC, SOFT_AES, SOFT_CBC },
	[FL_AES_XCBC_MAC_96] = { SOFT_CMAC, SOFT_AES, SOFT_CBC },
	[FL_AES_XCBC_PRF_128] = { SOFT_CMAC, SOFT_AES, SOFT_CBC },
	[FL_AES_GMAC] = { SOFT_GMAC, SOFT_AES, SOFT_GCM },

	[FL_AES_GCM] = { SOFT_AEAD_GCM, SOFT_AES, SOFT_GCM },
	[FL_AES_CCM] = { SOFT_AEAD_CCM, SOFT_AES, SOFT_CTR },
	[FL_SM4_GCM] = { SOFT_AEAD_GCM, SOFT_SM4, SOFT_ECB },
	[FL_SM4_CCM] = { SOFT_AEAD_CCM, SOFT_SM4, SOFT_CTR },
};

/* Whether libcrypto has what it is made of: a provider may leave out SM4 or DES. */
static bool there(const struct soft_algo *a, EVP_CIPHER *const evp[SOFT_BASES][SOFT_MODES])
{
	unsigned base = fl_soft_base(a, 16);

	if (a->way == SOFT_DIGEST || a->way == SOFT_HMAC)
		return true;
	return evp[base][a->mode] && (a->way != SOFT_AEAD_CCM || evp[base][SOFT_CBC]);
}

/* a MAC has it in chains, where an IV is the cipher's */
static bool has_aad(const struct fl_algo_info *i)
{
	return i->kind == FL_KIND_AEAD || (i->kind == FL_KIND_MAC && !i->iv);
}

void fl_soft_caps(EVP_CIPHER *const evp[SOFT_BASES][SOFT_MODES],
		  struct fl_crypto_cap caps[FL_ALGO_MAX])
{
	for (unsigned a = 1; a < FL_ALGO_MAX; a++) {
		const struct fl_algo_info *i = fl_algo_info((enum fl_algo)a);
		enum soft_way way = fl_soft_algos[a].way;

		if (!i || !there(&fl_soft_algos[a], evp))
			continue;
		*caps++ = (struct fl_crypto_cap){
			.algo = (enum fl_algo)a,
			.key = i->keys,
			.iv = i->ivs,
			.digest = i->digests,
			.aad_max = has_aad(i) ? SOFT_LEN_MAX : 0,
			.len_max = SOFT_LEN_MAX,
			.empty = way != SOFT_CTS && way != SOFT_TWEAKED,
			.stream = i->hash_block != 0,
		};
	}
	caps->algo = FL_ALGO_NONE;
}
