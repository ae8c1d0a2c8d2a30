/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SEC driver and its model over lazy areas: every page is asked for while requests wait, data
 * is right all the same, and what goes wrong costs the request that it belongs to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#include <cmocka.h>

#include <openssl/evp.h>

#include <fl_crypto.h>
#include <fl_residency.h>
#include <model_internal.h>

#define PAGE	 4096u
#define OPS	 64u
#define QPS	 300u
#define BIG	 (4u << 20)
#define TIME_MAX 30000000000ull /* since something came back */

extern const struct fl_model_ops fl_hisi_sec_model_ops;

static const uint8_t key[16] = "sixteen bytes it";

struct buf {
	struct fl_mem *mem;
	struct fl_dma_area *area;
	uint8_t *va;
};

struct sec {
	struct fl_ctx *ctx;
	struct fl_cryptodev *d;
	struct fl_qp *qp;
	struct fl_session *s;
	struct fl_op_pool *pool;
	struct fl_op *ops[QPS];
	struct fl_seg seg[QPS][2];
	struct buf in, out;
	unsigned errors, removed;
	bool v2;
};

static void on_event(struct fl_cryptodev *d, enum fl_crypto_event ev, void *arg)
{
	struct sec *t = arg;

	t->errors += ev == FL_CRYPTO_ERROR;
	t->removed += ev == FL_CRYPTO_REMOVED;
}

/* ---- life ---------------------------------------------------------------------------------- */

static void buf_open_of(struct sec *t, struct buf *b, uint64_t len, enum fl_mem_kind kind,
			const struct fl_dma_opts *o)
{
	const struct fl_mem_opts m = { .kind = kind, .node = -1 };

	assert_int_equal(fl_mem_alloc(len, &m, &b->mem), 0);
	assert_int_equal(fl_dma_map(fl_ctx_space(t->ctx), b->mem, o, &b->area), 0);
	b->va = b->area->va;
}

static void buf_open(struct sec *t, struct buf *b, uint64_t len, const struct fl_dma_opts *o)
{
	buf_open_of(t, b, len, FL_MEM_MEMFD, o);
}

static void buf_lazy(struct sec *t, struct buf *b, uint64_t len)
{
	buf_open(t, b, len, &(struct fl_dma_opts){ .residency = FL_LAZY });
}

static void buf_close(struct buf *b)
{
	if (!b->mem)
		return;
	if (b->area)
		assert_int_equal(fl_dma_unmap(b->area), 0);
	fl_mem_free(b->mem);
	*b = (struct buf){ 0 };
}

static void make_ctx(struct sec *t, bool polls)
{
	memset(t, 0, sizeof(*t));
	assert_int_equal(fl_ctx_create(&(struct fl_ctx_opts){ .polls = polls }, &t->ctx), 0);
	assert_int_equal(fl_model_enable(t->ctx, NULL), 0);
}

static void make_dev(struct sec *t, const char *uri, uint16_t qps)
{
	const struct fl_session_conf c = { .type = FL_CRYPTO_CIPHER,
					   .encrypt = true,
					   .cipher = FL_AES_CBC,
					   .key = key,
					   .key_len = sizeof(key) };
	const struct fl_qp_conf q = { .desc = 64, .node = -1 };

	t->v2 = strstr(uri, "version=2");
	assert_int_equal(fl_cryptodev_open(t->ctx, uri, &t->d), 0);
	fl_cryptodev_on_event(t->d, on_event, t);
	assert_int_equal(fl_cryptodev_configure(t->d, qps), 0);
	for (uint16_t i = 0; i < qps; i++)
		assert_int_equal(fl_qp_setup(t->d, i, &q), 0);
	assert_int_equal(fl_cryptodev_start(t->d), 0);
	t->qp = fl_cryptodev_qp(t->d, 0);
	assert_int_equal(fl_session_create(t->d, &c, &t->s), 0);
	assert_int_equal(fl_op_pool_create(t->ctx, QPS, &t->pool), 0);
	assert_int_equal(fl_op_alloc(t->pool, t->ops, QPS), QPS);
}

static void open_sec(struct sec *t, const char *model, bool polls)
{
	char uri[128];

	snprintf(uri, sizeof(uri), "model:%s", model);
	make_ctx(t, polls);
	make_dev(t, uri, 2);
	buf_lazy(t, &t->in, BIG);
	buf_lazy(t, &t->out, BIG);
}

