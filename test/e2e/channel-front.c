// SPDX-License-Identifier: MIT
/*
 * A guest's end of a channel for the tests: standard input into the ring, the
 * ring to standard output, until the backend closes. Options make it behave as
 * various guests do, and worse.
 *
 *	channel-front [OPTION...] DEVICE|NAME
 *	--straight	state 4 at once, as Windows and Mini-OS
 *	--silent	never sends an event, as Windows
 *	--named		waits for a backend at state 2, and finds its device by
 *			the name and protocol there, as Windows
 *	--echo		gives back what it gets, instead of the standard streams
 *	--lazy		does not read its ring
 *	--stay		does not care that the backend wants to close
 *	--eof-closes	closes (state 6) at the end of standard input
 *	--lie=WHAT	out-prod, in-cons: impossible indices once connected;
 *			ours: rewrites out_cons and in_prod all the time;
 *			storm: events without end;
 *			resume: empties its ring once there has been traffic, as
 *			Linux does after a suspension, and says so
 *	--start=N	the ring's positions begin at N
 *	--connection	prints the connection byte whenever it has changed
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>

#include "console/ring.h"
#include "console/schema.h"
#include "xen/text.h"

static struct {
	bool straight, silent, named, echo, lazy, stay, eof_closes, connection;
	const char *lie;
	uint32_t start;
} option;

static struct {
	struct xs_handle *xs;
	xengntshr_handle *gntshr;
	xenevtchn_handle *evtchn;
	evtchn_port_t port;
	struct console_page *page;
	struct console_ring ring;
	unsigned int device, backend;
	char backend_state[256];
} front;

static void die(const char *what)
{
	fprintf(stderr, "channel-front: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void put(const char *key, const char *value)
{
	char path[64];

	snprintf(path, sizeof(path), "device/console/%u/%s", front.device, key);
	if (!xs_write(front.xs, XBT_NULL, path, value,
		      (unsigned int)strlen(value)))
		die(path);
}

static void put_number(const char *key, uint32_t value)
{
	char text[12];

	snprintf(text, sizeof(text), "%u", value);
	put(key, text);
}

static char *get(const char *key)
{
	char path[64];

	snprintf(path, sizeof(path), "device/console/%u/%s", front.device, key);
	return xs_read(front.xs, XBT_NULL, path, NULL);
}

static void kick(void)
{
	if (!option.silent)
		xenevtchn_notify(front.evtchn, front.port);
}

/* The backend's state, or 0 if it is gone. */
static int backend_state(void)
{
	char *state = xs_read(front.xs, XBT_NULL, front.backend_state, NULL);
	int s = state ? atoi(state) : 0;

	free(state);
	return s;
}

static bool backend_says(const char *backend, const char *key,
			 const char *value)
{
	char path[256], *is;
	bool same;

	snprintf(path, sizeof(path), "%s/%s", backend, key);
	is = xs_read(front.xs, XBT_NULL, path, NULL);
	same = is && !strcmp(is, value);
	free(is);
	return same;
}

static void find_device(const char *name)
{
	for (int i = 0; i < 3000; i++) {
		for (front.device = 1; front.device < 8; front.device++) {
			char *backend = get("backend");
			bool found = backend &&
				     backend_says(backend, "state", "2") &&
				     backend_says(backend, "name", name) &&
				     backend_says(backend, "protocol", "vt100");

			free(backend);
			if (found)
				return;
		}
		usleep(10000);
	}
	die("no channel of this name is ready");
}

static void await_nodes(void)
{
	char *backend;

	for (int i = 0; !(backend = get("backend")); i++) {
		if (i > 3000)
			die("no such device");
		usleep(10000);
	}
	/* Once: it may be forged later. */
	snprintf(front.backend_state, sizeof(front.backend_state), "%s/state",
		 backend);
	sscanf(backend, "/local/domain/%u/", &front.backend);
	free(backend);
}

static void make_ring(void)
{
	uint32_t ref;
	int port;

	front.gntshr = xengntshr_open(NULL, 0);
	front.evtchn = xenevtchn_open(NULL, 0);
	if (!front.gntshr || !front.evtchn)
		die("open");
	front.page =
		xengntshr_share_pages(front.gntshr, front.backend, 1, &ref, 1);
	port = xenevtchn_bind_unbound_port(front.evtchn, front.backend);
	if (!front.page || port < 0)
		die("share");
	front.port = (evtchn_port_t)port;
	console_ring_create(&front.ring, front.page);
	shm_store_u32(&front.page->in_cons, option.start);
	shm_store_u32(&front.page->in_prod, option.start);
	shm_store_u32(&front.page->out_cons, option.start);
	shm_store_u32(&front.page->out_prod, option.start);
	if (console_ring_attach_frontend(&front.ring, front.page))
		die("attach");
	put_number("ring-ref", ref);
	put_number("port", front.port);
	put("state", option.straight ? "4" : "3");
}

static void write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0)
			die("write");
		p += done;
		n -= (size_t)done;
	}
}

/* Nothing is under way that would be lost. */
static bool is_quiet(void)
{
	const struct console_page *p = front.page;

	return shm_load_u32(&p->out_prod) >= 1000 &&
	       shm_load_u32(&p->out_prod) == shm_load_u32(&p->out_cons) &&
	       shm_load_u32(&p->in_prod) == shm_load_u32(&p->in_cons);
}

/* For a while: nobody looks at the ring any more, either. */
static void resume(void)
{
	static unsigned int quiet_for;

	quiet_for = is_quiet() ? quiet_for + 1 : 0;
	if (quiet_for < 100)
		return;
	console_ring_create(&front.ring, front.page);
	put("state", "3");
	put("state", "4");
	dprintf(STDOUT_FILENO, "resumed\n");
	option.lie = NULL;
}

