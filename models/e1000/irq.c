/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts: causes, masks, vectors, moderation. A message or a rising line comes of causes that
 * are *new* in ICR & IMS, whether the cause or its mask bit came last.
 */
#include "e1000_internal.h"

#define TICK_ITR   256ull  /* ns a unit of ITR and EITR */
#define TICK_DELAY 1024ull /* ns a unit of RDTR, RADV, RAID, TIDV, TADV */

static uint32_t *icr(struct e1000 *e)
{
	return &e->r[R_ICR / 4];
}

static uint32_t *ims(struct e1000 *e)
{
	return &e->r[R_IMS / 4];
}

static uint32_t active(struct e1000 *e)
{
	return *icr(e) & *ims(e) & ~ICR_ASSERT;
}

/* bit 31, where there is one, follows the rest */
static void icr_set(struct e1000 *e, uint32_t v)
{
	v &= ~ICR_ASSERT;
	*icr(e) = v ? v | e->v->icr_assert : 0;
}

static void line(struct e1000 *e, bool level)
{
	if (e->intx == level)
		return;
	e->intx = level;
	if (level)
		fl_e1000m_count(e, S_IAC, 1);
	fl_model_intx(e->m, level);
}

/* the one vector of INTx and MSI, not more often than ITR allows */
static void notify(struct e1000 *e)
{
	uint32_t itr = e->r[R_ITR / 4];

	if (e->due[T_ITR] != UINT64_MAX) {
		e->itr_pending = true;
		return;
	}
	if (fl_model_msi_enabled(e->m)) {
		fl_e1000m_count(e, S_IAC, 1);
		fl_model_msi(e->m, 0);
	} else {
		line(e, true);
	}
	if (itr)
		fl_e1000m_arm(e, T_ITR, itr * TICK_ITR);
}

static void msix_send(struct e1000 *e, unsigned vec)
{
	uint32_t eitr = e->r[R_EITR / 4 + vec];

	if (e->due[T_EITR + vec] != UINT64_MAX) {
		e->eitr_pending |= 1u << vec;
		return;
	}
	fl_e1000m_count(e, S_IAC, 1);
	fl_model_msix(e->m, vec);
	if (eitr)
		fl_e1000m_arm(e, T_EITR + vec, eitr * TICK_ITR);
}

static void msix_causes(struct e1000 *e, uint32_t fresh)
{
	uint32_t ext = e->r[R_CTRL_EXT / 4], ivar = e->r[R_IVAR / 4];

	/* RXQ0, RXQ1, TXQ0, TXQ1, OTHER: bits 20 up, nibbles in the same order */
	for (unsigned i = 0; i < 5; i++) {
		uint32_t cause = ICR_RXQ0 << i, clear, map = ivar >> (4 * i) & 15;

		if (!(fresh & cause))
			continue;
		if (map & 8 && (map & 7) < E1000_VECTORS)
			msix_send(e, map & 7);
		clear = e->r[R_EIAC / 4] & cause;
		if (ext & CTRL_EXT_EIAME)
			*ims(e) &= ~(e->r[R_IAM / 4] & cause);
		if (!(ext & CTRL_EXT_IAME))
			*ims(e) &= ~clear;
		icr_set(e, *icr(e) & ~clear);
	}
}

/* ICR or IMS changed; before = what was active then */
static void changed(struct e1000 *e, uint32_t before)
{
	uint32_t fresh = active(e) & ~before;

	if (fl_model_msix_enabled(e->m)) {
		line(e, false);
		if (fresh)
			msix_causes(e, fresh);
		return;
	}
	if (!active(e)) {
		e->itr_pending = false;
		line(e, false);
	} else if (fresh) {
		notify(e);
	}
}

void fl_e1000m_raise(struct e1000 *e, uint32_t causes)
{
	uint32_t before = active(e), v = *icr(e) | causes;

	if (v & ICR_OTHERS && fl_model_msix_enabled(e->m))
		v |= ICR_OTHER;
	icr_set(e, v);
	changed(e, before);
}

uint32_t fl_e1000m_icr_read(struct e1000 *e)
{
	uint32_t v = *icr(e), before = active(e);
	bool clear = !*ims(e) || !fl_model_msix_enabled(e->m) || before;

	if (v & ICR_ASSERT && e->r[R_CTRL_EXT / 4] & CTRL_EXT_IAME) {
		clear = true;
		*ims(e) &= ~e->r[R_IAM / 4];
	}
	if (clear)
		icr_set(e, 0);
	changed(e, before);
	return v;
}

void fl_e1000m_icr_write(struct e1000 *e, uint32_t v)
{
	uint32_t before = active(e);

	if (*icr(e) & ICR_ASSERT && e->r[R_CTRL_EXT / 4] & CTRL_EXT_IAME)
		*ims(e) &= ~e->r[R_IAM / 4];
	if (v & e->v->causes & ICR_OTHER)
		v |= ICR_OTHERS;
	icr_set(e, *icr(e) & ~v);
	changed(e, before);
}

