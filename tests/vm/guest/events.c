/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vm-events WHAT URI [URI]: a device driven by hand, in a guest, to show what lib/dev does on a
 * real kernel; everything is checked here but what a case can see from outside. irq interrupts:
 * MSI-X that grows, INTx that masks itself reset    of the function bus      hot reset: "refused"
 * or "reset" with all that were named port     frames are sent back by a port with filters; USR1:
 * hot reset, USR2: promiscuous ignore   somebody wants the device back and is not heard, while a
 * thread polls a register away     the same, but nobody looks for a while, then it is given back
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <poll.h>
#include <unistd.h>

#include <fl_net.h>

#define STATUS	  0x0008
#define ICR	  0x00c0
#define ICS	  0x00c8
#define IMS	  0x00d0
#define IMC	  0x00d8
#define IVAR	  0x00e4
#define WITNESS	  0x5200 /* a multicast table's first word: a reset clears it */
#define LSC	  0x00000004u
#define OTHER	  0x01000000u

#define URIS	  4u
#define VECTORS	  5u
#define BURST	  32u
#define SECOND	  1000
#define AWAY	  3
#define LINK_MS	  5000
#define SETTLE_US 20000

#define MUST(what)                                                    \
	do {                                                          \
		if (!(what)) {                                        \
			printf("line %d: not %s\n", __LINE__, #what); \
			exit(1);                                      \
		}                                                     \
	} while (0)

static struct fl_ctx *ctx;

static uint32_t rd(struct fl_dev *dev, unsigned reg)
{
	return fl_bar_read32(dev, 0, reg);
}

static void wr(struct fl_dev *dev, unsigned reg, uint32_t v)
{
	fl_bar_write32(dev, 0, reg, v);
}

/* ---- interrupts ----------------------------------------------------------------------- */

static bool fired(int fd, int ms)
{
	return poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, ms) == 1;
}

static void take(int fd)
{
	eventfd_t v;

	MUST(!eventfd_read(fd, &v));
}

/*
 * QEMU's chip sends a message a second time when its moderation of 128 us is over, past whatever
 * mask was set meanwhile.
 */
static void quiet(struct fl_dev *dev)
{
	wr(dev, IMC, UINT32_MAX);
	(void)rd(dev, ICR);
	usleep(SETTLE_US);
}

static void raise_link(struct fl_dev *dev)
{
	wr(dev, IMS, OTHER | LSC);
	wr(dev, ICS, OTHER | LSC);
}

static unsigned hits[VECTORS];

static void on_vector(struct fl_dev *dev, unsigned vec, void *arg)
{
	MUST(arg == &hits[vec]);
	hits[vec]++;
}

static void handle(struct fl_dev *dev, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		MUST(!fl_dev_irq_handler(dev, i, on_vector, &hits[i]));
}

/* the handler of the vector that fires is called, and no other */
static void only(struct fl_dev *dev, unsigned vec)
{
	while (!hits[vec])
		MUST(fl_ctx_dispatch(ctx, SECOND) > 0);
	quiet(dev);
	MUST(fl_ctx_dispatch(ctx, 0) >= 0);
	for (unsigned i = 0; i < VECTORS; i++)
		MUST(!hits[i] == (i != vec));
	memset(hits, 0, sizeof(hits));
}

static void fire(struct fl_dev *dev, unsigned vec)
{
	wr(dev, IVAR, (8u | vec) << 16);
	raise_link(dev);
}

static void msix(struct fl_dev *dev)
{
	int old[2];

	MUST(!fl_dev_irq_setup(dev, FL_IRQ_MSIX, 2));
	handle(dev, 0, 2);
	for (unsigned i = 0; i < 2; i++) {
		old[i] = fl_dev_irq_fd(dev, i);
		fire(dev, i);
		only(dev, i);
	}
	fire(dev, 1); /* and not yet seen when the others come */
	MUST(!fl_dev_irq_grow(dev, VECTORS));
	only(dev, 1);
	MUST(fl_dev_irq_fd(dev, 0) == old[0] && fl_dev_irq_fd(dev, 1) == old[1]);
	handle(dev, 2, VECTORS);
	for (unsigned i = 0; i < VECTORS; i++) {
		fire(dev, i);
		only(dev, i);
	}
	MUST(fl_dev_irq_grow(dev, VECTORS + 1) == -ENOSPC);
	MUST(!fl_dev_irq_setup(dev, FL_IRQ_NONE, 0));
	printf("MSI-X ok\n");
}

