/* SPDX-License-Identifier: MIT */
/* What the calls of channel.h share. */
#ifndef XENCHAN_TOOLSTACK_NODES_H
#define XENCHAN_TOOLSTACK_NODES_H

#include <stdbool.h>
#include <xenstore.h>

#include "toolstack/channel.h"

/*
 * Runs fn in a transaction, and again if it met another's changes, up to 64
 * times. fn returns 0 to commit; all else ends the transaction without effect
 * and is returned, -EAGAIN too.
 */
int toolstack_transact(struct xs_handle *xs,
		       int (*fn)(void *userdata, xs_transaction_t t),
		       void *userdata);

struct console_path toolstack_frontend(unsigned int domid, unsigned int device);

/* A text that is no state is CONSOLE_STATE_UNKNOWN. 0 or a negative errno. */
int toolstack_read_state(struct xs_handle *xs, xs_transaction_t t,
			 const char *path, enum console_state *out);

/* Detached and closed at both ends, or one end's domain is gone. */
bool toolstack_is_leftover(const struct toolstack_channel *c);

/* Has a channel of this backend domain this path, and is no leftover? */
int toolstack_find_path(struct xs_handle *xs, unsigned int backend,
			const char *path, bool *found);

int toolstack_remove_nodes_in(struct xs_handle *xs, xs_transaction_t t,
			      unsigned int backend, unsigned int domid,
			      unsigned int device);

/* Random; id has CONSOLE_ID_LEN + 1 bytes. 0 or a negative errno. */
int toolstack_make_id(char *id);

void toolstack_pause_ms(unsigned int ms);

#endif
