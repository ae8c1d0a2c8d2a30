/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine half of the SEC2 model: vectors that others made, in every layout, by both BDs. */
#include "hisi_sec_runs.h"
#include "../../models/hisi_sec/run.h"

/* ---- the worked example ------------------------------------------------------------------ */

static const char sp800_in[] = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
			       "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
static const char sp800_key[] = "2b7e151628aed2a6abf7158809cf4f3c";
static const char iv_0_f[] = "000102030405060708090a0b0c0d0e0f";

static void worked_example(const char *bd_hex, unsigned type)
{
	static const char out[] =
		"7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
		"73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7";
	uint8_t bd[128], before[128], want[64];
	uint32_t count = rig.counter;

	assert_int_equal(unhex(bd_hex, bd), 128);
	memcpy(before, bd, 128);
	unhex(sp800_in, rig.mem + 0x40000);
	unhex(sp800_key, rig.mem + 0x42000);
	unhex(iv_0_f, rig.mem + 0x42040);
	unhex(out, want);
	assert_false(rig_do(&rig, bd));
	assert_memory_equal(rig.mem + 0x41000, want, 64);
	before[112] = before[113] = 1;
	put(before + 124, count + 1, 4);
	assert_memory_equal(bd, before, 128);
	assert_int_equal(bd[0] & 0xf, type);
}

/* datasheet 5.3 */
static void test_worked_example(void **state)
{
	worked_example("12020000000000000000000000100200"
		       "00000000400000000000000000000000"
		       "00000000000000003412000000000000"
		       "00000000000000000000000000000000"
		       "00000000000000000000000000000000"
		       "40200400010000000020040001000000"
		       "00000400010000000010040001000000"
		       "00000000000000000000000000000000",
		       2);
	memset(rig.mem + 0x41000, 0, 64);
	worked_example("03020000010021003412000000000000"
		       "00000400010000000000000000000000"
		       "00000000000000000000000000000000"
		       "00200400010000000000000000000000"
		       "00000000000000004000000000100400"
		       "01000000000000000000000040200400"
		       "01000000000000000000000000000000"
		       "00000000000000000000000000000000",
		       3);
}

/* ---- ciphers ----------------------------------------------------------------------------- */

struct cipher_vec {
	uint8_t alg, mode, key_len, width, std;
	const char *key, *iv, *in, *out;
	bool only3;
};

#define F_KEY  "0123456789abcdeffedcba9876543210"
#define CS_KEY "636869636b656e207465726979616b69"
#define CS_31  "4920776f756c64206c696b65207468652047656e6572616c20476175277320"
#define ZERO16 "00000000000000000000000000000000"
#define XTS_IN                                                                                     \
	"6BC1BEE22E409F96E93D7E117393172AAE2D8A571E03AC9C9EB76FAC45AF8E5130C81C46A35CE411E5FBC119" \
	"1A0A52EFF69F2445DF4F9B17"
#define XTS_KEY "2B7E151628AED2A6ABF7158809CF4F3C000102030405060708090A0B0C0D0E0F"
#define XTS_IV	"F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF"

