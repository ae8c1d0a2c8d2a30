/* SPDX-License-Identifier: BSD-3-Clause */
/* Going through a job's bytes, whatever pieces they come in. */
#ifndef HISI_SEC_VEC_H
#define HISI_SEC_VEC_H

#include "bd.h"

/** A place in a vec that has at least as many bytes as will be asked for. */
struct secm_cur {
	const struct secm_seg *seg;
	uint32_t off;
};

struct secm_cur fl_secm_cur(const struct secm_vec *v, uint32_t off);
void fl_secm_gather(struct secm_cur *from, uint8_t *to, uint32_t n);
void fl_secm_scatter(struct secm_cur *to, const uint8_t *from, uint32_t n);

/** Reads n bytes at in and writes as many at out, which are the same, or apart. False = failed. */
typedef bool (*secm_step)(void *arg, const uint8_t *in, uint8_t *out, uint32_t n);

/**
 * Does all of len, a multiple of `unit` (1, 8 or 16), in steps of whole units: straight in memory,
 * or through a buffer where a unit lies across pieces. out NULL = there is no output.
 */
bool fl_secm_walk(struct secm_cur *in, struct secm_cur *out, uint32_t len, uint32_t unit,
		  secm_step step, void *arg);

#endif
