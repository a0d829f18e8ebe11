// SPDX-License-Identifier: MIT
/* Bytes through a terminal of somebody else's, here a pseudo-terminal. */
#include "guest/tty-relay.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "guest/session.h"
#include "guest/tty.h"

/* What the terminal says that it has not passed on; negative: its errno. */
static atomic_int queue;

int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, void *argument);

int __wrap_ioctl(int fd, unsigned long request, void *argument)
{
	int n = atomic_load(&queue);

	if (request != TIOCOUTQ)
		return __real_ioctl(fd, request, argument);
	if (n < 0) {
		errno = -n;
		return -1;
	}
	*(int *)argument = n;
	return 0;
}

struct world {
	int master, tty, stop;
	int in[2], out[2]; /* what the relay reads and writes, as pipes */
	struct relay relay;
	struct command command;
	bool keep;
	pthread_t thread;
	int result;
};

static int set_up(void **state)
{
	static struct world w;
	char slave[64];

	signal(SIGPIPE, SIG_IGN);
	alarm(120); /* nothing here waits for long */
	atomic_store(&queue, 0);
	w = (struct world){ .stop = eventfd(0, EFD_CLOEXEC) };
	w.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(w.master >= 0 && w.stop >= 0);
	assert_int_equal(grantpt(w.master), 0);
	assert_int_equal(unlockpt(w.master), 0);
	assert_int_equal(ptsname_r(w.master, slave, sizeof(slave)), 0);
	assert_int_equal(tty_open(slave, &w.tty), 0);
	assert_int_equal(pipe2(w.in, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(w.out, O_CLOEXEC), 0);
	w.relay = (struct relay){ .in = w.in[0], .out = w.out[1] };
	*state = &w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	int fds[] = { w->master, w->tty,    w->stop,  w->in[0],
		      w->in[1],  w->out[0], w->out[1] };

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	return 0;
}

static void *run(void *arg)
{
	struct world *w = arg;

	w->result = tty_relay_run(&w->relay, w->tty, w->stop, w->keep);
	return NULL;
}

static void begin(struct world *w)
{
	assert_int_equal(pthread_create(&w->thread, NULL, run, w), 0);
}

static void start_command(struct world *w, const char *script)
{
	char *argv[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char *)script,
			 NULL };

	assert_int_equal(command_start(&w->command, argv, "a"), 0);
	w->relay = (struct relay){ .in = w->command.out,
				   .out = w->command.in,
				   .command = &w->command };
	w->keep = true;
}

static void begin_command(struct world *w, const char *script)
{
	start_command(w, script);
	begin(w);
}

static void expect_end(struct world *w, int result)
{
	pthread_join(w->thread, NULL);
	assert_int_equal(w->result, result);
}

static void close_end(int *fd)
{
	close(*fd);
	*fd = -1;
}

