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
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
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
#include "vchan/test-pair.h"

/* Long enough for a slow machine; the other library does hang. */
#define SECONDS_TO_HANG 120
#define SECONDS_TO_HANG_OTHER 10

#define expect(cond)                                                         \
	do {                                                                 \
		if (!(cond)) {                                               \
			fprintf(stderr, "    %s:%d: not so: %s\n", __func__, \
				__LINE__, #cond);                            \
			_exit(1);                                            \
		}                                                            \
	} while (0)

/* A server and its client, with the sizes of the two rings. */
static void open_pair(size_t left, size_t right, struct libxenvchan **s,
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

static void a_path_may_be_as_long_as_xenstore_allows(void)
{
	char path[2035], *value;
	struct libxenvchan *s;

	memset(path, 'p', sizeof(path) - 1);
	memcpy(path, "data/", 5);
	/* A name counts in its parent's size, which has a quota of its own. */
	path[1000] = '/';
	path[2034] = '\0';
	s = libxenvchan_server_init(NULL, CLIENT, path, 0, 0);
	expect(s);
	value = read_node(path, "ring-ref");
	expect(value && atoi(value) > 0);
	value = read_node(path, "event-channel");
	expect(value && atoi(value) == (int)s->event_port);
}

static void garbage_in_the_nodes_is_refused(void)
{
	static const char *const garbage[] = {
		"",     "0",          "-1",
		"1x",   " 1",         "+1",
		"0x10", "4294967296", "99999999999999999999",
		"port",
	};

	for (size_t i = 0; i < sizeof(garbage) / sizeof(*garbage); i++) {
		struct forged_server s;

		new_world();
		forge_server(&s, 10, 11, 0);
		forge_node("event-channel", garbage[i]);
		errno = 0;
		expect(!join() && errno == EPROTO);
		forge_node("event-channel", "1");
		forge_node("ring-ref", garbage[i]);
		errno = 0;
		expect(!join() && errno == EPROTO);
	}
}

static void errno_tells_why_init_failed(void)
{
	errno = 0;
	expect(!join() && errno == EACCES); /* no server: EACCES for a domU */
	fake_host_set_domain(SERVER);
	errno = 0;
	expect(!libxenvchan_server_init(NULL, CLIENT, NAME, 1 << 21, 0));
	expect(errno == EINVAL);
	fake_host_set_page_limit(100);
	errno = 0;
	expect(!serve(1 << 20, 0) && errno == ENOSPC);
}

static void a_server_starts_without_a_transaction_left(void)
{
	struct xs_handle *xs = xs_open(0);
	struct libxenvchan *s, *c;

	while (xs_transaction_start(xs))
		;
	expect(errno == ENOSPC);
	s = serve(0, 0);
	expect(s);
	c = join();
	expect(c);
}

static void closing_an_old_server_leaves_the_new_ones_nodes(void)
{
	struct libxenvchan *old = serve(0, 0), *new = serve(0, 0), *c;

	expect(old && new);
	leave(old, SERVER);
	c = join();
	expect(c);
	expect(libxenvchan_is_open(new) == 1);
}

static void a_server_that_has_closed_is_not_connected_to(void)
{
	struct forged_server s;

	forge_server(&s, 10, 11, 0);
	s.ring->srv_live = 0;
	errno = 0;
	expect(!join() && errno == ECONNREFUSED);
	expect(s.ring->cli_live == 2);
}

#define DUPLEX_BYTES (8u << 20)

struct stream {
	struct libxenvchan *v;
	unsigned int domid;
};

static void *send_stream(void *arg)
{
	struct stream *st = arg;
	uint8_t buf[777];

	fake_host_set_domain(st->domid);
	for (size_t done = 0; done < DUPLEX_BYTES;) {
		size_t n = DUPLEX_BYTES - done;

		n = n < sizeof(buf) ? n : sizeof(buf);
		for (size_t i = 0; i < n; i++)
			buf[i] = (uint8_t)((done + i) % 253);
		if (libxenvchan_write(st->v, buf, n) != (int)n)
			_exit(1);
		done += n;
	}
	return NULL;
}

static void *receive_stream(void *arg)
{
	struct stream *st = arg;
	uint8_t buf[555];

	fake_host_set_domain(st->domid);
	for (size_t done = 0; done < DUPLEX_BYTES;) {
		int n = libxenvchan_read(st->v, buf, sizeof(buf));

		if (n <= 0)
			_exit(1);
		for (int i = 0; i < n; i++)
			if (buf[i] != (uint8_t)((done + (size_t)i) % 253))
				_exit(1);
		done += (size_t)n;
	}
	return NULL;
}

static void a_reader_and_a_writer_thread_do_not_steal_events(void)
{
	struct libxenvchan *s, *c;
	pthread_t t[4];

	open_pair(1024, 2048, &s, &c);
	s->blocking = c->blocking = 1;
	struct stream a = { s, SERVER }, b = { c, CLIENT };

	pthread_create(&t[0], NULL, send_stream, &a);
	pthread_create(&t[1], NULL, receive_stream, &a);
	pthread_create(&t[2], NULL, send_stream, &b);
	pthread_create(&t[3], NULL, receive_stream, &b);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

static void sizes_beyond_an_int_are_not_cut(void)
{
	struct libxenvchan *s, *c;
	size_t huge = (size_t)(sizeof(size_t) > 4 ? UINT32_MAX : INT_MAX) + 5;
	void *p = mmap(NULL, huge, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	expect(p != MAP_FAILED);
	open_pair(1024, 2048, &s, &c);
	errno = 0;
	expect(libxenvchan_send(c, p, huge) == -1 && errno == EMSGSIZE);
	errno = 0;
	expect(libxenvchan_recv(c, p, huge) == -1 && errno == EMSGSIZE);
	expect(libxenvchan_write(c, p, huge) == 1024);
	expect(libxenvchan_read(s, p, huge) == 1024);
}

static bool is_inherited(int fd)
{
	return !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void no_descriptor_is_inherited_by_a_program(void)
{
	struct libxenvchan *s, *c;

	open_pair(1024, 2048, &s, &c);
	expect(!is_inherited(xengntshr_fd(s->gntshr)));
	expect(!is_inherited(xengnttab_fd(c->gnttab)));
	expect(!is_inherited(libxenvchan_fd_for_select(s)));
	expect(!is_inherited(libxenvchan_fd_for_select(c)));
}

static void a_packet_larger_than_the_ring_is_an_error(void)
{
	struct libxenvchan *s, *c;
	char buf[1025] = "";

	open_pair(1024, 2048, &s, &c);
	errno = 0;
	expect(libxenvchan_send(c, buf, 1025) == -1 && errno == EMSGSIZE);
	errno = 0;
	expect(libxenvchan_recv(s, buf, 1025) == -1 && errno == EMSGSIZE);
}

static void a_blocking_read_of_nothing_returns(void)
{
	struct libxenvchan *s, *c;
	char b;

	open_pair(1024, 2048, &s, &c);
	s->blocking = 1;
	expect(libxenvchan_read(s, &b, 0) == 0);
}

struct replacement {
	struct libxenvchan *server;
	unsigned int calls_left; /* until it is replaced */
};

static void replace_server(void *arg, enum fake_host_call kind)
{
	struct replacement *r = arg;

	if (fake_host_domain() != CLIENT || !r->calls_left || --r->calls_left)
		return;
	leave(r->server, SERVER);
	r->server = serve(65536, 4096);
	expect(r->server);
}

/* Both directions, and the event that tells of the second */
static void expect_a_working_pair(struct libxenvchan *s, struct libxenvchan *c)
{
	struct pollfd p = { .events = POLLIN };
	char buf[8];

	s->blocking = c->blocking = 0;
	fake_host_set_domain(CLIENT);
	p.fd = libxenvchan_fd_for_select(c);
	expect(libxenvchan_write(c, "request", 7) == 7);
	while (poll(&p, 1, 0) > 0)
		expect(!libxenvchan_wait(c));
	expect(libxenvchan_read(c, buf, 8) == 0);
	fake_host_set_domain(SERVER);
	expect(libxenvchan_read(s, buf, 8) == 7 && !memcmp(buf, "request", 7));
	expect(libxenvchan_write(s, "answer", 6) == 6);
	fake_host_set_domain(CLIENT);
	expect(poll(&p, 1, 0) > 0);
	expect(libxenvchan_read(c, buf, 8) == 6 && !memcmp(buf, "answer", 6));
}

/*
 * At any moment of its client_init; the newcomer has the references and the
 * port of the one that left, as Linux and Xen reuse them at once.
 */
static void a_client_has_page_and_port_of_one_server(void)
{
	for (unsigned int n = 1;; n++) {
		struct replacement r = { .calls_left = n };
		struct libxenvchan *c;

		new_world();
		fake_host_reuse_references(true);
		r.server = serve(4096, 65536);
		fake_host_on_call(FAKE_ANY_CALL, replace_server, &r);
		c = join();
		fake_host_on_call(FAKE_ANY_CALL, NULL, NULL);
		if (c && libxenvchan_is_open(c))
			expect_a_working_pair(r.server, c);
		leave(c, CLIENT);
		leave(r.server, SERVER);
		if (r.calls_left)
			break;
	}
}

static const struct fault {
	int number;
	const char *name;
	void (*test)(void);
} faults[] = {
#define F(number, test)             \
	{                           \
		number, #test, test \
	}
	F(1, every_failed_call_of_server_init_is_survived),
	F(2, what_was_not_shared_is_not_unshared),
	F(3, a_failed_notify_sends_no_byte_twice_or_from_elsewhere),
	F(4, blocking_is_off_until_it_is_set),
	F(5, large_rings_are_given_back),
	F(6, the_page_is_fetched_once),
	F(7, a_peer_cannot_move_our_index),
	F(8, impossible_indices_are_an_error),
	F(9, an_impossible_live_byte_is_not_open),
	F(10, a_second_client_is_refused_and_harms_nobody),
	F(11, a_client_that_fails_was_never_there),
	F(12, the_next_client_reads_nothing_of_the_last),
	F(13, the_last_byte_before_a_close_arrives),
	F(14, orders_that_overlap_the_grant_list_are_refused),
	F(15, a_flood_of_events_is_held_back),
	F(17, a_path_may_be_as_long_as_xenstore_allows),
	F(18, garbage_in_the_nodes_is_refused),
	F(19, errno_tells_why_init_failed),
	F(20, a_server_starts_without_a_transaction_left),
	F(21, closing_an_old_server_leaves_the_new_ones_nodes),
	F(22, a_server_that_has_closed_is_not_connected_to),
	F(23, a_reader_and_a_writer_thread_do_not_steal_events),
	F(24, sizes_beyond_an_int_are_not_cut),
	F(25, no_descriptor_is_inherited_by_a_program),
	F(26, a_packet_larger_than_the_ring_is_an_error),
	F(27, a_blocking_read_of_nothing_returns),
	F(35, a_client_has_page_and_port_of_one_server),
#undef F
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

static int debug(int number)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		if (faults[i].number != number)
			continue;
		new_world();
		faults[i].test();
		return 0;
	}
	return 2;
}

int main(int argc, char **argv)
{
	unsigned int seconds =
		argc > 1 ? SECONDS_TO_HANG_OTHER : SECONDS_TO_HANG;
	int wrong = 0;

	if (argc == 3 && !strcmp(argv[1], "--debug"))
		return debug(atoi(argv[2]));

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		const struct fault *f = &faults[i];
		const char *how;
		bool present = is_present(f, seconds, &how);
		bool ok = present == is_expected(f->number, argc, argv);

		printf("%s fault %d: %s (%s)\n", ok ? "ok  " : "FAIL",
		       f->number, how, f->name);
		fflush(stdout);
		wrong += !ok;
	}
	return wrong ? 1 : 0;
}
