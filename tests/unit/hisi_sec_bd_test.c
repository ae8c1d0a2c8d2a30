/* SPDX-License-Identifier: BSD-3-Clause */
/* The SEC2 model's engine and what it refuses: sizes, addresses, SGLs; nothing is written then. */
#include "hisi_sec_runs.h"

static const struct layout flat = { .apart = true };

static void base_cipher(struct run *x, unsigned type)
{
	memset(x, 0, sizeof(*x));
	x->type = type;
	x->len = 64;
	x->q = (struct req){
		.cipher = 1, .c_alg = SECM_AES, .c_mode = SECM_CBC, .c_len = 64, .ctr_mode = 2
	};
}

static void base_digest(struct run *x, unsigned type)
{
	memset(x, 0, sizeof(*x));
	x->type = type;
	x->len = 128;
	x->q = (struct req){ .auth = 1,
			     .a_alg = 0x11,
			     .a_key_len = 32,
			     .mac_len = 32,
			     .a_len = 128,
			     .scene = type == 2 ? 0 : 7 };
}

static void base_aead(struct run *x, unsigned type, uint8_t mode)
{
	base_cipher(x, type);
	x->q.c_mode = mode;
	x->q.a_len = x->q.c_off = 20;
	x->q.c_len = 44;
	x->q.c_icv_len = 16;
	x->iv[0] = 2;
}

static void base_chain(struct run *x, unsigned type)
{
	base_cipher(x, type);
	x->q.auth = 1;
	x->q.a_alg = 0x11;
	x->q.a_key_len = x->q.mac_len = 32;
	x->q.a_len = 64;
}

/* the request is refused so, by that BD type, and nothing was written */
static void refused(struct run *x, unsigned error)
{
	uint8_t mac[64];

	memset(x->mac, 0x77, sizeof(x->mac));
	memcpy(mac, x->mac, 64);
	assert_true(do_run(x, &flat));
	if (x->bd[114] != error)
		print_error("error_type %#x, not %#x\n", x->bd[114], error);
	assert_int_equal(x->bd[114], error);
	assert_int_equal(x->bd[112] & 0xe, 0);
	assert_memory_equal(x->mac, mac, 64);
	for (unsigned i = 0; i < x->len; i++)
		assert_int_equal(x->out[i], 0xa5);
}

#define REFUSED(base, field, value, error)         \
	do {                                       \
		for (unsigned t = 2; t < 4; t++) { \
			base(&x, t);               \
			x.q.field = (value);       \
			refused(&x, error);        \
		}                                  \
	} while (0)

static void base_gcm(struct run *x, unsigned type)
{
	base_aead(x, type, SECM_GCM);
}

static void base_ccm(struct run *x, unsigned type)
{
	base_aead(x, type, SECM_CCM);
}

static struct run x;

static void test_bad_ciphers(void **state)
{
	REFUSED(base_cipher, scene, 8, SECM_BAD_SCENE);
	REFUSED(base_cipher, scene, 5, SECM_BAD_SCENE);
	REFUSED(base_cipher, cipher, 3, SECM_BAD_CIPHER);
	REFUSED(base_cipher, cipher, 0, SECM_BAD_CIPHER);
	REFUSED(base_cipher, c_alg, 4, SECM_BAD_CIPHER);
	REFUSED(base_cipher, c_mode, 8, SECM_BAD_CIPHER);
	REFUSED(base_cipher, c_mode, 10, SECM_BAD_CIPHER);
	REFUSED(base_cipher, c_mode, SECM_CBC_CS, SECM_BAD_CIPHER); /* without a variant */
	REFUSED(base_cipher, c_key_len, 3, SECM_BAD_KEY);
	REFUSED(base_cipher, c_len, 0, SECM_BAD_LEN);
	REFUSED(base_cipher, c_len, 63, SECM_BAD_LEN);
	REFUSED(base_cipher, c_len, 0xfffe10, SECM_BAD_LEN);
	base_cipher(&x, 3);
	x.q.c_mode = SECM_XTS;
	x.q.c_len = 15;
	refused(&x, SECM_BAD_LEN);
	x.q.c_len = 32;
	x.q.c_key_len = 1; /* 2 * 24 */
	refused(&x, SECM_BAD_KEY);
	x.q.c_mode = SECM_CBC_CS;
	x.q.c_width = 3;
	x.q.c_len = 16;
	refused(&x, SECM_BAD_LEN);
	base_cipher(&x, 3);
	x.q.c_alg = SECM_3DES;
	refused(&x, SECM_BAD_KEY);
	x.q.c_key_len = 1;
	x.q.c_mode = SECM_CTR;
	refused(&x, SECM_BAD_CIPHER);
	x.q.c_mode = SECM_ECB;
	x.q.c_len = 60;
	refused(&x, SECM_BAD_LEN);
	base_cipher(&x, 3);
	x.q.c_alg = SECM_SM4;
	x.q.c_key_len = 1;
	refused(&x, SECM_BAD_KEY);
}

