/* SPDX-License-Identifier: BSD-3-Clause */
/* The core of lib/crypto, with a driver that does little but record what it is asked. */
#include "dev_fake.h"

#include <pthread.h>

#include <fl_crypto_driver.h>

#define TOY_DESC 8u

/* ---- the driver: XORs with the first byte of the key; digests are one byte, repeated -------- */

struct toy {
	struct fl_cryptodev d; /* first */
	int fail;	       /* what the next operation answers */
	bool stall;	       /* the device answers nothing */
	uint8_t status;	       /* how ops come back */
	unsigned starts, stops, resets, qps, sessions;
};

struct toy_qp {
	struct fl_qp qp; /* first */
	struct fl_op *ring[TOY_DESC];
	unsigned head, tail;
	struct fl_qp_conf conf;
};

struct toy_session {
	struct fl_session s; /* first */
	struct fl_session_conf seen;
	uint8_t key;
};

static const struct fl_crypto_cap caps[] = {
	{ FL_AES_CBC, .key = { 16, 32, 8 }, .iv = { 16, 16, 0 }, .len_max = 4096 },
	/* a driver that says more than there is */
	{ FL_AES_XTS, .key = { 32, 64, 16 }, .iv = { 0, 100, 1 }, .len_max = 4096 },
	{ FL_SHA256, .key = { 0, 64, 1 }, .digest = { 4, 32, 4 }, .len_max = 4096 },
	{ FL_HMAC_SHA256, .key = { 4, 128, 4 }, .digest = { 4, 100, 4 }, .len_max = 4096 },
	{ FL_AES_GMAC, .key = { 16, 32, 8 }, .iv = { 12, 12, 0 }, .digest = { 8, 16, 4 },
	  .len_max = 4096 },
	{ FL_AES_GCM, .key = { 16, 32, 8 }, .iv = { 12, 12, 0 }, .digest = { 8, 16, 4 },
	  .aad_max = 64, .len_max = 4096 },
	{ FL_AES_CCM, .key = { 16, 32, 8 }, .iv = { 1, 16, 1 }, .digest = { 1, 16, 1 },
	  .len_max = 4096 },
	{ FL_ALGO_NONE },
};

static bool bare;	     /* the next open supplies no operation at all */
static int open_fails;	     /* what the next open or probe answers */
static uint64_t features;    /* of the device */
static struct toy *last_toy; /* opened last */

static struct toy *toy(const struct fl_cryptodev *d)
{
	return (struct toy *)d;
}

static int answer(struct fl_cryptodev *d)
{
	int rc = toy(d)->fail;

	toy(d)->fail = 0;
	return rc;
}

static void t_info(const struct fl_cryptodev *d, struct fl_cryptodev_info *out)
{
	*out = (struct fl_cryptodev_info){ .driver = "toy",
					   .chip = "Toy",
					   .features = features,
					   .qp_max = 3,
					   .desc_min = 2,
					   .desc_max = TOY_DESC,
					   .segs_max = 1,
					   .caps = caps };
}

static uint16_t t_enqueue(struct fl_qp *qp, struct fl_op **ops, uint16_t n)
{
	struct toy_qp *q = (struct toy_qp *)qp;
	uint16_t i;

	for (i = 0; i < n && q->tail - q->head < TOY_DESC; i++) {
		ops[i]->status = FL_OP_PENDING;
		q->ring[q->tail++ % TOY_DESC] = ops[i];
	}
	return i;
}

static void work(struct toy *t, struct fl_op *op)
{
	const struct toy_session *s = (const struct toy_session *)op->session;
	const struct fl_session_conf *c = &s->s.conf;

	op->status = t->status;
	for (uint32_t i = 0; i < op->cipher_len && c->type != FL_CRYPTO_AUTH; i++)
		op->src->va[op->cipher_off + i] ^= s->key;
	for (uint32_t i = 0; i < c->digest_len; i++) {
		if (c->encrypt)
			op->digest[i] = 0xd1;
		else if (op->digest[i] != 0xd1)
			op->status = FL_OP_AUTH_FAILED;
	}
}

static uint16_t t_dequeue(struct fl_qp *qp, struct fl_op **ops, uint16_t n)
{
	struct toy_qp *q = (struct toy_qp *)qp;
	struct toy *t = toy(qp->dev);
	uint16_t i;

	for (i = 0; i < n && q->head != q->tail; i++) {
		struct fl_op *op = q->ring[q->head % TOY_DESC];

		if (op->status == FL_OP_PENDING) {
			if (t->stall)
				break;
			work(t, op);
		}
		ops[i] = op;
		q->head++;
	}
	return i;
}

static int t_qp_setup(struct fl_cryptodev *d, uint16_t id, const struct fl_qp_conf *c,
		      struct fl_qp **qp)
{
	struct toy_qp *q;
	int rc = answer(d);

	if (rc)
		return rc;
	q = calloc(1, sizeof(*q));
	q->conf = *c;
	*qp = &q->qp;
	toy(d)->qps++;
	return 0;
}

static void t_qp_release(struct fl_qp *qp)
{
	assert_false(qp->dev->started);
	toy(qp->dev)->qps--;
	free(qp);
}

static int t_start(struct fl_cryptodev *d)
{
	int rc = answer(d);

	toy(d)->starts++;
	for (unsigned i = 0; i < d->nb_qps && !rc; i++) {
		d->qps[i]->enqueue = t_enqueue;
		d->qps[i]->dequeue = t_dequeue;
	}
	return rc;
}

static void t_stop(struct fl_cryptodev *d)
{
	toy(d)->stops++;
	for (unsigned i = 0; i < d->nb_qps; i++) {
		struct toy_qp *q = (struct toy_qp *)d->qps[i];

		assert_ptr_equal(q->qp.enqueue, fl_crypto_none);
		for (unsigned k = q->head; k != q->tail; k++)
			q->ring[k % TOY_DESC]->status = FL_OP_ABORTED;
	}
}

static int t_reset(struct fl_cryptodev *d)
{
	assert_false(d->started);
	toy(d)->resets++;
	return answer(d);
}

static void t_close(struct fl_cryptodev *d)
{
	assert_int_equal(toy(d)->qps, 0);
	assert_int_equal(toy(d)->sessions, 0);
	assert_null(d->parked);
	free(d);
}

static int t_session_create(struct fl_cryptodev *d, const struct fl_session_conf *conf,
			    struct fl_session **s)
{
	struct toy_session *t;
	int rc = answer(d);

