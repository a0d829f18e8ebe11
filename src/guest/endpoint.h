/* SPDX-License-Identifier: MIT */
/* What a front end shares with the backend's domain: a ring page and a port. */
#ifndef XENCHAN_GUEST_ENDPOINT_H
#define XENCHAN_GUEST_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "console/ring.h"

/* How long this machine has been asleep, between two bounds. */
struct asleep {
	int64_t min_ns, max_ns;
};

struct endpoint {
	xengntshr_handle *gntshr;
	xenevtchn_handle *evtchn;
	evtchn_port_t port; /* 0: none */
	uint32_t ref;
	struct console_page *page; /* NULL: none */
	struct console_ring ring;
	struct asleep asleep; /* when it was made */
	bool owed;            /* an event that the host refused to send */
};

/*
 * An empty ring for that domain. 0, or negative errno: -ENOENT or -EACCES where
 * /dev/xen/gntalloc or evtchn is missing or forbidden, -ENOSPC at its limit.
 * After a failure endpoint_deinit() is due as well.
 */
int endpoint_init(struct endpoint *e, unsigned int backend);

/* Would it work, as far as the devices go? 0, or negative errno as above. */
int endpoint_check(void);

/*
 * Safe at any time: the kernel keeps a page that the backend still maps until
 * it is unmapped. May be called twice, and on zeroes.
 *
 * After the domain has been restored from a file or by migration its ports are
 * gone, but not /dev/xen/evtchn's idea of them. Linux (6.1: evtchn.c,
 * BUG_ON(irq < 0)) kills a program that lets go of one, and leaves a process
 * that cannot be reaped. A process is left behind then that holds the
 * descriptor for ever.
 */
void endpoint_deinit(struct endpoint *e);

/* Readable when the backend sent an event. */
int endpoint_fd(const struct endpoint *e);

/* Takes it. 0, or negative errno. */
int endpoint_take_event(struct endpoint *e);

/* An event that cannot be sent is owed. */
void endpoint_notify(struct endpoint *e);

/* Sends what is owed: before each sleep, which ends at the deadline. */
void endpoint_notify_again(struct endpoint *e);
int64_t endpoint_deadline(const struct endpoint *e);

#endif
