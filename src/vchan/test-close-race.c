// SPDX-License-Identifier: MIT
/*
 * A writer that closes at once, against a reader: every byte arrives, then the end, in
 * both roles, by blocking calls and by calls that poll, at random distances in time.
 *
 *	test-close-race [SESSIONS]	3000 without it, half in each role
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "libxenvchan-ext.h"
#include "vchan/test-pair.h"

#define BYTES_MAX 5

/* What the threads agree on: whose turn it is. */
static atomic_uint_fast64_t open_for, closed_by;

static void check(bool ok, const char *what, uint64_t session)
{
	if (ok)
		return;
	fprintf(stderr, "session %" PRIu64 ": %s: %s\n", session, what,
		strerror(errno));
	exit(1);
}

static void wait_until(atomic_uint_fast64_t *turn, uint64_t n)
{
	while (atomic_load(turn) < n)
		sched_yield();
}

static uint64_t hash(uint64_t i)
{
	i = (i ^ i >> 31) * 0x9e3779b97f4a7c15u;
	return i ^ i >> 29;
}

/* Up to some microseconds. */
static void loiter(uint64_t random)
{
	for (uint64_t i = 0; i < (random & 255); i++)
		atomic_signal_fence(memory_order_seq_cst);
}

/* What this session sends, and how much of it. */
static int data_of(uint64_t session, char *data)
{
	uint64_t x = hash(session);

	for (int i = 0; i < BYTES_MAX; i++)
		data[i] = (char)(x >> 8 * i);
	return 1 + (int)(x % BYTES_MAX);
}

static void write_all(struct libxenvchan *v, uint64_t session)
{
	char data[BYTES_MAX];
	int n = data_of(session, data);

	loiter(hash(session + 1));
	check(libxenvchan_write(v, data, (size_t)n) == n, "write", session);
	loiter(hash(session + 2) & hash(session + 3));
}

static void read_all(struct libxenvchan *v, uint64_t session)
{
	char data[BYTES_MAX], got[BYTES_MAX + 1];
	int expected = data_of(session, data), n = 0, r;

	v->blocking = session % 4 < 2;
	loiter(hash(session + 4));
	while ((r = libxenvchan_read(v, got + n, sizeof(got) - (size_t)n)) >= 0)
		n += r;
	check(n == expected, "not as many bytes as were written", session);
	check(!memcmp(got, data, (size_t)n), "other bytes", session);
}

static void *clients_write(void *arg)
{
	uint64_t n = *(uint64_t *)arg;

	fake_host_set_domain(CLIENT);
	for (uint64_t i = 1; i <= n; i++) {
		struct libxenvchan *c;

		wait_until(&open_for, i);
		c = libxenvchan_client_init(NULL, SERVER, FULL_NAME);
		check(c, "client", i);
		write_all(c, i);
		libxenvchan_close(c);
		atomic_store(&closed_by, i);
	}
	return NULL;
}

static void a_client_writes_and_closes(uint64_t n)
{
	struct libxenvchan *s;
	pthread_t t;

	new_world();
	s = serve(1024, 2048);
	check(s, "server", 0);
	atomic_store(&open_for, 1);
	atomic_store(&closed_by, 0);
	check(!pthread_create(&t, NULL, clients_write, &n), "thread", 0);
	for (uint64_t i = 1; i <= n; i++) {
		while (libxenvchan_is_open(s) == 2)
			sched_yield();
		read_all(s, i);
		wait_until(&closed_by, i);
		check(!libxenvchan_rearm(s), "rearm", i);
		atomic_store(&open_for, i + 1);
	}
	pthread_join(t, NULL);
	libxenvchan_close(s);
}

static void *clients_read(void *arg)
{
	uint64_t n = *(uint64_t *)arg;

	fake_host_set_domain(CLIENT);
	for (uint64_t i = 1; i <= n; i++) {
		struct libxenvchan *c;

		wait_until(&open_for, i);
		c = libxenvchan_client_init(NULL, SERVER, FULL_NAME);
		check(c, "client", i);
		read_all(c, i);
		libxenvchan_close(c);
		atomic_store(&closed_by, i);
	}
	return NULL;
}

static void a_server_writes_and_closes(uint64_t n)
{
	pthread_t t;

	new_world();
	atomic_store(&open_for, 0);
	atomic_store(&closed_by, 0);
	check(!pthread_create(&t, NULL, clients_read, &n), "thread", 0);
	for (uint64_t i = 1; i <= n; i++) {
		struct libxenvchan *s = serve(1024, 2048);

		check(s, "server", i);
		atomic_store(&open_for, i);
		while (libxenvchan_is_open(s) == 2)
			sched_yield();
		write_all(s, i);
		libxenvchan_close(s);
		wait_until(&closed_by, i);
	}
	pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 3000;

	a_client_writes_and_closes(n / 2);
	printf("%" PRIu64 " clients wrote and closed, no byte lost\n", n / 2);
	fflush(stdout);
	a_server_writes_and_closes(n / 2);
	printf("%" PRIu64 " servers wrote and closed, no byte lost\n", n / 2);
	return 0;
}
