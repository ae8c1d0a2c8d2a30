/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Algorithms: their codes, and what each generation can do of them. V2 has BD type 2, which has no
 * CTR with a counter of 128 bits, no CFB, OFB, stealing modes, GB tweak nor AES MACs, and takes no
 * empty data (of ciphers it is never asked to). The device's own bitmap may have less.
 */
#include "sec_internal.h"
#include "sec_regs.h"

#define NO_BIT 0xffu
#define V2     1

#define AES_KEYS          \
	{                 \
		16, 32, 8 \
	}
#define XTS_KEYS          \
	{                 \
		32, 64, 0 \
	}
#define TDES_KEYS         \
	{                 \
		16, 24, 0 \
	}
#define ONE(n)          \
	{               \
		n, n, 0 \
	}

/* clang-format off */
#define CIPHER(a, alg, mode, keys, ivlen, min, alg_bit, on_v2, ...)                         \
	[a] = { .cap = { .algo = a, .key = keys, .iv = ONE(ivlen), .len_max = SEC_LEN_MAX, \
			 .empty = (mode) != SEC_XTS && (mode) != SEC_CBC_CS },                \
		.c_alg = alg, .c_mode = mode, .len_min = min, .bit = alg_bit, .v2 = on_v2,   \
		__VA_ARGS__ }
/* a digest and its HMAC; words = mac_len of a part that is not the last, 0 = "all" to the chip */
#define DIGEST(a, code, hmac_a, hmac_code, bytes, words)                                     \
	[a] = { .cap = { .algo = a, .digest = { 4, bytes, 4 }, .len_max = SEC_LEN_MAX,       \
			 .empty = true, .stream = true },                                    \
		.a_alg = code, .state = words, .bit = NO_BIT, .v2 = true },                  \
	[hmac_a] = { .cap = { .algo = hmac_a, .digest = { 4, bytes, 4 },                     \
			      .len_max = SEC_LEN_MAX, .empty = true, .stream = true },       \
		     .a_alg = hmac_code, .state = (bytes) / 4, .bit = NO_BIT, .v2 = true }
#define MAC(a, code, keys, ivlen, min, max, can_empty)                                       \
	[a] = { .cap = { .algo = a, .key = keys, .iv = ONE(ivlen), .digest = { min, max, 4 }, \
			 .len_max = SEC_LEN_MAX, .empty = can_empty },                       \
		.a_alg = code, .bit = NO_BIT }
#define GCM(a, alg, keys, alg_bit, on_v2)                                                    \
	[a] = { .cap = { .algo = a, .key = keys, .iv = ONE(12), .digest = { 8, 16, 1 },      \
			 .aad_max = UINT16_MAX, .len_max = SEC_LEN_MAX, .empty = true },     \
		.c_alg = alg, .c_mode = SEC_GCM, .bit = alg_bit, .v2 = on_v2 }
#define CCM(a, alg, keys, alg_bit, on_v2)                                                    \
	[a] = { .cap = { .algo = a, .key = keys, .iv = { 7, 13, 1 }, .digest = { 4, 16, 2 }, \
			 .aad_max = SEC_CCM_AAD_MAX, .len_max = SEC_LEN_MAX, .empty = true }, \
		.c_alg = alg, .c_mode = SEC_CCM, .bit = alg_bit, .v2 = on_v2 }

