/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the SEC driver puts before the device: descriptors, SGLs, keys and counter blocks, for each
 * way that a request's bytes can lie; and what it keeps from it.
 */
#include <stdlib.h>

#include <openssl/evp.h>

#include "sec_rig.h"

#define DESC 64u

static bool v3 = true;

static int setup(void **state)
{
	struct sec_rig *r = calloc(1, sizeof(*r));

	rig_open(r, v3, false, DESC);
	for (unsigned i = 0; i < RIG_MEM; i++)
		r->area->va[i] = (uint8_t)(i * 31 + (i >> 8));
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	rig_close(*state);
	free(*state);
	return 0;
}

/* ---- reading a descriptor as the device does ------------------------------------------------ */

struct view {
	uint32_t *w;
	uint64_t src, dst, mac, c_iv, a_iv, c_key, a_key, bits;
	uint32_t c_len, a_len, c_off;
	bool src_sgl, dst_sgl, out, invalid;
};

static uint64_t q64(const uint32_t *w, unsigned byte)
{
	uint64_t v;

	memcpy(&v, (const uint8_t *)w + byte, sizeof(v));
	return v;
}

static struct view view(struct sec_rig *r, uint16_t slot)
{
	uint32_t *w = fake_sec_bd(&r->dev, 0, slot);
	struct view v = { .w = w, .out = w[0] >> 9 & 3 };

	if (v3) {
		v.src = q64(w, 16), v.dst = q64(w, 76), v.mac = q64(w, 84), v.c_iv = q64(w, 92);
		v.a_iv = q64(w, 32), v.c_key = q64(w, 48), v.a_key = q64(w, 24),
		v.bits = q64(w, 100);
		v.c_len = w[18], v.a_len = w[17], v.c_off = w[16] >> 16;
		v.src_sgl = w[0] >> 11 & 7, v.dst_sgl = w[0] >> 14 & 7, v.invalid = w[0] >> 4 & 1;
	} else {
		v.src = q64(w, 96), v.dst = q64(w, 104), v.mac = q64(w, 72), v.c_iv = q64(w, 80);
		v.a_iv = q64(w, 56), v.c_key = q64(w, 88), v.a_key = q64(w, 64),
		v.bits = q64(w, 48);
		v.c_len = w[5], v.a_len = w[4], v.c_off = w[6] >> 16;
		v.src_sgl = w[0] >> 15 & 7, v.dst_sgl = w[0] >> 18 & 7, v.invalid = w[1] >> 31;
	}
	return v;
}

/* the bytes behind an address, n of them; fails where the chain is not sound */
static void gather(struct sec_rig *r, uint64_t at, bool sgl, uint8_t **out, unsigned n)
{
	unsigned got = 0;

	if (!sgl) {
		uint8_t *p = fake_dma_at(&r->dev.dma, at, n);

		assert_non_null(p);
		for (; got < n; got++)
			out[got] = p + got;
		return;
	}
	while (at) {
		const uint8_t *h = fake_dma_at(&r->dev.dma, at, 64);
		uint16_t count, room;

		assert_int_equal(at % 64, 0);
		assert_non_null(h);
		memcpy(&count, h + 10, 2);
		memcpy(&room, h + 12, 2);
		assert_in_range(count, 1, room);
		for (unsigned i = 0; i < count; i++) {
			const uint8_t *e = fake_dma_at(&r->dev.dma, at + 64 + 32 * i, 32);
			uint32_t len;
			uint8_t *p;

			assert_non_null(e);
			memcpy(&len, e + 16, 4);
			assert_in_range(len, 1, 8u << 20);
			p = fake_dma_at(&r->dev.dma, q64((const uint32_t *)e, 0), len);
			assert_non_null(p);
			for (uint32_t k = 0; k < len; k++) {
				assert_true(got < n);
				out[got++] = p + k;
			}
		}
		memcpy(&at, h, 8);
	}
	assert_int_equal(got, n);
}

