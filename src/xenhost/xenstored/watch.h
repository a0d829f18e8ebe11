/* SPDX-License-Identifier: MIT */
/*
 * Watches: who wants to know of which part of the tree. A watch may be set on
 * anything; what its owner may not read never reaches it, and it is not told.
 */
#ifndef XENCHAN_XENSTORED_WATCH_H
#define XENCHAN_XENSTORED_WATCH_H

#include "base/list.h"
#include "xenhost/xenstored/store.h"

struct xsd_watch_path;

/* All watches, by the path that they are set on. */
struct xsd_watches {
	struct xsd_store *store;
	struct xsd_watch_path *paths;
	bool linux_guests;              /* as struct xenstored_ops */
	uint64_t n_watchers, n_watches; /* ever: they order the events */
	/* Who may see "@releaseDomain", "@introduceDomain". */
	struct xsd_record *special[2];
};

/* One who watches: a client. The owner embeds it and fills in domain and
 * deliver. */
struct xsd_watcher {
	struct xsd_domain *domain;
	/* path and token of an event; the watcher must stay where it is. */
	void (*deliver)(struct xsd_watcher *w, const char *path,
			const char *token);
	uint64_t seq;
	struct list watches;
};

int xsd_watches_init(struct xsd_watches *ws, struct xsd_store *store);
void xsd_watches_deinit(struct xsd_watches *ws);

void xsd_watcher_init(struct xsd_watches *ws, struct xsd_watcher *w);
/* Ends all its watches. */
void xsd_watcher_reset(struct xsd_watches *ws, struct xsd_watcher *w);

/*
 * path as the client wrote it. 0; -EINVAL: no such path can be; -EEXIST: this
 * watcher has a watch of this path and token; -E2BIG: quota; -ENOMEM. The
 * caller acknowledges, then calls xsd_watch_greet for the first event.
 */
int xsd_watch_add(struct xsd_watches *ws, struct xsd_watcher *w,
		  const char *path, const char *token);
/* The event that each watch starts with, for the one added last. */
void xsd_watch_greet(struct xsd_watcher *w);
/* 0 or -ENOENT. */
int xsd_watch_remove(struct xsd_watches *ws, struct xsd_watcher *w,
		     const char *path, const char *token);

/* Events for a change of the tree: watchers in the order in which they came,
 * of each its watches in the order in which they were set. */
void xsd_watches_fire(struct xsd_watches *ws, const struct xsd_change *change);

/* name: "@introduceDomain" or "@releaseDomain". */
void xsd_watches_fire_special(struct xsd_watches *ws, const char *name);
/* 0; -EINVAL: no such event; -EACCES: not for this domain; -ENOMEM. */
int xsd_watches_set_perms(struct xsd_watches *ws, const struct xsd_domain *d,
			  const char *name, const struct xenstored_perm *perms,
			  size_t n_perms);
/* A domain is gone: it loses what it had of the special events. */
void xsd_watches_forget(struct xsd_watches *ws, unsigned int domid);

#endif
