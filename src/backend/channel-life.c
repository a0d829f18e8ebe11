// SPDX-License-Identifier: MIT
/* What a channel does when its nodes have changed: the actions of life.h. */
#include <string.h>

#include "backend/channel-private.h"
#include "base/cleanup.h"

void channel_set_state(struct channel *c, enum channel_state s)
{
	if (c->state == s)
		return;
	log_debug("%s: %s -> %s", channel_label(c).s,
		  channel_state_name(c->state), channel_state_name(s));
	c->state = s;
	channel_tell(c, "state", channel_state_name(s));
}

void channel_write_state(struct channel *c, enum console_state s)
{
	int r = nodes_write_state(&c->address, s);

	channel_say_unwritten(c, r);
	c->unwritten = r < 0 ? s : CONSOLE_STATE_UNKNOWN;
	if (r < 0)
		retry_failed(&c->node_retry);
}

/* What could not be written before is no longer meant, either. */
static void have_state(struct channel *c, const struct channel_view *v,
		       enum console_state s)
{
	if (v->backend == s)
		c->unwritten = CONSOLE_STATE_UNKNOWN;
	else
		channel_write_state(c, s);
}

void channel_write_again(struct channel *c)
{
	if (c->unwritten)
		channel_write_state(c, c->unwritten);
	if (c->sink_unwritten)
		channel_write_sink(c);
	if (!c->unwritten && !c->sink_unwritten)
		retry_done(&c->node_retry);
}

/* Is it a former process's, which may have told the guest so? */
static bool is_left_to_us(const struct channel *c, const struct channel_view *v)
{
	return channel_ring_is_recorded(c, v) &&
	       (v->backend == CONSOLE_STATE_INIT_WAIT ||
		v->backend == CONSOLE_STATE_CONNECTED ||
		v->backend == CONSOLE_STATE_CLOSING);
}

static bool names_a_ring(const struct channel_view *v)
{
	return v->has_ring && (v->guest == CONSOLE_STATE_INITIALISED ||
			       v->guest == CONSOLE_STATE_CONNECTED);
}

/* Before anything else is done. */
static void begin(struct channel *c, const struct channel_view *v)
{
	if (c->begun)
		return;
	c->begun = true;
	if (!is_left_to_us(c, v))
		channel_forget_ring(c);
	/* A client may read what is left of a channel that is closed, too. */
	channel_open_sink(c);
}

static void offer(struct channel *c, const struct channel_view *v)
{
	/* The guest does not wait for our state if it is connected already. */
	bool connected =
		v->backend == CONSOLE_STATE_CONNECTED && names_a_ring(v);

	channel_let_guest_go(c);
	if (!names_a_ring(v)) {
		channel_forget_ring(c);
		retry_done(&c->link_retry);
	}
	if (!connected)
		have_state(c, v, CONSOLE_STATE_INIT_WAIT);
	channel_set_state(c, CHANNEL_WAITING);
	channel_move(c);
}

static void connect_and_tell(struct channel *c, const struct channel_view *v)
{
	if (v->has_ring && channel_connect_guest(c, v)) {
		have_state(c, v, CONSOLE_STATE_CONNECTED);
		channel_set_state(c, CHANNEL_CONNECTED);
		channel_move(c);
	} else if (c->state == CHANNEL_CONNECTED && !link_is_up(&c->link)) {
		/* It has named another ring, which cannot be had yet. */
		channel_write_state(c, CONSOLE_STATE_INIT_WAIT);
		channel_set_state(c, CHANNEL_WAITING);
	}
}

void channel_close_guest(struct channel *c, const struct channel_view *v)
{
	channel_let_guest_go(c);
	have_state(c, v, CONSOLE_STATE_CLOSED);
	channel_forget_ring(c);
	retry_done(&c->link_retry);
	channel_set_state(c, CHANNEL_CLOSED);
	channel_move(c);
}

/* How long a detach waits for a ring that cannot be had: some ticks. */
#define TAKE_UP_INTERVAL 4

static void take_up(struct channel *c, const struct channel_view *v)
{
	/* At 6 the guest has been told that its page is its own again. */
	bool there = v->backend != CONSOLE_STATE_CLOSED &&
		     (names_a_ring(v) || channel_ring_is_recorded(c, v));

	if (there && channel_connect_guest(c, v)) {
		channel_set_state(c, CHANNEL_CONNECTED);
		channel_move(c);
	} else if (c->state == CHANNEL_QUARANTINED) {
		return;
	} else if (there && c->link_retry.interval < TAKE_UP_INTERVAL) {
		channel_set_state(c, CHANNEL_WAITING);
	} else {
		channel_close_guest(c, v);
	}
}

static void begin_closing(struct channel *c)
{
	c->closing_since_ms = channel_now_ms(c);
	channel_set_state(c, CHANNEL_CLOSING);
	channel_write_state(c, CONSOLE_STATE_CLOSING);
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
	case LIFE_TAKE_UP:
		take_up(c, v);
		break;
	case LIFE_BEGIN_CLOSING:
		begin_closing(c);
		break;
	case LIFE_CLOSE:
		channel_close_guest(c, v);
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
		channel_tell(c, open ? "guest-open" : "guest-close", "");
	c->guest_open = open;
}

/* Of the settings, the log alone may change while the channel runs. */
static int refresh_config(struct channel *c)
{
	_cleanup_(channel_config_deinit) struct channel_config now = { 0 };
	int r = nodes_read_config(&c->address, true, &now);

	if (r > 0 || (!r && strcmp(now.id, c->config.id) != 0))
		return NODES_GONE;
	if (!r)
		channel_refresh_log(c, now.log);
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
		begin(c, &v);
		before = c->state;
		act(c, life_next(c->state, v.guest, v.online), &v);
		refresh_guest_open(c, &v);
		if (c->state == before)
			break;
	}
	return r;
}
