// SPDX-License-Identifier: MIT
/* libxenvchan_connect(): a client that may be there before its server. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/time.h>
#include <unistd.h>
#include <xentoollog.h>
#include <cmocka.h>

#include "libxenvchan-ext.h"
#include "vchan/test-open.h"

/* A bound against hanging, for a busy machine. */
#define LONG (INT64_C(60) * 1000000000)
#define MS INT64_C(1000000)

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, timeout_ms) == 1;
}

static void connect_client(void)
{
	fake_host_set_domain(CLIENT);
	client = libxenvchan_connect(NULL, SERVER, FULL_NAME);
	assert_non_null(client);
}

static void a_span_while_connecting(size_t min)
{
	struct iovec span[2];

	errno = 0;
	assert_int_equal(libxenvchan_reserve(client, span, min), -1);
	assert_int_equal(errno, ENOTCONN);
	errno = 0;
	assert_int_equal(libxenvchan_peek(client, span, min), -1);
	assert_int_equal(errno, ENOTCONN);
}

static void connecting_waits_for_the_server(void **state)
{
	connect_client();
	assert_int_equal(libxenvchan_state(client), LIBXENVCHAN_CONNECTING);
	assert_int_equal(libxenvchan_poll(client, LIBXENVCHAN_OUT, 0), 0);
	assert_int_equal(libxenvchan_poll(client, LIBXENVCHAN_OUT, 70 * MS), 0);
	errno = 0;
	assert_int_equal(libxenvchan_write(client, "x", 1), -1);
	assert_int_equal(errno, ENOTCONN);
	errno = 0;
	assert_int_equal(libxenvchan_read(client, in, 1), -1);
	assert_int_equal(errno, ENOTCONN);
	errno = 0;
	assert_int_equal(libxenvchan_wait(client), -1);
	assert_int_equal(errno, ENOTCONN);
	a_span_while_connecting(0);
	a_span_while_connecting(1);
	assert_int_equal(libxenvchan_fd_for_select(client), -1);
	assert_int_equal(libxenvchan_is_open(client), 2);

	server = serve(0, 0);
	fake_host_set_domain(CLIENT);
	assert_int_equal(libxenvchan_poll(client, LIBXENVCHAN_OUT, LONG),
			 LIBXENVCHAN_OUT);
	assert_int_equal(libxenvchan_state(client), LIBXENVCHAN_OPEN);
	assert_int_equal(libxenvchan_write(client, "x", 1), 1);
	assert_int_equal(libxenvchan_read(server, in, 1), 1);
}

static void a_descriptor_tells_of_the_server(void **state)
{
	int fd;

	connect_client();
	fd = libxenvchan_event_fd(client);
	assert_true(fd >= 0);
	assert_int_equal(libxenvchan_event_fd(client), fd);
	server = serve(0, 0);
	fake_host_set_domain(CLIENT);
	while (libxenvchan_state(client) == LIBXENVCHAN_CONNECTING) {
		assert_true(is_readable(fd, 60000));
		assert_true(libxenvchan_poll(client, 0, 0) >= 0);
	}
	/* And of what the server sends. */
	assert_int_equal(libxenvchan_poll(client, LIBXENVCHAN_IN, 0), 0);
	assert_int_equal(libxenvchan_write(server, "x", 1), 1);
	assert_true(is_readable(fd, 60000));
	assert_int_equal(libxenvchan_poll(client, LIBXENVCHAN_IN, 0),
			 LIBXENVCHAN_IN);
}

static void a_server_that_is_there_is_joined_at_once(void **state)
{
	server = serve(0, 0);
	connect_client();
	assert_int_equal(libxenvchan_state(client), LIBXENVCHAN_OPEN);
}

static void what_will_not_pass_ends_the_connecting(void **state)
{
	struct forged_server f;

	forge_server(&f, 9, 9, 0);
	connect_client();
	errno = 0;
	assert_int_equal(libxenvchan_poll(client, 0, LONG), -1);
	assert_int_equal(errno, EPROTO);
	unforge_server(&f);
	fake_host_set_domain(SERVER);
	struct xs_handle *xs = xs_open(0);
	assert_true(xs_rm(xs, XBT_NULL, NAME));
	xs_close(xs);
}

