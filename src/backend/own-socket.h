/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets in the file system that are ours to replace, and no others.
 * A path may hold anything: a user's file, a link to one, somebody else's
 * socket. What we made is known again by device and inode, recorded where it
 * survives us; everything else is left as it is.
 */
#ifndef XENCHAN_BACKEND_OWN_SOCKET_H
#define XENCHAN_BACKEND_OWN_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "console/schema.h"

/*
 * path "": none. ino 0: it was about to be made, and is known by what it is as long
 * as nobody may use it: a socket of this user's that has no permissions at all.
 */
struct own_socket {
	uint64_t dev, ino;
	char path[CONSOLE_SOCKET_MAX + 1];
};

/* What a socket is to look like. */
struct socket_access {
	unsigned int mode;
	long uid, gid; /* -1: ours */
};

/*
 * Makes a listening socket at the path, after removing the one recorded in
 * *own, if it still is there; records the new one. The permissions are set
 * before anybody can connect; of one that fails nothing is left, and of one that
 * is killed nothing that is not known again. -EADDRINUSE: there is something at the path that
 * is not ours. *fd is non-blocking.
 */
int own_socket_listen(struct own_socket *own, const char *path,
		      const struct socket_access *access, int *fd);

/* Is the socket that we made still at this path? */
bool own_socket_is_at(const struct own_socket *own, const char *path);

/* Removes it, if the path still is the socket that we made. */
void own_socket_remove(struct own_socket *own);

#endif
