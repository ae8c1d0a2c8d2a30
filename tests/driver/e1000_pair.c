/* SPDX-License-Identifier: BSD-3-Clause */
#include "e1000_pair.h"

#include <stdio.h>

#include <fl_model.h>

#define POOL_COUNT 4096u

const char *e1000_model = "e1000e";

void e1000_args(int argc, char **argv)
{
	if (argc > 1)
		e1000_model = argv[1];
}

int e1000_pair_make(struct pair *p, const char *args)
{
	struct fl_pool_opts o;
	char uri[128];
	int rc;

	rc = fl_ctx_create(NULL, &p->ctx);
	if (!rc)
		rc = fl_model_enable(p->ctx, NULL);
	if (rc)
		return rc;
	/* the wire's name is as unique as the pair */
	snprintf(uri, sizeof(uri), "model:%s,wire=w%p,%s", e1000_model, (void *)p->ctx, args);
	rc = fl_port_open(p->ctx, uri, &p->a);
	if (!rc)
		rc = fl_port_open(p->ctx, uri, &p->b);
	if (rc)
		return rc;
	/* after the ports: one of them may limit where the pool can stand */
	fl_pool_opts_init(&o);
	o.count = POOL_COUNT;
	o.space = fl_ctx_space(p->ctx);
	return fl_pool_create(&o, NULL, &p->pool);
}

struct pair pr;

int e1000_group_setup(void **state)
{
	return e1000_pair_make(&pr, "shared=on");
}

int e1000_group_teardown(void **state)
{
	pair_free(&pr);
	return 0;
}

int e1000_down(void **state)
{
	struct fl_mac none[1];

	pair_down(&pr);
	assert_int_equal(fl_port_promisc(pr.a, false), 0);
	assert_int_equal(fl_port_promisc(pr.b, false), 0);
	assert_int_equal(fl_port_allmulti(pr.b, false), 0);
	assert_int_equal(fl_port_mcast_set(pr.b, none, 0), 0);
	return 0;
}

void e1000_up(uint64_t offloads, uint16_t queues)
{
	struct fl_port_conf c = { .nb_rxq = queues, .nb_txq = queues, .offloads = offloads };

	assert_int_equal(fl_port_promisc(pr.a, true), 0);
	assert_int_equal(fl_port_promisc(pr.b, true), 0);
	pair_up(&pr, &c);
}

struct fl_port_info e1000_info(void)
{
	struct fl_port_info i;

	fl_port_info(pr.a, &i);
	return i;
}

bool e1000_has(uint64_t features)
{
	return (e1000_info().features & features) == features;
}

uint32_t e1000_longest(void)
{
	return e1000_info().mtu_max + 14u;
}

struct fl_pkt *e1000_send_one(struct fl_pkt *pkt)
{
	struct fl_pkt *got;

	assert_int_equal(fl_tx_prepare(fl_port_txq(pr.a, 0), &pkt, 1), 1);
	pair_send(fl_port_txq(pr.a, 0), &pkt, 1);
	pair_recv(fl_port_rxq(pr.b, 0), &got, 1);
	return got;
}
