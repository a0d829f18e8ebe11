// SPDX-License-Identifier: MIT
/* What the pump moves, and what the end of its input means. */
#include "cli/test-pump-world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

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
		WITH_WORLD(a_stuck_output_does_not_hold_up_the_input),
		WITH_WORLD(stop_ends_it_at_once),
		WITH_WORLD(a_server_waits_for_its_client_up_to_the_deadline),
		WITH_WORLD(a_client_that_came_and_went_is_no_time_out),
		WITH_WORLD(a_client_pumps_as_a_server_does),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
