/* SPDX-License-Identifier: BSD-3-Clause */
/* Crypto devices in a context with memory to work on; pieces of that memory cut at random. */
#ifndef RIG_H
#define RIG_H

#include <fl_crypto.h>

#define RIG_SEGS 9u
#define RIG_DEVS 2u
/* a device that does not answer for that long is given up */
#define RIG_WAIT_NS (20 * 1000000000ull)

struct rig_dev {
	const char *uri;
	struct fl_cryptodev *dev;
	struct fl_cryptodev_info info;
	struct fl_qp *qp; /* its only one, started */
};

struct rig {
	struct fl_ctx *ctx;
	struct rig_dev dev[RIG_DEVS];
	unsigned ndev, nops;
	struct fl_op **ops;
	struct fl_op_pool *pool;
	struct fl_mem *mem;
	struct fl_dma_area *area;
	uint64_t seed;
};

/** Opens n devices in one context, with nops ops and so many bytes that all of them reach. */
int rig_open(struct rig *r, char **uris, unsigned n, unsigned nops, uint64_t bytes);
void rig_close(struct rig *r);

uint32_t rig_rnd(struct rig *r, uint32_t below);
/** Cuts n bytes from `at` on into at most RIG_SEGS segments with gaps; returns where they end. */
uint8_t *rig_cut(struct rig *r, uint8_t *at, uint32_t n, struct fl_seg *seg, uint16_t *count);

#endif
