/* SPDX-License-Identifier: BSD-3-Clause */
/* PHY, link, flow control, LED; a transmitter that hangs. */
#include "e1000_internal.h"

#define MDIC_POLLS	 1000u
#define MDIC_POLL_US	 50u
#define FC_ADDR_LOW	 0x00c28001u /* 01:80:c2:00:00:01, where pause frames go */
#define FC_ADDR_HIGH	 0x00000100u
#define FC_ETHERTYPE	 0x8808u
#define FC_PAUSE_DEFAULT 0x0680u
#define LED_ON		 0x0eu
#define LED_MODE_MASK	 0xfu
#define PHY_RESET_NS	 1000000ull
#define TX_LOOK_NS	 100000000ull  /* registers are slow: look no oftener */
#define TX_HANG_NS	 2000000000ull /* the longest frame takes 8 ms at 10 Mbit/s */

/* ---- PHY ------------------------------------------------------------------------------ */

static int mdic(struct fl_e1000 *e, uint32_t cmd, uint16_t reg, uint16_t *out)
{
	uint64_t now = fl_now_ns();
	uint32_t v = 0;

	if (now < e->phy_ready_ns)
		fl_e1000_sleep_us((unsigned)((e->phy_ready_ns - now) / 1000 + 1));
	fl_e1000_wr(e, E1000_MDIC, cmd | (uint32_t)reg << MDIC_REG_SHIFT | MDIC_PHY_ADDR1);
	for (unsigned i = 0; i < MDIC_POLLS; i++) {
		v = fl_e1000_rd(e, E1000_MDIC);
		if (v & MDIC_READY)
			break;
		fl_e1000_sleep_us(MDIC_POLL_US);
	}
	/* the register number comes back: an answer to another question is none */
	if (v == UINT32_MAX || !(v & MDIC_READY) || v & MDIC_ERROR ||
	    ((v >> MDIC_REG_SHIFT) & 31u) != reg) {
		e1000_err(e, "%s: PHY register %u: no usable answer (MDIC 0x%08x)",
			  fl_dev_uri(e->port.dev), reg, v);
		return -EIO;
	}
	if (out)
		*out = (uint16_t)v;
	return 0;
}

static int phy_read(struct fl_e1000 *e, uint16_t reg, uint16_t *out)
{
	return mdic(e, MDIC_OP_READ, reg, out);
}

/* management firmware may be using the link, and then says that the PHY is not ours to change */
static int phy_write(struct fl_e1000 *e, uint16_t reg, uint16_t v)
{
	if (fl_e1000_rd(e, E1000_MANC) & MANC_BLK_PHY_RST)
		return 0;
	return mdic(e, MDIC_OP_WRITE | v, reg, NULL);
}

/* ---- flow control --------------------------------------------------------------------- */

/* what to advertise for a mode (802.3 annex 28B) */
static uint16_t fc_advert(enum fl_fc_mode m)
{
	switch (m) {
	case FL_FC_RX: /* cannot be said alone: offer both, obey only */
	case FL_FC_FULL:
		return ANAR_PAUSE | ANAR_ASM_DIR;
	case FL_FC_TX:
		return ANAR_ASM_DIR;
	default:
		return 0;
	}
}

static enum fl_fc_mode fc_resolve(enum fl_fc_mode want, uint16_t ours, uint16_t theirs)
{
	if (ours & theirs & ANAR_PAUSE)
		return want == FL_FC_RX ? FL_FC_RX : FL_FC_FULL;
	if (!(ours & theirs & ANAR_ASM_DIR))
		return FL_FC_NONE;
	if (!(ours & ANAR_PAUSE) && theirs & ANAR_PAUSE)
		return FL_FC_TX;
	if (ours & ANAR_PAUSE && !(theirs & ANAR_PAUSE))
		return FL_FC_RX;
	return FL_FC_NONE;
}

