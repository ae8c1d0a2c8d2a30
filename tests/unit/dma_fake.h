/* SPDX-License-Identifier: BSD-3-Clause */
/* A domain that keeps what it was told, refuses what a kernel would, and fails when asked to. */
#ifndef DMA_FAKE_H
#define DMA_FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <dma_internal.h>
#include <mem_internal.h>

#define KIB	  1024ull
#define MIB	  (1ull << 20)
#define GIB	  (1ull << 30)

#define FAKE_MAPS 512

/* Call number `at` (from 1; 0 = none) and the `times - 1` after it answer `rc`. */
struct fault {
	unsigned calls, at, times;
	int rc;
};

struct fake {
	struct fl_dma_limits limits;
	struct fl_iova_range ranges[4];
	int limits_rc;
	struct fl_dma_mapping maps[FAKE_MAPS];
	unsigned n;
	struct fault map, unmap;
	/* the unmap call that tells of this many bytes less than it should */
	uint64_t short_by;
	unsigned short_at;
};

static char last_msg[1024], all_msgs[16384];

static void keep_msg(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
	size_t at = strlen(all_msgs);

	snprintf(last_msg, sizeof(last_msg), "%s", msg);
	snprintf(all_msgs + at, sizeof(all_msgs) - at, "%s\n", msg);
}

static const struct fl_log sink = { .write = keep_msg, .level = FL_LOG_DEBUG };

static inline void assert_said(const char *words)
{
	if (!strstr(all_msgs, words))
		fail_msg("nobody said \"%s\", only: %s", words, all_msgs);
	all_msgs[0] = 0;
}

static inline bool fault_hits(struct fault *f)
{
	f->calls++;
	return f->at && f->calls >= f->at && f->calls < f->at + f->times;
}

static int fake_limits(void *arg, struct fl_dma_limits *out)
{
	struct fake *d = arg;

	*out = d->limits;
	out->ranges = d->ranges;
	if (d->limits.entries_max)
		out->entries_avail = d->limits.entries_max - d->n;
	return d->limits_rc;
}

static int fake_map(void *arg, const struct fl_dma_mapping *m)
{
	struct fake *d = arg;
	uint64_t grain = d->limits.page_sizes & -d->limits.page_sizes;

	if (fault_hits(&d->map))
		return d->map.rc;
	if (!m->len || ((m->iova.v | m->len | (uintptr_t)m->va) & (grain - 1)))
		return -EINVAL;
	if (d->n == FAKE_MAPS || (d->limits.entries_max && d->n == d->limits.entries_max))
		return -ENOSPC;
	for (unsigned i = 0; i < d->n; i++)
		if (m->iova.v <= d->maps[i].iova.v + (d->maps[i].len - 1) &&
		    d->maps[i].iova.v <= m->iova.v + (m->len - 1))
			return -EEXIST;
	d->maps[d->n++] = *m;
	return 0;
}

/* Like type1: whole mappings inside the range go; one that sticks out makes it -EINVAL. */
static int fake_unmap(void *arg, fl_iova_t iova, uint64_t len, uint64_t *unmapped)
{
	struct fake *d = arg;
	uint64_t done = 0;

	if (fault_hits(&d->unmap))
		return d->unmap.rc;
	for (unsigned i = 0; i < d->n;) {
		struct fl_dma_mapping *m = &d->maps[i];
		bool begins = m->iova.v - iova.v < len;
		bool ends = m->iova.v + (m->len - 1) - iova.v < len;

		if (begins != ends)
			return -EINVAL;
		if (begins) {
			done += m->len;
			d->maps[i] = d->maps[--d->n];
		} else {
			i++;
		}
	}
	*unmapped = d->unmap.calls == d->short_at ? done - d->short_by : done;
	return 0;
}

static const struct fl_dma_domain_ops fake_ops = {
	.name = "fake",
	.limits = fake_limits,
	.map = fake_map,
	.unmap = fake_unmap,
};

/* One window, pages from 4 KiB, no entry limit. */
static inline struct fake fake_with(uint64_t first, uint64_t last)
{
	return (struct fake){
		.limits = { .nranges = 1, .page_sizes = -4096ull },
		.ranges = { { first, last } },
	};
}

/* Every address but the MSI window of x86. */
static inline struct fake fake_x86(uint64_t last)
{
	return (struct fake){
		.limits = { .nranges = 2, .page_sizes = -4096ull },
		.ranges = { { 0, 0xfedfffff }, { 0xfef00000, last } },
	};
}

static inline const struct fl_dma_mapping *fake_at(const struct fake *d, uint64_t iova)
{
	for (unsigned i = 0; i < d->n; i++)
		if (d->maps[i].iova.v == iova)
			return &d->maps[i];
	return NULL;
}

static inline void assert_maps(const struct fake *d, uint64_t iova, uint64_t len)
{
	const struct fl_dma_mapping *m = fake_at(d, iova);

	assert_non_null(m);
	assert_int_equal(m->len, len);
}

/* Memory that is only described: nothing here ever touches it. */
static inline struct fl_mem mem_at(uint64_t va, uint64_t len)
{
	return (struct fl_mem){ .info = { .va = (void *)va,
					  .len = len,
					  .page_size = 4096,
					  .kind = FL_MEM_EXTERNAL,
					  .fd = -1,
					  .node = -1 } };
}

static inline struct fl_dma_space *new_space(void)
{
	struct fl_dma_space *s;

	all_msgs[0] = 0;
	assert_int_equal(fl_dma_space_create(&sink, &s), 0);
	return s;
}

static inline struct fl_dma_domain *add(struct fl_dma_space *s, struct fake *d)
{
	struct fl_dma_domain *dom;

	assert_int_equal(fl_dma_domain_add(s, &fake_ops, d, &dom), 0);
	return dom;
}

static inline struct fl_dma_area *map(struct fl_dma_space *s, struct fl_mem *m,
				      const struct fl_dma_opts *o)
{
	struct fl_dma_area *a;

	assert_int_equal(fl_dma_map(s, m, o, &a), 0);
	return a;
}

static inline void unmap(struct fl_dma_area *a)
{
	assert_int_equal(fl_dma_unmap(a), 0);
}

static inline void end(struct fl_dma_space *s)
{
	assert_int_equal(fl_dma_space_destroy(s), 0);
}

static inline struct fl_dma_stats stats(struct fl_dma_space *s)
{
	struct fl_dma_stats st;

	fl_dma_stats(s, &st);
	return st;
}

#endif
