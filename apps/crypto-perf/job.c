/* SPDX-License-Identifier: BSD-3-Clause */
/* From the names and sizes of the command line to a session. */
#include "perf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- names ---------------------------------------------------------------------------- */

static bool fits_kind(enum fl_algo_kind have, enum fl_algo_kind want)
{
	return have == want || (want == FL_KIND_DIGEST && have == FL_KIND_MAC);
}

/** want FL_KIND_DIGEST: MACs too */
static void list_known(enum fl_algo_kind want)
{
	for (unsigned a = 1; a < FL_ALGO_MAX; a++) {
		const struct fl_algo_info *i = fl_algo_info((enum fl_algo)a);

		if (fits_kind(i->kind, want))
			fprintf(stderr, " %s", i->name);
	}
	fputc('\n', stderr);
}

static int find(const char *name, enum fl_algo_kind want, const char *optype, enum fl_algo *out)
{
	const struct fl_algo_info *i = fl_algo_info(*out = fl_algo_find(name));

	if (i && fits_kind(i->kind, want))
		return 0;
	if (i)
		fprintf(stderr, "%s is not for --optype %s, which takes:", name, optype);
	else
		fprintf(stderr, "No algorithm is called '%s'. Known for --optype %s:", name,
			optype);
	list_known(want);
	return -EINVAL;
}

/** Where no --optype is given: what the algorithms can only mean. */
static enum cp_optype infer(const struct cp_conf *c)
{
	const struct fl_algo_info *i =
		c->cipher.algo ? fl_algo_info(fl_algo_find(c->cipher.algo)) : NULL;

	if (c->aead.algo || (i && i->kind == FL_KIND_AEAD))
		return CP_AEAD;
	if (c->auth.algo)
		return c->cipher.algo ? CP_CIPHER_AUTH : CP_AUTH;
	return i && i->kind != FL_KIND_CIPHER ? CP_AUTH : CP_CIPHER;
}

static enum cp_optype type_of(const struct cp_conf *c)
{
	for (int i = 0; c->optype && i < CP_OPTYPES; i++)
		if (!strcmp(c->optype, cp_optype_names[i]))
			return (enum cp_optype)i;
	return infer(c);
}

/** The part that an algorithm which is alone may come from: its own, else --cipher-*. */
static struct cp_part part_of(const struct cp_part *own, const struct cp_part *cipher)
{
	struct cp_part p = *own;

	if (!own->algo && cipher->algo)
		p.algo = cipher->algo;
	p.op = own->op ? own->op : cipher->op;
	p.key = own->key != CP_UNSET ? own->key : cipher->key;
	p.iv = own->iv != CP_UNSET ? own->iv : cipher->iv;
	return p;
}

static bool forward(const struct cp_part *p)
{
	return !p->op || !strcmp(p->op, "encrypt") || !strcmp(p->op, "generate");
}

/**
 * cipher-then-auth names the order of the work, both ways, as dpdk-test-crypto-perf does: so
 * decrypting, it is the way back of auth-then-cipher.
 */
static int chain(struct cp_job *j, const struct cp_conf *c)
{
	bool enc = forward(&c->cipher);

	if (c->auth.op && forward(&c->auth) != enc) {
		fprintf(stderr, "--cipher-op %s goes with --auth-op %s\n",
			enc ? "encrypt" : "decrypt", enc ? "generate" : "verify");
		return -EINVAL;
	}
	j->conf.encrypt = enc;
	j->conf.type =
		(j->type == CP_CIPHER_AUTH) == enc ? FL_CRYPTO_CIPHER_AUTH : FL_CRYPTO_AUTH_CIPHER;
	return 0;
}

static int names(struct cp_job *j, const struct cp_conf *c)
{
	const char *optype = cp_optype_names[j->type];
	struct cp_part p;
	int ret = 0;

	switch (j->type) {
	case CP_CIPHER:
		j->conf.type = FL_CRYPTO_CIPHER;
		j->conf.encrypt = forward(&c->cipher);
		return find(c->cipher.algo ? c->cipher.algo : "aes-cbc", FL_KIND_CIPHER, optype,
			    &j->conf.cipher);
	case CP_AUTH:
		p = part_of(&c->auth, &c->cipher);
		j->conf.type = FL_CRYPTO_AUTH;
		j->conf.encrypt = forward(&p);
		return find(p.algo ? p.algo : "sha2-256-hmac", FL_KIND_DIGEST, optype,
			    &j->conf.auth);
	case CP_AEAD:
		p = part_of(&c->aead, &c->cipher);
		j->conf.type = FL_CRYPTO_AEAD;
		j->conf.encrypt = forward(&p);
		return find(p.algo ? p.algo : "aes-gcm", FL_KIND_AEAD, optype, &j->conf.cipher);
	case CP_CIPHER_AUTH:
	case CP_AUTH_CIPHER:
		ret = chain(j, c);
		if (!ret)
			ret = find(c->cipher.algo ? c->cipher.algo : "aes-cbc", FL_KIND_CIPHER,
				   optype, &j->conf.cipher);
		if (!ret)
			ret = find(c->auth.algo ? c->auth.algo : "sha2-256-hmac", FL_KIND_MAC,
				   optype, &j->conf.auth);
		return ret;
	case CP_OPTYPES:
		break;
	}
	return -EINVAL;
}