/* puts the mode that holds now into CTRL */
static int fc_program(struct fl_e1000 *e)
{
	enum fl_fc_mode mode = e->port.fc.mode;
	uint32_t ctrl = fl_e1000_rd(e, E1000_CTRL) & ~(CTRL_RFCE | CTRL_TFCE);

	if (e->port.fc.autoneg && e->port.conf.speeds & FL_SPEED_FIXED) {
		mode = FL_FC_NONE; /* nothing is agreed with the partner */
	} else if (e->port.fc.autoneg && mode != FL_FC_NONE) {
		uint16_t ours, theirs;
		int rc = phy_read(e, PHY_ANAR, &ours);

		if (!rc)
			rc = phy_read(e, PHY_ANLPAR, &theirs);
		if (rc)
			return rc;
		mode = fc_resolve(mode, ours, theirs);
	}
	if (mode == FL_FC_RX || mode == FL_FC_FULL)
		ctrl |= CTRL_RFCE;
	if (mode == FL_FC_TX || mode == FL_FC_FULL)
		ctrl |= CTRL_TFCE;
	fl_e1000_wr(e, E1000_CTRL, ctrl);
	return 0;
}

/* marks: room for one longest frame above the high one, two standard frames between them */
static int fc_marks(struct fl_e1000 *e, uint32_t *high, uint32_t *low)
{
	uint32_t fifo = (fl_e1000_rd(e, E1000_PBA) & 0xffffu) << 10;
	uint32_t frame = fl_e1000_frame_max(&e->port);
	uint32_t tenth = fifo - fifo / 10;

	*high = e->port.fc.high_water;
	*low = e->port.fc.low_water;
	if (!*high) {
		*high = frame < fifo && fifo - frame < tenth ? fifo - frame : tenth;
		*high &= ~7u;
	}
	if (!*low)
		*low = *high > 3000 ? (*high - 3000) & ~7u : *high / 2 & ~7u;
	if (*high > fifo || *low >= *high) {
		e1000_err(e, "%s: flow control marks %u and %u; the receive FIFO has %u bytes",
			  fl_dev_uri(e->port.dev), *low, *high, fifo);
		return -EINVAL;
	}
	return 0;
}

/* marks depend on the longest frame: again when the MTU changes */
int fl_e1000_fc_registers(struct fl_e1000 *e)
{
	const struct fl_flow_ctrl *fc = &e->port.fc;
	bool tx = fc->mode == FL_FC_TX || fc->mode == FL_FC_FULL;
	uint32_t high = 0, low = 0;
	int rc = tx ? fc_marks(e, &high, &low) : 0;

	if (rc)
		return rc;
	fl_e1000_wr(e, E1000_FCT, FC_ETHERTYPE);
	fl_e1000_wr(e, E1000_FCAH, FC_ADDR_HIGH);
	fl_e1000_wr(e, E1000_FCAL, FC_ADDR_LOW);
	fl_e1000_wr(e, E1000_FCTTV, fc->pause_time ? fc->pause_time : FC_PAUSE_DEFAULT);
	fl_e1000_wr(e, E1000_FCRTL, tx ? low | FCRTL_XONE : 0);
	fl_e1000_wr(e, E1000_FCRTH, high);
	return 0;
}

/* ---- speeds --------------------------------------------------------------------------- */

static uint16_t speed_advert(uint32_t speeds)
{
	bool half = speeds & FL_SPEED_HALF || !(speeds & FL_SPEED_FULL);
	bool full = speeds & FL_SPEED_FULL || !(speeds & FL_SPEED_HALF);
	bool all = !(speeds & (FL_SPEED_10 | FL_SPEED_100 | FL_SPEED_1000));
	uint16_t v = 0;

	if (all || speeds & FL_SPEED_10)
		v |= (half ? ANAR_10_HALF : 0) | (full ? ANAR_10_FULL : 0);
	if (all || speeds & FL_SPEED_100)
		v |= (half ? ANAR_100_HALF : 0) | (full ? ANAR_100_FULL : 0);
	return v;
}

