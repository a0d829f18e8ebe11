/* SPDX-License-Identifier: MIT */
/*
 * Whether a peer's domain still exists, found out without privileges.
 *
 * When a domain is destroyed, its event channels become unbound and no event is
 * sent: whoever waits for one waits for ever. An unprivileged domain cannot
 * watch @releaseDomain and is told nothing by xs_is_domain_introduced(). Two
 * things it can see, on Xen 4.17:
 *  - binding to port 0 of a domain fails with EINVAL while the domain exists and
 *    with ESRCH once it is gone. It stays EINVAL while somebody maps pages of
 *    the dead domain: so this serves an end that maps none, a server;
 *  - a node of the domain's that it could read is gone: this serves a client,
 *    which has read the server's nodes.
 *
 * Results are shared by all channels of the process with the same peer, so that
 * a thousand channels ask as often as one. Safe to call from any thread.
 */
#ifndef XENCHAN_XEN_PEER_H
#define XENCHAN_XEN_PEER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <xenevtchn.h>
#include <xenstore.h>

#include "base/clock.h"

/*
 * How often a waiting end should ask; and one in an event loop, where each vchan
 * of a program wakes it for that.
 */
#define XEN_PEER_PROBE_NS INT64_C(250000000)
#define XEN_PEER_LOOP_PROBE_NS INT64_C(1000000000)

/*
 * When to ask next: all who wait for any peer, in any process, do so at the same
 * moments, and wake the machine only so often however many they are.
 */
static inline int64_t xen_peer_next_probe(int64_t interval)
{
	int64_t now = clock_now_ns();

	return now - now % interval + interval;
}

/* For an end that maps none of the peer's pages. */
bool xen_peer_is_gone(xenevtchn_handle *event, unsigned int domid);

/* One end's probes that found the peer's node missing, in a row. Zeroed: none. */
struct xen_peer_misses {
	atomic_uint n;
	_Atomic int64_t last; /* when the last one was counted */
};

/*
 * For an end that has read `path`, a node of the peer's: true when that has been
 * missing at two probes in a row, half of XEN_PEER_PROBE_NS apart or more: a server
 * that publishes anew is not gone. Domain 0 then sees whether the domain is still
 * there; to others a node that is removed while its domain lives looks the same.
 */
bool xen_peer_has_vanished(struct xs_handle *xs, unsigned int domid,
			   const char *path, struct xen_peer_misses *misses);

#endif
