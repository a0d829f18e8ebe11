// SPDX-License-Identifier: MIT
/*
 * The bytes of a channel: ring to spool to client, and client to ring.
 *
 * Each step is made so that SIGKILL between any two instructions loses nothing
 * (spool.h): what is published is recorded first, and given back after.
 */
#include <assert.h>

#include "backend/channel-private.h"

/* Of one turn. A ring holds 2 KiB, so twice as much is a guest in full swing. */
#define TURN_FROM_GUEST (2 * CONSOLE_RING_OUT_SIZE)
#define TURN_TO_GUEST (2 * CONSOLE_RING_IN_SIZE)
#define TURN_TO_CLIENT 65536

/* What a kill between writing and recording may repeat to a client. */
#define CLIENT_CHUNK 2048

/* How much of each direction a turn has moved. */
struct turn {
	size_t from_guest, to_guest, to_client;
};

/*
 * Room for n more bytes, by the policy: > 0 if there may be room now, 0 if the
 * guest has to wait, < 0 if n bytes were dropped instead.
 */
static int make_room(struct channel *c, size_t n)
{
	size_t used = spool_used(c->spool);

	if (c->config.overflow == CONSOLE_BLOCK)
		return 0;
	if (c->config.overflow == CONSOLE_DROP_OLDEST &&
	    spool_is_full(c->spool) && used) {
		spool_drop(c->spool, used < n ? used : n);
		return 1;
	}
	/* The newest go; of a spool that is not full, because there is no
	 * memory. */
	spool_skip(c->spool, n, console_ring_consumed(&c->ring) + (uint32_t)n);
	console_ring_consume(&c->ring, n);
	return -1;
}

static void take(struct channel *c, const void *data, size_t n)
{
	uint32_t next = console_ring_consumed(&c->ring) + (uint32_t)n;

	/* In this order: kept, recorded, given back. */
	spool_commit(c->spool, n, next);
	console_ring_consume(&c->ring, n);
	traffic_log_write(&c->log, "out", data, n);
}

/* Ring to spool. 0 or CONSOLE_RING_CORRUPT. */
static int take_from_guest(struct channel *c, struct turn *turn)
{
	while (turn->from_guest < TURN_FROM_GUEST) {
		size_t ready, room, n;
		void *space;
		int room_made, err = console_ring_ready(&c->ring, &ready);

		if (err || !ready)
			return err;
		space = spool_space(c->spool, ready, &room);
		if (!room) {
			room_made = make_room(c, ready);
			if (!room_made)
				return 0;
			if (room_made < 0)
				turn->from_guest += ready;
			continue;
		}
		err = console_ring_peek(&c->ring, space, room, &n);
		if (err)
			return err;
		take(c, space, n);
		turn->from_guest += n;
	}
	return 0;
}

/* Spool to client. */
static void give_to_client(struct channel *c, struct turn *turn)
{
	c->client_full = false;
	while (turn->to_client < TURN_TO_CLIENT) {
		size_t n;
		const void *data = spool_data(c->spool, &n);
		ssize_t done;

		if (!n)
			return;
		done = sink_write(c->sink, data,
				  n < CLIENT_CHUNK ? n : CLIENT_CHUNK);
		if (done < 0) {
			c->client_full = true;
			return;
		}
		spool_consume(c->spool, (size_t)done);
		turn->to_client += (size_t)done;
	}
}

/* The chunk that is ready goes into the ring, which has room for it. */
static int put_chunk(struct channel *c, size_t *n_r)
{
	size_t len = spool_state(c->spool)->chunk_len;
	int err = console_ring_write(&c->ring, spool_chunk(c->spool), len, n_r);

	if (err)
		return err;
	/* Room never shrinks, except by a lie: then it is the liar's loss. */
	traffic_log_write(&c->log, "in", spool_chunk(c->spool), *n_r);
	spool_chunk_done(c->spool);
	return 0;
}

