// SPDX-License-Identifier: MIT
/*
 * Who is at the other end: the peer's live byte, and what a server owes its
 * next client.
 *
 * A server's clients come one after the other on the same page, as long as it
 * does not close; server_persist only decides whether it is open in between.
 * Nothing of one may reach the next: what the last one left unread is dropped,
 * the bytes are zeroed, and consumed bytes are zeroed as they are consumed (see
 * io.c). A client of Xen's library may come before the server has run; the
 * server then finds its mark in srv_notify gone, and can only zero what is
 * still unread.
 */
#include <errno.h>
#include <sched.h>

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

/* CORRUPT is final, whatever another thread sees at the same time. */
static enum vchan_state state_set(struct vchan *v, enum vchan_state state)
{
	int old = atomic_load_explicit(&v->state, memory_order_relaxed);

	do {
		if (old == VCHAN_CORRUPT || old == (int)state)
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

/*
 * Drops what the last client has not read: its cons becomes our prod, as if it
 * had. tx.peer stays behind: should a new client be storing its cons at this
 * very moment, that is no lie.
 */
static void flush(struct vchan *v)
{
	(void)bytering_refresh_space(&v->tx);
	v->space_at_end = bytering_space(&v->tx);
	shm_zero(v->tx.data, v->tx.size);
	atomic_store(&v->tx_span_lost, true);
	/* No release: the next client learns of what is beyond by our prod. */
	shm_store_u32(&v->page->right.cons, v->tx.own);
}

static void flush_if_due(struct vchan *v)
{
	/* A writer in another thread does it when it leaves. */
	while (atomic_load(&v->flush_due) &&
	       !atomic_flag_test_and_set(&v->tx_busy)) {
		if (atomic_exchange(&v->flush_due, false))
			flush(v);
		atomic_flag_clear(&v->tx_busy);
	}
}

enum vchan_state vchan_tx_enter(struct vchan *v)
{
	enum vchan_state state;

	if (!v->is_server)
		return vchan_look(v);
	/* Another thread holds it only for as long as a flush takes. */
	while (atomic_flag_test_and_set(&v->tx_busy))
		sched_yield();
	state = vchan_look(v);
	if (atomic_load(&v->flush_due) && atomic_exchange(&v->flush_due, false))
		flush(v);
	return state;
}

bool vchan_tx_client_left(struct vchan *v)
{
	return atomic_load(&v->flush_due);
}

void vchan_tx_leave(struct vchan *v)
{
	if (!v->is_server)
		return;
	atomic_flag_clear(&v->tx_busy);
	flush_if_due(v);
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

/* How it ended, the live byte being 0: only a peer of our kind says BYE. */
static enum vchan_state end_of_peer(struct vchan *v)
{
	uint8_t says = shm_load_u8(v->asked);

	if (!(says & VCHAN_SAYS_EXT) || (says & VCHAN_SAYS_BYE))
		return state_set(v, VCHAN_CLOSED);
	return state_set(v, VCHAN_DIED);
}

static enum vchan_state client_left(struct vchan *v)
{
	atomic_store(&v->departed, true);
	atomic_store(&v->marked, false);
	atomic_store(&v->client_came, false);
	atomic_store(&v->flush_due, true);
	flush_if_due(v);
	return v->pub.server_persist ? state_set(v, VCHAN_WAITING)
				     : end_of_peer(v);
}

/*
 * At the first, second, fourth, eighth: a peer that says again and again that it
 * is another one must not fill the log.
 */
static void tell_of_swap(struct vchan *v)
{
	unsigned int n = atomic_fetch_add(&v->n_swaps, 1) + 1;

	if (!(n & (n - 1)))
		report_swap(&v->report);
}

/*
 * A client that is here has stored srv_notify when it connected. Once that
 * store shows, our mark can be added to it, and stays until the next client
 * stores again.
 */
static void watch_for_swap(struct vchan *v)
{
	uint8_t notify = shm_load_u8(v->asked);

	if (notify & VCHAN_MARK_SEEN)
		return;
	if (atomic_exchange(&v->marked, false)) {
		tell_of_swap(v);
		shm_zero(v->tx.data, v->tx.size);
		atomic_store(&v->tx_span_lost, true);
	}
	if (notify && shm_try_or_u8(v->asked, VCHAN_MARK_SEEN))
		atomic_store(&v->marked, true);
}

/* This runs for each message: a store that changes nothing is left out. */
static void clear(atomic_bool *flag)
{
	if (atomic_load_explicit(flag, memory_order_relaxed))
		atomic_store(flag, false);
}

static enum vchan_state client_here(struct vchan *v)
{
	clear(&v->departed);
	clear(&v->end_told);
	if (v->pub.server_persist)
		watch_for_swap(v);
	return state_set(v, VCHAN_OPEN);
}

/*
 * A live byte that is 0 though no client was seen: one that came and went, or
 * one of Xen's library that failed half-way and never was a client.
 */
static bool client_was_here(struct vchan *v)
{
	if (atomic_load(&v->departed))
		return false; /* and what it left behind is no other's sign */
	return atomic_load(&v->client_came) || shm_load_u8(v->asked) ||
	       shm_load_acquire_u32(&v->page->left.prod) != v->rx.own;
}

/*
 * One that went in while the door was closed by libxenvchan_rearm(), and was
 * seen before it went out again: there never was a client. What has been
 * written waits for the next.
 */
static enum vchan_state client_was_refused(struct vchan *v)
{
	atomic_store(&v->marked, false);
	atomic_store(&v->client_came, false);
	return state_set(v, VCHAN_WAITING);
}

static enum vchan_state look_for_client(struct vchan *v, enum vchan_state state)
{
	/* Pairs with the client's release when it connects or closes. */
	uint8_t live = shm_load_acquire_u8(v->live_peer);

	switch (live) {
	case VCHAN_LIVE_HERE:
		return client_here(v);
	case VCHAN_LIVE_GONE:
		if (state == VCHAN_OPEN || client_was_here(v))
			return client_left(v);
		return state;
	case VCHAN_LIVE_NOT_YET:
		return state == VCHAN_OPEN ? client_was_refused(v) : state;
	}
	vchan_corrupt(v, "has an impossible value in its live byte");
	return VCHAN_CORRUPT;
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
		return end_of_peer(v);
	}
	vchan_corrupt(v, "has an impossible value in its live byte");
	return VCHAN_CORRUPT;
}

enum vchan_state vchan_look(struct vchan *v)
{
	enum vchan_state state = vchan_state(v);

	if (state == VCHAN_CONNECTING || state == VCHAN_GONE ||
	    state == VCHAN_CORRUPT)
		return state;
	if (!v->is_server && vchan_state_has_ended(state))
		return state;
	return v->is_server ? look_for_client(v, state) : look_for_server(v);
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
		state_set(v, VCHAN_GONE);
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

/* As after server_init: an empty vchan that waits for a client. */
static void reset_rings(struct vchan *v)
{
	struct vchan_page *p = v->page;

	shm_zero(v->rx.data, v->rx.size);
	shm_zero(v->tx.data, v->tx.size);
	shm_store_u32(&p->left.prod, 0);
	shm_store_u32(&p->left.cons, 0);
	shm_store_u32(&p->right.prod, 0);
	shm_store_u32(&p->right.cons, 0);
	shm_store_u8(&p->srv_notify, 0);
	shm_store_u8(&p->cli_notify, VCHAN_ASK_WRITTEN | VCHAN_SAYS_EXT);
	v->rx.own = v->rx.peer = 0;
	v->tx.own = v->tx.peer = 0;
}

static void reset_session(struct vchan *v)
{
	v->finished = false;
	v->tx_error = 0;
	atomic_store(&v->untold, 0);
	v->rx_span = v->tx_span = 0;
	atomic_store(&v->tx_span_lost, false);
	atomic_store(&v->client_came, false);
	atomic_store(&v->departed, false);
	atomic_store(&v->marked, false);
	atomic_store(&v->flush_due, false);
	vchan_set_state(v, VCHAN_WAITING);
}

/* Clients that come and find the door closed, while we look. */
#define REARM_TRIES 16

static bool client_is_in(struct vchan *v)
{
	if (shm_load_acquire_u8(v->live_peer) != VCHAN_LIVE_HERE)
		return false;
	(void)client_here(v);
	return true;
}

/*
 * With the door closed. Who came in before that is in, and has the rings. Who comes
 * in later stores over what is stored here, and then sees the door: closed, or
 * opened again after the rings have been reset. So nothing is stored there any
 * more after this.
 */
static bool nobody_is_in(struct vchan *v)
{
	for (int i = 0; i < REARM_TRIES; i++) {
		uint8_t live = shm_load_u8(v->live_peer);

		if (live == VCHAN_LIVE_HERE)
			return false;
		if (shm_try_replace_u8(v->live_peer, live, VCHAN_LIVE_NOT_YET))
			return true;
	}
	return false;
}

static int rearm(struct vchan *v)
{
	int r = 0;

	if (!v->is_server)
		return -EINVAL;
	if (vchan_state(v) == VCHAN_GONE)
		return -EHOSTDOWN;
	if (client_is_in(v))
		return -EISCONN;
	/*
	 * The door is closed, then we look who came in before: client.c. It is
	 * not closed by VCHAN_LIVE_GONE, which is final for who is in.
	 */
	shm_store_u8(v->live_own, VCHAN_LIVE_NOT_YET);
	/* Pairs with the fence of the client's enter(). */
	shm_fence();
	if (nobody_is_in(v)) {
		reset_rings(v);
		reset_session(v);
	} else {
		/* Or was, and found the door closed: the next look tells. */
		(void)client_here(v);
		r = -EISCONN;
	}
	shm_store_release_u8(v->live_own, VCHAN_LIVE_HERE);
	return r;
}

int libxenvchan_rearm(struct libxenvchan *ctrl)
{
	int r = rearm(vchan_of(ctrl));

	if (!r)
		return 0;
	errno = -r;
	return -1;
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
