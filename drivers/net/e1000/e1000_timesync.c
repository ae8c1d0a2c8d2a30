/* SPDX-License-Identifier: BSD-3-Clause */
/* IEEE 1588: the chip's clock, and the stamps of one received and one sent packet. */
#include "e1000_internal.h"

#define PTP_ETHERTYPE 0x88f7u
#define PTP_UDP_EVENT 319u
#define TICK_NS	      40u	 /* of the chip's 25 MHz */
#define STEP_MAX_NS   (1u << 20) /* two readings in a row are not further apart */
#define CLOCK_TRIES   50u

/* the clock counts nanoseconds: 40 with each tick */
int fl_e1000_timesync_apply(struct fl_port *p)
{
	uint32_t rx = p->timesync ? TSYNC_ENABLED | TSYNCRX_TYPE_EVENT_V2 : 0;
	uint32_t tx = p->timesync ? TSYNC_ENABLED : 0, rx_is, tx_is;
	struct fl_e1000 *e = fl_e1000_of(p);

	fl_e1000_wr(e, E1000_TIMINCA, p->timesync ? 1u << TIMINCA_PERIOD_SHIFT | TICK_NS : 0);
	fl_e1000_wr(e, E1000_RXCFGL, PTP_ETHERTYPE);
	/* as it stands in the frame, its first byte lowest */
	fl_e1000_wr(e, E1000_RXUDP, __builtin_bswap16(PTP_UDP_EVENT));
	fl_e1000_wr(e, E1000_TSYNCTXCTL, tx);
	fl_e1000_wr(e, E1000_TSYNCRXCTL, rx);
	/* stamps of before block new ones until they are read */
	(void)fl_e1000_rd(e, E1000_RXSTMPH);
	(void)fl_e1000_rd(e, E1000_TXSTMPH);
	rx_is = fl_e1000_rd(e, E1000_TSYNCRXCTL);
	tx_is = fl_e1000_rd(e, E1000_TSYNCTXCTL);
	if (fl_dev_removed(p->dev))
		return -ENODEV;
	if ((rx_is & (TSYNC_ENABLED | TSYNCRX_TYPE)) == rx && (tx_is & TSYNC_ENABLED) == tx)
		return 0;
	e1000_err(e, "%s: time stamping reads 0x%x and 0x%x, not 0x%x and 0x%x: leave it off",
		  fl_dev_uri(p->dev), rx_is, tx_is, rx, tx);
	return -EIO;
}

/* the halves are not latched together: the lower may wrap between the reads */
static uint64_t read_clock(struct fl_e1000 *e)
{
	uint32_t lo = fl_e1000_rd(e, E1000_SYSTIML), hi = fl_e1000_rd(e, E1000_SYSTIMH);
	uint32_t again = fl_e1000_rd(e, E1000_SYSTIML);

	if (again < lo)
		hi = fl_e1000_rd(e, E1000_SYSTIMH);
	return (uint64_t)hi << 32 | again;
}

/* Erratum: a reading may be off. Believed is one that lies whole ticks, and few, behind another. */
int fl_e1000_timesync_clock(struct fl_port *p, uint64_t *ns)
{
	struct fl_e1000 *e = fl_e1000_of(p);
	uint64_t last = read_clock(e), step;

	for (unsigned i = 0; i < CLOCK_TRIES; i++) {
		*ns = read_clock(e);
		step = *ns - last;
		if (step < STEP_MAX_NS && step % TICK_NS == 0)
			break;
		last = *ns;
	}
	return fl_dev_removed(p->dev) ? -ENODEV : 0;
}

static int read_stamp(struct fl_port *p, uint32_t ctl, uint32_t low, uint32_t high, uint64_t *ns)
{
	struct fl_e1000 *e = fl_e1000_of(p);
	bool valid = fl_e1000_rd(e, ctl) & TSYNC_VALID;

	if (valid) {
		*ns = fl_e1000_rd(e, low);
		/* the upper half last: it makes room for the next stamp */
		*ns |= (uint64_t)fl_e1000_rd(e, high) << 32;
	}
	return fl_dev_removed(p->dev) ? -ENODEV : valid ? 0 : -EAGAIN;
}

int fl_e1000_timesync_rx(struct fl_port *p, uint64_t *ns)
{
	return read_stamp(p, E1000_TSYNCRXCTL, E1000_RXSTMPL, E1000_RXSTMPH, ns);
}

int fl_e1000_timesync_tx(struct fl_port *p, uint64_t *ns)
{
	return read_stamp(p, E1000_TSYNCTXCTL, E1000_TXSTMPL, E1000_TXSTMPH, ns);
}
