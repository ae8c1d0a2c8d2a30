/* SPDX-License-Identifier: BSD-3-Clause */
#include "frames.h"

#include <string.h>

#define L2    14u
#define TCP   20u
#define UDP   8u
#define CHUNK 1500u

static uint8_t pattern(uint32_t i)
{
	return (uint8_t)(i * 7 + (i >> 8));
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

/* plain ones' complement sum, on purpose not the library's */
static uint32_t sum16(uint32_t sum, const uint8_t *p, uint32_t len)
{
	for (uint32_t i = 0; i + 1 < len; i += 2)
		sum += get16(p + i);
	if (len & 1)
		sum += (uint32_t)p[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static bool is_v6(const uint8_t *f)
{
	return f[L2 - 2] == 0x86;
}

static uint32_t l3_len(const uint8_t *f)
{
	return is_v6(f) ? 40 : 20;
}

static uint8_t proto(const uint8_t *f)
{
	return is_v6(f) ? f[L2 + 6] : f[L2 + 9];
}

static uint32_t l4_len(const uint8_t *f)
{
	return proto(f) == 17 ? UDP : TCP;
}

static uint32_t pseudo(const uint8_t *f, uint32_t len)
{
	uint32_t s = sum16(len + proto(f), f + L2 + (is_v6(f) ? 8 : 12), is_v6(f) ? 32 : 8);

	return s;
}

static uint8_t *l4_csum_at(uint8_t *f)
{
	return f + L2 + l3_len(f) + (proto(f) == 17 ? 6 : 16);
}

static void fill_csums(uint8_t *f, uint32_t total)
{
	uint8_t *l4 = f + L2 + l3_len(f);
	uint32_t len = total - L2 - l3_len(f), s;

	if (!is_v6(f)) {
		put16(f + L2 + 10, 0);
		put16(f + L2 + 10, ~sum16(0, f + L2, 20));
	}
	put16(l4_csum_at(f), 0);
	s = ~sum16(pseudo(f, len), l4, len) & 0xffff;
	put16(l4_csum_at(f), s ? s : 0xffff);
}

static uint32_t make_headers(uint8_t *f, bool v6, bool udp, uint32_t payload)
{
	uint32_t l4 = udp ? UDP : TCP, l3 = v6 ? 40 : 20;
	static const uint8_t macs[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	uint8_t *ip = f + L2, *t = ip + l3;

	memset(f, 0, L2 + l3 + l4);
	memcpy(f, macs, sizeof(macs));
	put16(f + 12, v6 ? 0x86dd : 0x0800);
	if (v6) {
		ip[0] = 0x60;
		put16(ip + 4, l4 + payload);
		ip[6] = udp ? 17 : 6;
		ip[7] = 64;
		ip[8] = 0xfd;
		ip[23] = 1;
		ip[24] = 0xfd;
		ip[39] = 2;
	} else {
		ip[0] = 0x45;
		put16(ip + 2, 20 + l4 + payload);
		put16(ip + 4, 77);
		ip[8] = 64;
		ip[9] = udp ? 17 : 6;
		put32(ip + 12, 0x0a000001);
		put32(ip + 16, 0x0a000002);
	}
	put16(t, 1111);
	put16(t + 2, 2222);
	if (udp) {
		put16(t + 4, UDP + payload);
	} else {
		put32(t + 4, FRAME_TCP_SEQ);
		t[12] = 0x50;
		t[13] = 0x18;
		put16(t + 14, 4096);
	}
	return L2 + l3 + l4;
}

static void set_lens(struct fl_pkt *p, const uint8_t *f)
{
	p->l2_len = L2;
	p->l3_len = (uint16_t)l3_len(f);
	p->l4_len = (uint8_t)l4_len(f);
}

uint32_t frame_l4_len(bool v6, bool udp, uint16_t payload)
{
	return L2 + (v6 ? 40 : 20) + (udp ? UDP : TCP) + payload;
}

struct fl_pkt *frame_l4(struct fl_pool *pool, bool v6, bool udp, uint16_t payload)
{
	uint32_t total = frame_l4_len(v6, udp, payload), at;
	struct fl_pkt *p = fl_pkt_alloc(pool);
	uint8_t *f = fl_pkt_append(p, (uint16_t)total);

	at = make_headers(f, v6, udp, payload);
	for (uint32_t i = 0; i < payload; i++)
		f[at + i] = pattern(i);
	fill_csums(f, total);
	set_lens(p, f);
	return p;
}

struct fl_pkt *frame_tcp_chain(struct fl_pool *pool, bool v6, uint32_t payload)
{
	struct fl_pkt *p = fl_pkt_alloc(pool);
	uint8_t *f = fl_pkt_append(p, (uint16_t)frame_l4_len(v6, false, 0));

	make_headers(f, v6, false, payload);
	set_lens(p, f);
	for (uint32_t at = 0; at < payload;) {
		uint16_t n = (uint16_t)(payload - at < CHUNK ? payload - at : CHUNK);
		struct fl_pkt *s = fl_pkt_alloc(pool);
		uint8_t *d = fl_pkt_append(s, n);

		for (uint16_t i = 0; i < n; i++)
			d[i] = pattern(at + i);
		at += n;
		if (fl_pkt_chain(p, s))
			return NULL;
	}
	return p;
}

struct fl_pkt *frame_flow(struct fl_pool *pool, bool udp, uint32_t src, uint32_t dst,
			  uint16_t sport, uint16_t dport)
{
	struct fl_pkt *p = frame_l4(pool, false, udp, 20);
	uint8_t *f = fl_pkt_data(p);

	put32(f + L2 + 12, src);
	put32(f + L2 + 16, dst);
	put16(f + L2 + 20, sport);
	put16(f + L2 + 22, dport);
	fill_csums(f, p->pkt_len);
	return p;
}

void frame_break_l4_csum(struct fl_pkt *p)
{
	uint8_t *at = l4_csum_at(fl_pkt_data(p));

	at[0] ^= 0x5a;
}

void frame_break_csums(struct fl_pkt *p)
{
	uint8_t *f = fl_pkt_data(p);

	if (!is_v6(f))
		f[L2 + 10] ^= 0xa5;
	frame_break_l4_csum(p);
}

bool frame_csums_ok(const struct fl_pkt *p)
{
	const uint8_t *f = fl_pkt_data(p);
	uint32_t len = p->pkt_len - L2 - l3_len(f);

	if (p->nb_segs != 1)
		return false;
	if (is_v6(f) ? get16(f + L2 + 4) != len : get16(f + L2 + 2) != len + 20)
		return false;
	if (!is_v6(f) && sum16(0, f + L2, 20) != 0xffff)
		return false;
	return sum16(pseudo(f, len), f + L2 + l3_len(f), len) == 0xffff;
}

uint32_t frame_tcp_seq(const struct fl_pkt *p)
{
	const uint8_t *t = (uint8_t *)fl_pkt_data(p) + L2 + l3_len(fl_pkt_data(p)) + 4;

	return (uint32_t)get16(t) << 16 | get16(t + 2);
}

uint32_t frame_check_payload(const struct fl_pkt *p, uint32_t at)
{
	const uint8_t *f = fl_pkt_data(p);
	uint32_t hdr = L2 + l3_len(f) + l4_len(f);

	for (uint32_t i = hdr; i < p->pkt_len; i++) {
		if (f[i] != pattern(at + i - hdr))
			return 0;
	}
	return p->pkt_len - hdr;
}
