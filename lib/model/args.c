/* SPDX-License-Identifier: BSD-3-Clause */
#include "model_internal.h"

#include <ctype.h>
#include <stdlib.h>

static int add(struct fl_args *a, char *item)
{
	char *val = strchr(item, '=');

	if (val)
		*val++ = '\0';
	if (!*item) {
		fl_err(a->log, "model", "argument without a name; write key=value,key=value");
		return -EINVAL;
	}
	for (unsigned i = 0; i < a->n; i++) {
		if (!strcmp(a->kv[i].key, item)) {
			fl_err(a->log, "model", "argument '%s' is given twice", item);
			return -EINVAL;
		}
	}
	if (a->n == FL_MODEL_MAX_ARGS) {
		fl_err(a->log, "model", "more than %u arguments", FL_MODEL_MAX_ARGS);
		return -EINVAL;
	}
	a->kv[a->n].key = item;
	a->kv[a->n++].val = val ? val : "";
	return 0;
}

int fl_args_parse(const struct fl_log *log, const char *text, struct fl_args *a)
{
	char *p, *item;
	int r;

	*a = (struct fl_args){ .log = log };
	if (!text || !*text)
		return 0;
	p = a->text = strdup(text);
	if (!a->text)
		return -ENOMEM;
	while ((item = strsep(&p, ","))) {
		r = add(a, item);
		if (r) {
			fl_args_free(a);
			return r;
		}
	}
	return 0;
}

void fl_args_free(struct fl_args *a)
{
	free(a->text);
	a->text = NULL;
	a->n = 0;
}

int fl_args_check_used(const struct fl_args *a)
{
	for (unsigned i = 0; i < a->n; i++) {
		if (!a->kv[i].used) {
			fl_err(a->log, "model", "unknown argument '%s'; fl-model --help lists them",
			       a->kv[i].key);
			return -EINVAL;
		}
	}
	return 0;
}

const char *fl_args_get(struct fl_args *a, const char *key)
{
	for (unsigned i = 0; i < a->n; i++) {
		if (!strcmp(a->kv[i].key, key)) {
			a->kv[i].used = true;
			return a->kv[i].val;
		}
	}
	return NULL;
}

int fl_parse_u64(const char *s, uint64_t *out)
{
	uint64_t v, unit = 1;
	char *end;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	v = strtoull(s, &end, 0);
	if (errno)
		return -EINVAL;
	switch (*end) {
	case 'k':
		unit = 1000;
		break;
	case 'M':
		unit = 1000000;
		break;
	case 'G':
		unit = 1000000000;
		break;
	}
	if (unit != 1)
		end++;
	if (*end || __builtin_mul_overflow(v, unit, out))
		return -EINVAL;
	return 0;
}

int fl_args_u64(struct fl_args *a, const char *key, uint64_t def, uint64_t *out)
{
	const char *s = fl_args_get(a, key);

	*out = def;
	if (!s || !fl_parse_u64(s, out))
		return 0;
	fl_err(a->log, "model", "%s=%s is not a number (a suffix k, M or G may follow)", key, s);
	return -EINVAL;
}

int fl_args_bool(struct fl_args *a, const char *key, bool def, bool *out)
{
	static const char *const on[] = { "on", "yes", "1", "true", "" };
	static const char *const off[] = { "off", "no", "0", "false" };
	const char *s = fl_args_get(a, key);

	*out = def;
	if (!s)
		return 0;
	for (unsigned i = 0; i < FL_ARRAY_SIZE(on); i++) {
		if (!strcasecmp(s, on[i])) {
			*out = true;
			return 0;
		}
	}
	for (unsigned i = 0; i < FL_ARRAY_SIZE(off); i++) {
		if (!strcasecmp(s, off[i])) {
			*out = false;
			return 0;
		}
	}
	fl_err(a->log, "model", "%s=%s is neither on nor off", key, s);
	return -EINVAL;
}
