// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "host.h"

static void on_close(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;

	/* An error shows when the descriptor is read. */
	w->ready(w->user);
}

int watch_new(struct watch **watch_r, uv_loop_t *loop, int fd,
	      void (*ready)(void *user), void *user)
{
	struct watch *w = calloc(1, sizeof(*w));
	int r;

	r = w ? uv_poll_init(loop, &w->poll, fd) : -ENOMEM;
	if (r < 0) {
		free(w);
		close(fd);
		return r;
	}
	w->fd = fd;
	w->ready = ready;
	w->user = user;
	w->poll.data = w;
	r = uv_poll_start(&w->poll, UV_READABLE, on_poll);
	if (r < 0) {
		watch_free(w);
		return r;
	}
	*watch_r = w;
	return 0;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	uv_poll_stop(&w->poll);
	uv_close((uv_handle_t *)&w->poll, on_close);
	close(w->fd);
}

int watch_accept(const struct watch *w)
{
	static int spare = -1;
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
		/* Else it would stay in the queue, and the loop awake. */
		close(TAKE_FD(spare));
		fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
		close(TAKE_FD(fd));
	}
	if (spare < 0)
		spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd;
}

int watch_listen(struct watch **watch_r, uv_loop_t *loop, const char *path,
		 int type, void (*ready)(void *user), void *user)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		return -errno;
	return watch_new(watch_r, loop, TAKE_FD(fd), ready, user);
}
