// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/parse.h"

static void numbers_are_taken_whole_or_not_at_all(void **state)
{
	static const char *const bad[] = { "",   " 1",  "1 ",  "+1", "-1",
					   "1x", "0x1", "1\n", "one" };
	uint64_t v = 7;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(parse_u64(bad[i], UINT64_MAX, &v), -EINVAL);
	assert_int_equal(v, 7);
	assert_int_equal(parse_u64("0042", UINT64_MAX, &v), 0);
	assert_int_equal(v, 42);
}

static void numbers_beyond_the_limit_are_refused(void **state)
{
	uint64_t v;
	uint32_t w;

	assert_int_equal(parse_u64("18446744073709551615", UINT64_MAX, &v), 0);
	assert_true(v == UINT64_MAX);
	assert_int_equal(parse_u64("18446744073709551616", UINT64_MAX, &v),
			 -ERANGE);
	assert_int_equal(parse_u32("4294967295", UINT32_MAX, &w), 0);
	assert_int_equal(w, UINT32_MAX);
	assert_int_equal(parse_u32("4294967296", UINT32_MAX, &w), -ERANGE);
	assert_int_equal(parse_u32("11", 10, &w), -ERANGE);
}

static void domain_ids_stop_below_the_reserved_ones(void **state)
{
	unsigned int d;

	assert_int_equal(parse_domid("32751", &d), 0);
	assert_int_equal(d, 32751);
	assert_int_equal(parse_domid("32752", &d), -ERANGE);
	assert_int_equal(parse_domid("dom1", &d), -EINVAL);
}

static void sizes_take_binary_suffixes(void **state)
{
	uint64_t v;

	assert_int_equal(parse_size("64K", UINT64_MAX, &v), 0);
	assert_int_equal(v, 65536);
	assert_int_equal(parse_size("1M", 1 << 20, &v), 0);
	assert_int_equal(v, 1 << 20);
	assert_int_equal(parse_size("2M", 1 << 20, &v), -ERANGE);
	assert_int_equal(parse_size("99999999999G", UINT64_MAX, &v), -ERANGE);
	assert_int_equal(parse_size("1k", UINT64_MAX, &v), -EINVAL);
	assert_int_equal(parse_size("K", UINT64_MAX, &v), -EINVAL);
}

static void durations_are_seconds_unless_they_say_otherwise(void **state)
{
	uint64_t v;

	assert_int_equal(parse_duration_ns("2", UINT64_MAX, &v), 0);
	assert_true(v == 2000000000u);
	assert_int_equal(parse_duration_ns("250ms", UINT64_MAX, &v), 0);
	assert_true(v == 250000000u);
	assert_int_equal(parse_duration_ns("1m", UINT64_MAX, &v), 0);
	assert_true(v == 60000000000u);
	assert_int_equal(parse_duration_ns("1h", UINT64_MAX, &v), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_taken_whole_or_not_at_all),
		cmocka_unit_test(numbers_beyond_the_limit_are_refused),
		cmocka_unit_test(domain_ids_stop_below_the_reserved_ones),
		cmocka_unit_test(sizes_take_binary_suffixes),
		cmocka_unit_test(
			durations_are_seconds_unless_they_say_otherwise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
