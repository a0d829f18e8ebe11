// SPDX-License-Identifier: MIT
/*
 * Rings of bytes in plain shared memory between two processes that poll and do
 * nothing else: no event, no liveness, no check of the other end.
 *
 * ideal      the limit: each index is alone on its cache lines
 * own-lines  the same, with what no lost wake-up costs: a full fence after the
 *            index, and a look at the peer's flag
 * one-line   as own-lines, but all indices and flags share a line, as those of
 *            a vchan do: how much slower it is, is what another layout gains
 */
#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "bench/transport.h"

/* Two lines: processors fetch them in pairs. */
#define LINE 128

typedef _Atomic uint32_t index_t;

struct control {
	struct {
		_Alignas(LINE) index_t prod;
		_Alignas(LINE) index_t cons;
		_Alignas(LINE) atomic_uchar flag;
	} own_lines[2];
	struct {
		_Alignas(LINE) index_t prod[2], cons[2];
		atomic_uchar flag[2];
	} one_line;
};

struct memory {
	struct control control;
	_Alignas(LINE) char data[];
};

static_assert(sizeof(struct memory) <= IDEAL_CONTROL, "pair.c leaves room");

struct way {
	index_t *prod, *cons;
	atomic_uchar *flag; /* of which nobody makes use */
	char *data;
	uint32_t own, seen; /* this end's index, and the other's as last seen */
	unsigned int pauses;
	uint32_t other; /* the other way's own index at the last wait */
};

struct ideal {
	uint32_t ring;
	bool fence;
	struct way tx, rx;
};

/* As in vchan/spin.c: in a stream, less often than in a dialogue. */
#define PAUSES_MIN 16u
#define PAUSES_MAX 64u

/* Polls without an end while it is used, and lets others work when it is not. */
#define IDLE_AFTER 100000u

static void relax(unsigned int pauses)
{
	for (unsigned int i = 0; i < pauses; i++) {
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#endif
	}
}

/* Until `other` has moved on from what was seen of it. */
static void await(struct way *w, index_t *other, const struct way *back)
{
	const struct timespec nap = { .tv_nsec = 100000 };
	unsigned int looks = 0, pauses;
	uint32_t seen;

	if (back->own != w->other)
		w->pauses = PAUSES_MIN;
	w->other = back->own;
	pauses = w->pauses;

	for (;;) {
		seen = atomic_load_explicit(other, memory_order_acquire);
		if (seen != w->seen)
			break;
		relax(pauses);
		if (++looks > IDLE_AFTER)
			nanosleep(&nap, NULL);
	}
	w->seen = seen;
	w->pauses = looks <= 1 ? 2 * pauses : pauses / 2;
	if (w->pauses < PAUSES_MIN)
		w->pauses = PAUSES_MIN;
	if (w->pauses > PAUSES_MAX)
		w->pauses = PAUSES_MAX;
}

static void publish(const struct ideal *i, const struct way *w, index_t *own)
{
	if (!i->fence) {
		atomic_store_explicit(own, w->own, memory_order_release);
		return;
	}
	atomic_exchange_explicit(own, w->own, memory_order_seq_cst);
	if (atomic_load_explicit(w->flag, memory_order_relaxed))
		abort();
}

static uint32_t min(uint32_t a, size_t b)
{
	return a < b ? a : (uint32_t)b;
}

/* Up to the end of the ring; a piece at a time, so that both ends copy at once. */
static uint32_t piece(const struct ideal *i, const struct way *w, size_t n)
{
	return min(min(i->ring / 4, n), i->ring - (w->own & (i->ring - 1)));
}

static char *place(const struct ideal *i, const struct way *w)
{
	return w->data + (w->own & (i->ring - 1));
}

static int ideal_put(struct transport *t, const void *data, size_t n)
{
	struct ideal *i = t->own;
	struct way *w = &i->tx;
	const char *p = data;

	while (n) {
		uint32_t m = piece(i, w, n);

		while (w->own + m - w->seen > i->ring)
			await(w, w->cons, &i->rx);
		memcpy(place(i, w), p, m);
		w->own += m;
		publish(i, w, w->prod);
		p += m;
		n -= m;
	}
	return 0;
}

static ssize_t ideal_get(struct transport *t, void *data, size_t n)
{
	struct ideal *i = t->own;
	struct way *w = &i->rx;
	uint32_t m;

	if (w->seen == w->own)
		await(w, w->prod, &i->tx);
	m = piece(i, w, min(w->seen - w->own, n));
	memcpy(data, place(i, w), m);
	w->own += m;
	publish(i, w, w->cons);
	return m;
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

static struct way way(struct memory *m, const struct end_setup *setup, bool k)
{
	struct control *c = &m->control;
	struct way w = { .data = m->data + k * setup->ring,
			 .pauses = PAUSES_MIN };

	if (setup->kind == KIND_ONE_LINE) {
		w.prod = &c->one_line.prod[k];
		w.cons = &c->one_line.cons[k];
		w.flag = &c->one_line.flag[k];
	} else {
		w.prod = &c->own_lines[k].prod;
		w.cons = &c->own_lines[k].cons;
		w.flag = &c->own_lines[k].flag;
	}
	return w;
}

int ideal_open(struct transport *t, const struct end_setup *setup)
{
	struct ideal *i = calloc(1, sizeof(*i));
	struct memory *memory;

	if (!i)
		return -1;
	memory = mmap(NULL, IDEAL_CONTROL + 2 * setup->ring,
		      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		      setup->out, 0);
	if (memory == MAP_FAILED) {
		free(i);
		return -1;
	}
	i->ring = (uint32_t)setup->ring;
	i->fence = setup->kind != KIND_IDEAL;
	i->tx = way(memory, setup, setup->is_server);
	i->rx = way(memory, setup, !setup->is_server);
	*t = (struct transport){
		.put = ideal_put,
		.put_packet = ideal_put,
		.get = ideal_get,
		.get_packet = ideal_get_all,
		.own = i,
	};
	return 0;
}
