/* SPDX-License-Identifier: BSD-3-Clause */
/* What of a session ipsec-mb can do, and its keys. */
#include <stdlib.h>

#include <openssl/crypto.h>

#include "soft_mb.h"

/* MD5's and AES's names in the library are without HMAC */
static IMB_HASH_ALG hash_of(const struct fl_session_conf *c)
{
	switch (c->auth) {
	case FL_SHA1:
		return IMB_AUTH_SHA_1;
	case FL_SHA224:
		return IMB_AUTH_SHA_224;
	case FL_SHA256:
		return IMB_AUTH_SHA_256;
	case FL_SHA384:
		return IMB_AUTH_SHA_384;
	case FL_SHA512:
		return IMB_AUTH_SHA_512;
	case FL_HMAC_MD5:
		return IMB_AUTH_MD5;
	case FL_HMAC_SHA1:
		return IMB_AUTH_HMAC_SHA_1;
	case FL_HMAC_SHA224:
		return IMB_AUTH_HMAC_SHA_224;
	case FL_HMAC_SHA256:
		return IMB_AUTH_HMAC_SHA_256;
	case FL_HMAC_SHA384:
		return IMB_AUTH_HMAC_SHA_384;
	case FL_HMAC_SHA512:
		return IMB_AUTH_HMAC_SHA_512;
	case FL_AES_XCBC_MAC_96: /* it writes no more than that */
		return IMB_AUTH_AES_XCBC;
	case FL_AES_CMAC:
		if (c->auth_key_len == 24)
			break;
		return c->auth_key_len == 16 ? IMB_AUTH_AES_CMAC : IMB_AUTH_AES_CMAC_256;
	default:
		break;
	}
	return IMB_AUTH_NUM;
}

static IMB_CIPHER_MODE cipher_of(const struct fl_session_conf *c)
{
	switch (c->cipher) {
	case FL_AES_CBC:
		return IMB_CIPHER_CBC;
	case FL_AES_CTR:
		return IMB_CIPHER_CNTR;
	case FL_AES_ECB:
		return IMB_CIPHER_ECB;
	case FL_DES_CBC:
		return IMB_CIPHER_DES;
	case FL_3DES_CBC:
		return IMB_CIPHER_DES3;
	case FL_AES_CCM:
		return c->key_len == 24 ? IMB_CIPHER_NUM : IMB_CIPHER_CCM;
	default:
		return IMB_CIPHER_NUM;
	}
}

/* the session's key was made three of DES */
static void des_keys(IMB_MGR *mgr, const struct soft_session *s, struct soft_mb_keys *k)
{
	for (unsigned i = 0; i < 3; i++) {
		IMB_DES_KEYSCHED(mgr, k->schedule[i], s->key + 8 * i);
		k->des[i] = k->schedule[i];
	}
	k->job.enc_keys = k->job.dec_keys =
		k->job.cipher_mode == IMB_CIPHER_DES3 ? (const void *)k->des : k->schedule[0];
}

static void aes_expand(IMB_MGR *mgr, unsigned len, const uint8_t *key, uint8_t *enc, uint8_t *dec)
{
	if (len == 16)
		IMB_AES_KEYEXP_128(mgr, key, enc, dec);
	else if (len == 24)
		IMB_AES_KEYEXP_192(mgr, key, enc, dec);
	else
		IMB_AES_KEYEXP_256(mgr, key, enc, dec);
}

static void cipher_keys(IMB_MGR *mgr, const struct soft_session *s, struct soft_mb_keys *k)
{
	const struct fl_session_conf *c = &s->s.conf;

	k->job.cipher_direction = c->encrypt ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
	k->job.iv_len_in_bytes = c->iv_len;
	k->job.key_len_in_bytes = c->key_len;
	if (s->cipher->family == SOFT_DES) {
		k->job.key_len_in_bytes = k->job.cipher_mode == IMB_CIPHER_DES3 ? 24 : 8;
		des_keys(mgr, s, k);
		return;
	}
	aes_expand(mgr, c->key_len, s->key, k->enc, k->dec);
	k->job.enc_keys = k->enc;
	k->job.dec_keys = k->job.cipher_mode == IMB_CIPHER_CCM ? k->enc : k->dec;
}

