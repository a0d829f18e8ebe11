// SPDX-License-Identifier: MIT
#include "guest/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

/* FNV-1a: the path of a socket is too long for a file's name. */
static uint32_t hash(const char *s)
{
	uint32_t h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

int lock_make_dir(const char *dir)
{
	struct stat st;

	if (mkdir(dir, 0755) && errno != EEXIST)
		return -errno;
	if (lstat(dir, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return st.st_uid && st.st_uid != geteuid() ? -EACCES : 0;
}

static void read_holder(int fd, struct lock_holder *out)
{
	char text[sizeof(out->tty) + 16];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	char *end;

	*out = (struct lock_holder){ 0 };
	if (n <= 0)
		return;
	text[n] = '\0';
	out->pid = (unsigned int)strtoul(text, &end, 10);
	if (*end != ' ' || strlen(end + 1) >= sizeof(out->tty))
		return;
	strcpy(out->tty, end + 1);
	out->tty[strcspn(out->tty, "\n")] = '\0';
}

int lock_take(const struct lock_scope *scope, unsigned int device, int *fd_r,
	      struct lock_holder *holder_r)
{
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;

	if ((size_t)snprintf(path, sizeof(path), "%s/.lock-%08x-%u-%u",
			     scope->dir, hash(scope->store), scope->domid,
			     device) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			return -errno;
		read_holder(fd, holder_r);
		return -EBUSY;
	}
	lock_describe(fd, NULL);
	*fd_r = TAKE_FD(fd);
	return 0;
}

void lock_describe(int fd, const char *tty)
{
	/* Best effort: the lock is the file, not what it says. */
	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET))
		return;
	dprintf(fd, "%u %s\n", (unsigned int)getpid(), tty ? tty : "");
}
