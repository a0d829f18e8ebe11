// SPDX-License-Identifier: MIT
#include "xen/nodes.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "xen/store.h"
#include "xen/text.h"

#define TRANSACTION_TRIES 64
#define FAILURE_TRIES 3

/* Key and base in one buffer that fits what xen_nodes_check_base() let in. */
struct node_path {
	char s[XEN_NODES_BASE_ABS_MAX + XEN_NODES_KEY_MAX + 1];
};

static const char *node_path(struct node_path *p, const char *base,
			     const char *key)
{
	snprintf(p->s, sizeof(p->s), "%s/%s", base, key);
	return p->s;
}

int xen_nodes_check_base(const char *base)
{
	size_t max = base[0] == '/' ? XEN_NODES_BASE_ABS_MAX
				    : XEN_NODES_BASE_REL_MAX;

	if (!base[0])
		return -EINVAL;
	return strlen(base) > max ? -ENAMETOOLONG : 0;
}

struct publication {
	struct xs_handle *xs;
	const char *base;
	const struct xen_node *nodes;
	size_t n_nodes;
	struct xs_permissions perms[2];
};

static int write_value(const struct publication *p, xs_transaction_t t,
		       const struct xen_node *node)
{
	struct node_path path;
	char value[11];
	int n = snprintf(value, sizeof(value), "%u", node->value);

	node_path(&path, p->base, node->key);
	return xs_write(p->xs, t, path.s, value, (unsigned int)n)
		       ? 0
		       : failed_errno();
}

static int restrict_to_peer(const struct publication *p, xs_transaction_t t,
			    const struct xen_node *node)
{
	struct xs_permissions perms[2];
	struct node_path path;

	memcpy(perms, p->perms, sizeof(perms));
	node_path(&path, p->base, node->key);
	return xs_set_permissions(p->xs, t, path.s, perms, 2) ? 0
							      : failed_errno();
}

/* Order does not matter within a transaction: it is seen whole. */
static int write_all(const struct publication *p, xs_transaction_t t)
{
	for (size_t i = 0; i < p->n_nodes; i++) {
		int r = write_value(p, t, &p->nodes[i]);

		if (!r)
			r = restrict_to_peer(p, t, &p->nodes[i]);
		if (r)
			return r;
	}
	return 0;
}

/* *none: there was no transaction to be had, for the reason returned. */
static int publish_in_transaction(const struct publication *p, bool *none)
{
	xs_transaction_t t = xs_transaction_start(p->xs);
	int r;

	*none = t == XBT_NULL;
	if (*none)
		return failed_errno();
	r = write_all(p, t);
	if (r) {
		xs_transaction_end(p->xs, t, true);
		return r;
	}
	return xs_transaction_end(p->xs, t, false) ? 0 : failed_errno();
}

/* All that can be. 0, or the first -errno; not being there is none. */
static int remove_keys(const struct publication *p, xs_transaction_t t)
{
	struct node_path path;
	int r = 0;

	for (size_t i = p->n_nodes; i--;) {
		node_path(&path, p->base, p->nodes[i].key);
		if (!xs_rm(p->xs, t, path.s) && errno != ENOENT && !r)
			r = failed_errno();
	}
	return r;
}

/*
 * Implicitly made nodes get their parent's permissions; so may be remade. 1, 0,
 * or -errno.
 */
static int has_permissions_of_parent(struct xs_handle *xs, xs_transaction_t t,
				     const char *base)
{
	struct node_path parent;
	unsigned int n, n_parent;
	_cleanup_free_ struct xs_permissions *own = NULL, *inherited = NULL;
	char *slash;

	node_path(&parent, base, "");
	parent.s[strlen(base)] = '\0';
	slash = strrchr(parent.s, '/');
	if (!slash || slash == parent.s)
		return 0;
	*slash = '\0';
	own = xs_get_permissions(xs, t, base, &n);
	if (!own)
		return failed_errno();
	inherited = xs_get_permissions(xs, t, parent.s, &n_parent);
	if (!inherited)
		return failed_errno();
	if (n != n_parent)
		return 0;
	for (unsigned int i = 0; i < n; i++) {
		if (own[i].id != inherited[i].id ||
		    own[i].perms != inherited[i].perms)
			return 0;
	}
	return 1;
}

/* 1, 0, or -errno. */
static int is_void(struct xs_handle *xs, xs_transaction_t t, const char *base)
{
	unsigned int n, len;
	_cleanup_free_ char **children = xs_directory(xs, t, base, &n);
	_cleanup_free_ char *value = NULL;

	if (!children)
		return errno == ENOENT ? 0 : failed_errno();
	if (n)
		return 0;
	value = xs_read(xs, t, base, &len);
	if (!value)
		return failed_errno();
	return len ? 0 : has_permissions_of_parent(xs, t, base);
}

/*
 * 0: it is not, or has been removed; -errno: that cannot be told or done. Removing
 * takes what is below along: without a transaction that may be the nodes of a
 * server that has come since the look, and the base is left.
 */
static int remove_base_if_void(const struct publication *p)
{
	xs_transaction_t t = xs_transaction_start(p->xs);
	int r;

	if (t == XBT_NULL)
		return failed_errno();
	r = is_void(p->xs, t, p->base);
	if (r > 0 && !xs_rm(p->xs, t, p->base))
		r = failed_errno();
	if (!xs_transaction_end(p->xs, t, r <= 0) && r > 0)
		r = failed_errno();
	return r < 0 ? r : 0;
}

