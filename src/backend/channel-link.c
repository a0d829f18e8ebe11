// SPDX-License-Identifier: MIT
/* A channel's hold of its guest: the ring and the port, taken up and let go. */
#include <stdio.h>
#include <string.h>

#include "backend/channel-private.h"

/*
 * The order of what a kill may come between: a ring is recorded as in use before
 * a byte of it is taken, and until the guest has been told that it is let go.
 * Until then it is the same ring to a successor, which goes on from what is
 * recorded; from then on it is none, whatever its numbers are used for next.
 */

static void disconnect(struct channel *c)
{
	if (!link_is_up(&c->link))
		return;
	c->host->port_unbound(c->host->userdata, c->owner);
	link_disconnect(&c->link);
}

void channel_let_guest_go(struct channel *c)
{
	channel_drain(c);
	channel_take_back(c);
	disconnect(c);
}

void channel_forget_ring(struct channel *c)
{
	struct spool_state st = *spool_state(c->spool);

	if (!st.has_ring)
		return;
	st.has_ring = 0;
	spool_publish(c->spool, &st);
}

bool channel_ring_is_recorded(const struct channel *c,
			      const struct channel_view *v)
{
	const struct spool_state *st = spool_state(c->spool);

	return v->has_ring && st->has_ring && st->ring_ref == v->ring_ref &&
	       st->port == v->port;
}

void channel_quarantine(struct channel *c, const char *why)
{
	struct spool_state st = *spool_state(c->spool);
	char text[128];

	disconnect(c);
	st.has_ring = 0;
	st.quarantined = 1;
	spool_publish(c->spool, &st);
	snprintf(text, sizeof(text), "quarantined: %s", why);
	channel_report(c, text);
	channel_set_state(c, CHANNEL_QUARANTINED);
	channel_write_state(c, CONSOLE_STATE_CLOSED);
	if (c->sink)
		channel_move(c);
}

/*
 * The ring, from where a former process left it if it is the same; else from
 * where the page says. 0 or CONSOLE_RING_CORRUPT.
 */
static int attach_ring(struct channel *c, const struct channel_view *v,
		       bool *same)
{
	struct spool_state st = *spool_state(c->spool);
	int err = CONSOLE_RING_CORRUPT;

	*same = channel_ring_is_recorded(c, v);
	if (*same)
		err = console_ring_resume_backend(&c->ring, c->link.page,
						  st.out_cons);
	if (!err)
		return 0;
	*same = false;
	err = console_ring_attach_backend(&c->ring, c->link.page);
	if (err)
		return err;
	st.has_ring = 1;
	st.ring_ref = v->ring_ref;
	st.port = v->port;
	st.out_cons = console_ring_consumed(&c->ring);
	/* A chunk that waits has its place in this ring from now on. */
	if (st.chunk_step == SPOOL_READY)
		st.chunk_in_prod = console_ring_produced(&c->ring);
	spool_publish(c->spool, &st);
	return 0;
}

static void say_unconnected(struct channel *c, const struct channel_view *v,
			    int r)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "cannot connect to ring-ref %u and port %u: %s", v->ring_ref,
		 v->port, strerror(-r));
	channel_report(c, text);
}

/* What has failed is left to the tick, unless the guest names another ring. */
static bool may_try(struct channel *c, const struct channel_view *v)
{
	if (c->tried_ref != v->ring_ref || c->tried_port != v->port)
		retry_done(&c->link_retry);
	c->tried_ref = v->ring_ref;
	c->tried_port = v->port;
	return !retry_is_waiting(&c->link_retry);
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

static bool is_connected_to(const struct channel *c,
			    const struct channel_view *v)
{
	return link_is_up(&c->link) && v->ring_ref == c->link.ring_ref &&
	       v->port == c->link.remote_port;
}

bool channel_follow_reset(struct channel *c)
{
	const struct channel_view v = { .ring_ref = c->link.ring_ref,
					.port = c->link.remote_port };
	bool same;

	if (!console_ring_is_reset(&c->ring))
		return false;
	channel_forget_ring(c);
	if (attach_ring(c, &v, &same) || channel_resume_chunk(c, false))
		return false;
	/* That was on the page, too. */
	channel_signal_client(c);
	return true;
}

bool channel_connect_guest(struct channel *c, const struct channel_view *v)
{
	bool same;
	int r;

	if (is_connected_to(c, v)) {
		/* One that was never used, emptied, looks as it did. */
		if (!channel_follow_reset(c))
			channel_signal_client(c);
		return true;
	}
	if (link_is_up(&c->link)) {
		channel_let_guest_go(c);
		channel_forget_ring(c);
	}
	if (!may_try(c, v))
		return false;
	r = link_guest(c, v);
	if (r) {
		if (retry_failed(&c->link_retry))
			say_unconnected(c, v, r);
		return false;
	}
	if (attach_ring(c, v, &same) || channel_resume_chunk(c, same)) {
		channel_quarantine(c, "the indices in its ring are impossible");
		return false;
	}
	retry_done(&c->link_retry);
	channel_retract(c);
	channel_signal_client(c);
	link_notify(&c->link);
	return true;
}
