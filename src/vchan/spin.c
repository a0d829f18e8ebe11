// SPDX-License-Identifier: MIT
#include "vchan/spin.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/parse.h"

#define DEFAULT_NS 20000
#define LIMIT_NS 1000000000

/* While it is off, one trial in as many waits. */
#define TRIAL_EVERY 64

/*
 * Between two looks: the indices and flags of both directions share a cache
 * line, and whoever looks too often takes it away from a peer that works on it.
 * In a dialogue the answer is late by as much; in a stream of small messages
 * more of them are there at the next look.
 */
#define PAUSES_MIN 16u
#define PAUSES_MAX 256u

/* A CPU that is away for longer was taken by others. */
#define YIELD_MAX_NS 500000

/* Failures of it in a row, and the shift of the longest pause after them. */
#define YIELD_FAILURES_MAX 3u
#define YIELD_SHIFT_MAX 10u

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int64_t default_ns = DEFAULT_NS;

static void read_environment(void)
{
	const char *text = getenv("XENVCHAN_SPIN_NS");
	uint64_t ns;

	if (text && !parse_u64(text, LIMIT_NS, &ns))
		default_ns = (int64_t)ns;
}

int64_t spin_default_ns(void)
{
	pthread_once(&once, read_environment);
	return default_ns;
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
	__asm__ volatile("yield");
#else
	__asm__ volatile("");
#endif
}

static unsigned int min_uint(unsigned int a, unsigned int b)
{
	return a < b ? a : b;
}

bool spin_begin(struct spin *s, struct spin_wait *w, int64_t limit_ns,
		uint64_t other, uint32_t ring)
{
	if (limit_ns <= 0)
		return false;
	if (spin_is_off(s) && (s->yield.succeeds || ++s->skipped < TRIAL_EVERY))
		return false;
	s->skipped = 0;
	if (s->pauses < PAUSES_MIN || other != s->other)
		s->pauses = PAUSES_MIN;
	s->other = other;
	w->looks = 0;
	/* A small ring would be full, or empty, before the next look. */
	w->pauses = min_uint(s->pauses, ring / 256);
	if (w->pauses < PAUSES_MIN)
		w->pauses = PAUSES_MIN;
	w->start = clock_now_ns();
	w->end = w->start + limit_ns;
	return true;
}

bool spin_pause(struct spin_wait *w)
{
	w->looks++;
	for (unsigned int i = 0; i < w->pauses; i++)
		cpu_relax();
	return clock_now_ns() < w->end;
}

void spin_end(struct spin *s, const struct spin_wait *w, bool came)
{
	/* A stream: what was waited for is there at the first look. */
	s->pauses = came && w->looks <= 1 ? min_uint(2 * s->pauses, PAUSES_MAX)
					  : s->pauses / 2;
	if (came)
		s->failures = 0;
	else if (s->failures < SPIN_FAILURES_MAX)
		s->failures++;
}

bool spin_may_yield(struct spin *s, int64_t limit_ns)
{
	unsigned int more;

	if (limit_ns <= 0)
		return false;
	if (s->yield.failures < YIELD_FAILURES_MAX)
		return true;
	more = min_uint(s->yield.failures - YIELD_FAILURES_MAX,
			YIELD_SHIFT_MAX);
	if (++s->yield.skipped < (unsigned int)TRIAL_EVERY << more)
		return false;
	s->yield.skipped = 0;
	return true;
}

void spin_yield_end(struct spin *s, bool came, int64_t ns)
{
	s->yield.succeeds = came && ns < YIELD_MAX_NS;
	if (s->yield.succeeds)
		s->yield.failures = 0;
	else if (s->yield.failures < YIELD_FAILURES_MAX + YIELD_SHIFT_MAX)
		s->yield.failures++;
}

bool spin_shares_cpu(const struct spin *s)
{
	return spin_is_off(s) && s->yield.failures < YIELD_FAILURES_MAX;
}
