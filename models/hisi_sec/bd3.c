/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors of type 3. */
#include "bd.h"

#define SCENE_STREAM 7

static void addresses(const uint8_t *raw, struct secm_bd *b)
{
	b->src = fl_secm_le64(raw + 16);
	b->a_key = fl_secm_le64(raw + 24);
	b->a_iv = fl_secm_le64(raw + 32);
	b->c_key = fl_secm_le64(raw + 48);
	b->dst = fl_secm_le64(raw + 76);
	b->mac = fl_secm_le64(raw + 84);
	b->c_iv = fl_secm_le64(raw + 92);
}

static void auth_fields(const uint8_t *raw, struct secm_bd *b)
{
	uint32_t w = fl_secm_le32(raw + 56);

	b->auth = (uint8_t)fl_secm_bits(w, 0, 2);
	b->ai_gen = (uint8_t)fl_secm_bits(w, 2, 2);
	b->mac_len = (uint16_t)(4 * fl_secm_bits(w, 4, 5));
	b->a_key_len = (uint16_t)(4 * fl_secm_bits(w, 9, 6));
	b->a_alg = (uint8_t)fl_secm_bits(w, 15, 6);
	b->ctr_mode = (uint8_t)fl_secm_bits(w, 25, 2);
	b->prefetch = fl_secm_bits(w, 27, 1);
	/* huk; key_sel, key_wrap_num, update_key */
	b->other_key = raw[7] & 0x10 || w & 0xf1e00000;
	/* other scenes keep other things here */
	if (b->scene == SCENE_STREAM) {
		b->long_len = fl_secm_le64(raw + 100);
		b->a_pad = raw[108] & 3;
	}
}

void fl_secm_bd3_parse(const uint8_t raw[SECM_BD_SIZE], struct secm_bd *b)
{
	uint32_t w0 = fl_secm_le32(raw), c = fl_secm_le16(raw + 4);

	b->invalid = fl_secm_bits(w0, 4, 1);
	b->scene = (uint8_t)fl_secm_bits(w0, 5, 4);
	b->de = (uint8_t)fl_secm_bits(w0, 9, 2);
	b->src_type = (uint8_t)fl_secm_bits(w0, 11, 3);
	b->dst_type = (uint8_t)fl_secm_bits(w0, 14, 3);
	b->mac_type = (uint8_t)fl_secm_bits(w0, 17, 3);
	b->cipher = (uint8_t)fl_secm_bits(c, 0, 2);
	b->ci_gen = (uint8_t)fl_secm_bits(c, 2, 2);
	b->c_icv_len = (uint8_t)fl_secm_bits(c, 4, 6);
	b->c_width = (uint8_t)fl_secm_bits(c, 10, 3);
	b->c_key_len = (uint8_t)fl_secm_bits(c, 13, 3);
	b->c_mode = raw[6] & 0xf;
	b->c_alg = raw[6] >> 4;
	b->seq = raw[7] >> 6 & 1;
	b->a_off = fl_secm_le16(raw + 64);
	b->c_off = fl_secm_le16(raw + 66);
	b->a_len = fl_secm_le32(raw + 68) & 0xffffff;
	b->c_len = fl_secm_le32(raw + 72) & 0xffffff;
	auth_fields(raw, b);
	addresses(raw, b);
}
