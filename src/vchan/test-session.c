// SPDX-License-Identifier: MIT
/* A server, with server_persist and without, and its clients in turn. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/time.h>
#include <cmocka.h>

#include "libxenvchan-ext.h"
#include "vchan/test-pair.h"

static struct libxenvchan *server, *client;
static char in[4096];

static int set_up(void **state)
{
	new_world();
	server = serve(1024, 2048);
	if (!server)
		return -1;
	server->server_persist = 1;
	return 0;
}

static int tear_down(void **state)
{
	leave(client, CLIENT);
	leave(server, SERVER);
	client = server = NULL;
	return fake_host_live_total(FAKE_HOST_ANY_DOMAIN) ? -1 : 0;
}

static void come(void)
{
	client = join();
	assert_non_null(client);
}

static void go(void)
{
	leave(client, CLIENT);
	client = NULL;
	fake_host_set_domain(SERVER);
}

static void it_is_open_whatever_its_clients_do(void **state)
{
	assert_int_equal(libxenvchan_is_open(server), 1);
	come();
	assert_int_equal(libxenvchan_is_open(server), 1);
	go();
	assert_int_equal(libxenvchan_is_open(server), 1);
}

static void many_clients_are_served_in_turn(void **state)
{
	for (int i = 0; i < 100; i++) {
		come();
		assert_int_equal(libxenvchan_write(client, "question", 8), 8);
		assert_int_equal(libxenvchan_read(server, in, 100), 8);
		assert_int_equal(libxenvchan_write(server, "answer", 6), 6);
		assert_int_equal(libxenvchan_read(client, in, 100), 6);
		go();
	}
}

static void what_a_client_sent_before_it_left_is_read(void **state)
{
	come();
	assert_int_equal(libxenvchan_write(client, "last words", 10), 10);
	go();
	assert_int_equal(libxenvchan_is_open(server), 1);
	assert_int_equal(libxenvchan_read(server, in, 100), 10);
	assert_memory_equal(in, "last words", 10);
}

static void what_is_written_between_two_clients_is_for_the_next(void **state)
{
	come();
	assert_int_equal(libxenvchan_write(server, "unread", 6), 6);
	assert_int_equal(libxenvchan_write(client, "unread too", 10), 10);
	go();
	for (int i = 0; i < 3; i++)
		assert_int_equal(libxenvchan_is_open(server), 1);
	assert_int_equal(libxenvchan_write(server, "wel", 3), 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(libxenvchan_is_open(server), 1);
	assert_int_equal(libxenvchan_write(server, "come", 4), 4);
	come();
	assert_int_equal(libxenvchan_read(client, in, 100), 7);
	assert_memory_equal(in, "welcome", 7);
}

static void a_killed_client_makes_room_for_the_next(void **state)
{
	come();
	assert_int_equal(libxenvchan_write(server, "unread", 6), 6);
	fake_host_kill_handles(CLIENT);
	fake_host_set_domain(SERVER);
	assert_int_equal(libxenvchan_is_open(server), 1);
	leave(client, CLIENT);
	fake_host_set_process(CLIENT, 1);
	client = libxenvchan_client_init(NULL, SERVER, FULL_NAME);
	assert_non_null(client);
	assert_int_equal(libxenvchan_read(client, in, 100), 0);
	assert_int_equal(libxenvchan_write(server, "hello", 5), 5);
	assert_int_equal(libxenvchan_read(client, in, 100), 5);
}

static void the_end_of_one_clients_stream_is_not_the_next_ones(void **state)
{
	come();
	assert_int_equal(libxenvchan_write(client, "x", 1), 1);
	assert_int_equal(libxenvchan_shutdown(client), 0);
	assert_int_equal(libxenvchan_read(server, in, 100), 1);
	assert_int_equal(libxenvchan_read(server, in, 100), -1);
	assert_int_equal(errno, EPIPE);
	go();
	assert_int_equal(libxenvchan_read(server, in, 100), 0);
	assert_int_equal(libxenvchan_recv(server, in, 100), 0);
	come();
	assert_int_equal(libxenvchan_read(server, in, 100), 0);
	assert_int_equal(libxenvchan_write(client, "y", 1), 1);
	assert_int_equal(libxenvchan_read(server, in, 100), 1);
}

static void consumed_bytes_do_not_stay_in_the_ring(void **state)
{
	come();
	assert_int_equal(libxenvchan_write(client, "secret", 6), 6);
	assert_int_equal(libxenvchan_read(server, in, 100), 6);
	for (size_t i = 0; i < 1024; i++)
		assert_int_equal(((char *)server->read.buffer)[i], 0);
}

static void a_client_that_came_unseen_finds_no_byte_of_the_last(void **state)
{
	come();
	assert_int_equal(libxenvchan_write(client, "x", 1), 1);
	assert_int_equal(libxenvchan_read(server, in, 1), 1);
	assert_int_equal(libxenvchan_write(server, "secret", 6), 6);
	assert_int_equal(libxenvchan_is_open(server), 1);
	leave(client, CLIENT);
	come(); /* before the server has looked */
	fake_host_set_domain(SERVER);
	assert_int_equal(libxenvchan_is_open(server), 1);
	assert_int_equal(libxenvchan_read(client, in, 100), 6);
	assert_memory_equal(in, "\0\0\0\0\0\0", 6);
}

