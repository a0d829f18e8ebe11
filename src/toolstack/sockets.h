/* SPDX-License-Identifier: MIT */
/*
 * Which channel has which socket, so that two that are attached at once do not
 * get the same one: a node for each path,
 *
 *	/tool/xenchan/sockets/HASH	the backend's directory
 *
 * It is a hint. It counts as long as libxl's copy of the nodes says the same, so
 * that what a domain leaves behind that another toolstack destroyed is in
 * nobody's way.
 * Channels that libxl made are not here: toolstack_find_path() finds them.
 */
#ifndef XENCHAN_TOOLSTACK_SOCKETS_H
#define XENCHAN_TOOLSTACK_SOCKETS_H

#include <xenstore.h>

/*
 * be: a backend's directory. 0; TOOLSTACK_DUPLICATE_PATH; or a negative errno.
 */
int toolstack_claim_socket(struct xs_handle *xs, xs_transaction_t t,
			   const char *be, const char *path);

/* Gives up the claim of this directory, if it has one. 0 or a negative errno. */
int toolstack_release_socket(struct xs_handle *xs, xs_transaction_t t,
			     const char *be, const char *path);

#endif
