/* SPDX-License-Identifier: BSD-3-Clause */
#include "crypto_rig.h"

#include <fl_residency.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint8_t *slot_aad(const struct job *j)
{
	return j->slot + 2 * RIG_SLOT;
}

bool rig_lazy;

/* ---- device ------------------------------------------------------------------------------- */

int rig_open(struct rig *r, struct fl_ctx *ctx, const char *uri)
{
	const uint64_t len = RIG_JOBS * (2 * RIG_SLOT + RIG_AAD);
	const struct fl_dma_opts how = { .residency = rig_lazy ? FL_LAZY : FL_PINNED };
	struct fl_mem_opts mo = { .node = -1, .log = fl_ctx_log(ctx) };
	int rc;

	*r = (struct rig){ .ctx = ctx, .seed = 1 };
	rc = fl_cryptodev_open(ctx, uri, &r->d);
	if (rc)
		return rc;
	fl_cryptodev_info(r->d, &r->info);
	fl_dma_mem_opts(fl_ctx_space(ctx), len, &mo);
	rc = fl_mem_alloc(len, &mo, &r->mem);
	if (!rc)
		rc = fl_dma_map(fl_ctx_space(ctx), r->mem, &how, &r->area);
	return rc ? rc : fl_op_pool_create(ctx, RIG_OPS, &r->pool);
}

void rig_close(struct rig *r)
{
	fl_cryptodev_close(r->d);
	assert_int_equal(fl_op_pool_destroy(r->pool), 0);
	assert_int_equal(fl_dma_unmap(r->area), 0);
	fl_mem_free(r->mem);
}

void rig_up(struct rig *r, uint16_t desc, bool intr)
{
	const struct fl_qp_conf c = { .desc = desc, .node = -1, .intr = intr };

	r->qps = r->info.qp_max < 3 ? r->info.qp_max : 3;
	r->desc = desc;
	assert_int_equal(fl_cryptodev_configure(r->d, r->qps), 0);
	for (uint16_t i = 0; i < r->qps; i++)
		assert_int_equal(fl_qp_setup(r->d, i, &c), 0);
	assert_int_equal(fl_cryptodev_start(r->d), 0);
}

void rig_down(struct rig *r)
{
	struct fl_op *ops[32];

	assert_int_equal(fl_cryptodev_stop(r->d), 0);
	for (uint16_t i = 0, n; i < r->qps; i++)
		while ((n = fl_op_dequeue(fl_cryptodev_qp(r->d, i), ops, 32)))
			fl_op_free(ops, n);
}

unsigned rig_rand(struct rig *r, unsigned n)
{
	return (unsigned)rand_r(&r->seed) % n;
}

void rig_fill(struct rig *r, void *p, size_t n)
{
	uint64_t x = ((uint64_t)(unsigned)rand_r(&r->seed) << 32) + 0x9e3779b97f4a7c15ull;
	uint8_t *b = p;

	for (size_t i = 0; i < n; i += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(b + i, &x, n - i < sizeof(x) ? n - i : sizeof(x));
	}
}

void rig_send(struct fl_qp *qp, struct fl_op **ops, unsigned n)
{
	uint64_t end = fl_now_ns() + RIG_STALL_NS;
	unsigned sent = 0;

	while (sent < n) {
		unsigned m = fl_op_enqueue(qp, ops + sent, (uint16_t)(n - sent));

		sent += m;
		if (m)
			end = fl_now_ns() + RIG_STALL_NS;
		else
			sched_yield(); /* a model's threads may want this very core */
		if (fl_now_ns() > end)
			fail_msg("%u of %u ops were taken", sent, n);
	}
}

void rig_recv(struct fl_qp *qp, struct fl_op **ops, unsigned n)
{
	uint64_t end = fl_now_ns() + RIG_STALL_NS;
	unsigned got = 0;

	while (got < n) {
		unsigned m = fl_op_dequeue(qp, ops + got, (uint16_t)(n - got));

		if (m)
			end = fl_now_ns() + RIG_STALL_NS;
		else
			sched_yield();
		got += m;
		if (fl_now_ns() > end)
			fail_msg("%u of %u ops came back", got, n);
	}
}

void rig_run(struct fl_qp *qp, struct fl_op **ops, struct fl_op **got, unsigned n)
{
	uint64_t end = fl_now_ns() + RIG_STALL_NS;
	unsigned sent = 0, seen = 0, m;

	while (seen < n) {
		sent += fl_op_enqueue(qp, ops + sent, (uint16_t)(n - sent));
		m = fl_op_dequeue(qp, got + seen, (uint16_t)(n - seen));
		if (m)
			end = fl_now_ns() + RIG_STALL_NS;
		else
			sched_yield();
		seen += m;
		if (fl_now_ns() > end)
			fail_msg("%u of %u ops were taken, %u came back", sent, n, seen);
	}
}

