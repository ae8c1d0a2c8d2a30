/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The burst contract on two modelled 82574Ls, with doorbells in shared pages and trapped, with one
 * queue each way and with two.
 */
#include "e1000_pair.h"

static int run(const char *name, const char *args, uint16_t queues)
{
	struct pair p = { .queues = queues };
	int failed;

	if (e1000_pair_make(&p, args))
		return 1;
	failed = conformance_run(name, &p);
	pair_free(&p);
	return failed;
}

int main(void)
{
	return run("shared doorbells", "shared=on", 1) + run("trapped doorbells", "shared=off", 1) +
	       run("two queues", "shared=on", 2);
}
