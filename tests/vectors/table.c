/* SPDX-License-Identifier: BSD-3-Clause */
/* Which files hold what, and what their fields are called. */
#include <stdlib.h>
#include <string.h>

#include "vectors.h"

static bool decrypting(const struct record *r)
{
	const char *d = record_get(r, "direction");

	return d && *d == 'D';
}

static void direct(struct vec *v, struct bytes plain, struct bytes cipher)
{
	v->in = v->encrypt ? plain : cipher;
	v->out = v->encrypt ? cipher : plain;
}

static enum made make_cipher(struct record *r, struct vec *v)
{
	v->encrypt = !decrypting(r);
	v->key = record_hex(r, "key");
	v->iv = record_hex(r, "iv");
	direct(v, record_hex(r, "plaintext"), record_hex(r, "ciphertext"));
	return v->key.len && v->in.len && v->in.len == v->out.len ? MADE : NOT_A_CASE;
}

/* three keys of a stanza, or one that stands for all; the parity bits are the file's */
static struct bytes des_key(struct record *r)
{
	static uint8_t key[24];
	static const char *const names[] = { "key1", "key2", "key3" };

	for (unsigned i = 0; i < 3; i++) {
		struct bytes k = record_hex(r, record_get(r, "keys") ? "keys" : names[i]);

		if (k.len != 8)
			return (struct bytes){ 0 };
		memcpy(key + 8 * i, k.p, 8);
	}
	return (struct bytes){ key, 24 };
}

static enum made make_3des(struct record *r, struct vec *v)
{
	v->encrypt = !decrypting(r);
	v->key = des_key(r);
	v->iv = record_hex(r, "iv");
	direct(v, record_hex(r, "plaintext"), record_hex(r, "ciphertext"));
	return v->key.len && v->in.len && v->in.len == v->out.len ? MADE : NOT_A_CASE;
}

/* the same cases with equal keys are single DES */
static enum made make_des(struct record *r, struct vec *v)
{
	enum made m = make_3des(r, v);

	if (m == MADE && (memcmp(v->key.p, v->key.p + 8, 8) || memcmp(v->key.p, v->key.p + 16, 8)))
		return NOT_A_CASE;
	v->key.len = 8;
	return m;
}

static enum made make_xts(struct record *r, struct vec *v)
{
	static uint8_t tweak[16];

	if (record_num(r, "dataunitlen", 0) % 8)
		return OTHER_BITS;
	v->encrypt = !decrypting(r);
	v->key = record_hex(r, "key");
	v->iv = record_hex(r, "i");
	if (!v->iv.len) {
		memset(tweak, 0, sizeof(tweak));
		tweak[0] = (uint8_t)record_num(r, "dataunitseqnumber", 0);
		tweak[1] = (uint8_t)(record_num(r, "dataunitseqnumber", 0) >> 8);
		v->iv = (struct bytes){ tweak, 16 };
	}
	direct(v, record_hex(r, "pt"), record_hex(r, "ct"));
	return MADE;
}

static enum made gcm(struct record *r, struct vec *v, bool encrypt)
{
	v->encrypt = encrypt;
	v->fail = !!record_get(r, "fail");
	v->key = record_hex(r, "key");
	v->iv = record_hex(r, "iv");
	v->aad = record_hex(r, "aad");
	v->tag = record_hex(r, "tag");
	direct(v, record_hex(r, "pt"), record_hex(r, "ct"));
	if (v->fail)
		v->out.len = 0;
	return MADE;
}

static enum made make_gcm_encrypt(struct record *r, struct vec *v)
{
	return gcm(r, v, true);
}

static enum made make_gcm_decrypt(struct record *r, struct vec *v)
{
	return gcm(r, v, false);
}

static enum made make_ccm(struct record *r, struct vec *v)
{
	uint32_t tag = record_num(r, "tlen", 0), plen = record_num(r, "plen", 0);
	const char *result = record_get(r, "result");
	struct bytes payload = record_hex(r, "payload"), ct = record_hex(r, "ct");

	if (ct.len != plen + tag)
		return NOT_A_CASE;
	v->encrypt = !result;
	v->fail = result && *result == 'F';
	v->key = record_hex(r, "key");
	v->iv = record_hex(r, "nonce");
	v->aad = record_hex(r, "adata");
	v->aad.len = record_num(r, "alen", 0);
	v->tag = (struct bytes){ ct.p + plen, tag };
	ct.len = payload.len = plen;
	direct(v, payload, ct);
	if (v->fail)
		v->out.len = 0;
	return MADE;
}

