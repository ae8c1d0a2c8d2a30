/* SPDX-License-Identifier: BSD-3-Clause */
/* What cannot be done costs itself, not its neighbours. */
#include "crypto_conformance.h"

#include <stdlib.h>
#include <string.h>

#define NEIGHBOURS 5u
#define BAD	   2u /* the one in the middle */

static struct job jobs[NEIGHBOURS];
static struct fl_seg many[65536];

/* ---- one bad op among good ones ----------------------------------------------------------- */

typedef bool (*spoil_fn)(struct rig *r, struct job *j); /* false: does not apply */

static void among_good(struct rig *r, const struct rig_want *w, spoil_fn spoil, const char *what,
		       unsigned allowed)
{
	struct fl_qp *qp = fl_cryptodev_qp(r->d, 0);
	struct fl_op *ops[NEIGHBOURS], *got[NEIGHBOURS];
	bool applies;

	for (unsigned i = 0; i < NEIGHBOURS; i++) {
		job_make(r, &jobs[i], i, w);
		ops[i] = jobs[i].op;
	}
	applies = spoil(r, &jobs[BAD]);
	if (applies) {
		jobs[BAD].copy = *jobs[BAD].op;
		rig_send(qp, ops, NEIGHBOURS);
		rig_recv(qp, got, NEIGHBOURS);
	}
	for (unsigned i = 0; i < NEIGHBOURS && applies; i++) {
		assert_ptr_equal(got[i], ops[i]);
		if (i != BAD)
			job_check(&jobs[i], FL_OP_OK);
		else if (!(allowed >> ops[i]->status & 1))
			fail_msg("%s: came back as %s", what, fl_op_status_name(ops[i]->status));
	}
	fl_op_free(ops, NEIGHBOURS);
}

#define INVALID (1u << FL_OP_INVALID)
#define FAULT	(1u << FL_OP_FAULT)
#define OK	(1u << FL_OP_OK) /* nothing beyond its area was touched */

static uint32_t *off_of(const struct job *j)
{
	return j->want.keys->conf.type == FL_CRYPTO_AUTH ? &j->op->auth_off : &j->op->cipher_off;
}

static uint32_t *len_of(const struct job *j)
{
	return j->want.keys->conf.type == FL_CRYPTO_AUTH ? &j->op->auth_len : &j->op->cipher_len;
}

static uint32_t held(const struct fl_seg *s, unsigned n)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += s[i].len;
	return sum;
}

static bool beyond_segments(struct rig *r, struct job *j)
{
	*off_of(j) = held(j->src, j->op->nsrc) - *len_of(j) + 1;
	return true;
}

static bool far_beyond(struct rig *r, struct job *j)
{
	*off_of(j) = UINT32_MAX;
	return true;
}

static bool wraps(struct rig *r, struct job *j)
{
	/* a multiple of any block, so that this is what is wrong */
	*off_of(j) = 256;
	*len_of(j) = UINT32_MAX - 255;
	return true;
}

static bool no_source(struct rig *r, struct job *j)
{
	j->op->nsrc = 0;
	return true;
}

static bool part_of_block(struct rig *r, struct job *j)
{
	const struct fl_algo_info *i = fl_algo_info(j->want.keys->conf.cipher);

	if (!i || i->block == 1)
		return false;
	*len_of(j) -= 1;
	return true;
}

static bool too_short(struct rig *r, struct job *j)
{
	const struct fl_algo_info *i = fl_algo_info(j->want.keys->conf.cipher);

	if (!i || i->least <= 1)
		return false;
	*len_of(j) = i->least - 1u;
	return true;
}

static bool no_destination(struct rig *r, struct job *j)
{
	j->op->ndst = 0;
	return j->op->dst != NULL;
}

static bool short_destination(struct rig *r, struct job *j)
{
	if (!j->op->dst)
		return false;
	j->dst[j->op->ndst - 1].len = 0;
	return held(j->dst, j->op->ndst) < *off_of(j) + *len_of(j);
}

