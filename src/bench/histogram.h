/* SPDX-License-Identifier: MIT */
/*
 * A histogram of times, log-linear: 64 classes an octave, so that a value is
 * told to within 1.6 % from a nanosecond to half an hour, in constant space and
 * without sorting. Plain data: it travels through a pipe as it is.
 */
#ifndef XENCHAN_BENCH_HISTOGRAM_H
#define XENCHAN_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_SUB (1u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_OCTAVES 36
#define HISTOGRAM_N (HISTOGRAM_SUB * HISTOGRAM_OCTAVES)

struct histogram {
	uint64_t n;
	uint64_t max;
	uint32_t classes[HISTOGRAM_N];
};

void histogram_add(struct histogram *h, uint64_t ns);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The least value of class i. */
uint64_t histogram_class(unsigned int i);

/*
 * The value that `share` of all values do not exceed, as the greatest one of its
 * class: 0.5 is the median. 0 if there is none.
 */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif
