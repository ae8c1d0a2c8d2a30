/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands: forwarding and its settings, scripts, help. */
#include "cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TP_CMD(start)
{
	return tp_fwd_start(tp, 0);
}

TP_CMD(start_tx_first)
{
	return tp_fwd_start(tp, 1);
}

TP_CMD(start_tx_first_n)
{
	return tp_fwd_start(tp, a[0].num);
}

TP_CMD(stop)
{
	return tp_fwd_stop(tp);
}

TP_CMD(quit)
{
	tp->quit = true;
	return 0;
}

TP_CMD(set_fwd)
{
	tp->conf.mode = tp_mode_find(a[0].str)->name;
	printf("Set %s packet forwarding mode\n", tp->conf.mode);
	return 0;
}

TP_CMD(set_burst)
{
	tp->conf.burst = a[0].num;
	printf("Number of packets per burst set to %u\n", (unsigned)a[0].num);
	return 0;
}

TP_CMD(set_nbcore)
{
	tp->conf.nb_cores = a[0].num;
	printf("Number of forwarding cores set to %u\n", (unsigned)a[0].num);
	return 0;
}

TP_CMD(set_corelist)
{
	unsigned list[TP_MAX_CORES];
	int n = tp_parse_list(a[0].str, list, TP_MAX_CORES, 1024);

	if (n < 0)
		return tp_fail("corelist wants CPU numbers, e.g. 1,3-5", n);
	memcpy(tp->conf.cores, list, sizeof(list));
	tp->conf.ncores = (unsigned)n;
	return 0;
}

TP_CMD(set_coremask)
{
	unsigned n = 0;

	for (unsigned cpu = 0; cpu < TP_MAX_CORES; cpu++)
		if (a[0].num & 1ull << cpu)
			tp->conf.cores[n++] = cpu;
	tp->conf.ncores = n;
	tp->conf.nb_cores = n;
	printf("Number of forwarding cores set to %u\n", n);
	return 0;
}

TP_CMD(set_nbport)
{
	if (a[0].num > tp->nfwd_ports) {
		fprintf(stderr, "%u ports forward (set portlist, set portmask)\n", tp->nfwd_ports);
		return -EINVAL;
	}
	tp->nfwd_ports = (unsigned)a[0].num;
	printf("Number of forwarding ports set to %u\n", tp->nfwd_ports);
	return 0;
}

TP_CMD(set_portmask)
{
	for (unsigned i = 0; i < 64; i++) {
		if (!(a[0].num & 1ull << i) || (i < TP_MAX_PORTS && tp->ports[i].port))
			continue;
		fprintf(stderr, "portmask: there is no port %u\n", i);
		return -EINVAL;
	}
	tp_fwd_ports(tp, a[0].num);
	printf("Number of forwarding ports set to %u\n", tp->nfwd_ports);
	return 0;
}

TP_CMD(set_portlist)
{
	unsigned list[TP_MAX_PORTS];
	uint64_t seen = 0;
	int n = tp_parse_list(a[0].str, list, TP_MAX_PORTS, TP_MAX_PORTS);

	for (int i = 0; i < n; i++) {
		if (!tp->ports[list[i]].port || (seen & 1ull << list[i]))
			n = -EINVAL;
		else
			seen |= 1ull << list[i];
	}
	if (n < 0)
		return tp_fail("portlist wants ports in use, each once", n);
	memcpy(tp->fwd_ports, list, sizeof(list));
	tp->nfwd_ports = (unsigned)n;
	return 0;
}

TP_CMD(set_txpkts)
{
	int ret = tp_parse_segs(&tp->conf, a[0].str);

	if (ret)
		return tp_fail("txpkts wants segment lengths, the first at least 42", ret);
	tp_for_each_port(tp, p) {
		ret = tp_port_reconf(tp, p); /* sending in pieces is an offload */
		if (ret)
			return ret;
	}
	return 0;
}

TP_CMD(set_topology)
{
	tp->conf.topology = (enum tp_topology)a[0].num;
	return 0;
}

TP_CMD(set_peer)
{
	tp->conf.peers[a[0].num] = a[1].mac;
	return 0;
}

TP_CMD(set_verbose)
{
	tp_fwd_pause(tp);
	tp->conf.verbose = a[0].num;
	for (unsigned i = 0; i < tp->nstreams; i++)
		tp->streams[i].verbose = (unsigned)a[0].num;
	printf("Change verbose level to %u\n", (unsigned)a[0].num);
	return tp_fwd_resume(tp);
}

TP_CMD(set_log)
{
	tp->log.level = (enum fl_log_level)a[0].num;
	fl_log_set_default(&tp->log);
	return 0;
}

TP_CMD(set_period)
{
	tp->conf.stats_period = a[0].num;
	return 0;
}

static void show_rxtx(const struct tp *tp)
{
	printf("  %s packet forwarding packets/burst=%u\n", tp->conf.mode,
	       (unsigned)tp->conf.burst);
	printf("  nb forwarding cores=%u - nb forwarding ports=%u\n", (unsigned)tp->conf.nb_cores,
	       tp->nfwd_ports);
	tp_for_each_port(tp, i) {
		const struct tp_port *p = &tp->ports[i];

		printf("  port %u: RX queue number: %u Tx queue number: %u\n", i, p->rxq, p->txq);
		printf("    Rx offloads=0x%llx Tx offloads=0x%llx\n",
		       (unsigned long long)p->offloads & 0xffff,
		       (unsigned long long)p->offloads & ~0xffffull);
		printf("    RX desc=%u - TX desc=%u - MTU=%u\n", p->rxd, p->txd, p->mtu);
	}
}

