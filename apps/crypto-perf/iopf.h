/* SPDX-License-Identifier: BSD-3-Clause */
/* --ptest iopf: what faulting in costs, beside buffers that are pinned. */
#ifndef CRYPTO_PERF_IOPF_H
#define CRYPTO_PERF_IOPF_H

#include "perf.h"

#define CP_IOPF_COLUMNS 5u
#define CP_IOPF_ROUNDS	15u

/** How the buffers of a run meet the device. The first is what the others are held against. */
struct cp_iopf_column {
	const char *residency, *around; /* as the report names them */
	enum fl_residency how;
	uint32_t pages; /* fault-around, 0 = adaptive */
	bool prefetch;
};
extern const struct cp_iopf_column cp_iopf_columns[CP_IOPF_COLUMNS];

/** What is known of a run, and as medians of a row. */
enum cp_iopf_value {
	CP_IOPF_US,
	CP_IOPF_LOSS,	     /* 1 - throughput / that of the round's pinned run */
	CP_IOPF_FRESH_US,    /* what the kernel takes for as many fresh pages as the run needs */
	CP_IOPF_FRESH,	     /* the loss of a pinned run that has to wait for them */
	CP_IOPF_PREFETCH_US, /* what prefetching took, before the run */
	CP_IOPF_FAULTS,
	CP_IOPF_PAGES,	/* that the device could reach in the end */
	CP_IOPF_MISSES, /* of a device that cannot fault: windows mapped as it was given buffers */
	CP_IOPF_VALUES
};

struct cp_iopf_row {
	uint32_t size, times;
	const struct cp_iopf_column *column;
	unsigned rounds;
	double gbit_per_s;
	double v[CP_IOPF_VALUES];
	double p50_us, p99_us, mean_us; /* from a page request to its answer, of all rounds */
};

/**
 * Before devices are opened: this thread and the model get a CPU each, which --lcores and
 * --model-cpu name, or the first two. On one they would take turns, and nothing be done ahead.
 */
int cp_iopf_place(struct cp_conf *c);
int cp_iopf(struct cp *cp);

/* iopf_report.c */
void cp_iopf_head(const struct cp *cp);
void cp_iopf_report(const struct cp *cp, const struct cp_iopf_row *r);
struct json_object;
/** Adds what is known to the whole report. */
void cp_iopf_json(const struct cp *cp, struct json_object *report);
/* json.c: device and algorithm, of a row or a report */
void cp_json_job(struct json_object *o, const struct cp *cp);

#endif
