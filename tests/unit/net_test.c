/* SPDX-License-Identifier: BSD-3-Clause */
/* The core of lib/net, with a driver that does little but record what it is asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fl_net_driver.h>

#include "../driver/fake_nic.h"
#include "../driver/frames.h"

#define OFFLOADS                                                                                 \
	(FL_OFF_RX_VLAN_STRIP | FL_OFF_RX_VLAN_FILTER | FL_OFF_TX_IP_CSUM | FL_OFF_TX_TCP_CSUM | \
	 FL_OFF_TX_UDP_CSUM | FL_OFF_TX_TSO | FL_OFF_TX_MULTI_SEG)

struct toy {
	struct fl_port port;
	int fail; /* what the next operation answers */
	unsigned starts, stops, resets, applies, queues;
	uint64_t clock;
};

static struct fake_nic nic;
static struct fl_ctx *ctx;
static struct fl_pool *pool;
static struct fl_port *port;
static bool bare; /* the next probe supplies no operation at all */
static char last_error[1024];

static struct toy *toy(const struct fl_port *p)
{
	return (struct toy *)p;
}

static int answer(struct fl_port *p)
{
	int rc = toy(p)->fail;

	toy(p)->fail = 0;
	return rc;
}

static void t_info(const struct fl_port *p, struct fl_port_info *out)
{
	*out = (struct fl_port_info){
		.driver = "toy",
		.chip = "toy",
		.rxq_max = 2,
		.txq_max = 2,
		.rxd_min = 32,
		.rxd_max = 1024,
		.rxd_align = 8,
		.rxd_default = 64,
		.txd_min = 32,
		.txd_max = 1024,
		.txd_align = 8,
		.txd_default = 64,
		.mtu_min = 68,
		.mtu_max = 9000,
		.mac_max = 2,
		.seg_max = 4,
		.tso_max = 65535,
		.reta_size = 8,
		.rss_key_size = 40,
		.rss_types = FL_RSS_IPV4,
		.offloads = OFFLOADS,
		.features = FL_FEAT_RSS | FL_FEAT_FLOW_CTRL | FL_FEAT_TIMESYNC | FL_FEAT_LINK_SPEED,
		.speeds = FL_SPEED_10 | FL_SPEED_100 | FL_SPEED_1000,
	};
}

static int t_rxq_setup(struct fl_port *p, uint16_t qid, const struct fl_rxq_conf *c,
		       struct fl_rxq **q)
{
	int rc = answer(p);

	if (rc)
		return rc;
	assert_int_not_equal(c->nb_desc, 0);
	*q = calloc(1, sizeof(**q));
	toy(p)->queues++;
	return 0;
}

static int t_txq_setup(struct fl_port *p, uint16_t qid, const struct fl_txq_conf *c,
		       struct fl_txq **q)
{
	*q = calloc(1, sizeof(**q));
	toy(p)->queues++;
	return 0;
}

static void t_rxq_release(struct fl_rxq *q)
{
	toy(q->port)->queues--;
	free(q);
}

static void t_txq_release(struct fl_txq *q)
{
	toy(q->port)->queues--;
	free(q);
}

static uint16_t t_rx(struct fl_rxq *q, struct fl_pkt **pkts, uint16_t n)
{
	return n;
}

static int t_start(struct fl_port *p)
{
	int rc = answer(p);

	toy(p)->starts++;
	for (unsigned i = 0; i < p->conf.nb_rxq; i++)
		p->rxq[i]->burst = t_rx;
	return rc;
}

static void t_stop(struct fl_port *p)
{
	toy(p)->stops++;
}

static int t_reset(struct fl_port *p)
{
	toy(p)->resets++;
	return answer(p);
}

static void t_close(struct fl_port *p)
{
	assert_int_equal(toy(p)->queues, 0);
	free(p);
}

static int t_apply(struct fl_port *p)
{
	toy(p)->applies++;
	return answer(p);
}

static int t_vlan(struct fl_port *p, uint16_t vid)
{
	return t_apply(p);
}

static int t_link_set(struct fl_port *p, bool up)
{
	return t_apply(p);
}

static int t_rxq_info(struct fl_rxq *q, struct fl_rxq_info *out)
{
	out->buf_size = 2048;
	return 0;
}

static int t_clock(struct fl_port *p, uint64_t *ns)
{
	*ns = toy(p)->clock;
	return answer(p);
}

