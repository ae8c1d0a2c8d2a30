/* SPDX-License-Identifier: BSD-3-Clause */
/* SM3, GB/T 32905-2016. */
#include "hash.h"

#include <string.h>

static uint32_t rol(uint32_t x, unsigned n)
{
	return x << (n & 31) | x >> (-n & 31);
}

static uint32_t p0(uint32_t x)
{
	return x ^ rol(x, 9) ^ rol(x, 17);
}

static uint32_t p1(uint32_t x)
{
	return x ^ rol(x, 15) ^ rol(x, 23);
}

static uint32_t be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return __builtin_bswap32(v);
}

static void expand(const uint8_t *p, uint32_t w[68])
{
	for (unsigned i = 0; i < 16; i++)
		w[i] = be32(p + 4 * i);
	for (unsigned i = 16; i < 68; i++) {
		uint32_t x = w[i - 16] ^ w[i - 9] ^ rol(w[i - 3], 15);

		/* each needs the third before it: in vectors of two this takes twice as long */
		__asm__("" : "+r"(x));
		w[i] = p1(x) ^ rol(w[i - 13], 7) ^ w[i - 6];
	}
}

/*
 * One round, in which A to H move up by one: D and H become the new A and E, so the caller names
 * the next round's words in another order. `late`: rounds 16 to 63 choose where the early ones add.
 */
static inline void step(const uint32_t a, uint32_t *b, const uint32_t c, uint32_t *d,
			const uint32_t e, uint32_t *f, const uint32_t g, uint32_t *h, uint32_t t,
			const uint32_t *w, bool late)
{
	uint32_t a12 = rol(a, 12), ss1 = rol(a12 + e + t, 7);
	uint32_t ff = late ? (a & *b) | ((a | *b) & c) : a ^ *b ^ c;
	uint32_t gg = late ? ((*f ^ g) & e) ^ g : e ^ *f ^ g;

	*d += ff + (ss1 ^ a12) + (w[0] ^ w[4]);
	*h = p0(*h + gg + ss1 + w[0]);
	*b = rol(*b, 9);
	*f = rol(*f, 19);
}

static inline void four_steps(uint32_t v[8], uint32_t t, unsigned i, const uint32_t *w, bool late)
{
	step(v[0], &v[1], v[2], &v[3], v[4], &v[5], v[6], &v[7], rol(t, i), w, late);
	step(v[3], &v[0], v[1], &v[2], v[7], &v[4], v[5], &v[6], rol(t, i + 1), w + 1, late);
	step(v[2], &v[3], v[0], &v[1], v[6], &v[7], v[4], &v[5], rol(t, i + 2), w + 2, late);
	step(v[1], &v[2], v[3], &v[0], v[5], &v[6], v[7], &v[4], rol(t, i + 3), w + 3, late);
}

static void block(struct secm_sm3 *s, const uint8_t *p)
{
	uint32_t w[68], v[8];

	expand(p, w);
	memcpy(v, s->v, sizeof(v));
	for (unsigned i = 0; i < 16; i += 4)
		four_steps(v, 0x79cc4519, i, w + i, false);
	for (unsigned i = 16; i < 64; i += 4)
		four_steps(v, 0x7a879d8a, i, w + i, true);
	for (unsigned i = 0; i < 8; i++)
		s->v[i] ^= v[i];
}

void fl_secm_sm3_init(struct secm_sm3 *s)
{
	*s = (struct secm_sm3){ .v = { 0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc,
				       0x163138aa, 0xe38dee4d, 0xb0fb0e4e } };
}

void fl_secm_sm3_update(struct secm_sm3 *s, const uint8_t *p, size_t n)
{
	size_t have = s->len % 64, room = 64 - have;

	s->len += n;
	if (have) {
		size_t k = n < room ? n : room;

		memcpy(s->buf + have, p, k);
		if (k < room)
			return;
		block(s, s->buf);
		p += k;
		n -= k;
	}
	for (; n >= 64; p += 64, n -= 64)
		block(s, p);
	memcpy(s->buf, p, n);
}

void fl_secm_sm3_final(struct secm_sm3 *s, uint8_t out[32])
{
	static const uint8_t pad[64] = { 0x80 };
	uint64_t bits = __builtin_bswap64(s->len * 8);

	fl_secm_sm3_update(s, pad, 1 + (119 - s->len % 64) % 64);
	fl_secm_sm3_update(s, (const uint8_t *)&bits, 8);
	for (unsigned i = 0; i < 8; i++) {
		uint32_t v = __builtin_bswap32(s->v[i]);

		memcpy(out + 4 * i, &v, 4);
	}
}
