/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One case, all at once in as many layouts of memory as there are: each in a slot of its own, whose
 * every other byte must stay as it was.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "vectors.h"

#define SLOT (4u * VEC_MAX)
#define LEAD 3u /* bytes before the payload in split layouts */
enum layout { IN_PLACE, FLAT, SPLIT, SPLIT_BOTH, STREAM, LAYOUTS };

struct slot {
	struct fl_op *op;
	enum layout layout;
	uint8_t *mem, *before; /* SLOT bytes each; mem is the device's */
	size_t used;	       /* of them by this case */
	struct fl_seg src[RIG_SEGS], dst[RIG_SEGS];
	uint32_t done; /* of a stream */
};

struct runner {
	struct rig rig;
	struct rig_dev *d;
	struct slot slot[LAYOUTS];
};

struct runner *runner_open(char *uri)
{
	struct runner *r = calloc(1, sizeof(*r));

	if (!r || rig_open(&r->rig, &uri, 1, LAYOUTS, LAYOUTS * SLOT)) {
		free(r);
		return NULL;
	}
	r->d = &r->rig.dev[0];
	for (unsigned i = 0; i < LAYOUTS; i++) {
		r->slot[i].op = r->rig.ops[i];
		r->slot[i].mem = r->rig.area->va + i * SLOT;
		r->slot[i].before = malloc(SLOT);
		if (!r->slot[i].before)
			abort();
	}
	return r;
}

void runner_close(struct runner *r)
{
	rig_close(&r->rig);
	for (unsigned i = 0; i < LAYOUTS; i++)
		free(r->slot[i].before);
	free(r);
}

bool runner_has(const struct runner *r, enum fl_algo a)
{
	return fl_cryptodev_cap(r->d->dev, a) != NULL;
}

/* ---- a session ------------------------------------------------------------------------------ */

/* what the device says it has not is no failure */
static bool can(const struct runner *r, const struct vec *v)
{
	const struct fl_crypto_cap *c = fl_cryptodev_cap(r->d->dev, v->algo);
	enum fl_algo_kind kind = fl_algo_info(v->algo)->kind;
	uint32_t all = v->in.len + v->aad.len;

	return c && fl_sizes_have(&c->key, v->key.len) && fl_sizes_have(&c->iv, v->iv.len) &&
	       (kind == FL_KIND_CIPHER || fl_sizes_have(&c->digest, v->tag.len)) &&
	       v->aad.len <= c->aad_max && (v->in.len || c->empty) && all <= c->len_max;
}

static int make_session(struct runner *r, const struct vec *v, bool encrypt, struct fl_session **s)
{
	struct fl_session_conf c = { .encrypt = encrypt, .iv_len = (uint16_t)v->iv.len };

	c.digest_len = (uint16_t)v->tag.len;
	switch (fl_algo_info(v->algo)->kind) {
	case FL_KIND_CIPHER:
	case FL_KIND_AEAD:
		c.type = v->tag.len ? FL_CRYPTO_AEAD : FL_CRYPTO_CIPHER;
		c.cipher = v->algo;
		c.key = v->key.p;
		c.key_len = (uint16_t)v->key.len;
		break;
	default:
		c.type = FL_CRYPTO_AUTH;
		c.auth = v->algo;
		c.auth_key = v->key.p;
		c.auth_key_len = (uint16_t)v->key.len;
		break;
	}
	return fl_session_create(r->d->dev, &c, s);
}

/* ---- layouts -------------------------------------------------------------------------------- */

static void whole(struct runner *r, uint8_t *at, uint32_t n, struct fl_seg *seg, uint16_t *count)
{
	*seg = (struct fl_seg){ at, r->rig.area, n };
	*count = 1;
}

/* copies bytes to segments from off on; base says which memory stands for the slot's */
static void spread(const struct slot *s, uint8_t *base, const struct fl_seg *seg, uint32_t off,
		   const struct bytes *b)
{
	uint32_t done = 0;

	for (; done < b->len; seg++) {
		uint32_t n;

		if (off >= seg->len) {
			off -= seg->len;
			continue;
		}
		n = seg->len - off < b->len - done ? seg->len - off : b->len - done;
		memcpy(base + (seg->va - s->mem) + off, b->p + done, n);
		done += n;
		off = 0;
	}
}

static bool is_split(enum layout l)
{
	return l == SPLIT || l == SPLIT_BOTH;
}

