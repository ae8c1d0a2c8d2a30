/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faultline's e1000 driver on the same 82574L made of memory: a transport of our own behind the
 * URI scheme "membar". Registers are mapped, config space is an array, there are no interrupts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <fl_net.h>

#include "membar.h"
#include "ours.h"

enum { CONFIG_SIZE = 256, MAPPINGS = 16 };

struct transport {
	struct fl_vfio_dev vfio; /* first */
	struct membar bar;
	struct fl_dma_domain *domain;
	struct fl_dma_mapping maps[MAPPINGS];
	unsigned nmaps;
	uint8_t config[CONFIG_SIZE];
};

struct bench_port {
	struct fl_ctx *ctx;
	struct fl_pool *pool;
	struct fl_port *port;
	struct fl_rxq *rxq;
	struct fl_txq *txq;
	struct membar *bar; /* what the transport made */
};

/* ---- its IOMMU: anywhere, and it is remembered where ---------------------------------- */

static int dma_limits(void *arg, struct fl_dma_limits *out)
{
	static const struct fl_iova_range all = { 0x1000, UINT64_MAX >> 16 };

	*out = (struct fl_dma_limits){ .ranges = &all, .nranges = 1, .page_sizes = ~0xfffull };
	return 0;
}

static int dma_map(void *arg, const struct fl_dma_mapping *m)
{
	struct transport *t = arg;

	if (t->nmaps == MAPPINGS)
		return -ENOSPC;
	t->maps[t->nmaps++] = *m;
	return 0;
}

static int dma_unmap(void *arg, fl_iova_t iova, uint64_t len, uint64_t *unmapped)
{
	struct transport *t = arg;

	for (unsigned i = 0; i < t->nmaps; i++) {
		if (t->maps[i].iova.v == iova.v && t->maps[i].len == len) {
			t->maps[i] = t->maps[--t->nmaps];
			*unmapped = len;
			return 0;
		}
	}
	*unmapped = 0;
	return -ENOENT;
}

static void *resolve(void *arg, uint64_t iova, uint64_t len)
{
	struct transport *t = arg;

	for (unsigned i = 0; i < t->nmaps; i++) {
		const struct fl_dma_mapping *m = &t->maps[i];

		if (iova >= m->iova.v && iova - m->iova.v + len <= m->len)
			return (uint8_t *)m->va + (iova - m->iova.v);
	}
	return NULL;
}

static const struct fl_dma_domain_ops dma_ops = {
	.name = "membar",
	.limits = dma_limits,
	.map = dma_map,
	.unmap = dma_unmap,
};

/* ---- its VFIO ------------------------------------------------------------------------- */

static int region_info(struct fl_vfio_dev *d, unsigned index, struct fl_vfio_region *out)
{
	memset(out, 0, sizeof(*out));
	out->flags = FL_VFIO_REGION_F_READ | FL_VFIO_REGION_F_WRITE;
	if (index == FL_VFIO_REGION_BAR0) {
		out->size = MEMBAR_SIZE;
		out->flags |= FL_VFIO_REGION_F_MMAP;
	} else if (index == FL_VFIO_REGION_CONFIG) {
		out->size = CONFIG_SIZE;
	}
	return 0;
}

static int region(struct fl_vfio_dev *d, unsigned index, uint64_t off, size_t len, uint8_t **at)
{
	struct transport *t = (struct transport *)d;
	uint64_t size = index == FL_VFIO_REGION_BAR0	 ? MEMBAR_SIZE
			: index == FL_VFIO_REGION_CONFIG ? CONFIG_SIZE
							 : 0;

	if (off > size || len > size - off)
		return -EINVAL;
	*at = (index == FL_VFIO_REGION_BAR0 ? (uint8_t *)t->bar.regs : t->config) + off;
	return 0;
}

static int region_read(struct fl_vfio_dev *d, unsigned index, uint64_t off, void *buf, size_t len)
{
	uint8_t *at;
	int err = region(d, index, off, len, &at);

	if (!err)
		memcpy(buf, at, len);
	return err;
}

