// SPDX-License-Identifier: MIT
/*
 * Moving bytes: the four calls that move them and the two that count them.
 *
 * An end that finds too little looks again after each step that could have
 * raced with the peer: after it has asked for an event (the peer may have
 * published just before), and after it has seen the peer leave (the peer
 * published, then left).
 */
#include <errno.h>
#include <limits.h>

#include "vchan/private.h"

/*
 * Large transfers are published piece by piece, so that a peer that is awake
 * copies one while we copy the next: half of a small ring, an eighth of a large
 * one. A peer that sleeps is woken at the first piece, and needs as long to wake
 * up as we to copy some more.
 */
#define PIECE_MIN 16384u

static uint32_t piece_of(const struct bytering *r)
{
	uint32_t half = r->size / 2, eighth = r->size / 8;

	if (half <= PIECE_MIN)
		return half;
	return eighth > PIECE_MIN ? eighth : PIECE_MIN;
}

static uint32_t min_u32(size_t a, uint32_t b)
{
	return a < b ? (uint32_t)a : b;
}

/*
 * 0 and *n, what is there; -EPROTO. Every look at the peer's index passes here
 * or in tx_refresh(): a change is what its events were for.
 */
static int rx_refresh(struct vchan *v, uint32_t *n)
{
	uint32_t before = bytering_ready(&v->rx);

	if (bytering_refresh_ready(&v->rx))
		return vchan_corrupt(v, "offers more than its ring holds");
	*n = bytering_ready(&v->rx);
	if (*n != before)
		gate_progress(&v->gate);
	return 0;
}

static int tx_refresh(struct vchan *v, uint32_t *n)
{
	uint32_t before = bytering_space(&v->tx);

	if (bytering_refresh_space(&v->tx))
		return vchan_corrupt(v, "took more than its ring held");
	*n = bytering_space(&v->tx);
	if (*n != before)
		gate_progress(&v->gate);
	return 0;
}

/* One direction of a vchan, as far as waiting for it goes. */
struct direction {
	int (*refresh)(struct vchan *v, uint32_t *n);
	size_t spin;   /* where in struct vchan its history is */
	size_t flow;   /* where in struct stats_slot its counters are */
	uint8_t event; /* what to ask for */
};

static const struct direction incoming = {
	rx_refresh,
	offsetof(struct vchan, rx_spin),
	offsetof(struct stats_slot, received),
	VCHAN_ASK_WRITTEN,
};
static const struct direction outgoing = {
	tx_refresh,
	offsetof(struct vchan, tx_spin),
	offsetof(struct stats_slot, sent),
	VCHAN_ASK_CONSUMED,
};

static struct stats_flow *flow_of(struct vchan *v, const struct direction *d)
{
	return (struct stats_flow *)(void *)((char *)v->stats + d->flow);
}

static struct spin *spin_of(struct vchan *v, const struct direction *d)
{
	return (struct spin *)(void *)((char *)v + d->spin);
}

/*
 * Polls for a moment until min can be moved, without asking for an event: a
 * peer that is at work need not send any. 0 and *n, whether it came or not;
 * -EPROTO.
 */
static int spin_for(struct vchan *v, const struct direction *d, uint32_t min,
		    uint32_t *n)
{
	struct spin *s = spin_of(v, d);
	struct spin_wait w;
	int r = 0;

	if (!spin_begin(s, &w, v->spin_ns))
		return 0;
	while (!r && *n < min && spin_pause(&w))
		r = d->refresh(v, n);
	spin_end(s, &w, *n >= min);
	stats_add(&flow_of(v, d)->spins, 1);
	if (*n >= min)
		stats_add(&flow_of(v, d)->spins_won, 1);
	return r;
}

/* What a caller of await() needs, in bytes. */
struct need {
	uint32_t min;  /* it can begin with this */
	uint32_t want; /* it would move this much, if it were there */
	uint32_t ask;  /* below this the peer is asked for an event */
};

/* 0 and *n, what can be moved now, the peer being asked for more; -EPROTO. */
static int ask_and_look(struct vchan *v, const struct direction *d, uint32_t *n)
{
	int r = vchan_ask(v, d->event);

	return r ? r : d->refresh(v, n);
}

/*
 * 0 and *n, what can be moved without waiting, or after a moment of polling if
 * that is allowed and needed; -EPROTO.
 */
static int look(struct vchan *v, const struct direction *d,
		const struct need *need, bool may_spin, uint32_t *n)
{
	int r = d->refresh(v, n);

	if (!r && *n < need->min && may_spin)
		r = spin_for(v, d, need->min, n);
	if (!r && *n < need->ask)
		r = ask_and_look(v, d, n);
	return r;
}

/* Whether a wait can end otherwise than by what it waits for, and how. */
static int end_of_wait(struct vchan *v, const struct direction *d)
{
	enum vchan_state state = vchan_look(v);
	int r = vchan_state_error(state);

	if (r)
		return r;
	if (d == &incoming)
		return vchan_peer_has_finished(v) ? -EPIPE : 0;
	/* The next client has no use for the rest of what the last one got. */
	return vchan_tx_client_left(v) ? -EPIPE : 0;
}

