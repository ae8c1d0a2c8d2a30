/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Model of the Intel 82574L and 82540EM: creation, resets, dispatch. The tail pages of BAR0
 * (0x2000 and 0x3000) are memory that the client maps and poll() looks at; the rest traps.
 */
#include <stdio.h>

#include "e1000_internal.h"

#define BAR_REGS_SIZE 0x20000u
#define TX_BUF_ROOM   16u
#define AN_DEFAULT_MS 5u

void fl_e1000m_arm(struct e1000 *e, unsigned timer, uint64_t delta_ns)
{
	e->due[timer] = e->now + delta_ns;
	if (e->due[timer] < e->next_due)
		e->next_due = e->due[timer];
}

static void run_timers(struct e1000 *e)
{
	e->next_due = UINT64_MAX;
	for (unsigned t = 0; t < T_COUNT; t++) {
		if (e->due[t] > e->now)
			continue;
		e->due[t] = UINT64_MAX;
		if (t == T_AN) {
			e->phy.an_done = e->phy.bmcr & 0x1000 && fl_e1000m_phy_common(e);
			fl_e1000m_link_update(e);
		} else if (t != T_PAUSE) {
			fl_e1000m_irq_timer(e, t);
		}
	}
	for (unsigned t = 0; t < T_COUNT; t++)
		if (e->due[t] < e->next_due)
			e->next_due = e->due[t];
}

static void update_sizes(struct e1000 *e)
{
	static const uint32_t sizes[2][4] = { { 2048, 1024, 512, 256 },
					      { 2048, 16384, 8192, 4096 } };
	uint32_t ps = fl_e1000m_rd(e, R_PSRCTL), flx = RCTL_FLXBUF(e->rctl);

	e->rx_bsize = sizes[!!(e->rctl & RCTL_BSEX)][RCTL_BSIZE(e->rctl)];
	if (flx && !e->rx_split)
		e->rx_bsize = flx * 1024;
	e->ps_size[0] = (ps & 0x7f) * 128;
	for (unsigned i = 1; i < 4; i++)
		e->ps_size[i] = (ps >> (8 * i) & 0x3f) * 1024;
	e->rx_maxlen = e->rctl & (RCTL_LPE | RCTL_SBP) ? E1000_MAX_FRAME : 1518;
}

void fl_e1000m_update(struct e1000 *e)
{
	const uint32_t *ra = &e->r[R_RAL / 4];
	uint32_t ctrl = e->r[R_CTRL / 4], mrqc = e->r[R_MRQC / 4];

	e->rctl = e->r[R_RCTL / 4];
	e->rxcsum = e->r[R_RXCSUM / 4];
	e->rfctl = e->r[R_RFCTL / 4] | e->v->rfctl;
	e->vet = (uint16_t)e->r[R_VET / 4];
	e->rx_on = e->rctl & RCTL_EN;
	e->rx_stamp = e->r[R_TSYNCRXCTL / 4] & TSYNC_ENABLED;
	e->rx_ext = e->rfctl & RFCTL_EXTEN;
	e->rx_split = e->rx_ext && e->rctl & RCTL_DTYP_PS;
	e->rx_strip_fcs = e->rctl & RCTL_SECRC;
	e->rx_vme = e->tx_vme = ctrl & CTRL_VME;
	e->rx_rss = (mrqc & 3) == 1 && e->rxcsum & RXCSUM_PCSD && e->rx_ext;
	e->loopback = RCTL_LBM(e->rctl) == 1 || e->phy.bmcr & 0x4000;
	e->fc_rx = ctrl & CTRL_RFCE;
	e->fc_tx = ctrl & CTRL_TFCE;
	e->tx_on = e->r[R_TCTL / 4] & TCTL_EN;
	update_sizes(e);
	/* a tagged frame never goes the quick way; one type for tags and IPv4 would hide them */
	e->rx_quick = !e->rx_stamp && !e->rx_split && e->rx_strip_fcs && e->vet != 0x0800 &&
		      e->rx_bsize >= 2048;
	e->nrar = 0;
	for (unsigned i = 0; i < 16; i++)
		if (ra[2 * i + 1] >> 31)
			e->nrar = i + 1;
	if (e->wire)
		fl_wire_set_listening(e->wire, e->rx_on && e->phy.link);
	e->sta = ra[1] >> 31 ? (uint64_t)(ra[1] & 0xffff) << 32 | ra[0] : UINT64_MAX;
}