static void put(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void expect_text(int fd, const char *text)
{
	char buf[64];
	size_t n = 0;

	while (n < strlen(text)) {
		ssize_t r = read(fd, buf + n, strlen(text) - n);

		assert_true(r > 0);
		n += (size_t)r;
	}
	assert_memory_equal(buf, text, n);
}

static void bytes_go_both_ways_until_the_input_ends(void **state)
{
	struct world *w = *state;

	begin(w);
	put(w->in[1], "there");
	expect_text(w->master, "there");
	put(w->master, "back");
	expect_text(w->out[0], "back");
	close_end(&w->in[1]);
	expect_end(w, SESSION_DONE);
	assert_int_equal(w->relay.sent, 5);
	assert_int_equal(w->relay.received, 4);
}

static void with_keep_the_end_is_the_hang_up(void **state)
{
	struct world *w = *state;

	w->keep = true;
	begin(w);
	close_end(&w->in[1]);
	put(w->master, "late");
	expect_text(w->out[0], "late");
	close_end(&w->master);
	expect_end(w, SESSION_DONE);
}

/* Until the terminal has passed it on, nothing is delivered. */
static void the_end_of_input_waits_for_the_terminals_queue(void **state)
{
	struct world *w = *state;

	atomic_store(&queue, 5);
	begin(w);
	put(w->in[1], "there");
	close_end(&w->in[1]);
	expect_text(w->master, "there");
	usleep(100000);
	atomic_store(&queue, 0);
	expect_end(w, SESSION_DONE);
}

static void what_is_queued_at_a_hang_up_is_not_delivered(void **state)
{
	struct world *w = *state;

	atomic_store(&queue, 5);
	begin(w);
	put(w->in[1], "there");
	close_end(&w->in[1]);
	expect_text(w->master, "there");
	close_end(&w->master);
	expect_end(w, SESSION_UNDELIVERED);
}

static void nor_is_it_if_the_queue_tells_of_the_hang_up(void **state)
{
	struct world *w = *state;

	atomic_store(&queue, -EIO);
	begin(w);
	put(w->in[1], "there");
	close_end(&w->in[1]);
	expect_end(w, SESSION_UNDELIVERED);
}

static void a_stop_ends_the_wait_for_the_queue(void **state)
{
	struct world *w = *state;

	atomic_store(&queue, 5);
	begin(w);
	put(w->in[1], "there");
	close_end(&w->in[1]);
	expect_text(w->master, "there");
	assert_int_equal(eventfd_write(w->stop, 1), 0);
	expect_end(w, SESSION_STOPPED);
}

static void a_command_that_closed_its_output_still_reads(void **state)
{
	struct world *w = *state;

	begin_command(w, "exec >&-; read -r line; test \"$line\" = later");
	usleep(100000);
	put(w->master, "later\n");
	expect_end(w, SESSION_DONE);
	assert_int_equal(command_finish(&w->command, -1), 0);
}

/* It would be held back by what nobody will take. */
static void a_command_that_does_not_read_still_writes(void **state)
{
	struct world *w = *state;

	begin_command(w, "exec <&-; echo closed; while :; do echo more; "
			 "sleep 0.1; done");
	expect_text(w->master, "closed\n");
	put(w->master, "for nobody");
	expect_text(w->master, "more\nmore\nmore\n");
	close_end(&w->master);
	expect_end(w, SESSION_DONE);
	assert_int_not_equal(command_finish(&w->command, -1), 0);
}

static void a_command_whose_children_hold_its_output_is_over(void **state)
{
	struct world *w = *state;

	char text[16] = "";

	begin_command(w, "sleep 60 </dev/null & echo $!; exit 3");
	expect_end(w, SESSION_DONE);
	assert_int_equal(command_finish(&w->command, -1), 3);
	assert_true(read(w->master, text, sizeof(text) - 1) > 0);
	assert_int_equal(kill(atoi(text), SIGKILL), 0);
}

/* More than is read at once: after the last of it nothing tells of the end. */
static void what_it_left_in_the_pipe_is_passed_on(void **state)
{
	struct world *w = *state;
	siginfo_t info;
	char text[16] = "";

	start_command(w, "sleep 60 </dev/null & printf '%-5000s' $!");
	assert_int_equal(
		waitid(P_PID, (id_t)w->command.pid, &info, WEXITED | WNOWAIT),
		0);
	begin(w);
	expect_end(w, SESSION_DONE);
	assert_int_equal(w->relay.sent, 5000);
	assert_int_equal(command_finish(&w->command, -1), 0);
	assert_true(read(w->master, text, sizeof(text) - 1) > 0);
	assert_int_equal(kill(atoi(text), SIGKILL), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_go_both_ways_until_the_input_ends),
		TEST(with_keep_the_end_is_the_hang_up),
		TEST(the_end_of_input_waits_for_the_terminals_queue),
		TEST(what_is_queued_at_a_hang_up_is_not_delivered),
		TEST(nor_is_it_if_the_queue_tells_of_the_hang_up),
		TEST(a_stop_ends_the_wait_for_the_queue),
		TEST(a_command_that_closed_its_output_still_reads),
		TEST(a_command_that_does_not_read_still_writes),
		TEST(a_command_whose_children_hold_its_output_is_over),
		TEST(what_it_left_in_the_pipe_is_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
