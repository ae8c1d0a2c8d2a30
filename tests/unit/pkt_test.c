/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fl_mem.h>
#include <pkt_internal.h>

#define WINDOW (2ull << 20)

/* for what is meant to fail */
static const struct fl_log quiet = { .level = FL_LOG_ERR };

static struct fl_pool *make(uint32_t count, uint32_t data_room, uint32_t cache)
{
	struct fl_pool_opts o;
	struct fl_pool *pool = NULL;

	fl_pool_opts_init(&o);
	o.count = count;
	o.data_room = data_room;
	o.cache = cache;
	assert_int_equal(fl_pool_create(&o, &quiet, &pool), 0);
	return pool;
}

static void assert_good(const struct fl_pkt *p)
{
	const char *why = NULL;

	if (fl_pkt_check(p, &why))
		fail_msg("fl_pkt_check: %s", why);
}

static void assert_bad(const struct fl_pkt *p, const char *part)
{
	const char *why = NULL;

	assert_int_equal(fl_pkt_check(p, &why), -EINVAL);
	if (!strstr(why, part))
		fail_msg("expected \"%s\", got \"%s\"", part, why);
}

static void assert_all_home(struct fl_pool *pool)
{
	struct fl_pool_stats st;

	fl_pool_stats(pool, &st);
	assert_int_equal(st.in_use, 0);
	assert_int_equal(fl_pool_destroy(pool), 0);
}

static void assert_free_invariant(const struct fl_pkt *p)
{
	assert_null(p->next);
	assert_int_equal(p->nb_segs, 1);
	assert_int_equal(p->refcnt, 1);
	assert_int_equal(p->kind, 0);
}

static struct fl_pkt *filled(struct fl_pool *pool, uint16_t len, uint8_t first)
{
	struct fl_pkt *p = fl_pkt_alloc(pool);
	uint8_t *b;

	assert_non_null(p);
	b = fl_pkt_append(p, len);
	assert_non_null(b);
	for (uint16_t i = 0; i < len; i++)
		b[i] = (uint8_t)(first + i);
	return p;
}

/* ---- pools ------------------------------------------------------------------------------ */

static void test_opts(void **state)
{
	struct fl_pool_opts o, bad;
	struct fl_pool *pool = NULL;

	fl_pool_opts_init(&o);
	assert_int_equal(fl_pool_create(&o, &quiet, &pool), -EINVAL);
	o.count = 16;
	bad = o;
	bad.count = (1u << 28) + 1;
	assert_int_equal(fl_pool_create(&bad, &quiet, &pool), -EINVAL);
	bad = o;
	bad.data_room = 63;
	assert_int_equal(fl_pool_create(&bad, &quiet, &pool), -EINVAL);
	bad.data_room = 65535 - FL_PKT_HEADROOM + 1;
	assert_int_equal(fl_pool_create(&bad, &quiet, &pool), -EINVAL);
	bad = o;
	bad.cache = 1025;
	assert_int_equal(fl_pool_create(&bad, &quiet, &pool), -EINVAL);
	bad = o;
	bad.mem_opts.kind = FL_MEM_EXTERNAL;
	assert_int_equal(fl_pool_create(&bad, &quiet, &pool), -EINVAL);
	assert_null(pool);
	assert_int_equal(fl_pool_destroy(NULL), 0);
}

/* all packets once, each its own, none more; then all again */
static void use_all(uint32_t count, uint32_t cache, uint32_t burst)
{
	struct fl_pool *pool = make(count, 0, cache);
	struct fl_pkt **pkts = calloc(count, sizeof(*pkts)), *more[8];
	struct fl_pool_stats st;

	for (int round = 0; round < 3; round++) {
		uint32_t n = 0;

		while (n + burst <= count && fl_pkt_alloc_bulk(pool, pkts + n, burst) == burst)
			n += burst;
		while (n < count && fl_pkt_alloc_bulk(pool, pkts + n, 1))
			n++;
		assert_int_equal(n, count);
		assert_null(fl_pkt_alloc(pool));
		assert_int_equal(fl_pkt_alloc_bulk(pool, more, 8), 0);
		fl_pool_stats(pool, &st);
		assert_int_equal(st.in_use, count);
		assert_int_equal(st.fresh, 0);
		assert_int_equal(st.alloc_failed, 2 * (round + 1));
		assert_int_equal(fl_pool_destroy(pool), -EBUSY);
		for (uint32_t i = 0; i < count; i++) {
			assert_free_invariant(pkts[i]);
			assert_ptr_equal(pkts[i]->pool, pool);
			pkts[i]->data_off = FL_PKT_HEADROOM;
			pkts[i]->data_len = 0;
			pkts[i]->pkt_len = 0;
			assert_good(pkts[i]);
			pkts[i]->hash = 0xfeed0000u + i;
		}
		for (uint32_t i = 0; i < count; i++)
			assert_int_equal(pkts[i]->hash, 0xfeed0000u + i);
		for (n = 0; n + burst <= count; n += burst)
			round & 1 ? fl_pkt_free_simple(pool, pkts + n, burst)
				  : fl_pkt_free_bulk(pkts + n, burst);
		fl_pkt_free_bulk(pkts + n, count - n);
		fl_pool_stats(pool, &st);
		assert_int_equal(st.in_use, 0);
		assert_true(st.cached <= (cache == ~0u ? 256 : cache));
	}
	free(pkts);
	assert_all_home(pool);
}