static const struct cipher_vec ciphers[] = {
	/* SP 800-38A */
	{ SECM_AES, SECM_ECB, 0, 0, 0, sp800_key, "", sp800_in,
	  "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
	  "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4" },
	{ SECM_AES, SECM_CBC, 1, 0, 0, "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", iv_0_f,
	  sp800_in,
	  "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
	  "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd" },
	{ SECM_AES, SECM_CBC, 2, 0, 0,
	  "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", iv_0_f, sp800_in,
	  "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
	  "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b" },
	{ SECM_AES, SECM_CFB, 0, 0, 0, sp800_key, iv_0_f, sp800_in,
	  "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"
	  "26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6",
	  true },
	{ SECM_AES, SECM_OFB, 0, 0, 0, sp800_key, iv_0_f, sp800_in,
	  "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825"
	  "9740051e9c5fecf64344f7a82260edcc304c6528f659c77866a510d9c1d6ae5e",
	  true },
	{ SECM_AES, SECM_CTR, 0, 0, 2, sp800_key, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", sp800_in,
	  "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
	  "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee" },
	/* IEEE 1619, vectors 1 and 15 */
	{ SECM_AES, SECM_XTS, 0, 0, 2, ZERO16 ZERO16, ZERO16, ZERO16 ZERO16,
	  "917cf69ebd68b2ec9b9fe9a3eadda692cd43d2f59598ed858c02c2652fbf922e" },
	{ SECM_AES, SECM_XTS, 0, 0, 2,
	  "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0",
	  "9a785634120000000000000000000000", "000102030405060708090a0b0c0d0e0f10",
	  "6c1625db4671522d3d7599601de7ca09ed" },
	/* RFC 3962, and OpenSSL's tests of the other two kinds */
	{ SECM_AES, SECM_CBC_CS, 0, 1, 0, CS_KEY, ZERO16, CS_31,
	  "97687268d6ecccc0c07b25e25ecfe5fc00783e0efdb2c1d445d4c8eff7ed22" },
	{ SECM_AES, SECM_CBC_CS, 0, 2, 0, CS_KEY, ZERO16, CS_31,
	  "fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5" },
	{ SECM_AES, SECM_CBC_CS, 0, 3, 0, CS_KEY, ZERO16, CS_31,
	  "fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5" },
	{ SECM_AES, SECM_CBC_CS, 0, 1, 0, CS_KEY, ZERO16, CS_31 "43",
	  "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a8" },
	{ SECM_AES, SECM_CBC_CS, 0, 2, 0, CS_KEY, ZERO16, CS_31 "43",
	  "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a8" },
	{ SECM_AES, SECM_CBC_CS, 0, 3, 0, CS_KEY, ZERO16, CS_31 "43",
	  "39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584" },
	{ SECM_AES, SECM_CBC_CS, 0, 3, 0, CS_KEY, ZERO16, CS_31 "436869636b656e2c20706c656173652c",
	  "97687268d6ecccc0c07b25e25ecfe584b3fffd940c16a18c1b5549d2f838029e"
	  "39312523a78662d5be7fcbcc98ebf5" },
	{ SECM_AES, SECM_CBC_CS, 2, 3, 0, CS_KEY "636869636b656e207465726979616b69", iv_0_f,
	  "4920776f756c64206c696b652074686520", "6b5f5abc21c4d04156c73850da3bba29e9" },
	/* draft-ribose-cfrg-sm4 */
	{ SECM_SM4, SECM_ECB, 0, 0, 0, F_KEY, "", F_KEY, "681edf34d206965e86b3e94f536e4246" },
	{ SECM_SM4, SECM_CBC, 0, 0, 0, F_KEY, F_KEY, F_KEY F_KEY,
	  "2677f46b09c122cc975533105bd4a22af6125f7275ce552c3a2bbcf533de8a3b" },
	{ SECM_SM4, SECM_OFB, 0, 0, 0, F_KEY, F_KEY, F_KEY F_KEY,
	  "693d9a535bad5bb1786f53d7253a7056f2075d28b5235f58d50027e4177d2bce", true },
	{ SECM_SM4, SECM_CFB, 0, 0, 0, F_KEY, F_KEY, F_KEY F_KEY,
	  "693d9a535bad5bb1786f53d7253a70569ed258a85a0467cc92aab393dd978995", true },
	{ SECM_SM4, SECM_CTR, 0, 0, 2, F_KEY, F_KEY,
	  "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
	  "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
	  "c2b4759e78ac3cf43d0852f4e8d5f9fd7256e8a5fcb65a350ee00630912e4449"
	  "2a0b17e1b85b060d0fba612d8a95831638b361fd5ffacd942f081485a83ca35d" },
	/* OpenSSL's tests: GB/T 17964-2021, and IEEE 1619 with SM4 */
	{ SECM_SM4, SECM_XTS, 0, 0, 1, XTS_KEY, XTS_IV, XTS_IN,
	  "E9538251C71D7B80BBE4483FEF497BD12C5C581BD6242FC51E08964FB4F60FDB"
	  "0BA42F63499279213D318D2C11F6886E903BE7F93A1B3479",
	  true },
	{ SECM_SM4, SECM_XTS, 0, 0, 2, XTS_KEY, XTS_IV, XTS_IN,
	  "E9538251C71D7B80BBE4483FEF497BD1B3DB1A3E60408C575D63FF7DB39F8326"
	  "0869F9E2585FEC9F0B863BF8FD784B8627D16C0DB6D2CFC7" },
	/* FIPS 81; SP 800-67 */
	{ SECM_DES, SECM_ECB, 1, 0, 0, "0123456789abcdef", "",
	  "4e6f77206973207468652074696d6520666f7220616c6c20",
	  "3fa40e8a984d48156a271787ab8883f9893d51ec4b563b53" },
	{ SECM_DES, SECM_CBC, 0, 0, 0, "0123456789abcdef", "1234567890abcdef",
	  "4e6f77206973207468652074696d6520666f7220616c6c20",
	  "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6" },
	{ SECM_3DES, SECM_ECB, 1, 0, 0, "0123456789abcdef23456789abcdef01456789abcdef0123", "",
	  "54686520717566636b2062726f776e20666f78206a756d70",
	  "a826fd8ce53b855fcce21c8112256fe668d5c05dd9b6b900" },
	/* two keys: one of them used twice is DES again */
	{ SECM_3DES, SECM_CBC, 3, 0, 0, "0123456789abcdef0123456789abcdef", "1234567890abcdef",
	  "4e6f77206973207468652074696d6520666f7220616c6c20",
	  "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6" },
};

