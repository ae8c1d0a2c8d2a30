/* SPDX-License-Identifier: BSD-3-Clause */
/* EEPROM: 64 words, read and written through EERD and EEWR. */
#include "e1000_internal.h"

#define NVM_START    1u
#define NVM_DONE     2u
#define NVM_ADDR(v)  (((v) >> 2) & 0x3fffu)
#define NVM_CHECKSUM 0xbabau

void fl_e1000m_nvm_init(struct e1000 *e, const uint8_t mac[6])
{
	static const uint16_t image[E1000_NVM_WORDS] = {
		0,	0,	0,	0x0420, 0xf746, 0x2010, 0xffff, 0xffff, /* MAC first */
		0x0000, 0x0000, 0x026b, 0x10d3, 0x8086, 0x10d3, 0x0000, 0x8058, 0x0000, 0x2001,
		0x7e7c, 0xffff, 0x1000, 0x00c8, 0x0000, 0x2704, 0x6cc9, 0x3150, 0x070e, 0x460b,
		0x2d84, 0x0100, 0xf000, 0x0706, 0x6000, 0x0080, 0x0f04, 0x7fff, 0x4f01, 0xc600,
		0x0000, 0x20ff, 0x0028, 0x0003, 0x0000, 0x0000, 0x0000, 0x0003, 0x0000, 0xffff,
		0x0100, 0xc000, 0x121c, 0xc007, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff,
		0xffff, 0xffff, 0x0000, 0x0120, 0xffff, 0,
	};
	uint16_t sum = 0;

	memcpy(e->nvm, image, sizeof(image));
	memcpy(e->nvm, mac, 6);
	for (unsigned i = 0; i < E1000_NVM_WORDS - 1; i++)
		sum += e->nvm[i];
	e->nvm[E1000_NVM_WORDS - 1] = NVM_CHECKSUM - sum;
}

void fl_e1000m_eerd(struct e1000 *e, uint32_t v)
{
	uint32_t a = NVM_ADDR(v), answer = a << 2;

	if ((v & NVM_START) && a < E1000_NVM_WORDS)
		answer |= NVM_DONE | (uint32_t)e->nvm[a] << 16;
	e->r[R_EERD / 4] = answer;
}

void fl_e1000m_eewr(struct e1000 *e, uint32_t v)
{
	uint32_t a = NVM_ADDR(v);

	if (!(v & NVM_START) || a >= E1000_NVM_WORDS)
		return;
	e->nvm[a] = v >> 16;
	e->r[R_EEWR / 4] = (v & ~NVM_START) | NVM_DONE;
}
