/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices: a context each, so that what one holds is told apart from the others. */
#include "perf.h"

#include <errno.h>
#include <fl_model.h>
#include <stdio.h>
#include <string.h>

#define DESC_DEFAULT 256u

static void on_event(struct fl_cryptodev *d, enum fl_crypto_event ev, void *arg)
{
	static const char *const what[] = { [FL_CRYPTO_REMOVED] = "is gone",
					    [FL_CRYPTO_REQUEST] = "is wanted back by the kernel",
					    [FL_CRYPTO_ERROR] = "reports an error" };
	struct cp_dev *dev = arg;

	if (!__atomic_exchange_n(&dev->down, true, __ATOMIC_RELAXED))
		fprintf(stderr, "%s %s: what is left of its runs is left out\n", dev->uri,
			what[ev]);
}

static int open_in(struct cp *cp, struct cp_dev *dev, struct fl_ctx *ctx)
{
	struct fl_ctx_opts co = { .log = &cp->log, .polls = cp->conf.test == CP_IOPF };
	struct fl_engine_opts eo = { .log = &cp->log, .cpu = cp->conf.model_cpu };
	int ret = 0;

	dev->ctx = ctx;
	dev->own_ctx = !ctx;
	if (!ctx)
		ret = fl_ctx_create(&co, &dev->ctx);
	if (!ret && !ctx)
		ret = fl_model_enable(dev->ctx, &eo);
	if (!ret && !ctx)
		ret = app_residency_apply(&cp->conf.residency, fl_ctx_space(dev->ctx));
	if (!ret && !ctx)
		ret = app_telemetry_add(&cp->conf.telemetry, "fl-crypto-perf", dev->ctx);
	if (!ret)
		ret = fl_cryptodev_open(dev->ctx, dev->uri, &dev->d);
	return ret;
}

int cp_dev_open(struct cp *cp, struct cp_dev *dev, const char *uri, struct fl_ctx *ctx)
{
	int ret;

	*dev = (struct cp_dev){ .uri = uri, .cp = cp };
	ret = open_in(cp, dev, ctx);
	if (ret) {
		fprintf(stderr, "Cannot open %s: %s\n", uri, strerror(-ret));
		cp_dev_close(dev);
		return ret;
	}
	fl_cryptodev_info(dev->d, &dev->info);
	fl_cryptodev_on_event(dev->d, on_event, dev);
	return 0;
}

/** What --desc-nb says, or a little more than the largest burst needs. */
static uint16_t descriptors(const struct cp_dev *dev)
{
	const struct cp_conf *c = &dev->cp->conf;
	uint64_t n = DESC_DEFAULT;

	if (c->desc_nb != CP_UNSET)
		return (uint16_t)c->desc_nb;
	for (unsigned i = 0; i < c->burst_sz.n; i++)
		if (c->burst_sz.v[i] > n)
			n = fl_pow2_up(c->burst_sz.v[i]);
	if (n > dev->info.desc_max)
		n = dev->info.desc_max;
	return (uint16_t)(n < dev->info.desc_min ? dev->info.desc_min : n);
}

int cp_dev_start(struct cp_dev *dev)
{
	const struct cp_conf *c = &dev->cp->conf;
	struct fl_qp_conf qc = { .node = -1, .intr = c->interrupt };
	int ret = fl_cryptodev_configure(dev->d, (uint16_t)c->qps);

	qc.desc = dev->desc = descriptors(dev);
	for (unsigned i = 0; !ret && i < c->qps; i++)
		ret = fl_qp_setup(dev->d, (uint16_t)i, &qc);
	if (!ret)
		ret = fl_cryptodev_start(dev->d);
	if (ret)
		fprintf(stderr, "Cannot start %s: %s\n", dev->uri, strerror(-ret));
	return ret;
}

int cp_dev_session(struct cp_dev *dev, const struct cp_job *j)
{
	struct fl_session_conf conf = j->conf;
	int ret;

	fl_session_destroy(dev->session);
	dev->session = NULL;
	/* the reference says what is right, whichever way the device goes */
	if (dev->own_ctx == false)
		conf.encrypt = true;
	ret = fl_session_create(dev->d, &conf, &dev->session);
	if (ret)
		fprintf(stderr, "%s: no session for %s: %s\n", dev->uri, j->name, strerror(-ret));
	return ret;
}

static bool same_code(const struct cp_dev *a, const struct cp_dev *b)
{
	return !strcmp(a->info.driver, b->info.driver) && !strcmp(a->info.chip, b->info.chip);
}

static int try_reference(struct cp_dev *dev, const char *uri, bool other)
{
	struct cp *cp = dev->cp;
	int ret = cp_dev_open(cp, dev->ref, uri, dev->ctx);

	if (!ret && other && same_code(dev, dev->ref))
		ret = -ENOTUNIQ;
	if (!ret && other && !fl_cryptodev_cap(dev->ref->d, cp->job.algo))
		ret = -EOPNOTSUPP;
	if (!ret)
		ret = cp_job_check(&cp->job, dev->ref);
	if (!ret)
		ret = cp_dev_start(dev->ref);
	if (ret)
		cp_dev_close(dev->ref);
	return ret;
}

int cp_dev_reference(struct cp_dev *dev)
{
	const char *uri = dev->cp->conf.reference;
	int ret;

	if (uri)
		return try_reference(dev, uri, false);
	ret = try_reference(dev, "soft:openssl", true);
	if (ret != -ENOTUNIQ)
		return ret;
	ret = try_reference(dev, "soft:ipsec-mb", true);
	if (ret)
		fprintf(stderr,
			"%s: nothing else to hold its output against: name one by "
			"--reference, or vectors by --test-file\n",
			dev->uri);
	return ret;
}

void cp_dev_close(struct cp_dev *dev)
{
	if (dev->ref && dev->ref->d)
		cp_dev_close(dev->ref);
	fl_session_destroy(dev->session);
	dev->session = NULL;
	fl_cryptodev_close(dev->d);
	dev->d = NULL;
	if (dev->own_ctx && dev->ctx)
		app_telemetry_remove(&dev->cp->conf.telemetry, dev->ctx);
	if (dev->own_ctx && dev->ctx && fl_ctx_destroy(dev->ctx))
		fprintf(stderr, "%s: its context is still in use\n", dev->uri);
	dev->ctx = NULL;
}
