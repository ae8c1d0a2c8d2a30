/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a job of the SEC2 model's engine costs, beside bare EVP on the same data: CPU time of this
 * thread, the best of many short runs taken in turn, so that a busy machine spoils little.
 */
#include "../unit/hisi_sec_rig.h"

#include <openssl/evp.h>
#include <time.h>

#define RUNS 60u

static struct rig rig;

static const struct {
	const char *name, *evp;
	uint8_t alg, mode, auth;
} kinds[] = {
	{ "aes-128-cbc", "AES-128-CBC", SECM_AES, SECM_CBC, 0 },
	{ "aes-128-gcm", "AES-128-GCM", SECM_AES, SECM_GCM, 0 },
	{ "aes-128-ctr", "AES-128-CTR", SECM_AES, SECM_CTR, 0 },
	{ "aes-128-xts", "AES-128-XTS", SECM_AES, SECM_XTS, 0 },
	{ "aes-128-ccm", NULL, SECM_AES, SECM_CCM, 0 },
	{ "sm4-ctr", "SM4-CTR", SECM_SM4, SECM_CTR, 0 },
	{ "sm4-gcm", NULL, SECM_SM4, SECM_GCM, 0 },
	{ "sha256", "SHA256", 0, 0, 0x01 },
	{ "sha256-hmac", NULL, 0, 0, 0x11 },
	{ "sm3", "SM3", 0, 0, SECM_SM3 },
};

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void request(unsigned k, uint32_t len, uint8_t *bd)
{
	struct req q = { .ctr_mode = 2, .de = 1, .scene = kinds[k].auth ? 7 : 1 };

	rig_addresses(&q);
	if (kinds[k].auth) {
		q.auth = 1;
		q.a_alg = kinds[k].auth;
		q.mac_len = q.a_key_len = 32;
		q.a_len = len;
	} else {
		q.cipher = 1;
		q.c_alg = kinds[k].alg;
		q.c_mode = kinds[k].mode;
		q.c_len = len;
		q.c_icv_len = 16;
	}
	rig_bd3(&q, bd);
}

/* ns for each of n; *run = of them in fl_secm_job_run() */
static double ours(const uint8_t *bd, unsigned n, bool only_run)
{
	uint8_t copy[128];
	uint64_t t = now();

	for (unsigned i = 0; i < n; i++) {
		if (only_run && i) {
			fl_secm_job_run(rig.job, rig.cache);
			continue;
		}
		memcpy(copy, bd, 128);
		if (fl_secm_job_begin(&rig.env, rig.job, copy) != SECM_RUN)
			abort();
		fl_secm_job_run(rig.job, rig.cache);
		if (fl_secm_job_finish(&rig.env, rig.job, copy))
			abort();
	}
	return (double)(now() - t) / n;
}

struct bare {
	EVP_CIPHER_CTX *c;
	EVP_MD_CTX *m;
	EVP_MD *md;
	bool tag;
};

static void bare_open(struct bare *b, unsigned k)
{
	EVP_CIPHER *c = EVP_CIPHER_fetch(NULL, kinds[k].evp, NULL);
	uint8_t key[64];

	for (unsigned i = 0; i < 64; i++)
		key[i] = (uint8_t)i;
	b->c = EVP_CIPHER_CTX_new();
	b->m = EVP_MD_CTX_new();
	b->md = kinds[k].auth ? EVP_MD_fetch(NULL, kinds[k].evp, NULL) : NULL;
	b->tag = kinds[k].mode == SECM_GCM;
	if (!b->md && EVP_EncryptInit_ex(b->c, c, NULL, key, key) != 1)
		abort();
	EVP_CIPHER_free(c);
}

static void bare_close(struct bare *b)
{
	EVP_CIPHER_CTX_free(b->c);
	EVP_MD_CTX_free(b->m);
	EVP_MD_free(b->md);
}

static double bare(struct bare *b, uint32_t len, unsigned n)
{
	const uint8_t *in = rig.mem + AT_SRC, *iv = rig.mem + AT_IV;
	uint8_t *out = rig.mem + AT_DST, tag[64];
	uint64_t t = now();
	int l;

	for (unsigned i = 0; i < n; i++) {
		if (b->md) {
			EVP_DigestInit_ex2(b->m, b->md, NULL);
			EVP_DigestUpdate(b->m, in, len);
			EVP_DigestFinal_ex(b->m, tag, NULL);
			continue;
		}
		EVP_EncryptInit_ex(b->c, NULL, NULL, NULL, iv);
		EVP_EncryptUpdate(b->c, out, &l, in, (int)len);
		if (b->tag) {
			EVP_EncryptFinal_ex(b->c, tag, &l);
			EVP_CIPHER_CTX_ctrl(b->c, EVP_CTRL_AEAD_GET_TAG, 16, tag);
		}
	}
	return (double)(now() - t) / n;
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

static void measure(unsigned k, uint32_t len)
{
	unsigned n = 16 + 200000 / (len + 200);
	double whole = 1e12, run = 1e12, evp = 1e12;
	struct bare b = { .md = NULL };
	uint8_t bd[128];

	request(k, len, bd);
	if (kinds[k].evp)
		bare_open(&b, k);
	for (unsigned i = 0; i < RUNS; i++) {
		whole = least(whole, ours(bd, n, false));
		run = least(run, ours(bd, n, true));
		if (kinds[k].evp)
			evp = least(evp, bare(&b, len, n));
	}
	if (kinds[k].evp)
		printf("%-12s %6u  job %8.0f ns  run %8.0f ns  EVP %8.0f ns  job/EVP %.3f\n",
		       kinds[k].name, len, whole, run, evp, whole / evp);
	else
		printf("%-12s %6u  job %8.0f ns  run %8.0f ns\n", kinds[k].name, len, whole, run);
	bare_close(&b);
}

int main(void)
{
	static const uint32_t sizes[] = { 64, 1024, 16384 };

	if (rig_open(&rig, 0x30))
		return 1;
	for (unsigned i = 0; i < 64; i++)
		rig.mem[AT_KEY + i] = (uint8_t)i;
	rig.mem[AT_IV] = 2;
	for (unsigned k = 0; k < FL_ARRAY_SIZE(kinds); k++)
		for (unsigned s = 0; s < FL_ARRAY_SIZE(sizes); s++)
			measure(k, sizes[s]);
	rig_close(&rig);
	return 0;
}
