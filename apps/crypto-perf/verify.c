/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Are the bytes right? Random ops run on the device and on another one that is taken to be right,
 * or a vector runs again and again. Each output is compared whole. Where the device checks a tag,
 * one op in WRONG_TAG gets a wrong one, and has to say so.
 */
#include "perf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRONG_TAG 8u

/** What is true of one op. */
struct truth {
	uint8_t *plain, *cipher; /* AAD first; of auth-only both are the message */
	uint8_t iv[FL_IV_MAX], digest[FL_DIGEST_MAX];
	bool wrong_tag;
};

void cp_random(uint8_t *p, size_t len, uint64_t seed)
{
	uint64_t x = seed * 0x9e3779b97f4a7c15ull + 1;

	for (size_t i = 0; i < len; i++) {
		if (!(i % 8)) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
		}
		p[i] = (uint8_t)(x * 0x2545f4914f6cdd1dull >> (8 * (i % 8)));
	}
}

static uint32_t bytes(const struct cp_lane *l)
{
	return l->run->c.size + l->run->cp->job.aad_len;
}

static bool out_of_turn(struct cp_lane *l)
{
	fprintf(stderr, "%s, queue pair %u: an op came back that was not the next one\n",
		l->run->dev->uri, l->id);
	l->n.failed_ops++;
	l->n.wrong++;
	return false;
}

/** Runs `count` ops of the slots on a queue pair, in order; false: it does not answer. */
static bool run_all(struct cp_lane *l, struct fl_qp *qp, struct fl_op **ops, unsigned count)
{
	unsigned given = 0, back = 0, burst = l->run->c.burst;
	struct fl_op *out[burst];

	while (back < count) {
		unsigned want = count - given < burst ? count - given : burst;
		unsigned took = want ? fl_op_enqueue(qp, ops + given, (uint16_t)want) : 0;
		unsigned got = fl_op_dequeue(qp, out, (uint16_t)burst);

		given += took;
		for (unsigned i = 0; i < got; i++, back++)
			if (back >= count || out[i] != ops[back])
				return out_of_turn(l);
		if (qp == l->qp) {
			l->n.enqueued += took;
			l->n.dequeued += got;
			l->n.failed_enq += want && took < want;
			l->n.failed_deq += !got;
			l->inflight = given - back;
		}
		if (took | got)
			l->idle = 0;
		else if (!cp_lane_idle(l))
			return false;
	}
	return true;
}

static void make_plain(struct cp_lane *l, struct truth *t, uint64_t seed)
{
	cp_random(t->plain, bytes(l), seed);
	cp_random(t->iv, sizeof(t->iv), ~seed);
}

/** The other device answers what is right. */
static bool ask_reference(struct cp_lane *l, struct truth *t, unsigned count)
{
	const struct cp_job *j = &l->run->cp->job;
	struct cp_slots *s = &l->ref_slots;

	for (unsigned i = 0; i < count; i++) {
		cp_slots_write(s, i, false, 0, t[i].plain, bytes(l));
		cp_op_fill(s->ops[i], l->run->dev->ref->session, j, l->run->c.size);
		memcpy(s->ops[i]->iv, t[i].iv, sizeof(t[i].iv));
	}
	if (!run_all(l, l->ref_qp, s->ops, count))
		return false;
	for (unsigned i = 0; i < count; i++) {
		if (s->ops[i]->status != FL_OP_OK)
			return false;
		cp_slots_read(s, i, true, 0, t[i].cipher, bytes(l));
		memcpy(t[i].digest, s->ops[i]->digest, sizeof(t[i].digest));
	}
	return true;
}

static void put(uint8_t *to, const struct cp_bytes *b)
{
	if (b->len)
		memcpy(to, b->p, b->len);
}

static void take_vector(const struct cp_lane *l, struct truth *t)
{
	const struct cp_vector *v = l->run->vector;
	const struct cp_bytes *c = v->ciphertext.set ? &v->ciphertext : &v->plaintext;

	put(t->plain, &v->aad);
	put(t->cipher, &v->aad);
	put(t->plain + v->aad.len, &v->plaintext);
	put(t->cipher + v->aad.len, c);
	memcpy(t->iv, l->run->cp->job.iv, sizeof(t->iv));
	put(t->digest, &v->digest);
}

