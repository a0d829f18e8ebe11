/* SPDX-License-Identifier: MIT */
/* What the calls of channel.h share. */
#ifndef XENCHAN_TOOLSTACK_NODES_H
#define XENCHAN_TOOLSTACK_NODES_H

#include <stdbool.h>
#include <xenstore.h>

#include "toolstack/channel.h"

struct console_path toolstack_frontend(unsigned int domid, unsigned int device);

/* Detached and closed at both ends, or one end's domain is gone. */
bool toolstack_is_leftover(const struct toolstack_channel *c);

/* Has a channel of this backend domain this path, and is no leftover? */
int toolstack_find_path(struct xs_handle *xs, unsigned int backend,
			const char *path, bool *found);

int toolstack_remove_nodes_in(struct xs_handle *xs, xs_transaction_t t,
			      unsigned int backend, unsigned int domid,
			      unsigned int device);

#endif