static void test_use_all(void **state)
{
	const uint32_t caches[] = { 0, 1, 7, 64, 1024, ~0u };

	for (size_t i = 0; i < FL_ARRAY_SIZE(caches); i++) {
		use_all(1, caches[i], 1);
		use_all(1000, caches[i], 1);
		use_all(1000, caches[i], 7);
		use_all(1000, caches[i], 64);
		use_all(1000, caches[i], 900);
	}
}

/* a failed bulk hands out nothing and loses nothing */
static void test_bulk_is_all_or_nothing(void **state)
{
	for (uint32_t cache = 0; cache <= 32; cache += 16) {
		struct fl_pool *pool = make(100, 0, cache);
		struct fl_pkt *pkts[101];

		assert_int_equal(fl_pkt_alloc_bulk(pool, pkts, 0), 0);
		assert_int_equal(fl_pkt_alloc_bulk(pool, pkts, 101), 0);
		assert_int_equal(fl_pkt_alloc_bulk(pool, pkts, 60), 60);
		assert_int_equal(fl_pkt_alloc_bulk(pool, pkts + 60, 41), 0);
		assert_int_equal(fl_pkt_alloc_bulk(pool, pkts + 60, 40), 40);
		fl_pkt_free_bulk(pkts, 100);
		fl_pkt_free_bulk(pkts, 0);
		fl_pkt_free_simple(pool, pkts, 0);
		fl_pkt_free(NULL);
		assert_all_home(pool);
	}
}

static void test_layout(void **state)
{
	const uint32_t rooms[] = { 64, 1024, 2048, 9216, 65535 - FL_PKT_HEADROOM };
	const uint64_t skews[] = { 0, 64, 4096, 2176, 2176 * 963, WINDOW - 4096, WINDOW - 64 };

	for (size_t r = 0; r < FL_ARRAY_SIZE(rooms); r++) {
		for (size_t s = 0; s < FL_ARRAY_SIZE(skews); s++) {
			struct fl_pool_layout l =
				fl_pool_layout_at(rooms[r], WINDOW * 5 + skews[s]);
			struct fl_pool_opts o = { .data_room = rooms[r] };
			uint64_t end = 0;

			for (uint32_t i = 0; i < 4000; i++) {
				uint64_t off = fl_pool_offset(&l, i), at = skews[s] + off;
				uint64_t last = at + FL_PKT_HEADROOM + rooms[r] - 1;

				assert_true(off >= end);
				assert_int_equal(at % 64, 0);
				assert_int_equal(at / WINDOW, last / WINDOW);
				end = off + FL_PKT_HEADROOM + rooms[r];
				o.count = i + 1;
				assert_true(fl_pool_mem_size(&o) >= end);
			}
		}
	}
}

/* 4 GiB of buffers: quick, and next to nothing resident */
static void test_large_pool_is_not_touched(void **state)
{
	uint64_t t = fl_now_ns(), bufs, meta;
	struct fl_pool *pool = make(2u << 20, 0, ~0u);
	struct fl_pkt *p = fl_pkt_alloc(pool);

	assert_non_null(p);
	assert_true(fl_now_ns() - t < 500000000);
	assert_int_equal(fl_mem_resident(pool->own_mem, &bufs), 0);
	assert_int_equal(fl_mem_resident(pool->meta_mem, &meta), 0);
	assert_int_equal(bufs, 0);
	assert_true(meta > 0 && meta <= 64 * 1024);
	fl_pkt_free(p);
	assert_all_home(pool);
}

