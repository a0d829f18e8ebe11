// SPDX-License-Identifier: MIT
/*
 * What the real channel makes of what guest and toolstack say: from each state of
 * the guest's to each other, and at each start on what a former process left.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "backend/test-one-channel.h"

static void again(void)
{
	one_channel_end(NULL);
	one_channel_begin(NULL);
}

/* The channel's state, its BE, and whether it holds the ring. */
static const char *now(void)
{
	static const char letters[] = "NWCLXQ";
	static char text[4];

	snprintf(text, sizeof(text), "%c%u%c", letters[channel->state],
		 fake->be, fake->mapped ? '+' : '.');
	assert_int_equal(fake->mapped, fake->bound);
	assert_int_equal(fake->mapped, link_is_up(&channel->link));
	return text;
}

static unsigned int n_wrong;

static void expect(const char *expected, const char *what, unsigned int a,
		   unsigned int b)
{
	if (!strcmp(now(), expected))
		return;
	print_error("%s, %u to %u: %s, not %s\n", what, a, b, now(), expected);
	n_wrong++;
}

/*
 * States of the guest's
 */

typedef const char *pairs[LIFE_GUEST_N][LIFE_GUEST_N];

/* clang-format off */
#define W "W2."
#define C "C4+"
#define L "L5+"
#define X "X6."

static const pairs online_pairs = {
	/* to   0  1  2  3  4  5  6  7  8  gone */
	[0] = { W, W, W, C, C, X, X, W, W, X },
	[1] = { W, W, W, C, C, X, X, W, W, X },
	[2] = { W, W, W, C, C, X, X, W, W, X },
	[3] = { C, W, W, C, C, X, X, C, C, X },
	[4] = { C, W, W, C, C, X, X, C, C, X },
	[5] = { X, W, W, X, X, X, X, X, X, X },
	[6] = { X, W, W, X, X, X, X, X, X, X },
	[7] = { W, W, W, C, C, X, X, W, W, X },
	[8] = { W, W, W, C, C, X, X, W, W, X },
	[9] = { X, W, W, X, X, X, X, X, X, X },
};

/* The same when the toolstack has asked for the end in between. */
static const pairs offline_pairs = {
	/* to   0  1  2  3  4  5  6  7  8  gone */
	[0] = { X, X, X, L, L, X, X, X, X, X },
	[1] = { X, X, X, L, L, X, X, X, X, X },
	[2] = { X, X, X, L, L, X, X, X, X, X },
	[3] = { L, X, X, L, L, L, X, L, L, X },
	[4] = { L, X, X, L, L, L, X, L, L, X },
	[5] = { X, X, X, X, X, X, X, X, X, X },
	[6] = { X, X, X, X, X, X, X, X, X, X },
	[7] = { X, X, X, L, L, X, X, X, X, X },
	[8] = { X, X, X, L, L, X, X, X, X, X },
	[9] = { X, X, X, X, X, X, X, X, X, X },
};
/* clang-format on */

static void detach(void)
{
	fake->online = false;
	fake->be = CONSOLE_STATE_CLOSING;
}

static void expect_pairs(const pairs expected, bool detached, const char *what)
{
	n_wrong = 0;
	for (unsigned int a = 0; a < LIFE_GUEST_N; a++) {
		for (unsigned int b = 0; b < LIFE_GUEST_N; b++) {
			again();
			fake->fe = a;
			refresh();
			if (detached)
				detach();
			fake->fe = b;
			refresh();
			expect(expected[a][b], what, a, b);
		}
	}
	assert_int_equal(n_wrong, 0);
}

static void each_state_of_the_guest_to_each(void **state)
{
	expect_pairs(online_pairs, false, "online");
}

static void each_state_of_the_guest_to_each_with_a_detach(void **state)
{
	expect_pairs(offline_pairs, true, "offline");
}

/*
 * Starts
 */

#define BACKENDS 8
typedef const char *starts[BACKENDS][LIFE_GUEST_N];

/* clang-format off */
/* By BE and FE, if the ring is the one that is on record. */
static const starts recorded = {
	/* FE   0  1  2  3  4  5  6  7  8  gone */
	[1] = { W, W, W, C, C, X, X, W, W, X },
	[2] = { W, W, W, C, C, X, X, W, W, X },
	[3] = { W, W, W, C, C, X, X, W, W, X },
	[4] = { W, W, W, C, C, X, X, W, W, X },
	[5] = { X, X, X, L, L, L, X, X, X, X },
	[6] = { W, W, W, C, C, X, X, W, W, X },
	[7] = { X, X, X, X, X, X, X, X, X, X }, /* 6, and offline */
};

/* If there is none on record. */
static const starts unrecorded = {
	/* FE   0  1  2  3  4  5  6  7  8  gone */
	[1] = { W, W, W, C, C, X, X, W, W, X },
	[2] = { W, W, W, C, C, X, X, W, W, X },
	[3] = { W, W, W, C, C, X, X, W, W, X },
	[4] = { W, W, W, C, C, X, X, W, W, X },
	[5] = { X, X, X, L, L, X, X, X, X, X },
	[6] = { W, W, W, C, C, X, X, W, W, X },
	[7] = { X, X, X, X, X, X, X, X, X, X }, /* 6, and offline */
};

