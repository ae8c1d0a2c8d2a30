/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports and the packet pool: attach, configure, start, stop, reset, events. */
#include "testpmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ETHER_OVERHEAD 18u /* header and FCS */
#define LINK_WAIT_MS   3000
#define LINK_STEP_MS   10

unsigned tp_port_next(const struct tp *tp, unsigned id)
{
	while (id < TP_MAX_PORTS && !tp->ports[id].port)
		id++;
	return id;
}

static void on_event(struct fl_port *port, enum fl_port_event ev, void *arg)
{
	struct tp_port *p = arg;

	p->events |= 1u << ev; /* acted on in tp_port_events(), outside the library's dispatch */
}

/** What the command line asks of a port, for those that come now or later. */
static void port_defaults(struct tp *tp, struct tp_port *p)
{
	const struct tp_conf *c = &tp->conf;

	p->offloads = c->offloads;
	p->rxq = (uint16_t)c->rxq;
	p->txq = (uint16_t)c->txq;
	p->rxd = (uint16_t)(c->rxd ? c->rxd : p->info.rxd_default);
	p->txd = (uint16_t)(c->txd ? c->txd : p->info.txd_default);
	p->mtu = (uint16_t)(c->max_pkt_len ? c->max_pkt_len - ETHER_OVERHEAD : 1500);
	p->rss.types = p->info.rss_types;
	p->conf_due = true;
}

/** A copy of the URI; a bare PCI address, as DPDK has it, becomes one and keeps its options. */
static char *whole_uri(const char *uri)
{
	unsigned seg, bus, dev, fn;
	int end = 0;
	char *out;

	if (sscanf(uri, "%5x:%2x:%2x.%1x%n", &seg, &bus, &dev, &fn, &end) != 4 &&
	    (seg = 0, sscanf(uri, "%2x:%2x.%1x%n", &bus, &dev, &fn, &end) != 3))
		return strdup(uri);
	if (uri[end] && uri[end] != ',')
		return strdup(uri);
	return asprintf(&out, "pci:%04x:%02x:%02x.%x%s", seg, bus, dev, fn, uri + end) < 0 ? NULL
											   : out;
}

int tp_port_attach(struct tp *tp, const char *uri, unsigned *id)
{
	unsigned i = 0;
	struct tp_port *p;
	int ret;

	while (i < TP_MAX_PORTS && tp->ports[i].port)
		i++;
	if (i == TP_MAX_PORTS) {
		fprintf(stderr, "No room for more than %u ports\n", TP_MAX_PORTS);
		return -ENOSPC;
	}
	p = &tp->ports[i];
	*p = (struct tp_port){ .uri = whole_uri(uri) };
	if (!p->uri)
		return -ENOMEM;
	ret = fl_port_open(tp->ctx, p->uri, &p->port);
	if (ret) {
		fprintf(stderr, "Cannot open %s: %s%s\n", p->uri, strerror(-ret),
			strncmp(p->uri, "pci:", 4) ? "" : " (see: fl-devinfo doctor)");
		goto fail;
	}
	fl_port_set_id(p->port, (uint16_t)i);
	fl_port_info(p->port, &p->info);
	fl_port_on_event(p->port, on_event, p);
	ret = fl_port_mac(p->port, &p->mac);
	if (!ret)
		ret = fl_port_promisc(p->port, true); /* forwards whatever comes */
	if (ret == -EOPNOTSUPP)
		ret = 0;
	if (ret) {
		fl_port_close(p->port);
		goto fail;
	}
	port_defaults(tp, p);
	*id = i;
	return 0;
fail:
	free(p->uri);
	*p = (struct tp_port){ 0 };
	return ret;
}

void tp_port_close(struct tp *tp, unsigned id)
{
	struct tp_port *p = &tp->ports[id];
	unsigned kept = 0;

	fl_port_close(p->port);
	free(p->uri);
	*p = (struct tp_port){ 0 };
	for (unsigned i = 0; i < tp->nfwd_ports; i++)
		if (tp->fwd_ports[i] != id)
			tp->fwd_ports[kept++] = tp->fwd_ports[i];
	tp->nfwd_ports = kept;
}

/* ---- pool ----------------------------------------------------------------------------- */

/** Twice what the rings, bursts and caches can hold: enough for a second set of queues. */
static uint32_t pool_count(const struct tp *tp)
{
	const struct tp_conf *c = &tp->conf;
	uint64_t n = (c->nb_cores + 1) * (c->mbcache * 3 / 2 + c->burst), ports = 0;

	if (c->mbufs)
		return (uint32_t)c->mbufs;
	tp_for_each_port(tp, i) {
		const struct tp_port *p = &tp->ports[i];

		n += (uint64_t)p->rxq * p->rxd + (uint64_t)p->txq * p->txd;
		ports++;
	}
	n = fl_align_up(n * 2, 1024);
	return (uint32_t)(ports && n < 1u << 28 ? n : 8192);
}

