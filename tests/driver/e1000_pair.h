/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef E1000_PAIR_H
#define E1000_PAIR_H

#include "conformance.h"

/** The model's name: an argument of the test's, "e1000" (82540EM) or "e1000e" (82574L). */
extern const char *e1000_model;
void e1000_args(int argc, char **argv);

/** Two modelled chips on a wire of their own; args = more of the models' arguments. */
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
/** What ports of this chip say of themselves; whether that includes all of some features. */
struct fl_port_info e1000_info(void);
bool e1000_has(uint64_t features);
/** The longest frame without FCS or tag. */
uint32_t e1000_longest(void);
/** From a to b, prepared. */
struct fl_pkt *e1000_send_one(struct fl_pkt *pkt);

#endif
