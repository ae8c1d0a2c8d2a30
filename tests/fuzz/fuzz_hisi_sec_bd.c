/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine half of the SEC2 model: the input is descriptors, SGLs and bytes of memory, which
 * change even between a job's beginning and its run. Whatever they say, the job stays inside the
 * client's memory, comes back, and touches nothing of the BD but what is the device's.
 */
#include "../unit/hisi_sec_rig.h"

struct in {
	const uint8_t *p;
	size_t n;
};

static uint64_t take(struct in *in, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes && in->n; i++, in->p++, in->n--)
		v |= (uint64_t)*in->p << 8 * i;
	return v;
}

/* places of every kind, so that few bytes name them */
static uint64_t place(struct in *in)
{
	static const uint64_t where[] = {
		RIG_IOVA,
		RIG_IOVA + AT_KEY,
		RIG_IOVA + AT_SGL,
		RIG_IOVA + AT_SGL + 0x1000,
		RIG_IOVA + AT_SRC,
		RIG_IOVA + AT_DST,
		RIG_IOVA + RIG_DIRECT / 2 - 20,
		RIG_IOVA + RIG_DIRECT - 40,
		RIG_IOVA + RIG_DIRECT + 0x100,
		RIG_IOVA + RIG_RO,
		RIG_IOVA + RIG_HOLE - 70,
		UINT64_MAX - 100,
	};
	uint64_t b = take(in, 1), at = where[b % 16 % FL_ARRAY_SIZE(where)];

	return at + (b & 0x80 ? take(in, 2) : b >> 4 & 7);
}

/* SGLs at AT_SGL and behind, whose entries and links the input makes */
static void sgl(struct rig *r, struct in *in)
{
	uint8_t *s = r->mem + AT_SGL + (take(in, 1) & 3) * 0x1000;
	unsigned n = (unsigned)take(in, 1);

	memset(s, 0, 64);
	put(s, n & 0x80 ? place(in) & ~63ull : 0, 8);
	put(s + 10, n == 0xff ? take(in, 2) : n & 31, 2);
	put(s + 12, n == 0xff ? take(in, 2) : 255, 2);
	for (unsigned i = 0; i < (n & 7); i++) {
		put(s + 64 + 32 * i, place(in), 8);
		put(s + 64 + 32 * i + 16, take(in, 2), 4);
	}
}

static void request(struct in *in, struct req *q)
{
	uint8_t b[18];

	for (unsigned i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)take(in, 1);
	*q = (struct req){
		.cipher = b[0] & 3,
		.auth = b[1] & 3,
		.seq = b[2] & 1,
		.c_alg = b[3] & 3,
		.c_mode = b[4] & 15,
		.c_width = b[5] & 7,
		.c_key_len = b[6] & 3,
		.c_icv_len = b[7] & 63,
		.ctr_mode = b[8] & 3,
		.a_alg = b[9] & 63,
		.ai_gen = b[10] & 3,
		.a_pad = b[11] & 3,
		.scene = b[12] & 7,
		.mac_len = b[13] & 124,
		.a_key_len = b[14] & 252,
		.de = b[15] & 3,
		.src_type = b[16] & 1,
		.dst_type = b[17] & 1,
	};
	q->a_off = (uint16_t)(take(in, 1) * 3);
	q->c_off = (uint16_t)(take(in, 1) * 3);
	q->a_len = (uint32_t)take(in, 2) & 0x3fff;
	q->c_len = (uint32_t)take(in, 2) & 0x3fff;
	q->long_len = take(in, 3) * 8;
	q->src = place(in);
	q->dst = place(in);
	q->key = place(in);
	q->akey = place(in);
	q->iv = place(in);
	q->aiv = place(in);
	q->mac = place(in);
}

static void check(const uint8_t *before, const uint8_t *bd, bool error)
{
	static const uint8_t mine[] = { 112, 113, 114, 124, 125, 126, 127 };
	uint8_t want[128];

	memcpy(want, before, 128);
	for (unsigned i = 0; i < sizeof(mine); i++)
		want[mine[i]] = bd[mine[i]];
	if ((bd[0] & 0xf) == 3)
		want[121] = bd[121];
	if (memcmp(want, bd, 128) || !(bd[112] & 1) || error != (bd[114] != 0))
		abort();
}

static void job(struct rig *r, struct in *in)
{
	uint8_t bd[128], before[128];
	unsigned how = (unsigned)take(in, 1);
	enum secm_begin b;
	struct req q;

	request(in, &q);
	rig_bd(how & 1 ? 3 : 2, &q, bd);
	for (unsigned i = 0; i < (how >> 1 & 3); i++) {
		unsigned at = (unsigned)take(in, 1) % 128;

		bd[at] ^= (uint8_t)take(in, 1);
	}
	/* lengths of MiBs are the same again, and too slow for a fuzzer */
	for (unsigned i = 0; i < 2; i++)
		bd[((bd[0] & 0xf) == 3 ? 70 : 18) + 4 * i] = 0;
	memcpy(before, bd, 128);
	b = fl_secm_job_begin(&r->env, r->job, bd);
	if (how & 8)
		sgl(r, in);
	if (b == SECM_RUN)
		fl_secm_job_run(r->job, r->cache);
	if (b != SECM_BUSY)
		check(before, bd, fl_secm_job_finish(&r->env, r->job, bd));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig r;
	struct in in = { data, size };

	if (!r.e && rig_open(&r, 0x30))
		abort();
	memset(r.mem, 0, 0x2000);
	memset(r.mem + AT_SGL, 0, 0x4000);
	r.env.version = take(&in, 1) & 1 ? 0x21 : 0x30;
	for (unsigned i = 0; i < 8 && in.n; i++) {
		uint8_t what = (uint8_t)take(&in, 1);

		if (what & 1)
			sgl(&r, &in);
		if (what & 2) /* keys, IVs, MACs */
			put(r.mem + AT_KEY + (what >> 2), take(&in, 8), 8);
		job(&r, &in);
	}
	return 0;
}
