// SPDX-License-Identifier: MIT
/*
 * A session of the proxy, step by step: the test is the local program at one
 * end of a socket, and the client of the vchan, in one thread.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include <xenstore.h>

#include "cli/proxy-relay.h"
#include "xenhost/fake/fake-host.h"

#define SERVER 1
#define CLIENT 2
#define NAME "data/vchan/relay"
#define RING 4096

static struct libxenvchan *server, *client;
static struct proxy_relay *relay;
static int local, relays; /* the two ends of the socket */
static char block[RING], got[1 << 20];

static void write_node(const char *path, const char *value)
{
	struct xs_handle *xs = xs_open(0);

	assert_true(xs_write(xs, 0, path, value, (unsigned int)strlen(value)));
	xs_close(xs);
}

static int set_up(void **state)
{
	int fds[2];

	fake_host_reset();
	fake_host_create(SERVER);
	fake_host_create(CLIENT);
	fake_host_set_domain(0);
	write_node("/local/domain/1/domid", "1");
	write_node("/local/domain/2/domid", "2");
	fake_host_set_domain(SERVER);
	write_node("data/vchan", "");
	server = libxenvchan_server_init(NULL, CLIENT, NAME, RING, RING);
	fake_host_set_domain(CLIENT);
	client = libxenvchan_client_init(NULL, SERVER, "/local/domain/1/" NAME);
	assert_non_null(client);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	local = fds[0];
	relays = fds[1];
	relay = malloc(sizeof(*relay));
	proxy_relay_begin(relay, server, relays, relays, false);
	memset(block, 'b', sizeof(block));
	return 0;
}

static void close_local(void)
{
	if (local >= 0)
		close(local);
	local = -1;
}

static void close_client(void)
{
	fake_host_set_domain(CLIENT);
	libxenvchan_close(client);
	client = NULL;
}

static int tear_down(void **state)
{
	close_client();
	fake_host_set_domain(SERVER);
	libxenvchan_close(server);
	close_local();
	close(relays);
	free(relay);
	return 0;
}

/* As the owner does, as long as there is more to do at once. */
static enum proxy_relay_result step(void)
{
	enum proxy_relay_result r;

	fake_host_set_domain(SERVER);
	do {
		proxy_relay_take_event(relay);
		r = proxy_relay_step(relay);
	} while (r == PROXY_RELAY_GOES_ON && relay->again);
	fake_host_set_domain(CLIENT);
	return r;
}

static void goes_on(void)
{
	assert_int_equal(step(), PROXY_RELAY_GOES_ON);
}

static void both_directions_move(void **state)
{
	struct proxy_relay_wish w;

	goes_on();
	w = proxy_relay_wish(relay);
	assert_true(w.vchan);
	assert_int_equal(w.in, POLLIN);
	assert_int_equal(w.out, -1);
	assert_int_equal(write(local, "up", 2), 2);
	assert_int_equal(libxenvchan_write(client, "down", 4), 4);
	goes_on();
	assert_int_equal(libxenvchan_read(client, got, 10), 2);
	assert_int_equal(read(local, got, 10), 4);
	assert_int_equal(relay->moved, 6);
}

static void each_end_is_passed_on(void **state)
{
	assert_int_equal(write(local, "up", 2), 2);
	assert_int_equal(shutdown(local, SHUT_WR), 0);
	goes_on();
	assert_int_equal(libxenvchan_read(client, got, 10), 2);
	assert_int_equal(libxenvchan_read(client, got, 10), -1);
	assert_int_equal(libxenvchan_state(client), LIBXENVCHAN_FINISHED);
	/* It is not asked for more, and the other direction goes on. */
	assert_int_equal(proxy_relay_wish(relay).in, -1);
	assert_int_equal(libxenvchan_write(client, "down", 4), 4);
	goes_on();
	assert_int_equal(libxenvchan_shutdown(client), 0);
	assert_int_equal(step(), PROXY_RELAY_DONE);
	assert_int_equal(read(local, got, 10), 4);
	assert_int_equal(read(local, got, 10), 0);
}

static void the_peers_end_comes_first(void **state)
{
	assert_int_equal(libxenvchan_write(client, "down", 4), 4);
	assert_int_equal(libxenvchan_shutdown(client), 0);
	goes_on();
	assert_int_equal(read(local, got, 10), 4);
	assert_int_equal(read(local, got, 10), 0);
	assert_int_equal(write(local, "late", 4), 4);
	goes_on();
	assert_int_equal(libxenvchan_read(client, got, 10), 4);
	assert_int_equal(shutdown(local, SHUT_WR), 0);
	assert_int_equal(step(), PROXY_RELAY_DONE);
}

static void a_close_delivers_what_came_before(void **state)
{
	assert_int_equal(libxenvchan_write(client, "last", 4), 4);
	assert_int_equal(shutdown(local, SHUT_WR), 0);
	close_client();
	assert_int_equal(step(), PROXY_RELAY_DONE);
	assert_int_equal(read(local, got, 10), 4);
}

