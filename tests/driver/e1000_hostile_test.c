/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device that means no good, or is broken: it answers and writes what it likes. Whatever it
 * does, the driver ends every call in bounded time, touches no memory but its own, counts what is
 * wrong, and gives every packet back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <fl_net.h>

#include "fake_nic.h"
#include "pool_whole.h"
#include "../../drivers/net/e1000/e1000_regs.h"

#define RING	 64u
#define SEC	 1000000000ull
#define ROOM	 2048u
#define LEN(n)	 ((uint64_t)(n) << RXD_LEN_SHIFT)
#define RX_WHOLE (RXD_DD | RXD_EOP)

struct env {
	struct fake_nic nic;
	struct fl_ctx *ctx;
	struct fl_pool *pool;
	struct fl_port *port;
	struct fl_rxq *rxq;
	struct fl_txq *txq;
	struct fl_e1000_desc *rx, *tx;
	uint32_t head; /* of the receive ring, as the device keeps it */
	unsigned errors, removed, links, hangs;
	enum fl_irq_kind irq;
	uint32_t missed; /* what sticky() has for that counter */
};

static struct env e;
static bool pci; /* the chip is an 82540EM: an argument of the test's */

static void count_error(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
	if (level == FL_LOG_ERR) {
		assert_true(strlen(msg) > 20);
		e.errors++;
	}
}

static const struct fl_log err_log = { .write = count_error, .level = FL_LOG_DEBUG };

static void make_pool(void)
{
	struct fl_pool_opts o;

	fl_pool_opts_init(&o);
	o.count = 512;
	o.data_room = ROOM;
	o.space = fl_ctx_space(e.ctx);
	assert_int_equal(fl_pool_create(&o, &err_log, &e.pool), 0);
}

static int setup_env(uint64_t last)
{
	const struct fl_ctx_opts co = { .log = &err_log };

	memset(&e, 0, sizeof(e));
	fake_nic_init(&e.nic);
	if (pci)
		fake_nic_pci(&e.nic);
	assert_int_equal(fl_ctx_create(&co, &e.ctx), 0);
	assert_int_equal(fake_nic_scheme(e.ctx, &e.nic), 0);
	assert_int_equal(fl_dma_space_limit(fl_ctx_space(e.ctx), last), 0);
	make_pool();
	return 0;
}

static int setup(void **state)
{
	/* as its driver will: the pool is here before the port */
	return setup_env(pci ? UINT32_MAX : UINT64_MAX);
}

static int setup_unlimited(void **state)
{
	return setup_env(UINT64_MAX);
}

static void check_pool(void)
{
	struct fl_pool_stats s;

	fl_pool_stats(e.pool, &s);
	assert_int_equal(s.in_use, 0);
}

static int teardown(void **state)
{
	if (e.port)
		fl_port_close(e.port);
	pool_whole(e.pool);
	assert_int_equal(fl_pool_destroy(e.pool), 0);
	assert_int_equal(fl_ctx_destroy(e.ctx), 0);
	fake_nic_fini(&e.nic);
	return 0;
}

static void on_event(struct fl_port *p, enum fl_port_event ev, void *arg)
{
	e.removed += ev == FL_PORT_REMOVED;
	e.links += ev == FL_PORT_LINK;
	e.hangs += ev == FL_PORT_ERROR;
}

static void find_rings(void)
{
	struct fake_nic *n = &e.nic;

	e.rx = fake_dma_at(&n->dma,
			   (uint64_t)*fake_reg(n, E1000_RDBAH(0)) << 32 |
				   *fake_reg(n, E1000_RDBAL(0)),
			   RING * sizeof(*e.rx));
	e.tx = fake_dma_at(&n->dma,
			   (uint64_t)*fake_reg(n, E1000_TDBAH(0)) << 32 |
				   *fake_reg(n, E1000_TDBAL(0)),
			   RING * sizeof(*e.tx));
	e.head = 0;
	assert_non_null(e.rx);
	assert_non_null(e.tx);
}

static void start(uint64_t offloads, uint16_t mtu)
{
	const struct fl_port_conf c = {
		.nb_rxq = 1, .nb_txq = 1, .offloads = offloads, .mtu = mtu, .irq = e.irq
	};
	const struct fl_rxq_conf rc = { .nb_desc = RING, .pool = e.pool };
	const struct fl_txq_conf tc = { .nb_desc = RING };

	assert_int_equal(fl_port_open(e.ctx, "fake:", &e.port), 0);
	fl_port_on_event(e.port, on_event, NULL);
	assert_int_equal(fl_port_configure(e.port, &c), 0);
	assert_int_equal(fl_rxq_setup(e.port, 0, &rc), 0);
	assert_int_equal(fl_txq_setup(e.port, 0, &tc), 0);
	assert_int_equal(fl_port_start(e.port), 0);
	e.rxq = fl_port_rxq(e.port, 0);
	e.txq = fl_port_txq(e.port, 0);
	find_rings();
}

