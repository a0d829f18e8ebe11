/* SPDX-License-Identifier: MIT */
/*
 * The event channels of a domain: who is bound to whom. What happens on a
 * bound port is between the words of its two ends (evtchn/port-word.h); this
 * is what Xen does in hypercalls and Linux in ioctls.
 *
 *   UNBOUND  waits for remote_domid; nobody hears what it sends
 *   BOUND    peer is the other end
 *
 * When one end is closed, the other becomes UNBOUND again, without an event.
 */
#ifndef XENCHAN_XENHOST_PORT_TABLE_H
#define XENCHAN_XENHOST_PORT_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "xenhost/board.h"

/* 1 to 7: a kernel's own (its store and console ports among them). */
#define PORT_FIRST 8u
#define PORT_DEFAULT_LIMIT 1023u /* libxl's default of event_channels */
#define PORT_MAX 131071u         /* of Xen's FIFO event channels */

/* An open of the event-channel device. */
struct port_handle {
	struct list ports;
	struct port_word *words;
	int event_fd; /* borrower */
	uint8_t used_slots[HANDLE_N_PORTS / 8];
};

struct port {
	struct list link; /* in handle->ports */
	struct port_table *table;
	struct port_handle *handle;
	uint32_t number;
	uint32_t slot;
	uint32_t gen;
	unsigned int remote_domid;
	struct port *peer;   /* NULL: UNBOUND */
	unsigned int n_refs; /* its handle, and unmap notifications */
	bool open;           /* its handle still wants it */
};

struct port_table {
	unsigned int domid;
	struct port **ports; /* owner; by number */
	uint32_t n_ports;    /* allocated so far */
	uint32_t n_used;
	uint32_t limit;     /* the highest number */
	uint32_t *last_gen; /* borrower: one counter for the whole host */
};

void port_table_init(struct port_table *t, unsigned int domid,
		     uint32_t *last_gen);
/* All its ports are closed by now. */
void port_table_deinit(struct port_table *t);

void port_handle_init(struct port_handle *h, struct port_word *words,
		      int event_fd);

/* NULL: no such port. */
struct port *port_find(const struct port_table *t, uint32_t number);

/* -ENOSPC: the domain, or the handle, has no port left. */
int port_alloc_unbound(struct port_table *t, struct port_handle *h,
		       unsigned int remote_domid, struct port **port_r);

/*
 * Binds a new port to number in remote; -EINVAL unless that is UNBOUND and
 * for us. The new port has an event at once.
 */
int port_bind_interdomain(struct port_table *t, struct port_handle *h,
			  struct port_table *remote, uint32_t number,
			  struct port **port_r);

/*
 * The handle no longer wants the port; it lives on while it has references.
 * Whether an event was waiting in it, which the handle's eventfd still counts.
 */
bool port_close(struct port *port);

void port_ref(struct port *port);
void port_unref(struct port *port);

/* Sends an event to the other end, if there is one. */
void port_send(struct port *port);

/*
 * Kicks the other end if the process at this end died between setting the
 * word and the kick, and only then: each event has one.
 */
void port_rekick(struct port *port);

#endif
