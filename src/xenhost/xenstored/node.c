// SPDX-License-Identifier: MIT
/*
 * What clients do to nodes. The order of the checks, and which nodes are
 * looked at on the way, is xenstored 4.17's: it decides which errno comes, and
 * in transactions what is a conflict.
 */
#include <errno.h>
#include <string.h>

#include "xenhost/xenstored/path.h"
#include "xenhost/xenstored/store.h"
#include "xenhost/xenstored/transaction.h"

/* Errors that say nothing about whether a node exists. */
static bool tells_nothing(int r)
{
	return r == -ENOMEM || r == -ENOSPC;
}

/*
 * Only who has the permission on the nearest node above may learn why a node
 * could not be had; others get -EACCES, whether or not it exists.
 */
static int hide_error(const struct xsd_subject *s, const char *path, int error,
		      unsigned int perm)
{
	char above[XSD_PATH_BUF];
	size_t len = strlen(path);
	struct xsd_record *r;
	int e;

	memcpy(above, path, len + 1);
	do {
		len = xsd_path_parent_len(above, len);
		above[len] = '\0';
		e = xsd_store_lookup(s, above, &r);
		if (tells_nothing(e))
			return e;
	} while (e && len > 1);
	if (e)
		return -EACCES;
	return xsd_domain_node_perms(&s->store->domains, s->domain, r) & perm
		       ? error
		       : -EACCES;
}

int xsd_node_get(const struct xsd_subject *s, const char *path,
		 unsigned int perm, struct xsd_record **out)
{
	int e;

	if (!xsd_path_valid(path))
		return -EINVAL;
	e = xsd_store_lookup(s, path, out);
	if (!e && (xsd_domain_node_perms(&s->store->domains, s->domain, *out) &
		   perm) != perm)
		e = -EACCES;
	if (!e || tells_nothing(e))
		return e;
	return hide_error(s, path, e, perm);
}

/* Entries for domains that came after old was made must not gain effect when
 * the changed node gets a new generation. */
static struct xsd_record *freeze_perms(const struct xsd_store *store,
				       struct xsd_record *r,
				       uint64_t old_generation)
{
	if (!r)
		return NULL;
	for (size_t i = 1; i < r->parts.n_perms; i++)
		if (!xsd_domain_older(&store->domains, r->perms[i].domid,
				      old_generation))
			r->perms[i].bits |= XSD_PERM_IGNORE;
	return r;
}

static void count(const struct xsd_subject *s, const struct xsd_record *r,
		  int sign)
{
	if (s->tx)
		xsd_transaction_count(s->tx, xsd_record_owner(r), sign);
}

/* A node that is about to be made, and those above it that are missing. */
struct construction {
	char path[XSD_PATH_BUF];
	size_t n;                         /* levels to be made */
	size_t len[XSD_PATH_BUF / 2 + 1]; /* of the paths, the deepest first */
	struct xsd_record *parent;        /* the nearest that exists */
};

/* Finds out what is missing. */
static int construction_start(const struct xsd_subject *s, const char *path,
			      struct construction *c)
{
	size_t len = strlen(path);
	int e;

	memcpy(c->path, path, len + 1);
	c->n = 0;
	do {
		c->len[c->n++] = len;
		len = xsd_path_parent_len(c->path, len);
		c->path[len] = '\0';
		e = xsd_store_lookup(s, c->path, &c->parent);
	} while (e == -ENOENT && len > 1);
	c->len[c->n] = len;
	memcpy(c->path, path, c->len[0] + 1);
	return e;
}

/* Cuts the path to that of a level. */
static const char *level_path(struct construction *c, const char *path,
			      size_t level)
{
	memcpy(c->path, path, c->len[level]);
	c->path[c->len[level]] = '\0';
	return c->path;
}

/* The record of a level: permissions of the parent, owned by its maker. */
static struct xsd_record *level_record(const struct xsd_subject *s,
				       struct construction *c, const char *path,
				       size_t level, const void *data,
				       size_t data_len)
{
	struct xsd_parts parts = { .perms = c->parent->parts.perms,
				   .n_perms = c->parent->parts.n_perms };
	struct xsd_record *r;

	if (level == 0) {
		parts.data = data;
		parts.data_len = data_len;
	} else {
		level_path(c, path, level - 1);
		parts.children = xsd_path_leaf(c->path);
		parts.children_len = strlen(parts.children) + 1;
	}
	r = freeze_perms(s->store, xsd_record_new(&parts),
			 c->parent->generation);
	if (r && !xsd_domain_privileged(s->domain))
		r->perms[0].domid = s->domain->domid;
	return r;
}

