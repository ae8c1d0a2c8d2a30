/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * EEPROM: its Microwire pins, which EECD gives to the one who asked for them. A command is a start
 * bit, two of operation, six of address, then sixteen of data for each word; pins count when the
 * clock rises. What a write brought is stored when the chip is deselected.
 */
#include "e1000_internal.h"

#define EECD_WRITABLE 0x77u /* clock, select, in, flash protection, request */
#define COMMAND_BITS  9u
#define WRITE_BITS    (COMMAND_BITS + 16u)

enum { OP_EXTENDED, OP_WRITE, OP_READ };
enum { EXT_DISABLE, EXT_ENABLE = 3 }; /* the top of an extended one's address */

static uint32_t op(const struct e1000_microwire *w)
{
	return w->cmd >> 6 & 3;
}

static void clock_rises(struct e1000 *e, uint32_t *eecd)
{
	struct e1000_microwire *w = &e->mw;
	uint32_t in = *eecd & EECD_DI ? 1 : 0, bit;

	if (w->nbits < COMMAND_BITS) {
		if (!w->nbits && !in)
			return; /* no start yet */
		w->cmd = w->cmd << 1 | in;
		if (++w->nbits < COMMAND_BITS)
			return;
		w->cmd &= 0xff;
		if (op(w) == OP_READ)
			*eecd &= ~EECD_DO; /* a 0 goes before the data */
		else if (op(w) == OP_EXTENDED && (w->cmd >> 4 & 3) == EXT_ENABLE)
			w->writable = true;
		else if (op(w) == OP_EXTENDED && (w->cmd >> 4 & 3) == EXT_DISABLE)
			w->writable = false;
	} else if (op(w) == OP_READ) {
		/* word after word, round and round */
		bit = w->nbits++ - COMMAND_BITS;
		*eecd &= ~EECD_DO;
		if (e->nvm[((w->cmd & 0x3f) + bit / 16) % E1000_NVM_WORDS] >> (15 - bit % 16) & 1)
			*eecd |= EECD_DO;
		if (w->nbits == COMMAND_BITS + 16 * E1000_NVM_WORDS)
			w->nbits = COMMAND_BITS;
	} else if (op(w) == OP_WRITE && w->nbits < WRITE_BITS) {
		w->cmd = (w->cmd & 0xff) | (w->cmd >> 8 << 1 | in) << 8;
		w->nbits++;
	}
}

static void deselected(struct e1000 *e)
{
	struct e1000_microwire *w = &e->mw;

	if (w->writable && w->nbits == WRITE_BITS && op(w) == OP_WRITE)
		e->nvm[w->cmd & 0x3f] = (uint16_t)(w->cmd >> 8);
	w->nbits = w->cmd = 0;
}

void fl_e1000m_wr_eecd_82540(struct e1000 *e, uint32_t off, uint32_t v)
{
	uint32_t was = e->r[R_EECD / 4], now;

	now = (was & ~EECD_WRITABLE) | (v & EECD_WRITABLE);
	/* out is high when there is nothing to say; nobody's pins select nothing */
	if (!(now & EECD_CS) || !(now & EECD_REQ)) {
		deselected(e);
		now |= EECD_DO;
	} else if (now & ~was & EECD_SK) {
		clock_rises(e, &now);
	}
	e->r[R_EECD / 4] = now;
}
