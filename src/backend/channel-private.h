/* SPDX-License-Identifier: MIT */
#ifndef XENCHAN_BACKEND_CHANNEL_PRIVATE_H
#define XENCHAN_BACKEND_CHANNEL_PRIVATE_H

#include "backend/channel.h"
#include "backend/log.h"
#include "backend/nodes.h"
#include "backend/retry.h"
#include "backend/sink.h"
#include "backend/spool.h"
#include "backend/traffic-log.h"

/*
 * Events of a guest within a window, beyond which it has to wait: in all, and
 * beyond two for each time that it had moved an index, one for each direction.
 */
#define STORM_WINDOW_MS 200
#define STORM_EVENTS 10000
#define STORM_USELESS 30

struct storm {
	uint64_t since_ms;
	unsigned int n;
	uint64_t progress; /* what the channel's was when it began */
	bool throttled;
};

struct channel {
	const struct channel_host *host; /* borrowed */
	void *owner;                     /* the server's; borrowed */
	struct channel_address address;
	struct channel_config config;
	enum channel_state state;
	uint64_t closing_since_ms, leaving_since_ms;
	bool leaving;

	struct spool *spool; /* owned */
	struct sink *sink;   /* owned; NULL: it could not be opened */
	struct traffic_log log;
	struct link link;
	struct console_ring ring; /* valid while the link is up */

	uint64_t progress; /* how often the guest was seen to move an index */
	bool begun;        /* it has been refreshed */
	bool guest_open;   /* as it last said */
	bool events_seen;  /* since the last poll */
	bool silent;       /* it wrote without an event */
	bool client_full;  /* the last write to the client was refused */
	struct retry link_retry, sink_retry, node_retry;
	enum console_state unwritten;   /* or UNKNOWN: its state is */
	bool sink_unwritten;            /* where its clients find it */
	uint32_t tried_ref, tried_port; /* of the link, last */
	int sink_error;                 /* the last that was said */
	bool has_error;                 /* its node may say something */
	bool short_said; /* that the spool has too little memory */
	struct storm storm;
	struct log_limit log_limit;
};

/* channel-move.c */

enum move_result {
	MOVE_NOTHING,
	MOVE_SOME,
	MOVE_MORE,    /* and there is more at once */
	MOVE_CORRUPT, /* the ring is impossible */
};

/* Moves bytes both ways, and tells the guest. */
enum move_result channel_move_bytes(struct channel *c);

/* All that is in the ring, as far as there is room; before it is let go. */
void channel_drain(struct channel *c);

/* What the guest has not read of its ring is kept for the next ring. */
void channel_take_back(struct channel *c);

/* A chunk towards the guest that a former process had begun. 0 or
 * CONSOLE_RING_CORRUPT. */
int channel_resume_chunk(struct channel *c, bool same_ring);

/* channel-link.c */

/*
 * Takes up the ring and the port that the guest names. False: it cannot, yet;
 * or the channel is quarantined now.
 */
bool channel_connect_guest(struct channel *c, const struct channel_view *v);

/*
 * The link is up. A guest that resumes from a suspension may have emptied its
 * ring: true, and it is taken up as a new one. False: it has not, or the ring
 * is impossible all the same.
 */
bool channel_follow_reset(struct channel *c);

/* In order: nothing of either direction is lost with the ring. */
void channel_let_guest_go(struct channel *c);

/* What the guest names next is another ring, and if it has the same numbers. */
void channel_forget_ring(struct channel *c);

/* Is what the guest names the ring that is on record, by its numbers? */
bool channel_ring_is_recorded(const struct channel *c,
			      const struct channel_view *v);

void channel_quarantine(struct channel *c, const char *why);

/* channel-life.c */

void channel_set_state(struct channel *c, enum channel_state s);
void channel_write_state(struct channel *c, enum console_state s);
/* A failed write of our own nodes, if one is still meant. */
void channel_write_again(struct channel *c);
void channel_close_guest(struct channel *c, const struct channel_view *v);

/* channel.c */

uint64_t channel_now_ms(const struct channel *c);
void channel_tell(const struct channel *c, const char *what,
		  const char *detail);

/* Where its clients find it. */
void channel_write_sink(struct channel *c);

/* A node that cannot be written is said, once in a while, and survived. */
void channel_say_unwritten(struct channel *c, int r);

/* To the log, to who watches, and into its node; and out of it when all that
 * failed has succeeded. */
void channel_report(struct channel *c, const char *error);
void channel_retract(struct channel *c);

/* If there is none, and can be one. What fails is tried again by the tick. */
void channel_open_sink(struct channel *c);

/* The guest learns whether there is a client, if it shall. */
void channel_signal_client(struct channel *c);

void channel_refresh_log(struct channel *c, const char *path);

/* "domain 3 channel 1 (name)", for the log. */
struct channel_label {
	char s[96];
};
struct channel_label channel_label(const struct channel *c);

#endif
