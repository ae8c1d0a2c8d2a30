/* SPDX-License-Identifier: BSD-3-Clause */
/* What is printed: dpdk-test-crypto-perf's columns, ours behind them, and the comparison. */
#include "perf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MIB 1048576.0

/* ---- before --------------------------------------------------------------------------- */

static void sizes(const char *what, const struct cp_list *l)
{
	printf("# %s:", what);
	for (unsigned i = 0; i < l->n; i++)
		printf(" %u", l->v[i]);
	putchar('\n');
}

static const char *operation(const struct cp_job *j)
{
	if (j->type == CP_AUTH)
		return j->check ? "verify" : "generate";
	return j->conf.encrypt ? "encrypt" : "decrypt";
}

void cp_report_options(const struct cp *cp)
{
	const struct cp_conf *c = &cp->conf;
	const struct cp_job *j = &cp->job;

	if (c->silent || c->csv)
		return;
	printf("# test: %s\n", cp_test_names[c->test]);
	for (unsigned i = 0; i < cp->ndevs; i++)
		printf("# device: %s (%s, %s)\n", cp->devs[i].uri, cp->devs[i].info.driver,
		       cp->devs[i].info.chip);
	printf("# operation: %s, %s %s", cp_optype_names[j->type], j->name, operation(j));
	if (!cp->vectors.n)
		printf(", bytes of key %u, IV %u, digest %u, AAD %u",
		       j->cipher ? j->conf.key_len : j->conf.auth_key_len, j->conf.iv_len,
		       j->conf.digest_len, j->aad_len);
	printf("\n# %s%s", j->out_of_place ? "out of place" : "in place",
	       j->out_of_place && !c->out_of_place ? " (what is checked must stay)" : "");
	if (c->sessionless)
		printf("; sessionless: each op makes its session and is waited for");
	printf("\n# queue pairs: %u of %u ops%s\n", (unsigned)c->qps, cp->devs[0].desc,
	       c->interrupt ? ", by interrupt" : "");
	if (c->test == CP_VERIFY && cp->vectors.n)
		printf("# right is: what %s says\n", c->test_file);
	for (unsigned i = 0; c->test == CP_VERIFY && !cp->vectors.n && i < cp->ndevs; i++)
		printf("# right is: what %s says (%s)\n", cp->devs[i].ref->uri,
		       cp->devs[i].ref->info.chip);
	sizes("buffer sizes", &c->buffer_sz);
	if (c->imix.n)
		sizes("mixed, by weights", &c->imix);
	if (c->test == CP_IOPF)
		return;
	sizes(c->test == CP_LATENCY ? "ops in flight" : "burst sizes", &c->burst_sz);
	printf("# each run: %" PRIu64 " ops or %g s\n", c->total_ops, (double)c->duration_ns / 1e9);
}

static const char *const heads[][2] = {
	[CP_THROUGHPUT] = { "  Failed Enq  Failed Deq        MOps        Gbps  Cycles/Buf",
			    "Failed Enq,Failed Deq,Ops(Millions),Throughput(Gbps),Cycles/Buf" },
	[CP_LATENCY] = { "  Failed Ops      Avg us      Min us      Max us      p50 us      p99 us"
			 "    p99.9 us",
			 "Failed Ops,Avg(us),Min(us),Max(us),p50(us),p99(us),p99.9(us)" },
	[CP_VERIFY] = { "  Failed Enq  Failed Deq  Failed Ops",
			"Failed Enq,Failed Deq,Failed Ops" },
	[CP_CYCLECOUNT] = { " Enq Retries Deq Retries   Cycles/Op  Cycles/Enq  Cycles/Deq",
			    "Enq Retries,Deq Retries,Cycles/Op,Cycles/Enq,Cycles/Deq" },
};

void cp_report_head(const struct cp *cp)
{
	const struct cp_conf *c = &cp->conf;
	const char *burst = c->test == CP_LATENCY ? "     Depth" : "Burst Size";

	if (c->csv)
		printf("# %slcore id,Buffer Size(B),%s,Enqueued,Dequeued,%s,Owned(B),Mapped(B),"
		       "Pinned(B),Page Faults\n",
		       cp->ndevs > 1 ? "device," : "",
		       c->test == CP_LATENCY ? "Depth" : "Burst Size", heads[c->test][1]);
	else
		printf("\n    lcore id    Buf Size  %s    Enqueued    Dequeued%s   Owned MiB"
		       "  Mapped MiB  Pinned MiB  Page Flts\n\n",
		       burst, heads[c->test][0]);
	fflush(stdout);
}

/* ---- a row ---------------------------------------------------------------------------- */

