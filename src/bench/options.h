/* SPDX-License-Identifier: MIT */
/* What was asked for on the command line, or is measured otherwise. */
#ifndef XENCHAN_BENCH_OPTIONS_H
#define XENCHAN_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/measure.h"

#define COMMAND "vchan bench"
#define LIST_MAX 16

struct options {
	struct bench bench;
	enum work works[WORK_N];
	size_t n_works;
	size_t sizes[LIST_MAX], rings[LIST_MAX];
	size_t n_sizes, n_rings;
	const char *spin;
	const char *plot;
	char host_dir[64];
	bool json, serve, no_fifo, help;
};

/*
 * Everything is filled in, unless help is asked for. STATUS_DONE, or a status
 * after saying what is wrong.
 */
int options_parse(struct options *o, int argc, char **argv);

#endif
