// SPDX-License-Identifier: MIT
/*
 * The pump between pipes and a vchan of the in-process host. It runs in a
 * thread as one domain; the test plays the other one by hand.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>
#include <xenstore.h>

#include "base/clock.h"
#include "cli/pump.h"
#include "xenhost/fake/fake-host.h"

#define SERVER 1
#define CLIENT 2
#define NAME "data/vchan/pump"
#define FULL_NAME "/local/domain/1/" NAME
#define RING 4096
#define LONG_SIZE (5 * RING + 1)

struct world {
	struct libxenvchan *server, *client;
	struct pump pump; /* of the server's end, unless a test says else */
	struct progress quiet;
	unsigned int domain; /* of the pump */
	int in, out;         /* the test's ends of the pump's descriptors */
	int result;
	unsigned int live; /* of the host, before the test */
	pthread_t thread;
};

static void write_node(const char *path, const char *value)
{
	struct xs_handle *xs = xs_open(0);

	assert_true(xs_write(xs, 0, path, value, (unsigned int)strlen(value)));
	xs_close(xs);
}

static void make_pipe(int *read_end, int *write_end)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	*read_end = fds[0];
	*write_end = fds[1];
}

static void serve(struct world *w)
{
	fake_host_set_domain(SERVER);
	w->server = libxenvchan_server_init(NULL, CLIENT, NAME, RING, RING);
	assert_non_null(w->server);
}

static void join(struct world *w)
{
	fake_host_set_domain(CLIENT);
	w->client = libxenvchan_client_init(NULL, SERVER, FULL_NAME);
	assert_non_null(w->client);
	w->client->blocking = 1;
	/* Rather a failed test than one that hangs. */
	libxenvchan_set_timeout(w->client, 60 * NS_PER_S);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	fake_host_reset();
	fake_host_create(SERVER);
	fake_host_create(CLIENT);
	fake_host_set_domain(0);
	write_node("/local/domain/1/domid", "1");
	write_node("/local/domain/2/domid", "2");
	fake_host_set_domain(SERVER);
	write_node("data/vchan", "");
	w->live = fake_host_live_total(FAKE_HOST_ANY_DOMAIN);
	serve(w);
	w->domain = SERVER;
	w->pump.vchan = w->server;
	w->pump.progress = &w->quiet;
	w->pump.eof = PUMP_EOF_KEEP;
	w->pump.stop = -1;
	make_pipe(&w->pump.in, &w->in);
	make_pipe(&w->out, &w->pump.out);
	fcntl(w->pump.in, F_SETFL, O_NONBLOCK);
	fcntl(w->pump.out, F_SETFL, O_NONBLOCK);
	*state = w;
	return 0;
}

static void close_end(struct libxenvchan **v, unsigned int domain)
{
	fake_host_set_domain(domain);
	libxenvchan_close(*v);
	*v = NULL;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	bool leaked;

	close_end(&w->client, CLIENT);
	close_end(&w->server, SERVER);
	close(w->pump.in);
	close(w->pump.out);
	close(w->in);
	close(w->out);
	leaked = fake_host_live_total(FAKE_HOST_ANY_DOMAIN) != w->live;
	free(w);
	return leaked;
}

static void *run_pump(void *arg)
{
	struct world *w = arg;

	fake_host_set_domain(w->domain);
	w->result = pump_run(&w->pump);
	return NULL;
}

static void start(struct world *w)
{
	assert_int_equal(pthread_create(&w->thread, NULL, run_pump, w), 0);
}

static int finish(struct world *w)
{
	pthread_join(w->thread, NULL);
	return w->result;
}

static void close_input(struct world *w)
{
	close(w->in);
	w->in = -1;
}

/* Bytes that tell their place. */
static void fill(char *data, size_t n)
{
	for (size_t i = 0; i < n; i++)
		data[i] = (char)(i * 7 + i / 251);
}

static void assert_filled(const char *data, size_t n)
{
	char *expected = malloc(n);

	fill(expected, n);
	assert_memory_equal(data, expected, n);
	free(expected);
}

/* The test's own end of the vchan, blocking. */
static void client_sends(struct world *w, size_t n)
{
	char *data = malloc(n);

	fill(data, n);
	assert_int_equal(libxenvchan_write(w->client, data, n), n);
	free(data);
}

static void client_receives(struct world *w, size_t n)
{
	char *data = malloc(n);
	size_t done = 0;

	while (done < n) {
		int r = libxenvchan_read(w->client, data + done, n - done);

		assert_true(r > 0);
		done += (size_t)r;
	}
	assert_filled(data, n);
	free(data);
}

