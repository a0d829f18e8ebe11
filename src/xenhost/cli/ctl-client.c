// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cli.h"

int ctl_connect(const char *dir, int *fd_r)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;

	if ((size_t)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/ctl",
			     dir) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	*fd_r = TAKE_FD(fd);
	return 0;
}

int ctl_call(int fd, const char *const *words, struct ctl_reply *reply)
{
	char request[CTL_MAX_REQUEST];
	size_t len = 0;
	ssize_t n;

	for (; *words; words++) {
		size_t size = strlen(*words) + 1;

		if (size > sizeof(request) - len)
			return -E2BIG;
		memcpy(request + len, *words, size);
		len += size;
	}
	if (send(fd, request, len, MSG_NOSIGNAL) < 0)
		return -errno;
	do {
		n = recv(fd, reply, sizeof(*reply), 0);
	} while (n < 0 && errno == EINTR);
	if (n <= (ssize_t)offsetof(struct ctl_reply, text))
		return -EPIPE;
	((char *)reply)[n - 1] = '\0';
	return -reply->error;
}

int cli_call(const struct cli *cli, const char *const *words,
	     struct ctl_reply *reply, int *r_r)
{
	_cleanup_close_ int fd = -1;
	int r = ctl_connect(cli->dir, &fd);

	if (r == -ENOENT || r == -ECONNREFUSED)
		return cli_failed(cli,
				  "no host in %s; start it with `xenhost up`",
				  cli->dir);
	if (r < 0)
		return cli_failed(cli, "the host in %s: %s", cli->dir,
				  strerror(-r));
	*r_r = ctl_call(fd, words, reply);
	if (*r_r == -EPIPE)
		return cli_failed(cli, "the host in %s went away", cli->dir);
	return EXIT_DONE;
}
