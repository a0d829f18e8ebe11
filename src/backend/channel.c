// SPDX-License-Identifier: MIT
#include "backend/channel.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/channel-private.h"
#include "base/cleanup.h"

/* A guest that was asked to close and does not has its ring taken from it. */
#define CLOSING_MS 10000

struct channel_label channel_label(const struct channel *c)
{
	struct channel_label l;

	snprintf(l.s, sizeof(l.s), "domain %u channel %u (%.60s)",
		 c->address.domid, c->address.device, c->config.name);
	return l;
}

static void tell(const struct channel *c, const char *what, const char *detail)
{
	c->host->event(c->host->userdata, c, what, detail);
}

static uint64_t now_ms(const struct channel *c)
{
	return uv_now(c->host->loop);
}

static void set_state(struct channel *c, enum channel_state s)
{
	if (c->state == s)
		return;
	log_debug("%s: %s -> %s", channel_label(c).s,
		  channel_state_name(c->state), channel_state_name(s));
	c->state = s;
	tell(c, "state", channel_state_name(s));
}

/* A node that cannot be written is said, once in a while, and survived. */
static void say_unwritten(struct channel *c, int r)
{
	if (r < 0 && log_allowed(&c->log_limit, now_ms(c)))
		log_warning("%s: cannot write its nodes: %s",
			    channel_label(c).s, strerror(-r));
}

static void write_state(struct channel *c, enum console_state s)
{
	say_unwritten(c, nodes_write_state(&c->address, s));
}

static void report(struct channel *c, const char *error)
{
	if (log_allowed(&c->log_limit, now_ms(c)))
		log_warning("%s: %s", channel_label(c).s, error);
	say_unwritten(c, nodes_write_error(&c->address, error));
	tell(c, "error", error);
}

/*
 * The clients' end
 */

static void signal_client(struct channel *c)
{
	if (c->config.signal_client && link_is_up(&c->link)) {
		console_ring_set_connection(&c->ring,
					    c->sink && sink_has_client(c->sink)
						    ? CONSOLE_CONNECTED
						    : CONSOLE_DISCONNECTED);
		link_notify(&c->link);
	}
}

static void on_sink(void *userdata, enum sink_event event)
{
	struct channel *c = userdata;

	switch (event) {
	case SINK_OPENED:
		tell(c, "client-open", "");
		signal_client(c);
		break;
	case SINK_CLOSED:
		tell(c, "client-close", "");
		signal_client(c);
		break;
	case SINK_REFUSED:
		tell(c, "client-refused", "there is one already");
		return;
	case SINK_READY:
		break;
	}
	channel_move(c);
}

static int open_sink(struct channel *c)
{
	const struct sink_config config = {
		.kind = c->config.kind,
		.path = c->config.path,
		.access = c->config.access,
		.own = spool_socket(c->spool),
		.id = c->config.id,
		.store = c->host->store,
		.watch = c->host->watch,
		.fn = on_sink,
		.userdata = c,
	};
	char text[256];
	int r;

	if (c->sink || c->config.problem)
		return 0;
	r = sink_open(&c->sink, c->host->loop, &config);
	if (!r && c->config.kind == CONSOLE_PTY)
		say_unwritten(c,
			      nodes_write_tty(&c->address, sink_path(c->sink)));
	if (!r || r == -ENOMEM)
		return r;
	snprintf(text, sizeof(text), "cannot open %s: %s",
		 c->config.kind == CONSOLE_PTY ? "a terminal" : c->config.path,
		 r == -EADDRINUSE ? "something else is there" : strerror(-r));
	report(c, text);
	return r;
}

/*
 * The guest's end
 */

static void unlink_guest(struct channel *c)
{
	struct spool_state st = *spool_state(c->spool);

	if (!link_is_up(&c->link))
		return;
	c->host->port_unbound(c->host->userdata, c->owner);
	link_disconnect(&c->link);
	st.has_ring = 0;
	spool_publish(c->spool, &st);
}

/* In order: nothing of either direction is lost with the ring. */
static void let_guest_go(struct channel *c)
{
	channel_drain(c);
	channel_take_back(c);
	unlink_guest(c);
}

