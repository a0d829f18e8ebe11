// SPDX-License-Identifier: MIT
#include "backend/link.h"

#include <stddef.h>
#include <sys/mman.h>

#include "base/error.h"

int link_connect(struct link *l, const struct xen_handles *xen,
		 unsigned int domid, uint32_t ring_ref, uint32_t remote_port)
{
	void *page = xengnttab_map_grant_ref(xen->gnttab, domid, ring_ref,
					     PROT_READ | PROT_WRITE);
	xenevtchn_port_or_error_t port;

	if (!page)
		return failed_errno();
	port = xenevtchn_bind_interdomain(xen->evtchn, domid, remote_port);
	if (port < 0) {
		int r = failed_errno();

		xengnttab_unmap(xen->gnttab, page, 1);
		return r;
	}
	*l = (struct link){
		.xen = xen,
		.page = page,
		.ring_ref = ring_ref,
		.remote_port = remote_port,
		.port = (evtchn_port_t)port,
	};
	return 0;
}

void link_disconnect(struct link *l)
{
	if (!l->page)
		return;
	/* No event may find the page gone. */
	xenevtchn_unbind(l->xen->evtchn, l->port);
	xengnttab_unmap(l->xen->gnttab, l->page, 1);
	*l = (struct link){ 0 };
}

void link_notify(struct link *l)
{
	/* Also if the guest has closed its port: it will say so by its state. */
	l->owed = xenevtchn_notify(l->xen->evtchn, l->port) != 0;
}