static enum made make_digest(struct record *r, struct vec *v)
{
	uint32_t bits = record_num(r, "len", 0);

	if (bits % 8)
		return OTHER_BITS;
	v->encrypt = true;
	v->in = record_hex(r, "msg");
	v->in.len = bits / 8;
	v->tag = record_hex(r, "md");
	v->key = record_hex(r, "key");
	return v->tag.len ? MADE : NOT_A_CASE;
}

static enum made make_cmac(struct record *r, struct vec *v)
{
	v->encrypt = true;
	v->key = record_hex(r, "key");
	v->in = record_hex(r, "message");
	v->tag = record_hex(r, "output");
	return v->key.len ? MADE : NOT_A_CASE;
}

const struct family families[] = {
	{ "ciphers/AES/ECB/ECB*.rsp", FL_AES_ECB, make_cipher },
	{ "ciphers/AES/CBC/CBC*.rsp", FL_AES_CBC, make_cipher },
	{ "ciphers/AES/CTR/aes-*.txt", FL_AES_CTR, make_cipher },
	{ "ciphers/AES/CFB/CFB128*.rsp", FL_AES_CFB, make_cipher },
	{ "ciphers/AES/OFB/OFB*.rsp", FL_AES_OFB, make_cipher },
	{ "ciphers/AES/XTS/*/XTSGenAES*.rsp", FL_AES_XTS, make_xts },
	{ "ciphers/SM4/*-ecb.txt", FL_SM4_ECB, make_cipher },
	{ "ciphers/SM4/*-cbc.txt", FL_SM4_CBC, make_cipher },
	{ "ciphers/SM4/*-ctr.txt", FL_SM4_CTR, make_cipher },
	{ "ciphers/SM4/*-cfb.txt", FL_SM4_CFB, make_cipher },
	{ "ciphers/SM4/*-ofb.txt", FL_SM4_OFB, make_cipher },
	{ "ciphers/3DES/ECB/TECB*.rsp", FL_3DES_ECB, make_3des },
	{ "ciphers/3DES/CBC/TCBC[!I]*.rsp", FL_3DES_CBC, make_3des },
	{ "ciphers/3DES/ECB/TECB*.rsp", FL_DES_ECB, make_des },
	{ "ciphers/3DES/CBC/TCBC[!I]*.rsp", FL_DES_CBC, make_des },
	{ "hashes/MD5/*.txt", FL_MD5, make_digest },
	{ "hashes/SHA1/SHA1*Msg.rsp", FL_SHA1, make_digest },
	{ "hashes/SHA2/SHA224*Msg.rsp", FL_SHA224, make_digest },
	{ "hashes/SHA2/SHA256*Msg.rsp", FL_SHA256, make_digest },
	{ "hashes/SHA2/SHA384*Msg.rsp", FL_SHA384, make_digest },
	{ "hashes/SHA2/SHA512[SL]*Msg.rsp", FL_SHA512, make_digest },
	{ "hashes/SHA2/SHA512_224*Msg.rsp", FL_SHA512_224, make_digest },
	{ "hashes/SHA2/SHA512_256*Msg.rsp", FL_SHA512_256, make_digest },
	{ "hashes/SM3/*.txt", FL_SM3, make_digest },
	{ "HMAC/*-md5.txt", FL_HMAC_MD5, make_digest },
	{ "HMAC/*-sha1.txt", FL_HMAC_SHA1, make_digest },
	{ "HMAC/*-sha224.txt", FL_HMAC_SHA224, make_digest },
	{ "HMAC/*-sha256.txt", FL_HMAC_SHA256, make_digest },
	{ "HMAC/*-sha384.txt", FL_HMAC_SHA384, make_digest },
	{ "HMAC/*-sha512.txt", FL_HMAC_SHA512, make_digest },
	{ "CMAC/*aes*.txt", FL_AES_CMAC, make_cmac },
	{ "ciphers/AES/GCM/gcmEncrypt*.rsp", FL_AES_GCM, make_gcm_encrypt },
	{ "ciphers/AES/GCM/gcmDecrypt*.rsp", FL_AES_GCM, make_gcm_decrypt },
	{ "ciphers/AES/CCM/*.rsp", FL_AES_CCM, make_ccm },
	{ 0 },
};
