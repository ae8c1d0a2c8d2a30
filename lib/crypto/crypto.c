/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a crypto device: open, configure, queue pairs, start, stop, reset, close. */
#include <stdlib.h>
#include <string.h>

#include "crypto_internal.h"

/* Dequeue stays: what is done can be had still. */
static void refuse_ops(struct fl_cryptodev *d)
{
	for (unsigned i = 0; i < d->nb_qps; i++)
		if (d->qps[i])
			__atomic_store_n(&d->qps[i]->enqueue, fl_crypto_none, __ATOMIC_RELAXED);
}

uint16_t fl_crypto_none(struct fl_qp *qp, struct fl_op **ops, uint16_t n)
{
	return 0;
}

/* ---- events --------------------------------------------------------------------------- */

void fl_crypto_dev_event(struct fl_cryptodev *d, enum fl_crypto_event ev)
{
	if (d->event)
		d->event(d, ev, d->event_arg);
}

static void on_dev_event(struct fl_dev *dev, enum fl_dev_event ev, void *arg)
{
	static const enum fl_crypto_event events[] = { [FL_DEV_REMOVED] = FL_CRYPTO_REMOVED,
						       [FL_DEV_REQUEST] = FL_CRYPTO_REQUEST,
						       [FL_DEV_ERROR] = FL_CRYPTO_ERROR };
	struct fl_cryptodev *d = arg;

	/* what is in flight comes back when the device is stopped or reset */
	refuse_ops(d);
	d->failed |= ev == FL_DEV_ERROR;
	fl_crypto_dev_event(d, events[ev]);
}

void fl_cryptodev_on_event(struct fl_cryptodev *d,
			   void (*fn)(struct fl_cryptodev *d, enum fl_crypto_event ev, void *arg),
			   void *arg)
{
	d->event = fn;
	d->event_arg = arg;
}

static void stop(struct fl_cryptodev *d)
{
	refuse_ops(d);
	d->ops.stop(d);
	d->started = false;
}

/* ---- open and close ------------------------------------------------------------------- */

void fl_crypto_dev_init(struct fl_cryptodev *d, struct fl_ctx *ctx, struct fl_dev *dev,
			const struct fl_crypto_ops *ops)
{
	d->ops = *ops;
	fl_crypto_ops_complete(&d->ops);
	d->ctx = ctx;
	d->dev = dev;
	d->log = fl_ctx_log(ctx);
	if (dev)
		fl_dev_on_event(dev, on_dev_event, d);
}

/* A driver of no PCI device, which "NAME:..." names. */
static const struct fl_driver *find_soft(const char *uri)
{
	const struct fl_driver *drv;

	for (unsigned i = 0; (drv = fl_driver_at(i)); i++) {
		size_t len = drv->scheme ? strlen(drv->scheme) : 0;

		if (drv->cls == FL_CLASS_CRYPTO && len && !strncmp(uri, drv->scheme, len) &&
		    uri[len] == ':')
			return drv;
	}
	return NULL;
}

static int open_pci(struct fl_ctx *ctx, const char *uri, void **priv)
{
	const struct fl_driver_id *match;
	const struct fl_driver *drv;
	const struct fl_pci_id *id;
	struct fl_dev *dev;
	int rc;

	rc = fl_dev_open(ctx, uri, &dev);
	if (rc)
		return rc;
	id = fl_dev_id(dev);
	drv = fl_driver_match(FL_CLASS_CRYPTO, id, &match);
	if (drv) {
		rc = drv->probe(dev, match, priv);
	} else {
		fl_err(fl_ctx_log(ctx), "crypto",
		       "%s: no crypto driver knows %04x:%04x (class %06x)", uri, id->vendor,
		       id->device, id->class_code);
		rc = -ENOTSUP;
	}
	if (rc)
		fl_dev_close(dev);
	return rc;
}

int fl_cryptodev_open(struct fl_ctx *ctx, const char *uri, struct fl_cryptodev **out)
{
	const struct fl_driver *soft = find_soft(uri);
	char *copy = strdup(uri);
	void *priv;
	int rc;

	if (!copy)
		return -ENOMEM;
	rc = soft ? soft->open(ctx, uri + strlen(soft->scheme) + 1, &priv)
		  : open_pci(ctx, uri, &priv);
	if (rc) {
		free(copy);
		return rc;
	}
	*out = priv;
	(*out)->uri = copy;
	fl_ctx_enlist(ctx, &(*out)->item, FL_ITEM_CRYPTODEV, *out);
	return 0;
}

