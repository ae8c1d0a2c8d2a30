/* SPDX-License-Identifier: BSD-3-Clause */
/* Intel gigabit family: probe, life of a port, the table of operations. */
#include <stdlib.h>
#include <string.h>

#include "e1000_internal.h"

#define L2_AND_FCS 22u /* header, one VLAN tag, FCS */

static void info(const struct fl_port *p, struct fl_port_info *out)
{
	const struct fl_e1000_variant *v = fl_e1000_of(p)->v;

	out->driver = "net_e1000";
	out->chip = v->chip;
	out->rxq_max = v->rxq_max;
	out->txq_max = v->txq_max;
	out->rxd_min = 32;
	out->rxd_max = v->ring_max;
	out->rxd_align = 8;
	out->rxd_default = 512;
	out->txd_min = 32;
	out->txd_max = v->ring_max;
	out->txd_align = 8;
	out->txd_default = 512;
	out->mtu_min = 68;
	out->mtu_max = (uint16_t)(v->frame_max - L2_AND_FCS);
	out->mac_max = (uint16_t)(v->rar_count - 1);
	out->seg_max = 64;
	out->tso_max = UINT16_MAX;
	out->reta_size = v->rss_types ? 128 : 0;
	out->rss_key_size = v->rss_types ? 40 : 0;
	out->rss_types = v->rss_types;
	out->offloads = v->offloads;
	out->features = v->features;
	out->speeds = FL_SPEED_10 | FL_SPEED_100 | FL_SPEED_1000;
}

static void drain(struct fl_e1000 *e)
{
	for (unsigned i = 0; i < e->port.conf.nb_rxq; i++)
		fl_e1000_rx_drain(e->port.rxq[i]);
	for (unsigned i = 0; i < e->port.conf.nb_txq; i++)
		fl_e1000_tx_drain(e->port.txq[i]);
}

/* no packet may be freed before the chip cannot reach it any more */
static void quiesce(struct fl_e1000 *e)
{
	if (fl_dev_removed(e->port.dev))
		return;
	if (fl_e1000_reset(e) && fl_dev_enable(e->port.dev, false) && !fl_dev_removed(e->port.dev))
		e1000_err(e,
			  "%s: the device neither resets nor gives up bus mastering; its buffers "
			  "may be written until it is unplugged",
			  fl_dev_uri(e->port.dev));
}

static int start(struct fl_port *p)
{
	struct fl_e1000 *e = fl_e1000_of(p);
	int rc = e->clean ? 0 : fl_e1000_reset(e);

	if (rc)
		return rc;
	e->clean = false;
	e->v->init(e);
	rc = fl_e1000_link_start(e);
	if (rc)
		goto err;
	fl_e1000_filters_start(e);
	/* a reset has turned it off */
	if (p->timesync)
		rc = fl_e1000_timesync_apply(p);
	if (rc)
		goto err;
	fl_e1000_rx_start(e);
	fl_e1000_tx_start(e);
	fl_e1000_stats_clear_hw(e);
	rc = fl_e1000_intr_start(e);
	if (rc)
		goto err;
	fl_e1000_tx_run(e);
	fl_e1000_rx_run(e);
	if (!fl_dev_removed(p->dev))
		return 0;
	rc = -ENODEV;
err:
	fl_e1000_intr_stop(e);
	quiesce(e);
	drain(e);
	return rc;
}

static void stop(struct fl_port *p)
{
	struct fl_e1000 *e = fl_e1000_of(p);

	fl_e1000_stats_harvest(e);
	fl_e1000_intr_stop(e);
	quiesce(e);
	drain(e);
}

static int hw_reset(struct fl_port *p)
{
	return fl_e1000_reset(fl_e1000_of(p));
}

static void close_port(struct fl_port *p)
{
	struct fl_e1000 *e = fl_e1000_of(p);

	if (!fl_dev_removed(p->dev)) {
		if (e->v->pcie)
			fl_e1000_wr(e, E1000_CTRL_EXT,
				    fl_e1000_rd(e, E1000_CTRL_EXT) & ~CTRL_EXT_DRV_LOAD);
		if (fl_dev_enable(p->dev, false))
			e1000_warn(e, "%s: bus mastering stays on", fl_dev_uri(p->dev));
	}
	free(e);
}

