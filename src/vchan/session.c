// SPDX-License-Identifier: MIT
/*
 * Who is at the other end: the peer's live byte, and what follows from it. What a
 * server owes its next client is in clients.c.
 */
#include <errno.h>

#include "vchan/private.h"
#include "xen/peer.h"

int vchan_state_failure(enum vchan_state state)
{
	switch (state) {
	case VCHAN_CONNECTING:
		return -ENOTCONN;
	case VCHAN_WAITING:
	case VCHAN_OPEN:
		return 0;
	case VCHAN_CLOSED:
	case VCHAN_DIED:
		return -EPIPE;
	case VCHAN_GONE:
		return -EHOSTDOWN;
	case VCHAN_CORRUPT:
		break;
	}
	return -EPROTO;
}

/* For those outside, in the words of the public enum. */
static void show_state(struct vchan *v, enum vchan_state state)
{
	static const uint8_t shown[] = {
		[VCHAN_CONNECTING] = LIBXENVCHAN_CONNECTING,
		[VCHAN_WAITING] = LIBXENVCHAN_LISTENING,
		[VCHAN_OPEN] = LIBXENVCHAN_OPEN,
		[VCHAN_CLOSED] = LIBXENVCHAN_CLOSED,
		[VCHAN_DIED] = LIBXENVCHAN_DIED,
		[VCHAN_GONE] = LIBXENVCHAN_GONE,
		[VCHAN_CORRUPT] = LIBXENVCHAN_CORRUPT,
	};

	static_assert(sizeof(shown) == VCHAN_CORRUPT + 1, "one for each state");
	__atomic_store_n(&v->stats->state, shown[state], __ATOMIC_RELAXED);
	if (state == VCHAN_OPEN)
		stats_add(&v->stats->connections, 1);
}

void vchan_set_state(struct vchan *v, enum vchan_state state)
{
	atomic_store(&v->state, state);
	show_state(v, state);
}

enum vchan_state vchan_change_state(struct vchan *v, enum vchan_state state)
{
	int old = atomic_load_explicit(&v->state, memory_order_relaxed);

	do {
		if (old == VCHAN_CORRUPT || old == VCHAN_GONE ||
		    old == (int)state)
			return old;
	} while (!atomic_compare_exchange_weak(&v->state, &old, (int)state));
	show_state(v, state);
	return state;
}

int vchan_corrupt(struct vchan *v, const char *how)
{
	if (atomic_exchange(&v->state, VCHAN_CORRUPT) != VCHAN_CORRUPT) {
		show_state(v, VCHAN_CORRUPT);
		report_broken(&v->report, how);
	}
	return -EPROTO;
}

bool vchan_peer_has_finished(struct vchan *v, enum vchan_state state)
{
	/*
	 * What a client that left has said stands until the next one comes. The
	 * acquire pairs with the fence of the read-modify-write that set the bit.
	 */
	return state == VCHAN_OPEN &&
	       shm_load_acquire_u8(v->asked) & VCHAN_SAYS_FIN;
}

enum vchan_state vchan_corrupt_live(struct vchan *v)
{
	(void)vchan_corrupt(v, "has an impossible value in its live byte");
	return VCHAN_CORRUPT;
}

enum vchan_state vchan_end_of_peer(struct vchan *v)
{
	uint8_t says = shm_load_u8(v->asked);

	if (!(says & VCHAN_SAYS_EXT) || (says & VCHAN_SAYS_BYE))
		return VCHAN_CLOSED;
	return VCHAN_DIED;
}

static enum vchan_state look_for_server(struct vchan *v)
{
	/* Pairs with the server's release when it closes. */
	uint8_t live = shm_load_acquire_u8(v->live_peer);

	switch (live) {
	case VCHAN_LIVE_HERE:
	case VCHAN_LIVE_NOT_YET: /* it is about to find us: rearm() */
		return VCHAN_OPEN;
	case VCHAN_LIVE_GONE:
		return vchan_change_state(v, vchan_end_of_peer(v));
	}
	return vchan_corrupt_live(v);
}

bool vchan_is_settled(struct vchan *v, enum vchan_state state)
{
	return state == VCHAN_CONNECTING || state == VCHAN_GONE ||
	       state == VCHAN_CORRUPT ||
	       (!v->is_server && vchan_state_has_ended(state));
}

enum vchan_state vchan_look(struct vchan *v)
{
	enum vchan_state state = vchan_state(v);

	if (vchan_is_settled(v, state))
		return state;
	return v->is_server ? vchan_look_for_client(v) : look_for_server(v);
}

static bool domain_is_gone(struct vchan *v)
{
	if (v->is_server)
		return xen_peer_is_gone(v->event, v->domain);
	return xen_peer_has_vanished(v->xs, v->domain, v->ref_path, &v->misses);
}

/* What the peer said itself, before its domain went, counts first. */
static void look_for_domain(struct vchan *v)
{
	if (domain_is_gone(v) && !vchan_state_has_ended(vchan_look(v)))
		vchan_change_state(v, VCHAN_GONE);
}

/* 0, or -ETIMEDOUT: no thread has taken an event since. */
static int look_for_event(struct vchan *v, uint64_t seen)
{
	return gate_seen(&v->gate) == seen ? -ETIMEDOUT : 0;
}

int vchan_wait_for_event(struct vchan *v, uint64_t seen, int64_t deadline)
{
	for (;;) {
		int64_t tick = xen_peer_next_probe(XEN_PEER_PROBE_NS);
		/* Each end might be waiting for the other one's event. */
		int r = vchan_tell_again(v);

		if (r)
			return r;
		r = deadline ? gate_wait(&v->gate, seen,
					 tick < deadline ? tick : deadline)
			     : look_for_event(v, seen);
		if (r != -ETIMEDOUT)
			return r;
		look_for_domain(v);
		if (vchan_state(v) == VCHAN_GONE)
			return 0;
		if (deadline <= tick && clock_now_ns() >= deadline)
			return -ETIMEDOUT;
	}
}

int vchan_wait_for_anything(struct vchan *v, uint64_t seen, int64_t deadline)
{
	if (deadline)
		stats_add(&v->stats->waits, 1);
	return vchan_wait_for_event(v, seen, deadline);
}

int libxenvchan_shutdown(struct libxenvchan *ctrl)
{
	struct vchan *v = vchan_of(ctrl);
	enum vchan_state state = vchan_look(v);
	int r = vchan_state_error(state);

	if (!r && !v->finished) {
		v->finished = true;
		/* Published after all that was written: a full fence. */
		if (!shm_try_or_u8(v->ask, VCHAN_SAYS_FIN))
			r = vchan_corrupt(v, "keeps its notify byte busy");
		else
			atomic_fetch_or(&v->untold, VCHAN_SAYS_FIN);
	}
	if (!r)
		r = vchan_tell_again(v);
	if (!r) /* a client that has not come yet may be of our kind */
		return state == VCHAN_OPEN &&
		       !(shm_load_u8(v->asked) & VCHAN_SAYS_EXT);
	errno = -r;
	return -1;
}
