/* SPDX-License-Identifier: MIT */
/*
 * The process's connection to xenstore. All channels of a process share one,
 * opened by the first that asks and closed with the last: a thousand channels
 * need one descriptor. Safe to call from any thread; a connection that was
 * inherited through fork(2) is left to the parent and replaced.
 */
#ifndef XENCHAN_XEN_STORE_H
#define XENCHAN_XEN_STORE_H

#include <xenstore.h>

/* Takes a reference to the connection. 0, or the errno of xs_open(), negative. */
int xen_store_get(struct xs_handle **out);

/* Drops a reference taken by xen_store_get(). */
void xen_store_put(struct xs_handle *xs);

/* cleanup attribute for a variable that holds a reference, or NULL */
static inline void cleanup_xen_storep(struct xs_handle **p)
{
	if (*p)
		xen_store_put(*p);
}

/*
 * This domain's id, as its home directory has it. 0, or negative: -ENOENT if
 * the toolstack has not written it, -EPROTO if it is not a domain id.
 */
int xen_store_domid(struct xs_handle *xs, unsigned int *out);

#endif
