// SPDX-License-Identifier: MIT
/*
 * Every pair of a channel's state and a guest's, with and without online: what is
 * to be done, cell by cell, and what has to hold for all of them.
 * test-channel-life.c shows what comes of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "backend/life.h"

#define FOR_ALL(s, guest, online)                                           \
	for (unsigned int s = 0; s < CHANNEL_STATE_N; s++)                  \
		for (unsigned int guest = 0; guest < LIFE_GUEST_N; guest++) \
			for (int online = 0; online < 2; online++)

static enum life_action next(unsigned int s, unsigned int guest, int online)
{
	return life_next((enum channel_state)s, guest, online);
}

/* clang-format off */
/* The guest at 0, 1, ... 8, and without its nodes: an action's letter each. */
static const char expected_online[CHANNEL_STATE_N][LIFE_GUEST_N + 1] = {
	[CHANNEL_NEW] =		"OOOOOTTOOX",
	[CHANNEL_WAITING] =	"---CCTT--X",
	[CHANNEL_CONNECTED] =	"-OOC-XX--X",
	[CHANNEL_CLOSING] =	"-XX---X--X",
	[CHANNEL_CLOSED] =	"-OO-------",
	[CHANNEL_QUARANTINED] =	"----------",
};

static const char expected_offline[CHANNEL_STATE_N][LIFE_GUEST_N + 1] = {
	[CHANNEL_NEW] =		"XXXTTTTXXX",
	[CHANNEL_WAITING] =	"XXXTTTTXXX",
	[CHANNEL_CONNECTED] =	"BXXBBBXBBX",
	[CHANNEL_CLOSING] =	"-XX---X--X",
	[CHANNEL_CLOSED] =	"XXXXXXXXXX",
	[CHANNEL_QUARANTINED] =	"XXXXXXXXXX",
};
/* clang-format on */

static const char letters[LIFE_ACTION_N] = {
	[LIFE_NOTHING] = '-', [LIFE_OFFER] = 'O',         [LIFE_CONNECT] = 'C',
	[LIFE_TAKE_UP] = 'T', [LIFE_BEGIN_CLOSING] = 'B', [LIFE_CLOSE] = 'X',
};

static void each_cell_is_what_it_is_meant_to_be(void **state)
{
	FOR_ALL(s, guest, online)
	{
		char expected =
			(online ? expected_online : expected_offline)[s][guest];

		if (letters[next(s, guest, online)] != expected)
			fail_msg("%s, guest %u, %s: %c, not %c",
				 channel_state_name((enum channel_state)s),
				 guest, online ? "online" : "offline",
				 letters[next(s, guest, online)], expected);
	}
}

static bool holds_ring(unsigned int s)
{
	return s == CHANNEL_CONNECTED || s == CHANNEL_CLOSING;
}

static bool has_ring(unsigned int guest)
{
	return guest == CONSOLE_STATE_INITIALISED ||
	       guest == CONSOLE_STATE_CONNECTED;
}

/* The state that an action which succeeds leads to. */
static unsigned int after(unsigned int s, enum life_action action)
{
	static const unsigned int result[LIFE_ACTION_N] = {
		[LIFE_OFFER] = CHANNEL_WAITING,
		[LIFE_CONNECT] = CHANNEL_CONNECTED,
		[LIFE_TAKE_UP] = CHANNEL_CONNECTED,
		[LIFE_BEGIN_CLOSING] = CHANNEL_CLOSING,
		[LIFE_CLOSE] = CHANNEL_CLOSED,
	};

	return action == LIFE_NOTHING ? s : result[action];
}

static void a_ring_is_mapped_only_when_the_guest_offers_one(void **state)
{
	FOR_ALL(s, guest, online)
	{
		if (next(s, guest, online) == LIFE_CONNECT)
			assert_true(has_ring(guest));
	}
}

static void a_guest_that_closed_or_vanished_is_let_go_of(void **state)
{
	FOR_ALL(s, guest, online)
	{
		if (holds_ring(s) &&
		    (guest == CONSOLE_STATE_CLOSED || guest == LIFE_GONE))
			assert_int_equal(next(s, guest, online), LIFE_CLOSE);
	}
}

static void a_guest_that_begins_anew_loses_its_old_ring(void **state)
{
	assert_int_equal(next(CHANNEL_CONNECTED, CONSOLE_STATE_INITIALISING, 1),
			 LIFE_OFFER);
	assert_int_equal(next(CHANNEL_CLOSED, CONSOLE_STATE_INITIALISING, 1),
			 LIFE_OFFER);
}