static const struct fl_sec_algo sec_algos[FL_ALGO_MAX] = {
	CIPHER(FL_AES_ECB, SEC_AES, SEC_ECB, AES_KEYS, 0, 16, 0, V2),
	CIPHER(FL_AES_CBC, SEC_AES, SEC_CBC, AES_KEYS, 16, 16, 1, V2),
	CIPHER(FL_AES_CTR, SEC_AES, SEC_CTR, AES_KEYS, 16, 1, 2, !V2, .ctr_or_xts = SEC_CTR_128),
	CIPHER(FL_AES_CFB, SEC_AES, SEC_CFB, AES_KEYS, 16, 1, NO_BIT, !V2),
	CIPHER(FL_AES_OFB, SEC_AES, SEC_OFB, AES_KEYS, 16, 1, NO_BIT, !V2),
	CIPHER(FL_AES_XTS, SEC_AES, SEC_XTS, XTS_KEYS, 16, 16, 3, V2),
	CIPHER(FL_AES_CBC_CS1, SEC_AES, SEC_CBC_CS, AES_KEYS, 16, 17, NO_BIT, !V2, .c_width = 1),
	CIPHER(FL_AES_CBC_CS2, SEC_AES, SEC_CBC_CS, AES_KEYS, 16, 17, NO_BIT, !V2, .c_width = 2),
	CIPHER(FL_AES_CBC_CS3, SEC_AES, SEC_CBC_CS, AES_KEYS, 16, 17, NO_BIT, !V2, .c_width = 3),
	CIPHER(FL_SM4_ECB, SEC_SM4, SEC_ECB, ONE(16), 0, 16, NO_BIT, V2),
	CIPHER(FL_SM4_CBC, SEC_SM4, SEC_CBC, ONE(16), 16, 16, 12, V2),
	CIPHER(FL_SM4_CTR, SEC_SM4, SEC_CTR, ONE(16), 16, 1, 13, !V2, .ctr_or_xts = SEC_CTR_128),
	CIPHER(FL_SM4_CFB, SEC_SM4, SEC_CFB, ONE(16), 16, 1, NO_BIT, !V2),
	CIPHER(FL_SM4_OFB, SEC_SM4, SEC_OFB, ONE(16), 16, 1, NO_BIT, !V2),
	CIPHER(FL_SM4_XTS, SEC_SM4, SEC_XTS, ONE(32), 16, 16, 14, V2),
	CIPHER(FL_SM4_XTS_GB, SEC_SM4, SEC_XTS, ONE(32), 16, 16, 14, !V2, .ctr_or_xts = SEC_XTS_GB),
	CIPHER(FL_SM4_CBC_CS1, SEC_SM4, SEC_CBC_CS, ONE(16), 16, 17, NO_BIT, !V2, .c_width = 1),
	CIPHER(FL_SM4_CBC_CS2, SEC_SM4, SEC_CBC_CS, ONE(16), 16, 17, NO_BIT, !V2, .c_width = 2),
	CIPHER(FL_SM4_CBC_CS3, SEC_SM4, SEC_CBC_CS, ONE(16), 16, 17, NO_BIT, !V2, .c_width = 3),
	CIPHER(FL_DES_ECB, SEC_DES, SEC_ECB, ONE(8), 0, 8, NO_BIT, V2),
	CIPHER(FL_DES_CBC, SEC_DES, SEC_CBC, ONE(8), 8, 8, NO_BIT, V2),
	CIPHER(FL_3DES_ECB, SEC_3DES, SEC_ECB, TDES_KEYS, 0, 8, 23, V2),
	CIPHER(FL_3DES_CBC, SEC_3DES, SEC_CBC, TDES_KEYS, 8, 8, 24, V2),

	DIGEST(FL_MD5, SEC_MD5, FL_HMAC_MD5, SEC_HMAC + SEC_MD5, 16, 0),
	DIGEST(FL_SHA1, SEC_SHA1, FL_HMAC_SHA1, SEC_HMAC + SEC_SHA1, 20, 0),
	DIGEST(FL_SHA224, SEC_SHA224, FL_HMAC_SHA224, SEC_HMAC + SEC_SHA224, 28, 0),
	DIGEST(FL_SHA256, SEC_SHA256, FL_HMAC_SHA256, SEC_HMAC + SEC_SHA256, 32, 0),
	DIGEST(FL_SHA384, SEC_SHA384, FL_HMAC_SHA384, SEC_HMAC + SEC_SHA384, 48, 0),
	DIGEST(FL_SHA512, SEC_SHA512, FL_HMAC_SHA512, SEC_HMAC + SEC_SHA512, 64, 0),
	DIGEST(FL_SHA512_224, SEC_SHA512_224, FL_HMAC_SHA512_224, SEC_HMAC + SEC_SHA512_224, 28, 0),
	DIGEST(FL_SHA512_256, SEC_SHA512_256, FL_HMAC_SHA512_256, SEC_HMAC + SEC_SHA512_256, 32, 0),
	DIGEST(FL_SM3, SEC_SM3, FL_HMAC_SM3, SEC_HMAC_SM3, 32, 8),
	MAC(FL_AES_CMAC, SEC_CMAC, ONE(16), 0, 4, 16, false),
	MAC(FL_AES_XCBC_MAC_96, SEC_XCBC, ONE(16), 0, 12, 12, false),
	MAC(FL_AES_XCBC_PRF_128, SEC_XCBC, ONE(16), 0, 16, 16, false),
	MAC(FL_AES_GMAC, SEC_GMAC, AES_KEYS, 12, 8, 16, true),

	GCM(FL_AES_GCM, SEC_AES, AES_KEYS, 7, V2),
	CCM(FL_AES_CCM, SEC_AES, AES_KEYS, 6, V2),
	GCM(FL_SM4_GCM, SEC_SM4, ONE(16), 18, !V2),
	CCM(FL_SM4_CCM, SEC_SM4, ONE(16), 17, !V2),
};
/* clang-format on */

