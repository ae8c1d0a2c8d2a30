/* SPDX-License-Identifier: BSD-3-Clause */
/* vm-fault: what is fresh, what a user says of ranges, what is refused, and what is counted. */
#include "fault.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MB     (1ul << 20)
#define BIG_OP MB

static const uint8_t key[16] = "sixteen bytes it";

/* a source that is filled, and where its data goes; both of these many bytes */
static void two(struct rig *r, struct buf *src, struct buf *dst, uint64_t len)
{
	rig_open(r);
	buf_open(r, src, len, OWN);
	buf_open(r, dst, len, OWN);
	fill(src, 0, len, 1);
}

static void end(struct rig *r, struct buf *src, struct buf *dst)
{
	buf_close(src);
	buf_close(dst);
	rig_close(r);
}

static struct fl_residency_stats all(struct rig *r)
{
	struct fl_residency_stats s;

	fl_dma_residency_stats(r->space, &s);
	return s;
}

static uint64_t answers(const struct fl_residency_stats *s)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < FL_FAULT_BUCKETS; i++)
		n += s->latency[i];
	return n;
}

static void tell_faults(const char *what, const struct fl_residency_stats *s)
{
	const uint64_t n = answers(s);

	printf("%s: %" PRIu64 " faults, %" PRIu64 " pages, %" PRIu64 " spurious, %" PRIu64
	       " upgrades, %" PRIu64 " evictions, %" PRIu64 " us each\n",
	       what, s->faults, s->fault_pages, s->spurious, s->upgrades, s->evictions,
	       n ? s->latency_ns / n / 1000 : 0);
}

/* ---- fresh memory ------------------------------------------------------------------------------
 */

static EVP_CIPHER_CTX *openssl(void)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	if (!c || EVP_EncryptInit_ex(c, EVP_aes_128_ctr(), NULL, key, NULL) != 1)
		fail("OpenSSL has no AES-CTR");
	return c;
}

/* The counter of op n begins at n * 2^64, so that no two blocks of the result are the same. */
static void big_op(struct lane *l, unsigned n, const struct buf *src, const struct buf *dst)
{
	struct fl_op *op = lane_op(l, n % DEPTH, src, dst, n * BIG_OP, BIG_OP);

	for (unsigned i = 0; i < 4; i++)
		op->iv[4 + i] = (uint8_t)(n >> 8 * (3 - i));
	lane_give(l, op);
}

static void check_big(EVP_CIPHER_CTX *c, const struct fl_op *op)
{
	static uint8_t want[BIG_OP], zeros[BIG_OP];
	int n = 0;

	if (EVP_EncryptInit_ex(c, NULL, NULL, NULL, op->iv) != 1 ||
	    EVP_EncryptUpdate(c, want, &n, zeros, BIG_OP) != 1)
		fail("OpenSSL");
	must("status", op->status, FL_OP_OK);
	if (memcmp(op->dst->va, want, BIG_OP))
		fail("another result than OpenSSL's at %p", (void *)op->dst->va);
}

/* source and destination of this size that nobody ever touched */
static void cold(struct rig *r, const struct args *a)
{
	const uint64_t len = a->size ? a->size : 256 * MB;
	EVP_CIPHER_CTX *c = openssl();
	unsigned ops = (unsigned)(len / BIG_OP), given = 0;
	struct fl_residency_stats s, d;
	struct buf src, dst;
	uint64_t t;

	rig_open(r);
	buf_open(r, &src, len, OWN);
	buf_open(r, &dst, len, OWN);
	t = fl_now_ns();
	for (unsigned taken = 0; taken < ops; taken++) {
		while (given < ops && given - taken < DEPTH)
			big_op(&r->lane[0], given++, &src, &dst);
		check_big(c, lane_take(&r->lane[0]));
	}
	EVP_CIPHER_CTX_free(c);
	s = stats(&src);
	d = stats(&dst);
	printf("%" PRIu64 " MiB in %" PRIu64 " ms\n", len / MB, (fl_now_ns() - t) / 1000000);
	tell_faults("source", &s);
	tell_faults("destination", &d);
	between("faults of the source", s.faults, 1, len / PAGE);
	between("faults of the destination", d.faults, 1, len / PAGE);
	if (r->kernel) {
		/* the kernel may move pages from node to node, and takes them back for that */
		between("reachable", s.mapped_bytes + d.mapped_bytes, PAGE, 2 * len);
		must("locked", (int64_t)(s.locked_bytes + d.locked_bytes), 0);
	}
	end(r, &src, &dst);
}

