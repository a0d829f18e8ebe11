// SPDX-License-Identifier: MIT
/*
 * The faults of Xen's libxenvchan (4.2 to 4.22), each as a test that fails
 * where the fault is. Every test runs in a process of its own: a fault may
 * crash or hang. libxenvchan(3) lists them by these numbers.
 *
 *   test-faults             none may be present
 *   test-faults --present N...   exactly these are (another library's build)
 *   test-faults --debug N        this one alone, in this process
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#endif
#if (defined(__x86_64__) || defined(__i386__)) && !defined(__SANITIZE_THREAD__)
#define CAN_STEP 1
#include <x86intrin.h>
#else
#define CAN_STEP 0
#endif

#include "base/clock.h"
#include "vchan/test-faults.h"

/* Long enough for a slow machine; the other library does hang. */
#define SECONDS_TO_HANG 120
#define SECONDS_TO_HANG_OTHER 10

void open_pair(size_t left, size_t right, struct libxenvchan **s,
	       struct libxenvchan **c)
{
	*s = serve(left, right);
	expect(*s);
	*c = join();
	expect(*c);
	(*s)->blocking = (*c)->blocking = 0;
}

/* What the library gets from malloc() next is not zero. */
static void dirty_heap(void)
{
	/* A compiler drops what is written to memory right before free(). */
	void *(*volatile fill)(void *, int, size_t) = memset;
	void *p[4];

	for (int i = 0; i < 4; i++) {
		p[i] = malloc(sizeof(struct libxenvchan));
		expect(p[i]);
		fill(p[i], 0xff, sizeof(struct libxenvchan));
	}
	for (int i = 0; i < 4; i++)
		free(p[i]);
}

static void every_failed_call_of_server_init_is_survived(void)
{
	for (unsigned int n = 1;; n++) {
		struct libxenvchan *s;

		new_world();
		dirty_heap();
		fake_host_fail_in(SERVER, FAKE_ANY_CALL, n, EIO);
		errno = 0;
		s = serve(4096, 65536);
		if (fake_host_faults_left()) {
			fake_host_clear_faults();
			leave(s, SERVER);
			break;
		}
		fake_host_clear_faults();
		expect(s || errno);
		leave(s, SERVER);
		expect(fake_host_live(SERVER, FAKE_SHARED_PAGES) == 0);
	}
}

static void what_was_not_shared_is_not_unshared(void)
{
	dirty_heap();
	fake_host_set_page_limit(0);
	expect(!serve(4096, 0));
	expect(fake_host_calls(FAKE_UNSHARE) == 0);
}

static void a_failed_notify_sends_no_byte_twice_or_from_elsewhere(void)
{
	struct libxenvchan *s, *c;
	uint8_t out[4096], in[4096];
	int n, got = 0;

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i % 251);
	open_pair(4096, 4096, &s, &c);
	c->blocking = 1;
	fake_host_fail_in(CLIENT, FAKE_NOTIFY, 1, EIO);
	n = libxenvchan_write(c, out, 2000);
	expect(n == 2000 || n == -1);
	if (n == -1)
		return; /* an error is an answer, if nothing strays */
	while (got < 2000) {
		n = libxenvchan_read(s, in + got, sizeof(in) - (size_t)got);
		expect(n > 0);
		got += n;
	}
	expect(got == 2000 && !memcmp(in, out, 2000));
}

static void blocking_is_off_until_it_is_set(void)
{
	struct libxenvchan *s;

	dirty_heap();
	s = serve(0, 0);
	expect(s && !s->blocking);
	expect(!s->server_persist);
}

static void large_rings_are_given_back(void)
{
	struct libxenvchan *s, *c;

	open_pair(1 << 20, 1 << 20, &s, &c);
	leave(c, CLIENT);
	expect(fake_host_live(CLIENT, FAKE_MAPPED_PAGES) == 0);
	leave(s, SERVER);
	expect(fake_host_live(SERVER, FAKE_SHARED_PAGES) == 0);
}

static atomic_bool stop_flipping;

