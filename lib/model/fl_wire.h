/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wires: where the cable of a modelled port ends. Run in the engine's thread.
 *
 *   wire=NAME                    the other port with that name (two ports of one engine)
 *   wire=loop                    what is sent comes back
 *   wire=tap:IFNAME              a tap interface of the host (made if absent and allowed)
 *   wire=pcap,rx=FILE,tx=FILE    rx: file in (loop=N times, 0 = for ever; rate=PPS or orig),
 *                                tx: file out
 *   wire=gen                     generator (size=64 or 64-1518 or imix, flows=N, rate=PPS,
 *                                count=N), swallows what is sent
 *   wire=none                    no cable: link down
 *
 * A port that has said nothing by fl_wire_set_link() counts as up: its transmitter is on.
 */
#ifndef FL_WIRE_H
#define FL_WIRE_H

#include <fl_model.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fl_wire;

/** A frame without FCS, in pieces that stay the giver's; valid during the call. */
struct fl_frame {
	struct {
		const uint8_t *p;
		uint32_t len;
	} seg[2];
	unsigned nsegs; /* 1 or 2: a device that gathers more first makes one piece of them */
	uint32_t len;
};

/** The port's side of a wire. */
struct fl_wire_port {
	/**
	 * Frames arrive. Returns the prefix taken or dropped-and-counted; what is not taken (no
	 * room, and the port would have it held back) is offered again by a later fl_wire_poll().
	 */
	unsigned (*receive)(void *arg, const struct fl_frame *f, unsigned n);
	/** carrier came or went */
	void (*carrier)(void *arg, bool up);
	void *arg;
};

/** Makes the end named by args (keys wire, rx, tx, loop, rate, size, flows, count). */
FL_API FL_MUST int fl_wire_open(struct fl_model *m, struct fl_args *args,
				const struct fl_wire_port *port, struct fl_wire **out);
FL_API void fl_wire_close(struct fl_wire *w);

/**
 * Sends frames; returns the prefix that the far end took. `hold`: the far end may hold the sender
 * back (flow control is on); otherwise frames without room are dropped there and all are taken.
 */
FL_API unsigned fl_wire_send(struct fl_wire *w, const struct fl_frame *f, unsigned n, bool hold);
/** Delivers what waits for the port (at most `budget` frames); returns how many. */
FL_API unsigned fl_wire_poll(struct fl_wire *w, uint64_t now_ns, unsigned budget);
/** Time of the next frame, UINT64_MAX = unknown. */
FL_API uint64_t fl_wire_next(const struct fl_wire *w);
FL_API bool fl_wire_carrier(const struct fl_wire *w);
/** The port has its link up or down: the far end's carrier follows. */
FL_API void fl_wire_set_link(struct fl_wire *w, bool up);
/**
 * The port's receiver is on or off (on at first). A capture file or generator waits until it is on,
 * so that none of it is lost on a port that is still being set up.
 */
FL_API void fl_wire_set_listening(struct fl_wire *w, bool on);

#ifdef __cplusplus
}
#endif
#endif