/* 1000 Mbit/s in half duplex, which no partner has, stays as the chip came up with it */
static uint16_t gigabit_advert(uint32_t speeds, uint16_t have)
{
	bool all = !(speeds & (FL_SPEED_10 | FL_SPEED_100 | FL_SPEED_1000));

	if ((!all && !(speeds & FL_SPEED_1000)) ||
	    (speeds & FL_SPEED_HALF && !(speeds & FL_SPEED_FULL)))
		return have & (uint16_t) ~(CTRL1000_HALF | CTRL1000_FULL);
	if (speeds)
		have &= (uint16_t)~CTRL1000_HALF;
	return have | CTRL1000_FULL;
}

/* writes a PHY register where it changes, and says so */
static int phy_change(struct fl_e1000 *e, uint16_t reg, uint16_t have, uint16_t want, bool *changed)
{
	if (want == have)
		return 0;
	*changed = true;
	return phy_write(e, reg, want);
}

/*
 * Advertises the wanted speeds and pause modes; a link that is up is only taken down for that
 * (negotiation lasts seconds) where the advertisement changes.
 */
static int advertise(struct fl_e1000 *e, bool *restart)
{
	uint32_t speeds = e->port.conf.speeds;
	uint16_t have, want;
	int rc;

	if (speeds & FL_SPEED_FIXED)
		return 0;
	rc = phy_read(e, PHY_ANAR, &have);
	if (rc)
		return rc;
	want = (uint16_t)((have & ~ANAR_SPEEDS) | speed_advert(speeds));
	if (e->port.fc.autoneg)
		want = (uint16_t)((want & ~(ANAR_PAUSE | ANAR_ASM_DIR)) |
				  fc_advert(e->port.fc.mode));
	rc = phy_change(e, PHY_ANAR, have, want, restart);
	if (!rc)
		rc = phy_read(e, PHY_CTRL1000, &have);
	return rc ? rc : phy_change(e, PHY_CTRL1000, have, gigabit_advert(speeds, have), restart);
}

/* what BMCR has to be for a link that is wanted */
static uint16_t bmcr_wanted(uint32_t speeds, uint16_t have, bool restart)
{
	uint16_t want = have & (uint16_t)~BMCR_POWER_DOWN;

	if (speeds & FL_SPEED_FIXED) {
		want &= (uint16_t) ~(BMCR_AN_ENABLE | BMCR_SPEEDS | BMCR_FD);
		want |= (speeds & FL_SPEED_100 ? BMCR_100 : 0) |
			(speeds & FL_SPEED_HALF ? 0 : BMCR_FD);
	} else if (restart || want != have || !(have & BMCR_AN_ENABLE)) {
		want |= BMCR_AN_ENABLE | BMCR_AN_RESTART;
	}
	/* leaving or changing a forced speed takes effect with a reset, which keeps what is set */
	if ((want ^ have) &
	    (BMCR_AN_ENABLE | (speeds & FL_SPEED_FIXED ? BMCR_SPEEDS | BMCR_FD : 0)))
		want |= BMCR_RESET;
	return want;
}

/* a forced speed is forced on MAC and PHY alike */
static uint32_t ctrl_wanted(const struct fl_port *p, uint32_t ctrl)
{
	uint32_t speeds = p->conf.speeds;

	ctrl &= ~(CTRL_FRCSPD | CTRL_FRCDPX | CTRL_BIT29 | CTRL_SLU);
	if (p->link_wanted)
		ctrl |= CTRL_SLU;
	if (!(speeds & FL_SPEED_FIXED))
		return ctrl;
	ctrl &= ~(CTRL_SPEED_MASK | CTRL_FD);
	return ctrl | CTRL_FRCSPD | CTRL_FRCDPX | (speeds & FL_SPEED_100 ? CTRL_SPEED_100 : 0) |
	       (speeds & FL_SPEED_HALF ? 0 : CTRL_FD);
}

/*
 * The 88E1011 shows carrier while it sends, and clocks the MAC at 25 MHz before there is a link,
 * only if told to. Both take effect with a reset by BMCR; one for a forced speed may undo them.
 */
