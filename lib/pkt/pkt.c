/* SPDX-License-Identifier: BSD-3-Clause */
#include "pkt_internal.h"

#include <string.h>

#define MAX_SEGS UINT8_MAX

static uint16_t buf_len(const struct fl_pkt *p)
{
	return (uint16_t)(FL_PKT_HEADROOM + p->pool->data_room);
}

static struct fl_pkt *last_seg(struct fl_pkt *p)
{
	while (p->next)
		p = p->next;
	return p;
}

uint16_t fl_pkt_tailroom(const struct fl_pkt *p)
{
	if (p->kind & FL_PKT_CLONE)
		return 0;
	return (uint16_t)(buf_len(p) - p->data_off - p->data_len);
}

void *fl_pkt_prepend(struct fl_pkt *p, uint16_t len)
{
	if (len > fl_pkt_headroom(p) || len > UINT16_MAX - p->data_len)
		return NULL;
	p->data_off = (uint16_t)(p->data_off - len);
	p->data_len = (uint16_t)(p->data_len + len);
	p->pkt_len += len;
	return fl_pkt_data(p);
}

void *fl_pkt_append(struct fl_pkt *p, uint16_t len)
{
	struct fl_pkt *last = last_seg(p);
	uint8_t *end = (uint8_t *)fl_pkt_data(last) + last->data_len;

	if (len > fl_pkt_tailroom(last))
		return NULL;
	last->data_len = (uint16_t)(last->data_len + len);
	p->pkt_len += len;
	return end;
}

void *fl_pkt_adj(struct fl_pkt *p, uint16_t len)
{
	if (len > p->data_len)
		return NULL;
	p->data_off = (uint16_t)(p->data_off + len);
	p->data_len = (uint16_t)(p->data_len - len);
	p->pkt_len -= len;
	return fl_pkt_data(p);
}

int fl_pkt_trim(struct fl_pkt *p, uint16_t len)
{
	struct fl_pkt *last = last_seg(p);

	if (len > last->data_len)
		return -EINVAL;
	last->data_len = (uint16_t)(last->data_len - len);
	p->pkt_len -= len;
	return 0;
}

int fl_pkt_chain(struct fl_pkt *head, struct fl_pkt *tail)
{
	if (head->nb_segs + tail->nb_segs > MAX_SEGS)
		return -EOVERFLOW;
	last_seg(head)->next = tail;
	head->nb_segs = (uint8_t)(head->nb_segs + tail->nb_segs);
	head->pkt_len += tail->pkt_len;
	tail->nb_segs = 1;
	return 0;
}

void fl_pkt_ref(struct fl_pkt *p)
{
	for (; p; p = p->next)
		__atomic_fetch_add(&p->refcnt, 1, __ATOMIC_RELAXED);
}

/* What holds for the whole packet and is no matter of lengths. */
static void copy_offloads(struct fl_pkt *to, const struct fl_pkt *from)
{
	to->flags = from->flags;
	to->ptype = from->ptype;
	to->tso_mss = from->tso_mss;
	to->hash = from->hash;
	to->vlan_tci = from->vlan_tci;
	to->port = from->port;
	to->l3_len = from->l3_len;
	to->l2_len = from->l2_len;
	to->l4_len = from->l4_len;
}

/* the packet whose buffer it is */
static struct fl_pkt *origin_of(const struct fl_pkt *p)
{
	return p->kind & FL_PKT_CLONE ? p->pool->origin[p - p->pool->pkts] : (struct fl_pkt *)p;
}

const struct fl_dma_area *fl_pkt_area(const struct fl_pkt *p)
{
	const struct fl_dma_area *a = origin_of(p)->pool->area;
	const uint8_t *at = fl_pkt_data(p);

	return a && at >= a->va && (uint64_t)(at - a->va) + p->data_len <= a->len ? a : NULL;
}

static bool may_share(const struct fl_pkt *p)
{
	for (; p; p = p->next) {
		if (fl_pkt_refs(origin_of(p)) >= FL_PKT_CLONES_MAX)
			return false;
	}
	return true;
}

static void share_seg(struct fl_pkt *c, struct fl_pkt *p)
{
	struct fl_pkt *origin = origin_of(p);

	__atomic_fetch_add(&origin->refcnt, 1, __ATOMIC_RELAXED);
	c->pool->origin[c - c->pool->pkts] = origin;
	c->kind = FL_PKT_CLONE;
	c->buf = p->buf;
	c->iova = p->iova;
	c->data_off = p->data_off;
	c->data_len = p->data_len;
	c->pkt_len = p->pkt_len;
	copy_offloads(c, p);
}

/* Makes one packet of n single ones. */
static struct fl_pkt *link_segs(struct fl_pkt *const *segs, uint32_t n)
{
	for (uint32_t i = 0; i + 1 < n; i++)
		segs[i]->next = segs[i + 1];
	segs[0]->nb_segs = (uint8_t)n;
	return segs[0];
}

struct fl_pkt *fl_pkt_clone(struct fl_pkt *p, struct fl_pool *pool)
{
	struct fl_pkt *segs[MAX_SEGS];
	uint32_t n = p->nb_segs;

