/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CAVP response files and those made like them: "NAME = value" lines in stanzas, "[NAME = value]"
 * for all that follow. A stanza without a case is for all that follow too.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vectors.h"

#define FIELDS 32u
#define LINE   (2u * VEC_MAX + 256u)

struct field {
	char name[32];
	char *value;
};

struct fields {
	unsigned n;
	struct field f[FIELDS];
};

struct record {
	struct fields common, own;
	unsigned nused;
	void *used[FIELDS];
};

static void set(struct fields *s, const char *name, const char *value)
{
	unsigned i;

	for (i = 0; i < s->n && strcmp(s->f[i].name, name); i++)
		;
	if (i == FIELDS)
		return;
	if (i == s->n)
		s->n++;
	else
		free(s->f[i].value);
	snprintf(s->f[i].name, sizeof(s->f[i].name), "%s", name);
	s->f[i].value = strdup(value);
}

static void clear(struct fields *s)
{
	while (s->n)
		free(s->f[--s->n].value);
}

static const char *get(const struct fields *s, const char *name)
{
	for (unsigned i = 0; i < s->n; i++)
		if (!strcmp(s->f[i].name, name))
			return s->f[i].value;
	return NULL;
}

const char *record_get(const struct record *r, const char *name)
{
	const char *v = get(&r->own, name);

	return v ? v : get(&r->common, name);
}

uint32_t record_num(const struct record *r, const char *name, uint32_t def)
{
	const char *v = record_get(r, name);

	return v ? (uint32_t)strtoul(v, NULL, 10) : def;
}

static int nibble(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

struct bytes record_hex(struct record *r, const char *name)
{
	const char *v = record_get(r, name);
	struct bytes b = { 0 };

	if (!v || r->nused == FIELDS)
		return b;
	b.len = (uint32_t)strlen(v) / 2;
	b.p = malloc(b.len + 1);
	if (!b.p)
		abort();
	for (uint32_t i = 0; i < b.len; i++)
		b.p[i] = (uint8_t)(nibble(v[2 * i]) << 4 | nibble(v[2 * i + 1]));
	r->used[r->nused++] = b.p;
	return b;
}

static void end_stanza(struct record *r, void (*fn)(struct record *r, void *arg), void *arg)
{
	if (get(&r->own, "count") || get(&r->own, "md")) {
		fn(r, arg);
		while (r->nused)
			free(r->used[--r->nused]);
	} else {
		for (unsigned i = 0; i < r->own.n; i++)
			set(&r->common, r->own.f[i].name, r->own.f[i].value);
	}
	clear(&r->own);
}

static char *trim(char *s)
{
	char *end = s + strlen(s);

	while (end > s && isspace((unsigned char)end[-1]))
		*--end = 0;
	while (isspace((unsigned char)*s))
		s++;
	return s;
}

/* "Name = value", or a word that stands alone */
static void take(struct fields *to, char *line)
{
	char *eq = strchr(line, '='), *name;

	if (eq)
		*eq = 0;
	name = trim(line);
	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	set(to, name, eq ? trim(eq + 1) : "");
}

/* "[Alen = 0, Plen = 0]", "[ENCRYPT]" */
static void take_section(struct record *r, char *line)
{
	char *save, *end = strchr(line, ']');

	if (end)
		*end = 0;
	for (char *p = strtok_r(line + 1, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
		if (!strncmp(p, "ENCRYPT", 7) || !strncmp(p, "DECRYPT", 7))
			set(&r->common, "direction", p);
		else
			take(&r->common, p);
	}
}

int parse_file(const char *path, void (*fn)(struct record *r, void *arg), void *arg)
{
	struct record *r = calloc(1, sizeof(*r));
	char *line = malloc(LINE), *s;
	FILE *f = fopen(path, "re");
	int rc = f ? 0 : -errno;

	if (!r || !line)
		abort();
	while (f && fgets(line, LINE, f)) {
		s = trim(line);
		if (*s == '#')
			continue;
		if (*s == '[') {
			end_stanza(r, fn, arg);
			take_section(r, s);
		} else if (*s) {
			take(&r->own, s);
		} else {
			end_stanza(r, fn, arg);
		}
	}
	if (f) {
		end_stanza(r, fn, arg);
		fclose(f);
	} else {
		fprintf(stderr, "%s: %s\n", path, strerror(-rc));
	}
	clear(&r->common);
	free(line);
	free(r);
	return rc;
}
