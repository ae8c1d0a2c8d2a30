/* SPDX-License-Identifier: BSD-3-Clause */
/* Matching a line against the command table, and running it. */
#include "cmd.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 8u
#define MAX_LINE  1024

int tp_cmd_split(char *line, char **words)
{
	int n = 0;
	char *word, *save;

	line[strcspn(line, "#\r\n")] = 0;
	for (word = strtok_r(line, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
		if (n == TP_MAX_WORDS)
			return -E2BIG;
		words[n++] = word;
	}
	return n;
}

size_t tp_cmd_token(const char **p)
{
	*p += strspn(*p, " ");
	return strcspn(*p, " ");
}

/** Position of a word among "a|b|c", -1 = none of them. */
static int alternative(const char *tok, size_t len, const char *word)
{
	size_t wlen = strlen(word), at = 0;

	for (int i = 0; at <= len; i++) {
		const char *bar = memchr(tok + at, '|', len - at);
		size_t n = bar ? (size_t)(bar - tok) - at : len - at;

		if (n == wlen && !memcmp(tok + at, word, n))
			return i;
		at += n + 1;
	}
	return -1;
}

static bool fits_number(const char *tok, size_t len, const char *word, struct tp_arg *a,
			char why[128])
{
	unsigned long long min = 0, max = UINT64_MAX;
	const char *colon = memchr(tok, ':', len);
	char *end;

	if (colon)
		sscanf(colon, ":%llu-%llu", &min, &max);
	errno = 0;
	a->num = strtoull(word, &end, 0);
	if (!isdigit((unsigned char)*word) || *end || errno) {
		snprintf(why, 128, "'%.32s' is not a number", word);
		return false;
	}
	if (a->num < min || a->num > max) {
		snprintf(why, 128,
			 max == UINT64_MAX ? "%.32s is less than %llu"
					   : "%.32s is not within %llu..%llu",
			 word, min, max);
		return false;
	}
	return true;
}

static bool fits_port(const struct tp *tp, const char *word, bool all, struct tp_arg *a,
		      char why[128])
{
	char *end;

	if (all && !strcmp(word, "all")) {
		tp_for_each_port(tp, i)
			a->ports |= 1ull << i;
		return true;
	}
	a->num = strtoull(word, &end, 10);
	if (!isdigit((unsigned char)*word) || *end || a->num >= TP_MAX_PORTS ||
	    !tp->ports[a->num].port) {
		snprintf(why, 128, "'%.32s' is no port in use", word);
		return false;
	}
	a->ports = 1ull << a->num;
	return true;
}

static bool is(const char *tok, size_t len, const char *name)
{
	return len == strlen(name) && !memcmp(tok, name, len);
}

bool tp_cmd_fits(const struct tp *tp, const char *tok, size_t len, const char *word,
		 struct tp_arg *a, char why[128])
{
	*a = (struct tp_arg){ .str = word };
	if (*tok != '<') {
		int i = alternative(tok, len, word);

		a->num = (uint64_t)i;
		return i >= 0;
	}
	if (is(tok, len, "<port>") || is(tok, len, "<ports>"))
		return fits_port(tp, word, is(tok, len, "<ports>"), a, why);
	if (is(tok, len, "<mac>")) {
		if (!tp_parse_mac(word, &a->mac))
			return true;
		snprintf(why, 128, "'%.32s' is no Ethernet address", word);
		return false;
	}
	if (is(tok, len, "<file>") || is(tok, len, "<uri>") || is(tok, len, "<list>") ||
	    is(tok, len, "<name>") || is(tok, len, "<hex>"))
		return true;
	return fits_number(tok, len, word, a, why);
}

/** Words of the line that a command takes; all of them and `whole` where it fits. */
static int match(const struct tp *tp, const struct tp_cmd *cmd, char **words, int n,
		 struct tp_arg *args, bool *whole, char why[128])
{
	const char *p = cmd->pattern;
	int i = 0, nargs = 0;
	size_t len;

	*whole = false;
	for (; (len = tp_cmd_token(&p)); p += len, i++) {
		bool plain = *p != '<' && !memchr(p, '|', len);
		struct tp_arg a;

		if (i == n || !tp_cmd_fits(tp, p, len, words[i], &a, why))
			return i;
		if (!plain)
			args[nargs++] = a;
	}
	*whole = i == n;
	return i;
}

/** The commands that came nearest are the usage that we show. */
static void complain(const struct tp *tp, char **words, int n)
{
	struct tp_arg args[TP_MAX_WORDS];
	int best = 0;
	bool whole;
	char why[128] = "", best_why[128] = "";

	for (const struct tp_cmd *c = tp_cmds; c->pattern; c++) {
		int d;

		why[0] = 0;
		d = match(tp, c, words, n, args, &whole, why);
		if (d > best || (d == best && !best_why[0]))
			memcpy(best_why, why, sizeof(why));
		best = d > best ? d : best;
	}
	fflush(stdout);
	if (!best) {
		fprintf(stderr, "Bad command: no '%s'; `help` lists all\n", words[0]);
		return;
	}
	fprintf(stderr, "Bad arguments%s%s; usage:\n", best_why[0] ? ": " : "", best_why);
	for (const struct tp_cmd *c = tp_cmds; c->pattern; c++)
		if (match(tp, c, words, n, args, &whole, why) == best)
			fprintf(stderr, "  %-48s %s\n", c->pattern, c->help);
}

static int run_cmd(struct tp *tp, const struct tp_cmd *cmd, const struct tp_arg *args)
{
	int ret, resume = 0;

	if ((cmd->flags & CMD_STOPPED) && tp->forwarding) {
		fprintf(stderr, "Forwarding is on: `stop` first\n");
		return -EBUSY;
	}
	if (cmd->flags & CMD_PAUSE)
		tp_fwd_pause(tp);
	ret = cmd->run(tp, args);
	if (cmd->flags & CMD_PAUSE)
		resume = tp_fwd_resume(tp);
	return ret ? ret : resume;
}

int tp_cmd_run(struct tp *tp, const char *line)
{
	char copy[MAX_LINE], why[128] = "";
	char *words[TP_MAX_WORDS];
	struct tp_arg args[TP_MAX_WORDS];
	bool whole;
	int n;

	if (snprintf(copy, sizeof(copy), "%s", line) >= (int)sizeof(copy)) {
		fprintf(stderr, "Bad command: longer than %d bytes\n", MAX_LINE - 1);
		return -E2BIG;
	}
	n = tp_cmd_split(copy, words);
	if (n <= 0)
		return n;
	for (const struct tp_cmd *c = tp_cmds; c->pattern; c++) {
		match(tp, c, words, n, args, &whole, why);
		if (whole) {
			int ret = run_cmd(tp, c, args);

			fflush(stdout);
			return ret;
		}
	}
	complain(tp, words, n);
	return -EINVAL;
}

/** Every line is run; an error of any is the file's. */
int tp_cmd_file(struct tp *tp, const char *path)
{
	char line[MAX_LINE];
	int ret = 0;
	FILE *f;

	if (tp->script_depth == MAX_DEPTH) {
		fprintf(stderr, "%s: files load each other more than %u deep\n", path, MAX_DEPTH);
		return -ELOOP;
	}
	f = fopen(path, "re");
	if (!f) {
		ret = -errno;
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return ret;
	}
	tp->script_depth++;
	for (unsigned n = 1; !tp->quit && fgets(line, sizeof(line), f); n++) {
		int err = tp_cmd_run(tp, line);

		if (err) {
			fprintf(stderr, "%s:%u: %s", path, n, line);
			ret = err;
		}
		tp_wait(tp, -1, 0);
	}
	tp->script_depth--;
	fclose(f);
	return ret;
}

int tp_each(struct tp *tp, const struct tp_arg *ports, const char *what,
	    int (*fn)(struct tp *tp, unsigned id, const struct tp_arg *a), const struct tp_arg *a)
{
	int first = 0;

	tp_for_each_port(tp, i) {
		int ret = ports->ports & 1ull << i ? fn(tp, i, a) : 0;

		if (ret)
			fprintf(stderr, "Port %u: %s: %s\n", i, what, strerror(-ret));
		first = first ? first : ret;
	}
	return first;
}

int tp_fail(const char *what, int err)
{
	if (err)
		fprintf(stderr, "%s: %s\n", what, strerror(-err));
	return err;
}
