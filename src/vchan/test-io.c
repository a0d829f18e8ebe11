// SPDX-License-Identifier: MIT
/* The table of calls in libxenvchan(3), row by row. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "vchan/test-open.h"

static void close_client(void)
{
	leave(client, CLIENT);
	client = NULL;
	fake_host_set_domain(SERVER);
}

static bool event_is_pending(struct libxenvchan *v)
{
	struct pollfd p = { libxenvchan_fd_for_select(v), POLLIN, 0 };

	return poll(&p, 1, 0) == 1;
}

/* Consumes what set-up and earlier calls have left. */
static void drop_events(struct libxenvchan *v)
{
	while (event_is_pending(v))
		assert_int_equal(libxenvchan_wait(v), 0);
}

static void send_is_all_or_nothing(void **state)
{
	assert_int_equal(libxenvchan_send(client, out, LEFT), LEFT);
	assert_int_equal(libxenvchan_send(client, out, 1), 0);
	assert_int_equal(libxenvchan_read(server, in, 10), 10);
	assert_int_equal(libxenvchan_send(client, out, 11), 0);
	assert_int_equal(libxenvchan_send(client, out, 10), 10);
	assert_int_equal(libxenvchan_data_ready(server), LEFT);
}

static void write_takes_what_fits(void **state)
{
	assert_int_equal(libxenvchan_write(client, out, LEFT + 5), LEFT);
	assert_int_equal(libxenvchan_write(client, out, 5), 0);
	assert_int_equal(libxenvchan_read(server, in, sizeof(in)), LEFT);
	assert_memory_equal(in, out, LEFT);
}

static void recv_is_exact(void **state)
{
	assert_int_equal(libxenvchan_write(client, out, 99), 99);
	assert_int_equal(libxenvchan_recv(server, in, 100), 0);
	assert_int_equal(libxenvchan_write(client, out + 99, 1), 1);
	assert_int_equal(libxenvchan_recv(server, in, 100), 100);
	assert_memory_equal(in, out, 100);
	assert_int_equal(libxenvchan_recv(server, in, 1), 0);
}

static void read_gives_what_there_is(void **state)
{
	assert_int_equal(libxenvchan_read(server, in, 10), 0);
	assert_int_equal(libxenvchan_write(client, out, 7), 7);
	assert_int_equal(libxenvchan_read(server, in, 10), 7);
	assert_memory_equal(in, out, 7);
}

static void nothing_is_moved_for_size_zero(void **state)
{
	assert_int_equal(libxenvchan_send(client, out, 0), 0);
	assert_int_equal(libxenvchan_write(client, out, 0), 0);
	assert_int_equal(libxenvchan_recv(server, in, 0), 0);
	assert_int_equal(libxenvchan_read(server, in, 0), 0);
	assert_int_equal(libxenvchan_data_ready(server), 0);
}

