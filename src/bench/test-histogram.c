// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "bench/histogram.h"

static void an_empty_one_has_no_median(void **state)
{
	struct histogram h = { 0 };

	assert_int_equal(histogram_quantile(&h, 0.5), 0);
}

static void quantiles_count_values(void **state)
{
	struct histogram h = { 0 };

	for (unsigned int ns = 1; ns <= 60; ns++)
		histogram_add(&h, ns);
	assert_int_equal(histogram_quantile(&h, 0.5), 30);
	assert_int_equal(histogram_quantile(&h, 0.9), 54);
	assert_int_equal(histogram_quantile(&h, 1.0), 60);
	assert_int_equal(histogram_quantile(&h, 0.0), 1);
}

static void every_value_is_told_to_within_a_class(void **state)
{
	for (uint64_t ns = 1; ns < UINT64_C(1) << 40; ns += ns / 7 + 1) {
		struct histogram h = { 0 };
		uint64_t told;

		histogram_add(&h, ns);
		histogram_add(&h, ns + ns); /* so that max does not help */
		told = histogram_quantile(&h, 0.5);
		assert_true(told >= ns && told - ns <= ns / HISTOGRAM_SUB);
	}
}

static void what_is_too_long_is_in_the_last_class(void **state)
{
	struct histogram h = { 0 };

	histogram_add(&h, UINT64_MAX);
	assert_int_equal(h.classes[HISTOGRAM_N - 1], 1);
}

static void merging_adds(void **state)
{
	struct histogram a = { 0 }, b = { 0 };

	histogram_add(&a, 10);
	histogram_add(&b, 20);
	histogram_add(&b, 30);
	histogram_merge(&a, &b);
	assert_int_equal(a.n, 3);
	assert_int_equal(a.max, 30);
	assert_int_equal(histogram_quantile(&a, 0.5), 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one_has_no_median),
		cmocka_unit_test(quantiles_count_values),
		cmocka_unit_test(every_value_is_told_to_within_a_class),
		cmocka_unit_test(what_is_too_long_is_in_the_last_class),
		cmocka_unit_test(merging_adds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
