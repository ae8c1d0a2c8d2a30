/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line: one table, from which argp's options, the parsing and the bounds come. */
#include "testpmd.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { FLAG, NUMBER, TEXT, CALL, KNOWN, REFUSED };

struct opt {
	const char *name;
	int key;
	const char *arg, *doc; /* of REFUSED: what to do instead */
	enum kind kind;
	size_t at; /* in struct tp_conf; unused by CALL */
	uint64_t min, max;
	/** 0, or -EINVAL for rubbish */
	int (*call)(struct tp_conf *c, const char *arg);
	uint64_t bits; /* of offloads, set by a FLAG */
};

static int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 0);
	if (errno || end == text || *end || *text == '-' || *out < min || *out > max)
		return -EINVAL;
	return 0;
}

/** "1,3-5": at most `max` numbers, each below `limit`; returns how many. */
int tp_parse_list(const char *text, unsigned *out, unsigned max, unsigned limit)
{
	unsigned n = 0;

	for (;;) {
		char *end;
		unsigned long from = strtoul(text, &end, 10), to = from;

		if (end == text)
			return -EINVAL;
		if (*end == '-') {
			text = end + 1;
			to = strtoul(text, &end, 10);
			if (end == text)
				return -EINVAL;
		}
		if (from > to || to >= limit || to - from >= max - n)
			return -EINVAL;
		while (from <= to)
			out[n++] = (unsigned)from++;
		if (!*end)
			return (int)n;
		if (*end != ',')
			return -EINVAL;
		text = end + 1;
	}
}

int tp_parse_segs(struct tp_conf *c, const char *text)
{
	unsigned lens[TP_MAX_SEGS];
	unsigned total = 0;
	int n = tp_parse_list(text, lens, TP_MAX_SEGS, UINT16_MAX);

	if (n <= 0 || lens[0] < 42) /* Ethernet, IPv4 and UDP headers stand in the first one */
		return -EINVAL;
	for (int i = 0; i < n; i++) {
		total += lens[i];
		if (!lens[i] || total > UINT16_MAX)
			return -EINVAL;
	}
	for (int i = 0; i < n; i++)
		c->tx_segs[i] = (uint16_t)lens[i];
	c->ntx_segs = (unsigned)n;
	return 0;
}

int tp_parse_mac(const char *text, struct fl_mac *out)
{
	struct ether_addr a;

	if (!ether_aton_r(text, &a))
		return -EINVAL;
	memcpy(out->b, a.ether_addr_octet, sizeof(out->b));
	return 0;
}

int tp_parse_level(const char *text, enum fl_log_level *out)
{
	for (int l = FL_LOG_ERR; l <= FL_LOG_DEBUG; l++) {
		if (!strcmp(text, fl_log_level_name((enum fl_log_level)l))) {
			*out = (enum fl_log_level)l;
			return 0;
		}
	}
	return -EINVAL;
}

/** Bit number of an offload by name, with or without its "rx_" or "tx_", or by DPDK's. */
int tp_offload_bit(const char *name, bool rx, bool tx)
{
	static const struct {
		const char *dpdk, *rx, *tx;
	} other[] = { { "ipv4_cksum", "ip_csum", "ip_csum" },
		      { "tcp_cksum", "l4_csum", "tcp_csum" },
		      { "udp_cksum", "l4_csum", "udp_csum" },
		      { "multi_segs", "", "multi_seg" },
		      { "tcp_tso", "", "tso" } };

	for (size_t i = 0; i < FL_ARRAY_SIZE(other); i++)
		if (!strcmp(name, other[i].dpdk))
			name = rx ? other[i].rx : other[i].tx;
	for (unsigned bit = 0; bit < 64; bit++) {
		const char *known = fl_offload_name(bit);

		if (!known || !*known || (!strncmp(known, "rx_", 3) ? !rx : !tx))
			continue;
		if (!strcmp(known, name) || !strcmp(known + 3, name))
			return (int)bit;
	}
	return -EINVAL;
}

