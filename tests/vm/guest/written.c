/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vm-written URI [refused]: the log of pages that a device writes to, while a NIC puts a frame into
 * one. With "refused", there is no such log, and all else works on. Says "ready" when the frame
 * may come, and at the end "N of M pages".
 */
#include <fl_net.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096u

static struct fl_ctx *ctx;
static struct fl_port *port;
static struct fl_pool *pool;

static int expect(const char *what, int got, int want)
{
	if (got == want)
		return 0;
	fprintf(stderr, "%s: %d (%s), expected %d\n", what, got, strerror(-got), want);
	return 1;
}

static int start_port(const char *uri)
{
	struct fl_port_conf conf = { .nb_rxq = 1, .nb_txq = 1 };
	struct fl_pool_opts po;
	struct fl_rxq_conf rx = { 0 };
	struct fl_txq_conf tx = { 0 };

	fl_pool_opts_init(&po);
	po.count = 1024;
	if (fl_ctx_create(NULL, &ctx))
		return 1;
	po.space = fl_ctx_space(ctx);
	return expect("port", fl_port_open(ctx, uri, &port), 0) ||
	       expect("pool", fl_pool_create(&po, NULL, &pool), 0) ||
	       (rx.pool = pool, expect("configure", fl_port_configure(port, &conf), 0)) ||
	       expect("receive queue", fl_rxq_setup(port, 0, &rx), 0) ||
	       expect("transmit queue", fl_txq_setup(port, 0, &tx), 0) ||
	       expect("start", fl_port_start(port), 0) ||
	       expect("link", fl_port_link_wait(port, 10000), 0);
}

static struct fl_pkt *receive(void)
{
	struct fl_pkt *p = NULL;

	puts("ready");
	fflush(stdout);
	for (unsigned i = 0; i < 20000 && !fl_rx_burst(fl_port_rxq(port, 0), &p, 1); i++)
		usleep(1000);
	return p;
}

/* The page that the frame begins in is among those written to. */
static int look(const struct fl_pkt *p)
{
	struct fl_dma_area *area = fl_dma_find(fl_ctx_space(ctx), fl_pkt_data(p), p->data_len);
	uint64_t pages = area ? area->len / PAGE : 0, page, set = 0;
	uint64_t *bitmap = calloc(pages / 64 + 1, sizeof(*bitmap));
	int rc = 1;

	if (!area || !bitmap)
		goto done;
	page = (uint64_t)((uint8_t *)fl_pkt_data(p) - area->va) / PAGE;
	if (expect("read", fl_dma_dirty_read(area, 0, area->len, PAGE, bitmap), 0))
		goto done;
	for (uint64_t i = 0; i < pages; i++)
		set += bitmap[i / 64] >> i % 64 & 1;
	rc = expect("page of the frame", (int)(bitmap[page / 64] >> page % 64 & 1), 1);
	printf("%" PRIu64 " of %" PRIu64 " pages\n", set, pages);
done:
	free(bitmap);
	return rc;
}

int main(int argc, char **argv)
{
	bool refused = argc == 3 && !strcmp(argv[2], "refused");
	struct fl_dma_space *space;
	struct fl_pkt *p;
	int rc;

	if (argc < 2 || start_port(argv[1]))
		return 2;
	space = fl_ctx_space(ctx);
	rc = expect("log", fl_dma_dirty_start(space), refused ? -EOPNOTSUPP : 0);
	if (!refused)
		rc |= expect("log, once more", fl_dma_dirty_start(space), -EALREADY);
	p = receive();
	rc |= expect("frames", p ? 1 : 0, 1);
	if (p && !refused)
		rc |= look(p);
	rc |= expect("end of the log", fl_dma_dirty_stop(space), refused ? -EALREADY : 0);
	fl_pkt_free(p);
	fl_port_close(port);
	rc |= expect("pool", fl_pool_destroy(pool), 0);
	return expect("end", fl_ctx_destroy(ctx), 0) || rc;
}
