// SPDX-License-Identifier: MIT
#include "guest/endpoint.h"

#include <errno.h>

int endpoint_init(struct endpoint *e, unsigned int backend)
{
	xenevtchn_port_or_error_t port;

	*e = (struct endpoint){ .gntshr = xengntshr_open(NULL, 0) };
	if (!e->gntshr)
		return -errno;
	e->page = xengntshr_share_pages(e->gntshr, backend, 1, &e->ref, 1);
	if (!e->page)
		return -errno;
	e->evtchn = xenevtchn_open(NULL, 0);
	if (!e->evtchn)
		return -errno;
	port = xenevtchn_bind_unbound_port(e->evtchn, backend);
	if (port < 0)
		return -errno;
	e->port = (evtchn_port_t)port;
	console_ring_create(&e->ring, e->page);
	return 0;
}

int endpoint_check(void)
{
	struct endpoint e = { .gntshr = xengntshr_open(NULL, 0) };
	int r = e.gntshr ? 0 : -errno;

	if (!r) {
		e.evtchn = xenevtchn_open(NULL, 0);
		r = e.evtchn ? 0 : -errno;
	}
	endpoint_deinit(&e);
	return r;
}

void endpoint_deinit(struct endpoint *e)
{
	/* Without the unshare the close would keep it, until we end. */
	if (e->page)
		xengntshr_unshare(e->gntshr, e->page, 1);
	if (e->gntshr)
		xengntshr_close(e->gntshr);
	if (e->port)
		xenevtchn_unbind(e->evtchn, e->port);
	if (e->evtchn)
		xenevtchn_close(e->evtchn);
	*e = (struct endpoint){ 0 };
}

int endpoint_fd(const struct endpoint *e)
{
	return xenevtchn_fd(e->evtchn);
}

int endpoint_take_event(struct endpoint *e)
{
	xenevtchn_port_or_error_t port = xenevtchn_pending(e->evtchn);

	if (port < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return xenevtchn_unmask(e->evtchn, (evtchn_port_t)port) ? -errno : 0;
}

void endpoint_notify(struct endpoint *e)
{
	/* It fails if the backend's domain is gone: the states tell of that. */
	(void)xenevtchn_notify(e->evtchn, e->port);
}
