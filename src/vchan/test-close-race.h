/* SPDX-License-Identifier: MIT */
/*
 * Sessions of a writer that closes at once and a reader that has to get all of it: the two
 * ends, as threads (test-close-race.c) or as processes (test/e2e/close-race.c).
 *
 * Blocking and polling readers, at random distances in time.
 */
#ifndef XENCHAN_VCHAN_TEST_CLOSE_RACE_H
#define XENCHAN_VCHAN_TEST_CLOSE_RACE_H

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libxenvchan-ext.h"

#define BYTES_MAX 5

/*
 * In memory of both: which session the server has opened, and the client joined and closed.
 * A server that is gone before its client's init has ended is refused: not the race meant.
 */
struct turns {
	atomic_uint_fast64_t opened, joined, closed;
};

static inline void check(bool ok, const char *what, uint64_t session)
{
	if (ok)
		return;
	fprintf(stderr, "session %" PRIu64 ": %s: %s\n", session, what,
		strerror(errno));
	exit(1);
}

static inline void wait_until(atomic_uint_fast64_t *turn, uint64_t n)
{
	while (atomic_load(turn) < n)
		sched_yield();
}

static inline uint64_t hash(uint64_t i)
{
	i = (i ^ i >> 31) * 0x9e3779b97f4a7c15u;
	return i ^ i >> 29;
}

/* Up to some microseconds. */
static inline void loiter(uint64_t random)
{
	for (uint64_t i = 0; i < (random & 255); i++)
		atomic_signal_fence(memory_order_seq_cst);
}

/* What this session sends, and how much of it. */
static inline int data_of(uint64_t session, char *data)
{
	uint64_t x = hash(session);

	for (int i = 0; i < BYTES_MAX; i++)
		data[i] = (char)(x >> 8 * i);
	return 1 + (int)(x % BYTES_MAX);
}

static inline void write_all(struct libxenvchan *v, uint64_t session)
{
	char data[BYTES_MAX];
	int n = data_of(session, data);

	loiter(hash(session + 1));
	check(libxenvchan_write(v, data, (size_t)n) == n, "write", session);
	loiter(hash(session + 2) & hash(session + 3));
}

static inline void read_all(struct libxenvchan *v, uint64_t session)
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

/* writes: the client does, and the server reads; else the other way round. */
static inline void run_client(struct turns *t, bool writes, int server,
			      const char *path, uint64_t n)
{
	for (uint64_t i = 1; i <= n; i++) {
		struct libxenvchan *c;

		wait_until(&t->opened, i);
		c = libxenvchan_client_init(NULL, server, path);
		check(c, "client", i);
		atomic_store(&t->joined, i);
		if (writes)
			write_all(c, i);
		else
			read_all(c, i);
		libxenvchan_close(c);
		atomic_store(&t->closed, i);
	}
}

/* One server for all clients. */
static inline void run_reading_server(struct turns *t, int client,
				      const char *path, uint64_t n)
{
	struct libxenvchan *s =
		libxenvchan_server_init(NULL, client, path, 1024, 2048);

	check(s, "server", 0);
	for (uint64_t i = 1; i <= n; i++) {
		atomic_store(&t->opened, i);
		wait_until(&t->joined, i);
		read_all(s, i);
		wait_until(&t->closed, i);
		check(!libxenvchan_rearm(s), "rearm", i);
	}
	libxenvchan_close(s);
}

/* One for each client. */
static inline void run_writing_server(struct turns *t, int client,
				      const char *path, uint64_t n)
{
	for (uint64_t i = 1; i <= n; i++) {
		struct libxenvchan *s =
			libxenvchan_server_init(NULL, client, path, 1024, 2048);

		check(s, "server", i);
		atomic_store(&t->opened, i);
		wait_until(&t->joined, i);
		write_all(s, i);
		libxenvchan_close(s);
		wait_until(&t->closed, i);
	}
}

#endif
