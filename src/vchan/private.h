/* SPDX-License-Identifier: MIT */
/*
 * A vchan inside the library: the public structure, and behind it what the
 * library alone knows. Nothing that decides anything is read back from the
 * shared page or from the public structure, except `blocking` and
 * `server_persist`, which programs set.
 */
#ifndef XENCHAN_VCHAN_PRIVATE_H
#define XENCHAN_VCHAN_PRIVATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "libxenvchan-ext.h"
#include "shm/bytering.h"
#include "vchan/gate.h"
#include "vchan/page.h"
#include "vchan/report.h"
#include "vchan/spin.h"
#include "vchan/stats-file.h"
#include "xen/nodes.h"
#include "xen/peer.h"

/*
 * What is known of the peer. Each state says what may be done in it.
 *
 *  CONNECTING --> OPEN <--> CLOSED, DIED     every state --> GONE, CORRUPT
 *  WAITING <-----> OPEN
 *
 * Only a server comes back from CLOSED or DIED, when another client connects or
 * by rearming; with server_persist it is WAITING instead.
 */
enum vchan_state {
	/* A client whose server is not there yet: wait for it. */
	VCHAN_CONNECTING,
	/* A server without a client: write into the ring, wait for one. */
	VCHAN_WAITING,
	/* Read and write. */
	VCHAN_OPEN,
	/* The peer left: read what it has sent. Final for a client. */
	VCHAN_CLOSED,
	/* The same, and it did not mean to: its process ended. */
	VCHAN_DIED,
	/* The same: its domain ended. */
	VCHAN_GONE,
	/* The peer broke the protocol: nothing. */
	VCHAN_CORRUPT,
};

static inline bool vchan_state_has_ended(enum vchan_state state)
{
	return state == VCHAN_CLOSED || state == VCHAN_DIED ||
	       state == VCHAN_GONE;
}

int vchan_state_failure(enum vchan_state state);

/* Why a call that needs the peer fails in an ended state, negative, or 0. */
static inline int vchan_state_error(enum vchan_state state)
{
	return state == VCHAN_OPEN ? 0 : vchan_state_failure(state);
}

enum vchan_node {
	VCHAN_NODE_RING_REF,
	VCHAN_NODE_EVENT_CHANNEL,
	VCHAN_NODE_N,
};

struct vchan {
	struct libxenvchan pub; /* first: callers hold a pointer to it */

	bool is_server;
	unsigned int domain; /* the peer's */
	char *path;
	pid_t pid; /* the process that may use it; see close.c */
	struct report report;
	struct stats_slot *stats; /* never NULL; see stats.c */

	/* Owned: handles and mappings, NULL until made. */
	union {
		xengntshr_handle *gntshr;
		xengnttab_handle *gnttab;
	};
	xenevtchn_handle *event;
	uint32_t port; /* 0: none */
	struct vchan_page *page;
	struct shm_byte *left_pages, *right_pages; /* of rings outside it */
	unsigned int left_order, right_order;
	struct xs_handle *xs; /* a reference */
	bool announced; /* the peer may know of us: it has to be told the end */
	struct xen_node nodes[VCHAN_NODE_N];

	/* Borrowed: places in the page. */
	struct shm_u8 *live_own;
	struct shm_u8 *live_peer;
	struct shm_u8 *ask;   /* where we ask to be told */
	struct shm_u8 *asked; /* where the peer asks to be told */

	struct bytering rx; /* the reader's thread */
	struct bytering tx; /* the writer's thread; see clients.c */
	struct gate gate;
	bool gate_ready;
	atomic_int state;     /* enum vchan_state */
	int64_t next_attempt; /* to connect; 0: at once */
	bool unseen;          /* the last attempt found no nodes of a server */
	int epoll, timer;     /* libxenvchan_event_fd()'s, or -1 */
	bool finished;        /* we have said FIN */
	int64_t timeout_ns;   /* of a wait without progress; negative: none */
	/* Whether the peer's domain is there: see xen/peer.h. */
	char *ref_path; /* a client's: the node to look for */
	struct xen_peer_misses misses;
	int64_t spin_ns; /* how long to poll before a sleep */
	struct spin rx_spin, tx_spin, piece_spin;
	/* How a write ended that has sent something: the next one reports it. */
	int tx_error;
	atomic_uint untold; /* events that could not be sent: see notify.c */

