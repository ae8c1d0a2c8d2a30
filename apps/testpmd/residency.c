/* SPDX-License-Identifier: BSD-3-Clause */
/* What of the packet memory is mapped for devices, and what that costs. */
#include "testpmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int tp_residency_read(struct tp *tp, struct tp_residency *r)
{
	const struct fl_dma_area *area = tp->pool ? fl_pool_area(tp->pool) : NULL;
	struct fl_dma_space *space = fl_ctx_space(tp->ctx);
	int ret;

	*r = (struct tp_residency){ .name = area && area->residency == FL_LAZY ? "lazy"
									       : "pinned" };
	ret = fl_mem_usage(&r->mem);
	if (ret)
		return ret;
	fl_dma_stats(space, &r->dma);
	fl_dma_residency_stats(space, &r->lazy);
	fl_dma_residency_get(space, &r->opts);
	fl_dma_residency_by(space, r->by, sizeof(r->by));
	return 0;
}

void tp_show_residency_line(struct tp *tp)
{
	struct tp_residency r;

	if (tp_residency_read(tp, &r))
		return;
	printf("  Residency: %s, %" PRIu64 " of %" PRIu64 " KiB mapped, %" PRIu64
	       " KiB locked, %" PRIu64 " KiB resident; %" PRIu64 " misses, %" PRIu64
	       " evictions, %" PRIu64 " faults\n",
	       r.name, r.dma.mapped_bytes >> 10, r.dma.owned_bytes >> 10,
	       (r.mem.vm_lck + r.mem.vm_pin) >> 10, r.mem.rss >> 10, r.lazy.misses,
	       r.lazy.evictions, r.lazy.faults);
}

static void show_faults(const struct fl_residency_stats *s)
{
	printf("  Faults: %" PRIu64 ", pages: %" PRIu64 ", spurious: %" PRIu64
	       ", upgrades: %" PRIu64 "\n",
	       s->faults, s->fault_pages, s->spurious, s->upgrades);
	printf("  Refused: outside %" PRIu64 ", permission %" PRIu64 ", no memory %" PRIu64
	       ", too fast %" PRIu64 "\n",
	       s->invalid, s->denied, s->failed, s->throttled);
	for (unsigned i = 0; i < FL_FAULT_BUCKETS; i++)
		if (s->latency[i])
			printf("  Latency: %s%u us: %" PRIu64 "\n",
			       i + 1 < FL_FAULT_BUCKETS ? "below " : "from ",
			       i + 1 < FL_FAULT_BUCKETS ? 2u << i : 1u << i, s->latency[i]);
}

void tp_show_residency(struct tp *tp)
{
	const struct fl_residency_stats *s;
	struct tp_residency r;

	if (tp_residency_read(tp, &r))
		return;
	s = &r.lazy;
	printf("\n  ************************ Residency ************************\n");
	tp_show_residency_line(tp);
	if (r.opts.budget == FL_BUDGET_NONE)
		printf("  Budget: none");
	else
		printf("  Budget: %" PRIu64 " KiB", r.opts.budget >> 10);
	if (r.mem.memlock_limit == UINT64_MAX)
		printf(", ulimit -l: unlimited\n");
	else
		printf(", ulimit -l: %" PRIu64 " KiB\n", r.mem.memlock_limit >> 10);
	printf("  Lazy (%s): %" PRIu64 " KiB, of it mapped %" PRIu64 ", pinned %" PRIu64
	       ", locked %" PRIu64 "\n",
	       r.by, s->owned_bytes >> 10, s->mapped_bytes >> 10, s->pinned_bytes >> 10,
	       s->locked_bytes >> 10);
	printf("  Misses: %" PRIu64 ", refused: %" PRIu64 ", rewarmed: %" PRIu64 "\n", s->misses,
	       s->refused, s->rewarmed);
	printf("  Evictions: %" PRIu64 ", busy: %" PRIu64 "; invalidations: %" PRIu64
	       ", discards: %" PRIu64 ", prefaulted pages: %" PRIu64 "\n",
	       s->evictions, s->evict_busy, s->invalidations, s->discards, s->prefault_pages);
	if (s->faults || s->invalid || s->denied || s->failed || s->throttled)
		show_faults(s);
	printf("  ***********************************************************\n");
}
