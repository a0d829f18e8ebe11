// SPDX-License-Identifier: MIT
/*
 * The limit: a ring of bytes in plain shared memory between two processes that
 * poll it and nothing else. Each index is alone on its cache lines, and there
 * is no event, no liveness and no check of the other end.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "bench/transport.h"

/* Two lines: processors fetch them in pairs. */
#define LINE 128

struct way {
	_Alignas(LINE) atomic_uint_fast64_t prod;
	_Alignas(LINE) atomic_uint_fast64_t cons;
};

struct memory {
	struct way ways[2];
	_Alignas(LINE) char data[];
};

struct ideal {
	struct memory *memory;
	size_t ring;
	unsigned int tx; /* which way; the other is rx */
	uint64_t prod, cons_seen, cons, prod_seen;
};

/* Polls without an end while it is used, and lets others work when it is not. */
#define IDLE_AFTER 1000000u

static void pause_a_little(unsigned int *tries)
{
	struct timespec ts = { .tv_nsec = 100000 };

#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
	if (++*tries > IDLE_AFTER)
		nanosleep(&ts, NULL);
}

static char *at(struct ideal *i, unsigned int way, uint64_t pos)
{
	return i->memory->data + way * i->ring + (pos & (i->ring - 1));
}

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t contiguous(const struct ideal *i, uint64_t pos, size_t n)
{
	return min(n, i->ring - (pos & (i->ring - 1)));
}

/* Of a large message, a piece at a time, so that both ends copy at once. */
static size_t piece(const struct ideal *i, size_t n)
{
	return min(n, i->ring / 4);
}

static int ideal_put(struct transport *t, const void *data, size_t n)
{
	struct ideal *i = t->own;
	struct way *w = &i->memory->ways[i->tx];
	const char *p = data;

	while (n) {
		size_t m = contiguous(i, i->prod, piece(i, n));
		unsigned int tries = 0;

		while (i->prod + m - i->cons_seen > i->ring) {
			i->cons_seen = atomic_load_explicit(
				&w->cons, memory_order_acquire);
			pause_a_little(&tries);
		}
		memcpy(at(i, i->tx, i->prod), p, m);
		i->prod += m;
		atomic_store_explicit(&w->prod, i->prod, memory_order_release);
		p += m;
		n -= m;
	}
	return 0;
}

static ssize_t ideal_get(struct transport *t, void *data, size_t n)
{
	struct ideal *i = t->own;
	struct way *w = &i->memory->ways[!i->tx];
	unsigned int tries = 0;
	size_t m;

	while (i->prod_seen == i->cons) {
		i->prod_seen =
			atomic_load_explicit(&w->prod, memory_order_acquire);
		pause_a_little(&tries);
	}
	m = min(n, i->prod_seen - i->cons);
	m = contiguous(i, i->cons, piece(i, m));
	memcpy(data, at(i, !i->tx, i->cons), m);
	i->cons += m;
	atomic_store_explicit(&w->cons, i->cons, memory_order_release);
	return (ssize_t)m;
}

static int ideal_get_all(struct transport *t, void *data, size_t n)
{
	for (char *p = data; n;) {
		ssize_t m = ideal_get(t, p, n);

		p += m;
		n -= (size_t)m;
	}
	return 0;
}

int ideal_open(struct transport *t, const struct end_setup *setup)
{
	size_t size = sizeof(struct memory) + 2 * setup->ring;
	struct ideal *i = calloc(1, sizeof(*i));

	if (!i)
		return -1;
	i->memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_POPULATE, setup->out, 0);
	if (i->memory == MAP_FAILED)
		return -1;
	i->ring = setup->ring;
	i->tx = setup->is_server;
	*t = (struct transport){
		.put = ideal_put,
		.put_packet = ideal_put,
		.get = ideal_get,
		.get_packet = ideal_get_all,
		.own = i,
	};
	return 0;
}