static void test_bad_digests(void **state)
{
	REFUSED(base_digest, a_alg, 0x08, SECM_BAD_AUTH);
	REFUSED(base_digest, a_alg, 0x30, SECM_BAD_AUTH);
	REFUSED(base_digest, auth, 3, SECM_BAD_AUTH);
	REFUSED(base_digest, mac_len, 0, SECM_BAD_MAC);
	REFUSED(base_digest, mac_len, 36, SECM_BAD_MAC);
	REFUSED(base_digest, a_key_len, 0, SECM_BAD_AKEY);
	REFUSED(base_digest, a_key_len, 68, SECM_BAD_AKEY);
	REFUSED(base_digest, a_len, 0xfffe04, SECM_BAD_LEN);
	REFUSED(base_digest, ai_gen, 2, SECM_BAD_STAGE);
	for (unsigned t = 2; t < 4; t++) {
		base_digest(&x, t);
		x.q.a_pad = 1;
		x.q.a_len = 100; /* no whole blocks */
		refused(&x, SECM_BAD_LEN);
		x.q.a_len = 0;
		refused(&x, SECM_BAD_LEN);
		x.q.a_len = 128;
		x.q.auth = 2;
		refused(&x, SECM_BAD_STAGE);
		base_digest(&x, t);
		x.q.ai_gen = 1; /* the last part: of how much? */
		refused(&x, SECM_BAD_LEN);
		x.q.long_len = 128 * 8;
		refused(&x, SECM_BAD_LEN);
		x.q.long_len = (128 + 63) * 8;
		refused(&x, SECM_BAD_LEN);
		x.q.long_len = (128 + 64) * 8 + 1;
		refused(&x, SECM_BAD_LEN);
		x.q.long_len = (128 + 64) * 8;
		assert_false(do_run(&x, &flat));
	}
	for (unsigned a = SECM_XCBC; a <= SECM_GMAC; a++) {
		base_digest(&x, 2);
		x.q.a_alg = (uint8_t)a;
		x.q.ai_gen = a == SECM_GMAC;
		refused(&x, SECM_BAD_AUTH); /* type 3 alone has them */
		x.type = 3;
		x.q.mac_len = 16;
		x.q.a_key_len = a == SECM_GMAC ? 20 : 24;
		refused(&x, SECM_BAD_AKEY);
		x.q.a_key_len = 16;
		x.q.mac_len = 20;
		refused(&x, SECM_BAD_MAC);
		x.q.mac_len = 16;
		x.q.ai_gen ^= 1;
		refused(&x, SECM_BAD_STAGE);
		x.q.ai_gen ^= 1;
		x.q.a_len = 0;
		if (a != SECM_GMAC)
			refused(&x, SECM_BAD_LEN);
	}
}

