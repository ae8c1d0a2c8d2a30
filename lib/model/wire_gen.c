/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A traffic generator: UDP over IPv4 between the addresses that RFC 2544 sets aside for tests
 * (198.18.0.0/15), payload of zeros. Sizes count the FCS, as the field does.
 */
#include "wire_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define FCS	     4u
#define SIZE_MIN     64u
#define SIZE_MAX_FCS 9216u
#define HEADERS	     42u
#define IP_OFF	     14u
#define UDP_OFF	     34u
#define FLOWS_MAX    65536u
#define SRC_NET	     0xc6120000u /* 198.18.0.0 */
#define DST_NET	     0xc6130000u /* 198.19.0.0 */

struct gen {
	struct fl_wire_queue q;
	struct fl_wire_rate rate;
	uint32_t size, first, last; /* without FCS; size walks from first to last */
	bool imix;
	unsigned imix_at;
	uint32_t flow, flows;
	uint64_t left; /* frames still to make */
	bool forever;
	uint64_t swallowed;
	uint8_t buf[FL_WIRE_BATCH][SIZE_MAX_FCS];
};

static const uint8_t ether[IP_OFF] = { 0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x08, 0x00 };

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static uint32_t sum16(const uint8_t *p, unsigned len, uint32_t sum)
{
	for (unsigned i = 0; i < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return sum;
}

static uint32_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static void build(uint8_t *p, uint32_t len, uint32_t flow)
{
	uint32_t ip_len = len - IP_OFF, udp_len = len - UDP_OFF, sum;

	memcpy(p, ether, sizeof(ether));
	put32(p + IP_OFF, 0x45000000 | ip_len);
	put32(p + IP_OFF + 4, 0);
	put32(p + IP_OFF + 8, 0x40110000); /* TTL 64, UDP, checksum below */
	put32(p + IP_OFF + 12, SRC_NET | (flow & 0xffff));
	put32(p + IP_OFF + 16, DST_NET | 1);
	put16(p + IP_OFF + 10, fold(sum16(p + IP_OFF, 20, 0)));
	put16(p + UDP_OFF, 1024 + flow % 64512);
	put16(p + UDP_OFF + 2, 9); /* discard */
	put16(p + UDP_OFF + 4, udp_len);
	put16(p + UDP_OFF + 6, 0);
	/* addresses and UDP header lie together; protocol and length once more, payload of zeros */
	sum = fold(sum16(p + IP_OFF + 12, 16, 17 + udp_len));
	put16(p + UDP_OFF + 6, sum ? sum : 0xffff);
}

static uint32_t next_size(struct gen *g)
{
	/* seven small, four middling, one large: the mix that testers quote */
	static const uint16_t imix[12] = { 64, 594, 64, 64, 594, 64, 1518, 64, 594, 64, 64, 594 };
	uint32_t len = g->size;

	if (g->imix) {
		len = imix[g->imix_at] - FCS;
		g->imix_at = (g->imix_at + 1) % FL_ARRAY_SIZE(imix);
		return len;
	}
	g->size = len == g->last ? g->first : len + 1;
	return len;
}

static void gen_fill(struct gen *g, unsigned n)
{
	if (!g->forever && n > g->left)
		n = (unsigned)g->left;
	for (unsigned i = 0; i < n; i++) {
		uint32_t len = next_size(g);

		build(g->buf[i], len, g->flow);
		g->flow = g->flow + 1 == g->flows ? 0 : g->flow + 1;
		fl_frame_set(&g->q.f[i], g->buf[i], len);
	}
	g->q.n = n;
	g->rate.sent += n;
	if (!g->forever)
		g->left -= n;
}

static unsigned gen_poll(struct fl_wire *w, uint64_t now_ns, unsigned budget)
{
	struct gen *g = w->priv;

	if (!g->q.n)
		gen_fill(g, fl_wire_due(&g->rate, now_ns,
					budget < FL_WIRE_BATCH ? budget : FL_WIRE_BATCH));
	return fl_wire_offer(w, &g->q, budget);
}

static uint64_t gen_next(const struct fl_wire *w)
{
	const struct gen *g = w->priv;

	if (g->q.n)
		return 0;
	return g->forever || g->left ? fl_wire_due_at(&g->rate) : UINT64_MAX;
}

static unsigned gen_send(struct fl_wire *w, const struct fl_frame *f, unsigned n, bool hold)
{
	((struct gen *)w->priv)->swallowed += n;
	return n;
}

static void gen_close(struct fl_wire *w)
{
	struct gen *g = w->priv;

	fl_info(w->log, "wire", "generator: %llu frames swallowed",
		(unsigned long long)g->swallowed);
	free(g);
}

static const struct fl_wire_ops gen_ops = {
	.patient = true, .send = gen_send, .poll = gen_poll, .next = gen_next, .close = gen_close
};

static int parse_size(struct fl_wire *w, struct gen *g, const char *s)
{
	unsigned a, b;
	char rest;

	if (!strcmp(s, "imix")) {
		g->imix = true;
		return 0;
	}
	if (sscanf(s, "%u-%u%c", &a, &b, &rest) != 2) {
		if (sscanf(s, "%u%c", &a, &rest) != 1)
			a = 0;
		b = a;
	}
	if (a < SIZE_MIN || b < a || b > SIZE_MAX_FCS) {
		fl_err(w->log, "wire",
		       "size=%s: give a size or a range (64-1518) within %u-%u bytes with FCS, or imix",
		       s, SIZE_MIN, SIZE_MAX_FCS);
		return -EINVAL;
	}
	g->first = g->size = a - FCS;
	g->last = b - FCS;
	return 0;
}

static int parse(struct fl_wire *w, struct gen *g, struct fl_args *args)
{
	const char *size = fl_args_get(args, "size");
	uint64_t flows;
	int r = parse_size(w, g, size ? size : "64");

	if (!r)
		r = fl_args_u64(args, "flows", 1, &flows);
	if (!r)
		r = fl_args_u64(args, "rate", 0, &g->rate.pps);
	if (!r)
		r = fl_args_u64(args, "count", 0, &g->left);
	if (r)
		return r;
	if (!flows || flows > FLOWS_MAX) {
		fl_err(w->log, "wire", "flows is 1 to %u", FLOWS_MAX);
		return -EINVAL;
	}
	g->flows = (uint32_t)flows;
	g->forever = !g->left;
	return 0;
}

int fl_wire_gen_open(struct fl_wire *w, struct fl_args *args)
{
	struct gen *g = calloc(1, sizeof(*g));
	int r = g ? parse(w, g, args) : -ENOMEM;

	if (r) {
		free(g);
		return r;
	}
	w->ops = &gen_ops;
	w->priv = g;
	return 0;
}