/* an extended descriptor's second word as a legacy one has it */
static uint64_t legacy(uint64_t w)
{
	return (w & 0xff) << RXL_STATUS_SHIFT | (w >> RXD_ERR_SHIFT & 0xff) << RXL_ERRORS_SHIFT |
	       (w >> RXD_LEN_SHIFT & 0xffff) | w >> RXD_VLAN_SHIFT << RXD_VLAN_SHIFT;
}

/* the device writes a descriptor back, if it has one */
static bool give(uint64_t w0, uint64_t w1)
{
	if (e.head == *fake_reg(&e.nic, E1000_RDT(0)))
		return false;
	if (pci) /* the raw checksum, which nobody asked for, may be anything */
		w1 = legacy(w1) | (w0 & 0xffff0000);
	e.rx[e.head].w[0] = w0;
	__atomic_store_n(&e.rx[e.head].w[1], w1, __ATOMIC_RELEASE);
	e.head = (e.head + 1) % RING;
	return true;
}

static uint16_t rx(struct fl_pkt **pkts, uint16_t n)
{
	uint16_t k = fl_rx_burst(e.rxq, pkts, n);

	for (uint16_t i = 0; i < k; i++) {
		const char *why = "";

		if (fl_pkt_check(pkts[i], &why))
			fail_msg("packet %u: %s", i, why);
	}
	return k;
}

static struct fl_port_stats stats(void)
{
	struct fl_port_stats s;

	assert_int_equal(fl_port_stats(e.port, &s), 0);
	return s;
}

/* the driver still does what it is for */
static void check_alive(void)
{
	struct fl_pkt *pkts[8];

	for (unsigned i = 0; i < 3 * RING; i++) {
		assert_true(give(0, RX_WHOLE | LEN(60 + i)));
		assert_int_equal(rx(pkts, 8), 1);
		assert_int_equal(pkts[0]->pkt_len, 60 + i);
		fl_pkt_free(pkts[0]);
	}
}

/* ---- receive descriptors --------------------------------------------------------------- */

static void test_lengths(void **state)
{
	static const uint16_t bad[] = { 0, ROOM + 1, ROOM + 2, 4096, 16384, 32768, 65535 };
	struct fl_pkt *pkts[8];

	start(FL_OFF_RX_SCATTER, 0);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(bad); i++) {
		assert_true(give(0, RX_WHOLE | LEN(bad[i])));
		assert_int_equal(rx(pkts, 8), 0);
		assert_int_equal(stats().rx_bad_desc, 2 * i + 1);
		/* and in the company of three good ones */
		for (unsigned k = 0; k < 4; k++)
			assert_true(give(0, RX_WHOLE | LEN(k == 2 ? bad[i] : 100 + k)));
		assert_int_equal(rx(pkts, 8), 3);
		assert_int_equal(pkts[2]->pkt_len, 103);
		fl_pkt_free_bulk(pkts, 3);
		assert_int_equal(stats().rx_bad_desc, 2 * i + 2);
	}
	check_alive();
}

/* every bit of the write-back at random: what comes out is always a packet that is one */
static void test_random_descriptors(void **state)
{
	const uint64_t all = FL_OFF_RX_SCATTER | FL_OFF_RX_IP_CSUM | FL_OFF_RX_L4_CSUM |
			     FL_OFF_RX_VLAN_STRIP |
			     (pci ? 0 : FL_OFF_RX_RSS_HASH | FL_OFF_RX_PTYPE);
	struct fl_pkt *pkts[32];
	unsigned seed = 7;

	start(all, 9000);
	for (unsigned i = 0; i < 50000; i++) {
		uint64_t w0 = (uint64_t)rand_r(&seed) << 33 ^ (uint64_t)rand_r(&seed);
		uint64_t w1 = (uint64_t)rand_r(&seed) << 33 ^ (uint64_t)rand_r(&seed) << 10 ^
			      (uint64_t)rand_r(&seed);

		if (i & 1)
			w1 |= RXD_DD;
		if (i & 2)
			w1 &= ~((uint64_t)RXD_ERR_ANY | LEN(0xf800));
		(void)give(w0, w1 | RXD_DD);
		if (rand_r(&seed) % 8 == 0) {
			uint16_t n = rx(pkts, (uint16_t)(rand_r(&seed) % 33));

			for (unsigned k = 0; k < n; k++)
				assert_true(pkts[k]->pkt_len <= 9018);
			if (n)
				fl_pkt_free_bulk(pkts, n);
		}
	}
	assert_true(stats().rx_bad_desc > 0);
	assert_int_equal(fl_port_stop(e.port), 0);
	check_pool();
	assert_int_equal(fl_port_start(e.port), 0);
	find_rings();
	check_alive();
}