	if (rc)
		return rc;
	t = calloc(1, sizeof(*t));
	t->seen = *conf;
	t->key = conf->key_len ? conf->key[0] : 0;
	toy(d)->sessions++;
	*s = &t->s;
	return 0;
}

static void t_session_destroy(struct fl_session *s)
{
	toy(s->dev)->sessions--;
	free(s);
}

static const struct fl_crypto_ops toy_ops = {
	.info = t_info,
	.qp_setup = t_qp_setup,
	.qp_release = t_qp_release,
	.start = t_start,
	.stop = t_stop,
	.hw_reset = t_reset,
	.close = t_close,
	.session_create = t_session_create,
	.session_destroy = t_session_destroy,
};

static int make(struct fl_ctx *ctx, struct fl_dev *dev, void **priv)
{
	static const struct fl_crypto_ops none = { .close = t_close };
	struct toy *t;
	int rc = open_fails;

	open_fails = 0;
	if (rc)
		return rc;
	t = calloc(1, sizeof(*t));
	fl_crypto_dev_init(&t->d, ctx, dev, bare ? &none : &toy_ops);
	last_toy = t;
	*priv = &t->d;
	return 0;
}

static int toy_open(struct fl_ctx *ctx, const char *rest, void **priv)
{
	return strcmp(rest, "one") ? -ENOENT : make(ctx, NULL, priv);
}

static int toy_probe(struct fl_dev *dev, const struct fl_driver_id *id, void **priv)
{
	return make(fl_dev_ctx(dev), dev, priv);
}

static void toy_remove(void *priv)
{
}

/* ---- fixtures --------------------------------------------------------------------------- */

static struct fl_cryptodev *dev;

static int teardown_dev(void **state)
{
	fl_cryptodev_close(dev);
	dev = NULL;
	bare = false;
	return teardown(state);
}

static int setup_toy(void **state)
{
	struct fix *x;

	features = FL_CRYPTO_CHAIN_EA;
	setup(state);
	x = *state;
	assert_int_equal(fl_cryptodev_open(x->ctx, "toy:one", &dev), 0);
	return 0;
}

static int setup_bare(void **state)
{
	bare = true;
	return setup_toy(state);
}

static void up(struct fl_cryptodev *d, uint16_t qps)
{
	assert_int_equal(fl_cryptodev_configure(d, qps), 0);
	for (uint16_t i = 0; i < qps; i++)
		assert_int_equal(fl_qp_setup(d, i, NULL), 0);
	assert_int_equal(fl_cryptodev_start(d), 0);
}

static int setup_up(void **state)
{
	setup_toy(state);
	up(dev, 2);
	return 0;
}

/* behind a PCI device that can go and come */
static int setup_pci(void **state)
{
	struct fix *x;

	setup(state);
	x = *state;
	x->f.irq_count[FL_VFIO_IRQ_ERR] = 1;
	assert_int_equal(fl_cryptodev_open(x->ctx, "fake:one", &dev), 0);
	up(dev, 1);
	return 0;
}

static char *text(void **state)
{
	return ((struct fix *)*state)->f.text;
}

/* the message names cause and bound */
static void says(void **state, const char *a, const char *b)
{
	char *t = text(state);

	if (!strstr(t, a) || !strstr(t, b))
		fail_msg("\"%s\" has not both \"%s\" and \"%s\"", t, a, b);
	*t = 0;
}

/* ---- names and sizes --------------------------------------------------------------------- */

static void test_algorithms(void **state)
{
	assert_null(fl_algo_info(FL_ALGO_NONE));
	assert_null(fl_algo_info(FL_ALGO_MAX));
	assert_null(fl_algo_info((enum fl_algo) - 1));
	assert_int_equal(fl_algo_find("aes"), FL_ALGO_NONE);
	for (int a = 1; a < FL_ALGO_MAX; a++) {
		const struct fl_algo_info *i = fl_algo_info((enum fl_algo)a);

		assert_non_null(i);
		assert_int_equal(fl_algo_find(i->name), a);
		/* what is usual is among what there is, and has room in an op */
		assert_true(fl_sizes_have(&i->ivs, i->iv));
		assert_true(fl_sizes_have(&i->digests, i->digest));
		assert_in_range(i->ivs.max, 0, FL_IV_MAX);
		assert_in_range(i->digests.max, 0, FL_DIGEST_MAX);
		assert_int_equal(i->kind == FL_KIND_CIPHER, i->digest == 0);
		assert_int_equal(i->kind == FL_KIND_DIGEST, i->keys.max == 0);
		assert_true(i->block && !(i->hash_block % 64));
		assert_true(i->least >= i->block || i->kind != FL_KIND_CIPHER);
	}
	/* the keyed digests stand in the digests' order */
	for (int a = FL_MD5; a <= FL_SM3; a++) {
		const struct fl_algo_info *i = fl_algo_info((enum fl_algo)a);
		const struct fl_algo_info *h =
			fl_algo_info((enum fl_algo)(a - FL_MD5 + FL_HMAC_MD5));

		assert_memory_equal(i->name, h->name, strlen(i->name));
		assert_int_equal(i->digest, h->digest);
		assert_int_equal(i->hash_block, h->hash_block);
	}
}

static void test_sizes(void **state)
{
	static const struct fl_sizes steps = { 4, 16, 4 }, two = { 32, 64, 0 }, none = { 0, 0, 0 };

	for (unsigned v = 0; v < 100; v++) {
		assert_int_equal(fl_sizes_have(&steps, v), v >= 4 && v <= 16 && v % 4 == 0);
		assert_int_equal(fl_sizes_have(&two, v), v == 32 || v == 64);
		assert_int_equal(fl_sizes_have(&none, v), v == 0);
	}
}

static void test_names(void **state)
{
	unsigned n = 0;

	while (fl_crypto_feature_name(n))
		n++;
	assert_int_equal(1ull << (n - 1), FL_CRYPTO_FAULTS);
	assert_string_equal(fl_crypto_feature_name(4), "interrupt");
	for (unsigned i = 0; i <= FL_OP_PENDING; i++)
		assert_string_not_equal(fl_op_status_name((enum fl_op_status)i), "unknown");
	assert_string_equal(fl_op_status_name((enum fl_op_status)(FL_OP_PENDING + 1)), "unknown");
}

