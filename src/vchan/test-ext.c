// SPDX-License-Identifier: MIT
/* The calls of <libxenvchan-ext.h>. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "libxenvchan-ext.h"
#include "vchan/test-open.h"
#include "xen/peer.h"

/* A bound against hanging, for a busy machine. */
#define LONG (INT64_C(60) * 1000000000)
#define MS INT64_C(1000000)

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd p = { fd, POLLIN, 0 };

	return poll(&p, 1, timeout_ms) == 1;
}

static void poll_tells_what_can_be_done(void **state)
{
	const int both = LIBXENVCHAN_IN | LIBXENVCHAN_OUT;
	static char fill[4096];

	assert_int_equal(libxenvchan_poll(server, both, 0), LIBXENVCHAN_OUT);
	assert_int_equal(libxenvchan_poll(server, LIBXENVCHAN_IN, 0), 0);
	assert_int_equal(libxenvchan_write(client, fill, 4096), 4096);
	assert_int_equal(libxenvchan_poll(server, both, 0), both);
	assert_int_equal(libxenvchan_poll(client, LIBXENVCHAN_OUT, 0), 0);
	assert_int_equal(libxenvchan_read(server, in, 1), 1);
	assert_int_equal(libxenvchan_poll(client, LIBXENVCHAN_OUT, 0),
			 LIBXENVCHAN_OUT);
}

