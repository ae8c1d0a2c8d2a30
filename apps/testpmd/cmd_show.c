/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that show something. */
#include "cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_mac(const char *name, const struct fl_mac *m)
{
	printf("%s%02X:%02X:%02X:%02X:%02X:%02X\n", name, m->b[0], m->b[1], m->b[2], m->b[3],
	       m->b[4], m->b[5]);
}

/** Names of the set bits of one word, four a line. */
static void print_bits(uint64_t bits, const char *(*name)(unsigned bit))
{
	unsigned n = 0;

	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(bits & 1ull << bit) || !name(bit) || !*name(bit))
			continue;
		printf("%s%-18s", n % 4 ? " " : n ? "\n    " : "    ", name(bit));
		n++;
	}
	printf("%s\n", n ? "" : "    none");
}

/* ---- ports ---------------------------------------------------------------------------- */

/** "1 Gbps", "100 Mbps". */
static const char *speed_text(unsigned mbps, char out[24])
{
	if (mbps >= 1000 && mbps % 1000 == 0)
		snprintf(out, 24, "%u Gbps", mbps / 1000);
	else
		snprintf(out, 24, "%u Mbps", mbps);
	return out;
}

static const char *const rss_types[] = { "ipv4",     "ipv4-tcp", "ipv6",
					 "ipv6-tcp", "ipv4-udp", "ipv6-udp" };

static void print_rss_types(uint32_t types, const char *none)
{
	for (unsigned i = 0; i < FL_ARRAY_SIZE(rss_types); i++)
		if (types & 1u << i)
			printf("  %s", rss_types[i]);
	printf("%s\n", types ? "" : none);
}

static int show_info(struct tp *tp, unsigned id)
{
	const struct tp_port *p = &tp->ports[id];
	const struct fl_port_info *i = &p->info;
	struct fl_link link = { 0 };
	char fw[64], speed[24];

	printf("\n********************* Infos for port %-2u *********************\n", id);
	print_mac("MAC address: ", &p->mac);
	printf("Device name: %s\nDriver name: %s\nChip: %s\n", p->uri, i->driver, i->chip);
	if (p->removed || fl_port_fw_version(p->port, fw, sizeof(fw)))
		snprintf(fw, sizeof(fw), "not available");
	printf("Firmware-version: %s\nTransport: %s\nConnect to socket: %d\n", fw,
	       fl_dev_transport(fl_port_dev(p->port)), fl_dev_node(fl_port_dev(p->port)));
	if (p->removed || fl_port_link(p->port, &link))
		printf("Link status: unknown%s\n", p->removed ? " (removed)" : "");
	else
		printf("Link status: %s\nLink speed: %s\nLink duplex: %s\nAutoneg status: %s\n",
		       link.up ? "up" : "down", speed_text(link.speed, speed),
		       link.full_duplex ? "full-duplex" : "half-duplex",
		       link.autoneg ? "On" : "Off");
	printf("MTU: %u\nPromiscuous mode: %s\nAllmulticast mode: %s\n", p->mtu,
	       fl_port_is_promisc(p->port) ? "enabled" : "disabled",
	       fl_port_is_allmulti(p->port) ? "enabled" : "disabled");
	printf("Maximum number of MAC addresses: %u\nVLAN offload: \n  strip %s, filter %s\n",
	       i->mac_max + 1u, p->offloads & FL_OFF_RX_VLAN_STRIP ? "on" : "off",
	       p->offloads & FL_OFF_RX_VLAN_FILTER ? "on" : "off");
	printf("Hash key size in bytes: %u\nRedirection table size: %u\n", i->rss_key_size,
	       i->reta_size);
	printf("Supported RSS offload flow types:\n");
	print_rss_types(i->rss_types, "  none");
	printf("Minimum MTU: %u\nMaximum MTU: %u\n", i->mtu_min, i->mtu_max);
	printf("Current number of RX queues: %u\nMax possible RX queues: %u\n", p->rxq, i->rxq_max);
	printf("Max possible number of RXDs per queue: %u\nMin possible number of RXDs per queue: "
	       "%u\nRXDs number alignment: %u\n",
	       i->rxd_max, i->rxd_min, i->rxd_align);
	printf("Current number of TX queues: %u\nMax possible TX queues: %u\n", p->txq, i->txq_max);
	printf("Max possible number of TXDs per queue: %u\nMin possible number of TXDs per queue: "
	       "%u\nTXDs number alignment: %u\n",
	       i->txd_max, i->txd_min, i->txd_align);
	printf("Max segment number per packet: %u\n", i->seg_max);
	return 0;
}

