/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Digests and MACs of the SEC2 model's engine: known ones, those that EVP makes of the same data
 * (the engine does not use EVP for them), in one BD and in several, alone and beside a cipher.
 */
#include "hisi_sec_runs.h"
#include "../../models/hisi_sec/hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static const struct {
	uint8_t code, hmac;
	const char *name;
	const char *jefe; /* RFC 2202, RFC 4231: HMAC, key "Jefe" */
} hashes[] = {
	{ 0x00, 0x10, "SHA1", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79" },
	{ 0x01, 0x11, "SHA256",
	  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
	{ 0x02, 0x12, "MD5", "750c783e6ab0b503eaa86e310a5db738" },
	{ 0x03, 0x13, "SHA224", "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44" },
	{ 0x04, 0x14, "SHA384",
	  "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
	  "8e2240ca5e69e2c78b3239ecfab21649" },
	{ 0x05, 0x15, "SHA512",
	  "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
	  "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737" },
	{ 0x06, 0x16, "SHA512-224", NULL },
	{ 0x07, 0x17, "SHA512-256", NULL },
	{ 0x25, 0x26, "SM3", NULL },
};

static uint32_t noise(void)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 16);
}

static void fill(uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		p[i] = (uint8_t)noise();
}

static unsigned reference(const char *name, const uint8_t *key, unsigned key_len, const uint8_t *in,
			  uint32_t len, uint8_t out[64])
{
	EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);
	unsigned n = 0;

	assert_non_null(md);
	if (key_len)
		assert_non_null(HMAC(md, key, (int)key_len, in, len, out, &n));
	else
		assert_int_equal(EVP_Digest(in, len, out, &n, md, NULL), 1);
	EVP_MD_free(md);
	return n;
}

static void auth_run(struct run *x, unsigned type, uint8_t a_alg, uint32_t len)
{
	memset(x, 0, sizeof(*x));
	x->type = type;
	x->len = len;
	fill(x->in, len);
	fill(x->akey, sizeof(x->akey));
	memset(x->mac, 0x5a, sizeof(x->mac));
	x->q = (struct req){ .auth = 1, .a_alg = a_alg, .a_len = len, .scene = type == 2 ? 1 : 7 };
}

static void expect_mac(const struct run *x, const uint8_t *want, unsigned n)
{
	expect_ok(x, 1);
	assert_memory_equal(x->mac, want, n);
	if (n < 64)
		assert_int_equal(x->mac[n], 0x5a);
}

static void test_digests(void **state)
{
	static struct run x;
	uint8_t want[64];

	for (unsigned i = 0; i < FL_ARRAY_SIZE(hashes) * 64; i++) {
		unsigned h = i / 64, l = i % FL_ARRAY_SIZE(layouts);
		const struct secm_hash *info = fl_secm_hash(hashes[h].code);
		bool mac = i & 1;
		unsigned key = mac ? (1 + noise() % (info->block / 4u)) * 4 : 0, n;
		uint32_t len = i % 64 < 40 ? noise() % 300 : noise() % 5000;

		if (!len && layouts[l].src_piece)
			len = 1;
		auth_run(&x, 2 + (i >> 1 & 1), mac ? hashes[h].hmac : hashes[h].code, len);
		n = reference(hashes[h].name, x.akey, key, x.in, len, want);
		assert_int_equal(n, info->digest);
		x.q.a_key_len = (uint8_t)key;
		x.q.mac_len = (uint8_t)(i % 5 ? n : 4 + noise() % (n - 3) / 4 * 4);
		assert_false(do_run(&x, &layouts[l]));
		expect_mac(&x, want, x.q.mac_len);
	}
}

static void test_known_digests(void **state)
{
	static const char text[] = "what do ya want for nothing?";
	static const char abc_sm3[] =
		"66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";
	static struct run x;
	uint8_t want[64];

	auth_run(&x, 3, SECM_SM3, 3);
	memcpy(x.in, "abc", 3);
	x.q.mac_len = 32;
	assert_false(do_run(&x, &layouts[0]));
	expect_mac(&x, want, unhex(abc_sm3, want));
	for (unsigned i = 0; i < FL_ARRAY_SIZE(hashes); i++) {
		if (!hashes[i].jefe)
			continue;
		auth_run(&x, 2, hashes[i].hmac, sizeof(text) - 1);
		memcpy(x.in, text, sizeof(text) - 1);
		memcpy(x.akey, "Jefe", 4);
		x.q.a_key_len = 4;
		x.q.mac_len = (uint8_t)unhex(hashes[i].jefe, want);
		assert_false(do_run(&x, &layouts[0]));
		expect_mac(&x, want, x.q.mac_len);
	}
}