void channel_quarantine(struct channel *c, const char *why)
{
	struct spool_state st;
	char text[128];

	unlink_guest(c);
	st = *spool_state(c->spool);
	st.quarantined = 1;
	spool_publish(c->spool, &st);
	snprintf(text, sizeof(text), "quarantined: %s", why);
	report(c, text);
	set_state(c, CHANNEL_QUARANTINED);
	write_state(c, CONSOLE_STATE_CLOSED);
	if (c->sink)
		channel_move(c);
}

/*
 * The ring, from where a former process left it if it is the same; else from
 * where the page says. 0 or CONSOLE_RING_CORRUPT.
 */
static int attach_ring(struct channel *c, bool *same)
{
	struct spool_state st = *spool_state(c->spool);
	int err = CONSOLE_RING_CORRUPT;

	*same = c->resuming && st.has_ring && st.ring_ref == c->link.ring_ref &&
		st.port == c->link.remote_port;
	if (*same)
		err = console_ring_resume_backend(&c->ring, c->link.page,
						  st.out_cons);
	if (err) {
		*same = false;
		err = console_ring_attach_backend(&c->ring, c->link.page);
	}
	if (err)
		return err;
	st.has_ring = 1;
	st.ring_ref = c->link.ring_ref;
	st.port = c->link.remote_port;
	st.out_cons = console_ring_consumed(&c->ring);
	spool_publish(c->spool, &st);
	return 0;
}

static void say_unconnected(struct channel *c, const struct channel_view *v,
			    int r)
{
	char text[128];

	c->failed_ref = v->ring_ref;
	c->failed_port = v->port;
	snprintf(text, sizeof(text),
		 "cannot connect to ring-ref %u and port %u: %s", v->ring_ref,
		 v->port, strerror(-r));
	report(c, text);
}

static int link_guest(struct channel *c, const struct channel_view *v)
{
	int r = link_connect(&c->link, &c->host->xen, c->address.domid,
			     v->ring_ref, v->port);

	if (!r) {
		r = c->host->port_bound(c->host->userdata, c->owner,
					c->link.port);
		if (r)
			link_disconnect(&c->link);
	}
	return r;
}

/* False: the guest named nothing that can be connected to. */
static bool connect_guest(struct channel *c, const struct channel_view *v)
{
	bool same;
	int r;

	if (link_is_up(&c->link)) {
		if (v->ring_ref == c->link.ring_ref &&
		    v->port == c->link.remote_port)
			return true;
		let_guest_go(c);
	}
	if (c->failed_ref == v->ring_ref && c->failed_port == v->port)
		return false;
	r = link_guest(c, v);
	if (r) {
		say_unconnected(c, v, r);
		return false;
	}
	if (attach_ring(c, &same) || channel_resume_chunk(c, same)) {
		channel_quarantine(c, "the indices in its ring are impossible");
		return false;
	}
	c->resuming = false;
	c->failed_ref = c->failed_port = 0;
	signal_client(c);
	link_notify(&c->link);
	return true;
}

/*
 * The actions of life.h
 */

static void offer(struct channel *c, const struct channel_view *v)
{
	bool connected = v->backend == CONSOLE_STATE_CONNECTED &&
			 (v->guest == CONSOLE_STATE_INITIALISED ||
			  v->guest == CONSOLE_STATE_CONNECTED);

	let_guest_go(c);
	c->failed_ref = c->failed_port = 0;
	c->resuming &= connected;
	/* A guest must not wait because a client cannot be served. */
	if (!open_sink(c))
		say_unwritten(c, nodes_write_hotplug(&c->address));
	/* Connected already: a former process of ours did it. */
	if (!connected && v->backend != CONSOLE_STATE_INIT_WAIT)
		write_state(c, CONSOLE_STATE_INIT_WAIT);
	set_state(c, CHANNEL_WAITING);
	channel_move(c);
}

static void connect_and_tell(struct channel *c, const struct channel_view *v)
{
	if (!v->has_ring || !connect_guest(c, v))
		return;
	if (v->backend != CONSOLE_STATE_CONNECTED)
		write_state(c, CONSOLE_STATE_CONNECTED);
	set_state(c, CHANNEL_CONNECTED);
	channel_move(c);
}

