/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices, ports, queues and pools. In the thread that dispatches the context, so that nobody opens
 * or closes any of them meanwhile; a handler of the application may, within fl_port_link() and
 * fl_port_stats(), so nothing of a port is looked at after those.
 */
#include "telemetry_internal.h"

#include <fl_net.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define POOLS_MAX  64u
#define XSTATS_MAX 4096

void fl_tele_devices(struct fl_ctx *ctx, struct fl_tele_req *q, struct fl_json *j)
{
	struct fl_dev *dev;
	unsigned number;
	char id[16];

	for (unsigned i = 0; (dev = fl_dev_at(ctx, i)); i++) {
		const struct fl_pci_id *pci = fl_dev_id(dev);

		if (!fl_tele_wants(q, &number))
			continue;
		snprintf(id, sizeof(id), "%04x:%04x", pci->vendor, pci->device);
		fl_json_open(j, NULL, '{');
		fl_json_u64(j, "device", number);
		fl_json_u64(j, "space", q->ctx);
		fl_json_text(j, "uri", fl_dev_uri(dev));
		fl_json_text(j, "transport", fl_dev_transport(dev));
		fl_json_text(j, "id", id);
		fl_json_u64(j, "revision", pci->revision);
		fl_json_hex(j, "class", pci->class_code);
		fl_json_int(j, "numa_node", fl_dev_node(dev));
		fl_json_bool(j, "faults", fl_dev_faults(dev));
		fl_json_bool(j, "removed", fl_dev_removed(dev));
		fl_json_close(j, '}');
	}
}

/* ---- ports ------------------------------------------------------------------------------- */

/* The next one from *i on that is asked for; moves on behind it. */
static struct fl_port *next_port(struct fl_ctx *ctx, struct fl_tele_req *q, unsigned *i,
				 unsigned *number)
{
	struct fl_port *p;

	while ((p = fl_port_at(ctx, (*i)++)))
		if (fl_tele_wants(q, number))
			break;
	return p;
}

static void port_head(struct fl_port *p, unsigned number, struct fl_json *j)
{
	fl_json_open(j, NULL, '{');
	fl_json_u64(j, "port", number);
	fl_json_text(j, "uri", fl_dev_uri(fl_port_dev(p)));
}

static void port_link(struct fl_port *p, struct fl_json *j)
{
	struct fl_link l;

	if (fl_dev_removed(fl_port_dev(p)) || fl_port_link(p, &l)) {
		fl_json_text(j, "link", NULL);
		return;
	}
	fl_json_open(j, "link", '{');
	fl_json_bool(j, "up", l.up);
	fl_json_u64(j, "speed_mbps", l.speed);
	fl_json_bool(j, "full_duplex", l.full_duplex);
	fl_json_bool(j, "autoneg", l.autoneg);
	fl_json_close(j, '}');
}

void fl_tele_ports(struct fl_ctx *ctx, struct fl_tele_req *q, struct fl_json *j)
{
	struct fl_port_info info;
	struct fl_mac mac = { { 0 } };
	struct fl_port *p;
	unsigned number;
	char text[18];

	for (unsigned i = 0; (p = next_port(ctx, q, &i, &number));) {
		const struct fl_port_conf *conf = fl_port_conf(p);

		fl_port_info(p, &info);
		(void)!fl_port_mac(p, &mac);
		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac.b[0], mac.b[1],
			 mac.b[2], mac.b[3], mac.b[4], mac.b[5]);
		port_head(p, number, j);
		fl_json_u64(j, "space", q->ctx);
		fl_json_u64(j, "id", fl_port_id(p));
		fl_json_text(j, "driver", info.driver);
		fl_json_text(j, "chip", info.chip);
		fl_json_text(j, "mac", text);
		fl_json_bool(j, "started", fl_port_started(p));
		fl_json_bool(j, "removed", fl_dev_removed(fl_port_dev(p)));
		fl_json_bool(j, "promiscuous", fl_port_is_promisc(p));
		fl_json_u64(j, "mtu", conf->mtu);
		fl_json_u64(j, "rx_queues", conf->nb_rxq);
		fl_json_u64(j, "tx_queues", conf->nb_txq);
		port_link(p, j);
		fl_json_close(j, '}');
	}
}

