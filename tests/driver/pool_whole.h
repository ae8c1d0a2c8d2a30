/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef POOL_WHOLE_H
#define POOL_WHOLE_H

#include <fl_pkt.h>

/** Fails unless every packet of an idle pool is there, once, and as a free packet has to be. */
void pool_whole(struct fl_pool *pool);

#endif