const struct fl_sec_algo *fl_sec_algo(enum fl_algo a)
{
	return &sec_algos[a];
}

/* bits of the pairs that the bitmap knows */
static const struct {
	enum fl_algo cipher, auth;
	uint8_t bit;
	bool v2;
} chains[] = {
	{ FL_AES_CBC, FL_HMAC_SHA1, 43, V2 },	     { FL_AES_CBC, FL_HMAC_SHA256, 44, V2 },
	{ FL_AES_CBC, FL_HMAC_SHA512, 45, V2 },	     { FL_AES_CBC, FL_HMAC_SM3, NO_BIT, !V2 },
	{ FL_SM4_CBC, FL_HMAC_SHA1, NO_BIT, !V2 },   { FL_SM4_CBC, FL_HMAC_SHA256, NO_BIT, !V2 },
	{ FL_SM4_CBC, FL_HMAC_SHA512, NO_BIT, !V2 }, { FL_SM4_CBC, FL_HMAC_SM3, NO_BIT, !V2 },
};

static bool has(const struct fl_sec *s, uint8_t bit, bool v2)
{
	return (v2 || s->v3) && (bit == NO_BIT || s->alg_bits >> bit & 1);
}

bool fl_sec_chain_ok(const struct fl_sec *s, const struct fl_session_conf *c)
{
	for (unsigned i = 0; i < FL_ARRAY_SIZE(chains); i++)
		if (chains[i].cipher == c->cipher && chains[i].auth == c->auth)
			return has(s, chains[i].bit, chains[i].v2);
	return false;
}

/* AAD is a matter of the MAC where one is chained */
static bool chains_with(const struct fl_sec *s, enum fl_algo auth)
{
	for (unsigned i = 0; i < FL_ARRAY_SIZE(chains); i++)
		if (chains[i].auth == auth && has(s, chains[i].bit, chains[i].v2))
			return true;
	return false;
}

static uint64_t alg_bits(const struct fl_sec *s)
{
	struct fl_dev *dev = s->dev.dev;

	if (!s->v3 || !(fl_bar_read32(dev, FL_QM_BAR, SEC_CAP_VERSION) & 0xff))
		return UINT64_MAX;
	return fl_bar_read32(dev, FL_QM_BAR, SEC_CAP_ALG_LOW) |
	       (uint64_t)fl_bar_read32(dev, FL_QM_BAR, SEC_CAP_ALG_HIGH) << 32;
}

void fl_sec_caps_init(struct fl_sec *s)
{
	unsigned n = 0;

	s->alg_bits = alg_bits(s);
	for (unsigned a = 0; a < FL_ALGO_MAX; a++) {
		const struct fl_algo_info *i = fl_algo_info((enum fl_algo)a);
		const struct fl_sec_algo *d = &sec_algos[a];
		struct fl_crypto_cap *c = &s->caps[n];

		if (d->cap.algo == FL_ALGO_NONE || !has(s, d->bit, d->v2))
			continue;
		*c = d->cap;
		/* a cipher of nothing never gets to the chip */
		c->empty &= s->v3 || i->kind == FL_KIND_CIPHER;
		if (i->kind == FL_KIND_MAC && i->hash_block) {
			c->key = (struct fl_sizes){ 0, UINT16_MAX, 1 };
			c->aad_max = chains_with(s, c->algo) ? UINT16_MAX : 0;
		}
		n++;
	}
	s->caps[n].algo = FL_ALGO_NONE;
}
