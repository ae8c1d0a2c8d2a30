/* SPDX-License-Identifier: BSD-3-Clause */
/* The peer where libdpdk was not found when this was built: it says so and takes no part. */
#include <errno.h>

#include "bench.h"

static int init(const struct bench_opts *o)
{
	bench_note("built without DPDK: no peer figures (Debian: libdpdk-dev)");
	return -ENOSYS;
}

const struct bench_side bench_peer = { .name = "peer", .init = init };