static int pool_xmem(struct tp *tp, struct fl_pool_opts *o)
{
	bool huge = tp->conf.mp_alloc == TP_MP_XMEMHUGE;
	uint64_t len = fl_align_up(fl_pool_mem_size(o), huge ? 2u << 20 : 4096);
	int fd = memfd_create("fl-testpmd-xmem", MFD_CLOEXEC | (huge ? MFD_HUGETLB : 0u)), ret;

	if (fd < 0 || ftruncate(fd, (off_t)len)) {
		ret = -errno;
		goto out;
	}
	tp->xmem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (tp->xmem == MAP_FAILED) {
		ret = -errno;
		tp->xmem = NULL;
		goto out;
	}
	tp->xmem_len = len;
	ret = fl_mem_wrap(tp->xmem, len, fd, 0, &tp->log, &tp->xmem_area);
	o->mem = tp->xmem_area;
out:
	if (ret)
		fprintf(stderr, "No %" PRIu64 " MiB of own memory for packets: %s%s\n", len >> 20,
			strerror(-ret),
			huge ? " (sysctl vm.nr_hugepages=N makes 2 MiB pages)" : "");
	if (fd >= 0)
		close(fd);
	return ret;
}

int tp_pool_create(struct tp *tp)
{
	struct fl_pool_opts o;
	int ret = 0;

	fl_pool_opts_init(&o);
	o.count = pool_count(tp);
	o.data_room = (uint32_t)(tp->conf.mbuf_size - FL_PKT_HEADROOM);
	o.cache = (uint32_t)tp->conf.mbcache;
	o.space = fl_ctx_space(tp->ctx);
	o.name = "mb_pool_0";
	o.dma_opts.residency = tp->conf.residency.how;
	if (tp->conf.mp_alloc == TP_MP_ANON)
		o.mem_opts.kind = FL_MEM_ANON;
	else if (tp->conf.mp_alloc != TP_MP_NATIVE)
		ret = pool_xmem(tp, &o);
	if (!ret)
		ret = fl_pool_create(&o, &tp->log, &tp->pool);
	if (ret) {
		fprintf(stderr, "No pool of %u packets: %s\n", o.count, strerror(-ret));
		tp_pool_destroy(tp);
	}
	return ret;
}

int tp_pool_destroy(struct tp *tp)
{
	int ret = tp->pool ? fl_pool_destroy(tp->pool) : 0;

	if (ret) {
		fprintf(stderr, "The packet pool is not whole: packets were lost\n");
		return ret;
	}
	tp->pool = NULL;
	if (tp->xmem_area)
		fl_mem_free(tp->xmem_area);
	if (tp->xmem)
		munmap(tp->xmem, tp->xmem_len);
	tp->xmem_area = NULL;
	tp->xmem = NULL;
	return 0;
}

/* ---- start and stop ------------------------------------------------------------------- */

static uint64_t wanted_offloads(const struct tp *tp, const struct tp_port *p)
{
	uint64_t off = p->offloads;

	/* what arrives in pieces, or is made of them, has to leave so */
	if ((off & FL_OFF_RX_SCATTER) || tp->conf.ntx_segs > 1)
		off |= p->info.offloads & FL_OFF_TX_MULTI_SEG;
	/* icmpecho puts the tag back that was stripped */
	if (p->tx_vlan_on || (off & FL_OFF_RX_VLAN_STRIP))
		off |= p->info.offloads & FL_OFF_TX_VLAN;
	if (p->csum_hw & FL_TX_IP_CSUM)
		off |= FL_OFF_TX_IP_CSUM;
	if (p->csum_hw & FL_TX_TCP_CSUM)
		off |= FL_OFF_TX_TCP_CSUM;
	if (p->csum_hw & FL_TX_UDP_CSUM)
		off |= FL_OFF_TX_UDP_CSUM;
	if (p->tso)
		off |= FL_OFF_TX_TSO | FL_OFF_TX_IP_CSUM | FL_OFF_TX_TCP_CSUM;
	return off;
}

static int port_configure(struct tp *tp, unsigned id)
{
	struct tp_port *p = &tp->ports[id];
	struct fl_port_conf conf = {
		.nb_rxq = p->rxq,
		.nb_txq = p->txq,
		.mtu = p->mtu,
		.offloads = wanted_offloads(tp, p),
		.rx_intr = tp->conf.rx_intr,
		.speeds = p->speeds,
		.irq = tp->conf.irq,
	};
	int ret;

	if (p->rxq > 1 || p->rss_set)
		conf.rss = p->rss;
	ret = fl_port_configure(p->port, &conf);
	for (uint16_t q = 0; !ret && q < p->rxq; q++) {
		struct fl_rxq_conf rx = { .nb_desc = p->rxd, .pool = tp->pool };

		ret = fl_rxq_setup(p->port, q, &rx);
	}
	for (uint16_t q = 0; !ret && q < p->txq; q++) {
		struct fl_txq_conf tx = { .nb_desc = p->txd };

		ret = fl_txq_setup(p->port, q, &tx);
	}
	p->conf_due = ret != 0;
	return ret;
}

