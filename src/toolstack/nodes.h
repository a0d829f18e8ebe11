/* SPDX-License-Identifier: MIT */
/* What the calls of channel.h share. */
#ifndef XENCHAN_TOOLSTACK_NODES_H
#define XENCHAN_TOOLSTACK_NODES_H

#include <stdbool.h>
#include <xenstore.h>

#include "toolstack/channel.h"

/* Where this runs: no other domain may write what it writes. */
#define TOOLSTACK_DOMAIN 0u

/* What is ours alone; toolstack_make_root() makes it, for nobody else to read. */
#define TOOLSTACK_ROOT "/tool/xenchan"
int toolstack_make_root(struct xs_handle *xs, xs_transaction_t t);

/* Is there such a directory, for us? 0 or a negative errno. */
int toolstack_exists(struct xs_handle *xs, xs_transaction_t t, const char *path,
		     bool *is);

int toolstack_check_domain_in(struct xs_handle *xs, xs_transaction_t t,
			      unsigned int domid);

/* Reads a channel of which the address and has_backend are known. */
int toolstack_list_add(struct xs_handle *xs, struct toolstack_list *list,
		       const struct toolstack_channel *address);

/* Detached and closed at both ends, or one end's domain is gone. */
bool toolstack_is_leftover(const struct toolstack_channel *c);

/* Has a channel of this backend domain this path, and is no leftover? */
int toolstack_find_path(struct xs_handle *xs, unsigned int backend,
			const char *path, bool *found);

/*
 * As toolstack_attach(), of a channel that is recorded already. It looks at the
 * domain, and at no other: at a path that another toolstack gave to another
 * domain, the backend meets that socket.
 */
int toolstack_attach_recorded(struct xs_handle *xs,
			      const struct toolstack_spec *spec);

/* Is what stands there now no leftover? */
int toolstack_check_live(struct xs_handle *xs, xs_transaction_t t,
			 unsigned int backend, unsigned int domid,
			 unsigned int device, bool *live);

/*
 * Of a device that libxl's copy says another domain serves, only what this
 * backend has of it.
 */
int toolstack_remove_nodes_in(struct xs_handle *xs, xs_transaction_t t,
			      unsigned int backend, unsigned int domid,
			      unsigned int device);

/* Removes a channel that was listed as a leftover, if it still is one. */
int toolstack_remove_leftover(struct xs_handle *xs,
			      const struct toolstack_channel *c);

/* Removes what a driver domain has of a domain's channels that are none. */
int toolstack_remove_strays(struct xs_handle *xs, unsigned int backend,
			    unsigned int domid);

#endif
