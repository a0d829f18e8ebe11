// SPDX-License-Identifier: MIT
/*
 * The server on a libuv loop. A connection is read one request at a time, a
 * few of them a wake-up, so that no client can keep the others waiting; while
 * it leaves too much unread, it is not read at all and its own socket holds it
 * back. What clients are to be sent is written at the end of the wake-up that
 * caused it; what their sockets do not take waits until they are writable.
 */
#include "xenhost/xenstored/xenstored.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "xenhost/xenstored/server.h"

enum {
	REQUESTS_A_TURN = 16,
	PIECES_A_WRITE = 32,
};

struct xenstored {
	uv_loop_t *loop;
	struct xsd_server server;
	struct xenstored_ops ops;
	void *userdata;
	struct list conns;
	struct list woken;   /* those with something to send, or broken */
	struct list stalled; /* those that are not read at present */
};

struct conn {
	struct list link;
	struct list woken;
	struct list stalled;
	struct xenstored *xs;
	struct xsd_client *client;
	uv_poll_t poll;
	int fd;
	int events;   /* what poll waits for */
	bool blocked; /* the socket takes no more for now */
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void conn_close(struct conn *c)
{
	list_remove(&c->link);
	list_remove(&c->woken);
	list_remove(&c->stalled);
	xsd_client_free(c->client);
	uv_close((uv_handle_t *)&c->poll, on_closed);
	close(c->fd);
}

/* Waits for what the connection can use. */
static void conn_arm(struct conn *c)
{
	bool ready = xsd_client_ready(c->client);
	int events = (ready ? UV_READABLE : 0) |
		     (c->blocked ? UV_WRITABLE : 0) | UV_DISCONNECT;

	list_remove(&c->stalled);
	if (!ready)
		list_append(&c->xs->stalled, &c->stalled);
	if (events != c->events)
		uv_poll_start(&c->poll, events, on_poll);
	c->events = events;
}

/* 0 or a negative errno: the connection is of no use any more. */
static int conn_write(struct conn *c)
{
	struct iovec pieces[PIECES_A_WRITE];
	struct msghdr msg = { .msg_iov = pieces };

	c->blocked = false;
	for (;;) {
		int n = xsd_output_peek(&c->client->output, pieces,
					PIECES_A_WRITE);
		ssize_t sent;

		if (!n)
			return 0;
		msg.msg_iovlen = (size_t)n;
		sent = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent >= 0) {
			xsd_output_sent(&c->client->output, (size_t)sent);
		} else if (errno == EAGAIN) {
			c->blocked = true;
			return 0;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
}

/* Serves some requests. 0 or a negative errno as above. */
static int conn_read(struct conn *c)
{
	int before = 0;

	while (before < REQUESTS_A_TURN && xsd_client_ready(c->client)) {
		void *where;
		size_t want = xsd_client_want(c->client, &where);
		ssize_t got = recv(c->fd, where, want, MSG_DONTWAIT);

		if (got == 0)
			return -EPIPE;
		if (got < 0 && errno == EAGAIN)
			return 0;
		if (got < 0 && errno != EINTR)
			return -errno;
		if (got < 0)
			continue;
		xsd_client_received(c->client, (size_t)got);
		before += c->client->received == 0;
	}
	return 0;
}

/* Sends what has come up, to everybody; reads again who was held back for a
 * reason that is gone. */
static void flush(struct xenstored *xs)
{
	struct list *pos, *tmp;

	while (!list_empty(&xs->woken)) {
		struct conn *c = list_entry(xs->woken.next, struct conn, woken);

		list_remove(&c->woken);
		if ((!c->blocked && conn_write(c)) || c->client->broken)
			conn_close(c);
		else
			conn_arm(c);
	}
	list_for_each_safe (pos, tmp, &xs->stalled) {
		struct conn *c = list_entry(pos, struct conn, stalled);

		if (xsd_client_ready(c->client))
			conn_arm(c);
	}
}

static void on_wake(struct xsd_client *client)
{
	struct conn *c = client->userdata;

	if (list_empty(&c->woken))
		list_append(&c->xs->woken, &c->woken);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct conn *c = poll->data;
	struct xenstored *xs = c->xs;
	int r = status;

	if (!r && events & UV_WRITABLE)
		r = conn_write(c);
	if (!r && events & UV_READABLE)
		r = conn_read(c);
	else if (!r && events & UV_DISCONNECT)
		r = -EPIPE;
	if (r)
		conn_close(c);
	else
		on_wake(c->client);
	flush(xs);
}

int xenstored_new(struct xenstored **out, uv_loop_t *loop,
		  const struct xenstored_ops *ops, void *userdata)
{
	struct xenstored *xs = calloc(1, sizeof(*xs));
	int r;

	if (!xs)
		return -ENOMEM;
	xs->loop = loop;
	list_init(&xs->conns);
	list_init(&xs->woken);
	list_init(&xs->stalled);
	r = xsd_server_init(&xs->server);
	if (r) {
		xenstored_free(xs);
		return r;
	}
	if (ops) {
		xs->server.store.domains.exists = ops->domain_exists;
		xs->server.store.domains.userdata = userdata;
		xs->server.watches.linux_guests = ops->linux_guests;
		xs->server.fault = ops->fault;
		xs->server.userdata = userdata;
	}
	*out = xs;
	return 0;
}

void xenstored_free(struct xenstored *xs)
{
	struct list *pos, *tmp;

	if (!xs)
		return;
	list_for_each_safe (pos, tmp, &xs->conns)
		conn_close(list_entry(pos, struct conn, link));
	xsd_server_deinit(&xs->server);
	free(xs);
}

static int set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC))
		return -errno;
	return 0;
}

