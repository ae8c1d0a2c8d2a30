/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine half of the SEC2 model: vectors that others made, in every layout, by both BDs. */
#include "hisi_sec_rig.h"

static struct rig rig;

static unsigned unhex(const char *s, uint8_t *out)
{
	unsigned n = 0, v;

	for (; s && s[0]; s += 2, n++) {
		assert_int_equal(sscanf(s, "%2x", &v), 1);
		out[n] = (uint8_t)v;
	}
	return n;
}

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

/* ---- every layout ------------------------------------------------------------------------ */

struct layout {
	uint32_t src_piece, dst_piece;
	bool apart, src_far, dst_far;
	bool edge; /* data crosses from one mapping into the next */
};

static const struct layout layouts[] = {
	{ .apart = true },
	{ .apart = false },
	{ .apart = true, .src_piece = 1, .dst_piece = 1 },
	{ .apart = true, .src_piece = 16, .dst_piece = 7 },
	{ .apart = true, .src_piece = 5 },
	{ .apart = true, .dst_piece = 31 },
	{ .apart = false, .src_piece = 13 },
	{ .apart = true, .src_far = true, .dst_far = true },
	{ .apart = true, .src_far = true, .dst_far = true, .src_piece = 9, .dst_piece = 20 },
	{ .apart = true, .dst_far = true, .src_piece = 40 },
	{ .apart = false, .src_far = true },
	{ .apart = false, .src_far = true, .src_piece = 17 },
	{ .apart = true, .edge = true },
	{ .apart = false, .edge = true, .src_piece = 11 },
};

struct run {
	struct req q;
	unsigned type;
	uint8_t in[8192], out[8192]; /* all of the source; what stands in the destination after */
	uint32_t len;
	uint8_t key[64], akey[128], iv[16], aiv[64], mac[64];
	uint8_t bd[128];
};

static void place(struct run *x, const struct layout *l, struct lie *src, struct lie *dst)
{
	struct req *q = &x->q;

	*src = (struct lie){ l->src_piece, AT_SRC, x->len };
	*dst = (struct lie){ l->dst_piece, AT_DST, x->len };
	if (l->edge)
		src->base = RIG_DIRECT / 2 - (x->len ? x->len / 2 : 1);
	if (l->src_far)
		src->base = RIG_DIRECT + 0x1001;
	if (l->dst_far)
		dst->base = RIG_DIRECT + 0x200005;
	rig_addresses(q);
	q->de = l->apart;
	q->src = RIG_IOVA + src->base;
	q->dst = RIG_IOVA + dst->base;
	q->src_type = l->src_piece != 0;
	q->dst_type = l->dst_piece != 0;
	if (l->src_piece) {
		lie_sgl(&rig, src, AT_SGL);
		q->src = RIG_IOVA + AT_SGL;
	}
	if (l->dst_piece) {
		lie_sgl(&rig, dst, AT_SGL + SPREAD);
		q->dst = RIG_IOVA + AT_SGL + SPREAD;
	}
}

/* Does the request in that layout: BD and output end up in x, the MAC in x->mac. */
static bool do_run(struct run *x, const struct layout *l)
{
	uint8_t before[128], fill[8192];
	struct lie src, dst;
	bool error;

	place(x, l, &src, &dst);
	memset(fill, 0xa5, sizeof(fill));
	lie_copy(&rig, &dst, fill, true);
	lie_copy(&rig, &src, x->in, true);
	memcpy(rig.mem + AT_KEY, x->key, sizeof(x->key));
	memcpy(rig.mem + AT_AKEY, x->akey, sizeof(x->akey));
	memcpy(rig.mem + AT_IV, x->iv, sizeof(x->iv));
	memcpy(rig.mem + AT_AIV, x->aiv, sizeof(x->aiv));
	memcpy(rig.mem + AT_MAC, x->mac, sizeof(x->mac));
	rig_bd(x->type, &x->q, x->bd);
	memcpy(before, x->bd, sizeof(before));
	error = rig_do(&rig, x->bd);
	lie_copy(&rig, l->apart ? &dst : &src, x->out, false);
	memcpy(x->mac, rig.mem + AT_MAC, sizeof(x->mac));
	/* nothing but status, error, translation status and counter is another */
	assert_int_equal(x->bd[112] & 1, 1);
	assert_int_equal(error, x->bd[114] != 0);
	memcpy(before + 112, x->bd + 112, 3);
	memcpy(before + 124, x->bd + 124, 4);
	if (x->type == 3)
		before[121] = x->bd[121];
	assert_memory_equal(before, x->bd, 128);
	return error;
}

static unsigned status(const struct run *x)
{
	return x->bd[112] | (unsigned)x->bd[113] << 8;
}

static void expect_ok(const struct run *x, unsigned flag)
{
	assert_int_equal(x->bd[114], 0);
	assert_int_equal(status(x), 1 | flag << 7);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_worked_example),
		cmocka_unit_test(test_ciphers),
	};

	if (rig_open(&rig, 0x30))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
