/* SPDX-License-Identifier: BSD-3-Clause */
/* --json: the results, for programs to read. */
#include "iopf.h"
#include "../common/common.h"

#include <json.h>
#include <string.h>

void cp_json_job(struct json_object *o, const struct cp *cp)
{
	const struct cp_job *j = &cp->job;

	app_json_text(o, "ptest", cp_test_names[cp->conf.test]);
	app_json_text(o, "optype", cp_optype_names[j->type]);
	app_json_text(o, "algo", j->name);
	app_json_text(o, "op", j->conf.encrypt ? "encrypt" : "decrypt");
	app_json_u64(o, "key_bytes", j->cipher ? j->conf.key_len : j->conf.auth_key_len);
	app_json_u64(o, "iv_bytes", j->conf.iv_len);
	app_json_u64(o, "digest_bytes", j->conf.digest_len);
	app_json_u64(o, "aad_bytes", j->aad_len);
	json_object_object_add(o, "out_of_place", json_object_new_boolean(j->out_of_place));
	json_object_object_add(o, "sessionless", json_object_new_boolean(cp->conf.sessionless));
	json_object_object_add(o, "interrupt", json_object_new_boolean(cp->conf.interrupt));
}

static struct json_object *lane_json(const struct cp_counts *n, int cpu)
{
	struct json_object *o = json_object_new_object();

	json_object_object_add(o, "cpu", cpu < 0 ? NULL : json_object_new_int(cpu));
	app_json_u64(o, "dequeued", n->dequeued);
	app_json_u64(o, "failed_ops", n->failed_ops);
	app_json_u64(o, "cycles", n->cycles);
	return o;
}

static void add_test(struct json_object *o, const struct cp *cp, const struct cp_result *r)
{
	struct json_object *l = json_object_new_object();
	double ops = r->sum.dequeued ? (double)r->sum.dequeued : 1;

	if (cp->conf.test == CP_LATENCY) {
		app_json_double(l, "avg", r->avg_us);
		app_json_double(l, "min", r->min_us);
		app_json_double(l, "max", r->max_us);
		app_json_double(l, "p50", r->p50_us);
		app_json_double(l, "p99", r->p99_us);
		app_json_double(l, "p99.9", r->p999_us);
		json_object_object_add(o, "latency_us", l);
		return;
	}
	json_object_put(l);
	if (cp->conf.test == CP_CYCLECOUNT) {
		app_json_double(o, "cycles_per_enq", (double)r->sum.enq_cycles / ops);
		app_json_double(o, "cycles_per_deq", (double)r->sum.deq_cycles / ops);
	}
}

static struct json_object *result_json(const struct cp *cp, const struct cp_result *r)
{
	struct json_object *o = json_object_new_object(), *a = json_object_new_array();

	app_json_text(o, "device", r->dev->uri);
	app_json_text(o, "driver", r->dev->info.driver);
	app_json_text(o, "chip", r->dev->info.chip);
	cp_json_job(o, cp);
	if (r->vector)
		app_json_text(o, "vector", r->vector);
	app_json_u64(o, "buffer_bytes", r->c.size);
	app_json_u64(o, "segment_bytes", cp->conf.segment_sz ? cp->conf.segment_sz : r->c.size);
	app_json_u64(o, "burst", r->c.burst);
	app_json_u64(o, "queue_pairs", r->nlanes);
	app_json_u64(o, "descriptors", r->dev->desc);
	app_json_double(o, "ops_per_s", r->ops_per_s);
	app_json_double(o, "gbit_per_s", r->gbit_per_s);
	app_json_double(o, "cycles_per_op", r->cycles_per_op);
	app_json_u64(o, "enqueued", r->sum.enqueued);
	app_json_u64(o, "dequeued", r->sum.dequeued);
	app_json_u64(o, "failed_enq", r->sum.failed_enq);
	app_json_u64(o, "failed_deq", r->sum.failed_deq);
	app_json_u64(o, "failed_ops", r->sum.failed_ops);
	app_json_double(o, "seconds", r->seconds);
	app_json_text(o, "ended_by", cp_end_names[r->end]);
	add_test(o, cp, r);
	for (unsigned i = 0; i < r->nrounds; i++)
		json_object_array_add(a, app_json_new_double(r->rounds[i]));
	json_object_object_add(o, "rounds_ops_per_s", a);
	a = json_object_new_array();
	for (unsigned i = 0; i < r->nlanes; i++)
		json_object_array_add(a, lane_json(&r->lanes[i], r->cpus[i]));
	json_object_object_add(o, "lanes", a);
	app_json_u64(o, "owned_bytes", r->owned);
	app_json_u64(o, "mapped_bytes", r->mapped);
	app_json_u64(o, "pinned_bytes", r->pinned);
	app_json_u64(o, "locked_bytes", r->locked);
	app_json_u64(o, "rss_bytes", r->rss);
	app_json_u64(o, "page_faults", (uint64_t)r->faults);
	return o;
}

int cp_json_write(const struct cp *cp)
{
	struct json_object *o = json_object_new_object(), *a = json_object_new_array();

	if (cp->niopf)
		cp_iopf_json(cp, o);
	for (unsigned i = 0; i < cp->nresults; i++)
		json_object_array_add(a, result_json(cp, &cp->results[i]));
	json_object_object_add(o, "results", a);
	app_json_double(o, "cycles_hz", cp->hz);
	return app_json_write(o, cp->conf.json);
}