static const struct fl_net_ops toy_ops = {
	.info = t_info,
	.rxq_setup = t_rxq_setup,
	.txq_setup = t_txq_setup,
	.rxq_release = t_rxq_release,
	.txq_release = t_txq_release,
	.start = t_start,
	.stop = t_stop,
	.hw_reset = t_reset,
	.close = t_close,
	.link_set = t_link_set,
	.rx_mode_apply = t_apply,
	.mac_apply = t_apply,
	.mcast_apply = t_apply,
	.vlan_apply = t_vlan,
	.rss_apply = t_apply,
	.fc_apply = t_apply,
	.timesync_apply = t_apply,
	.timesync_clock = t_clock,
	.timesync_rx = t_clock,
	.timesync_tx = t_clock,
	.rxq_info = t_rxq_info,
};

static int probe(struct fl_dev *dev, const struct fl_driver_id *id, void **priv)
{
	static const struct fl_net_ops none = { .close = t_close };
	struct toy *t = calloc(1, sizeof(*t));

	fl_net_port_init(&t->port, dev, bare ? &none : &toy_ops);
	t->port.macs[0] = (struct fl_mac){ { 2, 0, 0, 0, 0, 1 } };
	t->port.nmacs = 1;
	*priv = t;
	return 0;
}

static void remove_toy(void *priv)
{
	t_close(priv);
}

static void capture(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
	if (level == FL_LOG_ERR)
		strncpy(last_error, msg, sizeof(last_error) - 1);
}

static int setup(void **state)
{
	static const struct fl_log log = { .write = capture, .level = FL_LOG_DEBUG };
	const struct fl_ctx_opts co = { .log = &log };
	struct fl_pool_opts o;

	fake_nic_init(&nic);
	assert_int_equal(fl_ctx_create(&co, &ctx), 0);
	assert_int_equal(fake_nic_scheme(ctx, &nic), 0);
	fl_pool_opts_init(&o);
	o.count = 64;
	o.space = fl_ctx_space(ctx);
	assert_int_equal(fl_pool_create(&o, NULL, &pool), 0);
	assert_int_equal(fl_port_open(ctx, "fake:", &port), 0);
	last_error[0] = 0;
	return 0;
}

static int teardown(void **state)
{
	fl_port_close(port);
	assert_int_equal(fl_pool_destroy(pool), 0);
	assert_int_equal(fl_ctx_destroy(ctx), 0);
	fake_nic_fini(&nic);
	bare = false;
	return 0;
}

static int setup_bare(void **state)
{
	bare = true;
	return setup(state);
}

/* the message names the value that was wrong and its bound */
static void says(const char *value, const char *bound)
{
	if (!strstr(last_error, value) || !strstr(last_error, bound))
		fail_msg("\"%s\" has not both \"%s\" and \"%s\"", last_error, value, bound);
	last_error[0] = 0;
}

static void running(uint64_t offloads)
{
	const struct fl_port_conf c = { .nb_rxq = 1, .nb_txq = 1, .offloads = offloads };
	const struct fl_rxq_conf rc = { .pool = pool };
	const struct fl_txq_conf tc = { 0 };

	assert_int_equal(fl_port_configure(port, &c), 0);
	assert_int_equal(fl_rxq_setup(port, 0, &rc), 0);
	assert_int_equal(fl_txq_setup(port, 0, &tc), 0);
	assert_int_equal(fl_port_start(port), 0);
}

static void test_names(void **state)
{
	unsigned n = 0;

	for (unsigned i = 0; fl_offload_name(i); i++)
		n += *fl_offload_name(i) != 0;
	assert_int_equal(n, 14);
	assert_string_equal(fl_offload_name(2), "rx_vlan_strip");
	assert_string_equal(fl_offload_name(21), "tx_multi_seg");
	assert_null(fl_offload_name(64));
	for (n = 0; fl_feature_name(n); n++)
		assert_true(strlen(fl_feature_name(n)) > 2);
	assert_int_equal(1ull << (n - 1), FL_FEAT_LINK_SPEED);
	assert_string_equal(fl_feature_name(13), "flow_ctrl");
}

