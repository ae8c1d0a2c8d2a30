/* SPDX-License-Identifier: BSD-3-Clause */
/* What a running process says on its telemetry socket. */
#include "devinfo.h"

#include <errno.h>
#include <fl_telemetry.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TIMEOUT_MS 5000

/** The number of a process, 0 = it is none. */
static pid_t pid_of(const char *who)
{
	char *end;
	long pid = strtol(who, &end, 10);

	return *who >= '1' && *who <= '9' && !*end && (pid_t)pid == pid ? (pid_t)pid : 0;
}

static int complain(const char *who, const char *path, int err)
{
	const char *why;

	switch (err) {
	case -ESRCH:
		why = "there is no such process";
		break;
	case -ENOENT:
		why = pid_of(who) ? "it serves no telemetry: start it with --telemetry, or call "
				    "fl_telemetry_start(); where it serves at a path of its own, "
				    "give that"
				  : "there is no such socket: start the program with "
				    "--telemetry=PATH";
		break;
	case -EACCES:
		why = "it belongs to another user: run this as that user, or as root";
		break;
	case -ECONNREFUSED:
		why = "nobody serves there any more: the process has ended or closed it";
		break;
	case -ETIMEDOUT:
		why = "no answer within 5 s: the process is stopped, or its telemetry is busy";
		break;
	case -EPROTO:
	case -ECONNRESET:
	case -EPIPE:
		why = "it closed the connection: another user's, or no telemetry socket";
		break;
	default:
		why = strerror(-err);
	}
	fprintf(stderr, "fl-devinfo: %s%s%s%s: %s\n", who, *path ? " (" : "", path,
		*path ? ")" : "", why);
	return err;
}

/** Asks, and takes the answer apart as far as its value: *whole is to be put by the caller. */
static int ask(const char *who, const char *request, struct json_object **whole,
	       struct json_object **value)
{
	char path[108] = "", name[256];
	char *answer = NULL;
	struct json_object *why;
	int err = 0;

	if (pid_of(who)) {
		err = fl_telemetry_find(pid_of(who), path, sizeof(path));
		if (err)
			*path = 0;
	} else if (strlen(who) >= sizeof(path)) {
		err = -ENAMETOOLONG;
	} else {
		memcpy(path, who, strlen(who) + 1);
	}
	if (!err)
		err = fl_telemetry_ask(path, request, TIMEOUT_MS, &answer);
	if (err)
		return complain(who, pid_of(who) ? path : "", err);
	*whole = json_tokener_parse(answer);
	free(answer);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(request, ","), request);
	if (!*whole || !json_object_object_get_ex(*whole, name, value)) {
		fprintf(stderr, "fl-devinfo: %s: that is no answer of telemetry\n", who);
		err = -EPROTO;
	} else if (json_object_object_get_ex(*whole, "error", &why)) {
		fprintf(stderr, "fl-devinfo: %s: %s: %s\n", who, request,
			json_object_get_string(why));
		err = -EINVAL;
	}
	if (err)
		json_object_put(*whole);
	return err;
}

static uint64_t num(struct json_object *o, const char *key)
{
	return json_object_get_uint64(json_object_object_get(o, key));
}

static const char *text(struct json_object *o, const char *key)
{
	const char *t = json_object_get_string(json_object_object_get(o, key));

	return t ? t : "";
}

/** "12.5 MiB"; rotates among four buffers, so that a line may have as many. */
static const char *bytes(uint64_t n)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	static char out[4][24];
	static unsigned at;
	char *to = out[at++ % 4];
	double v = (double)n;
	unsigned u = 0;

	while (v >= 1024 && u + 1 < FL_ARRAY_SIZE(units)) {
		v /= 1024;
		u++;
	}
	snprintf(to, sizeof(out[0]), u && v < 100 ? "%.1f %s" : "%.0f %s", v, units[u]);
	return to;
}

static void print_latency(struct json_object *s)
{
	struct json_object *hist = json_object_object_get(s, "latency");
	size_t n = json_object_is_type(hist, json_type_array) ? json_object_array_length(hist) : 0;
	uint64_t answers = 0;

	for (size_t i = 0; i < n; i++)
		answers += json_object_get_uint64(json_object_array_get_idx(hist, i));
	if (!answers)
		return;
	printf("  latency    %.1f us on average;",
	       (double)num(s, "latency_ns") / 1e3 / (double)answers);
	for (size_t i = 0; i < n; i++) {
		uint64_t v = json_object_get_uint64(json_object_array_get_idx(hist, i));

		if (v)
			printf(" %s%" PRIu64 " us: %" PRIu64,
			       i + 1 < n ? "<" : ">=", UINT64_C(1) << (i + (i + 1 < n)), v);
	}
	printf("\n");
}

