// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "port-table.h"

void port_table_init(struct port_table *t, unsigned int domid,
		     uint32_t *last_gen)
{
	*t = (struct port_table){
		.domid = domid,
		.limit = PORT_DEFAULT_LIMIT,
		.last_gen = last_gen,
	};
}

void port_table_deinit(struct port_table *t)
{
	free(t->ports);
	t->ports = NULL;
	t->n_ports = 0;
}

void port_handle_init(struct port_handle *h, struct port_word *words,
		      int event_fd)
{
	*h = (struct port_handle){ .words = words, .event_fd = event_fd };
	list_init(&h->ports);
}

struct port *port_find(const struct port_table *t, uint32_t number)
{
	return number < t->n_ports ? t->ports[number] : NULL;
}

static struct port_word *port_word(const struct port *port)
{
	return &port->handle->words[port->slot];
}

/* 0 is "no generation": what a route that was never asked for has. */
static uint32_t table_next_gen(struct port_table *t)
{
	*t->last_gen = *t->last_gen % PORT_WORD_GEN_MAX + 1;
	return *t->last_gen;
}

static int table_grow(struct port_table *t, uint32_t end)
{
	uint32_t n = t->n_ports ? t->n_ports : 32;
	struct port **ports;

	while (n < end)
		n *= 2;
	if (n == t->n_ports)
		return 0;
	ports = realloc(t->ports, n * sizeof(struct port *));
	if (!ports)
		return -ENOMEM;
	memset(ports + t->n_ports, 0, (n - t->n_ports) * sizeof(struct port *));
	t->ports = ports;
	t->n_ports = n;
	return 0;
}

/* The lowest free number and slot, as Xen does. */
static int port_place(struct port_table *t, struct port_handle *h,
		      struct port *port)
{
	uint32_t number = PORT_FIRST, slot = 0;
	int r;

	while (slot < HANDLE_N_PORTS &&
	       h->used_slots[slot / 8] & 1u << slot % 8)
		slot++;
	while (port_find(t, number))
		number++;
	if (slot == HANDLE_N_PORTS || number > t->limit)
		return -ENOSPC;
	r = table_grow(t, number + 1);
	if (r < 0)
		return r;
	port->number = number;
	port->slot = slot;
	return 0;
}

static int port_new(struct port_table *t, struct port_handle *h,
		    unsigned int remote_domid, enum port_word_flag flags,
		    struct port **port_r)
{
	struct port *port = calloc(1, sizeof(*port));
	int r = port ? port_place(t, h, port) : -ENOMEM;

	if (r < 0) {
		free(port);
		return r;
	}
	port->table = t;
	port->handle = h;
	port->gen = table_next_gen(t);
	port->remote_domid = remote_domid;
	port->n_refs = 1;
	port->open = true;
	t->ports[port->number] = port;
	t->n_used++;
	h->used_slots[port->slot / 8] |= 1u << port->slot % 8;
	list_append(&h->ports, &port->link);
	port_word_reset(port_word(port), port->gen, flags);
	*port_r = port;
	return 0;
}

int port_alloc_unbound(struct port_table *t, struct port_handle *h,
		       unsigned int remote_domid, struct port **port_r)
{
	return port_new(t, h, remote_domid, PORT_WORD_IDLE, port_r);
}

/* Whoever knows the way from this port has to ask again. */
static void port_renew(struct port *port)
{
	port->gen = table_next_gen(port->table);
	port_word_set_gen(port_word(port), port->gen);
}

static void port_kick(struct port *port)
{
	(void)!write(port->handle->event_fd, &(uint64_t){ 1 },
		     sizeof(uint64_t));
}

int port_bind_interdomain(struct port_table *t, struct port_handle *h,
			  struct port_table *remote, uint32_t number,
			  struct port **port_r)
{
	struct port *peer = port_find(remote, number), *port;
	int r;

	if (!peer || peer->peer || peer->remote_domid != t->domid)
		return -EINVAL;
	r = port_new(t, h, remote->domid, PORT_WORD_PENDING, &port);
	if (r < 0)
		return r;
	port->peer = peer;
	peer->peer = port;
	port_renew(peer);
	port_kick(port);
	*port_r = port;
	return 0;
}

static void port_free(struct port *port)
{
	struct port_table *t = port->table;

	if (port->peer) {
		port->peer->peer = NULL;
		port_renew(port->peer);
	}
	port_word_reset(port_word(port), table_next_gen(t), PORT_WORD_IDLE);
	port->handle->used_slots[port->slot / 8] &= ~(1u << port->slot % 8);
	list_remove(&port->link);
	t->ports[port->number] = NULL;
	t->n_used--;
	free(port);
}

void port_ref(struct port *port)
{
	port->n_refs++;
}

void port_unref(struct port *port)
{
	if (--port->n_refs == 0)
		port_free(port);
}

bool port_close(struct port *port)
{
	bool waits;

	if (!port->open)
		return false;
	port->open = false;
	waits = port_word_retire(port_word(port));
	port_unref(port);
	return waits;
}

void port_send(struct port *port)
{
	struct port *peer = port->peer;

	if (peer &&
	    port_word_notify(port_word(peer), peer->gen) == PORT_WORD_KICK)
		port_kick(peer);
}

void port_rekick(struct port *port)
{
	struct port *peer = port->peer;

	if (peer && port_word_settle(port_word(peer), peer->gen))
		port_kick(peer);
}
