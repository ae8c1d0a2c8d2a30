/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions: what is asked held against what the device can do, once. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "crypto_internal.h"

/* "16", "32 or 64", "7 to 13", "16 to 32 in steps of 8" */
static void say_sizes(char *out, size_t size, const struct fl_sizes *s)
{
	if (!s->max)
		snprintf(out, size, "none");
	else if (s->min == s->max)
		snprintf(out, size, "%u", s->max);
	else if (s->inc > 1)
		snprintf(out, size, "%u to %u in steps of %u", s->min, s->max, s->inc);
	else
		snprintf(out, size, s->inc ? "%u to %u" : "%u or %u", s->min, s->max);
}

static int check_size(const struct fl_cryptodev *d, const char *algo, const char *what,
		      const struct fl_sizes *any, const struct fl_sizes *here, unsigned v)
{
	const struct fl_sizes *s = fl_sizes_have(any, v) ? here : any;
	char takes[48];

	if (fl_sizes_have(any, v) && fl_sizes_have(here, v))
		return 0;
	say_sizes(takes, sizeof(takes), s);
	fl_err(d->log, "crypto", "%s: %s: %s of %u bytes; %s takes %s", fl_crypto_uri(d), algo,
	       what, v, s == here ? "the device" : "it", takes);
	return -EINVAL;
}

/* The capability for an algorithm of one of two kinds. */
static int need(const struct fl_cryptodev *d, enum fl_algo a, enum fl_algo_kind kind,
		enum fl_algo_kind or_kind, const struct fl_crypto_cap **cap)
{
	const struct fl_algo_info *i = fl_algo_info(a);

	if (!i || (i->kind != kind && i->kind != or_kind)) {
		fl_err(d->log, "crypto", "%s: session: %s is not what its type needs there",
		       fl_crypto_uri(d), i ? i->name : "no algorithm");
		return -EINVAL;
	}
	*cap = fl_cryptodev_cap(d, a);
	if (*cap)
		return 0;
	fl_err(d->log, "crypto",
	       "%s: session: the device has no %s; its capabilities list what it has",
	       fl_crypto_uri(d), i->name);
	return -EOPNOTSUPP;
}

static int check_xts(const struct fl_cryptodev *d, const struct fl_session_conf *c)
{
	unsigned half = c->key_len / 2;

	if (c->cipher != FL_AES_XTS && c->cipher != FL_SM4_XTS && c->cipher != FL_SM4_XTS_GB)
		return 0;
	if (memcmp(c->key, c->key + half, half) != 0)
		return 0;
	fl_err(d->log, "crypto", "%s: %s: the halves of the key are the same, which gives it away",
	       fl_crypto_uri(d), fl_algo_info(c->cipher)->name);
	return -EINVAL;
}

static int check_cipher(const struct fl_cryptodev *d, struct fl_session_conf *c,
			enum fl_algo_kind kind)
{
	const struct fl_algo_info *i = fl_algo_info(c->cipher);
	const struct fl_crypto_cap *cap;
	int rc = need(d, c->cipher, kind, kind, &cap);

	if (rc)
		return rc;
	c->iv_len = c->iv_len ? c->iv_len : i->iv;
	rc = check_size(d, i->name, "key", &i->keys, &cap->key, c->key_len);
	if (!rc)
		rc = check_size(d, i->name, "IV", &i->ivs, &cap->iv, c->iv_len);
	if (!rc)
		rc = check_xts(d, c);
	if (rc || kind != FL_KIND_AEAD)
		return rc;
	c->digest_len = c->digest_len ? c->digest_len : i->digest;
	return check_size(d, i->name, "tag", &i->digests, &cap->digest, c->digest_len);
}

static int check_auth(const struct fl_cryptodev *d, struct fl_session_conf *c)
{
	bool chain = c->type != FL_CRYPTO_AUTH;
	const struct fl_algo_info *i = fl_algo_info(c->auth);
	const struct fl_crypto_cap *cap;
	int rc = need(d, c->auth, FL_KIND_MAC, chain ? FL_KIND_MAC : FL_KIND_DIGEST, &cap);

	if (rc)
		return rc;
	c->digest_len = c->digest_len ? c->digest_len : i->digest;
	rc = check_size(d, i->name, "key", &i->keys, &cap->key, c->auth_key_len);
	if (!rc)
		rc = check_size(d, i->name, "digest", &i->digests, &cap->digest, c->digest_len);
	if (rc)
		return rc;
	if (!chain) {
		c->iv_len = c->iv_len ? c->iv_len : i->iv;
		return check_size(d, i->name, "IV", &i->ivs, &cap->iv, c->iv_len);
	}
	if (!i->iv)
		return 0;
	fl_err(d->log, "crypto", "%s: session: %s wants an IV, and a chain's is the cipher's",
	       fl_crypto_uri(d), i->name);
	return -EINVAL;
}

static int check_chain(const struct fl_cryptodev *d, struct fl_session_conf *c)
{
	uint64_t want = c->type == FL_CRYPTO_CIPHER_AUTH ? FL_CRYPTO_CHAIN_EA : FL_CRYPTO_CHAIN_AE;
	struct fl_cryptodev_info info;
	int rc;

	fl_cryptodev_info(d, &info);
	if (!(info.features & want)) {
		fl_err(d->log, "crypto",
		       "%s: session: %s cannot do both in that order: its features say which it can",
		       fl_crypto_uri(d), info.chip);
		return -EOPNOTSUPP;
	}
	rc = check_cipher(d, c, FL_KIND_CIPHER);
	return rc ? rc : check_auth(d, c);
}

/* What the type does not use, nobody after us has to ask about. */
static void clear_unused(struct fl_session_conf *c)
{
	if (c->type == FL_CRYPTO_AUTH) {
		c->cipher = FL_ALGO_NONE;
		c->key = NULL;
		c->key_len = 0;
	}
	if (c->type == FL_CRYPTO_CIPHER || c->type == FL_CRYPTO_AEAD) {
		c->auth = FL_ALGO_NONE;
		c->auth_key = NULL;
		c->auth_key_len = 0;
	}
	if (c->type == FL_CRYPTO_CIPHER)
		c->digest_len = 0;
}

static int check(const struct fl_cryptodev *d, struct fl_session_conf *c)
{
	clear_unused(c);
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
	s->at = &d->sessions;
	if (s->next)
		s->next->at = &s->next;
	d->sessions = s;
	*out = s;
	return 0;
}

void fl_session_destroy(struct fl_session *s)
{
	if (!s)
		return;
	*s->at = s->next;
	if (s->next)
		s->next->at = s->at;
	s->dev->ops.session_destroy(s);
}

const struct fl_session_conf *fl_session_conf(const struct fl_session *s)
{
	return &s->conf;
}
