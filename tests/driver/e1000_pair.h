/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef E1000_PAIR_H
#define E1000_PAIR_H

#include "conformance.h"

/** Two modelled 82574Ls on a wire of their own; args = more of the models' arguments. */
int e1000_pair_make(struct pair *p, const char *args);

#endif