static void test_own_memory(void **state)
{
	struct fl_pool_opts o;
	struct fl_pool *pool;
	struct fl_mem_info info;
	struct fl_pkt *p;

	fl_pool_opts_init(&o);
	o.count = 10;
	assert_int_equal(fl_mem_alloc(fl_pool_mem_size(&o), NULL, &o.mem), 0);
	fl_mem_info(o.mem, &info);
	assert_int_equal(fl_pool_create(&o, NULL, &pool), 0);
	p = filled(pool, 100, 0);
	assert_in_range((uintptr_t)p->buf, (uintptr_t)info.va, (uintptr_t)info.va + info.len - 1);
	assert_int_equal(p->iova.v, FL_IOVA_BAD_V);
	fl_pkt_free(p);
	assert_all_home(pool);
	/* too small: refused, and the memory stays ours */
	o.count = 1000;
	assert_int_equal(fl_pool_create(&o, &quiet, &pool), -EINVAL);
	memset(info.va, 1, info.len);
	fl_mem_free(o.mem);
}

/* a domain that takes everything and keeps count */
struct fake_domain {
	struct fl_iova_range range;
	unsigned maps, unmaps;
};

static int fake_limits(void *arg, struct fl_dma_limits *out)
{
	struct fake_domain *d = arg;

	*out = (struct fl_dma_limits){ .ranges = &d->range, .nranges = 1, .page_sizes = 4096 };
	return 0;
}

static int fake_map(void *arg, const struct fl_dma_mapping *m)
{
	((struct fake_domain *)arg)->maps++;
	return 0;
}

static int fake_unmap(void *arg, fl_iova_t iova, uint64_t len, uint64_t *unmapped)
{
	((struct fake_domain *)arg)->unmaps++;
	*unmapped = len;
	return 0;
}

/* where a device finds the data: in the area of the pool that the buffer is of */
static void test_area(struct fl_pool *pool)
{
	struct fl_pool *bare = make(4, 64, 0);
	struct fl_pkt *p = filled(pool, 60, 0), *c = fl_pkt_clone(p, bare), *b = filled(bare, 9, 0);

	assert_ptr_equal(fl_pkt_area(p), fl_pool_area(pool));
	assert_ptr_equal(fl_pkt_area(c), fl_pool_area(pool));
	assert_null(fl_pkt_area(b));
	p->buf -= fl_pool_area(pool)->len;
	assert_null(fl_pkt_area(p));
	p->buf += 2 * fl_pool_area(pool)->len;
	assert_null(fl_pkt_area(p));
	fl_pkt_free(c);
	p->buf -= fl_pool_area(pool)->len;
	fl_pkt_free(p);
	fl_pkt_free(b);
	assert_all_home(bare);
}

static void test_space(void **state)
{
	static const struct fl_dma_domain_ops ops = {
		.name = "fake", .limits = fake_limits, .map = fake_map, .unmap = fake_unmap
	};
	/* 32-bit device: no IOVA can be the address itself, and windows differ in alignment */
	struct fake_domain fake = { .range = { 0x7000, 0xffffffff } };
	struct fl_dma_domain *domain;
	struct fl_pool_opts o;
	struct fl_pool *pool;
	struct fl_pkt *pkts[2000];

	fl_pool_opts_init(&o);
	o.count = FL_ARRAY_SIZE(pkts);
	assert_int_equal(fl_dma_space_create(NULL, &o.space), 0);
	assert_int_equal(fl_dma_domain_add(o.space, &ops, &fake, &domain), 0);
	assert_int_equal(fl_pool_create(&o, NULL, &pool), 0);
	assert_non_null(fl_pool_area(pool));
	assert_int_equal(fl_pool_area(pool)->residency, FL_LAZY);
	assert_int_equal(fake.maps, 0);
	assert_int_equal(fl_pkt_alloc_bulk(pool, pkts, FL_ARRAY_SIZE(pkts)), FL_ARRAY_SIZE(pkts));
	for (size_t i = 0; i < FL_ARRAY_SIZE(pkts); i++) {
		uint64_t first = pkts[i]->iova.v;

		pkts[i]->data_off = pkts[i]->data_len = 0;
		pkts[i]->pkt_len = 0;
		assert_good(pkts[i]);
		assert_in_range(first, 0x7000, 0xffffffff);
		assert_int_equal(first / WINDOW, (first + FL_PKT_HEADROOM + 2047) / WINDOW);
		assert_int_equal(fl_pkt_iova(pkts[i]).v, first);
	}
	fl_pkt_free_bulk(pkts, FL_ARRAY_SIZE(pkts));
	test_area(pool);
	assert_all_home(pool);
	assert_int_equal(fake.maps, fake.unmaps);
	fl_dma_domain_remove(domain, false);
	assert_int_equal(fl_dma_space_destroy(o.space), 0);
}

