// SPDX-License-Identifier: MIT
/*
 * A listening socket and its client. A client goes in two steps: it may close
 * its writing end and still read (or the reverse), and what it wrote before it
 * went has to reach the guest. While that waits, newcomers wait in the
 * listener's queue; while a client lives, they are turned away.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/fd-store.h"
#include "backend/poller.h"
#include "backend/sink-private.h"
#include "base/cleanup.h"

enum client_state {
	CLIENT_NONE,
	CLIENT_OPEN,
	CLIENT_HALF, /* it has sent all; it may still read */
	CLIENT_GONE, /* it has hung up; what it sent may still be here */
};

struct socket_sink {
	struct sink sink;
	uv_loop_t *loop;        /* borrowed */
	struct own_socket *own; /* borrowed */
	struct fd_store *store; /* borrowed */
	sink_fn fn;
	void *userdata;
	char path[CONSOLE_SOCKET_MAX + 1];
	char listener_name[64], client_name[64];

	int listener, client;                   /* owned */
	struct poller *on_listener, *on_client; /* owned */
	enum client_state state;
	bool want_read, want_write;
};

static struct socket_sink *of(struct sink *s)
{
	return (struct socket_sink *)s;
}

static bool has_client(const struct socket_sink *s)
{
	return s->state == CLIENT_OPEN || s->state == CLIENT_HALF;
}

/*
 * UV_PRIORITIZED is never reported for itself: a wait for it alone is a wait
 * for the hang-up, which the kernel always reports. Without it libuv takes an
 * error of the socket, as after a client that has not read all, for one of the
 * descriptor and stops.
 */
static void update(struct socket_sink *s)
{
	int events = s->state == CLIENT_GONE ? 0 : UV_PRIORITIZED;

	if (s->want_read &&
	    (s->state == CLIENT_OPEN || s->state == CLIENT_GONE))
		events |= UV_READABLE | UV_PRIORITIZED;
	if (s->want_write && s->state != CLIENT_GONE)
		events |= UV_WRITABLE;
	poller_set(s->on_client, events);
	poller_set(s->on_listener, s->state == CLIENT_GONE ? 0 : UV_READABLE);
}

static void drop_client(struct socket_sink *s)
{
	poller_free(TAKE_PTR(s->on_client));
	if (s->client >= 0) {
		close(TAKE_FD(s->client));
		fd_store_drop(s->store, s->client_name);
	}
	s->state = CLIENT_NONE;
	update(s);
}

static bool has_unread(int fd)
{
	int n = 0;

	return !ioctl(fd, FIONREAD, &n) && n > 0;
}

static void hung_up(struct socket_sink *s)
{
	if (s->state == CLIENT_HALF || !has_unread(s->client)) {
		drop_client(s);
		s->fn(s->userdata, SINK_CLOSED);
		return;
	}
	s->state = CLIENT_GONE;
	update(s);
}