static bool too_many_segments(struct rig *r, struct job *j)
{
	if (r->info.segs_max == UINT16_MAX)
		return false;
	for (unsigned i = 0; i <= r->info.segs_max; i++)
		many[i] = (struct fl_seg){ j->src[0].va, r->area, 1 };
	many[r->info.segs_max].len = RIG_SLOT;
	j->op->src = many;
	j->op->nsrc = (uint16_t)(r->info.segs_max + 1);
	return true;
}

/* The segment with the payload's first byte, and how many bytes before and in it count. */
static struct fl_seg *used(struct fl_seg *s, const struct job *j, uint32_t *end)
{
	uint32_t off = j->want.before;

	for (; off >= s->len; s++)
		off -= s->len;
	*end = s->len < off + j->want.len ? s->len : off + j->want.len;
	return s;
}

static bool before_area(struct rig *r, struct job *j)
{
	uint32_t end;
	struct fl_seg *s = used(j->src, j, &end);

	s->va = r->area->va - end;
	return true;
}

/* by one byte */
static bool after_area(struct rig *r, struct job *j)
{
	uint32_t end;
	struct fl_seg *s = used(j->src, j, &end);

	s->va = r->area->va + r->area->len - end + 1;
	return true;
}

static bool elsewhere(struct rig *r, struct job *j)
{
	static uint8_t own[RIG_SLOT]; /* memory of the process, in no area */
	uint32_t end;

	used(j->src, j, &end)->va = own;
	return true;
}

static bool longer_than_area(struct rig *r, struct job *j)
{
	uint32_t end;

	used(j->src, j, &end)->len = UINT32_MAX;
	return true;
}

static bool no_area(struct rig *r, struct job *j)
{
	uint32_t end;

	used(j->src, j, &end)->area = NULL;
	return true;
}

static bool destination_elsewhere(struct rig *r, struct job *j)
{
	struct fl_seg *s;
	uint32_t end;

	if (!j->op->dst)
		return false;
	s = used(j->dst, j, &end);
	s->va = r->area->va + r->area->len - end + 1;
	return true;
}

static bool aad_elsewhere(struct rig *r, struct job *j)
{
	if (!j->want.aad_len)
		return false;
	j->op->aad.va = r->area->va + r->area->len - 8;
	return true;
}

static bool aad_no_area(struct rig *r, struct job *j)
{
	j->op->aad.area = NULL;
	return j->want.aad_len != 0;
}

static void all_spoils(struct rig *r, struct rig_keys *k, enum rig_layout layout)
{
	static const struct {
		spoil_fn fn;
		const char *what;
		unsigned allowed;
	} s[] = {
		{ beyond_segments, "a range one byte beyond the segments", INVALID },
		{ far_beyond, "a range far beyond the segments", INVALID },
		{ wraps, "a range that wraps", INVALID },
		{ no_source, "no segments", INVALID },
		{ part_of_block, "a part of a block", INVALID },
		{ too_short, "less than there must be", INVALID },
		{ no_destination, "a destination of no segments", INVALID },
		{ short_destination, "a destination too short", INVALID },
		{ too_many_segments, "a segment more than segs_max", INVALID },
		{ before_area, "a segment before its area", FAULT },
		{ after_area, "a segment past its area", FAULT },
		{ elsewhere, "a segment in no area", FAULT },
		{ longer_than_area, "a segment longer than its area", FAULT | INVALID | OK },
		{ no_area, "a segment that names no area", FAULT },
		{ destination_elsewhere, "a destination past its area", FAULT },
		{ aad_elsewhere, "AAD past its area", FAULT },
		{ aad_no_area, "AAD that names no area", FAULT },
	};
	const struct rig_want w = { .keys = k,
				    .len = 96,
				    .before = 20,
				    .aad_len = k->conf.type == FL_CRYPTO_AEAD ? 16 : 0,
				    .aad_apart = true,
				    .layout = layout };

	for (unsigned i = 0; i < FL_ARRAY_SIZE(s); i++)
		among_good(r, &w, s[i].fn, s[i].what, s[i].allowed);
}