static int m88_program(struct fl_e1000 *e, bool *changed)
{
	uint16_t have;
	int rc = phy_read(e, PHY_M88_CTRL, &have);

	if (!rc)
		rc = phy_change(e, PHY_M88_CTRL, have, have | M88_CRS_ON_TX, changed);
	if (!rc)
		rc = phy_read(e, PHY_M88_EXT, &have);
	return rc ? rc : phy_change(e, PHY_M88_EXT, have, have | M88_TX_CLK_25, changed);
}

static int m88_start(struct fl_e1000 *e)
{
	bool changed = false;
	uint16_t bmcr;
	int rc = m88_program(e, &changed);

	if (!rc)
		rc = phy_read(e, PHY_BMCR, &bmcr);
	if (rc || !changed)
		return rc;
	rc = phy_write(e, PHY_BMCR, bmcr | BMCR_RESET);
	e->phy_ready_ns = fl_now_ns() + PHY_RESET_NS;
	return rc;
}

/* link on or off and at the speeds that the user wants; what fits already is left alone */
static int link_program(struct fl_e1000 *e)
{
	bool restart = false;
	uint16_t have, want;
	int rc;

	if (e->port.conf.speeds && fl_e1000_rd(e, E1000_MANC) & MANC_BLK_PHY_RST) {
		e1000_err(e,
			  "%s: management firmware uses the link and chooses its speed: leave "
			  "speeds 0",
			  fl_dev_uri(e->port.dev));
		return -EBUSY;
	}
	fl_e1000_wr(e, E1000_CTRL, ctrl_wanted(&e->port, fl_e1000_rd(e, E1000_CTRL)));
	rc = phy_read(e, PHY_BMCR, &have);
	if (!rc)
		rc = advertise(e, &restart);
	if (rc)
		return rc;
	want = e->port.link_wanted ? bmcr_wanted(e->port.conf.speeds, have, restart)
				   : have | BMCR_POWER_DOWN;
	if (want == have)
		return 0;
	rc = phy_write(e, PHY_BMCR, want);
	if (rc || e->v->pcie || !(want & BMCR_RESET))
		return rc;
	e->phy_ready_ns = fl_now_ns() + PHY_RESET_NS;
	return m88_program(e, &restart);
}

int fl_e1000_fc_apply(struct fl_port *p)
{
	struct fl_e1000 *e = fl_e1000_of(p);
	int rc = fl_e1000_fc_registers(e);

	if (!rc)
		rc = link_program(e);
	return rc ? rc : fc_program(e);
}

int fl_e1000_fc_get(struct fl_port *p, struct fl_flow_ctrl *out)
{
	struct fl_e1000 *e = fl_e1000_of(p);
	uint32_t ctrl = fl_e1000_rd(e, E1000_CTRL);

	*out = p->fc;
	if (!p->started)
		return 0;
	out->mode = (ctrl & CTRL_RFCE ? FL_FC_RX : 0) | (ctrl & CTRL_TFCE ? FL_FC_TX : 0);
	out->high_water = fl_e1000_rd(e, E1000_FCRTH);
	out->low_water = fl_e1000_rd(e, E1000_FCRTL) & ~FCRTL_XONE;
	out->pause_time = (uint16_t)fl_e1000_rd(e, E1000_FCTTV);
	return 0;
}

/* ---- link ----------------------------------------------------------------------------- */

static int phy_check(struct fl_e1000 *e)
{
	uint16_t id1, id2;
	int rc;

	rc = phy_read(e, PHY_ID1, &id1);
	if (!rc)
		rc = phy_read(e, PHY_ID2, &id2);
	if (rc)
		return rc;
	if ((((uint32_t)id1 << 16 | id2) & e->v->phy_id_mask) == e->v->phy_id)
		return 0;
	e1000_err(e, "%s: PHY id 0x%04x%04x, a %s has 0x%08x", fl_dev_uri(e->port.dev), id1, id2,
		  e->v->chip, e->v->phy_id);
	return -EIO;
}