static void *flip_orders(void *arg)
{
	struct vchan_interface *ring = arg;

	while (!atomic_load(&stop_flipping)) {
		__atomic_store_n(&ring->left_order, 12, __ATOMIC_RELAXED);
		__atomic_store_n(&ring->left_order, 20, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void the_page_is_fetched_once(void)
{
	struct forged_server s;
	pthread_t t;

	/* Guard pages are around the one page that a ring of order 12 has. */
	forge_server(&s, 12, 11, 1);
	fake_host_map_apart(true);
	expect(!pthread_create(&t, NULL, flip_orders, s.ring));
	for (int i = 0; i < 2000; i++) {
		struct libxenvchan *c = join();

		if (!c)
			continue;
		expect(c->write.order == 12 || c->write.order == 20);
		memset(c->write.buffer, 1, (size_t)1 << c->write.order);
		leave(c, CLIENT);
		s.ring->cli_live = 2;
	}
	atomic_store(&stop_flipping, true);
	pthread_join(t, NULL);
}

static void a_peer_cannot_move_our_index(void)
{
	struct libxenvchan *s, *c;
	char buf[16];

	open_pair(1024, 2048, &s, &c);
	expect(libxenvchan_write(c, "secret", 6) == 6);
	expect(libxenvchan_read(s, buf, sizeof(buf)) == 6);
	c->ring->left.cons = 0; /* the client rewinds the server's */
	expect(libxenvchan_read(s, buf, sizeof(buf)) == 0);
}

static void impossible_indices_are_an_error(void)
{
	struct libxenvchan *s, *c;
	char buf[16];

	open_pair(1024, 2048, &s, &c);
	c->ring->left.prod = 100000;
	errno = 0;
	expect(libxenvchan_read(s, buf, sizeof(buf)) == -1);
	expect(errno == EPROTO);
	expect(libxenvchan_is_open(s) == 0);
	expect(libxenvchan_write(s, "x", 1) == -1 && errno == EPROTO);
}

static void an_impossible_live_byte_is_not_open(void)
{
	struct libxenvchan *s, *c;

	open_pair(1024, 2048, &s, &c);
	c->ring->cli_live = 77;
	expect(libxenvchan_is_open(s) == 0);
}

static void a_second_client_is_refused_and_harms_nobody(void)
{
	struct libxenvchan *s, *c;
	char buf[4];

	open_pair(1024, 2048, &s, &c);
	errno = 0;
	expect(!join());
	expect(errno == EBUSY);
	expect(libxenvchan_is_open(s) == 1);
	expect(libxenvchan_write(c, "abcd", 4) == 4);
	expect(libxenvchan_read(s, buf, 4) == 4);
}

static void a_client_that_fails_was_never_there(void)
{
	for (unsigned int n = 1;; n++) {
		struct libxenvchan *s, *c;

		new_world();
		s = serve(4096, 4096);
		expect(s);
		fake_host_fail_in(CLIENT, FAKE_ANY_CALL, n, EIO);
		c = join();
		if (fake_host_faults_left())
			break;
		if (!c)
			expect(libxenvchan_is_open(s) == 2);
		leave(c, CLIENT);
		leave(s, SERVER);
	}
}

static void the_next_client_reads_nothing_of_the_last(void)
{
	struct libxenvchan *s, *c;
	char buf[64] = "";

	open_pair(1024, 2048, &s, &c);
	s->server_persist = 1;
	expect(libxenvchan_is_open(s) == 1);
	expect(libxenvchan_write(s, "for the first", 13) == 13);
	leave(c, CLIENT);
	fake_host_set_domain(SERVER);
	libxenvchan_is_open(s); /* the server notices */
	c = join();
	expect(c);
	c->blocking = 0;
	expect(libxenvchan_read(c, buf, sizeof(buf)) == 0);
	for (int i = 0; i < 4096; i++)
		expect(memcmp((char *)c->ring + (i < 4083 ? i : 0), "for the",
			      7));
	expect(libxenvchan_write(s, "second", 6) == 6);
	expect(libxenvchan_read(c, buf, sizeof(buf)) == 6);
}

/* A client that writes its last byte and closes, after so many instructions. */
static struct {
	struct libxenvchan *client;
	int instructions;
} leaving;

static void write_and_close(void)
{
	fake_host_set_domain(CLIENT);
	if (libxenvchan_write(leaving.client, "x", 1) != 1)
		_exit(1);
	libxenvchan_close(leaving.client);
	leaving.client = NULL;
	fake_host_set_domain(SERVER);
}

/*
 * A thread sanitizer has a word on handlers that call free(), and adds to each
 * access what they should not interrupt: without steps there, as on other
 * processors, the client leaves after the read.
 */
#if CAN_STEP
#define TRAP_FLAG 0x100 /* a SIGTRAP after each instruction */

static void on_instruction(int signal, siginfo_t *info, void *context)
{
	ucontext_t *c = context;

	(void)signal;
	(void)info;
	if (leaving.instructions--)
		return;
	c->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	write_and_close();
}

/*
 * A call: the compiler does not know that the flag runs a handler, and would else
 * look whether the client has left before the last steps.
 */
static __attribute__((noinline)) void single_step(bool on)
{
	struct sigaction a = { .sa_sigaction = on_instruction,
			       .sa_flags = SA_SIGINFO };

	expect(!sigaction(SIGTRAP, &a, NULL));
	if (on)
		__writeeflags(__readeflags() | TRAP_FLAG);
	else
		__writeeflags(__readeflags() & ~(unsigned int)TRAP_FLAG);
}
#else
static void single_step(bool on)
{
	(void)on;
}
#endif

/*
 * Both come between two instructions of a read that found nothing yet: each two in
 * turn, until they come after it. (Such a read holds no lock, on the host or in
 * malloc(), that the handler's calls may want.)
 */
static void the_last_byte_before_a_close_arrives(void)
{
	bool before_the_end = true;

	for (int i = 0; before_the_end; i++) {
		struct libxenvchan *s;
		char b;
		int n;

		open_pair(1024, 2048, &s, &leaving.client);
		fake_host_set_domain(SERVER);
		leaving.instructions = i;
		single_step(true);
		n = libxenvchan_read(s, &b, 1);
		single_step(false);
		before_the_end = !leaving.client;
		if (!before_the_end)
			write_and_close();
		if (!n)
			n = libxenvchan_read(s, &b, 1);
		expect(n == 1);
		libxenvchan_close(s);
	}
}

static void orders_that_overlap_the_grant_list_are_refused(void)
{
	struct forged_server s;

	forge_server(&s, 10, 20, 256);
	errno = 0;
	expect(!join() && errno == EPROTO);
}

static long times_slept(void)
{
	struct rusage u;

	expect(!getrusage(RUSAGE_THREAD, &u));
	return u.ru_nvcsw;
}

/*
 * A burst is taken, and then one a millisecond. An event is always there: who
 * waits does not sleep, unless to hold it back. So it shows which of both it is,
 * however slow the machine.
 */
static void a_flood_of_events_is_held_back(void)
{
	struct libxenvchan *s, *c;
	int64_t start = clock_now_ns();
	long slept = times_slept();

	open_pair(1024, 2048, &s, &c);
	for (int n = 0; times_slept() - slept < 200; n++) {
		expect(n <= 512 + (clock_now_ns() - start) / NS_PER_MS);
		fake_host_set_domain(CLIENT);
		xenevtchn_notify(c->event, c->event_port);
		fake_host_set_domain(SERVER);
		expect(!libxenvchan_wait(s));
	}
}

static const struct fault faults[] = {
	FAULT(1, every_failed_call_of_server_init_is_survived),
	FAULT(2, what_was_not_shared_is_not_unshared),
	FAULT(3, a_failed_notify_sends_no_byte_twice_or_from_elsewhere),
	FAULT(4, blocking_is_off_until_it_is_set),
	FAULT(5, large_rings_are_given_back),
	FAULT(6, the_page_is_fetched_once),
	FAULT(7, a_peer_cannot_move_our_index),
	FAULT(8, impossible_indices_are_an_error),
	FAULT(9, an_impossible_live_byte_is_not_open),
	FAULT(10, a_second_client_is_refused_and_harms_nobody),
	FAULT(11, a_client_that_fails_was_never_there),
	FAULT(12, the_next_client_reads_nothing_of_the_last),
	FAULT(13, the_last_byte_before_a_close_arrives),
	FAULT(14, orders_that_overlap_the_grant_list_are_refused),
	FAULT(15, a_flood_of_events_is_held_back),
	{ 0 },
};

/* Whether the fault is there: the test failed, crashed or hung. */
static bool is_present(const struct fault *f, unsigned int seconds,
		       const char **how)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		alarm(seconds);
		new_world();
		f->test();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status))
		*how = WEXITSTATUS(status) ? "present" : "absent";
	else
		*how = WTERMSIG(status) == SIGALRM ? "present: hangs"
						   : "present: crashes";
	return status != 0;
}