/* The node exists and is for the peer alone before it gets its value. */
static int write_restricted(const struct publication *p,
			    const struct xen_node *node)
{
	struct node_path path;
	int r;

	if (!xs_mkdir(p->xs, XBT_NULL, node_path(&path, p->base, node->key)))
		return failed_errno();
	r = restrict_to_peer(p, XBT_NULL, node);
	return r ? r : write_value(p, XBT_NULL, node);
}

static int publish_one_by_one(const struct publication *p)
{
	int r = 0;

	(void)remove_keys(p, XBT_NULL);
	for (size_t i = 0; i < p->n_nodes && !r; i++)
		r = write_restricted(p, &p->nodes[i]);
	if (r && !remove_keys(p, XBT_NULL))
		(void)remove_base_if_void(p);
	return r;
}

/* 50 us, doubling to 3.2 ms: others' transactions take that long. */
static void back_off(int try)
{
	long us = 50L << (try < 6 ? try : 6);
	struct timespec t = { .tv_nsec = us * 1000 };

	nanosleep(&t, NULL);
}

static int publish_as(struct publication *p, unsigned int self)
{
	int r = -EAGAIN;

	p->perms[0] = (struct xs_permissions){ self, XS_PERM_NONE };
	for (int try = 0; try < TRANSACTION_TRIES && r == -EAGAIN; try++) {
		bool none;

		if (try)
			back_off(try - 1);
		r = publish_in_transaction(p, &none);
		if (none && r == -ENOSPC)
			r = publish_one_by_one(p);
	}
	return r;
}

int xen_nodes_publish(struct xs_handle *xs, const char *base, unsigned int peer,
		      const struct xen_node *nodes, size_t n_nodes)
{
	/* This domain's id, as last asked for: it saves a round trip. */
	static atomic_int known = -1;
	struct publication p = { xs, base, nodes, n_nodes, { { 0 } } };
	int last = atomic_load(&known), asked, r = 0;
	unsigned int self;

	p.perms[1] = (struct xs_permissions){ peer, XS_PERM_READ };
	if (last >= 0)
		r = publish_as(&p, (unsigned int)last);
	/*
	 * A domain that was restored or migrated goes on with another id, and
	 * may not make an owner of the old one.
	 */
	if (last >= 0 && r != -EPERM && r != -EACCES)
		return r;
	asked = xen_store_domid(xs, &self);
	if (asked)
		return asked;
	if (last == (int)self)
		return r;
	atomic_store(&known, (int)self);
	return publish_as(&p, self);
}

static int read_value(struct xs_handle *xs, xs_transaction_t t,
		      const char *base, const char *key, uint32_t *out)
{
	struct node_path path;

	return xen_text_read_u32(xs, t, node_path(&path, base, key), 1,
				 UINT32_MAX, out);
}

/*
 * 0: what is there is ours; -ESTALE: it is not, or nothing is; or the -errno
 * for which that cannot be told. A key that is missing may be one that an
 * earlier try has removed.
 */
static int check_ours(const struct publication *p, xs_transaction_t t)
{
	size_t n_found = 0;

	for (size_t i = 0; i < p->n_nodes; i++) {
		const struct xen_node *node = &p->nodes[i];
		uint32_t v;
		int r = read_value(p->xs, t, p->base, node->key, &v);

		if (r == -EPROTO || (!r && v != node->value))
			return -ESTALE;
		if (r && r != -ENOENT)
			return r;
		n_found += !r;
	}
	return n_found ? 0 : -ESTALE;
}

/* 0; -ESTALE: the nodes are not ours; or why they are there still. */
static int remove_ours(const struct publication *p)
{
	/* XBT_NULL, where there is none left, does without the atomicity. */
	xs_transaction_t t = xs_transaction_start(p->xs);
	int r = check_ours(p, t);

	if (!r)
		r = remove_keys(p, t);
	if (t != XBT_NULL && !xs_transaction_end(p->xs, t, r != 0) && !r)
		r = failed_errno();
	return r;
}

/*
 * Until it has worked, or will not: others' transactions are in the way, or the
 * host fails, which may pass. Nobody will do it later. 0, or the last failure.
 */
static int insist(int (*remove)(const struct publication *p),
		  const struct publication *p)
{
	int r = -EAGAIN, n_failures = 0;

	for (int try = 0; try < TRANSACTION_TRIES; try++) {
		if (try)
			back_off(try);
		r = remove(p);
		if (!r || r == -ESTALE)
			break;
		if (r != -EAGAIN && ++n_failures == FAILURE_TRIES)
			break;
	}
	return r;
}

void xen_nodes_withdraw(struct xs_handle *xs, const char *base,
			const struct xen_node *nodes, size_t n_nodes)
{
	const struct publication p = { xs, base, nodes, n_nodes, { { 0 } } };

	if (!insist(remove_ours, &p))
		(void)insist(remove_base_if_void, &p);
}

int xen_nodes_read(struct xs_handle *xs, const char *base,
		   struct xen_node *nodes, size_t n_nodes)
{
	uint32_t first;
	int r = 0;

	for (size_t i = 0; i < n_nodes && !r; i++)
		r = read_value(xs, XBT_NULL, base, nodes[i].key,
			       &nodes[i].value);
	/*
	 * A server that was replaced between two reads would give us the page
	 * of one and the port of the other: the first value tells.
	 */
	if (!r)
		r = read_value(xs, XBT_NULL, base, nodes[0].key, &first);
	if (!r && first != nodes[0].value)
		r = -EAGAIN;
	return r;
}
