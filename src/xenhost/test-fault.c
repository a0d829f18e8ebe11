// SPDX-License-Identifier: MIT
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "board.h"

static struct domain_page page;

static int setup(void **state)
{
	memset(&page, 0, sizeof(page));
	return 0;
}

static void arm(enum fault_kind kind, uint32_t first, uint32_t last, int error)
{
	page.faults[page.n_faults++] = (struct fault){
		.kind = kind, .first = first, .last = last, .error = error
	};
}

static void test_the_nth_call_of_the_kind_fails(void **state)
{
	arm(FAULT_GNTTAB_MAP, 2, 2, ENOSPC);
	assert_int_equal(fault_check(&page, FAULT_GNTTAB_MAP, NULL), 0);
	assert_int_equal(fault_check(&page, FAULT_GNTSHR_SHARE, NULL), 0);
	assert_int_equal(fault_check(&page, FAULT_GNTTAB_MAP, NULL), ENOSPC);
	assert_int_equal(fault_check(&page, FAULT_GNTTAB_MAP, NULL), 0);
	assert_int_equal(page.faults[0].calls, 3);
}

static void test_any_counts_calls_of_every_kind(void **state)
{
	arm(FAULT_ANY, 2, UINT32_MAX, EIO);
	assert_int_equal(fault_check(&page, FAULT_EVTCHN_OPEN, NULL), 0);
	assert_int_equal(fault_check(&page, FAULT_GNTSHR_OPEN, NULL), EIO);
	assert_int_equal(fault_check(&page, FAULT_XS_READ, NULL), EIO);
}

static void test_the_first_of_two_names_the_errno(void **state)
{
	uint32_t delay_us;

	arm(FAULT_XS_READ, 1, 1, EAGAIN);
	arm(FAULT_XS_READ, 1, 1, ENOENT);
	page.faults[1].delay_us = 7;
	assert_int_equal(fault_check(&page, FAULT_XS_READ, &delay_us), EAGAIN);
	assert_int_equal(delay_us, 7);
}

static void test_a_scribbled_count_is_bounded(void **state)
{
	page.n_faults = UINT32_MAX;
	assert_int_equal(fault_check(&page, FAULT_XS_READ, NULL), 0);
}

static void test_each_kind_has_a_name_of_its_own(void **state)
{
	enum fault_kind kind;

	for (unsigned int k = 0; k < FAULT_KIND_N; k++) {
		assert_int_equal(fault_kind_parse(fault_kind_name(k), &kind),
				 0);
		assert_int_equal(kind, k);
	}
	assert_int_equal(fault_kind_parse("evtchn", &kind), -EINVAL);
	assert_string_equal(fault_kind_name(FAULT_KIND_N), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_the_nth_call_of_the_kind_fails,
				       setup),
		cmocka_unit_test_setup(test_any_counts_calls_of_every_kind,
				       setup),
		cmocka_unit_test_setup(test_the_first_of_two_names_the_errno,
				       setup),
		cmocka_unit_test_setup(test_a_scribbled_count_is_bounded,
				       setup),
		cmocka_unit_test_setup(test_each_kind_has_a_name_of_its_own,
				       setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
