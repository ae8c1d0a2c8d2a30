/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * differential URI URI [OPS [SEED]]: the same random requests to two devices, whose answers and
 * memory must be the same byte for byte. Each request is turned round afterwards: decrypted or
 * verified, a part of them with a bit of the tag or text changed.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"

#define PAIRS	 32u
#define SLOT	 65536u
#define LEN_MAX	 16384u
#define KEYSETS	 48u
#define CORRUPT	 6u  /* one of so many is changed before it is turned round */
#define UNEVEN	 12u /* one of so many has a length that may be no multiple of the block */
#define MESSAGES 10u

/* keys as both devices have them */
struct keyset {
	bool there;
	struct fl_session_conf conf;
	uint8_t key[64], auth_key[256];
	struct fl_session *fwd[RIG_DEVS], *back[RIG_DEVS];
	uint32_t hash_block;
	bool empty; /* both take no bytes at all */
};

struct request {
	struct keyset *k;
	uint8_t *mem[RIG_DEVS];
	struct fl_seg src[RIG_DEVS][RIG_SEGS], dst[RIG_DEVS][RIG_SEGS];
	struct fl_op *op[RIG_DEVS];
	uint32_t len, aad, done;
	bool stream;
};

struct state {
	struct rig rig;
	struct keyset keys[KEYSETS];
	struct request req[PAIRS];
	enum fl_algo algos[FL_ALGO_MAX];
	unsigned nalgos;
	uint64_t ops, differences, by_status[FL_OP_PENDING + 1], refused;
};

/* ---- keys -------------------------------------------------------------------------------- */

static enum fl_algo pick(struct state *s, enum fl_algo_kind kind)
{
	for (unsigned i = 0; i < 1000; i++) {
		enum fl_algo a = s->algos[rig_rnd(&s->rig, s->nalgos)];

		if (!kind || fl_algo_info(a)->kind == kind)
			return a;
	}
	return FL_ALGO_NONE;
}

static uint16_t any_size(struct state *s, const struct fl_sizes *z)
{
	if (!z->inc)
		return rig_rnd(&s->rig, 2) ? z->min : z->max;
	return (uint16_t)(z->min + z->inc * rig_rnd(&s->rig, (z->max - z->min) / z->inc + 1u));
}

/* a size that both take */
static uint16_t size(struct state *s, const struct fl_sizes *a, const struct fl_sizes *b)
{
	uint16_t v = a->max;

	for (unsigned i = 0; i < 100; i++) {
		v = any_size(s, a);
		if (fl_sizes_have(b, v))
			break;
	}
	return v;
}

static void cipher_part(struct state *s, struct keyset *k, enum fl_algo a)
{
	const struct fl_crypto_cap *x = fl_cryptodev_cap(s->rig.dev[0].dev, a);
	const struct fl_crypto_cap *y = fl_cryptodev_cap(s->rig.dev[1].dev, a);

	k->conf.cipher = a;
	k->empty = k->empty && x->empty && y->empty;
	k->conf.key_len = size(s, &x->key, &y->key);
	k->conf.key = k->key;
	k->conf.iv_len = size(s, &x->iv, &y->iv);
	if (fl_algo_info(a)->kind == FL_KIND_AEAD)
		k->conf.digest_len = size(s, &x->digest, &y->digest);
}

static void auth_part(struct state *s, struct keyset *k, enum fl_algo a)
{
	const struct fl_crypto_cap *x = fl_cryptodev_cap(s->rig.dev[0].dev, a);
	const struct fl_crypto_cap *y = fl_cryptodev_cap(s->rig.dev[1].dev, a);

	k->conf.auth = a;
	k->empty = k->empty && x->empty && y->empty;
	k->conf.auth_key_len = size(s, &x->key, &y->key);
	if (k->conf.auth_key_len > sizeof(k->auth_key))
		k->conf.auth_key_len = 64;
	k->conf.auth_key = k->auth_key;
	k->conf.digest_len = size(s, &x->digest, &y->digest);
	if (k->conf.type == FL_CRYPTO_AUTH)
		k->conf.iv_len = size(s, &x->iv, &y->iv);
	k->hash_block = x->stream && y->stream ? fl_algo_info(a)->hash_block : 0;
}

