/* SPDX-License-Identifier: BSD-3-Clause */
#include "telemetry.h"

#include <stdio.h>
#include <string.h>

enum { KEY_TELEMETRY = 0x2100 };

static const struct argp_option options[] = {
	{ "telemetry", KEY_TELEMETRY, "PATH", OPTION_ARG_OPTIONAL,
	  "serve a local socket that tells what the program has and does, for `fl-devinfo "
	  "residency PID` and others" },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct app_telemetry *a = state->input;

	if (key != KEY_TELEMETRY)
		return ARGP_ERR_UNKNOWN;
	if (arg && !*arg)
		argp_error(state, "--telemetry=: want the path of a socket, or no `=`");
	a->on = true;
	a->path = arg;
	return 0;
}

const struct argp app_telemetry_argp = { .options = options, .parser = parse };

int app_telemetry_add(struct app_telemetry *a, const char *program, struct fl_ctx *ctx)
{
	struct fl_telemetry_opts o = { .path = a->path, .name = program, .log = fl_ctx_log(ctx) };
	int err = 0;

	if (!a->on)
		return 0;
	if (!a->t) {
		err = fl_telemetry_start(&o, &a->t);
		if (!err)
			fprintf(stderr, "Telemetry: %s\n", fl_telemetry_path(a->t));
	}
	if (!err)
		err = fl_telemetry_add(a->t, ctx);
	if (err)
		fprintf(stderr, "No telemetry: %s\n", strerror(-err));
	return err;
}

void app_telemetry_remove(struct app_telemetry *a, struct fl_ctx *ctx)
{
	if (a->t)
		fl_telemetry_remove(a->t, ctx);
}

void app_telemetry_stop(struct app_telemetry *a)
{
	fl_telemetry_stop(a->t);
	a->t = NULL;
}
