/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HiSilicon's SEC2 on its model: the suite of every crypto driver. The argument is the model and
 * what it is given; without one it is the Kunpeng 930's. With "lazy" behind it, data lies in areas
 * that the device has to ask for.
 */
#include "crypto_conformance.h"

#include <stdio.h>
#include <string.h>

#include <fl_model.h>

int main(int argc, char **argv)
{
	const char *model = argc > 1 ? argv[1] : "hisi_sec";
	struct fl_ctx *ctx;
	char uri[128];
	int failed = 1;

	rig_lazy = argc > 2 && !strcmp(argv[2], "lazy");
	snprintf(uri, sizeof(uri), "model:%s", model);
	if (crypto_ctx(&ctx))
		return 1;
	if (!fl_model_enable(ctx, NULL))
		failed = crypto_conformance_run(uri, ctx, uri);
	return fl_ctx_destroy(ctx) ? 1 : failed;
}
