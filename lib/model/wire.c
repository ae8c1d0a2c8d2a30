/* SPDX-License-Identifier: BSD-3-Clause */
/* What all wires share, and the two that need nothing else: loop and none. */
#include "wire_internal.h"

#include <stdlib.h>

const uint8_t *fl_frame_flat(const struct fl_frame *f, uint8_t *buf)
{
	if (f->len > FL_WIRE_MAX)
		return NULL;
	if (f->nsegs == 1)
		return f->seg[0].p;
	memcpy(buf, f->seg[0].p, f->seg[0].len);
	memcpy(buf + f->seg[0].len, f->seg[1].p, f->seg[1].len);
	return buf;
}

/* A far end that was not looked at for long does not get a burst of all it missed. */
#define RATE_BACKLOG 256u

unsigned fl_wire_due(struct fl_wire_rate *r, uint64_t now, unsigned most)
{
	uint64_t due;

	if (!r->pps)
		return most;
	if (!r->start)
		r->start = now;
	due = (uint64_t)((unsigned __int128)(now - r->start) * r->pps / 1000000000u) + 1;
	if (due <= r->sent)
		return 0;
	if (due - r->sent > RATE_BACKLOG) {
		r->start = now;
		r->sent = 0;
		due = 1;
	}
	return due - r->sent < most ? (unsigned)(due - r->sent) : most;
}

uint64_t fl_wire_due_at(const struct fl_wire_rate *r)
{
	if (!r->pps || !r->start)
		return 0;
	return r->start +
	       (uint64_t)(((unsigned __int128)r->sent * 1000000000u + r->pps - 1) / r->pps);
}

/* ---- loop and none -------------------------------------------------------------------- */

static unsigned loop_send(struct fl_wire *w, const struct fl_frame *f, unsigned n, bool hold)
{
	unsigned taken = w->port.receive(w->port.arg, f, n);

	if (hold)
		return taken;
	w->dropped += n - taken;
	return n;
}

static unsigned none_send(struct fl_wire *w, const struct fl_frame *f, unsigned n, bool hold)
{
	w->dropped += n;
	return n;
}

static const struct fl_wire_ops loop_ops = { .send = loop_send };
static const struct fl_wire_ops none_ops = { .send = none_send };

/* ---- a name: port to port ------------------------------------------------------------- */

static unsigned port_send(struct fl_wire *w, const struct fl_frame *f, unsigned n, bool hold)
{
	struct fl_wire *p = w->peer;
	unsigned taken;

	if (fl_unlikely(!p || !p->link)) {
		w->dropped += n;
		return n;
	}
	taken = p->port.receive(p->port.arg, f, n);
	if (hold)
		return taken;
	w->dropped += n - taken;
	return n;
}

static void set_carrier(struct fl_wire *w, bool up)
{
	if (w->carrier == up)
		return;
	w->carrier = up;
	if (w->port.carrier)
		w->port.carrier(w->port.arg, up);
}

static void port_set_link(struct fl_wire *w, bool up)
{
	if (w->peer)
		set_carrier(w->peer, up);
}

static void port_close(struct fl_wire *w)
{
	if (!w->peer)
		return;
	w->peer->peer = NULL;
	set_carrier(w->peer, false);
}

static const struct fl_wire_ops port_ops = { .send = port_send,
					     .set_link = port_set_link,
					     .close = port_close };

static int port_open(struct fl_wire *w, const char *name)
{
	struct fl_wire *p;

	w->ops = &port_ops;
	if (!*name || strlen(name) >= sizeof(w->name)) {
		fl_err(w->log, "wire", "a wire's name has 1 to %zu characters",
		       sizeof(w->name) - 1);
		return -EINVAL;
	}
	if (strchr(name, ':')) {
		fl_err(w->log, "wire", "wire=%s: only tap: has a ':'; fl-model --help lists wires",
		       name);
		return -EINVAL;
	}
	for (p = *fl_engine_wires(w->engine); p; p = p->next) {
		if (!strcmp(p->name, name))
			break;
	}
	if (p && p->peer) {
		fl_err(w->log, "wire",
		       "wire '%s' has two ends already; give this port another name", name);
		return -EBUSY;
	}
	memcpy(w->name, name, strlen(name));
	if (!p)
		return 0;
	w->peer = p;
	p->peer = w;
	w->carrier = p->link;
	set_carrier(p, true);
	return 0;
}

/* ---- open and close ------------------------------------------------------------------- */

static int open_kind(struct fl_wire *w, struct fl_args *args)
{
	const char *kind = fl_args_get(args, "wire");

	w->carrier = true;
	if (!kind || !strcmp(kind, "none")) {
		w->carrier = false;
		w->ops = &none_ops;
		return 0;
	}
	if (!strcmp(kind, "loop")) {
		w->ops = &loop_ops;
		return 0;
	}
	if (!strncmp(kind, "tap:", 4))
		return fl_wire_tap_open(w, kind + 4);
	if (!strcmp(kind, "pcap"))
		return fl_wire_pcap_open(w, args);
	if (!strcmp(kind, "gen"))
		return fl_wire_gen_open(w, args);
	w->carrier = false;
	return port_open(w, kind);
}

int fl_wire_open(struct fl_model *m, struct fl_args *args, const struct fl_wire_port *port,
		 struct fl_wire **out)
{
	struct fl_wire *w = calloc(1, sizeof(*w)), **pp;
	int r;

	if (!w)
		return -ENOMEM;
	w->port = *port;
	w->link = true;
	w->fd = -1;
	w->log = m->log;
	w->engine = m->engine;
	r = open_kind(w, args);
	if (r) {
		free(w);
		return r;
	}
	for (pp = fl_engine_wires(w->engine); *pp; pp = &(*pp)->next)
		;
	*pp = w;
	*out = w;
	return 0;
}

void fl_wire_close(struct fl_wire *w)
{
	struct fl_wire **pp;

	if (!w)
		return;
	for (pp = fl_engine_wires(w->engine); *pp != w; pp = &(*pp)->next)
		;
	*pp = w->next;
	if (w->ops->close)
		w->ops->close(w);
	if (w->dropped)
		fl_info(w->log, "wire", "%llu sent frames had no room at the far end",
			(unsigned long long)w->dropped);
	free(w);
}

unsigned fl_wire_send(struct fl_wire *w, const struct fl_frame *f, unsigned n, bool hold)
{
	return n ? w->ops->send(w, f, n, hold) : 0;
}

static bool gives(const struct fl_wire *w)
{
	return w->link && !(w->ops->patient && w->deaf);
}

unsigned fl_wire_poll(struct fl_wire *w, uint64_t now_ns, unsigned budget)
{
	return w->ops->poll && gives(w) ? w->ops->poll(w, now_ns, budget) : 0;
}

uint64_t fl_wire_next(const struct fl_wire *w)
{
	return w->ops->next && gives(w) ? w->ops->next(w) : UINT64_MAX;
}

void fl_wire_set_listening(struct fl_wire *w, bool on)
{
	w->deaf = !on;
}

bool fl_wire_carrier(const struct fl_wire *w)
{
	return w->carrier;
}

void fl_wire_set_link(struct fl_wire *w, bool up)
{
	if (w->link == up)
		return;
	w->link = up;
	if (w->ops->set_link)
		w->ops->set_link(w, up);
}