static void cipher_run(struct run *x, const struct cipher_vec *v, unsigned type, bool decrypt)
{
	memset(x, 0, sizeof(*x));
	x->type = type;
	x->len = unhex(decrypt ? v->out : v->in, x->in);
	unhex(v->key, x->key);
	unhex(v->iv, x->iv);
	x->q = (struct req){ .cipher = decrypt ? 2 : 1,
			     .c_alg = v->alg,
			     .c_mode = v->mode,
			     .c_key_len = v->key_len,
			     .c_width = v->width,
			     .ctr_mode = v->std,
			     .c_len = x->len };
}

static void test_ciphers(void **state)
{
	static struct run x;
	uint8_t want[256];

	for (unsigned i = 0; i < FL_ARRAY_SIZE(ciphers) * 4; i++) {
		const struct cipher_vec *v = &ciphers[i / 4];
		unsigned type = 2 + (i & 1);
		bool decrypt = i & 2;

		if (type == 2 && v->std == 1)
			continue; /* type 2 cannot say GB/T */
		for (unsigned l = 0; l < FL_ARRAY_SIZE(layouts); l++) {
			cipher_run(&x, v, type, decrypt);
			x.q.scene = l & 1;
			if (do_run(&x, &layouts[l])) {
				assert_true(type == 2 && v->only3 && x.bd[114] == SECM_BAD_CIPHER);
				continue;
			}
			unhex(decrypt ? v->in : v->out, want);
			expect_ok(&x, 2);
			assert_memory_equal(x.out, want, x.len);
		}
	}
}

/* ---- both at once ------------------------------------------------------------------------ */

struct aead_vec {
	uint8_t alg, mode, key_len, l; /* l: CCM's bytes of length */
	const char *key, *nonce, *aad, *in, *out, *tag;
};

#define GCM_IN                                                                                     \
	"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e24" \
	"49a6b525b16aedf5aa0de657ba637b39"
#define GCM_AAD "feedfacedeadbeeffeedfacedeadbeefabaddad2"
#define GCM_IV	"cafebabefacedbaddecaf888"

