/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that change a port: life, configuration, filters, offloads. */
#include "cmd.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- life ----------------------------------------------------------------------------- */

enum { LIFE_START, LIFE_STOP, LIFE_CLOSE, LIFE_RESET };

static int life_one(struct tp *tp, unsigned id, const struct tp_arg *a)
{
	int ret;

	if (a[0].num != LIFE_RESET && tp_port_forwards(tp, id)) {
		fprintf(stderr, "Port %u forwards: `stop` first\n", id);
		return -EBUSY;
	}
	switch (a[0].num) {
	case LIFE_START:
		return tp_port_start(tp, id);
	case LIFE_STOP:
		return tp_port_stop(tp, id);
	case LIFE_RESET:
		ret = tp_port_reset(tp, id);
		if (!ret)
			printf("Port %u is reset\n", id);
		return ret;
	default:
		if (tp->forwarding)
			return -EBUSY; /* its streams' counters are still to be shown */
		tp_port_close(tp, id);
		return 0;
	}
}

TP_CMD(port_life)
{
	int ret = tp_each(tp, &a[1], a[0].str, life_one, a);

	if (!ret && a[0].num == LIFE_START)
		tp_ports_link_wait(tp);
	printf("Done\n");
	return ret;
}

TP_CMD(port_attach)
{
	unsigned id;
	int ret = tp_port_attach(tp, a[0].str, &id);

	if (ret)
		return ret;
	tp->fwd_ports[tp->nfwd_ports++] = id;
	printf("Port %u is attached. Now total ports is %u (port start %u)\n", id, tp->nfwd_ports,
	       id);
	return 0;
}

TP_CMD(port_detach)
{
	tp_port_close(tp, (unsigned)a[0].num);
	printf("Port %u is detached\n", (unsigned)a[0].num);
	return 0;
}

/* ---- configuration -------------------------------------------------------------------- */

/** After a refused setting was taken back: the port runs on as before. */
static void run_on(struct tp *tp, unsigned id, bool started)
{
	if (tp_port_reconf(tp, id) || (started && tp_port_start(tp, id)))
		fprintf(stderr, "Port %u stays stopped\n", id);
}

static int config_one(struct tp *tp, unsigned id, const struct tp_arg *a)
{
	struct tp_port *p = &tp->ports[id];
	struct fl_port_info *i = &p->info;
	struct {
		uint16_t *value, min, max;
	} field[] = { { &p->rxq, 1, i->rxq_max },
		      { &p->txq, 1, i->txq_max },
		      { &p->rxd, i->rxd_min, i->rxd_max },
		      { &p->txd, i->txd_min, i->txd_max } },
	  *f = &field[a[0].num];
	bool started = fl_port_started(tp->ports[id].port);
	uint16_t before = *f->value;
	int ret;

	if (a[1].num < f->min || a[1].num > f->max) {
		fprintf(stderr, "Port %u takes %u to %u\n", id, f->min, f->max);
		return -EINVAL;
	}
	*f->value = (uint16_t)a[1].num;
	ret = tp_port_reconf(tp, id);
	if (!ret)
		return 0;
	*f->value = before;
	run_on(tp, id, started);
	return ret;
}

TP_CMD(config_all)
{
	struct tp_arg all = { .ports = UINT64_MAX };

	return tp_each(tp, &all, a[0].str, config_one, a);
}

static int mtu_one(struct tp *tp, unsigned id, const struct tp_arg *a)
{
	struct tp_port *p = &tp->ports[id];
	int ret = fl_port_mtu_set(p->port, (uint16_t)a[1].num);

	if (!ret)
		p->mtu = (uint16_t)a[1].num;
	return ret;
}

TP_CMD(config_mtu)
{
	return tp_each(tp, &a[0], "mtu", mtu_one, a);
}

static int speed_one(struct tp *tp, unsigned id, const struct tp_arg *a)
{
	static const uint32_t speed[] = { FL_SPEED_10, FL_SPEED_100, FL_SPEED_1000, 0 };
	static const uint32_t duplex[] = { FL_SPEED_HALF, FL_SPEED_FULL, 0 };
	uint32_t v = speed[a[1].num] | (a[2].num ? FL_SPEED_FIXED : 0) | duplex[a[3].num];
	int ret = fl_port_speed_set(tp->ports[id].port, v);

	if (!ret)
		tp->ports[id].speeds = v;
	return ret;
}

TP_CMD(config_speed)
{
	return tp_each(tp, &a[0], "speed", speed_one, a);
}

TP_CMD(config_max_len)
{
	struct tp_arg mtu[2] = { { .ports = UINT64_MAX }, { .num = a[0].num - 18 } };

	return tp_each(tp, &mtu[0], "max-pkt-len", mtu_one, mtu);
}

