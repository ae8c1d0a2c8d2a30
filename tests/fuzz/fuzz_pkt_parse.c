/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a frame: nothing is read outside of it, and what is found fits into it. */
#include <stdlib.h>
#include <string.h>

#include <fl_pkt.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_pkt p = { .data_off = 0 };
	uint16_t l3, l4;

	if (size > UINT16_MAX)
		return 0;
	/* a block of exactly this size, so that the address sanitizer sees a byte too far */
	p.buf = malloc(size ? size : 1);
	if (!p.buf)
		return 0;
	memcpy(p.buf, data, size);
	p.data_len = (uint16_t)size;
	p.pkt_len = (uint32_t)size;
	require(fl_pkt_parse(&p) == p.ptype);
	l3 = p.ptype & FL_PTYPE_L3_MASK;
	l4 = p.ptype & FL_PTYPE_L4_MASK;
	require((size_t)p.l2_len + p.l3_len + p.l4_len <= size);
	require(!!(p.ptype & FL_PTYPE_ETHER) == (p.l2_len >= 14));
	require(!!l3 == (p.l3_len >= 20));
	require(!!l4 == (p.l4_len >= 8));
	require(!l4 || l3);
	require(p.ptype == 0 || p.ptype & FL_PTYPE_ETHER);
	/* the sum over all is that over two even pieces */
	l3 = (uint16_t)(size / 2 & ~1u);
	require(fl_csum_fold(fl_csum_add(0, p.buf, size)) ==
		fl_csum_fold(fl_csum_add(fl_csum_add(0, p.buf, l3), p.buf + l3, size - l3)));
	free(p.buf);
	return 0;
}
