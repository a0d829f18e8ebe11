// SPDX-License-Identifier: MIT
#include "backend/control.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "backend/log.h"
#include "backend/poller.h"
#include "backend/server.h"
#include "base/cleanup.h"
#include "base/list.h"
#include "toolstack/control.h"

/* Who does not read what it asked for is cut off. */
#define OUTPUT_MAX (4u << 20)
#define CLIENTS_MAX 64

struct client {
	struct control *control; /* borrowed */
	struct list link;
	int fd;                /* owned */
	struct poller *poller; /* owned */
	char request[32];
	size_t n_request;
	bool events, done; /* done: close when all is written */
	bool half;         /* it has sent all; it may still read */
	char *out;         /* owned */
	size_t n_out, n_written, size;
};

struct control {
	uv_loop_t *loop; /* borrowed */
	struct server *server;
	int fd;                /* owned */
	struct poller *poller; /* owned */
	struct list clients;
	unsigned int n_clients;
};

static void client_free(struct client *c)
{
	poller_free(c->poller);
	close(c->fd);
	list_remove(&c->link);
	c->control->n_clients--;
	free(c->out);
	free(c);
}

/* False: it is to be cut off. */
static bool append(struct client *c, const char *text, size_t n)
{
	if (c->n_out + n > OUTPUT_MAX)
		return false;
	if (c->n_out + n > c->size) {
		size_t size = (c->n_out + n) * 2;
		char *grown = realloc(c->out, size);

		if (!grown)
			return false;
		c->out = grown;
		c->size = size;
	}
	memcpy(c->out + c->n_out, text, n);
	c->n_out += n;
	return true;
}

/* False: it is gone, or has all that it asked for. */
static bool flush(struct client *c)
{
	while (c->n_written < c->n_out) {
		ssize_t n = send(c->fd, c->out + c->n_written,
				 c->n_out - c->n_written,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return false;
		c->n_written += (size_t)n;
	}
	if (c->n_written == c->n_out)
		c->n_written = c->n_out = 0;
	/* UV_PRIORITIZED: for the hang-up alone, as in sink-socket.c. */
	poller_set(c->poller, (c->half ? UV_PRIORITIZED : UV_READABLE) |
				      (c->n_out ? UV_WRITABLE : 0));
	return c->n_out || !c->done;
}

static void status_of(void *userdata, const struct channel *channel)
{
	struct client *c = userdata;
	struct channel_status s;
	char line[CONTROL_LINE_MAX];
	int n;

	channel_get_status(channel, &s);
	n = snprintf(line, sizeof(line),
		     "channel\t%u\t%u\t%s\t%d\t%" PRIu64 "\t%" PRIu64
		     "\t%" PRIu64 "\t%" PRIu64 "\t%s\n",
		     s.domid, s.device, channel_state_name(s.state),
		     s.has_client, s.from_guest, s.to_guest, s.dropped,
		     s.waiting, s.id);
	append(c, line, (size_t)n);
}

static bool answer(struct client *c)
{
	c->request[c->n_request] = '\0';
	if (!strcmp(c->request, CONTROL_EVENTS "\n")) {
		c->events = true;
		return true;
	}
	c->done = true;
	if (strcmp(c->request, CONTROL_STATUS "\n") != 0)
		return append(c, "unknown\n", 8);
	if (c->control->server)
		server_for_each(c->control->server, status_of, c);
	return append(c, "end\n", 4);
}

static bool take_request(struct client *c)
{
	ssize_t n = recv(c->fd, c->request + c->n_request,
			 sizeof(c->request) - 1 - c->n_request, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return true;
	if (n == 0 && (c->events || c->done)) {
		c->half = true;
		return true;
	}
	/* One request; one that is too long for a line is none. */
	if (n <= 0 || c->events || c->done)
		return false;
	c->n_request += (size_t)n;
	if (!memchr(c->request, '\n', c->n_request))
		return c->n_request < sizeof(c->request) - 1;
	return answer(c);
}

static bool is_hung_up(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

static void on_client(void *userdata, int events)
{
	struct client *c = userdata;
	bool stays =
		c->half ? !is_hung_up(c->fd)
			: !(events & UV_READABLE || !events) || take_request(c);

	if (!stays || !flush(c))
		client_free(c);
}

static void on_connection(void *userdata, int events)
{
	struct control *control = userdata;
	_cleanup_close_ int fd =
		accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;

	/* Whoever waits goes on waiting where there is no descriptor left. */
	if (fd < 0 && errno != EAGAIN)
		poller_pause(control->poller);
	if (fd < 0 || control->n_clients >= CLIENTS_MAX)
		return;
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	c->control = control;
	if (poller_new(&c->poller, control->loop, fd, on_client, c)) {
		free(c);
		return;
	}
	c->fd = TAKE_FD(fd);
	list_append(&control->clients, &c->link);
	control->n_clients++;
	poller_set(c->poller, UV_READABLE);
}

void control_set_server(struct control *c, struct server *s)
{
	c->server = s;
}

void control_tell(struct control *control, const struct channel *channel,
		  const char *what, const char *detail)
{
	struct list *pos, *tmp;
	struct channel_status s;
	struct timespec now;
	char line[CONTROL_LINE_MAX];
	int n;

	if (list_empty(&control->clients))
		return;
	channel_get_status(channel, &s);
	clock_gettime(CLOCK_REALTIME, &now);
	n = snprintf(line, sizeof(line),
		     "event\t%lld\t%u\t%u\t%s\t%.255s\t%.500s\n",
		     (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000,
		     s.domid, s.device, what, s.name, detail);
	list_for_each_safe (pos, tmp, &control->clients) {
		struct client *c = list_entry(pos, struct client, link);

		if (c->events && (!append(c, line, (size_t)n) || !flush(c)))
			client_free(c);
	}
}

void control_free(struct control *c)
{
	if (!c)
		return;
	while (!list_empty(&c->clients))
		client_free(list_entry(c->clients.next, struct client, link));
	poller_free(c->poller);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

DEFINE_CLEANUP(struct control *, control, control_free)

/* The directory is ours alone, and locked: what is there is a stale one. */
static int listen_in(struct control *c, int run_dir)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/proc/self/fd/%d/%s",
		 run_dir, CONTROL_SOCKET);
	unlinkat(run_dir, CONTROL_SOCKET, 0);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0 || bind(c->fd, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(c->fd, 16))
		return -errno;
	return 0;
}

int control_new(struct control **out, uv_loop_t *loop, int run_dir)
{
	_cleanup_(cleanup_controlp) struct control *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->loop = loop;
	c->fd = -1;
	list_init(&c->clients);
	r = listen_in(c, run_dir);
	if (!r)
		r = poller_new(&c->poller, loop, c->fd, on_connection, c);
	if (r)
		return r;
	poller_set(c->poller, UV_READABLE);
	*out = TAKE_PTR(c);
	return 0;
}
