// SPDX-License-Identifier: MIT
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "console/schema.h"

static void the_three_directories_are_where_libxl_has_them(void **state)
{
	struct console_path p;

	assert_string_equal(console_frontend_path(&p, 3, 1, NULL),
			    "/local/domain/3/device/console/1");
	assert_string_equal(console_frontend_path(&p, 3, 1, CONSOLE_FE_TTY),
			    "/local/domain/3/device/console/1/tty");
	assert_string_equal(console_backend_path(&p, 0, 3, 1, NULL),
			    "/local/domain/0/backend/console/3/1");
	assert_string_equal(
		console_backend_path(&p, 32751, 32751, 7, CONSOLE_BE_SIGNAL),
		"/local/domain/32751/backend/console/32751/7/"
		"xenchan/signal-client");
	assert_string_equal(console_libxl_path(&p, 3, 1, NULL),
			    "/libxl/3/device/console/1");
	assert_string_equal(console_backend_root(&p, 5),
			    "/local/domain/5/backend/console");
}

static void a_backend_path_is_taken_apart(void **state)
{
	struct console_backend_id id;

	assert_int_equal(
		console_parse_backend_path(
			"/local/domain/0/backend/console/12/3/state", &id),
		0);
	assert_int_equal(id.backend, 0);
	assert_int_equal(id.domid, 12);
	assert_int_equal(id.device, 3);
	assert_string_equal(id.key, "state");
	assert_int_equal(console_parse_backend_path(
				 "/local/domain/5/backend/console/12/0", &id),
			 0);
	assert_int_equal(id.backend, 5);
	assert_int_equal(id.device, 0);
	assert_string_equal(id.key, "");
	assert_int_equal(
		console_parse_frontend_path(
			"/local/domain/7/device/console/10/ring-ref", &id),
		0);
	assert_int_equal(id.domid, 7);
	assert_int_equal(id.device, 10);
	assert_string_equal(id.key, "ring-ref");
}

static void other_paths_are_not_taken_for_one(void **state)
{
	const char *const wrong[] = {
		"",
		"/",
		"/local/domain/0/backend/console",
		"/local/domain/0/backend/console/",
		"/local/domain/0/backend/console/1",
		"/local/domain/0/backend/console/1/",
		"/local/domain/0/backend/console/1/x",
		"/local/domain/0/backend/console/1/1x",
		"/local/domain/0/backend/console/01/1",
		"/local/domain/0/backend/console/-1/1",
		"/local/domain/0/backend/console/32752/1",
		"/local/domain/0/backend/console/4294967297/1",
		"/local/domain/0/backend/console/1/99999999999999999999",
		"/local/domain/0/backend/vif/1/1",
		"local/domain/0/backend/console/1/1",
		"@releaseDomain",
	};
	struct console_backend_id id;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(console_parse_backend_path(wrong[i], &id),
				 -EINVAL);
		assert_int_equal(console_parse_frontend_path(wrong[i], &id),
				 -EINVAL);
	}
}

static void states_are_one_digit(void **state)
{
	const char *const wrong[] = { "",   "9",  "-1", "+4",   "4 ",
				      " 4", "04", "44", "four", "4\n" };
	enum console_state s = CONSOLE_STATE_UNKNOWN;

	assert_int_equal(console_parse_state("4", &s), 0);
	assert_int_equal(s, CONSOLE_STATE_CONNECTED);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(console_parse_state(wrong[i], &s), -EINVAL);
	assert_int_equal(s, CONSOLE_STATE_CONNECTED);
	for (unsigned int i = 0; i < CONSOLE_STATE_N; i++) {
		assert_int_equal(
			console_parse_state(
				console_state_text((enum console_state)i), &s),
			0);
		assert_int_equal(s, i);
	}
	assert_string_equal(console_state_name(CONSOLE_STATE_CLOSED), "closed");
}

static void kinds_and_policies_are_exact_words(void **state)
{
	enum console_overflow o;
	enum console_kind k;

	assert_int_equal(console_parse_kind("pty", &k), 0);
	assert_int_equal(k, CONSOLE_PTY);
	assert_int_equal(console_parse_kind("socket", &k), 0);
	assert_int_equal(k, CONSOLE_SOCKET);
	assert_int_equal(console_parse_kind("", &k), -EINVAL);
	assert_int_equal(console_parse_kind("Pty", &k), -EINVAL);
	assert_int_equal(console_parse_kind("socket ", &k), -EINVAL);
	assert_int_equal(console_parse_overflow("drop-oldest", &o), 0);
	assert_int_equal(o, CONSOLE_DROP_OLDEST);
	assert_int_equal(console_parse_overflow("drop", &o), -EINVAL);
}

