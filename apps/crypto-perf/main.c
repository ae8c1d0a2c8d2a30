/* SPDX-License-Identifier: BSD-3-Clause */
/* Start-up, cases and rounds in turn, shut-down. */
#include "iopf.h"
#include "../common/common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void log_write(void *arg, enum fl_log_level level, const char *component, const char *msg)
{
	fprintf(stderr, "%s: %s: %s\n", fl_log_level_name(level), component, msg);
}

/* ---- cases ---------------------------------------------------------------------------- */

static int make_cases(struct cp *cp)
{
	const struct cp_conf *c = &cp->conf;
	unsigned nsizes = c->imix.n ? 1 : c->buffer_sz.n;
	uint32_t largest = 0;

	cp->cases = calloc((size_t)nsizes * c->burst_sz.n, sizeof(*cp->cases));
	if (!cp->cases)
		return -ENOMEM;
	if (c->imix.n && cp->job.check) {
		fprintf(stderr, "--imix: a tag that is checked is made for one size\n");
		return -EINVAL;
	}
	for (unsigned i = 0; i < c->buffer_sz.n; i++) {
		largest = c->buffer_sz.v[i] > largest ? c->buffer_sz.v[i] : largest;
		for (unsigned k = 0; k < cp->ndevs; k++)
			if (cp_job_check_size(&cp->job, c, &cp->devs[k], c->buffer_sz.v[i]))
				return -EINVAL;
	}
	for (unsigned i = 0; i < nsizes; i++)
		for (unsigned b = 0; b < c->burst_sz.n; b++)
			cp->cases[cp->ncases++] =
				(struct cp_case){ c->imix.n ? largest : c->buffer_sz.v[i],
						  c->burst_sz.v[b] };
	return 0;
}

static double rank(const struct cp *cp, const struct cp_result *r)
{
	return cp->conf.test == CP_LATENCY ? -r->p50_us : r->ops_per_s;
}

/** Puts the round in the middle first. */
static void median(const struct cp *cp, struct cp_result *rounds, unsigned n)
{
	double all[16];

	for (unsigned i = 0; i < n; i++)
		all[i] = rounds[i].ops_per_s;
	for (unsigned i = 1; i < n; i++) {
		for (unsigned k = i; k && rank(cp, &rounds[k]) < rank(cp, &rounds[k - 1]); k--) {
			struct cp_result r = rounds[k];

			rounds[k] = rounds[k - 1];
			rounds[k - 1] = r;
		}
	}
	rounds[0] = rounds[n / 2];
	rounds[0].nrounds = n;
	memcpy(rounds[0].rounds, all, n * sizeof(*all));
}

static void keep(struct cp *cp, struct cp_result *r, unsigned turn)
{
	r->turn = turn;
	cp->results[cp->nresults++] = *r;
	cp->failed |= r->sum.failed_ops || r->end == CP_END_SILENT || r->end == CP_END_GONE;
	cp_progress_end(cp);
	cp_report_row(cp, r);
}

/** Round after round, all devices in each: what disturbs the machine meets them alike. */
static int run_case(struct cp *cp, const struct cp_case *c, const struct cp_vector *v)
{
	unsigned rounds = (unsigned)cp->conf.rounds, n[CP_MAX_DEVS] = { 0 };
	struct cp_result *r = calloc((size_t)rounds * cp->ndevs, sizeof(*r));
	unsigned turn = cp->done;
	int ret = r ? 0 : -ENOMEM;

	for (unsigned i = 0; !ret && i < rounds; i++) {
		for (unsigned k = 0; !ret && k < cp->ndevs && !cp->quit; k++, cp->done++) {
			if (cp->devs[k].dead ||
			    __atomic_load_n(&cp->devs[k].down, __ATOMIC_RELAXED))
				continue;
			ret = cp_measure(cp, &cp->devs[k], c, v, &r[k * rounds + n[k]]);
			n[k] += !ret;
		}
	}
	for (unsigned k = 0; k < cp->ndevs; k++) {
		if (!n[k])
			continue;
		median(cp, &r[k * rounds], n[k]);
		keep(cp, &r[k * rounds], turn);
	}
	free(r);
	return ret;
}

static int sessions(struct cp *cp)
{
	int ret = 0;

	for (unsigned k = 0; !ret && k < cp->ndevs; k++) {
		ret = cp->conf.sessionless ? 0 : cp_dev_session(&cp->devs[k], &cp->job);
		if (!ret && cp->devs[k].ref)
			ret = cp_dev_session(cp->devs[k].ref, &cp->job);
	}
	return ret;
}