/* DD everywhere, in places the driver never gave away too */
static void test_dd_storm(void **state)
{
	struct fl_pkt *pkts[4 * RING];
	uint64_t t = fl_now_ns();

	start(0, 0);
	for (unsigned i = 0; i < 200; i++) {
		uint16_t n;

		for (unsigned k = 0; k < RING; k++)
			e.rx[k].w[1] = pci ? legacy(RX_WHOLE | LEN(60)) : RX_WHOLE | LEN(60);
		for (unsigned k = 0; k < RING; k++)
			e.tx[k].w[1] |= TXD_DD;
		n = rx(pkts, 4 * RING);
		assert_true(n < RING);
		fl_pkt_free_bulk(pkts, n);
		n = 0;
		while (n < 8 && (pkts[n] = fl_pkt_alloc(e.pool))) {
			memset(fl_pkt_append(pkts[n], 60), 0, 60);
			n++;
		}
		assert_in_range(fl_tx_burst(e.txq, pkts, n), 0, n);
		/* done or not, what was taken is the driver's: only stop is asked to free it */
	}
	assert_true(fl_now_ns() - t < 5 * SEC);
	(void)fl_tx_done_cleanup(e.txq, 0);
}

static void test_never_eop(void **state)
{
	struct fl_pkt *pkts[8];
	unsigned given = 0;

	start(FL_OFF_RX_SCATTER, 9000);
	for (unsigned i = 0; i < 40 * RING; i++) {
		given += give(0, RXD_DD | LEN(i % 3 ? ROOM : 1));
		assert_int_equal(rx(pkts, 8), 0);
	}
	assert_true(given > 39 * RING);
	assert_int_equal(stats().rx_bad_desc, 1);
	/* its end ends it */
	assert_true(give(0, RX_WHOLE | LEN(60)));
	assert_int_equal(rx(pkts, 8), 0);
	check_alive();
	/* a chain as long as the device can say, but longer than the MTU */
	for (unsigned i = 0; i < 7; i++)
		assert_true(give(0, (i == 6 ? RX_WHOLE : RXD_DD) | LEN(ROOM)));
	assert_int_equal(rx(pkts, 8), 0);
	assert_int_equal(stats().rx_errors, 1);
	/* stopping in the middle of one leaks nothing (teardown looks) */
	for (unsigned i = 0; i < 3; i++)
		assert_true(give(0, RXD_DD | LEN(ROOM)));
	assert_int_equal(rx(pkts, 8), 0);
}

static void test_chain_without_scatter(void **state)
{
	struct fl_pkt *pkts[8];

	start(0, 0);
	assert_true(give(0, RXD_DD | LEN(ROOM)));
	assert_true(give(0, RX_WHOLE | LEN(100)));
	assert_true(give(0, RX_WHOLE | LEN(101)));
	assert_int_equal(rx(pkts, 8), 1);
	assert_int_equal(pkts[0]->pkt_len, 101);
	/* a partner's frames may be longer than ours: no fault of the device */
	assert_int_equal(stats().rx_errors, 1);
	assert_int_equal(stats().rx_bad_desc, 0);
	fl_pkt_free(pkts[0]);
}

static void test_frame_errors(void **state)
{
	static const uint32_t bits[] = { 1u << 24, 1u << 25, 1u << 26, 1u << 28, 1u << 31 };
	struct fl_pkt *pkts[8];

	start(FL_OFF_RX_IP_CSUM | FL_OFF_RX_L4_CSUM, 0);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(bits); i++) {
		assert_true(give(0, RX_WHOLE | bits[i] | LEN(60)));
		assert_int_equal(rx(pkts, 8), 0);
		assert_int_equal(stats().rx_errors, i + 1);
	}
	/* a wrong checksum is the packet's affair */
	assert_true(give(0, RX_WHOLE | RXD_IPCS | RXD_TCPCS | RXD_TCPE | LEN(60)));
	assert_int_equal(rx(pkts, 8), 1);
	assert_int_equal(pkts[0]->flags, FL_RX_IP_CSUM_GOOD | FL_RX_L4_CSUM_BAD);
	fl_pkt_free(pkts[0]);
	assert_int_equal(stats().rx_bad_desc, 0);
}

/* ---- transmit -------------------------------------------------------------------------- */

static struct fl_pkt *frame(void)
{
	struct fl_pkt *p = fl_pkt_alloc(e.pool);

	assert_non_null(p);
	memset(fl_pkt_append(p, 60), 0x11, 60);
	return p;
}

/* nothing is ever reported: the ring fills, bursts take nothing, nobody waits */
static void test_tx_stuck(void **state)
{
	struct fl_pkt *pkts[2 * RING];
	uint64_t t = fl_now_ns();
	uint16_t taken;

	start(0, 0);
	for (unsigned i = 0; i < 2 * RING; i++)
		pkts[i] = frame();
	taken = fl_tx_burst(e.txq, pkts, 2 * RING);
	assert_int_equal(taken, RING - 1);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(fl_tx_burst(e.txq, pkts + taken, 8), 0);
	assert_int_equal(fl_tx_done_cleanup(e.txq, 0), 0);
	assert_true(fl_now_ns() - t < SEC);
	/* a head register of rubbish changes nothing */
	*fake_reg(&e.nic, E1000_TDH(0)) = 0xffff;
	assert_int_equal(fl_tx_burst(e.txq, pkts + taken, 8), 0);
	/* once reports come it goes on */
	for (unsigned i = 0; i < RING; i++)
		e.tx[i].w[1] |= e.tx[i].w[1] & TXD_RS ? TXD_DD : 0;
	assert_int_equal(fl_tx_burst(e.txq, pkts + taken, 8), 8);
	fl_pkt_free_bulk(pkts + taken + 8, 2 * RING - taken - 8u);
}

