// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cli/json.h"

static void assert_string(const char *s, const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	json_string(f, s);
	fclose(f);
	assert_string_equal(text, expected);
	free(text);
}

static void strings_are_quoted(void **state)
{
	assert_string("", "\"\"");
	assert_string("data/x", "\"data/x\"");
	assert_string(NULL, "null");
	assert_string("a\"b\\c", "\"a\\\"b\\\\c\"");
	assert_string("a\nb\x1b\x7f", "\"a\\u000ab\\u001b\\u007f\"");
}

static void utf8_passes(void **state)
{
	assert_string("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
		      "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

static void what_is_not_utf8_is_replaced(void **state)
{
	assert_string("\xff", "\"\\ufffd\"");
	assert_string("\xc3", "\"\\ufffd\"");
	assert_string("\xe2\x82", "\"\\ufffd\\ufffd\"");
	assert_string("\xc0\x80", "\"\\ufffd\\ufffd\"");
	assert_string("\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"");
	assert_string("\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
	assert_string("\xc3"
		      "a",
		      "\"\\ufffda\"");
}

static void counts_may_be_unknown(void **state)
{
	char text[32] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	json_count(f, 1024);
	json_count(f, -1);
	fclose(f);
	assert_string_equal(text, "1024null");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_are_quoted),
		cmocka_unit_test(utf8_passes),
		cmocka_unit_test(what_is_not_utf8_is_replaced),
		cmocka_unit_test(counts_may_be_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