static void close_sec(struct sec *t)
{
	fl_session_destroy(t->s);
	fl_cryptodev_close(t->d);
	fl_op_free(t->ops, QPS);
	assert_int_equal(fl_op_pool_destroy(t->pool), 0);
	buf_close(&t->in);
	buf_close(&t->out);
	assert_int_equal(fl_ctx_destroy(t->ctx), 0);
}

/* ---- requests ------------------------------------------------------------------------------ */

static void fill(uint8_t *p, size_t n, unsigned seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15ull + 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		p[i] = (uint8_t)(x >> 56);
	}
}

/* op i: len bytes from one place to another, which may be the same */
static struct fl_op *set_op(struct sec *t, unsigned i, const struct buf *in, uint64_t from,
			    const struct buf *out, uint64_t to, uint32_t len)
{
	struct fl_op *op = t->ops[i];

	t->seg[i][0] = (struct fl_seg){ in->va + from, in->area, len };
	t->seg[i][1] = (struct fl_seg){ out->va + to, out->area, len };
	op->session = t->s;
	op->src = &t->seg[i][0];
	op->dst = in == out && from == to ? NULL : &t->seg[i][1];
	op->nsrc = 1;
	op->ndst = op->dst ? 1 : 0;
	op->cipher_off = 0;
	op->cipher_len = len;
	op->stage = FL_OP_WHOLE;
	memset(op->iv, (int)i, FL_IV_MAX);
	return op;
}

static void encrypt(uint8_t *out, const uint8_t *in, uint32_t len, const uint8_t *iv)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;

	assert_non_null(c);
	assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_128_cbc(), NULL, key, iv), 1);
	EVP_CIPHER_CTX_set_padding(c, 0);
	assert_int_equal(EVP_EncryptUpdate(c, out, &n, in, (int)len), 1);
	EVP_CIPHER_CTX_free(c);
}

/* the op's result is `out`, and its source `in` */
static void check_bytes(const struct fl_op *op, const uint8_t *in, const uint8_t *out)
{
	static uint8_t want[BIG];

	encrypt(want, in, op->cipher_len, op->iv);
	assert_memory_equal(out, want, op->cipher_len);
}

static void give(struct fl_qp *qp, struct fl_op *op)
{
	assert_int_equal(fl_op_enqueue(qp, &op, 1), 1);
}

/* exactly these come back, in that order */
static void take(struct sec *t, struct fl_qp *qp, struct fl_op **want, unsigned n)
{
	uint64_t end = fl_now_ns() + TIME_MAX;

	for (unsigned got = 0; got < n;) {
		struct fl_op *op;

		if (fl_op_dequeue(qp, &op, 1)) {
			assert_ptr_equal(op, want[got++]);
			end = fl_now_ns() + TIME_MAX;
		} else {
			sched_yield();
		}
		fl_ctx_dispatch(t->ctx, 0);
		if (fl_now_ns() > end)
			fail_msg("%u of %u came back", got, n);
	}
}

static void expect(const struct fl_op *op, enum fl_op_status s)
{
	if (op->status != s)
		fail_msg("came back as %s, not %s", fl_op_status_name(op->status),
			 fl_op_status_name(s));
}

/* what an op is that the device could not do for want of memory; V2 has no way to say that */
static enum fl_op_status fault_of(const struct sec *t)
{
	return t->v2 ? FL_OP_ERROR : FL_OP_FAULT;
}

static void one(struct sec *t, struct fl_op *op, enum fl_op_status s)
{
	give(t->qp, op);
	take(t, t->qp, &op, 1);
	expect(op, s);
}

static void works(struct sec *t)
{
	struct fl_op *op = set_op(t, 5, &t->in, 123, &t->out, 77, 3 * PAGE);

	fill(t->in.va + 123, 3 * PAGE, 9);
	memset(t->out.va + 77, 0, 3 * PAGE);
	one(t, op, FL_OP_OK);
	check_bytes(op, t->in.va + 123, t->out.va + 77);
}

/* Nothing is dispatched: the device has asked, and its requests lie in our socket. */
static void wait_until_asked(struct sec *t)
{
	struct pollfd p = { .fd = fl_ctx_fd(t->ctx), .events = POLLIN };

	assert_int_equal(poll(&p, 1, 10000), 1);
}

static struct fl_residency_stats stats(const struct buf *b)
{
	struct fl_residency_stats s;

	fl_mem_residency_stats(b->area, &s);
	return s;
}

static const char *const devices[] = { "hisi_sec", "hisi_sec,version=2", "hisi_sec_vf",
				       "hisi_sec_vf,version=2", "hisi_sec,workers=0" };