	if (!may_share(p) || fl_pkt_alloc_bulk(pool, segs, n) == 0)
		return NULL;
	for (uint32_t i = 0; i < n; i++, p = p->next)
		share_seg(segs[i], p);
	return link_segs(segs, n);
}

/* Copies [off, off+len) of the chain; false: it is shorter. */
static bool copy_out(const struct fl_pkt *p, uint32_t off, uint32_t len, uint8_t *to)
{
	for (; p && off >= p->data_len; p = p->next)
		off -= p->data_len;
	for (; p && len; p = p->next, off = 0) {
		uint32_t part = p->data_len - off;

		if (part > len)
			part = len;
		memcpy(to, (const uint8_t *)fl_pkt_data(p) + off, part);
		to += part;
		len -= part;
	}
	return len == 0;
}

struct fl_pkt *fl_pkt_copy(const struct fl_pkt *p, struct fl_pool *pool)
{
	uint32_t room = pool->data_room, n = p->pkt_len ? (p->pkt_len + room - 1) / room : 1;
	struct fl_pkt *segs[MAX_SEGS];
	uint32_t off = 0;

	if (n > MAX_SEGS || fl_pkt_alloc_bulk(pool, segs, n) == 0)
		return NULL;
	for (uint32_t i = 0; i < n; i++) {
		struct fl_pkt *s = segs[i];
		uint32_t part = p->pkt_len - off < room ? p->pkt_len - off : room;

		s->data_off = FL_PKT_HEADROOM;
		s->data_len = (uint16_t)part;
		s->pkt_len = i ? part : p->pkt_len;
		copy_offloads(s, p);
		if (!copy_out(p, off, part, fl_pkt_data(s))) {
			fl_pkt_free_bulk(segs, n);
			return NULL;
		}
		off += part;
	}
	return link_segs(segs, n);
}

const void *fl_pkt_read(const struct fl_pkt *p, uint32_t off, uint32_t len, void *buf)
{
	if (off > p->pkt_len || len > p->pkt_len - off)
		return NULL;
	if (off <= p->data_len && len <= p->data_len - off)
		return (const uint8_t *)fl_pkt_data(p) + off;
	return copy_out(p, off, len, buf) ? buf : NULL;
}

/* ---- fl_pkt_check() --------------------------------------------------------------------- */

static bool of_pool(const struct fl_pool *pool, const struct fl_pkt *p)
{
	uintptr_t off = (uintptr_t)p - (uintptr_t)pool->pkts;

	return off % sizeof(*p) == 0 && off / sizeof(*p) < pool->count;
}

static const char *check_buf(const struct fl_pkt *p)
{
	const struct fl_pool *pool = p->pool;
	uint32_t index = (uint32_t)(p - pool->pkts);

	if (p->buf != pool->va + fl_pool_offset(&pool->layout, index))
		return "buf is not the packet's own buffer";
	if (pool->area ? p->iova.v != fl_dma_iova(pool->area, p->buf).v
		       : p->iova.v != FL_IOVA_BAD_V)
		return "iova is not that of buf";
	return NULL;
}

static const char *check_clone(const struct fl_pkt *p)
{
	const struct fl_pkt *origin = origin_of(p);

	if (!origin || origin->kind)
		return "the packet that a clone shares is a clone itself";
	if (fl_pkt_refs(origin) == 0)
		return "the packet that a clone shares is free";
	if (p->buf != origin->buf || p->iova.v != origin->iova.v)
		return "a clone's buf or iova is not that of the packet it shares";
	if (p->data_off + p->data_len > buf_len(origin))
		return "data reaches past the end of the buffer";
	return NULL;
}

static const char *check_seg(const struct fl_pkt *p)
{
	const char *why;

	if (!p->pool || !of_pool(p->pool, p))
		return "pool is not the one that the packet stands in";
	if (fl_pkt_refs(p) == 0)
		return "refcnt is 0: the packet is free";
	if (p->kind > FL_PKT_CLONE)
		return "kind is none that exists";
	if (p->kind)
		return check_clone(p);
	why = check_buf(p);
	if (!why && p->data_off + p->data_len > buf_len(p))
		why = "data reaches past the end of the buffer";
	return why;
}

static const char *check_chain(const struct fl_pkt *head)
{
	const struct fl_pkt *p = head;
	uint64_t len = 0;
	const char *why;

	for (uint32_t i = 0; i < head->nb_segs; i++, p = p->next) {
		if (!p)
			return "fewer segments than nb_segs says";
		why = check_seg(p);
		if (why)
			return why;
		if (i && p->nb_segs != 1)
			return "nb_segs of a later segment is not 1";
		len += p->data_len;
	}
	if (p)
		return "more segments than nb_segs says";
	return len == head->pkt_len ? NULL : "pkt_len is not the sum of data_len";
}

int fl_pkt_check(const struct fl_pkt *p, const char **why)
{
	const char *w = !p ? "no packet" : p->nb_segs ? check_chain(p) : "nb_segs is 0";

	if (why)
		*why = w;
	return w ? -EINVAL : 0;
}
