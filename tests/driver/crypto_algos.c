/* SPDX-License-Identifier: BSD-3-Clause */
/* Every algorithm that a device says it has, in every size and layout, against the reference. */
#include <string.h>

#include "crypto_conformance.h"

/* ---- sizes -------------------------------------------------------------------------------- */

/* The sizes that are worth a session: the ends, what the standards name, some between. */
static unsigned pick(const struct fl_sizes *s, unsigned limit, uint16_t out[16])
{
	unsigned max = s->max < limit ? s->max : limit, inc = s->inc ? s->inc : max - s->min;
	unsigned n = 0;

	for (unsigned v = s->min; v <= max && n < 16; v += inc ? inc : 1) {
		bool all = (max - s->min) / (inc ? inc : 1) < 16;
		bool named = v == 16 || v == 20 || v == 32 || v == 64 || v == 128 ||
			     (v > 64 && v - inc <= 64) || (v > 128 && v - inc <= 128);

		if (all || named || v == s->min || v + inc > max)
			out[n++] = (uint16_t)v;
	}
	return n;
}

static bool len_ok(const struct fl_crypto_cap *c, uint32_t len)
{
	const struct fl_algo_info *i = fl_algo_info(c->algo);

	if (!len)
		return c->empty;
	return len % i->block == 0 && len >= i->least && len <= c->len_max;
}

/* ---- a matrix of requests ----------------------------------------------------------------- */

struct batch {
	struct rig *r;
	struct rig_want wants[RIG_JOBS];
	unsigned n, total;
};

static void flush(struct batch *b)
{
	jobs_run(b->r, b->wants, b->n);
	b->total += b->n;
	b->n = 0;
}

static void add(struct batch *b, const struct rig_want *w)
{
	b->wants[b->n++] = *w;
	if (b->n == RIG_JOBS)
		flush(b);
}

/* all layouts, both ways */
static void add_ways(struct batch *b, struct rig_keys *k, uint32_t len, uint32_t aad_len)
{
	unsigned layouts[] = { RIG_IN_PLACE, RIG_FLAT,	  RIG_SGL_IN_PLACE,
			       RIG_SGL_IN,   RIG_SGL_OUT, RIG_SGL_BOTH };

	for (unsigned i = 0; i < 2 * RIG_LAYOUTS; i++) {
		struct rig_want w = { .keys = k,
				      .decrypt = i & 1,
				      .len = len,
				      .aad_len = aad_len,
				      .aad_apart = rig_rand(b->r, 2),
				      .layout = layouts[i / 2] };

		w.before = rig_rand(b->r, 3) ? rig_rand(b->r, 40) : 0;
		if (!w.aad_apart)
			w.before += aad_len;
		if (!rig_layout_ok(b->r, w.layout))
			continue;
		/* a digest has no destination */
		if (k->conf.type == FL_CRYPTO_AUTH && w.layout != RIG_IN_PLACE &&
		    w.layout != RIG_SGL_IN_PLACE)
			continue;
		add(b, &w);
	}
}

static const uint32_t lens[] = { 0,   1,   8,	15,   16,   17,	  24,	31,   32,   33,	  47,  48,
				 49,  63,  64,	65,   80,   100,  127,	128,  129,  200,  255, 256,
				 257, 512, 777, 1000, 1024, 1500, 4095, 4096, 4097, 8192, 9001 };
static const uint32_t aads[] = { 0, 1, 8, 12, 13, 14, 15, 16, 17, 20, 32, 64, 65, 300, 1000 };

/* every step-th length and AAD, from one that chance picks */
static void lengths(struct batch *b, struct rig_keys *k, const struct fl_crypto_cap *cap,
		    uint32_t aad_max, unsigned step)
{
	for (unsigned i = rig_rand(b->r, step); i < FL_ARRAY_SIZE(lens); i += step) {
		uint32_t aad = aads[(i + 1) % FL_ARRAY_SIZE(aads)];

		if (!len_ok(cap, lens[i]))
			continue;
		aad = aad < aad_max ? aad : aad_max;
		add_ways(b, k, lens[i], aad);
		if (aad && !lens[i])
			add_ways(b, k, 0, 0);
	}
	for (unsigned i = 0; i < FL_ARRAY_SIZE(aads) && aads[i] <= aad_max; i += step)
		add_ways(b, k, 96, aads[i]);
}

