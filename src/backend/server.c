// SPDX-License-Identifier: MIT
#include "backend/server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "backend/fd-store.h"
#include "backend/log.h"
#include "backend/nodes.h"
#include "backend/poller.h"
#include "backend/pty-watch.h"
#include "backend/spool.h"
#include "base/cleanup.h"
#include "base/list.h"
#include "base/parse.h"
#include "toolstack/channel.h"
#include "toolstack/persist.h"
#include "xen/peer.h"
#include "xen/store.h"

/* Watch events and events of guests that one turn of the loop takes. */
#define WATCHES_A_TURN 64
#define EVENTS_A_TURN 256

/* How often a guest's nodes are read again on account of its writes to them. */
#define REFRESH_BURST 20
#define REFRESH_MS 100

#define FAST_MS 100 /* for guests that send no events, or too many */
#define TICK_MS 1000

#define TOKEN_BACKEND "backend"
#define TOKEN_FRONTEND "frontend"
#define TOKEN_RELEASE "release"
#define TOKEN_INTRODUCE "introduce"

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
	struct list again, dirty, leaving;
	unsigned int n_refreshes;
	uint64_t refreshes_since_ms;
};

struct server {
	struct channel_host host;
	struct server_config config;
	void (*lost)(void *userdata);

	struct entry *entries; /* owned, by address */
	struct entry *ports;   /* the same, by port */
	struct list again, dirty, late, leaving;
	bool scan; /* the backend's directory has changed */

	struct poller *on_store, *on_evtchn; /* owned */
	uv_idle_t idle;
	uv_timer_t fast, tick;
	unsigned int n_handles; /* of these three, that are still closing */
};

static bool is_dom0(const struct server *s)
{
	return s->host.backend == 0;
}

static uint64_t now_ms(const struct server *s)
{
	return uv_now(s->host.loop);
}

/*
 * The idle handle runs as long as there is work that can be done at once; the
 * loop looks at descriptors in between.
 */
static void on_idle(uv_idle_t *handle);

static void wake(struct server *s)
{
	if (!uv_is_active((uv_handle_t *)&s->idle))
		uv_idle_start(&s->idle, on_idle);
}

static void on_fast(uv_timer_t *timer);

static void hurry(struct server *s)
{
	if (!uv_is_active((uv_handle_t *)&s->fast))
		uv_timer_start(&s->fast, on_fast, FAST_MS, FAST_MS);
}

/* Appends all of one list to another. */
static void move_list(struct list *from, struct list *to)
{
	while (!list_empty(from)) {
		struct list *pos = from->next;

		list_remove(pos);
		list_append(to, pos);
	}
}

static void mark_dirty(struct server *s, struct entry *e)
{
	if (!list_empty(&e->dirty))
		return;
	list_append(&s->dirty, &e->dirty);
	wake(s);
}

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
	wake(s);
}

static void on_event(void *userdata, const struct channel *c, const char *what,
		     const char *detail)
{
	struct server *s = userdata;

	s->config.event(s->config.userdata, c, what, detail);
}

/*
 * Channels come and go
 */

static struct entry *find(struct server *s, struct address a)
{
	struct entry *e;

	HASH_FIND(by_address, s->entries, &a, sizeof(a), e);
	return e;
}

static void entry_free(struct entry *e)
{
	channel_free(e->channel);
	list_remove(&e->again);
	list_remove(&e->dirty);
	list_remove(&e->leaving);
	free(e);
}

static void unwatch(struct server *s, struct entry *e)
{
	struct console_path p;

	if (e->watched)
		xs_unwatch(s->host.xs,
			   console_frontend_path(&p, e->address.domid,
						 e->address.device, NULL),
			   TOKEN_FRONTEND);
	e->watched = false;
}

/* From here on the address may be another attachment's. */
static void leave(struct server *s, struct entry *e)
{
	HASH_DELETE(by_address, s->entries, e);
	unwatch(s, e);
	list_remove(&e->dirty);
	channel_leave(e->channel);
	if (channel_has_left(e->channel)) {
		entry_free(e);
		return;
	}
	list_append(&s->leaving, &e->leaving);
	hurry(s);
}

static int watch(struct server *s, struct entry *e)
{
	struct console_path p;

	e->watched = xs_watch(s->host.xs,
			      console_frontend_path(&p, e->address.domid,
						    e->address.device, NULL),
			      TOKEN_FRONTEND);
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
		unwatch(s, e);
		entry_free(e);
		return NULL;
	}
	HASH_ADD(by_address, s->entries, address, sizeof(e->address), e);
	return e;
}

/* A driver domain cannot see the list of domains; its probe needs no rights. */
static bool is_dead(const struct server *s, unsigned int domid)
{
	if (is_dom0(s))
		return !toolstack_domain_exists(s->host.xs, domid);
	return xen_peer_is_gone(s->host.xen.evtchn, domid);
}

