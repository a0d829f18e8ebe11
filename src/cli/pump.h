/* SPDX-License-Identifier: MIT */
/*
 * Moves bytes between two descriptors and a vchan, both ways at once, in one
 * thread that sleeps in poll(2) only.
 *
 *	in  --read--> buffer --libxenvchan_write--> ring --> peer
 *	out <-write-- buffer <--libxenvchan_read--- ring <-- peer
 *
 * Each direction is at one place at a time: it waits for its descriptor when
 * its buffer is on that side, for the vchan's event when it is on the other.
 * A short read or write of the vchan has asked the peer for that event.
 */
#ifndef XENCHAN_CLI_PUMP_H
#define XENCHAN_CLI_PUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/progress.h"
#include "libxenvchan-ext.h"

/* What the end of `in` means. */
enum pump_eof {
	/* The peer is told. The transfer is over once it has taken all that was
	 * sent; a peer that knows half-close goes on until its own end. */
	PUMP_EOF_CLOSE,
	/* It is over when the peer closes, or has said that it sends no more. */
	PUMP_EOF_KEEP,
	/* The first if there was anything to send, else the second. */
	PUMP_EOF_AUTO,
};

/* How a transfer that did not succeed ended, where errno is not enough. */
enum pump_result {
	PUMP_DONE,
	/* `stop` became readable. */
	PUMP_STOPPED,
	/* The deadline passed before there was a client. */
	PUMP_NO_CLIENT,
	/* None will come: its domain is not there, or not any more. */
	PUMP_NO_DOMAIN,
	/* The peer closed before it had taken all that was to be sent. */
	PUMP_UNDELIVERED,
	/* The peer's process or domain ended without closing, as far as that can
	 * be known: what was received may be cut short. */
	PUMP_PEER_DIED,
	/* `in` or `out` failed; errno in `error`. */
	PUMP_IN_FAILED,
	PUMP_OUT_FAILED,
};

/* Bytes on their way. */
struct pump_buffer {
	char *data;
	size_t from, to;
};

struct pump {
	/* Set by the caller; all borrowed. */
	struct libxenvchan *vchan;
	int in;   /* not blocking */
	int out;  /* not blocking; closed, and -1, where the peer has finished
		  * before we have */
	int stop; /* or -1 */
	enum pump_eof eof;
	/* Once the peer sends no more: wait for `in`, though nothing has come
	 * from there yet. */
	bool patient;
	struct progress *progress;

	/* What came of it. */
	uint64_t sent, received; /* put into the ring, written to `out` */
	int error;

	/* The pump's own. */
	struct pump_buffer tx, rx;
	bool in_ended;  /* `in` has */
	bool finished;  /* the peer knows that we send no more */
	bool rx_ended;  /* the peer sends no more, and all was read */
	bool rx_behind; /* there may be more to read: no event was asked for */
};

/*
 * A server's wait for its client, until the deadline. 0: it is there, or was;
 * PUMP_STOPPED, PUMP_NO_CLIENT, PUMP_NO_DOMAIN, or negative errno.
 */
int pump_await_client(struct pump *p, int64_t deadline_ns);

/*
 * Runs until the transfer is over. 0, another enum pump_result, or negative
 * errno if the vchan failed: -EPROTO if the peer broke the protocol.
 */
int pump_run(struct pump *p);

#endif
