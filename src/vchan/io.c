// SPDX-License-Identifier: MIT
/* Moving bytes: the four calls that move them and the two that count them. */
#include <errno.h>
#include <limits.h>

#include "vchan/await.h"
#include "vchan/move.h"

static uint32_t min_u32(size_t a, uint32_t b)
{
	return a < b ? (uint32_t)a : b;
}

/* The end of the vchan, or an event that is owed and cannot be sent. */
static int rx_start(struct vchan *v)
{
	enum vchan_state state = vchan_state(v);

	/* What a closed vchan holds is readable. */
	if (vchan_state_has_ended(state))
		return 0;
	return vchan_state_error(state) ? vchan_state_error(state)
					: vchan_tell_again(v);
}

static int tx_start(struct vchan *v, enum vchan_state state)
{
	int end = v->finished ? -EPIPE : vchan_state_error(state);
	int r = v->tx_error;

	v->tx_error = 0;
	if (end)
		return end;
	return r ? r : vchan_tell_again(v);
}

/*
 * A peer that sleeps is woken at the first piece of a large transfer, and needs
 * as long to wake up as we to copy some more; it may fall asleep again, and is
 * woken every eighth of the ring. Not so where both ends share one processor: each
 * event would only take it away from us, for one more piece.
 */
static bool tells_early(const struct vchan *v, const struct spin *s,
			const struct bytering *r, uint32_t *untold,
			uint32_t piece)
{
	if (v->spin_ns > 0 && spin_shares_cpu(s))
		return false;
	*untold += piece;
	if (*untold < r->size / 8)
		return false;
	*untold = 0;
	return true;
}

/* n bytes that are there */
static void rx_take(struct vchan *v, uint8_t *data, uint32_t n)
{
	uint32_t piece = vchan_piece(&v->rx), untold = v->rx.size;

	v->rx_span = 0;
	while (n > piece) {
		bytering_copy_out(&v->rx, data, piece);
		vchan_rx_give(v, piece);
		if (tells_early(v, &v->rx_spin, &v->rx, &untold, piece))
			vchan_rx_tell(v);
		data += piece;
		n -= piece;
	}
	bytering_copy_out(&v->rx, data, n);
	vchan_rx_done(v, n);
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
	uint32_t untold = v->tx.size;

	v->tx_span = 0;
	while (n > piece) {
		bytering_copy_in(&v->tx, data, piece);
		vchan_tx_give(v, piece);
		if (tells_early(v, &v->tx_spin, &v->tx, &untold, piece))
			vchan_tx_tell(v);
		data += piece;
		n -= piece;
	}
	bytering_copy_in(&v->tx, data, n);
	vchan_tx_done(v, n);
	if (n <= PREFETCH_MAX)
		bytering_prefetch(&v->tx, n);
}

/* A packet is moved whole or not at all. */
static struct need need_packet(size_t size)
{
	return (struct need){ (uint32_t)size, (uint32_t)size, (uint32_t)size };
}

int vchan_rx_wait(struct vchan *v, uint32_t min, uint32_t *n)
{
	struct need need = need_packet(min);
	int r = rx_start(v);

	return r ? r : vchan_rx_await(v, &need, n);
}

int vchan_tx_wait(struct vchan *v, enum vchan_state state, uint32_t min,
		  uint32_t *n)
{
	struct need need = need_packet(min);
	int r = tx_start(v, state);

	return r ? r : vchan_tx_await(v, &need, n);
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
	r = vchan_rx_await(v, &need, &n);
	if (r || n < size)
		return r;
	rx_take(v, data, (uint32_t)size);
	return (int)size;
}

/*
 * Takes what is there, and what comes while that is copied: a peer that writes
 * a large message publishes it piece by piece. Only after a whole piece is the
 * next one waited for: less is the end of what there was.
 */
static int rx_stream_take(struct vchan *v, uint8_t *data, uint32_t all,
			  uint32_t n, uint32_t *done)
{
	int r = 0;

	*done = 0;
	while (!r && n) {
		bool whole = n >= vchan_piece(&v->rx);

		n = min_u32(all - *done, n);
		rx_take(v, data + *done, n);
		*done += n;
		if (*done == all)
			return 0;
		r = vchan_rx_refresh(v, &n);
		if (!r && !n && whole && v->pub.blocking)
			r = vchan_spin_for(v, &vchan_next_piece, 1, &n);
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
		r = vchan_rx_refresh(v, &n);
		return r || n ? r : vchan_end_of_wait(v, &vchan_incoming);
	}
	r = vchan_rx_await(v, &need, &n);
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
		r = vchan_ask_and_look(v, &vchan_incoming, &n);
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
	r = vchan_tx_await(v, &need, &n);
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

		r = vchan_tx_await(v, &need, &n);
		if (r || !n)
			break;
		n = min_u32(all - done, n);
		tx_put(v, data + done, n, vchan_piece(&v->tx));
		done += n;
		if (!v->pub.blocking)
			break;
	}
	if (r && !done)
		return r;
	/*
	 * What was sent counts; the next call reports how it ended, unless that
	 * is over: it has a wait, and a time, of its own.
	 */
	if (r && r != -EINTR && r != -ETIMEDOUT)
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
	int r = lost ? vchan_state_error(state) : vchan_ask_and_look(v, d, &n);

	if (!r)
		return (int)n;
	errno = -r;
	return 0;
}

int libxenvchan_data_ready(struct libxenvchan *ctrl)
{
	struct vchan *v = vchan_of(ctrl);

	return count(v, vchan_look(v), &vchan_incoming);
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
		n = count(v, state, &vchan_outgoing);
	vchan_tx_leave(v);
	return n;
}