int cp_job_names(struct cp_job *j, const struct cp_conf *c)
{
	const struct fl_algo_info *cipher, *auth;
	int ret;

	j->type = type_of(c);
	ret = names(j, c);
	if (ret)
		return ret;
	cipher = fl_algo_info(j->conf.cipher);
	auth = fl_algo_info(j->conf.auth);
	j->algo = cipher ? j->conf.cipher : j->conf.auth;
	j->block = cipher ? cipher->block : 1;
	j->cipher = cipher != NULL;
	j->tag = auth || cipher->kind == FL_KIND_AEAD;
	j->check = j->tag && !j->conf.encrypt;
	if (c->aad_sz && (j->type == CP_CIPHER || j->type == CP_AUTH)) {
		fprintf(stderr, "--aead-aad-sz: --optype %s has no additional data\n",
			cp_optype_names[j->type]);
		return -EINVAL;
	}
	j->aad_len = (uint32_t)c->aad_sz;
	/* in place, the first run would spoil the input of the next, whose tag is then wrong */
	j->out_of_place = j->cipher && (c->out_of_place || j->check);
	snprintf(j->name, sizeof(j->name), "%s%s%s", cipher ? cipher->name : "",
		 cipher && auth ? "+" : "", auth ? auth->name : "");
	return 0;
}

/* ---- sizes ---------------------------------------------------------------------------- */

/** What was asked, or the size nearest to `usual` that the device takes. */
static uint16_t size(uint64_t asked, uint16_t usual, const struct fl_sizes *s)
{
	if (asked != CP_UNSET)
		return (uint16_t)asked;
	if (usual <= s->min || s->inc == 0)
		return usual >= s->max ? s->max : s->min;
	if (usual >= s->max)
		return s->max;
	return (uint16_t)(s->min + (usual - s->min) / s->inc * s->inc);
}

int cp_job_sizes(struct cp_job *j, const struct cp_conf *c, const struct cp_dev *d)
{
	const struct fl_crypto_cap *cap;
	struct fl_session_conf *s = &j->conf;
	int ret = cp_job_check(j, d); /* the algorithms; sizes are not known yet */

	if (ret)
		return ret;
	if (s->cipher) {
		const struct fl_algo_info *i = fl_algo_info(s->cipher);
		struct cp_part p = j->type == CP_AEAD ? part_of(&c->aead, &c->cipher) : c->cipher;

		cap = fl_cryptodev_cap(d->d, s->cipher);
		s->key_len = size(p.key, cap->key.min, &cap->key);
		s->iv_len = size(p.iv, i->iv, &cap->iv);
		s->digest_len = size(c->digest_sz, i->digest, &cap->digest);
	}
	if (s->auth) {
		const struct fl_algo_info *i = fl_algo_info(s->auth);
		struct cp_part p = c->auth.algo ? c->auth : part_of(&c->auth, &c->cipher);

		cap = fl_cryptodev_cap(d->d, s->auth);
		if (i->kind == FL_KIND_DIGEST)
			p.key = c->auth.key; /* a key of --cipher-key-sz is none of its */
		s->auth_key_len = size(p.key, i->digest, &cap->key);
		s->digest_len = size(c->digest_sz, i->digest, &cap->digest);
		if (j->type == CP_AUTH)
			s->iv_len = size(p.iv, i->iv, &cap->iv);
	}
	cp_random(j->key, sizeof(j->key), 1);
	cp_random(j->auth_key, sizeof(j->auth_key), 2);
	cp_random(j->iv, sizeof(j->iv), 3);
	s->key = s->key_len ? j->key : NULL;
	s->auth_key = s->auth_key_len ? j->auth_key : NULL;
	return 0;
}

void cp_job_vector(struct cp_job *j, const struct cp_vector *v)
{
	struct fl_session_conf *s = &j->conf;

	if (v->key.set) {
		memcpy(j->key, v->key.p, v->key.len);
		s->key_len = (uint16_t)v->key.len;
	}
	if (v->auth_key.set) {
		memcpy(j->auth_key, v->auth_key.p, v->auth_key.len);
		s->auth_key_len = (uint16_t)v->auth_key.len;
	}
	if (v->iv.set) {
		memcpy(j->iv, v->iv.p, v->iv.len);
		s->iv_len = (uint16_t)v->iv.len;
	}
	if (v->digest.set)
		s->digest_len = (uint16_t)v->digest.len;
	j->aad_len = v->aad.len;
	s->key = s->key_len ? j->key : NULL;
	s->auth_key = s->auth_key_len ? j->auth_key : NULL;
}