static void a_close_before_all_was_taken_is_told(void **state)
{
	assert_int_equal(write(local, "up", 2), 2);
	goes_on();
	close_client();
	assert_int_equal(step(), PROXY_RELAY_UNDELIVERED);
}

static void a_close_ends_a_local_end_that_has_not(void **state)
{
	goes_on();
	close_client();
	assert_int_equal(step(), PROXY_RELAY_DONE);
}

static void a_killed_peer_is_told(void **state)
{
	goes_on();
	fake_host_kill_process(CLIENT, 0);
	assert_int_equal(step(), PROXY_RELAY_PEER_DIED);
}

static void a_peer_that_breaks_the_protocol_ends_the_session(void **state)
{
	goes_on();
	client->ring->left.prod += 2 * RING;
	assert_int_equal(step(), PROXY_RELAY_FAILED);
	assert_int_equal(relay->error, EPROTO);
}

/* Nobody reads at the far end: no more is taken than fits. */
static void a_stuck_peer_stops_the_local_end(void **state)
{
	ssize_t n, sent = 0;

	while ((n = write(local, block, sizeof(block))) > 0) {
		sent += n;
		goes_on();
	}
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(proxy_relay_wish(relay).in, -1);
	assert_true(proxy_relay_wish(relay).vchan);
	while ((n = libxenvchan_read(client, got, sizeof(got))) > 0) {
		sent -= n;
		goes_on();
	}
	assert_int_equal(sent, 0);
	assert_int_equal(proxy_relay_wish(relay).in, POLLIN);
}

static void a_stuck_local_end_stops_the_peer(void **state)
{
	ssize_t n, sent = 0;

	while ((n = libxenvchan_write(client, block, sizeof(block))) > 0) {
		sent += n;
		goes_on();
	}
	assert_int_equal(proxy_relay_wish(relay).out, POLLOUT);
	/* It does not hold up the other direction. */
	assert_int_equal(write(local, "up", 2), 2);
	goes_on();
	assert_int_equal(libxenvchan_read(client, got, 10), 2);
	while ((n = read(local, got, sizeof(got))) > 0) {
		sent -= n;
		goes_on();
	}
	assert_int_equal(sent, 0);
}

static void what_a_client_sent_before_it_went_arrives(void **state)
{
	assert_int_equal(write(local, "up", 2), 2);
	close_local();
	assert_int_equal(libxenvchan_write(client, "down", 4), 4);
	goes_on();
	proxy_relay_hung_up(relay);
	goes_on();
	assert_int_equal(libxenvchan_read(client, got, 10), 2);
	/* The peer has taken all, and has not been heard. */
	assert_int_equal(step(), PROXY_RELAY_REFUSED);
}

static void a_peer_without_half_close_gets_a_close(void **state)
{
	proxy_relay_begin(relay, server, relays, relays, true);
	assert_int_equal(write(local, "up", 2), 2);
	assert_int_equal(shutdown(local, SHUT_WR), 0);
	goes_on();
	assert_int_equal(libxenvchan_write(client, "down", 4), 4);
	goes_on();
	assert_int_equal(libxenvchan_read(client, got, 10), 2);
	assert_int_equal(libxenvchan_state(client), LIBXENVCHAN_OPEN);
	assert_int_equal(step(), PROXY_RELAY_DONE);
	assert_int_equal(read(local, got, 10), 4);
}

static void whether_it_knows_half_close_is_found_out(void **state)
{
	/* What a client of Xen's library stores there. */
	client->ring->srv_notify = VCHAN_NOTIFY_WRITE;
	assert_int_equal(shutdown(local, SHUT_WR), 0);
	assert_int_equal(step(), PROXY_RELAY_DONE);
}

static void a_pipe_is_closed_at_its_end(void **state)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	proxy_relay_begin(relay, server, relays, fds[1], false);
	assert_int_equal(libxenvchan_write(client, "down", 4), 4);
	assert_int_equal(libxenvchan_shutdown(client), 0);
	goes_on();
	assert_int_equal(relay->out, -1);
	assert_int_equal(read(fds[0], got, 10), 4);
	assert_int_equal(read(fds[0], got, 10), 0);
	close(fds[0]);
}

#define WITH(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(both_directions_move),
		WITH(each_end_is_passed_on),
		WITH(the_peers_end_comes_first),
		WITH(a_close_delivers_what_came_before),
		WITH(a_close_before_all_was_taken_is_told),
		WITH(a_close_ends_a_local_end_that_has_not),
		WITH(a_killed_peer_is_told),
		WITH(a_peer_that_breaks_the_protocol_ends_the_session),
		WITH(a_stuck_peer_stops_the_local_end),
		WITH(a_stuck_local_end_stops_the_peer),
		WITH(what_a_client_sent_before_it_went_arrives),
		WITH(a_peer_without_half_close_gets_a_close),
		WITH(whether_it_knows_half_close_is_found_out),
		WITH(a_pipe_is_closed_at_its_end),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
