/* SPDX-License-Identifier: BSD-3-Clause */
/* Built outside the tree by static_link.sh: a program that names no driver still has them. */
#include <fl_net.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	const struct fl_driver *d;
	struct fl_ctx *ctx;

	for (unsigned i = 0; (d = fl_driver_at(i)); i++) {
		if (strcmp(d->name, "net_e1000"))
			continue;
		if (fl_ctx_create(NULL, &ctx) || fl_ctx_destroy(ctx))
			return 2;
		printf("found %s\n", d->name);
		return 0;
	}
	fprintf(stderr, "driver net_e1000 is not in the table\n");
	return 1;
}
