// SPDX-License-Identifier: MIT
/*
 * The smallest backend of one channel that is right: standard input and output
 * are its client. For tests of the guest's side alone.
 *
 *   channel-backend DOMID DEVICE
 *
 * Run in domain 0. Ends when the device's nodes are gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "base/cleanup.h"
#include "console/ring.h"
#include "console/schema.h"
#include "xen/text.h"

struct backend {
	struct xs_handle *xs;
	xengnttab_handle *gnttab;
	xenevtchn_handle *evtchn;
	unsigned int domid, device;
	enum console_state state;
	struct console_page *page; /* NULL: not connected */
	struct console_ring ring;
	evtchn_port_t port;
	bool in_ended;
};

static int failed(const char *what)
{
	fprintf(stderr, "channel-backend: %s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned int frontend_number(struct backend *b, const char *key)
{
	struct console_path p;
	uint32_t v;

	console_frontend_path(&p, b->domid, b->device, key);
	return xen_text_read_u32(b->xs, XBT_NULL, p.s, 0, UINT32_MAX, &v) ? 0
									  : v;
}

static bool has_nodes(struct backend *b, bool *online)
{
	struct console_path p;
	_cleanup_free_ char *fe = xs_read(
		b->xs, XBT_NULL,
		console_frontend_path(&p, b->domid, b->device, NULL), NULL);
	_cleanup_free_ char *on =
		xs_read(b->xs, XBT_NULL,
			console_backend_path(&p, 0, b->domid, b->device,
					     CONSOLE_BE_ONLINE),
			NULL);

	*online = on && !strcmp(on, "1");
	return fe && on;
}

static void set_state(struct backend *b, enum console_state s)
{
	struct console_path p;

	if (s == b->state)
		return;
	b->state = s;
	xen_text_write(b->xs, XBT_NULL,
		       console_backend_path(&p, 0, b->domid, b->device,
					    CONSOLE_BE_STATE),
		       console_state_text(s));
}

static void drain(struct backend *b)
{
	char buf[CONSOLE_RING_OUT_SIZE];
	size_t n = 0;

	if (console_ring_read(&b->ring, buf, sizeof(buf), &n))
		errno = EPROTO, failed("the guest's ring");
	for (size_t at = 0; at < n;) {
		ssize_t w = write(STDOUT_FILENO, buf + at, n - at);

		if (w < 0 && errno != EINTR)
			failed("write");
		at += w > 0 ? (size_t)w : 0;
	}
	if (n)
		xenevtchn_notify(b->evtchn, b->port);
}

static void connect_ring(struct backend *b)
{
	int port;

	b->page = xengnttab_map_grant_ref(
		b->gnttab, b->domid, frontend_number(b, CONSOLE_FE_RING_REF),
		3);
	if (!b->page)
		failed("map");
	port = xenevtchn_bind_interdomain(b->evtchn, b->domid,
					  frontend_number(b, CONSOLE_FE_PORT));
	if (port < 0)
		failed("bind");
	b->port = (evtchn_port_t)port;
	if (console_ring_attach_backend(&b->ring, b->page))
		failed("ring");
	set_state(b, CONSOLE_STATE_CONNECTED);
}

static void disconnect(struct backend *b)
{
	if (b->page) {
		drain(b);
		xenevtchn_unbind(b->evtchn, b->port);
		xengnttab_unmap(b->gnttab, b->page, 1);
	}
	b->page = NULL;
}

/* The rules of xen-channel(7). False: there is nothing to serve any more. */
static bool follow(struct backend *b)
{
	bool online, there = has_nodes(b, &online);
	unsigned int fe = frontend_number(b, CONSOLE_FE_STATE);
	bool offers = fe == CONSOLE_STATE_INITIALISED ||
		      fe == CONSOLE_STATE_CONNECTED;

	if (!there || fe == CONSOLE_STATE_CLOSING ||
	    fe == CONSOLE_STATE_CLOSED || (!online && !b->page)) {
		disconnect(b);
		if (there)
			set_state(b, CONSOLE_STATE_CLOSED);
		return there;
	}
	if (!online)
		set_state(b, CONSOLE_STATE_CLOSING);
	else if (fe == CONSOLE_STATE_INITIALISING)
		set_state(b, CONSOLE_STATE_INIT_WAIT);
	else if (offers && !b->page && b->state <= CONSOLE_STATE_INIT_WAIT)
		connect_ring(b);
	return true;
}

static void feed(struct backend *b)
{
	char buf[CONSOLE_RING_IN_SIZE];
	size_t space, written;
	ssize_t n;

	if (console_ring_space(&b->ring, &space) || !space)
		return;
	n = read(STDIN_FILENO, buf, space);
	b->in_ended = n == 0;
	if (n <= 0)
		return;
	console_ring_write(&b->ring, buf, (size_t)n, &written);
	xenevtchn_notify(b->evtchn, b->port);
}

static bool turn(struct backend *b)
{
	size_t space = 0;
	bool feeds = b->page && !b->in_ended &&
		     !console_ring_space(&b->ring, &space) && space;
	struct pollfd fds[] = {
		{ xs_fileno(b->xs), POLLIN, 0 },
		{ xenevtchn_fd(b->evtchn), POLLIN, 0 },
		{ feeds ? STDIN_FILENO : -1, POLLIN, 0 },
	};

	poll(fds, 3, -1);
	if (fds[0].revents) {
		free(xs_check_watch(b->xs));
		if (!follow(b))
			return false;
	}
	if (fds[1].revents) {
		int port = xenevtchn_pending(b->evtchn);

		if (port >= 0)
			xenevtchn_unmask(b->evtchn, (evtchn_port_t)port);
	}
	if (b->page)
		drain(b);
	if (b->page && fds[2].revents)
		feed(b);
	return true;
}

int main(int argc, char **argv)
{
	struct backend b = { .state = CONSOLE_STATE_INITIALISING };
	struct console_path p;

	if (argc != 3)
		return 2;
	b.domid = (unsigned int)atoi(argv[1]);
	b.device = (unsigned int)atoi(argv[2]);
	b.xs = xs_open(0);
	b.gnttab = xengnttab_open(NULL, 0);
	b.evtchn = xenevtchn_open(NULL, 0);
	if (!b.xs || !b.gnttab || !b.evtchn)
		failed("open");
	/* An event that poll() told of is gone once its port is unbound. */
	if (fcntl(xenevtchn_fd(b.evtchn), F_SETFL, O_NONBLOCK))
		failed("fcntl");
	if (!xs_watch(b.xs, console_frontend_path(&p, b.domid, b.device, NULL),
		      "fe") ||
	    !xs_watch(b.xs,
		      console_backend_path(&p, 0, b.domid, b.device,
					   CONSOLE_BE_ONLINE),
		      "be"))
		failed("watch");
	while (turn(&b))
		;
	xenevtchn_close(b.evtchn);
	xengnttab_close(b.gnttab);
	xs_close(b.xs);
	return 0;
}