static void test_bad_ops(void **state)
{
	struct rig *r = *state;
	struct rig_keys k;

	for (enum fl_algo_kind kind = FL_KIND_CIPHER; kind <= FL_KIND_AEAD; kind++) {
		if (!rig_some_keys(r, kind, &k))
			continue;
		for (enum rig_layout l = 0; l < RIG_LAYOUTS; l++) {
			bool digest = k.conf.type == FL_CRYPTO_AUTH;

			if (rig_layout_ok(r, l) &&
			    (!digest || l == RIG_IN_PLACE || l == RIG_SGL_IN_PLACE))
				all_spoils(r, &k, l);
		}
		rig_keys_free(&k);
	}
}

/* a layout that the device does not say it has */
static void test_no_such_layout(void **state)
{
	struct rig *r = *state;
	struct rig_keys k;
	struct rig_want w = { .keys = &k, .len = 64 };
	bool any = false;

	if (!rig_some_keys(r, FL_KIND_CIPHER, &k))
		skip();
	for (enum rig_layout l = 0; l < RIG_LAYOUTS; l++) {
		struct fl_qp *qp = fl_cryptodev_qp(r->d, 0);
		struct fl_op *got;

		if (rig_layout_ok(r, l) || r->info.segs_max < 2)
			continue;
		any = true;
		w.layout = l;
		job_make(r, &jobs[0], 0, &w);
		rig_send(qp, &jobs[0].op, 1);
		rig_recv(qp, &got, 1);
		/* those that end in one segment all the same may be done */
		if (got->status != FL_OP_OK)
			job_check(&jobs[0], FL_OP_INVALID);
		fl_op_free(&got, 1);
	}
	rig_keys_free(&k);
	if (!any)
		skip();
}

/* ---- wrong digests ------------------------------------------------------------------------ */

static bool spoil_tag(struct rig *r, struct job *j)
{
	unsigned len = j->want.keys->conf.digest_len, bit = rig_rand(r, len * 8);

	j->op->digest[bit / 8] ^= (uint8_t)(1u << bit % 8);
	return true;
}

static bool spoil_last_tag_byte(struct rig *r, struct job *j)
{
	j->op->digest[j->want.keys->conf.digest_len - 1u] ^= 1;
	return true;
}

static bool spoil_data(struct rig *r, struct job *j)
{
	uint8_t *b = j->src[0].va + j->want.before + rig_rand(r, j->want.len);

	*b ^= 0x40;
	j->shadow[b - j->slot] ^= 0x40;
	return true;
}

static bool spoil_aad(struct rig *r, struct job *j)
{
	if (!j->want.aad_len)
		return false;
	j->op->aad.va[rig_rand(r, j->want.aad_len)] ^= 2;
	return true;
}

static void wrong(struct rig *r, struct rig_keys *k)
{
	static const struct {
		spoil_fn fn;
		const char *what;
	} s[] = { { spoil_tag, "a wrong digest" },
		  { spoil_last_tag_byte, "a digest whose last byte is wrong" },
		  { spoil_data, "data that was changed" },
		  { spoil_aad, "AAD that was changed" } };
	bool auth = k->conf.type == FL_CRYPTO_AUTH;

	for (unsigned i = 0; i < 4 * FL_ARRAY_SIZE(s); i++) {
		const struct rig_want w = { .keys = k,
					    .decrypt = true,
					    .len = 64,
					    .before = 5,
					    .aad_len = k->conf.type == FL_CRYPTO_AEAD ? 12 : 0,
					    .aad_apart = true,
					    .layout = auth || i & 1 ? RIG_IN_PLACE : RIG_FLAT };

		among_good(r, &w, s[i / 4].fn, s[i / 4].what, 1u << FL_OP_AUTH_FAILED);
		if (s[i / 4].fn != spoil_aad)
			job_check_around(&jobs[BAD]);
	}
}

static void test_wrong_digests(void **state)
{
	struct rig *r = *state;
	unsigned n = 0;

	for (const struct fl_crypto_cap *c = r->info.caps; c->algo; c++) {
		bool aead = fl_algo_info(c->algo)->kind == FL_KIND_AEAD;
		struct fl_session_conf conf = { .type = aead ? FL_CRYPTO_AEAD : FL_CRYPTO_AUTH };
		struct rig_keys k;

		if (fl_algo_info(c->algo)->kind == FL_KIND_CIPHER)
			continue;
		if (aead) {
			conf.cipher = c->algo;
			conf.key_len = c->key.min;
		} else {
			conf.auth = c->algo;
			conf.auth_key_len = c->key.max < 32 ? c->key.max : 32;
		}
		/* both the whole digest and the shortest that leaves no room for chance */
		for (unsigned i = 0; i < 2; i++) {
			conf.digest_len = i && fl_sizes_have(&c->digest, 8) ? 8 : 0;
			assert_int_equal(rig_keys(r, &conf, &k), 0);
			wrong(r, &k);
			rig_keys_free(&k);
		}
		n++;
	}
	if (!n)
		skip();
}