/** Each vector is a case of its own size. */
static int run_vectors(struct cp *cp)
{
	int ret = 0;

	for (unsigned i = 0; !ret && i < cp->vectors.n; i++)
		ret = cp_vector_check(&cp->vectors.v[i], &cp->job);
	for (unsigned i = 0; !ret && i < cp->vectors.n && !cp->quit; i++) {
		const struct cp_vector *v = &cp->vectors.v[i];
		struct cp_case c = { v->plaintext.len, cp->conf.burst_sz.v[0] };

		cp_job_vector(&cp->job, v);
		for (unsigned k = 0; !ret && k < cp->ndevs; k++)
			ret = cp_job_check_size(&cp->job, &cp->conf, &cp->devs[k], c.size);
		if (!ret)
			ret = sessions(cp);
		if (!ret)
			ret = run_case(cp, &c, v);
	}
	return ret;
}

static int run(struct cp *cp)
{
	unsigned n = cp->vectors.n ? cp->vectors.n : cp->ncases;
	int ret = 0;

	cp->todo = n * cp->ndevs * (unsigned)cp->conf.rounds;
	cp->results = calloc((size_t)n * cp->ndevs, sizeof(*cp->results));
	if (!cp->results)
		return -ENOMEM;
	ret = cp->vectors.n ? 0 : sessions(cp);
	if (ret)
		return ret;
	cp_report_options(cp);
	if (cp->conf.test == CP_IOPF)
		return cp_iopf(cp);
	cp_report_head(cp);
	if (cp->vectors.n)
		return run_vectors(cp);
	for (unsigned i = 0; !ret && i < cp->ncases && !cp->quit; i++)
		ret = run_case(cp, &cp->cases[i], NULL);
	return ret;
}

/* ---- start and end -------------------------------------------------------------------- */

/** crypto_openssl and crypto_aesni_mb are kinds of crypto_soft. */
static int check_driver(const struct cp *cp, const struct cp_dev *d)
{
	const char *want = cp->conf.devtype;

	if (want && strcmp(want, "crypto_hisi_sec"))
		want = "crypto_soft";
	if (!want || !strcmp(want, d->info.driver))
		return 0;
	fprintf(stderr, "--devtype %s: %s is driven by %s\n", cp->conf.devtype, d->uri,
		d->info.driver);
	return -EINVAL;
}

static int bring_up(struct cp *cp)
{
	const struct cp_conf *c = &cp->conf;
	int ret = cp_job_names(&cp->job, c);

	if (!ret && c->test_file)
		ret = cp_vectors_load(&cp->vectors, c->test_file, c->test_name);
	for (; !ret && cp->ndevs < c->nuris; cp->ndevs++) {
		struct cp_dev *d = &cp->devs[cp->ndevs];

		ret = cp_dev_open(cp, d, c->uris[cp->ndevs], NULL);
		if (!ret)
			ret = check_driver(cp, d);
		if (!ret)
			ret = cp->ndevs ? cp_job_check(&cp->job, d) : cp_job_sizes(&cp->job, c, d);
		if (!ret)
			ret = cp_dev_start(d);
		if (!ret && c->test == CP_VERIFY && !c->test_file) {
			d->ref = &cp->refs[cp->ndevs];
			ret = cp_dev_reference(d);
		}
	}
	return ret || cp->vectors.n ? ret : make_cases(cp);
}

static void take_down(struct cp *cp)
{
	for (unsigned k = 0; k < CP_MAX_DEVS; k++)
		cp_dev_close(&cp->devs[k]);
	app_telemetry_stop(&cp->conf.telemetry);
	cp_vectors_free(&cp->vectors);
	free(cp->cases);
	free(cp->results);
	free(cp->iopf);
	close(cp->sig_fd);
}

int main(int argc, char **argv)
{
	struct cp *cp = calloc(1, sizeof(*cp));
	int ret;

	if (!cp || cp_options(&cp->conf, argc, argv))
		return EXIT_FAILURE;
	cp->log = (struct fl_log){ .write = log_write, .level = cp->conf.log_level };
	fl_log_set_default(&cp->log);
	cp->hz = (double)fl_cycles_hz();
	ret = app_signals(&cp->sig_fd);
	if (!ret)
		ret = app_can_write(cp->conf.json);
	if (!ret)
		ret = app_can_write(cp->conf.plot);
	if (!ret && cp->conf.test == CP_IOPF)
		ret = cp_iopf_place(&cp->conf);
	if (!ret)
		ret = bring_up(cp);
	if (!ret)
		ret = run(cp);
	cp_progress_end(cp);
	cp_report_notes(cp);
	cp_report_compare(cp);
	if (cp->nresults + cp->niopf && cp->conf.json && cp_json_write(cp))
		ret = -EIO;
	if (cp->nresults && cp->conf.plot && cp_plot_write(cp))
		ret = -EIO;
	take_down(cp);
	ret = ret || cp->failed ? EXIT_FAILURE : EXIT_SUCCESS;
	free(cp);
	return ret;
}