/* what a device reads and writes does not share lines by chance */
static void test_op_layout(void **state)
{
	assert_int_equal(sizeof(struct fl_op), 3 * FL_CACHE_LINE);
	assert_int_equal(offsetof(struct fl_op, digest), 2 * FL_CACHE_LINE);
	assert_int_equal(offsetof(struct fl_op, iv) % FL_IV_MAX, 0);
	assert_int_equal(offsetof(struct fl_op, aad), FL_CACHE_LINE);
}

/* ---- open and close ----------------------------------------------------------------------- */

static void test_open(void **state)
{
	struct fix *x = *state;
	struct fl_cryptodev_info info;
	struct fl_cryptodev *d;

	assert_int_equal(fl_cryptodev_open(x->ctx, "toy:two", &d), -ENOENT);
	assert_int_equal(fl_cryptodev_open(x->ctx, "toy", &d), -EINVAL);
	assert_int_equal(fl_cryptodev_open(x->ctx, "toys:one", &d), -EOPNOTSUPP);
	open_fails = -EIO;
	assert_int_equal(fl_cryptodev_open(x->ctx, "toy:one", &d), -EIO);
	assert_int_equal(fl_cryptodev_open(x->ctx, "toy:one", &d), 0);
	assert_null(fl_cryptodev_dev(d));
	assert_ptr_equal(fl_cryptodev_ctx(d), x->ctx);
	fl_cryptodev_info(d, &info);
	assert_string_equal(info.driver, "toy");
	assert_ptr_equal(fl_cryptodev_cap(d, FL_SHA256), &caps[2]);
	assert_null(fl_cryptodev_cap(d, FL_SM3));
	assert_int_equal(fl_cryptodev_release(d), -EOPNOTSUPP);
	fl_cryptodev_close(d);
	fl_cryptodev_close(NULL);
}

static void test_open_pci(void **state)
{
	struct fix *x = *state;
	struct fl_cryptodev *d;

	open_fails = -EIO;
	assert_int_equal(fl_cryptodev_open(x->ctx, "fake:one", &d), -EIO);
	assert_false(x->f.open);
	assert_int_equal(fl_cryptodev_open(x->ctx, "fake:one", &d), 0);
	assert_non_null(fl_cryptodev_dev(d));
	fl_cryptodev_close(d);
	assert_false(x->f.open);
	/* another chip */
	put(&x->f, PCI_VENDOR_ID, 4, 0x10d48086);
	assert_int_equal(fl_cryptodev_open(x->ctx, "fake:one", &d), -ENOTSUP);
	assert_false(x->f.open);
	says(state, "no crypto driver", "8086:10d4");
}

/* a driver without operations: nothing crashes, all say so */
static void test_complete_table(void **state)
{
	const struct fl_session_conf sc = { .type = FL_CRYPTO_CIPHER };
	struct fl_crypto_ops *o = &dev->ops;
	struct fl_qp qp = { .dev = dev };
	struct fl_cryptodev_info info;
	struct fl_qp_stats st;
	struct fl_session *s;
	struct fl_qp *q;

	fl_cryptodev_info(dev, &info);
	assert_null(info.caps);
	assert_null(fl_cryptodev_cap(dev, FL_AES_CBC));
	assert_int_equal(fl_cryptodev_configure(dev, 1), -EINVAL);
	assert_int_equal(fl_session_create(dev, &sc, &s), -EINVAL);
	assert_int_equal(fl_cryptodev_reset(dev), -EOPNOTSUPP);
	assert_int_equal(fl_qp_wait_fd(&qp), -1);
	assert_int_equal(fl_qp_arm(&qp), -EOPNOTSUPP);
	assert_int_equal(fl_qp_stats(&qp, &st), -EOPNOTSUPP);
	assert_int_equal(o->qp_setup(dev, 0, NULL, &q), -EOPNOTSUPP);
	assert_int_equal(o->start(dev), -EOPNOTSUPP);
	assert_int_equal(o->session_create(dev, &sc, &s), -EOPNOTSUPP);
	o->qp_release(&qp);
	o->session_destroy(NULL);
	o->stop(dev);
}