static int region_write(struct fl_vfio_dev *d, unsigned index, uint64_t off, const void *buf,
			size_t len)
{
	uint8_t *at;
	int err = region(d, index, off, len, &at);

	if (!err)
		memcpy(at, buf, len);
	return err;
}

static int region_mmap(struct fl_vfio_dev *d, unsigned index, uint64_t off, uint64_t len,
		       void **out)
{
	struct transport *t = (struct transport *)d;

	if (index != FL_VFIO_REGION_BAR0)
		return -EOPNOTSUPP;
	*out = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, t->bar.fd, (off_t)off);
	return *out == MAP_FAILED ? -errno : 0;
}

static int irq_info(struct fl_vfio_dev *d, unsigned index, struct fl_vfio_irq *out)
{
	memset(out, 0, sizeof(*out));
	return 0;
}

static int irq_set(struct fl_vfio_dev *d, unsigned index, unsigned start, unsigned count,
		   enum fl_vfio_irq_action action, const int *fds)
{
	return -EOPNOTSUPP;
}

static int no(struct fl_vfio_dev *d)
{
	return -EOPNOTSUPP;
}

static int no_fd(struct fl_vfio_dev *d)
{
	return -1;
}

static int nothing(struct fl_vfio_dev *d)
{
	return 0;
}

static void ignore(struct fl_vfio_dev *d)
{
}

static void close_transport(struct fl_vfio_dev *d)
{
	struct transport *t = (struct transport *)d;

	fl_dma_domain_remove(t->domain, false);
	membar_destroy(&t->bar);
	free(t);
}

static const struct fl_vfio_ops vfio_ops = {
	.name = "membar",
	.region_info = region_info,
	.region_read = region_read,
	.region_write = region_write,
	.region_mmap = region_mmap,
	.irq_info = irq_info,
	.irq_set = irq_set,
	.reset = no,
	.hot_reset = no,
	.event_fd = no_fd,
	.dispatch = nothing,
	.release = ignore,
	.reattach = no,
	.close = close_transport,
};

static int open_transport(struct fl_ctx *c, const char *rest, void *arg, struct fl_vfio_dev **out)
{
	/* an 82574L: 8086:10d3, Ethernet controller; the rest of config space reads 0 */
	static const uint8_t id[16] = { 0x86, 0x80, 0xd3, 0x10, [10] = 0x00, [11] = 0x02 };
	struct transport *t = calloc(1, sizeof(*t));
	struct membar **bar = arg;
	int err;

	if (!t)
		return -ENOMEM;
	err = membar_create(&t->bar, NULL);
	if (err)
		goto no_bar;
	memcpy(t->config, id, sizeof(id));
	t->bar.resolve = resolve;
	t->bar.resolve_arg = t;
	t->vfio.ops = &vfio_ops;
	t->vfio.space = fl_ctx_space(c);
	t->vfio.log = fl_ctx_log(c);
	t->vfio.nregions = FL_VFIO_REGION_CONFIG + 1;
	t->vfio.nirqs = FL_VFIO_IRQ_REQ + 1;
	err = fl_dma_domain_add(t->vfio.space, &dma_ops, t, &t->domain);
	if (err)
		goto no_domain;
	err = membar_answer(&t->bar, true);
	if (err)
		goto no_thread;
	*bar = &t->bar;
	*out = &t->vfio;
	return 0;

no_thread:
	fl_dma_domain_remove(t->domain, false);
no_domain:
	membar_destroy(&t->bar);
no_bar:
	free(t);
	return err;
}

/* ---- the port ------------------------------------------------------------------------- */

static int start_port(struct bench_port *p, unsigned how)
{
	const struct fl_scheme scheme = { .name = "membar",
					  .open = open_transport,
					  .arg = &p->bar };
	const struct fl_port_conf conf = { .nb_rxq = 1, .nb_txq = 1 };
	struct fl_rxq_conf rx = { .nb_desc = NB_DESC };
	const struct fl_txq_conf tx = { .nb_desc = NB_DESC };
	int err = fl_ctx_create(NULL, &p->ctx);

	if (!err)
		err = fl_ctx_add_scheme(p->ctx, &scheme);
	if (!err)
		err = ours_pool_create(fl_ctx_space(p->ctx), how, &p->pool);
	if (!err)
		err = fl_port_open(p->ctx, "membar:", &p->port);
	if (!err)
		err = fl_port_configure(p->port, &conf);
	rx.pool = p->pool;
	if (!err)
		err = fl_rxq_setup(p->port, 0, &rx);
	if (!err)
		err = fl_txq_setup(p->port, 0, &tx);
	return err ? err : fl_port_start(p->port);
}

