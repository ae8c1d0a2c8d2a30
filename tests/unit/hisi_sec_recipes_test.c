/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors of the SEC2, byte by byte, against what the datasheet works out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../../drivers/crypto/hisi_sec/sec_bd.h"

#define KEY 0x100042000ull
#define IV  0x100042040ull
#define SRC 0x100040000ull
#define DST 0x100041000ull

/* bytes that are not 0 */
struct byte {
	uint8_t at, v;
};

static void expect_bytes(const struct fl_sec_bd *bd, const struct byte *b, unsigned n)
{
	uint8_t want[128] = { 0 };

	for (unsigned i = 0; i < n; i++)
		want[b[i].at] = b[i].v;
	assert_memory_equal(bd, want, sizeof(want));
}

#define EXPECT(bd, ...)                                        \
	expect_bytes(bd, (const struct byte[]){ __VA_ARGS__ }, \
		     sizeof((const struct byte[]){ __VA_ARGS__ }) / sizeof(struct byte))

/* AES-128-CBC of 64 bytes, out of place: the datasheet's section 5.3 */
static const struct fl_sec_recipe cbc = {
	.cipher = SEC_ENCRYPT, .c_alg = SEC_AES, .c_mode = SEC_CBC, .c_key = KEY
};
static const struct fl_sec_req cbc_req = {
	.w0 = SEC_W0_OUT, .c_len = 64, .src = SRC, .dst = DST, .c_iv = IV
};

static void worked_example_type_2(void **state)
{
	struct fl_sec_bd bd;

	fl_sec_bd2_make(&bd, &cbc);
	fl_sec_bd2_patch(&bd, &cbc_req, 0x1234);
	EXPECT(&bd, { 0, 0x12 }, { 1, 0x02 }, { 13, 0x10 }, { 14, 0x02 }, { 20, 0x40 },
	       { 40, 0x34 }, { 41, 0x12 }, { 80, 0x40 }, { 81, 0x20 }, { 82, 0x04 }, { 84, 0x01 },
	       { 89, 0x20 }, { 90, 0x04 }, { 92, 0x01 }, { 98, 0x04 }, { 100, 0x01 }, { 105, 0x10 },
	       { 106, 0x04 }, { 108, 0x01 });
}

static void worked_example_type_3(void **state)
{
	struct fl_sec_bd bd;

	fl_sec_bd3_make(&bd, &cbc);
	fl_sec_bd3_patch(&bd, &cbc_req, 0x1234);
	EXPECT(&bd, { 0, 0x03 }, { 1, 0x02 }, { 4, 0x01 }, { 6, 0x21 }, { 8, 0x34 }, { 9, 0x12 },
	       { 18, 0x04 }, { 20, 0x01 }, { 49, 0x20 }, { 50, 0x04 }, { 52, 0x01 }, { 72, 0x40 },
	       { 77, 0x10 }, { 78, 0x04 }, { 80, 0x01 }, { 92, 0x40 }, { 93, 0x20 }, { 94, 0x04 },
	       { 96, 0x01 });
}

/* AES-256-CBC with HMAC-SHA256, decryption, 8 bytes of AAD, 32 of payload, through SGLs */
static const struct fl_sec_recipe chain = { .cipher = SEC_DECRYPT,
					    .auth = SEC_AUTH_CHECK,
					    .digest_first = 1,
					    .c_alg = SEC_AES,
					    .c_mode = SEC_CBC,
					    .c_key_len = 2,
					    .a_alg = SEC_HMAC + SEC_SHA256,
					    .mac_len = 8,
					    .a_key_len = 16,
					    .c_key = 0x11,
					    .a_key = 0x22 };

static void authenc_type_2(void **state)
{
	const struct fl_sec_req r = { .w0 = SEC2_W0_SRC_SGL | SEC2_W0_DST_SGL | SEC_W0_OUT,
				      .c_len = 32,
				      .a_len = 40,
				      .c_off = 8,
				      .src = 0x33,
				      .dst = 0x44,
				      .mac = 0x55,
				      .c_iv = 0x66 };
	struct fl_sec_bd bd;

	fl_sec_bd2_make(&bd, &chain);
	fl_sec_bd2_patch(&bd, &r, 0xffff);
	/* byte 0: type 2, decrypt, verify; 1: digest first, de, SGL; 2: SGL;
	 * 8..10: 8 | 16 << 5 | 0x11 << 11 */
	EXPECT(&bd, { 0, 0xa2 }, { 1, 0x83 }, { 2, 0x04 }, { 8, 0x08 }, { 9, 0x8a }, { 13, 0x14 },
	       { 14, 0x02 }, { 16, 40 }, { 20, 32 }, { 26, 8 }, { 40, 0xff }, { 41, 0xff },
	       { 64, 0x22 }, { 72, 0x55 }, { 80, 0x66 }, { 88, 0x11 }, { 96, 0x33 }, { 104, 0x44 });
}

static void authenc_type_3(void **state)
{
	const struct fl_sec_req r = { .w0 = SEC3_W0_SRC_SGL | SEC3_W0_DST_SGL | SEC_W0_OUT,
				      .c_len = 32,
				      .a_len = 40,
				      .c_off = 8,
				      .src = 0x33,
				      .dst = 0x44,
				      .mac = 0x55,
				      .c_iv = 0x66 };
	struct fl_sec_bd bd;

	fl_sec_bd3_make(&bd, &chain);
	fl_sec_bd3_patch(&bd, &r, 0xffff);
	/* 56..59: 2 | 8 << 4 | 16 << 9 | 0x11 << 15 = 0x88a082 with the first word's bits apart */
	EXPECT(&bd, { 0, 0x03 }, { 1, 0x4a }, { 4, 0x02 }, { 5, 0x40 }, { 6, 0x21 }, { 7, 0x40 },
	       { 8, 0xff }, { 9, 0xff }, { 16, 0x33 }, { 24, 0x22 }, { 48, 0x11 }, { 56, 0x82 },
	       { 57, 0xa0 }, { 58, 0x08 }, { 66, 8 }, { 68, 40 }, { 72, 32 }, { 76, 0x44 },
	       { 84, 0x55 }, { 92, 0x66 });
}