	/*
	 * A server's: see clients.c. Its two threads share what is known of its
	 * clients:
	 *
	 *			written by		read by
	 *  tx_busy		whoever takes it	-
	 *  state		who has tx_busy; GONE	anyone
	 *			and CORRUPT anyone
	 *  departed, marked,	who has tx_busy		anyone, as a hint
	 *  n_changes
	 *  end_told		also wait()		anyone, as a hint
	 *  client_came		also who tells		anyone, as a hint
	 *  seen_gone		who has not got tx_busy	who has it
	 *  flush_due, n_swaps,	who has tx_busy		who has it
	 *  space_at_end, tx,
	 *  tx_span, _lost
	 *
	 * A hint may be out of date, and decides only whether to take tx_busy
	 * and look. libxenvchan_rearm() has no other thread beside it.
	 */
	atomic_flag tx_busy;
	atomic_bool client_came;
	atomic_bool departed; /* the last client's end has been dealt with */
	atomic_bool end_told; /* and wait() has returned for it */
	atomic_bool marked;
	atomic_uint n_changes; /* in who is there; never 0 */
	atomic_uint
		seen_gone; /* n_changes when a client was seen to go, or 0 */
	bool flush_due;
	unsigned int n_swaps;  /* clients that came unseen, by the marks */
	uint32_t space_at_end; /* of tx, with what the last client left */

	/* What the last peek and reserve have shown: see span.c. */
	uint32_t rx_span, tx_span;
	bool tx_span_lost; /* the client it was for has left */
};

/* What is known already, without a look at the page. */
static inline enum vchan_state vchan_state(struct vchan *v)
{
	return atomic_load_explicit(&v->state, memory_order_acquire);
}

static_assert(offsetof(struct vchan, pub) == 0, "callers hold &v->pub");

static inline struct vchan *vchan_of(struct libxenvchan *ctrl)
{
	return (struct vchan *)(void *)ctrl;
}

/* setup.c: what both ends do */

/* The steps of an init; each reports its failure and returns it, negative. */
int vchan_check_arguments(const struct report *rep, int domain);
/* An object with nothing acquired; vchan_free() takes it back. */
int vchan_new(const struct report *rep, bool is_server, struct vchan **out);
int vchan_open_event(struct vchan *v);
int vchan_open_store(struct vchan *v);
/* Points rings, flags and the public structure at the mapped page. */
int vchan_attach_rings(struct vchan *v);
/* Takes the rings up where the page says they are. */
int vchan_seed_rings(struct vchan *v);

/* client.c: a whole attempt; after a failure, vchan_release() is due. */
int vchan_client_start(struct vchan *v);

/*
 * connect.c: an attempt, unless the last was too recent. 0: connected; -EAGAIN:
 * not yet; else why it cannot be.
 */
int vchan_connect_step(struct vchan *v);

/* close.c */

/* Gives back whatever an init has acquired: what vchan_new() made remains. */
void vchan_release(struct vchan *v);
/* Releases, and frees v. NULL is allowed. */
void vchan_free(struct vchan *v);
DEFINE_CLEANUP(struct vchan *, vchan, vchan_free)

/* session.c: who is at the other end */

/* Goes to another state, and lets those who look from outside know. */
void vchan_set_state(struct vchan *v, enum vchan_state state);
/* Looks at the peer's live byte and returns the state that follows from it. */
enum vchan_state vchan_look(struct vchan *v);
/* Whether the page has nothing to say any more, or not yet. */
bool vchan_is_settled(struct vchan *v, enum vchan_state state);
/*
 * Goes to another state, and returns the one in which v is then: GONE and CORRUPT are
 * final, whatever another thread sees at the same time.
 */
