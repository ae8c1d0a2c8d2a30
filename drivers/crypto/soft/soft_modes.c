/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Modes that OpenSSL lacks for a cipher, or cannot do on data in pieces: ciphertext stealing, XTS,
 * MACs out of CBC.
 */
#include "soft.h"

#include <endian.h>

#define BLOCK	16u
#define XTS_RUN 32u /* blocks that go to ECB at once */

bool fl_soft_update(void *ctx, const uint8_t *in, uint8_t *out, uint32_t n)
{
	int done;

	return EVP_CipherUpdate(ctx, out, &done, in, (int)n) == 1 && (uint32_t)done == n;
}

bool fl_soft_restart(EVP_CIPHER_CTX *ctx, const uint8_t *iv)
{
	return EVP_CipherInit_ex2(ctx, NULL, NULL, iv, -1, NULL) == 1;
}

static void mix(uint8_t to[BLOCK], const uint8_t with[BLOCK])
{
	for (unsigned i = 0; i < BLOCK; i++)
		to[i] ^= with[i];
}

/* ---- CBC with ciphertext stealing: SP 800-38A, addendum ---------------------------------- */

/*
 * The last block and a half: tail is `BLOCK + part` bytes, part 1 to BLOCK. `swapped`: the last
 * block of ciphertext stands before the partial one.
 */
static bool steal_encrypt(EVP_CIPHER_CTX *cbc, uint8_t *tail, unsigned part, bool swapped)
{
	uint8_t x[2 * BLOCK] = { 0 };

	memcpy(x, tail, BLOCK + part);
	if (!fl_soft_update(cbc, x, x, sizeof(x)))
		return false;
	memcpy(tail + (swapped ? BLOCK : 0), x, part);
	memcpy(tail + (swapped ? 0 : part), x + BLOCK, BLOCK);
	return true;
}

/* `before` is the ciphertext block that stands before the tail, or the IV. */
static bool steal_decrypt(EVP_CIPHER_CTX *cbc, uint8_t *tail, unsigned part, bool swapped,
			  const uint8_t before[BLOCK])
{
	static const uint8_t zero[BLOCK];
	const uint8_t *cut = tail + (swapped ? BLOCK : 0), *whole = tail + (swapped ? 0 : part);
	uint8_t x[BLOCK], last[BLOCK];

	if (!fl_soft_restart(cbc, zero) || !fl_soft_update(cbc, whole, last, BLOCK))
		return false;
	memcpy(x, last, BLOCK);
	memcpy(x, cut, part);
	mix(last, x);
	memcpy(tail + BLOCK, last, part);
	return fl_soft_restart(cbc, before) && fl_soft_update(cbc, x, tail, BLOCK);
}

bool fl_soft_cts(struct soft_ctx *x, const struct fl_op *op)
{
	const struct fl_session_conf *c = &op->session->conf;
	bool cs1 = c->cipher == FL_AES_CBC_CS1 || c->cipher == FL_SM4_CBC_CS1;
	bool cs3 = c->cipher == FL_AES_CBC_CS3 || c->cipher == FL_SM4_CBC_CS3;
	struct soft_span sp = fl_span(op, op->cipher_off);
	uint32_t len = op->cipher_len, part = (len - 1) % BLOCK + 1;
	EVP_CIPHER_CTX *cbc = x->evp[SOFT_DATA];
	uint8_t tail[2 * BLOCK], before[BLOCK];
	uint32_t front = len - BLOCK - part;

	if (!fl_soft_restart(cbc, op->iv))
		return false;
	if (len == BLOCK || (part == BLOCK && !cs3))
		return fl_span_walk(&sp, len, BLOCK, fl_soft_update, cbc);
	memcpy(before, op->iv, BLOCK);
	if (front) {
		struct soft_cursor at = fl_cursor(op->src, op->cipher_off + front - BLOCK);

		fl_cursor_read(&at, before, BLOCK);
		if (!fl_span_walk(&sp, front, BLOCK, fl_soft_update, cbc))
			return false;
	}
	fl_cursor_read(&sp.src, tail, BLOCK + part);
	if (c->encrypt ? !steal_encrypt(cbc, tail, part, !cs1)
		       : !steal_decrypt(cbc, tail, part, !cs1, before))
		return false;
	fl_cursor_write(&sp.dst, tail, BLOCK + part);
	return true;
}