/* And whether what was in the ring has been taken: only if it is certain that
 * the guest has not left it, or begun another. */
static const bool taken[BACKENDS][LIFE_GUEST_N] = {
	/* FE   0  1  2  3  4  5  6  7  8  gone */
	[1] = { 0, 0, 0, 1, 1, 0, 0, 0, 0, 0 },
	[2] = { 0, 0, 0, 1, 1, 1, 1, 0, 0, 0 },
	[3] = { 0, 0, 0, 1, 1, 0, 0, 0, 0, 0 },
	[4] = { 0, 0, 0, 1, 1, 1, 1, 0, 0, 0 },
	[5] = { 0, 0, 0, 1, 1, 1, 1, 0, 0, 0 },
	[6] = { 0, 0, 0, 1, 1, 0, 0, 0, 0, 0 },
	[7] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 },
};
/* clang-format on */

/* A former process was connected; then it was killed, and the guest wrote. */
static void serve_and_die(unsigned int be, unsigned int fe)
{
	fake->fe = CONSOLE_STATE_CONNECTED;
	refresh();
	assert_string_equal(now(), C);
	die();
	fake_guest_writes(fake, 0, 100);
	fake->be = be < 7 ? be : CONSOLE_STATE_CLOSED;
	fake->online = be != CONSOLE_STATE_CLOSING && be != 7;
	fake->fe = fe;
}

static void expect_starts(const starts expected, bool forget, const char *what)
{
	n_wrong = 0;
	for (unsigned int be = 1; be < BACKENDS; be++) {
		for (unsigned int fe = 0; fe < LIFE_GUEST_N; fe++) {
			bool rest = taken[be][fe];

			again();
			serve_and_die(be, fe);
			if (forget) {
				one_channel_forget_spool();
				rest = be < 7 &&
				       (fe == CONSOLE_STATE_INITIALISED ||
					fe == CONSOLE_STATE_CONNECTED);
			}
			start();
			refresh();
			expect(expected[be][fe], what, be, fe);
			if (fake->n_got != (rest ? 100 : 0)) {
				print_error("%s, %u to %u: %zu bytes\n", what,
					    be, fe, fake->n_got);
				n_wrong++;
			}
		}
	}
	assert_int_equal(n_wrong, 0);
}

static void each_start_with_a_ring_on_record(void **state)
{
	expect_starts(recorded, false, "recorded");
}

static void each_start_without_one(void **state)
{
	expect_starts(unrecorded, true, "unrecorded");
}

/* Whatever the page says of our index; the numbers are those of the ring. */
static void a_start_goes_on_from_what_is_recorded(void **state)
{
	const unsigned int be[] = { 2, 4, 5, 4, 5 };
	const unsigned int fe[] = { 3, 4, 4, 6, 5 };

	for (size_t i = 0; i < sizeof(be) / sizeof(be[0]); i++) {
		again();
		serve_and_die(4, 4);
		start();
		refresh();
		assert_int_equal(fake->n_got, 100);
		fake_guest_writes(fake, 100, 50);
		die();
		shm_store_u32(&fake->page.out_cons, 0); /* killed before that */
		fake->be = be[i];
		fake->online = be[i] != CONSOLE_STATE_CLOSING;
		fake->fe = fe[i];
		start();
		refresh();
		assert_int_equal(fake->n_got, 150);
	}
}

static void
a_ring_that_was_let_go_of_is_another_with_the_same_numbers(void **state)
{
	serve_and_die(4, 4);
	start();
	refresh();
	assert_int_equal(fake->n_got, 100);
	fake->fe = CONSOLE_STATE_INITIALISING;
	refresh();
	assert_string_equal(now(), W);
	die();
	/* The guest's next: of 100 bytes again, and they are new. */
	memset(&fake->page, 0, sizeof(fake->page));
	fake_guest_writes(fake, 100, 100);
	fake->fe = CONSOLE_STATE_INITIALISED;
	start();
	refresh();
	assert_int_equal(fake->n_got, 200);
}

/*
 * Calls that fail
 */

static void expect_a_retry(unsigned int *failing, unsigned int times)
{
	serve_and_die(4, 4);
	fake->n_errors = fake->n_error_events = 0;
	*failing = times;
	start();
	refresh();
	assert_string_equal(now(), "W4.");
	assert_string_not_equal(fake->error, "");
	tick(20);
	assert_string_equal(now(), C);
	assert_int_equal(fake->n_got, 100);
	assert_int_equal(fake->n_errors, 1);
	assert_int_equal(fake->n_error_events, 1);
	assert_string_equal(fake->error, "");
}

static void
a_page_that_cannot_be_mapped_at_a_start_is_mapped_later(void **state)
{
	expect_a_retry(&fake->fail_map, 1);
	again();
	expect_a_retry(&fake->fail_map, 3);
}

static void a_port_that_cannot_be_bound_at_a_start_is_bound_later(void **state)
{
	expect_a_retry(&fake->fail_bind, 1);
}