void fl_e1000m_reset(struct e1000 *e, bool soft)
{
	uint32_t *ra = &e->r[R_RAL / 4];

	/* there is none yet while create() runs */
	e->sh = fl_model_bar_mem(e->m, 0, E1000_SHARED_OFF);
	if (!e->sh)
		e->sh = e->own_sh;
	for (unsigned q = 0; q < E1000_QUEUES; q++) {
		struct e1000_txq *t = &e->tx[q];

		fl_e1000m_ring_reset(&t->r, R_TDBAL + q * R_QUEUE_STRIDE);
		t->open = t->pending = false;
		memset(t->ctx, 0, sizeof(t->ctx));
		fl_e1000m_ring_reset(&e->rx[q].r, R_RDBAL + q * R_QUEUE_STRIDE);
		e->rx[q].nwb = 0;
	}
	fl_e1000m_fifo_reset(e);
	fl_e1000m_irq_reset(e);
	for (unsigned t = 0; t < T_COUNT; t++)
		e->due[t] = UINT64_MAX;
	e->tx_held = false;
	e->mw.nbits = 0;
	memset(e->stat, 0, sizeof(e->stat));
	fl_e1000m_regs_reset(e, soft);
	fl_e1000m_clock_rate(e, 0);
	fl_e1000m_clock_set(e, 0);
	memcpy(ra, e->nvm, 6);
	ra[1] = (ra[1] & 0xffff) | 1u << 31;
	e->fifo.cap = (e->r[R_PBA / 4] & 0xffff) * 1024;
	fl_e1000m_rss_key(e);
	fl_e1000m_phy_reset(e, true);
	/* negotiated before anybody looks, as after power-on */
	e->phy.link = e->carrier;
	fl_e1000m_update(e);
	if (e->wire)
		fl_wire_set_link(e->wire, true);
}

static void bars(struct e1000 *e, bool shared)
{
	struct fl_model_bar regs = { .size = BAR_REGS_SIZE };
	struct fl_model_bar io = { .size = e->v->io_size, .io = true };

	if (shared) {
		regs.nshared = 1;
		regs.shared[0].offset = E1000_SHARED_OFF;
		regs.shared[0].size = E1000_SHARED_LEN;
	}
	fl_model_set_bar(e->m, 0, &regs);
	fl_model_set_bar(e->m, e->v->io_bar, &io);
}

/* ---- ops ------------------------------------------------------------------------------ */

static void destroy(void *state)
{
	struct e1000 *e = state;

	if (e->wire)
		fl_wire_close(e->wire);
	for (unsigned q = 0; q < E1000_QUEUES; q++)
		free(e->tx[q].buf ? e->tx[q].buf - TX_BUF_ROOM : NULL);
	free(e->fifo.mem);
	free(e->scratch);
	free(e->own_sh);
	free(e);
}

static int parse_mac(const struct e1000 *e, struct fl_args *args, uint8_t mac[6])
{
	struct fl_model *m = e->m;
	const uint8_t own[6] = {
		0x52, 0x54, 0x00, 0x12, 0x34, (uint8_t)(0x56 + fl_model_ordinal(m))
	};
	const char *s = fl_args_get(args, "mac");
	const struct fl_log *log = fl_model_log(m);
	unsigned v[6];
	int end = 0;

	if (!s) {
		memcpy(mac, own, sizeof(own));
		return 0;
	}
	if (sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x%n", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
		   &end) != 6 ||
	    s[end]) {
		fl_err(log, e->v->name, "mac=%s is not six bytes like 52:54:00:12:34:56", s);
		return -EINVAL;
	}
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)v[i];
	if (mac[0] & 1 || !memcmp(mac, "\0\0\0\0\0\0", 6)) {
		fl_err(log, e->v->name, "mac=%s: a port needs a unicast address that is not zero",
		       s);
		return -EINVAL;
	}
	return 0;
}

static int allocate(struct e1000 *e)
{
	for (unsigned q = 0; q < E1000_QUEUES; q++) {
		uint8_t *b = malloc(TX_BUF_ROOM + E1000_TX_BUF);

		if (!b)
			return -ENOMEM;
		e->tx[q].buf = b + TX_BUF_ROOM;
	}
	e->scratch = malloc(E1000_MAX_FRAME);
	e->own_sh = calloc(1, E1000_SHARED_LEN);
	return e->scratch && e->own_sh ? fl_e1000m_fifo_alloc(e) : -ENOMEM;
}

static int create(struct fl_model *m, struct fl_args *args, const struct e1000_variant *v,
		  void **state)
{
	struct e1000 *e = aligned_alloc(FL_CACHE_LINE, fl_align_up(sizeof(*e), FL_CACHE_LINE));
	struct fl_wire_port port = { fl_e1000m_receive, fl_e1000m_carrier, e };
	const struct fl_log *log = fl_model_log(m);
	uint64_t an_ms;
	uint8_t mac[6];
	bool shared;
	int rc;

	if (!e)
		return -ENOMEM;
	memset(e, 0, sizeof(*e));
	e->v = v;
	e->m = m;
	e->mmu = fl_model_iommu(m);
	e->now = fl_now_ns();
	e->next_due = UINT64_MAX;
	rc = parse_mac(e, args, mac);
	if (!rc)
		rc = fl_args_bool(args, "shared", true, &shared);
	if (!rc)
		rc = fl_args_u64(args, "an", AN_DEFAULT_MS, &an_ms);
	if (!rc && an_ms > 60000) {
		fl_err(log, e->v->name, "an=: autonegotiation takes 0 to 60000 ms");
		rc = -EINVAL;
	}
	if (!rc)
		rc = allocate(e);
	if (rc)
		goto fail;
	e->an_ns = an_ms * 1000000;
	bars(e, shared);
	v->pci(m, mac);
	fl_e1000m_regs_init(e);
	fl_e1000m_nvm_init(e, mac);
	fl_e1000m_reset(e, false);
	rc = fl_wire_open(m, args, &port, &e->wire);
	if (rc)
		goto fail;
	/* a cable that is plugged in has a link by the time the client looks */
	e->carrier = fl_wire_carrier(e->wire);
	fl_e1000m_reset(e, false);
	*state = e;
	return 0;
fail:
	destroy(e);
	return rc;
}