static void number(const struct cp *cp, double v, int digits)
{
	if (cp->conf.csv)
		printf(",%.*f", digits, v);
	else
		printf("%12.*f", digits, v);
}

static void count(const struct cp *cp, uint64_t v)
{
	if (cp->conf.csv)
		printf(",%" PRIu64, v);
	else
		printf("%12" PRIu64, v);
}

static void test_columns(const struct cp *cp, const struct cp_result *r, const struct cp_counts *n)
{
	double per_op = n->dequeued ? 1 / (double)n->dequeued : 0;
	double s = (double)(n->end_ns - n->begin_ns) / 1e9;
	double mops = s > 0 ? (double)n->dequeued / s / 1e6 : 0;

	if (cp->conf.test != CP_LATENCY) {
		count(cp, n->failed_enq);
		count(cp, n->failed_deq);
	}
	switch (cp->conf.test) {
	case CP_THROUGHPUT:
		number(cp, mops, 4);
		number(cp, mops * 1e6 * r->c.size * 8 / 1e9, 4);
		number(cp, (double)n->cycles * per_op, 2);
		break;
	case CP_LATENCY:
		count(cp, n->failed_ops);
		number(cp, r->avg_us, 3);
		number(cp, r->min_us, 3);
		number(cp, r->max_us, 3);
		number(cp, r->p50_us, 3);
		number(cp, r->p99_us, 3);
		number(cp, r->p999_us, 3);
		break;
	case CP_VERIFY:
		count(cp, n->failed_ops);
		break;
	case CP_CYCLECOUNT:
		number(cp, (double)(n->enq_cycles + n->deq_cycles) * per_op, 2);
		number(cp, (double)n->enq_cycles * per_op, 2);
		number(cp, (double)n->deq_cycles * per_op, 2);
		break;
	case CP_IOPF: /* has a table of its own */
		break;
	}
}

static void memory_columns(const struct cp *cp, const struct cp_result *r)
{
	if (cp->conf.csv) {
		printf(",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%ld\n", r->owned, r->mapped, r->pinned,
		       r->faults);
		return;
	}
	number(cp, (double)r->owned / MIB, 2);
	number(cp, (double)r->mapped / MIB, 2);
	number(cp, (double)r->pinned / MIB, 2);
	printf("%11ld\n", r->faults);
}

/** @lane  -1: of all lanes together */
static void row(const struct cp *cp, const struct cp_result *r, int lane)
{
	const struct cp_counts *n = lane < 0 ? &r->sum : &r->lanes[lane];
	bool csv = cp->conf.csv;
	char id[16] = "all";

	if (lane >= 0)
		snprintf(id, sizeof(id), "%d", r->cpus[lane] < 0 ? lane : r->cpus[lane]);
	if (csv && cp->ndevs > 1)
		printf("%s,", r->dev->uri);
	printf(csv ? "%s" : "%12s", id);
	count(cp, r->c.size);
	count(cp, r->c.burst);
	count(cp, n->enqueued);
	count(cp, n->dequeued);
	test_columns(cp, r, n);
	memory_columns(cp, r);
}

static void say_failures(const struct cp_result *r)
{
	const struct cp_counts *n = &r->sum;

	if (!n->failed_ops)
		return;
	fprintf(stderr, "%s, %u bytes%s%s: %" PRIu64 " ops failed, warm-up included:", r->dev->uri,
		r->c.size, r->vector ? ", vector " : "", r->vector ? r->vector : "", n->failed_ops);
	for (unsigned s = 0; s < FL_ARRAY_SIZE(n->by_status); s++)
		if (n->by_status[s])
			fprintf(stderr, " %" PRIu64 " %s", n->by_status[s],
				s == FL_OP_PENDING ? "never came back"
						   : fl_op_status_name((enum fl_op_status)s));
	if (n->wrong)
		fprintf(stderr, " %" PRIu64 " with wrong bytes or a wrong tag taken for right",
			n->wrong);
	fputc('\n', stderr);
}

void cp_report_row(const struct cp *cp, const struct cp_result *r)
{
	if (cp->ndevs > 1 && !cp->conf.csv)
		printf("%s%s%s\n", r->dev->uri, r->vector ? ", vector " : "",
		       r->vector ? r->vector : "");
	else if (r->vector && !cp->conf.csv)
		printf("vector %s\n", r->vector);
	/* latencies are those of all lanes together */
	for (unsigned i = 0; i < r->nlanes && cp->conf.test != CP_LATENCY; i++)
		row(cp, r, (int)i);
	if (r->nlanes > 1 || cp->conf.test == CP_LATENCY)
		row(cp, r, r->nlanes > 1 ? -1 : 0);
	fflush(stdout);
	say_failures(r);
}

