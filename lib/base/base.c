/* SPDX-License-Identifier: BSD-3-Clause */
#include <fl_base.h>

#include <time.h>

#define NS_PER_S     1000000000ull
#define CALIBRATE_NS 2000000ull

uint64_t fl_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t fl_cycles_hz(void)
{
	uint64_t t0 = fl_now_ns(), c0 = fl_cycles(), t1, c1;

	do {
		t1 = fl_now_ns();
		c1 = fl_cycles();
	} while (t1 - t0 < CALIBRATE_NS);
	return (uint64_t)((double)(c1 - c0) * (double)NS_PER_S / (double)(t1 - t0));
}

const char *fl_version(void)
{
	return FL_VERSION;
}
