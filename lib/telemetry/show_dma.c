/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory: the process, spaces, areas, residency. */
#include "telemetry_internal.h"

#include <fl_residency.h>
#include <stdlib.h>

#define AREAS_DEFAULT 1000u
#define WINDOWS_MAX   64u

void fl_tele_process(struct fl_json *j, const char *key)
{
	struct fl_mem_usage u = { 0 };

	if (fl_mem_usage(&u)) {
		fl_json_text(j, key, NULL);
		return;
	}
	fl_json_open(j, key, '{');
	fl_json_u64(j, "rss_bytes", u.rss);
	fl_json_u64(j, "locked_bytes", u.vm_lck + u.vm_pin);
	if (u.memlock_limit == UINT64_MAX)
		fl_json_text(j, "memlock_limit", NULL);
	else
		fl_json_u64(j, "memlock_limit", u.memlock_limit);
	fl_json_close(j, '}');
}

static void settings(struct fl_dma_space *s, struct fl_json *j)
{
	struct fl_residency_opts o;
	char by[64];

	fl_dma_residency_by(s, by, sizeof(by));
	fl_json_text(j, "by", by);
	fl_dma_residency_get(s, &o);
	if (o.budget == FL_BUDGET_NONE)
		fl_json_text(j, "budget_bytes", NULL);
	else
		fl_json_u64(j, "budget_bytes", o.budget);
	fl_json_u64(j, "fault_around", o.fault_around);
	fl_json_bool(j, "watch", o.watch);
}

void fl_tele_space(struct fl_dma_space *s, unsigned number, struct fl_json *j)
{
	struct fl_iova_range w[WINDOWS_MAX];
	unsigned n = fl_dma_windows(s, w, WINDOWS_MAX);
	struct fl_dma_stats st;

	fl_dma_stats(s, &st);
	fl_json_open(j, NULL, '{');
	fl_json_u64(j, "space", number);
	fl_json_u64(j, "areas", st.areas);
	fl_json_u64(j, "domains", st.domains);
	fl_json_u64(j, "owned_bytes", st.owned_bytes);
	fl_json_u64(j, "mapped_bytes", st.mapped_bytes);
	fl_json_u64(j, "pinned_bytes", st.pinned_bytes);
	fl_json_u64(j, "entries", st.entries);
	fl_json_u64(j, "maps", st.maps);
	fl_json_u64(j, "unmaps", st.unmaps);
	fl_json_u64(j, "map_errors", st.map_errors);
	fl_json_u64(j, "unmap_errors", st.unmap_errors);
	fl_json_u64(j, "replays", st.replays);
	fl_json_u64(j, "page_bytes", fl_dma_page_size(s));
	settings(s, j);
	fl_json_open(j, "windows", '[');
	for (unsigned i = 0; i < n && i < WINDOWS_MAX; i++) {
		fl_json_open(j, NULL, '{');
		fl_json_hex(j, "first", w[i].first);
		fl_json_hex(j, "last", w[i].last);
		fl_json_close(j, '}');
	}
	fl_json_close(j, ']');
	fl_json_close(j, '}');
}

/* ---- areas ------------------------------------------------------------------------------- */

/** Copied under the space's lock, written after: a post that misses waits for that lock. */
struct row {
	struct fl_dma_area a;
	struct fl_residency_stats st;
};

struct rows {
	struct row *v;
	uint64_t n, max, skip;
	bool lazy; /* only those */
};

static int take(const struct fl_dma_area *a, const struct fl_residency_stats *st, void *arg)
{
	struct rows *r = arg;

	if (r->lazy && a->residency != FL_LAZY)
		return 0;
	if (r->skip) {
		r->skip--;
		return 0;
	}
	if (r->n == r->max)
		return 1;
	r->v[r->n++] = (struct row){ *a, *st };
	return 0;
}