/* looks at the port for ms, as an application does now and then */
static void watch(unsigned ms)
{
	uint64_t end = fl_now_ns() + ms * (SEC / 1000);

	while (fl_now_ns() < end && !e.hangs) {
		struct fl_link l;

		(void)stats();
		assert_int_equal(fl_port_link(e.port, &l), 0);
		usleep(20000);
	}
}

/* a transmitter that stands still is told of, once, and a reset brings it back */
static void test_tx_hang(void **state)
{
	struct fl_pkt *pkt;
	uint64_t t;

	start(0, 0);
	pkt = frame();
	assert_int_equal(fl_tx_burst(e.txq, &pkt, 1), 1);
	/* a partner that asks for silence is no hang */
	*fake_reg(&e.nic, E1000_STATUS) |= STATUS_TXOFF;
	watch(2300);
	*fake_reg(&e.nic, E1000_STATUS) &= ~STATUS_TXOFF;
	/* nor is one that moves, however slowly */
	watch(1200);
	pkt = frame();
	assert_int_equal(fl_tx_burst(e.txq, &pkt, 1), 1);
	*fake_reg(&e.nic, E1000_TDH(0)) = 1;
	t = fl_now_ns();
	watch(1200);
	assert_int_equal(e.hangs, 0);
	watch(2000);
	assert_int_equal(e.hangs, 1);
	assert_true(fl_now_ns() - t >= 2 * SEC);
	for (unsigned i = 0; i < 10; i++) {
		(void)stats();
		usleep(20000);
	}
	assert_int_equal(e.hangs, 1);
	assert_int_equal(fl_port_reset(e.port), 0);
	assert_int_equal(*fake_reg(&e.nic, E1000_TDT(0)), 0);
	find_rings();
	check_alive();
}

/* how many descriptors there are up to `tail`; checks that none crosses a page, and what they hold
 */
static unsigned check_pages(uint32_t tail, unsigned frames, uint32_t bytes)
{
	unsigned split = 0, ends = 0;
	uint32_t len, sum = 0;

	for (uint32_t i = 0; i < tail; i++) {
		len = (uint32_t)e.tx[i].w[1] & 0xfffffu;
		assert_true((e.tx[i].w[0] & 4095) + len <= 4096);
		assert_non_null(fake_dma_at(&e.nic.dma, e.tx[i].w[0], len));
		sum += len;
		split += !(e.tx[i].w[1] & TXD_EOP);
		if (!(e.tx[i].w[1] & TXD_EOP))
			continue;
		assert_int_equal(sum, bytes);
		sum = 0;
		ends++;
	}
	assert_int_equal(sum, 0);
	assert_int_equal(ends, frames);
	return split;
}

/* QEMU's 82574, told by its subsystem: it drops frames on two pages, so they are cut there */
static void test_qemu_pages(void **state)
{
	struct fl_pkt *pkts[16];

	if (pci)
		skip();
	e.nic.cfg[0x2c] = 0x86;
	e.nic.cfg[0x2d] = 0x80;
	start(FL_OFF_TX_MULTI_SEG, 0);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 16; i++) {
			pkts[i] = fl_pkt_alloc(e.pool);
			memset(fl_pkt_append(pkts[i], 1500), 0, 1500);
		}
		assert_int_equal(fl_tx_burst(e.txq, pkts, 16), 16);
		/* buffers of 2 KiB and more: some lie on two pages, some do not */
		assert_in_range(check_pages(*fake_reg(&e.nic, E1000_TDT(0)), 16, 1500), 1, 15);
		assert_int_equal(fl_port_stop(e.port), 0);
		check_pool();
		assert_int_equal(fl_port_start(e.port), 0);
		find_rings();
	}
}

/* ---- registers ------------------------------------------------------------------------- */

static uint32_t ones(struct fake_nic *n, uint32_t off, uint32_t v)
{
	return UINT32_MAX;
}

static uint32_t zeros(struct fake_nic *n, uint32_t off, uint32_t v)
{
	return 0;
}

static uint32_t stuck_reset(struct fake_nic *n, uint32_t off, uint32_t v)
{
	return off == E1000_CTRL ? v | CTRL_RST : v;
}

static uint32_t mdic_never(struct fake_nic *n, uint32_t off, uint32_t v)
{
	return off == E1000_MDIC ? v & ~MDIC_READY : v;
}

static uint32_t mdic_other(struct fake_nic *n, uint32_t off, uint32_t v)
{
	return off == E1000_MDIC ? v ^ 1u << MDIC_REG_SHIFT : v;
}