static void lie(void)
{
	if (!option.lie)
		return;
	if (!strcmp(option.lie, "resume")) {
		resume();
		return;
	}
	if (!strcmp(option.lie, "out-prod")) {
		shm_store_u32(&front.page->out_prod, option.start + 2049);
	} else if (!strcmp(option.lie, "in-cons")) {
		shm_store_u32(&front.page->in_cons, option.start + 1);
	} else if (!strcmp(option.lie, "ours")) {
		shm_store_u32(&front.page->out_cons, (uint32_t)rand());
		shm_store_u32(&front.page->in_prod, (uint32_t)rand());
		return;
	} else if (!strcmp(option.lie, "storm")) {
		xenevtchn_notify(front.evtchn, front.port);
		return;
	}
	xenevtchn_notify(front.evtchn, front.port);
	option.lie = NULL;
}

static void receive(void)
{
	static char pending[1024];
	static size_t n_pending;
	char buf[1024];
	size_t n = 0;

	if (option.lazy)
		return;
	if (!option.echo) {
		if (console_ring_read(&front.ring, buf, sizeof(buf), &n))
			die("ring");
		if (n) {
			kick();
			write_all(STDOUT_FILENO, buf, n);
		}
		return;
	}
	if (!n_pending && console_ring_read(&front.ring, pending,
					    sizeof(pending), &n_pending))
		die("ring");
	if (console_ring_write(&front.ring, pending, n_pending, &n))
		die("ring");
	memmove(pending, pending + n, n_pending - n);
	n_pending -= n;
	if (n)
		kick();
}

static void print_connection(void)
{
	static int last = -1;
	int now = !console_ring_is_connected(&front.ring);

	if (option.connection && now != last)
		dprintf(STDOUT_FILENO, "%d\n", now);
	last = now;
}

/* False at the end of standard input. */
static bool send_some(void)
{
	static char buf[2048];
	static size_t have, sent;
	size_t n;

	if (sent == have) {
		ssize_t got;
		size_t space;

		if (console_ring_space(&front.ring, &space))
			die("ring");
		if (!space)
			return true;
		got = read(STDIN_FILENO, buf, space);
		if (got <= 0)
			return false;
		have = (size_t)got;
		sent = 0;
	}
	if (console_ring_write(&front.ring, buf + sent, have - sent, &n))
		die("ring");
	sent += n;
	if (n)
		kick();
	return true;
}

static void take_events(void)
{
	struct pollfd p = { xenevtchn_fd(front.evtchn), POLLIN, 0 };

	while (poll(&p, 1, 0) == 1) {
		int port = xenevtchn_pending(front.evtchn);

		if (port < 0)
			return;
		xenevtchn_unmask(front.evtchn, (evtchn_port_t)port);
	}
}

/* How long to sleep: a guest that lies keeps at it. */
static int sleep_ms(void)
{
	if (option.lie && !strcmp(option.lie, "storm"))
		return 0;
	return option.lie ? 1 : 20;
}

static bool input_possible(bool input)
{
	size_t space;

	return input && !option.echo &&
	       !console_ring_space(&front.ring, &space) && space;
}

static void serve(void)
{
	bool input = true;
	int state;

	do {
		struct pollfd p[2] = {
			{ xenevtchn_fd(front.evtchn), POLLIN, 0 },
			{ input_possible(input) ? STDIN_FILENO : -1, POLLIN,
			  0 },
		};

		poll(p, 2, sleep_ms());
		take_events();
		if (p[1].revents)
			input = send_some();
		receive();
		print_connection();
		lie();
		state = backend_state();
	} while ((state == 2 || state == 4 || (state == 5 && option.stay)) &&
		 (input || !option.eof_closes));
}

static void await_connected(void)
{
	for (int i = 0; backend_state() != 4; i++) {
		if (i > 3000)
			die("the backend does not connect");
		usleep(10000);
	}
	put("state", "4");
}

static void drain_output(void)
{
	size_t space = 0;

	while (!console_ring_space(&front.ring, &space) &&
	       space < CONSOLE_RING_OUT_SIZE && backend_state() == 4)
		usleep(1000);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "straight", no_argument, NULL, 's' },
		{ "silent", no_argument, NULL, 'q' },
		{ "named", no_argument, NULL, 'm' },
		{ "echo", no_argument, NULL, 'e' },
		{ "lazy", no_argument, NULL, 'z' },
		{ "stay", no_argument, NULL, 'y' },
		{ "eof-closes", no_argument, NULL, 'c' },
		{ "lie", required_argument, NULL, 'l' },
		{ "start", required_argument, NULL, 'a' },
		{ "connection", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		option.straight |= c == 's';
		option.silent |= c == 'q';
		option.named |= c == 'm';
		option.echo |= c == 'e';
		option.lazy |= c == 'z';
		option.stay |= c == 'y';
		option.eof_closes |= c == 'c';
		option.connection |= c == 'n';
		if (c == 'l')
			option.lie = optarg;
		if (c == 'a')
			option.start = (uint32_t)strtoul(optarg, NULL, 0);
	}
	if (optind + 1 != argc)
		return 2;
	front.device = (unsigned int)atoi(argv[optind]);
	front.xs = xs_open(0);
	if (!front.xs)
		die("xs_open");
	if (option.named)
		find_device(argv[optind]);
	await_nodes();
	make_ring();
	await_connected();
	serve();
	if (option.eof_closes)
		drain_output();
	if (backend_state())
		put("state", "6");
	/* As Linux: the page is the backend's until it says that it is not. */
	for (int i = 0; i < 1000 && backend_state() && backend_state() != 6;
	     i++)
		usleep(10000);
	return 0;
}
