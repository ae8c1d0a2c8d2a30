/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vm-fault CASE URI [SIZE [EXTRA]]: EXTRA is the folder of files, or the URI of another device. One
 * case of a SEC that faults, over whatever the URI says: in a guest the kernel or the library
 * resolves, and the same programs run with "model:hisi_sec". What was counted is printed; what is
 * wrong is told in a line that begins with WRONG, with exit status 1.
 */
#include "fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	const struct named_case *const all[] = { memory_cases, range_cases, life_cases,
						 group_cases,  our_cases,   wrong_cases };
	struct args a = { 0 };
	struct rig r = { 0 };

	setvbuf(stdout, NULL, _IOLBF, 0);
	r.uri = argc > 2 ? argv[2] : "";
	a.size = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;
	a.extra = argc > 4 ? argv[4] : "";
	r.folder = *a.extra == '/' ? a.extra : "/dev/shm";
	for (unsigned i = 0; argc > 2 && i < FL_ARRAY_SIZE(all); i++)
		for (const struct named_case *c = all[i]; c->name; c++)
			if (!strcmp(c->name, argv[1])) {
				c->fn(&r, &a);
				puts("right");
				return 0;
			}
	fputs("vm-fault CASE URI [SIZE [EXTRA]], of these cases:\n", stderr);
	for (unsigned i = 0; i < FL_ARRAY_SIZE(all); i++)
		for (const struct named_case *c = all[i]; c->name; c++)
			fprintf(stderr, " %s", c->name);
	fputc('\n', stderr);
	return 2;
}
