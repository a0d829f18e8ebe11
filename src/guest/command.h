/* SPDX-License-Identifier: MIT */
/*
 * The program that a channel is opened for: two pipes are its standard input
 * and output. It is over when it has ended, not when it closes one of them.
 */
#ifndef XENCHAN_GUEST_COMMAND_H
#define XENCHAN_GUEST_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct command {
	pid_t pid;    /* 0: it has ended, or was never started */
	int in, out;  /* to its input, from its output; not blocking; or -1 */
	int children; /* readable: a child has ended; -1: none was started */
	int status;   /* once it has ended: as process_status() */
	int64_t deadline_ns; /* for it to end: of command_hang_up() */
};

/*
 * Runs argv[0], found along PATH, with XEN_CHANNEL set to the channel's name.
 * Blocks SIGCHLD. 0, or negative errno; command_finish() is due in any case.
 */
int command_start(struct command *c, char *const argv[], const char *channel);

/* Has it ended? To be asked when `children` is readable. */
bool command_has_ended(struct command *c);

/* The host has closed: the program may take five seconds more, from the first
 * such call. */
void command_hang_up(struct command *c);

/*
 * Closes the pipes and waits for its end: until the deadline, or five seconds
 * if it has none; then, or as soon as `stop` is readable, with SIGTERM; then with
 * SIGKILL. Returns its exit status.
 */
int command_finish(struct command *c, int stop);

#endif
