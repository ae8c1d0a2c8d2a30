/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PEER_H
#define PEER_H

#include "bench.h"

struct rte_mempool;
extern struct rte_mempool *peer_pool;

/** Makes a PCI bus with one 82574L on it, for rte_eal_init() to find. */
int peer_bus_create(void);
/** Takes the files away again; what EAL has opened and mapped stays. */
void peer_bus_remove(void);

void *peer_port_open(unsigned how, struct membar **bar);
void peer_port_close(void *port, struct membar *bar);
uint64_t peer_rx(void *port, void **pkts, unsigned burst, unsigned *n);
uint64_t peer_tx(void *port, void **pkts, unsigned burst, unsigned *n);
uint64_t peer_forward(void *port, unsigned burst, unsigned *n);
int peer_alloc(void *port, void **pkts);
unsigned peer_free(void **pkts);

#endif
