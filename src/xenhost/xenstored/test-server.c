// SPDX-License-Identifier: MIT
/*
 * A host of its own for tests: xenstored and nothing else. Serves a Unix
 * socket a domain, DIR/<domid>, until its standard input ends.
 *
 *	test-xenstored DIR DOMID...
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/parse.h"
#include "xenhost/xenstored/xenstored.h"

struct listener {
	unsigned int domid;
	struct xenstored *xs;
	int fd;
	uv_poll_t poll;
};

static void fail(const char *what, int error)
{
	fprintf(stderr, "test-xenstored: %s: %s\n", what, strerror(error));
	exit(1);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0)
		xenstored_accept(l->xs, fd, l->domid);
}

static void on_stdin(uv_poll_t *poll, int status, int events)
{
	char c;

	if (read(STDIN_FILENO, &c, 1) <= 0)
		uv_stop(poll->loop);
}

static void listen_for(struct listener *l, uv_loop_t *loop, const char *dir)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%u", dir, l->domid);
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(l->fd, 128))
		fail(addr.sun_path, errno);
	uv_poll_init(loop, &l->poll, l->fd);
	l->poll.data = l;
	uv_poll_start(&l->poll, UV_READABLE, on_connection);
}

/* What a toolstack makes for a domain. */
static void make_home(struct xenstored *xs, unsigned int domid)
{
	struct xenstored_perm perms[] = {
		{ 0, XENSTORED_PERM_NONE },
		{ domid, XENSTORED_PERM_READ },
	};
	struct xenstored_perm own = { domid, XENSTORED_PERM_NONE };
	char path[64];

	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	xenstored_mkdir(xs, path);
	xenstored_set_perms(xs, path, perms, 2);
	snprintf(path, sizeof(path), "/local/domain/%u/data", domid);
	xenstored_mkdir(xs, path);
	xenstored_set_perms(xs, path, &own, 1);
}

int main(int argc, char **argv)
{
	struct listener *listeners;
	struct xenstored *xs;
	uv_poll_t in;
	uv_loop_t *loop = uv_default_loop();
	int r;

	if (argc < 3)
		fail("DIR DOMID...", EINVAL);
	r = xenstored_new(&xs, loop, NULL, NULL);
	listeners = calloc((size_t)argc, sizeof(*listeners));
	if (r || !listeners)
		fail("start", ENOMEM);
	for (int i = 2; i < argc; i++) {
		struct listener *l = &listeners[i];

		if (parse_domid(argv[i], &l->domid))
			fail(argv[i], EINVAL);
		l->xs = xs;
		if (l->domid) {
			xenstored_introduce(xs, l->domid);
			make_home(xs, l->domid);
		}
		listen_for(l, loop, argv[1]);
	}
	uv_poll_init(loop, &in, STDIN_FILENO);
	uv_poll_start(&in, UV_READABLE, on_stdin);
	printf("ready\n");
	fflush(stdout);
	uv_run(loop, UV_RUN_DEFAULT);
	xenstored_free(xs);
	uv_close((uv_handle_t *)&in, NULL);
	for (int i = 2; i < argc; i++) {
		uv_close((uv_handle_t *)&listeners[i].poll, NULL);
		close(listeners[i].fd);
	}
	uv_run(loop, UV_RUN_DEFAULT);
	r = uv_loop_close(loop);
	free(listeners);
	return r != 0;
}
