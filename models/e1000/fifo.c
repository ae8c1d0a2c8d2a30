/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive packet buffer: frames that found no descriptor wait here, as many as PBA gives room
 * for. Frames lie unbroken; one that would cross the end starts over at the beginning.
 */
#include "e1000_internal.h"

struct entry {
	uint32_t len;
	bool inexact;
	uint8_t data[];
};

static uint32_t cost(uint32_t len)
{
	return (uint32_t)fl_align_up(sizeof(struct entry) + len, 16);
}

void fl_e1000m_fifo_reset(struct e1000 *e)
{
	struct e1000_fifo *f = &e->fifo;

	f->used = f->head = f->tail = 0;
	f->xoff = false;
}

int fl_e1000m_fifo_alloc(struct e1000 *e)
{
	e->fifo.size = e->v->fifo_kib * 1024u + 2 * (E1000_MAX_FRAME + 20u);
	e->fifo.mem = malloc(e->fifo.size);
	return e->fifo.mem ? 0 : -ENOMEM;
}

/* above the high mark the sender is stopped, below the low one let go */
static void watermark(struct e1000 *e)
{
	struct e1000_fifo *f = &e->fifo;
	uint32_t high = fl_e1000m_rd(e, R_FCRTH) & 0xfff8, low = fl_e1000m_rd(e, R_FCRTL);

	if (!f->xoff && e->fc_tx && high && f->used >= high) {
		f->xoff = true;
		fl_e1000m_count(e, S_XOFFTXC, 1);
	} else if (f->xoff && (f->used <= (low & 0xfff8) || !e->fc_tx || !high)) {
		f->xoff = false;
		if (low & FCRTL_XONE)
			fl_e1000m_count(e, S_XONTXC, 1);
	}
}

bool fl_e1000m_fifo_put(struct e1000 *e, const uint8_t *p, uint32_t len, bool inexact)
{
	struct e1000_fifo *f = &e->fifo;
	uint32_t c = cost(len);
	struct entry *n;

	if (f->used + c > f->cap)
		return false;
	if (f->tail + c > f->size) {
		n = (struct entry *)(f->mem + f->tail);
		if (f->tail + sizeof(*n) <= f->size)
			n->len = UINT32_MAX; /* go on at 0 */
		f->tail = 0;
	}
	n = (struct entry *)(f->mem + f->tail);
	n->len = len;
	n->inexact = inexact;
	memcpy(n->data, p, len);
	f->tail += c;
	f->used += c;
	watermark(e);
	return true;
}

const uint8_t *fl_e1000m_fifo_peek(struct e1000 *e, uint32_t *len, bool *inexact)
{
	struct e1000_fifo *f = &e->fifo;
	struct entry *n = (struct entry *)(f->mem + f->head);

	if (!f->used)
		return NULL;
	if (f->head + sizeof(*n) > f->size || n->len == UINT32_MAX) {
		f->head = 0;
		n = (struct entry *)f->mem;
	}
	*len = n->len;
	*inexact = n->inexact;
	return n->data;
}

void fl_e1000m_fifo_pop(struct e1000 *e)
{
	struct e1000_fifo *f = &e->fifo;
	uint32_t c = cost(((struct entry *)(f->mem + f->head))->len);

	f->head += c;
	f->used -= c;
	watermark(e);
}