static void test_close_with_all(void **state)
{
	static const uint8_t key[16];
	const struct fl_session_conf c = {
		.type = FL_CRYPTO_CIPHER, .cipher = FL_AES_CBC, .key = key, .key_len = 16
	};
	struct fl_session *s[3];

	/* in every order */
	for (unsigned first = 0; first < 6; first++) {
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(fl_session_create(dev, &c, &s[i]), 0);
		for (unsigned i = 0; i < 3; i++)
			fl_session_destroy(s[(first + (first < 3 ? i : 2 * i)) % 3]);
		assert_null(dev->sessions);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(fl_session_create(dev, &c, &s[i]), 0);
	fl_session_destroy(s[1]);
	fl_session_destroy(NULL);
	assert_int_equal(toy(dev)->sessions, 2);
	/* the toy's close checks that queue pairs and sessions are gone */
	fl_cryptodev_close(dev);
	dev = NULL;
	says(state, "toy:one", "session that was not destroyed");
}

/* ---- life --------------------------------------------------------------------------------- */

static void test_configure(void **state)
{
	static const struct fl_qp_conf small = { .desc = 1 }, odd = { .desc = 6 },
				       large = { .desc = 16 }, intr = { .intr = true },
				       four = { .desc = 4, .node = -1 };
	struct fl_qp *qp;

	assert_int_equal(fl_cryptodev_start(dev), -EINVAL);
	says(state, "toy:one", "configure it first");
	assert_int_equal(fl_cryptodev_configure(dev, 0), -EINVAL);
	assert_int_equal(fl_cryptodev_configure(dev, 4), -EINVAL);
	says(state, "4 queue pairs", "1 to 3");
	assert_int_equal(fl_qp_setup(dev, 0, NULL), -EINVAL);
	assert_int_equal(fl_cryptodev_configure(dev, 2), 0);
	assert_null(fl_cryptodev_qp(dev, 0));
	assert_int_equal(fl_qp_setup(dev, 2, NULL), -EINVAL);
	assert_int_equal(fl_qp_setup(dev, 0, &small), -EINVAL);
	assert_int_equal(fl_qp_setup(dev, 0, &large), -EINVAL);
	*text(state) = 0;
	assert_int_equal(fl_qp_setup(dev, 0, &odd), -EINVAL);
	says(state, "6 ops", "from 2 to 8");
	assert_int_equal(fl_qp_setup(dev, 0, &intr), -EOPNOTSUPP);
	toy(dev)->fail = -ENOMEM;
	assert_int_equal(fl_qp_setup(dev, 0, NULL), -ENOMEM);
	assert_int_equal(fl_qp_setup(dev, 0, NULL), 0);
	assert_int_equal(fl_cryptodev_start(dev), -EINVAL);
	says(state, "queue pair 1", "not set up");
	/* one that fails leaves the one before it, one that does not replaces it */
	qp = fl_cryptodev_qp(dev, 0);
	toy(dev)->fail = -ENOMEM;
	assert_int_equal(fl_qp_setup(dev, 0, &four), -ENOMEM);
	assert_ptr_equal(fl_cryptodev_qp(dev, 0), qp);
	assert_int_equal(fl_qp_setup(dev, 0, &four), 0);
	assert_int_equal(((struct toy_qp *)fl_cryptodev_qp(dev, 0))->conf.desc, 4);
	assert_int_equal(toy(dev)->qps, 1);
	assert_null(fl_cryptodev_qp(dev, 2));
	/* anew, all are gone */
	assert_int_equal(fl_cryptodev_configure(dev, 1), 0);
	assert_int_equal(toy(dev)->qps, 0);
	features |= FL_CRYPTO_INTERRUPT;
	assert_int_equal(fl_qp_setup(dev, 0, &intr), 0);
}

static void test_start_stop(void **state)
{
	struct fl_op *op = NULL;
	struct fl_qp *qp;

	assert_int_equal(fl_cryptodev_configure(dev, 1), 0);
	assert_int_equal(fl_qp_setup(dev, 0, NULL), 0);
	qp = fl_cryptodev_qp(dev, 0);
	/* not running: takes nothing, gives nothing */
	assert_int_equal(fl_op_enqueue(qp, &op, 1), 0);
	assert_int_equal(fl_op_dequeue(qp, &op, 1), 0);
	toy(dev)->fail = -EIO;
	assert_int_equal(fl_cryptodev_start(dev), -EIO);
	assert_false(fl_cryptodev_started(dev));
	assert_int_equal(fl_op_enqueue(qp, &op, 1), 0);
	assert_int_equal(fl_cryptodev_stop(dev), 0);
	assert_int_equal(toy(dev)->stops, 0);
	assert_int_equal(fl_cryptodev_start(dev), 0);
	assert_int_equal(fl_cryptodev_start(dev), 0);
	assert_int_equal(toy(dev)->starts, 2);
	assert_true(fl_cryptodev_started(dev));
	assert_int_equal(fl_cryptodev_configure(dev, 1), -EBUSY);
	assert_int_equal(fl_qp_setup(dev, 0, NULL), -EBUSY);
	says(state, "running", "stop it first");
	assert_int_equal(fl_cryptodev_stop(dev), 0);
	assert_int_equal(fl_cryptodev_stop(dev), 0);
	assert_int_equal(toy(dev)->stops, 1);
}

/* ---- sessions ----------------------------------------------------------------------------- */

static const uint8_t bytes[256] = { 7, 1, 2, 3 };

/* 0 or the error, and the session's own conf */
static int try(struct fl_session_conf c, struct fl_session_conf *kept)
{
	struct fl_session *s;
	int rc;

	c.key = c.key_len ? bytes : NULL;
	c.auth_key = c.auth_key_len ? bytes : NULL;
	rc = fl_session_create(dev, &c, &s);
	if (rc)
		return rc;
	if (kept)
		*kept = *fl_session_conf(s);
	fl_session_destroy(s);
	return 0;
}

static struct fl_session_conf cipher(enum fl_algo a, uint16_t key_len)
{
	return (struct fl_session_conf){ .type = FL_CRYPTO_CIPHER,
					 .cipher = a,
					 .key_len = key_len };
}

static struct fl_session_conf auth(enum fl_algo a, uint16_t key_len, uint16_t digest_len)
{
	return (struct fl_session_conf){
		.type = FL_CRYPTO_AUTH, .auth = a, .auth_key_len = key_len, .digest_len = digest_len
	};
}

static struct fl_session_conf aead(enum fl_algo a, uint16_t iv_len, uint16_t tag)
{
	return (struct fl_session_conf){ .type = FL_CRYPTO_AEAD,
					 .cipher = a,
					 .key_len = 16,
					 .iv_len = iv_len,
					 .digest_len = tag };
}

static void test_session_sizes(void **state)
{
	struct fl_session_conf k;

	for (uint16_t n = 0; n < 100; n++) {
		bool key = n == 16 || n == 24 || n == 32;

		assert_int_equal(try(cipher(FL_AES_CBC, n), &k), key ? 0 : -EINVAL);
		/* whatever the driver says */
		assert_int_equal(try(cipher(FL_AES_XTS, n), &k), n == 32 || n == 64 ? 0 : -EINVAL);
		/* a plain digest has no key, a MAC has its own sizes */
		assert_int_equal(try(auth(FL_SHA256, n, 0), &k), n == 0 ? 0 : -EINVAL);
		assert_int_equal(try(auth(FL_HMAC_SHA256, n, 0), &k),
				 n && n % 4 == 0 ? 0 : -EINVAL);
		assert_int_equal(try(auth(FL_HMAC_SHA256, 20, n), &k),
				 n <= 32 && n % 4 == 0 ? 0 : -EINVAL);
		assert_int_equal(try(aead(FL_AES_CCM, n, 0), &k),
				 !n || (n >= 7 && n <= 13) ? 0 : -EINVAL);
		assert_int_equal(try(aead(FL_AES_CCM, 0, n), &k),
				 !n || (n >= 4 && n <= 16 && n % 2 == 0) ? 0 : -EINVAL);
		assert_int_equal(try(aead(FL_AES_GCM, n, 0), &k), !n || n == 12 ? 0 : -EINVAL);
		*text(state) = 0;
	}
	assert_int_equal(try(cipher(FL_AES_XTS, 48), NULL), -EINVAL);
	says(state, "48 bytes; it takes 32 or 64", "aes-xts");
	assert_int_equal(try(aead(FL_AES_GCM, 0, 4), NULL), -EINVAL);
	says(state, "4 bytes; the device takes 8 to 16", "in steps of ");
	assert_int_equal(try(cipher(FL_AES_CBC, 24), &k), 0);
	assert_int_equal(k.iv_len, 16);
	assert_int_equal(k.digest_len, 0);
	assert_null(k.key);
	assert_int_equal(try(auth(FL_AES_GMAC, 16, 0), &k), 0);
	assert_int_equal(k.iv_len, 12);
	assert_int_equal(k.digest_len, 16);
}

static void test_session_kinds(void **state)
{
	struct fl_session_conf c = cipher(FL_AES_GCM, 16);
	struct fl_session *s;

	assert_int_equal(try(c, NULL), -EINVAL);
	says(state, "aes-gcm", "not what its type needs");
	assert_int_equal(try(cipher(FL_SHA256, 0), NULL), -EINVAL);
	assert_int_equal(try(cipher(FL_ALGO_NONE, 16), NULL), -EINVAL);
	assert_int_equal(try(cipher((enum fl_algo)1000, 16), NULL), -EINVAL);
	assert_int_equal(try(aead(FL_AES_CBC, 0, 0), NULL), -EINVAL);
	assert_int_equal(try(auth(FL_AES_CBC, 16, 0), NULL), -EINVAL);
	*text(state) = 0;
	assert_int_equal(try(cipher(FL_SM4_CBC, 16), NULL), -EOPNOTSUPP);
	says(state, "no sm4-cbc", "capabilities");
	c = cipher(FL_AES_CBC, 16);
	c.type = (enum fl_crypto_type)77;
	assert_int_equal(try(c, NULL), -EINVAL);
	/* a length without a key */
	c.type = FL_CRYPTO_CIPHER;
	assert_int_equal(fl_session_create(dev, &c, &s), -EINVAL);
	says(state, "key length", "without a key");
	/* halves the same */
	c = cipher(FL_AES_XTS, 32);
	c.key = bytes + 64;
	assert_int_equal(fl_session_create(dev, &c, &s), -EINVAL);
	says(state, "aes-xts", "halves");
	toy(dev)->fail = -ENOMEM;
	assert_int_equal(try(cipher(FL_AES_CBC, 16), NULL), -ENOMEM);
	assert_null(dev->sessions);
	/* what the type does not use reaches nobody */
	c = cipher(FL_AES_CBC, 16);
	c.auth = FL_HMAC_SHA256;
	c.auth_key_len = 64;
	c.digest_len = 200;
	c.key = bytes;
	assert_int_equal(fl_session_create(dev, &c, &s), 0);
	c = ((struct toy_session *)s)->seen;
	assert_true(!c.auth && !c.auth_key && !c.auth_key_len && !c.digest_len);
	assert_ptr_equal(c.key, bytes);
	assert_int_equal(s->block, 16);
	assert_int_equal(s->hash_block, 0);
	fl_session_destroy(s);
	c = auth(FL_SHA256, 0, 0);
	c.cipher = FL_AES_CBC;
	c.key_len = 3;
	assert_int_equal(fl_session_create(dev, &c, &s), 0);
	assert_int_equal(((struct toy_session *)s)->seen.cipher, FL_ALGO_NONE);
	assert_int_equal(s->hash_block, 64);
	assert_int_equal(s->block, 1);
	fl_session_destroy(s);
}

static void test_session_chains(void **state)
{
	struct fl_session_conf c = cipher(FL_AES_CBC, 16), k;

	c.type = FL_CRYPTO_CIPHER_AUTH;
	c.auth = FL_HMAC_SHA256;
	c.auth_key_len = 32;
	c.digest_len = 12;
	assert_int_equal(try(c, &k), 0);
	assert_int_equal(k.digest_len, 12);
	assert_int_equal(k.iv_len, 16);
	c.type = FL_CRYPTO_AUTH_CIPHER;
	assert_int_equal(try(c, NULL), -EOPNOTSUPP);
	says(state, "Toy", "in that order");
	c.type = FL_CRYPTO_CIPHER_AUTH;
	c.auth = FL_SHA256;
	c.auth_key_len = 0;
	assert_int_equal(try(c, NULL), -EINVAL);
	c.auth = FL_AES_GMAC;
	c.auth_key_len = 16;
	assert_int_equal(try(c, NULL), -EINVAL);
	says(state, "aes-gmac", "an IV");
	c.auth = FL_HMAC_SHA256;
	c.cipher = FL_AES_GCM;
	assert_int_equal(try(c, NULL), -EINVAL);
	c.cipher = FL_AES_CBC;
	c.key_len = 15;
	assert_int_equal(try(c, NULL), -EINVAL);
}

/* ---- ops ---------------------------------------------------------------------------------- */

static void test_pool(void **state)
{
	enum { N = 100 };
	struct fix *x = *state;
	struct fl_op_pool *p, *p2;
	struct fl_op *ops[N], *mixed[4];

	assert_int_equal(fl_op_pool_create(x->ctx, 0, &p), -EINVAL);
	assert_int_equal(fl_op_pool_create(x->ctx, N, &p), 0);
	assert_int_equal(fl_op_pool_create(x->ctx, 2, &p2), 0);
	assert_int_equal(fl_op_alloc(p, ops, 0), 0);
	/* all or none */
	assert_int_equal(fl_op_alloc(p, ops, N + 1), 0);
	assert_int_equal(fl_op_alloc(p, ops, 60), 60);
	assert_int_equal(fl_op_alloc(p, ops + 60, 41), 0);
	assert_int_equal(fl_op_alloc(p, ops + 60, 40), 40);
	for (unsigned i = 0; i < N; i++) {
		const struct fl_dma_area *a =
			fl_dma_find(fl_ctx_space(x->ctx), ops[i], sizeof(struct fl_op));

		assert_non_null(a);
		assert_true(ops[i]->iova.v == fl_dma_iova(a, ops[i]).v);
		assert_int_equal((uintptr_t)ops[i] % FL_CACHE_LINE, 0);
		assert_ptr_equal(ops[i]->pool, p);
		ops[i]->status = FL_OP_ERROR;
		ops[i]->stage = FL_OP_LAST;
		ops[i]->user = i;
	}
	assert_int_equal(fl_op_pool_destroy(p), -EBUSY);
	says(state, "100 ops", "free them first");
	assert_int_equal(fl_ctx_destroy(x->ctx), -EBUSY);
	/* of several pools at once */
	assert_int_equal(fl_op_alloc(p2, mixed, 2), 2);
	mixed[2] = mixed[1];
	mixed[1] = ops[0];
	mixed[3] = ops[1];
	fl_op_free(mixed, 4);
	fl_op_free(ops, 0);
	assert_int_equal(fl_op_pool_destroy(p2), 0);
	fl_op_free(ops + 2, N - 2);
	assert_int_equal(fl_op_alloc(p, ops, 1), 1);
	/* as it was given back, but fit for use */
	assert_int_equal(ops[0]->status, FL_OP_OK);
	assert_int_equal(ops[0]->stage, FL_OP_WHOLE);
	assert_in_range(ops[0]->user, 0, N - 1);
	fl_op_free(ops, 1);
	assert_int_equal(fl_op_pool_destroy(p), 0);
	assert_int_equal(fl_op_pool_destroy(NULL), 0);
}

enum { ROUNDS = 4000, HELD = 32 };

static void *take_and_give(void *arg)
{
	struct fl_op *ops[HELD];
	uintptr_t wrong = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned n = 1 + i % HELD;

		if (!fl_op_alloc(arg, ops, n))
			continue;
		for (unsigned k = 0; k < n; k++)
			ops[k]->user = (uintptr_t)&ops[k];
		for (unsigned k = 0; k < n; k++)
			wrong += ops[k]->user != (uintptr_t)&ops[k];
		fl_op_free(ops, n);
	}
	return (void *)wrong;
}

