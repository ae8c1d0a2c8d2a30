/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits are where the device says: at them it works, beyond them it says so. */
#include "crypto_conformance.h"

#include <stdlib.h>
#include <string.h>

static struct fl_seg many[65535];

#define LARGE (64u << 20)

struct large {
	struct fl_mem *mem;
	struct fl_dma_area *area;
};

static void large_make(struct rig *r, struct large *l, uint64_t len)
{
	assert_int_equal(fl_mem_alloc(len, NULL, &l->mem), 0);
	assert_int_equal(fl_dma_map(fl_ctx_space(r->ctx), l->mem, NULL, &l->area), 0);
}

static void large_free(struct large *l)
{
	assert_int_equal(fl_dma_unmap(l->area), 0);
	fl_mem_free(l->mem);
}

static struct fl_op *run_one(struct rig *r, struct fl_session *s, const struct fl_seg *segs,
			     unsigned n, uint32_t len, const struct fl_seg *aad)
{
	struct fl_op *op, *got;

	assert_int_equal(fl_op_alloc(r->pool, &op, 1), 1);
	op->session = s;
	op->src = segs;
	op->nsrc = (uint16_t)n;
	op->dst = NULL;
	op->ndst = 0;
	op->cipher_off = op->auth_off = 0;
	op->cipher_len = op->auth_len = len;
	op->aad = aad ? *aad : (struct fl_seg){ 0 };
	memset(op->iv, 5, sizeof(op->iv));
	rig_send(fl_cryptodev_qp(r->d, 0), &op, 1);
	rig_recv(fl_cryptodev_qp(r->d, 0), &got, 1);
	assert_ptr_equal(op, got);
	return op;
}

static void want_status(struct fl_op *op, const struct fl_crypto_cap *cap, uint32_t len,
			enum fl_op_status want)
{
	if (op->status != want)
		fail_msg("%s: %u bytes came back as %s, not %s", fl_algo_info(cap->algo)->name, len,
			 fl_op_status_name(op->status), fl_op_status_name(want));
	fl_op_free(&op, 1);
}

/* the most that an algorithm takes, against the reference, and one block more */
static void longest(struct rig *r, const struct fl_crypto_cap *cap, struct rig_keys *k,
		    struct large *l)
{
	uint32_t block = fl_algo_info(cap->algo)->block, len = cap->len_max / block * block;
	struct ref_in ref = { .conf = &k->conf, .in = l->area->va, .len = len };
	struct fl_seg seg = { l->area->va, l->area, len };
	uint8_t digest[FL_DIGEST_MAX], iv[FL_IV_MAX], *want = malloc(len);
	struct fl_op *op;

	memset(iv, 5, sizeof(iv));
	ref.iv = iv;
	for (uint32_t i = 0; i < len; i += 4)
		memcpy(seg.va + i, &i, len - i < 4 ? len - i : 4);
	assert_int_equal(ref_encrypt(&ref, want, digest), 0);
	op = run_one(r, k->enc, &seg, 1, len, NULL);
	if (op->status == FL_OP_OK && k->conf.type != FL_CRYPTO_AUTH)
		assert_memory_equal(seg.va, want, len);
	if (op->status == FL_OP_OK && k->conf.digest_len)
		assert_memory_equal(op->digest, digest, k->conf.digest_len);
	want_status(op, cap, len, FL_OP_OK);
	free(want);
	seg.len = len + block;
	want_status(run_one(r, k->enc, &seg, 1, seg.len, NULL), cap, seg.len, FL_OP_INVALID);
}

static void test_longest(void **state)
{
	struct rig *r = *state;
	unsigned n = 0;

	for (enum fl_algo_kind kind = FL_KIND_CIPHER; kind <= FL_KIND_AEAD; kind++) {
		const struct fl_crypto_cap *cap;
		struct rig_keys k;
		struct large l;

		if (!rig_some_keys(r, kind, &k))
			continue;
		cap = fl_cryptodev_cap(r->d, k.conf.cipher ? k.conf.cipher : k.conf.auth);
		if (cap->len_max <= LARGE) {
			large_make(r, &l, cap->len_max + 4096u);
			longest(r, cap, &k, &l);
			large_free(&l);
			n++;
		}
		rig_keys_free(&k);
	}
	if (!n)
		skip();
}

