/* SPDX-License-Identifier: MIT */
/*
 * One session of the proxy: the bytes between a vchan and a local stream, which
 * is one socket, or two descriptors. Each direction ends by itself:
 *
 *	in  --read--> up   --libxenvchan_write--> peer     its end: shutdown, FIN
 *	out <-write-- down <--libxenvchan_read--- peer     its end: SHUT_WR, close
 *
 * Nothing here waits: proxy_relay_step() moves what can be moved, and then says
 * what to wait for. Memory is the two buffers, however slow either side is.
 */
#ifndef XENCHAN_CLI_PROXY_RELAY_H
#define XENCHAN_CLI_PROXY_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libxenvchan-ext.h"

#define PROXY_RELAY_BUFFER ((size_t)32 << 10)

enum proxy_relay_result {
	PROXY_RELAY_GOES_ON,
	/* Both directions have ended, in whatever order. */
	PROXY_RELAY_DONE,
	/* The peer closed before it had taken everything. */
	PROXY_RELAY_UNDELIVERED,
	/* The local end went before it had taken everything. */
	PROXY_RELAY_REFUSED,
	/* The peer's process or domain ended: what came may be cut short. */
	PROXY_RELAY_PEER_DIED,
	/* The vchan failed; errno in `error`. */
	PROXY_RELAY_FAILED,
};

struct proxy_relay_buffer {
	size_t from, to;
	char data[PROXY_RELAY_BUFFER];
};

struct proxy_relay {
	/* As given to proxy_relay_begin(); borrowed. */
	struct libxenvchan *vchan; /* not blocking */
	int in, out; /* not blocking; may be the same. A pipe `out` is closed,
		      * and -1, once all is written there */
	bool whole;  /* the peer knows no half-close: the end is a close */

	uint64_t moved; /* bytes, both ways */
	int error;

	/* Its own. */
	struct proxy_relay_buffer up, down;
	bool in_ended;   /* the local end sends no more */
	bool finished;   /* and the peer has been told */
	bool down_ended; /* the peer sends no more, and all was read */
	bool peer_gone;  /* it receives no more either */
	bool out_ended;  /* the local end has been told */
	bool refused;    /* the local end receives no more: drop the rest */
	bool lost;       /* something was dropped */
	bool again;      /* there may be more to do at once */
};

void proxy_relay_begin(struct proxy_relay *r, struct libxenvchan *vchan, int in,
		       int out, bool whole);

/* The event descriptor of the vchan was readable. */
void proxy_relay_take_event(struct proxy_relay *r);

/* Moves what can be moved, for a bounded while. */
enum proxy_relay_result proxy_relay_step(struct proxy_relay *r);

/*
 * What to wait for, as poll(2) has it: events for `in` and `out`, or -1 for a
 * descriptor that is not to be polled. A hang-up that is found there is to be
 * told by proxy_relay_hung_up().
 */
struct proxy_relay_wish {
	int in, out;
	bool vchan; /* and for its event descriptor */
};
struct proxy_relay_wish proxy_relay_wish(const struct proxy_relay *r);

/* Nobody reads `out` any more. */
void proxy_relay_hung_up(struct proxy_relay *r);

#endif