static int show_device(struct tp *tp, unsigned id, const struct tp_arg *a)
{
	const struct tp_port *p = &tp->ports[id];

	printf("\n********************* Infos for device %s *********************\n", p->uri);
	printf("Bus name: %s\nDriver name: %s\nConnect to socket: %d\n\n",
	       fl_dev_transport(fl_port_dev(p->port)), p->info.driver,
	       fl_dev_node(fl_port_dev(p->port)));
	printf("\tPort id: %u\n", id);
	print_mac("\tMAC address: ", &p->mac);
	printf("\tDevice name: %s\n\tDevice speed capability:%s%s%s\n", p->info.chip,
	       p->info.speeds & FL_SPEED_10 ? " 10 Mbps" : "",
	       p->info.speeds & FL_SPEED_100 ? " 100 Mbps" : "",
	       p->info.speeds & FL_SPEED_1000 ? " 1 Gbps" : "");
	return 0;
}

TP_CMD(show_device)
{
	return tp_each(tp, &(struct tp_arg){ .ports = UINT64_MAX }, "device info", show_device, a);
}

static int show_xstats(struct tp *tp, unsigned id)
{
	int n = fl_port_xstats(tp->ports[id].port, NULL, 0), got;
	struct fl_xstat *x;

	if (n <= 0)
		return n;
	x = calloc((size_t)n, sizeof(*x));
	if (!x)
		return -ENOMEM;
	got = fl_port_xstats(tp->ports[id].port, x, (unsigned)n);
	printf("###### NIC extended statistics for port %u\n", id);
	for (int i = 0; i < n && i < got; i++)
		printf("%s: %" PRIu64 "\n", x[i].name, x[i].value);
	free(x);
	return got < 0 ? got : 0;
}

static int name_width(const struct tp *tp)
{
	size_t width = 12;

	tp_for_each_port(tp, i)
		if (strlen(tp->ports[i].uri) > width)
			width = strlen(tp->ports[i].uri);
	return (int)width;
}

static int show_summary(struct tp *tp, unsigned id)
{
	const struct tp_port *p = &tp->ports[id];
	struct fl_link link = { 0 };
	bool known = !p->removed && !fl_port_link(p->port, &link);
	const uint8_t *m = p->mac.b;
	char speed[24];

	printf("%-4u %02X:%02X:%02X:%02X:%02X:%02X %-*s %-14s %-8s %s\n", id, m[0], m[1], m[2],
	       m[3], m[4], m[5], name_width(tp), p->uri, p->info.driver,
	       p->removed	  ? "removed"
	       : known && link.up ? "up"
				  : "down",
	       known && link.up ? speed_text(link.speed, speed) : "None");
	return 0;
}

enum { SHOW_INFO, SHOW_STATS, SHOW_XSTATS, SHOW_SUMMARY };

static int show_one(struct tp *tp, unsigned id, const struct tp_arg *a)
{
	switch (a[0].num) {
	case SHOW_INFO:
		return show_info(tp, id);
	case SHOW_STATS:
		tp_show_nic_stats(tp, id);
		return 0;
	case SHOW_XSTATS:
		return show_xstats(tp, id);
	default:
		return show_summary(tp, id);
	}
}

TP_CMD(show_port)
{
	if (a[0].num == SHOW_SUMMARY) {
		unsigned n = 0;

		tp_for_each_port(tp, i)
			n++;
		printf("Number of available ports: %u\n%-4s %-17s %-*s %-14s %-8s %s\n", n, "Port",
		       "MAC Address", name_width(tp), "Name", "Driver", "Status", "Link");
	}
	return tp_each(tp, &a[1], a[0].str, show_one, a);
}

static int clear_one(struct tp *tp, unsigned id, const struct tp_arg *a)
{
	struct tp_port *p = &tp->ports[id];
	int ret;

	if (a[0].num == 1)
		return fl_port_xstats_reset(p->port);
	ret = fl_port_stats_reset(p->port);
	if (!ret) {
		p->last = p->begun = p->shown = (struct fl_port_stats){ 0 };
		printf("NIC statistics for port %u cleared\n", id);
	}
	return ret;
}

TP_CMD(clear_port)
{
	return tp_each(tp, &a[1], a[0].str, clear_one, a);
}