/* ---- data ---------------------------------------------------------------------------------- */

static void fresh_buffers(void **state)
{
	static const struct {
		uint32_t from, to, len;
	} part[] = { { 0, 0, 16 },
		     { PAGE - 8, 2 * PAGE - 1, 16 },
		     { 3 * PAGE + 5, 4 * PAGE + 7, 64 },
		     { 40000, 50001, 20000 - 32 },
		     { 65536, 80000, 1 << 20 },
		     { 2 << 20, (2 << 20) + 5, (1 << 20) + 16 } };

	for (unsigned k = 0; k < FL_ARRAY_SIZE(devices); k++) {
		struct fl_residency_stats s;
		struct sec t;

		open_sec(&t, devices[k], false);
		fill(t.in.va, BIG, k);
		for (unsigned i = 0; i < FL_ARRAY_SIZE(part); i++)
			give(t.qp,
			     set_op(&t, i, &t.in, part[i].from, &t.out, part[i].to, part[i].len));
		take(&t, t.qp, t.ops, FL_ARRAY_SIZE(part));
		for (unsigned i = 0; i < FL_ARRAY_SIZE(part); i++)
			expect(t.ops[i], FL_OP_OK);
		/* the last ones: those before may lie under them */
		check_bytes(t.ops[4], t.in.va + part[4].from, t.out.va + part[4].to);
		check_bytes(t.ops[5], t.in.va + part[5].from, t.out.va + part[5].to);
		s = stats(&t.in);
		assert_in_range(s.faults, 1, BIG / PAGE);
		assert_in_range(s.fault_pages, 512, BIG / PAGE);
		assert_int_equal(s.mapped_bytes, s.fault_pages * PAGE);
		assert_int_equal(s.denied + s.failed + s.invalid, 0);
		assert_in_range(stats(&t.out).faults, 1, BIG / PAGE);
		close_sec(&t);
	}
}

/* a source that nobody has touched reads as zeros; then in place, where it was only read before */
static void untouched_then_in_place(void **state)
{
	static uint8_t before[BIG];
	struct fl_op *op;
	struct sec t;

	open_sec(&t, "hisi_sec", false);
	op = set_op(&t, 0, &t.in, 0, &t.out, 0, BIG);
	one(&t, op, FL_OP_OK);
	check_bytes(op, before, t.out.va);
	fill(t.in.va, BIG, 3);
	memcpy(before, t.in.va, BIG);
	op = set_op(&t, 1, &t.in, 0, &t.in, 0, BIG);
	one(&t, op, FL_OP_OK);
	check_bytes(op, before, t.in.va);
	assert_in_range(stats(&t.in).upgrades, 1, BIG / PAGE);
	close_sec(&t);
}

static void segments_of_several_areas(void **state)
{
	static uint8_t in[5 * 9000];
	struct fl_seg src[5], dst[3];
	struct buf b[4];
	struct fl_op *op;
	struct sec t;

	for (unsigned k = 0; k < FL_ARRAY_SIZE(devices); k++) {
		open_sec(&t, devices[k], false);
		for (unsigned i = 0; i < 4; i++)
			buf_lazy(&t, &b[i], 1 << 20);
		for (unsigned i = 0; i < 5; i++) {
			src[i] = (struct fl_seg){ b[i % 3].va + i * 100001, b[i % 3].area, 9000 };
			fill(src[i].va, 9000, i);
			memcpy(in + i * 9000, src[i].va, 9000);
		}
		for (unsigned i = 0; i < 3; i++)
			dst[i] = (struct fl_seg){ b[3].va + i * 300007, b[3].area, 14989 + i };
		op = set_op(&t, 0, &t.in, 0, &t.out, 0, 44960);
		op->src = src;
		op->nsrc = 5;
		op->dst = dst;
		op->ndst = 3;
		one(&t, op, FL_OP_OK);
		for (unsigned i = 0; i < 3; i++)
			memcpy(t.out.va + (i ? i == 1 ? 14989 : 29979 : 0), dst[i].va, dst[i].len);
		check_bytes(op, in, t.out.va);
		for (unsigned i = 0; i < 4; i++)
			buf_close(&b[i]);
		close_sec(&t);
	}
}

/* memory without a file: the device asks for its pages too, and then copies by message */
static void without_a_file(struct sec *t)
{
	const struct fl_dma_opts lazy = { .residency = FL_LAZY };

	buf_close(&t->in);
	buf_close(&t->out);
	buf_open_of(t, &t->in, BIG, FL_MEM_ANON, &lazy);
	buf_open_of(t, &t->out, BIG, FL_MEM_ANON, &lazy);
}

