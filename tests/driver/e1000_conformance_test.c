/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The burst contract on two modelled chips, with doorbells in shared pages and trapped, with one
 * queue each way and with two where the chip has them.
 */
#include "e1000_pair.h"

static int run(const char *name, const char *args, uint16_t queues)
{
	struct pair p = { .queues = queues };
	struct fl_port_info i;
	int failed = 0;

	if (e1000_pair_make(&p, args))
		return 1;
	fl_port_info(p.a, &i);
	if (queues <= i.rxq_max)
		failed = conformance_run(name, &p);
	pair_free(&p);
	return failed;
}

int main(int argc, char **argv)
{
	e1000_args(argc, argv);
	return run("shared doorbells", "shared=on", 1) + run("trapped doorbells", "shared=off", 1) +
	       run("two queues", "shared=on", 2);
}
