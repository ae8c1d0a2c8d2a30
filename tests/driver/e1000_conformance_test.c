/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The burst contract on two modelled chips, with doorbells in shared pages and trapped, with one
 * queue each way and with two where the chip has them; and over a lazy pool whose packets lie all
 * over it, of which a page or two more than what is in flight may stay mapped.
 */
#include "e1000_pair.h"

#include <inttypes.h>
#include <stdio.h>

#include <fl_residency.h>

#define COUNT  4096u
#define BUDGET 65536u

/* Packets come out of the pool in no order, and so from another page each. */
static void scatter(struct fl_pool *pool)
{
	static struct fl_pkt *all[COUNT];

	assert_int_equal(fl_pkt_alloc_bulk(pool, all, COUNT), COUNT);
	for (uint32_t i = 0, at = 0; i < COUNT; i++, at = (at + 1597) % COUNT)
		fl_pkt_free(all[at]);
}

static int make_lazy(struct pair *p)
{
	const struct fl_residency_opts tiny = { .budget = BUDGET };
	struct fl_pool_opts o;
	int rc;

	rc = fl_dma_residency_set(fl_ctx_space(p->ctx), &tiny);
	if (!rc)
		rc = fl_pool_destroy(p->pool);
	fl_pool_opts_init(&o);
	o.count = COUNT;
	o.cache = 32;
	o.space = fl_ctx_space(p->ctx);
	o.dma_opts.residency = FL_LAZY;
	return rc ? rc : fl_pool_create(&o, NULL, &p->pool);
}

/* All of it was in vain if nothing had to go; and nobody may have been put off. */
static int judge(const struct pair *p)
{
	struct fl_residency_stats st;

	fl_mem_residency_stats(fl_pool_area(p->pool), &st);
	if (st.misses > 1000 && st.evictions > 1000 && !st.refused)
		return 0;
	printf("lazy: %" PRIu64 " misses, %" PRIu64 " evictions, %" PRIu64 " refused\n", st.misses,
	       st.evictions, st.refused);
	return 1;
}

static int run(const char *name, const char *args, uint16_t queues, bool lazy)
{
	struct pair p = { .queues = queues };
	struct fl_port_info i;
	int failed = 0;

	if (e1000_pair_make(&p, args) || (lazy && make_lazy(&p)))
		return 1;
	fl_port_info(p.a, &i);
	if (lazy)
		scatter(p.pool);
	if (queues <= i.rxq_max)
		failed = conformance_run(name, &p);
	if (lazy)
		failed += judge(&p);
	pair_free(&p);
	return failed;
}

int main(int argc, char **argv)
{
	e1000_args(argc, argv);
	return run("shared doorbells", "shared=on", 1, false) +
	       run("trapped doorbells", "shared=off", 1, false) +
	       run("two queues", "shared=on", 2, false) +
	       run("lazy, hardly any budget", "shared=on", 1, true);
}
