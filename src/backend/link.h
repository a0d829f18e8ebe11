/* SPDX-License-Identifier: MIT */
/* What of a guest a channel holds: its page and its event channel. */
#ifndef XENCHAN_BACKEND_LINK_H
#define XENCHAN_BACKEND_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "console/ring.h"

struct xen_handles {
	xengnttab_handle *gnttab;
	xenevtchn_handle *evtchn;
};

struct link {
	const struct xen_handles *xen; /* borrowed */
	struct console_page *page;     /* owned: the mapping; NULL: no link */
	uint32_t ring_ref, remote_port;
	evtchn_port_t port;
	bool owed; /* an event that the host refused to send */
};

/* 0; or a negative errno, and nothing is held. */
int link_connect(struct link *l, const struct xen_handles *xen,
		 unsigned int domid, uint32_t ring_ref, uint32_t remote_port);

/* Does nothing if there is no link. */
void link_disconnect(struct link *l);

static inline bool link_is_up(const struct link *l)
{
	return l->page;
}

/* An event that cannot be sent is owed: it is for the caller to try again. */
void link_notify(struct link *l);

#endif
