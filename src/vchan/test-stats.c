// SPDX-License-Identifier: MIT
/* Counters: what they count, and where others find them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "libxenvchan-ext.h"
#include "vchan/stats-file.h"
#include "vchan/test-pair.h"

/* As others do: by the names of the descriptors. -1: there is none. */
static int find_file(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;
	int found = -1;

	assert_non_null(dir);
	while ((d = readdir(dir))) {
		char target[64] = "";

		if (readlinkat(dirfd(dir), d->d_name, target,
			       sizeof(target) - 1) > 0 &&
		    !strcmp(target, "/memfd:" STATS_FILE_NAME " (deleted)"))
			found = atoi(d->d_name);
	}
	closedir(dir);
	return found;
}

static const struct stats_header *map_file(void)
{
	size_t size = 4096 + 2048 * sizeof(struct stats_slot);
	void *p = mmap(NULL, size, PROT_READ, MAP_SHARED, find_file(), 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static const struct stats_slot *slot(const struct stats_header *h, unsigned i)
{
	assert_in_range(i, 0, h->n_slots - 1);
	return (const void *)((const char *)h + h->slots_offset +
			      (size_t)i * h->slot_size);
}

static struct libxenvchan_stats stats_of(struct libxenvchan *v)
{
	struct libxenvchan_stats s;

	assert_int_equal(libxenvchan_stats(v, &s, sizeof(s)), 0);
	return s;
}

static void bytes_and_calls_each_way(void **state)
{
	struct libxenvchan *s = serve(0, 0), *c = join();
	struct libxenvchan_stats stats;
	char buf[2048];

	assert_int_equal(libxenvchan_write(c, buf, 700), 700);
	assert_int_equal(libxenvchan_write(c, buf, 700), 324);
	assert_int_equal(libxenvchan_write(c, buf, 700), 0);
	assert_int_equal(libxenvchan_read(s, buf, 2048), 1024);
	assert_int_equal(libxenvchan_read(s, buf, 2048), 0);
	assert_int_equal(libxenvchan_send(s, buf, 2048), 2048);
	assert_int_equal(libxenvchan_recv(c, buf, 2000), 2000);
	stats = stats_of(c);
	assert_int_equal(stats.sent.bytes, 1024);
	assert_int_equal(stats.sent.calls, 2);
	assert_int_equal(stats.received.bytes, 2000);
	assert_int_equal(stats.received.calls, 1);
	stats = stats_of(s);
	assert_int_equal(stats.received.bytes, 1024);
	assert_int_equal(stats.received.calls, 1);
	assert_int_equal(stats.sent.bytes, 2048);
	assert_int_equal(stats.sent.calls, 1);
	leave(c, CLIENT);
	leave(s, SERVER);
}

static void what_is_moved_in_place_counts_too(void **state)
{
	struct libxenvchan *s = serve(0, 0), *c = join();
	struct iovec span[2];

	assert_in_range(libxenvchan_reserve(c, span, 100), 100, 1024);
	assert_int_equal(libxenvchan_commit(c, 60), 0);
	assert_int_equal(libxenvchan_commit(c, 40), 0);
	assert_int_equal(libxenvchan_peek(s, span, 1), 100);
	assert_int_equal(libxenvchan_consume(s, 100), 0);
	assert_int_equal(stats_of(c).sent.bytes, 100);
	assert_int_equal(stats_of(c).sent.calls, 2);
	assert_int_equal(stats_of(s).received.bytes, 100);
	assert_int_equal(stats_of(s).received.calls, 1);
	leave(c, CLIENT);
	leave(s, SERVER);
}

static void every_event_is_counted(void **state)
{
	struct libxenvchan *s = serve(0, 0), *c = join();
	struct libxenvchan_stats stats;
	char buf[2048];

	s->blocking = c->blocking = 0;
	for (int i = 0; i < 100; i++) {
		fake_host_set_domain(CLIENT);
		assert_int_equal(libxenvchan_write(c, buf, 10), 10);
		fake_host_set_domain(SERVER);
		assert_int_equal(libxenvchan_wait(s), 0);
		assert_int_equal(libxenvchan_read(s, buf, 20), 10);
	}
	stats = stats_of(c);
	assert_int_equal(stats.sent.events_sent + stats.received.events_sent,
			 fake_host_calls_in(CLIENT, FAKE_NOTIFY));
	assert_in_range(stats.sent.events_sent, 100, 102);
	stats = stats_of(s);
	assert_int_equal(stats.sent.events_sent + stats.received.events_sent,
			 fake_host_calls_in(SERVER, FAKE_NOTIFY));
	assert_in_range(stats.events_received, 100, 102);
	assert_int_equal(stats.waits, 100);
	/* A look is no wait. */
	assert_int_equal(libxenvchan_poll(s, LIBXENVCHAN_IN, 0), 0);
	assert_int_equal(stats_of(s).waits, 100);
	leave(c, CLIENT);
	leave(s, SERVER);
}

static void *read_one(void *v)
{
	char b;

	fake_host_set_domain(SERVER);
	return libxenvchan_read(v, &b, 1) == 1 ? v : NULL;
}

static void sleeps_and_spins_of_a_blocked_call(void **state)
{
	struct libxenvchan *s = serve(0, 0), *c = join();
	struct libxenvchan_stats stats;
	pthread_t t;
	void *r;

	s->blocking = 1;
	libxenvchan_set_spin(s, 1000);
	assert_int_equal(pthread_create(&t, NULL, read_one, s), 0);
	/* From another thread, while the call runs */
	while (!stats_of(s).received.sleeps)
		sched_yield();
	fake_host_set_domain(CLIENT);
	assert_int_equal(libxenvchan_write(c, "x", 1), 1);
	pthread_join(t, &r);
	assert_non_null(r);
	stats = stats_of(s);
	assert_in_range(stats.received.sleeps, 1, 3);
	assert_in_range(stats.received.spins, 1, 3);
	assert_in_range(stats.received.spins_won, 0, stats.received.spins);
	assert_int_equal(stats.sent.sleeps, 0);
	assert_int_equal(stats.sent.spins, 0);
	leave(c, CLIENT);
	leave(s, SERVER);
}

/* A dialogue of small messages, read into a larger buffer. */
static void a_short_read_does_not_poll_for_more(void **state)
{
	struct libxenvchan *s = serve(4096, 4096), *c = join();
	char buf[4096] = { 0 };
	uint64_t spins;

	s->blocking = c->blocking = 1;
	libxenvchan_set_spin(s, 20000);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(libxenvchan_write(c, buf, 64), 64);
		assert_int_equal(libxenvchan_read(s, buf, sizeof(buf)), 64);
	}
	assert_int_equal(stats_of(s).received.spins, 0);
	assert_int_equal(stats_of(s).yields, 0);
	/* It may be a piece of a large message: that is found out. */
	for (int i = 0; i < 100; i++) {
		assert_int_equal(libxenvchan_write(c, buf, 2048), 2048);
		assert_int_equal(libxenvchan_read(s, buf, sizeof(buf)), 2048);
	}
	spins = stats_of(s).received.spins;
	assert_in_range(spins, 1, 10);
	/* And is not held against the wait for a message. */
	libxenvchan_set_timeout(s, 1000000);
	assert_int_equal(libxenvchan_read(s, buf, sizeof(buf)), -1);
	assert_true(stats_of(s).received.spins > spins);
	leave(c, CLIENT);
	leave(s, SERVER);
}

/* Polling is tried thrice, then yielding is: it fails thrice, too. */
static void a_yield_instead_of_polling_is_counted(void **state)
{
	struct libxenvchan *s = serve(0, 0), *c = join();

	fake_host_set_domain(SERVER);
	s->blocking = 1;
	libxenvchan_set_spin(s, 1000);
	libxenvchan_set_timeout(s, 1000000);
	for (int i = 0; i < 10; i++) {
		char b;

		assert_int_equal(libxenvchan_read(s, &b, 1), -1);
		assert_int_equal(errno, ETIMEDOUT);
	}
	assert_int_equal(stats_of(s).yields, 3);
	leave(c, CLIENT);
	leave(s, SERVER);
}

static void a_server_counts_its_clients(void **state)
{
	struct libxenvchan *s = serve(0, 0);

	assert_int_equal(stats_of(s).connections, 0);
	for (unsigned int n = 1; n <= 3; n++) {
		struct libxenvchan *c = join();

		assert_int_equal(stats_of(c).connections, 1);
		assert_int_equal(libxenvchan_is_open(s), 1);
		assert_int_equal(stats_of(s).connections, n);
		leave(c, CLIENT);
		assert_int_equal(libxenvchan_is_open(s), 0);
	}
	leave(s, SERVER);
}

static void the_size_says_which_version(void **state)
{
	struct {
		struct libxenvchan_stats known;
		uint64_t later;
	} stats = { .later = 7 };
	struct libxenvchan *s = serve(0, 0);

	assert_int_equal(libxenvchan_stats(s, &stats.known, 8), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(libxenvchan_stats(s, &stats.known, sizeof(stats)), 0);
	assert_int_equal(stats.later, 0);
	/* A program of the first version has no room for more. */
	stats.known.yields = 7;
	assert_int_equal(
		libxenvchan_stats(s, &stats.known,
				  offsetof(struct libxenvchan_stats, yields)),
		0);
	assert_int_equal(stats.known.yields, 7);
	leave(s, SERVER);
}

static void others_find_a_slot_for_each_vchan(void **state)
{
	struct libxenvchan *s = serve(0, 8192), *c = join();
	const struct stats_header *h = map_file();

	assert_int_equal(h->magic, STATS_FILE_MAGIC);
	assert_int_equal(h->pid, getpid());
	assert_int_equal(slot(h, 0)->is_server, 1);
	assert_int_equal(slot(h, 0)->domain, CLIENT);
	assert_string_equal(slot(h, 0)->path, NAME);
	assert_int_equal(slot(h, 0)->write_order, 13);
	assert_int_equal(slot(h, 0)->state, LIBXENVCHAN_LISTENING);
	assert_int_equal(slot(h, 1)->is_server, 0);
	assert_string_equal(slot(h, 1)->path, FULL_NAME);
	assert_int_equal(slot(h, 1)->state, LIBXENVCHAN_OPEN);
	assert_int_not_equal(slot(h, 1)->generation, 0);

	assert_int_equal(libxenvchan_write(c, "abc", 3), 3);
	assert_int_equal(slot(h, 1)->sent.bytes, 3);
	leave(c, CLIENT);
	assert_int_equal(slot(h, 1)->generation, 0);
	assert_int_equal(libxenvchan_is_open(s), 0);
	assert_int_equal(slot(h, 0)->state, LIBXENVCHAN_CLOSED);
	leave(s, SERVER);
	assert_int_equal(find_file(), -1);
}

static void it_cannot_shrink_under_a_reader(void **state)
{
	struct libxenvchan *s = serve(0, 0);

	assert_int_equal(ftruncate(find_file(), 0), -1);
	assert_int_equal(errno, EPERM);
	assert_true(fcntl(find_file(), F_GETFD) & FD_CLOEXEC);
	leave(s, SERVER);
}

static void in_a_child(void (*test)(void *), void *arg)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		test(arg);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

#define expect(cond)              \
	do {                      \
		if (!(cond))      \
			_exit(1); \
	} while (0)

/* The vchan of the parent may be closed; a new one is the child's own. */
static void child_of_a_user(void *parents)
{
	struct libxenvchan *own;
	const struct stats_header *h;

	libxenvchan_close(parents);
	new_world();
	own = serve(0, 0);
	expect(own);
	h = map_file();
	expect(h->pid == (uint32_t)getpid() && slot(h, 0)->generation);
	leave(own, SERVER);
	expect(find_file() < 0);
}

static void a_child_leaves_the_parents_alone(void **state)
{
	struct libxenvchan *s = serve(0, 0);
	const struct stats_header *h = map_file();
	uint32_t generation = slot(h, 0)->generation;

	in_a_child(child_of_a_user, s);
	assert_int_equal(slot(h, 0)->generation, generation);
	assert_int_equal(h->pid, getpid());
	assert_int_equal(stats_of(s).sent.bytes, 0);
	leave(s, SERVER);
}

static void without_a_file(void *unused)
{
	struct rlimit limit = { 4096, 4096 };
	struct libxenvchan *s, *c;
	struct libxenvchan_stats stats;

	expect(!setrlimit(RLIMIT_FSIZE, &limit));
	s = serve(0, 0);
	c = join();
	expect(s && c && find_file() < 0);
	expect(libxenvchan_write(c, "abc", 3) == 3);
	expect(!libxenvchan_stats(c, &stats, sizeof(stats)));
	expect(stats.sent.bytes == 3 && stats.sent.calls == 1);
	leave(c, CLIENT);
	leave(s, SERVER);
}

static void a_process_that_may_not_have_one_counts_alone(void **state)
{
	in_a_child(without_a_file, NULL);
}

static void more_than_fit_count_alone(void **state)
{
	enum { N = 2048 + 2 };
	struct libxenvchan **c = calloc(N, sizeof(*c));
	const struct stats_header *h;

	assert_non_null(c);
	fake_host_set_domain(CLIENT);
	for (int i = 0; i < N; i++) {
		c[i] = libxenvchan_connect(NULL, SERVER, FULL_NAME);
		assert_non_null(c[i]);
	}
	h = map_file();
	for (unsigned int i = 0; i < h->n_slots; i++)
		assert_int_not_equal(slot(h, i)->generation, 0);
	assert_int_equal(stats_of(c[N - 1]).connections, 0);
	for (int i = 0; i < N; i++)
		libxenvchan_close(c[i]);
	free(c);
	assert_int_equal(find_file(), -1);
}

static int set_up(void **state)
{
	new_world();
	return 0;
}

static int tear_down(void **state)
{
	return fake_host_live_total(FAKE_HOST_ANY_DOMAIN) ? -1 : 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(bytes_and_calls_each_way),
		T(what_is_moved_in_place_counts_too),
		T(every_event_is_counted),
		T(sleeps_and_spins_of_a_blocked_call),
		T(a_short_read_does_not_poll_for_more),
		T(a_yield_instead_of_polling_is_counted),
		T(a_server_counts_its_clients),
		T(the_size_says_which_version),
		T(others_find_a_slot_for_each_vchan),
		T(it_cannot_shrink_under_a_reader),
		T(a_child_leaves_the_parents_alone),
		T(a_process_that_may_not_have_one_counts_alone),
		T(more_than_fit_count_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
