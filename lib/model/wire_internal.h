/* SPDX-License-Identifier: BSD-3-Clause */
/* The kinds of wire and what they share. */
#ifndef WIRE_INTERNAL_H
#define WIRE_INTERNAL_H

#include "model_internal.h"

#define FL_WIRE_NAME  32u
#define FL_WIRE_BATCH 32u
#define FL_WIRE_MIN   60u    /* an Ethernet frame without its FCS */
#define FL_WIRE_MAX   16384u /* more than any port takes */

struct fl_wire;

struct fl_wire_ops {
	bool patient; /* what it gives can wait until the port listens */
	/** As fl_wire_send(), with n > 0. */
	unsigned (*send)(struct fl_wire *w, const struct fl_frame *f, unsigned n, bool hold);
	/** As fl_wire_poll(); NULL: nothing ever waits. */
	unsigned (*poll)(struct fl_wire *w, uint64_t now_ns, unsigned budget);
	uint64_t (*next)(const struct fl_wire *w);    /* may be NULL */
	void (*set_link)(struct fl_wire *w, bool up); /* may be NULL */
	void (*close)(struct fl_wire *w);	      /* may be NULL */
};

struct fl_wire {
	const struct fl_wire_ops *ops;
	struct fl_wire_port port;
	struct fl_wire *peer;
	bool link;    /* this port's transmitter is on */
	bool carrier; /* something is at the other end */
	bool deaf;    /* the port's receiver is off */
	bool drained; /* fd had nothing more at the last look */
	int fd;	      /* readable when a frame waits; -1 = none */
	const struct fl_log *log;
	struct fl_engine *engine;
	struct fl_wire *next;
	char name[FL_WIRE_NAME]; /* of a port-to-port wire */
	void *priv;
	uint64_t dropped; /* sent without hold and without room, or not to be carried */
};

/** Set up what is theirs in a wire whose common part is ready. */
int fl_wire_tap_open(struct fl_wire *w, const char *ifname);
int fl_wire_pcap_open(struct fl_wire *w, struct fl_args *args);
int fl_wire_gen_open(struct fl_wire *w, struct fl_args *args);

/** Frames of own memory that wait for a port; what it does not take stays. */
struct fl_wire_queue {
	struct fl_frame f[FL_WIRE_BATCH];
	unsigned head, n;
};
/** Offers at most `budget`; returns how many were taken. */
static inline unsigned fl_wire_offer(struct fl_wire *w, struct fl_wire_queue *q, unsigned budget)
{
	unsigned n = q->n < budget ? q->n : budget;

	n = n ? w->port.receive(w->port.arg, &q->f[q->head], n) : 0;
	q->head += n;
	q->n -= n;
	if (!q->n)
		q->head = 0;
	return n;
}

static inline void fl_frame_set(struct fl_frame *f, const uint8_t *p, uint32_t len)
{
	f->seg[0].p = p;
	f->seg[0].len = f->len = len;
	f->nsegs = 1;
}

/** A frame in one piece: itself, or gathered into buf (FL_WIRE_MAX bytes); NULL if longer. */
const uint8_t *fl_frame_flat(const struct fl_frame *f, uint8_t *buf);

/** When the k-th thing of a steady rate is due, and how many are. */
struct fl_wire_rate {
	uint64_t pps; /* 0 = as fast as they are taken */
	uint64_t start, sent;
};
unsigned fl_wire_due(struct fl_wire_rate *r, uint64_t now, unsigned most);
uint64_t fl_wire_due_at(const struct fl_wire_rate *r);

#endif