void fl_e1000m_ims_set(struct e1000 *e, uint32_t v)
{
	uint32_t before = active(e);

	v &= e->v->causes;
	*ims(e) |= v;
	/* a driver that enables everything at once may ask for what the timers hold back */
	if (v == e->v->causes && e->r[R_CTRL_EXT / 4] & CTRL_EXT_TIMERS) {
		fl_e1000m_flush_rx_delay(e);
		fl_e1000m_flush_tx_delay(e);
		e->due[T_ITR] = UINT64_MAX;
	}
	changed(e, before);
}

void fl_e1000m_imc(struct e1000 *e, uint32_t v)
{
	uint32_t before = active(e);

	*ims(e) &= ~v;
	changed(e, before);
}

/* ---- delays --------------------------------------------------------------------------- */

void fl_e1000m_flush_rx_delay(struct e1000 *e)
{
	bool rx = e->due[T_RDTR] != UINT64_MAX || e->due[T_RADV] != UINT64_MAX;
	bool ack = e->due[T_RAID] != UINT64_MAX;

	e->due[T_RDTR] = e->due[T_RADV] = e->due[T_RAID] = UINT64_MAX;
	if (rx || ack)
		fl_e1000m_raise(e, (rx ? ICR_RXT0 : 0) | (ack ? ICR_ACK : 0));
}

void fl_e1000m_flush_tx_delay(struct e1000 *e)
{
	uint32_t causes = e->tx_delayed;

	e->due[T_TIDV] = e->due[T_TADV] = UINT64_MAX;
	e->tx_delayed = 0;
	if (causes)
		fl_e1000m_raise(e, causes);
}

/* first use starts the absolute timer, each use starts the other one anew */
static void delay(struct e1000 *e, unsigned rel, uint32_t rel_units, unsigned abs_timer,
		  uint32_t abs_units)
{
	fl_e1000m_arm(e, rel, rel_units * TICK_DELAY);
	if (abs_units && e->due[abs_timer] == UINT64_MAX)
		fl_e1000m_arm(e, abs_timer, abs_units * TICK_DELAY);
}

/* frames were written back to queue q; now_causes are raised without delay */
void fl_e1000m_rx_cause(struct e1000 *e, unsigned q, bool ack, uint32_t now_causes)
{
	uint32_t rdtr, raid;

	if (fl_model_msix_enabled(e->m)) {
		fl_e1000m_raise(e, ICR_RXQ0 << q);
		return;
	}
	rdtr = fl_e1000m_rd(e, R_RDTR) & 0xffff;
	raid = fl_e1000m_rd(e, R_RAID) & 0xffff;
	if (!rdtr)
		now_causes |= ICR_RXT0;
	else
		delay(e, T_RDTR, rdtr, T_RADV, fl_e1000m_rd(e, R_RADV) & 0xffff);
	if (ack && !raid)
		now_causes |= ICR_ACK;
	else if (ack && e->due[T_RAID] == UINT64_MAX)
		fl_e1000m_arm(e, T_RAID, raid * TICK_DELAY);
	if (now_causes)
		fl_e1000m_raise(e, now_causes);
}

void fl_e1000m_tx_cause(struct e1000 *e, unsigned q, bool written_back, bool late, bool empty)
{
	bool msix = fl_model_msix_enabled(e->m);
	uint32_t causes = empty ? ICR_TXQE : 0, tidv;

	if (written_back)
		causes |= msix ? ICR_TXQ0 << q : ICR_TXDW;
	if (!causes)
		return;
	tidv = fl_e1000m_rd(e, R_TIDV) & 0xffff;
	if (msix || !late || !tidv) {
		causes |= e->tx_delayed;
		e->tx_delayed = 0;
		e->due[T_TIDV] = e->due[T_TADV] = UINT64_MAX;
		fl_e1000m_raise(e, causes);
		return;
	}
	e->tx_delayed |= causes;
	delay(e, T_TIDV, tidv, T_TADV, fl_e1000m_rd(e, R_TADV) & 0xffff);
}

void fl_e1000m_irq_timer(struct e1000 *e, unsigned t)
{
	switch (t) {
	case T_ITR:
		if (e->itr_pending && active(e)) {
			e->itr_pending = false;
			notify(e);
		}
		break;
	case T_RDTR:
	case T_RADV:
		fl_e1000m_flush_rx_delay(e);
		break;
	case T_RAID:
		fl_e1000m_raise(e, ICR_ACK);
		break;
	case T_TIDV:
	case T_TADV:
		fl_e1000m_flush_tx_delay(e);
		break;
	default:
		t -= T_EITR;
		if (e->eitr_pending & 1u << t) {
			e->eitr_pending &= ~(1u << t);
			msix_send(e, t);
		}
	}
}

void fl_e1000m_irq_reset(struct e1000 *e)
{
	e->itr_pending = false;
	e->eitr_pending = e->tx_delayed = 0;
	for (unsigned t = T_ITR; t <= T_TADV; t++)
		e->due[t] = UINT64_MAX;
	line(e, false);
}
