/* SPDX-License-Identifier: BSD-3-Clause */
/* Ops: what one may say, and doing it by OpenSSL. */
#include <openssl/crypto.h>

#include "soft.h"

/* ---- what an op may say ----------------------------------------------------------------- */

static bool holds(const struct fl_seg *s, unsigned n, uint64_t end)
{
	uint64_t sum = 0;

	if (n > SOFT_SEGS_MAX)
		return false;
	for (unsigned i = 0; i < n && sum < end; i++)
		sum += s[i].len;
	return sum >= end;
}

/* Software could do without areas; but what works here shall work on a device too. */
static bool in_area(const struct fl_seg *s)
{
	uint64_t at;

	if (!s->len)
		return true;
	if (!s->area)
		return false;
	at = (uint64_t)(s->va - s->area->va);
	return at <= s->area->len && s->len <= s->area->len - at;
}

/* the segments of [0, end) */
static bool in_areas(const struct fl_seg *s, uint64_t end)
{
	for (uint64_t sum = 0; sum < end; s++) {
		if (!in_area(s))
			return false;
		sum += s->len;
	}
	return true;
}

static bool payload_ok(const struct fl_op *op)
{
	const struct fl_session *s = op->session;
	uint64_t end = (uint64_t)op->cipher_off + op->cipher_len;
	const struct soft_algo *a = fl_soft_session(op)->cipher;

	if (op->cipher_len % s->block || op->stage != FL_OP_WHOLE)
		return false;
	if (op->cipher_len < 16 && (a->way == SOFT_CTS || a->way == SOFT_TWEAKED))
		return false;
	return holds(op->src, op->nsrc, end) && (!op->dst || holds(op->dst, op->ndst, end));
}

static bool aad_ok(const struct fl_op *op)
{
	return (!op->aad.len || op->aad.va) &&
	       (uint64_t)op->aad.len + op->cipher_len <= SOFT_LEN_MAX;
}

/* CCM's length field has what bytes the nonce leaves */
static bool aead_ok(const struct fl_op *op)
{
	unsigned width = 15u - op->session->conf.iv_len;

	return fl_soft_session(op)->cipher->way != SOFT_AEAD_CCM || width >= 4 ||
	       !(op->cipher_len >> 8 * width);
}

static bool auth_ok(const struct fl_op *op)
{
	const struct fl_session *s = op->session;

	if (op->stage != FL_OP_WHOLE) {
		/* the digest to verify has no place beside the state */
		if (!s->hash_block || op->stage > FL_OP_LAST || !s->conf.encrypt)
			return false;
		/* after a first part there is a total */
		if (op->stage != FL_OP_FIRST && !op->total)
			return false;
		if (op->stage != FL_OP_LAST && (!op->auth_len || op->auth_len % s->hash_block))
			return false;
	}
	return op->auth_len <= SOFT_LEN_MAX &&
	       holds(op->src, op->nsrc, (uint64_t)op->auth_off + op->auth_len);
}

static bool sizes_ok(const struct fl_op *op)
{
	switch (op->session->conf.type) {
	case FL_CRYPTO_CIPHER:
		return payload_ok(op) && op->cipher_len <= SOFT_LEN_MAX;
	case FL_CRYPTO_AUTH:
		return auth_ok(op);
	case FL_CRYPTO_AEAD:
		return payload_ok(op) && aad_ok(op) && aead_ok(op);
	case FL_CRYPTO_CIPHER_AUTH:
	case FL_CRYPTO_AUTH_CIPHER:
		return payload_ok(op) && aad_ok(op);
	}
	return false;
}

enum fl_op_status fl_soft_op_check(const struct soft_qp *qp, const struct fl_op *op)
{
	uint64_t end;

	/* another device's session has no contexts for this queue pair */
	if (!op->session || op->session->dev != qp->qp.dev || !sizes_ok(op))
		return FL_OP_INVALID;
	if (op->session->conf.type == FL_CRYPTO_AUTH)
		return in_areas(op->src, (uint64_t)op->auth_off + op->auth_len) ? FL_OP_OK
										: FL_OP_FAULT;
	end = (uint64_t)op->cipher_off + op->cipher_len;
	if (!in_areas(op->src, end) || (op->dst && !in_areas(op->dst, end)))
		return FL_OP_FAULT;
	return op->session->conf.type == FL_CRYPTO_CIPHER || in_area(&op->aad) ? FL_OP_OK
									       : FL_OP_FAULT;
}

/* ---- parts of an op -------------------------------------------------------------------- */

static bool cipher(const struct soft_session *s, struct soft_ctx *x, const struct fl_op *op)
{
	struct soft_span sp;

	if (!op->cipher_len)
		return true;
	if (s->cipher->way == SOFT_TWEAKED)
		return fl_soft_xts(x, op);
	if (s->cipher->way == SOFT_CTS)
		return fl_soft_cts(x, op);
	if (s->cipher->mode != SOFT_ECB && !fl_soft_restart(x->evp[SOFT_DATA], op->iv))
		return false;
	sp = fl_span(op, op->cipher_off);
	return fl_span_walk(&sp, op->cipher_len, s->s.block, fl_soft_update, x->evp[SOFT_DATA]);
}

struct feed {
	const struct soft_hash *hash;
	union soft_hash_state st;
};

static bool feed_hash(void *arg, const uint8_t *in, uint32_t n)
{
	struct feed *f = arg;

	f->hash->update(&f->st, in, n);
	return true;
}

