/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef OURS_H
#define OURS_H

#include <fl_pkt.h>

#include "bench.h"

int ours_pool_create(struct fl_dma_space *space, bool huge, struct fl_pool **out);

void *ours_port_open(bool huge, struct membar **bar);
void ours_port_close(void *port, struct membar *bar);
uint64_t ours_rx(void *port, void **pkts, unsigned burst, unsigned *n);
uint64_t ours_tx(void *port, void **pkts, unsigned burst, unsigned *n);
uint64_t ours_forward(void *port, unsigned burst, unsigned *n);
int ours_alloc(void *port, void **pkts);
unsigned ours_free(void **pkts);

#endif