/* data, where there is less memory than it takes; the caller has turned swap on */
static void crowded(struct rig *r, const struct args *a)
{
	const uint64_t len = a->size ? a->size : 64 * MB;
	int64_t out = vmstat("pswpout"), in = vmstat("pswpin");
	struct fl_residency_stats s;
	struct buf src, dst;

	two(r, &src, &dst, len);
	for (uint64_t off = 0; off < len; off += MB)
		works(&r->lane[0], &src, &dst, off, MB);
	for (uint64_t off = 0; off < len; off += MB)
		check(&src, &dst, off, MB);
	s = all(r);
	tell_faults("both", &s);
	printf("%" PRId64 " pages swapped out, %" PRId64 " in\n", vmstat("pswpout") - out,
	       vmstat("pswpin") - in);
	if (a->size)
		between("swapped out", (uint64_t)(vmstat("pswpout") - out), len / PAGE / 8,
			UINT64_MAX);
	end(r, &src, &dst);
}

static void *other_lane(void *arg)
{
	struct traffic *t = arg;

	for (uint64_t off = 0; off < t->src->len; off += CHUNK)
		works(t->l, t->src, t->dst, off, CHUNK);
	return NULL;
}

/* two queues ask for the same pages at the same time */
static void both_at_once(struct rig *r, const struct args *a)
{
	struct traffic t;
	struct buf src, dst;

	two(r, &src, &dst, 4 * MB);
	for (unsigned i = 0; i < 3; i++) {
		t = (struct traffic){ .l = &r->lane[1], .src = &src, .dst = &dst };
		must("thread", pthread_create(&t.thread, NULL, other_lane, &t), 0);
		for (uint64_t off = 0; off < src.len; off += CHUNK)
			works(&r->lane[0], &src, &dst, off, CHUNK);
		pthread_join(t.thread, NULL);
		must("revoke", fl_mem_revoke(src.area, 0, src.len), 0);
		drop(r, &dst, 0, dst.len);
	}
	end(r, &src, &dst);
}

/* ---- counters ----------------------------------------------------------------------------------
 */

static void check_latencies(const struct fl_residency_stats *s)
{
	must("faults by their latency", (int64_t)answers(s), (int64_t)s->faults);
	between("ns waited", s->latency_ns, s->faults, UINT64_MAX);
}

