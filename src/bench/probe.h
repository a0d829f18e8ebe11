/* SPDX-License-Identifier: MIT */
/*
 * How far apart two processors are: the time in which a cache line goes there
 * and back, in nanoseconds, or 0 if it cannot be measured (one processor). Under
 * 100, both are threads of one core, and what is measured there says nothing
 * about two.
 */
#ifndef XENCHAN_BENCH_PROBE_H
#define XENCHAN_BENCH_PROBE_H

#include <stdbool.h>

#define PROBE_SAME_CORE_NS 100

double probe_round_trip_ns(const int cpus[2], bool fifo);

#endif
