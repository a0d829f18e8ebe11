// SPDX-License-Identifier: MIT
/* Peers and descriptors of a pump that end too early, or badly. */
#include "cli/test-pump-world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