static void test_bad_aeads(void **state)
{
	REFUSED(base_gcm, c_icv_len, 3, SECM_BAD_MAC);
	REFUSED(base_gcm, c_icv_len, 17, SECM_BAD_MAC);
	REFUSED(base_ccm, c_icv_len, 7, SECM_BAD_MAC);
	REFUSED(base_gcm, c_len, 0xfffe00 - 19, SECM_BAD_LEN);
	REFUSED(base_gcm, a_len, 0x10000, SECM_BAD_LEN);
	REFUSED(base_ccm, a_len, 0xff00, SECM_BAD_LEN);
	REFUSED(base_ccm, ai_gen, 1, SECM_BAD_STAGE);
	REFUSED(base_gcm, ai_gen, 1, SECM_BAD_STAGE); /* the end of a stream is not in this chip */
	REFUSED(base_chain, a_alg, SECM_GMAC, SECM_BAD_AUTH);
	REFUSED(base_chain, c_mode, SECM_GCM, SECM_BAD_CIPHER);
	REFUSED(base_chain, mac_len, 0, SECM_BAD_MAC);
	REFUSED(base_chain, ai_gen, 1, SECM_BAD_AUTH);
	REFUSED(base_chain, c_len, 60, SECM_BAD_LEN);
	for (unsigned first = 0; first < 256; first++) {
		base_ccm(&x, 3);
		x.iv[0] = (uint8_t)first;
		if (first < 1 || first > 7)
			refused(&x, SECM_BAD_IV);
		else
			assert_false(do_run(&x, &flat));
	}
	base_ccm(&x, 3);
	x.iv[0] = 1; /* two bytes of length */
	x.q.c_len = 65536;
	refused(&x, SECM_BAD_IV);
}

/* what the older generation has not */
static void test_v2(void **state)
{
	rig.env.version = 0x21;
	base_cipher(&x, 3);
	refused(&x, SECM_BAD_TYPE);
	base_gcm(&x, 2);
	x.q.c_alg = SECM_SM4;
	refused(&x, SECM_BAD_CIPHER);
	base_gcm(&x, 2);
	x.q.c_len = 0;
	refused(&x, SECM_BAD_LEN);
	base_digest(&x, 2);
	x.q.a_len = 0;
	refused(&x, SECM_BAD_LEN);
	x.q.ai_gen = 1;
	x.q.long_len = 64 * 8;
	assert_false(do_run(&x, &flat));
	rig.env.version = 0x30;
	base_digest(&x, 2);
	x.q.a_len = 0;
	assert_false(do_run(&x, &flat));
}

static void test_invalid(void **state)
{
	uint8_t bd[128], before[128];

	for (unsigned t = 0; t < 16; t++) {
		uint32_t count = rig.counter;

		base_cipher(&x, 2);
		rig_addresses(&x.q);
		x.q.src = x.q.key = 0; /* nobody looks */
		x.q.invalid = 1;
		rig_bd(t == 3 ? 3 : 2, &x.q, bd);
		bd[0] = (uint8_t)((bd[0] & 0xf0) | t);
		bd[112] = 0xff;
		memcpy(before, bd, 128);
		assert_int_equal(rig_do(&rig, bd), t != 2 && t != 3);
		assert_int_equal(bd[114], t == 2 || t == 3 ? 0 : SECM_BAD_TYPE);
		assert_int_equal(bd[112] & 0xf, 1);
		memcpy(before + 112, bd + 112, 3);
		put(before + 124, count + 1, 4);
		assert_memory_equal(bd, before, 128);
	}
}

/* ---- addresses --------------------------------------------------------------------------- */

static void faults(const struct run *y, size_t addr, uint64_t iova, unsigned type)
{
	uint8_t bd[128];
	struct req q = y->q;

	rig_addresses(&q);
	q.de = 1;
	memcpy((uint8_t *)&q + addr, &iova, 8);
	rig_bd(type, &q, bd);
	assert_true(rig_do(&rig, bd));
	assert_int_equal(bd[114], SECM_FAULT);
	assert_int_equal(bd[112] & 0xf, 1);
	if (type == 3)
		assert_int_equal(bd[121], SECM_SVA_FAULT);
}