/*
 * The id of a domain that died is given to another one later: what it left is
 * removed while it is known whose it was. A driver domain can remove its own
 * directory only; the rest is the toolstack's.
 */
static void remove_if_dead(struct server *s, struct address a)
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
	if (keys && is_dom0(s))
		toolstack_remove_nodes(s->host.xs, 0, a.domid, a.device);
	else if (keys)
		xs_rm(s->host.xs, XBT_NULL, p.s);
}

static void refresh(struct server *s, struct entry *e)
{
	struct address a = e->address;
	int r = channel_refresh(e->channel);

	if (r == NODES_GONE) {
		leave(s, e);
		/* Another attachment may be there already. */
		e = add(s, a);
		if (e)
			mark_dirty(s, e);
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
	struct entry *e = find(s, a);

	if (!e) {
		e = add(s, a);
		if (e)
			mark_dirty(s, e);
		else
			remove_if_dead(s, a);
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

static void scan(struct server *s)
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
		e = find(s, (struct address){ id.domid, id.device });
	if (e)
		mark_dirty(s, e);
	else
		s->scan = true;
}

static void on_frontend_path(struct server *s, const char *path)
{
	struct console_backend_id id;
	struct entry *e;

	if (console_parse_frontend_path(path, &id))
		return;
	e = find(s, (struct address){ id.domid, id.device });
	if (e)
		mark_dirty(s, e);
}

/* Some domain died: whose nodes nobody removed shall not outlive it. */
static void on_release(struct server *s)
{
	struct entry *e, *tmp;

	HASH_ITER (by_address, s->entries, e, tmp) {
		remove_if_dead(s, e->address);
		mark_dirty(s, e);
	}
	s->scan = true;
}

static void say_not_attached(unsigned int domid, const char *name, int r)
{
	log_warning("domain %u: cannot attach its channel %s again: %s", domid,
		    name, r > 0 ? toolstack_error_text(r) : strerror(-r));
}

/* A domain came to life: it may be one that had channels before it rebooted. */
static void on_introduce(struct server *s)
{
	int r = toolstack_attach_persistent(s->host.xs, say_not_attached);

	if (r)
		log_warning("cannot attach channels again: %s", strerror(-r));
}

static void on_watch(struct server *s, char **event)
{
	const char *token = event[XS_WATCH_TOKEN], *path = event[XS_WATCH_PATH];

	if (!strcmp(token, TOKEN_BACKEND))
		on_backend_path(s, path);
	else if (!strcmp(token, TOKEN_FRONTEND))
		on_frontend_path(s, path);
	else if (!strcmp(token, TOKEN_RELEASE))
		on_release(s);
	else if (!strcmp(token, TOKEN_INTRODUCE))
		on_introduce(s);
	wake(s);
}

/* As long as some are left, the library keeps the descriptor readable. */
static void on_store(void *userdata, int events)
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

/*
 * Events
 */

static void on_port(struct server *s, uint32_t port)
{
	struct entry *e;

	HASH_FIND(by_port, s->ports, &port, sizeof(port), e);
	if (!e) {
		xenevtchn_unmask(s->host.xen.evtchn, port);
		return;
	}
	e->masked = !channel_event(e->channel) && e->port;
	/* It may have closed its port. */
	if (e->masked)
		hurry(s);
	else if (e->port)
		xenevtchn_unmask(s->host.xen.evtchn, port);
}

static void on_evtchn(void *userdata, int events)
{
	struct server *s = userdata;

	for (int i = 0; i < EVENTS_A_TURN; i++) {
		xenevtchn_port_or_error_t port =
			xenevtchn_pending(s->host.xen.evtchn);

		if (port < 0)
			return;
		on_port(s, (uint32_t)port);
	}
}

/* True if some still have to wait. */
static bool unmask_throttled(struct server *s)
{
	struct entry *e;
	bool waiting = false;

	for (e = s->ports; e; e = e->by_port.next) {
		if (!e->masked)
			continue;
		if (channel_is_throttled(e->channel, now_ms(s))) {
			waiting = true;
			continue;
		}
		e->masked = false;
		xenevtchn_unmask(s->host.xen.evtchn, e->port);
	}
	return waiting;
}

/*
 * Work that waits
 */

static bool may_refresh(struct server *s, struct entry *e)
{
	uint64_t now = now_ms(s);
	uint64_t earned = (now - e->refreshes_since_ms) / REFRESH_MS;

	if (earned) {
		e->n_refreshes = earned < e->n_refreshes
					 ? e->n_refreshes - (unsigned int)earned
					 : 0;
		e->refreshes_since_ms = now;
	}
	return e->n_refreshes < REFRESH_BURST && ++e->n_refreshes;
}

/*
 * Those whose nodes change all the time wait, for the next tick of the fast
 * timer; those that become dirty meanwhile, for the next turn.
 */
static void refresh_dirty(struct server *s)
{
	struct list *pos, turn = LIST_INIT(turn), late = LIST_INIT(late);

	move_list(&s->dirty, &turn);
	while (!list_empty(&turn)) {
		struct entry *e;

		pos = turn.next;
		e = list_entry(pos, struct entry, dirty);
		list_remove(pos);
		if (may_refresh(s, e))
			refresh(s, e);
		else
			list_append(&late, pos);
	}
	if (!list_empty(&late))
		hurry(s);
	move_list(&late, &s->late);
}

static void move_again(struct server *s)
{
	struct list turn = LIST_INIT(turn);

	move_list(&s->again, &turn);
	while (!list_empty(&turn)) {
		struct list *pos = turn.next;

		list_remove(pos);
		channel_move(list_entry(pos, struct entry, again)->channel);
	}
}

static void on_idle(uv_idle_t *handle)
{
	struct server *s = handle->data;

	if (s->scan)
		scan(s);
	refresh_dirty(s);
	move_again(s);
	if (!s->scan && list_empty(&s->dirty) && list_empty(&s->again))
		uv_idle_stop(&s->idle);
}

static bool end_leaving(struct server *s)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &s->leaving) {
		struct entry *e = list_entry(pos, struct entry, leaving);

		if (channel_has_left(e->channel))
			entry_free(e);
	}
	return !list_empty(&s->leaving);
}