static void intx(struct fl_dev *dev)
{
	int line, unmask = eventfd(0, 0);

	MUST(unmask >= 0 && !fl_dev_irq_setup(dev, FL_IRQ_INTX, 1));
	line = fl_dev_irq_fd(dev, 0);
	raise_link(dev);
	MUST(fired(line, SECOND));
	take(line);
	MUST(!fired(line, 100)); /* high still, and masked */
	fl_dev_irq_ack(dev, 0);
	MUST(fired(line, SECOND)); /* unmasked while high: again */
	take(line);
	MUST(!fl_dev_irq_unmask_fd(dev, unmask));
	MUST(!fired(line, 100));
	MUST(!eventfd_write(unmask, 1));
	MUST(fired(line, SECOND)); /* and so by the eventfd */
	take(line);
	quiet(dev);
	MUST(!eventfd_write(unmask, 1));
	MUST(!fired(line, 100)); /* low now */
	raise_link(dev);
	MUST(fired(line, SECOND));
	MUST(!fl_dev_irq_unmask_fd(dev, -1));
	quiet(dev);
	fl_dev_irq_ack(dev, 0);
	MUST(!fired(line, 100));
	MUST(!fl_dev_irq_setup(dev, FL_IRQ_NONE, 0));
	close(unmask);
	printf("INTx ok\n");
}

static void irq(struct fl_dev **dev, unsigned n)
{
	/* the link comes up by itself soon after the reset at open, and would interrupt too */
	sleep(1);
	quiet(*dev);
	if (fl_dev_irq_count(*dev, FL_IRQ_MSIX) == VECTORS)
		msix(*dev);
	intx(*dev);
}

/* ---- resets --------------------------------------------------------------------------- */

static void reset(struct fl_dev **dev, unsigned n)
{
	int rc;

	wr(*dev, WITNESS, 0x5a5aa5a5);
	MUST(rd(*dev, WITNESS) == 0x5a5aa5a5);
	rc = fl_dev_reset(*dev);
	printf("reset: %d\n", rc);
	if (rc)
		return;
	MUST(!fl_dev_enable(*dev, true));
	MUST(rd(*dev, WITNESS) == 0 && rd(*dev, STATUS) != UINT32_MAX);
}

static void bus(struct fl_dev **dev, unsigned n)
{
	int rc;

	for (unsigned i = 0; i < n; i++)
		wr(dev[i], WITNESS, 0x5a5aa5a5);
	rc = fl_dev_hot_reset(*dev);
	printf("hot reset: %d\n", rc);
	for (unsigned i = 0; i < n; i++) {
		if (!rc)
			MUST(!fl_dev_enable(dev[i], true));
		MUST(rd(dev[i], WITNESS) == (rc ? 0x5a5aa5a5 : 0));
	}
	/* interrupts can be had after it as before */
	if (!rc && fl_dev_irq_count(*dev, FL_IRQ_MSIX) == VECTORS)
		irq(dev, n);
}

/* ---- a port --------------------------------------------------------------------------- */

static volatile sig_atomic_t want_reset, want_promisc, want_end;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		want_reset = 1;
	else if (sig == SIGUSR2)
		want_promisc = 1;
	else
		want_end = 1;
}

static void send_back(struct fl_port *p)
{
	struct fl_pkt *pkts[BURST];
	uint16_t n = fl_rx_burst(fl_port_rxq(p, 0), pkts, BURST);
	uint16_t sent = fl_tx_burst(fl_port_txq(p, 0), pkts, n);

	for (; sent < n; sent++)
		fl_pkt_free(pkts[sent]);
}

static void filters(struct fl_port *p)
{
	static const struct fl_mac second = { { 2, 0, 0, 0, 0, 7 } };
	static const struct fl_mac many = { { 1, 0, 0x5e, 0, 0, 5 } };

	MUST(!fl_port_promisc(p, false));
	MUST(!fl_port_mac_add(p, &second));
	MUST(!fl_port_mcast_set(p, &many, 1));
	MUST(!fl_port_vlan_filter(p, 5, true));
}