/* a driver without operations: nothing crashes, all say so */
static void test_complete_table(void **state)
{
	struct fl_port_stats s;
	struct fl_flow_ctrl fc;
	struct fl_port_info i;
	struct fl_link l;
	uint32_t v;
	char buf[8];

	fl_port_info(port, &i);
	assert_int_equal(i.rxq_max, 0);
	assert_int_equal(fl_port_link(port, &l), -EOPNOTSUPP);
	assert_int_equal(fl_port_link_wait(port, 1), -EOPNOTSUPP);
	assert_int_equal(fl_port_stats(port, &s), -EOPNOTSUPP);
	assert_int_equal(fl_port_stats_reset(port), -EOPNOTSUPP);
	assert_int_equal(fl_port_xstats(port, NULL, 0), -EOPNOTSUPP);
	assert_int_equal(fl_port_flow_ctrl_get(port, &fc), -EOPNOTSUPP);
	assert_int_equal(fl_port_led(port, true), -EOPNOTSUPP);
	assert_int_equal(fl_port_timesync(port, true), -EOPNOTSUPP);
	assert_int_equal(fl_port_time_adjust(port, 1), -EOPNOTSUPP);
	assert_int_equal(fl_port_eeprom(port, NULL, 0), -EOPNOTSUPP);
	assert_int_equal(fl_port_regs(port, NULL, 0), -EOPNOTSUPP);
	assert_int_equal(fl_port_reg_read(port, 0, &v), -EOPNOTSUPP);
	assert_int_equal(fl_port_fw_version(port, buf, sizeof(buf)), -EOPNOTSUPP);
	assert_int_equal(fl_port_reset(port), -EOPNOTSUPP);
	assert_int_equal(fl_port_start(port), -EINVAL);
	for (unsigned k = 0; k < sizeof(struct fl_net_ops) / sizeof(void *); k++)
		assert_non_null(((void **)&port->ops)[k]);
}

static void test_configure(void **state)
{
	struct fl_port_conf c = { .nb_rxq = 3, .nb_txq = 1 };

	assert_int_equal(fl_port_configure(port, &c), -EINVAL);
	says("3 receive", "up to 2");
	c.nb_rxq = c.nb_txq = 0;
	assert_int_equal(fl_port_configure(port, &c), -EINVAL);
	c.nb_rxq = c.nb_txq = 2;
	c.mtu = 9001;
	assert_int_equal(fl_port_configure(port, &c), -EINVAL);
	says("9001", "68..9000");
	c.mtu = 0;
	c.offloads = FL_OFF_RX_KEEP_CRC;
	assert_int_equal(fl_port_configure(port, &c), -EOPNOTSUPP);
	says("rx_keep_crc", "0x10");
	c.offloads = 1ull << 63;
	assert_int_equal(fl_port_configure(port, &c), -EOPNOTSUPP);
	says("unknown", "offered");
	c.offloads = 0;
	c.rss.types = FL_RSS_UDP_IPV6;
	assert_int_equal(fl_port_configure(port, &c), -EOPNOTSUPP);
	says("0x20", "0x1");
	c.rss.types = 0;
	c.rss.key_len = 16;
	assert_int_equal(fl_port_configure(port, &c), -EINVAL);
	says("16", "40");
	c.rss.key_len = 0;
	c.rx_intr = true;
	assert_int_equal(fl_port_configure(port, &c), -EOPNOTSUPP);
	c.rx_intr = false;
	c.irq = FL_IRQ_MSIX + 1;
	assert_int_equal(fl_port_configure(port, &c), -EINVAL);
	c.irq = FL_IRQ_NONE;
	assert_int_equal(fl_port_configure(port, &c), 0);
	assert_int_equal(fl_port_conf(port)->mtu, 1500);
	assert_int_equal(port->reta[0], 0);
	assert_int_equal(port->reta[1], 1);
	assert_int_equal(port->reta[7], 1);
	/* the key everybody starts with, and it is kept */
	assert_int_equal(port->conf.rss.key[0], 0x6d);
	assert_int_equal(fl_port_configure(port, &c), 0);
	assert_int_equal(port->conf.rss.key[39], 0xfa);
}