static bool poll_channels(struct server *s)
{
	struct entry *e;
	bool some_silent = false;

	for (e = s->entries; e; e = e->by_address.next)
		some_silent |= channel_poll(e->channel);
	return some_silent;
}

/* Runs while something needs it, and looks itself whether that is so. */
static void on_fast(uv_timer_t *timer)
{
	struct server *s = timer->data;
	bool needed = unmask_throttled(s);

	needed |= poll_channels(s);
	needed |= end_leaving(s);
	if (!list_empty(&s->late)) {
		move_list(&s->late, &s->dirty);
		wake(s);
	}
	if (!needed)
		uv_timer_stop(timer);
}

/* xenstored cannot be restarted: without it there is nothing to do. */
static void check_store(struct server *s)
{
	struct console_path root;
	_cleanup_free_ char *value =
		xs_read(s->host.xs, XBT_NULL,
			console_backend_root(&root, s->host.backend), NULL);

	if (!value && errno != ENOENT && errno != EACCES)
		s->lost(s->config.userdata);
}

static void on_tick(uv_timer_t *timer)
{
	struct server *s = timer->data;
	struct entry *e;

	check_store(s);
	if (poll_channels(s) || !list_empty(&s->leaving))
		hurry(s);
	for (e = s->entries; e; e = e->by_address.next) {
		channel_tick(e->channel);
		/* Nobody may tell a driver domain. */
		if (!is_dom0(s))
			remove_if_dead(s, e->address);
	}
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
		    !end || d->d_name[end] || find(s, a))
			continue;
		spool_sweep(s->config.run_dir, d->d_name);
	}
	closedir(dir);
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
		return errno ? -errno : -ENODEV;
	*what = "open the event channel device";
	s->host.xen.evtchn = xenevtchn_open(NULL, 0);
	if (!s->host.xen.evtchn)
		return errno ? -errno : -ENODEV;
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
		      TOKEN_BACKEND) ||
	    !xs_watch(s->host.xs, "@releaseDomain", TOKEN_RELEASE))
		return -errno;
	/* The records are the control domain's. The watch fires once now. */
	if (is_dom0(s) &&
	    !xs_watch(s->host.xs, "@introduceDomain", TOKEN_INTRODUCE))
		return -errno;
	*what = "start";
	r = pty_watch_new(&s->host.watch, loop);
	if (!r)
		r = poller_new(&s->on_store, loop, xs_fileno(s->host.xs),
			       on_store, s);
	if (!r)
		r = poller_new(&s->on_evtchn, loop,
			       xenevtchn_fd(s->host.xen.evtchn), on_evtchn, s);
	if (r)
		return r;
	poller_set(s->on_store, UV_READABLE);
	poller_set(s->on_evtchn, UV_READABLE);
	uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
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
		unwatch(s, e);
		entry_free(e);
	}
	while (!list_empty(&s->leaving))
		entry_free(list_entry(s->leaving.next, struct entry, leaving));
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
	scan(s);
	refresh_dirty(s);
	sweep_spools(s);
	fd_store_drop_rest(config->store);
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
