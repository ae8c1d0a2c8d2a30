/* SPDX-License-Identifier: BSD-3-Clause */
/* What a BD asks for: which operation it is, and whether its sizes go together. */
#include "bd.h"
#include "hash.h"

#define V2 0x21

static bool is_v2(const struct secm_env *env)
{
	return env->version <= V2;
}

/* bytes of the cipher key, 0 = no such key */
static unsigned cipher_key(const struct secm_bd *b)
{
	unsigned half = 16 + 8u * b->c_key_len;

	switch (b->c_alg) {
	case SECM_DES:
		return 8; /* whatever the code says: drivers disagree */
	case SECM_3DES:
		return b->c_key_len == 1 ? 24 : b->c_key_len == 3 ? 16 : 0;
	case SECM_AES:
		if (b->c_mode == SECM_XTS)
			return b->c_key_len == 0 || b->c_key_len == 2 ? 2 * half : 0;
		return b->c_key_len <= 2 ? half : 0;
	default:
		return b->c_key_len ? 0 : b->c_mode == SECM_XTS ? 32 : 16;
	}
}

static bool has_mode(const struct secm_env *env, const struct secm_bd *b)
{
	if (b->c_alg > SECM_SM4)
		return false;
	if (b->c_alg <= SECM_3DES)
		return b->c_mode == SECM_ECB || b->c_mode == SECM_CBC;
	switch (b->c_mode) {
	case SECM_CFB:
	case SECM_OFB:
		return b->type == 3;
	case SECM_CCM:
	case SECM_GCM:
		return b->c_alg == SECM_AES || !is_v2(env);
	case SECM_CBC_CS:
		return b->c_width >= 1 && b->c_width <= 3;
	default:
		return b->c_mode <= SECM_XTS;
	}
}

static bool length_fits(const struct secm_bd *b)
{
	unsigned block = b->c_alg <= SECM_3DES ? 8 : 16;

	if (!b->c_len || b->c_len > SECM_LEN_MAX)
		return false;
	switch (b->c_mode) {
	case SECM_ECB:
	case SECM_CBC:
		return b->c_len % block == 0;
	case SECM_XTS:
		return b->c_len >= 16;
	case SECM_CBC_CS:
		return b->c_len > 16;
	default:
		return true;
	}
}

static uint8_t check_cipher(const struct secm_env *env, struct secm_job *j)
{
	const struct secm_bd *b = &j->bd;

	if (b->cipher > SECM_DECRYPT || !has_mode(env, b))
		return SECM_BAD_CIPHER;
	if (b->ci_gen)
		return SECM_BAD_IV;
	if (b->de > 1 || (b->de && b->dst_type > 1))
		return SECM_BAD_ADDR;
	j->c_key_len = (uint8_t)cipher_key(b);
	return j->c_key_len && !b->other_key ? SECM_OK : SECM_BAD_KEY;
}

/* ---- digests ----------------------------------------------------------------------------- */

/* XCBC, CMAC, GMAC: AES keys in a_key */
static uint8_t check_block_mac(struct secm_job *j)
{
	const struct secm_bd *b = &j->bd;
	unsigned longest = b->a_alg == SECM_GMAC ? 32 : 16;

	if (b->a_alg < SECM_XCBC || b->a_alg > SECM_GMAC || b->type != 3)
		return SECM_BAD_AUTH;
	if (b->a_key_len < 16 || b->a_key_len > longest || b->a_key_len % 8)
		return SECM_BAD_AKEY;
	if (!b->mac_len || b->mac_len > 16)
		return SECM_BAD_MAC;
	if (!b->a_len && b->a_alg != SECM_GMAC)
		return SECM_BAD_LEN;
	j->mac_len = (uint8_t)b->mac_len;
	return SECM_OK;
}

/* The last BD of a long hash says how long all was, so that the device can pad it. */
static bool total_fits(const struct secm_bd *b, const struct secm_hash *h)
{
	uint64_t all = b->long_len / 8;

	return b->long_len % 8 == 0 && all >= b->a_len && all - b->a_len >= h->block &&
	       (all - b->a_len) % h->block == 0;
}

static uint8_t check_hash(const struct secm_env *env, struct secm_job *j, const struct secm_hash *h)
{
	const struct secm_bd *b = &j->bd;
	bool last = b->ai_gen && !b->a_pad;

	if (fl_secm_is_hmac(b->a_alg) && (!b->a_key_len || b->a_key_len > h->block))
		return SECM_BAD_AKEY;
	if (b->ai_gen > SECM_GEN_ADDR || b->a_pad > 1 || (b->a_pad && b->auth == SECM_VERIFY))
		return SECM_BAD_STAGE;
	if (b->a_pad) {
		j->mac_len = h->state;
		return b->a_len && b->a_len % h->block == 0 ? SECM_OK : SECM_BAD_LEN;
	}
	if (!b->mac_len || b->mac_len > h->digest)
		return SECM_BAD_MAC;
	j->mac_len = (uint8_t)b->mac_len;
	if (last)
		return total_fits(b, h) ? SECM_OK : SECM_BAD_LEN;
	return b->a_len || !is_v2(env) ? SECM_OK : SECM_BAD_LEN;
}