/* its order is the device's, of which the thread sanitizer knows nothing */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ANON false
#endif
#endif
#ifndef ANON
#define ANON true
#endif

static void memory_by_message(void **state)
{
	if (!ANON)
		skip();
	for (unsigned k = 0; k < 2; k++) {
		struct sec t;

		open_sec(&t, devices[k], false);
		without_a_file(&t);
		for (unsigned i = 0; i < 3; i++) {
			works(&t);
			assert_int_equal(fl_mem_revoke(t.out.area, 0, BIG), 0);
		}
		assert_in_range(stats(&t.out).faults, 3, 12);
		close_sec(&t);
	}
}

/* A page a fault: the device asks as often as it has pages, and gets on each time. */
static void many_pages_by_message(void **state)
{
	const struct fl_residency_opts one_page = { .fault_around = 1 };
	const uint32_t len = 1 << 20;
	struct sec t;

	for (unsigned k = 0; k < 2; k++) {
		open_sec(&t, devices[k], false);
		if (ANON)
			without_a_file(&t);
		assert_int_equal(fl_dma_residency_set(fl_ctx_space(t.ctx), &one_page), 0);
		fill(t.in.va, len, k);
		one(&t, set_op(&t, 0, &t.in, 0, &t.out, 0, len), FL_OP_OK);
		check_bytes(t.ops[0], t.in.va, t.out.va);
		assert_int_equal(stats(&t.in).fault_pages, len / PAGE);
		assert_int_equal(stats(&t.out).fault_pages, len / PAGE);
		close_sec(&t);
	}
}

/* ---- who waits, and who does not ------------------------------------------------------------ */

static void others_go_on(void **state)
{
	for (unsigned k = 0; k < FL_ARRAY_SIZE(devices); k++) {
		struct fl_op *waits[3], *op;
		struct buf pinned;
		struct fl_qp *other;
		uint64_t begin;
		struct sec t;

		open_sec(&t, devices[k], true); /* nobody answers until we dispatch */
		other = fl_cryptodev_qp(t.d, 1);
		buf_open(&t, &pinned, 1 << 20, NULL);
		fill(pinned.va, 1 << 20, 1);
		fill(t.in.va, 10000, 2);
		waits[0] = set_op(&t, 0, &t.in, 0, &t.out, 0, 5008);
		waits[1] = set_op(&t, 1, &pinned, 0, &pinned, 300000, 4096);
		waits[2] = set_op(&t, 2, &t.in, 10000, &t.out, 20000, 4096);
		for (unsigned i = 0; i < 3; i++)
			give(t.qp, waits[i]);
		wait_until_asked(&t);
		/* it gives up after 3 s */
		begin = fl_now_ns();
		for (unsigned i = 0; i < 200 && fl_now_ns() - begin < 1000000000; i++) {
			struct fl_op *mine = set_op(&t, 3, &pinned, 1000, &pinned, 100000, 2048);
			uint64_t end = fl_now_ns() + TIME_MAX;

			give(other, mine);
			while (!fl_op_dequeue(other, &op, 1))
				assert_true(fl_now_ns() < end);
			expect(mine, FL_OP_OK);
			check_bytes(mine, pinned.va + 1000, pinned.va + 100000);
			/* where a doorbell is a message, that looks after requests too */
			if (!t.v2)
				assert_int_equal(fl_op_dequeue(t.qp, &op, 1), 0);
		}
		take(&t, t.qp, waits, 3);
		for (unsigned i = 0; i < 3; i++)
			expect(waits[i], FL_OP_OK);
		check_bytes(waits[0], t.in.va, t.out.va);
		check_bytes(waits[1], pinned.va, pinned.va + 300000);
		assert_int_equal(t.errors, 0);
		buf_close(&pinned);
		close_sec(&t);
	}
}

