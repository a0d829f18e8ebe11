/* SPDX-License-Identifier: MIT */
/*
 * What a peer can do to a vchan with a mapping of its page and an end of its event
 * channel: bursts of lies. Into the bytes of the rings it writes only values below
 * LIAR_MARK, so that whoever finds another there, or does not, knows whose it is.
 */
#ifndef XENCHAN_HOSTILE_LIAR_H
#define XENCHAN_HOSTILE_LIAR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <xenevtchn.h>
#include <xen/io/libxenvchan.h>

#include "expect.h"

#define LIAR_MARK 0x40
#define N_PAGES 17 /* a forged server's: orders 12 and 16 */

struct liar;

struct attack {
	const char *name;
	void (*burst)(struct liar *l);
};

struct liar {
	struct vchan_interface *page; /* its own mapping */
	xenevtchn_handle *event;
	evtchn_port_t port;
	unsigned int domid;
	bool is_client;
	const struct attack *attack;
	struct dice dice;
	unsigned long n_events;
	atomic_bool stop;
	pthread_t thread;
};

/* By number, up to the one without a name. The last one is all of them. */
extern const struct attack attacks[];
extern const unsigned int n_attacks;

/* NULL if there is none of that name. */
const struct attack *attack_find(const char *name);

/* One event for the victim. */
void liar_notify(struct liar *l);

#endif
