/* SPDX-License-Identifier: MIT */
/*
 * Measuring contenders against each other: they take turns, A B A B, so that
 * what disturbs the machine disturbs all of them, and each round gives a ratio
 * of its own.
 */
#ifndef XENCHAN_BENCH_MEASURE_H
#define XENCHAN_BENCH_MEASURE_H

#include <stddef.h>

#include "bench/pair.h"

#define ROUNDS_MAX 200
#define CONTENDERS_MAX 16

/* Of one contender at one size, one value a round. */
enum figure {
	FIGURE_GBPS,     /* 10^9 bytes a second */
	FIGURE_MESSAGES, /* a second; round trips, of latency */
	FIGURE_EVENTS,   /* a message */
	FIGURE_SYSCALLS, /* a message */
	FIGURE_CPU,      /* seconds of both ends per 10^9 bytes */
	FIGURE_P50,      /* ns */
	FIGURE_RATIO,    /* to the first contender, of speed */
	FIGURE_CPU_RATIO,
	FIGURE_N,
};

struct result {
	enum work work;
	size_t ring, size;
	const struct contender *contender;
	const char *unable; /* why there are no figures, or NULL */
	unsigned int n_rounds;
	/* Rounds on two processors that were threads of one core: they count
	 * only where there are not enough others. */
	unsigned int n_close;
	bool close[ROUNDS_MAX];
	double figures[FIGURE_N][ROUNDS_MAX];
	struct histogram times; /* of the rounds that count */
	struct histogram times_close;
};

struct bench {
	struct stage stage;
	struct contender contenders[CONTENDERS_MAX];
	unsigned int n_contenders;
	unsigned int n_rounds;
	uint64_t round_ns;
	bool progress;

	struct result *results; /* n_results of them, owned */
	size_t n_results;
	double probe_least, probe_most; /* ns; 0: one processor */
};

/* Runs all contenders at every size; appends the results. 0, or -1. */
int measure(struct bench *b, const enum work *works, size_t n_works,
	    const size_t *sizes, size_t n_sizes, size_t ring,
	    unsigned int index);

/* Whether rounds on two threads of one core had to be counted. */
bool result_is_close(const struct result *r);

/* Of a result's rounds that count. */
struct spread {
	double median, least, most;
};

struct spread result_spread(const struct result *r, enum figure f);

const char *work_name(enum work work);

#endif