void rig_recv_none(struct fl_qp *qp, unsigned ms)
{
	uint64_t end = fl_now_ns() + ms * NS_PER_MS;
	const struct timespec nap = { .tv_nsec = 200000 };
	struct fl_op *op;

	while (fl_now_ns() < end) {
		assert_int_equal(fl_op_dequeue(qp, &op, 1), 0);
		nanosleep(&nap, NULL);
	}
}

/* ---- sessions ----------------------------------------------------------------------------- */

int rig_keys(struct rig *r, const struct fl_session_conf *conf, struct rig_keys *k)
{
	struct fl_session_conf c = *conf;
	int rc;

	rig_fill(r, k->key, sizeof(k->key));
	rig_fill(r, k->auth_key, sizeof(k->auth_key));
	c.key = c.key_len ? k->key : NULL;
	c.auth_key = c.auth_key_len ? k->auth_key : NULL;
	c.encrypt = false;
	rc = fl_session_create(r->d, &c, &k->dec);
	if (rc)
		return rc;
	c.encrypt = true;
	rc = fl_session_create(r->d, &c, &k->enc);
	if (rc) {
		fl_session_destroy(k->dec);
		return rc;
	}
	k->conf = *fl_session_conf(k->enc);
	k->conf.key = c.key;
	k->conf.auth_key = c.auth_key;
	return 0;
}

void rig_keys_free(struct rig_keys *k)
{
	fl_session_destroy(k->enc);
	fl_session_destroy(k->dec);
}

bool rig_some_keys(struct rig *r, enum fl_algo_kind kind, struct rig_keys *k)
{
	for (const struct fl_crypto_cap *cap = r->info.caps; cap->algo; cap++) {
		struct fl_session_conf c = { 0 };

		if (fl_algo_info(cap->algo)->kind != kind)
			continue;
		if (kind == FL_KIND_CIPHER || kind == FL_KIND_AEAD) {
			c.type = kind == FL_KIND_AEAD ? FL_CRYPTO_AEAD : FL_CRYPTO_CIPHER;
			c.cipher = cap->algo;
			c.key_len = cap->key.min;
		} else {
			c.type = FL_CRYPTO_AUTH;
			c.auth = cap->algo;
			c.auth_key_len = cap->key.min;
		}
		assert_int_equal(rig_keys(r, &c, k), 0);
		return true;
	}
	return false;
}

/* ---- layouts ------------------------------------------------------------------------------ */

bool rig_layout_ok(const struct rig *r, enum rig_layout l)
{
	uint64_t need = l == RIG_SGL_IN_PLACE  ? FL_CRYPTO_SGL_IN_PLACE
			: l > RIG_SGL_IN_PLACE ? FL_CRYPTO_SGL_OUT
					       : 0;

	return (r->info.features & need) == need && (!need || r->info.segs_max > 1);
}

/* Cuts `total` bytes at odd places, some segments empty; whole = the first holds that many. */
static uint16_t cut(struct rig *r, struct fl_seg *s, uint8_t *at, uint32_t total, bool sgl,
		    uint32_t whole)
{
	unsigned max = r->info.segs_max < RIG_SEGS ? r->info.segs_max : RIG_SEGS;
	unsigned n = sgl ? 2 + rig_rand(r, max - 1) : 1;

	for (unsigned i = 0; i < n; i++) {
		uint32_t len = i == 0 ? whole : 0;

		switch (rig_rand(r, 4)) {
		case 0:
			break;
		case 1:
			len++;
			break;
		case 2:
			len += rig_rand(r, 64);
			break;
		default:
			len += rig_rand(r, total + 1);
		}
		if (len > total || i == n - 1)
			len = total;
		total -= len;
		at += 1 + rig_rand(r, 15);
		s[i] = (struct fl_seg){ at, r->area, len };
		at += len;
	}
	s[n - 1].len += rig_rand(r, 9); /* there may be more than is used */
	return (uint16_t)n;
}

/* Writes bytes at a place of the segments; `image` stands for the memory at `slot`. */
static void put(const struct fl_seg *s, uint32_t off, const uint8_t *slot, uint8_t *image,
		const uint8_t *bytes, uint32_t len)
{
	for (; len; s++) {
		uint32_t n;

		if (off >= s->len) {
			off -= s->len;
			continue;
		}
		n = s->len - off < len ? s->len - off : len;
		memcpy(image + (s->va - slot) + off, bytes, n);
		bytes += n;
		len -= n;
		off = 0;
	}
}

/* ---- requests ----------------------------------------------------------------------------- */

static bool out_of_place(const struct rig_want *w)
{
	return w->layout == RIG_FLAT || w->layout >= RIG_SGL_IN;
}