static void test_bad_addresses(void **state)
{
	static const size_t all[] = { offsetof(struct req, src), offsetof(struct req, dst),
				      offsetof(struct req, key), offsetof(struct req, akey),
				      offsetof(struct req, iv),	 offsetof(struct req, mac) };
	const uint64_t holes[] = {
		0,	    RIG_IOVA - 1,    RIG_IOVA + RIG_HOLE, RIG_IOVA + RIG_HOLE - 1,
		UINT64_MAX, UINT64_MAX - 63, 1ull << 63
	};

	for (unsigned i = 0; i < FL_ARRAY_SIZE(all); i++) {
		for (unsigned k = 0; k < FL_ARRAY_SIZE(holes); k++) {
			base_chain(&x, 3);
			faults(&x, all[i], holes[k], 2 + (k & 1));
			faults(&x, all[i], holes[k], 3 - (k & 1));
		}
	}
	base_ccm(&x, 3);
	faults(&x, offsetof(struct req, aiv), 0, 3);
	/* read-only memory takes neither output nor digest */
	base_chain(&x, 3);
	faults(&x, offsetof(struct req, dst), RIG_IOVA + RIG_RO, 3);
	faults(&x, offsetof(struct req, mac), RIG_IOVA + RIG_RO, 3);
	/* nothing at all without bus master */
	{
		uint16_t off = 2, on = 6;

		assert_int_equal(fl_model_region(rig.m, FL_VFIO_REGION_CONFIG, 4, &off, 2, true),
				 0);
		faults(&x, offsetof(struct req, key), RIG_IOVA + AT_KEY, 3);
		assert_int_equal(fl_model_region(rig.m, FL_VFIO_REGION_CONFIG, 4, &on, 2, true), 0);
	}
	base_chain(&x, 3);
	assert_false(do_run(&x, &flat));
	assert_int_equal(x.bd[121], 0);
}

/* What a failed write leaves: no heap of ours in the client's memory. */
static void test_far_output_of_failed(void **state)
{
	uint8_t bd[128];

	base_gcm(&x, 3);
	rig_addresses(&x.q);
	x.q.de = 1;
	x.q.dst = RIG_IOVA + RIG_DIRECT;
	x.q.mac = 0;
	memset(rig.mem + RIG_DIRECT, 0x11, 128);
	rig_bd(3, &x.q, bd);
	assert_true(rig_do(&rig, bd));
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(rig.mem[RIG_DIRECT + i], 0x11);
}

/* Large requests in memory out of reach wait for one another, and give back what they held. */
static void test_lent(void **state)
{
	uint8_t bd[128];

	base_cipher(&x, 3);
	rig_addresses(&x.q);
	x.q.src = RIG_IOVA + RIG_DIRECT;
	x.q.c_len = 3u << 20;
	rig_bd(3, &x.q, bd);
	assert_int_equal(rig.env.lent, 0);
	rig.env.lent = 60u << 20;
	assert_int_equal(fl_secm_job_begin(&rig.env, rig.job, bd), SECM_BUSY);
	assert_int_equal(rig.env.lent, 60u << 20);
	rig.env.lent = 0;
	assert_int_equal(fl_secm_job_begin(&rig.env, rig.job, bd), SECM_RUN);
	assert_true(rig.env.lent >= 6u << 20);
	fl_secm_job_drop(&rig.env, rig.job);
	assert_int_equal(rig.env.lent, 0);
	assert_false(rig_do(&rig, bd));
	assert_int_equal(rig.env.lent, 0);
	assert_int_equal(bd[114], 0);
}

/* ---- SGLs -------------------------------------------------------------------------------- */

static uint8_t sgl_error(void)
{
	uint8_t bd[128];

	rig_bd(3, &x.q, bd);
	(void)rig_do(&rig, bd);
	return bd[114];
}

/* a good request with source and destination in SGLs of 3 entries */
static uint8_t *good_sgl(void)
{
	struct lie src, dst;
	static const struct layout l = { .apart = true, .src_piece = 32, .dst_piece = 32 };

	base_cipher(&x, 3);
	place(&x, &l, &src, &dst);
	assert_int_equal(sgl_error(), 0);
	return rig.mem + AT_SGL;
}