static void test_queues(void **state)
{
	const struct fl_port_conf c = { .nb_rxq = 1, .nb_txq = 1 };
	struct fl_rxq_conf rc = { .pool = pool };
	struct fl_txq_conf tc = { 0 };
	struct fl_pool_opts o;
	struct fl_pool *unmapped;
	struct fl_rxq *q;

	assert_int_equal(fl_rxq_setup(port, 0, &rc), -EINVAL);
	assert_null(fl_port_rxq(port, 0));
	assert_int_equal(fl_port_configure(port, &c), 0);
	assert_null(fl_port_rxq(port, 0));
	assert_int_equal(fl_port_start(port), -EINVAL);
	says("queue 0 of 1", "not set up");
	assert_int_equal(fl_rxq_setup(port, 1, &rc), -EINVAL);
	rc.nb_desc = 33;
	assert_int_equal(fl_rxq_setup(port, 0, &rc), -EINVAL);
	says("33", "32..1024, a multiple of 8");
	rc.nb_desc = 2048;
	assert_int_equal(fl_rxq_setup(port, 0, &rc), -EINVAL);
	rc.nb_desc = 64;
	rc.free_thresh = 64;
	assert_int_equal(fl_rxq_setup(port, 0, &rc), -EINVAL);
	says("64", "below");
	rc.free_thresh = 0;
	rc.pool = NULL;
	assert_int_equal(fl_rxq_setup(port, 0, &rc), -EINVAL);
	fl_pool_opts_init(&o);
	o.count = 4;
	assert_int_equal(fl_pool_create(&o, NULL, &unmapped), 0);
	rc.pool = unmapped;
	assert_int_equal(fl_rxq_setup(port, 0, &rc), -EINVAL);
	says("queue 0", "fl_ctx_space()");
	assert_int_equal(fl_pool_destroy(unmapped), 0);
	rc.pool = pool;
	assert_int_equal(fl_rxq_setup(port, 0, &rc), 0);
	q = fl_port_rxq(port, 0);
	/* a failed change leaves the queue there was */
	toy(port)->fail = -ENOMEM;
	assert_int_equal(fl_rxq_setup(port, 0, &rc), -ENOMEM);
	assert_ptr_equal(fl_port_rxq(port, 0), q);
	assert_int_equal(toy(port)->queues, 1);
	assert_int_equal(fl_rxq_setup(port, 0, &rc), 0);
	assert_int_equal(toy(port)->queues, 1);
	tc.nb_desc = 64;
	tc.rs_thresh = 24;
	assert_int_equal(fl_txq_setup(port, 0, &tc), -EINVAL);
	says("24", "64");
	tc.rs_thresh = 64;
	assert_int_equal(fl_txq_setup(port, 0, &tc), -EINVAL);
	tc.rs_thresh = 32;
	assert_int_equal(fl_txq_setup(port, 0, &tc), 0);
	assert_int_equal(fl_port_configure(port, &c), 0);
	assert_int_equal(toy(port)->queues, 0);
	assert_null(fl_port_rxq(port, 0));
}

static void test_life(void **state)
{
	const struct fl_port_conf c = { .nb_rxq = 1, .nb_txq = 1 };
	const struct fl_rxq_conf rc = { .pool = pool };
	struct fl_pkt *pkts[4];

	running(0);
	assert_true(fl_port_started(port));
	assert_int_equal(fl_port_start(port), 0);
	assert_int_equal(toy(port)->starts, 1);
	assert_ptr_equal(fl_dev_ctx(fl_port_dev(port)), ctx);
	assert_string_equal(fl_dev_uri(fl_port_dev(port)), "fake:");
	assert_int_equal(fl_port_id(port), 0);
	fl_port_set_id(port, 513);
	assert_int_equal(fl_port_id(port), 513);
	assert_int_equal(fl_rx_burst(fl_port_rxq(port, 0), pkts, 4), 4);
	assert_int_equal(fl_port_configure(port, &c), -EBUSY);
	assert_int_equal(fl_rxq_setup(port, 0, &rc), -EBUSY);
	assert_int_equal(fl_port_stop(port), 0);
	assert_int_equal(fl_port_stop(port), 0);
	assert_int_equal(toy(port)->stops, 1);
	assert_int_equal(fl_rx_burst(fl_port_rxq(port, 0), pkts, 4), 0);
	/* a start that fails leaves the queues still */
	toy(port)->fail = -EIO;
	assert_int_equal(fl_port_start(port), -EIO);
	assert_false(fl_port_started(port));
	assert_int_equal(fl_rx_burst(fl_port_rxq(port, 0), pkts, 4), 0);
	/* a stopped port stays stopped over a reset */
	assert_int_equal(fl_port_reset(port), 0);
	assert_false(fl_port_started(port));
	assert_int_equal(fl_port_start(port), 0);
	/* a running one runs again, if need be at the second try */
	toy(port)->fail = -EIO;
	assert_int_equal(fl_port_reset(port), -EIO);
	assert_false(fl_port_started(port));
	assert_int_equal(fl_port_reset(port), 0);
	assert_true(fl_port_started(port));
	/* but a user's stop ends that wish */
	toy(port)->fail = -EIO;
	assert_int_equal(fl_port_reset(port), -EIO);
	assert_int_equal(fl_port_stop(port), 0);
	assert_int_equal(fl_port_reset(port), 0);
	assert_false(fl_port_started(port));
}

