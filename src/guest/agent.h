/* SPDX-License-Identifier: MIT */
/*
 * The program that answers on a channel: a file of the channel's name in a
 * directory. It is started while the channel is there, and again when it ends,
 * later each time that it ends early.
 */
#ifndef XENCHAN_GUEST_AGENT_H
#define XENCHAN_GUEST_AGENT_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct agent {
	char path[PATH_MAX];
	pid_t pid; /* 0: does not run */
	int64_t started_ns;
	int64_t next_ns;  /* not before; or when to send the next signal */
	int64_t delay_ns; /* before the next start */
	int64_t delay_min_ns;
	bool stopping; /* it is to end: by itself, then by next_signal */
	int next_signal;
	int status; /* of the last one: process_status() */
};

/* The longest delay. */
#define AGENT_DELAY_MAX_NS INT64_C(60000000000)

void agent_init(struct agent *a, const char *dir, const char *name,
		int64_t delay_min_ns);

/*
 * Is there a program that may be run? 0; -ENOENT; -EACCES: it is no executable
 * file; -EPERM: others than root and we can change it.
 */
int agent_check(const struct agent *a);

/*
 * Starts it on this terminal, if it does not run and its time has come. 1:
 * started; 0: not now; negative errno: it cannot be run, and is tried again
 * later.
 */
int agent_start(struct agent *a, const char *name, int terminal);

/* Has it ended? Sets status, and when to start the next. If it was to end, what
 * it left of its process group is ended too. */
bool agent_reap(struct agent *a);

/*
 * It is to end by itself until then, because its terminal is gone; agent_poll()
 * makes it, if it does not: SIGTERM, and SIGKILL five seconds later.
 */
void agent_await(struct agent *a, int64_t deadline_ns);

/* The same, with SIGTERM at once. */
void agent_stop(struct agent *a);
void agent_poll(struct agent *a);

/* When agent_start() or agent_poll() has something to do, or DEADLINE_NEVER. */
int64_t agent_deadline(const struct agent *a);

#endif
