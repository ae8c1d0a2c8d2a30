/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions: keys in pinned memory, and the BD of each stage but for what a request patches. */
#include <stdlib.h>
#include <string.h>

#include "sec_internal.h"

static const char *name_of(enum fl_algo a)
{
	return fl_algo_info(a)->name;
}

/* code of a cipher key's length */
static uint8_t key_code(const struct fl_sec_algo *a, unsigned len)
{
	if (a->c_mode == SEC_XTS)
		len /= 2;
	switch (a->c_alg) {
	case SEC_AES:
		return len == 16 ? 0 : len == 24 ? 1 : 2;
	case SEC_3DES:
		return len == 16 ? 3 : 1;
	case SEC_DES:
		return 1;
	default:
		return 0;
	}
}

static void cipher_recipe(struct fl_sec_session *x, const struct fl_session_conf *c,
			  struct fl_sec_recipe *r)
{
	const struct fl_sec_algo *a = fl_sec_algo(c->cipher);

	r->cipher = c->encrypt ? SEC_ENCRYPT : SEC_DECRYPT;
	r->c_alg = a->c_alg;
	r->c_mode = a->c_mode;
	r->c_width = a->c_width;
	r->ctr_or_xts = a->ctr_or_xts;
	r->c_key_len = key_code(a, c->key_len);
	r->c_key = x->key.iova.v;
	memcpy(x->key.va, c->key, c->key_len);
	x->len_min = a->len_min;
	x->len_span = a->cap.len_max - a->len_min;
	x->len_mask = fl_algo_info(c->cipher)->block - 1u;
	x->iv_len = (uint8_t)c->iv_len;
}

static int auth_recipe(struct fl_sec *s, struct fl_sec_session *x, const struct fl_session_conf *c,
		       struct fl_sec_recipe *r)
{
	const struct fl_algo_info *i = fl_algo_info(c->auth);
	const struct fl_sec_algo *a = fl_sec_algo(c->auth);
	unsigned len = c->auth_key_len;
	int rc = 0;

	if (i->kind == FL_KIND_MAC && i->hash_block) {
		rc = fl_sec_hmac_key(c->auth, i->hash_block, c->auth_key, &len,
				     x->key.va + SEC_KEY_C);
		if (rc)
			sec_err(s,
				"%s: session: %s: OpenSSL does not hash its key of %u bytes; one "
				"of %u or less needs no hash",
				s->dev.uri, i->name, c->auth_key_len, i->hash_block);
	} else if (len) {
		memcpy(x->key.va + SEC_KEY_C, c->auth_key, len);
	}
	r->auth = SEC_AUTH_MAKE;
	r->a_alg = a->a_alg;
	r->mac_len = (uint8_t)(c->digest_len / 4);
	r->a_key_len = (uint8_t)(len / 4);
	r->a_key = len ? x->key.iova.v + SEC_KEY_C : 0;
	x->digest_len = (uint8_t)c->digest_len;
	return rc;
}

static void make(const struct fl_sec *s, struct fl_sec_bd *bd, const struct fl_sec_recipe *r)
{
	if (s->v3)
		fl_sec_bd3_make(bd, r);
	else
		fl_sec_bd2_make(bd, r);
}

/* ciphertext stealing wants more than a block, and leaves one alone */
static void one_block_bd(const struct fl_sec *s, struct fl_sec_session *x,
			 const struct fl_sec_recipe *whole)
{
	struct fl_sec_recipe r = *whole;

	r.c_mode = SEC_CBC;
	r.c_width = 0;
	make(s, &x->bd[SEC_BD_ONE_BLOCK], &r);
	x->one_block = true;
}

static void expect(struct fl_sec_session *x, uint32_t flag)
{
	x->ok_mask = SEC_OK_DIGEST_MASK | (flag ? SEC_ST_FLAG : 0);
	x->ok = SEC_ST_DONE | flag << SEC_ST_FLAG_SHIFT;
}

static int cipher_session(struct fl_sec *s, struct fl_sec_session *x,
			  const struct fl_session_conf *c)
{
	struct fl_sec_recipe r = { 0 };

	x->path = SEC_PATH_CIPHER;
	cipher_recipe(x, c, &r);
	x->empty = fl_sec_algo(c->cipher)->cap.empty;
	expect(x, SEC_FLAG_CIPHER);
	make(s, &x->bd[FL_OP_WHOLE], &r);
	if (r.c_mode == SEC_CBC_CS)
		one_block_bd(s, x, &r);
	return 0;
}

/* BDs of the parts of a stream: state out; state in and out; state in, digest out */
static void stream_bds(const struct fl_sec *s, struct fl_sec_session *x,
		       const struct fl_sec_recipe *whole, uint8_t state_words)
{
	struct fl_sec_recipe r = *whole;

	r.ai_gen = SEC_AI_ADDRESS;
	make(s, &x->bd[FL_OP_LAST], &r);
	r.mac_len = state_words;
	r.a_nopad = 1;
	make(s, &x->bd[FL_OP_MIDDLE], &r);
	r.ai_gen = SEC_AI_STANDARD;
	make(s, &x->bd[FL_OP_FIRST], &r);
}

static uint8_t digest_scene(const struct fl_sec *s)
{
	return s->v3 ? SEC_SCENE_STREAM : SEC_SCENE_IPSEC;
}

