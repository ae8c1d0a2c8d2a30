/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transmit offloads, by the offsets that descriptors give, as the chip does it: it never parses
 * the frame. Offsets are the client's: every store is checked against the frame's length.
 */
#include "e1000_internal.h"

#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define BIG_TAG 4u

struct span {
	uint8_t *p;
	uint32_t len;
};

static void put_be16(struct span s, uint32_t off, uint32_t v)
{
	if (off + 2 <= s.len) {
		s.p[off] = (uint8_t)(v >> 8);
		s.p[off + 1] = (uint8_t)v;
	}
}

static uint32_t get_be16(struct span s, uint32_t off)
{
	return off + 2 <= s.len ? (uint32_t)(s.p[off] << 8 | s.p[off + 1]) : 0;
}

/* sums [from, to] of header and payload as one; `to` 0 = to the end */
static uint16_t sum_range(uint32_t seed, struct span h, const uint8_t *pay, uint32_t paylen,
			  uint32_t from, uint32_t to)
{
	uint32_t len = h.len + paylen, end = to && to < len ? to + 1 : len;

	if (from < h.len && from < end) {
		uint32_t n = (end < h.len ? end : h.len) - from;

		seed = fl_e1000m_sum(seed, h.p + from, n);
		from = h.len;
		/* an odd part: the next byte is the upper one of its word */
		if (n & 1 && end > from) {
			seed += (uint32_t)pay[0] << 8;
			if (end > from + 1)
				seed = fl_e1000m_sum(seed, pay + 1, end - from - 1);
			return fl_e1000m_fold(seed);
		}
	}
	if (from >= h.len && from < end)
		seed = fl_e1000m_sum(seed, pay + (from - h.len), end - from);
	return fl_e1000m_fold(seed);
}

static void store_sum(struct span s, uint32_t off, uint16_t sum, bool udp)
{
	sum = ~sum;
	/* no checksum is what 0 says in UDP */
	if (udp && !sum)
		sum = 0xffff;
	if (off + 2 <= s.len)
		memcpy(s.p + off, &sum, 2);
}

/* IP and L4 checksums of one frame or segment; `extra` goes into the pseudo header's sum */
static void checksums(const struct e1000_txctx *c, uint32_t popts, struct span h,
		      const uint8_t *pay, uint32_t paylen, uint32_t extra)
{
	if (popts & TXD_IXSM)
		store_sum(h, c->ipcso, sum_range(0, h, pay, paylen, c->ipcss, c->ipcse), false);
	if (popts & TXD_TXSM)
		store_sum(h, c->tucso, sum_range(extra, h, pay, paylen, c->tucss, c->tucse),
			  !(c->cmd & TXD_TUCMD_TCP >> 24));
}

static void insert_tag(struct e1000 *e, uint8_t *frame, uint16_t tag)
{
	memmove(frame - BIG_TAG, frame, 12);
	frame[8] = (uint8_t)(e->vet >> 8);
	frame[9] = (uint8_t)e->vet;
	frame[10] = (uint8_t)(tag >> 8);
	frame[11] = (uint8_t)tag;
}

/* without IFCS the last four bytes are the FCS: a wrong one makes a frame that nobody takes */
static bool own_fcs(struct e1000_txq *t)
{
	uint32_t fcs;

	if (t->len < 18)
		return false;
	t->len -= 4;
	memcpy(&fcs, t->buf + t->len, 4);
	return fcs == fl_e1000m_crc32(t->buf, t->len);
}

void fl_e1000m_tx_finish(struct e1000 *e, struct e1000_txq *t, uint32_t dw2, uint32_t dw3)
{
	const struct e1000_txctx *c = &t->ctx[e->v->tso_context && t->tse];
	bool dext = dw2 & TXD_DEXT;
	uint32_t css = dw3 >> 8 & 0xff, cso = dw2 >> 16 & 0xff;
	struct span all;

	t->vlan = e->tx_vme && dw2 & TXD_VLE;
	t->tag = (uint16_t)(dw3 >> 16);
	t->seg = 0;
	t->off = 0;
	t->end = t->len;
	if (t->tse) {
		/* nothing to cut, or no size to cut by */
		if (!c->mss || c->hdrlen < 14 || c->hdrlen > t->len) {
			fl_e1000m_count(e, S_TSCTFC, 1);
			return;
		}
		t->off = c->hdrlen;
		if (c->paylen && c->paylen < t->end - t->off)
			t->end = t->off + c->paylen;
		t->pctx = *c;
		t->pending = true;
		return;
	}
	if (t->len > E1000_MAX_FRAME || (!(dw2 & TXD_IFCS) && !own_fcs(t)) || t->len < 14)
		return;
	if (t->len < 60 && fl_e1000m_rd(e, R_TCTL) & TCTL_PSP) {
		memset(t->buf + t->len, 0, 60 - t->len);
		t->len = 60;
	}
	t->end = t->len;
	all = (struct span){ t->buf, t->len };
	if (!dext && dw2 & TXD_IC && css < t->len)
		store_sum(all, cso, sum_range(0, all, NULL, 0, css, 0), false);
	if (dext)
		checksums(c, t->popts, all, NULL, 0, 0);
	t->pending = true;
}

