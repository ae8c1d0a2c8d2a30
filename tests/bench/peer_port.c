/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK's net_e1000_em, as the distribution built it, on an 82574L made of memory: EAL lists the
 * PCI bus from the directory that SYSFS_PCI_DEVICES names, and maps BAR0 of a device bound to
 * igb_uio from the file resource0 there. The two paths that it does not let us choose (the UIO
 * node and that node's config space) are redirected by our own open64().
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "membar.h"
#include "peer.h"

/* numbers that no device of this machine has */
#define BUS_ADDR "fb07:1f:1f.7"
#define UIO	 "uio4242"

static char bus_dir[] = "/dev/shm/fl-bench.XXXXXX";
static struct membar *bar;

#define NO_BAR "0x0 0x0 0x0\n"

/** What EAL reads of the device, in the order in which it can be made. */
static const struct node {
	enum { FOLDER, LINK, TEXT } kind;
	const char *name, *content;
} nodes[] = {
	{ FOLDER, "", NULL },
	{ FOLDER, "uio", NULL },
	{ FOLDER, "uio/" UIO, NULL },
	{ LINK, "driver", "../drivers/igb_uio" },
	{ TEXT, "vendor", "0x8086\n" },
	{ TEXT, "device", "0x10d3\n" },
	{ TEXT, "subsystem_vendor", "0x8086\n" },
	{ TEXT, "subsystem_device", "0x0000\n" },
	{ TEXT, "class", "0x020000\n" },
	{ TEXT, "max_vfs", "0\n" },
	{ TEXT, "numa_node", "-1\n" },
	{ TEXT, "config", "command register: .." }, /* nothing else is ever looked at */
	{ TEXT, "resource", "0xe0000000 0xe001ffff 0x40200\n" NO_BAR NO_BAR NO_BAR NO_BAR NO_BAR },
	{ TEXT, "resource0", "" },
};

enum { NODES = sizeof(nodes) / sizeof(nodes[0]) };

static void node_path(char path[PATH_MAX], const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s/%s", bus_dir, BUS_ADDR, name);
}

int open64(const char *path, int flags, ...);

__attribute__((visibility("default"))) int open64(const char *path, int flags, ...)
{
	static int (*real)(const char *, int, ...);
	char config[PATH_MAX];
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & (O_CREAT | __O_TMPFILE))
		mode = va_arg(ap, mode_t);
	va_end(ap);
	if (!strcmp(path, "/dev/" UIO))
		return eventfd(0, EFD_CLOEXEC);
	if (!strcmp(path, "/sys/class/uio/" UIO "/device/config")) {
		node_path(config, "config");
		path = config;
	}
	if (!real)
		real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
	return real(path, flags, mode);
}

static int make_node(const struct node *n)
{
	char path[PATH_MAX];
	FILE *f;

	node_path(path, n->name);
	if (n->kind == FOLDER)
		return mkdir(path, 0700) ? -errno : 0;
	if (n->kind == LINK)
		return symlink(n->content, path) ? -errno : 0;
	f = fopen(path, "w");
	if (!f)
		return -errno;
	if (fputs(n->content, f) < 0) {
		fclose(f);
		return -EIO;
	}
	return fclose(f) ? -errno : 0;
}

void peer_bus_remove(void)
{
	char path[PATH_MAX];

	for (unsigned i = NODES; i-- > 0;) {
		node_path(path, nodes[i].name);
		remove(path);
	}
	rmdir(bus_dir);
}

int peer_bus_create(void)
{
	static struct membar m; /* the port's until the process ends */
	char path[PATH_MAX];
	int err = 0;

	if (!mkdtemp(bus_dir))
		return -errno;
	for (unsigned i = 0; i < NODES && !err; i++)
		err = make_node(&nodes[i]);
	if (err)
		return err;
	setenv("SYSFS_PCI_DEVICES", bus_dir, 1);
	node_path(path, "resource0");
	err = membar_create(&m, path);
	if (err)
		return err;
	bar = &m;
	return membar_answer(bar, true); /* the driver probes inside rte_eal_init() */
}

static void *resolve(void *arg, uint64_t iova, uint64_t len)
{
	return rte_mem_iova2virt(iova);
}

static int start_port(void)
{
	static const struct rte_eth_conf conf;
	int err = rte_eth_dev_configure(0, 1, 1, &conf);

	if (!err)
		err = rte_eth_rx_queue_setup(0, 0, NB_DESC, SOCKET_ID_ANY, NULL, peer_pool);
	if (!err)
		err = rte_eth_tx_queue_setup(0, 0, NB_DESC, SOCKET_ID_ANY, NULL);
	return err ? err : rte_eth_dev_start(0);
}

void *peer_port_open(unsigned how, struct membar **out)
{
	int err = rte_eth_dev_count_avail() ? start_port() : -ENODEV;

	membar_answer(bar, false);
	bar->resolve = resolve;
	if (!err)
		err = membar_attach(bar);
	if (err) {
		bench_note("net_e1000_em does not start: %s", strerror(-err));
		return NULL;
	}
	*out = bar;
	return bar;
}

void peer_port_close(void *port, struct membar *m)
{
	membar_answer(m, true);
	rte_eth_dev_stop(0);
	rte_eth_dev_close(0);
	membar_destroy(m);
}

uint64_t peer_rx(void *port, void **pkts, unsigned burst, unsigned *n)
{
	struct rte_mbuf **m = (struct rte_mbuf **)pkts;
	unsigned got = 0;
	uint64_t t = bench_ticks();

	for (unsigned i = 0; i < SECTION; i += burst)
		got += rte_eth_rx_burst(0, 0, m + got, burst);
	t = bench_ticks() - t;
	*n = got;
	return t;
}

uint64_t peer_tx(void *port, void **pkts, unsigned burst, unsigned *n)
{
	struct rte_mbuf **m = (struct rte_mbuf **)pkts;
	unsigned sent = 0;
	uint64_t t = bench_ticks();

	for (unsigned i = 0; i < SECTION; i += burst)
		sent += rte_eth_tx_burst(0, 0, m + sent, burst);
	t = bench_ticks() - t;
	*n = sent;
	return t;
}

uint64_t peer_forward(void *port, unsigned burst, unsigned *n)
{
	struct rte_mbuf *m[64];
	unsigned sent = 0;
	uint64_t t = bench_ticks();

	for (unsigned i = 0; i < SECTION; i += burst) {
		uint16_t got = rte_eth_rx_burst(0, 0, m, burst);
		uint16_t put = rte_eth_tx_burst(0, 0, m, got);

		if (put < got)
			rte_pktmbuf_free_bulk(m + put, got - put);
		sent += put;
	}
	t = bench_ticks() - t;
	*n = sent;
	return t;
}

int peer_alloc(void *port, void **pkts)
{
	struct rte_mbuf **m = (struct rte_mbuf **)pkts;

	if (rte_pktmbuf_alloc_bulk(peer_pool, m, SECTION))
		return -ENOMEM;
	for (unsigned i = 0; i < SECTION; i++)
		rte_pktmbuf_append(m[i], FRAME_LEN);
	return 0;
}

unsigned peer_free(void **pkts)
{
	struct rte_mbuf **m = (struct rte_mbuf **)pkts;
	unsigned good = 0;

	for (unsigned i = 0; i < SECTION; i++)
		good += m[i]->pkt_len == FRAME_LEN && m[i]->data_len == FRAME_LEN;
	rte_pktmbuf_free_bulk(m, SECTION);
	return good;
}
