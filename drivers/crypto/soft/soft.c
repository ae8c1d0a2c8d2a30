/* SPDX-License-Identifier: BSD-3-Clause */
/* The device: opening it, queue pairs, bursts. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "soft.h"

#define QP_MAX	     64u
#define DESC_DEFAULT 1024u
#define DESC_MAX     32768u

/* ---- bursts ---------------------------------------------------------------------------- */

static void wake(struct soft_qp *qp)
{
	static const uint64_t one = 1;

	qp->armed = false;
	/* it can only fail where it is readable already */
	(void)!write(qp->fd, &one, sizeof(one));
}

static uint16_t enqueue(struct fl_qp *q, struct fl_op **ops, uint16_t n)
{
	struct soft_qp *qp = (struct soft_qp *)q;
	uint32_t room = qp->mask + 1 - (qp->tail - qp->head);

	if (fl_unlikely(n > room)) {
		fl_stat_add(&qp->stats.full, n - room);
		n = (uint16_t)room;
	}
	for (unsigned i = 0; i < n; i++) {
		ops[i]->status = FL_OP_PENDING;
		qp->ops[(qp->tail + i) & qp->mask] = ops[i];
	}
	qp->tail += n;
	fl_stat_add(&qp->stats.enqueued, n);
	if (fl_unlikely(qp->armed) && n)
		wake(qp);
	return n;
}

/* Hands out what is done, once it is for n ops. */
static uint16_t hand_out(struct soft_qp *qp, struct fl_op **ops, uint16_t n)
{
	unsigned errors = 0;

	for (unsigned i = 0; i < n; i++) {
		ops[i] = qp->ops[(qp->head + i) & qp->mask];
		errors += ops[i]->status != FL_OP_OK;
	}
	qp->head += n;
	fl_stat_add(&qp->stats.dequeued, n);
	fl_stat_add(&qp->stats.errors, errors);
	return n;
}

static uint16_t dequeue(struct fl_qp *q, struct fl_op **ops, uint16_t n)
{
	struct soft_qp *qp = (struct soft_qp *)q;

	n = (uint16_t)fl_soft_min(n, qp->tail - qp->head);
	for (; qp->done - qp->head < n; qp->done++) {
		struct fl_op *op = qp->ops[qp->done & qp->mask];

		op->status = fl_soft_op_check(qp, op);
		if (op->status == FL_OP_OK)
			op->status = fl_soft_run(qp, op);
	}
	return hand_out(qp, ops, n);
}

static uint16_t dequeue_mb(struct fl_qp *q, struct fl_op **ops, uint16_t n)
{
	struct soft_qp *qp = (struct soft_qp *)q;

	n = (uint16_t)fl_soft_min(n, qp->tail - qp->head);
	while (qp->done - qp->head < n)
		fl_soft_mb_work(qp);
	return hand_out(qp, ops, n);
}

/* ---- queue pairs ----------------------------------------------------------------------- */

static void qp_release(struct fl_qp *q)
{
	struct soft_qp *qp = (struct soft_qp *)q;

	if (qp->fd >= 0)
		close(qp->fd);
	fl_soft_mb_qp_free(fl_soft_dev(q->dev)->mb, qp->mb);
	free(qp->ops);
	OPENSSL_cleanse(qp->scratch, sizeof(qp->scratch));
	free(qp);
}

static int qp_setup(struct fl_cryptodev *d, uint16_t id, const struct fl_qp_conf *c,
		    struct fl_qp **out)
{
	uint32_t desc = c->desc ? c->desc : DESC_DEFAULT;
	struct soft_mb *mb = fl_soft_dev(d)->mb;
	struct soft_qp *qp = aligned_alloc(64, (sizeof(*qp) + 63) & ~63ul);
	int rc = 0;

	if (!qp)
		return -ENOMEM;
	memset(qp, 0, sizeof(*qp));
	qp->qp.dev = d;
	qp->fd = -1;
	qp->mask = desc - 1;
	qp->ops = calloc(desc, sizeof(struct fl_op *));
	qp->mb = mb ? fl_soft_mb_qp(mb) : NULL;
	if (!qp->ops || (mb && !qp->mb))
		rc = -ENOMEM;
	if (!rc && c->intr) {
		qp->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		rc = qp->fd < 0 ? -errno : 0;
	}
	if (rc) {
		qp_release(&qp->qp);
		return rc;
	}
	*out = &qp->qp;
	return 0;
}

static int qp_wait_fd(struct fl_qp *q)
{
	return ((struct soft_qp *)q)->fd;
}

/* Ops that were taken are as good as done: dequeue does them. */
static int qp_arm(struct fl_qp *q)
{
	struct soft_qp *qp = (struct soft_qp *)q;
	uint64_t count;

	if (qp->fd < 0)
		return -EOPNOTSUPP;
	(void)!read(qp->fd, &count, sizeof(count));
	qp->armed = true;
	if (qp->tail != qp->head)
		wake(qp);
	return 0;
}

static int qp_stats(struct fl_qp *q, struct fl_qp_stats *out)
{
	fl_stats_read(out, &((struct soft_qp *)q)->stats, sizeof(*out));
	return 0;
}

/* ---- the device ------------------------------------------------------------------------ */

