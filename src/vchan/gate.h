/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a vchan's event channel from two threads.
 *
 * Reader and writer of a vchan share one event: if each took events by itself,
 * one would swallow what the other waits for. So one of them polls for both,
 * and every event taken moves a counter. A waiter reads the counter, looks at
 * the ring, asks the peer to tell, looks again, and then sleeps only as long as
 * the counter stands still.
 */
#ifndef XENCHAN_VCHAN_GATE_H
#define XENCHAN_VCHAN_GATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <xenevtchn.h>

#include "base/clock.h"
#include "vchan/stats-file.h"

struct gate {
	pthread_mutex_t lock;
	atomic_uint
		turn; /* a futex: n_events has moved, or polling has ended */
	unsigned int n_followers; /* who wait for that */
	atomic_uint_fast64_t n_events;
	bool polling;
	atomic_bool masked; /* an unmask has failed: the polling thread's */
	xenevtchn_handle *event; /* borrowed */
	uint32_t port;
	stats_counter *n_taken; /* borrowed: n_events, for others to see */
	/* The budget of events that brought nothing: see gate.c. */
	atomic_uint credit;
	int64_t credit_time; /* the polling thread's */
};

/* 0, or negative errno. */
int gate_init(struct gate *g, xenevtchn_handle *event, uint32_t port,
	      stats_counter *n_taken);
void gate_deinit(struct gate *g);

/* To be read before the look that finds nothing to do. */
static inline uint64_t gate_seen(struct gate *g)
{
	return atomic_load_explicit(&g->n_events, memory_order_acquire);
}

/* No event comes until gate_wait() or gate_drain() has been called again. */
static inline bool gate_is_masked(struct gate *g)
{
	return atomic_load_explicit(&g->masked, memory_order_relaxed);
}

/*
 * Sleeps until an event has been taken, by any thread, since `seen` was read:
 * at once if that has happened already. 0; -EINTR, by a handler that was installed
 * without SA_RESTART; -ETIMEDOUT at the deadline (DEADLINE_NEVER: none); or what the
 * event channel fails with.
 */
int gate_wait(struct gate *g, uint64_t seen, int64_t deadline);

/*
 * Whether some signal's handler was installed without SA_RESTART, so that a wait that
 * was interrupted has to be reported.
 */
bool gate_signals_interrupt(void);

/*
 * Takes one event if there is one, without waiting. 0, whether or not there
 * was; or negative errno.
 */
int gate_drain(struct gate *g);

/*
 * Told that the last event changed something. A peer may send events that bring
 * nothing as fast as it likes (XSA-332, XSA-391); those are limited to a burst
 * and then to one a millisecond, by leaving the port masked for that long.
 */
void gate_progress(struct gate *g);

#endif
