/* SPDX-License-Identifier: MIT */
/*
 * What happens to bytes that have been copied: they are given to the peer, and
 * it is told. Inline: this is all that a small message costs.
 */
#ifndef XENCHAN_VCHAN_MOVE_H
#define XENCHAN_VCHAN_MOVE_H

#include "vchan/private.h"

/*
 * Large transfers are published piece by piece, so that a peer that is awake
 * copies one while we copy the next, and need not poll for long until it comes:
 * 16 KiB take 8 us where caches are far apart.
 */
#define VCHAN_PIECE_MAX 16384u

static inline uint32_t vchan_piece(const struct bytering *r)
{
	uint32_t half = r->size / 2;

	return half < VCHAN_PIECE_MAX ? half : VCHAN_PIECE_MAX;
}

/* n bytes have been copied out: the peer may overwrite them. */
static inline void vchan_rx_give(struct vchan *v, uint32_t n)
{
	if (v->pub.server_persist)
		bytering_zero(&v->rx, n);
	bytering_advance(&v->rx, n);
	stats_add(&v->stats->received.bytes, n);
}

/* After vchan_rx_give(), which ends with a full fence. */
static inline void vchan_rx_tell(struct vchan *v)
{
	/* An event that cannot be sent is owed: notify.c */
	(void)vchan_tell(v, VCHAN_ASK_CONSUMED);
}

static inline void vchan_rx_done(struct vchan *v, uint32_t n)
{
	vchan_rx_give(v, n);
	vchan_rx_tell(v);
}

/* n bytes have been copied in: the peer may have them. */
static inline void vchan_tx_give(struct vchan *v, uint32_t n)
{
	bytering_advance(&v->tx, n);
	stats_add(&v->stats->sent.bytes, n);
}

/* After vchan_tx_give(), which ends with a full fence. */
static inline void vchan_tx_tell(struct vchan *v)
{
	(void)vchan_tell(v, VCHAN_ASK_WRITTEN);
}

static inline void vchan_tx_done(struct vchan *v, uint32_t n)
{
	vchan_tx_give(v, n);
	vchan_tx_tell(v);
}

#endif
