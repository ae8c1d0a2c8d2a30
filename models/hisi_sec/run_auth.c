/* SPDX-License-Identifier: BSD-3-Clause */
/* Digests and MACs. */
#include "run.h"

#include <openssl/crypto.h>
#include <string.h>

void fl_secm_verify(struct secm_job *j)
{
	if (!j->mac_out && CRYPTO_memcmp(j->mac, j->want, j->mac_len))
		j->icv = 2;
}

static uint32_t min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t max(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* the bytes [from, to) of the source, or none */
static bool feed_src(struct secm_job *j, uint32_t from, uint32_t to, secm_step step, void *arg)
{
	struct secm_cur in;

	if (from >= to)
		return true;
	in = fl_secm_cur(&j->src, from - j->src_at);
	return fl_secm_walk(&in, NULL, to - from, 1, step, arg);
}

static bool feed_dst(struct secm_job *j, uint32_t from, uint32_t to, secm_step step, void *arg)
{
	struct secm_cur in;

	if (from >= to)
		return true;
	in = fl_secm_cur(&j->dst, from - j->bd.c_off);
	return fl_secm_walk(&in, NULL, to - from, 1, step, arg);
}

static bool feed(struct secm_job *j, bool after_cipher, secm_step step, void *arg)
{
	uint32_t from = j->bd.a_off, to = from + j->bd.a_len;
	uint32_t c = j->bd.c_off, c_end = c + j->bd.c_len;

	if (!after_cipher)
		return feed_src(j, from, to, step, arg);
	return feed_src(j, from, min(to, c), step, arg) &&
	       feed_dst(j, max(from, c), min(to, c_end), step, arg) &&
	       feed_src(j, max(from, c_end), to, step, arg);
}

/* ---- hashes and HMAC --------------------------------------------------------------------- */

struct hashing {
	const struct secm_hash *h;
	union secm_hash_ctx ctx;
};

static bool hash_step(void *arg, const uint8_t *in, uint8_t *out, uint32_t n)
{
	struct hashing *x = arg;

	x->h->update(&x->ctx, in, n);
	return true;
}

static void start_hash(struct hashing *x, const struct secm_job *j, const struct secm_hmac_key *k)
{
	uint64_t key = k ? x->h->block : 0, before = j->bd.long_len / 8 - j->bd.a_len;

	if (j->bd.ai_gen)
		x->h->put(&x->ctx, j->a_iv, key + before); /* in the middle nobody asks how far */
	else if (k)
		x->h->put(&x->ctx, k->inner, key);
	else
		x->h->init(&x->ctx);
}

static bool run_hash(struct secm_job *j, struct secm_cache *c, bool after_cipher)
{
	struct hashing x = { .h = fl_secm_hash(j->bd.a_alg) };
	const struct secm_hmac_key *k = NULL;

	if (fl_secm_is_hmac(j->bd.a_alg))
		k = fl_secm_hmac_key(c, x.h, j->a_key, j->a_key_len);
	start_hash(&x, j, k);
	if (!feed(j, after_cipher, hash_step, &x))
		return false;
	if (j->bd.a_pad) {
		x.h->get(&x.ctx, j->mac);
		return true;
	}
	x.h->final(&x.ctx, j->mac);
	if (k) {
		x.h->put(&x.ctx, k->outer, x.h->block);
		x.h->update(&x.ctx, j->mac, x.h->digest);
		x.h->final(&x.ctx, j->mac);
	}
	return true;
}

/* ---- MACs of block ciphers --------------------------------------------------------------- */

bool fl_secm_cbcmac_start(struct secm_cbcmac *m, struct secm_cache *c, const struct secm_key *k)
{
	static const uint8_t zero[16];

	*m = (struct secm_cbcmac){ .ctx = fl_secm_ctx_iv(c, PRIM_CBC, k, true, zero) };
	return m->ctx;
}

static bool cbcmac_last(struct secm_cbcmac *m)
{
	m->fill = 0;
	return fl_secm_step_evp(m->ctx, m->buf, m->x, 16);
}

bool fl_secm_cbcmac_step(void *arg, const uint8_t *in, uint8_t *out, uint32_t n)
{
	struct secm_cbcmac *m = arg;
	uint8_t dump[1024];

	if (m->fill) {
		uint32_t k = min(16 - m->fill, n);

		memcpy(m->buf + m->fill, in, k);
		m->fill += k;
		in += k;
		n -= k;
		if (n && !cbcmac_last(m))
			return false;
	}
	while (n > 16) {
		uint32_t k = min((n - 1) & ~15u, sizeof(dump));

		if (!fl_secm_step_evp(m->ctx, in, dump, k))
			return false;
		memcpy(m->x, dump + k - 16, 16);
		in += k;
		n -= k;
	}
	if (n) {
		memcpy(m->buf, in, n);
		m->fill = n;
	}
	return true;
}

bool fl_secm_cbcmac_pad(struct secm_cbcmac *m)
{
	if (!m->fill)
		return true;
	memset(m->buf + m->fill, 0, 16 - m->fill);
	return cbcmac_last(m);
}

/* times x, bits from the first byte's high end */
static void doubled(uint8_t out[16], const uint8_t in[16])
{
	for (unsigned i = 0; i < 16; i++)
		out[i] = (uint8_t)(in[i] << 1 | (i < 15 ? in[i + 1] >> 7 : 0));
	out[15] ^= in[0] & 0x80 ? 0x87 : 0;
}

/* CMAC (SP 800-38B) and XCBC (RFC 3566): key, and what goes into a whole or a short last block */
struct subkeys {
	uint8_t key[16], whole[16], part[16];
};

static bool make_subkeys(struct secm_job *j, struct secm_cache *c, struct subkeys *s)
{
	const struct secm_key k = fl_secm_auth_key(j);
	EVP_CIPHER_CTX *ecb = fl_secm_ctx(c, PRIM_ECB, &k, true);
	uint8_t l[16] = { 0 };

	if (!ecb)
		return false;
	if (j->bd.a_alg == SECM_XCBC) {
		for (unsigned i = 0; i < sizeof(*s); i++)
			((uint8_t *)s)[i] = (uint8_t)(i / 16 + 1);
		return fl_secm_step_evp(ecb, (uint8_t *)s, (uint8_t *)s, sizeof(*s));
	}
	if (!fl_secm_step_evp(ecb, l, l, 16))
		return false;
	memcpy(s->key, j->a_key, 16);
	doubled(s->whole, l);
	doubled(s->part, s->whole);
	return true;
}

static bool run_cbcmac(struct secm_job *j, struct secm_cache *c, bool after_cipher)
{
	struct secm_cbcmac m;
	struct subkeys s;
	const struct secm_key k = { SECM_AES, 16, s.key };
	const uint8_t *last = s.whole;

	if (!make_subkeys(j, c, &s) || !fl_secm_cbcmac_start(&m, c, &k) ||
	    !feed(j, after_cipher, fl_secm_cbcmac_step, &m))
		return false;
	if (m.fill < 16) {
		last = s.part;
		m.buf[m.fill] = 0x80;
		memset(m.buf + m.fill + 1, 0, 15 - m.fill);
	}
	for (unsigned i = 0; i < 16; i++)
		m.buf[i] ^= last[i];
	if (!cbcmac_last(&m))
		return false;
	memcpy(j->mac, m.x, 16);
	return true;
}

bool fl_secm_run_auth(struct secm_job *j, struct secm_cache *c, bool after_cipher)
{
	bool ok;

	if (j->bd.a_alg == SECM_GMAC)
		ok = fl_secm_run_gmac(j, c);
	else if (fl_secm_hash(j->bd.a_alg))
		ok = run_hash(j, c, after_cipher);
	else
		ok = run_cbcmac(j, c, after_cipher);
	if (ok)
		fl_secm_verify(j);
	return ok;
}
