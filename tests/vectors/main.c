/* SPDX-License-Identifier: BSD-3-Clause */
/* vectors FOLDER URI...: every published case of the folder on every device. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vectors.h"

struct file {
	struct runner *r;
	const struct family *f;
	const char *name;
	struct tally *t;
};

static void one(struct record *rec, void *arg)
{
	struct file *x = arg;
	struct vec v = { .algo = x->f->algo };

	switch (x->f->make(rec, &v)) {
	case MADE:
		runner_case(x->r, &v, x->name, x->t);
		break;
	case OTHER_BITS:
		x->t->cases++;
		x->t->unsupported++;
		break;
	case NOT_A_CASE:
		break;
	}
}

/* all files of one kind; false = there is none, or none with a case in it */
static bool family(struct runner *r, const struct family *f, const char *folder, struct tally *t)
{
	struct file x = { .r = r, .f = f, .t = t };
	char pattern[4096];
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/%s", folder, f->glob);
	if (glob(pattern, 0, NULL, &g)) {
		fprintf(stderr, "%s: no such files\n", pattern);
		return false;
	}
	for (size_t i = 0; i < g.gl_pathc; i++) {
		x.name = g.gl_pathv[i] + strlen(folder) + 1;
		if (parse_file(g.gl_pathv[i], one, &x))
			t->failed++;
	}
	globfree(&g);
	return t->cases > t->unsupported;
}

static int device(char *uri, const char *folder)
{
	struct runner *r = runner_open(uri);
	struct tally all = { 0 };

	if (!r)
		return 1;
	printf("%s\n", uri);
	for (const struct family *f = families; f->glob; f++) {
		struct tally t = { 0 };
		const char *name = fl_algo_info(f->algo)->name;

		if (!runner_has(r, f->algo)) {
			printf("  %-18s not on this device\n", name);
			continue;
		}
		if (!family(r, f, folder, &t)) {
			printf("  %-18s no case that the device takes\n", name);
			t.failed++;
		}
		printf("  %-18s %6lu cases, %6lu beyond its sizes, %7lu runs, %lu failed\n", name,
		       (unsigned long)t.cases, (unsigned long)t.unsupported, (unsigned long)t.runs,
		       (unsigned long)t.failed);
		all.cases += t.cases;
		all.runs += t.runs;
		all.failed += t.failed;
	}
	printf("%s: %lu cases, %lu runs, %lu failed\n", uri, (unsigned long)all.cases,
	       (unsigned long)all.runs, (unsigned long)all.failed);
	runner_close(r);
	return all.failed || !all.runs;
}

int main(int argc, char **argv)
{
	int bad = argc < 3;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (bad)
		fprintf(stderr, "usage: vectors FOLDER URI...\n");
	for (int i = 2; i < argc; i++)
		bad |= device(argv[i], argv[1]);
	return bad;
}
