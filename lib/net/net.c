/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a port: open, configure, queues, start, stop, reset, close. Everything that a user
 * asks for is checked here against what the driver reports, and kept in struct fl_port, so that a
 * driver only has to program it.
 */
#include <stdlib.h>
#include <string.h>

#include "net_internal.h"

/* the key that everybody's receive-side scaling starts with, so that hashes can be compared */
static const uint8_t default_rss_key[] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static void set_bursts_none(struct fl_port *p)
{
	for (unsigned i = 0; p->rxq && i < p->conf.nb_rxq; i++) {
		if (p->rxq[i])
			__atomic_store_n(&p->rxq[i]->burst, fl_net_rx_none, __ATOMIC_RELAXED);
	}
	for (unsigned i = 0; p->txq && i < p->conf.nb_txq; i++) {
		if (p->txq[i])
			__atomic_store_n(&p->txq[i]->burst, fl_net_tx_none, __ATOMIC_RELAXED);
	}
}

static void on_dev_event(struct fl_dev *dev, enum fl_dev_event ev, void *arg)
{
	static const enum fl_port_event events[] = { [FL_DEV_REMOVED] = FL_PORT_REMOVED,
						     [FL_DEV_REQUEST] = FL_PORT_REQUEST,
						     [FL_DEV_ERROR] = FL_PORT_ERROR };
	struct fl_port *p = arg;

	/* traffic ends in each case; threads may poll on, and find nothing */
	set_bursts_none(p);
	p->failed |= ev == FL_DEV_ERROR;
	fl_net_port_event(p, events[ev]);
}

void fl_net_port_init(struct fl_port *p, struct fl_dev *dev, const struct fl_net_ops *ops)
{
	p->ops = *ops;
	fl_net_ops_complete(&p->ops);
	p->dev = dev;
	p->ctx = fl_dev_ctx(dev);
	p->log = fl_ctx_log(p->ctx);
	p->link_wanted = true;
	p->fc = (struct fl_flow_ctrl){ .mode = FL_FC_FULL, .autoneg = true };
	for (unsigned i = 0; i < FL_RSS_KEY_MAX; i++)
		p->conf.rss.key[i] = default_rss_key[i % sizeof(default_rss_key)];
	fl_dev_on_event(dev, on_dev_event, p);
}

void fl_net_port_event(struct fl_port *p, enum fl_port_event ev)
{
	if (p->event)
		p->event(p, ev, p->event_arg);
}

void fl_net_watch(struct fl_port *p)
{
	if (p->started && p->ops.tx_hangs(p) > 0)
		fl_net_port_event(p, FL_PORT_ERROR);
}

void fl_port_on_event(struct fl_port *p,
		      void (*fn)(struct fl_port *p, enum fl_port_event ev, void *arg), void *arg)
{
	p->event = fn;
	p->event_arg = arg;
}

int fl_port_open(struct fl_ctx *ctx, const char *uri, struct fl_port **out)
{
	const struct fl_log *log = fl_ctx_log(ctx);
	const struct fl_driver_id *match;
	const struct fl_driver *drv;
	const struct fl_pci_id *id;
	struct fl_dev *dev;
	void *priv;
	int rc;

	rc = fl_dev_open(ctx, uri, &dev);
	if (rc)
		return rc;
	id = fl_dev_id(dev);
	drv = fl_driver_match(FL_CLASS_NET, id, &match);
	if (!drv) {
		fl_err(log, "net", "%s: no network driver knows %04x:%04x (class %06x)", uri,
		       id->vendor, id->device, id->class_code);
		rc = -ENOTSUP;
		goto err_dev;
	}
	rc = drv->probe(dev, match, &priv);
	if (rc)
		goto err_dev;
	*out = priv;
	fl_ctx_enlist(ctx, &(*out)->item, FL_ITEM_PORT, *out);
	return 0;

err_dev:
	fl_dev_close(dev);
	return rc;
}

static void release_queues(struct fl_port *p)
{
	for (unsigned i = 0; p->rxq && i < p->conf.nb_rxq; i++) {
		if (p->rxq[i])
			p->ops.rxq_release(p->rxq[i]);
	}
	for (unsigned i = 0; p->txq && i < p->conf.nb_txq; i++) {
		if (p->txq[i])
			p->ops.txq_release(p->txq[i]);
	}
	free(p->rxq);
	free(p->txq);
	p->rxq = NULL;
	p->txq = NULL;
}

void fl_port_close(struct fl_port *p)
{
	struct fl_dev *dev;

	if (!p)
		return;
	if (fl_port_stop(p))
		return;
	dev = p->dev;
	fl_ctx_delist(p->ctx, &p->item);
	fl_dev_on_event(dev, NULL, NULL);
	release_queues(p);
	p->ops.close(p);
	fl_dev_close(dev);
}

