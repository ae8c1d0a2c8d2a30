/* SPDX-License-Identifier: BSD-3-Clause */
/* The prompt: libedit on a terminal, plain lines otherwise. Both sleep in tp_wait(). */
#include "cmd.h"

#include <errno.h>
#include <histedit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROMPT	  "testpmd> "
#define MAX_LINE  1024
#define MAX_WORDS 32u

/* ---- completion ----------------------------------------------------------------------- */

struct choice {
	char text[128];
};

/** Adds the alternatives of one pattern word that begin with what was typed. */
static unsigned add_choices(const char *tok, size_t len, const char *typed, struct choice *out,
			    unsigned n, unsigned max)
{
	size_t at = 0;

	while (at <= len && n < max) {
		const char *bar = *tok == '<' ? NULL : memchr(tok + at, '|', len - at);
		size_t l = bar ? (size_t)(bar - tok) - at : len - at;
		bool known = false;

		snprintf(out[n].text, sizeof(out[n].text), "%.*s", (int)l, tok + at);
		for (unsigned i = 0; i < n; i++)
			known |= !strcmp(out[i].text, out[n].text);
		if (!known && (*tok == '<' ? !*typed : !strncmp(out[n].text, typed, strlen(typed))))
			n++;
		at += l + 1;
	}
	return n;
}

/** What may follow the complete words, of all commands that they fit. */
static unsigned choices(const struct tp *tp, char **words, int nwords, const char *typed,
			struct choice *out, unsigned max)
{
	unsigned n = 0;

	for (const struct tp_cmd *c = tp_cmds; c->pattern; c++) {
		const char *p = c->pattern;
		struct tp_arg a;
		char why[128];
		size_t len;
		int i = 0;

		while ((len = tp_cmd_token(&p)) && i < nwords &&
		       tp_cmd_fits(tp, p, len, words[i], &a, why)) {
			p += len;
			i++;
		}
		if (len && i == nwords)
			n = add_choices(p, len, typed, out, n, max);
	}
	return n;
}

static unsigned char insert(EditLine *el, const struct choice *c, unsigned n, const char *typed)
{
	size_t have = strlen(typed), common;
	char add[130];

	if (!n || c[0].text[0] == '<')
		return CC_ERROR;
	common = strlen(c[0].text);
	for (unsigned i = 1; i < n; i++)
		while (common > have && strncmp(c[0].text, c[i].text, common))
			common--;
	snprintf(add, sizeof(add), "%.*s%s", (int)(common - have), c[0].text + have,
		 n == 1 ? " " : "");
	if (!*add)
		return CC_ERROR;
	return el_insertstr(el, add) ? CC_ERROR : CC_REFRESH;
}

static unsigned char complete(EditLine *el, int ch)
{
	const LineInfo *li = el_line(el);
	struct choice found[64];
	char line[MAX_LINE];
	char *words[TP_MAX_WORDS];
	const char *typed = "";
	size_t len = (size_t)(li->cursor - li->buffer);
	unsigned n;
	struct tp *tp;
	int nwords;

	if (len >= sizeof(line) || el_get(el, EL_CLIENTDATA, &tp))
		return CC_ERROR;
	memcpy(line, li->buffer, len);
	line[len] = 0;
	nwords = tp_cmd_split(line, words);
	if (nwords < 0)
		return CC_ERROR;
	if (nwords && len && li->buffer[len - 1] != ' ' && li->buffer[len - 1] != '\t')
		typed = words[--nwords];
	n = choices(tp, words, nwords, typed, found, FL_ARRAY_SIZE(found) - 1);
	if (insert(el, found, n, typed) == CC_REFRESH)
		return CC_REFRESH;
	printf("\n");
	for (unsigned i = 0; i < n; i++)
		printf("  %s", found[i].text);
	printf("\n");
	fflush(stdout);
	return CC_REDISPLAY;
}

/* ---- reading -------------------------------------------------------------------------- */

static const char *prompt(EditLine *el)
{
	return PROMPT;
}

static int get_char(EditLine *el, wchar_t *c)
{
	unsigned char byte;
	struct tp *tp;

	if (el_get(el, EL_CLIENTDATA, &tp) || tp_wait(tp, STDIN_FILENO, -1) != TP_FD ||
	    read(STDIN_FILENO, &byte, 1) != 1)
		return 0;
	*c = byte;
	return 1;
}

static int terminal_loop(struct tp *tp)
{
	EditLine *el = el_init("fl-testpmd", stdin, stdout, stderr);
	History *hist = history_init();
	HistEvent ev;
	const char *line;
	int n;

	if (!el || !hist)
		return -ENOMEM;
	history(hist, &ev, H_SETSIZE, 500);
	el_set(el, EL_CLIENTDATA, tp);
	el_set(el, EL_PROMPT, prompt);
	el_set(el, EL_EDITOR, "emacs");
	el_set(el, EL_HIST, history, hist);
	el_set(el, EL_GETCFN, get_char);
	el_set(el, EL_ADDFN, "tp-complete", "complete a command", complete);
	el_set(el, EL_BIND, "\t", "tp-complete", NULL);
	while (!tp->quit && (line = el_gets(el, &n)) && n > 0) {
		if (line[strspn(line, " \t\r\n")])
			history(hist, &ev, H_ENTER, line);
		tp_cmd_run(tp, line);
	}
	history_end(hist);
	el_end(el);
	return 0;
}

/** A script on standard input: each line is echoed behind the prompt, so that its output reads
 * well. */
static int pipe_loop(struct tp *tp)
{
	char line[MAX_LINE];
	size_t have = 0;
	int ret = 0;

	while (!tp->quit && tp_wait(tp, STDIN_FILENO, -1) == TP_FD) {
		ssize_t n = read(STDIN_FILENO, line + have, sizeof(line) - 1 - have);
		char *nl;

		if (n <= 0 && have && have < sizeof(line) - 1) {
			line[have] = '\n'; /* the last line may lack its end */
			n = 1;
		}
		if (n <= 0)
			break;
		have += (size_t)n;
		line[have] = 0;
		while (!tp->quit && (nl = strchr(line, '\n'))) {
			*nl = 0;
			printf(PROMPT "%s\n", line);
			if (tp_cmd_run(tp, line))
				ret = -EINVAL;
			have -= (size_t)(nl + 1 - line);
			memmove(line, nl + 1, have + 1);
		}
		if (have == sizeof(line) - 1) {
			fprintf(stderr, "Bad command: longer than %d bytes\n", MAX_LINE - 1);
			return -E2BIG;
		}
	}
	return ret;
}

int tp_cmd_loop(struct tp *tp)
{
	return isatty(STDIN_FILENO) ? terminal_loop(tp) : pipe_loop(tp);
}
