/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of commands, and how a line is taken apart and answered. */
#include "telemetry_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct command {
	const char *name, *args, *help;
	/** one of: asked of each context in its thread; answered here, of each space; here */
	fl_tele_fn *there;
	int (*space)(struct fl_dma_space *s, unsigned number, const struct fl_tele_req *q,
		     struct fl_json *j);
	const char *(*here)(struct fl_telemetry *t, const struct fl_tele_req *q, struct fl_json *j);
};

static const char *cmd_list(struct fl_telemetry *t, const struct fl_tele_req *q, struct fl_json *j);
static const char *cmd_help(struct fl_telemetry *t, const struct fl_tele_req *q, struct fl_json *j);
static const char *cmd_info(struct fl_telemetry *t, const struct fl_tele_req *q, struct fl_json *j);
static const char *cmd_residency(struct fl_telemetry *t, const struct fl_tele_req *q,
				 struct fl_json *j);

static int space_item(struct fl_dma_space *s, unsigned number, const struct fl_tele_req *q,
		      struct fl_json *j)
{
	fl_tele_space(s, number, j);
	return 0;
}

static const struct command commands[] = {
	{ "/", "", "names of the commands", .here = cmd_list },
	{ "/help", "[COMMAND]", "what each command says", .here = cmd_help },
	{ "/info", "", "the process: program, version, memory", .here = cmd_info },
	{ "/devices", "[N]", "open devices", .there = fl_tele_devices },
	{ "/ports", "[N]", "network ports: chip, address, link, queues", .there = fl_tele_ports },
	{ "/ports/stats", "[N]", "counters of ports", .there = fl_tele_port_stats },
	{ "/ports/xstats", "[N]", "the driver's own counters by name",
	  .there = fl_tele_port_xstats },
	{ "/ports/info", "[N]", "limits, offloads and features of ports",
	  .there = fl_tele_port_info },
	{ "/queues", "[PORT]", "receive and transmit queues, with their counters",
	  .there = fl_tele_queues },
	{ "/pools", "", "packet pools that receive queues take from", .there = fl_tele_pools },
	{ "/cryptodevs", "[N]", "crypto devices", .there = fl_tele_cryptodevs },
	{ "/cryptodevs/stats", "[N]", "counters of their queue pairs",
	  .there = fl_tele_cryptodev_stats },
	{ "/cryptodevs/info", "[N]", "limits, features and algorithms of crypto devices",
	  .there = fl_tele_cryptodev_info },
	{ "/spaces", "[N]", "DMA spaces, one a context: bytes, domains, IOVA windows",
	  .space = space_item },
	{ "/areas", "[SPACE[,FIRST[,COUNT]]]", "areas of DMA spaces (1000 from the first on)",
	  .space = fl_tele_areas },
	{ "/residency", "[SPACE]", "what of lazy memory is mapped, and the counters of it",
	  .here = cmd_residency },
};

/* ---- answered here ----------------------------------------------------------------------- */

static const char *cmd_list(struct fl_telemetry *t, const struct fl_tele_req *q, struct fl_json *j)
{
	fl_json_open(j, q->name, '[');
	for (size_t i = 0; i < FL_ARRAY_SIZE(commands); i++)
		fl_json_text(j, NULL, commands[i].name);
	fl_json_close(j, ']');
	return NULL;
}

static const char *cmd_help(struct fl_telemetry *t, const struct fl_tele_req *q, struct fl_json *j)
{
	bool found = false;

	for (size_t i = 0; i < FL_ARRAY_SIZE(commands); i++)
		found |= !q->nargs || !strcmp(q->arg[0], commands[i].name);
	if (!found)
		return "no such command: / lists them";
	fl_json_open(j, q->name, '{');
	for (size_t i = 0; i < FL_ARRAY_SIZE(commands); i++) {
		const struct command *c = &commands[i];

		if (q->nargs && strcmp(q->arg[0], c->name))
			continue;
		fl_json_open(j, c->name, '{');
		fl_json_text(j, "parameters", c->args);
		fl_json_text(j, "says", c->help);
		fl_json_close(j, '}');
	}
	fl_json_close(j, '}');
	return NULL;
}

static const char *cmd_info(struct fl_telemetry *t, const struct fl_tele_req *q, struct fl_json *j)
{
	unsigned n = 0;

	while (fl_tele_ctx_at(t, n))
		n++;
	fl_json_open(j, q->name, '{');
	fl_json_u64(j, "pid", (uint64_t)getpid());
	fl_json_text(j, "program", t->name);
	fl_json_text(j, "version", "faultline " FL_VERSION);
	fl_json_u64(j, "serving_ms", (fl_now_ns() - t->begun_ns) / 1000000);
	fl_json_u64(j, "contexts", n);
	fl_json_u64(j, "max_request_bytes", FL_TELE_LINE_MAX - 1);
	fl_json_u64(j, "max_answer_bytes", FL_TELE_ANSWER_MAX);
	fl_tele_process(j, "process");
	fl_json_close(j, '}');
	return NULL;
}