static void do_port(const char *uri)
{
	struct fl_port_conf conf = { .nb_rxq = 1, .nb_txq = 1, .offloads = FL_OFF_RX_VLAN_FILTER };
	struct fl_pool_opts opts;
	struct fl_pool *pool;
	struct fl_port *p;

	MUST(!fl_port_open(ctx, uri, &p));
	fl_pool_opts_init(&opts);
	opts.count = 2048;
	opts.space = fl_ctx_space(ctx);
	MUST(!fl_pool_create(&opts, NULL, &pool));
	MUST(!fl_port_configure(p, &conf));
	MUST(!fl_rxq_setup(p, 0, &(struct fl_rxq_conf){ .pool = pool }));
	MUST(!fl_txq_setup(p, 0, &(struct fl_txq_conf){ 0 }));
	filters(p);
	MUST(!fl_port_start(p) && !fl_port_link_wait(p, LINK_MS));
	printf("ready\n");
	while (!want_end) {
		if (want_promisc)
			printf("promiscuous: %d\n", fl_port_promisc(p, true));
		if (want_reset) {
			MUST(!fl_dev_hot_reset(fl_port_dev(p)));
			MUST(!fl_port_reset(p) && !fl_port_link_wait(p, LINK_MS));
			printf("reset\n");
		}
		want_reset = want_promisc = 0;
		send_back(p);
	}
	fl_port_close(p);
	MUST(!fl_pool_destroy(pool));
}

/* ---- wanted back ---------------------------------------------------------------------- */

static bool stop, listens;
static unsigned told[3];

static void *poller(void *arg)
{
	volatile uint32_t *reg = arg;
	uint32_t v = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		v = fl_mmio_read32(reg);
		fl_mmio_write32(reg + 1,
				0); /* what is written to memory in its place stays there */
	}
	MUST(v == UINT32_MAX);
	return NULL;
}

static void on_event(struct fl_dev *dev, enum fl_dev_event ev, void *arg)
{
	told[ev]++;
	if (ev == FL_DEV_REQUEST && listens)
		fl_dev_release(dev);
}

static void wanted(struct fl_dev **devs, unsigned n)
{
	struct fl_dev *dev = *devs;
	pthread_t t;
	int rc;

	MUST(!fl_dev_irq_setup(dev, FL_IRQ_INTX, 1));
	fl_dev_on_event(dev, on_event, NULL);
	MUST(!pthread_create(&t, NULL, poller, fl_bar_ptr(dev, 0, WITNESS, 4)));
	printf("waiting\n");
	if (listens)
		sleep(AWAY);
	while (!fl_dev_removed(dev))
		MUST(fl_ctx_dispatch(ctx, 30 * SECOND) > 0);
	MUST(told[FL_DEV_REQUEST] == 1 && told[FL_DEV_REMOVED] == !listens);
	usleep(200000);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	MUST(!pthread_join(t, NULL));
	printf("gone\n");
	for (unsigned i = 0; (rc = fl_dev_reattach(dev)) && i < 100; i++)
		usleep(200000);
	MUST(!rc && !fl_dev_enable(dev, true));
	raise_link(dev);
	MUST(fired(fl_dev_irq_fd(dev, 0), SECOND));
	quiet(dev);
	printf("back\n");
}

/* --------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(struct fl_dev **dev, unsigned n);
} works[] = {
	{ "irq", irq }, { "reset", reset }, { "bus", bus }, { "ignore", wanted }, { "away", wanted }
};

static void with_devices(const char *what, char **uris, unsigned n)
{
	struct fl_dev *dev[URIS];

	MUST(n && n <= URIS);
	for (unsigned i = 0; i < n; i++)
		MUST(!fl_dev_open(ctx, uris[i], &dev[i]) && !fl_dev_enable(dev[i], true));
	for (unsigned i = 0; i < FL_ARRAY_SIZE(works); i++)
		if (!strcmp(works[i].name, what))
			works[i].run(dev, n);
	while (n--)
		fl_dev_close(dev[n]);
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };

	setvbuf(stdout, NULL, _IOLBF, 0);
	MUST(argc >= 3 && !fl_ctx_create(NULL, &ctx));
	MUST(!sigaction(SIGUSR1, &sa, NULL) && !sigaction(SIGUSR2, &sa, NULL) &&
	     !sigaction(SIGINT, &sa, NULL));
	listens = !strcmp(argv[1], "away");
	if (!strcmp(argv[1], "port"))
		do_port(argv[2]);
	else
		with_devices(argv[1], argv + 2, (unsigned)argc - 2);
	MUST(!fl_ctx_destroy(ctx));
	printf("done\n");
	return 0;
}