static void input_gets(struct world *w, size_t n)
{
	char *data = malloc(n);

	fill(data, n);
	assert_int_equal(write(w->in, data, n), n);
	free(data);
}

static void output_has(struct world *w, size_t n)
{
	char *data = malloc(n);
	size_t done = 0;

	while (done < n) {
		ssize_t r = read(w->out, data + done, n - done);

		assert_true(r > 0);
		done += (size_t)r;
	}
	assert_filled(data, n);
	free(data);
}

static void input_reaches_the_peer(void **state)
{
	struct world *w = *state;

	join(w);
	start(w);
	input_gets(w, LONG_SIZE);
	client_receives(w, LONG_SIZE);
	close_end(&w->client, CLIENT);
	assert_int_equal(finish(w), PUMP_DONE);
	assert_int_equal(w->pump.sent, LONG_SIZE);
}

static void what_the_peer_sent_before_it_closed_reaches_the_output(void **state)
{
	struct world *w = *state;

	join(w);
	start(w);
	client_sends(w, LONG_SIZE);
	close_end(&w->client, CLIENT);
	output_has(w, LONG_SIZE);
	assert_int_equal(finish(w), PUMP_DONE);
	assert_int_equal(w->pump.received, LONG_SIZE);
}

static void keep_receives_after_the_end_of_input(void **state)
{
	struct world *w = *state;

	join(w);
	input_gets(w, 10);
	close_input(w);
	start(w);
	client_receives(w, 10);
	client_sends(w, LONG_SIZE);
	close_end(&w->client, CLIENT);
	output_has(w, LONG_SIZE);
	assert_int_equal(finish(w), PUMP_DONE);
}

static void close_ends_once_the_peer_has_taken_everything(void **state)
{
	struct world *w = *state;

	join(w);
	/* As a peer of another kind, which knows of no half-close. */
	w->client->ring->srv_notify = VCHAN_NOTIFY_WRITE;
	w->pump.eof = PUMP_EOF_CLOSE;
	input_gets(w, 2 * RING);
	close_input(w);
	start(w);
	client_receives(w, 2 * RING);
	assert_int_equal(finish(w), PUMP_DONE);
}

static void client_finds_the_end(struct world *w)
{
	char c;

	errno = 0;
	assert_int_equal(libxenvchan_read(w->client, &c, 1), -1);
	assert_int_equal(errno, EPIPE);
}

static void close_goes_on_receiving_from_a_peer_that_sends(void **state)
{
	struct world *w = *state;

	join(w);
	w->pump.eof = PUMP_EOF_CLOSE;
	input_gets(w, 2 * RING);
	close_input(w);
	start(w);
	client_receives(w, 2 * RING);
	client_finds_the_end(w);
	client_sends(w, LONG_SIZE);
	assert_int_equal(libxenvchan_shutdown(w->client), 0);
	output_has(w, LONG_SIZE);
	assert_int_equal(finish(w), PUMP_DONE);
}

static void close_ends_with_a_peer_that_takes_it_for_a_close(void **state)
{
	struct world *w = *state;

	join(w);
	w->pump.eof = PUMP_EOF_CLOSE;
	input_gets(w, 10);
	close_input(w);
	start(w);
	while (libxenvchan_is_open(w->client))
		assert_int_equal(libxenvchan_wait(w->client), 0);
	client_receives(w, 10);
	close_end(&w->client, CLIENT);
	assert_int_equal(finish(w), PUMP_DONE);
}

static void close_with_empty_input_waits_for_the_client(void **state)
{
	struct world *w = *state;

	w->pump.eof = PUMP_EOF_CLOSE;
	close_input(w);
	start(w);
	join(w);
	client_finds_the_end(w);
	close_end(&w->client, CLIENT);
	assert_int_equal(finish(w), PUMP_DONE);
}

static void auto_closes_if_there_was_input(void **state)
{
	struct world *w = *state;

	join(w);
	w->pump.eof = PUMP_EOF_AUTO;
	input_gets(w, 10);
	close_input(w);
	start(w);
	client_receives(w, 10);
	client_finds_the_end(w);
	close_end(&w->client, CLIENT);
	assert_int_equal(finish(w), PUMP_DONE);
}

static void auto_keeps_if_there_was_none(void **state)
{
	struct world *w = *state;

	join(w);
	w->pump.eof = PUMP_EOF_AUTO;
	close_input(w);
	start(w);
	client_sends(w, LONG_SIZE);
	close_end(&w->client, CLIENT);
	output_has(w, LONG_SIZE);
	assert_int_equal(finish(w), PUMP_DONE);
}