/* Client to ring. *room: there is room left. 0 or CONSOLE_RING_CORRUPT. */
static int give_to_guest(struct channel *c, struct turn *turn, bool *room)
{
	*room = true;
	while (turn->to_guest < TURN_TO_GUEST) {
		size_t space, n;
		ssize_t got;
		int err = console_ring_space(&c->ring, &space);

		if (err)
			return err;
		*room = space > 0;
		if (!space)
			return 0;
		got = sink_peek(c->sink, spool_chunk_before(c->spool),
				space < SPOOL_CHUNK ? space : SPOOL_CHUNK);
		if (got <= 0)
			return 0;
		spool_chunk_begin(c->spool, (size_t)got);
		got = sink_read(c->sink, spool_chunk(c->spool), (size_t)got);
		spool_chunk_ready(c->spool, got > 0 ? (size_t)got : 0,
				  console_ring_produced(&c->ring));
		if (got <= 0)
			return 0;
		err = put_chunk(c, &n);
		if (err)
			return err;
		turn->to_guest += n;
	}
	return 0;
}

int channel_resume_chunk(struct channel *c, bool same_ring)
{
	const struct spool_state *st = spool_state(c->spool);
	size_t n;

	if (st->chunk_step == SPOOL_READING)
		spool_chunk_ready(c->spool, spool_chunk_got(c->spool),
				  console_ring_produced(&c->ring));
	st = spool_state(c->spool);
	if (st->chunk_step != SPOOL_READY)
		return 0;
	/* Was it put into the ring before its end was recorded? */
	if (same_ring && console_ring_produced(&c->ring) != st->chunk_in_prod) {
		spool_chunk_done(c->spool);
		return 0;
	}
	return put_chunk(c, &n);
}

void channel_take_back(struct channel *c)
{
	size_t n;

	if (!link_is_up(&c->link) ||
	    spool_state(c->spool)->chunk_step != SPOOL_IDLE ||
	    console_ring_recall(&c->ring, spool_chunk(c->spool), &n))
		return;
	/* Until the ring is let go of they are in it: a successor that finds
	 * both sees by the index that they need not be put there again. */
	if (n)
		spool_chunk_return(c->spool, n,
				   console_ring_produced(&c->ring) -
					   (uint32_t)n);
}

void channel_drain(struct channel *c)
{
	struct turn turn = { 0 };
	size_t before, after;

	if (!link_is_up(&c->link))
		return;
	/* A client that reads makes room in a full spool: for what is still in
	 * the ring, which nobody takes later. */
	do {
		before = turn.from_guest + turn.to_client;
		if (take_from_guest(c, &turn))
			return;
		if (c->sink)
			give_to_client(c, &turn);
		after = turn.from_guest + turn.to_client;
	} while (after != before);
}

static bool is_more(const struct channel *c, const struct turn *turn)
{
	return turn->from_guest >= TURN_FROM_GUEST ||
	       turn->to_guest >= TURN_TO_GUEST ||
	       (turn->to_client >= TURN_TO_CLIENT && spool_used(c->spool));
}

/* What the client's descriptor is to wake us for. */
static void set_wants(struct channel *c, bool room)
{
	if (c->sink)
		sink_want(c->sink, room,
			  c->client_full && spool_used(c->spool));
}

static int move_both_ways(struct channel *c, struct turn *turn, bool *room)
{
	size_t space;
	int err = take_from_guest(c, turn);

	if (err)
		return err;
	if (c->sink)
		give_to_client(c, turn);
	/* The client may have made the room that the guest waits for. */
	err = take_from_guest(c, turn);
	if (!err && c->sink)
		err = give_to_guest(c, turn, room);
	else if (!err)
		err = console_ring_space(&c->ring, &space);
	return err;
}

static int move_with_guest(struct channel *c, struct turn *turn, bool *room)
{
	uint32_t out_prod = c->ring.rx.peer, in_cons = c->ring.tx.peer;
	int err = move_both_ways(c, turn, room);

	c->progress += c->ring.rx.peer != out_prod;
	c->progress += c->ring.tx.peer != in_cons;
	return err;
}

enum move_result channel_move_bytes(struct channel *c)
{
	struct turn turn = { 0 };
	bool room = false;

	if (link_is_up(&c->link)) {
		if (move_with_guest(c, &turn, &room))
			return MOVE_CORRUPT;
		if (turn.from_guest || turn.to_guest || c->link.owed)
			link_notify(&c->link);
	} else if (c->sink) {
		give_to_client(c, &turn);
	}
	set_wants(c, room);
	if (is_more(c, &turn))
		return MOVE_MORE;
	return turn.from_guest || turn.to_guest || turn.to_client
		       ? MOVE_SOME
		       : MOVE_NOTHING;
}
