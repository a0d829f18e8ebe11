// SPDX-License-Identifier: MIT
/* What the real channel does when its memory or its nodes fail it. */
#include <stdint.h>
#include <string.h>

#include "backend/test-one-channel.h"

/*
 * A full file system
 */

/* The header's page, and four more. */
#define FULL_AT (5 * 4096)

/* Of a channel without a client's reading, n bytes; and its first is at *at. */
static void flood(enum console_overflow policy, uint64_t *at)
{
	fake->overflow = policy;
	fake->limit = 1u << 20;
	fake->memory_end = FULL_AT;
	fake->client_full = true;
	die();
	one_channel_forget_spool();
	start();
	fake->fe = CONSOLE_STATE_INITIALISED;
	refresh();
	fake->n_errors = 0;
	for (*at = 0; *at < 40 * 1024; *at += 1024) {
		if (shm_load_u32(&fake->page.out_prod) -
			    shm_load_u32(&fake->page.out_cons) >
		    1024)
			return;
		fake_guest_writes(fake, *at, 1024);
		channel_move(channel);
	}
}

static void expect_kept(uint64_t from, size_t n)
{
	uint8_t data[FAKE_BYTES_MAX];
	struct channel_status st;

	channel_get_status(channel, &st);
	assert_int_equal(st.waiting, n);
	assert_int_equal(fake->n_errors, 1);
	assert_non_null(strstr(fake->error, "is full"));
	fake->client_full = false;
	channel_move(channel);
	fake_fill(data, from, sizeof(data));
	assert_int_equal(fake->n_got, sizeof(data));
	assert_memory_equal(fake->got, data, sizeof(data));
}

static void a_full_file_system_holds_the_guest_back(void **state)
{
	uint64_t at;

	flood(CONSOLE_BLOCK, &at);
	assert_int_equal(at, 4 * 4096 + 2048);
	expect_kept(0, 4 * 4096);
}

static void a_full_file_system_drops_the_oldest(void **state)
{
	uint64_t at;

	flood(CONSOLE_DROP_OLDEST, &at);
	assert_int_equal(at, 40 * 1024);
	expect_kept(at - 4 * 4096, 4 * 4096);
}

static void a_full_file_system_drops_the_newest(void **state)
{
	uint64_t at;

	flood(CONSOLE_DROP_NEWEST, &at);
	assert_int_equal(at, 40 * 1024);
	expect_kept(0, 4 * 4096);
}

static void what_a_full_file_system_did_is_taken_back(void **state)
{
	uint64_t at;

	flood(CONSOLE_DROP_OLDEST, &at);
	for (int i = 0; i < 10; i++) {
		fake->n_got = 0;
		fake->client_full = false;
		channel_move(channel);
	}
	fake->memory_end = INT32_MAX;
	tick(1);
	assert_string_equal(fake->error, "");
}

/*
 * Nodes
 */

static void a_state_that_cannot_be_written_is_written_later(void **state)
{
	refresh();
	fake->fe = CONSOLE_STATE_INITIALISED;
	fake->fail_state = 2;
	refresh();
	assert_int_equal(fake->be, CONSOLE_STATE_INIT_WAIT);
	/* The guest waits, and so nothing else brings us back. */
	tick(10);
	assert_int_equal(fake->be, CONSOLE_STATE_CONNECTED);
	assert_int_equal(fake->fail_state, 0);
}

static void a_quarantine_that_cannot_be_written_is_written_later(void **state)
{
	fake->fe = CONSOLE_STATE_INITIALISED;
	refresh();
	fake->fail_state = 1;
	shm_store_u32(&fake->page.out_prod, 5000);
	channel_move(channel);
	assert_int_equal(fake->be, CONSOLE_STATE_CONNECTED);
	tick(10);
	assert_int_equal(fake->be, CONSOLE_STATE_CLOSED);
}

static void a_state_that_is_no_longer_meant_is_not_written(void **state)
{
	refresh();
	fake->fe = CONSOLE_STATE_INITIALISED;
	fake->fail_state = 1;
	refresh();
	/* It begins anew, and finds what is right for it. */
	fake->fe = CONSOLE_STATE_INITIALISING;
	refresh();
	tick(10);
	assert_int_equal(fake->be, CONSOLE_STATE_INIT_WAIT);
}

static void what_clients_look_for_is_written_later(void **state)
{
	fake->fail_tty = 1;
	refresh();
	assert_false(fake->hotplug);
	tick(10);
	assert_true(fake->hotplug);
}

/*
 * A guest that was suspended
 */

