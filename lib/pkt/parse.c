/* SPDX-License-Identifier: BSD-3-Clause */
#include <fl_pkt.h>

#include <string.h>

#define ETH_LEN	     14u
#define VLAN_LEN     4u
#define MAX_VLANS    2u
#define IPV6_LEN     40u
#define MIN_IPV4_LEN 20u
#define MIN_TCP_LEN  20u
#define UDP_LEN	     8u

enum { ETYPE_IPV4 = 0x0800, ETYPE_VLAN = 0x8100, ETYPE_IPV6 = 0x86dd, ETYPE_QINQ = 0x88a8 };

enum {
	PROTO_HOPOPTS = 0,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_AH = 51,
	PROTO_DSTOPTS = 60,
	PROTO_UNKNOWN = 256,
};

/** What is left of the headers. */
struct cursor {
	const uint8_t *at;
	uint32_t left;
};

static uint16_t be16(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

static void advance(struct cursor *c, uint32_t n)
{
	c->at += n;
	c->left -= n;
}

/* Returns the ethertype behind the tags; 0 = cut off. */
static uint16_t parse_l2(struct cursor *c, uint8_t *l2_len)
{
	uint32_t len = ETH_LEN;
	uint16_t type;

	if (c->left < len)
		return 0;
	type = be16(c->at + 12);
	for (unsigned i = 0; i < MAX_VLANS && (type == ETYPE_VLAN || type == ETYPE_QINQ); i++) {
		if (c->left < len + VLAN_LEN)
			return 0;
		len += VLAN_LEN;
		type = be16(c->at + len - 2);
	}
	*l2_len = (uint8_t)len;
	advance(c, len);
	return type;
}

/* Sets *l3_len and returns the protocol of what follows, PROTO_UNKNOWN in a fragment. */
static unsigned parse_ipv4(struct cursor *c, uint16_t *l3_len)
{
	uint32_t len, total;
	unsigned proto;

	if (c->left < MIN_IPV4_LEN || c->at[0] >> 4 != 4)
		return PROTO_UNKNOWN;
	len = (c->at[0] & 15u) * 4;
	total = be16(c->at + 2);
	if (len < MIN_IPV4_LEN || len > c->left || total < len)
		return PROTO_UNKNOWN;
	if (c->left > total) /* padding of a short frame is no L4 header */
		c->left = total;
	proto = be16(c->at + 6) & 0x3fff ? PROTO_UNKNOWN : c->at[9];
	*l3_len = (uint16_t)len;
	advance(c, len);
	return proto;
}

/* Length of an extension header, 0 = cut off. */
static uint32_t ext_len(const struct cursor *c, unsigned proto)
{
	uint32_t len = 8;

	if (c->left < len)
		return 0;
	if (proto == PROTO_AH)
		len = (c->at[1] + 2u) * 4;
	else if (proto != PROTO_FRAGMENT)
		len = (c->at[1] + 1u) * 8;
	return len <= c->left ? len : 0;
}

static bool is_ext(unsigned proto)
{
	return proto == PROTO_HOPOPTS || proto == PROTO_ROUTING || proto == PROTO_FRAGMENT ||
	       proto == PROTO_AH || proto == PROTO_DSTOPTS;
}

static unsigned parse_ipv6(struct cursor *c, uint16_t *l3_len)
{
	uint32_t len = IPV6_LEN, payload;
	bool fragment = false;
	unsigned proto;

	if (c->left < len || c->at[0] >> 4 != 6)
		return PROTO_UNKNOWN;
	payload = be16(c->at + 4);
	proto = c->at[6];
	advance(c, len);
	if (payload && c->left > payload) /* 0: a jumbogram, its length stands in an option */
		c->left = payload;
	while (!fragment && is_ext(proto)) {
		uint32_t n = ext_len(c, proto);

		if (n == 0)
			return PROTO_UNKNOWN;
		/* offset and M both 0: all of the packet is here */
		fragment = proto == PROTO_FRAGMENT && (be16(c->at + 2) & 0xfff9);
		proto = c->at[0];
		len += n;
		advance(c, n);
	}
	*l3_len = (uint16_t)len;
	return fragment ? PROTO_UNKNOWN : proto;
}

static uint16_t parse_l4(const struct cursor *c, unsigned proto, uint8_t *l4_len)
{
	uint32_t len;

	if (proto == PROTO_UDP && c->left >= UDP_LEN) {
		*l4_len = UDP_LEN;
		return FL_PTYPE_UDP;
	}
	if (proto == PROTO_TCP && c->left >= MIN_TCP_LEN) {
		len = (c->at[12] >> 4) * 4u;
		if (len >= MIN_TCP_LEN && len <= c->left) {
			*l4_len = (uint8_t)len;
			return FL_PTYPE_TCP;
		}
	}
	return 0;
}

uint16_t fl_pkt_parse(struct fl_pkt *p)
{
	struct cursor c = { fl_pkt_data(p), p->data_len };
	unsigned proto = PROTO_UNKNOWN;
	uint16_t type;

	p->ptype = 0;
	p->l2_len = 0;
	p->l3_len = 0;
	p->l4_len = 0;
	type = parse_l2(&c, &p->l2_len);
	if (p->l2_len == 0)
		return 0;
	p->ptype = FL_PTYPE_ETHER;
	if (type == ETYPE_IPV4)
		proto = parse_ipv4(&c, &p->l3_len);
	else if (type == ETYPE_IPV6)
		proto = parse_ipv6(&c, &p->l3_len);
	if (p->l3_len == 0)
		return p->ptype;
	p->ptype |= type == ETYPE_IPV4 ? FL_PTYPE_IPV4 : FL_PTYPE_IPV6;
	p->ptype |= parse_l4(&c, proto, &p->l4_len);
	return p->ptype;
}

/* ---- checksum --------------------------------------------------------------------------- */

/*
 * Words are added as they stand in memory: ones' complement sums come out the same in either
 * byte order (RFC 1071), so the folded sum is stored as it is.
 */
uint32_t fl_csum_add(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *b = data;
	uint64_t acc = sum;
	uint32_t word;
	uint16_t half = 0;

	/* 2^32 words of 32 bits fit the accumulator */
	for (; len >= 4; len -= 4, b += 4) {
		memcpy(&word, b, sizeof(word));
		acc += word;
	}
	if (len >= 2) {
		memcpy(&half, b, sizeof(half));
		acc += half;
		len -= 2;
		b += 2;
	}
	half = 0;
	memcpy(&half, b, len);
	acc += half;
	acc = (acc & UINT32_MAX) + (acc >> 32);
	return (uint32_t)((acc & UINT32_MAX) + (acc >> 32));
}

uint16_t fl_csum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}
