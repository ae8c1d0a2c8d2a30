/* SPDX-License-Identifier: BSD-3-Clause */
#include "pool_whole.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

void pool_whole(struct fl_pool *pool)
{
	struct fl_pool_stats s;
	struct fl_pkt **all;
	const char *why = "";

	fl_pool_stats(pool, &s);
	assert_int_equal(s.in_use, 0);
	all = calloc(s.count, sizeof(struct fl_pkt *));
	assert_non_null(all);
	for (uint32_t i = 0; i < s.count; i++) {
		all[i] = fl_pkt_alloc(pool);
		if (!all[i])
			fail_msg("packet %u of %u is not there", i, s.count);
		if (fl_pkt_check(all[i], &why))
			fail_msg("packet %u: %s", i, why);
		assert_int_equal(all[i]->refcnt, 1);
		assert_int_equal(all[i]->kind, 0);
		all[i]->hash = i;
	}
	/* one that was freed twice has its last number twice */
	for (uint32_t i = 0; i < s.count; i++)
		assert_int_equal(all[i]->hash, i);
	assert_null(fl_pkt_alloc(pool));
	fl_pkt_free_bulk(all, s.count);
	free(all);
}