static void what_was_sent_before_a_close_is_readable(void **state)
{
	assert_int_equal(libxenvchan_write(client, out, 50), 50);
	close_client();
	assert_int_equal(libxenvchan_is_open(server), 0);
	assert_int_equal(libxenvchan_recv(server, in, 30), 30);
	errno = 0;
	assert_int_equal(libxenvchan_recv(server, in, 30), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(libxenvchan_read(server, in + 30, 30), 20);
	assert_memory_equal(in, out, 50);
	errno = 0;
	assert_int_equal(libxenvchan_read(server, in, 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(libxenvchan_read(server, in, 0), -1);
}

static void a_closed_vchan_takes_nothing(void **state)
{
	close_client();
	errno = 0;
	assert_int_equal(libxenvchan_send(server, out, 1), -1);
	assert_int_equal(errno, EPIPE);
	errno = 0;
	assert_int_equal(libxenvchan_write(server, out, 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(libxenvchan_write(server, out, 0), -1);
	/* It waits for nothing either. */
	assert_int_equal(libxenvchan_wait(server), 0);
	assert_int_equal(libxenvchan_wait(server), 0);
}

static void a_server_may_write_before_its_client_comes(void **state)
{
	leave(client, CLIENT);
	leave(server, SERVER);
	server = serve(LEFT, RIGHT);
	assert_int_equal(libxenvchan_is_open(server), 2);
	assert_int_equal(libxenvchan_write(server, out, 100), 100);
	client = join();
	assert_int_equal(libxenvchan_is_open(server), 1);
	assert_int_equal(libxenvchan_is_open(client), 1);
	assert_int_equal(libxenvchan_read(client, in, 200), 100);
	assert_memory_equal(in, out, 100);
}

static void short_returns_ask_for_an_event(void **state)
{
	drop_events(server);
	drop_events(client);
	/* A short write: told when the reader has taken some. */
	assert_int_equal(libxenvchan_write(client, out, 2 * LEFT), LEFT);
	assert_false(event_is_pending(client));
	assert_int_equal(libxenvchan_read(server, in, 100), 100);
	assert_true(event_is_pending(client));
	drop_events(client);
	/* So does a write of more than the ring, though all of it was free. */
	assert_int_equal(libxenvchan_read(server, in, LEFT), LEFT - 100);
	drop_events(client);
	assert_int_equal(libxenvchan_write(client, out, LEFT + 1), LEFT);
	assert_int_equal(libxenvchan_read(server, in, 1), 1);
	assert_true(event_is_pending(client));
	/* A short read: told when there is more. */
	assert_int_equal(libxenvchan_read(server, in, LEFT), LEFT - 1);
	drop_events(server);
	assert_int_equal(libxenvchan_write(client, out, 1), 1);
	assert_true(event_is_pending(server));
	/* A short packet too, in either direction. */
	drop_events(server);
	assert_int_equal(libxenvchan_recv(server, in, 2), 0);
	assert_int_equal(libxenvchan_write(client, out, 1), 1);
	assert_true(event_is_pending(server));
	assert_int_equal(libxenvchan_write(client, out, LEFT), LEFT - 2);
	assert_int_equal(libxenvchan_send(client, out, 1), 0);
	drop_events(client);
	assert_int_equal(libxenvchan_recv(server, in, 2), 2);
	assert_true(event_is_pending(client));
}

static void counting_asks_for_an_event(void **state)
{
	drop_events(server);
	drop_events(client);
	assert_int_equal(libxenvchan_buffer_space(client), LEFT);
	assert_int_equal(libxenvchan_write(client, out, 9), 9);
	assert_int_equal(libxenvchan_data_ready(server), 9);
	assert_int_equal(libxenvchan_buffer_space(client), LEFT - 9);
	drop_events(client);
	assert_int_equal(libxenvchan_read(server, in, 1), 1);
	assert_true(event_is_pending(client));
	drop_events(server);
	assert_int_equal(libxenvchan_write(client, out, 1), 1);
	assert_true(event_is_pending(server));
}

static atomic_uint n_naps;

/* The library's, when it finds that events come for nothing. */
int nanosleep(const struct timespec *t, struct timespec *left)
{
	atomic_fetch_add(&n_naps, 1);
	return clock_nanosleep(CLOCK_REALTIME, 0, t, left) ? -1 : 0;
}

/* As programs do that sleep in select(2), for more events than a flood has. */
static void events_that_bring_something_are_not_held_back(void **state)
{
	atomic_store(&n_naps, 0);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(libxenvchan_data_ready(server), 0);
		assert_int_equal(libxenvchan_write(client, out, 1), 1);
		assert_int_equal(libxenvchan_wait(server), 0);
		assert_int_equal(libxenvchan_data_ready(server), 1);
		assert_int_equal(libxenvchan_read(server, in, 8), 1);
	}
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(libxenvchan_write(client, out, sizeof(out)),
				 i ? 1 : LEFT);
		assert_int_equal(libxenvchan_read(server, in, 1), 1);
		assert_int_equal(libxenvchan_wait(client), 0);
		assert_int_equal(libxenvchan_buffer_space(client), 1);
	}
	assert_int_equal(atomic_load(&n_naps), 0);
}

static void whoever_needs_nothing_is_sent_nothing(void **state)
{
	unsigned long before;

	assert_int_equal(libxenvchan_write(client, out, 1000), 1000);
	before = fake_host_calls(FAKE_NOTIFY);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(libxenvchan_write(client, out, 10), 10);
		assert_int_equal(libxenvchan_read(server, in, 10), 10);
	}
	assert_int_equal(fake_host_calls(FAKE_NOTIFY), before);
}

static void close_sends_an_event(void **state)
{
	drop_events(server);
	close_client();
	assert_true(event_is_pending(server));
}

/* Threads that play the client, while the test plays a blocking server. */

static void *client_reads_slowly(void *arg)
{
	size_t *got = arg;

	fake_host_set_domain(CLIENT);
	client->blocking = 1;
	while (*got < sizeof(out)) {
		int n = libxenvchan_read(client, in + *got, 777);

		if (n <= 0)
			break;
		*got += (size_t)n;
		usleep(100);
	}
	return NULL;
}

static void a_blocking_write_writes_all(void **state)
{
	size_t got = 0;
	pthread_t t;

	server->blocking = 1;
	assert_int_equal(pthread_create(&t, NULL, client_reads_slowly, &got),
			 0);
	fake_host_set_domain(SERVER);
	assert_int_equal(libxenvchan_write(server, out, sizeof(out)),
			 sizeof(out));
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(got, sizeof(out));
	assert_memory_equal(in, out, sizeof(out));
}

static void *client_sends_two_halves(void *arg)
{
	fake_host_set_domain(CLIENT);
	for (int i = 0; i < 2; i++) {
		usleep(20000);
		if (libxenvchan_write(client, out + i * 50, 50) != 50)
			abort();
	}
	return NULL;
}

static void a_blocking_recv_waits_for_all(void **state)
{
	pthread_t t;

	server->blocking = 1;
	assert_int_equal(
		pthread_create(&t, NULL, client_sends_two_halves, NULL), 0);
	fake_host_set_domain(SERVER);
	assert_int_equal(libxenvchan_recv(server, in, 100), 100);
	assert_memory_equal(in, out, 100);
	assert_int_equal(pthread_join(t, NULL), 0);
}

static void *client_closes_later(void *arg)
{
	usleep(20000);
	leave(client, CLIENT);
	client = NULL;
	return NULL;
}

static void a_close_ends_a_blocking_read(void **state)
{
	pthread_t t;

	server->blocking = 1;
	assert_int_equal(pthread_create(&t, NULL, client_closes_later, NULL),
			 0);
	fake_host_set_domain(SERVER);
	errno = 0;
	assert_int_equal(libxenvchan_read(server, in, 100), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(pthread_join(t, NULL), 0);
}

static void a_close_ends_a_blocking_write_that_counts_what_it_sent(void **state)
{
	pthread_t t;

	server->blocking = 1;
	assert_int_equal(pthread_create(&t, NULL, client_closes_later, NULL),
			 0);
	fake_host_set_domain(SERVER);
	assert_int_equal(libxenvchan_write(server, out, 2 * RIGHT), RIGHT);
	errno = 0;
	assert_int_equal(libxenvchan_write(server, out, 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(pthread_join(t, NULL), 0);
}

static void *kill_client_later(void *arg)
{
	usleep(20000);
	fake_host_kill_handles(CLIENT);
	return NULL;
}

static void a_killed_peer_ends_a_blocking_read(void **state)
{
	pthread_t t;

	server->blocking = 1;
	assert_int_equal(pthread_create(&t, NULL, kill_client_later, NULL), 0);
	fake_host_set_domain(SERVER);
	errno = 0;
	assert_int_equal(libxenvchan_read(server, in, 100), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(pthread_join(t, NULL), 0);
}

static void ignore(int sig)
{
	(void)sig;
}

static void *interrupt(void *arg)
{
	for (int i = 0; i < 3; i++) {
		usleep(20000);
		pthread_kill(*(pthread_t *)arg, SIGUSR1);
	}
	usleep(20000);
	fake_host_set_domain(CLIENT);
	if (libxenvchan_write(client, out, 1) != 1)
		abort();
	return NULL;
}

static int read_interrupted(int flags)
{
	struct sigaction sa = { .sa_handler = ignore, .sa_flags = flags };
	pthread_t self = pthread_self(), t;
	int n;

	server->blocking = 1;
	assert_int_equal(sigaction(SIGUSR1, &sa, NULL), 0);
	assert_int_equal(pthread_create(&t, NULL, interrupt, &self), 0);
	fake_host_set_domain(SERVER);
	errno = 0;
	n = libxenvchan_read(server, in, 1);
	if (n > 0)
		errno = 0;
	flags = errno;
	assert_int_equal(pthread_join(t, NULL), 0);
	errno = flags;
	sa.sa_handler = SIG_DFL;
	assert_int_equal(sigaction(SIGUSR1, &sa, NULL), 0);
	return n;
}

static void a_signal_interrupts_a_wait(void **state)
{
	assert_int_equal(read_interrupted(0), -1);
	assert_int_equal(errno, EINTR);
}

/* What was sent counts, and the call after it is like any other. */
static void an_interrupted_write_tells_what_it_sent(void **state)
{
	struct sigaction sa = { .sa_handler = ignore };
	struct itimerval soon = { { 0, 20000 }, { 0, 20000 } }, never = { 0 };

	fake_host_set_domain(SERVER);
	server->blocking = 1;
	assert_int_equal(sigaction(SIGALRM, &sa, NULL), 0);
	setitimer(ITIMER_REAL, &soon, NULL);
	assert_int_equal(libxenvchan_write(server, out, RIGHT + 1), RIGHT);
	setitimer(ITIMER_REAL, &never, NULL);
	sa.sa_handler = SIG_DFL;
	assert_int_equal(sigaction(SIGALRM, &sa, NULL), 0);
	assert_int_equal(libxenvchan_read(client, in, RIGHT), RIGHT);
	assert_memory_equal(in, out, RIGHT);
	assert_int_equal(libxenvchan_write(server, out, 1), 1);
}

static void a_restarting_signal_does_not(void **state)
{
	assert_int_equal(read_interrupted(SA_RESTART), 1);
}

/* And of one process: here, of one thread. */
static void both_ends_may_be_of_one_domain(void **state)
{
	for (int server_first = 0; server_first < 2; server_first++) {
		struct libxenvchan *s, *c, *last;

		fake_host_set_domain(SERVER);
		s = libxenvchan_server_init(NULL, SERVER, "data/own", LEFT,
					    RIGHT);
		assert_non_null(s);
		c = libxenvchan_client_init(NULL, SERVER,
					    "/local/domain/1/data/own");
		assert_non_null(c);
		assert_int_equal(libxenvchan_write(s, out, 100), 100);
		assert_int_equal(libxenvchan_read(c, in, 200), 100);
		assert_int_equal(libxenvchan_send(c, out, LEFT), LEFT);
		assert_int_equal(libxenvchan_recv(s, in, LEFT), LEFT);
		assert_memory_equal(in, out, LEFT);
		libxenvchan_close(server_first ? s : c);
		last = server_first ? c : s;
		assert_int_equal(libxenvchan_wait(last), 0);
		assert_int_equal(libxenvchan_is_open(last), 0);
		libxenvchan_close(last);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(send_is_all_or_nothing),
		T(write_takes_what_fits),
		T(recv_is_exact),
		T(read_gives_what_there_is),
		T(nothing_is_moved_for_size_zero),
		T(what_was_sent_before_a_close_is_readable),
		T(a_closed_vchan_takes_nothing),
		T(a_server_may_write_before_its_client_comes),
		T(short_returns_ask_for_an_event),
		T(counting_asks_for_an_event),
		T(events_that_bring_something_are_not_held_back),
		T(whoever_needs_nothing_is_sent_nothing),
		T(close_sends_an_event),
		T(a_blocking_write_writes_all),
		T(a_blocking_recv_waits_for_all),
		T(a_close_ends_a_blocking_read),
		T(a_close_ends_a_blocking_write_that_counts_what_it_sent),
		T(a_killed_peer_ends_a_blocking_read),
		T(both_ends_may_be_of_one_domain),
		T(a_signal_interrupts_a_wait),
		T(an_interrupted_write_tells_what_it_sent),
		T(a_restarting_signal_does_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