/* ---- XTS: IEEE 1619; GB/T 17964-2021 differs in how the tweak is doubled ------------------ */

struct xts {
	EVP_CIPHER_CTX *ecb;
	bool gb;
	uint64_t tweak[2]; /* as the bytes stand in memory */
};

static void next_tweak(struct xts *x)
{
	uint64_t a, b;

	if (x->gb) {
		a = be64toh(x->tweak[0]);
		b = be64toh(x->tweak[1]);
		x->tweak[0] = htobe64(a >> 1 ^ (-(b & 1) & 0xe1ull << 56));
		x->tweak[1] = htobe64(b >> 1 | a << 63);
	} else {
		a = le64toh(x->tweak[0]);
		b = le64toh(x->tweak[1]);
		x->tweak[0] = htole64(a << 1 ^ (-(b >> 63) & 0x87));
		x->tweak[1] = htole64(b << 1 | a >> 63);
	}
}

static void mix_words(uint64_t *to, const uint64_t *with, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(*to); i++)
		to[i] ^= with[i];
}

/* whole blocks, each with the next tweak */
static bool xts_blocks(void *arg, const uint8_t *in, uint8_t *out, uint32_t n)
{
	uint64_t tweaks[2 * XTS_RUN], data[2 * XTS_RUN];
	struct xts *x = arg;

	while (n) {
		uint32_t run = fl_soft_min(n, sizeof(data));

		for (unsigned i = 0; i < run / BLOCK; i++) {
			memcpy(&tweaks[2 * i], x->tweak, BLOCK);
			next_tweak(x);
		}
		memcpy(data, in, run);
		mix_words(data, tweaks, run);
		if (!fl_soft_update(x->ecb, (uint8_t *)data, (uint8_t *)data, run))
			return false;
		mix_words(data, tweaks, run);
		memcpy(out, data, run);
		in += run;
		out += run;
		n -= run;
	}
	return true;
}

/* The last whole block and `part` bytes after it; decryption takes the two tweaks in turn. */
static bool xts_steal(struct xts *x, uint8_t *tail, unsigned part, bool encrypt)
{
	uint64_t first[2] = { x->tweak[0], x->tweak[1] };
	uint8_t block[BLOCK];

	if (!encrypt)
		next_tweak(x);
	if (!xts_blocks(x, tail, tail, BLOCK))
		return false;
	memcpy(block, tail, BLOCK);
	memcpy(block, tail + BLOCK, part);
	memcpy(tail + BLOCK, tail, part);
	if (!encrypt)
		memcpy(x->tweak, first, BLOCK);
	return xts_blocks(x, block, tail, BLOCK);
}

/* OpenSSL's own takes a whole data unit at once, of at most 2^20 blocks */
static bool flat(const struct soft_ctx *x, struct soft_span *sp, uint32_t len)
{
	uint32_t nin, nout;

	if (!x->evp[SOFT_FLAT] || len > BLOCK << 20)
		return false;
	fl_cursor_at(&sp->src, &nin);
	fl_cursor_at(&sp->dst, &nout);
	return nin >= len && nout >= len;
}

bool fl_soft_xts(struct soft_ctx *x, const struct fl_op *op)
{
	const struct fl_session_conf *c = &op->session->conf;
	struct xts xts = { .ecb = x->evp[SOFT_DATA], .gb = c->cipher == FL_SM4_XTS_GB };
	uint32_t len = op->cipher_len, part = len % BLOCK, front = len - part - (part ? BLOCK : 0);
	struct soft_span sp = fl_span(op, op->cipher_off);
	uint8_t tail[2 * BLOCK];

	if (flat(x, &sp, len))
		return fl_soft_restart(x->evp[SOFT_FLAT], op->iv) &&
		       fl_span_walk(&sp, len, 1, fl_soft_update, x->evp[SOFT_FLAT]);
	if (!fl_soft_update(x->evp[SOFT_TWEAK], op->iv, (uint8_t *)xts.tweak, BLOCK) ||
	    !fl_span_walk(&sp, front, BLOCK, xts_blocks, &xts))
		return false;
	if (!part)
		return true;
	fl_cursor_read(&sp.src, tail, BLOCK + part);
	if (!xts_steal(&xts, tail, part, c->encrypt))
		return false;
	fl_cursor_write(&sp.dst, tail, BLOCK + part);
	return true;
}