static void a_closed_guest_must_begin_anew_before_it_connects(void **state)
{
	assert_int_equal(next(CHANNEL_CLOSED, CONSOLE_STATE_INITIALISED, 1),
			 LIFE_NOTHING);
	assert_int_equal(next(CHANNEL_CLOSED, CONSOLE_STATE_CONNECTED, 1),
			 LIFE_NOTHING);
}

static void a_quarantined_channel_stays_so_until_it_is_detached(void **state)
{
	for (unsigned int guest = 0; guest < LIFE_GUEST_N; guest++) {
		assert_int_equal(next(CHANNEL_QUARANTINED, guest, 1),
				 LIFE_NOTHING);
		assert_int_equal(next(CHANNEL_QUARANTINED, guest, 0),
				 LIFE_CLOSE);
	}
}

static void states_that_mean_nothing_change_nothing(void **state)
{
	const unsigned int odd[] = { CONSOLE_STATE_UNKNOWN,
				     CONSOLE_STATE_RECONFIGURING,
				     CONSOLE_STATE_RECONFIGURED };

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		for (unsigned int s = CHANNEL_WAITING; s < CHANNEL_STATE_N; s++)
			assert_int_equal(next(s, odd[i], 1), LIFE_NOTHING);
	}
}

static void a_new_channel_is_offered_at_once(void **state)
{
	/* A guest may be at 3 before anybody has seen its device. */
	for (unsigned int guest = CONSOLE_STATE_INITIALISING;
	     guest <= CONSOLE_STATE_CONNECTED; guest++)
		assert_int_equal(next(CHANNEL_NEW, guest, 1), LIFE_OFFER);
}

static void a_detach_waits_for_a_guest_that_has_a_ring(void **state)
{
	assert_int_equal(next(CHANNEL_CONNECTED, CONSOLE_STATE_CONNECTED, 0),
			 LIFE_BEGIN_CLOSING);
	assert_int_equal(next(CHANNEL_CLOSING, CONSOLE_STATE_CONNECTED, 0),
			 LIFE_NOTHING);
	assert_int_equal(next(CHANNEL_CLOSING, CONSOLE_STATE_CLOSING, 0),
			 LIFE_NOTHING);
	assert_int_equal(next(CHANNEL_CLOSING, CONSOLE_STATE_CLOSED, 0),
			 LIFE_CLOSE);
}

static void every_detach_ends_whatever_the_guest_says(void **state)
{
	for (unsigned int first = 0; first < CHANNEL_STATE_N; first++) {
		for (unsigned int guest = 0; guest < LIFE_GUEST_N; guest++) {
			unsigned int s = first;

			for (int i = 0; i < CHANNEL_STATE_N; i++)
				s = after(s, next(s, guest, 0));
			/* Out of the second a time-out leads. */
			assert_true(s == CHANNEL_CLOSED ||
				    s == CHANNEL_CLOSING);
		}
	}
}

static void a_guest_that_stays_put_is_dealt_with_in_few_steps(void **state)
{
	FOR_ALL(first, guest, online)
	{
		unsigned int s = first, last = first;

		for (int i = 0; i < CHANNEL_STATE_N; i++) {
			last = s;
			s = after(s, next(s, guest, online));
		}
		assert_int_equal(s, last);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_cell_is_what_it_is_meant_to_be),
		cmocka_unit_test(
			a_ring_is_mapped_only_when_the_guest_offers_one),
		cmocka_unit_test(a_guest_that_closed_or_vanished_is_let_go_of),
		cmocka_unit_test(a_guest_that_begins_anew_loses_its_old_ring),
		cmocka_unit_test(
			a_closed_guest_must_begin_anew_before_it_connects),
		cmocka_unit_test(
			a_quarantined_channel_stays_so_until_it_is_detached),
		cmocka_unit_test(states_that_mean_nothing_change_nothing),
		cmocka_unit_test(a_new_channel_is_offered_at_once),
		cmocka_unit_test(a_detach_waits_for_a_guest_that_has_a_ring),
		cmocka_unit_test(every_detach_ends_whatever_the_guest_says),
		cmocka_unit_test(
			a_guest_that_stays_put_is_dealt_with_in_few_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
