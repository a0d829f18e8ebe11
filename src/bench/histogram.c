// SPDX-License-Identifier: MIT
#include "bench/histogram.h"

static unsigned int class_of(uint64_t ns)
{
	unsigned int octave, sub, i;

	if (ns < HISTOGRAM_SUB)
		return (unsigned int)ns;
	octave = 63 - (unsigned int)__builtin_clzll(ns) - HISTOGRAM_SUB_BITS;
	sub = (unsigned int)(ns >> octave) - HISTOGRAM_SUB;
	i = HISTOGRAM_SUB * (octave + 1) + sub;
	return i < HISTOGRAM_N ? i : HISTOGRAM_N - 1;
}

uint64_t histogram_class(unsigned int i)
{
	unsigned int octave = i / HISTOGRAM_SUB, sub = i % HISTOGRAM_SUB;

	if (!octave)
		return sub;
	return (uint64_t)(HISTOGRAM_SUB + sub) << (octave - 1);
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	h->classes[class_of(ns)]++;
	h->n++;
	if (ns > h->max)
		h->max = ns;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	for (unsigned int i = 0; i < HISTOGRAM_N; i++)
		into->classes[i] += from->classes[i];
	into->n += from->n;
	if (from->max > into->max)
		into->max = from->max;
}

uint64_t histogram_quantile(const struct histogram *h, double share)
{
	uint64_t below = 0;

	for (unsigned int i = 0; i < HISTOGRAM_N; i++) {
		below += h->classes[i];
		if (below && (double)below >= share * (double)h->n) {
			uint64_t top = histogram_class(i + 1) - 1;

			return top < h->max ? top : h->max;
		}
	}
	return 0;
}