/* what a driver refuses is undone in what the port keeps */
static void test_undo(void **state)
{
	static const struct fl_mac m = { { 2, 0, 0, 0, 0, 2 } }, m3 = { { 2, 0, 0, 0, 0, 3 } };
	static const struct fl_mac mc = { { 1, 0, 0, 0, 0, 2 } };
	const uint16_t reta[8] = { 0 };
	struct fl_rss_conf rss = { .types = FL_RSS_IPV4 };
	struct fl_flow_ctrl fc = { .mode = FL_FC_TX };
	struct fl_mac got;

	running(0);
#define REFUSED(call)                         \
	do {                                  \
		toy(port)->fail = -EIO;       \
		assert_int_equal(call, -EIO); \
	} while (0)
	REFUSED(fl_port_promisc(port, true));
	assert_false(fl_port_is_promisc(port));
	REFUSED(fl_port_allmulti(port, true));
	assert_false(fl_port_is_allmulti(port));
	REFUSED(fl_port_mac_set(port, &m));
	assert_int_equal(fl_port_mac(port, &got), 0);
	assert_int_equal(got.b[5], 1);
	REFUSED(fl_port_mac_add(port, &m));
	assert_int_equal(port->nmacs, 1);
	assert_int_equal(fl_port_mac_add(port, &m), 0);
	assert_int_equal(fl_port_mac_add(port, &m3), 0);
	REFUSED(fl_port_mac_remove(port, &m));
	assert_int_equal(port->nmacs, 3);
	assert_memory_equal(&port->macs[1], &m, 6);
	assert_memory_equal(&port->macs[2], &m3, 6);
	assert_int_equal(fl_port_mac_set(port, &m3), -EEXIST);
	REFUSED(fl_port_mcast_set(port, &mc, 1));
	assert_int_equal(port->nmcast, 0);
	REFUSED(fl_port_vlan_filter(port, 33, true));
	assert_int_equal(port->vfta[1], 0);
	REFUSED(fl_port_vlan_offload(port, FL_OFF_RX_VLAN_STRIP));
	assert_int_equal(port->conf.offloads, 0);
	REFUSED(fl_port_mtu_set(port, 1600));
	assert_int_equal(port->conf.mtu, 1500);
	REFUSED(fl_port_rss_set(port, &rss));
	assert_int_equal(port->conf.rss.types, 0);
	port->reta[5] = 9;
	REFUSED(fl_port_reta_set(port, reta, 8));
	assert_int_equal(port->reta[5], 9);
	REFUSED(fl_port_flow_ctrl_set(port, &fc));
	assert_int_equal(port->fc.mode, FL_FC_FULL);
	/* nothing to change is not asked of the driver */
	toy(port)->applies = 0;
	assert_int_equal(fl_port_promisc(port, false), 0);
	assert_int_equal(toy(port)->applies, 0);
	assert_int_equal(fl_port_vlan_offload(port, FL_OFF_TX_TSO), -EINVAL);
	says("tx_tso", "cannot change");
	assert_int_equal(fl_port_mtu_set(port, 2031), -EINVAL);
	says("2031", "2048");
}

static unsigned events[4];

static void on_event(struct fl_port *p, enum fl_port_event ev, void *arg)
{
	events[ev]++;
}

static void test_removal(void **state)
{
	struct fl_pkt *pkts[4];

	memset(events, 0, sizeof(events));
	running(0);
	fl_port_on_event(port, on_event, NULL);
	fake_nic_unplug(&nic);
	while (fl_ctx_dispatch(ctx, 0) > 0)
		;
	assert_int_equal(events[FL_PORT_REMOVED], 1);
	assert_int_equal(fl_rx_burst(fl_port_rxq(port, 0), pkts, 4), 0);
	assert_int_equal(fl_port_reset(port), -ENODEV);
	assert_int_equal(toy(port)->stops, 1);
	assert_int_equal(toy(port)->resets, 0);
	assert_int_equal(fl_port_start(port), -ENODEV);
	fake_nic_replug(&nic);
	assert_int_equal(fl_port_reset(port), 0);
	assert_true(fl_port_started(port));
	assert_int_equal(fl_rx_burst(fl_port_rxq(port, 0), pkts, 4), 4);
}

