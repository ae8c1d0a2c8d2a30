/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A descriptor (BD) of type 2 or 3 as both say it, and the job that is made of it.
 */
#ifndef HISI_SEC_BD_H
#define HISI_SEC_BD_H

#include "hisi_sec_internal.h"

#include <errno.h>
#include <string.h>

#define SECM_LEN_MAX 0xfffe00u /* bytes of one BD */
#define SECM_SGE_MAX (8u << 20)

/**
 * error_type of a BD that was not done. The silicon's codes are not public: these are ours, and
 * drivers may rely on no more than that they are not 0.
 */
enum secm_error {
	SECM_OK,
	SECM_BAD_TYPE = 0x01,	/* BD type, or one that this generation does not know */
	SECM_BAD_SCENE = 0x02,	/* a scene that the model has not */
	SECM_BAD_ADDR = 0x03,	/* address kind (PRP, MAC in an SGL), data-out selector */
	SECM_BAD_CIPHER = 0x04, /* cipher algorithm, mode or direction */
	SECM_BAD_KEY = 0x05,	/* cipher key size or source */
	SECM_BAD_LEN = 0x06,	/* data length: zero, no whole blocks, too long */
	SECM_BAD_AUTH = 0x07,	/* digest algorithm, or one that does not go with the rest */
	SECM_BAD_AKEY = 0x08,	/* MAC key size */
	SECM_BAD_MAC = 0x09,	/* digest or tag size */
	SECM_BAD_STAGE = 0x0a,	/* hash start state and padding that do not go together */
	SECM_BAD_IV = 0x0b,	/* IV source; first byte of a CCM IV */
	SECM_BAD_SGL = 0x0c,	/* alignment, counts, lengths, a chain without end, too few bytes */
	SECM_FAULT = 0x10,	/* an address outside every mapping, or against its permission */
	SECM_ENGINE = 0x20,	/* the crypto library refused */
};

/** hac_sva_status of BD type 3 beside SECM_FAULT; ours too */
#define SECM_SVA_FAULT 1u

enum secm_dir { SECM_NONE, SECM_ENCRYPT, SECM_DECRYPT };
enum secm_auth { SECM_NO_AUTH, SECM_COMPUTE, SECM_VERIFY };
enum secm_alg { SECM_DES, SECM_3DES, SECM_AES, SECM_SM4 };
enum secm_mode {
	SECM_ECB,
	SECM_CBC,
	SECM_CFB,
	SECM_OFB,
	SECM_CTR,
	SECM_CCM,
	SECM_GCM,
	SECM_XTS,
	SECM_CBC_CS = 9,
};
enum secm_gen { SECM_GEN_NONE, SECM_GEN_ADDR }; /* ai_gen */
enum secm_auth_alg {
	SECM_HMAC = 0x10, /* beside a hash; SM3 has codes of its own */
	SECM_XCBC = 0x20,
	SECM_CMAC = 0x21,
	SECM_GMAC = 0x22,
	SECM_SM3 = 0x25,
	SECM_HMAC_SM3 = 0x26,
};

/** Fields with the datasheet's names and meaning; lengths in bytes. */
struct secm_bd {
	uint8_t type, scene, de, src_type, dst_type, mac_type;
	uint8_t cipher, auth, ci_gen, ai_gen, a_pad;
	uint8_t c_alg, c_mode, c_key_len, c_width, c_icv_len;
	uint8_t a_alg, ctr_mode;
	bool invalid, seq;
	bool other_key; /* a key that is not in memory */
	bool prefetch;	/* sva_prefetch: translations for all of a buffer, not only for a page */
	uint16_t mac_len, a_key_len, a_off, c_off;
	uint32_t a_len, c_len;
	uint64_t long_len; /* long_a_data_len */
	uint64_t src, dst, mac, c_key, c_iv, a_key, a_iv;
};

/** False = no BD of a known type; *b is all zero but for the type. */
bool fl_secm_bd_parse(const uint8_t raw[SECM_BD_SIZE], struct secm_bd *b);
void fl_secm_bd2_parse(const uint8_t raw[SECM_BD_SIZE], struct secm_bd *b);
void fl_secm_bd3_parse(const uint8_t raw[SECM_BD_SIZE], struct secm_bd *b);

static inline uint16_t fl_secm_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t fl_secm_le32(const uint8_t *p)
{
	return fl_secm_le16(p) | (uint32_t)fl_secm_le16(p + 2) << 16;
}

static inline uint64_t fl_secm_le64(const uint8_t *p)
{
	return fl_secm_le32(p) | (uint64_t)fl_secm_le32(p + 4) << 32;
}