static const struct fl_net_ops ops = {
	.info = info,
	.rxq_setup = fl_e1000_rxq_setup,
	.txq_setup = fl_e1000_txq_setup,
	.rxq_release = fl_e1000_rxq_release,
	.txq_release = fl_e1000_txq_release,
	.start = start,
	.stop = stop,
	.hw_reset = hw_reset,
	.close = close_port,
	.link_get = fl_e1000_link_get,
	.link_set = fl_e1000_link_set,
	.rx_mode_apply = fl_e1000_rx_mode_apply,
	.mac_apply = fl_e1000_mac_apply,
	.mcast_apply = fl_e1000_mcast_apply,
	.vlan_apply = fl_e1000_vlan_apply,
	.rss_apply = fl_e1000_rss_apply,
	.fc_apply = fl_e1000_fc_apply,
	.fc_get = fl_e1000_fc_get,
	.tx_hangs = fl_e1000_tx_hangs,
	.stats = fl_e1000_stats,
	.stats_reset = fl_e1000_stats_reset,
	.xstats = fl_e1000_xstats,
	.xstats_reset = fl_e1000_xstats_reset,
	.rxq_stats = fl_e1000_rxq_stats,
	.txq_stats = fl_e1000_txq_stats,
	.tx_prepare = fl_e1000_tx_prepare,
	.tx_done_cleanup = fl_e1000_tx_done_cleanup,
	.rxq_desc_status = fl_e1000_rxq_desc_status,
	.txq_desc_status = fl_e1000_txq_desc_status,
	.rxq_desc_read = fl_e1000_rxq_desc_read,
	.txq_desc_read = fl_e1000_txq_desc_read,
	.rxq_info = fl_e1000_rxq_info,
	.txq_info = fl_e1000_txq_info,
	.rxq_intr_fd = fl_e1000_rxq_intr_fd,
	.rxq_intr_enable = fl_e1000_rxq_intr_enable,
	.rxq_intr_disable = fl_e1000_rxq_intr_disable,
	.timesync_apply = fl_e1000_timesync_apply,
	.timesync_clock = fl_e1000_timesync_clock,
	.timesync_rx = fl_e1000_timesync_rx,
	.timesync_tx = fl_e1000_timesync_tx,
	.led = fl_e1000_led,
	.eeprom = fl_e1000_eeprom,
	.regs = fl_e1000_regs,
	.reg_read = fl_e1000_reg_read,
	.reg_write = fl_e1000_reg_write,
	.fw_version = fl_e1000_fw_version,
};

/* by the subsystem that nobody else gives it; our model's has the same, and another transport */
static bool is_qemu_82574(const struct fl_e1000 *e)
{
	const struct fl_pci_id *id = fl_dev_id(e->port.dev);

	return e->v->pcie && id->subvendor == 0x8086 && !id->subdevice &&
	       strcmp(fl_dev_transport(e->port.dev), "vfio-user") != 0;
}

static int probe(struct fl_dev *dev, const struct fl_driver_id *id, void **priv)
{
	struct fl_e1000 *e;
	int rc;

	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->v = id->data;
	fl_net_port_init(&e->port, dev, &ops);
	if (fl_bar_size(dev, 0) < E1000_BAR_SIZE) {
		e1000_err(e, "%s: BAR 0 has %llu bytes, a %s has %u", fl_dev_uri(dev),
			  (unsigned long long)fl_bar_size(dev, 0), e->v->chip, E1000_BAR_SIZE);
		rc = -ENODEV;
		goto err;
	}
	e->tx_paged = is_qemu_82574(e);
	/* before any memory of this port is mapped: where it stands does not change */
	rc = fl_dma_space_limit(fl_ctx_space(e->port.ctx), e->v->dma_last);
	if (rc)
		goto err;
	rc = fl_e1000_reset(e);
	if (!rc)
		rc = fl_e1000_nvm_check(e);
	if (!rc)
		rc = fl_e1000_mac_read(e, &e->port.macs[0]);
	if (rc)
		goto err_enabled;
	e->port.nmacs = 1;
	*priv = &e->port;
	return 0;

err_enabled:
	if (fl_dev_enable(dev, false) && !fl_dev_removed(dev))
		e1000_warn(e, "%s: bus mastering stays on", fl_dev_uri(dev));
err:
	fl_dev_on_event(dev, NULL, NULL);
	free(e);
	return rc;
}

static void remove_port(void *priv)
{
	struct fl_port *p = priv;

	p->ops.close(p);
}

static const struct fl_driver_id ids[] = {
	{ 0x8086, 0x100e, &fl_e1000_82540 },
	{ 0x8086, 0x10d3, &fl_e1000_82574 },
	{ 0 },
};

const struct fl_driver fl_e1000_driver = {
	.name = "net_e1000",
	.cls = FL_CLASS_NET,
	.ids = ids,
	.probe = probe,
	.remove = remove_port,
};