/* more queues than requests may be under way */
static void fault_queue_full(void **state)
{
	struct fl_op *op;
	struct sec t;

	make_ctx(&t, true);
	make_dev(&t, "model:hisi_sec", QPS);
	buf_lazy(&t, &t.in, 2 * QPS * PAGE);
	buf_lazy(&t, &t.out, 2 * QPS * PAGE);
	fill(t.in.va, 2 * QPS * PAGE, 4);
	for (uint16_t i = 0; i < QPS; i++) {
		uint64_t at = i * 2ull * PAGE;

		give(fl_cryptodev_qp(t.d, i), set_op(&t, i, &t.in, at, &t.out, at, 2 * PAGE));
	}
	wait_until_asked(&t);
	usleep(20000);
	for (uint16_t i = 0; i < QPS; i++)
		assert_int_equal(fl_op_dequeue(fl_cryptodev_qp(t.d, i), &op, 1), 0);
	for (uint16_t i = 0; i < QPS; i++) {
		take(&t, fl_cryptodev_qp(t.d, i), &t.ops[i], 1);
		expect(t.ops[i], FL_OP_OK);
		check_bytes(t.ops[i], t.in.va + i * 2 * PAGE, t.out.va + i * 2 * PAGE);
	}
	close_sec(&t);
}

/* ---- what goes wrong ------------------------------------------------------------------------ */

/* Nobody answers: the device gives up, that op fails, and the answer that comes late is dropped. */
static void answer_lost_and_late(void **state)
{
	static const char *const some[] = { "hisi_sec", "hisi_sec_vf,version=2" };
	struct fl_op *op[2], *got;
	struct sec t[2];

	for (unsigned k = 0; k < 2; k++) {
		open_sec(&t[k], some[k], true);
		op[k] = set_op(&t[k], 0, &t[k].in, 0, &t[k].out, 0, 5 * PAGE);
		give(t[k].qp, op[k]);
	}
	for (unsigned k = 0; k < 2; k++) {
		uint64_t end = fl_now_ns() + TIME_MAX;

		while (!fl_op_dequeue(t[k].qp, &got, 1)) {
			assert_true(fl_now_ns() < end);
			usleep(1000);
		}
		assert_ptr_equal(got, op[k]);
		expect(got, fault_of(&t[k]));
		assert_int_equal(t[k].errors, 0);
		works(&t[k]);
		close_sec(&t[k]);
	}
}

static void injected_loss(void **state)
{
	struct sec t;

	open_sec(&t, "hisi_sec,inject=prlost:3", false);
	for (unsigned i = 0; i < 30; i++) {
		struct fl_op *op = set_op(&t, i, &t.in, i * 4 * PAGE, &t.out, i * 4 * PAGE, PAGE);
		bool lost;

		assert_int_equal(fl_mem_revoke(t.in.area, 0, BIG), 0);
		fill(t.in.va + i * 4 * PAGE, PAGE, i);
		give(t.qp, op);
		take(&t, t.qp, &op, 1);
		lost = op->status == FL_OP_FAULT;
		assert_true(lost || op->status == FL_OP_OK);
		if (!lost)
			check_bytes(op, t.in.va + i * 4 * PAGE, t.out.va + i * 4 * PAGE);
	}
	close_sec(&t);
}

/* Areas that are not what the driver was told: the device finds out, and that op alone ends. */
static void outside_and_against_the_permission(void **state)
{
	for (unsigned k = 0; k < 2; k++) {
		struct fl_dma_area lie;
		struct fl_op *op[3];
		struct buf ro, bad;
		struct sec t;

		open_sec(&t, devices[k], false);
		buf_open(&t, &ro, BIG,
			 &(struct fl_dma_opts){ .residency = FL_LAZY, .prot = FL_DMA_READ });
		/* the driver does not even ask the device */
		one(&t, set_op(&t, 0, &t.in, 0, &ro, 0, PAGE), FL_OP_FAULT);
		lie = *ro.area;
		lie.prot = FL_DMA_RW;
		bad = (struct buf){ .area = &lie, .va = ro.va };
		for (unsigned i = 0; i < 2; i++) {
			op[0] = set_op(&t, 0, &t.in, 0, &t.out, 0, PAGE);
			op[1] = set_op(&t, 1, i ? &bad : &t.in, 0, i ? &t.out : &bad, PAGE, PAGE);
			op[2] = set_op(&t, 2, &t.in, 0, &t.out, 2 * PAGE, PAGE);
			fill(t.in.va, PAGE, i);
			for (unsigned n = 0; n < 3; n++)
				give(t.qp, op[n]);
			take(&t, t.qp, op, 3);
			expect(op[0], FL_OP_OK);
			expect(op[1], fault_of(&t));
			expect(op[2], FL_OP_OK);
			check_bytes(op[2], t.in.va, t.out.va + 2 * PAGE);
			/* and then where nothing is mapped at all */
			lie.iova.v = 0x7ffffff00000;
		}
		buf_close(&ro);
		close_sec(&t);
	}
}

