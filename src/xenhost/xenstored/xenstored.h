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

struct xenstored;

/* All members may be NULL. */
struct xenstored_ops {
	/*
	 * Does the host know this domain? Asked before a transaction or a node
	 * list may name it. NULL: the introduced ones exist.
	 */
	bool (*domain_exists)(void *userdata, unsigned int domid);
	/*
	 * The positive errno with which to answer a domain's request instead
	 * of serving it, or 0. op is the request's name in lower case, as
	 * "read", "transaction_start" (xenstored_op_names).
	 */
	int (*fault)(void *userdata, unsigned int domid, const char *op);
};

int xenstored_new(struct xenstored **out, uv_loop_t *loop,
		  const struct xenstored_ops *ops, void *userdata);
/* Drops every client. Accepts NULL. Handles close as the loop runs on. */
void xenstored_free(struct xenstored *xs);

/*
 * Serves the connected stream socket fd, which it owns from now on (also when
 * it fails), as a client of the domain.
 */
int xenstored_accept(struct xenstored *xs, int fd, unsigned int domid);

/*
 * A domain comes to life (fires @introduceDomain), or is dead and gone: its
 * clients are dropped, its transactions and watches end, its nodes fall to
 * domain 0 or die with it, other nodes' permissions forget it, and
 * @releaseDomain fires. The caller removes /local/domain/N, as a toolstack
 * does. Domain 0 is always there.
 */
int xenstored_introduce(struct xenstored *xs, unsigned int domid);
int xenstored_release(struct xenstored *xs, unsigned int domid);

/* A domain's permission on a node; the first of a list is the node's owner. */
struct xenstored_perm {
	unsigned int domid;
	unsigned int bits; /* XENSTORED_PERM_*: for the owner, everybody else */
};

enum {
	XENSTORED_PERM_NONE = 0,
	XENSTORED_PERM_READ = 1,
	XENSTORED_PERM_WRITE = 2,
};

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