/* more pools than table entries, at addresses that are used again */
static void test_many_pools(void **state)
{
	enum { POOLS = 60 };
	struct fl_pool *pool[POOLS];
	struct fl_pkt *p[POOLS];

	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < POOLS; i++)
			pool[i] = make(32, 64, 8);
		for (int i = 0; i < POOLS; i++) {
			p[i] = fl_pkt_alloc(pool[i]);
			assert_ptr_equal(p[i]->pool, pool[i]);
			assert_good(p[i]);
		}
		/* of many pools at once */
		fl_pkt_free_bulk(p, POOLS);
		for (int i = 0; i < POOLS; i++)
			assert_all_home(pool[i]);
	}
}

static void count_errors(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
	assert_non_null(strstr(msg, "twice"));
	++*(int *)arg;
}

static void test_double_free_is_noticed(void **state)
{
	int errors = 0;
	struct fl_log log = { .write = count_errors, .arg = &errors, .level = FL_LOG_ERR };
	struct fl_pool_opts o;
	struct fl_pool *pool;
	struct fl_pkt *p[4];

	fl_pool_opts_init(&o);
	o.count = 4;
	o.cache = 0;
	assert_int_equal(fl_pool_create(&o, &log, &pool), 0);
	assert_int_equal(fl_pkt_alloc_bulk(pool, p, 4), 4);
	fl_pkt_free_bulk(p, 4);
	assert_int_equal(errors, 0);
	fl_pkt_free(p[0]);
	assert_int_equal(errors, 1);
	assert_all_home(pool);
}

/* ---- packets ---------------------------------------------------------------------------- */

static void test_grow_and_cut(void **state)
{
	struct fl_pool *pool = make(4, 256, 0);
	struct fl_pkt *p = fl_pkt_alloc(pool);

	assert_int_equal(fl_pkt_headroom(p), FL_PKT_HEADROOM);
	assert_int_equal(fl_pkt_tailroom(p), 256);
	assert_ptr_equal(fl_pkt_append(p, 200), p->buf + FL_PKT_HEADROOM);
	assert_null(fl_pkt_append(p, 57));
	assert_int_equal(fl_pkt_tailroom(p), 56);
	assert_ptr_equal(fl_pkt_prepend(p, 28), p->buf + 100);
	assert_null(fl_pkt_prepend(p, 101));
	assert_int_equal(p->pkt_len, 228);
	assert_ptr_equal(fl_pkt_adj(p, 8), p->buf + 108);
	assert_null(fl_pkt_adj(p, 221));
	assert_int_equal(fl_pkt_trim(p, 20), 0);
	assert_int_equal(fl_pkt_trim(p, 201), -EINVAL);
	assert_int_equal(p->data_len, 200);
	assert_int_equal(p->pkt_len, 200);
	assert_good(p);
	fl_pkt_free(p);
	assert_all_home(pool);
}

static void test_chain(void **state)
{
	struct fl_pool *pool = make(300, 64, 16);
	struct fl_pkt *head = filled(pool, 60, 0), *p;
	uint8_t buf[256];
	const uint8_t *b;

	for (uint8_t i = 1; i < 255; i++)
		assert_int_equal(fl_pkt_chain(head, filled(pool, 60, (uint8_t)(i * 60))), 0);
	p = filled(pool, 1, 0);
	assert_int_equal(fl_pkt_chain(head, p), -EOVERFLOW);
	fl_pkt_free(p);
	assert_good(head);
	assert_int_equal(head->pkt_len, 255 * 60);
	/* in one segment, across two, across many, at the very end, past it */
	assert_ptr_equal(fl_pkt_read(head, 10, 50, buf), (uint8_t *)fl_pkt_data(head) + 10);
	b = fl_pkt_read(head, 55, 10, buf);
	assert_ptr_equal(b, buf);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(b[i], 55 + i);
	b = fl_pkt_read(head, 30, 200, buf);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(b[i], (uint8_t)(30 + i));
	assert_non_null(fl_pkt_read(head, 255 * 60 - 1, 1, buf));
	assert_non_null(fl_pkt_read(head, 255 * 60, 0, buf));
	assert_null(fl_pkt_read(head, 255 * 60, 1, buf));
	assert_null(fl_pkt_read(head, UINT32_MAX, 2, buf));
	/* the last segment grows and shrinks */
	assert_non_null(fl_pkt_append(head, 4));
	assert_null(fl_pkt_append(head, 1));
	assert_int_equal(fl_pkt_trim(head, 10), 0);
	assert_good(head);
	fl_pkt_free(head);
	assert_all_home(pool);
}

