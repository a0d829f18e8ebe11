// SPDX-License-Identifier: MIT
/* What the real channel does when its memory or its nodes fail it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "backend/channel-private.h"
#include "backend/test-fake-host.h"

static char dir_path[] = "/tmp/test-channel-failures.XXXXXX";
static int dir;
static struct channel_host host;
static struct channel *channel;

static void start(void)
{
	assert_int_equal(channel_new(&channel, &host, 1, 1, NULL), 0);
}

static void die(void)
{
	channel_free(channel);
	channel = NULL;
	fake_forget_process(fake);
}

static void refresh(void)
{
	assert_int_equal(channel_refresh(channel), 0);
	assert_string_equal(fake->wrong, "");
}

/* As the server does. */
static void tick(unsigned int n)
{
	while (n--) {
		fake->now_ms += 1000;
		if (channel_tick(channel))
			refresh();
	}
}

static int begin(void **state)
{
	fake = fake_new();
	start();
	return 0;
}

static int end(void **state)
{
	die();
	unlinkat(dir, "1-1.spool", 0);
	fake_free(fake);
	return 0;
}

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
	unlinkat(dir, "1-1.spool", 0);
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

static int set_up_dir(void **state)
{
	dir = mkdtemp(dir_path) ? open(dir_path, O_RDONLY | O_DIRECTORY) : -1;
	host = fake_channel_host(dir);
	return dir < 0;
}

static int tear_down_dir(void **state)
{
	close(dir);
	return rmdir(dir_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
		T(a_full_file_system_holds_the_guest_back),
		T(a_full_file_system_drops_the_oldest),
		T(a_full_file_system_drops_the_newest),
		T(what_a_full_file_system_did_is_taken_back),
		T(a_state_that_cannot_be_written_is_written_later),
		T(a_quarantine_that_cannot_be_written_is_written_later),
		T(a_state_that_is_no_longer_meant_is_not_written),
		T(what_clients_look_for_is_written_later),
	};

	return cmocka_run_group_tests(tests, set_up_dir, tear_down_dir);
}