static uint32_t eerd_never(struct fake_nic *n, uint32_t off, uint32_t v)
{
	return off == E1000_EERD ? v & ~(pci ? 16u : 2u) : v;
}

static uint32_t no_auto_read(struct fake_nic *n, uint32_t off, uint32_t v)
{
	return off == E1000_EECD ? v & ~EECD_AUTO_RD : v;
}

static uint32_t master_stuck(struct fake_nic *n, uint32_t off, uint32_t v)
{
	return off == E1000_STATUS ? v | STATUS_GIO_MASTER_ENABLE : v;
}

static uint32_t no_nvm(struct fake_nic *n, uint32_t off, uint32_t v)
{
	return off == E1000_EECD ? v & ~EECD_PRES : v;
}

static uint32_t huge_nvm(struct fake_nic *n, uint32_t off, uint32_t v)
{
	return off == E1000_EECD ? v | 15u << 11 : v;
}

/* opening fails, in bounded time, and says why */
static void open_fails(uint32_t (*hook)(struct fake_nic *n, uint32_t off, uint32_t v))
{
	uint64_t t = fl_now_ns();

	e.nic.on_read = hook;
	e.errors = 0;
	assert_true(fl_port_open(e.ctx, "fake:", &e.port) < 0);
	e.port = NULL;
	assert_true(fl_now_ns() - t < 2 * SEC);
	assert_true(e.errors > 0);
	assert_int_equal(e.nic.dma.n, 0);
}

static void test_bad_registers_at_open(void **state)
{
	open_fails(ones);
	open_fails(zeros);
	open_fails(stuck_reset);
	open_fails(eerd_never);
	if (!pci)
		open_fails(no_auto_read);
}

/* running with a bus master's rights: by the register of a driver that is no more */
static void let_loose(struct fake_nic *n, uint32_t off, uint32_t v)
{
	bool runs = (*fake_reg(n, E1000_RCTL) & RCTL_EN) || (*fake_reg(n, E1000_TCTL) & TCTL_EN);

	*(bool *)n->arg |= runs && n->cfg[4] & 4;
}

/* the driver before us was killed, and no reset of the function stopped the chip */
static void test_still_running_at_open(void **state)
{
	bool loose = false;

	*fake_reg(&e.nic, E1000_RCTL) = RCTL_EN;
	*fake_reg(&e.nic, E1000_TCTL) = TCTL_EN;
	e.nic.no_reset = true;
	e.nic.arg = &loose;
	e.nic.on_write = let_loose;
	assert_int_equal(fl_port_open(e.ctx, "fake:", &e.port), 0);
	assert_false(loose);
	assert_true(e.nic.cfg[4] & 4);
	e.nic.on_write = NULL;
}

static void test_bad_nvm(void **state)
{
	e.nic.nvm[63]++;
	open_fails(NULL);
	memset(e.nic.nvm, 0, 6);
	fake_nic_nvm_seal(&e.nic);
	open_fails(NULL);
	e.nic.nvm[0] = 0x0001;
	fake_nic_nvm_seal(&e.nic);
	open_fails(NULL);
	e.nic.nvm[0] = 0x5452;
	fake_nic_nvm_seal(&e.nic);
	open_fails(no_nvm);
	e.nic.on_read = NULL;
	start(0, 0);
}

static void test_start_fails(void **state)
{
	uint32_t (*const hooks[])(struct fake_nic *, uint32_t, uint32_t) = { mdic_never,
									     mdic_other };

	start(0, 0);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(hooks); i++) {
		uint64_t t = fl_now_ns();
		struct fl_pkt *pkt;

		assert_int_equal(fl_port_stop(e.port), 0);
		e.nic.on_read = hooks[i];
		assert_int_equal(fl_port_start(e.port), -EIO);
		assert_true(fl_now_ns() - t < 2 * SEC);
		assert_false(fl_port_started(e.port));
		assert_int_equal(fl_rx_burst(e.rxq, &pkt, 1), 0);
		check_pool();
		e.nic.on_read = NULL;
		assert_int_equal(fl_port_start(e.port), 0);
		find_rings();
		check_alive();
	}
}

/* not fatal: DMA that does not end is reset away */
static void test_master_stuck(void **state)
{
	uint64_t t = fl_now_ns();

	e.nic.on_read = master_stuck;
	start(0, 0);
	assert_int_equal(fl_port_stop(e.port), 0);
	assert_true(fl_now_ns() - t < 3 * SEC);
}

static void test_nvm_size(void **state)
{
	uint8_t buf[256];

	e.nic.on_read = huge_nvm;
	start(0, 0);
	assert_int_equal(fl_port_eeprom(e.port, buf, sizeof(buf)), pci ? 128 : 32768);
}

