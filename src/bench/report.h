/* SPDX-License-Identifier: MIT */
/* The results for people, for programs, and as a picture. */
#ifndef XENCHAN_BENCH_REPORT_H
#define XENCHAN_BENCH_REPORT_H

#include "bench/measure.h"

void report_table(const struct bench *b);
void report_json(const struct bench *b);

/* Whether there is a gnuplot. */
bool plot_is_possible(void);
/* An SVG: throughput by size, and the distribution of latency. 0, or -1. */
int report_plot(const struct bench *b, const char *path);

#endif
