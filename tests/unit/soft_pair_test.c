/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipsec-mb beside OpenSSL: random sessions, ops of all of them mixed in bursts, data in segments of
 * all shapes; the two devices must agree, and decryption must give back what was encrypted.
 */
#include "soft_rig.h"

#define SESSIONS 24u
#define BURST	 96u /* more than a batch of the library's */
#define LONG	 70000u
#define ROUNDS	 40u

/* what one side computed */
struct job {
	const struct fl_session_conf *conf;
	enum cut in, out;
	bool in_place, near_aad;
	uint32_t len, front;
	uint8_t data[300], iv[16], aad[80], digest[64];
	uint8_t *big; /* of LONG bytes, else data */
	uint32_t aad_len;
};

struct side {
	struct rig rig;
	struct fl_session *enc[SESSIONS], *dec[SESSIONS];
	struct fl_op *ops[BURST];
	struct shape src[BURST], dst[BURST];
};

static struct side sides[2];
static struct fl_session_conf confs[SESSIONS];
static uint8_t keys[SESSIONS][2][64];
static struct job jobs[BURST];

static uint32_t below(uint32_t n)
{
	static uint64_t x = 88172645463325252ull;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 33) % n;
}

static uint16_t pick(const struct fl_sizes *s, uint16_t most)
{
	uint16_t max = s->max < most ? s->max : most;
	uint16_t steps = s->inc ? (uint16_t)((max - s->min) / s->inc) : max > s->min;

	return (uint16_t)(s->min + below(steps + 1u) * (s->inc ? s->inc : max - s->min));
}

static enum fl_algo any(enum fl_algo_kind kind)
{
	for (;;) {
		enum fl_algo a = (enum fl_algo)(1 + below(FL_ALGO_MAX - 1));

		if (fl_algo_info(a)->kind == kind)
			return a;
	}
}

static void random_auth(struct fl_session_conf *c, unsigned i)
{
	const struct fl_algo_info *a = fl_algo_info(c->auth);

	c->auth_key = keys[i][1];
	c->auth_key_len = a->kind == FL_KIND_MAC ? pick(&a->keys, 64) : 0;
	c->digest_len = below(2) ? 0 : pick(&a->digests, 64);
	if (c->type == FL_CRYPTO_AUTH && a->iv)
		c->iv_len = below(2) ? 0 : pick(&a->ivs, 16);
}

static void random_conf(unsigned i)
{
	struct fl_session_conf *c = &confs[i];
	const struct fl_algo_info *a;

	*c = (struct fl_session_conf){ .type = (enum fl_crypto_type)below(5), .key = keys[i][0] };
	noise(keys[i][0], sizeof(keys[i]), below(1u << 30));
	if (c->type == FL_CRYPTO_AUTH) {
		c->auth = any(below(4) ? FL_KIND_MAC : FL_KIND_DIGEST);
		random_auth(c, i);
		return;
	}
	c->cipher = any(c->type == FL_CRYPTO_AEAD ? FL_KIND_AEAD : FL_KIND_CIPHER);
	a = fl_algo_info(c->cipher);
	c->key_len = pick(&a->keys, 64);
	if (c->type == FL_CRYPTO_AEAD) {
		c->iv_len = below(2) ? 0 : pick(&a->ivs, 16);
		c->digest_len = below(2) ? 0 : pick(&a->digests, 16);
	} else if (c->type != FL_CRYPTO_CIPHER) {
		do
			c->auth = any(FL_KIND_MAC);
		while (c->auth == FL_AES_GMAC);
		random_auth(c, i);
	}
}

static void make_sessions(void)
{
	for (unsigned i = 0; i < SESSIONS; i++) {
		random_conf(i);
		for (unsigned k = 0; k < 2; k++) {
			struct fl_session_conf c = confs[i];
			struct side *s = &sides[k];

			c.encrypt = true;
			assert_int_equal(fl_session_create(s->rig.dev, &c, &s->enc[i]), 0);
			c.encrypt = false;
			assert_int_equal(fl_session_create(s->rig.dev, &c, &s->dec[i]), 0);
		}
	}
}

static void drop_sessions(void)
{
	for (unsigned i = 0; i < SESSIONS; i++) {
		for (unsigned k = 0; k < 2; k++) {
			fl_session_destroy(sides[k].enc[i]);
			fl_session_destroy(sides[k].dec[i]);
		}
	}
}

static uint32_t random_len(const struct fl_session_conf *c, bool big)
{
	const struct fl_algo_info *a = fl_algo_info(c->cipher);
	uint32_t n = big ? LONG - below(5000) : below(4) ? below(280) : below(40);

	if (!a)
		return n;
	n -= n % a->block;
	return a->block == 1 && n < a->least ? a->least : n;
}

