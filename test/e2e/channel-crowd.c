// SPDX-License-Identifier: MIT
/* A guest with channels 1 to N, each of which gives back what it gets. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "console/ring.h"

#define N_MAX 7

static struct xs_handle *xs;
static xengntshr_handle *gntshr;
static xenevtchn_handle *evtchn;

static struct device {
	unsigned int number;
	evtchn_port_t port;
	struct console_ring ring;
	char pending[CONSOLE_RING_IN_SIZE];
	size_t n_pending;
} devices[N_MAX];

static void die(const char *what)
{
	fprintf(stderr, "channel-crowd: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void put(const struct device *d, const char *key, unsigned int value)
{
	char path[64], text[12];
	int n = snprintf(text, sizeof(text), "%u", value);

	snprintf(path, sizeof(path), "device/console/%u/%s", d->number, key);
	if (!xs_write(xs, XBT_NULL, path, text, (unsigned int)n))
		die(path);
}

static void offer(struct device *d)
{
	uint32_t ref;
	void *page = xengntshr_share_pages(gntshr, 0, 1, &ref, 1);
	int port = xenevtchn_bind_unbound_port(evtchn, 0);

	if (!page || port < 0)
		die("share");
	d->port = (evtchn_port_t)port;
	console_ring_create(&d->ring, page);
	put(d, "ring-ref", ref);
	put(d, "port", d->port);
	put(d, "state", 4);
}

static void echo(struct device *d)
{
	size_t n, moved = 0;

	do {
		if (!d->n_pending) {
			if (console_ring_read(&d->ring, d->pending,
					      sizeof(d->pending),
					      &d->n_pending))
				die("ring");
			moved += d->n_pending;
		}
		if (console_ring_write(&d->ring, d->pending, d->n_pending, &n))
			die("ring");
		d->n_pending -= n;
		memmove(d->pending, d->pending + n, d->n_pending);
		moved += n;
	} while (n);
	if (moved)
		xenevtchn_notify(evtchn, d->port);
}

int main(int argc, char **argv)
{
	unsigned int n = argc == 2 ? (unsigned int)atoi(argv[1]) : 0;

	if (!n || n > N_MAX)
		return 2;
	xs = xs_open(0);
	gntshr = xengntshr_open(NULL, 0);
	evtchn = xenevtchn_open(NULL, 0);
	if (!xs || !gntshr || !evtchn)
		die("open");
	for (unsigned int i = 0; i < n; i++) {
		devices[i].number = i + 1;
		offer(&devices[i]);
	}
	for (;;) {
		int port = xenevtchn_pending(evtchn);

		if (port < 0)
			die("pending");
		xenevtchn_unmask(evtchn, (evtchn_port_t)port);
		for (unsigned int i = 0; i < n; i++) {
			if (devices[i].port == (evtchn_port_t)port)
				echo(&devices[i]);
		}
	}
}