/* places a case's bytes; the payload's offset */
static uint32_t place(struct runner *r, struct slot *s, const struct vec *v)
{
	uint32_t lead = is_split(s->layout) ? LEAD : v->aad.len, n = lead + v->in.len;
	uint8_t *at = s->mem + 1 + rig_rnd(&r->rig, 63), *aad = at;
	struct fl_op *op = s->op;

	/* what two sides can take at most, with the gaps of their segments */
	s->used = 3ul * (n + v->aad.len) + 4096;
	memset(s->mem, 0x5a, s->used);
	if (is_split(s->layout)) {
		at = rig_cut(&r->rig, at, n, s->src, &op->nsrc);
		aad = at + rig_rnd(&r->rig, 17);
		at = aad + v->aad.len + 1;
	} else {
		whole(r, at, n, s->src, &op->nsrc);
		at += n + 1 + rig_rnd(&r->rig, 63);
	}
	op->src = s->src;
	op->dst = NULL;
	op->ndst = 0;
	if (s->layout == FLAT)
		whole(r, at, n, s->dst, &op->ndst);
	else if (s->layout == SPLIT_BOTH)
		rig_cut(&r->rig, at, n, s->dst, &op->ndst);
	if (op->ndst)
		op->dst = s->dst;
	op->aad = (struct fl_seg){ aad, r->rig.area, v->aad.len };
	if (v->aad.len)
		memcpy(aad, v->aad.p, v->aad.len);
	spread(s, s->mem, s->src, lead, &v->in);
	return lead;
}

static void set_part(struct slot *s, const struct vec *v, uint32_t lead)
{
	uint32_t block = fl_algo_info(v->algo)->hash_block;
	uint32_t left = v->in.len - s->done;
	struct fl_op *op = s->op;

	op->auth_off = lead + s->done;
	op->stage = FL_OP_LAST;
	op->auth_len = left;
	if (left > block) {
		op->stage = s->done ? FL_OP_MIDDLE : FL_OP_FIRST;
		op->auth_len = left > 4 * block ? 2 * block : block;
	}
	s->done += op->auth_len;
}

static void fill(struct runner *r, struct slot *s, const struct vec *v, struct fl_session *ses)
{
	struct fl_op *op = s->op;
	uint32_t lead = place(r, s, v);

	op->session = ses;
	op->status = FL_OP_PENDING;
	op->stage = FL_OP_WHOLE;
	op->cipher_off = op->auth_off = lead;
	op->cipher_len = op->auth_len = v->in.len;
	if (v->iv.len)
		memcpy(op->iv, v->iv.p, v->iv.len);
	memset(op->digest, 0xee, sizeof(op->digest));
	if (v->tag.len && !v->encrypt)
		memcpy(op->digest, v->tag.p, v->tag.len);
	s->done = 0;
	if (s->layout == STREAM)
		set_part(s, v, lead);
	memcpy(s->before, s->mem, s->used);
}

/* ---- what came back ---------------------------------------------------------------------------
 */

static const char *wrong(struct slot *s, const struct vec *v)
{
	const struct fl_seg *out = s->op->dst ? s->op->dst : s->op->src;
	uint32_t lead = s->op->cipher_off;

	if (s->op->status != (v->fail ? FL_OP_AUTH_FAILED : FL_OP_OK))
		return fl_op_status_name(s->op->status);
	if (v->fail)
		return NULL;
	if (v->tag.len && v->encrypt && memcmp(s->op->digest, v->tag.p, v->tag.len))
		return "digest";
	if (v->out.len)
		spread(s, s->before, out, lead, &v->out);
	/* the AAD may stand before the payload in the destination as well */
	if (s->layout == FLAT && v->aad.len && !memcmp(s->dst->va, v->aad.p, v->aad.len))
		memcpy(s->before + (s->dst->va - s->mem), v->aad.p, v->aad.len);
	return memcmp(s->mem, s->before, s->used) ? "output, or bytes beside it" : NULL;
}