/* an op that waits on each queue pair, and one behind it */
static void make_wait(struct sec *t)
{
	for (unsigned q = 0; q < 2; q++)
		for (unsigned i = 0; i < 2; i++)
			give(fl_cryptodev_qp(t->d, (uint16_t)q),
			     set_op(t, 2 * q + i, &t->in, (2 * q + i) * 3ull * PAGE, &t->out,
				    (2 * q + i) * 3ull * PAGE, 2 * PAGE));
	wait_until_asked(t);
}

static void all_given_back(struct sec *t)
{
	for (unsigned q = 0; q < 2; q++) {
		take(t, fl_cryptodev_qp(t->d, (uint16_t)q), &t->ops[2 * q], 2);
		for (unsigned i = 0; i < 2; i++) {
			uint8_t s = t->ops[2 * q + i]->status;

			assert_true(s == FL_OP_OK || s == FL_OP_ABORTED || s == fault_of(t));
		}
	}
}

static void area_unmapped_while_it_waits(void **state)
{
	for (unsigned k = 0; k < 2; k++) {
		struct sec t;

		open_sec(&t, devices[k], true);
		make_wait(&t);
		assert_int_equal(fl_dma_unmap(t.out.area), 0);
		t.out.area = NULL;
		for (unsigned q = 0; q < 2; q++) {
			take(&t, fl_cryptodev_qp(t.d, (uint16_t)q), &t.ops[2 * q], 2);
			/* a V2's doorbell is a message, and who polls resolves in those: then the
			 * ones before the last may have had their pages already */
			for (unsigned i = 2 * q; i < 2 * q + 2; i++)
				if (!t.v2 || i == 3 || t.ops[i]->status != FL_OP_OK)
					expect(t.ops[i], fault_of(&t));
		}
		buf_close(&t.out);
		buf_lazy(&t, &t.out, BIG);
		works(&t);
		assert_int_equal(t.errors, 0);
		close_sec(&t);
	}
}

static void reset_while_it_waits(void **state)
{
	for (unsigned k = 0; k < 4; k++) {
		struct sec t;

		open_sec(&t, devices[k], true);
		for (unsigned i = 0; i < 2; i++) {
			make_wait(&t);
			assert_int_equal(fl_cryptodev_reset(t.d), 0);
			all_given_back(&t);
			works(&t);
			assert_int_equal(fl_mem_revoke(t.in.area, 0, BIG), 0);
		}
		close_sec(&t);
	}
}

static void stop_while_it_waits(void **state)
{
	for (unsigned k = 0; k < 2; k++) {
		struct sec t;

		open_sec(&t, devices[k], true);
		make_wait(&t);
		assert_int_equal(fl_cryptodev_stop(t.d), 0);
		all_given_back(&t);
		assert_int_equal(fl_cryptodev_start(t.d), 0);
		works(&t);
		close_sec(&t);
	}
}

static void close_while_it_waits(void **state)
{
	for (unsigned k = 0; k < 2; k++)
		for (unsigned polls = 0; polls < 2; polls++) {
			struct sec t;

			open_sec(&t, devices[k], polls);
			if (polls)
				make_wait(&t);
			else
				give(t.qp, set_op(&t, 0, &t.in, 0, &t.out, 0, BIG));
			close_sec(&t);
		}
}

/* ---- a device that dies, and comes back ---------------------------------------
 */

struct server {
	struct fl_engine *engine;
	struct fl_model *model;
	char path[64], uri[96];
};

static void serve(struct server *s, const char *spec)
{
	unlink(s->path);
	assert_int_equal(fl_engine_add(s->engine, spec, s->path, -1, &s->model), 0);
}

static void server_open(struct server *s)
{
	snprintf(s->path, sizeof(s->path), "/tmp/hisi_sec_fault_test.%d", getpid());
	snprintf(s->uri, sizeof(s->uri), "vfio-user:%s", s->path);
	assert_int_equal(fl_engine_create(NULL, &s->engine), 0);
}

static void server_close(struct server *s)
{
	fl_engine_destroy(s->engine);
	unlink(s->path);
}

