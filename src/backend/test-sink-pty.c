// SPDX-License-Identifier: MIT
/*
 * A terminal of the kernel's, with a loop and a service manager of the test's own:
 * who has it open, its mode, and what is left when something fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <cmocka.h>

#include "backend/fd-store.h"
#include "backend/poller.h"
#include "backend/pty-watch.h"
#include "backend/sink.h"

/*
 * The service manager: one descriptor, of the master.
 */

static int kept, n_kept; /* the copy; how many it holds */
static int inherited;    /* -1: none */

int fd_store_take(struct fd_store *s, const char *name)
{
	int fd = inherited;

	inherited = -1;
	return fd;
}

void fd_store_return(struct fd_store *s, const char *name, int fd)
{
	inherited = fd;
}

void fd_store_keep(struct fd_store *s, const char *name, int fd)
{
	n_kept++;
	kept = dup(fd);
}

void fd_store_drop(struct fd_store *s, const char *name)
{
	n_kept--;
	close(kept);
}

/*
 * The loop: each failure is a step of the opening that is made to fail.
 */

static int fail_watch, fail_poller;
static pty_watch_fn opened;
static poller_fn on_master;
static void *owner;
static int wanted;

int pty_watch_add(struct pty_watch *w, const char *path, pty_watch_fn fn,
		  void *userdata)
{
	opened = fn;
	return fail_watch ? -ENOSPC : 1;
}

void pty_watch_remove(struct pty_watch *w, int id)
{
}

int poller_new(struct poller **out, uv_loop_t *loop, int fd, poller_fn fn,
	       void *userdata)
{
	on_master = fn;
	owner = userdata;
	*out = NULL;
	return fail_poller ? -ENOMEM : 0;
}

void poller_set(struct poller *p, int events)
{
	wanted = events;
}

void poller_pause(struct poller *p)
{
}

void poller_free(struct poller *p)
{
}

/*
 * The channel
 */

static struct sink *sink;
static char told[16]; /* o: opened, c: closed, r: ready */

static void on_sink(void *userdata, enum sink_event event)
{
	static const char letters[] = "roc!";

	told[strlen(told)] = letters[event];
}

static const char *told_since(void)
{
	static char text[sizeof(told)];

	strcpy(text, told);
	memset(told, 0, sizeof(told));
	return text;
}

static int try_open(void)
{
	const struct sink_config config = { .kind = CONSOLE_PTY,
					    .access = { 0600, -1, -1 },
					    .id = "0123",
					    .fn = on_sink };

	return sink_open(&sink, NULL, &config);
}

static void start(void)
{
	assert_int_equal(try_open(), 0);
	sink_want(sink, true, false);
}

/* As a kill and a start would have it. */
static void restart(void)
{
	sink_free(sink, true);
	inherited = dup(kept);
	start();
}

static int begin(void **state)
{
	kept = inherited = -1;
	n_kept = fail_watch = fail_poller = 0;
	memset(told, 0, sizeof(told));
	start();
	return 0;
}

static int end(void **state)
{
	sink_free(sink, false);
	assert_int_equal(n_kept, 0);
	return 0;
}

/*
 * A reader. The events are those that the kernel gives, when we look at them.
 */