static const struct aead_vec aeads[] = {
	/* the GCM specification's test cases 4, 10, 16 and 1 */
	{ SECM_AES, SECM_GCM, 0, 0, "feffe9928665731c6d6a8f9467308308", GCM_IV, GCM_AAD, GCM_IN,
	  "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a"
	  "5aac84aa051ba30b396a0aac973d58e091",
	  "5bc94fbc3221a5db94fae95ae7121a47" },
	{ SECM_AES, SECM_GCM, 1, 0, "feffe9928665731c6d6a8f9467308308feffe9928665731c", GCM_IV,
	  GCM_AAD, GCM_IN,
	  "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d"
	  "18c84a3f4718e2448b2fe324d9ccda2710",
	  "2519498e80f1478f37ba55bd6d27618c" },
	{ SECM_AES, SECM_GCM, 2, 0,
	  "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", GCM_IV, GCM_AAD,
	  GCM_IN,
	  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b"
	  "1056828838c5f61e6393ba7a0abcc9f662",
	  "76fc6ece0f4e1768cddf8853bb2d551b" },
	{ SECM_AES, SECM_GCM, 0, 0, ZERO16, "000000000000000000000000", "", "", "",
	  "58e2fccefa7e3061367f1d57a4e7455a" },
	/* SP 800-38C, examples 1 to 3 */
	{ SECM_AES, SECM_CCM, 0, 8, "404142434445464748494a4b4c4d4e4f", "10111213141516",
	  "0001020304050607", "20212223", "7162015b", "4dac255d" },
	{ SECM_AES, SECM_CCM, 0, 7, "404142434445464748494a4b4c4d4e4f", "1011121314151617",
	  "000102030405060708090a0b0c0d0e0f", "202122232425262728292a2b2c2d2e2f",
	  "d2a1f0e051ea5f62081a7792073d593d", "1fc64fbfaccd" },
	{ SECM_AES, SECM_CCM, 0, 3, "404142434445464748494a4b4c4d4e4f", "101112131415161718191a1b",
	  "000102030405060708090a0b0c0d0e0f10111213",
	  "202122232425262728292a2b2c2d2e2f3031323334353637",
	  "e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5", "484392fbc1b09951" },
	/* RFC 8998 */
	{ SECM_SM4, SECM_GCM, 0, 0, F_KEY, "00001234567800000000abcd", GCM_AAD,
	  "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
	  "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
	  "17f399f08c67d5ee19d0dc9969c4bb7d5fd46fd3756489069157b282bb200735"
	  "d82710ca5c22f0ccfa7cbf93d496ac15a56834cbcf98c397b4024a2691233b8d",
	  "83de3541e4c2b58177e065a9bf7b62ec" },
	{ SECM_SM4, SECM_CCM, 0, 3, F_KEY, "00001234567800000000abcd", GCM_AAD,
	  "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbccccccccccccccccdddddddddddddddd"
	  "eeeeeeeeeeeeeeeeffffffffffffffffeeeeeeeeeeeeeeeeaaaaaaaaaaaaaaaa",
	  "48af93501fa62adbcd414cce6034d895dda1bf8f132f042098661572e7483094"
	  "fd12e518ce062c98acee28d95df4416bed31a2f04476c18bb40c84a74b97dc5b",
	  "16842d4fa186f56ab33256971fa110f4" },
};

/* datasheet 4.8.5 */
static void ccm_blocks(struct run *x, const struct aead_vec *v)
{
	unsigned l = v->l;

	x->iv[0] = (uint8_t)(l - 1);
	unhex(v->nonce, x->iv + 1);
	memcpy(x->aiv, x->iv, 16);
	x->iv[15] = 1;
	x->aiv[0] |= (uint8_t)((x->q.c_icv_len - 2) / 2 << 3 | (x->q.a_len ? 0x40 : 0));
	x->aiv[15] = (uint8_t)x->q.c_len;
}

static void aead_run(struct run *x, const struct aead_vec *v, unsigned type, bool decrypt)
{
	uint32_t aad;

	memset(x, 0, sizeof(*x));
	x->type = type;
	aad = unhex(v->aad, x->in);
	x->len = aad + unhex(decrypt ? v->out : v->in, x->in + aad);
	unhex(v->key, x->key);
	x->q = (struct req){ .cipher = decrypt ? 2 : 1,
			     .seq = decrypt,
			     .c_alg = v->alg,
			     .c_mode = v->mode,
			     .c_key_len = v->key_len,
			     .a_len = aad,
			     .c_off = (uint16_t)aad,
			     .c_len = x->len - aad,
			     .c_icv_len = (uint8_t)unhex(v->tag, x->mac) };
	if (v->mode == SECM_CCM) {
		ccm_blocks(x, v);
	} else {
		unhex(v->nonce, x->iv);
		memset(x->iv + 12, 0xff, 4); /* not looked at */
	}
	if (!decrypt)
		memset(x->mac, 0x5a, sizeof(x->mac));
}

