// SPDX-License-Identifier: MIT
#include "guest/pty.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guest/tty.h"

#define SLAVES "/dev/pts/"
#define KERNELS "/dev/hvc"

int pty_open_slave(const struct pty *p, int *fd_r)
{
	int fd = open(p->slave, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*fd_r = fd;
	return 0;
}

static int open_pair(struct pty *p)
{
	_cleanup_close_ int slave = -1;
	int r;

	p->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (p->master < 0 || grantpt(p->master) || unlockpt(p->master) ||
	    ptsname_r(p->master, p->slave, sizeof(p->slave)))
		return -errno;
	/*
	 * Linux: a pair whose slave was never open does not look hung up, as
	 * it does after every later close: so it is opened once.
	 */
	r = pty_open_slave(p, &slave);
	if (!r && fchmod(slave, 0600))
		r = -errno;
	return r ? r : tty_make_raw(slave);
}

/* At no time is there no link, and never a link to something else. */
static int make_link(const struct pty *p, const char *dir, const char *link)
{
	char temporary[PATH_MAX];
	struct stat st;

	if (!lstat(link, &st) && !S_ISLNK(st.st_mode))
		return -EEXIST;
	if ((size_t)snprintf(temporary, sizeof(temporary), "%s/.link-%u", dir,
			     (unsigned int)getpid()) >= sizeof(temporary))
		return -ENAMETOOLONG;
	unlink(temporary);
	if (symlink(p->slave, temporary) || rename(temporary, link))
		return -errno;
	return 0;
}

static int add_link(struct pty *p, const char *dir, const char *name)
{
	char link[PATH_MAX];
	int r;

	if ((size_t)snprintf(link, sizeof(link), "%s/%s", dir, name) >=
	    sizeof(link))
		return -ENAMETOOLONG;
	r = make_link(p, dir, link);
	if (!r)
		strcpy(p->link, link);
	return r;
}

int pty_init(struct pty *p, const char *dir, const char *name)
{
	int r;

	*p = (struct pty){ .master = -1 };
	r = open_pair(p);
	if (!r)
		r = add_link(p, dir, name);
	if (r)
		pty_deinit(p);
	return r;
}

int pty_adopt(struct pty *p, const char *dir, const char *name,
	      const char *terminal, int fd)
{
	int r;

	*p = (struct pty){ .master = fd };
	if ((size_t)snprintf(p->slave, sizeof(p->slave), "%s", terminal) >=
	    sizeof(p->slave))
		r = -ENAMETOOLONG;
	else
		r = add_link(p, dir, name);
	if (r)
		pty_deinit(p);
	return r;
}

static bool links_to(const char *link, const char *prefix, bool whole)
{
	char target[64];
	ssize_t n = readlink(link, target, sizeof(target) - 1);

	if (n < 0)
		return false;
	target[n] = '\0';
	return whole ? !strcmp(target, prefix)
		     : !strncmp(target, prefix, strlen(prefix));
}

void pty_deinit(struct pty *p)
{
	if (p->link[0] && links_to(p->link, p->slave, true))
		unlink(p->link);
	p->link[0] = '\0';
	if (p->master >= 0)
		close(p->master);
	p->master = -1;
}

int pty_reset(struct pty *p)
{
	/* Linux: set through the master, it is the slave's. */
	return tty_make_raw(p->master);
}

bool pty_is_read(const struct pty *p)
{
	struct pollfd master = { p->master, POLLIN, 0 };
	_cleanup_close_ int slave = -1;
	int n = 0;

	if (poll(&master, 1, 0) < 0 || (master.revents & POLLHUP))
		return true;
	if (pty_open_slave(p, &slave) || ioctl(slave, FIONREAD, &n))
		return true;
	return n == 0;
}

void pty_remove_stale(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[PATH_MAX];

	if (!d)
		return;
	while ((e = readdir(d))) {
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir,
				     e->d_name) < sizeof(path) &&
		    (links_to(path, SLAVES, false) ||
		     links_to(path, KERNELS, false)))
			unlink(path);
	}
	closedir(d);
}
