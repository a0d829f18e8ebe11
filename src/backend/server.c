// SPDX-License-Identifier: MIT
#include "backend/server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend/fd-store.h"
#include "backend/pty-watch.h"
#include "backend/server-private.h"
#include "backend/spool.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "toolstack/arrivals.h"
#include "xen/store.h"

/*
 * Callbacks of channels
 */

static int on_port_bound(void *userdata, void *owner, uint32_t port)
{
	struct server *s = userdata;
	struct entry *e = owner;

	e->port = port;
	HASH_ADD(by_port, s->ports, port, sizeof(e->port), e);
	return 0;
}

static void on_port_unbound(void *userdata, void *owner)
{
	struct server *s = userdata;
	struct entry *e = owner;

	HASH_DELETE(by_port, s->ports, e);
	e->port = 0;
	e->masked = false;
}

static void on_again(void *userdata, void *owner)
{
	struct server *s = userdata;
	struct entry *e = owner;

	if (list_empty(&e->again))
		list_append(&s->again, &e->again);
	server_wake(s);
}

static void on_event(void *userdata, const struct channel *c, const char *what,
		     const char *detail)
{
	struct server *s = userdata;

	s->config.event(s->config.userdata, c, what, detail);
}

/*
 * Beginning and end
 */

/* Spools of channels that ended while nobody looked, and their sockets. */
static void sweep_spools(struct server *s)
{
	int fd = openat(s->config.run_dir, ".",
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *d;

	if (!dir)
		return;
	while ((d = readdir(dir))) {
		struct address a = { 0 };
		int end = 0;

		if (sscanf(d->d_name, "%u-%u.spool%n", &a.domid, &a.device,
			   &end) != 2 ||
		    !end || d->d_name[end] || server_find(s, a) ||
		    server_is_unserved(s, a))
			continue;
		spool_sweep(s->config.run_dir, d->d_name);
	}
	closedir(dir);
}

void server_settle(struct server *s)
{
	if (s->settled || s->scan || retry_is_owed(&s->scan_retry))
		return;
	sweep_spools(s);
	/* Whose the descriptors are, only their channel's nodes say. */
	if (!server_knows_all(s))
		return;
	fd_store_drop_rest(s->config.store);
	s->settled = true;
}

static int open_xen(struct server *s, const char **what)
{
	int fd, r;

	*what = "reach xenstore";
	r = xen_store_get(&s->host.xs);
	if (r)
		return r;
	*what = "read this domain's id from xenstore";
	r = xen_store_domid(s->host.xs, &s->host.backend);
	/* Not every toolstack writes the control domain's. */
	if (r == -ENOENT)
		s->host.backend = 0;
	else if (r)
		return r;
	*what = "open the grant device";
	s->host.xen.gnttab = xengnttab_open(NULL, 0);
	if (!s->host.xen.gnttab)
		return failed_errno();
	*what = "open the event channel device";
	s->host.xen.evtchn = xenevtchn_open(NULL, 0);
	if (!s->host.xen.evtchn)
		return failed_errno();
	fd = xenevtchn_fd(s->host.xen.evtchn);
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) ? -errno : 0;
}

static int start_loop(struct server *s, const char **what)
{
	uv_loop_t *loop = s->host.loop;
	struct console_path root;
	int r;

	*what = "watch xenstore";
	if (!xs_watch(s->host.xs, console_backend_root(&root, s->host.backend),
		      SERVER_TOKEN_BACKEND) ||
	    !xs_watch(s->host.xs, "@releaseDomain", SERVER_TOKEN_RELEASE))
		return failed_errno();
	/*
	 * The records are the control domain's. A toolstack names a domain in
	 * /vm as soon as it has made it, and introduces it when it is about to
	 * run: of one that is restored that is too late, because Linux looks
	 * for its devices once, as it resumes. The watches fire once now.
	 */
	if (server_is_dom0(s) &&
	    (!xs_watch(s->host.xs, "/vm", SERVER_TOKEN_ARRIVAL) ||
	     !xs_watch(s->host.xs, "@introduceDomain", SERVER_TOKEN_ARRIVAL)))
		return failed_errno();
	*what = "start";
	r = server_is_dom0(s) ? server_await_arrivals(s) : 0;
	if (!r)
		r = pty_watch_new(&s->host.watch, loop);
	if (!r)
		r = poller_new(&s->on_store, loop, xs_fileno(s->host.xs),
			       server_on_store, s);
	if (!r)
		r = poller_new(&s->on_evtchn, loop,
			       xenevtchn_fd(s->host.xen.evtchn),
			       server_on_evtchn, s);
	if (r)
		return r;
	poller_set(s->on_store, UV_READABLE);
	poller_set(s->on_evtchn, UV_READABLE);
	uv_timer_start(&s->tick, server_on_tick, SERVER_TICK_MS,
		       SERVER_TICK_MS);
	return 0;
}

