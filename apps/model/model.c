/* SPDX-License-Identifier: BSD-3-Clause */
/* fl-model: serves device models on vfio-user sockets, until a signal ends it. */
#include <fl_model.h>
#include <fl_wire.h>

#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PORTS_MAX 64

enum { KEY_CPU = 0x100, KEY_SPIN };

struct config {
	struct {
		const char *path, *spec;
	} port[PORTS_MAX];
	unsigned paths, specs;
	int cpu;
	uint64_t spin_us;
	enum fl_log_level level;
};

static const struct argp_option options[] = {
	{ "socket", 's', "PATH", 0, "UNIX socket of the MODEL that follows", 0 },
	{ "cpu", KEY_CPU, "N", 0, "run the engine on this CPU", 0 },
	{ "spin", KEY_SPIN, "US", 0, "poll that long without work before sleeping (2000)", 0 },
	{ "quiet", 'q', NULL, 0, "say nothing but warnings and errors", 0 },
	{ "debug", 'd', NULL, 0, "say also which requests were refused, and why", 0 },
	{ 0 },
};

static long number(struct argp_state *state, const char *what, const char *s, long most)
{
	char *end;
	long v = strtol(s, &end, 10);

	if (!*s || *end || v < 0 || v > most)
		argp_error(state, "%s: '%s' is no number from 0 to %ld", what, s, most);
	return v;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct config *c = state->input;

	switch (key) {
	case 's':
		if (c->paths != c->specs)
			argp_error(state, "--socket %s: no MODEL for %s", arg,
				   c->port[c->paths - 1].path);
		if (c->paths == PORTS_MAX)
			argp_error(state, "more than %d models", PORTS_MAX);
		c->port[c->paths++].path = arg;
		break;
	case KEY_CPU:
		c->cpu = (int)number(state, "--cpu", arg, 4095);
		break;
	case KEY_SPIN:
		c->spin_us = (uint64_t)number(state, "--spin", arg, 1000000);
		break;
	case 'q':
		c->level = FL_LOG_WARN;
		break;
	case 'd':
		c->level = FL_LOG_DEBUG;
		break;
	case ARGP_KEY_ARG:
		if (c->specs == c->paths)
			argp_error(state, "%s: needs a --socket PATH before it", arg);
		c->port[c->specs++].spec = arg;
		break;
	case ARGP_KEY_END:
		if (!c->specs || c->specs != c->paths)
			argp_error(state, "--socket PATH and MODEL come in pairs");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const char wires[] =
	"Wires of network models:\n"
	"  wire=NAME          the other port of this process with that name\n"
	"  wire=loop          what is sent comes back\n"
	"  wire=tap:IFNAME    a tap interface of the host\n"
	"  wire=pcap          rx=FILE is played in (loop=N times, 0 = for ever;\n"
	"                     rate=PPS or rate=orig); tx=FILE takes what is sent\n"
	"  wire=gen           generator (size=64, 64-1518 or imix; flows=N; rate=PPS;\n"
	"                     count=N)\n"
	"  wire=none          no cable\n"
	"\n"
	"Two ports joined by a wire:\n"
	"  fl-model -s /tmp/a.sock e1000e,wire=x -s /tmp/b.sock e1000e,wire=x\n";

/* The help ends with the models as they are built. */
static char *help_filter(int key, const char *text, void *input)
{
	const struct fl_model_ops *o;
	char *buf = NULL;
	size_t len;
	FILE *f;

	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)(uintptr_t)text;
	f = open_memstream(&buf, &len);
	if (!f)
		return NULL;
	fprintf(f, "Models:\n");
	for (unsigned i = 0; (o = fl_model_at(i)); i++)
		fprintf(f, "%s\n%s\n", o->name, o->help ? o->help : "");
	fputs(wires, f);
	fclose(f);
	return buf;
}

static void write_log(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
	if (level <= FL_LOG_WARN)
		fprintf(stderr, "fl-model: %s: %s\n", fl_log_level_name(level), msg);
	else
		printf("%s\n", msg);
	fflush(stdout);
}

/*
 * A client that cuts its memory file short after it mapped it would end us, and with us the
 * devices of all others. The page that is gone becomes one of zeros instead.
 */
static void on_bus_error(int sig, siginfo_t *si, void *ctx)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	void *at = (void *)((uintptr_t)si->si_addr & ~(page - 1));

	if (si->si_code != BUS_ADRERR ||
	    mmap(at, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		_exit(128 + SIGBUS);
}

static int serve(const struct config *c, const sigset_t *ends)
{
	struct fl_log log = { .write = write_log, .level = c->level };
	struct fl_engine_opts o = { .log = &log, .cpu = c->cpu, .spin_ns = c->spin_us * 1000 };
	struct fl_engine *e;
	int r = fl_engine_create(&o, &e), sig = 0;

	if (r)
		return r;
	for (unsigned i = 0; i < c->specs && !r; i++) {
		struct fl_model *m;

		r = fl_engine_add(e, c->port[i].spec, c->port[i].path, -1, &m);
		if (!r && c->level >= FL_LOG_INFO)
			printf("%s on %s\n", c->port[i].spec, c->port[i].path);
	}
	fflush(stdout);
	if (!r)
		sigwait(ends, &sig);
	fl_engine_destroy(e);
	return r;
}

int main(int argc, char **argv)
{
	static const struct argp argp = { .options = options,
					  .parser = parse,
					  .args_doc = "--socket PATH MODEL[,KEY=VALUE...]...",
					  .doc = "Serves device models on vfio-user sockets.\v ",
					  .help_filter = help_filter };
	struct config c = { .cpu = -1, .level = FL_LOG_INFO };
	struct sigaction bus = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };
	sigset_t ends;

	argp_program_version = "fl-model " FL_VERSION;
	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &c))
		return 2;
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGHUP);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return serve(&c, &ends) ? 1 : 0;
}