static int cap_one(struct tp *tp, unsigned id, const struct tp_arg *a)
{
	const struct fl_port_info *i = &tp->ports[id].info;

	printf("Port %u: %s, %s\n  Features:\n", id, i->driver, i->chip);
	print_bits(i->features, fl_feature_name);
	printf("  Offloads:\n");
	print_bits(i->offloads, fl_offload_name);
	return 0;
}

TP_CMD(show_cap)
{
	return tp_each(tp, &a[0], "cap", cap_one, a);
}

TP_CMD(show_offload)
{
	const struct tp_port *p = &tp->ports[a[0].num];
	uint64_t side = a[1].num == 0 ? 0xffffull : 0xffff0000ull;
	const struct fl_port_conf *conf = fl_port_conf(p->port);

	printf("%s Offloading %s of port %u:\n", a[1].num == 0 ? "Rx" : "Tx",
	       a[2].num == 0 ? "Capabilities" : "Configuration", (unsigned)a[0].num);
	print_bits((a[2].num == 0 ? p->info.offloads
		    : conf	  ? conf->offloads
				  : 0) &
			   side,
		   fl_offload_name);
	return 0;
}

/* ---- queues --------------------------------------------------------------------------- */

static struct fl_rxq *rx_queue(struct tp *tp, uint64_t port, uint64_t q)
{
	return q < tp->ports[port].rxq ? fl_port_rxq(tp->ports[port].port, (uint16_t)q) : NULL;
}

static struct fl_txq *tx_queue(struct tp *tp, uint64_t port, uint64_t q)
{
	return q < tp->ports[port].txq ? fl_port_txq(tp->ports[port].port, (uint16_t)q) : NULL;
}

static int no_queue(void)
{
	return tp_fail("no such queue", -ENOENT);
}

static int show_rxq(struct tp *tp, unsigned port, uint64_t qid)
{
	struct fl_rxq *q = rx_queue(tp, port, qid);
	struct fl_queue_stats s = { 0 };
	struct fl_rxq_info i;
	int ret;

	if (!q)
		return no_queue();
	ret = fl_rxq_info(q, &i);
	if (ret)
		return tp_fail("rxq info", ret);
	printf("\n********************* Infos for port %u, RX queue %u *********************\n",
	       port, (unsigned)qid);
	printf("RX free threshold: %u\nRX scattered packets: %s\nNumber of RXDs: %u\n"
	       "RX buffer size: %u\n",
	       i.free_thresh, i.scattered ? "on" : "off", i.nb_desc, i.buf_size);
	if (!fl_rxq_stats(q, &s))
		printf("RX-packets: %" PRIu64 " RX-bytes: %" PRIu64 " RX-nombuf: %" PRIu64 "\n",
		       s.packets, s.bytes, s.nombuf);
	return 0;
}

static int show_txq(struct tp *tp, unsigned port, uint64_t qid)
{
	struct fl_txq *q = tx_queue(tp, port, qid);
	struct fl_queue_stats s = { 0 };
	struct fl_txq_info i;
	int ret;

	if (!q)
		return no_queue();
	ret = fl_txq_info(q, &i);
	if (ret)
		return tp_fail("txq info", ret);
	printf("\n********************* Infos for port %u, TX queue %u *********************\n",
	       port, (unsigned)qid);
	printf("TX free threshold: %u\nTX RS threshold: %u\nNumber of TXDs: %u\n", i.free_thresh,
	       i.rs_thresh, i.nb_desc);
	if (!fl_txq_stats(q, &s))
		printf("TX-packets: %" PRIu64 " TX-bytes: %" PRIu64 "\n", s.packets, s.bytes);
	return 0;
}

TP_CMD(show_queue)
{
	unsigned port = (unsigned)a[1].num;

	return a[0].num == 0 ? show_rxq(tp, port, a[2].num) : show_txq(tp, port, a[2].num);
}

TP_CMD(show_desc)
{
	static const char *const names[] = { "AVAILABLE", "DONE", "UNAVAILABLE" };
	struct fl_rxq *rx = a[1].num == 0 ? rx_queue(tp, a[0].num, a[2].num) : NULL;
	struct fl_txq *tx = a[1].num == 1 ? tx_queue(tp, a[0].num, a[2].num) : NULL;
	uint16_t off = (uint16_t)(a[3].num < UINT16_MAX ? a[3].num : UINT16_MAX);
	int st;

	if (!rx && !tx)
		return no_queue();
	st = rx ? fl_rxq_desc_status(rx, off) : fl_txq_desc_status(tx, off);
	if (st < 0)
		return tp_fail("desc status", st);
	printf("Desc status = %s\n", tx && st == FL_DESC_AVAIL ? "FULL" : names[st]);
	return 0;
}