static void print_area(struct json_object *a)
{
	printf("  %-18s %10s %10s %10s %9s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 "\n", text(a, "va"),
	       bytes(num(a, "bytes")), bytes(num(a, "mapped_bytes")), bytes(num(a, "locked_bytes")),
	       bytes(num(a, "window_bytes")), num(a, "misses"), num(a, "evictions"),
	       num(a, "faults"));
}

static void print_space(struct json_object *s)
{
	struct json_object *areas = json_object_object_get(s, "areas");
	struct json_object *budget = json_object_object_get(s, "budget_bytes");
	size_t n =
		json_object_is_type(areas, json_type_array) ? json_object_array_length(areas) : 0;

	printf("\nspace %" PRIu64 ": budget %s; lazy memory by %s\n", num(s, "space"),
	       budget ? bytes(num(s, "budget_bytes")) : "none",
	       *text(s, "by") ? text(s, "by") : "nothing yet");
	printf("  all areas  %s owned, %s mapped, %s pinned\n", bytes(num(s, "all_owned_bytes")),
	       bytes(num(s, "all_mapped_bytes")), bytes(num(s, "all_pinned_bytes")));
	printf("  lazy ones  %s owned, %s mapped, %s locked\n", bytes(num(s, "owned_bytes")),
	       bytes(num(s, "mapped_bytes")), bytes(num(s, "locked_bytes")));
	printf("  posts      %" PRIu64 " misses, %" PRIu64 " refused, %" PRIu64
	       " rewarmed; %" PRIu64 " evictions, %" PRIu64 " found busy\n",
	       num(s, "misses"), num(s, "refused"), num(s, "rewarmed"), num(s, "evictions"),
	       num(s, "evict_busy"));
	printf("  faults     %" PRIu64 " for %" PRIu64 " pages; refused: %" PRIu64
	       " outside, %" PRIu64 " permission, %" PRIu64 " no memory, %" PRIu64 " too fast\n",
	       num(s, "faults"), num(s, "fault_pages"), num(s, "invalid"), num(s, "denied"),
	       num(s, "failed"), num(s, "throttled"));
	print_latency(s);
	printf("  given back %" PRIu64 " invalidations, %" PRIu64 " discards; %" PRIu64
	       " pages brought in before use\n",
	       num(s, "invalidations"), num(s, "discards"), num(s, "prefault_pages"));
	if (!n)
		return;
	printf("\n  %-18s %10s %10s %10s %9s %9s %9s %9s\n", "lazy area at", "owned", "mapped",
	       "locked", "window", "misses", "evictions", "faults");
	for (size_t i = 0; i < n; i++)
		print_area(json_object_array_get_idx(areas, i));
}

int di_residency(const char *who, bool json)
{
	struct json_object *whole, *v, *process, *spaces;
	int err = ask(who, "/residency", &whole, &v);

	if (err)
		return err;
	if (json) {
		di_print_json(json_object_get(v));
		json_object_put(whole);
		return 0;
	}
	process = json_object_object_get(v, "process");
	printf("%s, process %" PRIu64 ": %s resident, %s locked, ulimit -l: %s\n",
	       text(v, "program"), num(v, "pid"), bytes(num(process, "rss_bytes")),
	       bytes(num(process, "locked_bytes")),
	       json_object_object_get(process, "memlock_limit")
		       ? bytes(num(process, "memlock_limit"))
		       : "unlimited");
	spaces = json_object_object_get(v, "spaces");
	for (size_t i = 0;
	     json_object_is_type(spaces, json_type_array) && i < json_object_array_length(spaces);
	     i++)
		print_space(json_object_array_get_idx(spaces, i));
	json_object_put(whole);
	return 0;
}

int di_telemetry(const char *who, const char *request)
{
	struct json_object *whole, *v;
	int err = ask(who, request, &whole, &v);

	if (!err)
		di_print_json(whole);
	return err;
}