/* nobody is given what somebody has */
static void test_pool_threads(void **state)
{
	struct fix *x = *state;
	struct fl_op_pool *p;
	pthread_t t[3];
	void *wrong;

	assert_int_equal(fl_op_pool_create(x->ctx, 2 * HELD, &p), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, take_and_give, p), 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(pthread_join(t[i], &wrong), 0);
		assert_null(wrong);
	}
	assert_int_equal(fl_op_pool_destroy(p), 0);
}

/* ---- stop, reset, removal ------------------------------------------------------------------ */

struct flight {
	struct fl_op_pool *pool;
	struct fl_session *s;
	struct fl_op *ops[4];
	struct fl_seg seg;
};

static void take_off(struct fl_ctx *ctx, struct fl_qp *qp, struct flight *f)
{
	static uint8_t data[16];
	const struct fl_session_conf c = {
		.type = FL_CRYPTO_CIPHER, .cipher = FL_AES_CBC, .key = bytes, .key_len = 16
	};

	f->seg = (struct fl_seg){ data, NULL, sizeof(data) };
	assert_int_equal(fl_op_pool_create(ctx, 4, &f->pool), 0);
	assert_int_equal(fl_session_create(dev, &c, &f->s), 0);
	assert_int_equal(fl_op_alloc(f->pool, f->ops, 4), 4);
	for (unsigned i = 0; i < 4; i++) {
		f->ops[i]->session = f->s;
		f->ops[i]->src = &f->seg;
		f->ops[i]->nsrc = 1;
		f->ops[i]->cipher_off = 0;
		f->ops[i]->cipher_len = 16;
	}
	assert_int_equal(fl_op_enqueue(qp, f->ops, 4), 4);
}

