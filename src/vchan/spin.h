/* SPDX-License-Identifier: MIT */
/*
 * Whether to poll the ring for a moment before going to sleep.
 *
 * A peer that runs on another CPU answers within a microsecond, where a sleep
 * and a wake-up cost ten; but a poll that finds nothing burns the CPU that the
 * peer may need. So it is tried while it succeeds and left off when it does
 * not: that covers a slow peer and one that shares our CPU alike, which cannot
 * be told apart from here, since CPU numbers mean nothing across domains.
 *
 * Where polling is of no use, giving the CPU away once may be: to a peer within
 * the same kernel that waits for this very CPU. That, too, is tried while it
 * succeeds. Who else waits for the CPU may keep it for milliseconds, so that
 * failures make the trials ever rarer.
 */
#ifndef XENCHAN_VCHAN_SPIN_H
#define XENCHAN_VCHAN_SPIN_H

#include <stdbool.h>
#include <stdint.h>

/* One direction's history. Zeroed: on. */
struct spin {
	unsigned int failures; /* in a row */
	unsigned int skipped;  /* waits without a trial since it went off */
	unsigned int pauses;   /* between two looks */
	uint64_t other;        /* how often the other direction had moved */
	struct {
		bool succeeds;         /* the last one did */
		unsigned int failures; /* in a row */
		unsigned int skipped;  /* waits without one since the last */
	} yield;
};

/* A wait in progress. */
struct spin_wait {
	int64_t start, end;
	unsigned int pauses, looks;
};

/* Off after as many failures in a row. */
#define SPIN_FAILURES_MAX 3

static inline bool spin_is_off(const struct spin *s)
{
	return s->failures >= SPIN_FAILURES_MAX;
}

/*
 * The longest time to poll, in nanoseconds, 0 for never: $XENVCHAN_SPIN_NS, or
 * the default if that is not set or not a number. Read once a process.
 */
int64_t spin_default_ns(void);

/*
 * Whether this wait should poll, for at most limit_ns; begins it if so. other:
 * a count of what was moved the other way, which tells a dialogue from a stream;
 * ring: the size of the ring.
 */
bool spin_begin(struct spin *s, struct spin_wait *w, int64_t limit_ns,
		uint64_t other, uint32_t ring);

/* Lets some time pass. False when the time is up. */
bool spin_pause(struct spin_wait *w);

/* Tells how it ended: whether what was waited for came. */
void spin_end(struct spin *s, const struct spin_wait *w, bool came);

/*
 * For a wait that spin_begin() did not let poll: whether it should give the CPU
 * away once, and look again. limit_ns as there. Then spin_yield_end().
 */
bool spin_may_yield(struct spin *s, int64_t limit_ns);

/* came: whether what was waited for did; ns: how long the CPU was away. */
void spin_yield_end(struct spin *s, bool came, int64_t ns);

/*
 * Whether the peer is likely to run on this very CPU: polling is of no use, and giving the
 * CPU away has not been found to be of none. A peer on another CPU that takes longer to wake
 * up than we poll fails both.
 */
bool spin_shares_cpu(const struct spin *s);

#endif