static void tell(unsigned index)
{
	fake_nic_irq(&nic, index, 0);
	assert_int_equal(fl_ctx_dispatch(ctx, 0), 1);
}

/* The kernel wants the device back: traffic ends at once, and the port outlives it. */
static void test_request(void **state)
{
	struct fl_pkt *pkts[4];

	for (unsigned ignored = 0; ignored < 2; ignored++) {
		memset(events, 0, sizeof(events));
		nic.releases = 0;
		running(0);
		fl_port_on_event(port, on_event, NULL);
		tell(FL_VFIO_IRQ_REQ);
		assert_int_equal(events[FL_PORT_REQUEST], 1);
		assert_int_equal(fl_rx_burst(fl_port_rxq(port, 0), pkts, 4), 0);
		assert_int_equal(nic.releases, 0);
		if (ignored)
			tell(FL_VFIO_IRQ_REQ);
		else
			fl_port_release(port);
		assert_int_equal(events[FL_PORT_REMOVED], ignored);
		assert_int_equal(nic.releases, 1);
		assert_true(fl_dev_removed(fl_port_dev(port)));
		assert_int_equal(fl_port_reset(port), 0);
		assert_true(fl_port_started(port));
		assert_int_equal(fl_rx_burst(fl_port_rxq(port, 0), pkts, 4), 4);
		assert_int_equal(fl_port_stop(port), 0);
	}
	/* one that was stopped stays so */
	fl_port_release(port);
	assert_int_equal(fl_port_reset(port), 0);
	assert_false(fl_port_started(port));
	fl_port_release(port); /* and is closed in that state */
}

static void test_error(void **state)
{
	struct fl_pkt *pkts[4];

	memset(events, 0, sizeof(events));
	running(0);
	fl_port_on_event(port, on_event, NULL);
	assert_int_equal(fl_port_reset(port), 0);
	assert_int_equal(nic.resets, 0); /* its registers are enough */
	tell(FL_VFIO_IRQ_ERR);
	assert_int_equal(events[FL_PORT_ERROR], 1);
	assert_int_equal(fl_rx_burst(fl_port_rxq(port, 0), pkts, 4), 0);
	assert_int_equal(fl_port_reset(port), 0);
	assert_int_equal(nic.resets, 1);
	assert_int_equal(fl_rx_burst(fl_port_rxq(port, 0), pkts, 4), 4);
	/* a function that cannot be reset is reset as far as it goes */
	tell(FL_VFIO_IRQ_ERR);
	assert_int_equal(events[FL_PORT_ERROR], 2);
	nic.d.resettable = false;
	assert_int_equal(fl_port_reset(port), 0);
	assert_int_equal(fl_rx_burst(fl_port_rxq(port, 0), pkts, 4), 4);
	/* and tells of the next error all the same; one that did not come back is reset whole again
	 */
	tell(FL_VFIO_IRQ_ERR);
	assert_int_equal(events[FL_PORT_ERROR], 3);
	nic.d.resettable = true;
	toy(port)->fail = -EIO;
	assert_int_equal(fl_port_reset(port), -EIO);
	assert_int_equal(nic.resets, 2);
	assert_int_equal(fl_port_reset(port), 0);
	assert_int_equal(nic.resets, 3);
	assert_int_equal(fl_rx_burst(fl_port_rxq(port, 0), pkts, 4), 4);
}

/* ---- fl_tx_prepare --------------------------------------------------------------------- */

static uint16_t prepare(struct fl_pkt *p)
{
	return fl_tx_prepare(fl_port_txq(port, 0), &p, 1);
}

static struct fl_pkt *l4(bool v6, bool udp, uint32_t flags)
{
	struct fl_pkt *p = frame_l4(pool, v6, udp, 100);

	p->flags = flags;
	return p;
}

