// SPDX-License-Identifier: MIT
#include "xenhost/xenstored/transaction.h"

#include <errno.h>
#include <string.h>

/* xenstored 4.17 keeps a transaction's nodes under "<number>/<path>", and
 * charges the path so lengthened. */
#define KEY_PREFIX 8

struct xsd_accessed {
	char *path;
	struct xsd_record *orig; /* the tree's when first met; NULL: none */
	struct xsd_record *now;  /* NULL: there is none for the transaction */
	bool modified;
	bool fire, exact;
	UT_hash_handle hh;
};

struct xsd_delta {
	unsigned int domid;
	int n;
	UT_hash_handle hh;
};

int xsd_transaction_new(struct xsd_transaction **out, struct xsd_store *store,
			struct xsd_domain *domain)
{
	struct xsd_transaction *tx;

	if (!xsd_domain_privileged(domain) &&
	    domain->n_transactions > XSD_QUOTA_TRANSACTIONS)
		return -ENOSPC;
	tx = calloc(1, sizeof(*tx));
	if (!tx)
		return -ENOMEM;
	list_init(&tx->link);
	tx->store = store;
	tx->domain = domain;
	store->generation++;
	if (domain)
		domain->n_transactions++;
	*out = tx;
	return 0;
}

static int64_t charge_of(const struct xsd_accessed *a)
{
	if (!a->now)
		return 0;
	return (int64_t)(xsd_record_size(a->now) + strlen(a->path) +
			 KEY_PREFIX);
}

/* Replaces what the node is for the transaction; takes r. */
static void set_now(struct xsd_transaction *tx, struct xsd_accessed *a,
		    struct xsd_record *r)
{
	xsd_domain_charge(tx->domain, -charge_of(a));
	xsd_record_unref(a->now);
	a->now = r;
	xsd_domain_charge(tx->domain, charge_of(a));
}

static void accessed_free(struct xsd_transaction *tx, struct xsd_accessed *a)
{
	set_now(tx, a, NULL);
	xsd_record_unref(a->orig);
	free(a->path);
	free(a);
}

void xsd_transaction_free(struct xsd_transaction *tx)
{
	struct xsd_accessed *a, *next_a;
	struct xsd_delta *d, *next_d;

	if (!tx)
		return;
	list_remove(&tx->link);
	HASH_ITER (hh, tx->accessed, a, next_a) {
		HASH_DELETE(hh, tx->accessed, a);
		accessed_free(tx, a);
	}
	HASH_ITER (hh, tx->deltas, d, next_d) {
		HASH_DELETE(hh, tx->deltas, d);
		free(d);
	}
	if (tx->domain)
		tx->domain->n_transactions--;
	free(tx);
}

static struct xsd_accessed *find(const struct xsd_transaction *tx,
				 const char *path)
{
	struct xsd_accessed *a;

	HASH_FIND_STR(tx->accessed, path, a);
	return a;
}

static struct xsd_accessed *add(struct xsd_transaction *tx, const char *path)
{
	struct xsd_accessed *a = calloc(1, sizeof(*a));
	struct xsd_record *r = xsd_store_find(tx->store, path);

	if (!a)
		return NULL;
	a->path = strdup(path);
	if (a->path) {
		HASH_ADD_KEYPTR(hh, tx->accessed, a->path, strlen(a->path), a);
		if (TABLE_ADDED(a)) {
			a->orig = r ? xsd_record_ref(r) : NULL;
			set_now(tx, a, r ? xsd_record_ref(r) : NULL);
			return a;
		}
	}
	free(a->path);
	free(a);
	return NULL;
}

/* Meets a node: from now on it is for the transaction as it is now. */
static int access_node(struct xsd_transaction *tx, const char *path,
		       struct xsd_accessed **out)
{
	*out = find(tx, path);
	if (*out)
		return 0;
	if (!xsd_domain_privileged(tx->domain) &&
	    HASH_COUNT(tx->accessed) >= XSD_QUOTA_TRANSACTION_NODES) {
		tx->failed = true;
		return -ENOSPC;
	}
	*out = add(tx, path);
	if (*out)
		return 0;
	tx->failed = true;
	return -ENOMEM;
}

int xsd_transaction_lookup(struct xsd_transaction *tx, const char *path,
			   struct xsd_record **out)
{
	struct xsd_accessed *a;
	int r = access_node(tx, path, &a);