static int auth_session(struct fl_sec *s, struct fl_sec_session *x, const struct fl_session_conf *c)
{
	const struct fl_sec_algo *a = fl_sec_algo(c->auth);
	struct fl_sec_recipe r = { .scene = digest_scene(s) };
	bool empty = a->cap.empty && s->v3;
	int rc = auth_recipe(s, x, c, &r);

	if (rc)
		return rc;
	x->path = SEC_PATH_AUTH;
	x->verify = !c->encrypt;
	/* a verified stream has no place for what it shall be: op->digest holds its state */
	x->stream = a->cap.stream && !x->verify;
	x->hash_block = fl_algo_info(c->auth)->hash_block;
	x->len_min = empty ? 0 : 1;
	x->len_span = SEC_LEN_MAX - x->len_min;
	expect(x, 0);
	if (c->auth == FL_AES_GMAC) {
		r.scene = SEC_SCENE_IPSEC;
		r.ai_gen = SEC_AI_ADDRESS;
		x->iv_len = (uint8_t)c->iv_len;
	}
	make(s, &x->bd[FL_OP_WHOLE], &r);
	if (x->stream)
		stream_bds(s, x, &r, a->state);
	return 0;
}

static int aead_session(struct fl_sec *s, struct fl_sec_session *x, const struct fl_session_conf *c)
{
	const struct fl_sec_algo *a = fl_sec_algo(c->cipher);
	struct fl_sec_recipe r = { .digest_first = !c->encrypt };
	uint32_t max = SEC_LEN_MAX;

	cipher_recipe(x, c, &r);
	r.c_icv_len = (uint8_t)c->digest_len;
	x->path = a->c_mode == SEC_CCM ? SEC_PATH_CCM : SEC_PATH_GCM;
	x->digest_len = (uint8_t)c->digest_len;
	/* CCM: the length has 15 - nonce bytes in block B0, 2 at least */
	if (x->path == SEC_PATH_CCM && c->iv_len == 13)
		max = UINT16_MAX;
	x->len_min = s->v3 ? 0 : 1;
	x->len_span = max - x->len_min;
	x->aad_max = a->cap.aad_max;
	expect(x, SEC_FLAG_AEAD);
	make(s, &x->bd[FL_OP_WHOLE], &r);
	return 0;
}

static int chain_session(struct fl_sec *s, struct fl_sec_session *x,
			 const struct fl_session_conf *c)
{
	struct fl_sec_recipe r = { .digest_first = !c->encrypt };
	int rc;

	if (!fl_sec_chain_ok(s, c)) {
		sec_err(s,
			"%s: session: %s has no %s with %s: AES-CBC and SM4-CBC go with some "
			"HMACs, see doc/hisi-sec.md",
			s->dev.uri, s->chip, name_of(c->cipher), name_of(c->auth));
		return -EOPNOTSUPP;
	}
	cipher_recipe(x, c, &r);
	rc = auth_recipe(s, x, c, &r);
	if (rc)
		return rc;
	make(s, &x->bd[SEC_BD_AAD_MAC],
	     &(struct fl_sec_recipe){ .auth = r.auth,
				      .scene = digest_scene(s),
				      .a_alg = r.a_alg,
				      .mac_len = r.mac_len,
				      .a_key_len = r.a_key_len,
				      .a_key = r.a_key });
	r.auth = c->encrypt ? SEC_AUTH_MAKE : SEC_AUTH_CHECK;
	x->empty = true;
	x->path = SEC_PATH_CHAIN;
	x->aad_max = UINT16_MAX;
	expect(x, SEC_FLAG_AEAD);
	make(s, &x->bd[FL_OP_WHOLE], &r);
	return 0;
}

static int fill(struct fl_sec *s, struct fl_sec_session *x, const struct fl_session_conf *c)
{
	switch (c->type) {
	case FL_CRYPTO_CIPHER:
		return cipher_session(s, x, c);
	case FL_CRYPTO_AUTH:
		return auth_session(s, x, c);
	case FL_CRYPTO_AEAD:
		return aead_session(s, x, c);
	case FL_CRYPTO_CIPHER_AUTH:
		return chain_session(s, x, c);
	case FL_CRYPTO_AUTH_CIPHER:
		break;
	}
	return -EOPNOTSUPP;
}

int fl_sec_session_create(struct fl_cryptodev *d, const struct fl_session_conf *c,
			  struct fl_session **out)
{
	struct fl_sec *s = fl_sec_of(d);
	struct fl_sec_session *x;
	int rc;

	x = aligned_alloc(FL_CACHE_LINE, sizeof(*x));
	if (!x)
		return -ENOMEM;
	memset(x, 0, sizeof(*x));
	rc = fl_sec_key_get(s, &x->key);
	if (rc)
		goto no_key;
	rc = fill(s, x, c);
	if (rc)
		goto err;
	*out = &x->s;
	return 0;
err:
	fl_sec_key_put(&x->key);
no_key:
	free(x);
	return rc;
}

void fl_sec_session_destroy(struct fl_session *fs)
{
	struct fl_sec_session *x = (struct fl_sec_session *)fs;

	fl_sec_key_put(&x->key);
	free(x);
}
