// SPDX-License-Identifier: MIT
#include "xenhost/xenstored/store.h"

#include <errno.h>
#include <string.h>

#include "xenhost/xenstored/transaction.h"

static const struct xenstored_perm root_perms[] = { { 0, 0 } };

static int add_initial(struct xsd_store *store, const char *path,
		       const char *child)
{
	struct xsd_record *r = xsd_record_new(&(struct xsd_parts){
		.perms = root_perms,
		.n_perms = 1,
		.children = child,
		.children_len = child ? strlen(child) + 1 : 0,
	});

	if (!r)
		return -ENOMEM;
	r->generation = ++store->generation;
	return xsd_store_set(store, path, r);
}

int xsd_store_init(struct xsd_store *store)
{
	int r;

	*store = (struct xsd_store){ 0 };
	if (!xsd_domain_get(&store->domains, 0, 0))
		return -ENOMEM;
	xsd_domain_find(&store->domains, 0)->introduced = true;
	r = add_initial(store, "/", "tool");
	if (!r)
		r = add_initial(store, "/tool", "xenstored");
	if (!r)
		r = add_initial(store, "/tool/xenstored", NULL);
	return r;
}

static void node_free(struct xsd_store *store, struct xsd_node *n)
{
	HASH_DELETE(hh, store->nodes, n);
	xsd_record_unref(n->record);
	free(n->path);
	free(n);
}

void xsd_store_deinit(struct xsd_store *store)
{
	struct xsd_node *n, *tmp;

	HASH_ITER (hh, store->nodes, n, tmp)
		node_free(store, n);
	xsd_domains_deinit(&store->domains);
}

static struct xsd_node *find_node(const struct xsd_store *store,
				  const char *path)
{
	struct xsd_node *n;

	HASH_FIND_STR(store->nodes, path, n);
	return n;
}

struct xsd_record *xsd_store_find(const struct xsd_store *store,
				  const char *path)
{
	struct xsd_node *n = find_node(store, path);

	return n ? n->record : NULL;
}

/* Adds a record to what its owner uses, or takes it away. */
static void account(struct xsd_store *store, const char *path,
		    const struct xsd_record *r, int sign)
{
	struct xsd_domain *d =
		xsd_domain_find(&store->domains, xsd_record_owner(r));

	if (!d)
		return;
	d->n_nodes += sign;
	xsd_domain_charge(d,
			  sign * (int64_t)(xsd_record_size(r) + strlen(path)));
}

static struct xsd_node *add_node(struct xsd_store *store, const char *path)
{
	struct xsd_node *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->path = strdup(path);
	if (n->path) {
		HASH_ADD_KEYPTR(hh, store->nodes, n->path, strlen(n->path), n);
		if (TABLE_ADDED(n))
			return n;
	}
	free(n->path);
	free(n);
	return NULL;
}

int xsd_store_set(struct xsd_store *store, const char *path,
		  struct xsd_record *r)
{
	struct xsd_node *n = find_node(store, path);

	if (!n && r)
		n = add_node(store, path);
	if (!n) {
		xsd_record_unref(r);
		return r ? -ENOMEM : 0;
	}
	if (n->record)
		account(store, path, n->record, -1);
	if (!r) {
		node_free(store, n);
		return 0;
	}
	account(store, path, r, 1);
	xsd_record_unref(n->record);
	n->record = r;
	return 0;
}

int xsd_store_lookup(const struct xsd_subject *s, const char *path,
		     struct xsd_record **out)
{
	if (s->tx)
		return xsd_transaction_lookup(s->tx, path, out);
	*out = xsd_store_find(s->store, path);
	return *out ? 0 : -ENOENT;
}

/* What the tree's quotas say of replacing the node's record by r. */
static int check_quota(const struct xsd_subject *s, const char *path,
		       const struct xsd_record *r)
{
	const struct xsd_record *old = xsd_store_find(s->store, path);
	const struct xsd_domain *owner =
		xsd_domain_find(&s->store->domains, xsd_record_owner(r));
	int64_t grow = (int64_t)(xsd_record_size(r) + strlen(path));

	if (old && xsd_record_owner(old) == xsd_record_owner(r))
		grow -= (int64_t)(xsd_record_size(old) + strlen(path));
	return xsd_domain_may_charge(owner, grow) ? 0 : -EIO;
}

int xsd_store_put(const struct xsd_subject *s, const char *path,
		  struct xsd_record *r, bool check)
{
	int e = 0;

	r->generation = ++s->store->generation;
	if (check && !xsd_domain_privileged(s->domain) &&
	    xsd_record_size(r) >= XSD_QUOTA_NODE_SIZE)
		e = -ENOSPC;
	if (s->tx)
		return xsd_transaction_put(s->tx, path, r, check, e);
	if (!e && check)
		e = check_quota(s, path, r);
	if (!e)
		return xsd_store_set(s->store, path, r);
	xsd_record_unref(r);
	return e;
}

int xsd_store_delete(const struct xsd_subject *s, const char *path)
{
	s->store->generation++;
	if (s->tx)
		return xsd_transaction_delete(s->tx, path);
	return xsd_store_set(s->store, path, NULL);
}

void xsd_store_fire(const struct xsd_subject *s,
		    const struct xsd_change *change)
{
	if (s->tx)
		xsd_transaction_note(s->tx, change);
	else if (s->store->changed)
		s->store->changed(s->store->userdata, change);
}

int xsd_store_check_perms(struct xsd_store *store, struct xenstored_perm *perms,
			  size_t n_perms)
{
	struct xsd_domain *d;

	for (size_t i = 0; i < n_perms; i++) {
		int r = xsd_domain_get_existing(&store->domains, perms[i].domid,
						store->generation, &d);

		if (r == -ENOENT)
			perms[i].bits |= XSD_PERM_IGNORE;
		else if (r)
			return r;
	}
	return perms[0].bits & XSD_PERM_IGNORE ? -ENOENT : 0;
}
