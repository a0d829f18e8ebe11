/* SPDX-License-Identifier: MIT */
/*
 * The domains that the store knows: those that were introduced, and those that
 * permissions name. What a domain uses is counted here; xenstored 4.17's
 * default quotas apply to all domains but domain 0.
 */
#ifndef XENCHAN_XENSTORED_DOMAIN_H
#define XENCHAN_XENSTORED_DOMAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "xenhost/xenstored/record.h"
#include "xenhost/xenstored/table.h"

enum {
	XSD_QUOTA_NODES = 1000,
	XSD_QUOTA_NODE_SIZE = 2048,
	XSD_QUOTA_NODE_PERMS = 5,
	/* 4.17 asks whether the count is above the quota before it adds one,
	 * so that a domain gets one more of these two. */
	XSD_QUOTA_WATCHES = 128,
	XSD_QUOTA_TRANSACTIONS = 10,
	XSD_QUOTA_TRANSACTION_NODES = 1024,
	XSD_QUOTA_MEMORY = 2560 * 1024,
};

#define XSD_NO_TARGET (~0u)

struct xsd_domain {
	unsigned int domid;
	/* The store's count of changes when the domain became known: what
	 * older nodes say about its id was meant for an earlier domain. */
	uint64_t generation;
	bool introduced;
	unsigned int target; /* acts for this domain too, or XSD_NO_TARGET */
	int n_nodes;
	int n_watches;
	int n_transactions;
	int64_t memory;
	UT_hash_handle hh;
};

/* The domains by id. */
struct xsd_domains {
	struct xsd_domain *table;
	bool (*exists)(void *userdata, unsigned int domid);
	void *userdata;
};

/* Borrowed, or NULL. */
struct xsd_domain *xsd_domain_find(const struct xsd_domains *ds,
				   unsigned int domid);
/* The same, and one that was not known becomes so. NULL: no memory. */
struct xsd_domain *xsd_domain_get(struct xsd_domains *ds, unsigned int domid,
				  uint64_t generation);
/* The same, if the host has such a domain. 0, -ENOENT or -ENOMEM. */
int xsd_domain_get_existing(struct xsd_domains *ds, unsigned int domid,
			    uint64_t generation, struct xsd_domain **out);
void xsd_domain_forget(struct xsd_domains *ds, struct xsd_domain *d);
void xsd_domains_deinit(struct xsd_domains *ds);

/* A NULL domain is the host itself, which may do everything. */
static inline bool xsd_domain_privileged(const struct xsd_domain *d)
{
	return !d || d->domid == 0;
}

/* What the permissions let the domain do: a mask of XENSTORED_PERM_*. */
unsigned int xsd_domain_perms(const struct xsd_domain *d,
			      const struct xenstored_perm *perms, size_t n);

/* The same for a node, whose entries for younger domains do not count. */
unsigned int xsd_domain_node_perms(const struct xsd_domains *ds,
				   const struct xsd_domain *d,
				   const struct xsd_record *r);

/* Was the domain known when the node was last changed? */
bool xsd_domain_older(const struct xsd_domains *ds, unsigned int domid,
		      uint64_t generation);

/* May the domain's memory grow by this much? Accepts NULL. */
bool xsd_domain_may_charge(const struct xsd_domain *d, int64_t bytes);
/* Accepts NULL. */
void xsd_domain_charge(struct xsd_domain *d, int64_t bytes);

#endif
