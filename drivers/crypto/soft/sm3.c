/* SPDX-License-Identifier: BSD-3-Clause */
/* SM3: GB/T 32905-2016. libcrypto has it behind EVP only, which keeps its state to itself. */
#include "soft_hash.h"

#include <endian.h>
#include <string.h>

#define BLOCK 64u

static inline uint32_t rol(uint32_t x, unsigned n)
{
	n &= 31;
	return x << n | x >> (-n & 31);
}

static inline uint32_t p0(uint32_t x)
{
	return x ^ rol(x, 9) ^ rol(x, 17);
}

static inline uint32_t p1(uint32_t x)
{
	return x ^ rol(x, 15) ^ rol(x, 23);
}

static void expand(uint32_t w[68], const uint8_t *in)
{
	memcpy(w, in, BLOCK);
	for (unsigned i = 0; i < 16; i++)
		w[i] = be32toh(w[i]);
	for (unsigned i = 16; i < 68; i++)
		w[i] = p1(w[i - 16] ^ w[i - 9] ^ rol(w[i - 3], 15)) ^ rol(w[i - 13], 7) ^ w[i - 6];
}

static void compress(uint32_t h[8], const uint8_t *in)
{
	uint32_t w[68], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6],
			k = h[7];

	expand(w, in);
	for (unsigned i = 0; i < 64; i++) {
		uint32_t t = i < 16 ? 0x79cc4519 : 0x7a879d8a;
		uint32_t ss1 = rol(rol(a, 12) + e + rol(t, i), 7);
		uint32_t ff = i < 16 ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
		uint32_t gg = i < 16 ? e ^ f ^ g : (e & f) | (~e & g);
		uint32_t tt1 = ff + d + (ss1 ^ rol(a, 12)) + (w[i] ^ w[i + 4]);
		uint32_t tt2 = gg + k + ss1 + w[i];

		d = c;
		c = rol(b, 9);
		b = a;
		a = tt1;
		k = g;
		g = rol(f, 19);
		f = e;
		e = p0(tt2);
	}
	h[0] ^= a;
	h[1] ^= b;
	h[2] ^= c;
	h[3] ^= d;
	h[4] ^= e;
	h[5] ^= f;
	h[6] ^= g;
	h[7] ^= k;
}

void fl_soft_sm3_init(struct soft_sm3 *s)
{
	static const uint32_t first[8] = { 0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600,
					   0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e };

	memcpy(s->h, first, sizeof(first));
	s->total = 0;
}

void fl_soft_sm3_update(struct soft_sm3 *s, const uint8_t *in, size_t n)
{
	size_t fill = s->total % BLOCK;

	s->total += n;
	if (fill) {
		size_t take = n < BLOCK - fill ? n : BLOCK - fill;

		memcpy(s->part + fill, in, take);
		if (fill + take < BLOCK)
			return;
		compress(s->h, s->part);
		in += take;
		n -= take;
	}
	for (; n >= BLOCK; in += BLOCK, n -= BLOCK)
		compress(s->h, in);
	if (n)
		memcpy(s->part, in, n);
}

void fl_soft_sm3_final(struct soft_sm3 *s, uint8_t out[32])
{
	static const uint8_t pad[BLOCK] = { 0x80 };
	uint64_t bits = htobe64(s->total << 3);

	fl_soft_sm3_update(s, pad, 1 + (BLOCK - 1 - 8 - s->total) % BLOCK);
	fl_soft_sm3_update(s, (const uint8_t *)&bits, sizeof(bits));
	for (unsigned i = 0; i < 8; i++) {
		uint32_t word = htobe32(s->h[i]);

		memcpy(out + 4 * i, &word, sizeof(word));
	}
}
