/* SPDX-License-Identifier: MIT */
/*
 * Domains that come, and the channels that were recorded for them (persist.h):
 * each domain is looked at once, as a domain of this id and UUID, a little in
 * each turn, so that whoever serves channels meanwhile goes on serving.
 *
 * A domain is looked at again if it had no UUID yet; if a record failed, once
 * another domain has died; if a channel of its vanished, then too, because its id
 * may be another's by now; and at once if a channel was overwritten, as libxl
 * does with the devices of a configuration while it makes the domain.
 */
#ifndef XENCHAN_TOOLSTACK_ARRIVALS_H
#define XENCHAN_TOOLSTACK_ARRIVALS_H

#include <stdbool.h>
#include <xenstore.h>

struct arrivals;

/*
 * failed() is told of what could not be attached, the first time; the others are
 * attached all the same. NULL: no memory. xs is borrowed.
 */
struct arrivals *arrivals_new(struct xs_handle *xs,
			      void (*failed)(unsigned int domid,
					     const char *name, int r));
void arrivals_free(struct arrivals *a);

/* There may be new domains. released: one has died. */
void arrivals_look(struct arrivals *a, bool released);

/* A channel of the domain is gone. */
void arrivals_vanished(struct arrivals *a, unsigned int domid);

/* A channel of the domain has given way to another's. */
void arrivals_overwritten(struct arrivals *a, unsigned int domid);

/*
 * Goes on: some reads, and one attachment at most. 0: all is done; 1: there is
 * more; or a negative errno: then it goes on there the next time.
 */
int arrivals_turn(struct arrivals *a);

#endif
