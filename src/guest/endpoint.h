/* SPDX-License-Identifier: MIT */
/* What a front end shares with the backend's domain: a ring page and a port. */
#ifndef XENCHAN_GUEST_ENDPOINT_H
#define XENCHAN_GUEST_ENDPOINT_H

#include <stdint.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "console/ring.h"

struct endpoint {
	xengntshr_handle *gntshr;
	xenevtchn_handle *evtchn;
	evtchn_port_t port; /* 0: none */
	uint32_t ref;
	struct console_page *page; /* NULL: none */
	struct console_ring ring;
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
 */
void endpoint_deinit(struct endpoint *e);

/* Readable when the backend sent an event. */
int endpoint_fd(const struct endpoint *e);

/* Takes it. 0, or negative errno. */
int endpoint_take_event(struct endpoint *e);

void endpoint_notify(struct endpoint *e);

#endif
