/* SPDX-License-Identifier: MIT */
/*
 * The emulated host's xenstored: one tree, and any number of clients that speak
 * the xenstore wire protocol (xen/include/public/io/xs_wire.h) over stream
 * sockets that the caller has connected. A socket's domain is what the caller
 * says it is.
 *
 * Single-threaded: every call from the loop's thread. Functions return 0 or a
 * negative errno. Changes made through the calls below are made as domain 0,
 * outside of transactions, and fire watches as a client's would.
 */
#ifndef XENCHAN_XENSTORED_H
#define XENCHAN_XENSTORED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "xenhost/xenstored/perm.h"

struct xenstored;

/* All members may be NULL. */
struct xenstored_ops {
	/*
	 * Does the host have this domain? Asked when permissions name one that
	 * is not introduced (yet). NULL: only the introduced ones exist.
	 */
	bool (*domain_exists)(void *userdata, unsigned int domid);
	/*
	 * The positive errno with which to answer a domain's request instead
	 * of serving it, or 0. op is the request's name in lower case, as
	 * "read", "get_perms", "transaction_start", "transaction_end". The
	 * names are those of enum xsd_sockmsg_type. An errno that the protocol
	 * cannot name is sent as EINVAL.
	 */
	int (*fault)(void *userdata, unsigned int domid, const char *op);
	/*
	 * Domains other than 0 come by way of Linux's /dev/xen/xenbus. It keeps
	 * the watches under tokens of its own, so that it minds neither one
	 * that is there already nor the end of one that never was.
	 */
	bool linux_guests;
};

int xenstored_new(struct xenstored **out, uv_loop_t *loop,
		  const struct xenstored_ops *ops, void *userdata);
/* Drops every client. Accepts NULL. Handles close as the loop runs on. */
void xenstored_free(struct xenstored *xs);

/*
 * Serves the connected stream socket fd, which it owns from now on (also when
 * it fails), as a client of the domain. -ENOENT: not introduced.
 */
int xenstored_accept(struct xenstored *xs, int fd, unsigned int domid);

/*
 * A domain comes to life: its clients may connect, @introduceDomain fires.
 * -EEXIST. Domain 0 is always there. The caller makes /local/domain/N, as a
 * toolstack does.
 */
int xenstored_introduce(struct xenstored *xs, unsigned int domid);

/*
 * A domain is dead and gone: its clients are dropped with their watches and
 * transactions, the nodes that it owns are removed with all that is below,
 * what other nodes' permissions say of its id has no effect any more, and
 * @releaseDomain fires. Nodes about the domain that domain 0 owns are for the
 * caller to remove, as for a toolstack. -ENOENT, -EINVAL for domain 0. A
 * domain that was never introduced, but named in permissions, is to be released
 * too when it is gone.
 */
int xenstored_release(struct xenstored *xs, unsigned int domid);

/*
 * Paths are absolute; up to 2048 bytes, not counting a /local/domain/<domid>/
 * in front. -EINVAL: no path. -ENOENT: no such node, or no such owner.
 */
int xenstored_write(struct xenstored *xs, const char *path, const void *data,
		    size_t len);
int xenstored_mkdir(struct xenstored *xs, const char *path);
int xenstored_rm(struct xenstored *xs, const char *path);
int xenstored_set_perms(struct xenstored *xs, const char *path,
			const struct xenstored_perm *perms, size_t n_perms);
/* *out: malloc'd, NUL-terminated beyond len. */
int xenstored_read(struct xenstored *xs, const char *path, void **out,
		   size_t *len);

#endif