/*
 * Until at least need->min can be moved: 0 and *n; *n < need->min only if not
 * blocking. -EPIPE, -EHOSTDOWN: the peer has left, and it cannot; -ETIMEDOUT.
 */
static int await(struct vchan *v, const struct direction *d,
		 const struct need *need, uint32_t *n)
{
	int64_t deadline = 0;

	for (;;) {
		uint64_t seen = gate_seen(&v->gate);
		int r = look(v, d, need, v->pub.blocking, n);

		if (r || *n >= need->min)
			return r;
		r = end_of_wait(v, d);
		if (r && r != -EPROTO && d == &incoming) {
			/* What it sent before it left is there by now. */
			int e = d->refresh(v, n);

			return e ? e : *n >= need->min ? 0 : r;
		}
		if (r || !v->pub.blocking)
			return r;
		if (!deadline)
			deadline = deadline_in(v->timeout_ns);
		stats_add(&flow_of(v, d)->sleeps, 1);
		r = vchan_wait_for_event(v, seen, deadline);
		if (r)
			return r;
	}
}

static const struct need need_any = { 1, 1, 1 };

int vchan_look_incoming(struct vchan *v, uint32_t *n)
{
	*n = bytering_ready(&v->rx);
	return *n ? 0 : look(v, &incoming, &need_any, false, n);
}

int vchan_look_outgoing(struct vchan *v, uint32_t *n)
{
	*n = bytering_space(&v->tx);
	return *n ? 0 : look(v, &outgoing, &need_any, false, n);
}

static int rx_await(struct vchan *v, const struct need *need, uint32_t *n)
{
	*n = bytering_ready(&v->rx);
	return *n >= need->want ? 0 : await(v, &incoming, need, n);
}

static int tx_await(struct vchan *v, const struct need *need, uint32_t *n)
{
	*n = bytering_space(&v->tx);
	return *n >= need->want ? 0 : await(v, &outgoing, need, n);
}

/* What a failed notification left to report, or the end of the vchan. */
static int rx_start(struct vchan *v)
{
	enum vchan_state state = vchan_state(v);
	int r = v->rx_error;

	v->rx_error = 0;
	/* What a closed vchan holds is readable. */
	if (!vchan_state_has_ended(state) && vchan_state_error(state))
		return vchan_state_error(state);
	return r;
}

static int tx_start(struct vchan *v, enum vchan_state state)
{
	int end = v->finished ? -EPIPE : vchan_state_error(state);
	int r = v->tx_error;

	v->tx_error = 0;
	return end ? end : r;
}

/* n bytes that are there */
static void rx_take(struct vchan *v, uint8_t *data, uint32_t n)
{
	uint32_t piece = piece_of(&v->rx), all = n;

	while (n) {
		uint32_t m = min_u32(n, piece);
		int r;

		bytering_copy_out(&v->rx, data, m);
		if (v->pub.server_persist)
			bytering_zero(&v->rx, m);
		bytering_advance(&v->rx, m);
		r = vchan_tell(v, VCHAN_ASK_CONSUMED);
		if (r)
			v->rx_error = r;
		data += m;
		n -= m;
	}
	stats_add(&v->stats->received.bytes, all);
}

/*
 * The next message is likely to be as long as this one, and where it will lie
 * was last in the consumer's cache. Beyond a page, the processor's own
 * prefetching does as well, and ours would take lines from a consumer at work.
 */
#define PREFETCH_MAX 4096

/* n bytes that there is room for, published every `piece` */
static void tx_put(struct vchan *v, const uint8_t *data, uint32_t n,
		   uint32_t piece)
{
	uint32_t all = n;

	while (n) {
		uint32_t m = min_u32(n, piece);
		int r;

		bytering_copy_in(&v->tx, data, m);
		bytering_advance(&v->tx, m);
		r = vchan_tell(v, VCHAN_ASK_WRITTEN);
		if (r)
			v->tx_error = r;
		data += m;
		n -= m;
	}
	if (all <= PREFETCH_MAX)
		bytering_prefetch(&v->tx, all);
	stats_add(&v->stats->sent.bytes, all);
}

/* A packet is moved whole or not at all. */
static struct need need_packet(size_t size)
{
	return (struct need){ (uint32_t)size, (uint32_t)size, (uint32_t)size };
}

static int rx_packet(struct vchan *v, void *data, size_t size)
{
	struct need need = need_packet(size);
	uint32_t n;
	int r = rx_start(v);

	if (r)
		return r;
	if (size > v->rx.size)
		return -EMSGSIZE;
	r = rx_await(v, &need, &n);
	if (r || n < size)
		return r;
	rx_take(v, data, (uint32_t)size);
	return (int)size;
}

/*
 * Takes what is there, and what comes while that is copied: a peer that writes
 * a large message publishes it piece by piece.
 */