static void gone_while_it_waits(void **state)
{
	/* what comes back may be a device that cannot fault, and one that can again */
	static const char *const next[] = { "hisi_sec", "hisi_sec,faults=off", "hisi_sec" };
	bool faults = true;
	struct server s;
	struct sec t;

	server_open(&s);
	serve(&s, "hisi_sec");
	make_ctx(&t, true);
	make_dev(&t, s.uri, 2);
	buf_lazy(&t, &t.in, BIG);
	buf_lazy(&t, &t.out, BIG);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(next); i++) {
		uint64_t end = fl_now_ns() + TIME_MAX;

		if (faults)
			make_wait(&t);
		fl_engine_remove(s.engine, s.model);
		while (t.removed <= i) {
			fl_ctx_dispatch(t.ctx, 10);
			assert_true(fl_now_ns() < end);
		}
		assert_int_equal(fl_cryptodev_reset(t.d), -ENODEV);
		if (faults)
			all_given_back(&t);
		serve(&s, next[i]);
		assert_int_equal(fl_cryptodev_reset(t.d), 0);
		faults = !strstr(next[i], "faults=off");
		works(&t);
		assert_int_equal(stats(&t.in).misses > 0, i > 0);
		assert_int_equal(fl_mem_revoke(t.in.area, 0, BIG), 0);
		assert_int_equal(fl_mem_revoke(t.out.area, 0, BIG), 0);
	}
	close_sec(&t);
	server_close(&s);
}

/* ---- under traffic ----------------------------------------------------------------------------
 */

#define SLOTS	  32u
#define SLOT_SIZE (16u * PAGE)

struct churn {
	struct sec *t;
	unsigned kind, seed;
	uint64_t done;
	bool stop;
};

static void *churn(void *arg)
{
	struct churn *c = arg;

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		struct fl_dma_area *a = rand_r(&c->seed) & 1 ? c->t->in.area : c->t->out.area;
		uint64_t off = (unsigned)rand_r(&c->seed) % (BIG / PAGE) * (uint64_t)PAGE;
		uint64_t most = (BIG - off) / PAGE < 64 ? (BIG - off) / PAGE : 64;
		uint64_t len = (unsigned)rand_r(&c->seed) % most * (uint64_t)PAGE;
		struct buf other;

		if (c->kind == 0) {
			assert_int_equal(fl_mem_revoke(a, off, len + PAGE), 0);
		} else if (c->kind == 1) {
			assert_int_equal(fl_mem_convert(a, c->done & 1 ? FL_LAZY : FL_PINNED), 0);
		} else {
			buf_lazy(c->t, &other, BIG);
			assert_int_equal(
				fl_mem_prefault(other.area, off, len + PAGE, FL_PREFAULT_WRITE), 0);
			buf_close(&other);
		}
		c->done++;
		usleep(200);
	}
	return NULL;
}

/* every slot's pages are given back, found empty, filled and used, over and over */
static void traffic(struct sec *t, unsigned n, bool discard)
{
	unsigned given = 0, taken = 0;
	struct fl_op *op;
	uint64_t end = fl_now_ns() + TIME_MAX;

	while (taken < n) {
		unsigned at = given % SLOTS;
		uint64_t off = at * (uint64_t)SLOT_SIZE;

		if (given < n && given - taken < SLOTS) {
			if (discard) {
				assert_int_equal(fl_mem_discard(t->in.area, off, SLOT_SIZE), 0);
				assert_int_equal(fl_mem_discard(t->out.area, off, SLOT_SIZE), 0);
				assert_int_equal(t->in.va[off + 5000] | t->out.va[off + 100], 0);
			}
			fill(t->in.va + off + given % PAGE, 8000, given);
			give(t->qp, set_op(t, at, &t->in, off + given % PAGE, &t->out,
					   off + given % 1000, 8000));
			given++;
		}
		if (fl_op_dequeue(t->qp, &op, 1)) {
			at = taken % SLOTS;
			off = at * (uint64_t)SLOT_SIZE;
			assert_ptr_equal(op, t->ops[at]);
			expect(op, FL_OP_OK);
			check_bytes(op, t->in.va + off + taken % PAGE,
				    t->out.va + off + taken % 1000);
			end = fl_now_ns() + TIME_MAX;
			taken++;
		} else {
			sched_yield();
		}
		if (fl_now_ns() > end)
			fail_msg("%u of %u came back", taken, n);
	}
}

