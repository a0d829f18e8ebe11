// SPDX-License-Identifier: MIT
/*
 * The example of xenvchan(7) is true: the test does what it tells, and
 * compares the shared page, after each step, with the bytes that the manual
 * shows for it. It is linked to our library, and once more to Xen's.
 *
 * usage: test-example xenvchan.7
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "libxenvchan.h"
#include "xenhost/fake/fake-host.h"

static FILE *manual;

/* One line of a dump, "0x010  0a 00 0b 00  02 01", against the page. */
static void compare_line(const char *line, const uint8_t *page)
{
	unsigned int at, byte;
	int used;

	if (sscanf(line, "%x%n", &at, &used) != 1)
		fail_msg("not a line of a dump: %s", line);
	for (line += used; sscanf(line, "%2x%n", &byte, &used) == 1;
	     line += used) {
		/* Ours sets bits there that the example leaves out. */
		if ((at == 22 || at == 23 ? page[at] & 3 : page[at]) != byte)
			fail_msg("offset 0x%03x is %02x, xenvchan(7): %02x", at,
				 page[at], byte);
		at++;
	}
}

/* The next display of the manual that shows bytes. */
static void page_is_as_shown_next(struct libxenvchan *ctrl)
{
	const uint8_t *page = (const uint8_t *)ctrl->ring;
	char line[256];
	int n_lines = 0;

	while (fgets(line, sizeof(line), manual)) {
		if (!strncmp(line, "0x", 2)) {
			compare_line(line, page);
			n_lines++;
		} else if (n_lines && !strncmp(line, ".Ed", 3)) {
			return;
		}
	}
	fail_msg("the manual shows fewer steps than the test makes");
}

static void go_to_examples(void)
{
	char line[256];

	while (fgets(line, sizeof(line), manual)) {
		if (!strcmp(line, ".Sh EXAMPLES\n"))
			return;
	}
	fail_msg("the manual has no examples");
}

static void the_example_is_true(void **state)
{
	struct libxenvchan *server, *client;
	char buf[80];

	go_to_examples();
	fake_host_reset();
	fake_host_create(1);
	fake_host_create(2);

	fake_host_set_domain(1);
	server = libxenvchan_server_init(NULL, 2, "data/vchan/7", 0, 0);
	assert_non_null(server);
	page_is_as_shown_next(server);

	fake_host_set_domain(2);
	client = libxenvchan_client_init(NULL, 1,
					 "/local/domain/1/data/vchan/7");
	assert_non_null(client);
	page_is_as_shown_next(server);

	assert_int_equal(libxenvchan_write(client, "hello", 5), 5);
	page_is_as_shown_next(server);

	fake_host_set_domain(1);
	assert_int_equal(libxenvchan_read(server, buf, sizeof(buf)), 5);
	page_is_as_shown_next(server);

	fake_host_kill_process(2, 0);
	page_is_as_shown_next(server);
	assert_int_equal(libxenvchan_read(server, buf, sizeof(buf)), -1);

	libxenvchan_close(server);
	fake_host_set_domain(2);
	libxenvchan_close(client);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_is_true),
	};

	manual = argc > 1 ? fopen(argv[1], "r") : NULL;
	if (!manual) {
		fprintf(stderr, "usage: %s xenvchan.7\n", argv[0]);
		return 2;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
