/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's descriptors (BD), type 2 of V2 and type 3 of V3: what a session puts in once, and
 * what each request patches. Layout: SEC2 datasheet, section 4.
 */
#ifndef SEC_BD_H
#define SEC_BD_H

#include <string.h>

#include <fl_base.h>

struct fl_sec_bd {
	union {
		uint32_t w[32];
		uint64_t q[16];
	};
} FL_CACHE_ALIGNED;
_Static_assert(sizeof(struct fl_sec_bd) == 128, "the device's");

enum { SEC_CIPHER_NONE, SEC_ENCRYPT, SEC_DECRYPT };
enum { SEC_AUTH_NONE, SEC_AUTH_MAKE, SEC_AUTH_CHECK };
enum { SEC_DES, SEC_3DES, SEC_AES, SEC_SM4 };
enum {
	SEC_ECB,
	SEC_CBC,
	SEC_CFB,
	SEC_OFB,
	SEC_CTR,
	SEC_CCM,
	SEC_GCM,
	SEC_XTS,
	SEC_CBC_CS = 9,
};
/* hashes; their HMACs follow at + SEC_HMAC, but SM3's */
enum {
	SEC_SHA1,
	SEC_SHA256,
	SEC_MD5,
	SEC_SHA224,
	SEC_SHA384,
	SEC_SHA512,
	SEC_SHA512_224,
	SEC_SHA512_256,
	SEC_HMAC = 0x10,
	SEC_XCBC = 0x20,
	SEC_CMAC = 0x21,
	SEC_GMAC = 0x22,
	SEC_SM3 = 0x25,
	SEC_HMAC_SM3 = 0x26,
};
/* ai_gen: where the hash starts from */
enum { SEC_AI_STANDARD, SEC_AI_ADDRESS };
enum { SEC_SCENE_NONE, SEC_SCENE_IPSEC, SEC_SCENE_STREAM = 7 };
/* BD3, for CTR and SM4-XTS */
enum { SEC_XTS_GB = 1, SEC_CTR_128 = 2 };

/** What of a BD is the session's, in no type's layout. Lengths of MAC and its key in words. */
struct fl_sec_recipe {
	uint8_t cipher, auth, digest_first, scene;
	uint8_t c_alg, c_mode, c_key_len, c_width, c_icv_len;
	uint8_t a_alg, mac_len, a_key_len, ai_gen, a_nopad;
	uint8_t ctr_or_xts;
	uint64_t c_key, a_key;
};

void fl_sec_bd2_make(struct fl_sec_bd *bd, const struct fl_sec_recipe *r);
void fl_sec_bd3_make(struct fl_sec_bd *bd, const struct fl_sec_recipe *r);

/* bits of word 0 that say how the data stands; the first is the same in both types */
#define SEC_W0_OUT	  (1u << 9) /* another destination */
#define SEC2_W0_SRC_SGL	  (1u << 15)
#define SEC2_W0_DST_SGL	  (1u << 18)
#define SEC2_W1_INVALID	  (1u << 31)
#define SEC3_W0_INVALID	  (1u << 4)
#define SEC3_W0_SRC_SGL	  (1u << 11)
#define SEC3_W0_DST_SGL	  (1u << 14)
#define SEC3_W14_PREFETCH (1u << 27)
#define SEC_TYPE_MASK	  15u

#define SEC_W_STATUS	  28u
/* of the status word */
#define SEC_ST_DONE	  1u
#define SEC_ST_ICV	  (7u << 1)
#define SEC_ST_ICV_BAD	  (2u << 1)
#define SEC_ST_FLAG_SHIFT 7u
#define SEC_ST_FLAG	  (15u << SEC_ST_FLAG_SHIFT)
#define SEC_ST_ERROR	  (255u << 16)
#define SEC3_W_SVA	  30u
#define SEC3_SVA_STATUS	  0xff00u /* of that word: an address could not be translated */
/* nobody knows for sure which flag a digest has */
#define SEC_OK_DIGEST_MASK (SEC_ST_DONE | SEC_ST_ICV | SEC_ST_ERROR)
#define SEC_FLAG_CIPHER	   2u
#define SEC_FLAG_AEAD	   3u

#define SEC_LEN_MAX	   0xfffe00u
#define SEC_CCM_AAD_MAX	   0xfeffu
#define SEC_PREFETCH_MAX   0x6000u /* erratum of V3's prefetch counter; flat buffers only */

/** What of a BD is the request's. */
struct fl_sec_req {
	uint32_t w0; /* SEC_W0_... */
	uint32_t c_len, a_len, c_off;
	uint64_t src, dst, mac, c_iv, a_iv;
	uint64_t bits; /* of the whole message, last part of a stream */
};

static inline void fl_sec_put64(struct fl_sec_bd *bd, unsigned word, uint64_t v)
{
	memcpy(&bd->w[word], &v, sizeof(v));
}

static inline void fl_sec_bd2_patch(struct fl_sec_bd *bd, const struct fl_sec_req *r, uint16_t tag)
{
	bd->w[0] |= r->w0;
	bd->w[4] = r->a_len;
	bd->w[5] = r->c_len;
	bd->w[6] = r->c_off << 16;
	bd->w[10] = tag;
	bd->q[6] = r->bits;
	bd->q[7] = r->a_iv;
	bd->q[9] = r->mac;
	bd->q[10] = r->c_iv;
	bd->q[12] = r->src;
	bd->q[13] = r->dst;
}

static inline void fl_sec_bd3_patch(struct fl_sec_bd *bd, const struct fl_sec_req *r, uint16_t tag)
{
	bd->w[0] |= r->w0;
	bd->q[1] = tag;
	bd->q[2] = r->src;
	bd->q[4] = r->a_iv;
	bd->w[16] = r->c_off << 16;
	bd->w[17] = r->a_len;
	bd->w[18] = r->c_len;
	fl_sec_put64(bd, 19, r->dst);
	fl_sec_put64(bd, 21, r->mac);
	fl_sec_put64(bd, 23, r->c_iv);
	fl_sec_put64(bd, 25, r->bits);
}

/** A BD that the device completes without doing anything, so that its turn is kept. */
static inline void fl_sec_bd_make_invalid(struct fl_sec_bd *bd, bool bd3, uint16_t tag)
{
	memset(bd, 0, sizeof(*bd));
	bd->w[0] = bd3 ? 3 | SEC3_W0_INVALID : 2;
	if (bd3) {
		bd->q[1] = tag;
	} else {
		bd->w[1] = SEC2_W1_INVALID;
		bd->w[10] = tag;
	}
}

/** It is of this type and has this tag still. The device may have written anything. */
static inline bool fl_sec_bd_is(const struct fl_sec_bd *bd, bool bd3, uint16_t tag)
{
	uint32_t type = __atomic_load_n(&bd->w[0], __ATOMIC_RELAXED) & SEC_TYPE_MASK;

	if (bd3)
		return (type == 3) & (__atomic_load_n(&bd->q[1], __ATOMIC_RELAXED) == tag);
	return (type == 2) & ((__atomic_load_n(&bd->w[10], __ATOMIC_RELAXED) & 0xffff) == tag);
}

static inline uint32_t fl_sec_bd_status(const struct fl_sec_bd *bd)
{
	return __atomic_load_n(&bd->w[SEC_W_STATUS], __ATOMIC_RELAXED);
}

#endif