static int offload_one(struct tp *tp, unsigned id, const struct tp_arg *a)
{
	int bit = tp_offload_bit(a[2].str, a[1].num == 0, a[1].num == 1);
	struct tp_port *p = &tp->ports[id];
	bool started = fl_port_started(p->port);
	uint64_t before = p->offloads;
	int ret;

	if (bit < 0) {
		fprintf(stderr, "No %s is called %s (show port cap %u)\n", a[1].str, a[2].str, id);
		return bit;
	}
	if (a[3].num == 0 && !(p->info.offloads & 1ull << bit))
		return -EOPNOTSUPP;
	if (a[3].num == 0)
		p->offloads |= 1ull << bit;
	else
		p->offloads &= ~(1ull << bit);
	ret = tp_port_reconf(tp, id);
	if (ret) {
		p->offloads = before;
		run_on(tp, id, started);
	}
	return ret;
}

TP_CMD(config_offload)
{
	return tp_each(tp, &a[0], a[1].str, offload_one, a);
}

static int rss_one(struct tp *tp, unsigned id, const struct tp_arg *a)
{
	static const uint32_t types[] = { UINT32_MAX, FL_RSS_IPV4 | FL_RSS_IPV6,
					  FL_RSS_TCP_IPV4 | FL_RSS_TCP_IPV6,
					  FL_RSS_UDP_IPV4 | FL_RSS_UDP_IPV6, 0 };
	struct tp_port *p = &tp->ports[id];
	struct fl_rss_conf rss = { .types = types[a[0].num] & p->info.rss_types };
	int ret;

	if (types[a[0].num] && !rss.types)
		return -EOPNOTSUPP;
	ret = fl_port_rss_set(p->port, &rss);
	if (!ret) {
		p->rss.types = rss.types;
		p->rss_set = true;
	}
	return ret;
}

TP_CMD(config_rss)
{
	struct tp_arg all = { .ports = UINT64_MAX };

	return tp_each(tp, &all, "rss", rss_one, a);
}

TP_CMD(rss_key)
{
	struct tp_port *p = &tp->ports[a[0].num];
	struct fl_rss_conf rss = p->rss;
	const char *hex = a[1].str;
	size_t n = strlen(hex) / 2;
	int ret;

	if (strlen(hex) % 2 || n != p->info.rss_key_size) {
		fprintf(stderr, "The key of port %u has %u bytes, so %u digits\n",
			(unsigned)a[0].num, p->info.rss_key_size, p->info.rss_key_size * 2u);
		return -EINVAL;
	}
	for (size_t i = 0; i < n; i++) {
		unsigned v;

		if (!isxdigit((unsigned char)hex[2 * i]) || sscanf(hex + 2 * i, "%2x", &v) != 1)
			return tp_fail("the key wants hexadecimal digits", -EINVAL);
		rss.key[i] = (uint8_t)v;
	}
	rss.key_len = (uint8_t)n;
	ret = fl_port_rss_set(p->port, &rss);
	if (!ret) {
		p->rss = rss;
		p->rss_set = true;
	}
	return tp_fail("rss-hash-key", ret);
}

TP_CMD(rss_reta)
{
	struct tp_port *p = &tp->ports[a[0].num];
	uint16_t reta[FL_RSS_RETA_MAX];
	unsigned list[FL_RSS_RETA_MAX];
	int n = tp_parse_list(a[1].str, list, FL_RSS_RETA_MAX, p->rxq);

	if (n < 0)
		return tp_fail("reta wants receive queues of the port, e.g. 0,1", n);
	for (unsigned i = 0; i < p->info.reta_size; i++)
		reta[i] = (uint16_t)list[i % (unsigned)n];
	return tp_fail("reta", fl_port_reta_set(p->port, reta, p->info.reta_size));
}

TP_CMD(port_cleanup)
{
	struct tp_port *p = &tp->ports[a[0].num];
	struct fl_txq *q = a[1].num < p->txq ? fl_port_txq(p->port, (uint16_t)a[1].num) : NULL;
	int n = q ? fl_tx_done_cleanup(q, (uint32_t)a[2].num) : -ENOENT;

	if (n < 0)
		return tp_fail("cleanup", n);
	printf("Port %u txq %u: %d packets freed\n", (unsigned)a[0].num, (unsigned)a[1].num, n);
	return 0;
}

/* ---- switches ------------------------------------------------------------------------- */

static int promisc_one(struct tp *tp, unsigned id, const struct tp_arg *a)
{
	return fl_port_promisc(tp->ports[id].port, a[1].num == 0);
}

TP_CMD(set_promisc)
{
	return tp_each(tp, &a[0], "promisc", promisc_one, a);
}

static int allmulti_one(struct tp *tp, unsigned id, const struct tp_arg *a)
{
	return fl_port_allmulti(tp->ports[id].port, a[1].num == 0);
}

TP_CMD(set_allmulti)
{
	return tp_each(tp, &a[0], "allmulti", allmulti_one, a);
}

