/* SPDX-License-Identifier: BSD-3-Clause */
/* Internet checksum, CRC-32 and the Toeplitz hash. */
#include "e1000_internal.h"

/* two look-ups a byte: FCS bytes are wanted by few */
uint32_t fl_e1000m_crc32(const uint8_t *p, uint32_t len)
{
	static const uint32_t tab[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t c = 0xffffffff;

	for (uint32_t i = 0; i < len; i++) {
		c = tab[(c ^ p[i]) & 15] ^ c >> 4;
		c = tab[(c ^ p[i] >> 4) & 15] ^ c >> 4;
	}
	return ~c;
}

/* the 32 key bits that start at bit b; the key is 320 bits and does not wrap */
static uint32_t key_window(const uint8_t *key, unsigned b)
{
	uint64_t w = 0;

	for (unsigned i = 0; i < 5; i++)
		w = w << 8 | (b / 8 + i < 40 ? key[b / 8 + i] : 0);
	return (uint32_t)(w >> (8 - b % 8));
}

void fl_e1000m_rss_key(struct e1000 *e)
{
	const uint8_t *key = (const uint8_t *)&e->r[R_RSSRK / 4];

	for (unsigned n = 0; n < FL_ARRAY_SIZE(e->rss_tab); n++) {
		uint32_t *t = e->rss_tab[n];

		/* bit 3 of a nibble comes first on the wire */
		for (unsigned bit = 0; bit < 4; bit++)
			t[8u >> bit] = key_window(key, n * 4 + bit);
		t[0] = 0;
		for (unsigned v = 1; v < 16; v++)
			t[v] = t[v & (v - 1)] ^ t[v & -v];
	}
}

uint32_t fl_e1000m_toeplitz(const struct e1000 *e, const uint8_t *in, uint32_t len)
{
	uint32_t h = 0;

	for (uint32_t i = 0; i < len; i++)
		h ^= e->rss_tab[2 * i][in[i] >> 4] ^ e->rss_tab[2 * i + 1][in[i] & 15];
	return h;
}
