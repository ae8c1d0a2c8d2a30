/* SPDX-License-Identifier: BSD-3-Clause */
/* Data in segments, piece by piece. */
#include "soft_data.h"

/* OpenSSL counts in int */
#define PIECE_MAX (1u << 30)

void fl_cursor_read(struct soft_cursor *c, uint8_t *to, uint32_t n)
{
	while (n) {
		uint32_t run;
		const uint8_t *from = fl_cursor_at(c, &run);

		run = fl_soft_min(run, n);
		memcpy(to, from, run);
		c->off += run;
		to += run;
		n -= run;
	}
}

void fl_cursor_write(struct soft_cursor *c, const uint8_t *from, uint32_t n)
{
	while (n) {
		uint32_t run;
		uint8_t *to = fl_cursor_at(c, &run);

		run = fl_soft_min(run, n);
		memcpy(to, from, run);
		c->off += run;
		from += run;
		n -= run;
	}
}

bool fl_cursor_feed(struct soft_cursor *c, uint32_t len,
		    bool (*fn)(void *arg, const uint8_t *in, uint32_t n), void *arg)
{
	while (len) {
		uint32_t run;
		const uint8_t *in = fl_cursor_at(c, &run);

		run = fl_soft_min(run, fl_soft_min(len, PIECE_MAX));
		if (!fn(arg, in, run))
			return false;
		c->off += run;
		len -= run;
	}
	return true;
}

bool fl_span_walk(struct soft_span *sp, uint32_t len, uint32_t unit,
		  bool (*fn)(void *arg, const uint8_t *in, uint8_t *out, uint32_t n), void *arg)
{
	uint8_t bounce[SOFT_UNIT_MAX];

	while (len) {
		uint32_t nin, nout, n;
		const uint8_t *in = fl_cursor_at(&sp->src, &nin);
		uint8_t *out = fl_cursor_at(&sp->dst, &nout);

		n = fl_soft_min(fl_soft_min(nin, nout), fl_soft_min(len, PIECE_MAX));
		n -= n % unit;
		if (n) {
			if (!fn(arg, in, out, n))
				return false;
			sp->src.off += n;
			sp->dst.off += n;
		} else {
			n = unit;
			fl_cursor_read(&sp->src, bounce, n);
			if (!fn(arg, bounce, bounce, n))
				return false;
			fl_cursor_write(&sp->dst, bounce, n);
		}
		len -= n;
	}
	return true;
}