static const char *cmd_residency(struct fl_telemetry *t, const struct fl_tele_req *q,
				 struct fl_json *j)
{
	struct fl_tele_ctx *c;
	bool found = !q->nargs;
	int err = 0;

	fl_json_open(j, q->name, '{');
	fl_json_u64(j, "pid", (uint64_t)getpid());
	fl_json_text(j, "program", t->name);
	fl_tele_process(j, "process");
	fl_json_open(j, "spaces", '[');
	for (unsigned i = 0; !err && (c = fl_tele_ctx_at(t, i)); i++) {
		if (q->nargs && q->num[0] != i)
			continue;
		found = true;
		err = fl_tele_residency(fl_ctx_space(c->ctx), i, j);
	}
	fl_json_close(j, ']');
	fl_json_close(j, '}');
	return err ? strerror(-err) : found ? NULL : "there is no such space";
}

/* ---- asked of contexts ------------------------------------------------------------------- */

bool fl_tele_wants(struct fl_tele_req *q, unsigned *number)
{
	*number = q->seen++;
	if (q->nargs && q->num[0] != *number)
		return false;
	q->found = true;
	return true;
}

static const char *each_context(struct fl_telemetry *t, const struct command *cmd,
				struct fl_tele_req *q, struct fl_json *j)
{
	struct fl_tele_ctx *c;
	int err = 0;

	fl_json_open(j, q->name, '[');
	for (; !err && (c = fl_tele_ctx_at(t, q->ctx)); q->ctx++) {
		unsigned number;

		if (cmd->there)
			err = fl_tele_call(t, c, cmd->there, q, j);
		else if (fl_tele_wants(q, &number))
			err = cmd->space(fl_ctx_space(c->ctx), number, q, j);
	}
	fl_json_close(j, ']');
	if (err == -ETIMEDOUT)
		return "the program does not answer now: its thread for control does not get to "
		       "fl_ctx_dispatch()";
	if (err == -ENODEV)
		return "a context was closed meanwhile: ask again";
	return err ? strerror(-err) : q->nargs && !q->found ? "there is no such number" : NULL;
}

/* ---- a line ------------------------------------------------------------------------------ */

/** In place; NULL, or what is wrong. */
static const char *split(char *line, struct fl_tele_req *q)
{
	size_t len = strcspn(line, "\r");
	char *arg;

	line[len] = 0;
	while (len && line[len - 1] == ' ')
		line[--len] = 0;
	q->name = strsep(&line, ",");
	while ((arg = strsep(&line, ","))) {
		char *end;

		if (q->nargs == FL_TELE_ARGS)
			return "too many parameters";
		errno = 0;
		q->arg[q->nargs] = arg;
		q->num[q->nargs] = strtoull(arg, &end, 10);
		q->is_num[q->nargs++] = *arg >= '0' && *arg <= '9' && !*end && !errno;
	}
	return NULL;
}

static unsigned args_max(const struct command *c)
{
	unsigned n = *c->args != 0;

	for (const char *p = c->args; *p; p++)
		n += *p == ',';
	return n;
}

static const char *run(struct fl_telemetry *t, struct fl_tele_req *q, struct fl_json *j)
{
	const struct command *c = NULL;

	for (size_t i = 0; i < FL_ARRAY_SIZE(commands); i++)
		if (!strcmp(q->name, commands[i].name))
			c = &commands[i];
	if (!c)
		return *q->name ? "no such command: / lists them"
				: "a request is one line of at most 1023 bytes; / lists them";
	if (q->nargs > args_max(c))
		return "too many parameters: /help says which";
	for (unsigned i = 0; i < q->nargs && c->here != cmd_help; i++)
		if (!q->is_num[i])
			return "a parameter is not a number";
	return c->here ? c->here(t, q, j) : each_context(t, c, q, j);
}

char *fl_tele_answer(struct fl_telemetry *t, char *line, size_t *len)
{
	struct fl_json j = { .max = FL_TELE_ANSWER_MAX };
	struct fl_tele_req q = { 0 };
	const char *wrong = split(line, &q);

	fl_json_open(&j, NULL, '{');
	if (!wrong) {
		pthread_mutex_lock(&t->lock);
		wrong = run(t, &q, &j);
		pthread_mutex_unlock(&t->lock);
	}
	fl_json_end(&j);
	if (!wrong && j.err == -E2BIG)
		wrong = "the answer is too long: ask for less (/help)";
	if (wrong) {
		j.len = 0;
		j.err = 0;
		j.comma = false;
		fl_json_open(&j, NULL, '{');
		fl_json_text(&j, q.name, NULL);
		fl_json_text(&j, "error", wrong);
		fl_json_end(&j);
	}
	if (j.err) {
		free(j.buf);
		return NULL;
	}
	*len = j.len;
	return j.buf;
}
