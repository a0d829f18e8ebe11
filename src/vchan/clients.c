// SPDX-License-Identifier: MIT
/*
 * A server's clients come one after the other on the same page, as long as it
 * does not close; server_persist only decides whether it is open in between.
 * Nothing of one may reach the next: what the last one left unread is dropped,
 * the bytes are zeroed, and consumed bytes are zeroed as they are consumed (see
 * io.c). A client of Xen's library may come before the server has run; the
 * server then finds its mark in srv_notify gone, and can only zero what is
 * still unread.
 *
 * Reader and writer of a server both see a client go and another one come, and
 * either may be late: what it saw of the last client would then be done to the
 * next one. So what is done about a change is decided by one thread at a time,
 * with tx_busy held, by another look at the page. A writer holds that for as
 * long as its call takes. A reader that meets it there tells it what it saw, and
 * since when that may have been dealt with (n_changes), and goes by that
 * itself; it never waits for the writer.
 */
#include <errno.h>
#include <sched.h>
#include <time.h>

#include "vchan/private.h"

/* What a server is without its client. */
static enum vchan_state end_of_client(struct vchan *v)
{
	return v->pub.server_persist ? VCHAN_WAITING : vchan_end_of_peer(v);
}

/* What was seen before this is out of date. After all stores that it is about. */
static enum vchan_state has_changed(struct vchan *v, enum vchan_state state)
{
	state = vchan_change_state(v, state);
	atomic_fetch_add(&v->n_changes, 1);
	return state;
}

static enum vchan_state client_left(struct vchan *v)
{
	atomic_store(&v->departed, true);
	atomic_store(&v->marked, false);
	atomic_store(&v->client_came, false);
	v->flush_due = true;
	return has_changed(v, end_of_client(v));
}

/*
 * At the first, second, fourth, eighth: a peer that says again and again that it
 * is another one must not fill the log.
 */
static void tell_of_swap(struct vchan *v)
{
	unsigned int n = ++v->n_swaps;

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
		v->tx_span_lost = true;
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
	return vchan_state(v) == VCHAN_OPEN ? VCHAN_OPEN
					    : has_changed(v, VCHAN_OPEN);
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
	       shm_load_u32(&v->page->left.prod) != v->rx.own;
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
	return has_changed(v, VCHAN_WAITING);
}

/* With tx_busy held. */
static enum vchan_state decide(struct vchan *v)
{
	enum vchan_state state = vchan_state(v);
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
	return vchan_corrupt_live(v);
}

/*
 * Drops what the last client has not read: its cons becomes our prod, as if it
 * had. tx.peer stays behind: should a new client be storing its cons at this
 * very moment, that is no lie.
 */
static void flush(struct vchan *v)
{
	v->flush_due = false;
	(void)bytering_refresh_space(&v->tx);
	v->space_at_end = bytering_space(&v->tx);
	shm_zero(v->tx.data, v->tx.size);
	v->tx_span_lost = true;
	/* No release: the next client learns of what is beyond by our prod. */
	shm_store_u32(&v->page->right.cons, v->tx.own);
}

/* What the reader saw while tx_busy was held, unless it was out of date. */
static void heed_reader(struct vchan *v)
{
	if (atomic_load_explicit(&v->seen_gone, memory_order_relaxed) &&
	    atomic_exchange(&v->seen_gone, 0) == atomic_load(&v->n_changes))
		(void)client_left(v);
}

static bool take_tx(struct vchan *v)
{
	return !atomic_flag_test_and_set(&v->tx_busy);
}

static void let_go_of_tx(struct vchan *v)
{
	do {
		heed_reader(v);
		if (v->flush_due)
			flush(v);
		atomic_flag_clear(&v->tx_busy);
		/* Either we see what the reader has seen, or it gets tx_busy. */
	} while (atomic_load(&v->seen_gone) && take_tx(v));
}

/* Whether the one who holds tx_busy would find something to do. */
static bool is_news(struct vchan *v, enum vchan_state state, uint8_t live)
{
	uint8_t notify;

	if (live == VCHAN_LIVE_GONE)
		return state == VCHAN_OPEN || client_was_here(v);
	if (live == VCHAN_LIVE_NOT_YET)
		return state == VCHAN_OPEN;
	if (live != VCHAN_LIVE_HERE || state != VCHAN_OPEN ||
	    atomic_load(&v->departed) || atomic_load(&v->end_told))
		return true;
	if (!v->pub.server_persist)
		return false;
	notify = shm_load_u8(v->asked);
	return !(notify & VCHAN_MARK_SEEN) &&
	       (notify || atomic_load(&v->marked));
}

/*
 * The writer holds tx_busy, and looks before it sends anything else. That a
 * client has left, which it cannot see any more once the next one is here, it is
 * told.
 */
static enum vchan_state go_by_page(struct vchan *v, unsigned int n_changes)
{
	/* As that of decide(). */
	uint8_t live = shm_load_acquire_u8(v->live_peer);

	if (live == VCHAN_LIVE_HERE)
		return VCHAN_OPEN;
	if (live == VCHAN_LIVE_NOT_YET)
		return VCHAN_WAITING;
	if (live != VCHAN_LIVE_GONE)
		return vchan_corrupt_live(v);
	atomic_store(&v->seen_gone, n_changes);
	if (take_tx(v))
		let_go_of_tx(v);
	return end_of_client(v);
}

enum vchan_state vchan_look_for_client(struct vchan *v)
{
	/* First: what is seen after this is no older. */
	unsigned int n_changes = atomic_load(&v->n_changes);
	enum vchan_state state = vchan_state(v);

	/* No acquire: what is done about it begins with a look of its own. */
	if (!is_news(v, state, shm_load_u8(v->live_peer)))
		return state;
	if (!take_tx(v))
		return go_by_page(v, n_changes);
	state = decide(v);
	let_go_of_tx(v);
	return state;
}

enum vchan_state vchan_tx_look(struct vchan *v)
{
	enum vchan_state state = vchan_state(v);

	if (!v->is_server)
		return vchan_look(v);
	heed_reader(v);
	return vchan_is_settled(v, state) ? state : decide(v);
}

/*
 * The reader holds tx_busy only for as long as a flush takes; but if it has lost the
 * processor to us meanwhile, a real-time thread, yielding does not give it back.
 */
#define YIELDS_MAX 64

static void wait_for_tx(struct vchan *v)
{
	const struct timespec moment = { .tv_nsec = 50000 };

	for (int i = 0; !take_tx(v); i++) {
		if (i < YIELDS_MAX)
			sched_yield();
		else
			nanosleep(&moment, NULL);
	}
}

enum vchan_state vchan_tx_enter(struct vchan *v)
{
	enum vchan_state state;

	if (v->is_server)
		wait_for_tx(v);
	state = vchan_tx_look(v);
	if (v->flush_due)
		flush(v);
	return state;
}

bool vchan_tx_client_left(struct vchan *v)
{
	return v->flush_due;
}

void vchan_tx_leave(struct vchan *v)
{
	if (v->is_server)
		let_go_of_tx(v);
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
	v->tx_span_lost = false;
	atomic_store(&v->client_came, false);
	atomic_store(&v->departed, false);
	atomic_store(&v->marked, false);
	v->flush_due = false;
	atomic_store(&v->seen_gone, 0);
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