static void half_close_is_an_end_in_one_direction(void **state)
{
	assert_int_equal(libxenvchan_write(client, "all", 3), 3);
	assert_int_equal(libxenvchan_shutdown(client), 0);
	assert_int_equal(libxenvchan_shutdown(client), 0);
	errno = 0;
	assert_int_equal(libxenvchan_write(client, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(libxenvchan_state(server), LIBXENVCHAN_FINISHED);
	assert_int_equal(libxenvchan_is_open(server), 0);
	assert_int_equal(libxenvchan_is_open(client), 1);
	assert_int_equal(libxenvchan_poll(server, LIBXENVCHAN_IN, 0),
			 LIBXENVCHAN_IN);
	assert_int_equal(libxenvchan_read(server, in, 10), 3);
	errno = 0;
	assert_int_equal(libxenvchan_read(server, in, 10), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(libxenvchan_poll(server, LIBXENVCHAN_IN, 0),
			 LIBXENVCHAN_FIN);
	/* The other direction goes on. */
	assert_int_equal(libxenvchan_write(server, "answer", 6), 6);
	assert_int_equal(libxenvchan_read(client, in, 10), 6);
	assert_int_equal(libxenvchan_state(client), LIBXENVCHAN_OPEN);
}

static void *finish_later(void *arg)
{
	usleep(20000);
	fake_host_set_domain(CLIENT);
	if (libxenvchan_shutdown(client))
		abort();
	return NULL;
}

static void half_close_wakes_a_blocked_reader(void **state)
{
	pthread_t t;

	server->blocking = 1;
	assert_int_equal(pthread_create(&t, NULL, finish_later, NULL), 0);
	fake_host_set_domain(SERVER);
	errno = 0;
	assert_int_equal(libxenvchan_read(server, in, 10), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(pthread_join(t, NULL), 0);
}

static void a_close_and_a_death_are_told_apart(void **state)
{
	leave(client, CLIENT);
	client = NULL;
	assert_int_equal(libxenvchan_state(server), LIBXENVCHAN_CLOSED);
	assert_int_equal(libxenvchan_poll(server, LIBXENVCHAN_IN, LONG),
			 LIBXENVCHAN_HUP);
	leave(server, SERVER);

	server = serve(0, 0);
	client = join();
	fake_host_kill_handles(CLIENT);
	assert_int_equal(libxenvchan_state(server), LIBXENVCHAN_DIED);
	leave(client, CLIENT);
	leave(server, SERVER);

	new_world();
	server = serve(0, 0);
	client = join();
	fake_host_kill_handles(SERVER);
	fake_host_set_domain(CLIENT);
	assert_int_equal(libxenvchan_state(client), LIBXENVCHAN_DIED);
	leave(client, CLIENT);
	leave(server, SERVER);
	client = server = NULL;
	fake_host_reset(); /* the killed server's nodes are still there */
}

static void *destroy_later(void *arg)
{
	usleep(20000);
	if (fake_host_destroy(*(unsigned int *)arg))
		abort();
	return NULL;
}

static void a_blocked_server_learns_of_the_end_of_the_domain(void **state)
{
	unsigned int who = CLIENT;
	pthread_t t;

	server->blocking = 1;
	assert_int_equal(libxenvchan_write(client, "x", 1), 1);
	assert_int_equal(pthread_create(&t, NULL, destroy_later, &who), 0);
	fake_host_set_domain(SERVER);
	assert_int_equal(libxenvchan_read(server, in, 1), 1);
	errno = 0;
	assert_int_equal(libxenvchan_read(server, in, 1), -1);
	assert_int_equal(errno, EHOSTDOWN);
	assert_int_equal(libxenvchan_state(server), LIBXENVCHAN_GONE);
	errno = 0;
	assert_int_equal(libxenvchan_write(server, "x", 1), -1);
	assert_int_equal(errno, EHOSTDOWN);
	assert_int_equal(pthread_join(t, NULL), 0);
}

static void a_blocked_client_learns_of_the_end_of_the_domain(void **state)
{
	unsigned int who = SERVER;
	pthread_t t;

	client->blocking = 1;
	assert_int_equal(pthread_create(&t, NULL, destroy_later, &who), 0);
	fake_host_set_domain(CLIENT);
	errno = 0;
	assert_int_equal(libxenvchan_read(client, in, 1), -1);
	assert_int_equal(errno, EHOSTDOWN);
	assert_int_equal(libxenvchan_is_open(client), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
}

static void a_descriptor_tells_of_the_end_of_the_domain(void **state)
{
	int fd = libxenvchan_event_fd(server), found = 0;

	assert_int_equal(libxenvchan_poll(server, LIBXENVCHAN_IN, 0), 0);
	assert_int_equal(fake_host_destroy(CLIENT), 0);
	fake_host_set_domain(SERVER);
	while (!found) {
		assert_true(is_readable(fd, 60000));
		found = libxenvchan_poll(server, LIBXENVCHAN_IN, 0);
	}
	assert_int_equal(found, LIBXENVCHAN_HUP);
	assert_int_equal(libxenvchan_state(server), LIBXENVCHAN_GONE);
}

/* A client's view some probes after the server's nodes were removed. */
static enum libxenvchan_state state_without_nodes(unsigned int domid)
{
	struct xs_handle *xs;

	server = libxenvchan_server_init(NULL, (int)domid, NAME, 0, 0);
	assert_non_null(server);
	fake_host_set_domain(domid);
	client = libxenvchan_client_init(NULL, SERVER, FULL_NAME);
	assert_non_null(client);
	fake_host_set_domain(SERVER);
	xs = xs_open(0);
	assert_true(xs_rm(xs, XBT_NULL, NAME "/ring-ref"));
	xs_close(xs);
	fake_host_set_domain(domid);
	for (int i = 0; i < 5; i++) {
		assert_true(libxenvchan_poll(client, LIBXENVCHAN_IN, 0) >= 0);
		usleep(130000);
	}
	return libxenvchan_state(client);
}

/* The server takes nodes for its own, and removes them, only if all are there. */
static void forget_vchan(unsigned int domid)
{
	leave(client, domid);
	leave(server, SERVER);
	client = server = NULL;
	fake_host_reset();
}

static void removed_nodes_are_no_end_to_domain_0(void **state)
{
	assert_int_equal(state_without_nodes(0), LIBXENVCHAN_OPEN);
	assert_int_equal(libxenvchan_write(server, "x", 1), 1);
	assert_int_equal(libxenvchan_read(client, in, 1), 1);
	forget_vchan(0);
}

static void removed_nodes_look_like_the_end_to_others(void **state)
{
	assert_int_equal(state_without_nodes(CLIENT), LIBXENVCHAN_GONE);
	forget_vchan(CLIENT);
}

static char *take_node(void)
{
	struct xs_handle *xs = xs_open(0);
	char *value = xs_read(xs, XBT_NULL, NAME "/ring-ref", NULL);

	assert_non_null(value);
	assert_true(xs_rm(xs, XBT_NULL, NAME "/ring-ref"));
	xs_close(xs);
	return value;
}

/* However often that is asked for. */
static void nodes_that_are_written_anew_are_no_end(void **state)
{
	int64_t start;
	bool was_slow;
	char *value;

	fake_host_set_domain(SERVER);
	value = take_node();
	fake_host_set_domain(CLIENT);
	start = clock_now_ns();
	for (int i = 0; i < 3; i++)
		assert_true(libxenvchan_poll(client, LIBXENVCHAN_IN, 0) >= 0);
	was_slow = clock_now_ns() - start >= XEN_PEER_PROBE_NS / 2;
	forge_node("ring-ref", value);
	free(value);
	fake_host_set_domain(CLIENT);
	if (was_slow) /* it has been away for long, then */
		return;
	assert_int_equal(libxenvchan_state(client), LIBXENVCHAN_OPEN);
	usleep(130000);
	assert_int_equal(libxenvchan_poll(client, LIBXENVCHAN_IN, 0), 0);
	assert_int_equal(libxenvchan_state(client), LIBXENVCHAN_OPEN);
}

static void many_vchans_ask_for_their_peer_as_often_as_one(void **state)
{
	struct libxenvchan *v[50];
	int64_t start = clock_now_ns(), elapsed;
	unsigned long probes;
	char path[32];

	fake_host_set_domain(SERVER);
	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "data/many-%d", i);
		v[i] = libxenvchan_server_init(NULL, CLIENT, path, 0, 0);
		assert_non_null(v[i]);
	}
	probes = fake_host_calls_in(SERVER, FAKE_BIND_INTERDOMAIN);
	do {
		for (int i = 0; i < 50; i++)
			assert_int_equal(
				libxenvchan_poll(v[i], LIBXENVCHAN_IN, 0), 0);
		elapsed = clock_now_ns() - start;
	} while (elapsed < 400 * MS);
	probes = fake_host_calls_in(SERVER, FAKE_BIND_INTERDOMAIN) - probes;
	/* Not more often than every 125 ms, however often they are called. */
	assert_in_range(probes, 1, elapsed / (125 * MS) + 1);
	for (int i = 0; i < 50; i++)
		libxenvchan_close(v[i]);
}

static void a_time_out_ends_every_blocking_call(void **state)
{
	static char fill[8192];

	server->blocking = 1;
	libxenvchan_set_timeout(server, 30 * MS);
	errno = 0;
	assert_int_equal(libxenvchan_read(server, in, 1), -1);
	assert_int_equal(errno, ETIMEDOUT);
	errno = 0;
	assert_int_equal(libxenvchan_recv(server, in, 1), -1);
	assert_int_equal(errno, ETIMEDOUT);
	/* What was moved counts; the next call has a time of its own. */
	assert_int_equal(libxenvchan_write(server, fill, 3000), 2048);
	assert_int_equal(libxenvchan_read(client, in, sizeof(in)), 2048);
	assert_int_equal(libxenvchan_write(server, fill, 3000), 2048);
	errno = 0;
	assert_int_equal(libxenvchan_write(server, fill, 1), -1);
	assert_int_equal(errno, ETIMEDOUT);
	errno = 0;
	assert_int_equal(libxenvchan_send(server, fill, 1), -1);
	assert_int_equal(errno, ETIMEDOUT);
	/* Two may be left from the start: of the bind, and of the connect. */
	for (int i = 0; i < 3 && !libxenvchan_wait(server); i++)
		errno = 0;
	assert_int_equal(errno, ETIMEDOUT);
	libxenvchan_set_timeout(server, LIBXENVCHAN_FOREVER);
}

static atomic_bool flooded_enough;

static void *flood(void *unused)
{
	fake_host_set_domain(CLIENT);
	while (!atomic_load(&flooded_enough))
		xenevtchn_notify(client->event, client->event_port);
	return NULL;
}

/* Before each look there is another event. */
static void events_without_end_do_not_put_off_a_time_out(void **state)
{
	pthread_t t;

	atomic_store(&flooded_enough, false);
	assert_int_equal(pthread_create(&t, NULL, flood, NULL), 0);
	fake_host_set_domain(SERVER);
	assert_int_equal(libxenvchan_poll(server, LIBXENVCHAN_IN, 300 * MS), 0);
	libxenvchan_set_timeout(server, 300 * MS);
	server->blocking = 1;
	errno = 0;
	assert_int_equal(libxenvchan_read(server, in, 1), -1);
	assert_int_equal(errno, ETIMEDOUT);
	errno = 0;
	assert_int_equal(libxenvchan_recv(server, in, 1), -1);
	assert_int_equal(errno, ETIMEDOUT);
	atomic_store(&flooded_enough, true);
	assert_int_equal(pthread_join(t, NULL), 0);
}

static void a_rearmed_server_is_like_new(void **state)
{
	for (int i = 0; i < 50; i++) {
		assert_int_equal(libxenvchan_write(client, "left over", 9), 9);
		assert_int_equal(libxenvchan_write(server, "unread", 6), 6);
		assert_int_equal(libxenvchan_shutdown(server), 0);
		errno = 0;
		assert_int_equal(libxenvchan_rearm(server), -1);
		assert_int_equal(errno, EISCONN);
		assert_int_equal(libxenvchan_state(client),
				 LIBXENVCHAN_FINISHED);
		leave(client, CLIENT);
		fake_host_set_domain(SERVER);
		assert_int_equal(libxenvchan_state(server), LIBXENVCHAN_CLOSED);
		assert_int_equal(libxenvchan_rearm(server), 0);
		assert_int_equal(libxenvchan_state(server),
				 LIBXENVCHAN_LISTENING);
		for (size_t j = 0; j < 4096; j++)
			assert_int_equal(((char *)server->read.buffer)[j], 0);
		client = join();
		assert_non_null(client);
		assert_int_equal(libxenvchan_read(client, in, 100), 0);
		assert_int_equal(libxenvchan_read(server, in, 100), 0);
		assert_int_equal(libxenvchan_write(server, "again", 5), 5);
		assert_int_equal(libxenvchan_read(client, in, 100), 5);
	}
}

/* It was between the two looks of libxenvchan_rearm() at its live byte. */
static void a_client_that_finds_the_door_closed_never_was_one(void **state)
{
	libxenvchan_close(client);
	client = NULL;
	assert_int_equal(libxenvchan_rearm(server), 0);
	server->blocking = 0;
	server->ring->cli_live = 1;
	assert_int_equal(libxenvchan_write(server, "hello", 5), 5);
	server->ring->cli_live = 2;
	assert_int_equal(libxenvchan_read(server, in, sizeof(in)), 0);
	assert_int_equal(libxenvchan_state(server), LIBXENVCHAN_LISTENING);
	client = join();
	assert_non_null(client);
	assert_int_equal(libxenvchan_read(client, in, sizeof(in)), 5);
}

static void a_client_that_is_in_sees_no_end_in_a_closed_door(void **state)
{
	server->ring->srv_live = 2;
	assert_int_equal(libxenvchan_state(client), LIBXENVCHAN_OPEN);
	assert_int_equal(libxenvchan_write(client, "hello", 5), 5);
	assert_null(join());
	assert_int_equal(errno, ECONNREFUSED);
	server->ring->srv_live = 1;
}

static void rearming_calls_nobody(void **state)
{
	unsigned long before;

	leave(client, CLIENT);
	client = NULL;
	fake_host_set_domain(SERVER);
	before = fake_host_calls(FAKE_ANY_CALL);
	assert_int_equal(libxenvchan_rearm(server), 0);
	assert_int_equal(fake_host_calls(FAKE_ANY_CALL), before);
}

static void a_broken_or_a_client_side_vchan(void **state)
{
	errno = 0;
	assert_int_equal(libxenvchan_rearm(client), -1);
	assert_int_equal(errno, EINVAL);
	/* A client that lied is gone once it has left, and so is its lie. */
	client->ring->left.prod = 9999;
	assert_int_equal(libxenvchan_read(server, in, 1), -1);
	assert_int_equal(libxenvchan_state(server), LIBXENVCHAN_CORRUPT);
	assert_int_equal(libxenvchan_poll(server, LIBXENVCHAN_IN, LONG), -1);
	assert_int_equal(errno, EPROTO);
	leave(client, CLIENT);
	fake_host_set_domain(SERVER);
	assert_int_equal(libxenvchan_rearm(server), 0);
	client = join();
	assert_non_null(client);
	assert_int_equal(libxenvchan_write(client, "x", 1), 1);
	assert_int_equal(libxenvchan_read(server, in, 1), 1);
}

#define A(name) cmocka_unit_test_setup_teardown(name, set_up_alone, tear_down)
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(poll_tells_what_can_be_done),
		T(half_close_is_an_end_in_one_direction),
		T(half_close_wakes_a_blocked_reader),
		T(a_close_and_a_death_are_told_apart),
		T(a_blocked_server_learns_of_the_end_of_the_domain),
		T(a_blocked_client_learns_of_the_end_of_the_domain),
		T(a_descriptor_tells_of_the_end_of_the_domain),
		A(removed_nodes_are_no_end_to_domain_0),
		A(removed_nodes_look_like_the_end_to_others),
		T(nodes_that_are_written_anew_are_no_end),
		T(many_vchans_ask_for_their_peer_as_often_as_one),
		T(a_time_out_ends_every_blocking_call),
		T(events_without_end_do_not_put_off_a_time_out),
		T(a_rearmed_server_is_like_new),
		T(a_client_that_finds_the_door_closed_never_was_one),
		T(a_client_that_is_in_sees_no_end_in_a_closed_door),
		T(rearming_calls_nobody),
		T(a_broken_or_a_client_side_vchan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