static void release_qps(struct fl_cryptodev *d)
{
	for (unsigned i = 0; i < d->nb_qps; i++)
		if (d->qps[i])
			d->ops.qp_release(d->qps[i]);
	free(d->qps);
	d->qps = NULL;
	d->nb_qps = 0;
	/* nothing touches them any more */
	fl_crypto_unpark(d);
}

void fl_cryptodev_close(struct fl_cryptodev *d)
{
	struct fl_dev *dev;
	char *uri;

	if (!d)
		return;
	if (d->started)
		stop(d);
	fl_ctx_delist(d->ctx, &d->item);
	dev = d->dev;
	uri = (char *)d->uri;
	if (dev)
		fl_dev_on_event(dev, NULL, NULL);
	release_qps(d);
	while (d->sessions) {
		fl_warn(d->log, "crypto", "%s: closed with a session that was not destroyed",
			fl_crypto_uri(d));
		fl_session_destroy(d->sessions);
	}
	d->ops.close(d);
	if (dev)
		fl_dev_close(dev);
	free(uri);
}

struct fl_dev *fl_cryptodev_dev(const struct fl_cryptodev *d)
{
	return d->dev;
}

struct fl_ctx *fl_cryptodev_ctx(const struct fl_cryptodev *d)
{
	return d->ctx;
}

void fl_cryptodev_info(const struct fl_cryptodev *d, struct fl_cryptodev_info *out)
{
	memset(out, 0, sizeof(*out));
	d->ops.info(d, out);
}

const struct fl_crypto_cap *fl_cryptodev_cap(const struct fl_cryptodev *d, enum fl_algo a)
{
	struct fl_cryptodev_info info;

	fl_cryptodev_info(d, &info);
	for (const struct fl_crypto_cap *c = info.caps; c && c->algo != FL_ALGO_NONE; c++)
		if (c->algo == a)
			return c;
	return NULL;
}

/* ---- queue pairs ---------------------------------------------------------------------- */

static int refuse_running(const struct fl_cryptodev *d, const char *what)
{
	if (!d->started)
		return 0;
	fl_err(d->log, "crypto", "%s: %s: the device is running; stop it first", fl_crypto_uri(d),
	       what);
	return -EBUSY;
}

int fl_cryptodev_configure(struct fl_cryptodev *d, uint16_t nb_qps)
{
	struct fl_cryptodev_info info;
	struct fl_qp **qps;
	int rc = refuse_running(d, "configure");

	if (rc)
		return rc;
	fl_cryptodev_info(d, &info);
	if (!nb_qps || nb_qps > info.qp_max) {
		fl_err(d->log, "crypto", "%s: %u queue pairs asked; %s has 1 to %u",
		       fl_crypto_uri(d), nb_qps, info.chip, info.qp_max);
		return -EINVAL;
	}
	qps = calloc(nb_qps, sizeof(struct fl_qp *));
	if (!qps)
		return -ENOMEM;
	release_qps(d);
	d->qps = qps;
	d->nb_qps = nb_qps;
	d->resume = false;
	return 0;
}

static int check_qp(const struct fl_cryptodev *d, uint16_t id, const struct fl_qp_conf *c)
{
	struct fl_cryptodev_info info;

	if (id >= d->nb_qps) {
		fl_err(d->log, "crypto", "%s: queue pair %u of %u: configure more",
		       fl_crypto_uri(d), id, d->nb_qps);
		return -EINVAL;
	}
	fl_cryptodev_info(d, &info);
	if (c->desc &&
	    (!fl_is_pow2(c->desc) || c->desc < info.desc_min || c->desc > info.desc_max)) {
		fl_err(d->log, "crypto",
		       "%s: a queue pair of %u ops; %s takes powers of two from %u to %u",
		       fl_crypto_uri(d), c->desc, info.chip, info.desc_min, info.desc_max);
		return -EINVAL;
	}
	if (c->intr && !(info.features & FL_CRYPTO_INTERRUPT)) {
		fl_err(d->log, "crypto", "%s: %s has no completion interrupts here: leave intr off",
		       fl_crypto_uri(d), info.chip);
		return -EOPNOTSUPP;
	}
	return 0;
}

