/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef OURS_H
#define OURS_H

#include <fl_pkt.h>

#include "bench.h"

int ours_pool_create(struct fl_dma_space *space, unsigned how, struct fl_pool **out);

void *ours_port_open(unsigned how, struct membar **bar);
void ours_port_close(void *port, struct membar *bar);
uint64_t ours_rx(void *port, void **pkts, unsigned burst, unsigned *n);
uint64_t ours_tx(void *port, void **pkts, unsigned burst, unsigned *n);
uint64_t ours_forward(void *port, unsigned burst, unsigned *n);
int ours_alloc(void *port, void **pkts);
unsigned ours_free(void **pkts);

/** A started SEC2 made of memory; ends the program where it does not start. */
struct bench_crypto *ours_crypto_open(bool v3);
void ours_crypto_close(struct bench_crypto *b);
/** Ticks for SECTION requests; *n = how many were taken, or came back well. */
uint64_t ours_crypto_enqueue(struct bench_crypto *b, unsigned burst, unsigned *n);
uint64_t ours_crypto_dequeue(struct bench_crypto *b, unsigned burst, unsigned *n);
/** The device's part on CPU `cpu` instead of in the caller; -1 = in the caller. */
int ours_crypto_remote(struct bench_crypto *b, int cpu);
/** The device's part, not timed: completes what was rung. */
unsigned ours_crypto_device(struct bench_crypto *b);

#endif
