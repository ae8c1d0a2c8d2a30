/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What fl_crypto.h promises, as tests for any crypto driver: give it a context and the URI of a
 * device that nobody else uses.
 */
#ifndef CRYPTO_CONFORMANCE_H
#define CRYPTO_CONFORMANCE_H

#include "crypto_rig.h"

/** A context that says nothing: refusals are part of it. With FL_TEST_LOG set it says all. */
int crypto_ctx(struct fl_ctx **out);
/** Opens, runs the suite under a name, closes; returns how many tests failed. */
int crypto_conformance_run(const char *name, struct fl_ctx *ctx, const char *uri);

/* its parts, each a file */
extern const struct CMUnitTest crypto_burst_tests[], crypto_refusal_tests[], crypto_limit_tests[],
	crypto_algo_tests[];
extern const size_t crypto_burst_count, crypto_refusal_count, crypto_limit_count, crypto_algo_count;

/** Every test begins with running queue pairs and ends with all ops back. */
int crypto_up(void **state);
int crypto_down(void **state);
#define CRYPTO_TEST(f) cmocka_unit_test_setup_teardown(f, crypto_up, crypto_down)

#define CRYPTO_DESC    64u /* that the queue pairs hold; less where the device cannot */

#endif