static void choose(struct state *s, struct keyset *k)
{
	uint64_t both = s->rig.dev[0].info.features & s->rig.dev[1].info.features;
	enum fl_algo a = pick(s, FL_KIND_NONE);

	memset(k, 0, sizeof(*k));
	k->empty = true;
	for (unsigned i = 0; i < sizeof(k->key); i++)
		k->key[i] = (uint8_t)rig_rnd(&s->rig, 256);
	for (unsigned i = 0; i < sizeof(k->auth_key); i++)
		k->auth_key[i] = (uint8_t)rig_rnd(&s->rig, 256);
	switch (fl_algo_info(a)->kind) {
	case FL_KIND_AEAD:
		k->conf.type = FL_CRYPTO_AEAD;
		cipher_part(s, k, a);
		break;
	case FL_KIND_CIPHER:
		cipher_part(s, k, a);
		if (rig_rnd(&s->rig, 3) || !(both & (FL_CRYPTO_CHAIN_EA | FL_CRYPTO_CHAIN_AE)))
			break;
		k->conf.type = both & FL_CRYPTO_CHAIN_EA && rig_rnd(&s->rig, 2)
				       ? FL_CRYPTO_CIPHER_AUTH
				       : FL_CRYPTO_AUTH_CIPHER;
		do
			a = pick(s, FL_KIND_MAC);
		while (fl_algo_info(a)->iv); /* the chain's IV is the cipher's */
		auth_part(s, k, a);
		k->hash_block = 0;
		break;
	default:
		k->conf.type = FL_CRYPTO_AUTH;
		auth_part(s, k, a);
		break;
	}
}

static void drop(struct keyset *k)
{
	for (unsigned d = 0; d < RIG_DEVS; d++) {
		fl_session_destroy(k->fwd[d]);
		fl_session_destroy(k->back[d]);
	}
	memset(k, 0, sizeof(*k));
}

static void make(struct state *s, struct keyset *k)
{
	drop(k);
	while (!k->there) {
		choose(s, k);
		k->there = true;
		for (unsigned d = 0; d < RIG_DEVS; d++) {
			k->conf.encrypt = true;
			k->there = k->there &&
				   !fl_session_create(s->rig.dev[d].dev, &k->conf, &k->fwd[d]);
			k->conf.encrypt = false;
			k->there = k->there &&
				   !fl_session_create(s->rig.dev[d].dev, &k->conf, &k->back[d]);
		}
		if (!k->there) {
			s->refused++;
			drop(k);
		}
	}
}

/* ---- requests ------------------------------------------------------------------------------ */

static uint32_t length(struct state *s, const struct keyset *k)
{
	const struct fl_algo_info *i = fl_algo_info(k->conf.cipher);
	uint32_t kind = rig_rnd(&s->rig, 100);
	uint32_t len = rig_rnd(&s->rig, kind < 75 ? 257 : kind < 98 ? 2049 : LEN_MAX);

	if (i && rig_rnd(&s->rig, UNEVEN))
		len -= len % i->block;
	return len || k->empty ? len : i ? i->block : 1;
}

static void rebase(struct fl_seg *to, const struct fl_seg *from, unsigned n, ptrdiff_t by)
{
	for (unsigned i = 0; i < n; i++) {
		to[i] = from[i];
		to[i].va += by;
	}
}

static void next_part(struct request *q)
{
	uint32_t left = q->len - q->done, len = left;
	enum fl_op_stage stage = FL_OP_LAST;

	if (left > q->k->hash_block) {
		stage = q->done ? FL_OP_MIDDLE : FL_OP_FIRST;
		len = left > 8 * q->k->hash_block ? 4 * q->k->hash_block : q->k->hash_block;
	}
	for (unsigned d = 0; d < RIG_DEVS; d++) {
		q->op[d]->stage = (uint8_t)stage;
		q->op[d]->auth_off += q->op[d]->auth_len;
		q->op[d]->auth_len = len;
	}
	q->done += len;
}

