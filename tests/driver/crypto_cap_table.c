/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a crypto device can do as Markdown, from what its driver reports.
 *   crypto_cap_table URI                  prints it
 *   crypto_cap_table URI --check FILE     compares it with what stands in FILE between markers;
 *                                         a page may have one such block for each chip
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fl_crypto.h>
#include <fl_model.h>

#define BEGIN "<!-- capabilities: begin -->\n"
#define END   "<!-- capabilities: end -->\n"

/* "OpenSSL 3.0.17, ipsec-mb 1.3.0" as "OpenSSL, ipsec-mb": the page is true of other versions. */
static void print_chip(FILE *f, const char *chip)
{
	while (*chip) {
		size_t n = strcspn(chip, " ");

		if (!isdigit((unsigned char)*chip))
			fprintf(f, " %.*s", (int)n, chip);
		else if (chip[n - 1] == ',')
			fputc(',', f);
		chip += n;
		chip += strspn(chip, " ");
	}
}

static void print_sizes(FILE *f, const struct fl_sizes *s)
{
	unsigned step = s->inc ? s->inc : s->max - s->min;

	if (!s->max) {
		fprintf(f, " - |");
	} else if (step <= 1 && s->max > s->min + 1) {
		fprintf(f, " %u..%u |", s->min, s->max);
	} else if (step && (s->max - s->min) / step > 2) {
		fprintf(f, " %u..%u by %u |", s->min, s->max, step);
	} else {
		for (unsigned v = s->min; v <= s->max; v += step ? step : 1)
			fprintf(f, v < s->max ? " %u," : " %u |", v);
	}
}

static void print_bytes(FILE *f, uint32_t n)
{
	if (!n)
		fprintf(f, " - |");
	else if (n % (1u << 30) == 0)
		fprintf(f, " %u GiB |", n >> 30);
	else if (n % (1u << 20) == 0)
		fprintf(f, " %u MiB |", n >> 20);
	else
		fprintf(f, " %u |", n);
}

static void print_cap(FILE *f, const struct fl_crypto_cap *c)
{
	fprintf(f, "| %s |", fl_algo_info(c->algo)->name);
	print_sizes(f, &c->key);
	print_sizes(f, &c->iv);
	print_sizes(f, &c->digest);
	print_bytes(f, c->aad_max);
	print_bytes(f, c->len_max);
	fprintf(f, " %s | %s |\n", c->empty ? "yes" : "-", c->stream ? "yes" : "-");
}

static void print(FILE *f, const struct fl_cryptodev_info *i)
{
	fprintf(f, "| %s on", i->driver);
	print_chip(f, i->chip);
	fprintf(f, " | |\n| --- | --- |\n| queue pairs | %u |\n", i->qp_max);
	fprintf(f, "| ops of a queue pair | %u..%u, a power of two |\n", i->desc_min, i->desc_max);
	fprintf(f, "| segments of one side of an op | %u |\n", i->segs_max);
	for (unsigned b = 0; fl_crypto_feature_name(b); b++)
		fprintf(f, "| %s | %s |\n", fl_crypto_feature_name(b),
			i->features >> b & 1 ? "yes" : "-");
	fprintf(f, "\n| algorithm | key | IV | digest, tag | AAD | op, AAD included | of 0 bytes | "
		   "in parts |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
	for (const struct fl_crypto_cap *c = i->caps; c->algo != FL_ALGO_NONE; c++)
		print_cap(f, c);
}

/* the block of this chip, which its first line names, equals `want` */
static int check(const char *path, const char *want)
{
	static char doc[1 << 17];
	FILE *f = fopen(path, "r");
	char *begin = doc, *end;
	size_t head = (size_t)(strchr(want, '\n') - want);

	if (!f) {
		perror(path);
		return 1;
	}
	doc[fread(doc, 1, sizeof(doc) - 1, f)] = 0;
	fclose(f);
	do {
		begin = strstr(begin, BEGIN);
		if (!begin) {
			fprintf(stderr, "%s: no capabilities of this chip, which are:\n%s%s%s",
				path, BEGIN, want, END);
			return 1;
		}
		begin += strlen(BEGIN);
	} while (strncmp(begin, want, head));
	end = strstr(begin, END);
	if (end)
		*end = 0;
	if (end && !strcmp(begin, want))
		return 0;
	fprintf(stderr, "%s: the table there is not what the driver reports, which is:\n%s", path,
		want);
	return 1;
}

static char *table(const struct fl_cryptodev *d)
{
	struct fl_cryptodev_info info;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fl_cryptodev_info(d, &info);
	print(f, &info);
	if (!fclose(f))
		return text;
	free(text);
	return NULL;
}

int main(int argc, char **argv)
{
	struct fl_cryptodev *d;
	struct fl_ctx *ctx;
	char *text;
	int rc = 1;

	if (argc != 2 && (argc != 4 || strcmp(argv[2], "--check"))) {
		fprintf(stderr, "usage: %s URI [--check FILE]\n", argv[0]);
		return 2;
	}
	if (fl_ctx_create(NULL, &ctx) || fl_model_enable(ctx, NULL) ||
	    fl_cryptodev_open(ctx, argv[1], &d))
		return 1;
	text = table(d);
	fl_cryptodev_close(d);
	if (text)
		rc = argc == 2 ? fputs(text, stdout) < 0 : check(argv[3], text);
	free(text);
	return fl_ctx_destroy(ctx) ? 1 : rc;
}
