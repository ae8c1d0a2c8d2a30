/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The port's clock is the device's plus an offset, so that setting it never disturbs the device. A
 * device's clock starts anew with the device: the offset is then made again, by the host's clock.
 */
#include "net_internal.h"

static void mark(struct fl_port *p, uint64_t ns)
{
	p->clock_mark = ns;
	p->host_mark = fl_now_ns();
}

void fl_net_clock_save(struct fl_port *p)
{
	uint64_t ns;

	/* of a device that is gone, what was known last has to do */
	if (p->timesync && !p->ops.timesync_clock(p, &ns))
		mark(p, ns + p->clock_off);
}

int fl_net_clock_restore(struct fl_port *p)
{
	uint64_t ns;
	int rc;

	if (!p->timesync)
		return 0;
	rc = p->ops.timesync_clock(p, &ns);
	if (!rc)
		p->clock_off = p->clock_mark + (fl_now_ns() - p->host_mark) - ns;
	return rc;
}

static int check_feature(const struct fl_port *p)
{
	struct fl_port_info info;

	fl_port_info(p, &info);
	return info.features & FL_FEAT_TIMESYNC ? 0 : -EOPNOTSUPP;
}

static int check_on(const struct fl_port *p)
{
	int rc = check_feature(p);

	if (rc || (p->timesync && p->started))
		return rc;
	fl_err(p->log, "net",
	       "%s: its clock stands: it needs fl_port_timesync() and a started port",
	       fl_net_uri(p));
	return -EINVAL;
}

int fl_port_timesync(struct fl_port *p, bool on)
{
	int rc = check_feature(p);

	if (rc || on == p->timesync)
		return rc;
	p->timesync = on;
	mark(p, 0);
	if (!p->started)
		return 0;
	rc = p->ops.timesync_apply(p);
	if (!rc)
		rc = fl_net_clock_restore(p);
	if (rc)
		p->timesync = !on;
	return rc;
}

static int stamp(struct fl_port *p, int (*read)(struct fl_port *p, uint64_t *ns), uint64_t *out)
{
	uint64_t ns;
	int rc = check_on(p);

	if (!rc)
		rc = read(p, &ns);
	if (!rc)
		*out = ns + p->clock_off;
	return rc;
}

int fl_port_timesync_rx(struct fl_port *p, uint64_t *ns)
{
	return stamp(p, p->ops.timesync_rx, ns);
}

int fl_port_timesync_tx(struct fl_port *p, uint64_t *ns)
{
	return stamp(p, p->ops.timesync_tx, ns);
}

int fl_port_time(struct fl_port *p, uint64_t *ns)
{
	return stamp(p, p->ops.timesync_clock, ns);
}

static int move_to(struct fl_port *p, uint64_t now, uint64_t to)
{
	p->clock_off += to - now;
	mark(p, to);
	return 0;
}

int fl_port_time_set(struct fl_port *p, uint64_t ns)
{
	uint64_t now;
	int rc = fl_port_time(p, &now);

	return rc ? rc : move_to(p, now, ns);
}

int fl_port_time_adjust(struct fl_port *p, int64_t delta_ns)
{
	uint64_t now;
	int rc = fl_port_time(p, &now);

	return rc ? rc : move_to(p, now, now + (uint64_t)delta_ns);
}