static int come(void)
{
	int fd = open(sink_path(sink), O_RDWR | O_NOCTTY | O_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}

static void look_at_opening(void)
{
	opened(owner, true);
}

static void look_at_hangup(void)
{
	assert_true(wanted & UV_PRIORITIZED);
	on_master(owner, 0);
}

static bool is_raw(int fd)
{
	struct termios t;

	assert_int_equal(tcgetattr(fd, &t), 0);
	return !(t.c_lflag & (ICANON | ECHO | ISIG)) && !(t.c_oflag & OPOST);
}

static void make_cooked(int fd)
{
	struct termios t;

	assert_int_equal(tcgetattr(fd, &t), 0);
	t.c_lflag |= ICANON | ECHO;
	assert_int_equal(tcsetattr(fd, TCSANOW, &t), 0);
}

static void readers_are_told_of_whatever_their_number(void **state)
{
	int a = come(), b;

	look_at_opening();
	assert_string_equal(told_since(), "or");
	/* The kernel makes one event of two, and may have had no time yet. */
	b = come();
	close(a);
	look_at_opening();
	on_master(owner, 0);
	assert_true(sink_has_client(sink));
	close(b);
	told_since();
	look_at_hangup();
	assert_string_equal(told_since(), "c");
	assert_false(sink_has_client(sink));
	/* Or the loop would turn for ever. */
	assert_int_equal(wanted, 0);
}

static void one_that_has_left_already_is_told_of_too(void **state)
{
	uint8_t before[8], data[8];
	int fd = come();

	assert_int_equal(write(fd, "last", 4), 4);
	close(fd);
	look_at_opening();
	assert_string_equal(told_since(), "oc");
	assert_int_equal(sink_peek(sink, before, 8), 4);
	assert_int_equal(sink_read(sink, data, 4), 4);
	assert_memory_equal(data, "last", 4);
	assert_int_equal(sink_peek(sink, before, 8), -EAGAIN);
}

static void lost_events_are_made_up_for(void **state)
{
	int fd = come();

	opened(owner, false);
	assert_string_equal(told_since(), "or");
	close(fd);
	look_at_hangup();
	told_since();
	opened(owner, false);
	assert_string_equal(told_since(), "r");
	assert_false(sink_has_client(sink));
}

static void what_a_reader_left_unread_is_the_next_ones(void **state)
{
	char got[8];
	int fd = come();

	look_at_opening();
	assert_int_equal(sink_write(sink, "kept", 4), 4);
	close(fd);
	look_at_hangup();
	assert_int_equal(sink_write(sink, "held", 4), -EAGAIN);
	restart();
	fd = come();
	assert_int_equal(read(fd, got, sizeof(got)), 4);
	assert_memory_equal(got, "kept", 4);
	close(fd);
}

static void each_reader_finds_it_raw(void **state)
{
	int fd = come();

	look_at_opening();
	assert_true(is_raw(fd));
	make_cooked(fd);
	close(fd);
	look_at_hangup();
	fd = come();
	assert_true(is_raw(fd));
	close(fd);
}

static void restart_knows_whether_there_is_a_reader(void **state)
{
	int fd;

	restart();
	assert_false(sink_has_client(sink));
	fd = come();
	restart();
	assert_true(sink_has_client(sink));
	close(fd);
	look_at_hangup();
	assert_string_equal(told_since(), "c");
}

static void restart_leaves_a_readers_mode_alone(void **state)
{
	int fd = come();

	make_cooked(fd);
	restart();
	assert_false(is_raw(fd));
	close(fd);
}

static void mode_of_one_that_left_meanwhile_is_taken_back(void **state)
{
	int fd = come();

	make_cooked(fd);
	close(fd);
	restart();
	fd = come();
	assert_true(is_raw(fd));
	close(fd);
}

static void failed_opening_leaves_nothing_with_the_manager(void **state)
{
	sink_free(sink, false);
	for (int i = 0; i < 4; i++) {
		fail_watch = i % 2;
		fail_poller = !fail_watch;
		assert_true(try_open() < 0);
		assert_int_equal(n_kept, 0);
	}
	fail_watch = fail_poller = 0;
	start();
	assert_int_equal(n_kept, 1);
}

static void failed_opening_does_not_lose_the_former_one(void **state)
{
	char path[32];

	strcpy(path, sink_path(sink));
	sink_free(sink, true);
	inherited = dup(kept);
	fail_watch = 1;
	assert_int_equal(try_open(), -ENOSPC);
	fail_watch = 0;
	start();
	assert_string_equal(sink_path(sink), path);
	assert_int_equal(n_kept, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
		TEST(readers_are_told_of_whatever_their_number),
		TEST(one_that_has_left_already_is_told_of_too),
		TEST(lost_events_are_made_up_for),
		TEST(what_a_reader_left_unread_is_the_next_ones),
		TEST(each_reader_finds_it_raw),
		TEST(restart_knows_whether_there_is_a_reader),
		TEST(restart_leaves_a_readers_mode_alone),
		TEST(mode_of_one_that_left_meanwhile_is_taken_back),
		TEST(failed_opening_leaves_nothing_with_the_manager),
		TEST(failed_opening_does_not_lose_the_former_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
