/* SPDX-License-Identifier: BSD-3-Clause */
/* A physical SEC2 function that gives a virtual one queue pairs; both at work, by the public calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <fl_hisi_sec.h>
#include <fl_model.h>

#define WAIT_MS 20000

static struct fl_cryptodev *open_dev(struct fl_ctx *ctx, const char *uri, uint16_t qps)
{
	struct fl_cryptodev *d;

	assert_int_equal(fl_cryptodev_open(ctx, uri, &d), 0);
	assert_int_equal(fl_cryptodev_configure(d, qps), 0);
	for (uint16_t i = 0; i < qps; i++)
		assert_int_equal(fl_qp_setup(d, i, NULL), 0);
	assert_int_equal(fl_cryptodev_start(d), 0);
	return d;
}

/* FIPS 180-4's "abc" on each queue pair */
static void work(struct fl_cryptodev *d, uint16_t qps)
{
	static const uint8_t want[] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea };
	const struct fl_session_conf c = { .type = FL_CRYPTO_AUTH,
					   .encrypt = true,
					   .auth = FL_SHA256 };
	uint8_t digest[FL_DIGEST_MAX];

	for (uint16_t i = 0; i < qps; i++) {
		memset(digest, 0, sizeof(digest));
		assert_int_equal(
			fl_crypto_once(d, i, &c, NULL, NULL, 0, "abc", 3, NULL, digest, WAIT_MS),
			0);
		assert_memory_equal(digest, want, sizeof(want));
	}
}

static void test_both(void **state)
{
	struct fl_cryptodev *pf, *vf, *other;
	struct fl_ctx *ctx;

	assert_int_equal(fl_ctx_create(NULL, &ctx), 0);
	assert_int_equal(fl_model_enable(ctx, NULL), 0);
	pf = open_dev(ctx, "model:hisi_sec,qps=64", 4);
	assert_true(fl_cryptodev_open(ctx, "model:hisi_sec_vf,pf=0", &vf) < 0);
	assert_int_equal(fl_hisi_sec_vf_qps(pf, 1, 3, 8), -EBUSY); /* the fourth is the PF's */
	assert_int_equal(fl_hisi_sec_vf_qps(pf, 1, 60, 8), -EINVAL);
	assert_int_equal(fl_hisi_sec_vf_qps(pf, 1, 32, 8), 0);
	vf = open_dev(ctx, "model:hisi_sec_vf,pf=0", 8);
	work(vf, 8);
	work(pf, 4);
	assert_int_equal(fl_hisi_sec_vf_qps(vf, 2, 40, 8), -EINVAL); /* no physical function */
	assert_false(fl_hisi_sec_check(pf));

	assert_int_equal(fl_cryptodev_open(ctx, "soft:openssl", &other), 0);
	assert_int_equal(fl_hisi_sec_vf_qps(other, 1, 32, 8), -ENOTSUP);
	assert_false(fl_hisi_sec_check(other));
	fl_cryptodev_close(other);

	fl_cryptodev_close(vf);
	assert_int_equal(fl_hisi_sec_vf_qps(pf, 1, 0, 0), 0);
	assert_true(fl_cryptodev_open(ctx, "model:hisi_sec_vf,pf=0", &vf) < 0);
	fl_cryptodev_close(pf);
	assert_int_equal(fl_ctx_destroy(ctx), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_both) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