void *ours_port_open(unsigned how, struct membar **bar)
{
	struct bench_port *p = calloc(1, sizeof(*p));
	int err = p ? start_port(p, how) : -ENOMEM;

	if (!err) {
		membar_answer(p->bar, false);
		err = membar_attach(p->bar);
	}
	if (err) {
		bench_note("net_e1000 does not start: %s", strerror(-err));
		if (p)
			ours_port_close(p, p->bar);
		return NULL;
	}
	p->rxq = fl_port_rxq(p->port, 0);
	p->txq = fl_port_txq(p->port, 0);
	*bar = p->bar;
	return p;
}

void ours_port_close(void *port, struct membar *bar)
{
	struct bench_port *p = port;
	int err;

	if (p->port) {
		membar_answer(bar, true);
		fl_port_close(p->port);
	}
	err = p->pool ? fl_pool_destroy(p->pool) : 0;
	if (!err && p->ctx)
		err = fl_ctx_destroy(p->ctx);
	if (err)
		bench_note("the port leaves something behind: %s", strerror(-err));
	free(p);
}

uint64_t ours_rx(void *port, void **pkts, unsigned burst, unsigned *n)
{
	struct bench_port *b = port;
	struct fl_pkt **p = (struct fl_pkt **)pkts;
	unsigned got = 0;
	uint64_t t = bench_ticks();

	for (unsigned i = 0; i < SECTION; i += burst)
		got += fl_rx_burst(b->rxq, p + got, (uint16_t)burst);
	t = bench_ticks() - t;
	*n = got;
	return t;
}

uint64_t ours_tx(void *port, void **pkts, unsigned burst, unsigned *n)
{
	struct bench_port *b = port;
	struct fl_pkt **p = (struct fl_pkt **)pkts;
	unsigned sent = 0;
	uint64_t t = bench_ticks();

	for (unsigned i = 0; i < SECTION; i += burst)
		sent += fl_tx_burst(b->txq, p + sent, (uint16_t)burst);
	t = bench_ticks() - t;
	*n = sent;
	return t;
}

uint64_t ours_forward(void *port, unsigned burst, unsigned *n)
{
	struct bench_port *b = port;
	struct fl_pkt *p[64];
	unsigned sent = 0;
	uint64_t t = bench_ticks();

	for (unsigned i = 0; i < SECTION; i += burst) {
		uint16_t got = fl_rx_burst(b->rxq, p, (uint16_t)burst);
		uint16_t put = fl_tx_burst(b->txq, p, got);

		if (put < got)
			fl_pkt_free_bulk(p + put, got - put);
		sent += put;
	}
	t = bench_ticks() - t;
	*n = sent;
	return t;
}

int ours_alloc(void *port, void **pkts)
{
	struct bench_port *b = port;
	struct fl_pkt **p = (struct fl_pkt **)pkts;

	for (unsigned i = 0; i < SECTION; i++) {
		p[i] = fl_pkt_alloc(b->pool);
		if (!p[i] || !fl_pkt_append(p[i], FRAME_LEN)) {
			fl_pkt_free_bulk(p, i + !!p[i]);
			return -ENOMEM;
		}
	}
	return 0;
}

unsigned ours_free(void **pkts)
{
	struct fl_pkt **p = (struct fl_pkt **)pkts;
	unsigned good = 0;

	for (unsigned i = 0; i < SECTION; i++)
		good += p[i]->pkt_len == FRAME_LEN && p[i]->data_len == FRAME_LEN;
	fl_pkt_free_bulk(p, SECTION);
	return good;
}
