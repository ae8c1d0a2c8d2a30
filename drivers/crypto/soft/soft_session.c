/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions: keys made ready, and OpenSSL's contexts for each queue pair. */
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "soft.h"

/* ---- contexts ------------------------------------------------------------------------- */

static EVP_CIPHER_CTX *new_ctx(EVP_CIPHER *cipher, const uint8_t *key, bool encrypt)
{
	EVP_CIPHER_CTX *ctx = cipher ? EVP_CIPHER_CTX_new() : NULL;

	if (ctx && EVP_CipherInit_ex2(ctx, cipher, key, NULL, encrypt, NULL) == 1 &&
	    EVP_CIPHER_CTX_set_padding(ctx, 0) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

static EVP_CIPHER_CTX *new_gcm(EVP_CIPHER *cipher, const uint8_t *key, bool encrypt,
			       uint16_t iv_len)
{
	EVP_CIPHER_CTX *ctx = new_ctx(cipher, key, encrypt);

	if (ctx && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_IVLEN, iv_len, NULL) == 1)
		return ctx;
	EVP_CIPHER_CTX_free(ctx);
	return NULL;
}

static bool make_xts(const struct soft_dev *sd, const struct soft_session *s, struct soft_ctx *x)
{
	const struct fl_session_conf *c = &s->s.conf;
	unsigned half = c->key_len / 2, base = fl_soft_base(s->cipher, half);
	/* from 3.2 on OpenSSL's SM4-XTS is GB/T 17964's unless it is told otherwise */
	EVP_CIPHER *own = s->cipher->family == SOFT_AES ? sd->evp[base][SOFT_XTS] : NULL;

	x->evp[SOFT_DATA] = new_ctx(sd->evp[base][SOFT_ECB], s->key, c->encrypt);
	x->evp[SOFT_TWEAK] = new_ctx(sd->evp[base][SOFT_ECB], s->key + half, true);
	if (own)
		x->evp[SOFT_FLAT] = new_ctx(own, s->key, c->encrypt);
	return x->evp[SOFT_DATA] && x->evp[SOFT_TWEAK] && (!own || x->evp[SOFT_FLAT]);
}

static bool make_cipher(const struct soft_dev *sd, const struct soft_session *s, struct soft_ctx *x)
{
	const struct fl_session_conf *c = &s->s.conf;
	EVP_CIPHER *const *evp;

	if (s->cipher->way == SOFT_TWEAKED)
		return make_xts(sd, s, x);
	evp = sd->evp[fl_soft_base(s->cipher, c->key_len)];
	switch (s->cipher->way) {
	case SOFT_AEAD_CCM:
		x->evp[SOFT_DATA] = new_ctx(evp[SOFT_CTR], s->key, true);
		x->evp[SOFT_TWEAK] = new_ctx(evp[SOFT_CBC], s->key, true);
		return x->evp[SOFT_DATA] && x->evp[SOFT_TWEAK];
	case SOFT_AEAD_GCM:
		if (s->cipher->mode == SOFT_GCM) {
			x->evp[SOFT_DATA] = new_gcm(evp[SOFT_GCM], s->key, c->encrypt, c->iv_len);
			return x->evp[SOFT_DATA];
		}
		x->evp[SOFT_DATA] = new_ctx(evp[SOFT_ECB], s->key, true);
		x->gcm = x->evp[SOFT_DATA] ? fl_soft_gcm_new(x->evp[SOFT_DATA]) : NULL;
		return x->gcm;
	default:
		x->evp[SOFT_DATA] = new_ctx(evp[s->cipher->mode], s->key, c->encrypt);
		return x->evp[SOFT_DATA];
	}
}

static bool make_auth(const struct soft_dev *sd, const struct soft_session *s, struct soft_ctx *x)
{
	const struct fl_session_conf *c = &s->s.conf;
	EVP_CIPHER *const *evp;

	if (s->hash)
		return true;
	evp = sd->evp[fl_soft_base(s->auth, c->auth_key_len)];
	x->evp[SOFT_MAC] = s->auth->way == SOFT_GMAC
				   ? new_gcm(evp[SOFT_GCM], s->auth_key, true, c->iv_len)
				   : new_ctx(evp[SOFT_CBC], s->auth_key, true);
	return x->evp[SOFT_MAC];
}

static void free_ctx(struct soft_ctx *x)
{
	CRYPTO_gcm128_release(x->gcm);
	for (unsigned i = 0; i < SOFT_SLOTS; i++)
		EVP_CIPHER_CTX_free(x->evp[i]);
}

static int refused(const struct soft_dev *sd, const struct soft_session *s)
{
	enum fl_algo a = s->cipher ? s->s.conf.cipher : s->s.conf.auth;
	unsigned long e = ERR_get_error();
	char why[128] = "no memory";

	if (e)
		ERR_error_string_n(e, why, sizeof(why));
	ERR_clear_error();
	fl_err(sd->d.log, "crypto", "soft: session: OpenSSL made no context for %s: %s",
	       fl_algo_info(a)->name, why);
	return e ? -EIO : -ENOMEM;
}

int fl_soft_session_grow(struct soft_session *s, const struct soft_dev *sd, uint16_t n)
{
	struct soft_ctx *all;

	if (n <= s->nctx)
		return 0;
	all = realloc(s->ctx, n * sizeof(*all));
	if (!all)
		return -ENOMEM;
	s->ctx = all;
	for (; s->nctx < n; s->nctx++) {
		struct soft_ctx *x = &all[s->nctx];

		memset(x, 0, sizeof(*x));
		if ((s->cipher && !make_cipher(sd, s, x)) || (s->auth && !make_auth(sd, s, x))) {
			free_ctx(x);
			return refused(sd, s);
		}
	}
	return 0;
}

/* ---- keys ----------------------------------------------------------------------------- */

/* DES and triple DES of two keys are triple DES of three. */
static void take_key(struct soft_session *s, const struct fl_session_conf *c)
{
	memcpy(s->key, c->key, c->key_len);
	if (s->cipher->family != SOFT_DES)
		return;
	if (c->key_len == 8)
		memcpy(s->key + 8, c->key, 8);
	if (c->key_len < 24)
		memcpy(s->key + 16, c->key, 8);
}

static int mac_keys(const struct soft_dev *sd, struct soft_session *s)
{
	const struct fl_session_conf *c = &s->s.conf;
	EVP_CIPHER_CTX *cbc = new_ctx(sd->evp[fl_soft_base(s->auth, c->auth_key_len)][SOFT_CBC],
				      s->auth_key, true);
	bool ok = cbc &&
		  (c->auth == FL_AES_CMAC ? fl_soft_cmac_keys(cbc, s->whole, s->part)
					  : fl_soft_xcbc_keys(cbc, s->auth_key, s->whole, s->part));

	EVP_CIPHER_CTX_free(cbc);
	return ok ? 0 : refused(sd, s);
}

static int take_auth_key(const struct soft_dev *sd, struct soft_session *s,
			 const struct fl_session_conf *c)
{
	s->hash = fl_soft_hash(c->auth);
	switch (s->auth->way) {
	case SOFT_DIGEST:
		s->hash->init(&s->inner);
		return 0;
	case SOFT_HMAC:
		fl_soft_hmac_key(s->hash, c->auth_key, c->auth_key_len, &s->inner, &s->outer);
		return 0;
	default:
		memcpy(s->auth_key, c->auth_key, c->auth_key_len);
		return s->auth->way == SOFT_CMAC ? mac_keys(sd, s) : 0;
	}
}

static int check_chain(const struct soft_dev *sd, const struct fl_session_conf *c)
{
	if ((c->type != FL_CRYPTO_CIPHER_AUTH && c->type != FL_CRYPTO_AUTH_CIPHER) ||
	    c->auth != FL_AES_GMAC)
		return 0;
	fl_err(sd->d.log, "crypto",
	       "soft: session: no chain of a cipher and GMAC, for an op has one IV; take GCM");
	return -EOPNOTSUPP;
}

static int set_up(const struct soft_dev *sd, struct soft_session *s,
		  const struct fl_session_conf *c)
{
	int rc = 0;

	if (c->type != FL_CRYPTO_AUTH) {
		s->cipher = &fl_soft_algos[c->cipher];
		take_key(s, c);
	}
	if (c->type != FL_CRYPTO_CIPHER && c->type != FL_CRYPTO_AEAD) {
		s->auth = &fl_soft_algos[c->auth];
		rc = take_auth_key(sd, s, c);
	}
	if (!rc && sd->mb)
		rc = fl_soft_mb_keys(sd->mb, s);
	/* one at least, so that what OpenSSL refuses is refused here */
	return rc ? rc : fl_soft_session_grow(s, sd, sd->d.nb_qps ? sd->d.nb_qps : 1);
}

int fl_soft_session_create(struct fl_cryptodev *d, const struct fl_session_conf *conf,
			   struct fl_session **out)
{
	struct soft_dev *sd = fl_soft_dev(d);
	struct soft_session *s;
	int rc = check_chain(sd, conf);

	if (rc)
		return rc;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->s.conf = *conf;
	rc = set_up(sd, s, conf);
	if (rc) {
		fl_soft_session_destroy(&s->s);
		return rc;
	}
	*out = &s->s;
	return 0;
}

void fl_soft_session_destroy(struct fl_session *session)
{
	struct soft_session *s = (struct soft_session *)session;

	for (unsigned i = 0; i < s->nctx; i++)
		free_ctx(&s->ctx[i]);
	free(s->ctx);
	fl_soft_mb_forget(s);
	OPENSSL_cleanse(s, sizeof(*s));
	free(s);
}
