/* SPDX-License-Identifier: MIT */
/*
 * A session of the proxy, from the wish for one to the end of its command. It
 * needs nothing from others but the ID of its vchan, see proxy-control.h.
 *
 *	asks:    ASKING --> CONNECTING --> MOVING --> OVER
 *	serves:  WAITING --> DIALING --> MOVING --> REAPING --> OVER
 *
 * From each state it may go to OVER: by its deadline, by a failure.
 */
#ifndef XENCHAN_CLI_PROXY_SESSION_H
#define XENCHAN_CLI_PROXY_SESSION_H

#include <poll.h>
#include <sys/types.h>

#include "base/list.h"
#include "cli/proxy-options.h"
#include "cli/proxy-relay.h"

enum proxy_session_state {
	PROXY_SESSION_ASKING, /* the other proxy has not said where to connect */
	PROXY_SESSION_CONNECTING, /* to the vchan that it named */
	PROXY_SESSION_WAITING, /* for the client of a vchan that we have named */
	PROXY_SESSION_DIALING, /* the local socket's queue was full */
	PROXY_SESSION_MOVING,
	PROXY_SESSION_REAPING, /* all is moved; the command has not ended */
	PROXY_SESSION_OVER,
};

/* Why it is over. */
enum proxy_session_end {
	PROXY_SESSION_DONE,
	PROXY_SESSION_TOO_LATE,    /* the other end did not come in time */
	PROXY_SESSION_IDLE,        /* nothing was moved for too long */
	PROXY_SESSION_NO_VCHAN,    /* errno, and what the logger has */
	PROXY_SESSION_NO_LOCAL,    /* errno of the local socket or command */
	PROXY_SESSION_REFUSED,     /* the local end went too early */
	PROXY_SESSION_UNDELIVERED, /* the other end did */
	PROXY_SESSION_PEER_DIED,
};

struct proxy_session {
	struct list link;                    /* the owner's */
	const struct proxy_options *options; /* borrowed */
	struct xentoollog_logger *logger;    /* borrowed */
	enum proxy_session_state state;
	enum proxy_session_end end;
	int error;

	uint64_t nonce; /* of the message that asks for it */
	uint32_t id;    /* of its vchan; 0: not known */
	bool told;      /* that message, or its answer, has been sent */

	int64_t deadline_ns;       /* of the state; DEADLINE_NEVER */
	int64_t retry_ns;          /* when to look again, without an event */
	int stage;                 /* of ending the command */
	struct libxenvchan *vchan; /* owned */
	int in, out;               /* owned, unless they are 0 and 1; or -1 */
	pid_t pid;                 /* of the command, or 0 */
	struct proxy_relay relay;

	/* Where its descriptors are in the owner's array; -1: nowhere. */
	int at_vchan, at_in, at_out;
};

#define PROXY_SESSION_FDS 3

/* One that asks, for a local client; takes the descriptors over. NULL: ENOMEM */
struct proxy_session *proxy_session_new(const struct proxy_options *o,
					struct xentoollog_logger *logger,
					int in, int out);

/* One that serves, at a path of the xenstore. NULL and errno. */
struct proxy_session *proxy_session_new_server(const struct proxy_options *o,
					       struct xentoollog_logger *logger,
					       const char *path);

/* Where it asked to connect: ASKING becomes CONNECTING. */
void proxy_session_connect(struct proxy_session *s, const char *path);
/* Whoever was asked has gone: ask again. */
void proxy_session_ask_again(struct proxy_session *s);
/* The other end could not: OVER. */
void proxy_session_refuse(struct proxy_session *s, int error);

/* Adds what it waits for, at most PROXY_SESSION_FDS, and returns how many there
 * are then; brings *due forward to when it wants to be stepped anyway. */
int proxy_session_poll(struct proxy_session *s, struct pollfd *fds, int n,
		       int64_t *due);
/* Goes on, after a poll of what proxy_session_poll() has added. */
void proxy_session_step(struct proxy_session *s, const struct pollfd *fds);

/* In whatever state. A command that runs is told to end, and left. */
void proxy_session_free(struct proxy_session *s);

#endif