static void show_cores(const struct tp_conf *c)
{
	printf("Number of forwarding cores: %u\nList of forwarding lcores:", (unsigned)c->nb_cores);
	for (unsigned i = 0; i < c->ncores; i++)
		printf(" %u", c->cores[i]);
	printf("%s\n", c->ncores ? "" : " any");
}

static void show_txpkts(const struct tp_conf *c)
{
	printf("Number of segments: %u\nSegment sizes:", c->ntx_segs);
	for (unsigned i = 0; i < c->ntx_segs; i++)
		printf(" %u", c->tx_segs[i]);
	printf("\n");
}

TP_CMD(show_config)
{
	if (!strcmp(a[0].str, "rxtx"))
		show_rxtx(tp);
	else if (!strcmp(a[0].str, "cores"))
		show_cores(&tp->conf);
	else if (!strcmp(a[0].str, "txpkts"))
		show_txpkts(&tp->conf);
	else
		tp_fwd_describe(tp);
	return 0;
}

TP_CMD(show_fwd)
{
	if (tp->forwarding)
		tp_for_each_port(tp, i)
			tp_stats_update(&tp->ports[i]);
	tp_show_fwd_stats(tp);
	return 0;
}

TP_CMD(clear_fwd)
{
	tp_for_each_port(tp, i) {
		tp_stats_update(&tp->ports[i]);
		tp->ports[i].begun = tp->ports[i].last;
	}
	for (unsigned i = 0; i < tp->nstreams; i++) {
		struct tp_stream *s = &tp->streams[i];

		s->rx = s->tx = s->dropped = s->bad_ip = s->bad_l4 = 0;
	}
	for (unsigned i = 0; i < tp->nworkers; i++)
		tp->workers[i].busy = tp->workers[i].idle = 0;
	tp->begun_ns = fl_now_ns();
	return 0;
}

/* ---- csum ----------------------------------------------------------------------------- */

static int csum_one(struct tp *tp, unsigned id, const struct tp_arg *a)
{
	static const struct {
		uint32_t flag;
		uint64_t need;
	} what[] = { { FL_TX_IP_CSUM, FL_OFF_TX_IP_CSUM },
		     { FL_TX_TCP_CSUM, FL_OFF_TX_TCP_CSUM },
		     { FL_TX_UDP_CSUM, FL_OFF_TX_UDP_CSUM } };
	struct tp_port *p = &tp->ports[id];
	bool hw = a[1].num == 0;

	if (hw && !(p->info.offloads & what[a[0].num].need))
		return -EOPNOTSUPP;
	if (hw)
		p->csum_hw |= what[a[0].num].flag;
	else
		p->csum_hw &= ~what[a[0].num].flag;
	return tp_port_reconf(tp, id);
}

TP_CMD(csum_set)
{
	return tp_each(tp, &a[2], "csum set", csum_one, a);
}

static int csum_show_one(struct tp *tp, unsigned id, const struct tp_arg *a)
{
	unsigned hw = tp->ports[id].csum_hw;

	printf("Port %u: IP checksum offload is %s, TCP %s, UDP %s\n", id,
	       hw & FL_TX_IP_CSUM ? "hw" : "sw", hw & FL_TX_TCP_CSUM ? "hw" : "sw",
	       hw & FL_TX_UDP_CSUM ? "hw" : "sw");
	return 0;
}

TP_CMD(csum_show)
{
	return tp_each(tp, &a[0], "csum show", csum_show_one, a);
}

/* ---- tso ------------------------------------------------------------------------------ */

TP_CMD(tso_set)
{
	struct tp_port *p = &tp->ports[a[1].num];

	if (a[0].num && !(p->info.offloads & FL_OFF_TX_TSO))
		return tp_fail("tso set", -EOPNOTSUPP);
	p->tso = (uint16_t)a[0].num;
	return tp_port_reconf(tp, (unsigned)a[1].num);
}

TP_CMD(tso_show)
{
	unsigned id = (unsigned)a[0].num;

	if (tp->ports[id].tso)
		printf("TSO segment size for port %u is %u\n", id, tp->ports[id].tso);
	else
		printf("TSO for port %u is disabled\n", id);
	return 0;
}

/* ---- the shell itself ----------------------------------------------------------------- */

TP_CMD(load)
{
	return tp_cmd_file(tp, a[0].str);
}

TP_CMD(sleep)
{
	tp_wait(tp, -1, (int)a[0].num);
	return 0;
}

TP_CMD(help)
{
	for (const struct tp_cmd *c = tp_cmds; c->pattern; c++)
		printf("  %-52s %s\n", c->pattern, c->help);
	return 0;
}

TP_CMD(help_word)
{
	size_t len = strlen(a[0].str);
	unsigned n = 0;

	for (const struct tp_cmd *c = tp_cmds; c->pattern; c++) {
		if (strncmp(c->pattern, a[0].str, len))
			continue;
		printf("  %-52s %s\n", c->pattern, c->help);
		n++;
	}
	if (!n)
		fprintf(stderr, "No command begins with '%s'\n", a[0].str);
	return n ? 0 : -ENOENT;
}
