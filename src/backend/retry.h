/* SPDX-License-Identifier: MIT */
/*
 * What failed is tried again, after 1 tick, 2, 4, up to RETRY_MAX of them.
 * Zero-initialised: nothing has failed.
 */
#ifndef XENCHAN_BACKEND_RETRY_H
#define XENCHAN_BACKEND_RETRY_H

#include <stdbool.h>

#define RETRY_MAX 16

struct retry {
	unsigned int interval, left;
};

/* True if it is the first time: worth a word. */
static inline bool retry_failed(struct retry *r)
{
	bool first = !r->interval;

	r->interval = first ? 1 : r->interval * 2;
	if (r->interval > RETRY_MAX)
		r->interval = RETRY_MAX;
	r->left = r->interval;
	return first;
}

static inline void retry_done(struct retry *r)
{
	*r = (struct retry){ 0 };
}

/* Has it failed, and not succeeded since? */
static inline bool retry_is_owed(const struct retry *r)
{
	return r->interval;
}

/* Is it left to a tick that is to come? */
static inline bool retry_is_waiting(const struct retry *r)
{
	return r->left;
}

/* Once a tick. */
static inline bool retry_is_due(struct retry *r)
{
	return r->left && !--r->left;
}

#endif