static void info(const struct fl_cryptodev *d, struct fl_cryptodev_info *out)
{
	const struct soft_dev *sd = (const struct soft_dev *)d;

	out->driver = "crypto_soft";
	out->chip = sd->chip;
	out->features = FL_CRYPTO_SGL_IN_PLACE | FL_CRYPTO_SGL_OUT | FL_CRYPTO_CHAIN_EA |
			FL_CRYPTO_CHAIN_AE | FL_CRYPTO_INTERRUPT | FL_CRYPTO_FAULTS;
	out->qp_max = QP_MAX;
	out->desc_min = 1;
	out->desc_max = DESC_MAX;
	out->segs_max = SOFT_SEGS_MAX;
	out->caps = sd->caps;
}

static int start(struct fl_cryptodev *d)
{
	for (struct fl_session *s = d->sessions; s; s = s->next) {
		int rc = fl_soft_session_grow((struct soft_session *)s, fl_soft_dev(d), d->nb_qps);

		if (rc)
			return rc;
	}
	for (unsigned i = 0; i < d->nb_qps; i++) {
		__atomic_store_n(&d->qps[i]->dequeue, fl_soft_dev(d)->mb ? dequeue_mb : dequeue,
				 __ATOMIC_RELAXED);
		__atomic_store_n(&d->qps[i]->enqueue, enqueue, __ATOMIC_RELAXED);
	}
	return 0;
}

/* What was not done yet never will be: its session may go before it is dequeued. */
static void stop(struct fl_cryptodev *d)
{
	for (unsigned i = 0; i < d->nb_qps; i++) {
		struct soft_qp *qp = (struct soft_qp *)d->qps[i];

		for (; qp->done != qp->tail; qp->done++)
			qp->ops[qp->done & qp->mask]->status = FL_OP_ABORTED;
	}
}

static int hw_reset(struct fl_cryptodev *d)
{
	return 0;
}

static void close_dev(struct fl_cryptodev *d)
{
	struct soft_dev *sd = fl_soft_dev(d);

	for (unsigned b = 0; b < SOFT_BASES; b++)
		for (unsigned m = 0; m < SOFT_MODES; m++)
			EVP_CIPHER_free(sd->evp[b][m]);
	fl_soft_mb_close(sd->mb);
	free(sd);
}

static const struct fl_crypto_ops ops = {
	.info = info,
	.qp_setup = qp_setup,
	.qp_release = qp_release,
	.start = start,
	.stop = stop,
	.hw_reset = hw_reset,
	.close = close_dev,
	.session_create = fl_soft_session_create,
	.session_destroy = fl_soft_session_destroy,
	.qp_wait_fd = qp_wait_fd,
	.qp_arm = qp_arm,
	.qp_stats = qp_stats,
};

/* What is not there stays NULL: its algorithms are not among the capabilities. */
static void fetch(struct soft_dev *sd)
{
	static const char *const bases[SOFT_BASES] = { "AES-128", "AES-192", "AES-256", "SM4",
						       "DES-EDE3" };
	static const char *const modes[SOFT_MODES] = { "ECB", "CBC", "CTR", "CFB",
						       "OFB", "XTS", "GCM" };
	char name[32];

	for (unsigned b = 0; b < SOFT_BASES; b++) {
		for (unsigned m = 0; m < SOFT_MODES; m++) {
			snprintf(name, sizeof(name), "%s-%s", bases[b], modes[m]);
			sd->evp[b][m] = EVP_CIPHER_fetch(NULL, name, NULL);
		}
	}
	ERR_clear_error();
}

static int load(struct soft_dev *sd, struct fl_ctx *ctx, const char *rest)
{
	bool wanted = !strcmp(rest, "ipsec-mb");
	int rc;

	if (!strcmp(rest, "openssl"))
		return 0;
	if (*rest && !wanted) {
		fl_err(fl_ctx_log(ctx), "crypto",
		       "soft:%s: want soft:, soft:openssl or soft:ipsec-mb", rest);
		return -EINVAL;
	}
	rc = fl_soft_mb_open(fl_ctx_log(ctx), wanted, &sd->mb);
	return rc == -ENOTSUP && !wanted ? 0 : rc;
}

static int open_dev(struct fl_ctx *ctx, const char *rest, void **priv)
{
	struct soft_dev *sd = calloc(1, sizeof(*sd));
	int rc;

	if (!sd)
		return -ENOMEM;
	rc = load(sd, ctx, rest);
	if (rc) {
		free(sd);
		return rc;
	}
	fetch(sd);
	fl_soft_caps(sd->evp, sd->caps);
	snprintf(sd->chip, sizeof(sd->chip), "OpenSSL %s%s%s",
		 OpenSSL_version(OPENSSL_VERSION_STRING), sd->mb ? ", ipsec-mb " : "",
		 sd->mb ? fl_soft_mb_version(sd->mb) : "");
	fl_crypto_dev_init(&sd->d, ctx, NULL, &ops);
	*priv = sd;
	return 0;
}

static void remove_dev(void *priv)
{
	close_dev(priv);
}

const struct fl_driver fl_soft_driver = {
	.name = "crypto_soft",
	.cls = FL_CLASS_CRYPTO,
	.remove = remove_dev,
	.scheme = "soft",
	.open = open_dev,
};
