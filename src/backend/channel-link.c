// SPDX-License-Identifier: MIT
/* A channel's hold of its guest: the ring and the port, taken up and let go. */
#include <stdio.h>
#include <string.h>

#include "backend/channel-private.h"

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

void channel_let_guest_go(struct channel *c)
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
	channel_report(c, text);
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

bool channel_connect_guest(struct channel *c, const struct channel_view *v)
{
	bool same;
	int r;

	if (link_is_up(&c->link)) {
		if (v->ring_ref == c->link.ring_ref &&
		    v->port == c->link.remote_port)
			return true;
		channel_let_guest_go(c);
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
	channel_signal_client(c);
	link_notify(&c->link);
	return true;
}