/* gives n ops and takes them back, the further parts of a stream as well */
static bool exchange(struct runner *r, struct fl_op **ops, unsigned n, const struct vec *v)
{
	uint64_t end = fl_now_ns() + RIG_WAIT_NS;
	unsigned given = 0, back = 0;
	struct fl_op *got;

	while (back < n) {
		given += fl_op_enqueue(r->d->qp, ops + given, (uint16_t)(n - given));
		if (fl_op_dequeue(r->d->qp, &got, 1)) {
			struct slot *s = (struct slot *)(uintptr_t)got->user;

			if (s->layout == STREAM && got->status == FL_OP_OK &&
			    got->stage != FL_OP_LAST) {
				set_part(s, v, 0);
				while (!fl_op_enqueue(r->d->qp, &got, 1) && fl_now_ns() < end)
					;
			} else {
				back++;
			}
		} else if (fl_now_ns() >= end) {
			return false;
		} else {
			sched_yield();
		}
	}
	return true;
}

static bool wanted(const struct runner *r, const struct vec *v, enum layout l)
{
	const struct fl_algo_info *i = fl_algo_info(v->algo);
	const struct fl_crypto_cap *c = fl_cryptodev_cap(r->d->dev, v->algo);
	bool out = i->kind == FL_KIND_CIPHER || i->kind == FL_KIND_AEAD;

	switch (l) {
	case IN_PLACE:
		return true;
	case FLAT:
		return out;
	case SPLIT:
		return r->d->info.features & FL_CRYPTO_SGL_IN_PLACE;
	case SPLIT_BOTH:
		return out && r->d->info.features & FL_CRYPTO_SGL_OUT;
	case STREAM:
		return i->hash_block && c->stream && v->encrypt && v->in.len > i->hash_block;
	case LAYOUTS:
		break;
	}
	return false;
}

static void run(struct runner *r, const struct vec *v, const char *file, struct tally *t)
{
	static const char *const names[] = { "in place", "flat", "split", "split, out of place",
					     "stream" };
	struct fl_op *ops[LAYOUTS];
	struct fl_session *ses;
	unsigned n = 0;

	if (make_session(r, v, v->encrypt, &ses)) {
		fprintf(stderr, "%s: %s: %s: session refused\n", r->d->uri, file,
			fl_algo_info(v->algo)->name);
		t->failed++;
		return;
	}
	for (unsigned l = 0; l < LAYOUTS; l++) {
		struct slot *s = &r->slot[l];

		if (!wanted(r, v, l))
			continue;
		s->layout = l;
		fill(r, s, v, ses);
		s->op->user = (uintptr_t)s;
		ops[n++] = s->op;
	}
	t->runs += n;
	if (!exchange(r, ops, n, v)) {
		fprintf(stderr, "%s: %s: the device stopped answering\n", r->d->uri, file);
		exit(1);
	}
	for (unsigned i = 0; i < n; i++) {
		struct slot *s = (struct slot *)(uintptr_t)ops[i]->user;
		const char *what = wrong(s, v);

		if (!what)
			continue;
		if (t->failed++ < 10)
			fprintf(stderr,
				"%s: %s: %s, %s, %u bytes, key %u, iv %u, tag %u, AAD %u, %s: %s\n",
				r->d->uri, file, fl_algo_info(v->algo)->name,
				v->encrypt ? "encrypt" : "decrypt", v->in.len, v->key.len,
				v->iv.len, v->tag.len, v->aad.len, names[s->layout], what);
	}
	fl_session_destroy(ses);
}

/* the same case the other way round; a digest's, with one bit of it wrong too */
static void run_back(struct runner *r, const struct vec *v, const char *file, struct tally *t)
{
	enum fl_algo_kind kind = fl_algo_info(v->algo)->kind;
	uint8_t tag[FL_DIGEST_MAX];
	struct vec w = *v;

	w.encrypt = !v->encrypt;
	if (kind == FL_KIND_CIPHER || kind == FL_KIND_AEAD) {
		w.in = v->out;
		w.out = v->in;
	}
	run(r, &w, file, t);
	if (w.encrypt || !v->tag.len)
		return;
	memcpy(tag, v->tag.p, v->tag.len);
	tag[rig_rnd(&r->rig, v->tag.len)] ^= (uint8_t)(1u << rig_rnd(&r->rig, 8));
	w.tag.p = tag;
	w.fail = true;
	run(r, &w, file, t);
}

void runner_case(struct runner *r, const struct vec *v, const char *file, struct tally *t)
{
	t->cases++;
	if (!can(r, v)) {
		t->unsupported++;
		return;
	}
	run(r, v, file, t);
	if (!v->fail && fl_algo_info(v->algo)->kind != FL_KIND_DIGEST)
		run_back(r, v, file, t);
}
