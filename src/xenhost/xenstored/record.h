/* SPDX-License-Identifier: MIT */
/*
 * What the store knows of a node: permissions, value, names of children.
 * Immutable but for the generation, and counted: the tree and any number of
 * transactions share a record, and a change makes a new one. So a transaction
 * copies nothing that it only reads.
 */
#ifndef XENCHAN_XENSTORED_RECORD_H
#define XENCHAN_XENSTORED_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "xenhost/xenstored/perm.h"

/* The parts of a record; pointers are borrowed. */
struct xsd_parts {
	const struct xenstored_perm *perms;
	size_t n_perms; /* at least 1: the owner */
	const void *data;
	size_t data_len;
	const char *children; /* names in order of creation, each with NUL */
	size_t children_len;
};

struct xsd_record {
	unsigned int refs;
	/* The store's count of changes when this one was made. */
	uint64_t generation;
	struct xsd_parts parts; /* point into the record itself */
	struct xenstored_perm perms[];
};

/* A copy of the parts, with one reference; NULL: no memory. */
struct xsd_record *xsd_record_new(const struct xsd_parts *parts);
struct xsd_record *xsd_record_ref(struct xsd_record *r);
/* Accepts NULL. */
void xsd_record_unref(struct xsd_record *r);

DEFINE_CLEANUP(struct xsd_record *, xsd_record, xsd_record_unref)

static inline unsigned int xsd_record_owner(const struct xsd_record *r)
{
	return r->parts.perms[0].domid;
}

/*
 * What xenstored 4.17 takes for the node's size, which the quota of 2048 bytes
 * is about: a header, the permissions, the value, the names of the children.
 */
size_t xsd_record_size(const struct xsd_record *r);

/* As r, with a child more, or one less; NULL: no memory, or no such child. */
struct xsd_record *xsd_record_add_child(const struct xsd_record *r,
					const char *name);
struct xsd_record *xsd_record_remove_child(const struct xsd_record *r,
					   const char *name);

#endif
