/* SPDX-License-Identifier: BSD-3-Clause */
/* vm-fault: requests, and what every byte has to be. */
#include "fault.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIME_MAX 60000000000ull

static uint64_t stream[CHUNK / 8];

/* ---- data ----------------------------------------------------------------------------------- */

static uint64_t word_of(const struct buf *b, uint64_t off)
{
	return (off + 8 + ((uint64_t)b->id << 40)) * 0x9e3779b97f4a7c15ull;
}

static uint64_t load(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void make_stream(void)
{
	static const uint8_t zeros[CHUNK], iv[16];
	static const uint8_t key[16] = "sixteen bytes it";
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;

	if (!c || EVP_EncryptInit_ex(c, EVP_aes_128_ctr(), NULL, key, iv) != 1 ||
	    EVP_EncryptUpdate(c, (uint8_t *)stream, &n, zeros, sizeof(zeros)) != 1)
		fail("OpenSSL has no AES-CTR");
	EVP_CIPHER_CTX_free(c);
}

static pthread_once_t stream_once = PTHREAD_ONCE_INIT;

uint64_t stream_word(uint64_t off)
{
	return stream[off % CHUNK / 8];
}

void fill(struct buf *b, uint64_t off, uint64_t len, uint8_t gen)
{
	for (uint64_t o = off; o < off + len; o += 8) {
		uint64_t v = word_of(b, o) ^ gen;

		memcpy(b->va + o, &v, sizeof(v));
	}
	memset(b->gen + off / PAGE, gen, (len + PAGE - 1) / PAGE);
}

bool is_filled(const struct buf *src, const uint8_t *at, uint64_t off, uint64_t len)
{
	for (uint64_t o = off; o < off + len; o += 8)
		if (load(at + o - off) != (word_of(src, o) ^ src->gen[o / PAGE]))
			return false;
	return true;
}

static _Noreturn void differs(const struct buf *src, const struct buf *dst, uint64_t off,
			      uint64_t want)
{
	uint64_t got = load(dst->va + off), is = got ^ stream_word(off) ^ word_of(src, off);

	fail("buffer %u, byte 0x%" PRIx64 ": 0x%016" PRIx64 ", expected 0x%016" PRIx64
	     " (source has 0x%016" PRIx64 "; it would be generation %" PRIu64 " of it)",
	     dst->id, off, got, want, load(src->va + off), is);
}

void check(const struct buf *src, const struct buf *dst, uint64_t off, uint64_t len)
{
	for (uint64_t o = off; o < off + len; o += 8) {
		uint64_t want = word_of(src, o) ^ src->gen[o / PAGE] ^ stream_word(o);

		if (load(dst->va + o) != want)
			differs(src, dst, o, want);
	}
}

void check_zeros(const struct buf *dst, uint64_t off, uint64_t len)
{
	for (uint64_t o = off; o < off + len; o += 8)
		if (load(dst->va + o) != stream_word(o))
			fail("buffer %u, byte 0x%" PRIx64 ": not what zeros become", dst->id, o);
}

void check_loosely(const struct buf *src, const struct buf *dst, uint64_t off, uint64_t len)
{
	for (uint64_t o = off; o < off + len; o += 8) {
		uint64_t got = load(dst->va + o), plain = got ^ stream_word(o);

		if (got && plain && (plain ^ word_of(src, o)) > 255)
			differs(src, dst, o, word_of(src, o) ^ stream_word(o));
	}
}

/* ---- requests -------------------------------------------------------------------------------- */

struct fl_op *lane_op(struct lane *l, unsigned i, const struct buf *src, const struct buf *dst,
		      uint64_t off, uint64_t len)
{
	struct fl_op *op = l->ops[i];
	uint64_t block = off % CHUNK / 16;

	pthread_once(&stream_once, make_stream);
	l->seg[i][0] = (struct fl_seg){ src->va + off, src->area, (uint32_t)len };
	l->seg[i][1] = (struct fl_seg){ dst->va + off, dst->area, (uint32_t)len };
	op->session = l->r->s;
	op->src = &l->seg[i][0];
	op->dst = &l->seg[i][1];
	op->nsrc = op->ndst = 1;
	op->cipher_off = 0;
	op->cipher_len = (uint32_t)len;
	op->stage = FL_OP_WHOLE;
	memset(op->iv, 0, sizeof(op->iv));
	op->iv[14] = (uint8_t)(block >> 8);
	op->iv[15] = (uint8_t)block;
	return op;
}

void lane_give(struct lane *l, struct fl_op *op)
{
	must("enqueue", fl_op_enqueue(l->qp, &op, 1), 1);
}

struct fl_op *lane_take(struct lane *l)
{
	uint64_t end = fl_now_ns() + TIME_MAX;
	struct fl_op *op;

	for (unsigned i = 0; !fl_op_dequeue(l->qp, &op, 1); i++) {
		if (fl_now_ns() > end)
			fail("a request did not come back");
		if (l->r->polls)
			fl_ctx_dispatch(l->r->ctx, 0);
		/* the device runs on the CPU that would spin */
		if (i < 10)
			sched_yield();
		else
			usleep(50);
	}
	l->good += op->status == FL_OP_OK;
	l->refused += op->status == FL_OP_FAULT;
	if (op->status != FL_OP_OK && op->status != FL_OP_FAULT)
		fail("a request came back as %s", fl_op_status_name(op->status));
	return op;
}

unsigned lane_run(struct lane *l, const struct buf *src, const struct buf *dst, uint64_t off,
		  uint64_t len)
{
	unsigned given = 0, taken = 0, refused = 0;

	while (len || taken < given) {
		if (len && given - taken < DEPTH) {
			uint64_t n = CHUNK - off % CHUNK;

			n = n < len ? n : len;
			lane_give(l, lane_op(l, given++ % DEPTH, src, dst, off, n));
			off += n;
			len -= n;
			continue;
		}
		if (lane_take(l) != l->ops[taken % DEPTH])
			fail("requests came back in another order");
		refused += l->ops[taken++ % DEPTH]->status == FL_OP_FAULT;
	}
	return refused;
}

void works(struct lane *l, const struct buf *src, const struct buf *dst, uint64_t off, uint64_t len)
{
	unsigned refused = lane_run(l, src, dst, off, len);

	if (refused) {
		struct fl_residency_stats s;

		fl_dma_residency_stats(l->r->space, &s);
		fail("%u refused of [0x%" PRIx64 ", + 0x%" PRIx64 "), buffers %u and %u; by all: "
		     "%" PRIu64 " outside, %" PRIu64 " denied, %" PRIu64 " failed",
		     refused, off, len, src->id, dst->id, s.invalid, s.denied, s.failed);
	}
	check(src, dst, off, len);
}

/* ---- traffic --------------------------------------------------------------------------------- */

/* one request of 16 bytes to a chunk, anywhere but over the end of a chunk */
static struct fl_op *some_op(struct traffic *t, unsigned i, uint64_t *off)
{
	uint64_t chunks = (t->src->len + CHUNK - 1) / CHUNK;
	uint64_t at = (unsigned)rand_r(&t->seed) % chunks * CHUNK;
	uint64_t room = t->src->len - at < CHUNK ? t->src->len - at : CHUNK;
	uint64_t from = (unsigned)rand_r(&t->seed) % (room / 16) * 16;
	uint64_t len = ((unsigned)rand_r(&t->seed) % ((room - from) / 16) + 1) * 16;

	*off = at + from;
	return lane_op(t->l, i, t->src, t->dst, at + from, len);
}

static void *run_traffic(void *arg)
{
	struct traffic *t = arg;
	uint64_t off[DEPTH / 2];

	while (!__atomic_load_n(&t->stop, __ATOMIC_RELAXED)) {
		for (unsigned i = 0; i < DEPTH / 2; i++)
			lane_give(t->l, some_op(t, i, &off[i]));
		for (unsigned i = 0; i < DEPTH / 2; i++)
			if (lane_take(t->l) != t->l->ops[i])
				fail("requests came back in another order");
		for (unsigned i = 0; i < DEPTH / 2 && t->exact; i++)
			check(t->src, t->dst, off[i], t->l->ops[i]->cipher_len);
	}
	return NULL;
}

void traffic_start(struct traffic *t, struct lane *l, const struct buf *src, const struct buf *dst,
		   bool exact)
{
	*t = (struct traffic){ .l = l, .src = src, .dst = dst, .exact = exact, .seed = 5 };
	l->good = l->refused = 0;
	must("thread", pthread_create(&t->thread, NULL, run_traffic, t), 0);
}

void traffic_stop(struct traffic *t, bool may_be_refused)
{
	while (__atomic_load_n(&t->l->good, __ATOMIC_RELAXED) < DEPTH)
		usleep(1000);
	__atomic_store_n(&t->stop, true, __ATOMIC_RELAXED);
	pthread_join(t->thread, NULL);
	printf("meanwhile %" PRIu64 " requests, %" PRIu64 " refused\n", t->l->good, t->l->refused);
	if (!may_be_refused)
		must("refused requests meanwhile", (int64_t)t->l->refused, 0);
}