static void
a_ring_that_cannot_be_had_is_said_once_and_seldom_tried(void **state)
{
	fake->ring_ref = FAKE_REF + 1;
	fake->fe = CONSOLE_STATE_INITIALISED;
	refresh();
	for (int i = 0; i < 50; i++)
		refresh();
	assert_int_equal(fake->n_map, 1);
	tick(100);
	assert_in_range(fake->n_map, 5, 20);
	assert_int_equal(fake->n_errors, 1);
	assert_string_equal(now(), W);
	/* Another is tried at once. */
	fake->ring_ref = FAKE_REF;
	refresh();
	assert_string_equal(now(), C);
	assert_string_equal(fake->error, "");
}

static void a_new_ring_that_cannot_be_had_is_not_called_connected(void **state)
{
	fake->fe = CONSOLE_STATE_INITIALISED;
	refresh();
	fake->ring_ref = FAKE_REF + 1;
	refresh();
	assert_string_equal(now(), W);
	fake->ring_ref = FAKE_REF;
	refresh();
	assert_string_equal(now(), C);
}

static void a_detach_does_not_wait_for_ever_for_a_ring(void **state)
{
	serve_and_die(5, 4);
	fake->fail_map = 100;
	start();
	refresh();
	assert_string_equal(now(), "W5.");
	tick(20);
	assert_string_equal(now(), X);
}

static void a_detach_waits_for_a_ring_a_little(void **state)
{
	serve_and_die(5, 4);
	fake->fail_map = 1;
	start();
	refresh();
	assert_string_equal(now(), "W5.");
	tick(2);
	assert_string_equal(now(), L);
	assert_int_equal(fake->n_got, 100);
}

/*
 * Clients
 */

static void
a_sink_that_cannot_be_opened_is_said_once_and_opened_later(void **state)
{
	fake->fail_sink = 6;
	fake->n_errors = 0;
	refresh();
	assert_string_equal(now(), W);
	assert_false(fake->hotplug);
	tick(5);
	assert_false(fake->hotplug);
	assert_int_equal(fake->n_errors, 1);
	tick(100);
	assert_true(fake->hotplug);
	assert_int_equal(fake->n_errors, 1);
	assert_string_equal(fake->error, "");
}

static void what_is_left_can_be_read_after_a_start(unsigned int fe)
{
	fake->fe = CONSOLE_STATE_CONNECTED;
	fake->client_full = true;
	refresh();
	fake_guest_writes(fake, 0, 100);
	channel_move(channel);
	if (fe == CONSOLE_STATE_CONNECTED)
		shm_store_u32(&fake->page.out_prod, 5000);
	fake->fe = fe;
	refresh();
	channel_move(channel);
	assert_string_equal(now(), fe == CONSOLE_STATE_CONNECTED ? "Q6." : X);
	assert_int_equal(fake->n_got, 0);
	die();
	fake->client_full = false;
	start();
	refresh();
	assert_string_equal(now(), fe == CONSOLE_STATE_CONNECTED ? "Q6." : X);
	assert_int_equal(fake->n_got, 100);
}

static void a_closed_channel_has_clients_after_a_start(void **state)
{
	what_is_left_can_be_read_after_a_start(CONSOLE_STATE_CLOSED);
}

static void a_quarantined_channel_has_clients_after_a_start(void **state)
{
	what_is_left_can_be_read_after_a_start(CONSOLE_STATE_CONNECTED);
	assert_string_not_equal(fake->error, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE_CHANNEL_TEST(each_state_of_the_guest_to_each),
		ONE_CHANNEL_TEST(each_state_of_the_guest_to_each_with_a_detach),
		ONE_CHANNEL_TEST(each_start_with_a_ring_on_record),
		ONE_CHANNEL_TEST(each_start_without_one),
		ONE_CHANNEL_TEST(a_start_goes_on_from_what_is_recorded),
		ONE_CHANNEL_TEST(
			a_ring_that_was_let_go_of_is_another_with_the_same_numbers),
		ONE_CHANNEL_TEST(
			a_page_that_cannot_be_mapped_at_a_start_is_mapped_later),
		ONE_CHANNEL_TEST(
			a_port_that_cannot_be_bound_at_a_start_is_bound_later),
		ONE_CHANNEL_TEST(
			a_ring_that_cannot_be_had_is_said_once_and_seldom_tried),
		ONE_CHANNEL_TEST(
			a_new_ring_that_cannot_be_had_is_not_called_connected),
		ONE_CHANNEL_TEST(a_detach_does_not_wait_for_ever_for_a_ring),
		ONE_CHANNEL_TEST(a_detach_waits_for_a_ring_a_little),
		ONE_CHANNEL_TEST(
			a_sink_that_cannot_be_opened_is_said_once_and_opened_later),
		ONE_CHANNEL_TEST(a_closed_channel_has_clients_after_a_start),
		ONE_CHANNEL_TEST(
			a_quarantined_channel_has_clients_after_a_start),
	};

	return cmocka_run_group_tests(tests, one_channel_set_up,
				      one_channel_tear_down);
}
