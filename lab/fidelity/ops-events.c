// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "agent.h"

#define WAIT_MS 5000
/* Long enough that an event under way would have come */
#define NONE_MS 300

static xenevtchn_handle *evtchn(struct handles *h)
{
	if (!h->evtchn)
		h->evtchn = xenevtchn_open(NULL, 0);
	if (!h->evtchn)
		say("xenevtchn_open: ");
	return h->evtchn;
}

static void adopt_port(struct handles *h, const char *name, int port)
{
	uint32_t value = port;

	say_outcome(port >= 0);
	if (port < 0)
		return;
	object_new(name, OBJECT_PORT, h)->value = value;
	export_value(name, &value, 1);
}

/* A port that the script named, or a bare number */
static bool find_port(const char *word, uint32_t *port_r)
{
	struct object *o;

	if (isdigit((unsigned char)*word)) {
		*port_r = strtoul(word, NULL, 10);
		return true;
	}
	o = object_find(word, OBJECT_PORT);
	if (o)
		*port_r = o->value;
	return o;
}

static void op_bind_unbound(struct handles *h, int argc, char **argv)
{
	adopt_port(h, argv[0],
		   xenevtchn_bind_unbound_port(evtchn(h), atoi(argv[1])));
}

static void op_bind(struct handles *h, int argc, char **argv)
{
	adopt_port(h, argv[0],
		   xenevtchn_bind_interdomain(evtchn(h), atoi(argv[1]),
					      strtoul(argv[2], NULL, 10)));
}

static void op_bind_virq(struct handles *h, int argc, char **argv)
{
	adopt_port(h, argv[0], xenevtchn_bind_virq(evtchn(h), atoi(argv[1])));
}

static void op_unbind(struct handles *h, int argc, char **argv)
{
	uint32_t port;

	if (!find_port(argv[0], &port))
		return;
	say_outcome(xenevtchn_unbind(evtchn(h), port) == 0);
	for (struct object *o = object_first(); o; o = o->next)
		if (o->kind == OBJECT_PORT && !strcmp(o->name, argv[0])) {
			object_free(o);
			return;
		}
}

static void op_notify(struct handles *h, int argc, char **argv)
{
	uint32_t port;

	if (find_port(argv[0], &port))
		say_outcome(xenevtchn_notify(evtchn(h), port) == 0);
}

static void op_unmask(struct handles *h, int argc, char **argv)
{
	uint32_t port;

	if (find_port(argv[0], &port))
		say_outcome(xenevtchn_unmask(evtchn(h), port) == 0);
}

static void say_pending(struct handles *h, int ms)
{
	struct pollfd p = { .fd = xenevtchn_fd(evtchn(h)), .events = POLLIN };
	int port;

	if (poll(&p, 1, ms) != 1) {
		say("none");
		return;
	}
	port = xenevtchn_pending(h->evtchn);
	if (port < 0) {
		say_errno();
		return;
	}
	for (struct object *o = object_first(); o; o = o->next)
		if (o->kind == OBJECT_PORT && o->handles == h &&
		    o->value == (uint32_t)port) {
			say("event on %s", o->name);
			return;
		}
	say("event on a port that is not ours");
}

static void op_pending(struct handles *h, int argc, char **argv)
{
	say_pending(h, WAIT_MS);
}

static void op_no_pending(struct handles *h, int argc, char **argv)
{
	say_pending(h, NONE_MS);
}

static void op_close_evtchn(struct handles *h, int argc, char **argv)
{
	say_outcome(xenevtchn_close(h->evtchn) == 0);
	h->evtchn = NULL;
}

/* Ask the host something of each kind. */
static void op_settle(struct handles *h, int argc, char **argv)
{
	xenstore_ask(h);
	say_outcome(evtchn(h));
	xenevtchn_close(h->evtchn);
	h->evtchn = NULL;
}

const struct op ops_events[] = {
	{ "bind-unbound", 2, 2, op_bind_unbound },
	{ "bind", 3, 3, op_bind },
	{ "bind-virq", 2, 2, op_bind_virq },
	{ "unbind", 1, 1, op_unbind },
	{ "notify", 1, 1, op_notify },
	{ "unmask", 1, 1, op_unmask },
	{ "pending", 0, 0, op_pending },
	{ "no-pending", 0, 0, op_no_pending },
	{ "settle", 0, 0, op_settle },
	{ "close-evtchn", 0, 0, op_close_evtchn },
	{ NULL, 0, 0, NULL },
};
