/* SPDX-License-Identifier: MIT */
/*
 * One channel: its nodes, its ring, its spool, its clients, and the life that
 * ties them together (life.h).
 *
 * Bytes move whenever something may have changed: an event of the guest's, a
 * client's descriptor, a poll. Each time, a bounded amount: what is left is
 * reported, and the server comes back after the others had their turn.
 */
#ifndef XENCHAN_BACKEND_CHANNEL_H
#define XENCHAN_BACKEND_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include <xenstore.h>

#include "backend/life.h"
#include "backend/link.h"

struct channel;
struct fd_store;
struct pty_watch;

/* What all channels of a process share, and whom they tell. */
struct channel_host {
	uv_loop_t *loop;
	struct xs_handle *xs;
	struct xen_handles xen;
	struct fd_store *store;
	struct pty_watch *watch;
	int run_dir; /* of the spools */
	unsigned int backend;
	bool all_types;

	/* owner: what channel_new() was given. */
	/* The channel has a port from now on, or no longer. */
	int (*port_bound)(void *userdata, void *owner, uint32_t port);
	void (*port_unbound)(void *userdata, void *owner);
	/* There is more to move, when the others had their turn. */
	void (*again)(void *userdata, void *owner);
	/* For `xenchan channel events`. detail: "" or more */
	void (*event)(void *userdata, const struct channel *c, const char *what,
		      const char *detail);
	void *userdata;
};

/*
 * Looks at the nodes for the first time. 0; NODES_GONE or NODES_NOT_OURS
 * (backend/nodes.h): nothing for us; or a negative errno.
 */
int channel_new(struct channel **out, const struct channel_host *host,
		unsigned int domid, unsigned int device, void *owner);

/*
 * Lets go of everything, and leaves it so that the next process can take it up.
 * NULL is accepted.
 */
void channel_free(struct channel *c);

/*
 * The nodes are gone: nothing of the guest's is held any more, no client can
 * come any more. One that is there may read what the guest wrote last, until
 * channel_has_left().
 */
void channel_leave(struct channel *c);
bool channel_has_left(const struct channel *c);

/*
 * Something about the nodes has changed. 0; NODES_GONE: they are gone, or are
 * another attachment's: to be freed; or a negative errno.
 */
int channel_refresh(struct channel *c);

/*
 * An event has come. True: unmask the port now. False: this guest sends so many
 * that it has to wait; channel_is_throttled() says until when.
 */
bool channel_event(struct channel *c);
bool channel_is_throttled(const struct channel *c, uint64_t now_ms);

/* Moves bytes without having been told to. */
void channel_move(struct channel *c);

/*
 * A look at the ring every now and then, for guests that send no events; and an
 * event that is owed to one. True: look again soon.
 */
bool channel_poll(struct channel *c);

/*
 * Once a second or so: time-outs, and what failed before. True: to be refreshed,
 * for the same.
 */
bool channel_tick(struct channel *c);

/* Its clients' end failed, and may come to want what a former process held. */
bool channel_owes_sink(const struct channel *c);

void channel_reopen_log(struct channel *c);

struct channel_status {
	unsigned int domid, device;
	const char *name, *id;
	enum channel_state state;
	bool has_client;
	uint64_t from_guest, to_guest, dropped, waiting;
};

void channel_get_status(const struct channel *c, struct channel_status *out);

#endif