static void random_job(struct job *j, const struct fl_session_conf *c, uint8_t *big)
{
	j->conf = c;
	j->big = big;
	j->len = random_len(c, big);
	j->in = big ? CUT_FLAT : below(2) ? CUT_FLAT : (enum cut)below(CUTS);
	j->out = big ? CUT_FLAT : below(2) ? CUT_FLAT : (enum cut)below(CUTS);
	j->in_place = below(2);
	j->aad_len = below(3) ? below(50) : 0;
	if (c->type == FL_CRYPTO_CIPHER || c->type == FL_CRYPTO_AUTH)
		j->aad_len = 0;
	j->front = below(20) + j->aad_len;
	j->near_aad = j->in == CUT_FLAT && below(2);
	noise(big ? big : j->data, j->len, below(1u << 30));
	noise(j->iv, sizeof(j->iv), below(1u << 30));
	noise(j->aad, sizeof(j->aad), below(1u << 30));
	if (!below(4))
		memset(j->iv + 12, 0xff, 4); /* a counter that runs over */
}

static void lay_out(struct side *s, unsigned i, const uint8_t *payload)
{
	const struct job *j = &jobs[i];
	static uint8_t all[100 + LONG];

	memset(all, 0, j->front);
	memcpy(all + j->front - j->aad_len, j->aad, j->aad_len);
	memcpy(all + j->front, payload, j->len);
	shape_make(&s->src[i], j->in, all, j->front + j->len);
	memset(all + j->front, 0, j->len);
	shape_make(&s->dst[i], j->out, all, j->front + j->len);
}

static void fill_op(struct side *s, unsigned i, struct fl_session *session, const uint8_t *digest)
{
	struct fl_op *op = s->ops[i];
	struct job *j = &jobs[i];

	op->session = session;
	op->src = s->src[i].seg;
	op->nsrc = s->src[i].n;
	op->dst = j->in_place ? NULL : s->dst[i].seg;
	op->ndst = j->in_place ? 0 : s->dst[i].n;
	op->cipher_off = op->auth_off = j->front;
	op->cipher_len = op->auth_len = j->len;
	op->aad = (struct fl_seg){ j->aad, &everywhere, j->aad_len };
	if (j->near_aad)
		op->aad.va = s->src[i].seg[0].va + j->front - j->aad_len;
	memcpy(op->iv, j->iv, sizeof(op->iv));
	memcpy(op->digest, digest, sizeof(op->digest));
}

static void run_burst(struct side *s, unsigned n)
{
	struct fl_qp *q = fl_cryptodev_qp(s->rig.dev, 0);
	struct fl_op *back[BURST];
	unsigned got = 0;

	assert_int_equal(fl_op_enqueue(q, s->ops, (uint16_t)n), n);
	while (got < n) {
		unsigned k = fl_op_dequeue(q, back + got, (uint16_t)(1 + below(n - got)));

		assert_int_not_equal(k, 0);
		got += k;
	}
	assert_memory_equal(back, s->ops, n * sizeof(*back));
	assert_int_equal(fl_op_dequeue(q, back, 1), 0);
}

static void payload_of(struct side *s, unsigned i, uint8_t *to)
{
	static uint8_t all[100 + LONG];
	const struct job *j = &jobs[i];

	shape_read(j->in_place ? &s->src[i] : &s->dst[i], all);
	memcpy(to, all + j->front, j->len);
}

static void clean(unsigned n)
{
	for (unsigned k = 0; k < 2; k++) {
		for (unsigned i = 0; i < n; i++) {
			shape_free(&sides[k].src[i]);
			shape_free(&sides[k].dst[i]);
		}
	}
}

static bool writes(const struct fl_session_conf *c)
{
	return c->type != FL_CRYPTO_AUTH;
}

static void name_job(const struct job *j)
{
	const struct fl_algo_info *c = fl_algo_info(j->conf->cipher);
	const struct fl_algo_info *a = fl_algo_info(j->conf->auth);

	print_message("type %d %s %s key %u %u, %u bytes, aad %u%s, cut %d to %d%s\n",
		      j->conf->type, c ? c->name : "", a ? a->name : "", j->conf->key_len,
		      j->conf->auth_key_len, j->len, j->aad_len, j->near_aad ? " near" : "", j->in,
		      j->out, j->in_place ? " in place" : "");
}