static void close_guest(struct channel *c, const struct channel_view *v)
{
	let_guest_go(c);
	if (v->backend != CONSOLE_STATE_CLOSED)
		write_state(c, CONSOLE_STATE_CLOSED);
	set_state(c, CHANNEL_CLOSED);
}

static void begin_closing(struct channel *c)
{
	c->closing_since_ms = now_ms(c);
	set_state(c, CHANNEL_CLOSING);
	write_state(c, CONSOLE_STATE_CLOSING);
	channel_move(c);
}

static void act(struct channel *c, enum life_action action,
		const struct channel_view *v)
{
	switch (action) {
	case LIFE_OFFER:
		offer(c, v);
		break;
	case LIFE_CONNECT:
		connect_and_tell(c, v);
		break;
	case LIFE_BEGIN_CLOSING:
		begin_closing(c);
		break;
	case LIFE_CLOSE:
		close_guest(c, v);
		break;
	case LIFE_NOTHING:
	case LIFE_ACTION_N:
		break;
	}
}

static void refresh_guest_open(struct channel *c, const struct channel_view *v)
{
	bool open = v->has_guest_open && v->guest_open;

	if (open != c->guest_open)
		tell(c, open ? "guest-open" : "guest-close", "");
	c->guest_open = open;
}

static void refresh_log(struct channel *c, const char *path)
{
	int r = 0;

	if (!strcmp(c->log.path ? c->log.path : "", path))
		return;
	traffic_log_close(&c->log);
	if (path[0])
		r = traffic_log_open(&c->log, path);
	if (r && log_allowed(&c->log_limit, now_ms(c)))
		log_warning("%s: cannot open its log %s: %s",
			    channel_label(c).s, path, strerror(-r));
}

/* Of the settings, the log alone may change while the channel runs. */
static int refresh_config(struct channel *c)
{
	_cleanup_(channel_config_deinit) struct channel_config now = { 0 };
	int r = nodes_read_config(&c->address, true, &now);

	if (r > 0 || (!r && strcmp(now.id, c->config.id) != 0))
		return NODES_GONE;
	if (!r)
		refresh_log(c, now.log);
	return r;
}

int channel_refresh(struct channel *c)
{
	struct channel_view v;
	enum channel_state before;
	int r = refresh_config(c);

	/* A state may lead to the next at once: at most as often as there are
	 * states. */
	for (int i = 0; !r && i < CHANNEL_STATE_N; i++) {
		r = nodes_read_view(&c->address, &v);
		if (r)
			break;
		before = c->state;
		act(c, life_next(c->state, v.guest, v.online), &v);
		/* One that cannot be connected need not be for its end. */
		if (c->state == CHANNEL_WAITING && !v.online)
			close_guest(c, &v);
		refresh_guest_open(c, &v);
		if (c->state == before)
			break;
	}
	return r;
}

/*
 * Traffic
 */

void channel_move(struct channel *c)
{
	switch (channel_move_bytes(c)) {
	case MOVE_CORRUPT:
		channel_quarantine(c, "the indices in its ring are impossible");
		break;
	case MOVE_MORE:
		c->host->again(c->host->userdata, c->owner);
		break;
	case MOVE_NOTHING:
	case MOVE_SOME:
		break;
	}
}

/* Counts an event; false: too many. */
static bool storm_allows(struct channel *c)
{
	struct storm *s = &c->storm;
	uint64_t now = now_ms(c);

	if (now - s->since_ms >= STORM_WINDOW_MS)
		*s = (struct storm){ .since_ms = now, .progress = c->progress };
	s->n++;
	s->throttled = s->n > STORM_EVENTS ||
		       s->n > STORM_USELESS + 2 * (c->progress - s->progress);
	return !s->throttled;
}

bool channel_is_throttled(const struct channel *c, uint64_t now)
{
	return c->storm.throttled && now - c->storm.since_ms < STORM_WINDOW_MS;
}

bool channel_event(struct channel *c)
{
	enum move_result m;

	c->events_seen = true;
	c->silent = false;
	m = channel_move_bytes(c);
	if (m == MOVE_CORRUPT) {
		channel_quarantine(c, "the indices in its ring are impossible");
		return true;
	}
	if (m == MOVE_MORE)
		c->host->again(c->host->userdata, c->owner);
	if (storm_allows(c))
		return true;
	if (log_allowed(&c->log_limit, now_ms(c)))
		log_warning("%s: the guest sends too many events",
			    channel_label(c).s);
	return false;
}