static void under_traffic(const char *model, unsigned kind, unsigned n, bool discard, bool anon)
{
	struct churn c = { .kind = kind, .seed = 7 };
	pthread_t thread;
	struct sec t;

	open_sec(&t, model, false);
	if (anon && ANON)
		without_a_file(&t);
	c.t = &t;
	assert_int_equal(pthread_create(&thread, NULL, churn, &c), 0);
	traffic(&t, n, discard);
	__atomic_store_n(&c.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	print_message("%s: %u requests, %llu changes, %llu faults\n", model, n,
		      (unsigned long long)c.done,
		      (unsigned long long)(stats(&t.in).faults + stats(&t.out).faults));
	assert_true(c.done > 10);
	assert_int_equal(t.errors, 0);
	close_sec(&t);
}

static void revoked_under_traffic(void **state)
{
	under_traffic("hisi_sec", 0, 3000, false, false);
	under_traffic("hisi_sec_vf,version=2", 0, 1000, false, false);
	under_traffic("hisi_sec", 0, 300, false, true);
}

static void discarded_under_traffic(void **state)
{
	under_traffic("hisi_sec", 0, 5000, true, false);
	under_traffic("hisi_sec", 0, 300, true, true);
}

static void converted_under_traffic(void **state)
{
	under_traffic("hisi_sec", 1, 3000, false, false);
	under_traffic("hisi_sec,version=2,workers=2", 1, 1000, false, false);
}

static void mapped_and_unmapped_under_traffic(void **state)
{
	under_traffic("hisi_sec", 2, 3000, false, false);
}

/* ---- a device that means no good ------------------------------------------------------------- */

static struct {
	struct fl_model *m;
	uint64_t base, len, n;
	unsigned seed;
} storm;

/* asks for pages as fast as it can, and waits for none */
static unsigned storm_poll(void *state, uint64_t now)
{
	uint64_t len = __atomic_load_n(&storm.len, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; len && i < 64; i++) {
		uint64_t page = (unsigned)rand_r(&storm.seed) % (len / PAGE);
		fl_model_pr_t pr;

		if (fl_model_page_request(storm.m, fl_iova(storm.base + page * PAGE), 1,
					  FL_DMA_READ, &pr))
			continue;
		fl_model_page_forget(storm.m, pr);
		__atomic_fetch_add(&storm.n, 1, __ATOMIC_RELAXED);
	}
	return fl_hisi_sec_model_ops.poll(state, now);
}

static void storm_of_requests(void **state)
{
	struct fl_model_ops ops = fl_hisi_sec_model_ops;
	struct buf all;
	struct server s;
	struct sec t;
	uint64_t t0, n, worst = 0;

	ops.poll = storm_poll;
	server_open(&s);
	assert_int_equal(fl_engine_add_ops(s.engine, &ops, "", s.path, -1, 0, &s.model), 0);
	storm.m = s.model;
	make_ctx(&t, false);
	make_dev(&t, s.uri, 2);
	buf_lazy(&t, &t.in, BIG);
	buf_lazy(&t, &t.out, BIG);
	buf_lazy(&t, &all, 16ull << 30);
	storm.base = all.area->iova.v;
	__atomic_store_n(&storm.len, 16ull << 30, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(fl_mem_revoke(t.in.area, 0, BIG), 0);
		t0 = fl_now_ns();
		works(&t);
		t0 = fl_now_ns() - t0;
		worst = t0 > worst ? t0 : worst;
	}
	__atomic_store_n(&storm.len, 0, __ATOMIC_RELEASE);
	n = __atomic_load_n(&storm.n, __ATOMIC_RELAXED);
	print_message("storm: %llu requests, the longest op %llu us\n", (unsigned long long)n,
		      (unsigned long long)worst / 1000);
	assert_in_range(worst, 0, 2000000000ull);
	assert_true(n > 1000);
	assert_int_equal(t.errors, 0);
	buf_close(&all);
	close_sec(&t);
	server_close(&s);
}

/* the argument is a test's name; without one, all */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fresh_buffers),
		cmocka_unit_test(untouched_then_in_place),
		cmocka_unit_test(segments_of_several_areas),
		cmocka_unit_test(memory_by_message),
		cmocka_unit_test(many_pages_by_message),
		cmocka_unit_test(others_go_on),
		cmocka_unit_test(fault_queue_full),
		cmocka_unit_test(answer_lost_and_late),
		cmocka_unit_test(injected_loss),
		cmocka_unit_test(outside_and_against_the_permission),
		cmocka_unit_test(area_unmapped_while_it_waits),
		cmocka_unit_test(reset_while_it_waits),
		cmocka_unit_test(stop_while_it_waits),
		cmocka_unit_test(close_while_it_waits),
		cmocka_unit_test(gone_while_it_waits),
		cmocka_unit_test(revoked_under_traffic),
		cmocka_unit_test(discarded_under_traffic),
		cmocka_unit_test(converted_under_traffic),
		cmocka_unit_test(mapped_and_unmapped_under_traffic),
		cmocka_unit_test(storm_of_requests),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