static void test_verify(void **state)
{
	static struct run x;

	for (unsigned i = 0; i < 40; i++) {
		auth_run(&x, 2 + (i & 1), 0x11, 100);
		x.q.auth = 2;
		x.q.a_key_len = 32;
		x.q.mac_len = 16;
		reference("SHA256", x.akey, 32, x.in, 100, x.mac);
		if (i & 2)
			x.mac[i % 16] ^= 0x10;
		assert_false(do_run(&x, &layouts[i % FL_ARRAY_SIZE(layouts)]));
		assert_int_equal(status(&x), i & 2 ? 1 | 2 << 1 | 1 << 7 : 1 | 1 << 7);
	}
}

/* ---- in pieces --------------------------------------------------------------------------- */

static void in_pieces(unsigned type, unsigned h, bool mac, const uint32_t *blocks, unsigned parts,
		      uint32_t rest)
{
	const struct secm_hash *info = fl_secm_hash(hashes[h].code);
	static struct run x;
	static uint8_t all[8192];
	uint32_t at = 0, total = rest;
	uint8_t want[64], between[64] = { 0 }, akey[128];
	unsigned n, key = mac ? info->block / 2u : 0;

	for (unsigned i = 0; i < parts; i++)
		total += blocks[i] * info->block;
	fill(all, total);
	fill(akey, sizeof(akey));
	n = reference(hashes[h].name, akey, key, all, total, want);
	for (unsigned i = 0; i <= parts; i++) {
		uint32_t len = i < parts ? blocks[i] * info->block : rest;

		auth_run(&x, type, mac ? hashes[h].hmac : hashes[h].code, len);
		x.q.scene = type == 2 ? 0 : 7;
		memcpy(x.in, all + at, len);
		memcpy(x.akey, akey, sizeof(akey));
		memcpy(x.aiv, between, sizeof(between));
		x.q.a_key_len = (uint8_t)key;
		x.q.ai_gen = i > 0;
		x.q.a_pad = i < parts;
		x.q.mac_len = i < parts ? 0 : (uint8_t)n;
		x.q.long_len = i < parts ? 0 : total * 8ull;
		assert_false(do_run(&x, &layouts[0]));
		expect_ok(&x, 1);
		memcpy(between, x.mac, sizeof(between));
		if (i < parts && info->state < 64)
			assert_int_equal(x.mac[info->state], 0x5a);
		at += len;
	}
	assert_memory_equal(between, want, n);
}

static void test_long_hashes(void **state)
{
	static const uint32_t one[] = { 1 }, some[] = { 1, 7, 2, 20 };

	for (unsigned i = 0; i < FL_ARRAY_SIZE(hashes) * 4; i++) {
		in_pieces(2 + (i & 1), i / 4, i & 2, one, 1, 0);
		in_pieces(2 + (i & 1), i / 4, i & 2, some, 4, 55);
		in_pieces(2 + (i & 1), i / 4, i & 2, some, 3, 256);
	}
}

/* The state after the first block of "abc…" is where others say it is: natural byte order. */
static void test_state_order(void **state)
{
	static struct run x;
	uint8_t want[32];
	SHA256_CTX ctx;

	auth_run(&x, 3, 0x01, 64);
	x.q.a_pad = 1;
	SHA256_Init(&ctx);
	SHA256_Transform(&ctx, x.in);
	for (unsigned i = 0; i < 32; i++)
		want[i] = (uint8_t)(ctx.h[i / 4] >> (24 - 8 * (i % 4)));
	assert_false(do_run(&x, &layouts[0]));
	expect_mac(&x, want, 32);
}

/* ---- MACs of AES ------------------------------------------------------------------------- */

#define KEY_2B "2b7e151628aed2a6abf7158809cf4f3c"
#define KEY_00 "000102030405060708090a0b0c0d0e0f"
#define M64                                                                                        \
	"6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc119" \
	"1a0a52eff69f2445df4f9b17ad2b417be66c3710"

static const struct {
	uint8_t code;
	const char *key, *iv, *in, *out;
} macs[] = {
	/* RFC 4493 */
	{ SECM_CMAC, KEY_2B, "", "6bc1bee22e409f96e93d7e117393172a",
	  "070a16b46b4d4144f79bdd9dd04a287c" },
	{ SECM_CMAC, KEY_2B, "",
	  "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
	  "dfa66747de9ae63030ca32611497c827" },
	{ SECM_CMAC, KEY_2B, "", M64, "51f0bebf7e3b9d92fc49741779363cfe" },
	/* RFC 3566 */
	{ SECM_XCBC, KEY_00, "", "000102", "5b376580ae2f19afe7219ceef172756f" },
	{ SECM_XCBC, KEY_00, "", KEY_00, "d2a246fa349b68a79998a4394ff7a263" },
	{ SECM_XCBC, KEY_00, "", KEY_00 "10111213", "47f51b4564966215b8985c63055ed308" },
	{ SECM_XCBC, KEY_00, "", KEY_00 "101112131415161718191a1b1c1d1e1f",
	  "f54f0ec8d2b9f3d36807734bd5283fd4" },
	/* of NIST's GCM vectors: no text, AAD alone */
	{ SECM_GMAC, "77be63708971c4e240d1cb79e8d77feb", "e0e00f19fed7ba0136a797f3",
	  "7a43ec1d9c0a5a78a0b16533a6213cab", "209fcc8d3675ed938e9c7166709dd946" },
};