/* header of segment `seg` with n bytes of payload: lengths, id, sequence, flags, checksums */
static void segment(struct e1000_txq *t, struct span h, const uint8_t *pay, uint32_t n, bool last)
{
	const struct e1000_txctx *c = &t->pctx;
	uint32_t l4 = h.len > c->tucss ? h.len - c->tucss : 0, seq;

	if (c->cmd & TXD_TUCMD_IP4 >> 24) {
		put_be16(h, c->ipcss + 2u, h.len - c->ipcss + n);
		put_be16(h, c->ipcss + 4u, get_be16(h, c->ipcss + 4u) + t->seg);
	} else {
		put_be16(h, c->ipcss + 4u, h.len - c->ipcss - 40 + n);
	}
	if (c->cmd & TXD_TUCMD_TCP >> 24) {
		seq = get_be16(h, c->tucss + 4u) << 16 | get_be16(h, c->tucss + 6u);
		seq += t->seg * c->mss;
		put_be16(h, c->tucss + 4u, seq >> 16);
		put_be16(h, c->tucss + 6u, seq);
		if (!last && c->tucss + 13u < h.len)
			h.p[c->tucss + 13u] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	} else {
		put_be16(h, c->tucss + 4u, l4 + n);
	}
	/* the seed has no length: the chip adds each segment's */
	checksums(c, t->popts, h, pay, n, __builtin_bswap16((uint16_t)(l4 + n)));
}

static unsigned send_segments(struct e1000 *e, struct e1000_txq *t)
{
	uint8_t head[E1000_SEGS][256 + BIG_TAG];
	struct fl_frame f[E1000_SEGS];
	uint32_t off = t->off, seg = t->seg, len[E1000_SEGS];
	unsigned n = 0, sent;

	do {
		uint32_t left = t->end - off, cut = left < t->pctx.mss ? left : t->pctx.mss;
		struct span h = { head[n] + BIG_TAG, t->pctx.hdrlen };

		memcpy(h.p, t->buf, h.len);
		segment(t, h, t->buf + off, cut, left == cut);
		if (t->vlan)
			insert_tag(e, h.p, t->tag);
		f[n].seg[0].p = h.p - (t->vlan ? BIG_TAG : 0);
		f[n].seg[0].len = h.len + (t->vlan ? BIG_TAG : 0);
		f[n].seg[1].p = t->buf + off;
		f[n].seg[1].len = len[n] = cut;
		f[n].nsegs = cut ? 2 : 1;
		f[n].len = f[n].seg[0].len + cut;
		off += cut;
		n++;
		t->seg++;
	} while (off < t->end && n < E1000_SEGS);
	sent = fl_e1000m_tx_send(e, f, n);
	for (unsigned k = 0; k < sent; k++) {
		fl_e1000m_stat_tx(e, f[k].seg[0].p, f[k].len);
		t->off += len[k];
	}
	t->seg = seg + sent;
	if (t->off == t->end && sent) {
		t->pending = false;
		fl_e1000m_count(e, S_TSCTC, 1);
	}
	return sent;
}

unsigned fl_e1000m_tx_pending(struct e1000 *e, struct e1000_txq *t)
{
	struct fl_frame f = { .nsegs = 1 };
	unsigned sent = 0, n;

	if (t->tse) {
		do {
			n = send_segments(e, t);
			sent += n;
		} while (t->pending && n == E1000_SEGS && sent < E1000_TX_BUDGET);
		return sent;
	}
	if (t->vlan && !t->off)
		insert_tag(e, t->buf, t->tag);
	/* tagged once, however often it is offered */
	t->off = t->vlan ? BIG_TAG : 0;
	f.seg[0].p = t->buf - t->off;
	f.seg[0].len = f.len = t->end + t->off;
	if (!fl_e1000m_tx_send(e, &f, 1))
		return 0;
	fl_e1000m_stat_tx(e, f.seg[0].p, f.len);
	if (t->popts & TXD_TS)
		fl_e1000m_stamp_tx(e);
	t->pending = false;
	return 1;
}