/* These four cannot fail, and are closed in any case. */
static void init_handles(struct server *s)
{
	uv_idle_init(s->host.loop, &s->idle);
	uv_timer_init(s->host.loop, &s->fast);
	uv_timer_init(s->host.loop, &s->tick);
	s->idle.data = s->fast.data = s->tick.data = s;
}

static void on_closed(uv_handle_t *handle)
{
	struct server *s = handle->data;

	if (--s->n_handles == 0)
		free(s);
}

void server_free(struct server *s)
{
	struct entry *e, *tmp;

	if (!s)
		return;
	HASH_ITER (by_address, s->entries, e, tmp) {
		HASH_DELETE(by_address, s->entries, e);
		server_unwatch(s, e);
		server_entry_free(e);
	}
	while (!list_empty(&s->leaving))
		server_entry_free(
			list_entry(s->leaving.next, struct entry, leaving));
	server_forget_unserved(s);
	arrivals_free(s->arrivals);
	poller_free(s->on_store);
	poller_free(s->on_evtchn);
	pty_watch_free(s->host.watch);
	if (s->host.xen.evtchn)
		xenevtchn_close(s->host.xen.evtchn);
	if (s->host.xen.gnttab)
		xengnttab_close(s->host.xen.gnttab);
	if (s->host.xs)
		xen_store_put(s->host.xs);
	s->n_handles = 3;
	uv_close((uv_handle_t *)&s->idle, on_closed);
	uv_close((uv_handle_t *)&s->fast, on_closed);
	uv_close((uv_handle_t *)&s->tick, on_closed);
}

DEFINE_CLEANUP(struct server *, server, server_free)

int server_new(struct server **out, uv_loop_t *loop,
	       const struct server_config *config, void (*lost)(void *userdata),
	       const char **what)
{
	_cleanup_(cleanup_serverp) struct server *s = calloc(1, sizeof(*s));
	int r;

	*what = "start";
	if (!s)
		return -ENOMEM;
	s->config = *config;
	s->lost = lost;
	list_init(&s->again);
	list_init(&s->dirty);
	list_init(&s->late);
	list_init(&s->leaving);
	s->host = (struct channel_host){
		.loop = loop,
		.store = config->store,
		.run_dir = config->run_dir,
		.all_types = config->all_types,
		.port_bound = on_port_bound,
		.port_unbound = on_port_unbound,
		.again = on_again,
		.event = on_event,
		.userdata = s,
	};
	init_handles(s);
	r = open_xen(s, what);
	if (!r)
		r = start_loop(s, what);
	if (r)
		return r;
	/* Take up what a former process had before anything is lost. */
	server_scan(s);
	while (!list_empty(&s->dirty))
		server_refresh_dirty(s);
	server_settle(s);
	*out = TAKE_PTR(s);
	return 0;
}

void server_reopen_logs(struct server *s)
{
	struct entry *e;

	for (e = s->entries; e; e = e->by_address.next)
		channel_reopen_log(e->channel);
}

void server_for_each(struct server *s,
		     void (*fn)(void *userdata, const struct channel *c),
		     void *userdata)
{
	struct entry *e;

	for (e = s->entries; e; e = e->by_address.next)
		fn(userdata, e->channel);
}