static int make_level(const struct xsd_subject *s, struct construction *c,
		      const char *path, size_t level, const void *data,
		      size_t data_len)
{
	struct xsd_domain *owner;
	struct xsd_record *r;
	int e;

	if (!xsd_domain_privileged(s->domain) &&
	    s->domain->n_nodes >= XSD_QUOTA_NODES)
		return -ENOSPC;
	r = level_record(s, c, path, level, data, data_len);
	if (!r)
		return -ENOMEM;
	/* A transaction may know an owner that is gone: its commit fails. */
	if (!s->tx &&
	    xsd_domain_get_existing(&s->store->domains, xsd_record_owner(r),
				    s->store->generation, &owner)) {
		xsd_record_unref(r);
		return -ENOMEM;
	}
	xsd_record_ref(r);
	e = xsd_store_put(s, level_path(c, path, level), r, true);
	if (!e)
		count(s, r, 1);
	xsd_record_unref(r);
	return e;
}

/* Enters the topmost new node into the list of the node that was there. */
static int make_entry(const struct xsd_subject *s, struct construction *c,
		      const char *path)
{
	struct xsd_record *r;

	level_path(c, path, c->n - 1);
	r = freeze_perms(
		s->store,
		xsd_record_add_child(c->parent, xsd_path_leaf(c->path)),
		c->parent->generation);
	if (!r)
		return -ENOMEM;
	return xsd_store_put(s, level_path(c, path, c->n), r, true);
}

/* Makes the node and what is missing above it, the deepest first. */
static int create(const struct xsd_subject *s, const char *path,
		  const void *data, size_t len)
{
	struct construction c;
	_cleanup_(cleanup_xsd_recordp) struct xsd_record *parent = NULL;
	size_t done = 0;
	int e = construction_start(s, path, &c);

	if (e)
		return e;
	parent = xsd_record_ref(c.parent);
	if (s->tx)
		s->tx->created = true;
	while (!e && done < c.n) {
		e = make_level(s, &c, path, done, data, len);
		done += !e;
	}
	if (!e)
		e = make_entry(s, &c, path);
	if (!e)
		return 0;
	/* What a transaction did half-way cannot be undone in it. */
	if (s->tx && done)
		s->tx->failed = true;
	while (done)
		xsd_store_delete(s, level_path(&c, path, --done));
	return e;
}

/* Reports that a node was made or changed. */
static int fire_changed(const struct xsd_subject *s, const char *path,
			const struct xsd_record *old)
{
	struct xsd_record *now;
	int e = xsd_store_lookup(s, path, &now);

	if (!e)
		xsd_store_fire(s, &(struct xsd_change){ .path = path,
							.now = now,
							.old = old });
	return e;
}

int xsd_node_write(const struct xsd_subject *s, const char *path,
		   const void *data, size_t len)
{
	struct xsd_record *r;
	struct xsd_parts parts;
	int e = xsd_node_get(s, path, XENSTORED_PERM_WRITE, &r);

	if (e == -ENOENT) {
		e = create(s, path, data, len);
	} else if (!e) {
		parts = r->parts;
		parts.data = data;
		parts.data_len = len;
		r = freeze_perms(s->store, xsd_record_new(&parts),
				 r->generation);
		e = r ? xsd_store_put(s, path, r, true) : -ENOMEM;
	}
	return e ? e : fire_changed(s, path, NULL);
}

int xsd_node_mkdir(const struct xsd_subject *s, const char *path)
{
	struct xsd_record *r;
	int e = xsd_node_get(s, path, XENSTORED_PERM_WRITE, &r);

	if (e != -ENOENT)
		return e;
	e = create(s, path, NULL, 0);
	return e ? e : fire_changed(s, path, NULL);
}

/* Removes the node at path, whose buffer has room for its children's names,
 * and everything below, the deepest first. */
static int remove_subtree(const struct xsd_subject *s, char *path, size_t len,
			  bool top)
{
	_cleanup_(cleanup_xsd_recordp) struct xsd_record *r = NULL;
	const char *child, *stop;
	int e = xsd_store_lookup(s, path, &r);

	if (e) {
		r = NULL;
		return -EIO;
	}
	xsd_record_ref(r);
	stop = r->parts.children + r->parts.children_len;
	for (child = r->parts.children; child < stop;
	     child += strlen(child) + 1) {
		size_t n = strlen(child);

		path[len] = '/';
		memcpy(path + len + 1, child, n + 1);
		e = remove_subtree(s, path, len + 1 + n, false);
		path[len] = '\0';
		if (e)
			return e;
	}
	e = xsd_store_delete(s, path);
	if (e)
		return e;
	xsd_store_fire(s, &(struct xsd_change){
				  .path = path, .exact = !top, .now = r });
	count(s, r, -1);
	return 0;
}