static void test_speeds(void **state)
{
	static const struct {
		uint32_t speeds;
		const char *value, *says;
	} bad[] = {
		{ 1u << 6, "0x40", "0x3f" },
		{ FL_SPEED_FIXED, "0x20", "either 10 or 100" },
		{ FL_SPEED_FIXED | FL_SPEED_1000, "0x24", "either 10 or 100" },
		{ FL_SPEED_FIXED | FL_SPEED_10 | FL_SPEED_100, "0x23", "either 10 or 100" },
		{ FL_SPEED_FIXED | FL_SPEED_10 | FL_SPEED_HALF | FL_SPEED_FULL, "0x39",
		  "half or full" },
		{ FL_SPEED_1000 | FL_SPEED_HALF, "1000", "no half duplex" },
	};
	struct fl_port_conf c = { .nb_rxq = 1, .nb_txq = 1, .speeds = FL_SPEED_FIXED };

	assert_int_equal(fl_port_speed_set(port, 0), -EINVAL);
	says("speeds", "configure");
	assert_int_equal(fl_port_configure(port, &c), -EINVAL);
	says("0x20", "either");
	c.speeds = FL_SPEED_FIXED | FL_SPEED_100;
	assert_int_equal(fl_port_configure(port, &c), 0);
	assert_int_equal(fl_port_conf(port)->speeds, c.speeds);
	running(0);
	assert_int_equal(fl_port_conf(port)->speeds, 0);
	unsigned before = toy(port)->applies;
	for (unsigned i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		assert_int_equal(fl_port_speed_set(port, bad[i].speeds), -EINVAL);
		says(bad[i].value, bad[i].says);
	}
	assert_int_equal(toy(port)->applies, before);
	assert_int_equal(fl_port_speed_set(port, FL_SPEED_1000), 0);
	assert_int_equal(toy(port)->applies, before + 1);
	/* what a driver refuses is taken back */
	toy(port)->fail = -EIO;
	assert_int_equal(fl_port_speed_set(port, FL_SPEED_10 | FL_SPEED_HALF), -EIO);
	assert_int_equal(fl_port_conf(port)->speeds, FL_SPEED_1000);
}

static void test_prepare_seeds(void **state)
{
	running(OFFLOADS);
	for (unsigned i = 0; i < 4; i++) {
		bool v6 = i & 1, udp = i & 2;
		struct fl_pkt *p = l4(v6, udp,
				      (v6 ? FL_TX_IPV6 : FL_TX_IPV4 | FL_TX_IP_CSUM) |
					      (udp ? FL_TX_UDP_CSUM : FL_TX_TCP_CSUM));
		uint8_t *ip = (uint8_t *)fl_pkt_data(p) + p->l2_len, *t = ip + p->l3_len;
		uint8_t *at = t + (udp ? 6 : 16);
		uint32_t len = p->pkt_len - p->l2_len - p->l3_len, sum = len + (udp ? 17 : 6);

		frame_break_csums(p);
		assert_int_equal(prepare(p), 1);
		for (unsigned k = v6 ? 8 : 12; k < (v6 ? 40u : 20u); k += 2)
			sum += (uint32_t)ip[k] << 8 | ip[k + 1];
		while (sum >> 16)
			sum = (sum & 0xffff) + (sum >> 16);
		assert_int_equal(at[0] << 8 | at[1], sum);
		if (!v6)
			assert_int_equal(ip[10] | ip[11], 0);
		/* a second time changes nothing, so a shared packet may be prepared too */
		fl_pkt_ref(p);
		assert_int_equal(prepare(p), 1);
		at[0] ^= 1;
		assert_int_equal(prepare(p), 0);
		fl_pkt_free(p);
		fl_pkt_free(p);
	}
}