static int offloads(struct tp_conf *c, const char *arg, bool rx)
{
	char copy[256], *rest = copy, *name;
	uint64_t mask;

	if (!parse_u64(arg, 0, UINT64_MAX, &mask)) {
		c->offloads |= mask;
		return 0;
	}
	if (strlen(arg) >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, arg, strlen(arg) + 1);
	while ((name = strsep(&rest, ","))) {
		int bit = tp_offload_bit(name, rx, !rx);

		if (bit < 0)
			return bit;
		c->offloads |= 1ull << bit;
	}
	return 0;
}

static int opt_rx_offloads(struct tp_conf *c, const char *arg)
{
	return offloads(c, arg, true);
}

static int opt_tx_offloads(struct tp_conf *c, const char *arg)
{
	return offloads(c, arg, false);
}

static int opt_uri(struct tp_conf *c, const char *arg)
{
	if (c->nuris == TP_MAX_PORTS)
		return -EINVAL;
	c->uris[c->nuris++] = arg;
	return 0;
}

static int opt_cores(struct tp_conf *c, const char *arg)
{
	int n = tp_parse_list(arg, c->cores, TP_MAX_CORES, 1024);

	if (n < 0)
		return n;
	c->ncores = (unsigned)n;
	return 0;
}

static int opt_peer(struct tp_conf *c, const char *arg)
{
	char *mac;
	unsigned long port = strtoul(arg, &mac, 10);

	if (mac == arg || *mac != ',' || port >= TP_MAX_PORTS)
		return -EINVAL;
	return tp_parse_mac(mac + 1, &c->peers[port]);
}

static int opt_duration(struct tp_conf *c, const char *arg)
{
	char *end;
	double s = strtod(arg, &end);

	if (end == arg || *end || !(s > 0) || s > 1e8)
		return -EINVAL;
	c->duration_ns = (uint64_t)(s * 1e9);
	return 0;
}

static int one_of(const char *arg, const char *const *names)
{
	for (int i = 0; names[i]; i++)
		if (!strcmp(arg, names[i]))
			return i;
	return -EINVAL;
}

static int opt_topology(struct tp_conf *c, const char *arg)
{
	static const char *const names[] = { "paired", "chained", "loop", NULL };
	int i = one_of(arg, names);

	if (i >= 0)
		c->topology = (enum tp_topology)i;
	return i < 0 ? i : 0;
}

const char *const tp_mp_alloc_names[] = { "native", "anon", "xmem", "xmemhuge", NULL };

static int opt_mp_alloc(struct tp_conf *c, const char *arg)
{
	int i = one_of(arg, tp_mp_alloc_names);

	if (i >= 0)
		c->mp_alloc = (enum tp_mp_alloc)i;
	return i < 0 ? i : 0;
}

static int opt_irq(struct tp_conf *c, const char *arg)
{
	static const char *const kinds[] = { [FL_IRQ_INTX - 1] = "legacy",
					     [FL_IRQ_MSI - 1] = "msi",
					     [FL_IRQ_MSIX - 1] = "msix",
					     NULL };
	int i = one_of(arg, kinds);

	if (i >= 0)
		c->irq = (enum fl_irq_kind)(i + 1);
	return i < 0 ? i : 0;
}

static int opt_mode(struct tp_conf *c, const char *arg)
{
	c->mode = arg;
	return tp_mode_find(arg) ? 0 : -EINVAL;
}

static int opt_model_cpu(struct tp_conf *c, const char *arg)
{
	uint64_t cpu;

	if (parse_u64(arg, 0, 1023, &cpu))
		return -EINVAL;
	c->model_cpu = (int)cpu;
	return 0;
}

static int opt_log_level(struct tp_conf *c, const char *arg)
{
	return tp_parse_level(arg, &c->log_level);
}

static int opt_tx_first(struct tp_conf *c, const char *arg)
{
	c->tx_first = 1;
	return arg ? parse_u64(arg, 1, UINT32_MAX, &c->tx_first) : 0;
}

#define AT(field) offsetof(struct tp_conf, field)

