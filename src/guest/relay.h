/* SPDX-License-Identifier: MIT */
/*
 * Moves bytes between a channel and descriptors, which may be one (a terminal)
 * or two (standard input and output). Holds no bytes of its own: what a
 * descriptor does not take stays in the ring, where it holds the host back, and
 * what the ring does not take stays where it came from.
 */
#ifndef XENCHAN_GUEST_RELAY_H
#define XENCHAN_GUEST_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/command.h"
#include "guest/endpoint.h"

struct relay {
	int in, out;   /* borrowed, not blocking; -1: none */
	bool in_ended; /* end of file, or hung up (EIO) */
	/*
	 * Whose input and output these are; borrowed; NULL: nobody's whom we
	 * know. Its leaving `out` is no failure: out = -1. Once it has ended,
	 * what can be read from `in` is all.
	 */
	struct command *command;
	uint64_t sent, received;
	int error; /* why RELAY_IN_FAILED and RELAY_OUT_FAILED */
};

enum relay_result {
	RELAY_DONE,
	RELAY_IN_FAILED,
	RELAY_OUT_FAILED,
	RELAY_CORRUPT, /* the backend's indices are impossible */
	RELAY_RESULT_N,
};

/* Moves what can be moved now, a ring's size at most. An enum relay_result. */
int relay_move(struct relay *r, struct endpoint *e);

/* The same from the ring to `out` only. */
int relay_receive(struct relay *r, struct endpoint *e);

/*
 * What to poll(2) for: is there room in the ring for input, is there something
 * in it for `out`? Everything else comes with the backend's next event.
 */
bool relay_wants_input(const struct relay *r, struct endpoint *e);
bool relay_wants_output(const struct relay *r, struct endpoint *e);

/*
 * The command, if there is one, for poll(2): a descriptor that is readable when
 * relay_look_at_command() is due, and until when to wait for it.
 */
int relay_command_fd(const struct relay *r);
int64_t relay_command_deadline(const struct relay *r);
/* It has ended, and what it left in `in` is not known to be read: nothing tells
 * of the end of that, so do not sleep if there is room for more. */
bool relay_must_read(const struct relay *r);
void relay_look_at_command(struct relay *r);
bool relay_command_is_over(const struct relay *r);

/* The channel is closed by the host; is the command out of time? */
bool relay_hang_up(struct relay *r);

/* Nothing more is to come from `in`: it has ended, and that is the end (unless
 * keep), or the command has. */
bool relay_is_over(const struct relay *r, bool keep);

/* The backend has taken all that was sent. */
bool relay_is_taken(struct endpoint *e);

#endif
