/* SPDX-License-Identifier: BSD-3-Clause */
/* The digest or MAC of a file: one op, whose parts follow each other. */
#include "crypt.h"

#include <errno.h>
#include <stdio.h>

static int print(struct cr *c, const struct fl_op *op)
{
	char line[2 * FL_DIGEST_MAX + 1];
	unsigned n = fl_session_conf(c->session)->digest_len;

	for (unsigned i = 0; i < n; i++)
		snprintf(line + 2 * i, 3, "%02x", op->digest[i]);
	/* as sha256sum and its kin write it */
	if (dprintf(c->out, "%s  %s\n", line, c->conf.in ? c->conf.in : "-") < 0)
		return -errno;
	return 0;
}

int cr_digest(struct cr *c)
{
	const struct fl_crypto_cap *cap = fl_cryptodev_cap(c->dev, c->conf.algo);
	struct cr_slot *s = &c->slots[0];
	bool first = true, last = false;
	int ret = 0;

	for (; !ret && !last; first = false) {
		ret = cr_read(c, s, &last);
		if (!ret && !last && !cap->stream) {
			fprintf(stderr, "%s: %s takes no more than %u bytes here\n", c->conf.uri,
				c->conf.info->name, c->chunk);
			ret = -EFBIG;
		}
		s->op->stage = first  ? last ? FL_OP_WHOLE : FL_OP_FIRST
			       : last ? FL_OP_LAST
				      : FL_OP_MIDDLE;
		if (!ret)
			ret = cr_start(c, s);
		if (!ret)
			ret = cr_wait(c, s);
	}
	return ret ? ret : print(c, s->op);
}
