// SPDX-License-Identifier: MIT
/*
 * Which channels there are, by a look through the backend's directory; and what
 * is known to be missing from it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/log.h"
#include "backend/server-private.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "console/schema.h"

/* 0, also if there is no such directory; or a negative errno. */
static int list_directory(struct server *s, const char *path, char ***keys,
			  unsigned int *n)
{
	*keys = xs_directory(s->host.xs, XBT_NULL, path, n);
	if (*keys)
		return 0;
	*n = 0;
	if (errno == ENOENT || errno == EACCES)
		return 0;
	return errno ? -errno : -EIO;
}

static void scan_device(struct server *s, struct address a)
{
	struct entry *e = server_find(s, a);

	if (!e)
		e = server_add(s, a);
	if (!e)
		server_remove_if_dead(s, a);
	else
		e->seen = true;
}

int server_scan_domain(struct server *s, unsigned int domid)
{
	struct console_path root, path;
	unsigned int n;
	_cleanup_free_ char **devices = NULL;
	int r;

	snprintf(path.s, sizeof(path.s), "%.80s/%u",
		 console_backend_root(&root, s->host.backend), domid);
	r = list_directory(s, path.s, &devices, &n);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int device;

		if (!console_parse_device(devices[i], &device))
			scan_device(s, (struct address){ domid, device });
	}
	return r;
}

static void mark_unseen(struct server *s)
{
	struct entry *e;
	struct unserved *u;

	for (e = s->entries; e; e = e->by_address.next)
		e->seen = false;
	for (u = s->unserved; u; u = u->hh.next)
		u->seen = false;
}

static void remove_unseen(struct server *s)
{
	struct entry *e, *e_tmp;
	struct unserved *u, *u_tmp;

	HASH_ITER (by_address, s->entries, e, e_tmp) {
		if (!e->seen)
			server_leave(s, e);
	}
	HASH_ITER (hh, s->unserved, u, u_tmp) {
		if (!u->seen)
			server_forget(s, u->address);
	}
}

/*
 * What it does not see has gone; only if it could look everywhere. Otherwise an
 * error of xenstore would cut all clients off.
 */
void server_scan(struct server *s)
{
	struct console_path root;
	unsigned int n;
	_cleanup_free_ char **domains = NULL;
	int r;

	s->scan = s->incomplete = false;
	mark_unseen(s);
	r = list_directory(s, console_backend_root(&root, s->host.backend),
			   &domains, &n);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int domid;
		int err;

		if (parse_domid(domains[i], &domid))
			continue;
		err = server_scan_domain(s, domid);
		r = r ? r : err;
	}
	if (!r && s->incomplete)
		r = -ENOMEM;
	if (!r) {
		retry_done(&s->scan_retry);
		remove_unseen(s);
	} else if (retry_failed(&s->scan_retry)) {
		log_warning("cannot see which channels there are: %s",
			    strerror(-r));
	}
}

void server_retry(struct server *s)
{
	struct entry *e;
	struct unserved *u, *tmp;

	if (retry_is_due(&s->scan_retry)) {
		s->scan = true;
		server_wake(s);
	}
	if (retry_is_due(&s->arrivals_retry))
		s->arriving = true;
	if (retry_is_due(&s->release_retry))
		s->released = true;
	if (s->arriving || s->released)
		server_wake(s);
	for (e = s->entries; e; e = e->by_address.next) {
		if (retry_is_due(&e->retry))
			server_mark_dirty(s, e);
	}
	HASH_ITER (hh, s->unserved, u, tmp) {
		if (retry_is_due(&u->retry))
			server_add(s, u->address);
	}
}

bool server_knows_all(const struct server *s)
{
	const struct entry *e;

	if (s->scan || retry_is_owed(&s->scan_retry) || s->unserved)
		return false;
	for (e = s->entries; e; e = e->by_address.next) {
		if (retry_is_owed(&e->retry) || channel_owes_sink(e->channel))
			return false;
	}
	return true;
}

bool server_is_unserved(const struct server *s, struct address a)
{
	struct unserved *u;

	HASH_FIND(hh, s->unserved, &a, sizeof(a), u);
	return u;
}

void server_forget_unserved(struct server *s)
{
	struct unserved *u, *tmp;

	HASH_ITER (hh, s->unserved, u, tmp)
		server_forget(s, u->address);
}
