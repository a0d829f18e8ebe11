// SPDX-License-Identifier: MIT
#include "cli/proxy-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "guest/process.h"

/* Who comes while all sessions are taken waits here. */
#define BACKLOG 128

/* A busy machine may leave who holds the lock without a processor for a while. */
#define LOCK_TIME (3 * NS_PER_S)
#define LOCK_PAUSE_NS 10000000

static int make_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

static int set_address(struct sockaddr_un *addr, const char *path)
{
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!*path || strlen(path) >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	strcpy(addr->sun_path, path);
	return 0;
}

int proxy_dial(const char *path)
{
	_cleanup_close_ int fd = make_socket();
	struct sockaddr_un addr;
	int r = fd < 0 ? fd : set_address(&addr, path);

	if (r)
		return r;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -errno;
	return TAKE_FD(fd);
}

/*
 * What stands at the path makes way if it is a socket that refuses connections:
 * its owner is dead. 0: there is nothing now.
 */
static int clear_path(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = proxy_dial(path);
	if (fd >= 0)
		close(fd);
	if (fd != -ECONNREFUSED)
		return fd >= 0 || fd == -EAGAIN ? -EADDRINUSE : fd;
	return unlink(path) ? -errno : 0;
}

/* Who has a lock on the file by flock(2); 0: cannot be told. */
static pid_t lock_holder(int fd)
{
	FILE *locks = fopen("/proc/locks", "re");
	unsigned long inode;
	char line[256];
	struct stat st;
	int pid, found = 0;

	if (!locks || fstat(fd, &st))
		st.st_ino = 0;
	while (locks && !found && fgets(line, sizeof(line), locks))
		if (sscanf(line, "%*s FLOCK %*s %*s %d %*x:%*x:%lu", &pid,
			   &inode) == 2 &&
		    inode == st.st_ino)
			found = pid;
	if (locks)
		fclose(locks);
	return found;
}

/*
 * Between the look at an old socket and the bind, no other proxy does the same:
 * it could remove our socket for the old one. That takes it no time; who holds
 * the lock for longer is no proxy, or is stopped. -EBUSY
 */
static int lock_directory(const char *path, pid_t *holder_r)
{
	char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int64_t deadline = deadline_in(LOCK_TIME);
	_cleanup_close_ int fd = -1;

	strcpy(copy, path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* By the clock: a signal cuts a pause short. */
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			return -errno;
		if (clock_now_ns() >= deadline) {
			*holder_r = lock_holder(fd);
			return -EBUSY;
		}
		nanosleep(&(struct timespec){ .tv_nsec = LOCK_PAUSE_NS }, NULL);
	}
	return TAKE_FD(fd);
}

/* By descriptor: the path may be somebody else's file by now. */
static int set_mode(struct proxy_listener *l, mode_t mode)
{
	_cleanup_close_ int fd = open(l->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char self[40];
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (chmod(self, mode))
		return -errno;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return 0;
}

int proxy_listen(struct proxy_listener *l, const char *path, mode_t mode)
{
	_cleanup_close_ int lock = -1;
	_cleanup_close_ int fd = -1;
	struct sockaddr_un addr;
	mode_t mask;
	int r = set_address(&addr, path);

	l->fd = -1;
	if (r)
		return r;
	strcpy(l->path, path);
	fd = make_socket();
	lock = lock_directory(path, &l->holder);
	r = fd < 0 ? fd : lock < 0 ? lock : clear_path(path);
	if (r)
		return r;
	/* Nobody's until its mode is set, and deaf until we listen. */
	mask = umask(0777);
	r = bind(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -errno : 0;
	umask(mask);
	if (!r)
		r = set_mode(l, mode);
	if (!r && listen(fd, BACKLOG))
		r = -errno;
	if (!r)
		l->fd = TAKE_FD(fd);
	return r;
}

void proxy_unlisten(struct proxy_listener *l)
{
	struct stat st;

	if (l->fd < 0)
		return;
	if (!lstat(l->path, &st) && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	close(TAKE_FD(l->fd));
}

int proxy_accept(const struct proxy_listener *l)
{
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

int proxy_run(char *const argv[], pid_t *pid)
{
	int fds[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return -errno;
	r = process_start(argv, fds[1], fds[1], NULL, true, pid);
	close(fds[1]);
	if (!r && fcntl(fds[0], F_SETFL, O_NONBLOCK))
		r = -errno;
	if (!r)
		return fds[0];
	close(fds[0]);
	return r;
}