static void test_bad_sgls(void **state)
{
	uint8_t *s = good_sgl();

	x.q.src++;
	assert_int_equal(sgl_error(), SECM_BAD_SGL);
	s = good_sgl();
	put(s + 10, 256, 2);
	put(s + 12, 300, 2);
	assert_int_equal(sgl_error(), SECM_BAD_SGL);
	s = good_sgl();
	put(s + 12, 1, 2); /* fewer than it says are valid */
	assert_int_equal(sgl_error(), SECM_BAD_SGL);
	s = good_sgl();
	put(s + 10, 1, 2); /* not enough bytes */
	assert_int_equal(sgl_error(), SECM_BAD_SGL);
	put(s, RIG_IOVA + AT_SGL, 8); /* round and round: enough, of the same bytes */
	assert_int_equal(sgl_error(), 0);
	put(s + 10, 0, 2); /* and never enough */
	assert_int_equal(sgl_error(), SECM_BAD_SGL);
	s = good_sgl();
	put(s + 64 + 16, (8u << 20) + 1, 4);
	assert_int_equal(sgl_error(), SECM_BAD_SGL);
	s = good_sgl();
	put(s + 64 + 16, 0, 4);
	assert_int_equal(sgl_error(), SECM_BAD_SGL); /* now there is too little */
	s = good_sgl();
	put(s + 64, RIG_IOVA + RIG_HOLE, 8);
	assert_int_equal(sgl_error(), SECM_FAULT);
	s = good_sgl();
	put(s + 64, UINT64_MAX - 3, 8);
	assert_int_equal(sgl_error(), SECM_FAULT);
	s = good_sgl();
	put(s + 10, 1, 2);
	put(s, RIG_IOVA + RIG_HOLE, 8);
	assert_int_equal(sgl_error(), SECM_FAULT);
	/* head and first entries in one mapping, the rest in none */
	memcpy(rig.mem + RIG_HOLE - 128, rig.mem + AT_SGL, 128);
	good_sgl();
	x.q.src = RIG_IOVA + RIG_HOLE - 128;
	put(rig.mem + RIG_HOLE - 128 + 10, 3, 2);
	put(rig.mem + RIG_HOLE - 128 + 12, 3, 2);
	assert_int_equal(sgl_error(), SECM_FAULT);
	for (unsigned kind = 2; kind < 8; kind++) {
		good_sgl();
		x.q.src_type = (uint8_t)kind;
		assert_int_equal(sgl_error(), SECM_BAD_ADDR);
		good_sgl();
		x.q.dst_type = (uint8_t)kind;
		assert_int_equal(sgl_error(), SECM_BAD_ADDR);
	}
	good_sgl();
}

/* As many entries as there can be, of one byte each: SGLs of 255 in a chain. */
static void test_long_chain(void **state)
{
	const uint32_t most = 255 * 256;
	uint8_t *s;

	base_digest(&x, 3);
	rig_addresses(&x.q);
	x.q.src_type = 1;
	x.q.a_len = most;
	for (unsigned i = 0; i < 256; i++) {
		s = rig.mem + AT_SGL + i * 8256u;
		memset(s, 0, 64);
		put(s, i < 255 ? RIG_IOVA + AT_SGL + (i + 1) * 8256ull : 0, 8);
		put(s + 10, 255, 2);
		put(s + 12, 255, 2);
		for (unsigned k = 0; k < 255; k++) {
			put(s + 64 + 32 * k, RIG_IOVA + AT_DST + i * 255 + k, 8);
			put(s + 64 + 32 * k + 16, 1, 4);
		}
	}
	x.q.src = RIG_IOVA + AT_SGL;
	assert_int_equal(sgl_error(), 0);
	assert_int_equal(rig.env.lent, 0);
	x.q.a_len = most + 1;
	assert_int_equal(sgl_error(), SECM_BAD_SGL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_ciphers),
		cmocka_unit_test(test_bad_digests),
		cmocka_unit_test(test_bad_aeads),
		cmocka_unit_test(test_v2),
		cmocka_unit_test(test_invalid),
		cmocka_unit_test(test_bad_addresses),
		cmocka_unit_test(test_bad_sgls),
		cmocka_unit_test(test_long_chain),
		cmocka_unit_test(test_far_output_of_failed),
		cmocka_unit_test(test_lent),
	};

	return cmocka_run_group_tests(tests, runs_open, runs_close);
}
