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
 * One user at a time has a terminal that is a channel: whoever opens it has it
 * until the descriptor and its copies are closed. 0; -EBUSY: somebody else has.
 */
int tty_lock(int fd);

struct tty_path {
	char s[64];
};

/*
 * The kernel's terminal of a channel, dir/hvcN, opened. Which one it is can be
 * told if kernel_terminal() knows, or if this domain has no other device than
 * that one, and the kernel drives it: of dir/hvc1 and up, exactly one can then
 * be opened. 0; -ENOTUNIQ: it cannot; -ENODEV: the kernel does not drive it;
 * negative errno.
 */
int tty_open_kernel(const char *dir, const char *sysfs,
		    const struct channels *all, unsigned int device,
		    struct tty_path *path_r, int *fd_r);

#endif
