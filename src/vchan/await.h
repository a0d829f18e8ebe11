/* SPDX-License-Identifier: MIT */
/* Looking and waiting for bytes that came, or for room: see await.c. */
#ifndef XENCHAN_VCHAN_AWAIT_H
#define XENCHAN_VCHAN_AWAIT_H

#include "vchan/private.h"

/* One direction of a vchan, as far as waiting for it goes. */
struct direction;
extern const struct direction vchan_incoming, vchan_outgoing;
/* What a call could return without: a history of its own. */
extern const struct direction vchan_next_piece;

/* What a caller needs, in bytes. */
struct need {
	uint32_t min;  /* it can begin with this */
	uint32_t want; /* it would move this much, if it were there */
	uint32_t ask;  /* below this the peer is asked for an event */
};

/*
 * Until at least need->min can be moved: 0 and *n; *n < need->min only if not
 * blocking. -EPIPE, -EHOSTDOWN: the peer has left, and it cannot; -ETIMEDOUT,
 * -EINTR, -EPROTO. Does not look at the page if need->want is known to be there.
 */
int vchan_rx_await(struct vchan *v, const struct need *need, uint32_t *n);
int vchan_tx_await(struct vchan *v, const struct need *need, uint32_t *n);

/* One look, without waiting: 0 and *n, what is there; -EPROTO. */
int vchan_rx_refresh(struct vchan *v, uint32_t *n);

/*
 * Polls for a moment until min can be moved, or lets a peer on this CPU work,
 * without asking for an event: a peer that is at work need not send any. 0 and *n, whether it came or not;
 * -EPROTO.
 */
int vchan_spin_for(struct vchan *v, const struct direction *d, uint32_t min,
		   uint32_t *n);

/* 0 and *n, what can be moved now, the peer being asked for more; -EPROTO. */
int vchan_ask_and_look(struct vchan *v, const struct direction *d, uint32_t *n);

/*
 * Whether a wait can end otherwise than by what it waits for: 0, or why,
 * negative.
 */
int vchan_end_of_wait(struct vchan *v, const struct direction *d);

#endif
