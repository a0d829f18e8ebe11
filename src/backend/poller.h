/* SPDX-License-Identifier: MIT */
/*
 * A descriptor on the loop, with the life time that its owner wants: libuv's
 * handles end asynchronously, a poller may be freed and its descriptor closed
 * at once, from its own callback too.
 */
#ifndef XENCHAN_BACKEND_POLLER_H
#define XENCHAN_BACKEND_POLLER_H

#include <uv.h>

struct poller;

/* events: UV_READABLE and others; 0 if the descriptor has an error. */
typedef void (*poller_fn)(void *userdata, int events);

/* Waits for nothing yet. The descriptor is borrowed. 0 or a negative errno. */
int poller_new(struct poller **out, uv_loop_t *loop, int fd, poller_fn fn,
	       void *userdata);

/* NULL is accepted by all of these. */
void poller_set(struct poller *p, int events);
void poller_free(struct poller *p);

/*
 * Reports nothing for a tenth of a second, whatever poller_set() says meanwhile:
 * for a descriptor that is ready for what cannot be done now. To accept a
 * connection takes a descriptor, of which there may be none left.
 */
void poller_pause(struct poller *p);

#endif