static bool is_hung_up(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

static bool has_sent_all(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void on_client(void *userdata, int events)
{
	struct socket_sink *s = userdata;

	if (s->state != CLIENT_GONE && is_hung_up(s->client)) {
		hung_up(s);
		return;
	}
	if ((events & UV_READABLE) && has_sent_all(s->client)) {
		if (s->state == CLIENT_GONE) {
			hung_up(s);
			return;
		}
		s->state = CLIENT_HALF;
		update(s);
		return;
	}
	s->fn(s->userdata, SINK_READY);
}

/* 0; or a negative errno, and the descriptor still is the caller's. */
static int adopt_client(struct socket_sink *s, int fd)
{
	int r = poller_new(&s->on_client, s->loop, fd, on_client, s);

	if (r)
		return r;
	s->client = fd;
	s->state = CLIENT_OPEN;
	update(s);
	return 0;
}

static void on_listener(void *userdata, int events)
{
	struct socket_sink *s = userdata;
	int fd;

	/* The old one's hang-up may not have been told yet. */
	if (has_client(s) && is_hung_up(s->client))
		hung_up(s);
	/* What it has left is first; the newcomer waits in the queue. */
	if (s->state == CLIENT_GONE)
		return;
	fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	/* Whoever waits goes on waiting where there is no descriptor left. */
	if (fd < 0 && errno != EAGAIN)
		poller_pause(s->on_listener);
	if (fd < 0)
		return;
	if (s->state != CLIENT_NONE) {
		close(fd);
		s->fn(s->userdata, SINK_REFUSED);
		return;
	}
	if (adopt_client(s, fd)) {
		close(fd);
		return;
	}
	fd_store_keep(s->store, s->client_name, fd);
	s->fn(s->userdata, SINK_OPENED);
}

static bool socket_has_client(const struct sink *sink)
{
	return has_client((const struct socket_sink *)sink);
}

static const char *socket_path(const struct sink *sink)
{
	return ((const struct socket_sink *)sink)->path;
}

static ssize_t socket_write(struct sink *sink, const void *data, size_t n)
{
	struct socket_sink *s = of(sink);
	ssize_t done;

	if (!socket_has_client(sink))
		return -EAGAIN;
	done = send(s->client, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	/* A client that is gone is noticed by the loop. */
	return done < 0 ? -EAGAIN : done;
}

static ssize_t socket_peek(struct sink *sink, uint8_t *before, size_t max)
{
	struct socket_sink *s = of(sink);
	ssize_t n;

	if (s->state != CLIENT_OPEN && s->state != CLIENT_GONE)
		return -EAGAIN;
	n = recv(s->client, before, max, MSG_PEEK | MSG_DONTWAIT);
	for (ssize_t i = 0; i < n; i++)
		before[i] = (uint8_t)~before[i];
	return n <= 0 ? -EAGAIN : n;
}

static ssize_t socket_read(struct sink *sink, void *data, size_t n)
{
	struct socket_sink *s = of(sink);
	ssize_t got = recv(s->client, data, n, MSG_DONTWAIT);

	return got <= 0 ? -EAGAIN : got;
}

static void socket_want(struct sink *sink, bool read, bool write)
{
	struct socket_sink *s = of(sink);

	s->want_read = read;
	s->want_write = write;
	update(s);
}

static void socket_free(struct sink *sink, bool keep)
{
	struct socket_sink *s = of(sink);

	poller_free(s->on_listener);
	poller_free(s->on_client);
	if (s->client >= 0)
		close(s->client);
	if (s->listener >= 0)
		close(s->listener);
	if (!keep) {
		fd_store_drop(s->store, s->client_name);
		fd_store_drop(s->store, s->listener_name);
		own_socket_remove(s->own);
	}
	free(s);
}

static const struct sink_ops socket_ops = {
	.free = socket_free,
	.has_client = socket_has_client,
	.path = socket_path,
	.write = socket_write,
	.peek = socket_peek,
	.read = socket_read,
	.want = socket_want,
};

/* The listener that a former process had, if its socket still is in place. */
static bool take_former(struct socket_sink *s)
{
	s->listener = fd_store_take(s->store, s->listener_name);
	if (s->listener >= 0 && own_socket_is_at(s->own, s->path))
		return true;
	if (s->listener >= 0) {
		close(TAKE_FD(s->listener));
		fd_store_drop(s->store, s->listener_name);
	}
	return false;
}

static int take_former_client(struct socket_sink *s)
{
	int fd = fd_store_take(s->store, s->client_name), r;

	if (fd < 0)
		return 0;
	r = adopt_client(s, fd);
	if (r)
		fd_store_return(s->store, s->client_name, fd);
	return r;
}

static void cleanup_sinkp(struct socket_sink **s)
{
	if (*s)
		socket_free(&(*s)->sink, true);
}

static struct socket_sink *new_sink(uv_loop_t *loop,
				    const struct sink_config *config)
{
	struct socket_sink *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->sink.ops = &socket_ops;
	s->loop = loop;
	s->own = config->own;
	s->store = config->store;
	s->fn = config->fn;
	s->userdata = config->userdata;
	s->listener = s->client = -1;
	strcpy(s->path, config->path);
	snprintf(s->listener_name, sizeof(s->listener_name), "listen.%.40s",
		 config->id);
	snprintf(s->client_name, sizeof(s->client_name), "client.%.40s",
		 config->id);
	return s;
}

int sink_socket_open(struct sink **out, uv_loop_t *loop,
		     const struct sink_config *config)
{
	_cleanup_(cleanup_sinkp) struct socket_sink *s = NULL;
	bool former;
	int r;

	if (strlen(config->path) > CONSOLE_SOCKET_MAX)
		return -ENAMETOOLONG;
	s = new_sink(loop, config);
	if (!s)
		return -ENOMEM;
	former = take_former(s);
	r = former ? 0
		   : own_socket_listen(s->own, s->path, &config->access,
				       &s->listener);
	if (!r)
		r = poller_new(&s->on_listener, loop, s->listener, on_listener,
			       s);
	if (!r)
		r = take_former_client(s);
	/* For the next attempt. */
	if (r && former)
		fd_store_return(s->store, s->listener_name,
				TAKE_FD(s->listener));
	if (r)
		return r;
	if (!former)
		fd_store_keep(s->store, s->listener_name, s->listener);
	update(s);
	*out = &TAKE_PTR(s)->sink;
	return 0;
}