enum vchan_state vchan_change_state(struct vchan *v, enum vchan_state state);
/* How it ended, the live byte being 0: only a peer of our kind says BYE. */
enum vchan_state vchan_end_of_peer(struct vchan *v);
/* The live byte has a value that means nothing. Returns CORRUPT. */
enum vchan_state vchan_corrupt_live(struct vchan *v);
/*
 * Whether the peer that is here has said that it will write no more; state: of a
 * look just now.
 */
bool vchan_peer_has_finished(struct vchan *v, enum vchan_state state);
/*
 * Waits for an event, and looks now and then whether the peer's domain is still
 * there; with a deadline of 0 it does not wait. 0: something may have changed;
 * -EINTR; -ETIMEDOUT at the deadline.
 */
int vchan_wait_for_event(struct vchan *v, uint64_t seen, int64_t deadline);
/* The same, counted as a wait for neither direction; 0: it is no wait. */
int vchan_wait_for_anything(struct vchan *v, uint64_t seen, int64_t deadline);
/* The peer broke the protocol. Returns -EPROTO. */
int vchan_corrupt(struct vchan *v, const char *how);

/* clients.c: a server's clients */

/* As vchan_look(), of a server that is not settled. */
enum vchan_state vchan_look_for_client(struct vchan *v);
/*
 * Bracket the use of tx, which the cleanup after a departed client writes too.
 * The first looks at the peer; between them, the second looks again, and the third
 * tells whether the client has left since.
 */
enum vchan_state vchan_tx_enter(struct vchan *v);
enum vchan_state vchan_tx_look(struct vchan *v);
bool vchan_tx_client_left(struct vchan *v);
void vchan_tx_leave(struct vchan *v);

/* stats.c */

/* Where v counts. 0 or -ENOMEM. */
int vchan_stats_open(struct vchan *v);
/* May be called twice, and in a child of fork(2). */
void vchan_stats_close(struct vchan *v);

/* await.c; see await.h */

/*
 * 0 and *n, what can be read or written without waiting; where it is nothing,
 * the peer has been asked for an event. -EPROTO.
 */
int vchan_look_incoming(struct vchan *v, uint32_t *n);
int vchan_look_outgoing(struct vchan *v, uint32_t *n);

/* io.c */

/*
 * As recv and send: wait for min bytes, which are at most the ring. 0 and *n,
 * all that is known to be there; *n < min only if not blocking; negative errno.
 */
int vchan_rx_wait(struct vchan *v, uint32_t min, uint32_t *n);
int vchan_tx_wait(struct vchan *v, enum vchan_state state, uint32_t min,
		  uint32_t *n);
/* notify.c: events, on demand */

/* Asks the peer to tell of `what`; to be followed by another look. 0, -EPROTO */
int vchan_ask(struct vchan *v, uint8_t what);
/* Sends the event for which the peer has asked. 0 or negative errno. */
int vchan_tell_asked(struct vchan *v, uint8_t what);

/*
 * Tells the peer, if it has asked. To be preceded by a full fence, which orders
 * the index that was published before this load. Pairs with the fence of the
 * peer's vchan_ask(). 0 or negative errno.
 */
static inline int vchan_tell(struct vchan *v, uint8_t what)
{
	return shm_load_u8(v->asked) & what ? vchan_tell_asked(v, what) : 0;
}

/*
 * Sends the events that could not be sent: before this end waits, because the
 * peer may be waiting for them. 0 or negative errno.
 */
int vchan_tell_untold(struct vchan *v);

static inline int vchan_tell_again(struct vchan *v)
{
	return atomic_load_explicit(&v->untold, memory_order_relaxed)
		       ? vchan_tell_untold(v)
		       : 0;
}

#endif
