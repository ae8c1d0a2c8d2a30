/* SPDX-License-Identifier: BSD-3-Clause */
/* --telemetry, the same in every program that runs for a while. */
#ifndef APPS_TELEMETRY_H
#define APPS_TELEMETRY_H

#include <argp.h>
#include <fl_telemetry.h>

/** What argp gets as the input of the child parser; zeroed = off. */
struct app_telemetry {
	bool on;
	const char *path; /* NULL = by the process's number */
	struct fl_telemetry *t;
};

/** For argp.children, as app_residency_argp. */
extern const struct argp app_telemetry_argp;

/** Serves ctx, where the command line says so; starts with the first. -errno after a message. */
int app_telemetry_add(struct app_telemetry *a, const char *program, struct fl_ctx *ctx);
/** Before ctx is destroyed; serving goes on. */
void app_telemetry_remove(struct app_telemetry *a, struct fl_ctx *ctx);
void app_telemetry_stop(struct app_telemetry *a);

#endif
