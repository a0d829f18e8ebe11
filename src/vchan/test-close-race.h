/* SPDX-License-Identifier: MIT */
/*
 * Sessions of a writer that closes at once and a reader that has to get all of it: the two
 * ends, as threads (test-close-race.c) or as processes (test/e2e/close-race.c).
 *
 * Blocking and polling readers, at random distances in time. Many vchans are opened before
 * the two ends go through them side by side: where others want the processor too, each
 * change from one end to the other may take longer than all these sessions.
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
#include <time.h>

#include "libxenvchan-ext.h"

#define BYTES_MAX 5
#define VCHANS 64 /* at a time */

enum end { SERVER_END, CLIENT_END };

/* In memory of both. */
struct turns {
	atomic_uint_fast64_t steps[2]; /* that each end has done */
	/* The session to which the reader has come; in how many it was met. */
	atomic_uint_fast64_t read_at, n_met;
};

/* The VCHANS of one end, and what it does with them. */
struct racer {
	struct turns *turns;
	enum end end;
	bool writes;
	int peer;
	const char *path; /* what comes before the number of a vchan */
	struct libxenvchan *vchans[VCHANS];
};

static inline void check(bool ok, const char *what, uint64_t session)
{
	if (ok)
		return;
	fprintf(stderr, "session %" PRIu64 ": %s: %s\n", session, what,
		strerror(errno));
	exit(1);
}

/* The other one may need this processor. */
static inline void sleep_shortly(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
}

static inline bool comes_soon(atomic_uint_fast64_t *turn, uint64_t n)
{
	for (int i = 0; i < 2000; i++) {
		if (atomic_load(turn) >= n)
			return true;
	}
	return false;
}

/* Until both ends have come as far as this. */
static inline void together(struct racer *r)
{
	atomic_uint_fast64_t *steps = r->turns->steps;
	uint64_t n = atomic_fetch_add(&steps[r->end], 1) + 1;

	while (!comes_soon(&steps[!r->end], n))
		sleep_shortly();
}

/* The reader's: it may not run at all for a while, and is not waited for then. */
static inline void meet_reader(struct turns *t, uint64_t session)
{
	for (int i = 0; i < 4; i++) {
		if (comes_soon(&t->read_at, session)) {
			atomic_fetch_add(&t->n_met, 1);
			return;
		}
		sleep_shortly();
	}
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
	for (int i = 1;; i++) {
		r = libxenvchan_read(v, got + n, sizeof(got) - (size_t)n);
		if (r < 0)
			break;
		n += r;
		if (i % 1000 == 0)
			sleep_shortly();
	}
	check(n == expected, "not as many bytes as were written", session);
	check(!memcmp(got, data, (size_t)n), "other bytes", session);
}

static inline void open_one(struct racer *r, int i, uint64_t session)
{
	struct libxenvchan **v = &r->vchans[i];
	char path[256];

	if (*v) {
		check(!libxenvchan_rearm(*v), "rearm", session);
		return;
	}
	snprintf(path, sizeof(path), "%s-%d", r->path, i);
	*v = r->end == SERVER_END
		     ? libxenvchan_server_init(NULL, r->peer, path, 1024, 2048)
		     : libxenvchan_client_init(NULL, r->peer, path);
	check(*v, "init", session);
}

static inline void close_one(struct racer *r, int i)
{
	libxenvchan_close(r->vchans[i]);
	r->vchans[i] = NULL;
}

static inline void race_one(struct racer *r, int i, uint64_t session)
{
	if (r->writes) {
		meet_reader(r->turns, session);
		write_all(r->vchans[i], session);
	} else {
		atomic_store(&r->turns->read_at, session);
		read_all(r->vchans[i], session);
	}
	/* A server that reads goes on with the next client. */
	if (r->writes || r->end == CLIENT_END)
		close_one(r, i);
}

/* n sessions after the first ones. */
static inline void race_round(struct racer *r, uint64_t first, int n)
{
	if (r->end == CLIENT_END)
		together(r);
	for (int i = 0; i < n; i++)
		open_one(r, i, first + (uint64_t)i);
	if (r->end == SERVER_END)
		together(r);
	together(r);
	for (int i = 0; i < n; i++)
		race_one(r, i, first + (uint64_t)i);
	together(r);
}

static inline void race(struct racer *r, uint64_t n)
{
	for (uint64_t done = 0; done < n; done += VCHANS) {
		uint64_t left = n - done;

		race_round(r, 1 + done, left < VCHANS ? (int)left : VCHANS);
	}
	for (int i = 0; i < VCHANS; i++)
		close_one(r, i);
}

static inline void print_result(struct turns *t, uint64_t n, bool client_writes)
{
	printf("%" PRIu64 " %s wrote and closed, of %" PRIu64
	       " the other end was reading; no byte lost\n",
	       n, client_writes ? "clients" : "servers",
	       (uint64_t)atomic_load(&t->n_met));
	fflush(stdout);
}

#endif
