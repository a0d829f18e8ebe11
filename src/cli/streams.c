// SPDX-License-Identifier: MIT
#include "cli/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"

/* What pipes are enlarged to: fewer and longer reads and writes. */
#define PIPE_BYTES (256 << 10)

/* The flags of descriptors 0 and 1 to be put back, or -1. */
static int saved_flags[2] = { -1, -1 };

int streams_reserve(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* The lowest free number is this one. */
		if (open("/dev/null", O_RDONLY) != fd)
			return -errno;
	}
	return 0;
}

/* Puts an open file of our own in the descriptor's place, if that can be. */
static bool reopen_nonblocking(int fd, int flags)
{
	char name[32];
	_cleanup_close_ int own = -1;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	own = open(name, (flags & (O_ACCMODE | O_APPEND)) | O_NONBLOCK |
				 O_NOCTTY | O_CLOEXEC);
	return own >= 0 && dup2(own, fd) == fd;
}

static void make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0 || (flags & O_NONBLOCK) || fstat(fd, &st))
		return;
	if (S_ISFIFO(st.st_mode))
		(void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
	else if (!S_ISSOCK(st.st_mode) && !isatty(fd))
		return; /* files and such devices never make us wait */
	if (reopen_nonblocking(fd, flags))
		return;
	if (!fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		saved_flags[fd] = flags;
}

void streams_make_nonblocking(void)
{
	make_nonblocking(0);
	make_nonblocking(1);
}

void streams_restore(void)
{
	for (int fd = 0; fd <= 1; fd++) {
		if (saved_flags[fd] >= 0)
			fcntl(fd, F_SETFL, saved_flags[fd]);
		saved_flags[fd] = -1;
	}
}

bool stream_is_null(int fd)
{
	struct stat st;

	/* Linux: Documentation/admin-guide/devices.txt */
	return !fstat(fd, &st) && S_ISCHR(st.st_mode) &&
	       st.st_rdev == makedev(1, 3);
}

bool stream_is_file(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode);
}