void fl_tele_port_stats(struct fl_ctx *ctx, struct fl_tele_req *q, struct fl_json *j)
{
	struct fl_port_stats s;
	struct fl_port *p;
	unsigned number;

	for (unsigned i = 0; (p = next_port(ctx, q, &i, &number));) {
		port_head(p, number, j);
		if (!fl_port_stats(p, &s)) {
			fl_json_u64(j, "rx_packets", s.rx_packets);
			fl_json_u64(j, "tx_packets", s.tx_packets);
			fl_json_u64(j, "rx_bytes", s.rx_bytes);
			fl_json_u64(j, "tx_bytes", s.tx_bytes);
			fl_json_u64(j, "rx_missed", s.rx_missed);
			fl_json_u64(j, "rx_errors", s.rx_errors);
			fl_json_u64(j, "tx_errors", s.tx_errors);
			fl_json_u64(j, "rx_nombuf", s.rx_nombuf);
			fl_json_u64(j, "rx_bad_desc", s.rx_bad_desc);
		}
		fl_json_close(j, '}');
	}
}

void fl_tele_port_xstats(struct fl_ctx *ctx, struct fl_tele_req *q, struct fl_json *j)
{
	struct fl_port *p;
	unsigned number;

	for (unsigned i = 0; (p = next_port(ctx, q, &i, &number));) {
		struct fl_xstat *x;
		int n;

		port_head(p, number, j);
		n = fl_port_xstats(p, NULL, 0);
		n = n < 0 ? 0 : n < XSTATS_MAX ? n : XSTATS_MAX;
		x = calloc((size_t)n + 1, sizeof(*x));
		if (x && fl_port_xstats(p, x, (unsigned)n) < n)
			n = 0;
		fl_json_open(j, "xstats", '{');
		for (int k = 0; x && k < n; k++)
			fl_json_u64(j, x[k].name, x[k].value);
		fl_json_close(j, '}');
		fl_json_close(j, '}');
		free(x);
	}
}

static void bit_names(struct fl_json *j, const char *key, uint64_t bits,
		      const char *(*name)(unsigned bit))
{
	fl_json_open(j, key, '[');
	for (unsigned bit = 0; bit < 64; bit++)
		if (bits >> bit & 1 && name(bit) && *name(bit))
			fl_json_text(j, NULL, name(bit));
	fl_json_close(j, ']');
}

void fl_tele_port_info(struct fl_ctx *ctx, struct fl_tele_req *q, struct fl_json *j)
{
	struct fl_port_info info;
	struct fl_port *p;
	unsigned number;

	for (unsigned i = 0; (p = next_port(ctx, q, &i, &number));) {
		fl_port_info(p, &info);
		port_head(p, number, j);
		fl_json_u64(j, "rx_queues_max", info.rxq_max);
		fl_json_u64(j, "tx_queues_max", info.txq_max);
		fl_json_u64(j, "rx_descriptors_max", info.rxd_max);
		fl_json_u64(j, "tx_descriptors_max", info.txd_max);
		fl_json_u64(j, "mtu_min", info.mtu_min);
		fl_json_u64(j, "mtu_max", info.mtu_max);
		fl_json_u64(j, "segments_max", info.seg_max);
		fl_json_u64(j, "tso_max", info.tso_max);
		fl_json_u64(j, "mac_filters", info.mac_max);
		fl_json_u64(j, "reta_size", info.reta_size);
		bit_names(j, "offloads", info.offloads, fl_offload_name);
		bit_names(j, "offloads_on", fl_port_conf(p)->offloads, fl_offload_name);
		bit_names(j, "features", info.features, fl_feature_name);
		fl_json_close(j, '}');
	}
}

/* ---- queues ------------------------------------------------------------------------------ */

static void queue_head(struct fl_json *j, unsigned port, const char *way, unsigned qid)
{
	fl_json_open(j, NULL, '{');
	fl_json_u64(j, "port", port);
	fl_json_text(j, "direction", way);
	fl_json_u64(j, "queue", qid);
}

