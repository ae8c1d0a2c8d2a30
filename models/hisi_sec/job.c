/* SPDX-License-Identifier: BSD-3-Clause */
/* A job's life in the model engine's thread: from a BD, and back into it. */
#include "bd.h"
#include "hash.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

struct secm_job *fl_secm_job_new(void)
{
	struct secm_job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->src.seg = j->src.few;
	j->dst.seg = j->dst.few;
	j->src.cap = j->dst.cap = FL_ARRAY_SIZE(j->src.few);
	return j;
}

void fl_secm_job_free(struct secm_job *j)
{
	if (!j)
		return;
	if (j->src.seg != j->src.few)
		free(j->src.seg);
	if (j->dst.seg != j->dst.few)
		free(j->dst.seg);
	free(j->bounce);
	OPENSSL_cleanse(j, sizeof(*j));
	free(j);
}

static void restart(struct secm_env *env, struct secm_job *j)
{
	fl_secm_job_drop(env, j);
	j->op = SECM_OP_NOTHING;
	j->error = j->icv = j->c_key_len = j->a_key_len = j->mac_len = 0;
	j->mac_out = false;
	j->src.n = j->dst.n = 0;
	j->bounce_used = 0;
	__atomic_store_n(&j->ran, false, __ATOMIC_RELAXED);
}

static bool ends_early(const struct secm_job *j)
{
	return j->op == SECM_OP_AUTH || j->op == SECM_OP_GCM_AAD;
}

/* DES is 3DES with one key thrice, two-key 3DES uses its first one twice. */
static void spread_des_key(struct secm_job *j)
{
	if (j->c_key_len == 8)
		memcpy(j->c_key + 8, j->c_key, 8);
	memcpy(j->c_key + 16, j->c_key, 8);
	j->c_key_len = 24;
}

static bool read_cipher_key(const struct secm_env *env, struct secm_job *j)
{
	const struct secm_bd *b = &j->bd;

	if (!j->c_key_len)
		return true;
	if (!fl_secm_read(env, &j->tlb[TLB_KEY], b->c_key, j->c_key, j->c_key_len))
		return false;
	if (b->c_alg <= SECM_3DES && j->c_key_len < 24)
		spread_des_key(j);
	return true;
}

static bool read_ivs(const struct secm_env *env, struct secm_job *j)
{
	const struct secm_bd *b = &j->bd;
	struct fl_model_tlb *t = &j->tlb[TLB_IV];
	uint32_t c = 16, a = 0;

	if (ends_early(j) || b->c_mode == SECM_ECB)
		c = 0; /* drivers leave rubbish in the address */
	else if (j->op == SECM_OP_GCM)
		c = 12;
	else if (b->c_alg <= SECM_3DES)
		c = 8;
	if (j->op == SECM_OP_CCM || j->op == SECM_OP_GCM_PART)
		a = 16;
	else if (j->op == SECM_OP_AUTH && b->a_alg == SECM_GMAC)
		a = 12;
	else if (j->op == SECM_OP_AUTH && b->ai_gen)
		a = fl_secm_hash(b->a_alg)->state;
	return (!c || fl_secm_read(env, t, b->c_iv, j->c_iv, c)) &&
	       (!a || fl_secm_read(env, t, b->a_iv, j->a_iv, a));
}

/* byte 0 of a CCM counter block: bytes of the length less 1, which must hold the length */
static bool ccm_iv_fits(const struct secm_job *j)
{
	unsigned l = j->c_iv[0] + 1u;

	return l >= 2 && l <= 8 && (l >= 4 || j->bd.c_len >> 8 * l == 0);
}

static bool verifies(const struct secm_job *j)
{
	switch (j->op) {
	case SECM_OP_AUTH:
	case SECM_OP_CHAIN:
		return j->bd.auth == SECM_VERIFY;
	case SECM_OP_CCM:
	case SECM_OP_GCM:
		return j->bd.cipher == SECM_DECRYPT;
	default:
		return false;
	}
}

