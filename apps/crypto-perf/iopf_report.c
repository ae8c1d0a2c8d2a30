/* SPDX-License-Identifier: BSD-3-Clause */
/* What faulting in costs: the table, and the same for programs to read. */
#include "iopf.h"
#include "../common/common.h"

#include <json.h>
#include <stdio.h>
#include <string.h>

/*
 * Measured by the authors of the VFIO IOPF patches of 2021, on a Kunpeng 920 and its SEC, with so
 * many pages mapped a fault. They published no other rows.
 */
static const struct published {
	uint32_t size, times;
	const char *around;
	double loss;
	unsigned faults;
} published[] = {
	{ 1 << 20, 1, "1", 0.634, 518 },     { 1 << 20, 100, "1", 0.229, 1058 },
	{ 1 << 20, 1000, "1", 0.026, 1071 }, { 10 << 20, 1, "512", 0.326, 13 },
	{ 10 << 20, 100, "512", 0.035, 26 }, { 10 << 20, 1000, "512", 0.016, 26 },
};

static const struct published *published_of(const struct cp_iopf_row *r)
{
	for (unsigned i = 0; i < FL_ARRAY_SIZE(published); i++) {
		const struct published *p = &published[i];

		if (p->size == r->size && p->times == r->times &&
		    !strcmp(p->around, r->column->around))
			return p;
	}
	return NULL;
}

/** Who makes pages reachable as the device asks for them. */
static const char *resolver(const struct cp *cp, const struct cp_iopf_column *c)
{
	const struct fl_dev *dev = fl_cryptodev_dev(cp->devs[0].d);
	const char *link;

	if (!dev || c->how == FL_PINNED)
		return "none";
	if (!fl_dev_faults(dev))
		return "post"; /* nobody: they are mapped as the device is given them */
	link = fl_dev_transport(dev);
	return strcmp(link, "container") ? link : "kernel";
}

void cp_iopf_head(const struct cp *cp)
{
	if (cp->conf.csv) {
		printf("# Message(B),Times,Residency,Around,Throughput(Gbps),Loss(%%),Fresh(%%),"
		       "Faults,Pages,Latency p50(us),Latency p99(us),Kunpeng 920 Loss(%%),"
		       "Kunpeng 920 Faults\n");
		return;
	}
	if (!cp->conf.silent)
		printf("# fresh buffers in each run; medians of %u alternating runs\n"
		       "# Loss %%: 1 - throughput / that of pinned buffers\n"
		       "# Fresh %%: what pinned buffers would lose if they had to wait for the "
		       "kernel's fresh pages\n"
		       "# Kunpeng 920: published for VFIO IOPF on that hardware, with its SEC; "
		       "not this machine's\n",
		       (unsigned)cp->conf.rounds);
	printf("\n%74s%s\n%10s%7s%10s%10s%9s%8s%8s%8s%8s%9s%9s%11s%8s\n\n", "Latency us",
	       "           Kunpeng 920", "Message", "Times", "Residency", "Around", "Gbps",
	       "Loss %", "Fresh %", "Faults", "Pages", "p50", "p99", "Loss %", "Faults");
	fflush(stdout);
}

void cp_iopf_report(const struct cp *cp, const struct cp_iopf_row *r)
{
	const struct published *p = published_of(r);
	const char *form = cp->conf.csv ? "%u,%u,%s,%s,%.3f,%.2f,%.2f,%.0f,%.0f,%.1f,%.1f"
					: "%10u%7u%10s%10s%9.3f%8.2f%8.2f%8.0f%8.0f%9.1f%9.1f";

	printf(form, r->size, r->times, r->column->residency, r->column->around, r->gbit_per_s,
	       r->v[CP_IOPF_LOSS] * 100, r->v[CP_IOPF_FRESH] * 100, r->v[CP_IOPF_FAULTS],
	       r->v[CP_IOPF_PAGES], r->p50_us, r->p99_us);
	if (p)
		printf(cp->conf.csv ? ",%.1f,%u" : "%11.1f%8u", p->loss * 100, p->faults);
	else if (cp->conf.csv)
		printf(",,");
	putchar('\n');
	fflush(stdout);
}

static struct json_object *row_json(const struct cp *cp, const struct cp_iopf_row *r)
{
	struct json_object *o = json_object_new_object(), *l = json_object_new_object();
	const struct published *p = published_of(r);

	app_json_u64(o, "message_bytes", r->size);
	app_json_u64(o, "times", r->times);
	app_json_text(o, "residency", r->column->residency);
	app_json_text(o, "fault_around", r->column->around);
	app_json_text(o, "resolver", resolver(cp, r->column));
	app_json_u64(o, "faults", (uint64_t)r->v[CP_IOPF_FAULTS]);
	app_json_u64(o, "pages", (uint64_t)r->v[CP_IOPF_PAGES]);
	app_json_double(o, "throughput_loss", r->v[CP_IOPF_LOSS]);
	app_json_u64(o, "runs", r->rounds);
	app_json_double(o, "gbit_per_s", r->gbit_per_s);
	app_json_double(o, "run_us", r->v[CP_IOPF_US]);
	app_json_double(o, "fresh_page_us", r->v[CP_IOPF_FRESH_US]);
	app_json_double(o, "fresh_page_loss", r->v[CP_IOPF_FRESH]);
	app_json_double(o, "prefetch_us", r->v[CP_IOPF_PREFETCH_US]);
	app_json_u64(o, "misses", (uint64_t)r->v[CP_IOPF_MISSES]);
	app_json_double(l, "p50", r->p50_us);
	app_json_double(l, "p99", r->p99_us);
	app_json_double(l, "avg", r->mean_us);
	json_object_object_add(o, "fault_latency_us", l);
	if (p) {
		l = json_object_new_object();
		app_json_text(l, "hardware", "Kunpeng 920");
		app_json_double(l, "throughput_loss", p->loss);
		app_json_u64(l, "faults", p->faults);
		json_object_object_add(o, "published", l);
	}
	return o;
}

void cp_iopf_json(const struct cp *cp, struct json_object *report)
{
	struct json_object *rows = json_object_new_array(), *o = json_object_new_object();

	for (unsigned i = 0; i < cp->niopf; i++)
		json_object_array_add(rows, row_json(cp, &cp->iopf[i]));
	json_object_object_add(report, "iopf", rows);
	app_json_text(o, "device", cp->devs[0].uri);
	app_json_text(o, "driver", cp->devs[0].info.driver);
	app_json_text(o, "chip", cp->devs[0].info.chip);
	cp_json_job(o, cp);
	json_object_object_add(report, "iopf_run", o);
}