struct fl_dev *fl_port_dev(const struct fl_port *p)
{
	return p->dev;
}

void fl_port_set_id(struct fl_port *p, uint16_t id)
{
	__atomic_store_n(&p->id, id, __ATOMIC_RELAXED);
}

uint16_t fl_port_id(const struct fl_port *p)
{
	return p->id;
}

void fl_port_info(const struct fl_port *p, struct fl_port_info *out)
{
	memset(out, 0, sizeof(*out));
	p->ops.info(p, out);
}

const struct fl_port_conf *fl_port_conf(const struct fl_port *p)
{
	return &p->conf;
}

static int check_conf(const struct fl_port *p, const struct fl_port_info *info,
		      const struct fl_port_conf *c)
{
	uint64_t extra = c->offloads & ~info->offloads;
	uint32_t types = c->rss.types & ~info->rss_types;

	if (c->nb_rxq > info->rxq_max || c->nb_txq > info->txq_max || c->nb_rxq + c->nb_txq == 0) {
		fl_err(p->log, "net",
		       "%s: %u receive and %u transmit queues asked; %s has up to %u and %u, and "
		       "one of them is needed",
		       fl_net_uri(p), c->nb_rxq, c->nb_txq, info->chip, info->rxq_max,
		       info->txq_max);
		return -EINVAL;
	}
	if (c->mtu && (c->mtu < info->mtu_min || c->mtu > info->mtu_max)) {
		fl_err(p->log, "net", "%s: MTU %u is outside %u..%u", fl_net_uri(p), c->mtu,
		       info->mtu_min, info->mtu_max);
		return -EINVAL;
	}
	if (extra) {
		fl_err(p->log, "net",
		       "%s: %s cannot do offload %s (0x%llx asked, 0x%llx offered): leave it out",
		       fl_net_uri(p), info->chip, fl_net_first_offload(extra),
		       (unsigned long long)c->offloads, (unsigned long long)info->offloads);
		return -EOPNOTSUPP;
	}
	if (types) {
		fl_err(p->log, "net", "%s: %s cannot hash RSS types 0x%x; it offers 0x%x",
		       fl_net_uri(p), info->chip, types, info->rss_types);
		return -EOPNOTSUPP;
	}
	if (c->rss.key_len && c->rss.key_len != info->rss_key_size) {
		fl_err(p->log, "net", "%s: RSS key of %u bytes; %s takes %u (0 keeps the key)",
		       fl_net_uri(p), c->rss.key_len, info->chip, info->rss_key_size);
		return -EINVAL;
	}
	if (c->rx_intr && !(info->features & FL_FEAT_RX_INTERRUPT)) {
		fl_err(p->log, "net", "%s: %s has no receive interrupts here: leave rx_intr off",
		       fl_net_uri(p), info->chip);
		return -EOPNOTSUPP;
	}
	if ((unsigned)c->irq > FL_IRQ_MSIX) {
		fl_err(p->log, "net", "%s: irq %u is no kind of interrupt", fl_net_uri(p), c->irq);
		return -EINVAL;
	}
	return fl_net_check_speeds(p, info, c->speeds);
}

int fl_port_configure(struct fl_port *p, const struct fl_port_conf *conf)
{
	struct fl_port_info info;
	struct fl_rxq **rxq;
	struct fl_txq **txq;
	struct fl_rss_conf old = p->conf.rss;
	int rc;

	if (p->started) {
		fl_err(p->log, "net", "%s: configure: the port is running; stop it first",
		       fl_net_uri(p));
		return -EBUSY;
	}
	fl_port_info(p, &info);
	rc = check_conf(p, &info, conf);
	if (rc)
		return rc;
	/* one more than asked, so that none is not an allocation of nothing */
	rxq = calloc(conf->nb_rxq + 1u, sizeof(*rxq));
	txq = calloc(conf->nb_txq + 1u, sizeof(*txq));
	if (!rxq || !txq) {
		free(rxq);
		free(txq);
		return -ENOMEM;
	}
	release_queues(p);
	p->rxq = rxq;
	p->txq = txq;
	p->conf = *conf;
	if (!p->conf.mtu)
		p->conf.mtu = 1500;
	if (!conf->rss.key_len)
		memcpy(p->conf.rss.key, old.key, sizeof(old.key));
	p->conf.rss.key_len = (uint8_t)info.rss_key_size;
	for (unsigned i = 0; i < info.reta_size; i++)
		p->reta[i] = conf->nb_rxq ? (uint16_t)(i % conf->nb_rxq) : 0;
	p->configured = true;
	p->resume = false;
	return 0;
}

