// SPDX-License-Identifier: MIT
/*
 * Which channels there are: by a scan of the backend's directory, and by watches
 * from then on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/log.h"
#include "backend/nodes.h"
#include "backend/server-private.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "toolstack/channel.h"
#include "toolstack/persist.h"
#include "xen/peer.h"

/* Watch events that one turn of the loop takes. */
#define WATCHES_A_TURN 64

/*
 * Channels come and go
 */

struct entry *server_find(struct server *s, struct address a)
{
	struct entry *e;

	HASH_FIND(by_address, s->entries, &a, sizeof(a), e);
	return e;
}

void server_entry_free(struct entry *e)
{
	channel_free(e->channel);
	list_remove(&e->again);
	list_remove(&e->dirty);
	list_remove(&e->leaving);
	free(e);
}

void server_unwatch(struct server *s, struct entry *e)
{
	struct console_path p;

	if (e->watched)
		xs_unwatch(s->host.xs,
			   console_frontend_path(&p, e->address.domid,
						 e->address.device, NULL),
			   SERVER_TOKEN_FRONTEND);
	e->watched = false;
}

/* From here on the address may be another attachment's. */
static void leave(struct server *s, struct entry *e)
{
	HASH_DELETE(by_address, s->entries, e);
	server_unwatch(s, e);
	list_remove(&e->dirty);
	channel_leave(e->channel);
	if (channel_has_left(e->channel)) {
		server_entry_free(e);
		return;
	}
	list_append(&s->leaving, &e->leaving);
	server_hurry(s);
}

static int watch(struct server *s, struct entry *e)
{
	struct console_path p;

	e->watched = xs_watch(s->host.xs,
			      console_frontend_path(&p, e->address.domid,
						    e->address.device, NULL),
			      SERVER_TOKEN_FRONTEND);
	return e->watched ? 0 : -errno;
}

static void say_not_served(struct address a, int r)
{
	if (r < 0)
		log_warning("domain %u channel %u: cannot be served: %s",
			    a.domid, a.device, strerror(-r));
}

static struct entry *add(struct server *s, struct address a)
{
	struct entry *e = calloc(1, sizeof(*e));
	int r;

	if (!e) {
		say_not_served(a, -ENOMEM);
		return NULL;
	}
	e->server = s;
	e->address = a;
	list_init(&e->again);
	list_init(&e->dirty);
	list_init(&e->leaving);
	r = channel_new(&e->channel, &s->host, a.domid, a.device, e);
	if (!r)
		r = watch(s, e);
	if (r) {
		say_not_served(a, r);
		server_unwatch(s, e);
		server_entry_free(e);
		return NULL;
	}
	HASH_ADD(by_address, s->entries, address, sizeof(e->address), e);
	return e;
}

/* A driver domain cannot see the list of domains; its probe needs no rights. */
static bool is_dead(const struct server *s, unsigned int domid)
{
	if (server_is_dom0(s))
		return toolstack_check_domain(s->host.xs, domid) ==
		       TOOLSTACK_NO_DOMAIN;
	return xen_peer_is_gone(s->host.xen.evtchn, domid);
}

/*
 * The id of a domain that died is given to another one later: what it left is
 * removed while it is known whose it was. A driver domain can remove its own
 * directory only; the rest is the toolstack's.
 */
void server_remove_if_dead(struct server *s, struct address a)
{
	struct console_path p;
	unsigned int n;
	_cleanup_free_ char **keys = NULL;

	if (!is_dead(s, a.domid))
		return;
	keys = xs_directory(s->host.xs, XBT_NULL,
			    console_backend_path(&p, s->host.backend, a.domid,
						 a.device, NULL),
			    &n);
	if (keys && server_is_dom0(s))
		toolstack_remove_nodes(s->host.xs, 0, a.domid, a.device);
	else if (keys)
		xs_rm(s->host.xs, XBT_NULL, p.s);
}

void server_refresh(struct server *s, struct entry *e)
{
	struct address a = e->address;
	int r = channel_refresh(e->channel);

	if (r == NODES_GONE) {
		leave(s, e);
		/* Another attachment may be there already. */
		e = add(s, a);
		if (e)
			server_mark_dirty(s, e);
	} else if (r < 0) {
		log_warning("domain %u channel %u: cannot read its nodes: %s",
			    a.domid, a.device, strerror(-r));
	}
}

