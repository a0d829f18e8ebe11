/* SPDX-License-Identifier: MIT */
/*
 * Channels that a guest has again after it has rebooted with another domain id:
 * recorded by its UUID, in nodes that only the control domain can read,
 *
 *	/tool/xenchan/UUID/ID/{name,connection,path,...}
 *
 * and attached by xenchanneld as soon as a domain of that UUID appears. The
 * records live as long as xenstore does.
 *
 * All return 0, a toolstack_error, or a negative errno.
 */
#ifndef XENCHAN_TOOLSTACK_PERSIST_H
#define XENCHAN_TOOLSTACK_PERSIST_H

#include "toolstack/channel.h"

/*
 * Records a channel of the domain, in the place of one of this name.
 * TOOLSTACK_NO_UUID: it has no UUID.
 */
int toolstack_record(struct xs_handle *xs, xs_transaction_t t,
		     const struct toolstack_spec *spec);

/* The opposite; 0 also if there is no such record. */
int toolstack_forget(struct xs_handle *xs, unsigned int domid,
		     const char *name);

/*
 * Attaches what is recorded and not there, for all domains. failed() is told of
 * those that could not be; the others are attached all the same.
 */
int toolstack_attach_persistent(struct xs_handle *xs,
				void (*failed)(unsigned int domid,
					       const char *name, int r));

#endif