static void counters(const struct fl_residency_stats *st, struct fl_json *j)
{
	fl_json_u64(j, "owned_bytes", st->owned_bytes);
	fl_json_u64(j, "mapped_bytes", st->mapped_bytes);
	fl_json_u64(j, "pinned_bytes", st->pinned_bytes);
	fl_json_u64(j, "locked_bytes", st->locked_bytes);
	fl_json_u64(j, "faults", st->faults);
	fl_json_u64(j, "fault_pages", st->fault_pages);
	fl_json_u64(j, "spurious", st->spurious);
	fl_json_u64(j, "upgrades", st->upgrades);
	fl_json_u64(j, "invalid", st->invalid);
	fl_json_u64(j, "denied", st->denied);
	fl_json_u64(j, "failed", st->failed);
	fl_json_u64(j, "throttled", st->throttled);
	fl_json_u64(j, "misses", st->misses);
	fl_json_u64(j, "refused", st->refused);
	fl_json_u64(j, "rewarmed", st->rewarmed);
	fl_json_u64(j, "evictions", st->evictions);
	fl_json_u64(j, "evict_busy", st->evict_busy);
	fl_json_u64(j, "invalidations", st->invalidations);
	fl_json_u64(j, "discards", st->discards);
	fl_json_u64(j, "prefault_pages", st->prefault_pages);
	fl_json_u64(j, "latency_ns", st->latency_ns);
	fl_json_open(j, "latency", '[');
	for (unsigned i = 0; i < FL_FAULT_BUCKETS; i++)
		fl_json_u64(j, NULL, st->latency[i]);
	fl_json_close(j, ']');
}

static void one_area(const struct row *r, uint64_t number, struct fl_json *j)
{
	const struct fl_dma_area *a = &r->a;

	fl_json_open(j, NULL, '{');
	fl_json_u64(j, "area", number);
	fl_json_hex(j, "va", (uintptr_t)a->va);
	fl_json_hex(j, "iova", a->iova.v);
	fl_json_u64(j, "bytes", a->len);
	fl_json_text(j, "residency", a->residency == FL_LAZY ? "lazy" : "pinned");
	fl_json_bool(j, "device_reads", a->prot & FL_DMA_READ);
	fl_json_bool(j, "device_writes", a->prot & FL_DMA_WRITE);
	if (a->residency == FL_LAZY) {
		fl_json_u64(j, "window_bytes", a->windows ? 1ull << a->window_shift : 0);
		counters(&r->st, j);
	}
	fl_json_close(j, '}');
}

/** Writes an array's items; the first `skip` areas (lazy ones, if `lazy`) are left out. */
static int list_areas(struct fl_dma_space *s, struct rows *r, struct fl_json *j)
{
	uint64_t first = r->skip;
	struct fl_dma_stats st;

	fl_dma_stats(s, &st);
	r->max = st.areas < r->max ? st.areas : r->max;
	r->v = calloc(r->max + 1, sizeof(*r->v));
	if (!r->v)
		return -ENOMEM;
	(void)fl_dma_residency_each(s, take, r);
	for (uint64_t i = 0; i < r->n; i++)
		one_area(&r->v[i], first + i, j);
	free(r->v);
	return 0;
}

int fl_tele_areas(struct fl_dma_space *s, unsigned number, const struct fl_tele_req *q,
		  struct fl_json *j)
{
	struct rows r = { .max = AREAS_DEFAULT };
	int err;

	if (q->nargs > 1)
		r.skip = q->num[1];
	if (q->nargs > 2)
		r.max = q->num[2];
	fl_json_open(j, NULL, '{');
	fl_json_u64(j, "space", number);
	fl_json_open(j, "areas", '[');
	err = list_areas(s, &r, j);
	fl_json_close(j, ']');
	fl_json_close(j, '}');
	return err;
}

int fl_tele_residency(struct fl_dma_space *s, unsigned number, struct fl_json *j)
{
	struct rows r = { .max = AREAS_DEFAULT, .lazy = true };
	struct fl_residency_stats sum;
	struct fl_dma_stats st;
	int err;

	fl_dma_stats(s, &st);
	fl_dma_residency_stats(s, &sum);
	fl_json_open(j, NULL, '{');
	fl_json_u64(j, "space", number);
	settings(s, j);
	fl_json_u64(j, "all_owned_bytes", st.owned_bytes);
	fl_json_u64(j, "all_mapped_bytes", st.mapped_bytes);
	fl_json_u64(j, "all_pinned_bytes", st.pinned_bytes);
	counters(&sum, j);
	fl_json_open(j, "areas", '[');
	err = list_areas(s, &r, j);
	fl_json_close(j, ']');
	fl_json_close(j, '}');
	return err;
}