/* the op of device 0 and its memory; the other's are copies */
static void fill(struct state *s, struct request *q)
{
	struct rig *r = &s->rig;
	struct fl_op *op = q->op[0], *twin = q->op[1];
	ptrdiff_t by = q->mem[1] - q->mem[0];
	uint32_t lead = rig_rnd(r, 40);
	uint8_t *at = q->mem[0] + rig_rnd(r, 64);

	q->len = length(s, q->k);
	q->aad = q->k->conf.type >= FL_CRYPTO_AEAD ? rig_rnd(r, rig_rnd(r, 8) ? 40 : 600) : 0;
	for (uint32_t i = 0; i < q->len + 2048; i += 4) {
		uint32_t v = rig_rnd(r, UINT32_MAX);

		memcpy(q->mem[0] + i, &v, 4);
	}
	if (q->aad && rig_rnd(r, 2))
		lead += q->aad; /* it stands directly before the payload, perhaps */
	at = rig_cut(r, at, lead + q->len + 1, q->src[0], &op->nsrc);
	op->dst = NULL;
	op->ndst = 0;
	if (q->k->conf.type != FL_CRYPTO_AUTH && rig_rnd(r, 2)) {
		at = rig_cut(r, at, lead + q->len + 1, q->dst[0], &op->ndst);
		op->dst = q->dst[0];
	}
	op->aad = (struct fl_seg){ at, r->area, q->aad };
	if (lead >= q->aad && q->src[0][0].len >= lead)
		op->aad.va = q->src[0][0].va + lead - q->aad;
	op->src = q->src[0];
	op->stage = FL_OP_WHOLE;
	op->cipher_off = op->auth_off = lead;
	op->cipher_len = op->auth_len = q->len;
	for (unsigned i = 0; i < FL_IV_MAX; i++)
		op->iv[i] = (uint8_t)rig_rnd(r, 256);
	memset(op->digest, 0, sizeof(op->digest));

	memcpy(q->mem[1], q->mem[0], SLOT);
	rebase(q->src[1], q->src[0], op->nsrc, by);
	rebase(q->dst[1], q->dst[0], op->ndst, by);
	rebase(&twin->aad, &op->aad, 1, by);
	twin->src = q->src[1];
	twin->dst = op->dst ? q->dst[1] : NULL;
	twin->nsrc = op->nsrc;
	twin->ndst = op->ndst;
	twin->stage = op->stage;
	twin->cipher_off = twin->auth_off = lead;
	twin->cipher_len = twin->auth_len = q->len;
	memcpy(twin->iv, op->iv, sizeof(op->iv));
	memset(twin->digest, 0, sizeof(twin->digest));
	q->done = 0;
	q->stream = q->k->hash_block && q->len > q->k->hash_block && rig_rnd(r, 2);
	for (unsigned d = 0; d < RIG_DEVS; d++)
		q->op[d]->session = q->k->fwd[d];
	if (q->stream) {
		op->auth_len = twin->auth_len = 0;
		next_part(q);
	}
}

/* what came out goes in: in place, or back to where it came from */
static void turn(struct state *s, struct request *q)
{
	bool in_place = rig_rnd(&s->rig, 2), corrupt = !rig_rnd(&s->rig, CORRUPT);
	uint32_t bit = rig_rnd(&s->rig, 8), byte = rig_rnd(&s->rig, q->k->conf.digest_len);

	for (unsigned d = 0; d < RIG_DEVS; d++) {
		struct fl_op *op = q->op[d];
		const struct fl_seg *from = op->src;
		uint16_t nfrom = op->nsrc;

		op->session = q->k->back[d];
		op->stage = FL_OP_WHOLE;
		if (q->stream) {
			op->auth_off -= q->done - op->auth_len;
			op->auth_len = q->len;
		}
		if (op->dst) {
			op->src = op->dst;
			op->nsrc = op->ndst;
			op->dst = in_place ? NULL : from;
			op->ndst = in_place ? 0 : nfrom;
		}
		if (corrupt && q->k->conf.digest_len)
			op->digest[byte] ^= (uint8_t)(1u << bit);
	}
	q->stream = false;
}

