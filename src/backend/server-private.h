/* SPDX-License-Identifier: MIT */
/*
 * What the files of the server share: server.c (beginning and end),
 * server-devices.c and server-scan.c (which channels there are), server-domains.c
 * (domains that come and go), server-loop.c (what is done when).
 */
#ifndef XENCHAN_BACKEND_SERVER_PRIVATE_H
#define XENCHAN_BACKEND_SERVER_PRIVATE_H

#include <uthash.h>

#include "backend/poller.h"
#include "backend/retry.h"
#include "backend/server.h"
#include "base/list.h"

#define SERVER_TOKEN_BACKEND "backend"
#define SERVER_TOKEN_FRONTEND "frontend"
#define SERVER_TOKEN_RELEASE "release"
#define SERVER_TOKEN_ARRIVAL "arrival"

#define SERVER_TICK_MS 1000

struct address {
	unsigned int domid, device;
};

/* A channel's place with the server. */
struct entry {
	struct server *server;
	struct address address;
	struct channel *channel; /* owned */
	UT_hash_handle by_address;
	UT_hash_handle by_port;
	uint32_t port; /* 0: none */
	bool watched;  /* the frontend's nodes */
	bool masked;   /* its port, for a while */
	bool seen;     /* by the scan that runs */
	bool dead;     /* its domain seems to be */
	struct list again, dirty, leaving;
	unsigned int n_refreshes;
	uint64_t refreshes_since_ms;
	struct retry retry; /* of reading its nodes */
};

/* A device that may be ours, but something failed when we looked. */
struct unserved {
	struct address address;
	UT_hash_handle hh;
	bool seen; /* by the scan that runs */
	struct retry retry;
};

struct server {
	struct channel_host host;
	struct server_config config;
	void (*lost)(void *userdata);

	struct entry *entries;     /* owned, by address */
	struct entry *ports;       /* the same, by port */
	struct unserved *unserved; /* owned */
	struct list again, dirty, late, leaving;
	bool scan;               /* the backend's directory has changed */
	bool incomplete;         /* the scan: not all could be noted */
	struct retry scan_retry; /* it could not be read */
	bool settled; /* nothing of a former process is left without an owner */

	struct arrivals *arrivals; /* owned; of the control domain, or NULL */
	bool arriving, released;   /* to be looked at */
	struct retry arrivals_retry, release_retry;

	struct poller *on_store, *on_evtchn; /* owned */
	uv_idle_t idle;
	uv_timer_t fast, tick;
	unsigned int n_handles; /* of these three, that are still closing */
};

static inline bool server_is_dom0(const struct server *s)
{
	return s->host.backend == 0;
}

/* server-devices.c */

struct entry *server_find(struct server *s, struct address a);
/* It has to be in no table any more. */
void server_entry_free(struct entry *e);
void server_unwatch(struct server *s, struct entry *e);
/* Reads its nodes again, and acts on them. */
void server_refresh(struct server *s, struct entry *e);
/* NULL: it is not there, not ours, or to be tried again. */
struct entry *server_add(struct server *s, struct address a);
/* From here on the address may be another attachment's. */
void server_leave(struct server *s, struct entry *e);
/* It need not be tried again. */
void server_forget(struct server *s, struct address a);
/* Something of xenstore's; userdata: the server. */
void server_on_store(void *userdata, int events);

/* server-scan.c */

/* Looks through the backend's directory: which channels there are. */
void server_scan(struct server *s);
/* Once a tick: what could not be read or served is tried again. */
void server_retry(struct server *s);
/* Is anything unknown of this device, or of one of all? */
bool server_is_unserved(const struct server *s, struct address a);
bool server_knows_all(const struct server *s);
void server_forget_unserved(struct server *s);

/* Adds what a domain has and is not served yet. 0 or a negative errno. */
int server_scan_domain(struct server *s, unsigned int domid);

/* server-domains.c */

/* A new domain may be one that had channels before it rebooted. */
int server_await_arrivals(struct server *s);
void server_on_arrival(struct server *s, bool released);
/* A channel of the domain has given way to another. */
void server_overwritten(struct server *s, unsigned int domid);
/* One turn of it. */
void server_arrive(struct server *s);
void server_remove_if_dead(struct server *s, struct address a);
/* What domains left that died. */
void server_find_dead(struct server *s);

/* server.c */

/* Once it is known which channels there are: removes what a former process left
 * of others. */
void server_settle(struct server *s);

/* server-loop.c */

/* There is work that can be done at once. */
void server_wake(struct server *s);
/* There is work for the fast timer. */
void server_hurry(struct server *s);
/* Its nodes have to be read again. */
void server_mark_dirty(struct server *s, struct entry *e);
void server_refresh_dirty(struct server *s);
/* Events of guests; userdata: the server. */
void server_on_evtchn(void *userdata, int events);
void server_on_tick(uv_timer_t *timer);

#endif