static uint8_t check_auth(const struct secm_env *env, struct secm_job *j)
{
	const struct secm_bd *b = &j->bd;
	const struct secm_hash *h = fl_secm_hash(b->a_alg);

	if (b->auth > SECM_VERIFY)
		return SECM_BAD_AUTH;
	if (b->a_len > SECM_LEN_MAX)
		return SECM_BAD_LEN;
	if (b->other_key)
		return SECM_BAD_AKEY;
	j->a_key_len = h && !fl_secm_is_hmac(b->a_alg) ? 0 : (uint8_t)b->a_key_len;
	return h ? check_hash(env, j, h) : check_block_mac(j);
}

/* ---- both -------------------------------------------------------------------------------- */

static uint8_t check_chain(const struct secm_env *env, struct secm_job *j)
{
	const struct secm_bd *b = &j->bd;
	uint8_t r;

	if (b->c_mode == SECM_CCM || b->c_mode == SECM_GCM)
		return SECM_BAD_CIPHER;
	if (b->a_alg == SECM_GMAC || b->ai_gen || b->a_pad)
		return SECM_BAD_AUTH;
	if (!length_fits(b))
		return SECM_BAD_LEN;
	r = check_auth(env, j);
	j->op = SECM_OP_CHAIN;
	return r;
}

static uint8_t check_aead(const struct secm_env *env, struct secm_job *j)
{
	const struct secm_bd *b = &j->bd;
	bool ccm = b->c_mode == SECM_CCM;

	j->op = ccm ? SECM_OP_CCM : SECM_OP_GCM;
	if (b->ai_gen || b->a_pad)
		return SECM_BAD_STAGE;
	if (b->c_icv_len < 4 || b->c_icv_len > 16 || (ccm && b->c_icv_len % 2))
		return SECM_BAD_MAC;
	if (b->a_len > (ccm ? 0xfeffu : 0xffffu) || b->c_len > SECM_LEN_MAX - b->a_len)
		return SECM_BAD_LEN;
	if (!b->c_len && is_v2(env))
		return SECM_BAD_LEN;
	j->mac_len = b->c_icv_len;
	return SECM_OK;
}

/* GCM in pieces: the first BD hashes the AAD */
static uint8_t check_gcm_aad(struct secm_job *j)
{
	const struct secm_bd *b = &j->bd;

	j->op = SECM_OP_GCM_AAD;
	if (!b->a_len || b->a_len > SECM_LEN_MAX)
		return SECM_BAD_LEN;
	if (b->a_key_len < 16 || b->a_key_len > 32 || b->a_key_len % 8 || b->other_key)
		return SECM_BAD_AKEY;
	j->a_key_len = (uint8_t)b->a_key_len;
	j->mac_len = 16;
	return SECM_OK;
}

/* ... those that follow go on with its state. The last of them is software's on this hardware. */
static uint8_t check_gcm_part(struct secm_job *j)
{
	const struct secm_bd *b = &j->bd;

	j->op = SECM_OP_GCM_PART;
	if (b->ai_gen != SECM_GEN_ADDR || b->a_pad != 1)
		return SECM_BAD_STAGE;
	if (!b->c_len || b->c_len % 16 || b->c_len > SECM_LEN_MAX || b->a_len)
		return SECM_BAD_LEN;
	j->mac_len = 16;
	return SECM_OK;
}

static uint8_t check_cipher_op(const struct secm_env *env, struct secm_job *j)
{
	const struct secm_bd *b = &j->bd;
	uint8_t r = check_cipher(env, j);

	if (r)
		return r;
	if (b->auth)
		return check_chain(env, j);
	if (b->c_mode == SECM_GCM && (b->ai_gen || b->a_pad))
		return check_gcm_part(j);
	if (b->c_mode == SECM_CCM || b->c_mode == SECM_GCM)
		return check_aead(env, j);
	j->op = SECM_OP_CIPHER;
	return length_fits(b) ? SECM_OK : SECM_BAD_LEN;
}

uint8_t fl_secm_check(const struct secm_env *env, struct secm_job *j)
{
	const struct secm_bd *b = &j->bd;

	if (b->type == 3 && is_v2(env))
		return SECM_BAD_TYPE;
	if (b->scene != 0 && b->scene != 1 && b->scene != 7)
		return SECM_BAD_SCENE;
	if (b->src_type > 1 || b->mac_type)
		return SECM_BAD_ADDR;
	if (b->cipher)
		return check_cipher_op(env, j);
	if (!b->auth)
		return SECM_BAD_CIPHER;
	if (b->auth == SECM_COMPUTE && b->a_alg == SECM_GMAC && !b->ai_gen && b->a_pad)
		return check_gcm_aad(j);
	j->op = SECM_OP_AUTH;
	if (b->a_alg == SECM_GMAC && (b->ai_gen != SECM_GEN_ADDR || b->a_pad))
		return SECM_BAD_STAGE;
	if (!fl_secm_hash(b->a_alg) && b->a_alg != SECM_GMAC && (b->ai_gen || b->a_pad))
		return SECM_BAD_STAGE;
	return check_auth(env, j);
}
