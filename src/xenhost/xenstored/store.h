/* SPDX-License-Identifier: MIT */
/*
 * The tree of nodes, as the domains see it: no sockets, no watches, no wire
 * format. Functions return 0 or a negative errno, which is the one that
 * xenstored 4.17 answers with.
 *
 * Theory of operation. The tree is a table from path to record (record.h); a
 * record lists its node's children. A transaction (transaction.h) is a second,
 * small table with the records that it met: a node that it looked at stays as
 * it was then, a node that it changed is different for it alone. Committing
 * compares the generation of all nodes that it met with the tree's, and, if
 * they agree, moves the changed records over. Everything that an operation
 * looks at counts as met, also the parents that are asked for permission.
 */
#ifndef XENCHAN_XENSTORED_STORE_H
#define XENCHAN_XENSTORED_STORE_H

#include "xenhost/xenstored/domain.h"
#include "xenhost/xenstored/record.h"

struct xsd_transaction;

/* A node that was changed or removed, for whoever watches. */
struct xsd_change {
	const char *path;
	/* Concerns the node alone, not the nodes above: it went with one. */
	bool exact;
	/* What the node is now, or was when it was removed. NULL: look. */
	const struct xsd_record *now;
	/* Who could read this may know too, or NULL. */
	const struct xsd_record *old;
};

struct xsd_node {
	char *path;
	struct xsd_record *record;
	UT_hash_handle hh;
};

struct xsd_store {
	struct xsd_node *nodes;
	uint64_t generation; /* changes so far */
	struct xsd_domains domains;
	/* Called for each change of the tree, while removed nodes' parents are
	 * still there. May be NULL. Must not change the tree. */
	void (*changed)(void *userdata, const struct xsd_change *change);
	void *userdata;
};

/* Who does something, and where. */
struct xsd_subject {
	struct xsd_store *store;
	struct xsd_domain *domain;  /* NULL: the host itself */
	struct xsd_transaction *tx; /* NULL: the tree */
};

/* "/", "/tool", "/tool/xenstored", and domain 0. */
int xsd_store_init(struct xsd_store *store);
void xsd_store_deinit(struct xsd_store *store);

/*
 * Operations of clients. Paths are absolute.
 */

/* The node, if the domain may do what perm says. *out is borrowed: valid until
 * the next change. */
int xsd_node_get(const struct xsd_subject *s, const char *path,
		 unsigned int perm, struct xsd_record **out);
int xsd_node_write(const struct xsd_subject *s, const char *path,
		   const void *data, size_t len);
int xsd_node_mkdir(const struct xsd_subject *s, const char *path);
int xsd_node_rm(const struct xsd_subject *s, const char *path);
int xsd_node_set_perms(const struct xsd_subject *s, const char *path,
		       struct xenstored_perm *perms, size_t n_perms);

/* Marks entries for domains that do not exist. -ENOENT: the owner does not. */
int xsd_store_check_perms(struct xsd_store *store, struct xenstored_perm *perms,
			  size_t n_perms);

/* The end of a domain: the nodes that it owns go, with all that is below. */
int xsd_store_remove_owned(struct xsd_store *store, struct xsd_domain *d);

/*
 * What the operations and transactions are made of.
 */

/* Borrowed; NULL: there is none. */
struct xsd_record *xsd_store_find(const struct xsd_store *store,
				  const char *path);
/* Takes the record, also when it fails; NULL removes the node. Counts nodes
 * and memory for the owners. 0 or -ENOMEM. */
int xsd_store_set(struct xsd_store *store, const char *path,
		  struct xsd_record *r);

/* In the transaction or the tree. 0, -ENOENT; in transactions -ENOSPC, -ENOMEM. */
int xsd_store_lookup(const struct xsd_subject *s, const char *path,
		     struct xsd_record **out);
/* Takes r. Without check the quotas do not apply. -ENOSPC: too large. -EIO: no
 * memory left for the domain. */
int xsd_store_put(const struct xsd_subject *s, const char *path,
		  struct xsd_record *r, bool check);
int xsd_store_delete(const struct xsd_subject *s, const char *path);
/* Reports a change, or notes it in the transaction. */
void xsd_store_fire(const struct xsd_subject *s,
		    const struct xsd_change *change);

#endif