static void same_bytes(uint8_t **at, const uint8_t *first, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_ptr_equal(at[i], first + i);
}

static uint8_t *mem(struct sec_rig *r, unsigned off)
{
	return r->area->va + off;
}

static struct fl_seg seg(struct sec_rig *r, unsigned off, uint32_t len)
{
	return (struct fl_seg){ mem(r, off), r->area, len };
}

static void done(struct sec_rig *r, unsigned n, enum fl_op_status want)
{
	fake_sec_run(&r->dev, 0, n);
	rig_take(r, 0, (uint16_t)n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(r->ops[i]->status, want);
}

static struct fl_session *gcm(struct sec_rig *r, bool encrypt)
{
	static const uint8_t key[32] = "a key of 32 bytes, as they say.";

	return rig_session(r, &(struct fl_session_conf){ .type = FL_CRYPTO_AEAD,
							 .encrypt = encrypt,
							 .cipher = FL_AES_GCM,
							 .key = key,
							 .key_len = sizeof(key) });
}

static struct fl_session *hash(struct sec_rig *r, enum fl_algo a, bool make, const void *key,
			       uint16_t len)
{
	return rig_session(r, &(struct fl_session_conf){ .type = FL_CRYPTO_AUTH,
							 .encrypt = make,
							 .auth = a,
							 .auth_key = key,
							 .auth_key_len = len });
}

/* ---- flat ----------------------------------------------------------------------------------- */

static void flat(void **state)
{
	struct sec_rig *r = *state;
	struct fl_seg out = seg(r, 4096, 256);
	uint8_t *at[80];
	struct view v;

	r->ops[0]->cipher_off = 16;
	r->ops[0]->cipher_len = 80;
	r->ops[1]->cipher_off = 100;
	r->ops[1]->cipher_len = 80;
	r->ops[1]->dst = &out;
	r->ops[1]->ndst = 1;
	rig_give(r, 0, 2);
	v = view(r, 0);
	assert_false(v.src_sgl || v.dst_sgl || v.out || v.invalid);
	assert_int_equal(v.c_len, 80);
	gather(r, v.src, false, at, 80);
	same_bytes(at, mem(r, 16), 80);
	assert_ptr_equal(fake_dma_at(&r->dev.dma, v.c_iv, 16), r->ops[0]->iv);
	assert_memory_equal(fake_dma_at(&r->dev.dma, v.c_key, 16), "0123456789abcdef", 16);
	v = view(r, 1);
	assert_true(v.out && !v.src_sgl && !v.dst_sgl);
	gather(r, v.src, false, at, 80);
	same_bytes(at, mem(r, 100), 80);
	gather(r, v.dst, false, at, 80);
	same_bytes(at, mem(r, 4096 + 100), 80);
	done(r, 2, FL_OP_OK);
}

/* ---- segments ------------------------------------------------------------------------------- */

static void segments(void **state)
{
	static const unsigned counts[] = { 2, 4, 5, 34, 35, 64, 255 };
	struct sec_rig *r = *state;
	static struct fl_seg in[255], out[255];
	static uint8_t *at[255 * 32];

	for (unsigned c = 0; c < FL_ARRAY_SIZE(counts); c++) {
		unsigned n = counts[c], total = 0;
		struct view v;

		for (unsigned i = 0; i < n; i++) {
			in[i] = seg(r, 1024 * i + i, 1 + (i * 7) % 32);
			total += in[i].len;
		}
		/* other cuts on the other side; an empty one, of nowhere, among them */
		for (unsigned i = 0; i < n; i++)
			out[i] = seg(r, (300 + i) * 1024, i + 1 < n ? in[n - 1 - i].len : 64);
		out[1] = n > 2 ? (struct fl_seg){ 0 } : out[1];
		out[n - 1].len = 64 + 32;
		r->ops[0]->src = in;
		r->ops[0]->nsrc = (uint16_t)n;
		r->ops[0]->dst = out;
		r->ops[0]->ndst = (uint16_t)n;
		r->ops[0]->cipher_off = n == 2 ? 0 : 3;
		r->ops[0]->cipher_len = (total - r->ops[0]->cipher_off) / 16 * 16;
		if (!r->ops[0]->cipher_len)
			continue;
		rig_give(r, 0, 1);
		v = view(r, (uint16_t)(r->dev.q[0].taken));
		assert_false(v.invalid);
		gather(r, v.src, v.src_sgl, at, v.c_len);
		for (unsigned i = 0, k = 0, skip = r->ops[0]->cipher_off; i < n; i++)
			for (unsigned b = 0; b < in[i].len && k < v.c_len; b++) {
				if (skip) {
					skip--;
					continue;
				}
				assert_ptr_equal(at[k], in[i].va + b);
				k++;
			}
		gather(r, v.dst, v.dst_sgl, at, v.c_len);
		done(r, 1, FL_OP_OK);
	}
}

/* nothing is lost or taken twice of the pool of SGLs */
static void sgl_pool(void **state)
{
	struct sec_rig *r = *state;
	struct fl_sec_qp *q = fl_sec_qp_of(r->qp);
	static struct fl_seg in[255];
	unsigned all = 0, left = 0, given;

	for (uint16_t c = q->chunk_free; c != SEC_CHUNK_NONE; c = q->chunk_next[c])
		all++;
	for (unsigned i = 0; i < 255; i++)
		in[i] = seg(r, 1024 * i, 16);
	for (unsigned i = 0; i < RIG_OPS; i++) {
		r->ops[i]->src = in;
		r->ops[i]->nsrc = 255;
		r->ops[i]->cipher_len = 255 * 16;
	}
	for (unsigned round = 0; round < 20; round++) {
		given = fl_op_enqueue(r->qp, r->ops, RIG_OPS);
		/* as many as the pool has SGLs for, one at least */
		assert_in_range(given, 1, DESC - 2);
		fake_sec_run(&r->dev, 0, given);
		rig_take(r, 0, (uint16_t)given);
	}
	assert_int_equal(fl_op_enqueue(r->qp, r->ops, RIG_OPS), given);
	assert_int_equal(fl_cryptodev_reset(r->cdev), 0);
	rig_take(r, 0, (uint16_t)given);
	for (uint16_t c = q->chunk_free; c != SEC_CHUNK_NONE; c = q->chunk_next[c])
		left++;
	assert_int_equal(left, all);
}

/* entries of 8 MiB at most */
static void long_segments(void **state)
{
	struct sec_rig *r = *state;
	struct fl_dma_area *area;
	struct fl_mem *m;
	struct fl_seg in[2];
	const uint8_t *h;
	struct view v;

	assert_int_equal(fl_mem_alloc(16u << 20, NULL, &m), 0);
	assert_int_equal(fl_dma_map(fl_ctx_space(r->ctx), m, NULL, &area), 0);
	in[0] = (struct fl_seg){ area->va, area, SEC_LEN_MAX - 256 };
	in[1] = seg(r, 0, 256);
	r->ops[0]->src = in;
	r->ops[0]->nsrc = 2;
	r->ops[0]->cipher_len = SEC_LEN_MAX;
	/* in one piece it is no matter for an SGL */
	r->ops[1]->src = in;
	r->ops[1]->cipher_len = SEC_LEN_MAX - 256;
	rig_give(r, 0, 2);
	v = view(r, 0);
	assert_true(v.src_sgl);
	h = fake_dma_at(&r->dev.dma, v.src, 64 + 3 * 32);
	assert_int_equal(h[10], 3);
	assert_int_equal(((const uint32_t *)h)[(64 + 16) / 4], 8u << 20);
	assert_int_equal(((const uint32_t *)h)[(96 + 16) / 4], SEC_LEN_MAX - 256 - (8u << 20));
	assert_false(view(r, 1).src_sgl);
	done(r, 2, FL_OP_OK);
	/* one more is too many */
	r->ops[0]->src = &(struct fl_seg){ area->va, area, 16u << 20 };
	r->ops[0]->nsrc = 1;
	r->ops[0]->cipher_len = SEC_LEN_MAX + 16;
	rig_give(r, 0, 1);
	done(r, 1, FL_OP_INVALID);
	assert_int_equal(fl_dma_unmap(area), 0);
	fl_mem_free(m);
}

/* ---- AAD ------------------------------------------------------------------------------------ */

static void aad(void **state)
{
	struct sec_rig *r = *state;
	struct fl_session *s = gcm(r, true);
	struct fl_seg out = seg(r, 8192, 1024), halves[2] = { seg(r, 0, 40), seg(r, 600, 100) };
	uint8_t *at[200];
	struct view v;

	for (unsigned i = 0; i < 6; i++) {
		r->ops[i]->session = s;
		r->ops[i]->cipher_off = 20;
		r->ops[i]->cipher_len = 50;
		r->ops[i]->aad = seg(r, 0, 20);
		r->ops[i]->ndst = 1;
	}
	r->ops[1]->dst = &out;
	r->ops[2]->aad = seg(r, 512, 20); /* elsewhere */
	r->ops[3]->aad = seg(r, 512, 20);
	r->ops[3]->dst = &out;
	r->ops[4]->src = halves;
	r->ops[4]->nsrc = 2;
	/* directly before it, but no room before it there */
	r->ops[5]->aad = seg(r, 0, 100);
	r->ops[5]->cipher_off = 4;
	r->ops[5]->src = &(struct fl_seg){ mem(r, 96), r->area, 200 };
	r->ops[5]->dst = &out;
	rig_give(r, 0, 6);

	v = view(r, 0);
	assert_false(v.src_sgl || v.out);
	assert_int_equal(v.c_off, 20);
	assert_int_equal(v.a_len, 20);
	gather(r, v.src, false, at, 70);
	same_bytes(at, mem(r, 0), 70);
	assert_ptr_equal(fake_dma_at(&r->dev.dma, v.mac, 16), r->ops[0]->digest);

	v = view(r, 1);
	assert_true(v.out && !v.src_sgl && !v.dst_sgl);
	gather(r, v.dst, false, at, 70);
	same_bytes(at, mem(r, 8192), 70);

	v = view(r, 2);
	assert_true(!v.out && v.src_sgl);
	gather(r, v.src, true, at, 70);
	same_bytes(at, mem(r, 512), 20);
	same_bytes(at + 20, mem(r, 20), 50);

	/* what the chip may copy lands on itself */
	v = view(r, 3);
	assert_true(v.out && v.src_sgl && v.dst_sgl);
	gather(r, v.dst, true, at, 70);
	same_bytes(at, mem(r, 512), 20);
	same_bytes(at + 20, mem(r, 8192 + 20), 50);

	v = view(r, 4);
	assert_true(v.src_sgl);
	gather(r, v.src, true, at, 70);
	same_bytes(at, mem(r, 0), 40);
	same_bytes(at + 40, mem(r, 600), 30);

	v = view(r, 5);
	assert_true(!v.src_sgl && v.dst_sgl);
	gather(r, v.src, false, at, 150);
	same_bytes(at, mem(r, 0), 150);
	gather(r, v.dst, true, at, 150);
	same_bytes(at, mem(r, 0), 100);
	same_bytes(at + 100, mem(r, 8192 + 4), 50);
	done(r, 6, FL_OP_OK);
	fl_session_destroy(s);
}

/* ---- IVs, counters, keys -------------------------------------------------------------------- */

static void gcm_iv(void **state)
{
	static const uint8_t want[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
	struct sec_rig *r = *state;
	struct fl_session *s = gcm(r, false);
	struct view v;

	r->ops[0]->session = s;
	memset(r->ops[0]->iv, 0xee, FL_IV_MAX);
	memcpy(r->ops[0]->iv, want, 12);
	rig_give(r, 0, 1);
	v = view(r, 0);
	assert_memory_equal(fake_dma_at(&r->dev.dma, v.c_iv, 16), want, 16);
	assert_int_equal(r->ops[0]->iv[12], 0xee);
	done(r, 1, FL_OP_OK);
	fl_session_destroy(s);
}

static void ccm_blocks(void **state)
{
	static const uint8_t key[16];
	/* nonce of 11: L is 4; tag of 8; AAD; 70000 bytes */
	static const uint8_t ctr[16] = { 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 0, 0, 1 };
	static const uint8_t b0[16] = { 0x5b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 0x11, 0x70 };
	struct sec_rig *r = *state;
	struct fl_session *s = rig_session(r, &(struct fl_session_conf){ .type = FL_CRYPTO_AEAD,
									 .encrypt = true,
									 .cipher = FL_AES_CCM,
									 .key = key,
									 .key_len = 16,
									 .iv_len = 11,
									 .digest_len = 8 });
	struct view v;

	r->ops[0]->session = s;
	r->ops[0]->aad = seg(r, 0, 9);
	r->ops[0]->cipher_off = 9;
	r->ops[0]->cipher_len = 70000;
	for (unsigned i = 0; i < 11; i++)
		r->ops[0]->iv[i] = (uint8_t)(i + 1);
	rig_give(r, 0, 1);
	v = view(r, 0);
	assert_memory_equal(fake_dma_at(&r->dev.dma, v.c_iv, 16), ctr, 16);
	assert_memory_equal(fake_dma_at(&r->dev.dma, v.a_iv, 16), b0, 16);
	done(r, 1, FL_OP_OK);
	fl_session_destroy(s);
	/* with a nonce of 13, lengths have two bytes */
	s = rig_session(r, &(struct fl_session_conf){ .type = FL_CRYPTO_AEAD,
						      .encrypt = true,
						      .cipher = FL_AES_CCM,
						      .key = key,
						      .key_len = 16,
						      .iv_len = 13 });
	r->ops[0]->session = r->ops[1]->session = s;
	r->ops[0]->cipher_len = 65536;
	r->ops[1]->cipher_len = 65535;
	rig_give(r, 0, 2);
	fake_sec_run(&r->dev, 0, 2);
	rig_take(r, 0, 2);
	assert_int_equal(r->ops[0]->status, FL_OP_INVALID);
	assert_int_equal(r->ops[1]->status, FL_OP_OK);
	fl_session_destroy(s);
}

static void hmac_keys(void **state)
{
	uint8_t key[300], want[EVP_MAX_MD_SIZE];
	struct sec_rig *r = *state;
	struct fl_session *s;
	unsigned len;
	const uint8_t *at;
	struct view v;

	memset(key, 0x33, sizeof(key));
	/* 13 bytes are 4 words, zeros behind */
	s = hash(r, FL_HMAC_SHA256, true, key, 13);
	r->ops[0]->session = s;
	r->ops[0]->auth_len = 5;
	rig_give(r, 0, 1);
	v = view(r, 0);
	at = fake_dma_at(&r->dev.dma, v.a_key, 128);
	assert_memory_equal(at, key, 13);
	assert_int_equal(at[13] | at[14] | at[15], 0);
	assert_int_equal((v3 ? v.w[14] >> 9 : v.w[2] >> 5) & 63, 4);
	done(r, 1, FL_OP_OK);
	/* and nothing of it is there when the session is gone */
	fl_session_destroy(s);
	for (unsigned i = 0; i < 128; i++)
		assert_int_equal(at[i], 0);
	/* longer than a block is hashed */
	s = hash(r, FL_HMAC_SHA384, true, key, 300);
	assert_int_equal(EVP_Digest(key, 300, want, &len, EVP_sha384(), NULL), 1);
	r->ops[0]->session = s;
	rig_give(r, 0, 1);
	v = view(r, 1);
	assert_memory_equal(fake_dma_at(&r->dev.dma, v.a_key, 48), want, 48);
	assert_int_equal((v3 ? v.w[14] >> 9 : v.w[2] >> 5) & 63, 12);
	done(r, 1, FL_OP_OK);
	fl_session_destroy(s);
}

/* more sessions than a slab has slots, each with a key of its own */
static void many_sessions(void **state)
{
	struct sec_rig *r = *state;
	struct fl_session *s[200];
	uint8_t key[16] = { 0 };

	for (unsigned i = 0; i < 200; i++) {
		memset(key, (int)i, sizeof(key));
		s[i] = rig_session(r, &(struct fl_session_conf){ .type = FL_CRYPTO_CIPHER,
								 .encrypt = true,
								 .cipher = FL_AES_ECB,
								 .key = key,
								 .key_len = 16 });
	}
	for (unsigned i = 0; i < 200; i++) {
		const uint8_t *at;

		r->ops[0]->session = s[i];
		rig_give(r, 0, 1);
		at = fake_dma_at(&r->dev.dma, view(r, r->dev.q[0].taken).c_key, 16);
		assert_true(at[0] == i && at[15] == i);
		done(r, 1, FL_OP_OK);
	}
	for (unsigned i = 0; i < 200; i++)
		fl_session_destroy(s[199 - i]);
}

/* ---- digests -------------------------------------------------------------------------------- */

static void verified_digests(void **state)
{
	struct sec_rig *r = *state;
	struct fl_session *s = hash(r, FL_SHA1, false, NULL, 0);
	uint8_t *mac;

	for (unsigned i = 0; i < 3; i++) {
		r->ops[i]->session = s;
		r->ops[i]->auth_len = 10;
		memset(r->ops[i]->digest, (int)i + 1, 20);
	}
	rig_give(r, 0, 3);
	for (uint16_t i = 0; i < 3; i++) {
		/* it is not the op's that the device writes */
		mac = fake_dma_at(&r->dev.dma, view(r, i).mac, 64);
		assert_ptr_not_equal(mac, r->ops[i]->digest);
		memset(mac, i + 1, 20);
		mac[20] = 0xff;
	}
	mac[19] ^= 1;
	fake_sec_run(&r->dev, 0, 3);
	rig_take(r, 0, 3);
	assert_int_equal(r->ops[0]->status, FL_OP_OK);
	assert_int_equal(r->ops[1]->status, FL_OP_OK);
	assert_int_equal(r->ops[2]->status, FL_OP_AUTH_FAILED);
	fl_session_destroy(s);
}

static void streams(void **state)
{
	static const struct {
		enum fl_op_stage stage;
		uint32_t len;
		enum fl_op_status want;
	} parts[] = { { FL_OP_FIRST, 0, FL_OP_INVALID }, { FL_OP_FIRST, 100, FL_OP_INVALID },
		      { FL_OP_FIRST, 128, FL_OP_OK },	 { FL_OP_MIDDLE, 65, FL_OP_INVALID },
		      { FL_OP_MIDDLE, 64, FL_OP_OK },	 { FL_OP_MIDDLE, 192, FL_OP_OK },
		      { FL_OP_LAST, 5, FL_OP_OK },	 { FL_OP_FIRST, 64, FL_OP_OK },
		      { FL_OP_LAST, 0, FL_OP_OK },	 { 4, 64, FL_OP_INVALID },
		      { FL_OP_WHOLE, 7, FL_OP_OK } };
	struct sec_rig *r = *state;
	struct fl_session *s = hash(r, FL_SM3, true, NULL, 0);
	struct fl_op *op = r->ops[0];
	uint64_t total = 0;

	op->session = s;
	for (unsigned i = 0; i < FL_ARRAY_SIZE(parts); i++) {
		uint16_t slot = r->dev.q[0].taken;
		bool start = parts[i].stage == FL_OP_FIRST || parts[i].stage == FL_OP_WHOLE;
		struct view v;

		op->stage = (uint8_t)parts[i].stage;
		op->auth_len = parts[i].len;
		rig_give(r, 0, 1);
		v = view(r, slot);
		done(r, 1, parts[i].want);
		assert_int_equal(v.invalid, parts[i].want == FL_OP_INVALID);
		if (v.invalid)
			continue;
		total = (start ? 0 : total) + parts[i].len;
		assert_int_equal(op->total, total);
		assert_int_equal(v.bits, parts[i].stage == FL_OP_LAST ? total * 8 : 0);
		assert_ptr_equal(fake_dma_at(&r->dev.dma, v.mac, 32), op->digest);
		assert_int_equal(v.a_iv, start ? 0 : v.mac);
		assert_int_equal(v3 ? v.w[27] : v.w[1] >> 10 & 3,
				 parts[i].stage == FL_OP_FIRST || parts[i].stage == FL_OP_MIDDLE);
	}
	fl_session_destroy(s);
}

/* ---- what is refused ------------------------------------------------------------------------ */

static void refused_in_turn(void **state)
{
	static uint8_t stranger[64];
	struct fl_seg nowhere = { stranger, NULL, 64 }, past, other, many[2];
	struct sec_rig *r = *state;
	static const enum fl_op_status want[] = {
		FL_OP_OK,      FL_OP_INVALID, FL_OP_INVALID, FL_OP_INVALID, FL_OP_FAULT,
		FL_OP_FAULT,   FL_OP_FAULT,   FL_OP_INVALID, FL_OP_INVALID, FL_OP_INVALID,
		FL_OP_INVALID, FL_OP_OK,      FL_OP_OK,
	};

	past = seg(r, RIG_MEM - 32, 64);
	other = (struct fl_seg){ stranger, r->area, 64 };
	many[0] = seg(r, 0, 30);
	many[1] = seg(r, 100, 33);
	r->ops[1]->cipher_len = 60; /* no whole blocks */
	r->ops[2]->cipher_off = RIG_MEM - 48;
	r->ops[3]->session = NULL;
	r->ops[4]->src = &nowhere;
	r->ops[5]->src = &past;
	r->ops[6]->src = &other;
	r->ops[7]->src = many;
	r->ops[7]->nsrc = 2;
	r->ops[8]->nsrc = 256;
	r->ops[9]->stage = FL_OP_LAST;
	r->ops[10]->cipher_off = UINT32_MAX - 15;
	r->ops[11]->cipher_len = 0; /* nothing to do is no error */
	rig_give(r, 0, FL_ARRAY_SIZE(want));
	for (uint16_t i = 0; i < FL_ARRAY_SIZE(want); i++)
		assert_int_equal(view(r, i).invalid, want[i] != FL_OP_OK || !r->ops[i]->cipher_len);
	fake_sec_run(&r->dev, 0, FL_ARRAY_SIZE(want));
	rig_take(r, 0, FL_ARRAY_SIZE(want));
	for (unsigned i = 0; i < FL_ARRAY_SIZE(want); i++)
		assert_int_equal(r->ops[i]->status, want[i]);
}

/* ---- what there is -------------------------------------------------------------------------- */

static void capabilities(void **state)
{
	struct sec_rig *r = *state;
	struct fl_cryptodev_info info;
	unsigned kinds[FL_KIND_AEAD + 1] = { 0 };
	struct fl_session *s;
	struct fl_session_conf chain = { .type = FL_CRYPTO_CIPHER_AUTH,
					 .encrypt = true,
					 .cipher = FL_SM4_CBC,
					 .auth = FL_HMAC_SM3,
					 .key = r->area->va,
					 .key_len = 16,
					 .auth_key = r->area->va,
					 .auth_key_len = 32 };

	fl_cryptodev_info(r->cdev, &info);
	assert_string_equal(info.driver, "crypto_hisi_sec");
	assert_string_equal(info.chip, v3 ? "SEC2 V3 PF" : "SEC2 V2 PF");
	for (const struct fl_crypto_cap *c = info.caps; c->algo; c++)
		kinds[fl_algo_info(c->algo)->kind]++;
	assert_int_equal(kinds[FL_KIND_CIPHER], v3 ? 23 : 10);
	assert_int_equal(kinds[FL_KIND_DIGEST], 9);
	assert_int_equal(kinds[FL_KIND_MAC], v3 ? 13 : 9);
	assert_int_equal(kinds[FL_KIND_AEAD], v3 ? 4 : 2);
	assert_int_equal(fl_cryptodev_cap(r->cdev, FL_SHA256)->empty, v3);
	if (v3) {
		s = rig_session(r, &chain);
		fl_session_destroy(s);
	} else {
		assert_int_equal(fl_session_create(r->cdev, &chain, &s), -EOPNOTSUPP);
	}
	chain.cipher = FL_AES_CBC;
	chain.auth = FL_HMAC_MD5;
	assert_int_equal(fl_session_create(r->cdev, &chain, &s), -EOPNOTSUPP);
}

/* a device may say that it has less */
static void fewer_algorithms(void **state)
{
	struct sec_rig *r = *state;
	struct fl_sec *s = fl_sec_of(r->cdev);

	if (!v3)
		return;
	*fake_sec_reg(&r->dev, 0x3100) = 1;
	*fake_sec_reg(&r->dev, 0x314c) = 1u << 1 | 1u << 7;
	*fake_sec_reg(&r->dev, 0x3150) = 1u << 11;
	fl_sec_caps_init(s);
	assert_non_null(fl_cryptodev_cap(r->cdev, FL_AES_CBC));
	assert_non_null(fl_cryptodev_cap(r->cdev, FL_AES_GCM));
	assert_null(fl_cryptodev_cap(r->cdev, FL_AES_CTR));
	assert_null(fl_cryptodev_cap(r->cdev, FL_SM4_CCM));
	assert_non_null(fl_cryptodev_cap(r->cdev, FL_SHA1));
	assert_true(fl_sec_chain_ok(
		s, &(struct fl_session_conf){ .cipher = FL_AES_CBC, .auth = FL_HMAC_SHA1 }));
	assert_false(fl_sec_chain_ok(
		s, &(struct fl_session_conf){ .cipher = FL_AES_CBC, .auth = FL_HMAC_SHA256 }));
}

static void prefetch(void **state)
{
	const struct fl_qp_conf conf = { .desc = DESC, .node = -1, .prefetch = true };
	struct sec_rig *r = *state;

	assert_int_equal(fl_cryptodev_stop(r->cdev), 0);
	assert_int_equal(fl_qp_setup(r->cdev, 0, &conf), 0);
	assert_int_equal(fl_cryptodev_start(r->cdev), 0);
	r->qp = fl_cryptodev_qp(r->cdev, 0);
	r->ops[1]->cipher_len = 0x6000;
	r->ops[2]->cipher_len = 0x6010;
	rig_give(r, 0, 3);
	for (uint16_t i = 0; i < 3; i++)
		assert_int_equal(view(r, i).w[14] >> 27 & 1, v3 && i < 2);
	done(r, 3, FL_OP_OK);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(flat),	  T(segments),	       T(sgl_pool),   T(long_segments),
		T(aad),		  T(gcm_iv),	       T(ccm_blocks), T(hmac_keys),
		T(many_sessions), T(verified_digests), T(streams),    T(refused_in_turn),
		T(capabilities),  T(fewer_algorithms), T(prefetch),
	};

	v3 = argc < 2 || strcmp(argv[1], "v2") != 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
