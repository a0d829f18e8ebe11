/* SPDX-License-Identifier: MIT */
/* What has to be so, in a test that comes from a seed; and the seed's dice. */
#ifndef XENCHAN_HOSTILE_EXPECT_H
#define XENCHAN_HOSTILE_EXPECT_H

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The program's: what is being tried, and what it comes from. */
extern const char *scene;
extern uint64_t seed;

#define expect(cond)                                                        \
	do {                                                                \
		if (!(cond)) {                                              \
			fprintf(stderr,                                     \
				"%s:%d: not so: %s (errno %s)\n"            \
				"in \"%s\", seed %" PRIu64 "\n",            \
				__func__, __LINE__, #cond, strerror(errno), \
				scene, seed);                               \
			_exit(1);                                           \
		}                                                           \
	} while (0)

struct dice {
	uint64_t state; /* not 0 */
};

static inline uint32_t roll(struct dice *d)
{
	d->state ^= d->state << 13;
	d->state ^= d->state >> 7;
	d->state ^= d->state << 17;
	return (uint32_t)(d->state >> 32);
}

/* A state for the n-th use of the seed, never 0. */
static inline uint64_t dice_state(uint64_t n)
{
	return (seed * 1000003 + n) * 2654435761u + 1;
}

#endif