static void test_ref(void **state)
{
	struct fl_pool *pool = make(8, 64, 4);
	struct fl_pkt *p = filled(pool, 10, 0);
	struct fl_pool_stats st;

	assert_int_equal(fl_pkt_chain(p, filled(pool, 10, 10)), 0);
	fl_pkt_ref(p);
	fl_pkt_free(p);
	fl_pool_stats(pool, &st);
	assert_int_equal(st.in_use, 2);
	assert_good(p);
	fl_pkt_free(p);
	assert_free_invariant(p);
	assert_all_home(pool);
}

static void keep_message(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
	snprintf(arg, 256, "%s", msg);
}

/* which costs the data plane too much to look for, but does not stay hidden */
static void test_double_free(void **state)
{
	char said[256] = "";
	const struct fl_log log = { .write = keep_message, .arg = said, .level = FL_LOG_ERR };
	struct fl_pool_opts o;

	for (unsigned times = 1; times <= 2; times++) {
		struct fl_pool *pool;
		struct fl_pkt *p;

		fl_pool_opts_init(&o);
		o.count = 8;
		assert_int_equal(fl_pool_create(&o, &log, &pool), 0);
		p = fl_pkt_alloc(pool);
		for (unsigned i = 0; i < times; i++)
			fl_pkt_free(p);
		assert_int_equal(fl_pool_destroy(pool), 0);
		assert_int_equal(!strstr(said, "freed twice"), times == 1);
	}
}

static void test_clone(void **state)
{
	struct fl_pool *pool = make(16, 64, 4), *other = make(16, 64, 4);
	struct fl_pkt *p = filled(pool, 60, 1), *c, *cc, *q[16];
	struct fl_pool_stats st;

	p->flags = FL_TX_VLAN;
	p->vlan_tci = 77;
	p->l2_len = 14;
	assert_int_equal(fl_pkt_chain(p, filled(pool, 60, 61)), 0);
	c = fl_pkt_clone(p, other);
	cc = fl_pkt_clone(c, other);
	assert_good(c);
	assert_good(cc);
	assert_int_equal(p->refcnt, 3);
	assert_ptr_equal(cc->buf, p->buf);
	assert_ptr_equal(cc->next->buf, p->next->buf);
	assert_int_equal(cc->vlan_tci, 77);
	assert_int_equal(cc->l2_len, 14);
	assert_int_equal(fl_pkt_headroom(c), 0);
	assert_int_equal(fl_pkt_tailroom(c), 0);
	assert_null(fl_pkt_prepend(c, 1));
	assert_null(fl_pkt_append(c, 1));
	assert_non_null(fl_pkt_adj(c, 10));
	assert_int_equal(p->data_len, 60);
	/* the data lives as long as any of the three */
	fl_pkt_free(p);
	fl_pkt_free(c);
	fl_pool_stats(pool, &st);
	assert_int_equal(st.in_use, 2);
	assert_int_equal(*(uint8_t *)fl_pkt_data(cc->next), 61);
	assert_good(cc);
	fl_pkt_free(cc);
	assert_free_invariant(cc);
	/* a clone that ended has its own buffer again */
	assert_int_equal(fl_pkt_alloc_bulk(other, q, 16), 16);
	for (int i = 0; i < 16; i++) {
		q[i]->data_off = q[i]->data_len = 0;
		q[i]->pkt_len = 0;
		assert_good(q[i]);
	}
	/* no packets left for a clone: nothing changes */
	p = filled(pool, 60, 1);
	assert_null(fl_pkt_clone(p, other));
	assert_int_equal(p->refcnt, 1);
	fl_pkt_free(p);
	fl_pkt_free_bulk(q, 16);
	/* nor are there more than refcnt can count, of clones of clones either */
	p = filled(pool, 60, 1);
	c = fl_pkt_clone(p, other);
	p->refcnt = FL_PKT_CLONES_MAX;
	assert_null(fl_pkt_clone(p, other));
	assert_null(fl_pkt_clone(c, other));
	assert_int_equal(p->refcnt, FL_PKT_CLONES_MAX);
	p->refcnt = 2;
	fl_pkt_free(p);
	fl_pkt_free(c);
	assert_all_home(pool);
	assert_all_home(other);
}