static void devices_are_one_to_seven(void **state)
{
	const char *const wrong[] = { "", "0", "8", "10", "01", "-1", "1/2" };
	unsigned int k;

	assert_int_equal(console_parse_device("1", &k), 0);
	assert_int_equal(k, 1);
	assert_int_equal(console_parse_device("7", &k), 0);
	assert_int_equal(k, 7);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(console_parse_device(wrong[i], &k), -EINVAL);
}

static void names_can_be_file_names(void **state)
{
	const char *const wrong[] = { "",    ".",      "..",
				      "a/b", "../etc", "new\nline",
				      "\t",  "\x7f",   "\x1b[2J" };
	char longest[CONSOLE_NAME_MAX + 2];

	assert_int_equal(console_check_name("org.example.agent"), 0);
	assert_int_equal(console_check_name("..."), 0);
	assert_int_equal(console_check_name("with space"), 0);
	assert_int_equal(console_check_name("\xc3\xa9t\xc3\xa9"), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(console_check_name(wrong[i]), -EINVAL);

	memset(longest, 'n', sizeof(longest));
	longest[CONSOLE_NAME_MAX + 1] = '\0';
	assert_int_equal(console_check_name(longest), -ENAMETOOLONG);
	longest[CONSOLE_NAME_MAX] = '\0';
	assert_int_equal(console_check_name(longest), 0);
}

static void socket_paths_are_absolute_and_plain(void **state)
{
	const char *const wrong[] = { "",    "a",     "/",      "//a",
				      "/a/", "/a//b", "/a/./b", "/a/../b",
				      "/..", "/a\n" };
	char longest[CONSOLE_SOCKET_MAX + 2];

	assert_int_equal(console_check_path("/run/x.sock", CONSOLE_SOCKET_MAX),
			 0);
	assert_int_equal(console_check_path("/a/...", CONSOLE_SOCKET_MAX), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(
			console_check_path(wrong[i], CONSOLE_SOCKET_MAX),
			-EINVAL);

	memset(longest, 'p', sizeof(longest));
	longest[0] = '/';
	longest[CONSOLE_SOCKET_MAX + 1] = '\0';
	assert_int_equal(console_check_path(longest, CONSOLE_SOCKET_MAX),
			 -ENAMETOOLONG);
	longest[CONSOLE_SOCKET_MAX] = '\0';
	assert_int_equal(console_check_path(longest, CONSOLE_SOCKET_MAX), 0);
}

static void modes_are_octal_permissions(void **state)
{
	const char *const wrong[] = { "",     "6",    "66",  "888",  "1777",
				      "4755", "-600", "0x1", "06000" };
	unsigned int m;

	assert_int_equal(console_parse_mode("660", &m), 0);
	assert_int_equal(m, 0660);
	assert_int_equal(console_parse_mode("0600", &m), 0);
	assert_int_equal(m, 0600);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(console_parse_mode(wrong[i], &m), -EINVAL);
}

static void ids_have_one_form(void **state)
{
	assert_int_equal(console_check_id("0123456789abcdef"), 0);
	assert_int_equal(console_check_id("0123456789abcde"), -EINVAL);
	assert_int_equal(console_check_id("0123456789ABCDEF"), -EINVAL);
	assert_int_equal(console_check_id("0123456789abcde/"), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			the_three_directories_are_where_libxl_has_them),
		cmocka_unit_test(a_backend_path_is_taken_apart),
		cmocka_unit_test(other_paths_are_not_taken_for_one),
		cmocka_unit_test(states_are_one_digit),
		cmocka_unit_test(kinds_and_policies_are_exact_words),
		cmocka_unit_test(devices_are_one_to_seven),
		cmocka_unit_test(names_can_be_file_names),
		cmocka_unit_test(socket_paths_are_absolute_and_plain),
		cmocka_unit_test(modes_are_octal_permissions),
		cmocka_unit_test(ids_have_one_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