static void lay_out(struct rig *r, struct job *j, const struct rig_want *w)
{
	bool in_sgl = w->layout == RIG_SGL_IN_PLACE || w->layout == RIG_SGL_IN ||
		      w->layout == RIG_SGL_BOTH;
	bool out_sgl = w->layout == RIG_SGL_OUT || w->layout == RIG_SGL_BOTH;
	struct fl_op *op = j->op;

	op->src = j->src;
	op->nsrc = cut(r, j->src, j->slot, w->before + w->len, in_sgl,
		       w->aad_len && !w->aad_apart ? w->before : 0);
	op->dst = NULL;
	op->ndst = 0;
	if (out_of_place(w)) {
		op->dst = j->dst;
		op->ndst = cut(r, j->dst, j->slot + RIG_SLOT, w->before + w->len, out_sgl, 0);
	}
}

static void set_fields(struct rig *r, struct job *j, const struct rig_want *w)
{
	bool auth = w->keys->conf.type == FL_CRYPTO_AUTH;
	unsigned at = rig_rand(r, FL_IV_MAX);
	struct fl_op *op = j->op;

	op->session = w->decrypt ? w->keys->dec : w->keys->enc;
	op->cipher_off = auth ? 0 : w->before;
	op->cipher_len = auth ? 0 : w->len;
	op->auth_off = auth ? w->before : 0;
	op->auth_len = auth ? w->len : 0;
	op->user = (uintptr_t)j;
	rig_fill(r, op->iv, sizeof(op->iv));
	if (rig_rand(r, 3) == 0) /* counters that are about to carry */
		memset(op->iv + at, 0xff, FL_IV_MAX - at);
	op->aad = (struct fl_seg){ slot_aad(j) + 3, r->area, w->aad_len };
	if (w->aad_len && !w->aad_apart)
		op->aad.va = j->src[0].va + w->before - w->aad_len;
	if (!w->aad_len)
		op->aad = (struct fl_seg){ 0 };
}

void job_make(struct rig *r, struct job *j, unsigned i, const struct rig_want *w)
{
	uint8_t plain[RIG_DATA], made[RIG_DATA] = { 0 }, *in, *out;
	const struct ref_in ref = { .conf = &w->keys->conf,
				    .iv = NULL,
				    .aad = j->aad,
				    .in = plain + w->before,
				    .aad_len = w->aad_len,
				    .len = w->len };
	struct ref_in with_iv = ref;
	struct fl_op *op;

	assert_true(i < RIG_JOBS && w->before + w->len <= RIG_DATA && w->aad_len < RIG_AAD - 3);
	assert_true(w->aad_apart || w->aad_len <= w->before);
	j->want = *w;
	j->slot = r->area->va + i * (2 * RIG_SLOT + RIG_AAD);
	assert_int_equal(fl_op_alloc(r->pool, &j->op, 1), 1);
	op = j->op;
	rig_fill(r, j->slot, 2 * RIG_SLOT + RIG_AAD);
	rig_fill(r, plain, sizeof(plain));
	memcpy(made, plain, w->before);
	lay_out(r, j, w);
	set_fields(r, j, w);
	if (w->aad_len)
		memcpy(j->aad, w->aad_apart ? op->aad.va : plain + w->before - w->aad_len,
		       w->aad_len);
	with_iv.iv = op->iv;
	if (ref_encrypt(&with_iv, made + w->before, j->digest))
		fail_msg("the reference cannot do this: algorithms %u, %u, %u bytes",
			 w->keys->conf.cipher, w->keys->conf.auth, w->len);
	in = w->decrypt && w->keys->conf.type != FL_CRYPTO_AUTH ? made : plain;
	out = w->decrypt ? plain : made;
	rig_fill(r, op->digest, sizeof(op->digest));
	if (w->decrypt)
		memcpy(op->digest, j->digest, w->keys->conf.digest_len);
	put(j->src, 0, j->slot, j->slot, in, w->before + w->len);
	memcpy(j->shadow, j->slot, 2 * RIG_SLOT);
	if (w->keys->conf.type != FL_CRYPTO_AUTH)
		put(op->dst ? j->dst : j->src, w->before, j->slot, j->shadow, out + w->before,
		    w->len);
	j->copy = *op;
}