static const struct opt options[] = {
	{ "allow", 'a', "URI",
	  "a port: model:NAME,…, vfio-user:PATH or pci:ADDRESS[,iommu=WAY]; repeatable", CALL,
	  .call = opt_uri },
	{ "interactive", 'i', NULL, "read commands; `help` lists them", FLAG, AT(interactive) },
	{ "forward-mode", 0, "MODE",
	  "io (default), mac, macswap, flowgen, rxonly, txonly, csum, icmpecho, 5tswap", CALL,
	  .call = opt_mode },
	{ "nb-cores", 0, "N", "forwarding threads (1)", NUMBER, AT(nb_cores), 1, TP_MAX_CORES },
	{ "cores", 'l', "LIST", "CPUs that the forwarding threads are pinned to, e.g. 1,3-5", CALL,
	  .call = opt_cores },
	{ "model-cpu", 0, "N", "CPU of the thread that runs the device models", CALL,
	  .call = opt_model_cpu },
	{ "rxq", 0, "N", "receive queues a port (1)", NUMBER, AT(rxq), 1, 1024 },
	{ "txq", 0, "N", "transmit queues a port (1)", NUMBER, AT(txq), 1, 1024 },
	{ "rxd", 0, "N", "descriptors of a receive queue (driver's choice)", NUMBER, AT(rxd), 1,
	  32768 },
	{ "txd", 0, "N", "descriptors of a transmit queue (driver's choice)", NUMBER, AT(txd), 1,
	  32768 },
	{ "burst", 0, "N", "packets a burst (32)", NUMBER, AT(burst), 1, TP_MAX_BURST },
	{ "mbuf-size", 0, "BYTES", "buffer size with 128 bytes of headroom (2176)", NUMBER,
	  AT(mbuf_size), FL_PKT_HEADROOM + 64, UINT16_MAX },
	{ "total-num-mbufs", 0, "N", "packets in the pool (what the rings need, twice)", NUMBER,
	  AT(mbufs), 64, 1u << 28 },
	{ "mbcache", 0, "N", "packets a thread may hold back (256)", NUMBER, AT(mbcache), 0, 1024 },
	{ "max-pkt-len", 0, "BYTES", "longest frame, with header and FCS (1518)", NUMBER,
	  AT(max_pkt_len), 64, UINT16_MAX },
	{ "port-topology", 0, "paired|chained|loop", "which port a port forwards to (paired)", CALL,
	  .call = opt_topology },
	{ "portmask", 0, "MASK", "ports that forward (all)", NUMBER, AT(portmask), 1, UINT64_MAX },
	{ "eth-peer", 0, "PORT,MAC", "Ethernet address of what stands behind a port", CALL,
	  .call = opt_peer },
	{ "stats-period", 0, "SEC", "show port statistics that often", NUMBER, AT(stats_period), 0,
	  86400 },
	{ "display-xstats", 0, "NAMES", "extended statistics to show as well, by comma", TEXT,
	  AT(xstats) },
	{ "tx-first", 0, "N", "send N bursts (1) on each stream first", CALL,
	  .call = opt_tx_first },
	{ "txonly-multi-flow", 0, NULL, "txonly: many flows instead of one", FLAG, AT(multi_flow) },
	{ "txpkts", 0, "X[,Y]", "segment lengths of generated packets (64)", CALL,
	  .call = tp_parse_segs },
	{ "enable-rx-cksum", 0, NULL, "let the device check IPv4, TCP and UDP checksums", FLAG,
	  .bits = FL_OFF_RX_IP_CSUM | FL_OFF_RX_L4_CSUM },
	{ "enable-scatter", 0, NULL, "receive a frame into several buffers", FLAG,
	  .bits = FL_OFF_RX_SCATTER },
	{ "disable-crc-strip", 0, NULL, "keep the FCS of received frames", FLAG,
	  .bits = FL_OFF_RX_KEEP_CRC },
	{ "rx-offloads", 0, "LIST", "receive offloads, by name or as a mask", CALL,
	  .call = opt_rx_offloads },
	{ "tx-offloads", 0, "LIST", "transmit offloads, by name or as a mask", CALL,
	  .call = opt_tx_offloads },
	{ "disable-device-start", 0, NULL, "leave ports stopped (port start all)", FLAG,
	  AT(no_start) },
	{ "no-flush-rx", 0, NULL, "on a second start, keep what arrived in between", FLAG,
	  AT(no_flush_rx) },
	{ "no-lsc-interrupt", 0, NULL, "do not report link changes", FLAG, AT(no_lsc) },
	{ "mp-alloc", 0, "native|anon|xmem|xmemhuge",
	  "packet memory: memfd, private, the application's own, that on hugepages", CALL,
	  .call = opt_mp_alloc },
	{ "rx-intr", 0, NULL, "idle forwarding threads sleep until packets come", FLAG,
	  AT(rx_intr) },
	{ "vfio-intr", 0, "legacy|msi|msix", "kind of interrupt (the best of the device)", CALL,
	  .call = opt_irq },
	{ "hot-plug", 0, NULL, "try each second to bring a removed port back", FLAG, AT(hot_plug) },
	{ "cmdline-file", 0, "FILE", "run commands from a file first", TEXT, AT(cmdline_file) },
	{ "record-core-cycles", 0, NULL, "show cycles a packet with the statistics", FLAG,
	  AT(record_cycles) },
	{ "record-burst-stats", 0, NULL, "show the spread of burst sizes with the statistics", FLAG,
	  AT(record_bursts) },
	{ "auto-start", 0, NULL, "with -i: start forwarding at once", FLAG, AT(auto_start) },
	{ "duration", 0, "SEC", "forward that long, then leave", CALL, .call = opt_duration },
	{ "json", 0, "FILE", "write the results there", TEXT, AT(json) },
	{ "log-level", 0, "error|warning|info|debug", "messages of the library (warning)", CALL,
	  .call = opt_log_level },

	/* habits of dpdk-testpmd's users */
	{ "no-mlockall", 0, NULL, NULL, KNOWN }, /* nothing is locked anyhow */
	{ "mlockall", 0, "", "nothing locks memory as a whole here", REFUSED },
	{ "no-huge", 0, "", "hugepages are used only with --mp-alloc=xmemhuge", REFUSED },
	{ "in-memory", 0, "", "no file is left behind anyhow", REFUSED },
	{ "no-pci", 0, "", "only what -a names is opened", REFUSED },
	{ "block", 'b', "", "only what -a names is opened", REFUSED },
	{ "vdev", 0, "", "-a opens every kind of port, e.g. -a model:e1000e,wire=x", REFUSED },
	{ "coremask", 'c', "", "--cores names CPUs, --nb-cores says how many threads", REFUSED },
	{ "lcores", 0, "", "--cores names CPUs, --nb-cores says how many threads", REFUSED },
	{ "main-lcore", 0, "", "the main thread sleeps and needs no CPU", REFUSED },
	{ "memory-channels", 'n', "", "there is no EAL to be told of memory channels", REFUSED },
	{ "memory-size", 'm', "", "--total-num-mbufs says how many packets", REFUSED },
	{ "socket-mem", 0, "", "--total-num-mbufs says how many packets", REFUSED },
	{ "file-prefix", 0, "", "several can run at once anyhow", REFUSED },
	{ "proc-type", 0, "", "one process has a port", REFUSED },
	{ "num-procs", 0, "", "one process has a port", REFUSED },
	{ "proc-id", 0, "", "one process has a port", REFUSED },
	{ "iova-mode", 0, "", "the device's windows decide (doc/memory.md)", REFUSED },
};

