/* SPDX-License-Identifier: BSD-3-Clause */
/* fl-crypt: enciphers, deciphers and digests files on a crypto device, chunk by chunk. */
#ifndef CRYPT_H
#define CRYPT_H

#include "../common/residency.h"

#include <fl_crypto.h>

#define CR_CHUNK   (256u << 10) /* bytes of an op; a multiple of every block */
#define CR_DEPTH   16u		/* ops in flight, where one need not wait for the other */
#define CR_KEY_MAX 256u

enum cr_verb { CR_ENC, CR_DEC, CR_DIGEST };

struct cr_conf {
	enum cr_verb verb;
	const char *uri, *algo_name, *in, *out;
	enum fl_algo algo;
	const struct fl_algo_info *info;
	uint8_t key[CR_KEY_MAX], iv[FL_IV_MAX];
	uint16_t key_len, iv_len;
	bool nopad;
	unsigned timeout_ms;
	struct app_residency residency;
};

/** A buffer, the op that works on it in place, and what is to become of its output. */
struct cr_slot {
	struct fl_op *op;
	struct fl_seg seg;
	uint32_t len;
	bool last;
	uint8_t tail[FL_IV_MAX]; /* of the input */
};

struct cr {
	struct cr_conf conf;
	int in, out;
	struct fl_ctx *ctx;
	struct fl_cryptodev *dev;
	struct fl_qp *qp;
	struct fl_session *session;
	struct fl_mem *mem;
	struct fl_dma_area *area;
	struct fl_op_pool *pool;
	struct cr_slot slots[CR_DEPTH];
	uint32_t chunk;
	int carry; /* the byte after the last chunk, which was read to know that there is one; -1 */
};

/* main.c */
/** Reads a chunk; *last: nothing follows. */
int cr_read(struct cr *c, struct cr_slot *s, bool *last);
int cr_write(struct cr *c, const uint8_t *p, size_t len);

/* device.c */
int cr_open(struct cr *c);
void cr_close(struct cr *c);
/** Gives the op of a slot to the device, which has room. */
int cr_start(struct cr *c, struct cr_slot *s);
/** Waits for the op that was started first, which is that of the slot. */
int cr_wait(struct cr *c, struct cr_slot *s);

/* cipher.c, digest.c */
int cr_cipher(struct cr *c);
int cr_digest(struct cr *c);

#endif
