/* SPDX-License-Identifier: MIT */
/*
 * The control vchan of two proxies, at PATH/control: the client asks for a
 * session, the server makes a vchan for it at PATH/ID and says which. An ID is
 * used once, so that nobody can come to another one's session by being late.
 *
 * Messages have 16 bytes, little-endian, and are sent whole, as packets: a
 * client that is killed leaves no half message to its successor.
 *
 *	offset 0  u32  kind: CONTROL_OPEN, CONTROL_OPENED, CONTROL_FAILED
 *	       4  u32  of OPENED: the ID; of FAILED: an errno; of OPEN: 0
 *	       8  u64  chosen by the client, repeated in the answer
 */
#ifndef XENCHAN_CLI_PROXY_CONTROL_H
#define XENCHAN_CLI_PROXY_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "libxenvchan-ext.h"

enum control_kind {
	CONTROL_OPEN = 0x6e65706f,   /* "open" */
	CONTROL_OPENED = 0x64656e6f, /* "oned" */
	CONTROL_FAILED = 0x6c696166, /* "fail" */
};

struct control_message {
	uint32_t kind, value;
	uint64_t nonce;
};

struct control {
	/* Set by the owner. */
	bool serves;
	unsigned int domain;
	const char *path; /* of the control vchan itself; borrowed */
	struct xentoollog_logger *logger;

	struct libxenvchan *vchan; /* owned; NULL: not now */
	int64_t retry_ns;          /* when to try to make it again */
	int64_t renew_ns;          /* the same while nobody comes; 0: not */
	int64_t renew_wait_ns;     /* and how long after the last time */
	bool open;                 /* there is a peer */
	int error;                 /* why there is none, if that is known */
};

/*
 * Whether a domain exists, as far as can be told. What a server grants to one
 * that does not is void, and remains so when it comes.
 */
bool control_domain_exists(unsigned int domain,
			   struct xentoollog_logger *logger);

/*
 * Carries it on: connects, or takes the next client; drops a peer that ended or
 * broke the protocol. Never fails for good. True if `open` has become false:
 * what was asked is forgotten.
 */
bool control_step(struct control *c);

/* When control_step() is due without an event; DEADLINE_NEVER. */
int64_t control_due(const struct control *c);

/* For poll(2): readable means control_step(); -1: none. */
int control_fd(struct control *c);

/* The next message, if there is one. An impossible one ends the peer. */
bool control_receive(struct control *c, struct control_message *m);

/* False: not now; when there is room, control_fd() becomes readable. */
bool control_send(struct control *c, const struct control_message *m);

void control_deinit(struct control *c);

#endif