static void land(struct fl_qp *qp, struct flight *f, enum fl_op_status want)
{
	struct fl_op *got[8];

	assert_int_equal(fl_op_dequeue(qp, got, 8), 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_ptr_equal(got[i], f->ops[i]);
		assert_int_equal(got[i]->status, want);
	}
	assert_int_equal(fl_op_dequeue(qp, got, 8), 0);
	fl_op_free(f->ops, 4);
	fl_session_destroy(f->s);
	assert_int_equal(fl_op_pool_destroy(f->pool), 0);
}

static void test_stop_in_flight(void **state)
{
	struct fix *x = *state;
	struct fl_qp *qp = fl_cryptodev_qp(dev, 1);
	struct flight f;

	take_off(x->ctx, qp, &f);
	assert_int_equal(fl_cryptodev_stop(dev), 0);
	assert_int_equal(fl_op_enqueue(qp, f.ops, 1), 0);
	land(qp, &f, FL_OP_ABORTED);
	/* also after the next start, and after one that fails */
	assert_int_equal(fl_cryptodev_start(dev), 0);
	take_off(x->ctx, qp, &f);
	assert_int_equal(fl_cryptodev_stop(dev), 0);
	toy(dev)->fail = -EIO;
	assert_int_equal(fl_cryptodev_start(dev), -EIO);
	assert_int_equal(fl_cryptodev_start(dev), 0);
	land(qp, &f, FL_OP_ABORTED);
	take_off(x->ctx, qp, &f);
	land(qp, &f, FL_OP_OK);
}

static void test_reset(void **state)
{
	struct fix *x = *state;
	struct fl_qp *qp = fl_cryptodev_qp(dev, 0);
	struct flight f;

	take_off(x->ctx, qp, &f);
	assert_int_equal(fl_cryptodev_reset(dev), 0);
	assert_true(fl_cryptodev_started(dev));
	assert_int_equal(toy(dev)->resets, 1);
	land(qp, &f, FL_OP_ABORTED);
	take_off(x->ctx, qp, &f);
	land(qp, &f, FL_OP_OK);
	/* one that fails remembers that the device ran */
	take_off(x->ctx, qp, &f);
	toy(dev)->fail = -EIO;
	assert_int_equal(fl_cryptodev_reset(dev), -EIO);
	assert_false(fl_cryptodev_started(dev));
	land(qp, &f, FL_OP_ABORTED);
	assert_int_equal(fl_cryptodev_reset(dev), 0);
	assert_true(fl_cryptodev_started(dev));
	/* who stopped it meanwhile, or configured it, does not find it running */
	toy(dev)->fail = -EIO;
	assert_int_equal(fl_cryptodev_reset(dev), -EIO);
	assert_int_equal(fl_cryptodev_stop(dev), 0);
	assert_int_equal(fl_cryptodev_reset(dev), 0);
	assert_false(fl_cryptodev_started(dev));
	assert_int_equal(fl_cryptodev_start(dev), 0);
	toy(dev)->fail = -EIO;
	assert_int_equal(fl_cryptodev_reset(dev), -EIO);
	assert_int_equal(fl_cryptodev_configure(dev, 1), 0);
	assert_int_equal(fl_cryptodev_reset(dev), 0);
	assert_false(fl_cryptodev_started(dev));
}

static unsigned events[3];

static void on_event(struct fl_cryptodev *d, enum fl_crypto_event ev, void *arg)
{
	assert_ptr_equal(arg, &events);
	assert_ptr_equal(d, dev);
	events[ev]++;
}

static void unplug(struct fix *x)
{
	x->f.vd.removed = true;
	assert_int_equal(eventfd_write(x->f.event, 1), 0);
	assert_true(fl_ctx_dispatch(x->ctx, 1000) > 0);
}