/* ---- what the tests run ------------------------------------------------------------------- */

static void conf_of(const struct fl_crypto_cap *cap, uint16_t key_len, struct fl_session_conf *c)
{
	enum fl_algo_kind kind = fl_algo_info(cap->algo)->kind;

	memset(c, 0, sizeof(*c));
	if (kind == FL_KIND_CIPHER || kind == FL_KIND_AEAD) {
		c->type = kind == FL_KIND_AEAD ? FL_CRYPTO_AEAD : FL_CRYPTO_CIPHER;
		c->cipher = cap->algo;
		c->key_len = key_len;
	} else {
		c->type = FL_CRYPTO_AUTH;
		c->auth = cap->algo;
		c->auth_key_len = key_len;
	}
}

/* a key in every length, the others in some; then every IV and digest size */
static void algorithm(struct rig *r, const struct fl_crypto_cap *cap)
{
	bool aead = fl_algo_info(cap->algo)->kind == FL_KIND_AEAD;
	struct batch b = { .r = r };
	struct fl_session_conf c;
	struct rig_keys k;
	uint16_t keys[16], ivs[16], tags[16];
	unsigned nkeys = pick(&cap->key, RIG_KEYS, keys);
	unsigned nivs = pick(&cap->iv, FL_IV_MAX, ivs);
	unsigned ntags = pick(&cap->digest, FL_DIGEST_MAX, tags);

	assert_true(nkeys && nivs && ntags);
	for (unsigned i = 0; i < nkeys; i++) {
		conf_of(cap, keys[i], &c);
		assert_int_equal(rig_keys(r, &c, &k), 0);
		lengths(&b, &k, cap, aead ? cap->aad_max : 0, i ? 5 : 1);
		flush(&b);
		rig_keys_free(&k);
	}
	for (unsigned i = 0; i < nivs; i++) {
		for (unsigned t = 0; t < ntags; t++) {
			conf_of(cap, keys[(i + t) % nkeys], &c);
			c.iv_len = ivs[i];
			c.digest_len = tags[t];
			assert_int_equal(rig_keys(r, &c, &k), 0);
			add_ways(&b, &k, 96, aead ? 20 : 0);
			flush(&b);
			rig_keys_free(&k);
		}
	}
	print_message("  %s: %u requests\n", fl_algo_info(cap->algo)->name, b.total);
}

static void of_kind(void **state, enum fl_algo_kind kind)
{
	struct rig *r = *state;
	bool any = false;

	for (const struct fl_crypto_cap *cap = r->info.caps; cap->algo; cap++) {
		if (fl_algo_info(cap->algo)->kind != kind)
			continue;
		any = true;
		algorithm(r, cap);
	}
	if (!any)
		skip();
}

static void test_ciphers(void **state)
{
	of_kind(state, FL_KIND_CIPHER);
}

static void test_digests(void **state)
{
	of_kind(state, FL_KIND_DIGEST);
}

static void test_macs(void **state)
{
	of_kind(state, FL_KIND_MAC);
}

static void test_aeads(void **state)
{
	of_kind(state, FL_KIND_AEAD);
}

/* ---- chains ------------------------------------------------------------------------------- */

