// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cli/json.h"

static char *text;
static size_t size;

static struct json begin(void)
{
	return (struct json){ .out = open_memstream(&text, &size) };
}

static void assert_text(struct json *j, const char *expected)
{
	fclose(j->out);
	assert_string_equal(text, expected);
	free(text);
}

static void commas_stand_between_members_and_nowhere_else(void **state)
{
	struct json j = begin();

	json_open(&j, NULL, '[');
	json_open(&j, NULL, '{');
	json_number(&j, "a", UINT64_MAX);
	json_bool(&j, "b", false);
	json_close(&j, '}');
	json_open(&j, NULL, '{');
	json_close(&j, '}');
	json_null(&j, NULL);
	json_close(&j, ']');
	assert_text(&j, "[{\"a\":18446744073709551615,\"b\":false},{},null]");
}

static void text_is_quoted(void **state)
{
	struct json j = begin();

	json_string(&j, NULL, "\"\\\n\x7f/\xc3\xa9");
	assert_text(&j, "\"\\\"\\\\\\u000a\\u007f/\xc3\xa9\"");
}

static void bytes_that_are_no_text_are_replaced_one_by_one(void **state)
{
	static const char *const wrong[] = {
		"\xff", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct json j = begin();

		json_string(&j, NULL, wrong[i]);
		fclose(j.out);
		for (size_t k = 1; k + 1 < size; k += 6)
			assert_memory_equal(text + k, "\\ufffd", 6);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_stand_between_members_and_nowhere_else),
		cmocka_unit_test(text_is_quoted),
		cmocka_unit_test(
			bytes_that_are_no_text_are_replaced_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
