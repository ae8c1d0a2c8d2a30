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

void fl_secm_job_drop(struct secm_env *env, struct secm_job *j)
{
	fl_secm_miss_forget(env, j);
	fl_secm_job_shrink(env, j);
}

static void restart(struct secm_env *env, struct secm_job *j)
{
	fl_secm_job_shrink(env, j);
	j->op = SECM_OP_NOTHING;
	j->error = j->icv = j->c_key_len = j->a_key_len = j->mac_len = 0;
	j->mac_out = false;
	j->src.n = j->dst.n = 0;
	j->bounce_used = 0;
	j->written = 0;
	__atomic_store_n(&j->ran, false, __ATOMIC_RELAXED);
}

static void fail(struct secm_env *env, struct secm_job *j, uint8_t error)
{
	fl_secm_miss_forget(env, j);
	j->error = error;
}

void fl_secm_job_fault(struct secm_env *env, struct secm_job *j)
{
	fail(env, j, SECM_FAULT);
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

static uint8_t read_cipher_key(const struct secm_env *env, struct secm_job *j)
{
	const struct secm_bd *b = &j->bd;
	uint8_t r;

	if (!j->c_key_len)
		return SECM_OK;
	r = fl_secm_read(env, j, TLB_KEY, b->c_key, j->c_key, j->c_key_len);
	if (!r && b->c_alg <= SECM_3DES && j->c_key_len < 24)
		spread_des_key(j);
	return r;
}

static uint8_t read_ivs(const struct secm_env *env, struct secm_job *j)
{
	const struct secm_bd *b = &j->bd;
	uint32_t c = 16, a = 0;
	uint8_t r = SECM_OK;

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
	if (c)
		r = fl_secm_read(env, j, TLB_IV, b->c_iv, j->c_iv, c);
	return a ? fl_secm_both(r, fl_secm_read(env, j, TLB_IV, b->a_iv, j->a_iv, a)) : r;
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

/* the MAC too, where it is to be compared */
static uint8_t read_keys(const struct secm_env *env, struct secm_job *j)
{
	const struct secm_bd *b = &j->bd;
	uint8_t r = fl_secm_both(read_cipher_key(env, j), read_ivs(env, j));

	if (j->a_key_len)
		r = fl_secm_both(r,
				 fl_secm_read(env, j, TLB_KEY, b->a_key, j->a_key, j->a_key_len));
	if (verifies(j))
		return fl_secm_both(r, fl_secm_read(env, j, TLB_MAC, b->mac, j->want, j->mac_len));
	j->mac_out = j->mac_len;
	return r;
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
	if (fl_secm_is_error(r) || ends_early(j))
		return r;
	return fl_secm_both(r, fl_secm_map(env, j, true, b->c_off, b->c_len));
}

static uint8_t prepare(struct secm_env *env, struct secm_job *j)
{
	uint8_t r = fl_secm_check(env, j);

	if (r)
		return r;
	r = read_keys(env, j);
	if (!r && j->op == SECM_OP_CCM && !ccm_iv_fits(j))
		r = SECM_BAD_IV;
	return fl_secm_is_error(r) ? r : fl_secm_both(r, map_data(env, j));
}

static enum secm_begin begin(struct secm_env *env, struct secm_job *j)
{
	uint8_t r = prepare(env, j);

	if (r == SECM_OK)
		return SECM_RUN;
	if (!fl_secm_is_error(r)) {
		fl_secm_job_shrink(env, j);
		return j->nask ? SECM_PARKED : SECM_BUSY;
	}
	fail(env, j, r);
	return SECM_COMPLETED;
}

enum secm_begin fl_secm_job_begin(struct secm_env *env, struct secm_job *j,
				  const uint8_t bd[SECM_BD_SIZE])
{
	restart(env, j);
	j->nbefore = j->again = 0;
	if (!fl_secm_bd_parse(bd, &j->bd)) {
		j->error = SECM_BAD_TYPE;
		return SECM_COMPLETED;
	}
	return j->bd.invalid ? SECM_COMPLETED : begin(env, j);
}

enum secm_begin fl_secm_job_resume(struct secm_env *env, struct secm_job *j)
{
	uint8_t r = fl_secm_miss_answers(env, j);

	if (r == SECM_MISSED)
		return SECM_PARKED;
	if (!r && fl_secm_miss_again(j)) {
		restart(env, j);
		return begin(env, j);
	}
	fail(env, j, SECM_FAULT);
	return SECM_COMPLETED;
}

/* ---- and back ---------------------------------------------------------------------------- */

static uint8_t write_bounced(const struct secm_env *env, struct secm_job *j,
			     const struct secm_seg *s)
{
	if (!s->bounced || !fl_model_dma_write(env->m, fl_iova(s->iova), s->p, s->len))
		return SECM_OK;
	return fl_secm_miss(env, j, s->iova, s->len, FL_DMA_WRITE);
}

static uint8_t write_results(const struct secm_env *env, struct secm_job *j)
{
	for (; j->written < j->dst.n; j->written++) {
		uint8_t r = write_bounced(env, j, &j->dst.seg[j->written]);

		if (r)
			return r;
	}
	if (!j->mac_out)
		return SECM_OK;
	return fl_secm_write(env, j, TLB_MAC, j->bd.mac, j->mac, j->mac_len);
}

/* what began with memory that was there may find it gone by now */
static uint8_t try_to_write(const struct secm_env *env, struct secm_job *j)
{
	uint8_t r = SECM_OK;

	if (fl_unlikely(j->nask)) {
		r = fl_secm_miss_answers(env, j);
		if (!r && !fl_secm_miss_again(j))
			r = SECM_FAULT;
	}
	return r ? r : write_results(env, j);
}

static unsigned flag(const struct secm_bd *b)
{
	if (!b->cipher)
		return b->auth ? 1 : 0;
	return b->auth || b->c_mode == SECM_CCM || b->c_mode == SECM_GCM ? 3 : 2;
}

enum secm_finish fl_secm_job_finish(struct secm_env *env, struct secm_job *j,
				    uint8_t bd[SECM_BD_SIZE])
{
	uint32_t status = 1u | flag(&j->bd) << 7;
	uint8_t r = SECM_OK;

	if (!j->error && j->op != SECM_OP_NOTHING)
		r = try_to_write(env, j);
	if (fl_secm_is_error(r))
		fail(env, j, r);
	else if (r)
		return SECM_NOT_YET;
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
	return j->error ? SECM_FAILED : SECM_DONE;
}