/*
 * The scan of the backend's directory
 */

static char **list_directory(struct server *s, const char *path,
			     unsigned int *n)
{
	char **keys = xs_directory(s->host.xs, XBT_NULL, path, n);

	if (!keys)
		*n = 0;
	return keys;
}

static void scan_device(struct server *s, struct address a)
{
	struct entry *e = server_find(s, a);

	if (!e) {
		e = add(s, a);
		if (e)
			server_mark_dirty(s, e);
		else
			server_remove_if_dead(s, a);
	}
	if (e)
		e->seen = true;
}

static void scan_domain(struct server *s, unsigned int domid)
{
	struct console_path root, path;
	unsigned int n;
	_cleanup_free_ char **devices = NULL;

	snprintf(path.s, sizeof(path.s), "%.80s/%u",
		 console_backend_root(&root, s->host.backend), domid);
	devices = list_directory(s, path.s, &n);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int device;

		if (!console_parse_device(devices[i], &device))
			scan_device(s, (struct address){ domid, device });
	}
}

void server_scan(struct server *s)
{
	struct console_path root;
	struct entry *e, *tmp;
	unsigned int n;
	_cleanup_free_ char **domains = list_directory(
		s, console_backend_root(&root, s->host.backend), &n);

	s->scan = false;
	for (e = s->entries; e; e = e->by_address.next)
		e->seen = false;
	for (unsigned int i = 0; i < n; i++) {
		unsigned int domid;

		if (!parse_domid(domains[i], &domid))
			scan_domain(s, domid);
	}
	HASH_ITER (by_address, s->entries, e, tmp) {
		if (!e->seen)
			leave(s, e);
	}
}

/*
 * Watches
 */

/*
 * Below a device's directory: that device. Of our own keys only the settings
 * matter; a state may be the toolstack's.
 */
static void on_backend_path(struct server *s, const char *path)
{
	struct console_backend_id id;
	struct entry *e = NULL;

	if (!console_parse_backend_path(path, &id) && *id.key)
		e = server_find(s, (struct address){ id.domid, id.device });
	if (e)
		server_mark_dirty(s, e);
	else
		s->scan = true;
}

static void on_frontend_path(struct server *s, const char *path)
{
	struct console_backend_id id;
	struct entry *e;

	if (console_parse_frontend_path(path, &id))
		return;
	e = server_find(s, (struct address){ id.domid, id.device });
	if (e)
		server_mark_dirty(s, e);
}

/* Some domain died: whose nodes nobody removed shall not outlive it. */
static void on_release(struct server *s)
{
	struct entry *e, *tmp;

	HASH_ITER (by_address, s->entries, e, tmp) {
		server_remove_if_dead(s, e->address);
		server_mark_dirty(s, e);
	}
	s->scan = true;
}

static void say_not_attached(unsigned int domid, const char *name, int r)
{
	log_warning("domain %u: cannot attach its channel %s again: %s", domid,
		    name, r > 0 ? toolstack_error_text(r) : strerror(-r));
}

void server_attach_again(struct server *s)
{
	int r;

	s->arrival = false;
	r = toolstack_attach_persistent(s->host.xs, say_not_attached);
	if (r)
		log_warning("cannot attach channels again: %s", strerror(-r));
}

static void on_watch(struct server *s, char **event)
{
	const char *token = event[XS_WATCH_TOKEN], *path = event[XS_WATCH_PATH];

	if (!strcmp(token, SERVER_TOKEN_BACKEND))
		on_backend_path(s, path);
	else if (!strcmp(token, SERVER_TOKEN_FRONTEND))
		on_frontend_path(s, path);
	else if (!strcmp(token, SERVER_TOKEN_RELEASE))
		on_release(s);
	else if (!strcmp(token, SERVER_TOKEN_ARRIVAL))
		s->arrival = true;
	server_wake(s);
}

/* As long as some are left, the library keeps the descriptor readable. */
void server_on_store(void *userdata, int events)
{
	struct server *s = userdata;

	for (int i = 0; i < WATCHES_A_TURN; i++) {
		char **event = xs_check_watch(s->host.xs);

		if (!event)
			return;
		on_watch(s, event);
		free(event);
	}
}