static void test_copy(void **state)
{
	struct fl_pool *pool = make(16, 128, 4), *small = make(16, 64, 4);
	struct fl_pkt *p = filled(pool, 100, 0), *c;
	uint8_t a[256], b[256];

	assert_int_equal(fl_pkt_chain(p, filled(pool, 100, 100)), 0);
	p->flags = FL_TX_IP_CSUM;
	c = fl_pkt_copy(p, small);
	assert_good(c);
	assert_int_equal(c->nb_segs, 4);
	assert_int_equal(c->pkt_len, 200);
	assert_int_equal(c->flags, FL_TX_IP_CSUM);
	assert_memory_equal(fl_pkt_read(p, 0, 200, a), fl_pkt_read(c, 0, 200, b), 200);
	assert_int_equal(p->refcnt, 1);
	fl_pkt_free(c);
	/* none left */
	p->pkt_len = 17 * 64;
	assert_null(fl_pkt_copy(p, small));
	/* claims more than it has */
	p->pkt_len = 201;
	assert_null(fl_pkt_copy(p, small));
	p->pkt_len = 200;
	fl_pkt_free(p);
	p = fl_pkt_alloc(pool);
	c = fl_pkt_copy(p, small);
	assert_good(c);
	assert_int_equal(c->pkt_len, 0);
	fl_pkt_free(p);
	fl_pkt_free(c);
	assert_all_home(pool);
	assert_all_home(small);
}

static void test_check(void **state)
{
	struct fl_pool *pool = make(16, 64, 4);
	struct fl_pkt *p = filled(pool, 60, 0), *q, save;

	assert_int_equal(fl_pkt_chain(p, filled(pool, 10, 0)), 0);
	q = p->next;
	assert_bad(NULL, "no packet");
	save = *p;
#define BREAK(change, why)          \
	do {                        \
		change;             \
		assert_bad(p, why); \
		*p = save;          \
	} while (0)
	BREAK(p->nb_segs = 0, "nb_segs is 0");
	BREAK(p->nb_segs = 1, "more segments");
	BREAK(p->nb_segs = 3, "fewer segments");
	BREAK(p->pool = NULL, "pool");
	BREAK(p->refcnt = 0, "refcnt");
	BREAK(p->kind = 2, "kind");
	BREAK(p->buf++, "own buffer");
	BREAK(p->iova.v = 0, "iova");
	BREAK(p->data_len = 65, "past the end");
	BREAK(p->data_off = 65535, "past the end");
	BREAK(p->pkt_len = 71, "pkt_len");
	BREAK(p->kind = FL_PKT_CLONE, "clone");
#undef BREAK
	q->nb_segs = 2;
	assert_bad(p, "later segment");
	q->nb_segs = 1;
	save.pool = pool;
	assert_bad(&save, "pool");
	assert_good(p);
	assert_int_equal(fl_pkt_check(p, NULL), 0);
	fl_pkt_free(p);
	assert_all_home(pool);
}

/* ---- parsing ---------------------------------------------------------------------------- */

struct frame {
	uint8_t b[256];
	uint16_t len;
};

static void add(struct frame *f, uint16_t n, const uint8_t *bytes)
{
	memcpy(f->b + f->len, bytes, n);
	f->len = (uint16_t)(f->len + n);
}

#define ADD(f, ...) add(f, sizeof((uint8_t[]){ __VA_ARGS__ }), (const uint8_t[]){ __VA_ARGS__ })

static void ether(struct frame *f, unsigned vlans, uint16_t type)
{
	memset(f, 0, sizeof(*f));
	f->len = 12;
	for (unsigned i = 0; i < vlans; i++)
		ADD(f, i + 1 < vlans ? 0x88 : 0x81, i + 1 < vlans ? 0xa8 : 0x00, 0, 5);
	ADD(f, (uint8_t)(type >> 8), (uint8_t)type);
}

static void ipv4(struct frame *f, uint8_t words, uint16_t payload, uint16_t frag, uint8_t proto)
{
	uint16_t total = (uint16_t)(words * 4 + payload);

	ADD(f, (uint8_t)(0x40 | words), 0, (uint8_t)(total >> 8), (uint8_t)total, 0, 0,
	    (uint8_t)(frag >> 8), (uint8_t)frag, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2);
	for (uint8_t i = 5; i < words; i++)
		ADD(f, 1, 1, 1, 1);
}

