/* SPDX-License-Identifier: BSD-3-Clause */
/* The software device, by OpenSSL alone and with Intel's multi-buffer code where that is there. */
#include "crypto_conformance.h"

static int run(const char *uri, bool optional)
{
	struct fl_cryptodev *d;
	struct fl_ctx *ctx;
	int failed = 1, rc;

	if (crypto_ctx(&ctx))
		return 1;
	rc = fl_cryptodev_open(ctx, uri, &d);
	if (!rc)
		fl_cryptodev_close(d);
	if (rc && optional) {
		print_message("%s: not here (%d), left out\n", uri, rc);
		failed = 0;
	} else if (!rc) {
		failed = crypto_conformance_run(uri, ctx, uri);
	}
	return fl_ctx_destroy(ctx) ? 1 : failed;
}

int main(void)
{
	return run("soft:openssl", false) + run("soft:ipsec-mb", true);
}