bool channel_poll(struct channel *c)
{
	uint64_t before;

	if (!link_is_up(&c->link))
		return false;
	before = spool_state(c->spool)->from_guest;
	channel_move(c);
	if (!c->events_seen && before != spool_state(c->spool)->from_guest)
		c->silent = true;
	c->events_seen = false;
	return c->silent;
}

void channel_tick(struct channel *c)
{
	struct channel_view v;

	if (c->state == CHANNEL_CLOSING &&
	    now_ms(c) - c->closing_since_ms >= CLOSING_MS &&
	    !nodes_read_view(&c->address, &v)) {
		report(c, "the guest has not closed in time");
		close_guest(c, &v);
	}
	if (!c->sink && !c->config.problem &&
	    (c->state == CHANNEL_WAITING || c->state == CHANNEL_CONNECTED) &&
	    !open_sink(c)) {
		say_unwritten(c, nodes_write_error(&c->address, NULL));
		channel_move(c);
	}
}

void channel_reopen_log(struct channel *c)
{
	int r = traffic_log_reopen(&c->log);

	if (r)
		log_warning("%s: cannot reopen its log %s: %s",
			    channel_label(c).s, c->log.path, strerror(-r));
}

void channel_get_status(const struct channel *c, struct channel_status *out)
{
	const struct spool_state *st = spool_state(c->spool);

	*out = (struct channel_status){
		.domid = c->address.domid,
		.device = c->address.device,
		.name = c->config.name,
		.id = c->config.id,
		.state = c->state,
		.has_client = c->sink && sink_has_client(c->sink),
		.from_guest = st->from_guest,
		.to_guest = st->to_guest,
		.dropped = st->dropped,
		.waiting = st->tail - st->head,
	};
}

/*
 * Beginning and end
 */

#define LEAVING_MS 5000

void channel_leave(struct channel *c)
{
	let_guest_go(c);
	spool_unlink(c->spool);
	c->state = CHANNEL_CLOSED;
	c->leaving = true;
	c->leaving_since_ms = now_ms(c);
	tell(c, "detach", "");
	if (c->sink)
		channel_move(c);
}

bool channel_has_left(const struct channel *c)
{
	return !c->sink || !sink_has_client(c->sink) || !spool_used(c->spool) ||
	       now_ms(c) - c->leaving_since_ms >= LEAVING_MS;
}

void channel_free(struct channel *c)
{
	if (!c)
		return;
	if (link_is_up(&c->link)) {
		/* As if killed: the next process takes the ring up. */
		c->host->port_unbound(c->host->userdata, c->owner);
		link_disconnect(&c->link);
	}
	sink_free(c->sink, !c->leaving);
	spool_free(c->spool);
	traffic_log_close(&c->log);
	channel_config_deinit(&c->config);
	free(c);
}

static void cleanup_channelp(struct channel **c)
{
	channel_free(*c);
}

static int prepare(struct channel *c)
{
	struct channel_view v;
	char name[32];
	int r = nodes_read_view(&c->address, &v);

	if (r)
		return r;
	snprintf(name, sizeof(name), "%u-%u.spool", c->address.domid,
		 c->address.device);
	r = spool_open(&c->spool, c->host->run_dir, name, c->config.id,
		       c->config.limit);
	if (r)
		return r;
	c->resuming = true;
	if (spool_state(c->spool)->quarantined)
		c->state = CHANNEL_QUARANTINED;
	if (c->config.problem)
		report(c, c->config.problem);
	refresh_log(c, c->config.log);
	tell(c, "attach", "");
	return 0;
}

int channel_new(struct channel **out, const struct channel_host *host,
		unsigned int domid, unsigned int device, void *owner)
{
	_cleanup_(cleanup_channelp) struct channel *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->host = host;
	c->owner = owner;
	c->address = (struct channel_address){ host->xs, host->backend, domid,
					       device };
	c->log = TRAFFIC_LOG_NONE;
	r = nodes_read_config(&c->address, host->all_types, &c->config);
	if (!r)
		r = prepare(c);
	if (r)
		return r;
	*out = TAKE_PTR(c);
	return 0;
}
