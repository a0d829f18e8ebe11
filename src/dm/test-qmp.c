// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "dm/qmp.h"

static struct qmp *q;
static struct dm_args args;
static char said[65536], path[] = "/run/a", no_path[] = "";

static int set_up(void **state)
{
	args = (struct dm_args){ .domid = 3, .n_channels = 2 };
	args.channels[0] = (struct dm_channel){ 1, CONSOLE_SOCKET, path };
	args.channels[1] = (struct dm_channel){ 2, CONSOLE_PTY, no_path };
	return qmp_new(&q, &args);
}

static int tear_down(void **state)
{
	qmp_free(q);
	q = NULL;
	return 0;
}

/* All that waits, sent in two pieces. */
static const char *listen_to(void)
{
	size_t n, half;
	const char *text = qmp_answer(q, &n);

	assert_true(n < sizeof(said));
	if (n)
		memcpy(said, text, n);
	said[n] = '\0';
	half = n / 2;
	if (half)
		qmp_sent(q, half);
	if (n)
		qmp_sent(q, n - half);
	assert_null(qmp_answer(q, &n));
	assert_int_equal(n, 0);
	return said;
}

/* One object; all of it is taken. */
static const char *ask(const char *text)
{
	size_t taken;

	assert_int_equal(qmp_feed(q, text, strlen(text), &taken), 0);
	assert_int_equal(taken, strlen(text));
	return listen_to();
}

static void negotiate(void)
{
	listen_to();
	assert_string_equal(ask("{\"execute\":\"qmp_capabilities\",\"id\":1}"),
			    "{\"return\":{},\"id\":1}\r\n");
}

static void greeting_names_version_as_qemu_does(void **state)
{
	assert_string_equal(
		listen_to(),
		"{\"QMP\":{\"version\":{\"qemu\":{\"micro\":0,\"minor\":2,"
		"\"major\":7},\"package\":\"xenchan-dm\"},"
		"\"capabilities\":[]}}\r\n");
}

static void negotiation_comes_first(void **state)
{
	listen_to();
	assert_non_null(strstr(ask("{\"execute\":\"query-chardev\"}"),
			       "CommandNotFound"));
}

static void channels_are_listed(void **state)
{
	negotiate();
	assert_string_equal(
		ask("{\"execute\":\"query-chardev\",\"id\":7}"),
		"{\"return\":[{\"label\":\"libxl-channel1\","
		"\"frontend-open\":false,"
		"\"filename\":\"disconnected:unix:/run/a,server=on\"},"
		"{\"label\":\"libxl-channel2\",\"frontend-open\":false,"
		"\"filename\":\"pty\"}],\"id\":7}\r\n");
}

static void it_runs(void **state)
{
	negotiate();
	assert_non_null(strstr(ask("{\"execute\":\"query-status\"}"),
			       "\"running\":true"));
}

static void unknown_commands_are_errors_with_their_id(void **state)
{
	negotiate();
	assert_string_equal(
		ask("{\"id\":{\"a\":[1]},\"execute\":\"quit\"}"),
		"{\"error\":{\"class\":\"CommandNotFound\",\"desc\":"
		"\"xenchan-dm does not know this\"},"
		"\"id\":{\"a\":[1]}}\r\n");
	assert_non_null(strstr(ask("{}"), "GenericError"));
	assert_non_null(strstr(ask("{\"execute\":1}"), "GenericError"));
	assert_non_null(strstr(ask("{\"execute\":null}"), "GenericError"));
}

static void command_may_come_byte_by_byte(void **state)
{
	const char *text = " \r\n{\"execute\":\"query-version\"}";
	size_t n, taken;

	negotiate();
	for (; *text; text++) {
		qmp_answer(q, &n);
		assert_int_equal(n, 0);
		assert_int_equal(qmp_feed(q, text, 1, &taken), 0);
		assert_int_equal(taken, 1);
	}
	assert_non_null(strstr(listen_to(), "\"major\":7"));
}

static void commands_in_one_piece_are_taken_one_by_one(void **state)
{
	const char *text = "{\"execute\":\"x\",\"id\":1}{\"execute\":\"x\"}";
	size_t taken;

	negotiate();
	assert_int_equal(qmp_feed(q, text, strlen(text), &taken), 0);
	assert_int_equal(taken, strlen("{\"execute\":\"x\",\"id\":1}"));
	assert_non_null(strstr(listen_to(), "\"id\":1"));
	assert_null(strstr(ask(text + taken), "\"id\""));
}

static int feed_all(const char *text, size_t n)
{
	while (n) {
		size_t taken, waiting;
		int r = qmp_feed(q, text, n, &taken);

		if (r)
			return r;
		text += taken;
		n -= taken;
		qmp_answer(q, &waiting);
		if (waiting)
			qmp_sent(q, waiting);
	}
	return 0;
}

static void what_is_no_object_is_refused(void **state)
{
	static const char *const all[] = { "[]",
					   "1",
					   "\"a\"",
					   "null",
					   "{\"a\"}",
					   "{]",
					   "{\"a\":\"\xff\"}",
					   "GET / HTTP/1.0" };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		tear_down(NULL);
		set_up(NULL);
		negotiate();
		assert_int_equal(feed_all(all[i], strlen(all[i])),
				 QMP_MALFORMED);
	}
	tear_down(NULL);
	set_up(NULL);
	negotiate();
	assert_int_equal(feed_all("\0", 1), QMP_MALFORMED);
}

static void object_has_a_largest_size(void **state)
{
	static char text[QMP_COMMAND_MAX * 2];

	negotiate();
	memset(text, 'a', sizeof(text));
	memcpy(text, "{\"a\":\"", 6);
	assert_int_equal(feed_all(text, sizeof(text)), QMP_MALFORMED);
}

static void object_has_a_largest_depth(void **state)
{
	char text[5 + 1000] = "{\"a\":";

	negotiate();
	memset(text + 5, '[', 1000);
	assert_int_equal(feed_all(text, sizeof(text)), QMP_MALFORMED);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(greeting_names_version_as_qemu_does),
		TEST(negotiation_comes_first),
		TEST(channels_are_listed),
		TEST(it_runs),
		TEST(unknown_commands_are_errors_with_their_id),
		TEST(command_may_come_byte_by_byte),
		TEST(commands_in_one_piece_are_taken_one_by_one),
		TEST(what_is_no_object_is_refused),
		TEST(object_has_a_largest_size),
		TEST(object_has_a_largest_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
