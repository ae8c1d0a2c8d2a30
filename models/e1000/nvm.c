/* SPDX-License-Identifier: BSD-3-Clause */
/* EEPROM: 64 words, by their addresses in EERD and EEWR. */
#include "e1000_internal.h"

#define NVM_START      1u
#define NVM_DONE       2u
#define NVM_ADDR(v)    (((v) >> 2) & 0x3fffu)
#define NVM_DONE_82540 16u
#define NVM_CHECKSUM   0xbabau

void fl_e1000m_nvm_init(struct e1000 *e, const uint8_t mac[6])
{
	uint16_t sum = 0;

	memcpy(e->nvm, e->v->nvm, sizeof(e->nvm));
	memcpy(e->nvm, mac, 6);
	for (unsigned i = 0; i < E1000_NVM_WORDS - 1; i++)
		sum += e->nvm[i];
	e->nvm[E1000_NVM_WORDS - 1] = NVM_CHECKSUM - sum;
}

void fl_e1000m_wr_eerd(struct e1000 *e, uint32_t off, uint32_t v)
{
	uint32_t a = NVM_ADDR(v), answer = a << 2;

	if ((v & NVM_START) && a < E1000_NVM_WORDS)
		answer |= NVM_DONE | (uint32_t)e->nvm[a] << 16;
	e->r[R_EERD / 4] = answer;
}

/* a word that is not there reads 0 */
void fl_e1000m_wr_eerd_82540(struct e1000 *e, uint32_t off, uint32_t v)
{
	uint32_t a = v >> 8 & 0xff;

	if (v & NVM_START) {
		v = a << 8 | NVM_DONE_82540;
		if (a < E1000_NVM_WORDS)
			v |= (uint32_t)e->nvm[a] << 16;
	}
	e->r[R_EERD / 4] = v;
}

void fl_e1000m_wr_eewr(struct e1000 *e, uint32_t off, uint32_t v)
{
	uint32_t a = NVM_ADDR(v);

	if (!(v & NVM_START) || a >= E1000_NVM_WORDS)
		return;
	e->nvm[a] = v >> 16;
	e->r[R_EEWR / 4] = (v & ~NVM_START) | NVM_DONE;
}