static bool is_expected(int number, int argc, char **argv)
{
	for (int i = 2; i < argc; i++)
		if (atoi(argv[i]) == number)
			return true;
	return false;
}

static bool debug(const struct fault *f, int number)
{
	for (; f->test; f++) {
		if (f->number != number)
			continue;
		new_world();
		f->test();
		return true;
	}
	return false;
}

/* How many are there, or not, unlike what the arguments say. */
static int try_all(const struct fault *f, int argc, char **argv)
{
	unsigned int seconds =
		argc > 1 ? SECONDS_TO_HANG_OTHER : SECONDS_TO_HANG;
	int wrong = 0;

	for (; f->test; f++) {
		const char *how;
		bool present = is_present(f, seconds, &how);
		bool ok = present == is_expected(f->number, argc, argv);

		printf("%s fault %d: %s (%s)\n", ok ? "ok  " : "FAIL",
		       f->number, how, f->name);
		fflush(stdout);
		wrong += !ok;
	}
	return wrong;
}

int main(int argc, char **argv)
{
	int number = argc == 3 ? atoi(argv[2]) : 0;

	if (argc == 3 && !strcmp(argv[1], "--debug"))
		return debug(faults, number) || debug(faults_of_use, number)
			       ? 0
			       : 2;
	return try_all(faults, argc, argv) + try_all(faults_of_use, argc, argv)
		       ? 1
		       : 0;
}