static bool chain(struct batch *b, const struct fl_crypto_cap *cipher,
		  const struct fl_crypto_cap *mac, enum fl_crypto_type type)
{
	const struct fl_session_conf c = { .type = type,
					   .cipher = cipher->algo,
					   .auth = mac->algo,
					   .key_len = cipher->key.min,
					   .auth_key_len = 32 };
	static const uint32_t some[] = { 16, 32, 64, 100, 1024, 1500, 4096 },
			      ad[] = { 0, 8, 13, 16, 64, 0, 12 };
	struct rig_keys k;
	int rc = rig_keys(b->r, &c, &k);

	if (rc) {
		assert_int_equal(rc, -EOPNOTSUPP);
		return false;
	}
	for (unsigned i = rig_rand(b->r, 4); i < FL_ARRAY_SIZE(some); i += 4) {
		if (len_ok(cipher, some[i]))
			add_ways(b, &k, some[i], ad[i] < mac->aad_max ? ad[i] : mac->aad_max);
	}
	if (cipher->empty && mac->empty)
		add_ways(b, &k, 0, rig_rand(b->r, 2) && mac->aad_max ? 16 : 0);
	flush(b);
	rig_keys_free(&k);
	return true;
}

static void chains(struct rig *r, enum fl_crypto_type type)
{
	struct batch b = { .r = r };
	unsigned n = 0;

	for (const struct fl_crypto_cap *c = r->info.caps; c->algo; c++) {
		if (fl_algo_info(c->algo)->kind != FL_KIND_CIPHER || !c->key.min)
			continue;
		for (const struct fl_crypto_cap *m = r->info.caps; m->algo; m++)
			if (m->algo >= FL_HMAC_MD5 && m->algo <= FL_HMAC_SM3 &&
			    fl_sizes_have(&m->key, 32))
				n += chain(&b, c, m, type);
	}
	assert_true(n > 0);
	print_message("  %u pairs, %u requests\n", n, b.total);
}

static void test_chains_encrypt_then_mac(void **state)
{
	struct rig *r = *state;

	if (!(r->info.features & FL_CRYPTO_CHAIN_EA))
		skip();
	chains(r, FL_CRYPTO_CIPHER_AUTH);
}

static void test_chains_mac_then_encrypt(void **state)
{
	struct rig *r = *state;

	if (!(r->info.features & FL_CRYPTO_CHAIN_AE))
		skip();
	chains(r, FL_CRYPTO_AUTH_CIPHER);
}

/* ---- streams ------------------------------------------------------------------------------ */

#define STREAMS 6u

struct stream {
	struct fl_op *op;
	struct fl_seg seg;
	uint32_t len, at;
	uint8_t want[FL_DIGEST_MAX];
};

/* Sends the next part; false = that was all. */
static bool next_part(struct rig *r, struct stream *s, uint16_t block, struct fl_qp *qp)
{
	uint32_t blocks = (s->len - s->at) / block, n;
	bool first = s->at == 0 && s->op->stage == FL_OP_WHOLE;

	if (s->op->stage == FL_OP_LAST)
		return false;
	n = blocks ? (1 + rig_rand(r, blocks)) * block : 0;
	if (!n || (!first && rig_rand(r, 4) == 0)) {
		n = s->len - s->at;
		s->op->stage = FL_OP_LAST;
	} else {
		s->op->stage = first ? FL_OP_FIRST : FL_OP_MIDDLE;
	}
	s->op->auth_off = s->at;
	s->op->auth_len = n;
	s->at += n;
	rig_send(qp, &s->op, 1);
	return true;
}

