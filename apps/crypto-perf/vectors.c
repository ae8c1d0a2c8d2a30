/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * --test-file: sections [name] of lines "key = 0x01, 0x02, ..." that may go on in the next line;
 * lines before the first section hold for all; # begins a comment.
 */
#include "perf.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	const char *path;
	unsigned line;
	struct cp_vectors *out;
	struct cp_vector global, *v; /* v NULL: before the first section */
	struct cp_bytes *field;	     /* that takes the bytes of this line */
};

static int refuse(const struct reader *r, const char *what, const char *name)
{
	fprintf(stderr, "%s:%u: %s%s%s\n", r->path, r->line, what, name ? " " : "",
		name ? name : "");
	return -EINVAL;
}

static struct cp_bytes *field(struct cp_vector *v, const char *name)
{
	const struct {
		const char *name;
		struct cp_bytes *b;
	} fields[] = { { "plaintext", &v->plaintext },
		       { "ciphertext", &v->ciphertext },
		       { "cipher_key", &v->key },
		       { "aead_key", &v->key },
		       { "auth_key", &v->auth_key },
		       { "cipher_iv", &v->iv },
		       { "auth_iv", &v->iv },
		       { "aead_iv", &v->iv },
		       { "iv", &v->iv },
		       { "aad", &v->aad },
		       { "aead_aad", &v->aad },
		       { "digest", &v->digest } };

	for (size_t i = 0; i < FL_ARRAY_SIZE(fields); i++)
		if (!strcmp(name, fields[i].name))
			return fields[i].b;
	return NULL;
}

static int copy_bytes(struct cp_bytes *to, const struct cp_bytes *from)
{
	*to = (struct cp_bytes){ .len = from->len, .set = from->set };
	if (!from->len)
		return 0;
	to->p = malloc(from->len);
	if (!to->p)
		return -ENOMEM;
	memcpy(to->p, from->p, from->len);
	return 0;
}

static struct cp_bytes *nth_field(struct cp_vector *v, unsigned i)
{
	struct cp_bytes *all[] = { &v->plaintext, &v->ciphertext, &v->key,   &v->auth_key,
				   &v->iv,	  &v->aad,	  &v->digest };

	return i < FL_ARRAY_SIZE(all) ? all[i] : NULL;
}

static void free_vector(struct cp_vector *v)
{
	struct cp_bytes *b;

	for (unsigned i = 0; (b = nth_field(v, i)); i++)
		free(b->p);
	free(v->name);
}

static int new_section(struct reader *r, const char *name)
{
	struct cp_vector *v = realloc(r->out->v, (r->out->n + 1) * sizeof(*v));
	struct cp_bytes *b;
	int ret = 0;

	if (!v)
		return -ENOMEM;
	r->out->v = v;
	r->v = &v[r->out->n++];
	*r->v = (struct cp_vector){ .name = strdup(name) };
	for (unsigned i = 0; !ret && (b = nth_field(r->v, i)); i++)
		ret = copy_bytes(b, nth_field(&r->global, i));
	r->field = NULL;
	return r->v->name ? ret : -ENOMEM;
}