/* last part of an HMAC-SHA512 of 1 GiB: state in, digest out */
static const struct fl_sec_recipe last = { .auth = SEC_AUTH_MAKE,
					   .scene = SEC_SCENE_STREAM,
					   .a_alg = SEC_HMAC + SEC_SHA512,
					   .mac_len = 16,
					   .a_key_len = 32,
					   .ai_gen = SEC_AI_ADDRESS,
					   .a_key = 0x22 };
static const struct fl_sec_req last_req = {
	.a_len = 3, .src = 0x33, .mac = 0x55, .a_iv = 0x55, .bits = 1ull << 33
};

static void long_hash_type_2(void **state)
{
	struct fl_sec_recipe r = last;
	struct fl_sec_bd bd;

	fl_sec_bd2_make(&bd, &last);
	fl_sec_bd2_patch(&bd, &last_req, 0);
	/* 8..10: 16 | 32 << 5 | 0x15 << 11 */
	EXPECT(&bd, { 0, 0x42 }, { 1, 0x38 }, { 5, 0x01 }, { 8, 0x10 }, { 9, 0xac }, { 16, 3 },
	       { 52, 2 }, { 56, 0x55 }, { 64, 0x22 }, { 72, 0x55 }, { 96, 0x33 });
	r.a_nopad = 1;
	fl_sec_bd2_make(&bd, &r);
	assert_int_equal(bd.w[1], 0x0500);
}

static void long_hash_type_3(void **state)
{
	struct fl_sec_recipe r = last;
	struct fl_sec_bd bd;

	fl_sec_bd3_make(&bd, &last);
	fl_sec_bd3_patch(&bd, &last_req, 0);
	/* 56..59: 1 | 1 << 2 | 16 << 4 | 32 << 9 | 0x15 << 15 */
	EXPECT(&bd, { 0, 0xe3 }, { 16, 0x33 }, { 24, 0x22 }, { 32, 0x55 }, { 56, 0x05 },
	       { 57, 0xc1 }, { 58, 0x0a }, { 68, 3 }, { 84, 0x55 }, { 104, 2 });
	r.a_nopad = 1;
	fl_sec_bd3_make(&bd, &r);
	assert_int_equal(bd.w[27], 1);
}

/* SM4-XTS by the GB standard, CBC-CS2, CCM's tag: what has fields of its own */
static void odd_fields(void **state)
{
	struct fl_sec_recipe r = {
		.cipher = SEC_ENCRYPT, .c_alg = SEC_SM4, .c_mode = SEC_XTS, .ctr_or_xts = SEC_XTS_GB
	};
	struct fl_sec_bd bd;

	fl_sec_bd3_make(&bd, &r);
	EXPECT(&bd, { 0, 0x03 }, { 4, 0x01 }, { 6, 0x37 }, { 59, 0x02 });
	r = (struct fl_sec_recipe){ .cipher = SEC_DECRYPT,
				    .c_alg = SEC_AES,
				    .c_mode = SEC_CBC_CS,
				    .c_width = 2,
				    .c_key_len = 1 };
	fl_sec_bd3_make(&bd, &r);
	EXPECT(&bd, { 0, 0x03 }, { 4, 0x02 }, { 5, 0x28 }, { 6, 0x29 });
	r = (struct fl_sec_recipe){ .cipher = SEC_DECRYPT,
				    .digest_first = 1,
				    .c_alg = SEC_AES,
				    .c_mode = SEC_CCM,
				    .c_key_len = 2,
				    .c_icv_len = 12 };
	fl_sec_bd2_make(&bd, &r);
	EXPECT(&bd, { 0, 0x22 }, { 1, 0x01 }, { 12, 0x0c }, { 13, 0x54 }, { 14, 0x02 });
	fl_sec_bd3_make(&bd, &r);
	EXPECT(&bd, { 0, 0x03 }, { 4, 0xc2 }, { 5, 0x40 }, { 6, 0x25 }, { 7, 0x40 });
}

static void nothing_to_do(void **state)
{
	struct fl_sec_bd bd;

	fl_sec_bd_make_invalid(&bd, false, 7);
	EXPECT(&bd, { 0, 0x02 }, { 7, 0x80 }, { 40, 7 });
	assert_true(fl_sec_bd_is(&bd, false, 7));
	assert_false(fl_sec_bd_is(&bd, false, 8));
	assert_false(fl_sec_bd_is(&bd, true, 7));
	fl_sec_bd_make_invalid(&bd, true, 7);
	EXPECT(&bd, { 0, 0x13 }, { 8, 7 });
	assert_true(fl_sec_bd_is(&bd, true, 7));
	bd.q[1] |= 1ull << 40;
	assert_false(fl_sec_bd_is(&bd, true, 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(worked_example_type_2),
		cmocka_unit_test(worked_example_type_3),
		cmocka_unit_test(authenc_type_2),
		cmocka_unit_test(authenc_type_3),
		cmocka_unit_test(long_hash_type_2),
		cmocka_unit_test(long_hash_type_3),
		cmocka_unit_test(odd_fields),
		cmocka_unit_test(nothing_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