static inline void fl_secm_put_le32(uint8_t *p, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

/** Bits [lo, lo + n) */
static inline uint32_t fl_secm_bits(uint32_t v, unsigned lo, unsigned n)
{
	return v >> lo & ((1u << n) - 1);
}

/* ---- memory ------------------------------------------------------------------------------ */

/** A run of the client's memory, or of ours that stands for it. */
struct secm_seg {
	uint8_t *p;
	uint32_t len;
	bool bounced;
	uint64_t iova; /* of a bounced one */
};

/** Bytes in the order in which the job sees them; it grows and is used again. */
struct secm_vec {
	struct secm_seg *seg; /* few, or allocated */
	unsigned n, cap;
	struct secm_seg few[4];
};

/* one TLB each: they seldom share a mapping, and a job's successor looks at the same ones */
enum secm_tlb { TLB_KEY, TLB_IV, TLB_MAC, TLB_SGL, TLB_SRC, TLB_DST, TLB_COUNT };

/* ---- jobs -------------------------------------------------------------------------------- */

enum secm_op {
	SECM_OP_NOTHING,
	SECM_OP_CIPHER,
	SECM_OP_AUTH,
	SECM_OP_CHAIN,
	SECM_OP_CCM,
	SECM_OP_GCM,
	SECM_OP_GCM_AAD,  /* first BD of a GCM in pieces: GHASH of the AAD */
	SECM_OP_GCM_PART, /* those in the middle */
};

#define SECM_STATE_MAX 64u
#define SECM_PAGE      4096u
#define SECM_ASKS      8u /* key, IVs, MAC key, MAC, source, destination */

/** A page request of a job. */
struct secm_ask {
	uint64_t page;	  /* its address: of all that was missing the first */
	fl_model_pr_t pr; /* 0 = answered */
	uint8_t prot;
};

struct secm_job {
	struct secm_bd bd;
	enum secm_op op;
	uint8_t error, icv;
	bool ran;
	uint8_t c_key_len, a_key_len; /* bytes of c_key, a_key */
	uint8_t mac_len;	      /* bytes of mac that are written or compared */
	bool mac_out;
	uint8_t c_key[64], a_key[128], c_iv[16], a_iv[SECM_STATE_MAX];
	uint8_t mac[SECM_STATE_MAX];  /* computed */
	uint8_t want[SECM_STATE_MAX]; /* what the client says it is */
	uint32_t src_at;	      /* offset in the source of src's first byte */
	struct secm_vec src, dst;
	uint8_t *bounce;
	size_t bounce_used, bounce_size;
	size_t lent; /* of env->lent */
	struct fl_model_tlb tlb[TLB_COUNT];
	unsigned written; /* pieces of dst that are the client's again */
	/* page requests of this round and of the one before; miss.c */
	struct secm_ask ask[SECM_ASKS], before[SECM_ASKS];
	unsigned nask, nbefore, again;
	bool repeats;
};

/** Gives back what it holds beyond a little. */
void fl_secm_job_shrink(struct secm_env *env, struct secm_job *j);
/** SECM_OK with op and the sizes of keys and MAC set, or what is wrong. */
uint8_t fl_secm_check(const struct secm_env *env, struct secm_job *j);

/** Beside the error types: what is no error of the BD. */
#define SECM_MISSED    0xfeu /* pages were asked for: begin again once that is answered */
#define SECM_NO_MEMORY 0xffu /* try again later */
static inline bool fl_secm_is_error(uint8_t r)
{
	return r && r < SECM_MISSED;
}

/** What two steps make together: an error before a wait. */
static inline uint8_t fl_secm_both(uint8_t a, uint8_t b)
{
	if (fl_secm_is_error(a) || fl_secm_is_error(b))
		return fl_secm_is_error(a) ? a : b;
	return a > b ? a : b;
}

/**
 * Where the bytes [off, off + len) of the source or destination are, flat or through an SGL.
 * SECM_OK, SECM_FAULT, SECM_BAD_SGL, SECM_MISSED, SECM_NO_MEMORY.
 */
uint8_t fl_secm_map(struct secm_env *env, struct secm_job *j, bool dst, uint32_t off, uint32_t len);
/** SECM_OK, SECM_FAULT, SECM_MISSED, SECM_NO_MEMORY. */
uint8_t fl_secm_read(const struct secm_env *env, struct secm_job *j, enum secm_tlb t, uint64_t iova,
		     void *buf, uint32_t len);
uint8_t fl_secm_write(const struct secm_env *env, struct secm_job *j, enum secm_tlb t,
		      uint64_t iova, const void *buf, uint32_t len);

/* ---- miss.c ------------------------------------------------------------------------------- */

/**
 * [iova, iova + len) cannot be reached at one go: asks for the first page of it that is not there.
 * SECM_MISSED; SECM_NO_MEMORY: not now; SECM_FAULT: it is no matter of pages, so a copy will do it
 * or say what is wrong.
 */
uint8_t fl_secm_miss(const struct secm_env *env, struct secm_job *j, uint64_t iova, uint32_t len,
		     unsigned prot);
void fl_secm_miss_forget(const struct secm_env *env, struct secm_job *j);
/** SECM_OK: all is answered, try again; SECM_MISSED: not yet; SECM_FAULT: one was refused. */
uint8_t fl_secm_miss_answers(const struct secm_env *env, struct secm_job *j);
/** Begins a new round; false: the last ones led nowhere. */
bool fl_secm_miss_again(struct secm_job *j);

#endif