/* Its states of HMAC and its keys of CBC-MACs are what was made for OpenSSL. */
static void auth_keys(IMB_MGR *mgr, const struct soft_session *s, struct soft_mb_keys *k)
{
	const struct fl_session_conf *c = &s->s.conf;
	uint8_t unused[15 * 16] __attribute__((aligned(16)));

	if (s->hash) {
		fl_soft_hash_save(s->hash, &s->inner, k->inner);
		k->tag = s->hash->digest;
		if (s->auth->way == SOFT_HMAC) {
			fl_soft_hash_save(s->hash, &s->outer, k->outer);
			k->job.u.HMAC._hashed_auth_key_xor_ipad = k->inner;
			k->job.u.HMAC._hashed_auth_key_xor_opad = k->outer;
		}
		return;
	}
	k->tag = 16;
	aes_expand(mgr, c->auth_key_len, s->auth_key, k->mac, unused);
	memcpy(k->sub1, s->whole, sizeof(k->sub1));
	memcpy(k->sub2, s->part, sizeof(k->sub2));
	if (c->auth == FL_AES_CMAC) {
		k->job.u.CMAC._key_expanded = k->mac;
		k->job.u.CMAC._skey1 = k->sub1;
		k->job.u.CMAC._skey2 = k->sub2;
	} else {
		k->tag = 12;
		k->job.u.XCBC._k1_expanded = (const uint32_t *)k->mac;
		k->job.u.XCBC._k2 = k->sub1;
		k->job.u.XCBC._k3 = k->sub2;
	}
	OPENSSL_cleanse(unused, sizeof(unused));
}

static bool gcm_keys(struct soft_mb *mb, const struct soft_session *s, struct soft_mb_keys *k)
{
	const struct fl_session_conf *c = &s->s.conf;
	bool aead = c->type == FL_CRYPTO_AEAD && c->cipher == FL_AES_GCM;

	if (!aead && !(c->type == FL_CRYPTO_AUTH && c->auth == FL_AES_GMAC))
		return false;
	k->how = aead ? MB_GCM : MB_GMAC;
	k->gcm = &mb->gcm[(aead ? c->key_len : c->auth_key_len) / 8 - 2];
	k->gcm->pre(aead ? s->key : s->auth_key, &k->gcm_key);
	k->len_max = SOFT_LEN_MAX;
	k->tag = 16;
	return true;
}

static IMB_CHAIN_ORDER order_of(const struct fl_session_conf *c)
{
	bool mac_first = c->type == FL_CRYPTO_CIPHER	    ? !c->encrypt
			 : c->type == FL_CRYPTO_CIPHER_AUTH ? !c->encrypt
			 : c->type == FL_CRYPTO_AUTH	    ? true
							    : c->encrypt;

	return mac_first ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
}

/* What can be in one burst, and which. */
static void sort(const struct fl_session_conf *c, struct soft_mb_keys *k)
{
	bool hmac =
		k->job.hash_alg >= IMB_AUTH_HMAC_SHA_1 && k->job.hash_alg <= IMB_AUTH_HMAC_SHA_512;

	k->how = MB_JOB;
	k->len_max = MB_LEN16;
	if (c->type == FL_CRYPTO_CIPHER && (c->cipher == FL_AES_CBC || c->cipher == FL_AES_CTR)) {
		k->how = MB_CIPHER;
		/* no lanes: these are parallel in one buffer */
		if (!c->encrypt || c->cipher == FL_AES_CTR)
			k->len_max = SOFT_LEN_MAX;
		k->kind = (uint32_t)k->job.cipher_mode << 16 | c->key_len << 1 | c->encrypt;
	} else if (c->type == FL_CRYPTO_AUTH && hmac) {
		k->how = MB_HASH;
		k->kind = k->job.hash_alg;
	}
	k->kind |= (uint32_t)k->how << 28;
}

static bool make(struct soft_mb *mb, const struct soft_session *s, struct soft_mb_keys *k)
{
	const struct fl_session_conf *c = &s->s.conf;

	if (gcm_keys(mb, s, k))
		return true;
	k->job.cipher_mode = s->cipher ? cipher_of(c) : IMB_CIPHER_NULL;
	k->job.hash_alg = s->auth		      ? hash_of(c)
			  : c->type == FL_CRYPTO_AEAD ? IMB_AUTH_AES_CCM
						      : IMB_AUTH_NULL;
	if (k->job.cipher_mode == IMB_CIPHER_NUM || k->job.hash_alg == IMB_AUTH_NUM)
		return false;
	k->job.cipher_direction = IMB_DIR_ENCRYPT;
	k->job.chain_order = order_of(c);
	if (s->cipher)
		cipher_keys(mb->mgr, s, k);
	if (s->auth)
		auth_keys(mb->mgr, s, k);
	else if (c->type == FL_CRYPTO_AEAD)
		k->tag = (uint8_t)c->digest_len;
	k->job.auth_tag_output_len_in_bytes = k->tag;
	sort(c, k);
	return true;
}

int fl_soft_mb_keys(struct soft_mb *mb, struct soft_session *s)
{
	struct soft_mb_keys *k = aligned_alloc(64, (sizeof(*k) + 63) & ~63ul);

	if (!k)
		return -ENOMEM;
	memset(k, 0, sizeof(*k));
	k->serial = ++mb->serial;
	s->mb = k;
	if (!make(mb, s, k))
		fl_soft_mb_forget(s);
	return 0;
}

void fl_soft_mb_forget(struct soft_session *s)
{
	if (!s->mb)
		return;
	OPENSSL_cleanse(s->mb, sizeof(*s->mb));
	free(s->mb);
	s->mb = NULL;
}
