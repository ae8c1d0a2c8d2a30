/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Link, filters, RSS, flow control. The pattern of each: check, change what the port keeps, program
 * a port that runs, and put the old value back where that failed.
 */
#include <string.h>
#include <time.h>

#include "net_internal.h"

#define LINK_POLL_NS 2000000l

static bool same_mac(const struct fl_mac *a, const struct fl_mac *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static bool valid_unicast(const struct fl_mac *m)
{
	static const struct fl_mac zero;

	return !(m->b[0] & 1) && !same_mac(m, &zero);
}

static int check_unicast(const struct fl_port *p, const struct fl_mac *m)
{
	if (valid_unicast(m))
		return 0;
	fl_err(p->log, "net",
	       "%s: %02x:%02x:%02x:%02x:%02x:%02x is no unicast address (multicast ones go to "
	       "fl_port_mcast_set())",
	       fl_net_uri(p), m->b[0], m->b[1], m->b[2], m->b[3], m->b[4], m->b[5]);
	return -EINVAL;
}

static int find_mac(const struct fl_port *p, const struct fl_mac *mac)
{
	for (unsigned i = 0; i < p->nmacs; i++) {
		if (same_mac(&p->macs[i], mac))
			return (int)i;
	}
	return -1;
}

/* ---- link ----------------------------------------------------------------------------- */

int fl_port_link(struct fl_port *p, struct fl_link *out)
{
	int rc;

	memset(out, 0, sizeof(*out));
	rc = p->ops.link_get(p, out);
	fl_net_watch(p);
	return rc;
}

int fl_port_link_wait(struct fl_port *p, int timeout_ms)
{
	uint64_t end = fl_now_ns() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * 1000000u;
	struct timespec nap = { .tv_nsec = LINK_POLL_NS };

	for (;;) {
		struct fl_link link;
		int rc = fl_port_link(p, &link);

		if (rc || link.up)
			return rc;
		if (timeout_ms >= 0 && fl_now_ns() >= end)
			return -ETIMEDOUT;
		nanosleep(&nap, NULL);
	}
}

int fl_port_link_set(struct fl_port *p, bool up)
{
	bool old = p->link_wanted;
	int rc;

	p->link_wanted = up;
	if (!p->started)
		return 0;
	rc = p->ops.link_set(p, up);
	if (rc)
		p->link_wanted = old;
	return rc;
}

int fl_net_check_speeds(const struct fl_port *p, const struct fl_port_info *info, uint32_t speeds)
{
	uint32_t known = FL_SPEED_HALF | FL_SPEED_FULL | FL_SPEED_FIXED;
	uint32_t want = speeds & (FL_SPEED_10 | FL_SPEED_100 | FL_SPEED_1000);

	if (!speeds)
		return 0;
	if (!(info->features & FL_FEAT_LINK_SPEED)) {
		fl_err(p->log, "net", "%s: %s has no choice of speeds: leave speeds 0",
		       fl_net_uri(p), info->chip);
		return -EOPNOTSUPP;
	}
	if (speeds & ~(known | info->speeds)) {
		fl_err(p->log, "net", "%s: speeds 0x%x; %s knows 0x%x", fl_net_uri(p), speeds,
		       info->chip, known | info->speeds);
		return -EINVAL;
	}
	if (speeds & FL_SPEED_FIXED && want != FL_SPEED_10 && want != FL_SPEED_100) {
		fl_err(p->log, "net",
		       "%s: speeds 0x%x: without autonegotiation it is either 10 or 100 Mbit/s; "
		       "leave FL_SPEED_FIXED out",
		       fl_net_uri(p), speeds);
		return -EINVAL;
	}
	if (speeds & FL_SPEED_FIXED && speeds & FL_SPEED_HALF && speeds & FL_SPEED_FULL) {
		fl_err(p->log, "net",
		       "%s: speeds 0x%x: without autonegotiation it is half or full duplex",
		       fl_net_uri(p), speeds);
		return -EINVAL;
	}
	if (want == FL_SPEED_1000 && speeds & FL_SPEED_HALF && !(speeds & FL_SPEED_FULL)) {
		fl_err(p->log, "net", "%s: 1000 Mbit/s has no half duplex: take full duplex",
		       fl_net_uri(p));
		return -EINVAL;
	}
	return 0;
}

int fl_port_speed_set(struct fl_port *p, uint32_t speeds)
{
	uint32_t old = p->conf.speeds;
	struct fl_port_info info;
	int rc;

	if (!p->configured) {
		fl_err(p->log, "net", "%s: speeds: configure the port first", fl_net_uri(p));
		return -EINVAL;
	}
	fl_port_info(p, &info);
	rc = fl_net_check_speeds(p, &info, speeds);
	if (rc)
		return rc;
	p->conf.speeds = speeds;
	rc = p->started ? p->ops.link_set(p, p->link_wanted) : 0;
	if (rc)
		p->conf.speeds = old;
	return rc;
}

/* ---- receive filters ------------------------------------------------------------------ */

static int apply_bool(struct fl_port *p, bool *field, bool on)
{
	bool old = *field;
	int rc;

	if (old == on)
		return 0;
	*field = on;
	rc = p->started ? p->ops.rx_mode_apply(p) : 0;
	if (rc)
		*field = old;
	return rc;
}

int fl_port_promisc(struct fl_port *p, bool on)
{
	return apply_bool(p, &p->promisc, on);
}

int fl_port_allmulti(struct fl_port *p, bool on)
{
	return apply_bool(p, &p->allmulti, on);
}

bool fl_port_is_promisc(const struct fl_port *p)
{
	return p->promisc;
}

bool fl_port_is_allmulti(const struct fl_port *p)
{
	return p->allmulti;
}

int fl_port_mac(const struct fl_port *p, struct fl_mac *out)
{
	*out = p->macs[0];
	return 0;
}

int fl_port_mac_set(struct fl_port *p, const struct fl_mac *mac)
{
	struct fl_mac old = p->macs[0];
	int rc = check_unicast(p, mac);

	if (rc)
		return rc;
	if (find_mac(p, mac) > 0)
		return -EEXIST;
	p->macs[0] = *mac;
	rc = p->started ? p->ops.mac_apply(p) : 0;
	if (rc)
		p->macs[0] = old;
	return rc;
}

int fl_port_mac_add(struct fl_port *p, const struct fl_mac *mac)
{
	struct fl_port_info info;
	int rc = check_unicast(p, mac);

	if (rc)
		return rc;
	if (find_mac(p, mac) >= 0)
		return -EEXIST;
	fl_port_info(p, &info);
	if (p->nmacs > info.mac_max || p->nmacs >= FL_MAC_MAX) {
		fl_err(p->log, "net",
		       "%s: all %u address filters are taken: remove one, or use promiscuous mode",
		       fl_net_uri(p), info.mac_max);
		return -ENOSPC;
	}
	p->macs[p->nmacs++] = *mac;
	rc = p->started ? p->ops.mac_apply(p) : 0;
	if (rc)
		p->nmacs--;
	return rc;
}

int fl_port_mac_remove(struct fl_port *p, const struct fl_mac *mac)
{
	int at = find_mac(p, mac), rc;
	struct fl_mac old, last;

	if (at < 0)
		return -ENOENT;
	if (at == 0) {
		fl_err(p->log, "net", "%s: a port's own address can be changed, not removed",
		       fl_net_uri(p));
		return -EINVAL;
	}
	/* the order of the others does not matter: the last one fills the hole */
	old = p->macs[at];
	last = p->macs[--p->nmacs];
	p->macs[at] = last;
	rc = p->started ? p->ops.mac_apply(p) : 0;
	if (rc) {
		p->macs[p->nmacs++] = last;
		p->macs[at] = old;
	}
	return rc;
}

int fl_port_mcast_set(struct fl_port *p, const struct fl_mac *list, unsigned n)
{
	struct fl_mac old[FL_MCAST_MAX];
	unsigned nold = p->nmcast;
	int rc;

	if (n > FL_MCAST_MAX) {
		fl_err(p->log, "net", "%s: %u multicast addresses, at most %u: use allmulticast",
		       fl_net_uri(p), n, FL_MCAST_MAX);
		return -ENOSPC;
	}
	for (unsigned i = 0; i < n; i++) {
		if (!(list[i].b[0] & 1)) {
			fl_err(p->log, "net",
			       "%s: multicast address %u begins with %02x, an even byte",
			       fl_net_uri(p), i, list[i].b[0]);
			return -EINVAL;
		}
	}
	memcpy(old, p->mcast, sizeof(old));
	if (n)
		memcpy(p->mcast, list, n * sizeof(*list));
	p->nmcast = n;
	rc = p->started ? p->ops.mcast_apply(p) : 0;
	if (rc) {
		memcpy(p->mcast, old, sizeof(old));
		p->nmcast = nold;
	}
	return rc;
}

int fl_port_vlan_filter(struct fl_port *p, uint16_t vid, bool on)
{
	uint32_t bit = 1u << (vid & 31), old;
	int rc;

	if (vid > 4095) {
		fl_err(p->log, "net", "%s: VLAN %u is not in 0..4095", fl_net_uri(p), vid);
		return -EINVAL;
	}
	old = p->vfta[vid >> 5];
	p->vfta[vid >> 5] = on ? old | bit : old & ~bit;
	rc = p->started ? p->ops.vlan_apply(p, vid) : 0;
	if (rc)
		p->vfta[vid >> 5] = old;
	return rc;
}

int fl_port_vlan_offload(struct fl_port *p, uint64_t offloads)
{
	const uint64_t may = FL_OFF_RX_VLAN_STRIP | FL_OFF_RX_VLAN_FILTER;
	uint64_t old = p->conf.offloads;
	struct fl_port_info info;
	int rc;

	fl_port_info(p, &info);
	if (offloads & ~may) {
		fl_err(p->log, "net", "%s: %s cannot change while the port is configured",
		       fl_net_uri(p), fl_net_first_offload(offloads & ~may));
		return -EINVAL;
	}
	if (offloads & ~info.offloads) {
		fl_err(p->log, "net", "%s: %s cannot do %s", fl_net_uri(p), info.chip,
		       fl_net_first_offload(offloads & ~info.offloads));
		return -EOPNOTSUPP;
	}
	p->conf.offloads = (old & ~may) | offloads;
	rc = p->started ? p->ops.rx_mode_apply(p) : 0;
	if (rc)
		p->conf.offloads = old;
	return rc;
}

/* ---- flow control and RSS ------------------------------------------------------------- */

int fl_port_flow_ctrl_get(struct fl_port *p, struct fl_flow_ctrl *out)
{
	return p->ops.fc_get(p, out);
}

int fl_port_flow_ctrl_set(struct fl_port *p, const struct fl_flow_ctrl *fc)
{
	struct fl_flow_ctrl old = p->fc;
	struct fl_port_info info;
	int rc;

	fl_port_info(p, &info);
	if (!(info.features & FL_FEAT_FLOW_CTRL))
		return -EOPNOTSUPP;
	if ((unsigned)fc->mode > FL_FC_FULL ||
	    (fc->high_water && fc->low_water >= fc->high_water)) {
		fl_err(p->log, "net",
		       "%s: flow control mode %u, low mark %u, high mark %u: the low "
		       "mark must be below the high one",
		       fl_net_uri(p), (unsigned)fc->mode, fc->low_water, fc->high_water);
		return -EINVAL;
	}
	p->fc = *fc;
	rc = p->started ? p->ops.fc_apply(p) : 0;
	if (rc)
		p->fc = old;
	return rc;
}

int fl_port_rss_set(struct fl_port *p, const struct fl_rss_conf *rss)
{
	struct fl_rss_conf old = p->conf.rss;
	struct fl_port_info info;
	int rc;

	fl_port_info(p, &info);
	if (!(info.features & FL_FEAT_RSS))
		return -EOPNOTSUPP;
	if (rss->types & ~info.rss_types) {
		fl_err(p->log, "net", "%s: RSS types 0x%x asked, 0x%x offered", fl_net_uri(p),
		       rss->types, info.rss_types);
		return -EOPNOTSUPP;
	}
	if (rss->key_len && rss->key_len != info.rss_key_size) {
		fl_err(p->log, "net", "%s: RSS key of %u bytes; it takes %u (0 keeps the key)",
		       fl_net_uri(p), rss->key_len, info.rss_key_size);
		return -EINVAL;
	}
	p->conf.rss.types = rss->types;
	if (rss->key_len)
		memcpy(p->conf.rss.key, rss->key, rss->key_len);
	rc = p->started ? p->ops.rss_apply(p) : 0;
	if (rc)
		p->conf.rss = old;
	return rc;
}

int fl_port_rss_get(struct fl_port *p, struct fl_rss_conf *out)
{
	struct fl_port_info info;

	fl_port_info(p, &info);
	if (!(info.features & FL_FEAT_RSS))
		return -EOPNOTSUPP;
	*out = p->conf.rss;
	out->key_len = (uint8_t)info.rss_key_size;
	return 0;
}

static int check_reta(const struct fl_port *p, const struct fl_port_info *info, unsigned n)
{
	if (!info->reta_size)
		return -EOPNOTSUPP;
	if (n == info->reta_size)
		return 0;
	fl_err(p->log, "net", "%s: RSS table of %u entries; it has %u", fl_net_uri(p), n,
	       info->reta_size);
	return -EINVAL;
}

int fl_port_reta_set(struct fl_port *p, const uint16_t *reta, unsigned n)
{
	uint16_t old[FL_RSS_RETA_MAX];
	struct fl_port_info info;
	int rc;

	fl_port_info(p, &info);
	rc = check_reta(p, &info, n);
	if (rc)
		return rc;
	for (unsigned i = 0; i < n; i++) {
		if (reta[i] >= p->conf.nb_rxq) {
			fl_err(p->log, "net", "%s: RSS table entry %u names queue %u of %u",
			       fl_net_uri(p), i, reta[i], p->conf.nb_rxq);
			return -EINVAL;
		}
	}
	memcpy(old, p->reta, sizeof(old));
	memcpy(p->reta, reta, n * sizeof(*reta));
	rc = p->started ? p->ops.rss_apply(p) : 0;
	if (rc)
		memcpy(p->reta, old, sizeof(old));
	return rc;
}

int fl_port_reta_get(struct fl_port *p, uint16_t *reta, unsigned n)
{
	struct fl_port_info info;
	int rc;

	fl_port_info(p, &info);
	rc = check_reta(p, &info, n);
	if (rc)
		return rc;
	memcpy(reta, p->reta, n * sizeof(*reta));
	return 0;
}
