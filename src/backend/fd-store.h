/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that shall outlive this process. Whoever started us keeps copies
 * of them if asked to (systemd with FileDescriptorStoreMax=, or our own
 * keeper), and hands them to the next process: the protocols of sd_notify(3)
 * and sd_listen_fds(3). If nobody does, nothing is kept, and all else works.
 */
#ifndef XENCHAN_BACKEND_FD_STORE_H
#define XENCHAN_BACKEND_FD_STORE_H

#include <stdbool.h>

struct fd_store;

/* Takes over what $LISTEN_FDS announces. 0 or a negative errno. */
int fd_store_new(struct fd_store **out);

/* Closes what nobody took. NULL is accepted. */
void fd_store_free(struct fd_store *s);

/* The inherited descriptor of this name, which is the caller's now; or -1. */
int fd_store_take(struct fd_store *s, const char *name);

/* It was taken, and is of no use yet: fd_store_take() gives it again. */
void fd_store_return(struct fd_store *s, const char *name, int fd);

/* Asks for a copy to be kept, or no longer. */
void fd_store_keep(struct fd_store *s, const char *name, int fd);
void fd_store_drop(struct fd_store *s, const char *name);

/* Drops and closes the inherited descriptors that nobody has taken. */
void fd_store_drop_rest(struct fd_store *s);

/* Tells the service manager: "READY=1", "STOPPING=1"... */
void fd_store_notify(struct fd_store *s, const char *text);

void fd_store_feed_watchdog(struct fd_store *s);

/*
 * A manager that does not read is waited for once, for a fraction of a second;
 * what it has no room for is told later, in order, by any of these calls or this.
 */
void fd_store_flush(struct fd_store *s);

#endif