/* ---- exchange and comparison --------------------------------------------------------------------
 */

static void exchange(struct state *s, unsigned d, struct fl_op **ops, unsigned n)
{
	uint64_t end = fl_now_ns() + RIG_WAIT_NS;
	struct rig_dev *dev = &s->rig.dev[d];
	struct fl_op *back[PAIRS];
	unsigned given = 0, got = 0, n_back;

	while (got < n) {
		given += fl_op_enqueue(dev->qp, ops + given, (uint16_t)(n - given));
		n_back = fl_op_dequeue(dev->qp, back, PAIRS);
		got += n_back;
		if (!n_back)
			sched_yield();
		if (fl_now_ns() >= end) {
			fprintf(stderr, "%s stopped answering\n", dev->uri);
			exit(1);
		}
	}
	s->ops += d ? 0 : n;
}

static void give(struct state *s, struct request **q, unsigned n)
{
	struct fl_op *ops[PAIRS];

	for (unsigned d = 0; d < RIG_DEVS; d++) {
		for (unsigned i = 0; i < n; i++)
			ops[i] = q[i]->op[d];
		exchange(s, d, ops, n);
	}
}

static void blank(uint8_t *mem, const struct request *q, const struct fl_seg *seg, uint16_t n,
		  uint32_t off, uint32_t len)
{
	for (; len && n; seg++, n--) {
		uint32_t k;

		if (off >= seg->len) {
			off -= seg->len;
			continue;
		}
		k = seg->len - off < len ? seg->len - off : len;
		memset(mem + (seg->va - q->mem[0]) + off, 0, k);
		len -= k;
		off = 0;
	}
}

/* what a device may leave there: text that failed, AAD before the payload */
static void blank_free(const struct request *q, uint8_t *mem)
{
	const struct fl_op *op = q->op[0];
	const struct fl_seg *out = op->dst ? op->dst : op->src;
	uint16_t n = op->dst ? op->ndst : op->nsrc;
	uint32_t off = op->cipher_off < q->aad ? 0 : op->cipher_off - q->aad;

	if (op->status != FL_OP_OK && q->k->conf.type != FL_CRYPTO_AUTH)
		blank(mem, q, out, n, op->cipher_off, q->len);
	if (op->dst && q->aad)
		blank(mem, q, out, n, off, op->cipher_off - off);
}

static const char *compare(const struct request *q)
{
	static uint8_t a[SLOT], b[SLOT];
	const struct fl_op *x = q->op[0], *y = q->op[1];

	if (x->status != y->status)
		return "status";
	if (x->status == FL_OP_OK && memcmp(x->digest, y->digest, q->k->conf.digest_len))
		return "digest";
	memcpy(a, q->mem[0], SLOT);
	memcpy(b, q->mem[1], SLOT);
	blank_free(q, a);
	blank_free(q, b);
	return memcmp(a, b, SLOT) ? "memory" : NULL;
}

static void judge(struct state *s, const struct request *q, const char *way)
{
	const struct fl_session_conf *c = &q->k->conf;
	const char *what = compare(q);

	s->by_status[q->op[0]->status]++;
	if (!what || s->differences++ >= MESSAGES)
		return;
	fprintf(stderr,
		"difference of %s: type %d %s %s %s, key %u/%u, iv %u, digest %u, %u bytes at %u, AAD %u%s, "
		"segments %u/%u: %s, %s\n",
		what, (int)c->type, way, c->cipher ? fl_algo_info(c->cipher)->name : "-",
		c->auth ? fl_algo_info(c->auth)->name : "-", c->key_len, c->auth_key_len, c->iv_len,
		c->digest_len, q->len, q->op[0]->cipher_off, q->aad, q->stream ? ", stream" : "",
		q->op[0]->nsrc, q->op[0]->ndst, fl_op_status_name(q->op[0]->status),
		fl_op_status_name(q->op[1]->status));
}