/** Which rows are shorter than --total-ops, and why. */
void cp_report_notes(const struct cp *cp)
{
	unsigned n = 0;

	if (cp->conf.csv || cp->conf.silent)
		return;
	for (unsigned i = 0; i < cp->nresults; i++)
		n += cp->results[i].end == CP_END_TIME;
	if (n)
		printf("\n# %u of %u rows ended after %g s (--duration), before --total-ops\n", n,
		       cp->nresults, (double)cp->conf.duration_ns / 1e9);
}

/* ---- side by side --------------------------------------------------------------------- */

/** What is compared, and whether more of it is better. */
static double figure(const struct cp *cp, const struct cp_result *r, const char **unit)
{
	switch (cp->conf.test) {
	case CP_LATENCY:
		*unit = "p50 us";
		return r->p50_us;
	case CP_CYCLECOUNT:
		*unit = "cycles/op";
		return r->cycles_per_op;
	case CP_VERIFY:
		*unit = "failed ops";
		return (double)r->sum.failed_ops;
	case CP_THROUGHPUT:
	case CP_IOPF:
		break;
	}
	*unit = r->c.size ? "Gbps" : "MOps";
	return r->c.size ? r->gbit_per_s : r->ops_per_s / 1e6;
}

static const struct cp_result *result_of(const struct cp *cp, unsigned turn, unsigned dev)
{
	for (unsigned i = 0; i < cp->nresults; i++)
		if (cp->results[i].turn == turn && cp->results[i].dev == &cp->devs[dev])
			return &cp->results[i];
	return NULL;
}

/** Of a device's column: its URI fits. */
static int width(const struct cp *cp, unsigned dev)
{
	size_t len = strlen(cp->devs[dev].uri) + 2;

	return len < 12 ? 12 : (int)len;
}

static void compare_row(const struct cp *cp, const struct cp_result *r)
{
	const char *unit;
	double base = figure(cp, r, &unit);

	printf("%10u%8u%*.4g", r->c.size, r->c.burst, width(cp, 0), base);
	for (unsigned k = 1; k < cp->ndevs; k++) {
		const struct cp_result *o = result_of(cp, r->turn, k);
		double v = o ? figure(cp, o, &unit) : 0;

		if (v > 0)
			printf("%*.4g%8.*f", width(cp, k), v, base / v < 0.1 ? 4 : 2, base / v);
		else
			printf("%*s%8s", width(cp, k), "-", "-");
	}
	putchar('\n');
}

void cp_report_compare(const struct cp *cp)
{
	const char *unit = "";

	if (cp->ndevs < 2 || !cp->nresults || cp->conf.csv)
		return;
	figure(cp, &cp->results[0], &unit);
	printf("\n%s %s, %s, %s; medians of %u rounds; ratio: %s over the other\n\n", cp->job.name,
	       operation(&cp->job), cp_test_names[cp->conf.test], unit, (unsigned)cp->conf.rounds,
	       cp->devs[0].uri);
	printf("%10s%8s%*s", "Buf Size", cp->conf.test == CP_LATENCY ? "Depth" : "Burst",
	       width(cp, 0), cp->devs[0].uri);
	for (unsigned i = 1; i < cp->ndevs; i++)
		printf("%*s%8s", width(cp, i), cp->devs[i].uri, "ratio");
	putchar('\n');
	for (unsigned i = 0; i < cp->nresults; i++)
		if (cp->results[i].dev == &cp->devs[0])
			compare_row(cp, &cp->results[i]);
}

/* ---- progress ------------------------------------------------------------------------- */

void cp_progress_bar(struct cp *cp, double all, const char *what)
{
	const unsigned width = 30;
	unsigned full = (unsigned)(all * width);

	if (cp->conf.silent || !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[K[");
	for (unsigned i = 0; i < width; i++)
		fputc(i < full ? '#' : '.', stderr);
	fprintf(stderr, "] %3u%%  %s", (unsigned)(all * 100), what);
	fflush(stderr);
	cp->bar_shown = true;
}

void cp_progress(struct cp *cp, const struct cp_run *run, double share)
{
	char what[256];

	snprintf(what, sizeof(what), "%s, %u bytes, burst %u", run->dev->uri, run->c.size,
		 run->c.burst);
	cp_progress_bar(cp, ((double)cp->done + share) / (double)cp->todo, what);
}

void cp_progress_end(struct cp *cp)
{
	if (cp->bar_shown)
		fprintf(stderr, "\r\033[K");
	cp->bar_shown = false;
}