/* ---- CBC-MAC, and what is made of it ------------------------------------------------------ */

void fl_soft_mac_start(struct soft_cbcmac *m, EVP_CIPHER_CTX *cbc, uint8_t *scratch)
{
	static const uint8_t zero[BLOCK];

	m->cbc = cbc;
	m->scratch = scratch;
	m->fill = 0;
	m->ok = fl_soft_restart(cbc, zero);
}

static void mac_blocks(struct soft_cbcmac *m, const uint8_t *in, uint32_t n)
{
	while (n && m->ok) {
		uint32_t run = fl_soft_min(n, SOFT_SCRATCH);

		m->ok = fl_soft_update(m->cbc, in, m->scratch, run);
		in += run;
		n -= run;
	}
}

bool fl_soft_mac_feed(void *mac, const uint8_t *in, uint32_t n)
{
	struct soft_cbcmac *m = mac;
	uint32_t take = fl_soft_min(BLOCK - m->fill, n), bulk;

	if (!n)
		return m->ok;
	memcpy(m->last + m->fill, in, take);
	m->fill += take;
	in += take;
	n -= take;
	if (!n)
		return m->ok;
	mac_blocks(m, m->last, BLOCK);
	bulk = (n - 1) / BLOCK * BLOCK;
	mac_blocks(m, in, bulk);
	m->fill = n - bulk;
	memcpy(m->last, in + bulk, m->fill);
	return m->ok;
}

void fl_soft_mac_pad(struct soft_cbcmac *m)
{
	if (!m->fill)
		return;
	memset(m->last + m->fill, 0, BLOCK - m->fill);
	m->fill = BLOCK;
}

bool fl_soft_mac_end(struct soft_cbcmac *m, uint8_t out[BLOCK])
{
	return m->ok && fl_soft_update(m->cbc, m->last, out, BLOCK);
}

bool fl_soft_cmac_end(struct soft_cbcmac *m, const uint8_t whole[BLOCK], const uint8_t part[BLOCK],
		      uint8_t out[BLOCK])
{
	if (m->fill == BLOCK) {
		mix(m->last, whole);
	} else {
		memset(m->last + m->fill, 0, BLOCK - m->fill);
		m->last[m->fill] = 0x80;
		mix(m->last, part);
	}
	return fl_soft_mac_end(m, out);
}

/* of GF(2^128), first bit first */
static void twice(uint8_t out[BLOCK], const uint8_t in[BLOCK])
{
	uint8_t carry = in[0] >> 7;

	for (unsigned i = 0; i < BLOCK - 1; i++)
		out[i] = (uint8_t)(in[i] << 1 | in[i + 1] >> 7);
	out[BLOCK - 1] = (uint8_t)(in[BLOCK - 1] << 1 ^ (-carry & 0x87));
}

static bool encrypt_byte(EVP_CIPHER_CTX *cbc, uint8_t byte, uint8_t out[BLOCK])
{
	static const uint8_t zero[BLOCK];

	memset(out, byte, BLOCK);
	return fl_soft_restart(cbc, zero) && fl_soft_update(cbc, out, out, BLOCK);
}

bool fl_soft_cmac_keys(EVP_CIPHER_CTX *cbc, uint8_t whole[BLOCK], uint8_t part[BLOCK])
{
	uint8_t l[BLOCK];

	if (!encrypt_byte(cbc, 0, l))
		return false;
	twice(whole, l);
	twice(part, whole);
	return true;
}

bool fl_soft_xcbc_keys(EVP_CIPHER_CTX *cbc, uint8_t key[BLOCK], uint8_t whole[BLOCK],
		       uint8_t part[BLOCK])
{
	return encrypt_byte(cbc, 1, key) && encrypt_byte(cbc, 2, whole) &&
	       encrypt_byte(cbc, 3, part);
}