/* all ones from one moment on, without a hang-up: a device that fell off its bus */
static void test_ones_while_running(void **state)
{
	struct fl_port_stats s;
	struct fl_xstat x[80];
	struct fl_link l;
	struct fl_pkt *pkt;
	uint64_t t;

	start(0, 0);
	e.nic.on_read = ones;
	t = fl_now_ns();
	assert_int_equal(fl_port_link(e.port, &l), -ENODEV);
	assert_int_equal(fl_port_stats(e.port, &s), 0);
	assert_int_equal(s.rx_missed + s.rx_errors + s.tx_errors, 0);
	assert_true(fl_port_xstats(e.port, x, 80) > 0);
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(x[i].value, 0);
	assert_int_equal(fl_rx_burst(e.rxq, &pkt, 1), 0);
	assert_int_equal(fl_port_promisc(e.port, true), 0);
	assert_int_equal(fl_port_reset(e.port), -ENODEV);
	assert_false(fl_port_started(e.port));
	check_pool();
	assert_true(fl_now_ns() - t < 2 * SEC);
	/* and back: the reset that failed is made good, as it was */
	e.nic.on_read = NULL;
	assert_int_equal(fl_port_reset(e.port), 0);
	assert_true(fl_port_started(e.port));
	assert_true(*fake_reg(&e.nic, E1000_RCTL) & RCTL_UPE);
	find_rings();
	check_alive();
}

/* ---- what is the 82540's alone --------------------------------------------------------- */

/* by I/O, by memory where that goes nowhere, and not at all in QEMU's e1000 */
static void test_reset_ways(void **state)
{
	if (!pci)
		skip();
	start(0, 0);
	assert_int_equal(e.nic.io_resets, 1);
	assert_int_not_equal(*fake_reg(&e.nic, E1000_FCRTH), 0);
	assert_int_equal(fl_port_stop(e.port), 0);
	assert_int_equal(e.nic.io_resets, 2);
	assert_int_equal(*fake_reg(&e.nic, E1000_FCRTH), 0);
	for (unsigned i = 0; i < 2; i++) {
		e.nic.io_dead = true;
		e.nic.no_reset = i;
		assert_int_equal(fl_port_start(e.port), 0);
		find_rings();
		check_alive();
		*fake_reg(&e.nic, E1000_RDH(0)) = 5;
		*fake_reg(&e.nic, E1000_TDH(0)) = 5;
		assert_int_equal(fl_port_stop(e.port), 0);
		assert_int_equal(e.nic.io_resets, 2);
		assert_int_equal(!!*fake_reg(&e.nic, E1000_FCRTH), i);
		assert_int_equal(*fake_reg(&e.nic, E1000_RCTL), 0);
		assert_int_equal(*fake_reg(&e.nic, E1000_TCTL) & TCTL_EN, 0);
	}
	assert_int_equal(fl_port_start(e.port), 0);
	assert_int_equal(*fake_reg(&e.nic, E1000_RDH(0)), 0);
	assert_int_equal(*fake_reg(&e.nic, E1000_TDH(0)), 0);
	assert_int_equal(*fake_reg(&e.nic, E1000_TDT(0)), 0);
	find_rings();
	check_alive();
}

static unsigned rctl_writes;

static void count_rctl(struct fake_nic *n, uint32_t off, uint32_t v)
{
	rctl_writes += off == E1000_RCTL;
}

/* each write to it may cost a second of reception */
static void test_rctl_written_on_change(void **state)
{
	start(FL_OFF_RX_SCATTER, 0);
	e.nic.on_write = count_rctl;
	rctl_writes = 0;
	assert_int_equal(fl_port_mtu_set(e.port, 1400), 0);
	assert_int_equal(fl_port_vlan_offload(e.port, FL_OFF_RX_VLAN_STRIP), 0);
	assert_int_equal(rctl_writes, 0);
	assert_int_equal(fl_port_mtu_set(e.port, 1600), 0);
	assert_int_equal(rctl_writes, 1);
}

static uint32_t sticky(struct fake_nic *n, uint32_t off, uint32_t v)
{
	return off == E1000_MPC ? e.missed : v;
}

/* a counter that reading does not clear counts right as well, across a stop too */
static void test_sticky_counter(void **state)
{
	e.missed = 7;
	e.nic.on_read = sticky;
	start(0, 0);
	assert_int_equal(stats().rx_missed, 0);
	e.missed = 10;
	assert_int_equal(stats().rx_missed, 3);
	assert_int_equal(stats().rx_missed, 3);
	assert_int_equal(fl_port_stop(e.port), 0);
	e.missed = 20;
	assert_int_equal(fl_port_start(e.port), 0);
	assert_int_equal(stats().rx_missed, 3);
	e.missed = 21;
	assert_int_equal(stats().rx_missed, 4);
	/* one that does clear, and had a large value */
	e.nic.on_read = NULL;
	*fake_reg(&e.nic, E1000_MPC) = 5;
	assert_int_equal(stats().rx_missed, 9);
	*fake_reg(&e.nic, E1000_MPC) = 30;
	assert_int_equal(stats().rx_missed, 39);
	assert_int_equal(stats().rx_missed, 39);
}

