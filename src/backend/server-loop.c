// SPDX-License-Identifier: MIT
/* What is done when: events of guests, work that waits, timers. */
#include <errno.h>

#include "backend/fd-store.h"
#include "backend/server-private.h"
#include "base/cleanup.h"

/* Events of guests that one turn of the loop takes. */
#define EVENTS_A_TURN 256

/* How often a guest's nodes are read again on account of its writes to them. */
#define REFRESHES_A_TURN 16
#define REFRESH_BURST 20
#define REFRESH_MS 100

#define FAST_MS 100 /* for guests that send no events, or too many */

static uint64_t now_ms(const struct server *s)
{
	return uv_now(s->host.loop);
}

/*
 * The idle handle runs as long as there is work that can be done at once; the
 * loop looks at descriptors in between.
 */
static void on_idle(uv_idle_t *handle);

void server_wake(struct server *s)
{
	if (!uv_is_active((uv_handle_t *)&s->idle))
		uv_idle_start(&s->idle, on_idle);
}

static void on_fast(uv_timer_t *timer);

void server_hurry(struct server *s)
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

void server_mark_dirty(struct server *s, struct entry *e)
{
	if (!list_empty(&e->dirty))
		return;
	list_append(&s->dirty, &e->dirty);
	server_wake(s);
}

/*
 * Events
 */

static void unmask(struct server *s, struct entry *e)
{
	e->masked = xenevtchn_unmask(s->host.xen.evtchn, e->port) != 0;
}

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
	if (!e->masked && e->port)
		unmask(s, e);
	if (e->masked)
		server_hurry(s);
}

void server_on_evtchn(void *userdata, int events)
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
		unmask(s, e);
		waiting |= e->masked;
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
 * timer; those that become dirty meanwhile, and those that are too many for a
 * turn, for the next turn: reading nodes takes twenty requests a channel.
 */
void server_refresh_dirty(struct server *s)
{
	struct list *pos, turn = LIST_INIT(turn), late = LIST_INIT(late);

	move_list(&s->dirty, &turn);
	for (int i = 0; i < REFRESHES_A_TURN && !list_empty(&turn); i++) {
		struct entry *e;

		pos = turn.next;
		e = list_entry(pos, struct entry, dirty);
		list_remove(pos);
		if (may_refresh(s, e))
			server_refresh(s, e);
		else
			list_append(&late, pos);
	}
	/* Before those that came meanwhile. */
	move_list(&s->dirty, &turn);
	move_list(&turn, &s->dirty);
	if (!list_empty(&late))
		server_hurry(s);
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

	if (s->released)
		server_find_dead(s);
	if (s->arriving)
		server_arrive(s);
	if (s->scan)
		server_scan(s);
	server_refresh_dirty(s);
	move_again(s);
	if (!s->scan && !s->arriving && !s->released && list_empty(&s->dirty) &&
	    list_empty(&s->again))
		uv_idle_stop(&s->idle);
}

static bool end_leaving(struct server *s)
{
	struct list *pos, *tmp;

	list_for_each_safe (pos, tmp, &s->leaving) {
		struct entry *e = list_entry(pos, struct entry, leaving);

		if (channel_has_left(e->channel))
			server_entry_free(e);
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
		server_wake(s);
	}
	if (!needed)
		uv_timer_stop(timer);
}

static bool store_answers(struct server *s)
{
	struct console_path root;
	_cleanup_free_ char *value =
		xs_read(s->host.xs, XBT_NULL,
			console_backend_root(&root, s->host.backend), NULL);

	return value || errno == ENOENT || errno == EACCES;
}

/*
 * xenstored cannot be restarted: without it there is nothing to do. One request
 * may fail for want of memory, there or here.
 */
static void check_store(struct server *s)
{
	bool answers = store_answers(s);

	if (!answers)
		answers = store_answers(s);
	if (!answers)
		s->lost(s->config.userdata);
}

void server_on_tick(uv_timer_t *timer)
{
	struct server *s = timer->data;
	struct entry *e;

	check_store(s);
	fd_store_flush(s->config.store);
	server_retry(s);
	server_settle(s);
	if (poll_channels(s) || !list_empty(&s->leaving))
		server_hurry(s);
	for (e = s->entries; e; e = e->by_address.next) {
		if (channel_tick(e->channel))
			server_mark_dirty(s, e);
		/* Nobody may tell a driver domain. */
		if (!server_is_dom0(s))
			server_remove_if_dead(s, e->address);
	}
}
