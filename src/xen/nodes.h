/* SPDX-License-Identifier: MIT */
/*
 * Publishing numbers in xenstore for one peer domain, and finding them there.
 *
 * A channel publishes a few decimal numbers (grant references, event channels)
 * as keys below a base path. The owner is this domain, the peer may read, all
 * others may not, and this holds before a value can be read by anybody.
 */
#ifndef XENCHAN_XEN_NODES_H
#define XENCHAN_XEN_NODES_H

#include <stddef.h>
#include <stdint.h>
#include <xenstore.h>

/*
 * The longest base path, so that the longest key below it still is within
 * xenstore's limits (XENSTORE_ABS_PATH_MAX and _REL_PATH_MAX of xs_wire.h, both
 * of which count the key): "/event-channel" is 14 bytes.
 */
#define XEN_NODES_KEY_MAX 14
#define XEN_NODES_BASE_ABS_MAX (3072 - XEN_NODES_KEY_MAX)
#define XEN_NODES_BASE_REL_MAX (2048 - XEN_NODES_KEY_MAX)

struct xen_node {
	const char *key; /* at most XEN_NODES_KEY_MAX - 1 bytes */
	uint32_t value;
};

/* 0; -EINVAL: empty; -ENAMETOOLONG: over the limits above. */
int xen_nodes_check_base(const char *base);

/*
 * Writes all nodes or none, in one transaction: nobody sees some of them. A
 * transaction that meets others' changes is repeated, up to 64 times, then
 * -EAGAIN. If this domain has no transaction left (-ENOSPC: ten a domain), the
 * nodes are written one after the other in their order, the last being removed
 * first: a reader that finds the last has them all. Else the errno of xenstore,
 * negative.
 */
int xen_nodes_publish(struct xs_handle *xs, const char *base, unsigned int peer,
		      const struct xen_node *nodes, size_t n_nodes);

/*
 * Removes what xen_nodes_publish() wrote, if every node still has our value: a
 * newer server at the same path keeps its own. Removes the base too where that
 * loses nothing: it is empty, and its permissions are those that making it
 * again would give. Best effort: there is nobody to tell.
 */
void xen_nodes_withdraw(struct xs_handle *xs, const char *base,
			const struct xen_node *nodes, size_t n_nodes);

/*
 * Reads the values of the nodes' keys, all of one publication. 0; -EPROTO: a
 * value is not a decimal number from 1 to 2^32 - 1; -EAGAIN: the publisher was
 * changing them; else the errno of xenstore, negative: -EACCES where the key is
 * absent or forbidden (an unprivileged domain is not told which), -ENOENT.
 */
int xen_nodes_read(struct xs_handle *xs, const char *base,
		   struct xen_node *nodes, size_t n_nodes);

#endif
