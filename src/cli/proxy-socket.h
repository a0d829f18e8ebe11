/* SPDX-License-Identifier: MIT */
/* The local ends of the proxy: Unix sockets and commands. */
#ifndef XENCHAN_CLI_PROXY_SOCKET_H
#define XENCHAN_CLI_PROXY_SOCKET_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

/* A listening socket in the file system that is ours to remove. */
struct proxy_listener {
	int fd; /* -1: none */
	dev_t dev;
	ino_t ino;
	pid_t holder; /* after EBUSY; 0: cannot be told */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/*
 * Makes the socket, with these permissions from the beginning, in place of one
 * that nobody listens on any more. 0, or negative errno:
 *  ENAMETOOLONG  of the path
 *  EADDRINUSE    somebody listens there
 *  EBUSY         somebody holds a lock on its directory, and does not let go
 *  EEXIST        it is no socket
 */
int proxy_listen(struct proxy_listener *l, const char *path, mode_t mode);

/* Closes it, and removes it if the path still is the socket that we made. */
void proxy_unlisten(struct proxy_listener *l);

/* A client, not blocking. A descriptor, or negative errno; EAGAIN: none. */
int proxy_accept(const struct proxy_listener *l);

/* A connection, not blocking. A descriptor, or negative errno; EAGAIN: its
 * queue is full, try again. */
int proxy_dial(const char *path);

/*
 * Runs a command with one end of a socket as its standard input and output, in
 * a session of its own. The other end, not blocking; or negative errno.
 */
int proxy_run(char *const argv[], pid_t *pid);

#endif
