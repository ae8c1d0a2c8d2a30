/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions: what is asked held against what the device can do, once. */
#include <inttypes.h>
#include <string.h>

#include "crypto_internal.h"

static bool size_ok(const struct fl_sizes *s, uint16_t v)
{
	return v >= s->min && v <= s->max &&
	       (s->inc ? (v - s->min) % s->inc == 0 : v == s->min || v == s->max);
}

static int check_size(const struct fl_cryptodev *d, const char *algo, const char *what,
		      const struct fl_sizes *s, uint16_t v)
{
	if (size_ok(s, v))
		return 0;
	fl_err(d->log, "crypto", "%s: %s: %s of %u bytes; the device takes %u to %u%s",
	       fl_crypto_uri(d), algo, what, v, s->min, s->max,
	       s->inc == 1 ? ""
	       : s->inc	   ? ", in steps"
			   : ", no size between");
	return -EINVAL;
}

/* The capability for what is to be a cipher, or an algorithm of another kind; NULL = refused. */
static const struct fl_crypto_cap *need(const struct fl_cryptodev *d, enum fl_algo a,
					enum fl_algo_kind kind, enum fl_algo_kind or_kind)
{
	const struct fl_algo_info *i = fl_algo_info(a);
	const struct fl_crypto_cap *c;

	if (!i || (i->kind != kind && i->kind != or_kind)) {
		fl_err(d->log, "crypto", "%s: session: %s is not what its type needs there",
		       fl_crypto_uri(d), i ? i->name : "no algorithm");
		return NULL;
	}
	c = fl_cryptodev_cap(d, a);
	if (!c)
		fl_err(d->log, "crypto",
		       "%s: session: the device has no %s; its capabilities list what it has",
		       fl_crypto_uri(d), i->name);
	return c;
}

static int refusal(const struct fl_session_conf *c, enum fl_algo a)
{
	return fl_algo_info(a) ? -EOPNOTSUPP : -EINVAL;
}

static int check_cipher(const struct fl_cryptodev *d, struct fl_session_conf *c,
			enum fl_algo_kind kind)
{
	const struct fl_crypto_cap *cap = need(d, c->cipher, kind, kind);
	const struct fl_algo_info *i;
	int rc;

	if (!cap)
		return refusal(c, c->cipher);
	i = fl_algo_info(c->cipher);
	c->iv_len = c->iv_len ? c->iv_len : i->iv;
	rc = check_size(d, i->name, "key", &cap->key, c->key_len);
	if (!rc)
		rc = check_size(d, i->name, "IV", &cap->iv, c->iv_len);
	if (rc || kind != FL_KIND_AEAD)
		return rc;
	c->digest_len = c->digest_len ? c->digest_len : i->digest;
	return check_size(d, i->name, "tag", &cap->digest, c->digest_len);
}

static int check_auth(const struct fl_cryptodev *d, struct fl_session_conf *c)
{
	bool chain = c->type != FL_CRYPTO_AUTH;
	const struct fl_crypto_cap *cap =
		need(d, c->auth, FL_KIND_MAC, chain ? FL_KIND_MAC : FL_KIND_DIGEST);
	const struct fl_algo_info *i;
	int rc;

	if (!cap)
		return refusal(c, c->auth);
	i = fl_algo_info(c->auth);
	c->digest_len = c->digest_len ? c->digest_len : i->digest;
	rc = check_size(d, i->name, "key", &cap->key, c->auth_key_len);
	if (!rc)
		rc = check_size(d, i->name, "digest", &cap->digest, c->digest_len);
	if (rc || chain)
		return rc;
	c->iv_len = c->iv_len ? c->iv_len : i->iv;
	return check_size(d, i->name, "IV", &cap->iv, c->iv_len);
}

static int check_chain(const struct fl_cryptodev *d, struct fl_session_conf *c)
{
	uint64_t want = c->type == FL_CRYPTO_CIPHER_AUTH ? FL_CRYPTO_CHAIN_EA : FL_CRYPTO_CHAIN_AE;
	struct fl_cryptodev_info info;
	int rc;

	fl_cryptodev_info(d, &info);
	if (!(info.features & want)) {
		fl_err(d->log, "crypto", "%s: session: %s cannot do both in that order",
		       fl_crypto_uri(d), info.chip);
		return -EOPNOTSUPP;
	}
	rc = check_cipher(d, c, FL_KIND_CIPHER);
	return rc ? rc : check_auth(d, c);
}

static int check(const struct fl_cryptodev *d, struct fl_session_conf *c)
{
	if ((c->key_len && !c->key) || (c->auth_key_len && !c->auth_key)) {
		fl_err(d->log, "crypto", "%s: session: a key length without a key",
		       fl_crypto_uri(d));
		return -EINVAL;
	}
	switch (c->type) {
	case FL_CRYPTO_CIPHER:
		return check_cipher(d, c, FL_KIND_CIPHER);
	case FL_CRYPTO_AEAD:
		return check_cipher(d, c, FL_KIND_AEAD);
	case FL_CRYPTO_AUTH:
		return check_auth(d, c);
	case FL_CRYPTO_CIPHER_AUTH:
	case FL_CRYPTO_AUTH_CIPHER:
		return check_chain(d, c);
	}
	fl_err(d->log, "crypto", "%s: session: no type %d", fl_crypto_uri(d), (int)c->type);
	return -EINVAL;
}

int fl_session_create(struct fl_cryptodev *d, const struct fl_session_conf *conf,
		      struct fl_session **out)
{
	struct fl_session_conf c = *conf;
	const struct fl_algo_info *i;
	struct fl_session *s;
	int rc;

	rc = check(d, &c);
	if (!rc)
		rc = d->ops.session_create(d, &c, &s);
	if (rc)
		return rc;
	s->dev = d;
	c.key = c.auth_key = NULL;
	s->conf = c;
	i = fl_algo_info(c.cipher);
	s->block = i ? i->block : 1;
	i = fl_algo_info(c.auth);
	s->hash_block = i ? i->hash_block : 0;
	s->next = d->sessions;
	d->sessions = s;
	*out = s;
	return 0;
}

void fl_session_destroy(struct fl_session *s)
{
	struct fl_session **p;

	if (!s)
		return;
	for (p = &s->dev->sessions; *p != s; p = &(*p)->next)
		;
	*p = s->next;
	s->dev->ops.session_destroy(s);
}

const struct fl_session_conf *fl_session_conf(const struct fl_session *s)
{
	return &s->conf;
}
