/* SPDX-License-Identifier: BSD-3-Clause */
/* The software device against known answers, in segments of all kinds. Argument: its backend. */
#include "soft_rig.h"
#include "soft_vectors.h"

#define FRONT 7u /* bytes before the payload */
#define BYTES 512u

static const char *uri = "soft:openssl";

static int set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	rig_up(r, uri);
	*state = r;
	return 0;
}

static int tear_down(void **state)
{
	rig_down(*state);
	free(*state);
	return 0;
}

/* ---- one vector ------------------------------------------------------------------------ */

struct bytes {
	uint8_t key[64], iv[16], aad[64], in[BYTES], out[BYTES], tag[64];
	size_t key_len, iv_len, aad_len, len, out_len, tag_len;
};

static void parse(const struct vector *v, struct bytes *b)
{
	b->key_len = hex(v->key, b->key);
	b->iv_len = hex(v->iv, b->iv);
	b->aad_len = hex(v->aad, b->aad);
	b->len = hex(v->in, b->in);
	b->out_len = hex(v->out, b->out);
	b->tag_len = hex(v->tag, b->tag);
}

static struct fl_session *session(struct rig *r, const struct vector *v, const struct bytes *b,
				  bool encrypt)
{
	enum fl_algo_kind kind = fl_algo_info(v->algo)->kind;
	struct fl_session_conf c = { .encrypt = encrypt,
				     .iv_len = (uint16_t)b->iv_len,
				     .digest_len = (uint16_t)b->tag_len };
	struct fl_session *s;

	if (kind == FL_KIND_CIPHER || kind == FL_KIND_AEAD) {
		c.type = kind == FL_KIND_AEAD ? FL_CRYPTO_AEAD : FL_CRYPTO_CIPHER;
		c.cipher = v->algo;
		c.key = b->key;
		c.key_len = (uint16_t)b->key_len;
	} else {
		c.type = FL_CRYPTO_AUTH;
		c.auth = v->algo;
		c.auth_key = b->key_len ? b->key : NULL;
		c.auth_key_len = (uint16_t)b->key_len;
	}
	assert_int_equal(fl_session_create(r->dev, &c, &s), 0);
	return s;
}

/* the front, then the payload */
static void cut_up(struct shape *s, enum cut cut, const uint8_t *payload, size_t len)
{
	uint8_t all[FRONT + BYTES];

	noise(all, FRONT, 1);
	memcpy(all + FRONT, payload, len);
	shape_make(s, cut, all, (uint32_t)(FRONT + len));
}

static void expect(const struct shape *s, const uint8_t *payload, size_t len)
{
	uint8_t all[FRONT + BYTES], front[FRONT];

	noise(front, FRONT, 1);
	shape_read(s, all);
	assert_memory_equal(all, front, FRONT);
	assert_memory_equal(all + FRONT, payload, len);
}

static void fill_op(struct fl_op *op, struct fl_session *s, const struct bytes *b,
		    const struct shape *src, const struct shape *dst)
{
	op->session = s;
	op->src = src->seg;
	op->nsrc = src->n;
	op->dst = dst ? dst->seg : NULL;
	op->ndst = dst ? dst->n : 0;
	op->cipher_off = op->auth_off = FRONT;
	op->cipher_len = op->auth_len = (uint32_t)b->len;
	op->aad = (struct fl_seg){ (uint8_t *)b->aad, &everywhere, (uint32_t)b->aad_len };
	memcpy(op->iv, b->iv, sizeof(op->iv));
}

/* Encryption or a digest made: all of output and tag. */
static void forward(struct rig *r, const struct vector *v, const struct bytes *b, enum cut in,
		    int out)
{
	static const uint8_t blank[BYTES];
	struct fl_session *s = session(r, v, b, true);
	struct shape src, dst;

	cut_up(&src, in, b->in, b->len);
	cut_up(&dst, out < 0 ? CUT_FLAT : (enum cut)out, blank, b->len);
	fill_op(r->op, s, b, &src, out < 0 ? NULL : &dst);
	memset(r->op->digest, 0, sizeof(r->op->digest));
	assert_int_equal(rig_run(r, 0, r->op), FL_OP_OK);
	if (v->out)
		expect(out < 0 ? &src : &dst, b->out, b->len);
	if (v->tag)
		assert_memory_equal(r->op->digest, b->tag, b->tag_len);
	shape_free(&src);
	shape_free(&dst);
	fl_session_destroy(s);
}