/* the digest, or HMAC, of what was fed */
static void end_hash(const struct soft_session *s, struct feed *f, uint8_t *out)
{
	f->hash->final(&f->st, out);
	if (s->auth->way != SOFT_HMAC)
		return;
	f->st = s->outer;
	f->hash->update(&f->st, out, f->hash->digest);
	f->hash->final(&f->st, out);
}

/* of AAD, if any, and what the cursor points to */
static bool mac(struct soft_qp *qp, const struct soft_session *s, struct soft_ctx *x,
		const struct fl_seg *aad, struct soft_cursor c, uint32_t len, uint8_t *out)
{
	struct soft_cbcmac m;
	struct feed f;

	if (s->hash) {
		f.hash = s->hash;
		f.st = s->inner;
		if (aad)
			feed_hash(&f, aad->va, aad->len);
		fl_cursor_feed(&c, len, feed_hash, &f);
		end_hash(s, &f, out);
		return true;
	}
	fl_soft_mac_start(&m, x->evp[SOFT_MAC], qp->scratch);
	if (aad)
		fl_soft_mac_feed(&m, aad->va, aad->len);
	fl_cursor_feed(&c, len, fl_soft_mac_feed, &m);
	return fl_soft_cmac_end(&m, s->whole, s->part, out);
}

/* Gives the digest out, or holds it against the op's. */
static enum fl_op_status settle(const struct fl_session_conf *c, struct fl_op *op,
				const uint8_t *digest)
{
	if (c->encrypt)
		memcpy(op->digest, digest, c->digest_len);
	else if (CRYPTO_memcmp(op->digest, digest, c->digest_len))
		return FL_OP_AUTH_FAILED;
	return FL_OP_OK;
}

/* One part of a stream: state in, blocks, state or digest out. */
static void stream(const struct soft_session *s, struct fl_op *op)
{
	struct soft_cursor c = fl_cursor(op->src, op->auth_off);
	uint64_t keyed = s->auth->way == SOFT_HMAC ? s->hash->block : 0;
	uint8_t digest[FL_DIGEST_MAX];
	struct feed f = { .hash = s->hash };

	if (op->stage == FL_OP_FIRST) {
		f.st = s->inner;
		op->total = 0;
	} else {
		fl_soft_hash_load(s->hash, &f.st, op->digest, keyed + op->total);
	}
	fl_cursor_feed(&c, op->auth_len, feed_hash, &f);
	op->total += op->auth_len;
	if (op->stage != FL_OP_LAST) {
		fl_soft_hash_save(s->hash, &f.st, op->digest);
		return;
	}
	end_hash(s, &f, digest);
	memcpy(op->digest, digest, s->s.conf.digest_len);
}

/* ---- types ----------------------------------------------------------------------------- */

static enum fl_op_status auth(struct soft_qp *qp, const struct soft_session *s, struct soft_ctx *x,
			      struct fl_op *op)
{
	uint8_t digest[FL_DIGEST_MAX];

	if (op->stage != FL_OP_WHOLE) {
		stream(s, op);
		return FL_OP_OK;
	}
	if (s->auth->way == SOFT_GMAC
		    ? !fl_soft_gmac(x->evp[SOFT_MAC], op, digest)
		    : !mac(qp, s, x, NULL, fl_cursor(op->src, op->auth_off), op->auth_len, digest))
		return FL_OP_ERROR;
	return settle(&s->s.conf, op, digest);
}

/* The MAC is of the source, or of what comes out: of plaintext or ciphertext as the type says. */
static enum fl_op_status chain(struct soft_qp *qp, const struct soft_session *s, struct soft_ctx *x,
			       struct fl_op *op)
{
	const struct fl_session_conf *c = &s->s.conf;
	bool mac_first = (c->type == FL_CRYPTO_AUTH_CIPHER) == c->encrypt;
	const struct fl_seg *segs = mac_first || !op->dst ? op->src : op->dst;
	uint8_t digest[FL_DIGEST_MAX];
	enum fl_op_status st;

	if ((!mac_first && !cipher(s, x, op)) ||
	    !mac(qp, s, x, &op->aad, fl_cursor(segs, op->cipher_off), op->cipher_len, digest))
		return FL_OP_ERROR;
	st = settle(c, op, digest);
	if (mac_first && st == FL_OP_OK && !cipher(s, x, op))
		return FL_OP_ERROR;
	if (!mac_first && st != FL_OP_OK)
		fl_soft_wipe(op);
	return st;
}

enum fl_op_status fl_soft_run(struct soft_qp *qp, struct fl_op *op)
{
	const struct soft_session *s = fl_soft_session(op);
	struct soft_ctx *x = &s->ctx[qp->qp.id];

	switch (s->s.conf.type) {
	case FL_CRYPTO_CIPHER:
		return cipher(s, x, op) ? FL_OP_OK : FL_OP_ERROR;
	case FL_CRYPTO_AUTH:
		return auth(qp, s, x, op);
	case FL_CRYPTO_AEAD:
		return s->cipher->way == SOFT_AEAD_GCM ? fl_soft_gcm(x, op)
						       : fl_soft_ccm(x, op, qp->scratch);
	case FL_CRYPTO_CIPHER_AUTH:
	case FL_CRYPTO_AUTH_CIPHER:
		break;
	}
	return chain(qp, s, x, op);
}