static void test_wrong_in_chains(void **state)
{
	struct rig *r = *state;
	const enum fl_crypto_type types[] = { FL_CRYPTO_CIPHER_AUTH, FL_CRYPTO_AUTH_CIPHER };
	const uint64_t features[] = { FL_CRYPTO_CHAIN_EA, FL_CRYPTO_CHAIN_AE };
	const struct fl_session_conf conf = {
		.cipher = FL_AES_CBC, .auth = FL_HMAC_SHA256, .key_len = 16, .auth_key_len = 32
	};
	unsigned n = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct fl_session_conf c = conf;
		struct rig_keys k;

		c.type = types[i];
		if (!(r->info.features & features[i]) || rig_keys(r, &c, &k))
			continue;
		wrong(r, &k);
		rig_keys_free(&k);
		n++;
	}
	if (!n)
		skip();
}

/* ---- streams ------------------------------------------------------------------------------ */

/* parts that no stream has */
static void test_bad_streams(void **state)
{
	struct rig *r = *state;
	struct fl_seg seg = { r->area->va, r->area, 4096 };
	unsigned n = 0;

	for (const struct fl_crypto_cap *c = r->info.caps; c->algo; c++) {
		enum fl_algo_kind kind = fl_algo_info(c->algo)->kind;
		struct fl_session_conf conf = { .type = FL_CRYPTO_AUTH, .auth = c->algo };
		uint16_t block = fl_algo_info(c->algo)->hash_block;
		struct fl_op *ops[6], *got[6];
		struct rig_keys k;

		if (kind != FL_KIND_DIGEST && kind != FL_KIND_MAC)
			continue;
		conf.auth_key_len = c->key.max < 16 ? c->key.max : 16;
		assert_int_equal(rig_keys(r, &conf, &k), 0);
		assert_int_equal(fl_op_alloc(r->pool, ops, 6), 6);
		for (unsigned i = 0; i < 6; i++) {
			ops[i]->session = i == 2 ? k.dec : k.enc;
			ops[i]->src = &seg;
			ops[i]->nsrc = 1;
			ops[i]->dst = NULL;
			ops[i]->auth_off = 0;
			ops[i]->auth_len = block ? block : 64;
			ops[i]->aad = (struct fl_seg){ 0 };
			ops[i]->stage = FL_OP_FIRST;
			ops[i]->total = 0;
		}
		ops[1]->auth_len++;   /* not whole blocks */
		ops[3]->auth_len = 0; /* nothing */
		/* with no first part before them */
		ops[4]->stage = FL_OP_MIDDLE;
		ops[5]->stage = FL_OP_LAST;
		rig_send(fl_cryptodev_qp(r->d, 0), ops, 6);
		rig_recv(fl_cryptodev_qp(r->d, 0), got, 6);
		for (unsigned i = 0; i < 6; i++)
			if (got[i]->status != (i || !c->stream ? FL_OP_INVALID : FL_OP_OK))
				fail_msg("%s: bad part %u came back as %s",
					 fl_algo_info(c->algo)->name, i,
					 fl_op_status_name(got[i]->status));
		fl_op_free(ops, 6);
		rig_keys_free(&k);
		n++;
	}
	if (!n)
		skip();
}

const struct CMUnitTest crypto_refusal_tests[] = {
	CRYPTO_TEST(test_bad_ops),	 CRYPTO_TEST(test_no_such_layout),
	CRYPTO_TEST(test_wrong_digests), CRYPTO_TEST(test_wrong_in_chains),
	CRYPTO_TEST(test_bad_streams),
};
const size_t crypto_refusal_count = FL_ARRAY_SIZE(crypto_refusal_tests);