/* a queue may be set up: port stopped, number in range */
static int check_queue(const struct fl_port *p, const char *what, uint16_t qid, unsigned have)
{
	if (p->started) {
		fl_err(p->log, "net", "%s: %s queue %u: the port is running; stop it first",
		       fl_net_uri(p), what, qid);
		return -EBUSY;
	}
	if (!p->configured || qid >= have) {
		fl_err(p->log, "net", "%s: %s queue %u, but %u are configured", fl_net_uri(p), what,
		       qid, have);
		return -EINVAL;
	}
	return 0;
}

static int check_ring(const struct fl_port *p, const char *what, unsigned n, unsigned min,
		      unsigned max, unsigned align)
{
	if (n >= min && n <= max && n % align == 0)
		return 0;
	fl_err(p->log, "net", "%s: a %s ring of %u descriptors; it takes %u..%u, a multiple of %u",
	       fl_net_uri(p), what, n, min, max, align);
	return -EINVAL;
}

int fl_rxq_setup(struct fl_port *p, uint16_t qid, const struct fl_rxq_conf *conf)
{
	struct fl_rxq_conf c = *conf;
	const struct fl_dma_area *area;
	struct fl_port_info info;
	struct fl_rxq *q;
	int rc;

	rc = check_queue(p, "receive", qid, p->conf.nb_rxq);
	if (rc)
		return rc;
	fl_port_info(p, &info);
	if (!c.nb_desc)
		c.nb_desc = info.rxd_default;
	rc = check_ring(p, "receive", c.nb_desc, info.rxd_min, info.rxd_max, info.rxd_align);
	if (rc)
		return rc;
	if (c.free_thresh >= c.nb_desc) {
		fl_err(p->log, "net", "%s: receive free_thresh %u must be below the ring's %u",
		       fl_net_uri(p), c.free_thresh, c.nb_desc);
		return -EINVAL;
	}
	area = c.pool ? fl_pool_area(c.pool) : NULL;
	if (!area || area->space != fl_ctx_space(p->ctx)) {
		fl_err(p->log, "net",
		       "%s: receive queue %u needs a pool whose buffers are mapped for this device: "
		       "make it with .space = fl_ctx_space() of the port's context",
		       fl_net_uri(p), qid);
		return -EINVAL;
	}
	rc = p->ops.rxq_setup(p, qid, &c, &q);
	if (rc)
		return rc;
	q->burst = fl_net_rx_none;
	q->port = p;
	q->qid = qid;
	if (p->rxq[qid])
		p->ops.rxq_release(p->rxq[qid]);
	p->rxq[qid] = q;
	return 0;
}

int fl_txq_setup(struct fl_port *p, uint16_t qid, const struct fl_txq_conf *conf)
{
	struct fl_txq_conf c = *conf;
	struct fl_port_info info;
	struct fl_txq *q;
	int rc;

	rc = check_queue(p, "transmit", qid, p->conf.nb_txq);
	if (rc)
		return rc;
	fl_port_info(p, &info);
	if (!c.nb_desc)
		c.nb_desc = info.txd_default;
	rc = check_ring(p, "transmit", c.nb_desc, info.txd_min, info.txd_max, info.txd_align);
	if (rc)
		return rc;
	if (c.free_thresh >= c.nb_desc) {
		fl_err(p->log, "net", "%s: transmit free_thresh %u must be below the ring's %u",
		       fl_net_uri(p), c.free_thresh, c.nb_desc);
		return -EINVAL;
	}
	/* whole batches of rs_thresh fill the ring, and one is always complete in a full ring */
	if (c.rs_thresh && (c.nb_desc % c.rs_thresh || c.rs_thresh > c.nb_desc / 2)) {
		fl_err(p->log, "net",
		       "%s: transmit rs_thresh %u must divide the ring's %u and be at most its half",
		       fl_net_uri(p), c.rs_thresh, c.nb_desc);
		return -EINVAL;
	}
	rc = p->ops.txq_setup(p, qid, &c, &q);
	if (rc)
		return rc;
	q->burst = fl_net_tx_none;
	q->port = p;
	q->qid = qid;
	if (p->txq[qid])
		p->ops.txq_release(p->txq[qid]);
	p->txq[qid] = q;
	return 0;
}

struct fl_rxq *fl_port_rxq(const struct fl_port *p, uint16_t qid)
{
	return p->rxq && qid < p->conf.nb_rxq ? p->rxq[qid] : NULL;
}

struct fl_txq *fl_port_txq(const struct fl_port *p, uint16_t qid)
{
	return p->txq && qid < p->conf.nb_txq ? p->txq[qid] : NULL;
}

