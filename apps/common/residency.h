/* SPDX-License-Identifier: BSD-3-Clause */
/* --residency and --memlock-budget, the same in every program that maps data for devices. */
#ifndef APPS_RESIDENCY_H
#define APPS_RESIDENCY_H

#include <argp.h>
#include <fl_residency.h>

/** As the command line says; what argp gets as the input of the child parser. */
struct app_residency {
	enum fl_residency how; /* of data areas: the residency of their fl_dma_opts */
	uint64_t budget;       /* bytes, 0 = the library's choice */
};

#define APP_RESIDENCY_DEFAULT ((struct app_residency){ .how = FL_AUTO })

/**
 * For argp.children: { &app_residency_argp, 0, NULL, 0 }; at ARGP_KEY_INIT the parent sets
 * state->child_inputs[] to a struct app_residency.
 */
extern const struct argp app_residency_argp;

/** "pinned", "lazy" or "auto"; -EINVAL. */
int app_parse_residency(const char *text, enum fl_residency *out);
const char *app_residency_name(enum fl_residency r);
/** A number with an optional k, M or G (of 1024): 1 or more; -EINVAL. */
int app_parse_bytes(const char *text, uint64_t *out);

/** Gives a space the budget, before its areas are mapped. -errno after a message. */
static inline int app_residency_apply(const struct app_residency *r, struct fl_dma_space *s)
{
	const struct fl_residency_opts o = { .budget = r->budget };

	return r->budget ? fl_dma_residency_set(s, &o) : 0;
}

#endif
