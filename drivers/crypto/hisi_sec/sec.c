/* SPDX-License-Identifier: BSD-3-Clause */
/* HiSilicon SEC2: probe, life of a device, the table of operations. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fl_hisi_sec.h"
#include "sec_internal.h"

#define DESC_MIN  16u
#define WATCH_SEC 3u /* a BD takes milliseconds; SMMU stalls and busy models take longer */

/* ---- pinned memory ---------------------------------------------------------------------- */

int fl_sec_mem_alloc(struct fl_sec *s, uint64_t len, int node, struct fl_sec_mem *m)
{
	struct fl_dma_space *space = fl_ctx_space(s->dev.ctx);
	struct fl_mem_opts mo = { .node = node < 0 ? fl_dev_node(s->dev.dev) : node,
				  .log = s->dev.log };
	int rc;

	fl_dma_mem_opts(space, len, &mo);
	rc = fl_mem_alloc(len, &mo, &m->mem);
	if (rc)
		return rc;
	rc = fl_dma_map(space, m->mem, NULL, &m->area);
	if (rc)
		fl_mem_free(m->mem);
	return rc;
}

void fl_sec_mem_free(struct fl_sec *s, struct fl_sec_mem *m)
{
	if (fl_dma_unmap(m->area))
		sec_warn(s, "%s: memory of the device was not unmapped as it should", s->dev.uri);
	fl_mem_free(m->mem);
}

/* ---- errors ----------------------------------------------------------------------------- */

void fl_sec_failed(struct fl_sec *s)
{
	if (__atomic_exchange_n(&s->told, true, __ATOMIC_RELAXED))
		return;
	for (unsigned i = 0; i < s->dev.nb_qps; i++)
		__atomic_store_n(&s->dev.qps[i]->enqueue, fl_crypto_none, __ATOMIC_RELAXED);
	fl_crypto_dev_event(&s->dev, FL_CRYPTO_ERROR);
}

static void on_qm_event(struct fl_qm *qm, enum fl_qm_event ev, unsigned qp, void *arg)
{
	struct fl_sec *s = arg;

	if (!s->dev.started)
		return;
	if (ev == FL_QM_QP_ERROR)
		sec_err(s, "%s: the device stopped queue pair %u; reset it", s->dev.uri, qp);
	fl_sec_failed(s);
}

/* ---- operations ------------------------------------------------------------------------- */

static void info(const struct fl_cryptodev *d, struct fl_cryptodev_info *out)
{
	const struct fl_sec *s = fl_sec_of(d);
	const struct fl_qm_caps *qc = fl_qm_caps(s->qm);

	out->driver = fl_sec_driver.name;
	out->chip = s->chip;
	out->features = FL_CRYPTO_SGL_IN_PLACE | FL_CRYPTO_SGL_OUT | FL_CRYPTO_CHAIN_EA |
			FL_CRYPTO_HW | (s->intr ? FL_CRYPTO_INTERRUPT : 0) |
			(fl_dev_faults(d->dev) ? FL_CRYPTO_FAULTS : 0);
	out->qp_max = qc->qp_max;
	out->desc_min = DESC_MIN;
	out->desc_max = qc->depth_max;
	out->segs_max = SEC_SEGS_MAX;
	out->caps = s->caps;
}

static void stop_queues(struct fl_sec *s)
{
	fl_qm_stop(s->qm);
	for (unsigned i = 0; i < s->dev.nb_qps; i++)
		s->stuck |= fl_sec_qp_of(s->dev.qps[i])->hw->known;
	/* a queue that did not end may go on writing: it must not reach memory any more */
	if (s->stuck && !fl_dev_removed(s->dev.dev) && fl_dev_enable(s->dev.dev, false) &&
	    !fl_dev_removed(s->dev.dev))
		sec_err(s,
			"%s: the device neither stops nor gives up bus mastering; its buffers may "
			"be written until it is unplugged",
			s->dev.uri);
}

static int reset(struct fl_sec *s)
{
	int rc = fl_qm_reset(s->qm);

	if (!rc)
		s->stuck = false;
	return rc;
}

static bool nobody_waits(const struct fl_cryptodev *d)
{
	for (unsigned i = 0; i < d->nb_qps; i++)
		if (fl_sec_qp_of(d->qps[i])->hw->fd >= 0)
			return false;
	return true;
}

static int start_function(struct fl_sec *s)
{
	int rc = fl_qm_start(s->qm, s->dev.nb_qps, s->intr);

	/* a machine may have fewer vectors left than the device wants */
	if (rc != -ENOSPC || !s->intr || !nobody_waits(&s->dev))
		return rc;
	sec_warn(s,
		 "%s: it goes on without interrupts: its queue pairs can only be polled, and its "
		 "errors are seen as silence",
		 s->dev.uri);
	s->intr = false;
	return fl_qm_start(s->qm, s->dev.nb_qps, false);
}