int fl_qp_setup(struct fl_cryptodev *d, uint16_t id, const struct fl_qp_conf *conf)
{
	static const struct fl_qp_conf defaults = { .node = -1 };
	struct fl_qp *qp;
	int rc = refuse_running(d, "queue pair");

	if (!conf)
		conf = &defaults;
	if (!rc)
		rc = check_qp(d, id, conf);
	if (!rc)
		rc = d->ops.qp_setup(d, id, conf, &qp);
	if (rc)
		return rc;
	if (d->qps[id])
		d->ops.qp_release(d->qps[id]);
	qp->dev = d;
	qp->id = id;
	qp->enqueue = qp->dequeue = fl_crypto_none;
	d->qps[id] = qp;
	return 0;
}

struct fl_qp *fl_cryptodev_qp(const struct fl_cryptodev *d, uint16_t id)
{
	return id < d->nb_qps ? d->qps[id] : NULL;
}

int fl_qp_wait_fd(struct fl_qp *qp)
{
	return qp->dev->ops.qp_wait_fd(qp);
}

int fl_qp_arm(struct fl_qp *qp)
{
	return qp->dev->ops.qp_arm(qp);
}

int fl_qp_stats(struct fl_qp *qp, struct fl_qp_stats *out)
{
	memset(out, 0, sizeof(*out));
	return qp->dev->ops.qp_stats(qp, out);
}

/* ---- running -------------------------------------------------------------------------- */

static int check_complete(const struct fl_cryptodev *d)
{
	for (unsigned i = 0; i < d->nb_qps; i++) {
		if (d->qps[i])
			continue;
		fl_err(d->log, "crypto", "%s: start: queue pair %u is not set up", fl_crypto_uri(d),
		       i);
		return -EINVAL;
	}
	if (d->nb_qps)
		return 0;
	fl_err(d->log, "crypto", "%s: start: configure it first", fl_crypto_uri(d));
	return -EINVAL;
}

int fl_cryptodev_start(struct fl_cryptodev *d)
{
	int rc;

	if (d->started)
		return 0;
	rc = check_complete(d);
	if (!rc && d->dev && fl_dev_removed(d->dev)) {
		fl_err(d->log, "crypto",
		       "%s: start: the device is gone; fl_cryptodev_reset() brings it back once it is there again",
		       fl_crypto_uri(d));
		rc = -ENODEV;
	}
	if (!rc)
		rc = d->ops.start(d);
	if (rc) {
		refuse_ops(d);
		return rc;
	}
	d->started = true;
	d->resume = false;
	return 0;
}

int fl_cryptodev_stop(struct fl_cryptodev *d)
{
	d->resume = false;
	if (d->started)
		stop(d);
	return 0;
}

bool fl_cryptodev_started(const struct fl_cryptodev *d)
{
	return d->started;
}

/* Remembered across failures, so that a reset that succeeds in the end leaves it as it was. */
static void suspend(struct fl_cryptodev *d)
{
	if (!d->started)
		return;
	stop(d);
	d->resume = true;
}

int fl_cryptodev_release(struct fl_cryptodev *d)
{
	if (!d->dev) {
		fl_err(d->log, "crypto", "%s: there is no device to give back", fl_crypto_uri(d));
		return -EOPNOTSUPP;
	}
	suspend(d);
	fl_dev_release(d->dev);
	return 0;
}

static int regain(struct fl_cryptodev *d)
{
	int rc;

	if (fl_dev_removed(d->dev)) {
		rc = fl_dev_reattach(d->dev);
		if (!rc)
			return 0;
		fl_info(d->log, "crypto", "%s: reset: the device is not back yet (%s)",
			fl_crypto_uri(d), strerror(-rc));
		return rc == -EOPNOTSUPP ? rc : -ENODEV;
	}
	rc = d->failed ? fl_dev_reset(d->dev) : 0;
	if (rc)
		fl_warn(d->log, "crypto",
			"%s: after its error the device is reset by its registers alone: "
			"no reset of the function (%s)",
			fl_crypto_uri(d), strerror(-rc));
	return 0;
}

int fl_cryptodev_reset(struct fl_cryptodev *d)
{
	int rc;

	suspend(d);
	rc = d->dev ? regain(d) : 0;
	if (!rc)
		rc = d->ops.hw_reset(d);
	if (rc)
		return rc;
	d->failed = false;
	return d->resume ? fl_cryptodev_start(d) : 0;
}

const char *fl_cryptodev_uri(const struct fl_cryptodev *d)
{
	return d->uri;
}