static void serve(size_t n)
{
	fake->fe = CONSOLE_STATE_INITIALISED;
	refresh();
	fake->fe = CONSOLE_STATE_CONNECTED;
	for (size_t at = 0; at < n; at += 1000) {
		fake_guest_writes(fake, at, 1000);
		channel_move(channel);
	}
	assert_int_equal(fake->n_got, n);
}

static void empty_the_page(void)
{
	memset((void *)&fake->page, 0, sizeof(fake->page));
}

static void expect_bytes(size_t n)
{
	uint8_t data[FAKE_BYTES_MAX];

	fake_fill(data, 0, n);
	assert_int_equal(fake->n_got, n);
	assert_memory_equal(fake->got, data, n);
	assert_int_equal(channel->state, CHANNEL_CONNECTED);
	assert_int_equal(fake->be, CONSOLE_STATE_CONNECTED);
}

static void a_ring_that_a_resuming_guest_emptied_is_gone_on_with(void **state)
{
	serve(3000);
	/* Whether we look before it says so or after. */
	empty_the_page();
	channel_move(channel);
	channel_move(channel);
	fake_guest_writes(fake, 3000, 1000);
	channel_move(channel);
	empty_the_page();
	fake_guest_writes(fake, 4000, 1000);
	fake->fe = CONSOLE_STATE_INITIALISED;
	refresh();
	channel_move(channel);
	expect_bytes(5000);
	/* And so does a successor. */
	die();
	start();
	refresh();
	fake_guest_writes(fake, 5000, 1000);
	channel_move(channel);
	expect_bytes(6000);
}

static void a_guest_that_resumes_gets_what_its_client_sends_then(void **state)
{
	struct console_ring ring;
	uint8_t data[200], expected[200];
	size_t n;

	serve(3000);
	fake->n_sent = 100;
	channel_move(channel);
	empty_the_page();
	channel_move(channel);
	fake->n_sent = 300;
	channel_move(channel);
	assert_int_equal(console_ring_attach_frontend(&ring, &fake->page), 0);
	assert_int_equal(console_ring_read(&ring, data, sizeof(data), &n), 0);
	/* The first hundred were in the ring that it emptied. */
	fake_fill(expected, 100, sizeof(expected));
	assert_int_equal(n, 200);
	assert_memory_equal(data, expected, n);
}

static void a_guest_that_resumes_is_told_anew_that_nobody_is_there(void **state)
{
	fake->signal_client = true;
	fake->client_gone = true;
	die();
	start();
	/* Whether anything has ever gone through the ring or not. */
	for (size_t n = 0; n <= 3000; n += 3000) {
		serve(n);
		assert_int_equal(shm_load_u8(&fake->page.connection),
				 CONSOLE_DISCONNECTED);
		empty_the_page();
		fake->fe = CONSOLE_STATE_INITIALISED;
		refresh();
		assert_int_equal(shm_load_u8(&fake->page.connection),
				 CONSOLE_DISCONNECTED);
	}
	/* Or if we look before it says so. */
	fake_guest_writes(fake, 0, 1000);
	channel_move(channel);
	empty_the_page();
	channel_move(channel);
	assert_int_equal(shm_load_u8(&fake->page.connection),
			 CONSOLE_DISCONNECTED);
}

static void a_page_that_is_not_empty_is_impossible_still(void **state)
{
	serve(3000);
	empty_the_page();
	shm_store_u32(&fake->page.out_prod, 2049);
	channel_move(channel);
	assert_int_equal(channel->state, CHANNEL_QUARANTINED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE_CHANNEL_TEST(a_full_file_system_holds_the_guest_back),
		ONE_CHANNEL_TEST(a_full_file_system_drops_the_oldest),
		ONE_CHANNEL_TEST(a_full_file_system_drops_the_newest),
		ONE_CHANNEL_TEST(what_a_full_file_system_did_is_taken_back),
		ONE_CHANNEL_TEST(
			a_state_that_cannot_be_written_is_written_later),
		ONE_CHANNEL_TEST(
			a_quarantine_that_cannot_be_written_is_written_later),
		ONE_CHANNEL_TEST(
			a_state_that_is_no_longer_meant_is_not_written),
		ONE_CHANNEL_TEST(
			a_ring_that_a_resuming_guest_emptied_is_gone_on_with),
		ONE_CHANNEL_TEST(
			a_guest_that_resumes_gets_what_its_client_sends_then),
		ONE_CHANNEL_TEST(
			a_guest_that_resumes_is_told_anew_that_nobody_is_there),
		ONE_CHANNEL_TEST(a_page_that_is_not_empty_is_impossible_still),
		ONE_CHANNEL_TEST(what_clients_look_for_is_written_later),
	};

	return cmocka_run_group_tests(tests, one_channel_set_up,
				      one_channel_tear_down);
}