static bool read_keys(const struct secm_env *env, struct secm_job *j)
{
	const struct secm_bd *b = &j->bd;

	if (!read_cipher_key(env, j) || !read_ivs(env, j))
		return false;
	if (j->a_key_len && !fl_secm_read(env, &j->tlb[TLB_KEY], b->a_key, j->a_key, j->a_key_len))
		return false;
	if (verifies(j))
		return fl_secm_read(env, &j->tlb[TLB_MAC], b->mac, j->want, j->mac_len);
	j->mac_out = j->mac_len;
	return true;
}

static uint8_t map_data(struct secm_env *env, struct secm_job *j)
{
	const struct secm_bd *b = &j->bd;
	uint32_t first = UINT32_MAX, end = 0;
	uint8_t r;

	if (j->op != SECM_OP_CIPHER && b->a_len) {
		first = b->a_off;
		end = b->a_off + b->a_len;
	}
	if (!ends_early(j) && b->c_len) {
		first = first < b->c_off ? first : b->c_off;
		end = end > b->c_off + b->c_len ? end : b->c_off + b->c_len;
	}
	if (!end)
		return SECM_OK;
	j->src_at = first;
	r = fl_secm_map(env, j, false, first, end - first);
	if (r || ends_early(j))
		return r;
	return fl_secm_map(env, j, true, b->c_off, b->c_len);
}

static uint8_t prepare(struct secm_env *env, struct secm_job *j)
{
	uint8_t r = fl_secm_check(env, j);

	if (!r && !read_keys(env, j))
		r = SECM_FAULT;
	if (!r && j->op == SECM_OP_CCM && !ccm_iv_fits(j))
		r = SECM_BAD_IV;
	return r ? r : map_data(env, j);
}

enum secm_begin fl_secm_job_begin(struct secm_env *env, struct secm_job *j,
				  const uint8_t bd[SECM_BD_SIZE])
{
	restart(env, j);
	if (!fl_secm_bd_parse(bd, &j->bd)) {
		j->error = SECM_BAD_TYPE;
		return SECM_COMPLETED;
	}
	if (j->bd.invalid)
		return SECM_COMPLETED;
	j->error = prepare(env, j);
	if (j->error == SECM_NO_MEMORY) {
		fl_secm_job_drop(env, j);
		return SECM_BUSY;
	}
	return j->error ? SECM_COMPLETED : SECM_RUN;
}

/* ---- and back ---------------------------------------------------------------------------- */

static bool write_results(const struct secm_env *env, struct secm_job *j)
{
	for (unsigned i = 0; i < j->dst.n; i++) {
		const struct secm_seg *s = &j->dst.seg[i];

		if (s->bounced && fl_model_dma_write(env->m, fl_iova(s->iova), s->p, s->len))
			return false;
	}
	return !j->mac_out || fl_secm_write(env, &j->tlb[TLB_MAC], j->bd.mac, j->mac, j->mac_len);
}

static unsigned flag(const struct secm_bd *b)
{
	if (!b->cipher)
		return b->auth ? 1 : 0;
	return b->auth || b->c_mode == SECM_CCM || b->c_mode == SECM_GCM ? 3 : 2;
}

bool fl_secm_job_finish(struct secm_env *env, struct secm_job *j, uint8_t bd[SECM_BD_SIZE])
{
	uint32_t status = 1u | flag(&j->bd) << 7;

	if (!j->error && j->op != SECM_OP_NOTHING && !write_results(env, j))
		j->error = SECM_FAULT;
	if (!j->error)
		status |= (uint32_t)j->icv << 1;
	bd[112] = (uint8_t)status;
	bd[113] = (uint8_t)(status >> 8);
	bd[114] = j->error;
	if (j->bd.type == 3)
		bd[121] = j->error == SECM_FAULT ? SECM_SVA_FAULT : 0;
	if (env->counter)
		fl_secm_put_le32(bd + 124, ++*env->counter);
	fl_secm_job_drop(env, j);
	return j->error;
}