/* what stands in the destination before the payload, and behind a tag, is left alone */
static void expect_aead(const struct run *x, const struct aead_vec *v, bool decrypt)
{
	uint8_t want[256], tag[16];
	unsigned n = unhex(decrypt ? v->in : v->out, want);

	expect_ok(x, 3);
	assert_memory_equal(x->out + x->q.c_off, want, n);
	for (unsigned i = 0; x->q.de && i < x->q.c_off; i++)
		assert_int_equal(x->out[i], 0xa5);
	n = unhex(v->tag, tag);
	assert_memory_equal(x->mac, tag, n);
	if (!decrypt)
		assert_int_equal(x->mac[n], 0x5a);
}

static void test_aeads(void **state)
{
	static struct run x;

	for (unsigned i = 0; i < FL_ARRAY_SIZE(aeads) * 4; i++) {
		const struct aead_vec *v = &aeads[i / 4];
		bool decrypt = i & 2;

		for (unsigned l = 0; l < FL_ARRAY_SIZE(layouts); l++) {
			if (!v->in[0] && layouts[l].src_piece + layouts[l].dst_piece)
				continue; /* no SGL of nothing */
			aead_run(&x, v, 2 + (i & 1), decrypt);
			x.q.scene = l & 1;
			assert_false(do_run(&x, &layouts[l]));
			expect_aead(&x, v, decrypt);
			if (!decrypt)
				continue;
			aead_run(&x, v, 2 + (i & 1), true);
			x.mac[l % x.q.c_icv_len] ^= (uint8_t)(1 << l % 8);
			assert_false(do_run(&x, &layouts[l]));
			assert_int_equal(x.bd[114], 0);
			assert_int_equal(status(&x), 1 | 2 << 1 | 3 << 7);
		}
	}
}

/* What software does at the end: the last 12 bytes, the lengths, and the tag. */
static void finish_gcm(uint8_t y[16], const struct aead_vec *v)
{
	uint8_t h[16], lengths[16] = { 0 }, rest[64], tag[16];
	struct secm_ghash g;

	unhex("b83b533708bf535d0aa6e52980d53b78", h);
	unhex(v->out, rest);
	fl_secm_ghash_start(&g, h, y);
	fl_secm_ghash_step(&g, rest + 48, NULL, 12);
	fl_secm_ghash_pad(&g);
	lengths[7] = 20 * 8;
	lengths[14] = 60 * 8 >> 8;
	lengths[15] = 60 * 8 & 0xff;
	fl_secm_ghash_step(&g, lengths, NULL, 16);
	/* E(K, Y0) of test case 4 */
	unhex("3247184b3c4f69a44dbcd22887bbb418", h);
	unhex(v->tag, tag);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(g.y[i] ^ h[i], tag[i]);
}

/* A GCM in pieces comes to what one BD makes of it; the last block and the tag are software's. */
static void test_gcm_parts(void **state)
{
	static struct run x;
	static const struct layout flat = { .apart = true };
	const struct aead_vec *v = &aeads[0];
	uint8_t out[64], want[16];

	aead_run(&x, v, 3, false);
	x.q = (struct req){ .scene = 7,
			    .auth = 1,
			    .a_alg = SECM_GMAC,
			    .mac_len = 16,
			    .a_key_len = 16,
			    .a_pad = 1,
			    .a_len = 20 };
	memcpy(x.akey, x.key, 16);
	assert_false(do_run(&x, &flat));
	expect_ok(&x, 1);
	/* X2 of test case 4 */
	unhex("cd47221ccef0554ee4bb044c88150352", want);
	assert_memory_equal(x.mac, want, 16);
	for (unsigned at = 0; at < 48; at += at ? 32 : 16) {
		struct run y;

		memset(&y, 0, sizeof(y));
		y.type = 3;
		y.len = at ? 32 : 16;
		memcpy(y.key, x.key, 16);
		memcpy(y.iv, x.iv, 12);
		y.iv[15] = (uint8_t)(1 + at / 16);
		unhex(v->in + 2 * at, y.in);
		y.q = (struct req){ .scene = 7,
				    .cipher = 1,
				    .c_alg = SECM_AES,
				    .c_mode = SECM_GCM,
				    .ai_gen = 1,
				    .a_pad = 1,
				    .c_len = y.len };
		memcpy(y.aiv, x.mac, 16);
		assert_false(do_run(&y, &flat));
		expect_ok(&y, 3);
		unhex(v->out, out);
		assert_memory_equal(y.out, out + at, y.len);
		memcpy(x.mac, y.mac, 16);
	}
	finish_gcm(x.mac, v);
}

