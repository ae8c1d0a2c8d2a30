/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Measures rings, packet pools, the e1000 and the SEC driver, Faultline's and DPDK's in turn, and
 * prints one sample a line: "sample<TAB>metric<TAB>side<TAB>ticks". run.py makes medians of them.
 */
#include <argp.h>
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "membar.h"
#include "ours.h"

#define SAMPLE_PACKETS 65536u /* objects or packets behind one sample, at least */

enum suite { RING, POOL, DRIVER, CRYPTO };

struct sides {
	const struct bench_side *at[2];
	unsigned n;
};

struct opts {
	struct bench_opts side;
	enum suite suite;
	bool ours, peer, one_core;
	unsigned runs;
	const char *only;
	int cpu, other_cpu; /* other -1: this machine has one */
};

/** A started port of one side. */
struct instance {
	const struct bench_side *side;
	void *port;
	struct membar *bar;
	const char *suffix; /* of its metrics' names */
};

void bench_note(const char *fmt, ...)
{
	va_list ap;

	printf("note\t");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

static void sample(const struct bench_side *s, const char *metric, uint64_t ticks, unsigned n)
{
	if (ticks)
		printf("sample\t%s\t%s\t%.3f\n", metric, s->name, (double)ticks / n);
	else
		bench_note("%s: %s took nothing", metric, s->name);
	fflush(stdout);
}

static bool wanted(const struct opts *o, const char *metric)
{
	return !o->only || strstr(metric, o->only);
}

/* ---- rings and pools ------------------------------------------------------------------ */

static const unsigned bursts[] = { 1, 8, 32, 64 };
enum { NBURSTS = sizeof(bursts) / sizeof(bursts[0]) };

static void run_rings(const struct sides *sides, const struct opts *o)
{
	char name[64];

	for (unsigned i = 0; i < 2 * NBURSTS; i++) {
		bool multi = i >= NBURSTS;
		unsigned b = bursts[i % NBURSTS], rounds = SAMPLE_PACKETS / b;

		snprintf(name, sizeof(name), "ring %s, burst %u", multi ? "MP/MC" : "SP/SC", b);
		if (!wanted(o, name))
			continue;
		for (unsigned k = 0; k < sides->n; k++) {
			const struct bench_side *s = sides->at[k];

			s->ring(multi, b, rounds / 16);
			sample(s, name, s->ring(multi, b, rounds), rounds * b);
		}
	}
}

static void run_pools(const struct sides *sides, const struct opts *o)
{
	static const char *const names[] = { "pool get+put", "packet alloc+free",
					     "packet alloc+free with 1024 out" };
	char name[96];

	for (unsigned i = 0; i < 3 * NBURSTS; i++) {
		enum pool_work w = i / NBURSTS;
		unsigned b = bursts[i % NBURSTS], rounds = SAMPLE_PACKETS / b;

		snprintf(name, sizeof(name), "%s, %s pages, burst %u", names[w],
			 o->side.huge ? "huge" : "small", b);
		if (!wanted(o, name))
			continue;
		for (unsigned k = 0; k < sides->n; k++) {
			const struct bench_side *s = sides->at[k];

			s->pool(w, b, rounds / 16);
			sample(s, name, s->pool(w, b, rounds), rounds * b);
		}
	}
}

/* ---- the driver alone ----------------------------------------------------------------- */

enum port_work { PORT_RX, PORT_TX, PORT_FORWARD };

/** Lets the device do its part, then times the driver's. */
static uint64_t section(const struct instance *in, enum port_work w, unsigned burst, unsigned *n)
{
	void *pkts[SECTION];
	uint64_t t;

	*n = 0;
	membar_step(in->bar, w == PORT_TX ? 0 : SECTION);
	if (w == PORT_FORWARD)
		return in->side->forward(in->port, burst, n);
	if (w == PORT_RX) {
		t = in->side->rx(in->port, pkts, burst, n);
		if (*n == SECTION)
			*n = in->side->free(pkts);
		return t;
	}
	return in->side->alloc(in->port, pkts) ? 0 : in->side->tx(in->port, pkts, burst, n);
}

/** Ticks of `count` sections; 0 when a packet was lost on the way. */
static uint64_t sections(const struct instance *in, enum port_work w, unsigned burst,
			 unsigned count)
{
	uint64_t sum = 0;
	unsigned n;

	for (unsigned i = 0; i < count; i++) {
		sum += section(in, w, burst, &n);
		if (n != SECTION) {
			bench_note("%s: %u of %u packets in a section", in->side->name, n, SECTION);
			return 0;
		}
	}
	return sum;
}

static void port_samples(const struct instance *in, unsigned n, const struct opts *o,
			 enum port_work w, unsigned burst, const char *where)
{
	static const char *const names[] = { "rx", "tx", "io-forward" };
	unsigned count = SAMPLE_PACKETS / SECTION;
	char name[96];

	for (unsigned i = 0; i < n; i++, in++) {
		snprintf(name, sizeof(name), "e1000 %s, burst %u%s%s", names[w], burst, where,
			 in->suffix);
		if (!wanted(o, name))
			continue;
		sections(in, w, burst, count / 16);
		sample(in->side, name, sections(in, w, burst, count), count * SECTION);
	}
}

static void run_ports(const struct instance *in, unsigned n, const struct opts *o)
{
	for (enum port_work w = PORT_RX; w <= PORT_FORWARD; w++)
		port_samples(in, n, o, w, 32, "");
	port_samples(in, n, o, PORT_FORWARD, 1, "");
	port_samples(in, n, o, PORT_FORWARD, 8, "");
	port_samples(in, n, o, PORT_FORWARD, 64, "");
	if (o->one_core || o->other_cpu < 0)
		return;
	for (unsigned i = 0; i < n; i++) {
		if (membar_remote(in[i].bar, o->other_cpu))
			return;
		for (enum port_work w = PORT_RX; w <= PORT_FORWARD; w++)
			port_samples(&in[i], 1, o, w, 32, ", completed by another core");
		membar_remote(in[i].bar, -1);
	}
}

static unsigned open_port(struct instance *in, const struct bench_side *s, unsigned how)
{
	static const char *const suffixes[] = { ", small pages", "", ", small pages, lazy",
						", lazy" };

	in->side = s;
	in->suffix = suffixes[how];
	in->port = s->port_open(how, &in->bar);
	return in->port != NULL;
}

/** em takes its buffers from hugepages only; ours on both kinds of page, pinned and lazy. */
static int run_driver(const struct sides *sides, const struct opts *o)
{
	struct instance in[6];
	unsigned n = 0;

	for (unsigned i = 0; i < sides->n; i++) {
		const struct bench_side *s = sides->at[i];

		for (unsigned how = 0; how < 4; how++)
			if ((o->side.huge || !(how & PORT_HUGE)) &&
			    (s != &bench_peer || how == PORT_HUGE))
				n += open_port(&in[n], s, how);
	}
	for (unsigned r = 0; r < o->runs; r++)
		run_ports(in, n, o);
	for (unsigned i = 0; i < n; i++)
		in[i].side->port_close(in[i].port, in[i].bar);
	return n ? 0 : 1;
}

/* ---- the crypto driver alone ------------------------------------------------------------ */

/* 0 where a request was lost on the way */
static bool crypto_sections(struct bench_crypto *b, unsigned burst, unsigned count, uint64_t sum[2])
{
	unsigned n[3];

	sum[0] = sum[1] = 0;
	for (unsigned i = 0; i < count; i++) {
		sum[0] += ours_crypto_enqueue(b, burst, &n[0]);
		n[1] = ours_crypto_device(b);
		sum[1] += ours_crypto_dequeue(b, burst, &n[2]);
		if (n[0] != SECTION || n[1] != SECTION || n[2] != SECTION) {
			bench_note("crypto: %u given, %u done, %u back well, of %u", n[0], n[1],
				   n[2], SECTION);
			return false;
		}
	}
	return true;
}

static void crypto_samples(struct bench_crypto *b, const struct opts *o, const char *chip,
			   unsigned burst, const char *where)
{
	static const char *const parts[] = { "op", "enqueue", "dequeue" };
	unsigned count = SAMPLE_PACKETS / SECTION;
	char names[3][96];
	uint64_t sum[2];
	bool any = false;

	for (unsigned i = 0; i < 3; i++) {
		snprintf(names[i], sizeof(names[i]), "%s %s, burst %u%s", chip, parts[i], burst,
			 where);
		any |= wanted(o, names[i]);
	}
	if (!any || !crypto_sections(b, burst, count / 16, sum) ||
	    !crypto_sections(b, burst, count, sum))
		return;
	for (unsigned i = 0; i < 3; i++)
		if (wanted(o, names[i]))
			sample(&bench_ours, names[i], i ? sum[i - 1] : sum[0] + sum[1],
			       count * SECTION);
}

static int run_crypto(const struct opts *o)
{
	static const char *const chips[] = { "SEC2 V2", "SEC2 V3" };

	for (unsigned v3 = 0; v3 < 2; v3++) {
		struct bench_crypto *b = ours_crypto_open(v3);

		for (unsigned r = 0; r < o->runs; r++)
			for (unsigned i = 0; i < NBURSTS; i++)
				crypto_samples(b, o, chips[v3], bursts[i], "");
		if (!o->one_core && o->other_cpu >= 0 && !ours_crypto_remote(b, o->other_cpu)) {
			for (unsigned r = 0; r < o->runs; r++)
				crypto_samples(b, o, chips[v3], 32, ", completed by another core");
			ours_crypto_remote(b, -1);
		}
		ours_crypto_close(b);
	}
	return 0;
}

/* ---- the program ---------------------------------------------------------------------- */

static void pick_cpus(struct opts *o)
{
	cpu_set_t set;

	o->cpu = o->other_cpu = -1;
	sched_getaffinity(0, sizeof(set), &set);
	for (int i = 0; i < CPU_SETSIZE && o->other_cpu < 0; i++) {
		if (!CPU_ISSET(i, &set))
			continue;
		if (o->cpu < 0)
			o->cpu = i;
		else
			o->other_cpu = i;
	}
	CPU_ZERO(&set);
	CPU_SET(o->cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static int parse_suite(const char *s, enum suite *out)
{
	static const char *const names[] = { "ring", "pool", "driver", "crypto" };

	for (enum suite i = RING; i <= CRYPTO; i++) {
		if (!strcmp(s, names[i])) {
			*out = i;
			return 0;
		}
	}
	return -EINVAL;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct opts *o = state->input;

	switch (key) {
	case 's':
		if (parse_suite(arg, &o->suite))
			argp_error(state, "no suite is called %s", arg);
		return 0;
	case 'H':
		o->side.huge = true;
		return 0;
	case 'd':
		o->side.huge_dir = arg;
		return 0;
	case 'P':
		o->peer = false;
		return 0;
	case 'D':
		o->ours = false;
		return 0;
	case 'r':
		o->runs = (unsigned)strtoul(arg, NULL, 10);
		return 0;
	case 'o':
		o->only = arg;
		return 0;
	case '1':
		o->one_core = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{ "suite", 's', "NAME", 0, "ring (default), pool, driver or crypto", 0 },
	{ "huge", 'H', NULL, 0, "hugepages for both sides", 0 },
	{ "huge-dir", 'd', "DIR", 0, "hugetlbfs that DPDK takes all its memory from at once", 0 },
	{ "no-peer", 'P', NULL, 0, "Faultline only", 0 },
	{ "no-ours", 'D', NULL, 0, "DPDK only", 0 },
	{ "runs", 'r', "N", 0, "samples of each metric (15)", 0 },
	{ "one-core", '1', NULL, 0, "no metrics that need another core", 0 },
	{ "only", 'o', "TEXT", 0, "metrics whose name has this in it", 0 },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct argp argp = { .options = options,
					  .parser = parse,
					  .doc = "Microbenchmarks of Faultline beside DPDK" };
	struct opts o = { .suite = RING, .ours = true, .peer = true, .runs = 15 };
	struct sides sides = { .n = 0 };

	if (argp_parse(&argp, argc, argv, 0, NULL, &o))
		return 2;
	pick_cpus(&o);
	if (o.suite == CRYPTO)
		return run_crypto(&o);
	o.side.argv0 = argv[0];
	o.side.port = o.suite == DRIVER;
	if (o.ours && !bench_ours.init(&o.side))
		sides.at[sides.n++] = &bench_ours;
	if (o.peer && !bench_peer.init(&o.side))
		sides.at[sides.n++] = &bench_peer;
	if (o.suite == DRIVER)
		return run_driver(&sides, &o);
	for (unsigned r = 0; r < o.runs; r++)
		(o.suite == RING ? run_rings : run_pools)(&sides, &o);
	return sides.n ? 0 : 1;
}