TP_CMD(read_desc)
{
	struct fl_rxq *rx = a[0].num == 0 ? rx_queue(tp, a[1].num, a[2].num) : NULL;
	struct fl_txq *tx = a[0].num == 1 ? tx_queue(tp, a[1].num, a[2].num) : NULL;
	uint16_t pos = (uint16_t)(a[3].num < UINT16_MAX ? a[3].num : UINT16_MAX);
	uint64_t d[2];
	int ret;

	if (!rx && !tx)
		return no_queue();
	ret = rx ? fl_rxq_desc_read(rx, pos, d) : fl_txq_desc_read(tx, pos, d);
	if (ret)
		return tp_fail(a[0].str, ret);
	printf("0x%08X - 0x%08X / 0x%08X - 0x%08X\n", (uint32_t)d[0], (uint32_t)(d[0] >> 32),
	       (uint32_t)d[1], (uint32_t)(d[1] >> 32));
	return 0;
}

/* ---- RSS, flow control ---------------------------------------------------------------- */

static int show_rss(struct tp *tp, uint64_t port, bool key)
{
	struct fl_rss_conf rss;
	int ret = fl_port_rss_get(tp->ports[port].port, &rss);

	if (ret)
		return tp_fail("rss-hash", ret);
	printf("RSS functions:\n");
	print_rss_types(rss.types, "  disabled");
	if (!key)
		return 0;
	printf("RSS key:\n");
	for (unsigned i = 0; i < rss.key_len && i < FL_RSS_KEY_MAX; i++)
		printf("%02X", rss.key[i]);
	printf("\n");
	return 0;
}

TP_CMD(show_rss)
{
	return show_rss(tp, a[0].num, false);
}

TP_CMD(show_rss_key)
{
	return show_rss(tp, a[0].num, true);
}

TP_CMD(show_reta)
{
	uint16_t reta[FL_RSS_RETA_MAX];
	unsigned n = tp->ports[a[0].num].info.reta_size;
	int ret = fl_port_reta_get(tp->ports[a[0].num].port, reta, n);

	if (ret)
		return tp_fail("reta", ret);
	for (unsigned i = 0; i < n; i++)
		printf("RSS RETA configuration: hash index=%u, queue=%u\n", i, reta[i]);
	return 0;
}

TP_CMD(show_fc)
{
	struct fl_flow_ctrl fc;
	int ret = fl_port_flow_ctrl_get(tp->ports[a[0].num].port, &fc);

	if (ret)
		return tp_fail("flow_ctrl", ret);
	printf("Flow control infos for port %u:\n", (unsigned)a[0].num);
	printf("  Rx pause: %s\n  Tx pause: %s\n  Autoneg: %s\n",
	       fc.mode == FL_FC_RX || fc.mode == FL_FC_FULL ? "on" : "off",
	       fc.mode == FL_FC_TX || fc.mode == FL_FC_FULL ? "on" : "off",
	       fc.autoneg ? "on" : "off");
	printf("  High waterline: 0x%x\n  Low waterline: 0x%x\n  Pause time: 0x%x\n", fc.high_water,
	       fc.low_water, fc.pause_time);
	return 0;
}

/* ---- registers ------------------------------------------------------------------------ */

TP_CMD(show_eeprom)
{
	uint8_t buf[4096];
	int n = fl_port_eeprom(tp->ports[a[0].num].port, buf, sizeof(buf));

	if (n < 0)
		return tp_fail("eeprom", n);
	for (int i = 0; i < n && i < (int)sizeof(buf); i++)
		printf("%s%02x%s", i % 16 ? " " : "", buf[i],
		       i % 16 == 15 || i == n - 1 ? "\n" : "");
	printf("Finish -- Port: %u EEPROM length: %d bytes\n", (unsigned)a[0].num, n);
	return 0;
}

TP_CMD(show_regs)
{
	struct fl_port *port = tp->ports[a[0].num].port;
	int n = fl_port_regs(port, NULL, 0);
	struct fl_reg *regs;

	if (n <= 0)
		return tp_fail("regs", n);
	regs = calloc((size_t)n, sizeof(*regs));
	if (!regs)
		return tp_fail("regs", -ENOMEM);
	n = fl_port_regs(port, regs, (unsigned)n);
	for (int i = 0; i < n; i++)
		printf("%-16s 0x%05X 0x%08X\n", regs[i].name, regs[i].off, regs[i].value);
	free(regs);
	return tp_fail("regs", n < 0 ? n : 0);
}

