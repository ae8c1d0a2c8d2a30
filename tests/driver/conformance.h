/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The burst contract as tests, for any network driver: give it two ports joined by a cable and a
 * pool. What port a sends arrives at b, and the other way round.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fl_net.h>

struct pair {
	struct fl_ctx *ctx;
	struct fl_pool *pool;
	struct fl_port *a, *b;
	uint16_t
		queues; /* each way, in the suite; it sends on the last and receives on the first */
};

#define PAIR_RING 128u

/** Configures, sets up and starts one port. conf NULL = one queue each way, promiscuous. */
void pair_up_port(struct pair *p, struct fl_port *port, const struct fl_port_conf *conf,
		  uint16_t ring);
/** Both ports, then waits for their links. */
void pair_up(struct pair *p, const struct fl_port_conf *conf);
void pair_down(struct pair *p);
/** Every packet is back: fails where one leaked. */
void pair_check_pool(struct pair *p);
/** Closes ports, pool, context. */
void pair_free(struct pair *p);

/** A frame of len bytes (14 or more): addresses, ethertype 0x88b5, then a pattern made of seq. */
struct fl_pkt *pair_frame(struct pair *p, uint32_t seq, uint16_t len);
/** The seq in it, after a check of every byte. */
uint32_t pair_frame_seq(const struct fl_pkt *pkt);
/** Sends all, in as many bursts as it takes (bounded in time). */
void pair_send(struct fl_txq *q, struct fl_pkt **pkts, uint16_t n);
/** Receives exactly n within the time limit; fewer is a failure. */
void pair_recv(struct fl_rxq *q, struct fl_pkt **pkts, uint16_t n);
/** Nothing arrives for ms. */
void pair_recv_none(struct fl_rxq *q, unsigned ms);
/** Frees what arrives until nothing comes for ms; returns how many. */
unsigned pair_flush(struct fl_rxq *q, unsigned ms);

/** Runs the suite under a name; returns how many tests failed. */
int conformance_run(const char *name, struct pair *p);

#endif
