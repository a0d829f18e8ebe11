// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/progress.h"

static void assert_bytes(uint64_t n, const char *expected)
{
	char text[32];

	assert_string_equal(format_bytes(text, sizeof(text), n), expected);
}

static void bytes_are_shown_in_the_unit_that_fits(void **state)
{
	assert_bytes(0, "0 B");
	assert_bytes(1023, "1023 B");
	assert_bytes(1024, "1.0 KiB");
	assert_bytes(1536 * 1024, "1.5 MiB");
	assert_bytes(UINT64_C(3) << 40, "3.0 TiB");
	assert_bytes(UINT64_MAX, "16384.0 PiB");
}

static void what_is_off_says_nothing(void **state)
{
	struct progress p;

	progress_start(&p, false);
	progress_note(&p, "%s", "not to be seen");
	progress_show(&p, 1, 2);
	progress_end(&p, 1, 2);
	assert_false(p.on);
	assert_int_equal(p.shown_ns, 0);
}

static void the_line_is_not_rewritten_all_the_time(void **state)
{
	struct progress p;
	int64_t shown_ns;

	progress_start(&p, true);
	progress_show(&p, 1, 2);
	shown_ns = p.shown_ns;
	assert_true(shown_ns >= p.start_ns);
	for (int i = 0; i < 100; i++)
		progress_show(&p, 1, 2);
	/* Unless a hundred calls take longer than the interval. */
	assert_true(p.shown_ns == shown_ns ||
		    p.shown_ns - shown_ns >= PROGRESS_INTERVAL_MS * 1000000);
	progress_end(&p, 1, 2);
	assert_false(p.on);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_shown_in_the_unit_that_fits),
		cmocka_unit_test(what_is_off_says_nothing),
		cmocka_unit_test(the_line_is_not_rewritten_all_the_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