#define NOPTIONS    FL_ARRAY_SIZE(options)
#define KEY_NO_CHAR 0x1000

static void set_flag(struct tp_conf *c, const struct opt *o)
{
	if (o->bits)
		c->offloads |= o->bits;
	else
		*(bool *)((char *)c + o->at) = true;
}

/** What each option allows alone, but not together. */
static void check(const struct tp_conf *c, struct argp_state *state)
{
	unsigned missing = c->nuris;

	while (missing < 64 && !(c->portmask >> missing & 1))
		missing++;
	if (c->portmask != UINT64_MAX && missing < 64)
		argp_error(state, "--portmask=0x%llx: there is no port %u: -a names %u",
			   (unsigned long long)c->portmask, missing, c->nuris);
	if (c->duration_ns && (c->interactive || c->cmdline_file))
		argp_error(state, "--duration does not go with -i or --cmdline-file: "
				  "use the commands start, sleep and stop");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct tp_conf *c = state->input;
	int ret = 0;

	if (key == ARGP_KEY_INIT) {
		state->child_inputs[0] = &c->residency;
		state->child_inputs[1] = &c->telemetry;
	}
	if (key == ARGP_KEY_ARG && *arg == '-')
		argp_error(state, "there is no EAL, so no `--`: write all options together");
	if (key == ARGP_KEY_ARG)
		argp_error(state, "unexpected argument '%s'", arg);
	if (key == ARGP_KEY_END)
		check(c, state);
	for (size_t i = 0; i < NOPTIONS; i++) {
		const struct opt *o = &options[i];

		if (key != (o->key ? o->key : KEY_NO_CHAR + (int)i))
			continue;
		if (o->kind == REFUSED)
			argp_error(state, "--%s: leave it out: %s", o->name, o->doc);
		if (o->kind == KNOWN)
			return 0;
		if (o->kind == FLAG)
			set_flag(c, o);
		else if (o->kind == TEXT)
			*(const char **)((char *)c + o->at) = arg;
		else if (o->kind == CALL)
			ret = o->call(c, arg);
		else
			ret = parse_u64(arg, o->min, o->max, (uint64_t *)((char *)c + o->at));
		if (ret && o->kind == NUMBER)
			argp_error(state, "--%s=%s: want a number from %llu to %llu", o->name, arg,
				   (unsigned long long)o->min, (unsigned long long)o->max);
		else if (ret)
			argp_error(state, "--%s=%s: want %s (%s)", o->name, arg, o->arg, o->doc);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void defaults(struct tp_conf *c)
{
	*c = (struct tp_conf){
		.mode = "io",
		.nb_cores = 1,
		.rxq = 1,
		.txq = 1,
		.burst = 32,
		.mbuf_size = FL_PKT_HEADROOM + FL_PKT_DATA_ROOM,
		.mbcache = 256,
		.portmask = UINT64_MAX,
		.tx_segs = { 64 },
		.ntx_segs = 1,
		.model_cpu = -1,
		.log_level = FL_LOG_WARN,
		.residency = APP_RESIDENCY_DEFAULT,
	};
	for (unsigned i = 0; i < TP_MAX_PORTS; i++)
		c->peers[i] = (struct fl_mac){ { 0x02, 0, 0, 0, 0, (uint8_t)i } };
}

int tp_options(struct tp_conf *c, int argc, char **argv)
{
	struct argp_option table[NOPTIONS + 1] = { 0 };
	const struct argp_child children[] = { { &app_residency_argp, 0, NULL, 0 },
					       { &app_telemetry_argp, 0, NULL, 0 },
					       { 0 } };
	struct argp argp = {
		.options = table,
		.children = children,
		.parser = parse,
		.doc = "Forwards packets between network ports, in user space.\v"
		       "Example: fl-testpmd -a model:e1000e,wire=x -a model:e1000e,wire=x "
		       "--tx-first --duration 5",
	};

	defaults(c);
	for (size_t i = 0; i < NOPTIONS; i++) {
		table[i].name = options[i].name;
		table[i].key = options[i].key ? options[i].key : KEY_NO_CHAR + (int)i;
		table[i].arg = options[i].arg;
		table[i].doc = options[i].doc;
		if (options[i].call == opt_tx_first)
			table[i].flags = OPTION_ARG_OPTIONAL;
		if (options[i].kind == KNOWN || options[i].kind == REFUSED)
			table[i].flags = OPTION_ARG_OPTIONAL | OPTION_HIDDEN;
	}
	argp_program_version = "fl-testpmd " FL_VERSION;
	argp_err_exit_status = 2;
	return argp_parse(&argp, argc, argv, 0, NULL, c) ? -EINVAL : 0;
}
