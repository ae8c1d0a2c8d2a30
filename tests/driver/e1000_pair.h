/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef E1000_PAIR_H
#define E1000_PAIR_H

#include "conformance.h"

/** Two modelled 82574Ls on a wire of their own; args = more of the models' arguments. */
int e1000_pair_make(struct pair *p, const char *args);

/** The pair that a group of tests shares: its set-up with doorbells in shared pages, its teardown.
 */
extern struct pair pr;
int e1000_group_setup(void **state);
int e1000_group_teardown(void **state);
/** After a test: ports stopped, no packet out, no filters left. */
int e1000_down(void **state);
/** Both ports with these offloads and queues, promiscuous. */
void e1000_up(uint64_t offloads, uint16_t queues);
/** From a to b, prepared. */
struct fl_pkt *e1000_send_one(struct fl_pkt *pkt);

#endif