/* CTR in modes 0 (32 bits) and 2 (128 bits), where they differ; type 2 is like mode 0 */
static void test_ctr_wrap(void **state)
{
	static struct run x;
	uint8_t first[64];

	for (unsigned mode = 0; mode < 3; mode += 2) {
		memset(&x, 0, sizeof(x));
		x.type = 3;
		x.len = 64;
		memset(x.iv, 0xff, 16);
		x.q = (struct req){ .cipher = 1,
				    .c_alg = SECM_AES,
				    .c_mode = SECM_CTR,
				    .ctr_mode = (uint8_t)mode,
				    .c_len = 64 };
		assert_false(do_run(&x, &layouts[2]));
		memcpy(first, x.out, 64);
		/* the block after the wrap, by itself */
		memset(x.iv, mode ? 0 : 0xff, 12);
		memset(x.iv + 12, 0, 4);
		x.len = x.q.c_len = 48;
		assert_false(do_run(&x, &layouts[0]));
		assert_memory_equal(first + 16, x.out, 48);
	}
}

/* the source and the destination are one piece of memory that is mapped twice */
static void test_mapped_twice(void **state)
{
	static const struct {
		uint8_t alg, mode, width, key_len;
		uint32_t len;
	} kinds[] = {
		{ SECM_AES, SECM_CBC, 0, 0, 2048 },    { SECM_SM4, SECM_CBC, 0, 0, 2048 },
		{ SECM_3DES, SECM_CBC, 0, 1, 2048 },   { SECM_SM4, SECM_CTR, 0, 0, 2047 },
		{ SECM_SM4, SECM_CBC_CS, 3, 0, 2047 }, { SECM_SM4, SECM_CFB, 0, 0, 2047 },
		{ SECM_AES, SECM_XTS, 0, 0, 2047 },    { SECM_SM4, SECM_XTS, 0, 0, 2047 },
		{ SECM_SM4, SECM_ECB, 0, 0, 2048 },
	};
	const uint64_t again = RIG_IOVA + (1ull << 32);
	uint8_t plain[2048], bd[SECM_BD_SIZE];

	assert_int_equal(fl_model_map(rig.m, again, RIG_DIRECT / 2, FL_DMA_RW, rig.fd, 0), 0);
	for (unsigned i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 7 + i / 256);
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct req q = { .c_alg = kinds[i].alg,
				 .c_mode = kinds[i].mode,
				 .c_width = kinds[i].width,
				 .c_key_len = kinds[i].key_len,
				 .c_len = kinds[i].len };

		memcpy(rig.mem + AT_SRC, plain, sizeof(plain));
		rig_addresses(&q);
		for (q.cipher = SECM_ENCRYPT; q.cipher <= SECM_DECRYPT; q.cipher++) {
			/* out there, what is right; then the same onto itself */
			q.de = 1;
			q.dst = RIG_IOVA + AT_DST;
			rig_bd3(&q, bd);
			assert_false(rig_do(&rig, bd));
			q.dst = again + AT_SRC;
			rig_bd3(&q, bd);
			assert_false(rig_do(&rig, bd));
			assert_memory_equal(rig.mem + AT_SRC, rig.mem + AT_DST, q.c_len);
		}
		assert_memory_equal(rig.mem + AT_SRC, plain, sizeof(plain));
	}
	assert_int_equal(fl_model_unmap(rig.m, again, RIG_DIRECT / 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worked_example), cmocka_unit_test(test_ciphers),
		cmocka_unit_test(test_aeads),	       cmocka_unit_test(test_gcm_parts),
		cmocka_unit_test(test_ctr_wrap),       cmocka_unit_test(test_mapped_twice),
	};

	return cmocka_run_group_tests(tests, runs_open, runs_close);
}