static void test_block_macs(void **state)
{
	static struct run x;
	uint8_t want[16];

	for (unsigned i = 0; i < FL_ARRAY_SIZE(macs); i++) {
		for (unsigned l = 0; l < FL_ARRAY_SIZE(layouts); l++) {
			memset(&x, 0, sizeof(x));
			x.type = 3;
			x.len = unhex(macs[i].in, x.in);
			unhex(macs[i].iv, x.aiv);
			unhex(macs[i].out, want);
			memset(x.mac, 0x5a, sizeof(x.mac));
			x.q = (struct req){ .auth = 1,
					    .a_alg = macs[i].code,
					    .a_len = x.len,
					    .a_key_len = (uint8_t)unhex(macs[i].key, x.akey),
					    .ai_gen = macs[i].code == SECM_GMAC,
					    .scene = 1,
					    .mac_len = l & 1 ? 12 : 16 };
			assert_false(do_run(&x, &layouts[l]));
			expect_mac(&x, want, x.q.mac_len);
		}
	}
}

/* A CMAC of several bufferfuls, in pieces of every kind, against EVP's. */
static void test_long_cmac(void **state)
{
	static struct run x;
	uint8_t want[16];
	size_t n;

	for (unsigned l = 0; l < FL_ARRAY_SIZE(layouts); l++) {
		uint32_t len = 4000 + l * 16 + (l & 1);

		auth_run(&x, 3, SECM_CMAC, len);
		x.q.a_key_len = x.q.mac_len = 16;
		assert_non_null(EVP_Q_mac(NULL, "CMAC", NULL, "AES-128-CBC", NULL, x.akey, 16, x.in,
					  len, want, sizeof(want), &n));
		assert_false(do_run(&x, &layouts[l]));
		expect_mac(&x, want, 16);
	}
}

/* ---- beside a cipher --------------------------------------------------------------------- */

/* one of the four ways: seq, and whether it decrypts; the reference is two library calls */
static void chain(unsigned type, bool seq, bool decrypt, const struct layout *l, bool spoil)
{
	static struct run x;
	static uint8_t text[2048], plain[2048];
	const uint32_t aad = 20 + noise() % 40, len = 16 * (1 + noise() % 60), behind = 12;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	const uint8_t *hashed;
	int n;

	auth_run(&x, type, 0x11, aad + len + behind);
	fill(x.key, 16);
	fill(x.iv, 16);
	memcpy(plain, x.in, x.len);
	memcpy(text, x.in, x.len);
	assert_int_equal(EVP_CipherInit_ex(ctx, EVP_aes_128_cbc(), NULL, x.key, x.iv, !decrypt), 1);
	EVP_CIPHER_CTX_set_padding(ctx, 0);
	assert_int_equal(EVP_CipherUpdate(ctx, text + aad, &n, plain + aad, (int)len), 1);
	EVP_CIPHER_CTX_free(ctx);
	x.q = (struct req){ .cipher = decrypt ? 2 : 1,
			    .auth = decrypt ? 2 : 1,
			    .seq = seq,
			    .c_alg = SECM_AES,
			    .c_mode = SECM_CBC,
			    .a_alg = 0x11,
			    .mac_len = 32,
			    .a_key_len = 32,
			    .a_off = 3,
			    .a_len = x.len - 3,
			    .c_off = (uint16_t)aad,
			    .c_len = len };
	/* seq: digest first, so of what goes in */
	hashed = seq ? plain : text;
	if (decrypt)
		reference("SHA256", x.akey, 32, hashed + 3, x.len - 3, x.mac);
	if (spoil)
		x.mac[31] ^= 1;
	assert_false(do_run(&x, l));
	assert_memory_equal(x.out + aad, text + aad, len);
	assert_int_equal(x.bd[114], 0);
	assert_int_equal(status(&x), 1 | 3 << 7 | (spoil ? 2 << 1 : 0));
	if (!decrypt) {
		uint8_t want[64];

		reference("SHA256", x.akey, 32, hashed + 3, x.len - 3, want);
		assert_memory_equal(x.mac, want, 32);
	}
}

static void test_chains(void **state)
{
	for (unsigned l = 0; l < FL_ARRAY_SIZE(layouts); l++) {
		for (unsigned i = 0; i < 8; i++)
			chain(2 + (i & 1), i & 2, i & 4, &layouts[l], false);
		chain(3, true, true, &layouts[l], true);
		chain(2, false, true, &layouts[l], true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digests),	    cmocka_unit_test(test_known_digests),
		cmocka_unit_test(test_verify),	    cmocka_unit_test(test_long_hashes),
		cmocka_unit_test(test_state_order), cmocka_unit_test(test_block_macs),
		cmocka_unit_test(test_long_cmac),   cmocka_unit_test(test_chains),
	};

	return cmocka_run_group_tests(tests, runs_open, runs_close);
}