/* memory above 4 GiB that is mapped already: refused with the remedy, and nothing is left */
static void test_memory_above_4g(void **state)
{
	struct fl_iova_range w;

	if (!pci) {
		start(0, 0);
		return;
	}
	e.errors = 0;
	assert_int_equal(fl_port_open(e.ctx, "fake:", &e.port), -EBUSY);
	e.port = NULL;
	assert_true(e.errors > 0);
	assert_int_equal(e.nic.dma.n, 0);
	assert_int_equal(fl_pool_destroy(e.pool), 0);
	assert_int_equal(fl_port_open(e.ctx, "fake:", &e.port), 0);
	assert_int_equal(fl_dma_windows(fl_ctx_space(e.ctx), &w, 1), 1);
	assert_int_equal(w.last, UINT32_MAX);
	fl_port_close(e.port);
	e.port = NULL;
	make_pool();
}

/* registers of the other chip are left alone */
static void test_no_pcie_registers(void **state)
{
	start(0, 0);
	assert_int_equal(*fake_reg(&e.nic, E1000_RFCTL), pci ? 0 : RFCTL_EXTEN | RFCTL_ACK_DIS);
	assert_int_equal(*fake_reg(&e.nic, E1000_TARC(0)) == 0x403, pci);
	assert_int_equal(*fake_reg(&e.nic, E1000_RXCSUM) & RXCSUM_PCSD, pci ? 0 : RXCSUM_PCSD);
	assert_int_equal(*fake_reg(&e.nic, E1000_GCR) == 0, pci);
}

/* ---- interrupts ------------------------------------------------------------------------ */

static void dispatch_storm(unsigned index, unsigned vec)
{
	uint64_t t = fl_now_ns();

	for (unsigned i = 0; i < 2000; i++) {
		if (i % 3 == 0)
			*fake_reg(&e.nic, E1000_STATUS) ^= STATUS_LU;
		*fake_reg(&e.nic, E1000_ICR) = i & 1 ? UINT32_MAX : ICR_LSC;
		fake_nic_irq(&e.nic, index, vec);
		assert_in_range(fl_ctx_dispatch(e.ctx, 0), 0, 64);
	}
	assert_true(fl_now_ns() - t < 5 * SEC);
	/* told of changes, not of interrupts */
	assert_in_range(e.links, 1, 667);
}

static void test_storm_msix(void **state)
{
	if (pci)
		skip();
	start(0, 0);
	dispatch_storm(FL_VFIO_IRQ_MSIX, 0);
	check_alive();
}

static void test_storm_msi(void **state)
{
	e.nic.msix = 0;
	e.nic.msi = 1;
	e.irq = FL_IRQ_MSI;
	start(0, 0);
	dispatch_storm(FL_VFIO_IRQ_MSI, 0);
}

static void test_storm_intx(void **state)
{
	e.nic.msix = 0;
	e.nic.msi = 0;
	start(0, 0);
	dispatch_storm(FL_VFIO_IRQ_INTX, 0);
}

static void stop_on_link(struct fl_port *p, enum fl_port_event ev, void *arg)
{
	assert_int_equal(fl_port_stop(p), 0);
}

static void close_on_link(struct fl_port *p, enum fl_port_event ev, void *arg)
{
	fl_port_close(p);
	e.port = NULL;
}

/* the handler may stop and even close the port: it is not touched after */
static void test_handler_stops_and_closes(void **state)
{
	start(0, 0);
	fl_port_on_event(e.port, stop_on_link, NULL);
	*fake_reg(&e.nic, E1000_STATUS) ^= STATUS_LU;
	fake_nic_irq(&e.nic, pci ? FL_VFIO_IRQ_INTX : FL_VFIO_IRQ_MSIX, 0);
	assert_int_equal(fl_ctx_dispatch(e.ctx, 100), 1);
	assert_false(fl_port_started(e.port));
	assert_int_equal(*fake_reg(&e.nic, E1000_IMS), 0);
	assert_int_equal(fl_port_start(e.port), 0);
	fl_port_on_event(e.port, close_on_link, NULL);
	*fake_reg(&e.nic, E1000_STATUS) ^= STATUS_LU;
	fake_nic_irq(&e.nic, pci ? FL_VFIO_IRQ_INTX : FL_VFIO_IRQ_MSIX, 0);
	assert_int_equal(fl_ctx_dispatch(e.ctx, 100), 1);
	assert_null(e.port);
	assert_int_equal(*fake_reg(&e.nic, E1000_IMS), 0);
}

/* ---- the device goes, and comes back ---------------------------------------------------- */

