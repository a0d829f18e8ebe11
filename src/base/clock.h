/* SPDX-License-Identifier: MIT */
/* Deadlines: points of CLOCK_MONOTONIC in nanoseconds. */
#ifndef XENCHAN_BASE_CLOCK_H
#define XENCHAN_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

#define DEADLINE_NEVER INT64_MAX

static inline int64_t clock_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* The point `ns` from now; negative: never. */
static inline int64_t deadline_in(int64_t ns)
{
	int64_t deadline;

	if (ns < 0 || __builtin_add_overflow(clock_now_ns(), ns, &deadline))
		return DEADLINE_NEVER;
	return deadline;
}

static inline void clock_sleep_ms(unsigned int ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

/* For poll(2): milliseconds until then, rounded up, at most max; max < 0: no
 * limit. */
static inline int deadline_poll_ms(int64_t deadline, int max)
{
	int64_t ms;

	if (deadline == DEADLINE_NEVER)
		return max;
	ms = (deadline - clock_now_ns() + NS_PER_MS - 1) / NS_PER_MS;
	if (ms < 0)
		ms = 0;
	if (max >= 0 && ms > max)
		return max;
	return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

#endif