/* Both encrypt; the outputs and digests agree. Ciphertext and digest stay in the jobs. */
static void encrypt_all(unsigned n, unsigned session_of[BURST])
{
	static const uint8_t none[64];
	static uint8_t out[2][LONG];

	for (unsigned k = 0; k < 2; k++) {
		struct side *s = &sides[k];

		for (unsigned i = 0; i < n; i++) {
			lay_out(s, i, jobs[i].big ? jobs[i].big : jobs[i].data);
			fill_op(s, i, s->enc[session_of[i]], none);
		}
		run_burst(s, n);
	}
	for (unsigned i = 0; i < n; i++) {
		struct fl_op *a = sides[0].ops[i], *b = sides[1].ops[i];

		payload_of(&sides[0], i, out[0]);
		payload_of(&sides[1], i, out[1]);
		if (a->status != FL_OP_OK || b->status != FL_OP_OK ||
		    memcmp(a->digest, b->digest, fl_session_conf(a->session)->digest_len) ||
		    (writes(jobs[i].conf) && memcmp(out[0], out[1], jobs[i].len))) {
			name_job(&jobs[i]);
			fail_msg("OpenSSL: %s, ipsec-mb: %s; the results differ",
				 fl_op_status_name(a->status), fl_op_status_name(b->status));
		}
		memcpy(jobs[i].digest, a->digest, sizeof(jobs[i].digest));
	}
}

/* Both take back what was made; with a digest spoilt none does, nor leaves plaintext behind. */
static void decrypt_all(unsigned n, unsigned session_of[BURST], bool spoil)
{
	static uint8_t cipher[LONG], out[LONG];
	static struct side before;

	memcpy(before.src, sides[0].src, sizeof(before.src));
	memcpy(before.dst, sides[0].dst, sizeof(before.dst));
	for (unsigned k = 0; k < 2; k++) {
		struct side *s = &sides[k];

		for (unsigned i = 0; i < n; i++) {
			struct side *from = &before;
			const struct job *j = &jobs[i];

			payload_of(from, i, cipher);
			if (!writes(j->conf))
				memcpy(cipher, j->big ? j->big : j->data, j->len);
			if (k) {
				shape_free(&s->src[i]);
				shape_free(&s->dst[i]);
			}
			lay_out(s, i, cipher);
			fill_op(s, i, s->dec[session_of[i]], j->digest);
			if (spoil)
				s->ops[i]->digest[0] ^= 0x10;
		}
		run_burst(s, n);
		for (unsigned i = 0; i < n; i++) {
			const struct job *j = &jobs[i];
			bool tagged = fl_session_conf(s->ops[i]->session)->digest_len;
			enum fl_op_status want = spoil && tagged ? FL_OP_AUTH_FAILED : FL_OP_OK;

			if (s->ops[i]->status != want) {
				name_job(j);
				fail_msg("side %u: %s", k, fl_op_status_name(s->ops[i]->status));
			}
			payload_of(s, i, out);
			if (writes(j->conf) && want == FL_OP_OK)
				assert_memory_equal(out, j->big ? j->big : j->data, j->len);
			else if (writes(j->conf) && j->len >= 16)
				assert_memory_not_equal(out, j->big ? j->big : j->data, j->len);
		}
	}
	for (unsigned i = 0; i < n; i++) {
		shape_free(&before.src[i]);
		shape_free(&before.dst[i]);
	}
}

static void agree(void **state)
{
	unsigned session_of[BURST];
	uint8_t *big = malloc(LONG);

	assert_non_null(big);
	for (unsigned r = 0; r < ROUNDS; r++) {
		unsigned n = 1 + below(BURST), large = r % 4 ? n : below(n);

		make_sessions();
		for (unsigned spoil = 0; spoil < 2; spoil++) {
			for (unsigned i = 0; i < n; i++) {
				/* runs of one session as well */
				session_of[i] = i && below(2) ? session_of[i - 1] : below(SESSIONS);
				random_job(&jobs[i], &confs[session_of[i]],
					   i == large ? big : NULL);
			}
			encrypt_all(n, session_of);
			decrypt_all(n, session_of, spoil);
			clean(n);
		}
		drop_sessions();
	}
	free(big);
}

static int set_up(void **state)
{
	rig_up(&sides[0].rig, "soft:openssl");
	rig_up(&sides[1].rig, "soft:ipsec-mb");
	for (unsigned k = 0; k < 2; k++)
		assert_int_equal(fl_op_alloc(sides[k].rig.pool, sides[k].ops, BURST), BURST);
	return 0;
}

static int tear_down(void **state)
{
	for (unsigned k = 0; k < 2; k++) {
		fl_op_free(sides[k].ops, BURST);
		rig_down(&sides[k].rig);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(agree, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