static void test_most_aad(void **state)
{
	struct rig *r = *state;
	unsigned n = 0;

	for (const struct fl_crypto_cap *c = r->info.caps; c->algo; c++) {
		struct fl_session_conf conf = { .type = FL_CRYPTO_AEAD, .cipher = c->algo };
		struct fl_seg seg, aad;
		struct rig_keys k;
		struct large l;

		if (fl_algo_info(c->algo)->kind != FL_KIND_AEAD || c->aad_max > LARGE ||
		    c->aad_max + 65u > c->len_max)
			continue;
		conf.key_len = c->key.min;
		assert_int_equal(rig_keys(r, &conf, &k), 0);
		large_make(r, &l, c->aad_max + 8192u);
		seg = (struct fl_seg){ l.area->va, l.area, 64 };
		aad = (struct fl_seg){ l.area->va + 4096, l.area, c->aad_max };
		want_status(run_one(r, k.enc, &seg, 1, 64, &aad), c, aad.len, FL_OP_OK);
		aad.len++;
		want_status(run_one(r, k.enc, &seg, 1, 64, &aad), c, aad.len, FL_OP_INVALID);
		large_free(&l);
		rig_keys_free(&k);
		n++;
	}
	if (!n)
		skip();
}

/* as many segments as there may be, each of a few bytes, backwards through memory */
static void test_most_segments(void **state)
{
	struct rig *r = *state;
	unsigned n = r->info.segs_max;
	uint32_t len = n * 16u;
	uint8_t *in = malloc(len), *out = malloc(len), iv[FL_IV_MAX];
	struct ref_in ref = { .in = in, .len = len, .iv = iv };
	struct rig_keys k;
	struct fl_op *op;

	if (!rig_layout_ok(r, RIG_SGL_IN_PLACE) || 32ull * n > r->area->len ||
	    !rig_some_keys(r, FL_KIND_CIPHER, &k)) {
		free(in);
		free(out);
		skip();
	}
	ref.conf = &k.conf;
	memset(iv, 5, sizeof(iv));
	rig_fill(r, in, len);
	for (unsigned i = 0; i < n; i++) {
		many[i] = (struct fl_seg){ r->area->va + 32u * (n - 1 - i), r->area, 16 };
		memcpy(many[i].va, in + 16u * i, 16);
	}
	assert_int_equal(ref_encrypt(&ref, out, NULL), 0);
	op = run_one(r, k.enc, many, n, len, NULL);
	assert_int_equal(op->status, FL_OP_OK);
	for (unsigned i = 0; i < n; i++)
		assert_memory_equal(many[i].va, out + 16u * i, 16);
	fl_op_free(&op, 1);
	rig_keys_free(&k);
	free(in);
	free(out);
}

/* no bytes at all, where a device does not take them; where it does, crypto_algos.c has it */
static void test_empty(void **state)
{
	struct rig *r = *state;

	for (const struct fl_crypto_cap *c = r->info.caps; c->algo; c++) {
		enum fl_algo_kind kind = fl_algo_info(c->algo)->kind;
		bool cipher = kind == FL_KIND_CIPHER || kind == FL_KIND_AEAD;
		struct fl_session_conf conf = { .type = kind == FL_KIND_AEAD ? FL_CRYPTO_AEAD
							: cipher	     ? FL_CRYPTO_CIPHER
									     : FL_CRYPTO_AUTH };
		struct fl_seg seg = { r->area->va, r->area, 64 };
		struct rig_keys k;

		if (c->empty)
			continue;
		if (cipher) {
			conf.cipher = c->algo;
			conf.key_len = c->key.min;
		} else {
			conf.auth = c->algo;
			conf.auth_key_len = c->key.min;
		}
		assert_int_equal(rig_keys(r, &conf, &k), 0);
		want_status(run_one(r, k.enc, &seg, 1, 0, NULL), c, 0, FL_OP_INVALID);
		rig_keys_free(&k);
	}
}

/* CCM's length field is what the nonce leaves of the block: 2 bytes of 13 */
static void test_ccm_length(void **state)
{
	struct rig *r = *state;
	const struct fl_crypto_cap *c = fl_cryptodev_cap(r->d, FL_AES_CCM);
	struct fl_session_conf conf = {
		.type = FL_CRYPTO_AEAD, .cipher = FL_AES_CCM, .key_len = 16, .iv_len = 13
	};
	struct fl_seg seg = { r->area->va, r->area, 65536 };
	struct rig_keys k;

	if (!c || !fl_sizes_have(&c->iv, 13) || c->len_max < 65536)
		skip();
	assert_int_equal(rig_keys(r, &conf, &k), 0);
	want_status(run_one(r, k.enc, &seg, 1, 65535, NULL), c, 65535, FL_OP_OK);
	want_status(run_one(r, k.enc, &seg, 1, 65536, NULL), c, 65536, FL_OP_INVALID);
	rig_keys_free(&k);
}

const struct CMUnitTest crypto_limit_tests[] = {
	CRYPTO_TEST(test_longest), CRYPTO_TEST(test_most_aad),	 CRYPTO_TEST(test_most_segments),
	CRYPTO_TEST(test_empty),   CRYPTO_TEST(test_ccm_length),
};
const size_t crypto_limit_count = FL_ARRAY_SIZE(crypto_limit_tests);
