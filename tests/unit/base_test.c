/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <fl_base.h>
#include <fl_io.h>
#include <fl_log.h>

struct capture {
	int n;
	enum fl_log_level level;
	char text[2048];
};

static void capture_write(void *arg, enum fl_log_level level, const char *component,
			  const char *msg)
{
	struct capture *c = arg;

	c->n++;
	c->level = level;
	snprintf(c->text, sizeof(c->text), "%s|%s", component, msg);
}

static void test_arithmetic(void **state)
{
	assert_int_equal(fl_align_up(1, 4096), 4096);
	assert_int_equal(fl_align_up(4096, 4096), 4096);
	assert_int_equal(fl_align_down(8191, 4096), 4096);
	assert_int_equal(fl_pow2_up(1), 1);
	assert_int_equal(fl_pow2_up(33), 64);
	assert_int_equal(fl_pow2_up(64), 64);
	assert_true(fl_is_pow2(1ull << 63));
	assert_false(fl_is_pow2(0));
	assert_false(fl_is_pow2(12));
	assert_int_equal(fl_iova_add(fl_iova(0x1000), 0x234).v, 0x1234);
}

static void test_time_goes_forward(void **state)
{
	uint64_t t = fl_now_ns(), c = fl_cycles();

	assert_true(fl_cycles_hz() > 1000000);
	assert_true(fl_now_ns() > t);
	assert_true(fl_cycles() > c);
}

static void test_log_level_and_sink(void **state)
{
	struct capture c = { 0 };
	struct fl_log log = { .write = capture_write, .arg = &c, .level = FL_LOG_WARN };

	fl_info(&log, "room", "not written");
	assert_int_equal(c.n, 0);
	fl_err(&log, "room", "value %d", 7);
	assert_int_equal(c.n, 1);
	assert_int_equal(c.level, FL_LOG_ERR);
	assert_string_equal(c.text, "room|value 7");
}

static void test_log_long_message_is_cut(void **state)
{
	struct capture c = { 0 };
	struct fl_log log = { .write = capture_write, .arg = &c, .level = FL_LOG_WARN };
	char big[1500];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	fl_warn(&log, "r", "%s", big);
	assert_int_equal(strlen(c.text), 2 + 1023);
}

static void test_log_default(void **state)
{
	struct capture c = { 0 };
	struct fl_log log = { .write = capture_write, .arg = &c, .level = FL_LOG_DEBUG };

	fl_log_set_default(&log);
	fl_debug(NULL, "r", "hello");
	fl_log_set_default(NULL);
	assert_int_equal(c.n, 1);
	assert_int_equal(fl_log_default()->level, FL_LOG_WARN);
}

static void test_mmio(void **state)
{
	uint32_t reg = 0;

	fl_mmio_write32(&reg, 5);
	assert_int_equal(fl_mmio_read32(&reg), 5);
	fl_mmio_write32_relaxed(&reg, 6);
	assert_int_equal(fl_mmio_read32(&reg), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_time_goes_forward),
		cmocka_unit_test(test_log_level_and_sink),
		cmocka_unit_test(test_log_long_message_is_cut),
		cmocka_unit_test(test_log_default),
		cmocka_unit_test(test_mmio),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