/* Decryption or verification, of a right tag and of a wrong one. */
static void backward(struct rig *r, const struct vector *v, const struct bytes *b, enum cut in,
		     int out, bool wrong)
{
	static const uint8_t blank[BYTES];
	struct fl_session *s = session(r, v, b, false);
	const uint8_t *from = v->out ? b->out : b->in;
	struct shape src, dst;

	cut_up(&src, in, from, b->len);
	cut_up(&dst, out < 0 ? CUT_FLAT : (enum cut)out, blank, b->len);
	fill_op(r->op, s, b, &src, out < 0 ? NULL : &dst);
	memcpy(r->op->digest, b->tag, sizeof(b->tag));
	if (wrong)
		r->op->digest[b->tag_len - 1] ^= 1;
	assert_int_equal(rig_run(r, 1, r->op), wrong ? FL_OP_AUTH_FAILED : FL_OP_OK);
	if (v->out)
		expect(out < 0 ? &src : &dst, wrong ? blank : b->in, b->len);
	shape_free(&src);
	shape_free(&dst);
	fl_session_destroy(s);
}

static void known_answers(void **state)
{
	for (size_t i = 0; i < FL_ARRAY_SIZE(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct bytes b = { 0 };

		parse(v, &b);
		print_message("%s, %zu bytes\n", fl_algo_info(v->algo)->name, b.len);
		for (int in = 0; in < CUTS; in++) {
			for (int out = -1; out < CUTS; out++) {
				forward(*state, v, &b, (enum cut)in, out);
				backward(*state, v, &b, (enum cut)in, out, false);
				if (v->tag)
					backward(*state, v, &b, (enum cut)in, out, true);
			}
		}
	}
}

/* ---- life ------------------------------------------------------------------------------ */

/* Ops that a stop met undone come back aborted, though their session is gone. */
static void stopped(void **state)
{
	struct rig *r = *state;
	struct fl_qp *q = fl_cryptodev_qp(r->dev, 0);
	struct bytes b = { 0 };
	struct fl_session *s;
	struct shape src;
	struct fl_op *back;

	parse(&vectors[0], &b);
	s = session(r, &vectors[0], &b, true);
	cut_up(&src, CUT_FLAT, b.in, b.len);
	fill_op(r->op, s, &b, &src, NULL);
	assert_int_equal(fl_op_enqueue(q, &r->op, 1), 1);
	assert_int_equal(fl_cryptodev_stop(r->dev), 0);
	fl_session_destroy(s);
	assert_int_equal(fl_op_enqueue(q, &r->op, 1), 0);
	assert_int_equal(fl_op_dequeue(q, &back, 1), 1);
	assert_ptr_equal(back, r->op);
	assert_int_equal(back->status, FL_OP_ABORTED);
	expect(&src, b.in, b.len);
	shape_free(&src);
}

/* A session is older than the queue pairs that come to use it. */
static void more_queue_pairs(void **state)
{
	struct rig *r = *state;
	struct bytes b = { 0 };
	struct fl_session *s;
	struct shape src;

	parse(&vectors[1], &b);
	s = session(r, &vectors[1], &b, true);
	assert_int_equal(fl_cryptodev_stop(r->dev), 0);
	assert_int_equal(fl_cryptodev_configure(r->dev, 5), 0);
	for (uint16_t i = 0; i < 5; i++)
		assert_int_equal(fl_qp_setup(r->dev, i, NULL), 0);
	assert_int_equal(fl_cryptodev_start(r->dev), 0);
	for (uint16_t i = 0; i < 5; i++) {
		/* in pieces, so that OpenSSL's contexts are used with ipsec-mb too */
		cut_up(&src, CUT_ODD, b.in, b.len);
		fill_op(r->op, s, &b, &src, NULL);
		assert_int_equal(rig_run(r, i, r->op), FL_OP_OK);
		expect(&src, b.out, b.len);
		shape_free(&src);
	}
	fl_session_destroy(s);
}

/* Two of a kind: the keys of one are not for the other. */
static void session_of_another(void **state)
{
	struct rig *r = *state, other = { .ctx = r->ctx };
	struct bytes b = { 0 };
	struct fl_session *s;
	struct shape src;

	assert_int_equal(fl_cryptodev_open(r->ctx, uri, &other.dev), 0);
	parse(&vectors[0], &b);
	s = session(&other, &vectors[0], &b, true);
	cut_up(&src, CUT_FLAT, b.in, b.len);
	fill_op(r->op, s, &b, &src, NULL);
	assert_int_equal(rig_run(r, 0, r->op), FL_OP_INVALID);
	expect(&src, b.in, b.len);
	shape_free(&src);
	fl_session_destroy(s);
	fl_cryptodev_close(other.dev);
}

static void uris(void **state)
{
	struct rig *r = *state;
	struct fl_cryptodev *d;

	assert_int_equal(fl_cryptodev_open(r->ctx, "soft:magic", &d), -EINVAL);
	assert_int_equal(fl_cryptodev_open(r->ctx, "soft:", &d), 0);
	fl_cryptodev_close(d);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(known_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stopped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(more_queue_pairs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(session_of_another, set_up, tear_down),
		cmocka_unit_test_setup_teardown(uris, set_up, tear_down),
	};

	if (argc > 1)
		uri = argv[1];
	return cmocka_run_group_tests_name(uri, tests, NULL, NULL);
}