static void queue_stats(const struct fl_queue_stats *s, struct fl_json *j)
{
	fl_json_u64(j, "packets", s->packets);
	fl_json_u64(j, "bytes", s->bytes);
	fl_json_u64(j, "errors", s->errors);
	fl_json_u64(j, "nombuf", s->nombuf);
}

static void rx_queue(struct fl_rxq *rxq, unsigned port, struct fl_json *j)
{
	struct fl_rxq_info info;
	struct fl_queue_stats st;

	queue_head(j, port, "rx", rxq->qid);
	if (!fl_rxq_info(rxq, &info)) {
		fl_json_u64(j, "descriptors", info.nb_desc);
		fl_json_u64(j, "free_thresh", info.free_thresh);
		fl_json_u64(j, "buffer_bytes", info.buf_size);
		fl_json_bool(j, "scattered", info.scattered);
		fl_json_text(j, "pool", info.pool ? fl_pool_name(info.pool) : NULL);
	}
	if (!fl_rxq_stats(rxq, &st))
		queue_stats(&st, j);
	fl_json_close(j, '}');
}

static void tx_queue(struct fl_txq *txq, unsigned port, struct fl_json *j)
{
	struct fl_txq_info info;
	struct fl_queue_stats st;

	queue_head(j, port, "tx", txq->qid);
	if (!fl_txq_info(txq, &info)) {
		fl_json_u64(j, "descriptors", info.nb_desc);
		fl_json_u64(j, "free_thresh", info.free_thresh);
		fl_json_u64(j, "rs_thresh", info.rs_thresh);
	}
	if (!fl_txq_stats(txq, &st))
		queue_stats(&st, j);
	fl_json_close(j, '}');
}

void fl_tele_queues(struct fl_ctx *ctx, struct fl_tele_req *q, struct fl_json *j)
{
	struct fl_port *p;
	unsigned number;

	for (unsigned i = 0; (p = next_port(ctx, q, &i, &number));) {
		const struct fl_port_conf *conf = fl_port_conf(p);

		for (uint16_t k = 0; k < conf->nb_rxq; k++)
			if (fl_port_rxq(p, k))
				rx_queue(fl_port_rxq(p, k), number, j);
		for (uint16_t k = 0; k < conf->nb_txq; k++)
			if (fl_port_txq(p, k))
				tx_queue(fl_port_txq(p, k), number, j);
	}
}

/* ---- pools ------------------------------------------------------------------------------- */

static void one_pool(struct fl_pool *pool, unsigned number, unsigned space, struct fl_json *j)
{
	const struct fl_dma_area *a = fl_pool_area(pool);
	struct fl_pool_stats s;

	fl_pool_stats(pool, &s);
	fl_json_open(j, NULL, '{');
	fl_json_u64(j, "pool", number);
	fl_json_text(j, "name", fl_pool_name(pool));
	fl_json_u64(j, "space", space);
	fl_json_u64(j, "packets", s.count);
	fl_json_u64(j, "data_room", s.data_room);
	fl_json_u64(j, "in_use", s.in_use);
	fl_json_u64(j, "fresh", s.fresh);
	fl_json_u64(j, "cached", s.cached);
	fl_json_u64(j, "bytes", s.mem_bytes);
	fl_json_u64(j, "alloc_failed", s.alloc_failed);
	if (a)
		fl_json_hex(j, "va", (uintptr_t)a->va);
	fl_json_close(j, '}');
}

void fl_tele_pools(struct fl_ctx *ctx, struct fl_tele_req *q, struct fl_json *j)
{
	struct fl_pool *pools[POOLS_MAX];
	struct fl_rxq_info info;
	struct fl_port *p;
	unsigned n = 0, number;

	for (unsigned i = 0; (p = fl_port_at(ctx, i)); i++) {
		for (uint16_t k = 0; k < fl_port_conf(p)->nb_rxq && n < POOLS_MAX; k++) {
			struct fl_rxq *rxq = fl_port_rxq(p, k);
			unsigned at = 0;

			if (!rxq || fl_rxq_info(rxq, &info) || !info.pool)
				continue;
			while (at < n && pools[at] != info.pool)
				at++;
			if (at < n)
				continue;
			pools[n++] = info.pool;
			if (fl_tele_wants(q, &number))
				one_pool(info.pool, number, q->ctx, j);
		}
	}
}
