// SPDX-License-Identifier: MIT
/* Domains that come and go. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/log.h"
#include "backend/server-private.h"
#include "base/cleanup.h"
#include "base/parse.h"
#include "toolstack/arrivals.h"
#include "toolstack/channel.h"
#include "xen/peer.h"

/*
 * Domains that come: those that had channels before they rebooted
 */

static void say_not_attached(unsigned int domid, const char *name, int r)
{
	log_warning("domain %u: cannot attach its channel %s again: %s", domid,
		    name, r > 0 ? toolstack_error_text(r) : strerror(-r));
}

int server_await_arrivals(struct server *s)
{
	s->arrivals = arrivals_new(s->host.xs, say_not_attached);
	return s->arrivals ? 0 : -ENOMEM;
}

void server_on_arrival(struct server *s, bool released)
{
	if (!s->arrivals)
		return;
	arrivals_look(s->arrivals, released);
	s->arriving = true;
}

void server_overwritten(struct server *s, unsigned int domid)
{
	if (!s->arrivals)
		return;
	arrivals_overwritten(s->arrivals, domid);
	s->arriving = true;
}

void server_arrive(struct server *s)
{
	int r = arrivals_turn(s->arrivals);

	s->arriving = r > 0;
	if (r >= 0)
		retry_done(&s->arrivals_retry);
	else if (retry_failed(&s->arrivals_retry))
		log_warning("cannot attach channels again: %s", strerror(-r));
}

/*
 * Domains that go
 */

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
		toolstack_remove_dead(s->host.xs, 0, a.domid, a.device);
	else if (keys)
		xs_rm(s->host.xs, XBT_NULL, p.s);
}

/* Which domains there are: one request, whatever their number. */
struct living {
	unsigned int *ids; /* owned; in order */
	size_t n;
};

static void living_deinit(struct living *l)
{
	free(l->ids);
}

static int by_number(const void *pa, const void *pb)
{
	unsigned int a = *(const unsigned int *)pa;
	unsigned int b = *(const unsigned int *)pb;

	return a < b ? -1 : a > b;
}

static int list_numbers(struct server *s, const char *path, struct living *out)
{
	unsigned int n;
	_cleanup_free_ char **keys =
		xs_directory(s->host.xs, XBT_NULL, path, &n);

	if (!keys)
		return errno == ENOENT ? 0 : -errno;
	out->ids = calloc(n + 1, sizeof(*out->ids));
	if (!out->ids)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++) {
		if (!parse_domid(keys[i], &out->ids[out->n]))
			out->n++;
	}
	qsort(out->ids, out->n, sizeof(*out->ids), by_number);
	return 0;
}

static bool lives(const struct living *l, unsigned int domid)
{
	return bsearch(&domid, l->ids, l->n, sizeof(*l->ids), by_number);
}

/* Those that are served have an entry; the others are removed at once. */
static int clear_up(struct server *s, const struct living *living)
{
	_cleanup_(living_deinit) struct living served = { 0 };
	struct console_path root;
	struct entry *e;
	int r = list_numbers(s, console_backend_root(&root, s->host.backend),
			     &served);

	for (size_t i = 0; i < served.n && !r; i++) {
		if (!lives(living, served.ids[i]))
			r = server_scan_domain(s, served.ids[i]);
	}
	for (e = s->entries; e; e = e->by_address.next) {
		if (lives(living, e->address.domid))
			continue;
		e->dead = true;
		server_mark_dirty(s, e);
	}
	return r;
}

void server_find_dead(struct server *s)
{
	_cleanup_(living_deinit) struct living living = { 0 };
	struct entry *e;
	int r = 0;

	s->released = false;
	if (server_is_dom0(s)) {
		r = list_numbers(s, "/local/domain", &living);
		if (!r)
			r = clear_up(s, &living);
	} else {
		for (e = s->entries; e; e = e->by_address.next) {
			e->dead = true; /* if it is: a probe is no request */
			server_mark_dirty(s, e);
		}
	}
	if (!r)
		retry_done(&s->release_retry);
	else if (retry_failed(&s->release_retry))
		log_warning("cannot see which domains there are: %s",
			    strerror(-r));
}
