/* SPDX-License-Identifier: MIT */
/* Bytes that follow from where they are, so that each one can be checked. */
#ifndef XENCHAN_LAB_STREAM_H
#define XENCHAN_LAB_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct stream {
	uint64_t random;
	uint64_t n; /* how many there were */
};

static inline struct stream stream_of(uint64_t seed)
{
	return (struct stream){ .random = seed * 2 + 1 };
}

static inline uint8_t stream_next(struct stream *s)
{
	s->random = s->random * 6364136223846793005u + 1442695040888963407u;
	s->n++;
	return s->random >> 56;
}

static inline void stream_fill(struct stream *s, uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		data[i] = stream_next(s);
}

static inline void stream_check(struct stream *s, const uint8_t *data,
				size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (data[i] == stream_next(s))
			continue;
		printf("wrong byte at %llu\n", (unsigned long long)s->n - 1);
		exit(1);
	}
}

#endif