int fl_e1000_link_start(struct fl_e1000 *e)
{
	int rc;

	rc = phy_check(e);
	if (!rc && !e->v->pcie)
		rc = m88_start(e);
	if (!rc)
		rc = fl_e1000_fc_registers(e);
	if (!rc)
		rc = link_program(e);
	return rc ? rc : fc_program(e);
}

/* the partner may be another one now, and have agreed on other pause modes */
void fl_e1000_link_changed(struct fl_e1000 *e)
{
	if (fc_program(e))
		e1000_warn(e, "%s: pause modes of the new link are not known",
			   fl_dev_uri(e->port.dev));
}

int fl_e1000_link_get(struct fl_port *p, struct fl_link *out)
{
	static const uint32_t speeds[] = { 10, 100, 1000, 1000 };
	struct fl_e1000 *e = fl_e1000_of(p);
	uint32_t st = fl_e1000_rd(e, E1000_STATUS);

	if (st == UINT32_MAX)
		return -ENODEV;
	out->autoneg = !(p->conf.speeds & FL_SPEED_FIXED);
	out->up = st & STATUS_LU && p->link_wanted;
	if (!out->up)
		return 0;
	out->speed = speeds[STATUS_SPEED(st)];
	out->full_duplex = st & STATUS_FD;
	return 0;
}

int fl_e1000_link_set(struct fl_port *p, bool up)
{
	struct fl_e1000 *e = fl_e1000_of(p);
	int rc = link_program(e);

	return rc ? rc : fc_program(e);
}

int fl_e1000_led(struct fl_port *p, bool on)
{
	struct fl_e1000 *e = fl_e1000_of(p);

	/* LED0 on at will, and all back to what the NVM said */
	fl_e1000_wr(e, E1000_LEDCTL, on ? (e->ledctl & ~LED_MODE_MASK) | LED_ON : e->ledctl);
	return 0;
}

/* ---- a transmitter that hangs ---------------------------------------------------------- */

/*
 * Whether a queue has had work since `since_ns` and done none of it. Traffic that happens to
 * leave the head where it was has been counted meanwhile, a queue at rest has nothing to do.
 */
static bool txq_hangs(struct fl_e1000 *e, struct fl_e1000_txq *q, uint64_t now)
{
	uint64_t packets = __atomic_load_n(&q->stats.packets, __ATOMIC_RELAXED);
	uint32_t head = fl_e1000_rd(e, E1000_TDH(q->q.qid));

	if (head == fl_e1000_rd(e, E1000_TDT(q->q.qid)) || head != q->watch.head ||
	    packets != q->watch.packets || !q->watch.since_ns) {
		q->watch.head = head;
		q->watch.packets = packets;
		q->watch.since_ns = now;
		return false;
	}
	if (now - q->watch.since_ns < TX_HANG_NS)
		return false;
	e1000_err(e,
		  "%s: transmit queue %u stands at descriptor %u for %llu ms: the port has to be "
		  "reset",
		  fl_dev_uri(e->port.dev), q->q.qid, head,
		  (unsigned long long)(now - q->watch.since_ns) / 1000000);
	return true;
}

/* 1 = the device sends no more though it could, told once until the next start */
int fl_e1000_tx_hangs(struct fl_port *p)
{
	struct fl_e1000 *e = fl_e1000_of(p);
	uint64_t now = fl_now_ns();
	uint32_t st;

	if (e->tx_hang_told || now - e->tx_looked_ns < TX_LOOK_NS)
		return 0;
	e->tx_looked_ns = now;
	st = fl_e1000_rd(e, E1000_STATUS);
	for (unsigned i = 0; i < p->conf.nb_txq; i++) {
		struct fl_e1000_txq *q = (struct fl_e1000_txq *)p->txq[i];

		/* no link, or a partner that asks for silence: it may not send */
		if (st == UINT32_MAX || !(st & STATUS_LU) || st & STATUS_TXOFF)
			q->watch.since_ns = 0;
		else
			e->tx_hang_told |= txq_hangs(e, q, now);
	}
	return e->tx_hang_told;
}
