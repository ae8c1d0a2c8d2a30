/* SPDX-License-Identifier: BSD-3-Clause */
/* A session's part of a BD, in the layout of each type. */
#include "sec_bd.h"

void fl_sec_bd2_make(struct fl_sec_bd *bd, const struct fl_sec_recipe *r)
{
	memset(bd, 0, sizeof(*bd));
	bd->w[0] = 2u | (uint32_t)r->cipher << 4 | (uint32_t)r->auth << 6 |
		   (uint32_t)r->digest_first << 8 | (uint32_t)r->scene << 11;
	bd->w[1] = (uint32_t)r->ai_gen << 8 | (uint32_t)r->a_nopad << 10;
	bd->w[2] = r->mac_len | (uint32_t)r->a_key_len << 5 | (uint32_t)r->a_alg << 11;
	bd->w[3] = r->c_icv_len | (uint32_t)r->c_width << 6 | (uint32_t)r->c_key_len << 9 |
		   (uint32_t)r->c_mode << 12 | (uint32_t)r->c_alg << 16;
	bd->q[8] = r->a_key;
	bd->q[11] = r->c_key;
}

void fl_sec_bd3_make(struct fl_sec_bd *bd, const struct fl_sec_recipe *r)
{
	memset(bd, 0, sizeof(*bd));
	bd->w[0] = 3u | (uint32_t)r->scene << 5;
	bd->w[1] = r->cipher | (uint32_t)r->c_icv_len << 4 | (uint32_t)r->c_width << 10 |
		   (uint32_t)r->c_key_len << 13 | (uint32_t)r->c_mode << 16 |
		   (uint32_t)r->c_alg << 20 | (uint32_t)r->digest_first << 30;
	bd->q[3] = r->a_key;
	bd->q[6] = r->c_key;
	bd->w[14] = r->auth | (uint32_t)r->ai_gen << 2 | (uint32_t)r->mac_len << 4 |
		    (uint32_t)r->a_key_len << 9 | (uint32_t)r->a_alg << 15 |
		    (uint32_t)r->ctr_or_xts << 25;
	bd->w[27] = r->a_nopad;
}