TP_CMD(set_link)
{
	return tp_fail(a[0].str, fl_port_link_set(tp->ports[a[1].num].port, a[0].num == 0));
}

TP_CMD(set_led)
{
	return tp_fail("led", fl_port_led(tp->ports[a[0].num].port, a[1].num == 0));
}

static int flow_ctrl(struct tp *tp, unsigned id, bool rx, bool tx, struct fl_flow_ctrl *fc)
{
	fc->mode = rx ? tx ? FL_FC_FULL : FL_FC_RX : tx ? FL_FC_TX : FL_FC_NONE;
	return tp_fail("flow_ctrl", fl_port_flow_ctrl_set(tp->ports[id].port, fc));
}

TP_CMD(set_fc)
{
	struct fl_flow_ctrl fc = { 0 };

	return flow_ctrl(tp, (unsigned)a[2].num, a[0].num == 0, a[1].num == 0, &fc);
}

TP_CMD(set_fc_full)
{
	struct fl_flow_ctrl fc = { .high_water = (uint32_t)a[2].num,
				   .low_water = (uint32_t)a[3].num,
				   .pause_time = (uint16_t)a[4].num };

	return flow_ctrl(tp, (unsigned)a[5].num, a[0].num == 0, a[1].num == 0, &fc);
}

/* ---- filters -------------------------------------------------------------------------- */

TP_CMD(mac_addr)
{
	static int (*const op[])(struct fl_port *, const struct fl_mac *) = { fl_port_mac_add,
									      fl_port_mac_remove,
									      fl_port_mac_set };
	struct tp_port *p = &tp->ports[a[1].num];
	int ret = op[a[0].num](p->port, &a[2].mac);

	if (!ret && a[0].num == 2)
		p->mac = a[2].mac;
	return tp_fail("mac_addr", ret);
}

TP_CMD(mcast_addr)
{
	struct tp_port *p = &tp->ports[a[1].num];
	struct fl_mac list[TP_MAX_MCAST];
	unsigned n = p->nmcast, i = 0;
	bool add = a[0].num == 0;
	int ret;

	memcpy(list, p->mcast, n * sizeof(list[0]));
	while (i < n && memcmp(&list[i], &a[2].mac, sizeof(list[0])))
		i++;
	if (add == (i < n))
		return tp_fail("mcast_addr", add ? -EEXIST : -ENOENT);
	if (add && n == TP_MAX_MCAST)
		return tp_fail("mcast_addr", -ENOSPC);
	if (add)
		list[n++] = a[2].mac;
	else
		list[i] = list[--n];
	ret = fl_port_mcast_set(p->port, list, n);
	if (!ret) {
		memcpy(p->mcast, list, n * sizeof(list[0]));
		p->nmcast = n;
	}
	return tp_fail("mcast_addr", ret);
}

static int vlan_one(struct tp *tp, unsigned id, const struct tp_arg *a)
{
	struct tp_port *p = &tp->ports[id];
	uint64_t bit = a[0].num == 0 ? FL_OFF_RX_VLAN_STRIP : FL_OFF_RX_VLAN_FILTER;
	uint64_t off = a[1].num == 0 ? p->offloads | bit : p->offloads & ~bit;
	int ret =
		fl_port_vlan_offload(p->port, off & (FL_OFF_RX_VLAN_STRIP | FL_OFF_RX_VLAN_FILTER));

	if (!ret)
		p->offloads = off;
	return ret;
}

TP_CMD(vlan_set)
{
	return tp_each(tp, &a[2], "vlan set", vlan_one, a);
}

static int rx_vlan_one(struct tp *tp, unsigned id, const struct tp_arg *a)
{
	return fl_port_vlan_filter(tp->ports[id].port, (uint16_t)a[1].num, a[0].num == 0);
}

TP_CMD(rx_vlan)
{
	return tp_each(tp, &a[2], "rx_vlan", rx_vlan_one, a);
}

TP_CMD(rx_vlan_all)
{
	int ret = 0;

	for (uint16_t vid = 0; !ret && vid < 4096; vid++) {
		struct tp_arg one[2] = { a[0], { .num = vid } };

		ret = tp_each(tp, &a[1], "rx_vlan", rx_vlan_one, one);
	}
	return ret;
}

TP_CMD(tx_vlan_set)
{
	struct tp_port *p = &tp->ports[a[0].num];

	if (!(p->info.offloads & FL_OFF_TX_VLAN))
		return tp_fail("tx_vlan", -EOPNOTSUPP);
	p->tx_vlan_on = true;
	p->tx_vlan = (uint16_t)a[1].num;
	return tp_port_reconf(tp, (unsigned)a[0].num);
}

TP_CMD(tx_vlan_reset)
{
	tp->ports[a[0].num].tx_vlan_on = false;
	return tp_port_reconf(tp, (unsigned)a[0].num);
}
