/* SPDX-License-Identifier: MIT */
/*
 * A pseudo-terminal that stands for a channel: whoever opens the link has the
 * channel. It is raw, and stays so whatever its users do.
 */
#ifndef XENCHAN_GUEST_PTY_H
#define XENCHAN_GUEST_PTY_H

#include <limits.h>
#include <stdbool.h>

struct pty {
	int master;          /* not blocking; -1: none; or see pty_adopt() */
	char slave[64];      /* its path */
	char link[PATH_MAX]; /* "" if there is none */
};

/*
 * Makes a pseudo-terminal, and the link dir/name to it in place of an older
 * link. 0; -EEXIST: something that is no link is there; negative errno.
 */
int pty_init(struct pty *p, const char *dir, const char *name);

/*
 * The same link to a terminal of somebody else's. Takes over fd, which is that
 * terminal itself: while it is open, the terminal stays raw.
 */
int pty_adopt(struct pty *p, const char *dir, const char *name,
	      const char *terminal, int fd);

/* Removes the link if it is still ours. May be called twice. */
void pty_deinit(struct pty *p);

/* Nobody has it open any more: makes it raw again for the next. */
int pty_reset(struct pty *p);

/* Opens it as its users do. 0, or negative errno. */
int pty_open_slave(const struct pty *p, int *fd_r);

/*
 * Has everything that was written for its users been read, or is there no user?
 * Linux: what they have not read is lost when the master is closed. What was
 * written just now may not be seen yet: ask twice.
 */
bool pty_is_read(const struct pty *p);

/*
 * Removes the links to terminals from the directory: a predecessor who was
 * killed left them, and the numbers may be somebody else's by now.
 */
void pty_remove_stale(const char *dir);

#endif
