/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Intel's multi-buffer library, loaded at run time: a binary that was built with its header runs
 * where it is not installed. What it cannot do, of an algorithm or of one op, OpenSSL does.
 */
#ifndef SOFT_MB_H
#define SOFT_MB_H

#define NO_COMPAT_IMB_API_053
#include <intel-ipsec-mb.h>

#include "soft.h"

#define MB_BATCH   64u
#define MB_LEN16   65534u /* lanes count in 16 bits */
#define MB_CCM_AAD 46u

/* functions that differ by the size of a GCM key */
struct mb_gcm {
	aes_gcm_pre_t pre;
	aes_gcm_enc_dec_t enc, dec;
	aes_gcm_init_var_iv_t init;
	aes_gcm_enc_dec_update_t enc_update, dec_update;
	aes_gcm_enc_dec_finalize_t end;
	aes_gmac_init_t gmac_init;
	aes_gmac_update_t gmac_update;
	aes_gmac_finalize_t gmac_end;
};

struct soft_mb {
	void *lib;
	IMB_MGR *(*alloc)(uint64_t flags);
	void (*free)(IMB_MGR *mgr);
	void (*init)(IMB_MGR *mgr, IMB_ARCH *arch);
	const char *version;
	IMB_MGR *mgr; /* makes keys: control calls only */
	IMB_ARCH arch;
	struct mb_gcm gcm[3];
	uint64_t serial; /* of the last session */
};

/* How the library is called. */
enum mb_how {
	MB_CIPHER, /* a burst of one cipher, key size and direction */
	MB_HASH,   /* a burst of one hash */
	MB_JOB,	   /* jobs of any kind, then a flush */
	MB_GCM,	   /* one buffer at a time is as fast, and may be in segments */
	MB_GMAC,
};

struct soft_mb_keys {
	uint32_t kind; /* equal for ops that can be in one burst */
	enum mb_how how;
	uint32_t len_max;
	uint8_t tag; /* bytes that the library writes */
	uint64_t serial;
	const struct mb_gcm *gcm;
	IMB_JOB job; /* what is the session's of a job */
	const void *des[3];
	DECLARE_ALIGNED(uint8_t enc[15 * 16], 64);
	DECLARE_ALIGNED(uint8_t dec[15 * 16], 64);
	DECLARE_ALIGNED(uint8_t mac[15 * 16], 64);
	DECLARE_ALIGNED(uint8_t sub1[16], 16);
	DECLARE_ALIGNED(uint8_t sub2[16], 16);
	DECLARE_ALIGNED(uint8_t inner[64], 64);
	DECLARE_ALIGNED(uint8_t outer[64], 64);
	uint64_t schedule[3][16];
	struct gcm_key_data gcm_key;
};

struct soft_mb_qp {
	IMB_MGR *mgr;
	unsigned n; /* ops that wait for their burst */
	const struct soft_mb_keys *first;
	struct fl_op *ops[MB_BATCH];
	uint64_t filled[MB_BATCH]; /* whose keys stand in jobs[i] */
	IMB_JOB jobs[MB_BATCH];
	uint8_t tags[MB_BATCH][FL_DIGEST_MAX];
	struct gcm_context_data gcm;
};

#endif