/* a page a request, a page a fault: what is counted is what happened */
static void counters(struct rig *r, const struct args *a)
{
	const uint64_t pages = 64, gone = 10;
	struct fl_residency_stats s;
	struct buf src, dst;

	two(r, &src, &dst, MB);
	around(r, 1);
	for (uint64_t i = 0; i < pages; i++)
		works(&r->lane[0], &src, &dst, i * 2 * PAGE, PAGE);
	s = stats(&src);
	must("faults", (int64_t)s.faults, (int64_t)pages);
	must("pages", (int64_t)s.fault_pages, (int64_t)pages);
	must("reachable", (int64_t)s.mapped_bytes, (int64_t)(pages * PAGE));
	must("owned", (int64_t)s.owned_bytes, MB);
	must("upgrades", (int64_t)s.upgrades, 0);
	check_latencies(&s);
	/* what was read is written to */
	for (uint64_t i = 0; i < pages; i++)
		must("refused", lane_run(&r->lane[0], &dst, &src, i * 2 * PAGE, PAGE), 0);
	s = stats(&src);
	must("upgrades", (int64_t)s.upgrades, (int64_t)pages);
	must("faults", (int64_t)s.faults, 2 * (int64_t)pages);
	must("reachable", (int64_t)s.mapped_bytes, (int64_t)(pages * PAGE));
	for (uint64_t o = 0; o < pages * 2 * PAGE; o += 2 * PAGE)
		if (!is_filled(&src, src.va + o, o, PAGE))
			fail("decrypts to something else at 0x%" PRIx64, o);
	/* what is given up is reachable no more, and asked for again */
	drop(r, &src, 0, gone * 2 * PAGE);
	s = stats(&src);
	between("invalidations", s.invalidations, 1, UINT64_MAX);
	must("reachable", (int64_t)s.mapped_bytes, (int64_t)((pages - gone) * PAGE));
	must("refused", lane_run(&r->lane[0], &src, &dst, 0, PAGE), 0);
	check_zeros(&dst, 0, PAGE);
	must("faults", (int64_t)stats(&src).faults, 2 * (int64_t)pages + 1);
	s = all(r);
	must("refused by anybody", (int64_t)(s.invalid + s.denied + s.failed + s.throttled), 0);
	end(r, &src, &dst);
}

/* a MiB as one request, out of fresh memory */
static void once_through(struct rig *r, EVP_CIPHER_CTX *c, struct fl_residency_stats *s)
{
	const enum kind kind = r->kernel || r->pins ? OWN : SHARED; /* not by messages */
	struct buf src, dst;

	buf_open(r, &src, MB, kind);
	buf_open(r, &dst, MB, kind);
	big_op(&r->lane[0], 0, &src, &dst);
	check_big(c, lane_take(&r->lane[0]));
	buf_close(&src);
	buf_close(&dst);
	*s = all(r);
}

/* once through a MiB: a page a fault, and as it comes */
static void stream(struct rig *r, const struct args *a)
{
	struct fl_residency_stats one, more;
	EVP_CIPHER_CTX *c = openssl();

	r->budget = 64 * MB; /* a 32nd of it comes with a fault at most */
	rig_open(r);
	around(r, 1);
	once_through(r, c, &one);
	must("faults, a page each", (int64_t)one.faults, 2 * MB / PAGE);
	around(r, 0);
	once_through(r, c, &more);
	EVP_CIPHER_CTX_free(c);
	more.faults -= one.faults;
	printf("%" PRIu64 " faults, adaptive %" PRIu64 "\n", one.faults, more.faults);
	between("faults, adaptive", more.faults, 2, one.faults / 30);
	rig_close(r);
}

/* ---- said beforehand ---------------------------------------------------------------------------
 */

static void prefault(struct rig *r, const struct args *a)
{
	struct fl_residency_stats s;
	struct buf src, dst, part;

	two(r, &src, &dst, MB);
	around(r, 1);
	must("prefault to read", fl_mem_prefault(src.area, 0, MB, FL_PREFAULT_READ), 0);
	must("prefault to write", fl_mem_prefault(dst.area, 0, MB, FL_PREFAULT_WRITE), 0);
	works(&r->lane[0], &src, &dst, 0, MB);
	s = all(r);
	must("faults after prefaulting", (int64_t)s.faults, 0);
	must("pages by it", (int64_t)s.prefault_pages, 2 * MB / PAGE);
	/* what came to be read is asked for to be written to */
	must("refused", lane_run(&r->lane[0], &dst, &src, 0, 4 * PAGE), 0);
	must("upgrades", (int64_t)stats(&src).upgrades, 4);
	fill(&src, 0, 4 * PAGE, 1);
	/* only what is in memory: every second page */
	buf_open(r, &part, MB, OWN);
	for (uint64_t o = 0; o < MB; o += 2 * PAGE)
		fill(&part, o, PAGE, 3);
	must("prefault of what is there", fl_mem_prefault(part.area, 0, MB, FL_PREFAULT_NO_FAULT),
	     0);
	s = stats(&part);
	must("pages by it", (int64_t)s.prefault_pages, MB / PAGE / 2);
	for (uint64_t o = 0; o < MB; o += 2 * PAGE)
		works(&r->lane[0], &part, &dst, o, PAGE);
	must("faults where it was there", (int64_t)stats(&part).faults, 0);
	must("refused", lane_run(&r->lane[0], &part, &dst, PAGE, PAGE), 0);
	check_zeros(&dst, PAGE, PAGE);
	must("faults where it was not", (int64_t)stats(&part).faults, 1);
	buf_close(&part);
	end(r, &src, &dst);
}

