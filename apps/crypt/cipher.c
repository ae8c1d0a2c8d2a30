/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stream of chunks is one message: each op begins with the IV that the one before leaves. Where
 * that is known before it ran (ECB, CTR, deciphering CBC and CFB), many are in flight, else one.
 */
#include "crypt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum chain { NONE, COUNTER, CIPHERTEXT, KEYSTREAM };

static enum chain chain_of(enum fl_algo a)
{
	switch (a) {
	case FL_AES_ECB:
	case FL_SM4_ECB:
	case FL_DES_ECB:
	case FL_3DES_ECB:
		return NONE;
	case FL_AES_CTR:
	case FL_SM4_CTR:
		return COUNTER;
	case FL_AES_OFB:
	case FL_SM4_OFB:
		return KEYSTREAM;
	default:
		return CIPHERTEXT;
	}
}

/** Adds to a big-endian counter of n bytes. */
static void count_up(uint8_t *p, unsigned n, uint64_t by)
{
	while (n-- && by) {
		by += p[n];
		p[n] = (uint8_t)by;
		by >>= 8;
	}
}

static void keep_tail(struct cr_slot *s, unsigned n)
{
	if (n && s->len >= n)
		memcpy(s->tail, s->seg.va + s->len - n, n);
}

/** The next IV, once the op has run. */
static void chain_out(const struct cr_slot *s, enum chain how, uint8_t *iv, unsigned n)
{
	/* a shorter one is the last */
	for (unsigned i = 0; s->len >= n && i < n; i++) {
		uint8_t out = s->seg.va[s->len - n + i];

		iv[i] = how == KEYSTREAM ? out ^ s->tail[i] : out;
	}
}

/** As `openssl enc` does: PKCS#7, always. */
static void pad(struct cr_slot *s, unsigned block)
{
	unsigned n = block - s->len % block;

	memset(s->seg.va + s->len, (int)n, n);
	s->len += n;
}

static int unpad(struct cr_slot *s, unsigned block)
{
	unsigned n = s->len ? s->seg.va[s->len - 1] : 0, bad = !n || n > block || n > s->len;

	for (unsigned i = 1; !bad && i <= n; i++)
		bad = s->seg.va[s->len - i] != n;
	if (bad) {
		fprintf(stderr,
			"bad decrypt: the padding is wrong, so the key, the IV or the data is\n");
		return -EBADMSG;
	}
	s->len -= n;
	return 0;
}

static int fill(struct cr *c, struct cr_slot *s)
{
	const struct cr_conf *k = &c->conf;
	unsigned block = k->info->block;
	int ret = cr_read(c, s, &s->last);

	if (ret)
		return ret;
	if (s->last && k->verb == CR_ENC && block > 1 && !k->nopad)
		pad(s, block);
	if (s->len % block) {
		fprintf(stderr, "%s takes whole blocks of %u bytes; the input ends with %u\n",
			k->info->name, block, s->len % block);
		return -EINVAL;
	}
	return 0;
}

static int finish(struct cr *c, struct cr_slot *s)
{
	const struct cr_conf *k = &c->conf;
	int ret = s->len ? cr_wait(c, s) : 0;

	if (!ret && s->last && k->verb == CR_DEC && k->info->block > 1 && !k->nopad)
		ret = unpad(s, k->info->block);
	return ret;
}

int cr_cipher(struct cr *c)
{
	enum chain how = chain_of(c->conf.algo);
	bool ahead = how == NONE || how == COUNTER || (how == CIPHERTEXT && c->conf.verb == CR_DEC);
	unsigned depth = ahead ? CR_DEPTH : 1, n = c->conf.iv_len;
	uint64_t begun = 0, done = 0;
	uint8_t iv[FL_IV_MAX];
	bool last = false;
	int ret = 0;

	memcpy(iv, c->conf.iv, sizeof(iv));
	while (!ret && (!last || done < begun)) {
		struct cr_slot *s = &c->slots[begun % CR_DEPTH];

		if (!last && begun - done < depth) {
			ret = fill(c, s);
			memcpy(s->op->iv, iv, sizeof(iv));
			keep_tail(s, n);
			if (how == CIPHERTEXT && ahead)
				memcpy(iv, s->tail, n);
			else if (how == COUNTER)
				count_up(iv, n, c->chunk / 16);
			if (!ret && s->len)
				ret = cr_start(c, s);
			last = s->last;
			begun++;
			continue;
		}
		s = &c->slots[done++ % CR_DEPTH];
		ret = finish(c, s);
		if (!ret && !ahead)
			chain_out(s, how, iv, n);
		if (!ret)
			ret = cr_write(c, s->seg.va, s->len);
	}
	return ret;
}
