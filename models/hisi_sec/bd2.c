/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors of type 2; what type 3 has beyond it reads as 0. */
#include "bd.h"

bool fl_secm_bd_parse(const uint8_t raw[SECM_BD_SIZE], struct secm_bd *b)
{
	*b = (struct secm_bd){ .type = raw[0] & 0xf };
	if (b->type == 2)
		fl_secm_bd2_parse(raw, b);
	else if (b->type == 3)
		fl_secm_bd3_parse(raw, b);
	else
		return false;
	return true;
}

static void addresses(const uint8_t *raw, struct secm_bd *b)
{
	b->a_iv = fl_secm_le64(raw + 56);
	b->a_key = fl_secm_le64(raw + 64);
	b->mac = fl_secm_le64(raw + 72);
	b->c_iv = fl_secm_le64(raw + 80);
	b->c_key = fl_secm_le64(raw + 88);
	b->src = fl_secm_le64(raw + 96);
	b->dst = fl_secm_le64(raw + 104);
}

void fl_secm_bd2_parse(const uint8_t raw[SECM_BD_SIZE], struct secm_bd *b)
{
	uint32_t w0 = fl_secm_le32(raw), auth = fl_secm_le32(raw + 8);
	uint32_t c = fl_secm_le16(raw + 12);

	b->cipher = (uint8_t)fl_secm_bits(w0, 4, 2);
	b->auth = (uint8_t)fl_secm_bits(w0, 6, 2);
	b->seq = fl_secm_bits(w0, 8, 1);
	b->de = (uint8_t)fl_secm_bits(w0, 9, 2);
	b->scene = (uint8_t)fl_secm_bits(w0, 11, 4);
	b->src_type = (uint8_t)fl_secm_bits(w0, 15, 3);
	b->dst_type = (uint8_t)fl_secm_bits(w0, 18, 3);
	b->mac_type = (uint8_t)fl_secm_bits(w0, 21, 3);
	b->ci_gen = raw[4] >> 6;
	b->ai_gen = raw[5] & 3;
	b->a_pad = raw[5] >> 2 & 3;
	b->other_key = raw[4] & 0x30 || raw[6] & 0x1e; /* huk, key_s, c_key_type, a_key_type */
	b->invalid = raw[7] >> 7;
	b->mac_len = (uint16_t)(4 * fl_secm_bits(auth, 0, 5));
	b->a_key_len = (uint16_t)(4 * fl_secm_bits(auth, 5, 6));
	b->a_alg = (uint8_t)fl_secm_bits(auth, 11, 6);
	b->c_icv_len = (uint8_t)fl_secm_bits(c, 0, 6);
	b->c_width = (uint8_t)fl_secm_bits(c, 6, 3);
	b->c_key_len = (uint8_t)fl_secm_bits(c, 9, 3);
	b->c_mode = (uint8_t)fl_secm_bits(c, 12, 4);
	b->c_alg = raw[14] & 0xf;
	b->a_len = fl_secm_le32(raw + 16) & 0xffffff;
	b->c_len = fl_secm_le32(raw + 20) & 0xffffff;
	b->a_off = fl_secm_le16(raw + 24);
	b->c_off = fl_secm_le16(raw + 26);
	b->long_len = fl_secm_le64(raw + 48);
	addresses(raw, b);
}
