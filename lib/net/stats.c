/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics and dumps: straight to the driver. */
#include <string.h>

#include "net_internal.h"

int fl_port_stats(struct fl_port *p, struct fl_port_stats *out)
{
	int rc;

	memset(out, 0, sizeof(*out));
	rc = p->ops.stats(p, out);
	fl_net_watch(p);
	return rc;
}

int fl_port_stats_reset(struct fl_port *p)
{
	return p->ops.stats_reset(p);
}

int fl_rxq_stats(struct fl_rxq *q, struct fl_queue_stats *out)
{
	memset(out, 0, sizeof(*out));
	return q->port->ops.rxq_stats(q, out);
}

int fl_txq_stats(struct fl_txq *q, struct fl_queue_stats *out)
{
	memset(out, 0, sizeof(*out));
	return q->port->ops.txq_stats(q, out);
}

int fl_port_xstats(struct fl_port *p, struct fl_xstat *out, unsigned max)
{
	return p->ops.xstats(p, out, max);
}

int fl_port_xstats_reset(struct fl_port *p)
{
	return p->ops.xstats_reset(p);
}

int fl_port_led(struct fl_port *p, bool on)
{
	return p->ops.led(p, on);
}

int fl_port_eeprom(struct fl_port *p, void *buf, size_t len)
{
	return p->ops.eeprom(p, buf, len);
}

int fl_port_regs(struct fl_port *p, struct fl_reg *out, unsigned max)
{
	return p->ops.regs(p, out, max);
}

static int check_reg(const struct fl_port *p, uint32_t off)
{
	if (off % 4 == 0 && off < fl_bar_size(p->dev, 0) && fl_bar_size(p->dev, 0) - off >= 4)
		return 0;
	fl_err(p->log, "net", "%s: register 0x%x: not a multiple of 4 below 0x%llx", fl_net_uri(p),
	       off, (unsigned long long)fl_bar_size(p->dev, 0));
	return -EINVAL;
}

int fl_port_reg_read(struct fl_port *p, uint32_t off, uint32_t *v)
{
	int rc = check_reg(p, off);

	return rc ? rc : p->ops.reg_read(p, off, v);
}

int fl_port_reg_write(struct fl_port *p, uint32_t off, uint32_t v)
{
	int rc = check_reg(p, off);

	return rc ? rc : p->ops.reg_write(p, off, v);
}

int fl_port_fw_version(struct fl_port *p, char *buf, size_t len)
{
	return p->ops.fw_version(p, buf, len);
}
