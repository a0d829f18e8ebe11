/* SPDX-License-Identifier: MIT */
/*
 * Channels that a guest has again after it has rebooted with another domain id:
 * recorded by its UUID, in nodes that only the control domain can read,
 *
 *	/tool/xenchan/UUID/ID/{name,connection,path,...}
 *
 * and attached by xenchanneld as soon as a domain of that UUID appears, see
 * arrivals.h. The records live as long as xenstore does.
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
 * For arrivals.c
 */

#define PERSIST_UUID_LEN 36

/* uuid has one byte more than that. TOOLSTACK_NO_UUID: it has none (yet). */
int persist_read_uuid(struct xs_handle *xs, unsigned int domid, char *uuid);

/* Which records there are; *ids is to be freed. */
int persist_list(struct xs_handle *xs, const char *uuid, char ***ids,
		 unsigned int *n);

/*
 * Attaches what is recorded, unless it is there or recorded no more. failed, if
 * it is not NULL, is told why it could not be.
 */
int persist_attach(struct xs_handle *xs, unsigned int domid, const char *uuid,
		   const char *id,
		   void (*failed)(unsigned int domid, const char *name, int r));

#endif