static void check_op(const struct job *j)
{
	const struct fl_op *a = j->op, *b = &j->copy;

	assert_ptr_equal(a->session, b->session);
	assert_ptr_equal(a->src, b->src);
	assert_ptr_equal(a->dst, b->dst);
	assert_ptr_equal(a->pool, b->pool);
	assert_ptr_equal(a->aad.va, b->aad.va);
	assert_ptr_equal(a->aad.area, b->aad.area);
	assert_true(a->aad.len == b->aad.len && a->nsrc == b->nsrc && a->ndst == b->ndst);
	assert_true(a->cipher_off == b->cipher_off && a->cipher_len == b->cipher_len);
	assert_true(a->auth_off == b->auth_off && a->auth_len == b->auth_len);
	assert_true(a->user == b->user && a->iova.v == b->iova.v && a->stage == b->stage);
	assert_memory_equal(a->iv, b->iv, sizeof(a->iv));
	assert_memory_equal(slot_aad(j) + 3, j->aad, j->want.aad_apart ? j->want.aad_len : 0);
}

static const char *job_name(const struct job *j)
{
	static const char *const layouts[] = { "in place",    "out of place", "sgl in place",
					       "sgl to flat", "flat to sgl",  "sgl to sgl" };
	const struct fl_session_conf *c = &j->want.keys->conf;
	const struct fl_algo_info *a = fl_algo_info(c->cipher), *b = fl_algo_info(c->auth);
	static char text[200];

	snprintf(text, sizeof(text), "%s %s%s, keys %u %u, %s, %u bytes at %u, AAD %u%s, %s",
		 a ? a->name : "", b ? b->name : "",
		 c->type == FL_CRYPTO_AUTH_CIPHER ? " (MAC first)" : "", c->key_len,
		 c->auth_key_len, j->want.decrypt ? "decrypt" : "encrypt", j->want.len,
		 j->want.before, j->want.aad_len, j->want.aad_apart ? " apart" : "",
		 layouts[j->want.layout]);
	return text;
}

static void check_memory(const struct job *j, const char *what)
{
	for (unsigned i = 0; i < 2 * RIG_SLOT; i++)
		if (j->slot[i] != j->shadow[i])
			fail_msg("%s: %s: byte %u of the %s is %02x, not %02x", job_name(j), what,
				 i % RIG_SLOT, i < RIG_SLOT ? "source" : "destination", j->slot[i],
				 j->shadow[i]);
}

/* Bytes of the op's output, as they are now, to buf; or from buf to the shadow. */
static void get(const struct fl_seg *s, uint32_t off, uint8_t *buf, uint32_t len)
{
	for (; len; s++) {
		uint32_t n;

		if (off >= s->len) {
			off -= s->len;
			continue;
		}
		n = s->len - off < len ? s->len - off : len;
		memcpy(buf, s->va + off, n);
		buf += n;
		len -= n;
		off = 0;
	}
}

void job_check_around(struct job *j)
{
	const struct rig_want *w = &j->want;
	uint8_t now[RIG_DATA];

	check_op(j);
	if (w->keys->conf.type != FL_CRYPTO_AUTH) {
		const struct fl_seg *to = j->op->dst ? j->dst : j->src;

		get(to, w->before, now, w->len);
		put(to, w->before, j->slot, j->shadow, now, w->len);
	}
	check_memory(j, "around");
}

void job_check(struct job *j, enum fl_op_status want)
{
	const struct rig_want *w = &j->want;
	uint8_t now[RIG_AAD];

	if (j->op->status != want)
		fail_msg("%s: came back as %s, not %s", job_name(j),
			 fl_op_status_name(j->op->status), fl_op_status_name(want));
	/* the AAD may have gone to its place before the payload */
	if (out_of_place(w) && w->aad_len && !w->aad_apart) {
		get(j->dst, w->before - w->aad_len, now, w->aad_len);
		if (!memcmp(now, j->aad, w->aad_len))
			put(j->dst, w->before - w->aad_len, j->slot, j->shadow, now, w->aad_len);
	}
	if (want != FL_OP_OK) {
		job_check_around(j);
		return;
	}
	check_op(j);
	check_memory(j, "result");
	if (!w->decrypt && memcmp(j->op->digest, j->digest, w->keys->conf.digest_len))
		fail_msg("%s: another digest", job_name(j));
}

void jobs_run(struct rig *r, const struct rig_want *w, unsigned n)
{
	static struct job jobs[RIG_JOBS];
	struct fl_qp *qp = fl_cryptodev_qp(r->d, 0);
	struct fl_op *ops[RIG_JOBS], *got[RIG_JOBS];

	for (unsigned i = 0; i < n; i++) {
		job_make(r, &jobs[i], i, &w[i]);
		ops[i] = jobs[i].op;
	}
	if (rig_lazy)
		assert_int_equal(fl_mem_revoke(r->area, 0, r->area->len), 0);
	rig_send(qp, ops, n);
	rig_recv(qp, got, n);
	for (unsigned i = 0; i < n; i++) {
		assert_ptr_equal(got[i], ops[i]);
		job_check(&jobs[i], FL_OP_OK);
	}
	fl_op_free(ops, n);
}