static int take_bytes(struct reader *r, char *text)
{
	char *word;

	while ((word = strsep(&text, ", \t"))) {
		unsigned long v;
		uint8_t *p;
		char *end;

		if (!*word)
			continue;
		v = strtoul(word, &end, 16);
		if (*end || v > 255 || *word == '-')
			return refuse(r, "no byte is written", word);
		if (r->field->len == CP_MAX_SIZE)
			return refuse(r, "too long", NULL);
		p = realloc(r->field->p, r->field->len + 1u);
		if (!p)
			return -ENOMEM;
		r->field->p = p;
		p[r->field->len++] = (uint8_t)v;
	}
	return 0;
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

static int take_line(struct reader *r, char *line)
{
	char *eq, *name;

	line[strcspn(line, "#")] = 0;
	line = trim(line);
	if (!*line)
		return 0;
	if (*line == '[') {
		line[strcspn(line, "]")] = 0;
		return new_section(r, line + 1);
	}
	eq = strchr(line, '=');
	if (!eq && !r->field)
		return refuse(r, "bytes of what? want KEY = 0x.., ... before them:", line);
	if (!eq)
		return take_bytes(r, line);
	*eq = 0;
	name = trim(line);
	r->field = field(r->v ? r->v : &r->global, name);
	if (!r->field) /* lengths and status words: the bytes themselves say it */
		return strstr(name, "len") || !strcmp(name, "status")
			       ? 0
			       : refuse(r, "no field is called", name);
	free(r->field->p);
	*r->field = (struct cp_bytes){ .set = true };
	return take_bytes(r, trim(eq + 1));
}

static int read_all(struct reader *r, FILE *f)
{
	char *line = NULL;
	size_t cap = 0;
	int ret = 0;

	while (!ret && getline(&line, &cap, f) >= 0) {
		r->line++;
		ret = take_line(r, line);
	}
	free(line);
	if (!ret && !r->out->n && nth_field(&r->global, 0)->set)
		ret = new_section(r, r->path);
	return ret;
}

/** Only the section of that name, where one is given. */
static int keep(struct cp_vectors *v, const char *path, const char *name)
{
	unsigned n = 0;

	for (unsigned i = 0; i < v->n; i++) {
		if (!name || !strcmp(v->v[i].name, name))
			v->v[n++] = v->v[i];
		else
			free_vector(&v->v[i]);
	}
	v->n = n;
	if (n)
		return 0;
	fprintf(stderr, "%s: no vector%s%s\n", path, name ? " is called " : "", name ? name : "");
	return -ENOENT;
}

int cp_vectors_load(struct cp_vectors *v, const char *path, const char *name)
{
	struct reader r = { .path = path, .out = v };
	FILE *f = fopen(path, "re");
	int ret;

	if (!f) {
		ret = -errno;
		fprintf(stderr, "Cannot read %s: %s\n", path, strerror(errno));
		return ret;
	}
	ret = read_all(&r, f);
	fclose(f);
	free_vector(&r.global);
	return ret ? ret : keep(v, path, name);
}

void cp_vectors_free(struct cp_vectors *v)
{
	for (unsigned i = 0; i < v->n; i++)
		free_vector(&v->v[i]);
	free(v->v);
	*v = (struct cp_vectors){ 0 };
}

int cp_vector_check(const struct cp_vector *v, const struct cp_job *j)
{
	const char *missing = NULL;

	if (!v->plaintext.set)
		missing = "plaintext";
	else if (j->cipher && !v->ciphertext.set)
		missing = "ciphertext";
	else if (j->tag && !v->digest.set)
		missing = "digest";
	else if (j->cipher && !v->key.set)
		missing = j->type == CP_AEAD ? "aead_key" : "cipher_key";
	else if (j->conf.auth && fl_algo_info(j->conf.auth)->kind == FL_KIND_MAC &&
		 !v->auth_key.set)
		missing = "auth_key";
	if (missing) {
		fprintf(stderr, "vector %s: %s needs %s\n", v->name, j->name, missing);
		return -EINVAL;
	}
	if ((j->cipher && v->ciphertext.len != v->plaintext.len) || v->key.len > CP_MAX_KEY ||
	    v->auth_key.len > CP_MAX_KEY || v->iv.len > FL_IV_MAX ||
	    v->digest.len > FL_DIGEST_MAX) {
		fprintf(stderr,
			"vector %s: ciphertext as long as plaintext, IV up to %u bytes, "
			"digest up to %u, keys up to %u\n",
			v->name, FL_IV_MAX, FL_DIGEST_MAX, CP_MAX_KEY);
		return -EINVAL;
	}
	return 0;
}
