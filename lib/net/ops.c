/* SPDX-License-Identifier: BSD-3-Clause */
/* What an operation answers that a driver did not supply. */
#include <string.h>

#include "net_internal.h"

static void none_info(const struct fl_port *p, struct fl_port_info *out)
{
}

static int none_rxq_setup(struct fl_port *p, uint16_t qid, const struct fl_rxq_conf *c,
			  struct fl_rxq **q)
{
	return -EOPNOTSUPP;
}

static int none_txq_setup(struct fl_port *p, uint16_t qid, const struct fl_txq_conf *c,
			  struct fl_txq **q)
{
	return -EOPNOTSUPP;
}

static void none_rxq_void(struct fl_rxq *q)
{
}

static void none_txq_void(struct fl_txq *q)
{
}

static int none_port(struct fl_port *p)
{
	return -EOPNOTSUPP;
}

static void none_port_void(struct fl_port *p)
{
}

static int none_link_get(struct fl_port *p, struct fl_link *out)
{
	return -EOPNOTSUPP;
}

static int none_bool(struct fl_port *p, bool on)
{
	return -EOPNOTSUPP;
}

static int none_vlan(struct fl_port *p, uint16_t vid)
{
	return -EOPNOTSUPP;
}

static int none_fc_get(struct fl_port *p, struct fl_flow_ctrl *out)
{
	return -EOPNOTSUPP;
}

static int none_stats(struct fl_port *p, struct fl_port_stats *out)
{
	return -EOPNOTSUPP;
}

static int none_xstats(struct fl_port *p, struct fl_xstat *out, unsigned max)
{
	return -EOPNOTSUPP;
}

static int none_rxq_stats(struct fl_rxq *q, struct fl_queue_stats *out)
{
	return -EOPNOTSUPP;
}

static int none_txq_stats(struct fl_txq *q, struct fl_queue_stats *out)
{
	return -EOPNOTSUPP;
}

/* a driver without rules of its own has nothing against a packet that the core lets pass */
static uint16_t none_tx_prepare(struct fl_txq *q, struct fl_pkt **pkts, uint16_t n)
{
	return n;
}

static int none_cleanup(struct fl_txq *q, uint32_t n)
{
	return -EOPNOTSUPP;
}

static int none_rxq_off(struct fl_rxq *q, uint16_t off)
{
	return -EOPNOTSUPP;
}

static int none_txq_off(struct fl_txq *q, uint16_t off)
{
	return -EOPNOTSUPP;
}

static int none_rxq_read(struct fl_rxq *q, uint16_t pos, uint64_t out[2])
{
	return -EOPNOTSUPP;
}

static int none_txq_read(struct fl_txq *q, uint16_t pos, uint64_t out[2])
{
	return -EOPNOTSUPP;
}

static int none_rxq_info(struct fl_rxq *q, struct fl_rxq_info *out)
{
	return -EOPNOTSUPP;
}

static int none_txq_info(struct fl_txq *q, struct fl_txq_info *out)
{
	return -EOPNOTSUPP;
}

static int none_rxq(struct fl_rxq *q)
{
	return -EOPNOTSUPP;
}

static int none_time(struct fl_port *p, uint64_t *ns)
{
	return -EOPNOTSUPP;
}

static int none_eeprom(struct fl_port *p, void *buf, size_t len)
{
	return -EOPNOTSUPP;
}

static int none_regs(struct fl_port *p, struct fl_reg *out, unsigned max)
{
	return -EOPNOTSUPP;
}

static int none_reg_read(struct fl_port *p, uint32_t off, uint32_t *v)
{
	return -EOPNOTSUPP;
}

static int none_reg_write(struct fl_port *p, uint32_t off, uint32_t v)
{
	return -EOPNOTSUPP;
}

static int none_fw_version(struct fl_port *p, char *buf, size_t len)
{
	return -EOPNOTSUPP;
}

static const struct fl_net_ops none = {
	.info = none_info,
	.rxq_setup = none_rxq_setup,
	.txq_setup = none_txq_setup,
	.rxq_release = none_rxq_void,
	.txq_release = none_txq_void,
	.start = none_port,
	.stop = none_port_void,
	.hw_reset = none_port,
	.close = none_port_void,
	.link_get = none_link_get,
	.link_set = none_bool,
	.rx_mode_apply = none_port,
	.mac_apply = none_port,
	.mcast_apply = none_port,
	.vlan_apply = none_vlan,
	.rss_apply = none_port,
	.fc_apply = none_port,
	.fc_get = none_fc_get,
	.tx_hangs = none_port,
	.stats = none_stats,
	.stats_reset = none_port,
	.xstats = none_xstats,
	.xstats_reset = none_port,
	.rxq_stats = none_rxq_stats,
	.txq_stats = none_txq_stats,
	.tx_prepare = none_tx_prepare,
	.tx_done_cleanup = none_cleanup,
	.rxq_desc_status = none_rxq_off,
	.txq_desc_status = none_txq_off,
	.rxq_desc_read = none_rxq_read,
	.txq_desc_read = none_txq_read,
	.rxq_info = none_rxq_info,
	.txq_info = none_txq_info,
	.rxq_intr_fd = none_rxq,
	.rxq_intr_enable = none_rxq,
	.rxq_intr_disable = none_rxq,
	.timesync_apply = none_port,
	.timesync_clock = none_time,
	.timesync_rx = none_time,
	.timesync_tx = none_time,
	.led = none_bool,
	.eeprom = none_eeprom,
	.regs = none_regs,
	.reg_read = none_reg_read,
	.reg_write = none_reg_write,
	.fw_version = none_fw_version,
};

void fl_net_ops_complete(struct fl_net_ops *ops)
{
	typedef void (*entry)(void);
	enum { N = sizeof(*ops) / sizeof(entry) };
	entry have[N], fallback[N];

	_Static_assert(sizeof(*ops) % sizeof(entry) == 0, "the table holds nothing but functions");
	memcpy(have, ops, sizeof(have));
	memcpy(fallback, &none, sizeof(fallback));
	for (unsigned i = 0; i < N; i++) {
		if (!have[i])
			have[i] = fallback[i];
	}
	memcpy(ops, have, sizeof(have));
}
