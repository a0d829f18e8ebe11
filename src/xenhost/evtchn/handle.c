// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <unistd.h>

#include "private.h"

/* Stale routes in a row before we give up on a peer that keeps rebinding. */
#define MAX_REROUTES 16

struct port *handle_find_port(struct xenevtchn_handle *h, evtchn_port_t number)
{
	for (uint32_t i = 0; i < h->n_slots; i++)
		if (h->slots[i] && h->slots[i]->number == number)
			return h->slots[i];
	return NULL;
}

void handle_add_port(struct xenevtchn_handle *h, struct port *port,
		     uint32_t slot, uint32_t number)
{
	port->word = &h->words[slot];
	port->number = number;
	port->route.fd = -1;
	h->slots[slot] = port;
	if (slot >= h->n_slots)
		h->n_slots = slot + 1;
}

static void route_clear(struct xenevtchn_handle *h, struct route *route)
{
	if (route->fd >= 0)
		close(route->fd);
	if (route->page)
		hv_page_put(h->conn, route->page);
	*route = (struct route){ .fd = -1 };
}

void handle_drop_port(struct xenevtchn_handle *h, struct port *port, bool event)
{
	h->slots[port->word - h->words] = NULL;
	while (h->n_slots > 0 && !h->slots[h->n_slots - 1])
		h->n_slots--;
	route_clear(h, &port->route);
	if (event)
		list_append(&h->gone, &port->link);
	else
		free(port);
}

/* Those of ports that are gone first: the order of the others is not kept. */
evtchn_port_t handle_take(struct xenevtchn_handle *h)
{
	if (!list_empty(&h->gone)) {
		struct port *port = list_entry(h->gone.next, struct port, link);
		evtchn_port_t number = port->number;

		list_remove(&port->link);
		free(port);
		return number;
	}
	for (uint32_t n = 0; n < h->n_slots; n++) {
		uint32_t i = (h->next_slot + n) % h->n_slots;
		struct port *port = h->slots[i];

		if (!port || !port_word_take(port->word))
			continue;
		h->next_slot = i + 1;
		return port->number;
	}
	return 0;
}

static int route_ask(struct xenevtchn_handle *h, struct port *port)
{
	const struct hv_request req = { .op = HV_ROUTE,
					.id = h->id,
					.port = port->number };
	struct hv_reply reply;
	void *page = NULL;
	int fd, r;

	r = hv_call(h->conn, &req, NULL, 0, &reply, &fd);
	if (r == 0 && reply.page != HV_NONE)
		r = hv_page_get(h->conn, reply.page, &page);
	if (r < 0) {
		if (fd >= 0)
			close(fd);
		return r;
	}
	route_clear(h, &port->route);
	port->route.gen = reply.gen;
	port->route.fd = fd;
	port->route.page = page;
	if (page) {
		port->route.peer =
			(struct port_word *)page + reply.slot % HANDLE_N_PORTS;
		port->route.peer_gen = reply.peer_gen;
	}
	return 0;
}

int handle_notify(struct xenevtchn_handle *h, struct port *port)
{
	const struct hv_request by_host = { .op = HV_NOTIFY,
					    .id = h->id,
					    .port = port->number };
	struct route *route = &port->route;

	for (int i = 0; i < MAX_REROUTES; i++) {
		if (port_word_gen(port->word) != route->gen) {
			int r = route_ask(h, port);

			/* On Xen it takes no descriptor and no memory. */
			if (r == -EMFILE || r == -ENOMEM)
				return hv_call(h->conn, &by_host, NULL, 0, NULL,
					       NULL);
			if (r < 0)
				return r;
		}
		if (!route->peer)
			return 0;
		switch (port_word_notify_owing(route->peer, route->peer_gen)) {
		case PORT_WORD_KICK:
			kick(route->fd);
			port_word_settle(route->peer, route->peer_gen);
			return 0;
		case PORT_WORD_QUIET:
			return 0;
		case PORT_WORD_STALE:
			route->gen = 0;
		}
	}
	return 0;
}
