/* SPDX-License-Identifier: BSD-3-Clause */
#include "common.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>

int app_signals(int *fd)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	/* so that all threads inherit it */
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	*fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *fd < 0 ? -errno : 0;
}

int app_can_write(const char *path)
{
	FILE *f = path ? fopen(path, "ae") : NULL;

	if (!path)
		return 0;
	if (!f) {
		fprintf(stderr, "Cannot write %s: %s\n", path, strerror(errno));
		return -EIO;
	}
	fclose(f);
	return 0;
}

void app_json_u64(struct json_object *o, const char *key, uint64_t v)
{
	json_object_object_add(o, key, json_object_new_uint64(v));
}

void app_json_text(struct json_object *o, const char *key, const char *v)
{
	json_object_object_add(o, key, json_object_new_string(v));
}

struct json_object *app_json_new_double(double v)
{
	char text[32];

	snprintf(text, sizeof(text), "%.6f", v);
	return json_object_new_double_s(v, text);
}

void app_json_double(struct json_object *o, const char *key, double v)
{
	json_object_object_add(o, key, app_json_new_double(v));
}

int app_json_write(struct json_object *o, const char *path)
{
	int ret = 0;

	if (json_object_to_file_ext(path, o,
				    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE)) {
		ret = -EIO;
		fprintf(stderr, "Cannot write %s: %s\n", path, json_util_get_last_err());
	}
	json_object_put(o);
	return ret;
}
