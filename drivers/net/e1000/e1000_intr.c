/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts. With MSI-X vector 0 tells of the link and 1 + q of receive queue q. With one vector
 * (MSI, INTx) it is the link's, or receive queue 0's where queue interrupts were asked for. MSI of
 * the PCI chips is what nobody else uses either: INTx goes first there.
 */
#include "e1000_internal.h"

#define VEC_LINK  0u
#define VEC_RX(q) (1u + (q))

static void link_arm(struct fl_e1000 *e)
{
	bool msix = fl_dev_irq_kind(e->port.dev) == FL_IRQ_MSIX;

	fl_e1000_wr(e, E1000_IMS, msix ? ICR_LSC | ICR_OTHER : ICR_LSC);
}

static void on_link(struct fl_dev *dev, unsigned vec, void *arg)
{
	struct fl_e1000 *e = arg;
	struct fl_link link = { 0 };
	bool changed;

	/* acknowledges; on INTx it also takes the line down before that is unmasked */
	(void)fl_e1000_rd(e, E1000_ICR);
	changed = !fl_e1000_link_get(&e->port, &link) && link.up != e->link_up;
	if (changed) {
		e->link_up = link.up;
		if (link.up)
			fl_e1000_link_changed(e);
	}
	link_arm(e);
	/* last: who hears of it may reset or close the port */
	if (changed)
		fl_net_port_event(&e->port, FL_PORT_LINK);
}

/* vectors of a kind, if it is one that may be taken */
static unsigned vectors(const struct fl_e1000 *e, enum fl_irq_kind kind)
{
	bool may = !e->port.conf.irq || e->port.conf.irq == kind;

	return may ? fl_dev_irq_count(e->port.dev, kind) : 0;
}

/* the most capable kind that has vectors enough; 0 or -errno, vectors set up */
static int choose(struct fl_e1000 *e, unsigned rx_vectors)
{
	const enum fl_irq_kind one[] = { e->v->pcie ? FL_IRQ_MSI : FL_IRQ_INTX,
					 e->v->pcie ? FL_IRQ_INTX : FL_IRQ_MSI };
	struct fl_dev *dev = e->port.dev;
	int rc = -ENOTSUP;

	e->rx_irq_shared = false;
	if (e->v->pcie && vectors(e, FL_IRQ_MSIX) > rx_vectors &&
	    !fl_dev_irq_setup(dev, FL_IRQ_MSIX, 1 + rx_vectors))
		return 0;
	e->rx_irq_shared = rx_vectors > 0;
	for (unsigned i = 0; i < FL_ARRAY_SIZE(one) && rc; i++) {
		if (vectors(e, one[i]))
			rc = fl_dev_irq_setup(dev, one[i], 1);
	}
	return rc;
}

static void program_msix(struct fl_e1000 *e, unsigned rx_vectors)
{
	uint32_t ext = fl_e1000_rd(e, E1000_CTRL_EXT) & ~CTRL_EXT_IAME;
	uint32_t ivar = (IVAR_VALID | VEC_LINK) << IVAR_OTHER_SHIFT, eiac = 0;

	for (unsigned i = 0; i < rx_vectors; i++) {
		ivar |= (IVAR_VALID | VEC_RX(i)) << 4 * i;
		eiac |= ICR_RXQ(i);
		fl_e1000_wr(e, E1000_EITR(VEC_RX(i)), 0);
	}
	fl_e1000_wr(e, E1000_IVAR, ivar);
	/* queue causes clear, and mask, themselves when their message is sent */
	fl_e1000_wr(e, E1000_EIAC, eiac);
	fl_e1000_wr(e, E1000_CTRL_EXT, ext | CTRL_EXT_EIAME | CTRL_EXT_PBA_CLR);
}

int fl_e1000_intr_start(struct fl_e1000 *e)
{
	unsigned rx_vectors = e->port.conf.rx_intr ? e->port.conf.nb_rxq : 0;
	struct fl_link link = { 0 };
	int rc;

	rc = choose(e, rx_vectors);
	if (rc && (rx_vectors || e->port.conf.irq)) {
		e1000_err(e, "%s: %s was configured, but no such interrupt can be had (%d)",
			  fl_dev_uri(e->port.dev), e->port.conf.irq ? "a kind of irq" : "rx_intr",
			  rc);
		return rc;
	}
	if (rc) {
		/* everything but events works without */
		e1000_warn(e, "%s: no interrupts (%d): link changes are seen by asking only",
			   fl_dev_uri(e->port.dev), rc);
		return 0;
	}
	fl_e1000_wr(e, E1000_ITR, 0);
	if (fl_dev_irq_kind(e->port.dev) == FL_IRQ_MSIX)
		program_msix(e, rx_vectors);
	(void)fl_e1000_rd(e, E1000_ICR);
	if (!fl_e1000_link_get(&e->port, &link))
		e->link_up = link.up;
	if (e->rx_irq_shared)
		return 0;
	rc = fl_dev_irq_handler(e->port.dev, VEC_LINK, on_link, e);
	if (!rc)
		link_arm(e);
	return rc;
}

void fl_e1000_intr_stop(struct fl_e1000 *e)
{
	fl_e1000_wr(e, E1000_IMC, UINT32_MAX);
	if (e->v->pcie)
		fl_e1000_wr(e, E1000_EIAC, 0);
	if (fl_dev_irq_setup(e->port.dev, FL_IRQ_NONE, 0) && !fl_dev_removed(e->port.dev))
		e1000_warn(e, "%s: interrupts were not taken down cleanly",
			   fl_dev_uri(e->port.dev));
}

/* ---- receive queues ------------------------------------------------------------------- */

/* vector of a queue, -errno where it has none */
static int rx_vector(const struct fl_rxq *q)
{
	struct fl_e1000 *e = fl_e1000_of(q->port);

	if (!q->port->started || !q->port->conf.rx_intr || (e->rx_irq_shared && q->qid))
		return -EOPNOTSUPP;
	return e->rx_irq_shared ? 0 : (int)VEC_RX(q->qid);
}

static uint32_t rx_cause(const struct fl_rxq *q)
{
	return fl_e1000_of(q->port)->rx_irq_shared ? ICR_RXT0 : ICR_RXQ(q->qid);
}

int fl_e1000_rxq_intr_fd(struct fl_rxq *q)
{
	int vec = rx_vector(q);

	return vec < 0 ? vec : fl_dev_irq_fd(q->port->dev, (unsigned)vec);
}

int fl_e1000_rxq_intr_enable(struct fl_rxq *q)
{
	struct fl_e1000 *e = fl_e1000_of(q->port);
	int vec = rx_vector(q);

	if (vec < 0)
		return vec;
	/* packets that were polled already left their cause behind: it must not wake anybody */
	fl_e1000_wr(e, E1000_ICR, rx_cause(q));
	fl_e1000_wr(e, E1000_IMS, rx_cause(q));
	return 0;
}

int fl_e1000_rxq_intr_disable(struct fl_rxq *q)
{
	struct fl_e1000 *e = fl_e1000_of(q->port);
	int vec = rx_vector(q);

	if (vec < 0)
		return vec;
	fl_e1000_wr(e, E1000_IMC, rx_cause(q));
	fl_e1000_wr(e, E1000_ICR, rx_cause(q));
	fl_dev_irq_ack(q->port->dev, (unsigned)vec);
	return 0;
}
