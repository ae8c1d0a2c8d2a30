/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GHASH, SP 800-38D 6.4, four bits at a time. libcrypto has it inside GCM only, where its state
 * cannot be reached, and SM4 not at all.
 */
#include "run.h"

#include <endian.h>
#include <string.h>

/* hi, lo = a block times x: its bits count from the high end of its first byte */
static void times_x(uint64_t *hi, uint64_t *lo)
{
	uint64_t carry = -(*lo & 1) & 0xe1ull << 56;

	*lo = *lo >> 1 | *hi << 63;
	*hi = *hi >> 1 ^ carry;
}

static uint64_t load(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return be64toh(v);
}

static void store(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, 8);
}

void fl_secm_ghash_start(struct secm_ghash *g, const uint8_t h[16], const uint8_t y[16])
{
	uint64_t hi = load(h), lo = load(h + 8);

	g->hi[0] = g->lo[0] = 0;
	for (unsigned i = 8; i; i /= 2) {
		g->hi[i] = hi;
		g->lo[i] = lo;
		times_x(&hi, &lo);
	}
	for (unsigned i = 2; i < 16; i *= 2) {
		for (unsigned k = 1; k < i; k++) {
			g->hi[i + k] = g->hi[i] ^ g->hi[k];
			g->lo[i + k] = g->lo[i] ^ g->lo[k];
		}
	}
	memcpy(g->y, y, 16);
	g->fill = 0;
}

/* what the four bits that fall off the low end come back as, at the high end */
static const uint16_t back[16] = {
	0x0000, 0x1c20, 0x3840, 0x2460, 0x7080, 0x6ca0, 0x48c0, 0x54e0,
	0xe100, 0xfd20, 0xd940, 0xc560, 0x9180, 0x8da0, 0xa9c0, 0xb5e0,
};

static void add_nibble(const struct secm_ghash *g, uint64_t *hi, uint64_t *lo, unsigned nibble)
{
	unsigned out = *lo & 0xf;

	*lo = *lo >> 4 | *hi << 60;
	*hi = *hi >> 4 ^ (uint64_t)back[out] << 48;
	*hi ^= g->hi[nibble];
	*lo ^= g->lo[nibble];
}

static void multiply(struct secm_ghash *g)
{
	uint64_t hi = 0, lo = 0;

	for (int i = 15; i >= 0; i--) {
		add_nibble(g, &hi, &lo, g->y[i] & 0xf);
		add_nibble(g, &hi, &lo, g->y[i] >> 4);
	}
	store(g->y, hi);
	store(g->y + 8, lo);
}

bool fl_secm_ghash_step(void *arg, const uint8_t *in, uint8_t *out, uint32_t n)
{
	struct secm_ghash *g = arg;

	while (n) {
		uint32_t k = 16 - g->fill < n ? 16 - g->fill : n;

		for (uint32_t i = 0; i < k; i++)
			g->y[g->fill + i] ^= in[i];
		g->fill = (g->fill + k) % 16;
		if (!g->fill)
			multiply(g);
		in += k;
		n -= k;
	}
	return true;
}

void fl_secm_ghash_pad(struct secm_ghash *g)
{
	if (g->fill)
		multiply(g);
	g->fill = 0;
}