static int start(struct fl_cryptodev *d)
{
	struct fl_sec *s = fl_sec_of(d);
	int rc = s->stuck ? reset(s) : 0;

	if (!rc)
		rc = start_function(s);
	if (rc)
		return rc;
	for (unsigned i = 0; i < d->nb_qps && !rc; i++)
		rc = fl_sec_qp_start(fl_sec_qp_of(d->qps[i]));
	if (rc) {
		stop_queues(s);
		return rc;
	}
	s->told = false;
	for (unsigned i = 0; i < d->nb_qps; i++)
		fl_sec_qp_run(fl_sec_qp_of(d->qps[i]));
	return 0;
}

static void stop(struct fl_cryptodev *d)
{
	struct fl_sec *s = fl_sec_of(d);

	stop_queues(s);
	for (unsigned i = 0; i < d->nb_qps; i++)
		fl_sec_qp_park(fl_sec_qp_of(d->qps[i]));
}

static int hw_reset(struct fl_cryptodev *d)
{
	return reset(fl_sec_of(d));
}

static void close_dev(struct fl_cryptodev *d)
{
	struct fl_sec *s = fl_sec_of(d);

	fl_qm_close(s->qm);
	fl_sec_keys_free(s);
	free(s);
}

static const struct fl_crypto_ops ops = {
	.info = info,
	.qp_setup = fl_sec_qp_setup,
	.qp_release = fl_sec_qp_release,
	.start = start,
	.stop = stop,
	.hw_reset = hw_reset,
	.close = close_dev,
	.session_create = fl_sec_session_create,
	.session_destroy = fl_sec_session_destroy,
	.qp_wait_fd = fl_sec_qp_wait_fd,
	.qp_arm = fl_sec_qp_arm,
	.qp_stats = fl_sec_qp_stats,
};

/* ---- beyond the calls of every device --------------------------------------------------- */

static struct fl_qm *qm_of(const struct fl_cryptodev *d)
{
	return d->ops.close == close_dev ? fl_sec_of(d)->qm : NULL;
}

int fl_hisi_sec_vf_qps(struct fl_cryptodev *d, unsigned vf, uint16_t base, uint16_t n)
{
	struct fl_qm *qm = qm_of(d);

	return qm ? fl_qm_vf_queues(qm, vf, base, n) : -ENOTSUP;
}

bool fl_hisi_sec_check(struct fl_cryptodev *d)
{
	struct fl_qm *qm = qm_of(d);

	return qm && fl_qm_check(qm);
}

/* ---- probe ------------------------------------------------------------------------------ */

static int probe(struct fl_dev *dev, const struct fl_driver_id *id, void **priv)
{
	const struct fl_qm_caps *qc;
	struct fl_sec *s;
	int rc;

	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	fl_crypto_dev_init(&s->dev, fl_dev_ctx(dev), dev, &ops);
	s->dev.uri = fl_dev_uri(dev);
	rc = fl_qm_open(dev, &fl_sec_engine, s, &s->qm);
	if (rc) {
		fl_dev_on_event(dev, NULL, NULL);
		free(s);
		return rc;
	}
	qc = fl_qm_caps(s->qm);
	s->v3 = qc->version >= FL_QM_V3;
	s->intr = qc->irqs && fl_dev_irq_count(dev, FL_IRQ_MSI) >= qc->irqs;
	/* a virtual function's is its physical one's to open, which every driver of that does */
	if (qc->vf)
		s->prefetch = fl_sec_can_prefetch(s->qm);
	s->watch_ticks = WATCH_SEC * fl_cycles_hz();
	snprintf(s->chip, sizeof(s->chip), "SEC2 %s %s", s->v3 ? "V3" : "V2", qc->vf ? "VF" : "PF");
	fl_sec_caps_init(s);
	fl_qm_on_event(s->qm, on_qm_event, s);
	*priv = &s->dev;
	return 0;
}

static void remove_dev(void *priv)
{
	struct fl_cryptodev *d = priv;

	d->ops.close(d);
}

static const struct fl_driver_id sec_ids[] = {
	{ 0x19e5, 0xa255, NULL },
	{ 0x19e5, 0xa256, NULL },
	{ 0 },
};

const struct fl_driver fl_sec_driver = {
	.name = "crypto_hisi_sec",
	.cls = FL_CLASS_CRYPTO,
	.ids = sec_ids,
	.probe = probe,
	.remove = remove_dev,
};