static void ipv6(struct frame *f, uint16_t payload, uint8_t next)
{
	ADD(f, 0x60, 0, 0, 0, (uint8_t)(payload >> 8), (uint8_t)payload, next, 64);
	f->len = (uint16_t)(f->len + 32);
}

static void tcp(struct frame *f, uint8_t words)
{
	ADD(f, 0, 80, 4, 0, 0, 0, 0, 1, 0, 0, 0, 0, (uint8_t)(words << 4), 2, 1, 0, 0, 0, 0, 0);
	for (uint8_t i = 5; i < words; i++)
		ADD(f, 1, 1, 1, 1);
}

static void udp(struct frame *f)
{
	ADD(f, 0, 53, 4, 0, 0, 8, 0, 0);
}

static struct fl_pool *parse_pool;

static void expect(const struct frame *f, uint16_t ptype, unsigned l2, unsigned l3, unsigned l4)
{
	struct fl_pkt *p = fl_pkt_alloc(parse_pool);

	memcpy(fl_pkt_append(p, f->len), f->b, f->len);
	p->l2_len = p->l4_len = 99;
	p->l3_len = 99;
	assert_int_equal(fl_pkt_parse(p), ptype);
	assert_int_equal(p->ptype, ptype);
	assert_int_equal(p->l2_len, l2);
	assert_int_equal(p->l3_len, l3);
	assert_int_equal(p->l4_len, l4);
	fl_pkt_free(p);
}

