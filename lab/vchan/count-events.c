// SPDX-License-Identifier: MIT
/*
 * Preloaded: counts a program's calls of xenevtchn_notify and xenevtchn_pending,
 * each a hypercall or a read of the driver on Xen, and prints them when it ends.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <xenevtchn.h>

static atomic_ulong n_notify, n_pending;

int xenevtchn_notify(xenevtchn_handle *h, evtchn_port_t port)
{
	int (*next)(xenevtchn_handle *, evtchn_port_t) =
		dlsym(RTLD_NEXT, "xenevtchn_notify");

	n_notify++;
	return next(h, port);
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *h)
{
	xenevtchn_port_or_error_t (*next)(xenevtchn_handle *) =
		dlsym(RTLD_NEXT, "xenevtchn_pending");

	n_pending++;
	return next(h);
}

__attribute__((destructor)) static void report(void)
{
	printf("events: notify %lu pending %lu\n", n_notify, n_pending);
	fflush(stdout);
}