static void close_writes_out_what_came_before(void **state)
{
	struct world *w = *state;

	join(w);
	w->pump.eof = PUMP_EOF_CLOSE;
	client_sends(w, RING);
	close_input(w);
	start(w);
	output_has(w, RING);
	assert_int_equal(libxenvchan_shutdown(w->client), 0);
	assert_int_equal(finish(w), PUMP_DONE);
}

static void a_peer_that_leaves_bytes_in_the_ring_is_told_of(void **state)
{
	struct world *w = *state;

	join(w);
	input_gets(w, 100);
	start(w);
	/* They are in the ring, and nobody takes them. */
	while (libxenvchan_data_ready(w->client) < 100)
		assert_int_equal(libxenvchan_wait(w->client), 0);
	close_end(&w->client, CLIENT);
	assert_int_equal(finish(w), PUMP_UNDELIVERED);
}

static void a_peer_that_leaves_before_the_end_of_input_is_told_of(void **state)
{
	struct world *w = *state;

	join(w);
	close_end(&w->client, CLIENT);
	input_gets(w, 100);
	start(w);
	assert_int_equal(finish(w), PUMP_UNDELIVERED);
}

static void output_has_ended(struct world *w)
{
	char c;

	assert_int_equal(read(w->out, &c, 1), 0);
}

static void a_peer_that_only_finished_sending_gets_the_rest(void **state)
{
	struct world *w = *state;

	join(w);
	client_sends(w, 10);
	assert_int_equal(libxenvchan_shutdown(w->client), 0);
	w->pump.patient = true;
	start(w);
	output_has(w, 10);
	output_has_ended(w);
	input_gets(w, LONG_SIZE);
	client_receives(w, LONG_SIZE);
	close_input(w);
	assert_int_equal(finish(w), PUMP_DONE);
	assert_int_equal(w->pump.sent, LONG_SIZE);
}

static void who_has_nothing_to_send_ends_with_its_peer(void **state)
{
	struct world *w = *state;

	join(w);
	client_sends(w, 10);
	assert_int_equal(libxenvchan_shutdown(w->client), 0);
	start(w);
	output_has(w, 10);
	assert_int_equal(finish(w), PUMP_DONE);
}

static void a_peer_that_finished_sending_can_still_vanish(void **state)
{
	struct world *w = *state;

	join(w);
	w->pump.patient = true;
	client_sends(w, 10);
	assert_int_equal(libxenvchan_shutdown(w->client), 0);
	start(w);
	output_has(w, 10);
	assert_int_equal(fake_host_destroy(CLIENT), 0);
	assert_int_equal(finish(w), PUMP_PEER_DIED);
}

static void a_killed_peer_is_told_of(void **state)
{
	struct world *w = *state;

	join(w);
	start(w);
	fake_host_kill_process(CLIENT, 0);
	assert_int_equal(finish(w), PUMP_PEER_DIED);
}

static void the_end_of_the_peers_domain_is_told_of(void **state)
{
	struct world *w = *state;

	join(w);
	start(w);
	assert_int_equal(fake_host_destroy(CLIENT), 0);
	assert_int_equal(finish(w), PUMP_PEER_DIED);
}

static void a_broken_output_is_told_of(void **state)
{
	struct world *w = *state;

	join(w);
	close(w->out);
	w->out = -1;
	start(w);
	client_sends(w, 100);
	assert_int_equal(finish(w), PUMP_OUT_FAILED);
	assert_int_equal(w->pump.error, EPIPE);
	assert_int_equal(w->pump.received, 0);
}

static void a_broken_input_is_told_of(void **state)
{
	struct world *w = *state;

	join(w);
	close(w->pump.in);
	w->pump.in = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	start(w);
	assert_int_equal(finish(w), PUMP_IN_FAILED);
	assert_int_equal(w->pump.error, EISDIR);
}

static void a_peer_that_breaks_the_protocol_ends_it(void **state)
{
	struct world *w = *state;

	join(w);
	w->client->ring->left.prod += 2 * RING;
	start(w);
	assert_int_equal(finish(w), -EPROTO);
}