static void test_removal(void **state)
{
	struct fix *x = *state;
	struct fl_qp *qp = fl_cryptodev_qp(dev, 0);
	struct fl_op *none = NULL;
	struct flight f;

	memset(events, 0, sizeof(events));
	fl_cryptodev_on_event(dev, on_event, &events);
	toy(dev)->stall = true;
	take_off(x->ctx, qp, &f);
	unplug(x);
	assert_int_equal(events[FL_CRYPTO_REMOVED], 1);
	assert_int_equal(fl_op_enqueue(qp, &none, 1), 0);
	/* still the device's, until it is stopped or reset */
	assert_int_equal(fl_op_dequeue(qp, &none, 1), 0);
	x->f.reattach_err = -ENOENT;
	assert_int_equal(fl_cryptodev_reset(dev), -ENODEV);
	land(qp, &f, FL_OP_ABORTED);
	assert_int_equal(fl_cryptodev_start(dev), -ENODEV);
	says(state, "gone", "fl_cryptodev_reset()");
	x->f.reattach_err = 0;
	toy(dev)->stall = false;
	assert_int_equal(fl_cryptodev_reset(dev), 0);
	assert_true(fl_cryptodev_started(dev));
	assert_int_equal(toy(dev)->resets, 1);
	assert_int_equal(x->f.reattaches, 2);
	assert_int_equal(x->f.resets, 0);
	take_off(x->ctx, qp, &f);
	land(qp, &f, FL_OP_OK);
	/* removed, and closed as it is */
	unplug(x);
	assert_int_equal(events[FL_CRYPTO_REMOVED], 2);
}

static void test_release(void **state)
{
	struct fix *x = *state;
	struct fl_qp *qp = fl_cryptodev_qp(dev, 0);
	struct flight f;

	toy(dev)->stall = true;
	take_off(x->ctx, qp, &f);
	assert_int_equal(fl_cryptodev_release(dev), 0);
	assert_int_equal(x->f.releases, 1);
	assert_false(fl_cryptodev_started(dev));
	assert_true(fl_dev_removed(fl_cryptodev_dev(dev)));
	land(qp, &f, FL_OP_ABORTED);
	toy(dev)->stall = false;
	assert_int_equal(fl_cryptodev_reset(dev), 0);
	take_off(x->ctx, qp, &f);
	land(qp, &f, FL_OP_OK);
}

/* an error that the device reported: its function is reset, once */
static void test_device_error(void **state)
{
	struct fix *x = *state;
	struct fl_op *none = NULL;

	memset(events, 0, sizeof(events));
	fl_cryptodev_on_event(dev, on_event, &events);
	assert_int_equal(eventfd_write(x->f.irq_fd[FL_VFIO_IRQ_ERR][0], 1), 0);
	assert_int_equal(fl_ctx_dispatch(x->ctx, 1000), 1);
	assert_int_equal(events[FL_CRYPTO_ERROR], 1);
	assert_int_equal(fl_op_enqueue(fl_cryptodev_qp(dev, 0), &none, 1), 0);
	assert_int_equal(fl_cryptodev_reset(dev), 0);
	assert_int_equal(x->f.resets, 1);
	assert_int_equal(fl_cryptodev_reset(dev), 0);
	assert_int_equal(x->f.resets, 1);
	assert_int_equal(fl_op_dequeue(fl_cryptodev_qp(dev, 0), &none, 1), 0);
	fl_cryptodev_on_event(dev, NULL, NULL);
	fl_crypto_dev_event(dev, FL_CRYPTO_ERROR);
	assert_int_equal(events[FL_CRYPTO_ERROR], 1);
}

/* ---- single requests ------------------------------------------------------------------------ */

static int once(const struct fl_session_conf *conf, const char *in, char *out, uint8_t *digest)
{
	struct fl_session_conf c = *conf;

	c.key = c.key_len ? bytes : NULL;
	c.auth_key = c.auth_key_len ? bytes : NULL;
	return fl_crypto_once(dev, 0, &c, c.type == FL_CRYPTO_AUTH ? NULL : bytes, NULL, 0, in, 16,
			      out, digest, 100);
}

static void test_once(void **state)
{
	struct fl_session_conf c = cipher(FL_AES_CBC, 16), a = auth(FL_HMAC_SHA256, 16, 8);
	static const char in[17] = "sixteen bytes...";
	uint8_t digest[64];
	char out[17] = "";

	c.encrypt = true;
	assert_int_equal(once(&c, in, out, NULL), 0);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(out[i], in[i] ^ 7);
	a.encrypt = true;
	memset(digest, 0, sizeof(digest));
	assert_int_equal(once(&a, in, NULL, digest), 0);
	assert_int_equal(digest[7], 0xd1);
	assert_int_equal(digest[8], 0);
	a.encrypt = false;
	assert_int_equal(once(&a, in, NULL, digest), 0);
	digest[3] ^= 1;
	assert_int_equal(once(&a, in, NULL, digest), -EBADMSG);
	/* AAD stands before the payload */
	a = aead(FL_AES_GCM, 0, 0);
	a.encrypt = true;
	a.key = bytes;
	memset(out, 0, sizeof(out));
	assert_int_equal(fl_crypto_once(dev, 1, &a, bytes, "aad", 3, in, 16, out, digest, 100), 0);
	assert_int_equal(out[15], in[15] ^ 7);
	assert_int_equal(fl_crypto_once(dev, 1, &a, bytes, NULL, 0, NULL, 0, NULL, digest, 100), 0);
	/* nothing is left of them */
	assert_int_equal(toy(dev)->sessions, 0);
	assert_null(dev->parked);
}

