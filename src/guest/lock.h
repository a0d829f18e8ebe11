/* SPDX-License-Identifier: MIT */
/*
 * One process at a time drives a device. The lock is a file in the directory of
 * the channels; the kernel gives it back when its owner dies.
 */
#ifndef XENCHAN_GUEST_LOCK_H
#define XENCHAN_GUEST_LOCK_H

#include <limits.h>

/* Where a guest's programs look for channels. */
#define CHANNELS_DIRECTORY "/dev/xen-channel"

/* Who has the lock, as it says; advice only. */
struct lock_holder {
	unsigned int pid;   /* 0: unknown */
	char tty[PATH_MAX]; /* where others can reach the channel, or "" */
};

/*
 * Of the devices of which domain: several xenstores may be reachable from one
 * machine.
 */
struct lock_scope {
	const char *dir; /* exists */
	const char *store;
	unsigned int domid;
};

/*
 * Makes the directory, if need be. 0, or negative errno. -EACCES: it is there
 * and not ours or root's, or may not be made.
 */
int lock_make_dir(const char *dir);

/* Takes the lock, *fd_r holds it. 0; -EBUSY: *holder_r has it; negative errno. */
int lock_take(const struct lock_scope *scope, unsigned int device, int *fd_r,
	      struct lock_holder *holder_r);

/* Says to others what they read in struct lock_holder. tty: NULL: none. */
void lock_describe(int fd, const char *tty);

#endif