static void reset(void *state)
{
	fl_e1000m_reset(state, false);
}

static uint32_t io_read(struct e1000 *e, uint64_t off)
{
	if (off == 0)
		return e->ioaddr;
	return off == 4 && e->ioaddr < BAR_REGS_SIZE ? fl_e1000m_reg_read(e, e->ioaddr) : 0;
}

static void io_write(struct e1000 *e, uint64_t off, uint32_t v)
{
	if (off == 0)
		e->ioaddr = v;
	else if (off == 4 && e->ioaddr < BAR_REGS_SIZE)
		fl_e1000m_reg_write(e, e->ioaddr, v);
}

static uint64_t bar_read(void *state, unsigned bar, uint64_t off, unsigned size)
{
	struct e1000 *e = state;
	uint64_t v = 0;

	for (unsigned done = 0; done < size; done += 4) {
		uint64_t at = (off & ~3ull) + done;
		uint32_t w = 0;

		if (bar == 0)
			w = fl_e1000m_reg_read(e, (uint32_t)at);
		else if (bar == e->v->io_bar)
			w = io_read(e, at);
		v |= (uint64_t)w << 8 * done;
	}
	return size < 4 ? v >> 8 * (off & 3) & ((1ull << 8 * size) - 1) : v;
}

static void bar_write(void *state, unsigned bar, uint64_t off, unsigned size, uint64_t v)
{
	struct e1000 *e = state;

	if (size < 4)
		v = (v & ((1ull << 8 * size) - 1)) << 8 * (off & 3);
	for (unsigned done = 0; done < size; done += 4) {
		uint64_t at = (off & ~3ull) + done;

		if (bar == 0)
			fl_e1000m_reg_write(e, (uint32_t)at, (uint32_t)(v >> 8 * done));
		else if (bar == e->v->io_bar)
			io_write(e, at, (uint32_t)(v >> 8 * done));
	}
}

/* FPD in a page that does not trap: seen here, and it clears itself */
static void poll_fpd(struct e1000 *e)
{
	if (fl_unlikely(fl_e1000m_rd(e, R_RDTR) & DELAY_FPD)) {
		fl_e1000m_masked(e, R_RDTR, 0xffff);
		fl_e1000m_flush_rx_delay(e);
	}
	if (fl_unlikely(fl_e1000m_rd(e, R_TIDV) & DELAY_FPD)) {
		fl_e1000m_masked(e, R_TIDV, 0xffff);
		fl_e1000m_flush_tx_delay(e);
	}
}

static unsigned poll(void *state, uint64_t now_ns)
{
	struct e1000 *e = state;
	unsigned work = 0;

	e->now = now_ns;
	work += fl_e1000m_fifo_drain(e, 2 * E1000_BATCH);
	work += fl_wire_poll(e->wire, now_ns, 2 * E1000_BATCH);
	for (unsigned q = 0; q < e->v->queues; q++)
		work += fl_e1000m_tx(e, q);
	poll_fpd(e);
	if (now_ns >= e->next_due)
		run_timers(e);
	return work;
}

static uint64_t next_timer(void *state)
{
	struct e1000 *e = state;
	uint64_t wire = fl_wire_next(e->wire);

	return wire < e->next_due ? wire : e->next_due;
}

static int create_82574(struct fl_model *m, struct fl_args *args, void **state)
{
	return create(m, args, &fl_e1000m_82574, state);
}

static int create_82540(struct fl_model *m, struct fl_args *args, void **state)
{
	return create(m, args, &fl_e1000m_82540, state);
}

static const char help[] =
	"mac=XX:XX:XX:XX:XX:XX   station address (52:54:00:12:34:56 and on)\n"
	"shared=on|off           pages 0x2000 and 0x3000 of BAR0 may be mapped (on)\n"
	"an=MS                   how long autonegotiation takes, ms (5)\n";

const struct fl_model_ops fl_e1000e_model_ops = {
	.name = "e1000e",
	.help = help,
	.create = create_82574,
	.destroy = destroy,
	.reset = reset,
	.bar_read = bar_read,
	.bar_write = bar_write,
	.poll = poll,
	.next_timer = next_timer,
};

const struct fl_model_ops fl_e1000_model_ops = {
	.name = "e1000",
	.help = help,
	.create = create_82540,
	.destroy = destroy,
	.reset = reset,
	.bar_read = bar_read,
	.bar_write = bar_write,
	.poll = poll,
	.next_timer = next_timer,
};
