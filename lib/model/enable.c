/* SPDX-License-Identifier: BSD-3-Clause */
/* The URI scheme "model:": a model of one's own for each device, in one engine of the context. */
#include "model_internal.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct enable {
	struct fl_log log;
	struct fl_engine_opts opts;
	struct fl_engine *engine; /* made for the first device */
};

static int scheme_open(struct fl_ctx *ctx, const char *rest, void *arg, struct fl_vfio_dev **out)
{
	struct enable *en = arg;
	int sv[2], r;

	if (!en->engine) {
		r = fl_engine_create(&en->opts, &en->engine);
		if (r)
			return r;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return -errno;
	/* it goes when the device is closed: the far end of the pair hangs up then */
	r = fl_engine_add_spec(en->engine, rest, NULL, sv[0], FL_ADD_AUTO_REMOVE, NULL);
	if (r) {
		close(sv[1]);
		return r;
	}
	return fl_vfio_user_open(fl_ctx_space(ctx), NULL, sv[1], fl_ctx_polls(ctx), fl_ctx_log(ctx),
				 out);
}

static void scheme_done(void *arg)
{
	struct enable *en = arg;

	if (en->engine)
		fl_engine_destroy(en->engine);
	free(en);
}

int fl_model_enable(struct fl_ctx *ctx, const struct fl_engine_opts *opts)
{
	struct enable *en = calloc(1, sizeof(*en));
	struct fl_scheme s = {
		.name = "model", .open = scheme_open, .done = scheme_done, .arg = en
	};
	int r;

	if (!en)
		return -ENOMEM;
	en->opts = opts ? *opts : (struct fl_engine_opts){ .cpu = -1 };
	en->log = *(en->opts.log ? en->opts.log : fl_ctx_log(ctx));
	en->opts.log = &en->log;
	r = fl_ctx_add_scheme(ctx, &s);
	if (r)
		free(en);
	return r;
}