int xenstored_accept(struct xenstored *xs, int fd, unsigned int domid)
{
	_cleanup_close_ int owned = fd;
	_cleanup_free_ struct conn *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	r = set_nonblocking(fd);
	if (!r)
		r = xsd_client_new(&c->client, &xs->server, domid);
	if (r)
		return r;
	r = uv_poll_init(xs->loop, &c->poll, fd);
	if (r) {
		xsd_client_free(c->client);
		return r;
	}
	c->xs = xs;
	c->fd = TAKE_FD(owned);
	c->poll.data = c;
	c->client->wake = on_wake;
	c->client->userdata = c;
	list_init(&c->woken);
	list_init(&c->stalled);
	list_append(&xs->conns, &c->link);
	conn_arm(TAKE_PTR(c));
	return 0;
}

int xenstored_introduce(struct xenstored *xs, unsigned int domid)
{
	int r = xsd_server_introduce(&xs->server, domid);

	flush(xs);
	return r;
}

int xenstored_release(struct xenstored *xs, unsigned int domid)
{
	struct list *pos, *tmp;
	int r;

	if (domid == 0)
		return -EINVAL;
	list_for_each_safe (pos, tmp, &xs->conns) {
		struct conn *c = list_entry(pos, struct conn, link);

		if (c->client->domain->domid == domid)
			conn_close(c);
	}
	r = xsd_server_release(&xs->server, domid);
	flush(xs);
	return r;
}

static struct xsd_subject host(struct xenstored *xs)
{
	return (struct xsd_subject){ .store = &xs->server.store };
}

int xenstored_write(struct xenstored *xs, const char *path, const void *data,
		    size_t len)
{
	struct xsd_subject s = host(xs);
	int r = xsd_node_write(&s, path, data, len);

	flush(xs);
	return r;
}

int xenstored_mkdir(struct xenstored *xs, const char *path)
{
	struct xsd_subject s = host(xs);
	int r = xsd_node_mkdir(&s, path);

	flush(xs);
	return r;
}

int xenstored_rm(struct xenstored *xs, const char *path)
{
	struct xsd_subject s = host(xs);
	int r = xsd_node_rm(&s, path);

	flush(xs);
	return r;
}

int xenstored_set_perms(struct xenstored *xs, const char *path,
			const struct xenstored_perm *perms, size_t n_perms)
{
	struct xsd_subject s = host(xs);
	_cleanup_free_ struct xenstored_perm *copy = NULL;
	int r;

	if (!n_perms)
		return -EINVAL;
	copy = calloc(n_perms, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < n_perms; i++)
		copy[i] = perms[i];
	r = xsd_store_check_perms(s.store, copy, n_perms);
	if (!r)
		r = xsd_node_set_perms(&s, path, copy, n_perms);
	flush(xs);
	return r;
}

int xenstored_read(struct xenstored *xs, const char *path, void **out,
		   size_t *len)
{
	struct xsd_subject s = host(xs);
	struct xsd_record *r;
	char *copy;
	int e = xsd_node_get(&s, path, XENSTORED_PERM_READ, &r);

	if (e)
		return e;
	copy = malloc(r->parts.data_len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, r->parts.data, r->parts.data_len);
	copy[r->parts.data_len] = '\0';
	*out = copy;
	*len = r->parts.data_len;
	return 0;
}