static int remove_tree(const struct xsd_subject *s, const char *path)
{
	char buf[XSD_PATH_BUF];
	size_t len = strlen(path);
	struct xsd_record *r;
	int e;

	memcpy(buf, path, len + 1);
	buf[xsd_path_parent_len(buf, len)] = '\0';
	e = xsd_store_lookup(s, buf, &r);
	if (e)
		return tells_nothing(e) ? e : -EINVAL;
	memcpy(buf, path, len + 1);
	e = remove_subtree(s, buf, len, true);
	if (e)
		return e;
	buf[xsd_path_parent_len(buf, len)] = '\0';
	e = xsd_store_lookup(s, buf, &r);
	if (e)
		return -EIO;
	r = freeze_perms(s->store,
			 xsd_record_remove_child(r, xsd_path_leaf(path)),
			 r->generation);
	return r ? xsd_store_put(s, buf, r, false) : -EIO;
}

int xsd_node_rm(const struct xsd_subject *s, const char *path)
{
	char parent[XSD_PATH_BUF];
	struct xsd_record *r;
	size_t len;
	int e = xsd_node_get(s, path, XENSTORED_PERM_WRITE, &r);

	if (e == -ENOENT) {
		len = xsd_path_parent_len(path, strlen(path));
		memcpy(parent, path, len);
		parent[len] = '\0';
		return xsd_store_lookup(s, parent, &r);
	}
	if (e)
		return e;
	return strcmp(path, "/") ? remove_tree(s, path) : -EINVAL;
}

int xsd_node_set_perms(const struct xsd_subject *s, const char *path,
		       struct xenstored_perm *perms, size_t n_perms)
{
	_cleanup_(cleanup_xsd_recordp) struct xsd_record *old = NULL;
	struct xsd_record *r;
	struct xsd_parts parts;
	int e = xsd_node_get(s, path, XENSTORED_PERM_WRITE | XSD_PERM_OWNER,
			     &r);

	if (e)
		return e;
	if (!xsd_domain_privileged(s->domain) &&
	    perms[0].domid != xsd_record_owner(r))
		return -EPERM;
	old = xsd_record_ref(r);
	parts = r->parts;
	parts.perms = perms;
	parts.n_perms = n_perms;
	r = xsd_record_new(&parts);
	if (!r)
		return -ENOMEM;
	e = xsd_store_put(s, path, r, true);
	if (e)
		return e;
	count(s, old, -1);
	count(s, r, 1);
	return fire_changed(s, path, old);
}

/* The tree keeps its root: domain 0 inherits it. */
static int inherit_root(const struct xsd_subject *s, struct xsd_record *root)
{
	struct xsd_record *r = freeze_perms(
		s->store, xsd_record_new(&root->parts), root->generation);

	if (!r)
		return -ENOMEM;
	r->perms[0].domid = 0;
	return xsd_store_put(s, "/", r, false);
}

/* Removes the domain's nodes among the children of r, which is at path. */
static int remove_owned_below(const struct xsd_subject *s,
			      const struct xsd_domain *d,
			      const struct xsd_record *r, char *path,
			      size_t len)
{
	const char *child = r->parts.children;
	const char *stop = child + r->parts.children_len;
	size_t slash = len > 1 ? len : 0; /* "/" ends in its own slash */
	int e = 0;

	for (; !e && child < stop && d->n_nodes > 0;
	     child += strlen(child) + 1) {
		_cleanup_(cleanup_xsd_recordp) struct xsd_record *node = NULL;
		size_t n = strlen(child);

		path[slash] = '/';
		memcpy(path + slash + 1, child, n + 1);
		if (xsd_store_lookup(s, path, &node))
			return -EIO;
		xsd_record_ref(node);
		if (xsd_record_owner(node) == d->domid)
			e = remove_tree(s, path);
		else
			e = remove_owned_below(s, d, node, path, slash + 1 + n);
		path[len] = '\0';
	}
	return e;
}

int xsd_store_remove_owned(struct xsd_store *store, struct xsd_domain *d)
{
	struct xsd_subject host = { .store = store };
	_cleanup_(cleanup_xsd_recordp) struct xsd_record *root =
		xsd_record_ref(xsd_store_find(store, "/"));
	char path[XSD_PATH_BUF] = "/";
	int e = 0;

	if (xsd_record_owner(root) == d->domid)
		e = inherit_root(&host, root);
	return e ? e : remove_owned_below(&host, d, root, path, 1);
}