static void give(struct cp_lane *l, const struct truth *t, unsigned i)
{
	const struct cp_job *j = &l->run->cp->job;
	struct fl_op *op = l->slots.ops[i];
	uint8_t blank[64];

	cp_slots_write(&l->slots, i, false, 0, j->conf.encrypt ? t->plain : t->cipher, bytes(l));
	memset(blank, 0xa5, sizeof(blank));
	for (uint32_t at = 0; l->slots.out_of_place && at < bytes(l); at += sizeof(blank)) {
		uint32_t left = bytes(l) - at;

		cp_slots_write(&l->slots, i, true, at, blank, left < 64 ? left : 64);
	}
	cp_op_fill(op, l->run->dev->session, j, l->run->c.size);
	memcpy(op->iv, t->iv, sizeof(op->iv));
	memset(op->digest, 0, sizeof(op->digest));
	if (j->check)
		memcpy(op->digest, t->digest, sizeof(op->digest));
	if (t->wrong_tag)
		op->digest[j->conf.digest_len - 1] ^= 0x80;
}

static bool right(struct cp_lane *l, const struct truth *t, unsigned i, uint8_t *got)
{
	const struct cp_job *j = &l->run->cp->job;
	const struct fl_op *op = l->slots.ops[i];
	const uint8_t *want = j->conf.encrypt ? t->cipher : t->plain;

	if (t->wrong_tag || op->status != FL_OP_OK)
		return t->wrong_tag && op->status == FL_OP_AUTH_FAILED;
	cp_slots_read(&l->slots, i, true, j->aad_len, got, l->run->c.size);
	if (j->cipher && memcmp(got, want + j->aad_len, l->run->c.size))
		return false;
	return !j->tag || j->check || !memcmp(op->digest, t->digest, j->conf.digest_len);
}

/** True until the device does not answer. */
static bool batch(struct cp_lane *l, struct truth *t, unsigned count, uint8_t *got)
{
	const struct cp_job *j = &l->run->cp->job;
	uint64_t seed = (l->n.dequeued * CP_MAX_QPS + l->id) << 8;

	for (unsigned i = 0; i < count; i++) {
		t[i].wrong_tag = j->check && i % WRONG_TAG == WRONG_TAG - 1;
		if (l->run->vector)
			take_vector(l, &t[i]);
		else
			make_plain(l, &t[i], seed + i);
	}
	if (!l->run->vector && !ask_reference(l, t, count)) {
		l->ref_failed = true;
		return false;
	}
	for (unsigned i = 0; i < count; i++)
		give(l, &t[i], i);
	if (!run_all(l, l->qp, l->slots.ops, count))
		return false;
	for (unsigned i = 0; i < count; i++) {
		unsigned s = l->slots.ops[i]->status;

		if (right(l, &t[i], i, got))
			continue;
		l->n.failed_ops++;
		if (s == FL_OP_OK || t[i].wrong_tag)
			l->n.wrong++;
		else
			l->n.by_status[s < FL_OP_PENDING ? s : FL_OP_PENDING]++;
	}
	return true;
}

void cp_run_verify(struct cp_lane *l)
{
	unsigned n = l->slots.n;
	size_t len = bytes(l) + 1u;
	struct truth *t = calloc(n, sizeof(*t));
	uint8_t *mem = malloc((2u * n + 1) * len);

	for (unsigned i = 0; t && mem && i < n; i++) {
		t[i].plain = mem + 2u * i * len;
		t[i].cipher = t[i].plain + len;
	}
	while (t && mem && l->n.dequeued < l->total && !cp_lane_over(l)) {
		uint64_t left = l->total - l->n.dequeued;

		if (!batch(l, t, left < n ? (unsigned)left : n, mem + 2u * n * len))
			break;
	}
	l->silent |= !t || !mem;
	free(mem);
	free(t);
}
