/* SPDX-License-Identifier: MIT */
/* Programs that have a channel as their standard input and output. */
#ifndef XENCHAN_GUEST_PROCESS_H
#define XENCHAN_GUEST_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Makes *fd_r readable (for a signalfd's read) when a child ends. Blocks SIGCHLD,
 * and has it obeyed if our parent ignores it: children would vanish unseen. 0,
 * or negative errno.
 */
int process_watch_children(int *fd_r);

/*
 * Runs argv[0], found along PATH, with these descriptors as 0 and 1, and the
 * variable XEN_CHANNEL set to the channel's name, unless that is NULL. Signals
 * are as a new program expects them. apart: in a session and process group of its own. 0; or
 * negative errno, also where argv[0] cannot be run.
 */
int process_start(char *const argv[], int in, int out, const char *channel,
		  bool apart, pid_t *pid_r);

/* The exit status as a shell has it: 128 + N after signal N. */
int process_status(int wait_status);

/*
 * Waits for the end of a process: until the deadline for it to go by itself,
 * then five seconds with SIGTERM, then with SIGKILL. Returns its exit status.
 * stop: readable: it is SIGTERM's turn now; or -1.
 */
int process_finish(pid_t pid, int stop, int64_t deadline_ns);

#endif