/* ---- what the device has -------------------------------------------------------------- */

static void say_sizes(const char *what, const struct fl_sizes *s)
{
	if (!s->max)
		return;
	fprintf(stderr, "  %s %u", what, s->min);
	if (s->max > s->min && !s->inc)
		fprintf(stderr, ",%u", s->max);
	else if (s->max > s->min)
		fprintf(stderr, "..%u/%u", s->max, s->inc);
}

/** The algorithms of that kind, with sizes in bytes: min..max/step. */
static void say_caps(const struct cp_dev *d, enum fl_algo_kind want)
{
	fprintf(stderr, "%s (%s, %s) has, sizes in bytes:\n", d->uri, d->info.driver, d->info.chip);
	for (const struct fl_crypto_cap *c = d->info.caps; c->algo != FL_ALGO_NONE; c++) {
		const struct fl_algo_info *i = fl_algo_info(c->algo);

		if (!fits_kind(i->kind, want))
			continue;
		fprintf(stderr, "  %-18s", i->name);
		say_sizes("key", &c->key);
		say_sizes("IV", &c->iv);
		say_sizes("digest", &c->digest);
		if (c->aad_max)
			fprintf(stderr, "  AAD to %u", c->aad_max);
		fprintf(stderr, "  length to %u\n", c->len_max);
	}
}

static int have(const struct cp_dev *d, enum fl_algo a, enum fl_algo_kind want)
{
	if (a == FL_ALGO_NONE || fl_cryptodev_cap(d->d, a))
		return 0;
	fprintf(stderr, "%s has no %s.\n", d->uri, fl_algo_info(a)->name);
	say_caps(d, want);
	return -EOPNOTSUPP;
}

int cp_job_check(const struct cp_job *j, const struct cp_dev *d)
{
	bool is_chain = j->type == CP_CIPHER_AUTH || j->type == CP_AUTH_CIPHER;
	uint64_t need = !is_chain				? 0
			: j->conf.type == FL_CRYPTO_CIPHER_AUTH ? FL_CRYPTO_CHAIN_EA
								: FL_CRYPTO_CHAIN_AE;
	int ret;

	if ((d->info.features & need) != need) {
		fprintf(stderr, "%s (%s) cannot %s with --optype %s: try %s, or soft:\n", d->uri,
			d->info.chip, j->conf.encrypt ? "encrypt" : "decrypt",
			cp_optype_names[j->type],
			cp_optype_names[j->type == CP_CIPHER_AUTH ? CP_AUTH_CIPHER
								  : CP_CIPHER_AUTH]);
		return -EOPNOTSUPP;
	}
	ret = have(d, j->conf.cipher, j->type == CP_AEAD ? FL_KIND_AEAD : FL_KIND_CIPHER);
	return ret ? ret : have(d, j->conf.auth, is_chain ? FL_KIND_MAC : FL_KIND_DIGEST);
}

int cp_job_check_size(const struct cp_job *j, const struct cp_conf *c, const struct cp_dev *d,
		      uint32_t bytes)
{
	const struct fl_crypto_cap *cap = fl_cryptodev_cap(d->d, j->algo);
	uint64_t segs = c->segment_sz ? (bytes + c->segment_sz - 1) / c->segment_sz : 1;
	uint64_t sgl = j->out_of_place ? FL_CRYPTO_SGL_OUT : FL_CRYPTO_SGL_IN_PLACE;

	if (bytes % j->block) {
		fprintf(stderr, "--buffer-sz %u: %s takes multiples of %u bytes\n", bytes,
			fl_algo_info(j->algo)->name, j->block);
		return -EINVAL;
	}
	if (bytes && bytes < fl_algo_info(j->algo)->least) {
		fprintf(stderr, "--buffer-sz %u: %s takes %u bytes at least\n", bytes,
			fl_algo_info(j->algo)->name, fl_algo_info(j->algo)->least);
		return -EINVAL;
	}
	if ((uint64_t)bytes + j->aad_len > cap->len_max || (!bytes && !cap->empty)) {
		fprintf(stderr, "--buffer-sz %u: %s takes %u to %u bytes of %s, AAD included\n",
			bytes, d->uri, cap->empty ? 0 : 1, cap->len_max, j->name);
		return -EINVAL;
	}
	if (j->aad_len > cap->aad_max && j->type == CP_AEAD) {
		fprintf(stderr, "--aead-aad-sz %u: %s takes up to %u bytes\n", j->aad_len, d->uri,
			cap->aad_max);
		return -EINVAL;
	}
	if (segs > d->info.segs_max || (segs > 1 && !(d->info.features & sgl))) {
		fprintf(stderr, "--segment-sz %u: %llu segments; %s takes %u%s\n",
			(unsigned)c->segment_sz, (unsigned long long)segs, d->uri,
			d->info.features & sgl ? d->info.segs_max : 1,
			j->out_of_place ? " out of place" : "");
		return -EINVAL;
	}
	return 0;
}