static void without_persist_it_is_closed_between_two_clients(void **state)
{
	server->server_persist = 0;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(libxenvchan_is_open(server), i ? 0 : 2);
		come();
		assert_int_equal(libxenvchan_is_open(server), 1);
		assert_int_equal(libxenvchan_read(client, in, 100), 0);
		assert_int_equal(libxenvchan_write(client, "question", 8), 8);
		assert_int_equal(libxenvchan_write(server, "unread", 6), 6);
		go();
		assert_int_equal(libxenvchan_read(server, in, 100), 8);
		assert_int_equal(libxenvchan_read(server, in, 100), -1);
		assert_int_equal(errno, EPIPE);
		assert_int_equal(libxenvchan_write(server, "x", 1), -1);
		assert_int_equal(errno, EPIPE);
	}
}

static void ignore(int sig)
{
	(void)sig;
}

/* As a program that takes the events by itself, and misses what they say. */
static void drop_events(void)
{
	struct pollfd p = { libxenvchan_fd_for_select(server), POLLIN, 0 };

	while (poll(&p, 1, 0) == 1)
		xenevtchn_unmask(
			server->event,
			(evtchn_port_t)xenevtchn_pending(server->event));
}

/* -1 if it would have slept, and a signal woke it */
static int wait_or_be_woken(void)
{
	struct sigaction sa = { .sa_handler = ignore };
	struct itimerval soon = { { 0, 20000 }, { 0, 20000 } }, never = { 0 };
	int r;

	assert_int_equal(sigaction(SIGALRM, &sa, NULL), 0);
	setitimer(ITIMER_REAL, &soon, NULL);
	r = libxenvchan_wait(server);
	setitimer(ITIMER_REAL, &never, NULL);
	return r;
}

static void without_persist_wait_tells_once_that_the_client_left(void **state)
{
	server->server_persist = 0;
	for (int i = 0; i < 3; i++) {
		come();
		assert_int_equal(libxenvchan_is_open(server), 1);
		go();
		drop_events();
		assert_int_equal(libxenvchan_wait(server), 0);
		assert_int_equal(libxenvchan_is_open(server), 0);
		assert_int_equal(wait_or_be_woken(), -1);
		assert_int_equal(errno, EINTR);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(it_is_open_whatever_its_clients_do),
		T(many_clients_are_served_in_turn),
		T(what_a_client_sent_before_it_left_is_read),
		T(what_is_written_between_two_clients_is_for_the_next),
		T(a_killed_client_makes_room_for_the_next),
		T(the_end_of_one_clients_stream_is_not_the_next_ones),
		T(consumed_bytes_do_not_stay_in_the_ring),
		T(a_client_that_came_unseen_finds_no_byte_of_the_last),
		T(without_persist_it_is_closed_between_two_clients),
		T(without_persist_wait_tells_once_that_the_client_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