/* ---- the dirty log -----------------------------------------------------------------------------
 */

static void check_dirty(const struct buf *b, const uint64_t *want, const char *when)
{
	const uint64_t pages = b->len / PAGE;
	uint64_t got[16] = { 0 };

	must("dirty log", fl_dma_dirty_read(b->area, 0, b->len, PAGE, got), 0);
	for (uint64_t i = 0; i < pages; i++)
		if ((got[i / 64] ^ want[i / 64]) >> i % 64 & 1)
			fail("%s: page %" PRIu64 " of buffer %u is %s", when, i, b->id,
			     got[i / 64] >> i % 64 & 1 ? "dirty" : "clean");
}

/* writes somewhere in some pages; notes which */
static void write_some(struct rig *r, const struct buf *src, const struct buf *dst, unsigned *seed,
		       uint64_t *want)
{
	memset(want, 0, 16 * sizeof(*want));
	for (unsigned i = 0; i < 20; i++) {
		uint64_t page = (unsigned)rand_r(seed) % (dst->len / PAGE);
		uint64_t off = page * PAGE + (unsigned)rand_r(seed) % (PAGE / 16) * 16;

		must("refused", lane_run(&r->lane[0], src, dst, off, 16), 0);
		want[page / 64] |= 1ull << page % 64;
	}
}

static void dirty(struct rig *r, const struct args *a)
{
	static const uint64_t none[16];
	uint64_t want[16];
	unsigned seed = 4;
	struct buf src, dst;
	int rc;

	two(r, &src, &dst, MB);
	/* what was written to before does not count */
	works(&r->lane[0], &src, &dst, 0, MB / 2);
	rc = fl_dma_dirty_start(r->space);
	if (!r->kernel && rc) { /* an IOMMU without dirty bits, and nobody who would know */
		must("dirty log", rc, -EOPNOTSUPP);
		works(&r->lane[0], &src, &dst, 0, MB);
		puts("there is no such log here");
		end(r, &src, &dst);
		return;
	}
	must("dirty log", rc, 0);
	check_dirty(&dst, none, "at the start");
	for (unsigned i = 0; i < 4; i++) {
		write_some(r, &src, &dst, &seed, want);
		check_dirty(&dst, want, "after some were written to");
		check_dirty(&dst, none, "once more");
		check_dirty(&src, none, "the source");
	}
	/* a stream of writes brings in more than is written, and only that is dirty */
	drop(r, &dst, 0, MB);
	must("dirty log", fl_dma_dirty_read(dst.area, 0, MB, PAGE, want), 0);
	works(&r->lane[0], &src, &dst, 0, 37 * PAGE);
	memset(want, 0, sizeof(want));
	want[0] = (1ull << 37) - 1;
	check_dirty(&dst, want, "after a stream");
	must("end of the log", fl_dma_dirty_stop(r->space), 0);
	works(&r->lane[0], &src, &dst, 0, MB);
	end(r, &src, &dst);
}

/* ---- pinned and lazy ---------------------------------------------------------------------------
 */