/* the receive buffers can take a frame of this MTU */
static int check_mtu_fits(const struct fl_port *p, uint16_t mtu)
{
	unsigned frame = mtu + FL_ETHER_HDR_LEN + FL_ETHER_VLAN_LEN;

	if (p->conf.offloads & FL_OFF_RX_SCATTER)
		return 0;
	if (p->conf.offloads & FL_OFF_RX_KEEP_CRC)
		frame += FL_ETHER_CRC_LEN;
	for (unsigned i = 0; i < p->conf.nb_rxq; i++) {
		struct fl_rxq_info qi;

		if (!p->rxq[i] || p->ops.rxq_info(p->rxq[i], &qi) || qi.buf_size >= frame)
			continue;
		fl_err(p->log, "net",
		       "%s: MTU %u makes frames of %u bytes, receive queue %u takes %u a buffer: "
		       "turn rx_scatter on or give the pool more data_room",
		       fl_net_uri(p), mtu, frame, i, qi.buf_size);
		return -EINVAL;
	}
	return 0;
}

static int check_complete(const struct fl_port *p)
{
	for (unsigned i = 0; i < p->conf.nb_rxq; i++) {
		if (!p->rxq[i]) {
			fl_err(p->log, "net", "%s: receive queue %u of %u is not set up",
			       fl_net_uri(p), i, p->conf.nb_rxq);
			return -EINVAL;
		}
	}
	for (unsigned i = 0; i < p->conf.nb_txq; i++) {
		if (!p->txq[i]) {
			fl_err(p->log, "net", "%s: transmit queue %u of %u is not set up",
			       fl_net_uri(p), i, p->conf.nb_txq);
			return -EINVAL;
		}
	}
	return check_mtu_fits(p, p->conf.mtu);
}

int fl_port_start(struct fl_port *p)
{
	int rc;

	if (p->started)
		return 0;
	if (!p->configured) {
		fl_err(p->log, "net", "%s: start: configure the port first", fl_net_uri(p));
		return -EINVAL;
	}
	if (fl_dev_removed(p->dev)) {
		fl_err(p->log, "net",
		       "%s: start: the device is gone; fl_port_reset() brings it back once it is "
		       "there again",
		       fl_net_uri(p));
		return -ENODEV;
	}
	rc = check_complete(p);
	if (rc)
		return rc;
	rc = p->ops.start(p);
	if (rc) {
		set_bursts_none(p);
		return rc;
	}
	p->started = true;
	p->resume = false;
	if (fl_net_clock_restore(p))
		fl_warn(p->log, "net", "%s: its clock cannot be read: the device has gone",
			fl_net_uri(p));
	return 0;
}

static void stop(struct fl_port *p)
{
	fl_net_clock_save(p);
	set_bursts_none(p);
	p->ops.stop(p);
	p->started = false;
}

int fl_port_stop(struct fl_port *p)
{
	p->resume = false;
	if (p->started)
		stop(p);
	return 0;
}

bool fl_port_started(const struct fl_port *p)
{
	return p->started;
}

/* Remembers that it ran across failures, so that trying again later ends as it was. */
static void suspend(struct fl_port *p)
{
	if (!p->started)
		return;
	stop(p);
	p->resume = true;
}

void fl_port_release(struct fl_port *p)
{
	suspend(p);
	fl_dev_release(p->dev);
}

int fl_port_reset(struct fl_port *p)
{
	int rc;

	suspend(p);
	if (fl_dev_removed(p->dev)) {
		rc = fl_dev_reattach(p->dev);
		if (rc) {
			fl_info(p->log, "net", "%s: reset: the device is not back yet (%s)",
				fl_net_uri(p), strerror(-rc));
			return rc == -EOPNOTSUPP ? rc : -ENODEV;
		}
	} else if (p->failed) {
		rc = fl_dev_reset(p->dev);
		if (rc)
			fl_warn(p->log, "net",
				"%s: after its error the device is reset by its registers alone: "
				"no reset of the function (%s)",
				fl_net_uri(p), strerror(-rc));
	}
	rc = p->ops.hw_reset(p);
	if (rc)
		return rc;
	p->failed = false;
	return p->resume ? fl_port_start(p) : 0;
}

int fl_port_mtu_set(struct fl_port *p, uint16_t mtu)
{
	uint16_t old = p->conf.mtu;
	struct fl_port_info info;
	int rc;

	fl_port_info(p, &info);
	if (!p->configured) {
		fl_err(p->log, "net", "%s: MTU %u: configure the port first", fl_net_uri(p), mtu);
		return -EINVAL;
	}
	if (mtu < info.mtu_min || mtu > info.mtu_max) {
		fl_err(p->log, "net", "%s: MTU %u is outside %u..%u", fl_net_uri(p), mtu,
		       info.mtu_min, info.mtu_max);
		return -EINVAL;
	}
	rc = check_mtu_fits(p, mtu);
	if (rc || mtu == old)
		return rc;
	p->conf.mtu = mtu;
	if (!p->started)
		return 0;
	rc = p->ops.rx_mode_apply(p);
	if (rc)
		p->conf.mtu = old;
	return rc;
}