TP_CMD(read_reg)
{
	uint32_t v = 0;
	int ret = a[1].num > UINT32_MAX
			  ? -EINVAL
			  : fl_port_reg_read(tp->ports[a[0].num].port, (uint32_t)a[1].num, &v);

	if (ret)
		return tp_fail("read reg", ret);
	printf("port %u PCI register at offset 0x%X: 0x%08X (%u)\n", (unsigned)a[0].num,
	       (unsigned)a[1].num, v, v);
	return 0;
}

TP_CMD(write_reg)
{
	if (a[1].num > UINT32_MAX)
		return tp_fail("write reg", -EINVAL);
	return tp_fail("write reg", fl_port_reg_write(tp->ports[a[0].num].port, (uint32_t)a[1].num,
						      (uint32_t)a[2].num));
}

/* ---- memory --------------------------------------------------------------------------- */

static int print_area(const struct fl_dma_area *ar, void *arg)
{
	static const char *const kinds[] = { "memfd", "anonymous", "hugetlb", "external" };
	const struct fl_dma_area *pool = arg;
	struct fl_mem_info i;
	uint64_t resident = 0;

	fl_mem_info(ar->mem, &i);
	if (fl_mem_resident(ar->mem, &resident))
		resident = 0;
	printf("  iova=0x%-14" PRIx64 " len=%-12" PRIu64 " resident=%-12" PRIu64 " page=%-8" PRIu64
	       " %s %s %s\n",
	       ar->iova.v, ar->len, resident, i.page_size, kinds[i.kind],
	       ar->residency == FL_LAZY ? "lazy" : "pinned", ar == pool ? "pool" : "device");
	return 0;
}

static const struct fl_dma_area *pool_area(const struct tp *tp)
{
	return tp->pool ? fl_pool_area(tp->pool) : NULL;
}

TP_CMD(dump_memzone)
{
	fl_dma_for_each(fl_ctx_space(tp->ctx), print_area, (void *)(uintptr_t)pool_area(tp));
	return 0;
}

TP_CMD(dump_physmem)
{
	struct fl_dma_stats d;
	struct fl_mem_usage u;
	int ret = fl_mem_usage(&u);

	if (ret)
		return tp_fail("/proc/self", ret);
	fl_dma_stats(fl_ctx_space(tp->ctx), &d);
	tp_cmd_dump_memzone(tp, a);
	printf("  areas=%" PRIu64 " domains=%" PRIu64 " entries=%" PRIu64 "\n", d.areas, d.domains,
	       d.entries);
	printf("  owned_bytes=%" PRIu64 " mapped_bytes=%" PRIu64 " pinned_bytes=%" PRIu64 "\n",
	       d.owned_bytes, d.mapped_bytes, d.pinned_bytes);
	printf("  rss_bytes=%" PRIu64 " locked_bytes=%" PRIu64 " (VmLck %" PRIu64
	       " + VmPin %" PRIu64 ")\n",
	       u.rss, u.vm_lck + u.vm_pin, u.vm_lck, u.vm_pin);
	return 0;
}

TP_CMD(dump_mempool)
{
	struct fl_pool_stats s;

	fl_pool_stats(tp->pool, &s);
	printf("mempool <mb_pool_0>\n  size=%u\n  data_room=%u\n  in_use=%u\n  cached=%u\n"
	       "  never_used=%u\n  mem_bytes=%" PRIu64 "\n  alloc_failed=%" PRIu64 "\n",
	       s.count, s.data_room, s.in_use, s.cached, s.fresh, s.mem_bytes, s.alloc_failed);
	return 0;
}

TP_CMD(show_residency)
{
	tp_show_residency(tp);
	return 0;
}

TP_CMD(set_residency)
{
	struct fl_dma_area *area = (struct fl_dma_area *)(uintptr_t)pool_area(tp);

	return tp_fail("set residency",
		       area ? fl_mem_convert(area, a[0].num ? FL_LAZY : FL_PINNED) : -ENOENT);
}

TP_CMD(set_budget)
{
	struct fl_residency_opts o;

	fl_dma_residency_get(fl_ctx_space(tp->ctx), &o);
	return tp_fail("set memlock-budget",
		       app_parse_bytes(a[0].str, &o.budget)
			       ? -EINVAL
			       : fl_dma_residency_set(fl_ctx_space(tp->ctx), &o));
}