static void test_unplug(void **state)
{
	static const struct fl_mac mc = { { 1, 0, 0x5e, 0, 0, 0xfb } };
	static const struct fl_mac more = { { 2, 0, 0, 0, 1, 7 } };
	struct fl_pkt *pkts[16], *got[16];
	uint64_t t;

	e.nic.map_tails = true;
	start(FL_OFF_RX_SCATTER | FL_OFF_RX_VLAN_FILTER, 2000);
	assert_int_equal(fl_port_promisc(e.port, true), 0);
	assert_int_equal(fl_port_mcast_set(e.port, &mc, 1), 0);
	assert_int_equal(fl_port_mac_add(e.port, &more), 0);
	assert_int_equal(fl_port_vlan_filter(e.port, 100, true), 0);
	for (unsigned round = 0; round < 3; round++) {
		/* mid-burst: some sent, some received, a chain begun */
		for (unsigned i = 0; i < 16; i++)
			pkts[i] = frame();
		assert_int_equal(fl_tx_burst(e.txq, pkts, 16), 16);
		for (unsigned i = 0; i < 6; i++)
			assert_true(give(0, (i == 5 ? RXD_DD : RX_WHOLE) | LEN(60)));
		assert_int_equal(rx(got, 3), 3);
		e.removed = 0;
		t = fl_now_ns();
		fake_nic_unplug(&e.nic);
		while (!e.removed)
			fl_ctx_dispatch(e.ctx, 10);
		assert_true(fl_now_ns() - t < SEC / 10);
		assert_int_equal(e.removed, 1);
		/* from here nothing is taken, whatever the memory says */
		assert_int_equal(fl_rx_burst(e.rxq, pkts, 8), 0);
		assert_int_equal(fl_tx_burst(e.txq, got, 3), 0);
		fl_pkt_free_bulk(got, 3);
		/* not back yet */
		assert_int_equal(fl_port_reset(e.port), -ENODEV);
		assert_int_equal(fl_port_reset(e.port), -ENODEV);
		check_pool();
		assert_int_equal(fl_port_start(e.port), -ENODEV);
		fake_nic_replug(&e.nic);
		assert_int_equal(fl_port_reset(e.port), 0);
		assert_true(fl_port_started(e.port));
		/* everything the user asked for is in the registers again */
		assert_true(*fake_reg(&e.nic, E1000_RCTL) & RCTL_UPE);
		assert_true(*fake_reg(&e.nic, E1000_RCTL) & RCTL_LPE);
		assert_int_equal(*fake_reg(&e.nic, E1000_MTA(125)), 1u << 16);
		assert_int_equal(*fake_reg(&e.nic, E1000_RAL(1)), 0x00000002);
		assert_int_equal(*fake_reg(&e.nic, E1000_RAH(1)), RAH_AV | 0x0701);
		assert_int_equal(*fake_reg(&e.nic, E1000_VFTA(3)), 1u << 4);
		find_rings();
		check_alive();
	}
	/* gone for good: closing works all the same */
	fake_nic_unplug(&e.nic);
	assert_int_equal(fl_port_stop(e.port), 0);
	check_pool();
}

/* the device disappears at every single register access of a start and a stop */
static unsigned fuse;

static void burn(struct fake_nic *n)
{
	if (fuse && !--fuse)
		fake_nic_unplug(n);
}

static uint32_t burn_read(struct fake_nic *n, uint32_t off, uint32_t v)
{
	burn(n);
	return v;
}

static void burn_write(struct fake_nic *n, uint32_t off, uint32_t v)
{
	burn(n);
}

static void test_unplug_anywhere(void **state)
{
	start(0, 0);
	e.nic.on_read = burn_read;
	e.nic.on_write = burn_write;
	for (unsigned at = 1; at < 700; at += 23) {
		int rc;

		fuse = 0;
		assert_int_equal(fl_port_stop(e.port), 0);
		fuse = at;
		rc = fl_port_start(e.port);
		if (!rc)
			assert_int_equal(fl_port_stop(e.port), 0);
		fuse = 0;
		check_pool();
		while (fl_ctx_dispatch(e.ctx, 0) > 0)
			;
		if (e.nic.gone)
			fake_nic_replug(&e.nic);
		assert_int_equal(fl_port_reset(e.port), 0);
		assert_int_equal(fl_port_start(e.port), 0);
	}
	find_rings();
	check_alive();
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		T(test_lengths),
		T(test_random_descriptors),
		T(test_dd_storm),
		T(test_never_eop),
		T(test_chain_without_scatter),
		T(test_frame_errors),
		T(test_tx_stuck),
		T(test_tx_hang),
		T(test_qemu_pages),
		T(test_bad_registers_at_open),
		T(test_still_running_at_open),
		T(test_bad_nvm),
		T(test_start_fails),
		T(test_master_stuck),
		T(test_nvm_size),
		T(test_ones_while_running),
		T(test_reset_ways),
		T(test_rctl_written_on_change),
		T(test_sticky_counter),
		T(test_no_pcie_registers),
		cmocka_unit_test_setup_teardown(test_memory_above_4g, setup_unlimited, teardown),
		T(test_storm_msix),
		T(test_storm_msi),
		T(test_storm_intx),
		T(test_handler_stops_and_closes),
		T(test_unplug),
		T(test_unplug_anywhere),
	};

	pci = argc > 1 && !strcmp(argv[1], "e1000");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