static void test_prepare_refuses(void **state)
{
	const uint32_t v4tcp = FL_TX_IPV4 | FL_TX_TCP_CSUM;
	struct fl_pkt *p, *pkts[3];

	running(OFFLOADS);
#define BAD(flags, change)                       \
	do {                                     \
		p = l4(false, false, flags);     \
		change;                          \
		assert_int_equal(prepare(p), 0); \
		p->nb_segs = 1;                  \
		fl_pkt_free(p);                  \
	} while (0)
	BAD(FL_TX_VLAN, (void)0); /* not on */
	BAD(FL_TX_TCP_CSUM, (void)0);
	BAD(v4tcp | FL_TX_IPV6, (void)0);
	BAD(v4tcp | FL_TX_UDP_CSUM, (void)0);
	BAD(v4tcp, p->l2_len = 13);
	BAD(v4tcp, p->l3_len = 19);
	BAD(v4tcp, p->l3_len = 125);
	BAD(v4tcp, p->l3_len = 65535);
	BAD(v4tcp, p->pkt_len++);
	BAD(v4tcp, p->nb_segs = 2);
	BAD(FL_TX_IPV6 | FL_TX_IP_CSUM, p->l3_len = 40);
	BAD(v4tcp | FL_TX_TSO, p->tso_mss = 0);
	BAD(v4tcp | FL_TX_TSO, p->tso_mss = 9000);
	BAD(v4tcp | FL_TX_TSO, (p->tso_mss = 50, p->l4_len = 19));
	BAD(v4tcp | FL_TX_TSO, (p->tso_mss = 50, p->l4_len = 255));
	/* the prefix before it is fit */
	pkts[0] = l4(false, false, v4tcp);
	pkts[1] = l4(false, true, FL_TX_IPV4 | FL_TX_UDP_CSUM);
	pkts[2] = l4(false, false, FL_TX_VLAN);
	assert_int_equal(fl_tx_prepare(fl_port_txq(port, 0), pkts, 3), 2);
	fl_pkt_free_bulk(pkts, 3);
	/* at most seg_max segments, and not as one piece when there are five */
	p = l4(false, false, 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(fl_pkt_chain(p, fl_pkt_alloc(pool)), 0);
	assert_int_equal(prepare(p), 0);
	fl_pkt_free(p);
}

static void assert_time(uint64_t from, uint64_t span)
{
	uint64_t ns;

	assert_int_equal(fl_port_time(port, &ns), 0);
	assert_in_range(ns - from, 0, span);
}

static void test_timesync(void **state)
{
	const uint64_t second = 1000000000;
	struct toy *t = toy(port);
	uint64_t ns;

	running(0);
	/* off, then failing, it answers nothing */
	assert_int_equal(fl_port_time(port, &ns), -EINVAL);
	says("clock", "fl_port_timesync");
	t->fail = -EIO;
	assert_int_equal(fl_port_timesync(port, true), -EIO);
	assert_int_equal(fl_port_timesync_rx(port, &ns), -EINVAL);
	/* from 0 on, whatever the device's clock says */
	t->clock = 77 * second;
	assert_int_equal(fl_port_timesync(port, true), 0);
	assert_int_equal(t->applies, 2);
	assert_int_equal(fl_port_timesync(port, true), 0);
	assert_int_equal(t->applies, 2);
	assert_time(0, second);
	assert_int_equal(fl_port_time_set(port, 1000 * second), 0);
	assert_time(1000 * second, 0);
	t->clock += 5;
	assert_time(1000 * second + 5, 0);
	assert_int_equal(fl_port_time_adjust(port, -1005), 0);
	assert_time(1000 * second - 1000, 0);
	/* stamps are on the same clock */
	t->clock += 3;
	assert_int_equal(fl_port_timesync_rx(port, &ns), 0);
	assert_int_equal(ns, 1000 * second - 997);
	assert_int_equal(fl_port_timesync_tx(port, &ns), 0);
	assert_int_equal(ns, 1000 * second - 997);
	t->fail = -EAGAIN;
	assert_int_equal(fl_port_timesync_tx(port, &ns), -EAGAIN);
	/* a device that starts anew does not set it back */
	t->clock += second;
	assert_int_equal(fl_port_stop(port), 0);
	assert_int_equal(fl_port_time(port, &ns), -EINVAL);
	t->clock = 0;
	assert_int_equal(fl_port_start(port), 0);
	assert_time(1001 * second - 997, 10 * second);
	assert_int_equal(fl_port_timesync(port, false), 0);
	assert_int_equal(fl_port_time(port, &ns), -EINVAL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	static const struct fl_driver_id ids[] = { { 0x8086, 0x10d3, NULL }, { 0 } };
	static const struct fl_driver drv = {
		.name = "toy", .cls = FL_CLASS_NET, .ids = ids, .probe = probe, .remove = remove_toy
	};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test_setup_teardown(test_complete_table, setup_bare, teardown),
		T(test_configure),
		T(test_queues),
		T(test_life),
		T(test_undo),
		T(test_timesync),
		T(test_speeds),
		T(test_removal),
		T(test_request),
		T(test_error),
		T(test_prepare_seeds),
		T(test_prepare_refuses),
	};

	if (fl_driver_register(&drv))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
