/* SPDX-License-Identifier: BSD-3-Clause */
#include "net_internal.h"

static const char *const offload_names[] = {
	[0] = "rx_ip_csum",	 [1] = "rx_l4_csum",	[2] = "rx_vlan_strip",
	[3] = "rx_vlan_filter",	 [4] = "rx_keep_crc",	[5] = "rx_scatter",
	[6] = "rx_rss_hash",	 [7] = "rx_ptype",	[16] = "tx_ip_csum",
	[17] = "tx_tcp_csum",	 [18] = "tx_udp_csum",	[19] = "tx_tso",
	[20] = "tx_vlan_insert", [21] = "tx_multi_seg",
};

static const char *const feature_names[] = {
	"link_status", "link_event",  "link_set",	 "rx_interrupt", "mtu",	   "promisc",
	"allmulti",    "mac_filter",  "mcast_filter",	 "vlan_filter",	 "rss",	   "rss_key",
	"rss_reta",    "flow_ctrl",   "desc_status",	 "stats",	 "xstats", "queue_stats",
	"regs_dump",   "eeprom_dump", "tx_done_cleanup", "led",		 "reset",  "removal",
	"fw_version",  "timesync",    "link_speed",
};

const char *fl_offload_name(unsigned bit)
{
	if (bit >= FL_ARRAY_SIZE(offload_names))
		return NULL;
	return offload_names[bit] ? offload_names[bit] : "";
}

const char *fl_feature_name(unsigned bit)
{
	return bit < FL_ARRAY_SIZE(feature_names) ? feature_names[bit] : NULL;
}

const char *fl_net_first_offload(uint64_t bits)
{
	const char *name = bits ? fl_offload_name((unsigned)__builtin_ctzll(bits)) : NULL;

	return name && *name ? name : "unknown";
}
