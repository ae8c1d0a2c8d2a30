/* SPDX-License-Identifier: BSD-3-Clause */
/* Headers on the wire. Packed: behind a 14-byte Ethernet header nothing is aligned. */
#ifndef TESTPMD_PROTO_H
#define TESTPMD_PROTO_H

#include <stdint.h>

#define WIRE __attribute__((packed))

struct eth_hdr {
	uint8_t dst[6], src[6];
	uint16_t type;
} WIRE;

struct ip4_hdr {
	uint8_t ver_ihl, tos;
	uint16_t len, id, frag;
	uint8_t ttl, proto;
	uint16_t csum;
	uint32_t src, dst;
} WIRE;

struct ip6_hdr {
	uint32_t ver_flow;
	uint16_t len;
	uint8_t next, hops;
	uint8_t src[16], dst[16];
} WIRE;

struct udp_hdr {
	uint16_t src, dst, len, csum;
} WIRE;

struct tcp_hdr {
	uint16_t src, dst;
	uint32_t seq, ack;
	uint8_t off, flags;
	uint16_t window, csum, urgent;
} WIRE;

struct arp_hdr {
	uint16_t htype, ptype;
	uint8_t hlen, plen;
	uint16_t op;
	uint8_t sha[6];
	uint32_t spa;
	uint8_t tha[6];
	uint32_t tpa;
} WIRE;

struct icmp_hdr {
	uint8_t type, code;
	uint16_t csum, id, seq;
} WIRE;

#endif