int tp_port_start(struct tp *tp, unsigned id)
{
	struct tp_port *p = &tp->ports[id];
	int ret = 0;

	if (fl_port_started(p->port))
		return 0;
	if (p->conf_due)
		ret = port_configure(tp, id);
	if (!ret)
		ret = fl_port_start(p->port);
	if (ret) {
		fprintf(stderr, "Port %u does not start: %s%s\n", id, strerror(-ret),
			ret == -ENOMEM ? " (more packets: --total-num-mbufs=N)" : "");
		return ret;
	}
	printf("Port %u: %02X:%02X:%02X:%02X:%02X:%02X\n", id, p->mac.b[0], p->mac.b[1],
	       p->mac.b[2], p->mac.b[3], p->mac.b[4], p->mac.b[5]);
	return 0;
}

int tp_port_stop(struct tp *tp, unsigned id)
{
	int ret = fl_port_stop(tp->ports[id].port);

	if (ret)
		fprintf(stderr, "Port %u does not stop: %s\n", id, strerror(-ret));
	return ret;
}

int tp_port_reconf(struct tp *tp, unsigned id)
{
	int ret;

	tp->ports[id].conf_due = true;
	if (!fl_port_started(tp->ports[id].port))
		return 0;
	ret = tp_port_stop(tp, id);
	return ret ? ret : tp_port_start(tp, id);
}

int tp_port_reset(struct tp *tp, unsigned id)
{
	struct tp_port *p = &tp->ports[id];
	int ret;

	tp_fwd_pause(tp);
	ret = fl_port_reset(p->port);
	if (!ret) {
		p->removed = false;
		p->events = 0;
		/* the device counts from nothing again */
		p->last = p->begun = p->shown = (struct fl_port_stats){ 0 };
	}
	tp_fwd_mark(tp);
	if (tp_fwd_resume(tp))
		tp->failed = true;
	return ret;
}

void tp_ports_link_wait(struct tp *tp)
{
	uint64_t end = fl_now_ns() + LINK_WAIT_MS * 1000000ull;
	bool down;

	printf("Checking link statuses...\n");
	do {
		down = false;
		tp_for_each_port(tp, i) {
			struct fl_link link;

			if (!tp->ports[i].removed && fl_port_started(tp->ports[i].port) &&
			    !fl_port_link(tp->ports[i].port, &link) && !link.up)
				down = true;
		}
	} while (down && fl_now_ns() < end && tp_wait(tp, -1, LINK_STEP_MS) != TP_QUIT);
	printf("Done\n");
	tp_for_each_port(tp, i) {
		struct fl_link link;

		tp->ports[i].events &= ~(1u << FL_PORT_LINK); /* told here, once */
		if (!tp->ports[i].removed && fl_port_started(tp->ports[i].port) &&
		    !fl_port_link(tp->ports[i].port, &link) && !link.up)
			printf("Port %u: no link: nothing that is up ends its cable (%s)\n", i,
			       tp->ports[i].uri);
	}
}

/* ---- events --------------------------------------------------------------------------- */

static void port_gone(struct tp *tp, unsigned id)
{
	struct tp_port *p = &tp->ports[id];

	tp_end_live(tp);
	printf("Port %u: removed\n", id);
	fflush(stdout); /* before the workers are waited for */
	p->removed = true;
	p->plug_tried = false;
	tp->next_plug_ns = fl_now_ns() + 1000000000ull;
	tp_fwd_pause(tp);
	fl_port_release(p->port);
	tp_fwd_mark(tp);
	if (tp_fwd_resume(tp))
		tp->failed = true;
}

static void port_link(struct tp *tp, unsigned id)
{
	struct fl_link link;

	if (tp->conf.no_lsc || fl_port_link(tp->ports[id].port, &link))
		return;
	tp_end_live(tp);
	if (link.up)
		printf("Port %u: link state change event: up at %u Mbps\n", id, link.speed);
	else
		printf("Port %u: link state change event: down\n", id);
}

static void port_wanted(struct tp *tp, unsigned id)
{
	tp_end_live(tp);
	printf("Port %u: the kernel wants the device back, giving it up\n", id);
	port_gone(tp, id);
}

static void port_failed(struct tp *tp, unsigned id)
{
	int ret;

	tp_end_live(tp);
	printf("Port %u: device error, resetting it\n", id);
	ret = tp_port_reset(tp, id);
	if (ret) {
		fprintf(stderr, "Port %u does not come back: %s\n", id, strerror(-ret));
		tp->failed = true;
	} else {
		printf("Port %u: is back\n", id);
	}
}

void tp_port_events(struct tp *tp)
{
	tp_for_each_port(tp, i) {
		struct tp_port *p = &tp->ports[i];
		unsigned ev = p->events;

		p->events = 0;
		if ((ev & 1u << FL_PORT_REMOVED) && !p->removed)
			port_gone(tp, i);
		if ((ev & 1u << FL_PORT_LINK) && !p->removed)
			port_link(tp, i);
		if ((ev & 1u << FL_PORT_REQUEST) && !p->removed)
			port_wanted(tp, i);
		if ((ev & 1u << FL_PORT_ERROR) && !p->removed)
			port_failed(tp, i);
	}
	fflush(stdout);
}
