/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HiSilicon's SEC2 on its model: the suite of every crypto driver. The argument is the model and
 * what it is given; without one it is the Kunpeng 930's.
 */
#include "crypto_conformance.h"

#include <stdio.h>

#include <fl_model.h>

int main(int argc, char **argv)
{
	const char *model = argc > 1 ? argv[1] : "hisi_sec";
	struct fl_ctx *ctx;
	char uri[128];
	int failed = 1;

	snprintf(uri, sizeof(uri), "model:%s", model);
	if (crypto_ctx(&ctx))
		return 1;
	if (!fl_model_enable(ctx, NULL))
		failed = crypto_conformance_run(uri, ctx, uri);
	return fl_ctx_destroy(ctx) ? 1 : failed;
}