/* the rest of the streams, all at their next part each time */
static void finish_streams(struct state *s)
{
	for (;;) {
		struct request *more[PAIRS];
		unsigned n = 0;

		for (unsigned i = 0; i < PAIRS; i++) {
			struct request *q = &s->req[i];

			if (q->stream && q->done < q->len && q->op[0]->status == FL_OP_OK &&
			    q->op[1]->status == FL_OP_OK) {
				next_part(q);
				more[n++] = q;
			}
		}
		if (!n)
			return;
		give(s, more, n);
	}
}

static void batch(struct state *s)
{
	struct request *all[PAIRS], *again[PAIRS];
	unsigned n = 0;

	make(s, &s->keys[rig_rnd(&s->rig, KEYSETS)]);
	for (unsigned i = 0; i < PAIRS; i++) {
		all[i] = &s->req[i];
		all[i]->k = &s->keys[rig_rnd(&s->rig, KEYSETS)];
		fill(s, all[i]);
	}
	give(s, all, PAIRS);
	finish_streams(s);
	for (unsigned i = 0; i < PAIRS; i++) {
		judge(s, all[i], "forward");
		if (all[i]->op[0]->status == FL_OP_OK && all[i]->op[1]->status == FL_OP_OK) {
			turn(s, all[i]);
			again[n++] = all[i];
		}
	}
	give(s, again, n);
	for (unsigned i = 0; i < n; i++)
		judge(s, again[i], "back");
}

/* ---- all of it
 * ----------------------------------------------------------------------------------- */

static int setup(struct state *s, char **uris, uint64_t seed)
{
	int rc = rig_open(&s->rig, uris, RIG_DEVS, RIG_DEVS * PAIRS,
			  (uint64_t)RIG_DEVS * PAIRS * SLOT);

	if (rc)
		return rc;
	s->rig.seed = seed;
	for (unsigned a = 1; a < FL_ALGO_MAX; a++)
		if (fl_cryptodev_cap(s->rig.dev[0].dev, a) &&
		    fl_cryptodev_cap(s->rig.dev[1].dev, a))
			s->algos[s->nalgos++] = a;
	for (unsigned i = 0; i < PAIRS * RIG_DEVS; i++) {
		struct request *q = &s->req[i / RIG_DEVS];

		q->mem[i % RIG_DEVS] = s->rig.area->va + (size_t)i * SLOT;
		q->op[i % RIG_DEVS] = s->rig.ops[i];
	}
	for (unsigned i = 0; i < KEYSETS; i++)
		make(s, &s->keys[i]);
	return s->nalgos ? 0 : -ENOTSUP;
}

static void report(const struct state *s)
{
	printf("%lu ops of %u algorithms, %lu differences;", (unsigned long)s->ops, s->nalgos,
	       (unsigned long)s->differences);
	for (unsigned i = 0; i <= FL_OP_PENDING; i++)
		if (s->by_status[i])
			printf(" %s %lu", fl_op_status_name(i), (unsigned long)s->by_status[i]);
	printf("; %lu sets of keys that one of them refuses\n", (unsigned long)s->refused);
}

int main(int argc, char **argv)
{
	static struct state s;
	uint64_t ops = argc > 3 ? strtoull(argv[3], NULL, 0) : 20000;
	uint64_t seed = argc > 4 ? strtoull(argv[4], NULL, 0) : 1, shown = 0;

	if (argc < 3 || setup(&s, argv + 1, seed)) {
		fprintf(stderr, "usage: differential URI URI [OPS [SEED]]\n");
		return 1;
	}
	while (s.ops < ops) {
		batch(&s);
		if (isatty(STDERR_FILENO) && s.ops - shown >= 4096) {
			shown = s.ops;
			fprintf(stderr, "\r%3lu %%", (unsigned long)(100 * s.ops / ops));
		}
	}
	report(&s);
	for (unsigned i = 0; i < KEYSETS; i++)
		drop(&s.keys[i]);
	rig_close(&s.rig);
	/* some of each kind, or it compared nothing */
	return s.differences || !s.by_status[FL_OP_OK] || !s.by_status[FL_OP_AUTH_FAILED] ||
	       !s.by_status[FL_OP_INVALID];
}
