/* SPDX-License-Identifier: BSD-3-Clause */
/* fl-devinfo features URI: what a crypto device can do; its Markdown is the driver page's table. */
#include "devinfo.h"

#include <stdio.h>

#define NCOLS 8u

struct cell {
	char text[40];
};

static struct cell sizes(const struct fl_sizes *s)
{
	unsigned step = s->inc ? s->inc : s->max - s->min;
	struct cell c = { "-" };
	int n = 0;

	if (!s->max)
		return c;
	if (step <= 1 && s->max > s->min + 1) {
		snprintf(c.text, sizeof(c.text), "%u..%u", s->min, s->max);
	} else if (step && (s->max - s->min) / step > 2) {
		snprintf(c.text, sizeof(c.text), "%u..%u by %u", s->min, s->max, step);
	} else {
		for (unsigned v = s->min; v <= s->max; v += step ? step : 1)
			n += snprintf(c.text + n, sizeof(c.text) - (size_t)n, n ? ", %u" : "%u", v);
	}
	return c;
}

static struct cell bytes(uint32_t n)
{
	struct cell c = { "-" };

	if (n && n % (1u << 30) == 0)
		snprintf(c.text, sizeof(c.text), "%u GiB", n >> 30);
	else if (n)
		snprintf(c.text, sizeof(c.text), "%u", n);
	return c;
}

static void row(bool md, const char *const cells[NCOLS])
{
	static const int width[NCOLS] = { 18, 12, 6, 12, 6, 17, 11, 1 };

	fputs(md ? "|" : " ", stdout);
	for (unsigned k = 0; k < NCOLS; k++)
		printf(md ? " %-*s |" : " %-*s", md ? 0 : width[k], cells[k]);
	putchar('\n');
}

static void print_caps(const struct fl_crypto_cap *c, bool md)
{
	static const char *const heads[NCOLS] = { "algorithm",	 "key",	    "IV",
						  "digest, tag", "AAD",	    "op, AAD included",
						  "of 0 bytes",	 "in parts" };

	row(md, heads);
	if (md)
		printf("| --- | --- | --- | --- | --- | --- | --- | --- |\n");
	for (; c->algo != FL_ALGO_NONE; c++) {
		struct cell key = sizes(&c->key), iv = sizes(&c->iv), digest = sizes(&c->digest);
		struct cell aad = bytes(c->aad_max), len = bytes(c->len_max);

		row(md,
		    (const char *const[NCOLS]){ fl_algo_info(c->algo)->name, key.text, iv.text,
						digest.text, aad.text, len.text,
						c->empty ? "yes" : "-", c->stream ? "yes" : "-" });
	}
}

void di_crypto_print(const struct fl_cryptodev_info *i, bool md)
{
	const char *line = md ? "| %s | %s |\n" : "  %-30s %s\n";
	char n[64];

	printf(md ? "| %s on %s | |\n| --- | --- |\n" : "%s, %s\n", i->driver, i->chip);
	snprintf(n, sizeof(n), "%u", i->qp_max);
	printf(line, "queue pairs", n);
	snprintf(n, sizeof(n), "%u..%u, a power of two", i->desc_min, i->desc_max);
	printf(line, "ops of a queue pair", n);
	snprintf(n, sizeof(n), "%u", i->segs_max);
	printf(line, "segments of one side of an op", n);
	di_print_bits(i->features, fl_crypto_feature_name, line);
	putchar('\n');
	print_caps(i->caps, md);
}

static struct json_object *sizes_json(const struct fl_sizes *s)
{
	struct json_object *o = json_object_new_object();

	di_json_int(o, "min", s->min);
	di_json_int(o, "max", s->max);
	di_json_int(o, "step", s->inc ? s->inc : s->max - s->min);
	return o;
}

void di_crypto_print_json(const struct fl_cryptodev_info *i)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	di_json_text(o, "driver", i->driver);
	di_json_text(o, "chip", i->chip);
	di_json_int(o, "queue_pairs", i->qp_max);
	di_json_int(o, "ops_min", i->desc_min);
	di_json_int(o, "ops_max", i->desc_max);
	di_json_int(o, "segments", i->segs_max);
	json_object_object_add(o, "features", di_bits_json(i->features, fl_crypto_feature_name));
	for (const struct fl_crypto_cap *c = i->caps; c->algo != FL_ALGO_NONE; c++) {
		struct json_object *a = json_object_new_object();

		di_json_text(a, "name", fl_algo_info(c->algo)->name);
		json_object_object_add(a, "key_bytes", sizes_json(&c->key));
		json_object_object_add(a, "iv_bytes", sizes_json(&c->iv));
		json_object_object_add(a, "digest_bytes", sizes_json(&c->digest));
		di_json_int(a, "aad_max", c->aad_max);
		di_json_int(a, "len_max", c->len_max);
		di_json_bool(a, "empty", c->empty);
		di_json_bool(a, "stream", c->stream);
		json_object_array_add(list, a);
	}
	json_object_object_add(o, "algorithms", list);
	di_print_json(o);
}
