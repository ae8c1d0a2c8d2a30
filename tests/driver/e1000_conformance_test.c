/* SPDX-License-Identifier: BSD-3-Clause */
/* The burst contract on two modelled 82574Ls, with doorbells in shared pages and trapped. */
#include "e1000_pair.h"

static int run(const char *name, const char *args)
{
	struct pair p;
	int failed;

	if (e1000_pair_make(&p, args))
		return 1;
	failed = conformance_run(name, &p);
	pair_free(&p);
	return failed;
}

int main(void)
{
	return run("shared doorbells", "shared=on") + run("trapped doorbells", "shared=off");
}
