// SPDX-License-Identifier: MIT
#include "backend/own-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

#define BACKLOG 8

static bool is_own(const struct own_socket *own)
{
	struct stat st;

	if (!own->path[0] || lstat(own->path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	if (!own->ino)
		return st.st_uid == geteuid() && !(st.st_mode & 07777);
	return st.st_dev == own->dev && st.st_ino == own->ino;
}

bool own_socket_is_at(const struct own_socket *own, const char *path)
{
	return own->ino && !strcmp(own->path, path) && is_own(own);
}

/* A kill may come between any two stores; the record outlives us. */
static void in_order(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static void forget(struct own_socket *own)
{
	own->path[0] = '\0';
	in_order();
}

/* What is found at the path, if we are killed now, is ours. */
static void announce(struct own_socket *own, const char *path)
{
	forget(own);
	own->dev = own->ino = 0;
	strcpy(own->path + 1, path + 1);
	in_order();
	own->path[0] = path[0];
	in_order();
}

static void record(struct own_socket *own, const struct stat *st)
{
	own->dev = st->st_dev;
	in_order();
	own->ino = st->st_ino;
	in_order();
}

void own_socket_remove(struct own_socket *own)
{
	/* A record that was cut short has no end. */
	own->path[CONSOLE_SOCKET_MAX] = '\0';
	if (is_own(own))
		unlink(own->path);
	forget(own);
}

/*
 * By descriptor, not by path: whoever may write the directory could put a link
 * in the socket's place between two of our calls.
 */
static int set_access(const char *path, const struct socket_access *access,
		      struct own_socket *own)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char self[40];
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
		return -EADDRINUSE;
	record(own, &st);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (chmod(self, access->mode))
		return -errno;
	if ((access->uid >= 0 || access->gid >= 0) &&
	    fchownat(fd, "", (uid_t)access->uid, (gid_t)access->gid,
		     AT_EMPTY_PATH))
		return -errno;
	return 0;
}

int own_socket_listen(struct own_socket *own, const char *path,
		      const struct socket_access *access, int *fd_r)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mode_t mask;
	int r;

	if (strlen(path) > CONSOLE_SOCKET_MAX)
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	own_socket_remove(own);
	announce(own, path);
	/* Nobody's until its permissions are set, and deaf until we listen.
	 * bind(2) follows no link and replaces nothing. */
	mask = umask(0777);
	r = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
	umask(mask);
	if (r) {
		forget(own);
		return r;
	}
	r = set_access(path, access, own);
	if (!r && listen(fd, BACKLOG))
		r = -errno;
	if (r)
		own_socket_remove(own);
	else
		*fd_r = TAKE_FD(fd);
	return r;
}
