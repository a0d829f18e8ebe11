// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/nearest.h"

static void a_typing_error_costs_one(void **state)
{
	assert_int_equal(name_distance("listen", "listen"), 0);
	assert_int_equal(name_distance("lisen", "listen"), 1);
	assert_int_equal(name_distance("listten", "listen"), 1);
	assert_int_equal(name_distance("lister", "listen"), 1);
	assert_int_equal(name_distance("lisetn", "listen"), 1);
	assert_int_equal(name_distance("", "listen"), 6);
}

static void beginnings_and_typing_errors_are_near(void **state)
{
	assert_true(name_is_near("conn", "connect"));
	assert_true(name_is_near("conect", "connect"));
	assert_true(name_is_near("vchan lsiten", "vchan listen"));
	assert_false(name_is_near("listen", "connect"));
	assert_false(name_is_near("", "connect"));
}

static void long_names_are_compared_by_their_beginning(void **state)
{
	char a[200], b[200];

	for (size_t i = 0; i < sizeof(a); i++)
		a[i] = b[i] = 'x';
	a[199] = b[199] = '\0';
	b[100] = 'y';
	assert_int_equal(name_distance(a, b), 0);
	b[10] = 'y';
	assert_int_equal(name_distance(a, b), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_typing_error_costs_one),
		cmocka_unit_test(beginnings_and_typing_errors_are_near),
		cmocka_unit_test(long_names_are_compared_by_their_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
