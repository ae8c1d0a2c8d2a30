/* SPDX-License-Identifier: BSD-3-Clause */
#include "telemetry_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(struct fl_json *j, const char *text, size_t n)
{
	size_t cap = j->cap;
	char *more;

	if (j->err)
		return;
	if (n > j->max - j->len) {
		j->err = -E2BIG;
		return;
	}
	if (n > cap - j->len) {
		cap = cap ? cap : 1024;
		while (n > cap - j->len)
			cap *= 2;
		more = realloc(j->buf, cap);
		if (!more) {
			j->err = -ENOMEM;
			return;
		}
		j->buf = more;
		j->cap = cap;
	}
	memcpy(j->buf + j->len, text, n);
	j->len += n;
}

static void quoted(struct fl_json *j, const char *text)
{
	char esc[8];

	put(j, "\"", 1);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\') {
			esc[0] = '\\';
			esc[1] = (char)*c;
			put(j, esc, 2);
		} else if (*c < 0x20 || *c >= 0x7f) {
			put(j, esc, (size_t)snprintf(esc, sizeof(esc), "\\u%04x", *c));
		} else {
			put(j, (const char *)c, 1);
		}
	}
	put(j, "\"", 1);
}

static void begin(struct fl_json *j, const char *key)
{
	if (j->comma)
		put(j, ",", 1);
	j->comma = true;
	if (key) {
		quoted(j, key);
		put(j, ":", 1);
	}
}

void fl_json_open(struct fl_json *j, const char *key, char bracket)
{
	begin(j, key);
	put(j, &bracket, 1);
	j->comma = false;
}

void fl_json_close(struct fl_json *j, char bracket)
{
	put(j, &bracket, 1);
	j->comma = true;
}

void fl_json_u64(struct fl_json *j, const char *key, uint64_t v)
{
	char text[24];

	begin(j, key);
	put(j, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, v));
}

void fl_json_int(struct fl_json *j, const char *key, int v)
{
	char text[16];

	begin(j, key);
	put(j, text, (size_t)snprintf(text, sizeof(text), "%d", v));
}

void fl_json_hex(struct fl_json *j, const char *key, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, v);
	fl_json_text(j, key, text);
}

void fl_json_bool(struct fl_json *j, const char *key, bool v)
{
	begin(j, key);
	put(j, v ? "true" : "false", v ? 4 : 5);
}

void fl_json_text(struct fl_json *j, const char *key, const char *v)
{
	begin(j, key);
	if (v)
		quoted(j, v);
	else
		put(j, "null", 4);
}

void fl_json_end(struct fl_json *j)
{
	put(j, "}\n", 2);
}