static void test_once_errors(void **state)
{
	static const struct {
		enum fl_op_status status;
		int rc;
	} as[] = { { FL_OP_INVALID, -EINVAL },
		   { FL_OP_FAULT, -EFAULT },
		   { FL_OP_ABORTED, -ECANCELED },
		   { FL_OP_ERROR, -EIO },
		   { (enum fl_op_status)99, -EIO } };
	struct fl_session_conf c = cipher(FL_AES_CBC, 16), a = auth(FL_HMAC_SHA256, 16, 8);
	struct fl_session_conf g = aead(FL_AES_GCM, 0, 0);
	uint8_t d[64];

	c.key = g.key = a.auth_key = bytes;
	for (unsigned i = 0; i < FL_ARRAY_SIZE(as); i++) {
		toy(dev)->status = (uint8_t)as[i].status;
		assert_int_equal(once(&c, "sixteen bytes...", NULL, NULL), as[i].rc);
	}
	toy(dev)->status = FL_OP_OK;
	assert_int_equal(fl_crypto_once(dev, 9, &c, bytes, 0, 0, d, 16, d, d, 1), -EINVAL);
	assert_int_equal(fl_crypto_once(dev, 0, &c, bytes, 0, 0, d, 16, d, d, -1), -EINVAL);
	assert_int_equal(fl_crypto_once(dev, 0, &c, bytes, d, UINT32_MAX, d, UINT32_MAX, d, d, 1),
			 -EINVAL);
	assert_int_equal(fl_crypto_once(dev, 0, &c, NULL, 0, 0, d, 16, d, d, 1), -EINVAL);
	assert_int_equal(fl_crypto_once(dev, 0, &c, bytes, 0, 0, NULL, 16, d, d, 1), -EINVAL);
	assert_int_equal(fl_crypto_once(dev, 0, &c, bytes, d, 4, d, 16, d, d, 1), -EINVAL);
	assert_int_equal(fl_crypto_once(dev, 0, &a, NULL, d, 4, d, 16, d, d, 1), -EINVAL);
	assert_int_equal(fl_crypto_once(dev, 0, &a, NULL, 0, 0, d, 16, d, NULL, 1), -EINVAL);
	assert_int_equal(fl_crypto_once(dev, 0, &g, bytes, NULL, 4, d, 16, d, d, 1), -EINVAL);
	c.key_len = 3;
	assert_int_equal(fl_crypto_once(dev, 0, &c, bytes, 0, 0, d, 16, d, d, 1), -EINVAL);
	assert_int_equal(fl_cryptodev_stop(dev), 0);
	c.key_len = 16;
	assert_int_equal(fl_crypto_once(dev, 0, &c, bytes, 0, 0, d, 16, d, d, 1), -EINVAL);
	assert_int_equal(toy(dev)->sessions, 0);
}

static void test_once_late(void **state)
{
	struct fl_session_conf c = cipher(FL_AES_CBC, 16);
	char in[17] = "sixteen bytes...", out[17] = "untouched.......";

	/* two are given up, one after the other */
	toy(dev)->stall = true;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(once(&c, in, out, NULL), -ETIMEDOUT);
	says(state, "100 ms", "memory is kept");
	assert_string_equal(out, "untouched.......");
	assert_int_equal(toy(dev)->sessions, 2);
	assert_non_null(dev->parked);
	/* their answers are not taken for that to a third, and they are freed */
	toy(dev)->stall = false;
	memset(in, 'a', 16);
	assert_int_equal(once(&c, in, out, NULL), 0);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(out[i], 'a' ^ 7);
	assert_int_equal(toy(dev)->sessions, 0);
	assert_null(dev->parked);
}

static void test_once_parked(void **state)
{
	struct fl_session_conf c = cipher(FL_AES_CBC, 16);
	struct fl_op *late;
	char b[17] = "";

	/* one that somebody else dequeues and drops */
	toy(dev)->stall = true;
	assert_int_equal(once(&c, b, b, NULL), -ETIMEDOUT);
	toy(dev)->stall = false;
	assert_int_equal(fl_op_dequeue(fl_cryptodev_qp(dev, 0), &late, 1), 1);
	fl_op_free(&late, 1);
	/* all that were kept go with their queue pairs */
	toy(dev)->stall = true;
	assert_int_equal(once(&c, b, b, NULL), -ETIMEDOUT);
	assert_int_equal(toy(dev)->sessions, 2);
	assert_int_equal(fl_cryptodev_stop(dev), 0);
	assert_int_equal(fl_cryptodev_configure(dev, 1), 0);
	assert_null(dev->parked);
	assert_int_equal(toy(dev)->sessions, 0);
	/* or with the device */
	up(dev, 1);
	for (unsigned i = 0; i < TOY_DESC; i++)
		assert_int_equal(once(&c, b, b, NULL), -ETIMEDOUT);
	/* one more finds no room, and keeps nothing */
	assert_int_equal(once(&c, b, b, NULL), -ETIMEDOUT);
	assert_int_equal(toy(dev)->sessions, TOY_DESC);
	*text(state) = 0;
	fl_cryptodev_close(dev);
	dev = NULL;
	assert_string_equal(text(state), "");
}

/* somebody's own op on the queue pair is said, not taken for the answer */
static void test_once_foreign(void **state)
{
	struct fix *x = *state;
	struct fl_qp *qp = fl_cryptodev_qp(dev, 0);
	struct fl_session_conf c = cipher(FL_AES_CBC, 16);
	struct flight f;
	char b[17] = "";

	take_off(x->ctx, qp, &f);
	assert_int_equal(once(&c, b, b, NULL), 0);
	assert_int_equal(b[0], 7);
	says(state, "somebody's own", "dropped");
	fl_op_free(f.ops, 4);
	fl_session_destroy(f.s);
	assert_int_equal(fl_op_pool_destroy(f.pool), 0);
}

#define TC(name, up_) cmocka_unit_test_setup_teardown(name, up_, teardown_dev)

int main(void)
{
	static const struct fl_driver_id ids[] = { { 0x8086, 0x10d3 }, { 0 } };
	static const struct fl_driver soft = { .name = "crypto_toy",
					       .cls = FL_CLASS_CRYPTO,
					       .scheme = "toy",
					       .open = toy_open,
					       .remove = toy_remove };
	static const struct fl_driver pci = { .name = "crypto_toy_pci",
					      .cls = FL_CLASS_CRYPTO,
					      .ids = ids,
					      .probe = toy_probe,
					      .remove = toy_remove };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_algorithms),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_op_layout),
		T(test_open),
		T(test_open_pci),
		TC(test_complete_table, setup_bare),
		TC(test_close_with_all, setup_up),
		TC(test_configure, setup_toy),
		TC(test_start_stop, setup_toy),
		TC(test_session_sizes, setup_toy),
		TC(test_session_kinds, setup_toy),
		TC(test_session_chains, setup_toy),
		T(test_pool),
		T(test_pool_threads),
		TC(test_stop_in_flight, setup_up),
		TC(test_reset, setup_up),
		TC(test_removal, setup_pci),
		TC(test_release, setup_pci),
		TC(test_device_error, setup_pci),
		TC(test_once, setup_up),
		TC(test_once_errors, setup_up),
		TC(test_once_late, setup_up),
		TC(test_once_parked, setup_up),
		TC(test_once_foreign, setup_up),
	};

	if (fl_driver_register(&soft) || fl_driver_register(&pci))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
