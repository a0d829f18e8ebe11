// SPDX-License-Identifier: MIT
#include "guest/tty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <termios.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "guest/kernel.h"

/* Linux: MAX_NR_HVC_CONSOLES is 16, of which hvc_xen reaches eight. */
#define HVC_LAST 7

int tty_make_raw(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t))
		return -errno;
	cfmakeraw(&t);
	t.c_cflag |= CLOCAL;
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	return tcsetattr(fd, TCSANOW, &t) ? -errno : 0;
}

int tty_open(const char *path, int *fd_r)
{
	_cleanup_close_ int fd =
		open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = tty_make_raw(fd);
	if (!r)
		*fd_r = TAKE_FD(fd);
	return r;
}

int tty_lock(int fd)
{
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return 0;
	return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

static int open_number(const char *dir, unsigned int number,
		       struct tty_path *path_r, int *fd_r)
{
	if ((size_t)snprintf(path_r->s, sizeof(path_r->s), "%s/hvc%u", dir,
			     number) >= sizeof(path_r->s))
		return -ENAMETOOLONG;
	return tty_open(path_r->s, fd_r);
}

int tty_open_kernel(const char *dir, const char *sysfs,
		    const struct channels *all, unsigned int device,
		    struct tty_path *path_r, int *fd_r)
{
	unsigned int number;

	if (!kernel_terminal(sysfs, device, &number))
		return open_number(dir, number, path_r, fd_r);
	if (all->n != 1)
		return -ENOTUNIQ;
	if (all->list[0].device != device ||
	    all->list[0].state != CONSOLE_STATE_CONNECTED)
		return -ENODEV;
	/* hvc0 is the domain's console. A number without a device: ENODEV. */
	for (number = 1; number <= HVC_LAST; number++) {
		int r = open_number(dir, number, path_r, fd_r);

		if (r != -ENODEV && r != -ENOENT)
			return r;
	}
	return -ENODEV;
}
