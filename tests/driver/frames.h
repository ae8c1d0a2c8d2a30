/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP and UDP frames for tests, made and checked by the byte. */
#ifndef FRAMES_H
#define FRAMES_H

#include <fl_pkt.h>

#define FRAME_TCP_SEQ 1000u

/** A frame with a pattern as payload, right checksums, and l2_len, l3_len, l4_len set. */
struct fl_pkt *frame_l4(struct fl_pool *pool, bool v6, bool udp, uint16_t payload);
uint32_t frame_l4_len(bool v6, bool udp, uint16_t payload);
/** TCP, the headers alone in the first segment, payload in several more. */
struct fl_pkt *frame_tcp_chain(struct fl_pool *pool, bool v6, uint32_t payload);
/** IPv4 TCP or UDP of a given flow, addresses and ports in host order. */
struct fl_pkt *frame_flow(struct fl_pool *pool, bool udp, uint32_t src, uint32_t dst,
			  uint16_t sport, uint16_t dport);
/** Puts rubbish where the L4, or both, checksums stand. */
void frame_break_l4_csum(struct fl_pkt *p);
void frame_break_csums(struct fl_pkt *p);
/** IP length, IP and L4 checksums of a frame in one segment. */
bool frame_csums_ok(const struct fl_pkt *p);
uint32_t frame_tcp_seq(const struct fl_pkt *p);
/** Compares the payload with the pattern from `at` on; returns its length, 0 where it differs. */
uint32_t frame_check_payload(const struct fl_pkt *p, uint32_t at);

#endif
