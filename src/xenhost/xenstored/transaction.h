/* SPDX-License-Identifier: MIT */
/*
 * A transaction: the nodes that it met, and what it made of them. Conflicts
 * are those of xenstored 4.17: a node that was looked at, also to find that it
 * is not there, was changed since. Changing a node looks at it first.
 */
#ifndef XENCHAN_XENSTORED_TRANSACTION_H
#define XENCHAN_XENSTORED_TRANSACTION_H

#include "base/list.h"
#include "xenhost/xenstored/store.h"

struct xsd_accessed;
struct xsd_delta;

struct xsd_transaction {
	struct list link; /* for the owner's use */
	uint32_t id;      /* for the owner's use */
	struct xsd_store *store;
	struct xsd_domain *domain;
	struct xsd_accessed *accessed; /* in the order of the first access */
	struct xsd_delta *deltas;      /* nodes more or less a domain */
	bool created;                  /* a node was made: check its quota */
	bool failed;                   /* can only be aborted */
};

/* 0, -ENOSPC (quota), -ENOMEM. The domain is NULL for the host itself. */
int xsd_transaction_new(struct xsd_transaction **out, struct xsd_store *store,
			struct xsd_domain *domain);
/* Aborts, unless it was committed. Accepts NULL. */
void xsd_transaction_free(struct xsd_transaction *tx);

/*
 * 0; -EAGAIN: a conflict, start again; -ENOSPC: the domain would have too many
 * nodes; -ENOMEM also if an operation failed half-way. Whatever comes back,
 * the transaction is over: only free it.
 */
int xsd_transaction_commit(struct xsd_transaction *tx);

/*
 * For the store.
 */
int xsd_transaction_lookup(struct xsd_transaction *tx, const char *path,
			   struct xsd_record **out);
/* Takes r; with error set it only notes the attempt, and returns error. */
int xsd_transaction_put(struct xsd_transaction *tx, const char *path,
			struct xsd_record *r, bool check, int error);
int xsd_transaction_delete(struct xsd_transaction *tx, const char *path);
void xsd_transaction_note(struct xsd_transaction *tx,
			  const struct xsd_change *change);
/* A node of this owner is more (1) or less (-1). */
void xsd_transaction_count(struct xsd_transaction *tx, unsigned int owner,
			   int sign);

#endif
