// SPDX-License-Identifier: MIT
/* Channels come and go: because a scan or a watch said so. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/log.h"
#include "backend/nodes.h"
#include "backend/server-private.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/parse.h"
#include "toolstack/arrivals.h"

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

void server_leave(struct server *s, struct entry *e)
{
	HASH_DELETE(by_address, s->entries, e);
	server_unwatch(s, e);
	list_remove(&e->dirty);
	if (s->arrivals)
		arrivals_vanished(s->arrivals, e->address.domid);
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
	return e->watched ? 0 : failed_errno();
}

void server_forget(struct server *s, struct address a)
{
	struct unserved *u;

	HASH_FIND(hh, s->unserved, &a, sizeof(a), u);
	if (!u)
		return;
	HASH_DEL(s->unserved, u);
	free(u);
}

/* Whatever a former process left of it is kept, until it can be served. */
static void remember(struct server *s, struct address a, int r)
{
	struct unserved *u;

	HASH_FIND(hh, s->unserved, &a, sizeof(a), u);
	if (!u) {
		u = calloc(1, sizeof(*u));
		if (!u) {
			s->incomplete = true;
			retry_failed(&s->scan_retry);
			return;
		}
		u->address = a;
		HASH_ADD(hh, s->unserved, address, sizeof(u->address), u);
	}
	u->seen = true;
	if (retry_failed(&u->retry))
		log_warning("domain %u channel %u: cannot be served yet: %s",
			    a.domid, a.device, strerror(-r));
}

/* 0, a nodes_error, or a negative errno. */
static int new_entry(struct server *s, struct address a, struct entry **out)
{
	struct entry *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	e->server = s;
	e->address = a;
	list_init(&e->again);
	list_init(&e->dirty);
	list_init(&e->leaving);
	r = channel_new(&e->channel, &s->host, a.domid, a.device, e);
	if (!r)
		r = watch(s, e);
	if (r) {
		server_unwatch(s, e);
		server_entry_free(e);
		return r;
	}
	HASH_ADD(by_address, s->entries, address, sizeof(e->address), e);
	*out = e;
	return 0;
}

struct entry *server_add(struct server *s, struct address a)
{
	struct entry *e = NULL;
	int r = new_entry(s, a, &e);

	if (r < 0) {
		remember(s, a, r);
		return NULL;
	}
	server_forget(s, a);
	if (e)
		server_mark_dirty(s, e);
	return e;
}

/* Is there one that QEMU serves, say? */
static bool is_anothers(const struct server *s, struct address a)
{
	struct console_path p;
	_cleanup_free_ char *state =
		xs_read(s->host.xs, XBT_NULL,
			console_backend_path(&p, s->host.backend, a.domid,
					     a.device, CONSOLE_BE_STATE),
			NULL);

	return state;
}

void server_refresh(struct server *s, struct entry *e)
{
	struct address a = e->address;
	int r;

	if (e->dead)
		server_remove_if_dead(s, a);
	e->dead = false;
	r = channel_refresh(e->channel);
	if (r == NODES_GONE) {
		server_leave(s, e);
		/* Another attachment may be there already. */
		if (server_add(s, a) || is_anothers(s, a))
			server_overwritten(s, a.domid);
	} else if (!r) {
		retry_done(&e->retry);
	} else if (retry_failed(&e->retry)) {
		log_warning("domain %u channel %u: cannot read its nodes: %s",
			    a.domid, a.device, strerror(-r));
	}
}

/*
 * Watches
 */

/*
 * Of a device: that one is looked at, be it new, gone or changed. Of our own
 * keys only the settings matter; a state may be the toolstack's.
 */
static void on_backend_path(struct server *s, const char *path)
{
	struct console_backend_id id;
	struct address a;
	struct entry *e;

	if (console_parse_backend_path(path, &id)) {
		s->scan = true;
		return;
	}
	if (id.device < CONSOLE_DEVICE_MIN || id.device > CONSOLE_DEVICE_MAX)
		return;
	a = (struct address){ id.domid, id.device };
	e = server_find(s, a);
	if (e)
		server_mark_dirty(s, e);
	else
		server_add(s, a);
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
	s->released = true;
	server_on_arrival(s, true);
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
		server_on_arrival(s, false);
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