static unsigned int n_said;
static volatile sig_atomic_t n_alarms;

static void __attribute__((format(printf, 5, 0)))
count_line(struct xentoollog_logger *logger, xentoollog_level level, int err,
	   const char *context, const char *format, va_list al)
{
	n_said++;
}

/* In the public structure, of what has been given back. */
static void expect_nothing_left_over(void)
{
	assert_null(client->gnttab);
	assert_null(client->ring);
	assert_null(client->event);
	assert_int_equal(client->event_port, 0);
	assert_null(client->read.shr);
	assert_null(client->read.buffer);
	assert_null(client->write.shr);
	assert_null(client->write.buffer);
}

/* EACCES is also what a node that is not there yet gives: that is waited for. */
static void refuse_and_connect(enum fake_host_call kind)
{
	struct xentoollog_logger logger = { .vmessage = count_line };

	/* As often as it is tried, and once more for the logger each time. */
	for (unsigned int n = 1; n <= 4; n++)
		fake_host_fail_in(CLIENT, kind, n, EACCES);
	fake_host_set_domain(CLIENT);
	client = libxenvchan_connect(&logger, SERVER, FULL_NAME);
	assert_non_null(client);
	n_said = 0;
	errno = 0;
	assert_int_equal(libxenvchan_poll(client, LIBXENVCHAN_OUT, LONG), -1);
	assert_int_equal(errno, EACCES);
	assert_int_equal(n_said, 1);
	expect_nothing_left_over();
	fake_host_clear_faults();
	leave(client, CLIENT);
	client = NULL;
}

static void what_this_user_may_not_open_ends_the_connecting(void **state)
{
	refuse_and_connect(FAKE_XS_OPEN);
	server = serve(0, 0);
	refuse_and_connect(FAKE_GNTTAB_OPEN);
	refuse_and_connect(FAKE_EVTCHN_OPEN);
	refuse_and_connect(FAKE_NOTIFY);
}

static void on_alarm(int sig)
{
	n_alarms++;
}

static void interrupt_every_ms(int flags)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = flags };
	struct itimerval ms = { { 0, 1000 }, { 0, 1000 } };

	n_alarms = 0;
	assert_int_equal(sigaction(SIGALRM, &sa, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &ms, NULL), 0);
}

static void
connecting_is_interrupted_by_handlers_that_do_not_restart(void **state)
{
	struct itimerval never = { 0 };

	connect_client();
	interrupt_every_ms(SA_RESTART);
	assert_int_equal(libxenvchan_poll(client, LIBXENVCHAN_OUT, 70 * MS), 0);
	assert_true(n_alarms > 0);
	interrupt_every_ms(0);
	errno = 0;
	assert_int_equal(libxenvchan_poll(client, LIBXENVCHAN_OUT, LONG), -1);
	assert_int_equal(errno, EINTR);
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_DFL);
}

static void a_busy_server_is_waited_for(void **state)
{
	struct libxenvchan *first;

	server = serve(0, 0);
	server->server_persist = 1;
	first = join();
	assert_non_null(first);
	connect_client();
	assert_int_equal(libxenvchan_poll(client, LIBXENVCHAN_OUT, 60 * MS), 0);
	leave(first, CLIENT);
	fake_host_set_domain(CLIENT);
	assert_int_equal(libxenvchan_poll(client, LIBXENVCHAN_OUT, LONG),
			 LIBXENVCHAN_OUT);
}

#define A(name) cmocka_unit_test_setup_teardown(name, set_up_alone, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		A(connecting_waits_for_the_server),
		A(a_descriptor_tells_of_the_server),
		A(a_server_that_is_there_is_joined_at_once),
		A(what_will_not_pass_ends_the_connecting),
		A(what_this_user_may_not_open_ends_the_connecting),
		A(connecting_is_interrupted_by_handlers_that_do_not_restart),
		A(a_busy_server_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
