// SPDX-License-Identifier: MIT
#include "bench/counters.h"

#include <dlfcn.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <xenevtchn.h>
#include <xenstore.h>

struct counters counters;

/* The definition that ours hides, found once. */
#define NEXT(name)                                                          \
	({                                                                  \
		static __typeof__(name) *next;                              \
                                                                            \
		if (!next)                                                  \
			next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name); \
		next;                                                       \
	})

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
	counters.events++;
	counters.syscalls++;
	return NEXT(xenevtchn_notify)(xce, port);
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
	counters.syscalls++;
	return NEXT(xenevtchn_pending)(xce);
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
	counters.syscalls++;
	return NEXT(xenevtchn_unmask)(xce, port);
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	counters.syscalls++;
	return NEXT(poll)(fds, n, timeout);
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
	  const sigset_t *mask)
{
	counters.syscalls++;
	return NEXT(ppoll)(fds, n, timeout, mask);
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
	counters.syscalls++;
	return NEXT(nanosleep)(time, left);
}

int sched_yield(void)
{
	counters.syscalls++;
	return NEXT(sched_yield)();
}

xs_transaction_t xs_transaction_start(struct xs_handle *h)
{
	counters.requests++;
	return NEXT(xs_transaction_start)(h);
}

bool xs_transaction_end(struct xs_handle *h, xs_transaction_t t, bool abort)
{
	counters.requests++;
	return NEXT(xs_transaction_end)(h, t, abort);
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path,
	      const void *data, unsigned int len)
{
	counters.requests++;
	return NEXT(xs_write)(h, t, path, data, len);
}

void *xs_read(struct xs_handle *h, xs_transaction_t t, const char *path,
	      unsigned int *len)
{
	counters.requests++;
	return NEXT(xs_read)(h, t, path, len);
}

bool xs_set_permissions(struct xs_handle *h, xs_transaction_t t,
			const char *path, struct xs_permissions *perms,
			unsigned int n)
{
	counters.requests++;
	return NEXT(xs_set_permissions)(h, t, path, perms, n);
}

struct xs_permissions *xs_get_permissions(struct xs_handle *h,
					  xs_transaction_t t, const char *path,
					  unsigned int *n)
{
	counters.requests++;
	return NEXT(xs_get_permissions)(h, t, path, n);
}

char *xs_get_domain_path(struct xs_handle *h, unsigned int domid)
{
	counters.requests++;
	return NEXT(xs_get_domain_path)(h, domid);
}

bool xs_watch(struct xs_handle *h, const char *path, const char *token)
{
	counters.requests++;
	return NEXT(xs_watch)(h, path, token);
}
