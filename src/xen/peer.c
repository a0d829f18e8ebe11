// SPDX-License-Identifier: MIT
#include "xen/peer.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "base/cleanup.h"

/* Peers that a process has at a time; with more, they are asked more often. */
#define N_REMEMBERED 64

/* When a domain was last seen to be there. */
struct sighting {
	unsigned int domid;
	int64_t time; /* 0: never */
};

static struct {
	pthread_mutex_t lock;
	struct sighting seen[N_REMEMBERED];
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct sighting *sighting_of(unsigned int domid)
{
	return &shared.seen[domid % N_REMEMBERED];
}

static bool was_seen_lately(unsigned int domid)
{
	const struct sighting *s = sighting_of(domid);
	bool lately;

	pthread_mutex_lock(&shared.lock);
	lately = s->domid == domid && s->time &&
		 clock_now_ns() - s->time < XEN_PEER_PROBE_NS / 2;
	pthread_mutex_unlock(&shared.lock);
	return lately;
}

static void remember(unsigned int domid)
{
	pthread_mutex_lock(&shared.lock);
	*sighting_of(domid) = (struct sighting){ domid, clock_now_ns() };
	pthread_mutex_unlock(&shared.lock);
}

bool xen_peer_is_gone(xenevtchn_handle *event, unsigned int domid)
{
	xenevtchn_port_or_error_t port;

	if (was_seen_lately(domid))
		return false;
	port = xenevtchn_bind_interdomain(event, domid, 0);
	if (port >= 0) /* Port 0 is never one to bind to: but were it so */
		xenevtchn_unbind(event, (evtchn_port_t)port);
	else if (errno == ESRCH)
		return true;
	remember(domid);
	return false;
}

/* Of others than ourselves only domain 0 may read that. */
static bool is_seen_to_exist(struct xs_handle *xs, unsigned int domid)
{
	_cleanup_free_ char *value = NULL;
	char path[32];

	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	value = xs_read(xs, XBT_NULL, path, NULL);
	return value;
}

static void forget_misses(struct xen_peer_misses *misses)
{
	/* Read first: the reader's and the writer's thread both come here. */
	if (atomic_load(&misses->n))
		atomic_store(&misses->n, 0);
}

/* A caller may come as often as it likes, and both its threads at once. */
static void count_miss(struct xen_peer_misses *misses)
{
	int64_t now = clock_now_ns(), last = atomic_load(&misses->last);

	if (atomic_load(&misses->n) && now - last < XEN_PEER_PROBE_NS / 2)
		return;
	if (atomic_compare_exchange_strong(&misses->last, &last, now))
		atomic_fetch_add(&misses->n, 1);
}

bool xen_peer_has_vanished(struct xs_handle *xs, unsigned int domid,
			   const char *path, struct xen_peer_misses *misses)
{
	_cleanup_free_ char *value = NULL;

	if (was_seen_lately(domid)) {
		forget_misses(misses);
		return false;
	}
	value = xs_read(xs, XBT_NULL, path, NULL);
	if (value) {
		remember(domid);
		forget_misses(misses);
	} else if (errno == ENOENT || errno == EACCES) {
		count_miss(misses);
	}
	if (atomic_load(&misses->n) < 2)
		return false;
	if (!is_seen_to_exist(xs, domid))
		return true;
	remember(domid);
	forget_misses(misses);
	return false;
}
