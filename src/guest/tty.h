/* SPDX-License-Identifier: MIT */
/* Terminals with a channel behind them: the kernel's, and our own. */
#ifndef XENCHAN_GUEST_TTY_H
#define XENCHAN_GUEST_TTY_H

#include "guest/channels.h"

/* Bytes as they are: no echo, no line editing, no signals. 0, or -errno. */
int tty_make_raw(int fd);

/*
 * Opens a terminal as a channel: raw and not blocking. 0, or negative
 * errno.
 */
int tty_open(const char *path, int *fd_r);

/*
 * The kernel's terminal of a channel, opened. Which one it is can be told only
 * if this domain has no other device than that one, and the kernel drives it:
 * of /dev/hvc1 and up, dir/hvcN, exactly one can then be opened. 0; -ENOTUNIQ:
 * there are others; -ENODEV: the kernel does not drive it; negative errno.
 */
int tty_open_kernel(const char *dir, const struct channels *all,
		    unsigned int device, int *fd_r);

#endif