static void expect_locked(const struct rig *r, uint64_t bytes, const char *when)
{
	if (r->kernel)
		must(when, (int64_t)(locked() - r->base), (int64_t)bytes);
	else if (r->pins)
		between(when, locked() - r->base, bytes, bytes + BUDGET);
}

/* ranges of a faulting area are pinned and let go, with devices at work in all of it */
static void pin_ranges(struct rig *r, const struct args *a)
{
	unsigned seed = 6;
	struct traffic t;
	struct buf src, dst;

	r->allows = MB;
	two(r, &src, &dst, MB);
	traffic_start(&t, &r->lane[1], &src, &dst, true);
	for (unsigned i = 0; i < 25; i++) {
		struct buf *b = i & 1 ? &src : &dst;
		uint64_t first = (unsigned)rand_r(&seed) % 255, len;

		len = ((unsigned)rand_r(&seed) % (255 - first) + 1) * PAGE;
		must("pin", fl_mem_pin(b->area, first * PAGE, len), 0);
		expect_locked(r, len, "locked by a pin");
		must("kept", (int64_t)stats(b).pinned_bytes, (int64_t)len);
		must("discard of what is pinned", fl_mem_discard(b->area, first * PAGE, PAGE),
		     -EBUSY);
		works(&r->lane[0], &src, &dst, first * PAGE, len);
		must("unpin", fl_mem_unpin(b->area, first * PAGE, len), 0);
		if (r->kernel)
			expect_locked(r, 0, "locked after the unpin");
		if (i % 5 == 4)
			must("revoke", fl_mem_revoke(b->area, 0, MB), 0);
	}
	traffic_stop(&t, false);
	works(&r->lane[0], &src, &dst, 0, MB);
	end(r, &src, &dst);
}

/* pinned within a faulting area: what is left faults and is given up, and that stays */
static void pinned_inside(struct rig *r, const struct args *a)
{
	struct buf src, dst;
	struct fl_residency_stats s;

	r->allows = MB;
	two(r, &src, &dst, MB);
	around(r, 1);
	must("pin", fl_mem_pin(src.area, 64 * PAGE, 64 * PAGE), 0);
	works(&r->lane[0], &src, &dst, 64 * PAGE, 64 * PAGE);
	must("faults where it is pinned", (int64_t)stats(&src).faults, 0);
	works(&r->lane[0], &src, &dst, 0, MB);
	must("faults beside it", (int64_t)stats(&src).faults, 192);
	drop(r, &src, 0, 64 * PAGE);
	drop(r, &src, 128 * PAGE, 128 * PAGE);
	fill(&src, 0, 64 * PAGE, 7);
	fill(&src, 128 * PAGE, 128 * PAGE, 8);
	works(&r->lane[0], &src, &dst, 0, MB);
	s = stats(&src);
	must("faults", (int64_t)s.faults, 2 * 192);
	must("kept", (int64_t)s.pinned_bytes, 64 * PAGE);
	expect_locked(r, 64 * PAGE, "locked");
	must("unpin", fl_mem_unpin(src.area, 64 * PAGE, 64 * PAGE), 0);
	drop(r, &src, 0, MB);
	fill(&src, 0, MB, 9);
	works(&r->lane[0], &src, &dst, 0, MB);
	end(r, &src, &dst);
}

/* whole areas turn, with devices at work */
static void convert(struct rig *r, const struct args *a)
{
	struct traffic t;
	struct buf src, dst;

	r->allows = 2 * MB;
	two(r, &src, &dst, MB);
	traffic_start(&t, &r->lane[1], &src, &dst, true);
	for (unsigned i = 0; i < 8; i++) {
		must("to pinned", fl_mem_convert(src.area, FL_PINNED), 0);
		expect_locked(r, MB, "locked when one is pinned");
		must("to pinned", fl_mem_convert(dst.area, FL_PINNED), 0);
		expect_locked(r, 2 * MB, "locked when both are");
		works(&r->lane[0], &src, &dst, 0, MB);
		must("to lazy", fl_mem_convert(src.area, FL_LAZY), 0);
		must("to lazy", fl_mem_convert(dst.area, FL_LAZY), 0);
		expect_locked(r, 0, "locked when none is");
		fill(&src, 0, MB, 1);
		works(&r->lane[0], &src, &dst, 0, MB);
	}
	traffic_stop(&t, false);
	drop(r, &src, 0, MB);
	fill(&src, 0, MB, 2);
	works(&r->lane[0], &src, &dst, 0, MB);
	end(r, &src, &dst);
}

