// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "xenhost/xenstored/path.h"
#include "xenhost/xenstored/perm.h"

/* prefix and then n times x */
static const char *long_path(const char *prefix, size_t n)
{
	static char path[XSD_PATH_BUF];
	size_t len = strlen(prefix);

	memcpy(path, prefix, len);
	memset(path + len, 'x', n);
	path[len + n] = '\0';
	return path;
}

static void paths_have_one_slash_between_names_and_none_at_the_end(void **state)
{
	assert_true(xsd_path_valid("/"));
	assert_true(xsd_path_valid("/a/B-9/_@"));
	assert_false(xsd_path_valid(""));
	assert_false(xsd_path_valid("a"));
	assert_false(xsd_path_valid("/a/"));
	assert_false(xsd_path_valid("//a"));
	assert_false(xsd_path_valid("/a b"));
	assert_false(xsd_path_valid("/a.b"));
	assert_false(xsd_path_valid("@releaseDomain"));
}

static void paths_may_have_2048_bytes_below_a_home(void **state)
{
	assert_true(xsd_path_valid(long_path("/", 2047)));
	assert_false(xsd_path_valid(long_path("/", 2048)));
	assert_true(xsd_path_valid(long_path("/local/domain/7/", 2048)));
	assert_false(xsd_path_valid(long_path("/local/domain/7/", 2049)));
	assert_true(xsd_path_valid(long_path("/local/domain/65535/", 2048)));
	/* not a home: six digits, or none */
	assert_false(xsd_path_valid(long_path("/local/domain/123456/", 2048)));
	assert_false(xsd_path_valid(long_path("/local/domain/x/", 2048)));
}

static void relative_paths_start_at_home(void **state)
{
	char out[XSD_PATH_BUF];

	xsd_path_absolute(7, "data/x", out);
	assert_string_equal(out, "/local/domain/7/data/x");
	xsd_path_absolute(7, "/data/x", out);
	assert_string_equal(out, "/data/x");
	xsd_path_absolute(7, "@introduceDomain", out);
	assert_string_equal(out, "@introduceDomain");
}

static void the_parent_is_a_prefix(void **state)
{
	assert_int_equal(xsd_path_parent_len("/a/b", 4), 2);
	assert_int_equal(xsd_path_parent_len("/a", 2), 1);
	assert_int_equal(xsd_path_parent_len("/", 1), 1);
	assert_string_equal(xsd_path_leaf("/a/b"), "b");
}

static void permissions_are_a_letter_and_a_number(void **state)
{
	struct xenstored_perm p[4];
	char text[XSD_PERM_TEXT];

	assert_int_equal(xsd_perms_parse("n0\0r1\0w2\0b0x1f", p, 4), 0);
	assert_int_equal(p[0].bits, XENSTORED_PERM_NONE);
	assert_int_equal(p[1].bits, XENSTORED_PERM_READ);
	assert_int_equal(p[2].bits, XENSTORED_PERM_WRITE);
	assert_int_equal(p[3].bits, XENSTORED_PERM_READ | XENSTORED_PERM_WRITE);
	assert_int_equal(p[3].domid, 31);
	assert_int_equal(xsd_perm_format(&p[3], text), 4);
	assert_string_equal(text, "b31");
}

static void other_permissions_are_refused(void **state)
{
	static const char *const bad[] = { "", "r", "x1", "r1x", "1", "rr" };
	struct xenstored_perm p;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_not_equal(xsd_perms_parse(bad[i], &p, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			paths_have_one_slash_between_names_and_none_at_the_end),
		cmocka_unit_test(paths_may_have_2048_bytes_below_a_home),
		cmocka_unit_test(relative_paths_start_at_home),
		cmocka_unit_test(the_parent_is_a_prefix),
		cmocka_unit_test(permissions_are_a_letter_and_a_number),
		cmocka_unit_test(other_permissions_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