static int rx_stream_take(struct vchan *v, uint8_t *data, uint32_t all,
			  uint32_t n, uint32_t *done)
{
	int r = 0;

	*done = 0;
	while (!r && n) {
		n = min_u32(all - *done, n);
		rx_take(v, data + *done, n);
		*done += n;
		if (*done == all)
			return 0;
		r = rx_refresh(v, &n);
		if (!r && !n && v->pub.blocking)
			r = spin_for(v, &incoming, 1, &n);
	}
	return r;
}

static int rx_stream(struct vchan *v, uint8_t *data, size_t size)
{
	uint32_t all = min_u32(size, INT_MAX), n, done = 0;
	struct need need = { .min = 1, .want = all, .ask = 1 };
	int r = rx_start(v);

	if (r)
		return r;
	if (!size) {
		r = rx_refresh(v, &n);
		return r || n ? r : end_of_wait(v, &incoming);
	}
	r = rx_await(v, &need, &n);
	while (!r && n) {
		uint32_t took;

		r = rx_stream_take(v, data, all - done, n, &took);
		data += took;
		done += took;
		if (r || done == all)
			break;
		/*
		 * A short read asks: the caller may go and wait for the
		 * descriptor. What came before the peer could see that has
		 * no event, and has to be taken now.
		 */
		r = ask_and_look(v, &incoming, &n);
	}
	return r ? r : (int)done;
}

static int tx_packet(struct vchan *v, enum vchan_state state, const void *data,
		     size_t size)
{
	struct need need = need_packet(size);
	uint32_t n;
	int r = tx_start(v, state);

	if (r)
		return r;
	if (size > v->tx.size)
		return -EMSGSIZE;
	r = tx_await(v, &need, &n);
	if (r || n < size)
		return r;
	tx_put(v, data, (uint32_t)size, v->tx.size);
	return (int)size;
}

/*
 * A blocking write never returns short, so that it asks only before it sleeps;
 * one that does not block asks whenever it cannot take all.
 */
static struct need need_stream(struct vchan *v, uint32_t left)
{
	if (v->pub.blocking)
		return (struct need){ 1, min_u32(left, v->tx.size), 1 };
	return (struct need){ 1, left, left };
}

static int tx_stream(struct vchan *v, enum vchan_state state,
		     const uint8_t *data, size_t size)
{
	uint32_t all = min_u32(size, INT_MAX), done = 0;
	int r = tx_start(v, state);

	while (!r && done < all) {
		struct need need = need_stream(v, all - done);
		uint32_t n;

		r = tx_await(v, &need, &n);
		if (r || !n)
			break;
		n = min_u32(all - done, n);
		tx_put(v, data + done, n, piece_of(&v->tx));
		done += n;
		if (!v->pub.blocking)
			break;
	}
	if (r && !done)
		return r;
	/* What was sent counts; the next call reports how it ended. */
	if (r && r != -EINTR)
		v->tx_error = r;
	return (int)done;
}

/* The exported form of an error; what a call has moved is one call. */
static int result(int r, struct stats_flow *flow)
{
	if (r > 0)
		stats_add(&flow->calls, 1);
	if (r >= 0)
		return r;
	errno = -r;
	return -1;
}

int libxenvchan_recv(struct libxenvchan *ctrl, void *data, size_t size)
{
	struct vchan *v = vchan_of(ctrl);

	return result(rx_packet(v, data, size), &v->stats->received);
}

int libxenvchan_read(struct libxenvchan *ctrl, void *data, size_t size)
{
	struct vchan *v = vchan_of(ctrl);

	return result(rx_stream(v, data, size), &v->stats->received);
}

int libxenvchan_send(struct libxenvchan *ctrl, const void *data, size_t size)
{
	struct vchan *v = vchan_of(ctrl);
	int r;

	r = tx_packet(v, vchan_tx_enter(v), data, size);
	vchan_tx_leave(v);
	return result(r, &v->stats->sent);
}

int libxenvchan_write(struct libxenvchan *ctrl, const void *data, size_t size)
{
	struct vchan *v = vchan_of(ctrl);
	int r;

	r = tx_stream(v, vchan_tx_enter(v), data, size);
	vchan_tx_leave(v);
	return result(r, &v->stats->sent);
}

/* The peer is asked in any case: there is never as much as UINT32_MAX. */
static int count(struct vchan *v, enum vchan_state state,
		 const struct direction *d)
{
	bool lost = state == VCHAN_CONNECTING || state == VCHAN_CORRUPT;
	uint32_t n = 0;
	int r = lost ? vchan_state_error(state) : ask_and_look(v, d, &n);

	if (!r)
		return (int)n;
	errno = -r;
	return 0;
}

int libxenvchan_data_ready(struct libxenvchan *ctrl)
{
	struct vchan *v = vchan_of(ctrl);

	return count(v, vchan_look(v), &incoming);
}

int libxenvchan_buffer_space(struct libxenvchan *ctrl)
{
	struct vchan *v = vchan_of(ctrl);
	enum vchan_state state = vchan_tx_enter(v);
	int n;

	/* Programs ask a closed vchan how much was left unread. */
	if (v->is_server && (state == VCHAN_CLOSED || state == VCHAN_DIED))
		n = (int)v->space_at_end;
	else
		n = count(v, state, &outgoing);
	vchan_tx_leave(v);
	return n;
}