	*out = r ? NULL : a->now;
	if (r)
		return r;
	return a->now ? 0 : -ENOENT;
}

int xsd_transaction_put(struct xsd_transaction *tx, const char *path,
			struct xsd_record *r, bool check, int error)
{
	_cleanup_(cleanup_xsd_recordp) struct xsd_record *record = r;
	struct xsd_accessed *a;
	int64_t grow =
		(int64_t)(xsd_record_size(r) + strlen(path) + KEY_PREFIX);
	int e = access_node(tx, path, &a);

	if (e)
		return e;
	a->modified = true;
	if (!error && check &&
	    !xsd_domain_may_charge(tx->domain, grow - charge_of(a)))
		error = -EIO;
	if (error)
		tx->failed = true;
	else
		set_now(tx, a, TAKE_PTR(record));
	return error;
}

int xsd_transaction_delete(struct xsd_transaction *tx, const char *path)
{
	struct xsd_accessed *a;
	int e = access_node(tx, path, &a);

	if (e)
		return e;
	a->modified = true;
	set_now(tx, a, NULL);
	return 0;
}

void xsd_transaction_note(struct xsd_transaction *tx,
			  const struct xsd_change *change)
{
	struct xsd_accessed *a = find(tx, change->path);

	if (!a) {
		tx->failed = true;
		return;
	}
	/* A change that concerns the nodes above too outweighs one that
	 * does not. */
	a->exact = change->exact && (!a->fire || a->exact);
	a->fire = true;
}

void xsd_transaction_count(struct xsd_transaction *tx, unsigned int owner,
			   int sign)
{
	struct xsd_delta *d;

	HASH_FIND(hh, tx->deltas, &owner, sizeof(owner), d);
	if (!d) {
		d = calloc(1, sizeof(*d));
		if (d) {
			d->domid = owner;
			HASH_ADD(hh, tx->deltas, domid, sizeof(d->domid), d);
		}
		if (!d || !TABLE_ADDED(d)) {
			free(d);
			tx->failed = true;
			return;
		}
	}
	d->n += sign;
}

/* Would the owners of new nodes exist, and keep within their quota? */
static int check_counts(const struct xsd_transaction *tx)
{
	struct xsd_store *store = tx->store;
	struct xsd_delta *d, *tmp;

	HASH_ITER (hh, tx->deltas, d, tmp) {
		struct xsd_domain *owner;

		if (xsd_domain_get_existing(&store->domains, d->domid,
					    store->generation, &owner))
			return -ENOMEM;
		if (tx->created && !xsd_domain_privileged(tx->domain) &&
		    !xsd_domain_privileged(owner) &&
		    owner->n_nodes + d->n >= XSD_QUOTA_NODES)
			return -ENOSPC;
	}
	return 0;
}

static bool unchanged(const struct xsd_store *store,
		      const struct xsd_accessed *a)
{
	const struct xsd_record *r = xsd_store_find(store, a->path);

	return r && a->orig ? r->generation == a->orig->generation
			    : !r && !a->orig;
}

/* Moves a node into the tree and tells who watches. */
static int apply(struct xsd_transaction *tx, struct xsd_accessed *a)
{
	struct xsd_record *now = a->now ? xsd_record_ref(a->now) : NULL;
	int r;

	if (now)
		now->generation = ++tx->store->generation;
	r = xsd_store_set(tx->store, a->path, now);
	if (a->fire && tx->store->changed)
		tx->store->changed(tx->store->userdata,
				   &(struct xsd_change){
					   .path = a->path,
					   .exact = a->exact,
					   .old = a->orig,
				   });
	return r;
}

int xsd_transaction_commit(struct xsd_transaction *tx)
{
	struct xsd_accessed *a, *tmp;
	int r;

	if (tx->failed)
		return -ENOMEM;
	r = check_counts(tx);
	if (r)
		return r;
	HASH_ITER (hh, tx->accessed, a, tmp)
		if (!unchanged(tx->store, a))
			return -EAGAIN;
	HASH_ITER (hh, tx->accessed, a, tmp) {
		if (!a->modified)
			continue;
		r = apply(tx, a);
		if (r)
			return r;
	}
	return 0;
}
