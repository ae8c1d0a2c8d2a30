/* SPDX-License-Identifier: BSD-3-Clause */
#include "devinfo.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct args {
	struct fl_vfio_roots roots;
	bool json, md, all;
	const char *words[3];
	unsigned nwords;
};

enum { KEY_MD = 0x1000, KEY_SYSFS, KEY_DEVFS };

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "print JSON" },
	{ "md", KEY_MD, NULL, 0, "features: print Markdown" },
	{ "all", 'a', NULL, 0, "list every PCI device" },
	{ "sysfs", KEY_SYSFS, "DIR", 0, "look there instead of /sys" },
	{ "devfs", KEY_DEVFS, "DIR", 0, "look there instead of /dev" },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct args *a = state->input;

	switch (key) {
	case 'j':
		a->json = true;
		return 0;
	case KEY_MD:
		a->md = true;
		return 0;
	case 'a':
		a->all = true;
		return 0;
	case KEY_SYSFS:
		a->roots.sys = arg;
		return 0;
	case KEY_DEVFS:
		a->roots.dev = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (a->nwords == FL_ARRAY_SIZE(a->words))
			argp_usage(state);
		a->words[a->nwords++] = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void di_print_json(struct json_object *o)
{
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
								 JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

void di_json_text(struct json_object *o, const char *key, const char *v)
{
	json_object_object_add(o, key, v ? json_object_new_string(v) : NULL);
}

void di_json_int(struct json_object *o, const char *key, int64_t v)
{
	json_object_object_add(o, key, json_object_new_int64(v));
}

void di_json_bool(struct json_object *o, const char *key, bool v)
{
	json_object_object_add(o, key, json_object_new_boolean(v));
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse,
		"[list | models | doctor | features URI | residency PID | telemetry PID [REQUEST]]",
		"Lists PCI devices that could be driven, what holds them, and what would free them.\v"
		"doctor    checks this machine and says how to mend what is missing\n"
		"features  opens a device and prints what it can do, e.g. features model:hisi_sec\n"
		"models    lists the device models that are built in\n"
		"residency what of its memory a running program has mapped for devices, by its number "
		"or its socket's path; it must have been started with --telemetry\n"
		"telemetry asks such a program anything, e.g. telemetry 1234 /ports/stats; / lists "
		"what there is to ask (doc/telemetry.md)"
	};
	struct args a = { .roots = { "/sys", "/dev" } };
	const char *cmd;
	int ret = -1;

	argp_program_version = "fl-devinfo " FL_VERSION;
	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, &a))
		return EXIT_FAILURE;
	cmd = a.nwords ? a.words[0] : "list";
	if (!strcmp(cmd, "features") && a.nwords == 2)
		ret = di_features(a.words[1], a.md, a.json);
	else if (!strcmp(cmd, "features"))
		fprintf(stderr, "fl-devinfo: features wants a URI, e.g. model:e1000e\n");
	else if (!strcmp(cmd, "residency") && a.nwords == 2)
		ret = di_residency(a.words[1], a.json);
	else if (!strcmp(cmd, "telemetry") && a.nwords > 1)
		ret = di_telemetry(a.words[1], a.nwords > 2 ? a.words[2] : "/");
	else if (!strcmp(cmd, "residency") || !strcmp(cmd, "telemetry"))
		fprintf(stderr, "fl-devinfo: %s wants the number of a process\n", cmd);
	else if (a.nwords > 1)
		fprintf(stderr, "fl-devinfo: %s takes no argument\n", cmd);
	else if (!strcmp(cmd, "list"))
		ret = di_list(&a.roots, a.all, a.json);
	else if (!strcmp(cmd, "doctor"))
		ret = di_doctor(&a.roots, a.json);
	else if (!strcmp(cmd, "models"))
		ret = di_models(a.json);
	else
		fprintf(stderr, "fl-devinfo: what is '%s'? (--help)\n", cmd);
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}
