/* SPDX-License-Identifier: MIT */
/*
 * One channel, opened by name by one process: waits for the channel, drives its
 * front end, moves bytes until one end closes, and closes in order.
 */
#ifndef XENCHAN_GUEST_SESSION_H
#define XENCHAN_GUEST_SESSION_H

#include "guest/frontend.h"
#include "guest/lock.h"
#include "guest/relay.h"

struct session {
	/* Set by the caller; all borrowed. */
	struct xs_handle *xs;
	const char *sysfs; /* of kernel_sysfs() */
	const char *name;
	unsigned int device; /* 0: the only one of this name */
	struct lock_scope scope;
	int64_t deadline_ns; /* for the channel to be open */
	int stop;            /* readable: end; or -1 */
	bool keep; /* the end of input is not the end; that of a command is */

	/* What came of it. */
	struct relay relay;
	struct channels channels;      /* as last seen */
	const struct channel *channel; /* in there, once found */
	struct lock_holder holder;     /* of SESSION_IN_USE */

	/* The session's own. */
	struct frontend *frontend;
	int lock;
};

enum session_result {
	SESSION_DONE,
	SESSION_STOPPED,     /* `stop` became readable */
	SESSION_NO_CHANNEL,  /* none of this name before the deadline */
	SESSION_SEVERAL,     /* the name is not unique: say a device */
	SESSION_NO_BACKEND,  /* the backend did not connect before it */
	SESSION_IN_USE,      /* another process has the channel */
	SESSION_UNDELIVERED, /* closed by the host before it took all */
	SESSION_CORRUPT,     /* the backend broke the ring */
	SESSION_IN_FAILED,   /* relay.error says why */
	SESSION_OUT_FAILED,
	SESSION_RESULT_N,
};

/*
 * Waits for the channel and opens it. 0, another enum session_result, or
 * negative errno of frontend_step(); then session_deinit() is all that is left.
 */
int session_open(struct session *s);

/*
 * Moves bytes with relay.in and relay.out until the end, then closes. With
 * relay.command the end is its end, or five seconds after the host's.
 */
int session_run(struct session *s);

/* Closes what is open, instead of session_run(). 0, or negative errno. */
int session_close(struct session *s);

/* May be called twice. */
void session_deinit(struct session *s);

#endif