static void test_parse(void **state)
{
	const uint16_t e = FL_PTYPE_ETHER, v4 = e | FL_PTYPE_IPV4, v6 = e | FL_PTYPE_IPV6;
	struct frame f;

	parse_pool = make(4, 512, 0);
	/* L2 */
	ether(&f, 0, 0x0806);
	expect(&f, e, 14, 0, 0);
	f.len = 13;
	expect(&f, 0, 0, 0, 0);
	ether(&f, 1, 0x0806);
	expect(&f, e, 18, 0, 0);
	f.len = 17;
	expect(&f, 0, 0, 0, 0);
	ether(&f, 3, 0x0806); /* two tags are all we know */
	expect(&f, e, 22, 0, 0);
	/* IPv4 */
	ether(&f, 0, 0x0800);
	ipv4(&f, 5, 20, 0, 6);
	tcp(&f, 5);
	expect(&f, v4 | FL_PTYPE_TCP, 14, 20, 20);
	ether(&f, 2, 0x0800);
	ipv4(&f, 15, 60, 0, 6);
	tcp(&f, 15);
	expect(&f, v4 | FL_PTYPE_TCP, 22, 60, 60);
	f.len--;
	expect(&f, v4, 22, 60, 0);
	ether(&f, 0, 0x0800);
	ipv4(&f, 5, 20, 0, 6);
	tcp(&f, 4); /* impossible offset */
	expect(&f, v4, 14, 20, 0);
	ether(&f, 1, 0x0800);
	ipv4(&f, 6, 8, 0x4000, 17); /* DF is no fragment */
	udp(&f);
	expect(&f, v4 | FL_PTYPE_UDP, 18, 24, 8);
	ether(&f, 0, 0x0800);
	ipv4(&f, 5, 8, 0x2000, 17);
	udp(&f);
	expect(&f, v4, 14, 20, 0);
	ether(&f, 0, 0x0800);
	ipv4(&f, 5, 8, 0x0001, 17);
	udp(&f);
	expect(&f, v4, 14, 20, 0);
	ether(&f, 0, 0x0800);
	ipv4(&f, 5, 0, 0, 17); /* what follows is padding */
	udp(&f);
	expect(&f, v4, 14, 20, 0);
	ether(&f, 0, 0x0800);
	ipv4(&f, 5, 0, 0, 1);
	expect(&f, v4, 14, 20, 0);
	f.b[14] = 0x44;
	expect(&f, e, 14, 0, 0);
	f.b[14] = 0x65;
	expect(&f, e, 14, 0, 0);
	f.b[14] = 0x46; /* options cut off */
	expect(&f, e, 14, 0, 0);
	f.b[14] = 0x45;
	f.b[17] = 19; /* total length inside the header */
	expect(&f, e, 14, 0, 0);
	/* IPv6 */
	ether(&f, 0, 0x86dd);
	ipv6(&f, 8, 17);
	udp(&f);
	expect(&f, v6 | FL_PTYPE_UDP, 14, 40, 8);
	ether(&f, 0, 0x86dd);
	ipv6(&f, 0, 17); /* jumbogram */
	udp(&f);
	expect(&f, v6 | FL_PTYPE_UDP, 14, 40, 8);
	f.b[19] = 7; /* shorter than the UDP header */
	expect(&f, v6, 14, 40, 0);
	f.b[14] = 0x40;
	expect(&f, e, 14, 0, 0);
	f.len = 53;
	f.b[14] = 0x60;
	expect(&f, e, 14, 0, 0);
	/* hop-by-hop, routing, destination, authentication, an atomic fragment, then TCP */
	ether(&f, 0, 0x86dd);
	ipv6(&f, 8 + 24 + 8 + 16 + 8 + 24, 0);
	ADD(&f, 43, 0, 1, 4, 0, 0, 0, 0);
	ADD(&f, 60, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	ADD(&f, 51, 0, 1, 4, 0, 0, 0, 0);
	ADD(&f, 44, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	ADD(&f, 6, 0, 0, 0, 0, 0, 0, 9);
	tcp(&f, 6);
	expect(&f, v6 | FL_PTYPE_TCP, 14, 40 + 64, 24);
	f.b[14 + 40 + 56 + 3] = 1; /* M: a first fragment */
	expect(&f, v6, 14, 40 + 64, 0);
	f.len = 14 + 40 + 50; /* inside the extension headers */
	expect(&f, e, 14, 0, 0);
	assert_all_home(parse_pool);
}

static void test_parse_every_cut(void **state)
{
	struct frame f;
	struct fl_pkt *p;

	parse_pool = make(4, 512, 0);
	ether(&f, 2, 0x0800);
	ipv4(&f, 7, 40, 0, 6);
	tcp(&f, 10);
	for (uint16_t len = 0; len <= f.len; len++) {
		p = fl_pkt_alloc(parse_pool);
		memcpy(fl_pkt_append(p, len), f.b, len);
		fl_pkt_parse(p);
		assert_true(p->l2_len + p->l3_len + p->l4_len <= len);
		assert_int_equal(p->l4_len, len == f.len ? 40 : 0);
		assert_int_equal(p->l3_len, len >= 22 + 28 ? 28 : 0);
		fl_pkt_free(p);
	}
	assert_all_home(parse_pool);
}

/* ---- checksum --------------------------------------------------------------------------- */

static uint16_t csum_plain(const uint8_t *b, size_t len)
{
	uint32_t sum = 0;
	uint16_t be;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? b[i] : (uint32_t)b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	be = (uint16_t)(sum >> 8 | sum << 8);
	return be;
}

static void test_csum(void **state)
{
	static uint8_t b[2001];
	/* the example of RFC 1071, section 3 */
	const uint8_t rfc[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
	const uint8_t want[] = { 0xdd, 0xf2 };
	uint16_t got = fl_csum_fold(fl_csum_add(0, rfc, sizeof(rfc)));

	assert_memory_equal(&got, want, 2);
	for (size_t i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)(i * 167 + 13);
	for (size_t len = 0; len < 300; len++)
		assert_int_equal(fl_csum_fold(fl_csum_add(0, b + len % 9, len)),
				 csum_plain(b + len % 9, len));
	/* in pieces, seeded, and with every carry */
	assert_int_equal(fl_csum_fold(fl_csum_add(fl_csum_add(0, b, 500), b + 500, 1501)),
			 csum_plain(b, 2001));
	memset(b, 0xff, sizeof(b));
	assert_int_equal(fl_csum_fold(fl_csum_add(UINT32_MAX, b, 2000)), 0xffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opts),
		cmocka_unit_test(test_use_all),
		cmocka_unit_test(test_bulk_is_all_or_nothing),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_large_pool_is_not_touched),
		cmocka_unit_test(test_own_memory),
		cmocka_unit_test(test_space),
		cmocka_unit_test(test_many_pools),
		cmocka_unit_test(test_double_free_is_noticed),
		cmocka_unit_test(test_grow_and_cut),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_ref),
		cmocka_unit_test(test_double_free),
		cmocka_unit_test(test_clone),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_every_cut),
		cmocka_unit_test(test_csum),
	};

	return cmocka_run_group_tests_name("pkt", tests, NULL, NULL);
}
