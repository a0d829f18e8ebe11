/* SPDX-License-Identifier: MIT */
/*
 * The stand-in for libxenevtchn: what a handle knows of its ports.
 *
 * A handle is a page of port words on the board, and an eventfd: its
 * xenevtchn_fd. Events pass between the words of two processes; hostd is
 * asked when a port is made, bound, freed, and once a binding for the way to
 * the peer's word ("route").
 */
#ifndef XENCHAN_XENHOST_EVTCHN_PRIVATE_H
#define XENCHAN_XENHOST_EVTCHN_PRIVATE_H

#include <pthread.h>
#include <xenevtchn.h>

#include "base/list.h"
#include "xenhost/client/hv.h"

/* Good as long as our own word is of generation gen. */
struct route {
	uint32_t gen; /* 0: never asked */
	uint32_t peer_gen;
	void *page;             /* owner of a reference: where peer is */
	struct port_word *peer; /* NULL: nobody is bound to our port */
	int fd;                 /* owner: the peer's eventfd, or -1 */
};

struct port {
	struct list link; /* in the handle's gone */
	struct port_word *word;
	uint32_t number;
	struct route route;
};

struct xenevtchn_handle {
	struct hv_conn *conn; /* owner of a reference */
	pthread_mutex_t lock; /* guards all below, never held asleep */
	uint32_t id;
	int fd; /* owner */
	struct port_word *words;
	uint32_t restricted_to; /* domid, or HV_NONE */

	struct port *slots[HANDLE_N_PORTS]; /* owner */
	uint32_t n_slots;                   /* the highest in use, plus one */
	uint32_t next_slot;                 /* where to look first */
	struct list gone; /* owner: unbound ports whose event waits */
};

/* All with the handle's lock held. */
struct port *handle_find_port(struct xenevtchn_handle *h, evtchn_port_t number);
/* The port is the handle's from now on. */
void handle_add_port(struct xenevtchn_handle *h, struct port *port,
		     uint32_t slot, uint32_t number);
/* event: one waits in it, and comes out all the same, as in Linux's queue. */
void handle_drop_port(struct xenevtchn_handle *h, struct port *port,
		      bool event);

/*
 * The port whose event is taken, or 0 if there is none; for who has read one
 * from the eventfd.
 */
evtchn_port_t handle_take(struct xenevtchn_handle *h);

/* Sends an event through the port; one that nobody is bound to is fine. */
int handle_notify(struct xenevtchn_handle *h, struct port *port);

static inline void kick(int fd)
{
	/* Adding 1 cannot fail before 2^64 - 1 of them. */
	(void)!write(fd, &(uint64_t){ 1 }, sizeof(uint64_t));
}

#endif
