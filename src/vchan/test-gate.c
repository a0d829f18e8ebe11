// SPDX-License-Identifier: MIT
/*
 * Two threads of one vchan that wait at the same time: one polls for both, the other
 * follows it.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "vchan/private.h"
#include "vchan/test-open.h"

struct waiter {
	pthread_t thread;
	atomic_int result; /* 1: still waiting */
};

static struct waiter leader, follower;
static struct gate *gate;

static void sleep_shortly(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void *waits(void *arg)
{
	struct waiter *w = arg;

	fake_host_set_domain(SERVER);
	atomic_store(&w->result, gate_wait(gate, gate_seen(gate),
					   deadline_in(60 * NS_PER_S)));
	return NULL;
}

static void start(struct waiter *w)
{
	atomic_store(&w->result, 1);
	assert_int_equal(pthread_create(&w->thread, NULL, waits, w), 0);
}

static bool are_waiting(bool polling, unsigned int n_followers)
{
	bool so;

	pthread_mutex_lock(&gate->lock);
	so = gate->polling == polling && gate->n_followers == n_followers;
	pthread_mutex_unlock(&gate->lock);
	return so;
}

static void start_both(void)
{
	gate = &vchan_of(server)->gate;
	assert_int_equal(gate_drain(gate), 0);
	start(&leader);
	while (!are_waiting(true, 0))
		sleep_shortly();
	start(&follower);
	while (!are_waiting(true, 1))
		sleep_shortly();
}

static void send_event(void)
{
	assert_int_equal(xenevtchn_notify(client->event, client->event_port),
			 0);
	pthread_join(leader.thread, NULL);
	pthread_join(follower.thread, NULL);
	assert_int_equal(atomic_load(&leader.result), 0);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void handle_signals(int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };

	assert_int_equal(sigaction(SIGUSR1, &sa, NULL), 0);
}

static void an_event_is_both_of_theirs(void **state)
{
	start_both();
	send_event();
	assert_int_equal(atomic_load(&follower.result), 0);
}

static void a_signal_ends_the_wait_of_a_thread_that_follows(void **state)
{
	handle_signals(0);
	start_both();
	for (int i = 0; i < 5000 && atomic_load(&follower.result) == 1; i++) {
		pthread_kill(follower.thread, SIGUSR1);
		sleep_shortly();
	}
	send_event();
	assert_int_equal(atomic_load(&follower.result), -EINTR);
}

static void a_signal_whose_handler_restarts_does_not(void **state)
{
	handle_signals(SA_RESTART);
	start_both();
	/* Not until the handler has run: race detectors put that off. */
	for (int i = 0; i < 20; i++) {
		pthread_kill(follower.thread, SIGUSR1);
		sleep_shortly();
	}
	send_event();
	assert_int_equal(atomic_load(&follower.result), 0);
}

static void a_child_can_close_what_threads_of_its_parent_wait_in(void **state)
{
	int status;
	pid_t pid;

	start_both();
	pid = fork();
	if (!pid) {
		alarm(30);
		libxenvchan_close(server);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	send_event();
	assert_int_equal(status, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_event_is_both_of_theirs),
		T(a_signal_ends_the_wait_of_a_thread_that_follows),
		T(a_signal_whose_handler_restarts_does_not),
		T(a_child_can_close_what_threads_of_its_parent_wait_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
