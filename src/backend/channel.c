// SPDX-License-Identifier: MIT
#include "backend/channel.h"

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

void channel_tell(const struct channel *c, const char *what, const char *detail)
{
	c->host->event(c->host->userdata, c, what, detail);
}

uint64_t channel_now_ms(const struct channel *c)
{
	return uv_now(c->host->loop);
}

void channel_say_unwritten(struct channel *c, int r)
{
	if (r < 0 && log_allowed(&c->log_limit, channel_now_ms(c)))
		log_warning("%s: cannot write its nodes: %s",
			    channel_label(c).s, strerror(-r));
}

void channel_report(struct channel *c, const char *error)
{
	if (log_allowed(&c->log_limit, channel_now_ms(c)))
		log_warning("%s: %s", channel_label(c).s, error);
	channel_say_unwritten(c, nodes_write_error(&c->address, error));
	c->has_error = true;
	channel_tell(c, "error", error);
}

void channel_retract(struct channel *c)
{
	if (!c->has_error || c->config.problem || c->short_said ||
	    c->state == CHANNEL_QUARANTINED || retry_is_owed(&c->sink_retry) ||
	    retry_is_owed(&c->link_retry))
		return;
	channel_say_unwritten(c, nodes_write_error(&c->address, NULL));
	c->has_error = false;
}

/*
 * The clients' end
 */

void channel_signal_client(struct channel *c)
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
		channel_tell(c, "client-open", "");
		channel_signal_client(c);
		break;
	case SINK_CLOSED:
		channel_tell(c, "client-close", "");
		channel_signal_client(c);
		break;
	case SINK_REFUSED:
		channel_tell(c, "client-refused", "there is one already");
		return;
	case SINK_READY:
		break;
	}
	channel_move(c);
}

static void say_unopened(struct channel *c, int r)
{
	char text[256];

	if (c->sink_error == r)
		return;
	c->sink_error = r;
	snprintf(text, sizeof(text), "cannot open %s: %s",
		 c->config.kind == CONSOLE_PTY ? "a terminal" : c->config.path,
		 r == -EADDRINUSE ? "something else is there" : strerror(-r));
	channel_report(c, text);
}

void channel_write_sink(struct channel *c)
{
	int r = 0;

	if (c->config.kind == CONSOLE_PTY)
		r = nodes_write_tty(&c->address, sink_path(c->sink));
	if (r >= 0)
		r = nodes_write_hotplug(&c->address);
	channel_say_unwritten(c, r);
	c->sink_unwritten = r < 0;
	if (r < 0)
		retry_failed(&c->node_retry);
}

/* A guest does not wait because a client cannot be served. */
void channel_open_sink(struct channel *c)
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
	int r;

	if (c->sink || c->config.problem)
		return;
	r = sink_open(&c->sink, c->host->loop, &config);
	if (r) {
		retry_failed(&c->sink_retry);
		say_unopened(c, r);
		return;
	}
	retry_done(&c->sink_retry);
	c->sink_error = 0;
	channel_write_sink(c);
	channel_retract(c);
	channel_move(c);
}

bool channel_owes_sink(const struct channel *c)
{
	return retry_is_owed(&c->sink_retry) && c->sink_error != -EADDRINUSE;
}

/*
 * Traffic
 */

static enum move_result move(struct channel *c)
{
	enum move_result m = channel_move_bytes(c);

	if (m == MOVE_CORRUPT && channel_follow_reset(c))
		m = MOVE_MORE;
	if (!c->short_said && spool_is_short(c->spool)) {
		c->short_said = true;
		channel_report(c, "the run directory is full: less than the "
				  "limit is kept");
	}
	return m;
}

void channel_move(struct channel *c)
{
	switch (move(c)) {
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
	uint64_t now = channel_now_ms(c);

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
	m = move(c);
	if (m == MOVE_CORRUPT) {
		channel_quarantine(c, "the indices in its ring are impossible");
		return true;
	}
	if (m == MOVE_MORE)
		c->host->again(c->host->userdata, c->owner);
	if (storm_allows(c))
		return true;
	if (log_allowed(&c->log_limit, channel_now_ms(c)))
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
	return c->silent || c->link.owed;
}

bool channel_tick(struct channel *c)
{
	struct channel_view v;

	if (c->state == CHANNEL_CLOSING &&
	    channel_now_ms(c) - c->closing_since_ms >= CLOSING_MS &&
	    !nodes_read_view(&c->address, &v)) {
		channel_report(c, "the guest has not closed in time");
		channel_close_guest(c, &v);
	}
	if (c->short_said && !spool_is_short(c->spool)) {
		c->short_said = false;
		channel_retract(c);
	}
	if (retry_is_due(&c->sink_retry))
		channel_open_sink(c);
	if (retry_is_due(&c->node_retry))
		channel_write_again(c);
	return retry_is_due(&c->link_retry);
}

void channel_refresh_log(struct channel *c, const char *path)
{
	int r = 0;

	if (!strcmp(c->log.path ? c->log.path : "", path))
		return;
	traffic_log_close(&c->log);
	if (path[0])
		r = traffic_log_open(&c->log, path);
	if (r && log_allowed(&c->log_limit, channel_now_ms(c)))
		log_warning("%s: cannot open its log %s: %s",
			    channel_label(c).s, path, strerror(-r));
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
	channel_let_guest_go(c);
	spool_unlink(c->spool);
	c->state = CHANNEL_CLOSED;
	c->leaving = true;
	c->leaving_since_ms = channel_now_ms(c);
	channel_tell(c, "detach", "");
	if (c->sink)
		channel_move(c);
}

bool channel_has_left(const struct channel *c)
{
	return !c->sink || !sink_has_client(c->sink) || !spool_used(c->spool) ||
	       channel_now_ms(c) - c->leaving_since_ms >= LEAVING_MS;
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
	c->has_error = true; /* a former process's */
	if (spool_state(c->spool)->quarantined)
		c->state = CHANNEL_QUARANTINED;
	if (c->config.problem)
		channel_report(c, c->config.problem);
	channel_refresh_log(c, c->config.log);
	channel_tell(c, "attach", "");
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
