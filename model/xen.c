// SPDX-License-Identifier: MIT
/* Defined here, under their other names; <poll.h> shall not declare them. */
#undef ppoll
#undef clock_gettime
#include "xen.h"

#include <poll.h>
#include <signal.h>
#include <time.h>

struct xenevtchn_handle {
	uint8_t port;
	int end;
};

static struct xenevtchn_handle events[MODEL_THREADS];
static unsigned int n_opened;

xenevtchn_handle *model_event(unsigned int end)
{
	return &events[end];
}

uint8_t *model_port(unsigned int end)
{
	return &events[end].port;
}

void model_events_reset(void)
{
	static const char *const names[] = { "port A", "port B" };

	n_opened = 0;
	for (int i = 0; i < MODEL_THREADS; i++) {
		events[i] = (struct xenevtchn_handle){ .end = i };
		model_word(&events[i].port, 1, names[i]);
	}
}

void model_wait_for_event(unsigned int end)
{
	model_sleep_until(&events[end].port, 1u << MODEL_PORT_PENDING);
}

int xenevtchn_fd(xenevtchn_handle *e)
{
	return e->end;
}

int xenevtchn_notify(xenevtchn_handle *e, evtchn_port_t port)
{
	(void)model_rmw(&events[1 - e->end].port, 0xff, MODEL_PORT_PENDING, 0,
			MODEL_SITE);
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *e)
{
	(void)model_rmw(&e->port, (uint8_t)~MODEL_PORT_PENDING,
			MODEL_PORT_MASKED, MODEL_ACQUIRE, MODEL_SITE);
	return 1;
}

int xenevtchn_unmask(xenevtchn_handle *e, evtchn_port_t port)
{
	(void)model_rmw(&e->port, (uint8_t)~MODEL_PORT_MASKED, 0, 0,
			MODEL_SITE);
	return 0;
}

/* Instead of the C library's: time stands still, so that no wait times out. */
int model_ppoll(struct pollfd *p, nfds_t n, const struct timespec *timeout,
		const sigset_t *mask);
int model_clock_gettime(clockid_t clock, struct timespec *t);

int model_ppoll(struct pollfd *p, nfds_t n, const struct timespec *timeout,
		const sigset_t *mask)
{
	uint8_t *port = &events[p->fd].port;

	if (!timeout || timeout->tv_sec || timeout->tv_nsec) {
		model_sleep_until(port, 1u << MODEL_PORT_PENDING);
		return 1;
	}
	/* As a change it sees the newest value. */
	return model_rmw(port, 0xff, 0, 0, MODEL_SITE) == MODEL_PORT_PENDING;
}

int model_clock_gettime(clockid_t clock, struct timespec *t)
{
	*t = (struct timespec){ .tv_sec = 1 };
	return 0;
}

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *l,
				 unsigned int flags)
{
	return model_event(n_opened++ ? 1 : 0); /* the server comes first */
}

int xenevtchn_close(xenevtchn_handle *e)
{
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *e,
						      uint32_t domid)
{
	return 1;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *e,
						     uint32_t domid,
						     evtchn_port_t port)
{
	return 1;
}

int xenevtchn_unbind(xenevtchn_handle *e, evtchn_port_t port)
{
	return 0;
}
