// SPDX-License-Identifier: MIT
/*
 * Looking for bytes or for room, and waiting for them: what all calls that move
 * data begin with.
 *
 * An end that finds too little looks again after each step that could have
 * raced with the peer: after it has asked for an event (the peer may have
 * published just before), and after it has seen the peer leave (the peer
 * published, then left).
 */
#include <errno.h>
#include <sched.h>

#include "vchan/await.h"

/*
 * 0 and *n, what is there; -EPROTO. Every look at the peer's index passes here
 * or in tx_refresh(): a change is what its events were for.
 */
int vchan_rx_refresh(struct vchan *v, uint32_t *n)
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

const struct direction vchan_incoming = {
	vchan_rx_refresh,
	offsetof(struct vchan, rx_spin),
	offsetof(struct stats_slot, received),
	VCHAN_ASK_WRITTEN,
};
const struct direction vchan_next_piece = {
	vchan_rx_refresh,
	offsetof(struct vchan, piece_spin),
	offsetof(struct stats_slot, received),
	VCHAN_ASK_WRITTEN,
};
const struct direction vchan_outgoing = {
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

static int yield_for(struct vchan *v, const struct direction *d, uint32_t min,
		     uint32_t *n)
{
	struct spin *s = spin_of(v, d);
	int64_t start;
	int r;

	if (!spin_may_yield(s, v->spin_ns))
		return 0;
	stats_add(&flow_of(v, d)->yields, 1);
	start = clock_now_ns();
	sched_yield();
	r = d->refresh(v, n);
	spin_yield_end(s, *n >= min, clock_now_ns() - start);
	return r;
}

int vchan_spin_for(struct vchan *v, const struct direction *d, uint32_t min,
		   uint32_t *n)
{
	const struct direction *other =
		d == &vchan_outgoing ? &vchan_incoming : &vchan_outgoing;
	struct spin *s = spin_of(v, d);
	struct spin_wait w;
	int r = 0;

	if (!spin_begin(s, &w, v->spin_ns, stats_get(&flow_of(v, other)->calls),
			d == &vchan_outgoing ? v->tx.size : v->rx.size))
		return yield_for(v, d, min, n);
	while (!r && *n < min && spin_pause(&w))
		r = d->refresh(v, n);
	spin_end(s, &w, *n >= min);
	stats_add(&flow_of(v, d)->spins, 1);
	if (*n >= min)
		stats_add(&flow_of(v, d)->spins_won, 1);
	return r;
}

int vchan_ask_and_look(struct vchan *v, const struct direction *d, uint32_t *n)
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
		r = vchan_spin_for(v, d, need->min, n);
	if (!r && *n < need->ask)
		r = vchan_ask_and_look(v, d, n);
	return r;
}

int vchan_end_of_wait(struct vchan *v, const struct direction *d)
{
	bool sends = d == &vchan_outgoing;
	enum vchan_state state = sends ? vchan_tx_look(v) : vchan_look(v);
	int r = vchan_state_error(state);

	if (r)
		return r;
	if (!sends)
		return vchan_peer_has_finished(v, state) ? -EPIPE : 0;
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
		r = vchan_end_of_wait(v, d);
		if (r && r != -EPROTO && d == &vchan_incoming) {
			/* What it sent before it left is there by now. */
			int e = d->refresh(v, n);

			return e ? e : *n >= need->min ? 0 : r;
		}
		if (r || !v->pub.blocking)
			return r;
		if (!deadline)
			deadline = deadline_in(v->timeout_ns);
		else if (clock_now_ns() >= deadline)
			return -ETIMEDOUT; /* events without end do not put it off */
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
	return *n ? 0 : look(v, &vchan_incoming, &need_any, false, n);
}

int vchan_look_outgoing(struct vchan *v, uint32_t *n)
{
	*n = bytering_space(&v->tx);
	return *n ? 0 : look(v, &vchan_outgoing, &need_any, false, n);
}

int vchan_rx_await(struct vchan *v, const struct need *need, uint32_t *n)
{
	*n = bytering_ready(&v->rx);
	return *n >= need->want ? 0 : await(v, &vchan_incoming, need, n);
}

int vchan_tx_await(struct vchan *v, const struct need *need, uint32_t *n)
{
	*n = bytering_space(&v->tx);
	return *n >= need->want ? 0 : await(v, &vchan_outgoing, need, n);
}