/* Streams at once, their parts mixed, over all queue pairs. */
static void streams(struct rig *r, const struct fl_crypto_cap *cap)
{
	const uint16_t block = fl_algo_info(cap->algo)->hash_block;
	struct stream s[STREAMS];
	struct fl_session_conf c;
	struct rig_keys k;
	unsigned live;

	conf_of(cap, cap->key.max < 20 ? cap->key.max : 20, &c);
	assert_int_equal(rig_keys(r, &c, &k), 0);
	for (unsigned i = 0; i < STREAMS; i++) {
		struct ref_in ref = { .conf = &k.conf };

		/* also whole blocks, so that nothing is left for the last */
		s[i] = (struct stream){ .len = (i + 1) * block + (i & 1) * rig_rand(r, 2000) };
		s[i].seg = (struct fl_seg){ r->area->va + i * RIG_SLOT, r->area, s[i].len };
		rig_fill(r, s[i].seg.va, s[i].len);
		ref.in = s[i].seg.va;
		ref.len = s[i].len;
		assert_int_equal(ref_encrypt(&ref, NULL, s[i].want), 0);
		assert_int_equal(fl_op_alloc(r->pool, &s[i].op, 1), 1);
		s[i].op->session = k.enc;
		s[i].op->src = &s[i].seg;
		s[i].op->nsrc = 1;
		s[i].op->dst = NULL;
		s[i].op->aad = (struct fl_seg){ 0 };
	}
	for (unsigned round = 0; round < 50; round++) {
		struct fl_qp *qp = fl_cryptodev_qp(r->d, (uint16_t)(round % r->qps));
		struct fl_op *got[STREAMS];

		live = 0;
		for (unsigned i = 0; i < STREAMS; i++)
			live += next_part(r, &s[i], block, qp);
		rig_recv(qp, got, live);
		for (unsigned i = 0; i < live; i++)
			assert_int_equal(got[i]->status, FL_OP_OK);
	}
	assert_int_equal(live, 0);
	for (unsigned i = 0; i < STREAMS; i++) {
		assert_int_equal(s[i].at, s[i].len);
		assert_memory_equal(s[i].op->digest, s[i].want, k.conf.digest_len);
		fl_op_free(&s[i].op, 1);
	}
	rig_keys_free(&k);
}

static void test_streams(void **state)
{
	struct rig *r = *state;
	unsigned n = 0;

	for (const struct fl_crypto_cap *cap = r->info.caps; cap->algo; cap++) {
		if (!cap->stream)
			continue;
		for (unsigned i = 0; i < 4; i++)
			streams(r, cap);
		n++;
	}
	if (!n)
		skip();
}

/* ---- what a device says of itself --------------------------------------------------------- */

static bool within(const struct fl_sizes *s, const struct fl_sizes *all)
{
	unsigned inc = s->inc ? s->inc : s->max - s->min;

	for (unsigned v = s->min; v <= s->max; v += inc ? inc : 1)
		if (!fl_sizes_have(all, v))
			return false;
	return s->min <= s->max;
}

static void test_capabilities(void **state)
{
	struct rig *r = *state;
	const struct fl_crypto_cap *cap;

	assert_non_null(r->info.driver);
	assert_non_null(r->info.chip);
	assert_true(r->info.qp_max && r->info.segs_max);
	assert_true(fl_is_pow2(r->info.desc_min) && fl_is_pow2(r->info.desc_max));
	assert_true(r->info.desc_min <= r->info.desc_max);
	for (cap = r->info.caps; cap->algo; cap++) {
		const struct fl_algo_info *i = fl_algo_info(cap->algo);

		assert_non_null(i);
		assert_ptr_equal(fl_cryptodev_cap(r->d, cap->algo), cap);
		if (!within(&cap->key, &i->keys) || !within(&cap->iv, &i->ivs) ||
		    !within(&cap->digest, &i->digests))
			fail_msg("%s: sizes that are not of the algorithm", i->name);
		assert_true(cap->len_max >= 65535);
		assert_int_equal(i->kind == FL_KIND_AEAD && !cap->aad_max, 0);
		assert_true(!cap->stream || i->hash_block);
	}
	assert_ptr_not_equal(cap, r->info.caps);
}

const struct CMUnitTest crypto_algo_tests[] = {
	CRYPTO_TEST(test_capabilities),
	CRYPTO_TEST(test_ciphers),
	CRYPTO_TEST(test_digests),
	CRYPTO_TEST(test_macs),
	CRYPTO_TEST(test_aeads),
	CRYPTO_TEST(test_chains_encrypt_then_mac),
	CRYPTO_TEST(test_chains_mac_then_encrypt),
	CRYPTO_TEST(test_streams),
};
const size_t crypto_algo_count = FL_ARRAY_SIZE(crypto_algo_tests);
