/* SPDX-License-Identifier: BSD-3-Clause */
#include "residency.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
	[FL_PINNED] = "pinned", [FL_LAZY] = "lazy", [FL_AUTO] = "auto"
};

int app_parse_residency(const char *text, enum fl_residency *out)
{
	for (unsigned i = 0; i < FL_ARRAY_SIZE(names); i++) {
		if (!strcmp(text, names[i])) {
			*out = (enum fl_residency)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *app_residency_name(enum fl_residency r)
{
	return (unsigned)r < FL_ARRAY_SIZE(names) ? names[r] : "?";
}

int app_parse_bytes(const char *text, uint64_t *out)
{
	static const char units[] = "kMG";
	unsigned long long n;
	const char *unit;
	unsigned shift = 0;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || !isdigit((unsigned char)*text))
		return -EINVAL;
	if (*end) {
		unit = strchr(units, *end == 'K' ? 'k' : *end);
		if (!unit || end[1])
			return -EINVAL;
		shift = 10 * (unsigned)(unit - units + 1);
	}
	if (!n || n > UINT64_MAX >> shift)
		return -EINVAL;
	*out = n << shift;
	return 0;
}

/* so that short options stay the programs' own */
enum { KEY_RESIDENCY = 0x2000, KEY_BUDGET };

static const struct argp_option options[] = {
	{ "residency", KEY_RESIDENCY, "pinned|lazy|auto", 0,
	  "packet or data memory: mapped for devices from the start, or as it is used; auto = lazy "
	  "where the devices allow it" },
	{ "memlock-budget", KEY_BUDGET, "BYTES[k|M|G]", 0,
	  "lazy memory that may stay mapped beside what is in flight (half of what ulimit -l "
	  "leaves)" },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct app_residency *r = state->input;

	switch (key) {
	case KEY_RESIDENCY:
		if (app_parse_residency(arg, &r->how))
			argp_error(state, "--residency=%s: want pinned, lazy or auto", arg);
		return 0;
	case KEY_BUDGET:
		if (app_parse_bytes(arg, &r->budget))
			argp_error(state,
				   "--memlock-budget=%s: want bytes, or a number with k, M or G",
				   arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp app_residency_argp = { .options = options, .parser = parse };