/* ---- refused -----------------------------------------------------------------------------------
 */

/* one request of three is wrong: it alone ends */
static void one_of_three(struct rig *r, const struct buf *src, const struct buf *dst,
			 const struct buf *from, const struct buf *to)
{
	struct lane *l = &r->lane[0];

	lane_give(l, lane_op(l, 0, src, dst, 0, PAGE));
	lane_give(l, lane_op(l, 1, from, to, PAGE, PAGE));
	lane_give(l, lane_op(l, 2, src, dst, 2 * PAGE, PAGE));
	for (unsigned i = 0; i < 3; i++)
		must("status", lane_take(l)->status, i == 1 ? FL_OP_FAULT : FL_OP_OK);
	check(src, dst, 0, PAGE);
	check(src, dst, 2 * PAGE, PAGE);
}

/* the driver is told of an area that is not there: the device finds out */
static void outside(struct rig *r, const struct args *a)
{
	struct buf src, dst, lie;
	struct fl_dma_area area;

	two(r, &src, &dst, MB);
	buf_open(r, &lie, MB, OWN);
	area = *lie.area;
	must("unmap", fl_dma_unmap(lie.area), 0);
	lie.area = &area;
	for (unsigned i = 1; i <= 3; i++) {
		one_of_three(r, &src, &dst, &lie, &dst);
		one_of_three(r, &src, &dst, &src, &lie);
		/* a model does not ask where it knows that nothing is */
		if (r->kernel || r->pins)
			between("refused as outside", all(r).invalid, 2 * i, 8 * i);
	}
	must("denied or failed", (int64_t)(all(r).denied + all(r).failed), 0);
	works(&r->lane[0], &src, &dst, 0, MB);
	lie.area = NULL;
	buf_close(&lie);
	end(r, &src, &dst);
}

static void permission(struct rig *r, const struct args *a)
{
	const struct fl_dma_opts read = { .residency = FL_LAZY, .prot = FL_DMA_READ };
	struct buf src, dst, ro, lie;
	struct fl_dma_area area;

	two(r, &src, &dst, MB);
	buf_open(r, &ro, MB, OWN);
	must("unmap", fl_dma_unmap(ro.area), 0);
	must("map to be read", fl_dma_map(r->space, ro.mem, &read, &ro.area), 0);
	fill(&ro, 0, MB, 5);
	area = *ro.area;
	area.prot = FL_DMA_RW;
	lie = ro;
	lie.area = &area;
	for (unsigned i = 1; i <= 3; i++) {
		one_of_three(r, &src, &dst, &src, &lie);
		if (r->kernel || r->pins)
			between("denied", all(r).denied, i, 4 * i);
		works(&r->lane[0], &ro, &dst, 0, MB); /* reads, and is as it was */
	}
	must("refused as outside", (int64_t)all(r).invalid, 0);
	buf_close(&ro);
	end(r, &src, &dst);
}

const struct named_case range_cases[] = {
	{ "cold", cold },	  { "crowded", crowded },	{ "both-at-once", both_at_once },
	{ "counters", counters }, { "stream", stream },		{ "prefault", prefault },
	{ "dirty", dirty },	  { "pin-ranges", pin_ranges }, { "pinned-inside", pinned_inside },
	{ "convert", convert },	  { "outside", outside },	{ "permission", permission },
	{ NULL, NULL },
};