/* Nobody reads the output; the pump's buffer and the ring fill up. */
static void a_stuck_output_does_not_hold_up_the_input(void **state)
{
	struct world *w = *state;
	char data[RING] = { 0 };

	join(w);
	fcntl(w->out, F_SETPIPE_SZ, RING);
	while (write(w->pump.out, data, sizeof(data)) > 0)
		;
	client_sends(w, RING);
	start(w);
	input_gets(w, LONG_SIZE);
	client_receives(w, LONG_SIZE);
	close_end(&w->client, CLIENT);
	close(w->out);
	w->out = -1;
	assert_int_equal(finish(w), PUMP_OUT_FAILED);
}

static void stop_ends_it_at_once(void **state)
{
	struct world *w = *state;

	join(w);
	w->pump.stop = eventfd(1, EFD_CLOEXEC);
	start(w);
	assert_int_equal(finish(w), PUMP_STOPPED);
	assert_int_equal(pump_await_client(&w->pump, DEADLINE_NEVER), 0);
	close(w->pump.stop);
}

static void a_server_waits_for_its_client_up_to_the_deadline(void **state)
{
	struct world *w = *state;

	assert_int_equal(pump_await_client(&w->pump, deadline_in(0)),
			 PUMP_NO_CLIENT);
	assert_int_equal(pump_await_client(&w->pump, deadline_in(NS_PER_MS)),
			 PUMP_NO_CLIENT);
	w->pump.stop = eventfd(1, EFD_CLOEXEC);
	assert_int_equal(pump_await_client(&w->pump, DEADLINE_NEVER),
			 PUMP_STOPPED);
	close(w->pump.stop);
	w->pump.stop = -1;
	join(w);
	fake_host_set_domain(SERVER);
	assert_int_equal(pump_await_client(&w->pump, DEADLINE_NEVER), 0);
}

static void a_client_that_came_and_went_is_no_time_out(void **state)
{
	struct world *w = *state;

	join(w);
	client_sends(w, 100);
	close_end(&w->client, CLIENT);
	fake_host_set_domain(SERVER);
	assert_int_equal(pump_await_client(&w->pump, deadline_in(0)), 0);
	start(w);
	output_has(w, 100);
	assert_int_equal(finish(w), PUMP_DONE);
}

static void a_client_pumps_as_a_server_does(void **state)
{
	struct world *w = *state;
	char data[100];

	join(w);
	w->client->blocking = 0;
	w->pump.vchan = w->client;
	w->pump.eof = PUMP_EOF_CLOSE;
	w->domain = CLIENT;
	input_gets(w, sizeof(data));
	close_input(w);
	start(w);
	fake_host_set_domain(SERVER);
	w->server->blocking = 1;
	assert_int_equal(libxenvchan_recv(w->server, data, sizeof(data)),
			 sizeof(data));
	assert_filled(data, sizeof(data));
	close_end(&w->server, SERVER);
	assert_int_equal(finish(w), PUMP_DONE);
}

#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(input_reaches_the_peer),
		WITH_WORLD(
			what_the_peer_sent_before_it_closed_reaches_the_output),
		WITH_WORLD(keep_receives_after_the_end_of_input),
		WITH_WORLD(close_ends_once_the_peer_has_taken_everything),
		WITH_WORLD(close_goes_on_receiving_from_a_peer_that_sends),
		WITH_WORLD(close_ends_with_a_peer_that_takes_it_for_a_close),
		WITH_WORLD(close_with_empty_input_waits_for_the_client),
		WITH_WORLD(auto_closes_if_there_was_input),
		WITH_WORLD(auto_keeps_if_there_was_none),
		WITH_WORLD(close_writes_out_what_came_before),
		WITH_WORLD(a_peer_that_leaves_bytes_in_the_ring_is_told_of),
		WITH_WORLD(
			a_peer_that_leaves_before_the_end_of_input_is_told_of),
		WITH_WORLD(a_peer_that_only_finished_sending_gets_the_rest),
		WITH_WORLD(who_has_nothing_to_send_ends_with_its_peer),
		WITH_WORLD(a_peer_that_finished_sending_can_still_vanish),
		WITH_WORLD(a_killed_peer_is_told_of),
		WITH_WORLD(the_end_of_the_peers_domain_is_told_of),
		WITH_WORLD(a_broken_output_is_told_of),
		WITH_WORLD(a_broken_input_is_told_of),
		WITH_WORLD(a_peer_that_breaks_the_protocol_ends_it),
		WITH_WORLD(a_stuck_output_does_not_hold_up_the_input),
		WITH_WORLD(stop_ends_it_at_once),
		WITH_WORLD(a_server_waits_for_its_client_up_to_the_deadline),
		WITH_WORLD(a_client_that_came_and_went_is_no_time_out),
		WITH_WORLD(a_client_pumps_as_a_server_does),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
